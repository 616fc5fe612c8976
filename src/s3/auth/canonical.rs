//! The canonical request and the string to sign, as SigV4 for S3 defines them. Pure.

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;

use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Query;
use crate::s3::route::{encode_into, unreserved};

/// What a signature covers.
pub struct Signed<'a> {
    pub method: &'a str,
    /// Decoded.
    pub path: &'a str,
    pub query: &'a Query,
    pub headers: &'a HeaderMap,
    /// `SignedHeaders` as sent: names with semicolons between them.
    pub names: &'a str,
    /// The last line: `x-amz-content-sha256` as sent, or UNSIGNED-PAYLOAD.
    pub payload: &'a str,
}

impl Signed<'_> {
    /// # Errors
    /// `SignatureDoesNotMatch`, when a header is named and not there.
    pub fn canonical_request(&self) -> Result<Vec<u8>, S3Error> {
        let mut text = Vec::with_capacity(1024);
        text.extend_from_slice(self.method.as_bytes());
        text.push(b'\n');
        encode_path(&mut text, self.path);
        text.push(b'\n');
        self.write_query(&mut text);
        text.push(b'\n');
        for name in self.names.split(';') {
            self.write_header(&mut text, name)?;
        }
        text.push(b'\n');
        text.extend_from_slice(self.names.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(self.payload.as_bytes());
        Ok(text)
    }

    /// Encoded pairs in order of name, then value; the signature itself is left out.
    fn write_query(&self, text: &mut Vec<u8>) {
        if self.query.0.is_empty() {
            return;
        }
        let encode = |part: &str| {
            let mut encoded = Vec::with_capacity(part.len() + 8);
            encode_into(&mut encoded, part, false);
            encoded
        };
        let mut pairs: Vec<_> = self
            .query
            .0
            .iter()
            .filter(|(name, _)| name != "X-Amz-Signature")
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        pairs.sort_unstable();
        for (index, (name, value)) in pairs.iter().enumerate() {
            if index > 0 {
                text.push(b'&');
            }
            text.extend_from_slice(name);
            text.push(b'=');
            text.extend_from_slice(value);
        }
    }

    /// `name:value\n`; values of a repeated header with commas between them.
    fn write_header(&self, text: &mut Vec<u8>, name: &str) -> Result<(), S3Error> {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        let mut values = self.headers.get_all(name).iter();
        // An upper-case name finds its header too; but no signer writes one.
        let first = values.next().filter(|_| !name.bytes().any(|byte| byte.is_ascii_uppercase()));
        let first = first.ok_or_else(|| S3Error::of(ErrorCode::SignatureDoesNotMatch))?;
        write_value(text, first.as_bytes());
        for value in values {
            text.push(b',');
            write_value(text, value.as_bytes());
        }
        text.push(b'\n');
        Ok(())
    }
}

fn encode_path(text: &mut Vec<u8>, path: &str) {
    if path.bytes().all(|byte| unreserved(byte) || byte == b'/') {
        text.extend_from_slice(path.as_bytes());
    } else {
        encode_into(text, path, true);
    }
}

/// Without white space at the ends, and with one space for each run inside.
fn write_value(text: &mut Vec<u8>, value: &[u8]) {
    let value = value.trim_ascii();
    let blank = |byte: u8| byte == b' ' || byte == b'\t';
    let plain = !value.contains(&b'\t') && !value.windows(2).any(|pair| pair == b"  ");
    if plain {
        text.extend_from_slice(value);
        return;
    }
    for (index, word) in value.split(|byte| blank(*byte)).filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}

pub fn string_to_sign(timestamp: &str, scope: &str, canonical_request: &[u8]) -> Vec<u8> {
    let mut hash = [0; 64];
    hex::encode_to_slice(digest(&SHA256, canonical_request), &mut hash).expect("64 digits for 32 bytes");
    let mut text = Vec::with_capacity(160);
    for line in ["AWS4-HMAC-SHA256", timestamp, scope] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(&hash);
    text
}
