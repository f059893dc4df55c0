//! Queue entries that a real Mailman 2.1.39 wrote are listed, shown and delivered.

#[path = "mailman21/unpack.rs"]
mod mailman21;

use dormouse_testkit::site::{TestSite, files_in};
use std::fs;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const LISTS: [&str; 5] = ["all-staff", "announce", "cafe-talk", "leute", "ops-alerts"];

/// A site with the sample's queues.
fn site() -> TestSite {
    let samples = mailman21::site().join("qfiles");
    let site = TestSite::new(DORMOUSE);
    for list in LISTS {
        site.plain_list(list, &["anna@example.org"]);
    }
    for queue in files_in(&samples) {
        for file in files_in(&samples.join(&queue)) {
            fs::write(
                site.queue(&queue).join(&file),
                fs::read(samples.join(&queue).join(&file)).unwrap(),
            )
            .unwrap();
        }
    }
    site
}

#[test]
fn every_entry_is_listed_and_shown() {
    let site = site();
    let listed = site.ok(&["queue", "ls"]);
    let entries: Vec<&str> =
        listed.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(entries.len(), 29, "{listed}");
    for entry in entries {
        if entry.starts_with("bad/") {
            let output = site.run(&["queue", "show", entry]);
            assert_eq!(output.status.code(), Some(65));
            assert!(
                String::from_utf8_lossy(&output.stderr).contains(entry.trim_start_matches("bad/"))
            );
            continue;
        }
        let shown = site.run(&["queue", "show", entry]);
        assert!(shown.status.success(), "{entry}");
        assert!(String::from_utf8_lossy(&shown.stdout).contains("# listname"), "{entry}");
        assert!(!site.run(&["queue", "show", entry, "--raw"]).stdout.is_empty(), "{entry}");
    }
}

#[test]
fn entries_for_known_lists_are_delivered_also_those_a_crash_left_behind() {
    let site = site();
    let before: usize =
        ["in", "virgin", "out"].iter().map(|queue| files_in(&site.queue(queue)).len()).sum();
    assert_eq!(before, 14);
    site.ok(&["run"]);
    for queue in ["in", "virgin", "out"] {
        assert_eq!(files_in(&site.queue(queue)), Vec::<String>::new(), "{queue}");
    }
    // The entry of a list that does not exist is set aside, in addition to the two that Mailman had
    // shunted.
    assert!(files_in(&site.queue("shunt")).len() >= 2);
    let anna: Vec<String> = site
        .maildir("anna@example.org")
        .iter()
        .map(|mail| String::from_utf8_lossy(mail).into_owned())
        .collect();
    assert!(anna.iter().any(|mail| mail.contains("Subject: in flight at crash")), "the .bak entry");
    assert!(
        files_in(&site.dir().join("mail")).len() > 5,
        "explicit recipients of Mailman's out entries"
    );
}
