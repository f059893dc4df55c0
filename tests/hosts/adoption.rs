//! The queues of a dead host, adopted by another one.

use super::{DORMOUSE, subjects, two_hosts};
use dormouse_clock::Timestamp;
use dormouse_spool::{Metadata, Queue, Spool};
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::waiting::until_stopped;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const ANNA: &str = "anna@example.org";

/// Copies a host's queues with their times and without locks, as from its disk.
fn copy_of(host: &TestSite) -> (TempDir, PathBuf) {
    let home = TempDir::new().unwrap();
    let copy = home.path().join("qfiles");
    let from = host.dir().join("qfiles");
    let copied = Command::new("cp").arg("-a").args([&from, &copy]).status().unwrap();
    assert!(copied.success());
    (home, copy)
}

fn fails(host: &TestSite, fault: &str, args: &[&str]) {
    let output = host.command(args).env("DORMOUSE_FAULT", fault).output().unwrap();
    assert!(!output.status.success(), "{fault} is passed: {}", describe(&output));
}

fn adopt(host: &TestSite, dir: &Path) -> String {
    host.ok(&["spool", "adopt", &dir.display().to_string()])
}

fn all_subjects(hosts: [&TestSite; 2]) -> Vec<String> {
    let mut all: Vec<String> = hosts.iter().flat_map(|host| subjects(host, ANNA)).collect();
    all.sort();
    all
}

/// Creates two hosts, one of which has died with posts in every possible state.
fn dead_host() -> Option<(TestSite, TestSite, Vec<String>)> {
    dead_host_on().map(|(one, two, expected, _)| (one, two, expected))
}

/// Does the same, and also returns the URL of their server.
fn dead_host_on() -> Option<(TestSite, TestSite, Vec<String>, String)> {
    let (one, two, server) = two_hosts()?;
    one.plain_list("dev", &[ANNA]);
    one.ok(&["config", "set", "run.batch", "2"]);
    one.ok(&["run"]);
    let mut expected = Vec::new();
    let mut post = |count: usize, what: &str| {
        for number in 0..count {
            let subject = format!("{what}{number}");
            one.post("dev", &message(ANNA, &subject, "x\n"));
            expected.push(subject);
        }
    };
    post(4, "handed");
    // A record, of which some outputs are in their queues already.
    fails(&one, "batch.shown:1", &["run"]);
    assert_eq!(files_in(&one.queue(".handover")).len(), 1);
    post(3, "claimed");
    // Recovery completes that record; then the next process dies with claims and another record. It sends
    // nothing, because a transaction in flight would be repeated.
    fails(&one, "batch.decided:2", &["run", "--queue", "in"]);
    post(3, "ready");
    expected.sort();
    Some((one, two, expected, server))
}

#[test]
fn a_dead_hosts_queues_are_adopted_whole_and_it_returns_without_sending_them_again() {
    let Some((one, two, expected)) = dead_host() else { return };
    assert!(!one.files("in", "bak").is_empty(), "claims are among them");
    assert!(!files_in(&one.queue(".handover")).is_empty(), "and a hand-over");
    let (_home, copy) = copy_of(&one);
    let told = adopt(&two, &copy);
    assert!(told.contains("adopted"), "{told}");
    two.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected);
    one.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected, "the host that returned sent nothing again");
    one.post("dev", &message(ANNA, "zz-later", "x\n"));
    one.ok(&["run"]);
    assert_eq!(subjects(&one, ANNA).last().unwrap(), "zz-later", "it works as before");
    let again = two.ok(&["spool", "adopt", &copy.display().to_string()]);
    assert!(again.contains("adopted before; the remaining 0 entries"), "{again}");
    two.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]).len(), expected.len() + 1);
}

