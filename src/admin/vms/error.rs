use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::schema::{Faults, fault};

/// An answer that is not a success. Clients show its text to people.
#[derive(Debug)]
pub enum VmsError {
    /// 400 `{"field": ["..."]}`
    Fields(Faults),
    /// 409 `{"code": "...", "detail": "..."}`
    Conflict { code: &'static str, detail: String },
    /// Any other status: `{"detail": "..."}`
    Status(StatusCode, String),
    /// 405, with what is taken.
    Method { detail: String, allow: String },
}

impl VmsError {
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        VmsError::Fields(fault(name, message))
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        VmsError::Status(StatusCode::BAD_REQUEST, detail.into())
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        VmsError::Status(StatusCode::NOT_FOUND, detail.into())
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        VmsError::Status(StatusCode::FORBIDDEN, detail.into())
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        VmsError::Conflict { code, detail: detail.into() }
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        VmsError::Status(StatusCode::SERVICE_UNAVAILABLE, detail.into())
    }

    /// The fault goes to the log; the client learns that there is one.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "admin request");
        VmsError::Status(StatusCode::INTERNAL_SERVER_ERROR, "the node failed; its log says why".into())
    }

    pub fn status(&self) -> StatusCode {
        match self {
            VmsError::Fields(_) => StatusCode::BAD_REQUEST,
            VmsError::Conflict { .. } => StatusCode::CONFLICT,
            VmsError::Status(status, _) => *status,
            VmsError::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn document(&self) -> Value {
        match self {
            VmsError::Fields(faults) => Value::Object(faults.clone()),
            VmsError::Conflict { code, detail } => json!({"code": code, "detail": detail}),
            VmsError::Status(_, detail) | VmsError::Method { detail, .. } => json!({"detail": detail}),
        }
    }
}

impl IntoResponse for VmsError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.document())).into_response();
        if let VmsError::Method { allow, .. } = &self
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}
