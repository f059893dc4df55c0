//! A throw-away systemd user manager for a test.

use std::path::Path;
use std::process::Command;

/// Set inside the manager's namespaces.
const INSIDE: &str = "DORMOUSE_TEST_INSIDE_MANAGER";
/// The harness' exit code where no manager can be had.
const CANNOT: i32 = 125;

/// Runs a test's body beside a manager of its own, in a copy of this process. `test` is the test's
/// name. Skips, saying why, where no manager can be had.
pub fn in_manager(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let harness =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/systemd/with-user-systemd.sh");
    let output = Command::new(harness)
        .arg(std::env::current_exe().expect("the test's own file"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("the harness starts");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.code() == Some(CANNOT) {
        eprintln!("skipped: {}", said.trim());
        return;
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "no test is called {test}: {said}");
}

/// What `systemctl --user` prints; it must succeed.
pub fn systemctl(args: &[&str]) -> String {
    let output =
        Command::new("systemctl").arg("--user").args(args).output().expect("systemctl starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// One property of a unit.
pub fn property(unit: &str, property: &str) -> String {
    systemctl(&["show", "--value", "--property", property, unit])
}
