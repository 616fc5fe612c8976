//! Values with a type: numbers, dates, networks, as conditions compare them.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// A decimal number with up to nine places, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

const PLACES: usize = 9;
const WHOLE_DIGITS_MAX: usize = 24;

impl Decimal {
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let sound = (!whole.is_empty() || !places.is_empty())
            && whole.len() <= WHOLE_DIGITS_MAX
            && places.len() <= PLACES
            && all_digits(whole)
            && all_digits(places);
        if !sound {
            return None;
        }
        let padding = std::iter::repeat_n(b'0', PLACES - places.len());
        let value = whole
            .bytes()
            .chain(places.bytes())
            .chain(padding)
            .fold(0_i128, |sum, byte| sum * 10 + i128::from(byte - b'0'));
        Some(Decimal(if negative { -value } else { value }))
    }
}

/// A moment: ISO 8601 as W3C profiles it, or seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i128);

impl Moment {
    /// Four digits are a year; more are seconds.
    pub(crate) fn parse(text: &str) -> Option<Moment> {
        if let Some(moment) = whole_second(text.as_bytes()) {
            return Some(moment);
        }
        let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || text.starts_with('-');
        if numeric && text.len() != 4 {
            return Decimal::parse(text).map(|Decimal(value)| Moment(value));
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Some(Moment(moment.as_nanosecond()));
        }
        let start = match text.len() {
            4 => Date::new(text.parse().ok()?, 1, 1).ok()?.at(0, 0, 0, 0),
            7 => {
                let (year, month) = text.split_once('-')?;
                Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?.at(0, 0, 0, 0)
            }
            10 => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
            _ => minutes(text)?,
        };
        Offset::UTC.to_timestamp(start).ok().map(|moment| Moment(moment.as_nanosecond()))
    }
}

/// `2026-01-31T12:00:00Z`: the form in which requests carry time, and so read on every decision that asks for it.
fn whole_second(text: &[u8]) -> Option<Moment> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1, b':', s0, s1, b'Z'] = *text else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i16::from(digit - b'0')))
    };
    let pair = |high, low| number(&[high, low]).and_then(|value| i8::try_from(value).ok());
    let date = Date::new(number(&[y0, y1, y2, y3])?, pair(m0, m1)?, pair(d0, d1)?).ok()?;
    let time = Time::new(pair(h0, h1)?, pair(n0, n1)?, pair(s0, s1)?, 0).ok()?;
    let moment = Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    Some(Moment(moment.as_nanosecond()))
}

/// A date and time without a zone is in UTC.
fn minutes(text: &str) -> Option<DateTime> {
    text.contains('T').then(|| text.parse::<DateTime>().ok()).flatten()
}

const V4_BITS: u32 = 32;
const V6_BITS: u32 = 128;

/// A range of addresses. IPv4 written as IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    bits: u8,
}

pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

impl Network {
    pub(crate) fn parse(text: &str) -> Option<Network> {
        let (head, bits) = match text.split_once('/') {
            None => (text, None),
            Some((head, bits)) => {
                let digits = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit());
                (head, Some(digits.then(|| bits.parse::<u8>().ok()).flatten()?))
            }
        };
        let written = head.parse::<IpAddr>().ok()?;
        let first = written.to_canonical();
        let width = if written.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width {
            return None;
        }
        match (written, first) {
            // A range of IPv6 that is wider than the mapped IPv4 block stays IPv6.
            (IpAddr::V6(_), IpAddr::V4(_)) if bits < 96 => Some(Network { first: written, bits }),
            (IpAddr::V6(_), IpAddr::V4(_)) => Some(Network { first, bits: bits - 96 }),
            _ => Some(Network { first, bits }),
        }
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(found)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(first) & mask == u32::from(found) & mask
            }
            (IpAddr::V6(first), IpAddr::V6(found)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(first) & mask == u128::from(found) & mask
            }
            _ => false,
        }
    }

    /// AWS takes a range for fixed that is no wider than /8 (IPv4) or /32 (IPv6), or private. Here several together must
    /// not be wider either: 256 ranges of /8 are everybody.
    pub(crate) fn are_narrow(list: &[Network]) -> bool {
        let (mut v4, mut v6) = (0_u128, 0_u128);
        for network in list.iter().filter(|network| !network.is_private()) {
            let sum = if network.first.is_ipv4() { &mut v4 } else { &mut v6 };
            *sum =
                sum.saturating_add(1_u128.checked_shl(network.width() - u32::from(network.bits)).unwrap_or(u128::MAX));
        }
        v4 <= 1 << (V4_BITS - 8) && v6 <= 1 << (V6_BITS - 32)
    }

    fn width(&self) -> u32 {
        if self.first.is_ipv4() { V4_BITS } else { V6_BITS }
    }

    /// Of RFC 1918, as AWS has it: no address of the Internet is in it.
    fn is_private(&self) -> bool {
        let within =
            |first: Ipv4Addr, bits: u8| self.bits >= bits && Network { first: first.into(), bits }.contains(self.first);
        within(Ipv4Addr::new(10, 0, 0, 0), 8)
            || within(Ipv4Addr::new(172, 16, 0, 0), 12)
            || within(Ipv4Addr::new(192, 168, 0, 0), 16)
    }
}

#[cfg(test)]
#[path = "value/tests.rs"]
mod tests;
