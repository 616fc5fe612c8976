//! Measurements of the real binary, each a server of its own in a fresh directory.

mod gateway;
mod memory;
mod server;

use crate::run::{Failed, cargo, run, target_dir};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measurement {
    /// Server CPU an operation against nginx's and MD5's in the same run. Needs Debian's nginx and openssl
    Gateway,
    /// Resident memory: idle, and while 5 GiB go in and come out
    Memory,
    /// Resident memory with a million objects; takes minutes
    Million,
}

/// Takes the measurements asked for, all but the longest when none is.
pub fn bench(wanted: &[Measurement]) -> Result<(), Failed> {
    run(&mut cargo(&["build", "--release", "--package", "tandem", "--bin", "tandem"]))?;
    let wanted = if wanted.is_empty() { &[Measurement::Gateway, Measurement::Memory][..] } else { wanted };
    for measurement in wanted {
        let dir = target_dir().join("bench");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("www")).map_err(|error| Failed(format!("{}: {error}", dir.display())))?;
        match measurement {
            Measurement::Gateway => gateway::bench(&dir)?,
            Measurement::Memory => memory::large_objects(&dir)?,
            Measurement::Million => memory::million(&dir)?,
        }
    }
    Ok(())
}
