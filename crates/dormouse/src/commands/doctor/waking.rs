//! What starts a run when there is work: units, a master, a watch or a crontab.

use super::Topic;
use crate::commands::waker::Wakers;
use crate::commands::{master, units};
use crate::output;
use dormouse_activation::{Manager, UnitState, waiter};
use dormouse_runners::arrangement::{self, Scope};
use dormouse_spool::Spool;
use dormouse_store::{Arrangement, Site, UnixAccount};

pub fn waking(topic: &mut Topic, site: &Site) {
    let spool = &Spool::new(site.qfiles());
    let wakers = Wakers::of(site, spool);
    for problem in &wakers.problems {
        let mend = "because of it this site cannot have its own units there; see `dormouse status`";
        topic.odd(problem, mend);
    }
    if let Some((manager, states)) = &wakers.units {
        installed_units(topic, site, manager, states);
        topic.or_good("the units are installed and active");
    }
    if wakers.master {
        match master::is_outdated(site) {
            Ok(false) => topic.good("the master is running"),
            Ok(true) => topic.bad(
                "the master still uses the [runners] settings from its start",
                "dormouse master restart",
            ),
            Err(failure) => topic.bad(failure.message, "look at that file"),
        }
    } else if wakers.watch() {
        topic.good("a watch is running");
    }
    for process in wakers.outdated(site) {
        topic.odd(
            format!("{} (process {}) still uses older settings", process.name, process.process),
            "it reads the new ones with its next piece of work; if none is due, restart it",
        );
    }
    if wakers.units.is_none() && !wakers.master {
        without_a_manager(topic, site, &wakers);
    }
    let on_demand = Scope::on_demand(site.config());
    let blind = on_demand.waking().find_map(|queue| waiter::blindness(&spool.dir(queue)));
    if let Some(reason) = blind
        && wakers.units.is_some()
    {
        let install = units::install_command(site);
        topic.bad(
            format!("{reason}: path units do not notice new entries there"),
            format!("dormouse config set runners.in 'timer 1min' (and so on), then {install}"),
        );
    }
}

/// Problems of the installed units.
fn installed_units(topic: &mut Topic, site: &Site, manager: &Manager, states: &[UnitState]) {
    let is_roots = UnixAccount::of(site.dir()).is_ok_and(|owner| owner.is_root());
    if let (Manager::System { user, .. }, true) = (manager, is_roots) {
        topic.bad(
            format!("the units run as {user}, but the site belongs to root"),
            "dormouse units install",
        );
    }
    if let Some(reason) = dormouse_activation::unreachable(states) {
        let mend = match manager {
            Manager::User => {
                "log in as that user, or let its manager run without a login: loginctl enable-linger"
            }
            Manager::System { .. } => "without systemd: dormouse master start",
        };
        topic.bad(
            format!("the units are installed, but systemd cannot be asked about them: {reason}"),
            mend,
        );
    }
    for ailing in units::ailing(states) {
        topic.bad(ailing.text, ailing.mend);
    }
    for state in states.iter().filter(|state| !state.drop_ins().is_empty()) {
        topic.odd(
            format!("{} is changed by {}", state.name, state.drop_ins().join(" and ")),
            format!(
                "check that the result is what you want: systemctl{} cat {}",
                manager.flag(),
                state.name
            ),
        );
    }
}

/// Checks hosts without a service manager that starts runs: a watch, a crontab, or nothing.
fn without_a_manager(topic: &mut Topic, site: &Site, wakers: &Wakers) {
    const INSTALL: &str = "dormouse units install; or, without systemd, dormouse master start";
    let last_run = wakers.last_look.map(|ago| output::span(ago.as_secs_f64()));
    let crontab = wakers.crontab.as_ref();
    match (crontab.filter(|crontab| crontab.runs), &last_run) {
        (Some(crontab), Some(ago)) if wakers.has_looked() => {
            topic.good(format!("{} starts runs; the last was {ago} ago", crontab.place));
        }
        (Some(crontab), last_run) => {
            let last = last_run.as_ref().map_or_else(
                || "there was none yet".to_owned(),
                |ago| format!("the last was {ago} ago"),
            );
            topic.odd(
                format!("{} should start runs, but there was none recently: {last}", crontab.place),
                "check that cron is running, and read its mail",
            );
        }
        (None, _) if wakers.watch() => {}
        (None, Some(ago)) if wakers.has_looked() => topic.odd(
            format!("no units, master, watch or crontab is known here; the last run was {ago} ago"),
            INSTALL,
        ),
        (None, _)
            if arrangement::all(site.config()).iter().all(|(_, how)| *how == Arrangement::Off) =>
        {
            topic.odd("every queue is off, and there was no run recently", INSTALL);
        }
        (None, _) => topic.bad(
            "there are no units, and no master, watch or crontab: nothing processes the queues",
            INSTALL,
        ),
    }
    // A watch processes the queues; the daily jobs need a crontab.
    let does_jobs = crontab.is_some_and(|crontab| crontab.does_jobs);
    if !does_jobs && (wakers.watch() || crontab.is_some()) {
        topic.odd(
            "no crontab runs the periodic jobs: no digests, no reminders",
            "*/5 * * * *  list  /usr/bin/dormouse cron run --quiet",
        );
    }
    for (queue, how) in arrangement::all(site.config()) {
        if matches!(how, Arrangement::Resident(_))
            && !wakers.stays_for(queue.name())
            && crontab.is_none()
        {
            topic.bad(
                format!("{queue} should have a resident process, but none is running"),
                format!("dormouse runner {queue}; or dormouse master start"),
            );
        }
    }
}
