use std::collections::BTreeMap;

use crate::case::Compiled;
use crate::generate::{ask_again, case};
use crate::random::Random;
use crate::reference::{Outcome, decide};

/// `TANDEM_POLICY_DECISIONS` and `TANDEM_POLICY_SEED` make a longer run, or another.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn the_engine_decides_as_the_naive_evaluator_does() {
    let wanted = setting("TANDEM_POLICY_DECISIONS", 120_000);
    let seed = setting("TANDEM_POLICY_SEED", 3);
    let mut random = Random::new(seed);
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut decided, mut refused) = (0, 0_u64);
    while decided < wanted {
        let mut case = case(&mut random);
        // Some generated documents are not well formed: an action that acts on none of its resources.
        let Ok(compiled) = Compiled::of(&case) else {
            refused += 1;
            continue;
        };
        for _ in 0..8 {
            let reference = decide(&case);
            let (engine, why) = compiled.ask(&case, |decision| {
                let outcome = match (decision.allowed, decision.is_explicit_deny()) {
                    (true, _) => Outcome::Allowed,
                    (false, true) => Outcome::Denied,
                    (false, false) => Outcome::Default,
                };
                (outcome, if outcome == reference { String::new() } else { decision.why.to_string() })
            });
            assert_eq!(engine, reference, "seed {seed}, decision {decided}: {why}\n{case:#?}");
            let name = match engine {
                Outcome::Allowed => "allowed",
                Outcome::Denied => "denied",
                Outcome::Default => "default",
            };
            *seen.entry(name).or_default() += 1;
            decided += 1;
            ask_again(&mut random, &mut case);
        }
    }
    println!("{decided} decisions, seed {seed}: {seen:?}; {refused} cases with a malformed document");
    for (name, count) in &seen {
        assert!(count * 8 > decided, "{name} comes too seldom to mean anything: {count} of {decided}");
    }
    assert_eq!(seen.len(), 3);
}
