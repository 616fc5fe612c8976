use std::collections::BTreeSet;

use bytes::BytesMut;

use super::*;
use crate::blob::{BlobError, StagedBody};
use crate::check::{Depth, Kind, State};
use crate::disk::{Crash, Disk};
use crate::fixture::{Fixture, SetRows, bucket, object, object_key, options};
use crate::meta::engine::{EngineWrite, Table};
use crate::record::{BlobKind, BlobRow, Location, Record};
use crate::store::Store;
use crate::types::{Body, ContentHash};

const LARGE: usize = 150_000;
const PIECES: usize = 9 * 1024 * 1024;

/// Small objects, one in a piece, one of a recipe's pieces, and a past.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "alpha")]);
    fixture.put_all(1, (0..20).map(|n| (format!("small-{n}"), vec![n; 100])));
    fixture.put(1, "large", &vec![7; LARGE]);
    fixture.put(1, "a\nb", &vec![7; LARGE]);
    fixture.put(1, "pieces", &(0..PIECES).map(|at| (at / 1000) as u8).collect::<Vec<u8>>());
    fixture.hold(9);
    fixture.set(vec![(object_key(1, "small-3"), None)]);
    fixture
}

/// All pages from a place on, each of about `bytes`.
fn pages(fixture: &Fixture, mut after: Option<ContentHash>, bytes: u64) -> Vec<Page> {
    let mut pages = Vec::new();
    loop {
        let page = fixture.store.scrub(after, bytes).unwrap();
        after = page.reached;
        pages.push(page);
        if after.is_none() {
            return pages;
        }
    }
}

fn damaged(fixture: &Fixture) -> Vec<Damaged> {
    pages(fixture, None, 1 << 20).into_iter().flat_map(|page| page.damaged).collect()
}

fn referents(fixture: &Fixture, hash: ContentHash) -> Vec<String> {
    let (mut search, mut found) = (Search::new([hash]), Vec::new());
    while fixture
        .store
        .trace(&mut search, &mut |of, referent| {
            assert_eq!(of, hash);
            found.push(referent.to_string());
        })
        .unwrap()
    {}
    found.sort();
    found
}

fn blobs(fixture: &Fixture) -> Vec<(ContentHash, BlobRow)> {
    let row = |(key, value): (Vec<u8>, Vec<u8>)| {
        (ContentHash::from_bytes(key.try_into().unwrap()), BlobRow::decode(&value).unwrap())
    };
    fixture.table(Table::Blobs).into_iter().map(row).collect()
}

fn blob(fixture: &Fixture, content: &[u8]) -> (ContentHash, BlobRow) {
    let hash = ContentHash::of(content);
    blobs(fixture).into_iter().find(|(found, _)| *found == hash).unwrap()
}

fn file_of(row: &BlobRow) -> (String, u64) {
    match row.location {
        Location::Journal { file, offset } => (format!("journal/{file:016x}.jnl"), offset),
        Location::Piece => {
            let id = row.instance.get();
            (format!("pieces/{:02x}/{id:016x}", id as u8), 0)
        }
    }
}

fn served(fixture: &Fixture, hash: ContentHash, len: usize) -> Result<(), BlobError> {
    let reader = fixture.store.read().unwrap();
    let mut body = reader.open_body(&Body::Blob(hash), 0..len as u64)?;
    let mut out = BytesMut::new();
    while body.next_chunk(&mut out)? {}
    Ok(())
}

#[test]
fn every_blob_is_verified_once_whatever_the_pages_and_wherever_it_went_on() {
    let fixture = fixture();
    let all = blobs(&fixture);
    let bytes: u64 = all.iter().map(|(_, row)| row.len).sum();
    for limit in [1, 1000, LARGE as u64, 1 << 40] {
        let pages = pages(&fixture, None, limit);
        assert_eq!(pages.iter().map(|page| page.blobs).sum::<u64>(), all.len() as u64);
        assert_eq!(pages.iter().map(|page| page.bytes).sum::<u64>(), bytes);
        assert!(pages.iter().all(|page| page.damaged.is_empty()));
        assert!(limit > 1 || pages.len() == all.len(), "a page ends where its bytes do");
    }
    let half = &all[all.len() / 2 - 1].0;
    let rest: u64 = pages(&fixture, Some(*half), 1).iter().map(|page| page.blobs).sum();
    assert_eq!(rest, (all.len() - all.len() / 2) as u64);
}

