use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::server::{memory_of, release_binary};
use crate::run::Failed;

/// Two nodes on this machine, paired, with every bucket protected; stopped when dropped.
pub struct Nodes {
    testbed: Child,
    ready: Value,
}

/// Which of the two.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Source,
    Destination,
}

impl Nodes {
    /// With a restore point each second.
    pub fn start(dir: &Path) -> Result<Nodes, Failed> {
        let mut command = Command::new(release_binary());
        command.args(["testbed", "--json", "--interval", "1", "--dir"]).arg(dir.join("nodes"));
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let testbed = started.map_err(|error| Failed(format!("tandem testbed: {error}")))?;
        let mut nodes = Nodes { testbed, ready: Value::Null };
        let mut line = String::new();
        if let Some(out) = nodes.testbed.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|error| Failed(error.to_string()))?;
        }
        nodes.ready = serde_json::from_str(&line).map_err(|_| Failed("tandem testbed did not get ready".into()))?;
        Ok(nodes)
    }

    /// `tandem bench s3` against one of them, by one thread; its report.
    pub fn load(&self, side: Side, words: &[&str]) -> Result<Value, Failed> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut command = Command::new(release_binary());
        command.env("AWS_ACCESS_KEY_ID", word(&self.ready["access_key"]));
        command.env("AWS_SECRET_ACCESS_KEY", word(&self.ready["secret_key"]));
        command.args(["bench", "s3", "--json", "--endpoint", &word(&self.node(side)["s3"])]).args(words);
        let done = command.output().map_err(|error| Failed(format!("tandem bench: {error}")))?;
        serde_json::from_slice(&done.stdout)
            .map_err(|_| Failed(format!("tandem bench {words:?}: {}", String::from_utf8_lossy(&done.stderr))))
    }

    /// A line of the process's status, in MiB.
    pub fn memory(&self, side: Side, line: &str) -> Result<f64, Failed> {
        let pid = self.node(side)["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        memory_of(pid.ok_or_else(|| Failed("a node without a process".into()))?, line)
    }

    fn node(&self, side: Side) -> &Value {
        match side {
            Side::Source => &self.ready["a"],
            Side::Destination => &self.ready["b"],
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // It stops both nodes on SIGTERM, which `Child` cannot send.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.testbed.id())]).status();
        let _ = self.testbed.wait();
    }
}
