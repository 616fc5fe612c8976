//! An exhaustive check of the role machine: every interleaving of two nodes, their network, crashes, and an operator, up to the
//! limits of a scene. The machine and the plan are the real ones; the store and the driver are reduced to what roles can harm.
//!
//! A crash between a commit and what follows it is a message that is not sent; a crash before a commit is a step not taken, or
//! (in scenes with crashes) a pending commit that is lost; half-applied and half-rewound presents are states of their own.

mod mutants;
mod node;
mod turn;
mod world;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use tandem_storage::record::Scope;
use tandem_storage::types::{NodeGuid, PathGuid, Timestamp};

use super::{PathState, Peer, Policy, accept, create, step};
use node::{Content, Gate, Node};
use turn::{Order, Rules};
use world::{Limits, Move, Quick, Table, World};

const A: NodeGuid = NodeGuid::from_bytes([0xa; 16]);
const B: NodeGuid = NodeGuid::from_bytes([0xb; 16]);

const EMPTY: Content = 0;

fn bare(state: PathState, gate: Gate) -> Node {
    let (snapshots, transfer) = (Vec::new(), None);
    Node { state, gate, snapshots, present: EMPTY, mixed: false, dirty: true, transfer, cursor: None }
}

/// A source and the destination that has just been told of the path.
fn newborn() -> [Node; 2] {
    let policy =
        Policy { every: Policy::SHORTEST, start_at: None, keep_local: Policy::SHORTEST, keep_remote: Policy::SHORTEST };
    let (now, path) = (Timestamp::default(), PathGuid::from_bytes([1; 16]));
    let peer = |guid| Peer { guid, name: String::new() };
    let (state, _) = create(A, path, Scope::Endpoint, peer(B), policy, now).expect("a good policy");
    let source = bare(state, Gate::Writable);
    let (state, _) = accept(B, peer(A), &source.view(), now).expect("a source speaks");
    [source, bare(state, Gate::ReadAt(None))]
}

/// What a check found.
#[derive(Debug)]
struct Report {
    worlds: usize,
    /// Pairs of node states, each of which was left to settle.
    pairs: usize,
    nodes: usize,
    messages: usize,
    turns: usize,
    /// The shortest way to a broken promise.
    broken: Option<(String, Vec<Move>)>,
}

/// Worlds by number, in the order they were found, and how each was.
#[derive(Default)]
struct Found {
    numbers: HashMap<World, u32, Quick>,
    worlds: Vec<(World, u32, Option<Move>)>,
}

impl Found {
    fn add(&mut self, world: World, from: u32, made: Option<Move>) {
        if let Entry::Vacant(place) = self.numbers.entry(world) {
            place.insert(u32::try_from(self.worlds.len()).expect("fewer than 2^32 worlds"));
            self.worlds.push((world, from, made));
        }
    }

    fn way(&self, mut at: usize) -> Vec<Move> {
        let mut way = Vec::new();
        while let (_, from, Some(made)) = self.worlds[at] {
            way.push(made);
            at = from as usize;
        }
        way.reverse();
        way
    }
}

/// Breadth first, so that a counterexample is as short as can be. Ends when nothing new is found, or a promise is broken.
fn explore(rules: Rules, limits: Limits) -> Report {
    let mut table = Table::new(rules, limits);
    let mut found = Found::default();
    found.add(table.start(newborn()), 0, None);
    let mut pairs: HashSet<[u16; 2]> = HashSet::new();
    let (mut broken, mut moves, mut at) = (None, Vec::new(), 0);
    while broken.is_none() && at < found.worlds.len() {
        let world = found.worlds[at].0;
        if pairs.insert(world.nodes) {
            match table.settles(&world) {
                Ok(true) => {}
                Ok(false) => broken = Some(("the sides do not settle".to_owned(), found.way(at))),
                Err(why) => broken = Some((format!("while settling: {why}"), found.way(at))),
            }
        }
        moves.clear();
        if let Err((last, why)) = table.moves(&world, &mut moves) {
            let mut way = found.way(at);
            way.push(last);
            broken = Some((why, way));
        }
        for (made, reached) in moves.drain(..) {
            found.add(reached, u32::try_from(at).expect("fewer than 2^32 worlds"), Some(made));
        }
        at += 1;
    }
    let (nodes, messages, turns) = table.sizes();
    Report { worlds: found.worlds.len(), pairs: pairs.len(), nodes, messages, turns, broken }
}

