use clap::{Args, Subcommand};
use serde_json::Value;

use super::output;
use super::{CliError, Connection, confirm, failover, status};
use crate::admin::model::{AddPath, Confirmed, Which, confirmation};
use crate::config::whole_seconds;
use crate::replication::report::PathReport;

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem path create / --peer b --interval 5")]
pub struct PathArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: PathCommand,
}

#[derive(Debug, Subcommand)]
enum PathCommand {
    /// List protected paths
    #[command(after_help = "Example: tandem path list --json")]
    List,
    /// Protect a path: this node becomes its Source, the peer its Destination
    #[command(visible_alias = "add", after_help = "Example: tandem path create /photos --peer b --interval 15")]
    Create {
        /// `/` for every bucket, or /BUCKET
        path: String,
        /// The peer's name
        #[arg(long)]
        peer: String,
        /// How often a snapshot is taken: 15, 15s, 5m
        #[arg(long, default_value_t = crate::admin::model::default_interval(), value_name = "DURATION", value_parser = whole_seconds)]
        interval: u64,
        /// How long snapshots are kept here
        #[arg(long, default_value_t = crate::admin::model::default_keep(), value_name = "DURATION", value_parser = whole_seconds)]
        keep_local: u64,
        /// How long snapshots are kept at the peer
        #[arg(long, default_value_t = crate::admin::model::default_keep(), value_name = "DURATION", value_parser = whole_seconds)]
        keep_remote: u64,
    },
    /// Stop protecting a path; both nodes keep their data
    #[command(after_help = "Example: tandem path remove /photos --yes")]
    Remove {
        path: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Take a snapshot now and ship it
    #[command(after_help = "Example: tandem path replicate-now /")]
    ReplicateNow { path: Option<String> },
    /// Bring a standalone path under replication again
    #[command(after_help = "Example: tandem path reattach /")]
    Reattach { path: Option<String> },
}

impl PathArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut client = self.connection.client()?;
        let json = self.connection.json;
        let report = match self.command {
            PathCommand::List => {
                let paths: Vec<PathReport> = client.get("/api/paths").await?;
                return match json {
                    true => output::json(&paths),
                    false => output::line(status::paths_table(&paths)),
                };
            }
            PathCommand::Remove { path, yes } => {
                let before = failover::find(&mut client, Some(&path)).await?;
                confirm::confirm(format!("Stop protecting {path}? Both nodes keep what they have."), yes)?;
                let confirmed = output::quoted(&confirmation("remove", &before, before.epoch));
                let place = format!("/api/paths?path={}&confirm={confirmed}", output::quoted(&path));
                let answer: Value = client.delete(&place).await?;
                return match json {
                    true => output::json(&answer),
                    false => output::line(format!("{path} is not protected any more.")),
                };
            }
            PathCommand::Create { path, peer, interval, keep_local, keep_remote } => {
                let asked = AddPath {
                    path,
                    peer,
                    interval_seconds: interval,
                    keep_local_seconds: keep_local,
                    keep_remote_seconds: keep_remote,
                };
                client.post::<PathReport>("/api/paths", &asked).await?
            }
            PathCommand::ReplicateNow { path } => client.post("/api/paths/replicate-now", &Which { path }).await?,
            PathCommand::Reattach { path } => {
                let before = failover::find(&mut client, path.as_deref()).await?;
                let confirm = Some(confirmation("reattach", &before, before.epoch));
                client.post("/api/paths/reattach", &Confirmed { path: Some(before.path), confirm }).await?
            }
        };
        match json {
            true => output::json(&report),
            false => output::line(status::paths_table(&[report])),
        }
    }
}
