//! Databases that cannot write: each write of SQLite fails once, and a server is full or read-only.

use super::{DORMOUSE, free, leave};
use dormouse_testkit::server::Server;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::surroundings::{in_memory, on_small_disk};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Output};
use throwaway_postgres::Own;

const ANNA: &str = "anna@example.org";
const READER: &str = "digest@example.org";
const NEW: &str = "new@example.net";
/// What a command says of a server that cannot store: its disk is full, it takes no changes, or it is a replica.
const CAUSES: [&str; 3] = ["No space left on device", "read-only", "does not allow writes"];
/// The size of a page in SQLite's journal.
const STEP: usize = 4_120;
/// No file of a run needs more than this.
const ENOUGH: usize = 1 << 20;
/// The user of a server that tests start as root.
const NOBODY: u32 = 65_534;

/// Runs a command with a limit of bytes for each file: writes beyond fail, as on a faulty disk.
fn limited(site: &TestSite, bytes: usize, args: &[&str], clock: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec prlimit --fsize=\"$0\" \"$@\""]);
    command.arg(bytes.to_string()).arg(site.binary()).args(args);
    command.env("DORMOUSE_SITE", site.dir()).env("DORMOUSE_CLOCK", clock);
    command.output().unwrap()
}

/// Whether the command succeeded; otherwise it must report a temporary failure with the reason.
fn is_done(what: &str, output: &Output) -> bool {
    let said = describe(output);
    if output.status.success() {
        return true;
    }
    assert_eq!(output.status.code(), Some(75), "{what}: {said}");
    let is_told = [".db: ", "qfiles", "File too large"].iter().any(|name| said.contains(name));
    assert!(is_told, "{what}: {said}");
    false
}

fn subjects(site: &TestSite, address: &str) -> Vec<String> {
    let subject = |mail: &Vec<u8>| {
        let text = String::from_utf8_lossy(mail).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned()
    };
    site.maildir(address).iter().map(subject).collect()
}

/// Runs a command under the limit, and repeats it without if it failed.
fn until_done(site: &TestSite, bytes: usize, args: &[&str], clock: &str) -> bool {
    let what = format!("{args:?} with {bytes} bytes");
    let is_done_at_once = is_done(&what, &limited(site, bytes, args, clock));
    if !is_done_at_once {
        let again = site.command(args).env("DORMOUSE_CLOCK", clock).output().unwrap();
        assert!(again.status.success(), "{what}, then without a limit: {}", describe(&again));
    }
    is_done_at_once
}

#[test]
fn each_write_of_sqlite_fails_once_and_everything_is_done_once() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skipped::skip("there is no prlimit (Debian's package util-linux)");
    }
    let home = tempfile::tempdir_in(in_memory()).unwrap();
    let site = TestSite::in_a_file_below(DORMOUSE, home.path());
    site.plain_list("dev", &[ANNA, "digest@example.org"]);
    site.ok(&["member", "set", "dev", "digest@example.org", "digest=yes"]);
    site.ok(&["list", "set", "dev", "digestable=yes", "digest_size_threshhold=0"]);
    let (mut limits, mut failures) = (vec![0, 1_000], [0; 3]);
    limits.extend((STEP..20 * STEP).step_by(STEP));
    limits.extend((20 * STEP..ENOUGH).step_by(12 * STEP));
    for (number, &bytes) in limits.iter().enumerate() {
        let clock = format!("+{}", (number + 1) * 86_400);
        let (joins, added) = (format!("j{number}@example.net"), format!("a{number}@example.net"));
        site.post("dev", &message(ANNA, &format!("post{number}"), "x\n"));
        let join =
            site.feed(&["deliver", "dev-join@lists.example.org"], &message(&joins, "join", ""));
        assert!(join.status.success(), "{}", describe(&join));
        let add = ["member", "add", "dev", "--welcome", "no", &added];
        for (at, args) in [&["run"][..], &add, &["cron", "senddigests"]].into_iter().enumerate() {
            failures[at] += usize::from(!until_done(&site, bytes, args, &clock));
        }
        site.ok(&["run"]);
        assert!(site.ok(&["member", "ls", "dev"]).contains(&added), "{bytes} bytes");
        assert_eq!(site.maildir(&joins).len(), 1, "one question to {joins} with {bytes} bytes");
    }
    for queue in ["in", "commands", "virgin", "out", "retry", "shunt", "bad"] {
        assert_eq!(files_in(&site.queue(queue)), Vec::<String>::new(), "{queue}");
    }
    let mut posts: Vec<String> = (0..limits.len()).map(|number| format!("post{number}")).collect();
    let digests = site.maildir("digest@example.org");
    let digests: Vec<String> =
        digests.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect();
    for post in &posts {
        let line = format!("Subject: {post}\n");
        let times =
            digests.iter().filter(|digest| digest.replace('\r', "").contains(&line)).count();
        assert_eq!(times, 1, "{post} is in one digest");
    }
    let mut arrived = subjects(&site, ANNA);
    arrived.sort();
    posts.sort();
    assert_eq!(arrived, posts);
    assert!(
        failures.iter().all(|&failures| failures > 3),
        "each failed at several writes: {failures:?}"
    );
}

