//! PostgreSQL. Nothing here depends on the session: there are no prepared statements on the server,
//! and locks end with their transactions. Therefore a pooler such as pgbouncer can be used, in
//! transaction mode.
//!
//! A writing transaction first takes the site's lock, like one in SQLite: there is only one writer
//! at a time on all hosts, and nothing that a transaction reads changes until it ends. Therefore
//! numbers are unique, jobs are done once, and there are no deadlocks. If a host dies, its lock is
//! released with its connection.

mod address;
pub(super) mod complaint;
mod connect;
mod dialect;
mod kept;
mod patience;
mod tls;
mod values;

pub(crate) use address::Address;
pub(crate) use values::value;

use super::{Begin, End, Engine, Error, Param, Result, Row};
use complaint::Complaint;
use connect::Lease;
use kept::Kept;
use postgres::types::{ToSql, Type};
use std::cell::{Cell, RefCell, RefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a writer waits for a server that cannot be reached, once in each process.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a reader waits for a server that cannot be reached. It is short, because an MTA may be
/// waiting, which keeps the mail.
const READERS_PATIENCE: Duration = Duration::from_secs(5);
/// The pause between attempts to reach a server.
const PAUSE: Duration = Duration::from_millis(200);
/// The number of rows of a long result that are in memory.
const PAGE: usize = 1000;

/// Takes the site's lock, which all processes that use these tables share. The server releases it
/// if the host is silent for some seconds, or a transaction is idle for some minutes.
const BEGIN_WRITING: &str = "begin;
     set local lock_timeout = '30s';
     set local idle_in_transaction_session_timeout = '300s';
     set local tcp_keepalives_idle = 3;
     set local tcp_keepalives_interval = 2;
     set local tcp_keepalives_count = 2;
     select pg_advisory_xact_lock(hashtextextended('dormouse ' || current_schema(), 0))";

/// A database on a server. The first statement opens the connection.
pub(crate) struct Postgres {
    address: Arc<Address>,
    patience: Duration,
    lease: RefCell<Option<Lease>>,
    state: Cell<State>,
    cursors: Cell<u32>,
    kept: RefCell<Kept>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Each statement is a separate transaction.
    Free,
    /// Inside a transaction.
    Within,
    /// Inside a transaction that cannot be committed.
    Failed,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Postgres").field(&self.address.shown()).finish()
    }
}

impl Postgres {
    /// Creates access to the database at an address, for reading only or for writing, too.
    pub fn at(address: Arc<Address>, is_writer: bool) -> Postgres {
        Postgres {
            address,
            patience: if is_writer { PATIENCE } else { READERS_PATIENCE },
            lease: RefCell::new(None),
            state: Cell::new(State::Free),
            cursors: Cell::new(0),
            kept: RefCell::default(),
        }
    }

    /// Whether this process has already found that the schema is current.
    pub fn is_known(&self) -> bool {
        connect::is_known(&self.address)
    }

    /// Remembers that the schema is current.
    pub fn note_known(&self) {
        connect::note_known(&self.address);
    }

