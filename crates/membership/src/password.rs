//! Passwords. Ours are hashed with argon2id (RFC 9106). Mailman's forms are accepted, so that imported
//! passwords keep working (docs/spec/pickles.md §7), and replaced when they are used ([`is_outdated`]).

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD as BASE64_OPEN};
use md5::Md5;
use pbkdf2::pbkdf2_hmac;
use pwhash::unix_crypt;
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

/// Generates a password of letters that are not easily confused.
pub fn random(length: usize) -> Result<String, String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// Whether `password` is the one that was hashed. An empty hash matches nothing.
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
    if let Some(derived) = Pbkdf2::read(hash) {
        return derived.fits(password);
    }
    if CRYPTS.iter().any(|mark| hash.starts_with(mark)) {
        return !password.is_empty() && pwhash::unix::verify(password, hash);
    }
    if hash.len() == CRYPT_LENGTH {
        return !password.is_empty() && unix_crypt::verify(password, hash);
    }
    is_hex_of(hash, &Sha1::digest(password))
}

/// Whether [`verify`] supports the form of a hash. A hash in another form matches no password.
pub fn is_known(hash: &str) -> bool {
    let hash = hash.trim();
    let is_ours = hash.starts_with("$argon2") && PasswordHash::new(hash).is_ok();
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    is_ours
        || hash.starts_with(SALTED)
        || hash.strip_prefix(MD5).is_some_and(|digest| is_hex(digest, 32))
        || Pbkdf2::read(hash).is_some()
        || CRYPTS.iter().any(|mark| hash.starts_with(mark))
        || is_hex(hash, 40)
        || hash.len() == CRYPT_LENGTH && hash.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a text is a PBKDF2 hash. Mailman stores members' passwords in plain text, and none of them
/// looks like this.
pub fn is_pbkdf2(text: &str) -> bool {
    Pbkdf2::read(text.trim()).is_some()
}

/// The prefixes of modern `crypt(3)` hashes: MD5, SHA-256, SHA-512, bcrypt.
const CRYPTS: [&str; 6] = ["$1$", "$5$", "$6$", "$2a$", "$2b$", "$2y$"];

/// A hash with more rounds is refused: it would block a run. No known program sets so many.
const MOST_ROUNDS: u32 = 10_000_000;
/// The accepted lengths of a derived key, in bytes.
const DERIVED: std::ops::RangeInclusive<usize> = 16..=256;

/// A hash by PBKDF2 (RFC 8018), as Mailman's Python 3 fork writes it,
/// `$pbkdf2$sha256$ROUNDS$SALT$KEY` in hexadecimal, and as passlib does,
/// `$pbkdf2-sha256$ROUNDS$SALT$KEY` in its base64.
struct Pbkdf2 {
    digest: HashFunction,
    rounds: u32,
    salt: Vec<u8>,
    key: Vec<u8>,
}

#[derive(Clone, Copy)]
enum HashFunction {
    Sha1,
    Sha256,
    Sha512,
}

impl Pbkdf2 {
    fn read(hash: &str) -> Option<Pbkdf2> {
        let parts: Vec<&str> = hash.strip_prefix('$')?.split('$').collect();
        let (digest, rounds, salt, key) = match *parts.as_slice() {
            ["pbkdf2", digest, rounds, salt, key] => (digest, rounds, salt, key),
            [scheme, rounds, salt, key] => {
                let digest = scheme.strip_prefix("pbkdf2")?;
                (digest.strip_prefix('-').unwrap_or("sha1"), rounds, salt, key)
            }
            _ => return None,
        };
        let digest = match digest {
            "sha1" => HashFunction::Sha1,
            "sha256" => HashFunction::Sha256,
            "sha512" => HashFunction::Sha512,
            _ => return None,
        };
        // `i=29000,l=32` in the notation of the Password Hashing Competition.
        let rounds = rounds.split(',').find_map(|part| part.strip_prefix("i=")).unwrap_or(rounds);
        let rounds = rounds.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
        // Base64 is unlikely to be valid hexadecimal on both sides by chance.
        let (salt, key) = match (unhex(salt), unhex(key)) {
            (Some(salt), Some(key)) => (salt, key),
            _ => (adapted_base64(salt)?, adapted_base64(key)?),
        };
        DERIVED.contains(&key.len()).then_some(Pbkdf2 { digest, rounds, salt, key })
    }

    fn fits(&self, password: &str) -> bool {
        let mut key = vec![0; self.key.len()];
        let (password, salt) = (password.as_bytes(), self.salt.as_slice());
        match self.digest {
            HashFunction::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, self.rounds, &mut key),
            HashFunction::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, self.rounds, &mut key),
            HashFunction::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, self.rounds, &mut key),
        }
        !password.is_empty() && bool::from(key.ct_eq(&self.key))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Base64 in passlib's variant: `.` for `+`, and no padding.
