//! What a dead process left: half-applied hand-overs, claims, orphans.
//!
//! A lock dies with its process, so "the lock is free" means "the owner is dead". Recovery runs
//! at the start of every drain, beside other drains if need be.

use crate::batch::{Record, lock_record};
use crate::claim::lock_file;
use crate::entry::{RECOVERED, RECOVERED_WITH_OTHERS};
use crate::spool::{State, for_each_file};
use crate::{Claim, Queue, Spool, SpoolError, durable};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// An entry in whose processing alone a process died this often, without progress, goes to `bad`
/// (spec/queue.md §4). Deaths with several entries in hand do not count: most of those entries are
/// bystanders, and runners process each of them alone from then on.
const MOST_RECOVERIES: u32 = 3;

/// A staged file is locked right after it is made; only one older than this can be an orphan.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// What recovery found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Hand-overs carried out to their end.
    pub handovers: usize,
    /// Entries given back to their queue.
    pub given_back: usize,
    /// Entries kept as `bad/*.psv`: unreadable, or left behind too often.
    pub preserved: Vec<PathBuf>,
}

pub(crate) fn recover(spool: &Spool, queues: &[Queue]) -> Result<Recovered, SpoolError> {
    let mut recovered = Recovered { handovers: finish_handovers(spool)?, ..Recovered::default() };
    let mut held = Vec::new();
    for &queue in queues {
        held.extend(spool.names(queue, State::Claimed)?.into_iter().map(|name| (queue, name)));
    }
    let inherit = |(queue, name)| Claim::inherit(spool.paths(), queue, &name).transpose();
    let mut claims = held.into_iter().filter_map(inherit);
    let (first, second) = (claims.next(), claims.next());
    let line = if second.is_some() { RECOVERED_WITH_OTHERS } else { RECOVERED };
    for claim in first.into_iter().chain(second).chain(claims) {
        let claim = claim?;
        // Its owner may have died after deciding its fate and after we looked for records; but
        // the record was there before the lock was free. Another process may be carrying that
        // record out at this moment: then the source is its to remove.
        recovered.handovers += finish_handovers(spool)?;
        if !is_handed_over(spool, &claim)? && claim.path().exists() {
            give_back(claim, line, &mut recovered)?;
        }
    }
    remove_orphans(spool)?;
    Ok(recovered)
}

fn give_back(mut claim: Claim, line: &str, recovered: &mut Recovered) -> Result<(), SpoolError> {
    let path = claim.path();
    match claim.read() {
        Ok(entry) if line == RECOVERED && entry.recoveries() + 1 >= MOST_RECOVERIES => {
            let kept = claim.preserve()?;
            tracing::error!(
                "{}: left behind by a dead process {MOST_RECOVERIES} times, kept as {}",
                path.display(),
                kept.display()
            );
            recovered.preserved.push(kept);
        }
        Ok(_) => {
            claim.append(line)?;
            claim.release()?;
            recovered.given_back += 1;
        }
        Err(error) if error.is_bad_entry() => {
            let kept = claim.preserve()?;
            tracing::error!("{error}; kept as {}", kept.display());
            recovered.preserved.push(kept);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Whether a decided hand-over names this staged file as an output, whoever carries it out.
fn is_named(spool: &Spool, staged: &str) -> Result<bool, SpoolError> {
    for path in records(spool)? {
        let record = Record::read(&path)?;
        if record.is_some_and(|record| record.outputs.iter().any(|(output, _)| output == staged)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a decided hand-over names this entry as a source, whoever carries it out.
fn is_handed_over(spool: &Spool, claim: &Claim) -> Result<bool, SpoolError> {
    let source = format!("{}/{}.bak", claim.queue(), claim.name());
    for path in records(spool)? {
        if Record::read(&path)?.is_some_and(|record| record.sources.contains(&source)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn records(spool: &Spool) -> Result<Vec<PathBuf>, SpoolError> {
    let dir = spool.paths().handover();
    let mut records = Vec::new();
    for_each_file(&dir, |file| records.push(dir.join(file)))?;
    Ok(records)
}

/// Carries out the hand-overs whose owners are dead.
fn finish_handovers(spool: &Spool) -> Result<usize, SpoolError> {
    let mut finished = 0;
    for path in records(spool)? {
        let Some(_lock) = lock_record(&path)? else { continue };
        if let Some(record) = Record::read(&path)? {
            record.apply(spool, &path)?;
            finished += 1;
        }
    }
    Ok(finished)
}

/// Removes staged files whose maker died before it decided anything.
fn remove_orphans(spool: &Spool) -> Result<(), SpoolError> {
    let dir = spool.paths().staged();
    let mut files = Vec::new();
    for_each_file(&dir, |file| files.push(file.to_owned()))?;
    for file in files {
        let path = dir.join(&file);
        let old = fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > ORPHAN_AGE));
        // A record may still name it: then it is no orphan, and whoever holds the record is carrying
        // it out.
        if old
            && let Some(_lock) = lock_file(&path)?
            && !is_named(spool, &file)?
        {
            tracing::info!("{}: removed; its maker died before handing it over", path.display());
            durable::unlink(&path)?;
        }
    }
    Ok(())
}
