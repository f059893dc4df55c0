//! What administrators meet at a prompt: root, wrong command lines, crontabs, waiting entries.

use dormouse_testkit::servers::Account;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, message};
use dormouse_testkit::waiting::eventually_or;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Runs the command as the user who runs the tests, whatever the site's owner.
fn as_root(site: &TestSite, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(site.binary())
        .args(args)
        .env("DORMOUSE_SITE", site.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn well(site: &TestSite, args: &[&str], input: &[u8]) -> String {
    let output = as_root(site, args, input);
    assert!(output.status.success(), "{args:?}: {}", describe(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Finds everything below a directory that does not belong to this user.
fn strays(dir: &Path, user: u32, into: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        if found.uid() != user {
            into.push(path.display().to_string());
        }
        if found.is_dir() {
            strays(&path, user, into);
        }
    }
}

#[test]
fn what_root_does_in_a_users_site_is_that_users() {
    if !rustix::process::geteuid().is_root() {
        skipped::skip("only root can be root");
        return;
    }
    let Some(owner) = Account::find(&["list", "nobody"]) else { return };
    let mut site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.give_to(&owner);
    // A directory that only root may read.
    let private = tempfile::TempDir::new().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = private.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let members = file("members", b"bert@example.org\n");
    let others = file("others", b"carl@example.org\n");
    let mbox = file("mbox", b"From a@x Mon Nov 23 10:00:00 2026\nMessage-ID: <m@x>\n\nhi\n");
    well(&site, &["member", "add", "dev", "--file", &members], b"");
    well(&site, &["compat", "add_members", "-w", "n", "-r", &others, "dev"], b"");
    well(&site, &["archive", "import", "dev", &mbox], b"");
    well(&site, &["post", "dev"], &message("anna@example.org", "one", "text\n"));
    well(&site, &["run"], b"");
    let mut found = Vec::new();
    strays(&site.dir(), owner.user, &mut found);
    assert!(found.is_empty(), "{found:?}");
    site.post("dev", &message("anna@example.org", "two", "text\n"));
    site.ok(&["run"]);
    assert_eq!(site.maildir("carl@example.org").len(), 2);

    let refused = as_root(
        &site,
        &["status", "--prometheus", private.path().join("metrics").to_str().unwrap()],
        b"",
    );
    let said = describe(&refused);
    assert!(said.contains(&format!("as {}, who owns the site", owner.name)), "{said}");
    assert!(said.contains("/metrics: "), "{said}");

    let doctor = |expected: &str| {
        let said = describe(&as_root(&site, &["doctor"], b""));
        assert!(said.contains(expected), "{expected}: {said}");
    };
    doctor(&format!("everything in the site belongs to {}", owner.name));
    let stray = site.dir().join("logs/old");
    fs::write(&stray, "").unwrap();
    fs::set_permissions(site.dir().join("logs"), fs::Permissions::from_mode(0o755)).unwrap();
    doctor("logs/old belongs to root");
    doctor("other users may read");
    let checked = well(&site, &["compat", "check_perms"], b"");
    assert!(checked.contains("logs/old bad owner (has: root"), "{checked}");
    assert!(checked.contains("Problems found: 2"), "{checked}");
    well(&site, &["compat", "check_perms", "-f"], b"");
    assert_eq!(fs::metadata(&stray).unwrap().uid(), owner.user);
    assert_eq!(well(&site, &["compat", "check_perms"], b""), "No problems found\n");
    doctor("everything in the site belongs to");

    // Units run as the owner.
    let units = well(&site, &["units", "print"], b"");
    assert!(units.contains(&format!("\nUser={}\n", owner.name)), "{units}");
    let other = as_root(&site, &["units", "install", "--dry-run", "--run-as", "root"], b"");
    assert_eq!(other.status.code(), Some(78), "{}", describe(&other));
    let would = well(&site, &["units", "install", "--dry-run"], b"");
    assert!(would.contains("dormouse.target"), "{would}");
}

#[test]
fn a_web_server_comes_to_public_archives_and_to_nothing_else() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.post("dev", &message("anna@example.org", "one", "text\n"));
    site.ok(&["run"]);
    let mode =
        |below: &str| fs::metadata(site.dir().join(below)).unwrap().permissions().mode() & 0o007;
    for below in ["", "archives/private"] {
        assert_eq!(mode(below), 1, "{below}");
    }
    for below in ["archives", "archives/public", "archives/private/dev"] {
        assert_eq!(mode(below), 5, "{below}");
    }
    for entry in fs::read_dir(site.dir()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "archives" || mode(&name) == 0, "{name}");
    }
    assert!(site.ok_or_not(&["doctor"]).contains("a web server can read the public ones"));
    let closed = fs::Permissions::from_mode(0o2770);
    fs::set_permissions(site.dir(), closed).unwrap();
    assert!(site.ok_or_not(&["doctor"]).contains("chmod o+x"));
}

/// After root has switched to the site's owner, the environment still names root's home, which it
/// may not read.
#[test]
fn root_in_a_users_site_sees_that_users_units_and_is_not_stopped_by_its_own_home() {
    if !rustix::process::geteuid().is_root() {
        skipped::skip("only root can be root");
        return;
    }
    let Some(owner) = Account::find(&["list", "nobody"]) else { return };
    let mut site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.give_to(&owner);
    let home = tempfile::TempDir::new().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let config = home.path().join(".config");
    let runtime = home.path().join("run");
    for (named, value) in [("", Path::new("")), ("XDG_CONFIG_HOME", &config)] {
        for words in [
            &["status"][..],
            &["status", "--json"],
            &["doctor"],
            &["units", "check"],
            &["units", "check", "--user"],
            &["units", "install", "--dry-run"],
            &["cron", "ls"],
            &["aliases"],
        ] {
            let mut command = Command::new(site.binary());
            command.args(words).env("DORMOUSE_SITE", site.dir()).env("HOME", home.path());
            command.env_remove("XDG_CONFIG_HOME").env("XDG_RUNTIME_DIR", &runtime);
            if !named.is_empty() {
                command.env(named, value);
            }
            let output = command.output().unwrap();
            let said = describe(&output);
            assert!(!said.contains("Permission denied"), "{words:?}: {said}");
            let may_complain = matches!(words[..], ["doctor"] | ["units", "check", ..]);
            assert!(output.status.success() || may_complain, "{words:?}: {said}");
            if words == ["status"] {
                assert!(said.contains("none installed"), "{said}");
            }
        }
    }
}

/// The output of a command, whatever its exit code.
trait OkOrNot {
    fn ok_or_not(&self, args: &[&str]) -> String;
}

impl OkOrNot for TestSite {
    fn ok_or_not(&self, args: &[&str]) -> String {
        describe(&self.run(args))
    }
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    for args in [
        &["post"][..],
        &["--nope"],
        &[],
        &["run", "--queue", "nope"],
        &["list", "nope"],
        &["run", "--quiet", "--json"],
    ] {
        let output = site.run(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", describe(&output));
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["run", "-h"]] {
        assert!(!site.ok(args).is_empty(), "{args:?}");
    }
    for args in
        [&["archive", "import", "dev", "/missing"][..], &["member", "add", "dev", "--file", "/x/y"]]
    {
        let output = site.run(args);
        assert_eq!(output.status.code(), Some(66), "{args:?}: {}", describe(&output));
    }
}

#[test]
fn a_crontab_s_runs_are_silent_and_a_summary_forgets_nothing() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let bounce = |address: &str| {
        let mail = format!(
            "From: MAILER-DAEMON@example.org\nTo: dev-bounces@lists.example.org\n\
             Subject: failed\nContent-Type: text/plain\n\nHi. This is the qmail-send program\n\n\
             <{address}>:\nno such user\n"
        );
        let args = ["deliver", "--sender", "", "dev-bounces@lists.example.org"];
        let output = site.feed(&args, mail.as_bytes());
        assert!(output.status.success(), "{}", describe(&output));
    };
    bounce("anna@example.org");
    bounce("bert@example.org");
    let said = site.ok(&["run"]);
    assert!(said.starts_with("2 bounces, "), "{said}");
    site.post("dev", &message("anna@example.org", "one", "text\n"));
    assert_eq!(site.ok(&["run", "--quiet"]), "");
    let done = site.command(&["cron", "run", "-q"]).env("DORMOUSE_CLOCK", "+86400").output();
    let done = done.unwrap();
    assert!(done.status.success() && done.stdout.is_empty(), "{}", describe(&done));
    // Each job has been done, so none is due.
    let mut table = site.command(&["cron", "ls", "--json"]);
    let table = table.env("DORMOUSE_CLOCK", "+86400").output().unwrap();
    let jobs: serde_json::Value = serde_json::from_slice(&table.stdout).unwrap();
    for job in jobs.as_array().unwrap().iter().filter(|job| !job["last"].is_null()) {
        let often = job["when"].as_str().unwrap().contains("minutes");
        assert!(often || job["due"] == false, "{job}");
    }
    // Queues that the last run did not process have no last run.
    let status: serde_json::Value = serde_json::from_str(&site.ok(&["status", "--json"])).unwrap();
    let last = |name: &str| {
        let queues = status["queues"].as_array().unwrap();
        !queues.iter().find(|queue| queue["queue"] == name).unwrap()["last_run"].is_null()
    };
    assert!(last("in") && last("out") && !last("commands") && !last("news"));
}

#[test]
fn the_listing_says_why_an_entry_waits_and_for_how_long() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["config", "set", "delivery.url", "smtp://127.0.0.1:1"]);
    site.post("dev", &message("anna@example.org", "one", "text\n"));
    site.run(&["run"]);
    fs::write(site.queue("bad").join("1795446454.354219+04341fffffffffff.psv"), "junk").unwrap();
    let listed = site.ok(&["queue", "ls"]);
    let line = |start: &str| {
        listed.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{listed}"))
    };
    let retry = line("retry/");
    assert!(retry.contains("the MTA could not be reached"), "{retry}");
    assert!(retry.contains("in 59 s") || retry.contains("in 60 s"), "{retry}");
    let bad = line("bad/1795446454.354219+04341f ");
    assert!(!bad.contains(&site.dir().display().to_string()), "{bad}");
    let named = bad.split_whitespace().next().unwrap();
    site.ok(&["queue", "rm", named]);
    let later = site.command(&["queue", "ls"]).env("DORMOUSE_CLOCK", "+100").output().unwrap();
    assert!(String::from_utf8_lossy(&later.stdout).contains(" due "), "{}", describe(&later));
}

