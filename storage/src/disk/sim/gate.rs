use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Where syncs of one file stand until they are let through. Open for good when it is dropped.
#[derive(Debug)]
pub struct Gate {
    way: Arc<Way>,
}

/// What the gate and the file that it guards share.
#[derive(Debug, Default)]
pub struct Way {
    traffic: Mutex<Traffic>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Traffic {
    waiting: usize,
    let_through: usize,
    open: bool,
}

impl Gate {
    pub(super) fn of(way: Arc<Way>) -> Self {
        Gate { way }
    }

    /// Waits until a sync stands here. False: the gate was opened, or `is_over` says that none comes any more; who makes it say so
    /// [tells](Self::look_again).
    pub fn wait(&self, is_over: impl Fn() -> bool) -> bool {
        let mut traffic = self.way.lock();
        while traffic.waiting == 0 && !traffic.open && !is_over() {
            traffic = self.way.wait(traffic);
        }
        traffic.waiting > 0
    }

    /// Has [`wait`](Self::wait) ask again whether it is over.
    pub fn look_again(&self) {
        drop(self.way.lock());
        self.way.changed.notify_all();
    }

    /// Lets the sync that stands here go on.
    pub fn let_through(&self) {
        let mut traffic = self.way.lock();
        traffic.waiting = traffic.waiting.saturating_sub(1);
        traffic.let_through += 1;
        self.way.changed.notify_all();
    }

    /// Lets all syncs through from now on.
    pub fn open(&self) {
        self.way.lock().open = true;
        self.way.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Way {
    /// Stands at the gate until it is let through.
    pub fn pass(&self) {
        let mut traffic = self.lock();
        if traffic.open {
            return;
        }
        traffic.waiting += 1;
        self.changed.notify_all();
        while traffic.let_through == 0 && !traffic.open {
            traffic = self.wait(traffic);
        }
        traffic.let_through = traffic.let_through.saturating_sub(1);
    }

    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'way>(&self, traffic: MutexGuard<'way, Traffic>) -> MutexGuard<'way, Traffic> {
        self.changed.wait(traffic).unwrap_or_else(PoisonError::into_inner)
    }
}
