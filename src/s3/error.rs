//! S3's errors: code, status, message, resource. The one map from inner errors to codes.

/// Implementer (protocol): all codes of S3's list that can be met, each with its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    AccessDenied,
    InternalError,
    InvalidArgument,
    NoSuchBucket,
    NoSuchKey,
    NotImplemented,
}

/// An error as a handler returns it; request id and resource are added at the edge.
#[derive(Clone, Debug)]
pub struct S3Error {
    pub code: ErrorCode,
    pub message: String,
    /// Further elements of the error document, such as `BucketName` or `ActualObjectSize`.
    pub details: Vec<(&'static str, String)>,
    /// Extra response headers, such as `x-tandem-role`.
    pub headers: Vec<(&'static str, String)>,
}

impl S3Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        S3Error { code, message: message.into(), details: Vec::new(), headers: Vec::new() }
    }
}
