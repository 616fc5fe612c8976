//! History that no hold needs any more.
//!
//! A released point is looked up in `ended`, the index of history by when an interval ended: what it kept ended behind it, and not behind the
//! next held point. So a release costs what changed between two points, whatever is stored. The place reached is kept in its row.

use super::super::{Step, plan, unreadable};
use super::{BITE, ROWS_A_STEP};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table, View};
use crate::meta::layout::{Span, ended_key, history_key, parse_ended_key, parse_released_key, parse_stored, row_blobs};
use crate::meta::points::Points;
use crate::store::{Change, CommitError, ReadError};
use crate::types::Seq;

/// Takes the oldest released point a page further.
pub(super) fn sweep(step: &mut Step<'_>) -> Result<(), CommitError> {
    let newest = step.core.published.newest();
    let bound = plan::unread_bound(newest, step.core.readers.oldest());
    let page = {
        let (view, state) = step.core.view().map_err(unreadable)?;
        page(&*view, &state.points, bound).map_err(unreadable)?
    };
    let Some(page) = page else { return Ok(()) };
    step.done.more = true;
    step.done.history_rows += step.commit(page)?;
    Ok(())
}

/// What a look at one released point found. Output: rows removed.
struct SweepHistory {
    released: Vec<u8>,
    /// (until, row key) of intervals that nothing holds.
    unheld: Vec<(Seq, Vec<u8>)>,
    /// The last key of `ended` that was looked at; none: all were.
    reached: Option<Vec<u8>>,
}

/// None: there is no released point whose older readers have gone.
fn page(view: &dyn View, points: &Points, bound: Seq) -> Result<Option<SweepHistory>, ReadError> {
    let (released, point, reached) = {
        let mut rows = view.cursor(Table::Released, Span::prefix(&[]).range(), Direction::Forward)?;
        let Some((key, reached)) = rows.next()? else { return Ok(None) };
        let (at, point) = parse_released_key(key)?;
        if at > bound {
            return Ok(None);
        }
        (key.to_vec(), point, reached.to_vec())
    };
    let mut page = SweepHistory { released, unheld: Vec::new(), reached: None };
    if points.is_held(point) {
        return Ok(Some(page));
    }
    let from = match reached.is_empty() {
        true => ended_key(point.next(), &[]),
        false => [&reached[..], &[0]].concat(),
    };
    let until = plan::kept_until(points, point).map(|held| ended_key(held.next(), &[]));
    let span = Span { from, until };
    if span.until.as_ref().is_some_and(|until| *until <= span.from) {
        return Ok(Some(page));
    }
    let mut rows = view.cursor(Table::Ended, span.range(), Direction::Forward)?;
    for _ in 0..ROWS_A_STEP {
        let Some((ended, _)) = rows.next()? else {
            page.reached = None;
            return Ok(Some(page));
        };
        let (until, key) = parse_ended_key(ended)?;
        if let Some(stored) = view.value(Table::History, &history_key(key, until))?
            && plan::is_unheld(points, parse_stored(&stored)?.0, until)
        {
            page.unheld.push((until, key.to_vec()));
        }
        page.reached = Some(ended.to_vec());
        if page.unheld.len() == BITE {
            break;
        }
    }
    Ok(Some(page))
}

impl Change for SweepHistory {
    type Output = u64;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<u64, Refusal> {
        let mut removed = 0;
        for (until, key) in self.unheld {
            let place = history_key(&key, until);
            let Some(stored) = tx.table_get(Table::History, &place)? else { continue };
            let (from, value) = parse_stored(&stored)?;
            if !plan::is_unheld(tx.points(), from, until) {
                continue;
            }
            for hash in row_blobs(&key, value)?.into_iter().flatten() {
                tx.release(hash)?;
            }
            tx.table_delete(Table::History, place);
            tx.table_delete(Table::Ended, ended_key(until, &key));
            removed += 1;
        }
        match self.reached {
            Some(reached) => tx.table_put(Table::Released, self.released, reached),
            None => tx.table_delete(Table::Released, self.released),
        }
        Ok(removed)
    }
}
