use super::*;

fn document(tags: &[(&str, &str)]) -> String {
    let tag = |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.iter().map(tag).collect::<String>())
}

fn tags(answer: &Answer) -> Vec<(&str, &str)> {
    answer.all("Key").into_iter().zip(answer.all("Value")).collect()
}

async fn set(bench: &Bench, target: &str, tags: &[(&str, &str)]) -> Answer {
    bench.send(Ask::of("PUT", target).body(document(tags))).await.expect("tagged")
}

#[tokio::test]
async fn tags_are_set_read_and_removed_and_nothing_else_changes() {
    let bench = Bench::with("data").await;
    let put = bench.send(Ask::of("PUT", "data/k").header("x-amz-tagging", "b=2&a=1").body("hello")).await.unwrap();
    assert_eq!(tags(&bench.get("data/k?tagging").await), [("a", "1"), ("b", "2")]);
    bench.tick();
    let tagged = set(&bench, "data/k?tagging", &[("c", "x y"), ("d", "")]).await;
    assert_eq!((tagged.status, tagged.header("x-amz-version-id")), (StatusCode::OK, None));
    assert_eq!(tags(&bench.get("data/k?tagging").await), [("c", "x y"), ("d", "")]);
    let got = bench.get("data/k").await;
    assert_eq!((got.text(), got.header("x-amz-tagging-count")), ("hello", Some("2")));
    assert_eq!(got.header("etag"), put.header("etag"));
    assert_eq!(got.header("last-modified"), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
    let removed = bench.send(Ask::of("DELETE", "data/k?tagging")).await.unwrap();
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(tags(&bench.get("data/k?tagging").await), []);
    assert_eq!(bench.get("data/k").await.header("x-amz-tagging-count"), None);
    assert_eq!(code(bench.send(Ask::of("GET", "data/none?tagging")).await), "NoSuchKey");
    assert_eq!(code(bench.send(Ask::of("PUT", "data/none?tagging").body(document(&[]))).await), "NoSuchKey");
    let two = document(&[("a", "1"), ("a", "2")]);
    assert_eq!(code(bench.send(Ask::of("PUT", "data/k?tagging").body(two)).await), "InvalidTag");
    assert_eq!(code(bench.send(Ask::of("PUT", "data/k?tagging").body("<Tagging/>")).await), "MalformedXML");
}

#[tokio::test]
async fn each_version_has_tags_of_its_own() {
    let bench = Bench::with("data").await;
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    bench.send(Ask::of("PUT", "data?versioning").body(enable)).await.unwrap();
    let id = |answer: &Answer| answer.header("x-amz-version-id").expect("a version").to_owned();
    let (old, new) = (id(&bench.put("data/k", "old").await), id(&bench.put("data/k", "new").await));
    let of = |version: &str| format!("data/k?tagging&versionId={version}");
    assert_eq!(id(&set(&bench, &of(&old), &[("v", "old")]).await), old);
    assert_eq!(id(&set(&bench, "data/k?tagging", &[("v", "new")]).await), new);
    for (version, value) in [(&old, "old"), (&new, "new")] {
        let found = bench.get(&of(version)).await;
        assert_eq!((tags(&found), id(&found)), (vec![("v", value)], version.clone()));
    }
    assert_eq!(bench.get("data/k").await.text(), "new");
    assert_eq!(id(&bench.send(Ask::of("DELETE", &of(&old))).await.unwrap()), old);
    assert_eq!(tags(&bench.get(&of(&old)).await), []);
    let marker = id(&bench.send(Ask::of("DELETE", "data/k")).await.unwrap());
    for method in ["GET", "PUT", "DELETE"] {
        let ask = |target: &str| Ask::of(method, target).body(document(&[("a", "b")]));
        assert_eq!(code(bench.send(ask("data/k?tagging")).await), "NoSuchKey", "{method}");
        assert_eq!(code(bench.send(ask(&of(&marker))).await), "MethodNotAllowed", "{method}");
        assert_eq!(code(bench.send(ask(&of(&"0".repeat(32)))).await), "NoSuchVersion", "{method}");
        assert_eq!(code(bench.send(ask(&of("x"))).await), "InvalidArgument", "{method}");
    }
}

#[tokio::test]
async fn uploads_and_copies_carry_tags() {
    let bench = Bench::with("data").await;
    let begun = bench.send(Ask::of("POST", "data/m?uploads").header("x-amz-tagging", "m=1")).await.unwrap();
    let id = begun.one("UploadId");
    let part = bench.send(Ask::of("PUT", &format!("data/m?uploadId={id}&partNumber=1")).body("hello")).await.unwrap();
    let list = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>", part.header("etag").unwrap());
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    bench.send(Ask::of("POST", &format!("data/m?uploadId={id}")).body(list)).await.unwrap();
    assert_eq!(tags(&bench.get("data/m?tagging").await), [("m", "1")]);
    let copy = Ask::of("PUT", "data/c").header("x-amz-copy-source", "data/m");
    bench.send(copy).await.unwrap();
    assert_eq!(tags(&bench.get("data/c?tagging").await), [("m", "1")]);
    let copy = Ask::of("PUT", "data/c").header("x-amz-copy-source", "data/m").header("x-amz-tagging", "c=2");
    bench.send(copy.header("x-amz-tagging-directive", "REPLACE")).await.unwrap();
    assert_eq!(tags(&bench.get("data/c?tagging").await), [("c", "2")]);
    let directive = Ask::of("PUT", "data/c").header("x-amz-copy-source", "data/m");
    assert_eq!(code(bench.send(directive.header("x-amz-tagging-directive", "MERGE")).await), "InvalidArgument");
}

#[tokio::test]
async fn a_bucket_has_tags_or_says_that_it_has_none() {
    let bench = Bench::with("data").await;
    assert_eq!(code(bench.send(Ask::of("GET", "data?tagging")).await), "NoSuchTagSet");
    assert_eq!(set(&bench, "data?tagging", &[("b", "2"), ("a", "1")]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(tags(&bench.get("data?tagging").await), [("a", "1"), ("b", "2")]);
    let system = Ask::of("PUT", "data?tagging").body(document(&[("aws:x", "1")]));
    assert_eq!(code(bench.send(system).await), "InvalidTag");
    set(&bench, "data?tagging", &[]).await;
    assert_eq!(code(bench.send(Ask::of("GET", "data?tagging")).await), "NoSuchTagSet");
    set(&bench, "data?tagging", &[("a", "1")]).await;
    assert_eq!(bench.send(Ask::of("DELETE", "data?tagging")).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(code(bench.send(Ask::of("GET", "data?tagging")).await), "NoSuchTagSet");
}
