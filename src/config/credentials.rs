//! The administrator's secrets: given by file or environment, or generated at the first start, printed once, and kept in
//! a file that only the owner reads.
//!
//! *Architecture invariant:* nothing here implements `Debug` or `Display` over a secret.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Config, ConfigError};
use crate::clock::Clock;
pub use crate::files::write_private;
use crate::files::{Readers, read_secret_text};

/// Secrets as the process's environment gives them.
#[derive(Default)]
pub struct SecretEnvironment {
    /// `TANDEM_ROOT_SECRET_KEY`
    pub root_secret_key: Option<String>,
    /// `TANDEM_PASSWORD`
    pub admin_password: Option<String>,
    /// `TANDEM_PAIRING_SECRET`
    pub pairing_secret: Option<String>,
}

/// The admin port's password, as a SHA-256; a generated one has too many bits for that to matter.
#[derive(Clone)]
pub struct PasswordHash([u8; 32]);

impl PasswordHash {
    pub fn of(password: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, password.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        PasswordHash(bytes)
    }

    /// For keys that are to die with the password.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// In constant time.
    pub fn matches(&self, password: &str) -> bool {
        self.0.ct_eq(&Self::of(password).0).into()
    }
}

/// Everything secret that a node starts with.
pub struct Credentials {
    pub access_key: String,
    pub secret_key: Zeroizing<String>,
    pub admin_password: PasswordHash,
    pub pairing_secret: Option<Zeroizing<String>>,
}

/// What was made up at this start, to be printed once.
#[derive(Default)]
pub struct Generated {
    pub keys: Option<(String, String)>,
    pub admin_password: Option<String>,
    pub kept_in: PathBuf,
}

impl Generated {
    /// None if everything was given or known.
    pub fn announcement(&self) -> Option<String> {
        let mut lines = Vec::new();
        if let Some((access, secret)) = &self.keys {
            lines.push(format!("  access key      {access}"));
            lines.push(format!("  secret key      {secret}"));
        }
        if let Some(password) = &self.admin_password {
            lines.push("  admin user      admin".into());
            lines.push(format!("  admin password  {password}"));
        }
        if lines.is_empty() {
            return None;
        }
        let kept = self.kept_in.display();
        Some(format!("First start: these are shown once (kept in {kept}).\n{}", lines.join("\n")))
    }
}

/// The file beside the data: only what was generated.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    access_key: Option<String>,
    secret_key: Option<String>,
    admin_password_sha256: Option<String>,
}

const KNOWN_DEFAULTS: [&str; 16] = [
    "minioadmin",
    "minioadmin123",
    "minio123",
    "minio",
    "rustfsadmin",
    "admin",
    "administrator",
    "password",
    "password123",
    "changeme",
    "changemechangeme",
    "secret",
    "secretsecretsecret",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "tandem",
];

const SECRET_KEY_MIN: usize = 16;
const PASSWORD_MIN: usize = 12;
const PAIRING_SECRET_MIN: usize = 16;

impl Credentials {
    /// Takes what was given, then what is kept, and generates the rest.
    pub fn load(
        config: &Config,
        env: SecretEnvironment,
        clock: &dyn Clock,
    ) -> Result<(Credentials, Generated), ConfigError> {
        private_dir(&config.data_dir)?;
        let path = config.data_dir.join("credentials.toml");
        let mut kept = read_kept(&path)?;
        let mut generated = Generated { kept_in: path.clone(), ..Generated::default() };
        let secret = given(env.root_secret_key, config.root_secret_key_file.as_deref())?;
        let (access_key, secret_key) = keys(config, secret, &mut kept, &mut generated, clock)?;
        let password = given(env.admin_password, config.admin_password_file.as_deref())?;
        let admin_password = admin_password(password, &mut kept, &mut generated, clock)?;
        let pairing_secret = given(env.pairing_secret, config.pairing_secret_file.as_deref())?.map(Zeroizing::new);
        if let Some(secret) = &pairing_secret {
            strong("pairing_secret", secret, PAIRING_SECRET_MIN)?;
        }
        if generated.keys.is_some() || generated.admin_password.is_some() {
            write_kept(&path, &kept)?;
        }
        Ok((Credentials { access_key, secret_key, admin_password, pairing_secret }, generated))
    }
}

