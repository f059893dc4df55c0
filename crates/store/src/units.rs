//! Durations and sizes as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time: `100ms`, `90s`, `15min`, `1h`, `5d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(u64);

/// Milliseconds in each unit, the largest first.
const SPANS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

impl Span {
    /// As the standard library has it.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// In seconds.
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = SPANS.iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&SPANS[3]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let (number, unit) = split(text);
        let factor = SPANS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .map(Span)
            .ok_or_else(|| {
                format!("{text:?} is no span of time; write it like 90s, 15min, 1h or 5d")
            })
    }
}

/// A number of bytes: `512`, `40 KB`, `50 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

/// Bytes in each unit, the largest first.
const SIZES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

impl Size {
    /// In bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZES.iter().filter(|(name, _)| name.contains('i'));
        match binary.clone().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let (number, unit) = split(text);
        let factor = if unit.is_empty() {
            Some(1)
        } else {
            SIZES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, factor)| *factor)
        };
        number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .map(Size)
            .ok_or_else(|| format!("{text:?} is no size; write it like 512, 40 KB or 50 MiB"))
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_and_sizes_are_read_as_people_write_them() {
        assert_eq!("1h".parse::<Span>().unwrap().seconds_f64(), 3600.0);
        assert_eq!("100 ms".parse::<Span>().unwrap().duration(), Duration::from_millis(100));
        assert_eq!("50 MiB".parse::<Size>().unwrap().bytes(), 50 << 20);
        assert_eq!("40kb".parse::<Size>().unwrap().bytes(), 40_000);
        assert!("1 fortnight".parse::<Span>().unwrap_err().contains("15min"));
        assert!("99999999999 TiB".parse::<Size>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number: u32) {
            let (span, size) = (Span(number.into()), Size(number.into()));
            prop_assert_eq!(span.to_string().parse::<Span>().map_or(0, |span| span.0), if span.0 == 0 { 0 } else { span.0 });
            prop_assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
    }
}
