//! The database: opening it, and transactions.

use crate::{Author, Due, Site, StoreError, migrate, sql};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(30);

/// A site's database.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    path: PathBuf,
    list_defaults: BTreeMap<String, String>,
    author: RefCell<Author>,
}

/// A transaction: everything that a [`Store`] can be asked, and what changes it. Nothing of it is
/// seen by anybody before [`Store::write`] returns.
#[derive(Debug)]
pub struct Tx<'s> {
    store: &'s Store,
    /// Jobs that get something to do by this.
    pub(crate) due: RefCell<BTreeSet<Due>>,
    /// Jobs that may have nothing to do any more.
    pub(crate) done: RefCell<BTreeSet<Due>>,
    /// Lists whose archives may have to be shown or hidden.
    pub(crate) archives: RefCell<BTreeSet<String>>,
}

impl<'s> Tx<'s> {
    fn new(store: &'s Store) -> Tx<'s> {
        let (due, done, archives) = Default::default();
        Tx { store, due, done, archives }
    }
}

impl Deref for Tx<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

impl Store {
    /// Opens a site's database for reading and writing, makes it if it is not there, and brings it
    /// up to date.
    pub fn open(site: &Site) -> Result<Store, StoreError> {
        let path = site.database();
        make(&path).map_err(StoreError::io("make the database", &path))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Store::connect(path, flags)?;
        store.list_defaults.clone_from(&site.config().list_defaults);
        store.run(|connection| {
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)
        })?;
        migrate::up(&store)?;
        Ok(store)
    }

    /// Opens a site's database for reading only.
    pub fn open_read_only(site: &Site) -> Result<Store, StoreError> {
        let path = site.database();
        let store = Store::connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        migrate::check(&store)?;
        Ok(store)
    }

    /// Opens a site's database only to keep it open, for a process that stays. While nobody has it
    /// open its journal is merged into it and removed, and made anew by whoever comes next: four
    /// waits for the disk. When it cannot be opened, whoever needs it says so.
    pub fn keep_open(site: &Site) -> Option<Store> {
        Store::open(site).inspect_err(|error| tracing::debug!("not kept open: {error}")).ok()
    }

    fn connect(path: PathBuf, flags: OpenFlags) -> Result<Store, StoreError> {
        let connection = Connection::open_with_flags(&path, flags)
            .and_then(|connection| connection.busy_timeout(PATIENCE).map(|()| connection))
            .map_err(|source| StoreError::Database { path: path.clone(), source })?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Store { connection, path, list_defaults: BTreeMap::new(), author: RefCell::default() })
    }

    /// Prepares for very much to be changed at once: up to so many bytes of pages stay in memory
    /// until the transaction ends, and are not written and read again and again.
    pub fn keep_in_memory(&self, bytes: i64) -> Result<(), StoreError> {
        // Negative: in KiB and not in pages.
        self.run(|connection| connection.pragma_update(None, "cache_size", -(bytes / 1024)))
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with the database's file, or with what in it refers to what; nothing if all is
    /// well. Reads everything.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        let text = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        let mut problems = self.run(|connection| {
            sql::rows(connection, "select integrity_check from pragma_integrity_check", [], text)
        })?;
        problems.retain(|problem| problem != "ok");
        problems.extend(self.run(|connection| {
            let sql = "select \"table\" || ' refers to ' || parent || ', which is gone'
                       from pragma_foreign_key_check group by \"table\", parent";
            sql::rows(connection, sql, [], text)
        })?);
        Ok(problems)
    }

    /// From here on it is this one who changes things, for the audit trail.
    pub fn act_as(&self, author: Author) {
        self.author.replace(author);
    }

    /// Who changes things.
    pub(crate) fn author(&self) -> Author {
        self.author.borrow().clone()
    }

    /// What new lists have: the site's `[list-defaults]`.
    pub(crate) fn list_defaults(&self) -> &BTreeMap<String, String> {
        &self.list_defaults
    }

    /// The site's directory.
    pub(crate) fn site_dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Changes something: all of it, or on an error nothing.
    ///
    /// Takes the write lock at once, so that it never has to give up half-way because another
    /// writer came in between.
    pub fn write<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |source| E::from(self.failed(source));
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
                .map_err(failed)?;
        let tx = Tx::new(self);
        let value = change(&tx)?;
        for job in tx.due.take() {
            job.mark(self.site_dir())?;
        }
        // What becomes private is hidden before, what becomes public is shown after.
        let shown = tx.hide_archives()?;
        transaction.commit().map_err(failed)?;
        self.show_archives(shown);
        for job in tx.done.take() {
            // A marker too many is put right by the job itself.
            if let Err(error) = self.settle_due(job) {
                tracing::warn!("the marker of the job {} stays: {error}", job.name());
            }
        }
        Ok(value)
    }

    /// Looks at things as they are at one moment, without waiting for a writer. What it would change
    /// fails or is taken back.
    pub fn look<T, E: From<StoreError>>(
        &self,
        at: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |source| E::from(self.failed(source));
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)
                .map_err(failed)?;
        let value = at(&Tx::new(self));
        transaction.rollback().map_err(failed)?;
        value
    }

    /// Does what would change something, and takes it back: nothing is changed, whatever happens.
    pub fn rehearse<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |source| E::from(self.failed(source));
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
                .map_err(failed)?;
        let value = change(&Tx::new(self));
        transaction.rollback().map_err(failed)?;
        value
    }

    /// Runs something on the connection and names the file if it fails.
    pub(crate) fn run<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(|source| self.failed(source))
    }

    pub(crate) fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source }
    }
}

/// Makes an empty database that is nobody else's business, if there is none: the site's keys are in
/// it. SQLite gives the files beside it the same rights.
fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o660).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
