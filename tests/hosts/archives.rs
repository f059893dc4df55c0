//! Archives that belong to one host of a site.

use super::{subjects, two_hosts};
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::waiting::{PATIENCE, eventually};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

const ANNA: &str = "anna@example.org";

/// A host's LMTP server, killed at the end of the test.
struct Lmtp {
    process: Child,
    address: String,
}

impl Lmtp {
    fn start(host: &TestSite, listen: &str) -> Lmtp {
        let mut command = host.command(&["lmtp", "--listen", listen]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("listening on ").to_owned();
        Lmtp { process, address }
    }

    fn url(&self) -> String {
        format!("lmtp://{}", self.address)
    }

    /// Sends these lines, and returns the server's replies.
    fn say(&self, lines: &[&str]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{}\r\nQUIT\r\n", lines.join("\r\n")).as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Lmtp {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Returns the subjects of the posts in a host's archive of `dev`.
fn archived(host: &TestSite) -> Vec<String> {
    let path = host.dir().join("archives/private/dev.mbox/dev.mbox");
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut subjects: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect();
    subjects.sort();
    subjects
}

/// Creates two hosts, of which the first has the archives, and its LMTP server.
fn archive_on_one() -> Option<(TestSite, TestSite, Lmtp)> {
    let (one, two, _) = two_hosts()?;
    one.plain_list("dev", &[ANNA]);
    let lmtp = Lmtp::start(&one, "127.0.0.1:0");
    let place = format!("*={}", lmtp.url());
    for host in [&one, &two] {
        host.ok(&["config", "set", "archives.hosts", &place]);
    }
    one.ok(&["config", "set", "archives.here", &lmtp.url()]);
    Some((one, two, lmtp))
}

/// Makes all deferred entries due now.
fn all_is_due(host: &TestSite) {
    host.ok(&["queue", "retry", "--all", "retry"]);
}

#[test]
fn posts_of_all_hosts_are_in_the_archive_of_one() {
    let Some((one, two, _lmtp)) = archive_on_one() else { return };
    one.ok(&["config", "set", "intake.max_size", "20000"]);
    one.post("dev", &message(ANNA, "first", "x\n"));
    one.ok(&["run"]);
    // Larger than the site accepts once it is wrapped, and with parts that SMTP would change.
    let large = format!("{}\n.\n..\nGrüße\r\n", "x".repeat(70) + &"\nline".repeat(3800));
    two.post("dev", &message(ANNA, "second", &large));
    two.ok(&["run"]);
    eventually("the post arrives", || archived(&one) == ["first", "second"]);
    assert!(files_in(&two.queue("archive")).is_empty() && files_in(&two.queue("retry")).is_empty());
    assert_eq!(archived(&two), [""; 0]);
    // The other host is still at work: it writes the mbox piece by piece, and the index after it.
    eventually("the post is whole, and as it was", || {
        let mbox = std::fs::read(one.dir().join("archives/private/dev.mbox/dev.mbox")).unwrap();
        let mbox = String::from_utf8_lossy(&mbox);
        mbox.contains(&large.replace("\r\n", "\n")) || mbox.contains(&large)
    });
    assert_eq!(subjects(&two, ANNA), ["second"]);
    eventually("the post is found", || {
        one.ok(&["archive", "search", "dev", "second"]).contains("second")
    });
}

#[test]
fn an_entry_waits_while_the_host_with_the_archive_is_away_and_is_archived_once() {
    let Some((one, two, mut lmtp)) = archive_on_one() else { return };
    let address = lmtp.address.clone();
    lmtp.kill();
    two.post("dev", &message(ANNA, "first", "x\n"));
    two.ok(&["run"]);
    assert_eq!(subjects(&two, ANNA), ["first"], "readers do not wait for it");
    assert_eq!(two.files("retry", "pck").len(), 1);
    all_is_due(&two);
    two.ok(&["run"]);
    assert_eq!(two.files("retry", "pck").len(), 1, "and again");
    let _back = Lmtp::start(&one, &address);
    all_is_due(&two);
    // Killed after the other host has replied 250.
    let mut run = two.command(&["run"]);
    let killed = run.env("DORMOUSE_FAULT", "archive.passed-on").output().unwrap();
    assert!(!killed.status.success(), "{}", describe(&killed));
    eventually("it arrives", || archived(&one) == ["first"]);
    two.ok(&["run"]);
    assert!(files_in(&two.queue("archive")).is_empty() && files_in(&two.queue("retry")).is_empty());
    two.post("dev", &message(ANNA, "second", "x\n"));
    two.ok(&["run"]);
    eventually("the next arrives", || archived(&one).len() > 1);
    assert_eq!(archived(&one), ["first", "second"], "none twice");
}

#[test]
fn nobody_else_puts_anything_into_an_archive() {
    let Some((one, two, lmtp)) = archive_on_one() else { return };
    two.post("dev", &message(ANNA, "first", "x\n"));
    two.ok(&["run"]);
    eventually("the post arrives", || archived(&one) == ["first"]);
    let entry = "dormouse-archive-entry@lists.example.org";
    let (from, to) = (format!("MAIL FROM:<{entry}>"), format!("RCPT TO:<{entry}>"));
    let field = format!("Dormouse-Archive-Entry: dev 1.5+abc {}", "0".repeat(64));
    let said = lmtp.say(&["LHLO x", &from, &to, "DATA", &field, "", "QUJD", "."]);
    assert!(said.contains("550 5.7.1"), "{said}");
    let said = lmtp.say(&["LHLO x", "MAIL FROM:<a@x.example>", &to]);
    assert!(said.contains("550 5.7.1"), "{said}");
    let said = lmtp.say(&["LHLO x", &from, "RCPT TO:<dev@lists.example.org>"]);
    assert!(said.contains("550 5.7.1"), "{said}");
    for wrong in ["dev", "dev=smtp://x", "=lmtp://x:24"] {
        let set = one.run(&["config", "set", "archives.hosts", wrong]);
        assert!(!set.status.success(), "{wrong}");
    }
    assert_eq!(archived(&one), ["first"]);
}

/// Each host may have the archive of another list. A host without `archives.here` passes entries on
/// to itself, once.
#[test]
fn each_list_has_its_archive_where_the_setting_says() {
    let Some((one, two, lmtp)) = archive_on_one() else { return };
    let theirs = Lmtp::start(&two, "127.0.0.1:0");
    one.plain_list("web", &[ANNA]);
    let places = format!("*={},web={}", lmtp.url(), theirs.url());
    for host in [&one, &two] {
        host.ok(&["config", "set", "archives.hosts", &places]);
        host.ok(&["config", "set", "archives.here", ""]);
    }
    for (host, subject) in [(&one, "a"), (&two, "b")] {
        for list in ["dev", "web"] {
            host.post(list, &message(ANNA, &format!("{list}-{subject}"), "x\n"));
        }
        host.ok(&["run"]);
    }
    eventually("dev is on one", || archived(&one) == ["dev-a", "dev-b"]);
    let web = |host: &TestSite| {
        let path = host.dir().join("archives/private/web.mbox/web.mbox");
        std::fs::read_to_string(path).unwrap_or_default().matches("Subject: web-").count()
    };
    eventually("web is on two", || web(&two) == 2);
    assert_eq!((web(&one), archived(&two).len()), (0, 0));
}

/// Over LMTP as through the pipe, mail is accepted for the lists that were last known.
#[test]
fn mail_is_taken_over_lmtp_while_the_database_is_away() {
    let Some((one, _two, server)) = two_hosts() else { return };
    one.plain_list("dev", &[ANNA]);
    one.post("dev", &message(ANNA, "first", "x\n"));
    one.ok(&["run"]);
    one.ok(&["config", "set", "store.url", "postgres://dormouse@/postgres?host=/nowhere"]);
    let lmtp = Lmtp::start(&one, "127.0.0.1:0");
    let post = "From: anna@example.org\r\nSubject: second\r\n\r\nx";
    let from = "MAIL FROM:<anna@example.org>";
    let said = lmtp.say(&[
        "LHLO x",
        from,
        "RCPT TO:<dev@lists.example.org>",
        "RCPT TO:<gone@lists.example.org>",
        "DATA",
        post,
        ".",
    ]);
    assert!(said.contains("stored on disk") && said.contains("451 4.3.0"), "{said}");
    assert_eq!(one.files("in", "pck").len() + one.files("in", "bak").len(), 1);
    drop(lmtp);
    one.ok(&["config", "set", "store.url", &server]);
    one.ok(&["run"]);
    assert_eq!(subjects(&one, ANNA), ["first", "second"]);
}
