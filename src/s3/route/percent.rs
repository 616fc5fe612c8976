//! Percent-decoding, once and strictly; percent-encoding as signatures have it.

/// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

/// Whether `+` stands for a space (query strings) or for itself (paths).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    IsSpace,
    IsItself,
}

pub fn decode(text: &str, plus: Plus) -> Result<String, Undecodable> {
    let special = |byte: u8| byte == b'%' || (byte == b'+' && plus == Plus::IsSpace);
    if !text.bytes().any(special) {
        return Ok(text.to_owned());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'%' => {
                let [high, low, tail @ ..] = rest else { return Err(Undecodable) };
                decoded.push(digit(*high)? << 4 | digit(*low)?);
                rest = tail;
            }
            b'+' if plus == Plus::IsSpace => decoded.push(b' '),
            other => decoded.push(*other),
        }
    }
    String::from_utf8(decoded).map_err(|_| Undecodable)
}

fn digit(byte: u8) -> Result<u8, Undecodable> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(Undecodable)
}

/// RFC 3986's unreserved characters: the only ones that signatures leave as they are.
pub const fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends `text` with every byte but unreserved ones encoded in upper-case hexadecimal; `/` stays when `keep_slash`.
pub fn encode_into(out: &mut Vec<u8>, text: &str, keep_slash: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if unreserved(byte) || (keep_slash && byte == b'/') {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Plus, Undecodable, decode, encode_into};

    #[test]
    fn decodes_once_and_refuses_what_is_malformed() {
        assert_eq!(decode("a%2Fb+c", Plus::IsItself).as_deref(), Ok("a/b+c"));
        assert_eq!(decode("a%252Fb+c", Plus::IsSpace).as_deref(), Ok("a%2Fb c"));
        for bad in ["%", "%2", "%zz", "%C0%AE", "%ff", "a%+1"] {
            assert_eq!(decode(bad, Plus::IsItself), Err(Undecodable), "{bad}");
        }
    }

    #[test]
    fn encoding_is_that_of_signatures() {
        let mut out = Vec::new();
        encode_into(&mut out, "a b/c~\u{e9}", true);
        assert_eq!(out, b"a%20b/c~%C3%A9");
        out.clear();
        encode_into(&mut out, "a/b=", false);
        assert_eq!(out, b"a%2Fb%3D");
    }
}
