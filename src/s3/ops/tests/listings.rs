use super::*;

async fn filled() -> Bench {
    let bench = Bench::with("data").await;
    for key in ["a", "b/1", "b/2", "b/c/3", "d e", "z"] {
        bench.put(&format!("data/{key}"), key.to_owned()).await;
    }
    bench
}

#[tokio::test]
async fn prefixes_and_delimiters_group_keys() {
    let bench = filled().await;
    let all = bench.get("data?list-type=2").await;
    assert_eq!(all.all("Key"), ["a", "b/1", "b/2", "b/c/3", "d e", "z"]);
    assert_eq!((all.one("KeyCount"), all.one("MaxKeys"), all.one("IsTruncated")), ("6", "1000", "false"));
    assert_eq!(all.all("Size")[..2], ["1", "3"]);
    assert_eq!(all.all("ChecksumAlgorithm")[0], "CRC64NVME");
    assert!(all.all("Owner").is_empty());
    let top = bench.get("data?list-type=2&delimiter=/&fetch-owner=true").await;
    assert_eq!(top.all("Key"), ["a", "d e", "z"]);
    assert_eq!(top.all("CommonPrefixes"), ["<Prefix>b/</Prefix>"]);
    assert_eq!((top.one("KeyCount"), top.all("Owner").len()), ("4", 3));
    let below = bench.get("data?list-type=2&delimiter=/&prefix=b/").await;
    assert_eq!((below.all("Key"), below.all("CommonPrefixes")), (vec!["b/1", "b/2"], vec!["<Prefix>b/c/</Prefix>"]));
    let url = bench.get("data?encoding-type=url&prefix=d ").await;
    assert_eq!((url.all("Key"), url.one("EncodingType")), (vec!["d%20e"], "url"));
    assert_eq!(code(bench.send(Ask::of("GET", "data?encoding-type=base64")).await), "InvalidArgument");
}

#[tokio::test]
async fn pages_join_by_token_and_by_marker() {
    let bench = filled().await;
    let mut found = Vec::new();
    let mut target = "data?list-type=2&max-keys=2&delimiter=/".to_owned();
    loop {
        let page = bench.get(&target).await;
        found.extend(page.all("Key").into_iter().map(str::to_owned));
        found.extend(page.all("CommonPrefixes").into_iter().map(str::to_owned));
        match page.all("NextContinuationToken")[..] {
            [token] => target = format!("data?list-type=2&max-keys=2&delimiter=/&continuation-token={token}"),
            _ => break,
        }
    }
    assert_eq!(found, ["a", "<Prefix>b/</Prefix>", "d e", "z"]);
    let first = bench.get("data?max-keys=2&delimiter=/").await;
    assert_eq!((first.one("NextMarker"), first.one("IsTruncated")), ("b/", "true"));
    assert_eq!(bench.get("data?delimiter=/&marker=b/").await.all("Key"), ["d e", "z"]);
    assert_eq!(bench.get("data?list-type=2&start-after=b/2").await.all("Key"), ["b/c/3", "d e", "z"]);
}

#[tokio::test]
async fn limits_are_numbers_and_tokens_our_own() {
    let bench = filled().await;
    for bad in
        ["max-keys=-1", "max-keys=abc", "max-keys=2147483648", "continuation-token=forged", "continuation-token="]
    {
        let target = format!("data?list-type=2&{bad}");
        assert_eq!(code(bench.send(Ask::of("GET", &target)).await), "InvalidArgument", "{bad}");
    }
    assert_eq!(bench.get("data?list-type=2&max-keys=1000000000").await.one("MaxKeys"), "1000");
    let none = bench.get("data?list-type=2&max-keys=0").await;
    assert_eq!((none.one("KeyCount"), none.one("IsTruncated")), ("0", "false"));
}

#[tokio::test]
async fn keys_that_markup_would_eat_are_escaped() {
    let bench = Bench::with("data").await;
    bench.put("data/<a>&\u{1}", "x").await;
    assert_eq!(bench.get("data").await.all("Key"), ["&lt;a&gt;&amp;&#x1;"]);
    assert_eq!(bench.get("data?encoding-type=url").await.all("Key"), ["%3Ca%3E%26%01"]);
}
