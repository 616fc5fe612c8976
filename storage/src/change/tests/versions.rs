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
