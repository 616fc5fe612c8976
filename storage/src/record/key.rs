use crate::types::{BucketGuid, BucketName, ObjectKey, UploadId, VersionId};

use super::CorruptRecord;

/// Which of a key's versions a row is, as a place in the tables.
///
/// The newest version of a key (object or delete marker) stands at [`Place::Latest`], all others behind it, so that a
/// listing of the present meets exactly one row for each key however many versions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Latest,
    /// The `null` version, when another is newer.
    Null,
    /// Versions with ids, newest first.
    Id(VersionId),
}

/// The name of a row that has history, travels by delta and counts in digests. Byte order of the encoding is listing order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    Bucket(BucketGuid),
    /// Points a name at its bucket. Derived from bucket rows on each node: it has history, but does not travel.
    BucketName(BucketName),
    /// One setting of a bucket, by the name of its S3 subresource (`policy`, `tagging`, ...).
    Setting(BucketGuid, Box<str>),
    Object(BucketGuid, ObjectKey, Place),
    Upload(BucketGuid, ObjectKey, UploadId),
    Part(BucketGuid, UploadId, u16),
}

pub(crate) mod tag {
    pub const BUCKET: u8 = 0x10;
    pub const NAME: u8 = 0x11;
    pub const SETTING: u8 = 0x12;
    pub const LATEST: u8 = 0x20;
    pub const VERSION: u8 = 0x21;
    pub const UPLOAD: u8 = 0x30;
    pub const PART: u8 = 0x31;
    /// Ends a key inside an encoding; a zero byte of the key itself is written as `ESCAPED`.
    pub const END: [u8; 2] = [0, 1];
    pub const ESCAPED: [u8; 2] = [0, 0xff];
    pub const PLACE_NULL: u8 = 0;
    pub const PLACE_ID: u8 = 1;
}

impl RowKey {
    /// The bucket whose feed carries changes of this row; none for derived rows.
    pub fn bucket(&self) -> Option<BucketGuid> {
        match self {
            RowKey::BucketName(_) => None,
            RowKey::Bucket(guid)
            | RowKey::Setting(guid, _)
            | RowKey::Object(guid, ..)
            | RowKey::Upload(guid, ..)
            | RowKey::Part(guid, ..) => Some(*guid),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            RowKey::Bucket(guid) => head(&mut out, tag::BUCKET, guid),
            RowKey::BucketName(name) => {
                out.push(tag::NAME);
                out.extend_from_slice(name.as_str().as_bytes());
            }
            RowKey::Setting(guid, name) => {
                head(&mut out, tag::SETTING, guid);
                out.extend_from_slice(name.as_bytes());
            }
            RowKey::Object(guid, key, Place::Latest) => {
                head(&mut out, tag::LATEST, guid);
                out.extend_from_slice(key.as_str().as_bytes());
            }
            RowKey::Object(guid, key, place) => {
                Self::version_prefix(&mut out, *guid, key);
                encode_place(&mut out, place);
            }
            RowKey::Upload(guid, key, upload) => {
                head(&mut out, tag::UPLOAD, guid);
                escape(&mut out, key.as_str().as_bytes());
                out.extend_from_slice(upload.as_bytes());
            }
            RowKey::Part(guid, upload, number) => {
                head(&mut out, tag::PART, guid);
                out.extend_from_slice(upload.as_bytes());
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
        out
    }

    /// What all older versions of one key begin with.
    pub(crate) fn version_prefix(out: &mut Vec<u8>, guid: BucketGuid, key: &ObjectKey) {
        head(out, tag::VERSION, &guid);
        escape(out, key.as_str().as_bytes());
    }

    /// # Errors
    /// [`CorruptRecord`] when the bytes are not an encoding that [`encode`](Self::encode) makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CorruptRecord> {
        Self::parse(bytes).ok_or_else(|| CorruptRecord { kind: "row key", reason: format!("{} bytes", bytes.len()) })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        if tag == tag::NAME {
            return BucketName::new(str::from_utf8(rest).ok()?).ok().map(RowKey::BucketName);
        }
        let (guid, rest) = rest.split_first_chunk::<16>()?;
        let guid = BucketGuid::from_bytes(*guid);
        match tag {
            tag::BUCKET => rest.is_empty().then_some(RowKey::Bucket(guid)),
            tag::SETTING => Some(RowKey::Setting(guid, str::from_utf8(rest).ok()?.into())),
            tag::LATEST => Some(RowKey::Object(guid, object_key(rest)?, Place::Latest)),
            tag::VERSION => {
                let (key, rest) = unescape(rest)?;
                Some(RowKey::Object(guid, object_key(&key)?, parse_place(rest)?))
            }
            tag::UPLOAD => {
                let (key, rest) = unescape(rest)?;
                Some(RowKey::Upload(guid, object_key(&key)?, UploadId::from_bytes(rest.try_into().ok()?)))
            }
            tag::PART => {
                let (upload, number) = rest.split_first_chunk::<16>()?;
                let number = u16::from_be_bytes(number.try_into().ok()?);
                Some(RowKey::Part(guid, UploadId::from_bytes(*upload), number))
            }
            _ => None,
        }
    }
}

fn head(out: &mut Vec<u8>, tag: u8, guid: &BucketGuid) {
    out.push(tag);
    out.extend_from_slice(guid.as_bytes());
}

fn encode_place(out: &mut Vec<u8>, place: &Place) {
    match place {
        Place::Latest => {}
        Place::Null => out.push(tag::PLACE_NULL),
        Place::Id(id) => {
            out.push(tag::PLACE_ID);
            out.extend_from_slice(id.as_bytes());
        }
    }
}

fn parse_place(bytes: &[u8]) -> Option<Place> {
    match bytes.split_first()? {
        (&tag::PLACE_NULL, []) => Some(Place::Null),
        (&tag::PLACE_ID, id) => Some(Place::Id(VersionId::from_bytes(id.try_into().ok()?))),
        _ => None,
    }
}

/// Writes `key` so that no encoding is a prefix of another and byte order stays.
pub(crate) fn escape(out: &mut Vec<u8>, key: &[u8]) {
    escape_open(out, key);
    out.extend_from_slice(&tag::END);
}

/// The same without its end: a lower bound for `key` and all that it begins.
pub(crate) fn escape_open(out: &mut Vec<u8>, key: &[u8]) {
    for byte in key {
        match byte {
            0 => out.extend_from_slice(&tag::ESCAPED),
            byte => out.push(*byte),
        }
    }
}

/// The bytes that [`escape`] wrote, and what follows them.
pub(crate) fn unescape(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut key = Vec::with_capacity(bytes.len());
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            0 => match [0, *bytes.get(at + 1)?] {
                tag::ESCAPED => key.push(0),
                tag::END => return Some((key, &bytes[at + 2..])),
                _ => return None,
            },
            byte => {
                key.push(*byte);
                at += 1;
                continue;
            }
        }
        at += 2;
    }
}

fn object_key(bytes: &[u8]) -> Option<ObjectKey> {
    ObjectKey::new(str::from_utf8(bytes).ok()?).ok()
}
