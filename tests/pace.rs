//! How fast receiving domains get mail: limits, and back-off from those that defer mail.

use dormouse_clock::Timestamp;
use dormouse_testkit::sink::{Cut, Event, Sink};
use dormouse_testkit::site::{TestSite, message};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// A site that sends to a sink.
fn site(sink: &Sink) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site
}

/// Runs a drain some seconds later.
fn run_at(site: &TestSite, seconds: u64) {
    let mut command = site.command(&["run"]);
    command.env("DORMOUSE_CLOCK", format!("+{seconds}"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", dormouse_testkit::site::describe(&output));
}

fn json(site: &TestSite, args: &[&str]) -> Value {
    serde_json::from_str(&site.ok(args)).unwrap()
}

/// Returns the recipients of messages that arrived, sorted.
fn arrived(sink: &Sink) -> Vec<String> {
    let mut all: Vec<String> =
        sink.messages().into_iter().flat_map(|message| message.recipients).collect();
    all.sort();
    all
}

/// Returns the waiting entries: the number of recipients, and the minutes until they are due.
fn waiting(site: &TestSite) -> Vec<(u64, u64)> {
    let entries = json(site, &["queue", "ls", "retry", "--json"]);
    let mut waiting: Vec<(u64, u64)> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let minutes = (entry["due_in"].as_f64().unwrap() / 60.0).ceil() as u64;
            (entry["recipients"].as_u64().unwrap_or(0), minutes)
        })
        .collect();
    waiting.sort_unstable();
    waiting
}

/// A sink that defers mail for slow.example with this reply while the switch is on, and records who
/// was tried.
type Tried = Arc<Mutex<Vec<String>>>;

fn slow_sink(reply: &'static str) -> (Sink, Arc<AtomicBool>, Tried) {
    let (is_slow, tried) = (Arc::new(AtomicBool::new(true)), Tried::default());
    let (switch, list) = (Arc::clone(&is_slow), Arc::clone(&tried));
    let sink = Sink::builder().reply(move |event: &Event<'_>| {
        let recipient = event.recipient()?;
        if !recipient.ends_with("@slow.example") {
            return None;
        }
        list.lock().unwrap().push(recipient.to_owned());
        switch.load(Ordering::SeqCst).then(|| reply.to_owned())
    });
    (sink.start(), is_slow, tried)
}

fn count(tried: &Tried) -> usize {
    tried.lock().unwrap().len()
}

#[test]
fn a_domain_that_puts_mail_off_waits_longer_each_time_and_delays_nobody_else() {
    let (sink, is_slow, tried) = slow_sink("451 4.7.1 try again later");
    let site = site(&sink);
    site.plain_list("dev", &["a@fast.example", "b@slow.example", "c@other.example"]);
    site.post("dev", &message("x@y.example", "one", "hello\n"));
    site.ok(&["run"]);
    assert_eq!(arrived(&sink), ["a@fast.example", "c@other.example"]);
    assert_eq!((count(&tried), waiting(&site)), (1, vec![(1, 60)]));
    // After an hour, and then after two, four, eight, and eight more.
    let mut now = 0;
    for (tries, waited, wait) in [(2, 60, 120), (3, 120, 240), (4, 240, 480), (5, 480, 480)] {
        now += waited * 60 + 60;
        run_at(&site, now);
        assert_eq!(count(&tried), tries);
        let status = json(&site, &["status", "--json"]);
        let slow = &status["slow_domains"][0];
        assert_eq!(slow["domain"], "slow.example");
        assert_eq!(slow["failures"], tries);
        let due = waiting(&site)[0].1;
        assert!(due.abs_diff(now / 60 + wait) <= 2, "{due} after try {tries} at {}", now / 60);
    }
    assert_eq!(arrived(&sink).len(), 2, "nobody got it twice");
    let doctor = String::from_utf8(site.run(&["doctor"]).stdout).unwrap();
    assert!(
        doctor.contains("slow.example has deferred mail for")
            && doctor.contains("5 times in a row"),
        "{doctor}"
    );
    let rates = json(&site, &["member", "rates", "--json"]);
    assert_eq!(rates[0]["puts_off"]["failures"], 5, "{rates}");
    assert!(site.ok(&["status"]).contains("slow.example has deferred mail for"));
    // When the domain accepts mail, the back-off is reset.
    is_slow.store(false, Ordering::SeqCst);
    run_at(&site, now + 9 * 3_600);
    assert_eq!(arrived(&sink), ["a@fast.example", "b@slow.example", "c@other.example"]);
    assert_eq!(json(&site, &["status", "--json"])["slow_domains"], serde_json::json!([]));
    assert_eq!(waiting(&site), []);
}

