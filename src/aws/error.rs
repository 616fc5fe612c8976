use bytes::Bytes;
use http::{Response, StatusCode};

use super::Service;
use super::answer;
use crate::identity::IdentityError;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::xml::XmlWriter;

/// An error as IAM and STS have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

impl QueryError {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        QueryError { status, code, message: message.into() }
    }

    pub fn validation(message: impl Into<String>) -> Self {
        QueryError::new(400, "ValidationError", message)
    }

    pub fn denied(message: impl Into<String>) -> Self {
        QueryError::new(403, "AccessDenied", message)
    }

    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a form failed inside");
        QueryError::new(500, "ServiceFailure", "The request processing has failed because of an internal error.")
    }

    /// What authentication answers S3's clients, in the codes of IAM's.
    pub fn from_authentication(error: &S3Error) -> Self {
        let (status, code) = match error.code {
            ErrorCode::InvalidAccessKeyId | ErrorCode::InvalidToken => (403, "InvalidClientTokenId"),
            ErrorCode::ExpiredToken => (403, "ExpiredToken"),
            ErrorCode::SignatureDoesNotMatch | ErrorCode::RequestTimeTooSkewed => (403, "SignatureDoesNotMatch"),
            ErrorCode::AccessDenied => (403, "MissingAuthenticationToken"),
            ErrorCode::MaxMessageLengthExceeded => (413, "RequestEntityTooLarge"),
            ErrorCode::InternalError => (500, "ServiceFailure"),
            _ => (400, "IncompleteSignature"),
        };
        let message = match error.code {
            ErrorCode::InvalidAccessKeyId | ErrorCode::InvalidToken => {
                "The security token included in the request is invalid."
            }
            ErrorCode::ExpiredToken => "The security token included in the request is expired",
            _ => &error.message,
        };
        QueryError::new(status, code, message)
    }

    pub fn response(&self, service: Service, id: &str) -> Response<Bytes> {
        let mut xml = XmlWriter::in_namespace("ErrorResponse", service.namespace());
        xml.open("Error");
        xml.text("Type", if self.status >= 500 { "Receiver" } else { "Sender" });
        xml.text("Code", self.code);
        xml.text("Message", &self.message);
        xml.close();
        xml.text("RequestId", id);
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer::response(status, xml.finish(), id)
    }
}

impl From<IdentityError> for QueryError {
    fn from(error: IdentityError) -> Self {
        let (status, code) = match &error {
            IdentityError::NoSuchEntity { .. } => (404, "NoSuchEntity"),
            IdentityError::EntityAlreadyExists { .. } => (409, "EntityAlreadyExists"),
            IdentityError::LimitExceeded(_) => (409, "LimitExceeded"),
            IdentityError::DeleteConflict(_) => (409, "DeleteConflict"),
            IdentityError::MalformedPolicyDocument(_) => (400, "MalformedPolicyDocument"),
            IdentityError::InvalidInput(_) => (400, "ValidationError"),
            IdentityError::SuperuserOnly => (403, "AccessDenied"),
            IdentityError::Concurrent => (409, "ConcurrentModification"),
            IdentityError::Commit(cause) => return QueryError::internal(cause),
        };
        QueryError::new(status, code, error.to_string())
    }
}
