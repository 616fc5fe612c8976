//! Two real nodes under load at full speed, compared key by key: ETags, version ids, metadata, tags, uploads and bytes.
//!
//! Nothing here asks a node whether its replica is whole. The clients know what they wrote, and the listings of both
//! nodes must say it. Keys that are written once stand beside mixed loads: an overwrite mends what a replica lacks.

mod http;
mod ledger;
mod listing;
mod mixed;
mod pair;
mod round;
mod scenario;
mod time;
mod writer;

use crate::scenario::{Mix, Round};
use crate::time::number;

/// In CI: every fixed round, 200,000 writes. As a campaign (`cargo xtask campaign load`): rounds drawn from a seed too.
#[test]
fn both_nodes_list_the_same_after_load_at_full_speed() {
    let (writes, first) = (number("TANDEM_LOAD_WRITES", 200_000), number("TANDEM_LOAD_SEED", 0));
    let size = number("TANDEM_LOAD_ROUND", 50_000);
    for number in first / size..(first + writes).div_ceil(size) {
        let round = Round::fixed(number, size).unwrap_or_else(|| Round::drawn(number, size));
        round::run(&round);
    }
}

/// `cargo xtask campaign rounds`: the loads that once left a replica without keys it should have had.
#[test]
#[ignore = "a campaign"]
fn the_loads_that_lost_keys_lose_none() {
    let (rounds, first) = (number("TANDEM_ROUNDS", 40), number("TANDEM_ROUND_SEED", 0));
    for number in first..first + rounds {
        let (writes, connections) = if number < 20 { (300_000, 16) } else { (60_000, 128) };
        let round = Round::fixed(0, writes).expect("the first fixed round");
        let round = Round { mix: Mix::Once, seed: number, connections, snapshots: false, ..round };
        round::run(&round);
    }
}
