//! One connection's client: it writes as fast as it is answered, and knows what must be there.

use std::net::SocketAddr;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::http::{Answer, Ask, Client};
use crate::ledger::{Known, Ledger};
use crate::listing;
use crate::mixed::Mixed;
use crate::scenario::Round;
use crate::time::{DEADLINE, Dice, instant, pause};

/// What the operator changes and the writers obey. Both parts are read at once: a writer that has not yet settled after
/// a forced failover writes nothing to the new source.
#[derive(Clone)]
pub struct State {
    /// Which node is to be written to, by bucket.
    pub source: Vec<usize>,
    /// How many nodes were killed and replaced by force.
    pub survived: u64,
}

/// What the writers and the operator of a round share.
pub struct Shared {
    pub round: Round,
    pub nodes: [SocketAddr; 2],
    state: RwLock<State>,
    /// How many writes may still be begun.
    left: AtomicI64,
    pub acknowledged: AtomicU64,
    /// The writers are done.
    pub over: AtomicBool,
    /// Somebody has failed: everybody stops.
    pub failed: AtomicBool,
}

impl Shared {
    pub fn new(round: Round, nodes: [SocketAddr; 2]) -> Shared {
        let state = RwLock::new(State { source: vec![0; round.buckets], survived: 0 });
        let left = AtomicI64::new(round.writes as i64);
        let (over, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Shared { round, nodes, state, left, acknowledged: AtomicU64::new(0), over, failed }
    }

    pub fn now(&self) -> State {
        self.state.read().expect("no thread fails while it holds the lock").clone()
    }

    pub fn turn(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().expect("no thread fails while it holds the lock"));
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || self.failed.load(Ordering::SeqCst)
    }

    /// Takes the place of one write; whether there was one left.
    fn take(&self) -> bool {
        !self.failed.load(Ordering::SeqCst) && self.left.fetch_sub(1, Ordering::SeqCst) > 0
    }
}

/// Stops the whole round if the thread that holds it fails.
pub struct Alarm<'a>(pub &'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::SeqCst);
        }
    }
}

/// An order for one request.
pub struct Write {
    pub bucket: usize,
    pub method: &'static str,
    /// Absent: of the bucket itself.
    pub key: Option<String>,
    pub ask: Ask,
    /// How many objects it puts or deletes.
    pub writes: u64,
}

/// The node died under the request: whether it was carried out is unknown.
pub struct Died;

pub struct Writer<'a> {
    pub shared: &'a Shared,
    pub number: usize,
    pub client: Client,
    pub dice: Dice,
    pub ledger: Ledger,
    survived: u64,
    /// Acknowledged keys that a forced failover left behind.
    pub lost: Vec<String>,
}

