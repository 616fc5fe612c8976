//! Rows and blobs as a source sends them.

use bytes::BytesMut;
use tandem_storage::record::{
    BlobKind, BucketRow, Content, ContentHeaders, ObjectRow, ObjectState, Place, Record, RowKey, Versioning,
};
use tandem_storage::types::{Body, BucketGuid, BucketName, ContentHash, ETag, ObjectKey, Timestamp, Version};

use super::super::message::{Attempt, BlobsHead, WireRow};
use super::super::wire::{encode_blob, encode_end, encode_head};
use tandem_storage::types::NodeGuid;

pub fn guid(bucket: u8) -> BucketGuid {
    BucketGuid::from_bytes([bucket; 16])
}

pub fn row(key: &RowKey, value: Option<Vec<u8>>) -> WireRow {
    WireRow { key: key.encode(), value }
}

pub fn bucket(number: u8, name: &str) -> WireRow {
    let row_of = BucketRow {
        guid: guid(number),
        name: BucketName::new(name).unwrap(),
        created: Timestamp::default(),
        location: None,
        versioning: Versioning::Unversioned,
        object_lock: false,
        owner: None,
        creator: None,
    };
    row(&RowKey::Bucket(guid(number)), Some(row_of.encode()))
}

pub fn object_key(bucket: u8, key: &str) -> RowKey {
    RowKey::Object(guid(bucket), ObjectKey::new(key).unwrap(), Place::Latest)
}

pub fn object_row(body: Body, size: u64) -> ObjectRow {
    let content = Content {
        size,
        body,
        etag: ETag::Md5([3; 16]),
        checksum: None,
        parts: None,
        headers: ContentHeaders::default(),
        metadata: Vec::new(),
        tags: Vec::new(),
        acl: None,
        lock: None,
        wrapped_key: None,
    };
    let state = ObjectState::Content(Box::new(content));
    ObjectRow { version: Version::Null { stamp: 1 }, modified: Timestamp::default(), state }
}

pub fn sized(bucket: u8, key: &str, body: Body, size: u64) -> WireRow {
    row(&object_key(bucket, key), Some(object_row(body, size).encode()))
}

/// An object of these bytes.
pub fn object(bucket: u8, key: &str, bytes: &[u8]) -> WireRow {
    sized(bucket, key, Body::Blob(ContentHash::of(bytes)), bytes.len() as u64)
}

/// The beginning of a stream of blobs.
pub fn head(sender: NodeGuid, attempt: Attempt) -> BytesMut {
    let mut out = BytesMut::new();
    encode_head(&mut out, &BlobsHead { sender, attempt }).unwrap();
    out
}

/// A whole stream.
pub fn blobs(sender: NodeGuid, attempt: Attempt, blobs: &[&[u8]]) -> BytesMut {
    let mut out = head(sender, attempt);
    for bytes in blobs {
        encode_blob(&mut out, ContentHash::of(bytes), BlobKind::Data, bytes);
    }
    encode_end(&mut out);
    out
}
