//! dormouse.

use crate::{How, List, Peer, members};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use std::time::Duration;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

pub struct Ours;

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "dormouse"
    }

    fn list(&self, members: usize, how: How, sink: &Sink) -> Box<dyn List> {
        Box::new(Site::new(members, how, sink))
    }
}

/// A site with a list `dev`.
pub struct Site {
    pub site: TestSite,
}

impl Site {
    pub fn new(count: usize, how: How, sink: &Sink) -> Site {
        Site::of(DORMOUSE, count, how, sink)
    }

    /// The same with another program.
    pub fn of(program: &str, count: usize, how: How, sink: &Sink) -> Site {
        let site = TestSite::new(program);
        site.ok(&["config", "set", "delivery.url", &sink.url()]);
        site.ok(&["config", "set", "delivery.xverp", "false"]);
        if how == How::Verp {
            site.ok(&["config", "set", "delivery.verp_interval", "1"]);
        }
        if matches!(how, How::OneClick | How::OneClickSigned) {
            site.ok(&["config", "set", "web.listen", "127.0.0.1:8123"]);
        }
        if matches!(how, How::Signed | How::OneClickSigned) {
            site.ok(&["dkim", "create", "lists.example.org", "--algorithm", "rsa"]);
        }
        let members = members(count);
        site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
        if how != How::Kept {
            site.ok(&["list", "set", "dev", "archive=no", "digestable=no"]);
        }
        // The intake index exists only after the settings have been unchanged for a while, and
        // after a run.
        std::thread::sleep(Duration::from_millis(3_100));
        site.ok(&["list", "create", "first", "--owner", "owner@example.org", "--quiet"]);
        site.post("first", &message("owner@example.org", "first", "The first.\n"));
        site.ok(&["run"]);
        Site { site }
    }

    fn words(&self, rest: &[&str]) -> Vec<String> {
        let dir = self.site.dir();
        let program = self.site.binary().to_str().unwrap();
        let first = [program, "--site", dir.to_str().unwrap()];
        first.iter().chain(rest).map(ToString::to_string).collect()
    }
}

impl List for Site {
    fn command(&self) -> Vec<String> {
        self.words(&["post", "dev"])
    }

    fn wake(&self) -> Option<Vec<String>> {
        Some(self.words(&["run"]))
    }

    fn is_waiting(&self) -> bool {
        !self.site.files("in", "pck").is_empty()
    }
}
