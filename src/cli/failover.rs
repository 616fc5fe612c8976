use std::time::Duration;

use clap::Args;

use super::client::AdminClient;
use super::output::{self, Text};
use super::{CliError, Connection, confirm};
use crate::admin::model::{Failover, Which, confirmation};
use crate::clock::{Clock, SystemClock};
use crate::config::HumanDuration;
use crate::replication::control::FailoverMode;
use crate::replication::report::{PathReport, Role, State};

const EXAMPLES: &str = "Examples:
  drill, both nodes up:    tandem failover --graceful --admin https://b:9443
  the source is gone:      tandem failover --force --admin https://b:9443
  let both sides write:    tandem failover --stand-alone
On a Destination these mean `make this node the Source`; on a Source, `hand over`.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "what", required = true, multiple = false, args = ["graceful", "stand_alone", "force", "abort"])]
pub struct FailoverArgs {
    #[command(flatten)]
    connection: Connection,
    /// Switch roles with the peer's consent; nothing is lost
    #[arg(long)]
    graceful: bool,
    /// Let this node write on its own; the peer stays as it is
    #[arg(long)]
    stand_alone: bool,
    /// Become the Source without asking the peer; writes after the last restore point are left behind, and listed later
    #[arg(long)]
    force: bool,
    /// Call off a graceful failover that waits for a silent peer
    #[arg(long)]
    abort: bool,
    /// The protected path, if there are several
    path: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// How long to wait for the switch to complete
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    timeout: HumanDuration,
}

impl FailoverArgs {
    pub async fn run(self) -> Result<(), CliError> {
        let mut client = self.connection.client()?;
        let before = find(&mut client, self.path.as_deref()).await?;
        if !self.abort {
            confirm::confirm(self.question(&before), self.yes)?;
        }
        let path = Some(before.path.clone());
        let begun: PathReport = match self.mode() {
            None => client.post("/api/paths/abort", &Which { path }).await?,
            Some(mode) => {
                let confirm = Some(confirmation(mode.name(), &before, before.epoch));
                client.post("/api/paths/failover", &Failover { path, mode, confirm }).await?
            }
        };
        let after = self.wait(&mut client, &before, begun).await?;
        match self.connection.json {
            true => output::json(&after)?,
            false => output::line(outcome(&before, &after))?,
        }
        // Scripts go by the exit code: what ended otherwise than it was asked for is no success.
        fell_short(self.mode(), &before, &after).map_or(Ok(()), |why| Err(CliError::Failed(why)))
    }

    fn mode(&self) -> Option<FailoverMode> {
        match (self.graceful, self.stand_alone, self.force) {
            (true, ..) => Some(FailoverMode::Graceful),
            (_, true, _) => Some(FailoverMode::StandAlone),
            (.., true) => Some(FailoverMode::Force),
            _ => None,
        }
    }

    fn question(&self, before: &PathReport) -> Text {
        let lag = output::lag(before);
        let here = format!("{} is {} here, epoch {}, lag {lag}.", before.path, before.role, before.epoch);
        let effect = match (self.mode(), before.role) {
            (Some(FailoverMode::Graceful), Role::Source) => {
                format!("Hand over to {}: writes here end, nothing is lost.", before.peer)
            }
            (Some(FailoverMode::Graceful), _) => format!("Take over from {}: nothing is lost.", before.peer),
            (Some(FailoverMode::StandAlone), _) => {
                "Both nodes will take writes, and replication stops until reattached.".into()
            }
            (Some(FailoverMode::Force), _) => format!(
                "Become the Source without asking {}: writes there after the last restore point stay behind as diverged.",
                before.peer
            ),
            (None, _) => String::new(),
        };
        let checks = before.failover_checks.iter().map(|check| format!("CHECK: {check}"));
        std::iter::once(here).chain(checks).chain([effect]).collect()
    }

    /// Polls until the switch has ended, telling what happens meanwhile.
    async fn wait(
        &self,
        client: &mut AdminClient,
        before: &PathReport,
        begun: PathReport,
    ) -> Result<PathReport, CliError> {
        let clock = SystemClock::new();
        let mut report = begun;
        let mut shown = String::new();
        loop {
            let state = format!("{}: {} {}", report.path, report.role, report.state);
            if state != shown && !self.connection.json {
                output::note(&state);
                shown = state;
            }
            if ended(self.mode(), before, &report) {
                return Ok(report);
            }
            if clock.monotonic() > self.timeout.get() {
                let hint = "it goes on by itself; `tandem status` shows it, `tandem failover --abort` calls it off";
                return Err(CliError::Failed(format!("not complete after {}; {hint}", self.timeout)));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            report = find(client, Some(&before.path)).await?;
        }
    }
}

pub(super) async fn find(client: &mut AdminClient, path: Option<&str>) -> Result<PathReport, CliError> {
    let mut paths: Vec<PathReport> = client.get("/api/paths").await?;
    if let Some(name) = path {
        let found = paths.into_iter().find(|path| path.path == name);
        return found.ok_or_else(|| CliError::Usage(format!("{name} is not a protected path of this node")));
    }
    match paths.len() {
        1 => Ok(paths.remove(0)),
        0 => Err(CliError::Usage("no path is protected on this node".into())),
        _ => {
            let names: Vec<_> = paths.iter().map(|path| path.path.as_str()).collect();
            Err(CliError::Usage(format!("name one of the protected paths: {}", names.join(", "))))
        }
    }
}

/// Whether a role change has come to its end, well or not.
pub(super) fn ended(mode: Option<FailoverMode>, before: &PathReport, now: &PathReport) -> bool {
    let settled = now.state != State::HandingOver;
    if now.state == State::Conflict && before.state != State::Conflict {
        return true;
    }
    match mode {
        Some(FailoverMode::Graceful) if before.role == Role::Source => {
            settled && (now.role != Role::Source || now.epoch > before.epoch)
        }
        Some(FailoverMode::Graceful) => settled && (now.role == Role::Source || now.last_change != before.last_change),
        Some(FailoverMode::StandAlone) => now.role == Role::Standalone,
        Some(FailoverMode::Force) => now.role == Role::Source && now.writable,
        None => settled,
    }
}

/// Why what was asked for has not come about.
pub(super) fn fell_short(mode: Option<FailoverMode>, before: &PathReport, after: &PathReport) -> Option<String> {
    let (writes, hands_over) = (after.role == Role::Source && after.writable, before.role == Role::Source);
    let done = match mode {
        Some(FailoverMode::Graceful) if hands_over => after.role == Role::Destination,
        Some(FailoverMode::Graceful | FailoverMode::Force) => writes,
        Some(FailoverMode::StandAlone) => after.role == Role::Standalone,
        // Too late: the other node has taken over, or this one has.
        None => after.role == before.role,
    };
    let why = match (mode, &after.conflict) {
        (_, Some(_)) => "the nodes disagree",
        (None, None) => "too late to call it off",
        (Some(_), None) => "it was called off meanwhile, or another order came between",
    };
    (!done).then(|| {
        format!("{}: the roles are not what was asked for: {why}; see `tandem status` on both nodes", after.path)
    })
}

pub(super) fn outcome(before: &PathReport, after: &PathReport) -> Text {
    let mut lines = vec![format!(
        "{}: {} -> {}, epoch {} -> {}; this node {} writes.",
        after.path,
        before.role,
        after.role,
        before.epoch,
        after.epoch,
        if after.writable { "takes" } else { "refuses" }
    )];
    lines.extend(after.last_change.clone());
    lines.extend(after.conflict.iter().map(|conflict| format!("CONFLICT: {conflict}")));
    lines.into_iter().collect()
}
