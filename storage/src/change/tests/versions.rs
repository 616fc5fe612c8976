use super::*;
use crate::types::Version;

fn row(key: &str, version: &str, content: &str, latest: bool) -> (String, String, String, bool) {
    (key.to_owned(), version.to_owned(), content.to_owned(), latest)
}

fn selector(version: Version) -> VersionSelector {
    match version {
        Version::Null { .. } => VersionSelector::Null,
        Version::Id(id) => VersionSelector::Id(id),
    }
}

#[test]
fn enabling_keeps_what_was_as_the_null_version() {
    let client = Client::new(Versioning::Unversioned);
    client.put("k", "old");
    client.set_versioning(Versioning::Enabled);
    client.put("k", "new");
    client.put("j", "one");
    assert_eq!(
        client.versions(),
        [row("j", "id", "one", true), row("k", "id", "new", true), row("k", "null", "old", false)]
    );
    assert_eq!(client.get("k", VersionSelector::Null).unwrap(), "old");
    client.check();
}

#[test]
fn versions_are_in_order_although_the_clock_stands_or_steps_back() {
    let mut client = Client::new(Versioning::Enabled);
    for (content, now) in [("a", 1_000), ("b", 1_000), ("c", 500), ("d", 2_000)] {
        client.now = now;
        client.put("k", content);
    }
    let contents: Vec<_> = client.versions().into_iter().map(|row| row.2).collect();
    assert_eq!(contents, ["d", "c", "b", "a"]);
}

#[test]
fn a_marker_hides_and_its_removal_shows_again() {
    let client = Client::new(Versioning::Enabled);
    let first = client.put("k", "a");
    let Deleted::MarkerWritten(marker) = client.delete("k", VersionSelector::Latest) else { panic!("no marker") };
    assert_eq!(client.latest("k"), None);
    assert_eq!(client.get("k", selector(first.version)).unwrap(), "a");
    assert_eq!(client.versions(), [row("k", "id", "-", true), row("k", "id", "a", false)]);
    let gone = client.delete("k", selector(marker));
    assert_eq!(gone, Deleted::VersionGone { version: marker, was_marker: true });
    assert_eq!(client.latest("k").unwrap(), "a");
    assert_eq!(client.delete("k", selector(marker)), Deleted::Gone);
    client.delete("k", selector(first.version));
    assert_eq!(client.versions(), []);
    client.check();
}

#[test]
fn suspended_writes_replace_the_null_version_wherever_it_is() {
    let client = Client::new(Versioning::Unversioned);
    client.put("k", "n1");
    client.set_versioning(Versioning::Enabled);
    client.put("k", "v1");
    client.set_versioning(Versioning::Suspended);
    client.put("k", "n2");
    assert_eq!(client.versions(), [row("k", "null", "n2", true), row("k", "id", "v1", false)]);
    client.put("k", "n3");
    assert_eq!(client.versions(), [row("k", "null", "n3", true), row("k", "id", "v1", false)]);
    client.set_versioning(Versioning::Enabled);
    client.put("k", "v2");
    client.set_versioning(Versioning::Suspended);
    assert!(matches!(client.delete("k", VersionSelector::Latest), Deleted::MarkerWritten(Version::Null { .. })));
    assert_eq!(
        client.versions(),
        [row("k", "null", "-", true), row("k", "id", "v2", false), row("k", "id", "v1", false)]
    );
    client.check();
}

#[test]
fn of_the_older_versions_the_newest_moves_up_null_or_not() {
    let client = Client::new(Versioning::Enabled);
    let v1 = client.put("k", "v1");
    client.set_versioning(Versioning::Suspended);
    client.put("k", "n");
    client.set_versioning(Versioning::Enabled);
    let v2 = client.put("k", "v2");
    assert_eq!(
        client.versions(),
        [row("k", "id", "v2", true), row("k", "null", "n", false), row("k", "id", "v1", false)]
    );
    client.delete("k", selector(v2.version));
    assert_eq!(client.latest("k").unwrap(), "n");
    client.delete("k", VersionSelector::Null);
    assert_eq!(client.latest("k").unwrap(), "v1");
    client.delete("k", selector(v1.version));
    assert_eq!(client.latest("k"), None);
    let bucket = DeleteBucket { permit: WritePermit::Unprotected, name: name("one"), guid: guid(1) };
    client.commit(bucket).unwrap();
}

