//! The current time. All code that depends on the time calls this, so that a test can let days
//! pass.
//!
//! `DORMOUSE_CLOCK=+SECONDS` puts the clock forward, in debug builds only.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The time, shifted by `DORMOUSE_CLOCK`.
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

/// The time, in seconds since the epoch.
pub fn seconds() -> f64 {
    now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}
