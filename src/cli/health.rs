use std::path::PathBuf;

use clap::Args;

use super::client::AdminClient;
use super::connection::{DEFAULT_CA, DEFAULT_URL};
use super::{CliError, output};

#[derive(Debug, Args)]
#[command(after_help = "Example, in a container's health check: tandem health --ca /data/admin-ca.pem
Exit code: 0 when the node serves, 1 when not.")]
pub struct HealthArgs {
    /// The node's admin port
    #[arg(long, env = "TANDEM_ADMIN", default_value = DEFAULT_URL, value_name = "URL")]
    admin: String,
    /// The certificate to trust: the node's admin-ca.pem
    #[arg(long, env = "TANDEM_CA", default_value = DEFAULT_CA, value_name = "FILE")]
    ca: PathBuf,
}

impl HealthArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut client = AdminClient::new(&self.admin, crate::admin::USER, "", &self.ca)?;
        let answer: serde_json::Value = client.get("/health").await?;
        output::json_line(&answer)
    }
}
