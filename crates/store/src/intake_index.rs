//! What intake needs to know about a site and its lists, in one small file next to the database, so
//! that mail is accepted without parsing the settings or opening the database.
//!
//! The file is never older than the lists. A transaction that changes lists gives the database
//! another *generation* and removes the file, both before the commit ([`Tx::note_lists`]). It is
//! written again only while no other process can commit ([`Store::settle_intake_index`]). If a
//! process dies in between, there is no file: the database is queried instead, and the next drain
//! does what should have followed the commit. The generation is SQLite's `application_id`, which is
//! at a fixed offset of the database file, so that a database that was restored from a backup, with
//! other lists, is noticed. `dormouse.toml` is recognized by its inode, size and times. When in
//! doubt, the index is not used.
//!
//! A process that stays, such as the LMTP server, asks [`LiveIndex`] for each recipient.
//!
//! On a site that shares its database with other hosts, the file is used only while the database
//! cannot be reached: then mail is accepted according to the last known state.
//!
//! Lists are sorted by name and found by binary search in the file, so that a site can have many.

mod live;
#[cfg(test)]
mod tests;

pub use live::LiveIndex;

use crate::db::{Db, sqlite};
use crate::site::{Stamp, database_in};
use crate::{Due, List, ListName, Site, Store, StoreError, Tx, migrate};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

/// The file's name in the site's directory.
pub const FILE: &str = "intake.index";
const FIRST_LINE: &str = "dormouse intake 1";
/// The maximum length of a line, in bytes.
const LONGEST_LINE: usize = 512;
/// Stands for an empty host.
const NO_HOST: &str = "-";
/// The number of bytes read on opening: the whole file on most sites.
const FIRST_READ: usize = 4096;

/// The age at which the file is written again on a site that shares its database.
const RENEWED_AFTER: Duration = Duration::from_secs(300);
/// The age up to which the file is used while the database cannot be reached.
const GOOD_FOR: Duration = Duration::from_secs(86_400);

/// Returns the file's age, or `None` if there is no file.
fn spare_age(dir: &Path) -> Option<Duration> {
    fs::metadata(dir.join(FILE)).ok()?.modified().ok()?.elapsed().ok()
}

/// The part of a site's settings and lists that intake needs.
#[derive(Debug)]
pub struct IntakeIndex {
    file: File,
    /// The beginning of the file.
    head: Vec<u8>,
    header: Header,
    /// The offsets of the beginning and the end of the lists.
    lists: (u64, u64),
}

/// The settings that intake needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeSettings {
    /// The host name of the site.
    pub host: String,
    /// The list from whose addresses the site itself sends mail.
    pub site_list: String,
    /// `intake.max_size` in bytes; 0 means no limit.
    pub max_size: u64,
    /// `intake.min_free` in bytes.
    pub min_free: u64,
}

impl IntakeSettings {
    /// Returns the settings of a site.
    pub fn of(site: &Site) -> IntakeSettings {
        let config = site.config();
        IntakeSettings {
            host: config.host.clone(),
            site_list: config.site_list.clone(),
            max_size: config.intake_max_size.bytes(),
            min_free: config.intake_min_free.bytes(),
        }
    }
}

/// The part of a list that intake needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownList {
    /// The list's name.
    pub name: ListName,
    /// The host of its addresses.
    pub host: String,
    /// Whether posts may be refused during the SMTP or LMTP session; if so, the list's settings
    /// must be read.
    pub may_refuse: bool,
}

impl IntakeIndex {
    /// Opens a site's index, if there is one that matches the settings and the database.
    ///
    /// Only for processes that do not have the database open: this reads the database file without
    /// SQLite, and closing the file releases SQLite's locks on it.
    pub fn open(dir: &Path) -> Option<IntakeIndex> {
        let index = IntakeIndex::read(dir).ok()?;
        let header = &index.header;
        let is_current = header.stamp == Stamp::of(dir)?.to_string()
            && header.schema == migrate::newest()
            && header.generation == sqlite::generation_in(&database_in(dir))?;
        is_current.then_some(index)
    }

