//! A decision about documents alone: no node is asked, and principals are what their ARNs say.

use std::sync::Arc;

use tandem_policy::{
    Account, Action, Attached, Bucket, Caller, Document, Kind, Policies, Request, Resource, Role, Root, Session, User,
    UserKind,
};

use super::simulate::Documents;
use crate::admin::verdict::{self, Question, Verdict};
use crate::cli::CliError;

/// Decides one question by the documents of a file.
pub fn decide(documents: &Documents, question: &Question) -> Result<Verdict, CliError> {
    let caller = caller(&question.principal)?;
    let resource = verdict::resource(&question.resource);
    let mut identity = Vec::new();
    for (at, text) in documents.identity.iter().enumerate() {
        let parsed = Document::parse(text.as_bytes(), Kind::Identity);
        let document = parsed.map_err(|error| CliError::Failed(format!("identity policy {at}: {error}")))?;
        identity.push(Attached { name: format!("given {at}").into(), document: Arc::new(document) });
    }
    let bucket = verdict::bucket_of(&resource);
    let policy = match (&documents.bucket, bucket) {
        (Some(text), Some(name)) => {
            let parsed = Document::parse(text.as_bytes(), Kind::Bucket { name });
            Some(parsed.map_err(|error| CliError::Failed(format!("bucket policy: {error}")))?)
        }
        _ => None,
    };
    let account = documents.bucket_account.as_str();
    let policies = Policies {
        identity: &identity,
        session: None,
        boundary: None,
        resource: match bucket {
            Some(_) => Resource::Bucket(Bucket { policy: policy.as_ref(), ..Bucket::of(account) }),
            None => Resource::Account(account),
        },
    };
    let context = verdict::entries(&question.context).map_err(CliError::Usage)?;
    let action = Action::of(&question.action);
    let request = Request { caller: &caller, action, resource: &resource, context: &context };
    Ok(Verdict::of(&policies, &request, caller.arn().unwrap_or("anonymous")))
}

/// `anonymous`, or the ARN of a user, a role or an account's root. The canonical id of an account is not known here.
fn caller(principal: &str) -> Result<Caller, CliError> {
    if matches!(principal, "anonymous" | "*") {
        return Ok(Caller::Anonymous);
    }
    let wrong = || {
        let forms =
            "anonymous, arn:aws:iam::ACCOUNT:root, arn:aws:iam::ACCOUNT:user/NAME or arn:aws:iam::ACCOUNT:role/NAME";
        CliError::Usage(format!("principal {principal}: {forms} is wanted without a node"))
    };
    let (id, rest) = principal.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(':')).ok_or_else(wrong)?;
    let account = Account { id: id.to_owned(), canonical_id: String::new(), organization: None };
    let arn = principal.to_owned();
    if rest == "root" {
        return Ok(Caller::Root(Arc::new(Root { account, arn, superuser: false })));
    }
    let (kind, path) = rest.split_once('/').ok_or_else(wrong)?;
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let above = path.strip_suffix(name.as_str()).unwrap_or_default();
    match kind {
        "user" if !name.is_empty() => Ok(Caller::User(Arc::new(User {
            account,
            arn,
            id: format!("AIDA{}", name.to_ascii_uppercase()),
            name,
            path: format!("/{above}"),
            tags: Vec::new(),
            groups: Vec::new(),
            kind: UserKind::Iam,
        }))),
        "role" if !name.is_empty() => {
            let role_id = format!("AROA{}", name.to_ascii_uppercase());
            Ok(Caller::Session(Arc::new(Session {
                arn: format!("arn:aws:sts::{id}:assumed-role/{name}/simulated"),
                account,
                user_id: format!("{role_id}:simulated"),
                role: Role { arn, id: role_id, name },
                session_name: "simulated".into(),
                tags: Vec::new(),
                source_identity: None,
                federated_provider: None,
            })))
        }
        _ => Err(wrong()),
    }
}