/// Members of slow.example among others.
fn many() -> Vec<String> {
    (10..70).map(|number| format!("m{number}@{}.example", ["fast", "slow"][number % 2])).collect()
}

#[test]
fn a_domain_that_defers_repeatedly_is_not_tried_again_before_its_retry() {
    for settings in [&["personalize=yes"][..], &[]] {
        let (sink, is_slow, tried) = slow_sink("450 4.7.0 too fast");
        let site = site(&sink);
        site.ok(&["config", "set", "delivery.max_recipients", "4"]);
        let members = many();
        site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
        site.plain_list("ops", &["z@slow.example", "z@fast.example"]);
        if !settings.is_empty() {
            site.ok(&[&["list", "set", "dev"], settings].concat());
        }
        site.post("dev", &message("x@y.example", "one", "hello\n"));
        site.ok(&["run"]);
        assert!(arrived(&sink).iter().filter(|one| one.ends_with("@fast.example")).count() == 30);
        // Not all of its thirty recipients were tried, but only those that were already in flight.
        let first = count(&tried);
        assert!((3..=8).contains(&first), "{first}");
        assert_eq!(waiting(&site), [(30, 60)]);
        // The next post, to another list, does not try the domain either.
        site.post("ops", &message("x@y.example", "two", "hello\n"));
        site.ok(&["run"]);
        assert_eq!(count(&tried), first, "held back");
        assert!(arrived(&sink).contains(&"z@fast.example".to_owned()));
        assert_eq!(waiting(&site).len(), 2);
        let listed = site.ok(&["queue", "ls", "retry"]);
        assert!(
            listed.contains("not tried: slow.example defers mail: 450 4.7.0 too fast"),
            "{listed}"
        );
        // An hour later all get it, each once.
        is_slow.store(false, Ordering::SeqCst);
        run_at(&site, 3_700);
        let mut expected = members;
        expected.extend(["z@fast.example".to_owned(), "z@slow.example".to_owned()]);
        expected.sort();
        assert_eq!(arrived(&sink), expected);
        assert_eq!(sink.violations(), Vec::<String>::new());
    }
}

#[test]
fn full_mailboxes_and_greylisting_hold_back_no_domain() {
    for reply in ["452 4.2.2 mailbox full", "450 4.2.0 Greylisted, see http://postgrey.example"] {
        let (sink, is_slow, tried) = slow_sink(reply);
        let site = site(&sink);
        site.ok(&["config", "set", "delivery.max_recipients", "4"]);
        let members = many();
        site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
        site.post("dev", &message("x@y.example", "one", "hello\n"));
        site.ok(&["run"]);
        assert_eq!(count(&tried), 30, "each is tried: {reply}");
        assert_eq!(json(&site, &["status", "--json"])["slow_domains"], serde_json::json!([]));
        is_slow.store(false, Ordering::SeqCst);
        run_at(&site, 3_700);
        assert_eq!(arrived(&sink).len(), 60);
    }
}

#[test]
fn a_goodbye_to_one_recipient_delays_only_its_domain() {
    let (sink, is_slow, tried) = slow_sink("421 4.7.0 too many connections from you");
    let site = site(&sink);
    let members =
        ["a@fast.example", "b@slow.example", "c@slow.example", "d@fast.example", "e@slow.example"];
    site.plain_list("dev", &members);
    site.post("dev", &message("x@y.example", "one", "hello\n"));
    site.ok(&["run"]);
    assert_eq!(arrived(&sink), ["a@fast.example", "d@fast.example"]);
    assert!(count(&tried) >= 2);
    is_slow.store(false, Ordering::SeqCst);
    run_at(&site, 3_700);
    assert_eq!(
        arrived(&sink),
        ["a@fast.example", "b@slow.example", "c@slow.example", "d@fast.example", "e@slow.example"]
    );
}

