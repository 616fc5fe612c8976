use std::io::IsTerminal;
use std::time::Duration;

use super::child::Child;
use super::{AdminClient, CliError, Ready, output};
use crate::replication::report::{PathReport, Role};

/// Waits to be cut off; tells on standard error when a node has ended.
pub async fn wait_forever(a: &mut Child, b: &mut Child) -> Result<(), CliError> {
    loop {
        tell_ended(a);
        tell_ended(b);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn tell_ended(child: &mut Child) {
    if let Some(status) = child.ended() {
        output::note(format!("node {} has ended ({status})", child.name()));
    }
}

/// One line, written again and again on a terminal, and now and then elsewhere.
pub async fn lag(
    ready: &Ready,
    to_a: &mut AdminClient,
    to_b: &mut AdminClient,
    a: &mut Child,
    b: &mut Child,
) -> Result<(), CliError> {
    let terminal = std::io::stdout().is_terminal();
    let pause = if terminal { Duration::from_millis(500) } else { Duration::from_secs(10) };
    loop {
        tell_ended(a);
        tell_ended(b);
        let (at_a, at_b) = (find(to_a, &ready.path).await, find(to_b, &ready.path).await);
        let line = format!("A: {}   B: {}   {}", side(&at_a), side(&at_b), lag_text(&at_a, &at_b));
        match terminal {
            true => output::rewrite(std::io::stdout().lock(), &line)?,
            false => output::line(&line)?,
        }
        tokio::time::sleep(pause).await;
    }
}

async fn find(client: &mut AdminClient, path: &str) -> Option<PathReport> {
    let paths: Vec<PathReport> = client.get("/api/paths").await.ok()?;
    paths.into_iter().find(|known| known.path == path)
}

fn side(report: &Option<PathReport>) -> String {
    match report {
        None => "no answer".into(),
        Some(path) => {
            let writes = if path.writable { "writable" } else { "read-only" };
            format!("{} {} ({writes}, epoch {})", path.role, path.state, path.epoch)
        }
    }
}

/// The destination's word counts: it is the one that would be promoted.
fn lag_text(a: &Option<PathReport>, b: &Option<PathReport>) -> String {
    let both = [a, b].into_iter().flatten();
    let told = both.clone().find(|path| path.role == Role::Destination).or_else(|| both.clone().next());
    let lag = told.map_or_else(|| output::seconds(None), output::lag);
    let point = told.and_then(|path| path.restore_point.as_ref()).map_or("none", |point| point.name.as_str());
    format!("lag {lag}   restore point {point}")
}
