//! What a sender's domain asks of those who pass its mail on (DMARC, RFC 7489), and what name servers
//! say.
//!
//! [`names`] says which names of the domain name system matter for a domain, [`Resolver`] looks
//! them up, and those of DKIM keys, all at once and within a time limit, and [`record`] reads the
//! answers. Between the last two the caller may keep answers for as long as they are good.
//! [`is_aligned`] says whether one domain may vouch for mail of another.

mod policy;
mod resolver;

pub use policy::{Policy, Record, is_aligned, names, record};
pub use resolver::{Answer, Resolver, ResolverError, Texts};
