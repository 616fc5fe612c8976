use super::Origin::{Caller, Request, Resource};
use super::Type::{Address, Arn, Bool, Date, Number, Text};
use super::{Faces, Group, Known, Type};

const S3: Faces = Faces::S3.and(Faces::PRESIGNED);
const STS: Faces = Faces::STS;
const IAM: Faces = Faces::IAM;

/// The engine answers it.
const fn caller(name: &'static str, kind: Type) -> Known {
    Known::of(name, kind, Caller, Group::EVERY, Faces::ALL)
}

/// Every face supplies it.
const fn request(name: &'static str, kind: Type) -> Known {
    Known::of(name, kind, Request, Group::EVERY, Faces::ALL)
}

/// No face can supply it: what it speaks of does not exist here.
const fn never(name: &'static str, kind: Type) -> Known {
    never_with(name, kind, Group::EVERY)
}

const fn never_with(name: &'static str, kind: Type, group: Group) -> Known {
    Known::of(name, kind, Request, group, Faces::NONE)
}

const fn s3(name: &'static str, kind: Type, group: Group) -> Known {
    Known::of(name, kind, Request, group, S3)
}

/// A key of IAM, STS or KMS.
const fn other(name: &'static str, kind: Type, faces: Faces) -> Known {
    Known::of(name, kind, Request, Group::OTHER, faces)
}

