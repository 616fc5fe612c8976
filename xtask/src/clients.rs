use std::path::PathBuf;
use std::process::Command;

use crate::run::{Failed, cargo, root, run, target_dir};

/// Builds the binary, makes the virtual environment when its pinned list has changed, and runs pytest against the binary.
pub fn test(pytest: &[String]) -> Result<(), Failed> {
    // Built as the tests build it: a plain build would unify features otherwise and compile everything again.
    run(&mut cargo(&["test", "--profile", "ci", "--workspace", "--features", "sled", "--no-run"]))?;
    let python = virtual_environment()?;
    let mut command = Command::new(python);
    command.current_dir(root()).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    command.args(["tests/clients", "tests/security"]).args(pytest);
    run(command.env("TANDEM_BIN", binary()).env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// The server as the `ci` profile builds it.
pub fn binary() -> PathBuf {
    target_dir().join("ci").join("tandem")
}

/// The Python of an environment that holds exactly `tests/clients/requirements.txt`.
fn virtual_environment() -> Result<PathBuf, Failed> {
    let dir = target_dir().join("clients-venv");
    let python = dir.join("bin").join("python");
    let requirements = root().join("tests/clients/requirements.txt");
    let wanted =
        std::fs::read(&requirements).map_err(|error| Failed(format!("{}: {error}", requirements.display())))?;
    let stamp = dir.join("requirements.txt");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir)).map_err(|failed| {
        Failed(format!("{failed}; Python 3 with its venv module is needed (Debian: python3-venv)"))
    })?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| Failed(format!("{}: {error}", stamp.display())))?;
    Ok(python)
}
