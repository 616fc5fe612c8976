use tandem_policy::{evaluate, is_possible};

use crate::case::Compiled;
use crate::generate::{ask_again, case};
use crate::random::Random;

/// Who is refused before its document is read would have been refused after it, too.
#[test]
fn l9_whatever_is_allowed_is_possible() {
    let mut random = Random::new(9);
    let (mut allowed, mut impossible) = (0_u32, 0_u32);
    for _ in 0..1_500 {
        let mut case = case(&mut random);
        let Ok(compiled) = Compiled::of(&case) else { continue };
        for _ in 0..8 {
            let (is_allowed, possible) = compiled.with(&case, |policies, request| {
                let possible = is_possible(policies, request.caller, &request.action);
                (evaluate(policies, request).allowed, possible)
            });
            assert!(possible || !is_allowed, "{case:#?}");
            allowed += u32::from(is_allowed);
            impossible += u32::from(!possible);
            ask_again(&mut random, &mut case);
        }
    }
    assert!(allowed > 500 && impossible > 500, "the cases mean nothing: {allowed} allowed, {impossible} impossible");
}
