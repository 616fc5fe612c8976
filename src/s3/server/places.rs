//! Who may hold a connection: so many in all, and so many of one client address, so that no client shuts the others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A count for each address that has a connection, and for no other: as long as there are connections, at most.
type Counts = Mutex<HashMap<IpAddr, usize>>;

pub struct Places {
    all: Arc<Semaphore>,
    per_address: usize,
    counts: Arc<Counts>,
}

/// One connection's place; dropping it frees it.
pub struct Place {
    address: IpAddr,
    counts: Arc<Counts>,
    _one: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(all: usize, per_address: usize) -> Self {
        Places { all: Arc::new(Semaphore::new(all)), per_address, counts: Arc::default() }
    }

    /// None: there are too many connections, or too many of this address. An IPv4 address mapped into IPv6 is itself.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let held = counts.entry(address).or_default();
        if *held >= self.per_address {
            return None;
        }
        *held += 1;
        Some(Place { address, counts: Arc::clone(&self.counts), _one: one })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = counts.get_mut(&self.address) {
            *held -= 1;
            if *held == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn one_address_cannot_take_the_places_of_others() {
        let places = Places::new(3, 2);
        let (one, two) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = places.take(one).unwrap();
        let mapped = places.take("::ffff:10.0.0.1".parse().unwrap()).unwrap();
        assert!(places.take(one).is_none());
        let other = places.take(two).unwrap();
        assert!(places.take(two).is_none(), "all places are taken");
        drop(first);
        assert!(places.take(one).is_some());
        drop((mapped, other));
        assert!(places.counts.lock().unwrap().is_empty());
    }
}
