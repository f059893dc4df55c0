//! Lines `Name <address>` in input files.

use super::checked;
use dormouse_mail::address::{AddressError, parse_list};

/// A person on a line: `Name <address>`, or an address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAddress {
    /// The display name; may be empty.
    pub name: String,
    /// The address, its domain in lower case.
    pub address: String,
}

impl NamedAddress {
    /// Parses a line.
    ///
    /// # Errors
    /// If the line has no address, or more than one.
    pub fn parse(line: &str) -> Result<NamedAddress, AddressError> {
        let (name, address) = if line.contains(['<', '(', '"']) {
            match parse_list(line.as_bytes()).as_slice() {
                [mailbox] => (mailbox.name.clone(), mailbox.address.clone()),
                _ => return Err(AddressError::Invalid),
            }
        } else {
            (String::new(), line.trim().to_owned())
        };
        Ok(NamedAddress { name, address: checked(&address)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_read_as_administrators_write_them() {
        let read =
            |line: &str| NamedAddress::parse(line).map(|person| (person.name, person.address));
        let is = |name: &str, address: &str| Ok((name.to_owned(), address.to_owned()));
        assert_eq!(read("Anna@Example.ORG"), is("", "Anna@example.org"));
        assert_eq!(read("Anna B. <anna@example.org>"), is("Anna B.", "anna@example.org"));
        assert_eq!(read("\"B, Anna\" <anna@example.org>"), is("B, Anna", "anna@example.org"));
        assert_eq!(read("anna@example.org (Anna)"), is("Anna", "anna@example.org"));
        for line in ["anna", "a@b", "a@example.org, b@example.org <c@example.org>", "<>"] {
            assert_eq!(read(line), Err(AddressError::Invalid), "{line}");
        }
        assert_eq!(read("a;b@example.org"), Err(AddressError::Hostile));
    }
}
