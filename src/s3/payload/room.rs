//! Memory for documents, of all requests of the process together: what is kept until all of it is there. Bodies that are streamed take none.
//!
//! One bound for all would let whoever sends slowly shut everybody else out. So each holder has a bound of its own, and those who show
//! nothing have a smaller one together: what they hold, others still have room beside.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::s3::error::{ErrorCode, S3Error};

/// All documents together, in bytes.
const ALL_MAX: usize = 64 << 20;

/// For whom a document is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// An account whose key is proved, by its twelve digits.
    Account(String),
    /// Whoever sends by this access key, which there is, and whose secret is not proved yet.
    Claimed(String),
    /// Nobody that is proved, from this address. An IPv6 address stands for its /64, which one client has as a whole.
    Address(IpAddr),
}

impl Holder {
    pub fn at(address: IpAddr) -> Self {
        Holder::Address(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        })
    }

    fn is_nobody(&self) -> bool {
        matches!(self, Holder::Address(_))
    }
}

/// The room that there is, and who has what of it.
#[derive(Debug)]
pub struct Documents {
    all_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    /// Of all the addresses.
    nobodys: usize,
    each: HashMap<Holder, usize>,
}

impl Default for Documents {
    fn default() -> Self {
        Documents::of(ALL_MAX)
    }
}

impl Documents {
    /// Room for so many bytes. One account has at most half of it, all addresses together a quarter, one address or one claimed key a sixteenth.
    pub fn of(all_max: usize) -> Self {
        Documents { all_max, held: Mutex::default() }
    }

    /// A place that holds nothing yet.
    pub fn place(self: &Arc<Self>, holder: Holder) -> Place {
        Place { documents: Arc::clone(self), holder, bytes: 0 }
    }

    /// Bytes that are held.
    pub fn in_use(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    fn most(&self, holder: &Holder) -> usize {
        match holder {
            Holder::Account(_) => self.all_max / 2,
            Holder::Claimed(_) | Holder::Address(_) => self.all_max / 16,
        }
    }

    fn take(&self, holder: &Holder, more: usize) -> Result<(), S3Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.each.get(holder).copied().unwrap_or_default();
        let nobodys = if holder.is_nobody() { more } else { 0 };
        let fits = held.all + more <= self.all_max
            && held.nobodys + nobodys <= self.all_max / 4
            && own + more <= self.most(holder);
        if !fits {
            return Err(S3Error::of(ErrorCode::SlowDown).header("retry-after", "1").closing());
        }
        held.all += more;
        held.nobodys += nobodys;
        held.each.insert(holder.clone(), own + more);
        Ok(())
    }

    fn give_back(&self, holder: &Holder, bytes: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= bytes;
        if holder.is_nobody() {
            held.nobodys -= bytes;
        }
        if let Some(own) = held.each.get_mut(holder) {
            *own -= bytes;
            if *own == 0 {
                held.each.remove(holder);
            }
        }
    }
}

/// What one document takes, until it is dropped.
#[derive(Debug)]
pub struct Place {
    documents: Arc<Documents>,
    holder: Holder,
    bytes: usize,
}

impl Place {
    /// Makes it hold at least so many bytes.
    ///
    /// # Errors
    /// `SlowDown`: there is no room for that.
    pub fn hold(&mut self, bytes: usize) -> Result<(), S3Error> {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 {
            self.documents.take(&self.holder, more)?;
            self.bytes += more;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.documents.give_back(&self.holder, self.bytes);
        }
    }
}

/// A body that is there as a whole, with its place. It has its place as long as anybody has it.
#[derive(Clone, Debug, Default)]
pub struct Document {
    bytes: Bytes,
    _place: Option<Arc<Place>>,
}

impl Document {
    pub fn new(bytes: Bytes, place: Option<Place>) -> Self {
        Document { bytes, _place: place.map(Arc::new) }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::ops::Deref for Document {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(digit: u8) -> Holder {
        Holder::Account(digit.to_string().repeat(12))
    }

    fn taken(documents: &Arc<Documents>, holder: Holder, bytes: usize) -> Result<Place, ErrorCode> {
        let mut place = documents.place(holder);
        place.hold(bytes).map(|()| place).map_err(|error| error.code)
    }

    #[test]
    fn l9_all_documents_together_have_a_bound_and_give_their_room_back() {
        let documents = Arc::new(Documents::of(1600));
        let first = taken(&documents, account(1), 800).unwrap();
        let second = taken(&documents, account(2), 700).unwrap();
        assert_eq!(taken(&documents, account(3), 101).unwrap_err(), ErrorCode::SlowDown);
        let third = taken(&documents, account(3), 100).unwrap();
        assert_eq!(documents.in_use(), 1600);
        drop(second);
        assert!(taken(&documents, account(3), 700).is_ok());
        drop((first, third));
        assert_eq!(documents.in_use(), 0);
        assert!(documents.held.lock().unwrap().each.is_empty());
    }

    #[test]
    fn l9_nobody_takes_all_the_room() {
        let documents = Arc::new(Documents::of(1600));
        let greedy = taken(&documents, account(1), 800).unwrap();
        assert_eq!(taken(&documents, account(1), 1).unwrap_err(), ErrorCode::SlowDown);
        let address = |last: u8| Holder::at([127, 0, 0, last].into());
        let places: Vec<Place> = (1..=4).map(|last| taken(&documents, address(last), 100).unwrap()).collect();
        assert_eq!(taken(&documents, address(1), 1).unwrap_err(), ErrorCode::SlowDown, "one address");
        assert_eq!(taken(&documents, address(5), 1).unwrap_err(), ErrorCode::SlowDown, "all addresses");
        assert!(taken(&documents, Holder::Claimed("AK".into()), 100).is_ok(), "a key that there is");
        assert!(taken(&documents, account(2), 300).is_ok(), "and others have room");
        drop((greedy, places));
        assert_eq!(documents.in_use(), 0);
    }

    #[test]
    fn l9_a_place_grows_and_a_refused_growth_takes_nothing() {
        let documents = Arc::new(Documents::of(1600));
        let mut place = documents.place(account(1));
        for bytes in [10, 500, 300, 800] {
            place.hold(bytes).unwrap();
        }
        assert!(place.hold(801).is_err());
        assert_eq!(documents.in_use(), 800);
        let document = Document::new(Bytes::from_static(b"x"), Some(place));
        let copy = document.clone();
        drop(document);
        assert_eq!(documents.in_use(), 800, "while a copy is there");
        drop(copy);
        assert_eq!(documents.in_use(), 0);
    }

    #[test]
    fn l9_a_network_of_ipv6_is_one_client() {
        let at = |text: &str| Holder::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2:3::4"), at("2001:db8:1:2:ffff::1"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
