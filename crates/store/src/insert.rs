//! Building of `insert` statements, with each column next to its value.

use std::fmt::Write as _;

/// Rows for a table.
pub(crate) struct Rows<'r> {
    /// The table.
    pub table: &'r str,
    /// The columns, each with its value: a placeholder, or an expression over `from`.
    pub values: &'r [(&'r str, &'r str)],
    /// The source of the rows, with a condition; if `None`, the statement inserts one row of
    /// placeholders.
    pub from: Option<&'r str>,
    /// The columns of the unique key.
    pub key: &'r str,
}

impl Rows<'_> {
    /// Returns a statement that leaves existing rows unchanged.
    pub fn add(&self) -> String {
        self.with("do nothing")
    }

    /// Returns a statement that updates existing rows, except for the columns `fixed`.
    pub fn put(&self, fixed: &[&str]) -> String {
        self.with(&self.update(fixed))
    }

    /// The same for several rows, none of which has the key of another. The values are placeholders, of which
    /// the first has the same value in all rows.
    pub fn put_many(&self, fixed: &[&str], rows: usize) -> String {
        let mut sql = format!("insert into {} (", self.table);
        self.join(&mut sql, |(column, _)| column);
        let values = many(&["?1"], self.values.len() - 1, rows);
        sql.extend([") values ", &values, " on conflict (", self.key, ") ", &self.update(fixed)]);
        sql
    }

    fn update(&self, fixed: &[&str]) -> String {
        let mut update = String::new();
        for (column, _) in self.values {
            if !fixed.contains(column) && !self.key.split(", ").any(|key| key == *column) {
                let comma = if update.is_empty() { "do update set" } else { "," };
                let _ = write!(update, "{comma} {column} = excluded.{column}");
            }
        }
        update
    }

    fn with(&self, conflict: &str) -> String {
        let (table, key) = (self.table, self.key);
        let mut sql = format!("insert into {table} (");
        self.join(&mut sql, |(column, _)| column);
        sql.push_str(if self.from.is_some() { ") select " } else { ") values (" });
        self.join(&mut sql, |(_, value)| value);
        match self.from {
            Some(from) => sql.extend([" from ", from]),
            None => sql.push(')'),
        }
        sql.extend([" on conflict (", key, ") ", conflict]);
        sql
    }

    fn join<'r>(&'r self, sql: &mut String, part: fn(&'r (&'r str, &'r str)) -> &'r str) {
        for (at, pair) in self.values.iter().enumerate() {
            sql.push_str(if at == 0 { "" } else { ", " });
            sql.push_str(part(pair));
        }
    }
}

/// The values of many rows: `shared` are the same in each, and after them each row has `own` placeholders of
/// its own, whose numbers follow those of the shared ones.
pub(crate) fn many(shared: &[&str], own: usize, rows: usize) -> String {
    let mut sql = String::new();
    let mut next = shared.len();
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        sql.push_str(&shared.join(", "));
        for at in 0..own {
            next += 1;
            let comma = if at == 0 && shared.is_empty() { "" } else { ", " };
            let _ = write!(sql, "{comma}?{next}");
        }
        sql.push(')');
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_share_the_first_values() {
        assert_eq!(many(&["?1", "?2"], 2, 2), "(?1, ?2, ?3, ?4), (?1, ?2, ?5, ?6)");
        assert_eq!(many(&[], 2, 2), "(?1, ?2), (?3, ?4)");
        let values = [("a", "?1"), ("b", "?2"), ("c", "?3")];
        assert_eq!(
            Rows { table: "t", values: &values, from: None, key: "a, b" }.put_many(&[], 2),
            "insert into t (a, b, c) values (?1, ?2, ?3), (?1, ?4, ?5) \
             on conflict (a, b) do update set c = excluded.c"
        );
    }

    #[test]
    fn a_row_that_is_there_stays_or_is_updated_but_for_its_key_and_what_is_fixed() {
        let values = [("a", "?1"), ("b", "?2"), ("c", "upper(d)"), ("e", "?3")];
        let rows = Rows { table: "t", values: &values, from: None, key: "a, b" };
        assert_eq!(
            rows.add(),
            "insert into t (a, b, c, e) values (?1, ?2, upper(d), ?3) on conflict (a, b) do nothing"
        );
        assert_eq!(
            Rows { from: Some("u where true"), ..rows }.put(&["e"]),
            "insert into t (a, b, c, e) select ?1, ?2, upper(d), ?3 from u where true \
             on conflict (a, b) do update set c = excluded.c"
        );
    }
}
