use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// Milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    #[serde(rename = "p99.9")]
    pub p999: f64,
    pub max: f64,
}

impl Latency {
    pub fn of(histogram: &Histogram) -> Self {
        let millis = |nanos: u64| nanos as f64 / 1e6;
        Latency {
            mean: histogram.mean() / 1e6,
            p50: millis(histogram.quantile(0.5)),
            p90: millis(histogram.quantile(0.9)),
            p99: millis(histogram.quantile(0.99)),
            p999: millis(histogram.quantile(0.999)),
            max: millis(histogram.max()),
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub operation: String,
    pub size: u64,
    pub concurrency: usize,
    pub seconds: f64,
    pub operations: u64,
    pub errors: u64,
    /// The first error's words.
    pub error: Option<String>,
    pub operations_per_second: f64,
    /// Bodies, both ways, in MB (10^6) a second.
    pub megabytes_per_second: f64,
    pub latency_ms: Latency,
    /// Of the processes that were named.
    pub server_cpu_microseconds_per_operation: Option<f64>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} {} B, {} connections: {} operations in {:.2} s, {} errors",
            self.operation, self.size, self.concurrency, self.operations, self.seconds, self.errors
        )?;
        writeln!(f, "  {:.0} ops/s, {:.1} MB/s", self.operations_per_second, self.megabytes_per_second)?;
        let l = &self.latency_ms;
        write!(
            f,
            "  latency ms: mean {:.3}, p50 {:.3}, p90 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3}",
            l.mean, l.p50, l.p90, l.p99, l.p999, l.max
        )?;
        if let Some(cpu) = self.server_cpu_microseconds_per_operation {
            write!(f, "\n  server CPU: {cpu:.1} us/operation")?;
        }
        if let Some(error) = &self.error {
            write!(f, "\n  first error: {error}")?;
        }
        Ok(())
    }
}
