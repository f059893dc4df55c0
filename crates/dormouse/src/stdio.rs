//! A closed standard output, as in `dormouse list ls >&-`.
//!
//! Before `main`, the standard library opens `/dev/null` in place of a closed descriptor, so that no file
//! gets its number. Afterwards nobody can tell whether the caller wanted the output to be thrown away, and a
//! command whose output is lost would end with 0. Therefore this program fills the gap first, with
//! something that fails when it is written to. A program that this one becomes or starts finds the
//! descriptor closed again.

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::stdio;
use std::os::fd::AsRawFd as _;
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
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let Ok(full) = rustix::fs::open("/dev/full", flags, Mode::empty()) else { return };
    // As the lowest free number it has become standard output by itself, if standard input is open.
    if full.as_raw_fd() == stdio::raw_stdout() {
        std::mem::forget(full);
    } else {
        // Nothing can be told here; what is lost is lost as above.
        let _copied = stdio::dup2_stdout(&full)
            .and_then(|()| rustix::io::fcntl_setfd(stdio::stdout(), FdFlags::CLOEXEC));
    }
}

/// Whether standard output was closed when the program was started.
pub fn was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}
