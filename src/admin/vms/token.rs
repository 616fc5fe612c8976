//! `/token/`: a password for bearer tokens, and a refresh token for an access token.

use serde_json::{Value, json};

use super::error::VmsError;
use super::face::Face;
use super::jwt::TokenType;
use super::route::{Call, Running};
use super::schema::{Field, Kind, Schema, Usage, field, read};
use axum::http::StatusCode;

pub const PAIR: Schema = Schema {
    name: "TokenPair",
    fields: &[
        read("access", Kind::Text, "opens calls, for a quarter of an hour"),
        read("refresh", Kind::Text, "gives other access tokens, for twelve hours"),
    ],
};

pub const LOGIN: &[Field] = &[
    field("username", Kind::Text, Usage::Write, "the administrator's name").required(),
    field("password", Kind::Text, Usage::Write, "the admin password").required(),
];

pub const REFRESH: &[Field] = &[field("refresh", Kind::Text, Usage::Write, "a refresh token").required()];

pub fn login(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let (user, password) = (call.needed("username")?, call.needed("password")?);
        if !face.gate.password_of(user, password) {
            return Err(refuse(&face, &call, "No active account found with the given credentials"));
        }
        Ok(pair(&face, user))
    })
}

pub fn refresh(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let token = call.needed("refresh")?;
        let Some(user) = face.gate.signer.verify(TokenType::Refresh, token, face.clock.now()) else {
            return Err(refuse(&face, &call, "Token is invalid or expired"));
        };
        Ok(pair(&face, &user))
    })
}

fn pair(face: &Face, user: &str) -> Value {
    let issue = |token_type| face.gate.signer.issue(token_type, user, &*face.clock);
    json!({"access": issue(TokenType::Access), "refresh": issue(TokenType::Refresh)})
}

/// Guesses at this door count like those at any other.
fn refuse(face: &Face, call: &Call, detail: &str) -> VmsError {
    match face.gate.failed(call.operator.from, format!("{} {}", call.verb.name(), call.path)) {
        None => VmsError::Status(StatusCode::UNAUTHORIZED, detail.into()),
        Some(_) => VmsError::Status(StatusCode::TOO_MANY_REQUESTS, detail.into()),
    }
}
