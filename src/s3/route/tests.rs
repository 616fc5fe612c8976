use std::collections::HashSet;

use http::Method;

use super::table::ROWS;
use super::{Routed, Target, route, virtual_bucket};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::Operation;

fn at(method: &str, target: &str, host: &str) -> Result<Routed, S3Error> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    route(Target { method: &method, path, query, host, copies: false }, &["s3.example.com".to_owned()])
}

fn operation(method: &str, target: &str) -> Result<Operation, ErrorCode> {
    at(method, target, "localhost").map(|routed| routed.operation).map_err(|error| error.code)
}

#[test]
fn each_operation_has_its_route() {
    use Operation::*;
    for (method, target, expected) in [
        ("GET", "/", ListBuckets),
        ("GET", "/?x-id=ListBuckets", ListBuckets),
        ("PUT", "/b", CreateBucket),
        ("PUT", "/b/", CreateBucket),
        ("HEAD", "/b", HeadBucket),
        ("DELETE", "/b", DeleteBucket),
        ("GET", "/b?location", GetBucketLocation),
        ("GET", "/b?location=", GetBucketLocation),
        ("GET", "/b?versioning", GetBucketVersioning),
        ("GET", "/b?prefix=a%2Fb&max-keys=3", ListObjects),
        ("GET", "/b/?list-type=2&prefix=a", ListObjectsV2),
        ("GET", "/b?uploads", ListMultipartUploads),
        ("PUT", "/b/k", PutObject),
        ("PUT", "/b/k?x-id=PutObject&X-Amz-Signature=abc", PutObject),
        ("GET", "/b/k?versionId=null&response-content-type=a", GetObject),
        ("HEAD", "/b/k?partNumber=1", HeadObject),
        ("DELETE", "/b/k?versionId=1", DeleteObject),
        ("POST", "/b?delete", DeleteObjects),
        ("POST", "/b/k?uploads", CreateMultipartUpload),
        ("PUT", "/b/k?partNumber=1&uploadId=u", UploadPart),
        ("POST", "/b/k?uploadId=u", CompleteMultipartUpload),
        ("DELETE", "/b/k?uploadId=u", AbortMultipartUpload),
        ("GET", "/b/k?uploadId=u&max-parts=5", ListParts),
        ("GET", "/b?analytics&id=1", GetBucketAnalyticsConfiguration),
        ("GET", "/b?analytics", ListBucketAnalyticsConfigurations),
        ("POST", "/b", PostObject),
    ] {
        assert_eq!(operation(method, target), Ok(expected), "{method} {target}");
    }
}

#[test]
fn nothing_unknown_falls_through() {
    use ErrorCode::*;
    for (method, target, expected) in [
        ("TRACE", "/b/k", MethodNotAllowed),
        ("CONNECT", "/", MethodNotAllowed),
        ("PROPFIND", "/b", MethodNotAllowed),
        ("PATCH", "/b/k", MethodNotAllowed),
        ("POST", "/", MethodNotAllowed),
        ("POST", "/b/k", MethodNotAllowed),
        ("DELETE", "/", MethodNotAllowed),
        ("HEAD", "/b/k?uploadId=u", MethodNotAllowed),
        ("PUT", "/b/k?annotation&annotationName=a", NotImplemented),
        ("DELETE", "/b/k?annotation", NotImplemented),
        ("PUT", "/b/k?append&position=0", NotImplemented),
        ("PUT", "/b?metadataAnnotationTable", NotImplemented),
        ("DELETE", "/b/k?cors", NotImplemented),
        ("DELETE", "/b?acl", MethodNotAllowed),
        ("PUT", "/b/k?versionId=1", InvalidArgument),
        ("PUT", "/b/k?partNumber=1", InvalidArgument),
        ("PUT", "/b/k?uploadId=u", InvalidArgument),
        ("GET", "/b/k?uploadId=", InvalidArgument),
        ("GET", "/b?acl&policy", InvalidArgument),
        ("GET", "/b?acl&acl", InvalidArgument),
        ("GET", "/b?acl=x", InvalidArgument),
        ("GET", "/b?list-type=3", InvalidArgument),
        ("GET", "/b?prefix=a&prefix=b", InvalidArgument),
        ("GET", "/b/k?X-Amz-Signature=a&X-Amz-Signature=b", InvalidArgument),
        ("GET", "/b/k?response-content-type=a%0d%0ab", InvalidArgument),
        ("GET", "/b/%C0%AE", InvalidURI),
        ("GET", "/b/%zz", InvalidURI),
        ("GET", "/b/%ff", InvalidURI),
        ("GET", "/b?prefix=%", InvalidURI),
        ("GET", "/b/k?v=1&x-amz-acl=private&X-Amz-Acl=private", InvalidArgument),
        ("GET", "/b?versionId=1", InvalidArgument),
        ("DELETE", "/b?versionId=1", InvalidArgument),
        ("DELETE", "/b/k?partNumber=1", InvalidArgument),
    ] {
        assert_eq!(operation(method, target), Err(expected), "{method} {target}");
    }
}

