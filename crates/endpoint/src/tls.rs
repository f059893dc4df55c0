//! TLS, set up only when it is used: reading the system's certificates takes longer than a whole
//! run with a server on this machine.

use crate::TransportError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// What is wrong with certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(pub String);

/// How a server's certificate is checked.
pub enum Trust<'o> {
    /// It must be issued by an authority in this file.
    File(&'o Path),
    /// It must be issued by an authority that the system trusts.
    System,
    /// Its key must be one of these, whoever issued it.
    Pinned(&'o [Pin]),
    /// It is not checked.
    Anyone,
}

/// The SHA-256 of a server's public key (its SubjectPublicKeyInfo, RFC 7469 §2.4), written
/// `sha256:BASE64`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    fn of(certificate: &CertificateDer<'_>) -> Result<Pin, rustls::Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(Pin(Sha256::digest(key.as_ref()).into()))
    }
}

impl FromStr for Pin {
    type Err = TransportError;

    fn from_str(text: &str) -> Result<Pin, TransportError> {
        let encoded = text.trim().strip_prefix("sha256:");
        let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Pin).ok_or_else(|| TransportError {
            problem: format!("a pin is sha256: and 44 letters of base64, not {text:?}"),
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What a handshake needs.
pub fn config(trust: &Trust<'_>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(error.to_string()))?;
    let builder = match trust {
        Trust::File(path) => builder.with_root_certificates(from_file(path)?),
        Trust::System => builder.with_root_certificates(system()?),
        Trust::Pinned(pins) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(ByKey {
                provider,
                pins: Some(pins.to_vec()),
            }))
        }
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ByKey { provider, pins: None })),
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

fn from_file(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let failed = |problem: String| TlsError(format!("{}: {problem}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it contains no certificate".to_owned()));
    }
    Ok(Arc::new(roots))
}

/// The system's certificates, read once per process.
fn system() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // The system's store may contain a certificate that cannot be used; the others still can.
    let (usable, unusable) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError(format!(
            "the system's certificates cannot be read ({}); install ca-certificates or name a CA file",
            errors.join("; ")
        )));
    }
    tracing::debug!("{usable} certificates of the system, {unusable} unusable");
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

/// Accepts every certificate, or those with certain keys, but only with a handshake signed by its key.
#[derive(Debug)]
struct ByKey {
    provider: Arc<CryptoProvider>,
    pins: Option<Vec<Pin>>,
}

impl ServerCertVerifier for ByKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(pins) = &self.pins {
            let pin = Pin::of(end_entity)?;
            if !pins.contains(&pin) {
                return Err(rustls::Error::General(format!(
                    "the server's key is {pin}, which is not among delivery.tls_pins"
                )));
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
