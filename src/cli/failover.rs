use std::time::Duration;

use clap::Args;

use super::client::AdminClient;
use super::output::{self, Text};
use super::{CliError, Connection, confirm};
use crate::admin::model::{Failover, Mode, Which, confirmation};
use crate::clock::{Clock, SystemClock};
use crate::config::HumanDuration;
use crate::replication::report::PathReport;

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

    fn mode(&self) -> Option<Mode> {
        match (self.graceful, self.stand_alone, self.force) {
            (true, ..) => Some(Mode::Graceful),
            (_, true, _) => Some(Mode::StandAlone),
            (.., true) => Some(Mode::Force),
            _ => None,
        }
    }

    fn question(&self, before: &PathReport) -> Text {
        let lag = output::lag(before);
        let here = format!("{} is {} here, epoch {}, lag {lag}.", before.path, before.role, before.epoch);
        let effect = match (self.mode(), before.role.as_str()) {
            (Some(Mode::Graceful), "Source") => {
                format!("Hand over to {}: writes here end, nothing is lost.", before.peer)
            }
            (Some(Mode::Graceful), _) => format!("Take over from {}: nothing is lost.", before.peer),
            (Some(Mode::StandAlone), _) => {
                "Both nodes will take writes, and replication stops until reattached.".into()
            }
            (Some(Mode::Force), _) => format!(
                "Become the Source without asking {}: writes there after the last restore point stay behind as diverged.",
                before.peer
            ),
            (None, _) => String::new(),
        };
        [here, effect].into_iter().collect()
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
pub(super) fn ended(mode: Option<Mode>, before: &PathReport, now: &PathReport) -> bool {
    let settled = now.state != "HandingOver";
    if now.state == "Conflict" && before.state != "Conflict" {
        return true;
    }
    match mode {
        Some(Mode::Graceful) if before.role == "Source" => {
            settled && (now.role != "Source" || now.epoch > before.epoch)
        }
        Some(Mode::Graceful) => settled && (now.role == "Source" || now.last_change != before.last_change),
        Some(Mode::StandAlone) => now.role == "Standalone",
        Some(Mode::Force) => now.role == "Source" && now.writable,
        None => settled,
    }
}

/// Why what was asked for has not come about.
pub(super) fn fell_short(mode: Option<Mode>, before: &PathReport, after: &PathReport) -> Option<String> {
    let (writes, hands_over) = (after.role == "Source" && after.writable, before.role == "Source");
    let done = match mode {
        Some(Mode::Graceful) if hands_over => after.role == "Destination",
        Some(Mode::Graceful | Mode::Force) => writes,
        Some(Mode::StandAlone) => after.role == "Standalone",
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
