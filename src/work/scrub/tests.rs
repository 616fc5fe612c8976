use std::sync::atomic::{AtomicU64, Ordering};

use tandem_storage::blob::BlobError;
use tandem_storage::change::{
    AccessChange, At, CreateBucket, NewObject, PathOp, Precondition, PutObject, SnapshotSpec, UpdatePaths, WritePermit,
};
use tandem_storage::disk::SimDisk;
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{BucketRow, ContentHeaders, CreatorKind, Digest, Scope, Versioning};
use tandem_storage::scrub::What;
use tandem_storage::types::{
    BucketGuid, BucketName, ETag, Epoch, EpochNumber, NodeGuid, ObjectKey, PathGuid, SnapshotGuid, Timestamp,
};
use tandem_storage::{EngineKind, Options};

use super::*;
use crate::clock::Clock;

/// A clock that stands until a test moves it.
struct Still(AtomicU64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.monotonic().as_micros() as i64)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const RATE: u64 = 1 << 20;
const BUCKET: BucketGuid = BucketGuid::from_bytes([1; 16]);
const PATH: PathGuid = PathGuid::from_bytes([2; 16]);
const PERMIT: WritePermit = WritePermit::Path { path: PATH, epoch: EpochNumber::new(1) };

/// A store with a protected path, and its scrub, stepped by hand.
struct Bench {
    disk: SimDisk,
    store: Store,
    clock: Arc<Still>,
    metrics: Arc<Metrics>,
    table: ScrubTable,
    scrubber: Scrubber,
    waited: Duration,
}

fn options() -> Options {
    Options {
        engine: EngineKind::Redb,
        node: NodeGuid::from_bytes([7; 16]),
        low_watermark_bytes: 0,
        reserve_bytes: 0,
        checkpoint_every_bytes: 1 << 30,
        cache_bytes: 1 << 20,
        memtable_writes: 64,
        journal_file_bytes: 64 << 20,
    }
}

async fn commit<C: tandem_storage::Change>(store: &Store, change: C) {
    drop(store.commit(Lane::Client, Timestamp::from_secs(1), change).await.unwrap());
}

