//! Power failures: names in directories that were not synced are gone, and what was synced is there.

use super::{Client, DORMOUSE, Server};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::waiting::{go_on, until_stopped};
use rustix::process::Signal;
use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

const MEMBER: &str = "anna@example.org";

/// Points on the way of a mail that is durable before the directory of its queue is, and of its recovery.
const ARRIVING: [(&str, &[u32]); 6] = [
    ("label.announced", &[1]),
    ("spare.taken", &[2, 5]),
    ("batch.staged", &[2, 6]),
    ("batch.labelled", &[1, 3]),
    ("batch.synced", &[2, 4]),
    ("batch.shown", &[2, 5]),
];
const RECOVERING: [&str; 3] = ["label.restored", "label.settled", "claim.renamed"];
/// Points on the way from the queue `in` to the MTA.
const DRAINING: [&str; 12] = [
    "claim.locked",
    "claim.renamed",
    "incoming.stored",
    "batch.staged",
    "batch.synced",
    "batch.recorded",
    "batch.decided",
    "batch.shown",
    "label.forgotten",
    "claim.finished",
    "batch.carried-out",
    "spare.freed",
];

/// A site with spare files.
fn site(sink: &Sink) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.plain_list("dev", &[MEMBER]);
    site.ok(&["list", "set", "dev", "archive=no", "digestable=no"]);
    for number in 0..20 {
        site.post("dev", &message("a@example.org", &format!("earlier{number}"), "x\n"));
    }
    site.ok(&["run"]);
    assert!(files_in(&site.queue(".spare")).len() >= 16);
    site
}

/// Sends mails until the server dies. Returns which were acknowledged, and how many were not.
fn send(server: &Server, count: usize) -> (Vec<String>, usize) {
    let (mut acknowledged, mut failed) = (Vec::new(), 0);
    let mut client = Client::greet(server.address).ok();
    for number in 0..count {
        let subject = format!("mail{number}");
        let Some(connected) = &mut client else { break };
        match connected.send("dev@lists.example.org", &subject) {
            Ok(()) => acknowledged.push(subject),
            Err(_) => {
                failed += 1;
                client = Client::greet(server.address).ok();
            }
        }
    }
    (acknowledged, failed)
}

/// Returns the name of the spare file in an entry's label.
fn label_in(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let line = text.lines().rev().find_map(|line| line.strip_prefix("label "))?;
    line.split(' ').next().map(str::to_owned)
}

/// Undoes what happened in directories that may not have been synced since: entries lose their
/// names in queues, or among the finished ones, and have those of the spare files again. If no process may have
/// written labels, the directories were synced.
fn lose_power(site: &TestSite) -> usize {
    let mut undone = 0;
    if !site.queue(".handover").join("labels").exists() {
        return undone;
    }
    for (queue, is_there) in [("in", ""), (".staged", "spare-")] {
        for file in files_in(&site.queue(queue)) {
            let path = site.queue(queue).join(&file);
            if let Some(spare) = label_in(&path).filter(|_| file.starts_with(is_there)) {
                let first_name = site.queue(".spare").join(spare);
                if !first_name.exists() {
                    fs::hard_link(&path, first_name).unwrap();
                }
                fs::remove_file(path).unwrap();
                undone += 1;
            }
        }
    }
    undone
}

fn drain_to_the_end(site: &TestSite) {
    for _ in 0..10 {
        let output = site.run(&["run"]);
        if output.status.success() {
            return;
        }
    }
    panic!("{}", describe(&site.run(&["run"])));
}

/// Returns how often each mail arrived.
fn arrivals(sink: &Sink) -> HashMap<String, usize> {
    let mut arrivals = HashMap::new();
    for received in sink.messages() {
        let text = String::from_utf8_lossy(&received.data).into_owned();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: mail"));
        if let Some(number) = subject {
            *arrivals.entry(format!("mail{number}")).or_default() += 1;
        }
    }
    arrivals
}

