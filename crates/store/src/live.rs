//! Reloading of settings in long-running processes, between two pieces of work.

use crate::site::Stamp;
use crate::{Site, StoreError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A site whose settings are reloaded when their file has changed.
pub struct LiveSite {
    dir: PathBuf,
    now: Mutex<Now>,
    take: Box<Take>,
}

/// Says why a process cannot work with these settings.
type Take = dyn Fn(&Site) -> Result<(), String> + Send + Sync;

struct Now {
    site: Arc<Site>,
    stamp: Option<Stamp>,
}

impl std::fmt::Debug for LiveSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveSite").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl LiveSite {
    /// Reads a site's settings. `take` checks whether the process can work with them, now and after
    /// each change.
    ///
    /// # Errors
    /// If they cannot be read, or `take` rejects them.
    pub fn open(
        dir: &Path,
        take: impl Fn(&Site) -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<LiveSite, StoreError> {
        let site = Arc::new(Site::open(dir)?);
        take(&site).map_err(StoreError::Setting)?;
        let stamp = site.stamp().cloned();
        let now = Mutex::new(Now { site, stamp });
        Ok(LiveSite { dir: dir.to_owned(), now, take: Box::new(take) })
    }

    /// Returns the site with its current settings. Invalid settings, for example while somebody is
    /// editing them, are logged once and have no effect, because mail must go on.
    pub fn now(&self) -> Arc<Site> {
        let mut now = self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let stamp = Stamp::of(&self.dir);
        let is_same = match (&stamp, &now.stamp) {
            (Some(stamp), Some(known)) => stamp.is_as(known),
            (stamp, known) => stamp.is_none() && known.is_none(),
        };
        if !is_same {
            now.stamp = stamp;
            let read = Site::open(&self.dir).map_err(|error| error.to_string());
            match read.and_then(|site| (self.take)(&site).map(|()| site)) {
                Ok(site) if site.mark() == now.site.mark() => {}
                Ok(site) => {
                    tracing::info!("the settings were reloaded");
                    now.site = Arc::new(site);
                }
                Err(problem) => tracing::error!("the old settings remain in effect: {problem}"),
            }
        }
        Arc::clone(&now.site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use std::fs;

    #[test]
    fn changed_settings_are_taken_and_wrong_ones_are_not() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "one.example").unwrap();
        let live = LiveSite::open(home.path(), |site| match site.config().host.as_str() {
            "never.example" => Err("not with me".to_owned()),
            _ => Ok(()),
        })
        .unwrap();
        let first = live.now();
        assert!(Arc::ptr_eq(&first, &live.now()), "nothing is read twice");
        let set = |host: &str| Config::set(&site.config_file(), "host", host).map(drop).unwrap();
        set("two.example");
        assert_eq!(live.now().config().host, "two.example");
        assert_ne!(live.now().mark(), first.mark());
        // An editor that writes in place leaves invalid settings for a moment.
        fs::write(site.config_file(), "host = ").unwrap();
        assert_eq!(live.now().config().host, "two.example");
        fs::remove_file(site.config_file()).unwrap();
        assert_eq!(live.now().config().host, "two.example");
        fs::write(site.config_file(), "host = 'never.example'").unwrap();
        assert_eq!(live.now().config().host, "two.example");
        fs::write(site.config_file(), "host = 'one.example'").unwrap();
        assert_eq!(live.now().config().host, "one.example");
    }
}
