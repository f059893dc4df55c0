//! What the way of a post costs, side by side in one run: `cargo bench --bench spine`.
//!
//! Each line compares the built command with something that does the least that could be done: an
//! empty run with `/bin/true`, a drain with a bare pipelined SMTP client that sends the same bytes
//! to the same sink and keeps nothing on the disk, `post` with mlmmj where it is installed. Quote ratios
//! rather than times.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// Size of a post's body, in bytes.
const BODY: usize = 2_700;
const ROUNDS: usize = 5;

fn main() {
    println!("medians of {ROUNDS} rounds; posts of {BODY} bytes\n");
    starts();
    intake();
    for quick_ack in [true, false] {
        drains(quick_ack);
    }
    memory();
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn time(mut work: impl FnMut()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn post(number: usize) -> Vec<u8> {
    let line = "The quick brown fox jumps over the lazy dog, and the dormouse sleeps.\n";
    message("stranger@example.com", &format!("post{number}"), &line.repeat(BODY / line.len()))
}

fn members(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("member{number}@example{}.org", number % 1000)).collect()
}

fn site(url: &str, members: &[String]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", url]);
    site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
    site
}

/// A run that finds nothing, beside a program that does nothing.
fn starts() {
    let site = site("smtp://127.0.0.1:1", &[]);
    let mut empty = Vec::new();
    let mut nothing = Vec::new();
    for _ in 0..200 {
        let mut run = site.command(&["run"]);
        empty.push(time(|| assert!(run.status().unwrap().success())));
        nothing.push(time(|| assert!(Command::new("/bin/true").status().unwrap().success())));
    }
    let (empty, nothing) = (median(empty), median(nothing));
    println!("empty run            {:8.2} ms   /bin/true {:.2} ms", millis(empty), millis(nothing));
    println!("  its peak memory    {:8.1} MB", peak_memory(&site, &["run", "--json"]));
}

/// From the start of the process to its exit: so long the MTA waits. With the instructions, where
/// valgrind is there to count them: they are the same on a busy machine.
fn intake() {
    let site = site("smtp://127.0.0.1:1", &[]);
    let post = post(0);
    let dir = site.dir();
    let ours = |args: &[&str]| {
        let mut command = site.command(&[]);
        command.arg("--site").arg(&dir).args(args);
        command
    };
    println!("{:28}{:>12}{:>16}", "mail taken in", "time", "instructions");
    row("post, synced", &post, || ours(&["post", "dev"]));
    row("deliver, synced", &post, || ours(&["deliver", "dev@lists.example.org"]));
    row("mailman post, synced", &post, || ours(&["mailman", "post", "dev"]));
    let mlmmj = Path::new("/usr/bin/mlmmj-receive");
    if mlmmj.exists() {
        // The list is not looked up there, nothing is decided, and the directory is not synced.
        let list = mlmmj_list();
        row("mlmmj-receive, file synced", &post, || {
            let mut command = Command::new(mlmmj);
            command.arg("-L").arg(list.path());
            command
        });
    } else {
        println!("mlmmj-receive               not installed");
    }
    row("cat", &post, || Command::new("/bin/cat"));
    println!();
}

fn row(what: &str, post: &[u8], command: impl Fn() -> Command) {
    let times = (0..200).map(|_| time(|| assert!(feed(command(), post)))).collect();
    let counted = instructions(&command(), post).map_or("-".to_owned(), |count| count.to_string());
    println!("{what:28}{:9.2} ms{counted:>16}", millis(median(times)));
}

/// As callgrind counts them; nothing where it is not installed.
fn instructions(counted: &Command, input: &[u8]) -> Option<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(counted.get_program()).args(counted.get_args());
    for (name, value) in counted.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take()?.write_all(input).ok()?;
    let said = child.wait_with_output().ok()?.stderr;
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// A list of mlmmj's without members, so that nothing is at work behind the next round.
fn mlmmj_list() -> tempfile::TempDir {
    let list = tempfile::tempdir().unwrap();
    for dir in ["incoming", "queue/discarded", "archive", "text", "control", "subscribers.d"] {
        fs::create_dir_all(list.path().join(dir)).unwrap();
    }
    for (name, value) in [("listaddress", "dev@lists.example.org"), ("owner", "root@localhost")] {
        fs::write(list.path().join("control").join(name), format!("{value}\n")).unwrap();
    }
    list
}

fn feed(mut command: Command, input: &[u8]) -> bool {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait().unwrap().success()
}

/// Backlogs drained into a sink, beside a bare client sending the same bytes to it.
fn drains(quick_ack: bool) {
    println!(
        "sink acknowledges {}",
        if quick_ack { "at once" } else { "late, as real servers do" }
    );
    println!("{:28}{:>12}{:>14}{:>14}{:>9}", "", "time", "posts/s", "recipients/s", "bare");
    let cases = [
        ("500 posts x 10, bulk", 500, 10, false, false),
        ("  and archive and digest", 500, 10, false, true),
        ("500 posts x 10, VERP", 500, 10, true, false),
        ("5 posts x 10,000, bulk", 5, 10_000, false, false),
        ("5 posts x 10,000, VERP", 5, 10_000, true, false),
    ];
    for (name, posts, count, verp, copies) in cases {
        let members = members(count);
        let sink = Sink::builder().counting().quick_ack(quick_ack).start();
        let site = site(&sink.url(), &members);
        site.ok(&["config", "set", "delivery.verp_interval", if verp { "1" } else { "0" }]);
        site.ok(&["config", "set", "delivery.xverp", "false"]);
        if !copies {
            site.ok(&["list", "set", "dev", "archive=no", "digestable=no"]);
        }
        let mut ours = Vec::new();
        let mut bare = Vec::new();
        for _ in 0..ROUNDS {
            for number in 0..posts {
                site.post("dev", &post(number));
            }
            let before = sink.counts().recipients;
            ours.push(time(|| {
                site.ok(&["run"]);
            }));
            assert_eq!(
                sink.counts().recipients - before,
                (posts * count) as u64,
                "everybody got everything"
            );
            bare.push(time(|| send_bare(&sink.url(), posts, &members, if verp { 1 } else { 500 })));
        }
        let (ours, bare) = (median(ours), median(bare));
        println!(
            "{name:28}{:9.0} ms{:14.0}{:14.0}{:8.0}%",
            millis(ours),
            posts as f64 / ours.as_secs_f64(),
            (posts * count) as f64 / ours.as_secs_f64(),
            100.0 * bare.as_secs_f64() / ours.as_secs_f64(),
        );
    }
    println!("bare: our rate as a share of the bare client's\n");
}

/// The least a client can do: one connection, commands pipelined, one write a message.
fn send_bare(url: &str, posts: usize, members: &[String], most: usize) {
    let stream = TcpStream::connect(url.trim_start_matches("smtp://")).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let mut line = String::new();
    let mut reply = |count: usize| {
        for _ in 0..count {
            loop {
                line.clear();
                assert!(replies.read_line(&mut line).unwrap() > 0);
                if line.as_bytes().get(3) != Some(&b'-') {
                    break;
                }
            }
        }
    };
    reply(1);
    stream.write_all(b"EHLO bare.example\r\n").unwrap();
    reply(1);
    for number in 0..posts {
        let body = String::from_utf8(post(number)).unwrap().replace('\n', "\r\n");
        for group in members.chunks(most) {
            let mut commands = String::from("MAIL FROM:<dev-bounces@lists.example.org>\r\n");
            for member in group {
                commands.push_str(&format!("RCPT TO:<{member}>\r\n"));
            }
            commands.push_str("DATA\r\n");
            stream.write_all(commands.as_bytes()).unwrap();
            reply(group.len() + 2);
            stream.write_all(format!("{body}.\r\n").as_bytes()).unwrap();
            reply(1);
        }
    }
    stream.write_all(b"QUIT\r\n").unwrap();
    reply(1);
}

/// One post to lists of growing size.
fn memory() {
    println!("peak memory of the drain of one post");
    let mut first = None;
    for count in [1_000, 10_000, 100_000] {
        let sink = Sink::builder().counting().quick_ack(true).start();
        let site = site(&sink.url(), &members(count));
        site.post("dev", &post(0));
        let peak = peak_memory(&site, &["run", "--json"]);
        assert_eq!(sink.counts().recipients, count as u64);
        let first = *first.get_or_insert(peak);
        println!("{count:9} members  {peak:8.1} MB   {:.2} x that of 1,000", peak / first);
    }
}

/// In megabytes, as the run itself reports.
fn peak_memory(site: &TestSite, args: &[&str]) -> f64 {
    let summary = site.ok(args);
    let text = summary
        .lines()
        .find_map(|line| line.trim().strip_prefix("\"peak_memory_kb\": "))
        .expect("a figure");
    text.trim_end_matches(',').parse::<f64>().expect("a number") / 1e3
}
