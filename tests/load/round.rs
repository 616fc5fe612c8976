//! One round: two new nodes, writers, an operator, and the comparison when they are done.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::http::{Ask, Client};
use crate::ledger::Ledger;
use crate::listing::{Listing, compare_objects, get, inside, try_objects};
use crate::pair::{A, Pair};
use crate::scenario::{Event, Mix, Part, Round};
use crate::time::{DEADLINE, Dice, instant, pause, wait};
use crate::writer::{Alarm, Shared, Writer, holes};

/// Of a bucket's versions, how many are compared object by object.
const SAMPLE: usize = 150;
/// Of what differs, how much is shown.
const SHOWN: usize = 20;

pub fn run(round: &Round) {
    println!("{round:?}");
    let start = instant();
    let mut pair = Pair::start(round.checkpoint_every);
    prepare(&pair, round);
    for path in round.paths() {
        pair.protect(&path, round.interval);
    }
    let shared = Shared::new(round.clone(), [pair.nodes[0].s3, pair.nodes[1].s3]);
    let began = instant();
    let (ledger, lost) = load(&mut pair, &shared);
    let seconds = began.elapsed().as_secs_f64();
    for path in round.paths() {
        pair.catch_up(&path, 1 - shared.now().source[0]);
    }
    let compared = compare(&pair, &shared, &ledger);
    if round.events.contains(&Event::Forced) {
        names_what_was_lost(&pair, &lost);
    }
    let acknowledged = shared.acknowledged.load(Ordering::SeqCst);
    println!(
        "round {}: {acknowledged} writes in {seconds:.1} s ({:.0}/s), {} lost by force, {compared} versions compared, \
         {:.1} s in all",
        round.seed,
        acknowledged as f64 / seconds,
        lost.len(),
        start.elapsed().as_secs_f64()
    );
}

/// Makes the buckets, and keeps versions in every other one.
fn prepare(pair: &Pair, round: &Round) {
    let mut client = Client::new(pair.nodes[A].s3);
    let mut ask = |target: &str, ask: &Ask| {
        let answer = client.send("PUT", target, ask).unwrap();
        assert!(answer.is_success(), "PUT {target}: {} {}", answer.status, answer.text());
    };
    for number in 0..round.buckets {
        let target = format!("/{}", round.bucket(number));
        ask(&target, &Ask::default());
        let tags = format!("<Tagging><TagSet><Tag><Key>n</Key><Value>{number}</Value></Tag></TagSet></Tagging>");
        ask(&target, &Ask { query: "tagging=".into(), body: tags.into(), ..Ask::default() }.digested());
        if round.is_versioned(number) {
            let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
            ask(&target, &Ask { query: "versioning=".into(), body: on.into(), ..Ask::default() }.digested());
        }
    }
}

/// Runs the writers and the operator to the end. Returns what must be there, and the acknowledged keys that a forced
/// failover left behind.
fn load(pair: &mut Pair, shared: &Shared) -> (Ledger, Vec<String>) {
    let round = &shared.round;
    std::thread::scope(|scope| {
        for _ in 0..round.busy {
            scope.spawn(|| {
                while !shared.is_over() {
                    std::hint::black_box(Dice(1).bytes(4096));
                }
            });
        }
        scope.spawn(|| watch(shared));
        let writers: Vec<_> = (0..round.connections).map(|number| scope.spawn(move || write(shared, number))).collect();
        if round.snapshots {
            let places = operator_places(pair);
            scope.spawn(move || ask_for_snapshots(shared, &places));
        }
        let raised = Alarm(shared);
        for (number, event) in round.events.iter().enumerate() {
            let share = round.writes * (number as u64 + 1) / (round.events.len() as u64 + 1);
            wait_for_writes(shared, share);
            match event {
                Event::Graceful => hand_over(pair, shared),
                Event::Forced => kill_and_force(pair, shared),
            }
        }
        let (mut ledger, mut lost) = (Ledger::default(), Vec::new());
        for writer in writers {
            let (its, left_behind) = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ledger.join(its);
            lost.extend(left_behind);
        }
        shared.over.store(true, Ordering::SeqCst);
        drop(raised);
        (ledger, lost)
    })
}

fn write(shared: &Shared, number: usize) -> (Ledger, Vec<String>) {
    let _raised = Alarm(shared);
    let mut writer = Writer::new(shared, number);
    match shared.round.part_of(number) {
        Part::Once => writer.once(),
        Part::Mixed => writer.mixed(),
        Part::Bulk => writer.bulk(),
    }
    (writer.ledger, writer.lost)
}

/// Reads at the destination all the while: of a writer's keys that are written once it never shows one without those
/// before it, because it is exactly one snapshot.
fn watch(shared: &Shared) {
    let _raised = Alarm(shared);
    let mut dice = Dice(shared.round.seed);
    if shared.round.mix == Mix::Mixed {
        return;
    }
    while !shared.is_over() {
        let writer = dice.below(shared.round.connections as u64) as usize;
        let reader = shared.nodes[1 - shared.now().source[0]];
        let (bucket, prefix) = (shared.round.bucket(0), format!("w{writer:03}/"));
        // While the reader is down there is nothing to see.
        if let Ok(shown) = try_objects(&mut Client::new(reader), &bucket, &prefix, &mut Vec::new()) {
            let shown: Vec<String> = shown.into_keys().collect();
            let holes = holes(writer, &shown);
            assert!(holes.is_empty(), "under load the destination lacks {holes:?} of {} keys", shown.len());
        }
        pause(Duration::from_millis(30));
    }
}

