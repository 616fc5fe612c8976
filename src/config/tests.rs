use std::os::unix::fs::PermissionsExt;

use super::credentials::{Credentials, SecretEnvironment};
use super::*;
use crate::clock::SystemClock;

fn flags(words: &[&str]) -> Flags {
    Flags::parse_from(std::iter::once("tandem").chain(words.iter().copied())).expect("flags parse")
}

fn file(dir: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("tandem.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn in_dir(dir: &tempfile::TempDir) -> Config {
    Config { data_dir: dir.path().join("data"), ..Config::default() }
}

#[test]
fn defaults_work_without_any_setting() {
    let config = Config::load(None, &Flags::default()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.s3_listen.to_string(), "127.0.0.1:9000");
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "region = \"eu-west-1\"\ncache = \"32MiB\"\naccept_regions = [\"any\"]\n");
    let config = Config::load(Some(&path), &flags(&["--region", "eu-central-1"])).unwrap();
    assert_eq!(config.region, "eu-central-1");
    assert_eq!(config.cache, ByteSize::mebibytes(32));
    assert_eq!(config.accept_regions, ["any"]);
    assert_eq!(config.connections_max, 4096);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = Config::load(Some(&file(&dir, "regoin = \"x\"\n")), &Flags::default()).unwrap_err();
    assert!(error.to_string().contains("did you mean `region`?"), "{error}");
}

#[test]
fn a_secret_in_the_file_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let error = Config::load(Some(&file(&dir, "root_secret_key = \"x\"\n")), &Flags::default()).unwrap_err();
    assert!(error.to_string().contains("root_secret_key_file"), "{error}");
}

#[test]
fn a_wrong_type_names_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let error = Config::load(Some(&file(&dir, "\nconnections_max = \"many\"\n")), &Flags::default()).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn durations_are_written_as_people_write_them_in_the_file_and_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let text = "header_timeout_seconds = \"500ms\"\nidle_timeout_seconds = 15\nscrub_every_seconds = \"1h\"\nretention_cap_seconds = 90.5\n";
    let config = Config::load(Some(&file(&dir, text)), &flags(&["--shutdown-timeout-seconds", "5m"])).unwrap();
    let millis = |duration: HumanDuration| duration.get().as_millis();
    assert_eq!(millis(config.header_timeout_seconds), 500);
    assert_eq!(millis(config.idle_timeout_seconds), 15_000);
    assert_eq!(millis(config.scrub_every_seconds), 3_600_000);
    assert_eq!(millis(config.retention_cap_seconds), 90_500);
    assert_eq!(config.shutdown_timeout(), Duration::from_secs(300));
    let again = file(&dir, &config.to_toml());
    assert_eq!(Config::load(Some(&again), &Flags::default()).unwrap(), config);
    for bad in ["\"soon\"", "\"1x\"", "-1", "true"] {
        let error = Config::load(Some(&file(&dir, &format!("\nidle_timeout_seconds = {bad}\n"))), &Flags::default());
        assert!(error.unwrap_err().to_string().contains("line 2"), "{bad}");
    }
    assert!(Config::load(None, &flags(&["--header-timeout-seconds", "0"])).is_err());
    // Every setting that is a time takes one.
    let timed = Flags::names().into_iter().filter(|name| name.ends_with("_seconds"));
    for name in timed {
        let flag = format!("--{}", name.replace('_', "-"));
        assert!(Config::load(None, &flags(&[&flag, "2h"])).is_ok(), "{flag}");
    }
}

#[test]
fn the_version_of_vms_is_a_version() {
    assert_eq!(Config::default().vms_version, "5.4.6");
    assert!(Config::load(None, &flags(&["--vms-version", "5.5.0.1"])).is_ok());
    for bad in ["", "5", "5.4", "5.4.x", "5..4", "v5.4.6"] {
        assert!(Config::load(None, &flags(&["--vms-version", bad])).is_err(), "{bad}");
    }
}

#[test]
fn a_domain_that_no_host_can_be_below_is_refused() {
    for good in ["s3.example.com", "localhost", ""] {
        assert!(Config::load(None, &flags(&["--domains", good])).is_ok(), "{good}");
    }
    for bad in [".s3.test", "*.s3.test", "s3.test:9000", "http://s3.test", "a..b"] {
        let error = Config::load(None, &flags(&["--domains", bad])).unwrap_err();
        assert!(error.to_string().starts_with("domains: "), "{bad}: {error}");
    }
}

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::load(None, &flags(&["--domains", "s3.test,b.test", "--reserve", "1000"])).unwrap();
    let path = file(&dir, &config.to_toml());
    assert_eq!(Config::load(Some(&path), &Flags::default()).unwrap(), config);
}

