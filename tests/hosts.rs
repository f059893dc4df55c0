//! One site on several hosts: separate directories, and one PostgreSQL.

#[path = "hosts/adoption.rs"]
mod adoption;
#[path = "hosts/archives.rs"]
mod archives;
#[path = "hosts/decisions.rs"]
mod decisions;
#[path = "hosts/refusals.rs"]
mod refusals;
#[path = "hosts/rounds.rs"]
mod rounds;
#[path = "hosts/servers.rs"]
mod servers;
#[path = "hosts/trial.rs"]
mod trial;

use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::waiting::PATIENCE;
use std::collections::HashSet;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Creates two hosts of one site; `None` if PostgreSQL is not installed.
fn two_hosts() -> Option<(TestSite, TestSite, String)> {
    let server = match throwaway_postgres::database() {
        Ok(server) => server,
        Err(problem) => {
            skipped::skip(&problem);
            return None;
        }
    };
    let hosts = [TestSite::on(DORMOUSE, &server), TestSite::on(DORMOUSE, &server)];
    let [one, two] = hosts;
    Some((one, two, server))
}

fn subjects(site: &TestSite, address: &str) -> Vec<String> {
    let subject = |mail: &Vec<u8>| {
        let text = String::from_utf8_lossy(mail).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned()
    };
    site.maildir(address).iter().map(subject).collect()
}

