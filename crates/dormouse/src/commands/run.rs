//! `run`: one pass over the queues.

use super::{mailman2, status};
use crate::cli::RunArgs;
use crate::failure::Failure;
use crate::log;
use crate::output;
use dormouse_activation::{Presence, Watch, systemctl, wake_unit};
use dormouse_delivery::{SessionOptions, Transport};
use dormouse_runners::arrangement::Scope;
use dormouse_runners::drain::{self, Summary};
use dormouse_runners::{Shared, mta};
use dormouse_spool::{Queue, Spool};
use dormouse_store::{LiveSite, Site};
use rustix::fs::OFlags;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};
use sysexits::ExitCode;

pub fn run(dir: &Path, args: &RunArgs) -> Result<ExitCode, Failure> {
    if let Some(prefix) = &args.mailman2.mailman2 {
        let qfiles = args.mailman2.mailman2_qfiles.as_deref();
        let linger = Duration::from_millis(args.linger.unwrap_or(0));
        return mailman2::run(prefix, qfiles, linger, args.retry_only);
    }
    let site = super::site(dir)?;
    let spool = Spool::new(site.qfiles());
    if args.retry_only {
        let summary = drain_once(&site, &spool, &Scope::of(&[Queue::Retry]), LingerTime::No)?;
        tracing::info!("{} moved back", output::count(summary.retried, "entry", "entries"));
        if args.arm {
            arm(&site, &spool);
        }
        return Ok(finish(&summary));
    }
    let scope = if args.queues.is_empty() {
        note_look(&spool);
        Scope::everything(site.config())
    } else {
        Scope::of(&args.queues)
    };
    let linger = args.linger.map_or(LingerTime::WhileMailArrives, |span| match span {
        0 => LingerTime::No,
        _ => LingerTime::For(Duration::from_millis(span)),
    });
    let summary = drain_once(&site, &spool, &scope, linger)?;
    if args.arm {
        arm(&site, &spool);
    }
    if args.json {
        output::json(&summary)?;
    } else if summary.did_something() && !args.quiet {
        print(&summary)?;
    }
    Ok(finish(&summary))
}

/// Reports what failed, and whether it still does.
fn finish(summary: &Summary) -> ExitCode {
    // A server that is away fails every queue alike.
    let said: BTreeSet<String> = summary.errors.iter().map(ToString::to_string).collect();
    for error in said {
        crate::output::note!("dormouse: {error}");
    }
    for (queue, count) in &summary.left {
        let entries = output::count(*count as u64, "entry", "entries");
        if queue == drain::HALF_DONE {
            crate::output::note!("dormouse: {entries} unfinished; the next run continues them");
        } else {
            crate::output::note!(
                "dormouse: {entries} left in {queue}; see `dormouse queue ls {queue}`"
            );
        }
    }
    match summary {
        _ if summary.is_clean() => ExitCode::Ok,
        _ if summary.needs_a_person => ExitCode::Config,
        _ => ExitCode::TempFail,
    }
}

/// Returns the file whose time says when a run last looked at all queues, as started by a crontab.
pub fn last_look(spool: &Spool) -> PathBuf {
    spool.root().join(".looked")
}

fn note_look(spool: &Spool) {
    let path = last_look(spool);
    let noted = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()));
    if let Err(error) = noted {
        tracing::debug!("{}: {error}", path.display());
    }
}

/// Lets the user's systemd manager start us when the next deferred entry is due. Otherwise a timer
/// does so every quarter of an hour.
fn arm(site: &Site, spool: &Spool) {
    let due = match spool.next_due(site.config().longest_retry_wait()) {
        Ok(Some(due)) => due,
        Ok(None) => return,
        Err(error) => return tracing::warn!("{error}"),
    };
    // A time in the past would never elapse, and a file's time may be a fraction of a second early.
    let soonest = dormouse_clock::now() + Duration::from_secs(2);
    let epoch = due.max(soonest).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + 1;
    let unit = wake_unit(epoch);
    if let Err(error) = systemctl::start(&unit) {
        tracing::warn!("deferred mail waits for the quarter-hourly timer: {error}");
    }
}