    /// Opens the index of a site whose database server cannot be reached, if the index is less than
    /// a day old.
    pub fn open_spare(dir: &Path) -> Option<IntakeIndex> {
        let is_young = spare_age(dir).is_some_and(|age| age < GOOD_FOR);
        let index = is_young.then(|| IntakeIndex::read(dir).ok()).flatten()?;
        let header = &index.header;
        (header.schema == migrate::newest() && header.generation == 0).then_some(index)
    }

    fn read(dir: &Path) -> io::Result<IntakeIndex> {
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let file = File::open(dir.join(FILE))?;
        let length = file.metadata()?.len();
        let mut head = vec![0; length.min(FIRST_READ as u64) as usize];
        file.read_exact_at(&mut head, 0)?;
        let header = Header::parse(&head).ok_or_else(wrong)?;
        let lists = (header.end as u64, length);
        if header.lists_bytes != lists.1 - lists.0 {
            return Err(wrong());
        }
        Ok(IntakeIndex { file, head, header, lists })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &IntakeSettings {
        &self.header.settings
    }

    /// Returns the list with this name.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(&self, name: &str) -> io::Result<Option<KnownList>> {
        Ok(self.first_from(name)?.filter(|found| found.name == name))
    }

    /// Whether there is a list `local@HOST`, in addition to the list named only `local`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn has_namesake(&self, local: &str) -> io::Result<bool> {
        let with_host = format!("{local}@");
        Ok(self.first_from(&with_host)?.is_some_and(|found| found.name.starts_with(&with_host)))
    }

    /// Returns the first list whose name is `name` or later in the order.
    fn first_from(&self, name: &str) -> io::Result<Option<KnownList>> {
        let (mut low, mut high) = self.lists;
        let mut found = None;
        while low < high {
            let start = self.line_start(low, low + (high - low) / 2)?;
            let (line, end) = self.line(start)?;
            let list = KnownList::parse(&line)?;
            if list.name.as_str() < name {
                low = end;
            } else {
                high = start;
                found = Some(list);
            }
        }
        Ok(found)
    }

    /// Returns the offset at which the line around `at` begins; the first line begins at `low`.
    fn line_start(&self, low: u64, at: u64) -> io::Result<u64> {
        let from = low.max(at.saturating_sub(LONGEST_LINE as u64));
        let before = self.bytes(from, (at - from) as usize)?;
        let feed = before.iter().rposition(|&byte| byte == b'\n');
        Ok(feed.map_or(from, |feed| from + feed as u64 + 1))
    }

    /// Returns a line without its line feed, and the offset of the next line.
    fn line(&self, start: u64) -> io::Result<(String, u64)> {
        let most = (self.lists.1 - start).min(LONGEST_LINE as u64);
        let mut bytes = self.bytes(start, most as usize)?;
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let length = bytes.iter().position(|&byte| byte == b'\n').ok_or_else(wrong)?;
        bytes.truncate(length);
        let line = String::from_utf8(bytes).map_err(|_| wrong())?;
        Ok((line, start + length as u64 + 1))
    }

    fn bytes(&self, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(from).unwrap_or(usize::MAX);
        if let Some(read) = self.head.get(start..start.saturating_add(length)) {
            return Ok(read.to_vec());
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }
}

/// The part before the lists.
#[derive(Debug)]
struct Header {
    schema: i64,
    generation: i32,
    stamp: String,
    settings: IntakeSettings,
    lists_bytes: u64,
    /// The offset of its end.
    end: usize,
}

impl Header {
    fn parse(head: &[u8]) -> Option<Header> {
        let end = head.windows(2).position(|two| two == b"\n\n")? + 2;
        let text = std::str::from_utf8(&head[..end]).ok()?;
        let mut lines = text.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        Some(Header {
            schema: value("schema")?.parse().ok()?,
            generation: value("generation")?.parse().ok()?,
            stamp: value("settings")?.to_owned(),
            settings: IntakeSettings {
                host: value("host")?.to_owned(),
                site_list: value("site_list")?.to_owned(),
                max_size: value("max_size")?.parse().ok()?,
                min_free: value("min_free")?.parse().ok()?,
            },
            lists_bytes: value("lists")?.parse().ok()?,
            end,
        })
    }

