use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::directory::{Column, Directory, Place, body, read};
use super::{CliError, confirm};
use crate::admin::model::Attachment;

const COLUMNS: &[Column] =
    &[("NAME", "name"), ("ARN", "arn"), ("SESSION", "max_session_duration"), ("POLICIES", "s3_policies")];

const FIELDS: &[Column] = &[
    ("name", "name"),
    ("arn", "arn"),
    ("account", "tenant_name"),
    ("created", "created"),
    ("description", "description"),
    ("longest session", "max_session_duration"),
    ("policies", "s3_policies"),
    ("own policies", "inline_policies"),
    ("trust policy", "trust_policy"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem role create replicator --trust trust.json --policy writers")]
pub struct RoleArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: RoleCommand,
}

#[derive(Debug, Subcommand)]
enum RoleCommand {
    /// List roles
    #[command(after_help = "Example: tandem role list")]
    List,
    /// Show one role
    #[command(after_help = "Example: tandem role show replicator")]
    Show { name: String },
    /// Make a role that those whom its trust policy names may assume
    #[command(after_help = "Example: tandem role create replicator --trust trust.json --policy writers")]
    Create {
        name: String,
        /// File with the trust policy, or - for standard input
        #[arg(long, value_name = "FILE")]
        trust: PathBuf,
        /// For people
        #[arg(long)]
        description: Option<String>,
        /// The longest session, 3600 to 43200
        #[arg(long, value_name = "SECONDS")]
        max_session: Option<u32>,
        /// Attach this policy (may be given several times)
        #[arg(long, value_name = "POLICY")]
        policy: Vec<String>,
    },
    /// Replace a role's trust policy
    #[command(after_help = "Example: tandem role trust replicator trust.json")]
    Trust { name: String, file: PathBuf },
    /// Delete a role
    #[command(after_help = "Example: tandem role delete replicator --yes")]
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Attach a policy to a role
    #[command(after_help = "Example: tandem role attach replicator writers")]
    Attach { name: String, policy: String },
    /// Detach a policy from a role
    #[command(after_help = "Example: tandem role detach replicator writers")]
    Detach { name: String, policy: String },
}

impl RoleArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut at: Directory = self.place.open().await?;
        let role = match self.command {
            RoleCommand::List => {
                let roles = at.list("iamroles").await?;
                return at.rows(&roles, COLUMNS, "No roles. `tandem role create NAME --trust FILE` makes one.");
            }
            RoleCommand::Show { name } => at.find("iamroles", &name).await?,
            RoleCommand::Create { name, trust, description, max_session, policy } => {
                let policies = at.policies(&policy).await?;
                let body = body([
                    ("name", Some(json!(name))),
                    ("trust_policy", Some(json!(read(&trust)?))),
                    ("description", description.map(Value::from)),
                    ("max_session_duration", max_session.map(Value::from)),
                    ("s3_policies_ids", Some(json!(policies))),
                ]);
                at.create("iamroles", body).await?
            }
            RoleCommand::Trust { name, file } => {
                at.change("iamroles", &name, &json!({"trust_policy": read(&file)?})).await?
            }
            RoleCommand::Delete { name, yes } => {
                confirm::confirm(format!("Delete role {name}? Nobody can assume it any more."), yes)?;
                return at.delete("iamroles", &name).await;
            }
            RoleCommand::Attach { name, policy } => at.attach("iamroles", &name, &policy, Attachment::Attach).await?,
            RoleCommand::Detach { name, policy } => at.attach("iamroles", &name, &policy, Attachment::Detach).await?,
        };
        at.show(&role, FIELDS)
    }
}