/// The command is killed at every point, and then repeated or not; if it is not, the next run
/// completes a decided adoption.
#[test]
fn an_adoption_that_is_killed_anywhere_happens_once_or_not_at_all() {
    for (fault, is_decided) in [
        ("adopt.copied:1", false),
        ("adopt.copied:6", false),
        ("adopt.staged", false),
        ("adopt.decided", true),
        ("adopt.taken", true),
        ("adopt.shown:1", true),
        ("adopt.shown:5", true),
    ] {
        for gives_again in [true, false] {
            let Some((one, two, expected)) = dead_host() else { return };
            let (_home, copy) = copy_of(&one);
            fails(&two, fault, &["spool", "adopt", &copy.display().to_string()]);
            two.ok(&["run"]);
            if gives_again {
                adopt(&two, &copy);
                two.ok(&["run"]);
            }
            let is_adopted = is_decided || gives_again;
            let arrived = if is_adopted { expected.clone() } else { all_subjects([&one, &one]) };
            let here = subjects(&two, ANNA).len() + subjects(&one, ANNA).len();
            if is_adopted {
                assert_eq!(all_subjects([&one, &two]), arrived, "{fault} {gives_again}");
            } else {
                assert_eq!(subjects(&two, ANNA).len(), 0, "{fault}: nothing is decided");
                assert!(here < expected.len());
            }
            one.ok(&["run"]);
            assert_eq!(all_subjects([&one, &two]), expected, "{fault} {gives_again}");
        }
    }
}

#[test]
fn a_host_that_returns_and_is_killed_gives_up_the_rest_the_next_time() {
    let Some((one, two, expected)) = dead_host() else { return };
    let (_home, copy) = copy_of(&one);
    adopt(&two, &copy);
    fails(&one, "adopt.given-up:1", &["run"]);
    fails(&one, "adopt.given-up:3", &["run"]);
    fails(&one, "identity.written", &["run"]);
    one.ok(&["run"]);
    assert!(subjects(&one, ANNA).len() < expected.len());
    two.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected);
}

/// Entries that wait for their date or for a person are adopted, too.
#[test]
fn what_waits_in_any_queue_is_adopted_as_it_is() {
    let Some((one, two, _)) = two_hosts() else { return };
    one.plain_list("dev", &[ANNA]);
    let spool = Spool::new(one.dir().join("qfiles"));
    let mut metadata = Metadata::new();
    metadata.set_text("listname", "dev");
    metadata.set_time("deliver_after", Timestamp::from_seconds(4_000_000_000.0));
    let text = message(ANNA, "waits", "x\n");
    for queue in Queue::ALL {
        spool.enqueue(queue, &text, &metadata).unwrap();
    }
    let kept = spool.enqueue(Queue::Bad, &text, &metadata).unwrap();
    let bad = |name: &str| one.queue("bad").join(name);
    std::fs::rename(bad(&format!("{kept}.pck")), bad(&format!("{kept}.psv"))).unwrap();
    std::fs::write(bad("broken.psv"), b"no pickle").unwrap();
    std::fs::create_dir(one.queue("in").join("odd.pck")).unwrap();
    let due = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
    let retry = one.queue("retry").join(&one.files("retry", "pck")[0]);
    std::fs::File::options().append(true).open(&retry).unwrap().set_modified(due).unwrap();
    let here: Vec<(Queue, usize)> =
        Queue::ALL.into_iter().map(|queue| (queue, spool.list(queue).unwrap().len())).collect();
    let output = two.run(&["spool", "adopt", &one.dir().display().to_string()]);
    assert!(output.status.success(), "{}", describe(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("odd.pck"), "{}", describe(&output));
    let theirs = Spool::new(two.dir().join("qfiles"));
    for (queue, count) in here {
        let odd = usize::from(queue == Queue::In);
        assert_eq!(theirs.list(queue).unwrap().len(), count - odd, "{queue}");
    }
    let retry = &theirs.list(Queue::Retry).unwrap()[0];
    assert_eq!(retry.modified, due, "it waits as long as before");
}

/// Its identity changes when it returns, but the adoption was recorded under the old one.
#[test]
fn a_host_that_went_down_between_adopting_and_taking_takes_the_entries_when_it_returns() {
    let Some((one, two, expected)) = dead_host() else { return };
    let (_home, copy) = copy_of(&one);
    let command = ["spool", "adopt", &copy.display().to_string()];
    // While another process adopts, a second one is refused.
    let mut first = two.command(&command);
    let mut first = first.env("DORMOUSE_STOP", "adopt.decided").spawn().unwrap();
    until_stopped(&first);
    let second = two.run(&command);
    assert_eq!(second.status.code(), Some(75), "{}", describe(&second));
    first.kill().unwrap();
    first.wait().unwrap();
    restart(&two);
    two.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected);
    one.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected);
}

