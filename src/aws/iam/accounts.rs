use super::Answered;
use super::page::write_end;
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::identity::{Group, Policy, Role, User, limits};

pub fn summary(call: &Call<'_>) -> Answered {
    call.require("iam:GetAccountSummary", "*")?;
    let (directory, account) = (&call.directory, call.account());
    let root = crate::identity::KeyOwner::Root(account);
    let counts = [
        ("Users", directory.all::<User>(account).count()),
        ("Groups", directory.all::<Group>(account).count()),
        ("Roles", directory.all::<Role>(account).count()),
        ("Policies", directory.all::<Policy>(account).count()),
        ("AccountAccessKeysPresent", usize::from(directory.keys_of(&root).next().is_some())),
        ("AccountMFAEnabled", 0),
        ("UsersQuota", limits::USERS),
        ("GroupsQuota", limits::GROUPS),
        ("RolesQuota", limits::ROLES),
        ("PoliciesQuota", limits::POLICIES),
        ("AccessKeysPerUserQuota", limits::KEYS_PER_OWNER),
        ("GroupsPerUserQuota", limits::GROUPS_PER_USER),
        ("AttachedPoliciesPerUserQuota", limits::ATTACHED),
        ("AttachedPoliciesPerGroupQuota", limits::ATTACHED),
        ("AttachedPoliciesPerRoleQuota", limits::ATTACHED),
        ("UserPolicySizeQuota", limits::INLINE_BYTES),
        ("GroupPolicySizeQuota", limits::INLINE_BYTES),
        ("RolePolicySizeQuota", limits::INLINE_BYTES),
        ("AssumeRolePolicySizeQuota", limits::TRUST_BYTES),
        ("PolicySizeQuota", limits::DOCUMENT_BYTES),
        ("VersionsPerPolicyQuota", limits::POLICY_VERSIONS),
    ];
    Ok(Box::new(move |xml| {
        xml.open("SummaryMap");
        for (key, value) in counts {
            xml.open("entry");
            xml.text("key", key);
            xml.raw("value", value);
            xml.close();
        }
        xml.close();
    }))
}

/// The list is empty: identity providers do not exist here.
pub fn open_id_connect_providers(call: &Call<'_>) -> Answered {
    call.require("iam:ListOpenIDConnectProviders", "*")?;
    Ok(Box::new(|xml| members(xml, "OpenIDConnectProviderList", std::iter::empty::<&str>(), |_, _| {})))
}

/// The list is empty: identity providers do not exist here.
pub fn saml_providers(call: &Call<'_>) -> Answered {
    call.require("iam:ListSAMLProviders", "*")?;
    Ok(Box::new(|xml| members(xml, "SAMLProviderList", std::iter::empty::<&str>(), |_, _| {})))
}

/// Accounts have no aliases here.
pub fn aliases(call: &Call<'_>) -> Answered {
    call.require("iam:ListAccountAliases", "*")?;
    Ok(Box::new(|xml| {
        members(xml, "AccountAliases", std::iter::empty::<&str>(), |_, _| {});
        write_end(xml, None);
    }))
}
