//! `run`: the drain, once.

use super::{mailman2, status};
use crate::cli::RunArgs;
use crate::failure::Failure;
use crate::output;
use dormouse_activation::{Watch, systemctl, wake_unit};
use dormouse_delivery::{Options, Transport};
use dormouse_runners::arrangement::Scope;
use dormouse_runners::drain::{self, Summary};
use dormouse_runners::{Shared, mta};
use dormouse_spool::{Queue, Spool, clock};
use dormouse_store::Site;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, UNIX_EPOCH};
use sysexits::ExitCode;

pub fn run(dir: &Path, args: &RunArgs) -> Result<ExitCode, Failure> {
    if let Some(prefix) = &args.mailman2.mailman2 {
        let qfiles = args.mailman2.mailman2_qfiles.as_deref();
        let linger = Duration::from_millis(args.linger);
        return mailman2::run(prefix, qfiles, linger, args.retry_only);
    }
    let site = Site::open(dir)?;
    let spool = Spool::new(site.qfiles());
    if args.retry_only {
        let summary = drain_once(&site, &spool, &Scope::of(&[Queue::Retry]), Duration::ZERO)?;
        tracing::info!("{} put back", output::count(summary.retried, "entry", "entries"));
        if args.arm {
            arm(&site, &spool);
        }
        return Ok(finish(&summary));
    }
    let scope = if args.queues.is_empty() {
        Scope::everything(site.config())
    } else {
        Scope::of(&args.queues)
    };
    let summary = drain_once(&site, &spool, &scope, Duration::from_millis(args.linger))?;
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

/// Says what went wrong, and whether it still is.
fn finish(summary: &Summary) -> ExitCode {
    for error in &summary.errors {
        crate::output::note!("dormouse: {error}");
    }
    for (queue, count) in &summary.left {
        let entries = output::count(*count as u64, "entry", "entries");
        if queue == drain::HALF_DONE {
            crate::output::note!("dormouse: {entries} half done; the next run takes them up");
        } else {
            crate::output::note!(
                "dormouse: {entries} left in {queue}; look at `dormouse queue ls {queue}`"
            );
        }
    }
    if summary.is_clean() { ExitCode::Ok } else { ExitCode::TempFail }
}

/// Has the user's systemd manager wake us when the next deferred entry is due. Without it a timer
/// looks every quarter of an hour.
fn arm(site: &Site, spool: &Spool) {
    let due = match spool.next_due(site.config().longest_retry_wait()) {
        Ok(Some(due)) => due,
        Ok(None) => return,
        Err(error) => return tracing::warn!("{error}"),
    };
    // One that lies in the past would never elapse; and a file's time may be a fraction early.
    let soonest = clock::now() + Duration::from_secs(2);
    let epoch = due.max(soonest).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + 1;
    let unit = wake_unit(epoch);
    if let Err(error) = systemctl::start(&unit) {
        tracing::warn!("deferred mail is looked after by the quarter-hourly timer: {error}");
    }
}

/// What a process needs to work off queues.
pub struct Worker {
    transport: Transport,
    options: Options,
    stop: Arc<AtomicBool>,
    /// See [`Shared::pulse`].
    pub pulse: AtomicU64,
}

impl Worker {
    /// From a site's settings. When `stop` is set it ends after the transaction in flight.
    pub fn new(site: &Site, stop: Arc<AtomicBool>) -> Result<Worker, Failure> {
        let (transport, options) = mta::from_settings(site)?;
        Ok(Worker { transport, options, stop, pulse: AtomicU64::new(0) })
    }

    /// Where mail goes, and how.
    pub fn mta(&self) -> (&Transport, &Options) {
        (&self.transport, &self.options)
    }

    /// Waits for no answer of the MTA longer than this.
    pub fn be_impatient(&mut self, most: Duration) {
        self.options.timeout = self.options.timeout.min(most);
    }

    /// For the runners.
    pub fn shared<'w>(&'w self, site: &'w Site, spool: &'w Spool) -> Shared<'w> {
        let Worker { transport, options, stop, pulse } = self;
        Shared { site, spool, transport, options, stop, pulse }
    }
}

/// Drains a site and notes what was done. SIGTERM and SIGINT end it after the transaction in
/// flight.
pub fn drain_once(
    site: &Site,
    spool: &Spool,
    scope: &Scope,
    linger: Duration,
) -> Result<Summary, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let worker = Worker::new(site, stop)?;
    let dirs: Vec<PathBuf> = scope.waking().map(|queue| spool.dir(queue)).collect();
    let shared = worker.shared(site, spool);
    let wait = || !linger.is_zero() && wait_for_more(spool, scope, &dirs, linger);
    let summary = drain::run(&shared, scope, &wait);
    keep(site, scope, &summary);
    Ok(summary)
}

/// Where the summary of the last run that worked a queue off is kept, for `status`. Queues that
/// wake a drain have one together.
pub fn last_run(site: &Site, queues: &[Queue]) -> PathBuf {
    let file = match queues {
        [queue] => format!("last-run-{queue}.json"),
        _ => "last-run.json".to_owned(),
    };
    site.dir().join(file)
}

/// Keeps a summary, if there is anything in it, and tells Prometheus.
pub fn keep(site: &Site, scope: &Scope, summary: &Summary) {
    if !summary.did_something() {
        return;
    }
    let path = last_run(site, scope.queues());
    let kept = serde_json::to_vec(summary)
        .map_err(std::io::Error::other)
        .and_then(|text| write_atomically(&path, &text, 0o600));
    if let Err(error) = kept {
        tracing::warn!("the summary of this run was not kept in {}: {error}", path.display());
    }
    if let Some(file) = site.metrics_file()
        && let Err(error) = status::write_metrics(site, &file)
    {
        tracing::warn!("the metrics were not written into {}: {error}", file.display());
    }
}

/// Whether another entry came within the time. The watch is set before the look, so that none is
/// missed in between.
fn wait_for_more(spool: &Spool, scope: &Scope, dirs: &[PathBuf], linger: Duration) -> bool {
    match Watch::new(dirs) {
        Ok(mut watch) => drain::is_waiting(spool, scope) || watch.wait(linger).unwrap_or(false),
        Err(error) => {
            // Lingering only saves starts; without it systemd looks again by itself.
            tracing::debug!("not lingering: {error}");
            false
        }
    }
}

/// Puts a file with these rights in place at once or not at all.
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
        (sum.postponed, "postponed whole"),
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
