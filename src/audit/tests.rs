use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tandem_storage::types::Timestamp;
use tokio::sync::oneshot;

use super::queue::{Message, Queue, REFUSALS_MAX};
use super::writer::{Out, write_lines};
use super::{Actor, Audit, Event, Kind, Target, Terms};
use crate::telemetry::Metrics;

const PLENTY: u64 = 1 << 40;

fn event(operation: &str) -> Event {
    Event {
        time: Timestamp::from_secs(1_369_353_600),
        event: Kind::Denied,
        face: "s3",
        who: Actor { kind: "Anonymous", ..Actor::default() },
        from: Some("127.0.0.1".parse().unwrap()),
        operation: operation.into(),
        action: Some("s3:GetObject".into()),
        resource: Some("arn:aws:s3:::b/line\nbreak\"".into()),
        decided_by: "default deny: nothing allows it".into(),
        request: Some("00FF".into()),
        count: None,
    }
}

fn change(operation: &str) -> Event {
    Event { event: Kind::IdentityChanged, ..event(operation) }
}

fn to(path: &Path, refusals_a_day: u64) -> Terms {
    Terms { target: Target::File(path.into()), refusals_a_day }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_an_event_whatever_names_hold() {
    let (dir, metrics) = (tempfile::tempdir().unwrap(), Metrics::new());
    let path = dir.path().join("audit.log");
    let audit = Audit::start(&to(&path, PLENTY), metrics.clone()).unwrap();
    audit.record(event("GetObject"));
    audit.record(event("HeadObject"));
    assert!(audit.flush());
    let lines = lines(&path);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["time"], "2013-05-24T00:00:00.000Z");
    assert_eq!(lines[0]["event"], "denied");
    assert_eq!(lines[0]["who"]["type"], "Anonymous");
    assert_eq!(lines[1]["resource"], "arn:aws:s3:::b/line\nbreak\"");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(metrics.encode().contains("tandem_audit_events_total 2"), "{}", metrics.encode());
}

#[test]
fn a_text_without_an_end_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let audit = Audit::start(&to(&path, PLENTY), Metrics::new()).unwrap();
    audit.record(event(&"\u{e9}".repeat(100_000)));
    assert!(audit.flush());
    assert_eq!(lines(&path)[0]["operation"], format!("{}...", "\u{e9}".repeat(1024)));
}

