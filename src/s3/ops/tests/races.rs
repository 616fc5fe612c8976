//! What changes between the decision and the commit: the commit goes by what is so when it is made.

use tandem_storage::change::{ReplaceObjectSlots, SetBucketSetting, Slots, VersionSelector, WritePermit};
use tandem_storage::{Change, Lane};

use super::*;
use crate::s3::access::setting;
use crate::s3::ops::{access, slots};

const KEPT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",
    "Action":["s3:DeleteObject","s3:PutObjectTagging","s3:DeleteObjectTagging"],"Resource":"arn:aws:s3:::data/*",
    "Condition":{"StringEquals":{"s3:ExistingObjectTag/keep":"yes"}}}]}"#;

pub(in crate::s3::ops) const KEEP: &str =
    "<Tagging><TagSet><Tag><Key>keep</Key><Value>yes</Value></Tag></TagSet></Tagging>";

const FORBIDDEN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",
    "Action":["s3:Delete*","s3:Put*"],"Resource":["arn:aws:s3:::data","arn:aws:s3:::data/*"]}]}"#;

impl Bench {
    /// Makes a change from within a decision.
    fn amid<C: Change<Output: Send>>(&self, change: C) {
        let pending = self.service.store.commit(Lane::Client, self.service.clock.now(), change);
        let made = std::thread::scope(|scope| scope.spawn(|| pending.wait().map(drop)).join());
        made.expect("no panic").expect("made");
    }

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

    pub(in crate::s3::ops) async fn set_policy(&self, policy: &str) {
        self.set(setting::POLICY, policy.as_bytes()).await;
    }

    /// A bucket whose objects are kept while they have a tag that says so; `data/k` has none.
    pub(in crate::s3::ops) async fn keeping() -> Self {
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
async fn keys_of_a_list_are_decided_one_by_one_by_their_tags() {
    let bench = Bench::keeping().await;
    bench.send(Ask::of("PUT", "data/kept").header("x-amz-tagging", "keep=yes").body("x")).await.expect("stored");
    let list = "<Delete><Object><Key>k</Key></Object><Object><Key>kept</Key></Object></Delete>";
    let answer = bench.send(Ask::of("POST", "data?delete").body(list)).await.expect("answered");
    assert_eq!((answer.one("Code"), answer.all("Key")), ("AccessDenied", vec!["k", "kept"]));
    assert_eq!(bench.get("data").await.all("Key"), ["kept"]);
}

#[tokio::test]
async fn what_the_policy_forbids_while_a_document_comes_in_is_refused() {
    macro_rules! refused_when_late {
        ($ask:expr, $module:ident, $marker:ident) => {{
            let bench = Bench::with("data").await;
            bench.put("data/k", "x").await;
            let granted = $ask.authorized::<operation::$marker>(&bench.service).expect("allowed as it is");
            bench.set(setting::POLICY, FORBIDDEN.as_bytes()).await;
            let late = crate::s3::ops::$module::handle(&bench.service, granted).await.map(Answer::read);
            bench.get("data/k").await;
            late
        }};
    }
    let list = "<Delete><Object><Key>k</Key></Object></Delete>";
    let answer = refused_when_late!(Ask::of("POST", "data?delete").body(list), delete_objects, DeleteObjects);
    assert_eq!(answer.expect("answered").one("Code"), "AccessDenied");
    let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
    let ask = Ask::of("PUT", "data?ownershipControls").body(format!("<OwnershipControls>{rule}</OwnershipControls>"));
    let late = refused_when_late!(ask, put_bucket_ownership_controls, PutBucketOwnershipControls);
    assert_eq!(code(late), "AccessDenied");
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let ask = Ask::of("PUT", "data?versioning").body(on);
    assert_eq!(code(refused_when_late!(ask, put_bucket_versioning, PutBucketVersioning)), "AccessDenied");
    let block = "<PublicAccessBlockConfiguration/>";
    let ask = Ask::of("PUT", "data?publicAccessBlock").body(block);
    assert_eq!(code(refused_when_late!(ask, put_public_access_block, PutPublicAccessBlock)), "AccessDenied");
    let ask = Ask::of("PUT", "data/k?acl").header("x-amz-acl", "private");
    assert_eq!(code(refused_when_late!(ask, put_object_acl, PutObjectAcl)), "AccessDenied");
}

#[tokio::test]
async fn a_change_of_a_version_is_decided_again_when_its_row_changes_before_the_commit() {
    let bench = Bench::keeping().await;
    let ask = Ask::of("DELETE", "data/k?tagging").authorized::<operation::DeleteObjectTagging>(&bench.service);
    let (request, _) = ask.expect("allowed").into_parts();
    let asked = AtomicU64::new(0);
    let done = slots::replace(&bench.service, &request, |_, known| {
        asked.fetch_add(1, Ordering::Relaxed);
        bench.amid(ReplaceObjectSlots {
            permit: WritePermit::Unprotected,
            bucket: known.row.guid,
            key: ObjectKey::new("k").expect("a key"),
            version: VersionSelector::Latest,
            slots: Slots::Tags(vec![("keep".into(), "yes".into())]),
        });
        Ok((Slots::Tags(Vec::new()), Vec::new()))
    });
    assert_eq!(done.await.expect_err("kept").code.as_str(), "AccessDenied");
    assert_eq!(asked.into_inner(), 1);
    assert_eq!(bench.get("data/k?tagging").await.one("Key"), "keep");
}

#[tokio::test]
async fn an_acl_is_decided_again_by_the_settings_that_changed_before_its_commit() {
    let bench = Bench::with("data").await;
    bench.put("data/k", "x").await;
    let ask = Ask::of("PUT", "data/k?acl").authorized::<operation::PutObjectAcl>(&bench.service).expect("allowed");
    let (request, _) = ask.into_parts();
    let asked = AtomicU64::new(0);
    let done = slots::replace(&bench.service, &request, |reader, known| {
        let still = access::seen_settings(reader, known, &[setting::PUBLIC_ACCESS])?;
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            let block = tandem_policy::PublicAccessBlock { block_public_acls: true, ..Default::default() };
            bench.amid(bench.setting(setting::PUBLIC_ACCESS, &setting::encode_public_access(block)));
        }
        assert_eq!(known.public_access.block_public_acls, asked.load(Ordering::Relaxed) > 1);
        Ok((Slots::Acl { held: None, acl: None }, still))
    });
    done.await.expect("done at the second try");
    assert_eq!(asked.into_inner(), 2);
}

#[tokio::test]
async fn a_bucket_is_read_where_it_stands_until_it_is_another() {
    let bench = Bench::with("data").await;
    let name = BucketName::new("data").expect("a name");
    let known = bench.service.buckets.find(&bench.service.store.read().expect("a reader"), &name);
    let known = known.expect("read").expect("there");
    let guid_by_now = || {
        let reader = bench.service.store.read().expect("a reader");
        (known.is_seen_by(&reader), known.view_by(&reader).expect("read").map(|view| view.row.guid))
    };
    assert_eq!(guid_by_now(), (true, Some(known.row.guid)));
    bench.set(setting::POLICY, KEPT.as_bytes()).await;
    assert_eq!(guid_by_now(), (false, Some(known.row.guid)));
    bench.send(Ask::of("DELETE", "data")).await.expect("deleted");
    assert_eq!(guid_by_now(), (false, None));
    bench.send(Ask::of("PUT", "data")).await.expect("made anew");
    assert_eq!(guid_by_now(), (false, None));
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
            bench.amid(bench.setting(setting::PUBLIC_ACCESS, &setting::encode_public_access(block)));
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
