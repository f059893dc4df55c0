//! Texts that only this site can have written. Links and forms carry them, so that the store need not
//! remember anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The length of a signature, in bytes: 128 bits.
const SIGNATURE: usize = 16;

/// Separates the fields; no field contains it.
const BETWEEN: char = '\0';

/// Seals fields for a purpose. A text that is sealed for one purpose is invalid for another.
pub fn seal(secret: &[u8], purpose: &str, fields: &[&str]) -> String {
    let text = fields.join(&BETWEEN.to_string());
    let signature = keyed(secret, &["seal", purpose, &text]).finalize().into_bytes();
    format!("{}.{}", BASE64.encode(&text), BASE64.encode(&signature[..SIGNATURE]))
}

/// The fields of a sealed text, if this site sealed it for that purpose.
pub fn open(secret: &[u8], purpose: &str, sealed: &str) -> Option<Vec<String>> {
    let (text, signature) = sealed.split_once('.')?;
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let signature = BASE64.decode(signature).ok().filter(|bytes| bytes.len() == SIGNATURE)?;
    keyed(secret, &["seal", purpose, &text]).verify_truncated_left(&signature).ok()?;
    Some(text.split(BETWEEN).map(str::to_owned).collect())
}

/// Each text is preceded by its length, so that different lists of texts have different hashes.
pub fn keyed(secret: &[u8], texts: &[&str]) -> Hmac<Sha256> {
    // HMAC takes keys of any length (RFC 2104 §2), so there is no error to report.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!());
    for text in texts {
        mac.update(&(text.len() as u64).to_be_bytes());
        mac.update(text.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_for_its_purpose_and_with_its_key_alone(
            fields in prop::collection::vec("[^\0]{0,20}", 1..5), other in "[a-z]{1,8}"
        ) {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let sealed = seal(b"key", "login", &fields);
            prop_assert_eq!(open(b"key", "login", &sealed).unwrap(), fields);
            prop_assert_eq!(open(b"yek", "login", &sealed), None);
            prop_assert!(other == "login" || open(b"key", &other, &sealed).is_none());
        }

        #[test]
        fn nothing_else_is_opened(text in "\\PC{0,60}", cut in 0usize..30, flip in 0usize..40) {
            prop_assert_eq!(open(b"key", "login", &text), None);
            let sealed = seal(b"key", "login", &["1", "anna@example.org"]);
            prop_assert_eq!(open(b"key", "login", &sealed[..cut]), None);
            let mut bytes = sealed.into_bytes();
            let at = flip % bytes.len();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // Some bits of the last base64 letter have no meaning.
            prop_assert!(at + 1 == changed.len() || changed.as_bytes()[at + 1] == b'.'
                || open(b"key", "login", &changed).is_none());
        }
    }
}
