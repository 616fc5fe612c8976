//! A request as handlers see it: parsed once, authenticated, authorized.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use tandem_storage::types::{BucketName, ObjectKey, Timestamp};

use super::access::{Granted, KnownBucket};
use super::error::{ErrorCode, S3Error};
use super::operation::Operation;
use super::payload::{Document, Payload};
use crate::identity::Credential;

/// `x-amz-request-id`: 16 upper-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Decoded query parameters, in order; a name without `=` has an empty value. Names that are read are unique (duplicates were refused).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(pub Vec<(String, String)>);

impl Query {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of a header that stands in the query. Names of headers have no case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What was asked, after routing; everything is decoded exactly once.
#[derive(Debug)]
pub struct Request {
    pub id: RequestId,
    pub operation: Operation,
    pub bucket: Option<BucketName>,
    pub key: Option<ObjectKey>,
    pub query: Query,
    pub headers: HeaderMap,
    /// The request's path as sent, for `<Resource>`.
    pub resource: String,
    pub received: Timestamp,
    pub secure: bool,
    /// The version of TLS, `1.3`.
    pub tls: Option<&'static str>,
    /// The socket's other end. No header has a say in it.
    pub client: IpAddr,
    pub signed: Signed,
    pub principal: Principal,
    /// The bucket that authorization decided about, and a copy's source.
    pub known: Option<Arc<KnownBucket>>,
    pub source: Option<Arc<KnownBucket>>,
    /// Rows had a say in the decision: who reads the object later, by a view of its own, has to ask again.
    pub decided_by_rows: bool,
    /// The document, where policies speak of what is in it.
    pub document: Option<Document>,
}

/// How a request was signed, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    Not,
    Header(Timestamp),
    Query(Timestamp),
}

impl Signed {
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Signed::Not => None,
            Signed::Header(at) | Signed::Query(at) => Some(at),
        }
    }
}

impl Request {
    /// A header's value as text; none when it is absent or not UTF-8. Policies see by it what handlers take: a value that only one of
    /// them could read would slip past a condition.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| str::from_utf8(value.as_bytes()).ok())
    }

    /// The bucket of an operation on one.
    ///
    /// # Errors
    /// `InvalidBucketName`: routing gives every bucket and object operation a bucket, so a handler of one never sees this.
    pub fn bucket_name(&self) -> Result<&BucketName, S3Error> {
        self.bucket.as_ref().ok_or_else(|| S3Error::of(ErrorCode::InvalidBucketName))
    }

    /// The key of an operation on an object.
    ///
    /// # Errors
    /// `InvalidURI`; as for [`bucket_name`](Self::bucket_name).
    pub fn object_key(&self) -> Result<&ObjectKey, S3Error> {
        self.key.as_ref().ok_or_else(|| S3Error::of(ErrorCode::InvalidURI))
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Principal {
    Anonymous,
    /// By a key or a session that was proved.
    Known(Arc<Credential>),
}

impl Principal {
    pub fn credential(&self) -> Option<&Arc<Credential>> {
        match self {
            Principal::Anonymous => None,
            Principal::Known(credential) => Some(credential),
        }
    }

    /// What rows keep of who made them: the unique id, which is nobody else's when names change hands.
    pub fn creator(&self) -> Option<String> {
        self.credential().map(|credential| credential.caller().user_id().to_owned())
    }
}

/// Proof that `O` was authenticated and allowed for this request: made of a [`Granted`] alone.
pub struct Authorized<O> {
    request: Arc<Request>,
    payload: Payload,
    operation: PhantomData<O>,
}

impl<O> Authorized<O> {
    pub(in crate::s3) fn grant(request: Arc<Request>, _granted: &Granted, payload: Payload) -> Self {
        Authorized { request, payload, operation: PhantomData }
    }

    pub fn principal(&self) -> &Principal {
        &self.request.principal
    }

    /// The request, and the only way to its body.
    pub fn into_parts(self) -> (Arc<Request>, Payload) {
        (self.request, self.payload)
    }
}

impl<O> std::ops::Deref for Authorized<O> {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}
