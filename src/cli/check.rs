use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tandem_storage::check::{CheckReport, Depth, Kind, Progress, State};
use tandem_storage::disk::RealDisk;
use tandem_storage::types::NodeGuid;
use tandem_storage::{EngineKind, Options, Store};

use super::output::{self, Table, Text};
use super::{CliError, Connection};
use crate::admin::model::{CheckStatus, StartCheck};
use crate::config::Engine;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tandem check --data-dir /srv/tandem              a stopped node's directory
  tandem check --admin https://127.0.0.1:9443      a running node
Exit code: 0 when nothing is wrong, 1 when something is.")]
pub struct CheckArgs {
    #[command(flatten)]
    connection: Connection,
    /// A stopped node's data directory; without it a running node is asked
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The engine that the directory was made with
    #[arg(long, value_enum, default_value = "redb")]
    engine: Engine,
    /// Compare rows only; do not read and hash the stored bytes
    #[arg(long)]
    rows_only: bool,
}

impl CheckArgs {
    pub fn run(self) -> Result<(), CliError> {
        let depth = if self.rows_only { Depth::Rows } else { Depth::Bytes };
        let report = match &self.data_dir {
            Some(dir) => offline(dir, self.engine, depth)?,
            None => super::answer(online(&self.connection, depth))?,
        };
        match self.connection.json {
            true => output::json(&report)?,
            false => output::line(render(&report))?,
        }
        match report.findings.len() {
            0 => Ok(()),
            findings => Err(CliError::Failed(format!("{findings} findings"))),
        }
    }
}

fn offline(dir: &Path, engine: Engine, depth: Depth) -> Result<CheckReport, CliError> {
    if !dir.join("FORMAT").exists() {
        return Err(CliError::Usage(format!("{} is no data directory: it has no FORMAT file", dir.display())));
    }
    let failed = |reason: String| CliError::Failed(format!("{}: {reason}", dir.display()));
    let disk = RealDisk::new(dir).map_err(|error| failed(error.to_string()))?;
    let options = Options {
        engine: EngineKind::from(engine),
        // The directory has its own; a check makes none.
        node: NodeGuid::from_bytes([0; 16]),
        low_watermark_bytes: 0,
        reserve_bytes: 0,
        checkpoint_every_bytes: u64::MAX,
        journal_file_bytes: 64 << 20,
        cache_bytes: 64 << 20,
        memtable_writes: Options::MEMTABLE_WRITES,
    };
    let store = Store::open(Arc::new(disk), options).map_err(|error| failed(error.to_string()))?;
    let told = ProgressLine::new();
    let outcome = store.check(State::Idle, depth, &mut |progress| match progress {
        Progress::Rows { done } => told.tell(done, 0, 0),
        Progress::Bytes { blobs_done, blobs } => told.tell(0, blobs_done, blobs),
    });
    store.close().map_err(|error| failed(error.to_string()))?;
    outcome.map_err(|error| failed(error.to_string()))
}

/// One line that is written over again and again, on a terminal only.
struct ProgressLine {
    terminal: bool,
}

impl ProgressLine {
    fn new() -> Self {
        ProgressLine { terminal: std::io::stderr().is_terminal() }
    }

    fn tell(&self, rows: u64, blobs_done: u64, blobs: u64) {
        if self.terminal {
            let line = format!("rows {rows}, blobs {blobs_done} of {blobs}");
            let _ = output::rewrite(std::io::stderr().lock(), &line);
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.terminal {
            output::note("");
        }
    }
}

async fn online(connection: &Connection, depth: Depth) -> Result<CheckReport, CliError> {
    let mut client = connection.client()?;
    let told = ProgressLine::new();
    let mut status: CheckStatus = client.post("/api/check", &StartCheck { depth }).await?;
    while status.running {
        tokio::time::sleep(Duration::from_millis(200)).await;
        status = client.get("/api/check").await?;
        told.tell(status.rows_done, status.blobs_done, status.blobs);
    }
    match (status.report, status.error) {
        (Some(report), _) => Ok(report),
        (None, error) => Err(CliError::Failed(error.unwrap_or_else(|| "the check gave no report".into()))),
    }
}

fn render(report: &CheckReport) -> Text {
    let looked = format!(
        "{} rows, {} of history, {} blobs ({}), {} piece files, {} journal files",
        report.rows,
        report.history_rows,
        report.blobs,
        output::bytes(report.blob_bytes),
        report.piece_files,
        report.journal_files
    );
    if report.is_clean() {
        return format!("Nothing wrong: {looked}.").into();
    }
    let mut table = Table::new(&["WHAT", "WHERE", "DETAIL"]);
    for finding in &report.findings {
        table.row(vec![format!("{:?}", finding.kind), finding.subject.clone(), finding.detail.clone()]);
    }
    let mut text = table.render();
    text.push(looked);
    if report.findings.iter().any(|finding| finding.kind == Kind::Bytes) {
        text.append(Text::of_lines(WHAT_TO_DO));
    }
    text
}

/// About stored bytes that are damaged.
const WHAT_TO_DO: &str = "Damaged bytes are fetched back from the peer of a protected path that has them, by the running node, once it has met them: `tandem status` says how far
that is. What no peer has is repaired by putting the same bytes again, under any key; or delete what refers to it: the scrub names that in `tandem status`.";
