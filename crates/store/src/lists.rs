//! Lists.

use crate::settings::{ListSettings, ReturnPathTag};
use crate::value::Value as _;
use crate::{Config, Due, Store, StoreError, Tx, public, sql};
use rusqlite::{Row, params};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// A mailing list with its settings.
#[derive(Debug, Clone)]
pub struct List {
    /// Its number in the store.
    pub id: i64,
    /// Its name on this site: `name`, or `name@host` where another list has that name already.
    pub name: String,
    /// Since when, in seconds since the epoch.
    pub created_at: f64,
    /// The number of the next post, for a subject prefix with `%d`.
    pub post_id: i64,
    /// When the last post was, in seconds since the epoch.
    pub last_post_time: f64,
    /// What its owner has set, or the defaults.
    pub settings: ListSettings,
}

impl List {
    /// The part of its addresses before the `@`.
    pub fn local_part(&self) -> &str {
        self.name.split_once('@').map_or(self.name.as_str(), |(local, _)| local)
    }

    /// Its posting address.
    pub fn address(&self) -> String {
        format!("{}@{}", self.local_part(), self.settings.host_name)
    }

    /// Another of its addresses: `sub_address("bounces")` is `L-bounces@H`.
    pub fn sub_address(&self, part: &str) -> String {
        format!("{}-{part}@{}", self.local_part(), self.settings.host_name)
    }

    /// Where its web pages are, with a slash at the end.
    pub fn web_page_url(&self, config: &Config) -> String {
        base_url(&self.settings.web_page_url, &config.web_url, &self.settings.host_name, "mailman")
    }

    /// One of its pages, such as `listinfo`.
    pub fn web_url(&self, config: &Config, page: &str) -> String {
        format!("{}{page}/{}", self.web_page_url(config), self.local_part())
    }

    /// The page with a member's own settings.
    pub fn options_url(&self, config: &Config, address: &str) -> String {
        let mut page = format!("{}/", self.web_url(config, "options"));
        for &byte in address.to_lowercase().replace('@', "--at--").as_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte) {
                page.push(char::from(byte));
            } else {
                page.push_str(&format!("%{byte:02X}"));
            }
        }
        page
    }

    /// Whether new articles of a newsgroup become its posts.
    pub fn gates_news(&self) -> bool {
        let settings = &self.settings;
        settings.gateway_to_mail
            && !settings.nntp_host.is_empty()
            && !settings.linked_newsgroup.is_empty()
    }

    /// Where its archive is.
    pub fn archive_url(&self, config: &Config) -> String {
        if self.settings.archive_private {
            return format!("{}/", self.web_url(config, "private"));
        }
        let base = base_url("", &config.archive_url, &self.settings.host_name, "pipermail");
        format!("{base}{}/", self.local_part())
    }
}

/// The first that is set, or the usual place on the list's host; always with a slash at the end.
fn base_url(list: &str, site: &str, host: &str, usual: &str) -> String {
    let set = [list, site].into_iter().find(|url| !url.trim().is_empty());
    let url = set.map_or_else(|| format!("https://{host}/{usual}/"), |url| url.trim().to_owned());
    if url.ends_with('/') { url } else { format!("{url}/") }
}

const COLUMNS: &str = "id, name, created_at, post_id, last_post_time";

fn read(row: &Row<'_>) -> rusqlite::Result<List> {
    Ok(List {
        id: row.get(0)?,
        name: row.get(1)?,
        created_at: row.get(2)?,
        post_id: row.get(3)?,
        last_post_time: row.get(4)?,
        settings: ListSettings::default(),
    })
}

impl Store {
    /// The list of that name.
    pub fn list(&self, name: &str) -> Result<Option<List>, StoreError> {
        let sql = format!("select {COLUMNS} from list where name = $1");
        let list = self.run(|connection| sql::first(connection, &sql, [name], read))?;
        list.map(|list| self.with_settings(list)).transpose()
    }

    /// The list of that number.
    pub fn list_by_id(&self, id: i64) -> Result<Option<List>, StoreError> {
        let sql = format!("select {COLUMNS} from list where id = $1");
        let list = self.run(|connection| sql::first(connection, &sql, [id], read))?;
        list.map(|list| self.with_settings(list)).transpose()
    }

    /// The list with that address: one of the name at that host, or else the only one of the name.
    /// An empty domain means any.
    pub fn list_by_address(&self, local: &str, domain: &str) -> Result<Option<List>, StoreError> {
        if let Some(list) = self.list(&format!("{local}@{domain}"))? {
            return Ok(Some(list));
        }
        Ok(self.list(local)?.filter(|list| {
            domain.is_empty()
                || list.settings.host_name.eq_ignore_ascii_case(domain)
                || !self.has_namesake(local)
        }))
    }

    /// Whether a list of the same name exists at another host. On a doubt there is one: mail is
    /// then refused rather than sent to the wrong list.
    fn has_namesake(&self, local: &str) -> bool {
        let low = format!("{local}@");
        // The next string after every one that starts with `low`.
        let high = format!("{local}A");
        self.run(|connection| {
            sql::first(
                connection,
                "select 1 from list where name >= $1 and name < $2",
                [&low, &high],
                |row| row.get::<_, i64>(0),
            )
        })
        .map_or(true, |found| found.is_some())
    }

    /// All lists, by name.
    pub fn lists(&self) -> Result<Vec<List>, StoreError> {
        let sql = format!("select {COLUMNS} from list order by name");
        let lists = self.run(|connection| sql::rows(connection, &sql, [], read))?;
        lists.into_iter().map(|list| self.with_settings(list)).collect()
    }

