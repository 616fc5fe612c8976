//! One node of the model: the committed row, and a store reduced to what roles can harm.

use tandem_storage::change::{AccessChange, At, PathOp};
use tandem_storage::record::{CreatorKind, Digest, Record, SnapshotMeta, TransferPhase, TransferRow};
use tandem_storage::types::{NodeGuid, SnapshotGuid, Timestamp, TransferGuid};

use super::super::{Account, Detail, Facts, Fresh, HandoverId, InFlight, Offer, PathState, PathView, Step};

/// A set of writes, a bit each.
pub type Content = u8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    Writable,
    Closed,
    ReadAt(Option<SnapshotGuid>),
}

#[derive(Clone, Debug)]
pub struct Node {
    pub state: PathState,
    pub gate: Gate,
    /// Newest first.
    pub snapshots: Vec<(SnapshotMeta, Content)>,
    pub present: Content,
    /// The present is between two points: rows are being applied or rewound.
    pub mixed: bool,
    /// The present may differ from the newest snapshot.
    pub dirty: bool,
    pub transfer: Option<(TransferRow, Parcel)>,
    pub cursor: Option<SnapshotGuid>,
}

/// What a transfer carries: the writes that differ, and what the source says the snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub differs: Content,
    pub declared: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    View(PathView),
    Data(Offer, Parcel),
}

/// A broken promise, in words.
pub type Violation = String;

pub fn guid(number: u8) -> SnapshotGuid {
    SnapshotGuid::from_bytes([number; 16])
}

pub fn fresh(number: u8, node: NodeGuid) -> Fresh {
    let mut handover = *node.as_bytes();
    handover[0] = number;
    Fresh { snapshot: guid(number), handover: HandoverId::from_bytes(handover) }
}

