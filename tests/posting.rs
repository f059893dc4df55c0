//! From a post to its delivery: the command as an MTA and an administrator use it.

use dormouse_clock::Timestamp;
use dormouse_spool::{Entry, EntryName, Metadata, Queue, Spool};
use dormouse_testkit::site::{TestSite, copy_program, describe, files_in, message};
use dormouse_testkit::waiting::eventually;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const FULL: &str = env!("CARGO_BIN_EXE_dormouse-full");

fn site(members: &[&str]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", members);
    site
}

fn text(mails: &[Vec<u8>]) -> Vec<String> {
    mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
}

#[test]
fn a_post_reaches_every_member_and_nothing_is_left() {
    let site = site(&["anna@example.org", "Bert@example.net"]);
    site.post("dev", &message("anna@example.org", "hello", "Hello, list.\n"));
    assert_eq!(site.files("in", "pck").len(), 1);
    site.ok(&["run"]);
    for member in ["anna@example.org", "Bert@example.net"] {
        let mails = text(&site.maildir(member));
        assert_eq!(mails.len(), 1, "{member}");
        assert!(mails[0].ends_with("\n\nHello, list.\n"), "{}", mails[0]);
        assert!(mails[0].contains("\nSubject: hello\n"), "{}", mails[0]);
        assert!(mails[0].contains("\nList-Id: <dev.lists.example.org>\n"), "{}", mails[0]);
        assert!(mails[0].contains("\nX-BeenThere: dev@lists.example.org\n"), "{}", mails[0]);
        assert!(mails[0].contains("\nPrecedence: list\n"), "{}", mails[0]);
    }
    for queue in ["in", "virgin", "out", "retry", "shunt", "bad"] {
        assert!(files_in(&site.queue(queue)).is_empty(), "{queue}");
    }
}