    fn text(&self) -> String {
        let Header { schema, generation, stamp, settings, lists_bytes, .. } = self;
        let IntakeSettings { host, site_list, max_size, min_free } = settings;
        format!(
            "{FIRST_LINE}\nschema {schema}\ngeneration {generation}\nsettings {stamp}\nhost {host}\n\
             site_list {site_list}\nmax_size {max_size}\nmin_free {min_free}\nlists {lists_bytes}\n\n"
        )
    }
}

impl KnownList {
    fn line(&self) -> String {
        let door = if self.may_refuse { "refuses" } else { "open" };
        let host = if self.host.is_empty() { NO_HOST } else { &self.host };
        format!("{} {host} {door}\n", self.name)
    }

    fn parse(line: &str) -> io::Result<KnownList> {
        let mut words = line.split(' ');
        let (name, host, door) = (words.next(), words.next(), words.next());
        let may_refuse = match door {
            Some("open") => false,
            Some("refuses") => true,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let text = |word: Option<&str>| word.unwrap_or_default().to_owned();
        let host = host.filter(|host| *host != NO_HOST);
        Ok(KnownList { name: ListName::kept(text(name)), host: text(host), may_refuse })
    }
}

impl Site {
    /// Whether the index of a site that shares its database is missing, or so old that other hosts may have
    /// changed lists since.
    pub fn is_index_old(&self) -> bool {
        spare_age(self.dir()).is_none_or(|age| age >= RENEWED_AFTER)
    }
}

impl Store {
    /// Writes the index if it does not match the current settings and lists, unless the settings
    /// file is so new that another change might go unnoticed. `may_refuse` says whether posts to a
    /// list may be refused during the session.
    ///
    /// # Errors
    /// If the database or the file fails. There is no index then.
    pub fn settle_intake_index(
        &self,
        site: &Site,
        may_refuse: &dyn Fn(&List) -> bool,
    ) -> Result<(), StoreError> {
        if self.read().is_shared() {
            return self.settle_spare_index(site, may_refuse);
        }
        let Some(stamp) = site.stamp().filter(|stamp| stamp.is_settled()) else { return Ok(()) };
        let stamp = stamp.to_string();
        if self.read().run(Db::generation)? == 0 {
            self.write(|tx| -> Result<(), StoreError> {
                tx.note_lists();
                Ok(())
            })?;
        }
        let generation = self.read().run(Db::generation)?;
        if self.has_index_of(generation, &stamp) {
            return Ok(());
        }
        if !self.read().run(Db::show_generation)? {
            return Ok(());
        }
        self.rehearse(|tx| {
            // Another process has changed the lists since then.
            if tx.read().run(Db::generation)? != generation {
                return Ok(());
            }
            let settings = IntakeSettings::of(site);
            let mut lines = Some(Vec::new());
            tx.read().each_list_by_all_names(|list| -> Result<(), StoreError> {
                add_line(&mut lines, &list, may_refuse);
                Ok(())
            })?;
            self.put_index(lines, (generation, stamp, settings))
        })
    }

    /// Whether the index matches the current settings and lists. If so, the process that last
    /// changed lists has also completed what follows the commit.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_index_current(&self, site: &Site) -> Result<bool, StoreError> {
        match site.stamp() {
            Some(stamp) if !self.read().is_shared() && stamp.is_settled() => {
                Ok(self.has_index_of(self.read().run(Db::generation)?, &stamp.to_string()))
            }
            _ => Ok(false),
        }
    }

