//! Compares the instructions of the main paths with recorded numbers, so that a change that makes
//! one more expensive is noticed. The numbers are in `benches/instructions.txt`, for the tests'
//! build; `DORMOUSE_COSTS=keep cargo test -p dormouse --test costs` rewrites them.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// The program that `dormouse` executes for most commands; valgrind does not follow it there.
const FULL: &str = env!("CARGO_BIN_EXE_dormouse-full");
/// Differences up to this may be noise: threads that wait for each other, hashes with random keys,
/// other versions of the C library.
const MARGIN: f64 = 0.15;

fn kept_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/instructions.txt")
}

#[test]
fn the_main_paths_cost_what_they_did() {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skipped::skip("valgrind is not installed");
    }
    let measured = measure();
    let mut text = String::new();
    for (path, count) in &measured {
        writeln!(text, "{count:>12} {path}").unwrap();
    }
    if std::env::var("DORMOUSE_COSTS").is_ok_and(|wish| wish == "keep") {
        return fs::write(kept_file(), text).unwrap();
    }
    let kept = fs::read_to_string(kept_file()).unwrap();
    let kept: Vec<(&str, u64)> = kept
        .lines()
        .map(|line| {
            let (count, path) = line.trim().split_once(' ').unwrap();
            (path, count.parse().unwrap())
        })
        .collect();
    let paths: Vec<&str> = measured.iter().map(|(path, _)| *path).collect();
    assert_eq!(kept.iter().map(|(path, _)| *path).collect::<Vec<_>>(), paths, "write them anew");
    let dear: Vec<String> = kept
        .iter()
        .zip(&measured)
        .filter(|((_, kept), (_, now))| *now as f64 > *kept as f64 * (1.0 + MARGIN))
        .map(|((path, kept), (_, now))| format!("{path}: {now} instead of {kept}"))
        .collect();
    assert!(dear.is_empty(), "dearer than before: {dear:#?}\nall of them:\n{text}");
}

fn measure() -> Vec<(&'static str, u64)> {
    let post = message("stranger@example.com", "hello", &"The dormouse sleeps.\n".repeat(130));
    let sink = Sink::builder().counting().quick_ack(true).start();
    let site = site(&sink);
    let cost = |args: &[&str], input: &[u8]| instructions(&site, args, input);
    // The text must differ: an archive ignores a post with the same time and text.
    let other = message("stranger@example.com", "again", &"The dormouse sleeps.\n".repeat(130));
    // Waits for the intake index, which a site has only after its settings have been unchanged for
    // a while.
    std::thread::sleep(Duration::from_millis(3_100));
    site.post("ten", &post);
    site.ok(&["run"]);
    let mut measured = vec![
        ("post", cost(&["post", "ten"], &post)),
        ("deliver to an address with a purpose", {
            cost(&["deliver", "ten-owner@lists.example.org"], &post)
        }),
    ];
    site.ok(&["run"]);
    measured.push(("run that finds nothing", cost(&["run"], b"")));
    measured.push(("100 mails over LMTP", lmtp(&site, &post)));
    measured.push(("run with these 100 posts to 10", cost(&["run"], b"")));
    site.post("ten", &post);
    // As a unit starts it.
    measured.push(("woken run with a post to 10", cost(&["run", "--linger", "100"], b"")));
    for (list, path) in [
        ("ten", "run with a post to 10"),
        ("thousand", "run with a post to 1,000"),
        ("kept", "run with a post to 10 that is archived and kept for the digest"),
    ] {
        // The first post has already created the list's files.
        site.post(list, &post);
        site.ok(&["run"]);
        site.post(list, &other);
        measured.push((path, cost(&["run"], b"")));
    }
    let new: String = (0..1_000).map(|number| format!("new{number}@example.org\n")).collect();
    let add = ["member", "add", "ten", "--welcome", "no", "--file", "-"];
    measured.push(("member add with 1,000 addresses", cost(&add, new.as_bytes())));
    measured
}

fn site(sink: &Sink) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    for (name, count) in [("ten", 10), ("thousand", 1_000), ("kept", 10)] {
        let members: Vec<String> =
            (0..count).map(|number| format!("m{number}@example{}.org", number % 50)).collect();
        site.plain_list(name, &members.iter().map(String::as_str).collect::<Vec<_>>());
        if name != "kept" {
            site.ok(&["list", "set", name, "archive=no", "digestable=no"]);
        }
    }
    site
}

/// Counts instructions with callgrind.
fn instructions(site: &TestSite, args: &[&str], input: &[u8]) -> u64 {
    let mut child = counted(site, args);
    child.stdin.take().unwrap().write_all(input).unwrap();
    count(child, args)
}

/// A server from its start to its end, and mails over one connection.
fn lmtp(site: &TestSite, post: &[u8]) -> u64 {
    let args = ["lmtp", "--listen", "127.0.0.1:0", "--intake-only"];
    let mut server = counted(site, &args);
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut stream = TcpStream::connect(line.trim().trim_start_matches("listening on ")).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut say = |text: &str, last: &str| {
        stream.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        while !line.starts_with(last) {
            line.clear();
            assert!(replies.read_line(&mut line).unwrap() > 0, "it hung up after {text}");
            assert!(line.starts_with(['2', '3']), "{text}: {line}");
        }
    };
    say("LHLO costs.example\r\n", "250 SIZE");
    let text = String::from_utf8(post.to_vec()).unwrap().replace('\n', "\r\n");
    for _ in 0..100 {
        say("MAIL FROM:<stranger@example.com>\r\n", "250");
        say("RCPT TO:<ten@lists.example.org>\r\n", "250");
        say("DATA\r\n", "354");
        say(&format!("{text}.\r\n"), "250");
    }
    say("QUIT\r\n", "221");
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    count(server, &args)
}

fn counted(site: &TestSite, args: &[&str]) -> Child {
    let mut command = Command::new("valgrind");
    let program = if matches!(args, ["post" | "deliver", ..]) { DORMOUSE } else { FULL };
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program]).args(args);
    command.env("DORMOUSE_SITE", site.dir());
    for name in ["DORMOUSE_LOG", "SENDER", "RECIPIENT"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn count(child: Child, args: &[&str]) -> u64 {
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{args:?}: {said}");
    let line = said.lines().find(|line| line.contains("Collected")).expect(&said);
    line.rsplit(' ').next().unwrap().parse().expect(&said)
}
