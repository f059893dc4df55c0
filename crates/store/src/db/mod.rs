//! The interface to the databases. The rest of this crate uses statements, [`Param`]s and [`Row`]s;
//! types of the drivers are used only in this module.
//!
//! Statements are written once, with `?1`, `?2` … for values. What only one database can do
//! (journals, full text, copies) is in that database's module.

mod error;
pub(crate) mod postgres;
mod row;
pub(crate) mod sqlite;

use std::sync::atomic::{AtomicU64, Ordering};

pub use error::Error;
pub(crate) use error::Result;
pub(crate) use row::{FromValue, Owned, Param, Row, ToParam, Value, params};

/// Operations of every database.
pub(crate) trait Engine: Sized {
    /// Starts a transaction. Use [`Engine::begin`], which also ends it.
    fn start(&self, how: Begin) -> Result<()>;

    /// Ends a transaction, if there is one.
    fn end(&self, how: End) -> Result<()>;

    /// Starts a transaction, which is rolled back unless it is committed.
    fn begin(&self, how: Begin) -> Result<Transaction<'_, Self>> {
        self.start(how)?;
        Ok(Transaction { db: self, is_open: true })
    }

    /// Runs a statement that returns no rows, and returns how many rows it changed.
    fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize>;

    /// Runs a query with few rows, until `each` returns false.
    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()>;

    /// Returns all rows.
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

    /// Returns the first row, if there is one.
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

/// The number of statements and round trips of this process.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// Returns how often this process has queried a database: statements of SQLite, and round trips to
/// a server.
pub fn asked() -> u64 {
    ASKED.load(Ordering::Relaxed)
}

/// Counts one statement or round trip.
fn count(what: &str) {
    ASKED.fetch_add(1, Ordering::Relaxed);
    tracing::trace!("database: {}", what.split_whitespace().collect::<Vec<_>>().join(" "));
}

/// The kinds of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// It sees a consistent snapshot, and changes nothing.
    Reading,
    /// It waits for other writers, and is the only writer until it ends.
    Writing,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The changes are kept.
    Commit,
    /// The changes are discarded.
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
    /// Runs a query with any number of rows in constant memory, until `each` returns false.
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

    /// Whether this process has already found that the schema is current.
    pub fn is_known(&self) -> bool {
        match self {
            Db::Sqlite(_) => false,
            Db::Postgres(db) => db.is_known(),
        }
    }

    /// Remembers that the schema is current.
    pub fn note_known(&self) {
        if let Db::Postgres(db) = self {
            db.note_known();
        }
    }

    /// Prepares an empty database for its schema, inside the transaction of the first step.
    pub fn found_schema(&self) -> Result<()> {
        match self {
            Db::Sqlite(_) => Ok(()),
            Db::Postgres(db) => db.found_schema(),
        }
    }

    /// Returns the last `id` in a table, including deleted rows.
    pub fn last_number(&self, table: &str) -> Result<i64> {
        match self {
            Db::Sqlite(db) => db.last_number(table),
            Db::Postgres(db) => db.last_number(table),
        }
    }

    /// Makes the `id`s of new rows continue after `last` and after the existing ones.
    pub fn go_on_numbering(&self, table: &str, last: i64) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.go_on_numbering(table, last),
            Db::Postgres(db) => db.go_on_numbering(table, last),
        }
    }

    /// Returns the names of all tables of a site.
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

    /// Runs a migration: statements without values.
    pub fn run_step(&self, step: &str) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.batch(step),
            Db::Postgres(db) => db.run_step(step),
        }
    }

    /// Returns the number of the schema; 0 for an empty database.
    pub fn schema_number(&self) -> Result<i64> {
        match self {
            Db::Sqlite(db) => db.schema_number(),
            Db::Postgres(db) => db.schema_number(),
        }
    }

    /// Sets the number of the schema, inside the transaction of the migration.
    pub fn set_schema_number(&self, number: i64) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.set_schema_number(number),
            Db::Postgres(db) => db.set_schema_number(number),
        }
    }

    /// Returns a number that differs after each change of lists; 0 at first.
    pub fn generation(&self) -> Result<i32> {
        match self {
            Db::Sqlite(db) => db.generation(),
            Db::Postgres(_) => Ok(0),
        }
    }

    /// Sets this number, inside the transaction that changes lists.
    pub fn set_generation(&self, generation: i32) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.set_generation(generation),
            Db::Postgres(_) => Ok(()),
        }
    }

    /// Tries to make the generation visible in the database's file, without the journal, and
    /// returns whether it is.
    pub fn show_generation(&self) -> Result<bool> {
        match self {
            Db::Sqlite(db) => db.copy_journal(),
            Db::Postgres(_) => Ok(false),
        }
    }

    /// Returns the names of the tables with a column of this name.
    pub fn tables_with(&self, column: &str) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.tables_with(column),
            Db::Postgres(db) => db.tables_with(column),
        }
    }

    /// Returns the names of a table's columns, in order.
    pub fn columns(&self, table: &str) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.columns(table),
            Db::Postgres(db) => db.columns(table),
        }
    }

    /// Creates an empty table for the duration of the transaction.
    pub fn make_temporary(&self, table: &str, columns: &str) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.make_temporary(table, columns),
            Db::Postgres(db) => db.make_temporary(table, columns),
        }
    }

    /// Removes the remains of deleted rows from the files.
    pub fn purge(&self) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.purge(),
            Db::Postgres(db) => db.purge(),
        }
    }

    /// Checks the whole database, and returns the problems; none if there are none.
    pub fn check(&self) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.check(),
            // The server ensures its integrity.
            Db::Postgres(_) => Ok(Vec::new()),
        }
    }

    /// Prepares for a large transaction, with this many bytes of pages in memory.
    pub fn keep_in_memory(&self, bytes: i64) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.keep_in_memory(bytes),
            Db::Postgres(_) => Ok(()),
        }
    }
}

/// A transaction, which is rolled back when it is dropped.
#[derive(Debug)]
pub(crate) struct Transaction<'d, E: Engine> {
    db: &'d E,
    is_open: bool,
}

impl<E: Engine> Transaction<'_, E> {
    /// Commits the changes.
    pub fn commit(mut self) -> Result<()> {
        // A commit that fails may leave the transaction open.
        self.db.end(End::Commit)?;
        self.is_open = false;
        Ok(())
    }

    /// Discards the changes.
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
