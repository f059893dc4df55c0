//! Every queue in every arrangement under a real systemd, while arrangements are changed and
//! processes are killed: every entry is processed once. And nothing runs when there is nothing to
//! do.

use dormouse_spool::{Metadata, Queue, Spool};
use dormouse_testkit::news::NewsServer;
use dormouse_testkit::sink::{Received, Sink};
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::surroundings::{in_manager, in_memory, systemctl};
use dormouse_testkit::waiting::{PATIENCE, eventually, eventually_or};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// The queues that have a runner, each of which gets separate entries.
const QUEUES: [Queue; 8] = [
    Queue::In,
    Queue::Commands,
    Queue::Bounces,
    Queue::Virgin,
    Queue::News,
    Queue::Out,
    Queue::Archive,
    Queue::Retry,
];
const WAYS: [&str; 4] = ["on-demand", "timer 1s", "resident 2", "off"];
/// Entries for each queue in each arrangement.
const ENTRIES: usize = 50;
const VOUCHER: &str = "mx.example.org";
/// After this many entries the arrangement is changed.
const CHANGE: usize = 10;

/// Processes of the command in this namespace.
fn processes() -> Vec<Pid> {
    files_in("/proc".as_ref())
        .iter()
        .filter_map(|pid| {
            Some((pid.parse().ok()?, fs::read_to_string(format!("/proc/{pid}/comm")).ok()?))
        })
        .filter(|(_, name)| name.starts_with("dormouse"))
        .filter_map(|(pid, _)| Pid::from_raw(pid))
        .collect()
}

/// Returns a mark for an entry, with the queue, the round and a number, to recognize it wherever it
/// arrives.
fn mark(queue: Queue, round: usize, number: usize) -> String {
    format!("entry-{queue}-{round}-{number}.")
}

fn marks_in(text: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(text)
        .split("entry-")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('.')?.0))
        // Addresses derived from a mark have other characters, and do not count.
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        .map(|name| format!("entry-{name}."))
        .collect()
}

fn entry(queue: Queue, mark: &str) -> (Vec<u8>, Metadata) {
    let mut metadata = Metadata::new();
    metadata.set_text("listname", "dev");
    let name = mark.trim_end_matches('.');
    let somebody = format!("{name}@example.com");
    let (from, subject, body) = match queue {
        Queue::Commands => {
            metadata.set_int("torequest", 1);
            metadata.set_text("envelope_recipient", "dev-request@lists.example.org");
            (somebody.as_str(), "x".to_owned(), format!("echo {mark}\n"))
        }
        // An unrecognized bounce goes to the owners.
        Queue::Bounces => ("MAILER-DAEMON@example.com", mark.to_owned(), "Alas.\n".to_owned()),
        _ => ("anna@example.org", mark.to_owned(), "x\n".to_owned()),
    };
    match queue {
        Queue::In => metadata.set_int("tolist", 1),
        Queue::Virgin | Queue::Out | Queue::Retry => {
            metadata.set_texts("recips", [somebody.as_str()]);
            metadata.set_text("envsender", "dev-bounces@lists.example.org");
            metadata.set_int("nodecorate", 1);
        }
        _ => {}
    }
    let text = message(from, &subject, &body);
    let text = String::from_utf8(text).unwrap();
    // Each entry has a unique message, also for archives and newsgroups; and `echo` replies only to
    // authenticated senders.
    let vouched =
        format!("Authentication-Results: {VOUCHER}; dmarc=pass header.from=example.com\n");
    (format!("{vouched}{}", text.replace("<x@", &format!("<{name}@"))).into_bytes(), metadata)
}

/// A site whose posts go to all destinations, and its environment.
struct World {
    site: TestSite,
    spool: Spool,
    sink: Sink,
    news: NewsServer,
}

impl World {
    fn new() -> World {
        let sink = Sink::builder().start();
        let news = NewsServer::start(|_| None);
        let site = TestSite::new_in(DORMOUSE, &in_memory());
        site.ok(&["config", "set", "delivery.url", &sink.url()]);
        site.ok(&["config", "set", "notices.authserv_id", VOUCHER]);
        site.plain_list("dev", &["anna@example.org"]);
        let host = format!("nntp_host={}", news.address());
        let gateway = ["gateway_to_news=yes", "linked_newsgroup=local.dev", &host];
        site.ok(&[&["list", "set", "dev", "archive=yes", "digestable=no"], &gateway[..]].concat());
        let world = World { spool: Spool::new(site.queue("")), site, sink, news };
        let soon = "[Service]\nRestartSec=200ms\n";
        world.drop_in("dormouse.service", soon);
        world.drop_in("dormouse-.service", soon);
        let often = "[Timer]\nOnCalendar=*:*:*\nAccuracySec=1ms\n";
        world.drop_in("dormouse-sweep.timer", often);
        world
    }

