//! What each operation needs: the one table of (action, resource) pairs that authorization reads, and that the walk over every
//! route is compared with.

use serde::Serialize;

use crate::s3::operation::{Operation, Resource};
use crate::s3::route::{ROWS, Verb};

/// What a permission is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum On {
    /// Nothing with a name: the account.
    Service,
    /// The bucket of the request.
    Bucket,
    /// The name of a bucket that the request wants to make.
    NewName,
    /// The bucket that it makes, which is its maker's already.
    NewBucket,
    /// The object of the request.
    Object,
    /// The object that `x-amz-copy-source` names.
    Source,
    /// Each key of the request's document by itself: the handler asks.
    EachKey,
}

/// Which requests of the operation need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum When {
    Always,
    /// The request names a version.
    Version,
    /// The request names none.
    Newest,
    /// The copy's source is named with a version.
    SourceVersion,
    SourceNewest,
    /// The document names an ETag beside the key.
    ETag,
    /// This header is there.
    Header(&'static str),
    /// This header is `true`.
    True(&'static str),
    /// A canned ACL or grants are there, and give more than full control to the bucket's owner.
    Acl,
    /// The same, but for `private`, which is what a new bucket has anyhow.
    BucketAcl,
    /// Tags are copied along, and the source has some.
    SourceTags,
    SourceVersionTags,
}

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    pub action: &'static str,
    pub on: On,
    pub when: When,
}

const fn need(action: &'static str, on: On, when: When) -> Need {
    Need { action, on, when }
}

const RETENTION: &str = "x-amz-object-lock-retain-until-date";
const LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";
const BYPASS: &str = "x-amz-bypass-governance-retention";
const LOCK_ENABLED: &str = "x-amz-bucket-object-lock-enabled";

/// Of a write that may carry tags, an ACL and a lock.
const WRITE: &[Need] = &[
    need("s3:PutObject", On::Object, When::Always),
    need("s3:PutObjectTagging", On::Object, When::Header("x-amz-tagging")),
    need("s3:PutObjectAcl", On::Object, When::Acl),
    need("s3:PutObjectRetention", On::Object, When::Header(RETENTION)),
    need("s3:PutObjectLegalHold", On::Object, When::Header(LEGAL_HOLD)),
    need("s3:GetObject", On::Object, When::Header("if-match")),
];

const COMPLETE: &[Need] =
    &[need("s3:PutObject", On::Object, When::Always), need("s3:GetObject", On::Object, When::Header("if-match"))];

const COPY: &[Need] = &[
    need("s3:GetObject", On::Source, When::SourceNewest),
    need("s3:GetObjectVersion", On::Source, When::SourceVersion),
    need("s3:GetObjectTagging", On::Source, When::SourceTags),
    need("s3:GetObjectVersionTagging", On::Source, When::SourceVersionTags),
    need("s3:PutObject", On::Object, When::Always),
    need("s3:PutObjectTagging", On::Object, When::Header("x-amz-tagging")),
    need("s3:PutObjectTagging", On::Object, When::SourceTags),
    need("s3:PutObjectTagging", On::Object, When::SourceVersionTags),
    need("s3:PutObjectAcl", On::Object, When::Acl),
    need("s3:PutObjectRetention", On::Object, When::Header(RETENTION)),
    need("s3:PutObjectLegalHold", On::Object, When::Header(LEGAL_HOLD)),
    need("s3:GetObject", On::Object, When::Header("if-match")),
];

const COPY_PART: &[Need] = &[
    need("s3:GetObject", On::Source, When::SourceNewest),
    need("s3:GetObjectVersion", On::Source, When::SourceVersion),
    need("s3:PutObject", On::Object, When::Always),
];

const CREATE_BUCKET: &[Need] = &[
    need("s3:CreateBucket", On::NewName, When::Always),
    need("s3:PutBucketAcl", On::NewBucket, When::BucketAcl),
    need("s3:PutBucketOwnershipControls", On::NewBucket, When::Header("x-amz-object-ownership")),
    need("s3:PutBucketObjectLockConfiguration", On::NewBucket, When::True(LOCK_ENABLED)),
    need("s3:PutBucketVersioning", On::NewBucket, When::True(LOCK_ENABLED)),
];

const DELETE: &[Need] = &[
    need("s3:DeleteObject", On::Object, When::Newest),
    need("s3:DeleteObjectVersion", On::Object, When::Version),
    need("s3:BypassGovernanceRetention", On::Object, When::True(BYPASS)),
    need("s3:GetObject", On::Object, When::Header("if-match")),
];

const DELETE_EACH: &[Need] = &[
    need("s3:DeleteObject", On::EachKey, When::Newest),
    need("s3:DeleteObjectVersion", On::EachKey, When::Version),
    need("s3:BypassGovernanceRetention", On::EachKey, When::True(BYPASS)),
    need("s3:GetObject", On::EachKey, When::ETag),
];

const ATTRIBUTES: &[Need] = &[
    need("s3:GetObject", On::Object, When::Newest),
    need("s3:GetObjectAttributes", On::Object, When::Newest),
    need("s3:GetObjectVersion", On::Object, When::Version),
    need("s3:GetObjectVersionAttributes", On::Object, When::Version),
];

const RETAIN: &[Need] = &[
    need("s3:PutObjectRetention", On::Object, When::Always),
    need("s3:BypassGovernanceRetention", On::Object, When::True(BYPASS)),
];

