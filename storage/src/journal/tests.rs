use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::disk::{Crash, Disk, SimDisk};
use crate::meta::engine::{EngineWrite, Table};
use crate::record::Location;
use crate::types::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(7);

fn options(rotate_bytes: u64) -> JournalOptions {
    JournalOptions { rotate_bytes }
}

fn body(instance: u64, len: usize) -> FrameBody {
    let bytes: Vec<u8> = (0..len).map(|at| (at as u64 * 31 + instance) as u8).collect();
    FrameBody { hash: ContentHash::of(&bytes), instance: InstanceId::new(instance), bytes: bytes.into() }
}

fn rows(n: u64) -> Vec<EngineWrite> {
    let put = EngineWrite { table: Table::Current, key: n.to_be_bytes().to_vec(), value: Some(vec![n as u8; 40]) };
    let delete = EngineWrite { table: Table::Blobs, key: vec![1, 2, 3], value: None };
    vec![put, delete]
}

fn open(
    disk: &SimDisk,
    rotate: u64,
    from: JournalPosition,
    applied: u64,
) -> Result<(Journal, Vec<Vec<EngineWrite>>), JournalError> {
    let files = Arc::new(JournalFiles::new(Arc::new(disk.clone())));
    let mut replayed = Vec::new();
    let journal = Journal::open(files, options(rotate), from, Seq::new(applied), &mut |frame| {
        replayed.push(frame);
        Ok(())
    })?;
    Ok((journal, replayed))
}

fn fresh(disk: &SimDisk, rotate: u64) -> Journal {
    open(disk, rotate, JournalPosition::default(), 0).unwrap().0
}

fn append(journal: &mut Journal, n: u64) {
    journal.append(Seq::new(n), NOW, &[body(n, 700)], &rows(n)).unwrap();
}

#[test]
fn frames_come_back_in_order_across_files() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 2000);
    (1..=10).for_each(|n| append(&mut journal, n));
    assert!(disk.list("journal").unwrap().len() > 2, "it rotates");
    drop(journal);
    let (journal, replayed) = open(&disk, 2000, JournalPosition::default(), 0).unwrap();
    assert_eq!(journal.last(), Seq::new(10));
    assert_eq!(replayed.len(), 10);
    for (frame, n) in replayed.iter().zip(1..) {
        assert_eq!(*frame, rows(n));
    }
}

#[test]
fn replay_begins_where_a_checkpoint_says() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 2000);
    (1..=5).for_each(|n| append(&mut journal, n));
    let at = journal.position();
    (6..=9).for_each(|n| append(&mut journal, n));
    let (_, replayed) = open(&disk, 2000, at, 5).unwrap();
    assert_eq!(replayed, [6, 7, 8, 9].map(rows));
    assert!(matches!(open(&disk, 2000, at, 4), Err(JournalError::Damaged { .. })), "a gap is never passed over");
}

#[test]
fn bodies_stand_where_they_were_planned() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 1 << 20);
    append(&mut journal, 1);
    let bodies = [body(2, 0), body(3, 65536), body(4, 17)];
    let places = journal.plan(bodies.iter().map(|body| body.bytes.len()));
    journal.append(Seq::new(2), NOW, &bodies, &rows(2)).unwrap();
    let files = JournalFiles::new(Arc::new(disk.clone()));
    let mut found = Vec::new();
    files.bodies(0, &mut |body| found.push(body)).unwrap();
    assert_eq!(found.len(), 4);
    for ((place, body), found) in places.iter().zip(&bodies).zip(&found[1..]) {
        let Location::Journal { file, offset } = *place else { panic!("not in the journal") };
        let mut bytes = vec![0; body.bytes.len()];
        files.handle(file).unwrap().read_at(&mut bytes, offset).unwrap();
        assert_eq!(bytes, body.bytes);
        assert_eq!((found.hash, found.instance, found.offset), (body.hash, body.instance, offset));
    }
}

#[test]
fn a_torn_tail_is_cut_and_never_an_acknowledged_frame() {
    for seed in 0..200 {
        let disk = SimDisk::new();
        let mut journal = fresh(&disk, 1 << 20);
        (1..=3).for_each(|n| append(&mut journal, n));
        disk.freeze_at_sync(disk.syncs() + 1);
        let torn = journal.append(Seq::new(4), NOW, &[body(4, 5000)], &rows(4));
        assert!(matches!(torn, Err(JournalError::Io(_))));
        let disk = disk.crash(Crash::Subset(seed));
        let (mut journal, replayed) = open(&disk, 1 << 20, JournalPosition::default(), 0).unwrap();
        assert!((3..=4).contains(&replayed.len()));
        let next = journal.last().get() + 1;
        append(&mut journal, next);
        let (_, again) = open(&disk.crash(Crash::LoseAll), 1 << 20, JournalPosition::default(), 0).unwrap();
        assert_eq!(again.len() as u64, next, "the cut is durable before anything is appended behind it");
    }
}

