//! A connection over TCP or a Unix socket, and how it is accepted.

use dormouse_activation::Socket;
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// One connection.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Makes accepting non-blocking, because a connection may already be closed after the poll.
pub fn prepare(socket: &Socket) -> io::Result<()> {
    match socket {
        Socket::Tcp(listener) => listener.set_nonblocking(true),
        Socket::Unix(listener) => listener.set_nonblocking(true),
    }
}

/// Accepts the next connection; `None` if there is none.
pub fn accept(socket: &Socket) -> io::Result<Option<Stream>> {
    let accepted = match socket {
        Socket::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
        Socket::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
    };
    match accepted {
        Ok(stream) => Ok(Some(stream)),
        // The client disconnected before its turn.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Stream {
    /// Prepares a new connection for a session: a client that reads nothing for `patience` is
    /// disconnected.
    pub fn prepare(&self, patience: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(patience)
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_write_timeout(patience)
            }
        }
    }

    fn set_read_timeout(&self, most: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(most),
            Stream::Unix(stream) => stream.set_read_timeout(most),
        }
    }

    /// Stops reading, so that a session that waits for the client sees the end of the stream.
    pub fn stop_reading(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Read),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Read),
        }
    }
}

/// The number of bytes of a message that count as progress.
const STRETCH: usize = 4096;
/// How many times longer than a command a message can take.
const MOST_STRETCHES: u32 = 40;

/// A connection with a time limit for each command, counted from our last reply; partial lines do
/// not extend it. A message can take longer while it makes progress.
pub struct Patient<'s> {
    stream: &'s Stream,
    patience: Option<Duration>,
    since: Cell<Instant>,
    stretch: Cell<usize>,
    stretches: Cell<u32>,
}

impl Patient<'_> {
    /// Creates a connection with a time limit; `None` means no limit.
    pub fn new(stream: &Stream, patience: Option<Duration>) -> Patient<'_> {
        let since = Cell::new(Instant::now());
        Patient { stream, patience, since, stretch: Cell::new(0), stretches: Cell::new(0) }
    }
}

impl Read for &Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(patience) = self.patience {
            let left = patience.saturating_sub(self.since.get().elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
        }
        let read = (&mut &*self.stream).read(into)?;
        self.stretch.set(self.stretch.get() + read);
        if self.stretch.get() >= STRETCH && self.stretches.get() < MOST_STRETCHES {
            self.since.set(Instant::now());
            self.stretch.set(0);
            self.stretches.set(self.stretches.get() + 1);
        }
        Ok(read)
    }
}

impl Write for &Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = (&mut &*self.stream).write(bytes)?;
        self.since.set(Instant::now());
        self.stretch.set(0);
        self.stretches.set(0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for &Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).read(into),
            Stream::Unix(stream) => (&mut &*stream).read(into),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
