use super::{Acl, Grant, Grantee, Owner, Permission};

/// An ACL by name, as `x-amz-acl` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannedAcl {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    AwsExecRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
    LogDeliveryWrite,
}

/// The account by which EC2 fetches machine images.
const EC2_IMAGES: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

impl CannedAcl {
    pub fn parse(text: &str) -> Option<CannedAcl> {
        match text {
            "private" => Some(CannedAcl::Private),
            "public-read" => Some(CannedAcl::PublicRead),
            "public-read-write" => Some(CannedAcl::PublicReadWrite),
            "authenticated-read" => Some(CannedAcl::AuthenticatedRead),
            "aws-exec-read" => Some(CannedAcl::AwsExecRead),
            "bucket-owner-read" => Some(CannedAcl::BucketOwnerRead),
            "bucket-owner-full-control" => Some(CannedAcl::BucketOwnerFullControl),
            "log-delivery-write" => Some(CannedAcl::LogDeliveryWrite),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            CannedAcl::Private => "private",
            CannedAcl::PublicRead => "public-read",
            CannedAcl::PublicReadWrite => "public-read-write",
            CannedAcl::AuthenticatedRead => "authenticated-read",
            CannedAcl::AwsExecRead => "aws-exec-read",
            CannedAcl::BucketOwnerRead => "bucket-owner-read",
            CannedAcl::BucketOwnerFullControl => "bucket-owner-full-control",
            CannedAcl::LogDeliveryWrite => "log-delivery-write",
        }
    }

    /// Whether it grants anything to everybody or to every account.
    pub fn is_public(self) -> bool {
        matches!(self, CannedAcl::PublicRead | CannedAcl::PublicReadWrite | CannedAcl::AuthenticatedRead)
    }

    /// The grants that it stands for. `bucket_owner` is the owner of the bucket that an object is in; a bucket has none,
    /// and there the two that speak of it mean `private`.
    pub fn acl(self, owner: Owner, bucket_owner: Option<&Owner>) -> Acl {
        let mut grants = vec![Grant { grantee: Grantee::Account(owner.clone()), permission: Permission::FullControl }];
        let mut add = |grantee: Grantee, permission: Permission| grants.push(Grant { grantee, permission });
        let other = bucket_owner.filter(|bucket_owner| bucket_owner.id != owner.id);
        match self {
            CannedAcl::Private => {}
            CannedAcl::PublicRead => add(Grantee::AllUsers, Permission::Read),
            CannedAcl::PublicReadWrite => {
                add(Grantee::AllUsers, Permission::Read);
                add(Grantee::AllUsers, Permission::Write);
            }
            CannedAcl::AuthenticatedRead => add(Grantee::AuthenticatedUsers, Permission::Read),
            CannedAcl::AwsExecRead => {
                let images = Owner { id: EC2_IMAGES.to_owned(), display_name: "za-team".to_owned() };
                add(Grantee::Account(images), Permission::Read);
            }
            CannedAcl::BucketOwnerRead => {
                other.into_iter().for_each(|owner| add(Grantee::Account(owner.clone()), Permission::Read));
            }
            CannedAcl::BucketOwnerFullControl => {
                other.into_iter().for_each(|owner| add(Grantee::Account(owner.clone()), Permission::FullControl));
            }
            CannedAcl::LogDeliveryWrite => {
                add(Grantee::LogDelivery, Permission::Write);
                add(Grantee::LogDelivery, Permission::ReadAcp);
            }
        }
        Acl { owner, grants }
    }
}
