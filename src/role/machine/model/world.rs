//! Two nodes, a network that loses, repeats and reorders, and an operator; all of it as small numbers.

use std::collections::HashMap;

use super::super::{Cause, Destination, DestinationPhase, Disagreement, Life, SourcePhase};
use super::node::{Message, Node, Violation};
use super::turn::{Deed, Order, Outcome, Rules, turn};

/// No message in this place.
const NONE: u16 = u16::MAX;
/// Views that the network can remember in each direction; each may be delivered at any time, any number of times, or never.
const VIEWS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub nodes: [u16; 2],
    /// What a crash goes back to while a commit is not durable.
    pub durable: [u16; 2],
    /// Views to each node, sorted.
    views: [[u16; VIEWS]; 2],
    /// The newest data to each node.
    data: [u16; 2],
    /// The next fresh guid.
    number: u8,
    orders: u8,
    writes: u8,
    snapshots: u8,
    crashes: u8,
    refusals: u8,
    /// An operator forced or stood alone since the sides last agreed.
    licensed: bool,
}

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub orders: &'static [Order],
    pub reattach: bool,
    pub orders_given: u8,
    pub writes: u8,
    pub snapshots: u8,
    pub crashes: u8,
    /// Restore points that are found not to be what the source declared, when all their rows are applied.
    pub refusals: u8,
    /// Views that the network remembers in each direction: one can be late, two can overtake each other.
    pub views: usize,
    /// Transfers arrive, and are applied and rewound, in two parts.
    pub parts: bool,
    /// A node speaks of what is not durable yet: a mistake the checker must find.
    pub speaks_early: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    Node(usize, Deed),
    Say(usize, usize),
    Send(usize),
    Sync(usize),
    Crash(usize),
}

#[derive(Clone)]
struct Cached {
    node: u16,
    drew: bool,
    cause: Option<Cause>,
    forced: bool,
}

/// Nodes and messages by number, and each turn worked out once.
pub struct Table {
    rules: Rules,
    pub limits: Limits,
    nodes: Vec<Node>,
    views: Vec<u16>,
    parcels: Vec<u16>,
    messages: Vec<Message>,
    node_ids: HashMap<Vec<u8>, u16>,
    message_ids: HashMap<Vec<u8>, u16>,
    turns: HashMap<(u16, Deed, u8), Result<Option<Cached>, Violation>, Quick>,
}

