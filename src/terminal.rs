//! Text of others on its way to a terminal: keys, names, errors, whatever was sent from elsewhere. What could move the
//! cursor, end a line, hide, or turn the text around is shown as its code. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Control characters, line separators, and characters that change the direction of text or show nothing. Joiners stay:
/// writing systems and emoji are made with them.
fn is_dangerous(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// As one line that is safe to print: `\n`, `\u{1b}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, |out, character| out.extend(character.escape_default()))
}

/// JSON that is safe to print, and means the same: serializers leave most of these characters as they are, and only
/// texts have them. Line ends between values stay.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    replaced(json, |out, character| match character {
        '\n' => out.push('\n'),
        other => {
            let mut units = [0; 2];
            for unit in other.encode_utf16(&mut units) {
                // Writing to a text never fails.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    })
}

fn replaced(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_dangerous(character) {
            true => escape(&mut out, character),
            false => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// One entry of a log as a line. Colours that the log itself has stay, if it has any.
pub fn escaped_entry(entry: &str, coloured: bool) -> String {
    let body = entry.strip_suffix('\n').unwrap_or(entry);
    let mut out = String::with_capacity(entry.len());
    let mut rest = body;
    while let Some(at) = rest.find('\x1b').filter(|_| coloured) {
        out.push_str(&escaped(&rest[..at]));
        let colour = colour_at(&rest[at..]);
        match colour {
            Some(length) => out.push_str(&rest[at..at + length]),
            None => out.push_str("\\u{1b}"),
        }
        rest = &rest[at + colour.unwrap_or(1)..];
    }
    out.push_str(&escaped(rest));
    out.push('\n');
    out
}

/// The length of `ESC [ digits and semicolons m` at the start.
fn colour_at(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("\x1b[")?;
    let end = inside.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    inside[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of a kind that does something to a terminal, or to who reads it.
    const DANGEROUS: [char; 20] = [
        '\0',
        '\x07',
        '\x08',
        '\t',
        '\n',
        '\r',
        '\x1b',
        '\x7f',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{200b}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{e0041}',
    ];

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_its_code() {
        assert_eq!(escaped("x\r\x1b[2Kforged\n"), "x\\r\\u{1b}[2Kforged\\n");
        assert_eq!(escaped("photo\u{202e}gpj.exe"), "photo\\u{202e}gpj.exe");
        for character in DANGEROUS {
            let shown = escaped(&format!("a{character}b")).into_owned();
            assert!(shown.starts_with("a\\") && shown.ends_with('b'), "{shown:?}");
            assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in [
            "cat.jpg",
            "a b/c\\d",
            "Z\u{fc}rich \u{65e5}\u{672c}",
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{645}\u{200c}\u{646}",
        ] {
            assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn json_means_the_same_and_holds_nothing_dangerous() {
        let text: String = DANGEROUS.iter().chain(&['"', '\\', '\u{e9}']).collect();
        let value = serde_json::json!({ &text: [text, 1] });
        for json in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = escaped_json(&json);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
            assert!(!shown.chars().any(|character| is_dangerous(character) && character != '\n'), "{shown}");
            assert_eq!(shown.lines().count(), json.split('\n').count());
        }
    }

    #[test]
    fn an_entry_of_a_log_is_one_line_in_its_own_colours() {
        let entry = "\x1b[32m INFO\x1b[0m name=a\nERROR forged \x1b[2K\x1b]0;title\x07 \u{9b}2K\u{202e}\n";
        assert_eq!(
            escaped_entry(entry, true),
            "\x1b[32m INFO\x1b[0m name=a\\nERROR forged \\u{1b}[2K\\u{1b}]0;title\\u{7} \\u{9b}2K\\u{202e}\n"
        );
        assert!(!escaped_entry(entry, false).contains('\x1b'));
        assert_eq!(escaped_entry("\x1b[", true), "\\u{1b}[\n");
    }
}
