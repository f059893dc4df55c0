//! Waiting for other processes.

use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Display;
use std::process::Child;
use std::time::{Duration, Instant};

/// How long to wait for anything that has to happen. Far longer than it takes: on a busy machine
/// with a slow disk everything is late, and only what never happens is a failure.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Waits until a condition holds.
///
/// # Panics
/// If it does not hold in time. `state` is added to the message.
pub fn eventually_or<D: Display>(
    what: &str,
    mut is_so: impl FnMut() -> bool,
    state: impl FnOnce() -> D,
) {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > PATIENCE {
            panic!("timed out waiting for {what}: {}", state());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Like [`eventually_or`], without a state.
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_or(what, is_so, || "it never happened");
}

/// Waits until a process has been stopped by `DORMOUSE_STOP`.
pub fn until_stopped(process: &Child) {
    let state = format!("/proc/{}/stat", process.id());
    let is_stopped = || std::fs::read_to_string(&state).is_ok_and(|text| text.contains(") T "));
    eventually("the process to be stopped", is_stopped);
}

/// Continues a stopped process.
pub fn go_on(process: &Child) {
    kill_process(Pid::from_child(process), Signal::CONT).expect("the process exists");
}
