//! A node's settings: one TOML file, every setting also a flag and an environment variable; flag > environment > file >
//! default. Secrets are apart ([`credentials`]): they come from files and the environment only, and are never printed.

pub mod credentials;
mod duration;
mod flags;
mod size;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use duration::{HumanDuration, InvalidDuration, whole_seconds};
pub use flags::Flags;
pub use size::ByteSize;

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("{path}: unknown setting `{key}`; {hint}")]
    Unknown { path: PathBuf, key: String, hint: String },
    #[error("{setting}: {reason}")]
    Invalid { setting: &'static str, reason: String },
}

/// Which engine keeps the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Redb,
    #[cfg(feature = "sled")]
    Sled,
}

impl From<Engine> for tandem_storage::EngineKind {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Redb => tandem_storage::EngineKind::Redb,
            #[cfg(feature = "sled")]
            Engine::Sled => tandem_storage::EngineKind::Sled,
        }
    }
}

/// Who owns the objects of a bucket: S3's `ObjectOwnership`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum ObjectOwnership {
    #[value(name = "BucketOwnerEnforced")]
    BucketOwnerEnforced,
    #[value(name = "BucketOwnerPreferred")]
    BucketOwnerPreferred,
    #[value(name = "ObjectWriter")]
    ObjectWriter,
}

impl From<ObjectOwnership> for tandem_policy::ObjectOwnership {
    fn from(ownership: ObjectOwnership) -> Self {
        match ownership {
            ObjectOwnership::BucketOwnerEnforced => tandem_policy::ObjectOwnership::BucketOwnerEnforced,
            ObjectOwnership::BucketOwnerPreferred => tandem_policy::ObjectOwnership::BucketOwnerPreferred,
            ObjectOwnership::ObjectWriter => tandem_policy::ObjectOwnership::ObjectWriter,
        }
    }
}

/// The effective settings, without secrets. Field names are the file's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub data_dir: PathBuf,
    /// What this node is called in reports; none: the start of its GUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    pub s3_listen: SocketAddr,
    /// How clients reach the S3 face; none: from the listening address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_tls_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_tls_key: Option<PathBuf>,
    pub region: String,
    /// Further regions that a signature may name; `any` takes all.
    pub accept_regions: Vec<String>,
    /// Domains of virtual-host style requests; none: path style only.
    pub domains: Vec<String>,
    pub connections_max: usize,
    /// Of them, how many one client address may have.
    pub connections_per_address_max: usize,
    /// Multipart uploads that one user may have in progress, in all buckets.
    pub uploads_max: u64,
    pub header_timeout_seconds: HumanDuration,
    pub idle_timeout_seconds: HumanDuration,
    pub body_idle_timeout_seconds: HumanDuration,

    pub admin_listen: SocketAddr,
    /// How operators reach the admin port; none: from the listening address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_tls_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_tls_key: Option<PathBuf>,
    /// Further names and addresses in the self-signed certificate.
    pub admin_names: Vec<String>,

    pub replication_listen: SocketAddr,
    /// host:port by which peers reach the replication port; none: the listening address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_address: Option<String>,
    /// host:port of the peer to pair with by the shared pairing secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_address: Option<String>,
    /// What this node calls that peer; none: what it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairing_secret_file: Option<PathBuf>,
    /// A peer that is away longer has no claim on history any more: it will be sent everything again.
    pub retention_cap_seconds: HumanDuration,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_access_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_secret_key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_password_file: Option<PathBuf>,
    /// The key that stored secrets are sealed under; none: `identity.key` in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_key_file: Option<PathBuf>,

    pub engine: Engine,
    pub cache: ByteSize,
    pub low_watermark: ByteSize,
    pub reserve: ByteSize,
    pub checkpoint_every: ByteSize,
    pub collect_every_seconds: HumanDuration,
    /// Bytes a second that the scrub reads; 0: it does not run.
    pub scrub_rate: ByteSize,
    /// From the end of one round of the scrub to the beginning of the next.
    pub scrub_every_seconds: HumanDuration,
    pub shutdown_timeout_seconds: HumanDuration,

    pub log: String,
    pub log_json: bool,
    /// `stderr`, `off`, or a file that is appended to.
    pub audit_log: String,
    /// Bytes of lines about refusals in a day: beyond them refusals are counted. What changes is always told.
    pub audit_refusals_per_day: ByteSize,
    /// What `ObjectOwnership` a bucket gets whose maker names none.
    pub default_object_ownership: ObjectOwnership,
    /// The version of VMS whose names the admin port speaks, as `/clusters/` tells it: clients go by it.
    pub vms_version: String,
}

