use serde_json::{Value, json};

use super::{Bench, allow_all, trust};
use crate::admin::vms::query::Query;
use crate::admin::vms::route::{Call, Operator, Verb};
use crate::admin::vms::users;
use crate::identity::User;
use axum::http::Method;

#[tokio::test]
async fn a_user_with_its_numbers_flags_and_policies_reads_back_as_it_was_sent() {
    let bench = Bench::new().await;
    let policy = bench.made("s3policies", json!({"name": "all", "policy": allow_all()})).await;
    bench.made("groups", json!({"name": "staff", "gid": 100})).await;
    let sent = json!({
        "name": "alice", "uid": 1001, "leading_gid": 100, "gids": [200, 300], "local_provider_id": 1,
        "allow_create_bucket": true, "allow_delete_bucket": "False", "s3_superuser": false, "s3_policies_ids": [policy],
    });
    let id = bench.made("users", sent).await;
    let (_, user) = bench.get(&format!("users/{id}/")).await;
    for (field, wanted) in [
        ("uid", json!(1001)),
        ("gids", json!([200, 300])),
        ("allow_create_bucket", json!(true)),
        ("allow_delete_bucket", json!(false)),
        ("s3_policies", json!([{"id": policy, "name": "all"}])),
        ("groups", json!(["staff"])),
        ("leading_group_name", json!("staff")),
        ("local", json!(true)),
        ("title", json!("alice")),
        ("tenant_id", json!(1)),
    ] {
        assert_eq!(user[field], wanted, "{field}");
    }
    let (status, changed) = bench.patch(&format!("users/{id}/"), json!({"uid": 1002, "s3_policies_ids": []})).await;
    assert_eq!((status, &changed["uid"], &changed["s3_policies"]), (200, &json!(1002), &json!([])));
    assert_eq!(changed["leading_gid"], 100);
    let (status, data) = bench.patch(&format!("users/{id}/tenant_data/"), json!({"s3_superuser": true})).await;
    assert_eq!((status, &data["s3_superuser"], &data["allow_create_bucket"]), (200, &json!(true), &json!(true)));
    assert_eq!(bench.get("users/query/?uid=1002").await.1["id"], id);
    assert_eq!(bench.get("users/query/?username=alice&context=local").await.1["id"], id);
    assert_eq!(bench.get("users/query/?uid=7").await.0, 404);
    assert_eq!(bench.patch("users/query/", json!({"uid": 1002, "s3_superuser": false})).await.1["s3_superuser"], false);
    assert_eq!(bench.get("users/names/?prefix=al").await.1[0]["name"], "alice");
    assert_eq!(bench.get("users/names/?prefix=b").await.1, json!([]));
    assert_eq!(bench.delete(&format!("users/{id}/")).await.0, 204);
    assert_eq!(bench.get("users/?name=alice").await.1, json!([]));
}

#[tokio::test]
async fn a_change_leaves_alone_what_another_one_set_meanwhile() {
    let bench = Bench::new().await;
    let id = bench.made("users", json!({"name": "alice", "s3_superuser": true, "gids": [5]})).await;
    let before = bench.face.directory().numbered::<User>(id).cloned().unwrap();
    bench.patch(&format!("users/{id}/"), json!({"s3_superuser": false})).await;
    let Value::Object(body) = json!({"uid": 1001}) else { unreachable!() };
    let call = Call {
        verb: Verb::Patch,
        path: format!("users/{id}"),
        places: vec![id.to_string()],
        query: Query::default(),
        body,
        operator: Operator { name: "admin".into(), from: [127, 0, 0, 1].into() },
        tenant: None,
        base: "/api/".into(),
    };
    users::apply(&bench.face, &call, &before).await.unwrap();
    let (_, user) = bench.get(&format!("users/{id}/")).await;
    assert_eq!((&user["uid"], &user["s3_superuser"], &user["gids"]), (&json!(1001), &json!(false), &json!([5])));
}

