//! What Mailman's `bin/arch` does (docs/spec/archives.md §8), with addresses that stay.

use crate::mbox::Reader;
use crate::{Archive, ArchiveError, Progress};
use std::path::PathBuf;

/// Its options.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--wipe`: the numbers begin again at 0.
    pub wipe: bool,
    /// `--start`: the first message of the mbox that is read, from 0.
    pub start: Option<u64>,
    /// `--end`: the last one.
    pub end: Option<u64>,
    /// The mbox, if it is not the list's own.
    pub mbox: Option<PathBuf>,
}

/// Makes a list's archive from an mbox; how many messages were read from it.
///
/// The list's own mbox is always read whole: start and end, by which big ones were read in pieces
/// that fit into memory, are for other mboxes. These are added to the list's own. Messages that are
/// there already are not added again, and without `wipe` every message keeps its address.
pub fn run(
    archive: &mut Archive<'_>,
    options: &Options,
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
        // A later piece of what was read whole already.
        _ if options.start.is_some_and(|start| start > 0) && !options.wipe => {
            archive.follow(progress)
        }
        _ if options.wipe => archive.follow(progress),
        _ => Ok(archive.rebuild(progress)?.read),
    }
}
