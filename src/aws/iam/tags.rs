use super::page::write_end;
use super::{Answered, allowed, done, policies, shape};
use crate::aws::call::Call;
use crate::identity::{InstanceProfile, Role, Tag, User};

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
    let user = allowed::<User>(call, "iam:TagUser")?;
    let tags = call.form.tags();
    call.change(|draft| draft.tag_user(&user.id, &tags)).await?;
    Ok(done())
}

pub async fn untag_user(call: &Call<'_>) -> Answered {
    let user = allowed::<User>(call, "iam:UntagUser")?;
    let keys = keys(call);
    call.change(|draft| draft.untag_user(&user.id, &keys)).await?;
    Ok(done())
}

pub fn list_user_tags(call: &Call<'_>) -> Answered {
    let user = allowed::<User>(call, "iam:ListUserTags")?;
    Ok(listed(user.tags.clone()))
}

pub async fn tag_role(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:TagRole")?;
    let tags = call.form.tags();
    call.change(|draft| draft.tag_role(&role.id, &tags)).await?;
    Ok(done())
}

pub async fn untag_role(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:UntagRole")?;
    let keys = keys(call);
    call.change(|draft| draft.untag_role(&role.id, &keys)).await?;
    Ok(done())
}

pub fn list_role_tags(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:ListRoleTags")?;
    Ok(listed(role.tags.clone()))
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

pub async fn tag_profile(call: &Call<'_>) -> Answered {
    let profile = allowed::<InstanceProfile>(call, "iam:TagInstanceProfile")?;
    let tags = call.form.tags();
    call.change(|draft| draft.tag_profile(&profile.id, &tags)).await?;
    Ok(done())
}

pub async fn untag_profile(call: &Call<'_>) -> Answered {
    let profile = allowed::<InstanceProfile>(call, "iam:UntagInstanceProfile")?;
    let keys = keys(call);
    call.change(|draft| draft.untag_profile(&profile.id, &keys)).await?;
    Ok(done())
}

pub fn list_profile_tags(call: &Call<'_>) -> Answered {
    let profile = allowed::<InstanceProfile>(call, "iam:ListInstanceProfileTags")?;
    Ok(listed(profile.tags.clone()))
}
