//! Copying a whole database to another one, of either kind: every row is copied, read back and
//! compared.

use crate::db::postgres::{Address, Postgres};
use crate::db::sqlite::{Open, Sqlite};
use crate::db::{self, Begin, Db, Engine as _, Owned, Param, Row, ToParam, Transaction, Value};
use crate::insert::many;
use crate::{Site, StoreError, migrate, store};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So much of a file's tables and indexes is in memory while rows are added: each address has its place
/// anywhere in four indexes.
const CACHE: i64 = 32 << 20;

/// The maximum numbers of rows and of values in one statement.
const ROWS: usize = 200;
const VALUES: usize = 10_000;

/// Tables with references from others; they are copied first, in this order.
const FIRST: [&str; 3] = ["list", "session", "decided_request"];

/// A database to copy from or to.
#[derive(Debug)]
pub struct DatabasePlace {
    db: Db,
    name: PathBuf,
}

/// The number of rows of a copied table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The table's name.
    pub table: String,
    /// The number of rows.
    pub rows: u64,
}

impl DatabasePlace {
    /// Opens a database by a server's URL or the path of a file.
    ///
    /// # Errors
    /// If the URL is invalid or the file cannot be opened.
    pub fn open(text: &str, is_target: bool) -> Result<DatabasePlace, StoreError> {
        let dir = Path::new(".");
        if text.contains("://") {
            let address = Address::read(text, "", dir)
                .map_err(|problem| StoreError::Setting(format!("{text}: {problem}")))?;
            return Ok(DatabasePlace::on_server(Arc::new(address)));
        }
        DatabasePlace::in_file(Path::new(text), is_target)
    }