#[test]
fn a_page_on_a_full_disk_says_so_and_changes_nothing() {
    let name = "database::a_page_on_a_full_disk_says_so_and_changes_nothing";
    on_small_disk(name, 4096, |disk| {
        let site = TestSite::in_a_file_below(DORMOUSE, disk);
        decided_by_the_web(&site, || leave(disk, 0), || free(disk));
    });
}

/// Decides on a held post on its page, which fails the first time.
fn decided_by_the_web(site: &TestSite, spoil: impl FnOnce(), mend: impl FnOnce()) {
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.ok(&["config", "set", "intake.min_free", "0"]);
    site.plain_list("pages", &[ANNA]);
    site.ok(&["list", "set", "pages", "emergency=yes"]);
    site.post("pages", &message(ANNA, "held", &"A line of the post.\n".repeat(400)));
    site.ok(&["run"]);
    let shown = site.ok(&["held", "link", "pages", "1"]);
    let at = shown.find("/mailman/held/").unwrap();
    let link = shown[at..].split_whitespace().next().unwrap();
    let server = Server::start(site);
    spoil();
    let failed = server.post(link, "decision=approve");
    assert!(failed.starts_with("HTTP/1.1 503"), "{failed}");
    mend();
    let page = server.post(link, "decision=approve");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    site.ok(&["run"]);
    assert_eq!(subjects(site, ANNA).last().unwrap(), "held");
}

/// Checks that a server that cannot write loses and acknowledges nothing.
fn nothing_is_lost(site: &TestSite, posts: usize, spoil: impl Fn(), mend: impl Fn()) {
    site.ok(&["config", "set", "intake.min_free", "0"]);
    site.plain_list("dev", &[ANNA]);
    site.ok(&["member", "add", "dev", "--digest", "--welcome", "no", READER]);
    site.ok(&["list", "set", "dev", "digestable=yes", "digest_size_threshhold=0"]);
    site.post("dev", &message(ANNA, "in a digest", "x\n"));
    site.ok(&["run"]);
    for number in 0..posts {
        let body = "A line of the post.\n".repeat(1500);
        site.post("dev", &message(ANNA, &format!("post{number}"), &body));
    }
    spoil();
    // Mail is taken in, whatever it is for.
    site.post("dev", &message(ANNA, "after", "x\n"));
    let join = site.feed(&["deliver", "dev-join@lists.example.org"], &message(NEW, "join", ""));
    assert!(join.status.success(), "{}", describe(&join));
    let add = ["member", "add", "dev", "--welcome", "no", "--file", "-"];
    let digest = ["cron", "senddigests"];
    let many: String = (0..3000).map(|at| format!("m{at}@example.net\n")).collect();
    std::thread::scope(|scope| {
        for (args, input) in [(&["run"][..], String::new()), (&add, many), (&digest, String::new())]
        {
            scope.spawn(move || {
                let said = site.feed(args, input.as_bytes());
                assert_eq!(said.status.code(), Some(75), "{args:?}: {}", describe(&said));
                let said = describe(&said);
                assert!(CAUSES.iter().any(|cause| said.contains(cause)), "{args:?}: {said}");
            });
        }
    });
    assert_eq!(files_in(&site.queue("shunt")), Vec::<String>::new());
    mend();
    site.ok(&["run"]);
    site.ok(&["cron", "senddigests"]);
    site.ok(&["run"]);
    let mut arrived = subjects(site, ANNA);
    arrived.sort();
    let mut all: Vec<String> = (0..posts).map(|number| format!("post{number}")).collect();
    all.extend(["after", "in a digest"].map(str::to_owned));
    all.sort();
    assert_eq!(arrived, all);
    assert_eq!(
        site.ok(&["member", "ls", "dev"]),
        format!("{ANNA}\n{READER}\n"),
        "nobody by halves"
    );
    assert_eq!(site.maildir(NEW).len(), 1, "one question to confirm");
    let digests = site.maildir(READER);
    for post in all {
        let line = format!("Subject: {post}\n");
        let has = |mail: &&Vec<u8>| String::from_utf8_lossy(mail).replace('\r', "").contains(&line);
        assert_eq!(digests.iter().filter(has).count(), 1, "{post} is in one digest");
    }
}

