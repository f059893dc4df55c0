//! Many addresses in one text.

use crate::address;

/// Addresses, one after the other in one text: a large post would spend more time on separate texts
/// than on sending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    text: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Addresses {
    /// Creates an empty one with room for this many addresses of ordinary length.
    pub fn with_capacity(count: usize) -> Addresses {
        Addresses { text: String::with_capacity(count * 32), ends: Vec::with_capacity(count) }
    }

    /// Adds an address at the end.
    pub fn push(&mut self, address: &str) {
        self.text.push_str(address);
        self.ends.push(self.text.len());
    }

    /// Adds others at the end.
    pub fn append(&mut self, others: &Addresses) {
        let before = self.text.len();
        self.text.push_str(&others.text);
        self.ends.extend(others.ends.iter().map(|end| before + end));
    }

    /// Returns the number of addresses.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the address at this position.
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// Returns the only address, if there is exactly one.
    pub fn only(&self) -> Option<&str> {
        if self.len() == 1 { self.get(0) } else { None }
    }

    /// Returns the addresses in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.text[std::mem::replace(&mut start, end)..end])
    }

    /// Whether none of them has letters beyond ASCII.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// Returns the length of all of them together.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether each of them may certainly be sent, without a look at each: true for nearly all
    /// mail.
    pub(crate) fn are_harmless(&self) -> bool {
        let has_empty =
            self.ends.first() == Some(&0) || self.ends.windows(2).any(|of| of[0] == of[1]);
        !has_empty && address::is_harmless(&self.text)
    }
}

impl<A: AsRef<str>> FromIterator<A> for Addresses {
    fn from_iter<I: IntoIterator<Item = A>>(addresses: I) -> Addresses {
        let mut all = Addresses::default();
        addresses.into_iter().for_each(|address| all.push(address.as_ref()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(texts in proptest::collection::vec("[a-zü\" ]{0,5}", 0..8), cut in 0usize..8) {
            let cut = cut.min(texts.len());
            let mut all: Addresses = texts[..cut].iter().collect();
            all.append(&texts[cut..].iter().collect());
            prop_assert_eq!(all.iter().collect::<Vec<_>>(), texts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!((all.len(), all.is_empty()), (texts.len(), texts.is_empty()));
            for at in 0..=texts.len() {
                prop_assert_eq!(all.get(at), texts.get(at).map(String::as_str));
            }
            prop_assert_eq!(all.only(), (texts.len() == 1).then(|| texts[0].as_str()));
            prop_assert_eq!(all.is_ascii(), texts.concat().is_ascii());
        }

        #[test]
        fn none_of_harmless_addresses_has_a_problem(texts in proptest::collection::vec(any::<String>(), 0..4)) {
            let all: Addresses = texts.iter().collect();
            prop_assert!(!all.are_harmless() || texts.iter().all(|one| address::problem(one).is_none()));
        }
    }

    #[test]
    fn ordinary_addresses_are_harmless_and_one_odd_one_among_them_is_found() {
        let ordinary = ["anna@example.org", "a+b=c@[127.0.0.1]", "postmaster"];
        assert!(ordinary.iter().collect::<Addresses>().are_harmless());
        for odd in
            ["", "a b@c", "a@c\r\n", "a@c>", "<a@c", "\"q q\"@c", "grün@x", "a\u{7f}@c", "a\0@c"]
        {
            for at in 0..=ordinary.len() {
                let mut all = ordinary.to_vec();
                all.insert(at, odd);
                assert!(!all.iter().collect::<Addresses>().are_harmless(), "{odd:?} at {at}");
            }
        }
    }
}
