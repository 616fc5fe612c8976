use std::ops::ControlFlow;

use tandem_policy::{Caller, UserKind};
use tandem_storage::list::Start;
use tandem_storage::{BucketView, Reader};

use super::argument::{digits, invalid};
use super::time::iso8601;
use super::{answer, cursor, object_listing};
use crate::s3::access::{DEFAULT_ACCOUNT, Owners, may_list};
use crate::s3::error::S3Error;
use crate::s3::operation::ListBuckets;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

const BUCKETS_MAX: usize = 10_000;

pub async fn handle(service: &Service, request: Authorized<ListBuckets>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    let page = page(service, &reader, &request)?;
    let mut xml = XmlWriter::document("ListAllMyBucketsResult");
    let account = request.principal().credential().map_or(DEFAULT_ACCOUNT.to_owned(), |who| who.account().to_string());
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

/// Whether the caller gets to see a bucket: an account's users see their account's, a local user those it made and those a
/// policy lets it list, and a superuser all.
fn is_shown(service: &Service, reader: &Reader<'_>, request: &Request, bucket: &BucketView) -> Result<bool, S3Error> {
    let Some(caller) = request.principal.credential().map(|credential| credential.caller()) else { return Ok(false) };
    if caller.is_superuser() {
        return Ok(true);
    }
    let account = caller.account().map_or("", |account| account.id.as_str());
    let of_account = bucket.row.owner.as_deref().unwrap_or(DEFAULT_ACCOUNT) == account;
    match caller {
        Caller::User(user) if user.kind != UserKind::Iam => {
            let own = of_account && bucket.row.creator.as_deref() == Some(user.id.as_str());
            Ok(own || may_list(service, reader, request, &bucket.row.name)?)
        }
        _ => Ok(of_account),
    }
}

fn page(service: &Service, reader: &Reader<'_>, request: &Request) -> Result<Page, S3Error> {
    let node_region = service.settings.region.as_str();
    let limit = limit(request)?;
    let prefix = request.query.get("prefix").unwrap_or_default();
    let wanted_region = request.query.get("bucket-region").filter(|region| !region.is_empty());
    let after = request.query.get("continuation-token").map(|token| match cursor::from_token(token, b"") {
        Some(Start::AfterKey(name)) => Ok(name),
        _ => Err(invalid("continuation-token", token, "The continuation token provided is incorrect")),
    });
    let after = after.transpose()?;
    let mut page = Page { buckets: Vec::new(), next: None };
    let (mut more, mut failed) = (false, None);
    reader.buckets(after.as_deref(), &mut |bucket| {
        let name = bucket.row.name.as_str();
        if !name.starts_with(prefix) {
            return if name > prefix { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        if wanted_region.is_some_and(|wanted| wanted != region(&bucket, node_region)) {
            return ControlFlow::Continue(());
        }
        match is_shown(service, reader, request, &bucket) {
            Ok(true) => {}
            Ok(false) => return ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        if page.buckets.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        page.buckets.push(bucket);
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if more {
        page.next = page.buckets.last().map(|bucket| bucket.row.name.as_str().to_owned());
    }
    Ok(page)
}

fn limit(request: &Request) -> Result<usize, S3Error> {
    let Some(text) = request.query.get("max-buckets") else { return Ok(BUCKETS_MAX) };
    let number = digits(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| (1..=BUCKETS_MAX).contains(number)).ok_or_else(|| {
        invalid("max-buckets", text, format!("Argument max-buckets must be an integer between 1 and {BUCKETS_MAX}"))
    })
}
