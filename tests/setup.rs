//! `dormouse setup`: from nothing to a working list, and back.
//!
//! Postfix's commands are replaced by small scripts with their own main.cf; `tests/package` uses
//! the real ones.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const HOST: &str = "lists.example.org";
const OWNER: &str = "anna@example.net";

/// A `postconf` whose main.cf has lines of `key = value`, with Debian's defaults.
const POSTCONF: &str = r#"#!/bin/sh
cf="$FAKE/main.cf"
written() { sed -n "s/^$1 = //p" "$cf"; }
default() {
    case $1 in
        mydestination) echo '$myhostname, localhost' ;;
        alias_maps) echo hash:/etc/aliases ;;
        default_database_type) echo hash ;;
        config_directory) echo "$FAKE" ;;
    esac
}
while [ "$1" = -x ]; do shift; done
case $1 in
    -h) if grep -q "^$2 = " "$cf"; then written "$2"; else default "$2"; fi ;;
    -n) grep "^$2 = " "$cf" || true ;;
    -X) sed -i "/^$2 = /d" "$cf" ;;
    -e)
        [ ! -e "$FAKE/broken" ] || { echo 'postconf: fatal: no' >&2; exit 1; }
        sed -i "/^${2%% = *} = /d" "$cf"
        echo "$2" >> "$cf" ;;
esac
"#;

struct Machine {
    home: TempDir,
}

