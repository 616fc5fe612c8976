use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A span of time as people write it: `500ms`, `1s`, `15s`, `5m`, `1h30m`, `7d`. A bare number is seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Shown")]
pub struct HumanDuration(Duration);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration, such as 500ms, 15s, 5m, 1h or 7d; a number without a unit is seconds")]
pub struct InvalidDuration;

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(u64),
    Fraction(f64),
    Text(String),
}

/// Whole seconds as a number, as settings have always had them.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Whole(u64),
    Text(String),
}

/// In milliseconds, the longest first.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Longer spans are mistakes: a hundred years.
const MILLIS_MAX: u64 = 100 * 365 * 86_400_000;

impl HumanDuration {
    pub const fn seconds(seconds: u64) -> Self {
        HumanDuration(Duration::from_secs(seconds))
    }

    pub const fn millis(millis: u64) -> Self {
        HumanDuration(Duration::from_millis(millis))
    }

    pub const fn get(self) -> Duration {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// For what counts whole seconds. None: it is not a number of them.
    pub fn whole_seconds(self) -> Option<u64> {
        (self.0.subsec_nanos() == 0).then_some(self.0.as_secs())
    }
}

/// For flags that count whole seconds.
///
/// # Errors
/// What is wrong with it.
pub fn whole_seconds(text: &str) -> Result<u64, String> {
    let duration: HumanDuration = text.parse().map_err(|error: InvalidDuration| error.to_string())?;
    duration.whole_seconds().ok_or_else(|| "expected whole seconds".to_owned())
}

/// A number with at most one point, in thousandths.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 3 || text.ends_with('.') {
        return None;
    }
    let padded = format!("{fraction:0<3}");
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(padded.parse().ok()?)
}

impl FromStr for HumanDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let text = text.trim();
        if let Some(millis) = thousandths(text) {
            return of_millis(millis);
        }
        let (mut rest, mut total, mut largest) = (text, 0_u64, u64::MAX);
        while !rest.is_empty() {
            let number =
                rest.find(|character: char| !character.is_ascii_digit() && character != '.').ok_or(InvalidDuration)?;
            let (count, after) = rest.split_at(number);
            let unit = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(unit);
            let (_, millis) = *UNITS.iter().find(|(name, _)| *name == unit).ok_or(InvalidDuration)?;
            // Each unit once, the larger first: `5m1h` is a mistake.
            if millis >= largest {
                return Err(InvalidDuration);
            }
            let scaled = thousandths(count).and_then(|count| count.checked_mul(millis)).ok_or(InvalidDuration)?;
            if scaled % 1000 != 0 {
                return Err(InvalidDuration);
            }
            total = total.checked_add(scaled / 1000).ok_or(InvalidDuration)?;
            (rest, largest) = (after, millis);
        }
        if text.is_empty() { Err(InvalidDuration) } else { of_millis(total) }
    }
}

fn of_millis(millis: u64) -> Result<HumanDuration, InvalidDuration> {
    if millis > MILLIS_MAX { Err(InvalidDuration) } else { Ok(HumanDuration(Duration::from_millis(millis))) }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let unit = UNITS.iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
        match unit {
            Some((name, unit)) => write!(f, "{}{name}", millis / unit),
            None => f.write_str("0s"),
        }
    }
}

impl TryFrom<Written> for HumanDuration {
    type Error = InvalidDuration;

    fn try_from(written: Written) -> Result<Self, InvalidDuration> {
        match written {
            Written::Whole(seconds) => of_millis(seconds.checked_mul(1000).ok_or(InvalidDuration)?),
            Written::Fraction(seconds) => seconds.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<HumanDuration> for Shown {
    fn from(duration: HumanDuration) -> Self {
        match duration.whole_seconds() {
            Some(seconds) => Shown::Whole(seconds),
            None => Shown::Text(duration.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("1s", 1_000),
            ("15s", 15_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("2w", 1_209_600_000),
            ("1.5h", 5_400_000),
            ("0.25s", 250),
            (" 7 ", 7_000),
            ("1.5", 1_500),
            ("0", 0),
            ("604800", 604_800_000),
        ] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().get(), Duration::from_millis(millis), "{text}");
        }
        for text in [
            "",
            "s",
            "-1",
            "-1s",
            "1x",
            "1S",
            "1 s",
            "1sec",
            "5m1h",
            "1s1s",
            "1.",
            ".5s",
            "1..5s",
            "1e3",
            "0.0001s",
            "1.5ms",
            "99999999999999999999",
            "5000w0d1000000d",
            "99999999999d",
            "1s junk",
            "\u{661}s",
        ] {
            assert!(text.parse::<HumanDuration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_and_whole_seconds_stay_numbers() {
        for (text, shown) in [("90s", "90s"), ("120s", "2m"), ("7d", "1w"), ("1500ms", "1500ms"), ("0", "0s")] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.to_string(), shown);
            assert_eq!(shown.parse::<HumanDuration>().unwrap(), duration);
            let json = serde_json::to_string(&duration).unwrap();
            assert_eq!(serde_json::from_str::<HumanDuration>(&json).unwrap(), duration, "{json}");
        }
        assert_eq!(serde_json::to_string(&HumanDuration::seconds(60)).unwrap(), "60");
        assert_eq!(serde_json::from_str::<HumanDuration>("0.5").unwrap().get(), Duration::from_millis(500));
        assert_eq!((whole_seconds("5m"), whole_seconds("500ms").is_err()), (Ok(300), true));
    }
}
