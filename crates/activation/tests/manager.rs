//! The units in a real systemd: no entry is missed, and no run is repeated or started in vain.
//!
//! Each test has a separate manager (`tests/systemd/with-user-systemd.sh`), so they can run in
//! parallel. They need root; without it they are skipped.

mod stage;

use dormouse_activation::{
    ActivationError, Manager, UnitState, check, fix, install, rehearse, uninstall,
};
use dormouse_testkit::surroundings::in_manager;
use stage::{Stage, eventually, shell, sleep, systemctl, units_dir};

#[test]
fn one_file_wakes_the_drain_once() {
    in_manager("one_file_wakes_the_drain_once", || {
        let stage = Stage::started();
        for (number, queue) in ["in", "virgin", "out"].into_iter().enumerate() {
            stage.enqueue(queue, queue);
            eventually("the entry to be taken", || stage.is_taken(queue));
            stage.until_asleep();
            assert_eq!(stage.starts(), number + 1);
        }
        let ill: Vec<_> =
            check(&stage.plan).unwrap().into_iter().filter(|unit| !unit.is_well()).collect();
        assert!(ill.is_empty(), "{ill:?}");
    });
}

#[test]
fn what_waited_before_the_start_is_taken() {
    in_manager("what_waited_before_the_start_is_taken", || {
        let stage = Stage::new("site", Manager::User);
        stage.enqueue("in", "a");
        stage.enqueue("out", "b");
        stage.install();
        eventually("both to be taken", || stage.taken() == 2);
    });
}

