//! Reports, from what the tasks have published.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tandem_storage::Counted;
use tandem_storage::record::{SnapshotMeta, TransferPhase};
use tandem_storage::types::SnapshotGuid;

use super::super::alarm::Alarm;
use super::super::driver::{PathHandle, Published};
use super::super::peers::Peer;
use super::super::report::{
    DiscrepancyReport, DivergedReport, LinkState, NodeReport, PathReport, PeerReport, RestorePointReport, Role, State,
    TotalsReport, TransferReport, TransferStage, rfc3339,
};
use super::Control;
use crate::role::machine::{
    Account, Cause, Decider, Decision, Destination, DestinationPhase, Life, PathState, RoleChange, Source, SourcePhase,
};

/// A peer that was heard within this time is connected, whatever the link does just now.
const HEARD: Duration = Duration::from_secs(5);
/// A path whose peer was not heard for so long is suspended.
const SILENT: Duration = Duration::from_secs(15);

impl Control {
    pub(super) fn show_node(&self) -> NodeReport {
        let store = &self.hub.store;
        let space = store.space();
        NodeReport {
            node: self.hub.me.to_string(),
            name: self.facts.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            region: self.facts.region.clone(),
            s3: self.facts.s3.clone(),
            admin: self.facts.admin.clone(),
            replication: self.facts.replication.clone(),
            newest_seq: store.newest().get(),
            free_bytes: space.free_bytes,
            low_space: space.low,
            peers: self.hub.peers.all().iter().map(|peer| self.show_peer(peer)).collect(),
            paths: self.hub.handles().iter().map(|handle| self.show_path(handle)).collect(),
            repair: self.hub.repair.report(),
            totals: show_totals(store.counted()),
        }
    }

    pub(super) fn show_peer(&self, peer: &Peer) -> PeerReport {
        let health = peer.link.health();
        let heard = self.hub.last_heartbeat(peer.row.card.node);
        let fresh = heard.is_some_and(|ago| ago <= HEARD);
        let other = self.hub.other_protocol(peer.row.card.node).map(|other| other.to_string());
        let understood = other.is_none() && health.connected && fresh;
        let error = other.or(health.error);
        let state = match (understood, &error) {
            (true, _) => LinkState::Connected,
            (false, Some(_)) => LinkState::Error,
            (false, None) => LinkState::Connecting,
        };
        PeerReport {
            name: peer.row.name.clone(),
            node: peer.row.card.node.to_string(),
            address: peer.row.card.address.clone(),
            state,
            last_heartbeat_seconds_ago: heard.map(|ago| ago.as_secs_f64()),
            error,
        }
    }

    pub(super) fn show_path(&self, handle: &PathHandle) -> PathReport {
        let published = handle.read();
        let state = &published.state;
        let shown = restore_point(&published).and_then(|guid| self.show_restore_point(&published, guid));
        let alarm = self.hub.alarms.of(state.guid);
        let discrepancy = alarm.as_ref().map(|alarm| show_discrepancy(state, alarm));
        let lag = published.lag.map(|(age, at)| (age.age + self.hub.clock.monotonic().saturating_sub(at), age.proven));
        PathReport {
            guid: state.guid.to_string(),
            path: state.scope.to_string(),
            role: role(&state.detail.life),
            state: self.show_state(handle, &published),
            writable: state.writable(),
            epoch: state.epoch.number.get(),
            epoch_writer: state.epoch.writer.to_string(),
            peer: self
                .hub
                .peers
                .by_node(handle.peer)
                .map_or_else(|| state.detail.peer.name.clone(), |peer| peer.row.name.clone()),
            interval_seconds: state.detail.policy.every.as_secs(),
            failover_checks: checks(&published, shown.as_ref(), discrepancy.as_ref()),
            restore_point: shown,
            rpo_lag_seconds: lag.map(|(age, _)| age.as_secs_f64()),
            lag_proven: lag.is_some_and(|(_, proven)| proven),
            transfer: show_transfer(handle, &published),
            diverged: show_diverged(&published),
            conflict: state.conflict().map(|evidence| {
                format!(
                    "{evidence}. Force or reattach the path on the node whose data shall win, or let it stand alone"
                )
            }),
            alarm: discrepancy
                .as_ref()
                .map(describe_discrepancy)
                .or_else(|| base_gone(state))
                .or_else(|| self.full(handle, state)),
            discrepancy,
            last_error: self.trouble(handle, &published),
            last_change: state.detail.changes.last().map(describe),
        }
    }

