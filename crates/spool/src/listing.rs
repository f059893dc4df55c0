//! Listing directories of the spool.

use crate::{EntryName, SpoolError, fault};
use dormouse_clock::Timestamp;
use rustix::fs::{Mode, OFlags, RawDir};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

/// By received time; equal times by the rest of the name, so that the order is well defined.
pub(crate) fn first_received_first(names: Vec<EntryName>) -> Vec<EntryName> {
    by_time(names, |name| name)
}

/// The same for anything with a name. Each name is parsed once, not at each comparison.
pub(crate) fn by_time<T>(all: Vec<T>, name: impl Fn(&T) -> &EntryName) -> Vec<T> {
    if all.len() < 2 {
        return all;
    }
    let mut timed: Vec<(Timestamp, T)> =
        all.into_iter().map(|one| (name(&one).received().unwrap_or_default(), one)).collect();
    timed.sort_unstable_by(|(a_time, a), (b_time, b)| {
        a_time.total_cmp(*b_time).then_with(|| name(a).as_str().cmp(name(b).as_str()))
    });
    timed.into_iter().map(|(_, one)| one).collect()
}

/// `NAME.suffix` → `NAME`. Hidden names are not entries: no trigger matches them.
pub(crate) fn base_with_suffix<'f>(file: &'f str, suffix: &str) -> Option<&'f str> {
    let base = file.strip_suffix(suffix)?.strip_suffix('.')?;
    (!base.is_empty() && !base.starts_with('.')).then_some(base)
}

/// The number of bytes of a directory that are read in one call.
const LISTED: usize = 8 * 1024;

/// Calls `each` with every name in a directory that is UTF-8; a missing directory is
/// empty (queues are created on demand).
pub(crate) fn for_each_file(dir: &Path, mut each: impl FnMut(&str)) -> Result<(), SpoolError> {
    for_each_file_while(dir, |file| {
        each(file);
        true
    })
}

/// The same, until `each` says that it has enough.
pub(crate) fn for_each_file_while(
    dir: &Path,
    mut each: impl FnMut(&str) -> bool,
) -> Result<(), SpoolError> {
    let open = || -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(dir, flags, Mode::empty())?)
    };
    let opened = match fault::operation("list").and_then(|()| open()) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SpoolError::io("list", dir)(error)),
    };
    // Most directories are empty: this takes fewer calls and no allocation.
    let mut buffer = [MaybeUninit::<u8>::uninit(); LISTED];
    let mut entries = RawDir::new(opened, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(io::Error::from).map_err(SpoolError::io("list", dir))?;
        if let Ok(file) = entry.file_name().to_str()
            && !matches!(file, "." | "..")
            && !each(file)
        {
            break;
        }
    }
    Ok(())
}
