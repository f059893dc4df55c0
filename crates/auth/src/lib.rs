//! Authentication of mail: DKIM keys and signatures (RFC 6376, RFC 8463) and ARC chains (RFC 8617)
//! for the mail that lists send, and their verification in the mail that lists receive.
//!
//! Nothing here queries DNS: the caller provides the records of names.
//!
//! # Layout
//! - [`Key`]: a private key with its selector, and the DNS record that publishes it.
//! - [`Keyring`]: the keys of a site, `dkim/DOMAIN/SELECTOR.pem` below its directory.
//! - [`Signer`]: signs and seals a message, perhaps many times with different additional fields.
//! - [`Mail`]: verifies a message: a [`SignatureVerdict`] for each signature, which can later say what broke
//!   it, and the [`Chain`] of its seals.
//! - [`PublicKey`]: a key that a domain publishes.
//! - [`AuthResults`]: an `Authentication-Results` field (RFC 8601).
//! - `canonical`, `header`, `tags`: the forms of RFC 6376 §3.
//!
//! # Limits
//! Our signatures are `relaxed/relaxed` with SHA-256, over the whole body. Keys are Ed25519, or RSA
//! with 2048 bits (up to 4096 for keys from elsewhere). `rsa-sha1` and keys with less than 1024
//! bits are not accepted (RFC 8301). The first 8 signatures of a message are verified, and chains
//! of up to 16 links.
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

mod arc;
mod canonical;
mod error;
mod header;
mod key;
mod keyring;
mod published;
mod results;
mod signer;
mod tags;
mod verify;

pub use arc::Chain;
pub use error::AuthError;
pub use key::{Algorithm, Key, is_domain, is_selector};
pub use keyring::Keyring;
pub use published::PublicKey;
pub use results::{AuthResult, AuthResults};
pub use signer::{ArcContent, Signer};
pub use verify::{KeyLookup, Mail, Published, SignatureOutcome, SignatureVerdict, SignedPart};
