//! Two nodes on this machine, as two processes, paired and protected: for trying out, for drills and for tests.

mod child;
mod guide;
mod home;
mod watch;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use self::child::Child;
use self::home::Home;
use super::client::AdminClient;
use super::output::Text;
use super::{CliError, output};
use crate::admin::model::{AddPath, AddPeer, PairingToken, default_keep};
use crate::clock::{Clock, SystemClock};
use crate::config::whole_seconds;
use crate::replication::report::{PathReport, PeerReport, Role};

const EXAMPLE: &str = "Example: tandem testbed
For scripts: tandem testbed --json prints one JSON line when both nodes are ready, and stops them on SIGTERM.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct TestbedArgs {
    /// How often a snapshot is taken, such as 2s; a directory that is used again keeps what it had
    #[arg(long, default_value_t = 2, value_name = "DURATION", value_parser = whole_seconds)]
    interval: u64,
    /// Where the nodes keep their data; kept and used again. Without it a temporary directory is used and removed
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The address that S3 and the admin ports listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    bind: IpAddr,
    /// Protect one bucket, instead of all
    #[arg(long, value_name = "BUCKET")]
    protect: Option<String>,
    /// Print one JSON line when both nodes are ready, then nothing more
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    pub a: NodeReady,
    pub b: NodeReady,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    pub admin_user: String,
    pub admin_password: String,
    /// PEM file to trust both admin ports by.
    pub admin_ca: PathBuf,
    /// The protected path.
    pub path: String,
    pub interval: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct NodeReady {
    pub s3: String,
    pub admin: String,
    pub replication: String,
    pub pid: u32,
    pub dir: PathBuf,
    pub log: PathBuf,
    /// The command that starts this node again, with the same ports.
    pub start: Vec<String>,
}

const PAIR_DEADLINE: Duration = Duration::from_secs(60);

impl TestbedArgs {
    pub async fn run(self) -> Result<(), CliError> {
        if self.interval == 0 {
            return Err(CliError::Usage("--interval is at least 1".into()));
        }
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let home = Home::open(self.dir.clone(), &SystemClock::new())?;
        let mut a = child::start("a", &home, self.bind)?;
        let mut b = child::start("b", &home, self.bind)?;
        let outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            outcome = self.live(&home, &mut a, &mut b) => outcome,
        };
        if !self.json {
            output::note(Text::of_lines("\nstopping both nodes"));
        }
        let (first, second) = tokio::join!(a.stop(), b.stop());
        home.close();
        outcome.and(first).and(second)
    }

    /// Runs until a signal cuts it off.
    async fn live(&self, home: &Home, a: &mut Child, b: &mut Child) -> Result<(), CliError> {
        let (a_ready, b_ready) = tokio::try_join!(a.ready(), b.ready())?;
        home.keep_ports(&a_ready, &b_ready)?;
        let admin_ca = home.join_authorities(&[&a_ready, &b_ready])?;
        let client = |url: &str| AdminClient::new(url, crate::admin::USER, &home.secrets().admin_password, &admin_ca);
        let (mut to_a, mut to_b) = (client(&a_ready.admin)?, client(&b_ready.admin)?);
        let path = self.protect.as_ref().map_or("/".to_owned(), |bucket| format!("/{bucket}"));
        let interval = self.join(&mut to_a, &mut to_b, &path).await?;
        if interval != self.interval {
            output::note(format!("tandem: {path} keeps the interval of {interval} s that it was made with"));
        }
        let ready = Ready {
            a: a.describe(&a_ready, home, self.bind)?,
            b: b.describe(&b_ready, home, self.bind)?,
            access_key: home.secrets().access_key.clone(),
            secret_key: home.secrets().secret_key.clone(),
            region: a_ready.region,
            admin_user: crate::admin::USER.to_owned(),
            admin_password: home.secrets().admin_password.clone(),
            admin_ca,
            path,
            interval,
        };
        if self.json {
            output::json_line(&ready)?;
            return watch::wait_forever(a, b).await;
        }
        let roles = [role(&mut to_a, &ready.path).await?, role(&mut to_b, &ready.path).await?];
        output::line(Text::of_lines(&guide::guide(&ready, home, &roles)))?;
        watch::lag(&ready, &mut to_a, &mut to_b, a, b).await
    }

    /// Pairs the nodes and protects the path, unless an earlier run has. Returns the path's interval.
    async fn join(&self, a: &mut AdminClient, b: &mut AdminClient, path: &str) -> Result<u64, CliError> {
        let peers: Vec<PeerReport> = a.get("/api/peers").await?;
        if peers.is_empty() {
            let token: PairingToken = b.post("/api/pairing-token", &serde_json::json!({})).await?;
            let peer = AddPeer { token: token.token, name: "b".into() };
            a.post::<PeerReport>("/api/peers", &peer).await?;
        }
        let paths: Vec<PathReport> = a.get("/api/paths").await?;
        let known = paths.iter().find(|known| known.path == path).map(|known| known.interval_seconds);
        if known.is_none() {
            let asked = AddPath {
                path: path.to_owned(),
                peer: "b".into(),
                interval_seconds: self.interval,
                keep_local_seconds: default_keep(),
                keep_remote_seconds: default_keep(),
            };
            a.post::<PathReport>("/api/paths", &asked).await?;
        }
        let clock = SystemClock::new();
        loop {
            if followed(a, path).await? || followed(b, path).await? {
                return Ok(known.unwrap_or(self.interval));
            }
            if clock.monotonic() > PAIR_DEADLINE {
                return Err(CliError::Failed(format!(
                    "{path} was not replicated within a minute; see the nodes' logs"
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Whether this node has a restore point of the path.
async fn followed(node: &mut AdminClient, path: &str) -> Result<bool, CliError> {
    let paths: Vec<PathReport> = node.get("/api/paths").await?;
    Ok(paths.iter().any(|known| known.path == path && known.restore_point.is_some()))
}

async fn role(node: &mut AdminClient, path: &str) -> Result<Option<Role>, CliError> {
    let paths: Vec<PathReport> = node.get("/api/paths").await?;
    Ok(paths.into_iter().find(|known| known.path == path).map(|known| known.role))
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> CliError {
    let path = path.to_owned();
    move |source| CliError::File { path, source }
}
