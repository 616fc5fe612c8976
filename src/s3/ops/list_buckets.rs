use std::ops::ControlFlow;
use std::sync::Arc;

use tandem_policy::{Caller, Steps, UserKind};
use tandem_storage::list::Start;
use tandem_storage::{BucketView, Reader};

use super::argument::{digits, invalid};
use super::time::iso8601;
use super::{answer, cursor, object_listing};
use crate::s3::access::{DEFAULT_ACCOUNT, Owners, may_list};
use crate::s3::deciding::{STEPS_OF_A_BITE, STEPS_OF_MANY};
use crate::s3::error::S3Error;
use crate::s3::operation::ListBuckets;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

const BUCKETS_MAX: usize = 10_000;
/// Buckets that are looked at in one go.
const LOOKED_AT_ONCE: usize = 1_000;

pub async fn handle(service: &Service, request: Authorized<ListBuckets>) -> Result<Response, S3Error> {
    let (request, _) = request.into_parts();
    let page = page(service, &request).await?;
    let mut xml = XmlWriter::document("ListAllMyBucketsResult");
    let account = request.principal.credential().map_or(DEFAULT_ACCOUNT.to_owned(), |who| who.account().to_string());
    object_listing::write_owner(&mut xml, &Owners::of(service).account(&account));
    xml.open("Buckets");
    for bucket in &page.buckets {
        xml.open("Bucket");
        xml.raw("Name", &bucket.row.name);
        xml.raw("CreationDate", iso8601(bucket.row.created));
        xml.text("BucketRegion", region(bucket, &service.settings.region));
        xml.close();
    }
    xml.close();
    if let Some(last) = page.next {
        xml.raw("ContinuationToken", cursor::to_token(&Start::AfterKey(last), b""));
    }
    xml.optional("Prefix", request.query.get("prefix"));
    Ok(answer::xml(xml.finish()))
}

/// The region that a bucket was made in; none was said: the node's.
pub(super) fn region<'a>(bucket: &'a BucketView, node: &'a str) -> &'a str {
    bucket.row.location.as_deref().unwrap_or(node)
}

struct Page {
    buckets: Vec<BucketView>,
    /// The last name, if there are more.
    next: Option<String>,
}

/// What is asked for, and how far the walk over the node's buckets has come.
struct Walk {
    service: Service,
    request: Arc<Request>,
    limit: usize,
    /// The last name that was looked at.
    after: Option<String>,
    page: Page,
    steps: Steps,
}

impl Walk {
    fn of(service: &Service, request: &Arc<Request>) -> Result<Self, S3Error> {
        let after = request.query.get("continuation-token").map(|token| match cursor::from_token(token, b"") {
            Some(Start::AfterKey(name)) => Ok(name),
            _ => Err(invalid("continuation-token", token, "The continuation token provided is incorrect")),
        });
        Ok(Walk {
            service: service.clone(),
            request: Arc::clone(request),
            limit: limit(request)?,
            after: after.transpose()?,
            page: Page { buckets: Vec::new(), next: None },
            steps: Steps::new(STEPS_OF_MANY),
        })
    }

    /// Goes some buckets on. True: there is nothing left to look at.
    fn go_on(&mut self) -> Result<bool, S3Error> {
        let service = self.service.clone();
        let reader = service.store.read()?;
        let (mut looked_at, mut ended, mut failed) = (0, true, None);
        let (after, began) = (self.after.clone(), self.steps.taken());
        reader.buckets(after.as_deref(), &mut |bucket| {
            let long = self.steps.taken() - began > STEPS_OF_A_BITE && !self.steps.are_spent();
            if looked_at == LOOKED_AT_ONCE || long {
                ended = false;
                return ControlFlow::Break(());
            }
            looked_at += 1;
            match self.look_at(&reader, bucket) {
                Ok(flow) => flow,
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(ended), Err)
    }

    fn look_at(&mut self, reader: &Reader<'_>, bucket: BucketView) -> Result<ControlFlow<()>, S3Error> {
        let name = bucket.row.name.as_str();
        self.after = Some(name.to_owned());
        let prefix = self.request.query.get("prefix").unwrap_or_default();
        if !name.starts_with(prefix) {
            return Ok(if name > prefix { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        let wanted = self.request.query.get("bucket-region").filter(|region| !region.is_empty());
        let elsewhere = |wanted: &str| wanted != region(&bucket, &self.service.settings.region);
        if wanted.is_some_and(elsewhere) || !self.is_shown(reader, &bucket)? {
            return Ok(ControlFlow::Continue(()));
        }
        if self.page.buckets.len() == self.limit {
            self.page.next = self.page.buckets.last().map(|bucket| bucket.row.name.as_str().to_owned());
            return Ok(ControlFlow::Break(()));
        }
        self.page.buckets.push(bucket);
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the caller gets to see a bucket: an account's users see their account's, a local user those it made and those a
    /// policy lets it list, and a superuser all.
    fn is_shown(&self, reader: &Reader<'_>, bucket: &BucketView) -> Result<bool, S3Error> {
        let Some(caller) = self.request.principal.credential().map(|credential| credential.caller()) else {
            return Ok(false);
        };
        if caller.is_superuser() {
            return Ok(true);
        }
        let account = caller.account().map_or("", |account| account.id.as_str());
        let of_account = bucket.row.owner.as_deref().unwrap_or(DEFAULT_ACCOUNT) == account;
        match caller {
            Caller::User(user) if user.kind != UserKind::Iam => {
                if of_account && bucket.row.creator.as_deref() == Some(user.id.as_str()) {
                    return Ok(true);
                }
                may_list(&self.service, reader, &self.request, &bucket.row.name, &self.steps)
            }
            _ => Ok(of_account),
        }
    }
}

/// Policies are asked about the buckets of others for local users alone; that is not done on the threads that all requests share.
async fn page(service: &Service, request: &Arc<Request>) -> Result<Page, S3Error> {
    let mut walk = Walk::of(service, request)?;
    let caller = request.principal.credential().map(|credential| credential.caller());
    let local = matches!(caller, Some(Caller::User(user)) if user.kind != UserKind::Iam) && !is_superuser(caller);
    let account = caller.and_then(Caller::account).map_or(String::new(), |account| account.id.clone());
    loop {
        let ended = match local {
            false => {
                tokio::task::yield_now().await;
                walk.go_on()?
            }
            true => {
                let (ended, gone_on) = service.deciders.run(&account, move || (walk.go_on(), walk)).await?;
                walk = gone_on;
                ended?
            }
        };
        if ended {
            return Ok(walk.page);
        }
    }
}

fn is_superuser(caller: Option<&Caller>) -> bool {
    caller.is_some_and(Caller::is_superuser)
}

fn limit(request: &Request) -> Result<usize, S3Error> {
    let Some(text) = request.query.get("max-buckets") else { return Ok(BUCKETS_MAX) };
    let number = digits(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| (1..=BUCKETS_MAX).contains(number)).ok_or_else(|| {
        invalid("max-buckets", text, format!("Argument max-buckets must be an integer between 1 and {BUCKETS_MAX}"))
    })
}
