//! A connection over TCP or a Unix socket, and how one is taken.

use dormouse_activation::Socket;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Accepting never waits: what polled as ready may be gone again.
pub fn prepare(socket: &Socket) -> io::Result<()> {
    match socket {
        Socket::Tcp(listener) => listener.set_nonblocking(true),
        Socket::Unix(listener) => listener.set_nonblocking(true),
    }
}

/// Takes the next connection; `None` when there is none.
pub fn accept(socket: &Socket) -> io::Result<Option<Stream>> {
    let accepted = match socket {
        Socket::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
        Socket::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
    };
    match accepted {
        Ok(stream) => Ok(Some(stream)),
        // The client went away before it was its turn.
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
    /// Makes a fresh connection fit for a session: a client that is silent for `patience` is gone.
    pub fn prepare(&self, patience: Duration) -> io::Result<()> {
        let patience = Some(patience).filter(|patience| !patience.is_zero());
        match self {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)
            }
        }
    }

    /// A second handle on the same connection.
    pub fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
        }
    }

    /// Nothing more is read: a session that waits for the client sees the end.
    pub fn stop_reading(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Read),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Read),
        }
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

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write_vectored(bytes),
            Stream::Unix(stream) => (&mut &*stream).write_vectored(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
