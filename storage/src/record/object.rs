use serde::{Deserialize, Serialize};

use super::codec::{CorruptRecord, Record, decode_body, unknown_version};
use super::previous;
use crate::types::{Body, Checksum, ContentHash, ETag, Timestamp, Version};

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    pub version: Version,
    /// `Last-Modified`: the source's time of the commit, the same on every node.
    pub modified: Timestamp,
    pub state: ObjectState,
}

impl Record for ObjectRow {
    const KIND: &'static str = "object";
    const VERSION: u8 = 2;

    fn decode_previous(version: u8, body: &[u8]) -> Result<Self, CorruptRecord> {
        match version {
            1 => decode_body(Self::KIND, body).map(|row: previous::ObjectRow| row.into()),
            other => Err(unknown_version(Self::KIND, other)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectState {
    Content(Box<Content>),
    DeleteMarker,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    pub body: Body,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    /// Sizes and checksums of the parts of a multipart object.
    pub parts: Option<PartMap>,
    pub headers: ContentHeaders,
    /// User metadata, names lower-case without their `x-amz-meta-`, in the order given.
    pub metadata: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    /// Slots: filled by the rooms that own them, carried by every delta.
    pub acl: Option<Vec<u8>>,
    pub lock: Option<Lock>,
    pub wrapped_key: Option<Vec<u8>>,
}

/// The standard headers that S3 stores with an object and gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHeaders {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<String>,
    pub website_redirect_location: Option<String>,
    /// What the client called its storage. A label: all is stored alike.
    pub storage_class: StorageClass,
}

/// The storage classes that can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageClass {
    #[default]
    Standard,
    ReducedRedundancy,
}

/// Where a multipart object's part list is: a blob of its own, since 10,000 parts do not fit a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartMap {
    pub count: u16,
    pub blob: ContentHash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionMode {
    Governance,
    Compliance,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub retention: Option<(RetentionMode, Timestamp)>,
    pub legal_hold: bool,
}

impl ObjectRow {
    /// The content, unless this is a delete marker.
    pub fn content(&self) -> Option<&Content> {
        match &self.state {
            ObjectState::Content(content) => Some(content),
            ObjectState::DeleteMarker => None,
        }
    }

    /// Every blob this row references, each to be counted once.
    pub fn blobs(&self) -> impl Iterator<Item = ContentHash> {
        let content = self.content();
        let body = content.and_then(|content| content.body.root());
        let parts = content.and_then(|content| content.parts.as_ref()).map(|parts| parts.blob);
        body.into_iter().chain(parts)
    }
}
