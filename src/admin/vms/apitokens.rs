//! `/apitokens/`: tokens that log in as their owner until they expire or are revoked.

use std::sync::Arc;

use serde_json::{Value, json};
use tandem_storage::types::Timestamp;

use super::error::VmsError;
use super::face::{Face, time};
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Field, Kind, Schema, Usage, field, read};
use crate::admin::USER;
use crate::identity::{ApiToken, Directory};

pub const SCHEMA: Schema = Schema {
    name: "ApiToken",
    fields: &[
        read("id", Kind::Text, "the public half"),
        super::entity::GUID,
        field("name", Kind::Text, Usage::Create, "for people").required(),
        super::entity::TITLE,
        super::entity::URL,
        read("state", Kind::Text, "ACTIVE, EXPIRED or REVOKED"),
        field("owner", Kind::Text, Usage::Create, "whose rights it has; none: who makes it"),
        field("expiry_date", Kind::Text, Usage::Create, "RFC 3339, or a time from now such as 30d; none: it stays")
            .nullable(),
        super::entity::CREATED,
        read("revoked", Kind::Flag, "whether it was revoked"),
        read("archived", Kind::Flag, "the same as `revoked`"),
    ],
};

pub const MADE: Schema = Schema {
    name: "NewApiToken",
    fields: &[read("id", Kind::Text, "the public half"), read("token", Kind::Text, "the whole token: shown this once")],
};

pub const CHANGE: &[Field] = &[
    field("name", Kind::Text, Usage::Write, "another name"),
    field(
        "expiry_date",
        Kind::Text,
        Usage::Write,
        "RFC 3339, or a time from when it was made, such as 30d; null: it stays",
    )
    .nullable(),
];

pub const NOTHING: &[Field] = &[];

fn show(face: &Face, call: &Call, token: &ApiToken, now: Timestamp) -> Value {
    let state = match (token.revoked, token.expires) {
        (true, _) => "REVOKED",
        (false, Some(expires)) if expires <= now => "EXPIRED",
        _ => "ACTIVE",
    };
    json!({
        "id": token.id.as_str(),
        "guid": face.guid("apitokens", &token.id),
        "name": token.name,
        "title": token.name,
        "url": call.url(&format!("apitokens/{}", token.id)),
        "state": state,
        "owner": token.owner,
        "expiry_date": token.expires.map(time),
        "created": time(token.created),
        "revoked": token.revoked,
        "archived": token.revoked,
    })
}

fn at(directory: &Directory, call: &Call) -> Result<Arc<ApiToken>, VmsError> {
    directory.tokens().find(|token| *token.id == *call.place()).cloned().ok_or_else(not_found)
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    let now = face.clock.now();
    Ok(face.directory().tokens().map(|token| show(face, call, token, now)).collect())
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    let token = at(&face.directory(), call)?;
    Ok(show(face, call, &token, face.clock.now()))
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let owner = call.text("owner").unwrap_or(USER).to_owned();
        if owner != USER {
            return Err(VmsError::field("owner", format!("There is no manager {owner}.")));
        }
        let name = call.needed("name")?.to_owned();
        let expires = call.text("expiry_date").filter(|text| !text.is_empty());
        let expires = expires.map(|text| expiry(text, face.clock.now())).transpose()?;
        let made = face.change(&call, move |draft| draft.create_token(&name, &owner, expires)).await?;
        Ok(json!({"id": made.token.id.as_str(), "token": made.text.as_str()}))
    })
}

/// Another name, or another time to expire, which counts from when the token was made. VMS answers with a sentence.
pub fn modify(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let token = at(&face.directory(), &call)?;
        let name = call.text("name").map(str::to_owned);
        let expires = match call.body.get("expiry_date") {
            None => None,
            Some(_) => {
                let text = call.text("expiry_date").filter(|text| !text.is_empty());
                Some(text.map(|text| expiry(text, token.created)).transpose()?)
            }
        };
        let number = token.number;
        face.change(&call, move |draft| draft.change_token(number, name.as_deref(), expires)).await?;
        Ok(json!("API token has been modified"))
    })
}

/// It opens nothing any more, and stays listed.
pub fn revoke(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let token = at(&face.directory(), &call)?;
        let number = token.number;
        let token = face.change(&call, move |draft| draft.revoke_token(number)).await?;
        Ok(show(&face, &call, &token, face.clock.now()))
    })
}

pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let number = at(&face.directory(), &call)?.number;
        face.change(&call, move |draft| draft.delete_token(number)).await?;
        Ok(Value::Null)
    })
}

/// `30d` from `start`, or a point in time.
fn expiry(text: &str, start: Timestamp) -> Result<Timestamp, VmsError> {
    let wrong = || VmsError::field("expiry_date", "RFC 3339, or a whole number and one of s, m, h, d, w, M, Y.");
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_micros(at.as_microsecond()));
    }
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let count: i64 = text[..text.len() - unit.len_utf8()].trim().parse().map_err(|_| wrong())?;
    const DAY: i64 = 86_400;
    let seconds = match unit {
        's' | 'S' => 1,
        'm' => 60,
        'h' | 'H' => 3_600,
        'd' | 'D' => DAY,
        'w' | 'W' => 7 * DAY,
        'M' => 30 * DAY,
        'y' | 'Y' => 365 * DAY,
        _ => return Err(wrong()),
    };
    let micros = count.checked_mul(seconds).and_then(|seconds| seconds.checked_mul(1_000_000));
    match micros.filter(|micros| *micros > 0 && *micros < i64::MAX / 2) {
        Some(micros) => Ok(start.plus_micros(micros)),
        None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_times_or_durations_in_the_published_units() {
        let now = Timestamp::from_secs(1_000);
        let seconds = |text: &str| expiry(text, now).map(|at| at.as_secs() - 1_000).ok();
        for (text, wanted) in [("15s", 15), ("10m", 600), ("1D", 86_400), ("2w", 1_209_600), ("1M", 2_592_000)] {
            assert_eq!(seconds(text), Some(wanted), "{text}");
        }
        assert_eq!(seconds("1970-01-01T01:00:00Z"), Some(2_600));
        for wrong in ["", "d", "-1d", "0d", "1x", "soon", "99999999999999Y", "1\u{20ac}"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
