//! A source that lies, and one that floods.

use std::sync::Arc;

use super::*;
use crate::blob::StagedBody;
use crate::change::{DeleteObject, Precondition, VersionSelector, WritePermit};
use crate::disk::SimDisk;
use crate::fixture::{RowWrite, options, sized_object};
use crate::record::{ObjectRow, Place, RecipeChild, Record};
use crate::store::{Options, Store};
use crate::types::{ObjectKey, UploadId, Version, VersionId};

const ID: TransferGuid = TransferGuid::from_bytes([1; 16]);

/// A destination of bucket "one" that has a bucket 2, "two", of its own.
fn victim(fixture: Fixture) -> Fixture {
    fixture.set(vec![bucket(2, "two")]);
    fixture.put(2, "mine", b"mine");
    fixture.paths(vec![create_path(1, Scope::Bucket(name("one")), AccessChange::ReadAt(At::ThisCommit))]);
    fixture.commit(BeginTransfer(row(ID, 1, Some(9))));
    fixture
}

fn stage(first: u64, rows: Vec<RowWrite>) -> StageRows {
    let rows = rows.into_iter().map(|(key, value)| StagedRow { key, value }).collect();
    StageRows { transfer: ID, first, rows }
}

fn malformed(fixture: &Fixture, rows: Vec<RowWrite>) {
    let refusal = fixture.refused(stage(1, rows.clone()));
    assert!(matches!(refusal, Refusal::Malformed(_)), "{rows:?}: {refusal:?}");
}

fn receive(fixture: &Fixture, kind: BlobKind, bytes: &[u8]) -> StagedBody {
    let hash = match kind {
        BlobKind::Data => ContentHash::of(bytes),
        BlobKind::Recipe => ContentHash::from_bytes(blake3::derive_key("tandem 2025-11 recipe blob v1", bytes)),
    };
    fixture.store.receive_blob(hash, kind, bytes).expect("its own hash")
}

fn recipe(children: &[RecipeChild]) -> Vec<u8> {
    let mut out = vec![1];
    out.extend(postcard::to_stdvec(children).expect("plain data"));
    out
}

#[test]
fn rows_that_contradict_their_bytes_or_their_keys_are_refused() {
    let fixture = victim(Fixture::new());
    assert_eq!(fixture.commit(stage(0, vec![bucket(1, "one")])).1, 1);
    let received = vec![receive(&fixture, BlobKind::Data, b"ten bytes.")];
    fixture.commit(ClaimBlobs { transfer: ID, received, wanted: Vec::new() });
    let hash = ContentHash::of(b"ten bytes.");
    for (body, size) in
        [(Body::Blob(hash), 9), (Body::Blob(hash), u64::MAX), (Body::Recipe(hash), 10), (Body::Empty, 1)]
    {
        malformed(&fixture, vec![sized_object(1, "k", body, size, 0)]);
    }
    let good = sized_object(1, "k", Body::Blob(hash), 10, 0);
    let behind = |place| RowKey::Object(guid(1), ObjectKey::new("k").expect("a key"), place);
    malformed(&fixture, vec![(behind(Place::Id(VersionId::new(1, 1))), good.1.clone())]);
    let mut dated = ObjectRow::decode(good.1.as_ref().expect("a value")).expect("a row");
    dated.version = Version::Id(VersionId::new(2, 2));
    malformed(&fixture, vec![(behind(Place::Null), Some(dated.encode()))]);
    for number in [0, 10_001] {
        let part = RowKey::Part(guid(1), UploadId::from_bytes([1; 16]), number);
        malformed(&fixture, vec![(part, Some(vec![1]))]);
    }
    malformed(&fixture, vec![(RowKey::Setting(guid(1), "policy".into()), Some(vec![b' '; 2 << 20]))]);
    assert_eq!(fixture.commit(stage(1, vec![good])).1, 2);
    fixture.check(State::Running);
}

#[test]
fn recipes_that_contradict_their_pieces_are_refused() {
    let fixture = victim(Fixture::new());
    let piece = receive(&fixture, BlobKind::Data, b"a piece");
    fixture.commit(ClaimBlobs { transfer: ID, received: vec![piece], wanted: Vec::new() });
    let hash = ContentHash::of(b"a piece");
    let child = |kind, bytes| recipe(&[RecipeChild { kind, hash, bytes }]);
    for lie in [child(BlobKind::Data, 8), child(BlobKind::Data, u64::MAX), child(BlobKind::Recipe, 7)] {
        let received = vec![receive(&fixture, BlobKind::Recipe, &lie)];
        let refusal = fixture.refused(ClaimBlobs { transfer: ID, received, wanted: Vec::new() });
        assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal:?}");
    }
    let received = vec![receive(&fixture, BlobKind::Recipe, &child(BlobKind::Data, 7))];
    fixture.commit(ClaimBlobs { transfer: ID, received, wanted: Vec::new() });
    fixture.check(State::Running);
}