#[test]
fn a_flipped_bit_is_found_and_named_and_neither_served_nor_shipped() {
    let fixture = fixture();
    let (hash, row) = blob(&fixture, &vec![7; LARGE]);
    let (piece, _) = file_of(&row);
    let end = fixture.disk.open(&piece).unwrap().len().unwrap() - 1;
    for offset in [0, 65_536, LARGE as u64 - 1, end] {
        fixture.disk.flip_bit(&piece, offset, 1).unwrap();
        let [found] = &damaged(&fixture)[..] else { panic!("a flip at {offset}") };
        assert_eq!((found.hash, found.instance), (hash, Some(row.instance)));
        assert_eq!(found.place, format!("piece {:016x}", row.instance.get()));
        assert_eq!(referents(&fixture, hash), ["alpha/a\\nb, version null", "alpha/large, version null"]);
        assert!(matches!(served(&fixture, hash, LARGE), Err(BlobError::Damaged(_))));
        assert!(matches!(fixture.store.blob(hash), Err(BlobError::Damaged(_))));
        fixture.disk.flip_bit(&piece, offset, 1).unwrap();
    }
    assert_eq!(damaged(&fixture), []);
}

#[test]
fn a_damaged_body_of_the_journal_is_named_in_the_past_too() {
    let fixture = fixture();
    let (hash, row) = blob(&fixture, &[3; 100]);
    let (journal, offset) = file_of(&row);
    fixture.disk.flip_bit(&journal, offset + 50, 0).unwrap();
    let found = damaged(&fixture);
    assert_eq!(found.iter().map(|found| found.hash).collect::<Vec<_>>(), [hash]);
    assert_eq!(referents(&fixture, hash), ["alpha/small-3, version null, in the past"]);
    assert!(matches!(served(&fixture, hash, 100), Err(BlobError::Damaged(_))));
}

#[test]
fn a_lost_piece_and_a_damaged_recipe_are_named_by_the_objects_above_them() {
    let fixture = fixture();
    let blobs = blobs(&fixture);
    let piece = blobs.iter().find(|(_, row)| row.location == Location::Piece && row.len != LARGE as u64).unwrap();
    let (file, _) = file_of(&piece.1);
    fixture.disk.rename(&file, "elsewhere").unwrap();
    assert_eq!(damaged(&fixture).iter().map(|found| found.hash).collect::<Vec<_>>(), [piece.0]);
    assert_eq!(referents(&fixture, piece.0), ["alpha/pieces, version null"]);
    fixture.disk.rename("elsewhere", &file).unwrap();

    let recipe = blobs.iter().find(|(_, row)| row.kind == BlobKind::Recipe).unwrap();
    let (journal, offset) = file_of(&recipe.1);
    fixture.disk.flip_bit(&journal, offset, 0).unwrap();
    assert_eq!(damaged(&fixture).iter().map(|found| found.hash).collect::<Vec<_>>(), [recipe.0]);
    assert_eq!(referents(&fixture, recipe.0), ["alpha/pieces, version null"]);
}

#[test]
fn another_content_under_a_blobs_name_is_found_though_every_crc_is_right() {
    let fixture = fixture();
    let (one, two) = (blob(&fixture, &[1; 100]), blob(&fixture, &[2; 100]));
    let write = EngineWrite { table: Table::Blobs, key: one.0.as_bytes().to_vec(), value: Some(two.1.encode()) };
    fixture.store.core().engine.gather(&[write]);
    assert_eq!(damaged(&fixture).iter().map(|found| found.hash).collect::<Vec<_>>(), [one.0]);
    let write = EngineWrite { table: Table::Blobs, key: one.0.as_bytes().to_vec(), value: Some(vec![0xff]) };
    fixture.store.core().engine.gather(&[write]);
    let found: BTreeSet<_> = damaged(&fixture).into_iter().map(|found| (found.hash, found.instance)).collect();
    assert_eq!(found, BTreeSet::from([(one.0, None)]));
}

/// Nothing is wrong but frames that were flipped: they stay until their file goes.
fn sound(fixture: &Fixture, state: State) {
    let report = fixture.store.check(state, Depth::Bytes, &mut |_| ()).unwrap();
    let other: Vec<_> = report.findings.iter().filter(|finding| finding.kind != Kind::Journal).collect();
    assert!(other.is_empty(), "{other:#?}");
}

#[test]
fn the_same_bytes_put_again_take_the_place_of_what_is_damaged() {
    let fixture = fixture();
    fixture.store.checkpoint().unwrap();
    let whole: Vec<u8> = (0..PIECES).map(|at| (at / 1000) as u8).collect();
    for content in [vec![7; LARGE], vec![5; 100], whole] {
        let before = blobs(&fixture);
        let is_part =
            |hash: &ContentHash| content.chunks(crate::blob::PIECE_BYTES).any(|at| ContentHash::of(at) == *hash);
        let spoilt: Vec<_> = before
            .iter()
            .filter(|(hash, row)| is_part(hash) || (content.len() == PIECES && row.kind == BlobKind::Recipe))
            .collect();
        for (_, row) in &spoilt {
            let (file, offset) = file_of(row);
            fixture.disk.flip_bit(&file, offset + 40, 5).unwrap();
        }
        assert_eq!(damaged(&fixture).len(), spoilt.len());
        fixture.put(1, "again", &content);
        assert_eq!(damaged(&fixture), [], "all that refers to them can be read");
        for (hash, row) in &spoilt {
            assert_ne!(fixture.store.instance(*hash).unwrap(), Some(row.instance));
        }
        let after = blobs(&fixture);
        assert_eq!(after.len(), before.len(), "no second copy");
        fixture.collect();
        sound(&fixture, State::Collected);
    }
    let disk = fixture.disk.crash(Crash::LoseAll);
    let store = Store::open(std::sync::Arc::new(disk.clone()), options()).unwrap();
    let again = Fixture { store, disk };
    assert_eq!(damaged(&again), []);
    sound(&again, State::Idle);
}

