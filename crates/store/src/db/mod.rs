//! The line between the store and its databases. Everything else in this crate knows statements,
//! [`Param`]s and [`Row`]s; a type of a driver appears only below here.
//!
//! Statements are written once, with `?1`, `?2` … in the place of values. What only one database can
//! do (journals, full text, copies) is in that database's file.

mod error;
pub(crate) mod postgres;
mod row;
pub(crate) mod sqlite;

use std::sync::atomic::{AtomicU64, Ordering};

pub use error::Error;
pub(crate) use error::Result;
pub(crate) use row::{FromValue, Owned, Param, Row, ToParam, Value, params};

/// What every database does with a statement.
pub(crate) trait Engine: Sized {
    /// Starts a transaction; [`Engine::begin`] is what ends it, too.
    fn start(&self, how: Begin) -> Result<()>;

    /// Ends a transaction; nothing happens when there is none any more.
    fn end(&self, how: End) -> Result<()>;

    /// Begins a transaction, which is rolled back unless it is committed.
    fn begin(&self, how: Begin) -> Result<Transaction<'_, Self>> {
        self.start(how)?;
        Ok(Transaction { db: self, is_open: true })
    }

    /// Runs a statement that returns no rows; how many it changed.
    fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize>;

    /// Runs a query that has few rows, until `each` returns false.
    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()>;

    /// All rows.
    fn rows<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.query(sql, params, &mut |row| {
            rows.push(read(row)?);
            Ok(true)
        })?;
        Ok(rows)
    }

    /// The first row, if there is one.
    fn first<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let (mut first, mut read) = (None, Some(read));
        self.query(sql, params, &mut |row| {
            first = read.take().map(|read| read(row)).transpose()?;
            Ok(false)
        })?;
        Ok(first)
    }
}

/// How often this process has asked a database.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// How often this process has asked a database: statements of SQLite, round trips to a server.
pub fn asked() -> u64 {
    ASKED.load(Ordering::Relaxed)
}

/// Counts one statement or round trip.
fn count(what: &str) {
    ASKED.fetch_add(1, Ordering::Relaxed);
    tracing::trace!("database: {}", what.split_whitespace().collect::<Vec<_>>().join(" "));
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// It sees the database as it is at one moment, and changes nothing.
    Reading,
    /// It is the only one that changes anything until it ends, and waits for the one before.
    Writing,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// What was changed is kept.
    Commit,
    /// What was changed is taken back.
    Rollback,
}

/// A site's database.
#[derive(Debug)]
pub(crate) enum Db {
    /// In a file of the site.
    Sqlite(sqlite::Sqlite),
    /// On a server.
    Postgres(Box<postgres::Postgres>),
}

impl Engine for Db {
    fn start(&self, how: Begin) -> Result<()> {
        match self {
            Db::Sqlite(db) => {
                count("begin");
                db.start(how)
            }
            Db::Postgres(db) => db.start(how),
        }
    }

    fn end(&self, how: End) -> Result<()> {
        match self {
            Db::Sqlite(db) => {
                count("end");
                db.end(how)
            }
            Db::Postgres(db) => db.end(how),
        }
    }

    fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize> {
        match self {
            Db::Sqlite(db) => {
                count(sql);
                db.execute(sql, params)
            }
            Db::Postgres(db) => db.execute(sql, params),
        }
    }

    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        match self {
            Db::Sqlite(db) => {
                count(sql);
                db.query(sql, params, each)
            }
            Db::Postgres(db) => db.query(sql, params, each),
        }
    }
}

impl Db {
    /// Runs a query of any number of rows in constant memory, until `each` returns false.
    pub fn stream(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        match self {
            Db::Sqlite(db) => {
                count(sql);
                db.query(sql, params, each)
            }
            Db::Postgres(db) => db.stream(sql, params, each),
        }
    }

    /// Whether this process has found the schema to be its own before.
    pub fn is_known(&self) -> bool {
        match self {
            Db::Sqlite(_) => false,
            Db::Postgres(db) => db.is_known(),
        }
    }

    /// Notes that the schema is this program's.
    pub fn note_known(&self) {
        if let Db::Postgres(db) = self {
            db.note_known();
        }
    }

    /// Begins the schema of an empty database, inside the transaction of its first step.
    pub fn found_schema(&self) -> Result<()> {
        match self {
            Db::Sqlite(_) => Ok(()),
            Db::Postgres(db) => db.found_schema(),
        }
    }