/// Measured on AWS: localstack#4133.
#[test]
fn f02_parameters_that_nobody_reads_are_ignored() {
    use Operation::*;
    for (method, target, expected) in [
        ("GET", "/b/app.js?v=3", GetObject),
        ("GET", "/b/k?prefix=a", GetObject),
        ("HEAD", "/b/k?list-type=2&max-keys=1", HeadObject),
        ("PUT", "/b/k?foo=1&response-content-type=x", PutObject),
        ("DELETE", "/b/k?foo", DeleteObject),
        ("GET", "/b?v=1&v=2&id=7", ListObjects),
        ("GET", "/b?list-type=2&foo", ListObjectsV2),
        ("GET", "/?foo", ListBuckets),
        ("HEAD", "/b?prefix=a", HeadBucket),
        ("POST", "/b/k?uploads&foo", CreateMultipartUpload),
    ] {
        assert_eq!(operation(method, target), Ok(expected), "{method} {target}");
    }
}

#[test]
fn f01_a_copy_source_in_the_query_makes_a_copy() {
    for name in ["x-amz-copy-source", "X-Amz-Copy-Source"] {
        assert_eq!(operation("PUT", &format!("/b/k?{name}=%2Fb%2Fs")), Ok(Operation::CopyObject));
        let part = format!("/b/k?partNumber=1&uploadId=u&{name}=%2Fb%2Fs");
        assert_eq!(operation("PUT", &part), Ok(Operation::UploadPartCopy));
    }
}

#[test]
fn a_method_that_is_not_allowed_is_told_which_are() {
    for (method, target, allowed) in [
        ("DELETE", "/b?acl", "GET, PUT"),
        ("POST", "/b/k", "GET, HEAD, PUT, DELETE"),
        ("POST", "/b?analytics", "GET, PUT, DELETE"),
        ("PATCH", "/b/k", "GET, HEAD, PUT, POST, DELETE"),
    ] {
        let error = at(method, target, "localhost").expect_err("refused");
        assert_eq!(error.headers, [("allow", allowed.to_owned())], "{method} {target}");
    }
}

#[test]
fn a_path_is_decoded_once() {
    let routed = |target| at("GET", target, "localhost").expect("routed");
    assert_eq!(routed("/b/a%2Fb").key.as_deref(), Some("a/b"));
    assert_eq!(routed("/b/a%252Fb").key.as_deref(), Some("a%2Fb"));
    assert_eq!(routed("/b//a").key.as_deref(), Some("/a"));
    assert_eq!(routed("/b/../x").key.as_deref(), Some("../x"));
    assert_eq!(routed("/b/a+b").key.as_deref(), Some("a+b"));
    assert_eq!(routed("/b?prefix=a+b%2B").query.get("prefix"), Some("a b+"));
}

#[test]
fn virtual_hosts_name_the_bucket() {
    let routed = |target, host| at("GET", target, host).expect("routed");
    assert_eq!(routed("/k", "b.s3.example.com").bucket.as_deref(), Some("b"));
    assert_eq!(routed("/k", "b.S3.Example.Com").key.as_deref(), Some("k"));
    assert_eq!(routed("/", "a.b.s3.example.com").bucket.as_deref(), Some("a.b"));
    assert_eq!(routed("/", "a.b.s3.example.com").operation, Operation::ListObjects);
    assert_eq!(routed("/k", "s3.example.com").bucket.as_deref(), Some("k"));
    assert_eq!(routed("/k", "evils3.example.com").bucket.as_deref(), Some("k"));
    assert_eq!(routed("/", "other.example.org").operation, Operation::ListBuckets);
    assert_eq!(routed("/k", "Bucket.s3.example.com").bucket.as_deref(), Some("bucket"));
}

#[test]
fn f18_a_host_may_end_in_a_dot() {
    let bucket = |host| at("GET", "/k", host).expect("routed").bucket;
    assert_eq!(bucket("b.s3.example.com.").as_deref(), Some("b"));
    assert_eq!(bucket("s3.example.com.").as_deref(), Some("k"));
    assert_eq!(bucket("b.s3.example.com..").as_deref(), Some("k"));
    assert_eq!(bucket(".").as_deref(), Some("k"));
}

#[test]
fn of_domains_inside_one_another_the_longest_counts() {
    for domains in [["example.com", "s3.example.com"], ["s3.example.com", "example.com"]] {
        let domains = domains.map(str::to_owned);
        assert_eq!(virtual_bucket("b.s3.example.com", &domains), Some("b"));
        assert_eq!(virtual_bucket("b.example.com", &domains), Some("b"));
        assert_eq!(virtual_bucket("S3.example.com", &domains), None);
    }
}

#[test]
fn every_operation_but_copies_stands_in_the_table() {
    let routed: HashSet<_> = ROWS.iter().map(|row| row.operation).collect();
    let elsewhere = [
        Operation::CopyObject,
        Operation::UploadPartCopy,
        Operation::ListDirectoryBuckets,
        Operation::WriteGetObjectResponse,
    ];
    for operation in Operation::ALL {
        assert_eq!(routed.contains(operation), !elsewhere.contains(operation), "{}", operation.name());
    }
}
