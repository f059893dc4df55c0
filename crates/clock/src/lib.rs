//! Points in time, and the current time.
//!
//! A [`Timestamp`] is what envelopes, the database, tokens and the log keep: seconds since the epoch with a
//! fraction, as Mailman keeps them. A bare `f64` in a signature is therefore always a span of
//! seconds, never a point in time. [`now`] is the same clock for the file system, whose times are
//! `SystemTime`.
//!
//! All code that depends on the time asks here, so that a test can let days pass:
//! `DORMOUSE_CLOCK=+SECONDS` puts the clock forward, in debug builds only.
//!
//! # Limits
//! Near the present a `Timestamp` resolves about a quarter of a microsecond.
//!
//! # Example
//! ```
//! use dormouse_clock::Timestamp;
//! use std::time::Duration;
//!
//! let held_at = Timestamp::from_seconds(1_795_442_852.0);
//! let expires_at = held_at + Duration::from_secs(3600);
//! assert_eq!(expires_at - held_at, 3600.0);
//! assert!(expires_at < Timestamp::now());
//! ```

mod timestamp;

pub use timestamp::Timestamp;

use std::time::SystemTime;

/// The English names of the months, as in mail and in the addresses of archives. The first three letters are
/// the names in Date fields. For people `dormouse_words` has them in their language.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Returns the current time.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns the current time, shifted by `DORMOUSE_CLOCK`.
#[cfg(debug_assertions)]
pub fn now() -> SystemTime {
    use std::sync::OnceLock;
    use std::time::Duration;

    static FORWARD: OnceLock<Duration> = OnceLock::new();
    let forward = FORWARD.get_or_init(|| {
        let Ok(text) = std::env::var("DORMOUSE_CLOCK") else { return Duration::ZERO };
        let seconds = text.trim_start_matches('+').parse();
        Duration::from_secs(seconds.expect("DORMOUSE_CLOCK is a number of seconds"))
    });
    SystemTime::now() + *forward
}