fn keys(
    config: &Config,
    secret: Option<String>,
    kept: &mut Kept,
    generated: &mut Generated,
    clock: &dyn Clock,
) -> Result<(String, Zeroizing<String>), ConfigError> {
    let invalid = |setting, reason: &str| Err(ConfigError::Invalid { setting, reason: reason.into() });
    let (access, secret) = match (config.root_access_key.clone(), secret) {
        (Some(access), Some(secret)) => (access, secret),
        (None, Some(_)) => return invalid("root_access_key", "a secret key was given without an access key"),
        (Some(access), None) => match (&kept.access_key, &kept.secret_key) {
            (Some(known), Some(secret)) if *known == access => (access, secret.clone()),
            _ => {
                let hint =
                    "an access key was given without a secret: set TANDEM_ROOT_SECRET_KEY or root_secret_key_file";
                return invalid("root_access_key", hint);
            }
        },
        (None, None) => match (&kept.access_key, &kept.secret_key) {
            (Some(access), Some(secret)) => (access.clone(), secret.clone()),
            _ => {
                let pair = generate_keys(clock);
                (kept.access_key, kept.secret_key) = (Some(pair.0.clone()), Some(pair.1.clone()));
                generated.keys = Some(pair.clone());
                pair
            }
        },
    };
    let plain = access.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !(3..=128).contains(&access.len()) || !plain {
        return invalid("root_access_key", "3 to 128 letters, digits, dots, hyphens and underscores");
    }
    if known_default(&access) {
        return invalid("root_access_key", "this is a default that everyone knows; choose another, or none");
    }
    if access == secret {
        return invalid("root_secret_key", "it must differ from the access key");
    }
    strong("root_secret_key", &secret, SECRET_KEY_MIN)?;
    Ok((access, Zeroizing::new(secret)))
}

fn admin_password(
    password: Option<String>,
    kept: &mut Kept,
    generated: &mut Generated,
    clock: &dyn Clock,
) -> Result<PasswordHash, ConfigError> {
    if let Some(password) = password {
        strong("admin_password", &password, PASSWORD_MIN)?;
        return Ok(PasswordHash::of(&password));
    }
    if let Some(hash) = &kept.admin_password_sha256 {
        let decoded = hex::decode(hash).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        return decoded.map(PasswordHash).ok_or_else(|| ConfigError::Invalid {
            setting: "admin_password_sha256",
            reason: "credentials.toml is damaged; remove the line to have a new password generated".into(),
        });
    }
    let password = random_text(clock, 24);
    let hash = PasswordHash::of(&password);
    kept.admin_password_sha256 = Some(hex::encode(hash.0));
    generated.admin_password = Some(password);
    Ok(hash)
}

/// An access key in AWS's shape and a secret of 40 characters (238 bits).
pub fn generate_keys(clock: &dyn Clock) -> (String, String) {
    let access = random_text(clock, 17).to_ascii_uppercase();
    (format!("TDM{access}"), random_text(clock, 40))
}

/// Letters and digits, evenly drawn.
pub fn random_text(clock: &dyn Clock, length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 64];
        clock.fill_random(&mut bytes);
        let drawn = bytes.iter().map(|byte| usize::from(*byte)).filter(|index| *index < 248);
        let missing = length - text.len();
        text.extend(drawn.take(missing).map(|index| char::from(ALPHABET[index % 62])));
    }
    text
}

fn known_default(text: &str) -> bool {
    KNOWN_DEFAULTS.iter().any(|known| known.eq_ignore_ascii_case(text))
}

fn strong(setting: &'static str, secret: &str, least: usize) -> Result<(), ConfigError> {
    let reason = if known_default(secret) {
        "this is a default that everyone knows; choose another, or none".to_owned()
    } else if secret.len() < least {
        format!("too short: at least {least} characters")
    } else {
        return Ok(());
    };
    Err(ConfigError::Invalid { setting, reason })
}

/// The environment's value, else the file's first line.
fn given(env: Option<String>, file: Option<&Path>) -> Result<Option<String>, ConfigError> {
    match (env, file) {
        (Some(value), _) => Ok(Some(value)),
        (None, Some(path)) => read_secret(path).map(|secret| Some(secret.to_string())),
        (None, None) => Ok(None),
    }
}

/// A secret file's content, without the line's end. Others may not read or change the file.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let text = read_secret_text(path, Readers::Group).map_err(|error| file_error(path, error))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(ConfigError::File { path: path.into(), reason: "the secret is empty".into() });
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

fn read_kept(path: &Path) -> Result<Kept, ConfigError> {
    match read_secret_text(path, Readers::Owner) {
        Ok(text) => {
            toml::from_str(&text).map_err(|_| ConfigError::File { path: path.into(), reason: "damaged".into() })
        }
        Err(error) if error.is_absent() => Ok(Kept::default()),
        Err(error) => Err(file_error(path, error)),
    }
}

fn write_kept(path: &Path, kept: &Kept) -> Result<(), ConfigError> {
    let text = Zeroizing::new(toml::to_string(kept).expect("plain values"));
    write_private(path, text.as_bytes()).map_err(|error| file_error(path, error))
}

/// Makes the directory for its owner alone. One that is there and holds something keeps the access it was given.
pub fn private_dir(path: &Path) -> Result<(), ConfigError> {
    make_private(path).map_err(|error| file_error(path, error))
}

fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if std::fs::read_dir(path)?.next().is_none() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn file_error(path: &Path, error: impl std::fmt::Display) -> ConfigError {
    ConfigError::File { path: path.into(), reason: error.to_string() }
}
