mod carry_out;

use super::WritePermit;
use crate::record::BucketRow;
use crate::record::Versioning;
use crate::types::{BucketGuid, BucketName};

/// Makes a bucket together with its first settings. Output: `()`. Refusals: `BucketExists`, `Fenced`.
#[derive(Clone, Debug)]
pub struct CreateBucket {
    pub permit: WritePermit,
    pub row: BucketRow,
    /// By the names of their subresources.
    pub settings: Vec<(Box<str>, Vec<u8>)>,
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
