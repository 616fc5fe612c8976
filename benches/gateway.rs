use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::server::Server;
use crate::python;
use crate::run::{Failed, root};

/// Machines are noisy and noise only adds: each side of a ratio is the least of this many rounds, taken in turn.
const ROUNDS: usize = 3;

const POLICED: &str = "tandem-bench-policed";
const VERSIONED: &str = "tandem-bench-versioned";

/// One measured phase: what is asked, and the most it may cost as a multiple of a baseline's CPU an operation (or absolute microseconds).
struct Phase {
    name: &'static str,
    words: &'static [&'static str],
    /// As the user whom two policies of its own and a bucket policy let in.
    as_user: bool,
    baseline: Baseline,
    target: f64,
}

enum Baseline {
    Nginx(&'static [&'static str]),
    Tandem(&'static [&'static str]),
    None,
}

const PUT_4K: &[&str] = &["--op", "put", "--size", "4KiB", "--concurrency", "16", "--duration", "6"];
const GET_4K: &[&str] = &["--op", "get", "--size", "4KiB", "--concurrency", "16", "--duration", "6"];
const GET_64M: &[&str] = &["--op", "get", "--size", "64MiB", "--concurrency", "2", "--objects", "4", "--count", "60"];
const PHASES: &[Phase] = &[
    Phase {
        name: "PUT 4 KiB, 16 connections, to nginx",
        words: PUT_4K,
        as_user: false,
        baseline: Baseline::Nginx(PUT_4K),
        target: 2.0,
    },
    Phase {
        name: "GET 4 KiB, 16 connections, to nginx",
        words: GET_4K,
        as_user: false,
        baseline: Baseline::Nginx(GET_4K),
        target: 4.0,
    },
    Phase {
        name: "GET 4 KiB as a user with two policies and a bucket policy, to nginx",
        words: &["--bucket", POLICED, "--op", "get", "--size", "4KiB", "--concurrency", "16", "--duration", "6"],
        as_user: true,
        baseline: Baseline::Nginx(GET_4K),
        target: 4.0,
    },
    Phase {
        name: "HEAD, 16 connections, to nginx's GET",
        words: &["--op", "head", "--size", "4KiB", "--concurrency", "16", "--duration", "6"],
        as_user: false,
        baseline: Baseline::Nginx(GET_4K),
        target: 3.0,
    },
    Phase {
        name: "GET 64 MiB, 2 connections, to nginx",
        words: GET_64M,
        as_user: false,
        baseline: Baseline::Nginx(GET_64M),
        target: 1.8,
    },
    Phase {
        name: "PUT 4 KiB versioned, to unversioned",
        words: &["--bucket", VERSIONED, "--op", "put", "--size", "4KiB", "--concurrency", "16", "--duration", "6"],
        as_user: false,
        baseline: Baseline::Tandem(PUT_4K),
        target: 1.1,
    },
    Phase {
        name: "GET 4 KiB versioned, to unversioned",
        words: &["--bucket", VERSIONED, "--op", "get", "--size", "4KiB", "--concurrency", "16", "--duration", "6"],
        as_user: false,
        baseline: Baseline::Tandem(GET_4K),
        target: 1.1,
    },
    Phase {
        name: "LIST of 1,000 keys, us",
        words: &["--op", "list", "--size", "1", "--concurrency", "4", "--objects", "5000", "--duration", "6"],
        as_user: false,
        baseline: Baseline::None,
        target: 2000.0,
    },
];

