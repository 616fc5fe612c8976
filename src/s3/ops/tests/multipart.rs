use super::*;

const PART: usize = 5 << 20;

struct Upload<'a> {
    bench: &'a Bench,
    target: &'static str,
    id: String,
    listed: String,
}

impl<'a> Upload<'a> {
    async fn begin(bench: &'a Bench, target: &'static str, headers: &[(&'static str, &str)]) -> Self {
        let ask = Ask::of("POST", &format!("{target}?uploads"));
        let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        let id = bench.send(ask).await.expect("begun").one("UploadId").to_owned();
        Upload { bench, target, id, listed: String::new() }
    }

    fn ask(&self, method: &'static str, query: &str) -> Ask {
        Ask::of(method, &format!("{}?uploadId={}{query}", self.target, self.id))
    }

    async fn part(&mut self, number: u16, body: Vec<u8>) {
        let ask = self.ask("PUT", &format!("&partNumber={number}")).body(body);
        let answer = self.bench.send(ask).await.expect("a part");
        self.list(number, answer.header("etag").expect("an ETag"));
    }

    fn list(&mut self, number: u16, etag: &str) {
        self.listed += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }

    fn completion(&self) -> Ask {
        let document = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", self.listed);
        self.ask("POST", "").body(document)
    }
}

fn bytes(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

#[tokio::test]
async fn parts_become_an_object_and_the_answer_can_be_had_again() {
    let bench = Bench::with("data").await;
    let mut upload = Upload::begin(&bench, "data/big", &[("x-amz-meta-k", "v"), ("content-type", "a/b")]).await;
    upload.part(2, bytes(1, PART)).await;
    upload.part(7, bytes(2, PART + 3)).await;
    upload.part(9, bytes(3, 10)).await;
    let made = bench.send(upload.completion()).await.unwrap();
    assert!(made.one("ETag").ends_with("-3&quot;"));
    assert_eq!(made.one("ChecksumType"), "FULL_OBJECT");
    let whole = [bytes(1, PART), bytes(2, PART + 3), bytes(3, 10)].concat();
    let got = bench.send(Ask::of("GET", "data/big").header("x-amz-checksum-mode", "ENABLED")).await.unwrap();
    assert!(got.body == whole);
    assert_eq!((got.header("x-amz-meta-k"), got.header("content-type")), (Some("v"), Some("a/b")));
    let mut hasher = crate::s3::checksum::Hasher::new(tandem_storage::types::ChecksumAlgorithm::Crc64Nvme);
    hasher.update(&whole);
    let expected = crate::s3::checksum::text(&hasher.finish());
    assert_eq!(got.header("x-amz-checksum-crc64nvme"), Some(expected.as_str()));
    let part = bench.get("data/big?partNumber=2").await;
    assert_eq!((part.status, part.header("x-amz-mp-parts-count")), (StatusCode::PARTIAL_CONTENT, Some("3")));
    assert!(part.body == bytes(2, PART + 3));
    assert_eq!(code(bench.send(Ask::of("GET", "data/big?partNumber=4")).await), "InvalidPartNumber");
    let again = bench.send(upload.completion()).await.unwrap();
    assert_eq!(again.body, made.body);
    bench.put("data/big", "other").await;
    assert_eq!(code(bench.send(upload.completion()).await), "NoSuchUpload");
}

#[tokio::test]
async fn an_upload_is_listed_until_it_ends() {
    let bench = Bench::with("data").await;
    let mut upload = Upload::begin(&bench, "data/k", &[("x-amz-checksum-algorithm", "CRC32")]).await;
    upload.part(1, b"one".to_vec()).await;
    upload.part(3, b"three".to_vec()).await;
    let parts = bench.send(upload.ask("GET", "")).await.unwrap();
    assert_eq!((parts.all("PartNumber"), parts.all("Size")), (vec!["1", "3"], vec!["3", "5"]));
    assert_eq!((parts.one("ChecksumAlgorithm"), parts.one("ChecksumType")), ("CRC32", "COMPOSITE"));
    let page = bench.send(upload.ask("GET", "&max-parts=1")).await.unwrap();
    assert_eq!((page.one("IsTruncated"), page.one("NextPartNumberMarker")), ("true", "1"));
    let rest = bench.send(upload.ask("GET", "&part-number-marker=1")).await.unwrap();
    assert_eq!((rest.one("PartNumber"), rest.one("IsTruncated")), ("3", "false"));
    bench.send(upload.ask("DELETE", "")).await.unwrap();
    for ask in [upload.ask("GET", ""), upload.completion(), upload.ask("PUT", "&partNumber=1")] {
        assert_eq!(code(bench.send(ask).await), "NoSuchUpload");
    }
    assert!(bench.get("data?uploads").await.all("UploadId").is_empty());
}

/// As boto3's own suite expects.
#[tokio::test]
async fn f30_an_upload_that_has_ended_is_aborted_with_success() {
    let bench = Bench::with("data").await;
    let aborted = Upload::begin(&bench, "data/k", &[]).await;
    let mut completed = Upload::begin(&bench, "data/k", &[]).await;
    completed.part(1, b"x".to_vec()).await;
    bench.send(completed.completion()).await.unwrap();
    for upload in [&aborted, &aborted, &completed] {
        assert_eq!(bench.send(upload.ask("DELETE", "")).await.unwrap().status, StatusCode::NO_CONTENT);
    }
    assert_eq!(bench.get("data/k").await.body, "x");
    let mut other = Upload::begin(&bench, "data/other", &[]).await;
    other.part(1, b"x".to_vec()).await;
    let by_another_key = Ask::of("DELETE", &format!("data/k?uploadId={}", other.id));
    assert_eq!(code(bench.send(by_another_key).await), "NoSuchUpload", "nothing was aborted");
    assert_eq!(code(bench.send(Ask::of("DELETE", "data/k?uploadId=56788")).await), "NoSuchUpload");
}

#[tokio::test]
async fn f05_an_empty_checksum_in_a_completion_says_nothing() {
    let bench = Bench::with("data").await;
    let mut upload = Upload::begin(&bench, "data/k", &[]).await;
    upload.part(1, b"x".to_vec()).await;
    let with = |checksums: &str| {
        let document = upload.listed.replace("</Part>", &format!("{checksums}</Part>"));
        upload.ask("POST", "").body(format!("<CompleteMultipartUpload>{document}</CompleteMultipartUpload>"))
    };
    assert_eq!(code(bench.send(with("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>")).await), "InvalidPart");
    // What minio-go 7.0.37 sends.
    let empty = "<ChecksumCRC32></ChecksumCRC32><ChecksumCRC32C></ChecksumCRC32C><ChecksumSHA1/><ChecksumSHA256> </ChecksumSHA256>";
    bench.send(with(empty)).await.expect("completed");
}

#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let bench = Bench::with("data").await;
    let mut ids = Vec::new();
    for target in ["data/a", "data/a", "data/b/x", "data/c"] {
        ids.push(Upload::begin(&bench, target, &[]).await.id);
        bench.tick();
    }
    let all = bench.get("data?uploads").await;
    assert_eq!(all.all("UploadId"), ids);
    let first = bench.get("data?uploads&max-uploads=1").await;
    assert_eq!((first.one("NextKeyMarker"), first.one("NextUploadIdMarker")), ("a", ids[0].as_str()));
    let second = bench.get(&format!("data?uploads&max-uploads=1&key-marker=a&upload-id-marker={}", ids[0])).await;
    assert_eq!(second.one("UploadId"), ids[1]);
    let rest = bench.get(&format!("data?uploads&key-marker=a&upload-id-marker={}", ids[1])).await;
    assert_eq!(rest.all("UploadId"), ids[2..]);
    assert_eq!(bench.get("data?uploads&key-marker=a").await.all("UploadId"), ids[2..]);
    let grouped = bench.get("data?uploads&delimiter=/").await;
    assert_eq!((grouped.all("Key"), grouped.all("CommonPrefixes")), (vec!["a", "a", "c"], vec!["<Prefix>b/</Prefix>"]));
    assert_eq!(code(bench.send(Ask::of("GET", "data?uploads&max-uploads=x")).await), "InvalidArgument");
}

#[tokio::test]
async fn parts_of_other_uploads_and_keys_are_not_taken() {
    let bench = Bench::with("data").await;
    let mut upload = Upload::begin(&bench, "data/k", &[]).await;
    upload.part(1, b"x".to_vec()).await;
    let elsewhere = Ask::of("PUT", &format!("data/other?uploadId={}&partNumber=1", upload.id)).body("x");
    assert_eq!(code(bench.send(elsewhere).await), "NoSuchUpload");
    for number in ["0", "10001", "-1", "abc"] {
        let ask = upload.ask("PUT", &format!("&partNumber={number}")).body("x");
        assert_eq!(code(bench.send(ask).await), "InvalidArgument", "{number}");
    }
    assert_eq!(code(bench.send(Ask::of("DELETE", "data/k?uploadId=guess")).await), "NoSuchUpload");
    upload.list(2, "\"0cc175b9c0f1b6a831c399e269772661\"");
    assert_eq!(code(bench.send(upload.completion()).await), "InvalidPart");
}

#[tokio::test]
async fn completion_obeys_conditions_and_sizes() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "old").await;
    let mut upload = Upload::begin(&bench, "data/k", &[]).await;
    upload.part(1, b"new".to_vec()).await;
    let refused = upload.completion().header("if-none-match", "*");
    assert_eq!(code(bench.send(refused).await), "PreconditionFailed");
    let wrong = upload.completion().header("x-amz-mp-object-size", "4");
    assert_eq!(code(bench.send(wrong).await), "InvalidRequest");
    bench.send(upload.completion().header("x-amz-mp-object-size", "3")).await.unwrap();
    assert_eq!(bench.get("data/k").await.text(), "new");
}

