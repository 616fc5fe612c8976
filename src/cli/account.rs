use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::directory::{Column, Directory, Place, body, find_account, number, read};
use super::{CliError, confirm};

const COLUMNS: &[Column] = &[
    ("ACCOUNT", "account_id"),
    ("NAME", "name"),
    ("EMAIL", "email"),
    ("UNIT", "organizational_unit_id"),
    ("CREATED", "created"),
];

const FIELDS: &[Column] = &[
    ("account", "account_id"),
    ("name", "name"),
    ("email", "email"),
    ("canonical id", "canonical_id"),
    ("organisation", "organization_id"),
    ("path", "organization_path"),
    ("created", "created"),
];

const UNITS: &[Column] = &[("UNIT", "id"), ("NAME", "name"), ("PARENT", "parent_id")];

/// Accounts made in one commit.
const BULK: usize = 1_000;

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem account create backup --email backup@example.com")]
pub struct AccountArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// List accounts
    #[command(after_help = "Example: tandem account list --json")]
    List,
    /// Show one account
    #[command(after_help = "Example: tandem account show backup")]
    Show {
        /// Twelve digits, or the name
        #[arg(value_name = "ACCOUNT")]
        which: String,
    },
    /// Make an account, or many
    #[command(after_help = "A file has one account a line: NAME[,EMAIL[,ACCOUNT_ID[,UNIT_ID]]]; `#` begins a comment.
Example: tandem account create --from accounts.csv")]
    Create {
        #[arg(required_unless_present = "from")]
        name: Option<String>,
        /// Twelve digits [default: drawn by lot]
        #[arg(long)]
        id: Option<String>,
        #[arg(long)]
        email: Option<String>,
        /// The organisational unit (ou-...) it hangs in
        #[arg(long)]
        unit: Option<String>,
        /// Make every account that this file lists; - for standard input
        #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "id", "email", "unit"])]
        from: Option<PathBuf>,
    },
    /// Delete an account that has nothing left
    #[command(after_help = "Example: tandem account delete backup --yes")]
    Delete {
        #[arg(value_name = "ACCOUNT")]
        which: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List organisational units
    #[command(after_help = "Example: tandem account units")]
    Units,
    /// Make an organisational unit
    #[command(after_help = "Example: tandem account create-unit research --parent ou-...")]
    CreateUnit {
        name: String,
        /// The unit it hangs in [default: the organisation's root]
        #[arg(long)]
        parent: Option<String>,
    },
}

impl AccountArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut at: Directory = self.place.open().await?;
        match self.command {
            AccountCommand::List => {
                let accounts: Vec<Value> = at.client.get("/api/tenants/?ordering=account_id").await?;
                at.rows(&accounts, COLUMNS, "No accounts.")
            }
            AccountCommand::Show { which } => {
                let account = find_account(&mut at.client, &which).await?;
                at.show(&account, FIELDS)
            }
            AccountCommand::Create { from: Some(file), .. } => bulk(&mut at, &read(&file)?).await,
            AccountCommand::Create { name, id, email, unit, from: None } => {
                let body = body([
                    ("name", name.map(Value::from)),
                    ("account_id", id.map(Value::from)),
                    ("email", email.map(Value::from)),
                    ("organizational_unit_id", unit.map(Value::from)),
                ]);
                let account: Value = at.client.post("/api/tenants/", &body).await?;
                at.show(&account, FIELDS)
            }
            AccountCommand::Delete { which, yes } => {
                confirm::confirm(format!("Delete account {which}?"), yes)?;
                let id = number(&find_account(&mut at.client, &which).await?)?;
                let _: Value = at.client.delete(&format!("/api/tenants/{id}/")).await?;
                at.say(&json!({}), &format!("account {which} is deleted."))
            }
            AccountCommand::Units => {
                let units: Vec<Value> = at.client.get("/api/organizationalunits/").await?;
                at.rows(&units, UNITS, "No organisational units. `tandem account create-unit NAME` makes one.")
            }
            AccountCommand::CreateUnit { name, parent } => {
                let body = body([("name", Some(json!(name))), ("parent_id", parent.map(Value::from))]);
                let unit: Value = at.client.post("/api/organizationalunits/", &body).await?;
                at.show(&unit, UNITS)
            }
        }
    }
}

async fn bulk(at: &mut Directory, text: &str) -> Result<(), CliError> {
    let wanted = lines(text)?;
    let mut made = Vec::new();
    for some in wanted.chunks(BULK) {
        let answer: Vec<Value> = at.client.post("/api/tenants/bulk/", &json!({"tenants": some})).await?;
        made.extend(answer);
    }
    at.rows(&made, COLUMNS, "The file lists no accounts.")
}

/// `NAME[,EMAIL[,ACCOUNT_ID[,UNIT_ID]]]`
fn lines(text: &str) -> Result<Vec<Value>, CliError> {
    let mut accounts = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        if cells.len() > 4 || cells[0].is_empty() {
            return Err(CliError::Usage(format!("line {}: NAME[,EMAIL[,ACCOUNT_ID[,UNIT_ID]]] is wanted", at + 1)));
        }
        let cell = |at: usize| cells.get(at).filter(|cell| !cell.is_empty()).map(|cell| json!(cell));
        let fields =
            [("name", cell(0)), ("email", cell(1)), ("account_id", cell(2)), ("organizational_unit_id", cell(3))];
        accounts.push(Value::Object(body(fields)));
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_an_account_with_comments() {
        let read = lines("# head\nalpha\n beta , b@example.com,,ou-1 # why\n\n").unwrap();
        let beta = json!({"name": "beta", "email": "b@example.com", "organizational_unit_id": "ou-1"});
        assert_eq!(read, [json!({"name": "alpha"}), beta]);
        assert!(lines("a,b,c,d,e").is_err());
        assert!(lines(",b").is_err());
    }
}
