//! Durations and sizes as people write them.

use crate::value::SettingValue;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time: `100ms`, `90s`, `15min`, `1h`, `5d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(u64);

/// Milliseconds in each unit, the largest first.
const SPANS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

/// Other names of the same units.
const SYNONYMS: [(&str, u64); 10] = [
    ("w", 604_800_000),
    ("week", 604_800_000),
    ("weeks", 604_800_000),
    ("day", 86_400_000),
    ("days", 86_400_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("sec", 1000),
    ("seconds", 1000),
];

/// The longest span, in milliseconds: a thousand years.
const LONGEST: u64 = 365_000 * 86_400_000;

/// Returns the milliseconds of a number with its unit. The error says how a span is written.
fn milliseconds(number: &str, unit: &str, text: &str) -> Result<u64, String> {
    let mut units = SPANS.iter().chain(&SYNONYMS);
    let factor = units.find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let (Ok(number), Some(factor)) = (number.parse::<u64>(), factor) else {
        return Err(format!("{text:?} is not a span of time; write it like 90s, 15min, 1h or 5d"));
    };
    number
        .checked_mul(factor)
        .filter(|span| *span <= LONGEST)
        .ok_or_else(|| format!("{text:?} is longer than a thousand years"))
}

impl Span {
    /// Returns it as a `Duration`.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Returns it in seconds.
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = SPANS.iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&SPANS[3]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        match split(text) {
            // Zero needs no unit.
            (number, "") if number.parse() == Ok(0u64) => Ok(Span(0)),
            (number, "") if !number.is_empty() => Err(format!(
                "{number} of what? Write {number}s, {number}min, {number}h or {number}d"
            )),
            (number, unit) => milliseconds(number, unit, text).map(Span),
        }
    }
}

const DAY: i64 = 86_400;

/// A span of time in a list's settings. In Mailman's pages it is a number of units of `SHOWN`
/// seconds, and in its files one of `KEPT` seconds. Here a bare number has the unit `SHOWN`, and
/// `12h` is allowed as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time<const SHOWN: i64, const KEPT: i64>(i64);

/// Days, stored as days.
pub type Days = Time<DAY, DAY>;
/// Days, stored as seconds.
pub type SecondsInDays = Time<DAY, 1>;
/// Seconds, stored as seconds.
pub type Seconds = Time<1, 1>;

impl<const SHOWN: i64, const KEPT: i64> Time<SHOWN, KEPT> {
    /// Returns Mailman's stored number: days or seconds.
    pub fn kept(self) -> i64 {
        self.0
    }

    /// Returns it in seconds.
    pub fn seconds(self) -> i64 {
        self.0.saturating_mul(KEPT)
    }
}

impl<const SHOWN: i64, const KEPT: i64> fmt::Display for Time<SHOWN, KEPT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0) {
            // A bare number then has the same unit everywhere.
            _ if SHOWN == KEPT => write!(f, "{}", self.0),
            Ok(number) if number > 0 => Span(number.saturating_mul(1000 * KEPT as u64)).fmt(f),
            _ => write!(f, "{}{}", self.0, if self.0 == 0 { "" } else { "s" }),
        }
    }
}

impl<const SHOWN: i64, const KEPT: i64> SettingValue for Time<SHOWN, KEPT> {
    const KIND: &'static str = if SHOWN == DAY {
        "days, or a span of time such as 12h, 7d"
    } else {
        "seconds, or a span of time such as 5min, 1h"
    };

    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (sign, bare) = text.strip_prefix('-').map_or((1, text), |bare| (-1, bare));
        let seconds = match bare.parse::<f64>() {
            Ok(number) if number.is_finite() => number * SHOWN as f64,
            _ => {
                let (number, unit) = split(bare);
                milliseconds(number, unit, text)? as f64 / 1e3
            }
        };
        if seconds > LONGEST as f64 / 1e3 {
            return Err(format!("{text:?} is longer than a thousand years"));
        }
        let kept = seconds / KEPT as f64;
        if kept.fract() != 0.0 {
            let whole = if KEPT == DAY { "days" } else { "seconds" };
            return Err(format!("{text:?} is not a whole number of {whole}"));
        }
        Ok(Time(sign * kept as i64))
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn read_kept(text: &str) -> Result<Self, String> {
        i64::read(text).map(Time)
    }

    fn write_kept(&self) -> String {
        self.0.write()
    }

    fn json(&self) -> serde_json::Value {
        if SHOWN == KEPT { self.0.into() } else { self.to_string().into() }
    }
}

/// A number of bytes: `512`, `40 KB`, `50 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

