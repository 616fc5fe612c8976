use serde::{Deserialize, Serialize};

use super::codec::{CorruptRecord, Record, decode_body, record, unknown_version};
use super::object::{ContentHeaders, Lock};
use super::previous;
use crate::types::{Body, Checksum, ChecksumAlgorithm, ObjectKey, Timestamp, UploadId};

/// A multipart upload in progress: what its object will carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRow {
    pub id: UploadId,
    pub key: ObjectKey,
    pub initiated: Timestamp,
    pub headers: ContentHeaders,
    pub metadata: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    /// The algorithm asked for at creation, and whether the object's checksum is over the whole object.
    pub checksum: Option<(ChecksumAlgorithm, bool)>,
    pub acl: Option<Vec<u8>>,
    pub lock: Option<Lock>,
    pub wrapped_key: Option<Vec<u8>>,
    pub initiator: Option<String>,
}

impl Record for UploadRow {
    const KIND: &'static str = "upload";
    const VERSION: u8 = 2;

    fn decode_previous(version: u8, body: &[u8]) -> Result<Self, CorruptRecord> {
        match version {
            1 => decode_body(Self::KIND, body).map(|row: previous::UploadRow| row.into()),
            other => Err(unknown_version(Self::KIND, other)),
        }
    }
}

impl UploadRow {
    /// Whom the upload counts against while it is in progress: its initiator, but all sessions of a role are one (`ROLEID:SESSION`), as whoever may
    /// assume it calls them what they like. No session's name holds a colon; a local user's id, `ACCOUNT:uid:N`, holds two and stays whole.
    pub fn counts_against(&self) -> Option<&str> {
        let id = self.initiator.as_deref()?;
        match id.split_once(':') {
            Some((role, session)) if !session.contains(':') => Some(role),
            _ => Some(id),
        }
    }
}

/// One uploaded part. Its number (1 to 10,000) is in its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRow {
    pub size: u64,
    pub md5: [u8; 16],
    pub body: Body,
    pub checksum: Option<Checksum>,
    pub modified: Timestamp,
}
record!(PartRow, "part", 1);
