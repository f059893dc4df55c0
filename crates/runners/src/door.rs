//! What intake needs of a site: a few settings, and the lists.

mod site;

use crate::refusal::IntakeRefusal;
use dormouse_spool::{Metadata, Spool};
use dormouse_store::{IntakeIndex, IntakeSettings, KnownList, Site, Store, StoreError};
use site::Inside;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A site as intake sees it.
pub struct Door<'d> {
    dir: PathBuf,
    spool: Spool,
    settings: IntakeSettings,
    index: Option<Arc<IntakeIndex>>,
    /// Whether the index is from before the database became unavailable.
    is_spare: bool,
    behind: Option<Box<dyn Behind + 'd>>,
}

/// The whole site, for questions that the index cannot answer. This is a trait so that a program
/// that uses only the index does not contain the database.
pub(crate) trait Behind {
    /// Returns the list of that name.
    fn list(&self, name: &str) -> Result<Option<KnownList>, StoreError>;

    /// Whether a list of that name is at any host besides the one that has the name alone.
    fn has_namesake(&self, local: &str) -> Result<bool, StoreError>;

    /// Whether any list is at that host.
    fn has_host(&self, host: &str) -> Result<bool, StoreError>;

    /// Returns the key of the entries that hosts of the site pass on; empty if there is none.
    fn archive_key(&self) -> Result<Vec<u8>, StoreError>;

    /// Returns why a list refuses a post, after recording that in the trace. If that cannot be
    /// determined, the post is accepted, and its runner decides.
    fn refusal(
        &self,
        list: &KnownList,
        message: &[u8],
        metadata: &Metadata,
    ) -> Result<Option<IntakeRefusal>, StoreError>;
}

fn spool_in(dir: &Path) -> Spool {
    Spool::new(dormouse_store::site::qfiles_in(dir))
}

impl<'d> Door<'d> {
    /// Creates a door for a process that has the site and its database open.
    pub fn of(site: &'d Site, store: &'d Store) -> Door<'d> {
        let inside = Inside::Open(site, store);
        Door {
            dir: site.dir().to_owned(),
            spool: Spool::new(site.qfiles()),
            settings: IntakeSettings::of(site),
            index: None,
            is_spare: false,
            behind: Some(Box::new(inside)),
        }
    }

    /// Creates a door for a process that stays: it uses the index as far as possible, if there is one
    /// ([`dormouse_store::LiveIndex`]), and opens the database, if nobody has, for other questions.
    pub fn live(
        site: &'d Site,
        spool: &Spool,
        index: Option<Arc<IntakeIndex>>,
        store: &'d OnceCell<Store>,
    ) -> Door<'d> {
        Door {
            dir: site.dir().to_owned(),
            spool: spool.clone(),
            settings: IntakeSettings::of(site),
            index,
            is_spare: false,
            behind: Some(Box::new(Inside::Live(site, store))),
        }
    }

    /// Creates a door for a process that accepts one mail and exits: it uses the site's
    /// [`IntakeIndex`] as far as possible. The process must not have the database open.
    ///
    /// # Errors
    /// If the site does not exist, or its settings or its database cannot be read.
    pub fn at(dir: &Path) -> Result<Door<'static>, StoreError> {
        let inside = Inside::closed(dir);
        let (mut index, mut is_spare) = (IntakeIndex::open(dir).map(Arc::new), false);
        let settings = match &index {
            Some(index) => index.settings().clone(),
            None => match inside.open() {
                Ok((site, _)) => IntakeSettings::of(site),
                // Without the database, mail is accepted for the lists that were last known.
                Err(error) if error.is_away() => {
                    let spare = index.insert(Arc::new(IntakeIndex::open_spare(dir).ok_or(error)?));
                    is_spare = true;
                    spare.settings().clone()
                }
                Err(error) => return Err(error),
            },
        };
        let behind: Option<Box<dyn Behind>> = Some(Box::new(inside));
        let (dir, spool) = (dir.to_owned(), spool_in(dir));
        Ok(Door { dir, spool, settings, index, is_spare, behind })
    }

    /// Creates a door for a program without a database, which uses only the site's [`IntakeIndex`];
    /// `None` if there is no current index. Questions that the index cannot answer are refused as
    /// [`IntakeRefusal::NotInIndex`]. The process must not have the database open.
    pub fn by_index(dir: &Path) -> Option<Door<'static>> {
        let index = IntakeIndex::open(dir)?;
        let settings = index.settings().clone();
        Some(Door {
            dir: dir.to_owned(),
            spool: spool_in(dir),
            settings,
            index: Some(Arc::new(index)),
            is_spare: false,
            behind: None,
        })
    }

    /// Creates a door with the lists that were last known, for a process whose database is
    /// unavailable now. Returns `None` if nothing is known.
    pub fn spare(dir: &Path) -> Option<Door<'static>> {
        let index = IntakeIndex::open_spare(dir)?;
        let settings = index.settings().clone();
        let behind: Option<Box<dyn Behind>> = Some(Box::new(Inside::closed(dir)));
        let index = Some(Arc::new(index));
        let (dir, spool) = (dir.to_owned(), spool_in(dir));
        Some(Door { dir, spool, settings, index, is_spare: true, behind })
    }

    /// Whether it uses an index from before the database became unavailable, so that a list may
    /// exist that it does not know.
    pub fn is_spare(&self) -> bool {
        self.is_spare
    }

    /// Returns the site's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the settings that intake needs.
    pub fn settings(&self) -> &IntakeSettings {
        &self.settings
    }

    /// Returns the site's queues.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    pub(crate) fn behind(&self) -> Result<&(dyn Behind + 'd), IntakeRefusal> {
        self.behind.as_deref().ok_or(IntakeRefusal::NotInIndex)
    }

    /// Returns the list of that name.
    ///
    /// # Errors
    /// If the database fails.
    pub fn list(&self, name: &str) -> Result<Option<KnownList>, IntakeRefusal> {
        // If the index cannot be read, the database is asked.
        if let Some(Ok(known)) = self.index.as_ref().map(|index| index.list(name)) {
            return Ok(known);
        }
        Ok(self.behind()?.list(name)?)
    }

    /// Returns the list with that address: the one of the name at that host, otherwise the only one
    /// of the name. An empty domain means any.
    ///
    /// # Errors
    /// If the database fails.
    pub fn list_by_address(
        &self,
        local: &str,
        domain: &str,
    ) -> Result<Option<KnownList>, IntakeRefusal> {
        if let Some(list) = self.list(&format!("{local}@{domain}"))? {
            return Ok(Some(list));
        }
        let Some(list) = self.list(local)? else { return Ok(None) };
        let is_here = domain.is_empty()
            || list.host.eq_ignore_ascii_case(domain)
            || !self.has_namesake(local)?;
        Ok(is_here.then_some(list))
    }

    fn has_namesake(&self, local: &str) -> Result<bool, IntakeRefusal> {
        match self.index.as_ref().map(|index| index.has_namesake(local)) {
            Some(Ok(has)) => Ok(has),
            _ => Ok(self.behind()?.has_namesake(local)?),
        }
    }

    /// Whether any list is at that host.
    ///
    /// # Errors
    /// If the database fails.
    pub fn has_host(&self, host: &str) -> Result<bool, IntakeRefusal> {
        Ok(self.behind()?.has_host(host)?)
    }
}