/// What a process needs to process queues.
pub struct Worker {
    transport: Transport,
    options: SessionOptions,
    stop: Arc<AtomicBool>,
    /// See [`Shared::pulse`].
    pub pulse: AtomicU64,
}

impl Worker {
    /// Creates a worker by the site's settings. Once `stop` is set, it ends after the transaction
    /// in flight.
    pub fn new(site: &Site, stop: Arc<AtomicBool>) -> Result<Worker, Failure> {
        let (transport, options) = mta::from_settings(site)?;
        Ok(Worker { transport, options, stop, pulse: AtomicU64::new(0) })
    }

    /// Returns the MTA, and how to talk to it.
    pub fn mta(&self) -> (&Transport, &SessionOptions) {
        (&self.transport, &self.options)
    }

    /// Sets the longest time to wait for a reply of the MTA.
    pub fn be_impatient(&mut self, most: Duration) {
        self.options.timeout = self.options.timeout.min(most);
    }

    /// Returns the part of it that the runners share.
    pub fn shared<'w>(&'w self, site: &'w Site, spool: &'w Spool) -> Shared<'w> {
        let Worker { transport, options, stop, pulse } = self;
        Shared { site, spool, transport, options, stop, pulse }
    }
}

/// Opens the site for a resident process: the process registers under a name, and reads new
/// settings if it `can` work with them.
pub fn stay(
    dir: &Path,
    name: String,
    can: impl Fn(&Site) -> Result<(), String> + Send + Sync + 'static,
) -> Result<LiveSite, Failure> {
    let presence: Mutex<Option<Presence>> = Mutex::default();
    let take = move |site: &Site| {
        can(site)?;
        log::follow(site);
        let mut presence = presence.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let noted = match &mut *presence {
            Some(presence) => presence.note(site.mark()),
            None => Presence::announce(site.dir(), &name, site.mark())
                .map(|made| *presence = Some(made)),
        };
        // The process works anyway.
        if let Err(error) = noted {
            tracing::warn!("this process is not registered, so `status` does not show it: {error}");
        }
        Ok(())
    };
    Ok(LiveSite::open(dir, take)?)
}

/// A site with a worker that uses its current settings.
pub struct Hands {
    live: Arc<LiveSite>,
    stop: Arc<AtomicBool>,
    site: Arc<Site>,
    worker: Arc<Worker>,
}

impl Hands {
    /// Creates one for a resident process, by its name. Once `stop` is set, it ends after the
    /// transaction in flight.
    pub fn new(dir: &Path, name: String, stop: Arc<AtomicBool>) -> Result<Hands, Failure> {
        let worker = Worker::new(&Site::open(dir)?, Arc::clone(&stop))?;
        let live = stay(dir, name, |site| {
            mta::from_settings(site).map(drop).map_err(|error| error.to_string())
        })?;
        let site = live.now();
        Ok(Hands { live: Arc::new(live), stop, site, worker: Arc::new(worker) })
    }

    /// Returns the site, to share.
    pub fn live(&self) -> Arc<LiveSite> {
        Arc::clone(&self.live)
    }

    /// Returns both, with the current settings.
    pub fn now(&mut self) -> (Arc<Site>, Arc<Worker>) {
        let site = self.live.now();
        if !Arc::ptr_eq(&site, &self.site) {
            match Worker::new(&site, Arc::clone(&self.stop)) {
                Ok(worker) => self.worker = Arc::new(worker),
                // The settings could be read a moment ago.
                Err(failure) => tracing::error!("{}", failure.message),
            }
            self.site = site;
        }
        (Arc::clone(&self.site), Arc::clone(&self.worker))
    }
}

