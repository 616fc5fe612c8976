use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::clients::{self, binary};
use crate::run::{Failed, built_library_test, built_named_test, built_test, built_threads_test, run, target_dir};

/// Which tests to run with bigger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Random sequences against the model: 100,000.
    Model,
    /// Crash states of the simulated disk: 100,000; redb only.
    Crash,
    /// Orders of the store's threads, chosen by a scheduler: 100,000; redb only.
    Threads,
    /// Random cuts of the replication link: 1,000.
    Cuts,
    /// Sequences of messages, and bytes, of a peer that is not to be trusted: 200,000, each with 500 inputs to the decoders; redb only.
    Frames,
    /// Megabytes in long objects, over a link that is cut: 4,000; a slice is one object.
    Long,
    /// Writes to two real nodes at full speed, whose listings are compared key by key: 50,000,000.
    Load,
    /// The loads that once left a replica without keys: 20 rounds of 300,000 writes by 16 connections, 20 of 60,000 by 128.
    Rounds,
    /// Decisions of the policy engine against the naive evaluator: 10,000,000.
    Policy,
    /// kill -9 of the real binary under load: 300.
    Kills,
    /// Power cuts of the real binary on ext4, with their positive controls: 20. Needs root and loop devices.
    Power,
}

/// A long run, done in slices. A slice that passed is recorded, so a stopped campaign goes on where it was.
#[derive(Args)]
pub struct Campaign {
    #[arg(value_enum)]
    kind: Kind,
    /// How many in all, instead of the kind's own number.
    #[arg(long)]
    total: Option<u64>,
    /// How many in one slice, instead of the kind's own number.
    #[arg(long)]
    slice: Option<u64>,
    /// The engine to run on: redb or sled.
    #[arg(long, default_value = "redb")]
    engine: String,
}

/// What runs a slice.
enum Runner {
    /// A copy of the test binary, so that one build is proved whatever is built meanwhile; and the tests' filter.
    Rust(PathBuf, String),
    /// The same of the test binary that starts servers, and a copy of the server that it starts.
    Servers(PathBuf, PathBuf, &'static str),
    /// Python tests against a copy of the server: their file, and which of them.
    Pytest(PathBuf, &'static str, &'static str),
}

/// The variables that carry a slice's length and first seed.
struct Variables {
    number: &'static str,
    seed: &'static str,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Crash => "crash",
            Kind::Threads => "threads",
            Kind::Cuts => "cuts",
            Kind::Frames => "frames",
            Kind::Long => "long",
            Kind::Load => "load",
            Kind::Rounds => "rounds",
            Kind::Policy => "policy",
            Kind::Kills => "kills",
            Kind::Power => "power",
        }
    }

    /// How many in all, and in a slice.
    fn size(self) -> (u64, u64) {
        match self {
            Kind::Model | Kind::Crash | Kind::Threads => (100_000, 2_000),
            Kind::Cuts => (1_000, 50),
            Kind::Frames => (200_000, 2_000),
            Kind::Long => (4_000, 1_000),
            Kind::Load => (50_000_000, 1_000_000),
            Kind::Rounds => (40, 1),
            Kind::Policy => (10_000_000, 500_000),
            Kind::Kills => (300, 30),
            Kind::Power => (20, 5),
        }
    }

    fn variables(self) -> Variables {
        let (number, seed) = match self {
            Kind::Model => ("TANDEM_MODEL_SEQUENCES", "TANDEM_MODEL_SEED"),
            Kind::Crash => ("TANDEM_CRASH_STATES", "TANDEM_CRASH_SEED"),
            Kind::Threads => ("TANDEM_THREADS", "TANDEM_THREADS_SEED"),
            Kind::Cuts => ("TANDEM_LINK_CUTS", "TANDEM_LINK_SEED"),
            Kind::Frames => ("TANDEM_FRAMES", "TANDEM_FRAMES_SEED"),
            Kind::Long => ("TANDEM_LARGE_MB", "TANDEM_LARGE_SEED"),
            Kind::Load => ("TANDEM_LOAD_WRITES", "TANDEM_LOAD_SEED"),
            Kind::Rounds => ("TANDEM_ROUNDS", "TANDEM_ROUND_SEED"),
            Kind::Policy => ("TANDEM_POLICY_DECISIONS", "TANDEM_POLICY_SEED"),
            Kind::Kills => ("TANDEM_KILLS", "TANDEM_KILL_SEED"),
            Kind::Power => ("TANDEM_POWER_CUTS", "TANDEM_POWER_SEED"),
        };
        Variables { number, seed }
    }
}

