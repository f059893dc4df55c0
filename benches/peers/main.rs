//! Compares dormouse with its peers, in one run and on the same sink: `cargo bench --bench peers`.
//!
//! Prints one Markdown table of medians. Peers that are not installed are skipped: mlmmj must be in
//! `/usr/bin`; `DORMOUSE_MAILMAN2` names the directory of a Mailman 2.1, of which a copy is used.
//! The bare client sends the same bytes and stores nothing: the limit of the sink.
//! `DORMOUSE_BENCH=quick` makes everything small, to check that it works. `-- one-click` measures
//! only one-click links and signatures; `-- grouped` only large posts in groups, next to the bare
//! client and to the programs in `DORMOUSE_BENCH_PROGRAMS` (separated by colons); `-- lmtp` only mail over LMTP.
//!
//! # Layout
//! - `ours`, `mlmmj`, `mailman2`, `bare`: setting up and calling each of them.
//! - `meter`: time, processor time and memory of a command and its descendants.
//! - `lmtp`: a client that sends mail over LMTP.

#[path = "bare.rs"]
mod bare;
#[path = "lmtp.rs"]
mod lmtp;
#[path = "mailman2.rs"]
mod mailman2;
#[path = "meter.rs"]
mod meter;
#[path = "mlmmj.rs"]
mod mlmmj;
#[path = "ours.rs"]
mod ours;

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::message;
use meter::Metered;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Size of a post's body, in bytes.
const BODY: usize = 2_700;
/// The number of posts that the MTA pipes in parallel.
const HANDS: usize = 4;
/// The time limit for everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// The amounts to measure.
struct Amounts {
    rounds: usize,
    singles: usize,
    posts: usize,
    large: usize,
    larger: usize,
    largest: usize,
}

/// A mailing list manager in a table's column.
trait Peer {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// Sets up a list with that many members, in a separate directory.
    fn list(&self, members: usize, how: How, sink: &Sink) -> Box<dyn List>;
}

/// What a list does with posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Sends them to many recipients in one transaction.
    Grouped,
    /// Sends each recipient a copy with a separate envelope sender.
    Verp,
    /// Sends each recipient a copy with a separate one-click link in the header.
    OneClick,
    /// The same, signed and sealed with an RSA key.
    OneClickSigned,
    /// Sends them in groups, signed and sealed with an RSA key.
    Signed,
    /// Sends them in groups, and adds them to the archive and to the next digest.
    Kept,
}

/// A list that accepts posts.
trait List: Sync {
    /// Returns the command that an MTA pipes a post to.
    fn command(&self) -> Vec<String>;
    /// Returns the command that processes the posts, if something must start it, such as a systemd
    /// unit.
    fn wake(&self) -> Option<Vec<String>>;
    /// Whether anything waits for that command.
    fn is_waiting(&self) -> bool {
        false
    }
    /// Returns the processor time that resident processes have used so far.
    fn resident_cpu(&self) -> Duration {
        Duration::ZERO
    }
    /// Returns the memory of all resident processes, in MB.
    fn resident_mb(&self) -> f64 {
        0.0
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|word| word == meter::ASKED) {
        return meter::measure(&arguments[at + 1..]);
    }
    let is_one_click = arguments.iter().any(|word| word == "one-click");
    let is_grouped = arguments.iter().any(|word| word == "grouped");
    let is_quick = std::env::var("DORMOUSE_BENCH").is_ok_and(|how| how == "quick");
    let amounts = match is_quick {
        true => {
            Amounts { rounds: 1, singles: 5, posts: 20, large: 200, larger: 500, largest: 1_000 }
        }
        false => Amounts {
            rounds: 5,
            singles: 100,
            posts: 500,
            large: 10_000,
            larger: 100_000,
            largest: 1_000_000,
        },
    };
    let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(ours::Ours)];
    peers.extend(mlmmj::Mlmmj::find().map(|peer| Box::new(peer) as Box<dyn Peer>));
    peers.extend(mailman2::Mailman2::find().map(|peer| Box::new(peer) as Box<dyn Peer>));
    if is_one_click {
        return one_click(&amounts);
    }
    if is_grouped {
        return grouped(&amounts);
    }
    let mut table = Table::new(&peers);
    if arguments.iter().any(|word| word == "lmtp") {
        lmtp_streams(&amounts, &mut table);
        return table.print();
    }
    intake(&peers, &amounts, &mut table);
    singles(&peers, &amounts, &mut table);
    streams(&peers, &amounts, &mut table);
    lmtp_streams(&amounts, &mut table);
    large(&peers, &amounts, &mut table);
    memory(&amounts, &mut table);
    table.print();
    one_click(&amounts);
}

