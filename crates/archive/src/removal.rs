//! Removing messages permanently.

use crate::archive::{Archive, Articles, now, number};
use crate::index::{self, Touched};
use crate::{ArchiveError, article, place};
use dormouse_mail::scrub;
use dormouse_spool::fault;
use dormouse_store::StoreError;
use dormouse_store::archive_index::ArchiveIndex;
use sha1::{Digest, Sha1};
use std::{fs, io};

/// A message being removed.
const REMOVING: &str = "removing";
/// Set while bytes of removed messages may still be in the index.
pub(crate) const PURGING: &str = "purging";

/// The result of a removal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RemovedMessages {
    /// The number of messages.
    pub messages: usize,
    /// The number of directories with attachments that were removed from posts before these were
    /// archived, or of posts that were never archived (`X-No-Archive`).
    pub files: usize,
}

impl Archive<'_> {
    /// Removes a message permanently: from the mbox, the index, the pages and the full text, and
    /// its attachments, even if the message itself is not in the archive. Its page is replaced by a
    /// note; other URLs stay the same.
    pub fn remove(&mut self, message_id: &str) -> Result<RemovedMessages, ArchiveError> {
        let id = article::bare_id(message_id);
        let removed = self.remove_all(|index| {
            let found = index.messages_with_id(&id)?;
            Ok(found.iter().filter(|message| !message.removed).map(|found| found.number).collect())
        })?;
        let files = self.remove_files_of(&id)?;
        if removed.messages == 0 && files == 0 {
            return Err(ArchiveError::NoSuchMessage { list: self.list.name.clone(), id });
        }
        Ok(RemovedMessages { files, ..removed })
    }

    /// Removes the message with this number permanently, as [`Archive::remove`]. Returns its
    /// Message-ID, or `None` if there is no such message.
    pub fn remove_number(&mut self, number: i64) -> Result<Option<String>, ArchiveError> {
        let mut id = None;
        self.remove_all(|index| {
            let found = index.message(number)?.filter(|message| !message.removed);
            id = found.map(|found| found.message_id);
            Ok(id.iter().map(|_| number).collect())
        })?;
        Ok(id)
    }

    /// Removes all messages of an author permanently.
    pub fn remove_of(&mut self, email: &str) -> Result<RemovedMessages, ArchiveError> {
        self.remove_all(|index| index.messages_of(email))
    }

    fn remove_all(
        &mut self,
        which: impl FnOnce(&ArchiveIndex) -> Result<Vec<i64>, StoreError>,
    ) -> Result<RemovedMessages, ArchiveError> {
        let _lock = self.lock()?;
        self.recover()?;
        let Some(_follower) = self.try_follow()? else {
            return Err(ArchiveError::Busy(self.list.name.clone()));
        };
        self.follow_to_end()?;
        let found = which(&self.index)?;
        if found.is_empty() {
            return Ok(RemovedMessages::default());
        }
        self.index.write(|index| index.set_fact(PURGING, "1"))?;
        for number in &found {
            self.index.write(|index| index.set_fact(REMOVING, &number.to_string()))?;
            fault::point("archive.removing");
            self.finish_removal()?;
        }
        self.finish_purge()?;
        Ok(RemovedMessages { messages: found.len(), files: 0 })
    }

    /// Removes the remaining bytes of removed messages from the index.
    pub(crate) fn finish_purge(&mut self) -> Result<(), ArchiveError> {
        if self.index.fact(PURGING)?.is_some() {
            self.index.purge()?;
            self.index.write(|index| index.forget_fact(PURGING))?;
        }
        Ok(())
    }

    /// Removes the attachments with this Message-ID that were removed from posts before these were
    /// archived.
    fn remove_files_of(&self, id: &str) -> Result<usize, ArchiveError> {
        if id.is_empty() {
            return Ok(0);
        }
        let names =
            [format!("<{id}>"), id.to_owned()].map(|id| scrub::directory_name(id.as_bytes()));
        let attachments = self.place.tree().join("attachments");
        let days = match fs::read_dir(&attachments) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            days => days.map_err(ArchiveError::io("read", &attachments))?,
        };
        let mut removed = 0;
        for day in days {
            let day = day.map_err(ArchiveError::io("read", &attachments))?.path();
            for name in &names {
                let dir = day.join(name);
                match fs::remove_dir_all(&dir) {
                    Ok(()) => removed += 1,
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                        ) => {}
                    Err(error) => return Err(ArchiveError::io("remove", &dir)(error)),
                }
            }
        }
        Ok(removed)
    }

    /// Carries out a recorded removal.
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
        self.remove_files_of(&message.message_id)?;
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
            if touched.texts.is_empty() {
                // No message is left whose text could replace it.
                for volume in volume.iter() {
                    let path = self.place.tree().join(format!("{}.txt", volume.name));
                    match fs::OpenOptions::new().write(true).truncate(true).open(&path) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        emptied => drop(emptied.map_err(ArchiveError::io("empty", &path))?),
                    }
                }
            }
            writer.texts(&touched)?;
            while !writer.write_next()? {}
            Ok(())
        })
    }
}