/// Server CPU an operation against nginx in the same run, and latencies at one connection.
pub fn bench(dir: &Path) -> Result<(), Failed> {
    let nginx = Server::nginx(dir)?;
    let tandem = Server::tandem(dir)?;
    let user = reader(&tandem)?;
    println!("| phase | Tandem, us CPU | baseline, us CPU | ratio | target |\n|---|---|---|---|---|");
    for (number, phase) in PHASES.iter().enumerate() {
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        for round in 0..ROUNDS {
            // Keys of its own, so that no round overwrites what another has written.
            let prefix = format!("{number}-{round}/");
            let keyed = |words: &[&'static str]| [words, &["--prefix", &prefix]].concat();
            let words = keyed(phase.words);
            let loaded = if phase.as_user { tandem.load_as(&user, &words) } else { tandem.load(&words) };
            ours = ours.min(cpu(&loaded?)?);
            theirs = match phase.baseline {
                Baseline::Nginx(words) => theirs.min(cpu(&nginx.load(&keyed(words))?)?),
                Baseline::Tandem(words) => theirs.min(cpu(&tandem.load(&keyed(words))?)?),
                Baseline::None => 1.0,
            };
        }
        let shown = if let Baseline::None = phase.baseline { "-".into() } else { format!("{theirs:.1}") };
        println!("| {} | {ours:.1} | {shown} | {:.2} | {} |", phase.name, ours / theirs, phase.target);
    }
    large_puts(&tandem)?;
    latencies(&tandem, dir)
}

/// The key pair of a user whom policies let in, made with two buckets by boto3.
fn reader(tandem: &Server) -> Result<(String, String), Failed> {
    let python = python::environment("clients", "tests/clients/requirements.txt")?;
    let script = root().join("benches").join("access.py");
    let mut command = tandem.client(python);
    command.arg(script).args([tandem.endpoint(), POLICED, VERSIONED]);
    let done = command.output().map_err(|error| Failed(format!("python: {error}")))?;
    let made: Value = serde_json::from_slice(&done.stdout)
        .map_err(|_| Failed(format!("access.py: {}", String::from_utf8_lossy(&done.stderr))))?;
    let word = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    Ok((word("access_key"), word("secret_key")))
}

/// PUT 64 MiB against the CPU of its MD5 alone, OpenSSL's.
fn large_puts(tandem: &Server) -> Result<(), Failed> {
    let put = ["--op", "put", "--size", "64MiB", "--concurrency", "2", "--count", "40"];
    let signed: Vec<&str> = put.iter().copied().chain(["--signed-payload"]).collect();
    for (name, words, target) in [("unsigned", &put[..], 1.6), ("signed", &signed[..], 2.2)] {
        let (mut ours, mut md5) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            ours = ours.min(cpu(&tandem.load(words)?)?);
            md5 = md5.min(md5_alone()?);
        }
        println!("| PUT 64 MiB {name}, to OpenSSL's MD5 alone | {ours:.0} | {md5:.0} | {:.2} | {target} |", ours / md5);
    }
    Ok(())
}

/// Microseconds of CPU that OpenSSL's MD5, in assembler, takes for 64 MiB.
fn md5_alone() -> Result<f64, Failed> {
    let failed = |reason: &str| Failed(format!("openssl speed: {reason}; install Debian's openssl"));
    let mut command = Command::new("openssl");
    command.args(["speed", "-mr", "-seconds", "2", "-bytes", "65536", "md5"]).stderr(Stdio::null());
    let done = command.output().map_err(|error| failed(&error.to_string()))?;
    let text = String::from_utf8_lossy(&done.stdout);
    // +F:22:md5:BYTES_A_SECOND
    let speed = text.lines().find_map(|line| line.strip_prefix("+F:")?.rsplit(':').next()?.parse::<f64>().ok());
    speed.map(|speed| (64 << 20) as f64 * 1e6 / speed).ok_or_else(|| failed("no figure"))
}

fn latencies(tandem: &Server, dir: &Path) -> Result<(), Failed> {
    let one = |op| tandem.load(&["--op", op, "--size", "4KiB", "--concurrency", "1", "--duration", "5"]);
    let before = fdatasync_p50(dir)?;
    let put = p50(&one("put")?)?;
    let sync = (before + fdatasync_p50(dir)?) / 2.0;
    println!("PUT 4 KiB, 1 connection: p50 {put:.3} ms, {:.2} x fdatasync's {sync:.3} ms (target 2.5)", put / sync);
    println!("GET 4 KiB, 1 connection: p50 {:.3} ms (target 0.2)", p50(&one("get")?)?);
    Ok(())
}

/// The disk's own: 4 KiB appended to a file and synced, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "a measurement asks the clock")]
fn fdatasync_p50(dir: &Path) -> Result<f64, Failed> {
    let path = dir.join("fdatasync");
    let failed = |error: std::io::Error| Failed(format!("{}: {error}", path.display()));
    let mut file = File::create(&path).map_err(failed)?;
    let mut took = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).map_err(failed)?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2].as_secs_f64() * 1e3)
}

fn p50(report: &Value) -> Result<f64, Failed> {
    report["latency_ms"]["p50"].as_f64().ok_or_else(|| Failed(format!("a report without p50: {report}")))
}

fn cpu(report: &Value) -> Result<f64, Failed> {
    let field = &report["server_cpu_microseconds_per_operation"];
    field.as_f64().ok_or_else(|| Failed(format!("a report without CPU: {report}")))
}
