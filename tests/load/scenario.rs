//! What a round of load is: drawn from a seed, or one of those that every run begins with.

use crate::time::Dice;

/// What the writers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Small objects of one bucket, each key once. What a replica lacks of these is never mended by an overwrite.
    Once,
    /// Overwrites, deletes, lists of deletes, tags, copies, uploads and versions, in several buckets.
    Mixed,
    /// Half of the connections each.
    Both,
}

/// What one connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Once,
    Mixed,
    /// Lists of deletes, each of which puts hundreds of delete markers in one commit.
    Bulk,
}

/// What an operator does while the writers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The source hands over to the destination.
    Graceful,
    /// The source is killed, the destination is forced, and the killed node comes back and rejoins.
    Forced,
}

#[derive(Clone, Debug)]
pub struct Round {
    pub seed: u64,
    /// Objects put or deleted, in all.
    pub writes: u64,
    pub mix: Mix,
    pub connections: usize,
    /// Bytes of most objects.
    pub size: usize,
    /// The endpoint is protected, or each bucket by a path of its own.
    pub whole_endpoint: bool,
    pub buckets: usize,
    /// Seconds between snapshots.
    pub interval: u64,
    /// Of the journal, as the server's setting has it.
    pub checkpoint_every: &'static str,
    /// Threads that keep the processors busy.
    pub busy: usize,
    /// An operator asks for snapshots, one behind the other.
    pub snapshots: bool,
    pub events: Vec<Event>,
}

impl Round {
    /// The rounds that every run begins with: what lost keys once, and each event.
    pub fn fixed(number: u64, writes: u64) -> Option<Round> {
        let once = Round {
            seed: number,
            writes,
            mix: Mix::Once,
            connections: 128,
            size: 100,
            whole_endpoint: true,
            buckets: 1,
            interval: 1,
            checkpoint_every: "64MiB",
            busy: 0,
            snapshots: true,
            events: Vec::new(),
        };
        Some(match number {
            0 => once,
            1 => Round {
                mix: Mix::Both,
                connections: 64,
                buckets: 4,
                checkpoint_every: "1MiB",
                busy: 2,
                events: vec![Event::Graceful],
                ..once
            },
            2 => Round { connections: 16, whole_endpoint: false, interval: 2, events: vec![Event::Forced], ..once },
            3 => Round {
                mix: Mix::Mixed,
                connections: 32,
                buckets: 3,
                size: 2_000,
                snapshots: false,
                events: vec![Event::Forced, Event::Graceful],
                ..once
            },
            _ => return None,
        })
    }

    /// Any round.
    pub fn drawn(seed: u64, writes: u64) -> Round {
        let mut dice = Dice(seed);
        let events: &[&[Event]] =
            &[&[], &[], &[Event::Graceful], &[Event::Forced], &[Event::Graceful, Event::Forced, Event::Graceful]];
        let mix = dice.pick(&[Mix::Once, Mix::Once, Mix::Both, Mix::Mixed]);
        let whole_endpoint = dice.below(3) > 0;
        Round {
            seed,
            writes,
            mix,
            connections: dice.pick(&[4, 16, 64, 128, 256]),
            size: dice.pick(&[16, 100, 100, 1_000, 8_000]),
            whole_endpoint,
            buckets: if mix == Mix::Once { 1 } else { 1 + dice.below(6) as usize },
            interval: dice.pick(&[1, 1, 2, 5]),
            checkpoint_every: dice.pick(&["256KiB", "1MiB", "8MiB", "64MiB"]),
            busy: dice.pick(&[0, 0, 1, 4]),
            snapshots: dice.below(2) == 0,
            events: dice.pick(events).to_vec(),
        }
    }

    pub fn bucket(&self, number: usize) -> String {
        format!("load-{number}")
    }

    pub fn paths(&self) -> Vec<String> {
        match self.whole_endpoint {
            true => vec!["/".to_owned()],
            false => (0..self.buckets).map(|number| format!("/{}", self.bucket(number))).collect(),
        }
    }

    /// The path that protects a bucket.
    pub fn path_of(&self, bucket: usize) -> String {
        if self.whole_endpoint { "/".to_owned() } else { format!("/{}", self.bucket(bucket)) }
    }

    /// Whether versions of this bucket are kept.
    pub fn is_versioned(&self, bucket: usize) -> bool {
        bucket % 2 == 1
    }

    /// One that keeps versions, if there are several buckets.
    pub fn versioned_bucket(&self) -> usize {
        1
    }

    /// Of the writes, how many are made by lists of hundreds: three fifths where there is a bucket that keeps versions.
    pub fn bulk_writes(&self) -> u64 {
        if self.buckets > 1 { self.writes * 3 / 5 } else { 0 }
    }

    /// What one of the connections does.
    pub fn part_of(&self, connection: usize) -> Part {
        match self.mix {
            _ if connection == 0 && self.bulk_writes() > 0 => Part::Bulk,
            Mix::Once => Part::Once,
            Mix::Mixed => Part::Mixed,
            Mix::Both if connection.is_multiple_of(2) => Part::Once,
            Mix::Both => Part::Mixed,
        }
    }
}
