use std::path::Path;

use super::nodes::{Nodes, Side};
use crate::run::Failed;

const RATE: &str = "2000";
/// Connections: a stall of a tenth of a second keeps so many requests waiting.
const CONNECTIONS: &str = "200";
/// Several checkpoints long: one is due after 64 MiB of journal.
const SECONDS: &str = "60";
/// Milliseconds.
const TARGETS: [(&str, Option<f64>); 4] = [("p50", None), ("p99", None), ("p99.9", Some(10.0)), ("max", Some(50.0))];

/// Latencies of PUT at a steady rate, whatever the answers do, while each second ships to a second node on this machine.
pub fn bench(dir: &Path) -> Result<(), Failed> {
    let nodes = Nodes::start(dir)?;
    let load = ["--op", "put", "--size", "4KiB", "--rate", RATE, "--concurrency", CONNECTIONS, "--duration", SECONDS];
    let report = nodes.load(Side::Source, &load)?;
    let (sent, rate) = (&report["operations"], report["operations_per_second"].as_f64().unwrap_or_default());
    println!("{sent} PUT of 4 KiB at {rate:.0} a second (asked: {RATE}), a restore point each second, {SECONDS} s:");
    for (name, target) in TARGETS {
        let measured = report["latency_ms"][name].as_f64();
        let measured = measured.ok_or_else(|| Failed(format!("a report without {name}: {report}")))?;
        let target = target.map_or(String::new(), |target| format!(" (target {target})"));
        println!("  {name} {measured:.2} ms{target}");
    }
    Ok(())
}
