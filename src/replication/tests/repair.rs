//! Asking for the bytes of others, and being asked by somebody who lies.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper::body::Incoming;
use tandem_storage::blob::BlobError;
use tandem_storage::types::{ContentHash, NodeGuid, PathGuid};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::super::message::{Answer, Envelope, FETCH_BYTES, Failure, Fetch, Request, Told};
use super::super::report::RepairReport;
use super::super::wire::{BlobStream, Caller, Handler, Limits, decode, encode, serve};
use super::damage::spoil;
use super::rogue::{Rogue, failed, snapshot};
use super::rows::{self, object_key};
use super::victim::{DEADLINE, OWN, VICTIM, Victim, scope};
use crate::role::machine::PathView;
use crate::tls::{Pins, replication_server};

fn fetch(rogue: &Rogue, key: &str, way: &[ContentHash]) -> Fetch {
    let key = object_key(1, key).encode();
    Fetch { path: rogue.path, snapshot: snapshot(1), key, way: way.to_vec(), offset: 0 }
}

async fn refusal(rogue: &Rogue, fetch: Fetch) -> Failure {
    failed(&rogue.ask(Request::Fetch(fetch)).await).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_given_what_its_path_leads_to_and_nothing_else() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    let spoilt = b"what will be spoilt";
    rogue.deliver(2, Some(1), vec![rows::object(1, "spoilt", spoilt)], &[spoilt]).await;
    let (first, mine) = (ContentHash::of(b"first"), ContentHash::of(b"mine"));
    let good = fetch(&rogue, "k", &[first]);
    let given = rogue.ask(Request::Fetch(good.clone())).await;
    assert!(matches!(&given, Answer::Bytes(bytes) if bytes[..] == *b"first"), "{given:?}");
    let behind = rogue.ask(Request::Fetch(Fetch { offset: FETCH_BYTES as u64, ..good.clone() })).await;
    assert!(matches!(&behind, Answer::Bytes(bytes) if bytes.is_empty()), "{behind:?}");

    // Bytes that are here, and bytes that are nowhere, by every name there is: the answer is the same.
    let nowhere = ContentHash::of(b"nowhere");
    for hash in [mine, nowhere] {
        let own = Fetch { key: object_key(OWN, "mine").encode(), ..fetch(&rogue, "k", &[hash]) };
        for asked in [fetch(&rogue, "k", &[hash]), fetch(&rogue, "k", &[first, hash]), own] {
            assert_eq!(refusal(&rogue, asked).await, Failure::Unreferenced);
        }
    }
    let odd = [
        fetch(&rogue, "absent", &[first]),
        fetch(&rogue, "k", &[]),
        fetch(&rogue, "k", &[first; 200]),
        Fetch { snapshot: snapshot(77), ..good.clone() },
        Fetch { offset: 1, ..good.clone() },
        Fetch { key: b"no key".to_vec(), ..good.clone() },
    ];
    for asked in odd {
        assert_eq!(refusal(&rogue, asked).await, Failure::Unreferenced);
    }
    let elsewhere = Fetch { path: PathGuid::from_bytes([66; 16]), ..good.clone() };
    assert_eq!(refusal(&rogue, elsewhere).await, Failure::NoPath);

    // Another peer: neither by the first one's path, nor by its snapshot.
    let mut other = Rogue::paired(&victim, 3).await;
    (other.path, other.scope) = (PathGuid::from_bytes([8; 16]), scope("others"));
    other.accept().await;
    other.deliver(5, None, vec![rows::bucket(2, "others"), rows::object(2, "k", b"others'")], &[b"others'"]).await;
    assert_eq!(refusal(&other, good.clone()).await, Failure::NoPath);
    assert_eq!(refusal(&other, Fetch { path: other.path, ..good.clone() }).await, Failure::Unreferenced);
    let with_its_own = Fetch { path: other.path, snapshot: snapshot(5), ..good.clone() };
    assert_eq!(refusal(&other, with_its_own).await, Failure::Unreferenced);

    let spoilt_one = Fetch { snapshot: snapshot(2), ..fetch(&rogue, "spoilt", &[ContentHash::of(spoilt)]) };
    let given = rogue.ask(Request::Fetch(spoilt_one.clone())).await;
    assert!(matches!(&given, Answer::Bytes(bytes) if bytes[..] == *spoilt), "{given:?}");
    let before = Fetch { snapshot: snapshot(1), ..spoilt_one.clone() };
    assert_eq!(refusal(&rogue, before).await, Failure::Unreferenced);
    spoil(&victim, spoilt);
    assert_eq!(refusal(&rogue, spoilt_one).await, Failure::Damaged);
    victim.control.remove_path(&rogue.scope).await.unwrap();
    assert_eq!(refusal(&rogue, good.clone()).await, Failure::NoPath);
    victim.control.remove_peer("rogue").await.unwrap();
    assert!(rogue.try_ask(Request::Fetch(good)).await.is_err(), "its key is withdrawn");
    victim.stop().await;
}

