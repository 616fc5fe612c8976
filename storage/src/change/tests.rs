//! What clients' changes do, through a whole store.

mod multipart;
mod versions;

use super::*;
use crate::check::State;
use crate::fixture::{Fixture, create_path, epoch, guid, name, path_guid};
use crate::record::{BucketRow, ContentHeaders, ObjectRow, Scope, Versioning};
use crate::store::{Change, CommitError, Lane, Visit};
use crate::types::{ETag, ObjectKey, Timestamp};

/// A client of bucket 1, "one".
struct Client {
    fixture: Fixture,
    permit: WritePermit,
    /// What the clock says, in microseconds: never moved by itself.
    now: i64,
}

impl Client {
    fn new(versioning: Versioning) -> Self {
        let client = Client { fixture: Fixture::new(), permit: WritePermit::Unprotected, now: 1_000 };
        client.commit(client.create_bucket(1, "one")).unwrap();
        if versioning != Versioning::Unversioned {
            client.set_versioning(versioning);
        }
        client
    }

    fn commit<C: Change>(&self, change: C) -> Result<C::Output, CommitError> {
        let now = Timestamp::from_micros(self.now);
        self.fixture.store.commit(Lane::Client, now, change).wait().map(Durable::into_inner)
    }

    fn refused<C: Change>(&self, change: C) -> Refusal {
        match self.commit(change) {
            Err(CommitError::Refused(refusal)) => refusal,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("accepted"),
        }
    }

