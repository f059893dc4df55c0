//! Copies of databases while others write in them.

use crate::StoreError;
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Copies a database as it is at one instant to a file that is not there yet. `pinned` is called
/// after that instant and before the copying: what it sees of the rest of the site is not older.
///
/// # Errors
/// When either database cannot be opened or the disk is full, and those of `pinned`.
pub fn copy_database<E: From<StoreError>>(
    from: &Path,
    to: &Path,
    pinned: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Database { path, source }
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(failed(from))?;
    source.busy_timeout(Duration::from_secs(30)).map_err(failed(from))?;
    // The first read of a transaction fixes what all of it sees.
    source.execute_batch("begin; select count(*) from sqlite_master;").map_err(failed(from))?;
    pinned()?;
    let mut target = Connection::open(to).map_err(failed(to))?;
    Backup::new(&source, &mut target)
        .and_then(|backup| backup.run_to_completion(i32::MAX, Duration::ZERO, None))
        .map_err(failed(to))?;
    // A copy needs no journal beside it.
    target.pragma_update(None, "journal_mode", "delete").map_err(failed(to))?;
    target.close().map_err(|(_, source)| failed(to)(source))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Site, Store};

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
        let copy = Connection::open(&to).unwrap();
        let names: Vec<String> = copy
            .prepare("select name from secret order by name")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(names, ["before"]);
    }
}