#[test]
fn without_a_manager_nothing_is_written_and_it_is_said_once() {
    if Command::new("systemctl").arg("--version").output().is_err() {
        skipped::skip("there is no systemctl");
        return;
    }
    let site = TestSite::new(DORMOUSE);
    let home = tempfile::TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let mut command = site.command(args);
        command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path().join("config"));
        command.env("XDG_RUNTIME_DIR", home.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.output().unwrap()
    };
    let refused = run(&["units", "install", "--user"]);
    assert_eq!(refused.status.code(), Some(69), "{}", describe(&refused));
    assert!(describe(&refused).contains("nothing was changed"), "{}", describe(&refused));
    assert!(!home.path().join("config").exists());
    let would = describe(&run(&["units", "install", "--user", "--dry-run"]));
    assert!(would.contains("would write") && !home.path().join("config").exists(), "{would}");
    // For a manager that is started later.
    run(&["units", "install", "--user", "--no-start"]);
    assert!(home.path().join("config/systemd/user/dormouse.target").exists());
    let checked = describe(&run(&["units", "check", "--user"]));
    assert_eq!(checked.matches("can be asked about").count(), 1, "{checked}");
    assert!(!checked.contains("--property"), "{checked}");
}

#[test]
fn a_master_takes_new_settings_by_itself_however_they_are_written() {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["master", "start"]);
    let log = site.dir().join("logs/master.log");
    let logged = || fs::read_to_string(&log).unwrap();
    let started = |what: &str| logged().matches(&format!("{what} started")).count();
    let follows = |what: &str, times: usize| {
        eventually_or(what, || started(what) == times, logged);
    };
    // The file is replaced, as by this program and most editors.
    site.ok(&["config", "set", "runners.out", "resident 1"]);
    follows("runner out", 1);
    // The file is written in place.
    let file = site.dir().join("dormouse.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("resident 1", "resident 2")).unwrap();
    follows("runner out", 2);
    // A process that has not read them yet would exit and be restarted.
    let are_there = |status: String| status.contains("runner out") && status.contains("watch, p");
    eventually_or("its processes", || are_there(site.ok(&["status"])), logged);
    // The file is missing for a while, and invalid for a while.
    fs::remove_file(&file).unwrap();
    fs::write(&file, "[runners]\nout = 'sometimes'\n").unwrap();
    eventually_or("a word about it", || logged().contains("sometimes"), logged);
    fs::write(&file, text.replace("resident 1", "resident 3")).unwrap();
    follows("runner out", 3);
    // A setting that the processes read by themselves restarts none of them.
    site.ok(&["config", "set", "delivery.retry_wait", "17 min"]);
    site.ok(&["config", "set", "runners.in", "resident 1"]);
    follows("runner in", 1);
    follows("runner out", 4);
    eventually_or("no older settings", || !site.ok(&["status"]).contains("older"), logged);
    assert!(site.ok_or_not(&["doctor"]).contains("the master is running"));
    site.ok(&["master", "restart"]);
    follows("runner out", 5);
    site.ok(&["master", "stop"]);
    let text = fs::read_to_string(&log).unwrap();
    // Every line has a time, except that of a process that could not read the settings.
    let is_dated = |line: &str| line.starts_with("20") && line.contains("Z ");
    let is_said = |line: &str| line.starts_with("dormouse: ");
    assert!(text.lines().all(|line| is_dated(line) || is_said(line)), "{text}");
}

