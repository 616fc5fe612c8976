//! Versions, delete markers, tags and bucket settings: by delta, through failovers, and set aside by name.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::BytesMut;
use tandem::replication::control::FailoverMode;
use tandem::replication::report::{Role, State};
use tandem_storage::Visit;
use tandem_storage::change::{
    DeleteObject, Deleted, Precondition, ReplaceObjectSlots, SetBucketSetting, SetVersioning, Slots, VersionSelector,
};
use tandem_storage::record::Versioning;
use tandem_storage::types::{ObjectKey, Version};

use super::node::Node;
use super::world::{ALL, DEADLINE, World, agree, instant, pause, wait, wait_role};

const BUCKET: &str = "versions";

fn set_versioning(node: &Node, versioning: Versioning) {
    node.change(BUCKET, |permit, bucket| SetVersioning { permit, bucket, versioning }).unwrap();
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}

/// Puts, and gives the version that was made.
fn put(node: &Node, name: &str, content: &str) -> Version {
    node.put(BUCKET, name, content.as_bytes()).unwrap();
    latest(node, name)
}

fn latest(node: &Node, name: &str) -> Version {
    let reader = node.store().read().unwrap();
    let view = reader.bucket(&super::client::bucket(BUCKET)).unwrap().unwrap();
    reader.object(&view, &key(name), VersionSelector::Latest).unwrap().unwrap().version
}

fn selector(version: Version) -> VersionSelector {
    match version {
        Version::Null { .. } => VersionSelector::Null,
        Version::Id(id) => VersionSelector::Id(id),
    }
}

fn delete(node: &Node, name: &str, version: VersionSelector) -> Deleted {
    let (key, random) = (key(name), node.random());
    let deleted = node.change(BUCKET, |permit, bucket| DeleteObject {
        permit,
        bucket,
        key,
        version,
        precondition: Precondition::None,
        random,
    });
    deleted.unwrap()
}

fn tag(node: &Node, name: &str, version: VersionSelector, value: &str) {
    let slots = Slots::Tags(vec![("tag".to_owned(), value.to_owned())]);
    let key = key(name);
    node.change(BUCKET, |permit, bucket| ReplaceObjectSlots { permit, bucket, key, version, slots }).unwrap();
}

fn tag_bucket(node: &Node, value: Option<&str>) {
    let value = value.map(|value| value.as_bytes().to_vec());
    node.change(BUCKET, |permit, bucket| SetBucketSetting { permit, bucket, name: "tagging".into(), value }).unwrap();
}

/// All that a reader can see of all buckets: states, settings, and every version with its tags and bytes.
fn history(node: &Node) -> Vec<String> {
    let reader = node.store().read().unwrap();
    let (mut views, mut lines) = (Vec::new(), Vec::new());
    let visit = &mut |view| {
        views.push(view);
        ControlFlow::Continue(())
    };
    reader.buckets(None, visit).unwrap();
    for view in views {
        let tagging = reader.setting(&view, "tagging").unwrap();
        lines.push(format!("{} {:?} {tagging:?}", view.row.name, view.row.versioning));
        let mut rows = Vec::new();
        let visit = &mut |key: &str, row, latest| {
            rows.push((key.to_owned(), row, latest));
            Visit::Next
        };
        reader.versions(&view, b"", visit).unwrap();
        for (key, row, latest) in rows {
            let what = row.content().map(|content| {
                let mut body = reader.open_body(&content.body, 0..content.size).unwrap();
                let mut bytes = BytesMut::new();
                while body.next_chunk(&mut bytes).unwrap() {}
                (String::from_utf8_lossy(&bytes).into_owned(), content.tags.clone())
            });
            lines.push(format!("  {key} {:?} {latest} {} {what:?}", row.version, row.modified.as_micros()));
        }
    }
    lines
}

fn follows(from: &Node, to: &Node) {
    let (wanted, start) = (history(from), instant());
    while history(to) != wanted {
        assert!(start.elapsed() < DEADLINE, "{} shows {:#?}\nand not {wanted:#?}", to.name, history(to));
        pause(Duration::from_millis(50));
    }
}

/// A protected bucket with every kind of version.
fn filled() -> World {
    let world = World::protected();
    let a = &world.a;
    a.create_bucket(BUCKET).unwrap();
    put(a, "k", "before versions");
    set_versioning(a, Versioning::Enabled);
    for n in 0..3 {
        put(a, "k", &format!("v{n}"));
        put(a, "other", &format!("o{n}"));
    }
    delete(a, "other", VersionSelector::Latest);
    tag(a, "k", VersionSelector::Null, "null");
    tag(a, "k", VersionSelector::Latest, "newest");
    tag_bucket(a, Some("one"));
    follows(a, &world.b);
    world
}

