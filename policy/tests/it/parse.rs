use proptest::prelude::*;
use tandem_policy::{Document, Kind};

use crate::generate::document;
use crate::random::Random;

const KINDS: [Kind<'static>; 5] =
    [Kind::Bucket { name: "bucket" }, Kind::Identity, Kind::Session, Kind::Trust, Kind::Key];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_parse_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in KINDS {
            let _ = Document::parse(&bytes, kind);
        }
    }

    #[test]
    fn a_damaged_document_parses_or_is_refused(seed in any::<u64>(), at in any::<prop::sample::Index>(), with in ".{0,3}") {
        let mut text = document(&mut Random::new(seed), seed % 2 == 0).to_string();
        let mut cut = at.index(text.len());
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        text.insert_str(cut, &with);
        for kind in KINDS {
            let _ = Document::parse(text.as_bytes(), kind);
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let text = format!("{{\"Statement\":{}1{}}}", "[".repeat(9_000), "]".repeat(9_000));
    for kind in KINDS {
        assert!(Document::parse(text.as_bytes(), kind).is_err());
    }
}
