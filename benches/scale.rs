//! Measures how time and memory grow with the size of a list, a site and a backlog: `cargo bench
//! --bench scale`.
//!
//! Prints Markdown tables with processor time, elapsed time and memory. The last column has the
//! processor time for each member, list or entry of the largest size, as a multiple of that of the
//! smallest: 1 is linear. `DORMOUSE_BENCH_PROGRAM` names another program to measure. Further arguments
//! choose tables by a part of their name: `cargo bench --bench scale -- memberships`.

// The other benchmark uses more of it.
#[allow(dead_code)]
#[path = "peers/meter.rs"]
mod meter;
#[path = "old_site.rs"]
mod old_site;

use dormouse_spool::{Metadata, Queue, Spool};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use meter::Metered;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Returns the program to measure.
fn program() -> String {
    std::env::var("DORMOUSE_BENCH_PROGRAM")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_dormouse").to_owned())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|word| word == meter::ASKED) {
        return meter::measure(&arguments[at + 1..]);
    }
    let is_quick = std::env::var("DORMOUSE_BENCH").is_ok_and(|how| how == "quick");
    let smallest = if is_quick { 100 } else { 10_000 };
    let tables: [(&str, usize, Measure); 7] = [
        ("members", smallest, members),
        ("members of a digest", smallest, digest),
        ("memberships in one site", smallest * 10, memberships),
        ("lists", smallest / 100, lists),
        ("entries in one queue", smallest / 10, backlog),
        ("members to import and export", smallest, takeover_of_members),
        ("lists to import and export", smallest / 100, takeover_of_lists),
    ];
    let asked: Vec<&String> = arguments[1..].iter().filter(|word| *word != "--bench").collect();
    for (what, first, measure) in tables {
        if asked.is_empty() || asked.iter().any(|part| what.contains(part.as_str())) {
            report(what, &[first, first * 10, first * 100], measure);
        }
    }
}

/// Measures operations at one size.
type Measure = fn(usize) -> Vec<(&'static str, Metered)>;

/// Prints one table: a row for each operation, a column for each size.
fn report(what: &str, sizes: &[usize], measure: Measure) {
    let columns: Vec<Vec<(&str, Metered)>> = sizes.iter().map(|&size| measure(size)).collect();
    let heads: String = sizes.iter().map(|size| format!(" {size} {what} |")).collect();
    println!("| |{heads} growth |\n|---|{}---|", "---|".repeat(sizes.len()));
    for row in 0..columns[0].len() {
        let cell = |column: &Vec<(&str, Metered)>| {
            let one = column[row].1;
            let (cpu, free) = (one.cpu.as_secs_f64(), one.free.as_secs_f64());
            format!(" {cpu:.3} s of {free:.2} s, {:.0} MB |", one.mb)
        };
        let cells: String = columns.iter().map(cell).collect();
        let each = |at: usize| columns[at][row].1.cpu.as_secs_f64() / sizes[at] as f64;
        let growth = each(sizes.len() - 1) / each(0);
        println!("| {} |{cells} {growth:.1} x |", columns[0][row].0);
    }
    println!();
}

/// Measures a command on a site, with a file on standard input.
fn run(site: &TestSite, args: &[&str], input: &Path) -> Metered {
    run_on(site.dir().to_str().unwrap(), args, input)
}

/// Measures a command on the site in a directory.
fn run_on(dir: &str, args: &[&str], input: &Path) -> Metered {
    let program = program();
    let first = [program.as_str(), "--site", dir];
    let words: Vec<String> = first.iter().chain(args).map(ToString::to_string).collect();
    meter::run(&words, input, 1)[0]
}

fn nothing() -> PathBuf {
    PathBuf::from("/dev/null")
}

/// Returns addresses, one a line.
fn addresses(name: &str, count: usize) -> String {
    (0..count).map(|at| format!("{name}{at}@example{}.org\n", at % 1000)).collect()
}

fn members(count: usize) -> Vec<(&'static str, Metered)> {
    let site = TestSite::new(&program());
    site.plain_list("dev", &[]);
    site.ok(&["list", "set", "dev", "archive=no"]);
    let file = site.dir().join("addresses");
    fs::write(&file, addresses("member", count)).unwrap();
    let add = ["member", "add", "dev", "--welcome", "no", "--file", "-"];
    let mut rows = vec![("`member add` from a file", run(&site, &add, &file))];
    rows.push(("the same again, all of them there", run(&site, &add, &file)));
    rows.push(("`member ls`", run(&site, &["member", "ls", "dev"], &nothing())));
    let sink = Sink::builder().counting().quick_ack(true).start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["list", "set", "dev", "digestable=no"]);
    site.post("dev", &message("owner@example.org", "hello", "Hello.\n"));
    rows.push(("`run` with a post to all of them", run(&site, &["run"], &nothing())));
    assert_eq!(sink.counts().recipients, count as u64, "all got it");
    let one = format!("member{}@example{}.org", count / 2, count / 2 % 1000);
    rows.push(("`member find` of one", run(&site, &["member", "find", &one], &nothing())));
    rows.push(("`member rm` of one", run(&site, &["member", "rm", "dev", &one], &nothing())));
    rows
}

