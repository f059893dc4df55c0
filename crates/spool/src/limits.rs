//! What the system allows this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Once;

static RAISED: Once = Once::new();

/// Raises the limit of open files to what the administrator set as the hard one. A batch keeps each
/// source and each output open, with its lock: more files than the customary 1,024. A process that
/// stays drains often, and asks once.
pub fn allow_open_files() {
    RAISED.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!("the limit of open files stays at {:?}: {error}", limit.current);
        }
    });
}