macro_rules! by_version {
    ($($name:ident $newest:literal $version:literal;)*) => {
        $(const $name: &[Need] =
            &[need($newest, On::Object, When::Newest), need($version, On::Object, When::Version)];)*
    };
}

// An action on the newest version, and its twin on a named one.
by_version! {
    GET "s3:GetObject" "s3:GetObjectVersion";
    GET_ACL "s3:GetObjectAcl" "s3:GetObjectVersionAcl";
    PUT_ACL "s3:PutObjectAcl" "s3:PutObjectVersionAcl";
    GET_TAGGING "s3:GetObjectTagging" "s3:GetObjectVersionTagging";
    PUT_TAGGING "s3:PutObjectTagging" "s3:PutObjectVersionTagging";
    DELETE_TAGGING "s3:DeleteObjectTagging" "s3:DeleteObjectVersionTagging";
}

/// The permissions of an operation, all of which a request must have as far as they apply to it.
pub const fn needs(operation: Operation) -> &'static [Need] {
    match operation {
        Operation::PutObject | Operation::PostObject | Operation::CreateMultipartUpload => WRITE,
        Operation::CopyObject => COPY,
        Operation::CompleteMultipartUpload => COMPLETE,
        Operation::UploadPartCopy => COPY_PART,
        Operation::CreateBucket => CREATE_BUCKET,
        Operation::DeleteObject => DELETE,
        Operation::DeleteObjects => DELETE_EACH,
        Operation::GetObject | Operation::HeadObject | Operation::SelectObjectContent => GET,
        Operation::GetObjectAttributes => ATTRIBUTES,
        Operation::GetObjectAcl => GET_ACL,
        Operation::PutObjectAcl => PUT_ACL,
        Operation::GetObjectTagging => GET_TAGGING,
        Operation::PutObjectTagging => PUT_TAGGING,
        Operation::DeleteObjectTagging => DELETE_TAGGING,
        Operation::PutObjectRetention => RETAIN,
        plain => SINGLE[plain as usize],
    }
}

/// Operations that need exactly what [`Operation::action`] and [`Operation::resource`] say.
const SINGLE: [&[Need]; Operation::ALL.len()] = {
    let mut rows: [&[Need]; Operation::ALL.len()] = [&[]; Operation::ALL.len()];
    let mut at = 0;
    while at < rows.len() {
        rows[at] = std::slice::from_ref(&MAIN[at]);
        at += 1;
    }
    rows
};

const MAIN: &[Need; Operation::ALL.len()] = &{
    let mut rows = [need("", On::Service, When::Always); Operation::ALL.len()];
    let mut at = 0;
    while at < rows.len() {
        let operation = Operation::ALL[at];
        let on = match operation.resource() {
            Resource::Service => On::Service,
            Resource::Bucket => On::Bucket,
            Resource::Object => On::Object,
        };
        rows[at] = need(operation.action(), on, When::Always);
        at += 1;
    }
    rows
};

/// A route with what it needs, for whoever wants to try them all.
#[derive(Debug, Serialize)]
pub struct RouteNeeds {
    pub operation: &'static str,
    pub method: &'static str,
    pub resource: &'static str,
    /// The parameter that selects the operation, and another that must be there.
    pub subresource: &'static str,
    pub parameter: &'static str,
    /// `x-amz-copy-source` selects it.
    pub copies: bool,
    pub implemented: bool,
    pub needs: &'static [Need],
}

/// Every route there is.
pub fn routes() -> Vec<RouteNeeds> {
    let mut all = Vec::new();
    for row in ROWS {
        let copy = match row.operation {
            Operation::PutObject => Some(Operation::CopyObject),
            Operation::UploadPart => Some(Operation::UploadPartCopy),
            _ => None,
        };
        for (operation, copies) in std::iter::once((row.operation, false)).chain(copy.map(|copy| (copy, true))) {
            all.push(RouteNeeds {
                operation: operation.name(),
                method: match row.verb {
                    Verb::Get => "GET",
                    Verb::Head => "HEAD",
                    Verb::Put => "PUT",
                    Verb::Post => "POST",
                    Verb::Delete => "DELETE",
                },
                resource: match operation.resource() {
                    Resource::Service => "service",
                    Resource::Bucket => "bucket",
                    Resource::Object => "object",
                },
                subresource: row.subresource,
                parameter: row.needs,
                copies,
                implemented: operation.has_handler(),
                needs: needs(operation),
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use tandem_policy::Action;

    use super::{On, needs};
    use crate::s3::operation::{Operation, Resource};

    #[test]
    fn every_operation_needs_something_that_policies_can_name() {
        for operation in Operation::ALL {
            let needs = needs(*operation);
            assert!(!needs.is_empty(), "{}", operation.name());
            for need in needs {
                let known = Action::of(need.action).known().is_some();
                assert!(known || !need.action.starts_with("s3:"), "{}: {}", operation.name(), need.action);
            }
        }
    }

    #[test]
    fn what_is_asked_is_on_what_the_request_names() {
        for operation in Operation::ALL {
            for need in needs(*operation) {
                let fits = match need.on {
                    On::Service => operation.resource() == Resource::Service,
                    On::Bucket | On::NewName | On::NewBucket | On::EachKey => operation.resource() == Resource::Bucket,
                    On::Object => operation.resource() == Resource::Object || *operation == Operation::PostObject,
                    On::Source => operation.resource() == Resource::Object,
                };
                assert!(fits, "{}: {need:?}", operation.name());
            }
        }
    }
}
