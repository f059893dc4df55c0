//! The index of one list's archive: numbers, threads, index pages, full text. It is a separate
//! database, which can be rebuilt from the list's mbox at any time.
//!
//! # Layout
//! - `messages`: volumes and messages. `threads`: replies. `listings`: the pages of volumes'
//!   indexes. `numbers`: numbers that survive a rebuild. `search`: full text.

mod listings;
mod messages;
mod numbers;
mod search;
mod threads;

use crate::StoreError;
use crate::db::sqlite::{Open, Sqlite};
use crate::db::{self, Begin, Engine as _, Param, Row, params};
use std::path::{Path, PathBuf};

/// The size of the page cache while the index is written.
const CACHE_KIB: i64 = 32 * 1024;
/// The number of pages in the journal before a checkpoint: a large one writes pages that several
/// transactions change only once.
const CHECKPOINT: i64 = 8192;
/// The migrations to each version of the index.
const SCHEMA: [&str; 3] = [
    include_str!("../schema/archive_index.sql"),
    include_str!("../schema/archive_index_2.sql"),
    include_str!("../schema/archive_index_3.sql"),
];
const VERSION: i64 = SCHEMA.len() as i64;

/// An open index.
#[derive(Debug)]
pub struct ArchiveIndex {
    db: Sqlite,
    path: PathBuf,
}

/// The order of a volume's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// By thread, with replies below the messages that they answer.
    Thread,
    /// By subject.
    Subject,
    /// By author.
    Author,
    /// By date.
    Date,
}

impl Order {
    /// All orders.
    pub const ALL: [Order; 4] = [Order::Thread, Order::Subject, Order::Author, Order::Date];
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The volume's number in the index.
    pub id: i64,
    /// The name in its URL, such as `2024-March`.
    pub name: String,
    /// The name for people, such as `March 2024`.
    pub label: String,
    /// Its first day, as days since the epoch; volumes are ordered by it.
    pub first_day: i64,
    /// The number of its messages.
    pub messages: i64,
    /// The date of its first message, in seconds since the epoch.
    pub first_date: Option<i64>,
    /// The date of its last message.
    pub last_date: Option<i64>,
    /// How much of its text file is written, in bytes.
    pub text_length: i64,
    /// Whether there is a compressed copy of its text file.
    pub is_gzipped: bool,
}

/// A message in the index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexed {
    /// The number in its URL.
    pub number: i64,
    /// Its volume.
    pub volume_id: i64,
    /// Where it begins in the mbox.
    pub mbox_start: i64,
    /// Its length in the mbox, including the `From ` line and the empty line after it.
    pub mbox_length: i64,
    /// The digest of these bytes.
    pub digest: Vec<u8>,
    /// Its Message-ID without angle brackets.
    pub message_id: String,
    /// Its date, in seconds since the epoch.
    pub date: i64,
    /// Its subject without `Re:`.
    pub subject: String,
    /// Its author's name.
    pub author: String,
    /// Its author's address.
    pub email: String,
    /// The first words of its text.
    pub excerpt: String,
    /// The message in the same volume that it answers.
    pub parent: Option<i64>,
    /// Its subject without prefix and blanks and in lower case, by which replies are found.
    pub stripped: String,
    /// Its place in its thread.
    pub thread_key: String,
    /// Whether it was removed.
    pub removed: bool,
}

/// A line of an index page, or a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexLine {
    /// The message's number.
    pub number: i64,
    /// Its subject.
    pub subject: String,
    /// Its author's name.
    pub author: String,
    /// Its date, in seconds since the epoch.
    pub date: i64,
    /// Its place in its thread.
    pub thread_key: String,
}

/// A page of a volume's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPage {
    /// The lower limit of its keys.
    pub low: String,
    /// The number in its URL; the first one is 1.
    pub number: i64,
    /// The number of its entries.
    pub entries: i64,
}

/// The page that contains a key, and its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagePlace {
    /// The previous page.
    pub before: Option<IndexPage>,
    /// The page with the key.
    pub this: Option<IndexPage>,
    /// The next page.
    pub after: Option<IndexPage>,
}

/// The number of a message from before the index was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNumber {
    /// The number.
    pub number: i64,
    /// The volume's name.
    pub volume: String,
    /// The message's Message-ID; empty if unknown.
    pub message_id: String,
    /// The digest of its bytes in the mbox, if known.
    pub digest: Option<Vec<u8>>,
}

/// A search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// An FTS5 expression; empty matches any text.
    pub words: String,
    /// The earliest date, in seconds since the epoch.
    pub from: Option<i64>,
    /// The date before which it must be, in seconds since the epoch.
    pub until: Option<i64>,
    /// The maximum number of results.
    pub limit: u64,
}

/// A search result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The message.
    pub message: Indexed,
    /// The name of its volume.
    pub volume: String,
}

const MESSAGE: &str = "number, volume_id, mbox_start, mbox_length, digest, message_id, date, subject, author, email, excerpt, parent, stripped, thread_key, removed";
const VOLUME: &str =
    "id, name, label, first_day, messages, first_date, last_date, text_length, is_gzipped";

fn read_message(row: &Row<'_>) -> db::Result<Indexed> {
    Ok(Indexed {
        number: row.get(0)?,
        volume_id: row.get(1)?,
        mbox_start: row.get(2)?,
        mbox_length: row.get(3)?,
        digest: row.get(4)?,
        message_id: row.get(5)?,
        date: row.get(6)?,
        subject: row.get(7)?,
        author: row.get(8)?,
        email: row.get(9)?,
        excerpt: row.get(10)?,
        parent: row.get(11)?,
        stripped: row.get(12)?,
        thread_key: row.get(13)?,
        removed: row.get(14)?,
    })
}

