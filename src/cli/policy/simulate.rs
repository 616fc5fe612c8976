use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::offline;
use crate::admin::verdict::{Question, Verdict, document_text};
use crate::cli::directory::{Place, read};
use crate::cli::output::{self, Table};
use crate::cli::{CliError, Connection};

pub const HELP: &str = r#"FILE is a policy document, or documents with cases:
  {
    "identity_policies": [{"Version": "2012-10-17", "Statement": [...]}, "readers.json"],
    "bucket_policy": "bucket.json",
    "bucket_account": "000000000000",
    "cases": [
      {"principal": "arn:aws:iam::000000000000:user/alice", "action": "s3:GetObject",
       "resource": "photos/cat.jpg", "context": {"aws:SourceIp": "10.0.0.1"}, "expect": "allow"}
    ]
  }
Documents stand in the file, or are named by their files. `expect` is allow or deny; a case that is decided otherwise
makes the command fail. With --node the principals are the node's own, and what the file leaves out is as the node has it.
Example: tandem policy simulate readers.json --principal arn:aws:iam::000000000000:user/alice \
           --action s3:GetObject --resource photos/cat.jpg"#;

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// A policy document, or documents with cases; - for standard input
    file: PathBuf,
    /// Of one further case: an ARN, or anonymous
    #[arg(long, requires = "action", requires = "resource")]
    principal: Option<String>,
    /// Of that case: such as s3:GetObject
    #[arg(long, requires = "principal")]
    action: Option<String>,
    /// Of that case: an ARN, or BUCKET/KEY
    #[arg(long, requires = "principal")]
    resource: Option<String>,
    /// Of that case: a condition key of the request (may be given several times)
    #[arg(long, value_name = "KEY=VALUE", requires = "principal")]
    context: Vec<String>,
    /// Ask the node, with its principals and its buckets
    #[arg(long)]
    node: bool,
}

/// What a file has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    identity_policies: Option<Vec<Value>>,
    bucket_policy: Option<Value>,
    bucket_account: Option<String>,
    #[serde(default)]
    cases: Vec<Case>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    principal: String,
    action: String,
    resource: String,
    #[serde(default)]
    context: Map<String, Value>,
    expect: Option<Expect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Allow,
    Deny,
}

/// The documents of a file, as text.
#[derive(Debug, Default)]
pub struct Documents {
    pub identity: Vec<String>,
    pub bucket: Option<String>,
    pub bucket_account: String,
}

impl SimulateArgs {
    pub async fn run(self, place: &Place) -> Result<(), CliError> {
        let file = open(&self.file)?;
        let mut cases = file.cases.clone();
        if let (Some(principal), Some(action), Some(resource)) = (self.principal, self.action, self.resource) {
            cases.push(Case { principal, action, resource, context: super::pairs(&self.context)?, expect: None });
        }
        if cases.is_empty() {
            return Err(CliError::Usage(
                "there is no case: give --principal, --action and --resource, or cases in the file".into(),
            ));
        }
        let mut decided = Vec::new();
        if self.node {
            let mut at = place.open().await?;
            for case in cases {
                let question = Question {
                    identity_policies: file.identity_policies.clone(),
                    bucket_policy: file.bucket_policy.clone(),
                    ..case.question()
                };
                decided.push((super::ask(&mut at, &question).await?, case.expect));
            }
        } else {
            let documents = file.documents();
            for case in cases {
                decided.push((offline::decide(&documents, &case.question())?, case.expect));
            }
        }
        print(&place.connection, &decided)
    }
}

impl Case {
    fn question(&self) -> Question {
        Question {
            principal: self.principal.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            context: self.context.clone(),
            ..Question::default()
        }
    }
}

impl File {
    fn documents(&self) -> Documents {
        let default = "000000000000".to_owned();
        Documents {
            identity: self.identity_policies.iter().flatten().map(document_text).collect(),
            bucket: self.bucket_policy.as_ref().map(document_text),
            bucket_account: self.bucket_account.clone().unwrap_or(default),
        }
    }
}

