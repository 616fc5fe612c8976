//! `failing.md`: the tests that do not pass, each with its reason. Only the rows of its tables count, never its prose.

use std::collections::BTreeSet;

/// The names that the tables explain.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    pub names: BTreeSet<Name>,
}

/// One name of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The test of this name, with all its parameters.
    Whole(String),
    /// Every test whose name begins so: `test_post_object_*`. All of them fail.
    Beginning(String),
}

/// The shortest beginning: `test_` and two letters. A `*` alone explains nothing.
const BEGINNING_MIN: usize = "test_".len() + 2;

impl Name {
    pub fn matches(&self, test: &str) -> bool {
        match self {
            Name::Whole(name) => name == test,
            Name::Beginning(beginning) => test.starts_with(beginning.as_str()),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Whole(name) => f.write_str(name),
            Name::Beginning(beginning) => write!(f, "{beginning}*"),
        }
    }
}

impl Reasons {
    /// Reads the tables of a page.
    ///
    /// # Errors
    /// A line for each row that cannot be read: a first cell that is no list of names in backticks, a reason that is
    /// absent, a name twice.
    pub fn of(page: &str) -> Result<Self, Vec<String>> {
        let (mut reasons, mut wrong) = (Reasons::default(), Vec::new());
        for (number, line) in page.lines().enumerate() {
            let Some(cells) = cells(line) else { continue };
            let mut bad = |what: &str| wrong.push(format!("line {}: {what}", number + 1));
            match cells.as_slice() {
                ["Test", "Why"] => {}
                [rule, ..] if rule.chars().all(|c| c == '-') => {}
                [_, ""] => bad("the reason is absent"),
                [names, _] => match parse(names) {
                    Err(what) => bad(&what),
                    Ok(names) => {
                        let twice = names.into_iter().find(|name| !reasons.names.insert(name.clone()));
                        if let Some(name) = twice {
                            bad(&format!("{name} stands here a second time"));
                        }
                    }
                },
                _ => bad("a row has two cells: the tests, and why"),
            }
        }
        if wrong.is_empty() { Ok(reasons) } else { Err(wrong) }
    }

    /// Whether a row explains this test. `test` is a name without parameters.
    #[cfg(test)]
    fn explain(&self, test: &str) -> bool {
        self.names.iter().any(|name| name.matches(test))
    }
}

/// The cells of a line, if it is a row of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inside.split('|').map(str::trim).collect())
}

fn parse(cell: &str) -> Result<Vec<Name>, String> {
    cell.split(',').map(|word| name(word.trim())).collect()
}

fn name(word: &str) -> Result<Name, String> {
    let bad = || format!("{word:?} is no name of a test in backticks");
    let name = word.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).ok_or_else(bad)?;
    let plain = |text: &str| text.starts_with("test_") && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let base = name.strip_suffix(super::outcome::CLEAN_UP).unwrap_or(name);
    match base.strip_suffix('*') {
        Some(beginning) if plain(beginning) && beginning.len() >= BEGINNING_MIN && base == name => {
            Ok(Name::Beginning(beginning.to_owned()))
        }
        None if plain(base) => Ok(Name::Whole(name.to_owned())),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_rows_of_tables_alone() {
        let page = "# `test_title`\n\nProse: `*` and `test_prose` and `test_p*`.\n\n| Test | Why |\n|---|---|\n\
                    | `test_a`, `test_b_*` | want `c`, and `test_why` |\n\n- `test_list`\n";
        let reasons = Reasons::of(page).unwrap();
        let names: Vec<String> = reasons.names.iter().map(Name::to_string).collect();
        assert_eq!(names, ["test_a", "test_b_*"]);
        assert!(reasons.explain("test_a") && reasons.explain("test_b_c"));
        for other in ["test_ab", "test_b", "c", "test_why", "test_title", "test_prose", "test_list"] {
            assert!(!reasons.explain(other), "{other}");
        }
    }

    #[test]
    fn a_row_that_explains_too_much_or_nothing_is_refused() {
        for row in [
            "| `*` | all |",
            "| `test_*` | all |",
            "| `test_a*` | nearly all |",
            "| `test_a*b` | the middle |",
            "| test_a | no backticks |",
            "| `test_a` and `test_b` | no list |",
            "| `test_a` |  |",
            "| `test_a` |",
            "| `test_a` | why | more |",
            "| `` | nothing |",
            "| `a_test` | another beginning |",
            "| `test_a`, `test_a` | twice |",
        ] {
            assert!(Reasons::of(row).is_err(), "{row}");
        }
    }
}
