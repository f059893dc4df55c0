//! SQLite: files, journals, pragmas. The only module that uses the driver's types.

use super::{Begin, End, Engine, Error, Param, Result, Row, Value};
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Rows, ToSql};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

/// How long a writer waits for another one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The number of cached prepared statements.
const STATEMENTS: usize = 64;

/// An open database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
}

/// The ways to open a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// Read-only.
    Reading,
    /// For reading and writing; the file must exist.
    Writing,
    /// For reading and writing; the file is created if it is missing.
    Creating,
}

impl Sqlite {
    /// Opens a file.
    pub fn open(path: &Path, how: Open) -> Result<Sqlite> {
        let flags = match how {
            Open::Reading => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Open::Writing => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Open::Creating => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
        let mut connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_handler(Some(wait_for_others))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Plan statements without regard to their values. Otherwise SQLite compares the values with
        // the conditions of partial indexes, and compiles a statement again whenever they differ.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Sqlite { connection })
    }

    /// Makes commits wait for the disk, and enforces foreign keys.
    pub fn be_durable(&self) -> Result<()> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(self.connection.pragma_update(None, "foreign_keys", true)?)
    }

    /// Turns on WAL, so that readers and a writer do not wait for each other. Must be called
    /// outside of a transaction.
    pub fn use_wal(&self) -> Result<()> {
        Ok(self.connection.pragma_update(None, "journal_mode", "WAL")?)
    }

    /// Makes commits fast, for a database that can be rebuilt: a power failure may destroy the last
    /// changes. A checkpoint takes place after `checkpoint` pages.
    pub fn be_quick(&self, cache_kib: i64, checkpoint: i64) -> Result<()> {
        self.use_wal()?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        self.connection.pragma_update(None, "wal_autocheckpoint", checkpoint)?;
        Ok(self.connection.pragma_update(None, "cache_size", -cache_kib)?)
    }

    fn prepare(&self, sql: &str, params: &[Param<'_>]) -> Result<CachedStatement<'_>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        for (at, param) in params.iter().enumerate() {
            statement.raw_bind_parameter(at + 1, param)?;
        }
        Ok(statement)
    }

    /// Runs statements without values.
    pub fn batch(&self, sql: &str) -> Result<()> {
        Ok(self.connection.execute_batch(sql)?)
    }

    pub fn schema_number(&self) -> Result<i64> {
        Ok(self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    pub fn set_schema_number(&self, number: i64) -> Result<()> {
        Ok(self.connection.pragma_update(None, "user_version", number)?)
    }

    pub fn generation(&self) -> Result<i32> {
        Ok(self.connection.pragma_query_value(None, "application_id", |row| row.get(0))?)
    }

    pub fn set_generation(&self, generation: i32) -> Result<()> {
        Ok(self.connection.pragma_update(None, "application_id", generation)?)
    }

    /// Copies the journal into the database's file as far as other processes allow, and returns
    /// whether all of it was copied.
    pub fn copy_journal(&self) -> Result<bool> {
        let sql = "pragma wal_checkpoint(passive)";
        let (frames, copied): (i64, i64) =
            self.connection.query_row(sql, [], |row| Ok((row.get(1)?, row.get(2)?)))?;
        Ok(frames == copied)
    }

    pub fn tables_with(&self, column: &str) -> Result<Vec<String>> {
        let sql = "select name from sqlite_schema
                   where type = 'table' and exists
                       (select 1 from pragma_table_info(sqlite_schema.name) as info
                        where info.name = ?1)
                   order by name";
        self.rows(sql, &[Param::Text(Some(column))], |row| row.get(0))
    }

    pub fn tables(&self) -> Result<Vec<String>> {
        let sql = "select name from sqlite_schema
                   where type = 'table' and name not like 'sqlite%' order by name";
        self.rows(sql, &[], |row| row.get(0))
    }

    pub fn last_number(&self, table: &str) -> Result<i64> {
        let sql = "select seq from sqlite_sequence where name = ?1";
        let kept = self.first(sql, &[Param::Text(Some(table))], |row| row.get(0))?;
        let sql = format!("select coalesce(max(id), 0) from {table}");
        let there: Option<i64> = self.first(&sql, &[], |row| row.get(0))?;
        Ok(kept.max(there).unwrap_or(0))
    }

    /// Tables with `autoincrement` have their last number in `sqlite_sequence`.
    pub fn go_on_numbering(&self, table: &str, last: i64) -> Result<()> {
        let (table, last) = (Param::Text(Some(table)), Param::Integer(Some(last)));
        let sql = "select 1 from sqlite_schema where name = ?1 and sql like '%autoincrement%'";
        if self.first(sql, &[table], |_| Ok(()))?.is_none() {
            return Ok(());
        }
        let sql = "insert into sqlite_sequence (name, seq)
                   select ?1, 0 where not exists (select 1 from sqlite_sequence where name = ?1)";
        self.execute(sql, &[table])?;
        let sql = "update sqlite_sequence set seq = max(seq, ?2) where name = ?1";
        self.execute(sql, &[table, last])?;
        Ok(())
    }

    pub fn columns(&self, table: &str) -> Result<Vec<String>> {
        let sql = "select name from pragma_table_info(?1)";
        self.rows(sql, &[Param::Text(Some(table))], |row| row.get(0))
    }

    /// Temporary tables spill to the disk, so memory use does not depend on their size.
    pub fn make_temporary(&self, table: &str, columns: &str) -> Result<()> {
        self.batch(&format!(
            "create temporary table if not exists {table} ({columns}); delete from {table};"
        ))
    }

    /// Copies the database, as the transaction sees it, to a new file.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        let mut target = Connection::open(path)?;
        Backup::new(&self.connection, &mut target)?.run_to_completion(
            i32::MAX,
            Duration::ZERO,
            None,
        )?;
        // A copy needs no journal.
        target.pragma_update(None, "journal_mode", "delete")?;
        target.close().map_err(|(_, error)| error.into())
    }

    /// Removes the journal, so that the database is a single file.
    pub fn have_no_journal(&self) -> Result<()> {
        Ok(self.connection.pragma_update(None, "journal_mode", "delete")?)
    }

    /// Rewrites the database and empties its journal, so that no deleted data is left on the disk.
    pub fn purge(&self) -> Result<()> {
        self.connection.pragma_update(None, "secure_delete", true)?;
        self.batch("vacuum")?;
        // This waits for processes that are reading.
        let sql = "pragma wal_checkpoint(truncate)";
        let busy: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        if busy != 0 {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            let text =
                "another process is reading; deleted data stays in the journal until the next time";
            return Err(rusqlite::Error::SqliteFailure(busy, Some(text.to_owned())).into());
        }
        Ok(())
    }

    pub fn check(&self) -> Result<Vec<String>> {
        let text = |row: &Row<'_>| row.get(0);
        let sql = "select integrity_check from pragma_integrity_check";
        let mut problems: Vec<String> = self.rows(sql, &[], text)?;
        problems.retain(|problem| problem != "ok");
        let sql = "select \"table\" || ' refers to ' || parent || ', which is gone'
                   from pragma_foreign_key_check group by \"table\", parent";
        problems.extend(self.rows(sql, &[], text)?);
        Ok(problems)
    }

    pub fn keep_in_memory(&self, bytes: i64) -> Result<()> {
        // A negative size is in KiB instead of pages.
        Ok(self.connection.pragma_update(None, "cache_size", -(bytes / 1024))?)
    }
}

/// Waits a little for another process that holds a lock. SQLite's own handler waits up to 100 ms
/// each time, and so about as much longer as the lock was held. `tries`: how often it has waited.
fn wait_for_others(tries: i32) -> bool {
    let pause = Duration::from_millis(if tries < 10 { 1 } else { 5 });
    let is_over = pause.saturating_mul(tries.unsigned_abs()) >= PATIENCE;
    if !is_over {
        std::thread::sleep(pause);
    }
    !is_over
}

impl Engine for Sqlite {
    /// A writer takes the lock at the beginning, so that it cannot fail midway because of another
    /// writer.
    fn start(&self, how: Begin) -> Result<()> {
        self.batch(match how {
            Begin::Reading => "begin deferred",
            Begin::Writing => "begin immediate",
        })
    }

    fn end(&self, how: End) -> Result<()> {
        // A full disk may have already ended the transaction.
        if self.connection.is_autocommit() && how == End::Rollback {
            return Ok(());
        }
        self.batch(match how {
            End::Commit => "commit",
            End::Rollback => "rollback",
        })
    }

    fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize> {
        Ok(self.prepare(sql, params)?.raw_execute()?)
    }

    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let mut statement = self.prepare(sql, params)?;
        let mut rows: Rows<'_> = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !each(&Row::Sqlite(row))? {
                break;
            }
        }
        Ok(())
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Param::Null => ValueRef::Null,
            Param::Integer(value) => value.map_or(ValueRef::Null, ValueRef::Integer),
            Param::Real(value) => value.map_or(ValueRef::Null, ValueRef::Real),
            Param::Text(value) => value.map_or(ValueRef::Null, ValueRef::from),
            Param::Blob(value) => value.map_or(ValueRef::Null, ValueRef::Blob),
        }))
    }
}

