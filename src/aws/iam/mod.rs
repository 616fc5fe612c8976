//! IAM: one table of its calls.

mod absent;
mod accounts;
mod attached;
mod details;
mod groups;
mod inline;
mod keys;
mod page;
mod policies;
mod profiles;
mod roles;
mod shape;
mod simulate;
mod tags;
mod users;

use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use super::Service;
use super::call::Call;
use super::error::QueryError;
use crate::identity::{Group, Holder, Kind, Role, Shelved, User, arn, check_name};

/// What a call answers: it writes the inside of the result.
type Write = Box<dyn FnOnce(&mut crate::s3::xml::XmlWriter) + Send>;
type Answered = Result<Write, QueryError>;

/// A call without a result.
fn done() -> Write {
    Box::new(|_| {})
}

macro_rules! calls {
    ($call:ident, $action:ident; $($name:ident => $handler:expr;)*) => {
        match $action {
            $(stringify!($name) => {
                let write: Write = $handler?;
                Ok($call.response(
                    Service::Iam,
                    concat!(stringify!($name), "Response"),
                    concat!(stringify!($name), "Result"),
                    write,
                ))
            })*
            other => Err(QueryError::new(400, "InvalidAction", format!("Could not find operation {other} for version 2010-05-08"))),
        }
    };
}

pub async fn dispatch(call: &Call<'_>, action: &str) -> Result<Response<Bytes>, QueryError> {
    const ABSENT: [&str; 13] = [
        "LoginProfile",
        "MFADevice",
        "SSHPublicKey",
        "Certificate",
        "ServiceSpecificCredential",
        "SAMLProvider",
        "OpenIDConnectProvider",
        "AccountAlias",
        "ServiceLastAccessed",
        "OrganizationsAccess",
        "ServiceLinkedRole",
        "CredentialReport",
        "AccountPasswordPolicy",
    ];
    match action {
        name if name != "ListAccountAliases" && ABSENT.iter().any(|kind| name.contains(kind)) => {
            absent_calls(call, name)
        }
        name if name.contains("Polic") || name.contains("PermissionsBoundary") => policy_calls(call, name).await,
        name => entity_calls(call, name).await,
    }
}

async fn entity_calls(call: &Call<'_>, action: &str) -> Result<Response<Bytes>, QueryError> {
    calls! { call, action;
        CreateUser => users::create(call).await;
        GetUser => users::get(call);
        ListUsers => users::list(call);
        UpdateUser => users::update(call).await;
        DeleteUser => users::delete(call).await;
        TagUser => tags::tag_user(call).await;
        UntagUser => tags::untag_user(call).await;
        ListUserTags => tags::list_user_tags(call);
        CreateAccessKey => keys::create(call).await;
        ListAccessKeys => keys::list(call);
        UpdateAccessKey => keys::update(call).await;
        DeleteAccessKey => keys::delete(call).await;
        GetAccessKeyLastUsed => keys::last_used(call);
        CreateGroup => groups::create(call).await;
        GetGroup => groups::get(call);
        ListGroups => groups::list(call);
        UpdateGroup => groups::update(call).await;
        DeleteGroup => groups::delete(call).await;
        AddUserToGroup => groups::add_user(call).await;
        RemoveUserFromGroup => groups::remove_user(call).await;
        ListGroupsForUser => groups::of_user(call);
        CreateRole => roles::create(call).await;
        GetRole => roles::get(call);
        ListRoles => roles::list(call);
        UpdateRole => roles::update(call).await;
        UpdateRoleDescription => roles::update_description(call).await;
        DeleteRole => roles::delete(call).await;
        TagRole => tags::tag_role(call).await;
        UntagRole => tags::untag_role(call).await;
        ListRoleTags => tags::list_role_tags(call);
        GetAccountSummary => accounts::summary(call);
        ListAccountAliases => accounts::aliases(call);
        GetAccountAuthorizationDetails => details::authorization(call);
        CreateInstanceProfile => profiles::create(call).await;
        GetInstanceProfile => profiles::get(call);
        ListInstanceProfiles => profiles::list(call);
        ListInstanceProfilesForRole => profiles::of_role(call);
        DeleteInstanceProfile => profiles::delete(call).await;
        AddRoleToInstanceProfile => profiles::add_role(call).await;
        RemoveRoleFromInstanceProfile => profiles::remove_role(call).await;
        TagInstanceProfile => tags::tag_profile(call).await;
        UntagInstanceProfile => tags::untag_profile(call).await;
        ListInstanceProfileTags => tags::list_profile_tags(call);
    }
}

