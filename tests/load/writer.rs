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
    /// How many writes of single objects may still be begun.
    left: AtomicI64,
    /// How many writes by lists may still be begun.
    bulk_left: AtomicI64,
    pub acknowledged: AtomicU64,
    /// The writers are done.
    pub over: AtomicBool,
    /// Somebody has failed: everybody stops.
    pub failed: AtomicBool,
}

impl Shared {
    pub fn new(round: Round, nodes: [SocketAddr; 2]) -> Shared {
        let state = RwLock::new(State { source: vec![0; round.buckets], survived: 0 });
        let bulk = round.bulk_writes();
        let (left, bulk_left) = (AtomicI64::new((round.writes - bulk) as i64), AtomicI64::new(bulk as i64));
        let (over, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Shared { round, nodes, state, left, bulk_left, acknowledged: AtomicU64::new(0), over, failed }
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

    /// Takes the places of a list of writes, when the single ones are as far as the lists: both last for the whole round.
    fn take_list(&self) -> bool {
        loop {
            let share = |left: &AtomicI64, of: u64| left.load(Ordering::SeqCst).max(0) as f64 / of.max(1) as f64;
            let bulk = self.round.bulk_writes();
            let ahead = share(&self.bulk_left, bulk) < share(&self.left, self.round.writes - bulk);
            if self.failed.load(Ordering::SeqCst) {
                return false;
            }
            if !ahead {
                return self.bulk_left.fetch_sub(LIST as i64, Ordering::SeqCst) > 0;
            }
            pause(Duration::from_millis(2));
        }
    }
}

/// Keys in a list of deletes.
const LIST: u64 = 500;

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

    /// Lists of deletes of keys that were never there: in a bucket that keeps versions each puts a delete marker. So commits
    /// hold hundreds of rows, each written once.
    pub fn bulk(&mut self) {
        let (bucket, mut next) = (self.shared.round.versioned_bucket(), 0);
        while self.shared.take_list() {
            let keys: Vec<String> =
                (next..next + LIST).map(|number| format!("d{:03}/{number:08}", self.number)).collect();
            next += LIST;
            let listed: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
            let body = format!("<Delete>{listed}</Delete>").into_bytes();
            let ask = Ask { query: "delete=".into(), body, ..Ask::default() }.digested();
            let name = self.shared.round.bucket(bucket);
            match self.write(&Write { bucket, method: "POST", key: None, ask, writes: LIST }) {
                Ok(answer) => {
                    let text = answer.text();
                    let told = listing::inside(&text, "Deleted");
                    let told: Vec<_> = told
                        .map(|one| (listing::one(one, "Key"), listing::one(one, "DeleteMarkerVersionId")))
                        .collect();
                    // The gate may close between two keys of a list: the others are told with an error.
                    for (key, version) in told {
                        self.ledger.note(&name, key, Known::Marker(version.to_owned()));
                    }
                }
                Err(Died) => {
                    keys.iter().for_each(|key| self.ledger.note(&name, key, Known::Open));
                    self.wait_for_survivor();
                    self.ledger.keys.values_mut().for_each(|known| *known = Known::Open);
                }
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
