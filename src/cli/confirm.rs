use std::io::IsTerminal;

use super::CliError;
use super::output::{self, Text};

/// Asks on the terminal. Without one the answer must have been given by `--yes`.
pub fn confirm(question: impl Into<Text>, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        output::note(question);
        return Err(CliError::Usage("no terminal to confirm on: give --yes".into()));
    }
    let mut question = question.into();
    question.push("Type yes to go on: ");
    output::prompt(question)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(CliError::NotConfirmed),
    }
}
