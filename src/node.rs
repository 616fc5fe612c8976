//! The composition root: builds the rooms, starts the workers, and shuts down in the opposite order. Only it knows everything.
//!
//! *Architecture invariant:* there are no globals: several nodes may run in one process.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_storage::disk::RealDisk;
use tandem_storage::types::NodeGuid;
use tandem_storage::{CommitError, EngineKind, OpenError, Options, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::{self, Admin, AdminState, vms};
use crate::audit::Audit;
use crate::aws::Faces;
use crate::clock::{SharedClock, random_guid};
use crate::config::Config;
use crate::config::credentials::{Credentials, PasswordHash};
use crate::descriptors::{Shares, limit};
use crate::identity::{self, Administrator, Identities};
use crate::replication::{self, Replication, ReplicationConfig, SecretPairing};
use crate::role::gate::WriteGate;
use crate::s3::access::Buckets;
use crate::s3::auth::SigningKeys;
use crate::s3::deciding::Deciders;
use crate::s3::server;
use crate::s3::service::{AcceptRegions, Service, Settings};
use crate::telemetry::Metrics;
use crate::tls::{self, TlsError};
use crate::work::{self, Runner, StatusTable, Subject};

/// Why a node did not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("{dir}: {source}")]
    DataDir { dir: PathBuf, source: std::io::Error },
    #[error("{dir}: {source}")]
    Store { dir: PathBuf, source: OpenError },
    #[error("cannot listen on {address} ({face}): {source}; {}", listening_hint(source))]
    Listen { face: &'static str, address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("identities: {0}")]
    Identities(#[from] identity::OpenError),
    #[error("replication: {0}")]
    Replication(#[from] replication::StartError),
    #[error("audit log {target}: {source}")]
    Audit { target: String, source: std::io::Error },
    #[error("{file}: {source}")]
    TokenKey { file: PathBuf, source: std::io::Error },
    #[error("closing the store: {0}")]
    Close(CommitError),
}

fn listening_hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "stop what has it, or choose another address (tandem server --help)",
        std::io::ErrorKind::PermissionDenied => "choose a port from 1024 on, or let this user bind it",
        _ => "choose an address of this machine (tandem server --help)",
    }
}

/// Where a running node is, for programs that start one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub node: String,
    pub name: String,
    pub pid: u32,
    pub data_dir: PathBuf,
    pub region: String,
    /// URL of the S3 face.
    pub s3: String,
    /// URL of the admin port.
    pub admin: String,
    /// host:port of the replication port.
    pub replication: String,
    /// PEM file to trust the admin port by; none if its certificate was given.
    pub admin_ca: Option<PathBuf>,
}

/// A node, running.
pub struct Node {
    ready: Ready,
    store: Store,
    stops: Stops,
    s3: JoinHandle<()>,
    admin: Admin,
    runner: Runner,
    replication: Replication,
    audit: Audit,
    drain: Duration,
}

/// One switch a stage of the shutdown.
struct Stops {
    /// Requests of clients and operators.
    faces: watch::Sender<bool>,
    workers: watch::Sender<bool>,
    replication: watch::Sender<bool>,
}

struct Listeners {
    s3: TcpListener,
    admin: TcpListener,
    s3_url: String,
    admin_url: String,
}

/// Longer than the faces' own drain: what is left then is dropped.
const GRACE: Duration = Duration::from_secs(2);

