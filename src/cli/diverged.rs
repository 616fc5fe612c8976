use clap::{Args, Subcommand};
use serde_json::Value;

use super::output::{self, Table};
use super::{CliError, Connection, confirm};
use crate::admin::model::Status;
use crate::replication::report::DivergedEntry;

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem diverged show --epoch 3")]
pub struct DivergedArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: DivergedCommand,
}

#[derive(Debug, Args)]
struct Selected {
    /// The epoch that left the writes behind: the number in `diverged-<epoch>`
    #[arg(long)]
    epoch: u64,
    /// The protected path, if there are several
    #[arg(long)]
    path: Option<String>,
}

#[derive(Debug, Subcommand)]
enum DivergedCommand {
    /// List diverged snapshots of this node
    List,
    /// List the writes of one, by name
    #[command(after_help = "Example: tandem diverged show --epoch 3 --json > lost.json")]
    Show(#[command(flatten)] Selected),
    /// Discard one for good
    #[command(after_help = "Example: tandem diverged discard --epoch 3")]
    Discard {
        #[command(flatten)]
        selected: Selected,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Selected {
    fn query(&self) -> String {
        let path = self.path.as_ref().map_or(String::new(), |path| format!("&path={}", output::quoted(path)));
        format!("/api/diverged?epoch={}{path}", self.epoch)
    }
}

impl DivergedArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut client = self.connection.client()?;
        let json = self.connection.json;
        match self.command {
            DivergedCommand::List => {
                let status: Status = client.get("/api/status").await?;
                list(&status, json)
            }
            DivergedCommand::Show(selected) => {
                let entries: Vec<DivergedEntry> = client.get(&selected.query()).await?;
                match json {
                    true => output::json(&entries),
                    false => output::line(&manifest(&entries)),
                }
            }
            DivergedCommand::Discard { selected, yes } => {
                let question = format!("Discard the writes of diverged-{}? They cannot be had back.", selected.epoch);
                confirm::confirm(&question, yes)?;
                let answer: Value = client.delete(&selected.query()).await?;
                match json {
                    true => output::json(&answer),
                    false => output::line(&format!("Discarded diverged-{}.", selected.epoch)),
                }
            }
        }
    }
}

fn list(status: &Status, json: bool) -> Result<(), CliError> {
    let all: Vec<_> = status.node.paths.iter().flat_map(|path| path.diverged.iter().map(move |d| (path, d))).collect();
    if json {
        let rows = all.iter().map(|(path, d)| {
            serde_json::json!({"path": path.path, "name": d.name, "epoch": d.epoch, "created": d.created, "entries": d.entries})
        });
        return output::json(&rows.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["PATH", "SNAPSHOT", "EPOCH", "CREATED", "WRITES"]);
    for (path, d) in all {
        let row = [path.path.clone(), d.name.clone(), d.epoch.to_string(), d.created.clone(), d.entries.to_string()];
        table.row(row.to_vec());
    }
    match table.is_empty() {
        true => output::line("No diverged writes."),
        false => output::line(&table.render()),
    }
}

fn manifest(entries: &[DivergedEntry]) -> String {
    let mut table = Table::new(&["CHANGE", "BUCKET", "KEY", "VERSION", "SIZE", "MODIFIED"]);
    for entry in entries {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        table.row(vec![
            entry.change.clone(),
            entry.bucket.clone(),
            text(&entry.key),
            text(&entry.version),
            entry.size.map_or(String::new(), |size| size.to_string()),
            text(&entry.modified),
        ]);
    }
    table.render()
}