/// Changes the state to that after a restart of the machine.
fn restart(host: &TestSite) {
    let id = host.dir().join("qfiles/.id");
    let text = std::fs::read_to_string(&id).unwrap();
    let name = text.lines().next().unwrap();
    std::fs::write(&id, format!("{name}\nanother boot\n")).unwrap();
}

/// A copy from before a restart cannot be adopted after the host has returned, because the host has
/// the entries itself.
#[test]
fn a_host_that_returned_first_keeps_its_queues() {
    let Some((one, two, expected)) = dead_host() else { return };
    restart(&one);
    let (_home, copy) = copy_of(&one);
    fails(&one, "adopt.returned", &["run"]);
    one.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected);
    let refused = two.run(&["spool", "adopt", &copy.display().to_string()]);
    assert_eq!(refused.status.code(), Some(65), "{}", describe(&refused));
    two.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected);
}

#[test]
fn a_host_that_was_down_takes_nothing_from_its_queues_before_it_has_asked() {
    let Some((one, two, expected, server)) = dead_host_on() else { return };
    let sent = subjects(&one, ANNA).len();
    one.ok(&["config", "set", "store.url", "postgres://dormouse@/postgres?host=/nowhere"]);
    restart(&one);
    let run = one.run(&["run"]);
    assert_eq!(run.status.code(), Some(75), "{}", describe(&run));
    assert_eq!(subjects(&one, ANNA).len(), sent);
    one.ok(&["config", "set", "store.url", &server]);
    one.ok(&["run"]);
    assert_eq!(all_subjects([&one, &two]), expected);
}

#[test]
fn only_the_queues_of_another_host_that_nobody_works_with_are_adopted() {
    let Some((one, two, server)) = two_hosts() else { return };
    one.plain_list("dev", &[ANNA]);
    one.post("dev", &message(ANNA, "first", "x\n"));
    let own = one.run(&["spool", "adopt", &one.dir().join("qfiles").display().to_string()]);
    assert_eq!(own.status.code(), Some(64), "{}", describe(&own));
    let none = one.run(&["spool", "adopt", "/nowhere"]);
    assert_eq!(none.status.code(), Some(75), "{}", describe(&none));
    let spool = Spool::new(one.dir().join("qfiles"));
    let name = spool.ready(Queue::In).unwrap().remove(0);
    let claim = spool.claim(Queue::In, &name).unwrap();
    let alive = two.run(&["spool", "adopt", &one.dir().display().to_string()]);
    assert_eq!(alive.status.code(), Some(75), "{}", describe(&alive));
    drop(claim);
    // The first host that adopts gets the entries.
    let three = TestSite::on(DORMOUSE, &server);
    adopt(&two, &one.dir());
    let late = three.run(&["spool", "adopt", &one.dir().display().to_string()]);
    assert_eq!(late.status.code(), Some(65), "{}", describe(&late));
    // A host that dies before its adopted entries are in its queues leaves those, too.
    let four = TestSite::on(DORMOUSE, &server);
    let (_home, copy) = copy_of(&two);
    fails(&three, "adopt.decided", &["spool", "adopt", &copy.display().to_string()]);
    adopt(&four, &three.dir());
    four.ok(&["run"]);
    for host in [&one, &two, &three] {
        host.ok(&["run"]);
    }
    assert_eq!(subjects(&four, ANNA), ["first"]);
    assert!([&one, &two, &three].iter().all(|host| subjects(host, ANNA).is_empty()));
}
