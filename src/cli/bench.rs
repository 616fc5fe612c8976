use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{CliError, output};
use crate::bench::{Endpoint, Load, Operation, Pace, Signer, Until, run};
use crate::clock::SystemClock;
use crate::config::credentials::read_secret;
use crate::config::{ByteSize, HumanDuration};

const EXAMPLE: &str = "Example, with the secret in AWS_SECRET_ACCESS_KEY:
  tandem bench s3 --endpoint http://127.0.0.1:9000 --access-key KEY --op put --size 4KiB --concurrency 16 --duration 10
A baseline: tandem bench s3 --endpoint http://127.0.0.1:8080 --anonymous --op get --size 4KiB";

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Load an S3 endpoint with one kind of request and report rates, latencies and server CPU
    S3(Box<S3Args>),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
struct S3Args {
    /// The S3 endpoint
    #[arg(long, default_value = "http://127.0.0.1:9000", value_name = "URL")]
    endpoint: String,
    /// The certificate to trust, for HTTPS
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", value_name = "KEY")]
    access_key: Option<String>,
    /// File with the secret key (or set AWS_SECRET_ACCESS_KEY)
    #[arg(long, value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// Do not sign, for baselines such as nginx
    #[arg(long)]
    anonymous: bool,
    /// Sign the SHA-256 of bodies too, instead of UNSIGNED-PAYLOAD
    #[arg(long)]
    signed_payload: bool,
    #[arg(long, default_value = "tandem-bench")]
    bucket: String,
    /// What keys begin with
    #[arg(long, default_value = "bench/")]
    prefix: String,
    #[arg(long, value_enum)]
    op: Operation,
    /// Bytes an object
    #[arg(long, default_value = "4KiB", value_name = "BYTES")]
    size: ByteSize,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrency: usize,
    /// How long to measure
    #[arg(long, default_value = "10s", value_name = "DURATION", conflicts_with = "count")]
    duration: HumanDuration,
    /// Requests to measure, instead of a duration
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Requests a second, whatever the answers do, instead of the next request after each answer. Give it enough connections
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Objects that GET, HEAD and LIST work on, and that DELETE removes
    #[arg(long, default_value_t = 1000, value_name = "N")]
    objects: u64,
    /// The bucket and the objects are there already, from an earlier run
    #[arg(long)]
    prepared: bool,
    /// The server's processes: report their CPU time an operation
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl BenchArgs {
    pub fn run(self) -> Result<(), CliError> {
        let BenchCommand::S3(args) = self.command;
        args.run()
    }
}

impl S3Args {
    fn run(self) -> Result<(), CliError> {
        let (json, threads) = (self.json, self.threads.max(1));
        let load = self.load()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
        let report = runtime.block_on(run(load, Arc::new(SystemClock::new())))?;
        match json {
            true => output::json(&report)?,
            false => output::line(output::Text::of_lines(&report.to_string()))?,
        }
        match report.errors {
            0 => Ok(()),
            errors => Err(CliError::Failed(format!("{errors} requests failed"))),
        }
    }

    fn load(self) -> Result<Load, CliError> {
        let duration = self.duration.get();
        if self.concurrency == 0 || self.objects == 0 {
            return Err(CliError::Usage("--concurrency and --objects are at least 1".into()));
        }
        let pace = match self.rate {
            None => Pace::Closed,
            Some(per_second) if per_second.is_finite() && per_second > 0.0 => Pace::Open { per_second },
            Some(_) => return Err(CliError::Usage("--rate is a number above 0".into())),
        };
        Ok(Load {
            endpoint: Endpoint::new(&self.endpoint, self.ca.as_deref())?,
            signer: self.signer()?,
            bucket: self.bucket,
            prefix: self.prefix,
            operation: self.op,
            size: self.size.get(),
            concurrency: self.concurrency,
            until: self.count.map_or(Until::Elapsed(duration), Until::Count),
            pace,
            objects: self.objects,
            create_bucket: !self.anonymous && !self.prepared,
            prepared: self.prepared,
            pids: self.pid,
        })
    }

    fn signer(&self) -> Result<Option<Signer>, CliError> {
        if self.anonymous {
            return Ok(None);
        }
        let access = self
            .access_key
            .clone()
            .ok_or_else(|| CliError::Usage("give --access-key (or AWS_ACCESS_KEY_ID), or --anonymous".into()))?;
        let secret = match &self.secret_key_file {
            Some(path) => read_secret(path)?,
            None => match std::env::var("AWS_SECRET_ACCESS_KEY") {
                Ok(secret) => Zeroizing::new(secret),
                Err(_) => return Err(CliError::Usage("set AWS_SECRET_ACCESS_KEY or give --secret-key-file".into())),
            },
        };
        Ok(Some(Signer::new(access, secret, self.region.clone(), self.signed_payload)))
    }
}
