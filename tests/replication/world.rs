//! Nodes, and clients of theirs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tandem::clock::{Clock, SystemClock, random_guid, random_u64};
use tandem::replication::control::{Control, CreatePath};
use tandem::replication::report::PathReport;
use tandem::replication::{self, Replication, ReplicationConfig, SecretPairing};
use tandem::role::gate::WriteGate;
use tandem_storage::blob::StagedBody;
use tandem_storage::change::{
    CreateBucket, CreateUpload, DeleteBucket, DeleteObject, NewObject, Precondition, PutObject, PutOutcome, PutPart,
    Refusal, VersionSelector, WritePermit,
};
use tandem_storage::disk::RealDisk;
use tandem_storage::record::{
    BucketRow, ContentHeaders, ObjectRow, PartRow, Scope, SnapshotRow, UploadRow, Versioning,
};
use tandem_storage::types::{Body, BucketGuid, BucketName, ETag, NodeGuid, ObjectKey, Timestamp, UploadId};
use tandem_storage::{Change, CommitError, EngineKind, Lane, Options, Pending, Store, Visit};
use tokio::sync::watch;

use super::link::CutLink;

pub const DEADLINE: Duration = Duration::from_secs(60);

/// Lets time pass: between polls, or while something else is to happen at some moment.
#[allow(clippy::disallowed_methods)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[allow(clippy::disallowed_methods)]
pub fn instant() -> Instant {
    Instant::now()
}

/// Polls until `seen` gives a value.
pub fn wait<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let start = instant();
    loop {
        if let Some(value) = seen() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited too long for {what}");
        pause(Duration::from_millis(20));
    }
}

pub fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

/// Everything a reader sees: bucket, key -> hash of the bytes, user metadata, time.
pub type Contents = BTreeMap<(String, String), (String, Vec<(String, String)>, i64)>;

/// A number from the environment, so that CI and campaigns run the same code.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The system's, put forward by a test.
pub struct TestClock {
    system: SystemClock,
    ahead_micros: AtomicU64,
}

impl TestClock {
    fn ahead(&self) -> Duration {
        Duration::from_micros(self.ahead_micros.load(Ordering::SeqCst))
    }

