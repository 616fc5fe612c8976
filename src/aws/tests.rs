//! Every call of IAM against every kind of caller: nobody without permission gets an answer or changes anything, and each call
//! asks for the action of its own name.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tandem_storage::disk::RealDisk;
use tandem_storage::types::{NodeGuid, Timestamp};
use tandem_storage::{EngineKind, Options, Store};
use zeroize::Zeroizing;

use super::Faces;
use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::identity::{
    AccountId, Administrator, Credential, Holder, Identities, IdentityDocument, KeyOwner, Local, NewAccount, NewUser,
};
use crate::s3::payload::Document;
use crate::s3::query::{Form, QueryFace as _};
use crate::s3::request::RequestId;

const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

/// The names in the table of calls.
fn calls() -> Vec<&'static str> {
    let rows = include_str!("iam/mod.rs").lines().filter_map(|line| line.trim().split_once(" => "));
    let plain = |name: &&str| name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphabetic);
    let names: Vec<_> =
        rows.filter(|(_, handler)| handler.ends_with(';')).map(|(name, _)| name).filter(plain).collect();
    assert!(names.len() > 70, "{names:?}");
    names
}

/// Parameters of every call at once; a call takes those that are its own.
fn parameters(action: &str) -> String {
    let encode = |text: &str| crate::s3::xml::url_encode(text);
    let (fresh, known) = if action.starts_with("Create") { ("-new", "") } else { ("", "") };
    let user = if action == "CreateUser" { fresh } else { known };
    let group = if action == "CreateGroup" { fresh } else { known };
    let role = if action == "CreateRole" { fresh } else { known };
    let policy = if action == "CreatePolicy" { fresh } else { known };
    let mut fields = vec![
        format!("UserName=user{user}&GroupName=group{group}&RoleName=role{role}&PolicyName=policy{policy}"),
        "PolicyArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Apolicy%2Fpolicy".into(),
        "PolicySourceArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Auser%2Fuser".into(),
        "AccessKeyId=PROVIDED&Status=Inactive&VersionId=v1&NewUserName=user&NewGroupName=group".into(),
        "Tags.member.1.Key=k&Tags.member.1.Value=v&TagKeys.member.1=k".into(),
        "ActionNames.member.1=s3%3AGetObject&Description=d".into(),
        format!("PolicyDocument={}", encode(if action == "UpdateAssumeRolePolicy" { TRUST } else { ALLOW_ALL })),
        format!("AssumeRolePolicyDocument={}&PolicyInputList.member.1={}", encode(TRUST), encode(ALLOW_ALL)),
    ];
    if action.starts_with("Put") {
        fields.push("PermissionsBoundary=arn%3Aaws%3Aiam%3A%3A000000000000%3Apolicy%2Fpolicy".into());
    }
    format!("Action={action}&Version=2010-05-08&{}", fields.join("&"))
}

