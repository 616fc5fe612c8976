//! Handlers against a store in a temporary directory; signatures and HTTP are proved elsewhere.

mod buckets;
mod copies;
mod keys;
mod listings;
mod multipart;
mod objects;
mod races;
mod tags;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tandem_storage::disk::RealDisk;
use tandem_storage::types::{BucketName, NodeGuid, ObjectKey, Timestamp};
use tandem_storage::{EngineKind, Options, Store};

use crate::clock::Clock;
use crate::identity::Register;
use crate::role::gate::WriteGate;
use crate::s3::access::{authorize, reads_document};
use crate::s3::error::S3Error;
use crate::s3::operation::{self, Marker};
use crate::s3::payload::{Document, Payload};
use crate::s3::request::{Authorized, Principal, Query, Request, RequestId, Signed};
use crate::s3::response::{Response, ResponseBody};
use crate::s3::service::{Service, Settings};

pub(super) use races::KEEP;

/// A clock that a test moves, and numbers that repeat from run to run.
struct TestClock {
    secs: AtomicU64,
    drawn: AtomicU64,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.secs.load(Ordering::Relaxed) as i64)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.secs.load(Ordering::Relaxed))
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.drawn.fetch_add(1, Ordering::Relaxed);
            let drawn = blake3::hash(&number.to_le_bytes());
            chunk.copy_from_slice(&drawn.as_bytes()[..chunk.len()]);
        }
    }
}

const START_SECS: u64 = 1_700_000_000;

pub(super) struct Bench {
    pub(super) service: Service,
    clock: Arc<TestClock>,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Bench::in_region("us-east-1")
    }

    fn in_region(region: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = Options {
            engine: EngineKind::default(),
            node: NodeGuid::from_bytes([9; 16]),
            low_watermark_bytes: 0,
            reserve_bytes: 0,
            checkpoint_every_bytes: 1 << 30,
            cache_bytes: 8 << 20,
            memtable_writes: 64,
            journal_file_bytes: 64 << 20,
        };
        let store = Store::open(Arc::new(RealDisk::new(dir.path()).expect("a directory")), options).expect("a store");
        let clock = Arc::new(TestClock { secs: AtomicU64::new(START_SECS), drawn: AtomicU64::new(0) });
        let service = Service {
            gate: WriteGate::new(store.clone()),
            store,
            clock: Arc::clone(&clock) as _,
            settings: Arc::new(Settings { region: region.to_owned(), ..Settings::default() }),
            query: None,
            identities: Arc::new(Register::administrator("AK".into(), "SK".into(), &*clock)),
            metrics: crate::telemetry::Metrics::new(),
            audit: crate::audit::Audit::off(),
            buckets: Default::default(),
            signing_keys: Default::default(),
            documents: Default::default(),
            deciders: Default::default(),
        };
        Bench { service, clock, _dir: dir }
    }

    /// With a bucket of that name.
    async fn with(bucket: &str) -> Self {
        let bench = Bench::new();
        bench.send(Ask::of("PUT", bucket)).await.expect("a bucket");
        bench
    }

    fn tick(&self) {
        self.clock.secs.fetch_add(1, Ordering::Relaxed);
    }

    async fn put(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Ask::of("PUT", target).body(body)).await.expect("stored")
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.send(Ask::of("GET", target)).await.expect("read")
    }

    /// Routes and runs one request as the administrator.
    pub(super) async fn send(&self, ask: Ask) -> Result<Answer, S3Error> {
        let service = &self.service;
        macro_rules! run {
            ($module:ident, $marker:ident) => {
                match ask.authorized::<operation::$marker>(service) {
                    Ok(authorized) => super::$module::handle(service, authorized).await,
                    Err(error) => Err(error),
                }
            };
        }
        let (object, copy) = (ask.key.is_some(), ask.headers.contains_key("x-amz-copy-source"));
        let has = |name: &str| ask.query.iter().any(|(key, _)| key == name);
        let response = match (ask.method, object, ask.bucket.is_empty()) {
            ("GET", false, true) => run!(list_buckets, ListBuckets),
            ("PUT", false, _) if has("versioning") => run!(put_bucket_versioning, PutBucketVersioning),
            ("PUT", false, _) if has("tagging") => run!(put_bucket_tagging, PutBucketTagging),
            ("PUT", false, _) => run!(create_bucket, CreateBucket),
            ("HEAD", false, _) => run!(head_bucket, HeadBucket),
            ("DELETE", false, _) if has("tagging") => run!(delete_bucket_tagging, DeleteBucketTagging),
            ("DELETE", false, _) => run!(delete_bucket, DeleteBucket),
            ("POST", false, _) if has("delete") => run!(delete_objects, DeleteObjects),
            ("GET", false, _) if has("uploads") => run!(list_multipart_uploads, ListMultipartUploads),
            ("GET", false, _) if has("location") => run!(get_bucket_location, GetBucketLocation),
            ("GET", false, _) if has("versioning") => run!(get_bucket_versioning, GetBucketVersioning),
            ("GET", false, _) if has("versions") => run!(list_object_versions, ListObjectVersions),
            ("GET", false, _) if has("tagging") => run!(get_bucket_tagging, GetBucketTagging),
            ("GET", false, _) if has("list-type") => run!(list_objects_v2, ListObjectsV2),
            ("GET", false, _) => run!(list_objects, ListObjects),
            ("GET", true, _) if has("uploadId") => run!(list_parts, ListParts),
            ("GET", true, _) if has("tagging") => run!(get_object_tagging, GetObjectTagging),
            ("GET", true, _) if has("attributes") => run!(get_object_attributes, GetObjectAttributes),
            ("GET", true, _) => run!(get_object, GetObject),
            ("HEAD", true, _) => run!(head_object, HeadObject),
            ("PUT", true, _) if has("tagging") => run!(put_object_tagging, PutObjectTagging),
            ("PUT", true, _) if has("uploadId") && copy => run!(upload_part_copy, UploadPartCopy),
            ("PUT", true, _) if has("uploadId") => run!(upload_part, UploadPart),
            ("PUT", true, _) if copy => run!(copy_object, CopyObject),
            ("PUT", true, _) => run!(put_object, PutObject),
            ("POST", true, _) if has("uploads") => run!(create_multipart_upload, CreateMultipartUpload),
            ("POST", true, _) => run!(complete_multipart_upload, CompleteMultipartUpload),
            ("DELETE", true, _) if has("uploadId") => run!(abort_multipart_upload, AbortMultipartUpload),
            ("DELETE", true, _) if has("tagging") => run!(delete_object_tagging, DeleteObjectTagging),
            ("DELETE", true, _) => run!(delete_object, DeleteObject),
            (method, ..) => panic!("no such request: {method}"),
        };
        response.map(Answer::read)
    }
}

