use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;

use super::*;
use crate::checksum::block_crc;
use crate::disk::{Crash, Disk, SimDisk};
use crate::journal::{FrameBody, Journal, JournalFiles, JournalOptions, JournalPosition};
use crate::record::{BlobKind, BlobRow, Location};
use crate::types::{Body, ContentHash, Seq, Timestamp};

/// A blob room with a journal, and rows in a map where the store has its tables.
struct Bench {
    disk: SimDisk,
    store: Arc<BlobStore>,
    journal: Journal,
    rows: Arc<Rows>,
}

#[derive(Default)]
struct Rows(Mutex<HashMap<ContentHash, BlobRow>>);

impl Resolve for Rows {
    fn blob(&self, hash: &ContentHash) -> Result<Option<BlobRow>, BlobError> {
        Ok(self.0.lock().unwrap().get(hash).copied())
    }
}

impl Bench {
    fn new() -> Self {
        let disk = SimDisk::new();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let files = Arc::new(JournalFiles::new(shared.clone()));
        let journal =
            Journal::open(files.clone(), JournalOptions::default(), JournalPosition::default(), Seq::ZERO, &mut |_| {
                Ok(())
            })
            .unwrap();
        let store = BlobStore::open(shared, files, Arc::new(InstanceAllocator::starting_at(1)), 0).unwrap();
        Bench { disk, store: Arc::new(store), journal, rows: Arc::default() }
    }

    /// What the committer does, without its tables.
    fn commit(&mut self, staged: StagedBody) {
        for blob in staged.blobs {
            let (instance, location, crc) = match blob.source {
                StagedSource::Existing => continue,
                StagedSource::Piece(piece) => (piece.adopt(), Location::Piece, 0),
                StagedSource::Small(bytes) => {
                    let instance = self.store.instances().allocate();
                    let location = self.journal.plan([bytes.len()])[0];
                    let crc = block_crc(instance, 0, &bytes);
                    let seq = self.journal.last().next();
                    let body = FrameBody { hash: blob.hash, instance, bytes };
                    self.journal.append(seq, Timestamp::default(), &[body], &[]).unwrap();
                    (instance, location, crc)
                }
            };
            let (kind, len) = (blob.kind, blob.len);
            let row = BlobRow { instance, location, kind, len, crc, references: 1, died: Seq::ZERO };
            self.rows.0.lock().unwrap().insert(blob.hash, row);
        }
    }

    fn put(&mut self, content: &[u8], step: usize) -> (Body, u64) {
        let mut writer = self.store.writer();
        content.chunks(step).for_each(|bytes| writer.write(bytes).unwrap());
        let staged = writer.finish().unwrap();
        let made = (staged.body(), staged.size());
        self.commit(staged);
        made
    }

