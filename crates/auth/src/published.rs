//! Public keys, as domains publish them (RFC 6376 §3.6.1).

use crate::key::Algorithm;
use crate::tags::{Tags, decode};
use ring::signature::{
    ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;

/// The minimum number of bits of an RSA key (RFC 8301 §3.2).
const LEAST_BITS: usize = 1024;

/// A published key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    half: Half,
    /// Whether `i=` of signatures must have the domain itself, not one below it (flag `s`).
    is_strict: bool,
    /// Whether the domain is testing DKIM (flag `y`).
    is_test: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Half {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// Parses a DNS record.
    ///
    /// # Errors
    /// If the record has no usable key; the text is a clause about the record that says why.
    pub fn read(record: &str) -> Result<PublicKey, String> {
        let tags = Tags::read(record)?;
        if let Some(version) = tags.get("v")
            && (version != "DKIM1" || tags.first() != Some("v"))
        {
            return Err("it is not a DKIM1 record".to_owned());
        }
        let has = |name: &str, wanted: &[&str]| {
            tags.items(name).is_none_or(|mut items| items.any(|item| wanted.contains(&item)))
        };
        if !has("h", &["sha256"]) {
            return Err("it does not allow sha256".to_owned());
        }
        if !has("s", &["*", "email"]) {
            return Err("it is not for mail".to_owned());
        }
        let packed = tags.get("p").ok_or("it has no tag p=")?;
        if packed.is_empty() {
            return Err("the key was revoked".to_owned());
        }
        let key = decode(packed).map_err(|_| "its tag p= is not base64".to_owned())?;
        let half = match tags.get("k").unwrap_or("rsa") {
            "rsa" => rsa_half(&key)?,
            "ed25519" => ed25519_half(key)?,
            other => return Err(format!("its key type {other:?} is unknown")),
        };
        let flag =
            |flag: &str| tags.items("t").is_some_and(|mut flags| flags.any(|known| known == flag));
        Ok(PublicKey { half, is_strict: flag("s"), is_test: flag("y") })
    }

    /// Returns the algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        match self.half {
            Half::Rsa { .. } => Algorithm::Rsa,
            Half::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Whether both are the same key, even if the records differ otherwise.
    pub fn is_same_key(&self, other: &PublicKey) -> bool {
        self.half == other.half
    }

    /// Whether the domain is testing DKIM: receivers may treat its mail as unsigned.
    pub fn is_test(&self) -> bool {
        self.is_test
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Whether a signature of the input was created with this key.
    pub(crate) fn verifies(&self, input: &[u8], signature: &[u8]) -> bool {
        match &self.half {
            Half::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, input, signature)
                .is_ok(),
            // RFC 8463 §3: the hash is signed.
            Half::Ed25519(key) => {
                let hash = ring::digest::digest(&ring::digest::SHA256, input);
                UnparsedPublicKey::new(&ED25519, key).verify(hash.as_ref(), signature).is_ok()
            }
        }
    }
}

/// Parses a SubjectPublicKeyInfo, as RFC 6376 requires, or an RSAPublicKey, as some domains publish
/// it.
fn rsa_half(key: &[u8]) -> Result<Half, String> {
    let key = rsa::RsaPublicKey::from_public_key_der(key)
        .or_else(|_| rsa::RsaPublicKey::from_pkcs1_der(key))
        .map_err(|error| format!("its tag p= is not an RSA key ({error})"))?;
    if key.n().bits() < LEAST_BITS {
        return Err(format!("its RSA key has only {} bits", key.n().bits()));
    }
    Ok(Half::Rsa { modulus: key.n().to_bytes_be(), exponent: key.e().to_bytes_be() })
}

/// Parses the 32 octets of an Ed25519 key (RFC 8463 §4.2).
fn ed25519_half(key: Vec<u8>) -> Result<Half, String> {
    match key.len() {
        32 => Ok(Half::Ed25519(key)),
        length => Err(format!("its Ed25519 key has {length} octets instead of 32")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn what_we_publish_can_be_read_back_and_tells_keys_apart() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Rsa] {
            let key = Key::generate("example.org", "s", algorithm).unwrap();
            let public = PublicKey::read(&key.record()).unwrap();
            assert_eq!(public.algorithm(), algorithm);
            assert!(public.verifies(b"x", &key.sign(b"x").unwrap()));
            assert!(!public.verifies(b"y", &key.sign(b"x").unwrap()));
            assert!(!public.verifies(b"x", b""));
            let testing = format!("{}; t=y:s", key.record());
            let testing = PublicKey::read(&testing).unwrap();
            assert!(testing.is_test() && testing.is_strict() && testing.is_same_key(&public));
            let other = Key::generate("example.org", "s", algorithm).unwrap();
            assert!(!PublicKey::read(&other.record()).unwrap().is_same_key(&public));
        }
    }

    #[test]
    fn a_record_that_is_no_key_says_why() {
        let key = Key::generate("example.org", "s", Algorithm::Ed25519).unwrap();
        let packed = key.record().split("p=").nth(1).unwrap().to_owned();
        for (record, why) in [
            (format!("v=DKIM2; k=ed25519; p={packed}"), "DKIM1"),
            (format!("k=ed25519; p={packed}; v=DKIM1"), "DKIM1"),
            ("v=DKIM1; p=".to_owned(), "revoked"),
            ("v=DKIM1".to_owned(), "p="),
            ("v=DKIM1; p=*".to_owned(), "base64"),
            (format!("p={packed}"), "RSA"),
            ("k=ed25519; p=AAAA".to_owned(), "octets"),
            (format!("k=dsa; p={packed}"), "dsa"),
            (format!("k=ed25519; h=sha1; p={packed}"), "sha256"),
            (format!("k=ed25519; s=tls; p={packed}"), "mail"),
        ] {
            let said = PublicKey::read(&record).unwrap_err();
            assert!(said.contains(why), "{record}: {said}");
        }
        for good in ["h=sha1:sha256; ", "s=*; ", "s=x:email; ", "n=note; x=y; "] {
            assert!(PublicKey::read(&format!("{good}k=ed25519; p={packed}")).is_ok(), "{good}");
        }
    }
}
