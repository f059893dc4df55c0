//! The alternative to systemd's path units: a small resident process that waits for entries and
//! starts a drain as a child.

mod post;

pub use post::{Often, WatchPost};

use crate::{ActivationError, Ended, Presence, Waiter};
use dormouse_spool::{Queue, QueueFileState, Spool, SpoolError};
use dormouse_store::{Arrangement, Site};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pause after a run that failed or left entries.
const PAUSE: Duration = Duration::from_secs(15);
/// The interval of checks for the remains of killed runs.
const SWEEP: Duration = Duration::from_secs(15 * 60);
/// How long a child may take to exit after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(25);

/// Watches until SIGTERM or SIGINT, or until the settings change. Then it asks the current run to
/// exit, and waits for it.
///
/// # Errors
/// If the queues cannot be watched, or a run cannot be started.
pub fn run(post: &WatchPost) -> Result<Ended, ActivationError> {
    let stop = Arc::new(AtomicBool::new(false));
    let is_over = Arc::new(AtomicBool::new(false));
    let hear = || {
        let (signals, signalled) = UnixStream::pair()?;
        signalled.set_nonblocking(true)?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_over))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        for signal in [SIGTERM, SIGINT, SIGCHLD] {
            signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
        }
        Ok(signals)
    };
    let signals =
        hear().map_err(|error| ActivationError::child("be notified of signals to", error))?;
    let _here = Presence::announce(&post.site, "watch", &post.settings).inspect_err(|error| {
        tracing::warn!("this watch is not registered, so `status` does not show it: {error}");
    });
    let mut jobs: Vec<Job<'_>> = post.jobs.iter().map(Job::new).collect();
    let kept = keep(post, &stop, signals, &mut jobs);
    jobs.into_iter().try_for_each(Job::end)?;
    // From here on `stop` is no longer checked: a signal before the next program has its handlers
    // must end this process.
    is_over.store(true, Ordering::SeqCst);
    match kept? {
        Ended::Restart if stop.load(Ordering::SeqCst) => Ok(Ended::Stop),
        ended => Ok(ended),
    }
}

