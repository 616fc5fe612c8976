//! Two `tandem server` processes, and the orders that an operator gives them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::http::{ACCESS_KEY, SECRET_KEY};
use crate::time::{instant, wait};

const PASSWORD: &str = "the-admin-password-of-the-load-tests-1";

/// The server under test: `TANDEM_BIN`, or the one that was built with this test.
fn binary() -> PathBuf {
    std::env::var_os("TANDEM_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_tandem")), PathBuf::from)
}

/// One process, and where it listens. It listens there again after a restart.
pub struct Node {
    pub name: &'static str,
    dir: PathBuf,
    checkpoint_every: &'static str,
    process: Child,
    pub s3: SocketAddr,
    admin: String,
    replication: String,
}

impl Node {
    fn start(dir: &Path, name: &'static str, checkpoint_every: &'static str) -> Node {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let any = "127.0.0.1:0".to_owned();
        let process = launch(&dir, name, checkpoint_every, [&any, &any, &any]);
        let s3 = any.parse().unwrap();
        let mut node = Node { name, dir, checkpoint_every, process, s3, admin: any.clone(), replication: any };
        node.become_ready();
        node
    }

    fn become_ready(&mut self) {
        let file = self.dir.join("ready.json");
        let process = &mut self.process;
        let facts: Value = wait("a node to get ready", || {
            assert!(process.try_wait().unwrap().is_none(), "{} ended", self.name);
            serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()
        });
        let place = |name: &str| facts[name].as_str().unwrap().to_owned();
        self.s3 = place("s3").trim_start_matches("http://").parse().unwrap();
        (self.admin, self.replication) = (place("admin"), place("replication"));
    }

    /// Everything ends where it is.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts on the same directory and the same addresses.
    pub fn restart(&mut self) {
        let admin = self.admin.trim_start_matches("https://").to_owned();
        let places = [&self.s3.to_string(), &admin, &self.replication];
        self.process = launch(&self.dir, self.name, self.checkpoint_every, places);
        self.become_ready();
    }

    pub fn operator(&self) -> Operator {
        let ca = self.dir.join("data/admin-ca.pem");
        Operator { name: self.name, admin: self.admin.clone(), ca }
    }

    pub fn order(&self, words: &[&str]) -> Result<String, String> {
        self.operator().order(words)
    }

    pub fn told(&self, words: &[&str]) -> Value {
        let text = self.order(&[words, &["--json"]].concat()).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }

    /// What the node reports of a path; absent if it does not answer.
    pub fn path(&self, path: &str) -> Option<Value> {
        let status: Value = serde_json::from_str(&self.order(&["status", "--json"]).ok()?).ok()?;
        status["paths"].as_array()?.iter().find(|row| row["path"] == path).cloned()
    }

    /// The end of the node's log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Whoever gives a node orders. It outlives the process: the node listens at the same place after a restart.
pub struct Operator {
    name: &'static str,
    admin: String,
    ca: PathBuf,
}

impl Operator {
    /// Carries out an operator's command. The answer is what it printed, or what it said of its failure.
    pub fn order(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(binary());
        command.args(words).args(["--admin", &self.admin, "--ca"]).arg(&self.ca);
        let done = command.env("TANDEM_PASSWORD", PASSWORD).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match done.status.success() {
            true => Ok(text(&done.stdout)),
            false => Err(format!("{} on {}: {}", words.join(" "), self.name, text(&done.stderr))),
        }
    }
}

fn launch(dir: &Path, name: &str, checkpoint_every: &str, [s3, admin, replication]: [&String; 3]) -> Child {
    let ready = dir.join("ready.json");
    let _ = std::fs::remove_file(&ready);
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let mut command = Command::new(binary());
    command.args(["server", "--name", name, "--log", "warn", "--audit-log", "off"]);
    command.arg("--data-dir").arg(dir.join("data")).arg("--ready-file").arg(ready);
    command.args(["--s3-listen", s3, "--admin-listen", admin, "--replication-listen", replication]);
    command.args(["--checkpoint-every", checkpoint_every, "--stop-with-parent"]);
    command.env("TANDEM_ROOT_ACCESS_KEY", ACCESS_KEY).env("TANDEM_ROOT_SECRET_KEY", SECRET_KEY);
    command.env("TANDEM_PASSWORD", PASSWORD);
    command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Pair {
    pub nodes: [Node; 2],
    _dir: tempfile::TempDir,
}

pub const A: usize = 0;
pub const B: usize = 1;

impl Pair {
    /// Two nodes that know each other.
    pub fn start(checkpoint_every: &'static str) -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let nodes = ["a", "b"].map(|name| Node::start(dir.path(), name, checkpoint_every));
        let token = nodes[B].told(&["peer", "token"]);
        let file = dir.path().join("token");
        std::fs::write(&file, token["token"].as_str().unwrap()).unwrap();
        nodes[A].order(&["peer", "add", "b", "--token-file", file.to_str().unwrap()]).unwrap();
        Pair { nodes, _dir: dir }
    }

    /// a protects a path, and b has its first restore point.
    pub fn protect(&self, path: &str, interval: u64) {
        let interval = interval.to_string();
        self.nodes[A].order(&["path", "create", path, "--peer", "b", "--interval", &interval]).unwrap();
        wait("the first restore point", || {
            self.nodes[B].path(path).filter(|report| !report["restore_point"].is_null())
        });
    }

    /// Waits until the reader of a path is known to have everything up to now: its lag reaches back to a moment after
    /// this call. The reader's own report is what is trusted here; the listings are compared afterwards.
    pub fn catch_up(&self, path: &str, reader: usize) {
        let start = instant();
        wait("the reader to catch up", || {
            let since = start.elapsed();
            let report = self.nodes[reader].path(path)?;
            let lag = Duration::try_from_secs_f64(report["rpo_lag_seconds"].as_f64()?).ok()?;
            (report["role"] == "Destination" && report["state"] == "Active" && lag < since).then_some(())
        });
    }
}
