//! mlmmj, as its Debian package installs it.

use crate::{How, List, Peer, members};
use dormouse_testkit::sink::Sink;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const RECEIVE: &str = "/usr/bin/mlmmj-receive";
const DIRECTORIES: [&str; 13] = [
    "incoming",
    "queue/discarded",
    "archive",
    "text",
    "subconf",
    "unsubconf",
    "bounce",
    "control",
    "moderation",
    "requeue",
    "nomailsubs.d",
    "subscribers.d",
    "digesters.d",
];

pub struct Mlmmj;

impl Mlmmj {
    pub fn find() -> Option<Mlmmj> {
        Path::new(RECEIVE).exists().then_some(Mlmmj)
    }
}

impl Peer for Mlmmj {
    fn name(&self) -> &'static str {
        "mlmmj"
    }

    fn list(&self, count: usize, how: How, sink: &Sink) -> Box<dyn List> {
        let home = TempDir::new().unwrap();
        for dir in DIRECTORIES {
            fs::create_dir_all(home.path().join(dir)).unwrap();
        }
        let control = |name: &str, value: &str| {
            let text = if value.is_empty() { String::new() } else { format!("{value}\n") };
            fs::write(home.path().join("control").join(name), text).unwrap();
        };
        control("listaddress", "dev@lists.example.org");
        control("owner", "owner@example.org");
        control("relayhost", "127.0.0.1");
        control("smtpport", &sink.port().to_string());
        control("smtphelo", "lists.example.org");
        // It archives a post by renaming its file; without an archive it removes the file.
        if how != How::Kept {
            control("noarchive", "");
        }
        // If this file exists and is empty, a transaction has 100 recipients; without it each
        // recipient has a separate transaction and envelope sender.
        if how != How::Verp {
            control("verp", "");
        }
        let mut files: BTreeMap<char, String> = BTreeMap::new();
        for member in members(count) {
            let file = files.entry(member.chars().next().unwrap()).or_default();
            file.push_str(&member);
            file.push('\n');
        }
        for (letter, text) in files {
            fs::write(home.path().join("subscribers.d").join(letter.to_string()), text).unwrap();
        }
        Box::new(Directory { home })
    }
}

struct Directory {
    home: TempDir,
}

impl List for Directory {
    fn command(&self) -> Vec<String> {
        let home = self.home.path().to_str().unwrap();
        [RECEIVE, "-L", home].map(str::to_owned).to_vec()
    }

    /// It starts its own processes.
    fn wake(&self) -> Option<Vec<String>> {
        None
    }
}
