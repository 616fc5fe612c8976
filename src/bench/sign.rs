use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::content::Filled;

/// Signs requests by SigV4 in headers. Paths and queries are given in canonical form.
#[derive(Clone)]
pub struct Signer {
    access_key: String,
    secret_key: Zeroizing<String>,
    region: String,
    /// Sign the body's SHA-256 too, instead of UNSIGNED-PAYLOAD.
    signed_payload: bool,
    day: Option<(String, Vec<u8>)>,
}

/// The headers that a signature adds.
pub struct Signed {
    pub date: String,
    pub content_sha256: String,
    pub authorization: String,
}

impl Signer {
    pub fn new(access_key: String, secret_key: Zeroizing<String>, region: String, signed_payload: bool) -> Self {
        Signer { access_key, secret_key, region, signed_payload, day: None }
    }

    pub fn sign(&mut self, method: &str, host: &str, path: &str, query: &str, body: &Filled, now: Duration) -> Signed {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let date = Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = date[..8].to_owned();
        let content_sha256 = match self.signed_payload {
            true => sha256(body.clone()),
            false => "UNSIGNED-PAYLOAD".into(),
        };
        let request = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{content_sha256}\nx-amz-date:{date}\n\n\
             host;x-amz-content-sha256;x-amz-date\n{content_sha256}"
        );
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let hashed = sha256([bytes::Bytes::from(request)]);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}");
        let signature = calculate_signature(self.key(day, now), text.as_bytes());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}",
            self.access_key
        );
        Signed { date, content_sha256, authorization }
    }

    /// The day's signing key, made once a day.
    fn key(&mut self, day: String, now: Duration) -> &[u8] {
        if self.day.as_ref().is_none_or(|(known, _)| *known != day) {
            let key = generate_signing_key(&self.secret_key, SystemTime::UNIX_EPOCH + now, &self.region, "s3");
            self.day = Some((day, key.as_ref().to_vec()));
        }
        self.day.as_ref().map_or(&[], |(_, key)| key)
    }
}

fn sha256(pieces: impl IntoIterator<Item = bytes::Bytes>) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    pieces.into_iter().for_each(|piece| context.update(&piece));
    hex::encode(context.finish())
}