/// Returns the mails of an address, as text.
fn mails(site: &TestSite, address: &str) -> Vec<String> {
    site.maildir(address).into_iter().map(|mail| String::from_utf8(mail).unwrap()).collect()
}

#[test]
fn a_new_list_s_owners_hear_how_it_works_and_decide_by_mail_with_what_they_were_told() {
    let site = TestSite::new(DORMOUSE);
    let said =
        site.ok(&["list", "create", "dev", "--owner", "o@example.org", "--owner", "p@example.org"]);
    assert!(said.contains("a mail about it goes to o@example.org and p@example.org"), "{said}");
    site.ok(&["run"]);
    assert_eq!(mails(&site, "p@example.org").len(), 1);
    let told = mails(&site, "o@example.org").remove(0);
    for words in ["dev@lists.example.org", "dev-join@", "dev-leave@", "dev-request@", "Approved: "]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let password = told.split("Approved: ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(password.len() >= 12 && !said.contains(password), "{password}");
    site.post("dev", &message("stranger@example.net", "tea", "leaves\n"));
    site.ok(&["run"]);
    let asked =
        mails(&site, "o@example.org").into_iter().find(|mail| mail.contains("confirm ")).unwrap();
    let cookie = asked.split("Subject: confirm ").nth(1).unwrap().lines().next().unwrap();
    let answer = format!(
        "From: o@example.org\nTo: dev-request@lists.example.org\nSubject: Re: confirm {cookie}\n\n\
         Approved: {password}\n"
    );
    let taken = site.feed(&["deliver", "dev-request@lists.example.org"], answer.as_bytes());
    assert!(taken.status.success(), "{}", describe(&taken));
    site.ok(&["run"]);
    assert_eq!(site.ok(&["held", "ls", "--json"]).trim(), "[]");
}

#[test]
fn a_password_is_made_up_asked_for_or_not_there_and_no_mail_names_one_that_is_not() {
    let site = TestSite::new(DORMOUSE);
    let owner = ["--owner", "o@example.org"];
    let create = |args: &[&str], input: &[u8]| {
        let output = site.feed(&[&["list", "create"], args, &owner].concat(), input);
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let is_right = |list: &str, password: &str| {
        let mail = message("s@example.net", list, &format!("Approved: {password}\n\nhi\n"));
        site.post(list, &mail);
        site.ok(&["run"]);
        !site.ok(&["held", "ls", list]).contains(&format!(" {list}"))
    };
    let said = create(&["one", "--generate-password", "--quiet"], b"");
    let made = said.split("password is ").nth(1).unwrap().lines().next().unwrap().to_owned();
    create(&["two", "--password"], b"tell-nobody\n");
    create(&["three", "--quiet"], b"");
    site.ok(&["run"]);
    let told = mails(&site, "o@example.org");
    assert!(told.len() == 1 && told[0].contains("Approved: tell-nobody"), "{told:?}");
    for (list, password) in [("one", made.as_str()), ("two", "tell-nobody")] {
        site.ok(&["member", "add", list, "m@example.org"]);
        site.ok(&["list", "set", list, "require_explicit_destination=no"]);
        assert!(is_right(list, password), "{list}");
    }
    site.post("three", &message("s@example.net", "waits", "hi\n"));
    site.ok(&["run"]);
    let asked = mails(&site, "o@example.org")
        .into_iter()
        .find(|mail| mail.contains("Three post from"))
        .unwrap();
    assert!(!asked.contains("assword") && !asked.contains("by mail"), "{asked}");
    let empty =
        site.feed(&["list", "create", "four", "--password", "--owner", "o@example.org"], b"\n");
    assert_eq!(empty.status.code(), Some(64), "{}", describe(&empty));
    assert_eq!(site.run(&["list", "show", "four"]).status.code(), Some(67));
}

#[test]
fn what_is_removed_is_named_and_comes_back() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org", "bert@example.org"]);
    site.ok(&["list", "set", "dev", "description=Tea", "emergency=yes"]);
    site.post("dev", &message("anna@example.org", "one", "text\n"));
    site.ok(&["run"]);
    for input in [&b""[..], b"n\n"] {
        let output = site.feed(&["list", "rm", "dev"], input);
        let said = describe(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        for words in ["2 members", "1 held post", "Remove dev?", "nothing was removed"] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    let output = site.feed(&["list", "rm", "dev"], b"yes\n");
    let said = describe(&output);
    assert!(output.status.success(), "{said}");
    let file = said.split("list restore ").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(site.run(&["list", "show", "dev"]).status.code(), Some(67));
    site.ok(&["list", "restore", file]);
    assert_eq!(site.ok(&["list", "show", "dev", "description"]), "Tea\n");
    assert_eq!(
        site.ok(&["member", "ls", "dev"]).lines().filter(|line| line.contains('@')).count(),
        2
    );
    let held: serde_json::Value =
        serde_json::from_str(&site.ok(&["held", "ls", "--json"])).unwrap();
    let id = held[0]["id"].to_string();
    site.ok(&["list", "set", "dev", "emergency=no"]);
    site.ok(&["held", "approve", "dev", &id]);
    site.ok(&["run"]);
    assert_eq!(site.maildir("bert@example.org").len(), 1);
    let again = site.run(&["list", "restore", file]);
    assert!(!again.status.success(), "{}", describe(&again));
    site.ok(&["list", "rm", "--yes", "dev"]);
    let gone = site.ok(&["list", "ls"]);
    assert!(!gone.contains("dev@"), "{gone}");
}

#[test]
fn an_entry_that_the_sites_user_cannot_open_is_set_aside_and_comes_back_when_it_can() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let Some(owner) = Account::find(&["list", "nobody"]) else { return };
    let mut site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.post("dev", &message("bert@example.com", "one", "x\n"));
    site.give_to(&owner);
    let entry = site.queue("in").join(&site.files("in", "pck")[0]);
    std::os::unix::fs::chown(&entry, Some(0), Some(0)).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o600)).unwrap();
    let output = site.run(&["run", "--json"]);
    let said = describe(&output);
    assert!(output.status.success(), "the unit would start again and again: {said}");
    assert!(said.contains("\"shunted\": 1") && said.contains("ermission denied"), "{said}");
    let listed = site.ok(&["queue", "ls", "in"]);
    assert!(listed.contains("preserved"), "{listed}");
    let aside = entry.with_extension("psv");
    std::os::unix::fs::chown(&aside, fs::metadata(site.dir()).map(|m| m.uid()).ok(), None).unwrap();
    let said = site.ok(&[
        "queue",
        "retry",
        &format!("in/{}", entry.file_stem().unwrap().to_str().unwrap()),
    ]);
    assert!(said.contains("was moved back to in"), "{said}");
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
}