/// The table's rows.
struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    fn new(peers: &[Box<dyn Peer>]) -> Table {
        let mut columns: Vec<String> = peers.iter().map(|peer| peer.name().to_owned()).collect();
        columns.push("bare".to_owned());
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row; missing values are shown as such.
    fn row(&mut self, what: impl Into<String>, mut values: Vec<String>) {
        let what = what.into();
        values.resize(self.columns.len(), "–".to_owned());
        eprintln!("{what}: {}", values.join(", "));
        self.rows.push((what, values));
    }

    fn print(&self) {
        println!("| | {} |", self.columns.join(" | "));
        println!("|---|{}", "---|".repeat(self.columns.len()));
        for (what, values) in &self.rows {
            println!("| {what} | {} |", values.join(" | "));
        }
    }
}

fn median<T: Copy>(mut values: Vec<T>, compare: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    values.sort_by(compare);
    values[values.len() / 2]
}

fn median_time(times: Vec<Duration>) -> Duration {
    median(times, Duration::cmp)
}

fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 100.0 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}

fn rate(count: usize, time: Duration) -> String {
    let mut text = format!("{:.0}", count as f64 / time.as_secs_f64());
    let mut at = text.len();
    while at > 3 {
        at -= 3;
        text.insert(at, ',');
    }
    format!("{text}/s")
}

fn sink() -> Sink {
    Sink::builder().counting().quick_ack(true).start()
}

fn post(number: usize) -> Vec<u8> {
    let line = "The quick brown fox jumps over the lazy dog, and the dormouse sleeps.\n";
    let post =
        message("stranger@example.com", &format!("post{number}"), &line.repeat(BODY / line.len()));
    // MTAs add this field for pipes; mlmmj discards mail without it.
    [&b"Return-Path: <stranger@example.com>\n"[..], &post].concat()
}

fn member(number: usize) -> String {
    format!("member{number}@example{}.org", number % 1000)
}

fn members(count: usize) -> Vec<String> {
    (0..count).map(member).collect()
}

/// Posts in files, for the standard input of the commands.
struct Posts {
    home: TempDir,
}

impl Posts {
    fn new(count: usize) -> Posts {
        let home = TempDir::new().unwrap();
        let posts = Posts { home };
        (0..count).for_each(|number| fs::write(posts.file(number), post(number)).unwrap());
        posts
    }

    fn file(&self, number: usize) -> PathBuf {
        self.home.path().join(number.to_string())
    }
}

/// Waits until the sink has accepted that many recipients.
fn wait_for(sink: &Sink, recipients: u64, who: &str) {
    let deadline = Instant::now() + PATIENCE;
    while sink.counts().recipients < recipients {
        assert!(
            Instant::now() < deadline,
            "{who}: {} of {recipients} recipients came",
            sink.counts().recipients
        );
        thread::sleep(Duration::from_micros(100));
    }
}

/// Measures the time from the start of the command to its end, for which the MTA waits.
fn intake(peers: &[Box<dyn Peer>], amounts: &Amounts, table: &mut Table) {
    let posts = Posts::new(1);
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    for peer in peers {
        let sink = sink();
        let list = peer.list(0, How::Grouped, &sink);
        let rounds = amounts.singles;
        let metered = meter::run(&list.command(), &posts.file(0), rounds);
        times.push(millis(median_time(metered.iter().map(|one| one.free).collect())));
        cpu.push(millis(median_time(metered.iter().map(|one| one.cpu).collect())));
    }
    table.row("the MTA is free after (a list without members)", times);
    table.row("its processor time", cpu);
}

