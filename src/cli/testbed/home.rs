use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CliError, file_error, output};
use crate::clock::{Clock, random_guid};
use crate::config::ConfigError;
use crate::config::credentials::{generate_keys, private_dir, random_text, write_private};
use crate::node;

/// The testbed's directory: the nodes' own ones, their secrets, ports and logs.
pub struct Home {
    dir: PathBuf,
    temporary: bool,
    kept: Kept,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Kept {
    secrets: Secrets,
    /// By node.
    ports: std::collections::BTreeMap<String, Ports>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Secrets {
    pub access_key: String,
    pub secret_key: String,
    pub admin_password: String,
}

/// 0: any free one.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Ports {
    pub s3: u16,
    pub admin: u16,
    pub replication: u16,
}

impl Home {
    /// Makes the directory, or takes up the one of an earlier run.
    pub fn open(dir: Option<PathBuf>, clock: &dyn Clock) -> Result<Home, CliError> {
        let temporary = dir.is_none();
        let dir = dir.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("tandem-testbed-{}", &hex::encode(random_guid(clock))[..12]))
        });
        private_dir(&dir)?;
        let dir = dir.canonicalize().map_err(file_error(&dir))?;
        let path = dir.join("testbed.toml");
        let kept = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| ConfigError::File { path: path.clone(), reason: error.to_string() })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (access_key, secret_key) = generate_keys(clock);
                let secrets = Secrets { access_key, secret_key, admin_password: random_text(clock, 24) };
                Kept { secrets, ..Kept::default() }
            }
            Err(error) => return Err(file_error(&path)(error)),
        };
        let home = Home { dir, temporary, kept };
        home.write("secret-key", &home.kept.secrets.secret_key)?;
        home.write("admin-password", &home.kept.secrets.admin_password)?;
        home.save(&home.kept)?;
        Ok(home)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), CliError> {
        let path = self.path(name);
        write_private(&path, format!("{text}\n").as_bytes()).map_err(file_error(&path))
    }

    fn save(&self, kept: &Kept) -> Result<(), CliError> {
        let text = toml::to_string(kept).map_err(|error| CliError::Failed(error.to_string()))?;
        self.write("testbed.toml", &text)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    pub fn secrets(&self) -> &Secrets {
        &self.kept.secrets
    }

    pub fn ports(&self, node: &str) -> Ports {
        self.kept.ports.get(node).copied().unwrap_or_default()
    }

    /// Remembers the ports for the next run: the nodes know each other by them.
    pub fn keep_ports(&self, a: &node::Ready, b: &node::Ready) -> Result<(), CliError> {
        let mut kept = self.kept.clone();
        for (name, ready) in [("a", a), ("b", b)] {
            kept.ports.insert(name.into(), bound_ports(ready)?);
        }
        self.save(&kept)
    }

    /// One PEM file for both admin ports.
    pub fn join_authorities(&self, nodes: &[&node::Ready]) -> Result<PathBuf, CliError> {
        let mut joined = String::new();
        for path in nodes.iter().filter_map(|ready| ready.admin_ca.as_ref()) {
            joined.push_str(&std::fs::read_to_string(path).map_err(file_error(path))?);
        }
        let path = self.path("admin-ca.pem");
        write_private(&path, joined.as_bytes()).map_err(file_error(&path))?;
        Ok(path)
    }

    /// Removes a temporary directory.
    pub fn close(self) {
        if self.temporary && std::fs::remove_dir_all(&self.dir).is_err() {
            output::note(format!("tandem: {} could not be removed", self.dir.display()));
        }
    }
}

pub fn bound_ports(ready: &node::Ready) -> Result<Ports, CliError> {
    let of_url = |url: &str| url.parse::<http::Uri>().ok().and_then(|uri| uri.port_u16());
    let of_address = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    match (of_url(&ready.s3), of_url(&ready.admin), of_address(&ready.replication)) {
        (Some(s3), Some(admin), Some(replication)) => Ok(Ports { s3, admin, replication }),
        _ => Err(CliError::Failed(format!("a node's ready line names no ports: {ready:?}"))),
    }
}
