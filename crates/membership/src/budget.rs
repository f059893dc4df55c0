//! How many automatic mails an address gets in a day: one budget over all lists and all kinds of
//! them, for anybody can have such mail sent to anybody. What can only come from the address itself
//! has budgets of its own, so that a flood in its name does not shut it out.

use dormouse_mail::date;
use dormouse_store::{Config, StoreError, Tx};
use std::time::{Duration, UNIX_EPOCH};

/// From which budget a mail is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Anybody may have caused it.
    Anybody,
    /// It answers a mail that the MTA says is from the address.
    Vouched,
    /// A code that waits is sent once more.
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

    /// Counts a mail to an address. How many more it may get today; nothing when there is no room
    /// for this one.
    pub fn spend(
        self,
        store: &Tx<'_>,
        config: &Config,
        address: &str,
        now: f64,
    ) -> Result<Option<u64>, StoreError> {
        let (today, most) = (today(now), self.most(config));
        if !store.count_asked(self.kind(), address, &today, most)? {
            tracing::info!("{address} had its {most} automatic mails today");
            return Ok(None);
        }
        if most == 0 {
            return Ok(Some(u64::MAX));
        }
        Ok(Some(most.saturating_sub(store.asked(self.kind(), address, &today)?)))
    }
}

/// The day by which is counted: the site's.
pub fn today(now: f64) -> String {
    date::local_day(UNIX_EPOCH + Duration::try_from_secs_f64(now).unwrap_or_default())
}
