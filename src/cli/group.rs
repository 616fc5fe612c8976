use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::directory::{Column, Directory, Place, body, number};
use super::{CliError, confirm};
use crate::admin::model::Attachment;

const COLUMNS: &[Column] = &[("NAME", "name"), ("GID", "gid"), ("USERS", "users"), ("POLICIES", "s3_policies")];

const FIELDS: &[Column] = &[
    ("name", "name"),
    ("arn", "arn"),
    ("account", "tenant_name"),
    ("created", "created"),
    ("gid", "gid"),
    ("users", "users"),
    ("policies", "s3_policies"),
    ("own policies", "inline_policies"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem group create staff --gid 100")]
pub struct GroupArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// List groups
    #[command(after_help = "Example: tandem group list --json")]
    List,
    /// Show one group
    #[command(after_help = "Example: tandem group show staff")]
    Show { name: String },
    /// Make a group
    #[command(after_help = "Example: tandem group create staff --gid 100 --policy readers")]
    Create {
        name: String,
        /// Users with this gid are in it
        #[arg(long)]
        gid: Option<u32>,
        /// Attach this policy (may be given several times)
        #[arg(long, value_name = "POLICY")]
        policy: Vec<String>,
    },
    /// Delete a group; its users stay
    #[command(after_help = "Example: tandem group delete staff --yes")]
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Put a user into a group
    #[command(after_help = "Example: tandem group add-member staff alice")]
    AddMember {
        name: String,
        #[arg(value_name = "USER")]
        member: String,
    },
    /// Take a user out of a group
    #[command(after_help = "Example: tandem group remove-member staff alice")]
    RemoveMember {
        name: String,
        #[arg(value_name = "USER")]
        member: String,
    },
    /// Attach a policy to a group
    #[command(after_help = "Example: tandem group attach staff readers")]
    Attach { name: String, policy: String },
    /// Detach a policy from a group
    #[command(after_help = "Example: tandem group detach staff readers")]
    Detach { name: String, policy: String },
}

impl GroupArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut at: Directory = self.place.open().await?;
        let group = match self.command {
            GroupCommand::List => {
                let groups = at.list("groups").await?;
                return at.rows(&groups, COLUMNS, "No groups. `tandem group create NAME` makes one.");
            }
            GroupCommand::Show { name } => at.find("groups", &name).await?,
            GroupCommand::Create { name, gid, policy } => {
                let policies = at.policies(&policy).await?;
                let body = body([
                    ("name", Some(json!(name))),
                    ("gid", gid.map(Value::from)),
                    ("s3_policies_ids", Some(json!(policies))),
                ]);
                at.create("groups", body).await?
            }
            GroupCommand::Delete { name, yes } => {
                confirm::confirm(format!("Delete group {name}? Its users lose its policies."), yes)?;
                return at.delete("groups", &name).await;
            }
            GroupCommand::AddMember { name, member } => put(&mut at, &name, &member, "add_member").await?,
            GroupCommand::RemoveMember { name, member } => put(&mut at, &name, &member, "remove_member").await?,
            GroupCommand::Attach { name, policy } => at.attach("groups", &name, &policy, Attachment::Attach).await?,
            GroupCommand::Detach { name, policy } => at.attach("groups", &name, &policy, Attachment::Detach).await?,
        };
        at.show(&group, FIELDS)
    }
}

async fn put(at: &mut Directory, group: &str, user: &str, action: &str) -> Result<Value, CliError> {
    let group = number(&at.find("groups", group).await?)?;
    let user = number(&at.find("users", user).await?)?;
    at.client.patch(&format!("/api/groups/{group}/{action}/"), &json!({"user_id": user})).await
}
