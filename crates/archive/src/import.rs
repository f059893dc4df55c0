//! Importing messages from another mbox.

use crate::archive::{Archive, CHUNK, CHUNK_BYTES, Progress};
use crate::mbox::{self, Mbox, Reader};
use crate::{ArchiveError, article};
use dormouse_mail::Message;
use dormouse_store::archive_index::{ArchiveIndex, Indexed};
use sha1::{Digest, Sha1};
use std::collections::BTreeSet;
use std::io::BufRead;
use std::ops::RangeInclusive;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportedMbox {
    /// The number of added messages.
    pub added: u64,
    /// The number of messages that are already in the archive: the same Message-ID with the same
    /// content.
    pub known: u64,
}

impl Archive<'_> {
    /// Adds the messages of another mbox, which has `size` bytes, or 0 if unknown. Existing
    /// messages are skipped, so an interrupted import can simply be repeated. Different messages
    /// with the same Message-ID are added, as when they are posted.
    pub fn import(
        &mut self,
        mut reader: Reader<impl BufRead>,
        size: u64,
        range: RangeInclusive<u64>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportedMbox, ArchiveError> {
        let Some(follower) = self.try_follow()? else {
            return Err(ArchiveError::Busy(self.list.name.clone()));
        };
        {
            let _lock = self.lock()?;
            self.recover()?;
            self.follow_to_end()?;
        }
        let mut imported = ImportedMbox::default();
        let mut place = 0;
        loop {
            let mut entries = Vec::new();
            let is_end = self.index.read(|archived| {
                let mut chooser = Chooser { archived, mbox: &self.mbox, chosen: BTreeSet::new() };
                choose(&mut chooser, &mut reader, &range, &mut place, &mut entries, &mut imported)
            })?;
            imported.added += entries.len() as u64;
            if !entries.is_empty() {
                let _lock = self.lock()?;
                self.recover()?;
                // Posts may have arrived in between.
                self.follow_to_end()?;
                let stored = self.mbox.append(entries)?;
                self.index_chunk(stored)?;
            }
            // The pages are written after that.
            let total = size.max(reader.position());
            progress(Progress {
                done: reader.position(),
                total: total * 2,
                messages: imported.added,
            });
            if is_end {
                self.follow_with(follower, &mut |now| {
                    let done = total + total * now.done / now.total.max(1);
                    progress(Progress { done, total: total * 2, messages: imported.added });
                })?;
                return Ok(imported);
            }
        }
    }
}

/// Recognizes messages that the archive already has.
struct Chooser<'c> {
    archived: &'c ArchiveIndex,
    mbox: &'c Mbox,
    /// Messages that were chosen and are not archived yet.
    chosen: BTreeSet<Vec<u8>>,
}

impl Chooser<'_> {
    /// Whether an entry is new; from then on it counts as known.
    fn choose(&mut self, entry: &[u8]) -> Result<bool, ArchiveError> {
        let id = article::message_id_of(&Message::parse_header_of(entry));
        // A message without a Message-ID is identified by all of its bytes.
        if id.is_empty() {
            return Ok(!self.archived.has_digest(&Sha1::digest(entry))?);
        }
        let content = content(entry);
        for message in self.archived.messages_with_id(&id)? {
            // Removed messages do not come back.
            if message.removed || self.content_of(&message)? == content {
                return Ok(false);
            }
        }
        Ok(self.chosen.insert(content))
    }

    fn content_of(&self, message: &Indexed) -> Result<Vec<u8>, ArchiveError> {
        let (start, length) = (message.mbox_start as u64, message.mbox_length as u64);
        Ok(content(&self.mbox.read(start, length)?))
    }
}

/// A digest of a message's content, without its transport: that and its dates may be recorded
/// differently in another mbox.
fn content(entry: &[u8]) -> Vec<u8> {
    let message = Message::parse(mbox::message(entry));
    let mut digest = Sha1::new();
    for name in ["Message-ID", "From", "Subject"] {
        let value = message.field(name).map(|field| field.unfolded().into_owned());
        digest.update(value.unwrap_or_default().trim_ascii());
        digest.update([0]);
    }
    for line in message.body().trim_ascii_end().split(|&byte| byte == b'\n') {
        digest.update(line.trim_ascii_end());
        digest.update([b'\n']);
    }
    digest.finalize().to_vec()
}

/// Reads messages that are not in the archive, and returns whether the mbox ends with them.
fn choose(
    chooser: &mut Chooser<'_>,
    reader: &mut Reader<impl BufRead>,
    range: &RangeInclusive<u64>,
    index: &mut u64,
    entries: &mut Vec<Vec<u8>>,
    imported: &mut ImportedMbox,
) -> Result<bool, ArchiveError> {
    let mut bytes = 0;
    while entries.len() < CHUNK && bytes < CHUNK_BYTES {
        let Some(stored) = reader.next_message()? else { return Ok(true) };
        *index += 1;
        if !range.contains(&(*index - 1)) {
            continue;
        }
        let entry = entry_again(&stored.bytes);
        if chooser.choose(&entry)? {
            bytes += entry.len();
            entries.push(entry);
        } else {
            imported.known += 1;
        }
    }
    Ok(false)
}

/// Converts an entry of another mbox to our quoting.
fn entry_again(entry: &[u8]) -> Vec<u8> {
    let line = entry.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line =
        String::from_utf8_lossy(line.strip_prefix(b"From ").unwrap_or_default()).into_owned();
    let (envelope, date) = line.trim().split_once(' ').unwrap_or(("nobody", ""));
    mbox::entry(envelope, date.trim(), &mbox::message(entry))
}
