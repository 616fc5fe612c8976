//! What handlers work with: the store, the gate, the clock, the node's settings.

use std::sync::Arc;

use tandem_storage::Store;

use crate::clock::SharedClock;
use crate::role::gate::WriteGate;

pub struct Service {
    pub store: Store,
    pub gate: WriteGate,
    pub clock: SharedClock,
    pub settings: Arc<Settings>,
    pub identities: Arc<crate::identity::Identities>,
    pub metrics: Arc<crate::telemetry::Metrics>,
}

/// Settings of the S3 face.
#[derive(Clone, Debug)]
pub struct Settings {
    pub region: String,
    pub accept_regions: AcceptRegions,
    /// Domains of virtual-host style; none: path style only.
    pub domains: Vec<String>,
    pub connections_max: usize,
    pub header_timeout: std::time::Duration,
    pub body_idle_timeout: std::time::Duration,
}

/// Which regions a signature's scope may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptRegions {
    Any,
    /// The node's own, and these.
    Listed(Vec<String>),
}