    /// Returns the connection, and opens one if necessary.
    fn lease(&self) -> Result<RefMut<'_, Lease>> {
        let mut lease = self.lease.borrow_mut();
        if lease.as_ref().is_some_and(|lease| lease.client.is_closed()) {
            *lease = None;
        }
        if lease.is_none() {
            if self.state.get() != State::Free {
                return Err(Error::lost("the connection was lost within a transaction"));
            }
            *lease = Some(Lease::of(&self.address)?);
        }
        RefMut::filter_map(lease, Option::as_mut).map_err(|_| Error::lost("there is no connection"))
    }

    /// Runs an operation on the connection. Outside of a transaction, it is repeated until the time
    /// limit while the server cannot be reached: either nothing has happened yet, or it can be
    /// repeated safely.
    fn run<T>(
        &self,
        what: &str,
        mut work: impl FnMut(&mut postgres::Client) -> std::result::Result<T, postgres::Error>,
    ) -> Result<T> {
        let since = Instant::now();
        loop {
            super::count(what);
            let outcome = self.lease().and_then(|mut lease| {
                work(&mut lease.client).map_err(|error| {
                    Error::from(Complaint::of(&error, Some(&self.address.about())))
                })
            });
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if error.is_away() {
                *self.lease.borrow_mut() = None;
            }
            if self.state.get() != State::Free {
                self.state.set(State::Failed);
                return Err(error);
            }
            if !error.is_lost() {
                return Err(error);
            }
            // One part of a process has waited on behalf of all.
            if since.elapsed() >= self.patience || connect::is_away(&self.address) {
                connect::note_away(&self.address);
                return Err(error);
            }
            tracing::debug!("{}: {error}; trying again", self.address.shown());
            std::thread::sleep(PAUSE);
        }
    }

    fn select(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<postgres::Row>> {
        let sql = dialect::statement(sql);
        let typed = typed(params);
        self.run(&sql, |client| client.query_typed(&sql, &typed))
    }

    /// As [`Postgres::select`], but a transaction sends each query only once: see [`Kept`].
    fn select_once(&self, sql: &str, params: &[Param<'_>]) -> Result<Arc<Vec<postgres::Row>>> {
        // An insert may return rows, too.
        let is_change = !sql.trim_start().starts_with("select");
        if is_change {
            self.kept.borrow_mut().forget(sql);
        }
        if is_change || self.state.get() != State::Within {
            return self.select(sql, params).map(Arc::new);
        }
        let key = kept::key(sql, params);
        if let Some(rows) = self.kept.borrow().get(&key) {
            return Ok(rows);
        }
        let rows = Arc::new(self.select(sql, params)?);
        self.kept.borrow_mut().keep(key, &rows);
        Ok(rows)
    }

    /// Runs statements without values.
    fn batch(&self, sql: &str) -> Result<()> {
        self.kept.take();
        self.run(sql, |client| client.batch_execute(sql))
    }

    /// Runs a migration.
    pub fn run_step(&self, step: &str) -> Result<()> {
        self.batch(&dialect::step(step))
    }

    /// Creates SQLite's functions that migrations and statements use.
    pub fn found_schema(&self) -> Result<()> {
        let sql = "select current_setting('server_encoding')";
        let encoding: Option<String> = self.first(sql, &[], |row| row.get(0))?;
        let encoding = encoding.unwrap_or_default();
        // SQL_ASCII stores bytes of any kind, and others lack characters.
        if encoding != "UTF8" {
            return Err(Error::from(Complaint::of_encoding(&encoding)));
        }
        self.batch(dialect::PRELUDE)
    }

    /// Calls `each` with the rows of a result of any size, in constant memory.
    pub fn stream(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        if self.state.get() == State::Free {
            let transaction = self.begin(Begin::Reading)?;
            self.pages(sql, params, each)?;
            return transaction.rollback();
        }
        self.pages(sql, params, each)
    }

    fn pages(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let number = self.cursors.get();
        self.cursors.set(number.wrapping_add(1));
        self.select(&format!("declare page_{number} no scroll cursor for {sql}"), params)?;
        loop {
            let page = self.select(&format!("fetch {PAGE} from page_{number}"), &[])?;
            for row in &page {
                if !each(&Row::Postgres(row))? {
                    return self.batch(&format!("close page_{number}"));
                }
            }
            if page.len() < PAGE {
                return self.batch(&format!("close page_{number}"));
            }
        }
    }

    pub fn schema_number(&self) -> Result<i64> {
        let exists = self.first(
            "select 1 from pg_catalog.pg_tables
             where schemaname = current_schema() and tablename = 'schema_step'",
            &[],
            |_| Ok(()),
        )?;
        if exists.is_none() {
            return Ok(0);
        }
        let number = self.first("select number from schema_step", &[], |row| row.get(0))?;
        Ok(number.unwrap_or(0))
    }

    pub fn set_schema_number(&self, number: i64) -> Result<()> {
        self.execute("update schema_step set number = ?1", &[Param::Integer(Some(number))])?;
        Ok(())
    }

    pub fn tables_with(&self, column: &str) -> Result<Vec<String>> {
        let sql = "select t.tablename from pg_catalog.pg_tables t
                   join pg_catalog.pg_attribute a
                       on a.attrelid = (quote_ident(t.schemaname) || '.' || quote_ident(t.tablename))::regclass
                   where t.schemaname = current_schema() and a.attname = ?1 and not a.attisdropped
                   order by t.tablename";
        self.rows(sql, &[Param::Text(Some(column))], |row| row.get(0))
    }

    pub fn tables(&self) -> Result<Vec<String>> {
        let sql = "select tablename from pg_catalog.pg_tables
                   where schemaname = current_schema() and tablename <> 'schema_step'
                   order by tablename";
        self.rows(sql, &[], |row| row.get(0))
    }

    pub fn columns(&self, table: &str) -> Result<Vec<String>> {
        let sql = "select attname from pg_catalog.pg_attribute
                   where attrelid = ?1::text::regclass and attnum > 0 and not attisdropped
                   order by attnum";
        self.rows(sql, &[Param::Text(Some(table))], |row| row.get(0))
    }

    pub fn make_temporary(&self, table: &str, columns: &str) -> Result<()> {
        let columns = columns.replace(" text", " text collate \"C\"");
        self.batch(&format!(
            "create temporary table if not exists {table} ({columns}) on commit drop;
             delete from {table}"
        ))
    }

    pub fn last_number(&self, table: &str) -> Result<i64> {
        let sql = "select coalesce(pg_sequence_last_value(
                       pg_get_serial_sequence(?1, 'id')::regclass), 0)";
        let last = self.first(sql, &[Param::Text(Some(table))], |row| row.get(0))?;
        Ok(last.unwrap_or(0))
    }

    pub fn go_on_numbering(&self, table: &str, last: i64) -> Result<()> {
        let last = last.max(self.last_number(table)?);
        let sql = format!(
            "select setval(pg_get_serial_sequence('{table}', 'id'),
                 greatest(1, ?1, (select max(id) from {table})))"
        );
        if last > 0
            || self.first(&format!("select 1 from {table} limit 1"), &[], |_| Ok(()))?.is_some()
        {
            self.select(&sql, &[Param::Integer(Some(last))])?;
        }
        Ok(())
    }

    /// Removes deleted rows from the tables' files.
    pub fn purge(&self) -> Result<()> {
        self.batch(&format!("vacuum {}", self.tables()?.join(", ")))
    }
}

