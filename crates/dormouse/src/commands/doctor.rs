//! `doctor`: looks for what commonly goes wrong, and says how to mend it. With `--fix` it sets the
//! modes of files and directories; it changes nothing else.

use super::mta::{self, Missing, Postfix};
use super::run::Worker;
use super::waker::Wakers;
use crate::failure::Failure;
use crate::output::{self, BAD, GOOD, WARN, styled};
use dormouse_activation::{Manager, UnitState, waiter};
use dormouse_archive::Place;
use dormouse_delivery::{Cause, Session, Transport};
use dormouse_membership::RunError;
use dormouse_membership::moderation::vouch;
use dormouse_runners::arrangement::{self, Scope};
use dormouse_runners::cron::{Clock, JOBS};
use dormouse_spool::{Found, FoundState, Queue, Spool, clock};
use dormouse_store::owner::{self, FlawKind};
use dormouse_store::{Account, Arrangement, List, Site, Store, ToStrangers, public};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, UNIX_EPOCH};
use sysexits::ExitCode;

/// How long the MTA may take for its greeting.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clocks of machines in one house differ by so much.
const CLOCK_SLACK: f64 = 120.0;
/// The set-group-id bit, and all rights for owner and group: what is made in a queue belongs to its
/// group.
const QUEUE_MODE: u32 = 0o2770;
/// Of more files and directories than this, only the number is said.
const NAMED: usize = 12;

/// What was looked at, and how it is.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was looked at.
    what: &'static str,
    state: State,
    /// How it is.
    text: String,
    /// What to do about it.
    mend: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// It works, but somebody should look.
    Odd,
    /// It does not work, or will not for long.
    Bad,
}

/// Collects findings about one thing.
#[derive(Default)]
struct Chart {
    findings: Vec<Finding>,
    /// What `--fix` sets: paths and the modes that they should have.
    modes: Vec<(PathBuf, u32)>,
}

impl Chart {
    fn good(&mut self, what: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { what, state: State::Good, text: text.into(), mend: None });
    }

    fn odd(&mut self, what: &'static str, text: impl Into<String>, mend: impl Into<String>) {
        let mend = Some(mend.into());
        self.findings.push(Finding { what, state: State::Odd, text: text.into(), mend });
    }

    fn bad(&mut self, what: &'static str, text: impl Into<String>, mend: impl Into<String>) {
        let mend = Some(mend.into());
        self.findings.push(Finding { what, state: State::Bad, text: text.into(), mend });
    }

    /// Adds that all is well if nothing else was said about it.
    fn or_good(&mut self, what: &'static str, text: impl Into<String>) {
        if self.findings.iter().all(|finding| finding.what != what) {
            self.good(what, text);
        }
    }
}

pub fn run(dir: &Path, json: bool, fix: bool) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let mut chart = look(&site);
    if fix {
        for (path, mode) in &chart.modes {
            let shown = path.display();
            match fs::set_permissions(path, fs::Permissions::from_mode(*mode)) {
                Ok(()) => crate::output::note!("dormouse: {shown} has the mode {mode:o} now"),
                Err(error) => crate::output::note!("dormouse: chmod {mode:o} {shown}: {error}"),
            }
        }
        if !chart.modes.is_empty() {
            chart = look(&site);
        }
    }
    if json {
        output::json(&chart.findings)?;
    } else {
        for finding in &chart.findings {
            let (mark, style) = match finding.state {
                State::Good => ("good", GOOD),
                State::Odd => ("odd ", WARN),
                State::Bad => ("BAD ", BAD),
            };
            output::line(format_args!(
                "{}  {:12} {}",
                styled(style, mark),
                finding.what,
                finding.text
            ))?;
            if let Some(mend) = &finding.mend {
                output::line(format_args!("{:18} {mend}", ""))?;
            }
        }
    }
    let bad = chart.findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { ExitCode::Config } else { ExitCode::Ok })
}

