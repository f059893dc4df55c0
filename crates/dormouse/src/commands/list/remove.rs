//! A list is removed, and comes back.

use super::super::{aliases, find_list};
use crate::cli::Input;
use crate::failure::Failure;
use crate::output;
use crate::terminal;
use dormouse_archive::Place;
use dormouse_mail::date;
use dormouse_spool::clock;
use dormouse_store::{List, Site, Store, StoreError, Tx};
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// Says what goes, asks, keeps it in a file and removes the list.
pub fn run(
    site: &Site,
    store: &Store,
    name: &str,
    archives: bool,
    yes: bool,
) -> Result<(), Failure> {
    let list = find_list(store, name)?;
    let place = Place::of(site, &list.name);
    if !yes {
        output::line(what_goes(store, &list, archives && place.tree().exists())?)?;
        let answer = terminal::ask(&format!("Remove {}? [y/N] ", list.name));
        let is_yes = |answer: String| matches!(answer.trim(), "y" | "Y" | "yes" | "Yes");
        match answer {
            Ok(answer) if is_yes(answer.clone()) => {}
            Ok(_) => return Err(Failure::usage("nothing was removed")),
            Err(_) => return Err(Failure::usage("nothing was removed; --yes removes it unasked")),
        }
    }
    let kept = store.write(|tx| -> Result<_, Failure> {
        let kept = keep(site, tx, &list)?;
        tx.delete_list(&list.name)?;
        Ok(kept)
    })?;
    output::line(format_args!("removed {}", list.name))?;
    output::line(format_args!("`dormouse list restore {}` brings it back", kept.display()))?;
    if archives {
        if place.remove()? {
            output::line("removed its archive")?;
        }
    } else if place.tree().exists() {
        output::line(format_args!(
            "its archive stays, seen by nobody, in {}",
            place.tree().display()
        ))?;
    }
    aliases::refresh_and_say(site, store)
}

fn what_goes(store: &Store, list: &List, archive: bool) -> Result<String, Failure> {
    let members = output::count(store.count_members(list.id)?, "member", "members");
    let counts = [
        (store.held_posts(list.id)?.len(), "held post", "held posts"),
        (store.held_requests(list.id)?.len(), "request that waits", "requests that wait"),
    ];
    let mut parts = vec![format!("{} with its settings", list.address()), members];
    for (number, one, many) in counts.into_iter().filter(|(number, ..)| *number > 0) {
        parts.push(output::count(number as u64, one, many));
    }
    let archive = if archive { "\nIts archive goes, and is in no file" } else { "" };
    Ok(format!("{} would go, and be kept in a file{archive}", parts.join(", ")))
}

/// Keeps everything of a list but its archive in a file of the site's, which is on the disk then.
pub fn keep(site: &Site, tx: &Tx<'_>, list: &List) -> Result<PathBuf, StoreError> {
    let dir = site.dir().join("removed");
    let day = date::day(clock::now());
    let mut path = dir.join(format!("{}-{day}.jsonl", list.name));
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = dir.join(format!("{}-{day}-{number}.jsonl", list.name));
    }
    let io = |action: &'static str, path: &std::path::Path| {
        let path = path.to_owned();
        move |source: io::Error| StoreError::Io { action, path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o2770)
        .create(&dir)
        .map_err(io("make the directory", &dir))?;
    let file = File::options()
        .write(true)
        .create_new(true)
        // There are addresses and hashes of passwords in it.
        .mode(0o600)
        .open(&path)
        .map_err(io("write", &path))?;
    tx.dump(list, BufWriter::new(&file))?;
    let synced = file.sync_all().and_then(|()| File::open(&dir)?.sync_all());
    synced.map_err(io("write", &path))?;
    Ok(path)
}

/// Brings a list back from such a file.
pub fn restore(site: &Site, store: &Store, file: &Input) -> Result<(), Failure> {
    let dump = file.reader()?;
    let list = store.write(|tx| tx.restore(dump))?;
    let members = output::count(store.count_members(list.id)?, "member", "members");
    output::line(format_args!("{} is back, with {members}", list.address()))?;
    aliases::refresh_and_say(site, store)
}
