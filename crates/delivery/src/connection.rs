//! Bytes to and from a server: timeouts, replies, and no write that waits for an ACK.

use crate::envelope::WINDOW;
use crate::reply::{self, Scanned};
use crate::{Cause, Host, Reply, Stage, tls};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg, sockopt};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::fmt::Display;
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The number of bytes that one read asks for; longer replies make the buffer longer.
const READ_SIZE: usize = 16 * 1024;
/// How many bytes of replies are kept at most while commands are still being written.
const MOST_AHEAD: usize = 1024 * 1024;

/// An open connection.
pub struct Connection {
    stream: Stream,
    /// Always of full length. `start..end` has been read and is not yet consumed as replies.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Nothing has been read since the last write.
    fresh: bool,
    /// As last set on the socket.
    read_timeout: Duration,
    write_timeout: Duration,
    /// The server has closed its side.
    has_ended: bool,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Unix(UnixStream),
}

/// A whole reply in the input buffer.
#[derive(Clone, Copy)]
pub struct RawReply<'b> {
    /// Its code.
    pub code: u16,
    /// All its lines.
    pub bytes: &'b [u8],
}

impl RawReply<'_> {
    /// Whether it is 2xx.
    pub fn is_ok(&self) -> bool {
        self.code / 100 == 2
    }

    /// As a value.
    pub fn to_reply(self, stage: Stage) -> Reply {
        reply::parse(self.code, self.bytes, stage)
    }
}

impl Connection {
    /// Connects to the first of the host's addresses that answers.
    pub fn open(
        host: &Host,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Result<Connection, Cause> {
        let timeout = at_least_a_moment(timeout);
        let stream = match host {
            Host::Tcp(name, port) => {
                let stream = connect(name, *port, at_least_a_moment(connect_timeout))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Stream::Tcp(stream)
            }
            Host::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Stream::Unix(stream)
            }
        };
        Ok(Connection {
            stream,
            input: vec![0; READ_SIZE],
            start: 0,
            end: 0,
            fresh: true,
            read_timeout: timeout,
            write_timeout: timeout,
            has_ended: false,
        })
    }

    /// Continues under TLS; `name` is the host the certificate must be for.
    pub fn secure(mut self, config: Arc<ClientConfig>, name: &str) -> Result<Connection, Cause> {
        if self.start < self.end {
            // An attacker who inserts this before the handshake would be taken for the server
            // inside it (CVE-2011-0411).
            return Err(Cause::Protocol(
                "the server sent more in clear text after its reply to STARTTLS".to_owned(),
            ));
        }
        self.stream = match self.stream {
            Stream::Tcp(stream) => Stream::Tls(Box::new(tls::handshake(stream, config, name)?)),
            Stream::Tls(_) | Stream::Unix(_) => {
                return Err(Cause::Setup(
                    "TLS is only for TCP connections, and can be started only once".to_owned(),
                ));
            }
        };
        Ok(self)
    }