/// Checks that all acknowledged mail arrived. Returns how often mail arrived twice, and how many others arrived.
fn check(site: &TestSite, sink: &Sink, acknowledged: &[String], what: &str) -> (usize, usize) {
    let arrivals = arrivals(sink);
    for subject in acknowledged {
        assert!(arrivals.contains_key(subject), "{what}: {subject} is lost");
    }
    for queue in ["in", "out", "bad", "shunt", ".handover"] {
        assert_eq!(files_in(&site.queue(queue)), [""; 0], "{what}: {queue}");
    }
    for spare in files_in(&site.queue(".spare")) {
        let bytes = fs::read(site.queue(".spare").join(&spare)).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0), "{what}: mail stays in {spare}");
    }
    let repeated = arrivals.values().map(|count| count - 1).sum();
    (repeated, arrivals.len() - acknowledged.len())
}

fn start(site: &TestSite, variable: &str, fault: &str) -> Server {
    let arguments = ["lmtp", "--listen", "127.0.0.1:0", "--intake-only"];
    Server::of(site.command(&arguments).env(variable, fault))
}

#[test]
fn what_was_acknowledged_survives_a_power_failure_wherever_the_server_is() {
    for (point, passes) in ARRIVING {
        for pass in passes {
            let fault = format!("{point}:{pass}");
            let sink = Sink::builder().start();
            let site = site(&sink);
            let mut server = start(&site, "DORMOUSE_FAULT", &fault);
            let (acknowledged, failed) = send(&server, 10);
            assert_eq!(failed, 1, "nothing passes {fault}");
            assert!(!server.process.wait().unwrap().success());
            lose_power(&site);
            // A process that comes first must not write over it.
            (0..3).for_each(|_| site.post("dev", &message("a@example.org", "later", "x\n")));
            drain_to_the_end(&site);
            let (repeated, others) = check(&site, &sink, &acknowledged, &fault);
            assert!(repeated == 0 && others <= 1, "{fault}: {repeated} repeated, {others} others");
        }
    }
}

#[test]
fn a_power_failure_during_a_drain_loses_nothing_and_repeats_one_transaction_at_most() {
    for point in DRAINING {
        for is_server_alive in [true, false] {
            let sink = Sink::builder().start();
            let site = site(&sink);
            site.ok(&["config", "set", "delivery.connections", "1"]);
            let mut server = start(&site, "DORMOUSE_FAULT", "");
            let (acknowledged, _) = send(&server, 6);
            assert_eq!(acknowledged.len(), 6);
            if !is_server_alive {
                server.signal(Signal::KILL);
                assert!(!server.process.wait().unwrap().success());
            }
            let fault = format!("{point}:1");
            let killed = site.command(&["run"]).env("DORMOUSE_FAULT", &fault).output().unwrap();
            // Recovery has made the queues durable if the server was dead.
            let passes = is_server_alive || point != "label.forgotten";
            assert_eq!(!killed.status.success(), passes, "{fault}");
            drop(server);
            lose_power(&site);
            drain_to_the_end(&site);
            let (repeated, others) = check(&site, &sink, &acknowledged, &fault);
            assert!(repeated <= 1 && others == 0, "{fault}: {repeated} repeated, {others} others");
        }
    }
}

/// A site that lost the names of all but one of six acknowledged mails.
fn after_a_power_failure() -> (Sink, TestSite, Vec<String>) {
    let sink = Sink::builder().start();
    let site = site(&sink);
    let server = start(&site, "DORMOUSE_FAULT", "");
    let (acknowledged, _) = send(&server, 6);
    drop(server);
    assert_eq!(lose_power(&site), 5);
    (sink, site, acknowledged)
}

