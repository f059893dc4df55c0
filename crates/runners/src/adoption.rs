//! The spool of a dead host is adopted by another one, and given up by the host when it returns.
//!
//! The database of the site decides, in one commit: which spool has adopted which, and its entries.
//! Before that nothing has happened; after it the entries are the adopter's, whichever process dies.

use crate::Shared;
use dormouse_membership::RunError;
use dormouse_spool::{Estate, Identity, Queue, Spool, SpoolError, clock, fault};
use dormouse_store::{AdoptedSpool, Read, Store, StoreError};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// The result of an adoption.
#[derive(Debug)]
pub struct Adoption {
    /// How many entries each queue had.
    pub counts: Vec<(Queue, usize)>,
    /// How many were put into the queues by this process.
    pub entries: usize,
    /// What is not a file, and was left there.
    pub odd: Vec<PathBuf>,
    /// Whether the dead host will know of it when it returns.
    pub returns_knowing: bool,
    /// Whether it had been decided before, by a process that died then.
    pub was_decided: bool,
}

/// Why a spool is not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// It is the host's own.
    #[error("{} is this host's own spool", .0.display())]
    Own(PathBuf),
    /// Its entries are on another host.
    #[error("{}: adopted by {host} already, at {at}; that host has its entries", dir.display())]
    ByAnother {
        /// The spool.
        dir: PathBuf,
        /// Which host.
        host: String,
        /// When.
        at: jiff::Timestamp,
    },
    /// Another process of this host is adopting a spool.
    #[error("{}: another process is adopting a spool at this moment; try again when it has ended", .0.display())]
    Busy(PathBuf),
    /// A spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdoptionError {
    /// The exit code.
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

/// Adopts the spool in a directory: a copy of a dead host's qfiles, or its own. It is not changed. An
/// adoption whose process was killed is continued.
///
/// # Errors
/// See [`AdoptionError`]; nothing is in a queue of this host then, unless it was decided before.
pub fn adopt(spool: &Spool, store: &Store, dir: &Path) -> Result<Adoption, AdoptionError> {
    let inner = dir.join("qfiles");
    let dir = if inner.is_dir() { inner } else { dir.to_owned() };
    spool.create()?;
    // Two would stage the same files in the same place.
    let _turn = take_turn(spool)?;
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
            let at = jiff::Timestamp::from_second(adopted.adopted_at as i64).unwrap_or_default();
            Err(AdoptionError::ByAnother { dir, host: adopted.host, at })
        }
        _ => {
            adoption.entries = spool.take_adopted(&estate.id)?;
            Ok(adoption)
        }
    }
}

/// The file whose lock says that a process is adopting.
const TURN: &str = ".adopting.lock";

fn take_turn(spool: &Spool) -> Result<File, AdoptionError> {
    let path = spool.root().join(TURN);
    let failed = |action, source| SpoolError::Io { action, path: path.clone(), source };
    let file = OpenOptions::new().create(true).append(true).mode(0o660).open(&path);
    let file = file.map_err(|source| failed("open", source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AdoptionError::Busy(path)),
        Err(TryLockError::Error(source)) => Err(failed("lock", source).into()),
    }
}

/// Records that this spool has adopted the other, unless another one was faster.
fn decide(store: &Store, estate: &Estate, own: &str) -> Result<(), StoreError> {
    record(store, &estate.id, own, estate.names())
}

fn record(store: &Store, id: &str, adopter: &str, entries: Vec<String>) -> Result<(), StoreError> {
    let adopted = AdoptedSpool {
        id: id.to_owned(),
        adopter: adopter.to_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        adopted_at: clock::seconds(),
        entries,
    };
    store.write(|tx| tx.adopt_spool(&adopted).map(drop))
}

/// In the place of an adopter: nobody, because the host has returned.
const RETURNED: &str = "returned";

/// A host that was down goes on with another identity, so that a copy of its spool from before cannot be
/// adopted any more.
fn come_back(spool: &Spool, store: &Store, identity: Identity) -> Result<Identity, RunError> {
    if identity.was_asked() || !identity.was_ever_asked() {
        return Ok(identity);
    }
    record(store, &identity.id, RETURNED, Vec::new())?;
    fault::point("adopt.returned");
    // Another host may have been faster.
    give_up(spool, store, &identity)?;
    Ok(spool.identity()?)
}

/// Gives up what another host has adopted.
fn give_up(spool: &Spool, store: &Store, identity: &Identity) -> Result<(), RunError> {
    let Some(adopted) = store.read().adopted_spool(&identity.id)? else { return Ok(()) };
    if adopted.adopter == RETURNED {
        // Under the identity that it loses now it may have adopted one without having the entries yet.
        take_decided(spool, store.read(), &identity.id)?;
    }
    let count = spool.give_up(adopted.entries.iter().map(String::as_str))?;
    if adopted.adopter != RETURNED {
        tracing::warn!(
            "this host's queues were adopted by {}: {count} entries are given up, and processed there",
            adopted.host
        );
    }
    Ok(())
}

/// Before anything is taken from the spool: gives up what another host has adopted, and takes what this
/// one has. Asks the database if there is anything in the queues.
///
/// # Errors
/// When the database cannot be asked and the machine was down since it was: then nothing may be taken.
pub(crate) fn respect(shared: &Shared<'_>, store: impl FnOnce() -> Asked) -> Result<(), RunError> {
    let spool = shared.spool;
    if !shared.site.is_shared() || !spool.has_anything()? {
        return Ok(());
    }
    let identity = spool.identity()?;
    let store = match store() {
        // It was asked, and this machine is not one that returns.
        Err(error) if error.is_away() && identity.was_asked() => return Ok(()),
        store => store?,
    };
    give_up(spool, &store, &identity)?;
    let identity = come_back(spool, &store, spool.identity()?)?;
    spool.note_asked(&identity)?;
    take_decided(spool, store.read(), &identity.id)
}

/// Puts into the queues what this spool, under that identity, has adopted without doing so, and removes
/// copies of what others have by now.
fn take_decided(spool: &Spool, store: &Read, own: &str) -> Result<(), RunError> {
    for id in spool.adopting()? {
        let Some(adopted) = store.adopted_spool(&id)? else { continue };
        if adopted.adopter == own {
            spool.take_adopted(&id)?;
        } else if let Ok(_turn) = take_turn(spool) {
            spool.forget_copy(&id)?;
        }
    }
    Ok(())
}

/// The database, opened to ask it.
pub(crate) type Asked = Result<std::rc::Rc<Store>, StoreError>;
