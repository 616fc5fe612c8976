//! Secrets at rest: AES-256-GCM under keys of a file that is not among the data's tables. Each sealed secret names its key,
//! so that a key can be replaced by putting a new line first.

use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::OpenError;
use crate::clock::Clock;
use crate::files::{Readers, read_secret_text, write_private};

const MARKER: &str = "tandem-identity-key-1";

/// A secret as it is stored: unreadable without its key, and only at its own place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    pub key_id: [u8; 4],
    nonce: [u8; NONCE_LEN],
    /// With its tag.
    ciphertext: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed(key {})", hex::encode(self.key_id))
    }
}

/// Why sealed bytes did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    UnknownKey,
    Damaged,
}

/// The keys of the file: the first seals, all open.
pub struct Sealer {
    path: PathBuf,
    keys: Vec<([u8; 4], LessSafeKey)>,
}

impl Sealer {
    /// Reads the key file; makes one when there is none and nothing is `sealed` yet.
    ///
    /// # Errors
    /// `KeyFile`: unreadable, malformed, or readable for others. `KeyFileMissing`: secrets are sealed under it.
    pub fn open(path: &Path, sealed: bool, clock: &dyn Clock) -> Result<Self, OpenError> {
        let refused = |reason: String| OpenError::KeyFile { path: path.into(), reason };
        let text = match read_secret_text(path, Readers::Owner) {
            Ok(text) => text,
            Err(error) if error.is_absent() && sealed => return Err(OpenError::KeyFileMissing { path: path.into() }),
            Err(error) if error.is_absent() => {
                let text = fresh_line(clock);
                write_private(path, text.as_bytes()).map_err(|error| refused(error.to_string()))?;
                text
            }
            Err(error) => return Err(refused(error.to_string())),
        };
        let keys = parse(&text).ok_or_else(|| refused(format!("expected lines `{MARKER} ID KEY`")))?;
        Ok(Sealer { path: path.into(), keys })
    }

    /// A key that no file has.
    pub(super) fn ephemeral(clock: &dyn Clock) -> Self {
        let keys = parse(&fresh_line(clock)).expect("its own line");
        Sealer { path: PathBuf::new(), keys }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Seals `secret` for one `place`: it opens nowhere else.
    pub fn seal(&self, place: &[u8], secret: &[u8], clock: &dyn Clock) -> Sealed {
        let (key_id, key) = self.keys.first().expect("a key file has at least one key");
        let mut nonce = [0; NONCE_LEN];
        clock.fill_random(&mut nonce);
        let mut ciphertext = Vec::with_capacity(secret.len() + AES_256_GCM.tag_len());
        ciphertext.extend_from_slice(secret);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut ciphertext)
            .expect("a secret is far below the cipher's limit");
        Sealed { key_id: *key_id, nonce, ciphertext }
    }

    /// # Errors
    /// [`Unopened`].
    pub fn open_sealed(&self, place: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (_, key) = self.keys.iter().find(|(id, _)| *id == sealed.key_id).ok_or(Unopened::UnknownKey)?;
        let mut bytes = Zeroizing::new(sealed.ciphertext.clone());
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let length = key.open_in_place(nonce, Aad::from(place), &mut bytes).map_err(|_| Unopened::Damaged)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn fresh_line(clock: &dyn Clock) -> Zeroizing<String> {
    let (mut id, mut key) = ([0; 4], Zeroizing::new([0; 32]));
    clock.fill_random(&mut id);
    clock.fill_random(key.as_mut_slice());
    let key = Zeroizing::new(hex::encode(key.as_slice()));
    Zeroizing::new(format!("{MARKER} {} {}\n", hex::encode(id), key.as_str()))
}

/// None unless every line is a key, and there is one at least.
fn parse(text: &str) -> Option<Vec<([u8; 4], LessSafeKey)>> {
    let mut keys = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_ascii_whitespace();
        let (Some(MARKER), Some(id), Some(key), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return None;
        };
        let id = <[u8; 4]>::try_from(hex::decode(id).ok()?).ok()?;
        let key = Zeroizing::new(hex::decode(key).ok()?);
        keys.push((id, LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?)));
    }
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{Sealer, Unopened};
    use crate::clock::SystemClock;
    use crate::identity::error::OpenError;

    #[test]
    fn what_is_sealed_opens_at_its_place_under_its_key_and_nowhere_else() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), SystemClock::new());
        let path = dir.path().join("identity.key");
        let sealer = Sealer::open(&path, false, &clock).unwrap();
        let sealed = sealer.seal(b"a", b"secret", &clock);
        assert_eq!(sealer.open_sealed(b"a", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(sealer.open_sealed(b"b", &sealed).unwrap_err(), Unopened::Damaged);
        let again = Sealer::open(&path, true, &clock).unwrap();
        assert_eq!(again.open_sealed(b"a", &sealed).unwrap().as_slice(), b"secret");
        let other = Sealer::open(&dir.path().join("other"), false, &clock).unwrap();
        assert_eq!(other.open_sealed(b"a", &sealed).unwrap_err(), Unopened::UnknownKey);
        // A new key goes first; the old one still opens.
        let (old, new) = (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(other.path()).unwrap());
        std::fs::write(&path, format!("{new}{old}")).unwrap();
        let both = Sealer::open(&path, true, &clock).unwrap();
        assert_eq!(both.open_sealed(b"a", &sealed).unwrap().as_slice(), b"secret");
        assert_ne!(both.seal(b"a", b"secret", &clock).key_id, sealed.key_id);
    }

    #[test]
    fn a_key_file_is_private_well_formed_and_there() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), SystemClock::new());
        let path = dir.path().join("identity.key");
        assert!(matches!(Sealer::open(&path, true, &clock), Err(OpenError::KeyFileMissing { .. })));
        Sealer::open(&path, false, &clock).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Sealer::open(&path, false, &clock), Err(OpenError::KeyFile { .. })));
        for bad in ["", "tandem-identity-key-1 00", "tandem-identity-key-1 00000000 00", "x"] {
            std::fs::write(&path, bad).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(Sealer::open(&path, false, &clock), Err(OpenError::KeyFile { .. })), "{bad}");
        }
    }
}
