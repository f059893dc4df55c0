//! The socket, the sessions, the end when nobody comes, the work behind them.
//!
//! One thread polls and accepts, and decides about the end: a connection is then either taken or
//! still in the socket's backlog, which systemd holds and starts the next process for. The listener
//! is neither closed nor shut down on purpose (both would refuse somebody).

use crate::session::{self, Surroundings};
use crate::stream::{self, Patient, Stream};
use dormouse_activation::Socket;
use dormouse_store::{LiveSite, Site};
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

/// Where clients come from.
#[derive(Debug, Clone)]
pub enum Listen {
    /// The socket that was passed by whoever started us.
    Passed,
    /// One that is made here: `ADDRESS:PORT`, or a path.
    On(String),
}

/// Why mail cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was passed.
    #[error(
        "no socket was passed, as systemd and inetd do it; say --listen ADDRESS:PORT, or a path"
    )]
    NoSocket,
    /// A socket failed.
    #[error("cannot take mail in{}: {source}", .on.as_ref().map(|on| format!(" on {on}")).unwrap_or_default())]
    Socket {
        /// Where.
        on: Option<String>,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// The exit code.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            Error::NoSocket => ExitCode::Usage,
            Error::Socket { .. } => ExitCode::OsErr,
        }
    }
}

fn failed(source: io::Error) -> Error {
    Error::Socket { on: None, source }
}

/// Takes mail in until nobody has been connected for the idle time, if the socket was passed, or until
/// SIGTERM: then sessions end behind their transaction, and `stop` is set. `ready` hears the address of a
/// socket that was not passed; `work` is called, never twice at once, when entries are on the disk. New
/// settings count from the next connection on, and within one from the next transaction on.
///
/// # Errors
/// When there is no socket, or it breaks.
pub fn serve(
    live: &LiveSite,
    listen: &Listen,
    stop: &Arc<AtomicBool>,
    ready: impl FnOnce(SocketAddr),
    work: &(dyn Fn() + Sync),
) -> Result<(), Error> {
    // A connection, and each entry of a message to many, is an open file.
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
        stays,
        stop: Arc::clone(stop),
        sessions: Mutex::default(),
        desk: Desk::default(),
        waker,
    };
    for signal in [SIGTERM, SIGINT] {
        let waker = house.waker.try_clone().map_err(failed)?;
        signal_hook::flag::register(signal, Arc::clone(&house.stop)).map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, waker).map_err(failed)?;
    }
    tell(NotifyState::Ready);
    std::thread::scope(|scope| {
        scope.spawn(|| house.desk.work_off(work, || house.wake()));
        let served = house.receive(scope, &listener, &wakes);
        tell(NotifyState::Stopping);
        house.stop.store(true, Ordering::SeqCst);
        house.send_away();
        house.desk.close();
        served
    })
    .map_err(failed)
}

/// Without a service manager that wants to know, this does nothing.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("the service manager was not told: {error}");
    }
}

fn listener(listen: &Listen, site: &Site) -> Result<Socket, Error> {
    if let Listen::On(place) = listen {
        return Socket::bind(place, &site.config().lmtp_group())
            .map_err(|source| Error::Socket { on: Some(place.clone()), source });
    }
    Socket::passed().map_err(failed)?.ok_or(Error::NoSocket)
}

/// How long nobody is accepted when the system lacks something for one connection more.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

fn is_shortage(error: &io::Error) -> bool {
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| lacks.contains(&errno))
}

/// A client that has said nothing for so long may have to make room for another.
const ROOM: Duration = Duration::from_secs(1);

/// All that the threads share.
struct House<'h> {
    live: &'h LiveSite,
    /// Whether it stays when nobody comes.
    stays: bool,
    stop: Arc<AtomicBool>,
    sessions: Mutex<HashMap<u64, Guest>>,
    desk: Desk,
    /// One byte to it makes the thread that polls look around.
    waker: UnixStream,
}

/// A connection that is being served.
struct Guest {
    stream: Arc<Stream>,
    state: Arc<session::State>,
}

impl Guest {
    fn send_away(&self) {
        if let Err(error) = self.stream.stop_reading() {
            tracing::debug!("a client was gone already: {error}");
        }
    }
}

