//! A store next to its model, and random steps that do the same to both.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use tandem_storage::blob::{BlobError, BodyReader, StagedBody};
use tandem_storage::change::{Refusal, WritePermit};
use tandem_storage::disk::Disk;
use tandem_storage::record::Versioning;
use tandem_storage::types::{
    Body, BucketGuid, BucketName, EpochNumber, HoldId, NodeGuid, ObjectKey, PathGuid, Seq, SnapshotGuid, Timestamp,
};
use tandem_storage::{Change, CommitError, EngineKind, EngineSteps, Lane, Options, ReadError, Store};

use crate::content::{Content, Contents, Sizes};
use crate::dump;
use crate::model::{Bucket, Model};
use crate::random::Random;

pub const BUCKETS: [&str; 3] = ["alpha", "beta", "gamma"];
pub const SETTINGS: [&str; 2] = ["policy", "tagging"];
/// Few, and such that one begins another.
const KEYS: [&str; 7] = ["a", "a/", "a/b", "a/b\u{0}c", "ab", "b", "\u{e9}t\u{e9}"];

/// The store does not take changes any more: a fault reached it.
#[derive(Debug)]
pub struct Stopped(pub String);

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Stopped(error.to_string())
    }
}

/// What must be found after a restart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    pub model: Rc<Model>,
    pub snapshots: BTreeMap<SnapshotGuid, (Seq, Rc<Model>)>,
}

/// The protected path that snapshots are taken of.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    pub guid: PathGuid,
    pub epoch: EpochNumber,
}

/// How many writes are gathered in memory, by seed: none, fewer than most batches have, a few batches, all.
const GATHERED: [usize; 4] = [0, 6, 60, 100_000];

/// Who does the engine's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// Its thread, whenever it comes to.
    Thread,
    /// The world, by chance.
    World,
}

pub struct World {
    pub disk: Arc<dyn Disk>,
    pub options: Options,
    /// With the store goes what does its engine's work.
    store: Option<(Store, Option<Arc<EngineSteps>>)>,
    engine: Engine,
    pub expected: Expected,
    pub path: Option<Path>,
    pub cursor: Option<HoldId>,
    pub now: i64,
    pub random: Random,
    pub contents: Contents,
    pub sizes: Sizes,
    /// Readers that were opened a while ago: what they read must still be there.
    pub open: Vec<(BodyReader, Content)>,
    /// Content that was stored once, and may be gone.
    pub stale: Vec<(Body, Content)>,
    pub log: Vec<String>,
}

pub fn options(engine: EngineKind) -> Options {
    Options {
        engine,
        node: NodeGuid::from_bytes([7; 16]),
        low_watermark_bytes: 0,
        reserve_bytes: 64 * 1024,
        checkpoint_every_bytes: 1 << 40,
        cache_bytes: 1 << 20,
        memtable_writes: 64,
        journal_file_bytes: 100_000,
    }
}

impl World {
    pub fn new(disk: Arc<dyn Disk>, options: Options, seed: u64) -> Result<Self, Stopped> {
        World::with(Engine::Thread, disk, options, seed)
    }

    /// The engine's work is done in steps between the others, by chance: the order of syncs is the same each time.
    pub fn in_steps(disk: Arc<dyn Disk>, options: Options, seed: u64) -> Result<Self, Stopped> {
        World::with(Engine::World, disk, options, seed)
    }

    fn with(engine: Engine, disk: Arc<dyn Disk>, options: Options, seed: u64) -> Result<Self, Stopped> {
        let options = Options { memtable_writes: GATHERED[(seed + seed / 16) as usize % GATHERED.len()], ..options };
        let store = Some(open(engine, &disk, &options)?);
        Ok(World {
            disk,
            options,
            store,
            engine,
            expected: Expected::default(),
            path: None,
            cursor: None,
            now: 1_700_000_000_000_000,
            random: Random::new(seed),
            contents: Contents::default(),
            sizes: Sizes::Usual,
            open: Vec::new(),
            stale: Vec::new(),
            log: Vec::new(),
        })
    }

