//! The manual and the completions are generated from the arguments, and whole outputs are compared
//! with `tests/snapshots/`. After a deliberate change run `INSTA_UPDATE=always cargo test -p
//! dormouse --test manual`, and read the difference.

use dormouse_testkit::site::{TestSite, message};
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
fn mandoc_has_nothing_to_say_about_the_pages() {
    if Command::new("mandoc").arg("-V").output().is_err() {
        skipped::skip("mandoc is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("man");
    dormouse(&["manual", "--output", dir.to_str().unwrap()]);
    let read = Command::new("mandoc").args(["-T", "lint"]).args(pages(&dir)).output().unwrap();
    let complaints = String::from_utf8_lossy(&read.stdout);
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn pages_have_examples_and_working_links() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("man");
    dormouse(&["manual", "--output", dir.to_str().unwrap()]);
    let create = fs::read_to_string(dir.join("man1/dormouse-list-create.1")).unwrap();
    assert!(create.contains(".SH EXAMPLES\n"), "{create}");
    assert!(create.contains("# dormouse list create friends"), "{create}");
    assert!(dormouse(&["help", "list", "create"]).contains("# dormouse list create friends"));
    let mut references = 0;
    for page in pages(&dir) {
        let text = fs::read_to_string(&page).unwrap().replace("\\-", "-").replace("\\%", "");
        for (at, _) in text.match_indices("\\fBdormouse") {
            let rest = &text[at + 3..];
            let Some((name, rest)) = rest.split_once("\\fR(") else { continue };
            let Some((section, _)) = rest.split_once(')') else { continue };
            if name.contains(['\\', '\n', ' ']) || section.len() != 1 {
                continue;
            }
            references += 1;
            let file = dir.join(format!("man{section}/{name}.{section}"));
            assert!(file.exists(), "{}: {name}({section})", page.display());
        }
    }
    assert!(references > 300, "{references}");
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

/// Masks what differs between runs and machines: paths, numbers, names of entries, durations and
/// the resulting widths.
fn masked(text: &str, site: &TestSite) -> String {
    let text = text.replace(site.dir().to_str().unwrap(), "SITE");
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut masked = String::new();
        let mut rest = line;
        while let Some(letter) = rest.chars().next() {
            let number = rest.len()
                - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
            let is_number = letter.is_ascii_digit();
            if is_number {
                rest = &rest[number..];
                if let Some(digest) = rest.strip_prefix('+') {
                    rest = digest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
                    masked.push_str("ENTRY");
                } else {
                    masked.push('N');
                }
            } else if rest.starts_with("  ") {
                rest = rest.trim_start_matches(' ');
                masked.push_str("  ");
            } else {
                masked.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
        for name in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] {
            masked = masked.replace(&format!("{name}, N"), "DAY, N");
        }
        for name in "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(' ') {
            masked = masked.replace(&format!("N {name} N"), "N MONTH N");
        }
        for unit in ["N ms", "N min", "N h", "N d"] {
            masked = masked.replace(unit, "N s");
        }
        for unit in ["N kB", "N MB", "N GB"] {
            masked = masked.replace(unit, "N B");
        }
        lines.push(masked.trim_end().to_owned());
    }
    lines.join("\n")
}

#[test]
fn listings_look_like_this() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org", "bert@example.net"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site.ok(&["member", "set", "dev", "bert@example.net", "digest=plain"]);
    site.post("dev", &message("anna@example.org", "Hello", "text\n"));
    insta::assert_snapshot!("queue_ls", masked(&site.ok(&["queue", "ls"]), &site));
    site.post("dev", &message("stranger@example.com", "Buy this", "text\n"));
    site.ok(&["run"]);
    let entry =
        site.queue("shunt").join("1795446454.354219+04341f0000000000000000000000000000000000.pck");
    fs::write(entry, b"x").unwrap();
    for (name, args) in [
        ("list_ls", &["list", "ls"][..]),
        ("member_ls", &["member", "ls", "dev"]),
        ("member_show", &["member", "show", "dev", "bert@example.net"]),
        ("held_ls", &["held", "ls"]),
        ("digest_ls", &["digest", "ls"]),
        ("queue_ls_shunt", &["queue", "ls", "shunt"]),
        ("archive_ls", &["archive", "ls"]),
    ] {
        insta::assert_snapshot!(name, masked(&site.ok(args), &site));
    }
    let mail = String::from_utf8(site.maildir("anna@example.org").remove(0)).unwrap();
    let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().to_owned();
    let trace = masked(&site.ok(&["trace", &id]).replace(&id, "ID"), &site);
    // The archive and the MTA are served in parallel.
    let mut steps: Vec<&str> = trace.lines().collect();
    steps.sort_unstable();
    insta::assert_snapshot!("trace", steps.join("\n"));
}

#[test]
fn the_doctors_findings_look_like_this() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:1"]);
    site.ok(&["config", "set", "delivery.url", "smtp://127.0.0.1:1"]);
    fs::write(site.queue("in").join("99999999999.0+0a.pck"), b"x").unwrap();
    let said = String::from_utf8(site.run(&["doctor"]).stdout).unwrap();
    // The others depend on the machine: its user, its disk, its MTA, its crontabs.
    let topics = ["database", "receivers", "web pages", "strangers", "clock", "MTA ", "orphans"];
    let mut kept = Vec::new();
    let mut is_kept = false;
    for line in said.lines() {
        if !line.starts_with(' ') {
            is_kept =
                topics.iter().any(|topic| line.get(6..).is_some_and(|l| l.starts_with(topic)));
        }
        if is_kept {
            kept.push(line);
        }
    }
    insta::assert_snapshot!("doctor", masked(&kept.join("\n"), &site));
}

#[test]
fn a_welcome_and_a_moderators_notice_look_like_this() {
    let site = TestSite::new(DORMOUSE);
    let told = ["generic_nonmember_action=hold", "admin_immed_notify=1", "send_welcome_msg=1"];
    site.ok(&["list", "create", "dev", "--owner", "owner@example.org", "--quiet"]);
    site.ok(&[&["list", "set", "dev"][..], &told].concat());
    site.ok(&["member", "add", "dev", "anna@example.org"]);
    site.post("dev", &message("stranger@example.com", "Buy this", "text\n"));
    site.ok(&["run"]);
    for (name, address) in [("welcome", "anna@example.org"), ("held_notice", "owner@example.org")] {
        let mail = site.maildir(address).pop().unwrap();
        let mail = String::from_utf8(mail).unwrap().replace('\r', "");
        // Dates, identifiers, boundaries and cookies differ each time.
        let lines = mail.lines().filter(|line| {
            !["Date:", "Errors-To:", "Message-ID:", "Received:", "Return-Path:", "From "]
                .iter()
                .any(|start| line.starts_with(start))
                && !line.contains("boundary")
                && !line.starts_with("--")
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(name, masked(&without_cookies(&text), &site));
    }
}

/// Replaces words of forty hexadecimal digits by `COOKIE`.
fn without_cookies(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(std::iter::once('\n')) {
        if letter.is_ascii_hexdigit() {
            word.push(letter);
        } else {
            out.push_str(if word.len() >= 32 { "COOKIE" } else { &word });
            word.clear();
            out.push(letter);
        }
    }
    out
}