impl Node {
    /// Opens the store, then starts everything that serves it.
    pub async fn start(config: Config, credentials: Credentials, clock: SharedClock) -> Result<Node, NodeError> {
        let store = open_store(&config, &clock).await?;
        let administrator = Administrator { access_key: credentials.access_key, secret_key: credentials.secret_key };
        let key_file = config.identity_key_file.clone().unwrap_or_else(|| config.data_dir.join("identity.key"));
        let identities = Identities::open(store.clone(), &key_file, administrator, clock.clone()).await?;
        let metrics = Metrics::new();
        let audit = Audit::start(&config.audit_terms(), Arc::clone(&metrics))
            .map_err(|source| NodeError::Audit { target: config.audit_log.clone(), source })?;
        let name = config.name.clone().unwrap_or_else(|| store.node().to_string()[..8].to_owned());
        let listeners = listen(&config).await?;
        let (admin_tls, admin_ca) = admin_tls(&config)?;
        let s3_tls = s3_tls(&config)?;
        let stops = Stops {
            faces: watch::Sender::new(false),
            workers: watch::Sender::new(false),
            replication: watch::Sender::new(false),
        };

        let replication_config = replication_config(&config, &name, &listeners, credentials.pairing_secret);
        let replication =
            replication::start(replication_config, store.clone(), clock.clone(), stops.replication.subscribe()).await?;

        let table = StatusTable::default();
        let mut runner = Runner::new(table.clone(), stops.workers.subscribe());
        let terms = work_terms(&config, &replication);
        let scrub = work::start_all(&mut runner, &store, &clock, &metrics, terms);

        let ready = Ready {
            node: store.node().to_string(),
            name,
            pid: std::process::id(),
            data_dir: config.data_dir.clone(),
            region: config.region.clone(),
            s3: listeners.s3_url,
            admin: listeners.admin_url,
            replication: config.replication_address.clone().unwrap_or_else(|| replication.address.to_string()),
            admin_ca,
        };
        let face = face(&config, credentials.admin_password, &identities, &store, &clock, &audit, &ready)?;
        let state = AdminState {
            control: replication.control.clone(),
            metrics: Arc::clone(&metrics),
            workers: table,
            scrub,
            store: store.clone(),
            checks: admin::Checks::default(),
            face,
        };
        let (router, drain) = (admin::router(state), config.shutdown_timeout());
        let admin = admin::serve(listeners.admin, admin_tls, router, stops.faces.subscribe(), drain);

        let deciders = Deciders::default();
        let service = Service {
            query: Some(Arc::new(Faces::new(identities.clone(), clock.clone(), audit.clone(), deciders.clone()))),
            store: store.clone(),
            gate: write_gate(&store, &replication),
            clock,
            settings: Arc::new(s3_settings(&config, Shares::of(limit()).s3)),
            identities: identities.register(),
            metrics,
            audit: audit.clone(),
            buckets: Buckets::default(),
            signing_keys: SigningKeys::default(),
            documents: Default::default(),
            deciders,
        };
        let s3 = tokio::spawn(server::serve(listeners.s3, s3_tls, Arc::new(service), stops.faces.subscribe()));
        tracing::info!(node = ready.node, s3 = ready.s3, admin = ready.admin, replication = ready.replication, "ready");
        Ok(Node { ready, store, stops, s3, admin, runner, replication, audit, drain })
    }

    /// Opens the audit log's file anew, after it was renamed.
    pub fn reopen_logs(&self) {
        self.audit.reopen();
    }

    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Stops taking requests, lets the running ones finish, stops replication and workers, and closes the store.
    pub async fn shutdown(self) -> Result<(), NodeError> {
        let deadline = self.drain + GRACE;
        self.stops.faces.send_replace(true);
        let faces = async { tokio::join!(self.s3, self.admin.task) };
        if tokio::time::timeout(deadline, faces).await.is_err() {
            tracing::warn!("requests were still running at the deadline");
        }
        self.stops.workers.send_replace(true);
        self.runner.finished().await;
        self.stops.replication.send_replace(true);
        if tokio::time::timeout(deadline, self.replication.task).await.is_err() {
            tracing::warn!("replication was still running at the deadline");
        }
        let audit = self.audit;
        let told = tokio::task::spawn_blocking(move || audit.flush());
        if tokio::time::timeout(GRACE, told).await.is_err() {
            tracing::warn!("the audit log was not written to its end");
        }
        let store = self.store;
        match tokio::task::spawn_blocking(move || store.close()).await {
            Ok(closed) => closed.map_err(NodeError::Close)?,
            Err(error) => tracing::error!(%error, "closing the store broke off"),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// What clients of VMS speak to.
fn face(
    config: &Config,
    password: PasswordHash,
    identities: &Identities,
    store: &Store,
    clock: &SharedClock,
    audit: &Audit,
    ready: &Ready,
) -> Result<vms::Face, NodeError> {
    let file = config.data_dir.join("admin-token.key");
    let signer =
        vms::jwt::Signer::open(&file, &password, &**clock).map_err(|source| NodeError::TokenKey { file, source })?;
    let gate = admin::Gate {
        password,
        signer,
        register: identities.register(),
        clock: clock.clone(),
        audit: audit.clone(),
        backoff: admin::SharedBackoff::default(),
    };
    let facts = vms::Facts {
        node: ready.node.clone(),
        name: ready.name.clone(),
        region: ready.region.clone(),
        s3: ready.s3.clone(),
        admin: ready.admin.clone(),
        replication: ready.replication.clone(),
        default_ownership: config.default_object_ownership.into(),
        vms_version: config.vms_version.clone(),
    };
    Ok(vms::Face::new(vms::Parts {
        gate,
        identities: identities.clone(),
        store: store.clone(),
        writes: WriteGate::new(store.clone()),
        clock: clock.clone(),
        audit: audit.clone(),
        facts,
        started: clock.now(),
    }))
}

async fn open_store(config: &Config, clock: &SharedClock) -> Result<Store, NodeError> {
    let options = Options {
        engine: EngineKind::from(config.engine),
        node: NodeGuid::from_bytes(random_guid(&**clock)),
        low_watermark_bytes: config.low_watermark.get(),
        reserve_bytes: config.reserve.get(),
        checkpoint_every_bytes: config.checkpoint_every.get(),
        cache_bytes: config.cache.as_usize(),
        memtable_writes: Options::MEMTABLE_WRITES,
        journal_file_bytes: 64 << 20,
    };
    let dir = config.data_dir.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let disk = RealDisk::new(&dir).map_err(|source| NodeError::DataDir { dir: dir.clone(), source })?;
        Store::open(Arc::new(disk), options).map_err(|source| NodeError::Store { dir, source })
    });
    match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            Err(NodeError::DataDir { dir: config.data_dir.clone(), source: std::io::Error::other(error.to_string()) })
        }
    }
}

