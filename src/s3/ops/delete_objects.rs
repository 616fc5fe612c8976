use std::sync::Arc;

use tandem_policy::Steps;
use tandem_storage::change::{self, Deleted, OnlyIf, Precondition, Refusal, VersionSelector, WritePermit};
use tandem_storage::types::{InvalidName, ObjectKey};
use tandem_storage::{CommitError, Lane, Pending};

use super::argument::parse_version;
use super::condition::bare_etag;
use super::{access, answer};
use crate::clock::random_u64;
use crate::s3::access::{Deletions, KnownBucket, veil_key};
use crate::s3::deciding::{STEPS_OF_A_BITE, STEPS_OF_MANY};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::DeleteObjects;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::{MalformedXml, XmlReader, XmlWriter, set_once};

const KEYS_MAX: usize = 1000;
/// Keys that are decided in one go, if their decisions are not long.
const DECIDED_AT_ONCE: usize = 250;
/// A thousand keys of 1,024 bytes, escaped.
const DOCUMENT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The list has come through whole: authentication hands out no payload of a DeleteObjects without a Content-MD5 or a checksum.
pub async fn handle(service: &Service, request: Authorized<DeleteObjects>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    access::bucket(&service.store.read()?, &request)?;
    let document = payload.collect(DOCUMENT_BYTES_MAX).await?;
    let asked = parse(&document)?;
    let target = Target { service: service.clone(), request, permit };
    let mut list = List { objects: asked.objects, pending: Vec::new(), steps: Steps::new(STEPS_OF_MANY) };
    let account = target.request.principal.credential().map_or(String::new(), |who| who.account().to_string());
    // All are handed over before the first is waited for, so that they share syncs.
    let target = Arc::new(target);
    while list.pending.len() < list.objects.len() {
        let target = Arc::clone(&target);
        let bite = move || {
            target.decide_some(&mut list);
            list
        };
        list = service.deciders.run(&account, bite).await?;
    }
    let mut result = XmlWriter::document("DeleteResult");
    for (object, pending) in list.objects.iter().zip(list.pending) {
        match target.outcome(object, pending).await {
            Ok(deleted) if !asked.quiet => write_deleted(&mut result, object, deleted),
            Ok(_) => {}
            Err(error) => write_error(&mut result, object, &error),
        }
    }
    Ok(answer::xml(result.finish()))
}

/// The keys, and the deletes of those that are decided.
struct List {
    objects: Vec<AskedObject>,
    pending: Vec<Result<Pending<Deleted>, S3Error>>,
    steps: Steps,
}

struct Asked {
    quiet: bool,
    objects: Vec<AskedObject>,
}

#[derive(Default)]
struct AskedObject {
    key: String,
    version: Option<String>,
    etag: Option<String>,
    /// A condition that only directory buckets have.
    foreign_condition: Option<&'static str>,
}

fn parse(document: &[u8]) -> Result<Asked, MalformedXml> {
    let mut xml = XmlReader::open(document, "Delete")?;
    let (mut quiet, mut objects) = (None, Vec::new());
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Quiet" => set_once(&mut quiet, xml.value::<bool>()?)?,
            "Object" if objects.len() < KEYS_MAX => objects.push(parse_object(&mut xml)?),
            _ => return Err(MalformedXml),
        }
    }
    xml.finish()?;
    if objects.is_empty() { Err(MalformedXml) } else { Ok(Asked { quiet: quiet.unwrap_or(false), objects }) }
}

fn parse_object(xml: &mut XmlReader<'_>) -> Result<AskedObject, MalformedXml> {
    let (mut key, mut version, mut etag, mut foreign_condition) = (None, None, None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Key" => set_once(&mut key, xml.text()?)?,
            "VersionId" => set_once(&mut version, xml.text()?)?,
            "ETag" => set_once(&mut etag, xml.text()?)?,
            "LastModifiedTime" => {
                xml.text()?;
                foreign_condition = Some("LastModifiedTime");
            }
            "Size" => {
                xml.text()?;
                foreign_condition = Some("Size");
            }
            _ => return Err(MalformedXml),
        }
    }
    let key = key.filter(|key| !key.is_empty()).ok_or(MalformedXml)?;
    let version = version.filter(|version: &String| !version.is_empty());
    Ok(AskedObject { key, version, etag, foreign_condition })
}

