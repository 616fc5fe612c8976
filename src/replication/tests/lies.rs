//! Deltas that lie about lengths, names, keys and numbers; and one that does not end.

use bytes::{BufMut, BytesMut};
use tandem_storage::record::{BlobKind, Place, RecipeChild, Record, RowKey};
use tandem_storage::types::{Body, BucketName, ContentHash, ObjectKey, PathGuid, UploadId, VersionId};

use super::super::message::{Answer, Failure, HASHES_MAX, ROWS_MAX, Request, WireRow};
use super::super::wire::{BLOBS, CALL, LinkError, encode, encode_blob, encode_end};
use super::rogue::{Rogue, failed};
use super::rows::{self, bucket, guid, object, object_key, object_row, row, sized};
use super::victim::{OWN, Victim, scope};

/// A recipe's bytes: as the store writes them, whatever they say.
pub fn recipe(children: &[(BlobKind, ContentHash, u64)]) -> Vec<u8> {
    let child =
        |(kind, hash, bytes): &(BlobKind, ContentHash, u64)| RecipeChild { kind: *kind, hash: *hash, bytes: *bytes };
    let children: Vec<RecipeChild> = children.iter().map(child).collect();
    let mut out = vec![1];
    out.extend(postcard::to_stdvec(&children).unwrap());
    out
}

/// The name that the store gives a recipe.
pub fn recipe_hash(bytes: &[u8]) -> ContentHash {
    ContentHash::from_bytes(blake3::derive_key("tandem 2025-11 recipe blob v1", bytes))
}

/// A frame with these words in its head, and these bytes behind it.
fn frame(out: &mut BytesMut, hash: ContentHash, (kind, encoding): (u8, u8), (len, stored): (u32, u32), bytes: &[u8]) {
    out.put_u8(1);
    out.put_slice(hash.as_bytes());
    out.put_u8(kind);
    out.put_u8(encoding);
    out.put_u32_le(len);
    out.put_u32_le(stored);
    out.put_slice(bytes);
}

/// Refused, dropped, and what is shown is what was shown.
async fn dropped(victim: &Victim, rogue: &Rogue, what: &str, answer: &Answer) {
    assert!(matches!(failed(answer), Failure::Refused(_)), "{what}: {answer:?}");
    rogue.is_shown(victim, 1);
    victim.is_clean().await;
}

#[tokio::test]
async fn rows_that_lie_are_refused_and_nothing_of_their_transfer_stays() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    let hash = ContentHash::of(b"ten bytes.");
    let versioned = |place| RowKey::Object(guid(1), ObjectKey::new("k").unwrap(), place);
    let plain = object_row(Body::Blob(hash), 10).encode();
    let mut unknown_record = plain.clone();
    unknown_record[0] = 99;
    let huge = vec![WireRow { key: vec![0x20; 2000], value: None }];
    let lies: Vec<(&str, Vec<WireRow>)> = vec![
        ("another bucket's object", vec![object(OWN, "mine", b"ten bytes.")]),
        ("another bucket under the path's name", vec![bucket(OWN, "path")]),
        ("another bucket's setting", vec![row(&RowKey::Setting(guid(OWN), "policy".into()), None)]),
        ("another bucket's deletion", vec![row(&RowKey::Bucket(guid(OWN)), None)]),
        ("a bucket of another name", vec![bucket(1, "own")]),
        ("a derived row", vec![row(&RowKey::BucketName(BucketName::new("own").unwrap()), Some(vec![1; 16]))]),
        ("a size too small", vec![sized(1, "k", Body::Blob(hash), 9)]),
        ("a size beyond all", vec![sized(1, "k", Body::Blob(hash), u64::MAX)]),
        ("bytes without a body", vec![sized(1, "k", Body::Empty, 1 << 40)]),
        ("data that is called a recipe", vec![sized(1, "k", Body::Recipe(hash), 10)]),
        ("an unknown record", vec![row(&object_key(1, "k"), Some(unknown_record))]),
        ("a value that is none", vec![row(&object_key(1, "k"), Some(vec![]))]),
        ("an unknown kind of row", vec![WireRow { key: vec![0x77; 17], value: Some(plain.clone()) }]),
        ("a key that is too long", huge),
        ("no key at all", vec![WireRow { key: Vec::new(), value: None }]),
        ("a version in another's place", vec![row(&versioned(Place::Id(VersionId::new(1, 1))), Some(plain.clone()))]),
        ("part 10,001", vec![row(&RowKey::Part(guid(1), UploadId::from_bytes([1; 16]), 10_001), Some(vec![1]))]),
        ("too many rows", vec![object(1, "k", b"ten bytes."); ROWS_MAX + 1]),
    ];
    for (number, (what, lie)) in (10..).zip(lies) {
        rogue.begin(number, Some(1)).await;
        rogue.send_blobs(number, &[b"ten bytes."]).await;
        let good = rogue.ask(rogue.rows_request(number, 0, &[object(1, "before", b"ten bytes.")])).await;
        assert!(matches!(good, Answer::Staged(1)), "{good:?}");
        let answer = rogue.ask(rogue.rows_request(number, 1, &lie)).await;
        dropped(&victim, &rogue, what, &answer).await;
    }
    rogue.begin(50, Some(1)).await;
    let hashes = vec![hash; HASHES_MAX + 1];
    let answer = rogue.ask(Request::Lacking { attempt: rogue.attempt(50), hashes }).await;
    dropped(&victim, &rogue, "too many hashes", &answer).await;
    // A row whose bytes were never sent waits for them, and does not land.
    rogue.begin(51, Some(1)).await;
    let answer = rogue.ask(rogue.rows_request(51, 0, &[object(1, "k", b"never sent")])).await;
    assert!(matches!(failed(&answer), Failure::Internal(_)), "{answer:?}");
    rogue.is_shown(&victim, 1);
    victim.is_whole().await;
    victim.stop().await;
}