/// All members read digests, and one post waits for the next.
fn digest(count: usize) -> Vec<(&'static str, Metered)> {
    let site = TestSite::new(&program());
    site.plain_list("dev", &[]);
    site.ok(&["list", "set", "dev", "archive=no", "digest_size_threshhold=0"]);
    let file = site.dir().join("addresses");
    fs::write(&file, addresses("member", count)).unwrap();
    let add = ["member", "add", "dev", "--digest", "--welcome", "no", "--file", "-"];
    run(&site, &add, &file);
    let sink = Sink::builder().counting().quick_ack(true).start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.post("dev", &message("owner@example.org", "hello", "Hello.\n"));
    let mut rows = vec![("`run` that keeps a post for it", run(&site, &["run"], &nothing()))];
    rows.push(("`digest send`", run(&site, &["digest", "send", "dev"], &nothing())));
    rows.push(("`run` that sends it", run(&site, &["run"], &nothing())));
    assert_eq!(sink.counts().recipients, count as u64, "all got it");
    rows
}

/// Ten large lists and a small one.
fn memberships(count: usize) -> Vec<(&'static str, Metered)> {
    let site = TestSite::new(&program());
    let file = site.dir().join("addresses");
    let mut added: Option<Metered> = None;
    for at in 0..10 {
        let list = format!("large{at}");
        site.plain_list(&list, &[]);
        fs::write(&file, addresses(&list, count / 10)).unwrap();
        let add = ["member", "add", &list, "--welcome", "no", "--file", "-"];
        let one = run(&site, &add, &file);
        added = Some(added.map_or(one, |sum| Metered {
            free: sum.free + one.free,
            cpu: sum.cpu + one.cpu,
            mb: sum.mb.max(one.mb),
            ..sum
        }));
    }
    fs::remove_file(&file).unwrap();
    let mut rows = vec![("ten times `member add` from a file", added.unwrap())];
    site.plain_list("small", &["anna@example.org", "bert@example.net"]);
    let mut row = |what, args: &[&str]| rows.push((what, run(&site, args, &nothing())));
    row("`member add` of one", &["member", "add", "large5", "--welcome", "no", "carl@example.org"]);
    row("`member find` of one", &["member", "find", "carl@example.org"]);
    row("`member find` on the small list", &["member", "find", "--list", "small", "anna"]);
    row("`member show`", &["member", "show", "large5", "carl@example.org"]);
    row("`member ls` of the small list", &["member", "ls", "small"]);
    row("`member ls` of a large one", &["member", "ls", "large5"]);
    row("`member move` of one", &["member", "move", "carl@example.org", "c@example.org"]);
    row("`member rm` of one", &["member", "rm", "large5", "c@example.org"]);
    row("`list ls`", &["list", "ls"]);
    row("`status`", &["status"]);
    site.post("small", &message("anna@example.org", "hello", "Hello.\n"));
    row("`run` with a post to the small list", &["run"]);
    assert_eq!(site.maildir("bert@example.net").len(), 1, "the post arrived");
    rows
}

