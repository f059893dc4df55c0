//! The destination of an address of incoming mail.

use crate::door::Door;
use crate::elsewhere;
use crate::refusal::IntakeRefusal;
use dormouse_membership::address::{Purpose, SUFFIXES};
use dormouse_store::KnownList;

/// Suffixes of the site list's name in addresses that exist even without that list: those to which
/// bounces come back, and those that the site uses as sender.
const SITE_SUFFIXES: [&str; 6] = ["", "-admin", "-bounces", "-loop", "-owner", "-request"];

/// Where mail to an address goes.
#[derive(Debug)]
pub enum Destination {
    /// A list.
    List {
        /// The list.
        list: KnownList,
        /// The purpose of the address.
        purpose: Purpose,
    },
    /// The archive of a list on this host, for an entry that another host passes on.
    Archive,
    /// The site's file for mail that has no other recipient
    /// ([`dormouse_store::Site::owner_bounces`]).
    Kept,
}

impl Destination {
    /// Finds the destination of an address. The part after a `+` is a detail (a cookie, a VERP
    /// recipient), unless it belongs to a list's name; a list named `dev-owner` comes before the
    /// owners of `dev`. The addresses of the site itself always exist, at any host.
    pub fn find(door: &Door<'_>, address: &str) -> Result<Option<Destination>, IntakeRefusal> {
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
        if elsewhere::is_mailbox(local) {
            return Ok(Some(Destination::Archive));
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
        store
            .write(|tx| tx.create_list(&"mailman".parse().unwrap(), "lists.example", &[]).map(drop))
            .unwrap();
        let bounces = found("mailman-bounces@lists.example");
        assert!(matches!(bounces, Some(Destination::List { purpose: Purpose::Bounce, .. })));
        assert!(is_kept("mailman-loop@lists.example"), "no list has that address");
    }
}
