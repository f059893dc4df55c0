//! Passwords. Ours are argon2id (RFC 9106); Mailman's forms are understood, so that what was imported
//! keeps working (spec/pickles.md "Passwords"). What is not ours is replaced when it is used:
//! [`is_outdated`] says so.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use pwhash::unix_crypt;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// A password of random letters that nobody confuses.
pub fn random(length: usize) -> Result<String, String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// Whether a password is the one that was hashed. An empty hash is nobody's.
pub fn verify(hash: &str, password: &str) -> bool {
    let hash = hash.trim();
    if hash.is_empty() {
        return false;
    }
    if hash.starts_with("$argon2") {
        return PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        });
    }
    if let Some(salted) = hash.strip_prefix(SALTED) {
        return BASE64.decode(salted).is_ok_and(|bytes| {
            bytes.split_at_checked(DIGEST_LENGTH).is_some_and(|(digest, salt)| {
                salted_digest(password, salt).as_slice().ct_eq(digest).into()
            })
        });
    }
    if let Some(digest) = hash.strip_prefix(MD5) {
        return is_hex_of(digest, &Md5::digest(password));
    }
    if hash.len() == CRYPT_LENGTH {
        return !password.is_empty() && unix_crypt::verify(password, hash);
    }
    is_hex_of(hash, &Sha1::digest(password))
}

/// How an MD5 digest is marked, which Mailman before 2.1 stored raw.
pub const MD5: &str = "{MD5}";
/// How long the hash of crypt(3) is, which Mailman before 2.0 stored: two characters of salt first.
pub const CRYPT_LENGTH: usize = 13;

fn is_hex_of(hex: &str, digest: &[u8]) -> bool {
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.to_ascii_lowercase().as_bytes().ct_eq(expected.as_bytes()).into()
}

/// How salted SHA-256 is marked (as other mail programs do): digest and salt follow in base64.
const SALTED: &str = "{SSHA256}";
const DIGEST_LENGTH: usize = 32;

fn salted_digest(password: &str, salt: &[u8]) -> [u8; DIGEST_LENGTH] {
    Sha256::new().chain_update(password.as_bytes()).chain_update(salt).finalize().into()
}

/// Hashes a password that was stored in the clear, as one of very many: a hundred thousand of
/// [`hash`] would take an hour. It is replaced when it is used for the first time.
///
/// # Errors
/// When the system has no random numbers.
pub fn hash_quickly(password: &str) -> Result<String, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| format!("no random numbers: {error}"))?;
    let mut bytes = salted_digest(password, &salt).to_vec();
    bytes.extend_from_slice(&salt);
    Ok(format!("{SALTED}{}", BASE64.encode(bytes)))
}

/// Whether a hash is to be replaced by one of ours now that the password is known.
pub fn is_outdated(hash: &str) -> bool {
    !hash.trim().starts_with("$argon2")
}

/// The hash that takes the place of an outdated one, of a password that is right.
pub fn renewed(hash: &str, password: &str) -> Option<String> {
    if !is_outdated(hash) {
        return None;
    }
    self::hash(password)
        .inspect_err(|problem| tracing::warn!("a password stays in its old form: {problem}"))
        .ok()
}

/// Hashes a password for the store.
///
/// # Errors
/// When the system has no random numbers.
pub fn hash(password: &str) -> Result<String, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| format!("no random numbers: {error}"))?;
    let wrong = |error: argon2::password_hash::Error| error.to_string();
    let salt = SaltString::encode_b64(&salt).map_err(wrong)?;
    // 19 MiB, two passes: the least that OWASP asks for, 30 ms here.
    let params = Params::new(19_456, 2, 1, None).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(argon2.hash_password(password.as_bytes(), &salt).map_err(wrong)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_mailmans_hashes_are_checked() {
        let ours = hash("secret").unwrap();
        assert!(ours.starts_with("$argon2id$"), "{ours}");
        // SHA-1 of "secret", as Mailman stores it.
        let theirs = "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";
        for hash in [ours.as_str(), theirs, &theirs.to_uppercase()] {
            assert!(verify(hash, "secret"), "{hash}");
            assert!(!verify(hash, "Secret") && !verify(hash, ""), "{hash}");
        }
        let quick = hash_quickly("secret").unwrap();
        assert!(verify(&quick, "secret") && !verify(&quick, "Secret") && !verify(&quick, ""));
        assert_ne!(quick, hash_quickly("secret").unwrap());
        assert!(is_outdated(&quick) && is_outdated(theirs) && !is_outdated(&ours));
        assert!(verify(&renewed(theirs, "secret").unwrap(), "secret"));
        assert_eq!(renewed(&ours, "secret"), None);
        assert!(!verify("{SSHA256}", "") && !verify("{SSHA256}abc=", "x"));
        assert!(!verify("", "") && !verify(" ", " ") && !verify("secret", "secret"));
    }

    #[test]
    fn hashes_of_mailman_before_2_1_are_checked() {
        // As Python's hashlib and crypt write them.
        for hash in ["{MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "abNANd1rDfiNc"] {
            assert!(verify(hash, "secret"), "{hash}");
            assert!(!verify(hash, "Secret") && !verify(hash, "") && is_outdated(hash), "{hash}");
        }
        assert!(!verify("{MD5}", "") && !verify("*************", "*"));
    }
}
