//! TLS connections to the server.

use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use rustls::pki_types::ServerName;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream as Stream;
use tokio_rustls::{Connect, TlsConnector};

/// How the server's certificate is verified.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// It must be issued by a certificate in this file.
    File(PathBuf),
    /// It must be issued by an authority that the system trusts.
    System,
    /// It is not verified: the connection is encrypted, but the server is not authenticated.
    Anyone,
}

/// Creates handshakes.
#[derive(Clone)]
pub(super) struct MakeTls(TlsConnector);

impl MakeTls {
    /// Creates the configuration for a kind of verification.
    ///
    /// # Errors
    /// If certificates cannot be read.
    pub fn with(trust: &Trust) -> Result<MakeTls, String> {
        let trust = match trust {
            Trust::File(path) => dormouse_endpoint::Trust::File(path),
            Trust::System => dormouse_endpoint::Trust::System,
            Trust::Anyone => dormouse_endpoint::Trust::Anyone,
        };
        let config = dormouse_endpoint::tls_config(&trust).map_err(|cause| cause.to_string())?;
        Ok(MakeTls(TlsConnector::from(config)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for MakeTls {
    type Stream = Secured<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        let name = ServerName::try_from(domain.to_owned()).map_err(|_| {
            io::Error::other(format!("{domain:?} is not a valid name for a certificate"))
        })?;
        Ok(Handshake { connector: self.0.clone(), name })
    }
}

/// A handshake that has not started.
pub(super) struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Secured<S>;
    type Error = io::Error;
    type Future = Secures<S>;

    fn connect(self, stream: S) -> Secures<S> {
        Secures(self.connector.connect(self.name, stream))
    }
}

/// A handshake in progress.
pub(super) struct Secures<S>(Connect<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Secures<S> {
    type Output = io::Result<Secured<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Secured<S>>> {
        Pin::new(&mut self.0).poll(cx).map_ok(Secured)
    }
}

/// A TLS connection.
pub(super) struct Secured<S>(Stream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Secured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