impl Bench {
    async fn new() -> Self {
        let disk = SimDisk::new();
        let store = Store::open(Arc::new(disk.clone()), options()).unwrap();
        let epoch = Epoch { number: EpochNumber::new(1), writer: store.node(), fork: None };
        let access = AccessChange::Writable;
        let path = PathOp::Create { guid: PATH, scope: Scope::Endpoint, access, epoch, detail: Vec::new() };
        commit(&store, UpdatePaths(vec![path])).await;
        let row = BucketRow {
            guid: BUCKET,
            name: BucketName::new("photos").unwrap(),
            created: Timestamp::default(),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        commit(&store, CreateBucket { permit: PERMIT, row, settings: Vec::new() }).await;
        let clock = Arc::new(Still(AtomicU64::new(1)));
        let (metrics, table) = (Metrics::new(), ScrubTable::default());
        let scrubber = scrubber(&store, &clock, &metrics, &table);
        Bench { disk, store, clock, metrics, table, scrubber, waited: Duration::ZERO }
    }

    async fn put(&self, key: &str, content: &[u8]) -> ContentHash {
        let mut writer = self.store.body_writer();
        writer.write(content).unwrap();
        let object = NewObject {
            etag: ETag::Md5([0; 16]),
            checksum: None,
            headers: ContentHeaders::default(),
            metadata: Vec::new(),
            tags: Vec::new(),
            acl: None,
            lock: None,
            wrapped_key: None,
            parts: None,
        };
        let put = PutObject {
            permit: PERMIT,
            bucket: BUCKET,
            key: ObjectKey::new(key).unwrap(),
            precondition: Precondition::None,
            body: writer.finish().unwrap(),
            object,
            random: 0,
        };
        commit(&self.store, put).await;
        ContentHash::of(content)
    }

    async fn snapshot(&self, number: u8) -> SnapshotGuid {
        let guid = SnapshotGuid::from_bytes([number; 16]);
        let spec = SnapshotSpec {
            path: PATH,
            guid,
            name: format!("snapshot-{number}"),
            created: Timestamp::from_secs(i64::from(number)),
            creator: CreatorKind::Policy,
            epoch: EpochNumber::new(1),
            expires: None,
            locked: false,
            at: At::ThisCommit,
            digest: None,
        };
        commit(&self.store, UpdatePaths(vec![PathOp::Snapshot(spec)])).await;
        guid
    }

    fn digest(&self, snapshot: SnapshotGuid) -> Digest {
        let seq = self.store.snapshot(snapshot).unwrap().unwrap().seq;
        self.store.digest(&Scope::Endpoint, seq).unwrap()
    }

    async fn set_digest(&self, snapshot: SnapshotGuid, digest: Digest) {
        commit(&self.store, UpdatePaths(vec![PathOp::SetDigest { snapshot, digest, replace: true }])).await;
    }

    /// One step, and the time that it asks for.
    async fn step(&mut self) {
        if let Next::After(pause) = self.scrubber.step().await.unwrap() {
            self.waited += pause;
            self.clock.0.fetch_add(pause.as_micros() as u64, Ordering::Relaxed);
        }
    }

    /// Until one more round is over.
    async fn round(&mut self) -> ScrubState {
        let before = self.table.state().unwrap_or_default();
        let over = before.round - u64::from(before.place != Place::Resting);
        for _ in 0..100_000 {
            self.step().await;
            let state = self.table.state().unwrap();
            if state.round > over && state.place == Place::Resting {
                return state;
            }
        }
        panic!("a round does not end");
    }

    /// What a restart of the node leaves of the scrub.
    fn restart(&mut self) {
        self.table = ScrubTable::default();
        self.scrubber = scrubber(&self.store, &self.clock, &self.metrics, &self.table);
    }

    fn shows(&self, line: &str) {
        let text = self.metrics.encode();
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}

fn scrubber(store: &Store, clock: &Arc<Still>, metrics: &Arc<Metrics>, table: &ScrubTable) -> Scrubber {
    let terms = ScrubTerms { bytes_a_second: RATE, every: DAY };
    Scrubber::new(store.clone(), clock.clone(), Arc::clone(metrics), table.clone(), terms, Arc::new(|_| ()))
}

fn piece(disk: &SimDisk) -> String {
    disk.files().into_iter().find(|path| path.starts_with("pieces/")).unwrap()
}

fn content(number: u8) -> Vec<u8> {
    (0..200_000u32).map(|at| (at / 7) as u8 ^ number).collect()
}

#[tokio::test]
async fn a_sound_store_is_read_at_the_rate_and_has_no_findings() {
    let mut bench = Bench::new().await;
    for number in 0..10 {
        bench.put(&format!("large-{number}"), &content(number)).await;
    }
    let snapshot = bench.snapshot(1).await;
    bench.set_digest(snapshot, bench.digest(snapshot)).await;
    let state = bench.round().await;
    assert_eq!((state.round, state.blobs, state.bytes, state.digests), (1, 10, 2_000_000, 1));
    assert_eq!((state.place, &state.findings[..]), (Place::Resting, &[][..]));
    let reading = Duration::from_secs_f64(2_000_000.0 / RATE as f64);
    assert!(bench.waited > START_PAUSE + DAY + reading, "{:?}", bench.waited);
    bench.shows("tandem_scrub_blobs_total 10\n");
    bench.shows("tandem_scrub_read_bytes_total 2000000\n");
    bench.shows("tandem_scrub_digests_total 1\n");
    bench.shows("tandem_scrub_findings{kind=\"blob\"} 0\n");
    let (waited, again) = (bench.waited, bench.round().await);
    assert_eq!(again.round, 2);
    assert!(bench.waited - waited >= DAY, "a round begins an interval after the last");
}

#[tokio::test]
async fn a_flipped_byte_is_named_and_counted_and_never_given_out_until_it_is_gone() {
    let mut bench = Bench::new().await;
    let hash = bench.put("2026/beach.jpg", &content(1)).await;
    bench.put("small", b"small").await;
    let piece = piece(&bench.disk);
    bench.disk.flip_bit(&piece, 100_000, 3).unwrap();
    let state = bench.round().await;
    let [finding] = &state.findings[..] else { panic!("{state:?}") };
    assert!(matches!(&finding.subject, Subject::Blob { hash: found, .. } if *found == hash));
    let [referent] = &finding.referents[..] else { panic!("{finding:?}") };
    assert_eq!(referent.bucket, "photos");
    assert_eq!(referent.what, What::Version { key: "2026/beach.jpg".into(), version: "null".into() });
    bench.shows("tandem_scrub_findings{kind=\"blob\"} 1\n");
    assert!(matches!(bench.store.blob(hash), Err(BlobError::Damaged(_))), "what is shipped is read like this");

    bench.restart();
    bench.step().await;
    assert_eq!(bench.table.state().unwrap().findings, state.findings, "a restart does not forget");
    bench.disk.flip_bit(&piece, 100_000, 3).unwrap();
    assert_eq!(bench.round().await.findings, []);
    bench.shows("tandem_scrub_findings{kind=\"blob\"} 0\n");
}

#[tokio::test]
async fn a_finding_goes_with_what_it_is_about() {
    let mut bench = Bench::new().await;
    bench.put("key", &content(1)).await;
    bench.disk.flip_bit(&piece(&bench.disk), 5, 0).unwrap();
    assert_eq!(bench.round().await.findings.len(), 1);
    bench.put("key", b"something else").await;
    let store = bench.store.clone();
    let collected = move || while store.collect(Timestamp::from_secs(1)).unwrap().more {};
    tokio::task::spawn_blocking(collected).await.unwrap();
    let waited = bench.waited;
    while !bench.table.state().unwrap().findings.is_empty() {
        bench.step().await;
    }
    assert!(bench.waited - waited < 2 * LOOK_EVERY, "long before the next round");
    assert_eq!(bench.table.state().unwrap().round, 1);
    bench.restart();
    bench.step().await;
    assert_eq!(bench.table.state().unwrap().findings, [], "and for good");
}

#[tokio::test]
async fn a_finding_goes_while_a_round_is_under_way() {
    let mut bench = Bench::new().await;
    bench.put("key", &content(1)).await;
    bench.disk.flip_bit(&piece(&bench.disk), 5, 0).unwrap();
    assert_eq!(bench.round().await.findings.len(), 1);
    for number in 2..60 {
        bench.put(&format!("key-{number}"), &content(number).repeat(5)).await;
    }
    while bench.table.state().unwrap().round == 1 {
        bench.step().await;
    }
    bench.put("again", &content(1)).await;
    let state = loop {
        bench.step().await;
        let state = bench.table.state().unwrap();
        if state.findings.is_empty() {
            break state;
        }
    };
    assert!(state.round == 2 && state.place != Place::Resting, "{state:?}");
}

#[tokio::test]
async fn a_wrong_digest_of_the_newest_restore_point_is_found_until_it_is_put_right() {
    let mut bench = Bench::new().await;
    bench.put("key", b"one").await;
    let old = bench.snapshot(1).await;
    bench.set_digest(old, LtHash::empty().digest()).await;
    bench.put("key", b"two").await;
    let newest = bench.snapshot(2).await;
    let right = bench.digest(newest);
    bench.set_digest(newest, bench.digest(old)).await;
    let state = bench.round().await;
    let [finding] = &state.findings[..] else { panic!("{state:?}") };
    let name = "snapshot-2".to_owned();
    assert_eq!(finding.subject, Subject::Digest { path: "/".into(), snapshot: newest, name });
    bench.shows("tandem_scrub_findings{kind=\"digest\"} 1\n");
    bench.set_digest(newest, right).await;
    assert_eq!(bench.round().await.findings, []);
}

#[tokio::test]
async fn a_round_goes_on_where_a_restart_cut_it() {
    let mut bench = Bench::new().await;
    const LARGE: u64 = 60;
    for number in 0..LARGE as u8 {
        let large: Vec<u8> = content(number).repeat(15);
        bench.put(&format!("large-{number}"), &large).await;
    }
    while bench.table.state().is_none_or(|state| state.blobs < LARGE / 2) {
        bench.step().await;
    }
    bench.restart();
    let state = bench.round().await;
    assert_eq!((state.round, state.findings.len()), (1, 0));
    assert_eq!(state.blobs, LARGE);
    let text = bench.metrics.encode();
    let verified = text.lines().find_map(|line| line.strip_prefix("tandem_scrub_blobs_total ")).unwrap();
    // A minute's worth of the first half may have been read twice: 60 MiB of 90.
    let verified: u64 = verified.parse().unwrap();
    assert!((LARGE..LARGE + LARGE / 2).contains(&verified), "{verified} blobs were read");
}

#[tokio::test]
async fn a_restore_point_that_goes_before_it_is_counted_is_no_finding() {
    let mut bench = Bench::new().await;
    bench.put("key", b"one").await;
    let snapshot = bench.snapshot(1).await;
    bench.set_digest(snapshot, bench.digest(snapshot)).await;
    let mut recount = Recount::new(&bench.store);
    let drop_it = PathOp::DropSnapshot { path: PATH, snapshot };
    commit(&bench.store, UpdatePaths(vec![drop_it])).await;
    assert!(matches!(recount.step(&bench.store).unwrap(), Counted::Passed));
    assert!(matches!(recount.step(&bench.store).unwrap(), Counted::Over));
    assert_eq!(bench.round().await.findings, []);
}
