//! Decides when a new volume begins (docs/spec/pipeline.md §4). Periods follow the calendar in the
//! server's time zone and are compared by their first days. Mailman treats every month as a new
//! quarter, and misses the first weeks of a year.

use dormouse_clock::Timestamp;
use dormouse_store::VolumeFrequency;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Whether the digest sent at `now` begins a new volume if the last one was sent at `last` (0:
/// never). After the clock was set back no volume begins.
pub fn is_new(
    frequency: VolumeFrequency,
    last: Timestamp,
    now: Timestamp,
    zone: &TimeZone,
) -> bool {
    let first_day = |at: Timestamp| begins(frequency, date(at, zone));
    last > Timestamp::EPOCH && first_day(now) > first_day(last)
}

fn date(at: Timestamp, zone: &TimeZone) -> Date {
    let timestamp =
        jiff::Timestamp::from_second(at.whole_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(zone.clone()).date()
}

/// Returns the first day of the period of a day; weeks begin on Mondays.
fn begins(frequency: VolumeFrequency, day: Date) -> Date {
    match frequency {
        VolumeFrequency::Year => day.first_of_year(),
        VolumeFrequency::Month => day.first_of_month(),
        VolumeFrequency::Quarter => {
            let into = (day.month() - 1) % 3;
            day.first_of_month().saturating_sub(i32::from(into).months())
        }
        VolumeFrequency::Week => {
            day.saturating_sub(i32::from(day.weekday().to_monday_zero_offset()).days())
        }
        VolumeFrequency::Day => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let day: Date = text.parse().unwrap();
        let noon = day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap();
        Timestamp::from_seconds(noon.timestamp().as_second() as f64)
    }

    fn is_new_at(frequency: VolumeFrequency, last: &str, now: &str) -> bool {
        is_new(frequency, at(last), at(now), &TimeZone::UTC)
    }

    #[test]
    fn a_volume_begins_with_its_period() {
        use VolumeFrequency::{Day, Month, Quarter, Week, Year};
        for (frequency, last, now, new) in [
            (Year, "2025-12-31", "2026-01-01", true),
            (Year, "2026-01-01", "2026-12-31", false),
            (Month, "2026-01-31", "2026-02-01", true),
            (Month, "2025-02-01", "2026-02-01", true),
            (Quarter, "2026-01-31", "2026-03-01", false),
            (Quarter, "2026-03-31", "2026-04-01", true),
            (Quarter, "2026-01-01", "2027-01-01", true),
            (Week, "2026-11-23", "2026-11-29", false),
            (Week, "2026-11-29", "2026-11-30", true),
            // One week, two years.
            (Week, "2026-12-28", "2027-01-03", false),
            (Week, "2026-12-27", "2027-01-04", true),
            (Day, "2026-11-23", "2026-11-23", false),
            (Day, "2026-11-23", "2026-11-24", true),
            (Day, "2026-11-24", "2026-11-23", false),
        ] {
            assert_eq!(is_new_at(frequency, last, now), new, "{frequency:?} {last} {now}");
        }
        assert!(
            !is_new(Day, Timestamp::EPOCH, at("2026-11-23"), &TimeZone::UTC),
            "the first digest ever"
        );
    }

    #[test]
    fn days_are_those_of_the_place() {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let evening = at("2026-11-23");
        assert!(!is_new(VolumeFrequency::Day, evening, evening + 2.0 * 3600.0, &TimeZone::UTC));
        assert!(is_new(VolumeFrequency::Day, evening, evening + 4.0 * 3600.0, &zone));
    }
}
