//! The time that a mail takes is bounded by its size, whatever its content.
//!
//! Each kind of mail is generated in three sizes, and everything that this crate does with a mail
//! is done with each. The test measures the CPU time of this thread, the best of a few runs, so
//! that other load on the machine does not matter, and compares how it grows.

mod kinds;

use dormouse_clock::Timestamp;
use dormouse_mail::automatic;
use dormouse_mail::conceal::{self, Secret, conceal};
use dormouse_mail::fit::{Takes, fit};
use dormouse_mail::redact::{Redacted, redact};
use dormouse_mail::scrub::{Html, ScrubOptions, scrub};
use dormouse_mail::tree::Node;
use dormouse_mail::{Message, date, decorate, enclose, html, mime, subject};
use kinds::{BODIES, HEADERS, HTML, Made};
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// The smallest size in bytes; the others are twice and four times as large.
const SIZE: usize = 16 * 1024;
/// Runs of which the best counts.
const RUNS: usize = 2;
/// The maximum growth of the time for four times the size: linear work takes four times as long,
/// quadratic work sixteen times.
const MOST_GROWTH: f64 = 7.0;
/// Less than this is noise.
const FLOOR: Duration = Duration::from_millis(8);

/// Everything that this crate does with a mail.
fn work(raw: &[u8]) -> usize {
    let message = Message::parse(raw);
    let mut done = message.senders().len();
    for field in message.fields() {
        done += field.text().len();
    }
    for name in ["From", "To", "Cc"] {
        done += message.mailboxes(name).len();
    }
    let line = message.field("Subject").map(|field| field.value().to_vec());
    for template in ["[dev]", "[dev %d]", "%d x"] {
        done +=
            subject::prefix(line.as_deref(), template, 7, true).map_or(0, |made| made.new.len());
    }
    let mut renamed = message.clone();
    renamed.set("Subject", &message.text("Subject").unwrap_or_default());
    let written = message.field("Date").map(|field| field.unfolded().into_owned());
    done += usize::from(written.as_deref().and_then(date::parse).is_some());
    let root = mime::structure(&message);
    for part in root.walk().into_iter().filter(|part| part.parts.is_empty()) {
        let text = part.text(message.body());
        done += text.len();
        if part.content_type.value == "text/html" {
            done += html::to_text(&text).len() + usize::from(html::is_empty(&text));
            done += html::clean(&text).map_or(0, |clean| clean.len());
        }
    }
    let node = Node::of(&message);
    done += usize::from(node.is_empty()) + node.into_message().to_bytes().len();
    let options = ScrubOptions {
        html: Html::Clean,
        keep_names: true,
        base_url: "https://x.example/",
        received: Timestamp::EPOCH,
    };
    let scrubbed = scrub(&message, &options, |_, _| Ok::<bool, Infallible>(false));
    done += scrubbed.map_or(0, |scrubbed| scrubbed.text.len());
    let attempts = conceal::attempts(&message);
    let mut secrets = vec![Secret::password("correct horse"), Secret::mistyped("nonsense")];
    let tried = attempts.below.iter().chain(&attempts.in_text).chain(&attempts.in_header);
    secrets.extend(tried.map(|text| Secret::mistyped(text)));
    let mut quiet = message.clone();
    done += usize::from(conceal(&mut quiet, &secrets).is_changed) + quiet.to_bytes().len();
    done += usize::from(automatic::sign_of(&message, Some("a@x.example")).is_some());
    let words = ["correct horse".to_owned(), "a1@x.example".to_owned()];
    done += usize::from(redact(raw, &words) == Redacted::Nowhere);
    decorate::decorate(&mut renamed, "head \u{e4}", "foot \u{e4}");
    let takes = Takes { eight_bit: false, utf8: false };
    done += fit(&renamed, takes, "l@x.example").to_bytes().len();
    done + enclose::enclosed(&message, &["Subject".to_owned()], "none").to_bytes().len()
}

/// The CPU time of this thread, in nanoseconds.
fn spent() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok()
}

fn time(raw: &[u8]) -> Duration {
    let once = || {
        let (before, began) = (spent(), Instant::now());
        std::hint::black_box(work(raw));
        match (before, spent()) {
            (Some(before), Some(after)) => Duration::from_nanos(after - before),
            _ => began.elapsed(),
        }
    };
    (0..RUNS).map(|_| once()).min().unwrap_or_default()
}

fn slow(kinds: &[(&str, Made)]) -> Vec<String> {
    let mut slow = Vec::new();
    for (name, made) in kinds {
        let measured = || [1, 2, 4].map(|factor| time(&made(SIZE * factor)));
        let grown = |times: &[Duration; 3]| {
            times[2].as_secs_f64() / times[0].max(FLOOR).as_secs_f64() > MOST_GROWTH
        };
        let times = measured();
        if std::env::var_os("HOSTILE_TIMES").is_some() {
            println!("{name:30} {times:?}");
        }
        // Measure again, so that a busy machine is not taken for slow code.
        if grown(&times) && grown(&measured()) {
            slow.push(format!("{name}: {times:?}"));
        }
    }
    slow
}

#[test]
fn html_takes_time_by_its_size() {
    assert_eq!(slow(HTML), Vec::<String>::new());
}

#[test]
fn headers_take_time_by_their_size() {
    assert_eq!(slow(HEADERS), Vec::<String>::new());
}

#[test]
fn bodies_take_time_by_their_size() {
    assert_eq!(slow(BODIES), Vec::<String>::new());
}