    /// Shortens the intervals of a unit for the test.
    fn drop_in(&self, unit: &str, text: &str) {
        let dir = installed_units().join(format!("{unit}.d"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("test.conf"), text).unwrap();
    }

    fn arrange(&self, ways: &[(Queue, &str)]) {
        for (queue, how) in ways {
            self.site.ok(&["config", "set", &format!("runners.{queue}"), how]);
            if *queue == Queue::Retry {
                let at_once = "[Timer]\nOnActiveSec=\nOnActiveSec=500ms\nAccuracySec=1ms\n";
                let text = if *how == "on-demand" { at_once } else { "" };
                self.drop_in("dormouse-retry.timer", text);
            }
        }
        self.site.ok(&["units", "install", "--user"]);
    }

    fn left_in(&self, queue: Queue) -> Vec<String> {
        let mut files = files_in(&self.site.queue(queue.name()));
        files.retain(|name| !name.starts_with('.'));
        files
    }

    fn left(&self) -> String {
        let left = Queue::ALL.into_iter().filter_map(|queue| {
            let files = self.left_in(queue);
            (!files.is_empty()).then(|| format!("{queue}: {}", files.join(" ")))
        });
        left.collect::<Vec<_>>().join("\n")
    }

    /// Counts how often each marked entry arrived in one place.
    fn counted(texts: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for mark in texts.into_iter().flat_map(|text| marks_in(&text)) {
            *times.entry(mark).or_default() += 1;
        }
        times
    }
}

#[test]
fn every_queue_in_every_arrangement_does_what_comes_once_through_changes_and_kills() {
    in_manager(
        "every_queue_in_every_arrangement_does_what_comes_once_through_changes_and_kills",
        || {
            let world = World::new();
            let mut dice = 12_345_u64;
            let mut roll = |below: usize| {
                dice = dice
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) as usize % below
            };
            let mut kills = 0;
            for round in 0..WAYS.len() {
                let ways: Vec<(Queue, &str)> = QUEUES
                    .into_iter()
                    .enumerate()
                    .map(|(index, queue)| (queue, WAYS[(index + round) % WAYS.len()]))
                    .collect();
                let off: Vec<Queue> =
                    ways.iter().filter(|(_, how)| *how == "off").map(|(queue, _)| *queue).collect();
                let mut kept = Vec::new();
                for number in 0..ENTRIES {
                    if number == CHANGE {
                        world.arrange(&ways);
                    }
                    for queue in QUEUES {
                        let (text, metadata) = entry(queue, &mark(queue, round, number));
                        let name = world.spool.enqueue(queue, &text, &metadata).unwrap();
                        if number >= CHANGE && off.contains(&queue) {
                            kept.push((queue, format!("{name}.pck")));
                        }
                    }
                    std::thread::sleep(Duration::from_millis(roll(20) as u64));
                    let running = processes();
                    if number % 4 == 3 && !running.is_empty() {
                        // It may have exited already.
                        let pid = running[roll(running.len())];
                        kills += usize::from(kill_process(pid, Signal::KILL).is_ok());
                    }
                }
                eventually_or(
                    "the queues to be worked off",
                    || {
                        QUEUES
                            .iter()
                            .all(|queue| off.contains(queue) || world.left_in(*queue).is_empty())
                    },
                    || format!("round {round}, {ways:?}:\n{}", world.left()),
                );
                let waiting: BTreeSet<String> =
                    off.iter().flat_map(|queue| world.left_in(*queue)).collect();
                for (queue, name) in kept {
                    assert!(
                        waiting.contains(&name),
                        "round {round}: {queue} is off, but {name} is gone"
                    );
                }
            }
            world.arrange(&QUEUES.map(|queue| (queue, "on-demand")));
            eventually_or(
                "everything to be worked off",
                || world.left().is_empty(),
                || world.left(),
            );
            eventually("every process to be gone", || processes().is_empty());
            // systemd reports a killed sweep as failed until that is reset.
            systemctl(&["reset-failed", "dormouse*"]);
            let checked = world.site.run(&["units", "check", "--user"]);
            assert!(checked.status.success(), "{}", describe(&checked));
            let all = |queue: Queue| -> BTreeSet<String> {
                let each = (0..WAYS.len())
                    .flat_map(|round| (0..ENTRIES).map(move |number| (round, number)));
                each.map(|(round, number)| mark(queue, round, number)).collect()
            };
            let of = |queues: &[Queue]| -> BTreeSet<String> {
                queues.iter().flat_map(|queue| all(*queue)).collect()
            };
            let once =
                |place: &str, times: &BTreeMap<String, usize>, expected: &BTreeSet<String>| {
                    let found: BTreeSet<String> = times.keys().cloned().collect();
                    let lost: Vec<_> = expected.difference(&found).collect();
                    let more: Vec<_> = found.difference(expected).collect();
                    assert!(
                        lost.is_empty() && more.is_empty(),
                        "{place}: lost {lost:?}, never meant {more:?}"
                    );
                };
            let never_twice = |place: &str, times: &BTreeMap<String, usize>| {
                let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
                assert!(twice.is_empty(), "{place}: {twice:?}");
            };
            let articles = world.news.articles().into_iter().map(String::into_bytes);
            let articles = World::counted(articles);
            once("news", &articles, &of(&[Queue::In, Queue::News]));
            never_twice("news", &articles);

            let archive = world.site.dir().join("archives/private/dev.mbox/dev.mbox");
            let archive = fs::read_to_string(archive).unwrap();
            let posts = archive.split("\nFrom ").map(|post| post.as_bytes().to_vec());
            let archived = World::counted(posts);
            once("the archive", &archived, &of(&[Queue::In, Queue::Archive]));
            never_twice("the archive", &archived);

            let mails = World::counted(world.sink.messages().into_iter().map(|mail| mail.data));
            let sent: Vec<Queue> = QUEUES
                .into_iter()
                .filter(|queue| !matches!(queue, Queue::News | Queue::Archive))
                .collect();
            once("mail", &mails, &of(&sent));
            let same =
                |mail: &Received| format!("{:?} to {:?}", marks_in(&mail.data), mail.recipients);
            let repeated = world.sink.needless_repeats(same);
            assert!(repeated.is_empty(), "mail: {repeated:?}");
            assert!(kills > 10, "{kills} kills");
            let doubts: usize = mails.values().map(|times| times - 1).sum();
            eprintln!("{kills} kills, {doubts} mails sent again that were in doubt");
        },
    );
}