struct Bench {
    faces: Faces,
    store: Store,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options {
            engine: EngineKind::default(),
            node: NodeGuid::from_bytes([9; 16]),
            low_watermark_bytes: 0,
            reserve_bytes: 0,
            checkpoint_every_bytes: 1 << 30,
            cache_bytes: 8 << 20,
            memtable_writes: 64,
            journal_file_bytes: 64 << 20,
        };
        let store = Store::open(Arc::new(RealDisk::new(dir.path()).expect("a disk")), options).expect("a store");
        let administrator = Administrator { access_key: "ROOT".into(), secret_key: Zeroizing::new("secret".into()) };
        let clock = Arc::new(SystemClock::new());
        let key_file = dir.path().join("identity.key");
        let identities =
            Identities::open(store.clone(), &key_file, administrator, clock.clone()).await.expect("opened");
        Bench { faces: Faces::new(identities, clock, Audit::off()), store, _dir: dir }
    }

    /// A user, a group, a role and a policy for calls to name, as far as they are not there.
    async fn furnish(&self) {
        let administrator = self.administrator();
        for action in ["CreateUser", "CreateGroup", "CreateRole", "CreatePolicy"] {
            let form = parameters(action).replace("-new", "");
            self.ask(&administrator, form).await;
        }
        let directory = self.faces.identities.directory();
        let user = directory.named::<crate::identity::User>(AccountId::DEFAULT, "user").expect("made").id.clone();
        let secret = Zeroizing::new("a-secret-that-is-known".to_owned());
        let provided = self
            .faces
            .identities
            .change(|draft| draft.provide_key(KeyOwner::User(user), "PROVIDED", &secret).map(|_| ()))
            .await;
        provided.expect("provided");
    }

    fn administrator(&self) -> Arc<Credential> {
        self.faces.identities.credential("ROOT").expect("the administrator")
    }

    async fn caller(
        &self,
        account: AccountId,
        name: &str,
        policy: Option<&str>,
        local: Option<Local>,
    ) -> Arc<Credential> {
        let new = NewUser { name: name.into(), local, ..NewUser::default() };
        let made = self
            .faces
            .identities
            .change(|draft| {
                let user = draft.create_user(account, new)?;
                if let Some(policy) = policy {
                    let document = IdentityDocument::parse(policy)?;
                    draft.put_inline_policy(&Holder::User(user.id.clone()), "inline", document)?;
                }
                draft.create_key(KeyOwner::User(user.id.clone()))
            })
            .await
            .expect("a caller");
        self.faces.identities.credential(&made.key.access_key).expect("its key")
    }

    async fn ask(&self, caller: &Arc<Credential>, body: String) -> (u16, String) {
        let form = Form {
            service: "iam".into(),
            caller: Arc::clone(caller),
            body: Document::new(body.into(), None),
            id: RequestId("00".into()),
            received: Timestamp::from_secs(1_800_000_000),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
            user_agent: None,
        };
        let response: Response<Bytes> = self.faces.answer(form).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().to_vec()).expect("text"))
    }

    fn generation(&self) -> u64 {
        self.faces.identities.directory().generation()
    }
}

