//! A site's database: opening, reading, and transactions.

use crate::db::postgres::{Address, Postgres};
use crate::db::sqlite::{Open, Sqlite};
use crate::db::{self, Begin, Db, Engine as _, Param, Row, Transaction};
use crate::site::database_in;
use crate::{Author, Due, ListId, ListName, Site, StoreError, migrate};
use dormouse_clock::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Read access to a site's database. Changes require a [`Tx`].
#[derive(Debug)]
pub struct Read {
    db: Db,
    /// The database's file, or the URL of its server.
    path: PathBuf,
    /// The site's directory.
    dir: PathBuf,
}

/// A site's database: read access ([`Store::read`]), and transactions.
#[derive(Debug)]
pub struct Store {
    read: Read,
    list_defaults: BTreeMap<String, String>,
    author: RefCell<Author>,
}

/// A transaction, which can change the database. [`Tx::read`] sees its changes; nobody else does
/// before [`Store::write`] returns.
#[derive(Debug)]
pub struct Tx<'s> {
    store: &'s Store,
    /// Jobs to which this transaction gives something to do.
    pub(crate) due: RefCell<BTreeSet<Due>>,
    /// Jobs that may have nothing left to do.
    pub(crate) done: RefCell<BTreeSet<Due>>,
    /// Lists whose archives may have to be shown or hidden.
    pub(crate) archives: RefCell<BTreeSet<ListName>>,
    /// Whether lists change.
    pub(crate) lists: Cell<bool>,
    /// Counts of lists, by kind ([`crate::Count`]).
    pub(crate) counts: RefCell<BTreeMap<(ListId, i64), u64>>,
    /// Posts of lists: the number, and the time of the last one.
    pub(crate) posts: RefCell<BTreeMap<ListId, (i64, Timestamp)>>,
    /// Sizes in bytes from which lists' next digests are due.
    pub(crate) digests: RefCell<BTreeMap<ListId, i64>>,
}

impl Read {
    /// Returns the database's file, or the URL of its server.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether other hosts may use the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.db, Db::Postgres(_))
    }

    /// Returns the site's directory.
    pub(crate) fn site_dir(&self) -> &Path {
        &self.dir
    }

    /// Checks the integrity of the whole database and its foreign keys. Returns the problems, none
    /// if there are none.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut problems = self.run(Db::check)?;
        problems.extend(self.check_counts()?);
        Ok(problems)
    }

    /// Runs an operation on the database, and adds its path to an error.
    pub(crate) fn run<T>(&self, work: impl FnOnce(&Db) -> db::Result<T>) -> Result<T, StoreError> {
        work(&self.db).map_err(|source| self.failed(source))
    }

    pub(crate) fn failed(&self, source: db::Error) -> StoreError {
        StoreError::database(&self.path, source)
    }

    /// Returns all rows.
    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> db::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(|db| db.rows(sql, params, read))
    }

    /// Returns the first row, if there is one.
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> db::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.run(|db| db.first(sql, params, read))
    }

    /// Returns the row of a query with exactly one. No row is an error.
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> db::Result<T>,
    ) -> Result<T, StoreError> {
        let missing = || db::Error::content("there is no such row".to_owned());
        self.run(|db| db.first(sql, params, read)?.ok_or_else(missing))
    }

    /// Whether there is a row.
    pub(crate) fn any(&self, sql: &str, params: &[Param<'_>]) -> Result<bool, StoreError> {
        Ok(self.first(sql, params, |_| Ok(()))?.is_some())
    }

    /// Calls `each` with every row, in constant memory. Stops at the first error.
    pub(crate) fn stream<T, E: From<StoreError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> db::Result<T>,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(());
        self.run(|db| {
            db.stream(sql, params, &mut |row| {
                outcome = each(read(row)?);
                Ok(outcome.is_ok())
            })
        })?;
        outcome
    }
}

impl<'s> Tx<'s> {
    fn new(store: &'s Store) -> Tx<'s> {
        let (due, done, archives, lists) = Default::default();
        let (counts, posts, digests) = Default::default();
        Tx { store, due, done, archives, lists, counts, posts, digests }
    }

    /// Returns read access that sees the changes of this transaction.
    pub fn read(&self) -> &Read {
        self.store.read()
    }

    /// Runs a statement, and returns how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, StoreError> {
        self.read().run(|db| db.execute(sql, params))
    }

    /// Returns who makes the changes.
    pub(crate) fn author(&self) -> Author {
        self.store.author.borrow().clone()
    }

    /// Returns the site's `[list-defaults]`.
    pub(crate) fn list_defaults(&self) -> &BTreeMap<String, String> {
        &self.store.list_defaults
    }
}

impl Store {
    /// Opens a site's database for reading and writing, and migrates it to the newest schema. It must
    /// exist ([`Site::init`]): with an empty one in its place, mail for all lists would be rejected.
    pub fn open(site: &Site) -> Result<Store, StoreError> {
        let store = Store::of(site, true)?;
        migrate::up(&store)?;
        Ok(store)
    }

