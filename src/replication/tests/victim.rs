use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tandem_storage::change::{CreateBucket, NewObject, Precondition, PutObject};
use tandem_storage::check::{Depth, State};
use tandem_storage::disk::SimDisk;
use tandem_storage::record::{Access, BucketRow, ContentHeaders, Digest, Scope, Versioning};
use tandem_storage::types::{BucketGuid, BucketName, ETag, NodeGuid, ObjectKey, SnapshotGuid};
use tandem_storage::{CommitError, EngineKind, Lane, Options, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::control::Control;
use super::super::{Replication, ReplicationConfig, SecretPairing, start};
use crate::clock::{SharedClock, SystemClock};
use crate::role::gate::WriteGate;

pub const VICTIM: NodeGuid = NodeGuid::from_bytes([1; 16]);
pub const DEADLINE: Duration = Duration::from_secs(30);
/// A bucket that no path covers.
pub const OWN: u8 = 200;

/// A node with a bucket of its own, which no peer may touch.
pub struct Victim {
    pub disk: SimDisk,
    pub store: Store,
    pub control: Control,
    pub address: SocketAddr,
    pub clock: SharedClock,
    own: Digest,
    down: watch::Sender<bool>,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

pub fn scope(name: &str) -> Scope {
    Scope::Bucket(BucketName::new(name).unwrap())
}

pub fn open_store(low_watermark_bytes: u64) -> Store {
    open_store_on(&SimDisk::new(), low_watermark_bytes)
}

fn open_store_on(disk: &SimDisk, low_watermark_bytes: u64) -> Store {
    let options = Options {
        engine: EngineKind::Redb,
        node: VICTIM,
        low_watermark_bytes,
        reserve_bytes: 0,
        checkpoint_every_bytes: 16 << 20,
        cache_bytes: 16 << 20,
        memtable_writes: 64,
        journal_file_bytes: 64 << 20,
    };
    Store::open(Arc::new(disk.clone()), options).unwrap()
}

/// Makes the bucket "own" with an object in it. Returns the digest of all of it.
pub async fn make_own(store: &Store, clock: &SharedClock) -> Digest {
    let (name, guid) = (BucketName::new("own").unwrap(), BucketGuid::from_bytes([OWN; 16]));
    let permit = WriteGate::new(store.clone()).permit(&name).unwrap();
    let row = BucketRow {
        guid,
        name,
        created: clock.now(),
        location: None,
        versioning: Versioning::Unversioned,
        object_lock: false,
        owner: None,
        creator: None,
    };
    let create = CreateBucket { permit, row, settings: vec![("policy".into(), b"{}".to_vec())] };
    let _ = store.commit(Lane::Client, clock.now(), create).await.unwrap();
    put(store, clock, ("own", OWN), "mine", b"mine").await.unwrap();
    digest_now(store, &scope("own"))
}

/// What a client does.
pub async fn put(
    store: &Store,
    clock: &SharedClock,
    (name, number): (&str, u8),
    key: &str,
    bytes: &[u8],
) -> Result<(), CommitError> {
    let name = BucketName::new(name).unwrap();
    let Ok(permit) = WriteGate::new(store.clone()).permit(&name) else { panic!("{name} is not writable") };
    let mut writer = store.body_writer();
    writer.write(bytes).unwrap();
    let object = NewObject {
        etag: ETag::Md5([7; 16]),
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
        permit,
        bucket: BucketGuid::from_bytes([number; 16]),
        key: ObjectKey::new(key).unwrap(),
        precondition: Precondition::None,
        body: writer.finish().unwrap(),
        object,
        random: 1,
    };
    store.commit(Lane::Client, clock.now(), put).await.map(|_| ())
}

/// Of the present, which may move on meanwhile, on a busy machine for thousands of commits.
pub fn digest_now(store: &Store, scope: &Scope) -> Digest {
    for _ in 0..100_000 {
        if let Ok(digest) = store.digest(scope, store.newest()) {
            return digest;
        }
    }
    panic!("the present does not stand still");
}

impl Victim {
    pub async fn start() -> Victim {
        Victim::with_watermark(0).await
    }

    pub async fn with_watermark(low_watermark_bytes: u64) -> Victim {
        Victim::with(low_watermark_bytes, None).await
    }

    /// Its configuration has a pairing secret.
    pub async fn with_secret(secret: &str) -> Victim {
        let secret = secret.to_owned().into();
        Victim::with(0, Some(SecretPairing { secret, peer_address: None, peer_name: None })).await
    }

    async fn with(low_watermark_bytes: u64, pairing: Option<SecretPairing>) -> Victim {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let disk = SimDisk::new();
        let store = open_store_on(&disk, low_watermark_bytes);
        let own = match low_watermark_bytes {
            0 => make_own(&store, &clock).await,
            _ => digest_now(&store, &scope("own")),
        };
        let (down, shutdown) = watch::channel(false);
        let config = ReplicationConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: None,
            name: "victim".into(),
            region: "us-east-1".into(),
            s3_endpoint: "http://victim.example:9000".into(),
            admin_endpoint: String::new(),
            identity_dir: dir.path().join("identity"),
            retention_cap: Duration::from_secs(3600),
            pairing,
        };
        let started = start(config, store.clone(), clock.clone(), shutdown).await.unwrap();
        let Replication { control, address, task } = started;
        Victim { disk, store, control, address, clock, own, down, task, _dir: dir }
    }

    /// What the path shows: the snapshot, and the digest of all its rows, counted anew.
    pub fn shown(&self, scope: &Scope) -> (Option<SnapshotGuid>, Digest) {
        let row = self.store.paths().iter().find(|row| row.scope == *scope).cloned().unwrap();
        let Access::ReadAt(seq) = row.access else { panic!("{:?}", row.access) };
        let snapshots = self.store.snapshots(row.guid).unwrap();
        let visible = snapshots.iter().rev().find(|snapshot| snapshot.seq == seq).map(|snapshot| snapshot.meta.guid);
        (visible, self.store.digest(scope, seq).unwrap())
    }

    /// Nothing is being received, and nothing of it is left once it was swept. The bucket that no path covers is as it was.
    pub async fn is_clean(&self) {
        assert!(self.store.transfers().unwrap().is_empty(), "{:?}", self.store.transfers());
        self.is_whole().await;
    }

    pub async fn is_whole(&self) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let checked = tokio::task::spawn_blocking(move || {
            while store.collect(now).unwrap().more {}
            store.check(State::Running, Depth::Bytes, &mut |_| ()).unwrap()
        });
        assert_eq!(checked.await.unwrap().findings, []);
        assert_eq!(digest_now(&self.store, &scope("own")), self.own, "the unprotected bucket changed");
    }

    pub async fn stop(self) {
        self.down.send(true).unwrap();
        self.task.await.unwrap();
        drop(self.control);
        let store = self.store;
        tokio::task::spawn_blocking(move || store.close().unwrap()).await.unwrap();
    }
}
