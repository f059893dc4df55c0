//! Every arrangement of runners without systemd: which process processes which queue, and which is
//! restarted after it was killed. (With systemd: tests/systemd.rs.)

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::surroundings::on_small_disk;
use dormouse_testkit::waiting::{PATIENCE, eventually, go_on, until_stopped};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// A resident process that is killed at the end of the test.
struct Resident(Child);

impl Resident {
    fn start(site: &TestSite, args: &[&str]) -> Resident {
        Resident(site.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32).unwrap()
    }

    fn ends_well(mut self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let mut status = None;
        eventually("its end", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "{status:?}");
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn site(members: &[&str], arrangements: &[(&str, &str)]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", members);
    for (queue, how) in arrangements {
        site.ok(&["config", "set", &format!("runners.{queue}"), how]);
    }
    site
}

fn post(site: &TestSite, subject: &str) {
    site.post("dev", &message("anna@example.org", subject, "x\n"));
}

fn delivered(site: &TestSite) -> usize {
    site.maildir("anna@example.org").len()
}

#[test]
fn a_run_processes_the_given_queues_and_none_that_are_off() {
    let site = site(&["anna@example.org"], &[("out", "off")]);
    post(&site, "one");
    site.ok(&["run"]);
    assert_eq!((site.files("in", "pck").len(), site.files("out", "pck").len()), (0, 1));
    post(&site, "two");
    site.ok(&["run", "--queue", "out"]);
    assert_eq!((site.files("in", "pck").len(), delivered(&site)), (1, 1));
    let doctor = site.run(&["doctor", "--json"]);
    assert!(
        !String::from_utf8_lossy(&doctor.stdout).contains("which is off"),
        "nothing waits there"
    );
    let output = site.run(&["run", "--queue", "inn"]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("no queue is named"),
        "{}",
        describe(&output)
    );
    let output = site.run(&["config", "set", "runners.in", "sometimes"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("on-demand"), "{}", describe(&output));
}

/// Otherwise a service manager would wait 15 s before it restarts a run that has left something.
#[test]
fn what_comes_after_the_last_look_is_processed_by_the_same_run() {
    let site = site(&["anna@example.org"], &[]);
    post(&site, "one");
    let mut run = site.command(&["run"]).env("DORMOUSE_STOP", "drain.emptied").spawn().unwrap();
    until_stopped(&run);
    post(&site, "two");
    go_on(&run);
    assert!(run.wait().unwrap().success());
    assert_eq!(delivered(&site), 2);
}

#[test]
fn resident_runners_share_a_queue_and_end_when_told() {
    let site = site(&["anna@example.org"], &[]);
    for number in 0..10 {
        post(&site, &format!("early{number}"));
    }
    let incoming = Resident::start(&site, &["runner", "in", "--slices", "2"]);
    let halves =
        ["0/2", "1/2"].map(|half| Resident::start(&site, &["runner", "out", "--slice", half]));
    eventually("what waited", || delivered(&site) == 10);
    for number in 0..10 {
        post(&site, &format!("late{number}"));
    }
    eventually("what came", || delivered(&site) == 20);
    incoming.ends_well();
    halves.into_iter().for_each(Resident::ends_well);
    for queue in ["in", "out", "shunt", "bad"] {
        assert!(files_in(&site.queue(queue)).is_empty(), "{queue}");
    }
}

#[test]
fn the_watch_starts_runs_and_knows_when_a_retry_is_due() {
    let site = site(&["anna@example.org"], &[("virgin", "timer 1s")]);
    post(&site, "waited");
    let watch = Resident::start(&site, &["watch"]);
    eventually("what waited", || delivered(&site) == 1);
    post(&site, "came");
    eventually("what came", || delivered(&site) == 2);
    watch.ends_well();

    let refusals = AtomicU32::new(0);
    let sink = Sink::builder()
        .reply(move |event| {
            let first =
                event.recipient().is_some() && refusals.fetch_add(1, Ordering::Relaxed) == 0;
            first.then(|| "450 4.2.1 later".to_owned())
        })
        .start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "delivery.retry_wait", "1s"]);
    let watch = Resident::start(&site, &["watch"]);
    post(&site, "deferred");
    assert!(sink.wait_for(1, PATIENCE), "it is tried again when it is due");
    eventually("nothing to be left", || {
        ["in", "out", "retry"].iter().all(|queue| files_in(&site.queue(queue)).is_empty())
    });
    watch.ends_well();
}

#[test]
fn the_watch_is_small_and_looks_into_newsgroups_beside_its_runs() {
    let site = site(&["anna@example.org"], &[]);
    // A silent news server delays only the process that connects to it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("nntp_host={}", silent.local_addr().unwrap());
    let wish = ["gateway_to_mail=yes", "linked_newsgroup=local.dev", &host];
    site.ok(&[&["list", "set", "dev"], &wish[..]].concat());
    let watch = Resident::start(&site, &["watch"]);
    let asking = silent.accept().unwrap();
    post(&site, "hello");
    eventually("what came", || delivered(&site) == 1);
    let pid = watch.0.id();
    assert_eq!(
        std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim(),
        "dormouse-watch"
    );
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kilobytes = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    };
    // How much of the files it maps is resident depends on the kernel and its page cache. All that it maps
    // is an upper bound that does not.
    assert!(kilobytes("VmSize:") < 6 * 1024, "{status}");
    assert!(kilobytes("RssAnon:") < 1024, "{status}");
    eventually("nobody but the one who asks", || children(pid as i32).len() == 1);
    watch.ends_well();
    drop(asking);
}

