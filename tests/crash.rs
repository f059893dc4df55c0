//! The drain is killed at every marked instruction, and at random: nobody misses a mail, and at
//! most the transaction in flight is repeated.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::waiting::PATIENCE;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Every point of `fault::point` on the way of a post.
const POINTS: [&str; 16] = [
    "claim.locked",
    "claim.renamed",
    "claim.appended",
    "claim.finished",
    "batch.staged",
    "batch.synced",
    "batch.recorded",
    "batch.decided",
    "batch.shown",
    "batch.unlinked",
    "batch.carried-out",
    "spare.freed",
    "incoming.stored",
    "outgoing.sent",
    "outgoing.settled",
    "drain.emptied",
];

/// Points on other ways, and the test file that kills the process there.
const ELSEWHERE: [(&str, &str); 41] = [
    ("batch.labelled", "tests/lmtp/power.rs"),
    ("label.announced", "tests/lmtp/power.rs"),
    ("label.forgotten", "tests/lmtp/power.rs"),
    ("label.restored", "tests/lmtp/power.rs"),
    ("label.settled", "tests/lmtp/power.rs"),
    ("spare.opened", "tests/lmtp/power.rs"),
    ("spare.taken", "tests/crash.rs"),
    ("recover.judged", "tests/crash.rs"),
    ("scrubber.kept", "tests/crash.rs"),
    ("digest.begun", "tests/hosts/rounds.rs"),
    ("digest.handed-over", "tests/digests.rs"),
    ("outgoing.bounced", "tests/bounces.rs"),
    ("archive.removing", "tests/archive.rs"),
    ("archive.blanked", "tests/archive.rs"),
    ("archive.redacting", "tests/archive.rs"),
    ("archive.redacted", "tests/archive.rs"),
    ("desk.undone", "tests/moderation.rs"),
    ("undo.reverted", "tests/moderation.rs"),
    ("archive.indexed", "tests/archive.rs"),
    ("archive.committed", "tests/archive.rs"),
    ("archive.listing", "tests/archive.rs"),
    ("archive.page", "tests/archive.rs"),
    ("archive.written", "tests/archive.rs"),
    ("archive.synced", "tests/archive.rs"),
    ("archive.appended", "tests/archive.rs"),
    ("moving.begun", "tests/web_site.rs"),
    ("rename.committed", "tests/web_site.rs"),
    ("moving.mbox_dir", "tests/web_site.rs"),
    ("moving.mbox", "tests/web_site.rs"),
    ("moving.tree", "tests/web_site.rs"),
    ("moving.index", "tests/web_site.rs"),
    ("moving.done", "tests/web_site.rs"),
    ("identity.written", "tests/hosts/adoption.rs"),
    ("archive.passed-on", "tests/hosts/archives.rs"),
    ("adopt.copied", "tests/hosts/adoption.rs"),
    ("adopt.staged", "tests/hosts/adoption.rs"),
    ("adopt.decided", "tests/hosts/adoption.rs"),
    ("adopt.taken", "tests/hosts/adoption.rs"),
    ("adopt.shown", "tests/hosts/adoption.rs"),
    ("adopt.given-up", "tests/hosts/adoption.rs"),
    ("adopt.returned", "tests/hosts/adoption.rs"),
];

/// Every file system operation that `fault::operation` can make fail.
const OPERATIONS: [&str; 12] = [
    "append", "create", "link", "list", "mkdir", "open", "read", "rename", "sync", "sync-dir",
    "unlink", "write",
];

/// Returns the names after `call("` in the product's code.
fn named_in_the_code(call: &str) -> BTreeSet<String> {
    fn look(dir: &Path, call: &str, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, call, names);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let places = text.split(call).skip(1);
                names.extend(places.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }
    let mut names = BTreeSet::new();
    let crates = root().join("crates");
    for room in fs::read_dir(crates).unwrap() {
        look(&room.unwrap().path().join("src"), call, &mut names);
    }
    names
}

fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let is_root = |dir: &&Path| dir.join("crates").is_dir() && dir.join("tests").is_dir();
    here.ancestors().find(is_root).expect("the workspace").to_owned()
}

