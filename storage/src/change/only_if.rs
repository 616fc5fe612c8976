//! Changes that are made only while what they were decided by is still so.

use std::ops::ControlFlow;

use super::{Refusal, VersionSelector};
use crate::change::object::Versions;
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::Span;
use crate::record::{BucketRow, ObjectRow, Record, RowKey, tag};
use crate::store::Change;
use crate::types::{BucketGuid, ObjectKey};

/// Makes a change if everything that it was decided by is still so, and refuses it as `Stale` if not.
#[derive(Clone, Debug)]
pub struct OnlyIf<C> {
    pub still: Vec<Seen>,
    pub change: C,
}

/// Something that was looked at before a change was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A bucket's setting.
    Setting { bucket: BucketGuid, name: Box<str>, value: Option<Vec<u8>> },
    /// What policies ask of a version; none: it is absent, or a delete marker.
    Slots { bucket: BucketGuid, key: ObjectKey, version: VersionSelector, slots: Option<SeenSlots> },
    /// A node's row that was there. Its value may have changed.
    NodeRow(Vec<u8>),
    /// No bucket belongs to this account. O(buckets); refused as `OwnsBuckets`.
    NoBucketOf(String),
}

/// Whose a version is, and its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSlots {
    pub tags: Vec<(String, String)>,
    pub acl: Option<Vec<u8>>,
}

impl SeenSlots {
    /// Of a version's row; none: it has no content.
    pub fn of(row: &ObjectRow) -> Option<Self> {
        row.content().map(|content| SeenSlots { tags: content.tags.clone(), acl: content.acl.clone() })
    }
}

impl<C: Change> Change for OnlyIf<C> {
    type Output = C::Output;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<C::Output, Refusal> {
        for seen in &self.still {
            seen.check(tx)?;
        }
        self.change.carry_out(tx)
    }
}

impl Seen {
    fn check(&self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        let same = match self {
            Seen::Setting { bucket, name, value } => tx.row(&RowKey::Setting(*bucket, name.clone()))? == *value,
            Seen::Slots { bucket, key, version, slots } => {
                let row: BucketRow = tx.record(&RowKey::Bucket(*bucket))?.ok_or(Refusal::NoSuchBucket)?;
                let versions = Versions::of(&row, key);
                let latest = versions.latest(tx)?;
                let found = versions.find(tx, latest, *version)?;
                found.and_then(|(_, row)| SeenSlots::of(&row)) == *slots
            }
            Seen::NodeRow(key) => tx.table_get(Table::Node, key)?.is_some(),
            Seen::NoBucketOf(account) => return owns_none(tx, account),
        };
        if same { Ok(()) } else { Err(Refusal::Stale) }
    }
}

fn owns_none(tx: &Tx<'_>, account: &str) -> Result<(), Refusal> {
    let mut owns = Ok(false);
    tx.scan_rows(&Span::prefix(&[tag::BUCKET]), Direction::Forward, &mut |_, value| {
        owns = BucketRow::decode(value).map(|row| row.owner.as_deref() == Some(account));
        if matches!(owns, Ok(false)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if owns? { Err(Refusal::OwnsBuckets) } else { Ok(()) }
}
