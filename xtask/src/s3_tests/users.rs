//! The users that ceph/s3-tests wants: three strangers to each other with buckets of their own, and more for IAM.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{ACCESS_KEY, PASSWORD, SECRET_KEY};
use crate::run::Failed;

/// Who the users of a configuration are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// Each user has an account of its own, and is named by its canonical id, as ACLs name it.
    Strangers,
    /// `s3 main`, `s3 alt` and `iam` are users of one account, and named by their names, as IAM names them. `s3 alt` may
    /// use what it made itself, and has no policy.
    OneAccount,
}

/// Sections whose users have an account each, in which they may do everything.
const STRANGERS: [&str; 5] = ["s3 main", "s3 alt", "s3 tenant", "iam", "iam alt root"];
/// Sections of the account that the tests of IAM work in, and what `tandem user create` is told of their users.
const TOGETHER: [(&str, &[&str]); 3] = [
    ("iam", &["--iam", "--policy", "AdministratorAccess"]),
    ("s3 main", &["--iam", "--policy", "AdministratorAccess"]),
    ("s3 alt", &["--uid", "1001", "--allow-create-bucket", "true", "--allow-delete-bucket", "true"]),
];
/// Their account.
const ACCOUNT: &str = "together";
/// This one is the root of its account.
const ROOT: &str = "iam root";

/// A node's command line.
pub struct Cli<'a> {
    pub binary: &'a Path,
    pub admin: &'a str,
    pub ca: &'a Path,
}

impl Cli<'_> {
    fn run(&self, words: &[&str]) -> Result<Value, Failed> {
        let mut command = Command::new(self.binary);
        command.args(words).args(["--json", "--admin", self.admin, "--ca"]).arg(self.ca);
        let done = command.env("TANDEM_PASSWORD", PASSWORD).output();
        let done = done.map_err(|error| Failed(format!("{}: {error}", self.binary.display())))?;
        let shown = serde_json::from_slice(&done.stdout);
        match (done.status.success(), shown) {
            (true, Ok(shown)) => Ok(shown),
            _ => Err(Failed(format!("tandem {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr)))),
        }
    }

    /// Makes the users, and writes their sections.
    pub fn sections(&self, cast: Cast) -> Result<String, Failed> {
        let mut text = String::new();
        match cast {
            Cast::Strangers => {
                for section in STRANGERS {
                    text += &self.stranger("", section)?;
                }
            }
            Cast::OneAccount => {
                let account = self.run(&["account", "create", ACCOUNT])?;
                for (section, words) in TOGETHER {
                    let name = section.replace(' ', "-");
                    self.run(&[&["user", "create", &name, "--account", ACCOUNT], words].concat())?;
                    let pair = self.run(&["key", "create", &name, "--account", ACCOUNT])?;
                    let id = if section.starts_with("s3") { name.as_str() } else { word(&account["account_id"]) };
                    text += &write(section, [word(&pair["access_key"]), word(&pair["secret_key"]), id], &name);
                }
                text += &self.stranger("other-", "s3 tenant")?;
                text += &self.stranger("other-", "iam alt root")?;
            }
        }
        Ok(text + &write(ROOT, [ACCESS_KEY, SECRET_KEY, "000000000000"], "root"))
    }

    fn stranger(&self, prefix: &str, section: &str) -> Result<String, Failed> {
        let name = format!("{prefix}{}", section.replace(' ', "-"));
        let email = format!("{name}@example.com");
        let account = self.run(&["account", "create", &name, "--email", &email])?;
        let policy = ["--iam", "--policy", "AdministratorAccess"];
        self.run(&[&["user", "create", &name, "--account", &name], &policy[..]].concat())?;
        let pair = self.run(&["key", "create", &name, "--account", &name])?;
        // ACLs name accounts by their canonical ids, and ARNs by their digits.
        let id = if section.starts_with("s3") { &account["canonical_id"] } else { &account["account_id"] };
        Ok(write(section, [word(&pair["access_key"]), word(&pair["secret_key"]), word(id)], &name))
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn write(section: &str, [access_key, secret_key, id]: [&str; 3], name: &str) -> String {
    format!(
        "[{section}]\naccess_key = {access_key}\nsecret_key = {secret_key}\napi_name = us-east-1\nuser_id = {id}\n\
         display_name = {name}\nemail = {name}@example.com\ntenant = none\nlc_debug_interval = 1\n"
    )
}
