//! Connections: where clients are, and how long one may be idle.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use dormouse_activation::Socket;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, Sleep};

/// A client that sends no complete request in this time, or reads nothing of its response, is
/// disconnected.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long no connection is accepted after the system ran out of something for one.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// The listening socket.
pub enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// How many of its requests are being processed.
    answered: Arc<AtomicUsize>,
}

impl Peer {
    fn at(address: Option<SocketAddr>) -> Peer {
        Peer { address, answered: Arc::default() }
    }

    /// Notes that a request is complete: from now on the client's time does not run.
    pub fn is_answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a request has its response.
    pub fn was_answered(&self) {
        self.answered.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ListeningSocket {
    /// Starts to listen on a socket.
    pub fn of(socket: Socket) -> io::Result<ListeningSocket> {
        match socket {
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                UnixListener::from_std(socket).map(ListeningSocket::Unix)
            }
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket).map(ListeningSocket::Tcp)
            }
        }
    }

    /// Its address, for messages.
    pub fn place(&self) -> String {
        match self {
            ListeningSocket::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| String::new(), |at| format!("http://{at}/"))
            }
            ListeningSocket::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(String::new, |path| format!("unix:{}", path.display()))
            }
        }
    }
}

impl Listener for ListeningSocket {
    type Io = Patient;
    type Addr = Peer;

    async fn accept(&mut self) -> (Patient, Peer) {
        loop {
            let accepted = match self {
                ListeningSocket::Tcp(listener) => {
                    TcpListener::accept(listener).await.map(|(stream, address)| {
                        // Responses are written in one piece.
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!("{error}");
                        }
                        (Stream::Tcp(stream), Peer::at(Some(address)))
                    })
                }
                ListeningSocket::Unix(listener) => {
                    let accepted = UnixListener::accept(listener).await;
                    accepted.map(|(stream, _)| (Stream::Unix(stream), Peer::at(None)))
                }
            };
            match accepted {
                Ok((stream, peer)) => return (Patient::new(stream, peer.clone()), peer),
                Err(error) => {
                    tracing::warn!("a connection has to wait: {error}");
                    tokio::time::sleep(SHORTAGE_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::at(None))
    }
}

impl Connected<IncomingStream<'_, ListeningSocket>> for Peer {
    fn connect_info(stream: IncomingStream<'_, ListeningSocket>) -> Peer {
        stream.remote_addr().clone()
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that ends if its client makes no progress. Half a header line does not keep a
/// connection open, however slowly it grows. Each write starts the time again.
pub struct Patient {
    stream: Stream,
    peer: Peer,
    over: Pin<Box<Sleep>>,
    /// Whether the client does not read what was written.
    is_stuck: bool,
}

impl Patient {
    fn new(stream: Stream, peer: Peer) -> Patient {
        Patient { stream, peer, over: Box::pin(tokio::time::sleep(PATIENCE)), is_stuck: false }
    }

    fn begin(&mut self) {
        self.over.as_mut().reset(Instant::now() + PATIENCE);
    }

    /// Returns an error if a connection that cannot proceed has waited too long.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.over.as_mut().poll(context).is_ready() {
            if self.is_stuck || self.peer.answered.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.begin();
        }
        Poll::Pending
    }

    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.is_stuck = written.is_pending();
        match written {
            Poll::Pending => self.wait(context),
            written => {
                self.begin();
                written
            }
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, into),
        };
        if read.is_pending() { self.wait(context) } else { read }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        };
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// With a clock that advances while nothing happens.
    fn with_a_client<F: Future<Output = ()>>(test: impl FnOnce(Patient, UnixStream, Peer) -> F) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let peer = Peer::at(None);
            test(Patient::new(Stream::Unix(ours), peer.clone()), theirs, peer).await;
        });
    }

    #[test]
    fn half_a_line_that_grows_ends_with_the_time() {
        with_a_client(|mut patient, mut client, _peer| async move {
            let began = Instant::now();
            let typing = tokio::spawn(async move {
                while client.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(7)).await;
                }
            });
            let mut read = Vec::new();
            let error = patient.read_to_end(&mut read).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(!read.is_empty() && began.elapsed() <= PATIENCE + Duration::from_secs(1));
            drop(patient);
            typing.await.unwrap();
        });
    }

    #[test]
    fn while_an_answer_is_made_there_is_time_but_not_for_who_does_not_take_it() {
        with_a_client(|mut patient, client, peer| async move {
            peer.is_answered();
            let mut byte = [0];
            let long = tokio::time::timeout(PATIENCE * 4, patient.read(&mut byte)).await;
            assert!(long.is_err(), "it waits");
            let error = patient.write_all(&vec![b'x'; 8 << 20]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(client);
        });
    }
}
