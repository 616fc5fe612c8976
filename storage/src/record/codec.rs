use serde::Serialize;
use serde::de::DeserializeOwned;

/// Stored bytes that do not decode: damage, or a format this build does not know. Never ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored {kind} record does not decode: {reason}")]
pub struct CorruptRecord {
    pub kind: &'static str,
    pub reason: String,
}

/// A value that is stored: one byte of format version, then postcard.
pub trait Record: Serialize + DeserializeOwned {
    const KIND: &'static str;
    const VERSION: u8;

    fn encode(&self) -> Vec<u8> {
        let head = vec![Self::VERSION];
        postcard::to_extend(self, head).expect("records hold only what postcard can write")
    }

    /// # Errors
    /// [`CorruptRecord`] when the marker is unknown, bytes are missing, or bytes are left over.
    fn decode(bytes: &[u8]) -> Result<Self, CorruptRecord> {
        match bytes.split_first() {
            Some((version, rest)) if *version == Self::VERSION => decode_body(Self::KIND, rest),
            Some((version, rest)) => Self::decode_previous(*version, rest),
            None => Err(corrupt(Self::KIND, "empty")),
        }
    }

    /// Overridden by a record that has had an earlier format.
    fn decode_previous(version: u8, _body: &[u8]) -> Result<Self, CorruptRecord> {
        Err(CorruptRecord::unknown_version(Self::KIND, version))
    }
}

impl CorruptRecord {
    pub(super) fn unknown_version(kind: &'static str, version: u8) -> Self {
        corrupt(kind, &format!("format version {version} is not known to this build"))
    }
}

/// Decodes postcard and demands that nothing is left over.
pub(super) fn decode_body<T: DeserializeOwned>(kind: &'static str, body: &[u8]) -> Result<T, CorruptRecord> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(corrupt(kind, &format!("{} bytes left over", rest.len()))),
        Err(error) => Err(corrupt(kind, &error.to_string())),
    }
}

fn corrupt(kind: &'static str, reason: &str) -> CorruptRecord {
    CorruptRecord { kind, reason: reason.to_owned() }
}

macro_rules! record {
    ($type:ty, $kind:literal, $version:literal) => {
        impl $crate::record::Record for $type {
            const KIND: &'static str = $kind;
            const VERSION: u8 = $version;
        }
    };
}
pub(super) use record;
