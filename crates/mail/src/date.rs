//! Dates as headers have them.

use jiff::{Timestamp, tz::TimeZone};
use std::time::SystemTime;

/// A time in the local time zone (RFC 5322 §3.3).
pub fn rfc5322(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::system()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_a_weekday_and_a_zone() {
        let date = rfc5322(SystemTime::UNIX_EPOCH);
        assert!(date.contains(" 1970 ") || date.contains(" 1969 "), "{date}");
        assert_eq!(date.split(' ').count(), 6, "{date}");
    }
}