#[test]
fn what_the_medium_does_not_give_is_damage_and_the_next_upload_takes_its_place() {
    let fixture = fixture();
    let (hash, row) = blob(&fixture, &vec![7; LARGE]);
    fixture.disk.spoil(&file_of(&row).0).unwrap();
    assert_eq!(damaged(&fixture).iter().map(|found| found.hash).collect::<Vec<_>>(), [hash]);
    fixture.put(1, "again", &vec![7; LARGE]);
    assert_ne!(fixture.store.instance(hash).unwrap(), Some(row.instance));
    assert_eq!(damaged(&fixture), []);
    served(&fixture, hash, LARGE).unwrap();
    fixture.collect();
    sound(&fixture, State::Collected);
}

#[test]
fn what_is_remembered_of_a_search_is_bounded_and_a_failed_step_ends_none() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "alpha")]);
    fixture.put(1, "data", &[1; 100]);
    let hash = ContentHash::of(&[1; 100]);
    let (mut root, mut bytes) = (Body::Blob(hash), 100);
    for level in 0..8 {
        let body = crate::blob::BlobStore::assemble(&[(root, bytes), (Body::Blob(hash), 100)]);
        (root, bytes) = (body.body(), body.size());
        fixture.commit(SetRows { bodies: vec![body], rows: vec![object(1, &format!("level-{level}"), root)] });
    }
    let all = |most| {
        let (mut search, mut found) = (Search::new([hash]).remembering(most), BTreeSet::new());
        let named = &mut |_, referent: Referent| found.extend([referent.to_string()]);
        while fixture.store.trace(&mut search, named).unwrap() {}
        found
    };
    let whole = all(1000);
    assert_eq!(whole.len(), 9);
    // The blob itself, and as many of the recipes as there is room for.
    let some = all(4);
    assert!(some.len() == 4 && some.is_subset(&whole), "{some:?}");
    assert_eq!(all(1).into_iter().collect::<Vec<_>>(), ["alpha/data, version null"]);
}

#[test]
fn a_sound_instance_stays_whatever_is_put_again_and_a_copy_of_damage_is_none() {
    let fixture = fixture();
    let (hash, row) = blob(&fixture, &vec![7; LARGE]);
    fixture.put(1, "again", &vec![7; LARGE]);
    assert_eq!(fixture.store.instance(hash).unwrap(), Some(row.instance));
    fixture.disk.flip_bit(&file_of(&row).0, 7, 0).unwrap();
    assert!(served(&fixture, hash, LARGE).is_err(), "a read tells, too");
    let bodies = vec![StagedBody::existing(Body::Blob(hash), LARGE as u64)];
    fixture.commit(SetRows { bodies, rows: vec![object(1, "copy", Body::Blob(hash))] });
    assert_eq!(
        fixture.store.instance(hash).unwrap(),
        Some(row.instance),
        "it brings nothing that could take the place"
    );
    fixture.put(1, "again", &vec![7; LARGE]);
    assert_ne!(fixture.store.instance(hash).unwrap(), Some(row.instance));
    served(&fixture, hash, LARGE).unwrap();
}

#[test]
fn a_reader_that_has_begun_goes_on_with_what_took_the_place() {
    let fixture = fixture();
    let whole: Vec<u8> = (0..PIECES).map(|at| (at / 1000) as u8).collect();
    let last = ContentHash::of(&whole[crate::blob::PIECE_BYTES..]);
    let recipe = blobs(&fixture).into_iter().find(|(_, row)| row.kind == BlobKind::Recipe).unwrap().0;
    let reader = fixture.store.read().unwrap();
    let mut body = reader.open_body(&Body::Recipe(recipe), 0..PIECES as u64).unwrap();
    drop(reader);
    let row = blobs(&fixture).into_iter().find(|(hash, _)| *hash == last).unwrap().1;
    fixture.disk.flip_bit(&file_of(&row).0, 7, 0).unwrap();
    assert_eq!(damaged(&fixture).len(), 1);
    fixture.put(1, "again", &whole);
    fixture.collect();
    assert!(!fixture.disk.files().contains(&file_of(&row).0), "the damaged piece is gone");
    let mut out = BytesMut::new();
    while body.next_chunk(&mut out).unwrap() {}
    assert!(out[..] == whole[..]);
}
