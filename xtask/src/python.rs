use std::path::PathBuf;
use std::process::Command;

use crate::run::{Failed, root, run, target_dir};

/// The Python of an environment that holds exactly a pinned list of packages; made anew when the list has changed.
pub fn environment(name: &str, requirements: &str) -> Result<PathBuf, Failed> {
    let dir = target_dir().join(format!("{name}-venv"));
    let python = dir.join("bin").join("python");
    let requirements = root().join(requirements);
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