/// What is not as it should be, for a page: whether it does not work at all, what it is, and what to
/// do about it.
pub fn findings(site: &Site) -> Vec<dormouse_web::Finding> {
    let findings = look(site).findings.into_iter().filter(|finding| finding.state != State::Good);
    let shown = findings.map(|finding| dormouse_web::Finding {
        is_bad: finding.state == State::Bad,
        what: finding.what,
        text: finding.text,
        mend: finding.mend.unwrap_or_default(),
    });
    shown.collect()
}

/// Looks at everything.
fn look(site: &Site) -> Chart {
    let spool = &Spool::new(site.qfiles());
    let mut chart = Chart::default();
    permissions(&mut chart, site, spool);
    database(&mut chart, site);
    public_archives(&mut chart, site);
    site_list(&mut chart, site);
    receivers(&mut chart, site);
    pages(&mut chart, site);
    strangers_hear(&mut chart, site);
    disk(&mut chart, site, spool);
    clocks(&mut chart, site, spool);
    waking(&mut chart, site, spool);
    mail_out(&mut chart, site);
    mail_in(&mut chart, site);
    lmtp_socket(&mut chart, site);
    orphans(&mut chart, spool);
    for_a_person(&mut chart, site, spool);
    chart
}

fn permissions(chart: &mut Chart, site: &Site, spool: &Spool) {
    const WHAT: &str = "permissions";
    const AS_OWNER: &str = "run this as the user that owns the site, or as root";
    let owner = match Account::of(site.dir()) {
        Ok(owner) => owner,
        Err(error) => {
            return chart.bad(WHAT, format!("{}: {error}", site.dir().display()), AS_OWNER);
        }
    };
    let dirs = std::iter::once(spool.root().to_owned())
        .chain(Queue::ALL.into_iter().map(|queue| spool.dir(queue)))
        .chain([".staged", ".handover"].map(|name| spool.root().join(name)));
    for dir in dirs {
        let shown = dir.display();
        match fs::metadata(&dir) {
            Ok(meta) if meta.mode() & 0o7777 != QUEUE_MODE => {
                chart.odd(
                    WHAT,
                    format!("{shown} has the mode {:o}, not {QUEUE_MODE:o}", meta.mode() & 0o7777),
                    format!("dormouse doctor --fix, or: chmod {QUEUE_MODE:o} {shown}"),
                );
                chart.modes.push((dir, QUEUE_MODE));
            }
            // They are made on demand.
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => chart.bad(WHAT, format!("{shown}: {error}"), AS_OWNER),
        }
    }
    strangers(chart, WHAT, site, &owner);
    let me = rustix::process::geteuid().as_raw();
    if me != owner.uid && me != 0 {
        chart.odd(
            WHAT,
            format!("you are {}, the site belongs to {}", owner::user_name(me), owner.user),
            "run dormouse as that user or as root, or mail may be left that it cannot read",
        );
    }
    chart.or_good(WHAT, format!("everything in the site belongs to {}", owner.user));
}

/// What is another user's, and what others may read.
fn strangers(chart: &mut Chart, what: &'static str, site: &Site, owner: &Account) {
    const AS_ROOT: &str = "as root: dormouse compat check_perms -f";
    let mut foreign: Vec<(PathBuf, u32)> = Vec::new();
    let mut open = Vec::new();
    let looked = owner::flaws(site.dir(), &mut |flaw| match flaw.kind {
        FlawKind::Foreign(uid) => foreign.push((flaw.path, uid)),
        FlawKind::Open => open.push(flaw.path),
    });
    if let Err(error) = looked {
        chart.bad(what, error.to_string(), AS_ROOT);
    }
    if let Some((path, uid)) = foreign.first() {
        let path = path.display();
        let whose = owner::user_name(*uid);
        let text = match foreign.len() - 1 {
            0 => format!("{path} belongs to {whose}, the site to {}", owner.user),
            more => format!(
                "{path} and {} belong to others ({whose}), the site to {}",
                output::count(more as u64, "more file", "more files"),
                owner.user
            ),
        };
        chart.bad(what, text, AS_ROOT);
    }
    for path in open {
        chart.odd(what, format!("others may read {}", path.display()), AS_ROOT);
    }
}

