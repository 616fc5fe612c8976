use super::*;
use crate::disk::Disk;
use crate::fixture::{Fixture, bucket};
use crate::meta::engine::EngineWrite;
use crate::record::{BlobKind, Record};

const LARGE: usize = 150_000;

/// A store with a small object, one in a piece, a snapshot's history, and a bucket.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "alpha")]);
    fixture.put(1, "small", b"small");
    fixture.put(1, "large", &vec![7; LARGE]);
    fixture.hold(9);
    fixture.put(1, "small", b"newer");
    fixture
}

fn kinds(fixture: &Fixture) -> Vec<Kind> {
    let report = fixture.store.check(State::Idle, Depth::Bytes, &mut |_| {}).unwrap();
    let mut kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Changes a table behind the store's back.
fn write(fixture: &Fixture, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
    fixture.store.core().engine.gather(&[EngineWrite { table, key, value }]);
}

fn file(fixture: &Fixture, dir: &str) -> String {
    fixture.disk.files().into_iter().find(|path| path.starts_with(dir)).unwrap()
}

#[test]
fn a_sound_store_has_no_findings() {
    let fixture = fixture();
    let mut told = 0;
    let report = fixture.store.check(State::Idle, Depth::Bytes, &mut |_| told += 1).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.blobs, report.piece_files, report.history_rows), (3, 1, 1));
    assert!(report.blob_bytes > LARGE as u64 && told > 0);
}

#[test]
fn every_wrong_count_is_found() {
    let fixture = fixture();
    for (key, value) in fixture.table(Table::Blobs) {
        let mut row = BlobRow::decode(&value).unwrap();
        row.references += 1;
        write(&fixture, Table::Blobs, key.clone(), Some(row.encode()));
        assert_eq!(kinds(&fixture), [Kind::Count]);
        write(&fixture, Table::Blobs, key, Some(value));
    }
    assert_eq!(kinds(&fixture), []);
}

#[test]
fn a_lost_row_of_any_table_is_found() {
    let fixture = fixture();
    let tables = [Table::Current, Table::History, Table::Ended, Table::Blobs, Table::Segments];
    for table in tables {
        for (key, value) in fixture.table(table) {
            write(&fixture, table, key.clone(), None);
            assert!(!kinds(&fixture).is_empty(), "{table:?} without {key:02x?} passed");
            write(&fixture, table, key, Some(value));
        }
    }
}

#[test]
fn values_that_do_not_decode_are_found() {
    let fixture = fixture();
    let tables = [Table::Current, Table::History, Table::Blobs, Table::Segments, Table::Holds];
    for table in tables {
        let (key, value) = fixture.table(table).remove(0);
        write(&fixture, table, key.clone(), Some(vec![0xff]));
        assert!(kinds(&fixture).contains(&Kind::Undecodable), "{table:?}");
        write(&fixture, table, key, Some(value));
    }
}

#[test]
fn damaged_bytes_are_found_wherever_they_are() {
    let fixture = fixture();
    let piece = file(&fixture, "pieces/");
    let len = fixture.disk.open(&piece).unwrap().len().unwrap();
    for offset in [0, 65_535, 65_536, LARGE as u64, len - 1] {
        fixture.disk.flip_bit(&piece, offset, 1).unwrap();
        assert_eq!(kinds(&fixture), [Kind::Bytes], "a flip at {offset}");
        fixture.disk.flip_bit(&piece, offset, 1).unwrap();
    }
    let journal = file(&fixture, "journal/");
    let len = fixture.disk.open(&journal).unwrap().len().unwrap();
    for offset in (0..len / 2).step_by(61) {
        fixture.disk.flip_bit(&journal, offset, 1).unwrap();
        assert!(kinds(&fixture).contains(&Kind::Journal), "a flip at {offset}");
        fixture.disk.flip_bit(&journal, offset, 1).unwrap();
    }
}

#[test]
fn a_lost_piece_and_one_too_many_are_found() {
    let fixture = fixture();
    let piece = file(&fixture, "pieces/");
    let other = format!("{}0", &piece[..piece.len() - 1]);
    let other = other.replacen(&piece[..10], "pieces/00/", 1);
    fixture.disk.rename(&piece, &other).unwrap();
    assert_eq!(kinds(&fixture), [Kind::Bytes], "the other one may wait for the collector");
    let report = fixture.store.check(State::Collected, Depth::Rows, &mut |_| {}).unwrap();
    let kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Bytes, Kind::LeftOver]);
}

#[test]
fn another_content_under_a_blobs_name_is_found() {
    // As a bug would leave it: every checksum right, and the name wrong.
    let fixture = fixture();
    let small = fixture.table(Table::Blobs);
    let rows: Vec<BlobRow> = small.iter().map(|(_, value)| BlobRow::decode(value).unwrap()).collect();
    let small_ones: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].location != Location::Piece).collect();
    let [one, two] = small_ones[..] else { panic!("two small bodies") };
    write(&fixture, Table::Blobs, small[one].0.clone(), Some(small[two].1.clone()));
    assert!(kinds(&fixture).contains(&Kind::Bytes));
}

#[test]
fn what_collection_should_have_freed_is_found() {
    let fixture = fixture();
    let row = BlobRow::decode(&fixture.table(Table::Blobs)[0].1).unwrap();
    assert_eq!(row.kind, BlobKind::Data);
    let collected = |fixture: &Fixture| {
        let report = fixture.store.check(State::Collected, Depth::Rows, &mut |_| {}).unwrap();
        report.findings.into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert_eq!(collected(&fixture), []);
    write(&fixture, Table::Condemned, 999_u64.to_be_bytes().to_vec(), Some(Vec::new()));
    assert_eq!(collected(&fixture), [Kind::LeftOver]);
}