/// Measures one post to ten members.
fn singles(peers: &[Box<dyn Peer>], amounts: &Amounts, table: &mut Table) {
    const COUNT: usize = 10;
    let posts = Posts::new(1);
    let rounds = amounts.singles / 5;
    let (mut times, mut cpu, mut drains) = (Vec::new(), Vec::new(), Vec::new());
    let (mut drain_cpu, mut memory) = (Vec::new(), Vec::new());
    for peer in peers {
        let sink = sink();
        let list = peer.list(COUNT, How::Grouped, &sink);
        let rounds = if list.resident_mb() > 0.0 { rounds.min(5) } else { rounds };
        let (mut walls, mut all, mut woken) = (Vec::new(), Vec::new(), Vec::new());
        let resident = list.resident_cpu();
        for _ in 0..rounds {
            let before = sink.counts().recipients;
            let began = Instant::now();
            let taken = meter::run(&list.command(), &posts.file(0), 1)[0];
            let drained = list.wake().map(|wake| meter::run(&wake, Path::new("/dev/null"), 1)[0]);
            wait_for(&sink, before + COUNT as u64, peer.name());
            // The meter's own time does not count.
            let overhead = taken.overhead + drained.map_or(Duration::ZERO, |one| one.overhead);
            walls.push(began.elapsed().saturating_sub(overhead));
            all.push(taken.cpu + drained.map_or(Duration::ZERO, |one| one.cpu));
            woken.push(drained.unwrap_or(taken));
        }
        let resident = (list.resident_cpu() - resident) / u32::try_from(rounds).unwrap();
        times.push(millis(median_time(walls)));
        cpu.push(millis(median_time(all) + resident));
        let has_drain = list.wake().is_some();
        let of = |value: fn(&Metered) -> Duration| {
            let values = woken.iter().map(value).collect();
            if has_drain { millis(median_time(values)) } else { "–".to_owned() }
        };
        drains.push(of(|one| one.free));
        drain_cpu.push(of(|one| one.cpu));
        let most = woken.iter().map(|one| one.mb).fold(0.0, f64::max);
        memory.push(format!("{:.1} MB", most.max(list.resident_mb())));
    }
    table.row("one post to 10, start to last recipient", times);
    table.row("its processor time, all processes", cpu);
    table.row("the woken drain alone", drains);
    table.row("its processor time", drain_cpu);
    table.row("memory (the drain; the largest process; all resident ones)", memory);
}

/// Measures many posts through the pipe, several in parallel, processed meanwhile.
fn streams(peers: &[Box<dyn Peer>], amounts: &Amounts, table: &mut Table) {
    const COUNT: usize = 10;
    let posts = Posts::new(amounts.posts);
    for (how, what) in [
        (How::Grouped, "through the pipe, 4 at a time"),
        (How::Kept, "the same, each archived with its pages and kept for the digest"),
    ] {
        let mut rates = Vec::new();
        for peer in peers {
            let sink = sink();
            let list = peer.list(COUNT, how, &sink);
            let is_slow = list.resident_mb() > 0.0;
            let rounds = if is_slow { 1 } else { amounts.rounds };
            let count = if is_slow { amounts.posts / 5 } else { amounts.posts };
            let mut times = Vec::new();
            for _ in 0..rounds {
                let goal = sink.counts().recipients + (count * COUNT) as u64;
                let began = Instant::now();
                stream(&*list, &posts, count, &sink, goal);
                times.push(began.elapsed());
            }
            rates.push(rate(count, median_time(times)));
        }
        if how == How::Grouped {
            let sink = sink();
            let time = bare::time(&sink, amounts.posts, &members(COUNT), 500);
            rates.resize(peers.len(), "–".to_owned());
            rates.push(rate(amounts.posts, time));
        }
        table.row(format!("{} posts to 10 {what}: posts", amounts.posts), rates);
    }
}

