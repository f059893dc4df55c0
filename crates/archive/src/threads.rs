//! What a message answers, and what answers it, within its volume (spec/archives.md §4). Mail comes
//! in any order: what a message answers may come after it, and then the thread is put right.
//!
//! An ordinary post costs what it did: it looks for its parent, and whether somebody waits for it.

use crate::ArchiveError;
use crate::article::Article;
use crate::index::{Touched, list, unlist};
use crate::keys::thread_key;
use dormouse_store::archive_index::{ArchiveIndex, Indexed, Order};

/// So many messages that are not there yet are waited for; the nearest in the thread come first.
const MOST_WANTED: usize = 8;
/// A thread of more messages stays where it is, so that no post costs more than this.
const MOST_MOVED: usize = 2_000;
/// Circles are looked for so far up.
const HIGHEST: usize = 2_000;

/// The place of a new message among those of its volume.
pub struct Kin {
    /// What it answers: what it says, or else the oldest one of its subject.
    pub parent: Option<Indexed>,
    /// What it says it answers, rather than that, and is not there yet.
    wanted: Vec<String>,
    /// What has waited for it.
    answers: Vec<Indexed>,
    /// Its subject's oldest one until now, which it is older than.
    younger: Option<Indexed>,
}

impl Kin {
    /// Finds the place of a message that is not in the index yet.
    pub fn of(
        index: &ArchiveIndex,
        message: &Indexed,
        article: &Article,
    ) -> Result<Kin, ArchiveError> {
        let volume = message.volume_id;
        let mut kin = Kin { parent: None, wanted: Vec::new(), answers: Vec::new(), younger: None };
        // A message without an id is known by its number, which nobody can have answered.
        if !article.message_id.is_empty() {
            kin.answers = index.wanting(volume, &article.message_id)?;
        }
        for id in article.answers.iter().filter(|id| **id != article.message_id) {
            let Some(found) = index.in_volume(volume, id)? else {
                if kin.wanted.len() < MOST_WANTED && !kin.wanted.contains(id) {
                    kin.wanted.push(id.clone());
                }
                continue;
            };
            kin.keep_out_of_circles(index, &found)?;
            kin.parent = (!found.removed).then_some(found);
            return Ok(kin);
        }
        if message.stripped.is_empty() {
            return Ok(kin);
        }
        let Some(oldest) = index.first_with_subject(volume, &message.stripped)? else {
            return Ok(kin);
        };
        if oldest.parent.is_none() && oldest.date > message.date {
            kin.younger = Some(oldest);
        } else if !kin.has_answer_above(index, &oldest)? {
            kin.parent = Some(oldest);
        }
        Ok(kin)
    }

    /// Two messages that say they answer each other: the one that came first stays above.
    fn keep_out_of_circles(
        &mut self,
        index: &ArchiveIndex,
        parent: &Indexed,
    ) -> Result<(), ArchiveError> {
        if !self.answers.is_empty() {
            let above = ancestry(index, parent)?;
            self.answers.retain(|answer| {
                above.as_ref().is_some_and(|above| !above.contains(&answer.number))
            });
        }
        Ok(())
    }

    fn has_answer_above(
        &self,
        index: &ArchiveIndex,
        message: &Indexed,
    ) -> Result<bool, ArchiveError> {
        if self.answers.is_empty() {
            return Ok(false);
        }
        let above = ancestry(index, message)?;
        let is_above =
            |answer: &Indexed| above.as_ref().is_none_or(|above| above.contains(&answer.number));
        Ok(self.answers.iter().any(is_above))
    }

    /// Puts what has waited for a message below it, and notes what it waits for.
    pub fn join(
        self,
        index: &ArchiveIndex,
        message: &Indexed,
        touched: &mut Touched,
    ) -> Result<(), ArchiveError> {
        for (rank, id) in self.wanted.iter().enumerate() {
            index.want(message.volume_id, id, message.number, rank)?;
        }
        for answer in &self.answers {
            move_below(index, message, answer, touched)?;
            index.found(answer.number, &message.message_id)?;
        }
        if let Some(younger) = &self.younger
            && self.answers.iter().all(|answer| answer.number != younger.number)
        {
            move_below(index, message, younger, touched)?;
        }
        Ok(())
    }
}

/// The numbers of a message and all above it; `None` when there are too many to look at.
fn ancestry(index: &ArchiveIndex, message: &Indexed) -> Result<Option<Vec<i64>>, ArchiveError> {
    let mut above = vec![message.number];
    let mut next = message.parent;
    while let Some(number) = next {
        if above.len() >= HIGHEST || above.contains(&number) {
            return Ok(None);
        }
        above.push(number);
        next = index.message(number)?.and_then(|message| message.parent);
    }
    Ok(Some(above))
}

/// Moves a message with all that answers it below another one.
fn move_below(
    index: &ArchiveIndex,
    parent: &Indexed,
    child: &Indexed,
    touched: &mut Touched,
) -> Result<(), ArchiveError> {
    let mut moved = vec![child.clone()];
    let mut at = 0;
    while let Some(message) = moved.get(at) {
        moved.extend(index.children(message.number)?);
        at += 1;
        if moved.len() > MOST_MOVED {
            return Ok(());
        }
    }
    // All keys at once: those of the children begin with their parents'.
    let mut keys = std::collections::HashMap::from([(parent.number, parent.thread_key.clone())]);
    touched.numbers.extend([parent.number]);
    touched.numbers.extend(child.parent);
    for message in moved {
        let is_child = message.number == child.number;
        let above = if is_child { Some(parent.number) } else { message.parent };
        let above_key = above.and_then(|above| keys.get(&above)).map(String::as_str);
        let thread_key = thread_key(above_key, message.date, message.number);
        keys.insert(message.number, thread_key.clone());
        index.set_place(message.number, above, &thread_key)?;
        touched.numbers.insert(message.number);
        if !message.removed {
            unlist(index, Order::Thread, &message, touched)?;
            let message = Indexed { parent: above, thread_key, ..message };
            list(index, Order::Thread, &message, touched)?;
        }
    }
    Ok(())
}
