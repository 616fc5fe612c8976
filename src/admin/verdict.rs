//! A decision about a question that somebody asks beforehand: what the node answers, and what `tandem policy simulate` works
//! out by itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tandem_policy::{Decision, Effect, Entries, Policies, Request, Source, Why, evaluate, explain};

/// `POST /api/s3policies/explain/`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// An ARN, the name of a user of the default tenant, or `anonymous`.
    pub principal: String,
    /// `s3:GetObject`
    pub action: String,
    /// An ARN, or `BUCKET/KEY`.
    pub resource: String,
    /// Condition keys: a text or a list of texts each.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
    /// Documents in the place of the principal's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_policies: Option<Vec<Value>>,
    /// A document in the place of the bucket's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_policy: Option<Value>,
}

/// What was decided, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub principal: String,
    pub action: String,
    pub resource: String,
    pub allowed: bool,
    /// `allowed`, `explicitDeny` or `implicitDeny`, as IAM's simulator has them.
    pub decision: String,
    /// `bucket policy, statement 0 (Sid allow-all-s3)`
    pub why: String,
    /// What kind of thing decided.
    pub source: String,
    /// The name of the identity, session or boundary policy that decided.
    pub policy: Option<String>,
    /// Its place in the document, from 0.
    pub statement: Option<u64>,
    pub sid: Option<String>,
    /// Every statement that speaks of the request.
    pub matches: Vec<Matched>,
}

/// A statement that speaks of the request, whether or not it decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    pub effect: String,
    pub why: String,
}

impl Verdict {
    pub fn of(policies: &Policies<'_>, request: &Request<'_>, principal: &str) -> Self {
        let Decision { allowed, why } = evaluate(policies, request);
        let decision = match (allowed, why.statement) {
            (true, _) => "allowed",
            (false, Some(_)) => "explicitDeny",
            (false, None) => "implicitDeny",
        };
        let matches = explain(policies, request).into_iter().map(|found| Matched {
            effect: match found.effect {
                Effect::Allow => "Allow".to_owned(),
                Effect::Deny => "Deny".to_owned(),
            },
            why: found.why.to_string(),
        });
        let (source, policy) = source(&why);
        Verdict {
            principal: principal.to_owned(),
            action: request.action.name().to_owned(),
            resource: request.resource.to_owned(),
            allowed,
            decision: decision.to_owned(),
            why: why.to_string(),
            source: source.to_owned(),
            policy: policy.map(str::to_owned),
            statement: why.statement.and_then(|at| u64::try_from(at).ok()),
            sid: why.sid.map(str::to_owned),
            matches: matches.collect(),
        }
    }
}

fn source<'a>(why: &Why<'a>) -> (&'static str, Option<&'a str>) {
    match why.source {
        Source::Superuser => ("superuser", None),
        Source::AccountRoot => ("account-root", None),
        Source::OwnBucket => ("own-bucket", None),
        Source::Identity(name) => ("identity-policy", Some(name)),
        Source::Session(name) => ("session-policy", Some(name)),
        Source::Boundary(name) => ("permissions-boundary", Some(name)),
        Source::BucketPolicy => ("bucket-policy", None),
        Source::ResourcePolicy => ("resource-policy", None),
        Source::BucketAcl => ("bucket-acl", None),
        Source::ObjectAcl => ("object-acl", None),
        Source::Default(_) => ("default-deny", None),
    }
}

/// The keys of a context, each with its values; the message says what is wrong.
pub fn entries(context: &Map<String, Value>) -> Result<Entries, String> {
    let text = |key: &str, value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(format!("context key {key}: a text or a list of texts")),
    };
    let mut out = Entries::new();
    for (key, value) in context {
        let values = match value {
            Value::Array(items) => items.iter().map(|item| text(key, item)).collect::<Result<Vec<_>, _>>()?,
            one => vec![text(key, one)?],
        };
        out = out.with(key, values);
    }
    Ok(out)
}

/// `BUCKET/KEY` is short for an S3 ARN.
pub fn resource(text: &str) -> String {
    match text.starts_with("arn:") || text == "*" {
        true => text.to_owned(),
        false => format!("arn:aws:s3:::{text}"),
    }
}

/// The bucket in an S3 ARN.
pub fn bucket_of(resource: &str) -> Option<&str> {
    let place = resource.strip_prefix("arn:aws:s3:::")?;
    let bucket = place.split('/').next()?;
    (!bucket.is_empty() && bucket != "*").then_some(bucket)
}

/// A document as it stands in JSON, or as JSON in a string.
pub fn document_text(document: &Value) -> String {
    match document {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
