use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::output::{self, Text};
use super::{CliError, arenas};
use crate::clock::SystemClock;
use crate::config::credentials::{Credentials, SecretEnvironment};
use crate::config::{Config, Flags};
use crate::node::{Node, Ready};
use crate::{descriptors, telemetry};

const EXAMPLES: &str = "Examples:
  tandem server
  tandem server --config /etc/tandem/tandem.toml
  tandem server --data-dir /srv/tandem --s3-listen 0.0.0.0:9000
Without credentials the first start makes some and prints them once.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServerArgs {
    /// The settings file (TOML)
    #[arg(long, env = "TANDEM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Print the effective settings, without secrets, and stop
    #[arg(long)]
    print_config: bool,
    /// Print one JSON line with the bound addresses when ready
    #[arg(long)]
    ready_json: bool,
    /// Write that line to a file when ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Stop when standard input closes, for programs that start nodes
    #[arg(long)]
    stop_with_parent: bool,
}

impl ServerArgs {
    pub fn run(self) -> Result<(), CliError> {
        let config = Config::load(self.config.as_deref(), &self.flags)?;
        if self.print_config {
            return output::line(Text::of_lines(&config.to_toml()));
        }
        arenas::limit();
        telemetry::start_logging(&config.log, config.log_json)?;
        let descriptors = descriptors::raise();
        tracing::debug!(descriptors, "files and sockets that may be open");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let outcome = runtime.block_on(self.serve(config));
        runtime.shutdown_background();
        outcome
    }

    async fn serve(self, config: Config) -> Result<(), CliError> {
        // Before anything else, so that an early signal is not lost.
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let clock = Arc::new(SystemClock::new());
        let (credentials, generated) = Credentials::load(&config, secret_environment(), &*clock)?;
        // At once: should the start fail further on, nothing would show them again.
        if let Some(text) = generated.announcement() {
            output::note(Text::of_lines(&text));
        }
        let node = Node::start(config, credentials, clock).await?;
        self.announce(node.ready())?;
        let orphaned = parent_gone(self.stop_with_parent);
        tokio::pin!(orphaned);
        loop {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM"),
                _ = interrupt.recv() => tracing::info!("SIGINT"),
                () = &mut orphaned => tracing::info!("the parent has gone"),
                _ = hangup.recv() => {
                    node.reopen_logs();
                    continue;
                }
            }
            break;
        }
        Ok(node.shutdown().await?)
    }

    fn announce(&self, ready: &Ready) -> Result<(), CliError> {
        if let Some(path) = &self.ready_file {
            let line = serde_json::to_string(ready).map_err(|error| CliError::Failed(error.to_string()))?;
            // Whole or not at all: whoever waits for the file may read it as soon as it is there.
            let fresh = path.with_extension("new");
            write_ready(&fresh, &format!("{line}\n"))
                .and_then(|()| std::fs::rename(&fresh, path))
                .map_err(|source| CliError::File { path: path.clone(), source })?;
        }
        match self.ready_json {
            true => output::json_line(ready),
            false => Ok(()),
        }
    }
}

/// For everybody to read and for nobody else to change, whatever the umask is: scripts go by it.
fn write_ready(path: &Path, line: &str) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?.write_all(line.as_bytes())
}

fn secret_environment() -> SecretEnvironment {
    let secret = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    SecretEnvironment {
        root_secret_key: secret("TANDEM_ROOT_SECRET_KEY"),
        admin_password: secret("TANDEM_PASSWORD"),
        pairing_secret: secret("TANDEM_PAIRING_SECRET"),
    }
}

/// Ends when standard input does, if that is asked for.
async fn parent_gone(asked: bool) {
    if !asked {
        return std::future::pending().await;
    }
    let drained = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
    let _ = drained.await;
}
