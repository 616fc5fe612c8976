//! What clients know of what they wrote.

use std::collections::{BTreeMap, BTreeSet};

use crate::listing::Listing;

/// A bucket and a key.
pub type Place = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The object that a client put last, by its ETag without quotes.
    Object(String),
    /// A client deleted it last.
    Absent,
    /// Nothing but this delete marker, by its version id.
    Marker(String),
    /// An answer never came, or an older version came back. A listing may show it or not.
    Open,
}

/// Keys belong to one writer each, so what was acknowledged last is what must be there.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub keys: BTreeMap<Place, Known>,
}

impl Ledger {
    pub fn note(&mut self, bucket: &str, key: &str, known: Known) {
        self.keys.insert((bucket.to_owned(), key.to_owned()), known);
    }

    pub fn join(&mut self, other: Ledger) {
        self.keys.extend(other.keys);
    }

    /// Where a listing of one bucket says something else than its writers know.
    pub fn differs(&self, bucket: &str, listing: &Listing) -> Vec<String> {
        let mut wrong = Vec::new();
        let versions: BTreeSet<&(String, String)> = listing.versions.iter().collect();
        for ((_, key), known) in self.keys.iter().filter(|((known, _), _)| known == bucket) {
            match (known, listing.objects.get(key)) {
                (Known::Object(etag), Some(shown)) if etag == shown => {}
                (Known::Object(_), Some(_)) => wrong.push(format!("{key} is another")),
                (Known::Object(_), None) => wrong.push(format!("{key} is missing")),
                (Known::Absent | Known::Marker(_), Some(_)) => wrong.push(format!("{key} is there, and was deleted")),
                (Known::Marker(version), None) if !versions.contains(&(key.clone(), version.clone())) => {
                    wrong.push(format!("the delete marker of {key} is missing"));
                }
                (Known::Absent | Known::Marker(_), None) | (Known::Open, _) => {}
            }
        }
        let unknown = |key: &&String| !self.keys.contains_key(&(bucket.to_owned(), (*key).clone()));
        wrong.extend(listing.objects.keys().filter(unknown).map(|key| format!("{key} was never written")));
        wrong
    }
}