#[test]
fn a_site_with_an_awkward_name_is_watched() {
    in_manager("a_site_with_an_awkward_name_is_watched", || {
        let stage = Stage::new(r#"1 "site" [a]{b,c}*? 100%i $HOME\x'"#, Manager::User);
        stage.install();
        stage.until_asleep();
        for entry in ["a", "b"] {
            stage.enqueue("in", entry);
            eventually("the entry to be taken", || stage.is_taken(entry));
            stage.until_asleep();
        }
        stage.enqueue("retry", "c");
        eventually("the deferred entry to be taken", || stage.is_taken("c"));
    });
}

#[test]
fn the_clock_starts_a_job_only_while_there_is_something_to_do() {
    in_manager("the_clock_starts_a_job_only_while_there_is_something_to_do", || {
        let stage = Stage::new(r#"1 "site" [a]{b,c}*? 100%i $HOME\x'"#, Manager::User);
        stage.install();
        stage.until_state("dormouse-cron@tidy.timer", "active (waiting)");
        // Its time comes every second.
        sleep(2500);
        assert_eq!(stage.starts(), 0);
        let sign = stage.plan.site.join("due/tidy");
        stage.tell("due/tidy");
        eventually("the job to be done", || !sign.exists());
        sleep(2500);
        assert_eq!(stage.starts(), 1);
    });
}

#[test]
fn mail_at_the_pace_that_kills_default_units_leaves_these_alive() {
    in_manager("mail_at_the_pace_that_kills_default_units_leaves_these_alive", || {
        let stage = Stage::started();
        for number in 0..12 {
            stage.enqueue("in", &number.to_string());
            sleep(700);
        }
        eventually("all to be taken", || stage.taken() == 12);
        stage.until_asleep();
        assert!(stage.starts() >= 6, "{} starts would not have tried the limit", stage.starts());
    });
}

#[test]
fn a_drain_that_fails_pauses_and_recovers() {
    in_manager("a_drain_that_fails_pauses_and_recovers", || {
        let stage = Stage::started();
        stage.tell("broken");
        stage.enqueue("in", "a");
        stage.until_state("dormouse.service", "activating (auto-restart), exit-code");
        assert!(!stage.unit("dormouse.service").is_well());
        sleep(4000);
        let starts = stage.starts();
        assert!((2..=7).contains(&starts), "{starts} starts with pauses of a second");
        stage.untell("broken");
        eventually("it to be taken", || stage.is_taken("a"));
        stage.until_asleep();
        stage.enqueue("in", "b");
        eventually("the next to be taken", || stage.is_taken("b"));
    });
}

/// Creates files between the drain's last check and its end. Returns how many were taken.
fn late_files(stage: &Stage, rounds: usize) -> usize {
    let mut taken = 0;
    for round in 0..rounds {
        stage.tell("late");
        stage.enqueue("in", &round.to_string());
        eventually("the drain to end", || stage.ends() > round + taken);
        stage.until_asleep();
        if stage.is_taken("late") {
            std::fs::remove_file(stage.plan.site.join("taken/late.pck")).unwrap();
            taken += 1;
        }
    }
    taken
}

#[test]
fn a_file_that_lands_after_the_last_look_is_taken() {
    in_manager("a_file_that_lands_after_the_last_look_is_taken", || {
        let stage = Stage::started();
        assert_eq!(late_files(&stage, 5), 5);
    });
}

#[test]
fn an_edge_trigger_would_have_left_it() {
    in_manager("an_edge_trigger_would_have_left_it", || {
        let stage = Stage::new("site", Manager::User);
        let dir = stage.plan.qfiles.display();
        stage.drop_in(
            "dormouse-queue@.path",
            &format!("[Path]\nPathExistsGlob=\nPathChanged={dir}/%i\n"),
        );
        stage.install();
        assert_eq!(late_files(&stage, 1), 0, "if this fails, the test above shows nothing");
    });
}

#[test]
fn a_file_that_lands_after_the_end_but_before_systemd_sees_it_is_taken() {
    in_manager("a_file_that_lands_after_the_end_but_before_systemd_sees_it_is_taken", || {
        let stage = Stage::started();
        let manager = std::env::var("MANAGER_PID").unwrap();
        stage.tell("slow");
        for round in 0..3 {
            stage.enqueue("in", &format!("{round}-first"));
            eventually("the drain to start", || stage.is_taken(&format!("{round}-first")));
            shell(&format!("kill -STOP {manager}"));
            eventually("the drain to end", || stage.ends() == 2 * round + 1);
            stage.enqueue("in", &format!("{round}-second"));
            shell(&format!("kill -CONT {manager}"));
            eventually("the second to be taken", || stage.is_taken(&format!("{round}-second")));
            eventually("the drain to end", || stage.ends() == 2 * round + 2);
            stage.until_asleep();
        }
    });
}

#[test]
fn nothing_is_lost_while_units_are_reloaded() {
    in_manager("nothing_is_lost_while_units_are_reloaded", || {
        let stage = Stage::started();
        for number in 0..30 {
            stage.enqueue(["in", "out"][number % 2], &number.to_string());
            systemctl(&["daemon-reload"]);
        }
        eventually("all to be taken", || stage.taken() == 30);
    });
}

#[test]
fn a_deferred_entry_arms_the_timer_and_its_absence_starts_nothing() {
    in_manager("a_deferred_entry_arms_the_timer_and_its_absence_starts_nothing", || {
        let stage = Stage::started();
        assert_eq!(stage.state("dormouse-retry.timer"), "inactive (dead)");
        stage.enqueue("retry", "a");
        stage.until_state("dormouse-retry.timer", "active (waiting)");
        eventually("it to go out", || stage.is_taken("a"));
        stage.until_asleep();
        stage.until_state("dormouse-retry.timer", "inactive (dead)");
        assert_eq!(stage.starts(), 2, "one to put it back, one to send it");
        stage.until_state("dormouse-retry.path", "active (waiting)");
        // If the queue is emptied after arming, the timer elapses without effect.
        stage.enqueue("retry", "b");
        stage.until_state("dormouse-retry.timer", "active (waiting)");
        std::fs::remove_file(stage.plan.qfiles.join("retry/b.pck")).unwrap();
        stage.until_state("dormouse-retry.timer", "inactive (dead)");
        sleep(1500);
        assert_eq!(stage.starts(), 2);
        assert_eq!(stage.state("dormouse-retry.path"), "active (waiting)");
    });
}

#[test]
fn the_sweep_revives_a_path_unit_and_starts_nothing_for_it() {
    in_manager("the_sweep_revives_a_path_unit_and_starts_nothing_for_it", || {
        let stage = Stage::new("site", Manager::User);
        stage.drop_in(
            "dormouse-sweep.timer",
            "[Timer]\nOnBootSec=\nOnActiveSec=1s\nOnUnitInactiveSec=1s\nAccuracySec=10ms\n",
        );
        stage.install();
        for _ in 0..2 {
            systemctl(&["stop", "dormouse-queue@in.path"]);
            stage.until_state("dormouse-queue@in.path", "active (waiting)");
        }
        assert_eq!(stage.starts(), 0);
        // A claim whose owner died outside systemd.
        std::fs::write(stage.plan.qfiles.join("in/a.bak"), "a").unwrap();
        eventually("the claim to be recovered", || stage.is_taken("a"));
    });
}

#[test]
fn idle_means_that_nothing_starts() {
    in_manager("idle_means_that_nothing_starts", || {
        let stage = Stage::started();
        stage.enqueue("in", "a");
        eventually("it to be taken", || stage.is_taken("a"));
        stage.until_asleep();
        for leftover in ["in/b.bak", "in/c.pck.tmp", "in/.tmp-d.pck", "out/e.psv"] {
            std::fs::write(stage.plan.qfiles.join(leftover), "").unwrap();
        }
        let starts = stage.starts();
        sleep(3000);
        assert_eq!(stage.starts(), starts);
    });
}

#[test]
fn stopping_the_target_pauses_everything() {
    in_manager("stopping_the_target_pauses_everything", || {
        let stage = Stage::started();
        // While the drain runs and more entries wait, and while it pauses after a failure.
        stage.tell("held");
        stage.enqueue("in", "a");
        eventually("the drain's last look", || stage.looks() == 1);
        stage.enqueue("in", "b");
        systemctl(&["stop", "dormouse.target"]);
        stage.untell("held");
        sleep(1500);
        assert_eq!(stage.starts(), 1);
        assert!(!stage.is_taken("b"));
        let mend = stage.unit("dormouse-queue@in.path").mend.unwrap();
        assert_eq!(mend, "systemctl --user enable --now dormouse.target");
        stage.tell("broken");
        shell(&mend);
        stage.until_state("dormouse.service", "activating (auto-restart), exit-code");
        systemctl(&["stop", "dormouse.target"]);
        let starts = stage.starts();
        sleep(2000);
        assert_eq!(stage.starts(), starts);
        stage.untell("broken");
        systemctl(&["start", "dormouse.target"]);
        eventually("the rest to be taken", || stage.is_taken("b"));
    });
}

#[test]
fn a_path_unit_that_died_is_found_and_the_advice_revives_it() {
    in_manager("a_path_unit_that_died_is_found_and_the_advice_revives_it", || {
        let stage = Stage::new("site", Manager::User);
        // systemd's default limits.
        stage.drop_in(
            "dormouse.service",
            "[Unit]\nStartLimitIntervalSec=10s\nStartLimitBurst=2\n[Service]\nRestart=no\n",
        );
        stage.install();
        stage.tell("broken");
        stage.enqueue("in", "a");
        let path = "dormouse-queue@in.path";
        eventually("the path unit to die", || stage.state(path).starts_with("failed"));
        stage.drop_in("dormouse.service", "");
        systemctl(&["daemon-reload"]);
        stage.untell("broken");
        systemctl(&["reset-failed", "dormouse.service"]);
        let dead = stage.unit(path);
        assert!(
            dead.summary().starts_with("failed"),
            "a reload revives nothing: {}",
            dead.summary()
        );
        shell(&dead.mend.unwrap());
        eventually("what waited to be taken", || stage.is_taken("a"));
    });
}

#[test]
fn installing_again_changes_nothing_and_uninstalling_leaves_nothing() {
    in_manager("installing_again_changes_nothing_and_uninstalling_leaves_nothing", || {
        let stage = Stage::started();
        let again = install(&stage.plan, true).unwrap();
        assert!(again.written.is_empty(), "{:?}", again.written);
        // Another site of the same user cannot take over the units.
        let other = Stage::new("other", Manager::User);
        let refused = |error: ActivationError| {
            let text = error.to_string();
            let named =
                format!("`dormouse --site {} units uninstall --user`", stage.plan.site.display());
            assert!(text.contains(&named), "{text}");
        };
        refused(install(&other.plan, true).unwrap_err());
        refused(rehearse(&other.plan).unwrap_err());
        refused(check(&other.plan).unwrap_err());
        refused(fix(&other.plan).unwrap_err());
        refused(uninstall(&Manager::User, &other.plan.site).unwrap_err());
        stage.enqueue("in", "a");
        eventually("the first site's entry to be taken", || stage.is_taken("a"));

        let gone = uninstall(&Manager::User, &stage.plan.site).unwrap();
        assert!(gone.removed.len() >= 8, "{gone:?}");
        let kept = gone.kept.iter().map(|dir| dir.file_name().unwrap().to_str().unwrap());
        assert!(kept.clone().any(|name| name == "dormouse.service.d"), "{gone:?}");
        assert!(check(&stage.plan).unwrap().iter().all(|unit| !UnitState::is_installed(unit)));
        let left: Vec<_> = std::fs::read_dir(units_dir())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".d") && !name.ends_with(".wants"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        stage.enqueue("in", "b");
        sleep(1000);
        assert!(!stage.is_taken("b"));
        assert!(uninstall(&Manager::User, &stage.plan.site).unwrap().removed.is_empty());
        // Now the other site can be installed.
        assert!(!install(&other.plan, true).unwrap().written.is_empty());
        other.enqueue("in", "c");
        eventually("the other site's entry to be taken", || other.is_taken("c"));
    });
}

/// Whether all units of a site are in order.
fn is_well(stage: &Stage) -> bool {
    check(&stage.plan).unwrap().iter().all(UnitState::is_well)
}

#[test]
fn masked_units_are_named_and_repaired_and_drop_ins_are_named() {
    in_manager("masked_units_are_named_and_repaired_and_drop_ins_are_named", || {
        let stage = Stage::started();
        let unit = "dormouse-queue@in.path";
        systemctl(&["mask", "--now", unit]);
        let masked = stage.unit(unit);
        assert!(masked.summary().contains("masked"), "{}", masked.summary());
        let mend = masked.mend.unwrap();
        assert!(mend.ends_with(&format!("systemctl --user unmask {unit}")), "{mend}");
        let mended = fix(&stage.plan).unwrap();
        assert!(mended.done.contains(&mend) && mended.failed.is_empty(), "{mended:?}");
        assert!(is_well(&stage), "{mended:?}");
        stage.enqueue("in", "a");
        eventually("it to be woken", || stage.is_taken("a"));
        // In place of one of our files.
        let file = units_dir().join("dormouse-sweep.timer");
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/null", &file).unwrap();
        systemctl(&["daemon-reload"]);
        assert!(!is_well(&stage));
        let mended = fix(&stage.plan).unwrap();
        assert!(mended.failed.is_empty() && is_well(&stage), "{mended:?}");

        let drain = stage.unit("dormouse.service");
        assert!(drain.is_well() && drain.drop_ins().len() == 1, "{drain:?}");
        assert!(drain.summary().contains("changed by"), "{}", drain.summary());
    });
}

/// A user manager of root can set up the whole sandbox. Only the account is root, because the
/// stand-in's site is root's.
#[test]
fn the_sandbox_lets_a_drain_work() {
    in_manager("the_sandbox_lets_a_drain_work", || {
        let root = Manager::System { user: "root".to_owned(), group: "root".to_owned() };
        let mut stage = Stage::new("site", root);
        let dir = units_dir();
        dormouse_activation::write_into(&dormouse_activation::generate(&stage.plan), &dir).unwrap();
        systemctl(&["daemon-reload"]);
        systemctl(&["start", "dormouse.target"]);
        stage.plan.manager = Manager::User;
        stage.enqueue("in", "a");
        eventually("it to be taken", || stage.is_taken("a"));
        stage.enqueue("retry", "b");
        eventually("the deferred one to be taken", || stage.is_taken("b"));
    });
}

#[test]
fn mail_that_is_due_when_a_manager_returns_is_tried_immediately() {
    in_manager("mail_that_is_due_when_a_manager_returns_is_tried_immediately", || {
        let stage = Stage::new("site", Manager::User);
        // Then only the start of the manager can be the reason.
        stage.drop_in("dormouse-retry.timer", "[Timer]\nOnActiveSec=\nOnActiveSec=1h\n");
        stage.drop_in("dormouse-sweep.timer", "[Timer]\nOnActiveSec=\nOnActiveSec=1h\n");
        stage.install();
        let mut manager: u32 = std::env::var("MANAGER_PID").unwrap().parse().unwrap();
        for round in ["first", "second"] {
            stage.enqueue("retry", round);
            stage.until_state("dormouse-retry.timer", "active (waiting)");
            assert!(!stage.is_taken(round), "it waits for the timer");
            restart_manager(&mut manager);
            eventually("what is due to be taken", || stage.is_taken(round));
            stage.until_asleep();
        }
        // With nothing due, a start of the manager starts no process.
        let starts = stage.starts();
        restart_manager(&mut manager);
        stage.until_state("dormouse-retry.path", "active (waiting)");
        sleep(1000);
        assert_eq!(stage.starts(), starts);
    });
}

/// Stops the user manager with this process ID immediately, without stopping its units, and starts
/// another one.
fn restart_manager(pid: &mut u32) {
    use std::process::{Command, Stdio};
    let is_there = || {
        let mut asked = Command::new("systemctl");
        asked.args(["--user", "--quiet", "is-active", "default.target"]).stderr(Stdio::null());
        asked.status().unwrap().success()
    };
    // SIGRTMIN+24 makes it exit immediately; `sh` knows only the number.
    shell(&format!("kill -58 {pid}"));
    eventually("the manager to be gone", || !is_there());
    let started = Command::new("/lib/systemd/systemd")
        .args(["--user", "--unit=default.target", "--log-target=null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    *pid = started.unwrap().id();
    eventually("the manager to be back", is_there);
}
