//! What each job does.

use super::{Clock, JobOutcome};
use crate::bounces::jobs::Which;
use crate::digest::{Press, SentIssue};
use crate::{bounces, news};
use dormouse_mail::date;
use dormouse_membership::RunError;
use dormouse_membership::moderation::desk::Desk;
use dormouse_membership::moderation::jobs;
use dormouse_spool::Queue;
use dormouse_store::{Delivery, List, Period};
use dormouse_trace as trace;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// `1 list`, `2 lists`.
fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// The lists that are meant: those that are named, or all.
fn lists(clock: &Clock<'_>) -> Result<Vec<List>, RunError> {
    if clock.lists.is_empty() {
        return Ok(clock.store.read().lists()?);
    }
    clock
        .lists
        .iter()
        .map(|name| {
            let list = clock.store.read().list(name)?;
            list.ok_or_else(|| RunError::NoSuchList(name.clone()))
        })
        .collect()
}

/// Reminders to moderators, and an end to waiting.
pub fn checkdbs(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let desk = Desk { site: clock.site, spool: clock.spool, store: clock.store };
    // The day on the calendar: what was missed while the machine was off is made up for in the morning,
    // and the day's own time comes later.
    let tally = jobs::check(&desk, &clock.today(), clock.now)?;
    let said = format!(
        "moderators of {} reminded, {} and {} dropped",
        count(tally.reminded, "list"),
        count(tally.expired, "post"),
        count(tally.requests_expired, "request")
    );
    Ok(JobOutcome::new(tally.reminded + tally.expired + tally.requests_expired, said, &tally))
}

/// New articles of newsgroups become posts. One process at a time: a second would pass the same
/// articles on.
pub fn gate_news(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let path = clock.site.dir().join("gate_news.lock");
    let lock = File::create(&path)
        .map_err(|error| RunError::News(format!("cannot make {}: {error}", path.display())))?;
    if lock.try_lock().is_err() {
        return Ok(JobOutcome::new(0, "another process is at it".to_owned(), &"another process"));
    }
    let tally = news::gate(clock.site, clock.store, clock.spool)?;
    if !tally.errors.is_empty() {
        return Err(RunError::News(tally.errors.join("; ")));
    }
    let (articles, groups) = (count(tally.gated, "article"), count(tally.groups, "newsgroup"));
    let said = format!("{articles} of {groups} passed on");
    Ok(JobOutcome::new(tally.gated, said, &tally))
}

/// Reminders to members whose delivery bounces turned off, and their removal in the end.
pub fn disabled(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let Clock { site, spool, store, .. } = *clock;
    let which = Which { reasons: vec![Delivery::ByBounce], force: false };
    let tally = bounces::jobs::disabled(site, spool, store, &lists(clock)?, &which)?;
    let done = tally.warned + tally.removed + tally.disabled + tally.forgotten;
    let said = format!("{} reminded, {} removed", count(tally.warned, "member"), tally.removed);
    Ok(JobOutcome::new(done, said, &tally))
}

/// Compressed copies of the texts of archives.
pub fn nightly_gzip(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let mut packed = 0;
    for list in lists(clock)? {
        packed += dormouse_archive::gzip::gzip(clock.site, &list)?;
    }
    Ok(JobOutcome::new(packed, format!("{} compressed", count(packed, "volume")), &packed))
}

