//! A cache of DNS answers that processes share, and that survives them.

use crate::db::params;
use crate::{Read, StoreError, Tx};
use dormouse_clock::Timestamp;

impl Read {
    /// Returns the cached answer for a name, if it has not expired at `now` (seconds since the
    /// epoch).
    pub fn dns_answer(&self, name: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
        self.first(
            "select answer from dns_answer where name = ?1 and expires_at > ?2",
            params![name, now],
            |row| row.get(0),
        )
    }
}

/// An answer for the cache.
#[derive(Debug, Clone, PartialEq)]
pub struct DnsAnswer<'a> {
    /// The queried name.
    pub name: &'a str,
    /// The answer, in the caller's format.
    pub answer: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The maximum number of answers: senders can make up any number of domains.
const MOST: i64 = 20_000;

impl Tx<'_> {
    /// Adds answers, and deletes expired ones. If there are too many, those that expire first are
    /// deleted.
    pub fn keep_dns_answers(
        &self,
        answers: &[DnsAnswer<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.keep_most(answers, now, MOST)
    }

    fn keep_most(
        &self,
        answers: &[DnsAnswer<'_>],
        now: Timestamp,
        most: i64,
    ) -> Result<(), StoreError> {
        if answers.is_empty() {
            return Ok(());
        }
        self.execute("delete from dns_answer where expires_at <= ?1", params![now])?;
        for DnsAnswer { name, answer, expires_at } in answers {
            self.execute(
                "insert into dns_answer (name, answer, expires_at) values (?1, ?2, ?3)
                 on conflict (name) do update
                 set answer = excluded.answer, expires_at = excluded.expires_at",
                params![name, answer, expires_at],
            )?;
        }
        self.execute(
            "delete from dns_answer where name in
             (select name from dns_answer order by expires_at desc, name
              limit 1000000000 offset ?1)",
            params![most],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::time;
    use crate::{Store, testing};

    #[test]
    fn answers_are_kept_while_they_are_good_and_no_more_than_enough() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&testing::site(home.path(), "lists.example").unwrap()).unwrap();
        let answer =
            |name, expires_at| DnsAnswer { name, answer: format!("of {name}"), expires_at };
        let known = |now| -> Vec<String> {
            let names = ["a", "b", "c", "d"].into_iter();
            names.filter_map(|name| store.read().dns_answer(name, now).unwrap()).collect()
        };
        let first = [answer("a", time(10.0)), answer("b", time(20.0))];
        store.write(|tx| tx.keep_dns_answers(&first, time(1.0))).unwrap();
        assert_eq!(known(time(9.0)), ["of a", "of b"]);
        assert_eq!(known(time(10.0)), ["of b"]);
        let more = [answer("c", time(40.0)), answer("d", time(30.0)), answer("b", time(50.0))];
        store.write(|tx| tx.keep_most(&more, time(10.0), 2)).unwrap();
        assert_eq!(known(time(5.0)), ["of b", "of c"]);
    }
}
