use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::directory::{Column, Directory, Place, body};
use super::{CliError, confirm};
use crate::admin::model::Attachment;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("UID", "uid"),
    ("LOCAL", "local"),
    ("CREATE", "allow_create_bucket"),
    ("DELETE", "allow_delete_bucket"),
    ("SUPERUSER", "s3_superuser"),
    ("GROUPS", "groups"),
    ("POLICIES", "s3_policies"),
    ("KEYS", "access_keys"),
];

const FIELDS: &[Column] = &[
    ("name", "name"),
    ("arn", "arn"),
    ("account", "tenant_name"),
    ("created", "created"),
    ("local", "local"),
    ("uid", "uid"),
    ("leading gid", "leading_gid"),
    ("gids", "gids"),
    ("groups", "groups"),
    ("may make buckets", "allow_create_bucket"),
    ("may delete buckets", "allow_delete_bucket"),
    ("superuser", "s3_superuser"),
    ("policies", "s3_policies"),
    ("own policies", "inline_policies"),
    ("access keys", "access_keys"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example: tandem user create alice --uid 1001 --allow-create-bucket")]
pub struct UserArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// List users
    #[command(after_help = "Example: tandem user list --account backup")]
    List,
    /// Show one user
    #[command(after_help = "Example: tandem user show alice")]
    Show { name: String },
    /// Make a user; `tandem key create` then gives it a key
    #[command(after_help = "Example: tandem user create alice --uid 1001 --allow-create-bucket --policy readers")]
    Create {
        name: String,
        #[command(flatten)]
        fields: Fields,
        /// An IAM user: it has what policies give, and nothing else
        #[arg(long, conflicts_with_all = ["uid", "leading_gid", "gid", "superuser", "allow_create_bucket", "allow_delete_bucket"])]
        iam: bool,
        /// Attach this policy (may be given several times)
        #[arg(long, value_name = "POLICY")]
        policy: Vec<String>,
    },
    /// Change a user
    #[command(after_help = "Example: tandem user set alice --allow-delete-bucket true")]
    Set {
        name: String,
        #[command(flatten)]
        fields: Fields,
        /// Another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
    },
    /// Delete a user with its keys
    #[command(after_help = "Example: tandem user delete alice --yes")]
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Attach a policy to a user
    #[command(after_help = "Example: tandem user attach alice readers")]
    Attach { name: String, policy: String },
    /// Detach a policy from a user
    #[command(after_help = "Example: tandem user detach alice readers")]
    Detach { name: String, policy: String },
}

#[derive(Debug, Args)]
struct Fields {
    /// The user's number, unique in its account
    #[arg(long)]
    uid: Option<u32>,
    /// The number of its first group
    #[arg(long, value_name = "GID")]
    leading_gid: Option<u32>,
    /// The number of a further group (may be given several times)
    #[arg(long)]
    gid: Vec<u32>,
    /// Whether it may make buckets
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    allow_create_bucket: Option<bool>,
    /// Whether it may delete the buckets that it made
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    allow_delete_bucket: Option<bool>,
    /// Whether it is allowed everything that nothing denies
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    superuser: Option<bool>,
}

impl Fields {
    fn body(self) -> Map<String, Value> {
        body([
            ("uid", self.uid.map(Value::from)),
            ("leading_gid", self.leading_gid.map(Value::from)),
            ("gids", (!self.gid.is_empty()).then(|| json!(self.gid))),
            ("allow_create_bucket", self.allow_create_bucket.map(Value::from)),
            ("allow_delete_bucket", self.allow_delete_bucket.map(Value::from)),
            ("s3_superuser", self.superuser.map(Value::from)),
        ])
    }
}

impl UserArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut at: Directory = self.place.open().await?;
        let user = match self.command {
            UserCommand::List => {
                let users = at.list("users").await?;
                return at.rows(&users, COLUMNS, "No users. `tandem user create NAME` makes one.");
            }
            UserCommand::Show { name } => at.find("users", &name).await?,
            UserCommand::Create { name, fields, iam, policy } => {
                let mut body = fields.body();
                body.insert("name".into(), json!(name));
                body.insert("s3_policies_ids".into(), json!(at.policies(&policy).await?));
                if iam {
                    body.insert("iam".into(), json!(true));
                }
                at.create("users", body).await?
            }
            UserCommand::Set { name, fields, rename } => {
                let mut body = fields.body();
                body.extend(rename.map(|name| ("name".to_owned(), json!(name))));
                at.change("users", &name, &Value::Object(body)).await?
            }
            UserCommand::Delete { name, yes } => {
                confirm::confirm(format!("Delete user {name}? Its keys stop working at once."), yes)?;
                return at.delete("users", &name).await;
            }
            UserCommand::Attach { name, policy } => at.attach("users", &name, &policy, Attachment::Attach).await?,
            UserCommand::Detach { name, policy } => at.attach("users", &name, &policy, Attachment::Detach).await?,
        };
        at.show(&user, FIELDS)
    }
}
