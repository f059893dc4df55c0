//! Compares a site's database in a file, on a server nearby and on one far away: `cargo bench
//! --bench stores`.
//!
//! Prints a Markdown table with the time and memory of a drain, and its round trips to the
//! database. The server is a separate PostgreSQL that syncs its commits; the one far away is the
//! same behind a link that makes each round trip longer by [`DELAY`].
//! `DORMOUSE_BENCH=quick` makes everything small.

// The other benchmarks use more of it.
#[allow(dead_code)]
#[path = "peers/meter.rs"]
mod meter;

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use dormouse_testkit::slow_link;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use throwaway_postgres::Own;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// The additional time of a round trip to the server far away.
const DELAY: Duration = Duration::from_millis(2);

/// The sites of a round.
const NAMES: [&str; 3] = ["SQLite", "nearby", "far away"];

/// The posts and members to measure, and whether posts are archived and added to the digest.
struct Work {
    what: &'static str,
    posts: usize,
    members: usize,
    is_kept: bool,
}

/// The result of one round.
struct Taken {
    time: Duration,
    asked: u64,
    mb: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|word| word == meter::ASKED) {
        return meter::measure(&arguments[at + 1..]);
    }
    let is_quick = std::env::var("DORMOUSE_BENCH").is_ok_and(|how| how == "quick");
    let (rounds, most, posts) = if is_quick { (1, 2_000, 20) } else { (3, 100_000, 500) };
    let near = Own::start("", "").expect("Debian's package postgresql");
    let far = slow_link::to(near.port, DELAY);
    let url = |port: u16, schema: &str| {
        let options = format!("options=-csearch_path%3D{schema}&sslmode=disable");
        format!("postgres://dormouse@127.0.0.1:{port}/postgres?{options}")
    };
    let on = |schema: &str| {
        near.sql(&format!("create schema {schema}")).unwrap();
        TestSite::on(DORMOUSE, &url(near.port, schema))
    };
    let go_far = |site: &TestSite, schema: &str| {
        site.ok(&["config", "set", "store.url", &url(far, schema)]);
    };
    println!("| | SQLite | PostgreSQL on loopback | with {} ms |", DELAY.as_millis());
    println!("|---|---|---|---|");
    let works = [
        Work { what: "one post to 100,000", posts: 1, members: most, is_kept: false },
        Work { what: "500 posts to 10", posts, members: 10, is_kept: false },
        Work {
            what: "the same, archived and kept for the digest",
            posts,
            members: 10,
            is_kept: true,
        },
    ];
    for (number, work) in works.iter().enumerate() {
        let (there, away) = (format!("near{number}"), format!("far{number}"));
        let sites = [TestSite::in_a_file(DORMOUSE), on(&there), on(&away)];
        sites.iter().for_each(|site| set_up(site, work));
        go_far(&sites[2], &away);
        // Each round has all of them, so that other load on the machine affects them equally, and each
        // begins one round, because the first of a round is not like the last.
        let mut taken: [Vec<Taken>; 3] = Default::default();
        for round in 0..=rounds {
            for place in 0..sites.len() {
                let at = (round + place) % sites.len();
                let one = measure(&sites[at], work, round);
                let time = one.time.as_secs_f64() * 1e3;
                eprintln!("{}, round {round}, {}: {time:.0} ms", work.what, NAMES[at]);
                // The first round fills caches, and does not count.
                if round > 0 {
                    taken[at].push(one);
                }
            }
        }
        report(work, &mut taken);
    }
    let empty = [TestSite::in_a_file(DORMOUSE), on("near"), on("far")];
    go_far(&empty[2], "far");
    let cells = empty.each_ref().map(nothing);
    println!("| a run that finds nothing | {} |", cells.join(" | "));
}

fn set_up(site: &TestSite, work: &Work) {
    let members: Vec<String> =
        (0..work.members).map(|at| format!("member{at}@example{}.org", at % 1000)).collect();
    site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
    let keep = if work.is_kept { "yes" } else { "no" };
    site.ok(&["list", "set", "dev", &format!("archive={keep}"), &format!("digestable={keep}")]);
    // The intake index exists only after the settings have been unchanged for a while, and after a
    // run.
    thread::sleep(Duration::from_millis(3_100));
    site.ok(&["run"]);
}

fn measure(site: &TestSite, work: &Work, round: usize) -> Taken {
    let sink = Sink::builder().counting().quick_ack(true).start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    let body = "The quick brown fox jumps over the lazy dog.\n".repeat(60);
    for post in 0..work.posts {
        site.post("dev", &message("member1@example1.org", &format!("post{round}-{post}"), &body));
    }
    // What the posts and the previous site left to be written is not this site's.
    rustix::fs::sync();
    let began = Instant::now();
    let summary = site.ok(&["run", "--json"]);
    let time = began.elapsed();
    // The sender is a member, too.
    assert_eq!(sink.counts().recipients, (work.posts * work.members) as u64, "{summary}");
    let number = |name: &str| -> u64 {
        let rest = summary.split(&format!("\"{name}\": ")).nth(1).expect(name);
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok()).expect(name)
    };
    Taken { time, asked: number("asked"), mb: number("peak_memory_kb") as f64 / 1e3 }
}

fn report(work: &Work, taken: &mut [Vec<Taken>; 3]) {
    let cells = taken.each_mut().map(|rounds| {
        rounds.sort_by_key(|taken| taken.time);
        let median = &rounds[rounds.len() / 2];
        let asked = median.asked as f64 / work.posts as f64;
        format!("{:.0} ms, {asked:.1} asked, {:.0} MB", median.time.as_secs_f64() * 1e3, median.mb)
    });
    let what = work.what.replace("500", &work.posts.to_string());
    let what = if work.posts == 1 { format!("one post to {}", work.members) } else { what };
    println!("| {what} | {} |", cells.join(" | "));
}

/// Returns the median time of a run that finds nothing.
fn nothing(site: &TestSite) -> String {
    site.ok(&["run"]);
    let dir = site.dir();
    let words = [DORMOUSE, "--site", dir.to_str().unwrap(), "run"].map(str::to_owned);
    let mut runs = meter::run(&words, Path::new("/dev/null"), 101);
    runs.sort_by_key(|run| run.free);
    let median = runs[runs.len() / 2];
    format!("{:.2} ms, {:.1} MB", median.free.as_secs_f64() * 1e3, median.mb)
}
