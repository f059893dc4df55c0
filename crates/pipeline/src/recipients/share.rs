//! Shares of a membership, each of which is sent over a connection of its own.

use dormouse_spool::{Envelope, KEY, WrongValue};

/// One of several equal shares of the recipients that a rule includes. Each recipient is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From 1 to `count`.
    number: u32,
    count: u32,
}

impl Share {
    /// Returns all of `count` shares.
    pub fn all(count: u32) -> impl Iterator<Item = Share> {
        (1..=count).map(move |number| Share { number, count })
    }

    /// Whether the member with this key is in it. Every process and version must agree, because a mail may
    /// be half sent when a program is replaced.
    pub fn has(self, key: &str) -> bool {
        // FNV-1a, 64 bits; the last step mixes the high bits into the low ones.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash ^ (hash >> 32)) % u64::from(self.count) == u64::from(self.number - 1)
    }

    pub(super) fn read(envelope: &Envelope<'_>) -> Result<Option<Share>, WrongValue> {
        let Some(text) = envelope.recips_share() else { return Ok(None) };
        let read = || {
            let (number, count) = text.split_once('/')?;
            let share = Share { number: number.parse().ok()?, count: count.parse().ok()? };
            (1..=share.count).contains(&share.number).then_some(share)
        };
        read().map(Some).ok_or_else(|| WrongValue {
            key: KEY.recips_share,
            found: format!("a text ({text:?})"),
            wanted: "a share such as `2/3`",
        })
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_spool::Metadata;

    #[test]
    fn each_member_is_in_one_share_and_the_shares_are_about_equal() {
        for count in 1..=9 {
            let mut sizes = vec![0; count as usize];
            for member in 0..9_000 {
                let key = format!("member{member}@example.org");
                let has: Vec<usize> = (0..)
                    .zip(Share::all(count))
                    .filter(|(_, one)| one.has(&key))
                    .map(|(at, _)| at)
                    .collect();
                assert_eq!(has.len(), 1, "{key}");
                sizes[has[0]] += 1;
            }
            let fair = 9_000 / count;
            assert!(
                sizes.iter().all(|size| (fair * 9 / 10..=fair * 11 / 10).contains(size)),
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn a_member_stays_in_its_share_whatever_the_version() {
        let numbers = ["", "a@example.org", "grüße@example.org"]
            .map(|key| Share::all(7).find(|share| share.has(key)).unwrap().number);
        assert_eq!(numbers, [7, 4, 7]);
    }

    #[test]
    fn an_impossible_share_is_an_error() {
        for (text, is_valid) in [
            ("1/1", true),
            ("3/3", true),
            ("0/3", false),
            ("4/3", false),
            ("1/0", false),
            ("1", false),
            ("", false),
            ("-1/3", false),
            ("1/3/3", false),
        ] {
            let mut metadata = Metadata::new();
            metadata.edit().recips_share(text);
            assert_eq!(Share::read(&metadata.envelope()).is_ok(), is_valid, "{text}");
        }
    }
}
