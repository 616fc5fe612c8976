use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use super::home::{Home, Ports, bound_ports};
use super::{CliError, NodeReady, file_error};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::config::credentials::{private_dir, write_private};
use crate::node;

const READY_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// A node's process. It stops by itself when this one goes away: its standard input is our pipe.
pub struct Child {
    name: &'static str,
    process: tokio::process::Child,
    pid: u32,
    ready_file: PathBuf,
    log: PathBuf,
    reported: bool,
}

pub fn start(name: &'static str, home: &Home, bind: IpAddr) -> Result<Child, CliError> {
    let ready_file = home.path(&format!("{name}.ready"));
    let _ = std::fs::remove_file(&ready_file);
    let log = home.path(&format!("{name}.log"));
    let output =
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&log).map_err(file_error(&log))?;
    private_dir(&home.path(name))?;
    write_settings(name, home, bind, home.ports(name))?;
    let words = command(name, home)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--stop-with-parent", "--ready-file"]).arg(&ready_file);
    // The nodes are configured by their files alone.
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for variable in inherited.filter(|name| name.to_string_lossy().starts_with("TANDEM_") && name != "TANDEM_LOG") {
        command.env_remove(variable);
    }
    let process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(output).kill_on_drop(true).spawn()?;
    let pid = process.id().ok_or_else(|| CliError::Failed(format!("node {name} ended at once")))?;
    Ok(Child { name, process, pid, ready_file, log, reported: false })
}

fn settings_file(name: &str, home: &Home) -> PathBuf {
    home.path(name).join("tandem.toml")
}

/// The command that runs a node of the testbed, now or later.
fn command(name: &str, home: &Home) -> Result<Vec<String>, CliError> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    Ok(vec![text(std::env::current_exe()?), "server".into(), "--config".into(), text(settings_file(name, home))])
}

fn write_settings(name: &str, home: &Home, bind: IpAddr, ports: Ports) -> Result<(), CliError> {
    // Both nodes are on this machine, whatever clients may reach.
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let config = Config {
        data_dir: home.path(name),
        name: Some(name.into()),
        s3_listen: SocketAddr::new(bind, ports.s3),
        admin_listen: SocketAddr::new(bind, ports.admin),
        replication_listen: SocketAddr::new(loopback, ports.replication),
        root_access_key: Some(home.secrets().access_key.clone()),
        root_secret_key_file: Some(home.path("secret-key")),
        admin_password_file: Some(home.path("admin-password")),
        ..Config::default()
    };
    let path = settings_file(name, home);
    write_private(&path, config.to_toml().as_bytes()).map_err(file_error(&path))
}

impl Child {
    /// Waits for the node's ready line.
    pub async fn ready(&mut self) -> Result<node::Ready, CliError> {
        let clock = SystemClock::new();
        loop {
            if let Ok(text) = std::fs::read_to_string(&self.ready_file) {
                let decoded = serde_json::from_str(&text);
                return decoded.map_err(|error| CliError::Failed(format!("node {}: {error}", self.name)));
            }
            if let Some(status) = self.process.try_wait()? {
                let what = format!("node {} did not start ({status})", self.name);
                return Err(CliError::WithLog { what, log: self.log_end() });
            }
            if clock.monotonic() > READY_DEADLINE {
                let log = self.log.display();
                return Err(CliError::Failed(format!("node {} was not ready in a minute; see {log}", self.name)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log_end(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// Fixes the node's ports for its next start, and says where it is.
    pub fn describe(&self, ready: &node::Ready, home: &Home, bind: IpAddr) -> Result<NodeReady, CliError> {
        write_settings(self.name, home, bind, bound_ports(ready)?)?;
        Ok(NodeReady {
            s3: ready.s3.clone(),
            admin: ready.admin.clone(),
            replication: ready.replication.clone(),
            pid: self.pid,
            dir: home.path(self.name),
            log: self.log.clone(),
            start: command(self.name, home)?,
        })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How the node ended, told once.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        match self.process.try_wait() {
            Ok(Some(status)) if !self.reported => {
                self.reported = true;
                Some(status)
            }
            _ => None,
        }
    }

    /// SIGTERM, and SIGKILL at the deadline. One that has ended already is no error: drills kill nodes.
    pub async fn stop(mut self) -> Result<(), CliError> {
        if self.process.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        match tokio::time::timeout(STOP_DEADLINE, self.process.wait()).await {
            Ok(status) => match status? {
                status if status.success() => Ok(()),
                status => {
                    let what = format!("node {} ended with {status}", self.name);
                    Err(CliError::WithLog { what, log: self.log_end() })
                }
            },
            Err(_) => {
                self.process.kill().await?;
                Err(CliError::Failed(format!("node {} did not stop in time and was killed", self.name)))
            }
        }
    }
}