/// The digests of lists that send one every day, and those that a size has made due.
pub fn senddigests(clock: &Clock<'_>, period: &Period) -> Result<JobOutcome, RunError> {
    let Clock { site, spool, store, now, zone, .. } = *clock;
    let press = Press { site, spool, store, now, zone };
    let mut reports: Vec<SentIssue> = press.send_large()?;
    let mut failed = None;
    // What came since waits for the next period.
    if store.read().last_run("senddigests")?.is_none_or(|last| !period.is_over(&last)) {
        let waiting = store.read().lists_with_digest_posts()?;
        for list in lists(clock)? {
            if !(list.settings.digest_send_periodic && waiting.contains(&list.id)) {
                continue;
            }
            match press.send_for(&list, period) {
                Ok(report) => reports.extend(report),
                // The other lists get theirs.
                Err(error) => {
                    tracing::error!("{}: no digest: {error}", list.name);
                    failed = Some(error);
                }
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => {
            let sent = reports.len() as u64;
            Ok(JobOutcome::new(sent, format!("{} sent", count(sent, "digest")), &reports))
        }
    }
}

/// A new volume of digests, on every list or those that are named.
pub fn bumpdigests(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let lists = lists(clock)?;
    clock.store.write(|tx| lists.iter().try_for_each(|list| tx.bump_digest(list.id)))?;
    let names: Vec<&str> = lists.iter().map(|list| list.name.as_str()).collect();
    let bumped = names.len() as u64;
    Ok(JobOutcome::new(bumped, format!("a new volume begins on {}", count(bumped, "list")), &names))
}

/// What was set aside long ago and nobody looked at leaves the queues.
pub fn cull_bad_shunt(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let config = clock.site.config();
    let limit = config.shunt_stale_after.duration();
    let now = SystemTime::UNIX_EPOCH
        .checked_add(Duration::try_from_secs_f64(clock.now).unwrap_or_default())
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let mut culled = 0;
    if !limit.is_zero() {
        for queue in [Queue::Bad, Queue::Shunt] {
            let archive = config.shunt_archive.trim();
            let archive =
                (!archive.is_empty()).then(|| clock.site.resolve(archive).join(queue.name()));
            culled += cull(&clock.spool.dir(queue), archive.as_deref(), now, limit)?;
        }
    }
    let files = count(culled, "old file");
    Ok(JobOutcome::new(culled, format!("{files} of bad and shunt put away"), &culled))
}

/// Moves the files of a directory that are older than `limit` into another one, or removes them.
fn cull(
    dir: &Path,
    archive: Option<&Path>,
    now: SystemTime,
    limit: Duration,
) -> Result<u64, RunError> {
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Io { action, path, source }
    };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(io("read the directory", dir))?,
    };
    let mut culled = 0;
    for entry in entries {
        let entry = entry.map_err(io("read the directory", dir))?;
        let (path, name) = (entry.path(), entry.file_name());
        let metadata = match entry.metadata() {
            // Somebody else has just taken it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(io("look at", &path))?,
        };
        let age = metadata.modified().map_err(io("look at", &path))?;
        let is_old = now.duration_since(age).is_ok_and(|age| age > limit);
        // A claim is somebody's at this moment, or a dead run's, which the next one takes over.
        let is_claim = path.extension().is_some_and(|ending| ending == "bak");
        if !metadata.is_file() || !is_old || is_claim {
            continue;
        }
        match archive {
            Some(archive) => {
                fs::create_dir_all(archive).map_err(io("make the directory", archive))?;
                fs::rename(&path, archive.join(&name)).map_err(io("move away", &path))?;
            }
            None => fs::remove_file(&path).map_err(io("remove", &path))?,
        }
        tracing::warn!(
            "{}: older than {} days, put away",
            path.display(),
            limit.as_secs() / 86_400
        );
        culled += 1;
    }
    if let Some(archive) = archive.filter(|_| culled > 0) {
        File::open(archive).and_then(|dir| dir.sync_all()).map_err(io("sync", archive))?;
    }
    Ok(culled)
}

/// So long the days of charts are kept.
const DAILY_COUNTS: Duration = Duration::from_secs(400 * 86_400);

/// The trace of messages that are longer ago than the site keeps it.
pub fn trim_trace(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let now = SystemTime::UNIX_EPOCH + Duration::try_from_secs_f64(clock.now).unwrap_or_default();
    let path = trace::directory(clock.site.dir());
    clock.store.write(|tx| tx.forget_daily(&date::day(now - DAILY_COUNTS)))?;
    let removed = trace::trim(clock.site, now).map_err(|source| RunError::Io {
        action: "remove old files in",
        path,
        source,
    })?;
    let days = count(removed, "day");
    Ok(JobOutcome::new(removed, format!("the trace of {days} removed"), &removed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_nobodys_is_put_away() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shunt");
        let archive = home.path().join("old/shunt");
        fs::create_dir(&dir).unwrap();
        let day = Duration::from_secs(86_400);
        let now = SystemTime::now();
        for (name, age) in [("new.pck", 1), ("old.pck", 9), ("old.bak", 9)] {
            let file = File::create(dir.join(name)).unwrap();
            file.set_modified(now - day * age).unwrap();
        }
        assert_eq!(cull(&dir, Some(&archive), now, day * 7).unwrap(), 1);
        assert!(archive.join("old.pck").exists());
        assert_eq!(cull(&dir, None, now, day * 7).unwrap(), 0);
        assert_eq!(cull(&dir, None, now + day * 9, day * 7).unwrap(), 1);
        let left: Vec<_> = fs::read_dir(&dir).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["old.bak"]);
        assert_eq!(cull(&home.path().join("none"), None, now, day).unwrap(), 0);
    }
}
