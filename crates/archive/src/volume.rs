//! Volumes: their names in URLs and for people (docs/spec/archives.md §3).

use dormouse_clock::MONTHS;
use dormouse_store::settings::VolumeFrequency;
use dormouse_words::{Language, Text, date as words, say, say_as};
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A volume's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name in URLs: `2024-March`.
    pub name: String,
    /// The name for people: `March 2024`.
    pub label: String,
    /// Its first day, in days since the epoch.
    pub first_day: i64,
}

impl Name {
    /// Returns the volume of a time, in this machine's time zone.
    pub fn of(time: i64, frequency: VolumeFrequency) -> Name {
        let timestamp = Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH);
        let day = timestamp.to_zoned(TimeZone::system()).date();
        let (year, month) = (day.year(), day.month());
        match frequency {
            VolumeFrequency::Year => Name::year(year),
            VolumeFrequency::Month => Name::month(year, month),
            VolumeFrequency::Quarter => Name::quarter(year, (month - 1) / 3 + 1),
            VolumeFrequency::Week => Name::week(monday(day)),
            VolumeFrequency::Day => Name::day(day),
        }
    }

    /// Parses the name of a volume of any frequency.
    pub fn parse(name: &str) -> Option<Name> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<i16>().ok()).flatten()
        };
        let day = |text: &str| {
            if text.len() != 8 || !text.is_ascii() {
                return None;
            }
            let (year, month, day) =
                (number(&text[..4])?, number(&text[4..6])?, number(&text[6..])?);
            Date::new(year, month as i8, day as i8).ok()
        };
        if let Some(rest) = name.strip_prefix("Week-of-Mon-") {
            return day(rest).map(Name::week);
        }
        if let Some((year, rest)) = name.split_once('-') {
            let month = MONTHS.iter().position(|month| *month == rest)?;
            return Some(Name::month(number(year)?, month as i8 + 1));
        }
        if let Some((year, rest)) = name.split_once('q') {
            let quarter = number(rest).filter(|quarter| (1..=4).contains(quarter))?;
            return Some(Name::quarter(number(year)?, quarter as i8));
        }
        match name.len() {
            4 => number(name).map(Name::year),
            8 => day(name).map(Name::day),
            _ => None,
        }
    }

    fn new(name: String, label: String, first: Date) -> Name {
        let first_day = i64::from((first - date(1970, 1, 1)).get_days());
        Name { name, label, first_day }
    }

    fn year(year: i16) -> Name {
        Name::new(format!("{year:04}"), format!("{year}"), first_of(year, 1))
    }

    fn month(year: i16, month: i8) -> Name {
        let text = MONTHS[usize::from(month.unsigned_abs()) - 1];
        Name::new(format!("{year:04}-{text}"), format!("{text} {year}"), first_of(year, month))
    }

    fn quarter(year: i16, quarter: i8) -> Name {
        let text = ["First", "Second", "Third", "Fourth"][usize::from(quarter.unsigned_abs()) - 1];
        let first = first_of(year, (quarter - 1) * 3 + 1);
        Name::new(format!("{year:04}q{quarter}"), format!("{text} quarter {year}"), first)
    }

    fn week(monday: Date) -> Name {
        Name::new(
            format!("Week-of-Mon-{}", monday.strftime("%Y%m%d")),
            format!("Week of Monday, {}", monday.strftime("%-d %B %Y")),
            monday,
        )
    }

    fn day(day: Date) -> Name {
        Name::new(day.strftime("%Y%m%d").to_string(), day.strftime("%-d %B %Y").to_string(), day)
    }

    /// Returns the year of a volume's first day.
    pub fn year_of(first_day: i64) -> i16 {
        date(1970, 1, 1).saturating_add(first_day.days()).year()
    }
}

/// Returns the label of the volume with this name in another language than English, whose labels
/// are stored with the volumes.
pub fn label(name: &str, language: Language) -> Option<String> {
    let Name { first_day, .. } = Name::parse(name).filter(|_| language != Language::ENGLISH)?;
    let first = date(1970, 1, 1).saturating_add(first_day.days());
    let text = if name.starts_with("Week-of-") {
        say("Week of {day}").with_text("day", words::day(first))
    } else if name.contains('q') {
        let quarter = usize::from(first.month().unsigned_abs() - 1) / 3;
        QUARTERS[quarter].clone().with("year", first.year())
    } else if name.contains('-') {
        words::month(first)
    } else if name.len() == 4 {
        return None;
    } else {
        words::day(first)
    };
    Some(text.to(language).to_string())
}

const QUARTERS: [Text; 4] = [
    say("First quarter {year}"),
    say("Second quarter {year}"),
    say("Third quarter {year}"),
    say("Fourth quarter {year}"),
];

/// Returns the name of a day of the week, as it is used in dates.
pub fn weekday(day: Weekday) -> Text {
    match day {
        Weekday::Monday => say_as("weekday", "Monday"),
        Weekday::Tuesday => say_as("weekday", "Tuesday"),
        Weekday::Wednesday => say_as("weekday", "Wednesday"),
        Weekday::Thursday => say_as("weekday", "Thursday"),
        Weekday::Friday => say_as("weekday", "Friday"),
        Weekday::Saturday => say_as("weekday", "Saturday"),
        Weekday::Sunday => say_as("weekday", "Sunday"),
    }
}

fn first_of(year: i16, month: i8) -> Date {
    Date::new(year, month, 1).unwrap_or(date(1970, 1, 1))
}

fn monday(day: Date) -> Date {
    let back = day.weekday().since(Weekday::Monday);
    day.saturating_sub(i64::from(back).days())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5 March 2024, noon in Universal Time.
    const TIME: i64 = 1_709_640_000;

    #[test]
    fn volumes_have_pipermails_names() {
        use VolumeFrequency::{Day, Month, Quarter, Week, Year};
        for (frequency, name, label) in [
            (Year, "2024", "2024"),
            (Month, "2024-March", "March 2024"),
            (Quarter, "2024q1", "First quarter 2024"),
            (Week, "Week-of-Mon-20240304", "Week of Monday, 4 March 2024"),
            (Day, "20240305", "5 March 2024"),
        ] {
            let made = Name::of(TIME, frequency);
            assert_eq!((made.name.as_str(), made.label.as_str()), (name, label));
            assert_eq!(Name::parse(name).as_ref(), Some(&made));
            assert_eq!(Name::year_of(made.first_day), 2024);
        }
        assert_eq!(Name::of(TIME, Day).first_day, TIME / 86_400);
    }

    #[test]
    fn other_directories_are_no_volumes() {
        for name in ["attachments", "database", "2024-Märzen", "2024q5", "20241399", "id", "", "x"]
        {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }
}
