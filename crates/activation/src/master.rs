//! The alternative for hosts without systemd: a process that keeps others running (like Mailman's
//! `mailmanctl`, docs/spec/queue.md §10).

mod pid_file;

pub use pid_file::{PidFile, signal};

use crate::wait::timespec;
use crate::{ActivationError, Ended, Socket, Watch};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use sd_notify::NotifyState;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The first pause before a process that died is restarted; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A process that ran longer than this before it died is restarted after the first pause.
const LONG_LIFE: Duration = Duration::from_secs(60);
/// How long a process may take to exit after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process to keep running.
pub struct Charge<'m> {
    /// Its name in the log.
    pub name: String,
    /// Creates the command that starts it.
    pub command: Box<dyn Fn() -> std::io::Result<Command> + 'm>,
    /// If set, the process is only started when a client connects to this socket, which is its
    /// standard input, and is not restarted after success.
    pub socket: Option<Socket>,
}

/// Flags set by signals.
#[derive(Debug, Default)]
pub struct Orders {
    /// SIGTERM: stop all processes.
    pub stop: Arc<AtomicBool>,
    /// SIGINT: stop all processes, and start again.
    pub restart: Arc<AtomicBool>,
    /// SIGHUP: reopen the logs.
    pub reopen: Arc<AtomicBool>,
}

/// The settings on which the processes depend.
pub struct Settings<'m> {
    /// The settings file.
    pub file: &'m Path,
    /// Returns whether the settings now require other processes. Called whenever the file has
    /// changed.
    pub want_others: &'m dyn Fn() -> bool,
}

/// Notices changes of the settings.
struct Following<'m> {
    settings: &'m Settings<'m>,
    /// Without a watch, changes require a signal.
    watch: Option<Watch>,
    is_missing: bool,
    may_have_changed: bool,
}

impl<'m> Following<'m> {
    fn new(settings: &'m Settings<'m>) -> Following<'m> {
        let made = Watch::new(&[]).and_then(|watch| watch.also_of(settings.file).map(|()| watch));
        let watch = made
            .inspect_err(|error| tracing::warn!("changed settings need a restart: {error}"))
            .ok();
        // The file may have changed before the watch existed.
        Following { settings, watch, is_missing: false, may_have_changed: true }
    }

    /// Whether the settings have changed and require other processes.
    fn want_others(&mut self) -> bool {
        if let Err(error) = self.look() {
            tracing::warn!("changed settings need a restart from now on: {error}");
            self.watch = None;
        }
        std::mem::take(&mut self.may_have_changed) && (self.settings.want_others)()
    }

    fn look(&mut self) -> Result<(), ActivationError> {
        let file = self.settings.file;
        if let Some(watch) = &self.watch {
            let is_back = self.is_missing && file.exists();
            self.may_have_changed |= watch.entry_appeared()? || is_back;
            if self.may_have_changed {
                // A replaced file must be watched again.
                watch.also_of(file)?;
            }
            self.is_missing = !file.exists();
        }
        Ok(())
    }

    /// Returns when to check again: a missing file cannot be watched, and an editor may create it
    /// again soon.
    fn next(&self) -> Option<Duration> {
        self.is_missing.then_some(FIRST_PAUSE)
    }

    fn fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.watch.iter().map(|watch| PollFd::new(watch.fd(), PollFlags::IN))
    }
}