/// Whether a web server can come to the archives that everybody may read.
fn public_archives(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "archives";
    let Ok(lists) = Store::open_read_only(site).and_then(|store| store.lists()) else { return };
    let is_public = |list: &&List| list.settings.archive && !list.settings.archive_private;
    let names: Vec<&str> = lists.iter().filter(is_public).map(|list| list.name.as_str()).collect();
    if !names.iter().any(|name| Place::of(site, name).tree().is_dir()) {
        return;
    }
    let closed = match public::closed(site, &names) {
        Ok(closed) => closed,
        Err(error) => return chart.bad(WHAT, error.to_string(), "run this as the site's owner"),
    };
    if !closed.is_empty() {
        let paths: Vec<String> = closed.iter().map(|one| one.path.display().to_string()).collect();
        let more = paths.len().saturating_sub(NAMED);
        let mut shown = paths[..paths.len() - more].join(", ");
        if more > 0 {
            shown = format!("{shown} and {}", output::count(more as u64, "more", "more"));
        }
        let mut commands = Vec::new();
        for (rights, bits) in [("o+x", 0o001), ("o+rx", 0o005), ("o+r", 0o004)] {
            let needs = |one: &&public::Closed| one.modes.1 & !one.modes.0 == bits;
            let paths: Vec<String> = closed
                .iter()
                .filter(needs)
                .take(NAMED)
                .map(|one| one.path.display().to_string())
                .collect();
            if !paths.is_empty() {
                commands.push(format!("chmod {rights} {}", paths.join(" ")));
            }
        }
        let mend = match more {
            0 => format!("dormouse doctor --fix, or: {}", commands.join("; ")),
            _ => "dormouse doctor --fix".to_owned(),
        };
        chart.odd(
            WHAT,
            format!("no web server can read public archives: others may not pass or read {shown}"),
            mend,
        );
        chart.modes.extend(closed.into_iter().map(|one| (one.path, one.modes.1)));
    }
    chart.or_good(WHAT, "a web server can read the public ones");
}

fn database(chart: &mut Chart, site: &Site) {
    match Store::open_read_only(site).and_then(|store| store.lists()) {
        Ok(lists) => {
            let lists = output::count(lists.len() as u64, "list", "lists");
            chart.good("database", format!("{lists} in {}", site.database().display()));
        }
        Err(error) => {
            chart.bad("database", error.to_string(), "restore it from a backup if it is damaged");
        }
    }
}

/// Who hears of what comes back to the site itself.
fn site_list(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "site list";
    let name = &site.config().site_list;
    let kept = site.owner_bounces();
    // The finding about the database says why.
    let Ok(found) = Store::open_read_only(site).and_then(|store| store.list(name)) else { return };
    match found {
        None => chart.odd(
            WHAT,
            format!(
                "there is no list {name}: what comes back of mail to lists' owners is kept in {}",
                kept.display()
            ),
            format!("dormouse list create {name} --owner YOU"),
        ),
        Some(list) if list.settings.owner.is_empty() => chart.bad(
            WHAT,
            format!("the list {name} has no owner: nobody hears of what comes back to the site"),
            format!("dormouse list set {name} owner=YOU"),
        ),
        Some(list) => {
            let owners = list.settings.owner.join(", ");
            chart.good(WHAT, format!("what comes back to {name} goes to {owners}"));
        }
    }
    if fs::metadata(&kept).is_ok_and(|meta| meta.len() > 0) {
        chart.odd(
            WHAT,
            format!("mail that nobody else has is in {}", kept.display()),
            "read it, then move it away",
        );
    }
}

