use std::io::{IsTerminal, Write};

use super::CliError;

/// Asks on the terminal. Without one the answer must have been given by `--yes`.
pub fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Usage(format!("{question}\nno terminal to confirm on: give --yes")));
    }
    let mut prompt = std::io::stderr().lock();
    write!(prompt, "{question}\nType yes to go on: ")?;
    prompt.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(CliError::NotConfirmed),
    }
}