#[tokio::test]
async fn a_peer_that_asks_for_too_much_is_told_to_wait() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    let long = vec![ContentHash::of(b"first"); 128];
    let mut answers = Vec::new();
    while answers.last() != Some(&Failure::Busy) {
        answers.push(refusal(&rogue, fetch(&rogue, "k", &long)).await);
        assert!(answers.len() < 100, "{answers:?}");
    }
    victim.stop().await;
}

/// What it says when it is asked for the bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    OtherBytes,
    TooFew,
    TooMany,
    Nothing,
    SomethingElse,
    NoMessage,
    AnEndlessOne,
    Silence,
    Stillness,
}

/// The peer of a path, which tells the truth when it wants to.
struct Liar {
    view: PathView,
    contents: HashMap<ContentHash, (Vec<u8>, Lie)>,
    honest: AtomicBool,
    asked: AtomicUsize,
}

impl Liar {
    async fn answer(&self, fetch: &Fetch) -> Vec<u8> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (truth, lie) = &self.contents[fetch.way.last().unwrap()];
        let answer = match lie {
            _ if self.honest.load(Ordering::SeqCst) => Answer::Bytes(truth.clone()),
            Lie::OtherBytes => Answer::Bytes(vec![b'x'; truth.len()]),
            Lie::TooFew => Answer::Bytes(truth[1..].to_vec()),
            Lie::TooMany => Answer::Bytes([&truth[..], b"and more"].concat()),
            Lie::Nothing => Answer::Failed(Failure::Unreferenced),
            Lie::SomethingElse => Answer::Done,
            Lie::NoMessage => return b"nonsense".to_vec(),
            Lie::AnEndlessOne => return vec![0; 64 << 20],
            Lie::Silence | Lie::Stillness => std::future::pending().await,
        };
        encode(&answer).unwrap()
    }
}

