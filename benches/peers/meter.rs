//! Measures time, processor time and memory of a command and all its descendants.
//!
//! The command runs below a separate process, another instance of this program, which adopts its
//! orphans.

use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, wait};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The argument that runs this program as a meter.
pub const ASKED: &str = "--meter";

/// The resources that a command used.
#[derive(Debug, Clone, Copy)]
pub struct Metered {
    /// The time until it ended.
    pub free: Duration,
    /// The processor time of it and its descendants.
    pub cpu: Duration,
    /// The memory of the largest of these processes, in MB.
    pub mb: f64,
    /// The meter's own time.
    pub overhead: Duration,
}

/// Returns a command without output.
pub fn plain(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs a command several times with that input.
pub fn run(words: &[String], input: &Path, rounds: usize) -> Vec<Metered> {
    let began = Instant::now();
    let own = std::env::current_exe().unwrap();
    let mut meter = Command::new(own);
    meter.arg(ASKED).arg(rounds.to_string()).arg(input).args(words);
    let said = meter.output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&said.stderr));
    let took = began.elapsed();
    let numbers = |line: &str| -> Vec<u64> {
        line.split(' ').map(|word| word.parse().expect("a number")).collect()
    };
    let lines: Vec<Vec<u64>> = text.lines().map(numbers).collect();
    let inside: u64 = lines.iter().map(|line| line[1]).sum();
    let overhead = took.saturating_sub(Duration::from_micros(inside));
    let metered = |line: &Vec<u64>| Metered {
        free: Duration::from_micros(line[0]),
        cpu: Duration::from_micros(line[2]),
        mb: line[3] as f64 / 1e3,
        overhead,
    };
    lines.iter().map(metered).collect()
}

/// Runs as a meter. For each round, prints a line with the microseconds until the command ended,
/// until all processes had ended, and of processor time, and the size of the largest process in
/// kilobytes.
pub fn measure(arguments: &[String]) {
    let [rounds, input, words @ ..] = arguments else { panic!("no command") };
    set_child_subreaper(Some(getpid())).unwrap();
    for _ in 0..rounds.parse().expect("a number") {
        let before = cpu();
        let input = File::open(input).unwrap();
        let began = Instant::now();
        let mut child = plain(words).stdin(input).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let mut free = None;
        while let Ok(Some((ended, status))) = wait(WaitOptions::empty()) {
            if ended == pid {
                free = Some(began.elapsed());
                assert_eq!(status.exit_status(), Some(0), "{words:?}");
            }
        }
        let (free, all) = (free.expect("it ended"), began.elapsed());
        // It was already waited for above, with the others.
        let _gone = child.wait();
        let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        println!(
            "{} {} {} {}",
            free.as_micros(),
            all.as_micros(),
            (cpu() - before).as_micros(),
            used.max_rss()
        );
    }
}

fn cpu() -> Duration {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()).unsigned_abs())
    };
    of(used.user_time()) + of(used.system_time())
}
