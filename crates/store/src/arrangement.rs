//! What starts the processing of a queue.

use crate::units::Span;
use crate::value::SettingValue;
use std::fmt;
use std::str::FromStr;

/// How a queue is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// An entry starts a drain.
    OnDemand,
    /// A timer starts a drain at this interval.
    Timer(Span),
    /// A process stays running, and works in this many shares.
    Resident(u32),
    /// Entries are not processed.
    Off,
}

/// The maximum number of shares; a larger one is certainly a typing error.
pub const MOST_SHARES: u32 = 64;

impl fmt::Display for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arrangement::OnDemand => f.pad("on-demand"),
            Arrangement::Timer(every) => f.pad(&format!("timer {every}")),
            Arrangement::Resident(1) => f.pad("resident"),
            Arrangement::Resident(shares) => f.pad(&format!("resident {shares}")),
            Arrangement::Off => f.pad("off"),
        }
    }
}

impl FromStr for Arrangement {
    type Err = String;

    fn from_str(text: &str) -> Result<Arrangement, String> {
        let wrong = || {
            format!(
                "{text:?} is not an arrangement; write on-demand, timer 15min, resident 2 or off"
            )
        };
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match (word.to_lowercase().as_str(), rest.trim()) {
            ("on-demand", "") => Ok(Arrangement::OnDemand),
            ("off", "") => Ok(Arrangement::Off),
            ("resident", "") => Ok(Arrangement::Resident(1)),
            ("resident", shares) => shares
                .parse()
                .ok()
                .filter(|shares| (1..=MOST_SHARES).contains(shares))
                .map(Arrangement::Resident)
                .ok_or_else(wrong),
            ("timer", every) => {
                let every: Span = every.parse().map_err(|_| wrong())?;
                if every.duration().as_secs() == 0 {
                    return Err("a timer's shortest span is 1s".to_owned());
                }
                Ok(Arrangement::Timer(every))
            }
            _ => Err(wrong()),
        }
    }
}

impl SettingValue for Arrangement {
    const KIND: &'static str = "on-demand, timer SPAN, resident N, or off";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrangements_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Arrangement>();
        assert_eq!(read("on-demand"), Ok(Arrangement::OnDemand));
        assert_eq!(read(" Resident "), Ok(Arrangement::Resident(1)));
        assert_eq!(read("timer 15 min").unwrap().to_string(), "timer 15min");
        for wrong in
            ["", "resident 0", "resident 65", "resident two", "timer", "timer 10ms", "off now"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 1u32.., shares in 1u32..=MOST_SHARES) {
            for arrangement in [Arrangement::OnDemand, Arrangement::Off, Arrangement::Resident(shares),
                Arrangement::Timer(format!("{seconds}s").parse().unwrap())] {
                prop_assert_eq!(Arrangement::read(&arrangement.write()), Ok(arrangement));
            }
        }

        #[test]
        fn any_text_is_an_arrangement_or_an_error(text: String) {
            let _either = Arrangement::read(&text).is_ok();
        }
    }
}
