//! The little that keeps statements fit for another database.

use rusqlite::{CachedStatement, Connection, Params, Row};
use std::borrow::Cow;

/// Statements are written with `$1`, `$2` …, as PostgreSQL has them. In SQLite those would be names,
/// numbered by their first appearance; `?1` is what means the same.
pub fn portable(sql: &str) -> Cow<'_, str> {
    if sql.contains('$') { Cow::Owned(sql.replace('$', "?")) } else { Cow::Borrowed(sql) }
}

/// Prepares a statement, or takes it from the connection's cache.
pub fn prepare<'c>(connection: &'c Connection, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
    connection.prepare_cached(&portable(sql))
}

/// Runs a statement that returns no rows; how many it changed.
pub fn execute(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    prepare(connection, sql)?.execute(params)
}

/// All rows.
pub fn rows<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    prepare(connection, sql)?.query_map(params, read)?.collect()
}

/// The first row, if there is one.
pub fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    use rusqlite::OptionalExtension as _;
    prepare(connection, sql)?.query_row(params, read).optional()
}

/// Writes a database anew and empties its journal: nothing that was deleted is left on the disk.
pub fn purge(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "secure_delete", true)?;
    connection.execute_batch("vacuum")?;
    // Whoever reads at this moment is waited for.
    let busy: i64 =
        connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
    if busy != 0 {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let text = "somebody is reading; what was deleted is in the journal until the next time";
        return Err(rusqlite::Error::SqliteFailure(busy, Some(text.to_owned())));
    }
    Ok(())
}
