//! What a compiled document holds of memory, counted. A test binary of its own: the counter is of the whole process.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tandem_policy::{Document, Kind};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The memory that a document holds once it is compiled.
fn held_by(text: &str, kind: Kind<'_>) -> usize {
    let region = Region::new(ALLOCATOR);
    let document = Document::parse(text.as_bytes(), kind).unwrap_or_else(|error| panic!("{error}: {text:.100}"));
    let change = region.change();
    let held = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    drop(document);
    held
}

/// `head` and `tail` around as many different parts as 20 KiB have room for.
fn filled(head: &str, part: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = head.to_owned();
    for at in 0.. {
        let next = part(at);
        if text.len() + next.len() + 1 + tail.len() > 20_480 {
            break;
        }
        if at > 0 {
            text.push(',');
        }
        text.push_str(&next);
    }
    text + tail
}

/// Ten thousand policies may be stored, with five versions each: none is to take many times the memory of its text.
#[test]
fn a_compiled_policy_holds_a_small_multiple_of_its_text() {
    let letters = |at: usize| {
        let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
        format!("{}{}{}", letter(at), letter(at / 26), letter(at / 676))
    };
    let lone = r#""Effect":"Allow","Action":"s3:*","Resource":"*","#;
    let documents = [
        filled(
            r#"{"Statement":["#,
            |at| format!(r#"{{"Effect":"Deny","Action":"a:{}","Resource":"*"}}"#, letters(at)),
            "]}",
        ),
        filled(
            r#"{"Statement":["#,
            |at| format!(r#"{{"Effect":"Deny","Action":"a:{}*","Resource":"arn:"}}"#, letters(at)),
            "]}",
        ),
        filled(r#"{"Statement":["#, |_| r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#.to_owned(), "]}"),
        filled(
            r#"{"Statement":{"Effect":"Allow","Resource":"*","Action":["#,
            |at| format!(r#""a:{}*""#, letters(at)),
            "]}}",
        ),
        filled(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":["#, |_| r#""arn:*""#.to_owned(), "]}}"),
        filled(
            &format!(r#"{{"Statement":{{{lone}"Condition":{{"StringLike":{{"a:b":["#),
            |_| r#""*""#.to_owned(),
            "]}}}}",
        ),
        filled(
            &format!(r#"{{"Statement":{{{lone}"Condition":{{"ArnLike":{{"a:b":["#),
            |_| r#""*""#.to_owned(),
            "]}}}}",
        ),
        filled(
            &format!(r#"{{"Statement":{{{lone}"Condition":{{"NumericEquals":{{"a:b":["#),
            |_| "1".to_owned(),
            "]}}}}",
        ),
        filled(
            &format!(r#"{{"Statement":{{{lone}"Condition":{{"BinaryEquals":{{"a:b":["#),
            |_| r#""""#.to_owned(),
            "]}}}}",
        ),
        filled(
            &format!(r#"{{"Statement":{{{lone}"Condition":{{"StringLike":{{"#),
            |at| format!(r#""a:{}":"x""#, letters(at)),
            "}}}}",
        ),
        filled(
            &format!(r#"{{"Statement":{{{lone}"Condition":{{"Bool":{{"#),
            |at| format!(r#""a:{}":[]"#, letters(at)),
            "}}}}",
        ),
        filled(
            &format!(r#"{{"Version":"2012-10-17","Statement":{{{lone}"Condition":{{"StringLike":{{"a:b":["#),
            |at| format!(r#""${{{}}}""#, letters(at)),
            "]}}}}",
        ),
    ];
    for text in &documents {
        let held = held_by(text, Kind::Identity);
        let most = 8 * text.len();
        assert!(held <= most, "{held} bytes for {} of {text:.90}", text.len());
        println!("{:>7} bytes held, {:.1} times the text of {text:.90}", held, held as f64 / text.len() as f64);
    }
}
