//! Posts that wait for a moderator, and what a moderator decides.

use crate::{RunError, pipeline};
use dormouse_mail::{Message, date};
use dormouse_spool::{Entry, EntryName, Queue, Spool};
use dormouse_store::{HeldPost, Store};
use std::path::Path;
use std::time::SystemTime;

/// The post itself, as it was held.
///
/// # Errors
/// When what the store kept is no entry any more.
pub fn entry(held: &HeldPost) -> Result<Entry, RunError> {
    Ok(Entry::from_bytes(&held.content, Path::new(&format!("held post {}", held.entry)))?)
}

/// Lets a post through: it goes on behind the moderation, and is not judged again.
///
/// It is in the queue before it is out of the store; a crash in between leaves it in both, and
/// approving it again overwrites the same entry.
pub fn approve(spool: &Spool, store: &Store, id: i64, held: &HeldPost) -> Result<(), RunError> {
    let mut entry = entry(held)?;
    let mut message = Message::parse(entry.message);
    message.set("X-Mailman-Approved-At", &date::rfc5322(SystemTime::now()));
    entry.message = message.to_bytes();
    entry.metadata.set_int("approved", 1);
    entry.metadata.set_int("adminapproved", 1);
    let rest = pipeline::POSTING.iter().skip_while(|handler| handler.name != "Hold").skip(1);
    entry.metadata.set_texts("pipeline", rest.map(|handler| handler.name));
    let mut batch = spool.batch();
    batch.enqueue(Queue::In, &EntryName::from_base(&held.entry).derive("approved"), &entry)?;
    batch.commit()?;
    Ok(store.write(|tx| tx.release_held(id))?)
}