#[test]
fn a_bucket_of_this_node_is_not_reached_under_the_paths_name() {
    let fixture = victim(Fixture::new());
    let disguised = (RowKey::Bucket(guid(2)), bucket(2, "one").1);
    let refusal = fixture.refused(stage(0, vec![disguised]));
    assert_eq!(refusal, Refusal::Malformed("a bucket that is another one here"));
    assert_eq!(fixture.count(Table::Staged), 0);
}

#[test]
fn a_flood_of_rows_ends_before_deletes_and_role_changes_do() {
    let disk = SimDisk::new();
    // The simulated disk has no sparse files, and the engine's file doubles: what it grows by must fit below the watermark.
    let limits = Options { low_watermark_bytes: 72 << 20, journal_file_bytes: 1 << 20, ..options() };
    let store = Store::open(Arc::new(disk.clone()), limits).expect("a new store");
    let fixture = victim(Fixture { store, disk: disk.clone() });
    disk.set_capacity(Some(80 << 20));
    let row = |n: u64| (RowKey::Setting(guid(1), format!("{n:08}").into()), Some(vec![b'x'; 4000]));
    let mut staged = fixture.commit(stage(0, vec![bucket(1, "one")])).1;
    let refusal = loop {
        let rows = (staged..staged + 200).map(row).collect();
        match fixture.try_commit(stage(staged, rows)) {
            Ok((_, next)) => staged = next,
            Err(crate::store::CommitError::Refused(refusal)) => break refusal,
            Err(error) => panic!("the store stopped: {error}"),
        }
        assert!(staged < 100_000, "it never stops");
    };
    assert_eq!(refusal, Refusal::NoSpace);
    assert!(staged > 1000, "{staged} rows fit");
    // Readers, deletes and the switch of roles go on.
    let delete = DeleteObject {
        permit: WritePermit::Unprotected,
        bucket: guid(2),
        key: ObjectKey::new("mine").expect("a key"),
        version: VersionSelector::Latest,
        precondition: Precondition::None,
        random: 1,
    };
    fixture.commit(delete);
    let access = Some(AccessChange::Writable);
    fixture.paths(vec![
        PathOp::DropTransfer { id: ID },
        PathOp::Change { guid: path_guid(1), revision: 1, access, epoch: None, detail: None },
    ]);
    fixture.collect();
    fixture.store.checkpoint().expect("it goes");
    assert_eq!(fixture.count(Table::Staged), 0);
    disk.set_capacity(None);
    fixture.put(2, "again", b"service is back");
    fixture.check(State::Running);
}

#[test]
fn uploads_that_a_delta_brings_count_for_whoever_began_them() {
    let fixture = victim(Fixture::new());
    let upload = |byte: u8| {
        let id = UploadId::from_bytes([byte; 16]);
        let key = ObjectKey::new("k").expect("a key");
        let row = crate::record::UploadRow {
            id,
            key: key.clone(),
            initiated: Timestamp::default(),
            headers: crate::record::ContentHeaders::default(),
            metadata: Vec::new(),
            tags: Vec::new(),
            checksum: None,
            acl: None,
            lock: None,
            wrapped_key: None,
            initiator: Some("somebody".into()),
        };
        (RowKey::Upload(guid(1), key, id), Some(row.encode()))
    };
    let count = |fixture: &Fixture| fixture.commit(CountUploads).1;
    fixture.set(vec![bucket(1, "one"), upload(1), upload(2)]);
    assert_eq!(count(&fixture), 2);
    fixture.set(vec![upload(2), (upload(1).0, None), (upload(3).0, None)]);
    assert_eq!(count(&fixture), 1);
    fixture.set(vec![(upload(2).0, None)]);
    assert_eq!(count(&fixture), 0);
    let left = fixture.table(Table::Meta).into_iter().filter(|(key, _)| key.starts_with(b"uploads/"));
    assert_eq!(left.count(), 0);
}

struct CountUploads;

impl crate::store::Change for CountUploads {
    type Output = u64;

    fn carry_out(self, tx: &mut crate::meta::Tx<'_>) -> Result<u64, Refusal> {
        tx.uploads_of(Some("somebody"))
    }
}
