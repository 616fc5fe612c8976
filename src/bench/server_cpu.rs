use std::time::Duration;

use super::BenchError;

/// `/proc` counts in 1/100 s on every Linux there is.
const TICK: Duration = Duration::from_millis(10);

/// User and system time that the processes have used so far.
pub fn used(pids: &[u32]) -> Result<Duration, BenchError> {
    pids.iter().map(|pid| one(*pid)).sum()
}

fn one(pid: u32) -> Result<Duration, BenchError> {
    let failed = |reason: String| BenchError::Process { pid, reason };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| failed(error.to_string()))?;
    ticks(&stat).map(|ticks| TICK * ticks).ok_or_else(|| failed("unexpected /proc/PID/stat".into()))
}

/// utime + stime: fields 14 and 15, counted after the name, which may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_name_is() {
        let stat = "42 (a) b c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 12345 1 1";
        assert_eq!(ticks(stat), Some(300));
        assert!(used(&[std::process::id()]).is_ok());
    }
}
