//! Recipes of more levels than anybody would make, and of more pieces than anybody could store: both are honest.

use bytes::BytesMut;
use tandem_storage::record::BlobKind;
use tandem_storage::types::{Body, ContentHash};

use super::super::message::Answer;
use super::super::wire::{encode_blob, encode_end};
use super::lies::{recipe, recipe_hash};
use super::rogue::Rogue;
use super::rows::{self, sized};
use super::victim::Victim;

const PIECE: &[u8] = b"a piece";

/// Sends the piece and these recipes, and has an object over the last of them staged.
async fn stage(rogue: &mut Rogue, number: u8, recipes: &[Vec<u8>], size: u64) -> ContentHash {
    rogue.begin(number, Some(1)).await;
    let mut out = rows::head(rogue.node, rogue.attempt(number));
    encode_blob(&mut out, ContentHash::of(PIECE), BlobKind::Data, PIECE);
    for bytes in recipes {
        encode_blob(&mut out, recipe_hash(bytes), BlobKind::Recipe, bytes);
    }
    encode_end(&mut out);
    let stored = rogue.stream(out).await;
    assert!(matches!(stored, Answer::Stored), "{stored:?}");
    let top = recipe_hash(recipes.last().unwrap());
    let rows = [sized(1, "deep", Body::Recipe(top), size)];
    let staged = rogue.ask(rogue.rows_request(number, 0, &rows)).await;
    assert!(matches!(staged, Answer::Staged(1)), "{staged:?}");
    rogue.take(&rows);
    top
}

#[tokio::test]
async fn five_thousand_levels_land_and_are_read() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    let data = (BlobKind::Data, ContentHash::of(PIECE), 7);
    // An object that grew by copies: the object so far, and a tail.
    let mut recipes = vec![recipe(&[data, data])];
    let mut size = 14;
    while recipes.len() < 5000 {
        let below = recipe_hash(recipes.last().unwrap());
        recipes.push(recipe(&[(BlobKind::Recipe, below, size), data]));
        size += 7;
    }
    let top = stage(&mut rogue, 2, &recipes, size).await;
    rogue.land(2, 1).await;
    rogue.is_shown(&victim, 2);
    let mut content = BytesMut::new();
    let mut body = victim.store.read().unwrap().open_body(&Body::Recipe(top), 0..size).unwrap();
    while body.next_chunk(&mut content).unwrap() {}
    assert!(content[..] == PIECE.repeat(5001));
    victim.is_whole().await;
    victim.stop().await;
}

#[tokio::test]
async fn what_is_listed_a_thousand_times_on_every_level_is_looked_at_once() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    // Each level lists the one below 1,024 times: five of them are 2^50 pieces.
    let mut tower = vec![recipe(&[(BlobKind::Data, ContentHash::of(PIECE), 7)])];
    for level in 0..5u32 {
        let below = recipe_hash(tower.last().unwrap());
        tower.push(recipe(&vec![(BlobKind::Recipe, below, 7 << (10 * level)); 1024]));
    }
    stage(&mut rogue, 2, &tower, 7 << 50).await;
    rogue.land(2, 1).await;
    rogue.is_shown(&victim, 2);
    victim.is_whole().await;
    victim.stop().await;
}