#[tokio::test]
async fn parts_are_copied_whole_and_in_ranges() {
    let bench = Bench::with("data").await;
    let source = bytes(5, 12 << 20);
    bench.put("data/source", source.clone()).await;
    let mut upload = Upload::begin(&bench, "data/joined", &[]).await;
    let copy = |number: u16, range: Option<&str>| {
        let ask = upload.ask("PUT", &format!("&partNumber={number}")).header("x-amz-copy-source", "data/source");
        match range {
            None => ask,
            Some(range) => ask.header("x-amz-copy-source-range", range),
        }
    };
    let whole = bench.send(copy(1, None)).await.unwrap().one("ETag").replace("&quot;", "\"");
    let middle = bench.send(copy(2, Some("bytes=100-6291555"))).await.unwrap().one("ETag").replace("&quot;", "\"");
    let end = bench.send(copy(3, Some("bytes=12582900-12582911"))).await.unwrap().one("ETag").replace("&quot;", "\"");
    assert_eq!(code(bench.send(copy(4, Some("bytes=0-12582912"))).await), "InvalidArgument");
    assert_eq!(code(bench.send(copy(4, Some("garbage"))).await), "InvalidArgument");
    for (number, etag) in [(1, whole), (2, middle), (3, end)] {
        upload.list(number, &etag);
    }
    bench.send(upload.completion()).await.unwrap();
    let expected = [&source[..], &source[100..6_291_556], &source[12_582_900..]].concat();
    let got = bench.get("data/joined").await;
    assert!(got.body == expected);
    let copied = bench.send(Ask::of("PUT", "data/again").header("x-amz-copy-source", "data/joined")).await.unwrap();
    assert!(copied.one("ETag").ends_with("-3&quot;"));
    assert!(bench.get("data/again?partNumber=3").await.body == source[12_582_900..]);
}

