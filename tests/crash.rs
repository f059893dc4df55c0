//! The drain is killed at every instruction that matters, and at random: nobody misses a mail, and
//! at most the transaction in flight is repeated.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, files_in, message};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Every point that `fault::point` marks on the way of a post.
const POINTS: [&str; 14] = [
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
    "incoming.stored",
    "outgoing.sent",
    "outgoing.settled",
];

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

/// How often each (subject, recipient) arrived.
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

/// Runs the drain until it ends well, and says how often it was needed.
fn drain_to_the_end(site: &TestSite) -> usize {
    for runs in 1..20 {
        if site.run(&["run"]).status.success() {
            return runs;
        }
    }
    panic!("the queues are never empty");
}

/// Checks that everybody got everything, and returns the number of transactions too many.
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
    // A fixed sequence of waits, so that a failure repeats itself as far as timing allows.
    let mut wait = 7u64;
    while kills < 40 {
        let before = sink.counts().recipients;
        let mut drain = site.start_drain();
        // What kills three runs that hold nothing else is put away in `bad`, as it should be: each
        // run gets something done first, however slow the machine is.
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
    while sink.counts().recipients < 3_000 && patience.elapsed() < Duration::from_secs(60) {
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
