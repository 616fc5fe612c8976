use super::Answered;
use super::page::write_end;
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::identity::{Group, InstanceProfile, Kind, Policy, Role, User, limits};

pub fn summary(call: &Call<'_>) -> Answered {
    call.require("iam:GetAccountSummary", "*")?;
    let (directory, account) = (&call.directory, call.account());
    let root = crate::identity::KeyOwner::Root(account);
    let most = |kind| limits::quota(kind).of_account;
    let versions = directory.all::<Policy>(account).map(|policy| policy.versions.len()).sum();
    // AWS's entries, with what holds here. What does not exist here is counted as none.
    let counts = [
        ("Users", directory.all::<User>(account).count()),
        ("UsersQuota", most(Kind::User)),
        ("Groups", directory.all::<Group>(account).count()),
        ("GroupsQuota", most(Kind::Group)),
        ("Roles", directory.all::<Role>(account).count()),
        ("RolesQuota", most(Kind::Role)),
        ("Policies", directory.all::<Policy>(account).count()),
        ("PoliciesQuota", most(Kind::Policy)),
        ("PolicyVersionsInUse", versions),
        ("PolicyVersionsInUseQuota", most(Kind::Policy) * limits::POLICY_VERSIONS),
        ("VersionsPerPolicyQuota", limits::POLICY_VERSIONS),
        ("InstanceProfiles", directory.all::<InstanceProfile>(account).count()),
        ("InstanceProfilesQuota", most(Kind::InstanceProfile)),
        ("PolicySizeQuota", limits::DOCUMENT_BYTES),
        ("UserPolicySizeQuota", limits::INLINE_BYTES),
        ("GroupPolicySizeQuota", limits::INLINE_BYTES),
        ("RolePolicySizeQuota", limits::INLINE_BYTES),
        ("AssumeRolePolicySizeQuota", limits::TRUST_BYTES),
        ("AttachedPoliciesPerUserQuota", limits::ATTACHED),
        ("AttachedPoliciesPerGroupQuota", limits::ATTACHED),
        ("AttachedPoliciesPerRoleQuota", limits::ATTACHED),
        ("GroupsPerUserQuota", limits::GROUPS_PER_USER),
        ("AccessKeysPerUserQuota", limits::KEYS_PER_OWNER),
        ("AccountAccessKeysPresent", usize::from(directory.keys_of(&root).next().is_some())),
        ("AccountMFAEnabled", 0),
        ("AccountPasswordPresent", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("MFADevices", 0),
        ("MFADevicesInUse", 0),
        ("Providers", 0),
        ("ServerCertificates", 0),
        ("ServerCertificatesQuota", 0),
        ("SigningCertificatesPerUserQuota", 0),
        ("GlobalEndpointTokenVersion", 2),
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

/// Accounts have no aliases here.
pub fn aliases(call: &Call<'_>) -> Answered {
    call.require("iam:ListAccountAliases", "*")?;
    Ok(Box::new(|xml| {
        members(xml, "AccountAliases", std::iter::empty::<&str>(), |_, _| {});
        write_end(xml, None);
    }))
}
