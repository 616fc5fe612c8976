//! Measurements of the real binary, each a server of its own in a fresh directory.

mod gateway;
mod memory;
mod nodes;
mod server;
mod steady;

use std::path::PathBuf;

use crate::run::{Failed, cargo, run, target_dir};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measurement {
    /// Server CPU an operation against nginx's and MD5's in the same run. Needs Debian's nginx and openssl
    Gateway,
    /// Resident memory: idle, and while 5 GiB go in and come out
    Memory,
    /// Resident memory with a million objects, of a node alone and of a destination; takes minutes
    Million,
    /// Latency of 2,000 PUT a second of 4 KiB, with checkpoints and a replication each second; a minute and a half
    Steady,
    /// Objects a second when 100,000 of 4 KiB are seeded to a peer on loopback
    Seed,
}

/// Takes the measurements asked for, the short ones when none is.
pub fn bench(wanted: &[Measurement]) -> Result<(), Failed> {
    let wanted = if wanted.is_empty() { &[Measurement::Gateway, Measurement::Memory][..] } else { wanted };
    for measurement in wanted {
        match measurement {
            Measurement::Gateway => gateway::bench(&prepared()?)?,
            Measurement::Memory => memory::large_objects(&prepared()?)?,
            Measurement::Million => {
                memory::million(&prepared()?)?;
                memory::million_received(&prepared()?)?;
            }
            Measurement::Steady => steady::bench(&prepared()?)?,
            // Two nodes in the process of a test that runs for nobody else.
            Measurement::Seed => {
                run(&mut cargo(&["test", "--release", "--test", "it", "seed_rate", "--", "--ignored", "--nocapture"]))?;
            }
        }
    }
    Ok(())
}

/// The release binary built, and an empty directory.
fn prepared() -> Result<PathBuf, Failed> {
    run(&mut cargo(&["build", "--release", "--package", "tandem", "--bin", "tandem"]))?;
    let dir = target_dir().join("bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("www")).map_err(|error| Failed(format!("{}: {error}", dir.display())))?;
    Ok(dir)
}
