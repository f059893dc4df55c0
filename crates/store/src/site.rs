//! A site's directory: `dormouse.toml`, `dormouse.db`, `qfiles/`.

use crate::config::replace;
use crate::db::postgres::Address;
use crate::{Config, ListName, Store, StoreError};
use std::fmt;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// The mode of a site's directory: others can only pass through it to public archives, and new
/// files get its group.
pub const DIR_MODE: u32 = 0o2771;

/// A site's directory with its settings.
#[derive(Debug, Clone)]
pub struct Site {
    dir: PathBuf,
    config: Config,
    text: String,
    mark: OnceLock<String>,
    stamp: Option<Stamp>,
}

/// The attributes of the settings file that show, without reading it, whether it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    seen: SystemTime,
}

/// The resolution of file times: two changes within this time may look like one.
const TICK: Duration = Duration::from_secs(1);

impl Stamp {
    /// Returns the current stamp of a site's settings file; `None` if there is no file.
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

    /// Whether the file was old enough when it was examined that any later change is visible.
    pub fn is_settled(&self) -> bool {
        let seen = self.seen.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = u64::try_from(self.changed.0).map_or(Duration::ZERO, Duration::from_secs);
        seen >= changed + 2 * TICK
    }

    /// Whether both describe the same state of the file.
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
    /// Creates a site in a directory, and the directory if necessary. `host` is the host name of
    /// its lists.
    pub fn init(dir: &Path, host: &str) -> Result<Site, StoreError> {
        Site::make_dir(dir)?;
        Store::create(dir)?;
        // Last, so that there is no site without a database.
        Site::settle(dir, host)?;
        Site::open(dir)
    }

    /// As [`Site::init`], with the database on a server. Nothing is created if the server cannot be
    /// used. Also returns whether the database already had a site, which this host joins.
    pub fn init_on(dir: &Path, host: &str, server: &str) -> Result<(Site, bool), StoreError> {
        Site::must_be_new(dir)?;
        let is_there = Store::reach(dir, server)?;
        Site::make_dir(dir)?;
        Site::settle(dir, host)?;
        Config::set(&Site::config_file_in(dir), "store.url", server)?;
        // The lists of an existing site may have gateways from newsgroups.
        crate::Due::GateNews.mark(dir)?;
        Ok((Site::open(dir)?, is_there))
    }

    fn must_be_new(dir: &Path) -> Result<(), StoreError> {
        match Site::config_file_in(dir).exists() {
            true => Err(StoreError::SiteExists(dir.to_owned())),
            false => Ok(()),
        }
    }

    fn make_dir(dir: &Path) -> Result<(), StoreError> {
        Site::must_be_new(dir)?;
        let is_new = !dir.exists();
        fs::create_dir_all(dir).map_err(StoreError::io("make the directory", dir))?;
        if is_new {
            fs::set_permissions(dir, Permissions::from_mode(DIR_MODE))
                .map_err(StoreError::io("set the mode of", dir))?;
        }
        Ok(())
    }

    /// Writes the settings of a new site.
    fn settle(dir: &Path, host: &str) -> Result<(), StoreError> {
        replace(&Site::config_file_in(dir), Config::new_file(host).as_bytes())?;
        crate::due::make_dir(dir)
    }

    /// Reads a site's settings.
    pub fn open(dir: &Path) -> Result<Site, StoreError> {
        let file = Site::config_file_in(dir);
        // Before reading, so that a change in between is noticed the next time.
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

    /// Pretends that the settings were read some time after they were written.
    #[cfg(test)]
    pub(crate) fn read_later(mut self) -> Site {
        self.stamp.iter_mut().for_each(|stamp| stamp.seen += 10 * TICK);
        self
    }

    /// Returns the stamp of the file that was read.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// Returns a hash of the settings, for [`LiveSite`](crate::LiveSite) and supervisors of its
    /// process.
    pub fn mark(&self) -> &str {
        self.mark.get_or_init(|| Site::mark_of(self.text.as_bytes()))
    }

    /// Returns the hash of the text of a settings file.
    pub fn mark_of(text: &[u8]) -> String {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Returns the site's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the path of the settings file.
    pub fn config_file(&self) -> PathBuf {
        Site::config_file_in(&self.dir)
    }

    /// Returns the path of the settings file in a site's directory.
    pub fn config_file_in(dir: &Path) -> PathBuf {
        dir.join("dormouse.toml")
    }

    /// Returns the address of the database server, if the database is not a file.
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

    /// Whether the database is on a server, where other hosts may use it, too.
    pub fn is_shared(&self) -> bool {
        !self.config.store_url.trim().is_empty()
    }

    /// Returns the database's file, or the URL of its server without the password.
    pub fn database_name(&self) -> String {
        match self.server() {
            Ok(Some(server)) => server.shown().to_owned(),
            _ => self.database().display().to_string(),
        }
    }

    /// Returns the path of the database's file, which exists only if it is not on a server.
    pub fn database(&self) -> PathBuf {
        database_in(&self.dir)
    }

    /// Returns the path of the mbox for bounces of notices to the site's own addresses, which
    /// nobody could be notified about. Mailman has a file with the same name in `data/`.
    pub fn owner_bounces(&self) -> PathBuf {
        owner_bounces_in(&self.dir)
    }

    /// Returns the queues' directory.
    pub fn qfiles(&self) -> PathBuf {
        qfiles_in(&self.dir)
    }

    /// Returns the directory of a list's archive, in Mailman's layout (docs/spec/archives.md §2).
    pub fn archive_dir(&self, list: &ListName) -> PathBuf {
        self.dir.join("archives/private").join(list)
    }

    /// Resolves a path from the settings: relative ones start at the site's directory.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// Returns the path of the file for Prometheus, if one is set.
    pub fn metrics_file(&self) -> Option<PathBuf> {
        let file = self.config.metrics_file.trim();
        (!file.is_empty()).then(|| self.resolve(file))
    }
}

/// Returns the path of the database's file in a site's directory.
pub(crate) fn database_in(dir: &Path) -> PathBuf {
    dir.join("dormouse.db")
}

/// Returns the queues' directory in a site's directory.
pub fn qfiles_in(dir: &Path) -> PathBuf {
    dir.join("qfiles")
}

/// As [`Site::owner_bounces`], for a site's directory.
pub fn owner_bounces_in(dir: &Path) -> PathBuf {
    dir.join("owner-bounces.mbox")
}
