//! Limits of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Once;

static RAISED: Once = Once::new();

/// Raises the limit of open files to the hard limit. A batch keeps each source and output open,
/// with its lock: more files than the usual limit of 1,024. A process calls this once, however
/// often it drains.
pub fn allow_open_files() {
    RAISED.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!("the limit of open files stays at {:?}: {error}", limit.current);
        }
    });
}