/// Whether a domain refuses the lists' mail, or its readers complain of it.
fn receivers(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "receivers";
    const FEW: u64 = 3;
    const MANY: u64 = 10;
    let since = dormouse_spool::clock::seconds() - 7.0 * 86_400.0;
    let Ok(rows) =
        Store::open_read_only(site).and_then(|store| store.returns_by_domain(None, since))
    else {
        return;
    };
    for row in &rows {
        let (domain, members) = (&row.domain, row.members);
        if row.refused >= MANY || row.refused >= FEW && row.refused * 2 >= members {
            chart.odd(
                WHAT,
                format!(
                    "{domain} refuses mail: {} of {members} addresses there within a week, for policy",
                    row.refused
                ),
                "`dormouse member bounces LIST` has the answers; look at DNS, block lists and DKIM",
            );
        }
        if row.complaints >= FEW {
            chart.odd(
                WHAT,
                format!(
                    "{} of {members} readers at {domain} marked mail as unwanted within a week",
                    row.complaints
                ),
                "`dormouse member rates` shows the domains; `complaints=unsubscribe` lets them leave",
            );
        }
    }
    chart.or_good(WHAT, "no domain refuses the lists' mail");
}

/// Whether somebody serves the pages that mails lead to.
fn pages(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "web pages";
    let config = site.config();
    let place = config.web_listen.trim();
    if place.is_empty() {
        let text = "the site has none (web.listen): no mail leads to any";
        if config.web_url.trim().is_empty() {
            chart.good(WHAT, text);
        } else {
            let mend = "dormouse config set web.listen 127.0.0.1:8124; dormouse units install; and \
                        have the web server in front pass /mailman/ on to it";
            chart.odd(WHAT, format!("{text}, though web_url says where they are"), mend);
        }
        return;
    }
    let tried = if place.starts_with('/') {
        UnixStream::connect(place).map(drop)
    } else {
        TcpStream::connect(place).map(drop)
    };
    match tried {
        Ok(()) => chart.good(WHAT, format!("somebody listens at {place}")),
        Err(error) => chart.bad(
            WHAT,
            format!("{place}: {error}: mails lead to pages that nobody serves"),
            format!(
                "{}; or dormouse master start; or dormouse config set web.listen ''",
                super::units::install_command(site)
            ),
        ),
    }
}

/// Whether those who are no members hear what becomes of their posts.
fn strangers_hear(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "strangers";
    let config = site.config();
    let text = "what lists reject by sender or header is not taken, and the sender's own MTA says so; \
                of posts that wait or are refused later strangers hear nothing";
    match vouch::silence(config) {
        Some(silence) => chart.odd(WHAT, text, silence),
        None if config.notices_to_strangers == ToStrangers::Always => {
            chart.good(WHAT, "they hear what becomes of their posts, forged addresses too");
        }
        None => chart.good(
            WHAT,
            format!(
                "they hear what becomes of their posts where {} vouches for the address",
                config.notices_authserv_id
            ),
        ),
    }
}

