//! `run`: the drain, once.

use super::mailman2;
use crate::cli::RunArgs;
use crate::failure::Failure;
use crate::output;
use dormouse_activation::Watch;
use dormouse_runners::drain::{self, Summary, WAKING};
use dormouse_runners::{Shared, mta};
use dormouse_spool::Spool;
use dormouse_store::Site;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use sysexits::ExitCode;

/// Where the last run's summary is kept, for `status`.
pub const LAST_RUN: &str = "last-run.json";

pub fn run(dir: &Path, args: &RunArgs) -> Result<ExitCode, Failure> {
    if let Some(prefix) = &args.mailman2.mailman2 {
        let qfiles = args.mailman2.mailman2_qfiles.as_deref();
        let linger = Duration::from_millis(args.linger);
        return mailman2::run(prefix, qfiles, linger, args.retry_only);
    }
    let site = Site::open(dir)?;
    let spool = Spool::new(site.qfiles());
    if args.retry_only {
        let moved = drain::run_retries(&spool)?;
        tracing::info!("{} put back into out", output::count(moved, "entry", "entries"));
        return Ok(ExitCode::Ok);
    }
    let summary = drain_once(&site, &spool, Duration::from_millis(args.linger))?;
    if args.json {
        output::json(&summary)?;
    } else if summary.did_something() {
        print(&summary)?;
    }
    for error in &summary.errors {
        anstream::eprintln!("dormouse: {error}");
    }
    for (queue, count) in &summary.left {
        let entries = output::count(*count as u64, "entry", "entries");
        anstream::eprintln!(
            "dormouse: {entries} left in {queue}; look at `dormouse queue ls {queue}`"
        );
    }
    Ok(if summary.is_clean() { ExitCode::Ok } else { ExitCode::TempFail })
}

/// Drains a site and notes what was done. SIGTERM and SIGINT end it after the transaction in
/// flight.
pub fn drain_once(site: &Site, spool: &Spool, linger: Duration) -> Result<Summary, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let (transport, options) = mta::from_settings(site)?;
    let shared = Shared { site, spool, transport: &transport, options: &options, stop: &stop };
    let dirs: Vec<PathBuf> = WAKING.iter().map(|&queue| spool.dir(queue)).collect();
    let summary = drain::run(&shared, &|| !linger.is_zero() && wait_for_more(spool, &dirs, linger));
    if summary.did_something() {
        let text = serde_json::to_vec(&summary)?;
        if let Err(error) = write_atomically(&site.dir().join(LAST_RUN), &text) {
            tracing::warn!("the summary of this run was not kept: {error}");
        }
    }
    Ok(summary)
}

/// Whether another entry came within the time. The watch is set before the look, so that none is
/// missed in between.
fn wait_for_more(spool: &Spool, dirs: &[PathBuf], linger: Duration) -> bool {
    match Watch::new(dirs) {
        Ok(mut watch) => {
            WAKING.iter().any(|&queue| spool.is_empty(queue).is_ok_and(|empty| !empty))
                || watch.wait(linger).unwrap_or(false)
        }
        Err(error) => {
            // Lingering only saves starts; without it systemd looks again by itself.
            tracing::debug!("not lingering: {error}");
            false
        }
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(path)?;
    Ok(())
}

fn print(summary: &Summary) -> Result<(), Failure> {
    let mut parts = Vec::new();
    let posts = &summary.incoming;
    if posts.entries > 0 {
        parts.push(output::count(posts.entries, "post", "posts"));
    }
    let shunted = posts.shunted
        + summary.commands.shunted
        + summary.r#virgin.shunted
        + summary.outgoing.shunted
        + summary.archived.shunted;
    for (number, what) in [
        (posts.held, "held"),
        (posts.rejected, "rejected"),
        (posts.discarded, "discarded"),
        (shunted, "set aside"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let commands = summary.commands.entries;
    if commands > 0 {
        parts.push(output::count(commands, "mail with commands", "mails with commands"));
    }
    let sent = &summary.outgoing;
    if sent.entries > 0 {
        parts.push(format!("{} accepted", output::count(sent.accepted, "recipient", "recipients")));
    }
    for (number, what) in [
        (sent.deferred, "deferred"),
        (sent.refused, "refused"),
        (sent.postponed, "postponed whole"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    if summary.archived.passed > 0 {
        parts.push(format!("{} archived", summary.archived.passed));
    }
    if summary.recovered > 0 {
        parts.push(format!("{} recovered", summary.recovered));
    }
    parts.push(format!("in {}", output::span(summary.took_ms / 1e3)));
    output::line(parts.join(", "))
}
