//! A site's directory: `dormouse.toml`, `dormouse.db`, `qfiles/`.

use crate::config::replace;
use crate::db::postgres::Address;
use crate::{Config, Store, StoreError};
use std::fmt;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// Others may pass through, to public archives, but see nothing; what is made in it belongs to its
/// group.
pub const DIR_MODE: u32 = 0o2771;

/// A site.
#[derive(Debug, Clone)]
pub struct Site {
    dir: PathBuf,
    config: Config,
    text: String,
    mark: OnceLock<String>,
    stamp: Option<Stamp>,
}

/// By what a changed file of settings is told from an unchanged one without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    seen: SystemTime,
}

/// Two changes of a file within one tick of the clock leave the same times.
const TICK: Duration = Duration::from_secs(1);

impl Stamp {
    /// That of a site's settings as they are now; none if there are none.
    pub fn of(dir: &Path) -> Option<Stamp> {
        let seen = SystemTime::now();
        let found = fs::metadata(Site::config_file_in(dir)).ok()?;
        Some(Stamp {
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            seen,
        })
    }

    /// Whether the file was so old when it was looked at that every later change shows.
    pub fn is_settled(&self) -> bool {
        let seen = self.seen.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = u64::try_from(self.changed.0).map_or(Duration::ZERO, Duration::from_secs);
        seen >= changed + 2 * TICK
    }

    /// Whether both say the same of the file.
    pub fn is_as(&self, other: &Stamp) -> bool {
        Stamp { seen: other.seen, ..self.clone() } == *other
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stamp { inode, size, modified, changed, .. } = self;
        write!(f, "{inode} {size} {}.{:09} {}.{:09}", modified.0, modified.1, changed.0, changed.1)
    }
}

impl Site {
    /// Makes a site in a directory, which is made if need be, with the host name of its lists.
    pub fn init(dir: &Path, host: &str) -> Result<Site, StoreError> {
        let file = dir.join("dormouse.toml");
        if file.exists() {
            return Err(StoreError::SiteExists(dir.to_owned()));
        }
        let is_new = !dir.exists();
        fs::create_dir_all(dir).map_err(StoreError::io("make the directory", dir))?;
        if is_new {
            fs::set_permissions(dir, Permissions::from_mode(DIR_MODE))
                .map_err(StoreError::io("set the mode of", dir))?;
        }
        replace(&file, Config::new_file(host).as_bytes())?;
        crate::due::make_dir(dir)?;
        Site::open(dir)
    }

    /// The same with the database on a server. Nothing is made when that cannot be reached. Also
    /// returns whether the site was there already, so that this host joins it.
    pub fn init_on(dir: &Path, host: &str, server: &str) -> Result<(Site, bool), StoreError> {
        let is_there = Store::reach(dir, server)?;
        let site = Site::init(dir, host)?;
        Config::set(&site.config_file(), "store.url", server)?;
        // The lists of a site that is there already may want newsgroups to be looked at.
        crate::Due::GateNews.mark(dir)?;
        Ok((Site::open(dir)?, is_there))
    }

    /// Reads a site's settings.
    pub fn open(dir: &Path) -> Result<Site, StoreError> {
        let file = Site::config_file_in(dir);
        // Before they are read: a change in between is seen by the next look.
        let stamp = Stamp::of(dir);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::NoSite(dir.to_owned()));
            }
            text => text.map_err(StoreError::io("read", &file))?,
        };
        let config = Config::read(&file, &text)?;
        Ok(Site { dir: dir.to_owned(), config, text, mark: OnceLock::new(), stamp })
    }

    /// As if the settings had been read a while after they were written.
    #[cfg(test)]
    pub(crate) fn read_later(mut self) -> Site {
        self.stamp.iter_mut().for_each(|stamp| stamp.seen += 10 * TICK);
        self
    }

    /// By what the file of these settings is told from a later one.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// By what these settings are told from others, for [`LiveSite`](crate::LiveSite) and those who
    /// look after its process.
    pub fn mark(&self) -> &str {
        self.mark.get_or_init(|| Site::mark_of(self.text.as_bytes()))
    }

    /// The mark of settings that are written like this.
    pub fn mark_of(text: &[u8]) -> String {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The settings' file.
    pub fn config_file(&self) -> PathBuf {
        Site::config_file_in(&self.dir)
    }

    /// The file of the settings in a site's directory.
    pub fn config_file_in(dir: &Path) -> PathBuf {
        dir.join("dormouse.toml")
    }

    /// The server that has the database, if it is not a file of the site.
    pub(crate) fn server(&self) -> Result<Option<Arc<Address>>, StoreError> {
        if !self.is_shared() {
            return Ok(None);
        }
        let Config { store_url, store_password_file, .. } = &self.config;
        Address::read(store_url.trim(), store_password_file, &self.dir)
            .map(|address| Some(Arc::new(address)))
            .map_err(|problem| StoreError::Config {
                path: self.config_file(),
                problem: format!("store.url: {problem}"),
            })
    }

    /// Whether the database is on a server, where other hosts may work on it, too.
    pub fn is_shared(&self) -> bool {
        !self.config.store_url.trim().is_empty()
    }

    /// Where the database is: its file, or the URL of its server without the password.
    pub fn database_name(&self) -> String {
        match self.server() {
            Ok(Some(server)) => server.shown().to_owned(),
            _ => self.database().display().to_string(),
        }
    }

    /// The database's file, where it is not on a server.
    pub fn database(&self) -> PathBuf {
        database_in(&self.dir)
    }

    /// The file for mail to the addresses of the site itself that nobody has: what comes back from
    /// those who would hear of what came back. Mailman calls it the same, in `data/`.
    pub fn owner_bounces(&self) -> PathBuf {
        owner_bounces_in(&self.dir)
    }

    /// The queues' directory.
    pub fn qfiles(&self) -> PathBuf {
        qfiles_in(&self.dir)
    }

    /// The directory of a list's archive, as Mailman lays it out (docs/spec/archives.md §2).
    pub fn archive_dir(&self, list: &str) -> PathBuf {
        self.dir.join("archives/private").join(list)
    }

    /// A path from the settings: relative ones start at the site's directory.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// The file for Prometheus, if there is to be one.
    pub fn metrics_file(&self) -> Option<PathBuf> {
        let file = self.config.metrics_file.trim();
        (!file.is_empty()).then(|| self.resolve(file))
    }
}

/// The database's file in a site's directory.
pub(crate) fn database_in(dir: &Path) -> PathBuf {
    dir.join("dormouse.db")
}

/// The queues' directory in a site's directory.
pub fn qfiles_in(dir: &Path) -> PathBuf {
    dir.join("qfiles")
}

/// [`Site::owner_bounces`] in a site's directory.
pub fn owner_bounces_in(dir: &Path) -> PathBuf {
    dir.join("owner-bounces.mbox")
}