impl Engine for Postgres {
    fn start(&self, how: Begin) -> Result<()> {
        if self.state.get() != State::Free {
            return Err(Error::content("a transaction is already open".to_owned()));
        }
        self.kept.take();
        let begun = self.batch(match how {
            // Changes in it are rolled back.
            Begin::Reading => "begin isolation level repeatable read",
            Begin::Writing => BEGIN_WRITING,
        });
        match begun {
            Ok(()) => {
                self.state.set(State::Within);
                Ok(())
            }
            Err(error) => {
                // The lock was not available in time, and the failed transaction must be ended.
                if let Some(lease) = self.lease.borrow_mut().as_mut() {
                    let _ended = lease.client.batch_execute("rollback").is_ok();
                }
                Err(error)
            }
        }
    }

    fn end(&self, how: End) -> Result<()> {
        let state = self.state.replace(State::Free);
        self.kept.take();
        let end = match (how, state) {
            (_, State::Free) => return Ok(()),
            (End::Commit, State::Within) => "commit",
            _ => "rollback",
        };
        super::count(end);
        let outcome = match self.lease.borrow_mut().as_mut() {
            Some(lease) => lease.client.batch_execute(end).map_err(Error::from),
            None => Err(Error::lost("the connection was lost within a transaction")),
        };
        if outcome.is_err() {
            *self.lease.borrow_mut() = None;
        }
        match (how, state) {
            // The server rolls back the transaction of a lost connection.
            (End::Rollback, _) => Ok(()),
            // On `commit`, the server silently rolls back a transaction in which a statement
            // failed.
            (End::Commit, State::Failed) => {
                outcome?;
                Err(Error::content("a statement of the transaction has failed".to_owned()))
            }
            (End::Commit, _) => outcome,
        }
    }

    fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize> {
        self.kept.borrow_mut().forget(sql);
        let sql = dialect::statement(sql);
        let typed = typed(params);
        let changed = self.run(&sql, |client| client.execute_typed(&sql, &typed))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        for row in self.select_once(sql, params)?.iter() {
            if !each(&Row::Postgres(row))? {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Inside a transaction, the connection is closed, which ends the transaction.
        if self.state.get() == State::Free
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

fn typed<'p>(params: &'p [Param<'p>]) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    params.iter().map(|param| (param as &(dyn ToSql + Sync), values::type_of(param))).collect()
}
