use clap::Args;

use super::output::{self, Table, Text};
use super::{CliError, Connection, peer};
use crate::admin::model::Status;
use crate::admin::scrub::ScrubReport;
use crate::config::HumanDuration;
use crate::replication::report::{PathReport, RepairReport, RepairedReport, RestorePointReport, TotalsReport};

#[derive(Debug, Args)]
#[command(after_help = "Example, in cron: tandem status --max-lag 60 || mail -s 'replica is late' ops@example.com
Exit code: 0 when all is well, 3 when a lag is unknown or over --max-lag, 1 when the node does not answer.")]
pub struct StatusArgs {
    #[command(flatten)]
    connection: Connection,
    /// Fail if a path's lag is unknown or above this
    #[arg(long, value_name = "DURATION")]
    max_lag: Option<HumanDuration>,
}

impl StatusArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let status: Status = self.connection.client()?.get("/api/status").await?;
        match self.connection.json {
            true => output::json(&status)?,
            false => output::line(render(&status))?,
        }
        match self.max_lag.and_then(|most| late(&status.node.paths, most.get().as_secs_f64())) {
            Some(late) => Err(CliError::Late(late)),
            None => Ok(()),
        }
    }
}

/// Which path is later than it may be.
pub fn late(paths: &[PathReport], most: f64) -> Option<String> {
    if paths.is_empty() {
        return Some("no path is protected".into());
    }
    paths.iter().find_map(|path| match path.rpo_lag_seconds {
        Some(lag) if lag <= most => None,
        Some(lag) => Some(format!("{} lags {lag:.1} s, more than {most} s", path.path)),
        None => Some(format!("the lag of {} is unknown", path.path)),
    })
}

pub fn render(status: &Status) -> Text {
    let node = &status.node;
    let space = if node.low_space { " (LOW: new bodies are refused)" } else { "" };
    let mut text: Text = [
        format!("node         {} ({}), tandem {}", node.name, node.node, node.version),
        format!("s3           {} ({})", node.s3, node.region),
        format!("admin        {}", node.admin),
        format!("replication  {}", node.replication),
        format!("commits      {}", node.newest_seq),
        format!("free         {}{space}", output::bytes(node.free_bytes)),
        format!("totals       {}", totals(&node.totals)),
        format!("scrub        {}", scrub(status.scrub.as_ref())),
        format!("repair       {}", repair(&node.repair)),
    ]
    .into_iter()
    .collect();
    for table in [peer::table(&node.peers), paths_table(&node.paths)] {
        text.push("");
        text.append(table);
    }
    for path in &node.paths {
        notes(path, &mut text);
    }
    for finding in status.scrub.iter().flat_map(|scrub| &scrub.findings) {
        text.push(format!("DAMAGED: {}: {}", finding.subject, finding.reason));
        finding.referents.iter().for_each(|referent| text.push(format!("  {}", referent.text)));
        if finding.further > 0 {
            text.push(format!("  and {} more", finding.further));
        }
    }
    for waiting in &node.repair.waiting {
        text.push(format!("NOT REPAIRED: blob {}: {}", waiting.blob, waiting.why));
    }
    for worker in status.workers.iter().filter(|worker| worker.error.is_some()) {
        text.push(format!("worker {}: {}", worker.name, worker.error.as_deref().unwrap_or_default()));
    }
    text
}

/// Whether restore points can be proved, in a line.
fn totals(report: &TotalsReport) -> String {
    match report.whole {
        true => "whole".into(),
        false => format!("counting, {} rows so far; nothing is proved until that is done", report.rows_counted),
    }
}

/// What the scrub does, in a line.
fn scrub(report: Option<&ScrubReport>) -> String {
    let Some(report) = report else { return "off".into() };
    let found = match report.findings.len() as u64 + report.unlisted {
        0 => "nothing damaged".to_owned(),
        findings => format!("{findings} DAMAGED"),
    };
    let ended = match &report.ended {
        Some(ended) => format!("last round ended {ended}"),
        None => "no round has ended yet".to_owned(),
    };
    let looked = format!("{} blobs ({}), {} digests", report.blobs, output::bytes(report.bytes), report.digests);
    format!("{}, round {}: {looked}; {ended}; {found}", report.state, report.round)
}

/// What was damaged and is not any more, and what is still, in a line.
fn repair(report: &RepairReport) -> String {
    let had = |peer: &RepairedReport| {
        format!("{} blobs ({}) from {}, the last {}", peer.blobs, output::bytes(peer.bytes), peer.peer, peer.at)
    };
    let mut parts: Vec<String> = report.repaired.iter().map(had).collect();
    match report.waiting.len() as u64 + report.further {
        0 if parts.is_empty() => parts.push("nothing was to be repaired".into()),
        0 => {}
        waiting => parts.push(format!("{waiting} NOT REPAIRED")),
    }
    parts.join("; ")
}

fn notes(path: &PathReport, text: &mut Text) {
    if let Some(conflict) = &path.conflict {
        text.push(format!("{}: CONFLICT: {conflict}", path.path));
    }
    if let Some(alarm) = &path.alarm {
        text.push(format!("{}: ALARM: {alarm}", path.path));
    }
    if let Some(error) = &path.last_error {
        text.push(format!("{}: {error}", path.path));
    }
    if let Some(change) = &path.last_change {
        text.push(format!("{}: last role change: {change}", path.path));
    }
    for diverged in &path.diverged {
        text.push(format!("{}: {} holds {} writes; see `tandem diverged`", path.path, diverged.name, diverged.entries));
    }
}

fn restore_point(point: &RestorePointReport) -> String {
    let proved = if point.proved { "proved" } else { "not proved" };
    format!("{} {}, {proved}", point.name, point.created)
}

pub fn paths_table(paths: &[PathReport]) -> Text {
    let mut table =
        Table::new(&["PATH", "ROLE", "STATE", "WRITES", "EPOCH", "PEER", "EVERY", "LAG", "RESTORE POINT", "TRANSFER"]);
    for path in paths {
        let transfer = path.transfer.as_ref().map_or(String::new(), |transfer| {
            format!("{} {} {}", transfer.step, transfer.phase, output::bytes(transfer.bytes_sent))
        });
        table.row(vec![
            path.path.clone(),
            path.role.to_string(),
            path.state.to_string(),
            if path.writable { "yes" } else { "no" }.into(),
            path.epoch.to_string(),
            path.peer.clone(),
            format!("{} s", path.interval_seconds),
            output::lag(path),
            path.restore_point.as_ref().map_or("none".into(), restore_point),
            transfer,
        ]);
    }
    match table.is_empty() {
        true => "No protected paths. `tandem path create / --peer NAME` protects every bucket.".into(),
        false => table.render(),
    }
}
