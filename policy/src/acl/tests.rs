use super::{Acl, AclError, CannedAcl, GRANTS_MAX, Grant, Grantee, On, Owner, Permission};
use crate::Action;
use crate::caller::Caller;

fn owner(name: &str) -> Owner {
    Owner { id: name.repeat(64), display_name: name.to_owned() }
}

#[test]
fn an_acl_comes_back_from_its_bytes_and_damage_does_not() {
    let acl = CannedAcl::LogDeliveryWrite.acl(owner("a"), None);
    let bytes = acl.encode();
    assert_eq!(Acl::decode(&bytes), Ok(acl));
    assert_eq!(Acl::decode(&bytes[..bytes.len() - 1]), Err(AclError::Corrupt));
    assert_eq!(Acl::decode(&[&bytes[..], &[0]].concat()), Err(AclError::Corrupt));
    assert_eq!(Acl::decode(&[9]), Err(AclError::Corrupt));
    assert_eq!(Acl::decode(&[]), Err(AclError::Corrupt));
}

#[test]
fn a_hundred_grants_are_the_most() {
    let grants = |count| vec![Grant { grantee: Grantee::AllUsers, permission: Permission::Read }; count];
    assert!(Acl::new(owner("a"), grants(GRANTS_MAX)).is_ok());
    assert_eq!(Acl::new(owner("a"), grants(GRANTS_MAX + 1)), Err(AclError::TooManyGrants));
}

#[test]
fn canned_acls_grant_what_they_are_named_for() {
    let public = CannedAcl::PublicRead.acl(owner("a"), None);
    assert!(public.allows(&Caller::Anonymous, &Action::of("s3:GetObject"), On::Object));
    assert!(!public.allows(&Caller::Anonymous, &Action::of("s3:GetObjectAcl"), On::Object));
    assert!(public.allows(&Caller::Anonymous, &Action::of("s3:ListBucket"), On::Bucket));
    assert!(!public.allows(&Caller::Anonymous, &Action::of("s3:PutObject"), On::Bucket));
    let writable = CannedAcl::PublicReadWrite.acl(owner("a"), None);
    assert!(writable.allows(&Caller::Anonymous, &Action::of("s3:PutObject"), On::Bucket));
    assert!(!CannedAcl::AuthenticatedRead.acl(owner("a"), None).allows(
        &Caller::Anonymous,
        &Action::of("s3:GetObject"),
        On::Object
    ));
    let shared = CannedAcl::BucketOwnerFullControl.acl(owner("a"), Some(&owner("b")));
    assert_eq!(shared.grants.len(), 2);
    assert_eq!(CannedAcl::BucketOwnerFullControl.acl(owner("a"), Some(&owner("a"))).grants.len(), 1);
}

#[test]
fn public_is_everybody_or_every_account() {
    for (name, public) in [
        ("private", false),
        ("public-read", true),
        ("public-read-write", true),
        ("authenticated-read", true),
        ("aws-exec-read", false),
        ("bucket-owner-read", false),
        ("bucket-owner-full-control", false),
        ("log-delivery-write", false),
    ] {
        let canned = CannedAcl::parse(name).expect("a canned ACL");
        assert_eq!(canned.as_str(), name);
        assert_eq!((canned.is_public(), canned.acl(owner("a"), None).is_public()), (public, public), "{name}");
    }
    assert_eq!(CannedAcl::parse("Private"), None);
}
