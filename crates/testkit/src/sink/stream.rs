//! The sockets of a sink.

use super::Certificate;
use rustix::net::{Shutdown, sockopt};
use rustls::{ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Far less than a long list of recipients and the replies to it. With less than a loopback segment
/// (64 KiB) the sender would wait for a kernel timer before each one.
const TIGHT: usize = 64 * 1024;

pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Listener {
    pub fn tcp(tight: bool) -> io::Result<Listener> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        if tight {
            // The window is fixed at the handshake, so setting it on the accepted socket would be
            // too late.
            sockopt::set_socket_recv_buffer_size(&listener, TIGHT)?;
        }
        Ok(Listener::Tcp(listener))
    }

    pub fn unix(path: &Path) -> io::Result<Listener> {
        Ok(Listener::Unix(UnixListener::bind(path)?, path.to_owned()))
    }

    pub fn accept(&self, tight: bool) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let stream = listener.accept()?.0;
                if tight {
                    sockopt::set_socket_send_buffer_size(&stream, TIGHT)?;
                }
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }

    /// Makes a waiting [`Listener::accept`] fail.
    pub fn shut(&self) {
        match self {
            Listener::Tcp(listener) => rustix::net::shutdown(listener, Shutdown::Both),
            Listener::Unix(listener, _) => rustix::net::shutdown(listener, Shutdown::Both),
        }
        .expect("a listening socket can be shut");
    }
}

impl Stream {
    pub fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(tcp) => tcp.try_clone().map(Stream::Tcp),
            Stream::Unix(unix) => unix.try_clone().map(Stream::Unix),
            Stream::Tls(tls) => tls.sock.try_clone().map(Stream::Tcp),
        }
    }

    /// Continues with TLS.
    pub fn secure(self, certificate: &Certificate) -> io::Result<Stream> {
        let Stream::Tcp(mut tcp) = self else { return Err(io::ErrorKind::Unsupported.into()) };
        let mut connection =
            ServerConnection::new(certificate.server_config()).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(connection, tcp))))
    }

    pub fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Makes the kernel acknowledge at once, or when it must.
    pub fn set_quick_ack(&self, at_once: bool) -> io::Result<()> {
        match self {
            Stream::Tcp(tcp) => Ok(sockopt::set_tcp_quickack(tcp, at_once)?),
            Stream::Tls(tls) => Ok(sockopt::set_tcp_quickack(&tls.sock, at_once)?),
            Stream::Unix(_) => Ok(()),
        }
    }

    /// Shuts down both directions. The other side may already have done so.
    pub fn shut(&self) {
        let shut = match self {
            Stream::Tcp(tcp) => tcp.shutdown(std::net::Shutdown::Both),
            Stream::Unix(unix) => unix.shutdown(std::net::Shutdown::Both),
            Stream::Tls(tls) => tls.sock.shutdown(std::net::Shutdown::Both),
        };
        if let Err(error) = shut {
            assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
        }
    }

    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(tcp) => tcp.read(into),
            Stream::Unix(unix) => unix.read(into),
            Stream::Tls(tls) => tls.read(into),
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(tcp) => tcp.write_all(bytes),
            Stream::Unix(unix) => unix.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }
}
