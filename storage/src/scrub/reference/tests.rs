use std::collections::BTreeMap;

use super::*;
use crate::blob::{BLOCK_BYTES, PIECE_BYTES};
use crate::change::RepairBlob;
use crate::check::{Depth, Kind, State};
use crate::disk::Crash;
use crate::fixture::{Fixture, bucket, name, object_key, options};
use crate::record::{BlobRow, Location, Record};
use crate::scrub::{Sighting, Verified};
use crate::store::Store;
use crate::types::Body;

const ALPHA: u8 = 1;
const BETA: u8 = 2;

fn pieces() -> Vec<u8> {
    (0..PIECE_BYTES + 1_000_000).map(|at| (at / 1000) as u8).collect()
}

fn last_piece() -> ContentHash {
    ContentHash::of(&pieces()[PIECE_BYTES..])
}

/// Buckets alpha and beta: an object of a recipe in each, and in alpha one that is but its past.
struct Bench {
    fixture: Fixture,
    recipe: ContentHash,
    /// Alpha has "gone" then, and does not now.
    then: Seq,
    now: Seq,
}

fn bench() -> Bench {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(ALPHA, "alpha"), bucket(BETA, "beta")]);
    fixture.put(ALPHA, "pieces", &pieces());
    fixture.put(ALPHA, "gone", b"was in alpha");
    fixture.put(BETA, "secret", b"is in beta");
    let then = fixture.hold(1);
    fixture.set(vec![(object_key(ALPHA, "gone"), None)]);
    let now = fixture.hold(2);
    // From here on damage is behind what an opening replays.
    fixture.store.checkpoint().unwrap();
    let recipe = rows(&fixture).into_iter().find(|(_, row)| row.kind == BlobKind::Recipe).unwrap().0;
    Bench { fixture, recipe, then, now }
}

fn rows(fixture: &Fixture) -> BTreeMap<ContentHash, BlobRow> {
    let row = |(key, value): (Vec<u8>, Vec<u8>)| {
        (ContentHash::from_bytes(key.try_into().unwrap()), BlobRow::decode(&value).unwrap())
    };
    fixture.table(crate::meta::engine::Table::Blobs).into_iter().map(row).collect()
}

fn reference(bucket: u8, key: &str, way: &[ContentHash]) -> Reference {
    Reference { key: object_key(bucket, key), way: way.to_vec() }
}

fn bucket_scope(called: &str) -> Scope {
    Scope::Bucket(name(called))
}

impl Bench {
    fn leads(&self, scope: &Scope, at: Seq, reference: &Reference) -> bool {
        self.fixture.store.leads(scope, at, reference).unwrap()
    }

    /// All sightings of a blob, with the way from each.
    fn sightings(&self, blob: ContentHash) -> Vec<(Sighting, Vec<ContentHash>)> {
        let (mut search, mut found) = (Search::new([blob]), Vec::new());
        while self.fixture.store.sight(&mut search, &mut |_, sighting| found.push(sighting)).unwrap() {}
        let way = |root| self.fixture.store.way(&search, root, blob).unwrap().unwrap();
        found.into_iter().map(|sighting| (sighting.clone(), way(sighting.root))).collect()
    }

    /// Flips a bit of a blob where it is stored.
    fn damage(&self, hash: ContentHash) -> BlobRow {
        let row = rows(&self.fixture)[&hash];
        let (file, offset) = match row.location {
            Location::Journal { file, offset } => (format!("journal/{file:016x}.jnl"), offset),
            Location::Piece => {
                let id = row.instance.get();
                (format!("pieces/{:02x}/{id:016x}", id as u8), 0)
            }
        };
        self.fixture.disk.flip_bit(&file, offset + 5, 2).unwrap();
        row
    }

    fn repair(&self, hash: ContentHash, kind: BlobKind, bytes: &[u8]) -> bool {
        let body = self.fixture.store.receive_blob(hash, kind, bytes).unwrap();
        self.fixture.commit(RepairBlob(body)).1
    }
}