/// Reading and clearing what cannot exist here.
fn absent_calls(call: &Call<'_>, action: &str) -> Result<Response<Bytes>, QueryError> {
    use absent::{cleared, missing, missing_at_user, missing_of_account, missing_of_user, none, none_of_user};
    let asked = format!("iam:{action}");
    let asked = asked.as_str();
    calls! { call, action;
        GetLoginProfile => missing_of_user(call, asked, "Login Profile");
        DeleteLoginProfile => missing_of_user(call, asked, "Login Profile");
        ListMFADevices => none_of_user(call, asked, "MFADevices");
        ListVirtualMFADevices => none(call, asked, "VirtualMFADevices");
        GetMFADevice => missing_at_user(call, asked, "MFA Device", "SerialNumber");
        DeactivateMFADevice => missing_at_user(call, asked, "MFA Device", "SerialNumber");
        DeleteVirtualMFADevice => missing(call, asked, "VirtualMFADevice", "SerialNumber");
        ListMFADeviceTags => missing(call, asked, "MFA Device", "SerialNumber");
        UntagMFADevice => missing(call, asked, "MFA Device", "SerialNumber");
        ListSSHPublicKeys => none_of_user(call, asked, "SSHPublicKeys");
        GetSSHPublicKey => missing_at_user(call, asked, "SSH Public Key", "SSHPublicKeyId");
        DeleteSSHPublicKey => missing_at_user(call, asked, "SSH Public Key", "SSHPublicKeyId");
        ListSigningCertificates => none_of_user(call, asked, "Certificates");
        DeleteSigningCertificate => missing_at_user(call, asked, "Certificate", "CertificateId");
        ListServiceSpecificCredentials => none_of_user(call, asked, "ServiceSpecificCredentials");
        DeleteServiceSpecificCredential => missing_at_user(call, asked, "Credential", "ServiceSpecificCredentialId");
        ListServerCertificates => none(call, asked, "ServerCertificateMetadataList");
        GetServerCertificate => missing(call, asked, "Server Certificate", "ServerCertificateName");
        DeleteServerCertificate => missing(call, asked, "Server Certificate", "ServerCertificateName");
        ListServerCertificateTags => missing(call, asked, "Server Certificate", "ServerCertificateName");
        UntagServerCertificate => missing(call, asked, "Server Certificate", "ServerCertificateName");
        ListSAMLProviders => none(call, asked, "SAMLProviderList");
        GetSAMLProvider => missing(call, asked, "SAML Provider", "SAMLProviderArn");
        DeleteSAMLProvider => missing(call, asked, "SAML Provider", "SAMLProviderArn");
        ListSAMLProviderTags => missing(call, asked, "SAML Provider", "SAMLProviderArn");
        UntagSAMLProvider => missing(call, asked, "SAML Provider", "SAMLProviderArn");
        ListOpenIDConnectProviders => none(call, asked, "OpenIDConnectProviderList");
        GetOpenIDConnectProvider => missing(call, asked, "OpenIDConnect Provider", "OpenIDConnectProviderArn");
        DeleteOpenIDConnectProvider => cleared(call, asked);
        RemoveClientIDFromOpenIDConnectProvider => missing(call, asked, "OpenIDConnect Provider", "ClientID");
        ListOpenIDConnectProviderTags => missing(call, asked, "OpenIDConnect Provider", "OpenIDConnectProviderArn");
        UntagOpenIDConnectProvider => missing(call, asked, "OpenIDConnect Provider", "OpenIDConnectProviderArn");
        DeleteAccountAlias => missing(call, asked, "Account Alias", "AccountAlias");
        GetServiceLastAccessedDetails => missing(call, asked, "Job", "JobId");
        GetServiceLastAccessedDetailsWithEntities => missing(call, asked, "Job", "JobId");
        GetOrganizationsAccessReport => missing(call, asked, "Job", "JobId");
        DeleteServiceLinkedRole => missing(call, asked, "role", "RoleName");
        GetServiceLinkedRoleDeletionStatus => missing(call, asked, "Deletion Task", "DeletionTaskId");
        GetCredentialReport => absent::no_report(call);
        GetAccountPasswordPolicy => missing_of_account(call, asked, "Password Policy");
        DeleteAccountPasswordPolicy => missing_of_account(call, asked, "account policy");
    }
}

