//! Dates as headers have them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use std::time::SystemTime;

/// A time in the local time zone (RFC 5322 §3.3).
pub fn rfc5322(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::system()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// The time that a Date field's value says, in seconds since the epoch, or that an mbox's `From `
/// line ends with (which is taken for Universal Time). None when there is none to read.
pub fn parse(value: &[u8]) -> Option<i64> {
    let line = [value, b"\n"].concat();
    let HeaderValue::DateTime(date) = MessageStream::new(&line).parse_date() else {
        return parse_asctime(value);
    };
    if date.is_valid() && date.year >= 1900 {
        Some(date.to_timestamp())
    } else {
        parse_asctime(value)
    }
}

/// `Mon Nov 23 15:07:32 2026`
fn parse_asctime(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let &[.., month, day, time, year] = words.as_slice() else { return None };
    let broken = format!("{month} {day} {time} {year}");
    let time = jiff::civil::DateTime::strptime("%b %d %H:%M:%S %Y", broken).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// A time in the local time zone as C's `ctime` writes it: `Mon Nov 23 15:07:58 2026`.
pub fn ctime(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::system()).strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// The day as ISO 8601 writes it, in Universal Time: `2026-11-23`.
pub fn day(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.strftime("%Y-%m-%d").to_string()
}

/// How many days lie between two days as [`day`] writes them; nothing if one cannot be read.
pub fn days_between(earlier: &str, later: &str) -> Option<i64> {
    let (earlier, later) = (earlier.parse::<Date>().ok()?, later.parse::<Date>().ok()?);
    let span = earlier.until((Unit::Day, later)).ok()?;
    Some(span.get_days().into())
}

/// The day that stands in a Date field's value, as the writer's clock had it: `20261123`. None when
/// there is no day to read.
pub fn written_day(value: &[u8]) -> Option<String> {
    let line = [value, b"\n"].concat();
    let HeaderValue::DateTime(date) = MessageStream::new(&line).parse_date() else { return None };
    (date.is_valid() && (1900..=9999).contains(&date.year))
        .then(|| format!("{:04}{:02}{:02}", date.year, date.month, date.day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let time = |value: &str| parse(value.as_bytes());
        assert_eq!(time("Mon, 23 Nov 2026 15:07:32 +0100"), Some(1_795_442_852));
        assert_eq!(time("23 Nov 26 14:07:32 GMT"), Some(1_795_442_852));
        assert_eq!(time("Mon Nov 23 14:07:32 2026"), Some(1_795_442_852));
        assert_eq!(time("x@y.example Mon Nov 23 14:07:32 2026"), Some(1_795_442_852));
        for strange in ["", "yesterday", "Mon, 99 Xyz 2024 1:2:3 +0000"] {
            assert_eq!(time(strange), None, "{strange}");
        }
    }

    #[test]
    fn the_day_is_the_writers_own() {
        let day = |value: &str| written_day(value.as_bytes());
        assert_eq!(day("Mon, 4 Mar 2024 23:59:00 -1100").as_deref(), Some("20240304"));
        assert_eq!(day("4 Mar 24 01:00:00 GMT").as_deref(), Some("20240304"));
        for strange in ["", "yesterday", "Mon, 99 Xyz 2024 1:2:3 +0000"] {
            assert_eq!(day(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_date_has_a_weekday_and_a_zone() {
        let date = rfc5322(SystemTime::UNIX_EPOCH);
        assert!(date.contains(" 1970 ") || date.contains(" 1969 "), "{date}");
        assert_eq!(date.split(' ').count(), 6, "{date}");
    }

    #[test]
    fn days_are_counted_over_months_and_years() {
        assert_eq!(days_between("2026-11-23", "2026-11-23"), Some(0));
        assert_eq!(days_between("2024-02-28", "2024-03-01"), Some(2));
        assert_eq!(days_between("2026-12-31", "2027-01-07"), Some(7));
        assert_eq!(days_between("2026-11-23", "2026-11-22"), Some(-1));
        assert_eq!(days_between("", "2026-11-22"), None);
    }
}
