//! What is stored, as plain values. Every value begins with a version marker; an older marker decodes through its
//! `Previous`, an unknown one is an error, never a guess.
//!
//! *Architecture invariant:* a value of a [`RowKey`] row holds nothing of its node (no `Seq`, no place on a disk), so its
//! stored bytes are also its wire form and what digests are made of.

mod blob;
mod bucket;
mod codec;
mod key;
mod object;
mod path;
mod point;
mod total;
mod transfer;
mod upload;

pub use blob::{BlobKind, BlobRow, InstanceId, Location, RecipeChild};
pub use bucket::{BucketRow, Versioning};
pub use codec::{CorruptRecord, Record};
pub use key::{Place, RowKey};
pub(crate) use key::{escape, escape_open, tag, unescape};
pub use object::{Content, ContentHeaders, Lock, ObjectRow, ObjectState, PartMap, RetentionMode};
pub use path::{Access, PathRow, Scope};
pub use point::{CreatorKind, CursorRow, Digest, HoldReason, HoldRow, SnapshotMeta, SnapshotRow};
pub use total::Total;
pub use transfer::{TransferPhase, TransferRow};
pub use upload::{PartRow, UploadRow};
