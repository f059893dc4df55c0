//! A full disk and a read-only one: errors name the cause, nothing is lost, and everything
//! continues once the disk is repaired.

#[path = "disk/database.rs"]
mod database;

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::surroundings::on_small_disk;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const POSTS: usize = 12;
const MEMBERS: [&str; 3] = ["anna@example.org", "bert@example.net", "cleo@example.com"];

fn site_on(disk: &Path, sink: &Sink) -> TestSite {
    let site = TestSite::new_in(DORMOUSE, disk);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "intake.min_free", "0"]);
    site.plain_list("dev", &MEMBERS);
    site
}

fn post(number: usize) -> Vec<u8> {
    message("stranger@example.com", &format!("post{number}"), &"A line of the post.\n".repeat(200))
}

/// Fills the disk except for this many bytes.
fn leave(disk: &Path, bytes: usize) {
    free(disk);
    let mut filler = File::create(disk.join("filler")).unwrap();
    let block = vec![b'x'; 4096];
    while filler.write_all(&block).is_ok() {}
    let size = filler.metadata().unwrap().len();
    filler.set_len(size.saturating_sub(bytes as u64)).unwrap();
}

fn free(disk: &Path) {
    let filler = disk.join("filler");
    if filler.exists() {
        fs::remove_file(filler).unwrap();
    }
}

fn entries(site: &TestSite) -> Vec<String> {
    ["in", "virgin", "out", "retry"].iter().flat_map(|queue| files_in(&site.queue(queue))).collect()
}

/// Checks that every post reached every member, and returns the number of extra copies.
fn check_all_arrived(site: &TestSite, sink: &Sink) -> usize {
    assert_eq!(entries(site), Vec::<String>::new());
    for queue in ["shunt", "bad"] {
        assert_eq!(files_in(&site.queue(queue)), Vec::<String>::new(), "{queue}");
    }
    let mut arrivals: HashMap<(String, String), usize> = HashMap::new();
    for received in sink.messages() {
        let text = String::from_utf8_lossy(&received.data).into_owned();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        for recipient in received.recipients {
            *arrivals.entry((subject.trim().to_owned(), recipient)).or_default() += 1;
        }
    }
    for number in 0..POSTS {
        for member in MEMBERS {
            let key = (format!("post{number}"), member.to_owned());
            assert!(arrivals.contains_key(&key), "{key:?} is missing");
        }
    }
    arrivals.values().map(|times| times - 1).sum()
}

fn post_all(site: &TestSite) {
    for number in 0..POSTS {
        site.post("dev", &post(number));
    }
}

#[test]
fn a_full_disk_refuses_posts_for_now_and_leaves_nothing_behind() {
    let name = "a_full_disk_refuses_posts_for_now_and_leaves_nothing_behind";
    on_small_disk(name, 2048, |disk| {
        let sink = Sink::builder().start();
        let site = site_on(disk, &sink);
        for room in [0, 4096, 8192] {
            leave(disk, room);
            let output = site.feed(&["post", "dev"], &vec![b'x'; 20_000]);
            let said = describe(&output);
            assert_eq!(output.status.code(), Some(75), "{said}");
            assert!(said.contains("No space left on device") || said.contains("full"), "{said}");
            assert!(said.contains("qfiles") || said.contains("dormouse.db"), "{said}");
            assert_eq!(entries(&site), Vec::<String>::new());
            assert_eq!(files_in(&site.queue(".staged")), Vec::<String>::new());
        }
        free(disk);
        post_all(&site);
        site.ok(&["run"]);
        assert_eq!(check_all_arrived(&site, &sink), 0);
    });
}

#[test]
fn a_nearly_full_disk_is_reserved_for_queued_mail() {
    let name = "a_nearly_full_disk_is_reserved_for_queued_mail";
    on_small_disk(name, 2048, |disk| {
        let site = site_on(disk, &Sink::builder().start());
        site.ok(&["config", "set", "intake.min_free", "10 MB"]);
        let output = site.feed(&["post", "dev"], &post(0));
        let said = describe(&output);
        assert_eq!(output.status.code(), Some(75), "{said}");
        assert!(said.contains("free") && said.contains("qfiles"), "{said}");
        assert_eq!(entries(&site), Vec::<String>::new());
    });
}

#[test]
fn a_disk_that_fills_up_under_a_drain_loses_nothing() {
    on_small_disk("a_disk_that_fills_up_under_a_drain_loses_nothing", 2048, |disk| {
        let mut failures = 0;
        for room in (0..=160).step_by(8) {
            let sink = Sink::builder().start();
            let site = site_on(disk, &sink);
            post_all(&site);
            leave(disk, room * 1024);
            let output = site.run(&["run"]);
            let said = describe(&output);
            if !output.status.success() {
                failures += 1;
                assert_eq!(output.status.code(), Some(75), "{room} kB: {said}");
                let cause = ["No space left on device", "is full", "disk I/O error"];
                assert!(cause.iter().any(|cause| said.contains(cause)), "{room} kB: {said}");
            }
            free(disk);
            site.ok(&["run"]);
            let repeated = check_all_arrived(&site, &sink);
            // One transaction in flight on each of the four connections.
            assert!(repeated <= 4 * MEMBERS.len(), "{room} kB: {repeated} repeated");
        }
        assert!(failures > 1, "the disk was never full");
    });
}

#[test]
fn a_read_only_disk_stops_everything_and_loses_nothing() {
    on_small_disk("a_read_only_disk_stops_everything_and_loses_nothing", 2048, |disk| {
        let remount = |how: &str| {
            let status =
                Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(disk).status();
            assert!(status.unwrap().success());
        };
        let sink = Sink::builder().start();
        let site = site_on(disk, &sink);
        for number in 1..POSTS {
            site.post("dev", &post(number));
        }
        remount("ro");
        for output in [site.feed(&["post", "dev"], &post(0)), site.run(&["run"])] {
            let said = describe(&output);
            assert_eq!(output.status.code(), Some(75), "{said}");
            assert!(said.to_lowercase().contains("read-only"), "{said}");
            assert!(said.contains(disk.to_str().unwrap()), "{said}");
        }
        assert_eq!(site.files("in", "pck").len(), POSTS - 1);
        remount("rw");
        site.post("dev", &post(0));
        site.ok(&["run"]);
        assert_eq!(check_all_arrived(&site, &sink), 0);
    });
}
