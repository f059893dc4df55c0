//! Every message of the corpus is read as it should be.
//!
//! `corpus/bounces` has reports of many mail systems; a first field `X-Expected` says what they say:
//! `permanent a@b.example, policy c@d.example`, `warning`, or `complaint a@b.example`.
//! `corpus/ordinary` has what people and answering machines write, and none of it is a bounce.

use dormouse_bounce::{BounceVerdict, detect, is_from_mail_system};
use dormouse_mail::Message;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus(name: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let entries = fs::read_dir(dir).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn words(verdict: &BounceVerdict) -> String {
    match verdict {
        BounceVerdict::Failed(failures) => failures
            .iter()
            .map(|failure| format!("{} {}", failure.kind.name(), failure.address))
            .collect::<Vec<_>>()
            .join(", "),
        BounceVerdict::Warning => "warning".to_owned(),
        BounceVerdict::Complaint(complaint) => match &complaint.named {
            Some(address) => format!("complaint {address}"),
            None => "complaint".to_owned(),
        },
        BounceVerdict::AutoReply => "auto-reply".to_owned(),
        BounceVerdict::Unknown => "unknown".to_owned(),
    }
}

/// What a file is read as, and what it should be read as.
fn read(path: &Path) -> (String, String) {
    let raw = fs::read(path).unwrap();
    let end = raw.iter().position(|&byte| byte == b'\n').unwrap();
    let first = String::from_utf8_lossy(&raw[..end]).trim().to_owned();
    let expected = first.strip_prefix("X-Expected:").expect("a field X-Expected").trim();
    let message = Message::parse(&raw[end + 1..]);
    // With the envelope sender, and without it: not every MTA tells.
    let verdict = words(&detect(&message, Some("")));
    assert_eq!(verdict, words(&detect(&message, None)), "{}", path.display());
    (verdict, expected.to_owned())
}

#[test]
fn every_bounce_names_its_addresses_and_whether_it_is_for_good() {
    let paths = corpus("bounces");
    assert!(paths.len() >= 150, "{}", paths.len());
    let wrong: Vec<String> = paths
        .iter()
        .filter_map(|path| {
            let (found, expected) = read(path);
            let name = path.file_name()?.to_string_lossy();
            (found != expected)
                .then(|| format!("{name}\n    expected {expected}\n    found    {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_bounce_is_taken_from_what_people_and_answering_machines_write() {
    let paths = corpus("ordinary");
    assert!(paths.len() >= 150, "{}", paths.len());
    let mut wrong = Vec::new();
    for path in &paths {
        let message = Message::parse(fs::read(path).unwrap());
        // Where no header tells the envelope sender, it may have been the null sender.
        let unknown = (!message.has("Return-Path")).then_some(Some(""));
        for sender in std::iter::once(None).chain(unknown) {
            let verdict = detect(&message, sender);
            if matches!(verdict, BounceVerdict::Failed(_) | BounceVerdict::Complaint(_)) {
                wrong.push(format!("{}: {}", path.display(), words(&verdict)));
            }
            // That would count where the return path says for whom.
            if is_from_mail_system(&message, sender) {
                wrong.push(format!("{}: seems to come from a mail system", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn answering_machines_that_say_what_they_are_are_known_in_every_language() {
    for path in corpus("ordinary") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_machine = ["-away-", "-receipt-"].iter().any(|kind| name.contains(kind));
        if is_machine && !name.contains("no-marks") {
            let message = Message::parse(fs::read(&path).unwrap());
            assert_eq!(detect(&message, None), BounceVerdict::AutoReply, "{name}");
        }
    }
}