#[test]
fn a_server_that_takes_no_changes_stops_everything_and_loses_nothing() {
    let server = match Own::start("", "") {
        Ok(server) => server,
        Err(problem) => return skipped::skip(&problem),
    };
    let read_only = |value: &str| {
        server.sql(&format!("alter system set default_transaction_read_only = {value}")).unwrap();
        server.sql("select pg_reload_conf()").unwrap();
    };
    let url = format!("postgres://dormouse@127.0.0.1:{}/postgres", server.port);
    let site = TestSite::on(DORMOUSE, &url);
    nothing_is_lost(&site, 5, || read_only("on"), || read_only("off"));
    decided_by_the_web(&site, || read_only("on"), || read_only("off"));
}

#[test]
fn a_server_whose_disk_is_full_stops_everything_and_loses_nothing() {
    if !rustix::process::geteuid().is_root() {
        return skipped::skip("only root may give the server a disk");
    }
    let name = "database::a_server_whose_disk_is_full_stops_everything_and_loses_nothing";
    on_small_disk(name, 16_384, |disk| {
        let server = match Own::start("", "") {
            Ok(server) => server,
            Err(problem) => return skipped::skip(&problem),
        };
        let space = space_on(disk);
        server.sql(&format!("create tablespace small location '{space}'")).unwrap();
        let options = "options=-cdefault_tablespace%3Dsmall";
        let url = format!("postgres://dormouse@127.0.0.1:{}/postgres?{options}", server.port);
        let site = TestSite::on(DORMOUSE, &url);
        nothing_is_lost(&site, 20, || leave(disk, 0), || free(disk));
        decided_by_the_web(&site, || leave(disk, 0), || free(disk));
    });
}

/// After a primary has died, until its replica is promoted, only a server that takes no changes is there.
#[test]
fn a_replica_that_is_not_promoted_yet_stops_everything_and_loses_nothing() {
    let primary = match Own::start("", "host replication dormouse 127.0.0.1/32 trust") {
        Ok(primary) => primary,
        Err(problem) => return skipped::skip(&problem),
    };
    let replica = primary.replica(true).unwrap();
    let (one, two) = (primary.port, replica.port);
    let url = format!("postgres://dormouse@127.0.0.1:{one},127.0.0.1:{two}/postgres");
    let site = TestSite::on(DORMOUSE, &url);
    nothing_is_lost(&site, 5, || primary.crash().unwrap(), || replica.promote().unwrap());
    // The same with the next replica, for a page.
    let second = replica.replica(true).unwrap();
    let url = format!("postgres://dormouse@127.0.0.1:{two},127.0.0.1:{}/postgres", second.port);
    site.ok(&["config", "set", "store.url", &url]);
    decided_by_the_web(&site, || replica.crash().unwrap(), || second.promote().unwrap());
}

/// Creates a directory on the disk for the server's user.
fn space_on(disk: &Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(disk, std::fs::Permissions::from_mode(0o755)).unwrap();
    let space = disk.join("space");
    std::fs::create_dir(&space).unwrap();
    chown(&space, Some(NOBODY), Some(NOBODY)).unwrap();
    space.display().to_string()
}
