//! Lists.

use crate::check::{self, Subject};
use crate::db::{self, Row, params};
use crate::settings::{ListSettings, ReturnPathTag};
use crate::{Config, Count, Due, ListId, Read, StoreError, Tx, public};
use dormouse_mail::AddressKey;
use std::collections::{BTreeSet, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

/// A mailing list with its settings.
#[derive(Debug, Clone)]
pub struct List {
    /// Its number in the store.
    pub id: ListId,
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

    /// Where mail about a member goes: on an umbrella list to those who run the member.
    pub fn mailed(&self, address: &str) -> String {
        let settings = &self.settings;
        match address.rsplit_once('@') {
            Some((local, domain)) if settings.umbrella_list => {
                format!("{local}{}@{domain}", settings.umbrella_member_suffix)
            }
            _ => address.to_owned(),
        }
    }

    /// Where its web pages are, with a slash at the end.
    pub fn web_page_url(&self, config: &Config) -> String {
        base_url(&self.settings.web_page_url, &config.web_url, &self.settings.host_name, "mailman")
    }

    /// One of its pages, such as `listinfo`.
    pub fn web_url(&self, config: &Config, page: &str) -> String {
        format!("{}{page}/{}", self.web_page_url(config), self.local_part())
    }

    /// Where mail leads for one of its pages: there or, on a site without pages, to a mail to
    /// `L-request` with that subject.
    fn page_or_mail(&self, config: &Config, page: &str, subject: &str) -> String {
        if config.has_pages() { self.web_url(config, page) } else { self.mail_url(subject) }
    }

    /// A link to a mail to `L-request` with that subject (RFC 6068).
    pub fn mail_url(&self, subject: &str) -> String {
        format!("mailto:{}?subject={}", self.sub_address("request"), subject.replace(' ', "%20"))
    }

    /// What the list is about, for a mail to name.
    pub fn info_url(&self, config: &Config) -> String {
        self.page_or_mail(config, "listinfo", "info")
    }

    /// Where any member finds the own settings, for a mail to name.
    pub fn any_options_url(&self, config: &Config) -> String {
        self.page_or_mail(config, "options", "set help")
    }

    /// Where any member leaves, for a mail to name.
    pub fn leave_url(&self, config: &Config) -> String {
        self.page_or_mail(config, "options", "unsubscribe")
    }

    /// Where what waits under a cookie is confirmed, for a mail to name.
    pub fn confirm_url(&self, config: &Config, cookie: &str) -> String {
        if config.has_pages() {
            return format!("{}/{cookie}", self.web_url(config, "confirm"));
        }
        self.mail_url(&format!("confirm {cookie}"))
    }

    /// Where a member finds the own settings, for a mail to name.
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

    /// Whether new articles of a newsgroup become its posts.
    pub fn gates_news(&self) -> bool {
        let settings = &self.settings;
        !settings.closed
            && settings.gateway_to_mail
            && !settings.nntp_host.is_empty()
            && !settings.linked_newsgroup.is_empty()
    }

    /// Whether a mail may lead to its archive: a private one is shown by the site's pages alone, a
    /// public one by a web server.
    pub fn shows_archive(&self, config: &Config) -> bool {
        self.settings.archive && self.shows_files(config)
    }

    /// Whether a mail may lead to a file beside its archive, such as an attachment.
    pub fn shows_files(&self, config: &Config) -> bool {
        let private = self.settings.archive_private;
        if private { config.has_pages() } else { config.shows_archives() }
    }

    /// Whether its archive writes addresses so that programs which collect them do not find any.
    pub fn obscures(&self, config: &Config) -> bool {
        config.archives_obscure || self.settings.obscure_addresses
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

/// What stands in the site's URLs for a list's host, as in Mailman's.
const HOST_OF_LIST: &str = "%(hostname)s";

/// The first that is set, or the usual place on the list's host; always with a slash at the end.
fn base_url(list: &str, site: &str, host: &str, usual: &str) -> String {
    let set = [list, site].into_iter().find(|url| !url.trim().is_empty());
    let url = match set {
        Some(url) => url.trim().replace(HOST_OF_LIST, host),
        None => format!("https://{host}/{usual}/"),
    };
    if url.ends_with('/') { url } else { format!("{url}/") }
}

/// What stands behind a list's name in its addresses beside that for posts (docs/spec/pipeline.md §1).
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

/// What stands for a new list's name in the subject prefix of `[list-defaults]`.
pub(crate) const REAL_NAME: &str = "%(real_name)s";

/// What no list has from another.
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

impl Read {
    /// The list of that name, in any case, or else the one that had it before.
    pub fn list(&self, name: &str) -> Result<Option<List>, StoreError> {
        let name = &name.to_lowercase();
        let sql = format!("select {COLUMNS} from list where name = ?1");
        let list = self.first(&sql, params![name], read)?;
        match list {
            Some(list) => self.with_settings(list).map(Some),
            None => match self.list_of_former_name(name)? {
                Some(id) => self.list_by_id(id),
                None => Ok(None),
            },
        }
    }

    /// The list of that number.
    pub fn list_by_id(&self, id: ListId) -> Result<Option<List>, StoreError> {
        let sql = format!("select {COLUMNS} from list where id = ?1");
        let list = self.first(&sql, params![id], read)?;
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
    pub fn has_namesake(&self, local: &str) -> bool {
        let low = format!("{local}@");
        // The next string after every one that starts with `low`.
        let high = format!("{local}A");
        self.first(
            "select 1 from list where name >= ?1 and name < ?2",
            params![&low, &high],
            |row| row.get::<i64>(0),
        )
        .map_or(true, |found| found.is_some())
    }

    /// All lists, by name.
    pub fn lists(&self) -> Result<Vec<List>, StoreError> {
        let sql = format!("select {COLUMNS} from list order by name");
        let lists = self.rows(&sql, &[], read)?;
        self.with_all_settings(lists)
    }

    /// The names of all lists. What is wrong with a list's settings does not matter here.
    pub fn list_names(&self) -> Result<Vec<String>, StoreError> {
        self.rows("select name from list order by name", &[], |row| row.get(0))
    }

    /// The names of the lists whose archives only members may read.
    pub fn private_archives(&self) -> Result<BTreeSet<String>, StoreError> {
        let name = "archive_private";
        let rows: Vec<(String, String)> = self.rows(
            "select list.name, value from list join list_setting on list_id = list.id
             where list_setting.name = ?1",
            params![name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        // On a doubt it is private.
        let is_private = |value: &str| <bool as crate::value::Value>::read(value).unwrap_or(true);
        Ok(rows.into_iter().filter(|(_, value)| is_private(value)).map(|(list, _)| list).collect())
    }

    /// A list's setting as it is kept now; nothing while it has its default.
    pub fn kept_setting(&self, list_id: ListId, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "select value from list_setting where list_id = ?1 and name = ?2";
        self.first(sql, params![list_id, name], |row| row.get(0))
    }

    /// Gives many lists their settings by one question.
    fn with_all_settings(&self, lists: Vec<List>) -> Result<Vec<List>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
        let rows: Vec<(ListId, (String, String))> =
            self.rows("select list_id, name, value from list_setting", &[], read)?;
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

    fn with_settings(&self, list: List) -> Result<List, StoreError> {
        let rows: Vec<(String, String)> = self.rows(
            "select name, value from list_setting where list_id = ?1",
            params![list.id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        put_settings(list, rows)
    }
}

/// Gives a list the settings that are kept of it.
fn put_settings(mut list: List, rows: Vec<(String, String)>) -> Result<List, StoreError> {
    for (name, value) in rows {
        // Names that this version does not know are kept for the one that does.
        if ListSettings::is_known(&name) {
            list.settings.put_kept(&name, &value).map_err(|problem| StoreError::Content {
                what: "a list setting",
                problem: format!("{}: {problem}", list.name),
            })?;
        }
    }
    Ok(list)
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
        check::list_name(local).map_err(StoreError::Setting)?;
        check::host(&host).map_err(StoreError::Setting)?;
        if let Some((_, host)) = name.split_once('@') {
            check::host(host).map_err(StoreError::Setting)?;
        }
        match self.list(&name)? {
            Some(list) if list.name == name => return Err(StoreError::ListExists(name)),
            Some(list) => {
                return Err(StoreError::Setting(format!(
                    "{name} is a former name of the list {0}, and mail to it still reaches {0}; \
                     `dormouse list rename {0} --forget {name}` releases it",
                    list.name
                )));
            }
            None => {}
        }
        self.check_addresses_are_free(local, &host)?;
        public::begin_anew(self.site_dir(), &name)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
        self.note_lists();
        self.execute("insert into list (name, created_at) values (?1, ?2)", params![name, now])?;
        let real_name = capitalised(local);
        self.edit_settings(&name, |settings| {
            settings.host_name = host;
            settings.real_name.clone_from(&real_name);
            settings.subject_prefix = format!("[{real_name}] ");
            settings.return_path_tag = ReturnPathTag::Required;
            settings.keep_signatures = true;
            settings.owner = owners.to_vec();
        })?;
        self.apply_defaults(&name, &real_name)?;
        if public::is_archived(self.site_dir(), &name) {
            self.edit_settings(&name, |settings| settings.archive_private = true)?;
        }
        let made = self.list(&name)?;
        made.ok_or_else(|| StoreError::Setting(format!("the list {name} was not made")))
    }

    /// Gives a new list what `[list-defaults]` says.
    fn apply_defaults(&self, name: &str, real_name: &str) -> Result<(), StoreError> {
        let named = |text: &String| text.replace(REAL_NAME, real_name);
        let changes: Vec<(&str, String)> = self
            .list_defaults()
            .iter()
            .map(|(setting, text)| match setting.as_str() {
                // Mailman's DEFAULT_SUBJECT_PREFIX names the list.
                "subject_prefix" => ("subject_prefix", named(text)),
                setting => (setting, text.clone()),
            })
            .collect();
        let changes: Vec<(&str, &str)> =
            changes.iter().map(|(setting, text)| (*setting, text.as_str())).collect();
        self.change_settings(name, &changes).map_err(|error| match error {
            StoreError::Setting(problem) => {
                StoreError::Setting(format!("[list-defaults] {problem}"))
            }
            other => other,
        })
    }

    /// Gives a list the settings of another, but what is a list's own: its name, addresses and
    /// passwords, what it is about, its newsgroup.
    pub fn settings_like(&self, name: &str, other: &List) -> Result<(), StoreError> {
        let like = &other.settings;
        self.try_edit_settings(name, |settings| {
            for setting in ListSettings::names().iter().filter(|setting| !OWN.contains(setting)) {
                settings.put(setting, &like.get(setting).unwrap_or_default())?;
            }
            let prefix = like.subject_prefix.replace(&like.real_name, &settings.real_name);
            settings.subject_prefix = prefix;
            Ok(())
        })
    }

    /// Refuses a name that would take mail from another list's own addresses, or lose some of its
    /// own to another list.
    pub(crate) fn check_addresses_are_free(
        &self,
        local: &str,
        host: &str,
    ) -> Result<(), StoreError> {
        let taken = |name: &str| -> Result<bool, StoreError> {
            let found = self.list_by_address(name, host)?;
            Ok(found.is_some_and(|list| list.settings.host_name.eq_ignore_ascii_case(host)))
        };
        for suffix in SUFFIXES {
            if let Some(other) = local.strip_suffix(suffix)
                && taken(other)?
            {
                return Err(StoreError::Setting(format!(
                    "{local}@{host} is an address of the list {other}; choose another name"
                )));
            }
            let longer = format!("{local}{suffix}");
            if taken(&longer)? {
                return Err(StoreError::Setting(format!(
                    "{longer}@{host} would be an address of the list {local}, and there is a list \
                     {longer} already; choose another name"
                )));
            }
        }
        Ok(())
    }

    /// Removes a list with all that is its own. False when there is none.
    pub fn delete_list(&self, name: &str) -> Result<bool, StoreError> {
        Due::ALL.iter().for_each(|&job| self.note_done(job));
        self.note_archive(name);
        self.note_lists();
        if let Some(list) = self.list(name)? {
            self.former_names(list.id)?.iter().for_each(|former| self.note_archive(&former.name));
        }
        Ok(self.execute("delete from list where name = ?1", params![name])? > 0)
    }

    /// Changes settings of a list as somebody asks for it, all of them or none; the error says what
    /// would be right.
    pub fn change_settings(&self, list: &str, changes: &[(&str, &str)]) -> Result<(), StoreError> {
        let missing = || StoreError::Setting(format!("no mailing list here is called {list}"));
        let mut found = self.list(list)?.ok_or_else(missing)?;
        for (name, value) in changes {
            found.settings.put(name, value).map_err(StoreError::Setting)?;
        }
        // On a doubt there is such a list.
        let is_list = |name: &str| self.list(name).map_or(true, |list| list.is_some());
        let of = Subject { name: &found.name, settings: &found.settings, is_list: &is_list };
        for (name, _) in changes {
            ListSettings::check(name, of)
                .map_err(|wrong| StoreError::Setting(format!("{name}: {wrong}")))?;
        }
        self.try_edit_settings(&found.name, |settings| {
            changes.iter().try_for_each(|(name, value)| settings.put(name, value))
        })
    }

    /// Changes settings of a list that the program decides on by itself:
    /// `tx.edit_settings("dev", |settings| settings.advertised = false)`. What somebody asks for is
    /// checked by [`Tx::change_settings`].
    pub fn edit_settings(
        &self,
        list: &str,
        edit: impl FnOnce(&mut ListSettings),
    ) -> Result<(), StoreError> {
        self.try_edit_settings(list, |settings| {
            edit(settings);
            Ok(())
        })
    }

    /// The same for a setting of which only the name is known, with its value as people write it.
    pub fn set_setting(&self, list: &str, name: &str, value: &str) -> Result<(), StoreError> {
        self.try_edit_settings(list, |settings| settings.put(name, value))
    }

    fn try_edit_settings(
        &self,
        list: &str,
        edit: impl FnOnce(&mut ListSettings) -> Result<(), String>,
    ) -> Result<(), StoreError> {
        let mut found = self
            .list(list)?
            .ok_or_else(|| StoreError::Setting(format!("no mailing list here is called {list}")))?;
        let before = found.settings.clone();
        edit(&mut found.settings).map_err(StoreError::Setting)?;
        let defaults = ListSettings::default();
        for name in ListSettings::names() {
            let (old, value) = (before.kept(name), found.settings.kept(name));
            let (Some(old), Some(value)) = (old, value) else { continue };
            if old == value {
                continue;
            }
            self.note_change(found.id, name, &old, &value)?;
            self.note_setting(&found.name, name);
            let is_default = defaults.kept(name).as_ref() == Some(&value);
            self.keep_setting(found.id, name, Some(value).filter(|_| !is_default))?;
        }
        self.note_lists();
        Ok(())
    }

    /// Stores a setting as it is kept; `None` is its default, of which nothing is stored.
    pub(crate) fn keep_setting(
        &self,
        list_id: ListId,
        name: &str,
        value: Option<String>,
    ) -> Result<(), StoreError> {
        match value {
            None => self.execute(
                "delete from list_setting where list_id = ?1 and name = ?2",
                params![list_id, name],
            )?,
            Some(value) => self.execute(
                "insert into list_setting (list_id, name, value) values (?1, ?2, ?3)
                 on conflict (list_id, name) do update set value = excluded.value",
                params![list_id, name, value],
            )?,
        };
        Ok(())
    }

    /// Counts a post.
    pub fn count_post(&self, list_id: ListId, at: f64) -> Result<(), StoreError> {
        self.tally(list_id, Count::Posts, 1);
        self.execute(
            "update list set post_id = post_id + 1, last_post_time = ?2 where id = ?1",
            params![list_id, at],
        )?;
        Ok(())
    }
}

pub(crate) fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, testing};

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        (home, store)
    }

    fn create(store: &Store, name: &str, host: &str) -> Result<List, StoreError> {
        store.write(|tx| tx.create_list(name, host, &[]))
    }

    #[test]
    fn a_list_takes_no_address_from_another() {
        let (_home, store) = store();
        create(&store, "friends", "l.example").unwrap();
        for name in ["friends-owner", "friends-request", "friends-join@l.example"] {
            let refused = create(&store, name, "l.example").unwrap_err().to_string();
            assert!(refused.contains("an address of the list friends"), "{refused}");
        }
        create(&store, "net-admin", "l.example").unwrap();
        let refused = create(&store, "net", "l.example").unwrap_err().to_string();
        assert!(refused.contains("there is a list net-admin already"), "{refused}");
        create(&store, "friends-owner@b.example", "b.example").unwrap();
        create(&store, "friends-of-tea", "l.example").unwrap();
        let refused = create(&store, "odd", "bad host").unwrap_err().to_string();
        assert!(refused.contains("bad host"), "{refused}");
    }

    #[test]
    fn what_a_list_cannot_work_with_is_refused_and_changes_nothing() {
        let (_home, store) = store();
        create(&store, "dev", "l.example").unwrap();
        create(&store, "misc", "l.example").unwrap();
        let change = |name: &str, value: &str| {
            store.write(|tx| tx.change_settings("dev", &[("description", "x"), (name, value)]))
        };
        for (name, wrong) in [
            ("host_name", "bad host"),
            ("host_name", "localhost"),
            ("owner", "notanaddress"),
            ("owner", ""),
            ("moderator", "foo"),
            ("real_name", "Other"),
            ("reply_to_address", "nobody"),
            ("pipeline", "NoSuch"),
            ("max_message_size", "-3"),
            ("digest_size_threshhold", "-1"),
            ("bounce_score_threshold", "-1"),
            ("admin_member_chunksize", "0"),
            ("preferred_language", "xx"),
            ("available_languages", "xx,yy"),
            ("ban_list", "^(foo"),
            ("ban_list", "@misc"),
            ("accept_these_nonmembers", "@nolist"),
            ("accept_these_nonmembers", "@dev"),
            ("header_filter_rules", r#"[["x: y", 99, false]]"#),
            ("header_filter_rules", r#"[["x: (", 3, false]]"#),
            ("bounce_matching_headers", "no rule"),
            ("topics", r#"[["Tea"]]"#),
            ("topics", r#"[["Tea", "(", "", 0]]"#),
            ("web_page_url", "here"),
            ("password", "hello"),
            ("mod_password", "hello"),
            ("post_password", "hello"),
            ("msg_footer", "%(nobody)s"),
            ("msg_footer", "%(real_name)"),
            ("digest_footer", "%(user_name)s"),
            ("autoresponse_admin_text", "%(reel_name)s"),
            ("nonmember_rejection_notice", "%(real_name)s"),
            ("subject_prefix", "[%(real_name)s] "),
            ("subject_prefix", "[%999999999d] "),
            ("subject_prefix", "a\nb"),
            ("new_member_options", "4096"),
            ("max_message_size", "99999999999999"),
            ("digest_size_threshhold", "1e300"),
            ("max_days_to_hold", "99999999999"),
            ("max_days_to_hold", "12h"),
            ("topics_bodylines_limit", "-2"),
            ("bounce_info_stale_after", "-7"),
            ("umbrella_member_suffix", "@x"),
        ] {
            let refused = change(name, wrong).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{name}: ")), "{name}={wrong}: {refused}");
            let list = store.list("dev").unwrap().unwrap();
            assert_eq!(list.settings.description, "", "{name}={wrong}");
        }
        let hint = change("password", "hello").unwrap_err().to_string();
        assert!(hint.contains("dormouse list password dev"), "{hint}");
        for (name, right) in [
            ("real_name", "DEV"),
            ("owner", "a@x.example"),
            ("pipeline", "CookHeaders,ToOutgoing"),
            ("topics_bodylines_limit", "-1"),
            ("accept_these_nonmembers", "@misc\n^.*@x\\.example$\n"),
            ("header_filter_rules", r##"[["# tea\nsubject: .*tea", 7, 0]]"##),
            ("topics", r#"[["Tea", "green\nblack", "", false]]"#),
            ("bounce_matching_headers", "# ours\nX-Spam: ^yes"),
            ("available_languages", "en,de,pt_BR"),
            ("mod_password", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
            ("mod_password", ""),
            ("msg_footer", "100%% of %(real_name)s, 5% off"),
            ("autoresponse_admin_text", "%(listurl)s %(real_name)s"),
            ("nonmember_rejection_notice", "Ask %(listowner)s."),
            ("subject_prefix", "[x %05d] "),
            ("new_member_options", "258"),
            ("bounce_info_stale_after", "12h"),
        ] {
            change(name, right).unwrap_or_else(|error| panic!("{name}={right}: {error}"));
        }
    }

    #[test]
    fn a_name_that_is_in_no_address_is_no_list_s() {
        let (_home, store) = store();
        let long = "x".repeat(60);
        for name in [
            "a..b",
            ".a",
            "a.",
            "-a",
            "",
            "a b",
            "a\tb",
            "a\u{7}b",
            "a/b",
            "a@b@c",
            "a@",
            "@l.example",
            "a,b",
            "dev.mbox",
            "grün",
            "..",
            &long,
        ] {
            assert!(create(&store, name, "l.example").is_err(), "{name:?}");
        }
        for name in ["a.b", "a+b", "x=y", "_a", "7", "Dev"] {
            create(&store, name, "l.example").unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn a_list_may_be_like_another_and_has_its_own_name() {
        let (_home, store) = store();
        create(&store, "tea", "l.example").unwrap();
        create(&store, "milk", "l.example").unwrap();
        let changes = [
            ("subject_prefix", "[Tea %d] "),
            ("max_message_size", "7"),
            ("description", "leaves"),
            ("bounce_info_stale_after", "12h"),
            ("owner", "a@x.example"),
        ];
        store.write(|tx| tx.change_settings("tea", &changes)).unwrap();
        let tea = store.list("tea").unwrap().unwrap();
        store.write(|tx| tx.settings_like("milk", &tea)).unwrap();
        let milk = store.list("milk").unwrap().unwrap().settings;
        assert_eq!((milk.subject_prefix.as_str(), milk.max_message_size), ("[Milk %d] ", 7));
        assert_eq!((milk.description.as_str(), milk.real_name.as_str()), ("", "Milk"));
        assert_eq!(milk.bounce_info_stale_after.seconds(), 43_200);
        assert!(milk.owner.is_empty());
        assert!(OWN.iter().all(|name| ListSettings::is_known(name)));
    }

    #[test]
    fn a_new_lists_settings_are_ones_that_could_be_set() {
        let (_home, store) = store();
        let owner = ["a@x.example".to_owned()];
        let list = store.write(|tx| tx.create_list("dev", "l.example", &owner)).unwrap();
        let of = Subject { name: "dev", settings: &list.settings, is_list: &|_| false };
        for name in ListSettings::names() {
            assert_eq!(ListSettings::check(name, of), Ok(()), "{name}");
        }
    }
}
