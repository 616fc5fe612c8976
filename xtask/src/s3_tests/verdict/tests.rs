//! Mutants: each is a way in which a failing test could go by without a reason. The judge catches every one.

use std::collections::BTreeSet;

use super::*;

const PAGE: &str = "# Why tests fail\n\nA `*` ends a beginning.\n\n| Test | Why |\n|---|---|\n\
                    | `test_fails`, `test_post_*` | AWS answers 400 |\n| `test_skips` | needs a second root |\n";

/// A run that is good: what failed has its reason.
struct Case {
    page: String,
    known: BTreeSet<String>,
    outcome: Outcome,
}

impl Case {
    fn good() -> Self {
        let fates = [
            ("test_passes", Fate::Passed),
            ("test_passes_too[a]", Fate::Passed),
            ("test_fails[x]", Fate::Failed),
            ("test_fails[y]", Fate::Passed),
            ("test_post_a", Fate::Failed),
            ("test_post_b", Fate::Failed),
            ("test_skips", Fate::Skipped),
        ];
        let tests = fates.into_iter().map(|(name, fate)| (name.to_owned(), fate)).collect();
        let known = ["test_passes", "test_passes_too[a]", "test_fails[y]"].map(str::to_owned).into();
        Case { page: PAGE.to_owned(), known, outcome: Outcome { tests } }
    }

    fn with(mut self, name: &str, fate: Fate) -> Self {
        self.outcome.tests.insert(name.to_owned(), fate);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.outcome.tests.remove(name).expect("a test of the good case");
        self
    }

    fn page(mut self, from: &str, to: &str) -> Self {
        assert!(self.page.contains(from), "{from}");
        self.page = self.page.replace(from, to);
        self
    }

    /// What is wrong, as the command prints it.
    fn faults(&self) -> Vec<String> {
        match Reasons::of(&self.page) {
            Err(faults) => faults,
            Ok(reasons) => Verdict::of(&self.outcome, &self.known, &reasons, Asked::All).faults(),
        }
    }
}

/// Each mutant, and the word by which its fault is known.
fn mutants() -> Vec<(&'static str, Case, &'static str)> {
    let good = Case::good;
    let row = "| `test_fails`, `test_post_*` | AWS answers 400 |\n";
    vec![
        ("a passing test fails", good().with("test_passes", Fate::Failed), "test_passes: passed before"),
        ("a new test fails", good().with("test_new", Fate::Failed), "test_new: does not pass"),
        ("a new test is skipped", good().with("test_new", Fate::Skipped), "test_new: does not pass"),
        ("its name begins like another's", good().with("test_failsafe", Fate::Failed), "test_failsafe: does not pass"),
        ("another's name begins like its", good().with("test_fail", Fate::Failed), "test_fail: does not pass"),
        ("a row is gone", good().page(row, ""), "test_fails[x]: does not pass"),
        ("only the prose has a star", good().page(row, "All: `*`.\n"), "test_post_a: does not pass"),
        ("only the prose names it", good().page(row, "See `test_fails`, `test_post_*`.\n"), "test_post_b: does not"),
        ("only a heading names it", good().page(row, "## `test_fails`\n"), "test_fails[x]: does not pass"),
        (
            "only a reason names it",
            good().page("`test_fails`, ", "").page("needs", "`test_fails`"),
            "test_fails[x]: does",
        ),
        ("a row of a star", good().page("`test_fails`", "`*`"), "is no name of a test"),
        ("a row of nearly a star", good().page("`test_fails`", "`test_*`"), "is no name of a test"),
        ("a reason is absent", good().page("AWS answers 400", ""), "the reason is absent"),
        (
            "a star takes in a passing test",
            good().with("test_post_c", Fate::Passed),
            "test_post_*: failing.md explains",
        ),
        ("a reason outlives its failure", good().with("test_skips", Fate::Passed), "test_skips: failing.md explains"),
        ("a passing test is not asked", good().without("test_passes"), "test_passes: passed before"),
        ("one set of parameters is not asked", good().without("test_fails[y]"), "test_fails[y]: passed before"),
        ("pytest dies in a test", good().with("test_new", Fate::Unfinished), "test_new: pytest stopped"),
        (
            "pytest dies in a failing test",
            good().with("test_fails[x]", Fate::Unfinished),
            "test_fails[x]: pytest stopped",
        ),
        ("a clean-up fails", good().with("test_passes", Fate::PassedUnclean), "test_passes: does not pass"),
    ]
}

#[test]
fn a_run_whose_failures_have_reasons_is_good() {
    assert_eq!(Case::good().faults(), Vec::<String>::new());
}

#[test]
fn every_mutant_is_caught() {
    for (what, case, fault) in mutants() {
        let faults = case.faults();
        assert!(faults.iter().any(|line| line.contains(fault)), "{what}: {faults:?}");
    }
}

#[test]
fn a_row_explains_a_clean_up_only_by_name() {
    let unclean = || Case::good().with("test_passes", Fate::PassedUnclean);
    assert_ne!(unclean().page("`test_fails`", "`test_fails`, `test_passes`").faults(), Vec::<String>::new());
    assert_eq!(unclean().page("`test_fails`", "`test_fails`, `test_passes/clean-up`").faults(), Vec::<String>::new());
}

#[test]
fn of_tests_that_were_not_asked_nothing_is_said() {
    let Case { page, known, mut outcome } = Case::good();
    outcome.tests.retain(|name, _| name == "test_fails[x]");
    let verdict = Verdict::of(&outcome, &known, &Reasons::of(&page).unwrap(), Asked::Some);
    assert_eq!(verdict, Verdict::default());
}

/// The page of this repository itself: without any one of its rows some test would fail without a reason.
#[test]
fn each_name_of_the_real_page_is_needed_for_the_test_it_names() {
    let page = include_str!("../../../../tests/s3-tests/failing.md");
    let reasons = Reasons::of(page).unwrap();
    assert!(reasons.names.len() > 100, "{}", reasons.names.len());
    for name in &reasons.names {
        let test = name.to_string().replace('*', "anything");
        let (base, fate) = match test.strip_suffix(CLEAN_UP) {
            Some(base) => (base.to_owned(), Fate::PassedUnclean),
            None => (test, Fate::Failed),
        };
        let outcome = Outcome { tests: [(base, fate)].into() };
        let judged =
            |reasons: &Reasons| Verdict::of(&outcome, &BTreeSet::new(), reasons, Asked::Some).unexplained.len();
        let others = Reasons { names: reasons.names.iter().filter(|other| *other != name).cloned().collect() };
        assert_eq!((judged(&reasons), judged(&others)), (0, 1), "{name}");
    }
}

#[test]
fn no_test_of_the_real_lists_both_passes_and_has_a_reason_to_fail() {
    let reasons = Reasons::of(include_str!("../../../../tests/s3-tests/failing.md")).unwrap();
    for name in include_str!("../../../../tests/s3-tests/passing.txt").lines() {
        let explained = reasons.names.iter().any(|row| row.matches(name));
        assert!(!explained, "{name}");
    }
}
