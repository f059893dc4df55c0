//! Measures archives: `cargo bench --bench archive`.
//!
//! `DORMOUSE_BENCH_MESSAGES` sets the size of the big archive (100,000), `DORMOUSE_BENCH_MBOX`
//! names an mbox with its messages, instead of generated ones. The big archive is one volume, the
//! worst case.

use dormouse_archive::{Archive, ArchivePost, search};
use dormouse_mail::Message;
use dormouse_store::{List, Site, Store};
use dormouse_testkit::corpus::Corpus;
use dormouse_testkit::site::{TestSite, message};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const SMALL: usize = 100;
const ADDED: usize = 100;
const SEARCHES: usize = 300;

fn main() {
    let count = std::env::var("DORMOUSE_BENCH_MESSAGES")
        .map_or(100_000, |text| text.parse().expect("DORMOUSE_BENCH_MESSAGES is a number"));
    let test = TestSite::new(DORMOUSE);
    for list in ["small", "big"] {
        test.plain_list(list, &[]);
        test.ok(&["list", "set", list, "archive_volume_frequency=year"]);
    }
    let small = mbox(&test, SMALL);
    let big = match std::env::var_os("DORMOUSE_BENCH_MBOX") {
        Some(path) => PathBuf::from(path),
        None => mbox(&test, count),
    };
    let bytes = std::fs::metadata(&big).expect("the mbox").len();
    println!("an mbox of {count} messages, {:.0} MB\n", bytes as f64 / 1e6);
    println!("{:34}{:>12}{:>12}{:>12}{:>12}", "", "messages/s", "time", "processor", "memory");
    test.ok(&["archive", "import", "small", small.to_str().expect("a path")]);
    let import = watched(&test, &["archive", "import", "big", big.to_str().expect("a path")]);
    import.print("import", count);
    watched(&test, &["archive", "rebuild", "big"]).print("rebuild", count);

    let site = Site::open(&test.dir()).expect("the site");
    let store = Store::open(&site).expect("the store");
    let list = |name| store.read().list(name).expect("the store").expect("the list");
    add(&site, &list("small"), &list("big"), count);
    find(&site, &[list("big")]);
}

fn mbox(site: &TestSite, count: usize) -> PathBuf {
    let path = site.dir().join(format!("{count}.mbox"));
    let file = std::fs::File::create(&path).expect("a file");
    Corpus::new(1, 250).write_mbox(count, &mut BufWriter::new(file)).expect("an mbox");
    path
}

/// The resources that a process used.
struct Used {
    time: Duration,
    processor: Duration,
    memory_kb: u64,
}

impl Used {
    fn print(&self, what: &str, count: usize) {
        println!(
            "{what:34}{:>12.0}{:>10.1} s{:>10.1} s{:>9.1} MB",
            count as f64 / self.time.as_secs_f64(),
            self.time.as_secs_f64(),
            self.processor.as_secs_f64(),
            self.memory_kb as f64 / 1e3
        );
    }
}

/// Runs the command and samples it until it ends.
fn watched(site: &TestSite, args: &[&str]) -> Used {
    let began = Instant::now();
    let mut child =
        site.command(args).stdout(std::process::Stdio::null()).spawn().expect("the command");
    let place = PathBuf::from(format!("/proc/{}", child.id()));
    let mut used = Used { time: Duration::ZERO, processor: Duration::ZERO, memory_kb: 0 };
    loop {
        if let Some(status) = child.try_wait().expect("the command") {
            assert!(status.success(), "{args:?}");
            used.time = began.elapsed();
            return used;
        }
        look(&place, &mut used);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn look(process: &Path, used: &mut Used) {
    let read = |name| std::fs::read_to_string(process.join(name)).unwrap_or_default();
    let memory = read("status");
    let memory = memory.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    if let Some(kb) = memory.and_then(|text| text.trim_end_matches("kB").trim().parse().ok()) {
        used.memory_kb = kb;
    }
    // Its name is in parentheses; user and system time are the 12th and 13th fields after it, in
    // hundredths of a second.
    let stat = read("stat");
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
        used.processor = Duration::from_millis((user + system) * 10);
    }
}

/// Adds one post at a time to the small and the big archive in turn, as a run does.
fn add(site: &Site, small: &List, big: &List, count: usize) {
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..ADDED {
        for (list, times) in [small, big].into_iter().zip(&mut times) {
            let text = message("bert@example.com", &format!("added{number}"), "A few words.\n");
            let post = ArchivePost { message: Message::parse(text), received: 1_795_000_000 };
            let began = Instant::now();
            Archive::open(site, list).expect("the archive").append(vec![post]).expect("archived");
            times.push(began.elapsed());
        }
    }
    let [small, big] = times.map(|mut times| {
        times.sort();
        times[ADDED / 2].as_secs_f64() * 1e3
    });
    println!("\nadding one to an archive of {SMALL:<7} {small:>10.2} ms");
    println!(
        "adding one to an archive of {count:<7} {big:>10.2} ms, {:.2} times as much",
        big / small
    );
}

/// Measures searches of every kind.
fn find(site: &Site, lists: &[List]) {
    let words = [
        "answer",
        "documented",
        "permission",
        "kami",
        "lotermi",
        "release",
        "gretek",
        "test",
        "zu",
        "patch",
    ];
    let mut times = Vec::new();
    let mut found = 0;
    for number in 0..SEARCHES {
        let (one, two) = (words[number % 10], words[(number / 10) % 10]);
        let query = match number % 6 {
            0 => one.to_owned(),
            1 => format!("{one} {two}"),
            2 => format!("from:anna {one}"),
            3 => format!("subject:{one}"),
            4 => format!("{one} after:2004-06 before:2004-08"),
            _ => format!("\"{one} {two}\" -{two}x"),
        };
        let began = Instant::now();
        found += search::search(site, lists, &query, 20).expect("a search").len();
        times.push(began.elapsed());
    }
    times.sort();
    let millis = |share: usize| times[SEARCHES * share / 100].as_secs_f64() * 1e3;
    println!(
        "\nsearch: half below {:.2} ms, 95 of 100 below {:.2} ms, all below {:.2} ms; {found} found",
        millis(50),
        millis(95),
        times.last().map_or(0.0, |time| time.as_secs_f64() * 1e3)
    );
}