/// Shorter ones would end what is under way.
const TIMEOUT_MIN: HumanDuration = HumanDuration::millis(100);

impl Default for Config {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Config {
            data_dir: PathBuf::from("./tandem-data"),
            name: None,
            s3_listen: local(9000),
            s3_url: None,
            s3_tls_cert: None,
            s3_tls_key: None,
            region: "us-east-1".into(),
            accept_regions: Vec::new(),
            domains: Vec::new(),
            connections_max: 4096,
            connections_per_address_max: 2048,
            uploads_max: 10_000,
            header_timeout_seconds: HumanDuration::seconds(10),
            idle_timeout_seconds: HumanDuration::seconds(60),
            body_idle_timeout_seconds: HumanDuration::seconds(20),
            admin_listen: local(9443),
            admin_url: None,
            admin_tls_cert: None,
            admin_tls_key: None,
            admin_names: Vec::new(),
            replication_listen: local(9600),
            replication_address: None,
            peer_address: None,
            peer_name: None,
            pairing_secret_file: None,
            retention_cap_seconds: HumanDuration::seconds(7 * 24 * 60 * 60),
            root_access_key: None,
            root_secret_key_file: None,
            admin_password_file: None,
            identity_key_file: None,
            engine: Engine::Redb,
            cache: ByteSize::mebibytes(64),
            low_watermark: ByteSize::mebibytes(256),
            reserve: ByteSize::mebibytes(16),
            checkpoint_every: ByteSize::mebibytes(64),
            collect_every_seconds: HumanDuration::seconds(1),
            scrub_rate: ByteSize::mebibytes(16),
            scrub_every_seconds: HumanDuration::seconds(7 * 24 * 60 * 60),
            shutdown_timeout_seconds: HumanDuration::seconds(10),
            log: "info".into(),
            log_json: false,
            audit_log: "stderr".into(),
            audit_refusals_per_day: ByteSize::mebibytes(256),
            default_object_ownership: ObjectOwnership::BucketOwnerEnforced,
            vms_version: "5.4.6".into(),
        }
    }
}

