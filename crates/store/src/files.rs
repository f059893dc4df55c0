//! Removing files that may be missing.

use std::path::Path;
use std::{fs, io};

/// Removes a file or link; a missing one is not an error.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_removed_already_and_a_directory_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        remove_if_there(&file).unwrap();
        assert!(!file.exists());
        remove_if_there(&file).unwrap();
        remove_if_there(&home.path().join("no/such/directory")).unwrap();
        assert!(remove_if_there(home.path()).is_err());
    }
}