#[test]
fn hosts_share_lists_and_members_but_not_spools() {
    let Some((one, two, _)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    two.ok(&["member", "add", "dev", "bert@example.org"]);
    two.ok(&["list", "set", "dev", "description=both"]);
    assert_eq!(one.ok(&["member", "ls", "dev"]), "anna@example.org\nbert@example.org\n");
    assert!(one.ok(&["list", "show", "dev"]).contains("description = both"));
    one.post("dev", &message("anna@example.org", "first", "x\n"));
    two.post("dev", &message("anna@example.org", "second", "x\n"));
    assert!(files_in(&two.queue("in")).len() == 1, "each host has a spool of its own");
    one.ok(&["run"]);
    two.ok(&["run"]);
    assert_eq!(subjects(&one, "bert@example.org"), ["first"]);
    assert_eq!(subjects(&two, "bert@example.org").last().unwrap(), "second");
}

#[test]
fn a_host_joins_a_site_but_not_if_the_server_is_unreachable() {
    let Some((one, _two, server)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    let home = TempDir::new().unwrap();
    let init = |server: &str| -> Output {
        let mut init = Command::new(DORMOUSE);
        init.arg("--site").arg(home.path().join("site"));
        init.args(["init", "--host", "lists.example.org", "--store", server]).output().unwrap()
    };
    for (wrong, code) in [
        ("postgres://dormouse@/postgres?host=/nowhere", 75),
        ("mysql://dormouse@localhost/x", 64),
        ("postgres:///postgres", 64),
    ] {
        let refused = init(wrong);
        assert_eq!(refused.status.code(), Some(code), "{wrong}: {}", describe(&refused));
        assert!(!home.path().join("site/dormouse.toml").exists(), "{wrong}");
    }
    let joined = init(&server);
    assert!(joined.status.success(), "{}", describe(&joined));
    assert!(String::from_utf8_lossy(&joined.stdout).contains("joined the site"));
}

#[test]
fn posts_on_two_hosts_have_numbers_of_their_own_and_none_is_lost() {
    const POSTS: usize = 25;
    let Some((one, two, _)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    one.ok(&["list", "set", "dev", "subject_prefix=[dev %d] "]);
    std::thread::scope(|scope| {
        for (name, host) in [("one", &one), ("two", &two)] {
            scope.spawn(move || {
                for number in 0..POSTS {
                    let subject = format!("{name}{number}");
                    host.post("dev", &message("anna@example.org", &subject, "x\n"));
                    if number % 5 == 4 {
                        host.ok(&["run"]);
                    }
                }
            });
        }
    });
    let all = [subjects(&one, "anna@example.org"), subjects(&two, "anna@example.org")].concat();
    let number = |subject: &String| -> usize {
        subject["[dev ".len()..].split(']').next().unwrap().parse().unwrap()
    };
    let numbers: HashSet<usize> = all.iter().map(number).collect();
    assert_eq!((all.len(), numbers.len()), (2 * POSTS, 2 * POSTS), "{all:?}");
    assert_eq!(numbers.iter().max(), Some(&(2 * POSTS)), "no number is left out");
}

#[test]
fn a_digest_is_sent_by_one_host_and_once() {
    let Some((one, two, _)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    one.ok(&["list", "set", "dev", "digestable=yes", "digest_size_threshhold=1000"]);
    one.ok(&["member", "set", "dev", "anna@example.org", "digest=yes"]);
    for (host, subject) in [(&one, "first"), (&two, "second")] {
        host.post("dev", &message("anna@example.org", subject, "x\n"));
        host.ok(&["run"]);
    }
    std::thread::scope(|scope| {
        for host in [&one, &two] {
            scope.spawn(|| host.ok(&["cron", "senddigests"]));
        }
    });
    one.ok(&["run"]);
    two.ok(&["run"]);
    let digests: Vec<Vec<u8>> =
        [one.maildir("anna@example.org"), two.maildir("anna@example.org")].concat();
    let digests: Vec<String> = digests
        .iter()
        .map(|mail| String::from_utf8_lossy(mail).into_owned())
        .filter(|text| text.contains("Digest, Vol 1, Issue"))
        .collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert!(digests[0].contains("first") && digests[0].contains("second"), "posts of both hosts");
}

#[test]
fn a_domain_gets_its_rate_from_all_hosts_together() {
    let Some((one, two, _)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@a.example", "bert@a.example", "carl@a.example"]);
    for host in [&one, &two] {
        host.ok(&["config", "set", "delivery.limits", "a.example: rate=5/h"]);
        host.post("dev", &message("anna@a.example", "x", "x\n"));
    }
    let got = || {
        let members = ["anna@a.example", "bert@a.example", "carl@a.example"];
        let of = |host: &TestSite| members.map(|member| host.maildir(member).len());
        (of(&one).iter().sum::<usize>(), of(&two).iter().sum::<usize>())
    };
    one.ok(&["run"]);
    two.ok(&["run"]);
    assert_eq!(got(), (3, 2));
    let mut later = two.command(&["run"]);
    later.env("DORMOUSE_CLOCK", "+3700");
    assert!(later.output().unwrap().status.success());
    assert_eq!(got(), (3, 3));
}

/// The process is killed in the middle of its batch's transaction, while it holds the site's lock.
#[test]
fn a_host_that_dies_in_a_transaction_holds_nobody_up() {
    let Some((one, two, _)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    for number in 0..40 {
        one.post("dev", &message("anna@example.org", &format!("p{number}"), "x\n"));
    }
    let mut drain = one
        .command(&["run"])
        .env("DORMOUSE_FAULT", "batch.staged:30")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    two.post("dev", &message("anna@example.org", "other", "x\n"));
    let since = std::time::Instant::now();
    two.ok(&["run"]);
    assert!(!drain.wait().unwrap().success(), "it died");
    assert!(since.elapsed() < PATIENCE, "the lock went with its process");
    assert_eq!(subjects(&two, "anna@example.org"), ["other"]);
    one.ok(&["run"]);
    let arrived: HashSet<String> = subjects(&one, "anna@example.org").into_iter().collect();
    assert_eq!(arrived.len(), 40, "{arrived:?}");
}

/// The URL names another directory, in which no server is found.
#[test]
fn mail_is_accepted_while_the_database_is_unreachable_and_waits_for_it() {
    let Some((one, _two, server)) = two_hosts() else { return };
    one.plain_list("dev", &["anna@example.org"]);
    let post = message("anna@example.org", "first", "x\n");
    let away = "postgres://dormouse@/postgres?host=/nowhere";
    one.ok(&["config", "set", "store.url", away]);
    let refused = one.feed(&["post", "dev"], &post);
    assert_eq!(refused.status.code(), Some(75), "nothing is known yet: {}", describe(&refused));
    one.ok(&["config", "set", "store.url", &server]);
    one.post("dev", &post);
    one.ok(&["run"]);
    one.ok(&["config", "set", "store.url", away]);
    one.post("dev", &message("anna@example.org", "second", "x\n"));
    let unknown = one.feed(&["post", "gone"], &post);
    assert_eq!(unknown.status.code(), Some(75), "it may have come since: {}", describe(&unknown));
    let run = one.run(&["run"]);
    assert_eq!(run.status.code(), Some(75), "{}", describe(&run));
    assert_eq!(files_in(&one.queue("in")).len(), 1, "it stays in its queue");
    one.ok(&["config", "set", "store.url", &server]);
    one.ok(&["run"]);
    assert_eq!(subjects(&one, "anna@example.org").last().unwrap(), "second");
}

#[test]
fn a_site_moves_to_a_server_and_back_with_every_row() {
    let server = match throwaway_postgres::database() {
        Ok(server) => server,
        Err(problem) => return skipped::skip(&problem),
    };
    let site = TestSite::in_a_file(DORMOUSE);
    site.plain_list("dev", &["anna@example.org", "Bert@example.org"]);
    site.ok(&["list", "set", "dev", "emergency=yes"]);
    site.post("dev", &message("anna@example.org", "held", "Grüße\n"));
    site.ok(&["run"]);
    let file = site.dir().join("dormouse.db").display().to_string();
    let said = site.ok(&["store", "copy", &file, &server]);
    assert!(said.contains("member"), "{said}");
    let members = site.ok(&["member", "ls", "dev"]);
    let waits = || site.ok(&["held", "ls", "dev"]).contains("Emergency hold");
    assert!(waits());
    let again = site.run(&["store", "copy", &file, &server]);
    assert_eq!(again.status.code(), Some(64), "{}", describe(&again));
    site.ok(&["config", "set", "store.url", &server]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(site.ok(&["member", "ls", "dev"]), members);
    assert!(waits());
    site.ok(&["member", "add", "dev", "carl@example.org"]);
    site.ok(&["store", "copy", &server, &file]);
    site.ok(&["config", "set", "store.url", ""]);
    assert_eq!(site.ok(&["member", "ls", "dev"]), members + "carl@example.org\n");
    assert!(waits());
}

/// Limits the statements of SQLite or round trips to a server for each post of a batch.
#[test]
fn a_post_in_a_batch_asks_the_database_a_few_times() {
    const POSTS: usize = 100;
    let asked = |site: &TestSite| -> f64 {
        let members: Vec<String> = (0..10).map(|n| format!("m{n}@example.org")).collect();
        let refs: Vec<&str> = members.iter().map(String::as_str).collect();
        site.plain_list("dev", &refs);
        site.ok(&["run"]);
        for number in 0..POSTS {
            let sender = &members[number % 3];
            site.post("dev", &message(sender, &format!("p{number}"), "x\n"));
        }
        let summary = site.ok(&["run", "--json"]);
        let asked = summary.split("\"asked\":").nth(1).unwrap();
        let asked: f64 = asked.split([',', '\n', '}']).next().unwrap().trim().parse().unwrap();
        assert_eq!(subjects(site, "m9@example.org").len(), POSTS);
        asked / POSTS as f64
    };
    let on_sqlite = asked(&TestSite::in_a_file(DORMOUSE));
    eprintln!("{on_sqlite} statements for a post on SQLite");
    assert!(on_sqlite < 12.0, "{on_sqlite} statements for a post");
    let Some((one, _, _)) = two_hosts() else { return };
    let on_a_server = asked(&one);
    eprintln!("{on_a_server} round trips for a post on PostgreSQL");
    assert!(on_a_server <= 4.0, "{on_a_server} round trips for a post");
}
