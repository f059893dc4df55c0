//! The directories and files of a Mailman site (docs/spec/pickles.md §2).

use crate::TakeoverError;
use crate::mm_cfg::MmCfg;
use std::path::{Path, PathBuf};

/// The directories and files of a Mailman site.
#[derive(Debug, Clone)]
pub struct OldSite {
    /// The directory that contains the others.
    pub root: PathBuf,
    /// One directory for each list.
    pub lists: PathBuf,
    /// The queues.
    pub qfiles: PathBuf,
    /// `private/` and `public/` archives.
    pub archives: PathBuf,
    /// Held posts, passwords, aliases.
    pub data: PathBuf,
    /// Locks.
    pub locks: PathBuf,
    /// Texts that replace Mailman's, by language or host.
    pub templates: PathBuf,
    /// The file with the master's process number.
    pub pid_file: PathBuf,
    /// The site's own settings, if there is a file of them.
    pub mm_cfg: Option<PathBuf>,
    /// The settings, as far as they were understood.
    pub settings: MmCfg,
}

/// Where distributions install Mailman's program (Debian and Red Hat, Arch, FreeBSD's and Mailman's
/// own default).
const PROGRAMS: [&str; 3] = ["/usr/lib/mailman", "/usr/local/mailman", "/opt/mailman"];

/// Where distributions keep `mm_cfg.py`, if elsewhere.
const ETC: [&str; 2] = ["/etc/mailman", "/usr/local/etc/mailman"];

/// Where distributions keep Mailman's data.
const SYSTEM_ROOTS: [&str; 3] = ["/var/lib/mailman", "/usr/local/mailman", "/var/mailman"];

impl OldSite {
    /// Finds everything below a directory, and the settings there or, for a distribution's
    /// directory, where that keeps them.
    ///
    /// # Errors
    /// [`TakeoverError::NoMailman`] if it has no lists.
    pub fn find(root: &Path, mm_cfg: Option<&Path>) -> Result<OldSite, TakeoverError> {
        let is_systems = SYSTEM_ROOTS.iter().any(|system| root == Path::new(system));
        let own = match mm_cfg {
            Some(path) => Some(path.to_owned()),
            None => settings_file(root, "mm_cfg.py", is_systems),
        };
        let defaults = settings_file(root, "Defaults.py", is_systems);
        let settings = MmCfg::read(defaults.as_deref(), own.as_deref())?;
        // The usual place below the root, or where the settings say: in this order, so that a copy
        // of a site does not lead to the running one.
        let place = |usual: &str, name: &str| {
            let below = root.join(usual);
            let set = settings.text(name).map(PathBuf::from).filter(|path| path.is_dir());
            if below.is_dir() { below } else { set.filter(|_| is_systems).unwrap_or(below) }
        };
        let site = OldSite {
            lists: place("lists", "LIST_DATA_DIR"),
            qfiles: place("qfiles", "QUEUE_DIR"),
            archives: root.join("archives"),
            data: place("data", "DATA_DIR"),
            locks: place("locks", "LOCK_DIR"),
            templates: place("templates", "TEMPLATE_DIR"),
            pid_file: root.join("data/master-qrunner.pid"),
            root: root.to_owned(),
            mm_cfg: own,
            settings,
        };
        if !site.lists.is_dir() {
            return Err(TakeoverError::NoMailman(root.to_owned()));
        }
        let pid_file = site.settings.text("PIDFILE").map(PathBuf::from);
        let pid_file = pid_file.filter(|path| is_systems && path.exists());
        Ok(OldSite { pid_file: pid_file.unwrap_or_else(|| site.pid_file.clone()), ..site })
    }

    /// Returns a path in reports: relative to the root if possible.
    pub fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

fn settings_file(root: &Path, name: &str, is_systems: bool) -> Option<PathBuf> {
    let below = [root.join("Mailman").join(name), root.join(name)];
    let programs = PROGRAMS.iter().map(|dir| Path::new(dir).join("Mailman").join(name));
    let etc = ETC.iter().map(|dir| Path::new(dir).join(name));
    let systems = etc.chain(programs).filter(|_| is_systems);
    below.into_iter().chain(systems).find(|path| path.is_file())
}
