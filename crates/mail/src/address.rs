//! Addresses, in headers and on the command line.

mod key;

use crate::encoded_word;
use std::borrow::Cow;
use std::fmt;
use unicode_normalization::UnicodeNormalization as _;

pub use key::AddressKey;

/// A full address that Mailman would let subscribe (docs/spec/commands.md §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not have the form local@domain.
    #[error("not a full address such as anna@example.org")]
    Invalid,
    /// It contains characters that other programs on the way could interpret.
    #[error("an address cannot contain such characters")]
    Hostile,
}

impl Address {
    /// Parses an address. Unlike in Mailman, it may have letters and digits of any script before
    /// the `@` (RFC 6531); an internationalized domain is converted to ASCII (RFC 5891), which
    /// every server accepts.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let hostile = |letter: char| {
            letter.is_control()
                || !letter.is_ascii() && !letter.is_alphanumeric()
                || matches!(
                    letter,
                    '[' | ']' | '(' | ')' | '<' | '>' | '|' | ':' | ';' | '^' | ',' | '\\' | '"'
                )
        };
        // ASCII is normalized already.
        let text: Cow<'_, str> =
            if text.is_ascii() { text.into() } else { text.nfc().collect::<String>().into() };
        if text.is_empty() || text.contains(' ') {
            return Err(AddressError::Invalid);
        }
        if text.chars().any(hostile) {
            return Err(AddressError::Hostile);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Invalid)?;
        let domain = if domain.is_ascii() {
            domain.to_owned()
        } else {
            idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Invalid)?
        };
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if local.is_empty()
            || local.contains('@')
            || !domain.contains('.')
            || !domain.split('.').all(label)
        {
            return Err(AddressError::Invalid);
        }
        Ok(Address { local: local.to_owned(), domain })
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The key by which the address is looked up.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(&self.to_string())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// The domain of an address as domains are compared: in ASCII and lower case.
pub fn domain_key(address: &str) -> String {
    let ascii = ascii_domain(address);
    ascii.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase()
}

/// Converts an address's domain to ASCII (RFC 5891). A domain without such a form stays unchanged.
pub fn ascii_domain(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => idna::domain_to_ascii_strict(domain)
            .map_or(Cow::Borrowed(address), |ascii| Cow::Owned(format!("{local}@{ascii}"))),
        _ => Cow::Borrowed(address),
    }
}

/// An address with a name, as in headers; it may contain anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailbox {
    /// The name, decoded; may be empty.
    pub name: String,
    /// The address.
    pub address: String,
}

impl Mailbox {
    /// The key by which the address is looked up.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(&self.address)
    }
}

/// Parses the addresses of a header's value (RFC 5322 §3.4) leniently: groups are opened, a comment
/// becomes the name if there is none, and everything but addresses is left out.
pub fn parse_list(value: &[u8]) -> Vec<Mailbox> {
    let mut scanner = Scanner { bytes: value, at: 0 };
    let mut found = Vec::new();
    let mut current = Draft::default();
    while let Some(byte) = scanner.next() {
        match byte {
            b',' | b';' => current.finish(&mut found),
            // The name of a group; its members follow.
            b':' => current = Draft::default(),
            b'"' => current.word(scanner.quoted(), true),
            b'(' => current.comment = scanner.comment(),
            b'<' => current.angle = Some(scanner.angle()),
            byte if byte.is_ascii_whitespace() => current.gap = true,
            byte => {
                let start = scanner.at - 1;
                while scanner
                    .peek()
                    .is_some_and(|byte| !byte.is_ascii_whitespace() && !b",;:\"(<".contains(&byte))
                {
                    scanner.at += 1;
                }
                let _first = byte;
                current.word(value[start..scanner.at].to_vec(), false);
            }
        }
    }
    current.finish(&mut found);
    found
}

/// An address while it is being parsed.
#[derive(Default)]
struct Draft {
    words: Vec<u8>,
    /// The same words for an address, where quotes stay.
    bare: Vec<u8>,
    gap: bool,
    comment: Vec<u8>,
    angle: Option<Vec<u8>>,
}

impl Draft {
    fn word(&mut self, word: Vec<u8>, quoted: bool) {
        if self.gap && !self.words.is_empty() {
            self.words.push(b' ');
        }
        self.gap = false;
        if quoted {
            self.bare.push(b'"');
            self.bare.extend_from_slice(&word);
            self.bare.push(b'"');
        } else {
            self.bare.extend_from_slice(&word);
        }
        self.words.extend_from_slice(&word);
    }

