use std::collections::{BTreeMap, BTreeSet};

use super::inode::{Inode, Length};
use super::state::{Entry, EntryOp, State};

/// What a crash keeps of the writes and names that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing.
    LoseAll,
    /// Everything, as if the power had stayed.
    KeepAll,
    /// Everything, except that only some first sectors of the very last write are there.
    TornLast(u64),
    /// What came before some moment, the write at that moment torn.
    Prefix(u64),
    /// Any part: each sector, name and length for itself, so later writes may be there without earlier ones, and lengths without data.
    Subset(u64),
}

/// splitmix64: enough for choosing, and the same everywhere.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// The choices of one crash.
#[derive(Debug)]
pub struct Chance {
    crash: Crash,
    random: Random,
    /// The moment of a torn write.
    moment: u64,
    /// Of 8, how many sectors a subset keeps.
    density: u64,
    garbage: bool,
}

impl Chance {
    fn new(crash: Crash, ticks: &BTreeSet<u64>) -> Self {
        let seed = match crash {
            Crash::LoseAll | Crash::KeepAll => 0,
            Crash::TornLast(seed) | Crash::Prefix(seed) | Crash::Subset(seed) => seed,
        };
        let mut random = Random(seed);
        let moment = match crash {
            Crash::Prefix(_) => ticks.iter().nth(random.below(ticks.len() as u64) as usize).copied(),
            _ => ticks.last().copied(),
        };
        let density = [1, 4, 7][random.below(3) as usize];
        let garbage = random.below(3) == 0;
        Chance { crash, random, moment: moment.unwrap_or(0), density, garbage }
    }

    pub fn keeps(&mut self, tick: u64) -> bool {
        match self.crash {
            Crash::LoseAll => false,
            Crash::KeepAll | Crash::TornLast(_) => true,
            Crash::Prefix(_) => tick < self.moment,
            Crash::Subset(_) => self.random.below(8) < self.density,
        }
    }

    pub fn keeps_sector(&mut self, tick: u64, index: usize, sectors: usize) -> bool {
        match self.crash {
            Crash::TornLast(_) | Crash::Prefix(_) if tick == self.moment => {
                // The same cut for all sectors of this write.
                let cut = Random(self.random.0).below(sectors as u64);
                (index as u64) < cut
            }
            _ => self.keeps(tick),
        }
    }

    pub fn leaves_garbage(&mut self, tick: u64) -> bool {
        match self.crash {
            Crash::LoseAll | Crash::KeepAll => false,
            Crash::TornLast(_) | Crash::Prefix(_) => self.garbage && tick == self.moment,
            Crash::Subset(_) => self.garbage,
        }
    }

    pub fn length(&mut self) -> Length {
        match self.crash {
            Crash::Subset(_) => match self.random.below(3) {
                0 => Length::Kept,
                1 => Length::Written,
                _ => Length::Synced,
            },
            _ => Length::Kept,
        }
    }
}

pub fn after(state: &State, crash: Crash) -> State {
    let ticks = state.pending_ticks();
    let mut chance = Chance::new(crash, &ticks);
    let mut names = state.durable.clone();
    for EntryOp { tick, change, .. } in &state.pending {
        if chance.keeps(*tick) {
            change.apply(&mut names);
        }
    }
    // A name whose directory was not kept is not there either.
    let present: BTreeMap<String, Entry> =
        names.iter().filter(|(path, _)| reachable(&names, path)).map(|(path, entry)| (path.clone(), *entry)).collect();
    let mut inodes: BTreeMap<u64, Inode> = BTreeMap::new();
    for (number, inode) in &state.inodes {
        let named = present.values().any(|entry| *entry == Entry::File(*number));
        if named {
            inodes.insert(*number, inode.after(&mut chance));
        }
    }
    State::recovered(present, inodes, state)
}

fn reachable(names: &BTreeMap<String, Entry>, path: &str) -> bool {
    let mut at = path;
    while let Some((dir, _)) = at.rsplit_once('/') {
        if names.get(dir) != Some(&Entry::Dir) {
            return false;
        }
        at = dir;
    }
    true
}