/// The certificate of the S3 port, if it has one.
fn s3_tls(config: &Config) -> Result<Option<Arc<rustls::ServerConfig>>, NodeError> {
    match (&config.s3_tls_cert, &config.s3_tls_key) {
        (Some(chain), Some(key)) => Ok(Some(Arc::new(tls::server_from_pem(chain, key)?))),
        _ => Ok(None),
    }
}

/// A gate that tells whom it refuses where the source is.
fn write_gate(store: &Store, replication: &Replication) -> WriteGate {
    let control = replication.control.clone();
    WriteGate::new(store.clone()).telling(Arc::new(move |path| control.source_endpoint(path)))
}

async fn listen(config: &Config) -> Result<Listeners, NodeError> {
    let (s3, s3_address) = bind("S3", config.s3_listen).await?;
    let (admin, admin_address) = bind("admin", config.admin_listen).await?;
    let scheme = if config.s3_tls_cert.is_some() { "https" } else { "http" };
    Ok(Listeners {
        s3,
        admin,
        s3_url: config.s3_url.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(s3_address))),
        admin_url: config.admin_url.clone().unwrap_or_else(|| format!("https://{}", reachable(admin_address))),
    })
}

/// Nobody can connect to an unspecified address; from this machine loopback is meant.
fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, bound.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, bound.port())),
        _ => bound,
    }
}

async fn bind(face: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |source| NodeError::Listen { face, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// A given certificate, or a self-signed one and the file to trust it by.
fn admin_tls(config: &Config) -> Result<(Arc<rustls::ServerConfig>, Option<PathBuf>), NodeError> {
    if let (Some(chain), Some(key)) = (&config.admin_tls_cert, &config.admin_tls_key) {
        return Ok((Arc::new(tls::server_from_pem(chain, key)?), None));
    }
    let mut names = config.admin_names.clone();
    if !config.admin_listen.ip().is_unspecified() {
        names.push(config.admin_listen.ip().to_string());
    }
    let host = config.admin_url.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
    names.extend(host.as_ref().and_then(http::Uri::host).map(|host| host.trim_matches(['[', ']']).to_owned()));
    let made = tls::self_signed(&config.data_dir, &names)?;
    Ok((Arc::new(made.config), Some(made.ca)))
}

fn replication_config(
    config: &Config,
    name: &str,
    listeners: &Listeners,
    pairing_secret: Option<zeroize::Zeroizing<String>>,
) -> ReplicationConfig {
    ReplicationConfig {
        listen: config.replication_listen,
        advertise: config.replication_address.clone(),
        name: name.to_owned(),
        region: config.region.clone(),
        s3_endpoint: listeners.s3_url.clone(),
        admin_endpoint: listeners.admin_url.clone(),
        identity_dir: config.data_dir.clone(),
        retention_cap: config.retention_cap_seconds.get(),
        pairing: pairing_secret.map(|secret| SecretPairing {
            secret,
            peer_address: config.peer_address.clone(),
            peer_name: config.peer_name.clone(),
        }),
    }
}

fn work_terms(config: &Config, replication: &Replication) -> work::Terms {
    let (bytes_a_second, every) = (config.scrub_rate.get(), config.scrub_every());
    let scrub = (bytes_a_second > 0).then_some(work::ScrubTerms { bytes_a_second, every });
    let control = replication.control.clone();
    let suspected: work::Suspected = Arc::new(move |finding| {
        if let Subject::Digest { path, snapshot, name } | Subject::Total { path, snapshot, name } = &finding.subject {
            control.suspect(path, *snapshot, name, &finding.reason);
        }
    });
    work::Terms { collect_every: config.collect_every(), scrub, suspected }
}

/// `connections`: how many there are descriptors for.
fn s3_settings(config: &Config, connections: usize) -> Settings {
    let connections_max = config.connections_max.min(connections);
    if connections_max < config.connections_max {
        let (wanted, files) = (config.connections_max, limit());
        tracing::warn!(
            wanted,
            connections_max,
            files,
            "the limit of open files leaves fewer S3 connections than connections_max; raise it (LimitNOFILE, ulimit -n)"
        );
    }
    let any = config.accept_regions.iter().any(|region| region == "any");
    Settings {
        region: config.region.clone(),
        accept_regions: match any {
            true => AcceptRegions::Any,
            false => AcceptRegions::Listed(config.accept_regions.clone()),
        },
        domains: config.domains.clone(),
        default_ownership: config.default_object_ownership.into(),
        connections_max,
        connections_per_address_max: config.connections_per_address_max,
        uploads_max: config.uploads_max,
        header_timeout: config.header_timeout_seconds.get(),
        idle_timeout: config.idle_timeout_seconds.get(),
        body_idle_timeout: config.body_idle_timeout_seconds.get(),
        shutdown_deadline: config.shutdown_timeout(),
    }
}
