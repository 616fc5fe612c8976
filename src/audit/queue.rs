//! What waits for the disk. Refusals have so many places, and a budget of bytes; what must be kept always has one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tandem_storage::types::Timestamp;
use tokio::sync::oneshot;

use super::budget::Budget;
use super::event::Event;

/// Refusals that may wait for the disk.
pub const REFUSALS_MAX: usize = 4096;
/// Refusals that were left out are told of after so long at the latest.
const LEFT_OUT_TOLD_AFTER: Duration = Duration::from_secs(60);

pub enum Message {
    /// A line with its end. Whoever waits for it hears whether it is on stable storage.
    Line {
        text: Vec<u8>,
        kept: Option<oneshot::Sender<bool>>,
    },
    Reopen,
    /// Whoever waits hears whether all before it is on stable storage.
    Flush(oneshot::Sender<bool>),
}

/// Refusals without a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub count: u64,
    pub since: Timestamp,
    pub until: Timestamp,
}

struct State {
    messages: VecDeque<Message>,
    /// The places of those that are refusals.
    refusals: VecDeque<u64>,
    budget: Budget,
    left_out: Option<LeftOut>,
    /// Messages taken so far: the place of the first that waits.
    taken: u64,
    ended: bool,
}

pub struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

/// What the writer is to do next.
pub struct Batch {
    pub messages: Vec<Message>,
    /// To be told before them.
    pub left_out: Option<LeftOut>,
}

impl Queue {
    pub fn new(refusals_a_day: u64) -> Self {
        let state = State {
            messages: VecDeque::new(),
            refusals: VecDeque::new(),
            budget: Budget::new(refusals_a_day),
            left_out: None,
            taken: 0,
            ended: false,
        };
        Queue { state: Mutex::new(state), more: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What must be kept.
    pub fn push(&self, message: Message) {
        self.state().messages.push_back(message);
        self.more.notify_one();
    }

    /// What anybody can cause: a line if it has a place and bytes, and otherwise a count.
    pub fn refuse(&self, event: &Event) {
        let mut state = self.state();
        let line = if state.refusals.len() < REFUSALS_MAX { event.line() } else { None };
        match line {
            Some(text) if state.budget.take(text.len(), event.time) => {
                let place = state.taken + state.messages.len() as u64;
                state.refusals.push_back(place);
                state.messages.push_back(Message::Line { text, kept: None });
                self.more.notify_one();
            }
            _ => {
                let first = LeftOut { count: 0, since: event.time, until: event.time };
                if state.left_out.is_none() {
                    // The writer begins to count the time.
                    self.more.notify_one();
                }
                let left_out = state.left_out.get_or_insert(first);
                left_out.count += event.count.unwrap_or(1);
                left_out.until = event.time;
            }
        }
    }

    /// Nothing comes after this.
    pub fn end(&self) {
        self.state().ended = true;
        self.more.notify_one();
    }

    /// Waits for messages, and gives at most `bytes` of lines and one more. None: it has ended.
    pub fn take(&self, bytes: usize) -> Option<Batch> {
        let mut state = self.state();
        let mut patience = LEFT_OUT_TOLD_AFTER;
        while state.messages.is_empty() && !state.ended && !patience.is_zero() {
            state = if state.left_out.is_some() {
                let (state, waited) = self.more.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                if waited.timed_out() {
                    patience = Duration::ZERO;
                }
                state
            } else {
                self.more.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
        let mut messages = Vec::new();
        let mut gathered = 0;
        while gathered < bytes
            && let Some(message) = state.messages.pop_front()
        {
            if let Message::Line { text, .. } = &message {
                gathered += text.len();
            }
            if state.refusals.front() == Some(&state.taken) {
                state.refusals.pop_front();
            }
            state.taken += 1;
            messages.push(message);
        }
        let wanted = messages.iter().any(|message| !matches!(message, Message::Line { .. }));
        let due = |left_out: &LeftOut| {
            let micros = left_out.until.as_micros().saturating_sub(left_out.since.as_micros());
            patience.is_zero() || u128::try_from(micros).unwrap_or_default() >= LEFT_OUT_TOLD_AFTER.as_micros()
        };
        let tells = wanted || state.ended || state.left_out.as_ref().is_some_and(due);
        let left_out = if tells { state.left_out.take() } else { None };
        let over = messages.is_empty() && left_out.is_none() && state.ended;
        (!over).then_some(Batch { messages, left_out })
    }
}
