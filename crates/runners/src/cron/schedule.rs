//! When a job is due, in the calendar of the server's place.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// A time of every day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// The hour, from 0.
    pub hour: i8,
    /// The minute.
    pub minute: i8,
}

impl Daily {
    /// As systemd's `OnCalendar=` has it.
    pub fn calendar(self) -> String {
        format!("*-*-* {:02}:{:02}:00", self.hour, self.minute)
    }

    /// The period that `now` (seconds since the epoch) is in: the day of the latest time at which
    /// the job was due, such as `2026-11-23`. So a job that could not run at its time runs for the
    /// same period later.
    pub fn period(self, now: f64, zone: &TimeZone) -> String {
        let timestamp = Timestamp::from_second(now as i64).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = timestamp.to_zoned(zone.clone()).datetime();
        let is_before = (local.hour(), local.minute()) < (self.hour, self.minute);
        let day = if is_before { local.date().saturating_sub(1.day()) } else { local.date() };
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Daily = Daily { hour: 12, minute: 5 };

    #[test]
    fn a_period_begins_at_the_jobs_time() {
        let midnight = 1_795_478_400.0; // 2026-11-24 00:00 UTC
        let period = |seconds: f64| NOON.period(midnight + seconds, &TimeZone::UTC);
        assert_eq!(period(0.0), "2026-11-23");
        assert_eq!(period(12.0 * 3600.0 + 299.0), "2026-11-23");
        assert_eq!(period(12.0 * 3600.0 + 300.0), "2026-11-24");
        assert_eq!(NOON.calendar(), "*-*-* 12:05:00");
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(NOON.period(midnight + 4.0 * 3600.0, &zone), "2026-11-24");
    }
}
