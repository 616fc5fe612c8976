//! A node: its store, its replication, its collector, and a clock that a test puts forward.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tandem::clock::{Clock, SystemClock, random_guid};
use tandem::replication::control::{Control, CreatePath};
use tandem::replication::report::PathReport;
use tandem::replication::{self, Replication, ReplicationConfig, SecretPairing};
use tandem_storage::disk::RealDisk;
use tandem_storage::record::{Scope, SnapshotRow};
use tandem_storage::types::{NodeGuid, Timestamp};
use tandem_storage::{EngineKind, Options, Store};
use tokio::sync::watch;

use super::link::CutLink;
use super::world::wait;

/// The system's, put forward by a test; its wall clock steps, either way.
pub struct TestClock {
    system: SystemClock,
    ahead_micros: AtomicU64,
    stepped_micros: AtomicI64,
}

impl TestClock {
    fn ahead(&self) -> Duration {
        Duration::from_micros(self.ahead_micros.load(Ordering::SeqCst))
    }

    /// Somebody sets the wall clock; no time passes.
    pub fn step(&self, seconds: i64) {
        self.stepped_micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub fn pass(&self, time: Duration) {
        self.ahead_micros.fetch_add(time.as_micros() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let stepped = self.stepped_micros.load(Ordering::SeqCst);
        self.system.now().plus_micros(self.ahead().as_micros() as i64 + stepped)
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() + self.ahead()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.system.fill_random(bytes);
    }
}

pub struct Node {
    pub name: String,
    dir: PathBuf,
    guid: NodeGuid,
    pub clock: Arc<TestClock>,
    listen: SocketAddr,
    advertise: Option<String>,
    pairing: Option<(String, Option<String>)>,
    /// New bodies are refused below this many free bytes.
    pub low_watermark_bytes: u64,
    pub retention_cap: Duration,
    running: Option<Running>,
}

struct Running {
    runtime: tokio::runtime::Runtime,
    store: Store,
    control: Control,
    down: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    collecting: tokio::task::JoinHandle<()>,
}

/// Collects garbage now and then, as a node does.
async fn collect(store: Store, clock: Arc<TestClock>, mut down: watch::Receiver<bool>) {
    while !*down.borrow() {
        let (store, now) = (store.clone(), clock.now());
        let collected = tokio::task::spawn_blocking(move || store.collect(now)).await;
        if !matches!(collected, Ok(Ok(_))) {
            return;
        }
        let _ = tokio::time::timeout(Duration::from_millis(500), down.wait_for(|down| *down)).await;
    }
}

impl Node {
    pub fn new(dir: &std::path::Path, name: &str) -> Node {
        let (system, ahead_micros, stepped_micros) = (SystemClock::new(), AtomicU64::new(0), AtomicI64::new(0));
        let clock = Arc::new(TestClock { system, ahead_micros, stepped_micros });
        Node {
            name: name.to_owned(),
            dir: dir.join(name),
            guid: NodeGuid::from_bytes(random_guid(&*clock)),
            clock,
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: None,
            pairing: None,
            low_watermark_bytes: 1 << 20,
            retention_cap: Duration::from_secs(7 * 24 * 60 * 60),
            running: None,
        }
    }

    /// What peers are told to dial.
    pub fn behind(mut self, link: &CutLink) -> Node {
        self.advertise = Some(link.address.to_string());
        self
    }

    pub fn with_secret(mut self, secret: &str, peer: Option<String>) -> Node {
        self.pairing = Some((secret.to_owned(), peer));
        self
    }

    pub fn start(mut self) -> Node {
        self.restart();
        self
    }

    /// Starts, on the same address as before.
    pub fn restart(&mut self) {
        let disk = Arc::new(RealDisk::new(self.dir.join("data")).unwrap());
        let options = || Options {
            engine: EngineKind::Redb,
            node: self.guid,
            low_watermark_bytes: self.low_watermark_bytes,
            reserve_bytes: 0,
            checkpoint_every_bytes: 16 << 20,
            cache_bytes: 16 << 20,
            memtable_writes: 64,
            journal_file_bytes: 64 << 20,
        };
        // The directory of a killed node is free once its threads have gone.
        let store = wait("the data directory", || Store::open(disk.clone(), options()).ok());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (down, shutdown) = watch::channel(false);
        let start = || {
            let config = ReplicationConfig {
                listen: self.listen,
                advertise: self.advertise.clone(),
                name: self.name.clone(),
                region: "us-east-1".into(),
                s3_endpoint: format!("http://{}.example:9000", self.name),
                admin_endpoint: String::new(),
                identity_dir: self.dir.join("identity"),
                retention_cap: self.retention_cap,
                pairing: self.pairing.clone().map(|(secret, peer)| SecretPairing {
                    secret: zeroize::Zeroizing::new(secret),
                    peer_address: peer,
                    peer_name: None,
                }),
            };
            let started = replication::start(config, store.clone(), self.clock.clone(), shutdown.clone());
            runtime.block_on(started)
        };
        let Replication { control, address, task } = wait("the port", || start().ok());
        self.listen = address;
        let collecting = runtime.spawn(collect(store.clone(), self.clock.clone(), down.subscribe()));
        self.running = Some(Running { runtime, store, control, down, task, collecting });
    }

    /// The next start is on another port.
    pub fn moves(&mut self) {
        self.listen = "127.0.0.1:0".parse().unwrap();
    }

    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    pub fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.down.send(true).unwrap();
        running.runtime.block_on(running.task).unwrap();
        running.runtime.block_on(running.collecting).unwrap();
        drop(running.control);
        running.store.close().unwrap();
    }

    /// Everything ends where it is: no goodbye to the peer, no checkpoint.
    pub fn kill(&mut self) {
        let Running { runtime, store, control, down, task, collecting } = self.running.take().unwrap();
        drop(control);
        runtime.shutdown_background();
        drop((store, down, task, collecting));
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
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

    pub fn ask<T>(&self, future: impl Future<Output = T>) -> T {
        self.running().runtime.block_on(future)
    }

    pub fn path(&self, scope: &Scope) -> PathReport {
        self.control().path(scope).unwrap()
    }

    pub fn protect(&self, scope: &Scope, peer: &str, interval: Duration, keep: Duration) {
        let path =
            CreatePath { scope: scope.clone(), peer: peer.into(), interval, keep_local: keep, keep_remote: keep };
        self.ask(self.control().create_path(path)).unwrap();
    }

    /// Snapshots that the node keeps of a path, oldest first.
    pub fn snapshots(&self, scope: &Scope) -> Vec<SnapshotRow> {
        let path = self.store().paths().iter().find(|row| row.scope == *scope).unwrap().guid;
        self.store().snapshots(path).unwrap()
    }

    /// The row of the restore point that the node reports.
    pub fn restore_point(&self, scope: &Scope) -> SnapshotRow {
        let shown = self.path(scope).restore_point.unwrap().guid;
        self.snapshots(scope).into_iter().find(|row| row.meta.guid.to_string() == shown).unwrap()
    }

    /// Copies the directory of a stopped node to another, or back.
    pub fn copy_dir(&self, to: &std::path::Path, back: bool) {
        let (from, to) = if back { (to, self.dir.as_path()) } else { (self.dir.as_path(), to) };
        let _ = std::fs::remove_dir_all(to);
        copy(from, to);
    }
}

#[allow(clippy::disallowed_methods)]
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}