#[test]
fn those_at_the_end_who_are_not_tried_are_not_lost_when_the_connection_breaks() {
    for cut in [Cut::InBody(3), Cut::InsteadOfAnswer(3), Cut::After(3), Cut::InBody(4)] {
        for settings in [&["personalize=yes"][..], &[]] {
            // The first transaction, for another list, shows that slow.example defers mail.
            let sink = Sink::builder().cut(cut).reply(|event: &Event<'_>| {
                let is_slow = event.recipient()?.ends_with("@slow.example");
                is_slow.then(|| "421 4.7.0 not now".to_owned())
            });
            let sink = sink.start();
            let site = site(&sink);
            site.ok(&["config", "set", "delivery.max_recipients", "1"]);
            site.plain_list("ops", &["z@fast.example", "z@slow.example"]);
            site.post("ops", &message("x@y.example", "one", "hello\n"));
            site.ok(&["run"]);
            assert_eq!(json(&site, &["status", "--json"])["slow_domains"][0]["is_held"], true);
            let members = ["a@fast.example", "b@fast.example", "y@slow.example", "z@slow.example"];
            site.plain_list("dev", &members);
            if !settings.is_empty() {
                site.ok(&[&["list", "set", "dev"], settings].concat());
            }
            site.post("dev", &message("x@y.example", "two", "hello\n"));
            site.ok(&["run"]);
            let got: BTreeSet<String> = arrived(&sink).into_iter().collect();
            assert_eq!(
                got,
                ["a", "b", "z"].map(|one| format!("{one}@fast.example")).into(),
                "{cut:?}"
            );
            let waiting: u64 = waiting(&site).iter().map(|(count, _)| count).sum();
            assert_eq!(waiting, 3, "{cut:?}");
        }
    }
}

#[test]
fn an_mta_that_says_goodbye_to_everybody_is_asked_seldom_and_blames_no_domain() {
    for settings in [&["personalize=yes"][..], &[]] {
        let is_open = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&is_open);
        let sink = Sink::builder().reply(move |event: &Event<'_>| {
            event.recipient().filter(|_| !switch.load(Ordering::SeqCst))?;
            Some("421 4.3.2 closing".to_owned())
        });
        let sink = sink.start();
        let site = site(&sink);
        let members: Vec<String> = (10..60).map(|number| format!("m@d{number}.example")).collect();
        site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
        if !settings.is_empty() {
            site.ok(&[&["list", "set", "dev"], settings].concat());
        }
        site.post("dev", &message("x@y.example", "one", "hello\n"));
        site.ok(&["run"]);
        let connections = sink.counts().connections;
        assert!(connections <= 10, "{connections}");
        assert_eq!(json(&site, &["status", "--json"])["slow_domains"], serde_json::json!([]));
        is_open.store(true, Ordering::SeqCst);
        run_at(&site, 130);
        assert_eq!(arrived(&sink), members, "all are tried when the MTA is back");
    }
}

#[test]
fn many_members_of_a_domain_use_up_one_goodbye() {
    let (sink, is_slow, tried) = slow_sink("421 4.7.0 too many connections from you");
    let site = site(&sink);
    let members = many();
    site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
    site.post("dev", &message("x@y.example", "one", "hello\n"));
    site.ok(&["run"]);
    assert_eq!(arrived(&sink).len(), 30, "all of fast.example");
    assert_eq!((count(&tried), waiting(&site)), (2, vec![(30, 60)]));
    is_slow.store(false, Ordering::SeqCst);
    run_at(&site, 3_700);
    assert_eq!(arrived(&sink), members);
}

#[test]
fn a_message_put_off_for_one_domain_is_sent_to_the_others_the_next_time() {
    // A relay that defers the message, because the host of one of its recipients does not accept
    // it.
    let state = Arc::new(Mutex::new(Vec::<String>::new()));
    let seen = Arc::clone(&state);
    let sink = Sink::builder()
        .reply(move |event: &Event<'_>| {
            let mut seen = seen.lock().unwrap();
            match event {
                Event::Mail { .. } => seen.clear(),
                Event::Rcpt { recipient } => seen.push((*recipient).to_owned()),
                Event::Dot { .. } if seen.iter().any(|one| one.ends_with("@slow.example")) => {
                    return Some("451 4.3.0 the next host puts it off".to_owned());
                }
                _ => {}
            }
            None
        })
        .start();
    let site = site(&sink);
    site.plain_list("dev", &["a@fast.example", "b@slow.example", "c@other.example"]);
    site.post("dev", &message("x@y.example", "one", "hello\n"));
    site.ok(&["run"]);
    assert_eq!(arrived(&sink), Vec::<String>::new());
    run_at(&site, 3_700);
    assert_eq!(arrived(&sink), ["a@fast.example", "c@other.example"]);
}

