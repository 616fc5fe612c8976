use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::server::Server;
use crate::run::Failed;

/// One measured phase: what is asked, and the most it may cost as a multiple of nginx's CPU an operation (or absolute microseconds).
struct Phase {
    name: &'static str,
    words: &'static [&'static str],
    /// nginx's phase to compare with; none: an absolute target.
    baseline: Option<&'static [&'static str]>,
    target: f64,
}

const PUT_4K: &[&str] = &["--op", "put", "--size", "4KiB", "--concurrency", "16", "--duration", "8"];
const GET_4K: &[&str] = &["--op", "get", "--size", "4KiB", "--concurrency", "16", "--duration", "8"];
const GET_64M: &[&str] = &["--op", "get", "--size", "64MiB", "--concurrency", "2", "--objects", "4", "--count", "60"];
const PHASES: &[Phase] = &[
    Phase { name: "PUT 4 KiB, 16 connections", words: PUT_4K, baseline: Some(PUT_4K), target: 2.0 },
    Phase { name: "GET 4 KiB, 16 connections", words: GET_4K, baseline: Some(GET_4K), target: 4.0 },
    Phase {
        name: "HEAD, 16 connections, to nginx's GET",
        words: &["--op", "head", "--size", "4KiB", "--concurrency", "16", "--duration", "8"],
        baseline: Some(GET_4K),
        target: 3.0,
    },
    Phase { name: "GET 64 MiB, 2 connections", words: GET_64M, baseline: Some(GET_64M), target: 1.8 },
    Phase {
        name: "LIST of 1,000 keys, us",
        words: &["--op", "list", "--size", "1", "--concurrency", "4", "--objects", "5000", "--duration", "8"],
        baseline: None,
        target: 2000.0,
    },
];

/// Server CPU an operation against nginx in the same run, and latencies at one connection.
pub fn bench(dir: &Path) -> Result<(), Failed> {
    let nginx = Server::nginx(dir)?;
    let tandem = Server::tandem(dir)?;
    println!("| phase | Tandem, us CPU | baseline, us CPU | ratio | target |\n|---|---|---|---|---|");
    for phase in PHASES {
        let ours = cpu(&tandem.load(phase.words)?)?;
        let (shown, figure) = match phase.baseline {
            Some(words) => {
                let theirs = cpu(&nginx.load(words)?)?;
                (format!("{theirs:.1}"), ours / theirs)
            }
            None => ("-".into(), ours),
        };
        println!("| {} | {ours:.1} | {shown} | {figure:.2} | {} |", phase.name, phase.target);
    }
    large_puts(&tandem)?;
    latencies(&tandem)
}

/// PUT 64 MiB against the CPU of its MD5 alone, OpenSSL's.
fn large_puts(tandem: &Server) -> Result<(), Failed> {
    let md5 = md5_alone()?;
    let put = ["--op", "put", "--size", "64MiB", "--concurrency", "2", "--count", "40"];
    let signed: Vec<&str> = put.iter().copied().chain(["--signed-payload"]).collect();
    for (name, words, target) in [("unsigned", &put[..], 1.6), ("signed", &signed[..], 2.2)] {
        let ours = cpu(&tandem.load(words)?)?;
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

fn latencies(tandem: &Server) -> Result<(), Failed> {
    for (op, target) in [("put", "2.5 x fdatasync"), ("get", "0.2 ms")] {
        let report = tandem.load(&["--op", op, "--size", "4KiB", "--concurrency", "1", "--duration", "5"])?;
        println!("{op} 4 KiB, 1 connection: latency ms {} (target p50 {target})", report["latency_ms"]);
    }
    Ok(())
}

fn cpu(report: &Value) -> Result<f64, Failed> {
    let field = &report["server_cpu_microseconds_per_operation"];
    field.as_f64().ok_or_else(|| Failed(format!("a report without CPU: {report}")))
}
