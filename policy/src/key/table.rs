use super::Origin::{Caller, Request, Resource};
use super::Type::{Address, Arn, Bool, Date, Number, Text};
use super::{Group, Known};

const fn caller(name: &'static str, kind: super::Type) -> Known {
    Known::of(name, kind, Caller, Group::EVERY)
}

const fn request(name: &'static str, kind: super::Type) -> Known {
    Known::of(name, kind, Request, Group::EVERY)
}

const fn s3(name: &'static str, kind: super::Type, group: Group) -> Known {
    Known::of(name, kind, Request, group)
}

/// A key of IAM, STS or KMS.
const fn other(name: &'static str, kind: super::Type) -> Known {
    Known::of(name, kind, Request, Group::OTHER)
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
    request("aws:MultiFactorAuthAge", Number),
    request("aws:MultiFactorAuthPresent", Bool),
    request("aws:ChatbotSourceArn", Arn),
    request("aws:Ec2InstanceSourceVpc", Text),
    request("aws:Ec2InstanceSourcePrivateIPv4", Address),
    request("ec2:SourceInstanceArn", Arn),
    request("ec2:RoleDelivery", Number),
    request("glue:RoleAssumedBy", Text),
    request("glue:CredentialIssuingService", Text),
    request("lambda:SourceFunctionArn", Arn),
    request("ssm:SourceInstanceArn", Arn),
    request("identitystore:UserId", Text),
    request("aws:AssumedRoot", Bool),
    request("aws:SignInSessionArn", Arn),
    // From where.
    request("aws:SourceIp", Address),
    request("aws:SourceVpc", Text),
    request("aws:SourceVpcArn", Arn),
    request("aws:SourceVpce", Text),
    request("aws:VpcSourceIp", Address),
    request("aws:VpceAccount", Text),
    request("aws:VpceOrgID", Text),
    request("aws:VpceOrgPaths", Text).several(),
    // What is asked for.
    Known::of("aws:ResourceAccount", Text, Resource, Group::EVERY),
    Known::of("s3:ResourceAccount", Text, Resource, Group::EVERY),
    request("aws:ResourceOrgID", Text),
    request("aws:ResourceOrgPaths", Text).several(),
    request("aws:ResourceTag/", Text),
    request("s3:BucketTag/", Text),
    // The request itself.
    request("aws:CalledVia", Text).several(),
    request("aws:CalledViaFirst", Text),
    request("aws:CalledViaLast", Text),
    request("aws:ViaAWSService", Bool),
    request("aws:ViaAWSMCPService", Bool),
    request("aws:CalledViaAWSMCP", Text),
    request("aws:CurrentTime", Date),
    request("aws:EpochTime", Date),
    request("aws:Referer", Text),
    request("aws:RequestedRegion", Text),
    request("aws:RequestTag/", Text),
    request("aws:TagKeys", Text).several(),
    request("aws:SecureTransport", Bool),
    request("aws:SourceArn", Arn),
    request("aws:SourceAccount", Text),
    request("aws:SourceOrgID", Text),
    request("aws:SourceOrgPaths", Text).several(),
    request("aws:SourceOwner", Text),
    request("aws:UserAgent", Text),
    request("aws:IsMcpServiceAction", Bool),
    // How it is signed and carried.
    request("s3:authType", Text),
    request("s3:signatureAge", Number),
    request("s3:signatureversion", Text),
    request("s3:TlsVersion", Number),
    request("s3:x-amz-content-sha256", Text),
    // By which access point or grant.
    request("s3:DataAccessPointArn", Arn),
    request("s3:DataAccessPointAccount", Text),
    request("s3:AccessPointNetworkOrigin", Text),
    request("s3:AccessPointTag/", Text),
    request("s3:AccessGrantsInstanceArn", Arn),
    s3("s3:AccessGrantScope", Text, Group::ACCESS_POINT),
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
    s3("s3:InventoryAccessibleOptionalFields", Text, Group::STORAGE).several(),
    s3("s3:destinationRegion", Text, Group::REPLICATION),
    s3("s3:isReplicationPauseRequest", Bool, Group::REPLICATION),
    // Batch operations.
    s3("s3:ExistingJobOperation", Text, Group::JOB),
    s3("s3:ExistingJobPriority", Number, Group::JOB),
    s3("s3:RequestJobOperation", Text, Group::JOB),
    s3("s3:RequestJobPriority", Number, Group::JOB),
    s3("s3:JobSuspendedCause", Text, Group::JOB),
    // STS.
    other("sts:ExternalId", Text),
    other("sts:RoleSessionName", Text),
    other("sts:SourceIdentity", Text),
    other("sts:TransitiveTagKeys", Text).several(),
    other("sts:DurationSeconds", Number),
    other("sts:AWSServiceName", Text),
    other("sts:TaskPolicyArn", Arn),
    // IAM.
    other("iam:PassedToService", Text),
    other("iam:AssociatedResourceArn", Arn),
    other("iam:AWSServiceName", Text),
    other("iam:OrganizationsPolicyId", Text),
    other("iam:PermissionsBoundary", Arn),
    other("iam:PolicyARN", Arn),
    other("iam:ResourceTag/", Text),
    // KMS.
    other("kms:CallerAccount", Text),
    other("kms:ViaService", Text),
    other("kms:EncryptionContext:", Text),
    other("kms:EncryptionContextKeys", Text).several(),
    other("kms:GrantConstraintType", Text),
    other("kms:GrantIsForAWSResource", Bool),
    other("kms:GrantOperations", Text).several(),
    other("kms:GranteePrincipal", Text),
    other("kms:RetiringPrincipal", Text),
    other("kms:KeySpec", Text),
    other("kms:KeyUsage", Text),
    other("kms:KeyOrigin", Text),
    other("kms:MultiRegion", Bool),
    other("kms:EncryptionAlgorithm", Text),
    other("kms:SigningAlgorithm", Text),
    other("kms:MacAlgorithm", Text),
    other("kms:DataKeyPairSpec", Text),
    other("kms:ReEncryptOnSameKey", Bool),
    other("kms:RequestAlias", Text),
    other("kms:ResourceAliases", Text).several(),
    other("kms:RotationPeriodInDays", Number),
    other("kms:ScheduleKeyDeletionPendingWindowInDays", Number),
    other("kms:ValidTo", Date),
    other("kms:BypassPolicyLockoutSafetyCheck", Bool),
];
