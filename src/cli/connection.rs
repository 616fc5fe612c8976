use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::CliError;
use super::client::AdminClient;
use crate::config::credentials::read_secret;

pub(super) const DEFAULT_URL: &str = "https://127.0.0.1:9443";
pub(super) const DEFAULT_CA: &str = "./tandem-data/admin-ca.pem";

/// Where the node's admin port is, and how to log in.
#[derive(Clone, Debug, Args)]
pub struct Connection {
    /// The node's admin port
    #[arg(long, global = true, env = "TANDEM_ADMIN", default_value = DEFAULT_URL, value_name = "URL")]
    admin: String,
    /// The admin user
    #[arg(long, global = true, env = "TANDEM_USER", default_value = "admin")]
    user: String,
    /// File with the admin password (or set TANDEM_PASSWORD)
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The certificate to trust: the node's admin-ca.pem [default: ./tandem-data/admin-ca.pem]
    #[arg(long, global = true, env = "TANDEM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print what the API answered, as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Connection {
    pub fn client(&self) -> Result<AdminClient, CliError> {
        let ca = self.ca.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_CA));
        if !ca.exists() {
            let hint = "name the node's admin-ca.pem (in its data directory) with --ca or TANDEM_CA";
            return Err(CliError::Usage(format!("{} is not there; {hint}", ca.display())));
        }
        AdminClient::new(&self.admin, &self.user, &self.password()?, &ca)
    }

    fn password(&self) -> Result<Zeroizing<String>, CliError> {
        if let Some(path) = &self.password_file {
            return Ok(read_secret(path)?);
        }
        match std::env::var("TANDEM_PASSWORD") {
            Ok(password) if !password.is_empty() => Ok(Zeroizing::new(password)),
            _ => Err(CliError::Usage("set TANDEM_PASSWORD or give --password-file".into())),
        }
    }
}