/// Handovers asked for on either side and called off on either side; commits that crashes undo; transfers in parts.
const GRACEFUL: Limits = Limits {
    orders: &[Order::Failover, Order::Abort],
    reattach: false,
    orders_given: 2,
    writes: 1,
    snapshots: 1,
    crashes: 2,
    refusals: 0,
    views: 1,
    parts: true,
    speaks_early: false,
};

/// Handovers over a network that keeps old words and new ones, and delivers either.
const REORDERED: Limits = Limits { orders_given: 1, crashes: 0, views: 2, parts: false, ..GRACEFUL };

/// Everything an operator can do.
const FORCED: Limits = Limits {
    orders: &[Order::Failover, Order::Abort, Order::Force, Order::StandAlone],
    reattach: true,
    crashes: 0,
    ..GRACEFUL
};

/// Longer stories of force and reattach.
const REATTACHED: Limits =
    Limits { orders: &[Order::Force, Order::StandAlone], orders_given: 3, parts: false, ..FORCED };

/// A restore point turns out not to be what the source declared, while everything else goes on.
const REFUSED: Limits = Limits { refusals: 1, parts: false, ..FORCED };

/// The same with crashes, and handovers that wait for it.
const REFUSED_GRACEFUL: Limits = Limits { refusals: 1, crashes: 1, parts: false, ..GRACEFUL };

fn holds(name: &str, limits: Limits) {
    let Report { worlds, pairs, nodes, messages, turns, broken } = explore(step, limits);
    println!("{name}: {worlds} states, {pairs} pairs of {nodes} node states, {messages} messages, {turns} turns");
    if let Some((why, way)) = broken {
        panic!("{name}: {why}\n{}", way.iter().map(|made| format!("  {made:?}\n")).collect::<String>());
    }
}

#[test]
fn graceful_handovers_and_aborts_never_lose_a_write_nor_open_both_gates() {
    holds("graceful", GRACEFUL);
}

#[test]
fn late_and_reordered_words_open_no_second_gate() {
    holds("reordered", REORDERED);
}

#[test]
fn forced_and_standalone_sides_are_only_ever_writable_together_by_an_operator() {
    holds("forced", FORCED);
}

#[test]
fn reattached_sides_settle() {
    holds("reattached", REATTACHED);
}

#[test]
fn a_restore_point_that_is_taken_back_keeps_no_failover_from_its_end() {
    holds("refused", REFUSED);
}

#[test]
fn a_handover_waits_for_a_restore_point_that_is_taken_back_and_loses_nothing() {
    holds("refused in a handover", REFUSED_GRACEFUL);
}

/// A campaign: `TANDEM_MODEL="SCENE orders writes snapshots crashes views parts" cargo test ... campaign -- --ignored --nocapture`.
#[test]
#[ignore = "takes as long as its limits allow"]
fn campaign() {
    let text = std::env::var("TANDEM_MODEL").expect("TANDEM_MODEL is set");
    let (scene, numbers) = text.split_once(' ').expect("a scene and its limits");
    let numbers: Vec<u8> = numbers.split(' ').map(|number| number.parse().expect("a small number")).collect();
    let [orders_given, writes, snapshots, crashes, views, parts] = numbers[..] else { panic!("six limits") };
    let base = match scene {
        "graceful" => GRACEFUL,
        "forced" => FORCED,
        "reattached" => REATTACHED,
        "refused" => REFUSED,
        other => panic!("no scene {other}"),
    };
    let (views, parts) = (usize::from(views), parts != 0);
    holds(&text, Limits { orders_given, writes, snapshots, crashes, views, parts, ..base });
}
