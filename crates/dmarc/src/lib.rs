//! What a sender's domain asks of those who pass its mail on (DMARC, RFC 7489).
//!
//! [`names`] says which names of the domain name system matter for a domain, [`Resolver`] looks
//! them up, all at once and within a time limit, and [`policy`] reads the answers. Between the last
//! two the caller may keep answers for as long as they are good.

mod policy;
mod resolver;

pub use policy::{Policy, names, policy};
pub use resolver::{Answer, Resolver, ResolverError};
