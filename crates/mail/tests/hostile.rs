//! The time that a mail takes is bounded by its size, whatever stands in it.
//!
//! Each kind of mail is made in three sizes, and all that this crate does with a mail is done to
//! each. What is measured is the processor's time of this thread, the best of a few runs, so that
//! other work on the machine says nothing; what is compared is how it grows.

use dormouse_mail::fit::{Takes, fit};
use dormouse_mail::scrub::{Html, Options, scrub};
use dormouse_mail::tree::Node;
use dormouse_mail::{Message, date, decorate, enclose, html, mime, subject};
use std::convert::Infallible;
use std::time::{Duration, Instant, SystemTime};

/// The smallest size in bytes; the others are twice and four times as large.
const SIZE: usize = 16 * 1024;
/// Runs of which the best counts.
const RUNS: usize = 2;
/// Four times the size may take so many times as long: linear work takes four times, quadratic
/// sixteen.
const MOST_GROWTH: f64 = 7.0;
/// Less than this is noise.
const FLOOR: Duration = Duration::from_millis(8);

fn html_of(body: String) -> Vec<u8> {
    format!("From: a@x.example\nContent-Type: text/html\n\n{body}").into_bytes()
}

fn mail(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"From: a@x.example\n", fields.as_bytes(), b"\n", body.as_ref()].concat()
}

fn field(name: &str, value: &str) -> Vec<u8> {
    mail(&format!("{name}: {value}\n"), "x")
}

fn subject_of(value: &str) -> Vec<u8> {
    field("Subject", value)
}

fn coded(encoding: &str, body: String) -> Vec<u8> {
    mail(&format!("Content-Transfer-Encoding: {encoding}\n"), body)
}

fn text_in(charset: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    mail(&format!("Content-Type: text/plain; charset={charset}\n"), body)
}

fn multipart(kind: &str, body: String) -> Vec<u8> {
    mail(&format!("Content-Type: multipart/{kind}; boundary=b\n"), body)
}

/// So many bytes of what a number makes.
fn many(size: usize, made: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(size + 64);
    let mut number = 0;
    while out.len() < size {
        out.push_str(&made(number));
        number += 1;
    }
    out
}

fn again(size: usize, text: &str) -> String {
    many(size, |_| text.to_owned())
}

type Made = fn(usize) -> Vec<u8>;

const HTML: &[(&str, Made)] = &[
    ("attributes of one tag", |n| html_of(format!("<a {}>x", many(n, |i| format!("a{i} "))))),
    ("the same attribute", |n| html_of(format!("<a {}>x", again(n, "href=x ")))),
    ("one long attribute", |n| html_of(format!("<a href=\"{}\">x</a>", again(n, "x")))),
    ("tags that stay open", |n| html_of(again(n, "<div>"))),
    ("formats in each other", |n| html_of(many(n, |i| format!("<b id={i}>")))),
    ("formats across paragraphs", |n| html_of(many(n, |i| format!("<p><b id={i}></p>x")))),
    ("ends of nothing", |n| html_of(again(n, "</ul></blockquote></a>"))),
    ("ends of other things", |n| {
        html_of(format!("{}{}", again(n / 2, "<blockquote>x"), again(n / 2, "</ul></ol>")))
    }),
    ("lists in each other", |n| html_of(again(n, "<ol><li>x"))),
    ("tables in each other", |n| html_of(again(n, "<table><tr><td>x"))),
    ("cells of one row", |n| html_of(format!("<table><tr>{}", again(n, "<td>x")))),
    ("rows", |n| html_of(format!("<table>{}", again(n, "<tr><td>x<td>y")))),
    ("text between cells", |n| html_of(format!("<table>{}", again(n, "x<br>")))),
    ("links", |n| html_of(many(n, |i| format!("<a href=\"http://x.example/{i}\">y</a>")))),
    ("links that stay open", |n| html_of(many(n, |i| format!("<a href=http://x/{i}>y")))),
    ("links that show themselves", |n| html_of(again(n, "<a href=http://x>http://x</a>"))),
    ("entities", |n| html_of(again(n, "&amp;&auml&#228;&#x;&nonsense;"))),
    ("an entity without end", |n| html_of(format!("&#{}", again(n, "9")))),
    ("comments", |n| html_of(again(n, "<!-- x --!><!--"))),
    ("less-than signs", |n| html_of(again(n, "<"))),
    ("code", |n| html_of(format!("<pre>{}", again(n, "x\n\n")))),
    ("breaks", |n| html_of(again(n, "x<br>"))),
    ("blanks", |n| html_of(again(n, " \n\t"))),
    ("styles", |n| html_of(again(n, "<style>x</style><script>"))),
];

