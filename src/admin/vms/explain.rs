//! `/s3policies/explain/`: what would be decided, and by which statement.

use std::sync::Arc;

use serde_json::Value;
use tandem_policy::{Action, Attached, Bucket, Caller, Document, Kind as Of, Policies, Request, Resource};
use tandem_storage::types::BucketName;

use super::error::VmsError;
use super::face::Face;
use super::route::{Call, Outcome, Running};
use super::schema::{Field, Kind, Schema, Usage, field, read};
use crate::admin::USER;
use crate::admin::verdict::{self, Question, Verdict};
use crate::identity::{AccountId, Directory, Entity, Role, Standing, User};
use crate::s3::access::KnownBucket;

pub const QUESTION: &[Field] = &[
    field(
        "principal",
        Kind::Text,
        Usage::Write,
        "an ARN, user/NAME (or NAME) or role/NAME of the default tenant, or anonymous",
    )
    .required(),
    field("action", Kind::Text, Usage::Write, "s3:GetObject").required(),
    field("resource", Kind::Text, Usage::Write, "an ARN, or BUCKET/KEY").required(),
    field("context", Kind::Map, Usage::Write, "condition keys: a text or a list of texts each"),
    field(
        "identity_policies",
        Kind::List(&Kind::Document),
        Usage::Write,
        "documents in the place of the principal's own",
    ),
    field("bucket_policy", Kind::Document, Usage::Write, "a document in the place of the bucket's own"),
];

pub const VERDICT: Schema = Schema {
    name: "Verdict",
    fields: &[
        read("principal", Kind::Text, "who was meant"),
        read("action", Kind::Text, "what was asked"),
        read("resource", Kind::Text, "its ARN"),
        read("allowed", Kind::Flag, "the decision"),
        read("decision", Kind::Text, "allowed, explicitDeny or implicitDeny"),
        read("why", Kind::Text, "what decided, for people"),
        read("source", Kind::Text, "what kind of thing decided"),
        read("policy", Kind::Text, "the policy that decided").nullable(),
        read("statement", Kind::Integer, "the place of its statement, from 0").nullable(),
        read("sid", Kind::Text, "the statement's Sid").nullable(),
        read(
            "matches",
            Kind::List(&Kind::Object(&[
                read("effect", Kind::Text, "Allow or Deny"),
                read("why", Kind::Text, "which statement"),
            ])),
            "every statement that speaks of the request",
        ),
    ],
};

pub fn explain(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let question: Question = serde_json::from_value(Value::Object(call.body.clone()))
            .map_err(|error| VmsError::bad_request(error.to_string()))?;
        let deciding = tokio::task::spawn_blocking(move || decide(&face, &question));
        deciding.await.unwrap_or_else(|error| Err(VmsError::internal(&error)))
    })
}

fn decide(face: &Face, question: &Question) -> Outcome {
    let directory = face.directory();
    let standing = standing(face, &directory, &question.principal)?;
    let (caller, mut identity, session, boundary) = match standing {
        Some(standing) => (standing.caller, standing.identity, standing.session, standing.boundary),
        None => (Caller::Anonymous, Vec::new(), None, None),
    };
    if let Some(documents) = &question.identity_policies {
        identity = documents.iter().enumerate().map(given).collect::<Result<_, _>>()?;
    }
    let resource = verdict::resource(&question.resource);
    let name = verdict::bucket_of(&resource);
    let reader = face.store.read()?;
    let known = match name.map(BucketName::new) {
        Some(Ok(name)) => KnownBucket::find(&reader, &name).map_err(|error| VmsError::internal(&error.message))?,
        _ => None,
    };
    let given_policy = question.bucket_policy.as_ref().map(|document| bucket_policy(document, name)).transpose()?;
    let account = caller.account().map_or_else(|| AccountId::DEFAULT.to_string(), |account| account.id.clone());
    let policies = Policies {
        identity: &identity,
        session: session.as_deref(),
        boundary: boundary.as_ref(),
        resource: hanging(known.as_ref(), given_policy.as_ref(), &account),
    };
    let context = verdict::entries(&question.context).map_err(|message| VmsError::field("context", message))?;
    let action = Action::of(&question.action);
    let request = Request { caller: &caller, action, resource: &resource, context: &context };
    let principal = caller.arn().unwrap_or("anonymous");
    serde_json::to_value(Verdict::of(&policies, &request, principal)).map_err(|error| VmsError::internal(&error))
}

/// None: anonymous.
fn standing(face: &Face, directory: &Directory, principal: &str) -> Result<Option<Standing>, VmsError> {
    if matches!(principal, "anonymous" | "*") {
        return Ok(None);
    }
    if principal.starts_with("arn:") {
        return Ok(Some(Standing::of_arn(directory, principal)?));
    }
    if let Some(name) = principal.strip_prefix("role/") {
        let role = directory.named::<Role>(AccountId::DEFAULT, name)?;
        return Ok(Some(Standing::of_arn(directory, &role.arn())?));
    }
    let name = principal.strip_prefix("user/").unwrap_or(principal);
    match directory.find::<User>(AccountId::DEFAULT, name) {
        Some(user) => Ok(Some(Standing::user(directory, user))),
        // Unless a user has the name.
        None if principal == USER => {
            let administrator = face.identities.credential(&face.identities.administrator_key());
            Ok(administrator.map(|credential| credential.standing.clone()))
        }
        None => Err(VmsError::field("principal", format!("There is no user {name}."))),
    }
}

fn given((at, document): (usize, &Value)) -> Result<Attached, VmsError> {
    let text = verdict::document_text(document);
    let parsed = Document::parse(text.as_bytes(), Of::Identity)
        .map_err(|error| VmsError::field("identity_policies", format!("Item {at}: {error}")))?;
    Ok(Attached { name: format!("given {at}").into(), document: Arc::new(parsed) })
}

fn bucket_policy(document: &Value, name: Option<&str>) -> Result<Document, VmsError> {
    let name = name.unwrap_or_default();
    let parsed = Document::parse(verdict::document_text(document).as_bytes(), Of::Bucket { name });
    parsed.map_err(|error| VmsError::field("bucket_policy", error.to_string()))
}

/// What hangs on the bucket: as it is stored, but for a policy that is given. One that is not there is decided as one that is to be
/// made. Objects are taken to be the bucket owner's, without ACLs of their own.
fn hanging<'a>(known: Option<&'a KnownBucket>, given: Option<&'a Document>, account: &'a str) -> Resource<'a> {
    match (known, given) {
        (Some(known), given) => Resource::Bucket(Bucket {
            creator: known.view.row.creator.as_deref(),
            policy: given.or_else(|| known.document()),
            ownership: known.ownership,
            public_access: known.public_access,
            acl: known.acl.as_ref().map(|stored| &stored.acl),
            ..Bucket::of(known.account())
        }),
        (None, Some(given)) => Resource::Bucket(Bucket { policy: Some(given), ..Bucket::of(account) }),
        (None, None) => Resource::Account(account),
    }
}
