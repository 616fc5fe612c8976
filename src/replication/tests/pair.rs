//! Two nodes in one process, whose source may walk with a mistake; and their clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tandem_storage::change::{CreateBucket, DeleteObject, NewObject, Precondition, PutObject, VersionSelector};
use tandem_storage::disk::SimDisk;
use tandem_storage::record::{BucketRow, ContentHeaders, ObjectState, Scope, SnapshotRow, Versioning};
use tandem_storage::types::{BucketGuid, BucketName, ContentHash, ETag, NodeGuid, ObjectKey, SnapshotGuid};
use tandem_storage::{Change, EngineKind, Lane, Options, Store, Visit};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::control::{Control, CreatePath};
use super::super::report::PathReport;
use super::super::ship::{ReadPage, stored_pages};
use super::super::{Replication, ReplicationConfig, start_reading};
use crate::clock::{SharedClock, SystemClock, random_guid, random_u64};
use crate::role::gate::WriteGate;

pub const ALL: Scope = Scope::Endpoint;
/// On a busy machine everything takes long.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Bucket and key -> the hash of the bytes.
pub type Listing = BTreeMap<(String, String), ContentHash>;

/// A node: its disk outlives it.
pub struct Side {
    number: u8,
    pub disk: SimDisk,
    pub clock: SharedClock,
    dir: tempfile::TempDir,
    listen: SocketAddr,
    read: ReadPage,
    running: Option<Running>,
}

struct Running {
    store: Store,
    control: Control,
    down: watch::Sender<bool>,
    task: JoinHandle<()>,
}

pub struct Pair {
    pub a: Side,
    pub b: Side,
}

impl Pair {
    /// Two paired nodes; the first walks as `read` does.
    pub async fn start(read: ReadPage) -> Pair {
        let (a, b) = (Side::start(1, read).await, Side::start(2, stored_pages()).await);
        let token = b.control().pairing_token().await.unwrap();
        a.control().pair(&token, "b").await.unwrap();
        Pair { a, b }
    }

    /// The first protects everything, with a snapshot each second.
    pub async fn protect(&self) {
        self.protect_every(Duration::from_secs(1)).await;
    }

    pub async fn protect_every(&self, interval: Duration) {
        let keep = Duration::from_secs(600);
        let path = CreatePath { scope: ALL, peer: "b".into(), interval, keep_local: keep, keep_remote: keep };
        self.a.control().create_path(path).await.unwrap();
    }

    /// Waits until the second shows what the first has, proved, and no alarm is open on either.
    pub async fn converges(&self) {
        let wanted = self.a.listing();
        let settled = || {
            let reports = [self.a.path(), self.b.path()];
            let well = |report: &PathReport| {
                report.discrepancy.is_none() && report.restore_point.as_ref().is_some_and(|point| point.proved)
            };
            self.b.listing() == wanted && reports.iter().all(well)
        };
        let seen = eventually(settled).await;
        let lacks: Vec<_> = wanted.keys().filter(|key| !self.b.listing().contains_key(*key)).take(5).cloned().collect();
        assert!(seen, "lacks {lacks:?}\n{:#?}\n{:#?}", self.a.path(), self.b.path());
    }

    pub async fn stop(mut self) {
        self.a.stop().await;
        self.b.stop().await;
    }
}

