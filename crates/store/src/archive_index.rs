//! The index of one list's archive: numbers, threads, index pages, full text. A database of its
//! own beside the list's mbox, from which it can be made again at any time.

use crate::{StoreError, sql};
use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a reader waits for a writer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of the index is kept in memory while it is written.
const CACHE_KIB: i64 = 16 * 1024;
/// The only version there is.
const VERSION: i64 = 1;

/// An index, open.
#[derive(Debug)]
pub struct ArchiveIndex {
    connection: Connection,
    path: PathBuf,
}

/// In which order a volume's messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Answers below what they answer.
    Thread,
    /// By subject.
    Subject,
    /// By author.
    Author,
    /// By date.
    Date,
}

impl Order {
    /// All of them.
    pub const ALL: [Order; 4] = [Order::Thread, Order::Subject, Order::Author, Order::Date];
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its number in the index.
    pub id: i64,
    /// The name in its address, such as `2024-March`.
    pub name: String,
    /// What people read, such as `March 2024`.
    pub label: String,
    /// Its first day, as days since the epoch; volumes are ordered by it.
    pub first_day: i64,
    /// How many messages it lists.
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
    /// The number in its address.
    pub number: i64,
    /// Its volume.
    pub volume_id: i64,
    /// Where it begins in the mbox.
    pub mbox_start: i64,
    /// Its length there, with the `From ` line and the empty line behind it.
    pub mbox_length: i64,
    /// The digest of these bytes.
    pub digest: Vec<u8>,
    /// Its Message-ID without angle brackets.
    pub message_id: String,
    /// Its date, in seconds since the epoch.
    pub date: i64,
    /// Its subject without answer marks.
    pub subject: String,
    /// Its author's name.
    pub author: String,
    /// Its author's address.
    pub email: String,
    /// The first words of its text.
    pub excerpt: String,
    /// The message in the same volume that it answers.
    pub parent: Option<i64>,
    /// Its subject without prefix, blanks and case, by which answers are found.
    pub stripped: String,
    /// Its place in its thread.
    pub thread_key: String,
    /// Whether it was removed.
    pub removed: bool,
}

/// One line of an index page, or a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
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
    /// The key its first entry has at least.
    pub low: String,
    /// Its number in its address; the first one is 1.
    pub number: i64,
    /// How many entries it has.
    pub entries: i64,
}

/// An address given before the index was made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNumber {
    /// The number.
    pub number: i64,
    /// The volume's name.
    pub volume: String,
    /// The message's Message-ID; empty when it is not known.
    pub message_id: String,
    /// The digest of its bytes in the mbox, when it is known.
    pub digest: Option<Vec<u8>>,
}

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// An FTS5 expression; empty for any text.
    pub words: String,
    /// The earliest date, in seconds since the epoch.
    pub from: Option<i64>,
    /// The date before which it was.
    pub until: Option<i64>,
    /// How many are wanted at the most.
    pub limit: u64,
}

/// A message that was found.
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

fn read_message(row: &Row<'_>) -> rusqlite::Result<Indexed> {
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

fn read_volume(row: &Row<'_>) -> rusqlite::Result<Volume> {
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

fn read_line(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        number: row.get(0)?,
        subject: row.get(1)?,
        author: row.get(2)?,
        date: row.get(3)?,
        thread_key: row.get(4)?,
    })
}

fn read_page(row: &Row<'_>) -> rusqlite::Result<IndexPage> {
    Ok(IndexPage { low: row.get(0)?, number: row.get(1)?, entries: row.get(2)? })
}

