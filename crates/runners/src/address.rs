//! A list's addresses and what each is for (spec/pipeline.md §1).

use crate::pipeline;
use dormouse_spool::{Metadata, Queue};
use dormouse_store::{Config, List, Store, StoreError};

/// What mail to one of a list's addresses wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `L`: a post.
    Post,
    /// `L-owner`: mail for the people who run the list.
    Owner,
    /// `L-bounces`, `L-admin`: a bounce.
    Bounce,
    /// `L-confirm`, with the cookie after a `+`.
    Confirm,
    /// `L-join`, `L-subscribe`.
    Join,
    /// `L-leave`, `L-unsubscribe`.
    Leave,
    /// `L-request`: commands.
    Request,
}

/// The suffixes of a list's addresses.
const SUFFIXES: [(&str, Purpose); 9] = [
    ("-admin", Purpose::Bounce),
    ("-bounces", Purpose::Bounce),
    ("-confirm", Purpose::Confirm),
    ("-join", Purpose::Join),
    ("-leave", Purpose::Leave),
    ("-owner", Purpose::Owner),
    ("-request", Purpose::Request),
    ("-subscribe", Purpose::Join),
    ("-unsubscribe", Purpose::Leave),
];

impl Purpose {
    /// The queue that mail for this purpose waits in.
    pub fn queue(self) -> Queue {
        match self {
            Purpose::Post | Purpose::Owner => Queue::In,
            Purpose::Bounce => Queue::Bounces,
            Purpose::Confirm | Purpose::Join | Purpose::Leave | Purpose::Request => Queue::Commands,
        }
    }

    /// Writes what Mailman's scripts would write into the metadata (spec/queue.md §5).
    pub fn describe(self, metadata: &mut Metadata, config: &Config) {
        match self {
            Purpose::Post => metadata.set_int("tolist", 1),
            Purpose::Owner => {
                metadata.set_int("toowner", 1);
                let sender = format!("{}-bounces@{}", config.site_list, config.host);
                metadata.set_text("envsender", &sender);
                metadata.set_texts("pipeline", pipeline::OWNER.iter().map(|handler| handler.name));
            }
            Purpose::Bounce => {}
            Purpose::Confirm => metadata.set_int("toconfirm", 1),
            Purpose::Join => metadata.set_int("tojoin", 1),
            Purpose::Leave => metadata.set_int("toleave", 1),
            Purpose::Request => metadata.set_int("torequest", 1),
        }
    }
}

/// Whether an address is one of a list's own, so that mail to it comes back to the list.
pub fn is_own(list: &List, address: &str) -> bool {
    let address = address.to_lowercase();
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    let detail = |local: &str| local.split_once('+').map_or(local.len(), |(base, _)| base.len());
    let own = list.local_part();
    let rest = local.strip_prefix(own).map(|rest| &rest[..detail(rest)]);
    host.eq_ignore_ascii_case(&list.settings.host_name)
        && rest.is_some_and(|rest| {
            rest.is_empty() || SUFFIXES.iter().any(|(suffix, _)| *suffix == rest)
        })
}

/// A list, and what is wanted of it.
#[derive(Debug)]
pub struct Destination {
    /// The list.
    pub list: List,
    /// What for.
    pub purpose: Purpose,
}

impl Destination {
    /// Whom an address means. What follows a `+` is a detail (a cookie, a VERP recipient) unless a
    /// list's own name has it; a list called `dev-owner` comes before the owners of `dev`.
    pub fn find(store: &Store, address: &str) -> Result<Option<Destination>, StoreError> {
        let address = address.trim().to_lowercase();
        let (local, domain) = match address.rsplit_once('@') {
            Some((local, domain)) => (local, domain),
            None => (address.as_str(), ""),
        };
        for local in
            [Some(local), local.split_once('+').map(|(base, _)| base)].into_iter().flatten()
        {
            if let Some(list) = store.list_by_address(local, domain)? {
                return Ok(Some(Destination { list, purpose: Purpose::Post }));
            }
            for (suffix, purpose) in SUFFIXES {
                if let Some(base) = local.strip_suffix(suffix)
                    && let Some(list) = store.list_by_address(base, domain)?
                {
                    return Ok(Some(Destination { list, purpose }));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_can_be_called_like_an_address_that_has_a_purpose() {
        let suffixes: Vec<&str> = SUFFIXES.iter().map(|(suffix, _)| *suffix).collect();
        assert_eq!(suffixes, dormouse_store::lists::SUFFIXES);
    }
}
