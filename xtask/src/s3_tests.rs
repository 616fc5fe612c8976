//! ceph/s3-tests against a real node. The tests are never part of this repository; the names of those that pass are.

mod outcome;
mod reasons;
mod users;
mod verdict;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use self::outcome::{Fate, Outcome};
use self::reasons::Reasons;
use self::users::Cast;
use self::verdict::{Asked, Verdict};
use crate::python;
use crate::run::{Failed, cargo, root, run, target_dir};

const ACCESS_KEY: &str = "AKIATANDEMS3TESTS001";
const SECRET_KEY: &str = "the-secret-key-of-the-s3-tests-00001";
const PASSWORD: &str = "the-admin-password-of-the-s3-tests-00001";
const REGION: &str = "us-east-1";

/// One run of pytest: files of the checkout whose tests want the same users.
struct Suite {
    name: &'static str,
    cast: Cast,
    files: &'static [&'static str],
}

/// S3 Select and SNS are not asked: Tandem has neither.
const SUITES: [Suite; 2] = [
    Suite {
        name: "s3",
        cast: Cast::Strangers,
        files: &["s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py"],
    },
    Suite {
        name: "iam",
        cast: Cast::OneAccount,
        files: &["s3tests/functional/test_iam.py", "s3tests/functional/test_sts.py"],
    },
];

#[derive(Args)]
pub struct S3Tests {
    /// A checkout of ceph/s3-tests.
    checkout: PathBuf,
    /// Writes the list of passing tests, instead of failing when one is lost.
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
        let page = root().join("tests/s3-tests/failing.md");
        let text = fs::read_to_string(&page).map_err(|error| failed(&page, error))?;
        let reasons =
            Reasons::of(&text).map_err(|wrong| Failed(format!("{}: {}", page.display(), wrong.join("\n"))))?;
        let dir = target_dir().join("s3-tests");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).map_err(|error| failed(&dir, error))?;
        let dir = fs::canonicalize(&dir).map_err(|error| failed(&dir, error))?;
        let python = python::environment("s3-tests", "tests/s3-tests/requirements.txt")?;
        let started = match &self.endpoint {
            Some(_) => None,
            None => {
                let server = self.server()?;
                Some((Node::start(&server, &dir)?, server))
            }
        };
        let mut lines = String::new();
        for suite in &SUITES {
            let users = match (&self.users, &started) {
                (Some(users), _) => fs::read_to_string(users).map_err(|error| failed(users, error))?,
                (None, Some((node, server))) => {
                    let ca = &dir.join("data/admin-ca.pem");
                    users::Cli { binary: server, admin: &node.admin, ca }.sections(suite.cast)?
                }
                (None, None) => String::new(),
            };
            let endpoint = self.endpoint.as_deref().or(started.as_ref().map(|(node, _)| node.endpoint.as_str()));
            lines += &self.ask(suite, &python, &config_of(endpoint.unwrap_or_default(), &users)?, &dir)?;
        }
        drop(started);
        let outcome = Outcome::of(&lines).map_err(Failed)?;
        if outcome.tests.is_empty() {
            return Err(Failed(format!("no test was asked; see {}", dir.display())));
        }
        self.judge(&outcome, &reasons)
    }

    fn server(&self) -> Result<PathBuf, Failed> {
        if let Some(binary) = &self.binary {
            return Ok(binary.clone());
        }
        run(&mut cargo(&["build", "--profile", "ci", "--workspace", "--features", "sled"]))?;
        Ok(crate::clients::binary())
    }

    /// Runs one suite; the lines of the plugin come back.
    fn ask(&self, suite: &Suite, python: &Path, config: &str, dir: &Path) -> Result<String, Failed> {
        let python =
            fs::canonicalize(python.parent().unwrap_or(python)).map_err(|error| failed(python, error))?.join("python");
        let of = |what: &str| dir.join(format!("{}.{what}", suite.name));
        let (settings, log, outcomes) = (of("conf"), of("log"), of("outcomes"));
        fs::write(&settings, config).map_err(|error| failed(&settings, error))?;
        fs::write(&outcomes, "").map_err(|error| failed(&outcomes, error))?;
        let file = File::create(&log).map_err(|error| failed(&log, error))?;
        let mut command = Command::new(python);
        command.current_dir(&self.checkout).args(["-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider"]);
        command.args(["-p", "tandem_plugin"]).args(suite.files);
        if let Some(select) = &self.select {
            command.args(["-k", select]);
        }
        command.env("S3TEST_CONF", settings).env("PYTHONDONTWRITEBYTECODE", "1").stdout(file);
        command.env("PYTHONPATH", root().join("tests/s3-tests"));
        command.env("TANDEM_S3_TESTS_OUTCOMES", &outcomes).env("TANDEM_S3_TESTS_REGION", REGION);
        eprintln!("asking {}; what pytest says is in {}", suite.files.join(" "), log.display());
        let status = command.status().map_err(|error| Failed(format!("pytest did not start: {error}")))?;
        // 0: all pass. 1: some fail. 5: `-k` names no test of these files. Anything else stopped pytest itself.
        match status.code() {
            Some(0 | 1) => {}
            Some(5) if self.select.is_some() => {}
            _ => return Err(Failed(format!("pytest ended with {status}; see {}", log.display()))),
        }
        fs::read_to_string(&outcomes).map_err(|error| failed(&outcomes, error))
    }

    fn judge(&self, outcome: &Outcome, reasons: &Reasons) -> Result<(), Failed> {
        let list = root().join("tests/s3-tests/passing.txt");
        let known: BTreeSet<String> =
            fs::read_to_string(&list).unwrap_or_default().lines().map(str::to_owned).collect();
        let asked = if self.select.is_some() { Asked::Some } else { Asked::All };
        let mut verdict = Verdict::of(outcome, &known, reasons, asked);
        println!(
            "{} asked: {} pass, {} fail, {} skipped; {} lost, {} gained, {} without a reason, {} reasons to remove",
            outcome.tests.len(),
            outcome.count(&[Fate::Passed, Fate::PassedUnclean]),
            outcome.count(&[Fate::Failed, Fate::Unfinished]),
            outcome.count(&[Fate::Skipped]),
            verdict.lost.len(),
            verdict.gained.len(),
            verdict.unexplained.len(),
            verdict.stale.len()
        );
        if self.update {
            let passed = outcome.tests.iter().filter(|(_, fate)| fate.has_passed()).map(|(name, _)| name);
            let kept = known.iter().filter(|name| asked == Asked::Some && !outcome.tests.contains_key(*name));
            let names: BTreeSet<&String> = passed.chain(kept).collect();
            let text: String = names.into_iter().map(|name| format!("{name}\n")).collect();
            fs::write(&list, text).map_err(|error| failed(&list, error))?;
            verdict.lost.clear();
        }
        let faults = verdict.faults();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Failed(format!("{} faults:\n{}", faults.len(), faults.join("\n")))),
        }
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
