//! Mail over LMTP, as an MTA and systemd use it.

#[path = "lmtp/power.rs"]
mod power;

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, files_in, message};
use dormouse_testkit::waiting::{PATIENCE, eventually};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// A server that is killed at the end of the test.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(site: &TestSite, args: &[&str]) -> Server {
        Server::of(site.command(&["lmtp", "--listen", "127.0.0.1:0"]).args(args))
    }

    /// Starts one with a limit of open files.
    fn start_with_files(site: &TestSite, files: usize) -> Server {
        let line = format!("ulimit -n {files}; exec \"$0\" lmtp --listen 127.0.0.1:0");
        let mut shell = Command::new("sh");
        Server::of(shell.args(["-c", &line, DORMOUSE]).env("DORMOUSE_SITE", site.dir()))
    }

    fn of(command: &mut Command) -> Server {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("listening on ").parse().unwrap();
        Server { process, address }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.process.id() as i32).unwrap(), signal).unwrap();
    }

    fn ends_well(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(status.success(), "{status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A client that sends line by line.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Connects and sends LHLO.
    fn greet(address: SocketAddr) -> std::io::Result<Client> {
        let mut client = Client::connect(address)?;
        client.expect("220")?;
        client.say("LHLO test\r\n")?;
        while client.reply()?.as_bytes()[3] == b'-' {}
        Ok(client)
    }

    fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    fn reply(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    fn expect(&mut self, code: &str) -> std::io::Result<String> {
        let line = self.reply()?;
        if line.starts_with(code) { Ok(line) } else { Err(std::io::Error::other(line)) }
    }

    /// Sends one mail in one write, as a pipelining client does.
    fn send(&mut self, recipient: &str, subject: &str) -> std::io::Result<()> {
        self.say(&format!("MAIL FROM:<a@example.org>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"))?;
        for code in ["250", "250", "354"] {
            self.expect(code)?;
        }
        let text = String::from_utf8(message("a@example.org", subject, "x\n")).unwrap();
        self.say(&format!("{}.\r\n", text.replace('\n', "\r\n")))?;
        self.expect("250").map(drop)
    }

    fn quit(mut self) -> std::io::Result<()> {
        self.say("QUIT\r\n")?;
        self.expect("221").map(drop)
    }
}

fn site(members: &[&str]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", members);
    site
}

#[test]
fn accepted_mail_reaches_the_mta_without_another_wake_up() {
    let sink = Sink::builder().start();
    let site = site(&["anna@example.org"]);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    let mut server = Server::start(&site, &[]);
    let mut client = Client::greet(server.address).unwrap();
    for number in 0..3 {
        client.send("dev@lists.example.org", &format!("post{number}")).unwrap();
        assert!(sink.wait_for(number + 1, PATIENCE), "it is delivered while the client stays");
    }
    client.quit().unwrap();
    eventually("nothing to be left", || {
        ["in", "out", "retry", "shunt"].iter().all(|queue| files_in(&site.queue(queue)).is_empty())
    });
    server.signal(Signal::TERM);
    server.ends_well();
    let status = site.ok(&["status", "--json"]);
    assert!(status.contains("\"peak_memory_kb\""), "its runs are noted: {status}");
}

#[test]
fn who_finds_no_file_free_waits_and_nobody_else_is_sent_away() {
    let site = site(&["anna@example.org"]);
    let server = Server::start_with_files(&site, 32);
    let mut first = Client::greet(server.address).unwrap();
    let crowd: Vec<Client> = (0..30).map(|_| Client::connect(server.address).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(300));
    first.say("NOOP\r\n").unwrap();
    first.expect("250").unwrap();
    drop(crowd);
    let mut late = Client::greet(server.address).unwrap();
    late.send("dev@lists.example.org", "late").unwrap();
    first.quit().unwrap();
}

#[test]
fn a_drain_at_work_is_left_to_it() {
    let site = site(&["anna@example.org"]);
    let turn = std::fs::File::create(site.dir().join("qfiles/.turn")).unwrap();
    turn.lock().unwrap();
    let server = Server::start(&site, &[]);
    let mut client = Client::greet(server.address).unwrap();
    client.send("dev@lists.example.org", "one").unwrap();
    client.send("dev@lists.example.org", "two").unwrap();
    assert_eq!(site.files("in", "pck").len(), 2);
    drop(turn);
    client.send("dev@lists.example.org", "three").unwrap();
    eventually("the third", || site.maildir("anna@example.org").len() == 3);
}

#[test]
fn pythons_client_is_answered_for_each_recipient() {
    let script = "\
import smtplib, sys
with smtplib.LMTP('127.0.0.1', int(sys.argv[1])) as client:
    client.ehlo()
    assert client.has_extn('smtputf8') and client.has_extn('8bitmime') and client.has_extn('size'), client.esmtp_features
    # It reads one answer behind the dot, so it may have one recipient that is taken.
    refused = client.sendmail('jürgen@example.org', ['dev@lists.example.org', 'nobody@lists.example.org'],
        'From: jürgen@example.org\\r\\nSubject: grüße\\r\\n\\r\\n.dot\\r\\nGrüße\\r\\n'.encode(), mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
    assert list(refused) == ['nobody@lists.example.org'] and refused['nobody@lists.example.org'][0] == 550, refused
";
    let site = site(&[]);
    let server = Server::start(&site, &["--intake-only"]);
    let port = server.address.port().to_string();
    let python = Command::new("python3").args(["-c", script, &port]).output();
    let output = match python {
        Ok(output) => output,
        Err(error) => return skipped::skip(format!("no python3: {error}")),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries = site.files("in", "pck");
    assert_eq!(entries.len(), 1);
    let raw = site.run(&[
        "queue",
        "show",
        "--raw",
        &format!("in/{}", entries[0].trim_end_matches(".pck")),
    ]);
    let text = String::from_utf8(raw.stdout).unwrap();
    assert!(text.ends_with("\n\n.dot\nGrüße\n"), "{text}");
}

/// Every mail that was acknowledged is in the spool, whenever the process is killed.
#[test]
fn what_was_acknowledged_survives_being_killed() {
    let site = site(&[]);
    let mut acknowledged = HashSet::new();
    for round in 0..6 {
        let server = Server::start(&site, &["--intake-only"]);
        let address = server.address;
        let done = AtomicBool::new(false);
        let rounds: Vec<Vec<String>> = std::thread::scope(|scope| {
            let done = &done;
            let clients: Vec<_> = (0..3)
                .map(|client| {
                    scope.spawn(move || {
                        let mut acknowledged = Vec::new();
                        let Ok(mut connection) = Client::greet(address) else {
                            return acknowledged;
                        };
                        for number in 0.. {
                            let subject = format!("mail-{round}-{client}-{number}");
                            // The connection ends when the server is killed.
                            if done.load(Ordering::Relaxed)
                                || connection.send("dev@lists.example.org", &subject).is_err()
                            {
                                break;
                            }
                            acknowledged.push(subject);
                        }
                        acknowledged
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(60 + round * 37));
            server.signal(Signal::KILL);
            done.store(true, Ordering::Relaxed);
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        acknowledged.extend(rounds.into_iter().flatten());
    }
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let kept: Vec<Vec<u8>> = site
        .files("in", "pck")
        .iter()
        .map(|name| std::fs::read(site.queue("in").join(name)).unwrap())
        .collect();
    let text: String = kept.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    for subject in &acknowledged {
        assert!(text.contains(&format!("Subject: {subject}\n")), "{subject} is lost");
    }
    // Mails whose reply was lost may be there, too.
    assert!(kept.len() <= acknowledged.len() + 6 * 3, "{} of {}", kept.len(), acknowledged.len());
}

#[test]
fn each_list_refuses_for_itself_what_it_sends_back() {
    let site = site(&[]);
    site.plain_list("closed", &[]);
    let notice = "nonmember_rejection_notice=Members only:\nask %(listowner)s für mehr.";
    site.ok(&["list", "set", "closed", "generic_nonmember_action=reject", notice]);
    let server = Server::start(&site, &[]);
    let mut client = Client::greet(server.address).unwrap();
    let say = "MAIL FROM:<a@example.org>\r\nRCPT TO:<closed@lists.example.org>\r\n\
               RCPT TO:<dev@lists.example.org>\r\nRCPT TO:<closed@lists.example.org>\r\nDATA\r\n";
    client.say(say).unwrap();
    for code in ["250", "250", "250", "250", "354"] {
        client.expect(code).unwrap();
    }
    let text = String::from_utf8(message("a@example.org", "one", "x\n")).unwrap();
    client.say(&format!("{}.\r\n", text.replace('\n', "\r\n"))).unwrap();
    let refused = client.expect("550 5.7.1").unwrap();
    assert!(
        refused.contains("Members only: ask closed-owner@lists.example.org f?r mehr."),
        "{refused}"
    );
    client.expect("250").unwrap();
    client.expect("550 5.7.1").unwrap();
    client.quit().unwrap();
    let waiting = site.ok(&["queue", "ls", "in", "--json"]);
    let waiting: serde_json::Value = serde_json::from_str(&waiting).unwrap();
    let lists: Vec<_> = waiting.as_array().unwrap().iter().map(|entry| &entry["list"]).collect();
    assert!(lists.iter().all(|list| *list == "dev"), "{lists:?}");
}

#[test]
fn a_terminated_server_completes_its_message_and_closes_other_sessions() {
    let site = site(&[]);
    let mut server = Server::start(&site, &["--intake-only"]);
    let mut idle = Client::greet(server.address).unwrap();
    let mut sending = Client::greet(server.address).unwrap();
    sending.say("MAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n").unwrap();
    for code in ["250", "250", "354"] {
        sending.expect(code).unwrap();
    }
    sending.say("Subject: x\r\n\r\n").unwrap();
    server.signal(Signal::TERM);
    idle.expect("421").unwrap();
    sending.say("x\r\n.\r\n").unwrap();
    sending.expect("250").unwrap();
    sending.expect("421").unwrap();
    server.ends_well();
    assert_eq!(site.files("in", "pck").len(), 1);
}

#[test]
fn a_client_that_is_silent_is_sent_away_and_others_wait_their_turn() {
    let site = site(&[]);
    site.ok(&["config", "set", "lmtp.timeout", "300ms"]);
    site.ok(&["config", "set", "lmtp.connections", "1"]);
    let server = Server::start(&site, &["--intake-only"]);
    let mut silent = Client::greet(server.address).unwrap();
    // It is served as soon as the first one has left.
    let mut second = Client::greet(server.address).unwrap();
    silent.expect("421 4.4.2").unwrap();
    second.send("dev@lists.example.org", "x").unwrap();
    second.quit().unwrap();
}

/// Single bytes of a command do not extend the time limit.
#[test]
fn half_a_command_that_grows_is_sent_away_and_so_is_a_message_that_does_not() {
    let site = site(&[]);
    site.ok(&["config", "set", "lmtp.timeout", "500ms"]);
    let server = Server::start(&site, &["--intake-only"]);
    let mut growing = Client::greet(server.address).unwrap();
    let mut stalled = Client::greet(server.address).unwrap();
    stalled.say("MAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n").unwrap();
    for code in ["250", "250", "354"] {
        stalled.expect(code).unwrap();
    }
    let began = Instant::now();
    let typed = std::thread::spawn(move || {
        while began.elapsed() < PATIENCE && growing.say("X").is_ok() && stalled.say("x\r\n").is_ok()
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        (growing.expect("421 4.4.2"), stalled.expect("421 4.4.2"))
    });
    let (growing, stalled) = typed.join().unwrap();
    assert!(began.elapsed() < PATIENCE, "{growing:?} {stalled:?}");
    assert_eq!(site.files("in", "pck").len(), 0);
    Client::greet(server.address).unwrap().send("dev@lists.example.org", "x").unwrap();
}

#[test]
fn who_says_nothing_makes_room_for_others_long_before_its_time_is_over() {
    let site = site(&[]);
    site.ok(&["config", "set", "lmtp.timeout", "10min"]);
    site.ok(&["config", "set", "lmtp.connections", "3"]);
    let server = Server::start(&site, &["--intake-only"]);
    let mut silent: Vec<Client> = (0..2).map(|_| Client::greet(server.address).unwrap()).collect();
    let mut sending = Client::greet(server.address).unwrap();
    sending.say("MAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n").unwrap();
    for code in ["250", "250", "354"] {
        sending.expect(code).unwrap();
    }
    let mut late = Client::greet(server.address).unwrap();
    late.send("dev@lists.example.org", "late").unwrap();
    silent[0].expect("421 4.3.2").unwrap();
    // A client that is sending a message is not silent.
    sending.say("Subject: x\r\n\r\nx\r\n.\r\n").unwrap();
    sending.expect("250").unwrap();
    assert_eq!(site.files("in", "pck").len(), 2);
}

#[test]
fn new_settings_count_from_the_next_transaction_on() {
    let sink = Sink::builder().start();
    let site = site(&["anna@example.org"]);
    let server = Server::start(&site, &[]);
    let mut client = Client::greet(server.address).unwrap();
    client.send("dev@lists.example.org", "one").unwrap();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "intake.max_size", "2 KiB"]);
    // A running drain continues with the settings it started with.
    let is_taken = |_| {
        client.send("dev@lists.example.org", "two").unwrap();
        sink.wait_for(1, Duration::from_millis(1500))
    };
    assert!((0..100).any(is_taken));
    client.say("MAIL FROM:<a@b.example> SIZE=3000\r\n").unwrap();
    client.expect("552").unwrap();
    // Mail continues while somebody is writing the settings.
    std::fs::write(site.dir().join("dormouse.toml"), "host = ").unwrap();
    let before = sink.messages().len() as u64;
    client.send("dev@lists.example.org", "three").unwrap();
    assert!(sink.wait_for(before + 1, PATIENCE));
}

#[test]
fn a_socket_at_a_path_is_for_the_mta_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let site = site(&[]);
    let place = site.dir().join("lmtp.sock");
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let number = |name: &str| {
        let line = groups.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        line.split(':').nth(2)?.parse::<u32>().ok()
    };
    let is_root = rustix::process::geteuid().is_root();
    let mtas = ["postfix", "Debian-exim", "exim"].iter().find_map(|name| number(name));
    for (set, expected) in [("", mtas), ("mail", number("mail"))] {
        site.ok(&["config", "set", "lmtp.group", set]);
        let mut process = site.command(&["lmtp", "--listen", place.to_str().unwrap()]);
        let mut process = process.spawn().unwrap();
        let found = || std::fs::metadata(&place).ok();
        eventually("the socket", || std::os::unix::net::UnixStream::connect(&place).is_ok());
        eventually("its mode", || {
            found().is_some_and(|it| it.permissions().mode() & 0o777 == 0o660)
        });
        if let Some(expected) = expected.filter(|_| is_root) {
            eventually("its group", || found().is_some_and(|it| it.gid() == expected));
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

/// Keeps the socket open and starts a process for each connection, as systemd does.
fn supervise(site: &TestSite, listener: &TcpListener, over: &AtomicBool) -> u32 {
    let mut exits = 0;
    while !over.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(listener, PollFlags::IN)];
        let moment = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if poll(&mut ready, Some(&moment)).unwrap() == 0 {
            continue;
        }
        let passed: OwnedFd = listener.try_clone().unwrap().into();
        let status = site.command_with(passed, &["lmtp", "--intake-only"]).status().unwrap();
        assert!(status.success(), "{status}");
        exits += 1;
    }
    exits
}

/// `DORMOUSE_SESSIONS=10000` makes it a load test.
#[test]
fn nobody_is_refused_or_reset_while_processes_come_and_go() {
    const CLIENTS: u32 = 4;
    let sessions: u32 =
        std::env::var("DORMOUSE_SESSIONS").ok().map_or(240, |text| text.parse().unwrap());
    let site = site(&[]);
    site.ok(&["config", "set", "lmtp.idle", "20ms"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let over = AtomicBool::new(false);
    let number = AtomicU32::new(0);
    let together = Barrier::new(CLIENTS as usize);
    let exits = std::thread::scope(|scope| {
        let supervisor = scope.spawn(|| supervise(&site, &listener, &over));
        let (number, together) = (&number, &together);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || {
                    for session in 0..sessions / CLIENTS {
                        // All connect at the moment at which the process exits.
                        together.wait();
                        let pause = 18_000 + u64::from((session * 7 + client) % 90) * 100;
                        std::thread::sleep(Duration::from_micros(pause));
                        let mut connection = Client::greet(address).unwrap();
                        let mail = number.fetch_add(1, Ordering::Relaxed);
                        connection.send("dev@lists.example.org", &format!("mail{mail}")).unwrap();
                        connection.quit().unwrap();
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        over.store(true, Ordering::Relaxed);
        supervisor.join().unwrap()
    });
    assert_eq!(site.files("in", "pck").len() as u32, sessions / CLIENTS * CLIENTS);
    eprintln!("{sessions} sessions over {exits} processes");
    assert!(exits >= 5, "only {exits} processes: the end was not tried");
}

#[test]
fn lists_are_known_as_they_are_now_with_an_index_and_without() {
    let site = TestSite::in_a_file(DORMOUSE);
    site.plain_list("dev", &[]);
    let server = Server::start(&site, &["--intake-only"]);
    let mut client = Client::greet(server.address).unwrap();
    let mut accepts = |list: &str| {
        let recipient = format!("RCPT TO:<{list}@lists.example.org>");
        client.say(&format!("MAIL FROM:<a@example.org>\r\n{recipient}\r\nRSET\r\n")).unwrap();
        client.expect("250").unwrap();
        let reply = client.reply().unwrap();
        client.expect("250").unwrap();
        assert!(reply.starts_with("250 ") || reply.starts_with("550 5.1.1"), "{reply}");
        reply.starts_with("250 ")
    };
    let index = site.dir().join("intake.index");
    // A run writes it when the settings have been the same for a while.
    let settle = || {
        eventually("there is an index", || {
            site.post("dev", &message("a@example.org", "post", "x\n"));
            site.ok(&["run"]);
            index.exists()
        });
    };
    assert!(accepts("dev") && !accepts("tea"));
    settle();
    assert!(accepts("dev") && !accepts("tea"));
    site.plain_list("tea", &[]);
    assert!(!index.exists() && accepts("tea") && accepts("dev"));
    settle();
    assert!(accepts("tea") && accepts("tea-request") && accepts("dev"));
    site.ok(&["list", "rm", "tea", "--yes"]);
    assert!(!accepts("tea") && !accepts("tea-request") && accepts("dev"));
    settle();
    assert!(!accepts("tea") && accepts("dev"));
    std::fs::remove_file(&index).unwrap();
    assert!(!accepts("tea") && accepts("dev"));
}