#[test]
fn a_clock_that_was_wrong_once_silences_no_job_and_is_named() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["member", "set", "dev", "anna@example.org", "digest=plain"]);
    site.ok(&["list", "set", "dev", "digest_size_threshhold=0"]);
    let digests = || {
        site.ok(&["run"]);
        site.maildir("anna@example.org").len()
    };
    let post = |subject: &str| {
        site.post("dev", &message("bert@example.com", subject, "x\n"));
        site.ok(&["run"]);
    };
    for (number, days) in [400, 3, 1].into_iter().enumerate() {
        post(&format!("before{number}"));
        let forward = format!("+{}", days * 86_400);
        let wrong = site.command(&["cron", "run", "-q"]).env("DORMOUSE_CLOCK", forward).output();
        assert!(wrong.unwrap().status.success());
        let sent = digests();
        let table = site.ok(&["cron", "ls"]);
        assert!(table.contains("in the future"), "{days}: {table}");
        let said = site.run(&["doctor"]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("the job senddigests last ran for"), "{days}: {said}");
        post(&format!("after{number}"));
        site.ok(&["cron", "run", "-q"]);
        assert_eq!(digests(), sent + 1, "{days} days");
        assert!(!site.ok(&["cron", "ls"]).contains("in the future"), "{days}");
        // There is still only one a day.
        post(&format!("again{number}"));
        site.ok(&["cron", "run", "-q"]);
        assert_eq!(digests(), sent + 1, "{days} days");
        site.ok(&["digest", "send", "dev"]);
        digests();
    }
}

