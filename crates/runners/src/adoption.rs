//! A host adopts the spool of a dead one, which gives the entries up when it returns.
//!
//! One commit in the site's database decides: it records which spool has adopted which, and its
//! entries. Before it nothing has happened; after it the entries belong to the adopter, whichever
//! process dies.

use crate::Shared;
use crate::lock_file::LockFile;
use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_spool::{Estate, Identity, Queue, Spool, SpoolError, fault};
use dormouse_store::{AdoptedSpool, Read, Store, StoreError};
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// The result of an adoption.
#[derive(Debug)]
pub struct Adoption {
    /// The number of entries in each queue of the adopted spool.
    pub counts: Vec<(Queue, usize)>,
    /// The number of entries that this process moved into the queues.
    pub entries: usize,
    /// Names that are not regular files, which stay where they are.
    pub odd: Vec<PathBuf>,
    /// Whether the spool has an identity, so that the dead host will know of the adoption when it
    /// returns.
    pub returns_knowing: bool,
    /// Whether an earlier process, which died, had already decided it.
    pub was_decided: bool,
}

/// Why a spool is not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// It is this host's own spool.
    #[error("{} is this host's own spool", .0.display())]
    Own(PathBuf),
    /// Another host has adopted it.
    #[error("{}: adopted by {host} already, at {at}; that host has its entries", dir.display())]
    ByAnother {
        /// The spool.
        dir: PathBuf,
        /// The name of the adopter.
        host: String,
        /// The time of the adoption.
        at: jiff::Timestamp,
    },
    /// Another process of this host is adopting a spool.
    #[error("{}: another process is adopting a spool; try again when it has ended", .0.display())]
    Busy(PathBuf),
    /// One of the two spools failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdoptionError {
    /// Returns the exit code.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            AdoptionError::Own(_) => ExitCode::Usage,
            AdoptionError::ByAnother { .. } => ExitCode::DataErr,
            AdoptionError::Busy(_) => ExitCode::TempFail,
            AdoptionError::Spool(error) => error.sysexit(),
            AdoptionError::Store(error) => error.sysexit(),
        }
    }
}

/// Adopts the spool in a directory: a copy of a dead host's qfiles, or the original. The directory
/// is not changed. An adoption whose process was killed is continued.
///
/// # Errors
/// See [`AdoptionError`]. After an error no entry is in a queue of this host, unless the adoption
/// was already decided.
pub fn adopt(spool: &Spool, store: &Store, dir: &Path) -> Result<Adoption, AdoptionError> {
    let inner = dir.join("qfiles");
    let dir = if inner.is_dir() { inner } else { dir.to_owned() };
    spool.create()?;
    // Two processes would stage the same files in the same place.
    let _lock = lock(spool)?;
    let own = spool.identity()?.id;
    let mut estate = Estate::of(&dir)?;
    if estate.id == own {
        return Err(AdoptionError::Own(dir));
    }
    for id in estate.undecided()? {
        if store.read().adopted_spool(&id)?.is_some_and(|adopted| adopted.adopter == estate.id) {
            estate.add_decided(&id)?;
        }
    }
    let mut adoption = Adoption {
        counts: estate.counts(),
        entries: 0,
        odd: std::mem::take(&mut estate.odd),
        returns_knowing: estate.has_identity,
        was_decided: store.read().adopted_spool(&estate.id)?.is_some(),
    };
    if !adoption.was_decided {
        estate.copy_to(spool)?;
        fault::point("adopt.staged");
        decide(store, &estate, &own)?;
        fault::point("adopt.decided");
    }
    match store.read().adopted_spool(&estate.id)? {
        Some(adopted) if adopted.adopter != own => {
            let at = jiff::Timestamp::from_second(adopted.adopted_at.whole_seconds())
                .unwrap_or_default();
            Err(AdoptionError::ByAnother { dir, host: adopted.host, at })
        }
        _ => {
            adoption.entries = spool.take_adopted(&estate.id)?;
            Ok(adoption)
        }
    }
}

