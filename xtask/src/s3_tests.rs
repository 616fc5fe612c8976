//! ceph/s3-tests against a real node. The tests are never part of this repository; the names of those that pass are.

mod users;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::python;
use crate::run::{Failed, cargo, root, run, target_dir};

const ACCESS_KEY: &str = "AKIATANDEMS3TESTS001";
const SECRET_KEY: &str = "the-secret-key-of-the-s3-tests-00001";
const PASSWORD: &str = "the-admin-password-of-the-s3-tests-00001";
const SUITE: &str = "s3tests/functional/test_s3.py";
/// Groups of tests that wait for minutes on what this server does not do.
const LEFT_OUT: &str = "not (lifecycle or lifecycle_expiration or lifecycle_transition or cloud_transition or cloud_restore \
     or bucket_logging or encryption or sse_s3 or s3website or appendobject)";

#[derive(Args)]
pub struct S3Tests {
    /// A checkout of ceph/s3-tests.
    checkout: PathBuf,
    /// Writes the list of passing tests anew, instead of failing when one is lost.
    #[arg(long)]
    update: bool,
    /// A file of sections `[s3 main]`, `[s3 alt]`, ... with users of the node; without it they are made.
    #[arg(long)]
    users: Option<PathBuf>,
    /// A node that runs already, where those users are; without it one is built and started.
    #[arg(long, requires = "users")]
    endpoint: Option<String>,
    /// The server to start, such as `target/debug/tandem`; without it one is built.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Only tests whose names match, as pytest's `-k` has it. Only these can be lost.
    #[arg(short = 'k', long)]
    select: Option<String>,
}

impl S3Tests {
    pub fn run(&self) -> Result<(), Failed> {
        let dir = target_dir().join("s3-tests");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).map_err(|error| failed(&dir, error))?;
        let python = python::environment("s3-tests", "tests/s3-tests/requirements.txt")?;
        let started = match &self.endpoint {
            Some(_) => None,
            None => {
                let server = self.server()?;
                Some((Node::start(&server, &dir)?, server))
            }
        };
        let endpoint = self.endpoint.as_deref().or(started.as_ref().map(|(node, _)| node.endpoint.as_str()));
        let config = dir.join("s3tests.conf");
        let users = match (&self.users, &started) {
            (Some(users), _) => fs::read_to_string(users).map_err(|error| failed(users, error))?,
            (None, Some((node, server))) => {
                users::Cli { binary: server, admin: &node.admin, ca: &dir.join("data/admin-ca.pem") }.sections()?
            }
            (None, None) => String::new(),
        };
        let text = config_of(endpoint.unwrap_or_default(), &users)?;
        fs::write(&config, text).map_err(|error| failed(&config, error))?;
        let outcome = self.ask(&python, &config, &dir.join("outcome"))?;
        drop(started);
        self.judge(&outcome)
    }

    fn server(&self) -> Result<PathBuf, Failed> {
        if let Some(binary) = &self.binary {
            return Ok(binary.clone());
        }
        run(&mut cargo(&["build", "--profile", "ci", "--workspace", "--features", "sled"]))?;
        Ok(crate::clients::binary())
    }

    /// Runs the tests; a line a test comes back.
    fn ask(&self, python: &Path, config: &Path, log: &Path) -> Result<Outcome, Failed> {
        let python =
            fs::canonicalize(python.parent().unwrap_or(python)).map_err(|error| failed(python, error))?.join("python");
        let config = fs::canonicalize(config).map_err(|error| failed(config, error))?;
        let file = File::create(log).map_err(|error| failed(log, error))?;
        let mut command = Command::new(python);
        command.current_dir(&self.checkout).args(["-m", "pytest", "-v", "--tb=line", "-p", "no:cacheprovider", SUITE]);
        command.args(["-m", LEFT_OUT]);
        if let Some(select) = &self.select {
            command.args(["-k", select]);
        }
        command.env("S3TEST_CONF", config).env("PYTHONDONTWRITEBYTECODE", "1").stdout(file);
        eprintln!("asking {SUITE}; what it says is in {}", log.display());
        // Some tests fail always: the exit status says nothing.
        command.status().map_err(|error| Failed(format!("pytest did not start: {error}")))?;
        let text = fs::read_to_string(log).map_err(|error| failed(log, error))?;
        let outcome = Outcome::of(&text);
        match outcome.asked.is_empty() {
            true => Err(Failed(format!("no test was asked; see {}", log.display()))),
            false => Ok(outcome),
        }
    }

    fn judge(&self, outcome: &Outcome) -> Result<(), Failed> {
        let list = root().join("tests/s3-tests/passing.txt");
        let known: BTreeSet<String> =
            fs::read_to_string(&list).unwrap_or_default().lines().map(str::to_owned).collect();
        let lost: Vec<&str> = known
            .iter()
            .filter(|name| !outcome.passed.contains(*name) && self.covers(name, outcome))
            .map(String::as_str)
            .collect();
        let gained = outcome.passed.difference(&known).count();
        println!("{} of {} pass; {} lost, {gained} gained", outcome.passed.len(), outcome.asked.len(), lost.len());
        let failing = root().join("tests/s3-tests/failing.md");
        let reasons = fs::read_to_string(&failing).map_err(|error| failed(&failing, error))?;
        let unexplained: Vec<&str> =
            outcome.failed.iter().map(String::as_str).filter(|name| !explains(&reasons, name)).collect();
        if !unexplained.is_empty() {
            println!("fail, and are not in {}:\n{}", failing.display(), unexplained.join("\n"));
        }
        if self.update {
            let kept = known.iter().filter(|name| !outcome.asked.contains(*name) && self.select.is_some());
            let names: BTreeSet<&String> = outcome.passed.iter().chain(kept).collect();
            let text: String = names.into_iter().map(|name| format!("{name}\n")).collect();
            return fs::write(&list, text).map_err(|error| failed(&list, error));
        }
        match (lost.is_empty(), unexplained.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(Failed("tests fail without a reason".into())),
            (false, _) => Err(Failed(format!("passed before, and now do not:\n{}", lost.join("\n")))),
        }
    }

    /// Whether a test that did not pass should have been asked.
    fn covers(&self, name: &str, outcome: &Outcome) -> bool {
        self.select.is_none() || outcome.asked.contains(name)
    }
}

