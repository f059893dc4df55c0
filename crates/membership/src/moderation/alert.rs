//! Limits the notices about held posts: a thousand posts do not cause a thousand notices.

use crate::budget;
use dormouse_clock::Timestamp;
use dormouse_store::{ListId, StoreError, Tx};

/// How moderators are told of something that waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// A separate notice.
    Single,
    /// One notice about everything that waits.
    Summary,
    /// No notice now: the next summary or the daily reminder names it.
    Quiet,
}

/// The number of individual notices for a list's moderators in a day.
const SINGLE: u64 = 10;

/// Decides on the notice: the first of a day get one each; then one about everything that waits is sent
/// whenever the number has doubled.
pub fn alert(store: &Tx<'_>, list_id: ListId, now: Timestamp) -> Result<Alert, StoreError> {
    const KIND: &str = "moderators";
    let (list, today) = (list_id.to_string(), budget::today(now));
    store.count_asked(KIND, &list, &today, u64::MAX)?;
    let number = store.read().asked(KIND, &list, &today)?;
    Ok(if number <= SINGLE {
        Alert::Single
    } else if number % SINGLE == 0 && (number / SINGLE).is_power_of_two() {
        Alert::Summary
    } else {
        Alert::Quiet
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_testkit::fixture::Fixture;

    #[test]
    fn many_posts_lead_to_few_notices() {
        let fixture = Fixture::new(&[]);
        let alerts: Vec<Alert> = (0..500)
            .map(|_| {
                fixture.write(|tx| alert(tx, fixture.get("dev").id, Timestamp::from_seconds(1e9)))
            })
            .collect();
        let count = |wanted| alerts.iter().filter(|alert| **alert == wanted).count();
        assert_eq!((count(Alert::Single), count(Alert::Summary)), (10, 5));
        assert_eq!(alerts[19], Alert::Summary);
        let tomorrow = fixture
            .write(|tx| alert(tx, fixture.get("dev").id, Timestamp::from_seconds(1e9 + 86_400.0)));
        assert_eq!(tomorrow, Alert::Single);
    }
}
