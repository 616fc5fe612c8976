use std::collections::BTreeMap;

use crate::case::{Case, Compiled};
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

/// DeleteObjects prepares its decision once and asks it of each key.
#[test]
fn a_decision_that_was_prepared_is_the_one_that_is_made_at_once() {
    let wanted = setting("TANDEM_POLICY_DECISIONS", 120_000) / 6;
    let mut random = Random::new(setting("TANDEM_POLICY_SEED", 3) + 1);
    let (mut decided, mut allowed) = (0, 0);
    while decided < wanted {
        let asked = case(&mut random);
        let Ok(compiled) = Compiled::of(&asked) else { continue };
        for _ in 0..4 {
            // The same caller asks the same of another object, with other tags and another owner.
            let mut other = asked.clone();
            ask_again(&mut random, &mut other);
            let tags = other.context.get("s3:existingobjecttag/class").cloned();
            let object = Case {
                resource: other.resource,
                object_owner: other.object_owner,
                context: asked.context.clone(),
                ..asked.clone()
            };
            let mut object = object;
            object.context.remove("s3:existingobjecttag/class");
            object.context.extend(tags.map(|tags| ("s3:existingobjecttag/class".to_owned(), tags)));
            let (prepared, at_once) = compiled.ask_prepared(&asked, &object, |decision| decision.allowed);
            assert_eq!(prepared, at_once, "decision {decided}: {asked:#?}\n{object:#?}");
            decided += 1;
            allowed += u64::from(at_once);
        }
    }
    assert!(allowed * 8 > decided && (decided - allowed) * 8 > decided, "{allowed} of {decided} allowed");
}