#[test]
fn no_setting_takes_a_secret_and_every_setting_has_three_faces() {
    for (key, flag, env) in Flags::definitions() {
        assert_eq!(flag, format!("--{}", key.replace('_', "-")));
        assert_eq!(env, format!("TANDEM_{}", key.to_ascii_uppercase()));
        let secret = ["secret", "password"].iter().any(|word| key.contains(word));
        assert!(!secret || key.ends_with("_file"), "{key} would carry a secret");
    }
}

#[test]
fn every_setting_of_the_file_is_a_flag_and_the_guide_lists_it_with_its_default() {
    let names = Flags::names();
    let full = Config { name: Some("x".into()), ..Config::default() };
    let table = toml::Table::try_from(&full).unwrap();
    assert!(table.keys().all(|key| names.contains(key)));
    let guide = include_str!("../../docs/configuration.md");
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    for (key, flag, env) in Flags::definitions() {
        let default = defaults.get(&key).map_or("none".into(), |value| match value {
            toml::Value::Array(items) if items.is_empty() => "none".into(),
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let row = format!("| `{key}` | `{flag}` | `{env}` | `{default}` |");
        assert!(guide.contains(&row), "docs/configuration.md lacks: {row}");
    }
}

#[test]
fn the_first_start_generates_and_the_second_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let config = in_dir(&dir);
    let clock = SystemClock::new();
    let (first, generated) = Credentials::load(&config, SecretEnvironment::default(), &clock).unwrap();
    let password = generated.admin_password.clone().unwrap();
    assert!(generated.announcement().unwrap().contains(&password));
    assert!(first.admin_password.matches(&password));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&generated.kept_in), 0o600);
    assert_eq!(mode(&config.data_dir), 0o700);
    let kept = std::fs::read_to_string(&generated.kept_in).unwrap();
    assert!(!kept.contains(&password), "the password is kept as a hash");

    let (second, generated) = Credentials::load(&config, SecretEnvironment::default(), &clock).unwrap();
    assert!(generated.announcement().is_none());
    assert_eq!(second.access_key, first.access_key);
    assert!(*second.secret_key == *first.secret_key && second.admin_password.matches(&password));
}

#[test]
fn default_and_short_secrets_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let load = |access: &str, secret: &str, password: &str| {
        let config = Config { root_access_key: Some(access.into()), ..in_dir(&dir) };
        let env = SecretEnvironment {
            root_secret_key: Some(secret.into()),
            admin_password: Some(password.into()),
            pairing_secret: None,
        };
        Credentials::load(&config, env, &SystemClock::new()).map(|_| ()).map_err(|error| error.to_string())
    };
    let (good_secret, good_password) = ("x7k2-x7k2-x7k2-x7k2", "correct horse battery");
    assert_eq!(load("operator", good_secret, good_password), Ok(()));
    assert!(load("minioadmin", good_secret, good_password).is_err());
    assert!(load("operator", "minioadmin", good_password).is_err());
    assert!(load("operator", "fifteen-chars-x", good_password).is_err());
    assert!(load("operator", good_secret, "short").is_err());
    assert!(load("operator-operator", "operator-operator", good_password).is_err());
}

#[test]
fn a_readable_credentials_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = in_dir(&dir);
    let (_, generated) = Credentials::load(&config, SecretEnvironment::default(), &SystemClock::new()).unwrap();
    std::fs::set_permissions(&generated.kept_in, std::fs::Permissions::from_mode(0o644)).unwrap();
    let again = Credentials::load(&config, SecretEnvironment::default(), &SystemClock::new());
    assert!(again.is_err_and(|error| error.to_string().contains("chmod 600")));
}

#[test]
fn sizes_are_read_with_units_and_refused_without_sense() {
    for (text, bytes) in [("1024", 1024), ("64MiB", 64 << 20), ("1gb", 1_000_000_000), ("2 KiB", 2048), ("4K", 4096)] {
        assert_eq!(text.parse::<ByteSize>().unwrap().get(), bytes, "{text}");
    }
    for text in ["", "MiB", "-1", "1.5GB", "99999999999TiB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
    assert_eq!(ByteSize::mebibytes(64).to_string(), "64MiB");
}