/// Pipes posts, and starts the processing as systemd does: if something waits and no process is
/// running.
fn stream(list: &dyn List, posts: &Posts, count: usize, sink: &Sink, goal: u64) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|threads| {
        for _ in 0..HANDS {
            threads.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let command = list.command();
                    let input = fs::File::open(posts.file(number)).unwrap();
                    assert!(meter::plain(&command).stdin(input).status().unwrap().success());
                }
            });
        }
        let deadline = Instant::now() + PATIENCE;
        while sink.counts().recipients < goal {
            assert!(Instant::now() < deadline, "{} of {goal} came", sink.counts().recipients);
            match list.wake().filter(|_| list.is_waiting()) {
                Some(wake) => assert!(meter::plain(&wake).status().unwrap().success()),
                None => thread::sleep(Duration::from_micros(200)),
            }
        }
    });
}

/// Measures mail over LMTP, which only dormouse accepts.
fn lmtp_streams(amounts: &Amounts, table: &mut Table) {
    const COUNT: usize = 10;
    for sessions in [1, HANDS] {
        let sink = sink();
        let list = ours::Site::new(COUNT, How::Grouped, &sink);
        let server = lmtp::Server::start(&list);
        let times = (0..amounts.rounds).map(|_| {
            let goal = sink.counts().recipients + (amounts.posts * COUNT) as u64;
            let began = Instant::now();
            thread::scope(|threads| {
                for hand in 0..sessions {
                    let (server, posts) = (&server, amounts.posts);
                    threads.spawn(move || server.send((hand..posts).step_by(sessions)));
                }
                while sink.counts().recipients < goal {
                    assert!(began.elapsed() < PATIENCE, "it does not end");
                    if list.is_waiting() {
                        let wake = list.wake().expect("a drain");
                        assert!(meter::plain(&wake).status().unwrap().success());
                    } else {
                        thread::sleep(Duration::from_micros(200));
                    }
                }
            });
            began.elapsed()
        });
        let time = median_time(times.collect());
        let what = if sessions == 1 { "1 session" } else { "4 sessions" };
        let what = format!("{} posts to 10 over LMTP, {what}: posts", amounts.posts);
        table.row(what, vec![rate(amounts.posts, time)]);
    }
}

/// Measures one post to many members.
fn large(peers: &[Box<dyn Peer>], amounts: &Amounts, table: &mut Table) {
    let cases = [
        (amounts.large, How::Grouped, "grouped"),
        (amounts.large, How::Verp, "VERP"),
        (amounts.larger, How::Grouped, "grouped"),
    ];
    let posts = Posts::new(1);
    for (count, how, what) in cases {
        let mut rates = Vec::new();
        for peer in peers {
            let sink = sink();
            let list = peer.list(count, how, &sink);
            let rounds = if list.resident_mb() > 0.0 { 1 } else { amounts.rounds.min(3) };
            let times = (0..rounds).map(|_| {
                let goal = sink.counts().recipients + count as u64;
                let began = Instant::now();
                let input = fs::File::open(posts.file(0)).unwrap();
                assert!(meter::plain(&list.command()).stdin(input).status().unwrap().success());
                if let Some(wake) = list.wake() {
                    assert!(meter::plain(&wake).status().unwrap().success());
                }
                wait_for(&sink, goal, peer.name());
                began.elapsed()
            });
            rates.push(rate(count, median_time(times.collect())));
        }
        let sink = sink();
        let most = if how == How::Verp { 1 } else { 500 };
        rates.push(rate(count, bare::time(&sink, 1, &members(count), most)));
        table.row(format!("one post to {count}, {what}: recipients"), rates);
    }
}