fn config_of(endpoint: &str, users: &str) -> Result<String, Failed> {
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let (host, port) = address.rsplit_once(':').ok_or_else(|| Failed(format!("{endpoint}: not http://HOST:PORT")))?;
    Ok(format!(
        "[DEFAULT]\nhost = {host}\nport = {port}\nis_secure = False\nssl_verify = False\n\
         [fixtures]\nbucket prefix = tandem-{{random}}-\niam name prefix = s3-tests-\niam path prefix = /s3-tests/\n{users}"
    ))
}

/// Whether the list of reasons names a test, in whole or by its beginning. What stands in brackets are its parameters.
fn explains(reasons: &str, name: &str) -> bool {
    let name = name.split('[').next().unwrap_or(name);
    let mut words = reasons.split('`').skip(1).step_by(2);
    words.any(|word| word.split_once('*').map_or(word == name, |(beginning, _)| name.starts_with(beginning)))
}

/// Names of tests, without their file.
struct Outcome {
    asked: BTreeSet<String>,
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl Outcome {
    /// Lines of `pytest -v`: `file::name STATUS   [ 12%]`.
    fn of(text: &str) -> Self {
        let mut outcome = Outcome { asked: BTreeSet::new(), passed: BTreeSet::new(), failed: BTreeSet::new() };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let name = words.next().and_then(|place| place.strip_prefix(SUITE)?.strip_prefix("::"));
            let (Some(name), Some(status)) = (name, words.next()) else { continue };
            if !["PASSED", "FAILED", "ERROR", "SKIPPED"].contains(&status) {
                continue;
            }
            outcome.asked.insert(name.to_owned());
            match status {
                "PASSED" => drop(outcome.passed.insert(name.to_owned())),
                "SKIPPED" => {}
                // Its teardown can fail after it has passed.
                _ => {
                    outcome.passed.remove(name);
                    outcome.failed.insert(name.to_owned());
                }
            }
        }
        outcome
    }
}

/// A node on a loopback port of its own, killed when dropped.
struct Node {
    process: Child,
    endpoint: String,
    admin: String,
}

impl Node {
    fn start(binary: &Path, dir: &Path) -> Result<Node, Failed> {
        let (ready, log) = (dir.join("ready.json"), dir.join("log"));
        let log = File::create(&log).map_err(|error| failed(&log, error))?;
        let mut command = Command::new(binary);
        command.arg("server").arg("--data-dir").arg(dir.join("data")).arg("--ready-file").arg(&ready);
        command.args(["--s3-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--replication-listen", "127.0.0.1:0", "--log", "error"]);
        // Its tests of ACLs expect that they count in every bucket.
        command.args(["--default-object-ownership", "ObjectWriter"]);
        command.env("TANDEM_ROOT_ACCESS_KEY", ACCESS_KEY).env("TANDEM_ROOT_SECRET_KEY", SECRET_KEY);
        command.env("TANDEM_PASSWORD", PASSWORD);
        let errors = log.try_clone().map_err(|error| failed(dir, error))?;
        let process = command.stdout(log).stderr(errors).spawn().map_err(|error| failed(binary, error))?;
        let mut node = Node { process, endpoint: String::new(), admin: String::new() };
        for _ in 0..600 {
            let facts = fs::read_to_string(&ready).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
            let place = |name: &str| facts.as_ref().and_then(|facts| facts[name].as_str());
            if let (Some(s3), Some(admin)) = (place("s3"), place("admin")) {
                (node.endpoint, node.admin) = (s3.to_owned(), admin.to_owned());
                return Ok(node);
            }
            if let Ok(Some(status)) = node.process.try_wait() {
                return Err(Failed(format!("the server ended with {status}")));
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Err(Failed("the server did not get ready".into()))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn failed(path: &Path, error: std::io::Error) -> Failed {
    Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_off_pytest() {
        let text = "collected 4 items\n\
                    s3tests/functional/test_s3.py::test_a PASSED   [ 25%]\n\
                    s3tests/functional/test_s3.py::test_b[x-1] FAILED [ 50%]\n\
                    s3tests/functional/test_s3.py::test_c PASSED [ 75%]\n\
                    s3tests/functional/test_s3.py::test_c ERROR [ 75%]\n\
                    FAILED s3tests/functional/test_s3.py::test_b[x-1] - AssertionError\n";
        let outcome = Outcome::of(text);
        assert_eq!(outcome.asked.iter().collect::<Vec<_>>(), ["test_a", "test_b[x-1]", "test_c"]);
        assert_eq!(outcome.passed.iter().collect::<Vec<_>>(), ["test_a"]);
        assert_eq!(outcome.failed.iter().collect::<Vec<_>>(), ["test_b[x-1]", "test_c"]);
    }

    #[test]
    fn a_reason_names_a_test_or_its_beginning() {
        let reasons = "| `test_a`, `test_b_*` | want `c` |";
        assert!(explains(reasons, "test_a") && explains(reasons, "test_a[x-1]") && explains(reasons, "test_b_c"));
        assert!(!explains(reasons, "test_ab") && !explains(reasons, "test_b") && !explains(reasons, "want"));
    }
}
