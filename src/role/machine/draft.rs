use tandem_storage::change::{AccessChange, At, PathOp, SnapshotSpec};
use tandem_storage::record::{CreatorKind, HoldReason, Record};
use tandem_storage::types::{Epoch, EpochNumber, HoldId, PathGuid, SnapshotGuid};

use super::event::{Action, Step};
use super::state::{Cause, Detail, Facts, Life, PathState, RoleChange, Source};

/// What a hold or a cursor of a path is for. One of each a path; its id is a function of both, so asking twice is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The snapshot that this node's epoch began from, until the peer has rejoined.
    Fork,
    /// The base of the transfer in flight.
    TransferBase,
    /// Its target.
    TransferTo,
    /// The feed above the newest snapshot that the peer is known to share: what the next delta, and a rewind, walk.
    SharedFeed,
}

impl Purpose {
    pub fn id(self, path: PathGuid) -> HoldId {
        let label: &[u8] = match self {
            Purpose::Fork => b"fork",
            Purpose::TransferBase => b"transfer base",
            Purpose::TransferTo => b"transfer to",
            Purpose::SharedFeed => b"shared feed",
        };
        let hash = blake3::Hasher::new().update(b"tandem hold").update(path.as_bytes()).update(label).finalize();
        let (id, _) = hash.as_bytes().split_first_chunk::<16>().expect("a BLAKE3 hash has 32 bytes");
        HoldId::from_bytes(*id)
    }
}

/// A step in the making: the next state, and around its one `Change` the ops that must be durable with it.
pub(super) struct Draft<'a> {
    from: &'a PathState,
    facts: &'a Facts<'a>,
    pub state: PathState,
    access: Option<AccessChange>,
    before: Vec<PathOp>,
    after: Vec<PathOp>,
    then: Vec<Action>,
}

impl<'a> Draft<'a> {
    pub fn of(from: &'a PathState, facts: &'a Facts<'a>) -> Self {
        let (before, after, then) = (Vec::new(), Vec::new(), Vec::new());
        Draft { from, facts, state: from.clone(), access: None, before, after, then }
    }

    /// A step that persists nothing.
    pub fn nothing(from: &PathState, then: Vec<Action>) -> Step {
        Step { state: from.clone(), persist: Vec::new(), then, removed: false }
    }

    pub fn life(&mut self, life: Life) -> &mut Self {
        self.state.detail.life = life;
        self
    }

    pub fn access(&mut self, access: AccessChange) -> &mut Self {
        self.access = Some(access);
        self
    }

    /// Opens the gate in a new epoch of this node, which begins from `fork`.
    pub fn open(&mut self, number: EpochNumber, fork: SnapshotGuid) -> &mut Self {
        self.state.epoch = Epoch { number, writer: self.from.me, fork: Some(fork) };
        self.access(AccessChange::Writable).hold(Purpose::Fork, fork, HoldReason::Fork)
    }

    /// Takes a snapshot of the present in this very commit.
    pub fn snapshot(&mut self, name: String) -> SnapshotGuid {
        let guid = self.facts.fresh.snapshot;
        self.before.push(PathOp::Snapshot(SnapshotSpec {
            path: self.from.guid,
            guid,
            name,
            created: self.facts.now,
            creator: CreatorKind::System,
            epoch: self.from.epoch.number,
            expires: None,
            locked: false,
            at: At::ThisCommit,
            digest: None,
        }));
        guid
    }

    pub fn hold(&mut self, purpose: Purpose, at: SnapshotGuid, reason: HoldReason) -> &mut Self {
        self.op(PathOp::Hold { id: purpose.id(self.from.guid), at: At::Snapshot(at), reason })
    }

    pub fn release(&mut self, purposes: &[Purpose]) -> &mut Self {
        self.after.extend(purposes.iter().map(|purpose| PathOp::Release { id: purpose.id(self.from.guid) }));
        self
    }

    pub fn feed_from(&mut self, after: At) -> &mut Self {
        self.op(PathOp::Cursor { id: Purpose::SharedFeed.id(self.from.guid), after })
    }

    pub fn drop_transfer(&mut self) -> &mut Self {
        if let Some(transfer) = self.facts.transfer {
            self.after.push(PathOp::DropTransfer { id: transfer.id });
        }
        self
    }

    /// An op that needs the change made before it.
    pub fn op(&mut self, op: PathOp) -> &mut Self {
        self.after.push(op);
        self
    }

    /// An op that the change builds on.
    pub fn first(&mut self, op: PathOp) -> &mut Self {
        self.before.push(op);
        self
    }

    pub fn record(&mut self, cause: Cause) -> &mut Self {
        let change = RoleChange { at: self.facts.now, epoch: self.state.epoch, cause };
        remember(&mut self.state.detail, change);
        self.then(Action::Audit(change))
    }

    pub fn then(&mut self, action: Action) -> &mut Self {
        self.then.push(action);
        self
    }

    /// Changes what the source remembers, in place.
    pub fn source(&mut self, change: impl FnOnce(&mut Source)) -> &mut Self {
        if let Life::Source(source) = &mut self.state.detail.life {
            change(source);
        }
        self
    }

    pub fn finish(&mut self) -> Step {
        let mut state = self.state.clone();
        let change = PathOp::Change {
            guid: state.guid,
            revision: self.from.revision,
            access: self.access,
            epoch: (state.epoch != self.from.epoch).then_some(state.epoch),
            detail: Some(state.detail.encode()),
        };
        state.revision += 1;
        let mut persist = std::mem::take(&mut self.before);
        persist.push(change);
        persist.append(&mut self.after);
        Step { state, persist, then: std::mem::take(&mut self.then), removed: false }
    }
}

pub(super) fn remember(detail: &mut Detail, change: RoleChange) {
    if detail.changes.len() >= Detail::CHANGES {
        detail.changes.remove(0);
    }
    detail.changes.push(change);
}