/// Measures one post to many with a separate link for each reader, and signed, and compares it with
/// the same without. Each round has all variants, so that other load on the machine affects them
/// equally.
fn one_click(amounts: &Amounts) {
    let mut contestants: Vec<(&str, Box<dyn Peer>, How)> = [
        ("in groups, without links", How::Grouped),
        ("one-click links", How::OneClick),
        ("in groups, signed and sealed", How::Signed),
        ("one-click links, signed and sealed", How::OneClickSigned),
        ("VERP", How::Verp),
    ]
    .map(|(what, how)| (what, Box::new(ours::Ours) as Box<dyn Peer>, how))
    .into();
    if let Some(mlmmj) = mlmmj::Mlmmj::find() {
        contestants.push(("mlmmj, VERP", Box::new(mlmmj), How::Verp));
    }
    let (posts, count) = (Posts::new(1), amounts.large);
    let lists: Vec<_> = contestants
        .iter()
        .map(|(what, peer, how)| {
            let sink = sink();
            let list = peer.list(count, *how, &sink);
            (*what, sink, list)
        })
        .collect();
    let mut times = vec![Vec::new(); lists.len()];
    for _ in 0..amounts.rounds {
        for ((what, sink, list), times) in lists.iter().zip(&mut times) {
            let goal = sink.counts().recipients + count as u64;
            let began = Instant::now();
            let input = fs::File::open(posts.file(0)).unwrap();
            assert!(meter::plain(&list.command()).stdin(input).status().unwrap().success());
            if let Some(wake) = list.wake() {
                assert!(meter::plain(&wake).status().unwrap().success());
            }
            wait_for(sink, goal, what);
            times.push(began.elapsed());
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(median_time).collect();
    let slowest = medians.iter().max().map_or(1.0, Duration::as_secs_f64);
    println!("\n| one post to {count} | recipients | of the slowest |\n|---|---|---|");
    for ((what, ..), time) in lists.iter().zip(medians) {
        println!("| {what} | {} | {:.1} x |", rate(count, time), slowest / time.as_secs_f64());
    }
}

/// Measures one large post in groups: each round has the bare client and all programs.
fn grouped(amounts: &Amounts) {
    let others = std::env::var("DORMOUSE_BENCH_PROGRAMS").unwrap_or_default();
    let others = others.split(':').filter(|program| !program.is_empty());
    let programs: Vec<&str> = [env!("CARGO_BIN_EXE_dormouse")].into_iter().chain(others).collect();
    let posts = Posts::new(1);
    println!("| one post, grouped, to | program | recipients | of bare |\n|---|---|---|---|");
    for count in [amounts.large, amounts.larger] {
        let sink = sink();
        let of = |program: &&str| ours::Site::of(program, count, How::Grouped, &sink);
        let sites: Vec<ours::Site> = programs.iter().map(of).collect();
        let (mut bare, mut times) = (Vec::new(), vec![Vec::new(); sites.len()]);
        for _ in 0..amounts.rounds * 3 {
            bare.push(bare::time(&sink, 1, &members(count), 500));
            for (site, times) in sites.iter().zip(&mut times) {
                let goal = sink.counts().recipients + count as u64;
                let began = Instant::now();
                let input = fs::File::open(posts.file(0)).unwrap();
                assert!(meter::plain(&site.command()).stdin(input).status().unwrap().success());
                let wake = site.wake().expect("a drain");
                assert!(meter::plain(&wake).status().unwrap().success());
                wait_for(&sink, goal, "dormouse");
                times.push(began.elapsed());
            }
        }
        let bare = median_time(bare);
        println!("| {count} | bare | {} | – |", rate(count, bare));
        for (program, times) in programs.iter().zip(times) {
            let time = median_time(times);
            let part = bare.as_secs_f64() / time.as_secs_f64() * 100.0;
            println!("| {count} | {program} | {} | {part:.0} % |", rate(count, time));
        }
    }
}

/// Measures a drain's memory and time as the list grows.
fn memory(amounts: &Amounts, table: &mut Table) {
    let posts = Posts::new(1);
    for count in [1_000, amounts.larger, amounts.largest] {
        let sink = sink();
        let list = ours::Site::new(count, How::Grouped, &sink);
        meter::run(&list.command(), &posts.file(0), 1);
        let drained = meter::run(&list.wake().unwrap(), Path::new("/dev/null"), 1)[0];
        wait_for(&sink, count as u64, "dormouse");
        let value = format!("{:.1} MB, {}", drained.mb, millis(drained.free));
        table.row(format!("the drain of one post to {count}: memory, time"), vec![value]);
    }
}
