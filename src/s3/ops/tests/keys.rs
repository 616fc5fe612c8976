//! S3's faces and the table of condition keys: each key that the table says they supply is there for some request that has it,
//! signed by header or in the query, and no other key is there for any.

use tandem_policy::key::{ALL, Faces, Known, Origin, normal};
use tandem_policy::{Context as _, Values};
use tandem_storage::change::VersionSelector;

use super::*;
use crate::identity::{NewSession, SessionOf};
use crate::s3::access::{Circumstances, Named, Subject};
use crate::s3::operation::Operation;
use crate::s3::payload::Document;

/// One request with everything that any has; what does not belong to its operation is not looked at.
fn rich(service: &Service, operation: Operation, signed: Signed, principal: &Principal) -> Request {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "agent"),
        ("referer", "http://here/"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-acl", "private"),
        ("x-amz-grant-full-control", "id=1"),
        ("x-amz-grant-read", "id=1"),
        ("x-amz-grant-read-acp", "id=1"),
        ("x-amz-grant-write", "id=1"),
        ("x-amz-grant-write-acp", "id=1"),
        ("x-amz-copy-source", "/other/key"),
        ("x-amz-metadata-directive", "COPY"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-website-redirect-location", "/there"),
        ("x-amz-object-ownership", "ObjectWriter"),
        ("x-amz-bucket-namespace", "global"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", "2100-01-01T00:00:00Z"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-tagging", "Name=value"),
        ("if-match", "\"e\""),
        ("if-none-match", "*"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let query = [("prefix", "a/"), ("delimiter", "/"), ("max-keys", "5"), ("versionId", "null")];
    let tags = "<Tagging><TagSet><Tag><Key>Name</Key><Value>v</Value></Tag></TagSet></Tagging>";
    let location =
        "<CreateBucketConfiguration><LocationConstraint>eu-1</LocationConstraint></CreateBucketConfiguration>";
    Request {
        id: RequestId("0".repeat(16)),
        operation,
        bucket: Some(BucketName::new("data").expect("a name")),
        key: Some(ObjectKey::new("k").expect("a key")),
        query: Query(query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()),
        headers,
        resource: "/data".to_owned(),
        received: service.clock.now(),
        secure: true,
        tls: Some("1.3"),
        client: [127, 0, 0, 1].into(),
        signed,
        principal: principal.clone(),
        known: None,
        source: None,
        decided_by_rows: false,
        document: match operation {
            Operation::CreateBucket => Some(Document::new(location.into(), None)),
            Operation::PutBucketTagging | Operation::PutObjectTagging => Some(Document::new(tags.into(), None)),
            _ => None,
        },
        refusals: Default::default(),
    }
}

const OPERATIONS: [Operation; 6] = [
    Operation::PutObject,
    Operation::CopyObject,
    Operation::ListObjectsV2,
    Operation::CreateBucket,
    Operation::PutBucketTagging,
    Operation::PutObjectTagging,
];

fn is_there(bench: &Bench, key: &Known, signed: Signed, principal: &Principal) -> bool {
    let service = &bench.service;
    let name = normal(&if key.is_open() { format!("{}NAME", key.name) } else { key.name.to_owned() });
    let reader = service.store.read().expect("a reader");
    let bucket = BucketName::new("data").expect("a name");
    let known = service.buckets.find(&reader, &bucket).expect("readable").expect("there");
    let object = ObjectKey::new("k").expect("a key");
    OPERATIONS.iter().any(|operation| {
        let request = rich(service, *operation, signed, principal);
        let named = Named { key: &object, version: VersionSelector::Null };
        let subject = Subject::object(&known, &reader, named);
        let value = Circumstances::of(service, &request, &subject).get(&name) != Values::Absent;
        value && subject.failure().is_none()
    })
}

#[tokio::test]
async fn s3_supplies_the_keys_that_the_table_says_signed_by_header_and_in_the_query() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "x").await;
    let tags = "<Tagging><TagSet><Tag><Key>name</Key><Value>v</Value></Tag></TagSet></Tagging>";
    bench.send(Ask::of("PUT", "data?tagging").body(tags)).await.expect("tagged");
    bench.send(Ask::of("PUT", "data/k?tagging").body(tags)).await.expect("tagged");
    let identities = &bench.service.identities;
    let new = NewSession {
        of: SessionOf::Administrator,
        seconds: 900,
        tags: Vec::new(),
        transitive: Vec::new(),
        policy: None,
        policies: Vec::new(),
    };
    let issued = identities.issue(&*bench.clock, new).expect("issued");
    let session = identities.session(&issued.access_key, &issued.token, bench.clock.now()).expect("a session");
    let principal = Principal::Known(session);
    let now = bench.clock.now();
    for (face, signed) in [(Faces::S3, Signed::Header(now)), (Faces::PRESIGNED, Signed::Query(now))] {
        for key in ALL.iter().filter(|key| key.origin == Origin::Request) {
            let there = is_there(&bench, key, signed, &principal);
            assert_eq!(there, key.faces.contains(face), "{} of a request {signed:?}", key.name);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_do_not_hide_a_header_from_policies() {
    let bench = Bench::with("data").await;
    let service = &bench.service;
    let mut request = rich(service, Operation::PutObject, Signed::Not, &Principal::Anonymous);
    request.headers.insert("user-agent", HeaderValue::from_bytes(b"evil\xff/1.0").expect("a value"));
    let subject = Subject::account("000000000000");
    let circumstances = Circumstances::of(service, &request, &subject);
    assert_eq!(circumstances.get("aws:useragent"), Values::One("evil\u{fffd}/1.0"));
}

#[tokio::test]
async fn tags_are_found_whatever_the_case_of_their_names() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "x").await;
    let tag = |name: &str, value: &str| format!("<Tag><Key>{name}</Key><Value>{value}</Value></Tag>");
    let tags = format!("<Tagging><TagSet>{}{}</TagSet></Tagging>", tag("Class", "secret"), tag("class", "public"));
    bench.send(Ask::of("PUT", "data/k?tagging").body(tags)).await.expect("tagged");
    let service = &bench.service;
    let reader = service.store.read().expect("a reader");
    let name = BucketName::new("data").expect("a name");
    let known = service.buckets.find(&reader, &name).expect("readable").expect("there");
    let object = ObjectKey::new("k").expect("a key");
    let subject = Subject::object(&known, &reader, Named { key: &object, version: VersionSelector::Latest });
    let request = rich(service, Operation::PutObject, Signed::Not, &Principal::Anonymous);
    let circumstances = Circumstances::of(service, &request, &subject);
    let both = ["secret".to_owned(), "public".to_owned()];
    assert_eq!(circumstances.get("s3:existingobjecttag/class"), Values::Many(&both));
    assert_eq!(circumstances.get("s3:requestobjecttag/name"), Values::One("value"));
}
