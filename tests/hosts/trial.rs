//! Three hosts of one site, while processes are killed, the database crashes and fails over to its
//! streaming replica.
//!
//! `DORMOUSE_TRIAL=POSTS:MEMBERS` makes it larger; it prints its figures.

use super::DORMOUSE;
use dormouse_testkit::sink::{Received, Sink};
use dormouse_testkit::site::{TestSite, describe, message};
use dormouse_testkit::waiting::PATIENCE;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use throwaway_postgres::Own;

const HOSTS: usize = 3;

fn size() -> (usize, usize) {
    let text = std::env::var("DORMOUSE_TRIAL").unwrap_or_default();
    let parts = text.split_once(':');
    parts
        .and_then(|(posts, members)| Some((posts.parse().ok()?, members.parse().ok()?)))
        .unwrap_or((90, 20))
}

fn subject(mail: &Received) -> String {
    let text = String::from_utf8_lossy(&mail.data);
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned()
}

/// What the trial does to the site while posts come.
struct Trial<'t> {
    hosts: &'t [TestSite],
    posts: usize,
    posted: AtomicUsize,
    kills: AtomicUsize,
    is_over: AtomicBool,
    /// The longest time from a kill to the next run on that host that did what was left.
    longest: Mutex<Duration>,
    /// The longest time without a mail while some were to come.
    still: Mutex<Duration>,
}

