//! Configurations that no bucket here can have. Who reads or deletes one hears what AWS says of a bucket where it was never set: clients ask
//! for all of them before they do anything else. Only to set one is not implemented.

use http::StatusCode;

use super::{access, answer, argument, version};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::{Marker, Operation};
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

pub async fn handle<O: Marker>(service: &Service, request: Authorized<O>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    if request.key.is_some() {
        let asked = argument::version(&request)?;
        let row = version::find(&reader, &bucket, &request, asked)?;
        version::content(&row, &bucket, &request, asked)?;
    }
    match unset(O::OPERATION, bucket.row.object_lock) {
        Unset::Gone => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Unset::Default { root, element } => {
            let mut xml = XmlWriter::document(root);
            if let Some((name, value)) = element {
                xml.word(name, value);
            }
            Ok(answer::xml(xml.finish()))
        }
        Unset::Missing(code) => Err(S3Error::of(code).detail("BucketName", bucket.row.name.as_str())),
        Unset::NoLock => Err(S3Error::new(ErrorCode::InvalidRequest, "Bucket is missing Object Lock Configuration")),
        Unset::Absent => {
            let message = format!("{} is not implemented.", O::OPERATION.name());
            Err(S3Error::new(ErrorCode::NotImplemented, message))
        }
    }
}

/// What is answered where nothing was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unset {
    /// What is to be deleted is not there, and that is a success.
    Gone,
    /// A document that says what holds without a configuration.
    Default {
        root: &'static str,
        element: Option<(&'static str, &'static str)>,
    },
    Missing(ErrorCode),
    /// The object can have none, because its bucket has no object lock.
    NoLock,
    /// Another operation than these.
    Absent,
}

const fn empty(root: &'static str) -> Unset {
    Unset::Default { root, element: None }
}

const fn saying(root: &'static str, name: &'static str, value: &'static str) -> Unset {
    Unset::Default { root, element: Some((name, value)) }
}

const fn list(root: &'static str) -> Unset {
    saying(root, "IsTruncated", "false")
}

fn unset(operation: Operation, object_lock: bool) -> Unset {
    use Operation::*;
    match operation {
        DeleteBucketCors
        | DeleteBucketEncryption
        | DeleteBucketLifecycle
        | DeleteBucketReplication
        | DeleteBucketWebsite => Unset::Gone,
        GetBucketCors => Unset::Missing(ErrorCode::NoSuchCORSConfiguration),
        // Nothing is encrypted here by default. (AWS itself says AES256 of every bucket since 2023.)
        GetBucketEncryption => Unset::Missing(ErrorCode::ServerSideEncryptionConfigurationNotFoundError),
        GetBucketLifecycleConfiguration => Unset::Missing(ErrorCode::NoSuchLifecycleConfiguration),
        GetBucketReplication => Unset::Missing(ErrorCode::ReplicationConfigurationNotFoundError),
        GetBucketWebsite => Unset::Missing(ErrorCode::NoSuchWebsiteConfiguration),
        GetBucketAbac => saying("AbacStatus", "Status", "Disabled"),
        GetBucketAccelerateConfiguration => empty("AccelerateConfiguration"),
        GetBucketLogging => empty("BucketLoggingStatus"),
        GetBucketNotificationConfiguration => empty("NotificationConfiguration"),
        GetBucketRequestPayment => saying("RequestPaymentConfiguration", "Payer", "BucketOwner"),
        GetObjectLockConfiguration if object_lock => saying("ObjectLockConfiguration", "ObjectLockEnabled", "Enabled"),
        GetObjectLockConfiguration => Unset::Missing(ErrorCode::ObjectLockConfigurationNotFoundError),
        GetObjectLegalHold | GetObjectRetention if object_lock => {
            Unset::Missing(ErrorCode::NoSuchObjectLockConfiguration)
        }
        GetObjectLegalHold | GetObjectRetention => Unset::NoLock,
        ListBucketAnalyticsConfigurations => list("ListBucketAnalyticsConfigurationResult"),
        ListBucketIntelligentTieringConfigurations => list("ListBucketIntelligentTieringConfigurationsOutput"),
        ListBucketInventoryConfigurations => list("ListInventoryConfigurationsResult"),
        ListBucketMetricsConfigurations => list("ListMetricsConfigurationsResult"),
        // These have names, and what has none of that name cannot delete it.
        GetBucketAnalyticsConfiguration
        | GetBucketIntelligentTieringConfiguration
        | GetBucketInventoryConfiguration
        | GetBucketMetricsConfiguration
        | DeleteBucketAnalyticsConfiguration
        | DeleteBucketIntelligentTieringConfiguration
        | DeleteBucketInventoryConfiguration
        | DeleteBucketMetricsConfiguration => Unset::Missing(ErrorCode::NoSuchConfiguration),
        GetBucketMetadataConfiguration
        | GetBucketMetadataTableConfiguration
        | DeleteBucketMetadataConfiguration
        | DeleteBucketMetadataTableConfiguration => Unset::Missing(ErrorCode::MetadataConfigurationNotFound),
        _ => Unset::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::operation::Effect;

    #[test]
    fn f28_every_configuration_that_can_be_set_elsewhere_is_read_and_deleted_here() {
        for operation in Operation::ALL {
            let name = operation.name();
            let reads = ["Get", "List"].iter().any(|start| name.starts_with(start));
            if operation.has_handler() || !(reads || name.starts_with("Delete")) {
                continue;
            }
            assert!(
                matches!(*operation, Operation::GetObjectTorrent | Operation::ListDirectoryBuckets),
                "{name} is not answered"
            );
        }
        let answered = Operation::ALL.iter().filter(|operation| unset(**operation, false) != Unset::Absent);
        for operation in answered {
            assert!(operation.has_handler(), "{}", operation.name());
            let deletes = operation.name().starts_with("Delete");
            assert_eq!(operation.effect() == Effect::Write, deletes, "{}", operation.name());
        }
    }
}