impl Config {
    /// Merges flags and environment (already one in `flags`) over the file, over the defaults.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Config, ConfigError> {
        let mut merged = match file {
            Some(path) => file_values(path)?,
            None => Map::new(),
        };
        let flags = serde_json::to_value(flags).expect("flags are plain values");
        for (key, value) in flags.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            merged.insert(key.clone(), value.clone());
        }
        let config: Config = serde_json::from_value(Value::Object(merged))
            .map_err(|error| ConfigError::Invalid { setting: "settings", reason: error.to_string() })?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |setting, reason: &str| Err(ConfigError::Invalid { setting, reason: reason.into() });
        if self.s3_tls_cert.is_some() != self.s3_tls_key.is_some() {
            return invalid("s3_tls_cert, s3_tls_key", "give both, or neither");
        }
        if self.admin_tls_cert.is_some() != self.admin_tls_key.is_some() {
            return invalid("admin_tls_cert, admin_tls_key", "give both, or neither");
        }
        if self.region.is_empty() || !self.region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return invalid("region", "letters, digits and hyphens, such as us-east-1");
        }
        if let Some(reason) = self.domains.iter().find_map(|domain| flaw_of_domain(domain)) {
            return invalid("domains", reason);
        }
        if self.connections_max == 0 || self.connections_per_address_max == 0 {
            return invalid("connections_max, connections_per_address_max", "at least 1");
        }
        if self.uploads_max == 0 {
            return invalid("uploads_max", "at least 1");
        }
        let timeouts = [self.header_timeout_seconds, self.idle_timeout_seconds, self.body_idle_timeout_seconds];
        if timeouts.iter().any(|timeout| *timeout < TIMEOUT_MIN) {
            return invalid(
                "header_timeout_seconds, idle_timeout_seconds, body_idle_timeout_seconds",
                "at least 100ms",
            );
        }
        if self.retention_cap_seconds < HumanDuration::seconds(60) {
            return invalid("retention_cap_seconds", "at least 60");
        }
        if !is_version(&self.vms_version) {
            return invalid("vms_version", "numbers with dots between, such as 5.4.6");
        }
        if self.audit_log.is_empty() {
            return invalid("audit_log", "`stderr`, `off`, or a file");
        }
        if self.collect_every_seconds < TIMEOUT_MIN {
            return invalid("collect_every_seconds", "at least 100ms");
        }
        if self.scrub_every_seconds < HumanDuration::seconds(1) {
            return invalid("scrub_every_seconds", "at least 1; to scrub nothing set scrub_rate to 0");
        }
        Ok(())
    }

    /// As a `tandem.toml`.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are plain values")
    }

    pub fn audit_terms(&self) -> crate::audit::Terms {
        let target = match self.audit_log.as_str() {
            "off" => crate::audit::Target::Off,
            "stderr" => crate::audit::Target::Stderr,
            path => crate::audit::Target::File(path.into()),
        };
        crate::audit::Terms { target, refusals_a_day: self.audit_refusals_per_day.get() }
    }

    pub fn shutdown_timeout(&self) -> Duration {
        self.shutdown_timeout_seconds.get()
    }

    pub fn collect_every(&self) -> Duration {
        self.collect_every_seconds.get()
    }

    pub fn scrub_every(&self) -> Duration {
        self.scrub_every_seconds.get()
    }
}

/// `MAJOR.MINOR.PATCH`, and perhaps more.
fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.len() <= 20 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(number) && (3..=6).contains(&text.split('.').count())
}

/// A domain that no request could name would turn virtual-host style into path style without a word.
fn flaw_of_domain(domain: &str) -> Option<&'static str> {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let good = domain.is_empty() || domain.split('.').all(label);
    (!good).then_some("names such as s3.example.com, without a port, `*` or a leading dot")
}

fn file_values(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let refused = |reason: String| ConfigError::File { path: path.into(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| refused(error.to_string()))?;
    for key in table.keys() {
        if let Some(hint) = unknown(key) {
            return Err(ConfigError::Unknown { path: path.into(), key: key.clone(), hint });
        }
    }
    // Decoded once for its messages, which name the line.
    toml::from_str::<Config>(&text).map_err(|error| refused(error.to_string()))?;
    match serde_json::to_value(table) {
        Ok(Value::Object(values)) => Ok(values),
        _ => Err(refused("expected settings at the top level".into())),
    }
}

/// None for a setting's name; otherwise what to do about it.
fn unknown(key: &str) -> Option<String> {
    let known = Flags::names();
    if known.iter().any(|name| name == key) {
        return None;
    }
    if matches!(key, "root_secret_key" | "admin_password" | "pairing_secret") {
        return Some(format!("secrets are not kept in this file: name a file with `{key}_file`"));
    }
    let nearest = known.iter().min_by_key(|name| distance(name, key));
    Some(match nearest {
        Some(name) if distance(name, key) <= 3 => format!("did you mean `{name}`?"),
        _ => format!("settings are {}", known.join(", ")),
    })
}

/// Levenshtein's.
fn distance(one: &str, two: &str) -> usize {
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in two.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[two.len()]
}
