//! The policy of a sender's domain for mail in its name (DMARC, RFC 7489), and the DNS lookups for
//! it and for DKIM keys.
//!
//! [`names`] returns the DNS names that matter for a domain. [`Resolver`] looks up these names and
//! those of DKIM keys, all in parallel and within a time limit. [`record`] reads the answers, which
//! the caller may cache for as long as the resolver says. [`is_aligned`] says whether one domain
//! may vouch for mail of another.

mod policy;
mod resolver;

pub use policy::{Policy, Record, is_aligned, names, record};
pub use resolver::{Answer, Resolver, ResolverError, Texts};
