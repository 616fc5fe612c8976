//! Rewinding: a path's rows become what they were at a held point.

use super::apply::set;
use super::receive::{following, put};
use super::{Agreement, RewindPage, RewoundPage};
use crate::change::Refusal;
use crate::change::path::transfers_of;
use crate::meta::Tx;
use crate::meta::at::value_at;
use crate::meta::delta::{DeltaPosition, Walk};
use crate::meta::scope::bucket_named;
use crate::record::{Access, PathRow, RowKey, Scope, TransferPhase, TransferRow};
use crate::store::Change;
use crate::types::{BucketGuid, Seq};

impl Change for RewindPage {
    type Output = RewoundPage;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<RewoundPage, Refusal> {
        let path = following(tx, self.path, None)?;
        if path.epoch.number != self.epoch {
            return Err(Refusal::Fenced);
        }
        if !tx.points().is_held(self.to) {
            return Err(Refusal::NotHeld);
        }
        let undone = undoing(tx, &path, self.to)?;
        let (view, newest) = (tx.view(), tx.newest());
        let walk = Walk { scope: &path.scope, base: Some(self.to), to: newest };
        let page = walk.page(view, self.position.as_ref(), self.limit)?;
        let (was, is) = match &path.scope {
            Scope::Bucket(name) => (bucket_named(view, name, self.to)?, bucket_named(view, name, newest)?),
            Scope::Endpoint => (None, None),
        };
        // As long as the name points to the bucket that goes, that bucket's rows are found: so a name changes hands last.
        let moves = was != is;
        for entry in page.entries {
            if !(moves && matches!(entry.key, RowKey::Bucket(_))) {
                set(tx, &entry.key, entry.old)?;
            }
        }
        if page.next.is_some() {
            return Ok(RewoundPage { next: page.next, totals: Agreement::NotCompared });
        }
        if moves {
            hand_over(tx, was, is, self.to)?;
        }
        let rewound = ended(tx, &path, self.to, walk.is_comparison(view, self.position.as_ref())?)?;
        if let (None, Some(mut transfer)) = (&rewound.next, undone) {
            if let TransferPhase::Undoing { rows } = transfer.phase {
                transfer.phase = TransferPhase::Undone { rows };
            }
            put(tx, &transfer);
        }
        Ok(rewound)
    }
}

/// The transfer that the rewind undoes, if there is one. `Stale` while one is being applied, or when it would not be undone by a rewind to `to`.
fn undoing(tx: &Tx<'_>, path: &PathRow, to: Seq) -> Result<Option<TransferRow>, Refusal> {
    let mut found = None;
    for row in transfers_of(tx, path.guid)? {
        match row.phase {
            TransferPhase::Applying { .. } => return Err(Refusal::Stale),
            TransferPhase::Undoing { .. } if path.access != Access::ReadAt(to) => return Err(Refusal::Stale),
            TransferPhase::Undoing { .. } => found = Some(row),
            TransferPhase::Receiving { .. } | TransferPhase::Complete { .. } | TransferPhase::Undone { .. } => {}
        }
    }
    Ok(found)
}

/// Nothing more differs, as far as the walk says. The totals, which no walk makes, say whether that is so.
fn ended(tx: &mut Tx<'_>, path: &PathRow, to: Seq, compared: bool) -> Result<RewoundPage, Refusal> {
    let was = tx.total_at(path, to)?.map(|(total, _)| total);
    let (next, totals) = match (tx.total_now(&path.scope)?, was) {
        (Some(is), Some(was)) if is == was => (None, Agreement::Equal),
        (Some(is), Some(was)) if compared => (None, Agreement::DifferByRows { is, was }),
        (Some(is), Some(was)) => (Some(DeltaPosition::of_comparison()), Agreement::DifferByFeed { is, was }),
        _ => (None, Agreement::NotCompared),
    };
    Ok(RewoundPage { next, totals })
}

/// Gives a path's name back to the bucket that had it.
fn hand_over(tx: &mut Tx<'_>, was: Option<BucketGuid>, is: Option<BucketGuid>, to: Seq) -> Result<(), Refusal> {
    if let Some(gone) = is {
        tx.delete_row(&RowKey::Bucket(gone))?;
    }
    if let Some(back) = was {
        let key = RowKey::Bucket(back);
        let row = value_at(tx.view(), &key.encode(), to)?;
        set(tx, &key, row)?;
    }
    Ok(())
}
