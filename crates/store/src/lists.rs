//! Lists: their names, addresses and URLs, and reading them.

mod change;
mod create;
#[cfg(test)]
mod tests;

pub(crate) use create::capitalized;

use crate::db::{self, Param, Row, params};
use crate::settings::ListSettings;
use crate::{Config, ListId, ListName, Read, StoreError};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use std::collections::{BTreeSet, HashMap};

/// A mailing list with its settings.
#[derive(Debug, Clone)]
pub struct List {
    /// The list's number in the store.
    pub id: ListId,
    /// The list's name on this site: `name`, or `name@host` if another list already has that name.
    pub name: ListName,
    /// When it was created.
    pub created_at: Timestamp,
    /// The number of the next post, for a subject prefix with `%d`.
    pub post_id: i64,
    /// When the last post was sent.
    pub last_post_time: Timestamp,
    /// The list's settings, with defaults.
    pub settings: ListSettings,
}

impl List {
    /// Returns the part of its addresses before the `@`.
    pub fn local_part(&self) -> &str {
        self.name.local()
    }

    /// Returns its posting address.
    pub fn address(&self) -> String {
        format!("{}@{}", self.local_part(), self.settings.host_name)
    }

    /// Returns another of its addresses: `sub_address("bounces")` is `LIST-bounces@HOST`.
    pub fn sub_address(&self, part: &str) -> String {
        format!("{}-{part}@{}", self.local_part(), self.settings.host_name)
    }

    /// Returns the address for mail about a member: on an umbrella list, the owners of the member,
    /// which is itself a list.
    pub fn mailed(&self, address: &str) -> String {
        let settings = &self.settings;
        match address.rsplit_once('@') {
            Some((local, domain)) if settings.umbrella_list => {
                format!("{local}{}@{domain}", settings.umbrella_member_suffix)
            }
            _ => address.to_owned(),
        }
    }

    /// Returns the URL of its web pages, with a slash at the end.
    pub fn web_page_url(&self, config: &Config) -> String {
        base_url(&self.settings.web_page_url, &config.web_url, &self.settings.host_name, "mailman")
    }

    /// Returns the URL of one of its pages, such as `listinfo`.
    pub fn web_url(&self, config: &Config, page: &str) -> String {
        format!("{}{page}/{}", self.web_page_url(config), self.local_part())
    }

    /// Returns the link in mail to one of its pages; on a site without pages, a link to a mail to
    /// `LIST-request` with this subject.
    fn page_or_mail(&self, config: &Config, page: &str, subject: &str) -> String {
        if config.has_pages() { self.web_url(config, page) } else { self.mail_url(subject) }
    }

    /// Returns a link to a mail to `LIST-request` with this subject (RFC 6068).
    pub fn mail_url(&self, subject: &str) -> String {
        format!("mailto:{}?subject={}", self.sub_address("request"), subject.replace(' ', "%20"))
    }

    /// Returns the link in mail to the description of the list.
    pub fn info_url(&self, config: &Config) -> String {
        self.page_or_mail(config, "listinfo", "info")
    }

    /// Returns the link in mail to the options of members, for any reader.
    pub fn any_options_url(&self, config: &Config) -> String {
        self.page_or_mail(config, "options", "set help")
    }

    /// Returns the link in mail to leave the list, for any reader.
    pub fn leave_url(&self, config: &Config) -> String {
        self.page_or_mail(config, "options", "unsubscribe")
    }

    /// Returns the link in mail to confirm the request with this cookie.
    pub fn confirm_url(&self, config: &Config, cookie: &str) -> String {
        if config.has_pages() {
            return format!("{}/{cookie}", self.web_url(config, "confirm"));
        }
        self.mail_url(&format!("confirm {cookie}"))
    }

    /// Returns the link in mail to a member's options.
    pub fn options_url(&self, config: &Config, address: &str) -> String {
        if !config.has_pages() {
            return self.any_options_url(config);
        }
        let mut page = format!("{}/", self.web_url(config, "options"));
        for &byte in AddressKey::of(address).replace('@', "--at--").as_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte) {
                page.push(char::from(byte));
            } else {
                page.push_str(&format!("%{byte:02X}"));
            }
        }
        page
    }

    /// Whether new articles of a newsgroup are posted to it.
    pub fn gates_news(&self) -> bool {
        let settings = &self.settings;
        !settings.closed
            && settings.gateway_to_mail
            && !settings.nntp_host.is_empty()
            && !settings.linked_newsgroup.is_empty()
    }

    /// Whether mail can link to its archive: only the site's pages show a private one, while a web
    /// server shows a public one.
    pub fn shows_archive(&self, config: &Config) -> bool {
        self.settings.archive && self.shows_files(config)
    }

    /// Whether mail can link to files of its archive, such as attachments.
    pub fn shows_files(&self, config: &Config) -> bool {
        let private = self.settings.archive_private;
        if private { config.has_pages() } else { config.shows_archives() }
    }

    /// Whether its archive obscures addresses against harvesters.
    pub fn obscures(&self, config: &Config) -> bool {
        config.archives_obscure || self.settings.obscure_addresses
    }

    /// Returns the URL of its archive.
    pub fn archive_url(&self, config: &Config) -> String {
        if self.settings.archive_private {
            return format!("{}/", self.web_url(config, "private"));
        }
        let base = base_url("", &config.archive_url, &self.settings.host_name, "pipermail");
        format!("{base}{}/", self.local_part())
    }
}

