//! The face as a client sees it, without sockets: requests in, documents out.

mod document;
mod identities;
mod walk;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tandem_storage::disk::RealDisk;
use tandem_storage::types::NodeGuid;
use tandem_storage::{EngineKind, Options, Store};

use super::jwt::Signer;
use super::{Face, Facts, Operator, Parts, serve};
use crate::admin::auth::From;
use crate::admin::{Gate, SharedBackoff};
use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::config::credentials::PasswordHash;
use crate::identity::{Administrator, Identities};
use crate::role::gate::WriteGate;

pub(super) const PASSWORD: &str = "correct horse battery";

struct Bench {
    face: Face,
    _dir: tempfile::TempDir,
}

/// Status and document; null for an empty body.
type Answer = (u16, Value);

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
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
        let store = Store::open(Arc::new(RealDisk::new(dir.path()).unwrap()), options).unwrap();
        let clock: crate::clock::SharedClock = Arc::new(SystemClock::new());
        let administrator =
            Administrator { access_key: "ADMINKEY".into(), secret_key: "a secret of some length".to_owned().into() };
        let key_file = dir.path().join("identity.key");
        let identities = Identities::open(store.clone(), &key_file, administrator, clock.clone()).await.unwrap();
        let password = PasswordHash::of(PASSWORD);
        let gate = Gate {
            signer: Signer::new(b"key", &password),
            password,
            register: identities.register(),
            clock: clock.clone(),
            audit: Audit::off(),
            backoff: SharedBackoff::default(),
        };
        let facts = Facts {
            node: "0909".into(),
            name: "one".into(),
            region: "us-east-1".into(),
            s3: "http://127.0.0.1:9000".into(),
            admin: "https://127.0.0.1:9443".into(),
            replication: "127.0.0.1:9600".into(),
            default_ownership: tandem_policy::ObjectOwnership::BucketOwnerEnforced,
            vms_version: "5.4.6".into(),
        };
        let writes = WriteGate::new(store.clone());
        let started = clock.now();
        let audit = Audit::off();
        let face = Face::new(Parts { gate, identities, store, writes, clock, audit, facts, started });
        Bench { face, _dir: dir }
    }

    async fn send(&self, request: Request) -> (StatusCode, axum::http::HeaderMap, Value) {
        let mut request = request;
        let from = [127, 0, 0, 1].into();
        request.extensions_mut().insert(From { address: from, place: None });
        request.extensions_mut().insert(Operator { name: "admin".into(), from });
        let (parts, body) = serve(self.face.clone(), request).await.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        let document = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        (parts.status, parts.headers, document)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/{path}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let (status, _, document) = self.send(request.body(body).unwrap()).await;
        (status.as_u16(), document)
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Makes an object, and gives its id.
    async fn made(&self, collection: &str, body: Value) -> u64 {
        let (status, document) = self.post(&format!("{collection}/"), body).await;
        assert_eq!(status, 201, "{collection}: {document}");
        document["id"].as_u64().unwrap()
    }
}

pub(super) fn allow_all() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Sid": "all", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
        .to_string()
}

pub(super) fn trust() -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}]})
    .to_string()
}

#[tokio::test]
async fn versions_and_slashes_are_aliases_and_the_root_lists_collections() {
    let bench = Bench::new().await;
    for path in ["tenants", "tenants/", "latest/tenants/", "v1/tenants/", "v7/tenants"] {
        let (status, tenants) = bench.get(path).await;
        assert_eq!((status, tenants[0]["id"].as_u64()), (200, Some(1)), "{path}");
    }
    assert_eq!(bench.get("v5/tenants/1/").await.1["url"], "/api/v5/tenants/1/");
    let (status, root) = bench.get("").await;
    assert_eq!((status, root["users"].as_str()), (200, Some("/api/users/")));
}

#[tokio::test]
async fn what_is_not_here_says_so() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("cnodes/").await.0, 501);
    assert_eq!(bench.get("nonsense/").await.0, 404);
    assert_eq!(bench.get("users/99/").await, (404, json!({"detail": "Not found."})));
    assert_eq!(bench.get("users/alice/").await.0, 404);
    assert_eq!(bench.get("users/1/nothing/").await.0, 404);
    let (status, refused) = bench.delete("users/").await;
    assert_eq!((status, &refused), (405, &json!({"detail": "Method \"DELETE\" not allowed."})));
}