#[test]
fn every_point_and_every_operation_in_the_code_is_tried_by_a_suite() {
    let elsewhere = ELSEWHERE.iter().map(|(point, _)| *point);
    let tried: BTreeSet<String> = POINTS.into_iter().chain(elsewhere).map(str::to_owned).collect();
    assert_eq!(tried, named_in_the_code("fault::point(\""));
    for (point, file) in ELSEWHERE {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(&format!("\"{point}")), "{file} does not die at {point}");
    }
    let operations: BTreeSet<String> = OPERATIONS.into_iter().map(str::to_owned).collect();
    assert_eq!(operations, named_in_the_code("fault::operation(\""));
}

/// Returns entries in all states, and incomplete hand-overs.
fn unfinished(site: &TestSite) -> Vec<String> {
    let queues = ["in", "virgin", "out", ".handover"];
    queues
        .iter()
        .flat_map(|queue| {
            files_in(&site.queue(queue)).into_iter().map(move |f| format!("{queue}/{f}"))
        })
        .collect()
}

#[test]
fn whatever_fails_a_run_that_ends_with_0_has_done_everything_and_nothing_is_lost() {
    let members = members(2);
    let (mut failed, mut mended) = (0, 0);
    for operation in OPERATIONS {
        let sink = Sink::builder().start();
        let site = site_with(&sink, &members);
        site.ok(&["config", "set", "delivery.connections", "1"]);
        let mut posts = 0;
        for (pass, error) in
            [("1", "EIO"), ("2", "ENOSPC"), ("4", "EMFILE"), ("7", "EIO"), ("2+", "EIO")]
        {
            for _ in 0..2 {
                let subject = format!("post{posts}");
                site.post("dev", &message("stranger@example.com", &subject, "x\n"));
                posts += 1;
            }
            let fault = format!("{operation}:{pass}:{error}");
            let output = site.command(&["run"]).env("DORMOUSE_FAIL", &fault).output().unwrap();
            let said = describe(&output);
            match output.status.code() {
                Some(0) => assert_eq!(unfinished(&site), [""; 0], "{fault}: {said}"),
                Some(75) => failed += 1,
                other => panic!("{fault}: {other:?}: {said}"),
            }
            mended += usize::from(output.status.success() && said.contains("fault: "));
            drain_to_the_end(&site);
            let repeated = check(&site, &sink, posts, &members);
            assert!(repeated <= posts, "{fault}: {repeated} transactions repeated: {said}");
        }
    }
    assert!(failed > 5 && mended > 5, "{failed} runs failed, {mended} mended what had failed");
}

#[test]
fn an_mta_that_gets_an_error_keeps_the_only_copy_of_the_mail() {
    let sink = Sink::builder().start();
    let site = site_with(&sink, &members(1));
    let (mut refused, mut taken) = (0, 0);
    for operation in OPERATIONS {
        for pass in ["1", "2", "3", "1+"] {
            let fault = format!("{operation}:{pass}:EIO");
            let mut post = site.command(&["post", "dev"]);
            post.env("DORMOUSE_FAIL", &fault).stdin(std::process::Stdio::piped());
            let mut post = post.spawn().unwrap();
            let mail = message("stranger@example.com", "post", "x\n");
            // If `post` refuses early, it closes the pipe.
            let _unread = std::io::Write::write_all(&mut post.stdin.take().unwrap(), &mail);
            let code = post.wait().unwrap().code();
            let here = site.files("in", "pck").len();
            match code {
                Some(75) => refused += 1,
                Some(0) => taken += 1,
                other => panic!("{fault}: {other:?}"),
            }
            assert_eq!(here, usize::from(code == Some(0)), "{fault}: {code:?}");
            assert_eq!(files_in(&site.queue(".handover")), [""; 0], "{fault}");
            for file in site.files("in", "pck") {
                fs::remove_file(site.queue("in").join(file)).unwrap();
            }
        }
    }
    assert!(refused > 5 && taken > 5, "{refused} refused, {taken} taken");
}

