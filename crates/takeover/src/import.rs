//! A Mailman site moves in. Nothing of the old site is changed, and nothing of it is executed.
//!
//! - [`list`]: one list after the other, each in a transaction of its own; [`waiting`] is what waits
//!   on it.
//! - [`mail`]: what is on its way: queue entries, bounce events.
//! - [`files`]: texts and archives, file by file.
//! - [`settings`]: the site's own settings and passwords; [`runners`] is Mailman's `QRUNNERS` of them.

mod files;
mod list;
mod mail;
mod runners;
mod settings;
mod waiting;

pub(crate) use settings::TO_MBOX;

pub(crate) use files::copy_all as copy_tree;

use crate::layout::OldSite;
use crate::report::{Fate, Report};
use crate::{TakeoverError, running, source};
use dormouse_spool::{Spool, clock};
use dormouse_store::lists::SUFFIXES;
use dormouse_store::{Site, Store, StoreError, Tx};
use std::collections::HashSet;
use std::path::Path;

/// What is to be brought over, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Only look: say what would be done.
    pub dry_run: bool,
    /// Also the archives, which may be large.
    pub archives: bool,
}

/// Where a site is brought to.
#[derive(Debug, Clone, Copy)]
pub struct Target<'t> {
    /// The site.
    pub site: &'t Site,
    /// Its database.
    pub store: &'t Store,
    /// Its queues.
    pub spool: &'t Spool,
}

/// How far the work is: what is done now, how many steps of how many.
pub type Progress<'p> = &'p dyn Fn(&str, usize, usize);

/// Brings a site over. What goes wrong with one list or file is in the report, and the rest goes on.
///
/// # Errors
/// When Mailman runs, or our own database or queues fail.
pub fn import(
    old: &OldSite,
    target: Target<'_>,
    options: Options,
    progress: Progress<'_>,
) -> Result<Report, TakeoverError> {
    if let Err(error) = running::check(old)
        && !options.dry_run
    {
        return Err(error);
    }
    target.store.keep_in_memory(CACHE)?;
    let mut import = Import {
        old,
        target,
        options,
        now: clock::seconds(),
        report: Report::new(options.dry_run),
    };
    import.settings()?;
    let names = source::names(&old.lists)?;
    import.report_shared_addresses(&names);
    for (index, name) in names.iter().enumerate() {
        progress(name, index, names.len());
        let at = old.lists.join(name);
        if at.is_dir() {
            if let Err(error) = import.list(name) {
                import.failed(&at, error)?;
            }
        } else {
            import.report.item("lists/", name, Fate::Unknown, "no list's directory", name);
        }
    }
    progress("queues", names.len(), names.len());
    import.queues()?;
    import.bounce_events()?;
    import.site_files(progress)?;
    Ok(import.report)
}

/// As much as a list of a hundred thousand members takes in the database.
const CACHE: i64 = 64 << 20;

struct Import<'i> {
    old: &'i OldSite,
    target: Target<'i>,
    options: Options,
    now: f64,
    report: Report,
}

impl Import<'_> {
    /// Names lists whose address for posts is one of another list's own, such as `dev-owner` beside
    /// `dev`. Mailman leaves it to the MTA who gets the mail; nobody could make such a list here.
    fn report_shared_addresses(&mut self, names: &[String]) {
        let all: HashSet<&str> = names.iter().map(String::as_str).collect();
        for name in names {
            for suffix in SUFFIXES {
                let longer = format!("{name}{suffix}");
                if all.contains(longer.as_str()) {
                    let text = format!(
                        "its address is one of the list {name}, too; mail to it is a post to {longer}"
                    );
                    self.report.remark(format!("lists/{longer}"), text);
                }
            }
        }
    }

    /// Notes what went wrong with a part of the old site; trouble of our own ends everything.
    fn failed(&mut self, at: &Path, error: TakeoverError) -> Result<(), TakeoverError> {
        match error {
            TakeoverError::Store(error @ (StoreError::Setting(_) | StoreError::ListExists(_))) => {
                self.report.problem(self.old.name_of(at), error);
                Ok(())
            }
            TakeoverError::Store(_) | TakeoverError::Spool(_) => Err(error),
            error => {
                self.report.problem(self.old.name_of(at), error);
                Ok(())
            }
        }
    }

    /// Changes the store, or with a dry run takes it back.
    fn write<T>(
        &self,
        change: impl FnOnce(&Tx<'_>) -> Result<T, TakeoverError>,
    ) -> Result<T, TakeoverError> {
        if self.options.dry_run {
            self.target.store.rehearse(change)
        } else {
            self.target.store.write(change)
        }
    }

    /// Whether a source has been brought over as it is now.
    fn is_unchanged(&self, source: &str, fingerprint: &str) -> Result<bool, TakeoverError> {
        let known = self.target.store.imported(source)?;
        Ok(known.is_some_and(|known| known.fingerprint == fingerprint))
    }
}
