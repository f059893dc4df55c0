//! Copies of databases while other processes write.

use crate::copying::DatabasePlace;
use crate::db::sqlite::{Open, Sqlite};
use crate::db::{Begin, Engine as _};
use crate::{Site, StoreError};
use std::path::Path;

/// Copies a consistent snapshot of a site's database, in a file or on a server, to a new file. For
/// `pinned` see [`copy_database`].
///
/// # Errors
/// If either database cannot be opened or the disk is full, and those of `pinned`.
pub fn copy_site<E: From<StoreError>>(
    site: &Site,
    to: &Path,
    pinned: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    if !site.is_shared() {
        return copy_database(&site.database(), to, pinned);
    }
    let target = DatabasePlace::in_file(to, true)?;
    DatabasePlace::of(site)?.copy_to(&target, pinned)?;
    drop(target);
    let target = Sqlite::open(to, Open::Writing);
    target
        .and_then(|target| target.have_no_journal())
        .map_err(|source| StoreError::database(to, source).into())
}

/// Copies a consistent snapshot of a database to a new file. `pinned` is called after the snapshot
/// is fixed and before the copying: what it sees of the rest of the site is not older.
///
/// # Errors
/// If either database cannot be opened or the disk is full, and those of `pinned`.
pub fn copy_database<E: From<StoreError>>(
    from: &Path,
    to: &Path,
    pinned: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let failed = |source| StoreError::database(from, source);
    let source = Sqlite::open(from, Open::Writing).map_err(failed)?;
    let transaction = source.begin(Begin::Reading).map_err(failed)?;
    // The first read of a transaction fixes its snapshot.
    source.first("select count(*) from sqlite_schema", &[], |_| Ok(())).map_err(failed)?;
    pinned()?;
    source.copy_to(to).map_err(|source| StoreError::database(to, source))?;
    transaction.rollback().map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    #[test]
    fn the_copy_is_of_the_instant_before_it_is_pinned() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(&home.path().join("site"), "lists.example.org").unwrap();
        let store = Store::open(&site).unwrap();
        let secret = |name: &str| store.write(|tx| tx.secret(name)).unwrap();
        secret("before");
        let to = home.path().join("copy.db");
        copy_database(&site.database(), &to, || {
            secret("after");
            Ok::<(), StoreError>(())
        })
        .unwrap();
        let copy = Sqlite::open(&to, Open::Reading).unwrap();
        let sql = "select name from secret order by name";
        let names: Vec<String> = copy.rows(sql, &[], |row| row.get(0)).unwrap();
        assert_eq!(names, ["before"]);
    }
}
