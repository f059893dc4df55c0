//! A point in time.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::num::ParseFloatError;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in seconds since the epoch. Spans between two of them are seconds (`f64`).
///
/// It may come from a foreign file and be any number; comparisons then behave as for floats.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(f64);

/// The number of seconds.
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Timestamp {
    /// 1970-01-01. Where the database keeps no null, it stands for "never".
    pub const EPOCH: Timestamp = Timestamp(0.0);

    /// Returns the current time.
    pub fn now() -> Timestamp {
        crate::now().into()
    }

    /// Returns the time that is this many seconds after the epoch.
    pub const fn from_seconds(seconds: f64) -> Timestamp {
        Timestamp(seconds)
    }

    /// Returns the seconds since the epoch, with their fraction.
    pub const fn seconds(self) -> f64 {
        self.0
    }

    /// Returns the whole seconds since the epoch.
    pub const fn whole_seconds(self) -> i64 {
        self.0 as i64
    }

    /// Returns the later of two times.
    pub const fn max(self, other: Timestamp) -> Timestamp {
        Timestamp(self.0.max(other.0))
    }

    /// Returns the earlier of two times.
    pub const fn min(self, other: Timestamp) -> Timestamp {
        Timestamp(self.0.min(other.0))
    }

    /// Compares two times; unlike `<` it also orders those that are not a number.
    pub fn total_cmp(self, other: Timestamp) -> Ordering {
        self.0.total_cmp(&other.0)
    }

    /// Returns the system's form of it; `None` before the epoch and beyond what the system can
    /// express.
    pub fn to_system(self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(self.0).ok()?)
    }
}

/// A time before the epoch becomes the epoch.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        Timestamp(time.duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64()))
    }
}

/// Reads a number of seconds since the epoch.
impl FromStr for Timestamp {
    type Err = ParseFloatError;

    fn from_str(text: &str) -> Result<Timestamp, ParseFloatError> {
        text.parse().map(Timestamp)
    }
}

impl Add<f64> for Timestamp {
    type Output = Timestamp;

    fn add(self, seconds: f64) -> Timestamp {
        Timestamp(self.0 + seconds)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, span: Duration) -> Timestamp {
        self + span.as_secs_f64()
    }
}

impl Sub<f64> for Timestamp {
    type Output = Timestamp;

    fn sub(self, seconds: f64) -> Timestamp {
        Timestamp(self.0 - seconds)
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, span: Duration) -> Timestamp {
        self - span.as_secs_f64()
    }
}

/// The seconds from the second to the first, negative if the first is earlier.
impl Sub for Timestamp {
    type Output = f64;

    fn sub(self, earlier: Timestamp) -> f64 {
        self.0 - earlier.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_cannot_express_is_none() {
        for strange in [-1.0, 1e300, f64::NAN, f64::INFINITY] {
            assert_eq!(Timestamp::from_seconds(strange).to_system(), None, "{strange}");
        }
        assert_eq!(Timestamp::EPOCH.to_system(), Some(UNIX_EPOCH));
        let time = UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(Timestamp::from(time).to_system(), Some(time));
    }

    #[test]
    fn it_is_written_as_a_number() {
        let time = Timestamp::from_seconds(1_795_442_852.5);
        assert_eq!(serde_json::to_string(&time).unwrap(), "1795442852.5");
        assert_eq!(serde_json::from_str::<Timestamp>("1795442852").unwrap() + 0.5, time);
        assert_eq!("1795442852.5".parse(), Ok(time));
    }

    #[test]
    fn differences_are_seconds() {
        let (time, day) = (Timestamp::from_seconds(1e9), Duration::from_secs(86_400));
        assert_eq!(time + day - time, 86_400.0);
        assert_eq!(time - day - time, -86_400.0);
        assert_eq!((time - day).max(time), time);
    }
}