#[tokio::test]
async fn an_upload_takes_parts_of_its_own_algorithm() {
    let bench = Bench::with("data").await;
    let mut upload = Upload::begin(&bench, "data/k", &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let ask = upload.ask("PUT", "&partNumber=1").body("hello");
    let part = bench.send(ask).await.unwrap();
    let sum = part.header("x-amz-checksum-sha256").unwrap().to_owned();
    let etag = part.header("etag").unwrap();
    upload.list(1, etag);
    assert_eq!(code(bench.send(upload.completion()).await), "InvalidRequest");
    upload.listed =
        format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag><ChecksumSHA256>{sum}</ChecksumSHA256></Part>");
    let made = bench.send(upload.completion()).await.unwrap();
    assert_eq!(made.one("ChecksumType"), "COMPOSITE");
    assert!(made.one("ChecksumSHA256").ends_with("-1"));
}

/// Levels of recipes of an object's bytes.
fn levels(bench: &Bench, key: &str) -> usize {
    use tandem_storage::change::VersionSelector;
    use tandem_storage::record::BlobKind;
    use tandem_storage::types::Body;

    let store = &bench.service.store;
    let reader = store.read().unwrap();
    let bucket = reader.bucket(&BucketName::new("data").unwrap()).unwrap().unwrap();
    let row = reader.object(&bucket, &ObjectKey::new(key).unwrap(), VersionSelector::Latest).unwrap().unwrap();
    let (mut level, mut levels) = (vec![row.content().unwrap().body], 0);
    loop {
        let recipes = level.iter().filter_map(|body| match body {
            Body::Recipe(hash) => Some(store.recipe(*hash).unwrap()),
            Body::Empty | Body::Blob(_) => None,
        });
        let children = recipes.flatten().map(|child| match child.kind {
            BlobKind::Recipe => Body::Recipe(child.hash),
            BlobKind::Data => Body::Blob(child.hash),
        });
        level = children.collect();
        if level.is_empty() {
            return levels;
        }
        levels += 1;
    }
}

#[tokio::test]
async fn an_object_that_is_appended_to_by_copying_it_stays_shallow() {
    let bench = Bench::with("data").await;
    let mut whole = bytes(1, PART);
    bench.put("data/log", whole.clone()).await;
    for n in 0..24 {
        let mut upload = Upload::begin(&bench, "data/log", &[]).await;
        let copied = upload.ask("PUT", "&partNumber=1").header("x-amz-copy-source", "data/log");
        let etag = bench.send(copied).await.unwrap().one("ETag").replace("&quot;", "");
        upload.list(1, &etag);
        upload.part(2, bytes(n, 7)).await;
        bench.send(upload.completion()).await.unwrap();
        whole.extend(bytes(n, 7));
        assert!(levels(&bench, "log") <= 10);
    }
    assert!(bench.get("data/log").await.body == whole);
    let range = bench.send(Ask::of("GET", "data/log").header("range", "bytes=-9")).await.unwrap();
    assert!(range.body == whole[whole.len() - 9..]);
    assert!(blobs_after_collection(&bench).await > 0);
    bench.send(Ask::of("DELETE", "data/log")).await.unwrap();
    assert_eq!(blobs_after_collection(&bench).await, 0, "what was built up is counted down");
}

/// How many blobs are left when nothing more can be collected; the check finds nothing.
async fn blobs_after_collection(bench: &Bench) -> u64 {
    use tandem_storage::check::{Depth, State};

    let (store, now) = (bench.service.store.clone(), bench.service.clock.now());
    let collected = tokio::task::spawn_blocking(move || {
        while store.collect(now).unwrap().more {}
        let report = store.check(State::Collected, Depth::Bytes, &mut |_| {}).unwrap();
        assert!(report.is_clean(), "{:#?}", report.findings);
        report.blobs
    });
    collected.await.unwrap()
}

#[tokio::test]
async fn a_part_shows_its_own_checksum_under_the_objects_type() {
    let bench = Bench::with("data").await;
    let mut upload = Upload::begin(&bench, "data/k", &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let ask = upload.ask("PUT", "&partNumber=1").body("hello");
    let answer = bench.send(ask).await.unwrap();
    let sum = answer.header("x-amz-checksum-sha256").unwrap();
    let (etag, element) = (answer.header("etag").unwrap(), "ChecksumSHA256");
    upload.listed = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag><{element}>{sum}</{element}></Part>");
    let made = bench.send(upload.completion()).await.unwrap();
    let of_object = made.one(element);
    let part = Ask::of("GET", "data/k?partNumber=1").header("x-amz-checksum-mode", "ENABLED");
    let part = bench.send(part).await.unwrap();
    assert_eq!(part.header("x-amz-checksum-sha256"), Some(sum));
    assert_eq!(part.header("x-amz-checksum-type"), Some("COMPOSITE"));
    let asked = Ask::of("GET", "data/k?attributes").header("x-amz-object-attributes", "Checksum");
    let attributes = bench.send(asked).await.unwrap();
    assert_eq!(Some(attributes.one(element)), of_object.strip_suffix("-1"));
}
