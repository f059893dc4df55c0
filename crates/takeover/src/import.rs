//! Importing a Mailman site. Nothing of the old site is changed or executed.
//!
//! - [`list`]: one list after the other, each in its own transaction; [`waiting`]: its waiting
//!   things.
//! - [`mail`]: mail in progress: queue entries, bounce events.
//! - [`files`]: texts and archives, file by file.
//! - [`settings`]: the site's own settings and passwords; [`runners`]: Mailman's `QRUNNERS`.

mod files;
mod list;
mod mail;
mod runners;
mod settings;
mod waiting;

pub(crate) use settings::TO_MBOX;

pub(crate) use files::copy_all as copy_tree;

use crate::layout::OldSite;
use crate::report::{ItemFate, TakeoverReport};
use crate::{TakeoverError, running, source};
use dormouse_clock::Timestamp;
use dormouse_spool::Spool;
use dormouse_store::lists::SUFFIXES;
use dormouse_store::{Site, Store, StoreError, Tx};
use std::collections::HashSet;
use std::path::Path;

/// What to import, and how.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// Only report what would be done.
    pub dry_run: bool,
    /// Include the archives, which may be large.
    pub archives: bool,
}

/// The target of an import.
#[derive(Debug, Clone, Copy)]
pub struct Target<'t> {
    /// The site.
    pub site: &'t Site,
    /// Its database.
    pub store: &'t Store,
    /// Its queues.
    pub spool: &'t Spool,
}

/// Reports the progress: the current step, the number of parts done, and their total.
pub type ShowProgress<'p> = &'p dyn Fn(&str, usize, usize);

/// Imports a site. Problems with one list or file are in the report, and the rest continues.
///
/// # Errors
/// If Mailman is running, or our own database or queues fail.
pub fn import(
    old: &OldSite,
    target: Target<'_>,
    options: ImportOptions,
    progress: ShowProgress<'_>,
) -> Result<TakeoverReport, TakeoverError> {
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
        now: Timestamp::now(),
        report: TakeoverReport::new(options.dry_run),
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
            import.report.item("lists/", name, ItemFate::Unknown, "not a list's directory", name);
        }
    }
    progress("queues", names.len(), names.len());
    import.queues()?;
    import.bounce_events()?;
    import.site_files(progress)?;
    Ok(import.report)
}

/// The space that a list of a hundred thousand members needs in the database.
const CACHE: i64 = 64 << 20;

struct Import<'i> {
    old: &'i OldSite,
    target: Target<'i>,
    options: ImportOptions,
    now: Timestamp,
    report: TakeoverReport,
}

impl Import<'_> {
    /// Reports lists whose address for posts is another list's address, such as `dev-owner` and
    /// `dev`. In Mailman the MTA decides who gets the mail; such lists cannot be created here.
    fn report_shared_addresses(&mut self, names: &[String]) {
        let all: HashSet<&str> = names.iter().map(String::as_str).collect();
        for name in names {
            for suffix in SUFFIXES {
                let longer = format!("{name}{suffix}");
                if all.contains(longer.as_str()) {
                    let text = format!(
                        "its address also belongs to the list {name}; mail to it is a post to {longer}"
                    );
                    self.report.remark(format!("lists/{longer}"), text);
                }
            }
        }
    }

    /// Reports problems with a part of the old site; failures of our own end everything.
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

    /// Changes the database; with a dry run, rolls back.
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

    /// Whether a source was already imported in its current state.
    fn is_unchanged(&self, source: &str, fingerprint: &str) -> Result<bool, TakeoverError> {
        let known = self.target.store.read().imported(source)?;
        Ok(known.is_some_and(|known| known.fingerprint == fingerprint))
    }
}
