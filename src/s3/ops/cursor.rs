//! Continuation tokens: where a listing goes on, as opaque text.
//!
//! A token carries a digest over its place and the bucket it was made for, so one that is cut, guessed, or of another bucket is refused.
//! It is no secret: who forges one learns what a `start-after` would have told. A bucket has the same GUID on every
//! node, so a listing that began before a failover goes on after it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tandem_storage::list::Start;

const DIGEST_BYTES: usize = 8;

/// `scope` is what the listing is of: a bucket's GUID, or nothing for the list of buckets.
pub(super) fn to_token(start: &Start, scope: &[u8]) -> String {
    let place = start.to_token();
    let mut bytes = digest(place.as_bytes(), scope).to_vec();
    bytes.extend_from_slice(place.as_bytes());
    BASE64.encode(bytes)
}

pub(super) fn from_token(token: &str, scope: &[u8]) -> Option<Start> {
    let bytes = BASE64.decode(token).ok()?;
    let (found, place) = bytes.split_at_checked(DIGEST_BYTES)?;
    if found != digest(place, scope) {
        return None;
    }
    Start::from_token(str::from_utf8(place).ok()?)
}

fn digest(place: &[u8], scope: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key("tandem continuation token 1");
    hasher.update(&(scope.len() as u64).to_le_bytes());
    hasher.update(scope);
    hasher.update(place);
    let mut bytes = [0; DIGEST_BYTES];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_on_only_where_it_was_made() {
        let start = Start::AfterKey("photos/\u{e9}".into());
        let token = to_token(&start, b"one");
        assert_eq!(from_token(&token, b"one"), Some(start));
        assert_eq!(from_token(&token, b"two"), None);
        for forged in ["", "AAAA", "!!!", "a/b", &token[1..], &format!("{token}AA"), "YWJjZGVmZ2hpamtsbW5vcA"] {
            assert_eq!(from_token(forged, b"one"), None, "{forged}");
        }
    }
}
