//! A dump of a whole list, from which a removed list can be restored: a line of JSON about the
//! list, and one for each of its rows in any table.

use crate::db::{Owned, Param, ToParam, Value, params};
use crate::insert::many;
use crate::{Due, List, ListName, Read, StoreError, Tx, migrate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::io::{BufRead, Write};

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    /// The list's name.
    list: String,
    /// The number of the schema of the rows.
    schema: i64,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
struct Line {
    table: String,
    row: Map<String, Json>,
}

impl Read {
    /// Writes all rows of a list. Its archive is not in the database.
    pub fn dump(&self, list: &List, mut out: impl Write) -> Result<(), StoreError> {
        let mut write =
            |line: String| writeln!(out, "{line}").map_err(StoreError::io("write", self.path()));
        let head = Head { list: list.name.to_string(), schema: migrate::newest() };
        write(line_of(&head)?)?;
        for (table, key) in self.tables()? {
            // Each row is written immediately, so that a large list needs little memory.
            let columns = self.run(|db| db.columns(&table))?;
            let statement = format!("select {} from {table} where {key} = ?1", columns.join(", "));
            self.stream(
                &statement,
                params![list.id],
                |found| {
                    let mut row = Map::new();
                    for (at, column) in columns.iter().enumerate() {
                        row.insert(column.clone(), to_json(found.value(at)?));
                    }
                    Ok(row)
                },
                |row| line_of(&Line { table: table.clone(), row }).and_then(&mut write),
            )?;
        }
        out.flush().map_err(StoreError::io("write", self.path()))
    }

    /// Returns the tables with rows of lists, each with the column that refers to the list. The
    /// table of lists comes first.
    fn tables(&self) -> Result<Vec<(String, &'static str)>, StoreError> {
        let mut names = self.run(|db| db.tables_with("list_id"))?;
        // Decisions can be undone for a minute only, so a restored list has no use for them.
        // Its members are counted after it was restored.
        names.retain(|name| !name.starts_with("decided_") && name != "member_count");
        let own = std::iter::once(("list".to_owned(), "id"));
        Ok(own.chain(names.into_iter().map(|name| (name, "list_id"))).collect())
    }
}

fn line_of(line: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(line).map_err(|error| wrong(error.to_string()))
}

fn wrong(problem: String) -> StoreError {
    StoreError::Content { what: "the dump of a list", problem }
}

fn to_json(value: Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => number.into(),
        Value::Real(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Json::Array(vec![hex.into()])
        }
    }
}

fn from_json(json: &Json) -> Result<Owned, StoreError> {
    Ok(match json {
        Json::Null => Owned::Null,
        Json::Number(number) => match number.as_i64() {
            Some(number) => Owned::Integer(number),
            None => Owned::Real(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Owned::Text(text.clone()),
        Json::Array(hex) => match hex.as_slice() {
            [Json::String(hex)] => Owned::Blob(bytes(hex)?),
            _ => return Err(wrong("bytes must be one string".to_owned())),
        },
        other => return Err(wrong(format!("{other} is not a value"))),
    })
}

fn bytes(hex: &str) -> Result<Vec<u8>, StoreError> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    digits
        .map(byte)
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("bytes are not hexadecimal".to_owned()))
}