#[test]
fn what_is_sighted_leads_where_it_stood_and_nowhere_else() {
    let bench = bench();
    let [(sighting, way)] = &bench.sightings(last_piece())[..] else { panic!("one row leads to it") };
    assert_eq!((&sighting.key, &way[..]), (&object_key(ALPHA, "pieces"), &[bench.recipe, last_piece()][..]));
    let piece = Reference { key: sighting.key.clone(), way: way.clone() };
    for at in [bench.then, bench.now] {
        assert!(sighting.stood_at(at));
        assert!(bench.leads(&Scope::Endpoint, at, &piece) && bench.leads(&bucket_scope("alpha"), at, &piece));
        assert!(!bench.leads(&bucket_scope("beta"), at, &piece) && !bench.leads(&bucket_scope("gamma"), at, &piece));
    }
    let gone = ContentHash::of(b"was in alpha");
    let [(sighting, way)] = &bench.sightings(gone)[..] else { panic!("one row led to it") };
    let past = Reference { key: sighting.key.clone(), way: way.clone() };
    assert_eq!((sighting.stood_at(bench.then), sighting.stood_at(bench.now)), (true, false));
    assert!(bench.leads(&bucket_scope("alpha"), bench.then, &past));
    assert!(!bench.leads(&bucket_scope("alpha"), bench.now, &past));
    let not_held = Seq::new(bench.then.get() - 1);
    let refused = bench.fixture.store.leads(&Scope::Endpoint, not_held, &piece);
    assert!(matches!(refused, Err(ReadError::NotHeld(at)) if at == not_held));
    let named = |at| bench.fixture.store.bucket_at(&name("beta"), at);
    assert_eq!(named(bench.now).unwrap(), Some(crate::fixture::guid(BETA)));
    assert!(named(not_held).is_err());
}

#[test]
fn no_row_and_no_way_leads_to_what_another_bucket_has() {
    let bench = bench();
    let (secret, here) = (ContentHash::of(b"is in beta"), last_piece());
    let alpha = bucket_scope("alpha");
    assert!(bench.leads(&bucket_scope("beta"), bench.now, &reference(BETA, "secret", &[secret])));
    let ways: [&[ContentHash]; 6] =
        [&[], &[secret], &[here], &[bench.recipe, secret], &[bench.recipe, here, secret], &[secret; WAY_MAX + 1]];
    for way in ways {
        for (bucket, key) in [(ALPHA, "pieces"), (ALPHA, "absent"), (BETA, "secret")] {
            assert!(!bench.leads(&alpha, bench.now, &reference(bucket, key, way)), "{way:?} of {key}");
        }
    }
    let whole_bucket = Reference { key: RowKey::Bucket(crate::fixture::guid(ALPHA)), way: vec![secret] };
    let its_name = Reference { key: RowKey::BucketName(name("alpha")), way: vec![secret] };
    assert!(!bench.leads(&alpha, bench.now, &whole_bucket) && !bench.leads(&Scope::Endpoint, bench.now, &its_name));
}

#[test]
fn data_that_looks_like_a_recipe_leads_nowhere() {
    let bench = bench();
    let bytes = bench.fixture.store.blob(bench.recipe).unwrap();
    bench.fixture.put(BETA, "forged", &bytes);
    let at = bench.fixture.hold(3);
    let forged = ContentHash::of(&bytes);
    let beta = bucket_scope("beta");
    assert!(bench.leads(&beta, at, &reference(BETA, "forged", &[forged])));
    assert!(!bench.leads(&beta, at, &reference(BETA, "forged", &[forged, last_piece()])));
    assert!(!bench.leads(&beta, at, &reference(BETA, "forged", &[bench.recipe, last_piece()])));
}

#[test]
fn a_way_through_a_damaged_recipe_is_an_error_and_none_that_is_found() {
    let bench = bench();
    let (mut search, mut roots) = (Search::new([last_piece()]), Vec::new());
    while bench.fixture.store.sight(&mut search, &mut |_, sighting| roots.push(sighting.root)).unwrap() {}
    assert_eq!(roots, [bench.recipe]);
    bench.damage(bench.recipe);
    assert_eq!(bench.fixture.store.way(&search, bench.recipe, last_piece()).unwrap(), None);
    let asked = bench.fixture.store.leads(
        &Scope::Endpoint,
        bench.now,
        &reference(ALPHA, "pieces", &[bench.recipe, last_piece()]),
    );
    assert!(matches!(asked, Err(ReadError::Blob(BlobError::Damaged(hash))) if hash == bench.recipe));
    assert_eq!(bench.fixture.store.distrusted(), [bench.recipe]);
    assert!(bench.sightings(last_piece()).is_empty(), "it cannot be looked through");
    assert_eq!(bench.sightings(bench.recipe).len(), 1);
}

