//! Every call of IAM against every kind of caller: nobody without permission gets an answer or changes anything, and each call
//! asks for the action of its own name.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tandem_policy::key::{self, ALL, Origin};
use tandem_storage::disk::RealDisk;
use tandem_storage::types::{NodeGuid, Timestamp};
use tandem_storage::{EngineKind, Options, Store};
use zeroize::Zeroizing;

use super::Faces;
use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::identity::{
    AccountId, Administrator, Credential, Holder, Identities, IdentityDocument, KeyOwner, Local, NewAccount,
    NewSession, NewUser, SessionOf,
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
    assert!(names.len() > 120, "{names:?}");
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
    let profile = if action == "CreateInstanceProfile" { fresh } else { known };
    let mut fields = vec![
        format!("UserName=user{user}&GroupName=group{group}&RoleName=role{role}&PolicyName=policy{policy}"),
        format!("InstanceProfileName=profile{profile}&SerialNumber=s&SSHPublicKeyId=i&ServerCertificateName=c&JobId=j"),
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
        Bench { faces: Faces::new(identities, clock, Audit::off(), Default::default()), store, _dir: dir }
    }

    /// A user, a group, a role and a policy for calls to name, as far as they are not there.
    async fn furnish(&self) {
        let administrator = self.administrator();
        for action in ["CreateUser", "CreateGroup", "CreateRole", "CreatePolicy", "CreateInstanceProfile"] {
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

    fn form(&self, caller: &Arc<Credential>, body: String) -> Form {
        let mut headers = http::HeaderMap::new();
        headers.insert("user-agent", http::HeaderValue::from_static("agent"));
        headers.insert("referer", http::HeaderValue::from_static("http://here/"));
        Form {
            service: "iam".into(),
            caller: Arc::clone(caller),
            body: Document::new(body.into(), None),
            id: RequestId("00".into()),
            received: Timestamp::from_secs(1_800_000_000),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
            headers,
            region: "eu-test-1".into(),
        }
    }

    async fn ask(&self, caller: &Arc<Credential>, body: String) -> (u16, String) {
        let response: Response<Bytes> = self.faces.answer(self.form(caller, body)).await;
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
        // What is put into an instance profile is passed on.
        let tagging = if action == "AddRoleToInstanceProfile" { r#","iam:PassRole""#.to_owned() } else { tagging };
        let only = ALLOW_ALL.replace(r#""*","R"#, &format!(r#"["iam:{action}"{tagging}],"R"#));
        let caller = bench.caller(AccountId::DEFAULT, &format!("only-{action}"), Some(&only), None).await;
        let (status, answer) = bench.ask(&caller, parameters(action)).await;
        assert!(status != 403 && !answer.contains("ValidationError"), "{action}: {answer}");
        let none_was_made = action == "GetCredentialReport" && status == 410;
        assert!([200, 404, 409].contains(&status) || none_was_made, "{action}: {answer}");
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

/// Whether some call on the way is refused to a session that may do everything, but for a Deny that holds for requests with `key`.
async fn is_supplied(bench: &Bench, service: &str, key: &str) -> bool {
    let deny = format!(r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"Null":{{"{key}":"false"}}}}}}"#);
    let policy = ALLOW_ALL.replace("]}", &format!(",{deny}]}}"));
    let administrator = bench.administrator();
    let put = format!(
        "Action=PutRolePolicy&RoleName=walker&PolicyName=p&PolicyDocument={}",
        crate::s3::xml::url_encode(&policy)
    );
    assert_eq!(bench.ask(&administrator, put).await.0, 200);
    let identities = &bench.faces.identities;
    let role =
        identities.directory().named::<crate::identity::Role>(AccountId::DEFAULT, "walker").expect("made").id.clone();
    let new = NewSession {
        of: SessionOf::Role { id: role, name: "walk".into(), source_identity: None },
        seconds: 900,
        tags: Vec::new(),
        transitive: Vec::new(),
        policy: None,
        policies: Vec::new(),
    };
    let issued = identities.issue(&*bench.faces.clock, new).expect("issued");
    let session = identities.session(&issued.access_key, &issued.token, bench.faces.clock.now()).expect("a session");
    let tags = "Tags.member.1.Key=Name&Tags.member.1.Value=v";
    let forms = match service {
        "iam" => vec![
            format!("Action=CreateUser&UserName=walked&PermissionsBoundary={BOUND}&{tags}"),
            format!("Action=AttachUserPolicy&UserName=user&PolicyArn={BOUND}"),
            "Action=GetUser&UserName=user".to_owned(),
            "Action=AddRoleToInstanceProfile&InstanceProfileName=profile&RoleName=role".to_owned(),
        ],
        _ => vec![format!(
            "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Frole&RoleSessionName=walk&ExternalId=external&SourceIdentity=me&TransitiveTagKeys.member.1=name&{tags}"
        )],
    };
    for form in forms {
        let form = Form { service: service.into(), ..bench.form(&session, form) };
        let response = bench.faces.answer(form).await;
        let status = response.status().as_u16();
        if status == 403 {
            return true;
        }
        assert!([200, 409].contains(&status), "{key}: {status} {:?}", response.body());
        bench.ask(&administrator, "Action=DeleteUser&UserName=walked".into()).await;
    }
    false
}

#[tokio::test]
async fn iam_and_sts_supply_the_keys_that_the_table_says() {
    let bench = Bench::new().await;
    bench.furnish().await;
    let administrator = bench.administrator();
    let encode = |text: &str| crate::s3::xml::url_encode(text);
    let trust = encode(&TRUST.replace(r#""sts:AssumeRole""#, r#""sts:*""#));
    for form in [
        format!("Action=CreateRole&RoleName=walker&AssumeRolePolicyDocument={trust}"),
        format!("Action=UpdateAssumeRolePolicy&RoleName=role&PolicyDocument={trust}"),
        "Action=TagUser&UserName=user&Tags.member.1.Key=NAME&Tags.member.1.Value=v".to_owned(),
        "Action=TagRole&RoleName=role&Tags.member.1.Key=NAME&Tags.member.1.Value=v".to_owned(),
    ] {
        assert_eq!(bench.ask(&administrator, form).await.0, 200);
    }
    for (service, face) in [("iam", key::Faces::IAM), ("sts", key::Faces::STS)] {
        for key in ALL.iter().filter(|key| key.origin == Origin::Request) {
            let name = if key.is_open() { format!("{}name", key.name) } else { key.name.to_owned() };
            // A Deny by a key that the face cannot supply denies, whatever its operator; another service's key is in no request.
            let own = name.starts_with("aws:") || name.starts_with(&format!("{service}:"));
            let wanted = key.faces.contains(face) || own;
            assert_eq!(is_supplied(&bench, service, &name).await, wanted, "{name} at {service}");
        }
    }
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn the_accounts_summary_names_its_quotas_and_there_are_no_identity_providers() {
    let bench = Bench::new().await;
    let administrator = bench.administrator();
    let (status, summary) = bench.ask(&administrator, "Action=GetAccountSummary".into()).await;
    assert_eq!(status, 200, "{summary}");
    for quota in ["UsersQuota", "GroupsQuota", "AccessKeysPerUserQuota", "PolicySizeQuota", "VersionsPerPolicyQuota"] {
        assert!(summary.contains(&format!("<key>{quota}</key>")), "{quota}: {summary}");
    }
    for (call, list) in
        [("ListOpenIDConnectProviders", "OpenIDConnectProviderList"), ("ListSAMLProviders", "SAMLProviderList")]
    {
        let (status, answer) = bench.ask(&administrator, format!("Action={call}")).await;
        assert!(status == 200 && answer.contains(list) && !answer.contains("<member>"), "{call}: {answer}");
    }
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn of_a_wrong_name_and_a_document_that_is_too_long_the_name_is_told() {
    let bench = Bench::new().await;
    bench.furnish().await;
    let administrator = bench.administrator();
    let long = crate::s3::xml::url_encode(&ALLOW_ALL.replace("*", &"*".repeat(60_000)));
    let documents = format!("PolicyDocument={long}&AssumeRolePolicyDocument={long}");
    let name = "n".repeat(129);
    for (call, parameter) in [
        ("PutUserPolicy", "PolicyName"),
        ("PutGroupPolicy", "PolicyName"),
        ("PutRolePolicy", "PolicyName"),
        ("CreatePolicy", "PolicyName"),
        ("CreateRole", "RoleName"),
    ] {
        let holders = "UserName=user&GroupName=group";
        let role = if call == "CreateRole" { "" } else { "&RoleName=role" };
        let form = format!("Action={call}&{parameter}={name}&{holders}{role}&{documents}");
        let (status, answer) = bench.ask(&administrator, form).await;
        assert!(status == 400 && answer.contains("The specified value for"), "{call}: {answer}");
    }
    bench.store.close().expect("closed");
}

/// What a call on a group, or on a policy that a superuser has by it, is answered: everything that a second entity can do to a superuser.
#[tokio::test]
async fn whatever_a_call_goes_by_it_changes_no_superuser_for_who_is_none() {
    let bench = Bench::new().await;
    let new = NewAccount { name: "tenant".into(), ..NewAccount::default() };
    let made = bench.faces.identities.change(|draft| {
        let account = draft.create_account(new)?.id;
        Ok((account, draft.create_key(KeyOwner::Root(account))?.key))
    });
    let (account, key) = made.await.expect("made");
    let root = bench.faces.identities.credential(&key.access_key).expect("its key");
    let local = Local { superuser: true, gids: vec![7], ..Local::default() };
    let itself = bench.caller(account, "chief", None, Some(local)).await;
    let arn = |name: &str| crate::s3::xml::url_encode(&format!("arn:aws:iam::{account}:policy/{name}"));
    let document = format!("PolicyDocument={}", crate::s3::xml::url_encode(ALLOW_ALL));
    let by_superuser = [
        "Action=CreateGroup&GroupName=held".to_owned(),
        "Action=CreateGroup&GroupName=free".to_owned(),
        "Action=AddUserToGroup&GroupName=held&UserName=chief".to_owned(),
        format!("Action=CreatePolicy&PolicyName=had&{document}"),
        format!("Action=CreatePolicy&PolicyName=other&{document}"),
        format!("Action=AttachGroupPolicy&GroupName=held&PolicyArn={}", arn("had")),
        format!("Action=PutGroupPolicy&GroupName=held&PolicyName=inline&{document}"),
        format!("Action=CreatePolicyVersion&PolicyArn={}&{document}", arn("had")),
    ];
    for form in by_superuser {
        let (status, answer) = bench.ask(&itself, form.clone()).await;
        assert_eq!(status, 200, "{form}: {answer}");
    }
    let gid = crate::identity::NewGroup { name: "seven".into(), gid: Some(7), ..Default::default() };
    bench.faces.identities.change(|draft| draft.create_group(account, gid)).await.expect("made");
    let before = bench.generation();
    let denies = format!("PolicyDocument={}", crate::s3::xml::url_encode(&ALLOW_ALL.replace("Allow", "Deny")));
    for form in [
        "Action=AddUserToGroup&GroupName=free&UserName=chief".to_owned(),
        "Action=RemoveUserFromGroup&GroupName=held&UserName=chief".to_owned(),
        format!("Action=PutGroupPolicy&GroupName=held&PolicyName=p&{denies}"),
        format!("Action=PutGroupPolicy&GroupName=seven&PolicyName=p&{denies}"),
        "Action=DeleteGroupPolicy&GroupName=held&PolicyName=inline".to_owned(),
        format!("Action=AttachGroupPolicy&GroupName=held&PolicyArn={}", arn("other")),
        format!("Action=DetachGroupPolicy&GroupName=held&PolicyArn={}", arn("had")),
        "Action=UpdateGroup&GroupName=held&NewGroupName=renamed".to_owned(),
        "Action=DeleteGroup&GroupName=seven".to_owned(),
        format!("Action=CreatePolicyVersion&PolicyArn={}&SetAsDefault=true&{denies}", arn("had")),
        format!("Action=SetDefaultPolicyVersion&PolicyArn={}&VersionId=v2", arn("had")),
        format!("Action=DeletePolicyVersion&PolicyArn={}&VersionId=v2", arn("had")),
        format!("Action=PutUserPermissionsBoundary&UserName=chief&PermissionsBoundary={}", arn("other")),
    ] {
        let (status, answer) = bench.ask(&root, form.clone()).await;
        assert!(status == 403 && answer.contains("<Code>AccessDenied<"), "{form}: {status} {answer}");
    }
    assert_eq!(bench.generation(), before);
    let (status, _) = bench.ask(&root, format!("Action=PutGroupPolicy&GroupName=free&PolicyName=p&{denies}")).await;
    assert_eq!(status, 200, "a group that holds no superuser is its account's");
    let back = "Action=RemoveUserFromGroup&GroupName=held&UserName=chief".to_owned();
    assert_eq!(bench.ask(&itself, back).await.0, 200);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn a_role_that_is_not_there_is_answered_as_one_that_may_not_be_assumed() {
    let bench = Bench::new().await;
    let administrator = bench.administrator();
    let closed = TRUST.replace(r#""AWS":"*""#, r#""AWS":"111111111111""#);
    for (name, trust) in [("closed", closed.as_str()), ("open", TRUST)] {
        let trust = crate::s3::xml::url_encode(trust);
        let form = format!("Action=CreateRole&RoleName={name}&AssumeRolePolicyDocument={trust}");
        assert_eq!(bench.ask(&administrator, form).await.0, 200);
    }
    let nobody = bench.caller(AccountId::DEFAULT, "nobody", None, None).await;
    let denied = bench.caller(AccountId::DEFAULT, "denied", Some(&ALLOW_ALL.replace("Allow", "Deny")), None).await;
    let allowed = bench.caller(AccountId::DEFAULT, "allowed", Some(ALLOW_ALL), None).await;
    let ask = async |caller: &Arc<Credential>, role: &str, more: &str| {
        let body = format!(
            "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2F{role}&RoleSessionName=me{more}"
        );
        let form = Form { service: "sts".into(), ..bench.form(caller, body) };
        let response = bench.faces.answer(form).await;
        let text = String::from_utf8(response.body().to_vec()).expect("text");
        (response.status().as_u16(), text.replace(role, "ROLE"))
    };
    for caller in [&nobody, &denied, &allowed] {
        for more in ["", "&DurationSeconds=43200", "&ExternalId=other", "&Tags.member.1.Key=a&Tags.member.1.Value=b"] {
            let (status, absent) = ask(caller, "absent", more).await;
            assert_eq!(status, 403, "{absent}");
            assert_eq!(ask(caller, "closed", more).await, (403, absent.clone()), "{more}");
            assert!(!absent.contains("identity-based"), "{absent}");
        }
    }
    assert_eq!(ask(&denied, "open", "").await, ask(&denied, "absent", "").await, "an explicit deny is no other answer");
    assert_eq!(ask(&allowed, "open", "").await.0, 200);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn sts_refuses_what_it_cannot_honour_in_awss_words() {
    let bench = Bench::new().await;
    let administrator = bench.administrator();
    let trust = crate::s3::xml::url_encode(TRUST);
    let form = format!("Action=CreateRole&RoleName=role&AssumeRolePolicyDocument={trust}");
    assert_eq!(bench.ask(&administrator, form).await.0, 200);
    let ask = async |body: String| {
        let response = bench.faces.answer(Form { service: "sts".into(), ..bench.form(&administrator, body) }).await;
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).expect("text"))
    };
    let assume = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Frole&RoleSessionName=me";
    let long = "a".repeat(1_225);
    for (fields, status, code, text) in [
        ("SerialNumber=arn&TokenCode=123456", 403, "AccessDenied", "unable to validate MFA code"),
        ("SerialNumber=arn", 403, "AccessDenied", "must provide both MFA serial number and one time pass code"),
        ("TokenCode=123456", 403, "AccessDenied", "must provide both MFA serial number and one time pass code"),
        ("ExternalId=a", 400, "ValidationError", "greater than or equal to 2"),
        ("ExternalId=", 400, "ValidationError", "greater than or equal to 2"),
        ("ExternalId=a%20b", 400, "ValidationError", "regular expression pattern"),
        ("ExternalId=%C3%A9%C3%A9", 400, "ValidationError", "regular expression pattern"),
        (&format!("ExternalId={long}"), 400, "ValidationError", "less than or equal to 1224"),
        ("Policy=nothing", 400, "MalformedPolicyDocument", "The policy is not in the valid JSON format."),
        ("Policy=%5B%5D", 400, "MalformedPolicyDocument", "The policy is not in the valid JSON format."),
        ("Policy=%7B%7D", 400, "MalformedPolicyDocument", "Statement"),
    ] {
        let (found, answer) = ask(format!("{assume}&{fields}")).await;
        assert!(found == status && answer.contains(code) && answer.contains(text), "{fields}: {found} {answer}");
    }
    for good in ["ExternalId=ab", "ExternalId=a%2F%3A%40%2B%3D%2C.-_z"] {
        assert_eq!(ask(format!("{assume}&{good}")).await.0, 200, "{good}");
    }
    let token = "Action=GetSessionToken&SerialNumber=arn&TokenCode=123456".to_owned();
    assert_eq!(ask(token).await.0, 403);
    assert_eq!(ask("Action=GetSessionToken".to_owned()).await.0, 200);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn the_account_summary_has_awss_quotas() {
    let bench = Bench::new().await;
    let (_, answer) = bench.ask(&bench.administrator(), "Action=GetAccountSummary".into()).await;
    for (entry, value) in [
        ("UsersQuota", "5000"),
        ("GroupsQuota", "500"),
        ("RolesQuota", "5000"),
        ("PoliciesQuota", "5000"),
        ("InstanceProfilesQuota", "5000"),
        ("PolicySizeQuota", "20480"),
        ("AssumeRolePolicySizeQuota", "8192"),
        ("AttachedPoliciesPerGroupQuota", "20"),
        ("GroupsPerUserQuota", "64"),
        ("AccessKeysPerUserQuota", "10"),
        ("VersionsPerPolicyQuota", "5"),
        ("PolicyVersionsInUseQuota", "25000"),
        ("MFADevicesInUse", "0"),
        ("ServerCertificates", "0"),
    ] {
        let wanted = format!("<key>{entry}</key><value>{value}</value>");
        assert!(answer.contains(&wanted), "{wanted} in {answer}");
    }
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn a_simulation_that_takes_too_many_steps_is_refused_and_a_long_one_is_made_in_bites() {
    let bench = Bench::new().await;
    let administrator = bench.administrator();
    let encode = |text: &str| crate::s3::xml::url_encode(text);
    let pattern = format!("arn:aws:s3:::b/*{}b*", "a?".repeat(9_000));
    let policy = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"{pattern}"}}}}"#);
    let resource = format!("arn:aws:s3:::b/{}", "a".repeat(1_000));
    let form = |count: usize| {
        let actions: String = (1..=count).map(|n| format!("&ActionNames.member.{n}=s3:GetObject")).collect();
        format!(
            "Action=SimulateCustomPolicy&PolicyInputList.member.1={}&ResourceArns.member.1={resource}{actions}",
            encode(&policy)
        )
    };
    let (status, answer) = bench.ask(&administrator, form(20)).await;
    assert_eq!((status, answer.matches("<EvalDecision>implicitDeny<").count()), (200, 20), "{answer:.300}");
    let (status, answer) = bench.ask(&administrator, form(199)).await;
    assert!(status == 400 && answer.contains("too many steps"), "{status} {answer:.300}");
    bench.store.close().expect("closed");
}
