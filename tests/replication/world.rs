//! Nodes, clients and a link that can be cut.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tandem::clock::{Clock, SystemClock, random_guid, random_u64};
use tandem::replication::control::{Control, CreatePath};
use tandem::replication::report::PathReport;
use tandem::replication::{self, Replication, ReplicationConfig, SecretPairing};
use tandem::role::gate::WriteGate;
use tandem_storage::change::{
    CreateBucket, CreateUpload, DeleteBucket, DeleteObject, NewObject, Precondition, PutObject, PutPart, Refusal,
    VersionSelector,
};
use tandem_storage::disk::RealDisk;
use tandem_storage::record::{BucketRow, ContentHeaders, PartRow, Scope, UploadRow, Versioning};
use tandem_storage::types::{BucketGuid, BucketName, ETag, NodeGuid, ObjectKey, UploadId};
use tandem_storage::{CommitError, EngineKind, Lane, Options, Store, Visit};
use tokio::sync::watch;

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

pub struct Node {
    pub name: String,
    dir: PathBuf,
    guid: NodeGuid,
    clock: Arc<SystemClock>,
    listen: SocketAddr,
    advertise: Option<String>,
    pairing: Option<(String, Option<String>)>,
    /// New bodies are refused below this many free bytes.
    pub low_watermark_bytes: u64,
    running: Option<Running>,
}

struct Running {
    runtime: tokio::runtime::Runtime,
    store: Store,
    control: Control,
    down: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    pub fn new(dir: &std::path::Path, name: &str) -> Node {
        let clock = Arc::new(SystemClock::new());
        Node {
            name: name.to_owned(),
            dir: dir.join(name),
            guid: NodeGuid::from_bytes(random_guid(&*clock)),
            clock,
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: None,
            pairing: None,
            low_watermark_bytes: 1 << 20,
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
        self.running = Some(Running { runtime, store, control, down, task });
    }

    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    pub fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.down.send(true).unwrap();
        running.runtime.block_on(running.task).unwrap();
        drop(running.control);
        running.store.close().unwrap();
    }

    /// Everything ends where it is: no goodbye to the peer, no checkpoint.
    pub fn kill(&mut self) {
        let Running { runtime, store, control, down, task } = self.running.take().unwrap();
        drop(control);
        runtime.shutdown_background();
        drop((store, down, task));
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
        self.store().commit(Lane::Client, self.clock.now(), CreateBucket { permit, row }).wait().map(|_| guid)
    }