impl House<'_> {
    /// Accepts until it is time to go.
    fn receive<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        listener: &Socket,
        mut wakes: &UnixStream,
    ) -> io::Result<()> {
        let mut quiet_since = Instant::now();
        for number in 0u64.. {
            // Until there is somebody to be served.
            let stream = loop {
                if self.stop.load(Ordering::SeqCst) {
                    return Ok(());
                }
                let site = self.live.now();
                let open = lock(&self.sessions).len();
                let is_full = open as u64 >= site.config().lmtp_connections;
                let in_use = open > 0 || self.desk.is_busy();
                let left = if is_full {
                    Some(ROOM)
                } else {
                    let idle = site.config().lmtp_idle.duration();
                    (!self.stays && !in_use).then(|| idle.saturating_sub(quiet_since.elapsed()))
                };
                let left = left.map(|left| Timespec {
                    tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: left.subsec_nanos().into(),
                });
                let may_come = !is_full || self.idlest().is_some();
                let for_guests = if may_come { PollFlags::IN } else { PollFlags::empty() };
                let mut fds =
                    [PollFd::new(listener, for_guests), PollFd::new(wakes, PollFlags::IN)];
                match poll(&mut fds, left.as_ref()) {
                    Ok(0) if !is_full => return Ok(()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                let (guest, woken) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
                if woken {
                    // What it says is no news: that something ended.
                    let _nothing = wakes.read(&mut [0; 512]);
                    quiet_since = Instant::now();
                }
                if guest && is_full {
                    self.make_room();
                    continue;
                }
                match if guest { stream::accept(listener) } else { Ok(None) } {
                    Ok(Some(stream)) => break stream,
                    Ok(None) => {}
                    // Those who are being served go on; the others wait in the backlog.
                    Err(error) if is_shortage(&error) => {
                        tracing::warn!("a connection has to wait: {error}");
                        std::thread::sleep(SHORTAGE_PAUSE);
                    }
                    Err(error) => return Err(error),
                }
            };
            if let Err(error) = self.admit(scope, number, stream) {
                tracing::warn!("a connection could not be served: {error}");
            }
            quiet_since = Instant::now();
        }
        Ok(())
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
        // Shared, not duplicated: with no file left, a connection that was accepted would be dropped.
        let stream = Arc::new(stream);
        let state = Arc::new(session::State::new());
        let guest = Guest { stream: Arc::clone(&stream), state: Arc::clone(&state) };
        lock(&self.sessions).insert(number, guest);
        let served =
            std::thread::Builder::new().name("session".to_owned()).spawn_scoped(scope, move || {
                let surroundings = Surroundings {
                    live: self.live,
                    stop: &self.stop,
                    state: &state,
                    accepted: &|| self.desk.add(),
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
        // When the pipe is full somebody has been woken for sure.
        let _full = (&self.waker).write(&[0]);
    }

    /// Ends the sessions that wait for their client. One that has a message in hand ends behind it.
    fn send_away(&self) {
        let sessions = lock(&self.sessions);
        sessions.values().filter(|guest| !guest.state.is_busy()).for_each(Guest::send_away);
    }

    /// Who has said nothing for the longest time, and for long enough; nobody while one is going.
    fn idlest(&self) -> Option<u64> {
        let sessions = lock(&self.sessions);
        if sessions.values().any(|guest| guest.state.is_to_go()) {
            return None;
        }
        let quiet = sessions.iter().filter(|(_, guest)| !guest.state.is_busy());
        let quiet = quiet.map(|(number, guest)| (guest.state.quiet_for(), *number));
        quiet.max().filter(|(time, _)| *time >= ROOM).map(|(_, number)| number)
    }

    /// Sends that one away: somebody else is at the door.
    fn make_room(&self) {
        if let Some(number) = self.idlest()
            && let Some(guest) = lock(&self.sessions).get(&number)
        {
            guest.state.is_to_make_room();
            guest.send_away();
        }
    }
}

/// Where accepted mail is noted for the thread that works it off.
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

    /// Works until the desk is closed, and does not leave anything on it: what came in is worth
    /// one more look also when the process is to end.
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

/// What these locks guard is whole at every instant, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