#[test]
fn the_watch_is_not_started_without_what_it_needs() {
    let output = Command::new(env!("CARGO_BIN_EXE_dormouse-watch")).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", describe(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`dormouse watch`"));
}

/// If inotify does not work, the watch looks by itself. An overlay whose lower directory is written
/// to replaces NFS here.
#[test]
fn on_a_file_system_that_does_not_tell_the_watch_looks() {
    on_small_disk("on_a_file_system_that_does_not_tell_the_watch_looks", 20_000, |disk| {
        let lower = TestSite::new_in(DORMOUSE, disk);
        lower.plain_list("dev", &["anna@example.org"]);
        lower.ok(&["config", "set", "run.interval", "100ms"]);
        let parts = ["upper", "work", "seen"].map(|part| disk.join(part));
        parts.iter().for_each(|part| std::fs::create_dir(part).unwrap());
        let [upper, work, seen] = &parts;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.dir().display(),
            upper.display(),
            work.display()
        );
        let mounted = Command::new("mount")
            .args(["-t", "overlay", "none", "-o", &options])
            .arg(seen)
            .output()
            .unwrap();
        if !mounted.status.success() {
            return skipped::skip(format!(
                "no overlay: {}",
                String::from_utf8_lossy(&mounted.stderr)
            ));
        }
        let watch = Resident(
            lower
                .command(&["watch"])
                .env("DORMOUSE_SITE", seen)
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let mail = || files_in(&seen.join("mail/anna@example.org/new")).len();
        for number in 1..=3 {
            // Watches on the overlay do not notice this.
            lower.post("dev", &message("anna@example.org", &format!("mail{number}"), "x\n"));
            eventually("it to be found", || mail() == number);
        }
        watch.ends_well();
        let unmounted = Command::new("umount").arg(seen).status().unwrap();
        assert!(unmounted.success());
    });
}

/// Returns the children of a process.
fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{parent}"))
    };
    files_in("/proc".as_ref())
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(is_child)
        .collect()
}