#[test]
fn domains_get_no_more_than_their_limits_allow() {
    let sink = Sink::builder().start();
    let site = site(&sink);
    site.ok(&[
        "config",
        "set",
        "delivery.limits",
        "*.slow.example slow.example: recipients=5 rate=20/min\n*: each rate=30/h\n",
    ]);
    let members: Vec<String> = (10..70)
        .map(|number| format!("m{number}@{}.example", ["fast", "slow", "mx.slow"][number % 3]))
        .collect();
    site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
    site.post("dev", &message("x@y.example", "one", "hello\n"));
    site.ok(&["run"]);
    let of = |messages: &[String], domain: &str| {
        messages.iter().filter(|one| one.ends_with(domain)).count()
    };
    let first = arrived(&sink);
    assert_eq!((of(&first, "@fast.example"), of(&first, "slow.example")), (20, 20));
    for message in sink.messages() {
        assert!(of(&message.recipients, "slow.example") <= 5, "{:?}", message.recipients);
    }
    assert_eq!(waiting(&site), [(20, 1)]);
    let listed = site.ok(&["queue", "ls", "retry"]);
    assert!(listed.contains("has reached 20/min (delivery.limits)"), "{listed}");
    // It is too early for the limit.
    site.post("dev", &message("x@y.example", "two", "hello\n"));
    run_at(&site, 10);
    let second = arrived(&sink);
    assert_eq!((of(&second, "@fast.example"), of(&second, "slow.example")), (30, 20));
    run_at(&site, 75);
    assert_eq!(of(&arrived(&sink), "slow.example"), 40);
    for minutes in 3..6 {
        run_at(&site, minutes * 75);
    }
    run_at(&site, 3 * 3_600);
    let mut each = BTreeMap::new();
    arrived(&sink).into_iter().for_each(|one| *each.entry(one).or_insert(0) += 1);
    assert!(each.len() == 60 && each.values().all(|count| *count == 2), "{each:?}");
    assert_eq!(waiting(&site), []);
}

#[test]
fn entries_for_few_leave_the_rest_of_a_rate_to_others() {
    let sink = Sink::builder().latency(std::time::Duration::from_millis(20)).start();
    let site = site(&sink);
    site.ok(&["config", "set", "delivery.limits", "slow.example: rate=12/h"]);
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        site.plain_list(name, &[&format!("{name}@slow.example"), "x@fast.example"]);
    }
    for subject in ["one", "two", "three"] {
        names.iter().for_each(|name| site.post(name, &message("x@y.example", subject, "hello\n")));
    }
    site.ok(&["run"]);
    // Another process may hold a reservation; then the wait is short.
    run_at(&site, 60);
    let slow = || arrived(&sink).into_iter().filter(|one| one.ends_with("@slow.example")).count();
    assert_eq!(slow(), 12);
    run_at(&site, 3_750);
    assert_eq!(slow(), 18);
    assert_eq!(waiting(&site), []);
}

