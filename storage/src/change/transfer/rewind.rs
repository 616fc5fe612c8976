//! Rewinding: a path's rows become what they were at a held point.

use super::apply::set;
use super::receive::following;
use super::{RewindPage, RewoundPage};
use crate::change::Refusal;
use crate::change::path::transfers_of;
use crate::meta::Tx;
use crate::meta::at::value_at;
use crate::meta::delta::Walk;
use crate::meta::scope::bucket_named;
use crate::record::{RowKey, Scope, TransferPhase, TransferRow};
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
        let applying = |row: &TransferRow| matches!(row.phase, TransferPhase::Applying { .. });
        if transfers_of(tx, self.path)?.iter().any(applying) {
            return Err(Refusal::Stale);
        }
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
        if moves && page.next.is_none() {
            hand_over(tx, was, is, self.to)?;
        }
        Ok(RewoundPage { next: page.next })
    }
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
