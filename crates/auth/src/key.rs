//! A private key with its selector, and the DNS record that publishes it.

use crate::AuthError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The number of bits of a new RSA key: RFC 8301 §3.2 recommends it, and the record is small enough
/// for every resolver.
const RSA_BITS: usize = 2048;

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `rsa-sha256` (RFC 6376 §3.3.1), which every receiver can verify.
    Rsa,
    /// `ed25519-sha256` (RFC 8463), which is short and fast, but not verified everywhere.
    Ed25519,
}

impl Algorithm {
    /// Returns the name in a DNS record's `k=` (RFC 6376 §3.6.1).
    pub fn key_type(self) -> &'static str {
        match self {
            Algorithm::Rsa => "rsa",
            Algorithm::Ed25519 => "ed25519",
        }
    }

    /// Returns the name in a signature's `a=`.
    pub(crate) fn signature_name(self) -> &'static str {
        match self {
            Algorithm::Rsa => "rsa-sha256",
            Algorithm::Ed25519 => "ed25519-sha256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key_type())
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Algorithm, String> {
        match text {
            "rsa" => Ok(Algorithm::Rsa),
            "ed25519" => Ok(Algorithm::Ed25519),
            _ => Err(format!("{text:?} is neither rsa nor ed25519")),
        }
    }
}

/// A key pair, ready to sign.
enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// A private key of a domain under a selector.
pub struct Key {
    domain: String,
    selector: String,
    pair: Pair,
    /// The PKCS#8 encoding, as it is stored.
    pkcs8: Vec<u8>,
}

impl fmt::Debug for Key {
    /// Omits the secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({} {})", self.algorithm(), self.name())
    }
}

impl Key {
    /// Creates a key. An RSA key can take some seconds.
    ///
    /// # Errors
    /// If the domain or selector is invalid in DNS, or the system has no random numbers.
    pub fn generate(domain: &str, selector: &str, algorithm: Algorithm) -> Result<Key, AuthError> {
        let pkcs8 = match algorithm {
            Algorithm::Rsa => {
                let failed = |_| AuthError::Crypto("create an RSA key");
                let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, RSA_BITS);
                let key = key.map_err(failed)?;
                let der = key.to_pkcs8_der().map_err(|_| AuthError::Crypto("encode an RSA key"))?;
                der.as_bytes().to_vec()
            }
            Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map_err(|_| AuthError::Crypto("create an Ed25519 key"))?
                .as_ref()
                .to_vec(),
        };
        Key::from_pkcs8(domain, selector, pkcs8)
            .map_err(|_| AuthError::Crypto("read back a new key"))
    }

    fn from_pkcs8(domain: &str, selector: &str, pkcs8: Vec<u8>) -> Result<Key, String> {
        if !is_domain(domain) {
            return Err(AuthError::BadDomain(domain.to_owned()).to_string());
        }
        if !is_selector(selector) {
            return Err(AuthError::BadSelector(selector.to_owned()).to_string());
        }
        let pair = match Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8) {
            Ok(pair) => Pair::Ed25519(pair),
            Err(_) => match RsaKeyPair::from_pkcs8(&pkcs8) {
                Ok(pair) => Pair::Rsa(Box::new(pair)),
                Err(error) => {
                    return Err(format!("it contains no usable RSA or Ed25519 key ({error})"));
                }
            },
        };
        Ok(Key {
            domain: domain.to_ascii_lowercase(),
            selector: selector.to_ascii_lowercase(),
            pair,
            pkcs8,
        })
    }

    /// Reads a key from the PEM text of the file at `path`.
    ///
    /// # Errors
    /// If the text is not a PKCS#8 key of a known type. The error names the file.
    pub(crate) fn from_pem(
        domain: &str,
        selector: &str,
        text: &str,
        path: &Path,
    ) -> Result<Key, AuthError> {
        let bad = |problem: String| AuthError::BadKey { path: path.to_owned(), problem };
        let inner = text
            .split_once("-----BEGIN PRIVATE KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
            .ok_or_else(|| bad("it has no PRIVATE KEY block".to_owned()))?
            .0;
        let packed: String = inner.split_ascii_whitespace().collect();
        let pkcs8 = STANDARD.decode(packed).map_err(|error| bad(error.to_string()))?;
        Key::from_pkcs8(domain, selector, pkcs8).map_err(bad)
    }

    /// Returns the key in PEM format.
    pub(crate) fn to_pem(&self) -> String {
        let packed = STANDARD.encode(&self.pkcs8);
        let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in packed.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END PRIVATE KEY-----\n");
        text
    }

    /// Returns the domain that signs (`d=`).
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the selector (`s=`).
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rsa,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Returns the DNS name of the public key (RFC 6376 §3.6.2.1).
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// Returns the text of the DNS record (RFC 6376 §3.6.1, RFC 8463 §4.2).
    pub fn record(&self) -> String {
        let public = match &self.pair {
            Pair::Rsa(_) => rsa_public(&self.pkcs8),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        };
        format!("v=DKIM1; k={}; p={}", self.algorithm().key_type(), STANDARD.encode(public))
    }

    /// Returns the record as a line of a zone file, in strings of at most 255 octets (RFC 1035
    /// §3.3.14).
    pub fn zone_line(&self) -> String {
        let record = self.record();
        let strings: Vec<String> = record
            .as_bytes()
            .chunks(255)
            .map(|piece| format!("\"{}\"", String::from_utf8_lossy(piece)))
            .collect();
        match strings.as_slice() {
            [only] => format!("{}. IN TXT {only}", self.name()),
            several => format!("{}. IN TXT ( {} )", self.name(), several.join(" ")),
        }
    }

    /// Signs the hash input of a signature.
    pub(crate) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, AuthError> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature)
                    .map_err(|_| AuthError::Crypto("sign with an RSA key"))?;
                Ok(signature)
            }
            // RFC 8463 §3: the hash is signed.
            Pair::Ed25519(pair) => {
                let hash = ring::digest::digest(&ring::digest::SHA256, input);
                Ok(pair.sign(hash.as_ref()).as_ref().to_vec())
            }
        }
    }
}

