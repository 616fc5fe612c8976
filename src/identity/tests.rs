use std::path::Path;
use std::sync::Arc;

use tandem_policy::{Caller, UserKind};
use tandem_storage::disk::RealDisk;
use tandem_storage::types::{NodeGuid, Timestamp};
use tandem_storage::{EngineKind, Options, Store};
use zeroize::Zeroizing;

use super::*;
use crate::clock::SystemClock;

const CANARY: &str = "canary/secret+of/the+identity/tests+0001";
const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#;

fn options() -> Options {
    Options {
        engine: EngineKind::default(),
        node: NodeGuid::from_bytes([9; 16]),
        low_watermark_bytes: 0,
        reserve_bytes: 0,
        checkpoint_every_bytes: 1 << 30,
        cache_bytes: 8 << 20,
        memtable_writes: 64,
        journal_file_bytes: 64 << 20,
    }
}

struct Bench {
    store: Store,
    identities: Identities,
    dir: tempfile::TempDir,
}

async fn open(dir: &Path) -> (Store, Result<Identities, OpenError>) {
    let disk = RealDisk::new(dir.join("data")).expect("a directory");
    let store = Store::open(Arc::new(disk), options()).expect("a store");
    let administrator =
        Administrator { access_key: "ROOTKEY".into(), secret_key: Zeroizing::new("the administrator's".into()) };
    let clock = Arc::new(SystemClock::new());
    let opened = Identities::open(store.clone(), &dir.join("identity.key"), administrator, clock).await;
    (store, opened)
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("data")).expect("made");
        Bench::at(dir).await
    }

    async fn at(dir: tempfile::TempDir) -> Self {
        let (store, identities) = open(dir.path()).await;
        Bench { store, identities: identities.expect("opened"), dir }
    }

    async fn again(self) -> Self {
        self.store.close().expect("closed");
        let Bench { store, identities, dir } = self;
        drop((store, identities));
        Bench::at(dir).await
    }

    async fn user(&self, name: &str) -> Arc<User> {
        let new = NewUser { name: name.into(), ..NewUser::default() };
        self.identities.change(|draft| draft.create_user(AccountId::DEFAULT, new)).await.expect("a user")
    }

    async fn provide(&self, user: &User, access_key: &str, secret: &str) -> Result<(), IdentityError> {
        let (owner, secret) = (KeyOwner::User(user.id.clone()), Zeroizing::new(secret.to_owned()));
        self.identities.change(|draft| draft.provide_key(owner, access_key, &secret).map(|_| ())).await
    }
}

fn document() -> IdentityDocument {
    IdentityDocument::parse(ALLOW).expect("a policy")
}

fn now() -> Timestamp {
    use crate::clock::Clock;
    SystemClock::new().now()
}

