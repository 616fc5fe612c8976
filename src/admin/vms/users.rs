//! `/users/`: local users, and the IAM users beside them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::entity::{self, REFERENCE, Shown};
use super::error::VmsError;
use super::face::{Face, time};
use super::index::Index;
use super::route::{Call, Outcome, Running};
use super::schema::{Field, Kind, Schema, Usage, both, field, neutral, read};
use crate::admin::model::Attachment;
use crate::identity::{AccessKey, AccountId, Directory, Draft, Holder, IdentityError, KeyOwner, Local, NewUser, User};

const COLLECTION: &str = "users";

pub const KEY: &[Field] = &[
    read("access_key", Kind::Text, "the public half"),
    read("creation_time", Kind::Time, "when it was made"),
    read("enabled", Kind::Flag, "whether it opens anything"),
    read("tenant_id", Kind::Integer, "the tenant it works in"),
];

pub const SCHEMA: Schema = Schema {
    name: "User",
    fields: &[
        entity::ID,
        entity::GUID,
        both("name", Kind::Text, "unique in its tenant").required(),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        entity::ARN,
        entity::CREATED,
        both("uid", Kind::Integer, "unique in its tenant").nullable(),
        both("leading_gid", Kind::Integer, "its first group's gid").nullable(),
        both("gids", Kind::List(&Kind::Integer), "gids of its further groups"),
        field("local_provider_id", Kind::Integer, Usage::Create, "the local provider of its tenant").nullable(),
        field("tenant_id", Kind::Integer, Usage::Create, "its tenant; none: that of the provider, or the default one")
            .nullable(),
        entity::TENANT_NAME,
        both("allow_create_bucket", Kind::Flag, "whether it may make buckets"),
        both("allow_delete_bucket", Kind::Flag, "whether it may delete buckets that it made"),
        both("s3_superuser", Kind::Flag, "allowed everything in the node that nothing denies"),
        entity::POLICIES_IDS,
        entity::POLICIES,
        entity::INLINE,
        field("iam", Kind::Flag, Usage::Create, "an IAM user: it has what policies give, and nothing else"),
        read("local", Kind::Flag, "whether it is a local user"),
        read("local_provider", Kind::Object(REFERENCE), "where it is kept"),
        read("access_keys", Kind::List(&Kind::Object(KEY)), "its keys, without their secrets"),
        read("groups", Kind::List(&Kind::Text), "names of its groups"),
        read("group_count", Kind::Integer, "how many groups it is in"),
        read("leading_group_name", Kind::Text, "the group of `leading_gid`").nullable(),
        read("leading_group_gid", Kind::Integer, "the same as `leading_gid`").nullable(),
        read("sid", Kind::Text, "empty: users have no SID here"),
        read("vid", Kind::Integer, "the same as `id`"),
        read("password_is_set", Kind::Flag, "never: users have keys here"),
        read("is_temporary_password", Kind::Flag, "never"),
        neutral("password", Kind::Text),
    ],
};

pub const TENANT_DATA: Schema = Schema {
    name: "UserTenantData",
    fields: &[
        both("allow_create_bucket", Kind::Flag, "whether it may make buckets"),
        both("allow_delete_bucket", Kind::Flag, "whether it may delete buckets that it made"),
        both("s3_superuser", Kind::Flag, "allowed everything in the node that nothing denies"),
        entity::POLICIES_IDS,
        entity::POLICIES,
    ],
};

impl Shown for User {
    fn show(&self, face: &Face, index: &Index<'_>, call: &Call) -> Value {
        let directory = index.directory;
        let mut out = entity::common(face, directory, call, COLLECTION, self);
        entity::add_grants(directory, &self.grants, &mut out);
        let local = self.local.clone().unwrap_or_default();
        let tenant = entity::tenant_of(directory, self.account);
        let groups: Vec<&str> = directory.groups_of(self).map(|group| group.name.as_str()).collect();
        let leading = local.leading_gid.and_then(|gid| directory.group_of_gid(self.account, gid));
        let facts = json!({
            "created": time(self.created),
            "uid": local.uid,
            "leading_gid": local.leading_gid,
            "gids": local.gids,
            "allow_create_bucket": local.allow_create_bucket,
            "allow_delete_bucket": local.allow_delete_bucket,
            "s3_superuser": local.superuser,
            "local": self.local.is_some(),
            "local_provider": tenant.as_ref().map(|tenant| entity::provider(tenant)),
            "local_provider_id": tenant.as_ref().map(|tenant| tenant.number),
            "access_keys": keys(directory, self),
            "group_count": groups.len(),
            "groups": groups,
            "leading_group_name": leading.map(|group| group.name.as_str()),
            "leading_group_gid": local.leading_gid,
            "sid": "",
            "vid": self.number,
            "password_is_set": false,
            "is_temporary_password": false,
            "iam": self.local.is_none(),
        });
        entity::merge(&mut out, facts);
        out
    }
}

fn keys(directory: &Directory, user: &User) -> Vec<Value> {
    let owner = KeyOwner::User(user.id.clone());
    let tenant = entity::tenant_of(directory, user.account).map(|tenant| tenant.number);
    let show = |key: &Arc<AccessKey>| {
        json!({
            "access_key": key.access_key.as_str(), "creation_time": time(key.created), "enabled": key.enabled,
            "tenant_id": tenant,
        })
    };
    directory.keys_of(&owner).map(show).collect()
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let directory = face.directory();
        let account = tenant(&face, &call)?;
        let asked = LocalChange::of(&call)?;
        let local = match call.flag("iam") {
            Some(true) => {
                asked.refuse()?;
                None
            }
            _ => Some(asked.onto(Local::default())),
        };
        let new = NewUser { name: call.needed("name")?.to_owned(), local, ..NewUser::default() };
        let policies = entity::policies(&directory, &call)?.unwrap_or_default();
        let making = move |draft: &mut Draft<'_>| {
            let user = draft.create_user(account, new)?;
            draft.set_attached(&Holder::User(user.id.clone()), &policies)?;
            Ok(user.id.clone())
        };
        let id = face.change(&call, making).await?;
        entity::shown::<User>(&face, &call, &id)
    })
}

pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        apply(&face, &call, &user).await?;
        entity::shown::<User>(&face, &call, &user.id)
    })
}

/// Sets what a body has of a user's fields.
pub async fn apply(face: &Face, call: &Call, user: &User) -> Result<(), VmsError> {
    let directory = face.directory();
    let asked = LocalChange::of(call)?;
    if user.local.is_none() {
        asked.refuse()?;
    }
    let name = call.text("name").filter(|name| *name != user.name).map(str::to_owned);
    let policies = entity::policies(&directory, call)?;
    let id = user.id.clone();
    let changing = move |draft: &mut Draft<'_>| {
        let user = draft.get::<User>(&id).ok_or_else(|| IdentityError::missing("user", &*id))?;
        let before = user.local.clone();
        let local = before.clone().map(|local| asked.onto(local));
        if name.is_some() {
            draft.update_user(&id, name, None)?;
        }
        if local != before {
            draft.set_local(&id, local)?;
        }
        match policies {
            Some(policies) => draft.set_attached(&Holder::User(id), &policies),
            None => Ok(()),
        }
    };
    face.change(call, changing).await
}

/// With its keys, its memberships and its policies' attachments.
pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        face.change(&call, move |draft| draft.remove_user(&user.id)).await?;
        Ok(Value::Null)
    })
}

pub fn tenant_data(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let user = entity::at::<User>(&directory, call)?;
    Ok(tenant_part(face, &directory, call, &user))
}

pub fn change_tenant_data(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        apply(&face, &call, &user).await?;
        let directory = face.directory();
        let user = entity::at::<User>(&directory, &call)?;
        Ok(tenant_part(&face, &directory, &call, &user))
    })
}

fn tenant_part(face: &Face, directory: &Directory, call: &Call, user: &User) -> Value {
    let mut whole = user.show(face, &Index::new(directory), call);
    let names = TENANT_DATA.fields.iter().map(|field| field.name);
    Value::Object(names.map(|name| (name.to_owned(), whole[name].take())).collect())
}

/// By `tenant_id`, else by the local provider, which every tenant has one of.
pub fn tenant(face: &Face, call: &Call) -> Result<AccountId, VmsError> {
    let named = call.integer::<u64>("tenant_id")?.flatten();
    let provider = call.integer::<u64>("local_provider_id")?.flatten();
    let directory = face.directory();
    match (named, provider) {
        (None, Some(provider)) if call.tenant.is_none() => {
            let message = || format!("Invalid pk \"{provider}\" - object does not exist.");
            let found = directory.account_numbered(provider);
            found.map(|account| account.id).ok_or_else(|| VmsError::field("local_provider_id", message()))
        }
        (_, provider) => {
            let account = face.tenant(call)?;
            match provider.is_none_or(|provider| provider == account.number) {
                true => Ok(account.id),
                false => Err(VmsError::field("local_provider_id", "This is not the tenant's local provider.")),
            }
        }
    }
}

/// What a body sets of what makes a user a local one. The rest stays as it is when the change is made, not as it was when the
/// change was asked for: two changes at the same time do not undo each other.
struct LocalChange {
    uid: Option<Option<u32>>,
    leading_gid: Option<Option<u32>>,
    gids: Option<Vec<u32>>,
    allow_create_bucket: Option<bool>,
    allow_delete_bucket: Option<bool>,
    superuser: Option<bool>,
}

impl LocalChange {
    fn of(call: &Call) -> Result<Self, VmsError> {
        Ok(LocalChange {
            uid: call.integer("uid")?,
            leading_gid: call.integer("leading_gid")?,
            gids: call.integers("gids")?,
            allow_create_bucket: call.flag("allow_create_bucket"),
            allow_delete_bucket: call.flag("allow_delete_bucket"),
            superuser: call.flag("s3_superuser"),
        })
    }

    fn onto(self, local: Local) -> Local {
        Local {
            uid: self.uid.unwrap_or(local.uid),
            leading_gid: self.leading_gid.unwrap_or(local.leading_gid),
            gids: self.gids.unwrap_or(local.gids),
            allow_create_bucket: self.allow_create_bucket.unwrap_or(local.allow_create_bucket),
            allow_delete_bucket: self.allow_delete_bucket.unwrap_or(local.allow_delete_bucket),
            superuser: self.superuser.unwrap_or(local.superuser),
        }
    }

    /// An IAM user has what policies give: nothing else can be set.
    fn refuse(&self) -> Result<(), VmsError> {
        let set = [
            ("uid", self.uid.flatten().is_some()),
            ("leading_gid", self.leading_gid.flatten().is_some()),
            ("gids", self.gids.as_ref().is_some_and(|gids| !gids.is_empty())),
            ("allow_create_bucket", self.allow_create_bucket == Some(true)),
            ("allow_delete_bucket", self.allow_delete_bucket == Some(true)),
            ("s3_superuser", self.superuser == Some(true)),
        ];
        match set.into_iter().find(|(_, set)| *set) {
            Some((name, _)) => Err(VmsError::field(name, "Only a local user has this.")),
            None => Ok(()),
        }
    }
}

pub fn attach(face: Face, call: Call) -> Running {
    entity::attach::<User>(face, call, Holder::User, Attachment::Attach)
}

pub fn detach(face: Face, call: Call) -> Running {
    entity::attach::<User>(face, call, Holder::User, Attachment::Detach)
}