/// How an operator reaches each node.
fn operator_places(pair: &Pair) -> [crate::pair::Operator; 2] {
    pair.nodes.each_ref().map(crate::pair::Node::operator)
}

fn ask_for_snapshots(shared: &Shared, places: &[crate::pair::Operator; 2]) {
    while !shared.is_over() {
        for path in shared.round.paths() {
            // Refused while roles change, and while a node is down.
            let _ = places[shared.now().source[0]].order(&["path", "replicate-now", &path]);
        }
        pause(Duration::from_millis(250));
    }
}

fn wait_for_writes(shared: &Shared, writes: u64) {
    let (mut seen, mut since) = (0, instant());
    while seen < writes {
        let now = shared.acknowledged.load(Ordering::SeqCst);
        if now > seen {
            (seen, since) = (now, instant());
        }
        assert!(since.elapsed() < DEADLINE, "the writers make no progress");
        assert!(!shared.failed.load(Ordering::SeqCst), "a writer has failed");
        pause(Duration::from_millis(5));
    }
}

/// Waits until a node follows: after an earlier switch it may still be rewinding.
fn wait_until_it_follows(pair: &Pair, node: usize, path: &str) {
    wait("the other node to follow", || {
        let report = pair.nodes[node].path(path)?;
        let follows = report["state"] == "Active" || report["state"] == "Syncing";
        (report["role"] == "Destination" && follows && !report["restore_point"].is_null()).then_some(())
    });
}

fn hand_over(pair: &Pair, shared: &Shared) {
    let to = 1 - shared.now().source[0];
    for path in shared.round.paths() {
        wait_until_it_follows(pair, to, &path);
        pair.nodes[to].order(&["failover", "--graceful", "--yes", &path]).unwrap();
        shared.turn(|state| {
            for bucket in 0..shared.round.buckets {
                if shared.round.path_of(bucket) == path {
                    state.source[bucket] = to;
                }
            }
        });
    }
}

/// The source dies and is replaced; then it comes back as the destination.
fn kill_and_force(pair: &mut Pair, shared: &Shared) {
    let from = shared.now().source[0];
    for path in shared.round.paths() {
        wait_until_it_follows(pair, 1 - from, &path);
    }
    pair.nodes[from].kill();
    for path in shared.round.paths() {
        pair.nodes[1 - from].order(&["failover", "--force", "--yes", &path]).unwrap();
    }
    shared.turn(|state| {
        state.source.fill(1 - from);
        state.survived += 1;
    });
    pair.nodes[from].restart();
}

/// Compares both nodes with each other and with what the clients know. Returns how many versions were compared.
fn compare(pair: &Pair, shared: &Shared, ledger: &Ledger) -> usize {
    let (round, mut compared) = (&shared.round, 0);
    for number in 0..round.buckets {
        let bucket = round.bucket(number);
        let source = shared.now().source[number];
        let nodes = [shared.nodes[source], shared.nodes[1 - source]];
        let [one, two] = nodes.map(|node| Listing::of(node, &bucket));
        compared += one.versions.len();
        let known = ledger.differs(&bucket, &one);
        fail(pair, &format!("the source does not list what was written to {bucket}"), &known);
        fail(pair, &format!("the destination's {bucket} is not the source's"), &one.differs(&two));
        let step = one.versions.len() / SAMPLE + 1;
        let sample: Vec<_> = one.versions.iter().step_by(step).cloned().collect();
        fail(pair, &format!("objects of {bucket} differ"), &compare_objects(nodes, &bucket, &sample));
    }
    if round.whole_endpoint {
        let lists = shared.nodes.map(|node| {
            let text = get(&mut Client::new(node), "/", &Ask::default()).text();
            inside(&text, "Bucket").map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(lists[0], lists[1], "the lists of buckets differ");
    }
    for node in &pair.nodes {
        for path in round.paths() {
            let report = node.path(&path).expect("a report");
            let quiet = ["alarm", "conflict", "discrepancy"].iter().all(|what| report[*what].is_null());
            assert!(quiet, "{}: {report:#}", node.name);
        }
    }
    compared
}

/// Every acknowledged key that a forced failover left behind is named at the node that came back.
fn names_what_was_lost(pair: &Pair, lost: &[String]) {
    let mut named = std::collections::BTreeSet::new();
    for node in &pair.nodes {
        let diverged = node.told(&["diverged"]);
        let writes = diverged.as_array().into_iter().flatten().filter_map(|one| one["writes"].as_array()).flatten();
        named.extend(writes.filter_map(|write| write["key"].as_str()).map(str::to_owned));
    }
    let unnamed: Vec<String> = lost.iter().filter(|key| !named.contains(*key)).cloned().collect();
    fail(pair, "acknowledged writes were lost by force and are not named", &unnamed);
}

fn fail(pair: &Pair, what: &str, wrong: &[String]) {
    if wrong.is_empty() {
        return;
    }
    let shown = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    let nodes = pair.nodes.each_ref().map(|node| {
        let report = node.told(&["status"])["paths"].clone();
        format!("{}: {report:#}\n{}", node.name, node.log())
    });
    panic!("{what}: {} times\n{shown}\n{}", wrong.len(), nodes.join("\n"));
}
