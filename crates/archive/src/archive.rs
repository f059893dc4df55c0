//! One list's archive, open for writing.
//!
//! The index follows the mbox: a post is appended to the mbox, and then
//! everything in the mbox that the index has not seen is indexed and gets its pages, in one
//! transaction of the index. Recovery after a crash, taking over a Mailman archive and rebuilding
//! are the same step from different positions in the mbox.

use crate::article::{self, Article, Reading, SKEW};
use crate::index::{self, Adding, Touched};
use crate::mbox::{self, Mbox, Reader, Stored};
use crate::place::{ArchivePlace, open_private};
use crate::{ArchiveError, listings, numbers, parallel, write};
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_spool::fault;
use dormouse_store::archive_index::ArchiveIndex;
use dormouse_store::{Attachments, Config, List, Site, public};
use sha1::{Digest, Sha1};
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, TryLockError};

/// The position in the mbox up to which it is indexed.
const INDEXED: &str = "mbox_indexed";
/// The position up to which the mbox is complete, if that is further than the index: posts arrived
/// while another process was indexing. After it there may be an unfinished append of a dead process.
const WHOLE: &str = "whole_end";
/// Set while the index is rebuilt from the start.
const REBUILDING: &str = "rebuilding";
/// The boot of the machine at which the index was last written.
const BOOT: &str = "boot";
/// The current period of page writing: its start, its first number, and the first number of the
/// previous period.
const SPAN_BEGAN: &str = "span_began";
const SPAN_FIRST: &str = "span_first";
const UNSETTLED: &str = "unsettled_first";
/// After this many seconds, written data is on the disk.
const SETTLES: i64 = 60;
/// How much is indexed in one step, in messages and bytes. Debug builds have a small limit, so that
/// tests have more than one chunk.
pub(crate) const CHUNK: usize = if cfg!(debug_assertions) { 150 } else { 2_000 };
pub(crate) const CHUNK_BYTES: usize = 16 * 1024 * 1024;

/// A list's archive, open for writing.
#[derive(Debug)]
pub struct Archive<'a> {
    pub(crate) list: &'a List,
    config: &'a Config,
    pub(crate) place: ArchivePlace,
    attachments: Attachments,
    pub(crate) index: ArchiveIndex,
    pub(crate) mbox: Mbox,
    /// The messages that were last read, whose pages are not written yet.
    read: Articles,
}

/// A post for the archive.
#[derive(Debug, Clone)]
pub struct ArchivePost {
    /// The message.
    pub message: Message,
    /// When it was received, in seconds since the epoch.
    pub received: i64,
}

/// The progress of an operation: `done` of `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The completed part.
    pub done: u64,
    /// The whole.
    pub total: u64,
    /// The number of messages indexed by this call.
    pub messages: u64,
}

/// The result of a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// The number of messages read from the mbox by this call.
    pub read: u64,
    /// The number of messages in the archive.
    pub messages: i64,
    /// The number of existing addresses for which the mbox has no message. Their pages are not
    /// changed.
    pub without_message: i64,
}

