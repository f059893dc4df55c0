//! What the commands that change memberships have in common.

use super::call::Trouble;
use crate::failure::Failure;
use dormouse_mail::address::{Address, AddressError, parse_list};
use dormouse_pattern::{Flags, Pattern};
use dormouse_runners::membership::join::Wish;
use dormouse_runners::membership::{self, MembershipError, Origin, Refusal, Registry, split};
use dormouse_spool::Spool;
use dormouse_store::{List, Request, Site, Store, StoreError};

/// A person on a line: `Name <address>`, or an address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name, or nothing.
    pub name: String,
    /// The address, its domain in lower case.
    pub address: String,
}

/// Why a line names nobody who could be a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPerson {
    /// It has no address.
    Bad,
    /// Its address has letters that no address may have.
    Hostile,
}

/// Reads a line.
pub fn person(line: &str) -> Result<Person, NoPerson> {
    let (name, address) = if line.contains(['<', '(', '"']) {
        match parse_list(line.as_bytes()).as_slice() {
            [mailbox] => (mailbox.name.clone(), mailbox.address.clone()),
            _ => return Err(NoPerson::Bad),
        }
    } else {
        (String::new(), line.trim().to_owned())
    };
    match Address::parse(&address) {
        Ok(address) => {
            let address = format!("{}@{}", address.local(), address.domain().to_lowercase());
            Ok(Person { name, address })
        }
        Err(AddressError::Hostile) => Err(NoPerson::Hostile),
        Err(AddressError::Invalid) => Err(NoPerson::Bad),
    }
}

/// Where memberships change.
pub struct Office<'o> {
    pub site: &'o Site,
    pub spool: &'o Spool,
    pub store: &'o Store,
}

/// So many people are handled in one transaction: the mails that come of it are in memory until
/// then.
pub const TOGETHER: usize = 200;

impl Office<'_> {
    /// Changes memberships of a list in one transaction, together with the mails that come of it.
    /// `notify` overrides whether the owners are told of each.
    pub fn change<T>(
        &self,
        list: &List,
        notify: Option<bool>,
        work: impl FnOnce(&mut Registry<'_>) -> Result<T, MembershipError>,
    ) -> Result<T, Trouble> {
        let mut list = list.clone();
        if let Some(notify) = notify {
            list.settings.admin_notify_mchanges = notify;
        }
        let origin = Origin::owner("by the administrator");
        membership::act(self.site, self.spool, self.store, &list, origin, work)
            .map_err(Failure::from)?
            .map_err(|refusal| Trouble::Said(refusal.to_string()))
    }
}

/// Subscribes somebody; what is to be said if that may not be.
pub fn subscribe(
    registry: &mut Registry<'_>,
    person: &Person,
    digest: bool,
    welcome: Option<bool>,
) -> Result<Result<(), Refusal>, StoreError> {
    let request = Request::Subscribe {
        address: person.address.clone(),
        real_name: person.name.clone(),
        digest,
        language: String::new(),
        password: String::new(),
        invitation: false,
    };
    split(registry.add(&request, welcome))
}

/// Asks somebody to subscribe.
pub fn invite(
    registry: &mut Registry<'_>,
    person: &Person,
    digest: bool,
    message: &str,
) -> Result<Result<(), Refusal>, StoreError> {
    let wish = Wish {
        address: person.address.clone(),
        real_name: person.name.clone(),
        digest: Some(digest),
        ..Wish::default()
    };
    split(registry.invite(&wish, message))
}

/// Why somebody was not taken, as Mailman's commands say it.
pub fn refused(list: &List, line: &str, address: &str, why: &Refusal) -> String {
    match why {
        Refusal::Member => format!("Already a member: {line}"),
        Refusal::Banned(_) => {
            let pattern = banned(list, address).unwrap_or("the site's ban list");
            format!("{line}: Banned address (matched {pattern})")
        }
        Refusal::Address(_) | Refusal::ListAddress => refusal(line, NoPerson::Bad),
        other => format!("{line}: {other}"),
    }
}

/// The entry of a list's `ban_list` that shuts an address out.
pub fn banned<'l>(list: &'l List, address: &str) -> Option<&'l str> {
    let flags = Flags { ignore_case: true, ..Flags::default() };
    let matches = |entry: &&String| {
        if entry.starts_with('^') {
            Pattern::new(entry, flags).and_then(|pattern| pattern.search(address)).unwrap_or(false)
        } else {
            entry.trim().eq_ignore_ascii_case(address)
        }
    };
    list.settings.ban_list.iter().find(matches).map(String::as_str)
}

/// Why a line was not taken, as Mailman's commands say it.
pub fn refusal(line: &str, why: NoPerson) -> String {
    match why {
        NoPerson::Bad => format!("Bad/Invalid email address: {line}"),
        NoPerson::Hostile => format!("Hostile address (illegal characters): {line}"),
    }
}

/// An address that must be one.
pub fn must_be_address(address: &str) -> Result<(), Trouble> {
    Address::parse(address)
        .map(drop)
        .map_err(|_| Trouble::usage(format!("Not a valid email address: {address}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_read_as_administrators_write_them() {
        let read = |line: &str| person(line).map(|person| (person.name, person.address));
        let is = |name: &str, address: &str| Ok((name.to_owned(), address.to_owned()));
        assert_eq!(read("Anna@Example.ORG"), is("", "Anna@example.org"));
        assert_eq!(read("Anna B. <anna@example.org>"), is("Anna B.", "anna@example.org"));
        assert_eq!(read("\"B, Anna\" <anna@example.org>"), is("B, Anna", "anna@example.org"));
        assert_eq!(read("anna@example.org (Anna)"), is("Anna", "anna@example.org"));
        for line in ["anna", "a@b", "a@example.org, b@example.org <c@example.org>", "<>"] {
            assert_eq!(read(line), Err(NoPerson::Bad), "{line}");
        }
        assert_eq!(read("a;b@example.org"), Err(NoPerson::Hostile));
    }
}