struct Target {
    service: Service,
    request: Arc<Request>,
    permit: WritePermit,
}

impl Target {
    /// Decides on the next keys and hands their deletes over, until there were some, or their decisions have been long.
    fn decide_some(&self, list: &mut List) {
        let from = list.pending.len();
        let rest = &list.objects[from..list.objects.len().min(from + DECIDED_AT_ONCE)];
        // What is decided once, with the first key, is no reason to begin it again.
        let mut began = None;
        let seen = self.service.store.read().map_err(S3Error::from).and_then(|reader| {
            let known = access::bucket(&reader, &self.request)?;
            let deletions = Deletions::of(&self.service, &reader, &self.request, &known, &list.steps);
            for object in rest {
                list.pending.push(self.delete(&deletions, &known, object));
                let taken = list.steps.taken();
                if taken - *began.get_or_insert(taken) > STEPS_OF_A_BITE && !list.steps.are_spent() {
                    break;
                }
            }
            Ok(())
        });
        if let Err(error) = seen {
            list.pending.extend(rest.iter().map(|_| Err(error.clone())));
        }
    }

    /// Hands a delete over, as `deletions` allow it in the bucket that is `known`.
    fn delete(
        &self,
        deletions: &Deletions<'_>,
        known: &KnownBucket,
        object: &AskedObject,
    ) -> Result<Pending<Deleted>, S3Error> {
        if let Some(element) = object.foreign_condition {
            let message = format!("{element} in a delete is not implemented");
            return Err(S3Error::new(ErrorCode::NotImplemented, message));
        }
        let key = ObjectKey::new(&object.key).map_err(|error| match error {
            InvalidName::KeyTooLong => S3Error::of(ErrorCode::KeyTooLongError),
            _ => S3Error::of(ErrorCode::InvalidArgument),
        })?;
        // What is no version's id names a version that is not there, as with AWS: in a list it is not the request's argument.
        let version = object.version.as_deref().map_or(Ok(VersionSelector::Latest), parse_version);
        let version = version.map_err(|_| S3Error::of(ErrorCode::NoSuchVersion))?;
        // Each key is decided alone.
        let seen = deletions.may(&key, version, object.etag.is_some())?;
        let precondition = match object.etag.as_deref().map(bare_etag) {
            None => Precondition::None,
            Some(etag) if etag == "*" => Precondition::IfExists,
            Some(etag) => Precondition::IfMatch(vec![etag]),
        };
        let random = random_u64(&*self.service.clock);
        let (permit, bucket) = (self.permit, known.row.guid);
        let change = change::DeleteObject { permit, bucket, key, version, precondition, random };
        let change = OnlyIf { still: seen.into_iter().collect(), change };
        Ok(self.service.store.commit(Lane::Client, self.service.clock.now(), change))
    }

    fn delete_by_now(&self, object: &AskedObject) -> Result<Pending<Deleted>, S3Error> {
        let (reader, steps) = (self.service.store.read()?, Steps::default());
        let known = access::bucket(&reader, &self.request)?;
        self.delete(&Deletions::of(&self.service, &reader, &self.request, &known, &steps), &known, object)
    }

    /// What became of a delete. It is decided again when the row that decided it is another by the time it is made.
    async fn outcome(
        &self,
        object: &AskedObject,
        mut pending: Result<Pending<Deleted>, S3Error>,
    ) -> Result<Deleted, S3Error> {
        for _ in 0..access::DECISIONS_MAX {
            match pending?.await {
                Ok(durable) => return Ok(durable.into_inner()),
                Err(CommitError::Refused(Refusal::Stale)) => {}
                Err(error) => {
                    let error = access::refused(&self.service, self.request.bucket_name()?, error);
                    return Err(veil_key(&self.service, &self.request, Some(&object.key), error));
                }
            }
            pending = self.delete_by_now(object);
        }
        Err(Refusal::Stale.into())
    }
}