/// Every key that AWS documents for S3, IAM, STS and KMS requests, the service's own and the global ones.
pub const ALL: &[Known] = &[
    // Who asks.
    caller("aws:PrincipalArn", Arn),
    caller("aws:PrincipalAccount", Text),
    caller("aws:PrincipalOrgID", Text),
    caller("aws:PrincipalOrgPaths", Text).several(),
    caller("aws:PrincipalTag/", Text),
    caller("aws:PrincipalType", Text),
    caller("aws:PrincipalIsAWSService", Bool),
    caller("aws:PrincipalServiceName", Text),
    caller("aws:PrincipalServiceNamesList", Text).several(),
    caller("aws:userid", Text),
    caller("aws:username", Text),
    caller("aws:FederatedProvider", Text),
    caller("aws:SourceIdentity", Text),
    // With what credentials.
    request("aws:TokenIssueTime", Date),
    never("aws:MultiFactorAuthAge", Number),
    request("aws:MultiFactorAuthPresent", Bool),
    never("aws:ChatbotSourceArn", Arn),
    never("aws:Ec2InstanceSourceVpc", Text),
    never("aws:Ec2InstanceSourcePrivateIPv4", Address),
    never("ec2:SourceInstanceArn", Arn),
    never("ec2:RoleDelivery", Number),
    never("glue:RoleAssumedBy", Text),
    never("glue:CredentialIssuingService", Text),
    never("lambda:SourceFunctionArn", Arn),
    never("ssm:SourceInstanceArn", Arn),
    never("identitystore:UserId", Text),
    never("aws:AssumedRoot", Bool),
    never("aws:SignInSessionArn", Arn),
    // From where.
    request("aws:SourceIp", Address),
    never("aws:SourceVpc", Text),
    never("aws:SourceVpcArn", Arn),
    never("aws:SourceVpce", Text),
    never("aws:VpcSourceIp", Address),
    never("aws:VpceAccount", Text),
    never("aws:VpceOrgID", Text),
    never("aws:VpceOrgPaths", Text).several(),
    // What is asked for.
    Known::of("aws:ResourceAccount", Text, Resource, Group::EVERY, Faces::ALL),
    Known::of("s3:ResourceAccount", Text, Resource, Group::EVERY, Faces::ALL),
    request("aws:ResourceOrgID", Text),
    request("aws:ResourceOrgPaths", Text).several(),
    request("aws:ResourceTag/", Text),
    s3("s3:BucketTag/", Text, Group::EVERY),
    // The request itself.
    never("aws:CalledVia", Text).several(),
    never("aws:CalledViaFirst", Text),
    never("aws:CalledViaLast", Text),
    request("aws:ViaAWSService", Bool),
    request("aws:ViaAWSMCPService", Bool),
    never("aws:CalledViaAWSMCP", Text),
    request("aws:CurrentTime", Date),
    request("aws:EpochTime", Date),
    request("aws:Referer", Text),
    request("aws:RequestedRegion", Text),
    request("aws:RequestTag/", Text),
    request("aws:TagKeys", Text).several(),
    request("aws:SecureTransport", Bool),
    never("aws:SourceArn", Arn),
    never("aws:SourceAccount", Text),
    never("aws:SourceOrgID", Text),
    never("aws:SourceOrgPaths", Text).several(),
    never("aws:SourceOwner", Text),
    request("aws:UserAgent", Text),
    request("aws:IsMcpServiceAction", Bool),
    // How it is signed and carried.
    s3("s3:authType", Text, Group::EVERY),
    s3("s3:signatureAge", Number, Group::EVERY),
    s3("s3:signatureversion", Text, Group::EVERY),
    s3("s3:TlsVersion", Number, Group::EVERY),
    s3("s3:x-amz-content-sha256", Text, Group::EVERY),
    // By which access point or grant.
    never("s3:DataAccessPointArn", Arn),
    never("s3:DataAccessPointAccount", Text),
    never("s3:AccessPointNetworkOrigin", Text),
    never("s3:AccessPointTag/", Text),
    never("s3:AccessGrantsInstanceArn", Arn),
    never_with("s3:AccessGrantScope", Text, Group::ACCESS_POINT),
    // Tags of objects.
    s3("s3:ExistingObjectTag/", Text, Group::EXISTING_TAG),
    s3("s3:RequestObjectTag/", Text, Group::REQUEST_TAG),
    s3("s3:RequestObjectTagKeys", Text, Group::REQUEST_TAG).several(),
    // Listings.
    s3("s3:prefix", Text, Group::LISTING),
    s3("s3:delimiter", Text, Group::LISTING),
    s3("s3:max-keys", Number, Group::LISTING),
    // Versions.
    s3("s3:VersionId", Text, Group::VERSION),
    // Headers of writes.
    s3("s3:x-amz-acl", Text, Group::ACL),
    s3("s3:x-amz-grant-full-control", Text, Group::ACL),
    s3("s3:x-amz-grant-read", Text, Group::ACL),
    s3("s3:x-amz-grant-read-acp", Text, Group::ACL),
    s3("s3:x-amz-grant-write", Text, Group::ACL),
    s3("s3:x-amz-grant-write-acp", Text, Group::ACL),
    s3("s3:x-amz-copy-source", Text, Group::COPY),
    s3("s3:x-amz-metadata-directive", Text, Group::COPY),
    s3("s3:x-amz-server-side-encryption", Text, Group::ENCRYPTION),
    s3("s3:x-amz-server-side-encryption-aws-kms-key-id", Arn, Group::ENCRYPTION),
    s3("s3:x-amz-server-side-encryption-customer-algorithm", Text, Group::ENCRYPTION),
    s3("s3:x-amz-storage-class", Text, Group::STORAGE),
    s3("s3:x-amz-website-redirect-location", Text, Group::REDIRECT),
    s3("s3:if-match", Text, Group::CONDITIONAL),
    s3("s3:if-none-match", Text, Group::CONDITIONAL),
    s3("s3:ObjectCreationOperation", Bool, Group::CONDITIONAL),
    // Object lock.
    s3("s3:object-lock-mode", Text, Group::LOCK),
    s3("s3:object-lock-retain-until-date", Date, Group::LOCK),
    s3("s3:object-lock-remaining-retention-days", Number, Group::LOCK),
    s3("s3:object-lock-legal-hold", Text, Group::LOCK),
    // Buckets.
    s3("s3:LocationConstraint", Text, Group::LOCATION),
    s3("s3:x-amz-object-ownership", Text, Group::OWNERSHIP),
    s3("s3:x-amz-bucket-namespace", Text, Group::LOCATION),
    never_with("s3:InventoryAccessibleOptionalFields", Text, Group::STORAGE).several(),
    never_with("s3:destinationRegion", Text, Group::REPLICATION),
    never_with("s3:isReplicationPauseRequest", Bool, Group::REPLICATION),
    // Batch operations.
    never_with("s3:ExistingJobOperation", Text, Group::JOB),
    never_with("s3:ExistingJobPriority", Number, Group::JOB),
    never_with("s3:RequestJobOperation", Text, Group::JOB),
    never_with("s3:RequestJobPriority", Number, Group::JOB),
    never_with("s3:JobSuspendedCause", Text, Group::JOB),
    // STS.
    other("sts:ExternalId", Text, STS),
    other("sts:RoleSessionName", Text, STS),
    other("sts:SourceIdentity", Text, STS),
    other("sts:TransitiveTagKeys", Text, STS).several(),
    other("sts:DurationSeconds", Number, STS),
    other("sts:AWSServiceName", Text, Faces::NONE),
    other("sts:TaskPolicyArn", Arn, Faces::NONE),
    // IAM.
    other("iam:PassedToService", Text, IAM),
    other("iam:AssociatedResourceArn", Arn, Faces::NONE),
    other("iam:AWSServiceName", Text, Faces::NONE),
    other("iam:OrganizationsPolicyId", Text, Faces::NONE),
    other("iam:PermissionsBoundary", Arn, IAM),
    other("iam:PolicyARN", Arn, IAM),
    other("iam:ResourceTag/", Text, IAM.and(STS)),
    // KMS.
    other("kms:CallerAccount", Text, Faces::NONE),
    other("kms:ViaService", Text, Faces::NONE),
    other("kms:EncryptionContext:", Text, Faces::NONE),
    other("kms:EncryptionContextKeys", Text, Faces::NONE).several(),
    other("kms:GrantConstraintType", Text, Faces::NONE),
    other("kms:GrantIsForAWSResource", Bool, Faces::NONE),
    other("kms:GrantOperations", Text, Faces::NONE).several(),
    other("kms:GranteePrincipal", Text, Faces::NONE),
    other("kms:RetiringPrincipal", Text, Faces::NONE),
    other("kms:KeySpec", Text, Faces::NONE),
    other("kms:KeyUsage", Text, Faces::NONE),
    other("kms:KeyOrigin", Text, Faces::NONE),
    other("kms:MultiRegion", Bool, Faces::NONE),
    other("kms:EncryptionAlgorithm", Text, Faces::NONE),
    other("kms:SigningAlgorithm", Text, Faces::NONE),
    other("kms:MacAlgorithm", Text, Faces::NONE),
    other("kms:DataKeyPairSpec", Text, Faces::NONE),
    other("kms:ReEncryptOnSameKey", Bool, Faces::NONE),
    other("kms:RequestAlias", Text, Faces::NONE),
    other("kms:ResourceAliases", Text, Faces::NONE).several(),
    other("kms:RotationPeriodInDays", Number, Faces::NONE),
    other("kms:ScheduleKeyDeletionPendingWindowInDays", Number, Faces::NONE),
    other("kms:ValidTo", Date, Faces::NONE),
    other("kms:BypassPolicyLockoutSafetyCheck", Bool, Faces::NONE),
];