/// The placeholder for a list's host in the site's URLs, as in Mailman's.
const HOST_OF_LIST: &str = "%(hostname)s";

/// Returns the first URL that is set, or the usual one on the list's host, with a slash at the end.
fn base_url(list: &str, site: &str, host: &str, usual: &str) -> String {
    let set = [list, site].into_iter().find(|url| !url.trim().is_empty());
    let url = match set {
        Some(url) => url.trim().replace(HOST_OF_LIST, host),
        None => format!("https://{host}/{usual}/"),
    };
    if url.ends_with('/') { url } else { format!("{url}/") }
}

/// The suffixes of a list's addresses other than the posting address (docs/spec/pipeline.md §1).
pub const SUFFIXES: [&str; 9] = [
    "-admin",
    "-bounces",
    "-confirm",
    "-join",
    "-leave",
    "-owner",
    "-request",
    "-subscribe",
    "-unsubscribe",
];

/// The placeholder for a new list's name in the subject prefix of `[list-defaults]`.
pub(crate) const REAL_NAME: &str = "%(real_name)s";

/// The settings that are not copied from one list to another.
const OWN: [&str; 16] = [
    "real_name",
    "owner",
    "description",
    "info",
    "emergency",
    "closed",
    "host_name",
    "web_page_url",
    "acceptable_aliases",
    "return_path_tag",
    "linked_newsgroup",
    "gateway_to_news",
    "gateway_to_mail",
    "password",
    "mod_password",
    "post_password",
];

/// So many lists are read by one question when all are read.
const TOGETHER: u32 = 1000;
const COLUMNS: &str = "id, name, created_at, post_id, last_post_time";

fn read(row: &Row<'_>) -> db::Result<List> {
    Ok(List {
        id: row.get(0)?,
        name: row.get(1)?,
        created_at: row.get(2)?,
        post_id: row.get(3)?,
        last_post_time: row.get(4)?,
        settings: ListSettings::default(),
    })
}

/// Whether a stored `archive_private` means yes. An invalid value does.
fn is_private(value: &str) -> bool {
    <bool as crate::value::SettingValue>::read(value).unwrap_or(true)
}

impl Read {
    /// Returns the list with this name, in any case, or else with this former name.
    pub fn list(&self, name: &str) -> Result<Option<List>, StoreError> {
        let name = &name.to_lowercase();
        match self.with_settings("list.name = ?1", params![name])? {
            Some(list) => Ok(Some(list)),
            None => match self.list_of_former_name(name)? {
                Some(id) => self.list_by_id(id),
                None => Ok(None),
            },
        }
    }

    /// Returns the number of the list with this name, in any case, or else with this former name.
    pub fn list_id(&self, name: &str) -> Result<Option<ListId>, StoreError> {
        let name = &name.to_lowercase();
        let sql = "select id from list where name = ?1";
        match self.first(sql, params![name], |row| row.get(0))? {
            Some(id) => Ok(Some(id)),
            None => self.list_of_former_name(name),
        }
    }

    /// Returns the list with this number.
    pub fn list_by_id(&self, id: ListId) -> Result<Option<List>, StoreError> {
        self.with_settings("list.id = ?1", params![id])
    }

    /// Returns the list with this posting address: the one with the name at this host, or else the
    /// only one with the name. An empty domain means any.
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

    /// Returns the name for a list with this local part and host: without the host, unless a list of
    /// another host has that name already. `of` is the list that gets the name, if it exists.
    pub fn name_for(
        &self,
        local: &ListName,
        host: &str,
        of: Option<ListId>,
    ) -> Result<ListName, StoreError> {
        let local = ListName::kept(local.local().to_owned());
        let taken = self.list(&local)?.filter(|found| Some(found.id) != of);
        match taken.is_some_and(|found| !found.settings.host_name.eq_ignore_ascii_case(host)) {
            true => local.at(host).map_err(StoreError::Setting),
            false => Ok(local),
        }
    }

    /// Whether a list with the same name exists at another host. If the database fails, the answer
    /// is yes: it is better to refuse mail than to send it to the wrong list.
    pub fn has_namesake(&self, local: &str) -> bool {
        let low = format!("{local}@");
        // `A` follows `@`, so this is greater than every string that starts with `low`.
        let high = format!("{local}A");
        self.first(
            "select 1 from list where name >= ?1 and name < ?2",
            params![&low, &high],
            |row| row.get::<i64>(0),
        )
        .map_or(true, |found| found.is_some())
    }

