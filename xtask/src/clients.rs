use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python;
use crate::run::{Failed, cargo, root, run, target_dir};

/// Builds the binary, makes the virtual environment when its pinned list has changed, and runs pytest against the binary.
pub fn test(words: &[String]) -> Result<(), Failed> {
    build()?;
    run(pytest(&binary())?.args(["tests/clients", "tests/security"]).args(words))
}

/// Built as the tests build it: a plain build would unify features otherwise and compile everything again.
pub fn build() -> Result<(), Failed> {
    run(&mut cargo(&["test", "--profile", "ci", "--workspace", "--features", "sled", "--no-run"]))
}

/// `pytest` against this binary.
pub fn pytest(server: &Path) -> Result<Command, Failed> {
    let mut command = Command::new(python::environment("clients", "tests/clients/requirements.txt")?);
    command.current_dir(root()).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    command.env("TANDEM_BIN", server).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The server as the `ci` profile builds it.
pub fn binary() -> PathBuf {
    target_dir().join("ci").join("tandem")
}
