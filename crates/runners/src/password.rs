//! A list's passwords. Ours are argon2id (RFC 9106); Mailman's forms are understood, so that what
//! was imported keeps working (spec/pickles.md "Passwords").

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

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
    let digest = Sha1::digest(password.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hash.to_ascii_lowercase().as_bytes().ct_eq(hex.as_bytes()).into()
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
        assert!(!verify("", "") && !verify(" ", " ") && !verify("secret", "secret"));
    }
}
