//! Masking words in a message of the archive.

use crate::archive::{Archive, Articles, now};
use crate::index::{self, Touched};
use crate::removal::PURGING;
use crate::{ArchiveError, mbox, place};
use dormouse_mail::redact::{self, Redacted};
use dormouse_spool::fault;
use dormouse_store::archive_index::Indexed;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

/// The words that are being masked, and where.
const REDACTING: &str = "redacting";

/// The result of masking words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    /// All occurrences are masked.
    Done,
    /// The archive has no such message.
    NoMessage,
    /// The message does not contain them.
    Nowhere,
    /// Nothing is masked, because some occurrences cannot be masked. Only removing the message
    /// removes them.
    Impossible,
}

#[derive(Debug, Serialize, Deserialize)]
struct Redacting {
    number: i64,
    phrases: Vec<String>,
}

impl Archive<'_> {
    /// Masks words in a message permanently: in the mbox, the index, the pages, the full text and
    /// the attachments. Its URL and all other messages are kept.
    pub fn redact(&mut self, number: i64, phrases: &[String]) -> Result<Redaction, ArchiveError> {
        let _lock = self.lock()?;
        self.recover()?;
        let Some(_follower) = self.try_follow()? else {
            return Err(ArchiveError::Busy(self.list.name.clone()));
        };
        self.follow_to_end()?;
        let Some(message) = self.index.message(number)?.filter(|message| !message.removed) else {
            return Ok(Redaction::NoMessage);
        };
        match redacted(&self.entry(&message)?, phrases) {
            Some(_) => {}
            None => return self.why_not(&message, phrases),
        }
        let phrases = phrases.to_vec();
        let redacting = Redacting { number, phrases };
        self.index.write(|index| {
            index.set_fact(PURGING, "1")?;
            index.set_fact(REDACTING, &serde_json::json!(redacting).to_string())
        })?;
        fault::point("archive.redacting");
        self.finish_redaction()?;
        self.finish_purge()?;
        Ok(Redaction::Done)
    }

    fn entry(&self, message: &Indexed) -> Result<Vec<u8>, ArchiveError> {
        self.mbox.read(message.mbox_start as u64, message.mbox_length as u64)
    }

    fn why_not(&self, message: &Indexed, phrases: &[String]) -> Result<Redaction, ArchiveError> {
        Ok(match redact::redact(&mbox::message(&self.entry(message)?), phrases) {
            Redacted::Nowhere => Redaction::Nowhere,
            _ => Redaction::Impossible,
        })
    }

    /// Carries out the recorded redaction. Each step can be repeated.
    pub(crate) fn finish_redaction(&mut self) -> Result<(), ArchiveError> {
        let Some(fact) = self.index.fact(REDACTING)? else { return Ok(()) };
        let redacting: Option<Redacting> = serde_json::from_str(&fact).ok();
        let message = match &redacting {
            Some(redacting) => self.index.message(redacting.number)?,
            None => None,
        };
        let (Some(Redacting { number, phrases }), Some(message)) = (redacting, message) else {
            return Ok(self.index.write(|index| index.forget_fact(REDACTING))?);
        };
        let entry = self.entry(&message)?;
        // Attachments may contain the words, in their names or content, and are extracted again.
        for file in &self.reading(now()).read(&entry)?.files {
            place::remove_file(&self.place.tree().join(&file.path))?;
        }
        let new = redacted(&entry, &phrases).unwrap_or(entry);
        self.mbox.overwrite(message.mbox_start as u64, &new)?;
        fault::point("archive.redacted");
        let article = self.reading(now()).read(&new)?;
        let volume = self.index.volume(message.volume_id)?;
        for volume in volume.iter() {
            place::remove_file(&self.place.tree().join(format!("{}.txt.gz", volume.name)))?;
        }
        self.index.write(|index| {
            let mut touched = Touched::default();
            index::put_text(index, &message, &Sha1::digest(&new), &article, &mut touched)?;
            index.set_gzipped(message.volume_id, false)?;
            index.forget_fact(REDACTING)?;
            index.mark_messages([number])?;
            let read = Articles::new();
            let writer = self.writer(index, &read);
            writer.texts(&touched)?;
            while !writer.write_next()? {}
            Ok(())
        })
    }
}

/// Returns an entry of an mbox with the words masked and the same length; `None` if there are no
/// such words, or if they cannot be masked.
fn redacted(entry: &[u8], phrases: &[String]) -> Option<Vec<u8>> {
    let message = mbox::message(entry);
    let Redacted::Whole(new) = redact::redact(&message, phrases) else { return None };
    // Both have the same lines, so each line keeps its quoting.
    let head = entry.len() - rest_of(entry).len();
    let mut out = entry[..head].to_vec();
    let mut at = 0;
    for (old, line) in lines(&message).zip(lines(&new)) {
        let place = rest_of(entry).get(at..)?;
        let quote = usize::from(place.starts_with(b">") && place.get(1..)?.starts_with(old));
        out.extend_from_slice(place.get(..quote)?);
        out.extend_from_slice(line);
        at += quote + old.len();
    }
    out.extend_from_slice(rest_of(entry).get(at..)?);
    (out.len() == entry.len() && mbox::message(&out) == new).then_some(out)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

/// Returns an entry without its From line.
fn rest_of(entry: &[u8]) -> &[u8] {
    if !entry.starts_with(b"From ") {
        return entry;
    }
    memchr::memchr(b'\n', entry).map_or(&[][..], |end| &entry[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_its_length_its_quotes_and_its_end() {
        let text = b"Subject: x\n\nFrom here on secret.\n>From there secret, too.\n";
        let entry = mbox::entry("a@x", "Mon Nov 23 10:00:00 2026", text);
        let new = redacted(&entry, &["secret".to_owned()]).unwrap();
        assert_eq!(new.len(), entry.len());
        let shown = String::from_utf8(mbox::message(&new)).unwrap();
        assert_eq!(shown, "Subject: x\n\nFrom here on xxxxxx.\n>From there xxxxxx, too.\n");
        assert_eq!(redacted(&new, &["secret".to_owned()]), None);
    }
}