    /// Opens a site's database, to copy from it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn of(site: &Site) -> Result<DatabasePlace, StoreError> {
        match site.server()? {
            Some(address) => Ok(DatabasePlace::on_server(address)),
            None => DatabasePlace::in_file(&site.database(), false),
        }
    }

    fn on_server(address: Arc<Address>) -> DatabasePlace {
        let name = PathBuf::from(address.shown());
        DatabasePlace { db: Db::Postgres(Box::new(Postgres::at(address, true))), name }
    }

    pub(crate) fn in_file(path: &Path, is_target: bool) -> Result<DatabasePlace, StoreError> {
        let opened = if is_target {
            store::make(path).map_err(StoreError::io("create the database", path))?;
            Sqlite::open(path, Open::Writing).and_then(|db| db.be_durable().map(|()| db))
        } else {
            Sqlite::open(path, Open::Reading)
        };
        let db = opened.map_err(|source| StoreError::database(path, source))?;
        Ok(DatabasePlace { db: Db::Sqlite(db), name: path.to_owned() })
    }

    fn begin(&self, how: Begin) -> Result<Transaction<'_, Db>, StoreError> {
        self.db.begin(how).map_err(|source| StoreError::database(&self.name, source))
    }

    fn run<T>(&self, work: impl FnOnce(&Db) -> db::Result<T>) -> Result<T, StoreError> {
        work(&self.db).map_err(|source| StoreError::database(&self.name, source))
    }

    /// Copies everything to another place, which must be empty, or nothing on an error. `pinned` is
    /// called after the snapshot to copy is fixed.
    ///
    /// # Errors
    /// If a database fails, the target contains a site, or a table read back differs; and those of
    /// `pinned`.
    pub fn copy_to<E: From<StoreError>>(
        &self,
        target: &DatabasePlace,
        pinned: impl FnOnce() -> Result<(), E>,
    ) -> Result<Vec<Copied>, E> {
        let reading = self.begin(Begin::Reading)?;
        let number = self.run(Db::schema_number)?;
        if number != migrate::newest() {
            return Err(StoreError::Content {
                what: "another schema",
                problem: format!(
                    "{}: it is number {number} and not {}; `dormouse list ls` brings it up to date",
                    self.name.display(),
                    migrate::newest()
                ),
            }
            .into());
        }
        pinned()?;
        target.run(|db| db.prepare_schema().and_then(|()| db.keep_in_memory(CACHE)))?;
        let writing = target.begin(Begin::Writing)?;
        target.begin_schema()?;
        let mut copied = Vec::new();
        for table in self.tables()? {
            let columns = self.run(|db| db.columns(&table))?;
            let (rows, sent) = self.copy_table(target, &table, &columns)?;
            if columns.iter().any(|column| column == "id") {
                let last = self.run(|db| db.last_number(&table))?;
                target.run(|db| db.go_on_numbering(&table, last))?;
            }
            let (there, found) = target.sum_of(&table, &columns)?;
            if (there, found) != (rows, sent) {
                return Err(StoreError::Content {
                    what: "a copy",
                    problem: format!(
                        "{}: what was read back of the table {table} ({there} rows) is not what was \
                         copied ({rows} rows); nothing was changed there",
                        target.name.display()
                    ),
                }
                .into());
            }
            copied.push(Copied { table, rows });
        }
        target.run(|_| writing.commit())?;
        self.run(|_| reading.rollback())?;
        Ok(copied)
    }

    /// Creates the tables in an empty database.
    fn begin_schema(&self) -> Result<(), StoreError> {
        if self.run(Db::schema_number)? == 0 {
            return self.run(migrate::found);
        }
        let is_empty = self.run(|db| db.first("select 1 from list limit 1", &[], |_| Ok(())))?;
        match is_empty {
            None if self.run(Db::schema_number)? == migrate::newest() => Ok(()),
            _ => Err(StoreError::Setting(format!(
                "{}: there is a site already; name an empty database",
                self.name.display()
            ))),
        }
    }

    fn tables(&self) -> Result<Vec<String>, StoreError> {
        let mut tables = self.run(Db::tables)?;
        tables.sort_by_key(|table| {
            let first = FIRST.iter().position(|first| first == table);
            (first.unwrap_or(FIRST.len()), table.clone())
        });
        Ok(tables)
    }

    /// Copies a table, and returns the number of rows and their checksum.
    fn copy_table(
        &self,
        target: &DatabasePlace,
        table: &str,
        columns: &[String],
    ) -> Result<(u64, Sum), StoreError> {
        let most = ROWS.min(VALUES / columns.len().max(1)).max(1);
        let (mut rows, mut sum, mut waiting) = (0, Sum::default(), Vec::new());
        let mut outcome = Ok(());
        self.run(|db| {
            db.stream(&selected(table, columns), &[], &mut |row| {
                let values = values(row, columns)?;
                sum.add(&values);
                rows += 1;
                waiting.extend(values);
                if waiting.len() >= most * columns.len() {
                    outcome = target.put(table, columns, &waiting);
                    waiting.clear();
                }
                Ok(outcome.is_ok())
            })
        })?;
        outcome?;
        target.put(table, columns, &waiting)?;
        Ok((rows, sum))
    }

    fn put(&self, table: &str, columns: &[String], values: &[Owned]) -> Result<(), StoreError> {
        if values.is_empty() {
            return Ok(());
        }
        let rows = many(&[], columns.len(), values.len() / columns.len());
        let sql = format!("insert into {table} ({}) values {rows}", columns.join(", "));
        let params: Vec<Param<'_>> = values.iter().map(ToParam::to_param).collect();
        self.run(|db| db.execute(&sql, &params)).map(drop)
    }

    fn sum_of(&self, table: &str, columns: &[String]) -> Result<(u64, Sum), StoreError> {
        let (mut rows, mut sum) = (0, Sum::default());
        self.run(|db| {
            db.stream(&selected(table, columns), &[], &mut |row| {
                sum.add(&values(row, columns)?);
                rows += 1;
                Ok(true)
            })
        })?;
        Ok((rows, sum))
    }
}

fn selected(table: &str, columns: &[String]) -> String {
    format!("select {} from {table}", columns.join(", "))
}

fn values(row: &Row<'_>, columns: &[String]) -> db::Result<Vec<Owned>> {
    (0..columns.len())
        .map(|column| {
            Ok(match row.value(column)? {
                Value::Null => Owned::Null,
                Value::Integer(number) => Owned::Integer(number),
                Value::Real(number) => Owned::Real(number),
                // PostgreSQL's texts cannot contain NUL.
                Value::Text(text) => Owned::Text(text.replace('\0', "\u{FFFD}")),
                Value::Blob(bytes) => Owned::Blob(bytes.to_owned()),
            })
        })
        .collect()
}

/// A checksum of rows in any order.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum(u64, u64);

impl Sum {
    fn add(&mut self, row: &[Owned]) {
        let hash = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            for value in row {
                match value {
                    Owned::Null => 0u8.hash(&mut hasher),
                    Owned::Integer(number) => (1u8, number).hash(&mut hasher),
                    Owned::Real(number) => (2u8, number.to_bits()).hash(&mut hasher),
                    Owned::Text(text) => (3u8, text).hash(&mut hasher),
                    Owned::Blob(bytes) => (4u8, bytes).hash(&mut hasher),
                }
            }
            hasher.finish()
        };
        self.0 = self.0.wrapping_add(hash(0));
        self.1 = self.1.wrapping_add(hash(1));
    }
}