/// Returns the start times of services, which do not change while nothing is started.
fn starts() -> BTreeMap<String, String> {
    show("service", &["InvocationID", "ExecMainStartTimestampMonotonic", "NRestarts"])
}

/// Returns when each timer last elapsed.
fn elapses() -> BTreeMap<String, String> {
    show("timer", &["LastTriggerUSecMonotonic"])
}

/// Returns properties of all installed units of a kind.
fn show(kind: &str, properties: &[&str]) -> BTreeMap<String, String> {
    let ending = format!(".{kind}");
    let mut units = files_in(&installed_units());
    units.retain(|name| name.ends_with(&ending) && !name.contains("@."));
    let properties = format!("--property={}", properties.join(","));
    units.into_iter().map(|unit| (unit.clone(), systemctl(&["show", &properties, &unit]))).collect()
}

fn installed_units() -> PathBuf {
    PathBuf::from(std::env::var_os("XDG_CONFIG_HOME").unwrap()).join("systemd/user")
}

/// Returns how often the manager's process has been woken.
fn wake_ups(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

/// `DORMOUSE_IDLE_SECONDS` sets how long it observes.
#[test]
fn when_there_is_nothing_to_do_nothing_runs_and_nobody_is_woken() {
    in_manager("when_there_is_nothing_to_do_nothing_runs_and_nobody_is_woken", || {
        let seconds =
            std::env::var("DORMOUSE_IDLE_SECONDS").map_or(3, |text| text.parse().unwrap());
        let sink = Sink::builder().start();
        let site = TestSite::new(DORMOUSE);
        site.ok(&["config", "set", "delivery.url", &sink.url()]);
        site.plain_list("dev", &["anna@example.org"]);
        // Everything that can be started on demand.
        let sockets = [("lmtp", "lmtp.sock"), ("web", "web.sock")];
        for (what, file) in sockets {
            let path = site.dir().join(file);
            site.ok(&["config", "set", &format!("{what}.listen"), path.to_str().unwrap()]);
        }
        site.ok(&["units", "install", "--user"]);
        site.post("dev", &message("anna@example.org", "hello", "x\n"));
        assert!(sink.wait_for(1, PATIENCE));
        let is_asleep = || {
            processes().is_empty()
                && systemctl(&[
                    "list-units",
                    "--plain",
                    "--no-legend",
                    "--state=activating",
                    "dormouse*",
                ])
                .is_empty()
        };
        eventually("the drain to end", is_asleep);
        let manager = std::env::var("MANAGER_PID").unwrap();
        let (started, elapsed) = (starts(), elapses());
        assert!(started.len() >= 8 && elapsed.len() >= 6, "{started:?} {elapsed:?}");
        let woken = wake_ups(&manager);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let running = processes();
            assert!(running.is_empty(), "{running:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let woken = wake_ups(&manager) - woken;
        assert_eq!(starts(), started);
        let now = elapses();
        let timers: Vec<_> = now.keys().filter(|timer| now[*timer] != elapsed[*timer]).collect();
        eprintln!(
            "{seconds} s: no process, {woken} wake-ups of the manager, timers elapsed: {timers:?}"
        );
        // When the sweep's timer elapses, the manager checks its condition.
        assert!(timers.iter().all(|timer| timer.contains("sweep")), "{timers:?}");
        assert!(woken <= 4 + 8 * timers.len() as u64, "{woken} for {timers:?}");
    });
}
