//! The files of the old site.

use crate::TakeoverError;
use dormouse_pickle::{Graph, Limits, marshal};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Larger files cannot be Mailman's state: Mailman itself would need ten times their size in memory.
const LARGEST: u64 = 2 << 30;

/// Reads a file; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, TakeoverError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(TakeoverError::io("read", path))?,
    };
    let about = file.metadata().map_err(TakeoverError::io("look at", path))?;
    if !about.is_file() {
        return Err(TakeoverError::content(path, "it is not a file"));
    }
    if about.len() > LARGEST {
        return Err(TakeoverError::content(path, "it is larger than 2 GiB"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(TakeoverError::io("read", path))?;
    Ok(Some(bytes))
}

/// Returns the names in a directory, sorted; none if there is no directory. Names that are not
/// UTF-8 are not Mailman's.
pub fn names(dir: &Path) -> Result<Vec<String>, TakeoverError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(TakeoverError::io("list", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(TakeoverError::io("list", dir))?.file_name();
        names.extend(name.to_str().map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Returns a digest of a file: equal files have equal digests.
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a file's single value: a pickle, or in `.db` files a marshalled value.
pub fn value<'a>(path: &Path, bytes: &'a [u8]) -> Result<Graph<'a>, TakeoverError> {
    let is_marshalled = path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.strip_suffix(".last").unwrap_or(name).ends_with(".db"));
    let graph = if is_marshalled {
        marshal::load(bytes).map_err(|problem| TakeoverError::content(path, problem))?.0
    } else {
        unpickle(path, bytes)?.0
    };
    Ok(graph)
}

/// Reads one pickle; also returns its length in bytes.
pub fn unpickle<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Graph<'a>, usize), TakeoverError> {
    // Anything in the file is allowed: a large list is not an attack, and no value takes less
    // than a byte.
    let usual = Limits::default();
    let limits = Limits {
        nodes: usual.nodes.max(bytes.len() / 2),
        memo: usual.memo.max(bytes.len() / 4),
        ..usual
    };
    dormouse_pickle::load(bytes, &limits)
        .map_err(|source| TakeoverError::Pickle { path: path.to_owned(), source })
}
