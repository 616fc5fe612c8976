use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser};
use serde::Serialize;

use super::{ByteSize, Engine, HumanDuration, ObjectOwnership};

/// Every setting as a flag and an environment variable. Field names are the file's keys.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct Flags {
    /// Where everything is kept
    #[arg(long, env = "TANDEM_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// What this node is called in reports
    #[arg(long, env = "TANDEM_NAME")]
    pub name: Option<String>,

    /// Where S3 is served
    #[arg(long, env = "TANDEM_S3_LISTEN", value_name = "IP:PORT")]
    pub s3_listen: Option<SocketAddr>,
    /// How clients reach S3, if not by the listening address
    #[arg(long, env = "TANDEM_S3_URL", value_name = "URL")]
    pub s3_url: Option<String>,
    /// Serve S3 over HTTPS with this certificate chain (PEM)
    #[arg(long, env = "TANDEM_S3_TLS_CERT", value_name = "FILE")]
    pub s3_tls_cert: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, env = "TANDEM_S3_TLS_KEY", value_name = "FILE")]
    pub s3_tls_key: Option<PathBuf>,
    /// This node's region
    #[arg(long, env = "TANDEM_REGION")]
    pub region: Option<String>,
    /// Further regions that a signature may name, or `any`
    #[arg(long, env = "TANDEM_ACCEPT_REGIONS", value_delimiter = ',', value_name = "REGION,..")]
    pub accept_regions: Option<Vec<String>>,
    /// Domains of virtual-host style requests
    #[arg(long, env = "TANDEM_DOMAINS", value_delimiter = ',', value_name = "DOMAIN,..")]
    pub domains: Option<Vec<String>>,
    /// How many S3 connections may be open
    #[arg(long, env = "TANDEM_CONNECTIONS_MAX", value_name = "N")]
    pub connections_max: Option<usize>,
    /// How many of them one client address may have
    #[arg(long, env = "TANDEM_CONNECTIONS_PER_ADDRESS_MAX", value_name = "N")]
    pub connections_per_address_max: Option<usize>,
    /// How many multipart uploads one user may have in progress
    #[arg(long, env = "TANDEM_UPLOADS_MAX", value_name = "N")]
    pub uploads_max: Option<u64>,
    /// How long a request's headers may take
    #[arg(long, env = "TANDEM_HEADER_TIMEOUT_SECONDS", value_name = "DURATION")]
    pub header_timeout_seconds: Option<HumanDuration>,
    /// How long a connection may stay without a request
    #[arg(long, env = "TANDEM_IDLE_TIMEOUT_SECONDS", value_name = "DURATION")]
    pub idle_timeout_seconds: Option<HumanDuration>,
    /// How long a request's body may stand still
    #[arg(long, env = "TANDEM_BODY_IDLE_TIMEOUT_SECONDS", value_name = "DURATION")]
    pub body_idle_timeout_seconds: Option<HumanDuration>,

    /// Where the admin API is served
    #[arg(long, env = "TANDEM_ADMIN_LISTEN", value_name = "IP:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// How operators reach the admin port, if not by the listening address
    #[arg(long, env = "TANDEM_ADMIN_URL", value_name = "URL")]
    pub admin_url: Option<String>,
    /// The admin port's certificate chain (PEM), instead of a self-signed one
    #[arg(long, env = "TANDEM_ADMIN_TLS_CERT", value_name = "FILE")]
    pub admin_tls_cert: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, env = "TANDEM_ADMIN_TLS_KEY", value_name = "FILE")]
    pub admin_tls_key: Option<PathBuf>,
    /// Further names and addresses for the self-signed certificate
    #[arg(long, env = "TANDEM_ADMIN_NAMES", value_delimiter = ',', value_name = "NAME,..")]
    pub admin_names: Option<Vec<String>>,

    /// Where peers connect
    #[arg(long, env = "TANDEM_REPLICATION_LISTEN", value_name = "IP:PORT")]
    pub replication_listen: Option<SocketAddr>,
    /// How peers reach the replication port, if not by the listening address
    #[arg(long, env = "TANDEM_REPLICATION_ADDRESS", value_name = "HOST:PORT")]
    pub replication_address: Option<String>,
    /// The peer to pair with by the shared pairing secret
    #[arg(long, env = "TANDEM_PEER_ADDRESS", value_name = "HOST:PORT")]
    pub peer_address: Option<String>,
    /// What this node calls that peer, if not what it calls itself
    #[arg(long, env = "TANDEM_PEER_NAME", value_name = "NAME")]
    pub peer_name: Option<String>,
    /// File with the pairing secret (or set TANDEM_PAIRING_SECRET)
    #[arg(long, env = "TANDEM_PAIRING_SECRET_FILE", value_name = "FILE")]
    pub pairing_secret_file: Option<PathBuf>,

    /// How long history is kept for a peer that is away
    #[arg(long, env = "TANDEM_RETENTION_CAP_SECONDS", value_name = "DURATION")]
    pub retention_cap_seconds: Option<HumanDuration>,

    /// The administrator's access key; generated if there is none
    #[arg(long, env = "TANDEM_ROOT_ACCESS_KEY", value_name = "KEY")]
    pub root_access_key: Option<String>,
    /// File with the administrator's secret key (or set TANDEM_ROOT_SECRET_KEY)
    #[arg(long, env = "TANDEM_ROOT_SECRET_KEY_FILE", value_name = "FILE")]
    pub root_secret_key_file: Option<PathBuf>,
    /// File with the admin port's password (or set TANDEM_PASSWORD)
    #[arg(long, env = "TANDEM_ADMIN_PASSWORD_FILE", value_name = "FILE")]
    pub admin_password_file: Option<PathBuf>,
    /// File with the key that stored secret keys are sealed under; identity.key in the data directory if not given
    #[arg(long, env = "TANDEM_IDENTITY_KEY_FILE", value_name = "FILE")]
    pub identity_key_file: Option<PathBuf>,

    /// Which engine keeps the metadata
    #[arg(long, env = "TANDEM_ENGINE", value_enum)]
    pub engine: Option<Engine>,
    /// Memory for the engine's cache
    #[arg(long, env = "TANDEM_CACHE", value_name = "BYTES")]
    pub cache: Option<ByteSize>,
    /// Refuse new bodies below this much free space
    #[arg(long, env = "TANDEM_LOW_WATERMARK", value_name = "BYTES")]
    pub low_watermark: Option<ByteSize>,
    /// Preallocated for deletes and role changes on a full disk
    #[arg(long, env = "TANDEM_RESERVE", value_name = "BYTES")]
    pub reserve: Option<ByteSize>,
    /// Make a checkpoint after this much journal
    #[arg(long, env = "TANDEM_CHECKPOINT_EVERY", value_name = "BYTES")]
    pub checkpoint_every: Option<ByteSize>,
    /// How often garbage is collected
    #[arg(long, env = "TANDEM_COLLECT_EVERY_SECONDS", value_name = "DURATION")]
    pub collect_every_seconds: Option<HumanDuration>,
    /// How many bytes a second are read to verify what is stored; 0: none
    #[arg(long, env = "TANDEM_SCRUB_RATE", value_name = "BYTES")]
    pub scrub_rate: Option<ByteSize>,
    /// How long to wait, after everything stored has been verified, before it is verified again
    #[arg(long, env = "TANDEM_SCRUB_EVERY_SECONDS", value_name = "DURATION")]
    pub scrub_every_seconds: Option<HumanDuration>,
    /// How long running requests may take to finish at shutdown
    #[arg(long, env = "TANDEM_SHUTDOWN_TIMEOUT_SECONDS", value_name = "DURATION")]
    pub shutdown_timeout_seconds: Option<HumanDuration>,

    /// What is logged: a level, or a list such as tandem=debug,hyper=warn
    #[arg(long, env = "TANDEM_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Log as JSON lines
    #[arg(long, env = "TANDEM_LOG_JSON", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub log_json: Option<bool>,
    /// Where denied requests and changes of identities and policies are told: `stderr`, `off`, or a file
    #[arg(long, env = "TANDEM_AUDIT_LOG", value_name = "FILE")]
    pub audit_log: Option<String>,
    /// How much of the audit log refusals may take in a day; beyond it they are counted
    #[arg(long, env = "TANDEM_AUDIT_REFUSALS_PER_DAY", value_name = "BYTES")]
    pub audit_refusals_per_day: Option<ByteSize>,
    /// The object ownership of buckets whose maker names none
    #[arg(long, env = "TANDEM_DEFAULT_OBJECT_OWNERSHIP", value_enum)]
    pub default_object_ownership: Option<ObjectOwnership>,
    /// The version of VMS whose names the admin port speaks, for clients that ask
    #[arg(long, env = "TANDEM_VMS_VERSION", value_name = "VERSION")]
    pub vms_version: Option<String>,
}

/// `Flags` alone, for its argument definitions.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    flags: Flags,
}

impl Flags {
    /// Names of all settings, as the file has them, in the order of the help text.
    pub fn names() -> Vec<String> {
        Self::definitions().into_iter().map(|(name, _, _)| name).collect()
    }

    /// (file key, flag, environment variable) of every setting.
    pub fn definitions() -> Vec<(String, String, String)> {
        Alone::command()
            .get_arguments()
            .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
            .map(|arg| {
                let flag = format!("--{}", arg.get_long().unwrap_or_default());
                let env = arg.get_env().map(|env| env.to_string_lossy().into_owned()).unwrap_or_default();
                (arg.get_id().to_string(), flag, env)
            })
            .collect()
    }

    /// As parsed from a command line; for tests and for children that are configured in code.
    pub fn parse_from<I: IntoIterator<Item = S>, S: Into<std::ffi::OsString> + Clone>(
        words: I,
    ) -> Result<Flags, clap::Error> {
        Alone::try_parse_from(words).map(|alone| alone.flags)
    }
}
