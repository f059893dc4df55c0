//! A spool's identity, which stays the same wherever its directory is copied or mounted: the file
//! `.id`.
//!
//! The file also records during which boot of the machine the database was last asked whether
//! another host has adopted the spool ([`crate::adopt`]). A host that cannot ask, but has not been
//! down since, may continue.

use crate::{Spool, SpoolError, durable, fault, name};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The file's name.
const FILE: &str = ".id";
/// The system's identifier of the current boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A spool's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Unique, and without meaning.
    pub id: String,
    /// When the question was last asked.
    asked: String,
}

impl Identity {
    fn new() -> Identity {
        Identity {
            id: format!("{:016x}{:016x}", name::random(), name::random()),
            asked: String::new(),
        }
    }

    /// Reads the identity of the spool in a directory, if it has one.
    pub(crate) fn read(root: &Path) -> Result<Option<Identity>, SpoolError> {
        let path = root.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SpoolError::io("read", &path)(error)),
        };
        let mut lines = text.lines().map(str::to_owned);
        let id = lines.next().filter(|id| !id.is_empty());
        Ok(id.map(|id| Identity { id, asked: lines.next().unwrap_or_default() }))
    }

    /// Whether the question was asked since the machine was started.
    pub fn was_asked(&self) -> bool {
        self.was_ever_asked() && self.asked == boot()
    }

    /// Whether it was asked at all.
    pub fn was_ever_asked(&self) -> bool {
        !self.asked.is_empty()
    }
}

fn boot() -> String {
    fs::read_to_string(BOOT).map(|text| text.trim().to_owned()).unwrap_or_default()
}

impl Spool {
    /// The spool's identity, which is created if it has none.
    pub fn identity(&self) -> Result<Identity, SpoolError> {
        match Identity::read(self.root())? {
            Some(identity) => Ok(identity),
            None => self.put_identity(Identity::new(), Keep::Existing),
        }
    }

    /// Records that no host has adopted the spool, as far as is known now.
    pub fn note_asked(&self, identity: &Identity) -> Result<(), SpoolError> {
        if identity.was_asked() {
            return Ok(());
        }
        let asked = Identity { id: identity.id.clone(), asked: boot() };
        self.put_identity(asked, Keep::Nothing).map(drop)
    }

    /// Gives the spool another identity, after the adopted entries are gone.
    pub(crate) fn renew_identity(&self) -> Result<(), SpoolError> {
        self.put_identity(Identity::new(), Keep::Nothing).map(drop)
    }

    fn put_identity(&self, identity: Identity, keep: Keep) -> Result<Identity, SpoolError> {
        let path = self.root().join(FILE);
        let draft: PathBuf = self.root().join(format!("{FILE}.{:016x}", name::random()));
        let text = format!("{}\n{}\n", identity.id, identity.asked);
        let mut file = durable::create_locked(&draft)?;
        durable::write(&mut file, &draft, text.as_bytes())
            .and_then(|()| durable::sync(&file, &draft))?;
        fault::point("identity.written");
        let placed = match keep {
            // Another process may have been faster: then its identity is the spool's.
            Keep::Existing => fs::hard_link(&draft, &path),
            Keep::Nothing => fs::rename(&draft, &path),
        };
        let is_ours = match placed {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(SpoolError::io("write", &path)(error)),
        };
        durable::unlink(&draft)?;
        File::open(self.root())
            .and_then(|dir| dir.sync_all())
            .map_err(SpoolError::io("sync the directory", self.root()))?;
        if is_ours {
            return Ok(identity);
        }
        Ok(Identity::read(self.root())?.unwrap_or(identity))
    }
}

/// What happens to an existing identity.
#[derive(Debug, Clone, Copy)]
enum Keep {
    Existing,
    Nothing,
}