#[test]
fn bytes_that_are_brought_take_the_place_of_damage_and_of_nothing_else() {
    let bench = bench();
    let whole = pieces();
    let recipe = bench.fixture.store.blob(bench.recipe).unwrap();
    let blobs = [
        (last_piece(), BlobKind::Data, &whole[PIECE_BYTES..]),
        (ContentHash::of(b"was in alpha"), BlobKind::Data, &b"was in alpha"[..]),
        (bench.recipe, BlobKind::Recipe, &recipe[..]),
    ];
    let store = &bench.fixture.store;
    for (hash, kind, bytes) in blobs {
        assert!(!bench.repair(hash, kind, bytes), "it is sound");
        assert_eq!(store.verify(hash).unwrap(), Verified::Sound(bytes.len() as u64));
        let before = bench.damage(hash);
        assert!(matches!(store.verify(hash).unwrap(), Verified::Damaged(damaged) if damaged.hash == hash));
        assert_eq!(store.distrusted(), [hash]);
        assert!(bench.repair(hash, kind, bytes));
        let after = rows(&bench.fixture)[&hash];
        assert_ne!(after.instance, before.instance);
        assert_eq!((after.references, after.died, after.len), (before.references, before.died, before.len));
        assert_eq!(store.verify(hash).unwrap(), Verified::Sound(bytes.len() as u64));
        assert_eq!((store.distrusted(), store.blob(hash).unwrap().as_ref()), (Vec::new(), bytes));
        assert!(!bench.repair(hash, kind, bytes), "once");
    }
    let nobodys = b"nobody refers to it".repeat(10_000);
    let hash = ContentHash::of(&nobodys);
    store.distrust(hash);
    assert!(!bench.repair(hash, BlobKind::Data, &nobodys), "and it is not kept");
    assert_eq!((store.stored(hash).unwrap(), store.verify(hash).unwrap()), (None, Verified::Gone));
    assert_eq!(store.distrusted(), []);
    assert_eq!(store.stored(bench.recipe).unwrap(), Some((BlobKind::Recipe, recipe.len() as u64)));

    bench.fixture.collect();
    let disk = bench.fixture.disk.crash(Crash::LoseAll);
    let again = Fixture { store: Store::open(std::sync::Arc::new(disk.clone()), options()).unwrap(), disk };
    for (fixture, state) in [(&bench.fixture, State::Running), (&again, State::Idle)] {
        for (hash, _, bytes) in blobs {
            assert_eq!(fixture.store.blob(hash).unwrap().as_ref(), bytes);
        }
        let report = fixture.store.check(state, Depth::Bytes, &mut |_| ()).unwrap();
        // The frames that were flipped stay until their file goes.
        assert!(report.findings.iter().all(|finding| finding.kind == Kind::Journal), "{:#?}", report.findings);
    }
    let mut body = again.store.read().unwrap().open_body(&Body::Recipe(bench.recipe), 0..whole.len() as u64).unwrap();
    let mut out = bytes::BytesMut::new();
    while body.next_chunk(&mut out).unwrap() {}
    assert!(out[..] == whole[..]);
}

#[test]
fn parts_of_a_blob_make_the_whole_and_none_of_damage_is_given() {
    let bench = bench();
    let (store, whole) = (&bench.fixture.store, pieces());
    let (hash, content) = (last_piece(), &whole[PIECE_BYTES..]);
    let mut parts = Vec::new();
    loop {
        let part = store.blob_part(hash, parts.len() as u64, 4 * BLOCK_BYTES).unwrap();
        assert!(part.len() == 4 * BLOCK_BYTES || parts.len() + part.len() == content.len());
        parts.extend_from_slice(&part);
        if parts.len() == content.len() {
            break;
        }
    }
    assert!(parts == content);
    assert!(store.blob_part(hash, 1 << 40, BLOCK_BYTES).unwrap().is_empty());
    let small = ContentHash::of(b"is in beta");
    assert_eq!(store.blob_part(small, 0, BLOCK_BYTES).unwrap().as_ref(), b"is in beta");
    bench.damage(hash);
    assert!(matches!(store.blob_part(hash, 0, BLOCK_BYTES), Err(BlobError::Damaged(_))));
    assert!(store.blob_part(hash, BLOCK_BYTES as u64, BLOCK_BYTES).is_ok(), "the other blocks are sound");
}
