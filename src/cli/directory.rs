//! What the commands about identities share: finding objects by their names, and showing them.

use clap::Args;
use serde_json::{Map, Value, json};

use super::output::{self, Table, Text};
use super::{AdminClient, CliError, Connection};
use crate::admin::model::Attachment;

/// Which account a command is about.
#[derive(Clone, Debug, Args)]
pub struct Place {
    #[command(flatten)]
    pub connection: Connection,
    /// The account, by its twelve digits or its name [default: the default account]
    #[arg(long, global = true, value_name = "ACCOUNT")]
    account: Option<String>,
}

/// The identities of one account, at one node.
pub struct Directory {
    pub client: AdminClient,
    pub json: bool,
    /// The account's integer id at the admin port.
    pub tenant: u64,
}

/// A column: its heading, and the field under it.
pub type Column = (&'static str, &'static str);

impl Place {
    pub async fn open(&self) -> Result<Directory, CliError> {
        let mut client = self.connection.client()?;
        let tenant = match &self.account {
            None => 1,
            Some(account) => number(&find_account(&mut client, account).await?)?,
        };
        Ok(Directory { client, json: self.connection.json, tenant })
    }
}

/// An account by its twelve digits or its name.
pub async fn find_account(client: &mut AdminClient, account: &str) -> Result<Value, CliError> {
    let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let field = if digits { "account_id" } else { "name" };
    let found: Vec<Value> = client.get(&format!("/api/tenants/?{field}={}", output::quoted(account))).await?;
    only(found, "account", account)
}

fn only(found: Vec<Value>, what: &str, name: &str) -> Result<Value, CliError> {
    match <[Value; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(found) if found.is_empty() => Err(CliError::Failed(format!("there is no {what} {name}"))),
        Err(_) => Err(CliError::Failed(format!("{name} is the name of more than one {what}"))),
    }
}

/// The integer id of an object.
pub fn number(object: &Value) -> Result<u64, CliError> {
    object["id"].as_u64().ok_or_else(|| CliError::Failed("the admin port's answer has no id".into()))
}

/// The word for one object of a collection.
fn word(collection: &str) -> &'static str {
    match collection {
        "users" => "user",
        "groups" => "group",
        "iamroles" => "role",
        _ => "policy",
    }
}

impl Directory {
    pub async fn list(&mut self, collection: &str) -> Result<Vec<Value>, CliError> {
        self.client.get(&format!("/api/{collection}/?tenant_id={}&ordering=name", self.tenant)).await
    }

    pub async fn find(&mut self, collection: &str, name: &str) -> Result<Value, CliError> {
        let path = format!("/api/{collection}/?tenant_id={}&name={}", self.tenant, output::quoted(name));
        let mut found: Vec<Value> = self.client.get(&path).await?;
        if found.is_empty() && collection == "s3policies" {
            // Those that AWS manages belong to no account.
            let path = format!("/api/{collection}/?tenant_id__isnull=True&name={}", output::quoted(name));
            found = self.client.get(&path).await?;
        }
        only(found, word(collection), name)
    }

    pub async fn create(&mut self, collection: &str, mut body: Map<String, Value>) -> Result<Value, CliError> {
        body.insert("tenant_id".into(), json!(self.tenant));
        self.client.post(&format!("/api/{collection}/"), &body).await
    }

    pub async fn change(&mut self, collection: &str, name: &str, body: &Value) -> Result<Value, CliError> {
        let id = number(&self.find(collection, name).await?)?;
        self.client.patch(&format!("/api/{collection}/{id}/"), body).await
    }

    pub async fn delete(&mut self, collection: &str, name: &str) -> Result<(), CliError> {
        let id = number(&self.find(collection, name).await?)?;
        let _: Value = self.client.delete(&format!("/api/{collection}/{id}/")).await?;
        self.say(&json!({}), &format!("{} {name} is deleted.", word(collection)))
    }

    /// Attaches a managed policy to a user, a group or a role, or detaches it.
    pub async fn attach(
        &mut self,
        collection: &str,
        name: &str,
        policy: &str,
        attachment: Attachment,
    ) -> Result<Value, CliError> {
        let policy = number(&self.find("s3policies", policy).await?)?;
        let holder = number(&self.find(collection, name).await?)?;
        let word = match attachment {
            Attachment::Attach => "attach_policy",
            Attachment::Detach => "detach_policy",
        };
        let path = format!("/api/{collection}/{holder}/{word}/");
        self.client.patch(&path, &json!({"policy_id": policy})).await
    }

    /// Ids of policies by their names.
    pub async fn policies(&mut self, names: &[String]) -> Result<Vec<u64>, CliError> {
        let mut ids = Vec::new();
        for name in names {
            ids.push(number(&self.find("s3policies", name).await?)?);
        }
        Ok(ids)
    }

    pub fn rows(&self, objects: &[Value], columns: &[Column], none: &str) -> Result<(), CliError> {
        if self.json {
            return output::json(&objects);
        }
        match objects.is_empty() {
            true => output::line(none),
            false => output::line(table(objects, columns)),
        }
    }

    /// One object, a line a field.
    pub fn show(&self, object: &Value, columns: &[Column]) -> Result<(), CliError> {
        if self.json {
            return output::json(object);
        }
        let widest = columns.iter().map(|(heading, _)| heading.len()).max().unwrap_or(0);
        let lines = columns.iter().map(|(heading, field)| format!("{heading:<widest$}  {}", cell(&object[*field])));
        output::line(lines.map(|line| line.trim_end().to_owned()).collect::<Text>())
    }

    pub fn say(&self, answer: &Value, sentence: &str) -> Result<(), CliError> {
        match self.json {
            true => output::json(answer),
            false => output::line(sentence),
        }
    }
}

pub fn table(objects: &[Value], columns: &[Column]) -> Text {
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    let mut table = Table::new(&headings);
    for object in objects {
        table.row(columns.iter().map(|(_, field)| cell(&object[*field])).collect());
    }
    table.render()
}

/// A value as a cell of a table: lists by their names, separated by commas.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let named = fields.get("name").or_else(|| fields.get("access_key"));
            named.map_or_else(|| value.to_string(), cell)
        }
    }
}

/// A file, or standard input for `-`.
pub fn read(file: &std::path::Path) -> Result<String, CliError> {
    match file.as_os_str() == "-" {
        true => Ok(std::io::read_to_string(std::io::stdin())?),
        false => std::fs::read_to_string(file).map_err(|source| CliError::File { path: file.into(), source }),
    }
}

/// A body out of what was given: fields without a value are left out.
pub fn body<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
