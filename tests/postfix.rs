//! A real Postfix, in a directory of its own: mail comes in over LMTP and through a pipe, goes out
//! through its queue, and bounces to VERP addresses.
//!
//! It needs root and Debian's package `postfix` (installed, not running). `DORMOUSE_POSTFIX=DIR` takes
//! one that was unpacked into a directory.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const PATIENCE: Duration = Duration::from_secs(20);

/// Postfix's programs.
struct Installation {
    root: PathBuf,
    owner: u32,
    owner_name: String,
    group_name: String,
}

impl Installation {
    /// `None`, saying why, where there is none that could be used.
    fn find() -> Option<Installation> {
        let skip = |reason: &str| {
            eprintln!("skipped: {reason}");
            None
        };
        if !rustix::process::geteuid().is_root() {
            return skip("only root may run Postfix");
        }
        let root =
            std::env::var_os("DORMOUSE_POSTFIX").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        if !root.join("usr/lib/postfix/sbin/master").exists() {
            return skip("there is no Postfix (Debian's package postfix)");
        }
        // Where it is only unpacked its accounts do not exist; any that nobody uses will do.
        let id = |file: &str, names: &[&str]| {
            let text = fs::read_to_string(file).unwrap_or_default();
            names.iter().find_map(|name| {
                let line = text.lines().find(|line| line.starts_with(&format!("{name}:")))?;
                Some(((*name).to_owned(), line.split(':').nth(2)?.parse::<u32>().ok()?))
            })
        };
        let user = id("/etc/passwd", &["postfix", "uucp"]);
        let group = id("/etc/group", &["postdrop", "games"]);
        match (user, group) {
            (Some((owner_name, owner)), Some((group_name, _))) => {
                Some(Installation { root, owner, owner_name, group_name })
            }
            _ => skip("there is no account for Postfix"),
        }
    }

    fn path(&self, below: &str) -> String {
        self.root.join(below).display().to_string()
    }
}

/// A running Postfix, gone when dropped.
struct Postfix {
    home: TempDir,
    address: SocketAddr,
    master: Child,
}