#[tokio::test]
async fn what_was_made_is_there_after_a_restart() {
    let bench = Bench::new().await;
    let made = bench
        .identities
        .change(|draft| {
            let unit = draft.create_unit("lab", None)?;
            let new = NewAccount { name: "other".into(), unit: Some(unit.id), ..NewAccount::default() };
            let account = draft.create_account(new)?;
            let local = Local { uid: Some(1001), gids: vec![7], superuser: true, ..Local::default() };
            let new = NewUser { name: "DOMAIN\\s3 user".into(), local: Some(local), ..NewUser::default() };
            let user = draft.create_user(account.id, new)?;
            let gid = NewGroup { name: "seven".into(), gid: Some(7), ..NewGroup::default() };
            let group = draft.create_group(account.id, gid)?;
            let policy = draft.create_policy(account.id, NewPolicy::of("all", document()))?;
            draft.attach(&Holder::Group(group.id.clone()), &policy.id)?;
            let key = draft.create_key(KeyOwner::User(user.id.clone()))?;
            Ok((account, user, key))
        })
        .await
        .expect("made");
    let (account, user, key) = made;
    let bench = bench.again().await;
    let directory = bench.identities.directory();
    assert_eq!(directory.local_user(account.id, 1001).expect("by uid"), &user);
    assert_eq!(directory.by_arn::<User>(&user.arn()).expect("by ARN"), &user);
    assert_eq!(directory.numbered::<User>(user.number).expect("by number"), &user);
    let path = directory.organization_path(account.id);
    assert!(path.starts_with("o-") && path.contains("/r-") && path.contains("/ou-"), "{path}");
    let credential = bench.identities.credential(&key.key.access_key).expect("the key");
    assert_eq!(**credential.secret(), **key.secret);
    assert_eq!(credential.standing.identity.len(), 1, "the group's policy");
    assert!(matches!(credential.caller(), Caller::User(user) if user.groups == ["seven"]
        && matches!(user.kind, UserKind::Local { superuser: true, .. })));
    assert!(credential.caller().is_superuser());
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn a_key_ends_with_the_change_that_ends_it() {
    let bench = Bench::new().await;
    let user = bench.user("alice").await;
    bench.provide(&user, "PROVIDED", "a secret that is known".replace(' ', "-").as_str()).await.expect("provided");
    // The same pair again changes nothing; another secret, or another owner, is refused.
    bench.provide(&user, "PROVIDED", "a-secret-that-is-known").await.expect("provided again");
    let other = bench.user("bob").await;
    assert!(bench.provide(&user, "PROVIDED", "another-secret-key").await.is_err());
    assert!(bench.provide(&other, "PROVIDED", "a-secret-that-is-known").await.is_err());
    assert!(bench.provide(&user, "ROOTKEY", "a-secret-that-is-known").await.is_err());
    assert!(bench.provide(&user, "SHORT", "short").await.is_err());
    let enabled = || bench.identities.credential("PROVIDED").expect("known").enabled;
    assert!(enabled());
    bench.identities.change(|draft| draft.set_key_enabled("PROVIDED", false)).await.expect("disabled");
    assert!(!enabled());
    bench.identities.change(|draft| draft.set_key_enabled("PROVIDED", true)).await.expect("enabled");
    assert!(enabled());
    assert!(matches!(
        bench.identities.change(|draft| draft.delete_user(&user.id)).await,
        Err(IdentityError::DeleteConflict(_))
    ));
    bench.identities.change(|draft| draft.remove_user(&user.id)).await.expect("removed");
    assert!(bench.identities.credential("PROVIDED").is_none());
    assert!(bench.identities.credential("ROOTKEY").expect("the administrator").is_administrator());
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn a_change_that_fails_half_way_changes_nothing() {
    let bench = Bench::new().await;
    let before = bench.identities.directory().generation();
    let failed = bench
        .identities
        .change(|draft| {
            draft.create_user(AccountId::DEFAULT, NewUser { name: "x".into(), ..NewUser::default() })?;
            draft.create_user(AccountId::DEFAULT, NewUser { name: "X".into(), ..NewUser::default() })
        })
        .await;
    assert!(matches!(failed, Err(IdentityError::EntityAlreadyExists { .. })));
    let directory = bench.identities.directory();
    assert_eq!((directory.generation(), directory.all::<User>(AccountId::DEFAULT).count()), (before, 0));
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn a_change_is_told_of_also_when_its_maker_goes_away() {
    let bench = Bench::new().await;
    let (told, tells) = tokio::sync::oneshot::channel();
    let new = NewUser { name: "alice".into(), ..NewUser::default() };
    let create = |draft: &mut Draft<'_>| draft.create_user(AccountId::DEFAULT, new);
    let mut change = Box::pin(
        bench.identities.change_and_tell(Author::Superuser, create, move || told.send(()).unwrap_or_default()),
    );
    // Begun, and left alone at once.
    let began =
        std::future::poll_fn(|context| std::task::Poll::Ready(change.as_mut().poll(context).is_pending())).await;
    drop(change);
    assert!(began);
    tokio::time::timeout(std::time::Duration::from_secs(20), tells).await.expect("in time").expect("told");
    assert!(bench.identities.directory().find::<User>(AccountId::DEFAULT, "alice").is_some());
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn the_key_of_a_tag_is_one_whatever_its_case() {
    let bench = Bench::new().await;
    let user = bench.user("alice").await;
    let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
    for (key, value) in [("Team", "a"), ("team", "b")] {
        bench.identities.change(|draft| draft.tag_user(&user.id, &[tag(key, value)])).await.expect("tagged");
    }
    let tags = bench.identities.directory().get::<User>(&user.id).expect("there").tags.clone();
    assert_eq!(tags, [tag("team", "b")]);
    let twice = bench.identities.change(|draft| draft.tag_user(&user.id, &[tag("k", "1"), tag("K", "2")])).await;
    assert!(matches!(twice, Err(IdentityError::InvalidInput(_))));
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn accounts_are_made_in_bulk_in_one_commit() {
    let bench = Bench::new().await;
    let before = bench.store.newest();
    bench
        .identities
        .change(|draft| {
            (0..1_000).try_for_each(|n| {
                let id = AccountId::parse(&format!("1{n:011}"));
                draft
                    .create_account(NewAccount { id, name: format!("account {n}"), ..NewAccount::default() })
                    .map(|_| ())
            })
        })
        .await
        .expect("made");
    assert_eq!(bench.identities.directory().accounts().count(), 1_001);
    assert_eq!(bench.store.newest().get(), before.get() + 1);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn managed_policies_keep_five_versions_and_one_in_force() {
    let bench = Bench::new().await;
    let user = bench.user("alice").await;
    let holder = Holder::User(user.id.clone());
    let policy = bench
        .identities
        .change(|draft| {
            let policy = draft.create_policy(AccountId::DEFAULT, NewPolicy::of("p", document()))?;
            draft.attach(&holder, &policy.id)?;
            for _ in 0..4 {
                draft.create_version(&policy.id, document(), false)?;
            }
            Ok(policy)
        })
        .await
        .expect("made");
    let change = async |change: &dyn Fn(&mut Draft<'_>) -> Result<(), IdentityError>| {
        let sendable = |draft: &mut Draft<'_>| change(draft);
        bench.identities.change(sendable).await
    };
    let sixth = change(&|draft| draft.create_version(&policy.id, document(), true).map(|_| ())).await;
    assert!(matches!(sixth, Err(IdentityError::LimitExceeded(_))));
    assert!(matches!(
        change(&|draft| draft.delete_version(&policy.id, 1)).await,
        Err(IdentityError::DeleteConflict(_))
    ));
    change(&|draft| draft.set_default_version(&policy.id, 3)).await.expect("set");
    change(&|draft| draft.delete_version(&policy.id, 1)).await.expect("deleted");
    assert!(matches!(change(&|draft| draft.delete_policy(&policy.id)).await, Err(IdentityError::DeleteConflict(_))));
    let directory = bench.identities.directory();
    let held = directory.get::<Policy>(&policy.id).expect("there");
    assert_eq!((held.default, held.versions.len(), held.next), (3, 4, 6));
    assert_eq!(Standing::user(&directory, directory.get::<User>(&user.id).expect("there")).identity.len(), 1);
    change(&|draft| draft.update_policy(&policy.id, None, Some(false)).map(|_| ())).await.expect("out of force");
    let directory = bench.identities.directory();
    assert!(Standing::user(&directory, directory.get::<User>(&user.id).expect("there")).identity.is_empty());
    change(&|draft| draft.remove_policy(&policy.id)).await.expect("removed");
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn a_session_is_what_its_token_says_until_it_ends_or_its_role_does() {
    let bench = Bench::new().await;
    let role = bench
        .identities
        .change(|draft| {
            let trust = TrustDocument::parse(TRUST)?;
            let role = draft.create_role(
                AccountId::DEFAULT,
                NewRole {
                    name: "reader".into(),
                    path: String::new(),
                    description: String::new(),
                    trust,
                    max_session_seconds: None,
                    tags: vec![Tag { key: "team".into(), value: "a".into() }],
                    boundary: None,
                },
            )?;
            draft.put_inline_policy(&Holder::Role(role.id.clone()), "all", document())?;
            Ok(role)
        })
        .await
        .expect("a role");
    let new = NewSession {
        of: SessionOf::Role { id: role.id.clone(), name: "me".into(), source_identity: Some("alice".into()) },
        seconds: 900,
        tags: vec![Tag { key: "Team".into(), value: "b".into() }],
        transitive: Vec::new(),
        policy: Some(ALLOW.into()),
        policies: Vec::new(),
    };
    let issued = bench.identities.issue(&SystemClock::new(), new).expect("issued");
    let (key, token) = (issued.access_key.as_str(), issued.token.as_str());
    let credential = bench.identities.session(key, token, now()).expect("good");
    assert_eq!(**credential.secret(), *issued.secret.as_str());
    assert_eq!(credential.standing.session.as_ref().map(Vec::len), Some(1));
    assert!(matches!(credential.caller(), Caller::Session(session)
        if session.arn == "arn:aws:sts::000000000000:assumed-role/reader/me" && session.tags.len() == 1 && session.tags[0].value == "b"));
    assert_eq!(bench.identities.session("ASIAOTHER", token, now()).unwrap_err(), TokenError::Invalid);
    let late = now().plus_micros(901 * 1_000_000);
    assert_eq!(bench.identities.session(key, token, late).unwrap_err(), TokenError::Expired);
    let mut forged = token.to_owned();
    let last = forged.trim_end_matches('=').len() - 2;
    forged.replace_range(last..=last, if &forged[last..=last] == "A" { "B" } else { "A" });
    assert_eq!(bench.identities.session(key, &forged, now()).unwrap_err(), TokenError::Invalid);
    let holder = Holder::Role(role.id.clone());
    bench
        .identities
        .change(|draft| {
            draft.delete_inline_policy(&holder, "all")?;
            draft.delete_role(&role.id)
        })
        .await
        .expect("deleted");
    assert_eq!(bench.identities.session(key, token, now()).unwrap_err(), TokenError::Invalid);
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn tokens_of_the_admin_port_open_until_they_are_revoked_or_expire() {
    let bench = Bench::new().await;
    let expires = now().plus_micros(1_000_000_000);
    let made = bench.identities.change(|draft| draft.create_token("ci", "admin", Some(expires))).await.expect("made");
    assert_eq!(bench.identities.api_token(&made.text, now()).expect("good").owner, "admin");
    assert!(bench.identities.api_token(&made.text, expires).is_none());
    assert!(bench.identities.api_token(&format!("{}x", made.text.as_str()), now()).is_none());
    bench.identities.change(|draft| draft.revoke_token(made.token.number).map(|_| ())).await.expect("revoked");
    assert!(bench.identities.api_token(&made.text, now()).is_none());
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn what_a_missing_policy_said_nobody_knows_so_it_denies_everything() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.user("alice").await, bench.user("bob").await);
    for (user, access_key) in [(&alice, "ALICEKEY"), (&bob, "BOBKEY")] {
        bench.provide(user, access_key, "a-secret-that-is-known").await.expect("provided");
    }
    let policy = bench
        .identities
        .change(|draft| {
            let policy = draft.create_policy(AccountId::DEFAULT, NewPolicy::of("bound", document()))?;
            for holder in [Holder::User(alice.id.clone()), Holder::User(bob.id.clone())] {
                draft.put_inline_policy(&holder, "all", document())?;
            }
            draft.set_boundary(&Holder::User(alice.id.clone()), Some(policy.id.clone()))?;
            draft.attach(&Holder::User(bob.id.clone()), &policy.id)?;
            Ok(policy)
        })
        .await
        .expect("made");
    let allowed = |bench: &Bench, access_key: &str| {
        let credential = bench.identities.credential(access_key).expect("a key");
        let request = tandem_policy::Request {
            caller: credential.caller(),
            action: tandem_policy::Action::of("s3:GetObject"),
            resource: "arn:aws:s3:::data/k",
            context: &tandem_policy::Nothing,
        };
        let account = AccountId::DEFAULT.to_string();
        let bucket = tandem_policy::Resource::Bucket(tandem_policy::Bucket::of(&account));
        tandem_policy::evaluate(&credential.standing.policies(bucket), &request).allowed
    };
    assert!(allowed(&bench, "ALICEKEY") && allowed(&bench, "BOBKEY"));
    let key = rows::entity(Kind::Policy, &policy.id);
    let gone = tandem_storage::change::NodeWrite { key, value: None, expected: None };
    let _ = bench.store.commit(Lane::Client, now(), WriteNodeRows(vec![gone])).await.expect("gone");
    let bench = bench.again().await;
    assert!(!allowed(&bench, "ALICEKEY"), "a boundary that is missing bounds nothing in");
    assert!(!allowed(&bench, "BOBKEY"), "what it denied is not known");
    bench.store.close().expect("closed");
}

fn bytes_below(dir: &Path, found: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        match entry.path() {
            path if path.is_dir() => bytes_below(&path, found),
            path => found.extend(std::fs::read(path).expect("a file")),
        }
    }
}

#[tokio::test]
async fn a_secret_is_in_no_row_no_file_and_no_debug_text() {
    let bench = Bench::new().await;
    let user = bench.user("alice").await;
    bench.provide(&user, "CANARYKEY", CANARY).await.expect("provided");
    let credential = bench.identities.credential("CANARYKEY").expect("known");
    assert_eq!(**credential.secret(), CANARY);
    let directory = bench.identities.directory();
    let shown = format!("{credential:?} {:?} {:?}", directory.key("CANARYKEY"), Principal(&credential));
    assert!(!shown.contains(CANARY), "{shown}");
    let rows = bench.store.node_rows(rows::PREFIX).expect("rows");
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(rows.iter().any(|(_, value)| holds(value, "CANARYKEY")));
    assert!(rows.iter().all(|(_, value)| !holds(value, CANARY)));
    let store = bench.store.clone();
    tokio::task::spawn_blocking(move || store.checkpoint()).await.expect("run").expect("a checkpoint");
    bench.store.close().expect("closed");
    let mut files = Vec::new();
    bytes_below(bench.dir.path(), &mut files);
    assert!(holds(&files, "CANARYKEY") && !holds(&files, CANARY));
}

#[derive(Debug)]
#[allow(dead_code)] // only its Debug text is looked at
struct Principal<'a>(&'a Credential);

#[tokio::test]
async fn a_node_without_its_key_file_says_so_at_its_start() {
    let bench = Bench::new().await;
    let user = bench.user("alice").await;
    bench.provide(&user, "KEY", CANARY).await.expect("provided");
    let key_file = bench.dir.path().join("identity.key");
    bench.store.close().expect("closed");
    let Bench { store, identities, dir } = bench;
    drop((store, identities));
    let kept = std::fs::read(&key_file).expect("the key file");
    std::fs::remove_file(&key_file).expect("removed");
    let (store, opened) = open(dir.path()).await;
    assert!(matches!(opened.err(), Some(OpenError::KeyFileMissing { .. })));
    store.close().expect("closed");
    drop(store);
    crate::files::write_private(
        &key_file,
        b"tandem-identity-key-1 00000000 0000000000000000000000000000000000000000000000000000000000000000\n",
    )
    .expect("another");
    let (store, opened) = open(dir.path()).await;
    assert!(matches!(opened.err(), Some(OpenError::UnknownKey { .. })));
    store.close().expect("closed");
    drop(store);
    crate::files::write_private(&key_file, &kept).expect("put back");
    let bench = Bench::at(dir).await;
    assert_eq!(**bench.identities.credential("KEY").expect("known").secret(), CANARY);
    bench.store.close().expect("closed");
}

/// One account's administrator fills its own room: everybody else's is as it was.
#[tokio::test]
async fn the_quotas_of_an_account_are_its_own() {
    let bench = Bench::new().await;
    let new = NewAccount { name: "greedy".into(), ..NewAccount::default() };
    let greedy = bench.identities.change(|draft| draft.create_account(new)).await.expect("an account").id;
    let quota = limits::quota(Kind::Group);
    let group = |n: usize| NewGroup { name: format!("g{n}"), ..NewGroup::default() };
    let filled = bench
        .identities
        .change(|draft| (0..quota.of_account).try_for_each(|n| draft.create_group(greedy, group(n)).map(|_| ())));
    filled.await.expect("as many as an account may have");
    let one_more = bench.identities.change(|draft| draft.create_group(greedy, group(quota.of_account))).await;
    assert!(matches!(one_more, Err(IdentityError::LimitExceeded(text)) if text.contains("GroupsPerAccount: 500")));
    bench.identities.change(|draft| draft.create_group(AccountId::DEFAULT, group(0))).await.expect("another account's");
    for kind in [Kind::User, Kind::Group, Kind::Role, Kind::Policy, Kind::InstanceProfile] {
        let quota = limits::quota(kind);
        assert!(quota.of_account * 2 <= quota.of_node, "{kind:?}: no account may have more than half of the room");
    }
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn the_bytes_of_all_policies_are_bounded_for_an_account_and_for_the_node() {
    let bench = Bench::new().await;
    let long = format!("{ALLOW}{}", " ".repeat(limits::DOCUMENT_BYTES - ALLOW.len()));
    let long = IdentityDocument::parse(&long).expect("a policy");
    let fill = |draft: &mut Draft<'_>, account: AccountId| {
        let mut made = 0;
        loop {
            let new = NewPolicy::of(&format!("p{made}"), long.clone());
            match draft.create_policy(account, new) {
                Ok(_) => made += 1,
                Err(IdentityError::LimitExceeded(text)) => return Ok((made, text)),
                Err(error) => return Err(error),
            }
        }
    };
    let accounts = limits::POLICY_BYTES_OF_NODE / limits::POLICY_BYTES_OF_ACCOUNT;
    let per_account = limits::POLICY_BYTES_OF_ACCOUNT / limits::DOCUMENT_BYTES;
    let mut refused_at = None;
    // Nothing of it is kept: it would be a commit of 64 MiB.
    let dropped = bench.identities.change(|draft| {
        let first = fill(draft, AccountId::DEFAULT)?;
        assert_eq!(first.0, per_account);
        assert!(first.1.contains("PolicyBytesPerAccount: 16777216"), "{}", first.1);
        for n in 1..=accounts {
            let new = NewAccount { name: format!("account {n}"), ..NewAccount::default() };
            let account = draft.create_account(new)?.id;
            let (made, text) = fill(draft, account)?;
            if made < per_account {
                assert!(text.contains("The node has no room for more: PolicyBytes"), "{text}");
                refused_at = Some(n);
                break;
            }
        }
        let (own, all) = draft.policy_bytes(AccountId::DEFAULT);
        assert!(own <= limits::POLICY_BYTES_OF_ACCOUNT && all <= limits::POLICY_BYTES_OF_NODE && own < all);
        // What is changed and grows by nothing needs no room; what goes makes some.
        let policy = Arc::clone(draft.named::<Policy>(AccountId::DEFAULT, "p0")?);
        draft.tag_policy(&policy.id, &[Tag { key: "a".into(), value: "b".into() }])?;
        draft.delete_policy(&policy.id)?;
        draft.create_policy(AccountId::DEFAULT, NewPolicy::of("again", long.clone()))?;
        Err::<(), _>(IdentityError::Concurrent)
    });
    assert!(matches!(dropped.await, Err(IdentityError::Concurrent)));
    assert_eq!(refused_at, Some(accounts), "the last account finds less room than is its");
    let made = bench.identities.change(|draft| {
        let policy = draft.create_policy(AccountId::DEFAULT, NewPolicy::of("kept", document()))?;
        draft.create_version(&policy.id, document(), false).map(|_| ())
    });
    made.await.expect("made");
    let bench = bench.again().await;
    let bytes = bench.identities.directory().policy_bytes(AccountId::DEFAULT);
    assert_eq!(bytes, (2 * ALLOW.len(), 2 * ALLOW.len()), "counted anew at a start, all versions, AWS's own apart");
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn documents_are_compiled_when_somebody_has_them_and_not_before() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    bench.provide(&alice, "ALICEKEY", "a-secret-that-is-known").await.expect("provided");
    let made = bench.identities.change(|draft| {
        let had = draft.create_policy(AccountId::DEFAULT, NewPolicy::of("had", document()))?;
        let other = draft.create_policy(AccountId::DEFAULT, NewPolicy::of("other", document()))?;
        draft.create_version(&had.id, document(), false)?;
        draft.attach(&Holder::User(alice.id.clone()), &had.id)?;
        Ok((had.id.clone(), other.id.clone()))
    });
    let (had, other) = made.await.expect("made");
    let compiled = |bench: &Bench| {
        let directory = bench.identities.directory();
        let of = |id: &str| -> Vec<bool> {
            let policy = directory.get::<Policy>(id).expect("there");
            policy.versions.iter().map(|version| version.document.is_compiled()).collect()
        };
        (of(&had), of(&other))
    };
    let bench = bench.again().await;
    assert_eq!(compiled(&bench), (vec![false, false], vec![false]));
    assert_eq!(bench.identities.credential("ALICEKEY").expect("known").standing.identity.len(), 1);
    assert_eq!(compiled(&bench), (vec![true, false], vec![false]), "what is in force for somebody");
    bench.store.close().expect("closed");
}

#[tokio::test]
async fn an_instance_profile_holds_one_role_which_stays_while_it_does() {
    let bench = Bench::new().await;
    let made = bench.identities.change(|draft| {
        let role = |name: &str| NewRole {
            name: name.into(),
            path: String::new(),
            description: String::new(),
            trust: TrustDocument::parse(TRUST).expect("a policy"),
            max_session_seconds: None,
            tags: Vec::new(),
            boundary: None,
        };
        let (one, two) =
            (draft.create_role(AccountId::DEFAULT, role("one"))?, draft.create_role(AccountId::DEFAULT, role("two"))?);
        let new = NewProfile { name: "profile".into(), path: "/a/".into(), tags: Vec::new() };
        let profile = draft.create_profile(AccountId::DEFAULT, new)?;
        draft.add_role_to_profile(&profile.id, &one.id)?;
        assert!(matches!(draft.add_role_to_profile(&profile.id, &two.id), Err(IdentityError::LimitExceeded(_))));
        assert!(matches!(draft.delete_role(&one.id), Err(IdentityError::DeleteConflict(_))));
        assert!(matches!(draft.delete_profile(&profile.id), Err(IdentityError::DeleteConflict(_))));
        Ok((one, profile))
    });
    let (one, profile) = made.await.expect("made");
    assert_eq!(profile.arn(), "arn:aws:iam::000000000000:instance-profile/a/profile");
    let bench = bench.again().await;
    let directory = bench.identities.directory();
    assert_eq!(directory.profiles_of(&one).map(|profile| profile.name.as_str()).collect::<Vec<_>>(), ["profile"]);
    assert!(directory.by_arn::<InstanceProfile>(&profile.arn()).is_ok());
    let ended = bench.identities.change(|draft| {
        draft.remove_role_from_profile(&profile.id, &one)?;
        draft.delete_profile(&profile.id)?;
        draft.delete_role(&one.id)
    });
    ended.await.expect("gone");
    bench.store.close().expect("closed");
}