#[tokio::test]
async fn bytes_that_lie_about_their_name_or_their_length_are_refused_and_dropped() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    let (hash, bytes) = (ContentHash::of(&[9; 600]), [9; 600]);
    let bomb = lz4_flex::block::compress(&vec![0; 8 << 20]);
    let bomb_len = bomb.len() as u32;
    let lies: Vec<(&str, (u8, u8), (u32, u32), Vec<u8>)> = vec![
        ("another's name", (0, 0), (600, 600), vec![8; 600]),
        ("data called a recipe", (1, 0), (600, 600), bytes.to_vec()),
        ("no length", (0, 0), (0, 0), Vec::new()),
        ("a length beyond a piece", (0, 0), (u32::MAX, u32::MAX), bytes.to_vec()),
        ("a recipe beyond all recipes", (1, 0), (1 << 20, 1 << 20), vec![0; 1 << 20]),
        ("an unknown kind", (9, 0), (600, 600), bytes.to_vec()),
        ("an unknown encoding", (0, 9), (600, 600), bytes.to_vec()),
        ("a bomb that says it is small", (0, 1), (40_000, bomb_len), bomb.clone()),
        ("a bomb beyond a piece", (0, 1), ((8 << 20) + 1, bomb_len), bomb.clone()),
        ("a bomb of another name", (0, 1), (8 << 20, bomb_len), bomb),
        ("noise called compressed", (0, 1), (600, 64), vec![0xf7; 64]),
    ];
    for (number, (what, words, lengths, bytes)) in (10..).zip(lies) {
        rogue.begin(number, Some(1)).await;
        let mut out = rows::head(rogue.node, rogue.attempt(number));
        frame(&mut out, hash, words, lengths, &bytes);
        encode_end(&mut out);
        dropped(&victim, &rogue, what, &rogue.stream(out).await).await;
    }
    rogue.begin(40, Some(1)).await;
    let mut out = rows::blobs(rogue.node, rogue.attempt(40), &[&[1; 10]]);
    out.put_slice(b"and more");
    dropped(&victim, &rogue, "bytes behind the end", &rogue.stream(out).await).await;
    victim.stop().await;
}

#[tokio::test]
async fn recipes_that_lie_are_refused_and_dropped() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    let (data, kind) = (ContentHash::of(b"a piece"), BlobKind::Data);
    let honest = recipe(&[(kind, data, 7)]);
    let nested = |bytes| recipe(&[(BlobKind::Recipe, recipe_hash(&honest), bytes)]);
    let object = |key, bytes: &[u8], size| sized(1, key, Body::Recipe(recipe_hash(bytes)), size);
    let lies: Vec<(&str, Vec<Vec<u8>>, Vec<WireRow>)> = vec![
        ("a piece of another length", vec![recipe(&[(kind, data, 8)])], Vec::new()),
        ("a piece that is a recipe", vec![recipe(&[(BlobKind::Recipe, data, 7)])], Vec::new()),
        ("no pieces", vec![recipe(&[])], Vec::new()),
        ("too many pieces", vec![recipe(&vec![(kind, data, 7); 1025])], Vec::new()),
        ("pieces beyond all numbers", vec![recipe(&[(kind, data, u64::MAX), (kind, data, 7)])], Vec::new()),
        ("a size that is not the pieces'", vec![honest.clone()], vec![object("k", &honest, 8)]),
        (
            "a recipe that lies about a recipe",
            vec![honest.clone(), nested(1 << 50)],
            vec![object("k", &nested(1 << 50), 1 << 50)],
        ),
        ("the truth, and then a lie", vec![honest.clone()], vec![object("a", &honest, 7), object("b", &honest, 8)]),
        ("a lie, and then the truth", vec![honest.clone()], vec![object("a", &honest, 8), object("b", &honest, 7)]),
        (
            "a recipe that lies about what a row told the truth of",
            vec![honest.clone(), nested(9)],
            vec![object("a", &honest, 7), object("b", &nested(9), 9)],
        ),
        (
            "two recipes that contradict each other",
            vec![honest.clone(), nested(7), nested(9)],
            vec![object("a", &nested(7), 7), object("b", &nested(9), 9)],
        ),
    ];
    for (number, (what, recipes, rows)) in (10..).zip(lies) {
        rogue.begin(number, Some(1)).await;
        let mut out = rows::head(rogue.node, rogue.attempt(number));
        encode_blob(&mut out, data, kind, b"a piece");
        for bytes in &recipes {
            encode_blob(&mut out, recipe_hash(bytes), BlobKind::Recipe, bytes);
        }
        encode_end(&mut out);
        let stored = rogue.stream(out).await;
        let answer = match rows.is_empty() {
            true => stored,
            false => {
                assert!(matches!(stored, Answer::Stored), "{what}: {stored:?}");
                rogue.ask(rogue.rows_request(number, 0, &rows)).await
            }
        };
        dropped(&victim, &rogue, what, &answer).await;
    }
    victim.stop().await;
}

