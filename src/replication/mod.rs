//! Snapshots to the peer, deltas between them, and the switch of roles. `DESIGN.md` beside this file holds the protocol.
//!
//! *Architecture invariant:* never imports `s3`; `plan`, `session` and `schedule` are pure.

pub mod control;
pub mod report;
