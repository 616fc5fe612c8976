//! What changes between the decision and the commit: the commit goes by what is so when it is made.

use tandem_storage::Lane;
use tandem_storage::change::{SetBucketSetting, WritePermit};

use super::*;
use crate::s3::access::setting;
use crate::s3::ops::access;

const KEPT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",
    "Action":["s3:DeleteObject","s3:PutObjectTagging","s3:DeleteObjectTagging"],"Resource":"arn:aws:s3:::data/*",
    "Condition":{"StringEquals":{"s3:ExistingObjectTag/keep":"yes"}}}]}"#;

const KEEP: &str = "<Tagging><TagSet><Tag><Key>keep</Key><Value>yes</Value></Tag></TagSet></Tagging>";

impl Bench {
    fn setting(&self, name: &str, value: &[u8]) -> SetBucketSetting {
        let reader = self.service.store.read().expect("a reader");
        let bucket = reader.bucket(&BucketName::new("data").expect("a name")).expect("read").expect("there");
        let (bucket, name) = (bucket.row.guid, name.into());
        SetBucketSetting { permit: WritePermit::Unprotected, bucket, name, value: Some(value.to_vec()) }
    }

    async fn set(&self, name: &str, value: &[u8]) {
        let change = self.setting(name, value);
        let committed = self.service.store.commit(Lane::Client, self.service.clock.now(), change).await;
        drop(committed.expect("set"));
    }

    /// A bucket whose objects are kept while they have a tag that says so; `data/k` has none.
    async fn keeping() -> Self {
        let bench = Bench::with("data").await;
        bench.put("data/k", "x").await;
        bench.set(setting::POLICY, KEPT.as_bytes()).await;
        bench
    }
}

#[tokio::test]
async fn an_object_that_is_tagged_meanwhile_is_kept() {
    macro_rules! refused_when_late {
        ($ask:expr, $module:ident, $marker:ident) => {
            let bench = Bench::keeping().await;
            let granted = $ask.authorized::<operation::$marker>(&bench.service).expect("allowed as it is");
            bench.send(Ask::of("PUT", "data/k?tagging").body(KEEP)).await.expect("tagged");
            let late = crate::s3::ops::$module::handle(&bench.service, granted).await.map(Answer::read);
            assert_eq!(code(late), "AccessDenied");
            assert_eq!(bench.get("data/k?tagging").await.one("Key"), "keep");
        };
    }
    refused_when_late!(Ask::of("DELETE", "data/k"), delete_object, DeleteObject);
    refused_when_late!(Ask::of("DELETE", "data/k?tagging"), delete_object_tagging, DeleteObjectTagging);
    let other = KEEP.replace("yes", "no");
    refused_when_late!(Ask::of("PUT", "data/k?tagging").body(other), put_object_tagging, PutObjectTagging);
}

#[tokio::test]
async fn deletes_of_a_list_hold_by_the_tags_at_their_commit() {
    let bench = Bench::keeping().await;
    bench.send(Ask::of("PUT", "data/kept").header("x-amz-tagging", "keep=yes").body("x")).await.expect("stored");
    let list = "<Delete><Object><Key>k</Key></Object><Object><Key>kept</Key></Object></Delete>";
    let answer = bench.send(Ask::of("POST", "data?delete").body(list)).await.expect("answered");
    assert_eq!((answer.one("Code"), answer.all("Key")), ("AccessDenied", vec!["k", "kept"]));
    assert_eq!(bench.get("data").await.all("Key"), ["kept"]);
}

#[tokio::test]
async fn a_setting_is_decided_again_when_one_that_it_looks_at_changes() {
    let bench = Bench::with("data").await;
    let ask = Ask::of("PUT", "data?policy").authorized::<operation::PutBucketPolicy>(&bench.service).expect("allowed");
    let (request, _) = ask.into_parts();
    let asked = AtomicU64::new(0);
    let done = access::set(&bench.service, &request, setting::POLICY, &[setting::PUBLIC_ACCESS], |bucket| {
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            // In between somebody blocks public policies.
            let block = tandem_policy::PublicAccessBlock { block_public_policy: true, ..Default::default() };
            let change = bench.setting(setting::PUBLIC_ACCESS, &setting::encode_public_access(block));
            let pending = bench.service.store.commit(Lane::Client, bench.service.clock.now(), change);
            let _ = std::thread::scope(|scope| scope.spawn(|| pending.wait()).join()).expect("no panic").expect("set");
        }
        match bucket.public_access.block_public_policy {
            true => Err(crate::s3::error::ErrorCode::AccessDenied.into()),
            false => Ok(KEPT.into()),
        }
    });
    assert_eq!(done.await.expect_err("blocked").code.as_str(), "AccessDenied");
    assert_eq!(asked.into_inner(), 2);
}

#[tokio::test]
async fn a_delete_of_an_absent_version_on_condition_says_that_it_is_absent() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "x").await;
    let version = "0".repeat(32);
    let target = format!("data/k?versionId={version}");
    assert_eq!(code(bench.send(Ask::of("DELETE", &target).header("if-match", "*")).await), "NoSuchVersion");
    bench.send(Ask::of("DELETE", &target)).await.expect("without a condition it is done");
}
