//! Policies of one user, group or role.

use super::page::{Page, write_end};
use super::{Answered, action, check_new_name, done, holder, name_parameter};
use crate::aws::answer::{document, members};
use crate::aws::call::Call;
use crate::identity::{Directory, Grants, Group, Holder, IdentityError, Kind, Role, User};

/// What a holder has; none when it went in the meantime.
pub fn grants<'a>(directory: &'a Directory, holder: &Holder) -> Option<&'a Grants> {
    match holder {
        Holder::User(id) => directory.get::<User>(id).map(|user| &user.grants),
        Holder::Group(id) => directory.get::<Group>(id).map(|group| &group.grants),
        Holder::Role(id) => directory.get::<Role>(id).map(|role| &role.grants),
    }
}

pub async fn put(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("Put", kind, "Policy"))?;
    let name = call.form.required("PolicyName")?;
    check_new_name(Kind::Policy, name)?;
    let document = call.document("PolicyDocument").await?;
    call.change(|draft| draft.put_inline_policy(&holder, name, document)).await?;
    Ok(done())
}

pub fn get(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("Get", kind, "Policy"))?;
    let name = call.form.required("PolicyName")?;
    let found = grants(&call.directory, &holder).and_then(|held| held.inline.iter().find(|inline| inline.name == name));
    let policy = found.ok_or_else(|| IdentityError::missing("policy", name))?.clone();
    let whose = call.form.required(name_parameter(kind))?.to_owned();
    Ok(Box::new(move |xml| {
        xml.text(name_parameter(kind), &whose);
        xml.text("PolicyName", &policy.name);
        document(xml, "PolicyDocument", policy.document.text());
    }))
}

pub fn list(call: &Call<'_>, kind: Kind) -> Answered {
    let verb = match kind {
        Kind::User => "iam:ListUserPolicies",
        Kind::Group => "iam:ListGroupPolicies",
        Kind::Role | Kind::Policy | Kind::InstanceProfile => "iam:ListRolePolicies",
    };
    let holder = holder(call, kind, verb)?;
    let names = grants(&call.directory, &holder).into_iter().flat_map(|held| &held.inline);
    let mut names: Vec<String> = names.map(|inline| inline.name.clone()).collect();
    names.sort_by_key(|name| name.to_ascii_lowercase());
    let page = Page::of(call, names.into_iter(), String::clone)?;
    Ok(Box::new(move |xml| {
        members(xml, "PolicyNames", &page.items, |xml, name| xml.content(name));
        write_end(xml, page.marker.as_deref());
    }))
}

pub async fn delete(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("Delete", kind, "Policy"))?;
    let name = call.form.required("PolicyName")?;
    call.change(|draft| draft.delete_inline_policy(&holder, name)).await?;
    Ok(done())
}