#[test]
fn the_master_keeps_every_arrangement_going_through_kills_and_changes() {
    const ROUNDS: [[(&str, &str); 3]; 4] = [
        [("in", "resident 2"), ("virgin", "on-demand"), ("out", "resident")],
        [("in", "on-demand"), ("virgin", "off"), ("out", "resident 2")],
        [("in", "timer 1s"), ("virgin", "resident"), ("out", "on-demand")],
        [("in", "on-demand"), ("virgin", "timer 1s"), ("out", "timer 1s")],
    ];
    const POSTS: usize = 12;
    let sink = Sink::builder().start();
    let site = site(&["anna@example.org"], &[]);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    let output = site.run(&["master", "stop"]);
    assert_eq!(output.status.code(), Some(69), "{}", describe(&output));
    let mut kills = 0;
    for (round, arrangements) in ROUNDS.iter().enumerate() {
        for (queue, how) in arrangements {
            site.ok(&["config", "set", &format!("runners.{queue}"), how]);
        }
        site.ok(&["master", "start"]);
        assert_eq!(site.run(&["master", "start"]).status.code(), Some(69), "there is one");
        let pid = std::fs::read_to_string(site.dir().join("master.pid")).unwrap();
        let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
        for number in 0..POSTS {
            post(&site, &format!("post{round}-{number}"));
            if number == POSTS / 2 {
                for child in children(pid) {
                    kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
                    kills += 1;
                }
            }
        }
        site.ok(&["master", if round % 2 == 0 { "reopen" } else { "restart" }]);
        let expected = (round + 1) * POSTS;
        eventually("every post", || distinct(&sink).len() == expected);
        assert!(site.ok(&["status", "--json"]).contains("\"master\": true"));
        assert!(
            !String::from_utf8_lossy(&site.run(&["doctor"]).stdout).contains("nothing processes")
        );
        site.ok(&["master", "stop"]);
        assert!(children(pid).is_empty());
    }
    assert!(kills >= ROUNDS.len());
    let arrivals = distinct(&sink);
    let repeated: usize = arrivals.values().map(|times| times - 1).sum();
    assert!(repeated <= kills, "{repeated} repeated by {kills} kills");
    let log = std::fs::read_to_string(site.dir().join("logs/master.log")).unwrap();
    for queue in ["in", "virgin", "out", "retry", "shunt", "bad"] {
        let left = files_in(&site.queue(queue));
        assert!(left.is_empty(), "{queue}: {left:?}\n{log}");
    }
    assert!(log.contains("runner out died"), "{log}");
}

/// Counts how often each subject arrived.
fn distinct(sink: &Sink) -> HashMap<String, usize> {
    let mut arrivals = HashMap::new();
    for received in sink.messages() {
        let text = String::from_utf8_lossy(&received.data).into_owned();
        let subject =
            text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
        *arrivals.entry(subject).or_default() += 1;
    }
    arrivals
}

