//! Helpers for the tests of this crate.

use crate::{Site, StoreError};
use dormouse_clock::Timestamp;
use std::path::Path;

/// Creates a site, with its database in a file or on the server chosen for the tests.
pub fn site(dir: &Path, host: &str) -> Result<Site, StoreError> {
    match throwaway_postgres::wanted() {
        Some(server) => Site::init_on(dir, host, &server).map(|(site, _)| site),
        None => Site::init(dir, host),
    }
}

/// A time in seconds since 1970.
pub fn time(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}