const HEADERS: &[(&str, Made)] = &[
    ("fields", |n| mail(&many(n, |i| format!("X-{i}: y\n")), "x")),
    ("fields of one name", |n| mail(&again(n, "Subject: y\n"), "x")),
    ("folds", |n| mail(&format!("Subject: x\n{}", again(n, " y\n")), "x")),
    ("blanks in a field", |n| subject_of(&format!("\u{e4} x{}y", again(n, " ")))),
    ("a field of one word", |n| subject_of(&again(n, "\u{e4}"))),
    ("encoded words", |n| subject_of(&again(n, "=?utf-8?q?=C3=A4_?= "))),
    ("halves of letters", |n| subject_of(&again(n, "=?utf-8?q?=C3?= =?utf-8?q?=A4?= "))),
    ("beginnings of words", |n| subject_of(&again(n, "=?a?q?b "))),
    ("words that shift", |n| {
        subject_of(&again(n, "=?iso-2022-jp?b?GyRCJUYl?= =?iso-2022-jp?b?OQ==?= "))
    }),
    ("addresses", |n| field("To", &many(n, |i| format!("a{i}@x.example, ")))),
    ("comments in addresses", |n| field("To", &again(n, "((a"))),
    ("quotes in addresses", |n| field("To", &again(n, "\"\\\" <"))),
    ("groups", |n| field("To", &again(n, "g: a@b;"))),
    ("routes", |n| field("To", &format!("<{}>", again(n, "@a,:")))),
    ("references", |n| field("References", &many(n, |i| format!("<{i}@x> ")))),
    ("marks of answers", |n| subject_of(&again(n, "Re [2] : "))),
    ("prefixes", |n| subject_of(&many(n, |i| format!("[dev {i}] ")))),
    ("beginnings of prefixes", |n| subject_of(&again(n, "[dev 1"))),
    ("a number in the prefix", |n| subject_of(&format!("[dev {}", again(n, "1")))),
    ("dates", |n| field("Date", &again(n, "3, Nov: "))),
    ("parameters", |n| {
        field("Content-Type", &format!("text/plain{}", many(n, |i| format!("; a{i}=\"b\""))))
    }),
    ("pieces of a parameter", |n| {
        field("Content-Type", &format!("text/plain{}", many(n, |i| format!("; n*{i}*=%C3%A4"))))
    }),
];

const BODIES: &[(&str, Made)] = &[
    ("parts", |n| multipart("mixed", again(n, "--b\n\nx\n"))),
    ("parts of a digest", |n| multipart("digest", again(n, "--b\n\nSubject: x\n\ny\n"))),
    ("names of attachments", |n| {
        multipart("mixed", again(n, "--b\nContent-Type: image/png; name=a.png\n\n1\n"))
    }),
    ("multiparts beside each other", |n| {
        let part = |i| format!("--b\nContent-Type: multipart/mixed; boundary=c{i}\n\n--c{i}\n");
        multipart("mixed", many(n, part))
    }),
    ("multiparts in each other", |n| {
        let part = |i| format!("--b{i}\nContent-Type: multipart/mixed; boundary=b{}\n\n", i + 1);
        mail("Content-Type: multipart/mixed; boundary=b0\n", many(n, part))
    }),
    ("alternatives in each other", |n| {
        let part = |i| {
            let next = i + 1;
            format!(
                "--b{i}\n\nx\n--b{i}\nContent-Type: multipart/alternative; boundary=b{next}\n\n"
            )
        };
        mail("Content-Type: multipart/alternative; boundary=b0\n", many(n, part))
    }),
    ("lines like boundaries", |n| multipart("mixed", again(n, "--bb--\n"))),
    ("messages in messages", |n| again(n, "Content-Type: message/rfc822\n\n").into_bytes()),
    ("multiparts in messages", |n| {
        let part = |i| {
            format!(
                "Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\nContent-Type: message/rfc822\n\n"
            )
        };
        many(n, part).into_bytes()
    }),
    ("base64", |n| coded("base64", again(n, "QUJDQUJDQUJDQUJD"))),
    ("padded base64", |n| coded("base64", again(n, "QQ==\n"))),
    ("ragged base64", |n| coded("base64", many(n, |i| format!("{}\n", "Q".repeat(i % 7))))),
    ("equals signs", |n| coded("quoted-printable", again(n, "="))),
    ("soft breaks", |n| coded("quoted-printable", again(n, "= "))),
    ("a soft break of blanks", |n| coded("quoted-printable", format!("={}", again(n, " =")))),
    ("bytes that are no UTF-8", |n| text_in("utf-8", vec![0xff; n])),
    ("utf-7", |n| text_in("utf-7", again(n, "+AGEA"))),
    ("escape sequences", |n| text_in("iso-2022-jp", again(n, "\x1b$B\x1b(B\x1b$BA"))),
    ("an unknown charset", |n| text_in("x", vec![0xc3; n])),
    ("NULs", |n| mail("", vec![0; n])),
    ("CRs", |n| mail("", vec![b'\r'; n])),
    ("empty lines", |n| mail("", vec![b'\n'; n])),
    ("one line", |n| mail("", vec![b'x'; n])),
    ("marks of signatures", |n| mail("", again(n, "-----BEGIN PGP"))),
    ("flowed quotes", |n| text_in("utf-8; format=flowed", again(n, "> x \n"))),
    ("a flowed end", |n| text_in("utf-8; format=flowed", vec![b' '; n])),
];

/// All that is done with a mail.
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
    let options = Options {
        html: Html::Clean,
        keep_names: true,
        base_url: "https://x.example/",
        received: SystemTime::UNIX_EPOCH,
    };
    let scrubbed = scrub(&message, &options, |_, _| Ok::<bool, Infallible>(false));
    done += scrubbed.map_or(0, |scrubbed| scrubbed.text.len());
    decorate::decorate(&mut renamed, "head \u{e4}", "foot \u{e4}");
    let takes = Takes { eight_bit: false, utf8: false };
    done += fit(&renamed, takes, "l@x.example").to_bytes().len();
    done + enclose::enclosed(&message, &["Subject".to_owned()], "none").to_bytes().len()
}

/// The processor's time of this thread, in nanoseconds.
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
        // Once more, lest a busy machine be taken for slow work.
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