impl Table {
    pub fn new(rules: Rules, limits: Limits) -> Self {
        let (node_ids, message_ids, turns) = (HashMap::new(), HashMap::new(), HashMap::default());
        let (nodes, views, parcels, messages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Table { rules, limits, nodes, views, parcels, messages, node_ids, message_ids, turns }
    }

    pub fn node(&self, id: u16) -> &Node {
        &self.nodes[id as usize]
    }

    pub fn start(&mut self, nodes: [Node; 2]) -> World {
        let nodes = nodes.map(|node| self.node_id(node));
        World {
            nodes,
            durable: [NONE; 2],
            views: [[NONE; VIEWS]; 2],
            data: [NONE; 2],
            number: 2,
            orders: 0,
            writes: 0,
            snapshots: 0,
            crashes: 0,
            refusals: 0,
            licensed: false,
        }
    }

    fn node_id(&mut self, node: Node) -> u16 {
        let key = node.key();
        if let Some(id) = self.node_ids.get(&key) {
            return *id;
        }
        let id = number(self.nodes.len());
        let view = self.message_id(Message::View(node.view()));
        let flight = match node.state.life() {
            Life::Source(source) => source.in_flight,
            _ => None,
        };
        let parcel = flight.and_then(|flight| node.parcel(&flight)).map_or(NONE, |data| self.message_id(data));
        self.nodes.push(node);
        self.views.push(view);
        self.parcels.push(parcel);
        self.node_ids.insert(key, id);
        id
    }

    fn message_id(&mut self, message: Message) -> u16 {
        let key = match &message {
            Message::View(view) => postcard::to_stdvec(&(0_u8, view)),
            Message::Data(offer, parcel) => postcard::to_stdvec(&(1_u8, offer, parcel.differs, parcel.declared)),
        };
        let key = key.expect("plain values");
        if let Some(id) = self.message_ids.get(&key) {
            return *id;
        }
        let id = number(self.messages.len());
        self.messages.push(message);
        self.message_ids.insert(key, id);
        id
    }

    fn turn(&mut self, node: u16, deed: Deed, fresh: u8) -> Result<Option<Cached>, Violation> {
        if let Some(known) = self.turns.get(&(node, deed, fresh)) {
            return known.clone();
        }
        let heard = match deed {
            Deed::Hear(id) | Deed::Plan(id) | Deed::Reattach(Some(id)) | Deed::Receive { data: id, .. } => Some(id),
            _ => None,
        };
        let message = heard.map(|id| self.messages[id as usize].clone());
        let outcome = turn(self.rules, self.node(node), deed, message.as_ref(), fresh);
        let cached = outcome.map(|outcome| {
            outcome.map(|Outcome { node, drew, cause, forced }| Cached {
                node: self.node_id(node),
                drew,
                cause,
                forced,
            })
        });
        self.turns.insert((node, deed, fresh), cached.clone());
        cached
    }

    /// All moves that change something, with the worlds they lead to.
    pub fn moves(&mut self, world: &World, out: &mut Vec<(Move, World)>) -> Result<(), (Move, Violation)> {
        for side in 0..2 {
            if world.durable[side] != NONE {
                self.unsynced(world, side, out);
                continue;
            }
            let mut deeds = vec![Deed::Tick, Deed::Apply, Deed::Undo, Deed::Rewind];
            if world.refusals < self.limits.refusals {
                deeds.push(Deed::Refuse);
            }
            if self.limits.parts {
                deeds.extend([Deed::ApplyPart, Deed::RewindPart]);
            }
            self.inputs(world, side, &mut deeds);
            for deed in deeds {
                let there = Move::Node(side, deed);
                if let Some(next) = self.deed(world, side, deed).map_err(|why| (there, why))? {
                    out.push((there, next));
                }
            }
            self.say(world, side, out);
        }
        Ok(())
    }

    fn inputs(&self, world: &World, side: usize, deeds: &mut Vec<Deed>) {
        let limits = self.limits;
        let views = world.views[side].into_iter().filter(|view| *view != NONE);
        for view in views {
            deeds.extend([Deed::Hear(view), Deed::Plan(view)]);
            if limits.reattach && world.orders < limits.orders_given {
                deeds.push(Deed::Reattach(Some(view)));
            }
        }
        if world.data[side] != NONE {
            let ways: &[bool] = if limits.parts { &[false, true] } else { &[true] };
            deeds.extend(ways.iter().map(|whole| Deed::Receive { data: world.data[side], whole: *whole }));
        }
        if world.orders < limits.orders_given {
            deeds.extend(limits.orders.iter().map(|order| Deed::Order(*order)));
        }
        if world.writes < limits.writes {
            deeds.push(Deed::Write(1 << world.writes));
        }
        if world.snapshots < limits.snapshots {
            deeds.push(Deed::Snapshot);
        }
    }

    fn deed(&mut self, world: &World, side: usize, deed: Deed) -> Result<Option<World>, Violation> {
        let Some(done) = self.turn(world.nodes[side], deed, world.number)? else { return Ok(None) };
        let mut next = *world;
        next.nodes[side] = done.node;
        next.number += u8::from(done.drew);
        next.licensed |= done.forced;
        match deed {
            Deed::Order(_) | Deed::Reattach(_) => next.orders += 1,
            Deed::Write(_) => next.writes += 1,
            Deed::Snapshot => next.snapshots += 1,
            Deed::Refuse => next.refusals += 1,
            _ => {}
        }
        if (self.limits.crashes > 0 || self.limits.speaks_early) && !matches!(deed, Deed::Write(_)) {
            next.durable[side] = world.nodes[side];
        }
        self.promises(&next, side, done.cause)?;
        if self.agreed(&next) {
            next.licensed = false;
        }
        Ok((next != *world).then_some(next))
    }

    fn unsynced(&mut self, world: &World, side: usize, out: &mut Vec<(Move, World)>) {
        let mut synced = *world;
        synced.durable[side] = NONE;
        out.push((Move::Sync(side), synced));
        if world.crashes < self.limits.crashes {
            let mut crashed = synced;
            crashed.nodes[side] = world.durable[side];
            crashed.crashes += 1;
            out.push((Move::Crash(side), crashed));
        }
        if self.limits.speaks_early {
            self.say(world, side, out);
        }
    }

    /// A node tells what it is, over any of the places that the network remembers; and sends what it has in flight.
    fn say(&mut self, world: &World, side: usize, out: &mut Vec<(Move, World)>) {
        let (view, to) = (self.views[world.nodes[side] as usize], 1 - side);
        if !world.views[to].contains(&view) {
            // Sorted: empty places are at the end.
            let known = world.views[to].iter().filter(|view| **view != NONE).count();
            let places = if known < self.limits.views { known..known + 1 } else { 0..known };
            for at in places {
                let mut next = *world;
                next.views[to][at] = view;
                next.views[to].sort_unstable();
                out.push((Move::Say(side, at), next));
            }
        }
        let parcel = self.parcels[world.nodes[side] as usize];
        if parcel != NONE && world.data[to] != parcel {
            let mut next = *world;
            next.data[to] = parcel;
            out.push((Move::Send(side), next));
        }
    }

    fn promises(&self, world: &World, side: usize, cause: Option<Cause>) -> Result<(), Violation> {
        let pair = world.nodes.map(|id| self.node(id));
        if pair[0].state.writable() && pair[1].state.writable() && !world.licensed {
            return Err("both sides are writable, and no operator asked for it".into());
        }
        let (me, other) = (pair[side], pair[1 - side]);
        if cause == Some(Cause::HandedOver) && !world.licensed && other.present & !me.present != 0 {
            return Err("a handover lost writes".into());
        }
        if !world.licensed
            && pair.iter().any(|node| !node.state.detail.diverged.is_empty())
            && self.limits.orders_only_graceful()
        {
            return Err("writes diverged in a graceful handover".into());
        }
        match me.state.conflict().map(|evidence| evidence.disagreement) {
            Some(Disagreement::EqualEpochs) if world.licensed => Ok(()),
            Some(disagreement) => Err(format!("a conflict nobody caused: {disagreement:?}")),
            None => Ok(()),
        }
    }

    /// One writes (or wrote last), the other follows in the same epoch, and nothing forced is pending.
    fn agreed(&self, world: &World) -> bool {
        let [one, two] = world.nodes.map(|id| &self.node(id).state);
        let follows = |life: &Life| match life {
            Life::Destination(Destination { phase, .. }) => {
                matches!(phase, DestinationPhase::Initializing | DestinationPhase::Active)
                    || matches!(phase, DestinationPhase::Rewinding { takeover: None, .. })
            }
            _ => false,
        };
        let leads =
            |life: &Life| matches!(life, Life::Source(source) if !matches!(source.phase, SourcePhase::Conflict(_)));
        one.epoch == two.epoch && (leads(one.life()) && follows(two.life()) || leads(two.life()) && follows(one.life()))
    }

    /// With faults and the operator gone, and views and data getting through, the sides settle: one leads and the other follows with
    /// nothing to send, or an operator must decide and can see it.
    pub fn settles(&mut self, world: &World) -> Result<bool, Violation> {
        let mut world = World { durable: [NONE; 2], ..*world };
        for _ in 0..64 {
            let before = world;
            for side in 0..2 {
                world = self.settle_side(world, side)?;
            }
            if world == before {
                return Ok(self.settled(&world));
            }
        }
        Ok(false)
    }

    fn settle_side(&mut self, mut world: World, side: usize) -> Result<World, Violation> {
        for deed in [Deed::Rewind, Deed::Apply, Deed::Undo, Deed::Tick] {
            world = self.deed(&world, side, deed)?.unwrap_or(world);
            world.durable = [NONE; 2];
        }
        let view = self.views[world.nodes[1 - side] as usize];
        for deed in [Deed::Hear(view), Deed::Plan(view)] {
            world = self.deed(&world, side, deed)?.unwrap_or(world);
            world.durable = [NONE; 2];
        }
        let parcel = self.parcels[world.nodes[1 - side] as usize];
        if parcel != NONE {
            world = self.deed(&world, side, Deed::Receive { data: parcel, whole: true })?.unwrap_or(world);
            world.durable = [NONE; 2];
        }
        Ok(world)
    }

    fn settled(&self, world: &World) -> bool {
        let pair = world.nodes.map(|id| &self.node(id).state);
        let explicit = |life: &Life| matches!(life, Life::Standalone(_));
        if pair.iter().any(|state| explicit(state.life()) || state.conflict().is_some()) {
            return true;
        }
        let writes = pair.iter().filter(|state| state.writable()).count();
        self.agreed(world) && writes == 1
    }

    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.nodes.len(), self.messages.len(), self.turns.len())
    }
}

/// A hash of small numbers; the standard one guards against enemies, and there are none here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quick(u64);

impl std::hash::BuildHasher for Quick {
    type Hasher = Quick;

    fn build_hasher(&self) -> Quick {
        Quick(0)
    }
}

impl std::hash::Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(29) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}

impl Limits {
    fn orders_only_graceful(&self) -> bool {
        !self.orders.iter().any(|order| matches!(order, Order::Force | Order::StandAlone)) && !self.reattach
    }
}

fn number(index: usize) -> u16 {
    u16::try_from(index).ok().filter(|id| *id != NONE).expect("a scene has few distinct nodes and messages")
}