impl Trial<'_> {
    /// Posts a host's share, and again whatever is refused for now, as an MTA does.
    fn post(&self, host: usize) {
        for number in (host..self.posts).step_by(HOSTS) {
            let post =
                message(&format!("sender{host}@example.org"), &format!("post{number}"), "x\n");
            let since = Instant::now();
            loop {
                let output = self.hosts[host].feed(&["post", "dev"], &post);
                match output.status.code() {
                    Some(0) => break,
                    Some(75) if since.elapsed() < PATIENCE => {
                        std::thread::sleep(Duration::from_millis(100));
                    }
                    _ => panic!("post{number}: {}", describe(&output)),
                }
            }
            self.posted.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Runs a host's queues; every second run is killed somewhere.
    fn run(&self, host: usize) {
        let mut state = host as u64 + 1;
        // Another wait each time, and the same in every trial.
        let mut below = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % most
        };
        let mut killed: Option<Instant> = None;
        while !self.is_over.load(Ordering::SeqCst) {
            let mut run = self.hosts[host].command(&["run"]);
            let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            if below(2) == 0 {
                std::thread::sleep(Duration::from_millis(below(400)));
                run.kill().unwrap();
                run.wait().unwrap();
                self.kills.fetch_add(1, Ordering::SeqCst);
                killed.get_or_insert_with(Instant::now);
            } else if run.wait().unwrap().success()
                && let Some(since) = killed.take()
            {
                let mut longest = self.longest.lock().unwrap();
                *longest = (*longest).max(since.elapsed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Watches for how long no mail leaves.
    fn watch(&self, sink: &Sink) {
        let (mut seen, mut since) = (0, Instant::now());
        while !self.is_over.load(Ordering::SeqCst) {
            let sent = sink.counts().transactions;
            if sent != seen {
                (seen, since) = (sent, Instant::now());
            }
            let mut still = self.still.lock().unwrap();
            *still = (*still).max(since.elapsed());
            drop(still);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_for(&self, share: usize) {
        while self.posted.load(Ordering::SeqCst) < self.posts * share / 100 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn three_hosts_lose_nothing_while_processes_die_and_the_database_fails_over() {
    let (posts, members) = size();
    let primary = match Own::start("", "host replication dormouse 127.0.0.1/32 trust") {
        Ok(primary) => primary,
        Err(problem) if problem.starts_with("install") => return skipped::skip(&problem),
        Err(problem) => panic!("{problem}"),
    };
    let replica = primary.replica(true).unwrap();
    let (one, two) = (primary.port, replica.port);
    let url = format!("postgres://dormouse@127.0.0.1:{one},127.0.0.1:{two}/postgres");
    let hosts: Vec<TestSite> = (0..HOSTS).map(|_| TestSite::on(DORMOUSE, &url)).collect();
    let sink = Sink::builder().start();
    let addresses: Vec<String> =
        (0..members).map(|number| format!("m{number}@example.net")).collect();
    let refs: Vec<&str> = addresses.iter().map(String::as_str).collect();
    hosts[0].plain_list("dev", &refs);
    hosts[0].ok(&[
        "list",
        "set",
        "dev",
        "subject_prefix=[dev %d] ",
        "digestable=yes",
        "digest_size_threshhold=5",
    ]);
    hosts[0].ok(&["member", "add", "dev", "--welcome", "no", "digest@example.net"]);
    hosts[0].ok(&["member", "set", "dev", "digest@example.net", "digest=yes"]);
    for host in &hosts {
        host.ok(&["config", "set", "delivery.url", &sink.url()]);
        host.ok(&["run"]);
    }
    let began = Instant::now();
    let trial = Trial {
        hosts: &hosts,
        posts,
        posted: AtomicUsize::new(0),
        kills: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        longest: Mutex::default(),
        still: Mutex::default(),
    };
    std::thread::scope(|scope| {
        let posting: Vec<_> = (0..HOSTS)
            .map(|host| {
                let trial = &trial;
                scope.spawn(move || trial.post(host))
            })
            .collect();
        for host in 0..HOSTS {
            let trial = &trial;
            scope.spawn(move || trial.run(host));
        }
        scope.spawn(|| trial.watch(&sink));
        trial.wait_for(25);
        primary.crash().unwrap();
        primary.begin().unwrap();
        trial.wait_for(60);
        primary.crash().unwrap();
        replica.promote().unwrap();
        posting.into_iter().for_each(|thread| thread.join().unwrap());
        trial.is_over.store(true, Ordering::SeqCst);
    });
    for host in &hosts {
        host.ok(&["run"]);
    }
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| host.ok(&["cron", "senddigests"]));
        }
    });
    for host in &hosts {
        host.ok(&["run"]);
    }
    check(&sink, posts, &addresses, &trial);
    eprintln!(
        "{posts} posts to {members} members on {HOSTS} hosts in {:?}; {} processes killed, one crash of the \
         database and one failover; after a kill a host was done within {:?}; the longest time without a mail was {:?}",
        began.elapsed(),
        trial.kills.load(Ordering::SeqCst),
        trial.longest.lock().unwrap(),
        trial.still.lock().unwrap()
    );
}

fn check(sink: &Sink, posts: usize, addresses: &[String], trial: &Trial<'_>) {
    assert_eq!(sink.violations(), [""; 0]);
    let mut copies: BTreeMap<String, HashMap<String, usize>> = BTreeMap::new();
    let (mut issues, mut in_digests) = (Vec::new(), BTreeMap::<String, usize>::new());
    for mail in sink.messages() {
        let subject = subject(&mail);
        if subject.contains("Digest, Vol") {
            let body = String::from_utf8_lossy(&mail.data).into_owned();
            let posts =
                body.lines().filter(|line| line.starts_with("Subject: ") && line.contains("post"));
            for post in posts.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()) {
                *in_digests.entry(post).or_default() += 1;
            }
            issues.push(subject);
            continue;
        }
        let seen = copies.entry(subject).or_default();
        for recipient in &mail.recipients {
            *seen.entry(recipient.clone()).or_default() += 1;
        }
    }
    // Each post under one number, and each number for one post.
    let mut numbers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for subject in copies.keys() {
        let (number, post) = subject.split_once("] ").unwrap_or(("", subject));
        numbers.entry(post).or_default().insert(number);
    }
    assert_eq!(numbers.len(), posts, "none is lost");
    let all: BTreeSet<&str> = numbers.values().flatten().copied().collect();
    assert!(numbers.values().all(|numbers| numbers.len() == 1), "{numbers:?}");
    assert_eq!(all.len(), posts, "no number is given twice");
    let mut repeated = 0;
    for (subject, seen) in &copies {
        for address in addresses {
            let times = seen.get(address).copied().unwrap_or(0);
            assert!(times >= 1, "{subject} did not reach {address}");
            repeated += usize::from(times > 1);
        }
    }
    let kills = trial.kills.load(Ordering::SeqCst);
    // A process that dies may repeat the transaction in flight of each of its connections.
    let most = kills * 500 * 8;
    assert!(repeated <= most, "{repeated} copies twice after {kills} kills");
    let unique: BTreeSet<&String> = issues.iter().collect();
    assert!(
        !issues.is_empty() && in_digests.len() == posts,
        "{} posts in digests",
        in_digests.len()
    );
    assert!(issues.len() - unique.len() <= kills, "{issues:?}");
    eprintln!("{repeated} copies were sent twice; {} issues of the digest", unique.len());
}