fn open(path: &Path) -> Result<File, CliError> {
    let text = read(path)?;
    let wrong = |error: serde_json::Error| CliError::Failed(format!("{}: {error}", path.display()));
    let value: Value = serde_json::from_str(&text).map_err(wrong)?;
    if value.get("Statement").is_some() {
        return Ok(bare(value));
    }
    let mut file: File = serde_json::from_value(value).map_err(wrong)?;
    let beside = path.parent().unwrap_or(Path::new("."));
    for document in file.identity_policies.iter_mut().flatten().chain(file.bucket_policy.as_mut()) {
        if let Value::String(name) = document {
            *document = Value::String(read(&beside.join(name.as_str()))?);
        }
    }
    Ok(file)
}

/// A document that names principals is a bucket's.
fn bare(document: Value) -> File {
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        one => vec![one.clone()],
    };
    let named = |statement: &Value| statement.get("Principal").is_some() || statement.get("NotPrincipal").is_some();
    match statements.iter().any(named) {
        true => File { bucket_policy: Some(document), ..File::default() },
        false => File { identity_policies: Some(vec![document]), ..File::default() },
    }
}

fn as_expected(verdict: &Verdict, expect: Option<Expect>) -> Option<bool> {
    expect.map(|expect| verdict.allowed == (expect == Expect::Allow))
}

fn print(connection: &Connection, decided: &[(Verdict, Option<Expect>)]) -> Result<(), CliError> {
    let wrong = decided.iter().filter(|(verdict, expect)| as_expected(verdict, *expect) == Some(false)).count();
    if connection.json {
        let verdicts: Vec<&Verdict> = decided.iter().map(|(verdict, _)| verdict).collect();
        output::json(&verdicts)?;
    } else {
        let mut table = Table::new(&["AS EXPECTED", "DECISION", "PRINCIPAL", "ACTION", "RESOURCE", "WHY"]);
        for (verdict, expect) in decided {
            let expected = match as_expected(verdict, *expect) {
                None => "",
                Some(true) => "yes",
                Some(false) => "NO",
            };
            let cells =
                [expected, &verdict.decision, &verdict.principal, &verdict.action, &verdict.resource, &verdict.why];
            table.row(cells.map(str::to_owned).to_vec());
        }
        output::line(table.render())?;
    }
    match wrong {
        0 => Ok(()),
        wrong => {
            Err(CliError::Failed(format!("{wrong} of {} cases were decided otherwise than expected", decided.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decide(file: File) -> Vec<(bool, Option<bool>)> {
        let documents = file.documents();
        let verdict = |case: &Case| offline::decide(&documents, &case.question()).unwrap();
        file.cases.iter().map(|case| (verdict(case).allowed, as_expected(&verdict(case), case.expect))).collect()
    }

    #[test]
    fn cases_are_decided_by_the_documents_of_the_file() {
        let allow = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*",
             "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]});
        let case = |address: &str, expect: &str| {
            json!({"principal": "arn:aws:iam::000000000000:user/alice", "action": "s3:GetObject",
                   "resource": "photos/cat.jpg", "context": {"aws:SourceIp": address}, "expect": expect})
        };
        let file = json!({"identity_policies": [allow], "cases": [
            case("10.1.2.3", "allow"), case("192.0.2.1", "deny"), case("192.0.2.1", "allow")]});
        let decided = decide(serde_json::from_value(file).unwrap());
        assert_eq!(decided, [(true, Some(true)), (false, Some(true)), (false, Some(false))]);
    }

    #[test]
    fn a_bare_document_with_principals_is_a_buckets() {
        let document = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/*"}});
        let mut file = bare(document);
        assert!(file.bucket_policy.is_some() && file.identity_policies.is_none());
        let case = json!({"principal": "anonymous", "action": "s3:PutObject", "resource": "photos/a"});
        file.cases.push(serde_json::from_value(case).unwrap());
        assert_eq!(decide(file), [(true, None)]);
    }
}
