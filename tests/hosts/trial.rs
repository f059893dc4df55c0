//! Three hosts of one site, two of them behind a real Postfix, while processes are killed and the
//! database crashes and fails over to its streaming replica.
//!
//! `DORMOUSE_TRIAL=POSTS:MEMBERS` makes it larger; then it prints figures.

#[path = "trial/tally.rs"]
mod tally;

use super::DORMOUSE;
use dormouse_testkit::servers::{Account, Mta, Postfix, PostfixPrograms};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, message};
use dormouse_testkit::waiting::{PATIENCE, eventually_or};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tally::{Outcome, Tally};
use throwaway_postgres::Own;

const HOSTS: usize = 3;
/// The longest pause allowed after a kill; checked only in larger trials.
const STILL: Duration = Duration::from_secs(10);

fn size() -> Option<(usize, usize)> {
    let text = std::env::var("DORMOUSE_TRIAL").ok()?;
    let (posts, members) = text.split_once(':')?;
    Some((posts.parse().ok()?, members.parse().ok()?))
}

/// The events of the trial while posts arrive.
struct Trial<'t> {
    hosts: &'t [TestSite],
    /// The Postfix in front of each of the first hosts.
    fronts: &'t [Postfix<'t>],
    posts: usize,
    posted: AtomicUsize,
    kills: AtomicUsize,
    is_over: AtomicBool,
    /// The longest time from a kill to the next mail from any host.
    after_kill: Mutex<Duration>,
    killed: Mutex<Option<Instant>>,
    /// The longest time without mail while some was expected.
    still: Mutex<Duration>,
}

