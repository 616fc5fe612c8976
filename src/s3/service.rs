//! What handlers work with: the store, the gate, the clock, the node's settings.

use std::sync::Arc;
use std::time::Duration;

use tandem_policy::ObjectOwnership;
use tandem_storage::Store;

use crate::audit::Audit;
use crate::clock::SharedClock;
use crate::role::gate::WriteGate;

/// Cheap to clone: work that goes on elsewhere has its own.
#[derive(Clone)]
pub struct Service {
    pub store: Store,
    pub gate: WriteGate,
    pub clock: SharedClock,
    pub settings: Arc<Settings>,
    pub identities: Arc<crate::identity::Register>,
    /// IAM and STS, if they are served.
    pub query: Option<Arc<dyn super::query::QueryFace>>,
    pub metrics: Arc<crate::telemetry::Metrics>,
    pub audit: Audit,
    /// `Buckets::default()`
    pub buckets: super::access::Buckets,
    /// `SigningKeys::default()`
    pub signing_keys: super::auth::SigningKeys,
    /// Memory for what is read as a whole. `Default::default()`
    pub documents: Arc<super::payload::Documents>,
    /// `Deciders::default()`, the same that `query` has.
    pub deciders: super::deciding::Deciders,
}

/// Settings of the S3 face.
#[derive(Clone, Debug)]
pub struct Settings {
    pub region: String,
    pub accept_regions: AcceptRegions,
    /// Domains of virtual-host style; none: path style only.
    pub domains: Vec<String>,
    /// Of buckets whose maker names none.
    pub default_ownership: ObjectOwnership,
    /// More connections are answered 503 SlowDown and closed.
    pub connections_max: usize,
    /// The same for further connections of one client address, so that no client shuts the others out.
    pub connections_per_address_max: usize,
    /// Multipart uploads that one principal may have in progress; beginning more is answered 503 SlowDown.
    pub uploads_max: u64,
    /// A request's head must be there this long after its first byte; a connection's first one, after the connection was made.
    pub header_timeout: Duration,
    /// A connection without a request is closed after this long.
    pub idle_timeout: Duration,
    /// A body that brings less than 1 KiB/s for this long is given up; so is a client that reads nothing for this long.
    pub body_idle_timeout: Duration,
    /// What running requests get to finish in when the node stops.
    pub shutdown_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            region: "us-east-1".into(),
            accept_regions: AcceptRegions::Listed(Vec::new()),
            domains: Vec::new(),
            default_ownership: ObjectOwnership::BucketOwnerEnforced,
            connections_max: 4096,
            connections_per_address_max: 2048,
            uploads_max: 10_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_idle_timeout: Duration::from_secs(20),
            shutdown_deadline: Duration::from_secs(25),
        }
    }
}

/// Which regions a signature's scope may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptRegions {
    Any,
    /// The node's own, and these.
    Listed(Vec<String>),
}