#[test]
fn a_user_in_the_url_logs_in_with_the_password_file_and_doctor_says_why_not() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let sink = Sink::builder().auth("PLAIN LOGIN", "lists@example.org", "right").start();
    let url = format!("smtp://lists%40example.org@127.0.0.1:{}", sink.port());
    site.ok(&["config", "set", "delivery.url", &url]);
    let doctor = || describe(&site.run(&["doctor"]));
    let said = doctor();
    assert!(said.contains("no file with the password") && said.contains("password_file"), "{said}");
    let password = site.dir().join("smtp.password");
    fs::write(&password, "wrong\n").unwrap();
    site.ok(&["config", "set", "delivery.password_file", "smtp.password"]);
    let said = doctor();
    assert!(
        said.contains("does not accept the login of the user \"lists@example.org\": 535"),
        "{said}"
    );
    assert!(said.contains("check the password") && !said.contains("start it"), "{said}");
    fs::write(&password, "right\n").unwrap();
    let said = doctor();
    assert!(said.contains("answers, and accepts the login of lists@example.org"), "{said}");
    site.post("dev", &message("anna@example.org", "one", "text\n"));
    site.ok(&["run"]);
    assert_eq!(sink.messages().len(), 1);
    // A separate setting for the user comes before the URL's; a complete login in the URL needs no
    // file.
    site.ok(&["config", "set", "delivery.user", "nobody"]);
    assert!(doctor().contains("does not accept the login of the user \"nobody\""));
    site.ok(&["config", "set", "delivery.user", ""]);
    site.ok(&["config", "set", "delivery.password_file", ""]);
    let whole = url.replace("lists%40example.org@", "lists%40example.org:right@");
    site.ok(&["config", "set", "delivery.url", &whole]);
    let said = doctor();
    assert!(said.contains(" answers") && !said.contains(":right"), "{said}");
    fs::remove_file(&password).unwrap();
    site.ok(&["config", "set", "delivery.url", &url]);
    site.ok(&["config", "set", "delivery.password_file", "smtp.password"]);
    assert!(doctor().contains("smtp.password"));
}

