//! Everything of an account in one list, and what policies ask for: for tools that look at a whole account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::page::write_end;
use super::{Answered, shape};
use crate::aws::answer::{date, document, members};
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{AccountId, Directory, Entity, Group, Policy, Role, Snapshot, Standing, User};
use crate::s3::xml::XmlWriter;

const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

/// One entry of the whole list; markers are its place.
enum Entry {
    User(Arc<User>),
    Group(Arc<Group>),
    Role(Arc<Role>),
    Policy(Arc<Policy>),
}

fn entries(directory: &Directory, account: AccountId, wanted: &[&str]) -> Vec<Entry> {
    let is = |kind: &str| wanted.is_empty() || wanted.contains(&kind);
    let mut all = Vec::new();
    if is("User") {
        all.extend(directory.all::<User>(account).cloned().map(Entry::User));
    }
    if is("Group") {
        all.extend(directory.all::<Group>(account).cloned().map(Entry::Group));
    }
    if is("Role") {
        all.extend(directory.all::<Role>(account).cloned().map(Entry::Role));
    }
    let policies = [("LocalManagedPolicy", account), ("AWSManagedPolicy", AccountId::AWS)];
    for (_, account) in policies.into_iter().filter(|(kind, _)| is(kind)) {
        all.extend(directory.all::<Policy>(account).cloned().map(Entry::Policy));
    }
    all
}

pub fn authorization(call: &Call<'_>) -> Answered {
    call.require("iam:GetAccountAuthorizationDetails", "*")?;
    let most = call.form.number("MaxItems")?.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&most) {
        return Err(QueryError::validation("MaxItems must be between 1 and 1000."));
    }
    let from: usize = match call.form.given("Marker").map(str::parse) {
        None => 0,
        Some(Ok(place)) => place,
        Some(Err(_)) => return Err(QueryError::validation("Invalid Marker.")),
    };
    let all = entries(&call.directory, call.account(), &call.form.list("Filter"));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let marker = (all.len() > from.saturating_add(most)).then(|| (from + most).to_string());
    let page = Sorted::of(all.into_iter().skip(from).take(most));
    let (directory, account) = (call.directory.clone(), call.account());
    Ok(Box::new(move |xml| {
        write(xml, &directory, account, &page);
        write_end(xml, marker.as_deref());
    }))
}

/// A page, sorted by kind.
#[derive(Default)]
struct Sorted {
    users: Vec<Arc<User>>,
    groups: Vec<Arc<Group>>,
    roles: Vec<Arc<Role>>,
    policies: Vec<Arc<Policy>>,
}

impl Sorted {
    fn of(entries: impl Iterator<Item = Entry>) -> Sorted {
        entries.fold(Sorted::default(), |mut sorted, entry| {
            match entry {
                Entry::User(user) => sorted.users.push(user),
                Entry::Group(group) => sorted.groups.push(group),
                Entry::Role(role) => sorted.roles.push(role),
                Entry::Policy(policy) => sorted.policies.push(policy),
            }
            sorted
        })
    }
}

fn write(xml: &mut XmlWriter, directory: &Snapshot, account: AccountId, page: &Sorted) {
    let uses = directory.uses_of_policies(account);
    members(xml, "UserDetailList", &page.users, |xml, user| write_user(xml, directory, user));
    members(xml, "GroupDetailList", &page.groups, |xml, group| {
        shape::group(xml, group);
        shape::inline(xml, "GroupPolicyList", &group.grants);
        shape::attached(xml, "AttachedManagedPolicies", directory, &group.grants);
    });
    members(xml, "RoleDetailList", &page.roles, |xml, role| write_role(xml, directory, role));
    members(xml, "Policies", &page.policies, |xml, policy| {
        shape::policy(xml, policy, uses.get(&policy.id).copied().unwrap_or_default(), true);
        members(xml, "PolicyVersionList", policy.versions.iter().rev(), |xml, version| {
            shape::version(xml, version, policy.default, true);
        });
    });
}

fn write_user(xml: &mut XmlWriter, directory: &Directory, user: &User) {
    shape::user(xml, directory, user, true);
    shape::inline(xml, "UserPolicyList", &user.grants);
    members(xml, "GroupList", directory.groups_of(user), |xml, group| xml.content(&group.name));
    shape::attached(xml, "AttachedManagedPolicies", directory, &user.grants);
}

fn write_role(xml: &mut XmlWriter, directory: &Directory, role: &Role) {
    xml.text("Path", &role.path);
    xml.text("RoleName", &role.name);
    xml.text("RoleId", &role.id);
    xml.text("Arn", &role.arn());
    xml.text("CreateDate", &date(role.created));
    document(xml, "AssumeRolePolicyDocument", role.trust.text());
    members(xml, "InstanceProfileList", directory.profiles_of(role), |xml, profile| {
        shape::profile(xml, directory, profile, false);
    });
    shape::inline(xml, "RolePolicyList", &role.grants);
    shape::attached(xml, "AttachedManagedPolicies", directory, &role.grants);
    shape::boundary(xml, directory, role.boundary.as_ref());
    shape::tags(xml, &role.tags);
}

/// The keys that conditions and variables of policies ask for, as they are written.
fn context_keys<'t>(texts: impl Iterator<Item = &'t str>) -> Result<BTreeSet<String>, QueryError> {
    let mut keys = BTreeSet::new();
    for text in texts {
        let malformed = |_| QueryError::new(400, "InvalidInput", "The policy is not in the valid JSON format.");
        let policy: Value = serde_json::from_str(text).map_err(malformed)?;
        let statements = match &policy["Statement"] {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        for statement in statements {
            let operators = statement["Condition"].as_object().into_iter().flatten();
            let asked = operators.filter_map(|(_, keys)| keys.as_object()).flatten();
            keys.extend(asked.map(|(key, _)| key.clone()));
            variables(statement, &mut keys);
        }
    }
    Ok(keys)
}

fn variables(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let inside = text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(inside, _)| inside);
            let names = inside.map(|inside| inside.split(',').next().unwrap_or_default().trim());
            keys.extend(names.filter(|name| name.contains(':')).map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| variables(item, keys)),
        Value::Object(fields) => fields.values().for_each(|field| variables(field, keys)),
        _ => {}
    }
}

fn keys_shown(keys: BTreeSet<String>) -> super::Write {
    Box::new(move |xml| members(xml, "ContextKeyNames", &keys, |xml, key| xml.content(key)))
}

pub fn keys_of_custom(call: &Call<'_>) -> Answered {
    call.require("iam:GetContextKeysForCustomPolicy", "*")?;
    Ok(keys_shown(context_keys(call.form.list("PolicyInputList").into_iter())?))
}

pub fn keys_of_principal(call: &Call<'_>) -> Answered {
    let arn = call.form.required("PolicySourceArn")?;
    call.require("iam:GetContextKeysForPrincipalPolicy", arn)?;
    if !arn.starts_with(&format!("arn:aws:iam::{}:", call.account())) {
        return Err(crate::identity::IdentityError::missing("entity", arn).into());
    }
    let own = Standing::texts_of_arn(&call.directory, arn)?;
    let given = call.form.list("PolicyInputList").into_iter();
    Ok(keys_shown(context_keys(own.iter().map(|text| &**text).chain(given))?))
}