#[test]
fn entries_return_after_a_power_failure_to_a_file_system_without_links() {
    for pass in ["1+", "3"] {
        let (sink, site, acknowledged) = after_a_power_failure();
        let mut first = site.command(&["run"]);
        let first = first.env("DORMOUSE_FAIL", format!("link:{pass}:EIO")).output().unwrap();
        assert!(first.status.success(), "{}", describe(&first));
        assert!(describe(&first).contains("fault: link fails"), "{}", describe(&first));
        assert_eq!(check(&site, &sink, &acknowledged, pass), (0, 0), "repeated, and others");
    }
}

#[test]
fn a_process_that_wants_a_spare_file_does_not_write_to_mail_that_came_first() {
    let sink = Sink::builder().start();
    let site = site(&sink);
    let server = start(&site, "DORMOUSE_FAULT", "");
    // Its file has another size.
    let filler = format!("X-Filler: {}\n", "m".repeat(900)).repeat(7);
    let post = || {
        let mut post = site.command(&["post", "dev"]);
        let post = post.env("DORMOUSE_STOP", "spare.opened").stdin(Stdio::piped());
        let mut post = post.spawn().unwrap();
        let mail = message("a@example.org", "mail99", "x\n");
        post.stdin.take().unwrap().write_all(&mail).unwrap();
        until_stopped(&post);
        post
    };
    let mut posts = [post(), post(), post()];
    let mut client = Client::greet(server.address).unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..30 {
        let text = format!("mail{number}\n{}", filler.trim_end());
        client.send("dev@lists.example.org", &text).unwrap();
        acknowledged.push(format!("mail{number}"));
    }
    let labelled = files_in(&site.queue("in")).into_iter();
    let labelled = labelled.filter(|file| label_in(&site.queue("in").join(file)).is_some());
    assert!(labelled.count() >= 16, "they take all spare files");
    for post in &mut posts {
        go_on(post);
        assert!(post.wait().unwrap().success());
    }
    drop(server);
    lose_power(&site);
    drain_to_the_end(&site);
    let (repeated, others) = check(&site, &sink, &acknowledged, "");
    assert_eq!(arrivals(&sink).remove("mail99"), Some(3));
    assert_eq!((repeated, others), (2, 1), "only those that were posted");
}

#[test]
fn a_recovery_after_a_power_failure_may_be_killed_or_fail_itself() {
    for point in RECOVERING {
        let (sink, site, acknowledged) = after_a_power_failure();
        let mut killed = 0;
        for pass in ["1", "2", "3"] {
            let fault = format!("{point}:{pass}");
            let status =
                site.command(&["run"]).env("DORMOUSE_FAULT", &fault).output().unwrap().status;
            killed += usize::from(!status.success());
            if pass == "2" {
                lose_power(&site);
            }
        }
        assert!(killed > 0, "nothing passes {point}");
        drain_to_the_end(&site);
        let (repeated, others) = check(&site, &sink, &acknowledged, point);
        assert!(repeated <= killed && others == 0, "{point}: {repeated} repeated, {others} others");
    }
}

#[test]
fn a_client_that_gets_an_error_keeps_the_only_copy_of_its_mail() {
    let (mut refused, mut survived) = (0, 0);
    for operation in ["create", "link", "open", "rename", "sync", "sync-dir", "unlink", "write"] {
        for pass in ["2", "3", "5", "3+"] {
            let fault = format!("{operation}:{pass}:EIO");
            let sink = Sink::builder().start();
            let site = site(&sink);
            let server = start(&site, "DORMOUSE_FAIL", &fault);
            let (acknowledged, failed) = send(&server, 6);
            assert_eq!(acknowledged.len() + failed, 6, "{fault}");
            assert!(operation != "link" || failed == 0, "{fault}");
            refused += failed;
            survived += acknowledged.len();
            drop(server);
            lose_power(&site);
            drain_to_the_end(&site);
            let found = check(&site, &sink, &acknowledged, &fault);
            assert_eq!(found, (0, 0), "{fault}: repeated, and refused");
        }
    }
    // If the file system has no links, mail is accepted in the usual way.
    assert!(refused > 10 && survived > 50, "{refused} refused, {survived} accepted");
}