    /// The last number that a row of a table was given as its `id`, also of one that is gone.
    pub fn last_number(&self, table: &str) -> Result<i64> {
        match self {
            Db::Sqlite(db) => db.last_number(table),
            Db::Postgres(db) => db.last_number(table),
        }
    }

    /// Has new rows of a table numbered after that number, and after those that came with theirs.
    pub fn go_on_numbering(&self, table: &str, last: i64) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.go_on_numbering(table, last),
            Db::Postgres(db) => db.go_on_numbering(table, last),
        }
    }

    /// The names of all tables of a site.
    pub fn tables(&self) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.tables(),
            Db::Postgres(db) => db.tables(),
        }
    }

    /// Prepares an empty database for its schema, outside of a transaction.
    pub fn prepare_schema(&self) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.use_wal(),
            Db::Postgres(_) => Ok(()),
        }
    }

    /// Runs a step of the schema: statements without values.
    pub fn run_step(&self, step: &str) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.batch(step),
            Db::Postgres(db) => db.run_step(step),
        }
    }

    /// The number of the schema; 0 of an empty database.
    pub fn schema_number(&self) -> Result<i64> {
        match self {
            Db::Sqlite(db) => db.schema_number(),
            Db::Postgres(db) => db.schema_number(),
        }
    }

    /// Notes the number of the schema, inside the transaction that made it so.
    pub fn set_schema_number(&self, number: i64) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.set_schema_number(number),
            Db::Postgres(db) => db.set_schema_number(number),
        }
    }

    /// A number that is another whenever lists have changed; 0 at first.
    pub fn generation(&self) -> Result<i32> {
        match self {
            Db::Sqlite(db) => db.generation(),
            Db::Postgres(_) => Ok(0),
        }
    }

    /// Sets that number, inside the transaction that changes lists.
    pub fn set_generation(&self, generation: i32) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.set_generation(generation),
            Db::Postgres(_) => Ok(()),
        }
    }

    /// Sees to it that a look at the database's file without a driver shows the generation; whether it
    /// does.
    pub fn show_generation(&self) -> Result<bool> {
        match self {
            Db::Sqlite(db) => db.copy_journal(),
            Db::Postgres(_) => Ok(false),
        }
    }

    /// The names of the tables that have a column of that name.
    pub fn tables_with(&self, column: &str) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.tables_with(column),
            Db::Postgres(db) => db.tables_with(column),
        }
    }

    /// The names of a table's columns, in their order.
    pub fn columns(&self, table: &str) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.columns(table),
            Db::Postgres(db) => db.columns(table),
        }
    }

    /// Makes an empty table that lasts as long as the transaction.
    pub fn make_temporary(&self, table: &str, columns: &str) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.make_temporary(table, columns),
            Db::Postgres(db) => db.make_temporary(table, columns),
        }
    }

    /// Makes sure that nothing of what was deleted is left.
    pub fn purge(&self) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.purge(),
            Db::Postgres(db) => db.purge(),
        }
    }

    /// What is wrong with the database; nothing if all is well. Reads everything.
    pub fn check(&self) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.check(),
            // Its server looks after it.
            Db::Postgres(_) => Ok(Vec::new()),
        }
    }

    /// Prepares for very much to be changed at once, with so many bytes kept in memory.
    pub fn keep_in_memory(&self, bytes: i64) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.keep_in_memory(bytes),
            Db::Postgres(_) => Ok(()),
        }
    }
}

/// A transaction: rolled back when it is dropped.
#[derive(Debug)]
pub(crate) struct Transaction<'d, E: Engine> {
    db: &'d E,
    is_open: bool,
}

impl<E: Engine> Transaction<'_, E> {
    /// Keeps what was changed.
    pub fn commit(mut self) -> Result<()> {
        // A commit that fails may leave the transaction open.
        self.db.end(End::Commit)?;
        self.is_open = false;
        Ok(())
    }

    /// Takes back what was changed.
    pub fn rollback(mut self) -> Result<()> {
        self.is_open = false;
        self.db.end(End::Rollback)
    }
}

impl<E: Engine> Drop for Transaction<'_, E> {
    fn drop(&mut self) {
        if self.is_open
            && let Err(error) = self.db.end(End::Rollback)
        {
            tracing::debug!("a transaction was not rolled back: {error}");
        }
    }
}
