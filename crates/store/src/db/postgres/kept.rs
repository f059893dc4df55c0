//! A cache of a transaction's query results. A transaction holds the site's lock or sees a
//! snapshot, so only its own writes change the results, and it need not send a query twice.

use super::super::Param;
use std::collections::HashMap;
use std::sync::Arc;

/// The maximum number of rows of a cached result.
const MOST_ROWS: usize = 500;
/// The maximum number of cached results.
const MOST: usize = 1000;
/// Words in queries whose results are not repeatable.
const NOT_THE_SAME: [&str; 5] = ["random", "nextval", "setval", "advisory", "current_"];

/// Results by [`key`].
#[derive(Default)]
pub(super) struct Kept(HashMap<String, Arc<Vec<postgres::Row>>>);

/// Returns the key of a query: the statement and its values.
pub(super) fn key(sql: &str, params: &[Param<'_>]) -> String {
    format!("{sql}\0{params:?}")
}

impl Kept {
    pub fn get(&self, key: &str) -> Option<Arc<Vec<postgres::Row>>> {
        self.0.get(key).map(Arc::clone)
    }

    pub fn keep(&mut self, key: String, rows: &Arc<Vec<postgres::Row>>) {
        let is_lasting = !NOT_THE_SAME.iter().any(|word| statement(&key).contains(word));
        if rows.len() > MOST_ROWS || !statement(&key).starts_with("select") || !is_lasting {
            return;
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(key, Arc::clone(rows));
    }

    /// Removes the results that a statement may change.
    pub fn forget(&mut self, sql: &str) {
        match changed(sql) {
            Some(table) => self.0.retain(|key, _| !words(statement(key)).any(|word| word == table)),
            None => self.0.clear(),
        }
    }
}

fn statement(key: &str) -> &str {
    key.split('\0').next().unwrap_or_default().trim_start()
}

/// Returns the only table that a statement changes; `None` if it is unclear, or if others may
/// change as well, such as tables with references to deleted rows.
fn changed(sql: &str) -> Option<&str> {
    let mut words = words(sql);
    match words.next()? {
        "update" => words.next(),
        "insert" => words.nth(1),
        _ => None,
    }
}

fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_after(change: &str) -> Vec<&'static str> {
        let questions = [
            "select 1 from member where list_id = ?1",
            "select list.id from list left join list_setting on list_id = id",
            "select value from secret",
        ];
        let mut kept = Kept::default();
        for sql in questions {
            kept.keep(key(sql, &[Param::Integer(Some(1))]), &Arc::new(Vec::new()));
        }
        kept.forget(change);
        let is_left = |sql: &&str| kept.get(&key(sql, &[Param::Integer(Some(1))])).is_some();
        questions.into_iter().filter(is_left).map(|sql| &sql[7..]).collect()
    }

    #[test]
    fn a_change_forgets_what_was_read_of_its_table() {
        assert_eq!(left_after("update list set post_id = 1").len(), 2);
        assert_eq!(left_after("insert into list_setting (name) values (?1)").len(), 2);
        assert_eq!(left_after("\n  update member set address = ?1").len(), 2);
        assert_eq!(left_after("insert into daily_count (list_id) values (?1)").len(), 3);
        assert_eq!(left_after("delete from list where id = ?1").len(), 0, "rows go with it");
        assert_eq!(left_after("with x as (select 1) update list set a = 1").len(), 0);
    }

    #[test]
    fn queries_without_repeatable_results_are_not_cached() {
        let mut kept = Kept::default();
        for sql in ["select random()", "select pg_advisory_xact_lock(1)", "fetch 1 from page_1"] {
            kept.keep(key(sql, &[]), &Arc::new(Vec::new()));
        }
        assert!(kept.0.is_empty());
        let question = "select 1 from member where address_key = ?1";
        kept.keep(key(question, &[Param::Text(Some("a"))]), &Arc::new(Vec::new()));
        assert!(kept.get(&key(question, &[Param::Text(Some("b"))])).is_none());
    }
}
