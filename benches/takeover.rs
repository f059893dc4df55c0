//! Measures import and export: `cargo bench --bench takeover`.
//!
//! Two sites of Mailman 2.1 are created with our own pickles: one list of 100,000 members, and
//! 1,000 lists of 30. The time of their import is printed with the time for reading and syncing the
//! same bytes.

use dormouse_pickle::{Graph, NodeId, Protocol};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn main() {
    for (lists, members) in [(1, 100_000), (1_000, 30)] {
        let home = TempDir::new().expect("a temporary directory");
        let old = home.path().join("mailman");
        let mut bytes = Vec::new();
        for number in 0..lists {
            let dir = old.join(format!("lists/list{number}"));
            fs::create_dir_all(&dir).expect("a directory");
            let config = config(&format!("list{number}"), members);
            fs::write(dir.join("config.pck"), &config).expect("a list's file");
            bytes.extend(config);
        }
        let began = Instant::now();
        write(&home.path().join("copy"), &bytes);
        let copy = began.elapsed();
        let mut times = Vec::new();
        for what in ["import", "import again", "export"] {
            let back = home.path().join("back");
            let args: Vec<&Path> = match what {
                "export" => vec!["export".as_ref(), "--mailman2".as_ref(), &back],
                _ => vec!["import".as_ref(), &old],
            };
            let began = Instant::now();
            let status = Command::new(DORMOUSE)
                .args(args)
                .env("DORMOUSE_SITE", home.path().join("site"))
                .stdout(Stdio::null())
                .status()
                .expect("the command starts");
            assert!(status.success(), "{what}: {status}");
            times.push(format!("{what} {:.2} s", began.elapsed().as_secs_f64()));
        }
        println!(
            "{lists} lists of {members} members ({:.1} MB): {}; the bytes alone {:.2} s",
            bytes.len() as f64 / 1e6,
            times.join(", "),
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
