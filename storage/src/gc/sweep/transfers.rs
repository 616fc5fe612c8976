//! What dropped transfers left: staged rows and claims.

use super::super::{Step, unreadable};
use super::{BITE, ROWS_A_STEP};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table, View};
use crate::meta::layout::{Span, after_prefix};
use crate::meta::staged::claimed;
use crate::store::{Change, CommitError, ReadError};

/// A transfer's GUID begins the keys of both tables.
const GUID_BYTES: usize = 16;

/// Purges a page of rows whose transfer is gone.
pub(super) fn purge(step: &mut Step<'_>) -> Result<(), CommitError> {
    for table in [Table::Staged, Table::Claims] {
        let keys = {
            let (view, _) = step.core.view().map_err(unreadable)?;
            orphans(&*view, table).map_err(unreadable)?
        };
        if !keys.is_empty() {
            step.done.more = true;
            step.commit(Purge { table, keys })?;
        }
    }
    Ok(())
}

/// Keys of one table whose transfer has no row. Each living transfer costs one look.
fn orphans(view: &dyn View, table: Table) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut span = Span::prefix(&[]);
    for _ in 0..ROWS_A_STEP {
        let mut rows = view.cursor(table, span.range(), Direction::Forward)?;
        let Some((first, _)) = rows.next()? else { break };
        let transfer = first.get(..GUID_BYTES).unwrap_or(first).to_vec();
        let mut lives = false;
        view.get(Table::Transfers, &transfer, &mut |row| lives = row.is_some())?;
        if !lives {
            keys.push(first.to_vec());
            while keys.len() < BITE {
                match rows.next()? {
                    Some((key, _)) if key.starts_with(&transfer) => keys.push(key.to_vec()),
                    _ => break,
                }
            }
        }
        match after_prefix(&transfer) {
            Some(next) if keys.len() < BITE => span = Span { from: next, until: None },
            _ => break,
        }
    }
    Ok(keys)
}

struct Purge {
    table: Table,
    keys: Vec<Vec<u8>>,
}

impl Change for Purge {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        for key in self.keys {
            let lives = tx.table_get(Table::Transfers, key.get(..GUID_BYTES).unwrap_or(&key))?.is_some();
            if lives || tx.table_get(self.table, &key)?.is_none() {
                continue;
            }
            if self.table == Table::Claims {
                tx.release(claimed(&key)?)?;
            }
            tx.table_delete(self.table, key);
        }
        Ok(())
    }
}
