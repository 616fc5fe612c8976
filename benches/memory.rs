use std::path::Path;

use super::nodes::{Nodes, Side};
use super::server::Server;
use crate::run::Failed;

const OBJECTS: &str = "1000000";

/// Resident memory of a new server, and its peak while 5 GiB go in and come out.
pub fn large_objects(dir: &Path) -> Result<(), Failed> {
    let tandem = Server::tandem(dir)?;
    let idle = tandem.memory("VmRSS")?;
    println!("resident memory, idle: {idle:.0} MiB (target 40)");
    let words = ["--size", "5GiB", "--concurrency", "1", "--objects", "1", "--count", "1"];
    for (op, prepared) in [("put", &[][..]), ("get", &["--prepared"][..])] {
        tandem.forget_peak()?;
        tandem.load(&[&["--op", op], &words[..], prepared].concat())?;
        let peak = tandem.memory("VmHWM")?;
        println!("{op} of 5 GiB: peak {peak:.0} MiB, {:.0} above idle (target 64)", peak - idle);
    }
    Ok(())
}

/// Resident memory with a million objects, after they were put, listed and read.
pub fn million(dir: &Path) -> Result<(), Failed> {
    let tandem = Server::tandem(dir)?;
    let put = tandem.load(&["--op", "put", "--size", "16", "--concurrency", "64", "--count", OBJECTS])?;
    let rate = put["operations_per_second"].as_f64().unwrap_or_default();
    println!("1,000,000 objects put at {rate:.0} a second: peak {:.0} MiB (target 300)", tandem.memory("VmHWM")?);
    for op in ["list", "get"] {
        let words = ["--op", op, "--size", "16", "--objects", OBJECTS, "--prepared", "--duration", "5"];
        let report = tandem.load(&words)?;
        let cpu = report["server_cpu_microseconds_per_operation"].as_f64().unwrap_or_default();
        println!("{op} over them: {cpu:.0} us CPU, peak {:.0} MiB", tandem.memory("VmHWM")?);
    }
    Ok(())
}

/// The same at a destination that received them as they came.
pub fn million_received(dir: &Path) -> Result<(), Failed> {
    let nodes = Nodes::start(dir)?;
    nodes.load(Side::Source, &["--op", "put", "--size", "16", "--concurrency", "64", "--count", OBJECTS])?;
    wait_until_received(&nodes)?;
    let shown = |what: &str| -> Result<(), Failed> {
        let (now, peak) = (nodes.memory(Side::Destination, "VmRSS")?, nodes.memory(Side::Destination, "VmHWM")?);
        println!("destination, {what}: {now:.0} MiB, peak {peak:.0} MiB (target 300)");
        Ok(())
    };
    shown("1,000,000 objects received")?;
    for op in ["list", "get"] {
        let words = ["--op", op, "--size", "16", "--objects", OBJECTS, "--prepared", "--duration", "20"];
        nodes.load(Side::Destination, &words)?;
        shown(op)?;
    }
    Ok(())
}

/// Until a thousand objects, taken at random, are all shown; ten minutes at most.
fn wait_until_received(nodes: &Nodes) -> Result<(), Failed> {
    let sample = ["--op", "head", "--size", "16", "--objects", OBJECTS, "--prepared", "--count", "1000"];
    for _ in 0..600 {
        let errors = nodes.load(Side::Destination, &sample).ok().and_then(|report| report["errors"].as_u64());
        if errors == Some(0) {
            return Ok(());
        }
        std::thread::park_timeout(std::time::Duration::from_secs(1));
    }
    Err(Failed("the destination did not get all objects".into()))
}
