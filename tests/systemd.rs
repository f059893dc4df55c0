//! A real systemd starts the real command: every post is delivered, and nothing runs when idle.

use dormouse_clock::Timestamp;
use dormouse_testkit::news::NewsServer;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, files_in, message};
use dormouse_testkit::surroundings::{in_manager, property, systemctl};
use dormouse_testkit::waiting::{PATIENCE, eventually};
use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn installed(sink: &Sink, members: &[&str]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.plain_list("dev", members);
    site.ok(&["units", "install", "--user"]);
    site
}

fn units_of_this_user() -> std::path::PathBuf {
    std::path::PathBuf::from(std::env::var_os("XDG_CONFIG_HOME").unwrap()).join("systemd/user")
}

/// Returns the output of a command, whatever its exit code.
fn heard(site: &TestSite, args: &[&str]) -> String {
    dormouse_testkit::site::describe(&site.run(args))
}

fn asleep() -> bool {
    property("dormouse.service", "ActiveState") == "inactive"
}

/// Processes of the command in this namespace.
fn running() -> usize {
    files_in("/proc".as_ref())
        .iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .filter(|name| name.trim() == "dormouse")
        .count()
}

#[test]
fn a_post_wakes_the_drain_and_nothing_stays() {
    in_manager("a_post_wakes_the_drain_and_nothing_stays", || {
        let sink = Sink::builder().start();
        let site = installed(&sink, &["anna@example.org"]);
        assert_eq!(running(), 0);
        site.post("dev", &message("stranger@example.com", "hello", "x\n"));
        assert!(sink.wait_for(1, PATIENCE));
        eventually("the drain to end", asleep);
        eventually("every process to be gone", || running() == 0);
        let checked = site.run(&["units", "check", "--user"]);
        assert!(checked.status.success(), "{}", dormouse_testkit::site::describe(&checked));
        let status = site.ok(&["status", "--json"]);
        assert!(status.contains("\"installed_for\": \"user\""), "{status}");
    });
}

#[test]
fn a_thousand_posts_at_random_moments_with_drains_killed_are_all_delivered() {
    in_manager("a_thousand_posts_at_random_moments_with_drains_killed_are_all_delivered", || {
        const POSTS: usize = 1000;
        let sink = Sink::builder().start();
        let site = installed(&sink, &["anna@example.org", "bert@example.net"]);
        // A pause of fifteen seconds after each kill would make the test slow; the test shows that
        // the next start recovers, not how long systemd waits.
        let unit =
            systemctl(&["show", "--value", "--property", "FragmentPath", "dormouse.service"]);
        let text = std::fs::read_to_string(&unit).unwrap();
        std::fs::write(&unit, text.replace("RestartSec=15s", "RestartSec=200ms")).unwrap();
        systemctl(&["daemon-reload"]);
        let mut random = 12_345u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut kills = 0usize;
        for post in 0..POSTS {
            site.post("dev", &message("stranger@example.com", &format!("post{post}"), "x\n"));
            match next(100) {
                0..10 => {
                    // There may be no drain at this moment.
                    let kill = ["--user", "kill", "--signal=KILL", "--kill-who=main"];
                    let killed =
                        Command::new("systemctl").args(kill).arg("dormouse.service").output();
                    kills += usize::from(killed.unwrap().status.success());
                }
                10..40 => std::thread::sleep(Duration::from_millis(next(30))),
                _ => {}
            }
        }
        let empty =
            || ["in", "virgin", "out"].iter().all(|queue| files_in(&site.queue(queue)).is_empty());
        eventually("the queues to be empty", || empty() && asleep());
        for queue in ["shunt", "bad", "retry"] {
            let left = files_in(&site.queue(queue));
            assert!(left.is_empty(), "{queue}: {left:?}");
        }
        let mut arrivals: HashMap<(String, String), usize> = HashMap::new();
        for received in sink.messages() {
            let text = String::from_utf8_lossy(&received.data).into_owned();
            let subject =
                text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
            for recipient in received.recipients {
                *arrivals.entry((subject.clone(), recipient)).or_default() += 1;
            }
        }
        assert_eq!(arrivals.len(), POSTS * 2, "every post to both members");
        let repeated: usize = arrivals.values().map(|times| times - 1).sum();
        assert!(kills > 5, "{kills} kills");
        assert!(
            repeated <= kills * 4 * 2,
            "{repeated} repeated by {kills} kills on four connections"
        );
        for queue in ["in", "virgin", "out"] {
            assert_eq!(property(&format!("dormouse-queue@{queue}.path"), "SubState"), "waiting");
        }
        eventually("every process to be gone", || running() == 0);
        let before = property("dormouse.service", "InvocationID");
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(property("dormouse.service", "InvocationID"), before, "idle: no start");
        assert_eq!(running(), 0);
    });
}