thread_local! {
    /// Whether this session, which has a separate thread, has a transaction for slow.example.
    static IS_IN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[test]
fn so_many_connections_at_once_carry_mail_for_a_domain() {
    // The current number of such sessions, and the maximum.
    let counts = Arc::new(Mutex::new((0, 0)));
    let shared = Arc::clone(&counts);
    let sink = Sink::builder()
        .reply(move |event: &Event<'_>| {
            let mut counts = shared.lock().unwrap();
            match event {
                Event::Rcpt { recipient } if recipient.ends_with("@slow.example") => {
                    counts.0 += i32::from(!IS_IN.replace(true));
                    counts.1 = counts.1.max(counts.0);
                }
                Event::Dot { .. } => counts.0 -= i32::from(IS_IN.replace(false)),
                _ => {}
            }
            None
        })
        .latency(std::time::Duration::from_millis(5))
        .start();
    let site = site(&sink);
    site.ok(&["config", "set", "delivery.limits", "slow.example: connections=1"]);
    for name in ["a", "b", "c", "d"] {
        site.plain_list(name, &["m@slow.example", "m@fast.example"]);
        site.ok(&["list", "set", name, "personalize=yes"]);
    }
    for subject in ["one", "two", "three"] {
        ["a", "b", "c", "d"]
            .iter()
            .for_each(|name| site.post(name, &message("x@y.example", subject, "hello\n")));
    }
    site.ok(&["run"]);
    // Recipients that find the connection in use are tried again; how often depends on the timing.
    for minute in 1..60 {
        if waiting(&site).is_empty() {
            break;
        }
        run_at(&site, minute * 60);
    }
    assert_eq!(counts.lock().unwrap().1, 1);
    assert_eq!(arrived(&sink).len(), 24);
    assert_eq!(waiting(&site), []);
}

#[test]
fn a_process_killed_at_any_step_sends_to_nobody_too_often_and_loses_nobody() {
    for point in [
        "outgoing.sent:1",
        "outgoing.sent:3",
        "outgoing.settled:1",
        "batch.decided:2",
        "batch.decided:3",
    ] {
        let (sink, is_slow, _) = slow_sink("451 4.7.1 later");
        let site = site(&sink);
        site.ok(&["config", "set", "delivery.max_recipients", "4"]);
        site.ok(&["config", "set", "delivery.limits", "fast.example: rate=10/min"]);
        let members = many();
        site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
        site.post("dev", &message("x@y.example", "one", "hello\n"));
        let mut command = site.command(&["run"]);
        command.env("DORMOUSE_FAULT", point);
        let killed = command.output().unwrap();
        assert_eq!(
            killed.status.signal(),
            Some(9),
            "{point}: {}",
            dormouse_testkit::site::describe(&killed)
        );
        site.ok(&["run"]);
        let fast = arrived(&sink).into_iter().filter(|one| one.ends_with("@fast.example")).count();
        // The transaction in flight may have arrived twice.
        assert!(fast <= 14, "{point}: {fast}");
        is_slow.store(false, Ordering::SeqCst);
        for seconds in [3_700, 3_800, 3_900, 4_000, 4_100, 9_000] {
            run_at(&site, seconds);
        }
        let mut each = BTreeMap::new();
        arrived(&sink).into_iter().for_each(|one| *each.entry(one).or_insert(0) += 1);
        assert_eq!(each.len(), 60, "{point}");
        assert!(each.values().filter(|count| **count > 1).count() <= 4, "{point}: {each:?}");
        assert_eq!(waiting(&site), [], "{point}");
    }
}

/// Returns a post that is to be sent some seconds from now.
fn later(from: &str, subject: &str, seconds: u64) -> Vec<u8> {
    let then = Timestamp::now() + std::time::Duration::from_secs(seconds);
    let mut post =
        format!("Deferred-Delivery: {}\n", dormouse_mail::date::rfc5322(then)).into_bytes();
    post.extend(message(from, subject, "hello\n"));
    post
}

const DAY: u64 = 86_400;

#[test]
fn a_scheduled_post_waits_for_its_time_whatever_happens_meanwhile() {
    let sink = Sink::builder().start();
    let site = site(&sink);
    site.plain_list("news", &["anna@x.example", "b@y.example"]);
    site.post("news", &later("anna@x.example", "plan", 3 * DAY));
    // If the process is killed while it moves the post to retry, the post is there once.
    let mut command = site.command(&["run"]);
    command.env("DORMOUSE_FAULT", "batch.decided:1");
    assert_eq!(command.output().unwrap().status.signal(), Some(9));
    site.ok(&["run"]);
    let entries = json(&site, &["queue", "ls", "retry", "--json"]);
    assert_eq!(entries.as_array().unwrap().len(), 1, "{entries}");
    let due = entries[0]["due_in"].as_f64().unwrap();
    assert!((3.0 * DAY as f64 - 300.0..=3.0 * DAY as f64).contains(&due), "{due}");
    assert!(entries[0]["reason"].as_str().unwrap().starts_with("scheduled for "), "{entries}");
    let traced = site.ok(&["trace", "plan@test.example"]);
    assert!(traced.contains("scheduled for"), "{traced}");
    // The entry is checked regularly without effect.
    for hours in [1, 9, 30, 71] {
        run_at(&site, hours * 3_600 + 60);
        assert_eq!(site.files("retry", "pck").len(), 1, "after {hours} h");
    }
    assert_eq!((arrived(&sink).len(), site.files("archive", "pck").len()), (0, 0));
    run_at(&site, 3 * DAY + 60);
    assert_eq!(arrived(&sink), ["anna@x.example", "b@y.example"]);
    assert_eq!(waiting(&site), []);
}

