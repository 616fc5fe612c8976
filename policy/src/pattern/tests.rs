use proptest::prelude::*;

use super::{matches, wild};
use crate::steps::Steps;

/// What `*` and `?` mean, said as directly as can be.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => naive(rest, text) || text.split_first().is_some_and(|(_, left)| naive(pattern, left)),
        (Some(('?', rest)), Some((_, left))) => naive(rest, left),
        (Some((wanted, rest)), Some((found, left))) => wanted == found && naive(rest, left),
        _ => false,
    }
}

fn agrees(pattern: &str, text: &str) -> Result<(), TestCaseError> {
    let wanted = naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
    prop_assert_eq!(matches(&wild(pattern), text, &Steps::default()), wanted, "{} of {}", pattern, text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_agrees_with_the_naive_one(pattern in "[ab*?\u{e9}\u{20ac}]{0,10}", text in "[ab\u{e9}\u{20ac}]{0,12}") {
        agrees(&pattern, &text)?;
    }

    /// Pieces longer than a word of Shift-And, with the words' edges in every place.
    #[test]
    fn long_pieces_agree_with_the_naive_matcher(
        head in "[ab?]{0,3}",
        middle in "[a?\u{e9}]{60,140}",
        tail in "[b?]{0,3}",
        around in "[ab\u{e9}]{0,4}",
        cut in 0_usize..4,
    ) {
        let pattern = format!("{head}*{middle}*{tail}");
        let filled = |text: &str| text.replace('?', "\u{e9}");
        agrees(&pattern, &format!("{}{around}{}{around}{}", filled(&head), filled(&middle), filled(&tail)))?;
        let short: String = filled(&middle).chars().skip(cut).collect();
        agrees(&pattern, &format!("{}{around}{short}{}", filled(&head), filled(&tail)))?;
    }
}

fn taken(pattern: &str, text: &str) -> usize {
    let steps = Steps::new(u32::MAX);
    assert!(!matches(&wild(pattern), text, &steps), "{pattern:.40}");
    steps.taken() as usize
}

#[test]
fn pathological_patterns_take_no_more_steps_than_text_and_pattern_together() {
    let text = "a".repeat(8_192);
    for pattern in [
        format!("*{}b", "a".repeat(1000)),
        format!("*{}b*", "a".repeat(1000)),
        format!("{}b", "a*".repeat(1023)),
        format!("{}b", "*?".repeat(1023)),
        format!("{}b", "a?*".repeat(600)),
        format!("*{}b*", "a?".repeat(31)),
        format!("{}*b*", "*a?".repeat(1000)),
        format!("*{}b", "a?".repeat(4000)),
        format!("{}*b", "a?".repeat(4000)),
    ] {
        let steps = taken(&pattern, &text);
        assert!(steps <= text.len() + 2 * pattern.len(), "{steps} steps for {pattern:.20}");
    }
}

#[test]
fn a_long_piece_with_question_marks_moves_64_places_a_step() {
    let text = "a".repeat(8_192);
    for places in [65, 512, 4_096] {
        let pattern = format!("*{}b*", "a?".repeat(places / 2));
        let words = (places + 1).div_ceil(64);
        let steps = taken(&pattern, &text);
        let most = (text.len() + 1) * words + pattern.len() + text.len() / 16;
        assert!(steps <= most, "{steps} steps for {places} places");
    }
}

#[test]
fn who_has_no_steps_left_matches_nothing_for_long() {
    let (pattern, text) = (format!("*{}b*", "a?".repeat(4_000)), "a".repeat(8_192));
    let steps = Steps::new(1_000);
    assert!(!matches(&wild(&pattern), &text, &steps));
    assert!(steps.are_spent());
}

#[test]
fn anchors_do_not_overlap() {
    let holds = |pattern: &str, text: &str| matches(&wild(pattern), text, &Steps::default());
    assert!(!holds("ab*ba", "aba"));
    assert!(holds("ab*ba", "abba"));
    assert!(holds("a*b*c", "aXbYbc"));
    assert!(!holds("a*bb*b", "abb"));
    assert!(holds("***", ""));
    assert!(holds("*?", "\u{e9}") && !holds("*??", "\u{e9}"));
    assert!(holds("?*?", "\u{20ac}\u{e9}") && holds("*?\u{e9}*", "a\u{20ac}\u{e9}"));
    assert!(matches(b"a*", "a*", &Steps::default()) && !matches(b"a*", "ab", &Steps::default()));
}
