use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::client::AdminClient;
use super::output::{self, Table, Text};
use super::{CliError, Connection, confirm, failover};
use crate::admin::model::confirmation;
use crate::replication::report::{DivergedEntry, PathReport};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tandem diverged                       every diverged write of this node, by name
  tandem diverged --epoch 3 --json      those that epoch 3 left behind
  tandem diverged discard --epoch 3")]
pub struct DivergedArgs {
    #[command(flatten)]
    connection: Connection,
    /// Only of this epoch: the number in `diverged-<epoch>`
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u64>,
    /// Only of this protected path
    #[arg(long)]
    path: Option<String>,
    #[command(subcommand)]
    command: Option<DivergedCommand>,
}

#[derive(Debug, Subcommand)]
enum DivergedCommand {
    /// Discard the writes that an epoch left behind, for good
    #[command(after_help = "Example: tandem diverged discard --epoch 3")]
    Discard {
        /// The number in `diverged-<epoch>`
        #[arg(long)]
        epoch: u64,
        /// The protected path, if there are several
        #[arg(long)]
        path: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// A diverged snapshot with its manifest.
#[derive(Serialize)]
struct Diverged {
    path: String,
    name: String,
    epoch: u64,
    created: String,
    writes: Vec<DivergedEntry>,
}

impl DivergedArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut client = self.connection.client()?;
        let json = self.connection.json;
        if let Some(DivergedCommand::Discard { epoch, path, yes }) = self.command {
            let found = failover::find(&mut client, path.as_deref()).await?;
            let asked = format!("Discard the writes of diverged-{epoch} of {}? They cannot be had back.", found.path);
            confirm::confirm(&asked, yes)?;
            let confirmed = output::quoted(&confirmation("discard", &found, epoch));
            let place = format!("{}&confirm={confirmed}", query(epoch, Some(&found.path)));
            let answer: Value = client.delete(&place).await?;
            return match json {
                true => output::json(&answer),
                false => output::line(format!("Discarded diverged-{epoch}.")),
            };
        }
        let found = collect(&mut client, self.epoch, self.path.as_deref()).await?;
        match (json, found.is_empty()) {
            (true, _) => output::json(&found),
            (false, true) => output::line("No diverged writes."),
            (false, false) => found.iter().try_for_each(|one| {
                let mut text = Text::from(heading(one));
                text.append(manifest(&one.writes));
                text.push("");
                output::line(text)
            }),
        }
    }
}

fn query(epoch: u64, path: Option<&str>) -> String {
    let path = path.map_or(String::new(), |path| format!("&path={}", output::quoted(path)));
    format!("/api/diverged?epoch={epoch}{path}")
}

async fn collect(client: &mut AdminClient, epoch: Option<u64>, path: Option<&str>) -> Result<Vec<Diverged>, CliError> {
    let reports: Vec<PathReport> = client.get("/api/paths").await?;
    let mut found = Vec::new();
    for report in reports.into_iter().filter(|report| path.is_none_or(|path| path == report.path)) {
        for one in report.diverged.into_iter().filter(|one| epoch.is_none_or(|epoch| epoch == one.epoch)) {
            let writes = client.get(&query(one.epoch, Some(&report.path))).await?;
            let path = report.path.clone();
            found.push(Diverged { path, name: one.name, epoch: one.epoch, created: one.created, writes });
        }
    }
    Ok(found)
}

fn heading(one: &Diverged) -> String {
    format!(
        "{} of {}, left behind by epoch {} ({}): {} writes",
        one.name,
        one.path,
        one.epoch,
        one.created,
        one.writes.len()
    )
}

fn manifest(entries: &[DivergedEntry]) -> Text {
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
