use super::*;

#[tokio::test]
async fn a_bucket_is_made_found_and_deleted() {
    let bench = Bench::with("one").await;
    assert_eq!(bench.send(Ask::of("HEAD", "one")).await.unwrap().header("x-amz-bucket-region"), Some("us-east-1"));
    assert!(bench.get("one?location").await.text().ends_with("doc/2006-03-01/\"></LocationConstraint>"));
    assert!(!bench.get("one?versioning").await.text().contains("Status"));
    assert_eq!(bench.send(Ask::of("DELETE", "one")).await.unwrap().status, StatusCode::NO_CONTENT);
    for ask in [Ask::of("HEAD", "one"), Ask::of("DELETE", "one"), Ask::of("GET", "one"), Ask::of("PUT", "one/k")] {
        assert_eq!(code(bench.send(ask).await), "NoSuchBucket");
    }
}

/// The API reference of CreateBucket: us-east-1 differs from every other region.
#[tokio::test]
async fn f10_a_bucket_of_ones_own_is_made_again_in_one_region_only() {
    let bench = Bench::with("one").await;
    bench.put("one/k", "x").await;
    let again = bench.send(Ask::of("PUT", "one")).await.expect("made again");
    assert_eq!((again.status, again.header("location")), (StatusCode::OK, Some("/one")));
    assert_eq!(bench.get("one/k").await.body, "x", "what is in it stays");
    let private = bench.send(Ask::of("PUT", "one").header("x-amz-acl", "private")).await;
    assert_eq!(private.expect("it is").status, StatusCode::OK);
    // Nothing is taken and then not done.
    for (name, value) in [("x-amz-object-ownership", "ObjectWriter"), ("x-amz-bucket-object-lock-enabled", "true")] {
        assert_eq!(
            code(bench.send(Ask::of("PUT", "one").header(name, value)).await),
            "BucketAlreadyOwnedByYou",
            "{name}"
        );
    }
    let elsewhere = Bench::in_region("eu-central-1");
    elsewhere.send(Ask::of("PUT", "one")).await.expect("made");
    assert_eq!(code(elsewhere.send(Ask::of("PUT", "one")).await), "BucketAlreadyOwnedByYou");
}

#[tokio::test]
async fn a_bucket_with_objects_stays_and_keeps_its_uploads() {
    let bench = Bench::with("full").await;
    bench.put("full/k", "x").await;
    bench.send(Ask::of("POST", "full/up?uploads")).await.unwrap();
    assert_eq!(code(bench.send(Ask::of("DELETE", "full")).await), "BucketNotEmpty");
    assert_eq!(bench.get("full?uploads").await.all("UploadId").len(), 1);
    bench.send(Ask::of("DELETE", "full/k")).await.unwrap();
    bench.send(Ask::of("DELETE", "full")).await.unwrap();
    assert_eq!(code(bench.send(Ask::of("HEAD", "full")).await), "NoSuchBucket");
}

/// The walk goes on where it left off, also behind what it does not show.
#[tokio::test]
async fn more_buckets_than_are_looked_at_in_one_go_are_listed_once_each() {
    let bench = Bench::new();
    let names: Vec<String> = (0..1_205).map(|number| format!("bucket-{number:04}")).collect();
    let mut pending = Vec::new();
    for name in &names {
        let row = tandem_storage::record::BucketRow {
            guid: tandem_storage::types::BucketGuid::from_bytes(crate::clock::random_guid(&*bench.clock)),
            name: BucketName::new(name).unwrap(),
            created: bench.clock.now(),
            location: None,
            versioning: tandem_storage::record::Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        let permit = tandem_storage::change::WritePermit::Unprotected;
        let change = tandem_storage::change::CreateBucket { permit, row, settings: Vec::new() };
        pending.push(bench.service.store.commit(tandem_storage::Lane::Client, bench.clock.now(), change));
    }
    for pending in pending {
        let _ = pending.await.unwrap();
    }
    assert_eq!(bench.get("").await.all("Name"), names);
    assert_eq!(bench.get("?prefix=bucket-12").await.all("Name"), names[1200..]);
    let first = bench.get("?max-buckets=1100").await;
    assert_eq!(first.all("Name"), names[..1100]);
    let rest = bench.get(&format!("?continuation-token={}", first.one("ContinuationToken"))).await;
    assert_eq!(rest.all("Name"), names[1100..]);
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let bench = Bench::new();
    for name in ["apple", "banana", "bark", "cherry"] {
        bench.send(Ask::of("PUT", name)).await.unwrap();
    }
    assert_eq!(bench.get("").await.all("Name"), ["apple", "banana", "bark", "cherry"]);
    assert_eq!(bench.get("?prefix=ba").await.all("Name"), ["banana", "bark"]);
    let first = bench.get("?max-buckets=3").await;
    assert_eq!(first.all("Name"), ["apple", "banana", "bark"]);
    let rest = bench.get(&format!("?continuation-token={}", first.one("ContinuationToken"))).await;
    assert_eq!(rest.all("Name"), ["cherry"]);
    assert!(rest.all("ContinuationToken").is_empty());
    for bad in ["?max-buckets=0", "?max-buckets=10001", "?max-buckets=x", "?continuation-token=forged"] {
        assert_eq!(code(bench.send(Ask::of("GET", bad)).await), "InvalidArgument", "{bad}");
    }
}

#[tokio::test]
async fn a_bucket_remembers_its_region_and_its_lock() {
    let bench = Bench::new();
    let document = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    bench.send(Ask::of("PUT", "here").body(document("us-east-1"))).await.unwrap();
    let elsewhere = Ask::of("PUT", "there").body(document("eu-west-1"));
    assert_eq!(code(bench.send(elsewhere).await), "IllegalLocationConstraintException");
    let locked = Ask::of("PUT", "locked").header("x-amz-bucket-object-lock-enabled", "true");
    bench.send(locked).await.unwrap();
    assert_eq!(bench.get("locked?versioning").await.one("Status"), "Enabled");
    assert_eq!(
        code(bench.send(Ask::of("PUT", "open").header("x-amz-acl", "public-read")).await),
        "InvalidBucketAclWithObjectOwnership"
    );
    let writers = Ask::of("PUT", "open").header("x-amz-object-ownership", "ObjectWriter");
    bench.send(writers.header("x-amz-acl", "public-read")).await.unwrap();
}

#[tokio::test]
async fn an_expected_owner_must_be_the_owner() {
    let bench = Bench::with("mine").await;
    let ask = |owner: &str| Ask::of("HEAD", "mine").header("x-amz-expected-bucket-owner", owner);
    assert!(bench.send(ask("000000000000")).await.is_ok());
    assert_eq!(code(bench.send(ask("123456789012")).await), "AccessDenied");
}
