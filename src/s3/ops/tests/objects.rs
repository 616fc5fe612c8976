use super::*;

const HELLO_MD5: &str = "\"5d41402abc4b2a76b9719d911017c592\"";

#[tokio::test]
async fn what_is_put_comes_back_with_its_headers() {
    let bench = Bench::with("data").await;
    let put = Ask::of("PUT", "data/k")
        .header("content-type", "text/plain")
        .header("cache-control", "no-store")
        .header("content-disposition", "attachment; filename=\"\u{e9}\"")
        .header("x-amz-meta-one", "1")
        .header("x-amz-meta-two", "\u{e9}")
        .header("x-amz-tagging", "a=b&c=d")
        .body("hello");
    let put = bench.send(put).await.unwrap();
    assert_eq!(put.header("etag"), Some(HELLO_MD5));
    assert_eq!(put.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let stored = put.header("x-amz-checksum-crc64nvme").unwrap().to_owned();
    let got = bench.send(Ask::of("GET", "data/k").header("x-amz-checksum-mode", "ENABLED")).await.unwrap();
    assert_eq!((got.status, got.text()), (StatusCode::OK, "hello"));
    let expected = [
        ("etag", HELLO_MD5),
        ("content-length", "5"),
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("last-modified", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("accept-ranges", "bytes"),
        ("x-amz-meta-one", "1"),
        ("x-amz-meta-two", "=?UTF-8?B?w6k=?="),
        ("x-amz-tagging-count", "2"),
        ("x-amz-checksum-crc64nvme", &stored),
    ];
    for (name, value) in expected {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    assert_eq!(
        got.headers.get("content-disposition").unwrap().as_bytes(),
        "attachment; filename=\"\u{e9}\"".as_bytes()
    );
    assert!(got.header("x-amz-version-id").is_none());
    let head = bench.send(Ask::of("HEAD", "data/k")).await.unwrap();
    assert_eq!((head.header("content-length"), head.body.len()), (Some("5"), 0));
    assert!(head.header("x-amz-checksum-crc64nvme").is_none());
}

#[tokio::test]
async fn bodies_of_all_sizes_round_trip_and_ranges_cut_them() {
    let bench = Bench::with("data").await;
    for size in [0usize, 1, 65_535, 65_536, 65_537, 1_000_000, 8 << 20, (8 << 20) + 1, 20_000_000] {
        let content: Vec<u8> = (0..size).map(|n| (n % 253) as u8).collect();
        bench.put("data/k", content.clone()).await;
        let got = bench.get("data/k").await;
        assert!(got.body == content, "{size}");
        if size < 10 {
            continue;
        }
        for (range, bytes) in [("bytes=0-0", 0..1), ("bytes=7-", 7..size), ("bytes=-9", size - 9..size)] {
            let got = bench.send(Ask::of("GET", "data/k").header("range", range)).await.unwrap();
            assert_eq!(got.status, StatusCode::PARTIAL_CONTENT);
            let shown = format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1);
            assert_eq!(got.header("content-range"), Some(shown.as_str()));
            assert!(got.body == content[bytes], "{range} of {size}");
        }
    }
}

#[tokio::test]
async fn ranges_beyond_are_refused_and_odd_ones_ignored() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "hello").await;
    let ask = |range: &str| Ask::of("GET", "data/k").header("range", range);
    let error = bench.send(ask("bytes=5-")).await.unwrap_err();
    assert_eq!(error.code.as_str(), "InvalidRange");
    assert!(error.details.contains(&("ActualObjectSize", "5".to_owned())));
    for odd in ["bytes=x", "bytes=0-0,2-2", "lines=0-1"] {
        let got = bench.send(ask(odd)).await.unwrap();
        assert_eq!((got.status, got.text()), (StatusCode::OK, "hello"), "{odd}");
    }
    let both = Ask::of("GET", "data/k?partNumber=1").header("range", "bytes=0-1");
    assert_eq!(code(bench.send(both).await), "InvalidRequest");
    let part = bench.get("data/k?partNumber=1").await;
    assert_eq!((part.status, part.text()), (StatusCode::PARTIAL_CONTENT, "hello"));
    assert_eq!(code(bench.send(Ask::of("GET", "data/k?partNumber=2")).await), "InvalidPartNumber");
    assert_eq!(code(bench.send(Ask::of("GET", "data/k?partNumber=0")).await), "InvalidArgument");
}

#[tokio::test]
async fn reads_obey_their_conditions() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "hello").await;
    let unchanged = bench.send(Ask::of("GET", "data/k").header("if-none-match", HELLO_MD5)).await.unwrap();
    assert_eq!((unchanged.status, unchanged.header("etag")), (StatusCode::NOT_MODIFIED, Some(HELLO_MD5)));
    assert!(unchanged.body.is_empty());
    let since = Ask::of("HEAD", "data/k").header("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(bench.send(since).await.unwrap().status, StatusCode::NOT_MODIFIED);
    assert_eq!(code(bench.send(Ask::of("GET", "data/k").header("if-match", "\"other\"")).await), "PreconditionFailed");
    assert!(bench.send(Ask::of("GET", "data/k").header("if-match", HELLO_MD5)).await.is_ok());
    assert_eq!(code(bench.send(Ask::of("GET", "data/none").header("if-match", "*")).await), "NoSuchKey");
}

