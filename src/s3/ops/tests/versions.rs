use super::*;

async fn set_versioning(bench: &Bench, status: &str) {
    let document = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    bench.send(Ask::of("PUT", "data?versioning").body(document)).await.expect("set");
}

async fn versioned() -> Bench {
    let bench = Bench::with("data").await;
    set_versioning(&bench, "Enabled").await;
    bench
}

async fn put(bench: &Bench, target: &str, body: &'static str) -> String {
    bench.tick();
    bench.put(target, body).await.header("x-amz-version-id").expect("a version id").to_owned()
}

async fn delete(bench: &Bench, target: &str) -> Answer {
    bench.tick();
    bench.send(Ask::of("DELETE", target)).await.expect("deleted")
}

async fn refused(bench: &Bench, method: &'static str, target: &str) -> S3Error {
    bench.send(Ask::of(method, target)).await.expect_err("refused")
}

fn told<'a>(error: &'a S3Error, name: &str) -> Option<&'a str> {
    error.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// (key, version, latest, marker) of everything that a page lists.
fn listed(page: &Answer) -> Vec<(String, String, bool, bool)> {
    let mut rows = Vec::new();
    let text = page.text().replace("<DeleteMarker>", "<Version><Marker/>").replace("</DeleteMarker>", "</Version>");
    for entry in text.split("<Version>").skip(1) {
        let field = |name: &str| {
            let rest = entry.split(&format!("<{name}>")).nth(1).unwrap_or_default();
            rest.split('<').next().unwrap_or_default().to_owned()
        };
        rows.push((field("Key"), field("VersionId"), field("IsLatest") == "true", entry.starts_with("<Marker/>")));
    }
    rows
}

#[tokio::test]
async fn each_version_is_read_by_its_id() {
    let bench = versioned().await;
    assert_eq!(bench.get("data?versioning").await.one("Status"), "Enabled");
    let (first, second) = (put(&bench, "data/k", "one").await, put(&bench, "data/k", "two").await);
    for (id, body) in [(&first, "one"), (&second, "two")] {
        let got = bench.get(&format!("data/k?versionId={id}")).await;
        assert_eq!((got.text(), got.header("x-amz-version-id")), (body, Some(id.as_str())));
        let head = bench.send(Ask::of("HEAD", &format!("data/k?versionId={id}"))).await.unwrap();
        assert_eq!((head.header("content-length"), head.header("x-amz-version-id")), (Some("3"), Some(id.as_str())));
    }
    assert_eq!(bench.get("data/k").await.header("x-amz-version-id"), Some(second.as_str()));
    assert_eq!(refused(&bench, "GET", "data/k?versionId=null").await.code.as_str(), "NoSuchVersion");
    let absent = refused(&bench, "GET", &format!("data/k?versionId={}", "0".repeat(32))).await;
    assert_eq!(absent.code.as_str(), "NoSuchVersion");
    for (id, message) in [("", "Version id cannot be the empty string"), ("x", "Invalid version id specified")] {
        let error = refused(&bench, "GET", &format!("data/k?versionId={id}")).await;
        assert_eq!((error.code.as_str(), error.message.as_str()), ("InvalidArgument", message));
    }
}

