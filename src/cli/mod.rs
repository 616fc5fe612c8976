//! The command line: starting a node, and the operator's commands against a node's admin port.

mod account;
mod arenas;
mod bench;
mod check;
mod client;
mod confirm;
mod connection;
mod directory;
mod diverged;
mod failover;
mod group;
mod health;
mod key;
mod output;
mod path;
mod peer;
mod policy;
mod role;
mod server;
mod status;
mod testbed;
#[cfg(test)]
mod tests;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use client::AdminClient;
pub use connection::Connection;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Telemetry(#[from] crate::telemetry::TelemetryError),
    #[error(transparent)]
    Node(#[from] crate::node::NodeError),
    #[error("cannot reach the admin port {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// The admin port's own words.
    #[error("{detail}")]
    Api { status: u16, detail: String },
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Bench(#[from] crate::bench::BenchError),
    #[error("{path}: {source}")]
    File { path: std::path::PathBuf, source: std::io::Error },
    #[error("output: {0}")]
    Output(#[from] std::io::Error),
    #[error("not confirmed; nothing was done")]
    NotConfirmed,
    /// The lag is over what `--max-lag` allows; the report was printed.
    #[error("{0}")]
    Late(String),
    /// With the end of the log that says why.
    #[error("{what}:")]
    WithLog { what: String, log: Vec<String> },
}

impl CliError {
    /// 2 for a wrong call, 3 for a lag over its limit, else 1.
    fn exit_code(&self) -> ExitCode {
        match self {
            CliError::Usage(_) | CliError::Config(_) => ExitCode::from(2),
            CliError::Late(_) => ExitCode::from(3),
            _ => ExitCode::from(1),
        }
    }
}

/// An S3-compatible object server that always has an understudy
#[derive(Debug, Parser)]
#[command(name = "tandem", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Server(server::ServerArgs),
    /// Run two nodes on this machine that replicate, to try things out
    Testbed(testbed::TestbedArgs),
    /// Pair with other nodes
    Peer(peer::PeerArgs),
    /// Protect paths: replicate every bucket, or one, to a peer
    Path(path::PathArgs),
    /// Show roles, lag and peers of a node
    Status(status::StatusArgs),
    /// Ask whether a node serves, for health checks; needs no password
    Health(health::HealthArgs),
    /// Switch the roles of a protected path
    Failover(failover::FailoverArgs),
    /// Show or discard writes that a forced failover left behind
    Diverged(diverged::DivergedArgs),
    /// Verify what a node has stored, running or stopped
    Check(check::CheckArgs),
    /// Make and change users
    User(user::UserArgs),
    /// Make and change groups of users
    Group(group::GroupArgs),
    /// Make and change roles
    Role(role::RoleArgs),
    /// Make access keys, provide known ones, turn them off
    Key(key::KeyArgs),
    /// Make policies, attach them, and ask what they decide
    Policy(policy::PolicyArgs),
    /// Make accounts, one or many
    Account(account::AccountArgs),
    /// Measure an S3 endpoint
    Bench(bench::BenchArgs),
    /// Print every S3 route with the permissions that it needs, as JSON
    #[command(hide = true)]
    Routes,
}

/// Parses the process's arguments and carries them out.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = output::Text::from(format!("tandem: {error}"));
            if let CliError::WithLog { log, .. } = &error {
                text.append(log.iter().collect());
            }
            output::note(text);
            error.exit_code()
        }
    }
}

impl Cli {
    fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Server(args) => args.run(),
            Command::Testbed(args) => answer(args.run()),
            Command::Peer(args) => answer(args.run()),
            Command::Path(args) => answer(args.run()),
            Command::Status(args) => answer(args.run()),
            Command::Health(args) => answer(args.run()),
            Command::Failover(args) => answer(args.run()),
            Command::Diverged(args) => answer(args.run()),
            Command::Check(args) => args.run(),
            Command::User(args) => answer(args.run()),
            Command::Group(args) => answer(args.run()),
            Command::Role(args) => answer(args.run()),
            Command::Key(args) => answer(args.run()),
            Command::Policy(args) => answer(args.run()),
            Command::Account(args) => answer(args.run()),
            Command::Bench(args) => args.run(),
            Command::Routes => output::json_line(&crate::s3::access::table::routes()),
        }
    }
}

/// One thread is enough for an operator's command.
fn answer<T>(command: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(command);
    // A read of standard input may still wait in its thread.
    runtime.shutdown_background();
    outcome
}
