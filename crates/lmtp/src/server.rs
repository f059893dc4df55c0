//! The socket, the sessions, the exit when idle, processing the queues.
//!
//! One thread polls and accepts, and decides about the exit: a connection is then either accepted or
//! still in the socket's backlog, for which systemd starts the next process. The listener
//! is deliberately neither closed nor shut down, because both would refuse a connection.

use crate::session::{self, Surroundings};
use crate::stream::{self, Patient, Stream};
use dormouse_activation::socket::{Listen, Socket};
use dormouse_spool::Spool;
use dormouse_store::{LiveIndex, LiveSite, Site};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::Scope;
use std::time::{Duration, Instant};
use sysexits::ExitCode;

/// Why mail cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub enum LmtpError {
    /// No socket was passed.
    #[error("systemd or inetd passed no socket; use --listen ADDRESS:PORT, or a path")]
    NoSocket,
    /// A socket failed.
    #[error("cannot accept mail{}: {source}", .on.as_ref().map(|on| format!(" on {on}")).unwrap_or_default())]
    Socket {
        /// The address.
        on: Option<String>,
        /// The system's error.
        source: io::Error,
    },
}

impl LmtpError {
    /// Returns the exit code.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            LmtpError::NoSocket => ExitCode::Usage,
            LmtpError::Socket { .. } => ExitCode::OsErr,
        }
    }
}

fn failed(source: io::Error) -> LmtpError {
    LmtpError::Socket { on: None, source }
}

/// Accepts mail until no client has been connected for the idle time, if the socket was passed, or
/// until SIGTERM: then sessions end after their transaction, and `stop` is set. `ready` gets the
/// address of a socket that was not passed; `work`, if there is any, is called when entries are
/// durable, never twice at the same time. New settings apply from the next connection on, and within
/// one from the next transaction on.
///
/// # Errors
/// If there is no socket, or it fails.
pub fn serve(
    live: &LiveSite,
    listen: &Listen,
    stop: &Arc<AtomicBool>,
    ready: impl FnOnce(SocketAddr),
    work: Option<&(dyn Fn() + Sync)>,
) -> Result<(), LmtpError> {
    // A connection, and each entry of a message with many recipients, is an open file.
    dormouse_spool::allow_open_files();
    let stays = matches!(listen, Listen::On(_));
    let listener = listener(listen, &live.now())?;
    stream::prepare(&listener).map_err(failed)?;
    if let (Socket::Tcp(socket), true) = (&listener, stays) {
        ready(socket.local_addr().map_err(failed)?);
    }
    let (wakes, waker) = UnixStream::pair().map_err(failed)?;
    for end in [&wakes, &waker] {
        end.set_nonblocking(true).map_err(failed)?;
    }
    let house = House {
        live,
        index: LiveIndex::of(live.now().dir()),
        spool: Spool::busy(live.now().qfiles()),
        stays,
        stop: Arc::clone(stop),
        sessions: Mutex::default(),
        desk: work.map(|_| Desk::default()),
        waker,
    };
    for signal in [SIGTERM, SIGINT] {
        let waker = house.waker.try_clone().map_err(failed)?;
        signal_hook::flag::register(signal, Arc::clone(&house.stop)).map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, waker).map_err(failed)?;
    }
    tell(NotifyState::Ready);
    std::thread::scope(|scope| {
        if let Some((desk, work)) = house.desk.as_ref().zip(work) {
            scope.spawn(|| desk.work_off(work, || house.wake()));
        }
        let served = house.receive(scope, &listener, &wakes);
        tell(NotifyState::Stopping);
        house.stop.store(true, Ordering::SeqCst);
        house.send_away();
        house.desk.iter().for_each(Desk::close);
        served
    })
    .map_err(failed)
}

/// Does nothing without a service manager.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}