/// Polls until it is so, or the deadline has come.
pub async fn eventually(mut seen: impl FnMut() -> bool) -> bool {
    let polled = tokio::time::timeout(DEADLINE, async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    polled.await.is_ok()
}

fn options(number: u8) -> Options {
    Options {
        engine: EngineKind::Redb,
        node: NodeGuid::from_bytes([number; 16]),
        low_watermark_bytes: 0,
        reserve_bytes: 0,
        checkpoint_every_bytes: 16 << 20,
        cache_bytes: 16 << 20,
        memtable_writes: 64,
        journal_file_bytes: 64 << 20,
    }
}

impl Side {
    pub async fn start(number: u8, read: ReadPage) -> Side {
        let mut side = Side {
            number,
            disk: SimDisk::new(),
            clock: Arc::new(SystemClock::new()),
            dir: tempfile::tempdir().unwrap(),
            listen: "127.0.0.1:0".parse().unwrap(),
            read,
            running: None,
        };
        side.restart().await;
        side
    }

    /// On the same address as before.
    pub async fn restart(&mut self) {
        let (disk, number) = (self.disk.clone(), self.number);
        let opened = tokio::task::spawn_blocking(move || Store::open(Arc::new(disk), options(number)).unwrap());
        let store = opened.await.unwrap();
        let (down, shutdown) = watch::channel(false);
        let config = || ReplicationConfig {
            listen: self.listen,
            advertise: None,
            name: format!("node-{number}"),
            region: "us-east-1".into(),
            s3_endpoint: "http://node.example:9000".into(),
            admin_endpoint: String::new(),
            identity_dir: self.dir.path().join("identity"),
            retention_cap: Duration::from_secs(3600),
            pairing: None,
        };
        let started = tokio::time::timeout(DEADLINE, async {
            loop {
                let (store, clock, read) = (store.clone(), self.clock.clone(), self.read.clone());
                // The port is free once the last connection has gone.
                match start_reading(config(), store, clock, read, shutdown.clone()).await {
                    Ok(started) => return started,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let Replication { control, address, task } = started.await.unwrap();
        self.listen = address;
        self.running = Some(Running { store, control, down, task });
    }

    pub async fn stop(&mut self) {
        let Running { store, control, down, task } = self.running.take().unwrap();
        down.send(true).unwrap();
        task.await.unwrap();
        drop(control);
        tokio::task::spawn_blocking(move || store.close().unwrap()).await.unwrap();
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the node runs")
    }

    pub fn store(&self) -> &Store {
        &self.running().store
    }

    pub fn control(&self) -> &Control {
        &self.running().control
    }

    pub fn path(&self) -> PathReport {
        self.control().path(&ALL).unwrap()
    }

    /// Whether the destination is known to show this snapshot, or a later one.
    pub fn has_shipped(&self, snapshot: SnapshotGuid) -> bool {
        let Some(shown) = self.path().restore_point else { return false };
        let rows = self.snapshots();
        let place = |guid: String| rows.iter().position(|row| row.meta.guid.to_string() == guid);
        place(shown.guid) >= place(snapshot.to_string())
    }

    pub fn snapshots(&self) -> Vec<SnapshotRow> {
        let path = self.store().paths()[0].guid;
        self.store().snapshots(path).unwrap()
    }

    async fn commit<C: Change>(&self, change: C) {
        let _ = self.store().commit(Lane::Client, self.clock.now(), change).await.unwrap();
    }

    fn permit(&self, bucket: &BucketName) -> tandem_storage::change::WritePermit {
        let permit = WriteGate::new(self.store().clone()).permit(bucket);
        permit.unwrap_or_else(|_| panic!("{bucket} is not writable"))
    }

    pub async fn create_bucket(&self, name: &str) -> BucketGuid {
        let (name, guid) = (BucketName::new(name).unwrap(), BucketGuid::from_bytes(random_guid(&*self.clock)));
        let permit = self.permit(&name);
        let row = BucketRow {
            guid,
            name,
            created: self.clock.now(),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        self.commit(CreateBucket { permit, row, settings: Vec::new() }).await;
        guid
    }

    pub fn put_change(&self, name: &str, key: &str, bytes: &[u8]) -> PutObject {
        let name = BucketName::new(name).unwrap();
        let mut writer = self.store().body_writer();
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
        PutObject {
            permit: self.permit(&name),
            bucket: self.bucket(&name),
            key: ObjectKey::new(key).unwrap(),
            precondition: Precondition::None,
            body: writer.finish().unwrap(),
            object,
            random: random_u64(&*self.clock),
        }
    }

    pub async fn put(&self, name: &str, key: &str, bytes: &[u8]) {
        self.commit(self.put_change(name, key, bytes)).await;
    }

    pub async fn delete(&self, name: &str, key: &str) {
        let name = BucketName::new(name).unwrap();
        let delete = DeleteObject {
            permit: self.permit(&name),
            bucket: self.bucket(&name),
            key: ObjectKey::new(key).unwrap(),
            version: VersionSelector::Latest,
            precondition: Precondition::None,
            random: random_u64(&*self.clock),
        };
        self.commit(delete).await;
    }

    fn bucket(&self, name: &BucketName) -> BucketGuid {
        self.store().read().unwrap().bucket(name).unwrap().unwrap().row.guid
    }

    /// What a reader sees, by the reader that S3 uses: neither by the feed, nor by the walk of a shipment.
    pub fn listing(&self) -> Listing {
        let reader = self.store().read().unwrap();
        let (mut out, mut buckets) = (Listing::new(), Vec::new());
        let visit = &mut |view| {
            buckets.push(view);
            ControlFlow::Continue(())
        };
        reader.buckets(None, visit).unwrap();
        for view in buckets {
            let bucket = view.row.name.to_string();
            out.insert((bucket.clone(), String::new()), ContentHash::of(view.row.guid.as_bytes()));
            let visit = &mut |key: &str, row: tandem_storage::record::ObjectRow| {
                if let ObjectState::Content(content) = &row.state {
                    let told = format!("{:?} {:?} {:?}", content.body, row.version, row.modified);
                    out.insert((bucket.clone(), key.to_owned()), ContentHash::of(told.as_bytes()));
                }
                Visit::Next
            };
            reader.objects(&view, b"", visit).unwrap();
        }
        out
    }
}