    /// The names of all lists. What is wrong with a list's settings does not matter here.
    pub fn list_names(&self) -> Result<Vec<String>, StoreError> {
        self.run(|connection| {
            sql::rows(connection, "select name from list order by name", [], |row| row.get(0))
        })
    }

    /// The names of the lists whose archives only members may read.
    pub fn private_archives(&self) -> Result<BTreeSet<String>, StoreError> {
        let name = "archive_private";
        let rows: Vec<(String, String)> = self.run(|connection| {
            sql::rows(
                connection,
                "select list.name, value from list join list_setting on list_id = list.id
                 where list_setting.name = $1",
                [name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })?;
        // On a doubt it is private.
        let is_private = |value: &str| <bool as crate::value::Value>::read(value).unwrap_or(true);
        Ok(rows.into_iter().filter(|(_, value)| is_private(value)).map(|(list, _)| list).collect())
    }

    /// A list's setting as it is kept now; nothing while it has its default.
    pub fn kept_setting(&self, list_id: i64, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "select value from list_setting where list_id = $1 and name = $2";
        self.run(|connection| sql::first(connection, sql, params![list_id, name], |row| row.get(0)))
    }

    fn with_settings(&self, mut list: List) -> Result<List, StoreError> {
        let rows: Vec<(String, String)> = self.run(|connection| {
            sql::rows(
                connection,
                "select name, value from list_setting where list_id = $1",
                [list.id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })?;
        for (name, value) in rows {
            // Names that this version does not know are kept for the one that does.
            if ListSettings::is_known(&name) {
                list.settings.put(&name, &value).map_err(|problem| StoreError::Content {
                    what: "a list setting",
                    problem: format!("{}: {problem}", list.name),
                })?;
            }
        }
        Ok(list)
    }
}

impl Tx<'_> {
    /// Makes a list, with one owner at least. What a removed list of the same name has left of an
    /// archive stays hidden: the new list's archive is private until somebody says otherwise.
    pub fn create_list(
        &self,
        name: &str,
        host: &str,
        owners: &[String],
    ) -> Result<List, StoreError> {
        let name = name.to_lowercase();
        let local = name.split_once('@').map_or(name.as_str(), |(local, _)| local);
        let host = host.to_lowercase();
        check_name(local)?;
        check_host(&host)?;
        if let Some((_, host)) = name.split_once('@') {
            check_host(host)?;
        }
        if self.list(&name)?.is_some() {
            return Err(StoreError::ListExists(name));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
        self.run(|connection| {
            sql::execute(
                connection,
                "insert into list (name, created_at) values ($1, $2)",
                params![name, now],
            )
        })?;
        let real_name = capitalised(local);
        self.set_setting(&name, "host_name", &host)?;
        self.set_setting(&name, "real_name", &real_name)?;
        self.set_setting(&name, "subject_prefix", &format!("[{real_name}] "))?;
        self.set_setting(&name, "return_path_tag", &ReturnPathTag::Required.write())?;
        self.set_setting(&name, "owner", &owners.to_vec().write())?;
        if public::is_archived(self.site_dir(), &name) {
            self.set_setting(&name, "archive_private", "yes")?;
        }
        let made = self.list(&name)?;
        made.ok_or_else(|| StoreError::Setting(format!("the list {name} was not made")))
    }

    /// Removes a list with all that is its own. False when there is none.
    pub fn delete_list(&self, name: &str) -> Result<bool, StoreError> {
        Due::ALL.iter().for_each(|&job| self.note_done(job));
        self.note_archive(name);
        Ok(self.run(|connection| {
            sql::execute(connection, "delete from list where name = $1", [name])
        })? > 0)
    }

    /// Changes a setting of a list; the error says what would be right.
    pub fn set_setting(&self, list: &str, name: &str, value: &str) -> Result<(), StoreError> {
        let mut found = self
            .list(list)?
            .ok_or_else(|| StoreError::Setting(format!("no mailing list here is called {list}")))?;
        found.settings.put(name, value).map_err(StoreError::Setting)?;
        let value = found.settings.get(name).unwrap_or_default();
        self.note_setting(&found.name, name);
        let is_default = ListSettings::default().get(name).as_ref() == Some(&value);
        self.run(|connection| {
            if is_default {
                sql::execute(
                    connection,
                    "delete from list_setting where list_id = $1 and name = $2",
                    params![found.id, name],
                )
            } else {
                sql::execute(
                    connection,
                    "insert into list_setting (list_id, name, value) values ($1, $2, $3)
                     on conflict (list_id, name) do update set value = excluded.value",
                    params![found.id, name, value],
                )
            }
        })?;
        Ok(())
    }

    /// Counts a post.
    pub fn count_post(&self, list_id: i64, at: f64) -> Result<(), StoreError> {
        self.run(|connection| {
            sql::execute(
                connection,
                "update list set post_id = post_id + 1, last_post_time = $2 where id = $1",
                params![list_id, at],
            )
        })?;
        Ok(())
    }
}

/// Mailman's acceptable characters; a name that ends like one of a list's own addresses would be
/// taken for that.
pub(crate) fn check_name(local: &str) -> Result<(), StoreError> {
    let acceptable = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-+_.=".contains(letter)
    };
    if local.is_empty() || !local.chars().all(acceptable) || local.starts_with(['.', '-']) {
        return Err(StoreError::Setting(format!(
            "{local:?} is no name for a list: letters, digits and - + _ . = are allowed, and it starts with a letter or digit"
        )));
    }
    Ok(())
}

/// Labels of letters, digits and hyphens (RFC 1123 §2.1), as a host stands in headers and in the names
/// of files.
fn check_host(host: &str) -> Result<(), StoreError> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(StoreError::Setting(format!(
            "{host:?} is no host such as lists.example.org: letters, digits and - are allowed between the dots"
        )));
    }
    Ok(())
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
