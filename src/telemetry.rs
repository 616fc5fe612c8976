//! Logs and metrics, called at room doors. Metrics belong to a node, so several nodes may live in one process; only
//! the log subscriber is the process's.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tandem_storage::Collected;
use tandem_storage::scrub::Page;
use tracing_subscriber::EnvFilter;

use crate::replication::report::{LinkState, NodeReport};
use crate::terminal::{escaped_entry, escaped_json};

/// A log filter that does not parse.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log filter {filter:?}: {reason}")]
    Filter { filter: String, reason: String },
    #[error("logging was already set up in this process")]
    Taken,
}

/// Sends the process's logs to standard error. `filter` is `info`, or a list such as `tandem=debug,hyper=warn`.
pub fn start_logging(filter: &str, json: bool) -> Result<(), TelemetryError> {
    let levels = EnvFilter::try_new(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.into(), reason: error.to_string() })?;
    let colours = std::io::stderr().is_terminal();
    let writer = move || Lines { coloured: colours && !json, json };
    let lines = tracing_subscriber::fmt().with_env_filter(levels).with_writer(writer).with_ansi(colours);
    let started = if json { lines.json().try_init() } else { lines.try_init() };
    started.map_err(|_| TelemetryError::Taken)
}

/// Standard error, an entry a line. Names of others in it end no line and move no cursor.
struct Lines {
    coloured: bool,
    json: bool,
}

