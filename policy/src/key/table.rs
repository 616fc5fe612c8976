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
    s3("sts:ExternalId", Text, Group::OTHER),
    s3("sts:RoleSessionName", Text, Group::OTHER),
    s3("sts:SourceIdentity", Text, Group::OTHER),
    s3("sts:TransitiveTagKeys", Text, Group::OTHER).several(),
    s3("sts:DurationSeconds", Number, Group::OTHER),
    s3("sts:AWSServiceName", Text, Group::OTHER),
    s3("sts:TaskPolicyArn", Arn, Group::OTHER),
    // IAM.
    s3("iam:PassedToService", Text, Group::OTHER),
    s3("iam:AssociatedResourceArn", Arn, Group::OTHER),
    s3("iam:AWSServiceName", Text, Group::OTHER),
    s3("iam:OrganizationsPolicyId", Text, Group::OTHER),
    s3("iam:PermissionsBoundary", Arn, Group::OTHER),
    s3("iam:PolicyARN", Arn, Group::OTHER),
    s3("iam:ResourceTag/", Text, Group::OTHER),
    // KMS.
    s3("kms:CallerAccount", Text, Group::OTHER),
    s3("kms:ViaService", Text, Group::OTHER),
    s3("kms:EncryptionContext:", Text, Group::OTHER),
    s3("kms:EncryptionContextKeys", Text, Group::OTHER).several(),
    s3("kms:GrantConstraintType", Text, Group::OTHER),
    s3("kms:GrantIsForAWSResource", Bool, Group::OTHER),
    s3("kms:GrantOperations", Text, Group::OTHER).several(),
    s3("kms:GranteePrincipal", Text, Group::OTHER),
    s3("kms:RetiringPrincipal", Text, Group::OTHER),
    s3("kms:KeySpec", Text, Group::OTHER),
    s3("kms:KeyUsage", Text, Group::OTHER),
    s3("kms:KeyOrigin", Text, Group::OTHER),
    s3("kms:MultiRegion", Bool, Group::OTHER),
    s3("kms:EncryptionAlgorithm", Text, Group::OTHER),
    s3("kms:SigningAlgorithm", Text, Group::OTHER),
    s3("kms:MacAlgorithm", Text, Group::OTHER),
    s3("kms:DataKeyPairSpec", Text, Group::OTHER),
    s3("kms:ReEncryptOnSameKey", Bool, Group::OTHER),
    s3("kms:RequestAlias", Text, Group::OTHER),
    s3("kms:ResourceAliases", Text, Group::OTHER).several(),
    s3("kms:RotationPeriodInDays", Number, Group::OTHER),
    s3("kms:ScheduleKeyDeletionPendingWindowInDays", Number, Group::OTHER),
    s3("kms:ValidTo", Date, Group::OTHER),
    s3("kms:BypassPolicyLockoutSafetyCheck", Bool, Group::OTHER),
];
