//! Dates and times for people.

use crate::{Language, Text, say, say_as};
use dormouse_clock::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The months as part of a date: many languages inflect them there.
const IN_DATES: [Text; 12] = [
    say_as("month in a date", "January"),
    say_as("month in a date", "February"),
    say_as("month in a date", "March"),
    say_as("month in a date", "April"),
    say_as("month in a date", "May"),
    say_as("month in a date", "June"),
    say_as("month in a date", "July"),
    say_as("month in a date", "August"),
    say_as("month in a date", "September"),
    say_as("month in a date", "October"),
    say_as("month in a date", "November"),
    say_as("month in a date", "December"),
];

/// The months by themselves, as in `March 2026`.
const ALONE: [Text; 12] = [
    say_as("month alone", "January"),
    say_as("month alone", "February"),
    say_as("month alone", "March"),
    say_as("month alone", "April"),
    say_as("month alone", "May"),
    say_as("month alone", "June"),
    say_as("month alone", "July"),
    say_as("month alone", "August"),
    say_as("month alone", "September"),
    say_as("month alone", "October"),
    say_as("month alone", "November"),
    say_as("month alone", "December"),
];

fn month_of(months: &[Text; 12], day: Date) -> Text {
    // A date's month is 1 to 12.
    months[usize::from(day.month().unsigned_abs()) - 1].clone()
}

/// A day: `1 March 2026`.
pub fn day(day: Date) -> Text {
    let number = match day.day() {
        // Some languages use an ordinal here: `1er mars`.
        1 => say_as("first day of a month", "1"),
        other => crate::verbatim(other.to_string()),
    };
    say_as("a day", "{day} {month} {year}")
        .with_text("day", number)
        .with_text("month", month_of(&IN_DATES, day))
        .with("year", day.year())
}

/// The month of a day: `March 2026`.
pub fn month(day: Date) -> Text {
    say_as("a month", "{month} {year}")
        .with_text("month", month_of(&ALONE, day))
        .with("year", day.year())
}

/// A point in time, to the minute, in UTC.
pub fn minute(time: Timestamp) -> Text {
    let Some(time) = zoned(time) else { return crate::verbatim("?") };
    say("{day}, {time} UTC")
        .with_text("day", day(time.date()))
        .with("time", format_args!("{:02}:{:02}", time.hour(), time.minute()))
}

/// The day of a point in time, in UTC.
pub fn day_of(time: Timestamp) -> Text {
    zoned(time).map_or_else(|| crate::verbatim("?"), |time| day(time.date()))
}

fn zoned(time: Timestamp) -> Option<jiff::Zoned> {
    Some(jiff::Timestamp::from_second(time.whole_seconds()).ok()?.to_zoned(TimeZone::UTC))
}

/// A point in time for a reader of a language, by its code.
pub fn on(time: Timestamp, language: &str) -> String {
    minute(time).to(Language::or_english(language)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_own_way() {
        let at = Timestamp::from_seconds(1_772_323_200.0);
        for (code, expected) in [
            ("en", "1 March 2026, 00:00 UTC"),
            ("de", "1. März 2026, 00:00 UTC"),
            ("es", "1 de marzo de 2026, 00:00 UTC"),
            ("fr", "1er mars 2026 à 00:00 UTC"),
            ("pl", "1 marca 2026, 00:00 UTC"),
            ("ru", "1 марта 2026 г., 00:00 UTC"),
            ("ja", "2026年3月1日 00:00 UTC"),
            ("fi", "1 March 2026, 00:00 UTC"),
        ] {
            assert_eq!(on(at, code), expected);
        }
        assert_eq!(on(at + 86_400.0, "fr"), "2 mars 2026 à 00:00 UTC");
        assert_eq!(on(Timestamp::from_seconds(f64::INFINITY), "en"), "?");
    }

    #[test]
    fn a_month_alone_is_not_a_month_in_a_date() {
        let march = jiff::civil::date(2026, 3, 1);
        let month = |code: &str| month(march).to(Language::or_english(code)).to_string();
        assert_eq!([month("en"), month("pl")], ["March 2026", "marzec 2026"]);
        assert_eq!([month("ru"), month("zh_CN")], ["март 2026 г.", "2026年3月"]);
    }
}
