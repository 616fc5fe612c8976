//! Dead blobs: first the reference goes, durably, then the bytes.

use super::super::{Step, plan, unreadable};
use super::{BITE, ROWS_A_STEP};
use crate::blob::{BlobError, decode_recipe};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::core::{Core, blob_row};
use crate::meta::engine::{Direction, Table, View};
use crate::meta::layout::{Span, condemned_key, parse_dead_key, parse_number};
use crate::record::{BlobKind, InstanceId, RecipeChild};
use crate::store::{Change, CommitError, ReadError};
use crate::types::{ContentHash, Seq};

/// Children that one commit lets go.
const CHILDREN_A_BITE: usize = 2048;

/// Takes blobs off the tables that are dead, and that no running reader can name.
pub(super) fn condemn(step: &mut Step<'_>) -> Result<(), CommitError> {
    let newest = step.core.published.newest();
    let bound = plan::unread_bound(newest, step.core.readers.oldest());
    let (dead, more) = {
        let (view, _) = step.core.view().map_err(unreadable)?;
        page(step.core, &*view, bound).map_err(unreadable)?
    };
    if dead.is_empty() {
        return Ok(());
    }
    step.done.more |= more;
    let condemned = step.commit(Condemn { dead })?;
    // A dead recipe's children are the next step's.
    step.done.more |= condemned.children > 0;
    step.done.blobs += condemned.blobs;
    step.done.bytes += condemned.bytes;
    Ok(())
}

struct DeadBlob {
    hash: ContentHash,
    died: Seq,
    /// What a recipe lists.
    children: Vec<RecipeChild>,
}

fn page(core: &Core, view: &dyn View, bound: Seq) -> Result<(Vec<DeadBlob>, bool), ReadError> {
    let mut dead = Vec::new();
    let mut children = 0;
    let mut rows = view.cursor(Table::Dead, Span::prefix(&[]).range(), Direction::Forward)?;
    for _ in 0..ROWS_A_STEP {
        let Some((key, _)) = rows.next()? else { return Ok((dead, false)) };
        let (died, hash) = parse_dead_key(key)?;
        if died > bound {
            return Ok((dead, false));
        }
        match listed(core, view, hash) {
            Ok(list) => {
                children += list.len();
                dead.push(DeadBlob { hash, died, children: list });
            }
            // Without its list its children cannot be let go. It stays until the recipe is repaired.
            Err(error) => tracing::warn!(%hash, %error, "a dead recipe cannot be read"),
        }
        if dead.len() == BITE || children >= CHILDREN_A_BITE {
            break;
        }
    }
    Ok((dead, true))
}

/// The children of a recipe; data has none.
fn listed(core: &Core, view: &dyn View, hash: ContentHash) -> Result<Vec<RecipeChild>, BlobError> {
    match blob_row(view, &hash)? {
        Some(row) if row.kind == BlobKind::Recipe => Ok(decode_recipe(&core.blobs.read(hash, core)?)?),
        _ => Ok(Vec::new()),
    }
}

struct Condemn {
    dead: Vec<DeadBlob>,
}

#[derive(Default)]
struct Condemned {
    blobs: u64,
    bytes: u64,
    children: u64,
}

impl Change for Condemn {
    type Output = Condemned;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<Condemned, Refusal> {
        let mut condemned = Condemned::default();
        for DeadBlob { hash, died, children } in self.dead {
            let Some(row) = tx.remove_dead_blob(hash, died)? else { continue };
            for child in &children {
                tx.release(child.hash)?;
            }
            tx.condemn(&row);
            condemned.blobs += 1;
            condemned.bytes += row.len;
            condemned.children += children.len() as u64;
        }
        Ok(condemned)
    }
}

/// Unlinks what is condemned, and pieces that were stored and never referenced.
pub(super) fn unlink(step: &mut Step<'_>) -> Result<(), CommitError> {
    for instance in step.core.blobs.surplus().take(BITE) {
        unlink_one(step.core, instance);
    }
    step.done.more |= !step.core.blobs.surplus().is_empty();
    let condemned = {
        let (view, _) = step.core.view().map_err(unreadable)?;
        condemned(&*view).map_err(unreadable)?
    };
    step.done.more |= condemned.len() == BITE;
    let gone: Vec<_> = condemned.into_iter().filter(|instance| unlink_one(step.core, *instance)).collect();
    if gone.is_empty() { Ok(()) } else { step.commit(Forget { gone }) }
}

/// False: it is still there, and is tried again, by a later step or by the next open.
pub(super) fn unlink_one(core: &Core, instance: InstanceId) -> bool {
    match core.blobs.unlink(instance) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(instance = instance.get(), %error, "a piece could not be removed");
            false
        }
    }
}

fn condemned(view: &dyn View) -> Result<Vec<InstanceId>, ReadError> {
    let mut instances = Vec::new();
    let mut rows = view.cursor(Table::Condemned, Span::prefix(&[]).range(), Direction::Forward)?;
    while let Some((key, _)) = rows.next()? {
        instances.push(InstanceId::new(parse_number(key)?));
        if instances.len() == BITE {
            break;
        }
    }
    Ok(instances)
}

/// Drops the rows of instances whose files are gone.
struct Forget {
    gone: Vec<InstanceId>,
}

impl Change for Forget {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        for instance in self.gone {
            tx.table_delete(Table::Condemned, condemned_key(instance));
        }
        Ok(())
    }
}
