//! Identities as IAM shows them.

use crate::aws::answer::{date, document, members};
use crate::identity::{
    Directory, Entity, Grants, Group, Id, InstanceProfile, Policy, PolicyVersion, Role, Tag, User, Uses,
};
use crate::s3::xml::XmlWriter;

pub fn tags(xml: &mut XmlWriter, tags: &[Tag]) {
    members(xml, "Tags", tags, |xml, tag| {
        xml.text("Key", &tag.key);
        xml.text("Value", &tag.value);
    });
}

pub fn boundary(xml: &mut XmlWriter, directory: &Directory, boundary: Option<&Id>) {
    if let Some(policy) = boundary.and_then(|id| directory.get::<Policy>(id)) {
        xml.open("PermissionsBoundary");
        xml.text("PermissionsBoundaryType", "PermissionsBoundaryPolicy");
        xml.text("PermissionsBoundaryArn", &policy.arn());
        xml.close();
    }
}

/// Without the element around it. `whole`: as Create and Get answer it, not as lists do.
pub fn user(xml: &mut XmlWriter, directory: &Directory, user: &User, whole: bool) {
    xml.text("Path", &user.path);
    xml.text("UserName", &user.name);
    xml.text("UserId", &user.id);
    xml.text("Arn", &user.arn());
    xml.text("CreateDate", &date(user.created));
    if whole {
        boundary(xml, directory, user.boundary.as_ref());
        tags(xml, &user.tags);
    }
}

pub fn group(xml: &mut XmlWriter, group: &Group) {
    xml.text("Path", &group.path);
    xml.text("GroupName", &group.name);
    xml.text("GroupId", &group.id);
    xml.text("Arn", &group.arn());
    xml.text("CreateDate", &date(group.created));
}

pub fn role(xml: &mut XmlWriter, directory: &Directory, role: &Role, whole: bool) {
    xml.text("Path", &role.path);
    xml.text("RoleName", &role.name);
    xml.text("RoleId", &role.id);
    xml.text("Arn", &role.arn());
    xml.text("CreateDate", &date(role.created));
    document(xml, "AssumeRolePolicyDocument", role.trust.text());
    if !role.description.is_empty() {
        xml.text("Description", &role.description);
    }
    xml.raw("MaxSessionDuration", role.max_session_seconds);
    if whole {
        boundary(xml, directory, role.boundary.as_ref());
        tags(xml, &role.tags);
    }
}

/// `used`: in the account that sees it.
pub fn policy(xml: &mut XmlWriter, policy: &Policy, used: Uses, whole: bool) {
    xml.text("PolicyName", &policy.name);
    xml.text("PolicyId", &policy.id);
    xml.text("Arn", &policy.arn());
    xml.text("Path", &policy.path);
    xml.raw("DefaultVersionId", format_args!("v{}", policy.default));
    xml.raw("AttachmentCount", used.attached);
    xml.raw("PermissionsBoundaryUsageCount", used.bounds);
    xml.raw("IsAttachable", true);
    if whole && !policy.description.is_empty() {
        xml.text("Description", &policy.description);
    }
    xml.text("CreateDate", &date(policy.created));
    xml.text("UpdateDate", &date(policy.updated));
    if whole {
        tags(xml, &policy.tags);
    }
}

pub fn version(xml: &mut XmlWriter, version: &PolicyVersion, default: u32, with_document: bool) {
    if with_document {
        document(xml, "Document", version.document.text());
    }
    xml.raw("VersionId", format_args!("v{}", version.number));
    xml.raw("IsDefaultVersion", version.number == default);
    xml.text("CreateDate", &date(version.created));
}

/// With the role in it.
pub fn profile(xml: &mut XmlWriter, directory: &Directory, profile: &InstanceProfile, whole: bool) {
    xml.text("Path", &profile.path);
    xml.text("InstanceProfileName", &profile.name);
    xml.text("InstanceProfileId", &profile.id);
    xml.text("Arn", &profile.arn());
    xml.text("CreateDate", &date(profile.created));
    let inside = profile.role.as_ref().and_then(|id| directory.get::<Role>(id));
    members(xml, "Roles", inside, |xml, inside| role(xml, directory, inside, false));
    if whole {
        tags(xml, &profile.tags);
    }
}

/// Managed policies by name and ARN.
pub fn attached(xml: &mut XmlWriter, name: &'static str, directory: &Directory, grants: &Grants) {
    let policies = grants.attached.iter().filter_map(|id| directory.get::<Policy>(id));
    members(xml, name, policies, |xml, policy| {
        xml.text("PolicyName", &policy.name);
        xml.text("PolicyArn", &policy.arn());
    });
}

/// Inline policies with their documents.
pub fn inline(xml: &mut XmlWriter, name: &'static str, grants: &Grants) {
    members(xml, name, &grants.inline, |xml, inline| {
        xml.text("PolicyName", &inline.name);
        document(xml, "PolicyDocument", inline.document.text());
    });
}