#[test]
fn the_doctor_finds_what_goes_wrong_and_says_how_to_mend_it() {
    let site = site(&["anna@example.org"], &[]);
    let examined = |expected: &[(&str, &str)]| {
        let output = site.run(&["doctor", "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        for (state, words) in expected {
            let found = text.split("},").any(|finding| {
                finding.contains(&format!("\"state\": \"{state}\"")) && finding.contains(words)
            });
            assert!(found, "{state} {words} in {text}");
        }
    };
    examined(&[
        ("bad", "there are no units"),
        ("good", "everything in the site belongs to"),
        ("good", "mail goes only into Maildirs below"),
    ]);

    site.ok(&["config", "set", "delivery.url", "smtp://127.0.0.1:1"]);
    site.ok(&["config", "set", "intake.min_free", "99999 GiB"]);
    std::fs::set_permissions(site.queue("in"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let entry =
        |queue: &str, name: &str| std::fs::write(site.queue(queue).join(name), b"x").unwrap();
    entry("in", "99999999999.0+0a.pck");
    entry("out", "1.0+0b.bak");
    entry("shunt", "1.0+0c.pck");
    site.ok(&["config", "set", "runners.in", "off"]);
    examined(&[
        ("bad", "127.0.0.1:1"),
        ("bad", "mail is deferred"),
        ("odd", "chmod 2770"),
        ("bad", "from now"),
        ("odd", "1 file left behind"),
        ("odd", "1 entry waits in shunt"),
        ("odd", "in, which is off"),
    ]);
    assert_eq!(site.run(&["doctor"]).status.code(), Some(78));
}

/// Returns the findings of `doctor` about starting runs, and its exit code.
fn examined(site: &TestSite, path: Option<&std::path::Path>) -> (String, Option<i32>) {
    let mut command = site.command(&["doctor"]);
    if let Some(first) = path {
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(first.to_owned()).chain(std::env::split_paths(&usual));
        command.env("PATH", std::env::join_paths(dirs).unwrap());
    }
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn a_resident_process_takes_new_settings_with_its_next_piece_of_work() {
    let sink = Sink::builder().start();
    let site = site(&["anna@example.org"], &[]);
    let runners =
        ["in", "out"].map(|queue| Resident::start(&site, &["runner", queue, "--slices", "2"]));
    post(&site, "one");
    eventually("the first", || delivered(&site) == 1);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    let (said, _) = examined(&site, None);
    for (queue, runner) in ["in", "out"].iter().zip(&runners) {
        let named = format!("runner {queue} (process {}) still uses older", runner.0.id());
        assert!(said.contains(&named), "{said}");
    }
    assert!(site.ok(&["status"]).contains("still with older settings"));
    post(&site, "two");
    assert!(sink.wait_for(1, PATIENCE));
    eventually("nobody to be outdated", || !examined(&site, None).0.contains("older settings"));
    // While somebody is writing the settings, the old ones are used, and no process exits.
    std::fs::write(site.dir().join("dormouse.toml"), "[delivery\n").unwrap();
    let entry = site.files("in", "pck");
    assert!(entry.is_empty());
    std::fs::write(site.dir().join("dormouse.toml"), "host = 'lists.example.org'\n").unwrap();
    post(&site, "three");
    eventually("what came then", || delivered(&site) == 2);
    runners.into_iter().for_each(Resident::ends_well);
    assert!(files_in(&site.dir().join("processes")).is_empty());
}

#[test]
fn a_watch_restarts_with_new_settings() {
    let site = site(&["anna@example.org"], &[("in", "off")]);
    let watch = Resident::start(&site, &["watch"]);
    post(&site, "waits");
    eventually("the watch to be known", || site.ok(&["status"]).contains("watch, process"));
    let (said, code) = examined(&site, None);
    assert!(said.contains("a watch is running") && code == Some(0), "{said}");
    // An incomplete file changes nothing.
    let file = site.dir().join("dormouse.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "[runners\n").unwrap();
    std::fs::write(&file, text).unwrap();
    site.ok(&["config", "set", "runners.in", "on-demand"]);
    eventually("what waited", || delivered(&site) == 1);
    site.ok(&["config", "set", "runners.out", "off"]);
    eventually("new settings", || !site.ok(&["status"]).contains("older settings"));
    post(&site, "stays");
    eventually("the post to lie in out", || site.files("out", "pck").len() == 1);
    site.ok(&["config", "set", "runners.out", "timer 1s"]);
    eventually("what stayed", || delivered(&site) == 2);
    watch.ends_well();
}

#[test]
fn a_host_with_a_crontab_is_well_while_cron_runs() {
    let site = site(&["anna@example.org"], &[]);
    let bin = tempfile::tempdir().unwrap();
    let crontab = |lines: &str| {
        let script = format!("#!/bin/sh\n[ \"$*\" = -l ] && cat <<'END'\n{lines}END\n");
        std::fs::write(bin.path().join("crontab"), script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.path().join("crontab"), executable).unwrap();
    };
    let dir = site.dir().display().to_string();
    crontab(&format!("* * * * * /usr/bin/dormouse --site {dir} run --quiet\n"));
    let (said, code) = examined(&site, Some(bin.path()));
    assert!(said.contains("there was none yet") && code == Some(0), "{said}");
    site.ok(&["run", "--quiet"]);
    let (said, code) = examined(&site, Some(bin.path()));
    assert!(said.contains("the crontab starts runs"), "{said}");
    assert!(said.contains("no crontab runs the periodic jobs") && code == Some(0), "{said}");
    crontab(&format!(
        "DORMOUSE_SITE={dir}\n* * * * * dormouse run -q\n*/5 * * * * dormouse cron run -q\n"
    ));
    let (said, code) = examined(&site, Some(bin.path()));
    assert!(!said.contains("clock's jobs") && code == Some(0), "{said}");
    // Cron has stopped.
    let looked = std::fs::File::open(site.dir().join("qfiles/.looked")).unwrap();
    looked.set_modified(std::time::SystemTime::now() - Duration::from_secs(7200)).unwrap();
    let (said, _) = examined(&site, Some(bin.path()));
    assert!(said.contains("the last was 2 h ago") && said.contains("cron is running"), "{said}");
    // Lines of another site do not count.
    crontab("* * * * * dormouse --site /srv/other run\n");
    let (said, code) = examined(&site, Some(bin.path()));
    assert!(said.contains("nothing processes the queues") && code == Some(78), "{said}");
    site.ok(&["config", "set", "runners.out", "resident"]);
    let status = site.ok(&["status"]);
    assert!(
        status.lines().any(|line| line.starts_with("out") && line.ends_with("nobody")),
        "{status}"
    );
}

/// What a dead process has left is reported if, and only if, a run would recover it.
#[test]
fn what_was_staged_and_left_is_named_and_goes_with_the_next_run() {
    let site = site(&["anna@example.org"], &[]);
    let staged = site.dir().join("qfiles/.staged/1795446454.354219+0a");
    std::fs::write(&staged, "half").unwrap();
    let age = |seconds| {
        let file = std::fs::File::options().append(true).open(&staged).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    };
    age(600);
    assert!(examined(&site, None).0.contains("no dead process left anything"));
    age(7200);
    assert!(examined(&site, None).0.contains("1 file left behind"));
    site.ok(&["run"]);
    assert!(!staged.exists());
    assert!(examined(&site, None).0.contains("no dead process left anything"));
    // A watch recovers it, too, at its start and every quarter of an hour.
    std::fs::write(&staged, "half").unwrap();
    age(7200);
    let watch = Resident::start(&site, &["watch"]);
    eventually("it to be gone", || !staged.exists());
    watch.ends_well();
}

/// Reads Prometheus' text exposition format as strictly as it is defined: every metric once and in
/// one piece after its HELP and TYPE, no series twice, values that are numbers.
fn exposed(text: &str) -> HashMap<String, f64> {
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(plain)
    };
    assert!(text.ends_with('\n') && !text.contains("\n\n") && !text.contains('\r'), "{text}");
    let (mut series, mut seen, mut current, mut helped) = (HashMap::new(), Vec::new(), "", "");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').unwrap().0;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!((name, kind), (helped, "gauge"), "{line}");
            assert!(is_name(name) && !seen.contains(&name), "{line}");
            seen.push(name);
            current = name;
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            assert_eq!(name, current, "{line}");
            let labels = labels.strip_suffix('}').unwrap();
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (name, value) = label.split_once('=').unwrap();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                assert!(is_name(name) && !value.unwrap().contains(['"', '\\']), "{line}");
            }
            let value: f64 = value.parse().unwrap();
            assert!(series.insert(key.to_owned(), value).is_none(), "{line} stands there twice");
        }
    }
    series
}

#[test]
fn the_status_is_written_for_prometheus_when_it_is_asked_for_and_by_every_run() {
    let site = site(&["anna@example.org"], &[("out", "timer 5min")]);
    post(&site, "one");
    let file = site.dir().join("asked.prom");
    site.ok(&["status", "--prometheus", file.to_str().unwrap()]);
    let before = exposed(&std::fs::read_to_string(&file).unwrap());
    let waiting = "dormouse_queue_entries{queue=\"in\",state=\"waiting\"}";
    let oldest = "dormouse_queue_oldest_timestamp_seconds{queue=\"in\"}";
    let written = "dormouse_status_timestamp_seconds";
    assert_eq!(before[waiting], 1.0);
    assert!(before[oldest] > 1.7e9 && before[oldest] <= before[written], "{before:?}");
    let output = site.run(&["status", "--prometheus"]);
    assert_eq!(output.status.code(), Some(64), "which file? {}", describe(&output));

    site.ok(&["config", "set", "metrics.file", "dormouse.prom"]);
    let file = site.dir().join("dormouse.prom");
    site.ok(&["run"]);
    let after = exposed(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(after[waiting], 0.0);
    assert!(!after.contains_key(oldest) && after[written] > before[written], "{after:?}");
    assert!(after["dormouse_last_run_peak_memory_bytes{queue=\"in\"}"] > 1e6, "{after:?}");
    for shown in include_str!("../packaging/grafana/dormouse.json").split("dormouse_").skip(1) {
        let name = shown.split(|c: char| c != '_' && !c.is_ascii_lowercase()).next().unwrap();
        let is_it = |key: &String| key.split('{').next() == Some(&format!("dormouse_{name}"));
        assert!(before.keys().chain(after.keys()).any(is_it), "the dashboard shows {name}");
    }
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    std::fs::remove_file(&file).unwrap();
    site.ok(&["run"]);
    assert!(!file.exists(), "a run that has nothing to do changes nothing");
    site.ok(&["status", "--prometheus"]);
    assert!(file.exists());
    // A metrics file that cannot be written does not stop a run.
    site.ok(&["config", "set", "metrics.file", "/nowhere/dormouse.prom"]);
    post(&site, "two");
    site.ok(&["run"]);
    assert_eq!(delivered(&site), 2);
    let status = site.ok(&["status"]);
    assert!(status.contains("timer 5min") && status.contains("within 5min"), "{status}");
}

#[test]
fn the_master_starts_what_takes_connections_when_somebody_connects() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::net::UnixStream;
    let site = site(&["anna@example.org"], &[]);
    let place = |name: &str| site.dir().join(name).to_str().unwrap().to_owned();
    let (lmtp, web) = (place("lmtp.sock"), place("web.sock"));
    for (key, value) in [
        ("lmtp.listen", &*lmtp),
        ("lmtp.idle", "300ms"),
        ("web.listen", &web),
        ("web.idle", "300ms"),
    ] {
        site.ok(&["config", "set", key, value]);
    }
    site.ok(&["master", "start"]);
    let master = std::fs::read_to_string(site.dir().join("master.pid")).unwrap();
    let master: i32 = master.lines().next().unwrap().parse().unwrap();
    eventually("the watch alone", || children(master).len() == 1);
    for round in 1..=2 {
        let stream = UnixStream::connect(&lmtp).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let send = |text: &str| (&stream).write_all(text.as_bytes()).unwrap();
        send("LHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n");
        assert!(lines.by_ref().any(|line| line.unwrap().starts_with("354")));
        send(&format!("Subject: post{round}\r\n\r\nx\r\n.\r\nQUIT\r\n"));
        assert!(lines.next().unwrap().unwrap().starts_with("250"));
        eventually("the post", || delivered(&site) == round);
        let mut page = String::new();
        let mut browser = UnixStream::connect(&web).unwrap();
        browser
            .write_all(b"GET /mailman/listinfo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        browser.read_to_string(&mut page).unwrap();
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        eventually("nobody but the watch", || children(master).len() == 1);
    }
    // A killed master leaves no processes behind, and its successor can start.
    let stream = UnixStream::connect(&lmtp).unwrap();
    eventually("the one who answers", || children(master).len() == 2);
    let orphans = children(master);
    kill_process(Pid::from_raw(master).unwrap(), Signal::KILL).unwrap();
    drop(stream);
    let is_there = |pid: &i32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    eventually("everybody to end", || !orphans.iter().any(is_there));
    site.ok(&["master", "start"]);
    UnixStream::connect(&lmtp).unwrap();
    site.ok(&["master", "stop"]);
}

#[test]
fn openrc_is_asked_to_keep_the_master_running() {
    let site = site(&[], &[]);
    let printed = site.ok(&["units", "print", "--for", "openrc"]);
    assert!(printed.contains("supervise-daemon") && printed.contains("master run"), "{printed}");
}

#[test]
fn runit_keeps_the_master_running() {
    let tools = ["runsv", "chpst"].map(|tool| Command::new(tool).output());
    if tools.iter().any(Result::is_err) {
        return skipped::skip("there is no runit");
    }
    if !rustix::process::getuid().is_root() {
        return skipped::skip("only root may run a service as somebody");
    }
    let site = site(&["anna@example.org"], &[]);
    let service = site.dir().with_file_name("a service");
    std::fs::create_dir(&service).unwrap();
    let account = ["--run-as", "root", "--group", "root"];
    let run = site.ok(&[&["units", "print", "--for", "runit"], &account[..]].concat());
    std::fs::write(service.join("run"), run).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(service.join("run"), executable).unwrap();
    let runsv =
        Command::new("runsv").arg(&service).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let runsv = Resident(runsv.unwrap());
    let master = || -> Option<i32> {
        let pid = std::fs::read_to_string(site.dir().join("master.pid")).ok()?;
        pid.lines().next()?.parse().ok()
    };
    post(&site, "one");
    eventually("the post", || delivered(&site) == 1);
    let first = master().unwrap();
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    eventually("another master", || master().is_some_and(|pid| pid != first));
    post(&site, "two");
    eventually("the post", || delivered(&site) == 2);
    let second = master().unwrap();
    runsv.ends_well();
    assert!(!std::path::Path::new(&format!("/proc/{second}")).exists(), "it ends with its service");
}