    fn has_index_of(&self, generation: i32, stamp: &str) -> bool {
        IntakeIndex::read(self.read().site_dir()).is_ok_and(|IntakeIndex { header, .. }| {
            (header.schema, header.generation) == (migrate::newest(), generation)
                && header.stamp == stamp
        })
    }

    /// Writes the index of a site that shares its database with other hosts, for times when the
    /// database cannot be reached, if the last one is not recent.
    fn settle_spare_index(
        &self,
        site: &Site,
        may_refuse: &dyn Fn(&List) -> bool,
    ) -> Result<(), StoreError> {
        if !site.is_index_old() {
            return Ok(());
        }
        let (mut lines, mut gates_news) = (Some(Vec::new()), false);
        self.look(|tx| {
            tx.read().each_list_by_all_names(|list| -> Result<(), StoreError> {
                gates_news |= list.gates_news();
                add_line(&mut lines, &list, may_refuse);
                Ok(())
            })
        })?;
        // Another host may have set a list's gateway.
        if gates_news {
            Due::GateNews.mark(self.read().site_dir())?;
        }
        self.put_index(lines, (0, String::new(), IntakeSettings::of(site)))
    }

    /// Writes the index; none if something does not fit into a line.
    fn put_index(
        &self,
        lines: Option<Vec<Line>>,
        head: (i32, String, IntakeSettings),
    ) -> Result<(), StoreError> {
        let Some(text) = lines.and_then(|lines| text(lines, head)) else { return Ok(()) };
        let path = self.read().site_dir().join(FILE);
        let new = path.with_extension("index.new");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o660).open(&new)?;
            file.write_all(text.as_bytes())?;
            // Before the renaming, so that the file is complete under its name.
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(StoreError::io("write", &path))
    }
}

/// The name of a list, and its line.
type Line = (ListName, String);

/// Adds a list's line to the others; there are none any more when it would not fit.
fn add_line(lines: &mut Option<Vec<Line>>, list: &List, may_refuse: &dyn Fn(&List) -> bool) {
    let (name, host) = (list.name.clone(), list.settings.host_name.clone());
    let line = KnownList { name, host, may_refuse: may_refuse(list) }.line();
    if line.len() > LONGEST_LINE || line.split_whitespace().count() != 3 {
        *lines = None;
    }
    if let Some(lines) = lines {
        lines.push((list.name.clone(), line));
    }
}

/// Returns the text of the file, or `None` if a value does not fit the format.
fn text(
    mut lines: Vec<Line>,
    (generation, stamp, settings): (i32, String, IntakeSettings),
) -> Option<String> {
    // The search compares bytes; the database may have another order.
    lines.sort_unstable();
    let lists_bytes = lines.iter().map(|(_, line)| line.len() as u64).sum();
    let schema = migrate::newest();
    let header = Header { schema, generation, stamp, settings, lists_bytes, end: 0 };
    let mut text = header.text();
    let is_whole = Header::parse(text.as_bytes()).is_some_and(|read| {
        read.end == text.len() && read.settings == header.settings && text.len() < FIRST_READ
    });
    for (_, line) in &lines {
        text.write_str(line).ok()?;
    }
    is_whole.then_some(text)
}

impl Tx<'_> {
    /// Notes that this transaction changes lists, or settings that intake needs: the index is
    /// removed before the commit.
    pub(crate) fn note_lists(&self) {
        self.lists.set(true);
    }

    /// Sets another generation and removes the index durably, if the transaction changed lists.
    pub(crate) fn forget_index(&self) -> Result<(), StoreError> {
        if !self.lists.take() {
            return Ok(());
        }
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| {
            StoreError::io("get random bytes for", self.read().path())(io::Error::other(
                error.to_string(),
            ))
        })?;
        let generation = i32::from_be_bytes(random) | 1;
        self.read().run(|db| db.set_generation(generation))?;
        let path = self.read().site_dir().join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // A power failure must not bring the file back.
            removed => removed
                .and_then(|()| File::open(self.read().site_dir())?.sync_all())
                .map_err(StoreError::io("remove", &path)),
        }
    }
}
