use super::page::write_end;
use super::{Answered, done, holder, policies, shape, users};
use crate::aws::call::Call;
use crate::identity::{Holder, Kind, Role, Tag};

fn keys(call: &Call<'_>) -> Vec<String> {
    call.form.list("TagKeys").into_iter().map(str::to_owned).collect()
}

fn listed(tags: Vec<Tag>) -> super::Write {
    Box::new(move |xml| {
        shape::tags(xml, &tags);
        write_end(xml, None);
    })
}

pub async fn tag_user(call: &Call<'_>) -> Answered {
    let user = users::allowed(call, "iam:TagUser")?;
    let tags = call.form.tags();
    call.change(|draft| draft.tag_user(&user.id, &tags)).await?;
    Ok(done())
}

pub async fn untag_user(call: &Call<'_>) -> Answered {
    let user = users::allowed(call, "iam:UntagUser")?;
    let keys = keys(call);
    call.change(|draft| draft.untag_user(&user.id, &keys)).await?;
    Ok(done())
}

pub fn list_user_tags(call: &Call<'_>) -> Answered {
    let user = users::allowed(call, "iam:ListUserTags")?;
    Ok(listed(user.tags.clone()))
}

/// The role that a call names.
fn role(call: &Call<'_>, action: &str) -> Result<String, crate::aws::error::QueryError> {
    Ok(match holder(call, Kind::Role, action)? {
        Holder::Role(id) | Holder::User(id) | Holder::Group(id) => id.to_string(),
    })
}

pub async fn tag_role(call: &Call<'_>) -> Answered {
    let id = role(call, "iam:TagRole")?;
    let tags = call.form.tags();
    call.change(|draft| draft.tag_role(&id, &tags)).await?;
    Ok(done())
}

pub async fn untag_role(call: &Call<'_>) -> Answered {
    let id = role(call, "iam:UntagRole")?;
    let keys = keys(call);
    call.change(|draft| draft.untag_role(&id, &keys)).await?;
    Ok(done())
}

pub fn list_role_tags(call: &Call<'_>) -> Answered {
    let id = role(call, "iam:ListRoleTags")?;
    let tags = call.directory.get::<Role>(&id).map(|role| role.tags.clone());
    Ok(listed(tags.unwrap_or_default()))
}

pub async fn tag_policy(call: &Call<'_>) -> Answered {
    let policy = policies::allowed(call, "iam:TagPolicy")?;
    let tags = call.form.tags();
    call.change(|draft| draft.tag_policy(&policy.id, &tags)).await?;
    Ok(done())
}

pub async fn untag_policy(call: &Call<'_>) -> Answered {
    let policy = policies::allowed(call, "iam:UntagPolicy")?;
    let keys = keys(call);
    call.change(|draft| draft.untag_policy(&policy.id, &keys)).await?;
    Ok(done())
}

pub fn list_policy_tags(call: &Call<'_>) -> Answered {
    let policy = policies::allowed(call, "iam:ListPolicyTags")?;
    Ok(listed(policy.tags.clone()))
}