#[tokio::test]
async fn what_stands_against_a_user_is_told_by_field_or_by_code() {
    let bench = Bench::new().await;
    bench.made("users", json!({"name": "alice", "uid": 7})).await;
    let (status, twice) = bench.post("users/", json!({"name": "alice"})).await;
    assert_eq!((status, twice["code"].as_str()), (409, Some("already_exists")));
    assert_eq!(bench.post("users/", json!({"name": "bob", "uid": 7})).await.0, 409);
    for (body, field) in [
        (json!({"name": "b", "uid": -1}), "uid"),
        (json!({"name": "b", "s3_policies_ids": [99]}), "s3_policies_ids"),
        (json!({"name": "b", "tenant_id": 99}), "tenant_id"),
        (json!({"name": "b", "local_provider_id": 99}), "local_provider_id"),
        (json!({"name": "b", "iam": true, "uid": 3}), "uid"),
        (json!({"name": "b", "password": "x"}), "password"),
    ] {
        let (status, refused) = bench.post("users/", body.clone()).await;
        assert!(status == 400 && refused.get(field).is_some(), "{body}: {status} {refused}");
    }
    let iam = bench.made("users", json!({"name": "carol", "iam": true})).await;
    assert_eq!(bench.get(&format!("users/{iam}/")).await.1["local"], false);
    assert_eq!(bench.patch(&format!("users/{iam}/"), json!({"s3_superuser": true})).await.0, 400);
}

#[tokio::test]
async fn a_key_is_made_provided_disabled_and_deleted() {
    let bench = Bench::new().await;
    let id = bench.made("users", json!({"name": "alice"})).await;
    let keys = format!("users/{id}/access_keys/");
    let (status, pair) = bench.post(&keys, json!({"tenant_id": 1})).await;
    assert_eq!(status, 200);
    let (access, secret) = (pair["access_key"].as_str().unwrap(), pair["secret_key"].as_str().unwrap());
    let register = bench.face.identities.register();
    assert_eq!(register.credential(access).unwrap().secret().as_str(), secret);
    let (_, user) = bench.get(&format!("users/{id}/")).await;
    assert!(user["access_keys"][0]["access_key"] == *access && !user.to_string().contains(secret));
    let key = |enabled: bool| json!({"access_key": access, "enabled": enabled});
    assert_eq!(bench.patch(&keys, key(false)).await, (204, Value::Null));
    assert!(!register.credential(access).unwrap().enabled);
    assert_eq!(bench.get("locals3keys/?enabled=False").await.1[0]["user"]["name"], "alice");
    assert_eq!(bench.call(Method::DELETE, &keys, Some(json!({"access_key": access}))).await.0, 204);
    assert!(register.credential(access).is_none());
    assert_eq!(bench.call(Method::DELETE, &keys, Some(json!({"access_key": access}))).await.0, 404);

    let known = json!({"access_key": "AKIAKNOWN00000000001", "secret_key": "a-secret-that-is-known-elsewhere"});
    let (status, provided) = bench.post(&keys, known.clone()).await;
    assert_eq!((status, provided), (200, json!({"access_key": "AKIAKNOWN00000000001"})));
    assert_eq!(bench.post(&keys, known).await.0, 200);
    let other = json!({"access_key": "AKIAKNOWN00000000001", "secret_key": "another-secret-of-that-key"});
    assert_eq!(bench.post(&keys, other).await.0, 409);
    assert_eq!(bench.post(&keys, json!({"access_key": "AKIAKNOWN00000000002"})).await.0, 400);
    let other = bench.made("users", json!({"name": "bob"})).await;
    let others = format!("users/{other}/access_keys/");
    let foreign = json!({"access_key": "AKIAKNOWN00000000001", "enabled": false});
    assert_eq!(bench.patch(&others, foreign).await.0, 404);
}