impl Node {
    pub fn with<T>(&self, number: u8, look: impl FnOnce(&Facts<'_>) -> T) -> T {
        let snapshots: Vec<SnapshotMeta> = self.snapshots.iter().map(|(meta, _)| meta.clone()).collect();
        let facts = Facts {
            now: Timestamp::from_secs(i64::from(number)),
            snapshots: &snapshots,
            dirty: self.dirty,
            transfer: self.transfer.as_ref().map(|(row, _)| row),
            account: Account::Proved,
            fresh: fresh(number, self.state.me),
        };
        look(&facts)
    }

    pub fn view(&self) -> PathView {
        let mut view = self.with(0, |facts| PathView::of(&self.state, facts));
        if let Some(transfer) = &mut view.transfer {
            transfer.created = Timestamp::default();
        }
        view
    }

    pub fn content(&self, guid: SnapshotGuid) -> Option<Content> {
        self.snapshots.iter().find(|(meta, _)| meta.guid == guid).map(|(_, content)| *content)
    }

    /// Everything that tells two nodes apart; audit records and clocks do not.
    pub fn key(&self) -> Vec<u8> {
        let mut detail = self.state.detail.clone();
        detail.changes.clear();
        detail.diverged.iter_mut().for_each(|diverged| diverged.entries = None);
        let gate = match &self.gate {
            Gate::Writable => (0, None),
            Gate::Closed => (1, None),
            Gate::ReadAt(at) => (2, *at),
        };
        let transfer = self.transfer.as_ref().map(|(row, parcel)| (row, parcel.differs, parcel.declared));
        let key =
            (self.state.me, self.state.epoch, detail, gate, &self.snapshots, self.present, self.mixed, self.dirty);
        postcard::to_stdvec(&(key, transfer, self.cursor)).expect("plain values")
    }

    /// Commits a step, all or none, holding the store's promises.
    pub fn commit(&self, step: &Step) -> Result<Node, Violation> {
        let mut next = self.clone();
        for op in &step.persist {
            next.apply(self, op)?;
        }
        if next.state.detail != step.state.detail || next.state.epoch != step.state.epoch {
            return Err("what is persisted is not the step's state".into());
        }
        let fits = match next.gate {
            Gate::Writable => next.state.writable(),
            Gate::Closed => !next.state.writable() && !next.state.is_destination(),
            Gate::ReadAt(_) => next.state.is_destination(),
        };
        if !fits {
            return Err(format!("gate {:?} does not fit the role", next.gate));
        }
        next.state.revision = 0;
        Ok(next)
    }

    fn apply(&mut self, before: &Node, op: &PathOp) -> Result<(), Violation> {
        match op {
            PathOp::Snapshot(spec) => {
                if self.mixed {
                    return Err("a snapshot of a present between two points".into());
                }
                if self.content(spec.guid).is_some() {
                    return Err("a snapshot guid twice".into());
                }
                let meta = SnapshotMeta {
                    guid: spec.guid,
                    name: String::new(),
                    created: spec.created,
                    creator: CreatorKind::Policy,
                    epoch: spec.epoch,
                };
                self.snapshots.insert(0, (meta, self.present));
                self.dirty = false;
                Ok(())
            }
            PathOp::Change { access, epoch, detail, .. } => {
                self.turn(before, *access)?;
                if let Some(epoch) = epoch {
                    if epoch.number <= self.state.epoch.number {
                        return Err("an epoch that does not rise".into());
                    }
                    self.state.epoch = *epoch;
                }
                if let Some(detail) = detail {
                    self.state.detail = Detail::decode(detail).map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            PathOp::Hold { at, .. } => self.known(at).map(drop),
            PathOp::Cursor { after, .. } => self.move_cursor(after),
            PathOp::DropTransfer { .. } if self.mixed => Err("a half-applied transfer is dropped".into()),
            PathOp::AbandonTransfer { .. } => self.abandon(),
            PathOp::DropTransfer { .. } if self.drops_an_undone_rest() => {
                Err("a transfer that was not taken back is dropped".into())
            }
            PathOp::DropTransfer { .. } if self.drops_a_complete_transfer(before) => {
                Err("a complete transfer is dropped without having landed".into())
            }
            PathOp::DropTransfer { .. } => {
                self.transfer = None;
                Ok(())
            }
            PathOp::DropSnapshot { snapshot, .. } => {
                self.snapshots.retain(|(meta, _)| meta.guid != *snapshot);
                Ok(())
            }
            PathOp::Release { .. } => Ok(()),
            other => Err(format!("the model does not know {other:?}")),
        }
    }

    /// From now on it is taken back.
    fn abandon(&mut self) -> Result<(), Violation> {
        match &mut self.transfer {
            Some((row, _)) if matches!(row.phase, TransferPhase::Complete { .. } | TransferPhase::Applying { .. }) => {
                row.phase = UNDOING;
                Ok(())
            }
            _ => Err("a transfer is taken back that has brought nothing".into()),
        }
    }

    /// What is shown; a destination that shows nothing is empty.
    pub fn shown(&self) -> Content {
        match self.gate {
            Gate::ReadAt(shown) => shown.and_then(|shown| self.content(shown)).unwrap_or(0),
            Gate::Writable | Gate::Closed => self.present,
        }
    }

    fn drops_an_undone_rest(&self) -> bool {
        let undoing = self.transfer.as_ref().is_some_and(|(row, _)| row.phase == UNDOING);
        undoing && self.present != self.shown()
    }

    /// Outside of the flip, and of a transfer that was taken back: the flip moves what is shown to what the transfer brought.
    fn drops_a_complete_transfer(&self, before: &Node) -> bool {
        let receiving =
            |row: &TransferRow| matches!(row.phase, TransferPhase::Receiving { .. } | TransferPhase::Undoing { .. });
        let lands = |row: &TransferRow| self.gate == Gate::ReadAt(Some(row.to.guid)) && before.gate != self.gate;
        self.transfer.as_ref().is_some_and(|(row, _)| !receiving(row) && !lands(row))
    }

    fn known(&self, at: &At) -> Result<SnapshotGuid, Violation> {
        match at {
            At::ThisCommit => Ok(self.snapshots.first().map(|(meta, _)| meta.guid).unwrap_or(guid(0))),
            At::Snapshot(guid) if self.content(*guid).is_some() => Ok(*guid),
            _ => Err("a point that is not held".into()),
        }
    }

    fn move_cursor(&mut self, after: &At) -> Result<(), Violation> {
        let to = self.known(after)?;
        let age = |guid: SnapshotGuid| self.snapshots.iter().position(|(meta, _)| meta.guid == guid);
        if let (Some(from), Some(to)) = (self.cursor.and_then(age), age(to))
            && to > from
        {
            return Err("the feed cursor moves back".into());
        }
        self.cursor = Some(to);
        Ok(())
    }

    /// Opening a gate changes the epoch, and nobody opens over a present that is not exactly a point.
    fn turn(&mut self, before: &Node, access: Option<AccessChange>) -> Result<(), Violation> {
        let Some(access) = access else { return Ok(()) };
        self.gate = match access {
            AccessChange::Closed => Gate::Closed,
            AccessChange::ReadAt(at) => Gate::ReadAt(Some(self.known(&at)?)),
            AccessChange::Writable => {
                if self.mixed {
                    return Err("a gate opens over a present between two points".into());
                }
                if let Gate::ReadAt(shown) = before.gate
                    && shown.and_then(|shown| self.content(shown)) != Some(self.present)
                {
                    return Err("a destination opens over something it did not show".into());
                }
                Gate::Writable
            }
        };
        Ok(())
    }

    /// Retention at its most eager.
    pub fn expire(&mut self) {
        let protected = self.state.protected();
        let newest = self.snapshots.first().map(|(meta, _)| meta.guid);
        self.snapshots.retain(|(meta, _)| Some(meta.guid) == newest || protected.contains(&meta.guid));
    }

    /// What the source of `flight` puts on the wire.
    pub fn parcel(&self, flight: &InFlight) -> Option<Message> {
        let declared = self.content(flight.to)?;
        let base = match flight.base {
            Some(base) => Some(self.content(base)?),
            None => None,
        };
        let to = self.snapshots.iter().find(|(meta, _)| meta.guid == flight.to)?.0.clone();
        let offer = Offer {
            transfer: flight.transfer,
            path: self.state.guid,
            epoch: self.state.epoch,
            base: flight.base,
            to,
            compares_all: false,
        };
        Some(Message::Data(offer, Parcel { differs: declared ^ base.unwrap_or(0), declared }))
    }

    pub fn begin(&mut self, offer: &Offer, parcel: Parcel, whole: bool) {
        let phase = if whole { TransferPhase::Complete { rows: 2 } } else { TransferPhase::Receiving { rows: 1 } };
        let Offer { transfer, path, epoch, base, to, .. } = offer.clone();
        self.transfer =
            Some((TransferRow { id: transfer, path, epoch, base, to, phase, digest: None, total: None }, parcel));
    }

    /// Half of the rows are in the present.
    pub fn apply_part(&mut self) -> Option<TransferGuid> {
        let (row, _) = self.transfer.as_mut()?;
        row.phase = TransferPhase::Applying { rows: 2, applied: 1 };
        self.mixed = true;
        Some(row.id)
    }

    /// All rows are; a seed replaces everything.
    pub fn apply_rest(&mut self) -> Option<(TransferGuid, Content)> {
        let (row, parcel) = self.transfer.as_ref()?;
        self.present = if row.base.is_some() { self.present ^ parcel.differs } else { parcel.declared };
        self.mixed = false;
        self.dirty = true;
        Some((row.id, parcel.declared))
    }
}

/// What a store writes down for a transfer that is taken back.
const UNDOING: TransferPhase = TransferPhase::Undoing { rows: 2 };

pub fn digest() -> Digest {
    Digest::from_bytes(vec![0; Digest::BYTES]).expect("a digest's length")
}
