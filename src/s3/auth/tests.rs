//! AWS's published examples, and what an attacker may change about them.

use http::{HeaderMap, HeaderName, Method};
use tandem_storage::types::Timestamp;

use super::{Judge, SigningKeys, authenticate};
use crate::clock::SystemClock;
use crate::identity::Register;
use crate::s3::error::ErrorCode;
use crate::s3::route::{Target, route};
use crate::s3::service::{AcceptRegions, Settings};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const MAY: i64 = 1_369_353_600;

/// A request that a test changes.
#[derive(Clone)]
struct Sent {
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    now: i64,
}

impl Sent {
    fn with(&self, name: &str, value: &str) -> Sent {
        let mut sent = self.clone();
        sent.headers.retain(|(known, _)| known != name);
        sent.headers.push((name.into(), value.into()));
        sent
    }

    fn and(&self, name: &str, value: &str) -> Sent {
        let mut sent = self.clone();
        sent.headers.push((name.into(), value.into()));
        sent
    }

    fn without(&self, name: &str) -> Sent {
        let mut sent = self.clone();
        sent.headers.retain(|(known, _)| known != name);
        sent
    }

    fn to(&self, target: &str) -> Sent {
        Sent { target: target.into(), ..self.clone() }
    }

    fn replaced(&self, from: &str, to: &str) -> Sent {
        let mut sent = self.clone();
        sent.target = sent.target.replace(from, to);
        for (_, value) in &mut sent.headers {
            *value = value.replace(from, to);
        }
        sent
    }

    /// The access key that was proved; empty: anonymous.
    fn judged(&self) -> Result<String, ErrorCode> {
        let settings = Settings {
            region: "us-east-1".into(),
            accept_regions: AcceptRegions::Listed(vec!["eu-west-1".into()]),
            domains: vec!["s3.amazonaws.com".into()],
            ..Settings::default()
        };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let identities = Register::administrator(KEY.into(), secret.into(), &SystemClock::new());
        let keys = SigningKeys::default();
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        let target = Target { method: &self.method, path, query, host: &host, copies: false };
        let routed = route(target, &settings.domains).map_err(|error| error.code)?;
        let now = Timestamp::from_secs(self.now);
        let judge = Judge { identities: &identities, settings: &settings, keys: &keys, now };
        authenticate(&self.method, &routed, &headers, judge)
            .map(|authenticated| {
                authenticated.principal().credential().map(|known| known.access_key.to_string()).unwrap_or_default()
            })
            .map_err(|error| error.code)
    }

    fn refused(&self) -> Option<ErrorCode> {
        self.judged().err()
    }
}

fn sent(method: Method, target: &str, headers: &[(&str, &str)], signed: &str, signature: &str) -> Sent {
    let mut all: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.push(("host".into(), "examplebucket.s3.amazonaws.com".into()));
    all.push(("x-amz-date".into(), "20130524T000000Z".into()));
    let credential = format!("Credential={KEY}/20130524/us-east-1/s3/aws4_request");
    let value = format!("AWS4-HMAC-SHA256 {credential},SignedHeaders={signed},Signature={signature}");
    all.push(("authorization".into(), value));
    Sent { method, target: target.into(), headers: all, now: MAY }
}

