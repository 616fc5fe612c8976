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
    path: &'static str,
    name: &'static str,
    description: &'static str,
    /// The members of its statements beside `Resource`, which is `*`.
    statements: &'static [&'static str],
}

const fn managed(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    statements: &'static [&'static str],
) -> Managed {
    Managed { id, path: "/", name, description, statements }
}

/// Names, ARNs and ids are AWS's. The documents say the same of the services that are here, in this file's words; of the others
/// they name what the policy is about.
const ALL: [Managed; 15] = [
    managed("ANPAIWMBCKSKIEE64ZLYK", "AdministratorAccess", "Everything.", &[r#""Effect":"Allow","Action":"*""#]),
    managed(
        "ANPAIFIR6V6BVTRAHWINE",
        "AmazonS3FullAccess",
        "All of S3.",
        &[r#""Effect":"Allow","Action":["s3:*","s3-object-lambda:*"]"#],
    ),
    managed(
        "ANPAIZTJ4DXE7G6AGAE6M",
        "AmazonS3ReadOnlyAccess",
        "Reading and listing in S3.",
        &[
            r#""Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"]"#,
        ],
    ),
    managed("ANPAI7XKCFMBPM3QQRRVQ", "IAMFullAccess", "All of IAM.", &[r#""Effect":"Allow","Action":"iam:*""#]),
    managed(
        "ANPAJKSO7NDY4T57MWDSQ",
        "IAMReadOnlyAccess",
        "Reading and listing in IAM.",
        &[r#""Effect":"Allow","Action":["iam:Generate*","iam:Get*","iam:List*","iam:Simulate*"]"#],
    ),
    managed(
        "ANPAZKAPJZG4P43IUQ5E5",
        "AWSDenyAll",
        "Denies everything.",
        &[r#""Sid":"DenyAll","Effect":"Deny","Action":"*""#],
    ),
    managed(
        "ANPAJYRXTHIB4FOVS3ZXS",
        "PowerUserAccess",
        "Everything but identities, organizations and accounts.",
        &[
            r#""Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"]"#,
            r#""Effect":"Allow","Action":["iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization","account:ListRegions","account:GetAccountInformation"]"#,
        ],
    ),
    managed(
        "ANPAILL3HVNFSB6DCOWYQ",
        "ReadOnlyAccess",
        "Reading and listing everywhere.",
        &[
            r#""Effect":"Allow","Action":["s3:Describe*","s3:Get*","s3:List*","iam:Generate*","iam:Get*","iam:List*","iam:Simulate*","sts:GetAccessKeyInfo","sts:GetCallerIdentity","sts:GetSessionToken","kms:Describe*","kms:Get*","kms:List*"]"#,
        ],
    ),
    managed(
        "ANPAIX2T3QCXHR2OGGCTO",
        "SecurityAudit",
        "Reading what configures security.",
        &[
            r#""Effect":"Allow","Action":["s3:GetAccelerateConfiguration","s3:GetAnalyticsConfiguration","s3:GetBucket*","s3:GetEncryptionConfiguration","s3:GetInventoryConfiguration","s3:GetLifecycleConfiguration","s3:GetMetricsConfiguration","s3:GetObjectAcl","s3:GetObjectVersionAcl","s3:GetReplicationConfiguration","s3:ListAccessPoints","s3:ListAllMyBuckets","iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy","kms:Describe*","kms:Get*","kms:List*"]"#,
        ],
    ),
    Managed {
        id: "ANPAID22R6XPJATWOFDK6",
        path: "/job-function/",
        name: "ViewOnlyAccess",
        description: "Listing what there is, without its contents.",
        statements: &[
            r#""Effect":"Allow","Action":["s3:ListAllMyBuckets","s3:ListBucket","iam:GetAccountSummary","iam:GetLoginProfile","iam:List*","kms:ListAliases","kms:ListKeys"]"#,
        ],
    },
    managed(
        "ANPAJ4L4MM2A7QIEB56MS",
        "IAMUserChangePassword",
        "Changing one's own password, of which there is none here.",
        &[r#""Effect":"Allow","Action":["iam:ChangePassword","iam:GetAccountPasswordPolicy"]"#],
    ),
    managed(
        "ANPAIGDT4SV4GSETWTBZK",
        "AmazonEC2ReadOnlyAccess",
        "Reading in EC2, which is not here.",
        &[r#""Effect":"Allow","Action":["ec2:Describe*","ec2:Get*"]"#],
    ),
    managed(
        "ANPAIXSHM2BNB2D3AXXRU",
        "AmazonSSMManagedInstanceCore",
        "What a managed machine asks of Systems Manager, which is not here.",
        &[
            r#""Effect":"Allow","Action":["ssm:Describe*","ssm:Get*","ssm:List*","ssm:Put*","ssm:Update*","ssmmessages:*","ec2messages:*"]"#,
        ],
    ),
    managed(
        "ANPAIKEABORKUXN6DEAZU",
        "CloudWatchFullAccess",
        "All of CloudWatch, which is not here.",
        &[r#""Effect":"Allow","Action":["cloudwatch:*","logs:*"]"#],
    ),
    Managed {
        id: "ANPAJNCQGXC42545SKXIK",
        path: "/service-role/",
        name: "AWSLambdaBasicExecutionRole",
        description: "Writing logs of functions, which are not here.",
        statements: &[
            r#""Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"]"#,
        ],
    },
];

pub(super) fn shelve(directory: &mut Directory) {
    for (number, managed) in (FIRST_NUMBER..).zip(&ALL) {
        let each = managed.statements.iter().map(|members| format!(r#"{{{members},"Resource":"*"}}"#));
        let statements = each.collect::<Vec<_>>().join(",");
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let document = IdentityDocument::parse(&text).expect("a policy of this file");
        let policy = Policy {
            id: managed.id.into(),
            number,
            account: AccountId::AWS,
            name: managed.name.into(),
            path: managed.path.into(),
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