fn keep(
    post: &WatchPost,
    stop: &AtomicBool,
    signals: UnixStream,
    jobs: &mut [Job<'_>],
) -> Result<Ended, ActivationError> {
    let mut queues = Queues::of(post);
    let dirs: Vec<PathBuf> =
        queues.on_demand.iter().map(|&queue| queues.spool.dir(queue)).collect();
    let mut waiter = Waiter::new(&dirs, post.interval, signals)?;
    let mut settings = Settings::of(post);
    waiter.also_watch(&settings.file)?;
    while !stop.load(Ordering::Relaxed) {
        if settings.have_changed(post) {
            return Ok(Ended::Restart);
        }
        // A replaced file must be watched again.
        waiter.also_watch(&settings.file)?;
        for job in &mut *jobs {
            job.look_after(post)?;
        }
        let due = queues.due()?;
        if !due.is_empty() {
            let well = drain(post, &due, stop, &mut waiter)?;
            if !well && !stop.load(Ordering::Relaxed) {
                let again = Instant::now() + PAUSE;
                while Instant::now() < again && !stop.load(Ordering::Relaxed) {
                    waiter.wait(Some(again.saturating_duration_since(Instant::now())))?;
                }
            }
            continue;
        }
        let of_jobs = jobs.iter().map(|job| job.round.left());
        waiter.wait(of_jobs.chain(queues.next()?).min())?;
    }
    Ok(Ended::Stop)
}

/// The queues that are watched, and when each is looked at.
struct Queues {
    spool: Spool,
    on_demand: Vec<Queue>,
    rounds: Vec<(Queue, Round)>,
    sweep: Round,
}

impl Queues {
    fn of(post: &WatchPost) -> Queues {
        let mut queues = Queues {
            spool: Spool::new(&post.qfiles),
            on_demand: Vec::new(),
            rounds: Vec::new(),
            sweep: Round::new(SWEEP),
        };
        for (queue, arrangement) in &post.queues {
            match arrangement {
                Arrangement::OnDemand => queues.on_demand.push(*queue),
                Arrangement::Timer(every) => {
                    queues.rounds.push((*queue, Round::new(every.duration())));
                }
                _ => {}
            }
        }
        queues
    }

    /// The queues that have something to do now.
    fn due(&mut self) -> Result<Vec<Queue>, ActivationError> {
        let spool = &self.spool;
        let mut due = Vec::new();
        let left_behind = self.sweep.is_due();
        if left_behind && !self.on_demand.is_empty() && spool.has_remains()? {
            due.clone_from(&self.on_demand);
        }
        for &queue in &self.on_demand {
            if is_due(spool, queue)?
                || left_behind && has_claims(spool, queue)?
                || left_behind && waits_long(spool, queue)?
            {
                due.clone_from(&self.on_demand);
            }
        }
        for (queue, round) in &mut self.rounds {
            if round.is_due() && (is_due(spool, *queue)? || has_claims(spool, *queue)?) {
                due.push(*queue);
            }
        }
        Ok(due)
    }

    /// The time until a queue must be looked at without any notification.
    fn next(&self) -> Result<Option<Duration>, ActivationError> {
        let has_retries = self.on_demand.contains(&Queue::Retry);
        let retry = has_retries.then(|| self.spool.next_due(ANY_WAIT)).transpose()?.flatten();
        let retry = retry.map(|due| {
            // File times may have whole seconds; a moment later is late enough.
            due.duration_since(dormouse_clock::now()).unwrap_or_default()
                + Duration::from_millis(20)
        });
        let rounds = self.rounds.iter().map(|(_, round)| round.left());
        Ok(rounds.chain([self.sweep.left()]).chain(retry).min())
    }
}

/// The settings file, as it was when it was last checked.
struct Settings {
    file: PathBuf,
    text: Option<Vec<u8>>,
}

impl Settings {
    fn of(post: &WatchPost) -> Settings {
        Settings { file: Site::config_file_in(&post.site), text: None }
    }

    /// Whether the settings differ from those of this watch, and are valid. Mail must go on while
    /// somebody is editing them.
    fn have_changed(&mut self, post: &WatchPost) -> bool {
        let Ok(text) = std::fs::read(&self.file) else { return false };
        if self.text.as_ref() == Some(&text) {
            return false;
        }
        let is_new = Site::mark_of(&text) != post.settings;
        self.text = Some(text);
        if !is_new {
            return false;
        }
        let can = post.can_be_made_anew().status().is_ok_and(|status| status.success());
        if !can {
            tracing::error!("the old settings are kept: {} is invalid", self.file.display());
        }
        can
    }
}

/// The maximum wait is a setting, which this program does not read.
const ANY_WAIT: Duration = Duration::from_secs(u32::MAX as u64);

/// An interval timer.
struct Round {
    every: Duration,
    next: Instant,
}

impl Round {
    /// Creates a timer that is due immediately.
    fn new(every: Duration) -> Round {
        Round { every, next: Instant::now() }
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

/// A periodic job. It runs in parallel to the drains, because other hosts may be slow.
struct Job<'p> {
    about: &'p Often,
    round: Round,
    child: Option<Child>,
}

impl Job<'_> {
    fn new(about: &Often) -> Job<'_> {
        Job { about, round: Round::new(about.every), child: None }
    }

    /// Starts it if it is due, has something to do, and is not running.
    fn look_after(&mut self, post: &WatchPost) -> Result<(), ActivationError> {
        if let Some(child) = &mut self.child
            && let Some(well) = reaped(child)?
        {
            self.child = None;
            if !well {
                tracing::warn!("{} failed", self.about.name);
            }
        }
        if self.round.is_due() && self.child.is_none() && self.about.marker.exists() {
            self.child = Some(started(post.job(self.about))?);
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), ActivationError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        crate::master::ask_to_end(child);
        let asked = Instant::now();
        while reaped(child)?.is_none() {
            if asked.elapsed() > PATIENCE {
                child.kill().map_err(|source| ActivationError::child("kill", source))?;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Whether a run would have something to do.
fn is_due(spool: &Spool, queue: Queue) -> Result<bool, SpoolError> {
    match queue {
        Queue::Retry => {
            Ok(spool.next_due(ANY_WAIT)?.is_some_and(|due| due <= dormouse_clock::now()))
        }
        _ => Ok(!spool.is_empty(queue)?),
    }
}

/// Whether an entry waits for its time. The time may be wrong, which only a run can detect.
fn waits_long(spool: &Spool, queue: Queue) -> Result<bool, SpoolError> {
    Ok(queue == Queue::Retry && !spool.is_empty(queue)?)
}

fn has_claims(spool: &Spool, queue: Queue) -> Result<bool, SpoolError> {
    Ok(spool.list(queue)?.iter().any(|found| found.state == QueueFileState::Claimed))
}

/// Runs a drain, and returns whether it succeeded.
fn drain(
    post: &WatchPost,
    queues: &[Queue],
    stop: &AtomicBool,
    waiter: &mut Waiter,
) -> Result<bool, ActivationError> {
    let mut child = started(post.drain(queues))?;
    let mut asked = None;
    loop {
        if let Some(status) = reaped(&mut child)? {
            return Ok(status);
        }
        if asked.is_none() && stop.load(Ordering::Relaxed) {
            crate::master::ask_to_end(&child);
            asked = Some(Instant::now());
        }
        if asked.is_some_and(|since| since.elapsed() > PATIENCE) {
            child.kill().map_err(|source| ActivationError::child("kill", source))?;
        }
        // The exit of a child is a signal, too.
        waiter.wait_for_signal(Duration::from_secs(1))?;
    }
}

fn started(mut command: Command) -> Result<Child, ActivationError> {
    let command_line = format!("{command:?}");
    command.spawn().map_err(|source| ActivationError::NoCommand { command: command_line, source })
}

fn reaped(child: &mut Child) -> Result<Option<bool>, ActivationError> {
    let ended = child.try_wait().map_err(|source| ActivationError::child("wait for", source))?;
    Ok(ended.map(|status| status.success()))
}
