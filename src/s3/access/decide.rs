//! One request's permissions, asked one by one.

mod deletions;

pub use deletions::Deletions;

use std::cell::OnceCell;
use std::sync::Arc;

use tandem_policy::{
    Action, Caller, Decision, Policies, Reason, Resource, Source, Steps, evaluate_within, is_possible,
};
use tandem_storage::Reader;
use tandem_storage::change::VersionSelector;
use tandem_storage::types::{BucketName, ObjectKey};

use super::audit;
use super::context::Circumstances;
use super::known::{BucketPolicy, KnownBucket};
use super::owner::Owners;
use super::subject::{Later, Named, Rows, Subject};
use super::table::{Need, On, When, needs};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::{Operation, Resource as Level};
use crate::s3::ops::documents::{self, CopySource};
use crate::s3::request::{Principal, Request};
use crate::s3::service::Service;

static ANONYMOUS: Caller = Caller::Anonymous;

/// Proof that everything a request needs was allowed. Only [`authorize`] makes one.
pub struct Granted {
    /// What allowed it; told only of requests that change policies.
    why: Option<String>,
}

impl Granted {
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

/// Operations whose document has something that policies speak of: it is read before the decision.
pub fn reads_document(operation: Operation) -> bool {
    matches!(operation, Operation::CreateBucket | Operation::PutObjectTagging | Operation::PutBucketTagging)
}

/// Refuses a request before its document is read, if its caller could not be allowed whatever the document says: memory is for those who may
/// get something.
///
/// # Errors
/// As [`authorize`].
pub fn foresee(service: &Service, request: &Request) -> Result<(), S3Error> {
    let rows = Later::of(&service.store);
    let known = match &request.bucket {
        Some(name) if request.operation != Operation::CreateBucket => Some(find(service, &rows, name)?),
        _ => None,
    };
    let steps = Steps::default();
    let asker = Asker { known: known.as_ref(), ..Asker::of(service, &rows, request, &steps) };
    for need in needs(request.operation) {
        if asker.applies(need.when)? {
            let subject = asker.subject(need.on)?;
            if !asker.is_possible(need.action, &subject) {
                return Err(asker.refuse(need.action, &subject, "nothing allows it, whatever the document says"));
            }
        }
    }
    Ok(())
}

/// Decides whether the request may be carried out, and remembers in it the bucket that this was decided for.
///
/// # Errors
/// `AccessDenied`; `NoSuchBucket`.
pub fn authorize(service: &Service, request: &mut Request) -> Result<Granted, S3Error> {
    let rows = Later::of(&service.store);
    request.known = match &request.bucket {
        Some(name) if request.operation != Operation::CreateBucket => Some(find(service, &rows, name)?),
        _ => None,
    };
    let steps = Steps::default();
    let asker = Asker::of(service, &rows, request, &steps);
    let granted = Granted { why: asker.require_all()? };
    let source = asker.source()?.map(|(_, known)| Arc::clone(known));
    drop(asker);
    request.source = source;
    request.decided_by_rows = rows.is_open();
    Ok(granted)
}

/// Whether the request's decision may come out otherwise by what a later reader sees, with the bucket as `known`: rows had a say in it,
/// or buckets, settings or paths have changed since.
pub fn is_outdated(request: &Request, known: &Arc<KnownBucket>) -> bool {
    request.decided_by_rows || !request.known.as_ref().is_some_and(|decided| Arc::ptr_eq(decided, known))
}

/// Decides again by what the handler's own reader sees, if that may come out otherwise: since then, and be it while a slow body came in,
/// the object may have been replaced by one that is somebody else's, or the bucket's policy may have come to forbid it. `known`: the
/// request's bucket as `reader` sees it.
///
/// # Errors
/// As [`authorize`].
pub fn confirm(
    service: &Service,
    reader: &Reader<'_>,
    request: &Request,
    known: &Arc<KnownBucket>,
) -> Result<(), S3Error> {
    match is_outdated(request, known) {
        true => Asker::about(service, reader, request, known, &Steps::default()).require_all().map(drop),
        false => Ok(()),
    }
}

/// Whether the caller may do `action` on the request's own object, or on its bucket, which `reader` sees as `known`. For what a handler
/// shows or leaves out.
///
/// # Errors
/// What went wrong inside.
pub fn may(
    service: &Service,
    reader: &Reader<'_>,
    request: &Request,
    known: &Arc<KnownBucket>,
    action: &'static str,
) -> Result<bool, S3Error> {
    let steps = Steps::default();
    let asker = Asker::about(service, reader, request, known, &steps);
    let on = if request.key.is_some() { On::Object } else { On::Bucket };
    Ok(asker.decide(action, &asker.subject(on)?)?.is_ok())
}

/// Whether the caller may list a bucket of which the request says nothing. When no `steps` are left it may not.
///
/// # Errors
/// What went wrong inside.
pub fn may_list(
    service: &Service,
    reader: &Reader<'_>,
    request: &Request,
    name: &BucketName,
    steps: &Steps,
) -> Result<bool, S3Error> {
    let Some(known) = service.buckets.find(reader, name)? else { return Ok(false) };
    Ok(Asker::of(service, reader, request, steps).decide("s3:ListBucket", &Subject::bucket(&known))?.is_ok())
}

/// The error as the caller may hear it: that a key is not there is told only to who may list its bucket, as far as a list by that key as its prefix.
pub fn veil(service: &Service, request: &Request, error: S3Error) -> S3Error {
    veil_key(service, request, request.key.as_ref().map(ObjectKey::as_str), error)
}

/// The same for one key of several.
pub fn veil_key(service: &Service, request: &Request, key: Option<&str>, error: S3Error) -> S3Error {
    let action = match error.code {
        ErrorCode::NoSuchKey => "s3:ListBucket",
        ErrorCode::NoSuchVersion => "s3:ListBucketVersions",
        _ => return error,
    };
    match may_hear(service, request, action, key) {
        Ok(Ok(())) => error,
        Ok(Err(denied)) => denied,
        Err(inner) => inner,
    }
}

fn may_hear(
    service: &Service,
    request: &Request,
    action: &'static str,
    key: Option<&str>,
) -> Result<Result<(), S3Error>, S3Error> {
    let (rows, steps) = (Later::of(&service.store), Steps::default());
    let asker = Asker::of(service, &rows, request, &steps);
    let mut listed = vec![(Arc::clone(asker.known_arc()?), key)];
    if let Some((source, known)) = asker.source()? {
        listed.push((Arc::clone(known), Some(source.key.as_str())));
    }
    for (bucket, key) in &listed {
        let subject = Subject::bucket(bucket).listed_for(*key);
        if let Err(denied) = asker.decide(action, &subject)? {
            audit::denied(service, request, action, subject.arn(), &denied.why);
            return Ok(Err(ErrorCode::AccessDenied.into()));
        }
    }
    Ok(Ok(()))
}

fn find(service: &Service, rows: &dyn Rows, name: &BucketName) -> Result<Arc<KnownBucket>, S3Error> {
    if let Some(known) = service.buckets.recall(&service.store, name) {
        return Ok(known);
    }
    let known = service.buckets.find(rows.reader()?, name)?;
    known.ok_or_else(|| S3Error::of(ErrorCode::NoSuchBucket).detail("BucketName", name.as_str()))
}

/// A decision that does not allow.
struct Denied {
    why: String,
    /// By a statement, and not for want of one.
    explicit: bool,
}

/// A request, and what its decisions read.
struct Asker<'a> {
    service: &'a Service,
    rows: &'a dyn Rows,
    request: &'a Request,
    /// The request's bucket.
    known: Option<&'a Arc<KnownBucket>>,
    source: OnceCell<Option<(CopySource, Arc<KnownBucket>)>>,
    /// What is left for all of them.
    steps: &'a Steps,
}

