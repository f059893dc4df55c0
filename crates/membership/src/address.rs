//! A list's addresses and what each is for (docs/spec/pipeline.md §1).

use dormouse_spool::{Metadata, Queue};
use dormouse_store::{IntakeSettings, List, check};

/// What mail to one of a list's addresses is for.
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
pub const SUFFIXES: [(&str, Purpose); 9] = [
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
    /// The queue for mail to this address.
    pub fn queue(self) -> Queue {
        match self {
            Purpose::Post | Purpose::Owner => Queue::In,
            Purpose::Bounce => Queue::Bounces,
            Purpose::Confirm | Purpose::Join | Purpose::Leave | Purpose::Request => Queue::Commands,
        }
    }

    /// Writes the metadata that Mailman's wrapper scripts would write (docs/spec/queue.md §5).
    pub fn describe(self, metadata: &mut Metadata, site: &IntakeSettings) {
        let edit = metadata.edit();
        match self {
            Purpose::Post => edit.to_list(true),
            Purpose::Owner => {
                let sender = format!("{}-bounces@{}", site.site_list, site.host);
                edit.to_owner(true).envsender(&sender).pipeline(check::OWNER)
            }
            Purpose::Bounce => edit,
            Purpose::Confirm => edit.to_confirm(true),
            Purpose::Join => edit.to_join(true),
            Purpose::Leave => edit.to_leave(true),
            Purpose::Request => edit.to_request(true),
        };
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

/// The same mailbox at every domain that the setting (`a,b;c,d`) calls equivalent.
pub fn equivalents(setting: &str, address: &str) -> Vec<String> {
    let Some((local, domain)) = address.rsplit_once('@') else { return Vec::new() };
    setting
        .split(';')
        .map(|group| {
            group.split(',').map(str::trim).filter(|name| !name.is_empty()).collect::<Vec<_>>()
        })
        .filter(|group| group.iter().any(|name| name.eq_ignore_ascii_case(domain)))
        .flatten()
        .filter(|name| !name.eq_ignore_ascii_case(domain))
        .map(|name| format!("{local}@{}", name.to_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_can_be_called_like_an_address_that_has_a_purpose() {
        let suffixes: Vec<&str> = SUFFIXES.iter().map(|(suffix, _)| *suffix).collect();
        assert_eq!(suffixes, dormouse_store::lists::SUFFIXES);
    }

    #[test]
    fn an_equivalent_domain_is_any_other_of_its_group() {
        let setting = "example.com, mail.example.com; Old.example.org,new.example.org";
        assert_eq!(equivalents(setting, "a@example.com"), ["a@mail.example.com"]);
        assert_eq!(equivalents(setting, "a@new.example.org"), ["a@old.example.org"]);
        assert!(equivalents(setting, "a@elsewhere.example").is_empty());
        assert!(equivalents("", "a@example.com").is_empty());
    }
}
