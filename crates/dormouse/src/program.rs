//! Where the programs are, which stand next to each other, and by which path one was started.

use rustix::param::linux_execfn;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The program that people and MTAs call.
pub const NAME: &str = "dormouse";

/// The program with all that dormouse can do. It works without the others, under any name.
pub const FULL: &str = "dormouse-full";

/// What `--version` prints.
pub const VERSION: &str = concat!("dormouse ", env!("CARGO_PKG_VERSION"));

/// What the kernel appends to the path of a running program that has been replaced.
const REPLACED: &str = " (deleted)";

/// Returns the path by which other programs are to call this one: the small program's, if it exists.
pub fn own() -> io::Result<PathBuf> {
    Ok(command_at(running()?))
}

/// Returns the path of the program that runs. Without /proc, the path that was executed is followed.
pub fn running() -> io::Result<PathBuf> {
    std::env::current_exe().or_else(|error| match executed() {
        path if path.parent().is_some_and(|dir| !dir.as_os_str().is_empty()) => path.canonicalize(),
        _ => Err(error),
    })
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
/// one as the program's name, because a name alone may lack the directory: then the path has none
/// either, and nobody knows where the link is.
pub fn executed() -> PathBuf {
    let path = PathBuf::from(OsStr::from_bytes(linux_execfn().to_bytes()));
    if path.file_name().is_some_and(|name| name != FULL) {
        // A program that is executed without a directory is in the current one.
        return if path.parent() == Some(Path::new("")) { Path::new(".").join(path) } else { path };
    }
    std::env::args_os().next().map_or(path, PathBuf::from)
}

/// Executes a program in place of this one, under that name. Returns only on failure.
///
/// The standard library would give a file that is no program to a shell. A full disk or a crash
/// during an upgrade may leave an empty one, which is a script that succeeds, and an MTA would take
/// its mail for accepted.
pub fn execute(program: &Path, name: &OsStr, arguments: &[OsString]) -> io::Error {
    let word = |word: &OsStr| CString::new(word.to_owned().into_vec());
    let words = std::iter::once(name).chain(arguments.iter().map(OsString::as_os_str)).map(word);
    match (word(program.as_os_str()), words.collect::<Result<Vec<_>, _>>()) {
        (Ok(program), Ok(words)) => match nix::unistd::execv(&program, &words) {
            Err(error) => error.into(),
        },
        (Err(error), _) | (_, Err(error)) => error.into(),
    }
}

/// Says why a program could not be executed, and what to do about it.
pub fn explained(program: &Path, error: &io::Error) -> String {
    let shown = program.display();
    let hint = match error.kind() {
        io::ErrorKind::NotFound if program.exists() => {
            "the C library that it was built for is not installed"
        }
        io::ErrorKind::NotFound => "install all programs of dormouse in one directory",
        io::ErrorKind::PermissionDenied => {
            "its mode and its file system must let everybody execute it"
        }
        _ => "install it again",
    };
    format!("cannot execute {shown}: {error}; {hint}")
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
