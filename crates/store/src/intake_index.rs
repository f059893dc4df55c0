//! What intake must know of a site and its lists, in one small file beside the database, so that a mail is
//! taken without the settings being parsed and without the database being opened.
//!
//! The file is never older than the lists. A transaction that changes lists gives the database another
//! *generation* and removes the file, both before the commit ([`Tx::note_lists`]); only while no one else
//! can commit is it written again ([`Store::settle_intake_index`]). A process that dies in between leaves
//! no file, and then the database is asked, and the next drain does what should have followed the commit. The generation is SQLite's `application_id`, which stands at a fixed place in
//! the database's first bytes, so that a database that was put back from a backup, with other lists, is
//! noticed. `dormouse.toml` is told by its inode, size and times. When in doubt there is no index.
//!
//! On a site that shares its database with other hosts the file is not believed, unless the database
//! cannot be reached: then mail is taken by what was known last.
//!
//! Lists stand in the order of their names and are searched in place, so that a site may have many.

#[cfg(test)]
mod tests;

use crate::db::{Db, sqlite};
use crate::site::{Stamp, database_in};
use crate::{Due, List, Site, Store, StoreError, Tx, migrate};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

/// Its name in the site's directory.
pub const FILE: &str = "intake.index";
const FIRST_LINE: &str = "dormouse intake 1";
/// No line is longer.
const LONGEST_LINE: usize = 512;
/// Where a list has no host of its own.
const NO_HOST: &str = "-";
/// So much is read when it is opened: all that most sites have.
const FIRST_READ: usize = 4096;

/// On a site that shares its database the file is written again when it is older.
const RENEWED_AFTER: Duration = Duration::from_secs(300);
/// For so long it is good while the database is away.
const GOOD_FOR: Duration = Duration::from_secs(86_400);

/// How long ago the file was written; none if there is none.
fn spare_age(dir: &Path) -> Option<Duration> {
    fs::metadata(dir.join(FILE)).ok()?.modified().ok()?.elapsed().ok()
}

/// A site's settings and lists, as far as intake must know them.
#[derive(Debug)]
pub struct IntakeIndex {
    file: File,
    /// The beginning of the file.
    head: Vec<u8>,
    header: Header,
    /// Where the lists begin and end.
    lists: (u64, u64),
}

/// The settings that intake must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeSettings {
    /// The host name of the site.
    pub host: String,
    /// The list that the site itself writes from.
    pub site_list: String,
    /// `intake.max_size` in bytes; 0 is without limit.
    pub max_size: u64,
    /// `intake.min_free` in bytes.
    pub min_free: u64,
}

impl IntakeSettings {
    /// Those of a site.
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

/// A list, as far as intake must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownList {
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Whether its settings may refuse a post at the door; if so, the settings decide.
    pub may_refuse: bool,
}

impl IntakeIndex {
    /// A site's index, if it has one that says what the settings and the database say.
    ///
    /// Only for a process that does not have the database open: it is looked at without SQLite, and
    /// closing it would take SQLite's locks away.
    pub fn open(dir: &Path) -> Option<IntakeIndex> {
        let index = IntakeIndex::read(dir).ok()?;
        let header = &index.header;
        let is_current = header.stamp == Stamp::of(dir)?.to_string()
            && header.schema == migrate::newest()
            && header.generation == sqlite::generation_in(&database_in(dir))?;
        is_current.then_some(index)
    }

    /// The index of a site whose database is on a server that cannot be reached, for at most a day
    /// after it could.
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

    /// The settings.
    pub fn settings(&self) -> &IntakeSettings {
        &self.header.settings
    }

