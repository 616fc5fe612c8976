//! Identity policies, and questions about what is decided.

mod offline;
mod simulate;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::directory::{Column, Directory, Place, body, read};
use super::{CliError, confirm, output};
use crate::admin::model::Attachment;
use crate::admin::verdict::{Question, Verdict};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ENABLED", "enabled"),
    ("USERS", "users"),
    ("GROUPS", "groups"),
    ("ROLES", "roles"),
    ("ARN", "arn"),
];

const FIELDS: &[Column] = &[
    ("name", "name"),
    ("arn", "arn"),
    ("account", "tenant_name"),
    ("created", "created"),
    ("enabled", "enabled"),
    ("users", "users"),
    ("groups", "groups"),
    ("roles", "roles"),
    ("policy", "policy"),
];

const VERDICT: &[Column] = &[
    ("decision", "decision"),
    ("why", "why"),
    ("principal", "principal"),
    ("action", "action"),
    ("resource", "resource"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem policy explain alice s3:GetObject photos/cat.jpg")]
pub struct PolicyArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// List policies
    #[command(after_help = "Example: tandem policy list")]
    List,
    /// Show one policy with its document
    #[command(after_help = "Example: tandem policy show readers")]
    Show { name: String },
    /// Make a policy from a JSON document
    #[command(after_help = "Example: tandem policy create readers readers.json")]
    Create {
        name: String,
        /// File with the document, or - for standard input
        file: PathBuf,
    },
    /// Replace a policy's document
    #[command(after_help = "Example: tandem policy update readers readers.json")]
    Update { name: String, file: PathBuf },
    /// Delete a policy, and take it from everyone who has it
    #[command(after_help = "Example: tandem policy delete readers --yes")]
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Put a policy in force again
    #[command(after_help = "Example: tandem policy enable readers")]
    Enable { name: String },
    /// Put a policy out of force; it stays attached
    #[command(after_help = "Example: tandem policy disable readers")]
    Disable { name: String },
    /// Attach a policy to a user, a group or a role
    #[command(after_help = "Example: tandem policy attach readers group/staff")]
    Attach {
        name: String,
        /// user/NAME, group/NAME or role/NAME
        holder: String,
    },
    /// Detach a policy from a user, a group or a role
    #[command(after_help = "Example: tandem policy detach readers user/alice")]
    Detach {
        name: String,
        /// user/NAME, group/NAME or role/NAME
        holder: String,
    },
    /// Ask the node what it would decide, and which statement decides it
    #[command(
        after_help = "Example: tandem policy explain alice s3:GetObject photos/cat.jpg --context aws:SourceIp=10.0.0.1"
    )]
    Explain {
        /// An ARN, user/NAME (or NAME) or role/NAME in the default account, or anonymous
        principal: String,
        /// Such as s3:GetObject
        action: String,
        /// An ARN, or BUCKET/KEY
        resource: String,
        /// A condition key of the request (may be given several times)
        #[arg(long, value_name = "KEY=VALUE")]
        context: Vec<String>,
    },
    /// Try a policy document on requests, without a node or against one
    #[command(after_help = simulate::HELP)]
    Simulate(simulate::SimulateArgs),
}

/// Collection and name of `group/staff`.
fn holder(text: &str) -> Result<(&'static str, &str), CliError> {
    match text.split_once('/') {
        Some(("user", name)) => Ok(("users", name)),
        Some(("group", name)) => Ok(("groups", name)),
        Some(("role", name)) => Ok(("iamroles", name)),
        _ => Err(CliError::Usage(format!("{text}: user/NAME, group/NAME or role/NAME is wanted"))),
    }
}

impl PolicyArgs {
    pub async fn run(self) -> Result<(), CliError> {
        if let PolicyCommand::Simulate(simulate) = self.command {
            return simulate.run(&self.place).await;
        }
        let mut at: Directory = self.place.open().await?;
        let policy = match self.command {
            PolicyCommand::List => {
                let policies = at.list("s3policies").await?;
                return at.rows(&policies, COLUMNS, "No policies. `tandem policy create NAME FILE` makes one.");
            }
            PolicyCommand::Show { name } => at.find("s3policies", &name).await?,
            PolicyCommand::Create { name, file } => {
                let body = body([("name", Some(json!(name))), ("policy", Some(json!(read(&file)?)))]);
                at.create("s3policies", body).await?
            }
            PolicyCommand::Update { name, file } => {
                at.change("s3policies", &name, &json!({"policy": read(&file)?})).await?
            }
            PolicyCommand::Enable { name } => at.change("s3policies", &name, &json!({"enabled": true})).await?,
            PolicyCommand::Disable { name } => at.change("s3policies", &name, &json!({"enabled": false})).await?,
            PolicyCommand::Delete { name, yes } => {
                confirm::confirm(format!("Delete policy {name}? Everyone who has it loses it."), yes)?;
                return at.delete("s3policies", &name).await;
            }
            PolicyCommand::Attach { name, holder } => return attach(&mut at, &name, &holder, Attachment::Attach).await,
            PolicyCommand::Detach { name, holder } => return attach(&mut at, &name, &holder, Attachment::Detach).await,
            PolicyCommand::Explain { principal, action, resource, context } => {
                let question =
                    Question { principal, action, resource, context: pairs(&context)?, ..Question::default() };
                return explain(&mut at, &question).await;
            }
            PolicyCommand::Simulate(_) => return Ok(()),
        };
        at.show(&policy, FIELDS)
    }
}

async fn attach(at: &mut Directory, policy: &str, to: &str, attachment: Attachment) -> Result<(), CliError> {
    let (collection, name) = holder(to)?;
    let holder = at.attach(collection, name, policy, attachment).await?;
    let word = match attachment {
        Attachment::Attach => "attached to",
        Attachment::Detach => "detached from",
    };
    at.say(&holder, &format!("{policy} is {word} {name}."))
}

async fn ask(at: &mut Directory, question: &Question) -> Result<Verdict, CliError> {
    at.client.post("/api/s3policies/explain/", question).await
}

async fn explain(at: &mut Directory, question: &Question) -> Result<(), CliError> {
    let verdict = ask(at, question).await?;
    if at.json {
        return output::json(&verdict);
    }
    let value = serde_json::to_value(&verdict).map_err(|error| CliError::Failed(error.to_string()))?;
    at.show(&value, VERDICT)?;
    for found in &verdict.matches {
        output::line(format!("speaks of it: {} by {}", found.effect, found.why))?;
    }
    Ok(())
}

/// `KEY=VALUE`; a key that is given again has several values.
fn pairs(given: &[String]) -> Result<Map<String, Value>, CliError> {
    let mut out: Map<String, Value> = Map::new();
    for pair in given {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| CliError::Usage(format!("--context {pair}: KEY=VALUE is wanted")))?;
        match out.entry(key).or_insert_with(|| json!([])) {
            Value::Array(values) => values.push(json!(value)),
            other => *other = json!([value]),
        }
    }
    Ok(out)
}
