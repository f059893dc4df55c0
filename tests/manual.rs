//! The manual and the completions are made from what the program takes.

use dormouse_testkit::site::TestSite;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn dormouse(args: &[&str]) -> String {
    let output = Command::new(DORMOUSE).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn pages(dir: &Path) -> Vec<PathBuf> {
    let sections = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = sections
        .flat_map(|section| fs::read_dir(section).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    pages.sort();
    pages
}

#[test]
fn every_command_and_every_setting_has_its_page() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("man");
    dormouse(&["manual", "--output", dir.to_str().unwrap()]);
    for page in [
        "man1/dormouse.1",
        "man1/dormouse-list-create.1",
        "man8/dormouse-run.8",
        "man5/dormouse.toml.5",
        "man5/dormouse-list-settings.5",
        "man5/dormouse-qfiles.5",
        "man7/dormouse-takeover.7",
    ] {
        assert!(dir.join(page).exists(), "{page}");
    }
    let site = TestSite::new(DORMOUSE);
    let toml = fs::read_to_string(dir.join("man5/dormouse.toml.5")).unwrap();
    let settings: Vec<_> = site.ok(&["config", "show"]).lines().map(str::to_owned).collect();
    let names = settings.iter().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    for name in names.filter(|name| !name.starts_with(' ')) {
        assert!(toml.contains(&format!("\\fB{name}\\fR")), "{name}");
    }
}

#[test]
fn man_reads_the_pages_without_a_complaint() {
    if Command::new("man").arg("--version").output().is_err() {
        skipped::skip("man is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("man");
    dormouse(&["manual", "--output", dir.to_str().unwrap()]);
    for page in pages(&dir) {
        let read = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .env("LC_ALL", "C.UTF-8")
            .env("MANROFFSEQ", "")
            .arg(&page)
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
    }
}

#[test]
fn a_page_is_printed_as_text_for_those_without_man() {
    assert!(dormouse(&["manual", "run"]).contains("Usage: dormouse run"));
    assert!(dormouse(&["manual", "list", "create"]).contains("Usage: dormouse list create"));
    assert!(dormouse(&["manual", "dormouse.toml"]).contains("web.listen"));
    assert!(dormouse(&["manual", "qfiles"]).contains("RECEIVED+DIGEST"));
    assert!(dormouse(&["help", "run"]).contains("Usage: dormouse run"));
    assert!(dormouse(&["help", "list", "create"]).contains("Usage: dormouse list create"));
    assert_eq!(dormouse(&["help", "qfiles"]), dormouse(&["manual", "qfiles"]));
    assert_eq!(dormouse(&["help", "list-settings"]), dormouse(&["manual", "list-settings"]));
    for command in ["manual", "help"] {
        let unknown = Command::new(DORMOUSE).args([command, "nothing"]).output().unwrap();
        assert_eq!(unknown.status.code(), Some(64));
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let text = dormouse(&["completions", shell]);
        for word in ["backup", "dkim", "list", "owner"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("dormouse.bash");
    fs::write(&file, dormouse(&["completions", "bash"])).unwrap();
    let script = format!(
        "source {}; COMP_WORDS=(dormouse dk); COMP_CWORD=1; _dormouse dormouse dk dormouse; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "dkim");
}
