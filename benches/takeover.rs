//! Measures import and export: `cargo bench --bench takeover`.
//!
//! Sites of Mailman 2.1 are created with our own pickles: one list, and many lists of 30 members,
//! each of three sizes. Prints the processor time, the elapsed time and the memory of each command,
//! and the time for reading and syncing the same bytes. `DORMOUSE_BENCH_PROGRAM` names another program
//! to measure.

// The other benchmark uses more of it.
#[allow(dead_code)]
#[path = "peers/meter.rs"]
mod meter;

use dormouse_pickle::{Graph, NodeId, Protocol};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|word| word == meter::ASKED) {
        return meter::measure(&arguments[at + 1..]);
    }
    let program = std::env::var("DORMOUSE_BENCH_PROGRAM")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_dormouse").to_owned());
    println!("| | `import` | the same again | `export` | the bytes alone |\n|---|---|---|---|---|");
    let sizes = [(1, 10_000), (1, 100_000), (1, 1_000_000), (100, 30), (1_000, 30), (10_000, 30)];
    for (lists, members) in sizes {
        let home = TempDir::new().expect("a temporary directory");
        let old = home.path().join("mailman");
        let (mut bytes, mut copy) = (0, Duration::ZERO);
        for number in 0..lists {
            let dir = old.join(format!("lists/list{number}"));
            fs::create_dir_all(&dir).expect("a directory");
            let config = config(&format!("list{number}"), members);
            fs::write(dir.join("config.pck"), &config).expect("a list's file");
            bytes += config.len();
            let began = Instant::now();
            write(&home.path().join("copy"), &config);
            copy += began.elapsed();
        }
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (site, back) = (text(&home.path().join("site")), text(&home.path().join("back")));
        let old = text(&old);
        let run = |args: &[&str]| {
            let first = [program.as_str(), "--site", &site];
            let words: Vec<String> = first.iter().chain(args).map(ToString::to_string).collect();
            let one = meter::run(&words, Path::new("/dev/null"), 1)[0];
            let (cpu, free) = (one.cpu.as_secs_f64(), one.free.as_secs_f64());
            format!("{cpu:.2} s of {free:.2} s, {:.0} MB", one.mb)
        };
        let import = run(&["import", &old]);
        let again = run(&["import", &old]);
        let export = run(&["export", "--mailman2", &back]);
        println!(
            "| {lists} of {members} members, {:.1} MB | {import} | {again} | {export} | {:.2} s |",
            bytes as f64 / 1e6,
            copy.as_secs_f64(),
        );
    }
}

fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).expect("a file");
    file.write_all(bytes).and_then(|()| file.sync_all()).expect("a disk");
}

/// Returns a list as Mailman saves it, with everything that members have.
fn config(name: &str, members: usize) -> Vec<u8> {
    let mut graph = Graph::new();
    let mut dicts: Vec<(&str, Vec<(NodeId, NodeId)>)> =
        ["members", "digest_members", "passwords", "language", "usernames", "user_options"]
            .map(|attribute| (attribute, Vec::new()))
            .into();
    let english = graph.bytes(&b"en"[..]);
    let zero = graph.int(0);
    let options = graph.int(264);
    for number in 0..members {
        let key = graph.bytes(format!("member{number}@example{}.org", number % 1000).into_bytes());
        let password = graph.bytes(format!("pw{number}word").into_bytes());
        let person = graph.text(format!("Membér Number {number}"));
        dicts[usize::from(number % 10 == 0)].1.push((key, zero));
        for (at, value) in [(2, password), (3, english), (4, person), (5, options)] {
            dicts[at].1.push((key, value));
        }
    }
    let mut entries = Vec::new();
    for (attribute, pairs) in dicts {
        let key = graph.bytes(attribute.as_bytes());
        let value = graph.dict(pairs);
        entries.push((key, value));
    }
    for (attribute, text) in [
        ("real_name", name),
        ("host_name", "lists.example.org"),
        ("preferred_language", "en"),
        ("description", "a list to measure with"),
        ("password", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
    ] {
        let key = graph.bytes(attribute.as_bytes());
        let value = graph.bytes(text.as_bytes().to_vec());
        entries.push((key, value));
    }
    let key = graph.bytes(&b"data_version"[..]);
    let version = graph.int(112);
    entries.push((key, version));
    let root = graph.dict(entries);
    graph.set_root(root);
    let mut bytes = Vec::new();
    dormouse_pickle::dump(&graph, Protocol::One, &mut bytes).expect("it can be pickled");
    bytes
}