#[test]
fn a_recovery_that_is_killed_again_and_again_counts_no_death_twice() {
    let sink = Sink::builder().start();
    let members = members(2);
    let site = site_with(&sink, &members);
    for post in 0..3 {
        site.post("dev", &message("stranger@example.com", &format!("post{post}"), "x\n"));
    }
    let dies = |fault: &str| {
        let status = site.command(&["run"]).env("DORMOUSE_FAULT", fault).output().unwrap().status;
        assert!(!status.success(), "{fault}");
    };
    dies("batch.synced:1");
    for _ in 0..3 {
        dies("recover.judged:1");
    }
    assert_eq!(site.files("in", "bak").len(), 3);
    drain_to_the_end(&site);
    assert_eq!(check(&site, &sink, 3, &members), 0);
}

/// Alone, each entry would have to wait for the disk.
#[test]
fn what_a_dead_process_held_is_worked_off_in_groups() {
    const POSTS: usize = 64;
    let sink = Sink::builder().start();
    let members = members(2);
    let site = site_with(&sink, &members);
    site.ok(&["config", "set", "run.batch", "64"]);
    for post in 0..POSTS {
        site.post("dev", &message("stranger@example.com", &format!("post{post}"), "x\n"));
    }
    let run = |fault: &str| {
        let output = site.command(&["run"]).env("DORMOUSE_FAULT", fault).output().unwrap();
        output.status.success()
    };
    assert!(!run("claim.renamed:64"), "all of them are claimed");
    assert_eq!(site.files("in", "bak").len(), POSTS);
    assert!(!run("incoming.stored:1"), "a group of them");
    let held = site.files("in", "bak").len();
    assert!((1..=8).contains(&held), "{held}");
    assert_eq!(site.files("in", "pck").len(), POSTS - held);
    // Groups of eight and single entries: 15 hand-overs, and some more on a slow machine.
    assert!(run("incoming.stored:40"));
    assert_eq!(check(&site, &sink, POSTS, &members), 0);
}

#[test]
fn attachments_that_were_kept_before_a_crash_are_kept_once() {
    let files = |site: &TestSite| {
        let dir = site.dir().join("archives/private/dev/attachments/20261123");
        let dirs = files_in(&dir).into_iter().map(|name| dir.join(name));
        let mut files: Vec<String> = dirs.flat_map(|dir| files_in(&dir)).collect();
        files.sort();
        files
    };
    for pass in [1, 2] {
        let sink = Sink::builder().start();
        let site = site_with(&sink, &members(1));
        site.ok(&["list", "set", "dev", "scrub_nondigest=yes"]);
        let mut raw = b"Content-Type: multipart/mixed; boundary=b\n".to_vec();
        let part =
            |content: &str| format!("--b\nContent-Type: image/png; name=a.png\n\n{content}\n");
        let body = format!("--b\n\nhello\n{}{}--b--\n", part("one"), part("two"));
        raw.extend(message("stranger@example.com", "post0", &body));
        site.post("dev", &raw);
        let fault = format!("scrubber.kept:{pass}");
        let killed = site.command(&["run"]).env("DORMOUSE_FAULT", fault).output().unwrap();
        assert!(!killed.status.success());
        assert_eq!(files(&site).len(), pass);
        drain_to_the_end(&site);
        assert_eq!(files(&site), ["a-0001.png", "a.png"]);
        let messages = sink.messages();
        assert_eq!(messages.len(), 1);
        let text = String::from_utf8_lossy(&messages[0].data).into_owned();
        assert!(text.contains("/a.png>") && text.contains("/a-0001.png>"), "{text}");
    }
}

fn members(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("member{number}@example{}.org", number % 7)).collect()
}

fn site_with(sink: &Sink, members: &[String]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
    site
}

/// Counts how often each subject reached each recipient.
fn arrivals(sink: &Sink) -> HashMap<(String, String), usize> {
    let mut arrivals = HashMap::new();
    for received in sink.messages() {
        let text = String::from_utf8_lossy(&received.data).into_owned();
        let subject = text
            .lines()
            .find_map(|line| line.strip_prefix("Subject: "))
            .expect("a subject")
            .trim()
            .to_owned();
        for recipient in &received.recipients {
            *arrivals.entry((subject.clone(), recipient.to_lowercase())).or_default() += 1;
        }
    }
    arrivals
}

