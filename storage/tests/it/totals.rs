//! The totals that a store keeps, against what its rows come to when they are counted here.

use tandem_storage::Store;
use tandem_storage::record::{Scope, Total};
use tandem_storage::types::{BucketName, Seq};

use crate::world::{BUCKETS, Stopped};

const PAGE: usize = 500;

fn scopes() -> impl Iterator<Item = Scope> {
    let buckets = BUCKETS.iter().map(|name| Scope::Bucket(BucketName::new(name).expect("a valid name")));
    std::iter::once(Scope::Endpoint).chain(buckets)
}

/// All rows of a scope at a point, counted one by one.
pub fn counted(store: &Store, scope: &Scope, at: Seq) -> Result<Total, Stopped> {
    let (mut total, mut position) = (Total::default(), None);
    loop {
        let page = store.full_comparison(scope, None, at, position, PAGE)?;
        for entry in page.entries {
            total.add_row(&entry.key.encode(), &entry.new.expect("a row that is there"));
        }
        match page.next {
            None => return Ok(total),
            next => position = next,
        }
    }
}

/// The totals of the present, for the node and for each bucket.
pub fn present(store: &Store) -> Result<(), Stopped> {
    let newest = store.newest();
    for scope in scopes() {
        let (kept, counted) = (store.total_at(&scope, newest)?, counted(store, &scope, newest)?);
        assert_eq!(kept, Some(counted), "the total of {scope} at {newest}, the newest point");
    }
    Ok(())
}

/// Those of all snapshots, each at its own point.
pub fn snapshots(store: &Store) -> Result<(), Stopped> {
    for path in store.paths().iter() {
        for row in store.snapshots(path.guid)? {
            let counted = counted(store, &path.scope, row.seq)?;
            assert_eq!((row.total, row.proved), (Some(counted), true), "the snapshot at {}", row.seq);
            assert_eq!(store.total_at(&path.scope, row.seq)?, Some(counted));
        }
    }
    Ok(())
}