#[tokio::test]
async fn writes_obey_their_conditions() {
    let bench = Bench::with("data").await;
    let put = |name: &'static str, value: &str| Ask::of("PUT", "data/k").header(name, value).body("hello");
    assert_eq!(code(bench.send(put("if-match", "*")).await), "NoSuchKey");
    bench.send(put("if-none-match", "*")).await.unwrap();
    assert_eq!(code(bench.send(put("if-none-match", "*")).await), "PreconditionFailed");
    assert_eq!(code(bench.send(put("if-match", "\"other\"")).await), "PreconditionFailed");
    bench.send(put("if-match", HELLO_MD5)).await.unwrap();
    assert_eq!(
        code(bench.send(Ask::of("DELETE", "data/k").header("if-match", "\"other\"")).await),
        "PreconditionFailed"
    );
    bench.send(Ask::of("DELETE", "data/k").header("if-match", HELLO_MD5)).await.unwrap();
    assert_eq!(code(bench.send(Ask::of("GET", "data/k")).await), "NoSuchKey");
    assert_eq!(bench.send(Ask::of("DELETE", "data/k")).await.unwrap().status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn askers_who_signed_choose_response_headers() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "hello").await;
    let got = bench.get("data/k?response-content-type=text/x&response-cache-control=max-age=1").await;
    assert_eq!((got.header("content-type"), got.header("cache-control")), (Some("text/x"), Some("max-age=1")));
    assert_eq!(code(bench.send(Ask::of("GET", "data/k?response-expires=a\r\nb: c")).await), "InvalidArgument");
    assert_eq!(code(bench.send(Ask::of("GET", "data/k?response-expires=x").anonymous()).await), "AccessDenied");
}

#[tokio::test]
async fn versions_that_are_not_there_are_told_apart() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "hello").await;
    assert_eq!(bench.get("data/k?versionId=null").await.text(), "hello");
    let absent = format!("data/k?versionId={}", "0".repeat(32));
    assert_eq!(code(bench.send(Ask::of("GET", &absent)).await), "NoSuchVersion");
    assert_eq!(code(bench.send(Ask::of("GET", "data/k?versionId=x")).await), "InvalidArgument");
}

#[tokio::test]
async fn versions_of_a_versioned_bucket_are_kept_and_marked() {
    let bench = Bench::new();
    bench.send(Ask::of("PUT", "kept").header("x-amz-bucket-object-lock-enabled", "true")).await.unwrap();
    let first = bench.put("kept/k", "one").await.header("x-amz-version-id").unwrap().to_owned();
    bench.put("kept/k", "two").await;
    assert_eq!(bench.get("kept/k").await.text(), "two");
    assert_eq!(bench.get(&format!("kept/k?versionId={first}")).await.text(), "one");
    let deleted = bench.send(Ask::of("DELETE", "kept/k")).await.unwrap();
    assert_eq!(deleted.header("x-amz-delete-marker"), Some("true"));
    let marker = deleted.header("x-amz-version-id").unwrap().to_owned();
    let gone = bench.send(Ask::of("GET", "kept/k")).await.unwrap_err();
    assert_eq!(gone.code.as_str(), "NoSuchKey");
    assert!(gone.headers.contains(&("x-amz-delete-marker", "true".to_owned())));
    let marked = Ask::of("GET", &format!("kept/k?versionId={marker}"));
    assert_eq!(code(bench.send(marked).await), "MethodNotAllowed");
    assert!(bench.get("kept").await.all("Key").is_empty());
    bench.send(Ask::of("DELETE", &format!("kept/k?versionId={marker}"))).await.unwrap();
    assert_eq!(bench.get("kept/k").await.text(), "two");
}

#[tokio::test]
async fn many_are_deleted_in_one_request() {
    let bench = Bench::with("data").await;
    for key in ["a", "b", "c"] {
        bench.put(&format!("data/{key}"), "x").await;
    }
    let long = "k".repeat(1025);
    let document = |quiet: bool| {
        let object = |inside: &str| format!("<Object>{inside}</Object>");
        let objects = [
            object("<Key>a</Key>"),
            object("<Key>absent</Key>"),
            object("<Key>b</Key><ETag>\"other\"</ETag>"),
            object("<Key>c</Key><VersionId>bad</VersionId>"),
            object(&format!("<Key>{long}</Key>")),
        ];
        format!("<Delete><Quiet>{quiet}</Quiet>{}</Delete>", objects.concat())
    };
    let loud = bench.send(Ask::of("POST", "data?delete").body(document(false))).await.unwrap();
    assert_eq!(loud.all("Deleted"), ["<Key>a</Key>", "<Key>absent</Key>"]);
    assert_eq!(loud.all("Code"), ["PreconditionFailed", "NoSuchVersion", "KeyTooLongError"]);
    let quiet = bench.send(Ask::of("POST", "data?delete").body(document(true))).await.unwrap();
    assert!(quiet.all("Deleted").is_empty());
    assert_eq!(quiet.all("Code").len(), 3);
    assert_eq!(bench.get("data").await.all("Key"), ["b", "c"]);
    assert_eq!(code(bench.send(Ask::of("POST", "data?delete").body("<Delete/>")).await), "MalformedXML");
}
