//! What a node is for a protected path, and how that changes: a pure transition function.
//!
//! ```text
//!             create                      request (either side), closes its gate
//!  (none) -----------------> Source/Initializing -> Source/Active --------------> Source/HandingOver
//!  (none) --accept--> Destination/Initializing         ^  ^  ^                        |        |
//!                           | first flip               |  |  +--- void heard ---------+        |
//!                           v        promoted          |  |        (epoch + 1)                 | higher Source heard
//!            +------- Destination/Active --------------+  | force, reattach                    v
//!            |              ^   |                         |                        Destination/Rewinding or Active
//!            |   rewound    |   | stand alone,            |
//!  Destination/Rewinding ---+   | or the peer did         |
//!            ^                  v                         |
//!            +-- reattach -- Standalone ------------------+        any --evidence--> Conflict --operator--> ...
//! ```
//!
//! A node persists, then speaks: a [`Step`] has what to commit, and what to do once that is durable. Nodes tell each other
//! whole [`PathView`]s of what they have committed, so a lost, repeated or late message needs no case of its own.
//!
//! *Invariants* (`model.rs` checks them over all interleavings):
//! 1. Epoch numbers of a node only grow, and are durable before they are spoken or used. Opening a gate raises the epoch.
//! 2. Without force or stand-alone the two sides are never both writable. A source that closed its gate opens it again only on
//!    the destination's durable void, and a destination that voided never promotes itself from that epoch.
//! 3. A destination promotes itself in a handover only when it shows the snapshot of the commit that closed the source's gate.
//! 4. Within an epoch what a destination shows never goes back.
//! 5. Only an operator ends Standalone. Only an operator, or a newer Source than the evidence names, ends Conflict; both its
//!    sides are closed.
//! 6. A destination's gate opens only while its present is exactly what it shows: an incomplete transfer is dropped, a complete
//!    one is rolled forward first, a rewind is finished first. A complete transfer that did not become what the source declared is
//!    taken back first.

mod birth;
mod change;
mod command;
mod draft;
mod event;
mod evidence;
mod hear;
mod ship;
mod state;
mod view;

pub use birth::{accept, create};
pub use draft::Purpose;
pub use event::{Action, Command, Event, FailoverMode, Offer, Refused, Step, Taking};
pub use evidence::{Disagreement, Evidence, has, newest_common};
pub use ship::consider;
pub use state::{
    Cause, Decider, Decision, Destination, DestinationPhase, Detail, Diverged, Facts, Fresh, HandOver, HandoverId,
    InFlight, Life, PathState, Peer, Policy, RoleChange, Source, SourcePhase, Standalone, Takeover,
};
pub use view::{Account, PathView, TransferView};

/// One transition. A refusal changes nothing.
///
/// The driver owns one path's state at a time: it commits [`Step::persist`] (all or none), then takes [`Step::state`] as its own,
/// then carries out [`Step::then`] in order. If the commit is refused it loads the state anew from the store and forgets the step.
/// It sends [`Event::Tick`] at start, after every step that persisted something, and now and then; and the peer's newest
/// [`Event::Heard`] again, until a step persists nothing. Every event may be repeated.
///
/// # Errors
/// [`Refused`], for a command or a completion that does not fit the state; it says why, in words for the operator.
pub fn step(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    match event {
        Event::Command(command) => command::obey(state, facts, command),
        Event::Heard(view) => Ok(hear::hear(state, facts, view)),
        Event::Snapshot { name, by, expires, locked } => {
            ship::snapshot(state, facts, ship::Wanted { name, by, expires, locked })
        }
        Event::Ship(flight) => ship::ship(state, facts, flight),
        Event::DropForSpace(snapshot) => ship::drop_for_space(state, facts, snapshot),
        Event::Applied { transfer, digest } => ship::applied(state, facts, transfer, digest),
        Event::TotalDiffers { transfer } => ship::total_differs(state, facts, transfer),
        Event::Undone { transfer } => ship::undone(state, facts, transfer),
        Event::Rewound { entries } => ship::rewound(state, facts, entries),
        Event::Tick => Ok(tick(state, facts)),
    }
}

fn tick(state: &PathState, facts: &Facts<'_>) -> Step {
    match &state.detail.life {
        Life::Destination(destination) => hear::due(state, facts, destination),
        _ => draft::Draft::nothing(state, Vec::new()),
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
