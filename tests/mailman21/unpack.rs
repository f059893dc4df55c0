//! A site written by a real Mailman 2.1.39, with that Mailman's output about it; see `README.md`.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the site's directory, which tests only read.
pub fn site() -> PathBuf {
    std::env::var_os("DORMOUSE_SAMPLES").map_or_else(unpacked, PathBuf::from)
}

/// Unpacks it once for all tests, atomically.
fn unpacked() -> PathBuf {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mailman21/site.tar.gz");
    let mut hasher = DefaultHasher::new();
    fs::read(&packed).unwrap().hash(&mut hasher);
    let version = format!("mailman21-{:016x}", hasher.finish());
    let into = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&version);
    if !into.is_dir() {
        let thread = std::thread::current().id();
        let draft = into.with_file_name(format!(".{version}-{}-{thread:?}", std::process::id()));
        fs::create_dir_all(&draft).unwrap();
        let done = Command::new("tar").arg("-xzf").arg(&packed).arg("-C").arg(&draft).status();
        assert!(done.is_ok_and(|status| status.success()), "tar cannot unpack {packed:?}");
        // Another test may have unpacked it first.
        if fs::rename(&draft, &into).is_err() {
            fs::remove_dir_all(&draft).unwrap();
        }
    }
    into.join("mailman21-site")
}
