//! What the tests of this crate share.

use crate::{Site, StoreError};
use std::path::Path;

/// A new site, with its database where the tests are to have it.
pub fn site(dir: &Path, host: &str) -> Result<Site, StoreError> {
    match throwaway_postgres::wanted() {
        Some(server) => Site::init_on(dir, host, &server).map(|(site, _)| site),
        None => Site::init(dir, host),
    }
}
