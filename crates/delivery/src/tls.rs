//! The TLS handshake with a server.

use crate::Cause;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::net::TcpStream;
use std::sync::Arc;

/// Performs the handshake.
pub fn handshake(
    mut tcp: TcpStream,
    config: Arc<ClientConfig>,
    name: &str,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Cause> {
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Cause::Tls(format!("{name:?} is not a valid name for a certificate")))?;
    let failed = |error: &dyn std::error::Error| Cause::Tls(error.to_string());
    let mut connection = ClientConnection::new(config, name).map_err(|error| failed(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp).map_err(|error| match error.kind() {
            // Problems of the certificate have this kind; all others are the network's.
            std::io::ErrorKind::InvalidData => Cause::Tls(format!(
                "{error}; add its issuer to a CA file, or turn TLS off for this server if that is safe"
            )),
            _ => Cause::Io(error),
        })?;
    }
    Ok(StreamOwned::new(connection, tcp))
}