/// Reads the generation from a database's file; `None` if the file is not a database. It is older
/// than [`Sqlite::generation`] while a change is only in the journal. The process must not have the
/// database open, because closing the file would release SQLite's locks.
pub(crate) fn generation_in(path: &Path) -> Option<i32> {
    generation_of(&File::open(path).ok()?)
}

/// The same for an open file, which may be a database that is in use. This process must not have it
/// open if the caller is going to close it.
pub(crate) fn generation_of(file: &File) -> Option<i32> {
    let mut header = [0; 100];
    file.read_exact_at(&mut header, 0).ok()?;
    // <https://www.sqlite.org/fileformat.html>, 1.3: the "Application ID".
    let id = header.starts_with(b"SQLite format 3\0").then(|| header[68..72].try_into().ok())?;
    id.map(i32::from_be_bytes)
}

/// Returns the value of a column.
pub(crate) fn value<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Result<Value<'r>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).map_err(|error| {
            Error::content(format!("column {column} is text that is not UTF-8: {error}"))
        })?),
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    })
}

/// Whether another process holds a lock.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the cause is a value in the statement.
pub(crate) fn is_of_a_value(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ConstraintViolation | TooBig | TypeMismatch),
        None => false,
    }
}

/// Returns a clause that says what to do about an error of the database in this file, or an empty
/// one.
pub(crate) fn advice(error: &rusqlite::Error, path: &Path) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "; another process has been writing for too long, try again"
        }
        // SQLite does not report why an operation on the journal failed.
        Some(ErrorCode::SystemIoFailure) if is_full(path) => {
            "; the disk is full: free some space, nothing that was stored is lost"
        }
        Some(ErrorCode::DiskFull) => "; free some space, nothing that was stored is lost",
        Some(ErrorCode::ReadOnly) => {
            "; check the owner and the permissions of the site's directory"
        }
        Some(ErrorCode::CannotOpen) => "; check that it exists and is readable",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "; restore it from a backup",
        _ => "",
    }
}

fn is_full(path: &Path) -> bool {
    const HARDLY_ANYTHING: u64 = 64 * 1024;
    rustix::fs::statvfs(path)
        .is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < HARDLY_ANYTHING)
}
