//! Feed rows below every cursor.

use super::super::{Step, plan, unreadable};
use super::{BITE, ROWS_A_STEP};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table, View};
use crate::meta::layout::{Span, changes_key, meta_row, parse_changes_key, parse_number};
use crate::store::{Change, CommitError, ReadError};
use crate::types::Seq;

/// A walk over all buckets' feeds, or the bound that the last one had.
#[derive(Default)]
pub(super) struct Progress {
    /// All rows at or below this are gone.
    done: Option<Seq>,
    running: Option<Walk>,
}

struct Walk {
    bound: Seq,
    /// The key of `changes` to go on at.
    at: Vec<u8>,
}

/// Takes the walk a page further, or begins one when the slowest cursor has moved on.
pub(super) fn sweep(step: &mut Step<'_>, progress: &mut Progress) -> Result<(), CommitError> {
    let newest = step.core.published.newest();
    let (keys, walk) = {
        let (view, state) = step.core.view().map_err(unreadable)?;
        let bound = plan::feed_bound(&state.points, newest);
        let idle = state.points.cursors().next().is_none() && is_empty(&*view).map_err(unreadable)?;
        let walk = match progress.running.take() {
            Some(walk) => walk,
            None if idle || progress.done.is_some_and(|done| done >= bound) => return Ok(()),
            None => Walk { bound, at: Vec::new() },
        };
        page(&*view, walk).map_err(unreadable)?
    };
    step.done.feed_rows += step.commit(SweepFeed { keys })?;
    match walk {
        Next::At(walk) => {
            step.done.more = true;
            progress.running = Some(walk);
        }
        Next::Done(bound) => progress.done = Some(bound),
    }
    Ok(())
}

fn is_empty(view: &dyn View) -> Result<bool, ReadError> {
    Ok(view.cursor(Table::Changes, Span::prefix(&[]).range(), Direction::Forward)?.next()?.is_none())
}

enum Next {
    At(Walk),
    Done(Seq),
}

/// Keys that may go, and where the walk is then. Of each bucket's feed only the part below the bound is looked at.
fn page(view: &dyn View, walk: Walk) -> Result<(Vec<Vec<u8>>, Next), ReadError> {
    let Walk { bound, mut at } = walk;
    let mut keys = Vec::new();
    for _ in 0..ROWS_A_STEP {
        if keys.len() == BITE {
            break;
        }
        let span = Span { from: at.clone(), until: None };
        let mut rows = view.cursor(Table::Changes, span.range(), Direction::Forward)?;
        let mut skip = None;
        while keys.len() < BITE {
            let Some((key, _)) = rows.next()? else { return Ok((keys, Next::Done(bound))) };
            let (bucket, seq, _) = parse_changes_key(key)?;
            if seq > bound {
                skip = Some(changes_key(bucket, Seq::new(u64::MAX), u32::MAX));
                break;
            }
            keys.push(key.to_vec());
            at = [key, &[0]].concat();
        }
        at = skip.unwrap_or(at);
    }
    Ok((keys, Next::At(Walk { bound, at })))
}

/// Output: rows removed.
struct SweepFeed {
    keys: Vec<Vec<u8>>,
}

impl Change for SweepFeed {
    type Output = u64;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<u64, Refusal> {
        let bound = plan::feed_bound(tx.points(), tx.newest());
        let floor = tx.table_get(Table::Meta, meta_row::FLOOR)?.map(|floor| parse_number(&floor)).transpose()?;
        if floor.is_some_and(|floor| Seq::new(floor) < bound) {
            tx.table_put(Table::Meta, meta_row::FLOOR.to_vec(), bound.to_bytes().to_vec());
        }
        let mut removed = 0;
        for key in self.keys {
            if parse_changes_key(&key)?.1 <= bound {
                tx.table_delete(Table::Changes, key);
                removed += 1;
            }
        }
        Ok(removed)
    }
}