#[test]
fn a_bucket_with_older_versions_only_behind_a_marker_is_not_empty() {
    let client = Client::new(Versioning::Enabled);
    client.put("k", "a");
    client.delete("k", VersionSelector::Latest);
    let bucket = DeleteBucket { permit: WritePermit::Unprotected, name: name("one"), guid: guid(1) };
    assert_eq!(client.refused(bucket), Refusal::BucketNotEmpty);
    let back = SetVersioning { permit: WritePermit::Unprotected, bucket: guid(1), versioning: Versioning::Unversioned };
    assert_eq!(client.refused(back), Refusal::PreconditionFailed);
}

#[test]
fn a_delete_of_a_version_is_conditional_on_that_version() {
    let client = Client::new(Versioning::Enabled);
    let old = client.put("k", "old");
    client.put("k", "new");
    let delete = |content: &str, version| DeleteObject {
        permit: WritePermit::Unprotected,
        bucket: guid(1),
        key: ObjectKey::new("k").unwrap(),
        version,
        precondition: Precondition::IfMatch(vec![etag(content).to_string()]),
        random: 9,
    };
    assert_eq!(client.refused(delete("new", selector(old.version))), Refusal::PreconditionFailed);
    assert_eq!(client.refused(delete("old", VersionSelector::Latest)), Refusal::PreconditionFailed);
    client.commit(delete("old", selector(old.version))).unwrap();
    assert_eq!(client.refused(delete("old", selector(old.version))), Refusal::NoSuchVersion);
    let unconditional = DeleteObject { precondition: Precondition::None, ..delete("old", selector(old.version)) };
    assert_eq!(client.commit(unconditional).unwrap(), Deleted::Gone);
    assert_eq!(client.versions(), [row("k", "id", "new", true)]);
}

/// All versions behind one of them, as (key, version, latest).
fn after(client: &Client, key: &str, version: VersionSelector) -> Vec<(String, Version, bool)> {
    let reader = client.fixture.store.read().unwrap();
    let bucket = reader.bucket(&name("one")).unwrap().unwrap();
    let mut all = vec![];
    let visit = &mut |key: &str, row: ObjectRow, latest| {
        all.push((key.to_owned(), row.version, latest));
        Visit::Next
    };
    match version {
        VersionSelector::Latest => reader.versions(&bucket, key.as_bytes(), visit),
        version => reader.versions_after(&bucket, &ObjectKey::new(key).unwrap(), version, visit),
    }
    .unwrap();
    all
}

#[test]
fn a_walk_goes_on_behind_any_version_also_behind_one_that_is_gone() {
    for null_at in 0..5 {
        let client = Client::new(Versioning::Enabled);
        for key in ["a", "k", "k\0", "kk"] {
            for at in 0..4 {
                let versioning = if at == null_at { Versioning::Suspended } else { Versioning::Enabled };
                client.set_versioning(versioning);
                match at {
                    2 => assert!(matches!(client.delete(key, VersionSelector::Latest), Deleted::MarkerWritten(_))),
                    _ => drop(client.put(key, "x")),
                }
            }
        }
        let all = after(&client, "", VersionSelector::Latest);
        assert_eq!(all.len(), 16);
        for (at, (key, version, _)) in all.iter().enumerate() {
            assert_eq!(after(&client, key, selector(*version)), all[at + 1..], "behind {key} {version}");
        }
        for (at, (key, version, _)) in all.iter().enumerate().filter(|(_, (key, ..))| key == "k") {
            client.delete(key, selector(*version));
            // What a delete moves to the newest place is the latest now.
            let mut rest = all[at + 1..].to_vec();
            rest[0].2 = true;
            let found = after(&client, key, selector(*version));
            match version {
                Version::Id(_) => assert_eq!(found, rest, "behind {key} {version}"),
                Version::Null { .. } => assert_eq!(found, after(&client, key, VersionSelector::Latest)),
            }
        }
    }
}