/// Runs the drain until it succeeds, and returns the number of runs.
fn drain_to_the_end(site: &TestSite) -> usize {
    for runs in 1..20 {
        if site.run(&["run"]).status.success() {
            return runs;
        }
    }
    panic!("the queues are never empty");
}

/// Checks that everybody got everything, and returns the number of repeated transactions.
fn check(site: &TestSite, sink: &Sink, posts: usize, members: &[String]) -> usize {
    let arrivals = arrivals(sink);
    let mut repeated = 0;
    for post in 0..posts {
        for member in members {
            let times =
                arrivals.get(&(format!("post{post}"), member.clone())).copied().unwrap_or(0);
            assert!(times >= 1, "post{post} never reached {member}");
            repeated += times - 1;
        }
    }
    for queue in ["in", "virgin", "out", "retry", "shunt", "bad"] {
        assert_eq!(
            dormouse_testkit::site::files_in(&site.queue(queue)),
            Vec::<String>::new(),
            "{queue}"
        );
    }
    assert_eq!(repeated % members.len(), 0, "whole transactions are repeated, or none");
    repeated / members.len()
}

#[test]
fn killed_at_every_point_nothing_is_lost_and_at_most_one_transaction_is_repeated() {
    let members = members(3);
    for point in POINTS {
        let mut deaths = 0;
        for pass in [1, 2, 5] {
            let sink = Sink::builder().start();
            let site = site_with(&sink, &members);
            site.ok(&["config", "set", "delivery.connections", "1"]);
            let posts = 6;
            for post in 0..posts {
                site.post("dev", &message("stranger@example.com", &format!("post{post}"), "x\n"));
            }
            let status = site
                .command(&["run"])
                .env("DORMOUSE_FAULT", format!("{point}:{pass}"))
                .output()
                .unwrap()
                .status;
            let died = !status.success();
            deaths += usize::from(died);
            drain_to_the_end(&site);
            let repeated = check(&site, &sink, posts, &members);
            assert!(
                repeated <= usize::from(died),
                "{point}:{pass}: {repeated} transactions repeated"
            );
        }
        assert!(deaths > 0, "nothing passes the point {point}");
    }
}

#[test]
fn nothing_is_lost_or_left_if_killed_while_spare_files_are_overwritten() {
    let members = members(3);
    for fault in [
        "spare.taken:1",
        "spare.taken:3",
        "spare.freed:1",
        "spare.freed:3",
        "batch.staged:2",
        "batch.decided:1",
        "batch.shown:2",
        "claim.finished:2",
    ] {
        let sink = Sink::builder().start();
        let site = site_with(&sink, &members);
        site.ok(&["config", "set", "delivery.connections", "1"]);
        let (first, posts) = (4, 7);
        for number in 0..posts {
            if number == first {
                site.ok(&["run"]);
                assert!(!files_in(&site.queue(".spare")).is_empty());
            }
            let subject = format!("post{number}");
            site.post("dev", &message("stranger@example.com", &subject, "x\n"));
        }
        let killed = site.command(&["run"]).env("DORMOUSE_FAULT", fault).status().unwrap();
        assert!(!killed.success(), "nothing passes {fault}");
        drain_to_the_end(&site);
        let repeated = check(&site, &sink, posts, &members);
        assert!(repeated <= 1, "{fault}: {repeated} transactions repeated");
        // Outputs that nothing was decided about are removed after an hour.
        let staged = files_in(&site.queue(".staged"));
        assert!(staged.iter().all(|file| !file.starts_with("spare-")), "{fault}: {staged:?}");
        for spare in files_in(&site.queue(".spare")) {
            let bytes = fs::read(site.queue(".spare").join(&spare)).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 0), "{fault}: mail stays in {spare}");
        }
    }
}

