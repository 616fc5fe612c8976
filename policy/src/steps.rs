use std::cell::Cell;

/// How many steps are left for decisions. A step is about what comparing a few bytes costs, a nanosecond or two. Whoever
/// writes policies, keys and headers decides how many steps a decision takes, so there is a bound: a decision that runs out
/// of steps denies, for the reason [`TooManySteps`](crate::Reason::TooManySteps).
#[derive(Clone, Debug)]
pub struct Steps {
    left: Cell<u32>,
    given: u32,
}

impl Steps {
    /// What one request may take for all its decisions: some milliseconds. The usual request takes a hundred steps.
    pub const ONE_REQUEST: u32 = 2_000_000;

    pub const fn new(most: u32) -> Steps {
        Steps { left: Cell::new(most), given: most }
    }

    /// Takes `steps` of what is left. False: there were fewer, and none is left now.
    pub(crate) fn spend(&self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                left > 0
            }
            None => {
                self.left.set(0);
                false
            }
        }
    }

    /// Whether none is left. What was compared since then means nothing.
    pub fn are_spent(&self) -> bool {
        self.left.get() == 0
    }

    pub fn left(&self) -> u32 {
        self.left.get()
    }

    /// How many were taken.
    pub fn taken(&self) -> u32 {
        self.given - self.left.get()
    }
}

impl Default for Steps {
    fn default() -> Steps {
        Steps::new(Steps::ONE_REQUEST)
    }
}
