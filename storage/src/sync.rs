//! What threads share, by one name each: the standard library's, and under the feature `shuttle` (tests only) those of a scheduler
//! that tries orders of threads.

#[cfg(not(feature = "shuttle"))]
mod native {
    pub use arc_swap::ArcSwap;
    pub use std::sync::atomic::{AtomicU64, Ordering, fence};
    pub use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
    pub use std::thread::{Builder, JoinHandle, yield_now};
}
#[cfg(not(feature = "shuttle"))]
pub(crate) use native::*;

#[cfg(feature = "shuttle")]
mod tried {
    use std::sync::Arc;

    pub use shuttle::sync::atomic::{AtomicU64, Ordering, fence};
    pub use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
    pub use shuttle::thread::{Builder, JoinHandle, yield_now};
    pub use std::sync::PoisonError;

    /// A value that is replaced whole. The real one is invisible to the scheduler.
    pub struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub fn from_pointee(value: T) -> Self {
            ArcSwap(Mutex::new(Arc::new(value)))
        }

        pub fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }

        pub fn load(&self) -> Arc<T> {
            self.load_full()
        }

        pub fn store(&self, value: Arc<T>) {
            let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), value);
            drop(before);
        }
    }

    impl<T: Default> Default for ArcSwap<T> {
        fn default() -> Self {
            ArcSwap::from_pointee(T::default())
        }
    }
}
#[cfg(feature = "shuttle")]
pub(crate) use tried::*;
