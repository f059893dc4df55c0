//! Mailman's `bin/arch` (docs/spec/archives.md §8), with stable addresses.

use crate::mbox::Reader;
use crate::{Archive, ArchiveError, Progress};
use std::path::PathBuf;

/// The options.
#[derive(Debug, Clone, Default)]
pub struct ArchOptions {
    /// `--wipe`: numbers start again at 0.
    pub wipe: bool,
    /// `--start`: the first message of the mbox to read, from 0.
    pub start: Option<u64>,
    /// `--end`: the last one.
    pub end: Option<u64>,
    /// The mbox, if it is not the list's own.
    pub mbox: Option<PathBuf>,
}

/// Builds a list's archive from an mbox, and returns how many messages were read from it.
///
/// The list's own mbox is always read as a whole: start and end, used to read large ones in pieces
/// that fit into memory, apply to other mboxes. These are added to the list's own. Messages that are
/// already there are not added again, and without `wipe` every message keeps its address.
pub fn run(
    archive: &mut Archive<'_>,
    options: &ArchOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, ArchiveError> {
    if options.wipe {
        archive.wipe()?;
    }
    match &options.mbox {
        Some(mbox) if *mbox != archive.place().mbox() => {
            let range = options.start.unwrap_or(0)..=options.end.unwrap_or(u64::MAX);
            let size = std::fs::metadata(mbox).map_err(ArchiveError::io("open", mbox))?.len();
            let imported = archive.import(Reader::open(mbox, 0)?, size, range, progress)?;
            Ok(imported.added + imported.known)
        }
        // A later piece of an mbox that was already read as a whole.
        _ if options.start.is_some_and(|start| start > 0) && !options.wipe => {
            archive.follow(progress)
        }
        _ if options.wipe => archive.follow(progress),
        _ => Ok(archive.rebuild(progress)?.read),
    }
}
