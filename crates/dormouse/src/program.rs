//! Where the programs are, which stand next to each other, and by which path one was started.

use rustix::param::linux_execfn;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// The program that people and MTAs call.
pub const NAME: &str = "dormouse";

/// The program with all that dormouse can do. It works without the others, under any name.
pub const FULL: &str = "dormouse-full";

/// What the kernel appends to the path of a running program that has been replaced.
const REPLACED: &str = " (deleted)";

/// Returns the path by which other programs are to call this one: the small program's, if it exists.
pub fn own() -> io::Result<PathBuf> {
    Ok(command_at(std::env::current_exe()?))
}

fn command_at(mut own: PathBuf) -> PathBuf {
    let name = own.file_name().and_then(OsStr::to_str);
    if let Some(name) = name.and_then(|name| name.strip_suffix(REPLACED))
        && !own.exists()
    {
        own = own.with_file_name(name);
    }
    let small = own.with_file_name(NAME);
    let is_full = own.file_name().is_some_and(|name| name == FULL);
    if is_full && small.is_file() { small } else { own }
}

/// Returns the path that was executed, perhaps a link's. The small program passes its own to the full
/// one as the program's name, because a name alone may lack the directory.
pub fn executed() -> PathBuf {
    let path = PathBuf::from(OsStr::from_bytes(linux_execfn().to_bytes()));
    if path.file_name().is_some_and(|name| name != FULL) {
        return path;
    }
    std::env::args_os().next().map_or(path, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_command_is_the_small_program_if_it_is_there_even_after_an_upgrade() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        assert_eq!(command_at(at("dormouse-full")), at("dormouse-full"));
        fs::write(at("dormouse"), "").unwrap();
        assert_eq!(command_at(at("dormouse-full")), at("dormouse"));
        assert_eq!(command_at(at("dormouse-full (deleted)")), at("dormouse"));
        assert_eq!(command_at(at("dormouse (deleted)")), at("dormouse"));
        assert_eq!(command_at(at("other (deleted)")), at("other"));
        fs::write(at("odd (deleted)"), "").unwrap();
        assert_eq!(command_at(at("odd (deleted)")), at("odd (deleted)"));
    }
}
