//! Where the programs are, which stand next to each other, and by which path one was started.

use rustix::param::linux_execfn;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// The program that people and MTAs call.
const NAME: &str = "dormouse";

/// The program with all that dormouse can do. It works without the others, under any name.
pub const FULL: &str = "dormouse-full";

/// Returns the path with which other programs must call this one: the small program's, if it
/// exists.
pub fn own() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let small = own.with_file_name(NAME);
    let is_full = own.file_name().is_some_and(|name| name == FULL);
    Ok(if is_full && small.is_file() { small } else { own })
}

/// Returns the path that was executed, perhaps a link's. The small program passes its own path as
/// the name of the one that it executes, because a name only may lack the directory.
pub fn executed() -> PathBuf {
    let path = PathBuf::from(OsStr::from_bytes(linux_execfn().to_bytes()));
    if path.file_name().is_some_and(|name| name != FULL) {
        return path;
    }
    std::env::args_os().next().map_or(path, PathBuf::from)
}
