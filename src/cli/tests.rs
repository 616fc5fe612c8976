use clap::{CommandFactory, Parser};

use super::output::{self, Table};
use super::*;
use crate::replication::control::FailoverMode;
use crate::replication::report::{PathReport, Role, State};

fn path(lag: Option<f64>) -> PathReport {
    PathReport {
        guid: "0".into(),
        path: "/".into(),
        role: Role::Destination,
        state: State::Active,
        writable: false,
        epoch: 1,
        epoch_writer: "a".into(),
        peer: "a".into(),
        interval_seconds: 2,
        restore_point: None,
        rpo_lag_seconds: lag,
        lag_proven: true,
        transfer: None,
        diverged: Vec::new(),
        conflict: None,
        alarm: None,
        discrepancy: None,
        failover_checks: Vec::new(),
        last_error: None,
        last_change: None,
    }
}

#[test]
fn the_definitions_hold_together_and_every_command_has_help() {
    Cli::command().debug_assert();
    fn visit(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{} has no help", command.get_name());
        command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(visit);
    }
    visit(&Cli::command());
}

#[test]
fn no_argument_of_a_command_takes_the_name_of_a_global_one() {
    fn visit(command: &clap::Command, above: &[String]) {
        let own: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        for name in &own {
            assert!(!above.contains(name), "{}: {name}", command.get_name());
        }
        let global = command.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().to_string());
        let below: Vec<String> = above.iter().cloned().chain(global).collect();
        command.get_subcommands().for_each(|sub| visit(sub, &below));
    }
    visit(&Cli::command(), &[]);
}

#[test]
fn no_command_takes_a_secret_on_its_command_line() {
    fn visit(command: &clap::Command) {
        for arg in command.get_arguments() {
            let long = arg.get_long().unwrap_or_default();
            let secret = ["secret", "password", "token"].iter().any(|word| long.contains(word));
            assert!(!secret || long.ends_with("-file"), "{}: --{long}", command.get_name());
        }
        command.get_subcommands().for_each(visit);
    }
    visit(&Cli::command());
}

#[test]
fn the_calls_of_the_guides_parse() {
    for call in [
        "tandem server --data-dir d --s3-listen 127.0.0.1:0 --ready-json",
        "tandem server --config tandem.toml --log-json",
        "tandem testbed --json --interval 1 --protect photos",
        "tandem testbed --interval 1s",
        "tandem peer add b --token-file t",
        "tandem peer token --admin https://b:9443 --ca ca.pem",
        "tandem path create / --peer b --interval 5",
        "tandem path create / --peer b --interval 5m --keep-local 7d --keep-remote 1h30m",
        "tandem status --max-lag 60 --json",
        "tandem status --max-lag 1.5s",
        "tandem failover --graceful --yes --timeout 5m",
        "tandem peer token --replaces b",
        "tandem server --header-timeout-seconds 500ms --retention-cap-seconds 7d --scrub-every-seconds 1w",
        "tandem bench s3 --access-key K --op get --duration 1m",
        "tandem failover --graceful --yes",
        "tandem failover --force /photos --yes --admin https://b:9443",
        "tandem failover --abort",
        "tandem diverged --json",
        "tandem diverged --epoch 3 --admin https://b:9443",
        "tandem diverged discard --epoch 3 --yes --json",
        "tandem health --admin https://localhost:9443 --ca /data/admin-ca.pem",
        "tandem check --data-dir /srv/tandem --json",
        "tandem check --rows-only --admin https://127.0.0.1:9443",
        "tandem bench s3 --access-key K --op put --size 4KiB --concurrency 16 --duration 10 --pid 1 --pid 2",
        "tandem bench s3 --access-key K --op put --size 4KiB --concurrency 64 --rate 2000",
        "tandem user create alice --uid 1001 --allow-create-bucket --policy readers",
        "tandem user set alice --allow-delete-bucket true --account backup",
        "tandem group add-member staff alice",
        "tandem role create replicator --trust trust.json --policy writers",
        "tandem key provide alice AKIAX --secret-key-file secret.txt",
        "tandem policy attach readers group/staff",
        "tandem key list --of alice",
        "tandem policy explain alice s3:GetObject photos/cat.jpg --context aws:SourceIp=10.0.0.1",
        "tandem policy simulate cases.json --node",
        "tandem account create --from accounts.csv",
    ] {
        assert!(Cli::try_parse_from(call.split(' ')).is_ok(), "{call}");
    }
    for call in [
        "tandem failover",
        "tandem failover --graceful --force",
        "tandem bench s3 --op put --count 1 --duration 2",
        "tandem key provide alice AKIAX --secret-key x",
        "tandem policy attach readers",
        "tandem user create alice --iam --uid 7",
        "tandem account create",
        "tandem testbed --interval 500ms",
        "tandem path create / --peer b --interval 5x",
        "tandem server --idle-timeout-seconds soon",
    ] {
        assert!(Cli::try_parse_from(call.split(' ')).is_err(), "{call}");
    }
}

