//! Records as earlier builds wrote them, only to be read. A row that is not written again stays as it is, on this node and on its peers, so that
//! its bytes, and the digests over them, stay the same.

use serde::{Deserialize, Serialize};

use super::object::{self, Lock, PartMap};
use super::upload;
use crate::types::{Body, Checksum, ChecksumAlgorithm, ETag, ObjectKey, Timestamp, UploadId, Version};

/// Version 1 of the object record: without a storage class.
#[derive(Serialize, Deserialize)]
pub struct ObjectRow {
    version: Version,
    modified: Timestamp,
    state: ObjectState,
}

#[derive(Serialize, Deserialize)]
enum ObjectState {
    Content(Box<Content>),
    DeleteMarker,
}

#[derive(Serialize, Deserialize)]
struct Content {
    size: u64,
    body: Body,
    etag: ETag,
    checksum: Option<Checksum>,
    parts: Option<PartMap>,
    headers: ContentHeaders,
    metadata: Vec<(String, String)>,
    tags: Vec<(String, String)>,
    acl: Option<Vec<u8>>,
    lock: Option<Lock>,
    wrapped_key: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct ContentHeaders {
    content_type: Option<String>,
    cache_control: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    expires: Option<String>,
    website_redirect_location: Option<String>,
}

/// Version 1 of the upload record: without a storage class.
#[derive(Serialize, Deserialize)]
pub struct UploadRow {
    id: UploadId,
    key: ObjectKey,
    initiated: Timestamp,
    headers: ContentHeaders,
    metadata: Vec<(String, String)>,
    tags: Vec<(String, String)>,
    checksum: Option<(ChecksumAlgorithm, bool)>,
    acl: Option<Vec<u8>>,
    lock: Option<Lock>,
    wrapped_key: Option<Vec<u8>>,
    initiator: Option<String>,
}

impl From<ContentHeaders> for object::ContentHeaders {
    fn from(old: ContentHeaders) -> Self {
        object::ContentHeaders {
            content_type: old.content_type,
            cache_control: old.cache_control,
            content_disposition: old.content_disposition,
            content_encoding: old.content_encoding,
            content_language: old.content_language,
            expires: old.expires,
            website_redirect_location: old.website_redirect_location,
            storage_class: object::StorageClass::Standard,
        }
    }
}

impl From<ObjectRow> for object::ObjectRow {
    fn from(old: ObjectRow) -> Self {
        let state = match old.state {
            ObjectState::DeleteMarker => object::ObjectState::DeleteMarker,
            ObjectState::Content(content) => object::ObjectState::Content(Box::new(object::Content {
                size: content.size,
                body: content.body,
                etag: content.etag,
                checksum: content.checksum,
                parts: content.parts,
                headers: content.headers.into(),
                metadata: content.metadata,
                tags: content.tags,
                acl: content.acl,
                lock: content.lock,
                wrapped_key: content.wrapped_key,
            })),
        };
        object::ObjectRow { version: old.version, modified: old.modified, state }
    }
}

impl From<UploadRow> for upload::UploadRow {
    fn from(old: UploadRow) -> Self {
        upload::UploadRow {
            id: old.id,
            key: old.key,
            initiated: old.initiated,
            headers: old.headers.into(),
            metadata: old.metadata,
            tags: old.tags,
            checksum: old.checksum,
            acl: old.acl,
            lock: old.lock,
            wrapped_key: old.wrapped_key,
            initiator: old.initiator,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{Content, ContentHeaders, ObjectRow, ObjectState, Record, StorageClass, UploadRow};
    use crate::types::{Body, ETag, ObjectKey, Timestamp, UploadId, Version};

    /// Bytes as the builds before wrote them, put together by hand: a marker, then the fields in their order.
    fn old_headers(content_type: &str) -> Vec<u8> {
        let mut bytes = vec![1, u8::try_from(content_type.len()).unwrap()];
        bytes.extend_from_slice(content_type.as_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes
    }

    fn headers(storage_class: StorageClass) -> ContentHeaders {
        ContentHeaders { content_type: Some("a/b".into()), storage_class, ..ContentHeaders::default() }
    }

    fn object(storage_class: StorageClass) -> ObjectRow {
        let content = Content {
            size: 5,
            body: Body::Empty,
            etag: ETag::Md5([7; 16]),
            checksum: None,
            parts: None,
            headers: headers(storage_class),
            metadata: vec![("k".into(), "v".into())],
            tags: Vec::new(),
            acl: None,
            lock: None,
            wrapped_key: None,
        };
        let state = ObjectState::Content(Box::new(content));
        ObjectRow { version: Version::Null { stamp: 3 }, modified: Timestamp::from_secs(1), state }
    }

    fn upload(storage_class: StorageClass) -> UploadRow {
        UploadRow {
            id: UploadId::from_bytes([9; 16]),
            key: ObjectKey::new("key").unwrap(),
            initiated: Timestamp::from_secs(1),
            headers: headers(storage_class),
            metadata: Vec::new(),
            tags: Vec::new(),
            checksum: None,
            acl: None,
            lock: None,
            wrapped_key: None,
            initiator: Some("me".into()),
        }
    }

    /// The bytes of a row of today without its storage class, which stands behind the other headers.
    fn as_before(bytes: &[u8]) -> Vec<u8> {
        let old = old_headers("a/b");
        let at = bytes.windows(old.len()).position(|window| window == old).expect("the headers");
        let end = at + old.len();
        [&[1], &bytes[1..end], &bytes[end + 1..]].concat()
    }

    #[test]
    fn rows_of_the_builds_before_are_read_as_standard() {
        let row = object(StorageClass::Standard);
        assert_eq!(ObjectRow::decode(&as_before(&row.encode())), Ok(row));
        let row = upload(StorageClass::Standard);
        assert_eq!(UploadRow::decode(&as_before(&row.encode())), Ok(row));
        let marker = ObjectRow { state: ObjectState::DeleteMarker, ..object(StorageClass::Standard) };
        let mut old = marker.encode();
        old[0] = 1;
        assert_eq!(ObjectRow::decode(&old), Ok(marker));
    }

    #[test]
    fn f29_a_storage_class_is_kept() {
        for class in [StorageClass::Standard, StorageClass::ReducedRedundancy] {
            assert_eq!(ObjectRow::decode(&object(class).encode()), Ok(object(class)));
            assert_eq!(UploadRow::decode(&upload(class).encode()), Ok(upload(class)));
        }
        assert_ne!(object(StorageClass::Standard).encode(), object(StorageClass::ReducedRedundancy).encode());
    }

    #[test]
    fn a_format_of_a_later_build_is_an_error() {
        let mut bytes = object(StorageClass::Standard).encode();
        for version in [0, 3, 255] {
            bytes[0] = version;
            assert!(ObjectRow::decode(&bytes).is_err());
        }
    }
}
