//! A load generator for any S3 endpoint: `tandem bench s3`.
//!
//! *Architecture invariant:* it knows nothing of the server's rooms: it measures from outside, this server and others alike.

mod client;
mod content;
mod histogram;
mod load;
mod report;
mod server_cpu;
mod sign;

pub use client::Endpoint;
pub use load::{Load, Operation, Pace, Until, run};
pub use report::{Latency, Report};
pub use sign::Signer;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("endpoint {url}: {reason}")]
    Endpoint { url: String, reason: String },
    #[error("connecting: {0}")]
    Connect(String),
    #[error("request: {0}")]
    Request(String),
    /// While objects or buckets were made for the measurement.
    #[error("preparing: {0}")]
    Prepare(String),
    #[error("process {pid}: {reason}")]
    Process { pid: u32, reason: String },
}
