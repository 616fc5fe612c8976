use serde::{Deserialize, Serialize};

use crate::action::Action;

/// What an ACL is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Bucket,
    Object,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}

impl Permission {
    pub fn parse(text: &str) -> Option<Permission> {
        match text {
            "READ" => Some(Permission::Read),
            "WRITE" => Some(Permission::Write),
            "READ_ACP" => Some(Permission::ReadAcp),
            "WRITE_ACP" => Some(Permission::WriteAcp),
            "FULL_CONTROL" => Some(Permission::FullControl),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Permission::Read => "READ",
            Permission::Write => "WRITE",
            Permission::ReadAcp => "READ_ACP",
            Permission::WriteAcp => "WRITE_ACP",
            Permission::FullControl => "FULL_CONTROL",
        }
    }

    /// The actions that it stands for. WRITE means nothing on an object.
    pub fn actions(self, on: On) -> &'static [&'static str] {
        match (self, on) {
            (Permission::Read, On::Bucket) => {
                &["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
            }
            (Permission::Write, On::Bucket) => &["s3:PutObject", "s3:DeleteObject"],
            (Permission::ReadAcp, On::Bucket) => &["s3:GetBucketAcl"],
            (Permission::WriteAcp, On::Bucket) => &["s3:PutBucketAcl"],
            (Permission::Read, On::Object) => &["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTorrent"],
            (Permission::Write, On::Object) => &[],
            (Permission::ReadAcp, On::Object) => &["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
            (Permission::WriteAcp, On::Object) => &["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
            (Permission::FullControl, _) => &[],
        }
    }

    pub(crate) fn covers(self, action: &Action<'_>, on: On) -> bool {
        match self {
            Permission::FullControl => [Permission::Read, Permission::Write, Permission::ReadAcp, Permission::WriteAcp]
                .into_iter()
                .any(|part| action.is(part.actions(on))),
            one => action.is(one.actions(on)),
        }
    }
}
