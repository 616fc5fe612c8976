//! May they? Every operation's permissions stand in one [`table`]; each is decided by the policies, ACLs and ownership in force, and
//! [`Granted`], without which no handler runs, is made of nothing but an allowing decision.

mod audit;
mod context;
mod decide;
mod global;
pub mod known;
pub mod owner;
pub mod setting;
mod subject;
pub mod table;

pub use audit::{Refusals, TellsRefusals, changed, tells_changes_of, unauthenticated};
#[cfg(test)]
pub(in crate::s3) use context::Circumstances;
pub use decide::{
    Deletions, Granted, authorize, confirm, foresee, is_outdated, may, may_list, reads_document, veil, veil_key,
};
pub use global::{Facts, Globals};
pub use known::{Buckets, KnownBucket};
pub use owner::{DEFAULT_ACCOUNT, ObjectOwners, Owners};
pub use setting::StoredAcl;
#[cfg(test)]
pub(in crate::s3) use subject::{Named, Subject};
