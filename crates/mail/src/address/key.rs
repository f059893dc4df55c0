//! The spelling by which addresses are looked up and compared.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

/// An address in the spelling by which it is looked up and compared: in lower case. Two addresses
/// that differ only in case have the same key; mail is sent to the address as it was written.
///
/// Any text has a key, since headers and old databases contain anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(String);

impl AddressKey {
    /// The key of an address, however it is written.
    pub fn of(address: &str) -> AddressKey {
        AddressKey(address.to_lowercase())
    }

    /// The part before the last `@`; everything if there is none.
    pub fn local(&self) -> &str {
        self.rsplit_once('@').map_or(self, |(local, _)| local)
    }

    /// The part after the last `@`; empty if there is none.
    pub fn domain(&self) -> &str {
        self.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for AddressKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<AddressKey> for String {
    fn from(key: AddressKey) -> String {
        key.0
    }
}

impl AsRef<str> for AddressKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A set of keys can be searched for a text, which must be in lower case.
impl Borrow<str> for AddressKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_differ_in_capitals_have_the_same_key() {
        for (written, key, domain) in [
            ("Anna@Example.ORG", "anna@example.org", "example.org"),
            ("GRÜN@x.example", "grün@x.example", "x.example"),
            ("\"a@B\"@C.example", "\"a@b\"@c.example", "c.example"),
            ("nobody", "nobody", ""),
            ("", "", ""),
        ] {
            assert_eq!(AddressKey::of(written), AddressKey::of(key));
            assert_eq!(AddressKey::of(written).as_str(), key);
            assert_eq!(AddressKey::of(written).domain(), domain);
        }
        assert_ne!(AddressKey::of("anna@x.example"), AddressKey::of("anna@y.example"));
    }
}
