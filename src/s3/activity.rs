//! What a connection's socket and its requests tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Activity {
    begun: AtomicU64,
    answered: AtomicU64,
    /// The last request's body was not read to its end.
    pub unread_body: AtomicBool,
}

impl Activity {
    pub fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// The answer is sent, or given up.
    pub fn answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests whose answers are sent or given up.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether a request has no answer yet.
    pub fn is_running(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > self.answered()
    }
}
