//! The files of the old site.

use crate::TakeoverError;
use dormouse_pickle::{Graph, Limits, marshal};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Larger files cannot be Mailman's state: Mailman itself would need ten times their size in memory.
const LARGEST: u64 = 2 << 30;

/// Opens a file, and returns its length; `None` if there is none.
fn open(path: &Path) -> Result<Option<(File, usize)>, TakeoverError> {
    let file = match File::open(path) {
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
    Ok(Some((file, usize::try_from(about.len()).unwrap_or(0))))
}

/// Reads a file; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, TakeoverError> {
    let Some((mut file, length)) = open(path)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(length);
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
    hex(Sha256::new_with_prefix(bytes))
}

/// Returns the [`fingerprint`] of a file that may be large; `None` if there is none.
pub fn fingerprint_of(path: &Path) -> Result<Option<String>, TakeoverError> {
    let Some((mut file, _)) = open(path)? else { return Ok(None) };
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = file.read(&mut buffer).map_err(TakeoverError::io("read", path))?;
        if length == 0 {
            return Ok(Some(hex(digest)));
        }
        digest.update(&buffer[..length]);
    }
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

const BUFFER: usize = 64 << 10;

/// Reads a file's single value: a pickle, or in `.db` files a marshalled value. `None` if there is no
/// file. Of a pickle only a buffer is in memory.
pub fn value(path: &Path) -> Result<Option<Graph<'static>>, TakeoverError> {
    let is_marshalled = path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.strip_suffix(".last").unwrap_or(name).ends_with(".db"));
    if is_marshalled {
        let Some(bytes) = read(path)? else { return Ok(None) };
        let loaded = marshal::load(&bytes);
        let (graph, _) = loaded.map_err(|problem| TakeoverError::content(path, problem))?;
        return Ok(Some(graph.into_owned()));
    }
    let Some((file, length)) = open(path)? else { return Ok(None) };
    let file = BufReader::with_capacity(BUFFER, file);
    let loaded = dormouse_pickle::load_from(file, length, &Limits::of_file(length));
    let (graph, _) =
        loaded.map_err(|source| TakeoverError::Pickle { path: path.to_owned(), source })?;
    Ok(Some(graph))
}

/// Reads one pickle; also returns its length in bytes.
pub fn unpickle<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Graph<'a>, usize), TakeoverError> {
    dormouse_pickle::load(bytes, &Limits::of_file(bytes.len()))
        .map_err(|source| TakeoverError::Pickle { path: path.to_owned(), source })
}