    pub fn pass(&self, time: Duration) {
        self.ahead_micros.fetch_add(time.as_micros() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.system.now().plus_micros(self.ahead().as_micros() as i64)
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
        let clock = Arc::new(TestClock { system: SystemClock::new(), ahead_micros: AtomicU64::new(0) });
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

    pub fn create_bucket(&self, name: &str) -> Result<BucketGuid, CommitError> {
        let guid = BucketGuid::from_bytes(random_guid(&*self.clock));
        let row = BucketRow {
            guid,
            name: bucket(name),
            created: self.clock.now(),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        let permit = self.permit(name)?;
        self.store()
            .commit(Lane::Client, self.clock.now(), CreateBucket { permit, row, settings: Vec::new() })
            .wait()
            .map(|_| guid)
    }

    /// A client's change to a bucket, made with a permit of now.
    pub fn change<C: Change>(
        &self,
        name: &str,
        change: impl FnOnce(WritePermit, BucketGuid) -> C,
    ) -> Result<C::Output, CommitError> {
        let change = change(self.permit(name)?, self.bucket_guid(name)?);
        self.store().commit(Lane::Client, self.clock.now(), change).wait().map(|durable| durable.into_inner())
    }

    pub fn random(&self) -> u64 {
        random_u64(&*self.clock)
    }

    fn permit(&self, name: &str) -> Result<WritePermit, CommitError> {
        let permit = WriteGate::new(self.store().clone()).permit(&bucket(name));
        permit.map_err(|_| CommitError::Refused(Refusal::Fenced))
    }

    fn bucket_guid(&self, name: &str) -> Result<BucketGuid, CommitError> {
        let view = self.store().read().unwrap().bucket(&bucket(name)).unwrap();
        view.map(|view| view.row.guid).ok_or(CommitError::Refused(Refusal::NoSuchBucket))
    }

    pub fn delete_bucket(&self, name: &str) -> Result<(), CommitError> {
        let delete = DeleteBucket { permit: self.permit(name)?, name: bucket(name), guid: self.bucket_guid(name)? };
        self.store().commit(Lane::Client, self.clock.now(), delete).wait().map(|_| ())
    }

    pub fn put(&self, name: &str, key: &str, bytes: &[u8]) -> Result<(), CommitError> {
        let mut writer = self.store().body_writer();
        writer.write(bytes).unwrap();
        self.put_body(name, key, writer.finish().unwrap())?.wait().map(|_| ())
    }

    /// Puts `len` bytes that nothing compresses, without holding them in memory.
    pub fn put_noise(&self, name: &str, key: &str, len: u64, seed: u64) -> Result<(), CommitError> {
        let (mut writer, mut dice) = (self.store().body_writer(), Dice(seed));
        let mut left = len;
        while left > 0 {
            let chunk = dice.bytes(left.min(64 * 1024) as usize);
            writer.write(&chunk).unwrap();
            left -= chunk.len() as u64;
        }
        self.put_body(name, key, writer.finish().unwrap())?.wait().map(|_| ())
    }

    /// Puts an object of the contents of others, one behind the other, as a multipart upload of copies does: a recipe over their roots.
    pub fn put_assembled(&self, name: &str, key: &str, parts: &[&str]) -> Result<(), CommitError> {
        let roots: Vec<_> = parts.iter().map(|part| self.body_of(name, part)).collect();
        self.put_body(name, key, self.store().assemble(&roots).unwrap())?.wait().map(|_| ())
    }

    fn body_of(&self, name: &str, key: &str) -> (Body, u64) {
        let reader = self.store().read().unwrap();
        let view = reader.bucket(&bucket(name)).unwrap().unwrap();
        let mut found = None;
        let visit = &mut |at: &str, row: ObjectRow| {
            if at == key {
                found = row.content().map(|content| (content.body, content.size));
            }
            Visit::Next
        };
        reader.objects(&view, key.as_bytes(), visit).unwrap();
        found.unwrap()
    }

    pub fn put_body(&self, name: &str, key: &str, body: StagedBody) -> Result<Pending<PutOutcome>, CommitError> {
        let size = body.size();
        let put = PutObject {
            permit: self.permit(name)?,
            bucket: self.bucket_guid(name)?,
            key: ObjectKey::new(key).unwrap(),
            precondition: Precondition::None,
            body,
            object: NewObject {
                etag: ETag::Md5([7; 16]),
                checksum: None,
                headers: ContentHeaders::default(),
                metadata: vec![("length".into(), size.to_string())],
                tags: Vec::new(),
                acl: None,
                lock: None,
                wrapped_key: None,
                parts: None,
            },
            random: random_u64(&*self.clock),
        };
        Ok(self.store().commit(Lane::Client, self.clock.now(), put))
    }

    /// Begins a multipart upload and puts its part 1.
    pub fn upload_part(&self, name: &str, key: &str, bytes: &[u8]) -> Result<UploadId, CommitError> {
        let (permit, bucket, now) = (self.permit(name)?, self.bucket_guid(name)?, self.clock.now());
        let (id, key) = (UploadId::from_bytes(random_guid(&*self.clock)), ObjectKey::new(key).unwrap());
        let row = UploadRow {
            id,
            key: key.clone(),
            initiated: now,
            headers: ContentHeaders::default(),
            metadata: Vec::new(),
            tags: Vec::new(),
            checksum: None,
            acl: None,
            lock: None,
            wrapped_key: None,
            initiator: None,
        };
        let _ = self.store().commit(Lane::Client, now, CreateUpload { permit, bucket, row }).wait()?;
        let mut writer = self.store().body_writer();
        writer.write(bytes).unwrap();
        let body = writer.finish().unwrap();
        let part = PutPart { permit, bucket, key, upload: id, number: 1, body, md5: [1; 16], checksum: None };
        self.store().commit(Lane::Client, now, part).wait().map(|_| id)
    }

    /// Uploads in progress: key, id, and parts by number with their sizes, every byte read.
    pub fn uploads(&self, name: &str) -> Vec<(String, UploadId, Vec<(u16, u64)>)> {
        let reader = self.store().read().unwrap();
        let Some(view) = reader.bucket(&bucket(name)).unwrap() else { return Vec::new() };
        let (mut rows, mut out) = (Vec::new(), Vec::new());
        let visit = &mut |row| {
            rows.push(row);
            Visit::Next
        };
        reader.uploads(&view, b"", visit).unwrap();
        for UploadRow { id, key, .. } in rows {
            let mut parts = Vec::new();
            let visit = &mut |number, part: PartRow| {
                let mut body = reader.open_body(&part.body, 0..part.size).unwrap();
                let (mut chunk, mut read) = (BytesMut::new(), 0);
                while body.next_chunk(&mut chunk).unwrap() {
                    read += chunk.split().len() as u64;
                }
                parts.push((number, read + chunk.len() as u64));
                ControlFlow::Continue(())
            };
            reader.parts(&view, id, 0, visit).unwrap();
            out.push((key.to_string(), id, parts));
        }
        out
    }

    pub fn delete(&self, name: &str, key: &str) -> Result<(), CommitError> {
        let delete = DeleteObject {
            permit: self.permit(name)?,
            bucket: self.bucket_guid(name)?,
            key: ObjectKey::new(key).unwrap(),
            version: VersionSelector::Latest,
            precondition: Precondition::None,
            random: random_u64(&*self.clock),
        };
        self.store().commit(Lane::Client, self.clock.now(), delete).wait().map(|_| ())
    }

    /// What a reader sees, whole, every byte read.
    pub fn contents(&self) -> Contents {
        let reader = self.store().read().unwrap();
        let (mut out, mut buckets) = (Contents::new(), Vec::new());
        let visit = &mut |view| {
            buckets.push(view);
            ControlFlow::Continue(())
        };
        reader.buckets(None, visit).unwrap();
        for view in buckets {
            out.insert((view.row.name.to_string(), String::new()), (view.row.guid.to_string(), Vec::new(), 0));
            let mut rows = Vec::new();
            let visit = &mut |key: &str, row| {
                rows.push((key.to_owned(), row));
                Visit::Next
            };
            reader.objects(&view, b"", visit).unwrap();
            for (key, row) in rows {
                let tandem_storage::record::ObjectRow { modified, state, .. } = row;
                let tandem_storage::record::ObjectState::Content(content) = state else { continue };
                let mut body = reader.open_body(&content.body, 0..content.size).unwrap();
                let (mut hasher, mut chunk) = (blake3::Hasher::new(), BytesMut::new());
                while body.next_chunk(&mut chunk).unwrap() {
                    hasher.update(&chunk.split());
                }
                hasher.update(&chunk);
                let value = (hasher.finalize().to_hex().to_string(), content.metadata, modified.as_micros());
                out.insert((view.row.name.to_string(), key), value);
            }
        }
        out
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

/// Two paired nodes.
pub struct World {
    pub dir: tempfile::TempDir,
    pub a: Node,
    pub b: Node,
}

pub const ALL: Scope = Scope::Endpoint;

impl World {
    pub fn paired() -> World {
        let dir = tempfile::tempdir().unwrap();
        let a = Node::new(dir.path(), "a").start();
        let b = Node::new(dir.path(), "b").start();
        World { dir, a, b }.pair()
    }

    pub fn pair(self) -> World {
        let token = self.a.ask(self.a.control().pairing_token()).unwrap();
        self.b.ask(self.b.control().pair(&token, "a")).unwrap();
        self
    }

    /// Two paired nodes, and the links by which a reaches b, and b reaches a.
    pub fn linked() -> (World, CutLink, CutLink) {
        let dir = tempfile::tempdir().unwrap();
        let (link, back) = (CutLink::new(), CutLink::new());
        let a = Node::new(dir.path(), "a").behind(&back).start();
        let b = Node::new(dir.path(), "b").behind(&link).start();
        link.lead_to(b.address());
        back.lead_to(a.address());
        (World { dir, a, b }.pair(), link, back)
    }

    /// Node a protects `scope`.
    pub fn protect(&self, scope: &Scope, interval: Duration) {
        self.a.protect(scope, "b", interval, Duration::from_secs(600));
    }

    pub fn protected() -> World {
        let world = World::paired();
        world.protect(&ALL, Duration::from_secs(1));
        world
    }
}

/// What `scope` covers of a node's contents.
fn covered(node: &Node, scope: &Scope) -> Contents {
    let mut contents = node.contents();
    contents.retain(|(name, _), _| match scope {
        Scope::Endpoint => true,
        Scope::Bucket(bucket) => bucket.to_string() == *name,
    });
    contents
}

/// Waits until `to` shows exactly what `from` has now.
pub fn converge(from: &Node, to: &Node, scope: &Scope) {
    let wanted = covered(from, scope);
    let start = instant();
    loop {
        let shown = covered(to, scope);
        if shown == wanted {
            return;
        }
        if start.elapsed() > DEADLINE {
            let differs: Vec<_> = wanted.keys().filter(|key| shown.get(*key) != wanted.get(*key)).collect();
            panic!(
                "{} does not become {}: {:#?}\nmissing {differs:?}\nfrom {:#?}\nto {:#?}",
                to.name,
                from.name,
                (wanted.len(), shown.len()),
                from.control().path(scope),
                to.control().path(scope)
            );
        }
        pause(Duration::from_millis(50));
    }
}

/// Randomness from a seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len.div_ceil(3)).flat_map(|_| self.below(1 << 24).to_le_bytes().into_iter().take(3)).take(len).collect()
    }
}

/// Waits until both sides name the source's newest snapshot as restore point, with the same digest. Readers see a restore point a moment before
/// reports do, so this may still be the one before when contents are equal already.
pub fn agree(source: &Node, destination: &Node, scope: &Scope) -> PathReport {
    wait("equal restore points", || {
        let (one, two) = (source.path(scope), destination.path(scope));
        let (left, right) = (one.restore_point.as_ref()?, two.restore_point.as_ref()?);
        let newest = source.snapshots(scope).last()?.meta.guid.to_string();
        let equal = left.guid == right.guid && left.digest == right.digest && left.digest.is_some();
        (equal && left.guid == newest).then_some(two)
    })
}

pub fn wait_role(node: &Node, scope: &Scope, role: &str, state: &str) -> PathReport {
    let start = instant();
    loop {
        let report = node.path(scope);
        if report.role == role && report.state == state {
            return report;
        }
        assert!(start.elapsed() < DEADLINE, "{} is not {role} {state}: {report:#?}", node.name);
        pause(Duration::from_millis(20));
    }
}
