use serde::{Deserialize, Serialize};

use super::codec::record;
use crate::types::{BucketGuid, BucketName, Timestamp};

/// A bucket's versioning state, as S3 has it: once enabled it is never unversioned again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    #[default]
    Unversioned,
    Enabled,
    Suspended,
}

/// A bucket. Its settings are rows of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRow {
    pub guid: BucketGuid,
    pub name: BucketName,
    pub created: Timestamp,
    /// `LocationConstraint`; none means the node's region was meant.
    pub location: Option<String>,
    pub versioning: Versioning,
    pub object_lock: bool,
    /// The owning account, and who made it; filled once accounts exist.
    pub owner: Option<String>,
    pub creator: Option<String>,
}
record!(BucketRow, "bucket", 1);
