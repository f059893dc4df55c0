//! Removing a message for good.

use crate::archive::{Archive, Articles, now, number};
use crate::index::{self, Touched};
use crate::{ArchiveError, article, place};
use dormouse_spool::fault;
use sha1::{Digest, Sha1};

/// A message that is being removed.
const REMOVING: &str = "removing";

impl Archive<'_> {
    /// Removes a message for good: from the mbox, the index and the pages. Its address says so; no
    /// other address moves. Returns how many messages had that Message-ID.
    pub fn remove(&mut self, message_id: &str) -> Result<usize, ArchiveError> {
        let id = article::bare_id(message_id);
        let _lock = self.lock()?;
        self.recover()?;
        let Some(_follower) = self.try_follow()? else {
            return Err(ArchiveError::Busy(self.list.name.clone()));
        };
        self.follow_to_end()?;
        let found: Vec<i64> = self
            .index
            .messages_with_id(&id)?
            .iter()
            .filter(|message| !message.removed)
            .map(|message| message.number)
            .collect();
        if found.is_empty() {
            return Err(ArchiveError::NoSuchMessage { list: self.list.name.clone(), id });
        }
        for number in &found {
            self.index.write(|index| index.set_fact(REMOVING, &number.to_string()))?;
            fault::point("archive.removing");
            self.finish_removal()?;
        }
        Ok(found.len())
    }

    /// Carries out a removal that was decided.
    pub(crate) fn finish_removal(&mut self) -> Result<(), ArchiveError> {
        let Some(number) = number(self.index.fact(REMOVING)?) else { return Ok(()) };
        let Some(message) = self.index.message(number)? else {
            return Ok(self.index.write(|index| index.forget_fact(REMOVING))?);
        };
        let (start, length) = (message.mbox_start as u64, message.mbox_length as u64);
        let article = self.reading(now()).read(&self.mbox.read(start, length)?)?;
        for file in &article.files {
            place::remove_file(&self.place.tree().join(&file.path))?;
        }
        let blank = self.mbox.blank(start, length)?;
        fault::point("archive.blanked");
        let volume = self.index.volume(message.volume_id)?;
        for volume in volume.iter() {
            place::remove_file(&self.place.tree().join(format!("{}.txt.gz", volume.name)))?;
        }
        self.index.write(|index| {
            let mut touched = Touched::default();
            if !message.removed {
                index::remove(index, &message, &Sha1::digest(&blank), &mut touched)?;
                index.set_gzipped(message.volume_id, false)?;
            }
            index.forget_fact(REMOVING)?;
            index.mark_messages(touched.numbers.iter().copied())?;
            let read = Articles::new();
            let writer = self.writer(index, &read);
            writer.texts(&touched)?;
            while !writer.write_next()? {}
            Ok(())
        })
    }
}
