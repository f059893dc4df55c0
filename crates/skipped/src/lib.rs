//! Tests that cannot run on a machine say so where everybody sees it: `cargo test` swallows what a test
//! prints that passes, so it is noted in a file, and the last of all test programs prints that.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How the reason begins why a test runs nowhere by itself: what it needs cannot be installed. That it is
/// skipped fails nothing.
pub const ONLY_WHERE_GIVEN: &str = "only where it is given: ";

/// Notes that the running test skips, and why; it then has to return.
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    eprintln!("skipped: {reason}");
    let noted = match notes() {
        Some(path) => note(&path, test, &reason.to_string()),
        None => Err(std::io::ErrorKind::NotFound.into()),
    };
    if let Err(error) = noted {
        eprintln!("that it was skipped could not be noted: {error}");
    }
}

/// What was skipped since `cargo test` was started, as tests and their reasons; it is forgotten then.
pub fn take() -> Vec<(String, String)> {
    notes().map(|path| take_from(&path)).unwrap_or_default()
}

/// The notes of the `cargo test` that has started this program, beside the directory of its tests.
fn notes() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let profile = program.parent()?.parent()?;
    Some(profile.join("skipped-tests").join(std::os::unix::process::parent_id().to_string()))
}

fn note(path: &Path, test: &str, reason: &str) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    // One write, and so one line, however many tests end at this moment.
    let line = format!("{test}\t{}\n", reason.replace(['\n', '\t'], " "));
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

fn take_from(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // Those of runs that ended before their summary are nobody's any more.
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
