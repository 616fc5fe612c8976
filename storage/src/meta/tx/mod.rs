//! The batch being committed, as one change sees it: the state before it, plus what earlier changes of the batch did.
//!
//! A change reads and writes through [`Tx`]; when it is refused, everything it did is undone. History, the feed, the
//! counts of what is dead and the places of small bodies are worked out once, when the batch ends (`finish`).

mod audit;
mod blobs;
pub(crate) mod finish;
mod points;
mod rows;
mod tables;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::engine::{EngineError, Table, View};
use super::gates::Gates;
use super::points::Points;
use super::totals::Counting;
use crate::blob::{Distrust, InstanceAllocator, Room, StagedPiece};
use crate::change::Refusal;
use crate::journal::FrameBody;
use crate::record::{BlobRow, CorruptRecord};
use crate::store::ReadError;
use crate::types::{ContentHash, Seq, Timestamp};

/// What a batch needs to begin.
pub(crate) struct Before<'batch> {
    pub view: &'batch dyn View,
    pub seq: Seq,
    pub points: Arc<Points>,
    pub gates: Arc<Gates>,
    pub counting: Counting,
    pub instances: &'batch InstanceAllocator,
    pub room: Room,
    pub distrust: &'batch Distrust,
}

/// One batch over one view of the engine.
pub struct Tx<'batch> {
    view: &'batch dyn View,
    seq: Seq,
    now: Timestamp,
    room: Room,
    distrust: &'batch Distrust,
    instances: &'batch InstanceAllocator,
    rows: BTreeMap<Vec<u8>, RowCell>,
    tables: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    blobs: HashMap<ContentHash, BlobCell>,
    bodies: Vec<FrameBody>,
    /// Piece files that the batch's rows name. Those of a refused change are dropped, and so unlinked.
    pieces: Vec<StagedPiece>,
    points: Arc<Points>,
    gates: Arc<Gates>,
    counting: Counting,
    /// Whether the totals were whole before the batch.
    whole_before: bool,
    undo: Vec<Undo>,
}

/// A row that the batch has looked at: a cache of what was, and what is now.
struct RowCell {
    before: Option<(Seq, Vec<u8>)>,
    now: Now,
}

#[derive(Clone)]
enum Now {
    AsBefore,
    Changed(Option<Vec<u8>>),
}

impl RowCell {
    fn value(&self) -> Option<&[u8]> {
        match &self.now {
            Now::AsBefore => self.before.as_ref().map(|(_, value)| &value[..]),
            Now::Changed(value) => value.as_deref(),
        }
    }
}

#[derive(Clone, Copy)]
struct BlobCell {
    before: Option<BlobRow>,
    /// Its location is not known yet if `body` is there.
    now: Option<BlobRow>,
    /// The index of its bytes among the batch's new bodies.
    body: Option<usize>,
}

/// How to take one step of a refused change back.
enum Undo {
    Row(Vec<u8>, Now),
    Table((Table, Vec<u8>), Option<Option<Vec<u8>>>),
    Blob(ContentHash, Option<BlobCell>),
    Body,
    Piece,
    Points(Arc<Points>),
    Gates(Arc<Gates>),
    Counting(Counting),
}

impl<'batch> Tx<'batch> {
    pub(crate) fn new(before: Before<'batch>) -> Self {
        Tx {
            view: before.view,
            seq: before.seq,
            now: Timestamp::default(),
            room: before.room,
            distrust: before.distrust,
            instances: before.instances,
            rows: BTreeMap::new(),
            tables: BTreeMap::new(),
            blobs: HashMap::new(),
            bodies: Vec::new(),
            pieces: Vec::new(),
            points: before.points,
            gates: before.gates,
            whole_before: before.counting.is_whole(),
            counting: before.counting,
            undo: Vec::new(),
        }
    }

    /// The Seq that this batch will have.
    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// The newest committed Seq: the point before this batch.
    pub(crate) fn newest(&self) -> Seq {
        Seq::new(self.seq.get() - 1)
    }

    /// The time the change was handed in with.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// What brings rows that make no room asks this. Deletes, collection and role changes do not.
    pub(crate) fn room_for_rows(&self) -> Result<(), Refusal> {
        if self.room == Room::Neither { Err(Refusal::NoSpace) } else { Ok(()) }
    }

    /// The state before the batch, for walks of history and of the feed.
    pub(crate) fn view(&self) -> &'batch dyn View {
        self.view
    }

    /// Begins a change. All it does until `keep` can be undone.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.now = now;
        self.undo.clear();
    }

    /// Takes the change back.
    pub(crate) fn undo(&mut self) {
        while let Some(step) = self.undo.pop() {
            match step {
                Undo::Row(key, now) => {
                    if let Some(cell) = self.rows.get_mut(&key) {
                        cell.now = now;
                    }
                }
                Undo::Table(key, Some(value)) => drop(self.tables.insert(key, value)),
                Undo::Table(key, None) => drop(self.tables.remove(&key)),
                Undo::Blob(hash, Some(cell)) => drop(self.blobs.insert(hash, cell)),
                Undo::Blob(hash, None) => drop(self.blobs.remove(&hash)),
                Undo::Body => drop(self.bodies.pop()),
                Undo::Piece => drop(self.pieces.pop()),
                Undo::Points(points) => self.points = points,
                Undo::Gates(gates) => self.gates = gates,
                Undo::Counting(counting) => self.counting = counting,
            }
        }
    }

    /// How much the batch has grown to, for the committer's limits: rows, and bytes of new bodies.
    pub(crate) fn weight(&self) -> (usize, usize) {
        (self.rows.len() + self.tables.len(), self.bodies.iter().map(|body| body.bytes.len()).sum())
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Refusal::Damaged(error.to_string())
    }
}

impl From<CorruptRecord> for Refusal {
    fn from(error: CorruptRecord) -> Self {
        Refusal::Damaged(error.to_string())
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotHeld(_) => Refusal::NotHeld,
            error => Refusal::Damaged(error.to_string()),
        }
    }
}