fn get_object() -> Sent {
    sent(
        Method::GET,
        "/test.txt",
        &[("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY)],
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    )
}

fn presigned() -> Sent {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let headers = vec![("host".to_owned(), "examplebucket.s3.amazonaws.com".to_owned())];
    Sent { method: Method::GET, target: target.into(), headers, now: MAY }
}

#[test]
fn the_published_examples_are_taken() {
    let administrator = Ok(KEY.to_owned());
    assert_eq!(get_object().judged(), administrator);
    assert_eq!(presigned().judged(), administrator);
    let put = sent(
        Method::PUT,
        "/test%24file.text",
        &[
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
        ],
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    assert_eq!(put.judged(), administrator);
    let signed = "host;x-amz-content-sha256;x-amz-date";
    let empty = &[("x-amz-content-sha256", EMPTY)];
    let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    assert_eq!(sent(Method::GET, "/?lifecycle", empty, signed, lifecycle).judged(), administrator);
    let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    assert_eq!(sent(Method::GET, "/?max-keys=2&prefix=J", empty, signed, list).judged(), administrator);
    let streaming = sent(
        Method::PUT,
        "/examplebucket/chunkObject.txt",
        &[
            ("content-encoding", "aws-chunked"),
            ("content-length", "66824"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    .with("host", "s3.amazonaws.com");
    assert_eq!(streaming.judged(), administrator);
    let downgraded = streaming.with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    assert_eq!(downgraded.refused(), Some(ErrorCode::SignatureDoesNotMatch));
}

#[test]
fn a_request_without_credentials_is_anonymous() {
    let bare = get_object().without("authorization");
    assert_eq!(bare.judged(), Ok(String::new()));
    let streaming = bare.with("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    assert_eq!(streaming.refused(), Some(ErrorCode::InvalidRequest));
    assert_eq!(bare.to("/test.txt?response-content-type=a").refused(), Some(ErrorCode::InvalidRequest));
}

#[test]
fn authorization_headers_are_held_to_their_form() {
    use ErrorCode::*;
    let get = get_object();
    let scope = "20130524/us-east-1/s3/aws4_request";
    for (sent, expected) in [
        (get.with("authorization", "garbage"), InvalidArgument),
        (get.with("authorization", "AWS AKID:sig"), InvalidRequest),
        (get.replaced("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), InvalidArgument),
        (get.replaced("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), InvalidArgument),
        (get.with("authorization", "AWS4-HMAC-SHA256"), AuthorizationHeaderMalformed),
        (get.replaced("Credential=", "Credentials="), AuthorizationHeaderMalformed),
        (get.replaced("SignedHeaders=", "Signed="), AuthorizationHeaderMalformed),
        (get.replaced(",Signature=", ",Sig="), AuthorizationHeaderMalformed),
        (get.replaced(scope, "20130524/us-west-1/s3/aws4_request"), AuthorizationHeaderMalformed),
        (get.replaced(scope, "20130524/us-east-1/ec2/aws4_request"), AuthorizationHeaderMalformed),
        (get.replaced(scope, "20130524/us-east-1/s3/aws4"), AuthorizationHeaderMalformed),
        (get.replaced(scope, "2013052x/us-east-1/s3/aws4_request"), AuthorizationHeaderMalformed),
        (get.replaced(scope, "20130524/us-east-1/s3"), AuthorizationHeaderMalformed),
        (get.replaced(scope, "20130524/us-east-1/s3/aws4_request/x"), AuthorizationHeaderMalformed),
        (get.replaced(scope, "20130525/us-east-1/s3/aws4_request"), AuthorizationHeaderMalformed),
        (get.without("x-amz-date"), AccessDenied),
        (get.with("x-amz-date", "yesterday"), AccessDenied),
        (get.without("x-amz-content-sha256"), InvalidRequest),
        (get.with("x-amz-content-sha256", "abc"), InvalidArgument),
        (get.and("authorization", "AWS4-HMAC-SHA256 x"), InvalidArgument),
        (get.and("x-amz-date", "20130524T000000Z"), InvalidArgument),
        (get.and("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), InvalidArgument),
        (get.and("host", "other"), InvalidArgument),
        (get.to("/test.txt?X-Amz-Signature=abc"), InvalidArgument),
        (get.to("/test.txt?X-Amz-Credential=abc"), InvalidArgument),
    ] {
        assert_eq!(sent.refused(), Some(expected), "{:?}", sent.headers);
    }
}

#[test]
fn nothing_signed_can_be_changed() {
    use ErrorCode::SignatureDoesNotMatch;
    let get = get_object();
    let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    for sent in [
        Sent { method: Method::PUT, ..get.clone() },
        get.to("/test2.txt"),
        get.to("/test.txt?versionId=1"),
        get.with("range", "bytes=0-10"),
        get.with("host", "other.s3.amazonaws.com"),
        get.replaced(signature, &signature.to_uppercase()),
        get.replaced(signature, &signature[..63]),
        get.replaced(signature, ""),
        get.replaced("bdb41", "bdb40"),
        get.replaced("host;range;x", "host;if-match;range;x"),
    ] {
        assert_eq!(sent.refused(), Some(SignatureDoesNotMatch), "{} {} {:?}", sent.method, sent.target, sent.headers);
    }
}

#[test]
fn everything_decisive_must_be_signed() {
    let get = get_object();
    for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "x-amz-tagging", "x-amz-security-token"] {
        assert_eq!(get.with(name, "x").refused(), Some(ErrorCode::AccessDenied), "{name}");
        assert_eq!(presigned().with(name, "x").refused(), Some(ErrorCode::AccessDenied), "{name}");
    }
    assert_eq!(get.replaced("host;range", "range").refused(), Some(ErrorCode::AccessDenied));
}

#[test]
fn keys_and_times_are_checked() {
    use ErrorCode::*;
    let get = get_object();
    assert_eq!(get.replaced(KEY, "AKIAUNKNOWN").refused(), Some(InvalidAccessKeyId));
    assert_eq!(get.replaced(KEY, "").refused(), Some(InvalidAccessKeyId));
    for (offset, expected) in
        [(899, None), (-899, None), (901, Some(RequestTimeTooSkewed)), (-901, Some(RequestTimeTooSkewed))]
    {
        assert_eq!(Sent { now: MAY + offset, ..get.clone() }.refused(), expected, "{offset}");
    }
}

#[test]
fn presigned_urls_are_held_to_their_form_and_life() {
    use ErrorCode::*;
    let url = presigned();
    let malformed = AuthorizationQueryParametersError;
    for (from, to) in [
        ("Expires=86400", "Expires=604801"),
        ("Expires=86400", "Expires=-1"),
        ("Expires=86400", "Expires=abc"),
        ("&X-Amz-Expires=86400", ""),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("X-Amz-Date=20130524T000000Z&", ""),
        ("X-Amz-SignedHeaders=host&", ""),
        ("&X-Amz-Signature", "&X-Amz-Signatur"),
        ("us-east-1", "mars"),
        ("%2Fs3%2F", "%2Fec2%2F"),
        ("aws4_request", "aws5_request"),
        ("%2F20130524", "%2F20130525"),
    ] {
        assert_eq!(url.replaced(from, to).refused(), Some(malformed), "{from} to {to}");
    }
    // F13: as with AWS.
    assert_eq!(url.replaced("Expires=86400", "Expires=0").refused(), Some(AccessDenied));
    for sent in [
        Sent { method: Method::PUT, ..url.clone() },
        Sent { method: Method::HEAD, ..url.clone() },
        url.to(&format!("{}&versionId=1", url.target)),
        url.to(&format!("{}&response-content-type=x", url.target)),
        url.replaced("86400", "86401"),
    ] {
        assert_eq!(sent.refused(), Some(SignatureDoesNotMatch), "{} {}", sent.method, sent.target);
    }
    assert_eq!(url.to(&format!("{}&X-Amz-Signature=x", url.target)).refused(), Some(InvalidArgument));
    assert_eq!(url.replaced(KEY, "AKIAUNKNOWN").refused(), Some(InvalidAccessKeyId));
    assert_eq!(Sent { now: MAY + 86_400, ..url.clone() }.refused(), None);
    assert_eq!(Sent { now: MAY + 86_401, ..url.clone() }.refused(), Some(AccessDenied));
    assert_eq!(Sent { now: MAY - 901, ..url.clone() }.refused(), Some(AccessDenied));
    let chunked = url.with("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_eq!(chunked.refused(), Some(InvalidRequest));
}
