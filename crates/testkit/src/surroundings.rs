//! Environments for a single test: a systemd user manager, a small disk, a disk in memory.
//!
//! For the first two, the test's body runs in a copy of this process, inside namespaces that end
//! with it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the copy.
const INSIDE: &str = "DORMOUSE_TEST_SURROUNDED";
/// The exit status of a launcher that cannot provide the environment.
const CANNOT: i32 = 125;

/// Runs a test's body with a systemd user manager of its own. `test` is the test's name. Skips the
/// test, with the reason, if no manager can be started.
pub fn in_manager(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let harness =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/systemd/with-user-systemd.sh");
    run_copy(test, "1", &mut Command::new(harness));
}

/// Runs a test's body with the path of an empty file system of `kilobytes`. Skips the test, with
/// the reason, if it must not mount one.
pub fn on_small_disk(test: &str, kilobytes: u32, body: impl FnOnce(&Path)) {
    if let Some(disk) = std::env::var_os(INSIDE) {
        return body(&PathBuf::from(disk));
    }
    let disk = tempfile::tempdir().expect("a temporary directory can be created");
    let mount = format!(
        "mount -t tmpfs -o size={kilobytes}k none \"$0\" || exit {CANNOT}; \"$@\"; exit $?"
    );
    // Without root, the mount belongs to a user namespace in which this process is root.
    let user = if rustix::process::getuid().is_root() { "--mount" } else { "--map-root-user" };
    let mut launcher = Command::new("unshare");
    launcher.args([user, "--mount", "--propagation", "private", "sh", "-c", &mount]);
    launcher.arg(disk.path());
    run_copy(test, disk.path(), &mut launcher);
}

fn run_copy(test: &str, inside: impl AsRef<std::ffi::OsStr>, launcher: &mut Command) {
    let output = launcher
        .arg(std::env::current_exe().expect("the test's own file"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, inside)
        .output()
        .expect("the launcher starts");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.code() == Some(CANNOT) {
        skipped::skip(said.trim());
        return;
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "no test is called {test}: {said}");
    // The copy's own notes are lost, since `cargo test` did not start it.
    said.lines().filter_map(|line| line.strip_prefix("skipped: ")).for_each(skipped::skip);
}

/// Returns what `systemctl --user` prints; it must succeed.
pub fn systemctl(args: &[&str]) -> String {
    let output =
        Command::new("systemctl").arg("--user").args(args).output().expect("systemctl starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns a property of a unit.
pub fn property(unit: &str, property: &str) -> String {
    systemctl(&["show", "--value", "--property", property, unit])
}

/// Returns a directory for what a test does thousands of times: in memory, where syncs cost
/// nothing, if the machine has `/dev/shm`.
pub fn in_memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let is_ours = rustix::fs::access(memory, rustix::fs::Access::WRITE_OK).is_ok();
    if is_ours { memory.to_owned() } else { std::env::temp_dir() }
}