#[tokio::test]
async fn messages_with_lengths_that_cannot_be_are_not_even_read() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    rogue.begin(2, Some(1)).await;
    let envelope =
        |rows| super::super::message::Envelope { sender: rogue.node, request: rogue.rows_request(2, 0, rows) };
    let empty = encode(&envelope(&[])).unwrap();
    // The last byte is the number of rows: 2^64 - 1 of them, and one that does not fit 64 bits.
    for length in [[0xff; 9].as_slice(), &[0xff; 11]] {
        let mut lie = empty[..empty.len() - 1].to_vec();
        lie.extend_from_slice(length);
        lie.push(1);
        let answer = rogue.post(CALL, lie).await;
        assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::BAD_REQUEST))), "{answer:?}");
    }
    let answer = rogue.post(CALL, vec![1; (4 << 20) + 2]).await;
    assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::PAYLOAD_TOO_LARGE))), "{answer:?}");
    let mut head = BytesMut::new();
    head.put_u16_le(u16::MAX);
    head.put_slice(&[0; 2000]);
    let answer = rogue.post(BLOBS, head.freeze()).await;
    assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::BAD_REQUEST))), "{answer:?}");
    rogue.is_shown(&victim, 1);
    victim.is_whole().await;
    victim.stop().await;
}

#[tokio::test]
async fn a_path_that_cannot_be_or_is_in_the_way_is_not_made() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    rogue.path = PathGuid::from_bytes([8; 16]);
    for scope in [scope("own"), scope("path"), tandem_storage::record::Scope::Endpoint] {
        rogue.scope = scope;
        let answer = rogue.ask(Request::Accept(Box::new(rogue.view()))).await;
        assert!(matches!(failed(&answer), Failure::Refused(_)), "{answer:?}");
    }
    rogue.scope = scope("free");
    let bent: [fn(&mut crate::role::machine::PathView); 3] = [
        |view| view.epoch.number = tandem_storage::types::EpochNumber::new(u64::MAX),
        |view| view.policy.every = std::time::Duration::ZERO,
        |view| view.speaker = tandem_storage::types::NodeGuid::from_bytes([77; 16]),
    ];
    for bend in bent {
        let mut view = rogue.view();
        bend(&mut view);
        let answer = rogue.ask(Request::Accept(Box::new(view))).await;
        assert!(matches!(failed(&answer), Failure::Refused(_)), "{answer:?}");
    }
    assert_eq!(victim.store.paths().len(), 1);
    victim.is_whole().await;
    victim.stop().await;
}

#[tokio::test]
async fn a_full_disk_ends_a_flood_with_an_alarm_on_both_sides() {
    let victim = Victim::with_watermark(u64::MAX).await;
    let rogue = Rogue::paired(&victim, 2).await;
    rogue.accept().await;
    rogue.begin(1, None).await;
    let flood = rogue.ask(rogue.rows_request(1, 0, &[bucket(1, "path")])).await;
    assert_eq!(failed(&flood), &Failure::NoSpace);
    let stream = rows::blobs(rogue.node, rogue.attempt(1), &[b"bytes"]);
    assert_eq!(failed(&rogue.stream(stream).await), &Failure::NoSpace);
    let report = victim.control.report();
    assert!(report.low_space, "{report:?}");
    let alarm = report.paths[0].alarm.clone();
    assert!(alarm.is_some_and(|alarm| alarm.contains("full")), "{report:#?}");
    // What makes room goes on.
    victim.control.remove_path(&rogue.scope).await.unwrap();
    assert!(victim.store.paths().is_empty());
    victim.stop().await;
}
