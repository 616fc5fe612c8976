//! Every route.

use super::route::{Action, Answer, Body, Route, Verb, act, change, create, delete, get, list};
use super::{
    apitokens, clusters, entity, explain, groups, iamroles, keys, openapi, s3policies, tenants, token, user_query,
    users, viewpolicies, views, vippools,
};
use crate::identity::{Group, Policy, Role, User};

pub fn routes() -> impl Iterator<Item = &'static Route> {
    IDENTITIES.iter().chain(POLICIES).chain(NODE)
}

const IDENTITIES: &[Route] = &[
    list("users", &users::SCHEMA, entity::list::<User>),
    create("users", &users::SCHEMA, users::create),
    list("users/names", &user_query::NAME, user_query::names).with(user_query::NAME_PARAMETERS),
    get("users/query", &users::SCHEMA, user_query::query)
        .with(user_query::PARAMETERS)
        .what("show one, by what is known"),
    act(
        Verb::Patch,
        "users/query",
        "change one, by what is known",
        user_query::CHANGE,
        Answer::One(&users::SCHEMA),
        user_query::change,
    ),
    get("users/{id}", &users::SCHEMA, entity::get::<User>),
    change("users/{id}", &users::SCHEMA, users::change),
    delete("users/{id}", users::delete),
    act(
        Verb::Post,
        "users/{id}/access_keys",
        "make a key pair, or provide a known one",
        keys::CREATE,
        Answer::One(&keys::PAIR),
        keys::create,
    ),
    act(Verb::Patch, "users/{id}/access_keys", "enable or disable a key", keys::CHANGE, Answer::Nothing, keys::enable),
    act(Verb::Delete, "users/{id}/access_keys", "delete a key", keys::DELETE, Answer::Nothing, keys::delete),
    get("users/{id}/tenant_data", &users::TENANT_DATA, users::tenant_data),
    change("users/{id}/tenant_data", &users::TENANT_DATA, users::change_tenant_data),
    act(
        Verb::Patch,
        "users/{id}/attach_policy",
        "attach a policy",
        entity::POLICY,
        Answer::One(&users::SCHEMA),
        users::attach,
    ),
    act(
        Verb::Patch,
        "users/{id}/detach_policy",
        "detach a policy",
        entity::POLICY,
        Answer::One(&users::SCHEMA),
        users::detach,
    ),
    list("groups", &groups::SCHEMA, entity::list::<Group>),
    create("groups", &groups::SCHEMA, groups::create),
    get("groups/{id}", &groups::SCHEMA, entity::get::<Group>),
    change("groups/{id}", &groups::SCHEMA, groups::change),
    delete("groups/{id}", groups::delete),
    act(
        Verb::Patch,
        "groups/{id}/add_member",
        "put a user into it",
        groups::MEMBER,
        Answer::One(&groups::SCHEMA),
        groups::add_member,
    ),
    act(
        Verb::Patch,
        "groups/{id}/remove_member",
        "take a user out of it",
        groups::MEMBER,
        Answer::One(&groups::SCHEMA),
        groups::remove_member,
    ),
    act(
        Verb::Patch,
        "groups/{id}/attach_policy",
        "attach a policy",
        entity::POLICY,
        Answer::One(&groups::SCHEMA),
        groups::attach,
    ),
    act(
        Verb::Patch,
        "groups/{id}/detach_policy",
        "detach a policy",
        entity::POLICY,
        Answer::One(&groups::SCHEMA),
        groups::detach,
    ),
    list("locals3keys", &keys::LOCAL, keys::local).with(keys::LOCAL_PARAMETERS),
    list("s3keys", &keys::OWN, keys::own).what("the keys of who is logged in"),
    act(Verb::Post, "s3keys", "make a key pair for oneself", keys::CREATE, Answer::Made(&keys::PAIR), keys::create_own),
    delete("s3keys/{access_key}", keys::delete_own),
];