/// Commands of the next test that always print something.
const PRINTS: &[&[&str]] = &[
    &["--help"],
    &["list", "ls"],
    &["list", "show", "dev", "--explain"],
    &["config", "show", "--json"],
    &["member", "ls", "dev"],
    &["template", "ls", "dev"],
    &["status"],
    &["cron", "ls"],
    &["compat", "list_lists"],
];

#[test]
fn nobody_who_reads_is_no_panic() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let commands: &[&[&str]] = &[
        &["--help"],
        &["--nope"],
        &["list", "ls"],
        &["list", "show", "dev", "--explain"],
        &["list", "show", "none"],
        &["list", "set", "dev", "preferred_language=nl"],
        &["config", "show", "--json"],
        &["config", "set", "nothing", "1"],
        &["member", "ls", "dev"],
        &["member", "add", "dev", "nonsense"],
        &["member", "rm", "dev", "nobody@example.org"],
        &["template", "ls", "dev"],
        &["status"],
        &["doctor"],
        &["queue", "ls"],
        &["run"],
        &["cron", "ls"],
        &["aliases"],
        &["deliver", "nobody@lists.example.org"],
        &["compat", "list_lists"],
        &["compat", "list_members", "none"],
        &["compat", "newlist", "--nope"],
        &["list", "rm", "dev"],
        &["--log", "debug", "list", "create", "new", "--owner", "o@example.org"],
    ];
    for command in commands {
        let words: Vec<String> = command.iter().map(|word| format!("'{word}'")).collect();
        for (how, ends) in [
            (">/dev/full 2>/dev/full", "echo $? >&3"),
            (">&- 2>&-", "echo $? >&3"),
            ("2>&1 | true", "exit 0"),
        ] {
            let script = match how.contains("| true") {
                true => format!("{{ \"$0\" {}; echo $? >&3; }} {how}", words.join(" ")),
                false => format!("\"$0\" {} {how}; {ends}", words.join(" ")),
            };
            let script = format!("exec 3>&1; {script}");
            let output = Command::new("sh")
                .args(["-c", &script])
                .arg(site.binary())
                .env("DORMOUSE_SITE", site.dir())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let code = String::from_utf8(output.stdout).unwrap();
            let code: i32 = code.trim().parse().unwrap_or_else(|_| panic!("{script}: {code:?}"));
            assert!(code <= 78 && code != 101, "{script}: {code}");
            let is_lost = !how.contains("| true") && PRINTS.contains(command);
            let ends = if command[0] == "compat" { 1 } else { 75 };
            assert!(!is_lost || code == ends, "{script}: {code}, though its output is lost");
        }
    }
    let made = site.ok(&["list", "ls"]);
    assert!(made.contains("new@") && made.contains("dev@"), "{made}");
}

