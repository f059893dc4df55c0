//! When a costly entry makes way for light ones.

use super::Lane;
use crate::Shared;
use std::time::{Duration, Instant};

/// The interval of checks for light entries while a costly one is processed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Decides when a costly entry must stop for light ones.
pub(crate) struct Patience {
    looked: Instant,
}

impl Patience {
    pub fn new() -> Patience {
        Patience { looked: Instant::now() }
    }

    /// Whether a light entry has arrived that nobody else would take.
    pub fn is_over(&mut self, lane: &Lane, shared: &Shared<'_>, gives_way: bool) -> bool {
        if !gives_way || self.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        self.looked = Instant::now();
        lane.has_light(shared)
    }
}