impl<'a> Asker<'a> {
    /// By the bucket that was found when the request began.
    fn of(service: &'a Service, rows: &'a dyn Rows, request: &'a Request, steps: &'a Steps) -> Self {
        Asker { service, rows, request, known: request.known.as_ref(), source: OnceCell::new(), steps }
    }

    /// By the bucket as `reader` sees it.
    fn about(
        service: &'a Service,
        reader: &'a Reader<'_>,
        request: &'a Request,
        known: &'a Arc<KnownBucket>,
        steps: &'a Steps,
    ) -> Self {
        Asker { known: Some(known), ..Asker::of(service, reader, request, steps) }
    }

    fn caller(&self) -> &'a Caller {
        self.request.principal.credential().map_or(&ANONYMOUS, |credential| credential.caller())
    }

    fn known_arc(&self) -> Result<&'a Arc<KnownBucket>, S3Error> {
        self.known.ok_or_else(|| S3Error::internal("a permission on a bucket was asked for a request without one"))
    }

    fn known(&self) -> Result<&'a KnownBucket, S3Error> {
        self.known_arc().map(|known| &**known)
    }

    /// The canonical id of the account that owns the request's bucket.
    fn bucket_owner(&self) -> Result<String, S3Error> {
        Ok(Owners::of(self.service).of_bucket(self.known()?).id)
    }

    /// What a copy reads; none for other operations.
    fn source(&self) -> Result<Option<&(CopySource, Arc<KnownBucket>)>, S3Error> {
        if !matches!(self.request.operation, Operation::CopyObject | Operation::UploadPartCopy) {
            return Ok(None);
        }
        if let Some(found) = self.source.get() {
            return Ok(found.as_ref());
        }
        let source = documents::copy_source(self.request)?;
        let known = find(self.service, self.rows, &source.bucket)?;
        Ok(self.source.get_or_init(|| Some((source, known))).as_ref())
    }

    fn subject(&self, on: On) -> Result<Subject<'_>, S3Error> {
        let request = self.request;
        let account = || self.caller().account().map_or("", |account| account.id.as_str());
        match on {
            On::Service => Ok(Subject::account(account())),
            On::NewName => Ok(Subject::bucket_to_be(request.bucket_name()?.as_str(), account())),
            On::NewBucket => {
                Ok(Subject::fresh_bucket(request.bucket_name()?.as_str(), account(), self.caller().user_id()))
            }
            On::Bucket | On::EachKey => Ok(Subject::bucket(self.known()?)),
            On::Object if request.operation.resource() == Level::Bucket => Ok(Subject::bucket(self.known()?)),
            On::Object => {
                let version = documents::version(request)?;
                let named = Named { key: request.object_key()?, version };
                Ok(Subject::object(self.known()?, self.rows, named))
            }
            On::Source => {
                let Some((source, known)) = self.source()? else {
                    return Err(S3Error::internal("a permission on a source was asked for a request without one"));
                };
                Ok(Subject::object(known, self.rows, Named { key: &source.key, version: source.version }))
            }
        }
    }

    fn applies(&self, when: When) -> Result<bool, S3Error> {
        let request = self.request;
        let header = |name: &str| request.headers.get(name).is_some_and(|value| !value.is_empty());
        let source_version = |wanted: bool| {
            let source = self.source()?;
            Ok::<_, S3Error>(source.is_some_and(|(source, _)| (source.version != VersionSelector::Latest) == wanted))
        };
        match when {
            When::Always => Ok(true),
            When::Version => Ok(request.query.has("versionId")),
            When::Newest => Ok(!request.query.has("versionId")),
            // Of each key by itself.
            When::ETag => Ok(false),
            When::SourceVersion => source_version(true),
            When::SourceNewest => source_version(false),
            When::Header(name) => Ok(header(name)),
            When::True(name) => Ok(request.header(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))),
            When::Acl => Ok(documents::ACL_HEADERS.iter().any(|name| request.headers.contains_key(*name))
                && !documents::gives_bucket_owner_alone(request, &self.bucket_owner()?)),
            When::BucketAcl => Ok(documents::ACL_HEADERS.iter().any(|name| {
                let mut values = request.headers.get_all(*name).iter();
                values.any(|value| *name != "x-amz-acl" || value != "private")
            })),
            When::SourceTags => Ok(source_version(false)? && self.copies_tags()?),
            When::SourceVersionTags => Ok(source_version(true)? && self.copies_tags()?),
        }
    }

    fn copies_tags(&self) -> Result<bool, S3Error> {
        if documents::replaces_tags(self.request) {
            return Ok(false);
        }
        let subject = self.subject(On::Source)?;
        let tagged = subject.has_tags();
        subject.failure().map_or(Ok(tagged), Err)
    }

    /// The outer result: what went wrong; the inner one: what allowed it, or what did not.
    fn decide(&self, action: &'static str, subject: &Subject<'_>) -> Result<Result<Option<String>, Denied>, S3Error> {
        let policies = policies(&self.request.principal, subject.resource());
        self.weigh(action, subject, |question| evaluate_within(&policies, question, self.steps))
    }

    /// The same by whatever makes the decision.
    fn weigh<'d>(
        &self,
        action: &'static str,
        subject: &Subject<'_>,
        decide: impl FnOnce(&tandem_policy::Request<'_>) -> Decision<'d>,
    ) -> Result<Result<Option<String>, Denied>, S3Error> {
        if let Some(known) = subject.known()
            && matches!(known.policy, BucketPolicy::Unreadable)
            && !REPLACES_POLICY.contains(&action)
        {
            return Err(S3Error::internal("the bucket's stored policy cannot be read; replace it"));
        }
        let circumstances = Circumstances::of(self.service, self.request, subject);
        let caller = self.caller();
        let decision = decide(&tandem_policy::Request {
            caller,
            action: Action::of(action),
            resource: subject.arn(),
            context: &circumstances,
        });
        if let Some(error) = subject.failure() {
            return Err(error);
        }
        if decision.why.source == Source::Default(Reason::TooManySteps) {
            let (now, arn) = (self.request.received, caller.arn());
            self.service.deciders.tell_out_of_steps(now, arn, action, subject.arn());
        }
        Ok(match decision.allowed {
            true => Ok(audit::tells_changes_of(self.request.operation).then(|| decision.why.to_string())),
            false => Err(Denied { why: decision.why.to_string(), explicit: decision.is_explicit_deny() }),
        })
    }

    /// All that the request needs as a whole.
    fn require_all(&self) -> Result<Option<String>, S3Error> {
        let mut allowed_by = None;
        for need in needs(self.request.operation) {
            if need.on == On::EachKey || !self.applies(need.when)? {
                continue;
            }
            let why = self.require(need, &self.subject(need.on)?)?;
            allowed_by = allowed_by.or(why);
        }
        self.require_a_key()?;
        Ok(allowed_by)
    }

    /// Of a request whose keys are decided one by one: that there may be one for which it is allowed. Its list is read only then.
    fn require_a_key(&self) -> Result<(), S3Error> {
        let each =
            |when: When| needs(self.request.operation).iter().find(|need| need.on == On::EachKey && need.when == when);
        let (Some(newest), Some(version)) = (each(When::Newest), each(When::Version)) else { return Ok(()) };
        let subject = self.subject(On::EachKey)?;
        match [newest, version].iter().any(|need| self.is_possible(need.action, &subject)) {
            true => Ok(()),
            false => Err(self.refuse(newest.action, &subject, "nothing allows it for any key")),
        }
    }

    /// Whether the action may come to be allowed on something within the subject.
    fn is_possible(&self, action: &'static str, subject: &Subject<'_>) -> bool {
        let resource = subject.whole();
        let unreadable = subject.known().is_some_and(|known| matches!(known.policy, BucketPolicy::Unreadable));
        unreadable || is_possible(&policies(&self.request.principal, resource), self.caller(), &Action::of(action))
    }

    fn refuse(&self, action: &'static str, subject: &Subject<'_>, why: &str) -> S3Error {
        audit::denied(self.service, self.request, action, subject.arn(), why);
        ErrorCode::AccessDenied.into()
    }

    fn require(&self, need: &Need, subject: &Subject<'_>) -> Result<Option<String>, S3Error> {
        self.require_decided(need, subject, self.decide(need.action, subject)?)
    }

    fn require_decided(
        &self,
        need: &Need,
        subject: &Subject<'_>,
        decided: Result<Option<String>, Denied>,
    ) -> Result<Option<String>, S3Error> {
        match decided {
            Ok(why) => Ok(why),
            Err(denied) if !denied.explicit && self.is_told_absent(need.action, subject)? => {
                Err(S3Error::of(ErrorCode::NoSuchKey).detail("Key", subject.key().unwrap_or_default()))
            }
            Err(denied) if !denied.explicit && self.may_as_initiator(need.action, subject)? => Ok(None),
            Err(denied) => Err(self.refuse(need.action, subject, &denied.why)),
        }
    }

    /// Who began an upload may list its parts and abort it as far as its own side goes, also in another account's bucket: as with AWS.
    fn may_as_initiator(&self, action: &'static str, subject: &Subject<'_>) -> Result<bool, S3Error> {
        let request = self.request;
        let begun = matches!(request.operation, Operation::ListParts | Operation::AbortMultipartUpload);
        let (true, Some(account), Ok(upload)) = (begun, self.caller().account(), documents::upload_id(request)) else {
            return Ok(false);
        };
        let (known, reader) = (self.known()?, self.rows.reader()?);
        if known.public_access.restrict_public_buckets {
            return Ok(false);
        }
        let Some(view) = known.view_by(reader)? else { return Ok(false) };
        let row = reader.upload(&view, request.object_key()?, upload)?;
        if row.and_then(|row| row.initiator).as_deref() != Some(self.caller().user_id()) {
            return Ok(false);
        }
        let circumstances = Circumstances::of(self.service, request, subject);
        let question = tandem_policy::Request {
            caller: self.caller(),
            action: Action::of(action),
            resource: subject.arn(),
            context: &circumstances,
        };
        let policies = policies(&request.principal, Resource::Account(&account.id));
        Ok(evaluate_within(&policies, &question, self.steps).allowed)
    }

    /// Where ACLs count, an object that is not there grants nothing to anybody: who may list its bucket is told that it is not there.
    fn is_told_absent(&self, action: &'static str, subject: &Subject<'_>) -> Result<bool, S3Error> {
        let Some(known) = subject.known().filter(|_| action.starts_with("s3:GetObject") && subject.is_absent()) else {
            return Ok(false);
        };
        Ok(self.decide("s3:ListBucket", &Subject::bucket(known).listed_for(subject.key()))?.is_ok())
    }
}

const REPLACES_POLICY: &[&str] = &["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

fn policies<'a>(principal: &'a Principal, resource: Resource<'a>) -> Policies<'a> {
    match principal.credential() {
        Some(credential) => credential.standing.policies(resource),
        None => Policies { identity: &[], session: None, boundary: None, resource },
    }
}