impl Tx<'_> {
    /// Restores a list that [`Read::dump`](crate::Read::dump) wrote.
    pub fn restore(&self, mut dump: impl BufRead) -> Result<List, StoreError> {
        let mut first = String::new();
        dump.read_line(&mut first).map_err(|error| wrong(error.to_string()))?;
        let head: Head = serde_json::from_str(&first)
            .map_err(|_| wrong("its first line is not the first line of a dump".to_owned()))?;
        if head.schema > migrate::newest() {
            let problem = format!("a newer dormouse wrote it (schema {})", head.schema);
            return Err(wrong(problem));
        }
        let name = ListName::existing(&head.list).map_err(wrong)?;
        if self.read().list(&name)?.is_some() {
            return Err(StoreError::ListExists(name));
        }
        let tables = self.read().tables()?;
        let mut id = None;
        for (number, line) in dump.lines().enumerate() {
            let at = |problem: String| wrong(format!("line {}: {problem}", number + 2));
            let line = line.map_err(|error| at(error.to_string()))?;
            let Line { table, mut row } =
                serde_json::from_str(&line).map_err(|error| at(error.to_string()))?;
            // The names become part of SQL statements, so only known ones are accepted.
            let known = tables.iter().find(|(name, _)| *name == table);
            let (table, key) = known.ok_or_else(|| at(format!("there is no table {table}")))?;
            if *key == "id" {
                if id.is_some() {
                    return Err(at("there is a second list".to_owned()));
                }
                row.remove("id");
                id = Some(self.put_row(table, &row)?);
            } else {
                let id = id.ok_or_else(|| at("a row comes before its list".to_owned()))?;
                row.insert((*key).to_owned(), id.into());
                self.put_row(table, &row)?;
            }
        }
        let list =
            self.read().list(&name)?.ok_or_else(|| wrong("there is no list in it".to_owned()))?;
        for former in self.read().former_names(list.id)? {
            ListName::existing(&former.name).map_err(wrong)?;
        }
        self.check_addresses_are_free(list.local_part(), &list.settings.host_name)?;
        for (table, _) in &tables {
            self.read().run(|db| match db.columns(table)?.iter().any(|column| column == "id") {
                true => db.go_on_numbering(table, 0),
                false => Ok(()),
            })?;
        }
        self.recount_members(list.id)?;
        self.note_archive(&list.name);
        Due::ALL.iter().for_each(|&job| self.note_due(job));
        Ok(list)
    }

    /// Inserts a row, and returns its number.
    fn put_row(&self, table: &str, row: &Map<String, Json>) -> Result<i64, StoreError> {
        let known = self.read().run(|db| db.columns(table))?;
        if let Some(column) = row.keys().find(|column| !known.contains(column)) {
            return Err(wrong(format!("the table {table} has no column {column}")));
        }
        let columns: Vec<&str> = row.keys().map(String::as_str).collect();
        let id = if known.iter().any(|column| column == "id") { "id" } else { "0" };
        let sql = format!(
            "insert into {table} ({}) values {} returning {id}",
            columns.join(", "),
            many(&[], row.len(), 1)
        );
        let values = row.values().map(from_json).collect::<Result<Vec<_>, _>>()?;
        let values: Vec<Param<'_>> = values.iter().map(ToParam::to_param).collect();
        self.read().one(&sql, &values, |row| row.get(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeldPost, NewMember, Store, testing};
    use dormouse_clock::Timestamp;

    #[test]
    fn a_list_that_was_removed_comes_back_with_everything() {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        store
            .write(|tx| -> Result<(), StoreError> {
                for name in ["tea", "dev", "milk"] {
                    let list = tx.create_list(
                        &name.parse().unwrap(),
                        "l.example",
                        &["o@x.example".to_owned()],
                    )?;
                    tx.change_settings(
                        name,
                        &[("description", name), ("ban_list", "a@b.example")],
                    )?;
                    for number in 0..2500 {
                        let address = format!("m{number}@{name}.example");
                        let member = NewMember { address, real_name: String::new(), digest: false };
                        tx.add_member(&list, &member, Timestamp::from_seconds(1.0), "test")?;
                    }
                    tx.hold(
                        &HeldPost {
                            list_id: list.id,
                            entry: format!("1.{name}"),
                            sender: "x@x.example".to_owned(),
                            subject: "Grüße".to_owned(),
                            reason: "why".to_owned(),
                            setting: String::new(),
                            cookie: name.to_owned(),
                            held_at: Timestamp::from_seconds(1.5),
                        },
                        b"\x80\x00bytes",
                    )?;
                }
                Ok(())
            })
            .unwrap();
        let whole = |name: &str| {
            let list = store.read().list(name).unwrap().unwrap();
            let mut out = Vec::new();
            store.read().dump(&list, &mut out).unwrap();
            out
        };
        for name in ["dav", "dev"] {
            let list = store.read().list("dev").unwrap().unwrap();
            store.write(|tx| tx.rename_list(&list, &name.parse().unwrap(), "l.example")).unwrap();
        }
        let before = whole("dev");
        store.write(|tx| tx.delete_list(&"dev".parse().unwrap())).unwrap();
        let list = store.write(|tx| tx.restore(&before[..])).unwrap();
        assert_eq!(list.settings.description, "dev");
        assert_eq!(store.read().count_members(list.id).unwrap(), 2500);
        let held = store.read().held_posts(list.id).unwrap();
        assert_eq!((held.len(), held[0].post.subject.as_str()), (1, "Grüße"));
        let without_ids = |dump: &[u8]| {
            let text = String::from_utf8(dump.to_vec()).unwrap();
            let numbers = |line: &str| {
                let mut line: Json = serde_json::from_str(line).unwrap();
                if let Some(row) = line.get_mut("row").and_then(Json::as_object_mut) {
                    row.remove("list_id");
                    if row.contains_key("post_id") {
                        row.remove("id");
                    }
                }
                line.to_string()
            };
            text.lines().map(numbers).collect::<Vec<_>>()
        };
        assert_eq!(without_ids(&whole("dev")), without_ids(&before));
        let again = store.write(|tx| tx.restore(&before[..])).unwrap_err();
        assert!(matches!(again, StoreError::ListExists(_)), "{again}");
        for wrong in [&b"{}\n"[..], b"", b"hello\n", &before[..before.len() / 2]] {
            store.write(|tx| tx.delete_list(&"dev".parse().unwrap())).unwrap();
            assert!(store.write(|tx| tx.restore(wrong)).is_err());
            assert!(store.read().list("dev").unwrap().is_none(), "all or nothing");
        }
        // Names become parts of paths.
        for (name, wrong) in [("dev", "../dev"), ("dev", "a/b"), ("dav", ".dav"), ("dav", "d\\nx")]
        {
            let text = String::from_utf8(before.clone()).unwrap();
            let text = text.replace(&format!("{name:?}"), &format!("\"{wrong}\""));
            let refused = store.write(|tx| tx.restore(text.as_bytes())).unwrap_err().to_string();
            assert!(refused.contains("is not the name of a list"), "{wrong}: {refused}");
        }
        store.write(|tx| tx.restore(&before[..])).unwrap();
        assert_eq!(
            store.read().count_members(store.read().list("tea").unwrap().unwrap().id).unwrap(),
            2500
        );
    }
}