impl ArchiveIndex {
    /// Opens an index for reading and writing, and makes it if it is not there.
    ///
    /// What a power failure takes from it is read again from the mbox, so nothing is waited for.
    pub fn open(path: &Path) -> Result<ArchiveIndex, StoreError> {
        let index = ArchiveIndex::connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        index.run(|connection| {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)
        })?;
        if index.version()? == 0 {
            index.write(|index| {
                if index.version()? != 0 {
                    return Ok(());
                }
                index.run(|connection| {
                    connection.execute_batch(include_str!("schema/archive_index.sql"))?;
                    connection.pragma_update(None, "user_version", VERSION)
                })
            })?;
        }
        index.check()
    }

    /// Opens an index for reading only; `None` when there is none.
    pub fn open_read_only(path: &Path) -> Result<Option<ArchiveIndex>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let index = ArchiveIndex::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if index.version()? == 0 {
            return Ok(None);
        }
        index.check().map(Some)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<ArchiveIndex, StoreError> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .and_then(|connection| {
                connection.busy_timeout(PATIENCE)?;
                Ok(connection)
            })
            .map_err(|source| StoreError::Database { path: path.to_owned(), source })?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(ArchiveIndex { connection, path: path.to_owned() })
    }

    fn version(&self) -> Result<i64, StoreError> {
        self.run(|connection| connection.pragma_query_value(None, "user_version", |row| row.get(0)))
    }

    fn check(self) -> Result<ArchiveIndex, StoreError> {
        let found = self.version()?;
        if found == VERSION {
            return Ok(self);
        }
        Err(StoreError::Newer { path: self.path, found, known: VERSION })
    }

    fn run<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection)
            .map_err(|source| StoreError::Database { path: self.path.clone(), source })
    }

    fn execute(&self, statement: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.run(|connection| sql::execute(connection, statement, params))
    }

    fn one<T>(
        &self,
        statement: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.run(|connection| sql::first(connection, statement, params, read))
    }

    fn all<T>(
        &self,
        statement: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(|connection| sql::rows(connection, statement, params, read))
    }

    /// Reads several things as they are at one moment.
    pub fn read<T, E: From<StoreError>>(
        &self,
        look: impl FnOnce(&ArchiveIndex) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |source| E::from(StoreError::Database { path: self.path.clone(), source });
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)
                .map_err(failed)?;
        let value = look(self)?;
        transaction.commit().map_err(failed)?;
        Ok(value)
    }

    /// Changes something: all of it, or on an error nothing.
    pub fn write<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&ArchiveIndex) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |source| E::from(StoreError::Database { path: self.path.clone(), source });
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
                .map_err(failed)?;
        let value = change(self)?;
        transaction.commit().map_err(failed)?;
        Ok(value)
    }

    /// A single value.
    pub fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.one("select value from fact where name = $1", [name], |row| row.get(0))
    }

    /// Sets a single value.
    pub fn set_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "insert into fact (name, value) values ($1, $2)
             on conflict (name) do update set value = excluded.value",
            [name, value],
        )?;
        Ok(())
    }

    /// All volumes, the newest first.
    pub fn volumes(&self) -> Result<Vec<Volume>, StoreError> {
        let sql = format!("select {VOLUME} from volume order by first_day desc, id desc");
        self.all(&sql, [], read_volume)
    }

    /// A volume.
    pub fn volume(&self, id: i64) -> Result<Option<Volume>, StoreError> {
        self.one(&format!("select {VOLUME} from volume where id = $1"), [id], read_volume)
    }

    /// The volume of that name, which is made if it is not there.
    pub fn volume_named(
        &self,
        name: &str,
        label: &str,
        first_day: i64,
    ) -> Result<Volume, StoreError> {
        let find = format!("select {VOLUME} from volume where name = $1");
        if let Some(volume) = self.one(&find, [name], read_volume)? {
            return Ok(volume);
        }
        self.execute(
            "insert into volume (name, label, first_day) values ($1, $2, $3)",
            params![name, label, first_day],
        )?;
        self.one(&find, [name], read_volume)?.ok_or_else(|| StoreError::Content {
            what: "a volume",
            problem: format!("{name} was not made"),
        })
    }

    /// Counts a message in (1) or out (-1) of a volume.
    pub fn count_in_volume(&self, id: i64, change: i64, date: i64) -> Result<(), StoreError> {
        self.execute(
            "update volume set messages = messages + $2,
                first_date = min(coalesce(first_date, $3), $3),
                last_date = max(coalesce(last_date, $3), $3)
             where id = $1",
            params![id, change, date],
        )?;
        Ok(())
    }

    /// Notes how much of a volume's text is written.
    pub fn set_text_length(&self, id: i64, length: i64) -> Result<(), StoreError> {
        self.execute("update volume set text_length = $2 where id = $1", params![id, length])?;
        Ok(())
    }

    /// Notes whether there is a compressed copy of a volume's text.
    pub fn set_gzipped(&self, id: i64, is_gzipped: bool) -> Result<(), StoreError> {
        self.execute("update volume set is_gzipped = $2 where id = $1", params![id, is_gzipped])?;
        Ok(())
    }

    /// Forgets a single value.
    pub fn forget_fact(&self, name: &str) -> Result<(), StoreError> {
        self.execute("delete from fact where name = $1", [name])?;
        Ok(())
    }

    /// The message of that number.
    pub fn message(&self, number: i64) -> Result<Option<Indexed>, StoreError> {
        self.one(
            &format!("select {MESSAGE} from message where number = $1"),
            [number],
            read_message,
        )
    }

    /// Every message with that Message-ID, the first one first.
    pub fn messages_with_id(&self, message_id: &str) -> Result<Vec<Indexed>, StoreError> {
        let sql = format!("select {MESSAGE} from message where message_id = $1 order by number");
        self.all(&sql, [message_id], read_message)
    }

    /// The number of the last message with that Message-ID in a volume.
    pub fn in_volume(
        &self,
        volume_id: i64,
        message_id: &str,
    ) -> Result<Option<Indexed>, StoreError> {
        let sql = format!(
            "select {MESSAGE} from message where message_id = $2 and volume_id = $1
             order by number desc limit 1"
        );
        self.one(&sql, params![volume_id, message_id], read_message)
    }

    /// The oldest message in a volume with that stripped subject.
    pub fn first_with_subject(
        &self,
        volume_id: i64,
        stripped: &str,
    ) -> Result<Option<Indexed>, StoreError> {
        let sql = format!(
            "select {MESSAGE} from message where volume_id = $1 and stripped = $2
             order by date, number limit 1"
        );
        self.one(&sql, params![volume_id, stripped], read_message)
    }

    /// The messages that answer one.
    pub fn answers(&self, number: i64) -> Result<Vec<Line>, StoreError> {
        self.all(
            "select number, subject, author, date, thread_key from message
             where parent = $1 and removed = 0 order by date, number",
            [number],
            read_line,
        )
    }

    /// Whether a message with these bytes is in the index.
    pub fn has_digest(&self, digest: &[u8]) -> Result<bool, StoreError> {
        let found =
            self.one("select 1 from message where digest = $1 limit 1", [digest], |row| {
                row.get::<_, i64>(0)
            })?;
        Ok(found.is_some())
    }

    /// Whether a message has this Message-ID.
    pub fn has_message_id(&self, message_id: &str) -> Result<bool, StoreError> {
        let found =
            self.one("select 1 from message where message_id = $1 limit 1", [message_id], |row| {
                row.get::<_, i64>(0)
            })?;
        Ok(found.is_some())
    }

    /// The newest messages.
    pub fn newest(&self, count: u64) -> Result<Vec<Hit>, StoreError> {
        let sql = format!(
            "select {columns}, volume.name from message join volume on volume.id = volume_id
             where removed = 0 order by date desc, number desc limit $1",
            columns = of_message()
        );
        self.all(&sql, [count as i64], read_hit)
    }

    /// How many messages there are, and how many addresses were given.
    pub fn counts(&self) -> Result<(i64, i64), StoreError> {
        let listed =
            self.one("select coalesce(sum(messages), 0) from volume", [], |row| row.get(0))?;
        Ok((listed.unwrap_or(0), self.next_number()?))
    }

    /// The first number that was never given.
    pub fn next_number(&self) -> Result<i64, StoreError> {
        let next = self.one(
            "select max(coalesce((select max(number) from message), -1),
                        coalesce((select max(number) from known_number), -1)) + 1",
            [],
            |row| row.get(0),
        )?;
        Ok(next.unwrap_or(0))
    }

    /// The numbers that came from `first` on.
    pub fn numbers_from(&self, first: i64) -> Result<Vec<i64>, StoreError> {
        self.all("select number from message where number >= $1", [first], |row| row.get(0))
    }

    /// The messages of a volume, in the order of the mbox.
    pub fn numbers_in_volume(&self, volume_id: i64) -> Result<Vec<i64>, StoreError> {
        self.all(
            "select number from message where volume_id = $1 and removed = 0 order by mbox_start",
            [volume_id],
            |row| row.get(0),
        )
    }

    /// Number and date of the last message of the mbox that was indexed.
    pub fn last_of_mbox(&self) -> Result<Option<(i64, i64)>, StoreError> {
        self.one("select number, date from message order by mbox_start desc limit 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// Adds a message.
    pub fn insert(&self, message: &Indexed) -> Result<(), StoreError> {
        let sql = format!(
            "insert into message ({MESSAGE})
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
        );
        self.execute(
            &sql,
            params![
                message.number,
                message.volume_id,
                message.mbox_start,
                message.mbox_length,
                message.digest,
                message.message_id,
                message.date,
                message.subject,
                message.author,
                message.email,
                message.excerpt,
                message.parent,
                message.stripped,
                message.thread_key,
                message.removed,
            ],
        )?;
        Ok(())
    }

    /// Makes a message's words findable.
    pub fn insert_words(
        &self,
        number: i64,
        subject: &str,
        author: &str,
        body: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into word (rowid, subject, author, body) values ($1, $2, $3, $4)",
            params![number, subject, author, body],
        )?;
        Ok(())
    }

    /// Forgets what a message said; its address and Message-ID stay.
    pub fn mark_removed(&self, number: i64, digest: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "update message set removed = 1, digest = $2, subject = '', author = '', email = '',
                excerpt = '', stripped = '' where number = $1",
            params![number, digest],
        )?;
        self.execute("delete from word where rowid = $1", [number])?;
        Ok(())
    }

    /// Lists a message in a volume.
    pub fn list(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
        number: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into listing (volume_id, kind, key, number) values ($1, $2, $3, $4)",
            params![volume_id, order as i64, key, number],
        )?;
        Ok(())
    }

    /// Takes an entry out of a listing.
    pub fn unlist(&self, volume_id: i64, order: Order, key: &str) -> Result<(), StoreError> {
        self.execute(
            "delete from listing where volume_id = $1 and kind = $2 and key = $3",
            params![volume_id, order as i64, key],
        )?;
        Ok(())
    }

    /// What stands before and behind a key.
    pub fn neighbours(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
    ) -> Result<(Option<Line>, Option<Line>), StoreError> {
        let find = |than: &str, direction: &str| {
            let sql = format!(
                "select message.number, subject, author, date, thread_key from listing
                 join message on message.number = listing.number
                 where listing.volume_id = $1 and kind = $2 and key {than} $3
                 order by key {direction} limit 1"
            );
            self.one(&sql, params![volume_id, order as i64, key], read_line)
        };
        Ok((find("<", "desc")?, find(">", "asc")?))
    }

    /// The entries of a listing with keys from `low` on, before `high`.
    pub fn lines(
        &self,
        volume_id: i64,
        order: Order,
        low: &str,
        high: Option<&str>,
    ) -> Result<Vec<Line>, StoreError> {
        self.all(
            "select message.number, subject, author, date, thread_key from listing
             join message on message.number = listing.number
             where listing.volume_id = $1 and kind = $2 and key >= $3 and ($4 is null or key < $4)
             order by key",
            params![volume_id, order as i64, low, high],
            read_line,
        )
    }

    /// The first entry of a listing from a key on.
    pub fn first_line(
        &self,
        volume_id: i64,
        order: Order,
        low: &str,
    ) -> Result<Option<Line>, StoreError> {
        self.one(
            "select message.number, subject, author, date, thread_key from listing
             join message on message.number = listing.number
             where listing.volume_id = $1 and kind = $2 and key >= $3 order by key limit 1",
            params![volume_id, order as i64, low],
            read_line,
        )
    }

    /// The keys of a listing from `low` on, before `high`.
    pub fn keys(
        &self,
        volume_id: i64,
        order: Order,
        low: &str,
        high: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        self.all(
            "select key from listing where volume_id = $1 and kind = $2 and key >= $3
                and ($4 is null or key < $4) order by key",
            params![volume_id, order as i64, low, high],
            |row| row.get(0),
        )
    }

    /// A page's place among the pages of a volume: the one before, itself, the one behind.
    pub fn page_at(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
    ) -> Result<(Option<IndexPage>, Option<IndexPage>, Option<IndexPage>), StoreError> {
        let find = |than: &str, key: &str, direction: &str| {
            let sql = format!(
                "select low, number, entries from page
                 where volume_id = $1 and kind = $2 and low {than} $3
                 order by low {direction} limit 1"
            );
            self.one(&sql, params![volume_id, order as i64, key], read_page)
        };
        let this = find("<=", key, "desc")?;
        let before = match &this {
            Some(this) => find("<", &this.low, "desc")?,
            None => None,
        };
        Ok((before, this, find(">", key, "asc")?))
    }

    /// The number of the page that a key is on.
    pub fn page_number(&self, volume_id: i64, order: Order, key: &str) -> Result<i64, StoreError> {
        let found = self.one(
            "select number from page where volume_id = $1 and kind = $2 and low <= $3
             order by low desc limit 1",
            params![volume_id, order as i64, key],
            |row| row.get(0),
        )?;
        Ok(found.unwrap_or(1))
    }

    /// All pages of a volume's index, in order.
    pub fn pages(&self, volume_id: i64, order: Order) -> Result<Vec<IndexPage>, StoreError> {
        self.all(
            "select low, number, entries from page where volume_id = $1 and kind = $2 order by low",
            params![volume_id, order as i64],
            read_page,
        )
    }

    /// Adds a page, or changes how many entries it has.
    pub fn put_page(
        &self,
        volume_id: i64,
        order: Order,
        page: &IndexPage,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into page (volume_id, kind, low, number, entries) values ($1, $2, $3, $4, $5)
             on conflict (volume_id, kind, low) do update set entries = excluded.entries",
            params![volume_id, order as i64, page.low, page.number, page.entries],
        )?;
        Ok(())
    }

    /// The first number that no page of a volume's index has.
    pub fn next_page(&self, volume_id: i64, order: Order) -> Result<i64, StoreError> {
        let sql =
            "select coalesce(max(number), 0) + 1 from page where volume_id = $1 and kind = $2";
        Ok(self.one(sql, params![volume_id, order as i64], |row| row.get(0))?.unwrap_or(1))
    }

    /// Begins again: what was given stays known, everything else goes.
    pub fn forget_all_but_numbers(&self) -> Result<(), StoreError> {
        self.execute(
            "insert into known_number (number, volume, message_id, digest)
             select number, volume.name, message_id, digest from message
             join volume on volume.id = volume_id
             where true
             on conflict (number) do nothing",
            [],
        )?;
        for table in ["message", "volume", "listing", "page", "word", "fact"] {
            let all = if table == "fact" { " where name like 'mbox%'" } else { "" };
            self.execute(&format!("delete from {table}{all}"), [])?;
        }
        Ok(())
    }

    /// Forgets the numbers, too.
    pub fn forget_numbers(&self) -> Result<(), StoreError> {
        self.execute("delete from known_number", [])?;
        Ok(())
    }

    /// Keeps an address that was given elsewhere.
    pub fn know(&self, known: &KnownNumber) -> Result<(), StoreError> {
        self.execute(
            "insert into known_number (number, volume, message_id, digest)
             values ($1, $2, $3, $4) on conflict (number) do nothing",
            params![known.number, known.volume, known.message_id, known.digest],
        )?;
        Ok(())
    }

    /// Takes the address that a message had: by its bytes, or else the first free one with its
    /// Message-ID.
    pub fn take_known(
        &self,
        digest: &[u8],
        message_id: &str,
    ) -> Result<Option<KnownNumber>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(KnownNumber {
                number: row.get(0)?,
                volume: row.get(1)?,
                message_id: row.get(2)?,
                digest: row.get(3)?,
            })
        };
        let columns = "select number, volume, message_id, digest from known_number";
        let by_digest = format!("{columns} where digest = $1 order by number limit 1");
        let by_id =
            format!("{columns} where message_id = $1 and message_id <> '' order by number limit 1");
        let found = match self.one(&by_digest, [digest], read)? {
            Some(found) => Some(found),
            None => self.one(&by_id, [message_id], read)?,
        };
        if let Some(found) = &found {
            self.execute("delete from known_number where number = $1", [found.number])?;
        }
        Ok(found)
    }

    /// Takes one known address out, if it is there: its volume.
    pub fn take_known_number(&self, number: i64) -> Result<Option<String>, StoreError> {
        let found =
            self.one("select volume from known_number where number = $1", [number], |row| {
                row.get(0)
            })?;
        if found.is_some() {
            self.execute("delete from known_number where number = $1", [number])?;
        }
        Ok(found)
    }

    /// Addresses that no message has taken.
    pub fn unclaimed(&self) -> Result<i64, StoreError> {
        let count = self.one("select count(*) from known_number", [], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }

    /// Finds messages, the newest first.
    pub fn search(&self, search: &Search) -> Result<Vec<Hit>, StoreError> {
        let (from, until) = (search.from.unwrap_or(i64::MIN), search.until.unwrap_or(i64::MAX));
        let limit = i64::try_from(search.limit).unwrap_or(i64::MAX);
        let columns = of_message();
        if search.words.is_empty() {
            let sql = format!(
                "select {columns}, volume.name from message join volume on volume.id = volume_id
                 where date >= $1 and date < $2 and removed = 0
                 order by date desc limit $3"
            );
            return self.all(&sql, params![from, until, limit], read_hit);
        }
        // Numbers follow dates closely: a range of them saves looking at every hit's date.
        let range: Option<(Option<i64>, Option<i64>)> =
            if search.from.is_none() && search.until.is_none() {
                Some((Some(i64::MIN), Some(i64::MAX)))
            } else {
                self.one(
                    "select min(number), max(number) from message where date >= $1 and date < $2",
                    params![from, until],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?
            };
        let Some((Some(low), Some(high))) = range else { return Ok(Vec::new()) };
        let sql = format!(
            "select {columns}, volume.name from word
             join message on message.number = word.rowid
             join volume on volume.id = message.volume_id
             where word match $1 and word.rowid between $2 and $3
                and message.date >= $4 and message.date < $5
             order by word.rowid desc limit $6"
        );
        self.all(&sql, params![search.words, low, high, from, until, limit], read_hit)
    }
}

fn of_message() -> String {
    let columns: Vec<String> =
        MESSAGE.split(", ").map(|column| format!("message.{column}")).collect();
    columns.join(", ")
}

fn read_hit(row: &Row<'_>) -> rusqlite::Result<Hit> {
    Ok(Hit { message: read_message(row)?, volume: row.get(15)? })
}
