//! Measures pages: `cargo bench --bench web`.
//!
//! Cold: the process is started when a client connects, as systemd does. Warm: the process is
//! running and the connection is open. `DORMOUSE_BENCH_MEMBERS` sets the size of the large list
//! (1,000,000), and `DORMOUSE_BENCH_PROGRAM` names another program to measure. The memory is that of the
//! process after the page.

use dormouse_testkit::browser::Browser;
use dormouse_testkit::server::Server;
use dormouse_testkit::site::TestSite;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const COLD: usize = 30;
const WARM: usize = 300;

fn main() {
    let members = std::env::var("DORMOUSE_BENCH_MEMBERS")
        .map_or(1_000_000, |text| text.parse().expect("DORMOUSE_BENCH_MEMBERS is a number"));
    let program = std::env::var("DORMOUSE_BENCH_PROGRAM")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_dormouse").to_owned());
    let site = TestSite::new(&program);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    for list in ["small", "large"] {
        site.plain_list(list, &["anna@example.org"]);
        site.ok(&["list", "set", list, "owner=boss@example.org"]);
    }
    println!("{:44}{:>12}{:>12}{:>12}", "", "median", "slowest", "memory");
    cold(&site, "/mailman/listinfo/small");
    let server = Server::start(&site);
    let boss = Browser::signed_in(&server, &site, "boss@example.org");
    for page in ["/mailman/health", "/mailman/listinfo", "/mailman/listinfo/small"] {
        warm(&server, page, "");
    }
    let cookies: Vec<String> =
        boss.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookie = format!("Cookie: {}\r\n", cookies.join("; "));
    for page in ["/mailman/mine", "/mailman/moderation", "/mailman/settings/small/general"] {
        warm(&server, page, &cookie);
    }
    let mut people = String::new();
    for number in 0..members {
        let _written = writeln!(people, "Member {number} <m{number:07}@example.net>");
    }
    let began = Instant::now();
    site.feed(&["member", "add", "large", "--file", "-", "--welcome", "no"], people.as_bytes());
    println!("\n{members} members were added in {:.1} s", began.elapsed().as_secs_f64());
    let (middle, last) = (members / 2, members - 1);
    for page in [
        "/mailman/members/large".to_owned(),
        format!("/mailman/members/large?after=m{middle:07}%40example.net"),
        format!("/mailman/members/large?q=m{last:07}"),
        format!("/mailman/members/large?q=Member+{last}"),
        "/mailman/members/large?q=nobody-has-this".to_owned(),
        format!("/mailman/members/large/member?who=m{middle:07}%40example.net"),
        "/mailman/admin/large".to_owned(),
        "/mailman/admin".to_owned(),
    ] {
        warm(&server, &page, &cookie);
    }
}

/// Connects to a socket without a process, starts the process with it, and requests a page.
fn cold(site: &TestSite, page: &str) {
    let (mut times, mut memory) = (Vec::new(), 0);
    for _ in 0..COLD {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let socket = OwnedFd::from(listener);
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).expect("it listens");
        let mut process = site.command_with(socket, &["serve"]).spawn().expect("it starts");
        ask(&mut stream, page, "");
        times.push(began.elapsed());
        memory = memory.max(resident(process.id()));
        process.kill().expect("it ends");
        process.wait().expect("it ended");
    }
    print(&format!("cold, connect to answer: {page}"), times, memory);
}

/// Sends many requests over one connection.
fn warm(server: &Server, page: &str, headers: &str) {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let mut times = Vec::new();
    // The first requests fill caches.
    for number in 0..WARM + 3 {
        let began = Instant::now();
        ask(&mut stream, page, headers);
        if number >= 3 {
            times.push(began.elapsed());
        }
        if number > 20 && times.iter().sum::<Duration>() > Duration::from_secs(10) {
            break;
        }
    }
    print(page, times, server.pid().map_or(0, resident));
}

/// Sends a request, and reads the whole response.
fn ask(stream: &mut TcpStream, page: &str, headers: &str) {
    let request = format!("GET {page} HTTP/1.1\r\nHost: lists.example.org\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let (mut answer, mut piece) = (Vec::new(), [0; 65_536]);
    loop {
        let read = stream.read(&mut piece).expect("it answers");
        assert!(read > 0, "it answers");
        answer.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        if body.len() >= length {
            assert!(text.starts_with("HTTP/1.1 200"), "{page}: {text}");
            return;
        }
    }
}

/// Returns the resident size of a process, in kilobytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

fn print(what: &str, mut times: Vec<Duration>, memory_kb: u64) {
    times.sort();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let memory = format!("{:.1} MB", memory_kb as f64 / 1e3);
    println!(
        "{what:44}{:>9.2} ms{:>9.2} ms{memory:>12}",
        ms(times.get(times.len() / 2)),
        ms(times.last())
    );
}
