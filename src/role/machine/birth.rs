//! How a path comes to be, on either side.

use tandem_storage::change::{AccessChange, At, PathOp};
use tandem_storage::record::{Record, Scope};
use tandem_storage::types::{Epoch, EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp};

use super::draft::Purpose;
use super::event::Refused;
use super::state::{
    Cause, Destination, DestinationPhase, Detail, Life, PathState, Peer, Policy, RoleChange, Source, SourcePhase,
};
use super::view::PathView;

/// Makes a path whose Source is this node; the caller commits the ops.
///
/// # Errors
/// [`Refused::BadPolicy`].
pub fn create(
    me: NodeGuid,
    guid: PathGuid,
    scope: Scope,
    peer: Peer,
    policy: Policy,
    now: Timestamp,
) -> Result<(PathState, Vec<PathOp>), Refused> {
    policy.check()?;
    let phase = SourcePhase::Initializing;
    let life = Life::Source(Source::new(phase, None));
    let epoch = Epoch { number: EpochNumber::new(1), writer: me, fork: None };
    let changes = vec![RoleChange { at: now, epoch, cause: Cause::Created }];
    let detail = Detail { peer, policy, life, diverged: Vec::new(), changes };
    Ok(born(PathState { me, guid, scope, epoch, revision: 0, detail }, AccessChange::Writable))
}

/// Makes this node the Destination of a path that the peer told of. The caller has made sure that nothing is in the way:
/// the scope is empty here, and no path overlaps.
///
/// # Errors
/// [`Refused::NotSource`], when the speaker is not the path's Source.
pub fn accept(me: NodeGuid, peer: Peer, view: &PathView, now: Timestamp) -> Result<(PathState, Vec<PathOp>), Refused> {
    if !matches!(view.life, Life::Source(_)) || view.speaker != peer.guid {
        return Err(Refused::NotSource);
    }
    let phase = DestinationPhase::Initializing;
    let life = Life::Destination(Destination { phase, visible: None, previous: None, handover: None });
    let changes = vec![RoleChange { at: now, epoch: view.epoch, cause: Cause::Accepted }];
    let detail = Detail { peer, policy: view.policy, life, diverged: Vec::new(), changes };
    let state = PathState { me, guid: view.path, scope: view.scope.clone(), epoch: view.epoch, revision: 0, detail };
    Ok(born(state, AccessChange::ReadAt(At::ThisCommit)))
}

/// The feed is kept from the first moment, so that the first delta after a long seed can walk it.
fn born(state: PathState, access: AccessChange) -> (PathState, Vec<PathOp>) {
    let create = PathOp::Create {
        guid: state.guid,
        scope: state.scope.clone(),
        access,
        epoch: state.epoch,
        detail: state.detail.encode(),
    };
    let feed = PathOp::Cursor { id: Purpose::SharedFeed.id(state.guid), after: At::ThisCommit };
    (state, vec![create, feed])
}

impl Source {
    /// A source whose peer is known to have `acked`, and nothing else.
    pub(super) fn new(phase: SourcePhase, acked: Option<SnapshotGuid>) -> Self {
        let (in_flight, asked, released, supersedes) = (None, Vec::new(), Vec::new(), None);
        Source { phase, acked, in_flight, asked, released, supersedes }
    }
}

impl Policy {
    pub const SHORTEST: std::time::Duration = std::time::Duration::from_secs(1);

    /// # Errors
    /// [`Refused::BadPolicy`], when the interval is too short.
    pub fn check(&self) -> Result<(), Refused> {
        if self.every < Self::SHORTEST { Err(Refused::BadPolicy) } else { Ok(()) }
    }
}