/// The index exists only after the settings have been unchanged for a while.
#[test]
fn mail_is_judged_with_the_intake_index_as_without() {
    let site = TestSite::in_a_file(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.plain_list("closed", &[]);
    site.ok(&["list", "set", "closed", "generic_nonmember_action=reject"]);
    site.ok(&["config", "set", "intake.max_size", "10 KiB"]);
    let index = site.dir().join("intake.index");
    let post = message("stranger@example.org", "hello", "Hello, list.\n");
    let large = message("stranger@example.org", "large", &"x\n".repeat(6_000));
    let judged_by = |program: &str| -> Vec<String> {
        let calls: [(&[&str], &[u8]); 16] = [
            (&["post", "dev"], &post),
            (&["post", "DEV"], &post),
            (&["post", "gone"], &post),
            (&["post", "dev"], b""),
            (&["post", "dev"], &large),
            (&["post", "closed"], &post),
            (&["deliver", "dev@lists.example.org"], &post),
            (&["deliver", "Dev-Request@lists.example.org"], &post),
            (&["deliver", "dev-bounces+a=b.example@lists.example.org"], &post),
            (&["deliver", "dev@elsewhere.example"], &post),
            (&["deliver", "closed@lists.example.org"], &post),
            (&["deliver", "gone-owner@lists.example.org"], &post),
            (&["deliver", "mailman-loop@lists.example.org"], &post),
            (&["mailman", "post", "dev"], &post),
            (&["mailman", "owner", "closed"], &post),
            (&["mailman", "owner", "gone"], &post),
        ];
        let run = |(args, mail): &(&[&str], &[u8])| {
            let mut command = Command::new(program);
            command.env("DORMOUSE_SITE", site.dir()).args(*args);
            describe(&feed(&mut command, mail))
        };
        calls.iter().map(run).collect()
    };
    let judged = || {
        let (small, full) = (judged_by(DORMOUSE), judged_by(FULL));
        assert_eq!(small, full);
        small
    };
    let without = judged();
    let mut rounds = 0;
    while !index.exists() {
        rounds += 1;
        assert!(rounds < 100, "there is no index");
        std::thread::sleep(std::time::Duration::from_millis(200));
        site.post("dev", &post);
        site.ok(&["run"]);
    }
    assert_eq!(judged(), without);
    site.ok(&["run"]);
    assert!(index.exists(), "mail changes no list");
    site.ok(&["list", "rm", "dev", "--yes"]);
    assert!(!index.exists());
    assert_eq!(site.feed(&["post", "dev"], &post).status.code(), Some(67));
    site.plain_list("new", &[]);
    site.post("new", &post);
    site.ok(&["run"]);
    assert!(index.exists());
    site.post("new", &post);
    assert_eq!(site.feed(&["post", "dev"], &post).status.code(), Some(67));
}

/// Runs a command with standard input.
fn feed(command: &mut Command, input: &[u8]) -> Output {
    for name in ["DORMOUSE_LOG", "SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Mail that is refused is not read.
    let _broken = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// A site whose intake index is there.
fn indexed_site() -> TestSite {
    let site = TestSite::in_a_file(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    eventually("an index", || {
        site.post("dev", &message("anna@example.org", "hello", "Hello, list.\n"));
        site.ok(&["run"]);
        site.dir().join("intake.index").exists()
    });
    site
}

#[test]
fn the_small_program_takes_mail_alone_and_needs_the_full_one_for_the_rest() {
    let site = indexed_site();
    let home = tempfile::tempdir().unwrap();
    let alone = home.path().join("dormouse");
    copy_program(Path::new(DORMOUSE), &alone);
    let post = message("anna@example.org", "alone", "Hello, list.\n");
    let run = |args: &[&str]| {
        let mut command = Command::new(&alone);
        command.env("DORMOUSE_SITE", site.dir()).args(args);
        let done = feed(&mut command, &post);
        (done.status.code().unwrap(), describe(&done))
    };
    assert_eq!(run(&["post", "dev"]).0, 0);
    assert_eq!(run(&["deliver", "dev-owner@lists.example.org"]).0, 0);
    assert_eq!(run(&["mailman", "request", "dev"]).0, 0);
    assert_eq!(run(&["post", "gone"]).0, 67);
    assert_eq!((site.files("in", "pck").len(), site.files("commands", "pck").len()), (2, 1));
    site.ok(&["list", "set", "dev", "generic_nonmember_action=reject"]);
    for args in [&["post", "dev"][..], &["post", "dev", "--dry-run"], &["list", "ls"], &["--help"]]
    {
        let (code, said) = run(args);
        assert_eq!(code, 75, "{args:?}: {said}");
        assert!(said.contains("dormouse-full: No such file"), "{args:?}: {said}");
        assert!(said.contains("install all programs"), "{args:?}: {said}");
    }
}

/// A directory with both programs.
fn installed(home: &Path) -> PathBuf {
    let dir = home.join("opt/mailing lists");
    std::fs::create_dir_all(&dir).unwrap();
    for program in [DORMOUSE, FULL] {
        copy_program(Path::new(program), &dir.join(Path::new(program).file_name().unwrap()));
    }
    dir
}

#[test]
fn the_programs_find_each_other_however_they_are_called() {
    let site = indexed_site();
    let home = tempfile::tempdir().unwrap();
    let dir = installed(home.path());
    let program = dir.join("dormouse");
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink("../opt/mailing lists/dormouse", bin.join("dormouse")).unwrap();
    symlink("dormouse", bin.join("lists")).unwrap();
    symlink("dormouse", bin.join("list_lists")).unwrap();
    let post = message("anna@example.org", "called", "Hello, list.\n");
    let mut calls = 0;
    let mut check = |mut command: Command, args: &[&str], what: &str| {
        let done = feed(command.env("DORMOUSE_SITE", site.dir()).args(args), &post);
        assert!(done.status.success(), "{what} {args:?}: {}", describe(&done));
        if args.first() == Some(&"post") {
            calls += 1;
        } else {
            let printed = String::from_utf8_lossy(&done.stdout);
            assert!(printed.contains("dev"), "{what} {args:?}: {}", describe(&done));
        }
    };
    let through = |path: &Path| Command::new(path);
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.current_dir(home.path()).args(["-c", script, "sh"]);
        command
    };
    for args in [&["post", "dev"][..], &["list", "ls"]] {
        check(through(&program), args, "its path");
        check(through(&bin.join("dormouse")), args, "a link");
        check(through(&bin.join("lists")), args, "a link to a link, of another name");
        check(shell("exec ./bin/dormouse \"$@\""), args, "a relative path");
        check(shell("cd bin; exec ../bin/../bin/lists \"$@\""), args, "a way back and forth");
        check(shell("PATH=bin exec dormouse \"$@\""), args, "a relative search path");
        check(shell("PATH=$PWD/bin exec dormouse \"$@\""), args, "the search path");
        for name in ["dormouse", "/elsewhere/dormouse", "-dormouse", "x", ""] {
            let mut named = Command::new(&program);
            named.arg0(name);
            check(named, args, "another name");
        }
    }
    let mut named = Command::new(&program);
    named.arg0("list_lists");
    check(named, &["-b"], "one of Mailman's names");
    check(through(&bin.join("list_lists")), &["-b"], "a link of one of Mailman's names");
    assert_eq!(site.files("in", "pck").len(), calls);
    // The site above the current directory is not the one above the link, which nobody knows.
    let elsewhere = site.dir().join("archives");
    let mut named = Command::new(&program);
    named.arg0("list_lists").current_dir(elsewhere).env_remove("DORMOUSE_SITE");
    let done = feed(&mut named, b"");
    assert!(!String::from_utf8_lossy(&done.stdout).contains("dev"), "{}", describe(&done));
}

/// Without care an empty program would be a shell script that succeeds, and the mail lost.
#[test]
fn a_full_program_that_cannot_be_executed_loses_no_mail() {
    let site = indexed_site();
    let home = tempfile::tempdir().unwrap();
    let dir = installed(home.path());
    let full = dir.join("dormouse-full");
    let whole = std::fs::read(&full).unwrap();
    let foreign = [&whole[..18], &[0xff, 0xff], &whole[20..]].concat();
    let broken: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "install it again"),
        ("zeros", &[0; 4096], "install it again"),
        ("text", b"exit 0\n", "install it again"),
        ("a header", &whole[..64], "install it again"),
        ("another machine's", &foreign, "install it again"),
        ("an interpreter is missing", b"#!/no/such/program\n", "is not installed"),
    ];
    let post = message("anna@example.org", "kept", "Hello, list.\n");
    let refuses = |what: &str, hint: &str| {
        for args in [&["post", "dev", "--dry-run"][..], &["deliver", "x@a.b", "--", "y"], &[]] {
            let mut command = Command::new(dir.join("dormouse"));
            let done = feed(command.env("DORMOUSE_SITE", site.dir()).args(args), &post);
            assert_eq!(done.status.code(), Some(75), "{what} {args:?}: {}", describe(&done));
            assert!(describe(&done).contains(hint), "{what} {args:?}: {}", describe(&done));
        }
    };
    for (what, content, hint) in broken {
        std::fs::write(&full, content).unwrap();
        refuses(what, hint);
    }
    std::fs::set_permissions(&full, Permissions::from_mode(0o644)).unwrap();
    refuses("not executable", "execute it");
    std::fs::remove_file(&full).unwrap();
    std::fs::create_dir(&full).unwrap();
    refuses("a directory", "execute it");
}

#[test]
fn programs_of_two_versions_are_reported() {
    let site = TestSite::new(DORMOUSE);
    let home = tempfile::tempdir().unwrap();
    let dir = installed(home.path());
    let (small, full) = (dir.join("dormouse"), dir.join("dormouse-full"));
    let version = |program: &Path| {
        let done = feed(Command::new(program).arg("--version"), b"");
        (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let doctor = |program: &Path| {
        let mut command = Command::new(program);
        let done = feed(command.env("DORMOUSE_SITE", site.dir()).arg("doctor"), b"");
        let printed = String::from_utf8(done.stdout).unwrap();
        printed.lines().find(|line| line.contains(" programs ")).unwrap().to_owned()
    };
    assert_eq!(version(&small), version(&full));
    assert_eq!(version(&small).1, "");
    assert!(doctor(&small).starts_with("good"), "{}", doctor(&small));
    // The small one is newer.
    let kept = dir.join("kept");
    std::fs::rename(&full, &kept).unwrap();
    std::fs::write(&full, "#!/bin/sh\necho dormouse 0.0.1\n").unwrap();
    std::fs::set_permissions(&full, Permissions::from_mode(0o755)).unwrap();
    let (printed, warned) = version(&small);
    assert_eq!(printed, "dormouse 0.0.1\n");
    assert!(warned.contains("install both again"), "{warned}");
    // The full one is newer: an older small one says nothing.
    std::fs::rename(&kept, &full).unwrap();
    std::fs::write(&small, "#!/bin/sh\necho dormouse 0.0.1\n").unwrap();
    assert!(doctor(&full).contains("dormouse is another one"), "{}", doctor(&full));
    std::fs::remove_file(&small).unwrap();
    assert!(doctor(&full).starts_with("good"), "{}", doctor(&full));
}

#[test]
fn the_small_program_contains_neither_the_database_nor_tls() {
    let contains = |program: &str, text: &str| {
        memchr::memmem::find(&std::fs::read(program).unwrap(), text.as_bytes()).is_some()
    };
    for text in ["SQLITE_", "create table", "TLS 1.3"] {
        assert!(contains(FULL, text), "{text}: not a sign of it");
        assert!(!contains(DORMOUSE, text), "{text}");
    }
}

#[test]
fn the_full_program_works_alone_under_the_commands_name() {
    let home = tempfile::tempdir().unwrap();
    let alone = home.path().join("dormouse");
    copy_program(Path::new(FULL), &alone);
    let site = TestSite::new(alone.to_str().unwrap());
    site.plain_list("dev", &["anna@example.org"]);
    site.post("dev", &message("anna@example.org", "hello", "Hello, list.\n"));
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
}

#[test]
fn a_link_that_replaces_mailmans_wrapper_takes_mail() {
    let site = indexed_site();
    let home = tempfile::tempdir().unwrap();
    let link = home.path().join("mailman");
    symlink(DORMOUSE, &link).unwrap();
    let mut command = Command::new(&link);
    command.env("DORMOUSE_SITE", site.dir()).args(["owner", "dev"]);
    let done = feed(&mut command, &message("x@example.org", "help", "Hello?\n"));
    assert!(done.status.success(), "{}", describe(&done));
    assert_eq!(site.files("in", "pck").len(), 1);
    // Not a word of Mailman's: the full program says what is wrong.
    let mut command = Command::new(&link);
    command.env("DORMOUSE_SITE", site.dir()).args(["fly", "dev"]);
    let done = feed(&mut command, b"");
    assert_eq!(done.status.code(), Some(64), "{}", describe(&done));
}

/// Errors-To contains the envelope sender, and text after a line end would be another header field.
#[test]
fn a_mail_whose_envelope_sender_has_two_lines_is_set_aside() {
    let site = site(&["anna@example.org"]);
    let mut metadata = Metadata::new();
    metadata.set_text("listname", "dev");
    metadata.set_texts("recips", ["anna@example.org"]);
    for (number, end) in ["\n", "\r\n", "\r"].into_iter().enumerate() {
        metadata
            .set_text("envsender", &format!("dev-bounces@lists.example.org{end}Bcc: x@y.example"));
        let spool = Spool::new(site.queue(""));
        let mut batch = spool.batch();
        let name = EntryName::new(Timestamp::from_seconds(number as f64), b"x", "dev");
        let entry = Entry::new(b"Subject: x\n\nx\n".to_vec(), metadata.clone());
        batch.enqueue(Queue::Out, &name, &entry).unwrap();
        batch.commit().unwrap();
        site.ok(&["run"]);
        assert!(site.maildir("anna@example.org").is_empty(), "{end:?}");
        assert_eq!(site.files("shunt", "pck").len(), number + 1, "{end:?}");
    }
    let reasons = site.ok(&["queue", "ls", "shunt"]);
    assert!(reasons.contains("has a line end in it"), "{reasons}");
    let output = site.run(&["list", "create", "x@l.example/..", "--owner", "o@example.org"]);
    assert!(!output.status.success(), "{}", describe(&output));
}

#[test]
fn a_list_has_its_prefix_and_footer_unless_told_otherwise() {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["list", "create", "dev", "--owner", "owner@example.org"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "anna@example.org"]);
    site.post("dev", &message("anna@example.org", "hello", "Hello, list.\n"));
    site.ok(&["run"]);
    let mail = text(&site.maildir("anna@example.org")).remove(0);
    assert!(mail.contains("\nSubject: [Dev] hello\n"), "{mail}");
    assert!(mail.contains("Hello, list.\n"), "{mail}");
    assert!(mail.contains("dev@lists.example.org"), "{mail}");
    let footer = mail.rsplit("Hello, list.\n").next().unwrap();
    assert!(footer.contains("Dev"), "{mail}");
}

#[test]
fn mail_for_an_unknown_list_is_refused_with_67_and_nothing_is_written() {
    let site = site(&[]);
    for args in [["post", "nobody"], ["deliver", "nobody@lists.example.org"], ["post", "../dev"]] {
        let output = site.feed(&args, &message("anna@example.org", "x", "x\n"));
        assert_eq!(output.status.code(), Some(67), "{}", describe(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains(args[1]), "{}", describe(&output));
    }
    for queue in ["in", "commands", "bounces", ".staged"] {
        assert!(files_in(&site.queue(queue)).is_empty(), "{queue}");
    }
}

#[test]
fn no_message_is_66_and_too_large_a_one_is_65() {
    let site = site(&[]);
    let output = site.feed(&["post", "dev"], b"");
    assert_eq!(output.status.code(), Some(66), "{}", describe(&output));
    site.ok(&["config", "set", "intake.max_size", "2 KiB"]);
    let output = site.feed(&["post", "dev"], &message("a@example.org", "x", &"x".repeat(3000)));
    assert_eq!(output.status.code(), Some(65), "{}", describe(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("intake.max_size"),
        "{}",
        describe(&output)
    );
    site.post("dev", &message("a@example.org", "x", &"x".repeat(1000)));
    assert_eq!(site.files("in", "pck").len(), 1);
}

#[test]
fn a_disk_that_is_nearly_full_is_75() {
    let site = site(&[]);
    site.ok(&["config", "set", "intake.min_free", "100000 GiB"]);
    let output = site.feed(&["post", "dev"], &message("a@example.org", "x", "x\n"));
    assert_eq!(output.status.code(), Some(75), "{}", describe(&output));
    assert!(files_in(&site.queue("in")).is_empty());
}

#[test]
fn every_address_of_a_list_has_its_queue() {
    let site = site(&[]);
    let cases = [
        ("dev@lists.example.org", "in"),
        ("DEV@Lists.Example.Org", "in"),
        ("dev+detail@lists.example.org", "in"),
        ("dev-owner@lists.example.org", "in"),
        ("dev-bounces@lists.example.org", "bounces"),
        ("dev-bounces+anna=example.org@lists.example.org", "bounces"),
        ("dev-admin@lists.example.org", "bounces"),
        ("dev-request@lists.example.org", "commands"),
        ("dev-join@lists.example.org", "commands"),
        ("dev-subscribe@lists.example.org", "commands"),
        ("dev-leave@lists.example.org", "commands"),
        ("dev-unsubscribe@lists.example.org", "commands"),
        ("dev-confirm+0123456789@lists.example.org", "commands"),
    ];
    for (address, queue) in cases {
        let before = site.files(queue, "pck").len();
        let output = site.feed(&["deliver", address], &message("a@example.org", "x", "x\n"));
        assert!(output.status.success(), "{address}: {}", describe(&output));
        assert_eq!(site.files(queue, "pck").len(), before + 1, "{address} in {queue}");
    }
}

#[test]
fn mail_for_the_owners_reaches_them_untouched() {
    let site = site(&["anna@example.org"]);
    site.feed(
        &["deliver", "dev-owner@lists.example.org"],
        &message("stranger@example.com", "help", "Please.\n"),
    );
    site.ok(&["run"]);
    let mails = text(&site.maildir("owner@example.org"));
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("Subject: help") && mails[0].ends_with("\n\nPlease.\n"),
        "{}",
        mails[0]
    );
    assert!(!mails[0].contains("List-Id"), "{}", mails[0]);
    assert!(site.maildir("anna@example.org").is_empty());
}

#[test]
fn a_post_that_comes_back_is_dropped() {
    let site = site(&["anna@example.org"]);
    let mut looped = b"X-BeenThere: dev@lists.example.org\n".to_vec();
    looped.extend(message("anna@example.org", "again", "x\n"));
    site.post("dev", &looped);
    let summary = site.ok(&["run", "--json"]);
    assert!(summary.contains("\"discarded\": 1"), "{summary}");
    assert!(site.maildir("anna@example.org").is_empty());
}

#[test]
fn a_strangers_post_waits_for_a_moderator_and_goes_out_when_approved() {
    let site = site(&["anna@example.org"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site.post("dev", &message("stranger@example.com", "spam?", "Not spam.\n"));
    site.ok(&["run"]);
    assert!(site.maildir("anna@example.org").is_empty());
    assert!(site.maildir("stranger@example.com").is_empty(), "a stranger's address may be forged");
    let notice = text(&site.maildir("owner@example.org")).remove(0);
    assert!(notice.contains("Auto-Submitted: auto-generated"), "{notice}");
    assert!(notice.contains("Not spam."), "{notice}");
    let held = site.ok(&["held", "ls", "--json"]);
    assert!(held.contains("stranger@example.com") && held.contains("members-only"), "{held}");
    let shown = site.ok(&["held", "show", "dev", "1"]);
    assert!(shown.contains("Not spam."), "{shown}");
    site.ok(&["held", "approve", "dev", "1"]);
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
    assert_eq!(site.ok(&["held", "ls", "--json"]).trim(), "[]");
}

#[test]
fn a_held_post_can_be_dropped() {
    let site = site(&["anna@example.org"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold", "admin_immed_notify=no"]);
    site.post("dev", &message("stranger@example.com", "spam", "Spam.\n"));
    site.ok(&["run"]);
    site.ok(&["held", "discard", "dev", "1"]);
    site.ok(&["run"]);
    assert!(site.maildir("anna@example.org").is_empty());
    assert!(site.maildir("owner@example.org").is_empty());
    let output = site.run(&["held", "approve", "dev", "1"]);
    assert!(!output.status.success(), "{}", describe(&output));
}

#[test]
fn a_rejected_sender_is_notified_if_authenticated_and_not_a_program() {
    let site = site(&["anna@example.org"]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "generic_nonmember_action=accept",
        "filter_content=yes",
        "filter_mime_types=text/plain",
        "filter_action=reject",
    ]);
    site.ok(&["config", "set", "notices.authserv_id", "mx.example.org"]);
    let post = |from: &str, field: &str| {
        let mut mail = format!("{field}\n").into_bytes();
        mail.extend(message(from, "let me in", "x\n"));
        site.post("dev", &mail);
    };
    let vouched = "Authentication-Results: mx.example.org; dmarc=pass header.from=example.com";
    post("stranger@example.com", vouched);
    post("forged@example.com", "X-Nothing: here");
    post("robot@example.com", &format!("{vouched}\nAuto-Submitted: auto-replied"));
    site.ok(&["run"]);
    let notice = text(&site.maildir("stranger@example.com")).remove(0);
    assert!(notice.contains("content type was explicitly disallowed"), "{notice}");
    assert!(notice.contains("\nAuto-Submitted: auto-generated\n"), "{notice}");
    for silent in ["forged@example.com", "robot@example.com", "anna@example.org"] {
        assert!(site.maildir(silent).is_empty(), "{silent}");
    }
    site.ok(&["config", "set", "notices.to_strangers", "always"]);
    post("forged@example.com", "X-Nothing: here");
    site.ok(&["run"]);
    assert_eq!(site.maildir("forged@example.com").len(), 1);
}

/// Pipes a post to dev, and returns the exit code and the text for the MTA.
fn piped(site: &TestSite, mail: &[u8]) -> (Option<i32>, String) {
    let output = site.feed(&["deliver", "dev@lists.example.org"], mail);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_post_that_a_list_rejects_is_refused_with_a_reason() {
    let site = site(&["anna@example.org", "mona@example.org"]);
    site.ok(&["member", "set", "dev", "mona@example.org", "mod=on"]);
    let set = |changes: &[&str]| site.ok(&[&["list", "set", "dev"], changes].concat());
    let from = |who: &str| message(who, "tea", "leaves\n");
    set(&["generic_nonmember_action=reject"]);
    let (code, said) = piped(&site, &from("stranger@example.net"));
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains("Only members may post to this mailing list."), "{said}");
    set(&["nonmember_rejection_notice=Ask %(listowner)s first."]);
    let (code, said) = piped(&site, &from("stranger@example.net"));
    assert_eq!((code, said.contains("Ask dev-owner@lists.example.org first.")), (Some(77), true));
    let post = site.feed(&["post", "dev"], &from("stranger@example.net"));
    assert_eq!(post.status.code(), Some(77), "{}", describe(&post));
    let wrapper = site.feed(&["mailman", "post", "dev"], &from("stranger@example.net"));
    assert_eq!(wrapper.status.code(), Some(77), "{}", describe(&wrapper));
    assert_eq!(piped(&site, &from("anna@example.org")).0, Some(0));
    // Rejected because of a moderated member, a named sender, and a header rule.
    assert_eq!(piped(&site, &from("mona@example.org")).0, Some(0), "it is held");
    site.ok(&["run"]);
    set(&["member_moderation_action=reject", "member_moderation_notice=Not you."]);
    let (code, said) = piped(&site, &from("mona@example.org"));
    assert_eq!((code, said.contains("Not you.")), (Some(77), true), "{said}");
    set(&["generic_nonmember_action=accept", "reject_these_nonmembers=^evil@"]);
    assert_eq!(piped(&site, &from("evil@example.net")).0, Some(77));
    assert_eq!(piped(&site, &from("good@example.net")).0, Some(0));
    set(&[r#"header_filter_rules=[["subject: .*coffee", 2, false]]"#]);
    assert_eq!(piped(&site, &message("anna@example.org", "coffee", "x\n")).0, Some(77));
    set(&["dmarc_moderation_action=reject", "dmarc_moderation_addresses=^.*@strict\\.example$"]);
    assert_eq!(piped(&site, &from("anna@strict.example")).0, Some(77));
    // Mail to other addresses of the list is not refused.
    set(&["generic_nonmember_action=reject", "dmarc_moderation_action=accept"]);
    let owners =
        site.feed(&["deliver", "dev-owner@lists.example.org"], &from("stranger@example.net"));
    assert!(owners.status.success(), "{}", describe(&owners));
    // The list's password lets a post through.
    site.feed(&["list", "password", "dev", "--poster", "--stdin"], b"let-me\n");
    let with = message("stranger@example.net", "with", "Approved: let-me\n\nleaves\n");
    assert_eq!(piped(&site, &with).0, Some(0));
    let leaves = "leaf\n".repeat(300_000);
    let body = format!("Approved: let-me\n\n{leaves}");
    assert_eq!(piped(&site, &message("stranger@example.net", "large", &body)).0, Some(0));
    // Posts that are discarded or held are accepted, and nobody gets a mail about them.
    set(&["generic_nonmember_action=discard"]);
    assert_eq!(piped(&site, &from("stranger@example.net")).0, Some(0));
    let trace = site.ok(&["trace", "<coffee@test.example>"]);
    assert!(trace.contains("rejected") && trace.contains("header_filter_rules"), "{trace}");
    site.ok(&["run"]);
    let mails = text(&site.maildir("anna@example.org"));
    let is_there = |subject: &str| mails.iter().any(|mail| mail.contains(subject));
    assert!(is_there("Subject: with") && is_there("Subject: large"));
    assert!(!is_there("let-me"), "no password is left in a mail of any size");
    for nobody in ["stranger@example.net", "evil@example.net", "mona@example.org"] {
        let mails = text(&site.maildir(nobody));
        assert!(mails.iter().all(|mail| !mail.contains("not accepted")), "{nobody}: {mails:?}");
    }
}

#[test]
fn where_strangers_hear_nothing_it_is_said_with_the_setting_that_changes_it() {
    let site = site(&["anna@example.org"]);
    let said = |change: &str| {
        let output = site.run(&["list", "set", "dev", change]);
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(said("generic_nonmember_action=reject"), "", "the MTA tells them");
    let silent =
        ["generic_nonmember_action=hold", "dmarc_moderation_action=reject", "filter_action=reject"];
    for change in silent {
        let remark = said(change);
        assert!(remark.contains("notices.authserv_id"), "{change}: {remark}");
    }
    let doctor = describe(&site.run(&["doctor"]));
    assert!(doctor.contains("strangers") && doctor.contains("notices.authserv_id"), "{doctor}");
    site.ok(&["config", "set", "notices.authserv_id", "mx.example.org"]);
    for change in silent {
        assert_eq!(said(change), "", "{change}");
    }
    let doctor = describe(&site.run(&["doctor"]));
    assert!(doctor.contains("mx.example.org vouches for"), "{doctor}");
    site.ok(&["config", "set", "notices.to_strangers", "never"]);
    assert!(said("filter_action=reject").contains("notices.to_strangers is never"));
}

#[test]
fn reasons_are_in_the_readers_language() {
    let site = site(&["anna@example.org", "bert@example.org"]);
    site.ok(&["list", "set", "dev", "available_languages=en,de,fr", "max_message_size=1"]);
    site.ok(&["member", "set", "dev", "anna@example.org", "language=de"]);
    for who in ["anna@example.org", "bert@example.org"] {
        site.post("dev", &message(who, "large", &"leaf\n".repeat(500)));
    }
    site.ok(&["list", "set", "dev", "max_message_size=0", "filter_content=yes"]);
    site.ok(&["list", "set", "dev", "filter_mime_types=text/plain", "filter_action=reject"]);
    site.ok(&["run"]);
    site.post("dev", &message("anna@example.org", "plain", "x\n"));
    site.ok(&["run"]);
    let anna = text(&site.maildir("anna@example.org")).concat();
    assert!(!anna.contains("explicitly disallowed") && !anna.contains("too big"), "{anna}");
    assert!(anna.contains("ausdr"), "{anna}");
    let bert = text(&site.maildir("bert@example.org")).concat();
    assert!(bert.contains("explicitly") || bert.contains("too big"), "{bert}");
}

#[test]
fn settings_are_checked_by_name_and_value() {
    let site = site(&[]);
    let output = site.run(&["list", "set", "dev", "subject_prefx=x"]);
    assert_eq!(output.status.code(), Some(64), "{}", describe(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("subject_prefix"),
        "{}",
        describe(&output)
    );
    let output = site.run(&["list", "set", "dev", "generic_nonmember_action=maybe"]);
    assert_eq!(output.status.code(), Some(64), "{}", describe(&output));
    let output = site.run(&["config", "set", "delivery.url", "gopher://x"]);
    assert_eq!(output.status.code(), Some(64), "{}", describe(&output));
    assert!(site.ok(&["config", "show"]).contains("delivery.url"));
}

#[test]
fn members_are_added_once_and_listed() {
    let site = site(&["anna@example.org"]);
    let output = site.feed(
        &["member", "add", "dev", "--welcome", "no", "--file", "-"],
        b"Bert Beispiel <Bert@Example.NET>\n\nanna@example.org\nnot an address\n",
    );
    assert_eq!(output.status.code(), Some(65), "{}", describe(&output));
    let listed = site.ok(&["member", "ls", "dev", "--json"]);
    assert!(listed.contains("Bert@example.net") && listed.contains("Bert Beispiel"), "{listed}");
    assert_eq!(listed.matches("\"address\"").count(), 2, "{listed}");
    site.ok(&["member", "rm", "dev", "bert@example.net", "--goodbye", "no"]);
    assert_eq!(site.ok(&["member", "ls", "dev"]).lines().count(), 1);
}

#[test]
fn an_entry_for_a_list_that_is_gone_is_set_aside_with_the_reason_and_can_be_put_back() {
    let site = site(&["anna@example.org"]);
    site.post("dev", &message("anna@example.org", "late", "x\n"));
    site.ok(&["list", "rm", "--yes", "dev"]);
    site.ok(&["run"]);
    let listed = site.ok(&["queue", "ls", "shunt", "--json"]);
    assert!(listed.contains("there is no list"), "{listed}");
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["queue", "retry", "--all", "shunt"]);
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
}

#[test]
fn status_and_an_empty_run_say_that_there_is_nothing_to_do() {
    let site = site(&[]);
    let output = site.run(&["run"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", describe(&output));
    let status = site.ok(&["status", "--json"]);
    assert!(status.contains("\"queue\": \"in\""), "{status}");
    assert!(site.ok(&["status"]).contains("shunt"));
}

#[test]
fn while_the_site_cannot_be_read_the_mta_keeps_the_mail() {
    let site = site(&[]);
    std::fs::write(site.dir().join("dormouse.toml"), "bogus = 1\n").unwrap();
    let said = |args: &[&str]| {
        let output = site.feed(args, &message("a@example.com", "hello", "x\n"));
        assert_eq!(output.status.code(), Some(75), "{args:?}: {}", describe(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&["post", "dev"]).contains("bogus"));
    assert!(said(&["deliver", "dev@lists.example.org"]).contains("bogus"));
    assert!(said(&["mailman", "post", "dev"]).contains("bogus"));
    assert!(said(&["--site", "/nowhere", "mailman", "bounces", "dev"]).contains("/nowhere"));
}

/// An error of the whole database is told once for a queue, whatever the number of entries; nothing is set
/// aside, and nobody creates an empty database in which no list would be known.
#[test]
fn what_is_wrong_with_the_whole_database_is_told_once_and_everything_waits() {
    const POSTS: usize = 40;
    let site = TestSite::in_a_file(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    for number in 0..POSTS {
        site.post("dev", &message("anna@example.org", &format!("p{number}"), "x\n"));
    }
    let database = site.dir().join("dormouse.db");
    let whole = site.dir().join("whole.db");
    let copied = site.dir().join("copy.db");
    let (from, to) = (database.display().to_string(), copied.display().to_string());
    // The copy has no journal.
    site.ok(&["store", "copy", &from, &to]);
    let clear = || {
        for end in ["", "-wal", "-shm"] {
            let _gone = std::fs::remove_file(format!("{from}{end}"));
        }
    };
    std::fs::rename(&copied, &whole).unwrap();
    let newer = std::fs::read(&whole).unwrap();
    let newer = [&newer[..60], &999_u32.to_be_bytes(), &newer[64..]].concat();
    for (what, content, code, words) in [
        ("newer", Some(newer), 78, "use the newer program"),
        ("missing", None, 75, "dormouse.db"),
        ("empty", Some(Vec::new()), 75, "contains no site"),
        ("no database", Some(b"no database at all\n".repeat(500)), 75, "restore it from a backup"),
    ] {
        clear();
        if let Some(content) = content {
            std::fs::write(&database, content).unwrap();
        }
        let run = site.run(&["run"]);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(code), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
        assert!(said.lines().count() < 12, "{what}: {said}");
        assert_eq!(site.files("in", "pck").len(), POSTS, "{what}");
        assert_eq!(site.files("shunt", "pck").len(), 0, "{what}");
        let refused = site.feed(&["post", "dev"], &message("anna@example.org", "x", "x\n"));
        assert_eq!(refused.status.code(), Some(75), "{what}: {}", describe(&refused));
    }
    clear();
    std::fs::copy(&whole, &database).unwrap();
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), POSTS);
}

#[test]
fn a_directory_without_a_site_is_named() {
    let site = site(&[]);
    let output =
        site.command(&["status"]).env("DORMOUSE_SITE", "/nowhere/at/all").output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", describe(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("/nowhere/at/all"),
        "{}",
        describe(&output)
    );
}

/// Writes an entry with metadata in Python's protocol 0, as a custom handler might.
fn pickled(queue: &str, site: &TestSite, name: &str, values: &str) {
    let entry = format!(
        "S'From: a@x.example\\nSubject: odd\\n\\nx\\n'\n.(dS'listname'\nS'dev'\ns{values}."
    );
    std::fs::write(site.queue(queue).join(format!("1795731560.5+{name}.pck")), entry).unwrap();
}

#[test]
fn recipients_in_whatever_python_holds_them_get_their_mail() {
    let anna = "anna@example.org";
    let site = site(&[anna]);
    for (number, value) in [
        format!("c__builtin__\nset\n((lS'{anna}'\natR"),
        format!("c__builtin__\nfrozenset\n((lV{anna}\natR"),
        format!("(dS'{anna}'\nI0\ns"),
        format!("(S'{anna}'\nt"),
        format!("(lS'{anna}'\na"),
    ]
    .iter()
    .enumerate()
    {
        pickled("out", &site, &format!("{number}"), &format!("S'recips'\n{value}s"));
        site.ok(&["run"]);
        assert_eq!(site.maildir(anna).len(), number + 1, "{value}");
    }
    let sink = dormouse_testkit::sink::Sink::builder().start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    pickled("out", &site, "q", "S'recips'\n(lS'\"q q\"@c.example'\nas");
    site.ok(&["run"]);
    let asked = sink.commands();
    assert!(asked.iter().any(|line| line.contains("RCPT TO:<\"q q\"@c.example>")), "{asked:?}");
    for queue in ["out", "retry", "shunt", "bad"] {
        assert!(files_in(&site.queue(queue)).is_empty(), "{queue}");
    }
}

#[test]
fn metadata_that_cannot_be_what_its_key_means_is_set_aside_and_named() {
    let site = site(&["anna@example.org"]);
    let recips = "S'recips'\n(lS'anna@example.org'\nas";
    for (number, (queue, values, key, kind)) in [
        ("out", "S'recips'\nNs".to_owned(), "recips", "None"),
        ("out", "S'recips'\nS'anna@example.org'\ns".to_owned(), "recips", "a byte string"),
        ("out", String::new(), "recips", "no recipients"),
        ("out", format!("{recips}S'envsender'\n(ls"), "envsender", "a list"),
        ("out", format!("{recips}S'listname'\nI7\ns"), "listname", "an int (7)"),
        (
            "out",
            "S'recips_members_of'\nS'dev'\nsS'recips_digest'\nS'x'\ns".to_owned(),
            "recips_digest",
            "\"x\"",
        ),
        ("in", "S'recips'\nI01\ns".to_owned(), "recips", "a bool (True)"),
        ("in", "S'pipeline'\nS'Hold'\ns".to_owned(), "pipeline", "a byte string"),
        ("virgin", "S'digest_closes'\nS'x'\ns".to_owned(), "digest_closes", "\"x\""),
        ("bounces", "S'envelope_sender'\nI1\ns".to_owned(), "envelope_sender", "an int"),
        ("commands", "S'toconfirm'\nccollections\ndeque\n((ltRs".to_owned(), "toconfirm", "deque"),
        ("archive", "S'received_time'\nS'x'\ns".to_owned(), "received_time", "a byte string"),
        ("news", "S'deliver_until'\n(ls".to_owned(), "deliver_until", "a list"),
        ("retry", format!("{recips}S'retry_for'\nS'nowhere'\ns"), "retry_for", "nowhere"),
    ]
    .into_iter()
    .enumerate()
    {
        pickled(queue, &site, &format!("{number}"), &values);
        if queue == "retry" {
            let file = site.queue("retry").join(format!("1795731560.5+{number}.pck"));
            let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
            std::fs::File::options().append(true).open(file).unwrap().set_modified(past).unwrap();
        }
        let summary = site.ok(&["run", "--json"]);
        assert!(summary.contains("\"shunted\": 1"), "{queue} {values:?}: {summary}");
        assert_eq!(site.files("shunt", "pck").len(), number + 1, "{queue} {values:?}");
        let reasons = site.ok(&["queue", "ls", "shunt"]);
        let is_named = |line: &str| line.contains(key) && line.contains(kind);
        assert!(reasons.lines().any(is_named), "{key}, {kind}: {reasons}");
    }
    assert!(site.maildir("anna@example.org").is_empty());
}

#[test]
fn what_cannot_be_read_is_set_aside_and_counted_whatever_its_queue() {
    let site = site(&["anna@example.org"]);
    for queue in ["in", "commands", "bounces", "virgin", "archive", "news", "out"] {
        std::fs::write(site.queue(queue).join("1.5+a.pck"), "junk").unwrap();
        let summary = site.ok(&["run", "--json"]);
        assert!(summary.contains("\"shunted\": 1"), "{queue}: {summary}");
        assert_eq!(site.files("bad", "psv"), ["1.5+a.psv"], "{queue}");
        std::fs::remove_file(site.queue("bad").join("1.5+a.psv")).unwrap();
    }
}

#[test]
fn a_directory_that_is_named_like_an_entry_is_named_once_and_left() {
    let site = site(&["anna@example.org"]);
    for queue in ["in", "out"] {
        let dir = site.queue(queue).join("1.5+dir.pck");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("kept"), "x").unwrap();
        site.post("dev", &message("a@example.com", &format!("for {queue}"), "x\n"));
        let first = describe(&site.run(&["run"]));
        assert!(first.contains("1.5+dir.pck") && first.contains("exit status: 0"), "{first}");
        assert!(site.queue(queue).join("1.5+dir.psv/kept").exists());
        let second = describe(&site.run(&["run"]));
        assert!(!second.contains("1.5+dir") && second.contains("exit status: 0"), "{second}");
        let status = site.ok(&["status"]);
        assert!(status.contains("1 set aside"), "{status}");
    }
    assert_eq!(site.maildir("anna@example.org").len(), 2);
}

#[test]
fn a_retry_from_shunt_sends_nothing_twice() {
    let site = site(&["anna@example.org", "bert@example.net"]);
    pickled(
        "shunt",
        &site,
        "a",
        "S'whichq'\nS'/var/lib/mailman/qfiles/out'\nsS'recips'\n(lS'anna@example.org'\naS'bert@example.net'\nas",
    );
    let file = site.queue("shunt").join("1795731560.5+a.pck");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend_from_slice(b"\n{\"done\":1}\n");
    std::fs::write(&file, bytes).unwrap();
    let said = site.ok(&["queue", "retry", "--all", "shunt"]);
    assert!(said.contains("was moved back to out"), "{said}");
    site.ok(&["run"]);
    assert!(site.maildir("anna@example.org").is_empty(), "she has it");
    assert_eq!(site.maildir("bert@example.net").len(), 1);
}

#[test]
fn an_entry_that_waits_until_a_date_that_cannot_be_right_is_named_and_tried_now() {
    let site = site(&["anna@example.org"]);
    pickled(
        "retry",
        &site,
        "a",
        "S'recips'\n(lS'anna@example.org'\nasS'deliver_after'\nF4000000000.0\ns",
    );
    let file = site.queue("retry").join("1795731560.5+a.pck");
    let file = std::fs::File::options().append(true).open(file).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000))
        .unwrap();
    let named = site.run(&["doctor"]);
    let named = String::from_utf8_lossy(&named.stdout).into_owned();
    assert!(named.contains("an impossible date"), "{named}");
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
    assert!(files_in(&site.queue("retry")).is_empty());
}
