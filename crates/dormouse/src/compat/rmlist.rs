//! `rmlist`: removes a list.

use super::call::{Call, Done, Trouble, find, say};
use super::getopt::{HELP as H, flag};
use crate::commands::aliases;
use dormouse_archive::ArchivePlace;
use dormouse_membership::lists;
use dormouse_store::{ListName, StoreError};
use std::fs;
use std::path::Path;

pub const HELP: &str = "\
Removes a list with its members, settings, held posts and requests; with -a also its archive.
Its entries in the queues are set aside when they are processed. A file in the directory `removed`
of the site keeps the list, and `dormouse list restore` restores it.

Usage: rmlist [options] LIST

  -a, --archives   also remove the archive, or the rest of one
  -h, --help       print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('a', "archives")])?;
    let [name] = options.rest.as_slice() else { return Err(Trouble::usage("")) };
    let name = name.trim().to_lowercase();
    let illegal = |problem| Trouble::usage(format!("Illegal list name: {problem}"));
    let name = ListName::existing(&name).map_err(illegal)?;
    let archives = options.has("archives");
    let (site, store) = call.open()?;
    // A list that was renamed must be removed by its current name.
    let found = find(store.read(), &name)?.filter(|found| found.name == name);
    match &found {
        None if archives => {
            say(format_args!("No such list: {name}.  Removing its residual archives."))?;
        }
        None => {
            return Err(Trouble::usage(format!("No such list (or list already deleted): {name}")));
        }
        Some(_) => {}
    }
    if !archives {
        say("Not removing archives.  Reinvoke with -a to remove them.")?;
    }
    if let Some(found) = &found {
        say("Removing list info")?;
        let kept = store.write(|tx| -> Result<_, StoreError> {
            let kept = lists::keep(&site, tx.read(), found)?;
            tx.delete_list(&name)?;
            Ok(kept)
        })?;
        // Mailman's command prints nothing else, and scripts read its output.
        tracing::info!("{name}: `dormouse list restore {}` restores it", kept.display());
        remove(&site.dir().join("lists").join(&name))?;
        aliases::refresh(&site, store.read())?;
    }
    if archives {
        let place = ArchivePlace::of(&site, &name);
        for (kind, path) in place.shown() {
            if fs::symlink_metadata(&path).is_ok() {
                say(format_args!("Removing {kind} archives"))?;
            } else {
                say(format_args!("{name} {kind} archives not found as {}", path.display()))?;
            }
        }
        place.remove()?;
    }
    Ok(0)
}

/// Removes a file, link or directory, if there is one.
fn remove(path: &Path) -> Result<(), Trouble> {
    let failed = |error| Trouble::Said(format!("cannot remove {}: {error}", path.display()));
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.map_err(failed)
}