impl<'a> Archive<'a> {
    /// Opens a list's archive, and creates it if necessary.
    pub fn open(site: &'a Site, list: &'a List) -> Result<Archive<'a>, ArchiveError> {
        let place = ArchivePlace::of(site, &list.name);
        if place.is_elsewhere() {
            return Err(ArchiveError::Elsewhere(list.name.clone()));
        }
        place.create(list.settings.archive_private)?;
        let index = ArchiveIndex::open(&place.index())?;
        let mbox = Mbox::open(&place.mbox())?;
        let attachments = Attachments::of(site, &list.name);
        public::settle(site, &list.name, list.settings.archive_private)?;
        let read = Articles::new();
        Ok(Archive { list, config: site.config(), place, attachments, index, mbox, read })
    }

    /// Archives posts: afterwards each is durable in the mbox exactly once, even if it is archived
    /// repeatedly. Their pages are written, unless they are left to another process that is
    /// rebuilding the archive.
    pub fn append(&mut self, posts: Vec<ArchivePost>) -> Result<(), ArchiveError> {
        let _lock = self.lock()?;
        self.recover()?;
        let follower = self.try_follow()?;
        match follower {
            Some(_) => self.follow_to_end()?,
            None => self.note_waiting()?,
        }
        let mut entries = Vec::new();
        let mut batch = BTreeSet::new();
        for post in posts {
            let entry = entry_of(post);
            let digest = Sha1::digest(&entry).to_vec();
            let is_known = self.index.has_digest(&digest)?
                || follower.is_none() && self.index.awaits_indexing(&digest)?;
            if !is_known && batch.insert(digest) {
                entries.push(entry);
            }
        }
        let stored = self.mbox.append(entries)?;
        match follower {
            Some(_) => {
                self.index_chunk(stored)?;
                self.write_to_end()
            }
            None => self.note_waiting(),
        }
    }

    /// Indexes what is in the mbox but not in the index, and writes the pages.
    pub fn follow(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<u64, ArchiveError> {
        let Some(follower) = self.try_follow()? else {
            return Err(ArchiveError::Busy(self.list.name.clone()));
        };
        self.follow_with(follower, progress)
    }

    /// As [`Archive::follow`], in steps between which posts may arrive. They are left to this
    /// process, so it releases the right to index only under the lock, when nothing is left.
    pub(crate) fn follow_with(
        &mut self,
        follower: File,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<u64, ArchiveError> {
        let mut messages = 0;
        let mut pages = None;
        loop {
            let _lock = self.lock()?;
            self.recover()?;
            let count = self.follow_once()?;
            messages += count;
            let mut is_done = false;
            let mut written = 0.0;
            if count == 0 {
                let all = *pages.get_or_insert(self.index.stale_count()?.max(1));
                is_done = self.write_once()?;
                written = 1.0 - self.index.stale_count()? as f64 / all as f64;
            }
            let length = self.mbox.length()?;
            let done = self.indexed()? + (length as f64 * written.max(0.0)) as u64;
            progress(Progress { done, total: length * 2, messages });
            if is_done {
                self.note_followed()?;
                drop(follower);
                return Ok(messages);
            }
        }
    }

    /// Indexes everything in the mbox while holding the lock. The pages are written later.
    pub(crate) fn follow_to_end(&mut self) -> Result<(), ArchiveError> {
        while self.follow_once()? > 0 {}
        Ok(())
    }

    /// Writes all outstanding pages while holding the lock.
    pub(crate) fn write_to_end(&mut self) -> Result<(), ArchiveError> {
        while !self.write_once()? {}
        self.note_followed()
    }

    /// Writes the next outstanding pages, and returns whether these were all. The index records
    /// outstanding pages, so that the next process writes those of a dead one.
    fn write_once(&mut self) -> Result<bool, ArchiveError> {
        let is_all = self.index.write(|index| self.writer(index, &self.read).write_next())?;
        if is_all {
            self.read.clear();
        }
        Ok(is_all)
    }

    /// Records that index and pages have reached the end of the mbox.
    fn note_followed(&self) -> Result<(), ArchiveError> {
        let is_rebuilt = self.index.fact(REBUILDING)?.is_some();
        if !is_rebuilt && self.index.fact(WHOLE)?.is_none() {
            return Ok(());
        }
        if is_rebuilt {
            listings::remove_stale(&self.index, &self.place)?;
        }
        Ok(self.index.write(|index| {
            index.forget_fact(REBUILDING)?;
            index.forget_fact(WHOLE)?;
            index.forget_waiting()
        })?)
    }

    /// Records new messages at the end of the mbox, for another process to index, and
    /// removes an unfinished append of a dead process.
    fn note_waiting(&self) -> Result<(), ArchiveError> {
        let whole = self.whole()?;
        if whole >= self.mbox.length()? {
            return Ok(());
        }
        let mut end = whole;
        let mut digests = Vec::new();
        let mut reader = Reader::open(&self.place.mbox(), whole)?;
        while let Some(stored) = reader.next_message()? {
            end = stored.start + stored.length;
            digests.push(stored.digest());
        }
        if reader.is_unfinished() {
            self.mbox.cut(end)?;
        }
        Ok(self.index.write(|index| {
            digests.iter().try_for_each(|digest| index.await_indexing(digest))?;
            index.set_fact(WHOLE, &end.to_string())
        })?)
    }

    /// Indexes the next messages of the mbox, and returns how many there were.
    fn follow_once(&mut self) -> Result<u64, ArchiveError> {
        let start = self.indexed()?;
        if start >= self.mbox.length()? {
            return Ok(0);
        }
        let mut reader = Reader::open(&self.place.mbox(), start)?;
        let mut chunk = Vec::new();
        let mut bytes = 0;
        let mut end = start;
        while chunk.len() < CHUNK && bytes < CHUNK_BYTES {
            let Some(stored) = reader.next_message()? else { break };
            bytes += stored.bytes.len();
            end = stored.start + stored.length;
            chunk.push(stored);
        }
        if reader.is_unfinished() {
            // The line ends before it belong to it.
            self.mbox.cut(end)?;
        }
        let count = chunk.len() as u64;
        if count > 0 {
            self.index_chunk(chunk)?;
        }
        Ok(count)
    }

    /// Indexes messages that follow the indexed ones, and records which pages must be written.
    pub(crate) fn index_chunk(&mut self, chunk: Vec<Stored>) -> Result<(), ArchiveError> {
        let Some(last) = chunk.last() else { return Ok(()) };
        if chunk.first().is_some_and(|first| first.start == 0) {
            // Existing pages, perhaps without an mbox, have addresses that must stay.
            self.index.write(|index| numbers::survey(index, &self.place))?;
        }
        let end = last.start + last.length;
        let now = now();
        let reading = self.reading(now);
        let mut touched = Touched::default();
        self.index.write(|index| {
            let first = index.next_number()?;
            let mut adding = Adding::new(index, self.list, now, &mut touched)?;
            let read = |stored: Stored| {
                let article = reading.read(&stored.bytes)?;
                Ok((stored.start, stored.length, stored.digest(), article))
            };
            parallel::map(chunk, read, |(start, length, digest, article)| {
                adding.add(start, length, digest, article)
            })?;
            index.set_fact(INDEXED, &end.to_string())?;
            self.note_writing(index, first, now, &mut touched)?;
            index.mark_messages(touched.numbers.iter().copied())?;
            fault::point("archive.indexed");
            self.writer(index, &touched.articles).texts(&touched)
        })?;
        self.read = touched.articles;
        fault::point("archive.committed");
        Ok(())
    }

    /// Rewrites pages that were not on the disk when the machine crashed: `touched` gets the
    /// messages of the last minutes before.
    fn note_writing(
        &self,
        index: &ArchiveIndex,
        first: i64,
        now: i64,
        touched: &mut Touched,
    ) -> Result<(), ArchiveError> {
        let boot = boot_id();
        if index.fact(BOOT)?.is_some_and(|last| last != boot) {
            let unsettled = number(index.fact(UNSETTLED)?).unwrap_or(0);
            for number in index.numbers_from(unsettled)? {
                touched.numbers.insert(number);
                index::mark_listings(index, number)?;
            }
        }
        let began: i64 = number(index.fact(SPAN_BEGAN)?).unwrap_or(0);
        if now - began > SETTLES {
            let before = index.fact(SPAN_FIRST)?.unwrap_or_else(|| "0".to_owned());
            index.set_fact(UNSETTLED, &before)?;
            index.set_fact(SPAN_FIRST, &first.to_string())?;
            index.set_fact(SPAN_BEGAN, &now.to_string())?;
        }
        index.set_fact(BOOT, &boot)?;
        Ok(())
    }

    pub(crate) fn writer<'w>(
        &'w self,
        index: &'w ArchiveIndex,
        read: &'w Articles,
    ) -> write::Writer<'w> {
        write::Writer {
            index,
            list: self.list,
            config: self.config,
            place: &self.place,
            mbox: &self.mbox,
            reading: self.reading(now()),
            read,
        }
    }

    pub(crate) fn reading(&self, now: i64) -> Reading<'_> {
        Reading {
            list: self.list,
            config: self.config,
            place: &self.place,
            attachments: &self.attachments,
            latest: now + SKEW,
        }
    }

    /// Rebuilds index and pages from the mbox. Every message keeps its address. An interrupted
    /// rebuild continues where it stopped.
    pub fn rebuild(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<Rebuilt, ArchiveError> {
        let follower = {
            let _lock = self.lock()?;
            let Some(follower) = self.try_follow()? else {
                return Err(ArchiveError::Busy(self.list.name.clone()));
            };
            self.finish_removal()?;
            let whole = self.whole()?;
            let is_shorter = self.mbox.length()? < whole;
            if is_shorter || self.index.fact(REBUILDING)?.is_none() {
                let whole = if is_shorter { 0 } else { whole };
                self.index.write(|index| {
                    index.forget_all_but_numbers()?;
                    index.set_fact(WHOLE, &whole.to_string())?;
                    index.set_fact(REBUILDING, "yes")?;
                    index.set_fact(INDEXED, "0")
                })?;
            }
            follower
        };
        let read = self.follow_with(follower, progress)?;
        Ok(Rebuilt {
            read,
            messages: self.index.counts()?.0,
            without_message: self.index.unclaimed()?,
        })
    }

    /// Discards index, numbers and pages, like `bin/arch --wipe`: numbers start again at 0.
    /// The mbox stays.
    pub fn wipe(&mut self) -> Result<(), ArchiveError> {
        let _lock = self.lock()?;
        let Some(_follower) = self.try_follow()? else {
            return Err(ArchiveError::Busy(self.list.name.clone()));
        };
        write::remove_tree(&self.place, self.list.settings.scrub_nondigest)?;
        self.place.create(self.list.settings.archive_private)?;
        self.index.write(|index| {
            index.forget_all_but_numbers()?;
            index.forget_numbers()?;
            index.set_fact(INDEXED, "0")
        })?;
        Ok(())
    }

    /// Completes the recorded operations of a dead process.
    pub(crate) fn recover(&mut self) -> Result<(), ArchiveError> {
        if self.mbox.length()? < self.whole()? {
            return Err(ArchiveError::Shorter {
                path: self.place.mbox(),
                list: self.list.name.to_string(),
            });
        }
        self.finish_removal()?;
        self.finish_redaction()?;
        self.finish_purge()
    }

    /// Returns the position up to which the mbox is complete.
    fn whole(&self) -> Result<u64, ArchiveError> {
        Ok(self.indexed()?.max(number(self.index.fact(WHOLE)?).unwrap_or(0)))
    }

    fn indexed(&self) -> Result<u64, ArchiveError> {
        Ok(number(self.index.fact(INDEXED)?).unwrap_or(0))
    }

    /// Waits for other processes that write to this archive.
    pub(crate) fn lock(&self) -> Result<File, ArchiveError> {
        let path = self.place.lock();
        let file = open_private(&path)?;
        file.lock().map_err(ArchiveError::io("lock", &path))?;
        // It may have moved while we waited.
        match self.place.is_elsewhere() {
            true => Err(ArchiveError::Elsewhere(self.list.name.clone())),
            false => Ok(file),
        }
    }

    /// Acquires the right to index the mbox; `None` if another process has it.
    pub(crate) fn try_follow(&self) -> Result<Option<File>, ArchiveError> {
        let path = self.place.follow_lock();
        let file = open_private(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(ArchiveError::io("lock", &path)(error)),
        }
    }

    /// Returns the index.
    pub fn index(&self) -> &ArchiveIndex {
        &self.index
    }

    /// Returns the paths of the files.
    pub fn place(&self) -> &ArchivePlace {
        &self.place
    }

    /// Writes the archive's first page and feed.
    pub(crate) fn write_contents(&self) -> Result<(), ArchiveError> {
        let _lock = self.lock()?;
        self.index.write(|index| self.writer(index, &self.read).listings())
    }
}

/// Formats a post for the mbox. The result depends only on the post, so that repeated posts are
/// recognized.
fn entry_of(post: ArchivePost) -> Vec<u8> {
    let ArchivePost { mut message, received } = post;
    let envelope = message.unix_from().map(|line| String::from_utf8_lossy(line).into_owned());
    let envelope = envelope.and_then(|line| line.split(' ').nth(1).map(str::to_owned));
    article::prepare(&mut message, received);
    let date = article::from_line_date(received);
    mbox::entry(&envelope.unwrap_or_default(), &date, &message.to_bytes())
}

pub(crate) fn number<T: std::str::FromStr>(fact: Option<String>) -> Option<T> {
    fact.and_then(|text| text.parse().ok())
}

pub(crate) fn now() -> i64 {
    Timestamp::now().whole_seconds()
}

/// Returns an identifier of this boot of the machine; always the same one if the system has none.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Articles by number, for pages.
pub(crate) type Articles = HashMap<i64, Article>;

#[cfg(test)]
mod tests;