#[test]
fn an_unknown_lag_counts_as_late() {
    assert_eq!(status::late(&[path(Some(3.0))], 5.0), None);
    assert!(status::late(&[path(Some(3.0)), path(Some(6.0))], 5.0).is_some());
    assert!(status::late(&[path(None)], 5.0).is_some());
    assert!(status::late(&[], 5.0).is_some());
}

#[test]
fn a_failover_that_ended_otherwise_than_asked_is_no_success() {
    let report = |role, state, epoch| PathReport {
        role,
        state,
        writable: role != Role::Destination && state != State::Conflict,
        epoch,
        conflict: (state == State::Conflict).then(|| "both sides".into()),
        ..path(None)
    };
    let (source, destination) = (report(Role::Source, State::Active, 1), report(Role::Destination, State::Active, 1));
    let shortfall = |mode, before: &PathReport, after: PathReport| {
        assert!(failover::ended(mode, before, &after), "{mode:?} {after:?}");
        failover::fell_short(mode, before, &after)
    };
    let graceful = Some(FailoverMode::Graceful);
    assert_eq!(shortfall(graceful, &source, report(Role::Destination, State::Active, 2)), None);
    assert_eq!(shortfall(graceful, &destination, report(Role::Source, State::Active, 2)), None);
    assert_eq!(shortfall(Some(FailoverMode::Force), &destination, report(Role::Source, State::Suspended, 2)), None);
    assert_eq!(shortfall(Some(FailoverMode::StandAlone), &source, report(Role::Standalone, State::Active, 2)), None);
    assert_eq!(shortfall(None, &source, report(Role::Source, State::Active, 2)), None);
    // Called off on the other node.
    assert!(shortfall(graceful, &source, report(Role::Source, State::Active, 2)).is_some());
    let followed =
        PathReport { last_change: Some("this node follows".into()), ..report(Role::Destination, State::Active, 2) };
    assert!(shortfall(graceful, &destination, followed).is_some());
    // The call to abort came after the switch.
    assert!(shortfall(None, &source, report(Role::Destination, State::Active, 2)).is_some());
    for mode in [graceful, Some(FailoverMode::Force), Some(FailoverMode::StandAlone)] {
        assert!(shortfall(mode, &destination, report(Role::Source, State::Conflict, 2)).is_some(), "{mode:?}");
    }
}

/// The fault: a key in the list of losses wrote lines of its own, and over the lines above it.
#[test]
fn names_of_others_write_no_lines_and_move_no_cursor() {
    let evil = "x\r\u{1b}[2K\u{9b}1A\u{202e}\nforged  line";
    let mut report = path(Some(1.0));
    (report.path, report.peer) = (evil.into(), evil.into());
    (report.alarm, report.conflict, report.last_error) = (Some(evil.into()), Some(evil.into()), Some(evil.into()));
    let object = serde_json::json!({"name": evil, "groups": [evil, {"name": evil}]});
    let mut texts = vec![
        (status::paths_table(std::slice::from_ref(&report)), 2),
        (directory::table(&[object], &[("NAME", "name"), ("GROUPS", "groups")]), 2),
        (output::Text::from(format!("tandem: {}", CliError::Failed(evil.into()))), 1),
        (failover::outcome(&report, &report), 2),
    ];
    let mut table = Table::new(&["KEY"]);
    table.row(vec![evil.into()]);
    texts.push((table.render(), 2));
    for (text, lines) in texts {
        let text = text.to_string();
        assert_eq!(text.split('\n').count(), lines, "{text}");
        assert!(
            text.chars().all(|character| character == '\n' || character.is_ascii_graphic() || character == ' '),
            "{text:?}"
        );
    }
}

/// One door: what is printed elsewhere would go past the escaping.
#[test]
fn nothing_but_the_door_writes_to_a_terminal() {
    fn visit(dir: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                visit(&path, found);
            } else if !path.ends_with("output.rs") && !path.ends_with("cli/tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let printing =
                    ["println!", "print!(", "stdout().write", "stderr().write", "write!(std", "writeln!(std"];
                found.extend(
                    printing
                        .iter()
                        .filter(|word| text.contains(**word))
                        .map(|word| format!("{}: {word}", path.display())),
                );
            }
        }
    }
    let mut found = Vec::new();
    visit(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"), &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn tables_line_up_and_figures_read_well() {
    let mut table = Table::new(&["A", "LONG"]);
    table.row(vec!["wide cell".into(), "x".into()]);
    assert_eq!(table.render().to_string(), "A          LONG\nwide cell  x");
    assert_eq!(output::seconds(Some(1.23)), "1.2 s");
    assert_eq!(output::seconds(Some(200.0)), "3m 20s");
    assert_eq!(output::seconds(Some(7500.0)), "2h 5m");
    assert_eq!(output::lag(&path(Some(1.0))), "1.0 s");
    assert_eq!(output::lag(&PathReport { lag_proven: false, ..path(Some(1.0)) }), "1.0 s (unproven)");
    assert_eq!(output::bytes(1536), "1.5 KiB");
    assert_eq!(output::quoted("/a b"), "%2Fa%20b");
}
