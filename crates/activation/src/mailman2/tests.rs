use super::*;
use crate::UnitFile;
use dormouse_clock::Timestamp;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A stand-in for Mailman's qrunner: each given runner passes on one entry of its queue as Mailman
/// does, and each start is recorded.
const QRUNNER: &str = r#"#!/bin/sh
cd "$(dirname "$0")/.."
echo "$@" >>starts
[ -e broken ] && exit 1
take() {
    for entry in qfiles/$1/*.bak; do [ -e "$entry" ] && mv "$entry" "${entry%.bak}.pck"; done
    for entry in qfiles/$1/*.pck; do
        [ -e "$entry" ] || return
        [ -e stuck ] && { mv "$entry" "qfiles/$1/$(basename "$entry" .pck)x.pck"; return; }
        mv "$entry" "$2"
        return
    done
}
for argument; do
    case $argument in
        --runner=Incoming) take in qfiles/virgin ;;
        --runner=Virgin) take virgin qfiles/out ;;
        --runner=Outgoing) take out sent ;;
    esac
done
"#;

fn stage() -> (TempDir, Mailman2) {
    let home = TempDir::new().unwrap();
    for dir in ["bin", "cron", "data", "sent"] {
        fs::create_dir(home.path().join(dir)).unwrap();
    }
    for queue in Queue::ALL {
        fs::create_dir_all(home.path().join("qfiles").join(queue.name())).unwrap();
    }
    let qrunner = home.path().join("bin/qrunner");
    fs::write(&qrunner, QRUNNER).unwrap();
    fs::set_permissions(&qrunner, fs::Permissions::from_mode(0o755)).unwrap();
    let mailman = Mailman2::find(home.path(), None).unwrap();
    (home, mailman)
}

fn enqueue(mailman: &Mailman2, queue: Queue, number: u32) {
    fs::write(mailman.queue(queue).join(format!("{number}.5+00.pck")), "").unwrap();
}

fn starts(mailman: &Mailman2) -> usize {
    fs::read_to_string(mailman.prefix.join("starts")).map_or(0, |text| text.lines().count())
}

fn sent(mailman: &Mailman2) -> usize {
    fs::read_dir(mailman.prefix.join("sent")).unwrap().count()
}

fn run_now(mailman: &Mailman2) -> DrainOutcome {
    run(mailman, &|| false, &|| false).unwrap()
}

#[test]
fn a_backlog_takes_few_starts() {
    let (_home, mailman) = stage();
    (0..20).for_each(|number| enqueue(&mailman, Queue::In, number));
    assert_eq!(run_now(&mailman), DrainOutcome::Empty);
    assert_eq!((sent(&mailman), starts(&mailman)), (20, 1));
    // Without entries, no Python is started.
    assert_eq!(run_now(&mailman), DrainOutcome::Empty);
    assert_eq!(starts(&mailman), 1);
}

#[test]
fn more_than_one_run_takes_is_taken_by_several() {
    let (_home, mailman) = stage();
    (0..250).for_each(|number| enqueue(&mailman, Queue::In, number));
    assert_eq!(run_now(&mailman), DrainOutcome::Empty);
    assert_eq!(sent(&mailman), 250);
    assert!(starts(&mailman) < 20, "{}", starts(&mailman));
}

#[test]
fn entries_of_a_killed_run_are_recovered() {
    let (_home, mailman) = stage();
    fs::write(mailman.queue(Queue::Out).join("1.5+00.bak"), "").unwrap();
    assert_eq!(run_now(&mailman), DrainOutcome::Empty);
    assert_eq!(sent(&mailman), 1);
}

#[test]
fn entries_that_no_run_takes_end_it_instead_of_spinning() {
    let (_home, mailman) = stage();
    enqueue(&mailman, Queue::News, 1);
    assert_eq!(run_now(&mailman), DrainOutcome::Left("left unchanged: 1 in news".to_owned()));
    assert_eq!(starts(&mailman), 1);
    // Put back under another name, as Mailman does if a list is locked.
    fs::write(mailman.prefix.join("stuck"), "").unwrap();
    enqueue(&mailman, Queue::In, 2);
    assert!(matches!(run_now(&mailman), DrainOutcome::Left(_)));
    assert_eq!(starts(&mailman), 2);
    fs::write(mailman.prefix.join("broken"), "").unwrap();
    assert!(
        matches!(run_now(&mailman), DrainOutcome::Left(why) if why.contains("bin/qrunner exited with"))
    );
}

#[test]
fn entries_that_arrive_during_the_linger_are_taken() {
    let (_home, mailman) = stage();
    enqueue(&mailman, Queue::In, 1);
    let lingered = AtomicUsize::new(0);
    let linger = || {
        let first = lingered.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            enqueue(&mailman, Queue::In, 2);
        }
        first
    };
    assert_eq!(run(&mailman, &|| false, &linger).unwrap(), DrainOutcome::Empty);
    assert_eq!(sent(&mailman), 2);
}

#[test]
fn the_queues_are_left_to_another_run_or_master() {
    let (home, mailman) = stage();
    enqueue(&mailman, Queue::In, 1);
    let other = fs::File::open(&mailman.qfiles).unwrap();
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(run_now(&mailman), DrainOutcome::Busy);
    drop(other);
    // A stale ID does not count; a live master is recognized by its command line.
    let pid = mailman.prefix.join("data/master-qrunner.pid");
    fs::write(&pid, format!("{}\n", std::process::id())).unwrap();
    assert_eq!(mailman.master(), None);
    let master = home.path().join("mailmanctl");
    symlink("/bin/sleep", &master).unwrap();
    let mut child = Command::new(&master).arg("60").spawn().unwrap();
    fs::write(&pid, format!("{}\n", child.id())).unwrap();
    // It has its command line once it has started.
    let refused = eventually(|| run_now(&mailman) == DrainOutcome::Master(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(refused);
    // A process that another test is just starting may still hold a copy of our lock.
    assert!(eventually(|| run_now(&mailman) == DrainOutcome::Empty));
}

fn eventually(is_so: impl Fn() -> bool) -> bool {
    (0..500).any(|_| {
        let so = is_so();
        if !so {
            std::thread::sleep(Duration::from_millis(10));
        }
        so
    })
}

#[test]
fn only_due_entries_return_to_out() {
    let (_home, mailman) = stage();
    let now = Timestamp::now();
    for (name, due) in [("due", now - 1.0), ("later", now + 600.0)] {
        let mut metadata = dormouse_spool::Metadata::new();
        metadata.set_time("deliver_after", due);
        let entry = dormouse_spool::Entry::new(b"x".to_vec(), metadata).to_bytes();
        fs::write(mailman.queue(Queue::Retry).join(format!("{name}.pck")), entry).unwrap();
    }
    assert_eq!(put_back_due(&mailman).unwrap(), 1);
    assert!(mailman.queue(Queue::Out).join("due.pck").exists());
    assert!(mailman.queue(Queue::Retry).join("later.pck").exists());
}

#[test]
fn a_missing_file_is_named() {
    let home = TempDir::new().unwrap();
    let error = Mailman2::find(home.path(), None).unwrap_err().to_string();
    assert!(error.contains("bin/qrunner"), "{error}");
}

fn files(manager: Manager) -> Vec<UnitFile> {
    let plan = Mailman2Plan {
        mailman: Mailman2 {
            prefix: "/var/lib/mailman".into(),
            qfiles: "/var/lib/mailman/qfiles".into(),
        },
        binary: "/bin/true".into(),
        manager,
        linger: Duration::from_millis(100),
    };
    generate(&plan).unwrap()
}

fn system() -> Manager {
    Manager::System { user: "list".to_owned(), group: "list".to_owned() }
}

#[test]
fn the_units_keep_the_rules_of_waking() {
    let files = files(system());
    let text = |name: &str| {
        &files.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("no {name}")).contents
    };
    let has = |name: &str, line: &str| {
        let text = text(name);
        assert!(text.lines().any(|given| given == line), "{name}: {line}\n{text}");
    };
    has("mailman2-queue@.path", "PathExistsGlob=/var/lib/mailman/qfiles/%i/*.pck");
    has("mailman2-queue@.path", "TriggerLimitIntervalSec=0");
    for line in [
        "Type=oneshot",
        "StartLimitIntervalSec=0",
        "Restart=on-failure",
        "User=list",
        "ExecStart=:\"/bin/true\" run --mailman2 \"/var/lib/mailman\" --linger 100",
    ] {
        has("mailman2.service", line);
    }
    assert!(!text("mailman2.service").contains("\nCondition"), "a condition would make it spin");
    has("mailman2-retry.timer", "RemainAfterElapse=no");
    has("mailman2.target", "Conflicts=mailman.service");
    has("mailman2-cron@.service", "ExecStart=:\"/var/lib/mailman/cron/%i\"");
    has("mailman2-cron-senddigests.timer", "OnCalendar=*-*-* 12:00:00");
    has("mailman2-cron-senddigests.timer", "Persistent=true");
    for file in &files {
        for edge in ["\nPathChanged=", "\nPathModified=", "\nDirectoryNotEmpty="] {
            assert!(!file.contents.contains(edge), "{}", file.name);
        }
    }
}

#[test]
fn systemd_understands_the_units() {
    for manager in [system(), Manager::User] {
        let home = TempDir::new().unwrap();
        let units = home.path().join("units");
        fs::create_dir(&units).unwrap();
        let mut names = Vec::new();
        for file in files(manager.clone()) {
            fs::write(units.join(&file.name), &file.contents).unwrap();
            names.push(file.name.replace("@.path", "@in.path").replace("@.s", "@checkdbs.s"));
        }
        let mut verify = Command::new("systemd-analyze");
        verify
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(&names)
            .current_dir(&units);
        if manager == Manager::User {
            verify.arg("--user").env("XDG_RUNTIME_DIR", home.path());
        }
        let mut path = units.into_os_string();
        path.push(":");
        let output = match verify.env("SYSTEMD_UNIT_PATH", path).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                skipped::skip("no systemd-analyze");
                return;
            }
            output => output.unwrap(),
        };
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        // Mailman itself, and therefore its script, is not installed here.
        let missing = "/var/lib/mailman/cron/checkdbs is not executable";
        let ours: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("mailman2") && !line.contains(missing))
            .collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
    }
}
