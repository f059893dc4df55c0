//! When a job is due.

use dormouse_clock::Timestamp;
use jiff::ToSpan as _;
use jiff::tz::TimeZone;

/// A repeated time at which a job is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Every day at a time, in the server's time zone.
    Daily {
        /// The hour, from 0.
        hour: i8,
        /// The minute.
        minute: i8,
    },
    /// At intervals, while there is something to do.
    Every {
        /// The interval in minutes, a part of an hour.
        minutes: u8,
    },
}

impl Schedule {
    /// Describes it for people.
    pub fn in_words(self) -> String {
        match self {
            Schedule::Daily { hour, minute } => format!("{hour:02}:{minute:02}:00"),
            Schedule::Every { minutes } => format!("every {minutes} min"),
        }
    }

    /// Returns the period of `now`. Later periods compare as greater.
    ///
    /// The period of a daily job is the day of the latest time at which it was due, such as
    /// `2026-11-23`; so a job that could not run at its time runs later for the same period. Other
    /// periods are parts of an hour, such as `2026-11-23T10:05`, in UTC, so that they do not repeat
    /// at the end of summer time.
    pub fn period(self, now: Timestamp, zone: &TimeZone) -> String {
        let timestamp = jiff::Timestamp::from_second(now.whole_seconds())
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        match self {
            Schedule::Daily { hour, minute } => {
                let local = timestamp.to_zoned(zone.clone()).datetime();
                let is_before = (local.hour(), local.minute()) < (hour, minute);
                let day =
                    if is_before { local.date().saturating_sub(1.day()) } else { local.date() };
                day.to_string()
            }
            Schedule::Every { minutes } => {
                let utc = timestamp.to_zoned(TimeZone::UTC).datetime();
                let length = i8::try_from(minutes).unwrap_or(60).clamp(1, 60);
                let begun = utc.minute() / length * length;
                format!("{}T{:02}:{begun:02}", utc.date(), utc.hour())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT: Timestamp = Timestamp::from_seconds(1_795_478_400.0); // 2026-11-24 00:00 UTC

    #[test]
    fn a_period_begins_at_the_jobs_time() {
        let noon = Schedule::Daily { hour: 12, minute: 5 };
        let period = |seconds: f64| noon.period(MIDNIGHT + seconds, &TimeZone::UTC);
        assert_eq!(period(0.0), "2026-11-23");
        assert_eq!(period(12.0 * 3600.0 + 299.0), "2026-11-23");
        assert_eq!(period(12.0 * 3600.0 + 300.0), "2026-11-24");
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(noon.period(MIDNIGHT + 4.0 * 3600.0, &zone), "2026-11-24");
    }

    #[test]
    fn parts_of_an_hour_follow_each_other_wherever_the_server_is() {
        let often = Schedule::Every { minutes: 5 };
        let zone = TimeZone::fixed(jiff::tz::offset(-9));
        let period = |seconds: f64| often.period(MIDNIGHT + seconds, &zone);
        assert_eq!(period(0.0), "2026-11-24T00:00");
        assert_eq!(period(299.0), "2026-11-24T00:00");
        assert_eq!(period(300.0), "2026-11-24T00:05");
        assert_eq!(period(3599.0), "2026-11-24T00:55");
        let day: Vec<String> = (0..288).map(|part| period(f64::from(part) * 300.0)).collect();
        assert!(day.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