impl Campaign {
    pub fn run(&self) -> Result<(), Failed> {
        let (total, slice) = self.kind.size();
        let (total, slice) = (self.total.unwrap_or(total), self.slice.unwrap_or(slice).max(1));
        let record = self.dir()?.join(format!("{}-{}", self.kind.name(), self.engine));
        let mut done = fs::read_to_string(&record).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let runner = self.runner()?;
        if done == 0 && self.kind == Kind::Power {
            // A test that cannot see a missing sync proves nothing.
            self.slice(&Runner::Pytest(self.server()?, "tests/power", "left_out"), 0, 1)?;
        }
        while done < total {
            let count = slice.min(total - done);
            self.slice(&runner, done, count)?;
            done += count;
            fs::write(&record, done.to_string()).map_err(|error| Failed(format!("{}: {error}", record.display())))?;
            eprintln!("campaign {} on {}: {done} of {total}", self.kind.name(), self.engine);
        }
        Ok(())
    }

    fn dir(&self) -> Result<PathBuf, Failed> {
        let dir = target_dir().join("campaign");
        fs::create_dir_all(&dir).map_err(|error| Failed(format!("{}: {error}", dir.display())))?;
        Ok(dir)
    }

    fn runner(&self) -> Result<Runner, Failed> {
        Ok(match self.kind {
            Kind::Frames => {
                Runner::Rust(self.keep(built_library_test(".")?, "")?, "no_bytes_and_no_messages_of_a_peer".into())
            }
            Kind::Model => self.rust("storage", format!("on_{}_match_the_model", self.engine))?,
            Kind::Crash => self.rust("storage", "crash::".into())?,
            Kind::Threads => Runner::Rust(self.keep(built_threads_test()?, "")?, "in_any_order_of_threads".into()),
            Kind::Cuts => self.rust(".", "a_link_cut_at_random_bytes_ends".into())?,
            Kind::Long => self.rust(".", "a_long_object_arrives_whole".into())?,
            Kind::Load => self.servers("both_nodes_list_the_same_after_load")?,
            Kind::Rounds => self.servers("the_loads_that_lost_keys_lose_none")?,
            Kind::Policy => self.rust("policy", "naive_evaluator".into())?,
            Kind::Kills => Runner::Pytest(self.server()?, "tests/clients/test_kill.py", "kill_9"),
            Kind::Power => Runner::Pytest(self.server()?, "tests/power", "survive"),
        })
    }

    fn rust(&self, package: &str, filter: String) -> Result<Runner, Failed> {
        Ok(Runner::Rust(self.keep(built_test(package)?, "")?, filter))
    }

    fn servers(&self, filter: &'static str) -> Result<Runner, Failed> {
        let test = self.keep(built_named_test(".", "load")?, "")?;
        Ok(Runner::Servers(test, self.keep(binary(), "-server")?, filter))
    }

    fn server(&self) -> Result<PathBuf, Failed> {
        clients::build()?;
        self.keep(binary(), "")
    }

    /// A copy for this campaign alone.
    fn keep(&self, built: PathBuf, what: &str) -> Result<PathBuf, Failed> {
        let copy = self.dir()?.join(format!("{}-{}{what}.bin", self.kind.name(), self.engine));
        fs::copy(&built, &copy).map_err(|error| Failed(format!("{}: {error}", built.display())))?;
        Ok(copy)
    }

    fn slice(&self, runner: &Runner, first: u64, count: u64) -> Result<(), Failed> {
        let mut command = match runner {
            Runner::Rust(binary, filter) => {
                let mut command = Command::new(binary);
                command.args([filter, "--nocapture"]);
                command
            }
            Runner::Servers(test, server, filter) => {
                let mut command = Command::new(test);
                command.args([filter, "--nocapture", "--include-ignored"]);
                command.env("TANDEM_BIN", server).env("TANDEM_ENGINE", &self.engine);
                command
            }
            Runner::Pytest(server, file, filter) => {
                let mut command = clients::pytest(server)?;
                command.args([file, "-s", "-k", filter]);
                command
            }
        };
        let Variables { number, seed } = self.kind.variables();
        command.env(number, count.to_string()).env(seed, first.to_string());
        run(command.env("TANDEM_KILL_ENGINES", &self.engine).env("TANDEM_POWER_ENGINES", &self.engine))
    }
}
