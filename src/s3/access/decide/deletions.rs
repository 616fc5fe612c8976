use std::cell::OnceCell;
use std::sync::Arc;

use tandem_policy::{Action, Prepared, Request as Question, Steps};
use tandem_storage::Reader;
use tandem_storage::change::{Seen, VersionSelector};
use tandem_storage::types::ObjectKey;

use super::{Asker, policies};
use crate::s3::access::context::Circumstances;
use crate::s3::access::known::KnownBucket;
use crate::s3::access::subject::{Named, Subject};
use crate::s3::access::table::{Need, On, When, needs};
use crate::s3::error::S3Error;
use crate::s3::request::Request;
use crate::s3::service::Service;

/// The decisions of a DeleteObjects: what is one for all its keys is decided once.
pub struct Deletions<'a> {
    asker: Asker<'a>,
    bucket: &'a Arc<KnownBucket>,
    /// Of each need the decision, once it was asked for.
    prepared: Vec<(&'static Need, OnceCell<Prepared<'a>>)>,
}

impl<'a> Deletions<'a> {
    /// Of the request's bucket as `reader` sees it. `steps` are for all keys: those that are decided when none is left are refused.
    pub fn of(
        service: &'a Service,
        reader: &'a Reader<'_>,
        request: &'a Request,
        bucket: &'a Arc<KnownBucket>,
        steps: &'a Steps,
    ) -> Self {
        let of_keys = needs(request.operation).iter().filter(|need| need.on == On::EachKey);
        Deletions {
            asker: Asker::about(service, reader, request, bucket, steps),
            bucket,
            prepared: of_keys.map(|need| (need, OnceCell::new())).collect(),
        }
    }

    /// Decides on one key; `by_etag`: it is to be deleted only if it has a given ETag. Answers with what the decision went by, if it
    /// went by the object's row.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn may(&self, key: &ObjectKey, version: VersionSelector, by_etag: bool) -> Result<Option<Seen>, S3Error> {
        let subject = Subject::object(self.bucket, self.asker.rows, Named { key, version });
        for (need, prepared) in &self.prepared {
            let applies = match need.when {
                When::Version => version != VersionSelector::Latest,
                When::Newest => version == VersionSelector::Latest,
                When::ETag => by_etag,
                other => self.asker.applies(other)?,
            };
            if !applies {
                continue;
            }
            let prepared = prepared.get_or_init(|| self.prepare(need.action));
            let decided = self.asker.weigh(need.action, &subject, |question| {
                prepared.decide(subject.resource(), question, self.asker.steps)
            })?;
            self.asker.require_decided(need, &subject, decided)?;
        }
        Ok(subject.seen())
    }

    fn prepare(&self, action: &'static str) -> Prepared<'a> {
        let subject = Subject::bucket(self.bucket);
        let circumstances = Circumstances::of(self.asker.service, self.asker.request, &subject);
        let question = Question {
            caller: self.asker.caller(),
            action: Action::of(action),
            resource: subject.arn(),
            context: &circumstances,
        };
        let policies = policies(&self.asker.request.principal, Subject::bucket_alone(self.bucket));
        Prepared::of(policies, &question, self.asker.steps)
    }
}
