//! XML in and out: one-buffer writers, and a strict reader that takes nothing which a document of S3 has no use for.

mod reader;
mod writer;

pub use reader::{MalformedXml, XmlReader, set_once};
pub use writer::{XmlWriter, url_encode};

use super::error::{ErrorCode, S3Error};

impl From<MalformedXml> for S3Error {
    fn from(_: MalformedXml) -> Self {
        S3Error::of(ErrorCode::MalformedXML)
    }
}

/// The namespace of every document of S3.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

#[cfg(test)]
mod tests;
