//! Who may hold a connection: so many in all, and so many of one client's addresses, so that no client shuts the others
//! out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The addresses that one client has: an IPv4 address, or a network of IPv6 with its 64 bits of hosts, which anybody
/// gets who gets one address. An IPv4 address mapped into IPv6 is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressGroup(IpAddr);

impl AddressGroup {
    pub fn of(address: IpAddr) -> Self {
        AddressGroup(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

/// A count for each client that has a connection, and for no other: as long as there are connections, at most.
type Counts = Mutex<HashMap<AddressGroup, usize>>;

pub struct Places {
    all: Arc<Semaphore>,
    per_address: usize,
    counts: Arc<Counts>,
}

/// One connection's place; dropping it frees it.
pub struct Place {
    client: AddressGroup,
    counts: Arc<Counts>,
    _one: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(all: usize, per_address: usize) -> Self {
        Places { all: Arc::new(Semaphore::new(all)), per_address, counts: Arc::default() }
    }

    /// None: there are too many connections, or too many of this client.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let client = AddressGroup::of(address);
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let held = counts.entry(client).or_default();
        if *held >= self.per_address {
            return None;
        }
        *held += 1;
        Some(Place { client, counts: Arc::clone(&self.counts), _one: one })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = counts.get_mut(&self.client) {
            *held -= 1;
            if *held == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressGroup, Places};

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let group = |text: &str| AddressGroup::of(text.parse().unwrap());
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
        assert_eq!(group("::ffff:10.0.0.1"), group("10.0.0.1"));
        assert_ne!(group("10.0.0.1"), group("10.0.0.2"));
    }

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
