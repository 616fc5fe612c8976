use tandem_storage::change::VersionSelector;
use tandem_storage::types::{BucketName, InvalidName, ObjectKey};

use super::argument::{invalid, parse_version};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;
use crate::s3::route::{Plus, decode};

/// What `x-amz-copy-source` names: `/bucket/key?versionId=id`, the leading slash and the version optional, encoded as forms are: AWS takes a `+` for
/// a space, unlike in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::s3) struct CopySource {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub version: VersionSelector,
}

impl CopySource {
    pub(super) fn of(request: &Request) -> Result<Self, S3Error> {
        let value = request.headers.get("x-amz-copy-source");
        let text = value.map(|value| value.to_str().map_err(|_| refused(""))).transpose()?;
        Self::parse(text.unwrap_or_default())
    }

    fn parse(text: &str) -> Result<Self, S3Error> {
        let (path, version) = match text.rsplit_once("?versionId=") {
            Some((path, version)) => (path, parse_version(version)?),
            None => (text, VersionSelector::Latest),
        };
        let path = decode(path, Plus::IsSpace).map_err(|_| refused(text))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(|| refused(text))?;
        let bucket = BucketName::new(bucket).map_err(|_| refused(text))?;
        let key = ObjectKey::new(key).map_err(|error| match error {
            InvalidName::KeyTooLong => S3Error::of(ErrorCode::KeyTooLongError),
            _ => refused(text),
        })?;
        Ok(CopySource { bucket, key, version })
    }
}

fn refused(text: &str) -> S3Error {
    let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
    invalid("x-amz-copy-source", text, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bucket: &str, key: &str, version: VersionSelector) -> CopySource {
        CopySource { bucket: BucketName::new(bucket).unwrap(), key: ObjectKey::new(key).unwrap(), version }
    }

    #[test]
    fn takes_the_forms_that_clients_send() {
        let id = VersionSelector::Id("000102030405060708090a0b0c0d0e0f".parse().unwrap());
        let cases = [
            ("bucket/key", source("bucket", "key", VersionSelector::Latest)),
            ("%2Fbucket%2Fa", source("bucket", "a", VersionSelector::Latest)),
            ("/bucket/a/b", source("bucket", "a/b", VersionSelector::Latest)),
            ("bucket%2Fa%20b+c%2Bd", source("bucket", "a b c+d", VersionSelector::Latest)),
            ("bucket//", source("bucket", "/", VersionSelector::Latest)),
            ("bucket/%3FversionId=x", source("bucket", "?versionId=x", VersionSelector::Latest)),
            ("bucket/k%C3%A9?versionId=null", source("bucket", "k\u{e9}", VersionSelector::Null)),
            ("bucket/../x?versionId=000102030405060708090a0b0c0d0e0f", source("bucket", "../x", id)),
        ];
        for (text, expected) in cases {
            assert_eq!(CopySource::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_names_no_object() {
        let bad = [
            "",
            "/",
            "//",
            "bucket",
            "/bucket",
            "bucket/",
            "/bucket/",
            "../key",
            "bucket/%",
            "bucket/%4",
            "bucket/%zz",
            "bucket/%ff",
            "bucket/%C0%AE",
            "UPPER/key",
            "http://host/bucket/key",
            "bucket/key?versionId=",
            "bucket/key?versionId=../..",
            "arn:aws:s3:::bucket/key",
        ];
        for text in bad {
            assert_eq!(CopySource::parse(text).unwrap_err().code, ErrorCode::InvalidArgument, "{text}");
        }
        let long = format!("bucket/{}", "k".repeat(1025));
        assert_eq!(CopySource::parse(&long).unwrap_err().code, ErrorCode::KeyTooLongError);
    }
}
