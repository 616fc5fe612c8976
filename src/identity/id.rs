//! Names that are minted or checked here: accounts, unique ids, access keys, ARNs.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::IdentityError;
use crate::clock::Clock;

/// A unique id, or any other text that many places share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

impl Id {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Id(text.into())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Id(text.into())
    }
}

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Id::from)
    }
}

/// Twelve digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct AccountId(u64);

impl AccountId {
    /// It is there from the first start; the administrator is its root.
    pub const DEFAULT: AccountId = AccountId(0);
    /// Whose AWS-managed policies are. Not an account: no twelve digits read as it, and no row holds it.
    pub const AWS: AccountId = AccountId(u64::MAX);

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().map(AccountId)
    }

    /// A random one that does not begin with a zero.
    pub fn mint(clock: &dyn Clock) -> Self {
        let random = crate::clock::random_u64(clock);
        AccountId(100_000_000_000 + random % 900_000_000_000)
    }
}

impl TryFrom<u64> for AccountId {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        if number < 1_000_000_000_000 { Ok(AccountId(number)) } else { Err("more than twelve digits") }
    }
}

impl From<AccountId> for u64 {
    fn from(id: AccountId) -> u64 {
        id.0
    }
}

impl std::fmt::Display for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            AccountId::AWS => f.write_str("aws"),
            AccountId(number) => write!(f, "{number:012}"),
        }
    }
}

impl std::fmt::Debug for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The canonical id of an account, by its twelve digits: 64 hexadecimal digits. The same on every node, so that ACLs mean the same
/// accounts wherever a bucket travels.
pub fn canonical_id(account: &str) -> String {
    blake3::hash(format!("tandem canonical id {account}").as_bytes()).to_hex().to_string()
}

/// `prefix` and so many characters of base 32, as AWS's ids have them: `AIDA` for users, `AKIA` for access keys...
pub fn mint(prefix: &str, characters: usize, clock: &dyn Clock) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bytes = vec![0; characters];
    clock.fill_random(&mut bytes);
    let drawn = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    prefix.chars().chain(drawn).collect()
}

/// Lower-case letters and digits: ids of organisations and of their units.
pub fn mint_lower(prefix: &str, characters: usize, clock: &dyn Clock) -> String {
    mint(prefix, characters, clock).to_ascii_lowercase()
}

/// Letters and digits, evenly drawn.
pub fn mint_secret(characters: usize, clock: &dyn Clock) -> zeroize::Zeroizing<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = zeroize::Zeroizing::new(vec![0; characters]);
    clock.fill_random(&mut bytes);
    let drawn = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)]));
    zeroize::Zeroizing::new(drawn.collect())
}

/// `arn:aws:iam::ACCOUNT:KIND/PATH/NAME`
pub fn arn(account: AccountId, kind: super::Kind, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{}{path}{name}", kind.word())
}

pub fn root_arn(account: AccountId) -> String {
    format!("arn:aws:iam::{account}:root")
}

/// (account, kind, path, name) of an IAM ARN; none if it is none.
pub fn parse_arn(text: &str) -> Option<(AccountId, super::Kind, &str, &str)> {
    let (account, resource) = text.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let at = resource.find('/')?;
    let kind = match &resource[..at] {
        "user" => super::Kind::User,
        "group" => super::Kind::Group,
        "role" => super::Kind::Role,
        "policy" => super::Kind::Policy,
        "instance-profile" => super::Kind::InstanceProfile,
        _ => return None,
    };
    let slash = resource.rfind('/')?;
    let account = match (account, kind) {
        ("aws", super::Kind::Policy) => AccountId::AWS,
        (account, _) => AccountId::parse(account)?,
    };
    Some((account, kind, &resource[at..=slash], &resource[slash + 1..]))
}

/// What IAM takes as a name: letters, digits and `+=,.@_-`.
pub fn check_name(what: &str, name: &str, longest: usize) -> Result<(), IdentityError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if !name.is_empty() && name.len() <= longest && name.bytes().all(plain) {
        return Ok(());
    }
    let shown: String = name.chars().take(longest).collect();
    Err(IdentityError::invalid(format!(
        "The specified value for {what} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and be at most {longest} long: {shown}"
    )))
}

/// Names of local users and groups: directories have `$`, spaces and the like in theirs; what divides ARNs they have not.
pub fn check_local_name(what: &str, name: &str) -> Result<(), IdentityError> {
    let plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !b"/:\"'<>".contains(&byte);
    let bounded = !name.is_empty() && name.len() <= 128 && name.trim() == name;
    if bounded && name.bytes().all(plain) {
        return Ok(());
    }
    Err(IdentityError::invalid(format!(
        "{what}: 1 to 128 printable ASCII characters, without / : quotes and angle brackets"
    )))
}

/// `/`, or `/a/b/`: printable ASCII between slashes.
pub fn check_path(path: &str) -> Result<(), IdentityError> {
    let ends = path.starts_with('/') && path.ends_with('/');
    if ends && path.len() <= 512 && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(IdentityError::invalid(
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::{AccountId, arn, check_local_name, check_name, check_path, mint, parse_arn};
    use crate::clock::SystemClock;

    #[test]
    fn accounts_are_twelve_digits() {
        assert_eq!(AccountId::parse("000000000000"), Some(AccountId::DEFAULT));
        assert_eq!(AccountId::parse("123456789012").unwrap().to_string(), "123456789012");
        for bad in ["", "1", "1234567890123", "12345678901a", "+12345678901"] {
            assert_eq!(AccountId::parse(bad), None, "{bad}");
        }
        assert!(AccountId::mint(&SystemClock::new()).to_string().len() == 12);
    }

    #[test]
    fn arns_are_read_as_they_are_written() {
        let text = arn(AccountId::DEFAULT, Kind::Role, "/a/b/", "r");
        assert_eq!(text, "arn:aws:iam::000000000000:role/a/b/r");
        assert_eq!(parse_arn(&text), Some((AccountId::DEFAULT, Kind::Role, "/a/b/", "r")));
        for bad in ["", "arn:aws:iam::1:user/a", "arn:aws:iam::000000000000:user", "arn:aws:s3:::b", "role/x"] {
            assert_eq!(parse_arn(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_have_awss_shape_and_names_its_alphabet() {
        let id = mint("AIDA", 17, &SystemClock::new());
        assert!(
            id.len() == 21
                && id.starts_with("AIDA")
                && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        );
        assert!(check_name("userName", "a+=,.@_-9", 64).is_ok());
        for bad in ["", "a b", "a/b", "a\u{e9}", &"x".repeat(65)] {
            assert!(check_name("userName", bad, 64).is_err(), "{bad}");
        }
        assert!(check_local_name("name", "DOMAIN\\host$ *").is_ok());
        assert!(check_local_name("name", "a/b").is_err() && check_local_name("name", " a").is_err());
        assert!(
            check_path("/").is_ok()
                && check_path("/a/").is_ok()
                && check_path("/a").is_err()
                && check_path("").is_err()
        );
    }
}
