//! The daily numbers of lists' posts, bounces, new members and departures.
//!
//! A transaction sums its counts in memory and writes them before the commit, so that a batch of
//! posts costs one statement for each list.

use crate::db::{Row, params};
use crate::value::{SettingValue as _, choice};
use crate::{ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::date;

choice! {
    /// What is counted.
    Count {
        /// Posts that were sent to members.
        Posts = 0 "posts",
        /// Recipients whose mail bounced.
        Bounces = 1 "bounces",
        /// People who became members.
        Joined = 2 "joined",
        /// Members who left, or were removed.
        Left = 3 "left",
    }
}

/// The count of one kind on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daily {
    /// The day in UTC, as `2026-11-23`.
    pub day: String,
    /// What was counted.
    pub count: Count,
    /// The count.
    pub number: u64,
}

impl Read {
    /// Returns the counts since a day, of one list or of all together, the earliest day first.
    pub fn daily(&self, list_id: Option<ListId>, since: &str) -> Result<Vec<Daily>, StoreError> {
        let read =
            |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?));
        let rows = match list_id {
            Some(list_id) => {
                let sql = "select day, kind, number from daily_count
                           where list_id = ?1 and day >= ?2 order by day, kind";
                self.rows(sql, params![list_id, since], read)
            }
            None => {
                let sql =
                    "select day, kind, cast(sum(number) as bigint) from daily_count where day >= ?1
                           group by day, kind order by day, kind";
                self.rows(sql, params![since], read)
            }
        }?;
        // A newer version may count other kinds; this one ignores them.
        let daily = rows.into_iter().filter_map(|(day, kind, number)| {
            let count = Count::read(&kind).ok()?;
            Some(Daily { day, count, number: number.unsigned_abs() })
        });
        Ok(daily.collect())
    }
}

impl Tx<'_> {
    /// Adds to one of today's counts.
    pub(crate) fn tally(&self, list_id: ListId, count: Count, number: u64) {
        if number > 0 {
            *self.counts.borrow_mut().entry((list_id, count.number())).or_default() += number;
        }
    }

    /// Writes the transaction's counts.
    pub(crate) fn write_tallies(&self) -> Result<(), StoreError> {
        let counts = self.counts.take();
        if counts.is_empty() {
            return Ok(());
        }
        let day = date::day(Timestamp::now());
        let known = [Count::Posts, Count::Bounces, Count::Joined, Count::Left];
        for ((list_id, kind), number) in counts {
            let Some(kind) = known.iter().find(|count| count.number() == kind) else {
                continue;
            };
            // The list may have been removed in this transaction.
            self.execute(
                "insert into daily_count (list_id, day, kind, number)
                     select id, cast(?2 as text), cast(?3 as text), cast(?4 as bigint) from list where id = ?1
                     on conflict (list_id, day, kind)
                     do update set number = daily_count.number + excluded.number",
                params![list_id, day, kind.write(), number as i64],
            )?;
        }
        Ok(())
    }

    /// Deletes the counts before a day, and returns how many there were.
    pub fn forget_daily(&self, before: &str) -> Result<u64, StoreError> {
        let forgotten = self.execute("delete from daily_count where day < ?1", params![before])?;
        Ok(forgotten as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::time;
    use crate::{NewMember, Store};

    #[test]
    fn a_day_adds_up_and_what_is_taken_back_does_not_count() {
        let home = tempfile::tempdir().unwrap();
        let site = crate::testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list =
            store.write(|tx| tx.create_list(&"tea".parse().unwrap(), "l.example", &[])).unwrap();
        let other =
            store.write(|tx| tx.create_list(&"milk".parse().unwrap(), "l.example", &[])).unwrap();
        for _ in 0..2 {
            store
                .write(|tx| {
                    tx.count_post(list.id, time(1.0))?;
                    tx.count_post(other.id, time(1.0))?;
                    tx.count_post(list.id, time(1.0))
                })
                .unwrap();
        }
        store.rehearse(|tx| tx.count_post(list.id, time(1.0))).unwrap();
        let member = |address: &str| NewMember {
            address: address.to_owned(),
            real_name: String::new(),
            digest: false,
        };
        store
            .write(|tx| {
                tx.add_member(&list, &member("a@x.example"), time(1.0), "t")?;
                tx.add_member(&list, &member("A@x.example"), time(1.0), "t")?;
                tx.add_member(&list, &member("b@x.example"), time(1.0), "t")?;
                tx.remove_member(list.id, "b@x.example", "t", time(1.0))?;
                tx.remove_member(list.id, "c@x.example", "t", time(1.0))
            })
            .unwrap();
        let numbers = |id: Option<ListId>| -> Vec<(Count, u64)> {
            let daily = store.read().daily(id, "2000-01-01").unwrap();
            daily.into_iter().map(|daily| (daily.count, daily.number)).collect()
        };
        assert_eq!(
            numbers(Some(list.id)),
            [(Count::Joined, 2), (Count::Left, 1), (Count::Posts, 4)]
        );
        assert!(numbers(None).contains(&(Count::Posts, 6)));
        assert_eq!(store.read().daily(None, "9999-01-01").unwrap(), []);
        assert_eq!(store.write(|tx| tx.forget_daily("9999-01-01")).unwrap(), 4);
    }
}