fn listener(listen: &Listen, site: &Site) -> Result<Socket, LmtpError> {
    if let Listen::On(place) = listen {
        return Socket::bind(place, &site.config().lmtp_group())
            .map_err(|source| LmtpError::Socket { on: Some(place.clone()), source });
    }
    Socket::passed().map_err(failed)?.ok_or(LmtpError::NoSocket)
}

/// How long no connection is accepted if the system lacks resources for one more.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

fn is_shortage(error: &io::Error) -> bool {
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| lacks.contains(&errno))
}

/// Accepts a connection, if one is there. If the system lacks resources for it, existing sessions
/// continue, and the others wait in the backlog.
fn accept(listener: &Socket) -> io::Result<Option<Stream>> {
    match stream::accept(listener) {
        Err(error) if is_shortage(&error) => {
            tracing::warn!("a connection must wait: {error}");
            std::thread::sleep(SHORTAGE_PAUSE);
            Ok(None)
        }
        accepted => accepted,
    }
}

/// How long no client may be connected before the directories of the queues are made durable.
const REST: Duration = Duration::from_secs(5);

/// A client that has been silent for this long may have to make room for another.
const ROOM: Duration = Duration::from_secs(1);

/// Shared by the threads.
struct House<'h> {
    live: &'h LiveSite,
    index: LiveIndex,
    spool: Spool,
    /// Whether it keeps running when idle.
    stays: bool,
    stop: Arc<AtomicBool>,
    sessions: Mutex<HashMap<u64, Guest>>,
    /// None if other processes do the work.
    desk: Option<Desk>,
    /// Writing one byte to it wakes the polling thread.
    waker: UnixStream,
}

/// A connection being served.
struct Guest {
    stream: Arc<Stream>,
    state: Arc<session::State>,
}

impl Guest {
    fn send_away(&self) {
        if let Err(error) = self.stream.stop_reading() {
            tracing::debug!("a client has already disconnected: {error}");
        }
    }
}

