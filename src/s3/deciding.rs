//! Work that a caller's own documents make long: many decisions, and policies to compile. It runs on threads of its own, so that
//! requests, replication and a failover have theirs; a few pieces at once, and of one account one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tandem_policy::Steps;
use tandem_storage::types::Timestamp;
use tokio::sync::Semaphore;

use super::error::S3Error;

/// Pieces that run at once.
const AT_ONCE: usize = 2;

/// How many steps one request may take for all of its many decisions: a tenth of a second at the worst.
pub const STEPS_OF_MANY: u32 = 10 * Steps::ONE_REQUEST;
/// After so many steps a piece ends, and whoever waits has a turn.
pub const STEPS_OF_A_BITE: u32 = Steps::ONE_REQUEST / 2;

/// The places for such work. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Deciders(Arc<Places>);

struct Places {
    all: Arc<Semaphore>,
    /// One for each account that is at work, by its twelve digits; empty: nobody's.
    accounts: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// The second in which the log was last told of a decision that ran out of steps.
    told: AtomicI64,
}

impl Default for Deciders {
    fn default() -> Self {
        Deciders(Arc::new(Places {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            accounts: Mutex::default(),
            told: AtomicI64::new(i64::MIN),
        }))
    }
}

impl Deciders {
    /// Runs one piece of work for an account, when it is its turn. Whoever goes away while it waits leaves the queue.
    ///
    /// # Errors
    /// `InternalError`: the work broke.
    pub async fn run<T: Send + 'static>(
        &self,
        account: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, S3Error> {
        let own = self.place_of(account).acquire_owned().await.map_err(S3Error::internal)?;
        let shared = Arc::clone(&self.0.all).acquire_owned().await.map_err(S3Error::internal)?;
        let running = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((own, shared));
            done
        });
        running.await.map_err(S3Error::internal)
    }

    fn place_of(&self, account: &str) -> Arc<Semaphore> {
        let mut accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = accounts.get(account) {
            return Arc::clone(place);
        }
        // Those that nobody waits for or works at go.
        accounts.retain(|_, place| Arc::strong_count(place) > 1);
        let place = Arc::new(Semaphore::new(1));
        accounts.insert(account.to_owned(), Arc::clone(&place));
        place
    }

    /// Tells the log that a decision ran out of steps: once a second, since anybody may cause it.
    pub fn tell_out_of_steps(&self, now: Timestamp, caller: Option<&str>, action: &str, resource: &str) {
        let second = now.as_secs();
        if self.0.told.swap(second, Ordering::Relaxed) != second {
            let caller = caller.unwrap_or("anonymous");
            tracing::warn!(
                caller,
                action,
                resource,
                "denied: comparing the policies takes more steps than a request may take"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn one_account_has_one_place_and_others_have_theirs_meanwhile() {
        let deciders = Deciders::default();
        let (release, held) = mpsc::channel::<()>();
        let ran = Arc::new(AtomicUsize::new(0));
        let busy = {
            let deciders = deciders.clone();
            tokio::spawn(async move { deciders.run("1", move || held.recv()).await })
        };
        let waiting = {
            let (deciders, ran) = (deciders.clone(), Arc::clone(&ran));
            tokio::spawn(async move { deciders.run("1", move || ran.fetch_add(1, Ordering::SeqCst)).await })
        };
        while deciders.0.accounts.lock().unwrap().get("1").is_none_or(|place| Arc::strong_count(place) < 3) {
            tokio::task::yield_now().await;
        }
        // Another account is not held up by the one that waits for itself.
        assert_eq!(deciders.run("2", || 7).await.unwrap(), 7);
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        release.send(()).unwrap();
        busy.await.unwrap().unwrap().unwrap();
        waiting.await.unwrap().unwrap();
        assert_eq!(deciders.run("3", || 7).await.unwrap(), 7);
        assert_eq!(deciders.0.accounts.lock().unwrap().len(), 1, "accounts that are done are forgotten");
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_queue() {
        let deciders = Deciders::default();
        let (release, held) = mpsc::channel::<()>();
        let busy = {
            let deciders = deciders.clone();
            tokio::spawn(async move { deciders.run("1", move || held.recv()).await })
        };
        let place = loop {
            let found = deciders.0.accounts.lock().unwrap().get("1").cloned();
            match found {
                Some(place) if place.available_permits() == 0 => break place,
                _ => tokio::task::yield_now().await,
            }
        };
        let gone = {
            let deciders = deciders.clone();
            tokio::spawn(async move { deciders.run("1", || ()).await })
        };
        while Arc::strong_count(&place) < 4 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        release.send(()).unwrap();
        busy.await.unwrap().unwrap().unwrap();
        assert_eq!(deciders.run("1", || 7).await.unwrap(), 7);
    }
}
