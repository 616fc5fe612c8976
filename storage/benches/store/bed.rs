use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tandem_storage::change::{AccessChange, At};
use tandem_storage::change::{
    CreateBucket, DeleteObject, NewObject, PathOp, Precondition, PutObject, SnapshotSpec, UpdatePaths, VersionSelector,
    WritePermit,
};
use tandem_storage::disk::RealDisk;
use tandem_storage::record::{BucketRow, ContentHeaders, CreatorKind, Scope, Versioning};
use tandem_storage::types::{
    BucketGuid, BucketName, ETag, Epoch, EpochNumber, HoldId, NodeGuid, ObjectKey, PathGuid, Seq, SnapshotGuid,
    Timestamp,
};
use tandem_storage::{EngineKind, Lane, Options, Pending, Store};

pub const BUCKET: BucketGuid = BucketGuid::from_bytes([7; 16]);
pub const PATH: PathGuid = PathGuid::from_bytes([9; 16]);
const NODE: NodeGuid = NodeGuid::from_bytes([1; 16]);

/// A store with one bucket under a protected endpoint, in a directory that goes with it.
pub struct Bed {
    pub store: Store,
    pub name: BucketName,
    now: std::cell::Cell<i64>,
    _dir: tempfile::TempDir,
}

impl Bed {
    pub fn new() -> Bed {
        let dir = tempfile::tempdir_in(std::env::var("TANDEM_BENCH_DIR").unwrap_or_else(|_| ".".into()))
            .expect("a directory");
        let disk = Arc::new(RealDisk::new(dir.path().join("data")).expect("a disk"));
        let options = Options {
            engine: EngineKind::default(),
            node: NODE,
            low_watermark_bytes: 0,
            reserve_bytes: 0,
            checkpoint_every_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            memtable_writes: Options::MEMTABLE_WRITES,
            journal_file_bytes: 64 << 20,
        };
        let store = Store::open(disk, options).expect("the store opens");
        let name = BucketName::new("bench").expect("a name");
        let bed = Bed { store, name: name.clone(), now: std::cell::Cell::new(1), _dir: dir };
        let row = BucketRow {
            guid: BUCKET,
            name,
            created: Timestamp::from_secs(1),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        let bucket = CreateBucket { permit: WritePermit::Unprotected, row, settings: Vec::new() };
        let _ = bed.store.commit(Lane::Client, bed.tick(), bucket).wait().expect("a bucket");
        bed
    }

    /// Puts the endpoint under a path, with the feed on.
    pub fn protect(&self) {
        let epoch = Epoch { number: EpochNumber::new(1), writer: NODE, fork: None };
        let create = PathOp::Create {
            guid: PATH,
            scope: Scope::Endpoint,
            access: AccessChange::Writable,
            epoch,
            detail: vec![],
        };
        let cursor = PathOp::Cursor { id: HoldId::from_bytes([3; 16]), after: At::ThisCommit };
        self.paths(vec![create, cursor]);
    }

    pub fn tick(&self) -> Timestamp {
        self.now.set(self.now.get() + 1);
        Timestamp::from_secs(self.now.get())
    }

    pub fn permit(&self) -> WritePermit {
        match self.store.path(PATH) {
            Some(path) => WritePermit::Path { path: PATH, epoch: path.epoch.number },
            None => WritePermit::Unprotected,
        }
    }

    pub fn paths(&self, ops: Vec<PathOp>) -> Seq {
        self.store.commit(Lane::Client, self.tick(), UpdatePaths(ops)).wait().expect("paths change").seq()
    }

    pub fn snapshot(&self, number: u64) -> Seq {
        let mut guid = [0; 16];
        guid[..8].copy_from_slice(&number.to_be_bytes());
        self.paths(vec![PathOp::Snapshot(SnapshotSpec {
            path: PATH,
            guid: SnapshotGuid::from_bytes(guid),
            name: format!("s{number}"),
            created: Timestamp::from_secs(1),
            creator: CreatorKind::User,
            epoch: EpochNumber::new(1),
            expires: None,
            locked: false,
            at: At::ThisCommit,
            digest: None,
        })])
    }

    pub fn put(&self, permit: WritePermit, number: u64, body: &[u8]) -> Pending<tandem_storage::change::PutOutcome> {
        let mut writer = self.store.body_writer();
        writer.write(body).expect("bytes are taken");
        let object = NewObject {
            etag: ETag::Md5([0; 16]),
            checksum: None,
            headers: ContentHeaders::default(),
            metadata: vec![],
            tags: vec![],
            acl: None,
            lock: None,
            wrapped_key: None,
            parts: None,
        };
        let put = PutObject {
            permit,
            bucket: BUCKET,
            key: key(number),
            precondition: Precondition::None,
            body: writer.finish().expect("a body"),
            object,
            random: number,
        };
        self.store.commit(Lane::Client, self.tick(), put)
    }

    /// Puts `count` objects, a window of them at a time.
    pub fn fill(&self, from: u64, count: u64, size: usize) {
        let permit = self.permit();
        let mut window = std::collections::VecDeque::new();
        for number in from..from + count {
            window.push_back(self.put(permit, number, &body(number, size)));
            if window.len() == 256 {
                let _ = window.pop_front().expect("one is there").wait().expect("a put");
            }
        }
        for put in window {
            let _ = put.wait().expect("a put");
        }
    }

    pub fn delete(&self, number: u64) {
        let delete = DeleteObject {
            permit: self.permit(),
            bucket: BUCKET,
            key: key(number),
            version: VersionSelector::Latest,
            precondition: Precondition::None,
            random: number,
        };
        let _ = self.store.commit(Lane::Client, self.tick(), delete).wait().expect("a delete");
    }
}

pub fn key(number: u64) -> ObjectKey {
    ObjectKey::new(&format!("objects/{number:012}")).expect("a key")
}

/// Bytes that no other number has.
pub fn body(number: u64, size: usize) -> Vec<u8> {
    let mut body = vec![0x55; size.max(8)];
    body[..8].copy_from_slice(&number.to_be_bytes());
    body
}

pub fn objects() -> u64 {
    std::env::var("TANDEM_BENCH_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

pub fn snapshots() -> u64 {
    std::env::var("TANDEM_BENCH_SNAPSHOTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// Wall time and this process's CPU time of some work.
#[derive(Clone, Copy)]
pub struct Cost {
    pub wall: Duration,
    pub cpu: Duration,
}

impl Cost {
    pub fn cpu_us_each(self, count: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count as f64
    }

    pub fn rate(self, count: u64) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }
}

#[allow(clippy::disallowed_methods)] // a benchmark is about the clock
pub fn measure(work: impl FnOnce()) -> Cost {
    let cpu = || {
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
    };
    let (began, before) = (Instant::now(), cpu());
    work();
    Cost { wall: began.elapsed(), cpu: cpu().saturating_sub(before) }
}