    pub fn store(&self) -> &Store {
        &self.store.as_ref().expect("open between reopenings").0
    }

    /// Where the world does the engine's work.
    pub fn engine_steps(&self) -> Option<Arc<EngineSteps>> {
        self.store.as_ref().and_then(|(_, steps)| steps.clone())
    }

    /// What is to do a step of the engine's work now, at times; at times for a checkpoint that begins now.
    pub fn engine_at_times(&mut self) -> Option<Arc<EngineSteps>> {
        let steps = self.engine_steps()?;
        if !self.random.one_in(3) {
            return None;
        }
        if self.random.one_in(3) {
            self.checkpoint().ok()?;
        }
        self.log.push("engine".into());
        Some(steps)
    }

    pub fn model(&self) -> &Model {
        &self.expected.model
    }

    pub fn model_mut(&mut self) -> &mut Model {
        Rc::make_mut(&mut self.expected.model)
    }

    pub fn bucket_mut(&mut self, guid: BucketGuid) -> &mut Bucket {
        self.model_mut().buckets.values_mut().find(|bucket| bucket.guid == guid).expect("the bucket is in the model")
    }

    /// The clock: mostly forward, at times back.
    pub fn tick(&mut self) -> Timestamp {
        self.now += if self.random.one_in(15) { -3_000_000 } else { self.random.below(2_000_000) as i64 };
        Timestamp::from_micros(self.now)
    }

    pub fn permit(&self) -> WritePermit {
        match self.path {
            None => WritePermit::Unprotected,
            Some(Path { guid, epoch }) => WritePermit::Path { path: guid, epoch },
        }
    }

    /// Commits, and waits. A refusal is an answer, a stop is not.
    pub fn commit<C: Change>(
        &mut self,
        now: Timestamp,
        change: C,
    ) -> Result<Result<(Seq, C::Output), Refusal>, Stopped> {
        let lane = if self.random.one_in(4) { Lane::Background } else { Lane::Client };
        match self.store().commit(lane, now, change).wait() {
            Ok(durable) => Ok(Ok((durable.seq(), durable.into_inner()))),
            Err(CommitError::Refused(refusal)) => Ok(Err(refusal)),
            Err(CommitError::Stopped(reason)) => Err(Stopped(reason)),
        }
    }

    /// Stores bytes, in writes of a random size.
    pub fn stage(&mut self, content: &Content) -> Result<StagedBody, Stopped> {
        let step = [700, 65_536, 1 << 20][self.random.below(3)];
        let mut writer = self.store().body_writer();
        for piece in &content.pieces {
            let bytes = self.contents.bytes(*piece);
            for chunk in bytes.chunks(step.max(bytes.len() / 64)) {
                writer.write(chunk).map_err(stopped)?;
            }
        }
        let staged = writer.finish().map_err(stopped)?;
        assert_eq!(staged.size(), content.size);
        Ok(staged)
    }

    pub fn some_name(&mut self) -> BucketName {
        let at = self.random.below(BUCKETS.len());
        BucketName::new(BUCKETS[at]).expect("a valid name")
    }

    pub fn some_key(&mut self) -> ObjectKey {
        let at = self.random.below(KEYS.len());
        ObjectKey::new(KEYS[at]).expect("a valid key")
    }

    /// A bucket that is there, as a rule.
    pub fn some_bucket(&mut self) -> Option<(BucketGuid, Versioning)> {
        let name = self.some_name();
        let found = self.model().buckets.get(&name).or_else(|| self.model().buckets.values().next());
        found.map(|bucket| (bucket.guid, bucket.versioning))
    }

    pub fn some_snapshot(&mut self) -> Option<(SnapshotGuid, Seq, Rc<Model>)> {
        let at = self.random.below(self.expected.snapshots.len());
        self.expected.snapshots.iter().nth(at).map(|(guid, (seq, model))| (*guid, *seq, model.clone()))
    }