    fn create_bucket(&self, number: u8, called: &str) -> CreateBucket {
        let row = BucketRow {
            guid: guid(number),
            name: name(called),
            created: Timestamp::default(),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        CreateBucket { permit: self.permit, row, settings: Vec::new() }
    }

    fn set_versioning(&self, versioning: Versioning) {
        self.commit(SetVersioning { permit: self.permit, bucket: guid(1), versioning }).unwrap();
    }

    fn put_if(&self, key: &str, content: &str, precondition: Precondition) -> PutObject {
        let mut writer = self.fixture.store.body_writer();
        writer.write(content.as_bytes()).unwrap();
        PutObject {
            permit: self.permit,
            bucket: guid(1),
            key: ObjectKey::new(key).unwrap(),
            precondition,
            body: writer.finish().unwrap(),
            object: new_object(content),
            random: 7,
        }
    }

    fn put(&self, key: &str, content: &str) -> ObjectRow {
        self.commit(self.put_if(key, content, Precondition::None)).unwrap().row
    }

    fn delete(&self, key: &str, version: VersionSelector) -> Deleted {
        self.commit(DeleteObject {
            permit: self.permit,
            bucket: guid(1),
            key: ObjectKey::new(key).unwrap(),
            version,
            precondition: Precondition::None,
            random: 8,
        })
        .unwrap()
    }

    /// The newest version's content; none if it is absent or a delete marker.
    fn get(&self, key: &str, version: VersionSelector) -> Option<String> {
        let reader = self.fixture.store.read().unwrap();
        let bucket = reader.bucket(&name("one")).unwrap()?;
        let row = reader.object(&bucket, &ObjectKey::new(key).unwrap(), version).unwrap()?;
        let content = row.content()?;
        let mut body = reader.open_body(&content.body, 0..content.size).unwrap();
        drop(reader);
        let mut bytes = bytes::BytesMut::new();
        while body.next_chunk(&mut bytes).unwrap() {}
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn latest(&self, key: &str) -> Option<String> {
        self.get(key, VersionSelector::Latest)
    }

    /// (key, version, content or `-` for a marker, latest) of all versions.
    fn versions(&self) -> Vec<(String, String, String, bool)> {
        let reader = self.fixture.store.read().unwrap();
        let bucket = reader.bucket(&name("one")).unwrap().unwrap();
        let mut all = vec![];
        reader
            .versions(&bucket, b"", &mut |key, row, latest| {
                let what = row.content().map_or("-".to_owned(), |content| content.metadata[0].1.clone());
                let version = match row.version {
                    crate::types::Version::Null { .. } => "null".to_owned(),
                    crate::types::Version::Id(_) => "id".to_owned(),
                };
                all.push((key.to_owned(), version, what, latest));
                Visit::Next
            })
            .unwrap();
        all
    }

    fn check(&self) {
        self.fixture.check(State::Idle);
    }
}

fn new_object(content: &str) -> NewObject {
    NewObject {
        etag: etag(content),
        checksum: None,
        headers: ContentHeaders::default(),
        metadata: vec![("content".to_owned(), content.to_owned())],
        tags: vec![],
        acl: None,
        lock: None,
        wrapped_key: None,
        parts: None,
    }
}

fn etag(content: &str) -> ETag {
    let mut md5 = [0; 16];
    md5.copy_from_slice(&blake3::hash(content.as_bytes()).as_bytes()[..16]);
    ETag::Md5(md5)
}

#[test]
fn what_was_put_is_read_overwritten_and_deleted() {
    let client = Client::new(Versioning::Unversioned);
    assert_eq!(client.latest("k"), None);
    client.put("k", "first");
    client.put("other", "first");
    client.put("empty", "");
    assert_eq!(client.latest("k").unwrap(), "first");
    client.put("k", "second");
    assert_eq!(client.latest("k").unwrap(), "second");
    assert_eq!(client.latest("empty").unwrap(), "");
    assert_eq!(client.delete("k", VersionSelector::Latest), Deleted::Gone);
    assert_eq!(client.delete("k", VersionSelector::Latest), Deleted::Gone);
    assert_eq!(client.latest("k"), None);
    assert_eq!(client.latest("other").unwrap(), "first");
    client.check();
}

#[test]
fn conditions_are_judged_against_the_newest_version() {
    let client = Client::new(Versioning::Enabled);
    let tag = |content: &str| vec![etag(content).to_string()];
    let absent = |condition| client.refused(client.put_if("k", "x", condition));
    assert_eq!(absent(Precondition::IfExists), Refusal::ConditionOnAbsent);
    assert_eq!(absent(Precondition::IfMatch(tag("x"))), Refusal::ConditionOnAbsent);
    client.commit(client.put_if("k", "a", Precondition::IfAbsent)).unwrap();
    let present = |condition| client.refused(client.put_if("k", "x", condition));
    assert_eq!(present(Precondition::IfAbsent), Refusal::PreconditionFailed);
    assert_eq!(present(Precondition::IfMatch(tag("x"))), Refusal::PreconditionFailed);
    assert_eq!(present(Precondition::IfNoneMatch(tag("a"))), Refusal::PreconditionFailed);
    client.commit(client.put_if("k", "b", Precondition::IfMatch([tag("x"), tag("a")].concat()))).unwrap();
    client.commit(client.put_if("k", "c", Precondition::IfNoneMatch(tag("a")))).unwrap();
    client.delete("k", VersionSelector::Latest);
    assert_eq!(present(Precondition::IfExists), Refusal::ConditionOnAbsent);
    client.commit(client.put_if("k", "d", Precondition::IfAbsent)).unwrap();
    assert_eq!(client.latest("k").unwrap(), "d");
    client.check();
}

#[test]
fn buckets_come_go_and_are_others_when_they_come_again() {
    let client = Client::new(Versioning::Unversioned);
    assert_eq!(client.refused(client.create_bucket(2, "one")), Refusal::BucketExists);
    assert_eq!(client.refused(client.create_bucket(1, "two")), Refusal::BucketExists);
    client.put("k", "content");
    let setting = |value: Option<&str>| SetBucketSetting {
        permit: WritePermit::Unprotected,
        bucket: guid(1),
        name: "policy".into(),
        value: value.map(|value| value.as_bytes().to_vec()),
    };
    client.commit(setting(Some("{}"))).unwrap();
    let delete = |called| DeleteBucket { permit: WritePermit::Unprotected, name: name(called), guid: guid(1) };
    assert_eq!(client.refused(delete("one")), Refusal::BucketNotEmpty);
    assert_eq!(client.refused(delete("two")), Refusal::NoSuchBucket);
    client.delete("k", VersionSelector::Latest);
    client.commit(delete("one")).unwrap();
    assert_eq!(client.refused(delete("one")), Refusal::NoSuchBucket);
    assert_eq!(client.refused(client.put_if("k", "x", Precondition::None)), Refusal::NoSuchBucket);
    assert_eq!(client.refused(setting(None)), Refusal::NoSuchBucket);
    client.commit(client.create_bucket(3, "one")).unwrap();
    let reader = client.fixture.store.read().unwrap();
    let bucket = reader.bucket(&name("one")).unwrap().unwrap();
    assert_eq!(bucket.row.guid, guid(3));
    assert_eq!(reader.setting(&bucket, "policy").unwrap(), None);
}

#[test]
fn a_permit_must_fit_the_path_its_epoch_and_its_access() {
    let mut client = Client::new(Versioning::Unversioned);
    client.put("k", "before");
    client.fixture.paths(vec![create_path(5, Scope::Bucket(name("one")), AccessChange::Writable)]);
    let put = |permit| {
        let mut put = client.put_if("k", "after", Precondition::IfAbsent);
        put.permit = permit;
        client.refused(put)
    };
    let path = |path, epoch| WritePermit::Path { path: path_guid(path), epoch: EpochNumber::new(epoch) };
    assert_eq!(put(WritePermit::Unprotected), Refusal::Fenced);
    assert_eq!(put(path(6, 1)), Refusal::Fenced);
    assert_eq!(put(path(5, 2)), Refusal::Fenced);
    assert_eq!(put(path(5, 1)), Refusal::PreconditionFailed);
    client.permit = path(5, epoch().number.get());
    client.put("k", "after");
    client.fixture.paths(vec![PathOp::Change {
        guid: path_guid(5),
        revision: client.fixture.store.path(path_guid(5)).unwrap().revision,
        access: Some(AccessChange::Closed),
        epoch: None,
        detail: None,
    }]);
    assert_eq!(client.refused(client.put_if("k", "late", Precondition::None)), Refusal::Fenced);
    assert_eq!(client.latest("k").unwrap(), "after");
    let other = CreateBucket { permit: client.permit, ..client.create_bucket(2, "two") };
    assert_eq!(client.refused(other), Refusal::Fenced);
}

#[test]
fn slots_change_and_bytes_and_time_stay() {
    let mut client = Client::new(Versioning::Unversioned);
    let before = client.put("k", "content");
    client.now += 5_000;
    let slots = |version, slots| ReplaceObjectSlots {
        permit: WritePermit::Unprotected,
        bucket: guid(1),
        key: ObjectKey::new("k").unwrap(),
        version,
        slots,
    };
    let tags = vec![("a".to_owned(), "b".to_owned())];
    let row = client.commit(slots(VersionSelector::Latest, Slots::Tags(tags.clone()))).unwrap();
    assert_eq!(row.content().unwrap().tags, tags);
    assert_eq!((row.modified, row.version), (before.modified, before.version));
    let acl = |held: Option<u8>, acl: Option<u8>| Slots::Acl {
        held: held.map(|byte| vec![byte]),
        acl: acl.map(|byte| vec![byte]),
    };
    client.commit(slots(VersionSelector::Null, acl(None, Some(1)))).unwrap();
    assert_eq!(client.refused(slots(VersionSelector::Latest, acl(None, Some(2)))), Refusal::Stale);
    let row = client.commit(slots(VersionSelector::Latest, acl(Some(1), Some(2)))).unwrap();
    assert_eq!(row.content().unwrap().acl, Some(vec![2]));
    let other = VersionSelector::Id(crate::types::VersionId::new(1, 1));
    assert_eq!(client.refused(slots(other, acl(None, None))), Refusal::NoSuchVersion);
    client.delete("k", VersionSelector::Latest);
    assert_eq!(client.refused(slots(VersionSelector::Latest, acl(None, None))), Refusal::NoSuchKey);
    client.check();
}

#[test]
fn node_rows_are_written_all_or_none() {
    let client = Client::new(Versioning::Unversioned);
    let write = |key: &str, value: Option<&str>, expected: Option<Option<&str>>| NodeWrite {
        key: key.as_bytes().to_vec(),
        value: value.map(|value| value.as_bytes().to_vec()),
        expected: expected.map(|expected| expected.map(|value| value.as_bytes().to_vec())),
    };
    client.commit(WriteNodeRows(vec![write("p/a", Some("1"), Some(None)), write("q", Some("2"), None)])).unwrap();
    let stale = WriteNodeRows(vec![write("p/b", Some("1"), None), write("p/a", None, Some(Some("2")))]);
    assert_eq!(client.refused(stale), Refusal::Stale);
    let store = &client.fixture.store;
    assert_eq!(store.node_rows(b"p/").unwrap(), [(b"p/a".to_vec(), b"1".to_vec())]);
    client.commit(WriteNodeRows(vec![write("p/a", None, Some(Some("1")))])).unwrap();
    assert_eq!(store.node_row(b"p/a").unwrap(), None);
    assert_eq!(store.node_row(b"q").unwrap().unwrap(), b"2");
}

#[test]
fn a_change_is_made_only_while_what_decided_it_is_still_so() {
    let client = Client::new(Versioning::Enabled);
    let (bucket, key) = (guid(1), ObjectKey::new("k").unwrap());
    let version = client.put("k", "content").version;
    let setting = |value: &str| SetBucketSetting {
        permit: WritePermit::Unprotected,
        bucket,
        name: "policy".into(),
        value: Some(value.into()),
    };
    let seen =
        |name: &str, value: Option<&str>| Seen::Setting { bucket, name: name.into(), value: value.map(Into::into) };
    let only_if = |still: Vec<Seen>| OnlyIf { still, change: setting("p") };
    client.commit(only_if(vec![seen("acl", None), seen("policy", None)])).unwrap();
    assert_eq!(client.refused(only_if(vec![seen("acl", None), seen("policy", None)])), Refusal::Stale);
    client.commit(only_if(vec![seen("policy", Some("p"))])).unwrap();

    let slots = |version, tags: Option<&[(&str, &str)]>| Seen::Slots {
        bucket,
        key: key.clone(),
        version,
        slots: tags.map(|tags| SeenSlots {
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            acl: None,
        }),
    };
    let id = match version {
        crate::types::Version::Id(id) => VersionSelector::Id(id),
        crate::types::Version::Null { .. } => VersionSelector::Null,
    };
    client.commit(only_if(vec![slots(id, Some(&[])), slots(VersionSelector::Null, None)])).unwrap();
    let tags = vec![("a".to_owned(), "b".to_owned())];
    let tag = ReplaceObjectSlots {
        permit: WritePermit::Unprotected,
        bucket,
        key: key.clone(),
        version: id,
        slots: Slots::Tags(tags),
    };
    client.commit(tag).unwrap();
    assert_eq!(client.refused(only_if(vec![slots(id, Some(&[]))])), Refusal::Stale);
    client.commit(only_if(vec![slots(VersionSelector::Latest, Some(&[("a", "b")]))])).unwrap();
    client.delete("k", VersionSelector::Latest);
    assert_eq!(client.refused(only_if(vec![slots(VersionSelector::Latest, Some(&[("a", "b")]))])), Refusal::Stale);
    client.commit(only_if(vec![slots(VersionSelector::Latest, None)])).unwrap();
}

#[test]
fn an_account_goes_only_without_buckets_and_gets_none_once_it_is_gone() {
    let client = Client::new(Versioning::Unversioned);
    let write = |value: Option<&str>| {
        WriteNodeRows(vec![NodeWrite { key: b"account/7".to_vec(), value: value.map(Into::into), expected: None }])
    };
    let gone = || OnlyIf { still: vec![Seen::NoBucketOf("7".into())], change: write(None) };
    let mut made = client.create_bucket(2, "two");
    made.row.owner = Some("7".into());
    let made = || OnlyIf { still: vec![Seen::NodeRow(b"account/7".to_vec())], change: made.clone() };
    assert_eq!(client.refused(made()), Refusal::Stale);
    client.commit(write(Some("there"))).unwrap();
    client.commit(made()).unwrap();
    assert_eq!(client.refused(gone()), Refusal::OwnsBuckets);
    let delete = DeleteBucket { permit: WritePermit::Unprotected, name: name("two"), guid: guid(2) };
    client.commit(delete).unwrap();
    client.commit(gone()).unwrap();
    assert_eq!(client.refused(made()), Refusal::Stale);
}

#[test]
fn a_copy_needs_live_content() {
    let client = Client::new(Versioning::Unversioned);
    let row = client.put("k", "content");
    let body = row.content().unwrap().body;
    let copy = || PutObject {
        body: crate::blob::StagedBody::existing(body, 7),
        ..client.put_if("copy", "content", Precondition::None)
    };
    client.commit(copy()).unwrap();
    client.delete("k", VersionSelector::Latest);
    client.fixture.collect();
    assert_eq!(client.latest("copy").unwrap(), "content");
    client.delete("copy", VersionSelector::Latest);
    client.fixture.collect();
    assert_eq!(client.refused(copy()), Refusal::BytesGone);
    client.check();
}
