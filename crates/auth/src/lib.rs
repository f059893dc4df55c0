//! DKIM keys and signatures (RFC 6376, RFC 8463) for the mail that lists send.
//!
//! # Layout
//! - [`Key`]: one private key with its selector, and the DNS record that publishes it.
//! - [`Keyring`]: the keys of a site, `dkim/DOMAIN/SELECTOR.pem` below its directory.
//! - [`Signer`]: one message that is signed, perhaps many times under different heads.
//! - `canonical`: the relaxed canonical form of RFC 6376 §3.4.
//!
//! # Limits
//! Signatures are `relaxed/relaxed` with SHA-256, over the whole body. Keys are RSA with 2048 bits
//! (or what was put there by hand, up to 4096) and Ed25519.
//!
//! # Example
//! ```
//! use dormouse_auth::{Algorithm, Key, Signer};
//!
//! let key = Key::generate("lists.example.org", "s1", Algorithm::Ed25519)?;
//! assert!(key.record().starts_with("v=DKIM1; k=ed25519; p="));
//!
//! let signer = Signer::new(b"From: a@lists.example.org\r\nSubject: hi\r\n\r\nText\r\n");
//! let fields = signer.sign(std::slice::from_ref(&key), b"", 1_700_000_000)?;
//! assert!(fields.starts_with("DKIM-Signature: v=1; a=ed25519-sha256;"));
//! # Ok::<(), dormouse_auth::AuthError>(())
//! ```

mod canonical;
mod error;
mod key;
mod keyring;
mod signer;

pub use error::AuthError;
pub use key::{Algorithm, Key, is_domain, is_selector};
pub use keyring::Keyring;
pub use signer::Signer;
