//! The functions of the jobs.

use super::{Clock, JobOutcome};
use crate::bounces::jobs::DisabledMembers;
use crate::digest::{Press, SentIssue};
use crate::lock_file::LockFile;
use crate::{bounces, news};
use dormouse_mail::date;
use dormouse_membership::RunError;
use dormouse_membership::moderation::desk::ModerationDesk;
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

/// Returns the lists of the job: the named ones, or all.
fn lists<'c>(clock: &'c Clock<'_>) -> Box<dyn Iterator<Item = Result<List, RunError>> + 'c> {
    if clock.lists.is_empty() {
        return Box::new(clock.store.read().iter_lists().map(|list| Ok(list?)));
    }
    Box::new(clock.lists.iter().map(|name| {
        let list = clock.store.read().list(name)?;
        list.ok_or_else(|| RunError::NoSuchList(name.clone()))
    }))
}

/// Reminds moderators, and discards posts and requests that have waited too long.
pub fn checkdbs(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let desk = ModerationDesk { site: clock.site, spool: clock.spool, store: clock.store };
    // The period is the calendar day: a reminder that was missed while the machine was off is sent
    // in the morning, and the one of the day is then done, too.
    let tally = jobs::check(&desk, &clock.today(), clock.now)?;
    let said = format!(
        "moderators of {} reminded, {} and {} discarded",
        count(tally.reminded, "list"),
        count(tally.expired, "post"),
        count(tally.requests_expired, "request")
    );
    Ok(JobOutcome::new(tally.reminded + tally.expired + tally.requests_expired, said, &tally))
}

/// Posts new articles of newsgroups to their lists. Only one process may do so at a time: a second
/// one would post the same articles.
pub fn gate_news(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let path = clock.site.dir().join("gate_news.lock");
    let lock = LockFile::take(&path)
        .map_err(|error| RunError::News(format!("cannot lock {}: {error}", path.display())))?;
    if lock.is_none() {
        return Ok(JobOutcome::new(
            0,
            "another process is doing it".to_owned(),
            &"another process",
        ));
    }
    let tally = news::gate(clock.site, clock.store, clock.spool)?;
    if !tally.errors.is_empty() {
        return Err(RunError::News(tally.errors.join("; ")));
    }
    let (articles, groups) = (count(tally.gated, "article"), count(tally.groups, "newsgroup"));
    let said = format!("{articles} of {groups} passed on");
    Ok(JobOutcome::new(tally.gated, said, &tally))
}

/// Reminds members whose delivery is off because of bounces, and finally removes them.
pub fn disabled(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let Clock { site, spool, store, .. } = *clock;
    let which = DisabledMembers { reasons: vec![Delivery::ByBounce], force: false };
    let tally = bounces::jobs::disabled(site, spool, store, lists(clock), &which)?;
    let done = tally.warned + tally.removed + tally.disabled + tally.forgotten;
    let said = format!("{} reminded, {} removed", count(tally.warned, "member"), tally.removed);
    Ok(JobOutcome::new(done, said, &tally))
}

/// Compresses copies of the archives' texts.
pub fn nightly_gzip(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let mut packed = 0;
    for list in lists(clock) {
        let list = list?;
        packed += dormouse_archive::gzip::gzip(clock.site, &list)?;
    }
    Ok(JobOutcome::new(packed, format!("{} compressed", count(packed, "volume")), &packed))
}

/// Sends the digests of lists that send one every day, and those that are due because of their
/// size.
pub fn senddigests(clock: &Clock<'_>, period: &Period) -> Result<JobOutcome, RunError> {
    let Clock { site, spool, store, now, zone, .. } = *clock;
    let press = Press { site, spool, store, now, zone };
    let mut reports: Vec<SentIssue> = press.send_large()?;
    let mut failed = None;
    // The job was done for this period; newer posts wait for the next one.
    if store.read().last_run("senddigests")?.is_none_or(|last| !period.is_over(&last)) {
        let waiting = store.read().lists_with_digest_posts()?;
        for list in lists(clock) {
            let list = list?;
            if !(list.settings.digest_send_periodic && waiting.contains(&list.id)) {
                continue;
            }
            match press.send_for(&list, period) {
                Ok(report) => reports.extend(report),
                // One list's failure does not stop the others.
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

/// Starts a new volume of digests, on all lists or the named ones.
pub fn bumpdigests(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let lists: Vec<List> = lists(clock).collect::<Result<_, _>>()?;
    clock.store.write(|tx| lists.iter().try_for_each(|list| tx.bump_digest(list.id)))?;
    let names: Vec<&str> = lists.iter().map(|list| list.name.as_str()).collect();
    let bumped = names.len() as u64;
    Ok(JobOutcome::new(bumped, format!("a new volume begins on {}", count(bumped, "list")), &names))
}

/// Moves old entries out of `bad` and `shunt`.
pub fn cull_bad_shunt(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let config = clock.site.config();
    let limit = config.shunt_stale_after.duration();
    let now = clock.now.to_system().unwrap_or(SystemTime::UNIX_EPOCH);
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
    Ok(JobOutcome::new(culled, format!("{files} removed from bad and shunt"), &culled))
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
            // Another process has just moved or removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(io("look at", &path))?,
        };
        let age = metadata.modified().map_err(io("look at", &path))?;
        let is_old = now.duration_since(age).is_ok_and(|age| age > limit);
        // A claim belongs to a process, or to a dead run, and then the next run recovers it.
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
            "{}: removed from the queue, because it is older than {} days",
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

/// How long the daily counts of charts are kept.
const DAILY_COUNTS: Duration = Duration::from_secs(400 * 86_400);

/// Removes traces older than `trace.keep`.
pub fn trim_trace(clock: &Clock<'_>, _period: &Period) -> Result<JobOutcome, RunError> {
    let path = trace::directory(clock.site.dir());
    clock.store.write(|tx| tx.forget_daily(&date::day(clock.now - DAILY_COUNTS)))?;
    let removed = trace::trim(clock.site, clock.now).map_err(|source| RunError::Io {
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
    fn only_old_entries_that_nobody_claimed_are_culled() {
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
