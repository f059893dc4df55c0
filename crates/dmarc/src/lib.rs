//! The policy of a sender's domain for mail in its name (DMARC, RFC 7489), and the DNS lookups for
//! it and for DKIM keys.
//!
//! [`names`] returns the DNS names that matter for a domain. [`Resolver`] looks up these names and
//! those of DKIM keys, all in parallel and within a time limit. [`record`] reads the answers, which
//! the caller may cache for as long as the resolver says. [`is_aligned`] says whether one domain
//! may vouch for mail of another.
//!
//! # Layout
//! - `policy`: names, records and alignment, without the network. `resolver`: the lookups.
//!
//! # Limits
//! Only what decides about a list's posts is read from a record: the policy, that for subdomains, and
//! the alignment. Nothing is cached here, and no reports are sent. DNSSEC is the resolver's task.
//!
//! # Example
//! ```
//! use dormouse_dmarc::{is_aligned, names};
//!
//! let both = ["_dmarc.mail.example.org", "_dmarc.example.org"];
//! assert_eq!(names("mail.example.org"), both);
//! assert!(is_aligned("example.org", "mail.example.org", false));
//! assert!(!is_aligned("example.org", "mail.example.org", true));
//! ```

mod policy;
mod resolver;

pub use policy::{DmarcRecord, Policy, is_aligned, names, record};
pub use resolver::{Answer, Resolver, ResolverError, TxtRecords};
