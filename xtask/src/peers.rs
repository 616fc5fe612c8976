use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use md5::{Digest, Md5};
use serde_json::Value;

use crate::run::{Failed, cargo, run, target_dir};

const ACCESS_KEY: &str = "AKIATANDEMBENCH00001";
const SECRET_KEY: &str = "the-secret-key-of-the-benchmarks-0001";
const NGINX_PORT: u16 = 18_080;

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

/// Server CPU an operation against nginx in the same run, and latencies at one connection. Needs Debian's nginx.
pub fn bench() -> Result<(), Failed> {
    run(&mut cargo(&["build", "--release", "--package", "tandem", "--bin", "tandem"]))?;
    let dir = target_dir().join("bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("www")).map_err(|error| Failed(format!("{}: {error}", dir.display())))?;
    let nginx = Server::nginx(&dir)?;
    let tandem = Server::tandem(&dir)?;
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

/// PUT 64 MiB against the CPU of its MD5 alone.
fn large_puts(tandem: &Server) -> Result<(), Failed> {
    let md5 = md5_alone();
    let put = ["--op", "put", "--size", "64MiB", "--concurrency", "2", "--count", "40"];
    let signed: Vec<&str> = put.iter().copied().chain(["--signed-payload"]).collect();
    for (name, words, target) in [("unsigned", &put[..], 1.6), ("signed", &signed[..], 2.2)] {
        let ours = cpu(&tandem.load(words)?)?;
        println!("| PUT 64 MiB {name}, to its MD5 alone | {ours:.0} | {md5:.0} | {:.2} | {target} |", ours / md5);
    }
    Ok(())
}

/// Microseconds of MD5 over 64 MiB, by the library that the server uses, in slices as they come from a socket.
#[allow(clippy::disallowed_methods)] // a benchmark is about the clock
fn md5_alone() -> f64 {
    let slice = vec![0x5a; 64 << 10];
    let began = std::time::Instant::now();
    let mut hash = Md5::new();
    for _ in 0..1024 {
        hash.update(&slice);
    }
    std::hint::black_box(hash.finalize());
    began.elapsed().as_secs_f64() * 1e6
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

/// A server under load, stopped when dropped.
struct Server {
    process: Child,
    endpoint: String,
    anonymous: bool,
    binary: PathBuf,
}

impl Server {
    fn nginx(dir: &Path) -> Result<Server, Failed> {
        let config = dir.join("nginx.conf");
        let text = nginx_config(dir);
        std::fs::write(&config, text).map_err(|error| Failed(format!("{}: {error}", config.display())))?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config).arg("-p").arg(dir).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| Failed(format!("nginx: {error}; install Debian's nginx")))?;
        let server = Server::of(process, format!("http://127.0.0.1:{NGINX_PORT}"), true);
        server.wait_until(|| TcpStream::connect(("127.0.0.1", NGINX_PORT)).is_ok())
    }

    fn tandem(dir: &Path) -> Result<Server, Failed> {
        let ready = dir.join("ready.json");
        let mut command = Command::new(release_binary());
        command.arg("server").arg("--data-dir").arg(dir.join("data")).arg("--ready-file").arg(&ready);
        command.args(["--s3-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--replication-listen", "127.0.0.1:0", "--log", "error"]);
        command.env("TANDEM_ROOT_ACCESS_KEY", ACCESS_KEY).env("TANDEM_ROOT_SECRET_KEY", SECRET_KEY);
        let process = command.stdout(Stdio::null()).spawn().map_err(|error| Failed(format!("tandem: {error}")))?;
        let mut server = Server::of(process, String::new(), false);
        server = server.wait_until(|| std::fs::read_to_string(&ready).is_ok_and(|text| text.contains("s3")))?;
        let text = std::fs::read_to_string(&ready).map_err(|error| Failed(error.to_string()))?;
        let addresses: Value = serde_json::from_str(&text).map_err(|error| Failed(format!("{text}: {error}")))?;
        server.endpoint = addresses["s3"].as_str().unwrap_or_default().to_owned();
        Ok(server)
    }

    fn of(process: Child, endpoint: String, anonymous: bool) -> Server {
        Server { process, endpoint, anonymous, binary: release_binary() }
    }

    /// Polls for up to 20 seconds.
    fn wait_until(mut self, ready: impl Fn() -> bool) -> Result<Server, Failed> {
        for _ in 0..400 {
            if ready() {
                return Ok(self);
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(Failed(format!("the server ended with {status}")));
            }
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        Err(Failed("the server did not get ready".into()))
    }

    fn load(&self, words: &[&str]) -> Result<Value, Failed> {
        let pid = self.process.id().to_string();
        let mut all = vec!["s3", "--endpoint", &self.endpoint, "--pid", &pid, "--json"];
        if self.anonymous {
            all.push("--anonymous");
        }
        all.extend_from_slice(words);
        self.command(&all)
    }

    /// `tandem bench` with these words; its report.
    fn command(&self, words: &[&str]) -> Result<Value, Failed> {
        let mut command = Command::new(&self.binary);
        command.arg("bench").args(words);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let done = command.output().map_err(|error| Failed(format!("tandem bench: {error}")))?;
        serde_json::from_slice(&done.stdout)
            .map_err(|_| Failed(format!("tandem bench {words:?}: {}", String::from_utf8_lossy(&done.stderr))))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn release_binary() -> PathBuf {
    target_dir().join("release").join("tandem")
}

/// One process, sendfile for GET, the DAV module for PUT (which does not sync).
fn nginx_config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.log; user root;
include /etc/nginx/modules-enabled/*.conf;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;
  client_max_body_size 0; client_body_buffer_size 128k; client_body_temp_path {dir}/body;
  server {{
    listen 127.0.0.1:{NGINX_PORT}; root {dir}/www;
    location / {{ dav_methods PUT DELETE; create_full_put_path on; }}
  }}
}}
"
    )
}
