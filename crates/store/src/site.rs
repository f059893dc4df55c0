//! A site's directory: `dormouse.toml`, `dormouse.db`, `qfiles/`.

use crate::config::replace;
use crate::{Config, StoreError};
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Others may pass through, to public archives, but see nothing; what is made in it belongs to its
/// group.
pub const DIR_MODE: u32 = 0o2771;

/// A site.
#[derive(Debug, Clone)]
pub struct Site {
    dir: PathBuf,
    config: Config,
    mark: String,
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

    /// Reads a site's settings.
    pub fn open(dir: &Path) -> Result<Site, StoreError> {
        let file = Site::config_file_in(dir);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::NoSite(dir.to_owned()));
            }
            text => text.map_err(StoreError::io("read", &file))?,
        };
        let config = Config::read(&file, &text)?;
        Ok(Site { dir: dir.to_owned(), config, mark: Site::mark_of(text.as_bytes()) })
    }

    /// By what these settings are told from others, for [`LiveSite`](crate::LiveSite) and those who
    /// look after its process.
    pub fn mark(&self) -> &str {
        &self.mark
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

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.dir.join("dormouse.db")
    }

    /// The file for mail to the addresses of the site itself that nobody has: what comes back from
    /// those who would hear of what came back. Mailman calls it the same, in `data/`.
    pub fn owner_bounces(&self) -> PathBuf {
        self.dir.join("owner-bounces.mbox")
    }

    /// The queues' directory.
    pub fn qfiles(&self) -> PathBuf {
        self.dir.join("qfiles")
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