#[tokio::test]
async fn a_marker_hides_the_key_and_tells_of_itself() {
    let bench = versioned().await;
    let id = put(&bench, "data/k", "one").await;
    let deleted = delete(&bench, "data/k").await;
    let marker = deleted.header("x-amz-version-id").unwrap().to_owned();
    assert_eq!((deleted.status, deleted.header("x-amz-delete-marker")), (StatusCode::NO_CONTENT, Some("true")));
    let hidden = refused(&bench, "GET", "data/k").await;
    assert_eq!(hidden.code.as_str(), "NoSuchKey");
    assert_eq!(told(&hidden, "x-amz-delete-marker"), Some("true"));
    assert_eq!(told(&hidden, "x-amz-version-id"), Some(marker.as_str()));
    let by_id = format!("data/k?versionId={marker}");
    for method in ["GET", "HEAD"] {
        let error = refused(&bench, method, &by_id).await;
        assert_eq!((error.code.as_str(), told(&error, "allow")), ("MethodNotAllowed", Some("DELETE")));
        assert_eq!(told(&error, "last-modified"), Some("Tue, 14 Nov 2023 22:13:22 GMT"));
        assert_eq!(told(&error, "x-amz-delete-marker"), Some("true"));
    }
    let copied = Ask::of("PUT", "data/c").header("x-amz-copy-source", &by_id);
    assert_eq!(code(bench.send(copied).await), "InvalidRequest");
    let unmarked = delete(&bench, &by_id).await;
    assert_eq!(unmarked.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(unmarked.header("x-amz-version-id"), Some(marker.as_str()));
    assert_eq!(bench.get("data/k").await.header("x-amz-version-id"), Some(id.as_str()));
    let again = delete(&bench, &by_id).await;
    assert_eq!(again.header("x-amz-version-id"), Some(marker.as_str()));
    delete(&bench, &format!("data/k?versionId={id}")).await;
    assert_eq!(told(&refused(&bench, "GET", "data/k").await, "x-amz-delete-marker"), None);
    bench.send(Ask::of("DELETE", "data")).await.unwrap();
}

#[tokio::test]
async fn suspension_writes_one_null_version_and_keeps_the_others() {
    let bench = Bench::with("data").await;
    assert!(bench.put("data/k", "before").await.header("x-amz-version-id").is_none());
    assert!(bench.get("data/k").await.header("x-amz-version-id").is_none());
    set_versioning(&bench, "Enabled").await;
    assert_eq!(bench.get("data/k").await.header("x-amz-version-id"), Some("null"));
    let id = put(&bench, "data/k", "with id").await;
    assert_eq!(bench.get("data/k?versionId=null").await.text(), "before");
    set_versioning(&bench, "Suspended").await;
    assert_eq!(bench.get("data?versioning").await.one("Status"), "Suspended");
    bench.tick();
    assert!(bench.put("data/k", "after").await.header("x-amz-version-id").is_none());
    assert_eq!(bench.get("data/k").await.header("x-amz-version-id"), Some("null"));
    assert_eq!(bench.get("data/k?versionId=null").await.text(), "after");
    let rows = [("null", true, false), (id.as_str(), false, false)];
    let expected = rows.map(|(id, latest, marker)| ("k".to_owned(), id.to_owned(), latest, marker));
    assert_eq!(listed(&bench.get("data?versions").await), expected);
    let deleted = delete(&bench, "data/k").await;
    assert_eq!(deleted.header("x-amz-version-id"), Some("null"));
    assert_eq!(refused(&bench, "GET", "data/k?versionId=null").await.code.as_str(), "MethodNotAllowed");
    assert_eq!(bench.get(&format!("data/k?versionId={id}")).await.text(), "with id");
    let document = "<VersioningConfiguration><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>";
    assert_eq!(code(bench.send(Ask::of("PUT", "data?versioning").body(document)).await), "NotImplemented");
}

#[tokio::test]
async fn a_locked_bucket_keeps_its_versions() {
    let bench = Bench::new();
    let made = Ask::of("PUT", "locked").header("x-amz-bucket-object-lock-enabled", "true");
    bench.send(made).await.unwrap();
    let document =
        |status: &str| format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    let set = |status: &str| Ask::of("PUT", "locked?versioning").body(document(status));
    assert_eq!(code(bench.send(set("Suspended")).await), "InvalidBucketState");
    bench.send(set("Enabled")).await.unwrap();
}

#[tokio::test]
async fn listings_of_versions_join_at_every_page_size() {
    let bench = versioned().await;
    let keys = ["a", "b/1", "b/2", "b0", "c", "d/x"];
    for round in 0..3 {
        for key in keys {
            match (round, key) {
                (1, "b/1" | "c") => drop(delete(&bench, &format!("data/{key}")).await),
                _ => drop(put(&bench, &format!("data/{key}"), "x").await),
            }
        }
    }
    let all = listed(&bench.get("data?versions").await);
    assert_eq!(all.len(), 18);
    assert!(all.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert_eq!(all.iter().filter(|row| row.2).count(), 6);
    assert_eq!(all.iter().filter(|row| row.3).map(|row| row.0.as_str()).collect::<Vec<_>>(), ["b/1", "c"]);
    for delimiter in ["", "&delimiter=/"] {
        let whole = bench.get(&format!("data?versions{delimiter}")).await;
        let prefixes = whole.text().matches("<CommonPrefixes>").count();
        assert_eq!(prefixes, if delimiter.is_empty() { 0 } else { 2 });
        for limit in 1..=19 {
            let (mut rows, mut groups, mut marker) = (Vec::new(), 0, String::new());
            loop {
                let page = bench.get(&format!("data?versions&max-keys={limit}{delimiter}{marker}")).await;
                let found = listed(&page);
                let count = page.text().matches("<CommonPrefixes>").count();
                assert!(found.len() + count <= limit);
                rows.extend(found);
                groups += count;
                if page.one("IsTruncated") == "false" {
                    assert!(page.all("NextKeyMarker").is_empty());
                    break;
                }
                marker = format!("&key-marker={}", page.one("NextKeyMarker"));
                if let [version] = page.all("NextVersionIdMarker")[..] {
                    marker += &format!("&version-id-marker={version}");
                }
            }
            assert_eq!((rows, groups), (listed(&whole), prefixes), "{limit} a page{delimiter}");
        }
    }
    let under = listed(&bench.get("data?versions&prefix=b/").await);
    assert_eq!(under.len(), 6);
    assert!(under.iter().all(|row| row.0.starts_with("b/")));
}

#[tokio::test]
async fn markers_of_a_listing_of_versions_are_checked() {
    let bench = versioned().await;
    for (query, message) in [
        ("version-id-marker=null", "A version-id marker cannot be specified without a key marker."),
        ("key-marker=k&version-id-marker=x", "Invalid version id specified"),
    ] {
        let error = refused(&bench, "GET", &format!("data?versions&{query}")).await;
        assert_eq!((error.code.as_str(), error.message.as_str()), ("InvalidArgument", message));
    }
    bench.get("data?versions&key-marker=&version-id-marker=").await;
    let empty = bench.get("data?versions&max-keys=0").await;
    assert_eq!(empty.one("IsTruncated"), "false");
}

#[tokio::test]
async fn many_versions_are_deleted_in_one_request() {
    let bench = versioned().await;
    let id = put(&bench, "data/k", "one").await;
    let marker = delete(&bench, "data/k").await.header("x-amz-version-id").unwrap().to_owned();
    let object =
        |key: &str, version: &str| format!("<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>");
    let document = format!(
        "<Delete>{}{}{}<Object><Key>new</Key></Object></Delete>",
        object("k", &id),
        object("k", &marker),
        object("k", "nonsense")
    );
    let deleted = bench.send(Ask::of("POST", "data?delete").body(document)).await.unwrap();
    let entries = deleted.all("Deleted");
    assert_eq!(entries[0], format!("<Key>k</Key><VersionId>{id}</VersionId>"));
    let gone = format!(
        "<Key>k</Key><VersionId>{marker}</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId>"
    );
    assert_eq!(entries[1], gone);
    assert!(entries[2].starts_with("<Key>new</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>"));
    assert!(deleted.one("Error").contains("<Code>NoSuchVersion</Code>"));
    let left = listed(&bench.get("data?versions").await);
    assert_eq!(left.iter().map(|row| (row.0.as_str(), row.3)).collect::<Vec<_>>(), [("new", true)]);
}

#[tokio::test]
async fn copies_name_the_version_they_are_of_and_the_one_they_make() {
    let bench = versioned().await;
    let old = put(&bench, "data/k", "old").await;
    let new = put(&bench, "data/k", "new").await;
    let copy = |target: &str, source: &str| Ask::of("PUT", target).header("x-amz-copy-source", source);
    let copied = bench.send(copy("data/c", &format!("data/k?versionId={old}"))).await.unwrap();
    assert_eq!(copied.header("x-amz-copy-source-version-id"), Some(old.as_str()));
    let made = copied.header("x-amz-version-id").unwrap();
    assert_eq!(bench.get(&format!("data/c?versionId={made}")).await.text(), "old");
    let copied = bench.send(copy("data/c", "data/k")).await.unwrap();
    assert_eq!(copied.header("x-amz-copy-source-version-id"), Some(new.as_str()));
    // The way to bring an old version back.
    bench.send(copy("data/k", &format!("data/k?versionId={old}"))).await.unwrap();
    assert_eq!(bench.get("data/k").await.text(), "old");
    let absent = copy("data/c", &format!("data/k?versionId={}", "0".repeat(32)));
    assert_eq!(code(bench.send(absent).await), "NoSuchVersion");
}

#[tokio::test]
async fn multipart_uploads_make_versions_and_take_parts_of_versions() {
    let bench = versioned().await;
    let old = put(&bench, "data/k", "old").await;
    put(&bench, "data/k", "newer").await;
    let id = bench.send(Ask::of("POST", "data/m?uploads")).await.unwrap().one("UploadId").to_owned();
    let part = Ask::of("PUT", &format!("data/m?uploadId={id}&partNumber=1"));
    let part = part.header("x-amz-copy-source", &format!("data/k?versionId={old}"));
    let copied = bench.send(part).await.unwrap();
    assert_eq!(copied.header("x-amz-copy-source-version-id"), Some(old.as_str()));
    let list = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>", copied.one("ETag"));
    let document = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    let made = bench.send(Ask::of("POST", &format!("data/m?uploadId={id}")).body(document)).await.unwrap();
    let version = made.header("x-amz-version-id").unwrap();
    assert_eq!(bench.get(&format!("data/m?versionId={version}")).await.text(), "old");
    let ask = Ask::of("GET", &format!("data/m?attributes&versionId={version}"));
    let told = bench.send(ask.header("x-amz-object-attributes", "ETag,Checksum,ObjectParts,ObjectSize")).await.unwrap();
    assert_eq!(told.header("x-amz-version-id"), Some(version));
    assert_eq!((told.one("PartsCount"), told.one("PartNumber"), told.one("ObjectSize")), ("1", "1", "3"));
    assert!(told.one("ETag").ends_with("-1"));
    assert!(told.all("StorageClass").is_empty());
}

#[tokio::test]
async fn conditions_of_writes_are_judged_on_the_newest_version() {
    let bench = versioned().await;
    let old = bench.put("data/k", "old").await;
    let new = bench.put("data/k", "new").await;
    let etag = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    let with = |method, target: &str, etag: &str| Ask::of(method, target).header("if-match", etag);
    assert_eq!(code(bench.send(with("PUT", "data/k", &etag(&old))).await), "PreconditionFailed");
    assert_eq!(code(bench.send(with("DELETE", "data/k", &etag(&old))).await), "PreconditionFailed");
    let by_id = format!("data/k?versionId={}", old.header("x-amz-version-id").unwrap());
    assert_eq!(code(bench.send(with("DELETE", &by_id, &etag(&new))).await), "PreconditionFailed");
    bench.send(with("DELETE", &by_id, &etag(&old))).await.unwrap();
    bench.send(with("DELETE", "data/k", &etag(&new))).await.unwrap();
    assert_eq!(code(bench.send(with("PUT", "data/k", "*")).await), "NoSuchKey");
    bench.send(Ask::of("PUT", "data/k").header("if-none-match", "*")).await.unwrap();
}
