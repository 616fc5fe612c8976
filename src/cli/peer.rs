use clap::{Args, Subcommand};
use serde_json::Value;

use super::output::{self, Table, Text};
use super::{CliError, Connection};
use crate::admin::model::{AddPeer, AskToken, PairingToken};
use crate::replication::report::PeerReport;

const EXAMPLE: &str = "Example, with node A on this machine and node B elsewhere:
  on B:  tandem peer token
  on A:  tandem peer add b --token-file token.txt";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct PeerArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: PeerCommand,
}

#[derive(Debug, Subcommand)]
enum PeerCommand {
    /// List peers
    #[command(after_help = "Example: tandem peer list --json")]
    List,
    /// Make a one-time token that lets another node pair with this one
    #[command(after_help = "Example: tandem peer token --admin https://b.example:9443 --ca b-ca.pem")]
    Token {
        /// A known peer that was made anew, with the same id and another key: the token is for that node alone
        #[arg(long, value_name = "NAME")]
        replaces: Option<String>,
    },
    /// Pair with the node that issued a token
    #[command(after_help = "Example: tandem peer token --admin https://b:9443 | tandem peer add b")]
    Add {
        /// What this node calls the peer
        name: String,
        /// File with the token; without one it is read from standard input
        #[arg(long, value_name = "FILE")]
        token_file: Option<std::path::PathBuf>,
    },
    /// Forget a peer that no path needs any more
    #[command(after_help = "Example: tandem peer remove b")]
    Remove { name: String },
}

impl PeerArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut client = self.connection.client()?;
        let json = self.connection.json;
        match self.command {
            PeerCommand::List => {
                let peers: Vec<PeerReport> = client.get("/api/peers").await?;
                match json {
                    true => output::json(&peers),
                    false => output::line(table(&peers)),
                }
            }
            PeerCommand::Token { replaces } => {
                let token: PairingToken = client.post("/api/pairing-token", &AskToken { replaces }).await?;
                match json {
                    true => output::json(&token),
                    false => output::line(&token.token),
                }
            }
            PeerCommand::Add { name, token_file } => {
                let token = read_token(token_file)?;
                let peer: PeerReport = client.post("/api/peers", &AddPeer { token, name }).await?;
                match json {
                    true => output::json(&peer),
                    false => output::line(format!("Paired with {} ({}) at {}.", peer.name, peer.node, peer.address)),
                }
            }
            PeerCommand::Remove { name } => {
                let path = format!("/api/peers?name={}", output::quoted(&name));
                let answer: Value = client.delete(&path).await?;
                match json {
                    true => output::json(&answer),
                    false => output::line(format!("Forgot {name}.")),
                }
            }
        }
    }
}

fn read_token(file: Option<std::path::PathBuf>) -> Result<String, CliError> {
    let text = match file {
        Some(path) => std::fs::read_to_string(&path).map_err(|source| CliError::File { path, source })?,
        None => std::io::read_to_string(std::io::stdin())?,
    };
    match text.trim() {
        "" => Err(CliError::Usage("the token is empty".into())),
        token => Ok(token.to_owned()),
    }
}

pub fn table(peers: &[PeerReport]) -> Text {
    let mut table = Table::new(&["PEER", "STATE", "ADDRESS", "HEARD", "ERROR"]);
    for peer in peers {
        let heard = match peer.last_heartbeat_seconds_ago {
            Some(ago) => format!("{} ago", output::seconds(Some(ago))),
            None => "never".into(),
        };
        let error = peer.error.clone().unwrap_or_default();
        table.row(vec![peer.name.clone(), peer.state.to_string(), peer.address.clone(), heard, error]);
    }
    match table.is_empty() {
        true => "No peers. `tandem peer token` on one node and `tandem peer add` on the other pair them.".into(),
        false => table.render(),
    }
}
