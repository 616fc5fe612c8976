use std::path::PathBuf;
use std::process::Command;

use crate::python;
use crate::run::{Failed, cargo, root, run, target_dir};

/// Builds the binary, makes the virtual environment when its pinned list has changed, and runs pytest against the binary.
pub fn test(pytest: &[String]) -> Result<(), Failed> {
    // Built as the tests build it: a plain build would unify features otherwise and compile everything again.
    run(&mut cargo(&["test", "--profile", "ci", "--workspace", "--features", "sled", "--no-run"]))?;
    let python = python::environment("clients", "tests/clients/requirements.txt")?;
    let mut command = Command::new(python);
    command.current_dir(root()).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    command.args(["tests/clients", "tests/security"]).args(pytest);
    run(command.env("TANDEM_BIN", binary()).env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// The server as the `ci` profile builds it.
pub fn binary() -> PathBuf {
    target_dir().join("ci").join("tandem")
}