async fn policy_calls(call: &Call<'_>, action: &str) -> Result<Response<Bytes>, QueryError> {
    calls! { call, action;
        PutUserPolicy => inline::put(call, Kind::User).await;
        GetUserPolicy => inline::get(call, Kind::User);
        ListUserPolicies => inline::list(call, Kind::User);
        DeleteUserPolicy => inline::delete(call, Kind::User).await;
        PutGroupPolicy => inline::put(call, Kind::Group).await;
        GetGroupPolicy => inline::get(call, Kind::Group);
        ListGroupPolicies => inline::list(call, Kind::Group);
        DeleteGroupPolicy => inline::delete(call, Kind::Group).await;
        PutRolePolicy => inline::put(call, Kind::Role).await;
        GetRolePolicy => inline::get(call, Kind::Role);
        ListRolePolicies => inline::list(call, Kind::Role);
        DeleteRolePolicy => inline::delete(call, Kind::Role).await;
        AttachUserPolicy => attached::attach(call, Kind::User).await;
        DetachUserPolicy => attached::detach(call, Kind::User).await;
        ListAttachedUserPolicies => attached::list(call, Kind::User);
        AttachGroupPolicy => attached::attach(call, Kind::Group).await;
        DetachGroupPolicy => attached::detach(call, Kind::Group).await;
        ListAttachedGroupPolicies => attached::list(call, Kind::Group);
        AttachRolePolicy => attached::attach(call, Kind::Role).await;
        DetachRolePolicy => attached::detach(call, Kind::Role).await;
        ListAttachedRolePolicies => attached::list(call, Kind::Role);
        PutUserPermissionsBoundary => attached::put_boundary(call, Kind::User).await;
        DeleteUserPermissionsBoundary => attached::delete_boundary(call, Kind::User).await;
        PutRolePermissionsBoundary => attached::put_boundary(call, Kind::Role).await;
        DeleteRolePermissionsBoundary => attached::delete_boundary(call, Kind::Role).await;
        UpdateAssumeRolePolicy => roles::update_trust(call).await;
        CreatePolicy => policies::create(call).await;
        GetPolicy => policies::get(call);
        ListPolicies => policies::list(call);
        DeletePolicy => policies::delete(call).await;
        CreatePolicyVersion => policies::create_version(call).await;
        GetPolicyVersion => policies::get_version(call);
        ListPolicyVersions => policies::list_versions(call);
        SetDefaultPolicyVersion => policies::set_default(call).await;
        DeletePolicyVersion => policies::delete_version(call).await;
        ListEntitiesForPolicy => policies::entities(call);
        TagPolicy => tags::tag_policy(call).await;
        UntagPolicy => tags::untag_policy(call).await;
        ListPolicyTags => tags::list_policy_tags(call);
        SimulatePrincipalPolicy => simulate::principal(call).await;
        SimulateCustomPolicy => simulate::custom(call).await;
        GetContextKeysForCustomPolicy => details::keys_of_custom(call);
        GetContextKeysForPrincipalPolicy => details::keys_of_principal(call);
    }
}

/// The user, group or role that its name parameter names, after the caller was found to be allowed `action` on it: policies
/// are asked before anything is said of whether it is there.
fn allowed<E: Shelved>(call: &Call<'_>, action: &str) -> Result<Arc<E>, QueryError> {
    let (name, account) = (call.form.required(name_parameter(E::WHAT))?, call.account());
    let found = call.directory.find::<E>(account, name);
    let arn = found.map_or_else(|| arn(account, E::WHAT, "/", name), |entity| entity.arn());
    call.require_of(action, &arn, found.map(|entity| &**entity))?;
    Ok(Arc::clone(call.directory.named::<E>(account, name)?))
}

/// The name of what a call is to make, after the caller was found to be allowed to make it, and to tag it if it has tags.
fn makes<'c, E: Shelved>(call: &'c Call<'_>) -> Result<&'c str, QueryError> {
    let name = call.form.required(name_parameter(E::WHAT))?;
    let arn = arn(call.account(), E::WHAT, call.form.given("Path").unwrap_or("/"), name);
    call.require(&action("Create", E::WHAT, ""), &arn)?;
    if E::WHAT != Kind::Group && !call.form.tags().is_empty() {
        call.require(&action("Tag", E::WHAT, ""), &arn)?;
    }
    check_new_name(E::WHAT, name)?;
    Ok(name)
}

/// Refuses a name that nothing of this kind can have. Called before documents are read: of two faults AWS tells the name's.
fn check_new_name(kind: Kind, name: &str) -> Result<(), QueryError> {
    let (what, longest) = match kind {
        Kind::User => ("userName", 64),
        Kind::Group => ("groupName", 128),
        Kind::Role => ("roleName", 64),
        Kind::Policy => ("policyName", 128),
        Kind::InstanceProfile => ("instanceProfileName", 128),
    };
    Ok(check_name(what, name, longest)?)
}

/// Whose policies a call is about, after the caller was found to be allowed `action` on it.
fn holder(call: &Call<'_>, kind: Kind, action: &str) -> Result<Holder, QueryError> {
    Ok(match kind {
        Kind::User => Holder::User(allowed::<User>(call, action)?.id.clone()),
        Kind::Group => Holder::Group(allowed::<Group>(call, action)?.id.clone()),
        Kind::Role | Kind::Policy | Kind::InstanceProfile => Holder::Role(allowed::<Role>(call, action)?.id.clone()),
    })
}

const fn name_parameter(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "UserName",
        Kind::Group => "GroupName",
        Kind::Role => "RoleName",
        Kind::Policy => "PolicyName",
        Kind::InstanceProfile => "InstanceProfileName",
    }
}

/// `PutUserPolicy` of `Put`, user and `Policy`, with its service.
fn action(verb: &str, kind: Kind, what: &str) -> String {
    let kind = match kind {
        Kind::User => "User",
        Kind::Group => "Group",
        Kind::Role => "Role",
        Kind::Policy => "Policy",
        Kind::InstanceProfile => "InstanceProfile",
    };
    format!("iam:{verb}{kind}{what}")
}