fn read_volume(row: &Row<'_>) -> db::Result<Volume> {
    Ok(Volume {
        id: row.get(0)?,
        name: row.get(1)?,
        label: row.get(2)?,
        first_day: row.get(3)?,
        messages: row.get(4)?,
        first_date: row.get(5)?,
        last_date: row.get(6)?,
        text_length: row.get(7)?,
        is_gzipped: row.get(8)?,
    })
}

fn read_line(row: &Row<'_>) -> db::Result<IndexLine> {
    Ok(IndexLine {
        number: row.get(0)?,
        subject: row.get(1)?,
        author: row.get(2)?,
        date: row.get(3)?,
        thread_key: row.get(4)?,
    })
}

fn read_page(row: &Row<'_>) -> db::Result<IndexPage> {
    Ok(IndexPage { low: row.get(0)?, number: row.get(1)?, entries: row.get(2)? })
}

impl ArchiveIndex {
    /// Opens an index for reading and writing, and creates it if it is missing.
    ///
    /// Writes are not synced, because what a power failure destroys is read again from the mbox.
    pub fn open(path: &Path) -> Result<ArchiveIndex, StoreError> {
        let index = ArchiveIndex::connect(path, Open::Creating)?;
        index.run(|db| db.be_quick(CACHE_KIB, CHECKPOINT))?;
        if index.version()? < VERSION {
            index.write(|index| {
                let known = usize::try_from(index.version()?).unwrap_or(0);
                index.run(|db| {
                    SCHEMA.iter().skip(known).try_for_each(|step| db.batch(step))?;
                    db.set_schema_number(VERSION)
                })
            })?;
        }
        index.check()
    }

    /// Opens an index for reading only; `None` if there is none.
    pub fn open_read_only(path: &Path) -> Result<Option<ArchiveIndex>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let index = ArchiveIndex::connect(path, Open::Reading)?;
        match index.version()? {
            0 => Ok(None),
            // Readers do not need what older versions lack.
            1..VERSION => Ok(Some(index)),
            _ => index.check().map(Some),
        }
    }

    fn connect(path: &Path, how: Open) -> Result<ArchiveIndex, StoreError> {
        let db = Sqlite::open(path, how).map_err(|source| StoreError::database(path, source))?;
        Ok(ArchiveIndex { db, path: path.to_owned() })
    }

    fn version(&self) -> Result<i64, StoreError> {
        self.run(Sqlite::schema_number)
    }

    fn check(self) -> Result<ArchiveIndex, StoreError> {
        let found = self.version()?;
        if found == VERSION {
            return Ok(self);
        }
        Err(StoreError::Newer { path: self.path, found, known: VERSION })
    }

    /// Runs an operation on the database, and adds the file's path to an error.
    fn run<T>(&self, work: impl FnOnce(&Sqlite) -> db::Result<T>) -> Result<T, StoreError> {
        work(&self.db).map_err(|source| StoreError::database(&self.path, source))
    }

    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<usize, StoreError> {
        self.run(|db| db.execute(statement, params))
    }

    fn first<T>(
        &self,
        statement: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> db::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.run(|db| db.first(statement, params, read))
    }

    fn rows<T>(
        &self,
        statement: &str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> db::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(|db| db.rows(statement, params, read))
    }

    /// Runs a reading transaction: a consistent snapshot.
    pub fn read<T, E: From<StoreError>>(
        &self,
        look: impl FnOnce(&ArchiveIndex) -> Result<T, E>,
    ) -> Result<T, E> {
        self.within(Begin::Reading, look)
    }

    /// Runs a writing transaction: all of its changes, or on an error none.
    pub fn write<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&ArchiveIndex) -> Result<T, E>,
    ) -> Result<T, E> {
        self.within(Begin::Writing, change)
    }

    fn within<T, E: From<StoreError>>(
        &self,
        how: Begin,
        work: impl FnOnce(&ArchiveIndex) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction =
            self.db.begin(how).map_err(|source| StoreError::database(&self.path, source))?;
        let value = work(self)?;
        self.run(|_| transaction.commit())?;
        Ok(value)
    }

    /// Rewrites the index after something was removed, so that nothing of it is left in segments of
    /// the full text, free pages or the journal.
    pub fn purge(&self) -> Result<(), StoreError> {
        self.run(|db| {
            db.batch("insert into word (word) values ('optimize')")?;
            db.purge()
        })
    }

    /// Returns a single value.
    pub fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.first("select value from fact where name = ?1", params![name], |row| row.get(0))
    }

    /// Sets a single value.
    pub fn set_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "insert into fact (name, value) values (?1, ?2)
             on conflict (name) do update set value = excluded.value",
            params![name, value],
        )?;
        Ok(())
    }

    /// Deletes a single value.
    pub fn forget_fact(&self, name: &str) -> Result<(), StoreError> {
        self.execute("delete from fact where name = ?1", params![name])?;
        Ok(())
    }
}

fn of_message() -> String {
    let columns: Vec<String> =
        MESSAGE.split(", ").map(|column| format!("message.{column}")).collect();
    columns.join(", ")
}

fn read_hit(row: &Row<'_>) -> db::Result<Hit> {
    Ok(Hit { message: read_message(row)?, volume: row.get(15)? })
}