#[tokio::test]
async fn the_administrators_own_keys_are_its_accounts_roots() {
    let bench = Bench::new().await;
    let (status, pair) = bench.post("s3keys/", json!({})).await;
    assert_eq!(status, 201);
    let access = pair["access_key"].as_str().unwrap();
    let (_, own) = bench.get("s3keys/").await;
    assert!(own[0]["access_key"] == "ADMINKEY" && own[1]["access_key"] == *access);
    assert_eq!(bench.delete(&format!("s3keys/{access}/")).await.0, 204);
    assert_eq!(bench.delete("s3keys/ADMINKEY/").await.0, 409);
}

#[tokio::test]
async fn groups_roles_and_policies_are_made_changed_and_deleted() {
    let bench = Bench::new().await;
    let policy = bench.made("s3policies", json!({"name": "all", "policy": allow_all(), "enabled": false})).await;
    let group = bench.made("groups", json!({"name": "staff", "gid": 100, "local_provider_id": 1})).await;
    let user = bench.made("users", json!({"name": "alice"})).await;
    let member = json!({"user_id": user});
    let (_, shown) = bench.patch(&format!("groups/{group}/add_member/"), member.clone()).await;
    assert_eq!(shown["users"], json!([{"id": user, "name": "alice"}]));
    bench.patch(&format!("groups/{group}/"), json!({"s3_policies_ids": [policy]})).await;
    let role = json!({"name": "r", "trust_policy": trust(), "s3_policies_ids": [policy], "description": "d"});
    let role = bench.made("iamroles", role).await;
    let (_, shown) = bench.get(&format!("s3policies/{policy}/")).await;
    assert_eq!(
        (&shown["groups"], &shown["roles"], &shown["enabled"]),
        (&json!(["staff"]), &json!(["r"]), &json!(false))
    );
    assert_eq!(shown["policy"], allow_all());
    let (status, shown) =
        bench.patch(&format!("s3policies/{policy}/"), json!({"name": "every", "enabled": true})).await;
    assert_eq!((status, &shown["name"], &shown["enabled"]), (200, &json!("every"), &json!(true)));
    let (status, wrong) = bench.patch(&format!("s3policies/{policy}/"), json!({"policy": "{}"})).await;
    assert!(status == 400 && wrong.get("policy").is_some(), "{wrong}");
    let (status, wrong) = bench.patch(&format!("iamroles/{role}/"), json!({"trust_policy": "{}"})).await;
    assert!(status == 400 && wrong.get("trust_policy").is_some(), "{wrong}");
    assert_eq!(bench.patch(&format!("groups/{group}/remove_member/"), member).await.1["users"], json!([]));
    for path in [format!("s3policies/{policy}/"), format!("groups/{group}/"), format!("iamroles/{role}/")] {
        assert_eq!(bench.delete(&path).await.0, 204, "{path}");
        assert_eq!(bench.get(&path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn one_policy_is_attached_or_detached_and_others_stay() {
    let bench = Bench::new().await;
    let first = bench.made("s3policies", json!({"name": "first", "policy": allow_all()})).await;
    let second = bench.made("s3policies", json!({"name": "second", "policy": allow_all()})).await;
    let user = bench.made("users", json!({"name": "alice"})).await;
    let group = bench.made("groups", json!({"name": "staff"})).await;
    let role = bench.made("iamroles", json!({"name": "r", "trust_policy": trust()})).await;
    for place in [format!("users/{user}"), format!("groups/{group}"), format!("iamroles/{role}")] {
        let held = async |word: &str, policy: u64| {
            let (status, shown) = bench.patch(&format!("{place}/{word}_policy/"), json!({"policy_id": policy})).await;
            assert_eq!(status, 200, "{shown}");
            shown["s3_policies_ids"].clone()
        };
        // Two at the same time: neither undoes the other.
        let (one, other) = tokio::join!(held("attach", first), held("attach", second));
        assert!(one == json!([first, second]) || other == json!([second, first]) || other == json!([first, second]));
        assert_eq!(held("attach", first).await.as_array().map(Vec::len), Some(2));
        assert_eq!(held("detach", first).await, json!([second]));
        assert_eq!(held("detach", first).await, json!([second]));
        assert_eq!(bench.patch(&format!("{place}/attach_policy/"), json!({"policy_id": 99})).await.0, 400);
        assert_eq!(bench.patch(&format!("{place}/attach_policy/"), json!({})).await.0, 400);
    }
}

#[tokio::test]
async fn a_tenant_with_buckets_stays() {
    let bench = Bench::new().await;
    let tenant = bench.made("tenants", json!({"name": "busy"})).await;
    let view = bench.made("views", json!({"path": "/photos", "tenant_id": tenant})).await;
    let (status, refused) = bench.delete(&format!("tenants/{tenant}/")).await;
    assert_eq!((status, refused["code"].as_str()), (409, Some("delete_conflict")), "{refused}");
    assert_eq!(bench.delete(&format!("views/{view}/")).await.0, 204);
    assert_eq!(bench.delete(&format!("tenants/{tenant}/")).await.0, 204);
    assert_eq!(bench.post("views/", json!({"path": "/late", "tenant_id": tenant})).await.0, 400);
}

#[tokio::test]
async fn tenants_are_accounts_and_come_in_bulk() {
    let bench = Bench::new().await;
    let (_, unit) = bench.post("organizationalunits/", json!({"name": "research"})).await;
    let many: Vec<Value> =
        (0..50).map(|at| json!({"name": format!("t{at}"), "organizational_unit_id": unit["id"]})).collect();
    let (status, made) = bench.post("tenants/bulk/", json!({"tenants": many})).await;
    assert_eq!((status, made.as_array().unwrap().len()), (200, 50));
    assert_eq!(made[0]["account_id"].as_str().unwrap().len(), 12);
    assert!(made[0]["organization_path"].as_str().unwrap().contains(unit["id"].as_str().unwrap()));
    let few = json!({"tenants": [{"name": "v0"}]});
    assert_eq!(bench.post("tenants/bulk/?nmae=v0", few).await.1[0]["name"], "v0");
    let twice = json!({"tenants": [{"name": "u0"}, {"name": "t0"}]});
    assert_eq!(bench.post("tenants/bulk/", twice).await.0, 409);
    assert_eq!(bench.get("tenants/?name=u0").await.1, json!([]));
    assert_eq!(bench.post("tenants/bulk/", json!({"tenants": [{}]})).await.0, 400);
    assert_eq!(bench.post("tenants/", json!({"name": "x", "account_id": "12"})).await.0, 400);
    assert_eq!(bench.get("localproviders/1/").await.1["name"], "local");
    let page = bench.get("tenants/?page=2&page_size=20&ordering=-id").await.1;
    assert_eq!((&page["count"], page["results"].as_array().unwrap().len()), (&json!(52), 20));
    assert_eq!(bench.delete("tenants/1/").await.0, 409);
    assert_eq!(bench.delete(&format!("tenants/{}/", made[0]["id"])).await.0, 204);
}

#[tokio::test]
async fn a_bucket_is_a_view_and_an_endpoint_is_an_alias() {
    let bench = Bench::new().await;
    let user = bench.made("users", json!({"name": "alice"})).await;
    let endpoint =
        json!({"name": "ep", "path": "/s3", "protocols": ["ENDPOINT"], "policy_id": 1, "bucket_creators": ["alice"]});
    let endpoint = bench.made("views", endpoint).await;
    let view = json!({"path": "/s3/photos", "bucket": "photos", "bucket_owner": "alice", "policy_id": 1, "protocols": ["S3"],
                      "create_dir": true, "s3_versioning": true, "tenant_id": 1});
    let id = bench.made("views", view).await;
    let (_, shown) = bench.get(&format!("views/{id}/")).await;
    for (field, wanted) in [
        ("bucket", json!("photos")),
        ("path", json!("/photos")),
        ("bucket_owner", json!("alice")),
        ("s3_versioning", json!(true)),
        ("protocols", json!(["S3"])),
        ("tenant_id", json!(1)),
    ] {
        assert_eq!(shown[field], wanted, "{field}");
    }
    assert_eq!(bench.patch(&format!("views/{id}/"), json!({"s3_versioning": false})).await.1["s3_versioning"], false);
    assert_eq!(bench.get("views/?protocols=ENDPOINT").await.1[0]["id"], endpoint);
    assert_eq!(bench.get("views/?path__startswith=/pho").await.1[0]["id"], id);
    assert_eq!(bench.get("viewpolicies/1/").await.1["count_views"], 2);
    for (body, status) in [
        (json!({"path": "/photos", "policy_id": 1}), 409),
        (json!({"path": "/other/photos2"}), 400),
        (json!({"path": "/UPPER"}), 400),
        (json!({"path": "/a-bucket", "bucket": "another"}), 400),
        (json!({"path": "/a-bucket", "policy_id": 2}), 400),
        (json!({"path": "/a-bucket", "bucket_owner": "nobody"}), 400),
        (json!({"path": "/a-bucket", "protocols": ["NFS"]}), 400),
        (json!({"path": "/a-bucket", "allow_s3_anonymous_access": true}), 400),
        (json!({"path": "/s3", "protocols": ["ENDPOINT"]}), 409),
        (json!({}), 400),
    ] {
        assert_eq!(bench.post("views/", body.clone()).await.0, status, "{body}");
    }
    assert_eq!(bench.delete(&format!("views/{id}/?force=True")).await.0, 204);
    assert_eq!(bench.delete(&format!("views/{endpoint}/")).await.0, 204);
    assert_eq!(bench.get("views/").await.1, json!([]));
    assert_eq!(bench.delete(&format!("users/{user}/")).await.0, 204);
}

#[tokio::test]
async fn decisions_are_explained_by_the_statement_that_makes_them() {
    let bench = Bench::new().await;
    let policy = bench.made("s3policies", json!({"name": "all", "policy": allow_all()})).await;
    bench.made("users", json!({"name": "alice", "iam": true, "s3_policies_ids": [policy]})).await;
    bench.made("users", json!({"name": "bob", "iam": true})).await;
    bench.made("views", json!({"path": "/photos"})).await;
    let ask = |principal: &str, more: Value| {
        let mut question = json!({"principal": principal, "action": "s3:GetObject", "resource": "photos/cat.jpg"});
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bench.post("s3policies/explain/", question)
    };
    let (_, alice) = ask("alice", json!({})).await;
    assert_eq!((&alice["allowed"], &alice["policy"], &alice["statement"]), (&json!(true), &json!("all"), &json!(0)));
    assert_eq!(alice["sid"], "all");
    assert_eq!(ask("arn:aws:iam::000000000000:user/bob", json!({})).await.1["decision"], "implicitDeny");
    assert_eq!(ask("admin", json!({})).await.1["source"], "superuser");
    assert_eq!(ask("anonymous", json!({})).await.1["allowed"], false);
    bench.made("users", json!({"name": "admin", "iam": true})).await;
    assert_eq!(ask("admin", json!({})).await.1["decision"], "implicitDeny");
    let deny = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/*"}]});
    let (_, denied) = ask("alice", json!({"bucket_policy": deny})).await;
    assert_eq!((&denied["decision"], &denied["source"]), (&json!("explicitDeny"), &json!("bucket-policy")));
    let given = json!({"identity_policies": [serde_json::from_str::<Value>(&allow_all()).unwrap()]});
    assert_eq!(ask("bob", given).await.1["allowed"], true);
    assert_eq!(ask("nobody", json!({})).await.0, 400);
    assert_eq!(ask("arn:aws:iam::000000000000:user/nobody", json!({})).await.0, 404);
    assert_eq!(ask("bob", json!({"bucket_policy": "{}"})).await.0, 400);
}