pub(super) struct Ask {
    method: &'static str,
    bucket: String,
    key: Option<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    /// None: the administrator.
    principal: Option<Principal>,
}

impl Ask {
    pub(super) fn of(method: &'static str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (bucket, key) = match path.split_once('/') {
            Some((bucket, key)) => (bucket, Some(key.to_owned())),
            None => (path, None),
        };
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        Ask {
            method,
            bucket: bucket.to_owned(),
            key,
            query: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            principal: None,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn anonymous(mut self) -> Self {
        self.principal = Some(Principal::Anonymous);
        self
    }

    pub(super) fn authorized<M: Marker>(self, service: &Service) -> Result<Authorized<M>, S3Error> {
        let key = self.key.as_deref().map(|key| ObjectKey::new(key).expect("a key"));
        let mut request = Request {
            id: RequestId("0".repeat(16)),
            operation: M::OPERATION,
            bucket: (!self.bucket.is_empty()).then(|| BucketName::new(&self.bucket).expect("a bucket name")),
            key,
            query: Query(self.query),
            headers: self.headers,
            resource: format!("/{}", self.bucket),
            received: service.clock.now(),
            secure: false,
            tls: None,
            client: [127, 0, 0, 1].into(),
            signed: Signed::Not,
            principal: self.principal.unwrap_or_else(|| administrator(service)),
            known: None,
            source: None,
            decided_by_rows: false,
            document: reads_document(M::OPERATION).then(|| Document::new(self.body.clone(), None)),
            refusals: Default::default(),
        };
        let granted = authorize(service, &mut request)?;
        Ok(Authorized::grant(Arc::new(request), &granted, Payload::in_memory(self.body)))
    }
}

fn administrator(service: &Service) -> Principal {
    Principal::Known(service.identities.credential("AK").expect("the administrator"))
}

/// An answer with its body read.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = match body {
            ResponseBody::Empty => Bytes::new(),
            ResponseBody::Bytes(bytes) => bytes,
            ResponseBody::Object(mut reader) => {
                let mut out = BytesMut::new();
                while reader.next_chunk(&mut out).expect("readable") {}
                out.freeze()
            }
        };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("visible ASCII"))
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The texts of all elements of that name.
    fn all(&self, element: &str) -> Vec<&str> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let texts = self.text().split(open.as_str()).skip(1);
        texts.map(|rest| rest.split(close.as_str()).next().expect("an end")).collect()
    }

    pub(super) fn one(&self, element: &str) -> &str {
        match self.all(element)[..] {
            [text] => text,
            ref others => panic!("{} of {element} in {}", others.len(), self.text()),
        }
    }
}

/// The code that an error has.
fn code(result: Result<Answer, S3Error>) -> &'static str {
    match result {
        Ok(answer) => panic!("{answer:?} is no error"),
        Err(error) => error.code.as_str(),
    }
}
