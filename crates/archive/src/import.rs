//! Messages of another mbox.

use crate::archive::{Archive, CHUNK, CHUNK_BYTES, Progress};
use crate::mbox::{self, Reader};
use crate::{ArchiveError, article};
use dormouse_mail::Message;
use dormouse_store::archive_index::ArchiveIndex;
use sha1::{Digest, Sha1};
use std::collections::BTreeSet;
use std::io::BufRead;
use std::ops::RangeInclusive;

/// What an import came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Messages added.
    pub added: u64,
    /// Messages that the archive has already, by their Message-ID.
    pub known: u64,
}

impl Archive<'_> {
    /// Adds the messages of another mbox, which has `size` bytes, or 0 where that is not known.
    /// Those whose Message-ID the archive has are left out, so an import that was interrupted is
    /// simply repeated.
    pub fn import(
        &mut self,
        mut reader: Reader<impl BufRead>,
        size: u64,
        range: RangeInclusive<u64>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Imported, ArchiveError> {
        let Some(follower) = self.try_follow()? else {
            return Err(ArchiveError::Busy(self.list.name.clone()));
        };
        {
            let _lock = self.lock()?;
            self.recover()?;
            self.follow_to_end()?;
        }
        let mut imported = Imported::default();
        let mut place = 0;
        loop {
            let mut entries = Vec::new();
            let is_end = self.index.read(|archived| {
                choose(archived, &mut reader, &range, &mut place, &mut entries, &mut imported)
            })?;
            imported.added += entries.len() as u64;
            if !entries.is_empty() {
                let _lock = self.lock()?;
                self.recover()?;
                // Posts may have come in between.
                self.follow_to_end()?;
                let stored = self.mbox.append(entries)?;
                self.index_chunk(stored)?;
            }
            // The pages come after that.
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

/// Reads messages that an archive does not have; whether the mbox ends with them.
fn choose(
    archived: &ArchiveIndex,
    reader: &mut Reader<impl BufRead>,
    range: &RangeInclusive<u64>,
    index: &mut u64,
    entries: &mut Vec<Vec<u8>>,
    imported: &mut Imported,
) -> Result<bool, ArchiveError> {
    let mut bytes = 0;
    let mut ids = BTreeSet::new();
    while entries.len() < CHUNK && bytes < CHUNK_BYTES {
        let Some(stored) = reader.next_message()? else { return Ok(true) };
        *index += 1;
        if !range.contains(&(*index - 1)) {
            continue;
        }
        let id = article::message_id_of(&Message::parse_header_of(&stored.bytes));
        let entry = entry_again(&stored.bytes);
        // What has no Message-ID is known by all its bytes.
        let is_known = if id.is_empty() {
            archived.has_digest(&Sha1::digest(&entry))?
        } else {
            archived.has_message_id(&id)? || !ids.insert(id)
        };
        if is_known {
            imported.known += 1;
        } else {
            bytes += entry.len();
            entries.push(entry);
        }
    }
    Ok(false)
}

/// An entry of another mbox, quoted as ours are.
fn entry_again(entry: &[u8]) -> Vec<u8> {
    let line = entry.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line =
        String::from_utf8_lossy(line.strip_prefix(b"From ").unwrap_or_default()).into_owned();
    let (envelope, date) = line.trim().split_once(' ').unwrap_or(("nobody", ""));
    mbox::entry(envelope, date.trim(), &mbox::message(entry))
}