#[test]
fn a_scheduled_post_can_be_cancelled_or_sent_now() {
    let sink = Sink::builder().start();
    let site = site(&sink);
    site.plain_list("news", &["anna@x.example"]);
    site.post("news", &later("anna@x.example", "one", DAY));
    site.ok(&["run"]);
    // The time can also be given on the command line.
    let two = message("anna@x.example", "two", "hello\n");
    let posted = site.feed(&["post", "news", "--at", "2099-01-01T09:00"], &two);
    assert!(posted.status.success());
    site.ok(&["run"]);
    assert_eq!(waiting(&site).len(), 1, "more than a year ahead is rejected");
    let then = Timestamp::now() + std::time::Duration::from_secs(DAY);
    let then = dormouse_mail::date::rfc5322(then);
    let posted = site.feed(&["post", "news", "--at", &then], &two);
    assert!(posted.status.success());
    site.ok(&["run"]);
    let entry = |subject: &str| {
        let entries = json(&site, &["queue", "ls", "retry", "--json"]);
        let found =
            entries.as_array().unwrap().iter().find(|entry| entry["subject"] == subject).cloned();
        found.unwrap()["name"].as_str().unwrap().to_owned()
    };
    site.ok(&["queue", "rm", &entry("one")]);
    site.ok(&["queue", "retry", &entry("two")]);
    site.ok(&["run"]);
    let posts = || {
        let messages = sink.messages().into_iter();
        let messages = messages.map(|message| dormouse_mail::Message::parse(message.data));
        // A notice of rejection contains the subject of its post.
        let posts =
            messages.filter(|message| message.text("From").as_deref() == Some("anna@x.example"));
        posts.filter_map(|message| message.text("Subject")).collect::<Vec<_>>()
    };
    assert_eq!(posts(), ["two"]);
    run_at(&site, 2 * DAY);
    assert_eq!(posts(), ["two"]);
}

#[test]
fn who_may_not_post_unasked_does_not_schedule_and_an_emergency_stops_what_was() {
    let sink = Sink::builder().start();
    let site = site(&sink);
    site.plain_list("news", &["anna@x.example"]);
    // A held post is scheduled when it is approved.
    site.post("news", &later("stranger@z.example", "strange", DAY));
    site.ok(&["run"]);
    let held = json(&site, &["held", "ls", "--json"]);
    assert_eq!(held.as_array().unwrap().len(), 1, "{held}");
    site.ok(&["held", "approve", "news", &held[0]["id"].to_string()]);
    site.ok(&["run"]);
    assert_eq!(waiting(&site).len(), 1, "the moderator lets it wait");
    // A time in the past means now.
    let mut past = b"Deferred-Delivery: Mon, 23 Nov 2020 10:00:00 +0000\n".to_vec();
    past.extend(message("anna@x.example", "past", "hello\n"));
    site.post("news", &past);
    site.ok(&["run"]);
    let to_members =
        |sink: &Sink| arrived(sink).iter().filter(|one| *one == "anna@x.example").count();
    assert_eq!(to_members(&sink), 1);
    let rehearsed = site.feed(&["post", "--dry-run", "news"], &later("anna@x.example", "n", DAY));
    assert!(String::from_utf8_lossy(&rehearsed.stdout).contains("scheduled for"));
    // An owner turns on emergency moderation before the time; approved posts are sent.
    site.post("news", &later("anna@x.example", "plan", DAY));
    site.ok(&["run"]);
    site.ok(&["list", "set", "news", "emergency=yes"]);
    run_at(&site, DAY + 60);
    assert_eq!(to_members(&sink), 2);
    assert_eq!(json(&site, &["held", "ls", "--json"]).as_array().unwrap().len(), 1);
}
