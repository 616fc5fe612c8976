//! What a run says against the lists: what was lost, what fails without a reason, and which reasons explain nothing.

use std::collections::BTreeSet;

use super::outcome::{CLEAN_UP, Fate, Outcome, base};
use super::reasons::{Name, Reasons};

/// Which tests were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    All,
    /// Some, by pytest's `-k`: nothing is said of the others.
    Some,
}

/// Everything that is wrong. Each list holds names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// They passed before, and now do not.
    pub lost: Vec<String>,
    /// They do not pass, and no row says why.
    pub unexplained: Vec<String>,
    /// Rows that no failing test needs, or whose `*` takes in a test that passes.
    pub stale: Vec<String>,
    /// pytest stopped before they ended.
    pub unfinished: Vec<String>,
    /// They pass, and are not on the list yet. That is no fault.
    pub gained: Vec<String>,
}

impl Verdict {
    pub fn of(outcome: &Outcome, known: &BTreeSet<String>, reasons: &Reasons, asked: Asked) -> Self {
        let passed = |name: &str| outcome.tests.get(name).is_some_and(|fate| fate.has_passed());
        let is_asked = |name: &str| asked == Asked::All || outcome.tests.contains_key(name);
        let mut verdict = Verdict {
            lost: known.iter().filter(|name| is_asked(name) && !passed(name)).cloned().collect(),
            gained: outcome.tests.keys().filter(|name| passed(name) && !known.contains(*name)).cloned().collect(),
            ..Verdict::default()
        };
        let mut needed: BTreeSet<&Name> = BTreeSet::new();
        for (test, fate) in &outcome.tests {
            let (name, list) = match fate {
                Fate::Passed => continue,
                Fate::Unfinished => (test.clone(), &mut verdict.unfinished),
                Fate::Skipped | Fate::Failed => (base(test).to_owned(), &mut verdict.unexplained),
                Fate::PassedUnclean => (format!("{}{CLEAN_UP}", base(test)), &mut verdict.unexplained),
            };
            let rows: Vec<&Name> = reasons.names.iter().filter(|row| row.matches(&name)).collect();
            if *fate == Fate::Unfinished || rows.is_empty() {
                list.push(test.clone());
            }
            needed.extend(rows);
        }
        let too_wide = |row: &Name| {
            let mut wholly_passing = outcome.tests.iter().filter(|(_, fate)| fate.has_passed());
            matches!(row, Name::Beginning(_)) && wholly_passing.any(|(test, _)| row.matches(base(test)))
        };
        let is_stale = |row: &&Name| too_wide(row) || (asked == Asked::All && !needed.contains(*row));
        verdict.stale = reasons.names.iter().filter(is_stale).map(Name::to_string).collect();
        verdict
    }

    /// One line for each fault; without any the run is good.
    pub fn faults(&self) -> Vec<String> {
        let tell =
            |names: &[String], what: &str| names.iter().map(|name| format!("{name}: {what}")).collect::<Vec<_>>();
        [
            tell(&self.lost, "passed before, and now does not"),
            tell(&self.unexplained, "does not pass, and failing.md does not say why"),
            tell(&self.stale, "failing.md explains it, and no failing test needs that, or it takes in a passing one"),
            tell(&self.unfinished, "pytest stopped before it ended"),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests;