/// A replacement for Mailman's qrunner: each named runner takes one entry of its queue and passes
/// it on.
const QRUNNER: &str = r#"#!/bin/sh
cd "$(dirname "$0")/.."
echo start >>starts
take() {
    for entry in qfiles/$1/*.pck; do
        [ -e "$entry" ] && mv "$entry" "$2"
        return
    done
}
for argument; do
    case $argument in
        --runner=Incoming) take in qfiles/out ;;
        --runner=Outgoing) take out sent ;;
    esac
done
# After the last look, but before the end.
[ -e late ] && mv late qfiles/in/late.pck && sleep 0.2
exit 0
"#;

#[test]
fn an_existing_mailman_is_woken_by_its_mail_and_nothing_stays() {
    in_manager("an_existing_mailman_is_woken_by_its_mail_and_nothing_stays", || {
        let home = tempfile::tempdir().unwrap();
        let prefix = home.path();
        for dir in ["bin", "sent", "qfiles/in", "qfiles/out", "qfiles/retry"] {
            std::fs::create_dir_all(prefix.join(dir)).unwrap();
        }
        std::fs::write(prefix.join("bin/qrunner"), QRUNNER).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(prefix.join("bin/qrunner"), executable).unwrap();
        let units = units_of_this_user();
        let printed = std::process::Command::new(DORMOUSE)
            .args(["units", "print", "--user", "--mailman2"])
            .arg(prefix)
            .arg("--into")
            .arg(&units)
            .output()
            .unwrap();
        assert!(printed.status.success(), "{}", dormouse_testkit::site::describe(&printed));
        // A shorter interval for the test.
        let retry = units.join("mailman2-retry.timer");
        let text = std::fs::read_to_string(&retry).unwrap().replace("5min", "1s");
        std::fs::write(&retry, text.replace("AccuracySec=30s", "AccuracySec=1us")).unwrap();

        let enqueue = |queue: &str, name: &str| {
            let draft = prefix.join(format!("{name}.tmp"));
            let mut metadata = dormouse_spool::Metadata::new();
            metadata.set_time("deliver_after", Timestamp::from_seconds(1.0));
            let entry = dormouse_spool::Entry::new(b"x".to_vec(), metadata).to_bytes();
            std::fs::write(&draft, entry).unwrap();
            std::fs::rename(draft, prefix.join(format!("qfiles/{queue}/{name}.pck"))).unwrap();
        };
        let sent = |name: &str| prefix.join(format!("sent/{name}.pck")).exists();
        let asleep = || property("mailman2.service", "ActiveState") == "inactive";
        let starts = || std::fs::read_to_string(prefix.join("starts")).unwrap().lines().count();
        enqueue("in", "1.5+a");
        systemctl(&["daemon-reload"]);
        systemctl(&["start", "mailman2.target"]);
        eventually("what waited before the start", || sent("1.5+a"));
        eventually("the run to end", asleep);

        let before = starts();
        (0..30).for_each(|number| enqueue("in", &format!("{number}.5+b")));
        eventually("a backlog", || (0..30).all(|number| sent(&format!("{number}.5+b"))));
        eventually("the run to end", asleep);
        assert!(starts() - before < 15, "{} starts for thirty entries", starts() - before);

        std::fs::write(prefix.join("late"), "").unwrap();
        enqueue("out", "2.5+c");
        eventually("what comes at the last moment", || sent("2.5+c") && sent("late"));
        enqueue("retry", "3.5+d");
        eventually("what was deferred", || sent("3.5+d"));

        eventually("the run to end", asleep);
        eventually("every process to be gone", || running() == 0);
        let before = starts();
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(starts(), before, "idle: no start");
        for unit in ["mailman2-queue@in.path", "mailman2-queue@news.path", "mailman2-retry.path"] {
            assert_eq!(property(unit, "SubState"), "waiting", "{unit}");
        }
        let timer = "mailman2-cron-senddigests.timer";
        assert_eq!(property(timer, "SubState"), "waiting");
        systemctl(&["stop", "mailman2.target"]);
        eventually("all units to stop", || property(timer, "ActiveState") == "inactive");
    });
}

#[test]
fn one_site_s_units_are_never_taken_over_by_another_and_go_when_they_are_told_to() {
    in_manager(
        "one_site_s_units_are_never_taken_over_by_another_and_go_when_they_are_told_to",
        || {
            let sink = Sink::builder().start();
            let first = installed(&sink, &["anna@example.org"]);
            let second = TestSite::new(DORMOUSE);
            second.plain_list("dev", &["bert@example.org"]);
            let way_out =
                format!("`dormouse --site {} units uninstall --user`", first.dir().display());
            for words in [
                &["units", "install", "--user"][..],
                &["units", "install", "--user", "--no-start"],
                &["units", "install", "--user", "--dry-run"],
                &["units", "check", "--user"],
                &["units", "check", "--user", "--fix"],
                &["units", "uninstall", "--user"],
            ] {
                let output = second.run(words);
                let said = dormouse_testkit::site::describe(&output);
                assert_eq!(output.status.code(), Some(78), "{words:?}: {said}");
                assert!(said.contains(&way_out), "{said}");
            }
            let said = heard(&second, &["doctor"]);
            assert!(
                said.contains("nothing processes the queues") && said.contains(&way_out),
                "{said}"
            );
            assert!(second.ok(&["status"]).contains(&way_out));
            first.post("dev", &message("stranger@example.com", "still here", "x\n"));
            assert!(sink.wait_for(1, PATIENCE));
            eventually("the drain to end", asleep);

            let gone = first.ok(&["units", "uninstall", "--user"]);
            assert!(
                gone.contains("removed ") && gone.contains("mail waits in its queues"),
                "{gone}"
            );
            assert!(
                systemctl(&["list-units", "--all", "--plain", "--no-legend", "dormouse*"])
                    .is_empty()
            );
            let left = files_in(&units_of_this_user());
            assert!(!left.iter().any(|name| name.starts_with("dormouse")), "{left:?}");
            assert!(heard(&first, &["doctor"]).contains("nothing processes the queues"));
            second.ok(&["units", "install", "--user"]);
            // The units of a removed site can still be uninstalled.
            let dir = second.dir();
            drop(second);
            assert!(!dir.join("dormouse.toml").exists());
            assert_eq!(first.run(&["units", "install", "--user"]).status.code(), Some(78));
            let output = std::process::Command::new(DORMOUSE)
                .arg("--site")
                .arg(&dir)
                .args(["units", "uninstall", "--user"])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", dormouse_testkit::site::describe(&output));
            first.ok(&["units", "install", "--user"]);
            assert!(
                first.run(&["units", "check"]).status.success(),
                "it finds the user's by itself"
            );

            for queue in ["in", "commands", "bounces", "virgin", "news", "out", "archive", "retry"]
            {
                first.ok(&["config", "set", &format!("runners.{queue}"), "off"]);
            }
            let said = first.ok(&["units", "install", "--user"]);
            assert!(said.contains("no units are needed, and none are left"), "{said}");
            let left = files_in(&units_of_this_user());
            assert!(!left.iter().any(|name| name.starts_with("dormouse")), "{left:?}");
            assert!(
                systemctl(&["list-units", "--all", "--plain", "--no-legend", "dormouse*"])
                    .is_empty()
            );
            assert!(first.run(&["units", "check", "--user"]).status.success());
        },
    );
}

#[test]
fn doctor_and_status_tell_of_units_that_are_masked_changed_or_stopped() {
    in_manager("doctor_and_status_tell_of_units_that_are_masked_changed_or_stopped", || {
        let sink = Sink::builder().start();
        let site = installed(&sink, &["anna@example.org"]);
        site.ok(&["config", "set", "runners.out", "resident"]);
        site.ok(&["units", "install", "--user"]);
        systemctl(&["stop", "dormouse-out.service"]);
        let line = |text: &str| {
            let line = text.lines().find(|line| line.starts_with("out ")).unwrap();
            line.to_owned()
        };
        assert!(line(&site.ok(&["status"])).ends_with("nobody"));
        let said = heard(&site, &["doctor"]);
        assert!(said.contains("restart dormouse-out.service"), "{said}");
        systemctl(&["mask", "dormouse-queue@in.path"]);
        systemctl(&["stop", "dormouse-queue@in.path"]);
        let drop_in = units_of_this_user().join("dormouse.service.d");
        std::fs::create_dir_all(&drop_in).unwrap();
        std::fs::write(drop_in.join("mine.conf"), "[Service]\nNice=5\n").unwrap();
        systemctl(&["daemon-reload"]);
        let said = heard(&site, &["doctor"]);
        for words in [
            "dormouse-queue@in.path: masked",
            "systemctl --user unmask dormouse-queue@in.path",
            "dormouse.service is changed by",
            "systemctl --user cat dormouse.service",
        ] {
            assert!(said.contains(words), "{words} in {said}");
        }
        site.ok(&["units", "check", "--fix"]);
        let said = heard(&site, &["doctor"]);
        assert!(said.contains("mine.conf") && !said.contains("masked"), "{said}");
        assert_eq!(site.run(&["doctor"]).status.code(), Some(0), "{said}");
        assert!(!line(&site.ok(&["status"])).ends_with("nobody"));
    });
}

/// The sweep's conditions match everything that it recovers.
#[test]
fn the_sweep_takes_up_what_killed_processes_left() {
    in_manager("the_sweep_takes_up_what_killed_processes_left", || {
        let sink = Sink::builder().start();
        let site = installed(&sink, &["anna@example.org"]);
        let staged = site.dir().join("qfiles/.staged/1795446454.354219+0a");
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
        std::fs::write(&staged, "half").unwrap();
        std::fs::File::options()
            .append(true)
            .open(&staged)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        systemctl(&["start", "dormouse-sweep.service"]);
        assert!(!staged.exists());
        site.post("dev", &message("stranger@example.com", "claimed", "x\n"));
        eventually("the post", || sink.messages().len() == 1);
        systemctl(&["stop", "dormouse.target"]);
        site.post("dev", &message("stranger@example.com", "left", "x\n"));
        let entry = site.files("in", "pck").remove(0);
        let claim = entry.replace(".pck", ".bak");
        std::fs::rename(site.queue("in").join(entry), site.queue("in").join(claim)).unwrap();
        systemctl(&["start", "dormouse-sweep.service"]);
        assert!(sink.wait_for(2, PATIENCE));
    });
}

#[test]
fn the_demonstration_shows_real_wake_ups() {
    in_manager("the_demonstration_shows_real_wake_ups", || {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("demo");
        let output = std::process::Command::new(DORMOUSE)
            .args(["demo", "--systemd", "--json"])
            .arg(&dir)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("\"woken_by_systemd\": true"), "{said}");
        assert!(said.contains("delivered to 4 members"), "{said}");
        eventually("every process to be gone", || running() == 0);
    });
}

/// Counts how often each subject arrived.
fn arrivals(sink: &Sink) -> HashMap<String, usize> {
    let mut arrivals = HashMap::new();
    for received in sink.messages() {
        let text = String::from_utf8_lossy(&received.data).into_owned();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        *arrivals.entry(subject.to_owned()).or_default() += 1;
    }
    arrivals
}

#[test]
fn every_arrangement_works_while_it_is_changed_and_its_processes_are_killed() {
    in_manager("every_arrangement_works_while_it_is_changed_and_its_processes_are_killed", || {
        const ROUNDS: [[(&str, &str); 3]; 4] = [
            [("in", "resident 2"), ("virgin", "on-demand"), ("out", "timer 1s")],
            [("in", "timer 1s"), ("virgin", "off"), ("out", "resident 2")],
            [("in", "resident"), ("virgin", "timer 1s"), ("out", "on-demand")],
            [("in", "on-demand"), ("virgin", "resident"), ("out", "on-demand")],
        ];
        const POSTS: usize = 17;
        let sink = Sink::builder().start();
        let site = installed(&sink, &["anna@example.org"]);
        let mut kills = 0;
        for (round, arrangements) in ROUNDS.iter().enumerate() {
            for number in 0..POSTS {
                let subject = format!("post{round}-{number}");
                site.post("dev", &message("stranger@example.com", &subject, "x\n"));
                if number == POSTS / 3 {
                    for (queue, how) in arrangements {
                        site.ok(&["config", "set", &format!("runners.{queue}"), how]);
                    }
                    site.ok(&["units", "install", "--user"]);
                    // The pause after a kill is not tested here.
                    for unit in ["dormouse", "dormouse-in", "dormouse-out"] {
                        let dir = units_of_this_user().join(format!("{unit}.service.d"));
                        std::fs::create_dir_all(&dir).unwrap();
                        std::fs::write(dir.join("test.conf"), "[Service]\nRestartSec=200ms\n")
                            .unwrap();
                    }
                    systemctl(&["daemon-reload"]);
                } else if number % 5 == 4 {
                    for (queue, how) in arrangements {
                        let resident = format!("dormouse-{queue}.service");
                        let unit = if how.starts_with("resident") {
                            &resident
                        } else {
                            "dormouse.service"
                        };
                        // It may have exited already.
                        let kill = std::process::Command::new("systemctl")
                            .args(["--user", "kill", "--signal=KILL", "--kill-who=main", unit])
                            .output()
                            .unwrap();
                        kills += usize::from(kill.status.success());
                    }
                }
            }
            eventually("every post", || arrivals(&sink).len() == (round + 1) * POSTS);
            eventually("the entries to be gone", || {
                ["in", "out"].iter().all(|queue| files_in(&site.queue(queue)).is_empty())
            });
            eventually("every unit to be well", || {
                site.run(&["units", "check", "--user"]).status.success()
            });
        }
        let repeated: usize = arrivals(&sink).values().map(|times| times - 1).sum();
        assert!(repeated <= kills * 4, "{repeated} repeated by {kills} kills on four connections");
        for queue in ["shunt", "bad", "retry"] {
            assert!(files_in(&site.queue(queue)).is_empty(), "{queue}");
        }
        // A dead path unit is repaired.
        systemctl(&["stop", "dormouse-queue@in.path"]);
        assert!(!site.run(&["units", "check", "--user"]).status.success());
        site.ok(&["units", "check", "--user", "--fix"]);
        // Nothing resident is left when everything is on demand again.
        for queue in ["in", "virgin", "out"] {
            site.ok(&["config", "set", &format!("runners.{queue}"), "on-demand"]);
        }
        site.ok(&["units", "check", "--user", "--fix"]);
        eventually("every process to be gone", || running() == 0);
    });
}

#[test]
fn a_retry_is_made_when_it_is_due() {
    in_manager("a_retry_is_made_when_it_is_due", || {
        let refused = std::sync::atomic::AtomicU32::new(0);
        let sink = Sink::builder()
            .reply(move |event| {
                event.recipient()?;
                let before = refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                (before == 0).then(|| "450 4.2.1 later".to_owned())
            })
            .start();
        let site = installed(&sink, &["anna@example.org"]);
        site.ok(&["config", "set", "delivery.retry_wait", "3s"]);
        site.post("dev", &message("stranger@example.com", "hello", "x\n"));
        // The timer below it would take a quarter of an hour.
        assert!(sink.wait_for(1, PATIENCE));
        eventually("the drain to end", asleep);
        assert!(systemctl(&["list-units", "--plain", "--no-legend", "dormouse-wake@*"]).is_empty());
        eventually("every process to be gone", || running() == 0);
    });
}

#[test]
fn articles_become_posts_while_a_list_wants_them_and_only_then_a_timer_is_armed() {
    in_manager(
        "articles_become_posts_while_a_list_wants_them_and_only_then_a_timer_is_armed",
        || {
            let sink = Sink::builder().start();
            let news = NewsServer::start(|_| None);
            let units = units_of_this_user();
            // A unit of an older version.
            let old_job = |kind: &str| units.join(format!("dormouse-cron@old_job.{kind}"));
            std::fs::write(old_job("timer"), "[Timer]\nOnCalendar=daily\n").unwrap();
            std::fs::write(old_job("service"), "[Service]\nExecStart=/bin/true\n").unwrap();
            std::fs::create_dir(units.join("dormouse-cron@gate_news.timer.d")).unwrap();
            std::fs::write(
                units.join("dormouse-cron@gate_news.timer.d/test.conf"),
                "[Timer]\nOnActiveSec=\nOnActiveSec=300ms\nAccuracySec=1ms\n",
            )
            .unwrap();
            systemctl(&["daemon-reload"]);
            systemctl(&["start", "dormouse-cron@old_job.timer"]);
            let site = installed(&sink, &["anna@example.org"]);
            let is_armed = || property("dormouse-cron@gate_news.timer", "ActiveState") == "active";
            assert!(!old_job("timer").exists() && !old_job("service").exists());
            assert_ne!(property("dormouse-cron@old_job.timer", "ActiveState"), "active");
            let checked = site.run(&["units", "check", "--user"]);
            assert!(checked.status.success(), "{}", dormouse_testkit::site::describe(&checked));
            assert!(!is_armed(), "no list wants any");

            news.add("From: n@news.example\nSubject: before\nNewsgroups: local.dev\n\nx\n");
            let host = format!("nntp_host={}", news.address());
            let wish = ["gateway_to_mail=yes", "linked_newsgroup=local.dev", &host];
            site.ok(&[&["list", "set", "dev"], &wish[..]].concat());
            eventually("a first look", || {
                news.commands().iter().any(|command| command.starts_with("GROUP"))
            });
            news.add("From: n@news.example\nSubject: after\nNewsgroups: local.dev\n\nx\n");
            assert!(sink.wait_for(1, PATIENCE));
            assert!(String::from_utf8_lossy(&sink.messages()[0].data).contains("Subject: after"));

            site.ok(&["list", "set", "dev", "gateway_to_mail=no"]);
            eventually("the timer to end", || !is_armed() && running() == 0);
            let looks = news.commands().len();
            std::thread::sleep(Duration::from_secs(1));
            assert!(!is_armed());
            assert_eq!((news.commands().len(), running()), (looks, 0));
            std::fs::write(old_job("timer"), "[Timer]\n").unwrap();
            let checked = site.run(&["units", "check", "--user"]);
            let said = dormouse_testkit::site::describe(&checked);
            assert!(
                !checked.status.success() && said.contains("dormouse-cron@old_job.timer"),
                "{said}"
            );
        },
    );
}

#[test]
fn a_connection_over_lmtp_wakes_us_and_the_post_needs_nobody_else() {
    in_manager("a_connection_over_lmtp_wakes_us_and_the_post_needs_nobody_else", || {
        use std::io::{BufRead, BufReader, Write};
        let sink = Sink::builder().start();
        let site = TestSite::new(DORMOUSE);
        site.ok(&["config", "set", "delivery.url", &sink.url()]);
        site.plain_list("dev", &["anna@example.org"]);
        let socket = site.dir().join("lmtp.sock");
        site.ok(&["config", "set", "lmtp.listen", socket.to_str().unwrap()]);
        site.ok(&["config", "set", "lmtp.idle", "1s"]);
        site.ok(&["units", "install", "--user"]);
        for round in 1..=3 {
            let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let send = |text: &str| (&stream).write_all(text.as_bytes()).unwrap();
            send(
                "LHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n",
            );
            assert!(lines.by_ref().any(|line| line.unwrap().starts_with("354")));
            send(&format!("Subject: post{round}\r\n\r\nx\r\n.\r\nQUIT\r\n"));
            assert!(lines.next().unwrap().unwrap().starts_with("250"));
            assert!(sink.wait_for(round, PATIENCE));
            // The process exits, and the next connection starts it again.
            eventually("it to end", || {
                property("dormouse-lmtp.service", "ActiveState") == "inactive"
            });
        }
        assert_eq!(property("dormouse-lmtp.socket", "SubState"), "listening");
        assert_eq!(property("dormouse-lmtp.service", "Result"), "success");
        eventually("every process to be gone", || running() == 0);
    });
}
