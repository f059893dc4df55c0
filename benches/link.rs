//! Slow links, slow servers and heavy neighbours: `cargo bench --bench link`.
//!
//! Prints two Markdown tables. The first compares the time of a delivery with the minimum that the
//! link allows over one connection: a round trip for each transaction and [`OF_SESSION`] for the
//! session. The second has the time from the acceptance of a small post until its recipient is
//! named to the server, alone and while another list's mail is being sent, and the part of it that
//! `post` took. `DORMOUSE_BENCH_PROGRAM` names another program to measure.
//!
//! The sink delays each write of replies, although on a real link several would travel together.
//! `DORMOUSE_BENCH_LINK=real` measures only the first table, over a loopback device that is already
//! slow (`unshare -n`, `ip link set lo up`, `tc qdisc add dev lo root netem delay 25ms`).

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The round trip of the link.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// The round trips of a session: greeting, EHLO, the first commands and QUIT. Connecting takes
/// none, because the connection is on this machine.
const OF_SESSION: u32 = 4;
/// The number of small posts.
const ROUNDS: usize = 20;

fn main() {
    println!(
        "| | transactions, writes of replies, connections | took | one connection at least | ratio |"
    );
    println!("|---|---|---|---|---|");
    let is_real = std::env::var("DORMOUSE_BENCH_LINK").is_ok_and(|link| link == "real");
    let delay = if is_real { Duration::ZERO } else { ROUND_TRIP };
    let link = || Sink::builder().counting().latency(delay);
    let late = || Sink::builder().counting().quick_ack(false).one_write_a_reply();
    let slow = || {
        Sink::builder().counting().reply(|event| {
            if event.recipient().is_some() {
                std::thread::sleep(Duration::from_secs(1));
            }
            None
        })
    };
    let per_recipient = Duration::from_secs(1);
    deliver("50 ms: a post to 10,000, grouped", link().start(), (10_000, 1, false), ROUND_TRIP);
    deliver("50 ms: a post to 100, VERP", link().start(), (100, 1, true), ROUND_TRIP);
    deliver("50 ms: 40 posts to 10", link().start(), (10, 40, false), ROUND_TRIP);
    if is_real {
        return;
    }
    deliver(
        "late ACKs, a write for each reply: VERP",
        late().start(),
        (100, 1, true),
        Duration::ZERO,
    );
    deliver("a recipient a second: a post to 10", slow().start(), (10, 1, false), per_recipient);
    deliver("a recipient a second: 4 posts to 5", slow().start(), (5, 4, false), per_recipient);
    println!(
        "\n| a small post | half below | 95 of 100 below | `post` alone, 95 of 100 |\n|---|---|---|---|"
    );
    neighbours();
}

fn program() -> String {
    std::env::var("DORMOUSE_BENCH_PROGRAM")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_dormouse").to_owned())
}

fn site(sink: &Sink, lists: &[(&str, usize)]) -> TestSite {
    let site = TestSite::new(&program());
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "delivery.xverp", "false"]);
    for (list, count) in lists {
        let members: Vec<String> =
            (0..*count).map(|at| format!("{list}{at}@example{}.org", at % 1000)).collect();
        site.plain_list(list, &members.iter().map(String::as_str).collect::<Vec<_>>());
        site.ok(&["list", "set", list, "archive=no", "digestable=no"]);
    }
    site
}

/// Sends posts to members, and prints the time with the possible minimum.
fn deliver(what: &str, sink: Sink, (members, posts, verp): (usize, usize, bool), each: Duration) {
    let site = site(&sink, &[("dev", members)]);
    if verp {
        site.ok(&["config", "set", "delivery.verp_interval", "1"]);
    }
    for number in 0..posts {
        let subject = format!("post{number}");
        site.post("dev", &message("stranger@example.com", &subject, "The dormouse sleeps.\n"));
    }
    let began = Instant::now();
    site.ok(&["run"]);
    let took = began.elapsed().as_secs_f64();
    let counts = sink.counts();
    assert_eq!(counts.recipients, (members * posts) as u64, "{what}");
    let steps = match each == ROUND_TRIP {
        true => counts.transactions as u32 + OF_SESSION,
        false => (members * posts) as u32,
    };
    let least = (each * steps).as_secs_f64();
    let ratio = if least > 0.0 { format!("{:.2}", took / least) } else { "–".to_owned() };
    let [made, writes, over] = [counts.transactions, counts.writes, counts.connections];
    println!("| {what} | {made}, {writes}, {over} | {took:.2} s | {least:.2} s | {ratio} |");
}

fn neighbours() {
    let (named, seen) = channel();
    let named = Mutex::new(named);
    // The heavy mail takes a while, as with a real server.
    let sink = Sink::builder().counting().latency(Duration::from_millis(5)).reply(move |event| {
        if event.recipient().is_some_and(|recipient| recipient.starts_with("small")) {
            let named = named.lock().unwrap_or_else(PoisonError::into_inner);
            named.send(Instant::now()).expect("somebody waits");
        }
        None
    });
    let sink = sink.start();
    let site = site(&sink, &[("small", 1), ("large", 100_000), ("heavy", 10)]);
    let text = "The dormouse sleeps.\n";
    let post = |body: &str| message("stranger@example.com", "hello", body);
    row(&site, &seen, "alone, beside a run for another small post", ("heavy", post(text)));
    row(&site, &seen, "beside a post to 100,000", ("large", post(text)));
    let lines = 50_000_000 / text.len();
    row(&site, &seen, "beside a mail of 50 MB to 10", ("heavy", post(&text.repeat(lines))));
}

fn row(site: &TestSite, seen: &Receiver<Instant>, what: &str, (list, heavy): (&str, Vec<u8>)) {
    let (mut times, mut posts) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        site.post(list, &heavy);
        let mut run = site
            .command(&["run"])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(40));
        let small = message("stranger@example.com", &format!("small{number}"), "Hello.\n");
        let began = Instant::now();
        site.post("small", &small);
        posts.push(began.elapsed());
        // The other run may have ended already.
        site.ok(&["run"]);
        let named = seen.recv_timeout(Duration::from_secs(60)).expect("it is delivered");
        times.push(named.saturating_duration_since(began));
        run.wait().expect("it ended");
    }
    times.sort();
    posts.sort();
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    let late = ROUNDS * 95 / 100;
    let (half, most, post) = (times[ROUNDS / 2], times[late], posts[late]);
    println!("| {what} | {} | {} | {} |", ms(half), ms(most), ms(post));
}
