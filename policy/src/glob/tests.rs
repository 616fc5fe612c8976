use proptest::prelude::*;

use super::{Glob, tokens, tokens_match};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_matchers_agree_with_the_naive_one(pattern in "[ab*?\u{e9}]{0,10}", text in "[ab\u{e9}]{0,12}") {
        let wanted = naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
        prop_assert_eq!(Glob::wild(&pattern).matches(&text), wanted);
        let row: Vec<_> = tokens(&pattern).collect();
        prop_assert_eq!(tokens_match(&row, &text, &mut || ()), wanted);
    }
}

#[test]
fn pathological_patterns_cost_no_more_than_text_times_pattern() {
    let text = "a".repeat(1024);
    let worst = [
        format!("*{}b", "a".repeat(1000)),
        format!("{}b", "a*".repeat(1023)),
        format!("{}b", "*?".repeat(1023)),
        format!("{}b", "a?*".repeat(600)),
        format!("*{}b*", "a?".repeat(256)),
        format!("{}*b", "*a".repeat(1000)),
    ];
    for pattern in worst {
        let row: Vec<_> = tokens(&pattern).collect();
        let mut steps = 0_usize;
        assert!(!tokens_match(&row, &text, &mut || steps += 1));
        assert!(steps <= text.len() * pattern.len(), "{steps} steps");
        let many_stars = pattern.matches('*').count() > 1;
        assert!(
            !many_stars || steps <= text.len() * 600,
            "more stars do not multiply: {steps} steps for {pattern:.20}"
        );
    }
}

#[test]
fn anchors_do_not_overlap() {
    assert!(!Glob::wild("ab*ba").matches("aba"));
    assert!(Glob::wild("ab*ba").matches("abba"));
    assert!(Glob::wild("a*b*c").matches("aXbYbc"));
    assert!(!Glob::wild("a*bb*b").matches("abb"));
    assert!(Glob::wild("***").matches(""));
    assert!(Glob::literal("a*").matches("a*"));
    assert!(!Glob::literal("a*").matches("ab"));
}
