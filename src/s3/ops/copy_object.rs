use std::ops::Range;

use tandem_storage::CommitError;
use tandem_storage::Lane;
use tandem_storage::blob::StagedBody;
use tandem_storage::change::{self, NewObject, PutOutcome, Refusal, VersionSelector};
use tandem_storage::record::{Content, ContentHeaders};
use tandem_storage::types::{Checksum, ChecksumAlgorithm};

use super::argument::invalid;
use super::attributes::{self, Attributes};
use super::condition;
use super::copy::{self, Source};
use super::copy_source::CopySource;
use super::time::iso8601;
use super::{access, acl, answer, body};
use crate::clock::random_u64;
use crate::s3::checksum;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::CopyObject;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// A new row that references the source's bytes: none are copied. The ETag stays the source's, a multipart one too, where AWS would
/// compute one anew; its meaning is the same, that equal ETags are equal bytes.
pub async fn handle(service: &Service, request: Authorized<CopyObject>) -> Result<Response, S3Error> {
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    attributes::refuse_unsupported(&request.headers)?;
    let plan = Plan::of(&request)?;
    let precondition = condition::of_write(&request.headers)?;
    // Between the reading of its row and the commit the source may be deleted and its bytes given up: then once more.
    for last_try in [false, true] {
        let (known, mut source) = {
            let reader = service.store.read()?;
            let known = access::confirmed_bucket(service, &reader, &request)?;
            (known, copy::source(&reader, &request, &plan.from, |source| plan.bytes_to_read(source))?)
        };
        let checksum = plan.checksum(&mut source).await?;
        // An ACL is never copied.
        let acl = acl::of_new_object(service, &request, &known)?;
        let object = NewObject { acl, ..plan.object(&source, checksum) };
        let change = change::PutObject {
            permit,
            bucket: known.row.guid,
            key: request.object_key()?.clone(),
            precondition: precondition.clone(),
            body: StagedBody::existing(source.content.body, source.content.size),
            object,
            random: random_u64(&*service.clock),
        };
        match service.store.commit(Lane::Client, service.clock.now(), change).await {
            Ok(durable) => return Ok(respond(&source, &durable)),
            Err(CommitError::Refused(Refusal::BytesGone)) if !last_try => {}
            Err(error) => return Err(condition::named(access::refused(service, name, error), &precondition)),
        }
    }
    Err(Refusal::BytesGone.into())
}

/// Where an object's metadata, or its tags, come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

impl Directive {
    fn of(request: &Request, name: &'static str, refusal: &str) -> Result<Self, S3Error> {
        match attributes::text(&request.headers, name)?.as_deref() {
            None | Some("COPY") => Ok(Directive::Copy),
            Some("REPLACE") => Ok(Directive::Replace),
            Some(other) => Err(invalid(name, other, refusal)),
        }
    }
}

/// What the request asks the copy to be.
struct Plan {
    from: CopySource,
    metadata: Directive,
    tagging: Directive,
    attributes: Attributes,
    algorithm: Option<ChecksumAlgorithm>,
}

impl Plan {
    fn of(request: &Request) -> Result<Self, S3Error> {
        let from = CopySource::of(request)?;
        let metadata = Directive::of(request, "x-amz-metadata-directive", "Unknown metadata directive.")?;
        let tagging = Directive::of(request, "x-amz-tagging-directive", "Unknown tagging directive.")?;
        let attributes = Attributes::of(&request.headers)?;
        let algorithm = attributes::text(&request.headers, "x-amz-checksum-algorithm")?.map(|name| {
            let refused = || S3Error::new(ErrorCode::InvalidRequest, "Checksum algorithm provided is unsupported.");
            checksum::by_name(&name).ok_or_else(refused)
        });
        let plan = Plan { from, metadata, tagging, attributes, algorithm: algorithm.transpose()? };
        if plan.changes_nothing(request)? {
            let message = "This copy request is illegal because it is trying to copy an object to itself without changing \
                           the object's metadata, storage class, website redirect location or encryption attributes.";
            return Err(S3Error::new(ErrorCode::InvalidRequest, message));
        }
        Ok(plan)
    }

    fn changes_nothing(&self, request: &Request) -> Result<bool, S3Error> {
        let to_itself = self.from.bucket == *request.bucket_name()?
            && self.from.key == *request.object_key()?
            && self.from.version == VersionSelector::Latest;
        Ok(to_itself
            && self.metadata == Directive::Copy
            && self.tagging == Directive::Copy
            && self.attributes.headers.website_redirect_location.is_none()
            && !request.headers.contains_key("x-amz-storage-class"))
    }

    /// All, for a checksum that the source does not have.
    fn bytes_to_read(&self, source: &Source) -> Result<Option<Range<u64>>, S3Error> {
        copy::check_size(source.content.size)?;
        let stored = source.content.checksum.as_ref().map(|stored| stored.algorithm);
        let other = self.algorithm.is_some_and(|asked| stored != Some(asked));
        Ok(other.then_some(0..source.content.size))
    }

    fn object(&self, source: &Source, checksum: Option<Checksum>) -> NewObject {
        let content = &source.content;
        let (headers, metadata) = match self.metadata {
            Directive::Copy => (self.copied_headers(content), content.metadata.clone()),
            Directive::Replace => (self.attributes.headers.clone(), self.attributes.metadata.clone()),
        };
        let tags = match self.tagging {
            Directive::Copy => content.tags.clone(),
            Directive::Replace => self.attributes.tags.clone(),
        };
        NewObject {
            etag: content.etag,
            checksum,
            headers,
            metadata,
            tags,
            acl: None,
            lock: None,
            wrapped_key: None,
            parts: content.parts,
        }
    }

    /// The redirect and the storage class are of the place and not of the content: they are never copied.
    fn copied_headers(&self, content: &Content) -> ContentHeaders {
        let asked = &self.attributes.headers;
        ContentHeaders {
            website_redirect_location: asked.website_redirect_location.clone(),
            storage_class: asked.storage_class,
            ..content.headers.clone()
        }
    }

    /// The source's, unless another algorithm is asked for: that one needs the bytes read.
    async fn checksum(&self, source: &mut Source) -> Result<Option<Checksum>, S3Error> {
        match (self.algorithm, source.opened.take()) {
            (Some(asked), Some(opened)) => Ok(Some(body::hash(opened, asked).await?.checksum)),
            _ => Ok(source.content.checksum.clone()),
        }
    }
}

fn respond(source: &Source, outcome: &PutOutcome) -> Response {
    let mut xml = XmlWriter::document("CopyObjectResult");
    xml.raw("LastModified", iso8601(outcome.row.modified));
    xml.etag(source.content.etag);
    if let Some(sum) = outcome.row.content().and_then(|content| content.checksum.as_ref()) {
        xml.raw("ChecksumType", checksum::kind_name(sum.kind));
        xml.raw(checksum::element(sum.algorithm), checksum::text(sum));
    }
    let mut response = answer::xml(xml.finish());
    let headers = response.headers_mut();
    if let Some(version) = source.version {
        answer::set(headers, "x-amz-copy-source-version-id", &version.to_string());
    }
    answer::set_new_version(headers, outcome.row.version);
    response
}