fn disk(chart: &mut Chart, site: &Site, spool: &Spool) {
    const WHAT: &str = "disk";
    let stat = match rustix::fs::statvfs(spool.root()) {
        Ok(stat) => stat,
        Err(error) => {
            let text = format!("{}: {error}", spool.root().display());
            return chart.bad(WHAT, text, "`dormouse run` makes the queues anew");
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = site.config().intake_min_free.bytes();
    if free < needed {
        chart.bad(
            WHAT,
            format!(
                "{} free, less than intake.min_free: mail is refused for now",
                output::size(free)
            ),
            "free some space; nothing that was accepted is lost",
        );
    } else if free < needed.saturating_mul(10) {
        chart.odd(WHAT, format!("only {} free", output::size(free)), "free some space soon");
    }
    if stat.f_files > 0 && stat.f_favail < 1000 {
        chart.bad(
            WHAT,
            format!("only {} more files may be made", stat.f_favail),
            "remove small files: each entry is one",
        );
    }
    chart.or_good(WHAT, format!("{} free", output::size(free)));
}

fn clocks(chart: &mut Chart, site: &Site, spool: &Spool) {
    const WHAT: &str = "clock";
    let now = clock::seconds();
    for queue in Queue::ALL {
        let found = spool.list(queue).unwrap_or_default();
        let ahead =
            found.iter().filter_map(|entry| entry.name.received()).fold(0.0, f64::max) - now;
        if ahead > CLOCK_SLACK {
            chart.bad(
                WHAT,
                format!("an entry of {queue} was received {} from now", output::span(ahead)),
                "set the clock (timedatectl set-ntp true): retries and timers go by it",
            );
        }
    }
    let released = 1_764_547_200.0;
    if now < released {
        chart.bad(
            WHAT,
            "the clock says that this program was not made yet",
            "timedatectl set-ntp true",
        );
    }
    // Where the database cannot be read, another finding says so.
    for (job, last) in Store::open_read_only(site)
        .ok()
        .and_then(|store| impossible_runs(site, &store).ok())
        .unwrap_or_default()
    {
        chart.odd(
            WHAT,
            format!("the job {job} was last done for {last}, which is in the future: the clock was wrong"),
            format!("nothing waits for that date; the next `dormouse cron {job}` forgets it"),
        );
    }
    let longest = site.config().longest_retry_wait();
    let waiting = spool.list(Queue::Retry).unwrap_or_default();
    let wrong = |found: &&Found| {
        found.state == FoundState::Ready && found.due(clock::now(), longest).is_none()
    };
    let count = waiting.iter().filter(wrong).count() as u64;
    if count > 0 {
        chart.odd(
            WHAT,
            format!(
                "{} in retry until a date that cannot be right: the clock was wrong",
                output::count(count, "entry waits", "entries wait")
            ),
            "dormouse run tries them now",
        );
    }
    chart.or_good(WHAT, "no entry is from the future");
}

/// The jobs that were last done for a period in the future.
fn impossible_runs(site: &Site, store: &Store) -> Result<Vec<(&'static str, String)>, RunError> {
    let spool = Spool::new(site.qfiles());
    let (now, zone) = (clock::seconds(), &TimeZone::system());
    let clock = Clock { site, spool: &spool, store, now, zone, lists: &[] };
    let mut found = Vec::new();
    for job in JOBS {
        found.extend(clock.impossible_run(job)?.map(|last| (job.name, last)));
    }
    Ok(found)
}

fn waking(chart: &mut Chart, site: &Site, spool: &Spool) {
    const WHAT: &str = "waking";
    let wakers = Wakers::of(site, spool);
    for problem in &wakers.problems {
        let mend = "it keeps this site from having units of its own there; see `dormouse status`";
        chart.odd(WHAT, problem, mend);
    }
    if let Some((manager, states)) = &wakers.units {
        units(chart, site, manager, states);
        chart.or_good(WHAT, "the units are installed and alive");
    }
    if wakers.master {
        match super::master::is_outdated(site) {
            Ok(false) => chart.good(WHAT, "the master is running"),
            Ok(true) => chart.bad(
                WHAT,
                "the master keeps running what [runners] said when it was started",
                "dormouse master restart",
            ),
            Err(failure) => chart.bad(WHAT, failure.message, "look at that file"),
        }
    } else if wakers.watch() {
        chart.good(WHAT, "a watch is running");
    }
    for process in wakers.outdated(site) {
        chart.odd(
            WHAT,
            format!("{} (process {}) still works on older settings", process.name, process.process),
            "it takes the new ones with its next piece of work; if it has none, restart it",
        );
    }
    if wakers.units.is_none() && !wakers.master {
        without_a_manager(chart, site, &wakers);
    }
    let on_demand = Scope::on_demand(site.config());
    let blind = on_demand.waking().find_map(|queue| waiter::blindness(&spool.dir(queue)));
    if let Some(reason) = blind
        && wakers.units.is_some()
    {
        let install = super::units::install_command(site);
        chart.bad(
            WHAT,
            format!("{reason}: path units do not see it"),
            format!("dormouse config set runners.in 'timer 1min' (and so on), then {install}"),
        );
    }
}

/// What is wrong with installed units.
fn units(chart: &mut Chart, site: &Site, manager: &Manager, states: &[UnitState]) {
    const WHAT: &str = "waking";
    let is_roots = Account::of(site.dir()).is_ok_and(|owner| owner.is_root());
    if let (Manager::System { user, .. }, true) = (manager, is_roots) {
        chart.bad(
            WHAT,
            format!("the units run as {user}, and the site is root's"),
            "dormouse units install",
        );
    }
    if let Some(reason) = dormouse_activation::unreachable(states) {
        let mend = match manager {
            Manager::User => {
                "log in as that user, or have its manager stay: loginctl enable-linger"
            }
            Manager::System { .. } => "without systemd: dormouse master start",
        };
        chart.bad(
            WHAT,
            format!("the units are installed, but cannot be asked about: {reason}"),
            mend,
        );
    }
    for ailing in super::units::ailing(states) {
        chart.bad(WHAT, ailing.text, ailing.mend);
    }
    for state in states.iter().filter(|state| !state.drop_ins().is_empty()) {
        chart.odd(
            WHAT,
            format!("{} is changed by {}", state.name, state.drop_ins().join(" and ")),
            format!(
                "see that it is as you want it: systemctl{} cat {}",
                manager.flag(),
                state.name
            ),
        );
    }
}

/// Hosts on which no service manager wakes us: a watch, a crontab, or nobody.
fn without_a_manager(chart: &mut Chart, site: &Site, wakers: &Wakers) {
    const WHAT: &str = "waking";
    const INSTALL: &str = "dormouse units install; or, without systemd, dormouse master start";
    let looked = wakers.last_look.map(|ago| output::span(ago.as_secs_f64()));
    let crontab = wakers.crontab.as_ref();
    match (crontab.filter(|crontab| crontab.runs), &looked) {
        (Some(crontab), Some(ago)) if wakers.has_looked() => chart.good(
            WHAT,
            format!("{} has the queues worked off; the last run was {ago} ago", crontab.place),
        ),
        (Some(crontab), looked) => {
            let last = looked.as_ref().map_or_else(
                || "there was none yet".to_owned(),
                |ago| format!("the last was {ago} ago"),
            );
            chart.odd(
                WHAT,
                format!("{} is to have the queues worked off, but by no run of late: {last}", crontab.place),
                "see that cron is running, and what it says in its mail",
            );
        }
        (None, _) if wakers.watch() => {}
        (None, Some(ago)) if wakers.has_looked() => chart.odd(
            WHAT,
            format!(
                "there are no units, no master, no watch and no crontab that is known here; the last \
                 run was {ago} ago"
            ),
            INSTALL,
        ),
        (None, _) if arrangement::all(site.config()).iter().all(|(_, how)| *how == Arrangement::Off) => {
            chart.odd(WHAT, "every queue is off, and no run has looked at them of late", INSTALL);
        }
        (None, _) => chart.bad(
            WHAT,
            "there are no units, and no master, watch or crontab: nobody works the queues off",
            INSTALL,
        ),
    }
    // A watch does what is often to do, and leaves what is daily to somebody else.
    let does_jobs = crontab.is_some_and(|crontab| crontab.does_jobs);
    if !does_jobs && (wakers.watch() || crontab.is_some()) {
        chart.odd(
            WHAT,
            "no crontab does the clock's jobs: no digests, no reminders",
            "*/5 * * * *  list  /usr/bin/dormouse cron run --quiet",
        );
    }
    for (queue, how) in arrangement::all(site.config()) {
        if matches!(how, Arrangement::Resident(_))
            && !wakers.stays_for(queue.name())
            && crontab.is_none()
        {
            chart.bad(
                WHAT,
                format!("{queue} is to have a process that stays, and there is none"),
                format!("dormouse runner {queue}; or dormouse master start"),
            );
        }
    }
}

fn mail_out(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "MTA";
    const NAME: &str = "dormouse config set delivery.url smtp://HOST:PORT";
    let url = &site.config().delivery_url;
    const LOGIN: &str = "dormouse config set delivery.user NAME; dormouse config set \
                         delivery.password_file FILE";
    let mut worker = match Worker::new(site, Arc::new(AtomicBool::new(false))) {
        Ok(worker) => worker,
        Err(failure) => return chart.bad(WHAT, failure.message, format!("{NAME}; {LOGIN}")),
    };
    worker.be_impatient(PATIENCE);
    let (transport, options) = worker.mta();
    if let Transport::Maildir(dir) = transport {
        let shown = dir.display();
        if dir.is_dir() || owner::could_make(dir) {
            let text = format!("mail goes into Maildirs below {shown}, and to nobody else");
            return chart.good(WHAT, text);
        }
        let text = format!("there is no directory {shown}, and it cannot be made");
        return chart.bad(WHAT, text, format!("make it, or name an MTA: {NAME}"));
    }
    match Session::connect(transport, options) {
        Ok(session) => {
            session.quit();
            let host = if let Transport::Smtp(endpoint) = transport {
                endpoint.to_string()
            } else {
                url.clone()
            };
            let user = options.credentials.as_ref().map(|found| found.user.as_str());
            let user = user.map_or_else(String::new, |user| format!(", and lets {user} in"));
            chart.good(WHAT, format!("{host} answers{user}"));
        }
        Err(error) => {
            let mend = match &error.cause {
                Cause::Login { .. } => {
                    format!("look at the password, or name another user: {LOGIN}")
                }
                Cause::Setup(_) | Cause::Tls(_) => "dormouse config show delivery.tls --explain; \
                                                    dormouse config show delivery.user --explain"
                    .to_owned(),
                _ => format!("start it, or name another one: {NAME}"),
            };
            chart.bad(WHAT, error.to_string(), mend);
        }
    }
}

/// Whether an MTA of this machine brings the lists' mail.
fn mail_in(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "mail in";
    // The finding about the database says why.
    let Ok(lists) = Store::open_read_only(site).and_then(|store| store.lists()) else { return };
    let is_there = |name: &str| site.dir().join(name).exists();
    if is_there("exim.conf") {
        match mta::exim(site, &lists) {
            Some(missing) => lacks(chart, WHAT, missing),
            None => chart.odd(
                WHAT,
                "there is a part for Exim's configuration, but no Exim that can be asked",
                "see that it is installed; exim -bt LIST@HOST shows what it makes of an address",
            ),
        }
        chart.or_good(WHAT, "Exim brings it");
        return;
    }
    let Some(postfix) = Postfix::find() else {
        if !is_there("aliases") && site.config().lmtp_listen.trim().is_empty() {
            chart.odd(
                WHAT,
                "nothing is known here of an MTA that brings mail for the lists",
                "dormouse aliases --install, for Postfix; or dormouse aliases --mta exim --install",
            );
        }
        return;
    };
    let host = &site.config().host;
    if is_there("aliases") || postfix.has_transport(host) {
        lacks(chart, WHAT, postfix.missing(site, &lists));
        chart.or_good(WHAT, "Postfix brings it");
    } else {
        chart.odd(
            WHAT,
            format!("Postfix has no way for mail to {host}"),
            "dormouse aliases --install",
        );
    }
}

/// Whether the MTA may connect to the socket for mail.
fn lmtp_socket(chart: &mut Chart, site: &Site) {
    const WHAT: &str = "mail in";
    let place = site.config().lmtp_listen.trim();
    if !place.starts_with('/') {
        return;
    }
    let found = match fs::metadata(place) {
        Ok(found) => found,
        Err(error) => {
            let mend = format!(
                "{}; or dormouse master start; or dormouse config set lmtp.listen ''",
                super::units::install_command(site)
            );
            return chart.bad(WHAT, format!("{place}: {error}: nobody takes mail there"), mend);
        }
    };
    let (has, wanted) = (owner::group_name(found.gid()), site.config().lmtp_group());
    if wanted.is_empty() {
        chart.odd(
            WHAT,
            format!("no MTA's group is known, so no MTA of another account may connect to {place}"),
            "dormouse config set lmtp.group GROUP; dormouse units install",
        );
    } else if has != wanted {
        chart.odd(
            WHAT,
            format!("{place} is for the group {has}, not for {wanted}, which the MTA is in"),
            format!(
                "dormouse units install; or, without systemd, put the site's owner into the group \
                 {wanted}, and dormouse master restart"
            ),
        );
    } else {
        chart.good(WHAT, format!("the group {wanted} may connect to {place}"));
    }
}

fn lacks(chart: &mut Chart, what: &'static str, missing: Vec<Missing>) {
    missing.into_iter().for_each(|missing| chart.bad(what, missing.text, missing.mend));
}

fn orphans(chart: &mut Chart, spool: &Spool) {
    const WHAT: &str = "orphans";
    let mut left = 0u64;
    for queue in Queue::ALL {
        for found in spool.list(queue).unwrap_or_default() {
            let path = spool.dir(queue).join(format!("{}.bak", found.name));
            left += u64::from(found.state == FoundState::Claimed && is_unlocked(&path));
        }
    }
    match spool.remains() {
        Ok(remains) => left += remains.iter().filter(|path| is_old(path)).count() as u64,
        Err(error) => chart.bad(WHAT, error.to_string(), "look at that directory"),
    }
    if left > 0 {
        chart.odd(
            WHAT,
            format!("{} left behind by dead processes", output::count(left, "file", "files")),
            "dormouse run takes them up again; the sweep does so every quarter of an hour",
        );
    }
    chart.or_good(WHAT, "no dead process left anything behind");
}

/// The lock of a dead process is free.
fn is_unlocked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok())
}