/// Returns the public half of a valid RSA key as a SubjectPublicKeyInfo.
fn rsa_public(pkcs8: &[u8]) -> Vec<u8> {
    use rsa::pkcs8::DecodePrivateKey as _;
    rsa::RsaPrivateKey::from_pkcs8_der(pkcs8)
        .ok()
        .and_then(|key| key.to_public_key().to_public_key_der().ok())
        .map(|der| der.as_bytes().to_vec())
        .unwrap_or_default()
}

/// Whether a text is a valid host name in DNS, and therefore safe as the name of a directory.
pub fn is_domain(domain: &str) -> bool {
    domain.len() <= 253 && domain.contains('.') && is_selector(domain)
}

/// Whether a text is a selector: labels of letters, digits, hyphens and underscores (RFC 6376
/// §3.1).
pub fn is_selector(selector: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    selector.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Rsa] {
            let key = Key::generate("Lists.Example.org", "S1", algorithm).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(key.name(), "s1._domainkey.lists.example.org");
            let read =
                Key::from_pem("lists.example.org", "s1", &key.to_pem(), Path::new("x")).unwrap();
            assert_eq!(read.record(), key.record());
            assert_eq!(read.sign(b"x").unwrap(), key.sign(b"x").unwrap());
        }
    }

    #[test]
    fn records_are_cut_into_strings_that_dns_takes() {
        let key = Key::generate("example.org", "s", Algorithm::Rsa).unwrap();
        let line = key.zone_line();
        assert!(
            line.starts_with("s._domainkey.example.org. IN TXT ( \"v=DKIM1; k=rsa; p="),
            "{line}"
        );
        let strings: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        assert!(strings.len() > 1 && strings.iter().all(|string| string.len() <= 255), "{line}");
        assert_eq!(strings.concat(), key.record());
        let short = Key::generate("example.org", "s", Algorithm::Ed25519).unwrap().zone_line();
        assert!(!short.contains('('), "{short}");
    }

    #[test]
    fn what_dns_cannot_hold_is_no_selector() {
        for good in ["s1", "2026-11", "a.b", "x_y"] {
            assert!(is_selector(good), "{good}");
        }
        for bad in ["", ".", "a..b", "-a", "a b", "ü", "../x", "a/b", &"a".repeat(64)] {
            assert!(!is_selector(bad), "{bad}");
        }
        assert!(is_domain("lists.example.org") && !is_domain("org") && !is_domain("../x.y"));
    }

    #[test]
    fn a_damaged_key_is_named() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "x", pem, "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----"] {
            let error = Key::from_pem("example.org", "s", text, Path::new("/k.pem")).unwrap_err();
            assert!(error.to_string().starts_with("/k.pem: "), "{error}");
        }
    }
}