impl Postfix {
    /// `transport` is where mail for `lists.example.org` goes; all other mail goes to `sink`.
    fn start(programs: &Installation, sink: &Sink, transport: &str, services: &str) -> Postfix {
        let home = TempDir::new().unwrap();
        let dir = home.path();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        let (queue, data) = (dir.join("spool"), dir.join("data"));
        let owned = "active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public";
        fs::create_dir_all(queue.join("pid")).unwrap();
        fs::create_dir(&data).unwrap();
        chown(&data, Some(programs.owner), None).unwrap();
        for name in owned.split(' ') {
            fs::create_dir(queue.join(name)).unwrap();
            fs::set_permissions(queue.join(name), fs::Permissions::from_mode(0o700)).unwrap();
            chown(queue.join(name), Some(programs.owner), None).unwrap();
        }
        let config = dir.join("etc");
        fs::create_dir(&config).unwrap();
        // Free at this moment, which is as good as it gets.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sink_port = sink.url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
        fs::write(
            config.join("main.cf"),
            format!(
                "compatibility_level = 3.6\n\
                 queue_directory = {queue}\ndata_directory = {data}\n\
                 daemon_directory = {daemons}\ncommand_directory = {commands}\n\
                 shlib_directory = {libraries}\nmeta_directory = {config}\n\
                 mail_owner = {owner}\nsetgid_group = {group}\n\
                 maillog_file = {dir}/log\nmaillog_file_prefixes = {dir}\n\
                 inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\ndisable_dns_lookups = yes\n\
                 smtp_host_lookup = native\nmyhostname = mx.test.example\nmydestination =\n\
                 mynetworks = 127.0.0.0/8\nalias_maps =\nlocal_recipient_maps =\n\
                 relay_domains = lists.example.org\n\
                 transport_maps = inline:{{ lists.example.org={transport} }}\n\
                 default_transport = smtp:[127.0.0.1]:{sink_port}\n\
                 relay_transport = smtp:[127.0.0.1]:{sink_port}\n\
                 dormouse_destination_recipient_limit = 1\n\
                 smtpd_authorized_verp_clients = 127.0.0.1\nrecipient_delimiter = +\n\
                 smtp_tls_security_level = none\nsmtpd_tls_security_level = none\n\
                 export_environment = MAIL_CONFIG TZ LANG LD_LIBRARY_PATH\n\
                 import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG LD_LIBRARY_PATH\n",
                queue = queue.display(),
                data = data.display(),
                daemons = programs.path("usr/lib/postfix/sbin"),
                commands = programs.path("usr/sbin"),
                libraries = programs.path("usr/lib/postfix"),
                config = config.display(),
                owner = programs.owner_name,
                group = programs.group_name,
                dir = dir.display(),
            ),
        )
        .unwrap();
        let mut master = format!("{address} inet n - n - - smtpd\n");
        for line in [
            "pickup unix n - n 60 1 pickup",
            "cleanup unix n - n - 0 cleanup",
            "qmgr unix n - n 300 1 qmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "proxymap unix - - n - - proxymap",
            "smtp unix - - n - - smtp",
            "lmtp unix - - n - - lmtp",
            "error unix - - n - - error",
            "retry unix - - n - - error",
            "anvil unix - - n - 1 anvil",
            "scache unix - - n - 1 scache",
            "postlog unix-dgram n - n - 1 postlogd",
        ] {
            master.push_str(line);
            master.push('\n');
        }
        master.push_str(services);
        fs::write(config.join("master.cf"), master).unwrap();
        let mut libraries = programs.path("usr/lib/postfix");
        if let Ok(others) = std::env::var("LD_LIBRARY_PATH") {
            libraries.push_str(&format!(":{others}"));
        }
        let master = Command::new(programs.path("usr/lib/postfix/sbin/master"))
            .args(["-d", "-c"])
            .arg(&config)
            .env("LD_LIBRARY_PATH", libraries)
            .env("MAIL_CONFIG", &config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let postfix = Postfix { home, address, master };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "Postfix does not start: {}", postfix.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        postfix
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Brings it a mail, as another mail server would.
    fn bring(&self, recipient: &str, mail: &[u8]) {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let text = String::from_utf8_lossy(mail).replace('\n', "\r\n");
        let steps = [
            ("", "220"),
            ("EHLO test.example\r\n", "250"),
            ("MAIL FROM:<anna@example.org>\r\n", "250"),
            (&format!("RCPT TO:<{recipient}>\r\n"), "250"),
            ("DATA\r\n", "354"),
            (&format!("{text}\r\n.\r\n"), "250"),
            ("QUIT\r\n", "221"),
        ];
        for (said, expected) in steps {
            (&stream).write_all(said.as_bytes()).unwrap();
            let answer = loop {
                let Some(Ok(line)) = lines.next() else {
                    panic!("no answer to {said}: {}", self.log())
                };
                if line.as_bytes().get(3) != Some(&b'-') {
                    break line;
                }
            };
            assert!(answer.starts_with(expected), "{said}: {answer}\n{}", self.log());
        }
    }

    fn eventually(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "waited in vain for {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Its master ends its daemons when it is asked to end.
        if let Some(pid) = rustix::process::Pid::from_raw(self.master.id() as i32) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _reaped = self.master.wait();
    }
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A mail server that refuses one recipient.
fn sink() -> Sink {
    Sink::builder()
        .reply(|event| {
            let refused = event.recipient()? == "gone@example.net";
            refused.then(|| "550 5.1.1 no such user".to_owned())
        })
        .start()
}

fn site_with(members: &[&str]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", members);
    site.ok(&["config", "set", "delivery.verp_interval", "1"]);
    site
}

#[test]
fn over_lmtp_a_post_goes_round_and_a_bounce_comes_back_to_its_verp_address() {
    let Some(programs) = Installation::find() else { return };
    let sink = sink();
    let site = site_with(&["anna@example.org", "bert@example.net", "gone@example.net"]);
    let ours = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let postfix = Postfix::start(&programs, &sink, &format!("lmtp:inet:{ours}"), "");
    site.ok(&["config", "set", "delivery.url", &postfix.url()]);
    let lmtp = site.command(&["lmtp", "--listen", &ours.to_string()]).stdout(Stdio::null()).spawn();
    let _lmtp = Ends(lmtp.unwrap());
    postfix.bring("dev@lists.example.org", &message("anna@example.org", "round", "x\n"));
    postfix.eventually("both members", || sink.messages().len() >= 2);
    // By its VERP address the bounce is known to be this member's.
    postfix.eventually("the bounce", || {
        let bounces = site.ok(&["member", "bounces", "dev", "--json"]);
        bounces.contains("gone@example.net") && bounces.contains("5.1.1")
    });
    let mut senders: Vec<String> = sink.messages().into_iter().map(|mail| mail.sender).collect();
    senders.sort();
    assert_eq!(
        senders,
        [
            "dev-bounces+anna=example.org@lists.example.org",
            "dev-bounces+bert=example.net@lists.example.org"
        ]
    );
}

#[test]
fn through_the_pipe_mail_is_kept_and_for_nobody_it_bounces() {
    let Some(programs) = Installation::find() else { return };
    let sink = sink();
    let site = site_with(&["anna@example.org"]);
    // The pipe runs as an account of its own, to which the site belongs then.
    let nobody = 65_534;
    let copy = site.dir().parent().unwrap().join("dormouse");
    fs::copy(DORMOUSE, &copy).unwrap();
    give_away(site.dir().parent().unwrap(), nobody);
    let service = format!(
        "dormouse unix - n n - 4 pipe\n  flags=q user=nobody argv={} --site {} deliver --sender ${{sender}} ${{recipient}}\n",
        copy.display(),
        site.dir().display()
    );
    let postfix = Postfix::start(&programs, &sink, "dormouse:", &service);
    postfix.bring("dev@lists.example.org", &message("anna@example.org", "piped", "x\n"));
    postfix.eventually("the entry", || site.files("in", "pck").len() == 1);
    // 67 is a bounce at once, to the sender and through the sink.
    postfix.bring("unknown@lists.example.org", &message("anna@example.org", "lost", "x\n"));
    postfix.eventually("the bounce", || sink.messages().iter().any(|mail| mail.sender.is_empty()));
    site.ok(&["config", "set", "delivery.url", &postfix.url()]);
    site.ok(&["run"]);
    postfix.eventually("the member", || {
        sink.messages().iter().any(|mail| mail.sender.contains("anna=example.org"))
    });
}

/// Gives a directory and everything in it to an account.
fn give_away(dir: &Path, user: u32) {
    chown(dir, Some(user), Some(user)).unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            give_away(&entry.path(), user);
        } else {
            chown(entry.path(), Some(user), Some(user)).unwrap();
        }
    }
}
