//! Dates in headers.

use dormouse_clock::{MONTHS, Timestamp};
use jiff::Unit;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

/// Formats a time in the local time zone (RFC 5322 §3.3).
pub fn rfc5322(time: Timestamp) -> String {
    moment(time).to_zoned(TimeZone::system()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// Parses a Date field's value, or the end of an mbox's `From ` line, to seconds since the
/// epoch. Without a known zone it is taken as UTC. `None` if there is no valid
/// date.
///
/// Dates that Mailman understands are read as it does, so that a message stays in its month in the
/// archive: see [`Written::read`].
pub fn parse(value: &[u8]) -> Option<i64> {
    Written::of(value).and_then(|written| written.seconds()).or_else(|| parse_asctime(value))
}

/// A date as written, with any numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    year: i64,
    /// 1 to 12.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// Seconds east of Greenwich; `None` without a known zone.
    offset: Option<i64>,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The named zones, as hours and minutes.
const ZONES: [(&str, i64); 14] = [
    ("UT", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("AST", -400),
    ("ADT", -300),
    ("EST", -500),
    ("EDT", -400),
    ("CST", -600),
    ("CDT", -500),
    ("MST", -700),
    ("MDT", -600),
    ("PST", -800),
    ("PDT", -700),
];
/// Longer values are not dates.
const LONGEST: usize = 1000;

impl Written {
    fn of(value: &[u8]) -> Option<Written> {
        let value = &value[..value.len().min(LONGEST)];
        let text = crate::charset::decode_raw(value);
        Written::read(&text).or_else(|| Written::strictly(value))
    }

    /// Parses what Python 2.7's `email.utils.parsedate_tz` accepts, with the same result: words in
    /// almost any order. Python knows only the zones of RFC 822, and reads `+02` as two minutes.
    fn read(text: &str) -> Option<Written> {
        let Ordered { day, month, year, time, zone } = Ordered::of(words_of_a_date(text)?)?;
        let (hour, minute, second) = match time.split(':').collect::<Vec<_>>()[..] {
            [hour, minute] => (hour, minute, "0"),
            [hour, minute, second] => (hour, minute, second),
            _ => return None,
        };
        let year = match integer(year)? {
            year @ ..=68 => year + 2000,
            year @ 69..=99 => year + 1900,
            year => year,
        };
        let named = ZONES.iter().find(|(name, _)| zone.eq_ignore_ascii_case(name));
        let zone = named.map(|(_, zone)| *zone).or_else(|| integer(zone));
        let offset = |zone: i64| zone.signum() * (zone.abs() / 100 * 3600 + zone.abs() % 100 * 60);
        Some(Written {
            year,
            month,
            day: integer(day)?,
            hour: integer(hour)?,
            minute: integer(minute)?,
            second: integer(second)?,
            offset: zone.map(offset),
        })
    }

    /// Parses what RFC 5322 allows and Python does not know, such as comments between the words.
    fn strictly(value: &[u8]) -> Option<Written> {
        let line = [value, b"\n"].concat();
        let HeaderValue::DateTime(date) = MessageStream::new(&line).parse_date() else {
            return None;
        };
        let offset = i64::from(date.tz_hour) * 3600 + i64::from(date.tz_minute) * 60;
        (date.is_valid() && date.year >= 1900).then(|| Written {
            year: date.year.into(),
            month: date.month.into(),
            day: date.day.into(),
            hour: date.hour.into(),
            minute: date.minute.into(),
            second: date.second.into(),
            offset: Some(if date.tz_before_gmt { -offset } else { offset }),
        })
    }

    /// Numbers beyond their range overflow: the 31st of November is the 1st of December.
    fn seconds(&self) -> Option<i64> {
        let first = Date::new(i16::try_from(self.year).ok()?, i8::try_from(self.month).ok()?, 1);
        let first = first.ok().filter(|first| first.year() > 0)?;
        let days = first.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second() / 86_400;
        let minutes = ((days + self.day - 1) * 24 + self.hour) * 60 + self.minute;
        Some(minutes * 60 + self.second - self.offset.unwrap_or(0))
    }
}

/// The words of a date, without the name of the day, and with a separate zone (which may be empty).
fn words_of_a_date(text: &str) -> Option<Vec<&str>> {
    let blank = |letter: char| letter.is_ascii_whitespace() || letter == '\u{b}';
    let mut words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    let first = *words.first()?;
    if first.ends_with(',') || DAYS.iter().any(|day| first.eq_ignore_ascii_case(day)) {
        words.remove(0);
    } else if let Some((_, behind)) = first.rsplit_once(',') {
        words[0] = behind;
    }
    // 03-Nov-2003
    if let [date, time, zone] = words[..]
        && let [day, month, year] = date.split('-').collect::<Vec<_>>()[..]
    {
        words = vec![day, month, year, time, zone];
    }
    if let [.., last] = words[..]
        && words.len() == 4
    {
        match last.split_once('+').filter(|(time, _)| !time.is_empty()) {
            Some((time, zone)) => {
                words[3] = time;
                words.push(zone);
            }
            None => words.push(""),
        }
    }
    Some(words)
}

/// The words of a date, each in its place, not yet checked.
struct Ordered<'t> {
    day: &'t str,
    /// 1 to 12.
    month: i64,
    year: &'t str,
    time: &'t str,
    zone: &'t str,
}

impl<'t> Ordered<'t> {
    /// Recognizes the month by its name, the time by its colon, and the year by its digits.
    fn of(words: Vec<&'t str>) -> Option<Ordered<'t>> {
        let &[mut day, mut month, mut year, mut time, mut zone, ..] = words.as_slice() else {
            return None;
        };
        let is = |name: &str, month: &str| {
            name.eq_ignore_ascii_case(month) || name.eq_ignore_ascii_case(&month[..3])
        };
        let known = |name: &str| MONTHS.iter().position(|month| is(name, month));
        let number = known(month).or_else(|| {
            std::mem::swap(&mut day, &mut month);
            known(month)
        })?;
        let without_comma = |word: &'_ str| word.len() - usize::from(word.ends_with(','));
        day = &day[..without_comma(day)];
        if year.find(':').is_some_and(|at| at > 0) {
            std::mem::swap(&mut year, &mut time);
        }
        year = &year[..without_comma(year)];
        if !year.starts_with(|letter: char| letter.is_ascii_digit()) {
            std::mem::swap(&mut year, &mut zone);
        }
        time = &time[..without_comma(time)];
        let month = i64::try_from(number).ok()? + 1;
        Some(Ordered { day, month, year, time, zone })
    }
}

/// A number as Python's `int` reads it, within the range of dates.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
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

/// Formats a time in the local time zone like C's `ctime`: `Mon Nov 23 15:07:58 2026`.
pub fn ctime(time: Timestamp) -> String {
    moment(time).to_zoned(TimeZone::system()).strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// The ISO 8601 day in UTC: `2026-11-23`.
pub fn day(time: Timestamp) -> String {
    moment(time).strftime("%Y-%m-%d").to_string()
}

/// The ISO 8601 day in the local time zone: a person's day, and the day by which jobs are due.
pub fn local_day(time: Timestamp) -> String {
    day_in(time, &TimeZone::system())
}

/// A time beyond the year 9999 becomes the epoch.
fn moment(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.whole_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn day_in(time: Timestamp, zone: &TimeZone) -> String {
    moment(time).to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

/// The number of days between two days in the format of [`day`]; `None` if one is invalid.
pub fn days_between(earlier: &str, later: &str) -> Option<i64> {
    let (earlier, later) = (earlier.parse::<Date>().ok()?, later.parse::<Date>().ok()?);
    let span = earlier.until((Unit::Day, later)).ok()?;
    Some(span.get_days().into())
}

/// The day in a Date field's value, by the writer's clock: `20261123`. `None` if there is no
/// valid day.
pub fn written_day(value: &[u8]) -> Option<String> {
    let Written { year, month, day, .. } = Written::of(value)?;
    let fits = (1900..=9999).contains(&year) && (1..=31).contains(&day);
    fits.then(|| format!("{year:04}{month:02}{day:02}"))
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

    /// Each value with the result of Python 2.7, if it accepts the value.
    #[test]
    fn dates_are_read_as_mailman_reads_them() {
        // 3 November 2003, 10:00:00 UTC.
        const TEN: i64 = 1_067_853_600;
        for (value, expected) in [
            ("Mon, 3 Nov 2003 10:00:00", TEN),
            ("3 Nov 2003 10:00", TEN),
            ("Mon, 3 Nov 03 10:00:00 EST", TEN + 5 * 3600),
            ("Mon, 03 November 2003 10:00:00 +0100", TEN - 3600),
            ("Mon, 03-Nov-2003 10:00:00 +0100", TEN - 3600),
            ("Mon,03 Nov 2003 10:00:00 +0100", TEN - 3600),
            ("Mon Nov  3 10:00:00 CET 2003", TEN),
            ("Mon Nov  3 10:00:00 2003", TEN),
            ("Mon, Nov 3, 2003 10:00:00 +0100", TEN - 3600),
            ("Monday, November 03, 2003 10:00 AM", TEN),
            ("3 Nov 2003 10:00:00+0100", TEN - 3600),
            ("Mon, 03 Nov 2003 10:00:60 +0000", TEN + 60),
            ("Mon, 34 Oct 2003 10:00:00 +0000", TEN),
            ("Mon, 03 Nov 2003 9:60:00 GMT", TEN),
            ("Mon, 03 Nov 2003 10:00:00 (CET)", TEN),
            ("Mon, 03 Nov 2003 10:00:00 +01:00", TEN),
            ("Mon, 03 Nov 2003 10:00:00 GMT+0100", TEN),
            ("Mon, 03 Nov 2003 10:00:00 Europe/Berlin", TEN),
            ("Mon, 03 Nov 2003 10:00:00 +100", TEN - 3600),
            ("Mon, 03 Nov 2003 10:00:00 +02", TEN - 120),
            ("Mon, 03 Nov 2003 10:00:00 -1", TEN + 60),
            ("Mon, 03 Nov 2003 10:00:00 0200", TEN - 7200),
            ("Mon, 03 Nov 2003 2:53 PM", TEN - 8 * 3600 + 53 * 60),
            ("Mon, 3 (three) Nov 2003 10:00:00 +0000", TEN),
        ] {
            assert_eq!(parse(value.as_bytes()), Some(expected), "{value}");
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
        let date = rfc5322(Timestamp::EPOCH);
        assert!(date.contains(" 1970 ") || date.contains(" 1969 "), "{date}");
        assert_eq!(date.split(' ').count(), 6, "{date}");
    }

    #[test]
    fn a_local_day_begins_at_the_midnight_of_its_place() {
        let noon = Timestamp::EPOCH + 12.0 * 3600.0;
        let of = |hours: i8| day_in(noon, &TimeZone::fixed(jiff::tz::offset(hours)));
        assert_eq!(
            [-13, -12, 0, 11, 12].map(of),
            ["1969-12-31", "1970-01-01", "1970-01-01", "1970-01-01", "1970-01-02"]
        );
        // Two midnights in a night without daylight saving time are still one day each.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = |text: &str| {
            let time: jiff::Timestamp = text.parse().unwrap();
            Timestamp::from_seconds(time.as_second() as f64)
        };
        assert_eq!(day_in(at("2026-10-24T22:30:00Z"), &zone), "2026-10-25");
        assert_eq!(day_in(at("2026-10-25T22:30:00Z"), &zone), "2026-10-25");
        assert_eq!(day_in(at("2026-10-25T23:00:00Z"), &zone), "2026-10-26");
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
