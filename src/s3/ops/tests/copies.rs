use super::*;

fn copy(target: &str, source: &str) -> Ask {
    Ask::of("PUT", target).header("x-amz-copy-source", source)
}

#[tokio::test]
async fn a_copy_has_the_bytes_and_the_metadata_asked_for() {
    let bench = Bench::with("data").await;
    let put = Ask::of("PUT", "data/a b")
        .header("x-amz-meta-k", "v")
        .header("x-amz-tagging", "t=1")
        .header("content-type", "a/b");
    let put = bench.send(put.body("hello")).await.unwrap();
    bench.tick();
    let copied = bench.send(copy("data/copy", "/data/a%20b")).await.unwrap();
    assert_eq!(copied.one("ETag").replace("&quot;", "\""), put.header("etag").unwrap());
    assert_eq!(copied.one("LastModified"), "2023-11-14T22:13:21.000Z");
    let got = bench.get("data/copy").await;
    assert_eq!((got.text(), got.header("x-amz-meta-k"), got.header("content-type")), ("hello", Some("v"), Some("a/b")));
    assert_eq!(got.header("x-amz-tagging-count"), Some("1"));
    let replaced = copy("data/copy", "data/a%20b")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-n", "w")
        .header("x-amz-tagging-directive", "REPLACE");
    bench.send(replaced).await.unwrap();
    let got = bench.get("data/copy").await;
    assert_eq!((got.header("x-amz-meta-k"), got.header("x-amz-meta-n")), (None, Some("w")));
    assert_eq!((got.header("content-type"), got.header("x-amz-tagging-count")), (Some("binary/octet-stream"), None));
    bench.send(Ask::of("DELETE", "data/a b")).await.unwrap();
    assert_eq!(bench.get("data/copy").await.text(), "hello");
}

#[tokio::test]
async fn a_copy_to_itself_must_change_something() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "hello").await;
    assert_eq!(code(bench.send(copy("data/k", "data/k")).await), "InvalidRequest");
    let replace = copy("data/k", "data/k").header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-a", "1");
    bench.send(replace).await.unwrap();
    let got = bench.get("data/k").await;
    assert_eq!((got.text(), got.header("x-amz-meta-a")), ("hello", Some("1")));
    assert_eq!(
        code(bench.send(copy("data/c", "data/k").header("x-amz-metadata-directive", "MERGE")).await),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn copies_obey_conditions_of_both_ends() {
    let bench = Bench::with("data").await;
    let etag = bench.put("data/k", "hello").await.header("etag").unwrap().to_owned();
    let with = |name: &'static str, value: &str| copy("data/c", "data/k").header(name, value);
    assert_eq!(code(bench.send(with("x-amz-copy-source-if-match", "\"x\"")).await), "PreconditionFailed");
    assert_eq!(code(bench.send(with("x-amz-copy-source-if-none-match", &etag)).await), "PreconditionFailed");
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    assert_eq!(code(bench.send(with("x-amz-copy-source-if-modified-since", date)).await), "PreconditionFailed");
    bench.send(with("x-amz-copy-source-if-match", &etag).header("if-none-match", "*")).await.unwrap();
    assert_eq!(code(bench.send(with("if-none-match", "*")).await), "PreconditionFailed");
}

#[tokio::test]
async fn sources_that_are_not_there_are_told() {
    let bench = Bench::with("data").await;
    assert_eq!(code(bench.send(copy("data/c", "data/none")).await), "NoSuchKey");
    assert_eq!(code(bench.send(copy("data/c", "other/none")).await), "NoSuchBucket");
    assert_eq!(code(bench.send(copy("data/c", "data")).await), "InvalidArgument");
    assert_eq!(code(bench.send(copy("data/c", "data/none?versionId=null")).await), "NoSuchVersion");
}

#[tokio::test]
async fn another_checksum_is_computed_when_asked_for() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "hello").await;
    let copied = bench.send(copy("data/c", "data/k").header("x-amz-checksum-algorithm", "SHA256")).await.unwrap();
    assert_eq!(copied.one("ChecksumSHA256"), "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    let same = bench.send(copy("data/d", "data/k")).await.unwrap();
    assert_eq!(same.all("ChecksumCRC64NVME").len(), 1);
}
