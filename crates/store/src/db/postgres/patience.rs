//! A time limit for attempts to connect. The client library limits only how long the network may take: a server
//! whose processes are stopped is connected to by its kernel, and never answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The maximum number of attempts that still wait after their time limit. Each has a thread and files.
const MOST_WAITING: usize = 16;

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// An attempt that has not ended.
struct Waiting;

impl Waiting {
    /// Counts another attempt, unless there are too many.
    fn begin() -> Option<Waiting> {
        let waiting = (WAITING.fetch_add(1, Ordering::Relaxed), Waiting);
        (waiting.0 < MOST_WAITING).then_some(waiting.1)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns the result of an attempt, or `None` if it takes longer. Then it ends by itself, and its result is
/// dropped.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    attempt: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Some(waiting) = Waiting::begin() else {
        thread::sleep(limit);
        return None;
    };
    let (sender, receiver) = mpsc::channel();
    let attempt = move || {
        let result = attempt();
        drop(waiting);
        // Nobody waits for it after the time limit.
        let _sent = sender.send(result);
    };
    // If no thread can be started, the attempt and its sender are dropped.
    let _thread = thread::Builder::new().spawn(attempt).ok();
    receiver.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_does_not_end_is_given_up() {
        assert_eq!(within(Duration::from_secs(60), || 1), Some(1));
        let (release, wait) = mpsc::channel::<()>();
        let late = move || wait.recv().is_ok();
        assert_eq!(within(Duration::from_millis(10), late), None);
        drop(release);
    }
}
