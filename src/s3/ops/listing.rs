//! What all listings of a bucket share: their parameters, and how names are shown.

use std::borrow::Cow;

use super::argument::{self, invalid};
use crate::s3::error::S3Error;
use crate::s3::request::Request;
use crate::s3::xml::{XmlWriter, url_encode};

/// Prefix, delimiter, limit and encoding of one listing request.
pub(super) struct Parameters<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    pub limit: usize,
    pub encoding: Encoding,
}

/// How keys are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl<'a> Parameters<'a> {
    /// `limit` is the parameter's name: `max-keys`, `max-uploads`.
    pub(super) fn of(request: &'a Request, limit: &'static str) -> Result<Self, S3Error> {
        let encoding = match request.query.get("encoding-type") {
            None | Some("") => Encoding::Plain,
            Some("url") => Encoding::Url,
            Some(other) => {
                return Err(invalid("encoding-type", other, "Invalid Encoding Method specified in Request"));
            }
        };
        Ok(Parameters {
            prefix: request.query.get("prefix").unwrap_or_default(),
            delimiter: request.query.get("delimiter").filter(|delimiter| !delimiter.is_empty()),
            limit: argument::limit(request, limit)?,
            encoding,
        })
    }
}

impl Encoding {
    pub(super) fn show<'t>(self, name: &'t str) -> Cow<'t, str> {
        match self {
            Encoding::Plain => name.into(),
            Encoding::Url => url_encode(name).into(),
        }
    }

    /// An element that holds a key, a prefix, a delimiter or a marker.
    pub(super) fn write(self, xml: &mut XmlWriter, element: &str, name: &str) {
        xml.text(element, &self.show(name));
    }

    pub(super) fn tell(self, xml: &mut XmlWriter) {
        if self == Encoding::Url {
            xml.raw("EncodingType", "url");
        }
    }

    pub(super) fn write_common_prefixes(self, xml: &mut XmlWriter, prefixes: &[String]) {
        for prefix in prefixes {
            xml.open("CommonPrefixes");
            self.write(xml, "Prefix", prefix);
            xml.close();
        }
    }
}