    /// What holds the path up.
    fn trouble(&self, handle: &PathHandle, published: &Published) -> Option<String> {
        let other = self.hub.other_protocol(handle.peer).map(|other| other.to_string());
        published.undecided.clone().or(other).or_else(|| published.last_error.clone())
    }

    /// A Destination whose disk is low takes nothing more, whoever filled it. One with a little room left may find none for the next piece.
    fn full(&self, handle: &PathHandle, state: &PathState) -> Option<String> {
        let low = self.hub.store.space().low || handle.full.load(Ordering::Relaxed);
        (state.is_destination() && low)
            .then(|| "the disk of this node is nearly full: nothing is received until there is room".to_owned())
    }

    fn show_state(&self, handle: &PathHandle, published: &Published) -> State {
        let silent = self.hub.silence(handle.peer) > SILENT;
        let trouble = self.trouble(handle, published).is_some();
        let held_up = silent || trouble;
        match &published.state.detail.life {
            Life::Standalone(_) => State::Active,
            Life::Source(source) => match &source.phase {
                SourcePhase::HandingOver(_) => State::HandingOver,
                SourcePhase::Conflict(_) => State::Conflict,
                SourcePhase::Initializing if trouble => State::Failed,
                SourcePhase::Initializing => State::Initializing,
                SourcePhase::Active if held_up => State::Suspended,
                SourcePhase::Active if published.shipping.is_some() => State::Syncing,
                SourcePhase::Active => State::Active,
            },
            Life::Destination(destination) => match (&destination.phase, destination.handover) {
                (DestinationPhase::Initializing, _) => State::Initializing,
                (DestinationPhase::Conflict(_), _) => State::Conflict,
                (DestinationPhase::Rewinding { .. }, _) => State::Rejoining,
                (DestinationPhase::Promoting(_), _) => State::HandingOver,
                (DestinationPhase::Active, Some(Decision::Requested(_) | Decision::Following { .. })) => {
                    State::HandingOver
                }
                (DestinationPhase::Active, _) if held_up => State::Suspended,
                (DestinationPhase::Active, _) if published.transfer.is_some() => State::Syncing,
                (DestinationPhase::Active, _) => State::Active,
            },
        }
    }

    fn show_restore_point(&self, published: &Published, guid: SnapshotGuid) -> Option<RestorePointReport> {
        let meta: &SnapshotMeta = published.snapshots.iter().find(|meta| meta.guid == guid)?;
        let row = self.hub.store.snapshot(guid).ok().flatten();
        let digest = row.and_then(|row| row.digest).map(|digest| blake3::hash(digest.as_bytes()).to_hex().to_string());
        Some(RestorePointReport {
            guid: guid.to_string(),
            name: meta.name.clone(),
            created: rfc3339(meta.created),
            digest,
            proved: published.proved,
        })
    }
}

/// A Source that has been acknowledged and knows no base any more: the retention cap took it. Ends with the peer's next restore point.
fn base_gone(state: &PathState) -> Option<String> {
    let Life::Source(Source { phase: SourcePhase::Active, acked: None, .. }) = &state.detail.life else { return None };
    Some(format!(
        "{} was away too long, or the disk ran low meanwhile: its base was dropped, and when it is back it is sent everything again",
        state.detail.peer.name
    ))
}

fn show_totals(counted: Counted) -> TotalsReport {
    let rows_counted = match counted {
        Counted::Running { rows } => rows,
        Counted::NotBegun | Counted::Whole => 0,
    };
    TotalsReport { whole: counted == Counted::Whole, rows_counted }
}

fn show_discrepancy(state: &PathState, alarm: &Alarm) -> DiscrepancyReport {
    let peer = &state.detail.peer.name;
    let doing = match &state.detail.life {
        Life::Source(_) => format!("everything is compared with {peer}, and sent where it differs"),
        Life::Destination(_) => format!("{peer} compares everything, and sends what differs"),
        Life::Standalone(_) => format!("everything is compared when the path is reattached to {peer}"),
    };
    DiscrepancyReport {
        point: alarm.point.to_string(),
        name: alarm.name.clone(),
        what: alarm.difference.to_string(),
        since: rfc3339(alarm.since),
        times: alarm.times,
        doing,
    }
}

fn describe_discrepancy(found: &DiscrepancyReport) -> String {
    let DiscrepancyReport { point, name, what, since, doing, .. } = found;
    format!("the replica may differ from its source, since {since}. Restore point {name} ({point}): {what}. {doing}")
}

