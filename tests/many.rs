//! Many posts in parallel, from several processes while drains run.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, message};
use dormouse_testkit::waiting::eventually;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

#[test]
fn eight_posters_and_two_drains_at_once_lose_nothing_and_bounce_nothing() {
    const POSTERS: usize = 8;
    const POSTS: usize = 200;
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let posting = AtomicBool::new(true);
    let accepted: HashSet<String> = std::thread::scope(|scope| {
        let drains: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while posting.load(Ordering::Relaxed) {
                        let output = site.run(&["run"]);
                        let code = output.status.code();
                        assert!(matches!(code, Some(0 | 75)), "{}", describe(&output));
                    }
                })
            })
            .collect();
        let posters: Vec<_> = (0..POSTERS)
            .map(|poster| {
                let site = &site;
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for number in 0..POSTS {
                        let subject = format!("p{poster}n{number}");
                        let output =
                            site.feed(&["post", "dev"], &message("a@example.com", &subject, "x\n"));
                        match output.status.code() {
                            Some(0) => accepted.push(subject),
                            Some(75) => {}
                            _ => panic!("{}", describe(&output)),
                        }
                    }
                    accepted
                })
            })
            .collect();
        let accepted = posters.into_iter().flat_map(|poster| poster.join().unwrap()).collect();
        posting.store(false, Ordering::Relaxed);
        drains.into_iter().for_each(|drain| drain.join().unwrap());
        accepted
    });
    site.ok(&["run"]);
    let delivered: Vec<String> = site
        .maildir("anna@example.org")
        .iter()
        .map(|mail| {
            let text = String::from_utf8_lossy(mail).into_owned();
            text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned()
        })
        .collect();
    assert_eq!(delivered.len(), accepted.len(), "each accepted post once");
    assert_eq!(delivered.into_iter().collect::<HashSet<_>>(), accepted);
    for queue in ["in", "out", "retry", "shunt", "bad", ".staged", ".handover"] {
        assert!(dormouse_testkit::site::files_in(&site.queue(queue)).is_empty(), "{queue}");
    }
}

#[test]
fn a_batch_may_hold_more_files_than_the_customary_limit() {
    const POSTS: usize = 100;
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    for number in 0..POSTS {
        site.post("dev", &message("a@example.com", &format!("n{number}"), "x\n"));
    }
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -S -n 64; exec \"$0\" run", DORMOUSE])
        .env("DORMOUSE_SITE", site.dir());
    let output = limited.output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    assert_eq!(site.maildir("anna@example.org").len(), POSTS);
}

#[test]
fn the_trouble_of_one_list_is_not_that_of_others() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("a", &["anna@example.org"]);
    site.plain_list("b", &["bert@example.org"]);
    site.ok(&["list", "set", "a", "scrub_nondigest=yes"]);
    for list in ["a", "b"] {
        site.ok(&["list", "set", list, "archive=yes"]);
    }
    // The list's archive cannot be written.
    let private = site.dir().join("archives/private");
    std::fs::create_dir_all(&private).unwrap();
    std::fs::write(private.join("a"), "").unwrap();
    let attached = "From: a@example.com\nMIME-Version: 1.0\nMessage-ID: <1@example.com>\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: image/png; name=x.png\n\nPNG\n--b--\n";
    for number in 0..3 {
        site.post("a", attached.as_bytes());
        site.post("b", &message("a@example.com", &format!("n{number}"), "x\n"));
    }
    let output = site.run(&["run"]);
    assert_eq!(output.status.code(), Some(75), "{}", describe(&output));
    assert_eq!(site.maildir("bert@example.org").len(), 3, "{}", describe(&output));
    assert_eq!(site.files("in", "pck").len(), 3);
    let pages = std::fs::read_dir(private.join("b")).unwrap().count();
    assert!(pages > 0);
    std::fs::remove_file(private.join("a")).unwrap();
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 3);
}