impl Handler for Liar {
    async fn pair(&self, _: &Caller, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    async fn call(&self, _: NodeGuid, message: &[u8]) -> Option<Vec<u8>> {
        let envelope: Envelope = decode(message).ok()?;
        match envelope.request {
            Request::Hello(_) => {
                let view = Told::View { view: Box::new(self.view.clone()), age: None };
                encode(&Answer::Hello(vec![view])).ok()
            }
            Request::Fetch(fetch) => Some(self.answer(&fetch).await),
            _ => encode(&Answer::Failed(Failure::NoPath)).ok(),
        }
    }

    async fn blobs(&self, _: NodeGuid, _: BlobStream<Incoming>) -> Option<Vec<u8>> {
        None
    }
}

/// A node whose peer lies about what is damaged.
struct Lied {
    victim: Victim,
    liar: Arc<Liar>,
    down: watch::Sender<bool>,
    _rogue: Rogue,
}

impl Lied {
    /// One object for each lie, and each of them damaged.
    async fn to(lies: &[Lie]) -> Lied {
        let victim = Victim::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut rogue = Rogue::at(&victim, NodeGuid::from_bytes([2; 16]), address).await;
        rogue.accept().await;
        let content = |lie: &Lie| format!("what was stored, before somebody said {lie:?}").into_bytes();
        let contents: Vec<Vec<u8>> = lies.iter().map(content).collect();
        let mut told = vec![rows::bucket(1, "path")];
        told.extend(contents.iter().enumerate().map(|(at, content)| rows::object(1, &format!("k{at}"), content)));
        let blobs: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        rogue.deliver(1, None, told, &blobs).await;
        let mut view = rogue.view();
        view.snapshots.push(rogue.offer(1, None).to);
        let named = contents.iter().zip(lies).map(|(content, lie)| (ContentHash::of(content), (content.clone(), *lie)));
        let (honest, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        let liar = Arc::new(Liar { view, contents: named.collect(), honest, asked });
        let pins = Arc::new(Pins::default());
        pins.replace(HashMap::from([(rogue.server, VICTIM)]));
        let config = replication_server(&rogue.identity, pins.clone()).unwrap();
        let (down, shutdown) = watch::channel(false);
        tokio::spawn(serve(listener, config, pins, liar.clone(), Limits::USUAL, shutdown));
        let lied = Lied { victim, liar, down, _rogue: rogue };
        contents.iter().for_each(|content| spoil(&lied.victim, content));
        // Met one after the other at once, so that they are looked for together.
        assert!(!contents.iter().any(|content| lied.is_sound(&ContentHash::of(content))));
        lied
    }

    fn is_sound(&self, hash: &ContentHash) -> bool {
        match self.victim.store.blob(*hash) {
            Ok(bytes) => bytes[..] == self.liar.contents[hash].0[..],
            Err(BlobError::Damaged(_)) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn until(&self, seen: impl Fn(&RepairReport) -> bool) -> RepairReport {
        let polled = tokio::time::timeout(3 * DEADLINE, async {
            loop {
                let report = self.victim.control.report().repair;
                if seen(&report) {
                    return report;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        });
        let last = || format!("{:?}", self.victim.control.report().repair);
        polled.await.unwrap_or_else(|_| panic!("waited too long: {}", last()))
    }

    async fn all_is_repaired(self) {
        self.liar.honest.store(true, Ordering::SeqCst);
        let all = self.liar.contents.len() as u64;
        let report = self.until(|report| report.waiting.is_empty()).await;
        let had: Vec<_> = report.repaired.iter().map(|repaired| (repaired.peer.as_str(), repaired.blobs)).collect();
        assert_eq!(had, [("rogue", all)]);
        assert!(self.liar.contents.keys().all(|hash| self.is_sound(hash)));
        assert_eq!(self.victim.store.distrusted(), []);
        self.down.send(true).unwrap();
        self.victim.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_was_asked_for_changes_nothing_and_the_truth_is_taken_later() {
    let lies = [Lie::OtherBytes, Lie::TooFew, Lie::TooMany, Lie::Nothing, Lie::SomethingElse];
    let lied = Lied::to(&lies).await;
    let instances = || {
        let instance = |hash: &ContentHash| (*hash, lied.victim.store.instance(*hash).unwrap());
        lied.liar.contents.keys().map(instance).collect::<HashMap<_, _>>()
    };
    let before = instances();
    let report = lied
        .until(|report| report.waiting.len() == lies.len() && report.waiting.iter().all(|waiting| waiting.tries > 0))
        .await;
    assert!(report.waiting.iter().all(|waiting| waiting.why.contains("rogue")), "{report:?}");
    assert!(report.repaired.is_empty(), "{report:?}");
    assert!(lied.liar.asked.load(Ordering::SeqCst) <= 2 * lies.len());
    assert_eq!(instances(), before, "nothing has taken their place");
    assert!(lied.liar.contents.keys().all(|hash| !lied.is_sound(hash)));
    lied.all_is_repaired().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_or_does_not_end_breaks_the_connection_and_no_more() {
    for lie in [Lie::NoMessage, Lie::AnEndlessOne] {
        let lied = Lied::to(&[lie]).await;
        lied.until(|report| report.waiting.iter().any(|waiting| waiting.tries > 0)).await;
        lied.all_is_repaired().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_silent_is_asked_once_and_again_later() {
    // Two blobs: each is named after its lie.
    let lied = Lied::to(&[Lie::Silence, Lie::Stillness]).await;
    let report = lied.until(|report| report.waiting.iter().filter(|waiting| waiting.tries > 0).count() == 2).await;
    assert_eq!(lied.liar.asked.load(Ordering::SeqCst), 1, "{report:?}");
    assert!(report.repaired.is_empty(), "{report:?}");
    lied.all_is_repaired().await;
}