const POLICIES: &[Route] = &[
    list("s3policies", &s3policies::SCHEMA, entity::list::<Policy>),
    create("s3policies", &s3policies::SCHEMA, s3policies::create),
    act(
        Verb::Post,
        "s3policies/explain",
        "say what would be decided, and by which statement",
        explain::QUESTION,
        Answer::One(&explain::VERDICT),
        explain::explain,
    ),
    get("s3policies/{id}", &s3policies::SCHEMA, entity::get::<Policy>),
    change("s3policies/{id}", &s3policies::SCHEMA, s3policies::change),
    delete("s3policies/{id}", s3policies::delete),
    list("iamroles", &iamroles::SCHEMA, entity::list::<Role>),
    create("iamroles", &iamroles::SCHEMA, iamroles::create),
    get("iamroles/{id}", &iamroles::SCHEMA, entity::get::<Role>),
    change("iamroles/{id}", &iamroles::SCHEMA, iamroles::change),
    delete("iamroles/{id}", iamroles::delete),
    act(
        Verb::Patch,
        "iamroles/{id}/attach_policy",
        "attach a policy",
        entity::POLICY,
        Answer::One(&iamroles::SCHEMA),
        iamroles::attach,
    ),
    act(
        Verb::Patch,
        "iamroles/{id}/detach_policy",
        "detach a policy",
        entity::POLICY,
        Answer::One(&iamroles::SCHEMA),
        iamroles::detach,
    ),
    list("tenants", &tenants::SCHEMA, tenants::list),
    create("tenants", &tenants::SCHEMA, tenants::create),
    act(
        Verb::Post,
        "tenants/bulk",
        "make many, in one commit",
        tenants::BULK,
        Answer::List(&tenants::SCHEMA),
        tenants::create_bulk,
    ),
    get("tenants/{id}", &tenants::SCHEMA, tenants::get),
    change("tenants/{id}", &tenants::SCHEMA, tenants::change),
    delete("tenants/{id}", tenants::delete),
    list("organizationalunits", &tenants::UNIT, tenants::units),
    create("organizationalunits", &tenants::UNIT, tenants::create_unit),
    delete("organizationalunits/{unit}", tenants::delete_unit),
    list("localproviders", &tenants::PROVIDER, tenants::providers),
    get("localproviders/{id}", &tenants::PROVIDER, tenants::provider),
];

const NODE: &[Route] = &[
    list("views", &views::SCHEMA, views::list),
    create("views", &views::SCHEMA, views::create),
    get("views/{id}", &views::SCHEMA, views::get),
    change("views/{id}", &views::SCHEMA, views::modify),
    delete("views/{id}", views::delete).with(views::DELETE_PARAMETERS),
    list("viewpolicies", &viewpolicies::SCHEMA, viewpolicies::list),
    get("viewpolicies/{id}", &viewpolicies::SCHEMA, viewpolicies::get),
    list("vippools", &vippools::SCHEMA, vippools::list),
    get("vippools/{id}", &vippools::SCHEMA, vippools::get),
    list("apitokens", &apitokens::SCHEMA, apitokens::list),
    act_new("apitokens", apitokens::create),
    get("apitokens/{token}", &apitokens::SCHEMA, apitokens::get),
    act(Verb::Patch, "apitokens/{token}", "change one", apitokens::CHANGE, Answer::Document, apitokens::modify),
    delete("apitokens/{token}", apitokens::delete),
    act(
        Verb::Patch,
        "apitokens/{token}/revoke",
        "revoke one",
        apitokens::NOTHING,
        Answer::One(&apitokens::SCHEMA),
        apitokens::revoke,
    ),
    act(Verb::Post, "token", "log in", token::LOGIN, Answer::One(&token::PAIR), token::login).open(),
    act(Verb::Post, "token/refresh", "stay logged in", token::REFRESH, Answer::One(&token::PAIR), token::refresh)
        .open(),
    list("clusters", &clusters::SCHEMA, clusters::list),
    get("clusters/{id}", &clusters::SCHEMA, clusters::get),
    change("clusters/{id}", &clusters::SCHEMA, clusters::change),
    list("versions", &clusters::VERSIONS, clusters::versions),
    Route {
        verb: Verb::Get,
        path: openapi::PATH,
        what: "this document",
        body: Body::None,
        answer: Answer::Document,
        action: Action::Read(openapi::show),
        parameters: &[],
        open: false,
    },
];

/// A new token answers with its secret, which the token itself never shows again.
const fn act_new(path: &'static str, action: fn(super::Face, super::route::Call) -> super::route::Running) -> Route {
    Route {
        verb: Verb::Post,
        path,
        what: "make one",
        body: Body::New(&apitokens::SCHEMA),
        answer: Answer::Made(&apitokens::MADE),
        action: Action::Change(action),
        parameters: &[],
        open: false,
    }
}