fn write_deleted(xml: &mut XmlWriter, object: &AskedObject, deleted: Deleted) {
    xml.open("Deleted");
    xml.text("Key", &object.key);
    match deleted {
        Deleted::Gone => xml.optional("VersionId", object.version.as_deref()),
        Deleted::MarkerWritten(version) => {
            xml.raw("DeleteMarker", true);
            xml.raw("DeleteMarkerVersionId", version);
        }
        Deleted::VersionGone { version, was_marker } => {
            xml.raw("VersionId", version);
            if was_marker {
                xml.raw("DeleteMarker", true);
                xml.raw("DeleteMarkerVersionId", version);
            }
        }
    }
    xml.close();
}

fn write_error(xml: &mut XmlWriter, object: &AskedObject, error: &S3Error) {
    xml.open("Error");
    xml.text("Key", &object.key);
    xml.optional("VersionId", object.version.as_deref());
    xml.raw("Code", error.code.as_str());
    xml.text("Message", &error.message);
    xml.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::ops::tests::{Ask, Bench, KEEP};

    #[tokio::test]
    async fn a_key_that_is_tagged_between_the_decision_and_the_delete_is_kept() {
        let bench = Bench::keeping().await;
        let service = &bench.service;
        let granted = Ask::of("POST", "data?delete").authorized::<DeleteObjects>(service).expect("allowed");
        let (request, _) = granted.into_parts();
        let permit = access::permit(service, request.bucket_name().unwrap()).unwrap();
        let target = Target { service: service.clone(), request, permit };
        let object = AskedObject { key: "k".into(), ..AskedObject::default() };
        let reader = service.store.read().unwrap();
        let known = access::bucket(&reader, &target.request).unwrap();
        let steps = Steps::default();
        let deletions = Deletions::of(service, &reader, &target.request, &known, &steps);
        bench.send(Ask::of("PUT", "data/k?tagging").body(KEEP)).await.expect("tagged");
        let handed_over = target.delete(&deletions, &known, &object);
        assert!(handed_over.is_ok(), "allowed by what the reader sees");
        let refused = target.outcome(&object, handed_over).await.expect_err("decided again");
        assert_eq!(refused.code, ErrorCode::AccessDenied);
        assert_eq!(bench.get("data/k?tagging").await.one("Key"), "keep");
    }

    /// A policy made to be slow, a thousand keys, and nobody who asks: it ends after a bounded number of steps, in bites, and whatever was
    /// not decided is refused.
    #[tokio::test]
    async fn a_thousand_keys_under_a_hostile_policy_take_a_bounded_number_of_steps() {
        let bench = Bench::keeping().await;
        let pattern = format!("*{}b*", "a?".repeat(9_000));
        let policy = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::data/{pattern}"}}]}}"#
        );
        bench.set_policy(&policy).await;
        let service = &bench.service;
        let granted = Ask::of("POST", "data?delete").authorized::<DeleteObjects>(service).expect("allowed");
        let (request, _) = granted.into_parts();
        let mut request = Arc::into_inner(request).expect("alone");
        request.principal = crate::s3::request::Principal::Anonymous;
        let permit = access::permit(service, request.bucket_name().unwrap()).unwrap();
        let target = Target { service: service.clone(), request: Arc::new(request), permit };
        let objects =
            (0..1_000).map(|n| AskedObject { key: format!("{n:04}{}", "a".repeat(1_000)), ..AskedObject::default() });
        let mut list = List { objects: objects.collect(), pending: Vec::new(), steps: Steps::new(STEPS_OF_MANY) };
        let (mut bites, mut longest) = (0, 0);
        while list.pending.len() < list.objects.len() {
            let before = list.steps.taken();
            target.decide_some(&mut list);
            longest = longest.max(list.steps.taken() - before);
            bites += 1;
        }
        assert!(
            list.pending.iter().all(|pending| matches!(pending, Err(error) if error.code == ErrorCode::AccessDenied))
        );
        assert_eq!(list.steps.taken(), STEPS_OF_MANY);
        assert!(longest <= 2 * STEPS_OF_A_BITE, "{longest} steps in one bite");
        assert!(bites >= 10, "{bites} bites");
    }

    #[tokio::test]
    async fn what_is_one_for_all_keys_is_decided_once() {
        let bench = Bench::keeping().await;
        // A hundred statements that an anonymous caller's header does not meet: asked once, not for each key.
        let statements: Vec<String> = (0..100)
            .map(|n| {
                format!(r#"{{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::data/*","Condition":{{"StringEquals":{{"aws:UserAgent":"agent {n}"}}}}}}"#)
            })
            .collect();
        bench.set_policy(&format!(r#"{{"Statement":[{}]}}"#, statements.join(","))).await;
        let service = &bench.service;
        let granted = Ask::of("POST", "data?delete").authorized::<DeleteObjects>(service).expect("allowed");
        let (request, _) = granted.into_parts();
        let permit = access::permit(service, request.bucket_name().unwrap()).unwrap();
        let target = Target { service: service.clone(), request, permit };
        let taken = |count: usize| {
            let objects = (0..count).map(|n| AskedObject { key: format!("k{n}"), ..AskedObject::default() });
            let mut list = List { objects: objects.collect(), pending: Vec::new(), steps: Steps::new(STEPS_OF_MANY) };
            while list.pending.len() < list.objects.len() {
                target.decide_some(&mut list);
            }
            assert!(list.pending.iter().all(Result::is_ok));
            list.steps.taken()
        };
        let (one, many) = (taken(1), taken(200));
        assert!(many < one + 200 * 10, "{one} steps for one key, {many} for two hundred");
    }

    /// A header that is long to compare is compared once, though that alone is longer than a bite.
    #[tokio::test]
    async fn what_is_decided_once_may_be_long() {
        let bench = Bench::keeping().await;
        let agent = format!("*{}b*", "a?".repeat(9_000));
        let deny = format!(
            r#"{{"Statement":[{{"Effect":"Deny","Principal":"*","Action":"s3:Delete*","Resource":"arn:aws:s3:::data/*","Condition":{{"StringLike":{{"aws:UserAgent":"{agent}"}}}}}}]}}"#
        );
        bench.set_policy(&deny).await;
        let service = &bench.service;
        let ask = Ask::of("POST", "data?delete").header("user-agent", &"a".repeat(6_000));
        let (request, _) = ask.authorized::<DeleteObjects>(service).expect("allowed").into_parts();
        let permit = access::permit(service, request.bucket_name().unwrap()).unwrap();
        let target = Target { service: service.clone(), request, permit };
        let objects = (0..1_000).map(|n| AskedObject { key: format!("k{n}"), ..AskedObject::default() });
        let mut list = List { objects: objects.collect(), pending: Vec::new(), steps: Steps::new(STEPS_OF_MANY) };
        let mut bites = 0;
        while list.pending.len() < list.objects.len() {
            target.decide_some(&mut list);
            bites += 1;
        }
        assert!(list.pending.iter().all(Result::is_ok));
        assert_eq!(bites, 1_000 / DECIDED_AT_ONCE);
    }

    #[test]
    fn takes_a_thousand_and_not_one_more() {
        let document = |count: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(count));
        assert_eq!(parse(document(1000).as_bytes()).map(|asked| asked.objects.len()), Ok(1000));
        assert!(parse(document(1001).as_bytes()).is_err());
        assert!(parse(document(0).as_bytes()).is_err());
    }

    #[test]
    fn reads_what_is_said_of_each_object() {
        let document = b"<Delete><Quiet>true</Quiet><Object><Key> a </Key><VersionId>null</VersionId><ETag>\"e\"</ETag></Object></Delete>";
        let asked = parse(document).unwrap();
        assert!(asked.quiet);
        let object = &asked.objects[0];
        assert_eq!(
            (object.key.as_str(), object.version.as_deref(), object.etag.as_deref()),
            (" a ", Some("null"), Some("\"e\""))
        );
        for bad in [
            "<Quiet>maybe</Quiet>",
            "<Quiet>true</Quiet><Quiet>true</Quiet>",
            "<Object/>",
            "<Object><Key/></Object>",
            "<Other/>",
        ] {
            assert!(parse(format!("<Delete>{bad}</Delete>").as_bytes()).is_err(), "{bad}");
        }
    }
}