/// How long a run waits for more entries before it ends.
#[derive(Debug, Clone, Copy)]
pub enum LingerTime {
    /// Not at all.
    No,
    /// For [`MOMENT`], if mail has arrived while it was working.
    WhileMailArrives,
    /// For that long.
    For(Duration),
}

/// The longest pause within a stream of mail.
const MOMENT: Duration = Duration::from_millis(10);

/// The interval of looks at the queues in such a pause.
const LOOK: Duration = Duration::from_millis(1);

/// Waits for more entries before a run ends. It only saves starts: an entry that it misses starts
/// another run.
struct Lingering<'l> {
    spool: &'l Spool,
    scope: &'l Scope,
    linger: LingerTime,
    /// Open until the run ends, because closing it takes the kernel up to 20 ms.
    watch: RefCell<Option<Watch>>,
}

impl Lingering<'_> {
    /// Returns whether an entry came in time.
    fn wait(&self, is_mail_arriving: bool) -> bool {
        match self.linger {
            LingerTime::No => false,
            LingerTime::WhileMailArrives => is_mail_arriving && self.look(),
            LingerTime::For(span) => (is_mail_arriving && self.look()) || self.watch(span),
        }
    }

    /// Looks at the queues for a moment.
    fn look(&self) -> bool {
        let until = Instant::now() + MOMENT;
        while Instant::now() < until {
            if drain::is_waiting(self.spool, self.scope) {
                return true;
            }
            thread::sleep(LOOK);
        }
        false
    }

    /// Lets the kernel report entries.
    fn watch(&self, span: Duration) -> bool {
        let mut watch = self.watch.borrow_mut();
        let waited = match watch.as_mut() {
            Some(watch) => watch.forget(),
            None => {
                let queues = self.scope.waking();
                let dirs: Vec<PathBuf> = queues.map(|queue| self.spool.dir(queue)).collect();
                Watch::new(&dirs).map(|new| *watch = Some(new))
            }
        };
        // The watch is set before looking, so that no entry is missed in between.
        let waited = waited.and_then(|()| match watch.as_mut() {
            Some(watch) if !drain::is_waiting(self.spool, self.scope) => watch.wait(span),
            _ => Ok(true),
        });
        waited.unwrap_or_else(|error| {
            tracing::debug!("not lingering: {error}");
            false
        })
    }
}

/// Processes a site's queues and stores a summary. SIGTERM and SIGINT end it after the transaction in
/// flight.
pub fn drain_once(
    site: &Site,
    spool: &Spool,
    scope: &Scope,
    linger: LingerTime,
) -> Result<Summary, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let worker = Worker::new(site, stop)?;
    let shared = worker.shared(site, spool);
    let lingering = Lingering { spool, scope, linger, watch: RefCell::default() };
    let wait = |is_mail_arriving: bool| lingering.wait(is_mail_arriving);
    let summary = drain::run(&shared, scope, &wait);
    keep(site, scope, &summary);
    Ok(summary)
}

/// Returns where the summary of the last run of a queue is stored, for `status`. Queues that start
/// a drain have one in common.
pub fn last_run(site: &Site, queues: &[Queue]) -> PathBuf {
    let file = match queues {
        [queue] => format!("last-run-{queue}.json"),
        _ => "last-run.json".to_owned(),
    };
    site.dir().join(file)
}

/// Stores a summary unless it is empty, and writes metrics for Prometheus.
pub fn keep(site: &Site, scope: &Scope, summary: &Summary) {
    if !summary.did_something() {
        return;
    }
    let path = last_run(site, scope.queues());
    let kept = serde_json::to_vec(summary)
        .map_err(std::io::Error::other)
        .and_then(|text| overwrite(&path, &text).or_else(|_| write_atomically(&path, &text, MODE)));
    if let Err(error) = kept {
        tracing::warn!("cannot write the summary of this run to {}: {error}", path.display());
    }
    if let Some(file) = site.metrics_file()
        && let Err(error) = status::write_metrics(site, &file)
    {
        tracing::warn!("cannot write the metrics to {}: {error}", file.display());
    }
}