    /// Closes the store, properly or by dropping it, and opens it again.
    pub fn reopen(&mut self) -> Result<(), Stopped> {
        self.open.clear();
        let (store, steps) = self.store.take().expect("open between reopenings");
        if self.random.one_in(2) {
            store.close().map_err(|error| Stopped(error.to_string()))?;
        }
        drop((store, steps));
        self.store = Some(open(self.engine, &self.disk, &self.options)?);
        Ok(())
    }

    /// The process dies and starts again; the power stays. Goes on from what the store is found to be: the first of these that fits.
    pub fn restart(&mut self, found: &[Expected]) -> Result<(), Stopped> {
        self.open.clear();
        drop(self.store.take());
        let (store, steps) = open(self.engine, &self.disk, &self.options)?;
        let fits = |expected: &&Expected| matches!(matches_store(&store, expected), Ok(Ok(())));
        let fitting =
            found.iter().find(fits).ok_or_else(|| Stopped("neither of the states that it may have".into()))?;
        self.expected = fitting.clone();
        self.path = store.paths().first().map(|row| Path { guid: row.guid, epoch: row.epoch.number });
        self.cursor = store.cursors()?.first().map(|cursor| cursor.id);
        self.store = Some((store, steps));
        Ok(())
    }

    /// Reads what earlier readers have left, and lets them go.
    pub fn finish_readers(&mut self) -> Result<(), Stopped> {
        for (mut reader, content) in std::mem::take(&mut self.open) {
            let mut hasher = blake3::Hasher::new();
            let mut chunk = BytesMut::new();
            while reader.next_chunk(&mut chunk).map_err(stopped)? {
                hasher.update(&chunk);
                chunk.clear();
            }
            assert_eq!(*hasher.finalize().as_bytes(), *content.hash.as_bytes(), "a reader lost its bytes");
        }
        Ok(())
    }

    /// Everything there is, against the model.
    pub fn compare(&self) -> Result<(), Stopped> {
        matches_store(self.store(), &self.expected)
            .map(|matches| matches.unwrap_or_else(|difference| panic!("{difference}")))
    }
}

fn open(engine: Engine, disk: &Arc<dyn Disk>, options: &Options) -> Result<(Store, Option<Arc<EngineSteps>>), Stopped> {
    let opened = match engine {
        Engine::Thread => Store::open(disk.clone(), options.clone()).map(|store| (store, None)),
        Engine::World => {
            let opened = Store::open_in_steps(disk.clone(), options.clone());
            opened.map(|(store, steps)| (store, Some(Arc::new(steps))))
        }
    };
    opened.map_err(|error| Stopped(error.to_string()))
}

pub fn stopped(error: BlobError) -> Stopped {
    Stopped(error.to_string())
}

/// Whether a store holds exactly what is expected; if not, the first difference.
pub fn matches_store(store: &Store, expected: &Expected) -> Result<Result<(), String>, Stopped> {
    let differ = |what: &str, found: &[String], wanted: &[String]| {
        let only = |one: &[String], other: &[String]| {
            let lines: Vec<String> = one.iter().filter(|line| !other.contains(line)).cloned().collect();
            lines.join("\n    ")
        };
        format!(
            "{what} differs\n  store only:\n    {}\n  model only:\n    {}",
            only(found, wanted),
            only(wanted, found)
        )
    };
    let (found, wanted) = (dump::present(store)?, dump::expected(&expected.model));
    if found != wanted {
        return Ok(Err(differ("the present", &found, &wanted)));
    }
    for (seq, model) in expected.snapshots.values() {
        let (found, wanted) = (dump::at(store, *seq)?, dump::expected(model));
        if found != wanted {
            return Ok(Err(differ(&format!("the snapshot at {seq}"), &found, &wanted)));
        }
    }
    Ok(Ok(()))
}
