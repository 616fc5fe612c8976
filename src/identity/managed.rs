//! The policies of AWS's own that walkthroughs attach: the same names, ARNs and ids; in no row, and not to be changed.

use tandem_storage::types::Timestamp;

use super::directory::Directory;
use super::document::IdentityDocument;
use super::id::AccountId;
use super::record::{Policy, PolicyVersion};

/// Integer ids that no count reaches.
const FIRST_NUMBER: u64 = 1 << 40;
/// 2015-02-06T18:39:46Z
const CREATED: Timestamp = Timestamp::from_secs(1_423_247_986);

struct Managed {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    actions: &'static str,
}

const ALL: [Managed; 5] = [
    Managed { id: "ANPAIWMBCKSKIEE64ZLYK", name: "AdministratorAccess", description: "Everything.", actions: r#""*""# },
    Managed {
        id: "ANPAIFIR6V6BVTRAHWINE",
        name: "AmazonS3FullAccess",
        description: "All of S3.",
        actions: r#""s3:*""#,
    },
    Managed {
        id: "ANPAIZTJ4DXE7G6AGAE6M",
        name: "AmazonS3ReadOnlyAccess",
        description: "Reading and listing in S3.",
        actions: r#"["s3:Get*","s3:List*","s3:Describe*"]"#,
    },
    Managed { id: "ANPAI7XKCFMBPM3QQRRVQ", name: "IAMFullAccess", description: "All of IAM.", actions: r#""iam:*""# },
    Managed {
        id: "ANPAJKSO7NDY4T57MWDSQ",
        name: "IAMReadOnlyAccess",
        description: "Reading and listing in IAM.",
        actions: r#"["iam:Get*","iam:List*","iam:Simulate*"]"#,
    },
];

pub(super) fn shelve(directory: &mut Directory) {
    for (number, managed) in (FIRST_NUMBER..).zip(&ALL) {
        let actions = managed.actions;
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Resource":"*"}}]}}"#
        );
        let document = IdentityDocument::parse(&text).expect("a policy of this file");
        let policy = Policy {
            id: managed.id.into(),
            number,
            account: AccountId::AWS,
            name: managed.name.into(),
            path: "/".into(),
            description: managed.description.into(),
            created: CREATED,
            updated: CREATED,
            tags: Vec::new(),
            enabled: true,
            versions: vec![PolicyVersion { number: 1, created: CREATED, document }],
            default: 1,
            next: 2,
        };
        directory.shelve(&policy.into());
    }
}
