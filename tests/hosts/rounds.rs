//! How often a shared database is asked.

use super::{DORMOUSE, two_hosts};
use dormouse_testkit::site::{TestSite, describe, message};
use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

fn asked(site: &TestSite) -> u64 {
    let summary = site.ok(&["run", "--json"]);
    let asked = summary.split("\"asked\":").nth(1).unwrap();
    asked.split([',', '\n', '}']).next().unwrap().trim().parse().unwrap()
}

/// Runs a command with this input, and returns its round trips to the server.
fn rounds(site: &TestSite, args: &[&str], input: &str) -> usize {
    let mut command = site.command(args);
    command.env("DORMOUSE_LOG", "trace").stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", describe(&output));
    writer.join().unwrap().unwrap();
    String::from_utf8_lossy(&output.stderr).matches("database: ").count()
}

fn age(site: &TestSite) {
    let index = File::options().write(true).open(site.dir().join("intake.index")).unwrap();
    index.set_modified(SystemTime::now() - Duration::from_secs(400)).unwrap();
}

#[test]
fn a_run_without_work_does_not_ask_the_database_except_for_what_others_changed() {
    let Some((one, two, _)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    one.post("dev", &message("anna@example.org", "first", "x\n"));
    assert!(asked(&one) > 0);
    assert_eq!(asked(&one), 0, "nothing to do");
    two.plain_list("web", &["anna@example.org"]);
    let knows = |list: &str| {
        let index = std::fs::read_to_string(one.dir().join("intake.index")).unwrap();
        index.lines().any(|line| line.starts_with(&format!("{list} ")))
    };
    assert!(knows("dev") && !knows("web"));
    age(&one);
    assert!(asked(&one) > 0, "the known lists are old");
    assert!(knows("web"), "the other host's list is known");
    assert_eq!(asked(&one), 0);
    // Without work a server that is away disturbs nobody.
    age(&one);
    one.ok(&["config", "set", "store.url", "postgres://dormouse@/postgres?host=/nowhere"]);
    one.ok(&["run"]);
}

/// The process dies after a post has made the digest large enough, before the digest is sent.
#[test]
fn a_digest_that_a_dead_run_left_is_sent_by_the_next_one_without_other_work() {
    let Some((one, _two, _)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    one.ok(&["list", "set", "dev", "digestable=yes", "digest_size_threshhold=1"]);
    one.ok(&["member", "set", "dev", "anna@example.org", "digest=yes"]);
    one.post("dev", &message("anna@example.org", "large", &"word ".repeat(400)));
    let killed = one.command(&["run"]).env("DORMOUSE_FAULT", "digest.begun").output().unwrap();
    assert!(!killed.status.success(), "{}", describe(&killed));
    assert_eq!(one.files("in", "pck").len() + one.files("in", "bak").len(), 0, "the post is done");
    assert_eq!(one.maildir("anna@example.org").len(), 0);
    one.ok(&["run"]);
    let mail = one.maildir("anna@example.org");
    assert_eq!(mail.len(), 1);
    assert!(String::from_utf8_lossy(&mail[0]).contains("Digest, Vol 1, Issue 1"));
    assert!(!one.dir().join("due/large_digests").exists());
}

#[test]
fn many_members_come_and_go_with_a_few_round_trips() {
    const PEOPLE: usize = 300;
    let Some((one, _two, _)) = two_hosts() else { return };
    let people = |from: usize| -> String {
        (from..from + PEOPLE).map(|number| format!("m{number}@example.org\n")).collect()
    };
    one.plain_list("dev", &[]);
    one.ok(&["list", "set", "dev", "admin_notify_mchanges=no", "send_goodbye_msg=no"]);
    let count = |list: &str| one.ok(&["member", "ls", list]).lines().count();
    let quietly = ["--welcome", "no", "--file", "-"];
    let commands: [(&str, Vec<&str>, usize); 3] = [
        ("member add", [&["member", "add", "dev"], &quietly[..]].concat(), 0),
        ("member sync", vec!["member", "sync", "dev", "--welcome", "no", "--file", "-"], 100),
        (
            "compat",
            vec!["compat", "sync_members", "-w=no", "-g=no", "-a=no", "-f", "-", "dev"],
            200,
        ),
    ];
    for (name, args, from) in commands {
        let rounds = rounds(&one, &args, &people(from));
        eprintln!("{name}: {rounds} round trips for {PEOPLE} people");
        assert_eq!(count("dev"), PEOPLE, "{name}");
        assert!(rounds < 100, "{name}: {rounds} round trips");
    }
    // A site of Mailman with these people comes over as fast.
    let old = TestSite::in_a_file(DORMOUSE);
    old.plain_list("tea", &people(0).lines().collect::<Vec<_>>());
    let mailman = old.dir().join("mailman").display().to_string();
    old.ok(&["export", "--mailman2", &mailman]);
    let rounds = rounds(&one, &["import", &mailman], "");
    eprintln!("import: {rounds} round trips for {PEOPLE} people");
    assert_eq!(count("tea"), PEOPLE);
    assert!(rounds < 150, "{rounds} round trips");
}
