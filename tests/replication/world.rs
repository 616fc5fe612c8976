//! Two nodes, and waiting for what they come to.

use std::time::{Duration, Instant};

use tandem::replication::report::{PathReport, Role, State};
use tandem_storage::record::Scope;

use super::client::Contents;
use super::link::CutLink;
use super::node::Node;

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

/// A number from the environment, so that CI and campaigns run the same code.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
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

pub fn wait_role(node: &Node, scope: &Scope, role: Role, state: State) -> PathReport {
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
