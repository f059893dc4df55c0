//! What intake needs of a site: a few settings, and the lists.

use dormouse_pipeline::handlers::at_the_door;
use dormouse_spool::Spool;
use dormouse_store::{IntakeIndex, IntakeSettings, KnownList, Site, Store, StoreError};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// A site as intake sees it.
#[derive(Debug)]
pub struct Door<'d> {
    dir: PathBuf,
    settings: IntakeSettings,
    index: Option<IntakeIndex>,
    /// Whether the index is from before the database became unavailable.
    is_spare: bool,
    inside: Inside<'d>,
}

/// The whole site, for everything that is not in the index.
#[derive(Debug)]
enum Inside<'d> {
    Open(&'d Site, &'d Store),
    Closed(OnceCell<Box<(Site, Store)>>),
}

impl<'d> Door<'d> {
    /// Creates a door for a process that has the site and its database open.
    pub fn of(site: &'d Site, store: &'d Store) -> Door<'d> {
        let settings = IntakeSettings::of(site);
        Door {
            dir: site.dir().to_owned(),
            settings,
            index: None,
            is_spare: false,
            inside: Inside::Open(site, store),
        }
    }

    /// Creates a door for a process that accepts one mail and exits: it uses the site's
    /// [`IntakeIndex`] as far as possible. The process must not have the database open.
    ///
    /// # Errors If the site does not exist, or its settings or its database cannot be read.
    pub fn at(dir: &Path) -> Result<Door<'static>, StoreError> {
        let mut index = IntakeIndex::open(dir);
        let (inside, mut is_spare) = (OnceCell::new(), false);
        let settings = match &index {
            Some(index) => index.settings().clone(),
            None => match opened(&inside, dir) {
                Ok((site, _)) => IntakeSettings::of(site),
                // Without the database, mail is accepted for the lists that were last known.
                Err(error) if error.is_away() => {
                    let spare = index.insert(IntakeIndex::open_spare(dir).ok_or(error)?);
                    is_spare = true;
                    spare.settings().clone()
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Door { dir: dir.to_owned(), settings, index, is_spare, inside: Inside::Closed(inside) })
    }

    /// Creates a door with the lists that were last known, for a process whose database is
    /// unavailable now. Returns `None` if nothing is known.
    pub fn spare(dir: &Path) -> Option<Door<'static>> {
        let index = IntakeIndex::open_spare(dir)?;
        let settings = index.settings().clone();
        let inside = Inside::Closed(OnceCell::new());
        Some(Door { dir: dir.to_owned(), settings, index: Some(index), is_spare: true, inside })
    }

    /// Whether it uses an index from before the database became unavailable, so that a list may
    /// exist that it does not know.
    pub fn is_spare(&self) -> bool {
        self.is_spare
    }

    /// The site's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the settings that intake needs.
    pub fn settings(&self) -> &IntakeSettings {
        &self.settings
    }

    /// Returns the site's queues.
    pub fn spool(&self) -> Spool {
        Spool::new(dormouse_store::site::qfiles_in(&self.dir))
    }

    /// Returns the site and its database, which are opened if necessary.
    ///
    /// # Errors If they cannot be opened.
    pub fn inside(&self) -> Result<(&Site, &Store), StoreError> {
        match &self.inside {
            Inside::Open(site, store) => Ok((site, store)),
            Inside::Closed(inside) => opened(inside, &self.dir).map(|(site, store)| (site, store)),
        }
    }

    /// Returns the list of that name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list(&self, name: &str) -> Result<Option<KnownList>, StoreError> {
        // If the index cannot be read, the database is asked.
        if let Some(Ok(known)) = self.index.as_ref().map(|index| index.list(name)) {
            return Ok(known);
        }
        let (_, store) = self.inside()?;
        Ok(store.read().list(name)?.map(|list| KnownList {
            may_refuse: at_the_door::may_refuse(&list),
            host: list.settings.host_name,
            name: list.name,
        }))
    }

    /// Returns the list with that address: the one of the name at that host, otherwise the only one
    /// of the name. An empty domain means any.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list_by_address(
        &self,
        local: &str,
        domain: &str,
    ) -> Result<Option<KnownList>, StoreError> {
        if let Some(list) = self.list(&format!("{local}@{domain}"))? {
            return Ok(Some(list));
        }
        let Some(list) = self.list(local)? else { return Ok(None) };
        let is_here = domain.is_empty()
            || list.host.eq_ignore_ascii_case(domain)
            || !self.has_namesake(local)?;
        Ok(is_here.then_some(list))
    }

    fn has_namesake(&self, local: &str) -> Result<bool, StoreError> {
        match self.index.as_ref().map(|index| index.has_namesake(local)) {
            Some(Ok(has)) => Ok(has),
            _ => Ok(self.inside()?.1.read().has_namesake(local)),
        }
    }

    /// Whether any list is at that host.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_host(&self, host: &str) -> Result<bool, StoreError> {
        let (_, store) = self.inside()?;
        store.read().has_host(host)
    }
}

fn opened<'i>(
    inside: &'i OnceCell<Box<(Site, Store)>>,
    dir: &Path,
) -> Result<&'i (Site, Store), StoreError> {
    if let Some(open) = inside.get() {
        return Ok(open);
    }
    let site = Site::open(dir)?;
    let store = Store::open_read_only(&site)?;
    Ok(inside.get_or_init(|| Box::new((site, store))))
}