/// What is younger may be in the making.
fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified.is_ok_and(|at| at.elapsed().unwrap_or_default() > Duration::from_secs(60))
}

fn for_a_person(chart: &mut Chart, site: &Site, spool: &Spool) {
    const WHAT: &str = "queues";
    for queue in [Queue::Shunt, Queue::Bad] {
        let count = spool.list(queue).map_or(0, |found| found.len());
        if count > 0 {
            let entries = output::count(count as u64, "entry waits", "entries wait");
            let then = match queue {
                Queue::Bad => "what cannot be read, only `dormouse queue rm` takes away",
                _ => "dormouse queue retry --all shunt",
            };
            chart.odd(
                WHAT,
                format!("{entries} in {queue} for a person"),
                format!("dormouse queue ls {queue}; {then}"),
            );
        }
    }
    for (queue, _) in arrangement::all(site.config()) {
        let found = spool.list(queue).unwrap_or_default();
        if let Some(found) = found.iter().find(|found| found.state == FoundState::Preserved) {
            chart.odd(
                WHAT,
                format!(
                    "{queue}/{}.psv was set aside: it cannot be opened as an entry",
                    found.name
                ),
                format!(
                    "mend or remove it; `dormouse queue retry {queue}/{}` tries it again",
                    found.name
                ),
            );
        }
    }
    let now = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    for (queue, how) in arrangement::all(site.config()) {
        let found = spool.list(queue).unwrap_or_default();
        let waiting = found.iter().filter(|entry| entry.state == FoundState::Ready).count() as u64;
        if how == Arrangement::Off && waiting > 0 {
            chart.odd(
                WHAT,
                format!(
                    "{} in {queue}, which is off",
                    output::count(waiting, "entry waits", "entries wait")
                ),
                format!(
                    "dormouse config set runners.{queue} on-demand; {}",
                    super::units::install_command(site)
                ),
            );
        }
        let patience = match how {
            Arrangement::OnDemand | Arrangement::Resident(_) => 600.0,
            Arrangement::Timer(every) => 600.0 + every.seconds_f64(),
            Arrangement::Off => continue,
        };
        // In retry they wait for their time, and out is received when the post was; and what an
        // import has brought is as old as it was there.
        let ready = found.iter().filter(|entry| entry.state == FoundState::Ready);
        let waited = ready.filter_map(|entry| {
            let due = entry.modified.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
            let path = spool.dir(queue).join(format!("{}.pck", entry.name));
            let came = fs::metadata(path).map_or(0.0, |found| found.ctime() as f64);
            Some(now - due.max(came))
        });
        let oldest = waited.fold(0.0, f64::max);
        if oldest > patience {
            chart.bad(
                WHAT,
                format!("an entry has waited in {queue} for {}", output::span(oldest)),
                "dormouse run, and see what it says",
            );
        }
    }
    chart.or_good(WHAT, "nothing waits longer than it should");
}
