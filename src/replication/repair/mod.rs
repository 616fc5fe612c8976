//! Damaged bytes are fetched back from the peer that has them, whichever side of the path it is on.
//!
//! ```text
//!  read, scrub, check                                   found, by row and way                  whole, of the right name
//!        |                                            +-----------------------> asking -----------------------+
//!        v              is it its turn, and a peer    |                            |                          v
//!     waiting  ---------------------------------> searching                        | busy, away, lacks it,  committed, in the
//!        ^  ^                there?                   |                            | sends something else   damaged one's place
//!        |  |           nothing that a peer has too   |                            |                          |
//!        |  +---------------- refers to it -----------+                            |                          v
//!        +-------------------------------------------------------------------------+                      verified: over
//! ```
//!
//! What is damaged the store knows (`Store::distrusted`); a blob that is put again, collected or sound again leaves that list, and with it this room.
//!
//! Invariants:
//! - A peer is given bytes of what its own path leads to, and of nothing else. It does not ask for a hash: it names a snapshot that both nodes have, a
//!   row, and the recipes from there down, and each step of that is looked up before a byte is read (`give`). Whatever does not lead there is answered
//!   alike, whether there are such bytes or not.
//! - What comes is as long as the damaged blob's own row says, and bears its name, or it changes nothing (`fetch`). An attempt costs at most that many
//!   bytes, and attempts become rarer (`ledger`). The peer asked bounds rate and number, too (`allowance`).
//! - It takes the damaged instance's place in the commit that an upload of the same bytes would make: `RepairBlob`. A crash leaves the one or the other.
//! - No client, no commit and no path's task waits for any of this. What nobody has stays distrusted, is not given out, and is reported.

mod allowance;
mod fetch;
mod find;
mod give;
mod ledger;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tandem_storage::types::NodeGuid;

use allowance::Allowance;
use ledger::Ledger;

use super::report::RepairReport;

/// What a node remembers of its repairs, and of what it gave to its peers'.
#[derive(Default)]
pub(crate) struct Repair {
    ledger: Mutex<Ledger>,
    /// Locked while a peer is given something: it has one request in work at a time.
    allowances: Mutex<HashMap<NodeGuid, Arc<tokio::sync::Mutex<Allowance>>>>,
}

impl Repair {
    pub(crate) fn report(&self) -> RepairReport {
        self.ledger().report()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowance(&self, peer: NodeGuid, now: Duration) -> Arc<tokio::sync::Mutex<Allowance>> {
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(tokio::sync::Mutex::new(Allowance::full(now)));
        allowances.entry(peer).or_insert_with(fresh).clone()
    }
}
