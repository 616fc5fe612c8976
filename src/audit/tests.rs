use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::mpsc::sync_channel;

use tandem_storage::types::Timestamp;

use super::writer::{Out, write_lines};
use super::{Actor, Audit, Event, Kind, Message, Target};
use crate::telemetry::Metrics;

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
    }
}

#[test]
fn a_line_an_event_whatever_names_hold() {
    let (dir, metrics) = (tempfile::tempdir().unwrap(), Metrics::new());
    let path = dir.path().join("audit.log");
    let audit = Audit::start(&Target::File(path.clone()), metrics.clone()).unwrap();
    audit.record(event("GetObject"));
    audit.record(event("HeadObject"));
    audit.flush();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["time"], "2013-05-24T00:00:00.000Z");
    assert_eq!(lines[0]["event"], "denied");
    assert_eq!(lines[0]["who"]["type"], "Anonymous");
    assert_eq!(lines[1]["resource"], "arn:aws:s3:::b/line\nbreak\"");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(metrics.encode().contains("tandem_audit_events_total 2"), "{}", metrics.encode());
}

#[test]
fn a_log_that_was_renamed_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("audit.log"), dir.path().join("audit.log.1"));
    let audit = Audit::start(&Target::File(path.clone()), Metrics::new()).unwrap();
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
    let (sender, messages) = sync_channel(4);
    let [(lost, was_lost), (kept, was_kept)] = [sync_channel(1), sync_channel(1)];
    sender.send(Message::Event(Box::new(event("One")), Some(lost))).unwrap();
    sender.send(Message::Reopen).unwrap();
    drop(sender);
    write_lines(out, &messages, &Metrics::new());
    assert!(!was_lost.recv().unwrap());
    let (sender, messages) = sync_channel(4);
    sender.send(Message::Event(Box::new(event("Two")), Some(kept))).unwrap();
    sender.send(Message::Reopen).unwrap();
    drop(sender);
    write_lines(Out::file(path).unwrap(), &messages, &Metrics::new());
    assert!(was_kept.recv().unwrap());
}

#[test]
fn a_log_that_is_off_takes_everything_and_keeps_nothing() {
    let audit = Audit::start(&Target::Off, Metrics::new()).unwrap();
    assert!(!audit.is_on());
    audit.record(event("One"));
    audit.flush();
}