    fn permit(&self, name: &str) -> Result<tandem_storage::change::WritePermit, CommitError> {
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
        let permit = self.permit(name)?;
        let mut writer = self.store().body_writer();
        writer.write(bytes).unwrap();
        let put = PutObject {
            permit,
            bucket: self.bucket_guid(name)?,
            key: ObjectKey::new(key).unwrap(),
            precondition: Precondition::None,
            body: writer.finish().unwrap(),
            object: NewObject {
                etag: ETag::Md5([7; 16]),
                checksum: None,
                headers: ContentHeaders::default(),
                metadata: vec![("length".into(), bytes.len().to_string())],
                tags: Vec::new(),
                acl: None,
                lock: None,
                wrapped_key: None,
                parts: None,
            },
            random: random_u64(&*self.clock),
        };
        self.store().commit(Lane::Client, self.clock.now(), put).wait().map(|_| ())
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

    /// Node a protects `scope`.
    pub fn protect(&self, scope: &Scope, interval: Duration) {
        let path = CreatePath {
            scope: scope.clone(),
            peer: "b".into(),
            interval,
            keep_local: Duration::from_secs(600),
            keep_remote: Duration::from_secs(600),
        };
        self.a.ask(self.a.control().create_path(path)).unwrap();
    }

    pub fn protected() -> World {
        let world = World::paired();
        world.protect(&ALL, Duration::from_secs(1));
        world
    }
}

/// Waits until `to` shows exactly what `from` has now.
pub fn converge(from: &Node, to: &Node, scope: &Scope) {
    let wanted = from.contents();
    let start = instant();
    while to.contents() != wanted {
        if start.elapsed() > DEADLINE {
            let differs: Vec<_> = wanted.keys().filter(|key| to.contents().get(*key) != wanted.get(*key)).collect();
            panic!(
                "{} does not become {}: {:#?}\nmissing {differs:?}\nfrom {:#?}\nto {:#?}",
                to.name,
                from.name,
                (wanted.len(), to.contents().len()),
                from.control().path(scope),
                to.control().path(scope)
            );
        }
        pause(Duration::from_millis(50));
    }
}

/// Waits until both sides name the same restore point with the same digest.
pub fn agree(source: &Node, destination: &Node, scope: &Scope) -> PathReport {
    wait("equal restore points", || {
        let (one, two) = (source.path(scope), destination.path(scope));
        let (left, right) = (one.restore_point.as_ref()?, two.restore_point.as_ref()?);
        let equal = left.guid == right.guid && left.digest == right.digest && left.digest.is_some();
        equal.then_some(two)
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

/// A TCP link that breaks after a number of bytes, and again.
pub struct CutLink {
    pub address: SocketAddr,
    target: Arc<std::sync::Mutex<Option<SocketAddr>>>,
    /// Bytes until the next cut; 0: never.
    budget: Arc<AtomicU64>,
    open: Arc<AtomicBool>,
    /// Nothing comes back from the server any more.
    mute: Arc<AtomicBool>,
    pub cuts: Arc<AtomicU64>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl CutLink {
    pub fn new() -> CutLink {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let link = CutLink {
            address: listener.local_addr().unwrap(),
            target: Arc::default(),
            budget: Arc::new(AtomicU64::new(u64::MAX)),
            open: Arc::new(AtomicBool::new(true)),
            mute: Arc::default(),
            cuts: Arc::default(),
            runtime: Some(runtime),
        };
        let wire = Wire {
            budget: link.budget.clone(),
            open: link.open.clone(),
            mute: link.mute.clone(),
            cuts: link.cuts.clone(),
        };
        let target = link.target.clone();
        link.runtime.as_ref().unwrap().spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let Some(address) = *target.lock().unwrap() else { continue };
                let wire = wire.clone();
                tokio::spawn(async move {
                    if !wire.open.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(server) = tokio::net::TcpStream::connect(address).await {
                        wire.carry(client, server).await;
                    }
                });
            }
        });
        link
    }

    pub fn lead_to(&self, address: SocketAddr) {
        *self.target.lock().unwrap() = Some(address);
    }

    /// The next `bytes` pass, then whatever connection carries them breaks.
    pub fn cut_after(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::SeqCst);
    }

    pub fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }

    pub fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
    }
}

impl Drop for CutLink {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

#[derive(Clone)]
struct Wire {
    budget: Arc<AtomicU64>,
    open: Arc<AtomicBool>,
    mute: Arc<AtomicBool>,
    cuts: Arc<AtomicU64>,
}

impl Wire {
    async fn carry(&self, client: tokio::net::TcpStream, server: tokio::net::TcpStream) {
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        tokio::select! {
            () = self.pump(client_read, server_write, false) => {}
            () = self.pump(server_read, client_write, true) => {}
        }
    }

    async fn pump(
        &self,
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
        back: bool,
    ) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = tokio::time::timeout(Duration::from_millis(50), from.read(&mut buffer)).await;
            if !self.open.load(Ordering::SeqCst) {
                return;
            }
            let Ok(read) = read else { continue };
            let Ok(count @ 1..) = read else { return };
            if back && self.mute.load(Ordering::SeqCst) {
                continue;
            }
            let left = self.budget.load(Ordering::SeqCst);
            let pass = u64::try_from(count).unwrap().min(left) as usize;
            if left != u64::MAX {
                self.budget.fetch_sub(pass as u64, Ordering::SeqCst);
            }
            if to.write_all(&buffer[..pass]).await.is_err() {
                return;
            }
            if pass < count {
                self.budget.store(u64::MAX, Ordering::SeqCst);
                self.cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    }
}
