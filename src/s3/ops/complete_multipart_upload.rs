use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tandem_storage::blob::{BlobError, StagedBody};
use tandem_storage::change::{self, CompletePart, Precondition, Refusal, VersionSelector};
use tandem_storage::record::{ObjectRow, PartRow, UploadRow};
use tandem_storage::types::{BucketGuid, Checksum, ETag, UploadId, Version};
use tandem_storage::{BucketView, CommitError, Lane, Reader};

use super::completion::{self, AskedPart};
use super::part_list::{ListedPart, PartList};
use super::{access, answer, argument, body, condition, etag, upload};
use crate::clock::random_u64;
use crate::s3::checksum;
use crate::s3::error::S3Error;
use crate::s3::operation::CompleteMultipartUpload;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// 10,000 parts, each with an ETag and a checksum.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Makes the object out of its parts without reading or copying a byte of them. Asked again, it answers the same, as long as the object
/// is still the one that this upload made.
pub async fn handle(service: &Service, request: Authorized<CompleteMultipartUpload>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let id = argument::upload_id(&request)?;
    let precondition = condition::of_write(&request.headers)?;
    let document = payload.collect(DOCUMENT_BYTES_MAX).await?;
    let asked = completion::parse(&document)?;
    let found = match find(service, &request, id)? {
        Found::Open(found) => found,
        Found::Completed(made) => return Ok(made.respond(&request)),
    };
    let plan = Plan::of(&request, *found, &asked)?;
    let change = plan.change(service, permit, &request, precondition.clone()).await?;
    match service.store.commit(Lane::Client, service.clock.now(), change).await {
        Ok(durable) => Ok(Made::of(durable.into_inner().row).respond(&request)),
        // The same request, sent twice at once: the other one won.
        Err(CommitError::Refused(Refusal::NoSuchUpload)) => match find(service, &request, id)? {
            Found::Completed(made) => Ok(made.respond(&request)),
            Found::Open(_) => Err(upload::no_such(id)),
        },
        Err(error) => Err(condition::named(access::refused(service, name, error), &precondition)),
    }
}

enum Found {
    Open(Box<Open>),
    /// The upload is gone, and the key's newest version is what it made.
    Completed(Made),
}

struct Open {
    bucket: BucketGuid,
    upload: UploadRow,
    parts: BTreeMap<u16, PartRow>,
}

fn find(service: &Service, request: &Request, id: UploadId) -> Result<Found, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, request)?;
    let Some(upload) = reader.upload(&bucket, request.object_key()?, id)? else {
        return completed(service, &reader, &bucket, request, id);
    };
    let mut parts = BTreeMap::new();
    reader.parts(&bucket, id, 0, &mut |number, row| {
        parts.insert(number, row);
        ControlFlow::Continue(())
    })?;
    Ok(Found::Open(Box::new(Open { bucket: bucket.row.guid, upload, parts })))
}

fn completed(
    service: &Service,
    reader: &Reader<'_>,
    bucket: &BucketView,
    request: &Request,
    id: UploadId,
) -> Result<Found, S3Error> {
    let row = reader.object(bucket, request.object_key()?, VersionSelector::Latest)?;
    let map = row.as_ref().and_then(ObjectRow::content).and_then(|content| content.parts);
    match (row, map) {
        (Some(row), Some(map)) if PartList::load(&service.store, &map)?.upload == id => {
            Ok(Found::Completed(Made::of(row)))
        }
        _ => Err(upload::no_such(id)),
    }
}

/// All that the commit needs, checked.
struct Plan {
    bucket: BucketGuid,
    upload: UploadId,
    parts: Vec<(u16, PartRow)>,
    etag: ETag,
    checksum: Option<Checksum>,
}

impl Plan {
    fn of(request: &Request, found: Open, asked: &[AskedPart]) -> Result<Self, S3Error> {
        let Open { bucket, upload, parts } = found;
        let parts = completion::matched(&upload, asked, parts)?;
        completion::size(&parts, &request.headers)?;
        let checksum = completion::checksum_of(&upload, &parts);
        completion::check_declared(&request.headers, &upload, checksum.as_ref())?;
        let etag = etag::of_parts(parts.iter().map(|(_, row)| &row.md5));
        Ok(Plan { bucket, upload: upload.id, parts, etag, checksum })
    }

    async fn change(
        self,
        service: &Service,
        permit: change::WritePermit,
        request: &Request,
        precondition: Precondition,
    ) -> Result<change::CompleteUpload, S3Error> {
        let (body, part_map) = self.store(service).await?;
        Ok(change::CompleteUpload {
            permit,
            bucket: self.bucket,
            key: request.object_key()?.clone(),
            upload: self.upload,
            parts: self.parts.into_iter().map(|(number, row)| CompletePart { number, row }).collect(),
            body,
            part_map,
            etag: self.etag,
            checksum: self.checksum,
            precondition,
            random: random_u64(&*service.clock),
        })
    }

    /// The recipe over the parts, and their list.
    async fn store(&self, service: &Service) -> Result<(StagedBody, StagedBody), S3Error> {
        let roots: Vec<_> = self.parts.iter().map(|(_, row)| (row.body, row.size)).collect();
        let listed = self.parts.iter().map(|(number, row)| ListedPart {
            number: *number,
            size: row.size,
            checksum: row.checksum.as_ref().map(|checksum| checksum.value.clone()),
        });
        let list = PartList { upload: self.upload, parts: listed.collect() };
        let store = service.store.clone();
        let work = move || Ok((store.assemble(&roots)?, list.store(&store)?));
        body::blocking(work).await?.map_err(|error| match error {
            // An abort came in between, and its parts have been collected. Asked again, the upload is no more.
            BlobError::Missing(_) => Refusal::BytesGone.into(),
            error => error.into(),
        })
    }
}

/// The object that the upload became.
struct Made {
    etag: Option<ETag>,
    checksum: Option<Checksum>,
    version: Version,
}

impl Made {
    fn of(row: ObjectRow) -> Self {
        let content = row.content();
        Made {
            etag: content.map(|content| content.etag),
            checksum: content.and_then(|content| content.checksum.clone()),
            version: row.version,
        }
    }

    fn respond(self, request: &Request) -> Response {
        let mut xml = XmlWriter::document("CompleteMultipartUploadResult");
        let bucket = request.bucket.as_ref().map(|bucket| bucket.as_str()).unwrap_or_default();
        let scheme = if request.secure { "https" } else { "http" };
        let host = request.header("host").unwrap_or_default();
        xml.text("Location", &format!("{scheme}://{host}{}", request.resource));
        xml.text("Bucket", bucket);
        xml.text("Key", request.key.as_ref().map(|key| key.as_str()).unwrap_or_default());
        if let Some(etag) = self.etag {
            xml.etag(etag);
        }
        if let Some(sum) = &self.checksum {
            xml.raw(checksum::element(sum.algorithm), checksum::text(sum));
            xml.raw("ChecksumType", checksum::kind_name(sum.kind));
        }
        let mut response = answer::xml(xml.finish());
        answer::set_new_version(response.headers_mut(), self.version);
        response
    }
}