impl Trial<'_> {
    /// Posts a host's share, and repeats temporary refusals, as an MTA does.
    fn post(&self, host: usize) {
        for number in (host..self.posts).step_by(HOSTS) {
            let sender = format!("sender{host}@example.org");
            let post = message(&sender, &format!("post{number}"), "x\n");
            match self.fronts.get(host) {
                Some(postfix) => {
                    let answer = postfix.bring(&sender, "dev@lists.example.org", &post);
                    assert!(answer.starts_with("250"), "post{number}: {answer}");
                }
                None => self.pipe(host, &post),
            }
            self.posted.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn pipe(&self, host: usize, post: &[u8]) {
        let since = Instant::now();
        loop {
            let output = self.hosts[host].feed(&["post", "dev"], post);
            match output.status.code() {
                Some(0) => break,
                Some(75) if since.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                _ => panic!("{}", describe(&output)),
            }
        }
    }

    /// Runs a host's queues; most runs are killed somewhere.
    fn run(&self, host: usize) {
        let mut chance = Chance(host as u64 + 1);
        // The time until the kill; runs of a larger trial take longer.
        let within = if size().is_some() { 1_500 } else { 400 };
        while !self.is_over.load(Ordering::SeqCst) {
            self.killed_perhaps(host, &["run"], &mut chance, within);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command, and kills it in two of three cases. Returns whether it succeeded.
    fn killed_perhaps(&self, host: usize, args: &[&str], chance: &mut Chance, within: u64) -> bool {
        let mut run = self.hosts[host].command(args);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if chance.below(3) == 0 {
            return run.wait().unwrap().success();
        }
        std::thread::sleep(Duration::from_millis(chance.below(within)));
        run.kill().unwrap();
        self.kills.fetch_add(1, Ordering::SeqCst);
        self.killed.lock().unwrap().get_or_insert_with(Instant::now);
        run.wait().unwrap().success()
    }

    /// Runs a periodic job on every host in parallel, with kills, until each has completed it.
    fn job(&self, name: &str) {
        std::thread::scope(|scope| {
            for host in 0..HOSTS {
                scope.spawn(move || {
                    let (mut chance, since) = (Chance(host as u64 + 100), Instant::now());
                    while !self.killed_perhaps(host, &["cron", name], &mut chance, 60) {
                        assert!(since.elapsed() < PATIENCE, "{name} is never done");
                    }
                });
            }
        });
    }

    /// Measures how long no mail is sent.
    fn watch(&self, sink: &Sink) {
        let (mut seen, mut since) = (0, Instant::now());
        let longer = |longest: &Mutex<Duration>, time: Duration| {
            let mut longest = longest.lock().unwrap();
            *longest = (*longest).max(time);
        };
        while !self.is_over.load(Ordering::SeqCst) {
            let sent = sink.counts().transactions;
            if sent != seen {
                (seen, since) = (sent, Instant::now());
                if let Some(killed) = self.killed.lock().unwrap().take() {
                    longer(&self.after_kill, killed.elapsed());
                }
            }
            longer(&self.still, since.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for(&self, share: usize) {
        while self.posted.load(Ordering::SeqCst) < self.posts * share / 100 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until Postfix has delivered everything to the spools.
    fn wait_for_fronts(&self) {
        for postfix in self.fronts {
            eventually_or(
                "Postfix to hand everything over",
                || postfix.is_idle(),
                || postfix.log(),
            );
        }
    }
}

/// Pseudorandom numbers, the same in every trial.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % most
    }
}

/// Changes a host's owner, and starts a Postfix in front of it that retries often.
fn front<'p>(
    host: &mut TestSite,
    programs: &'p PostfixPrograms,
    owner: &Account,
    sink: &Sink,
) -> Postfix<'p> {
    host.give_to(owner);
    let postfix = Postfix::new(programs, sink);
    let lines = format!(
        "recipient_delimiter = +\nmydestination = $myhostname, lists.example.org\n\
         alias_maps = hash:{}/aliases\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n\
         queue_run_delay = 1s\nsmtpd_client_connection_rate_limit = 0",
        host.dir().display()
    );
    postfix.add("main.cf", &lines);
    let mut install = Command::new(host.binary());
    install.arg("--site").arg(host.dir()).args(["aliases", "--install"]);
    postfix.surrounds(&mut install);
    let output = install.output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    postfix.start()
}

/// Creates one list for all members, and one whose owner is reminded of a held post.
fn lists(host: &TestSite, members: usize) {
    let addresses: Vec<String> =
        (0..members).map(|number| format!("m{number}@example.net")).collect();
    let refs: Vec<&str> = addresses.iter().map(String::as_str).collect();
    host.plain_list("dev", &refs);
    let prefix = "subject_prefix=[dev %d] ";
    host.ok(&["list", "set", "dev", prefix, "digestable=yes", "digest_size_threshhold=5"]);
    host.ok(&["member", "add", "dev", "--welcome", "no", "digest@example.net"]);
    host.ok(&["member", "set", "dev", "digest@example.net", "digest=yes"]);
    host.plain_list("held", &[]);
    host.ok(&["list", "set", "held", "emergency=yes", "admin_immed_notify=no"]);
}

#[test]
fn three_hosts_lose_nothing_while_processes_die_and_the_database_fails_over() {
    let (posts, members) = size().unwrap_or((90, 20));
    let primary = match Own::start("", "host replication dormouse 127.0.0.1/32 trust") {
        Ok(primary) => primary,
        Err(problem) if problem.starts_with("install") => return skipped::skip(&problem),
        Err(problem) => panic!("{problem}"),
    };
    let replica = primary.replica(true).unwrap();
    let (one, two) = (primary.port, replica.port);
    let url = format!("postgres://dormouse@127.0.0.1:{one},127.0.0.1:{two}/postgres");
    let mut hosts: Vec<TestSite> = (0..HOSTS).map(|_| TestSite::on(DORMOUSE, &url)).collect();
    let tally = Arc::new(Tally::new(posts, members));
    let sink = Sink::builder().quick_ack(true);
    let sink = sink.handing_to({
        let tally = Arc::clone(&tally);
        move |mail| tally.take(mail)
    });
    let sink = sink.start();
    lists(&hosts[0], members);
    for host in &hosts {
        host.ok(&["config", "set", "delivery.url", &sink.url()]);
        host.ok(&["run"]);
    }
    // Without Postfix, mail comes through the pipe on all hosts.
    let programs = PostfixPrograms::find().zip(Account::find(&["list"]));
    let fronts: Vec<Postfix<'_>> = programs.iter().fold(Vec::new(), |_, (programs, owner)| {
        hosts[..2].iter_mut().map(|host| front(host, programs, owner, &sink)).collect()
    });
    let began = Instant::now();
    let trial = Trial {
        hosts: &hosts,
        fronts: &fronts,
        posts,
        posted: AtomicUsize::new(0),
        kills: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        after_kill: Mutex::default(),
        killed: Mutex::default(),
        still: Mutex::default(),
    };
    trouble(&trial, &sink, &primary, &replica);
    for host in &hosts {
        host.ok(&["run"]);
    }
    trial.job("senddigests");
    for host in &hosts {
        host.ok(&["run"]);
    }
    eprintln!("{posts} posts to {members} members in {:?}", began.elapsed());
    assert_eq!(sink.violations(), [""; 0]);
    check(&tally.outcome(posts), &trial);
}

/// Kills and failures while posts arrive.
fn trouble(trial: &Trial<'_>, sink: &Sink, primary: &Own, replica: &Own) {
    let held = message("stranger@example.com", "held", "x\n");
    trial.hosts[0].post("held", &held);
    trial.hosts[0].ok(&["run"]);
    std::thread::scope(|scope| {
        let posting: Vec<_> =
            (0..HOSTS).map(|host| scope.spawn(move || trial.post(host))).collect();
        for host in 0..HOSTS {
            scope.spawn(move || trial.run(host));
        }
        scope.spawn(|| trial.watch(sink));
        trial.wait_for(25);
        primary.crash().unwrap();
        primary.begin().unwrap();
        trial.job("checkdbs");
        trial.wait_for(60);
        primary.crash().unwrap();
        replica.promote().unwrap();
        trial.job("checkdbs");
        posting.into_iter().for_each(|thread| thread.join().unwrap());
        trial.wait_for_fronts();
        trial.is_over.store(true, Ordering::SeqCst);
    });
}

fn check(outcome: &Outcome, trial: &Trial<'_>) {
    let kills = trial.kills.load(Ordering::SeqCst);
    assert_eq!(outcome.missing, [""; 0], "none is lost");
    assert_eq!(outcome.unknown, [""; 0]);
    assert_eq!(outcome.needless, [""; 0], "only the transaction in flight is sent again");
    assert_eq!(outcome.numbers.len(), trial.posts);
    assert!(outcome.numbers.values().all(|numbers| numbers.len() == 1), "{:?}", outcome.numbers);
    let all: BTreeSet<usize> = outcome.numbers.values().flatten().copied().collect();
    assert_eq!(all.len(), trial.posts, "no number is given twice");
    let issues: BTreeSet<&String> = outcome.digests.iter().map(|digest| &digest.issue).collect();
    assert_eq!(issues.len(), outcome.digests.len(), "each issue is made once");
    let mut in_digests: Vec<&String> =
        outcome.digests.iter().flat_map(|digest| &digest.posts).collect();
    in_digests.sort();
    let once: BTreeSet<&&String> = in_digests.iter().collect();
    assert_eq!((in_digests.len(), once.len()), (trial.posts, trial.posts), "in one digest each");
    assert_eq!(outcome.notices.len(), 1, "the job was done once: {:?}", outcome.notices);
    let (after_kill, still) = (*trial.after_kill.lock().unwrap(), *trial.still.lock().unwrap());
    let again = outcome.digests.iter().map(|digest| digest.sent - 1).sum::<usize>();
    eprintln!(
        "{kills} processes killed, one crash of the database and one failover, {} of {HOSTS} hosts behind \
         Postfix; {} copies were sent twice; {} digests, of which {again} were sent twice; mail went on \
         within {after_kill:?} of a kill, and the longest time without was {still:?}",
        trial.fronts.len(),
        outcome.repeated,
        outcome.digests.len(),
    );
    if size().is_some() {
        assert!(after_kill < STILL, "{after_kill:?} after a kill");
    }
}