#[test]
fn killed_at_random_over_200_posts_to_20_members_nothing_is_lost() {
    let sink = Sink::builder().start();
    let members = members(20);
    let site = site_with(&sink, &members);
    site.ok(&["config", "set", "run.batch", "8"]);
    let posts = 200;
    for post in 0..posts {
        site.post("dev", &message("stranger@example.com", &format!("post{post}"), "x\n"));
    }
    let mut kills = 0;
    // A fixed sequence of waits, so that a failure can be reproduced as far as timing allows.
    let mut wait = 7u64;
    while kills < 40 {
        let before = sink.counts().recipients;
        let mut drain = site.start_drain();
        // An entry that kills three runs alone would be moved to `bad`, so each run makes some
        // progress first, however slow the machine is.
        while sink.counts().recipients == before && drain.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        wait = wait * 1_103_515_245 % 65_537;
        std::thread::sleep(Duration::from_micros(wait));
        if drain.try_wait().unwrap().is_some() {
            break;
        }
        drain.kill().unwrap();
        drain.wait().unwrap();
        kills += 1;
    }
    drain_to_the_end(&site);
    let repeated = check(&site, &sink, posts, &members);
    // One transaction in flight on each of the four connections.
    assert!(repeated <= kills * 4, "{repeated} transactions repeated by {kills} kills");
    assert!(kills > 0);
}

#[test]
fn killed_in_the_middle_of_one_post_to_10000_members_one_transaction_at_most_is_repeated() {
    let sink = Sink::builder().latency(Duration::from_millis(5)).start();
    let members = members(10_000);
    let site = site_with(&sink, &members);
    site.ok(&["config", "set", "delivery.max_recipients", "100"]);
    site.post("dev", &message("stranger@example.com", "post0", "x\n"));
    let mut drain = site.start_drain();
    let patience = Instant::now();
    while sink.counts().recipients < 3_000 && patience.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    drain.kill().unwrap();
    drain.wait().unwrap();
    let before = sink.counts().recipients;
    assert!(before < 10_000, "it was over before it was killed");
    drain_to_the_end(&site);
    let arrivals = arrivals(&sink);
    assert_eq!(arrivals.len(), 10_000, "every member, once or twice");
    let twice = arrivals.values().filter(|&&times| times > 1).count();
    assert!(twice <= 100, "{twice} of one transaction's 100 recipients got it twice");
    assert!(arrivals.values().all(|&times| times <= 2));
}

#[test]
fn a_server_that_is_down_keeps_entries_whole_and_they_go_out_later() {
    let sink = Sink::builder().start();
    let url = sink.url();
    let members = members(3);
    let site = site_with(&sink, &members);
    drop(sink);
    site.post("dev", &message("stranger@example.com", "post0", "x\n"));
    let summary = site.ok(&["run", "--json"]);
    assert!(summary.contains("\"postponed\": 1"), "{summary}");
    assert_eq!(site.files("retry", "pck").len(), 1);
    assert!(site.files("out", "pck").is_empty(), "what waits wakes nobody");
    // Nothing is due yet.
    site.ok(&["run"]);
    assert_eq!(site.files("retry", "pck").len(), 1);
    let sink = Sink::builder().start();
    assert_ne!(sink.url(), url);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["queue", "retry", "--all", "retry"]);
    site.ok(&["run"]);
    assert_eq!(check(&site, &sink, 1, &members), 0);
}

#[test]
fn deferred_recipients_alone_are_tried_again_and_refused_ones_become_bounces() {
    let sink = Sink::builder()
        .reply(|event| match event.recipient() {
            Some(recipient) if recipient.starts_with("later") => {
                Some("450 4.2.1 try later".to_owned())
            }
            Some(recipient) if recipient.starts_with("gone") => {
                Some("550 5.1.1 no such user".to_owned())
            }
            _ => None,
        })
        .start();
    let members = ["later@example.org", "gone@example.org", "here@example.org"].map(str::to_owned);
    let site = site_with(&sink, &members);
    site.post("dev", &message("stranger@example.com", "post0", "x\n"));
    let summary = site.ok(&["run", "--json"]);
    for part in ["\"accepted\": 1", "\"deferred\": 1", "\"refused\": 1"] {
        assert!(summary.contains(part), "{part} in {summary}");
    }
    let waiting = site.ok(&["queue", "ls", "retry", "--json"]);
    assert!(waiting.contains("\"recipients\": 1"), "{waiting}");
    let bounces = site.ok(&["member", "bounces", "dev", "--json"]);
    assert!(bounces.contains("gone@example.org") && bounces.contains("5.1.1"), "{bounces}");
    assert!(!bounces.contains("later@example.org"), "{bounces}");
}
