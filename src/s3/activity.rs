//! What a connection's socket and its requests tell each other.

use std::sync::atomic::{AtomicBool, AtomicUsize};

#[derive(Debug, Default)]
pub struct Activity {
    /// Requests whose answers are not yet sent.
    pub running: AtomicUsize,
    /// The last request's body was not read to its end.
    pub unread_body: AtomicBool,
}
