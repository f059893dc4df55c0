//! Recovery after the death of a process: unfinished hand-overs, claims, orphans.
//!
//! A lock ends with its process, so "the lock is free" means "the owner is dead". Recovery runs
//! at the start of every drain, in parallel with other drains if necessary.

use crate::claim::lock_file;
use crate::entry::{ALONE, RECOVERED, RECOVERED_WITH_OTHERS, RETURNED, TOGETHER};
use crate::label::Restored;
use crate::listing::for_each_file;
use crate::record::{Record, lock_record};
use crate::spare::is_retired;
use crate::spool::{LABELS, State};
use crate::{Claim, EntryName, Queue, Spool, SpoolError, durable, fault, label};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An entry that has killed this many processes by itself, without progress, goes to `bad`
/// (docs/spec/queue.md §4). Deaths with several claimed entries do not count: most of those entries are
/// bystanders, and runners process them in smaller groups from then on, and alone in the end.
const MOST_RECOVERIES: u32 = 3;

/// A staged file is locked right after it is created; only an older one can be an orphan.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// The result of recovery.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Hand-overs that were completed.
    pub handovers: usize,
    /// Entries given back to their queue.
    pub given_back: usize,
    /// Entries kept as `bad/*.psv`: unreadable, or left by a dead process too often.
    pub preserved: Vec<PathBuf>,
    /// The ready entries of each queue but `retry`, in the order of receipt, if recovery did not add any.
    pub ready: Vec<(Queue, Vec<EntryName>)>,
}

pub(crate) fn recover(spool: &Spool, queues: &[Queue]) -> Result<Recovered, SpoolError> {
    let mut recovered = Recovered { handovers: finish_handovers(spool)?, ..Recovered::default() };
    let mut held = Vec::new();
    for &queue in queues {
        // Nearly all entries of `retry` are not due, and there may be very many.
        let claimed = if queue == Queue::Retry {
            spool.names(queue, State::Claimed)?
        } else {
            let (ready, claimed) = spool.ready_and_claimed(queue)?;
            recovered.ready.push((queue, ready));
            claimed
        };
        held.extend(claimed.into_iter().map(|name| (queue, name)));
    }
    if !held.is_empty() {
        give_back_all(spool, held, queues, &mut recovered)?;
    }
    recovered.given_back += spool.show_all_adopted()?;
    if recovered.given_back + recovered.handovers > 0 {
        recovered.ready.clear();
    }
    remove_orphans(spool)?;
    Ok(recovered)
}

/// Gives back claims of dead processes in two steps: each gets its line in the journal while all
/// are still claims, and only then is the first one given back. So another process that recovers in
/// parallel, or after our death, sees either all the claims or the lines that we wrote.
fn give_back_all(
    spool: &Spool,
    held: Vec<(Queue, EntryName)>,
    queues: &[Queue],
    recovered: &mut Recovered,
) -> Result<(), SpoolError> {
    let has_others = held.len() > 1 || is_anything_else_held(spool, queues)?;
    let mut ours = Vec::new();
    for (queue, name) in held {
        match Claim::inherit(spool.paths(), queue, &name) {
            Ok(Some(claim)) => ours.push(claim),
            Ok(None) => {}
            Err(error) if error.is_bad_entry() => tracing::error!("{error}; left where it is"),
            Err(error) => return Err(error),
        }
    }
    let mut judged = Vec::new();
    for claim in ours {
        // Its owner may have decided a hand-over and died after we looked for records; but the
        // record existed before the lock was free. Another process may be completing that record at
        // this moment: then that process removes the source.
        recovered.handovers += finish_handovers(spool)?;
        if !is_handed_over(spool, &claim)? && claim.path().exists() {
            judged.extend(judge(claim, has_others, recovered)?);
        }
    }
    for claim in judged {
        claim.release()?;
        recovered.given_back += 1;
    }
    Ok(())
}