fn adapted_base64(text: &str) -> Option<Vec<u8>> {
    BASE64_OPEN.decode(text.replace('.', "+").trim_end_matches('=')).ok()
}

/// The prefix of an MD5 digest, which Mailman before 2.1 stored raw.
pub const MD5: &str = "{MD5}";
/// The length of a traditional crypt(3) hash, which Mailman before 2.0 stored: two characters of salt,
/// then the digest.
pub const CRYPT_LENGTH: usize = 13;

fn is_hex_of(hex: &str, digest: &[u8]) -> bool {
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.to_ascii_lowercase().as_bytes().ct_eq(expected.as_bytes()).into()
}

/// The prefix of salted SHA-256 (as in other mail programs): digest and salt follow in base64.
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

/// Whether a hash must be replaced by one of ours now that the password is known.
pub fn is_outdated(hash: &str) -> bool {
    !hash.trim().starts_with("$argon2")
}

/// The new hash if the one of a correct password is outdated.
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
    // 19 MiB, two passes: OWASP's minimum, about 30 ms.
    let params = Params::new(19_456, 2, 1, None).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(argon2.hash_password(password.as_bytes(), &salt).map_err(wrong)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib.
    const HASHES_OF_SECRET: [&str; 6] = [
        "$pbkdf2$sha256$1000$000102030405060708090a0b0c0d0e0f$4efb2bbb6d2eb58ea8deaed54417ae2fd87fd50a8a8568709363da60d4560606",
        "$pbkdf2$sha512$1000$000102030405060708090A0B0C0D0E0F$F25B652DEE5C23A28DAD63A63059138B6884EDF11724A24947D9618DDFF14A7EBCFB13AACEFDA1DB40B8203BFF7A7AA5C7C7FA01A44713EE979EF1CA5CA8408C",
        "$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$Tvsru20utY6o3q7VRBeuL9h/1QqKhWhwk2PaYNRWBgY",
        "$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$8ltlLe5cI6KNrWOmMFkTi2iE7fEXJKJJR9lhjd/xSn68.xOqzv2h20C4IDv/enqlx8f6AaRHE.6XnvHKXKhAjA",
        "$pbkdf2$1000$AAECAwQFBgcICQoLDA0ODw$sFSyXPFcXgkxACFLfL2dSbbhY6k",
        "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$Tvsru20utY6o3q7VRBeuL9h/1QqKhWhwk2PaYNRWBgY",
    ];
    const CRYPTED_SECRETS: [&str; 3] = [
        "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
        "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.",
        "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.",
    ];

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
    fn hashes_by_pbkdf2_are_checked_in_every_notation() {
        for hash in HASHES_OF_SECRET {
            assert!(is_known(hash) && is_pbkdf2(hash), "{hash}");
            assert!(verify(hash, "secret"), "{hash}");
            assert!(!verify(hash, "Secret") && !verify(hash, "") && is_outdated(hash), "{hash}");
        }
        for hash in [
            "$pbkdf2$sha256$310000$zz$zz",
            "$pbkdf2$sha3$1000$00112233$00112233445566778899aabbccddeeff",
            "$pbkdf2$sha256$99999999999$00112233$00112233445566778899aabbccddeeff",
            "$pbkdf2$sha256$0$00112233$00112233445566778899aabbccddeeff",
            "$pbkdf2$sha256$1000$00112233$",
            "$scrypt$x",
            "{PKCS5S2}abc",
        ] {
            assert!(!is_known(hash) && !verify(hash, "secret") && !verify(hash, ""), "{hash}");
        }
    }

    #[test]
    fn hashes_of_modern_crypt_are_checked() {
        // Computed with `openssl passwd`.
        for hash in CRYPTED_SECRETS {
            assert!(is_known(hash) && verify(hash, "secret"), "{hash}");
            assert!(!verify(hash, "Secret") && !verify(hash, ""), "{hash}");
        }
    }

    #[test]
    fn hashes_of_mailman_before_2_1_are_checked() {
        // Computed with Python's hashlib and crypt.
        for hash in ["{MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "abNANd1rDfiNc"] {
            assert!(verify(hash, "secret"), "{hash}");
            assert!(!verify(hash, "Secret") && !verify(hash, "") && is_outdated(hash), "{hash}");
        }
        assert!(!verify("{MD5}", "") && !verify("*************", "*"));
    }
}