#[test]
fn output_that_is_thrown_away_is_not_lost_and_output_to_a_closed_descriptor_is() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let code = |words: &str, how: &str| {
        let script = format!("\"$0\" {words} {how}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(site.binary()).env("DORMOUSE_SITE", site.dir());
        command.stdin(Stdio::null()).output().unwrap().status.code()
    };
    let prints = [
        "list ls",
        "member ls dev",
        "--version",
        "help list",
        "compat list_lists",
        "compat version",
    ];
    for words in prints {
        // The ways in which shells, systemd and Python's subprocess discard output.
        for how in [">/dev/null", "1<>/dev/null", "1<>/dev/null 2>&1", ">/dev/null <&- 2>&-"] {
            assert_eq!(code(words, how), Some(0), "{words} {how}");
        }
        for how in [">&-", ">&- 2>&-", "<&- >&- 2>&-", "<&- >&-"] {
            // Mailman's commands have only one code for all failures.
            let ends = if words.starts_with("compat") { 1 } else { 75 };
            assert_eq!(code(words, how), Some(ends), "{words} {how}");
        }
    }
    // Commands that print nothing succeed.
    for words in ["run --quiet", "config set notices.per_day 9 --quiet"] {
        let ends = code(words, ">/dev/null");
        assert_eq!(code(words, ">&- 2>&-"), ends, "{words}");
    }
}