/// Keeps processes running, or starts them on connections, until a signal or a change of the
/// settings; then it stops them all. A process that dies is restarted after a pause, which grows
/// while it keeps dying. It never gives up.
///
/// # Errors
/// If waiting fails. A process that cannot be started is tried again.
pub fn keep_running(
    charges: &[Charge<'_>],
    orders: &Orders,
    settings: &Settings<'_>,
    mut signals: &UnixStream,
) -> Result<Ended, ActivationError> {
    signals.set_nonblocking(true).map_err(|error| ActivationError::child("wait for", error))?;
    let deaths = deaths()?;
    let mut posts: Vec<Keeping<'_>> = charges.iter().map(Keeping::new).collect();
    let alarm = sd_notify::watchdog_enabled().map(|every| every / 2);
    tell(&[NotifyState::Ready]);
    let mut ended = Ended::Stop;
    let mut following = Following::new(settings);
    while !orders.stop.load(Ordering::Relaxed) {
        let wants_others = following.want_others();
        if orders.restart.swap(false, Ordering::Relaxed) || wants_others {
            ended = Ended::Restart;
            break;
        }
        let renew = orders.reopen.swap(false, Ordering::Relaxed);
        for post in &mut posts {
            post.look_after(renew);
        }
        let next = posts.iter().filter_map(Keeping::next).min();
        let next = [next, alarm, following.next()].into_iter().flatten().min();
        let mut fds =
            vec![PollFd::new(signals, PollFlags::IN), PollFd::new(&deaths, PollFlags::IN)];
        fds.extend(following.fds());
        let others = fds.len();
        let waiting: Vec<(usize, &Socket)> = posts
            .iter()
            .enumerate()
            .filter_map(|(index, post)| Some((index, post.waits_at()?)))
            .collect();
        fds.extend(waiting.iter().map(|(_, socket)| PollFd::new(*socket, PollFlags::IN)));
        let called = match poll(&mut fds, next.map(timespec).as_ref()) {
            Ok(0) | Err(Errno::INTR) => Vec::new(),
            Ok(_) => {
                let _woken = signals.read(&mut [0; 64]);
                let _died = (&deaths).read(&mut [0; 64]);
                let answers = waiting.iter().zip(&fds[others..]);
                let called = answers.filter(|(_, fd)| !fd.revents().is_empty());
                called.map(|((index, _), _)| *index).collect()
            }
            Err(error) => return Err(ActivationError::child("wait for", error.into())),
        };
        for index in called {
            posts[index].is_called = true;
        }
        tell(&[NotifyState::Watchdog]);
    }
    if ended == Ended::Stop {
        tell(&[NotifyState::Stopping]);
    }
    end_all(&mut posts);
    Ok(ended)
}

/// Returns a stream that becomes readable when a child exits.
pub(crate) fn deaths() -> Result<UnixStream, ActivationError> {
    let hear = || {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, theirs)?;
        Ok(ours)
    };
    hear().map_err(|error| ActivationError::child("be notified of the end of", error))
}

/// Notifies the service manager, if there is one.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}

/// A process and its history.
struct Keeping<'m> {
    charge: &'m Charge<'m>,
    child: Option<Child>,
    started: Instant,
    pause: Duration,
    asked: bool,
    /// Whether a connection waits at its socket.
    is_called: bool,
}

impl<'m> Keeping<'m> {
    fn new(charge: &'m Charge<'m>) -> Keeping<'m> {
        Keeping {
            charge,
            child: None,
            started: Instant::now(),
            pause: Duration::ZERO,
            asked: false,
            is_called: false,
        }
    }

    /// Returns the socket to poll, if the process should be started on a connection.
    fn waits_at(&self) -> Option<&'m Socket> {
        let is_idle = self.child.is_none() && self.started.elapsed() >= self.pause;
        self.charge.socket.as_ref().filter(|_| is_idle)
    }

    /// Notices its exit, starts it after its pause, and with `renew` asks it to exit.
    fn look_after(&mut self, renew: bool) {
        let name = &self.charge.name;
        if let Some(child) = &mut self.child {
            match child.try_wait() {
                Ok(None) => {
                    if renew {
                        ask_to_end(child);
                        self.asked = true;
                    }
                    return;
                }
                Ok(Some(status)) if self.asked && is_on_request(status) => {
                    tracing::info!("{name} ended on request ({status})");
                    self.pause = Duration::ZERO;
                }
                Ok(Some(status)) if status.success() && self.charge.socket.is_some() => {
                    tracing::debug!("{name} is idle and has exited");
                    self.pause = Duration::ZERO;
                }
                Ok(Some(status)) => {
                    let lived = self.started.elapsed();
                    self.pause = match self.pause {
                        pause if pause.is_zero() || lived > LONG_LIFE => FIRST_PAUSE,
                        pause => (pause * 2).min(LONGEST_PAUSE),
                    };
                    let pause = self.pause.as_secs();
                    tracing::error!("{name} died ({status}); it is restarted in {pause} s");
                }
                Err(error) => tracing::error!("{name}: {error}"),
            }
            self.child = None;
            self.asked = false;
            self.started = Instant::now();
        }
        let is_wanted = self.charge.socket.is_none() || self.is_called;
        if !is_wanted || self.started.elapsed() < self.pause {
            return;
        }
        self.is_called = false;
        match self.start() {
            Ok(child) => {
                tracing::info!("{name} started as {}", child.id());
                self.child = Some(child);
            }
            Err(error) => {
                tracing::error!("{name} cannot be started: {error}");
                self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            }
        }
        self.started = Instant::now();
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = (self.charge.command)()?;
        if let Some(socket) = &self.charge.socket {
            command.stdin(socket.for_child()?);
        }
        command.spawn()
    }

    /// Returns how long to wait before the next call, unless a signal or a connection arrives
    /// earlier.
    fn next(&self) -> Option<Duration> {
        let waits = self.child.is_some() || self.waits_at().is_some();
        (!waits).then(|| self.pause.saturating_sub(self.started.elapsed()))
    }
}