impl<'a> Writer<'a> {
    pub fn new(shared: &'a Shared, number: usize) -> Writer<'a> {
        let seed = shared.round.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
        Writer {
            shared,
            number,
            client: Client::new(shared.nodes[0]),
            dice: Dice(seed),
            ledger: Ledger::default(),
            survived: 0,
            lost: Vec::new(),
        }
    }

    /// Keys that are written once: `w007/00000000`, `w007/00000001`, ... Each prefix of them that a reader sees has no
    /// hole, because a key is begun when the one before is acknowledged.
    pub fn once(&mut self) {
        let mut next = 0;
        let mut died = false;
        while died || self.shared.take() {
            let (key, body) = (self.once_key(next), self.once_body(next));
            let ask = Ask::body(body).header("x-amz-meta-number", next.to_string());
            match self.write(&Write { bucket: 0, method: "PUT", key: Some(key.clone()), ask, writes: 1 }) {
                Ok(answer) => {
                    died = false;
                    next += 1;
                    self.ledger.note(&self.shared.round.bucket(0), &key, Known::Object(etag(&answer)));
                }
                Err(Died) => {
                    died = true;
                    next = self.settle_once(next);
                }
            }
        }
    }

    pub fn mixed(&mut self) {
        let mut mixed = Mixed::new(self.number);
        while self.shared.take() {
            let places = mixed.step(self);
            let Err(places) = places else { continue };
            for (bucket, key) in places {
                self.ledger.note(&self.shared.round.bucket(bucket), &key, Known::Open);
            }
            self.wait_for_survivor();
            mixed.forget();
            // What was acknowledged and had not been shipped is gone too.
            for known in self.ledger.keys.values_mut() {
                *known = Known::Open;
            }
        }
    }

    /// Sends a request to the source until it is carried out: a node that has become the destination refuses it.
    ///
    /// # Errors
    /// The connection broke. The node has been killed and another is the source when this returns.
    pub fn write(&mut self, write: &Write) -> Result<Answer, Died> {
        let start = instant();
        let name = self.shared.round.bucket(write.bucket);
        let target = write.key.as_ref().map_or(format!("/{name}"), |key| format!("/{name}/{key}"));
        loop {
            let State { source, survived } = self.shared.now();
            if survived != self.survived {
                return Err(Died);
            }
            self.client.turn_to(self.shared.nodes[source[write.bucket]]);
            match self.client.send(write.method, &target, &write.ask) {
                Err(_) => return Err(Died),
                Ok(answer) if answer.is_success() => {
                    self.shared.acknowledged.fetch_add(write.writes, Ordering::SeqCst);
                    return Ok(answer);
                }
                Ok(answer) => {
                    // 403: a destination. 503: its gate is closing, or it is starting. Both have changed nothing.
                    let goes_on = matches!(answer.status, 403 | 503) && start.elapsed() < DEADLINE;
                    assert!(goes_on, "{} {target}: {} {}", write.method, answer.status, answer.text());
                    assert!(!self.shared.failed.load(Ordering::SeqCst), "another writer has failed");
                    pause(Duration::from_millis(5));
                }
            }
        }
    }

    fn wait_for_survivor(&mut self) {
        let start = instant();
        while self.shared.now().survived == self.survived {
            assert!(start.elapsed() < DEADLINE, "a node broke a connection, and nobody had killed it");
            assert!(!self.shared.failed.load(Ordering::SeqCst), "another writer has failed");
            pause(Duration::from_millis(10));
        }
        self.survived = self.shared.now().survived;
    }

    /// After a forced failover: what the new source shows is the truth from now on. It has no hole.
    fn settle_once(&mut self, begun: u64) -> u64 {
        self.wait_for_survivor();
        let bucket = self.shared.round.bucket(0);
        let mut client = Client::new(self.shared.nodes[self.shared.now().source[0]]);
        let shown = listing::objects(&mut client, &bucket, &format!("w{:03}/", self.number), &mut Vec::new());
        let kept = shown.len() as u64;
        let holes = holes(self.number, &shown.into_keys().collect::<Vec<_>>());
        assert!(holes.is_empty(), "the restore point that was promoted lacks {holes:?}");
        assert!(kept <= begun + 1, "w{:03}: {kept} are there and {begun} were written", self.number);
        for number in kept..begun {
            let key = self.once_key(number);
            self.ledger.keys.remove(&(bucket.clone(), key.clone()));
            self.lost.push(key);
        }
        for number in begun..kept {
            self.ledger.note(&bucket, &self.once_key(number), Known::Open);
        }
        kept
    }

    fn once_key(&self, number: u64) -> String {
        format!("w{:03}/{number:08}", self.number)
    }

    /// Always the same for a key, so that a write whose answer never came can be sent again.
    fn once_body(&self, number: u64) -> Vec<u8> {
        let mark = format!("{} {number};", self.number);
        let size = self.shared.round.size.max(mark.len());
        mark.bytes().cycle().take(size).collect()
    }
}

/// Keys that are missing between those of one writer that a reader sees.
pub fn holes(writer: usize, shown: &[String]) -> Vec<String> {
    let numbers: Vec<u64> = shown.iter().filter_map(|key| key.split_once('/')?.1.parse().ok()).collect();
    let end = numbers.iter().max().map_or(0, |last| last + 1);
    let shown: std::collections::BTreeSet<u64> = numbers.into_iter().collect();
    (0..end).filter(|number| !shown.contains(number)).map(|number| format!("w{writer:03}/{number:08}")).collect()
}

/// Without its quotes.
pub fn etag(answer: &Answer) -> String {
    answer.header("etag").unwrap_or_default().replace('"', "")
}
