//! What pytest did, from the lines that `tests/s3-tests/tandem_plugin.py` writes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Stands behind the name of a test that passed and whose clean-up failed.
pub const CLEAN_UP: &str = "/clean-up";

/// Every collected test by name with its parameters, without its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub tests: BTreeMap<String, Fate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was collected and never ended: pytest stopped before.
    Unfinished,
    Passed,
    /// It passed, and what cleans up behind it failed.
    PassedUnclean,
    Skipped,
    Failed,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Collected { collected: String },
    Phase { test: String, phase: Phase, outcome: Word },
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Setup,
    Call,
    Teardown,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Word {
    Passed,
    Failed,
    Skipped,
}

impl Outcome {
    /// Reads the lines of one run, or of several.
    ///
    /// # Errors
    /// A line that the plugin does not write, or two tests of one name.
    pub fn of(text: &str) -> Result<Self, String> {
        let mut outcome = Outcome::default();
        for line in text.lines() {
            match serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))? {
                Line::Collected { collected } => {
                    let name = name(&collected);
                    if outcome.tests.insert(name.clone(), Fate::Unfinished).is_some() {
                        return Err(format!("two tests are named {name}"));
                    }
                }
                Line::Phase { test, phase, outcome: word } => {
                    let test = name(&test);
                    let fate =
                        outcome.tests.get_mut(&test).ok_or_else(|| format!("{test} ran and was not collected"))?;
                    *fate = fate.after(&phase, &word);
                }
            }
        }
        Ok(outcome)
    }

    pub fn count(&self, fates: &[Fate]) -> usize {
        self.tests.values().filter(|fate| fates.contains(fate)).count()
    }
}

impl Fate {
    fn after(self, phase: &Phase, word: &Word) -> Fate {
        match (self, phase, word) {
            (Fate::Unfinished, Phase::Call, Word::Passed) => Fate::Passed,
            (Fate::Passed, Phase::Teardown, Word::Failed) => Fate::PassedUnclean,
            (Fate::Unfinished, _, Word::Skipped) => Fate::Skipped,
            (Fate::Unfinished, _, Word::Failed) => Fate::Failed,
            (fate, _, _) => fate,
        }
    }

    pub fn has_passed(self) -> bool {
        matches!(self, Fate::Passed | Fate::PassedUnclean)
    }
}

/// The name of a test, without its file.
fn name(id: &str) -> String {
    id.split_once("::").map_or(id, |(_, name)| name).to_owned()
}

/// The name of a test without its parameters.
pub fn base(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(lines: &[(&str, &str)]) -> Fate {
        let mut text = r#"{"collected": "f.py::test_a[x y]"}"#.to_owned();
        for (phase, outcome) in lines {
            text +=
                &format!("\n{{\"test\": \"f.py::test_a[x y]\", \"phase\": \"{phase}\", \"outcome\": \"{outcome}\"}}");
        }
        Outcome::of(&text).unwrap().tests["test_a[x y]"]
    }

    #[test]
    fn the_fate_of_a_test_is_that_of_its_phases() {
        let (ready, clean) = (("setup", "passed"), ("teardown", "passed"));
        assert_eq!(fate(&[ready, ("call", "passed"), clean]), Fate::Passed);
        assert_eq!(fate(&[ready, ("call", "passed"), ("teardown", "failed")]), Fate::PassedUnclean);
        assert_eq!(fate(&[ready, ("call", "failed"), clean]), Fate::Failed);
        assert_eq!(fate(&[ready, ("call", "failed"), ("teardown", "failed")]), Fate::Failed);
        assert_eq!(fate(&[ready, ("call", "skipped"), clean]), Fate::Skipped);
        assert_eq!(fate(&[("setup", "failed"), clean]), Fate::Failed);
        assert_eq!(fate(&[("setup", "skipped"), clean]), Fate::Skipped);
        assert_eq!(fate(&[]), Fate::Unfinished);
        assert_eq!(fate(&[ready]), Fate::Unfinished);
    }

    #[test]
    fn lines_that_say_less_than_they_should_are_refused() {
        let collected = r#"{"collected": "f.py::test_a"}"#;
        assert!(Outcome::of(&format!("{collected}\n{}", collected.replace("f.py", "g.py"))).is_err());
        assert!(Outcome::of(r#"{"test": "f.py::test_a", "phase": "call", "outcome": "passed"}"#).is_err());
        assert!(Outcome::of(&format!("{collected}\n{{\"test\": \"f.py::test_a\"}}")).is_err());
    }
}
