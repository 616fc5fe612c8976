//! What a request tells policies beside who asks and what for. Everything is worked out when a policy asks for it, and kept.

use std::cell::OnceCell;

use jiff::Timestamp as Date;
use tandem_policy::{Context, Values};
use tandem_storage::types::Timestamp;

use super::subject::Subject;
use crate::s3::operation::Operation;
use crate::s3::ops::documents;
use crate::s3::request::{Request, Signed};
use crate::s3::route::takes;
use crate::s3::service::Service;

/// A request's facts, about one subject of it.
pub struct Circumstances<'a> {
    service: &'a Service,
    request: &'a Request,
    subject: &'a Subject<'a>,
    address: OnceCell<String>,
    date: OnceCell<String>,
    seconds: OnceCell<String>,
    age: OnceCell<String>,
    copy_source: OnceCell<Option<String>>,
    remaining_days: OnceCell<Option<String>>,
    location: OnceCell<Option<String>>,
    tags: OnceCell<Tags>,
}

/// Tags that the request brings.
struct Tags {
    pairs: Vec<(String, String)>,
    keys: Vec<String>,
}

impl<'a> Circumstances<'a> {
    pub fn of(service: &'a Service, request: &'a Request, subject: &'a Subject<'a>) -> Self {
        Circumstances {
            service,
            request,
            subject,
            address: OnceCell::new(),
            date: OnceCell::new(),
            seconds: OnceCell::new(),
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
            Tags { keys: pairs.iter().map(|(key, _)| key.clone()).collect(), pairs }
        })
    }

    /// Of objects, or of buckets: a request brings tags of one kind only.
    fn request_tag(&self, name: &str, of_bucket: bool) -> Values<'_> {
        if (self.request.operation == Operation::PutBucketTagging) != of_bucket {
            return Values::Absent;
        }
        let found = self.tags().pairs.iter().find(|(key, _)| match of_bucket {
            true => key.eq_ignore_ascii_case(name),
            false => key == name,
        });
        Values::from_option(found.map(|(_, value)| value.as_str()))
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

    /// What says how the request was signed and carried.
    fn carriage(&self, key: &str) -> Values<'_> {
        let request = self.request;
        match key {
            "aws:sourceip" => Values::One(self.address.get_or_init(|| request.client.to_string())),
            "aws:securetransport" => Values::One(if request.secure { "true" } else { "false" }),
            "aws:currenttime" => Values::One(self.date.get_or_init(|| iso8601(request.received))),
            "aws:epochtime" => Values::One(self.seconds.get_or_init(|| request.received.as_secs().to_string())),
            "aws:useragent" => self.header("user-agent"),
            "aws:referer" => self.header("referer"),
            "aws:requestedregion" => Values::One(&self.service.settings.region),
            "aws:viaawsservice" => Values::One("false"),
            "aws:multifactorauthpresent" => match request.principal.credential() {
                Some(credential) if credential.is_session() => Values::One("false"),
                _ => Values::Absent,
            },
            "s3:authtype" => Values::from_option(match request.signed {
                Signed::Not => None,
                Signed::Header(_) => Some("REST-HEADER"),
                Signed::Query(_) => Some("REST-QUERY-STRING"),
            }),
            "s3:signatureversion" => Values::from_option(request.signed.at().map(|_| "AWS4-HMAC-SHA256")),
            "s3:signatureage" => self.signature_age(),
            "s3:tlsversion" => Values::from_option(request.tls),
            _ => Values::Absent,
        }
    }
}

impl Context for Circumstances<'_> {
    fn get(&self, key: &str) -> Values<'_> {
        if let Some(name) = key.strip_prefix("s3:existingobjecttag/") {
            return Values::from_option(self.subject.tag(name));
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

fn iso8601(at: Timestamp) -> String {
    let date = Date::from_second(at.as_secs()).unwrap_or_default();
    date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