/// Returns the subjects of a sink's transactions, in order.
fn subjects(sink: &Sink) -> Vec<String> {
    let subject = |data: &[u8]| {
        let text = String::from_utf8_lossy(data).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("").trim().to_owned()
    };
    sink.messages().iter().map(|received| subject(&received.data)).collect()
}

/// Archiving the large mail takes as long as the test holds the archive's lock.
#[test]
fn a_large_mail_in_work_does_not_hold_up_another_lists_post() {
    let site = TestSite::new(DORMOUSE);
    for (list, member) in [("large", "anna@example.org"), ("small", "bert@example.org")] {
        site.plain_list(list, &[member]);
        site.ok(&["list", "set", list, "archive=yes", "max_message_size=0"]);
        site.post(list, &message("a@example.com", "first", "x\n"));
    }
    site.ok(&["run"]);
    let lock = std::fs::File::open(site.dir().join("archives/index/large.lock")).unwrap();
    lock.lock().unwrap();
    let line = "All work and no play makes the dormouse a dull mouse, so it sleeps.\n";
    site.post("large", &message("a@example.com", "large", &line.repeat(2_000_000 / line.len())));
    let mut drain = site.start_drain();
    eventually("the large mail to be archived", || site.files("archive", "bak").len() == 1);
    for number in 0..3 {
        site.post("small", &message("a@example.com", &format!("small{number}"), "x\n"));
        eventually("a small one to be delivered and archived", || {
            site.maildir("bert@example.org").len() == 2 + number
                && site.files("archive", "pck").is_empty()
                && site.files("archive", "bak").len() == 1
        });
    }
    assert!(drain.try_wait().unwrap().is_none(), "it is at work on the large one");
    let archived = |list: &str| {
        let mbox = site.dir().join(format!("archives/private/{list}.mbox/{list}.mbox"));
        String::from_utf8_lossy(&std::fs::read(mbox).unwrap()).matches("\nMessage-ID: ").count()
    };
    assert_eq!((archived("large"), archived("small")), (1, 4));
    lock.unlock().unwrap();
    assert!(drain.wait().unwrap().success());
    assert_eq!((archived("large"), archived("small")), (2, 4));
}

#[test]
fn a_post_to_many_members_does_not_hold_up_another_lists() {
    for connections in ["1", "4"] {
        let sink = Sink::builder().latency(Duration::from_millis(5)).start();
        let site = TestSite::new(DORMOUSE);
        site.ok(&["config", "set", "delivery.url", &sink.url()]);
        site.ok(&["config", "set", "delivery.connections", connections]);
        site.ok(&["config", "set", "delivery.max_recipients", "5"]);
        let many: Vec<String> = (0..3000).map(|number| format!("m{number}@example.org")).collect();
        site.plain_list("large", &many.iter().map(String::as_str).collect::<Vec<_>>());
        site.plain_list("small", &["anna@example.net"]);
        site.post("large", &message("a@example.com", "large", "x\n"));
        let mut drain = site.start_drain();
        while sink.counts().recipients < 50 {
            std::thread::sleep(Duration::from_millis(1));
        }
        site.post("small", &message("a@example.com", "small", "x\n"));
        assert!(drain.wait().unwrap().success());
        let order = subjects(&sink);
        let behind = order.iter().rev().take_while(|subject| *subject != "small").count();
        assert_eq!(order.len() - 1, 600, "{connections}: each member once, in groups of 5");
        assert!(behind > 50, "{connections}: only {behind} of 600 transactions came after it");
    }
}

#[test]
fn a_large_mail_waits_until_the_small_ones_of_others_are_done() {
    let sink = Sink::builder().start();
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "delivery.connections", "1"]);
    site.plain_list("large", &["anna@example.net"]);
    site.plain_list("small", &["anna@example.net"]);
    site.post("large", &message("a@example.com", "large", &"x\n".repeat(1_000_000)));
    for number in 0..5 {
        site.post("small", &message("a@example.com", &format!("small{number}"), "x\n"));
    }
    site.ok(&["run"]);
    assert_eq!(subjects(&sink), ["small0", "small1", "small2", "small3", "small4", "large"]);
}
