//! The Python that Mailman 2.1 runs on, if the machine has it.

use std::path::PathBuf;
use std::process::Command;

/// Returns a working Python 2.7. `None`, with the test noted as skipped, if there is none.
pub fn python27() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let versions = std::fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    let managed = versions.map(|version| version.path().join("bin/python2.7"));
    let found =
        ["python2.7", "python2"].map(PathBuf::from).into_iter().chain(managed).find(|python| {
            Command::new(python)
                .args(["-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"])
                .output()
                .is_ok_and(|output| output.status.success())
        });
    if found.is_none() {
        skipped::skip("no Python 2.7 on this machine");
    }
    found
}