/// Bytes in each unit, the largest first.
const SIZES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

impl Size {
    /// Returns it in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZES.iter().filter(|(name, _)| name.contains('i'));
        match binary.clone().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let (number, unit) = split(text);
        let factor = if unit.is_empty() {
            Some(1)
        } else {
            SIZES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, factor)| *factor)
        };
        number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .map(Size)
            .ok_or_else(|| format!("{text:?} is not a size; write it like 512, 40 KB or 50 MiB"))
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_and_sizes_are_read_as_people_write_them() {
        assert_eq!("1h".parse::<Span>().unwrap().seconds_f64(), 3600.0);
        assert_eq!("100 ms".parse::<Span>().unwrap().duration(), Duration::from_millis(100));
        assert_eq!("50 MiB".parse::<Size>().unwrap().bytes(), 50 << 20);
        assert_eq!("40kb".parse::<Size>().unwrap().bytes(), 40_000);
        assert!("1 fortnight".parse::<Span>().unwrap_err().contains("15min"));
        assert!("99999999999 TiB".parse::<Size>().is_err());
    }

    #[test]
    fn a_bare_number_has_mailmans_unit_and_any_other_may_be_named() {
        let in_days = |text: &str| SecondsInDays::read(text).map(SecondsInDays::seconds);
        for (text, seconds) in [
            ("7", 604_800),
            ("7d", 604_800),
            ("1 week", 604_800),
            ("12h", 43_200),
            ("1.5", 129_600),
            ("90s", 90),
            ("0", 0),
            ("-3s", -3),
        ] {
            assert_eq!(in_days(text), Ok(seconds), "{text}");
            let shown = SecondsInDays::read(text).unwrap().write();
            assert_eq!(in_days(&shown), Ok(seconds), "{text} is shown as {shown}");
        }
        assert_eq!(SecondsInDays::read("7").unwrap().write_kept(), "604800");
        assert_eq!(SecondsInDays::read_kept("604800").unwrap().write(), "7d");
        assert_eq!(Days::read("2 weeks").map(Days::kept), Ok(14));
        assert_eq!(Seconds::read("5min").map(Seconds::seconds), Ok(300));
        assert_eq!(Seconds::read("300").map(|span| span.write()), Ok("300".to_owned()));
        assert!(Days::read("36h").unwrap_err().contains("whole number of days"));
        for wrong in ["", "soon", "7 moons", "7m", "inf", "99999999d", "1e300"] {
            assert!(in_days(wrong).is_err() && Days::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bare_number_of_the_site_is_asked_about() {
        let asked = "7".parse::<Span>().unwrap_err();
        assert!(asked.contains("7 of what?") && asked.contains("7d"), "{asked}");
        assert_eq!("0".parse::<Span>(), Ok(Span(0)));
        assert_eq!("2 days".parse::<Span>(), "48h".parse());
        assert!("99999999d".parse::<Span>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number: u32) {
            let (span, size) = (Span(number.into()), Size(number.into()));
            prop_assert_eq!(span.to_string().parse::<Span>().map_or(0, |span| span.0), if span.0 == 0 { 0 } else { span.0 });
            prop_assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
    }
}