    /// Opens a site's database for reading only.
    pub fn open_read_only(site: &Site) -> Result<Store, StoreError> {
        let store = Store::of(site, false)?;
        migrate::check(store.read())?;
        Ok(store)
    }

    /// Checks that a server can be reached and that its schema is not newer than this program's.
    /// Creates the tables of a site if there are none, and returns whether there were some.
    pub(crate) fn reach(dir: &Path, server: &str) -> Result<bool, StoreError> {
        let address = Address::read(server, "", dir)
            .map_err(|problem| StoreError::Setting(format!("{server}: {problem}")))?;
        let path = PathBuf::from(address.shown());
        let db = Db::Postgres(Box::new(Postgres::at(Arc::new(address), false)));
        migrate::found_if_empty(&Read { db, path, dir: dir.to_owned() })
    }

    /// Creates the database of a site's directory, unless it exists.
    pub(crate) fn create(dir: &Path) -> Result<(), StoreError> {
        let path = database_in(dir);
        make(&path).map_err(StoreError::io("create the database", &path))?;
        let opened = Sqlite::open(&path, Open::Writing).and_then(|db| db.be_durable().map(|()| db));
        let db = Db::Sqlite(opened.map_err(|source| StoreError::database(&path, source))?);
        migrate::found_if_empty(&Read { db, path, dir: dir.to_owned() }).map(drop)
    }

    fn of(site: &Site, is_writer: bool) -> Result<Store, StoreError> {
        let (db, path) = match site.server()? {
            Some(address) => {
                let path = PathBuf::from(address.shown());
                (Db::Postgres(Box::new(Postgres::at(address, is_writer))), path)
            }
            None => {
                let path = site.database();
                let opened = if is_writer {
                    Sqlite::open(&path, Open::Writing).and_then(|db| db.be_durable().map(|()| db))
                } else {
                    Sqlite::open(&path, Open::Reading)
                };
                (Db::Sqlite(opened.map_err(|source| StoreError::database(&path, source))?), path)
            }
        };
        Ok(Store {
            read: Read { db, path, dir: site.dir().to_owned() },
            list_defaults: site.config().list_defaults.clone(),
            author: RefCell::default(),
        })
    }

    /// Returns read access outside of transactions.
    pub fn read(&self) -> &Read {
        &self.read
    }

    /// Opens a site's database only to keep it open, for long-running processes. When the last
    /// process closes it, SQLite merges and removes the journal, and the next process creates it
    /// again, which takes four syncs. An error is only logged, because a process that needs the
    /// database will report it.
    pub fn keep_open(site: &Site) -> Option<Store> {
        if site.is_shared() {
            return None;
        }
        Store::open(site).inspect_err(|error| tracing::debug!("not kept open: {error}")).ok()
    }

    /// Prepares for a large transaction: up to this many bytes of pages stay in memory until it
    /// ends, instead of being written and read repeatedly.
    pub fn keep_in_memory(&self, bytes: i64) -> Result<(), StoreError> {
        self.read().run(|db| db.keep_in_memory(bytes))
    }

    /// Sets the author of the following changes, for the records of changed settings.
    pub fn act_as(&self, author: Author) {
        self.author.replace(author);
    }

    /// Runs a transaction: all of its changes, or on an error none.
    ///
    /// Takes the write lock at the beginning, so that it cannot fail midway because of another
    /// writer.
    pub fn write<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin(Begin::Writing)?;
        let tx = Tx::new(self);
        let value = change(&tx)?;
        tx.write_tallies()?;
        tx.write_posts()?;
        tx.write_due_digests()?;
        for job in tx.due.take() {
            job.mark(self.read().site_dir())?;
        }
        // Must come before the following steps: if the index is missing, the next drain completes
        // them.
        tx.forget_index()?;
        // Archives that become private are hidden before the commit, those that become public are
        // shown after it.
        let shown = tx.hide_archives()?;
        self.read().run(|_| transaction.commit())?;
        self.show_archives(shown);
        for job in tx.done.take() {
            // The job itself removes a superfluous marker.
            if let Err(error) = self.settle_due(job) {
                tracing::warn!("the marker of the job {} stays: {error}", job.name());
            }
        }
        Ok(value)
    }

    /// Reads a consistent snapshot, without waiting for a writer. Changes fail or are rolled back.
    pub fn look<T, E: From<StoreError>>(
        &self,
        at: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.take_back(Begin::Reading, at)
    }

    /// Runs a transaction and rolls it back, so that nothing is changed.
    pub fn rehearse<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.take_back(Begin::Writing, change)
    }

    fn begin(&self, how: Begin) -> Result<Transaction<'_, Db>, StoreError> {
        self.read.db.begin(how).map_err(|source| self.read.failed(source))
    }

    fn take_back<T, E: From<StoreError>>(
        &self,
        how: Begin,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin(how)?;
        let value = work(&Tx::new(self));
        self.read.run(|_| transaction.rollback())?;
        value
    }
}

/// Creates an empty database if there is none. Other users cannot read it, because it contains the
/// site's keys. SQLite gives its other files the same mode.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o660).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