impl Machine {
    fn new(main_cf: &str) -> Machine {
        let machine = Machine { home: TempDir::new().unwrap() };
        // The site's owner must be able to enter the directory.
        fs::set_permissions(machine.home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(machine.path("main.cf"), main_cf).unwrap();
        fs::create_dir(machine.path("bin")).unwrap();
        machine.program("postconf", POSTCONF);
        machine.program("postalias", "#!/bin/sh\nexit 0\n");
        machine.program("postfix", "#!/bin/sh\nexit 1\n");
        machine
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn dormouse(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap();
        Command::new(DORMOUSE)
            .arg("--site")
            .arg(self.path("site"))
            .args(args)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("FAKE", self.home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.dormouse(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn setup(&self, more: &[&str]) -> Output {
        let usual = ["setup", "--host", HOST, "--owner", OWNER, "--units", "no", "--pages", "no"];
        self.dormouse(&[&usual, more].concat())
    }

    fn main_cf(&self) -> String {
        fs::read_to_string(self.path("main.cf")).unwrap()
    }
}

fn is_fine(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn without_an_mta_the_test_mail_reaches_the_maildir_and_undo_leaves_nothing_in_place() {
    let machine = Machine::new("");
    let told = is_fine(&machine.setup(&["--mta", "none", "--dkim", "yes", "--list", "friends"]));
    assert!(told.contains("it is delivered"), "{told}");
    assert!(machine.ok(&["list", "ls"]).contains("friends"));
    assert!(machine.ok(&["dkim", "ls"]).contains(HOST));
    machine.ok(&["setup", "--undo"]);
    assert!(!machine.path("site").exists());
    assert!(!machine.path("site.setup.json").exists());
    let again = machine.dormouse(&["setup", "--undo"]);
    assert_eq!(again.status.code(), Some(66));
}

/// Types answers at a pseudoterminal, which `script` provides.
fn typed(machine: &Machine, answers: &str) -> Option<String> {
    let site = machine.path("site");
    let command = format!("'{DORMOUSE}' --site '{}' setup --units no", site.display());
    let path = std::env::var("PATH").unwrap();
    let script = Command::new("script")
        .args(["--quiet", "--return", "--echo", "never", "--command", &command, "/dev/null"])
        .env("PATH", format!("{}:{path}", machine.path("bin").display()))
        .env("FAKE", machine.home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut script = match script {
        Ok(script) => script,
        Err(error) => {
            skipped::skip(format!("no script: {error}"));
            return None;
        }
    };
    script.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    Some(is_fine(&script.wait_with_output().unwrap()))
}

#[test]
fn setup_asks_five_questions_and_offers_defaults() {
    let machine = Machine::new("mydestination = lists.example.org\n");
    // The host, the owner, the MTA and the pages after a typing error each, DKIM, and the
    // confirmation.
    let answers = format!("{HOST}\n{OWNER}\nsendmail\nnone\nperhaps\nno\n\n\n");
    let Some(told) = typed(&machine, &answers) else { return };
    for line in [
        "postfix, exim or none [postfix]:",
        "postfix, exim or none?",
        "yes or no?",
        "Sign mail with DKIM, for DMARC? [yes]:",
        "it is delivered",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(machine.ok(&["dkim", "ls"]).contains(HOST));
    assert!(!machine.ok(&["config", "show"]).contains("web.listen = \"127"));
    assert_eq!(machine.main_cf(), "mydestination = lists.example.org\n");
}

#[test]
fn a_no_at_the_end_changes_nothing() {
    let machine = Machine::new("");
    let answers = format!("{HOST}\n{OWNER}\nnone\nno\nno\nno\n");
    let Some(told) = typed(&machine, &answers) else { return };
    assert!(told.contains("nothing was changed"), "{told}");
    assert!(!machine.path("site").exists() && !machine.path("site.setup.json").exists());
}

#[test]
fn a_dry_run_changes_nothing() {
    let machine = Machine::new("");
    let told = is_fine(&machine.setup(&["--mta", "postfix", "--dkim", "yes", "--dry-run"]));
    assert!(told.contains("dormouse init --host lists.example.org"), "{told}");
    assert!(told.contains("postconf -e 'recipient_delimiter = +'"), "{told}");
    assert!(!machine.path("site").exists() && !machine.path("site.setup.json").exists());
    assert_eq!(machine.main_cf(), "");
}

#[test]
fn postfix_keeps_what_it_had_and_gets_it_back() {
    for before in [
        "",
        "mydestination = example.net\nrecipient_delimiter = -\n",
        "mydestination = lists.example.org\nalias_maps = \n",
    ] {
        let machine = Machine::new(before);
        is_fine(&machine.setup(&["--mta", "postfix", "--dkim", "no", "--no-test-mail"]));
        let after = machine.main_cf();
        let map = format!("hash:{}/aliases", machine.path("site").display());
        assert!(after.contains(&map), "{after}");
        assert_eq!(after.matches(HOST).count(), 1.min(after.matches("mydestination").count()));
        assert!(after.contains("recipient_delimiter = -+") == before.contains("= -\n"), "{after}");
        let copies = fs::read_dir(machine.home.path()).unwrap();
        let copy = copies
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("main.cf.before-dormouse"))
            .expect("a copy of main.cf");
        assert_eq!(fs::read_to_string(copy).unwrap(), before);
        machine.ok(&["setup", "--undo"]);
        let lines = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&machine.main_cf()), lines(before));
    }
}

#[test]
fn what_an_administrator_changed_since_stays() {
    let machine = Machine::new("");
    is_fine(&machine.setup(&["--mta", "postfix", "--dkim", "no", "--no-test-mail"]));
    let theirs = machine.main_cf().replace("recipient_delimiter = +", "recipient_delimiter = +-");
    fs::write(machine.path("main.cf"), theirs).unwrap();
    let told = machine.ok(&["setup", "--undo"]);
    assert!(told.contains("recipient_delimiter was changed since"), "{told}");
    assert_eq!(machine.main_cf().trim(), "recipient_delimiter = +-");
}

#[test]
fn a_setup_that_fails_half_way_is_finished_by_the_next_one_or_taken_back() {
    let machine = Machine::new("");
    fs::write(machine.path("broken"), "").unwrap();
    let postfix = ["--mta", "postfix", "--dkim", "no", "--no-test-mail"];
    let output = machine.setup(&postfix);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("postconf -e") && said.contains("setup --undo"), "{said}");
    fs::remove_file(machine.path("broken")).unwrap();
    is_fine(&machine.setup(&postfix));
    assert!(machine.main_cf().contains("alias_maps"));
    let told = is_fine(&machine.setup(&postfix));
    assert!(!told.contains("$ dormouse init") && !told.contains("$ postconf"), "{told}");
    machine.ok(&["setup", "--undo"]);
    assert_eq!(machine.main_cf(), "");
    assert!(!machine.path("site").exists());
}

#[test]
fn undo_leaves_a_site_that_others_use_alone() {
    let machine = Machine::new("");
    is_fine(&machine.setup(&["--mta", "none", "--dkim", "no", "--no-test-mail"]));
    machine.ok(&["list", "create", "work", "--owner", OWNER]);
    let output = machine.dormouse(&["setup", "--undo"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("work"));
    assert!(machine.ok(&["list", "ls"]).contains("test"));
}

#[test]
fn an_earlier_site_keeps_its_lists_and_gets_its_settings_back() {
    let machine = Machine::new("");
    machine.ok(&["init", "--host", HOST, "--owner", OWNER]);
    machine.ok(&["list", "create", "work", "--owner", OWNER]);
    machine.ok(&["config", "set", "delivery.url", "smtp://192.0.2.1:25"]);
    let list = ["--list", "work", "--mta", "postfix", "--dkim", "yes", "--no-test-mail"];
    is_fine(&machine.setup(&list));
    assert_eq!(machine.ok(&["config", "show", "delivery.url"]).trim(), "smtp://127.0.0.1:25");
    assert!(machine.ok(&["member", "ls", "work"]).contains(OWNER));
    machine.ok(&["setup", "--undo"]);
    assert_eq!(machine.ok(&["config", "show", "delivery.url"]).trim(), "smtp://192.0.2.1:25");
    assert!(!machine.ok(&["member", "ls", "work"]).contains(OWNER));
    assert!(!machine.ok(&["dkim", "ls"]).contains(HOST));
    assert_eq!(machine.main_cf(), "");
}

#[test]
fn a_domain_that_aliases_do_not_reach_is_refused_before_anything_is_changed() {
    for key in ["virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] {
        let machine = Machine::new(&format!("{key} = example.net {HOST}\n"));
        let output = machine.setup(&["--mta", "postfix", "--dkim", "no"]);
        assert_eq!(output.status.code(), Some(78), "{key}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(key));
        assert!(!machine.path("site").exists());
    }
}

#[test]
fn without_a_terminal_nothing_is_asked_and_an_owner_must_be_named() {
    let machine = Machine::new("");
    let output = machine.dormouse(&["setup", "--host", HOST, "--mta", "none"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--owner"));
    assert!(!machine.path("site").exists());
}
