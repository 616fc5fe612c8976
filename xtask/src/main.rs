//! Tandem's development commands. `cargo xtask test` passes every test; `cargo xtask campaign` runs the same with bigger numbers.

#[path = "../../benches/mod.rs"]
mod bench;
mod campaign;
mod clients;
mod python;
mod run;
mod s3_tests;
mod suite;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tandem's development commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every test: the Rust ones on both engines, then real clients against the real binary.
    Test,
    /// Only the real clients (boto3, aws-cli, the security table). Example: `cargo xtask clients -k multipart`
    Clients {
        /// Passed on to pytest.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        pytest: Vec<String>,
    },
    /// ceph/s3-tests from a checkout of its own: fails if a test of `tests/s3-tests/passing.txt` passes no more
    S3Tests(s3_tests::S3Tests),
    /// Speed and memory of the release binary. Example: `cargo xtask bench gateway`
    Bench {
        /// Without any: gateway and memory.
        measurements: Vec<bench::Measurement>,
    },
    /// The long runs: resumable, results in target/campaign. Example: `cargo xtask campaign model --total 100000`
    Campaign(campaign::Campaign),
}

fn main() -> std::process::ExitCode {
    let done = match Arguments::parse().command {
        Command::Test => suite::test(),
        Command::Clients { pytest } => clients::test(&pytest),
        Command::S3Tests(tests) => tests.run(),
        Command::Bench { measurements } => bench::bench(&measurements),
        Command::Campaign(campaign) => campaign.run(),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xtask: {failed}");
            std::process::ExitCode::FAILURE
        }
    }
}
