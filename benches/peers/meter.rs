//! Time, processor time and memory of a command and of everything that it leaves behind.
//!
//! The command runs under a process of its own, this program called anew, to which its orphans return.

use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, wait};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The word by which this program is called as a meter.
pub const ASKED: &str = "--meter";

/// What a command took.
#[derive(Debug, Clone, Copy)]
pub struct Metered {
    /// Until it ended.
    pub free: Duration,
    /// Processor time of it and of all that it left behind.
    pub cpu: Duration,
    /// The memory of the largest of these processes, in MB.
    pub mb: f64,
    /// What the meter took beside the command.
    pub overhead: Duration,
}

/// A command that says nothing.
pub fn plain(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs a command so often, each time with that input.
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

/// What this program does as a meter: for each round a line with the microseconds until the command
/// ended, until all had ended, of processor time, and the kilobytes of the largest process.
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
        // It has been waited for above, among the others.
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