    /// The list of that name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self, name: &str) -> io::Result<Option<KnownList>> {
        Ok(self.first_from(name)?.filter(|found| found.name == name))
    }

    /// Whether a list of that name is at any host besides the one that has the name alone.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn has_namesake(&self, local: &str) -> io::Result<bool> {
        let with_host = format!("{local}@");
        Ok(self.first_from(&with_host)?.is_some_and(|found| found.name.starts_with(&with_host)))
    }

    /// The first list whose name is not before that one.
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

    /// Where the line around a place begins; lines begin at `low`.
    fn line_start(&self, low: u64, at: u64) -> io::Result<u64> {
        let from = low.max(at.saturating_sub(LONGEST_LINE as u64));
        let before = self.bytes(from, (at - from) as usize)?;
        let feed = before.iter().rposition(|&byte| byte == b'\n');
        Ok(feed.map_or(from, |feed| from + feed as u64 + 1))
    }

    /// A line without its line feed, and where the next one begins.
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

/// What stands above the lists.
#[derive(Debug)]
struct Header {
    schema: i64,
    generation: i32,
    stamp: String,
    settings: IntakeSettings,
    lists_bytes: u64,
    /// Where it ends.
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
        Ok(KnownList { name: text(name), host: text(host), may_refuse })
    }
}

impl Store {
    /// Writes the index again if it does not say what the settings and the lists are now; not while
    /// the settings' file is so new that a change of it might go unnoticed. `may_refuse` says whether a
    /// list's settings may refuse a post at the door.
    ///
    /// # Errors
    /// When the database or the file fails; there is no index then.
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
            // A change of the lists since then stands in no file yet.
            if tx.read().run(Db::generation)? != generation {
                return Ok(());
            }
            let settings = IntakeSettings::of(site);
            let lists = tx.read().lists_by_all_names()?;
            match text(&lists, may_refuse, (generation, stamp, settings)) {
                Some(text) => self.put_index(text.as_bytes()),
                None => Ok(()),
            }
        })
    }

    /// Whether the index says what the settings and the lists are now: then whoever changed lists has
    /// also done what follows a commit.
    ///
    /// # Errors
    /// When the database fails.
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

    /// Where another host may change the lists, the file is not believed while the database can be
    /// asked. It is written now and then, for when the database is away.
    fn settle_spare_index(
        &self,
        site: &Site,
        may_refuse: &dyn Fn(&List) -> bool,
    ) -> Result<(), StoreError> {
        if spare_age(self.read().site_dir()).is_some_and(|age| age < RENEWED_AFTER) {
            return Ok(());
        }
        let lists = self.look(|tx| tx.read().lists_by_all_names())?;
        // Another host may have set one to want them.
        if lists.iter().any(List::gates_news) {
            Due::GateNews.mark(self.read().site_dir())?;
        }
        match text(&lists, may_refuse, (0, String::new(), IntakeSettings::of(site))) {
            Some(text) => self.put_index(text.as_bytes()),
            None => Ok(()),
        }
    }

    fn put_index(&self, text: &[u8]) -> Result<(), StoreError> {
        let path = self.read().site_dir().join(FILE);
        let new = path.with_extension("index.new");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o660).open(&new)?;
            file.write_all(text)?;
            // Before it has its name: what has the name is whole.
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(StoreError::io("write", &path))
    }
}

/// The file's text; none when something would not fit into a line.
fn text(
    lists: &[List],
    may_refuse: &dyn Fn(&List) -> bool,
    (generation, stamp, settings): (i32, String, IntakeSettings),
) -> Option<String> {
    let mut lines: Vec<(&str, String)> = Vec::with_capacity(lists.len());
    for list in lists {
        let (name, host) = (list.name.as_str(), list.settings.host_name.clone());
        let known = KnownList { name: name.to_owned(), host, may_refuse: may_refuse(list) };
        let line = known.line();
        if line.len() > LONGEST_LINE || line.split_whitespace().count() != 3 {
            return None;
        }
        lines.push((name, line));
    }
    // As the search compares them, whatever order the database has.
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
    /// Lists, or settings that intake asks, change in this transaction: the index goes before the
    /// commit.
    pub(crate) fn note_lists(&self) {
        self.lists.set(true);
    }

    /// Gives the lists another generation and removes the index, for good.
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
            // It must not come back with a power failure.
            removed => removed
                .and_then(|()| File::open(self.read().site_dir())?.sync_all())
                .map_err(StoreError::io("remove", &path)),
        }
    }
}
