//! A closed standard output, as in `dormouse list ls >&-`.
//!
//! Before `main`, the standard library opens `/dev/null` in place of a closed descriptor, so that no file
//! gets its number. Afterwards nobody can tell whether the caller wanted the output to be thrown away, and a
//! command whose output is lost would end with 0. Therefore this program fills the gap first, with
//! something that fails when it is written to.

use rustix::fs::{Mode, OFlags};
use rustix::stdio;
use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before the standard library looks at the descriptors.
#[ctor::ctor]
fn fill_the_gap() {
    if rustix::io::fcntl_getfd(stdio::stdout()).is_ok() {
        return;
    }
    WAS_CLOSED.store(true, Ordering::Relaxed);
    // Without such a device the output is lost as if it had been sent to /dev/null.
    if let Ok(full) = rustix::fs::open("/dev/full", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        && stdio::dup2_stdout(&full).is_ok()
    {
        use std::os::fd::AsRawFd as _;
        // It may have become standard output by itself, as the lowest free number.
        if full.as_raw_fd() == 1 {
            std::mem::forget(full);
        }
    }
}

/// Whether standard output was closed when the program was started.
pub fn was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}
