use std::ffi::OsStr;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::run::{Failed, target_dir};

const ACCESS_KEY: &str = "AKIATANDEMBENCH00001";
const SECRET_KEY: &str = "the-secret-key-of-the-benchmarks-0001";
const NGINX_PORT: u16 = 18_080;

/// A server under load, stopped when dropped.
pub struct Server {
    process: Child,
    endpoint: String,
    anonymous: bool,
    binary: PathBuf,
}

impl Server {
    pub fn nginx(dir: &Path) -> Result<Server, Failed> {
        let config = dir.join("nginx.conf");
        let text = nginx_config(dir);
        std::fs::write(&config, text).map_err(|error| Failed(format!("{}: {error}", config.display())))?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config).arg("-p").arg(dir).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| Failed(format!("nginx: {error}; install Debian's nginx")))?;
        let server = Server::of(process, format!("http://127.0.0.1:{NGINX_PORT}"), true);
        server.wait_until(|| TcpStream::connect(("127.0.0.1", NGINX_PORT)).is_ok())
    }

    pub fn tandem(dir: &Path) -> Result<Server, Failed> {
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

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A command with the administrator's key in its environment.
    pub fn client(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    }

    /// `tandem bench s3` against this server, as the administrator; its report.
    pub fn load(&self, words: &[&str]) -> Result<Value, Failed> {
        self.command(self.client(&self.binary), words)
    }

    /// The same, as another: an access key and its secret.
    pub fn load_as(&self, (access_key, secret_key): &(String, String), words: &[&str]) -> Result<Value, Failed> {
        let mut command = self.client(&self.binary);
        command.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", secret_key);
        self.command(command, words)
    }

    /// A line of the process's status, in MiB: VmRSS is what is resident now, VmHWM the most since [`forget_peak`](Self::forget_peak).
    pub fn memory(&self, line: &str) -> Result<f64, Failed> {
        memory_of(self.process.id(), line)
    }

    pub fn forget_peak(&self) -> Result<(), Failed> {
        let path = format!("/proc/{}/clear_refs", self.process.id());
        std::fs::write(&path, "5").map_err(|error| Failed(format!("{path}: {error}")))
    }

    /// `tandem bench s3` with these words more; its report.
    fn command(&self, mut command: Command, words: &[&str]) -> Result<Value, Failed> {
        let pid = self.process.id().to_string();
        command.args(["bench", "s3", "--endpoint", &self.endpoint, "--pid", &pid, "--json"]).args(words);
        if self.anonymous {
            command.arg("--anonymous");
        }
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

/// A line of a process's status, in MiB.
pub fn memory_of(process: u32, line: &str) -> Result<f64, Failed> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| Failed(format!("{path}: {error}")))?;
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.split_whitespace().nth(1)?.parse::<f64>().ok());
    found.map(|kibibytes| kibibytes / 1024.0).ok_or_else(|| Failed(format!("{path} has no {line}")))
}

/// Where `cargo build --release` puts the server.
pub fn release_binary() -> PathBuf {
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
