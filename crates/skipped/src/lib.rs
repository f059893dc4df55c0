//! Reports skipped tests visibly: `cargo test` hides the output of passing tests, so [`skip`]
//! records them in a file, and the last test program prints it.
//!
//! # Limits
//! Records are per parent process, that is, per `cargo test`. Records of interrupted runs are
//! removed after a day.
//!
//! # Example
//! ```
//! fn needs_a_moon() {
//!     if !std::path::Path::new("/moon").exists() {
//!         skipped::skip("there is no moon");
//!         return;
//!     }
//! }
//! ```

use std::fmt::Display;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The beginning of a reason if a test needs something that cannot be installed. Skipping it never
/// fails CI.
pub const ONLY_WHERE_GIVEN: &str = "only where it is given: ";

/// Records that the running test is skipped, and why. The test must then return.
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    eprintln!("skipped: {reason}");
    let noted = match notes() {
        Some(path) => note(&path, test, &reason.to_string()),
        None => Err(std::io::ErrorKind::NotFound.into()),
    };
    if let Err(error) = noted {
        eprintln!("cannot record that it was skipped: {error}");
    }
}

/// Returns and deletes the records of tests skipped since `cargo test` was started, with their
/// reasons.
pub fn take() -> Vec<(String, String)> {
    notes().map(|path| take_from(&path)).unwrap_or_default()
}

/// Returns the path of the records of the `cargo test` that started this program, next to the
/// directory of the test programs.
fn notes() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let profile = program.parent()?.parent()?;
    Some(profile.join("skipped-tests").join(std::os::unix::process::parent_id().to_string()))
}

fn note(path: &Path, test: &str, reason: &str) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    // A single write, so that lines of concurrent tests do not mix.
    let line = format!("{test}\t{}\n", reason.replace(['\n', '\t'], " "));
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

fn take_from(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // Remove the records of runs that ended before their summary.
    let others = path.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
    for other in others.map(|other| other.path()) {
        let modified = fs::metadata(&other).and_then(|found| found.modified()).ok();
        let age = modified.and_then(|at| at.elapsed().ok()).unwrap_or_default();
        if other == path || age.as_secs() > 86_400 {
            let _gone_already = fs::remove_file(other);
        }
    }
    let pairs = text.lines().filter_map(|line| line.split_once('\t'));
    pairs.map(|(test, reason)| (test.to_owned(), reason.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_told_once() {
        let dir = std::env::temp_dir().join(format!("dormouse-skipped-{}", std::process::id()));
        let path = dir.join("1");
        note(&path, "a::test", "there is no\nmoon").unwrap();
        note(&path, "b", "nor sun").unwrap();
        let pair = |test: &str, reason: &str| (test.to_owned(), reason.to_owned());
        let expected = [pair("a::test", "there is no moon"), pair("b", "nor sun")];
        assert_eq!(take_from(&path), expected);
        assert_eq!(take_from(&path), []);
        fs::remove_dir(dir).unwrap();
    }
}
