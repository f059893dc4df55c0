//! The number of automatic mails that an address may get in a day, over all lists and all kinds of
//! mail, because anyone can have such mail sent to anyone. Mail that only the address itself can have
//! caused has separate budgets, so that a flood in its name does not shut it out.

use dormouse_clock::Timestamp;
use dormouse_mail::date;
use dormouse_store::{Config, StoreError, Tx};

/// The budget from which a mail is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// For mail that anyone may have caused.
    Anybody,
    /// For replies to mail that the MTA says is from the address.
    Vouched,
    /// For repeating a code that was sent before.
    Again,
}

impl Budget {
    fn kind(self) -> &'static str {
        match self {
            Budget::Anybody => "to",
            Budget::Vouched => "to-vouched",
            Budget::Again => "to-again",
        }
    }

    fn most(self, config: &Config) -> u64 {
        match self {
            Budget::Anybody | Budget::Again => config.members_mails_per_address,
            Budget::Vouched => config.notices_per_day,
        }
    }

    /// Counts a mail to an address. Returns how many more the address may get today, or `None` if this
    /// one is already too many.
    pub fn spend(
        self,
        store: &Tx<'_>,
        config: &Config,
        address: &str,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let (today, most) = (today(now), self.most(config));
        if !store.count_asked(self.kind(), address, &today, most)? {
            tracing::info!("{address} had its {most} automatic mails today");
            return Ok(None);
        }
        if most == 0 {
            return Ok(Some(u64::MAX));
        }
        Ok(Some(most.saturating_sub(store.read().asked(self.kind(), address, &today)?)))
    }
}

/// The date of `now` in the site's time zone, by which mails are counted.
pub fn today(now: Timestamp) -> String {
    date::local_day(now)
}
