//! The resident alternative to systemd's path units: one small process that waits and starts a drain
//! as a child, and otherwise does nothing.

use crate::{ActivationError, Waiter};
use dormouse_spool::{FoundState, Queue, Spool, SpoolError, clock};
use dormouse_store::Arrangement;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After a run that failed, or left something.
const PAUSE: Duration = Duration::from_secs(15);
/// How often it looks for what killed runs left behind.
const SWEEP: Duration = Duration::from_secs(15 * 60);
/// How long a child that was asked to end may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// What is to be watched, and what to start.
pub struct Post<'w> {
    /// The queues.
    pub spool: &'w Spool,
    /// What makes each of them be worked off. Resident and switched-off ones are left alone.
    pub queues: &'w [(Queue, Arrangement)],
    /// How often to look where the kernel does not tell.
    pub interval: Duration,
    /// A run over some queues.
    pub run: &'w dyn Fn(&[Queue]) -> Command,
    /// Set by the signals that end the watch, which also write to `signals`.
    pub stop: &'w AtomicBool,
}

/// Watches until it is stopped. Something has to be read from `signals` when `stop` is set, and when
/// a child has ended. A run that is going on then is asked to end, and waited for.
///
/// # Errors
/// When nothing can be watched, or no run can be started.
pub fn keep(post: &Post<'_>, signals: UnixStream) -> Result<(), ActivationError> {
    let on_demand: Vec<Queue> = post
        .queues
        .iter()
        .filter(|(_, arrangement)| *arrangement == Arrangement::OnDemand)
        .map(|(queue, _)| *queue)
        .collect();
    let dirs: Vec<PathBuf> = on_demand.iter().map(|&queue| post.spool.dir(queue)).collect();
    let mut waiter = Waiter::new(&dirs, post.interval, signals)?;
    let mut rounds: Vec<Round> = post
        .queues
        .iter()
        .filter_map(|(queue, arrangement)| match arrangement {
            Arrangement::Timer(every) => Some(Round::new(vec![*queue], every.duration())),
            _ => None,
        })
        .collect();
    let mut sweep = Instant::now();
    while !post.stop.load(Ordering::Relaxed) {
        let mut due = Vec::new();
        let left_behind = sweep <= Instant::now();
        if left_behind {
            sweep = Instant::now() + SWEEP;
        }
        for &queue in &on_demand {
            if is_due(post.spool, queue)? || left_behind && has_claims(post.spool, queue)? {
                due.clone_from(&on_demand);
            }
        }
        for round in &mut rounds {
            if round.is_due() {
                for &queue in &round.queues {
                    if is_due(post.spool, queue)? || has_claims(post.spool, queue)? {
                        due.push(queue);
                    }
                }
            }
        }
        if !due.is_empty() {
            let well = run(post, &due, &mut waiter)?;
            if !well && !post.stop.load(Ordering::Relaxed) {
                let again = Instant::now() + PAUSE;
                while Instant::now() < again && !post.stop.load(Ordering::Relaxed) {
                    waiter.wait(Some(again.saturating_duration_since(Instant::now())))?;
                }
            }
            continue;
        }
        let retry = on_demand.contains(&Queue::Retry).then(|| post.spool.next_due());
        let retry = retry.transpose()?.flatten().map(|due| {
            // A file time is in whole seconds at best: a moment later is late enough.
            due.duration_since(clock::now()).unwrap_or_default() + Duration::from_millis(20)
        });
        let next_round = rounds.iter().map(Round::left).min();
        let next_sweep = sweep.saturating_duration_since(Instant::now());
        waiter.wait([retry, next_round, Some(next_sweep)].into_iter().flatten().min())?;
    }
    Ok(())
}

/// A queue on a timer.
struct Round {
    queues: Vec<Queue>,
    every: Duration,
    next: Instant,
}

impl Round {
    fn new(queues: Vec<Queue>, every: Duration) -> Round {
        Round { queues, every, next: Instant::now() }
    }

    fn is_due(&mut self) -> bool {
        let due = self.next <= Instant::now();
        if due {
            self.next = Instant::now() + self.every;
        }
        due
    }

    fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }
}

/// Whether a run would find something to do.
fn is_due(spool: &Spool, queue: Queue) -> Result<bool, SpoolError> {
    match queue {
        Queue::Retry => Ok(spool.next_due()?.is_some_and(|due| due <= clock::now())),
        _ => Ok(!spool.is_empty(queue)?),
    }
}

fn has_claims(spool: &Spool, queue: Queue) -> Result<bool, SpoolError> {
    Ok(spool.list(queue)?.iter().any(|found| found.state == FoundState::Claimed))
}

/// Runs a drain to its end. Whether it ended well.
fn run(post: &Post<'_>, queues: &[Queue], waiter: &mut Waiter) -> Result<bool, ActivationError> {
    let mut command = (post.run)(queues);
    let mut child = command
        .spawn()
        .map_err(|source| ActivationError::NoCommand { command: format!("{command:?}"), source })?;
    let mut asked = None;
    loop {
        if let Some(status) = reaped(&mut child)? {
            return Ok(status);
        }
        if asked.is_none() && post.stop.load(Ordering::Relaxed) {
            crate::master::ask_to_end(&child);
            asked = Some(Instant::now());
        }
        if asked.is_some_and(|since| since.elapsed() > PATIENCE) {
            child.kill().map_err(|source| ActivationError::child("kill", source))?;
        }
        // The end of a child is a signal, too.
        waiter.wait_for_signal(Duration::from_secs(1))?;
    }
}

fn reaped(child: &mut Child) -> Result<Option<bool>, ActivationError> {
    let ended = child.try_wait().map_err(|source| ActivationError::child("wait for", source))?;
    Ok(ended.map(|status| status.success()))
}