/// The lock file of an adopting process.
const LOCK: &str = ".adopting.lock";

fn lock(spool: &Spool) -> Result<LockFile, AdoptionError> {
    let path = spool.root().join(LOCK);
    match LockFile::take(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(AdoptionError::Busy(path)),
        Err(source) => Err(SpoolError::Io { action: "lock", path, source }.into()),
    }
}

/// Records that this spool has adopted the other, unless another spool already has.
fn decide(store: &Store, estate: &Estate, own: &str) -> Result<(), StoreError> {
    record(store, &estate.id, own, estate.names())
}

fn record(store: &Store, id: &str, adopter: &str, entries: Vec<String>) -> Result<(), StoreError> {
    let adopted = AdoptedSpool {
        id: id.to_owned(),
        adopter: adopter.to_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        adopted_at: Timestamp::now(),
        entries,
    };
    store.write(|tx| tx.adopt_spool(&adopted).map(drop))
}

/// Recorded instead of an adopter: the host has returned, and nobody may adopt this identity.
const RETURNED: &str = "returned";

/// After a restart of its machine, gives the host a new identity, so that earlier copies of its
/// spool can no longer be adopted.
fn come_back(spool: &Spool, store: &Store, identity: Identity) -> Result<Identity, RunError> {
    if identity.was_asked() || !identity.was_ever_asked() {
        return Ok(identity);
    }
    record(store, &identity.id, RETURNED, Vec::new())?;
    fault::point("adopt.returned");
    // Another host may have adopted it first.
    give_up(spool, store, &identity)?;
    Ok(spool.identity()?)
}

/// Removes the entries that another host has adopted.
fn give_up(spool: &Spool, store: &Store, identity: &Identity) -> Result<(), RunError> {
    let Some(adopted) = store.read().adopted_spool(&identity.id)? else { return Ok(()) };
    if adopted.adopter == RETURNED {
        // Under its old identity it may have adopted a spool whose entries are not in its queues
        // yet.
        take_decided(spool, store.read(), &identity.id)?;
    }
    let count = spool.give_up(adopted.entries.iter().map(String::as_str))?;
    if adopted.adopter != RETURNED {
        tracing::warn!(
            "this host's queues were adopted by {}; {count} entries are removed here and processed there",
            adopted.host
        );
    }
    Ok(())
}

/// Called before anything is claimed: removes entries that another host has adopted, and completes
/// this host's own adoptions. Asks the database only if there is anything in the queues.
///
/// # Errors
/// If the database cannot be asked and the machine was restarted since it was last asked: then
/// nothing may be claimed.
pub(crate) fn respect(
    shared: &Shared<'_>,
    store: impl FnOnce() -> OpenedStore,
) -> Result<(), RunError> {
    let spool = shared.spool;
    if !shared.site.is_shared() || !spool.has_anything()? {
        return Ok(());
    }
    let identity = spool.identity()?;
    let store = match store() {
        // The database was asked since the machine started, so this is not a host that returns.
        Err(error) if error.is_away() && identity.was_asked() => return Ok(()),
        store => store?,
    };
    give_up(spool, &store, &identity)?;
    let identity = come_back(spool, &store, spool.identity()?)?;
    spool.note_asked(&identity)?;
    take_decided(spool, store.read(), &identity.id)
}

/// Moves the entries that this spool has adopted under that identity into the queues, and removes
/// copies of spools that others have adopted.
fn take_decided(spool: &Spool, store: &Read, own: &str) -> Result<(), RunError> {
    for id in spool.adopting()? {
        let Some(adopted) = store.adopted_spool(&id)? else { continue };
        if adopted.adopter == own {
            spool.take_adopted(&id)?;
        } else if let Ok(_lock) = lock(spool) {
            spool.forget_copy(&id)?;
        }
    }
    Ok(())
}

/// The result of opening the database.
pub(crate) type OpenedStore = Result<std::rc::Rc<Store>, StoreError>;