    fn finish(&mut self, found: &mut Vec<Mailbox>) {
        let draft = std::mem::take(self);
        let mailbox = match draft.angle {
            Some(angle) => {
                // An obsolete route precedes the address: <@a,@b:c@d>.
                let address = angle
                    .iter()
                    .rposition(|&byte| byte == b':')
                    .filter(|_| angle.starts_with(b"@"));
                let address = address.map_or(angle.as_slice(), |colon| &angle[colon + 1..]);
                Mailbox { name: encoded_word::decode(&draft.words), address: text(address) }
            }
            None => {
                Mailbox { name: encoded_word::decode(&draft.comment), address: text(&draft.bare) }
            }
        };
        if mailbox.address.contains('@') {
            found.push(mailbox);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    let kept: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    String::from_utf8_lossy(&kept).into_owned()
}

struct Scanner<'v> {
    bytes: &'v [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// After an opening quote: returns the text up to the closing one, unescaped.
    fn quoted(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'"' => break,
                b'\\' => out.extend(self.next()),
                _ => out.push(byte),
            }
        }
        out
    }

    /// After an opening parenthesis: returns the text up to the matching one.
    fn comment(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut depth = 1;
        while let Some(byte) = self.next() {
            match byte {
                b'(' => depth += 1,
                b')' if depth == 1 => break,
                b')' => depth -= 1,
                b'\\' => {
                    out.extend(self.next());
                    continue;
                }
                _ => {}
            }
            out.push(byte);
        }
        out
    }

    /// After `<`: returns the text up to `>`.
    fn angle(&mut self) -> Vec<u8> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'>').unwrap_or(rest.len());
        self.at = (self.at + end + 1).min(self.bytes.len());
        rest[..end].to_vec()
    }
}

/// Formats a name and an address for a header. Nothing in the name can end the field or begin
/// another address.
pub fn format_mailbox(name: &str, address: &str) -> String {
    let clean = |text: &str| {
        text.chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect::<String>()
    };
    let name = clean(name);
    let name = name.trim();
    let address: String =
        clean(address).chars().filter(|letter| !" <>".contains(*letter)).collect();
    if name.is_empty() {
        return address;
    }
    if !name.is_ascii() || name.contains("=?") {
        return format!("{} <{address}>", encoded_word::encode_words(name, 60));
    }
    let plain =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~ ".contains(letter);
    if name.chars().all(plain) {
        return format!("{name} <{address}>");
    }
    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{quoted}\" <{address}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_compared_as_dns_has_them() {
        assert_eq!(domain_key("a@B.Example"), "b.example");
        assert_eq!(domain_key("\"a@b\"@bücher.example"), "xn--bcher-kva.example");
        assert_eq!(domain_key("nobody"), "");
    }
    use proptest::prelude::*;

    fn list(value: &str) -> Vec<(String, String)> {
        parse_list(value.as_bytes())
            .into_iter()
            .map(|mailbox| (mailbox.name, mailbox.address))
            .collect()
    }

    fn pair(name: &str, address: &str) -> (String, String) {
        (name.to_owned(), address.to_owned())
    }

    #[test]
    fn lists_are_read_as_people_write_them() {
        assert_eq!(
            list("a@x.org, Bert B. <b@x.org>"),
            [pair("", "a@x.org"), pair("Bert B.", "b@x.org")]
        );
        assert_eq!(list("\"Comma, Inc.\" <c@x.org>"), [pair("Comma, Inc.", "c@x.org")]);
        assert_eq!(list("d@x.org (Dora (D.) D)"), [pair("Dora (D.) D", "d@x.org")]);
        assert_eq!(list("friends: a@x.org, b@x.org;, c@x.org").len(), 3);
        assert_eq!(list("undisclosed-recipients:;"), []);
        assert_eq!(list("<@relay,@other:e@x.org>"), [pair("", "e@x.org")]);
        assert_eq!(list("=?utf-8?q?J=C3=B6rg?= <j@x.org>"), [pair("Jörg", "j@x.org")]);
        assert_eq!(list("\"odd name\"@x.org"), [pair("", "\"oddname\"@x.org")]);
        assert_eq!(list("broken <f@x.org"), [pair("broken", "f@x.org")]);
        assert_eq!(list("nobody, <>, (x)"), []);
    }

    #[test]
    fn addresses_for_members_are_checked() {
        assert_eq!(
            Address::parse("A.b+c@Example.org").unwrap().key().as_str(),
            "a.b+c@example.org"
        );
        for wrong in ["", "a", "a@b", "@b.org", "a@-b.org", "a b@c.org", "a@b..org"] {
            assert_eq!(Address::parse(wrong), Err(AddressError::Invalid), "{wrong}");
        }
        let umlauts = Address::parse("Ju\u{308}rgen@Bücher.example").unwrap();
        assert_eq!(umlauts.to_string(), "J\u{fc}rgen@xn--bcher-kva.example");
        for hostile in ["a<b@c.org", "a;b@c.org", "a\u{202e}@c.org", "a\n@c.org", "☃@c.org"] {
            assert_eq!(Address::parse(hostile), Err(AddressError::Hostile), "{hostile}");
        }
    }

    proptest! {
        #[test]
        fn what_is_formatted_is_read_back(name in "[^\\p{C}]{0,30}", local in "[a-z0-9.]{1,8}", domain in "[a-z]{1,8}\\.org") {
            let address = format!("{local}@{domain}");
            let formatted = format_mailbox(&name, &address).replace("\n ", " ");
            let read = parse_list(formatted.as_bytes());
            prop_assert_eq!(read.len(), 1, "{}", formatted);
            prop_assert_eq!(&read[0].address, &address);
            let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(squeeze(&read[0].name), squeeze(&name));
        }

        #[test]
        fn any_bytes_are_a_list(bytes: Vec<u8>) {
            for mailbox in parse_list(&bytes) {
                prop_assert!(mailbox.address.contains('@'));
            }
        }
    }
}