fn lists(count: usize) -> Vec<(&'static str, Metered)> {
    let site = TestSite::new(&program());
    let store_site = dormouse_store::Site::open(&site.dir()).unwrap();
    let store = dormouse_store::Store::open(&store_site).unwrap();
    let created = store.write(|tx| {
        (0..count).try_for_each(|at| {
            let owners = ["owner@example.org".to_owned()];
            tx.create_list(&format!("list{at}").parse().unwrap(), "lists.example.org", &owners)
                .map(drop)
        })
    });
    created.unwrap();
    drop(store);
    let post = site.dir().join("post");
    fs::write(&post, message("owner@example.org", "hello", "Hello.\n")).unwrap();
    // The intake index exists only after the settings have been unchanged for a while, and after a
    // run.
    std::thread::sleep(std::time::Duration::from_millis(3_100));
    let mut rows = vec![("`post` without an index", run(&site, &["post", "list7"], &post))];
    rows.push(("the run that writes the index", run(&site, &["run"], &nothing())));
    rows.push(("`post` by the index", run(&site, &["post", "list7"], &post)));
    rows.push(("`run` with one post", run(&site, &["run"], &nothing())));
    rows.push(("`run` that finds nothing", run(&site, &["run"], &nothing())));
    rows.push(("`list ls`", run(&site, &["list", "ls"], &nothing())));
    rows.push(("`member find` of one", run(&site, &["member", "find", "anna"], &nothing())));
    rows.push(("`status`", run(&site, &["status"], &nothing())));
    rows
}

/// One list that comes from Mailman and goes back, and what else reads all of a site.
fn takeover_of_members(count: usize) -> Vec<(&'static str, Metered)> {
    let home = TempDir::new().unwrap();
    old_site::write(&home.path().join("old"), 1, count);
    let mut rows = takeover(home.path());
    let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let config = at("back/lists/list0/config.pck");
    fs::remove_dir_all(at("old")).unwrap();
    let mut row =
        |what, site, args: &[&str]| rows.push((what, run_on(&at(site), args, &nothing())));
    row("`dumpdb` of the exported list", "site", &["compat", "dumpdb", &config]);
    fs::remove_dir_all(at("back")).unwrap();
    row("`list_members`", "site", &["compat", "list_members", "list0"]);
    row("`config_list -o`", "site", &["compat", "config_list", "-o", "-", "list0"]);
    row("`backup`", "site", &["backup", &at("backup")]);
    row("`restore`", "restored", &["restore", &at("backup")]);
    fs::remove_dir_all(at("restored")).unwrap();
    row("`store copy`", "site", &["store", "copy", &at("site/dormouse.db"), &at("copy.db")]);
    rows
}

/// Lists of 30 members.
fn takeover_of_lists(count: usize) -> Vec<(&'static str, Metered)> {
    let home = TempDir::new().unwrap();
    old_site::write(&home.path().join("old"), count, 30);
    takeover(home.path())
}

fn takeover(home: &Path) -> Vec<(&'static str, Metered)> {
    let at = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let run = |args: &[&str]| run_on(&at("site"), args, &nothing());
    let import = ["import", &at("old")];
    vec![
        ("`import`", run(&import)),
        ("the same again", run(&import)),
        ("`export --mailman2`", run(&["export", "--mailman2", &at("back")])),
    ]
}

fn backlog(count: usize) -> Vec<(&'static str, Metered)> {
    let site = TestSite::new(&program());
    site.plain_list("dev", &[]);
    site.ok(&["list", "set", "dev", "archive=no", "digestable=no"]);
    let spool = Spool::new(site.dir().join("qfiles"));
    let mut metadata = Metadata::new();
    metadata.set_text("listname", "dev");
    metadata.set_int("tolist", 1);
    let mut left = count;
    while left > 0 {
        let mut batch = spool.batch();
        for _ in 0..left.min(500) {
            let post = message("stranger@example.com", &format!("post{left}"), "Hello.\n");
            batch.add(Queue::In, &post, &metadata).unwrap();
            left -= 1;
        }
        batch.commit().unwrap();
    }
    let mut rows = vec![("`status`", run(&site, &["status"], &nothing()))];
    rows.push(("`queue ls in`", run(&site, &["queue", "ls", "in"], &nothing())));
    rows.push(("`run`", run(&site, &["run"], &nothing())));
    assert!(site.files("in", "pck").is_empty(), "all are worked off");
    rows
}
