//! A self-signed certificate.

use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A newly generated self-signed certificate for `localhost` and 127.0.0.1.
pub struct Certificate {
    made: CertifiedKey<rcgen::KeyPair>,
}

impl Certificate {
    /// Generates a certificate.
    pub fn for_localhost() -> Certificate {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        Certificate {
            made: rcgen::generate_simple_self_signed(names).expect("names a certificate may have"),
        }
    }

    /// Creates one for localhost that is no longer valid.
    pub fn expired() -> Certificate {
        Certificate::with(|params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        })
    }

    /// Creates one for localhost that claims to be an authority, as `openssl req -x509` does.
    pub fn of_an_authority() -> Certificate {
        Certificate::with(|params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        })
    }

    fn with(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Certificate {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params =
            rcgen::CertificateParams::new(names).expect("names a certificate may have");
        change(&mut params);
        let signing_key = rcgen::KeyPair::generate().expect("a key");
        let cert = params.self_signed(&signing_key).expect("a certificate signed with its own key");
        Certificate { made: rcgen::CertifiedKey { cert, signing_key } }
    }

    /// Returns the certificate in PEM, as a CA file holds it.
    pub fn pem(&self) -> String {
        self.made.cert.pem()
    }

    /// Returns its key in PEM.
    pub fn key_pem(&self) -> String {
        self.made.signing_key.serialize_pem()
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        let key =
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config
                    .with_no_client_auth()
                    .with_single_cert(vec![self.made.cert.der().clone()], key)
            });
        Arc::new(config.expect("a certificate with its own key"))
    }
}
