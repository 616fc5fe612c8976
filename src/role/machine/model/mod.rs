//! An exhaustive check of the role machine: every interleaving of two nodes, their network, crashes, and an operator, up to the
//! limits of a scene. The machine and the plan are the real ones; the store and the driver are reduced to what roles can harm.
//!
//! A crash between a commit and what follows it is a message that is not sent; a crash before a commit is a step not taken, or
//! (in scenes with crashes) a pending commit that is lost; half-applied and half-rewound presents are states of their own.

mod mutants;
mod node;
mod turn;
mod world;

use std::collections::{HashMap, VecDeque};

use tandem_storage::record::Scope;
use tandem_storage::types::{NodeGuid, PathGuid, Timestamp};

use super::{PathState, Peer, Policy, accept, create, step};
use node::{Content, Gate, Node};
use turn::{Order, Rules};
use world::{Limits, Move, Table, World};

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
    nodes: usize,
    messages: usize,
    turns: usize,
    /// The shortest way to a broken promise.
    broken: Option<(String, Vec<Move>)>,
}

/// Breadth first, so that a counterexample is as short as can be. `at_most` is a limit for campaigns; a test demands exhaustion.
fn explore(rules: Rules, limits: Limits, at_most: usize) -> Report {
    let mut table = Table::new(rules, limits);
    let start = table.start(newborn());
    let mut came: HashMap<World, Option<(World, Move)>> = HashMap::from([(start, None)]);
    let mut healed: HashMap<[u32; 2], ()> = HashMap::new();
    let mut next = VecDeque::from([start]);
    let mut broken = None;
    let mut moves = Vec::new();
    while let Some(world) = next.pop_front() {
        if broken.is_some() || came.len() > at_most {
            break;
        }
        if healed.insert(world.nodes, ()).is_none() {
            match table.settles(&world) {
                Ok(true) => {}
                Ok(false) => broken = Some(("the sides do not settle".to_owned(), way(&came, world))),
                Err(why) => broken = Some((format!("while settling: {why}"), way(&came, world))),
            }
        }
        moves.clear();
        if let Err((last, why)) = table.moves(&world, &mut moves) {
            let mut way = way(&came, world);
            way.push(last);
            broken = Some((why, way));
        }
        for (made, reached) in moves.drain(..) {
            came.entry(reached).or_insert_with(|| {
                next.push_back(reached);
                Some((world, made))
            });
        }
    }
    let (nodes, messages, turns) = table.sizes();
    Report { worlds: came.len(), nodes, messages, turns, broken }
}

fn way(came: &HashMap<World, Option<(World, Move)>>, mut world: World) -> Vec<Move> {
    let mut way = Vec::new();
    while let Some(Some((from, made))) = came.get(&world) {
        way.push(*made);
        world = *from;
    }
    way.reverse();
    way
}

const GRACEFUL: Limits = Limits {
    orders: &[Order::Failover, Order::Abort],
    reattach: false,
    orders_given: 2,
    writes: 1,
    snapshots: 2,
    crashes: 0,
    speaks_early: false,
};

const CRASHES: Limits = Limits { orders_given: 1, writes: 1, snapshots: 1, crashes: 2, ..GRACEFUL };

const FORCED: Limits = Limits {
    orders: &[Order::Failover, Order::Abort, Order::Force, Order::StandAlone],
    reattach: true,
    orders_given: 2,
    writes: 1,
    snapshots: 1,
    ..GRACEFUL
};

const REATTACHED: Limits =
    Limits { orders: &[Order::Force, Order::StandAlone], orders_given: 3, writes: 1, snapshots: 1, ..FORCED };

fn holds(name: &str, limits: Limits) {
    let report = explore(step, limits, usize::MAX);
    println!(
        "{name}: {} states, {} node states, {} messages, {} distinct turns",
        report.worlds, report.nodes, report.messages, report.turns
    );
    if let Some((why, way)) = report.broken {
        panic!("{name}: {why}\n{}", way.iter().map(|made| format!("  {made:?}\n")).collect::<String>());
    }
}

#[test]
fn graceful_handovers_and_aborts_never_lose_a_write_nor_open_both_gates() {
    holds("graceful", GRACEFUL);
}

#[test]
fn crashes_around_every_commit_change_nothing() {
    holds("crashes", CRASHES);
}

#[test]
fn forced_and_standalone_sides_are_only_ever_writable_together_by_an_operator() {
    holds("forced", FORCED);
}

#[test]
fn reattached_sides_settle() {
    holds("reattached", REATTACHED);
}
