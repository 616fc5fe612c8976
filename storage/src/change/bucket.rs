mod carry_out;

use super::WritePermit;
use crate::record::BucketRow;
use crate::record::Versioning;
use crate::types::{BucketGuid, BucketName};

/// Output: `()`. Refusals: `BucketExists`, `Fenced`.
#[derive(Clone, Debug)]
pub struct CreateBucket {
    pub permit: WritePermit,
    pub row: BucketRow,
}

/// The bucket must hold no object, version or upload. Output: `()`. Refusals: `NoSuchBucket`, `BucketNotEmpty`, `Fenced`.
#[derive(Clone, Debug)]
pub struct DeleteBucket {
    pub permit: WritePermit,
    pub name: BucketName,
    pub guid: BucketGuid,
}

/// Puts or removes one setting (the document of an S3 subresource). Output: `()`.
#[derive(Clone, Debug)]
pub struct SetBucketSetting {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub name: Box<str>,
    pub value: Option<Vec<u8>>,
}

/// Output: `()`.
#[derive(Clone, Debug)]
pub struct SetVersioning {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub versioning: Versioning,
}