#[test]
fn versions_markers_tags_and_settings_travel_by_delta() {
    let world = filled();
    let (a, b) = (&world.a, &world.b);
    // An older version's tags alone; the newest version removed; a marker removed.
    let newest = latest(a, "k");
    delete(a, "k", selector(newest));
    let middle = latest(a, "k");
    put(a, "k", "v4");
    tag(a, "k", selector(middle), "older");
    follows(a, b);
    delete(a, "other", selector(latest(a, "other")));
    delete(a, "k", VersionSelector::Null);
    tag_bucket(a, Some("two"));
    follows(a, b);
    set_versioning(a, Versioning::Suspended);
    put(a, "k", "null again");
    delete(a, "other", VersionSelector::Latest);
    tag_bucket(a, None);
    follows(a, b);
    // Everything goes, version by version, and the bucket after it.
    for name in ["k", "other"] {
        while let Some(version) = {
            let reader = a.store().read().unwrap();
            let view = reader.bucket(&super::client::bucket(BUCKET)).unwrap().unwrap();
            reader.object(&view, &key(name), VersionSelector::Latest).unwrap().map(|row| row.version)
        } {
            delete(a, name, selector(version));
        }
    }
    follows(a, b);
    a.delete_bucket(BUCKET).unwrap();
    follows(a, b);
    agree(a, b, &ALL);
}

#[test]
fn versions_survive_a_graceful_failover_and_go_on_under_the_same_ids() {
    let world = filled();
    let (a, b) = (&world.a, &world.b);
    agree(a, b, &ALL);
    let before = history(a);
    b.ask(b.control().failover(&ALL, FailoverMode::Graceful)).unwrap();
    wait_role(b, &ALL, Role::Source, State::Active);
    wait_role(a, &ALL, Role::Destination, State::Active);
    assert_eq!(history(b), before);
    let newest = latest(b, "k");
    put(b, "k", "by b");
    tag(b, "k", selector(newest), "by b");
    delete(b, "k", VersionSelector::Null);
    set_versioning(b, Versioning::Suspended);
    tag_bucket(b, Some("by b"));
    follows(b, a);
    agree(b, a, &ALL);
}

#[test]
fn diverged_versions_are_rewound_and_told_by_what_happened_to_them() {
    let mut world = filled();
    agree(&world.a, &world.b, &ALL);
    let (shared, marker) = (latest(&world.a, "k"), latest(&world.a, "other"));
    world.a.kill();
    let b = &world.b;
    b.ask(b.control().failover(&ALL, FailoverMode::Force)).unwrap();
    wait("b to be writable", || b.path(&ALL).writable.then_some(()));
    put(b, "k", "by b");
    tag(b, "k", selector(shared), "by b");
    // Node a comes back alone and writes other versions over the same ones.
    world.b.kill();
    world.a.restart();
    let lost = put(&world.a, "k", "by a");
    let gone = delete(&world.a, "other", selector(marker));
    assert!(matches!(gone, Deleted::VersionGone { was_marker: true, .. }));
    tag(&world.a, "k", VersionSelector::Null, "by a");
    set_versioning(&world.a, Versioning::Suspended);
    tag_bucket(&world.a, Some("by a"));
    world.b.restart();
    wait_role(&world.a, &ALL, Role::Destination, State::Active);
    follows(&world.b, &world.a);
    let report = agree(&world.b, &world.a, &ALL);
    assert_eq!(report.diverged.len(), 1, "{report:#?}");
    let lines = world.a.ask(world.a.control().diverged(&ALL, report.diverged[0].epoch)).unwrap();
    let mut told: Vec<_> = lines
        .iter()
        .map(|line| {
            (line.key.clone().unwrap_or_default(), line.version.clone().unwrap_or_default(), line.change.as_str())
        })
        .collect();
    told.sort();
    // Neither the version that moved behind the new one nor the one that came back to the front is a change of its own.
    let mut expected = [
        (String::new(), String::new(), "setting"),
        ("k".to_owned(), lost.to_string(), "put"),
        ("k".to_owned(), "null".to_owned(), "put"),
        ("other".to_owned(), marker.to_string(), "delete"),
        ("tagging".to_owned(), String::new(), "setting"),
    ];
    expected.sort();
    assert_eq!(told, expected, "{lines:#?}");
    assert_eq!(report.diverged[0].entries, lines.len() as u64, "the report counts what the manifest lists");
}
