//! S3's errors: code, status, message, resource. The one map from inner errors to codes.

use http::StatusCode;
use tandem_storage::blob::BlobError;
use tandem_storage::change::Refusal;
use tandem_storage::{CommitError, ReadError};

use crate::role::gate::Closed;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal;)*) => {
        /// S3's error codes that this server can answer with, each with its status and usual message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($name,)*
        }

        impl ErrorCode {
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name,)*];

            /// As it stands in `<Code>`.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => stringify!($name),)* }
            }

            pub const fn status_number(self) -> u16 {
                match self { $(ErrorCode::$name => $status,)* }
            }

            pub const fn usual_message(self) -> &'static str {
                match self { $(ErrorCode::$name => $message,)* }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs";
    AccessDenied 403 "Access Denied";
    AccessForbidden 403 "Access Forbidden";
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid.";
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid.";
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what we received.";
    BadRequest 400 "Bad Request";
    BucketAlreadyExists 409 "The requested bucket name is not available. Select a different name and try again.";
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty 409 "The bucket that you tried to delete is not empty.";
    ConditionalRequestConflict 409 "A conflicting operation occurred. If using PutObject you can retry the request. If using multipart upload you should initiate another CreateMultipartUpload request and re-upload each part.";
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed object size.";
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed object size.";
    ExpiredToken 400 "The provided token has expired.";
    IllegalLocationConstraintException 400 "The specified location constraint is not valid.";
    IllegalVersioningConfigurationException 400 "The versioning configuration specified in the request is not valid.";
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    IncorrectNumberOfFilesInPostRequest 400 "POST requires exactly one file upload per request.";
    InternalError 500 "We encountered an internal error. Please try again.";
    InvalidAccessKeyId 403 "The AWS access key ID that you provided does not exist in our records.";
    InvalidArgument 400 "Invalid Argument";
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    InvalidBucketName 400 "The specified bucket is not valid.";
    InvalidBucketState 409 "The request is not valid with the current state of the bucket.";
    InvalidChunkSizeError 400 "Only the last chunk is allowed to have a size less than 8192 bytes.";
    InvalidDigest 400 "The Content-MD5 or checksum value that you specified is not valid.";
    InvalidEncryptionAlgorithmError 400 "The encryption request that you specified is not valid. The valid value is AES256.";
    InvalidLocationConstraint 400 "The specified location (Region) constraint is not valid.";
    InvalidObjectState 403 "The operation is not valid for the object's storage class.";
    InvalidPart 400 "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.";
    InvalidPartNumber 416 "The requested partnumber is not satisfiable.";
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidRange 416 "The requested range is not satisfiable";
    InvalidRedirectLocation 400 "The website redirect location must be non-empty and must begin with http, https, or a slash.";
    InvalidRequest 400 "Invalid Request";
    InvalidStorageClass 400 "The storage class you specified is not valid.";
    InvalidTag 400 "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.";
    InvalidToken 400 "The provided token is malformed or otherwise not valid.";
    InvalidURI 400 "Couldn't parse the specified URI.";
    KeyTooLongError 400 "Your key is too long";
    MalformedACLError 400 "The XML you provided was not well-formed or did not validate against our published schema";
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.";
    MalformedPolicy 400 "The policy is not valid.";
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema";
    MaxMessageLengthExceeded 400 "Your request was too large.";
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large.";
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size.";
    MethodNotAllowed 405 "The specified method is not allowed against this resource.";
    MissingContentLength 411 "You must provide the Content-Length HTTP header.";
    MissingRequestBodyError 400 "Request Body is empty";
    MissingSecurityHeader 400 "Your request was missing a required header.";
    NoSuchBucket 404 "The specified bucket does not exist";
    NoSuchBucketPolicy 404 "The bucket policy does not exist";
    NoSuchKey 404 "The specified key does not exist.";
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found";
    NoSuchTagSet 404 "The TagSet does not exist";
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    NoSuchVersion 404 "The specified version does not exist.";
    NotImplemented 501 "A header or operation that you provided implies functionality that is not implemented.";
    NotModified 304 "Not Modified";
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Try again.";
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found";
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold";
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed request header section size.";
    RequestIsNotMultiPartContent 412 "A bucket POST request must be of the enclosure-type multipart/form-data.";
    RequestTimeTooSkewed 403 "The difference between the request time and the server's time is too large.";
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.";
    ServiceUnavailable 503 "Service is unable to handle request. Try again.";
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    SlowDown 503 "Please reduce your request rate.";
    StorageFull 507 "The disk of this node is nearly full. Delete something, or add space; deletes are still taken.";
    TooManyBuckets 400 "You have attempted to create more buckets than allowed.";
    UnexpectedContent 400 "This request contains unsupported content.";
    UnresolvableGrantByEmailAddress 400 "The e-mail address you provided does not match any account on record.";
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

