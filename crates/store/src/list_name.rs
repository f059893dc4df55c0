//! The names of lists.

use crate::check;
use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::str::FromStr;

/// A list's name on its site, in lower case: `name`, or `name@host` if a list of another host has that
/// name already. It is the name in the database, in envelopes and on the command line; addresses
/// begin with [`ListName::local`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ListName(String);

impl ListName {
    /// Returns a name that the database has, or the part of one.
    pub(crate) fn kept(name: String) -> ListName {
        ListName(name)
    }

    /// Reads the name of a list that exists, or did. Mailman allows names that a new list must not
    /// have; the name only has to be fit for a path and for a line of a file. The error says what is
    /// wrong.
    pub fn existing(text: &str) -> Result<ListName, String> {
        let mut parts = text.split('@');
        let is_fit = |part: &str| {
            let is_odd =
                |letter: char| letter == '/' || letter.is_whitespace() || letter.is_control();
            !part.is_empty() && !part.starts_with('.') && !part.contains(is_odd)
        };
        if parts.by_ref().take(2).all(is_fit)
            && parts.next().is_none()
            && text == text.to_lowercase()
        {
            return Ok(ListName(text.to_owned()));
        }
        Err(format!(
            "{text:?} is not the name of a list, which is `name` or `name@host` in lower case, without \
             spaces, slashes and dots at the beginning"
        ))
    }

    /// Returns the name of a list with the same local part that another list has already.
    pub(crate) fn at(&self, host: &str) -> Result<ListName, String> {
        ListName::existing(&format!("{}@{}", self.local(), host.to_lowercase()))
    }

    /// Returns the part of the list's addresses before the `@`.
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// Returns the host, if the name contains it.
    pub fn host(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, host)| host)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads the name of a new list, in any case. The error says what is wrong.
impl FromStr for ListName {
    type Err = String;

    fn from_str(text: &str) -> Result<ListName, String> {
        let name = ListName(text.to_lowercase());
        check::list_name(name.local())?;
        name.host().map_or(Ok(()), check::host)?;
        Ok(name)
    }
}

impl Deref for ListName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ListName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ListName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A name is always fit for a path: of the list's archive, for instance.
impl AsRef<Path> for ListName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl PartialEq<str> for ListName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ListName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for ListName {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl PartialEq<ListName> for str {
    fn eq(&self, other: &ListName) -> bool {
        *self == other.0
    }
}

impl PartialEq<ListName> for String {
    fn eq(&self, other: &ListName) -> bool {
        *self == other.0
    }
}

impl From<ListName> for String {
    fn from(name: ListName) -> String {
        name.0
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_contain_its_host() {
        let name: ListName = "Talk@Lists.Example".parse().unwrap();
        assert_eq!((name.local(), name.host()), ("talk", Some("lists.example")));
        let name: ListName = "talk".parse().unwrap();
        assert_eq!((name.local(), name.host()), ("talk", None));
        for wrong in ["", "@h.example", "talk@", "talk@-", "-talk", "ta lk", "talk@a@b", "talk/.."]
        {
            assert!(wrong.parse::<ListName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_existing_name_may_be_unusual_but_is_fit_for_a_path() {
        let long = "a".repeat(64);
        for unusual in ["a..b", "-dev", "c++", "dev.", "x.mbox", &long, "a..b@h_1.example"] {
            assert_eq!(ListName::existing(unusual).unwrap(), unusual);
            assert!(unusual == "c++" || unusual.parse::<ListName>().is_err(), "{unusual}");
        }
        for wrong in
            ["", ".", "..", ".x", "a/b", "../a", "a b", "a\nb", "@h", "a@", "a@b@c", "a@..", "Dev"]
        {
            assert!(ListName::existing(wrong).is_err(), "{wrong:?}");
        }
    }
}
