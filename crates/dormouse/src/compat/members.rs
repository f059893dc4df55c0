//! What the commands that change memberships have in common.

use super::call::Trouble;
use dormouse_mail::address::{Address, AddressError, parse_list};
use dormouse_pattern::{Flags, Pattern};
use dormouse_store::List;

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
