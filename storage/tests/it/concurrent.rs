//! Writers, readers and the collector at once: a read returns one version's bytes, whole, whatever is overwritten and collected meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use tandem_storage::blob::StagedBody;
use tandem_storage::change::{
    CreateBucket, DeleteObject, NewObject, Precondition, PutObject, Refusal, VersionSelector, WritePermit,
};
use tandem_storage::check::{Depth, State};
use tandem_storage::disk::{Disk, SimDisk};
use tandem_storage::record::{BucketRow, Content, Versioning};
use tandem_storage::types::{BucketGuid, BucketName, ContentHash, ETag, ObjectKey, Timestamp};
use tandem_storage::{CommitError, EngineKind, Lane, Store};

use crate::content::Contents;
use crate::objects::plain_object;
use crate::random::Random;
use crate::world::options;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const BUCKET: BucketGuid = BucketGuid::from_bytes([1; 16]);
const WRITES: usize = 250;
const SIZES: [u32; 5] = [10, 4000, 65_536, 70_000, 300_000];

fn name() -> BucketName {
    BucketName::new("shared").expect("a valid name")
}

fn some_key(random: &mut Random) -> ObjectKey {
    ObjectKey::new(&format!("key-{}", random.below(5))).expect("a valid key")
}

/// The first half of a content's hash is its ETag, so that a reader can tell what it must get.
fn etag_of(hash: ContentHash) -> ETag {
    ETag::Md5(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

fn put(store: &Store, key: ObjectKey, body: StagedBody, etag: ETag) -> Result<(), Refusal> {
    let object = NewObject { etag, ..plain_object() };
    let change = PutObject {
        permit: WritePermit::Unprotected,
        bucket: BUCKET,
        key,
        precondition: Precondition::None,
        body,
        object,
        random: 0,
    };
    match store.commit(Lane::Client, NOW, change).wait() {
        Ok(_) => Ok(()),
        Err(CommitError::Refused(refusal)) => Err(refusal),
        Err(stopped) => panic!("{stopped}"),
    }
}

fn delete(store: &Store, key: ObjectKey) {
    let change = DeleteObject {
        permit: WritePermit::Unprotected,
        bucket: BUCKET,
        key,
        version: VersionSelector::Latest,
        precondition: Precondition::None,
        random: 0,
    };
    drop(store.commit(Lane::Client, NOW, change).wait().expect("a delete goes"));
}

fn write(store: &Store, seed: u64) {
    let (mut random, mut contents) = (Random::new(seed), Contents::default());
    for _ in 0..WRITES {
        let key = some_key(&mut random);
        match random.below(10) {
            0..=1 => delete(store, key),
            2..=3 => {
                let Some(source) = content_of(store, &some_key(&mut random)) else { continue };
                let body = StagedBody::existing(source.body, source.size);
                match put(store, key, body, source.etag) {
                    Ok(()) | Err(Refusal::BytesGone) => {}
                    Err(refusal) => panic!("{refusal}"),
                }
            }
            _ => {
                let content = contents.content(vec![(random.below(3) as u8, SIZES[random.below(SIZES.len())])]);
                let mut writer = store.body_writer();
                writer.write(&contents.bytes(content.pieces[0])).expect("there is room");
                put(store, key, writer.finish().expect("there is room"), etag_of(content.hash)).expect("a put goes");
            }
        }
    }
}

fn content_of(store: &Store, key: &ObjectKey) -> Option<Content> {
    let reader = store.read().expect("it reads");
    let view = reader.bucket(&name()).expect("it reads").expect("the bucket is there");
    let row = reader.object(&view, key, VersionSelector::Latest).expect("it reads")?;
    row.content().cloned()
}

/// Opens an object's body under the reader that found it, lets the reader go, and reads on slowly.
fn read(store: &Store, random: &mut Random) {
    let (content, mut body) = {
        let reader = store.read().expect("it reads");
        let view = reader.bucket(&name()).expect("it reads").expect("the bucket is there");
        let row = reader.object(&view, &some_key(random), VersionSelector::Latest).expect("it reads");
        let Some(content) = row.and_then(|row| row.content().cloned()) else { return };
        if random.one_in(2) {
            std::thread::yield_now();
        }
        let body = reader.open_body(&content.body, 0..content.size).expect("the bytes are there");
        (content, body)
    };
    let (mut hasher, mut chunk) = (blake3::Hasher::new(), BytesMut::new());
    while body.next_chunk(&mut chunk).expect("the bytes stay") {
        hasher.update(&chunk);
        chunk.clear();
        std::thread::yield_now();
    }
    let found = etag_of(ContentHash::from_bytes(*hasher.finalize().as_bytes()));
    assert_eq!(found, content.etag, "bytes of another version");
}

fn collect_all(store: &Store) {
    while store.collect(NOW).expect("it collects").more {}
}

fn everything_at_once(disk: Arc<dyn Disk>, engine: EngineKind, seed: u64) {
    let store = Store::open(disk, options(engine)).expect("it opens");
    let row = BucketRow {
        guid: BUCKET,
        name: name(),
        created: NOW,
        location: None,
        versioning: Versioning::Unversioned,
        object_lock: false,
        owner: None,
        creator: None,
    };
    let create = CreateBucket { permit: WritePermit::Unprotected, row, settings: Vec::new() };
    drop(store.commit(Lane::Client, NOW, create).wait().expect("it is made"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers = [1, 2].map(|n| {
            scope.spawn({
                let store = &store;
                move || write(store, seed * 10 + n)
            })
        });
        for n in [3, 4] {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let mut random = Random::new(seed * 10 + n);
                while !done.load(Ordering::Relaxed) {
                    read(store, &mut random);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.collect(NOW).expect("it collects");
                store.checkpoint().expect("it checkpoints");
            }
        });
        let results = writers.map(|writer| writer.join());
        done.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.expect("a writer ends well"));
    });
    collect_all(&store);
    let report = store.check(State::Collected, Depth::Bytes, &mut |_| {}).expect("it reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
    (0..5).for_each(|n| delete(&store, ObjectKey::new(&format!("key-{n}")).expect("a valid key")));
    collect_all(&store);
    let report = store.check(State::Collected, Depth::Bytes, &mut |_| {}).expect("it reads");
    assert_eq!((report.blobs, report.piece_files), (0, 0), "bytes are left");
}

#[test]
fn reads_are_whole_while_everything_is_overwritten_and_collected() {
    for seed in 0..4 {
        everything_at_once(Arc::new(SimDisk::new()), EngineKind::Redb, seed);
    }
}

#[test]
fn the_same_holds_on_a_real_disk() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk = tandem_storage::disk::RealDisk::new(dir.path()).expect("a data directory");
    everything_at_once(Arc::new(disk), EngineKind::Redb, 9);
}

#[cfg(feature = "sled")]
#[test]
fn the_same_holds_on_sled() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk = tandem_storage::disk::RealDisk::new(dir.path()).expect("a data directory");
    everything_at_once(Arc::new(disk), EngineKind::Sled, 9);
}
