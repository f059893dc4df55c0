//! Files that survive a power failure: the only place that syncs.

use crate::{SpoolError, fault};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Mode of an entry's file (docs/spec/queue.md §3).
pub(crate) const FILE_MODE: u32 = 0o660;
/// Mode of a queue directory: new files inherit its group.
const DIR_MODE: u32 = 0o2770;

/// Entries are filled up to a multiple of this with line feeds, which a journal ignores. A file that is
/// written again then often keeps its size, and to sync it needs no change of its inode.
const BLOCK: u64 = 4096;
/// The maximum number of bytes by which an entry is filled up to the size of the file that it gets.
const MOST_FILL: u64 = 2 * BLOCK;

/// Creates a file that must not exist yet and locks it, so that recovery can tell that its creator
/// is alive.
pub fn create_locked(path: &Path) -> Result<File, SpoolError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(FILE_MODE);
    let file = fault::operation("create")
        .and_then(|()| options.open(path))
        .map_err(SpoolError::io("create", path))?;
    // Independent of the MTA's umask: the drain's group must be able to read the entry.
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))
        .and_then(|()| file.try_lock().map_err(io::Error::from))
        .map_err(SpoolError::io("lock", path))?;
    Ok(file)
}

/// The number of bytes that may be waiting for the disk. On a file system that writes data before
/// names, every process that syncs waits for them.
const PIECE: usize = 4 * 1024 * 1024;

/// Writes everything; if it is long, waits until most of it is on the disk.
pub fn write(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    let mut pieces = bytes.chunks(PIECE).peekable();
    let mut write = || -> io::Result<()> {
        fault::operation("write")?;
        while let Some(piece) = pieces.next() {
            file.write_all(piece)?;
            if pieces.peek().is_some() {
                file.sync_data()?;
            }
        }
        Ok(())
    };
    write().map_err(SpoolError::io("write", path))
}

/// Writes an entry and fills it up by `room` or more bytes, over what a file of that size has.
pub fn write_entry(
    file: &mut File,
    size: u64,
    path: &Path,
    bytes: &[u8],
    room: u64,
) -> Result<(), SpoolError> {
    let length = bytes.len() as u64;
    let keeps_size = (length + room..=length + MOST_FILL).contains(&size);
    let filled = if keeps_size { size } else { (length + room).next_multiple_of(BLOCK) };
    if filled < size {
        file.set_len(filled).map_err(SpoolError::io("truncate", path))?;
    }
    let fill = [b'\n'; MOST_FILL as usize];
    let fill = &fill[..(filled - length) as usize];
    if bytes.len() < MOST_FILL as usize {
        return write(file, path, &[bytes, fill].concat());
    }
    write(file, path, bytes)?;
    write(file, path, fill)
}

/// Waits until the file's content and size are durable, but not its times.
pub fn sync(file: &File, path: &Path) -> Result<(), SpoolError> {
    fault::operation("sync").and_then(|()| file.sync_data()).map_err(SpoolError::io("sync", path))
}

/// The same, and its times.
pub fn sync_with_times(file: &File, path: &Path) -> Result<(), SpoolError> {
    fault::operation("sync").and_then(|()| file.sync_all()).map_err(SpoolError::io("sync", path))
}

/// Waits until a directory's names are durable.
pub fn sync_dir(path: &Path) -> Result<(), SpoolError> {
    fault::operation("sync-dir")
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(SpoolError::io("sync the directory", path))
}

/// Renames within the spool, replacing an existing file.
pub fn rename(from: &Path, to: &Path) -> Result<(), SpoolError> {
    fault::operation("rename")
        .and_then(|()| fs::rename(from, to))
        .map_err(SpoolError::io("rename", from))
}

/// Gives a file another name within the spool, which must be free.
pub fn link(from: &Path, to: &Path) -> Result<(), SpoolError> {
    fault::operation("link")
        .and_then(|()| fs::hard_link(from, to))
        .map_err(SpoolError::io("link", from))
}

/// Unlinks a file; a missing one is not an error.
pub fn unlink(path: &Path) -> Result<(), SpoolError> {
    match fault::operation("unlink").and_then(|()| fs::remove_file(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SpoolError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Creates a directory of the spool; an existing one stays unchanged.
pub fn make_dir(path: &Path) -> Result<(), SpoolError> {
    match fault::operation("mkdir").and_then(|()| fs::create_dir(path)) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(DIR_MODE))
            .map_err(SpoolError::io("set the mode of", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(SpoolError::io("create the directory", path)(error)),
    }
}
