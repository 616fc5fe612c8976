use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::directory::{Column, Directory, Place, number};
use super::{CliError, confirm, output};
use crate::config::credentials::read_secret;

const COLUMNS: &[Column] =
    &[("ACCESS KEY", "access_key"), ("USER", "user"), ("ENABLED", "enabled"), ("CREATED", "creation_time")];

/// Where `provide` finds the secret without a file.
const SECRET_ENVIRONMENT: &str = "TANDEM_SECRET_KEY";

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem key create alice")]
pub struct KeyArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// List access keys
    #[command(after_help = "Example: tandem key list --of alice")]
    List {
        /// Those of one user
        #[arg(long, value_name = "USER")]
        of: Option<String>,
    },
    /// Make a key pair for a user; its secret is shown this once
    #[command(after_help = "Example: tandem key create alice --json > alice.json")]
    Create {
        #[arg(value_name = "USER")]
        owner: String,
    },
    /// Give a user a key pair that it has elsewhere, such as on the peer
    #[command(
        after_help = "The secret comes from --secret-key-file, else from TANDEM_SECRET_KEY, else from standard input.
Example: tandem key provide alice AKIA... --secret-key-file secret.txt"
    )]
    Provide {
        #[arg(value_name = "USER")]
        owner: String,
        access_key: String,
        /// File with the secret; its first line counts
        #[arg(long, value_name = "FILE")]
        secret_key_file: Option<PathBuf>,
    },
    /// Let a key work again
    #[command(after_help = "Example: tandem key enable AKIA...")]
    Enable { access_key: String },
    /// Let a key work no longer; it stays
    #[command(after_help = "Example: tandem key disable AKIA...")]
    Disable { access_key: String },
    /// Delete a key
    #[command(after_help = "Example: tandem key delete AKIA... --yes")]
    Delete {
        access_key: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl KeyArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut at: Directory = self.place.open().await?;
        match self.command {
            KeyCommand::List { of } => {
                let mut path = format!("/api/locals3keys/?tenant_id={}", at.tenant);
                if let Some(user) = of {
                    path = format!("{path}&user_id={}", number(&at.find("users", &user).await?)?);
                }
                let keys: Vec<Value> = at.client.get(&path).await?;
                at.rows(&keys, COLUMNS, "No keys. `tandem key create USER` makes one.")
            }
            KeyCommand::Create { owner } => {
                let user = number(&at.find("users", &owner).await?)?;
                let pair: Value = at.client.post(&format!("/api/users/{user}/access_keys/"), &json!({})).await?;
                let shown = "The secret is shown this once.";
                at.show(&pair, &[("access key", "access_key"), ("secret key", "secret_key")])?;
                if at.json { Ok(()) } else { output::line(shown) }
            }
            KeyCommand::Provide { owner, access_key, secret_key_file } => {
                let secret = secret(secret_key_file)?;
                let user = number(&at.find("users", &owner).await?)?;
                let body = json!({"access_key": access_key, "secret_key": secret.as_str()});
                let pair: Value = at.client.post(&format!("/api/users/{user}/access_keys/"), &body).await?;
                at.say(&pair, &format!("{access_key} works here too."))
            }
            KeyCommand::Enable { access_key } => set(&mut at, &access_key, true).await,
            KeyCommand::Disable { access_key } => set(&mut at, &access_key, false).await,
            KeyCommand::Delete { access_key, yes } => {
                confirm::confirm(format!("Delete key {access_key}? It stops working at once."), yes)?;
                let path = path_of(&mut at, &access_key).await?;
                let _: Value = at.client.delete_with(&path, &json!({"access_key": access_key})).await?;
                at.say(&json!({}), &format!("{access_key} is deleted."))
            }
        }
    }
}

/// Whose key it is decides where it is changed.
async fn path_of(at: &mut Directory, access_key: &str) -> Result<String, CliError> {
    let found: Vec<Value> =
        at.client.get(&format!("/api/locals3keys/?access_key={}", output::quoted(access_key))).await?;
    match found.first() {
        Some(key) => Ok(format!("/api/users/{}/access_keys/", number(&key["user"])?)),
        None => Err(CliError::Failed(format!("there is no access key {access_key}"))),
    }
}

async fn set(at: &mut Directory, access_key: &str, enabled: bool) -> Result<(), CliError> {
    let path = path_of(at, access_key).await?;
    let _: Value = at.client.patch(&path, &json!({"access_key": access_key, "enabled": enabled})).await?;
    let word = if enabled { "enabled" } else { "disabled" };
    at.say(&json!({}), &format!("{access_key} is {word}."))
}

fn secret(file: Option<PathBuf>) -> Result<Zeroizing<String>, CliError> {
    if let Some(path) = file {
        return Ok(read_secret(&path)?);
    }
    if let Ok(secret) = std::env::var(SECRET_ENVIRONMENT)
        && !secret.is_empty()
    {
        return Ok(Zeroizing::new(secret));
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(CliError::Usage("the secret is empty".into())),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}
