//! Entries that a real Mailman 2.1.39 wrote, compared with what Mailman itself prints for them.

#[path = "../../../tests/mailman21/unpack.rs"]
mod mailman21;

use dormouse_spool::{Entry, Queue};
use std::fs;
use std::path::{Path, PathBuf};

fn entries(site: &Path) -> Vec<(Queue, PathBuf)> {
    let mut entries = Vec::new();
    for queue in Queue::ALL {
        for file in fs::read_dir(site.join("qfiles").join(queue.name())).into_iter().flatten() {
            entries.push((queue, file.unwrap().path()));
        }
    }
    assert!(entries.len() > 20);
    entries
}

#[test]
fn every_entry_of_a_real_site_is_read_but_the_broken_one() {
    let site = mailman21::site();
    for (queue, path) in entries(&site) {
        let read = Entry::from_bytes(&fs::read(&path).unwrap(), &path);
        match queue {
            Queue::Bad => assert!(read.unwrap_err().is_bad_entry(), "{}", path.display()),
            _ => {
                let entry = read.unwrap_or_else(|error| panic!("{error}"));
                assert!(entry.metadata.has("_parsemsg"), "{}", path.display());
                assert!(!entry.message.is_empty(), "{}", path.display());
            }
        }
    }
}

/// `show_qfiles -q` prints the message with `>From ` quoting; of a `.bak` it prints the raw file.
#[test]
fn a_pickled_message_object_becomes_the_text_that_mailman_prints() {
    let site = mailman21::site();
    let mut compared = 0;
    for (queue, path) in entries(&site) {
        let file = path.file_name().unwrap().to_string_lossy();
        let expected = site.join("expected").join(format!("show_qfiles.{queue}.{file}.txt"));
        if !file.ends_with(".pck") {
            continue;
        }
        let Ok(printed) = fs::read(&expected) else { continue };
        let entry = Entry::from_bytes(&fs::read(&path).unwrap(), &path).unwrap();
        assert_eq!(normal(&entry.message), normal(&printed), "{}", path.display());
        compared += 1;
    }
    assert!(compared >= 20, "{compared} compared");
}

/// Removes differences without meaning: where a header is folded, how an mbox quotes `From `, the
/// last line's end, and the boundary that each reader invents for a multipart without one.
fn normal(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let text = text
        .strip_prefix("From ")
        .map_or(text.as_str(), |rest| rest.split_once('\n').map_or("", |(_, rest)| rest));
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let head = head.replace("\n\t", " ").replace("\n ", " ");
    let body = body.replace("\n>From ", "\nFrom ");
    without_made_up_boundaries(&format!("{head}\n\n{}", body.trim_end_matches('\n')))
}

fn without_made_up_boundaries(text: &str) -> String {
    let mut pieces = text.split("===============");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str("BOUNDARY");
        out.push_str(piece.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()));
    }
    out
}
