use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::run::{Failed, cargo, run, target_dir};

/// Which tests to run with bigger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Random sequences against the model.
    Model,
    /// Crash states of the simulated disk.
    Crash,
    /// Random cuts of the replication link.
    Cuts,
    /// Megabytes in long objects, over a link that is cut: a slice is one object.
    Long,
    /// Decisions of the policy engine against the naive evaluator.
    Policy,
}

/// A long run, done in slices. A slice that passed is recorded, so a stopped campaign goes on where it was.
#[derive(Args)]
pub struct Campaign {
    #[arg(value_enum)]
    kind: Kind,
    /// How many in all.
    #[arg(long, default_value_t = 100_000)]
    total: u64,
    /// How many in one slice.
    #[arg(long, default_value_t = 2_000)]
    slice: u64,
    /// The engine to run on: redb or sled.
    #[arg(long, default_value = "redb")]
    engine: String,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Crash => "crash",
            Kind::Cuts => "cuts",
            Kind::Long => "long",
            Kind::Policy => "policy",
        }
    }

    /// Package, test filter, and the variables that carry the number and the first seed.
    fn test(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Kind::Model => ("tandem-storage", "model", "TANDEM_MODEL_SEQUENCES", "TANDEM_MODEL_SEED"),
            Kind::Crash => ("tandem-storage", "crash", "TANDEM_CRASH_STATES", "TANDEM_CRASH_SEED"),
            Kind::Cuts => ("tandem", "a_link_cut_at_random_bytes_ends", "TANDEM_LINK_CUTS", "TANDEM_LINK_SEED"),
            Kind::Long => ("tandem", "a_long_object_arrives_whole", "TANDEM_LARGE_MB", "TANDEM_LARGE_SEED"),
            Kind::Policy => ("tandem-policy", "naive_evaluator", "TANDEM_POLICY_DECISIONS", "TANDEM_POLICY_SEED"),
        }
    }
}

impl Campaign {
    pub fn run(&self) -> Result<(), Failed> {
        let record = self.record()?;
        let mut done = fs::read_to_string(&record).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        while done < self.total {
            let count = self.slice.min(self.total - done);
            self.slice(done, count)?;
            done += count;
            fs::write(&record, done.to_string()).map_err(|error| Failed(format!("{}: {error}", record.display())))?;
            eprintln!("campaign {} on {}: {done} of {}", self.kind.name(), self.engine, self.total);
        }
        Ok(())
    }

    fn record(&self) -> Result<PathBuf, Failed> {
        let dir = target_dir().join("campaign");
        fs::create_dir_all(&dir).map_err(|error| Failed(format!("{}: {error}", dir.display())))?;
        Ok(dir.join(format!("{}-{}", self.kind.name(), self.engine)))
    }

    fn slice(&self, first: u64, count: u64) -> Result<(), Failed> {
        let (package, filter, number, seed) = self.kind.test();
        let mut command = cargo(&["test", "--profile", "ci", "--package", package]);
        if self.kind != Kind::Policy {
            command.args(["--features", "sled"]);
        }
        let filter = if filter == "model" { format!("on_{}_match_the_model", self.engine) } else { filter.to_owned() };
        command.args([filter.as_str(), "--", "--nocapture"]);
        run(command.env(number, count.to_string()).env(seed, first.to_string()))
    }
}