impl House<'_> {
    /// Accepts connections until it is time to exit.
    fn receive<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        listener: &Socket,
        wakes: &UnixStream,
    ) -> io::Result<()> {
        let mut quiet_since = Instant::now();
        for number in 0u64.. {
            let Some(stream) = self.next_client(listener, wakes, &mut quiet_since)? else {
                return Ok(());
            };
            if let Err(error) = self.admit(scope, number, stream) {
                tracing::warn!("a connection could not be served: {error}");
            }
            quiet_since = Instant::now();
        }
        Ok(())
    }

    /// Waits for a client; `None` when it is time to exit.
    fn next_client(
        &self,
        listener: &Socket,
        mut wakes: &UnixStream,
        quiet_since: &mut Instant,
    ) -> io::Result<Option<Stream>> {
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return Ok(None);
            }
            let site = self.live.now();
            let open = lock(&self.sessions).len();
            let is_full = open as u64 >= site.config().lmtp_connections;
            let in_use = open > 0 || self.desk.as_ref().is_some_and(Desk::is_busy);
            let may_rest = open == 0 && self.spool.is_busy();
            let left = if is_full {
                Some(ROOM)
            } else {
                let idle = site.config().lmtp_idle.duration();
                (!self.stays && !in_use).then(|| idle.saturating_sub(quiet_since.elapsed()))
            };
            let is_last = !may_rest || left.is_some_and(|left| left < REST);
            let left = if is_last { left } else { Some(REST) };
            let left = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let may_come = !is_full || self.idlest().is_some();
            let for_guests = if may_come { PollFlags::IN } else { PollFlags::empty() };
            let mut fds = [PollFd::new(listener, for_guests), PollFd::new(wakes, PollFlags::IN)];
            match poll(&mut fds, left.as_ref()) {
                Ok(0) if !is_last => self.spool.rest(),
                Ok(0) if !is_full => return Ok(None),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let (guest, woken) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if woken {
                // Its content does not matter: something ended.
                let _nothing = wakes.read(&mut [0; 512]);
                *quiet_since = Instant::now();
            }
            if guest && is_full {
                self.make_room();
            } else if guest && let Some(stream) = accept(listener)? {
                return Ok(Some(stream));
            }
        }
    }

    fn admit<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        number: u64,
        stream: Stream,
    ) -> io::Result<()> {
        let site = self.live.now();
        let patience = Some(site.config().lmtp_timeout.duration());
        let patience = patience.filter(|patience| !patience.is_zero());
        stream.prepare(patience)?;
        // Shared, not duplicated: without free file descriptors, an accepted connection would be
        // dropped.
        let stream = Arc::new(stream);
        let state = Arc::new(session::State::new());
        let guest = Guest { stream: Arc::clone(&stream), state: Arc::clone(&state) };
        lock(&self.sessions).insert(number, guest);
        let served =
            std::thread::Builder::new().name("session".to_owned()).spawn_scoped(scope, move || {
                let surroundings = Surroundings {
                    live: self.live,
                    index: &self.index,
                    spool: &self.spool,
                    stop: &self.stop,
                    state: &state,
                    accepted: &|| self.desk.iter().for_each(Desk::add),
                };
                let stream = Patient::new(&stream, patience);
                if let Err(error) = session::talk(&surroundings, &stream, &stream) {
                    tracing::info!("a connection broke: {error}");
                }
                self.leave(number);
            });
        if served.is_err() {
            self.leave(number);
        }
        served.map(drop)
    }

    fn leave(&self, number: u64) {
        lock(&self.sessions).remove(&number);
        self.wake();
    }

    fn wake(&self) {
        // If the pipe is full, the thread will be woken anyway.
        let _full = (&self.waker).write(&[0]);
    }

    /// Ends the sessions that wait for their clients. One that is receiving a message ends after
    /// it.
    fn send_away(&self) {
        let sessions = lock(&self.sessions);
        sessions.values().filter(|guest| !guest.state.is_busy()).for_each(Guest::send_away);
    }

    /// Returns the client that has been silent the longest, if it is long enough; `None` while
    /// another one is being disconnected.
    fn idlest(&self) -> Option<u64> {
        let sessions = lock(&self.sessions);
        if sessions.values().any(|guest| guest.state.is_to_go()) {
            return None;
        }
        let quiet = sessions.iter().filter(|(_, guest)| !guest.state.is_busy());
        let quiet = quiet.map(|(number, guest)| (guest.state.quiet_for(), *number));
        quiet.max().filter(|(time, _)| *time >= ROOM).map(|(_, number)| number)
    }

    /// Disconnects that client, because another one is waiting.
    fn make_room(&self) {
        if let Some(number) = self.idlest()
            && let Some(guest) = lock(&self.sessions).get(&number)
        {
            guest.state.is_to_make_room();
            guest.send_away();
        }
    }
}

/// Tells the thread that processes the queues that mail was accepted.
#[derive(Default)]
struct Desk {
    state: Mutex<Notes>,
    changed: Condvar,
}

#[derive(Default)]
struct Notes {
    waiting: bool,
    working: bool,
    closed: bool,
}

impl Desk {
    fn add(&self) {
        lock(&self.state).waiting = true;
        self.changed.notify_one();
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
    }

    fn is_busy(&self) -> bool {
        let notes = lock(&self.state);
        notes.waiting || notes.working
    }

    /// Processes accepted mail until the desk is closed, and all of it even if the process is about
    /// to exit.
    fn work_off(&self, work: &dyn Fn(), done: impl Fn()) {
        let mut notes = lock(&self.state);
        loop {
            if notes.waiting {
                *notes = Notes { waiting: false, working: true, closed: notes.closed };
                drop(notes);
                work();
                notes = lock(&self.state);
                notes.working = false;
                done();
            } else if notes.closed {
                return;
            } else {
                notes = self.changed.wait(notes).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
        }
    }
}

/// The data under these locks is consistent at every instant, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