impl Write for Lines {
    /// The subscriber writes each entry whole.
    fn write(&mut self, entry: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        let line = match self.json {
            true => escaped_json(&text),
            false => escaped_entry(&text, self.coloured).into(),
        };
        std::io::stderr().lock().write_all(line.as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    path: String,
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabels {
    peer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// What a request was, once its answer has been sent.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// The operation's API name, `Unknown` when routing refused it.
    pub operation: &'static str,
    pub status: u16,
    pub took: Duration,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// A node's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabels, Histogram>,
    bytes_in: Counter,
    bytes_out: Counter,
    connections: Gauge,
    connections_refused: Counter,
    newest_seq: Gauge,
    free_bytes: Gauge,
    low_space: Gauge,
    collected: Family<KindLabels, Counter>,
    scrub_blobs: Counter,
    scrub_read: Counter,
    scrub_digests: Counter,
    scrub_rounds: Counter,
    scrub_findings: Family<KindLabels, Gauge>,
    repaired_blobs: Family<PeerLabels, Counter>,
    repair_waiting: Gauge,
    lag: Family<PathLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    writable: Family<PathLabels, Gauge>,
    alarm: Family<PathLabels, Gauge>,
    replica_alarm: Family<PathLabels, Gauge>,
    proved: Family<PathLabels, Gauge>,
    totals_whole: Gauge,
    totals_counted: Gauge,
    epoch: Family<PathLabels, Gauge>,
    peer_connected: Family<PeerLabels, Gauge>,
    audit_events: Counter,
    audit_lost: Counter,
    audit_left_out: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn latency_histogram() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0])
}

impl Metrics {
    pub fn new() -> Arc<Self> {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("tandem"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(latency_histogram),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            newest_seq: Gauge::default(),
            free_bytes: Gauge::default(),
            low_space: Gauge::default(),
            collected: Family::default(),
            scrub_blobs: Counter::default(),
            scrub_read: Counter::default(),
            scrub_digests: Counter::default(),
            scrub_rounds: Counter::default(),
            scrub_findings: Family::default(),
            repaired_blobs: Family::default(),
            repair_waiting: Gauge::default(),
            lag: Family::default(),
            writable: Family::default(),
            alarm: Family::default(),
            replica_alarm: Family::default(),
            proved: Family::default(),
            totals_whole: Gauge::default(),
            totals_counted: Gauge::default(),
            epoch: Family::default(),
            peer_connected: Family::default(),
            audit_events: Counter::default(),
            audit_lost: Counter::default(),
            audit_left_out: Counter::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("s3_requests", "S3 requests answered", self.requests.clone());
        r.register_with_unit(
            "s3_request_duration",
            "From headers read to answer sent",
            Unit::Seconds,
            self.seconds.clone(),
        );
        r.register_with_unit("s3_received", "Body bytes read from clients", Unit::Bytes, self.bytes_in.clone());
        r.register_with_unit("s3_sent", "Body bytes sent to clients", Unit::Bytes, self.bytes_out.clone());
        r.register("s3_connections", "Open S3 connections", self.connections.clone());
        r.register("s3_connections_refused", "Connections over the limit", self.connections_refused.clone());
        r.register("newest_seq", "The newest commit's number", self.newest_seq.clone());
        r.register_with_unit("free", "Bytes that can still be written", Unit::Bytes, self.free_bytes.clone());
        r.register("low_space", "1 while new bodies are refused", self.low_space.clone());
        r.register("collected", "What garbage collection has freed, by kind", self.collected.clone());
        r.register("scrub_blobs", "Blobs that the scrub has verified", self.scrub_blobs.clone());
        r.register_with_unit("scrub_read", "Bytes of them", Unit::Bytes, self.scrub_read.clone());
        r.register("scrub_digests", "Restore points whose digest was counted again", self.scrub_digests.clone());
        r.register("scrub_rounds", "Times that everything stored has been verified", self.scrub_rounds.clone());
        r.register("scrub_findings", "What is damaged, by kind; see tandem status", self.scrub_findings.clone());
        r.register("repaired_blobs", "Damaged blobs that a peer had", self.repaired_blobs.clone());
        r.register("repair_waiting", "Damaged blobs that no peer has given back yet", self.repair_waiting.clone());
        r.register_with_unit(
            "rpo_lag",
            "Age of the point up to which the destination is complete",
            Unit::Seconds,
            self.lag.clone(),
        );
        r.register("path_writable", "1 if this node takes writes for the path", self.writable.clone());
        r.register("path_alarm", "1 if something was given up for the path; see tandem status", self.alarm.clone());
        r.register(
            "replica_alarm",
            "1 while the replica may differ from its source; see tandem status",
            self.replica_alarm.clone(),
        );
        r.register(
            "restore_point_proved",
            "1 if the newest restore point is proved to be what the source had",
            self.proved.clone(),
        );
        r.register("totals_whole", "0 while rows are counted, and nothing can be proved", self.totals_whole.clone());
        r.register("totals_counted_rows", "Rows counted so far while they are", self.totals_counted.clone());
        r.register("path_epoch", "The path's epoch", self.epoch.clone());
        r.register("peer_connected", "1 if the peer is connected", self.peer_connected.clone());
        r.register("audit_events", "Lines written to the audit log", self.audit_events.clone());
        r.register("audit_events_lost", "Lines that could not be written to the audit log", self.audit_lost.clone());
        let help = "Refusals that the audit log tells of as a number alone";
        r.register("audit_refusals_left_out", help, self.audit_left_out.clone());
    }

    pub fn served(&self, served: &Served) {
        self.requests.get_or_create(&RequestLabels { operation: served.operation, status: served.status }).inc();
        self.seconds.get_or_create(&OperationLabels { operation: served.operation }).observe(served.took.as_secs_f64());
        self.bytes_in.inc_by(served.bytes_in);
        self.bytes_out.inc_by(served.bytes_out);
    }

    /// Counts a connection for as long as the value lives.
    pub fn connection(self: &Arc<Self>) -> ConnectionCount {
        self.connections.inc();
        ConnectionCount(Arc::clone(self))
    }

    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    pub fn audited(&self, events: u64) {
        self.audit_events.inc_by(events);
    }

    pub fn audit_lost(&self) {
        self.audit_lost.inc();
    }

    pub fn audit_left_out(&self, refusals: u64) {
        self.audit_left_out.inc_by(refusals);
    }

    pub fn collected(&self, step: &Collected) {
        let counts = [
            ("history_rows", step.history_rows),
            ("feed_rows", step.feed_rows),
            ("blobs", step.blobs),
            ("bytes", step.bytes),
        ];
        for (kind, count) in counts {
            self.collected.get_or_create(&KindLabels { kind }).inc_by(count);
        }
    }

    pub fn scrubbed(&self, page: &Page) {
        self.scrub_blobs.inc_by(page.blobs);
        self.scrub_read.inc_by(page.bytes);
    }

    pub fn scrub_counted(&self) {
        self.scrub_digests.inc();
    }

    pub fn scrub_round(&self) {
        self.scrub_rounds.inc();
    }

    /// What is known to be damaged now.
    pub fn scrub_findings(&self, blobs: u64, digests: u64, totals: u64) {
        for (kind, count) in [("blob", blobs), ("digest", digests), ("total", totals)] {
            let gauge = self.scrub_findings.get_or_create(&KindLabels { kind });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Takes over what a report says; called when metrics are asked for.
    pub fn observe(&self, report: &NodeReport) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.newest_seq.set(gauge(report.newest_seq));
        self.free_bytes.set(gauge(report.free_bytes));
        self.low_space.set(i64::from(report.low_space));
        self.totals_whole.set(i64::from(report.totals.whole));
        self.totals_counted.set(gauge(report.totals.rows_counted));
        self.repair_waiting.set(gauge(report.repair.waiting.len() as u64 + report.repair.further));
        for repaired in &report.repair.repaired {
            let counter = self.repaired_blobs.get_or_create(&PeerLabels { peer: repaired.peer.clone() });
            counter.inc_by(repaired.blobs.saturating_sub(counter.get()));
        }
        self.lag.clear();
        self.writable.clear();
        self.alarm.clear();
        self.replica_alarm.clear();
        self.proved.clear();
        self.epoch.clear();
        self.peer_connected.clear();
        for path in &report.paths {
            let labels = PathLabels { path: path.path.clone(), role: path.role.name() };
            // An unknown lag is not zero: it has no sample, unless it is known to be unbounded.
            if let Some(lag) = path.rpo_lag_seconds {
                self.lag.get_or_create(&labels).set(lag);
            }
            self.writable.get_or_create(&labels).set(i64::from(path.writable));
            self.alarm.get_or_create(&labels).set(i64::from(path.alarm.is_some()));
            self.replica_alarm.get_or_create(&labels).set(i64::from(path.discrepancy.is_some()));
            if let Some(point) = &path.restore_point {
                self.proved.get_or_create(&labels).set(i64::from(point.proved));
            }
            self.epoch.get_or_create(&labels).set(gauge(path.epoch));
        }
        for peer in &report.peers {
            let connected = i64::from(peer.state == LinkState::Connected);
            self.peer_connected.get_or_create(&PeerLabels { peer: peer.name.clone() }).set(connected);
        }
    }

    /// In OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("a String takes every write");
        text
    }
}

/// One open connection; dropping it counts it out.
#[derive(Debug)]
pub struct ConnectionCount(Arc<Metrics>);

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::report::{RepairReport, RepairedReport};