impl ErrorCode {
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).expect("the table holds valid statuses")
    }
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
    /// The connection's framing cannot be trusted any more, or its body will not be read: close it after the answer.
    pub close: bool,
}

impl S3Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        S3Error { code, message: message.into(), details: Vec::new(), headers: Vec::new(), close: false }
    }

    /// With the code's usual message.
    pub fn of(code: ErrorCode) -> Self {
        S3Error::new(code, code.usual_message())
    }

    #[must_use]
    pub fn detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.details.push((element, value.into()));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// An inner failure: its cause goes to the log, not to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed inside");
        S3Error::of(ErrorCode::InternalError)
    }
}

impl From<ErrorCode> for S3Error {
    fn from(code: ErrorCode) -> Self {
        S3Error::of(code)
    }
}

impl From<Closed> for S3Error {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Destination { source } => {
                let reason =
                    "this node is the destination of the protected path: it takes no writes; write to the source";
                let error = S3Error::of(ErrorCode::AccessDenied).header("x-tandem-role", "destination");
                let error = error.detail("Reason", reason);
                match source {
                    Some(endpoint) => error.detail("Source", endpoint),
                    None => error,
                }
            }
            Closed::HandingOver => S3Error::of(ErrorCode::ServiceUnavailable)
                .header("x-tandem-role", "handing-over")
                .header("retry-after", "1")
                .detail("Reason", "the writable side of the protected path is being handed over; try again"),
        }
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchBucket => ErrorCode::NoSuchBucket.into(),
            Refusal::BucketExists => ErrorCode::BucketAlreadyOwnedByYou.into(),
            Refusal::BucketNotEmpty | Refusal::OwnsBuckets => ErrorCode::BucketNotEmpty.into(),
            Refusal::NoSuchKey | Refusal::ConditionOnAbsent => ErrorCode::NoSuchKey.into(),
            Refusal::NoSuchVersion => ErrorCode::NoSuchVersion.into(),
            Refusal::NoSuchUpload => ErrorCode::NoSuchUpload.into(),
            Refusal::InvalidPart(number) => {
                S3Error::of(ErrorCode::InvalidPart).detail("PartNumber", number.to_string())
            }
            Refusal::PreconditionFailed => ErrorCode::PreconditionFailed.into(),
            // The permit was good when the request began: a role change came in between.
            Refusal::Fenced => Closed::HandingOver.into(),
            Refusal::NoSpace => ErrorCode::StorageFull.into(),
            Refusal::BytesGone | Refusal::Stale => {
                S3Error::of(ErrorCode::ServiceUnavailable).header("retry-after", "1")
            }
            // Unlike a rate, this does not pass by itself: the message says what helps.
            Refusal::TooManyUploads => S3Error::new(
                ErrorCode::SlowDown,
                "You have as many multipart uploads in progress as one may have. Complete or abort some.",
            ),
            inner @ (Refusal::Overlaps
            | Refusal::NotHeld
            | Refusal::Unknown
            | Refusal::Damaged(_)
            | Refusal::TotalDiffers
            | Refusal::DigestDiffers
            | Refusal::Malformed(_)) => S3Error::internal(inner),
        }
    }
}

impl From<CommitError> for S3Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(refusal) => refusal.into(),
            CommitError::Stopped(cause) => {
                tracing::error!(%cause, "the store has stopped");
                ErrorCode::ServiceUnavailable.into()
            }
        }
    }
}

impl From<ReadError> for S3Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Blob(error) => error.into(),
            // The destination moved on to a newer restore point between two steps of this request.
            ReadError::NotHeld(_) => S3Error::of(ErrorCode::ServiceUnavailable).header("retry-after", "1"),
            inner @ (ReadError::Engine(_) | ReadError::Corrupt(_)) => S3Error::internal(inner),
        }
    }
}

impl From<BlobError> for S3Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::NoSpace => ErrorCode::StorageFull.into(),
            inner => S3Error::internal(inner),
        }
    }
}
