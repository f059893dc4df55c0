//! Feeds of threads.

use crate::pages::{self, Frame};
use crate::{ArchiveError, ArchivePlace};
use dormouse_store::archive_index::{ArchiveIndex, Hit, Indexed};
use dormouse_store::{List, Site};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The maximum numbers of messages in a feed, and of a thread's messages that are examined.
const SHOWN: usize = 30;
const MOST: usize = 2_000;

/// Returns the thread of a message as a feed (RFC 4287) with the newest messages; `None` if the
/// archive has no such message. All messages of a thread have the same feed.
pub fn thread_feed(site: &Site, list: &List, number: i64) -> Result<Option<String>, ArchiveError> {
    let Some(index) = ArchiveIndex::open_read_only(&ArchivePlace::of(site, &list.name).index())?
    else {
        return Ok(None);
    };
    let Some(message) = index.message(number)? else { return Ok(None) };
    let first = first_of(&index, message)?;
    let mut thread = Vec::new();
    let (mut waiting, mut seen) = (vec![first.clone()], BTreeSet::from([first.number]));
    while let Some(message) = waiting.pop() {
        for answer in index.children(message.number)? {
            if seen.len() < MOST && seen.insert(answer.number) {
                waiting.push(answer);
            }
        }
        if !message.removed {
            thread.push(message);
        }
    }
    thread.sort_by_key(|message| std::cmp::Reverse((message.date, message.number)));
    thread.truncate(SHOWN);
    // If a thread's first message was removed, its feed has the title of the oldest remaining one.
    let head = if first.removed { thread.last().cloned() } else { Some(first) };
    let Some(head) = head else { return Ok(None) };
    let hit = |message: Indexed| -> Result<Hit, ArchiveError> {
        let volume = index.volume(message.volume_id)?.map(|volume| volume.name);
        Ok(Hit { volume: volume.unwrap_or_default(), message })
    };
    let place = format!("{}/{}", list.web_url(site.config(), "feed"), head.number);
    let head = hit(head)?;
    let newest = thread.into_iter().map(hit).collect::<Result<Vec<_>, _>>()?;
    let frame = Frame::of(list, site.config());
    pages::thread_feed(&frame, &place, &head, &newest)
        .map(Some)
        .map_err(|source| ArchiveError::Page { path: PathBuf::from(place), source })
}

/// Returns the first message of a thread.
fn first_of(index: &ArchiveIndex, mut message: Indexed) -> Result<Indexed, ArchiveError> {
    let mut seen = BTreeSet::from([message.number]);
    while let Some(parent) = message.parent.filter(|parent| seen.insert(*parent)) {
        match index.message(parent)? {
            Some(parent) => message = parent,
            None => break,
        }
    }
    Ok(message)
}