fn end_all(posts: &mut [Keeping<'_>]) {
    for post in posts.iter() {
        post.child.iter().for_each(ask_to_end);
    }
    let deadline = Instant::now() + PATIENCE;
    for post in posts {
        let Some(child) = &mut post.child else { continue };
        loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Ok(None) => {
                    tracing::error!("{} did not end and is killed", post.charge.name);
                    if let Err(error) = child.kill().and_then(|()| child.wait()) {
                        tracing::error!("{}: {error}", post.charge.name);
                    }
                    break;
                }
                Ok(Some(_)) => break,
                Err(error) => {
                    tracing::error!("{}: {error}", post.charge.name);
                    break;
                }
            }
        }
    }
}

/// Whether a process that was asked to end did so; one that was killed meanwhile did not. SIGTERM ends
/// one that has not yet installed its handler.
fn is_on_request(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(Signal::TERM.as_raw())
}

/// Sends SIGTERM, after which our processes complete the current transaction.
pub(crate) fn ask_to_end(child: &Child) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    if let Err(error) = kill_process(pid, Signal::TERM) {
        tracing::debug!("a process has already ended: {error}");
    }
}

/// The environment variable with the master's process ID.
pub const MASTER: &str = "DORMOUSE_MASTER";

/// Makes this process get SIGTERM when the master that started it dies, if there is one, because
/// the next master starts other processes.
///
/// # Errors
/// If the system refuses.
pub fn end_with_the_master() -> Result<(), ActivationError> {
    let named = std::env::var(MASTER).ok();
    let Some(master) = named.and_then(|pid| Pid::from_raw(pid.parse().ok()?)) else {
        return Ok(());
    };
    let follow = || {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        if rustix::process::getppid() != Some(master) {
            kill_process(rustix::process::getpid(), Signal::TERM)?;
        }
        Ok(())
    };
    follow().map_err(|error: Errno| ActivationError::child("end with the master of", error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{self, Write as _};
    use std::sync::atomic::AtomicU32;
    use tempfile::TempDir;

    fn shell(script: &str) -> io::Result<Command> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Ok(command)
    }

    #[test]
    fn a_process_that_dies_is_restarted_and_all_end_with_the_master() {
        let starts = AtomicU32::new(0);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let orders = Orders::default();
        let charges = [
            Charge {
                name: "short".to_owned(),
                command: Box::new(|| {
                    // The test waits for the second start.
                    if starts.fetch_add(1, Ordering::Relaxed) == 1 {
                        orders.stop.store(true, Ordering::Relaxed);
                        (&theirs).write_all(&[0])?;
                    }
                    shell("exit 3")
                }),
                socket: None,
            },
            Charge {
                name: "long".to_owned(),
                command: Box::new(|| shell("exec sleep 600")),
                socket: None,
            },
        ];
        let settings = Settings { file: Path::new("/nowhere"), want_others: &|| false };
        assert_eq!(keep_running(&charges, &orders, &settings, &ours).unwrap(), Ended::Stop);
        assert_eq!(starts.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_pause_grows_while_it_keeps_dying_and_a_long_life_ends_that() {
        let charge =
            Charge { name: "x".to_owned(), command: Box::new(|| shell("exit 1")), socket: None };
        let mut keeping = Keeping::new(&charge);
        let mut pauses = Vec::new();
        for _ in 0..11 {
            keeping.look_after(false);
            keeping.child.as_mut().unwrap().wait().unwrap();
            keeping.look_after(false);
            pauses.push(keeping.pause.as_secs());
            // Its pause is over.
            keeping.started = Instant::now() - keeping.pause;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        keeping.look_after(false);
        keeping.child.as_mut().unwrap().wait().unwrap();
        keeping.started = Instant::now() - LONG_LIFE * 2;
        keeping.look_after(false);
        assert_eq!(keeping.pause, FIRST_PAUSE);
    }

    #[test]
    fn there_is_one_master_and_a_dead_one_does_not_count() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("master.pid");
        assert!(PidFile::owner(&path).unwrap().is_none());
        let held = PidFile::take(&path).unwrap().unwrap();
        assert!(PidFile::take(&path).unwrap().is_none());
        assert_eq!(PidFile::owner(&path).unwrap(), Some(rustix::process::getpid()));
        drop(held);
        fs::write(&path, "1\n").unwrap();
        assert!(PidFile::owner(&path).unwrap().is_none(), "its lock is free");
        assert!(!signal(&path, Signal::TERM).unwrap());
    }
}