#[tokio::test]
async fn bodies_may_be_absent_and_must_be_json_objects() {
    let bench = Bench::new().await;
    let post = |media: Option<&str>, body: &'static str| {
        let mut request = Request::builder().method(Method::POST).uri("/api/users/");
        if let Some(media) = media {
            request = request.header(header::CONTENT_TYPE, media);
        }
        bench.send(request.body(Body::from(body)).unwrap())
    };
    let required = json!({"name": ["This field is required."]});
    assert_eq!(post(None, "").await.2, required);
    assert_eq!(post(Some("text/plain"), "").await.2, required);
    assert_eq!(post(None, "{}").await.2, required);
    assert_eq!(post(Some("text/plain"), "{}").await.0, 415);
    assert_eq!(post(Some("application/json"), "[]").await.0, 400);
    assert_eq!(post(Some("application/json"), "{").await.0, 400);
    assert_eq!(post(Some("application/json; charset=utf-8"), r#"{"name": "alice"}"#).await.0, 201);
}

/// Says that more comes, and nothing comes.
struct Endless;

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_never_ends_keeps_no_connection() {
    let within = std::time::Duration::from_millis(1);
    let failed = super::read(&header::HeaderMap::new(), Body::new(Endless), 16, within).await.unwrap_err();
    assert_eq!(failed.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn options_tell_what_is_taken() {
    let bench = Bench::new().await;
    let request = Request::builder().method(Method::OPTIONS).uri("/api/users/").body(Body::empty()).unwrap();
    let (status, headers, document) = bench.send(request).await;
    assert_eq!((status.as_u16(), headers[header::ALLOW].to_str().unwrap()), (200, "GET, HEAD, OPTIONS, POST"));
    assert_eq!(document["actions"]["POST"]["name"]["required"], true);
    assert!(document["actions"]["POST"].get("access_keys").is_none());
    assert!(document["actions"]["POST"]["tenant_id"].is_object());
    let request = Request::builder().method(Method::OPTIONS).uri("/api/users/1/").body(Body::empty()).unwrap();
    let (_, _, document) = bench.send(request).await;
    assert!(document["actions"]["PATCH"]["uid"].is_object() && document["actions"]["PATCH"].get("tenant_id").is_none());
}

#[tokio::test]
async fn a_tenant_by_header_is_where_things_are_made_and_listed() {
    let bench = Bench::new().await;
    bench.made("tenants", json!({"name": "backup", "account_id": "123456789012"})).await;
    bench.made("users", json!({"name": "alice"})).await;
    let send = |method: Method, tenant: &'static str, body: &'static str| {
        let request = Request::builder().method(method).uri("/api/users/").header("X-Tenant-Name", tenant);
        bench.send(request.body(Body::from(body)).unwrap())
    };
    let (status, _, bob) = send(Method::POST, "backup", r#"{"name": "bob"}"#).await;
    assert_eq!((status.as_u16(), bob["arn"].as_str()), (201, Some("arn:aws:iam::123456789012:user/bob")));
    let names = |users: Value| users.as_array().unwrap().iter().map(|user| user["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(send(Method::GET, "backup", "").await.2), ["bob"]);
    assert_eq!(names(send(Method::GET, "default", "").await.2), ["alice"]);
    assert_eq!(send(Method::GET, "nobody", "").await.0.as_u16(), 400);
}

#[tokio::test]
async fn who_is_not_logged_in_does_not_learn_which_tenants_there_are() {
    let bench = Bench::new().await;
    let guess = |tenant: &'static str| {
        let request = Request::builder().method(Method::POST).uri("/api/token/").header("X-Tenant-Name", tenant);
        bench.send(request.body(Body::from(r#"{"username": "admin", "password": "a wrong one"}"#)).unwrap())
    };
    let (there, nowhere) = (guess("default").await, guess("nobody").await);
    assert_eq!((there.0, there.2), (StatusCode::UNAUTHORIZED, nowhere.2));
    assert_eq!(nowhere.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn bearer_tokens_come_for_the_password_and_renew_themselves() {
    let bench = Bench::new().await;
    let login = |password: &str| json!({"username": "admin", "password": password});
    let (status, pair) = bench.post("token/", login(PASSWORD)).await;
    assert_eq!(status, 200);
    assert_eq!(bench.post("token/", login("wrong password")).await.0, 401);
    let (status, renewed) = bench.post("latest/token/refresh/", json!({"refresh": pair["refresh"]})).await;
    assert!(status == 200 && renewed["access"].is_string());
    assert_eq!(bench.post("token/refresh/", json!({"refresh": pair["access"]})).await.0, 401);
    assert!(super::is_open(&Method::POST, "/api/v5/token/") && super::is_open(&Method::POST, "/api/token/refresh"));
    assert!(!super::is_open(&Method::GET, "/api/token/") && !super::is_open(&Method::POST, "/api/users/"));
}

#[tokio::test]
async fn api_tokens_show_their_secret_once_and_can_be_revoked() {
    let bench = Bench::new().await;
    let (status, made) = bench.post("apitokens/", json!({"name": "ci", "owner": "admin", "expiry_date": "30d"})).await;
    assert_eq!(status, 201);
    let (token, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    let register = bench.face.identities.register();
    let opens = || register.api_token(token, bench.face.clock.now()).is_some();
    assert!(opens());
    let (_, listed) = bench.get("apitokens/").await;
    assert!(!listed.to_string().contains(token), "{listed}");
    // As VMS has it: a sentence, and the time counts from when the token was made.
    let body = json!({"name": "renamed", "expiry_date": "2d"});
    assert_eq!(bench.patch(&format!("apitokens/{id}/"), body).await, (200, json!("API token has been modified")));
    let (_, changed) = bench.get(&format!("apitokens/{id}/")).await;
    let at = |name: &str| changed[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!((changed["name"].as_str(), at("expiry_date") - at("created")), (Some("renamed"), 2 * 86_400));
    assert_eq!(bench.patch(&format!("apitokens/{id}/"), json!({})).await.0, 200);
    assert_eq!(bench.patch(&format!("apitokens/{id}/"), json!({"expiry_date": "soon"})).await.0, 400);
    assert_eq!(bench.patch("apitokens/absent/", json!({"name": "x"})).await.0, 404);
    assert_eq!(bench.get(&format!("apitokens/{id}/")).await.1["name"], "renamed");
    let (status, revoked) = bench.call(Method::PATCH, &format!("apitokens/{id}/revoke"), None).await;
    assert_eq!((status, revoked["revoked"].as_bool(), revoked["state"].as_str()), (200, Some(true), Some("REVOKED")));
    assert!(!opens());
    assert_eq!(bench.get("apitokens/?archived=True").await.1.as_array().unwrap().len(), 1);
    assert_eq!(bench.delete(&format!("apitokens/{id}/")).await.0, 204);
    assert_eq!(bench.post("apitokens/", json!({"name": "x", "owner": "nobody"})).await.0, 400);
}
