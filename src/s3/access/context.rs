//! What a request tells policies beside who asks and what for. Everything is worked out when a policy asks for it, and kept. It answers
//! for the keys that `tandem_policy::key::ALL` says S3's faces supply; a test walks them.

use std::cell::OnceCell;

use jiff::Timestamp as Date;
use tandem_policy::{Context, TagSet, Values};

use super::global::{Facts, Globals};
use super::subject::Subject;
use crate::identity::AccountId;
use crate::s3::operation::Operation;
use crate::s3::ops::documents;
use crate::s3::request::{Request, Signed};
use crate::s3::route::takes;
use crate::s3::service::Service;

/// A request's facts, about one subject of it.
pub struct Circumstances<'a> {
    request: &'a Request,
    subject: &'a Subject<'a>,
    globals: Globals<'a>,
    age: OnceCell<String>,
    copy_source: OnceCell<Option<String>>,
    remaining_days: OnceCell<Option<String>>,
    location: OnceCell<Option<String>>,
    tags: OnceCell<Tags>,
}

/// Tags that the request brings.
struct Tags {
    set: TagSet,
    keys: Vec<String>,
}

impl<'a> Circumstances<'a> {
    pub fn of(service: &'a Service, request: &'a Request, subject: &'a Subject<'a>) -> Self {
        let facts = Facts {
            received: request.received,
            client: request.client,
            secure: request.secure,
            headers: &request.headers,
            region: &service.settings.region,
            credential: request.principal.credential().map(|credential| &**credential),
            register: &service.identities,
            account: AccountId::parse(subject.owner()),
        };
        Circumstances {
            request,
            subject,
            globals: Globals::of(facts),
            age: OnceCell::new(),
            copy_source: OnceCell::new(),
            remaining_days: OnceCell::new(),
            location: OnceCell::new(),
            tags: OnceCell::new(),
        }
    }

    fn header(&self, name: &str) -> Values<'_> {
        Values::from_option(self.request.header(name))
    }

    /// A parameter, of operations for which it means something.
    fn parameter(&self, name: &str) -> Values<'_> {
        Values::from_option(self.request.query.get(name).filter(|_| takes(self.request.operation, name)))
    }

    fn tags(&self) -> &Tags {
        self.tags.get_or_init(|| {
            let pairs = documents::request_tags(self.request);
            let set = TagSet::of(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            Tags { set, keys: pairs.into_iter().map(|(key, _)| key).collect() }
        })
    }

    /// Of objects, or of buckets: a request brings tags of one kind only.
    fn request_tag(&self, name: &str, of_bucket: bool) -> Values<'_> {
        match (self.request.operation == Operation::PutBucketTagging) == of_bucket {
            true => self.tags().set.get(name),
            false => Values::Absent,
        }
    }

    fn tag_keys(&self, of_bucket: bool) -> Values<'_> {
        match (self.request.operation == Operation::PutBucketTagging) == of_bucket {
            true => Values::Many(&self.tags().keys),
            false => Values::Absent,
        }
    }

    fn signature_age(&self) -> Values<'_> {
        let Some(at) = self.request.signed.at() else { return Values::Absent };
        let age = || {
            let micros = self.request.received.as_micros().saturating_sub(at.as_micros());
            (micros / 1000).to_string()
        };
        Values::One(self.age.get_or_init(age))
    }

    /// The source's bucket and key, decoded, without the version: so that no way of writing it slips past a policy.
    fn copy_source(&self) -> Values<'_> {
        let source = || {
            let source = documents::copy_source(self.request).ok()?;
            Some(format!("{}/{}", source.bucket, source.key.as_str()))
        };
        Values::from_option(self.copy_source.get_or_init(source).as_deref())
    }

    fn remaining_days(&self) -> Values<'_> {
        let days = || {
            let until: Date = self.request.header("x-amz-object-lock-retain-until-date")?.parse().ok()?;
            Some((until.as_second().saturating_sub(self.request.received.as_secs()) / 86_400).to_string())
        };
        Values::from_option(self.remaining_days.get_or_init(days).as_deref())
    }

    fn location(&self) -> Values<'_> {
        let given = || documents::location(self.request);
        Values::from_option(self.location.get_or_init(given).as_deref())
    }

    /// What says how the request was signed and carried, and what every face knows.
    fn carriage(&self, key: &str) -> Values<'_> {
        let request = self.request;
        match key {
            "s3:authtype" => Values::from_option(match request.signed {
                Signed::Not => None,
                Signed::Header(_) => Some("REST-HEADER"),
                Signed::Query(_) => Some("REST-QUERY-STRING"),
            }),
            "s3:signatureversion" => Values::from_option(request.signed.at().map(|_| "AWS4-HMAC-SHA256")),
            "s3:signatureage" => self.signature_age(),
            "s3:tlsversion" => Values::from_option(request.tls),
            global => self.globals.get(global),
        }
    }
}

impl Context for Circumstances<'_> {
    fn get(&self, key: &str) -> Values<'_> {
        if let Some(name) = key.strip_prefix("s3:existingobjecttag/") {
            return self.subject.tag(name);
        }
        if let Some(name) = key.strip_prefix("aws:resourcetag/").or_else(|| key.strip_prefix("s3:buckettag/")) {
            return self.subject.bucket_tag(name);
        }
        if let Some(name) = key.strip_prefix("s3:requestobjecttag/") {
            return self.request_tag(name, false);
        }
        if let Some(name) = key.strip_prefix("aws:requesttag/") {
            return self.request_tag(name, true);
        }
        match key {
            "s3:requestobjecttagkeys" => self.tag_keys(false),
            "aws:tagkeys" => self.tag_keys(true),
            "s3:versionid" => Values::from_option(self.subject.version_id()),
            "s3:prefix" if self.subject.prefix().is_some() => Values::from_option(self.subject.prefix()),
            "s3:prefix" | "s3:delimiter" | "s3:max-keys" => self.parameter(&key["s3:".len()..]),
            "s3:x-amz-copy-source" => self.copy_source(),
            "s3:x-amz-content-sha256"
            | "s3:x-amz-acl"
            | "s3:x-amz-grant-full-control"
            | "s3:x-amz-grant-read"
            | "s3:x-amz-grant-read-acp"
            | "s3:x-amz-grant-write"
            | "s3:x-amz-grant-write-acp"
            | "s3:x-amz-metadata-directive"
            | "s3:x-amz-server-side-encryption"
            | "s3:x-amz-server-side-encryption-aws-kms-key-id"
            | "s3:x-amz-server-side-encryption-customer-algorithm"
            | "s3:x-amz-storage-class"
            | "s3:x-amz-website-redirect-location"
            | "s3:x-amz-object-ownership"
            | "s3:x-amz-bucket-namespace"
            | "s3:if-match"
            | "s3:if-none-match" => self.header(&key["s3:".len()..]),
            "s3:object-lock-mode" => self.header("x-amz-object-lock-mode"),
            "s3:object-lock-retain-until-date" => self.header("x-amz-object-lock-retain-until-date"),
            "s3:object-lock-legal-hold" => self.header("x-amz-object-lock-legal-hold"),
            "s3:object-lock-remaining-retention-days" => self.remaining_days(),
            "s3:locationconstraint" => self.location(),
            "s3:objectcreationoperation" => Values::One(match self.request.operation {
                Operation::PutObject | Operation::CopyObject | Operation::CompleteMultipartUpload => "true",
                _ => "false",
            }),
            other => self.carriage(other),
        }
    }
}