#[tokio::test]
async fn without_permission_no_call_answers_and_none_changes_anything() {
    let bench = Bench::new().await;
    bench.furnish().await;
    let other = NewAccount { name: "other".into(), ..NewAccount::default() };
    let other = bench.faces.identities.change(|draft| draft.create_account(other)).await.expect("an account").id;
    let denied = ALLOW_ALL.replace("Allow", "Deny");
    let default = AccountId::DEFAULT;
    let s3_only = ALLOW_ALL.replace(r#""*","R"#, r#""s3:*","R"#);
    let callers = [
        bench.caller(default, "plain", None, None).await,
        bench.caller(default, "wrong", Some(&s3_only), None).await,
        bench.caller(default, "denied", Some(&denied), None).await,
        bench.caller(default, "local", Some(ALLOW_ALL), Some(Local::default())).await,
        bench.caller(other, "elsewhere", None, None).await,
    ];
    let before = bench.generation();
    for action in calls() {
        for caller in &callers {
            let (status, answer) = bench.ask(caller, parameters(action)).await;
            assert!(status == 403 && answer.contains("<Code>AccessDenied</Code>"), "{action} {caller:?}: {answer}");
        }
    }
    assert_eq!(bench.generation(), before);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn each_call_asks_for_the_action_of_its_own_name() {
    let bench = Bench::new().await;
    for action in calls() {
        bench.furnish().await;
        // What is made with tags is tagged.
        let tagging = action.strip_prefix("Create").map_or(String::new(), |what| format!(r#","iam:Tag{what}""#));
        let only = ALLOW_ALL.replace(r#""*","R"#, &format!(r#"["iam:{action}"{tagging}],"R"#));
        let caller = bench.caller(AccountId::DEFAULT, &format!("only-{action}"), Some(&only), None).await;
        let (status, answer) = bench.ask(&caller, parameters(action)).await;
        assert!(status != 403 && !answer.contains("ValidationError"), "{action}: {answer}");
        assert!(status == 200 || status == 404 || status == 409, "{action}: {answer}");
    }
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn another_accounts_root_reaches_nothing_of_this_one() {
    let bench = Bench::new().await;
    bench.furnish().await;
    let new = NewAccount { name: "other".into(), ..NewAccount::default() };
    let key = bench.faces.identities.change(|draft| {
        let account = draft.create_account(new)?;
        draft.create_key(KeyOwner::Root(account.id))
    });
    let key = key.await.expect("made").key;
    let root = bench.faces.identities.credential(&key.access_key).expect("its key");
    let names = |bench: &Bench| {
        let directory = bench.faces.identities.directory();
        let users = directory.all::<crate::identity::User>(AccountId::DEFAULT).cloned().collect::<Vec<_>>();
        let policies = directory.all::<crate::identity::Policy>(AccountId::DEFAULT).cloned().collect::<Vec<_>>();
        let roles = directory.all::<crate::identity::Role>(AccountId::DEFAULT).cloned().collect::<Vec<_>>();
        (users, policies, roles, directory.key("PROVIDED").cloned())
    };
    let before = names(&bench);
    for action in calls() {
        let (_, answer) = bench.ask(&root, parameters(action)).await;
        let shows = answer.contains("PROVIDED</AccessKeyId>") || answer.contains("<Arn>arn:aws:iam::000000000000:");
        assert!(!shows, "{action}: {answer}");
        assert_eq!(names(&bench), before, "{action}");
    }
    bench.store.close().expect("closed");
}

/// What `caller` is answered to a call on the user named `user` with these further fields.
async fn status(bench: &Bench, caller: &Arc<Credential>, call: &str, fields: &str) -> u16 {
    bench.ask(caller, format!("Action={call}&UserName=user&{fields}")).await.0
}

const BOUND: &str = "arn%3Aaws%3Aiam%3A%3A000000000000%3Apolicy%2Fpolicy";

/// Allowed everything of IAM on these terms.
fn on_terms(terms: &str) -> String {
    ALLOW_ALL.replace(r#""*","Resource""#, &format!(r#""iam:*","Condition":{{{terms}}},"Resource""#))
}

#[tokio::test]
async fn a_boundary_that_is_asked_for_is_the_users_and_not_the_forms() {
    let bench = Bench::new().await;
    bench.furnish().await;
    let terms = on_terms(r#""ArnEquals":{"iam:PermissionsBoundary":"arn:aws:iam::000000000000:policy/policy"}"#);
    let delegate = bench.caller(AccountId::DEFAULT, "delegate", Some(&terms), None).await;
    let put =
        format!("PolicyName=p&PermissionsBoundary={BOUND}&PolicyDocument={}", crate::s3::xml::url_encode(ALLOW_ALL));
    let attach = format!("PolicyArn={BOUND}&PermissionsBoundary={BOUND}");
    for (call, fields) in [("PutUserPolicy", &put), ("AttachUserPolicy", &attach), ("CreateAccessKey", &attach)] {
        assert_eq!(status(&bench, &delegate, call, fields).await, 403, "{call}");
    }
    let bound = format!("PermissionsBoundary={BOUND}");
    assert_eq!(status(&bench, &delegate, "PutUserPermissionsBoundary", &bound).await, 200);
    assert_eq!(status(&bench, &delegate, "PutUserPolicy", &put).await, 200);
    assert_eq!(status(&bench, &delegate, "AttachUserPolicy", &attach).await, 200);
    let fresh = |more: &str| format!("Action=CreateUser&UserName=fresh{more}");
    assert_eq!(bench.ask(&delegate, fresh("")).await.0, 403);
    assert_eq!(bench.ask(&delegate, fresh(&format!("&{bound}"))).await.0, 200);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn fields_that_a_call_does_not_have_pose_as_no_condition_key() {
    let bench = Bench::new().await;
    bench.furnish().await;
    let terms = on_terms(r#""ArnEquals":{"iam:PolicyARN":"arn:aws:iam::000000000000:policy/policy"}"#);
    let attacher = bench.caller(AccountId::DEFAULT, "attacher", Some(&terms), None).await;
    let fields = format!("PolicyArn={BOUND}&PolicyName=p&PolicyDocument={}", crate::s3::xml::url_encode(ALLOW_ALL));
    assert_eq!(status(&bench, &attacher, "PutUserPolicy", &fields).await, 403);
    assert_eq!(status(&bench, &attacher, "AttachUserPolicy", &fields).await, 200);
    let terms = on_terms(r#""StringEquals":{"aws:RequestTag/k":"v"}"#);
    let tagger = bench.caller(AccountId::DEFAULT, "tagger", Some(&terms), None).await;
    let tags = "Tags.member.1.Key=k&Tags.member.1.Value=v";
    assert_eq!(status(&bench, &tagger, "CreateAccessKey", tags).await, 403);
    assert_eq!(status(&bench, &tagger, "TagUser", tags).await, 200);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn tags_guard_the_users_that_have_them() {
    let bench = Bench::new().await;
    bench.furnish().await;
    let administrator = bench.administrator();
    let tags = "Tags.member.1.Key=guarded&Tags.member.1.Value=yes";
    assert_eq!(status(&bench, &administrator, "TagUser", tags).await, 200);
    let deny = |action: &str, terms: &str| {
        let deny = format!(r#",{{"Effect":"Deny","Action":"{action}","Resource":"*","Condition":{{{terms}}}}}]}}"#);
        ALLOW_ALL.replace("]}", &deny)
    };
    let terms = r#""StringEquals":{"aws:ResourceTag/guarded":"yes"}"#;
    let guard = bench.caller(AccountId::DEFAULT, "guard", Some(&deny("iam:CreateAccessKey", terms)), None).await;
    assert_eq!(status(&bench, &guard, "CreateAccessKey", "").await, 403);
    let terms = r#""ForAnyValue:StringEquals":{"aws:TagKeys":"guarded"}"#;
    let keeper = bench.caller(AccountId::DEFAULT, "keeper", Some(&deny("iam:UntagUser", terms)), None).await;
    assert_eq!(status(&bench, &keeper, "UntagUser", "TagKeys.member.1=guarded").await, 403);
    // Whoever may make users and not tag them makes none with tags.
    let maker = ALLOW_ALL.replace(r#""*","R"#, r#""iam:CreateUser","R"#);
    let maker = bench.caller(AccountId::DEFAULT, "maker", Some(&maker), None).await;
    assert_eq!(bench.ask(&maker, format!("Action=CreateUser&UserName=tagged&{tags}")).await.0, 403);
    assert_eq!(bench.ask(&maker, "Action=CreateUser&UserName=plain".into()).await.0, 200);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn a_superuser_of_the_node_is_not_its_accounts_to_change() {
    let bench = Bench::new().await;
    let new = NewAccount { name: "tenant".into(), ..NewAccount::default() };
    let made = bench.faces.identities.change(|draft| {
        let account = draft.create_account(new)?.id;
        Ok((account, draft.create_key(KeyOwner::Root(account))?.key))
    });
    let (account, key) = made.await.expect("made");
    let root = bench.faces.identities.credential(&key.access_key).expect("its key");
    let superuser = Local { superuser: true, ..Local::default() };
    let itself = bench.caller(account, "user", None, Some(superuser)).await;
    let before = bench.generation();
    for call in ["CreateAccessKey", "UpdateUser", "PutUserPolicy", "TagUser", "DeleteUser"] {
        assert_eq!(status(&bench, &root, call, "").await, 403, "{call}");
    }
    let fields = format!("AccessKeyId={}&Status=Inactive", itself.access_key);
    for call in ["UpdateAccessKey", "DeleteAccessKey"] {
        assert_eq!(status(&bench, &root, call, &fields).await, 403, "{call}");
    }
    assert_eq!(bench.generation(), before);
    assert_eq!(status(&bench, &root, "GetUser", "").await, 200);
    assert_eq!(status(&bench, &itself, "CreateAccessKey", "").await, 200);
    bench.store.close().expect("closed");
}