/// What speaks against a failover.
fn checks(
    published: &Published,
    shown: Option<&RestorePointReport>,
    discrepancy: Option<&DiscrepancyReport>,
) -> Vec<String> {
    let Some(point) = shown.filter(|point| !point.proved) else { return Vec::new() };
    let why = match (&published.state.detail.life, published.account) {
        _ if discrepancy.is_some() => {
            "an alarm is open, and what the destination has may differ from what its source had"
        }
        (Life::Standalone(_), _) => return Vec::new(),
        (_, Account::Counting) => "this node still counts its rows, so it can compare nothing yet",
        (Life::Source(_), _) => "the destination has not said yet that it has exactly these rows",
        (Life::Destination(_), _) => "it was not compared with the total of its source yet",
    };
    vec![format!("restore point {} is not proved: {why}", point.name)]
}

fn role(life: &Life) -> Role {
    match life {
        Life::Source(_) => Role::Source,
        Life::Destination(_) => Role::Destination,
        Life::Standalone(_) => Role::Standalone,
    }
}

/// The newest restore point that the destination is known to have.
fn restore_point(published: &Published) -> Option<SnapshotGuid> {
    match &published.state.detail.life {
        Life::Source(Source { acked, .. }) => *acked,
        Life::Destination(Destination { visible, .. }) => *visible,
        Life::Standalone(alone) => alone.acked,
    }
}

fn show_transfer(handle: &PathHandle, published: &Published) -> Option<TransferReport> {
    let name = |guid: SnapshotGuid| {
        let known = published.snapshots.iter().find(|meta| meta.guid == guid);
        known.map_or_else(|| guid.to_string(), |meta| meta.name.clone())
    };
    let step = |base: Option<SnapshotGuid>, to: String| match base {
        Some(base) => format!("@{} => @{to}", name(base)),
        None => format!("seed => @{to}"),
    };
    if let Some(flight) = published.shipping {
        let (rows_sent, bytes_sent) = handle.progress.sent();
        let step = step(flight.base, name(flight.to));
        return Some(TransferReport { step, rows_sent, bytes_sent, phase: TransferStage::Sending });
    }
    let row = published.transfer.as_ref()?;
    let (rows, phase) = match row.phase {
        TransferPhase::Receiving { rows } => (rows, TransferStage::Receiving),
        TransferPhase::Complete { rows } => (rows, TransferStage::Complete),
        TransferPhase::Applying { rows, .. } => (rows, TransferStage::Applying),
        TransferPhase::Undoing { rows } | TransferPhase::Undone { rows } => (rows, TransferStage::Undoing),
    };
    let step = step(row.base, row.to.name.clone());
    Some(TransferReport { step, rows_sent: rows, bytes_sent: 0, phase })
}

fn show_diverged(published: &Published) -> Vec<DivergedReport> {
    let created = |guid: SnapshotGuid| {
        let known = published.snapshots.iter().find(|meta| meta.guid == guid);
        known.map_or_else(String::new, |meta| rfc3339(meta.created))
    };
    let show = |diverged: &crate::role::machine::Diverged| DivergedReport {
        name: format!("diverged-{}", diverged.epoch),
        epoch: diverged.epoch.get(),
        created: created(diverged.snapshot),
        entries: diverged.entries.unwrap_or(0),
    };
    published.state.detail.diverged.iter().map(show).collect()
}

/// What the last role change did, in a sentence.
fn describe(change: &RoleChange) -> String {
    let what = match change.cause {
        Cause::Created => "this node began to protect the path",
        Cause::Accepted => "this node began to follow the path as its destination",
        Cause::GateClosed => "this node closed its gate to hand the path over",
        Cause::HandedOver => "this node took over; nothing was lost",
        Cause::Voided => "the failover was called off; this node writes on",
        Cause::Forced => {
            "an operator forced this node to be Source; what the other node had not shipped is kept there as diverged"
        }
        Cause::StoodAlone(Decider::Operator) => "an operator made this node stand alone",
        Cause::StoodAlone(Decider::Peer) => "the path stands alone on both nodes, as the peer said",
        Cause::Reattached => "an operator reattached the path with this node as Source",
        Cause::Rejoined { diverged: false } => "this node follows the peer; no writes were lost here",
        Cause::Rejoined { diverged: true } => "this node follows the peer; its later writes are kept as diverged",
        Cause::Conflict => "the two nodes disagree; an operator must decide",
    };
    format!("{} (epoch {}, {})", what, change.epoch.number, rfc3339(change.at))
}
