//! The tables that `build/main.rs` writes from `po/*.po`.

use std::cmp::Ordering;

/// A language other than English.
pub(crate) struct Catalogue {
    /// Mailman's code for it.
    pub code: &'static str,
    /// The translation of each msgid, empty if it has none.
    texts: &'static Texts,
    /// The index of the form for a number (Plural-Forms).
    pub form: fn(u64) -> u64,
}

/// Texts, one after the other, and the end of each.
struct Texts {
    all: &'static str,
    ends: &'static [u32],
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

impl Texts {
    fn get(&self, at: usize) -> &'static str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.all[start..self.ends[at] as usize]
    }
}

/// All languages other than English, by code.
pub(crate) fn all() -> &'static [Catalogue] {
    &CATALOGUES
}

impl Catalogue {
    /// The translation of a msgid in a context; if it has a plural, all forms, separated by NUL.
    pub fn find(&self, context: &str, id: &str) -> Option<&'static str> {
        let separator: &[u8] = if context.is_empty() { b"" } else { b"\x04" };
        let wanted = || [context.as_bytes(), separator, id.as_bytes()].into_iter().flatten();
        let (mut low, mut high) = (0, IDS.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match IDS.get(middle).bytes().cmp(wanted().copied()) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => {
                    return Some(self.texts.get(middle)).filter(|text| !text.is_empty());
                }
            }
        }
        None
    }
}
