//! A list's addresses and what each is for (docs/spec/pipeline.md §1).

use crate::door::Door;
use crate::pipeline;
use dormouse_spool::{Metadata, Queue};
use dormouse_store::{IntakeSettings, KnownList, List, StoreError};

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

    /// Writes what Mailman's scripts would write into the metadata (docs/spec/queue.md §5).
    pub fn describe(self, metadata: &mut Metadata, site: &IntakeSettings) {
        match self {
            Purpose::Post => metadata.set_int("tolist", 1),
            Purpose::Owner => {
                metadata.set_int("toowner", 1);
                let sender = format!("{}-bounces@{}", site.site_list, site.host);
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

/// What stands behind the site's own name in addresses that the site answers itself where no list has
/// them: what comes back to it, and what it writes from.
const SITE_SUFFIXES: [&str; 6] = ["", "-admin", "-bounces", "-loop", "-owner", "-request"];

/// Where mail to an address goes.
#[derive(Debug)]
pub enum Destination {
    /// A list, and what is wanted of it.
    List {
        /// The list.
        list: KnownList,
        /// What for.
        purpose: Purpose,
    },
    /// The site's file for mail that nobody else has ([`dormouse_store::Site::owner_bounces`]).
    Kept,
}

impl Destination {
    /// Whom an address means. What follows a `+` is a detail (a cookie, a VERP recipient) unless a
    /// list's own name has it; a list called `dev-owner` comes before the owners of `dev`. The
    /// addresses of the site itself are always there, at any host.
    pub fn find(door: &Door<'_>, address: &str) -> Result<Option<Destination>, StoreError> {
        let of = |list, purpose| Some(Destination::List { list, purpose });
        let address = address.trim().to_lowercase();
        let (local, domain) = match address.rsplit_once('@') {
            Some((local, domain)) => (local, domain),
            None => (address.as_str(), ""),
        };
        for local in
            [Some(local), local.split_once('+').map(|(base, _)| base)].into_iter().flatten()
        {
            if let Some(list) = door.list_by_address(local, domain)? {
                return Ok(of(list, Purpose::Post));
            }
            for (suffix, purpose) in SUFFIXES {
                if let Some(base) = local.strip_suffix(suffix)
                    && let Some(list) = door.list_by_address(base, domain)?
                {
                    return Ok(of(list, purpose));
                }
            }
        }
        let base = local.split_once('+').map_or(local, |(base, _)| base);
        let of_site = base.strip_prefix(&*door.settings().site_list.to_lowercase());
        let is_kept = of_site.is_some_and(|suffix| SITE_SUFFIXES.contains(&suffix));
        Ok(is_kept.then_some(Destination::Kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::{Site, Store};

    #[test]
    fn the_sites_own_addresses_are_its_lists_or_kept_in_a_file() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "lists.example").unwrap();
        let store = Store::open(&site).unwrap();
        let found = |address: &str| Destination::find(&Door::of(&site, &store), address).unwrap();
        let is_kept = |address: &str| matches!(found(address), Some(Destination::Kept));
        for address in ["mailman", "mailman-owner", "Mailman-Bounces", "mailman-loop"] {
            assert!(is_kept(&format!("{address}@lists.example")), "{address}");
        }
        assert!(is_kept("mailman-bounces+x@b.example"));
        assert!(found("mailman-join@lists.example").is_none());
        assert!(found("mailman2-owner@lists.example").is_none());
        store.write(|tx| tx.create_list("mailman", "lists.example", &[]).map(drop)).unwrap();
        let bounces = found("mailman-bounces@lists.example");
        assert!(matches!(bounces, Some(Destination::List { purpose: Purpose::Bounce, .. })));
        assert!(is_kept("mailman-loop@lists.example"), "no list has that address");
    }

    #[test]
    fn no_list_can_be_called_like_an_address_that_has_a_purpose() {
        let suffixes: Vec<&str> = SUFFIXES.iter().map(|(suffix, _)| *suffix).collect();
        assert_eq!(suffixes, dormouse_store::lists::SUFFIXES);
    }
}
