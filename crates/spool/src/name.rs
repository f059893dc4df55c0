//! Entry names: `<received time>+<sha1>`, without the suffix (docs/spec/queue.md §2).

use dormouse_clock::Timestamp;
use sha1::{Digest, Sha1};
use std::fmt;

/// The base name of an entry's file. The time is when the mail was first received and stays the same
/// in all queues; the digest makes the name unique and assigns it to a [`Slice`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntryName {
    base: String,
}

impl EntryName {
    /// A fresh name for mail received at `received`.
    ///
    /// Mailman hashes the message, the list's name and the clock; a random part is added here, so
    /// that two identical posts in one clock tick are different.
    pub fn new(received: Timestamp, message: &[u8], listname: &str) -> EntryName {
        let mut sha1 = Sha1::new();
        sha1.update(message);
        sha1.update(listname.as_bytes());
        sha1.update(Timestamp::now().seconds().to_le_bytes());
        sha1.update(random().to_le_bytes());
        EntryName::from_parts(received, sha1)
    }

    /// The name of an output of this entry: always the same for the same `label`, so that
    /// an entry processed again overwrites its own output. The received time is kept.
    pub fn derive(&self, label: &str) -> EntryName {
        let mut sha1 = Sha1::new();
        sha1.update(self.base.as_bytes());
        sha1.update([0]);
        sha1.update(label.as_bytes());
        EntryName::from_parts(self.received().unwrap_or_else(Timestamp::now), sha1)
    }

    fn from_parts(received: Timestamp, sha1: Sha1) -> EntryName {
        // `{:?}` prints the shortest digits that read back to the same float, as Python's repr does.
        let mut base = format!("{:?}+", received.seconds());
        for byte in sha1.finalize() {
            base.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            base.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        EntryName { base }
    }

    /// Any base name found in a queue directory. A foreign name (without a `+`) is an entry, too:
    /// it matches the trigger, so some process must claim it.
    pub fn from_base(base: &str) -> EntryName {
        EntryName { base: base.to_owned() }
    }

    /// The base name, without directory and suffix.
    pub fn as_str(&self) -> &str {
        &self.base
    }

    /// When the mail was received; `None` for a foreign name.
    pub fn received(&self) -> Option<Timestamp> {
        let (time, _) = self.base.split_once('+')?;
        time.parse().ok().filter(|time: &f64| time.is_finite()).map(Timestamp::from_seconds)
    }

    /// The 160-bit digest as five 32-bit digits, most significant first. A foreign name gets the
    /// digest of its text.
    fn digest(&self) -> [u32; 5] {
        let mut digits = [0; 5];
        if let Some((_, hex)) = self.base.split_once('+')
            && hex.len() == 40
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            for (digit, chunk) in digits.iter_mut().zip(hex.as_bytes().chunks(8)) {
                *digit = chunk
                    .iter()
                    .fold(0, |sum, byte| sum << 4 | char::from(*byte).to_digit(16).unwrap_or(0));
            }
        } else {
            for (digit, chunk) in digits.iter_mut().zip(Sha1::digest(&self.base).chunks(4)) {
                *digit = chunk.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            }
        }
        digits
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.base)
    }
}

/// One of `count` equal shares of the digest space (docs/spec/queue.md §4), so that several runners
/// can split a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    index: u32,
    count: u32,
}

impl Slice {
    /// The whole queue.
    pub const WHOLE: Slice = Slice { index: 0, count: 1 };

    /// Slice `index` (from 0) of `count`; `None` unless `index < count`.
    pub fn new(index: u32, count: u32) -> Option<Slice> {
        (index < count).then_some(Slice { index, count })
    }

    /// Whether the entry falls into this slice. Each entry falls into exactly one.
    pub fn contains(self, name: &EntryName) -> bool {
        if self.count == 1 {
            return true;
        }
        let digest = name.digest();
        self.bound(self.index) <= Bound::At(digest)
            && Bound::At(digest) < self.bound(self.index + 1)
    }

    /// 2^160 · i div n, the lower bound of slice i.
    fn bound(self, i: u32) -> Bound {
        if i == self.count {
            return Bound::End;
        }
        let mut remainder = u64::from(i);
        let mut digits = [0; 5];
        for digit in &mut digits {
            let dividend = remainder << 32;
            // Below 2^32, because the remainder is below the divisor.
            *digit = (dividend / u64::from(self.count)) as u32;
            remainder = dividend % u64::from(self.count);
        }
        Bound::At(digits)
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    At([u32; 5]),
    End,
}

/// 64 bits that differ between processes.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => u64::from_le_bytes(bytes),
        // Without a random source the clock and the process still tell processes apart.
        _ => Timestamp::now().seconds().to_bits() ^ u64::from(std::process::id()) << 40,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_name_keeps_the_received_time_as_python_prints_it() {
        assert!(
            EntryName::new(time(1400000000.1), b"x", "l").as_str().starts_with("1400000000.1+")
        );
        assert!(
            EntryName::new(time(1400000000.0), b"x", "l").as_str().starts_with("1400000000.0+")
        );
        let name = EntryName::from_base("1400000000.1000001+00");
        assert_eq!(name.received(), Some(time(1400000000.1000001)));
    }

    #[test]
    fn identical_posts_in_one_tick_get_two_names() {
        assert_ne!(EntryName::new(time(1.0), b"x", "l"), EntryName::new(time(1.0), b"x", "l"));
    }

    #[test]
    fn a_derived_name_is_the_same_each_time_and_keeps_the_time() {
        let name = EntryName::new(time(1400000000.5), b"x", "l");
        assert_eq!(name.derive("out"), name.derive("out"));
        assert_ne!(name.derive("out"), name.derive("virgin"));
        assert_eq!(name.derive("out").received(), name.received());
    }

    #[test]
    fn slices_have_the_bounds_of_the_spec() {
        let lowest = EntryName::from_base(&format!("1.0+{}", "0".repeat(40)));
        let highest = EntryName::from_base(&format!("1.0+{}", "f".repeat(40)));
        let half = EntryName::from_base(&format!("1.0+8{}", "0".repeat(39)));
        let below_half = EntryName::from_base(&format!("1.0+7{}", "f".repeat(39)));
        let (first, second) = (Slice::new(0, 2).unwrap(), Slice::new(1, 2).unwrap());
        assert!(first.contains(&lowest) && first.contains(&below_half));
        assert!(second.contains(&half) && second.contains(&highest));
        assert!(!first.contains(&half) && !second.contains(&below_half));
        assert!(Slice::new(2, 2).is_none());
    }

    proptest! {
        #[test]
        fn every_name_falls_into_exactly_one_slice(base in ".*|[0-9]{1,9}\\.[0-9]+\\+[0-9a-f]{40}", count in 1u32..40) {
            let name = EntryName::from_base(&base);
            let hits = (0..count).filter(|&i| Slice { index: i, count }.contains(&name)).count();
            prop_assert_eq!(hits, 1);
        }
    }
}
