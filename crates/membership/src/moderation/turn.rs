//! How moderators hear of what waits for them: not by a notice for each of a thousand posts.

use crate::budget;
use dormouse_store::{ListId, StoreError, Tx};

/// How moderators hear of something that waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// By a notice of its own.
    Single,
    /// By one about everything that waits.
    Summary,
    /// With the next summary, or by the daily reminder.
    Quiet,
}

/// So many notices of their own go to the moderators of a list in a day.
const SINGLE: u64 = 10;

/// The first of a day have notices of their own; then every time that their number has doubled there
/// is one about all that wait.
pub fn turn(store: &Tx<'_>, list_id: ListId, now: f64) -> Result<Turn, StoreError> {
    const KIND: &str = "moderators";
    let (list, today) = (list_id.to_string(), budget::today(now));
    store.count_asked(KIND, &list, &today, u64::MAX)?;
    let number = store.asked(KIND, &list, &today)?;
    Ok(if number <= SINGLE {
        Turn::Single
    } else if number % SINGLE == 0 && (number / SINGLE).is_power_of_two() {
        Turn::Summary
    } else {
        Turn::Quiet
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_testkit::fixture::Fixture;

    #[test]
    fn many_posts_lead_to_few_notices() {
        let fixture = Fixture::new(&[]);
        let turns: Vec<Turn> =
            (0..500).map(|_| fixture.write(|tx| turn(tx, fixture.get("dev").id, 1e9))).collect();
        let count = |wanted| turns.iter().filter(|turn| **turn == wanted).count();
        assert_eq!((count(Turn::Single), count(Turn::Summary)), (10, 5));
        assert_eq!(turns[19], Turn::Summary);
        let tomorrow = fixture.write(|tx| turn(tx, fixture.get("dev").id, 1e9 + 86_400.0));
        assert_eq!(tomorrow, Turn::Single);
    }
}