    /// Whether nobody on the way to the server can listen.
    pub fn is_private(&self) -> bool {
        matches!(self.stream, Stream::Tls(_)) || self.is_local()
    }

    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        match self.tcp() {
            Some(tcp) => tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback()),
            None => true,
        }
    }

    /// This side's address as a literal for EHLO (RFC 5321 §4.1.3).
    pub fn literal(&self) -> String {
        match self.tcp().map(|tcp| tcp.local_addr().map(|local| local.ip().to_canonical())) {
            Some(Ok(IpAddr::V4(ip))) => format!("[{ip}]"),
            Some(Ok(IpAddr::V6(ip))) => format!("[IPv6:{ip}]"),
            Some(Err(_)) | None => "localhost".to_owned(),
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match &self.stream {
            Stream::Tcp(tcp) => Some(tcp),
            Stream::Tls(tls) => Some(tls.get_ref()),
            Stream::Unix(_) => None,
        }
    }

    /// Returns how many bytes of commands may be sent before their replies.
    pub fn window(&self) -> usize {
        match self.stream {
            Stream::Tcp(_) | Stream::Unix(_) => usize::MAX,
            Stream::Tls(_) => WINDOW,
        }
    }

    /// Writes the parts one after the other, in one system call if the system accepts them all.
    /// While it accepts no more, replies are read: a server may read on only then. TLS cannot do
    /// that, and has a [`Connection::window`] instead.
    pub fn write(&mut self, parts: &[&[u8]]) -> Result<(), Cause> {
        let mut slices: Vec<IoSlice<'_>> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
        let mut left = slices.as_mut_slice();
        self.fresh = true;
        while !left.is_empty() {
            let written = match &mut self.stream {
                Stream::Tcp(tcp) => write_now(tcp.as_fd(), left),
                Stream::Unix(unix) => write_now(unix.as_fd(), left),
                Stream::Tls(tls) => tls.write_vectored(left),
            };
            match written {
                Ok(0) => return Err(Cause::Io(io::ErrorKind::WriteZero.into())),
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if timed_out(&error) => self.wait_to_write()?,
                Err(error) => return Err(error.into()),
            }
        }
        if let Stream::Tls(tls) = &mut self.stream {
            tls.flush()?;
        }
        Ok(())
    }

    /// Waits until more can be written, and reads replies meanwhile.
    fn wait_to_write(&mut self) -> Result<(), Cause> {
        let late =
            || Cause::Timeout { to: "what was being sent".to_owned(), after: self.write_timeout };
        let timeout = Timespec::try_from(self.write_timeout).map_err(|_| late())?;
        let room = MOST_AHEAD.saturating_sub(self.end - self.start);
        loop {
            let socket = match &self.stream {
                Stream::Tcp(tcp) => tcp.as_fd(),
                Stream::Unix(unix) => unix.as_fd(),
                // The socket itself has waited.
                Stream::Tls(_) => return Err(late()),
            };
            // After the end of the input there is nothing to wait for but the error of a write.
            let wanted = match room > 0 && !self.has_ended {
                true => PollFlags::OUT | PollFlags::IN,
                false => PollFlags::OUT,
            };
            let mut polled = [PollFd::from_borrowed_fd(socket, wanted)];
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => return Err(late()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(io::Error::from(error).into()),
                Ok(_) => {}
            }
            if polled[0].revents().contains(PollFlags::IN) && wanted.contains(PollFlags::IN) {
                self.has_ended = self.read_more()? == 0;
            }
            return Ok(());
        }
    }

    /// Consumes replies that have been read and say 2xx in one line each, at most `most` of them.
    /// Returns their number.
    pub fn skip_accepted(&mut self, most: usize) -> usize {
        let (count, len) = reply::count_accepted(&self.input[self.start..self.end], most);
        self.start += len;
        count
    }

    /// Reads the next reply; `to` names the command it replies to. A 421 ends the session at any
    /// point (RFC 5321 §3.8), and is returned like any other reply: the caller decides what it
    /// means.
    pub fn reply(&mut self, to: impl Display, timeout: Duration) -> Result<RawReply<'_>, Cause> {
        let mut began = None;
        let Scanned { code, len } = loop {
            match reply::scan(&self.input[self.start..self.end])? {
                Some(found) => break found,
                None => {
                    let began = *began.get_or_insert_with(Instant::now);
                    self.fill(&to, timeout, began)?;
                }
            }
        };
        let begin = self.start;
        self.start += len;
        Ok(RawReply { code, bytes: &self.input[begin..begin + len] })
    }

    /// Reads once. The timeout is for the whole reply: a server that sends single bytes does not
    /// prolong it.
    fn fill(&mut self, to: &impl Display, timeout: Duration, began: Instant) -> Result<(), Cause> {
        let late = || Cause::Timeout { to: to.to_string(), after: timeout };
        let left = timeout.checked_sub(began.elapsed()).ok_or_else(late)?;
        // Usually one read gets all replies, and the socket already has its timeout.
        let wanted = if self.fresh { timeout } else { left };
        self.set_read_timeout(at_least_a_moment(wanted))?;
        if !self.fresh
            && let Some(tcp) = self.tcp()
        {
            // The server answers in small writes. If it uses Nagle's algorithm, the next write
            // waits for our ACK, which would be delayed by 40 ms because we send no data meanwhile.
            sockopt::set_tcp_quickack(tcp, true).map_err(io::Error::from)?;
        }
        let read = self.read_more();
        self.fresh = false;
        match read {
            Ok(0) => Err(Cause::Closed { to: to.to_string() }),
            Ok(_) => Ok(()),
            Err(error) if timed_out(&error) => Err(late()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(Cause::Closed { to: to.to_string() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads once, and returns the number of bytes.
    fn read_more(&mut self) -> io::Result<usize> {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.input.len() {
            self.input.resize(self.end * 2, 0);
        }
        loop {
            let into = &mut self.input[self.end..];
            let read = match &mut self.stream {
                Stream::Tcp(tcp) => tcp.read(into),
                Stream::Tls(tls) => tls.read(into),
                Stream::Unix(unix) => unix.read(into),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
            }
        }
    }

    fn set_read_timeout(&mut self, timeout: Duration) -> Result<(), Cause> {
        if timeout != self.read_timeout {
            match &self.stream {
                Stream::Tcp(tcp) => tcp.set_read_timeout(Some(timeout))?,
                Stream::Tls(tls) => tls.get_ref().set_read_timeout(Some(timeout))?,
                Stream::Unix(unix) => unix.set_read_timeout(Some(timeout))?,
            }
            self.read_timeout = timeout;
        }
        Ok(())
    }
}

/// Writes what the system accepts without waiting.
fn write_now(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), flags)?)
}

/// To the system, a timeout of zero means none at all.
fn at_least_a_moment(timeout: Duration) -> Duration {
    timeout.max(Duration::from_millis(1))
}

fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn connect(name: &str, port: u16, timeout: Duration) -> Result<TcpStream, Cause> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"));
    for address in (name, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const SECOND: Duration = Duration::from_secs(1);

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = Host::Tcp("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        let connection = Connection::open(&host, SECOND, SECOND).unwrap();
        (connection, listener.accept().unwrap().0)
    }

    #[test]
    fn nothing_written_waits_for_an_ack() {
        let (connection, _server) = pair();
        assert!(sockopt::tcp_nodelay(connection.tcp().unwrap()).unwrap());
    }

    #[test]
    fn replies_that_come_together_or_in_pieces_are_read_one_by_one() {
        let (mut connection, mut server) = pair();
        let writer = std::thread::spawn(move || {
            for piece in ["250 a\r\n250-b\r\n25", "0 c\r\n354", " d\r\n"] {
                server.write_all(piece.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            server
        });
        for expected in ["250 a", "250 b c", "354 d"] {
            let reply = connection.reply("a test", SECOND).unwrap().to_reply(Stage::Connect);
            assert_eq!(reply.to_string(), expected);
        }
        drop(writer.join().unwrap());
        assert!(matches!(connection.reply("a test", SECOND).err(), Some(Cause::Closed { .. })));
    }

    #[test]
    fn a_server_that_drips_does_not_prolong_its_time() {
        let (mut connection, mut server) = pair();
        let writer = std::thread::spawn(move || {
            // Ends when the reader has given up and closed.
            while server.write_all(b"250-x\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let timeout = Duration::from_millis(200);
        assert!(matches!(connection.reply("a test", timeout).err(), Some(Cause::Timeout { .. })));
        drop(connection);
        writer.join().unwrap();
    }

    #[test]
    fn a_long_write_goes_out_whole() {
        let (mut connection, mut server) = pair();
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            server.read_to_end(&mut got).unwrap();
            got
        });
        let (one, two) = (vec![b'a'; 3_000_000], vec![b'b'; 2_000_000]);
        connection.write(&[&one, b"", &two]).unwrap();
        drop(connection);
        assert!(reader.join().unwrap() == [one, two].concat());
    }

    #[test]
    fn a_server_that_reads_on_only_after_its_replies_are_read_is_not_waited_for() {
        let (mut connection, mut server) = pair();
        let reply = [&b"250 "[..], &[b'x'; 500], b"\r\n"].concat();
        let count = 1_600;
        let talker = std::thread::spawn({
            let reply = reply.clone();
            move || {
                let mut command = vec![0; 5_000];
                for _ in 0..count {
                    server.read_exact(&mut command).unwrap();
                    server.write_all(&reply).unwrap();
                }
            }
        });
        // More of both than sockets hold.
        connection.write(&[&vec![b'c'; count * 5_000]]).unwrap();
        for _ in 0..count {
            let got = connection.reply("a test", SECOND * 20).unwrap();
            assert!(got.bytes == reply);
        }
        talker.join().unwrap();
    }

    #[test]
    fn a_server_that_closes_while_it_is_written_to_ends_the_write() {
        let (mut connection, server) = pair();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        let closer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(server);
        });
        let written = connection.write(&[&vec![b'c'; 30_000_000]]);
        assert!(matches!(written, Err(Cause::Io(_))), "{written:?}");
        closer.join().unwrap();
    }

    #[test]
    fn a_server_that_reads_nothing_is_given_up() {
        let (mut connection, _server) = pair();
        connection.write_timeout = Duration::from_millis(100);
        let written = connection.write(&[&vec![b'c'; 30_000_000]]);
        assert!(matches!(written, Err(Cause::Timeout { .. })), "{written:?}");
    }
}