/// The rights of a summary's file.
const MODE: u32 = 0o600;
/// The largest summary that is overwritten, in bytes.
const MOST_OVERWRITTEN: u64 = 4096;

/// Writes a summary over the previous one, filled up with line feeds to its size. To create a file would be
/// several percent of a run of one post. Readers lock the file.
fn overwrite(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let file = File::options().write(true).custom_flags(no_link).open(path)?;
    file.try_lock()?;
    let found = file.metadata()?;
    let is_ours = found.is_file() && found.nlink() == 1 && found.mode() & 0o7777 == MODE;
    // One write call that fits into a page is not interrupted when the process is killed.
    if !is_ours || found.len().max(text.len() as u64) > MOST_OVERWRITTEN {
        return Err(std::io::ErrorKind::Unsupported.into());
    }
    let mut text = text.to_vec();
    text.resize(text.len().max(found.len() as usize), b'\n');
    file.write_all_at(&text, 0)
}

/// Writes a file with these rights atomically.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.persist(path)?;
    Ok(())
}

fn print(summary: &Summary) -> Result<(), Failure> {
    let of = |queue| summary.queues.of(queue);
    let mut parts = Vec::new();
    for (queue, one, many) in [
        (Queue::In, "post", "posts"),
        (Queue::Commands, "mail with commands", "mails with commands"),
        (Queue::Bounces, "bounce", "bounces"),
        (Queue::Virgin, "notice", "notices"),
        (Queue::News, "post for newsgroups", "posts for newsgroups"),
    ] {
        let entries = of(queue).entries;
        if entries > 0 {
            parts.push(output::count(entries, one, many));
        }
    }
    let (incoming, outgoing) = (of(Queue::In), of(Queue::Out));
    if outgoing.entries > 0 {
        let accepted = output::count(outgoing.accepted, "recipient", "recipients");
        parts.push(format!("{accepted} accepted"));
    }
    let sum = summary.queues.sum();
    for (number, what) in [
        (incoming.held, "held"),
        (incoming.rejected, "rejected"),
        (incoming.discarded, "discarded"),
        (outgoing.deferred, "deferred"),
        (outgoing.refused, "refused"),
        (sum.postponed, "postponed completely"),
        (of(Queue::Archive).passed, "archived"),
        (summary.retried, "tried again"),
        (summary.recovered, "recovered"),
        (sum.shunted, "set aside"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    parts.push(format!("in {}", output::span(summary.took_ms / 1e3)));
    output::line(parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_summary_is_written_over_the_previous_one_and_over_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("last-run.json");
        assert!(overwrite(&file, b"{}").is_err(), "there is none");
        write_atomically(&file, b"{\"took_ms\": 12.25}", MODE).unwrap();
        let inode = fs::metadata(&file).unwrap().ino();
        for text in ["{\"took_ms\": 7.0}", "{\"took_ms\": 1234.125, \"retried\": 1}"] {
            overwrite(&file, text.as_bytes()).unwrap();
            let kept: serde_json::Value =
                serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            assert_eq!(kept, serde_json::from_str::<serde_json::Value>(text).unwrap());
        }
        assert_eq!(fs::metadata(&file).unwrap().ino(), inode);
        let long = vec![b' '; MOST_OVERWRITTEN as usize + 1];
        assert!(overwrite(&file, &long).is_err(), "it is written in parts");

        let link = dir.path().join("link");
        symlink(&file, &link).unwrap();
        assert!(overwrite(&link, b"{}").is_err());
        fs::hard_link(&file, dir.path().join("backup")).unwrap();
        assert!(overwrite(&file, b"{}").is_err(), "the backup would change");
    }
}
