//! A site's database: opening it, what it can be asked, and transactions.

use crate::db::postgres::{Address, Postgres};
use crate::db::sqlite::{Open, Sqlite};
use crate::db::{self, Begin, Db, Engine as _, Param, Row, Transaction};
use crate::{Author, Due, ListId, Site, StoreError, migrate};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that a site's database can be asked. What changes it is a [`Tx`].
#[derive(Debug)]
pub struct Read {
    db: Db,
    /// The database's file, or the URL of its server.
    path: PathBuf,
    /// The site's directory.
    dir: PathBuf,
}

/// A site's database: what can be asked ([`Store::read`]), and transactions.
#[derive(Debug)]
pub struct Store {
    read: Read,
    list_defaults: BTreeMap<String, String>,
    author: RefCell<Author>,
}

/// A transaction: what changes things. What can be asked ([`Tx::read`]) is as it has been changed so
/// far; nobody else sees any of it before [`Store::write`] returns.
#[derive(Debug)]
pub struct Tx<'s> {
    store: &'s Store,
    /// Jobs that get something to do by this.
    pub(crate) due: RefCell<BTreeSet<Due>>,
    /// Jobs that may have nothing to do any more.
    pub(crate) done: RefCell<BTreeSet<Due>>,
    /// Lists whose archives may have to be shown or hidden.
    pub(crate) archives: RefCell<BTreeSet<String>>,
    /// Whether lists change.
    pub(crate) lists: Cell<bool>,
    /// What was counted of lists: how many of each kind ([`crate::Count`]).
    pub(crate) counts: RefCell<BTreeMap<(ListId, i64), u64>>,
    /// Posts of lists: how many, and when the last one was.
    pub(crate) posts: RefCell<BTreeMap<ListId, (i64, f64)>>,
    /// Lists whose next digest is due from so many bytes on.
    pub(crate) digests: RefCell<BTreeMap<ListId, i64>>,
}

impl Read {
    /// The database's file, or the URL of its server.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether other hosts may work on the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.db, Db::Postgres(_))
    }

    /// The site's directory.
    pub(crate) fn site_dir(&self) -> &Path {
        &self.dir
    }

    /// What is wrong with the database's file, or with what in it refers to what; nothing if all is
    /// well. Reads everything.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        self.run(Db::check)
    }

    /// Does something with the database, and says where it failed.
    pub(crate) fn run<T>(&self, work: impl FnOnce(&Db) -> db::Result<T>) -> Result<T, StoreError> {
        work(&self.db).map_err(|source| self.failed(source))
    }

    pub(crate) fn failed(&self, source: db::Error) -> StoreError {
        StoreError::database(&self.path, source)
    }

    /// All rows.
    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> db::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(|db| db.rows(sql, params, read))
    }

    /// The first row, if there is one.
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> db::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.run(|db| db.first(sql, params, read))
    }

    /// The row, of which there is one.
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

    /// Calls `each` with every row, in constant memory. The first error ends it.
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

    /// What can be asked, as this transaction has left it so far.
    pub fn read(&self) -> &Read {
        self.store.read()
    }

    /// Runs a statement that changes something; how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, StoreError> {
        self.read().run(|db| db.execute(sql, params))
    }

    /// Who changes things.
    pub(crate) fn author(&self) -> Author {
        self.store.author.borrow().clone()
    }

    /// What new lists have: the site's `[list-defaults]`.
    pub(crate) fn list_defaults(&self) -> &BTreeMap<String, String> {
        &self.store.list_defaults
    }
}

impl Store {
    /// Opens a site's database for reading and writing, creates it if it is not there, and brings it
    /// up to date.
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

    /// Looks whether a server can be reached and its database is none of a newer program; whether it
    /// has a site's tables.
    pub(crate) fn reach(dir: &Path, server: &str) -> Result<bool, StoreError> {
        let address = Address::read(server, "", dir)
            .map_err(|problem| StoreError::Setting(format!("{server}: {problem}")))?;
        let path = PathBuf::from(address.shown());
        let db = Db::Postgres(Box::new(Postgres::at(Arc::new(address), false)));
        migrate::number(&Read { db, path, dir: dir.to_owned() }).map(|number| number > 0)
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
                    make(&path).map_err(StoreError::io("make the database", &path))?;
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

    /// What can be asked.
    pub fn read(&self) -> &Read {
        &self.read
    }

    /// Opens a site's database only to keep it open, for a process that stays. While nobody has it
    /// open its journal is merged into it and removed, and created again by the next process: four
    /// waits for the disk. When it cannot be opened, the process that needs it says so.
    pub fn keep_open(site: &Site) -> Option<Store> {
        if site.is_shared() {
            return None;
        }
        Store::open(site).inspect_err(|error| tracing::debug!("not kept open: {error}")).ok()
    }

    /// Prepares for very much to be changed at once: up to so many bytes of pages stay in memory
    /// until the transaction ends, and are not written and read again and again.
    pub fn keep_in_memory(&self, bytes: i64) -> Result<(), StoreError> {
        self.read().run(|db| db.keep_in_memory(bytes))
    }

    /// From here on it is this one who changes things, for the audit trail.
    pub fn act_as(&self, author: Author) {
        self.author.replace(author);
    }

    /// Changes something: all of it, or on an error nothing.
    ///
    /// Takes the write lock at once, so that it never has to give up half-way because another
    /// writer came in between.
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
        // First of all: without it the next drain does the rest of what follows here.
        tx.forget_index()?;
        // What becomes private is hidden before, what becomes public is shown after.
        let shown = tx.hide_archives()?;
        self.read().run(|_| transaction.commit())?;
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
        self.take_back(Begin::Reading, at)
    }

    /// Does what would change something, and takes it back: nothing is changed, whatever happens.
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

/// Makes an empty database that is nobody else's business, if there is none: the site's keys are in
/// it. SQLite gives the files beside it the same rights.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o660).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