/// The fault: refusals and changes had one queue, and what found it full was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_flood_of_refusals_takes_the_line_of_a_change() {
    const CHANGES: usize = 200;
    let (dir, metrics) = (tempfile::tempdir().unwrap(), Metrics::new());
    let path = dir.path().join("audit.log");
    let audit = Audit::start(&to(&path, PLENTY), metrics.clone()).unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let floods: Vec<_> = (0..2)
        .map(|_| {
            let (audit, stop) = (audit.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut count = 0_u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) && count < 400_000 {
                    audit.record(event("DeleteObjects"));
                    count += 1;
                }
                count
            })
        })
        .collect();
    for number in 0..CHANGES {
        // Half of the clients go away at once.
        let receipt = audit.record(change(&format!("CreateUser{number}")));
        if number % 2 == 0 {
            assert!(receipt.kept().await, "change {number} is on stable storage");
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let asked: u64 = floods.into_iter().map(|flood| flood.join().unwrap()).sum();
    let done = tokio::task::spawn_blocking(move || audit.flush()).await.unwrap();
    assert!(done);
    let lines = lines(&path);
    let of = |kind: &str| lines.iter().filter(|line| line["event"] == kind).collect::<Vec<_>>();
    let changes: Vec<&str> = of("identity-changed").iter().map(|line| line["operation"].as_str().unwrap()).collect();
    assert_eq!(changes, (0..CHANGES).map(|number| format!("CreateUser{number}")).collect::<Vec<_>>());
    // And each refusal has a line or is in a count.
    let left_out: u64 = of("refusals-left-out").iter().map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(of("denied").len() as u64 + left_out, asked);
    let text = metrics.encode();
    assert!(text.contains(&format!("tandem_audit_refusals_left_out_total {left_out}")), "{text}");
}

#[test]
fn refusals_have_a_budget_and_a_line_says_how_many_were_left_out() {
    let (dir, day) = (tempfile::tempdir().unwrap(), 64 * 1024);
    let path = dir.path().join("audit.log");
    let audit = Audit::start(&to(&path, day), Metrics::new()).unwrap();
    for number in 0..1_000 {
        // The budget counts by the time of the events.
        let time = Timestamp::from_secs(1_369_353_600 + i64::from(number > 0));
        audit.record(Event { time, count: (number == 999).then_some(500), ..event("GetObject") });
    }
    audit.record(change("CreateUser"));
    assert!(audit.flush());
    let lines = lines(&path);
    let bytes: usize =
        lines.iter().filter(|line| line["event"] == "denied").map(|line| line.to_string().len() + 1).sum();
    assert!(bytes <= 4096 + 1 && bytes > 3_000, "a sixteenth of a day's at once: {bytes}");
    let refused = lines.iter().filter(|line| line["event"] == "denied").count() as u64;
    let told = lines.iter().find(|line| line["event"] == "refusals-left-out").expect("told");
    assert_eq!(told["count"].as_u64().unwrap() + refused, 999 + 500);
    assert!(told["decided_by"].as_str().unwrap().ends_with("since 2013-05-24T00:00:01.000Z"), "{told}");
    assert_eq!(lines.iter().filter(|line| line["event"] == "identity-changed").count(), 1);
}

#[test]
fn refusals_that_wait_are_bounded() {
    let queue = Queue::new(PLENTY);
    for _ in 0..REFUSALS_MAX + 100 {
        queue.refuse(&event("GetObject"));
    }
    queue.push(Message::Line { text: b"kept\n".to_vec(), kept: None });
    let first = queue.take(1).unwrap();
    assert_eq!((first.messages.len(), first.left_out), (1, None));
    // One place is free again, and no more.
    queue.refuse(&event("GetObject"));
    queue.refuse(&event("GetObject"));
    queue.end();
    let mut messages = 0;
    let mut left_out = 0;
    let mut last = Vec::new();
    while let Some(batch) = queue.take(usize::MAX) {
        messages += batch.messages.len();
        left_out += batch.left_out.map_or(0, |left_out| left_out.count);
        last = batch.messages;
    }
    assert_eq!((messages, left_out), (REFUSALS_MAX + 1, 101));
    assert!(matches!(&last[REFUSALS_MAX - 1], Message::Line { text, .. } if text == b"kept\n"));
}

#[test]
fn a_log_that_was_renamed_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("audit.log"), dir.path().join("audit.log.1"));
    let audit = Audit::start(&to(&path, PLENTY), Metrics::new()).unwrap();
    audit.record(event("One"));
    audit.flush();
    std::fs::rename(&path, &old).unwrap();
    audit.record(event("Two"));
    audit.reopen();
    audit.record(event("Three"));
    audit.flush();
    assert_eq!(std::fs::read_to_string(&old).unwrap().lines().count(), 2);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_line_in_a_file_that_is_left_unsynced_is_not_on_stable_storage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    // A device that takes every line, and no sync.
    symlink("/dev/null", &path).unwrap();
    let out = Out::file(path.clone()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let kept = |out: Out| {
        let (queue, (kept, was_kept)) = (Queue::new(PLENTY), oneshot::channel());
        queue.push(Message::Line { text: change("One").line().unwrap(), kept: Some(kept) });
        queue.push(Message::Reopen);
        queue.end();
        write_lines(out, &queue, &Metrics::new());
        was_kept.blocking_recv().unwrap()
    };
    assert!(!kept(out));
    assert!(kept(Out::file(path).unwrap()));
}

#[test]
fn a_log_that_is_off_takes_everything_and_keeps_nothing() {
    let audit = Audit::start(&Terms { target: Target::Off, refusals_a_day: 0 }, Metrics::new()).unwrap();
    assert!(!audit.is_on());
    audit.record(event("One"));
    audit.flush();
}
