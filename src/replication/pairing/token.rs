use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::tls::Fingerprint;

const PREFIX: &str = "tandem1.";

/// What an operator carries from one node to the other: where to dial, which certificate must answer, and a one-time secret.
/// No `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    pub address: String,
    pub fingerprint: Fingerprint,
    pub secret: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a pairing token; ask the other node for a new one (tandem peer token)")]
pub(crate) struct InvalidToken;

impl Token {
    pub(crate) fn to_text(&self) -> String {
        let bytes = postcard::to_stdvec(self).expect("a token is plain data");
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(InvalidToken)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| InvalidToken)?;
        match postcard::take_from_bytes(&bytes) {
            Ok((token, [])) => Ok(token),
            _ => Err(InvalidToken),
        }
    }
}