    /// Returns all lists, by name.
    pub fn lists(&self) -> Result<Vec<List>, StoreError> {
        let mut lists = Vec::new();
        self.each_list(|list| -> Result<(), StoreError> {
            lists.push(list);
            Ok(())
        })?;
        Ok(lists)
    }

    /// Calls `each` with every list, by name. [`TOGETHER`] of them are in memory.
    pub fn each_list<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(List) -> Result<(), E>,
    ) -> Result<(), E> {
        self.iter_lists().try_for_each(|list| each(list?))
    }

    /// Reads every list, by name. [`TOGETHER`] of them are in memory. The database may be changed
    /// meanwhile.
    pub fn iter_lists(&self) -> impl Iterator<Item = Result<List, StoreError>> {
        let mut after = Some(String::new());
        let mut page = Vec::new().into_iter();
        std::iter::from_fn(move || {
            if page.len() == 0 {
                let lists = match self.lists_after(&after.take()?) {
                    Ok(lists) => lists,
                    Err(error) => return Some(Err(error)),
                };
                if lists.len() == TOGETHER as usize {
                    after = lists.last().map(|last| last.name.to_string());
                }
                page = lists.into_iter();
            }
            page.next().map(Ok)
        })
    }

    /// Returns the names of all lists, even of those with invalid settings.
    pub fn list_names(&self) -> Result<Vec<ListName>, StoreError> {
        self.rows("select name from list order by name", &[], |row| row.get(0))
    }

    /// Returns the names of the lists whose archives only members may read.
    pub fn private_archives(&self) -> Result<BTreeSet<ListName>, StoreError> {
        let name = "archive_private";
        let rows: Vec<(ListName, String)> = self.rows(
            "select list.name, value from list join list_setting on list_id = list.id
             where list_setting.name = ?1",
            params![name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(rows.into_iter().filter(|(_, value)| is_private(value)).map(|(list, _)| list).collect())
    }

    /// Whether only members may read the archive of a list; `None` if there is no such list.
    pub(crate) fn is_archive_private(&self, list: &ListName) -> Result<Option<bool>, StoreError> {
        let sql = "select id from list where name = ?1";
        let Some(id) = self.first(sql, params![list], |row| row.get::<ListId>(0))? else {
            return Ok(None);
        };
        let value = self.kept_setting(id, "archive_private")?;
        Ok(Some(value.is_some_and(|value| is_private(&value))))
    }

    /// Returns the stored value of a list's setting; `None` if it has its default.
    pub fn kept_setting(&self, list_id: ListId, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "select value from list_setting where list_id = ?1 and name = ?2";
        self.first(sql, params![list_id, name], |row| row.get(0))
    }

    /// The next lists, by name, with their settings: two questions.
    fn lists_after(&self, after: &str) -> Result<Vec<List>, StoreError> {
        let page = "from list where name > ?1 order by name limit ?2";
        let sql = format!("select {COLUMNS} {page}");
        let lists = self.rows(&sql, params![after, TOGETHER], read)?;
        let sql = format!(
            "select list_id, name, value from list_setting where list_id in (select id {page})"
        );
        let read = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
        let rows: Vec<(ListId, (String, String))> =
            self.rows(&sql, params![after, TOGETHER], read)?;
        let mut settings: HashMap<ListId, Vec<(String, String)>> = HashMap::new();
        for (list, setting) in rows {
            settings.entry(list).or_default().push(setting);
        }
        let with = |list: List| {
            let rows = settings.remove(&list.id).unwrap_or_default();
            put_settings(list, rows)
        };
        lists.into_iter().map(with).collect()
    }

    /// Reads the list that matches a condition, with its settings, in one query.
    fn with_settings(
        &self,
        condition: &str,
        params: &[Param<'_>],
    ) -> Result<Option<List>, StoreError> {
        let sql = format!(
            "select list.id, list.name, created_at, post_id, last_post_time,
                 list_setting.name, list_setting.value
             from list left join list_setting on list_setting.list_id = list.id where {condition}"
        );
        let (mut list, mut settings) = (None, Vec::new());
        self.rows(&sql, params, |row| {
            if list.is_none() {
                list = Some(read(row)?);
            }
            let name: Option<String> = row.get(5)?;
            if let Some(name) = name {
                settings.push((name, row.get(6)?));
            }
            Ok(())
        })?;
        list.map(|list| put_settings(list, settings)).transpose()
    }
}

/// Adds the stored settings to a list.
fn put_settings(mut list: List, rows: Vec<(String, String)>) -> Result<List, StoreError> {
    for (name, value) in rows {
        // A newer version may know more names, whose values must stay stored.
        if ListSettings::is_known(&name) {
            list.settings.put_kept(&name, &value).map_err(|problem| StoreError::Content {
                what: "a list setting",
                problem: format!("{}: {problem}", list.name),
            })?;
        }
    }
    Ok(list)
}