#[test]
fn a_frame_that_only_memory_has_is_durable_once_it_is_replayed() {
    for rotate in [1 << 20, 1000] {
        let disk = SimDisk::new();
        let mut journal = fresh(&disk, rotate);
        (1..=3).for_each(|n| append(&mut journal, n));
        disk.fail_sync(1 + u64::from(rotate == 1000 && journal.position().offset == 0));
        assert!(matches!(journal.append(Seq::new(4), NOW, &[body(4, 700)], &rows(4)), Err(JournalError::Io(_))));
        drop(journal);
        let lost = open(&disk.crash(Crash::KeepAll), rotate, JournalPosition::default(), 0).unwrap();
        assert_eq!(lost.1.len(), 3, "the medium does not have it");
        disk.record_images();
        let (mut journal, replayed) = open(&disk, rotate, JournalPosition::default(), 0).unwrap();
        assert_eq!(replayed.len(), 4, "the memory has it");
        for image in disk.take_images() {
            let cut = open(&image.crash(Crash::Subset(7)), rotate, JournalPosition::default(), 0).unwrap();
            assert!((3..=4).contains(&cut.1.len()), "the power goes while it is made durable");
        }
        let kept = open(&disk.crash(Crash::LoseAll), rotate, JournalPosition::default(), 0).unwrap();
        assert_eq!(kept.1.len(), 4);
        append(&mut journal, 5);
        let kept = open(&disk.crash(Crash::LoseAll), rotate, JournalPosition::default(), 0).unwrap();
        assert_eq!(kept.1, [1, 2, 3, 4, 5].map(rows));
    }
}

#[test]
fn a_file_whose_entry_may_not_be_durable_takes_no_frames() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 1000);
    (1..=2).for_each(|n| append(&mut journal, n));
    assert_eq!(journal.position().offset, 0, "the next frame makes a file");
    disk.fail_sync(1);
    assert!(matches!(journal.append(Seq::new(3), NOW, &[], &rows(3)), Err(JournalError::Io(_))));
    drop(journal);
    assert_eq!(disk.files().len(), 2);
    let (mut journal, _) = open(&disk, 1000, JournalPosition::default(), 0).unwrap();
    append(&mut journal, 3);
    let (_, replayed) = open(&disk.crash(Crash::LoseAll), 1000, JournalPosition::default(), 0).unwrap();
    assert_eq!(replayed.len(), 3);
}

#[test]
fn damage_before_a_good_frame_is_an_error_wherever_it_is() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 1 << 20);
    append(&mut journal, 1);
    let second = journal.position().offset;
    append(&mut journal, 2);
    let third = journal.position().offset;
    append(&mut journal, 3);
    let path = &disk.files()[0];
    for offset in second..third {
        disk.flip_bit(path, offset, 3).unwrap();
        assert!(
            matches!(open(&disk, 1 << 20, JournalPosition::default(), 0), Err(JournalError::Damaged { .. })),
            "a flipped bit at {offset} passed"
        );
        disk.flip_bit(path, offset, 3).unwrap();
    }
}

#[test]
fn damage_at_the_end_of_an_older_file_is_an_error() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 1000);
    (1..=4).for_each(|n| append(&mut journal, n));
    let first = disk.files()[0].clone();
    let len = disk.open(&first).unwrap().len().unwrap();
    disk.flip_bit(&first, len - 1, 0).unwrap();
    assert!(matches!(open(&disk, 1000, JournalPosition::default(), 0), Err(JournalError::Damaged { .. })));
}

#[test]
fn a_frame_inside_a_body_is_no_frame() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 1 << 20);
    append(&mut journal, 1);
    // Bytes of a real, later frame, offered as a body that is then torn.
    let other = SimDisk::new();
    let mut forged = fresh(&other, 1 << 20);
    (1..=9).for_each(|n| append(&mut forged, n));
    let file = other.open(&other.files()[0]).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    let body = FrameBody { hash: ContentHash::of(&bytes), instance: InstanceId::new(5), bytes: Bytes::from(bytes) };
    let at = journal.position().offset;
    journal.append(Seq::new(2), NOW, &[body], &rows(2)).unwrap();
    disk.flip_bit(&disk.files()[0], at, 0).unwrap();
    let (journal, replayed) = open(&disk, 1 << 20, JournalPosition::default(), 0).unwrap();
    assert_eq!((replayed.len(), journal.last()), (1, Seq::new(1)));
}

#[test]
fn a_full_disk_leaves_the_journal_as_it_was() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 1 << 20);
    append(&mut journal, 1);
    let used = (1 << 50) - disk.free_bytes().unwrap();
    disk.set_capacity(Some(used.max(1 << 20)));
    let large: Vec<FrameBody> = (0..40).map(|n| body(n, 60_000)).collect();
    assert!(matches!(journal.append(Seq::new(2), NOW, &large, &rows(2)), Err(JournalError::NoSpace)));
    journal.append(Seq::new(2), NOW, &[], &rows(2)).unwrap();
    let (_, replayed) = open(&disk.crash(Crash::LoseAll), 1 << 20, JournalPosition::default(), 0).unwrap();
    assert_eq!(replayed.len(), 2);
}

#[test]
fn a_removed_file_is_not_found_but_an_open_one_reads_on() {
    let disk = SimDisk::new();
    let mut journal = fresh(&disk, 500);
    (1..=3).for_each(|n| append(&mut journal, n));
    let files = JournalFiles::new(Arc::new(disk.clone()));
    let handle = files.handle(0).unwrap();
    files.remove(0).unwrap();
    files.remove(0).unwrap();
    assert!(handle.len().unwrap() > 0);
    let gone = files.handle(0).err().unwrap();
    assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
    assert_eq!(files.list().unwrap().first(), Some(&1));
}
