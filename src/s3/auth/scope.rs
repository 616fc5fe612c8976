//! The credential scope of a signature, its date, and which scopes this node takes. Pure.

use tandem_storage::types::Timestamp;

use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::service::{AcceptRegions, Settings};

/// Which of the two ways of signing is in use: they answer the same flaw with different codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Header,
    Query,
}

impl Mechanism {
    pub fn malformed(self, message: impl Into<String>) -> S3Error {
        let code = match self {
            Mechanism::Header => ErrorCode::AuthorizationHeaderMalformed,
            Mechanism::Query => ErrorCode::AuthorizationQueryParametersError,
        };
        S3Error::new(code, message)
    }
}

/// Which of the services of the S3 port a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    S3,
    /// IAM and STS: forms, posted to the root.
    Query,
}

impl Face {
    fn has(self, service: &str) -> bool {
        match self {
            Face::S3 => service == "s3",
            Face::Query => matches!(service, "iam" | "sts"),
        }
    }
}

/// `ACCESS-KEY/20130524/us-east-1/s3/aws4_request`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    pub access_key: &'a str,
    pub date: &'a str,
    pub region: &'a str,
    pub service: &'a str,
    /// Everything after the access key.
    pub scope: &'a str,
}

impl<'a> Credential<'a> {
    /// # Errors
    /// The mechanism's code, unless there are five parts that fit this node.
    pub fn parse(text: &'a str, mechanism: Mechanism, face: Face, settings: &Settings) -> Result<Self, S3Error> {
        let malformed = |message: String| Err(mechanism.malformed(message));
        let (access_key, scope) = text.split_once('/').unwrap_or((text, ""));
        let parts: [&str; 4] = match scope.split('/').collect::<Vec<_>>().try_into() {
            Ok(parts) => parts,
            Err(_) => {
                return malformed(
                    "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                        .into(),
                );
            }
        };
        let [date, region, service, terminal] = parts;
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return malformed(format!(
                "incorrect date format {date:?}. This date in the credential must be in the format \"yyyyMMdd\"."
            ));
        }
        if terminal != "aws4_request" {
            return malformed(format!("incorrect terminal {terminal:?}. This endpoint uses \"aws4_request\"."));
        }
        if !face.has(service) {
            return malformed(format!("incorrect service {service:?}. This endpoint belongs to \"s3\"."));
        }
        // IAM has no region, and its clients name this one.
        let global = face == Face::Query && region == "us-east-1";
        if !global && !accepts(settings, region) {
            let message = format!("the region {region:?} is wrong; expecting {:?}", settings.region);
            return Err(mechanism.malformed(message).detail("Region", settings.region.as_str()));
        }
        Ok(Credential { access_key, date, region, service, scope })
    }
}

fn accepts(settings: &Settings, region: &str) -> bool {
    region == settings.region
        || match &settings.accept_regions {
            AcceptRegions::Any => !region.is_empty(),
            AcceptRegions::Listed(regions) => regions.iter().any(|listed| listed == region),
        }
}

/// `20130524T000000Z`
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let digits = |from: usize, to: usize| -> Option<i16> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    if text.len() != 16 || text.as_bytes()[8] != b'T' || text.as_bytes()[15] != b'Z' {
        return None;
    }
    let small = |from: usize| digits(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let date = jiff::civil::Date::new(digits(0, 4)?, small(4)?, small(6)?).ok()?;
    let time = jiff::civil::Time::new(small(9)?, small(11)?, small(13)?, 0).ok()?;
    seconds(date.to_datetime(time))
}

/// An HTTP `Date`: `Fri, 24 May 2013 00:00:00 GMT`.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| Timestamp::from_secs(date.timestamp().as_second()))
}

fn seconds(at: jiff::civil::DateTime) -> Option<Timestamp> {
    let zoned = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_secs(zoned.timestamp().as_second()))
}

/// A time as signatures write it.
pub fn format_timestamp(at: Timestamp) -> String {
    match jiff::Timestamp::from_second(at.as_secs()) {
        Ok(at) => at.strftime("%Y%m%dT%H%M%SZ").to_string(),
        Err(_) => String::new(),
    }
}

/// A time as error documents write it: `2013-05-24T00:00:00Z`.
pub fn format_iso(at: Timestamp) -> String {
    match jiff::Timestamp::from_second(at.as_secs()) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use tandem_storage::types::Timestamp;

    use super::{format_iso, format_timestamp, parse_http_date, parse_timestamp};

    #[test]
    fn dates_are_read_and_written_as_signatures_have_them() {
        let may = Timestamp::from_secs(1_369_353_600);
        assert_eq!(parse_timestamp("20130524T000000Z"), Some(may));
        assert_eq!(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), Some(may));
        assert_eq!(format_timestamp(may), "20130524T000000Z");
        assert_eq!(format_iso(may), "2013-05-24T00:00:00Z");
        for bad in ["", "20130524", "20131324T000000Z", "20130524T250000Z", "20130524T00000+Z", "2013052\u{e9}T00000Z"]
        {
            assert_eq!(parse_timestamp(bad), None, "{bad}");
        }
    }
}