/// Whether there are claims in the other queues.
fn is_anything_else_held(spool: &Spool, queues: &[Queue]) -> Result<bool, SpoolError> {
    for queue in Queue::ALL.into_iter().filter(|queue| !queues.contains(queue)) {
        if !spool.names(queue, State::Claimed)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records the death of its owner in the entry's journal. `None` for an entry that goes to `bad`.
fn judge(
    mut claim: Claim,
    has_others: bool,
    recovered: &mut Recovered,
) -> Result<Option<Claim>, SpoolError> {
    let path = claim.path();
    let entry = match claim.read() {
        Ok(entry) => entry,
        Err(error) if error.is_bad_entry() => {
            let kept = claim.preserve()?;
            tracing::error!("{error}; kept as {}", kept.display());
            recovered.preserved.push(kept);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let line = match entry.journal.last().map(String::as_str) {
        // The process that recovered it was killed before giving it back. No process has had it since.
        Some(RECOVERED | RECOVERED_WITH_OTHERS | RETURNED) => return Ok(Some(claim)),
        Some(ALONE) => RECOVERED,
        Some(TOGETHER) => RECOVERED_WITH_OTHERS,
        _ if has_others => RECOVERED_WITH_OTHERS,
        _ => RECOVERED,
    };
    claim.append(line)?;
    if line == RECOVERED && entry.suspicion().alone + 1 >= MOST_RECOVERIES {
        let kept = claim.keep()?;
        tracing::error!(
            "{}: left behind by a dead process {MOST_RECOVERIES} times, kept as {}",
            path.display(),
            kept.display()
        );
        recovered.preserved.push(kept);
        return Ok(None);
    }
    fault::point("recover.judged");
    Ok(Some(claim))
}

/// Whether a decided hand-over names this staged file as an output, whichever process carries it out.
fn is_named(spool: &Spool, staged: &str) -> Result<bool, SpoolError> {
    for path in records(spool)? {
        let record = Record::read(&path)?;
        if record.is_some_and(|record| record.outputs.iter().any(|(output, _)| output == staged)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The outputs of decided hand-overs that a queue does not show yet.
pub(crate) fn promised(spool: &Spool, queue: Queue) -> Result<Vec<EntryName>, SpoolError> {
    let mut names = Vec::new();
    for path in records(spool)? {
        let Some(record) = Record::read(&path)? else { continue };
        let targets = record.outputs.iter().filter_map(|(_, target)| target.split_once('/'));
        for (dir, file) in targets.filter(|(dir, _)| *dir == queue.name()) {
            let base = file.strip_suffix(".pck").unwrap_or(file);
            tracing::debug!("{dir}/{file} is promised by {}", path.display());
            names.push(EntryName::from_base(base));
        }
    }
    Ok(names)
}

/// The number of records of dead processes: work that no process is doing.
pub(crate) fn abandoned_handovers(spool: &Spool) -> Result<usize, SpoolError> {
    let mut left = usize::from(label::is_abandoned(spool.paths())?);
    for path in records(spool)? {
        left += usize::from(lock_record(&path)?.is_some());
    }
    Ok(left)
}

/// How many of these claims belong to dead processes.
pub(crate) fn abandoned(spool: &Spool, queue: Queue, claimed: &[EntryName]) -> usize {
    let is_abandoned = |name: &&EntryName| {
        Claim::inherit(spool.paths(), queue, name).is_ok_and(|claim| claim.is_some())
    };
    claimed.iter().filter(is_abandoned).count()
}

/// Whether a decided hand-over names this entry as a source, whichever process carries it out.
fn is_handed_over(spool: &Spool, claim: &Claim) -> Result<bool, SpoolError> {
    let source = format!("{}/{}.bak", claim.queue(), claim.name());
    for path in records(spool)? {
        if Record::read(&path)?.is_some_and(|record| record.sources.contains(&source)) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn records(spool: &Spool) -> Result<Vec<PathBuf>, SpoolError> {
    let dir = spool.paths().handover();
    let mut records = Vec::new();
    for_each_file(&dir, |file| records.extend((file != LABELS).then(|| dir.join(file))))?;
    records.retain(|path| !path.is_dir());
    Ok(records)
}

/// Completes the hand-overs of dead owners, including those of single entries with a label.
pub(crate) fn finish_handovers(spool: &Spool) -> Result<usize, SpoolError> {
    let mut finished = 0;
    // Before the records, which may have finished some of these entries.
    let mut restored = Restored::find(spool.paths())?;
    for path in records(spool)? {
        let Some(_lock) = lock_record(&path)? else { continue };
        if let Some(record) = Record::read(&path)? {
            if let Some(restored) = &mut restored {
                restored.forget_finished(spool.paths(), &record)?;
            }
            record.apply(spool, &path)?;
            finished += 1;
        }
    }
    if let Some(restored) = restored {
        finished += restored.give_back(spool.paths())?;
    }
    Ok(finished)
}

/// Staged files whose creator is most likely dead, and the files of finished entries, which are locked
/// from the start.
fn old_staged(spool: &Spool) -> Result<Vec<PathBuf>, SpoolError> {
    let dir = spool.paths().staged();
    let mut files = Vec::new();
    for_each_file(&dir, |file| files.push(dir.join(file)))?;
    files.retain(|path| is_left_behind(path));
    Ok(files)
}

fn is_left_behind(path: &Path) -> bool {
    let modified = || fs::metadata(path).and_then(|meta| meta.modified());
    let is_old = || modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ORPHAN_AGE));
    path.file_name().and_then(OsStr::to_str).is_some_and(is_retired) || !path.is_dir() && is_old()
}

/// What recovery would process apart from claims: hand-overs and staged files of dead processes.
/// Changes nothing.
pub(crate) fn remains(spool: &Spool) -> Result<Vec<PathBuf>, SpoolError> {
    let mut remains = records(spool)?;
    remains.extend(old_staged(spool)?);
    // The lock of a dead process is free.
    remains.retain(|path| fs::File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok()));
    remains.extend(label::is_abandoned(spool.paths())?.then(|| spool.paths().labels()));
    Ok(remains)
}

/// Removes staged files whose creator died before it decided anything.
fn remove_orphans(spool: &Spool) -> Result<(), SpoolError> {
    for path in old_staged(spool)? {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // A record may still name it: then it is not an orphan, and the holder of the record is
        // completing it.
        if let Some(_lock) = lock_file(&path)?
            // A spare file is old until it is written to, which may have happened meanwhile.
            && is_left_behind(&path)
            && !is_named(spool, &file)?
        {
            tracing::info!("{}: removed; its creator died before handing it over", path.display());
            durable::unlink(&path)?;
        }
    }
    Ok(())
}
