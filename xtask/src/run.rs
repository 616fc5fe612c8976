use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// A step that did not succeed, as one line for the person who ran it.
#[derive(Debug)]
pub struct Failed(pub String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// `cargo` with these words, at the root.
pub fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(words);
    command
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Runs to the end, showing the command and its output.
pub fn run(command: &mut Command) -> Result<(), Failed> {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let shown = format!("{} {}", command.get_program().to_string_lossy(), words.join(" "));
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed(format!("`{shown}` ended with {status}"))),
        Err(error) => Err(Failed(format!("`{shown}` did not start: {error}"))),
    }
}

/// The store's library tests under a scheduler that tries orders of threads. The feature changes the store itself, so they are built apart.
pub const THREADS: [&str; 8] =
    ["test", "--profile", "ci", "--package", "tandem-storage", "--features", "shuttle", "--lib"];

/// Every test of the workspace.
const ALL: [&str; 6] = ["test", "--profile", "ci", "--workspace", "--features", "sled"];

/// Builds the tests of orders of threads, and finds their binary.
pub fn built_threads_test() -> Result<PathBuf, Failed> {
    built(&THREADS, "storage", &|target| target.kind.iter().any(|kind| kind == "lib"))
}

/// Builds all tests, and finds the binary of the integration tests of the package in this directory of the repository.
pub fn built_test(package: &str) -> Result<PathBuf, Failed> {
    built_named_test(package, "it")
}

/// The same of the tests that are a target of this name.
pub fn built_named_test(package: &str, name: &str) -> Result<PathBuf, Failed> {
    built(&ALL, package, &|target| target.name == name)
}

/// The same of the tests inside the package's library.
pub fn built_library_test(package: &str) -> Result<PathBuf, Failed> {
    built(&ALL, package, &|target| target.kind.iter().any(|kind| kind == "lib"))
}

fn built(words: &[&str], package: &str, is_wanted: &dyn Fn(&Target) -> bool) -> Result<PathBuf, Failed> {
    let words = [words, &["--no-run", "--message-format=json"]].concat();
    let built = cargo(&words).stderr(Stdio::inherit()).output();
    let built = built.map_err(|error| Failed(format!("cargo did not start: {error}")))?;
    if !built.status.success() {
        return Err(Failed(format!("`cargo {}` ended with {}", words.join(" "), built.status)));
    }
    let manifest = root().join(package).components().collect::<PathBuf>().join("Cargo.toml");
    let artifacts = built.stdout.split(|byte| *byte == b'\n');
    artifacts
        .filter_map(|line| serde_json::from_slice::<Artifact>(line).ok())
        .filter(|artifact| artifact.manifest_path == manifest && is_wanted(&artifact.target))
        .find_map(|artifact| artifact.executable)
        .ok_or_else(|| Failed(format!("cargo names no such tests of {}", manifest.display())))
}

/// What cargo says of a thing it has built.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}