    #[test]
    fn requests_and_connections_are_counted_by_operation_and_status() {
        let metrics = Metrics::new();
        let connection = metrics.connection();
        let took = Duration::from_millis(3);
        metrics.served(&Served { operation: "PutObject", status: 200, took, bytes_in: 10, bytes_out: 0 });
        metrics.served(&Served { operation: "GetObject", status: 404, took, bytes_in: 0, bytes_out: 7 });
        let text = metrics.encode();
        assert!(text.contains("tandem_s3_requests_total{operation=\"PutObject\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("tandem_s3_requests_total{operation=\"GetObject\",status=\"404\"} 1"), "{text}");
        assert!(text.contains("tandem_s3_sent_bytes_total 7"), "{text}");
        assert!(text.contains("tandem_s3_connections 1"), "{text}");
        drop(connection);
        assert!(metrics.encode().contains("tandem_s3_connections 0"));
    }

    #[test]
    fn repairs_are_counted_by_peer_however_often_they_are_reported() {
        let metrics = Metrics::new();
        let mut report = NodeReport::default();
        let had = |blobs| RepairedReport { peer: "b".into(), blobs, ..RepairedReport::default() };
        for blobs in [1, 1, 5] {
            report.repair = RepairReport { repaired: vec![had(blobs)], further: 7, ..RepairReport::default() };
            metrics.observe(&report);
        }
        let text = metrics.encode();
        assert!(text.contains("tandem_repaired_blobs_total{peer=\"b\"} 5\n"), "{text}");
        assert!(text.contains("tandem_repair_waiting 7\n"), "{text}");
    }
}
