//! Times as S3's headers and documents write them. Both show whole seconds: what a HEAD says and what a LIST says are equal.

use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use tandem_storage::types::Timestamp;

/// `Tue, 15 Nov 1994 08:12:31 GMT`, for headers.
pub(super) fn http_date(time: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&seconds(time)).unwrap_or_default()
}

/// `1994-11-15T08:12:31.000Z`, for documents. Every row of a listing shows one, so it is written digit by digit; years beyond 9999 do not
/// come up.
pub(super) fn iso8601(time: Timestamp) -> String {
    let civil = jiff::tz::Offset::UTC.to_datetime(seconds(time));
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, width: usize, number: i16| {
        let mut rest = number.unsigned_abs();
        for digit in text[at..at + width].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    };
    put(0, 4, civil.year());
    for (at, number) in
        [(5, civil.month()), (8, civil.day()), (11, civil.hour()), (14, civil.minute()), (17, civil.second())]
    {
        put(at, 2, i16::from(number));
    }
    str::from_utf8(&text).unwrap_or_default().to_owned()
}

/// A date as clients send it in conditions: RFC 9110's, or RFC 3339 as `x-amz-copy-source-if-*` has seen it. None: not a date, and so ignored, as
/// RFC 9110 demands.
pub(super) fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let parsed = DateTimeParser::new().parse_timestamp(text).ok().or_else(|| text.parse().ok())?;
    Some(Timestamp::from_secs(parsed.as_second()))
}

fn seconds(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.as_secs()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_show_whole_seconds() {
        let time = Timestamp::from_micros(784_887_151_987_654);
        assert_eq!(http_date(time), "Tue, 15 Nov 1994 08:12:31 GMT");
        assert_eq!(iso8601(time), "1994-11-15T08:12:31.000Z");
        for secs in [0, 951_782_399, 951_782_400, 1_709_164_800, 253_402_300_799] {
            let time = Timestamp::from_secs(secs);
            assert_eq!(iso8601(time), format!("{:.3}", seconds(time)));
        }
    }

    #[test]
    fn dates_of_clients_parse_and_others_do_not() {
        let expected = Some(Timestamp::from_secs(784_887_151));
        assert_eq!(parse_date("Tue, 15 Nov 1994 08:12:31 GMT"), expected);
        assert_eq!(parse_date(" 1994-11-15T08:12:31Z "), expected);
        for bad in ["", "yesterday", "Tue, 99 Nov 1994 08:12:31 GMT"] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
