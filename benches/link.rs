//! Slow links, slow servers and heavy neighbours: `cargo bench --bench link`.
//!
//! Prints two Markdown tables. The first compares the time of a delivery with the minimum that the
//! link allows over one connection: a round trip for each transaction and [`OF_SESSION`] for the
//! session. The second has the time from the acceptance of a small post until its recipient is
//! named to the server, alone and while another list's mail is being sent, and the part of it that
//! `post` took. `DORMOUSE_BENCH_PROGRAM` names another program to measure.
//!
//! In between is a link with latency (`dormouse_testkit::slow_link`). `DORMOUSE_BENCH_LINK=real`
//! measures only the first table, over a loopback device that is already slow (`unshare -n`,
//! `ip link set lo up`, `tc qdisc add dev lo root netem delay 25ms`).

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use dormouse_testkit::slow_link;
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
    let link = || Sink::builder().counting().start();
    let late = || Sink::builder().counting().quick_ack(false).one_write_a_reply().start();
    let slow = || {
        let builder = Sink::builder().counting().reply(|event| {
            if event.recipient().is_some() {
                std::thread::sleep(Duration::from_secs(1));
            }
            None
        });
        builder.start()
    };
    let per_recipient = Duration::from_secs(1);
    let far = |what: &str, amounts: Amounts| deliver(what, (link(), delay), amounts, ROUND_TRIP);
    far("50 ms: a post to 10,000, grouped", (10_000, 1, false));
    far("50 ms: a post to 100, VERP", (100, 1, true));
    far("50 ms: 40 posts to 10", (10, 40, false));
    if is_real {
        return;
    }
    let near = |what: &str, sink: Sink, amounts: Amounts, each: Duration| {
        deliver(what, (sink, Duration::ZERO), amounts, each);
    };
    near("late ACKs, a write for each reply: VERP", late(), (100, 1, true), Duration::ZERO);
    near("a recipient a second: a post to 10", slow(), (10, 1, false), per_recipient);
    near("a recipient a second: 4 posts to 5", slow(), (5, 4, false), per_recipient);
    println!(
        "\n| a small post | half below | 95 of 100 below | `post` alone, 95 of 100 |\n|---|---|---|---|"
    );
    neighbours();
}

fn program() -> String {
    std::env::var("DORMOUSE_BENCH_PROGRAM")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_dormouse").to_owned())
}

fn site(port: u16, lists: &[(&str, usize)]) -> TestSite {
    let site = TestSite::new(&program());
    site.ok(&["config", "set", "delivery.url", &format!("smtp://127.0.0.1:{port}")]);
    site.ok(&["config", "set", "delivery.xverp", "false"]);
    for (list, count) in lists {
        let members: Vec<String> =
            (0..*count).map(|at| format!("{list}{at}@example{}.org", at % 1000)).collect();
        site.plain_list(list, &members.iter().map(String::as_str).collect::<Vec<_>>());
        site.ok(&["list", "set", list, "archive=no", "digestable=no"]);
    }
    site
}

/// Members, posts, and whether each copy has a separate envelope sender.
type Amounts = (usize, usize, bool);

/// Sends posts to members over a link, and prints the time with the possible minimum.
fn deliver(
    what: &str,
    (sink, delay): (Sink, Duration),
    (members, posts, verp): Amounts,
    each: Duration,
) {
    let port = if delay.is_zero() { sink.port() } else { slow_link::to(sink.port(), delay) };
    let site = site(port, &[("dev", members)]);
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
    let site = site(sink.port(), &[("small", 1), ("large", 100_000), ("heavy", 10)]);
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