    fn get(&self, body: &Body, range: std::ops::Range<u64>) -> Result<Vec<u8>, BlobError> {
        let mut reader = self.store.reader(body, range, self.rows.clone(), Arc::new(()))?;
        let mut out = BytesMut::new();
        let mut whole = Vec::new();
        while reader.next_chunk(&mut out)? {
            assert!(out.len() <= 256 * 1024);
            whole.extend_from_slice(&out.split());
        }
        assert_eq!(reader.remaining(), 0);
        Ok(whole)
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn every_size_comes_back_by_every_range() {
    let mut bench = Bench::new();
    let piece = PIECE_BYTES;
    for len in [1, 17, 65535, 65536, 65537, 262_144, 400_000, piece - 1, piece, piece + 1, 2 * piece + 99] {
        let content = content(len);
        let (body, size) = bench.put(&content, 100_003);
        assert_eq!(size, len as u64);
        let len = len as u64;
        let edges =
            [0, 1, 65535, 65536, 65537, 262_143, 262_144, piece as u64 - 1, piece as u64, len / 2, len - 1, len];
        for from in edges.into_iter().filter(|from| *from < len) {
            for to in edges.into_iter().filter(|to| *to > from && *to <= len && (*to - from < 70_000 || from < 2)) {
                let read = bench.get(&body, from..to).unwrap();
                assert!(read == content[from as usize..to as usize], "{from}..{to} of {len}");
            }
        }
    }
}

#[test]
fn any_buffer_takes_what_it_can_hold() {
    let mut bench = Bench::new();
    let content = content(PIECE_BYTES + 200_000);
    let (body, size) = bench.put(&content, 70_000);
    for (from, length) in [(0, 262_144), (0, 65_536), (1, 65_536), (70_000, 100_000), (PIECE_BYTES as u64 - 9, 10)] {
        let mut reader = bench.store.reader(&body, from..size, bench.rows.clone(), Arc::new(())).unwrap();
        let (mut whole, mut buffer) = (Vec::new(), vec![0; length]);
        loop {
            let bytes = reader.read(&mut buffer).unwrap();
            whole.extend_from_slice(&buffer[..bytes]);
            if bytes == 0 {
                break;
            }
        }
        assert!(whole == content[from as usize..], "{from}, {length}");
    }
}

#[test]
fn only_the_disk_and_the_next_piece_are_waited_for() {
    let mut bench = Bench::new();
    let content = content(PIECE_BYTES + 200_000);
    let (body, size) = bench.put(&content, 1 << 20);
    let mut reader = bench.store.reader(&body, 0..size, bench.rows.clone(), Arc::new(())).unwrap();
    let (mut whole, mut buffer, mut waited) = (Vec::new(), vec![0; 1 << 20], 0);
    bench.disk.set_cold(true);
    assert_eq!(reader.read_at_once(&mut buffer).unwrap(), None);
    bench.disk.set_cold(false);
    while reader.remaining() > 0 {
        let bytes = match reader.read_at_once(&mut buffer).unwrap() {
            Some(bytes) => bytes,
            None => {
                waited += 1;
                reader.read(&mut buffer).unwrap()
            }
        };
        whole.extend_from_slice(&buffer[..bytes]);
    }
    assert!(whole == content);
    assert_eq!(waited, 1);
    assert_eq!(reader.read_at_once(&mut buffer).unwrap(), Some(0));
}

#[test]
fn how_a_body_arrives_does_not_change_its_name() {
    let mut bench = Bench::new();
    let content = content(PIECE_BYTES + 300_000);
    let names: Vec<Body> =
        [1 << 20, 65_536, 65_535, 70_001, 9999, content.len()].map(|step| bench.put(&content, step).0).to_vec();
    assert!(names.iter().all(|body| *body == names[0]));
    assert!(matches!(names[0], Body::Recipe(_)));
}

#[test]
fn small_bodies_touch_no_file_and_empty_ones_are_nothing() {
    let bench = Bench::new();
    let before = bench.disk.files();
    let mut writer = bench.store.writer();
    writer.write(&content(SMALL_BODY_MAX)).unwrap();
    let staged = writer.finish().unwrap();
    assert!(matches!(staged.blobs[0].source, StagedSource::Small(_)));
    assert_eq!(bench.store.writer().finish().unwrap().body(), Body::Empty);
    assert_eq!(bench.disk.files(), before);
}

#[test]
fn finished_pieces_survive_a_crash_and_dropped_ones_become_surplus() {
    let bench = Bench::new();
    let mut writer = bench.store.writer();
    writer.write(&content(PIECE_BYTES + 100_000)).unwrap();
    let staged = writer.finish().unwrap();
    let after = bench.disk.crash(Crash::LoseAll);
    let pieces = |disk: &SimDisk| disk.files().iter().filter(|path| path.starts_with("pieces/")).count();
    assert_eq!(pieces(&after), 2);
    drop(staged);
    let mut abandoned = bench.store.writer();
    abandoned.write(&content(100_000)).unwrap();
    abandoned.write(&content(200_000)).unwrap();
    drop(abandoned);
    let surplus = bench.store.surplus().take(10);
    assert_eq!(surplus.len(), 3);
    surplus.into_iter().for_each(|instance| bench.store.unlink(instance).unwrap());
    assert_eq!(pieces(&bench.disk), 0);
    assert!(bench.store.surplus().is_empty());
}

#[test]
fn no_flipped_bit_is_ever_served() {
    let mut bench = Bench::new();
    let content = content(150_000);
    let (body, size) = bench.put(&content, 150_000);
    let path = bench.disk.files().into_iter().find(|path| path.starts_with("pieces/")).unwrap();
    let len = bench.disk.open(&path).unwrap().len().unwrap();
    for offset in (0..len).step_by(997).chain(size..len) {
        bench.disk.flip_bit(&path, offset, 5).unwrap();
        let read = bench.get(&body, 0..size);
        assert!(matches!(read, Err(BlobError::Damaged(_))), "a flip at {offset} was served");
        bench.disk.flip_bit(&path, offset, 5).unwrap();
    }
    assert!(bench.get(&body, 0..size).unwrap() == content);
    let (small, size) = bench.put(b"in the journal", 99);
    let path = bench.disk.files().into_iter().find(|path| path.starts_with("journal/")).unwrap();
    let len = bench.disk.open(&path).unwrap().len().unwrap();
    bench.disk.flip_bit(&path, len - 1, 0).unwrap();
    assert!(matches!(bench.get(&small, 0..size), Err(BlobError::Damaged(_))));
}

#[test]
fn an_instance_in_another_ones_place_is_not_served() {
    let mut bench = Bench::new();
    let (body, size) = bench.put(&content(70_000), 70_000);
    let (_, _) = bench.put(&content(80_000)[10_000..], 70_000);
    let paths: Vec<String> = bench.disk.files().into_iter().filter(|path| path.starts_with("pieces/")).collect();
    bench.disk.unlink(&paths[0]).unwrap();
    bench.disk.rename(&paths[1], &paths[0]).unwrap();
    assert!(matches!(bench.get(&body, 0..size), Err(BlobError::Damaged(_))));
}

#[test]
fn assembled_parts_read_as_one() {
    let mut bench = Bench::new();
    let lens = [PIECE_BYTES + 5, 10, 0, 65_537, PIECE_BYTES];
    let parts: Vec<(Body, u64)> = lens.iter().map(|len| bench.put(&content(*len), 1 << 20)).collect();
    let whole: Vec<u8> = lens.iter().flat_map(|len| content(*len)).collect();
    let staged = BlobStore::assemble(&parts);
    let (body, size) = (staged.body(), staged.size());
    assert_eq!(size, whole.len() as u64);
    bench.commit(staged);
    assert!(bench.get(&body, 0..size).unwrap() == whole);
    let range = PIECE_BYTES as u64 + 3..PIECE_BYTES as u64 + 40;
    assert!(bench.get(&body, range.clone()).unwrap() == whole[range.start as usize..range.end as usize]);
    let one = BlobStore::assemble(&parts[1..3]);
    assert_eq!(one.body(), parts[1].0, "one part is its own object");
    assert_eq!(BlobStore::assemble(&[]).body(), Body::Empty);
}

#[test]
fn ten_thousand_parts_make_a_tree() {
    let mut bench = Bench::new();
    let parts: Vec<(Body, u64)> = (0..40u8).map(|n| bench.put(&[n; 3], 9)).collect();
    let many: Vec<(Body, u64)> = (0..10_000).map(|n| parts[n % 40]).collect();
    let staged = BlobStore::assemble(&many);
    let recipes: Vec<usize> =
        staged.blobs.iter().filter(|blob| blob.kind == BlobKind::Recipe).map(|blob| blob.children.len()).collect();
    assert_eq!(recipes.len(), 11);
    assert!(recipes.iter().all(|children| *children <= RECIPE_CHILDREN_MAX));
    let (body, size) = (staged.body(), staged.size());
    bench.commit(staged);
    let whole: Vec<u8> = (0..10_000).flat_map(|n| [(n % 40) as u8; 3]).collect();
    assert!(bench.get(&body, 0..size).unwrap() == whole);
    assert!(bench.get(&body, 29_000..29_003).unwrap() == whole[29_000..29_003]);
}

/// Levels of recipes.
fn levels(bench: &Bench, body: Body) -> usize {
    let (mut level, mut levels): (Vec<_>, _) = (body.root().into_iter().collect(), 0);
    if matches!(body, Body::Blob(_)) {
        return 0;
    }
    while !level.is_empty() {
        levels += 1;
        let listed = level.iter().flat_map(|hash| {
            let children = recipe::decode(&bench.store.read(*hash, &*bench.rows).unwrap()).unwrap();
            children.into_iter().filter(|child| child.kind == BlobKind::Recipe).map(|child| child.hash)
        });
        level = listed.collect();
    }
    levels
}

#[test]
fn what_grows_by_copying_itself_stays_shallow() {
    let mut bench = Bench::new();
    let mut whole = b"beginning".to_vec();
    let mut made = bench.put(&whole, 9);
    for n in 0..1400u32 {
        let again = bench.store.reuse(made.0, made.1, &*bench.rows).unwrap().expect("few pieces");
        let copied = (again.body(), again.size());
        let listed: usize = again.blobs.iter().map(|blob| blob.children.len()).sum();
        assert!(listed <= 2 * RECIPE_CHILDREN_MAX, "filled recipes are used again: {listed} at {n}");
        bench.commit(again);
        whole.extend(n.to_be_bytes());
        let staged = BlobStore::assemble(&[copied, bench.put(&n.to_be_bytes(), 4)]);
        made = (staged.body(), staged.size());
        bench.commit(staged);
        assert!(n % 97 > 9 || levels(&bench, made.0) <= 10, "{n}");
    }
    assert!(bench.get(&made.0, 0..made.1).unwrap() == whole);
    assert!(bench.get(&made.0, 5_000..5_003).unwrap() == whole[5_000..5_003]);
}

#[test]
fn a_deep_tree_is_made_shallow_and_splinters_are_left_to_be_stored_anew() {
    let mut bench = Bench::new();
    let tail = bench.put(b"tail", 4);
    let mut made = tail;
    for _ in 0..300 {
        let staged = BlobStore::assemble(&[made, tail]);
        made = (staged.body(), staged.size());
        bench.commit(staged);
    }
    assert_eq!(levels(&bench, made.0), 300);
    let staged = bench.store.reuse(made.0, made.1, &*bench.rows).unwrap().expect("few pieces");
    let shallow = (staged.body(), staged.size());
    bench.commit(staged);
    assert_eq!((levels(&bench, shallow.0), shallow.1), (1, made.1));
    assert!(bench.get(&shallow.0, 0..shallow.1).unwrap() == b"tail".repeat(301));
    let splinters = BlobStore::assemble(&[tail; 500]);
    let some = (splinters.body(), splinters.size());
    bench.commit(splinters);
    let many = BlobStore::assemble(&[some; 40]);
    let made = (many.body(), many.size());
    bench.commit(many);
    assert!(bench.store.reuse(made.0, made.1, &*bench.rows).unwrap().is_none());
    let existing = bench.store.reuse(some.0, some.1, &*bench.rows).unwrap().expect("shallow as it is");
    assert_eq!(existing.body(), some.0);
}

#[test]
fn data_never_has_a_recipes_name() {
    let bench = Bench::new();
    let mut blobs = Vec::new();
    let child = crate::record::RecipeChild { kind: BlobKind::Data, hash: ContentHash::of(b"x"), bytes: 1 };
    recipe::tree(vec![child, child], &mut blobs);
    let StagedSource::Small(bytes) = &blobs[0].source else { panic!("a recipe is small") };
    assert_ne!(ContentHash::of(bytes), blobs[0].hash);
    assert!(bench.store.receive(blobs[0].hash, BlobKind::Data, bytes).is_err());
    let received = bench.store.receive(blobs[0].hash, BlobKind::Recipe, bytes).unwrap();
    assert_eq!((received.size(), received.blobs[0].children.len()), (2, 2));
}

#[test]
fn received_bytes_must_hash_to_their_name() {
    let mut bench = Bench::new();
    let content = content(300_000);
    let hash = ContentHash::of(&content);
    let wrong = bench.store.receive(hash, BlobKind::Data, &content[1..]);
    assert!(matches!(wrong, Err(BlobError::Damaged(_))));
    let staged = bench.store.receive(hash, BlobKind::Data, &content).unwrap();
    bench.commit(staged);
    let row = bench.rows.blob(&hash).unwrap().unwrap();
    assert!(bench.store.read(hash, &*bench.rows).unwrap() == content);
    assert_eq!(BlobStore::pieces(&bench.disk).unwrap(), [row.instance]);
}

#[test]
fn below_the_watermark_bodies_are_refused_until_space_is_back() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let files = Arc::new(JournalFiles::new(shared.clone()));
    let store =
        BlobStore::open(shared, files, Arc::new(InstanceAllocator::starting_at(1)), 10_000_000).map(Arc::new).unwrap();
    disk.set_capacity(Some(11_000_000));
    let mut writer = store.writer();
    let refused = (0..200).find_map(|_| writer.write(&[7; 65_536]).err());
    assert!(matches!(refused, Some(BlobError::NoSpace)));
    drop(writer);
    assert!(store.space().is_low().unwrap());
    let mut small = store.writer();
    small.write(b"small").unwrap();
    assert!(matches!(small.finish(), Err(BlobError::NoSpace)));
    store.surplus().take(9).into_iter().for_each(|instance| store.unlink(instance).unwrap());
    let mut small = store.writer();
    small.write(b"small").unwrap();
    assert!(small.finish().is_ok());
}

#[test]
fn a_failed_sync_ends_all_writing() {
    let bench = Bench::new();
    let mut writer = bench.store.writer();
    writer.write(&content(70_000)).unwrap();
    bench.disk.fail_sync(1);
    assert!(matches!(writer.finish(), Err(BlobError::Io(_))));
    assert!(bench.store.failed_sync().is_some());
    let mut writer = bench.store.writer();
    writer.write(&content(70_000)).unwrap();
    assert!(writer.finish().is_err(), "what a later sync claims is not believed");
}
