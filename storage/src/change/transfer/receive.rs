//! Receiving: claims and staged rows.

use std::ops::ControlFlow;

use super::validate::{Validator, check_buckets};
use super::{BeginTransfer, ClaimBlobs, Claimed, CompleteTransfer, StageRows};
use crate::change::Refusal;
use crate::change::path::transfers_of;
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::Span;
use crate::meta::staged::{claim_key, staged_key};
use crate::record::{Access, PathRow, Record, TransferPhase, TransferRow};
use crate::store::Change;
use crate::types::{ContentHash, Epoch, PathGuid, TransferGuid};

impl Change for BeginTransfer {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        following(tx, self.0.path, Some(self.0.epoch))?;
        let known = transfers_of(tx, self.0.path)?;
        if let Some(row) = known.iter().find(|row| row.id == self.0.id) {
            return if is_given_up(&row.phase) { Err(Refusal::Stale) } else { Ok(()) };
        }
        // What a dropped transfer left must not be taken for this one's.
        let taken = find(tx, self.0.id).is_ok() || has_rows(tx, self.0.id)?;
        if taken || !known.is_empty() {
            return Err(Refusal::Stale);
        }
        put(tx, &TransferRow { phase: TransferPhase::Receiving { rows: 0 }, ..self.0 });
        Ok(())
    }
}

impl Change for ClaimBlobs {
    type Output = Claimed;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<Claimed, Refusal> {
        if is_given_up(&receiving(tx, self.transfer)?.0.phase) {
            return Err(Refusal::Stale);
        }
        for body in self.received {
            if let Some(root) = tx.stage(body)?.root() {
                claim(tx, self.transfer, root)?;
            }
        }
        let mut lacking = Vec::new();
        for hash in self.wanted {
            if tx.wants_again(hash) {
                lacking.push(hash);
                continue;
            }
            match claim(tx, self.transfer, hash) {
                Ok(()) => {}
                Err(Refusal::BytesGone) => lacking.push(hash),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(Claimed { lacking })
    }
}

impl Change for StageRows {
    type Output = u64;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<u64, Refusal> {
        let (mut transfer, path) = receiving(tx, self.transfer)?;
        let end = self.first + self.rows.len() as u64;
        let staged = match transfer.phase {
            TransferPhase::Receiving { rows } => rows,
            TransferPhase::Complete { rows } if end <= rows => return Ok(rows),
            _ => return Err(Refusal::Stale),
        };
        let known = staged.checked_sub(self.first).ok_or(Refusal::Stale)?;
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let mut validator = Validator::new(tx, &transfer, &path, staged)?;
        let mut next = staged;
        for row in self.rows.into_iter().skip(known) {
            // Rows alone could fill the disk as well as bodies, and then nothing could be committed any more.
            tx.room_for_rows()?;
            let (row, blobs) = validator.check(tx, row, next)?;
            for hash in blobs {
                claim(tx, self.transfer, hash)?;
            }
            tx.table_put(Table::Staged, staged_key(self.transfer, next), row.encode());
            next += 1;
        }
        if next > staged {
            transfer.phase = TransferPhase::Receiving { rows: next };
            put(tx, &transfer);
        }
        Ok(next)
    }
}

impl Change for CompleteTransfer {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        let (mut transfer, path) = receiving(tx, self.transfer)?;
        match transfer.phase {
            TransferPhase::Receiving { rows } if rows == self.rows => check_buckets(tx, &transfer, &path)?,
            TransferPhase::Complete { rows } if rows == self.rows => {
                let same = transfer.digest.as_ref() == Some(&self.digest) && transfer.total == self.total;
                return same.then_some(()).ok_or(Refusal::Stale);
            }
            _ => return Err(Refusal::Stale),
        }
        transfer.phase = TransferPhase::Complete { rows: self.rows };
        transfer.digest = Some(self.digest);
        transfer.total = self.total;
        put(tx, &transfer);
        Ok(())
    }
}

fn is_given_up(phase: &TransferPhase) -> bool {
    matches!(phase, TransferPhase::Undoing { .. } | TransferPhase::Undone { .. })
}

/// References a live blob for the transfer, once however often it is asked. `BytesGone` if it is not live.
fn claim(tx: &mut Tx<'_>, transfer: TransferGuid, hash: ContentHash) -> Result<(), Refusal> {
    let key = claim_key(transfer, hash);
    if tx.table_get(Table::Claims, &key)?.is_none() {
        tx.reference(hash)?;
        tx.table_put(Table::Claims, key, Vec::new());
    }
    Ok(())
}

fn has_rows(tx: &Tx<'_>, transfer: TransferGuid) -> Result<bool, Refusal> {
    let mut any = false;
    for table in [Table::Staged, Table::Claims] {
        tx.table_scan(table, &Span::prefix(transfer.as_bytes()), Direction::Forward, &mut |_, _| {
            any = true;
            ControlFlow::Break(())
        })?;
    }
    Ok(any)
}

pub(super) fn find(tx: &Tx<'_>, id: TransferGuid) -> Result<TransferRow, Refusal> {
    tx.table_record(Table::Transfers, id.as_bytes())?.ok_or(Refusal::Unknown)
}

pub(super) fn put(tx: &mut Tx<'_>, row: &TransferRow) {
    tx.table_put(Table::Transfers, row.id.as_bytes().to_vec(), row.encode());
}

/// The path, if it shows a point, and is in `epoch` when one is asked for.
pub(super) fn following(tx: &Tx<'_>, path: PathGuid, epoch: Option<Epoch>) -> Result<PathRow, Refusal> {
    let row = tx.gates().path(path).ok_or(Refusal::Unknown)?;
    let in_epoch = epoch.is_none_or(|epoch| (epoch.number, epoch.writer) == (row.epoch.number, row.epoch.writer));
    match row.access {
        Access::ReadAt(_) if in_epoch => Ok(row.clone()),
        _ => Err(Refusal::Fenced),
    }
}

/// A transfer whose source may still write to it.
fn receiving(tx: &Tx<'_>, id: TransferGuid) -> Result<(TransferRow, PathRow), Refusal> {
    let transfer = find(tx, id)?;
    let path = following(tx, transfer.path, Some(transfer.epoch))?;
    Ok((transfer, path))
}
