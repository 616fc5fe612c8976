//! Who holds a connection to the admin port. Whoever has logged in holds a place that nobody without a login can take;
//! all others share the rest, and the one who takes most of it loses a place first. No newcomer waits for a place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::s3::server::AddressGroup;

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Connections on which nobody has logged in.
    pub guests: usize,
    /// Of them, those of one client.
    pub guests_of_one: usize,
    /// Connections on which somebody has.
    pub known: usize,
}

/// How far a connection has come. Of two, the one that came less far gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Arriving,
    /// It can ask, or has asked.
    Resting,
    Asking,
    Known,
}

struct Held {
    client: AddressGroup,
    stage: Stage,
    ends: Arc<Notify>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// By arrival.
    held: BTreeMap<u64, Held>,
}

impl Table {
    fn guests(&self) -> impl Iterator<Item = (u64, &Held)> {
        self.held.iter().filter(|(_, held)| held.stage != Stage::Known).map(|(id, held)| (*id, held))
    }

    fn guests_of(&self, client: AddressGroup) -> usize {
        self.guests().filter(|(_, held)| held.client == client).count()
    }

    /// The client with the most guests.
    fn greediest(&self) -> Option<AddressGroup> {
        let mut counts: BTreeMap<AddressGroup, usize> = BTreeMap::new();
        for (_, held) in self.guests() {
            *counts.entry(held.client).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(client, _)| client)
    }

    /// The guest of a client that came least far; the oldest of several.
    fn weakest(&self, client: AddressGroup) -> Option<(u64, Stage)> {
        let of = self.guests().filter(|(_, held)| held.client == client);
        of.min_by_key(|(id, held)| (held.stage, *id)).map(|(id, held)| (id, held.stage))
    }

    fn end(&mut self, id: u64) {
        if let Some(held) = self.held.remove(&id) {
            held.ends.notify_one();
        }
    }
}

#[derive(Clone)]
pub struct Places {
    room: Room,
    table: Arc<Mutex<Table>>,
}

/// One connection's place; dropping it frees it.
pub struct Place {
    id: u64,
    places: Places,
    ends: Arc<Notify>,
}

impl Places {
    pub fn new(room: Room) -> Self {
        Places { room, table: Arc::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a newcomer, if need be that of another guest. None: all places of this client have a request under
    /// way.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let client = AddressGroup::of(address);
        let mut table = self.table();
        if table.guests_of(client) >= self.room.guests_of_one {
            // A request under way may be a login of somebody else behind the same address.
            let (id, _) = table.weakest(client).filter(|(_, stage)| *stage != Stage::Asking)?;
            table.end(id);
        } else if table.guests().count() >= self.room.guests
            && let Some((id, _)) = table.greediest().and_then(|client| table.weakest(client))
        {
            table.end(id);
        }
        let (id, ends) = (table.next, Arc::new(Notify::new()));
        table.next += 1;
        table.held.insert(id, Held { client, stage: Stage::Arriving, ends: Arc::clone(&ends) });
        Some(Place { id, places: self.clone(), ends })
    }
}

impl Place {
    /// Ready when another connection has the place.
    pub async fn taken(&self) {
        self.ends.notified().await;
    }

    fn change(&self, change: impl FnOnce(Stage) -> Stage) {
        if let Some(held) = self.places.table().held.get_mut(&self.id) {
            held.stage = change(held.stage);
        }
    }

    /// The handshake is done.
    pub fn arrived(&self) {
        self.change(|stage| stage.max(Stage::Resting));
    }

    /// Until the result is dropped, a request is under way.
    pub fn asks(self: &Arc<Self>) -> Asking {
        self.change(|stage| stage.max(Stage::Asking));
        Asking(Arc::clone(self))
    }

    /// Somebody has logged in. A place that nobody without a login can take, if one is free.
    pub fn known(&self) {
        let mut table = self.places.table();
        let known = table.held.values().filter(|held| held.stage == Stage::Known).count();
        if known < self.places.room.known
            && let Some(held) = table.held.get_mut(&self.id)
        {
            held.stage = Stage::Known;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().held.remove(&self.id);
    }
}

/// A request under way.
pub struct Asking(Arc<Place>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.change(|stage| if stage == Stage::Asking { Stage::Resting } else { stage });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { guests: 6, guests_of_one: 3, known: 2 };

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn is_taken(place: &Place) -> bool {
        let taken = std::pin::pin!(place.taken());
        taken.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn a_client_without_a_login_takes_from_itself_first() {
        let places = Places::new(ROOM);
        let own: Vec<_> = (0..3).map(|_| Arc::new(places.take(address(1)).unwrap())).collect();
        own[0].arrived();
        let other = places.take(address(2)).unwrap();
        // What came least far gives way, and the older of those.
        let fourth = places.take(address(1)).unwrap();
        assert!(is_taken(&own[1]) && ![0, 2].iter().any(|at| is_taken(&own[*at])) && !is_taken(&other));
        let asking = own[2].asks();
        drop(fourth);
        let rest: Vec<_> = [&own[0]].into_iter().map(Place::asks).collect();
        let last = Arc::new(places.take(address(1)).unwrap());
        let _busy = last.asks();
        assert!(places.take(address(1)).is_none(), "all have a request under way");
        drop((asking, rest));
        assert!(places.take(address(1)).is_some());
    }

    #[test]
    fn the_greediest_client_gives_way_when_all_places_are_taken() {
        let places = Places::new(ROOM);
        let first: Vec<_> = (0..3).map(|_| Arc::new(places.take(address(1)).unwrap())).collect();
        let _asking: Vec<_> = first.iter().map(Place::asks).collect();
        let others: Vec<_> = (2..5).map(|number| places.take(address(number)).unwrap()).collect();
        let newcomer = places.take(address(9)).unwrap();
        assert!(is_taken(&first[0]), "its requests under way protect it from its own address alone");
        assert!(!others.iter().chain([&newcomer]).any(is_taken));
    }

    #[test]
    fn whoever_has_logged_in_keeps_its_place() {
        let places = Places::new(ROOM);
        let operators: Vec<_> = (0..2).map(|_| places.take(address(1)).unwrap()).collect();
        operators.iter().for_each(Place::known);
        let third = places.take(address(1)).unwrap();
        third.known();
        let flood: Vec<_> = (0..200).filter_map(|number| places.take(address(number))).collect();
        assert!(!operators.iter().any(is_taken));
        assert!(is_taken(&third), "those with a login are bounded, too");
        drop(flood);
        drop((operators, third));
        assert!(places.table().held.is_empty());
    }

    #[test]
    fn no_number_of_silent_connections_shuts_the_next_one_out() {
        let places = Places::new(ROOM);
        let flood: Vec<_> = (0..250_u8).map(|number| places.take(address(number))).collect();
        assert!(flood.iter().all(Option::is_some));
        let operator = places.take(address(1)).unwrap();
        assert!(!is_taken(&operator));
        assert!(places.table().held.len() <= ROOM.guests);
    }
}