#[test]
fn mail_leads_to_archives_and_attachments_only_where_somebody_serves_them() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "scrub_nondigest=yes"]);
    let mail =
        b"From: anna@example.org\nTo: dev@lists.example.org\nSubject: x\nMessage-ID: <1@x>\n\
        MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\n\
        Content-Type: image/png; name=a.png\n\nPNG\n--b--\n";
    let sent = || {
        site.post("dev", mail);
        site.ok(&["run"]);
        mails(&site, "anna@example.org").pop().unwrap()
    };
    site.ok(&["config", "set", "archive_url", ""]);
    let bare = sent();
    for link in ["List-Archive", "Archived-At", "https://", "pipermail"] {
        assert!(!bare.contains(link), "{link}: {bare}");
    }
    assert!(bare.contains("attachments/"), "{bare}");
    site.ok(&["config", "set", "archive_url", "https://lists.example.org/archives/"]);
    let linked = sent();
    assert!(linked.contains("List-Archive: <https://lists.example.org/archives/dev/>"), "{linked}");
    assert!(
        linked.contains("URL: <https://lists.example.org/archives/dev/attachments/"),
        "{linked}"
    );
    // A private archive is served by the pages, wherever public ones are.
    site.ok(&["list", "set", "dev", "archive_private=yes"]);
    assert!(!sent().contains("https://"));
    site.ok(&["config", "set", "web.listen", "127.0.0.1:1"]);
    assert!(sent().contains("List-Archive: <https://lists.example.org/mailman/private/dev/>"));
}

#[test]
fn commands_in_the_demonstration_can_be_typed_as_printed() {
    let output = Command::new(DORMOUSE).args(["demo", "--no-systemd"]).output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    let page = said.lines().find_map(|line| line.split_once("file://")).unwrap().1;
    assert!(fs::read_to_string(page).unwrap().contains("Where are the nuts?"));
    assert!(said.contains("| ") && said.contains("near the old oak"), "{said}");
    let told = |what: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(what));
        line.unwrap_or_else(|| panic!("{what} in {said}")).trim().to_owned()
    };
    // In another directory, and without `dormouse` in PATH.
    let elsewhere = tempfile::TempDir::new().unwrap();
    let typed = |line: &str| {
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", line]).current_dir(elsewhere.path()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(typed(&told("The mail:")).contains("anna@example.org"));
    assert!(typed(&told("Look around:")).contains("Last run"));
    assert!(typed(&told("What is held:")).contains("Cheap acorns"));
    typed(&told("What waits:"));
    let remove = told("When done:");
    let dir = remove.strip_prefix("rm -r ").unwrap();
    assert!(Path::new(dir).exists());
    typed(&remove);
    assert!(!Path::new(dir).exists());
}
