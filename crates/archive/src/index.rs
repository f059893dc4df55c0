//! The place of a message: its number, volume, and pages of the indexes; `threads` has its thread.

use crate::ArchiveError;
use crate::archive::Articles;
use crate::article::Article;
use crate::keys::{is_root, key, thread_key};
use crate::pages;
use crate::threads::Kin;
use crate::volume::Name;
use dormouse_store::List;
use dormouse_store::archive_index::{ArchiveIndex, IndexPage, Indexed, Order, PagePlace, Volume};
use std::collections::{BTreeSet, HashMap};

/// The maximum number of entries of an index page. A longer page is split, so that a post never
/// rewrites more than one page of each index, however many messages its volume has.
const LONGEST_PAGE: i64 = 400;
/// How much of a message is searchable, in bytes.
const MOST_WORDS: usize = 256 * 1024;

/// The pages to write after a change.
#[derive(Debug, Default)]
pub struct Touched {
    /// Messages whose pages changed.
    pub numbers: BTreeSet<i64>,
    /// Messages to append to the texts of their volumes, in the order of the mbox.
    pub texts: Vec<i64>,
    /// The parsed messages.
    pub articles: Articles,
}

/// Adds messages in the order of the mbox.
pub struct Adding<'a> {
    index: &'a ArchiveIndex,
    list: &'a List,
    /// The first unused number.
    next: i64,
    /// The number and date of the previous message.
    last: (i64, i64),
    /// Whether there are numbers from before a rebuild.
    is_anew: bool,
    volumes: HashMap<String, Volume>,
    touched: &'a mut Touched,
}

impl<'a> Adding<'a> {
    /// Starts after the last indexed message. `now` is the date of a first message without one.
    pub fn new(
        index: &'a ArchiveIndex,
        list: &'a List,
        now: i64,
        touched: &'a mut Touched,
    ) -> Result<Adding<'a>, ArchiveError> {
        Ok(Adding {
            index,
            list,
            next: index.next_number()?,
            last: index.last_of_mbox()?.unwrap_or((-1, now)),
            is_anew: index.unclaimed()? > 0,
            volumes: HashMap::new(),
            touched,
        })
    }

    /// Adds a message with its position in the mbox and its digest.
    pub fn add(
        &mut self,
        start: u64,
        length: u64,
        digest: Vec<u8>,
        article: Article,
    ) -> Result<(), ArchiveError> {
        let index = self.index;
        if index.has_digest(&digest)? {
            return Ok(());
        }
        let date = article.date.unwrap_or(self.last.1 + 1);
        let (number, volume) = self.address(&digest, &article, date)?;
        let message_id = if article.message_id.is_empty() {
            number.to_string()
        } else {
            article.message_id.clone()
        };
        let mut message = Indexed {
            number,
            volume_id: volume.id,
            mbox_start: start as i64,
            mbox_length: length as i64,
            digest,
            message_id,
            date,
            subject: article.subject.clone(),
            author: article.author.clone(),
            email: article.email.clone(),
            excerpt: article.excerpt(),
            parent: None,
            stripped: article.stripped.clone(),
            thread_key: thread_key(None, date, number),
            removed: article.is_removed,
        };
        self.last = (number, date);
        self.touched.numbers.insert(number);
        if message.removed {
            index.insert(&Indexed { subject: String::new(), author: String::new(), ..message })?;
            return Ok(());
        }
        let kin = Kin::of(index, &message, &article)?;
        if let Some(parent) = &kin.parent {
            message.thread_key = thread_key(Some(&parent.thread_key), date, number);
            self.touched.numbers.insert(parent.number);
            message.parent = Some(parent.number);
        }
        index.insert(&message)?;
        let author = format!("{} {}", message.author, message.email);
        index.insert_words(number, &message.subject, &author, cut(&article.text, MOST_WORDS))?;
        index.count_in_volume(volume.id, 1, date)?;
        for order in Order::ALL {
            list(index, order, &message, self.touched)?;
        }
        kin.join(index, &message, self.touched)?;
        self.touched.texts.push(number);
        self.touched.articles.insert(number, article);
        Ok(())
    }

    /// Returns the earlier number and volume of a message, or new ones.
    fn address(
        &mut self,
        digest: &[u8],
        article: &Article,
        date: i64,
    ) -> Result<(i64, Volume), ArchiveError> {
        let given = if self.is_anew { self.address_before(digest, article)? } else { None };
        let (number, name) = match given {
            Some((number, volume)) => (number, Name::parse(&volume)),
            None => {
                let number = self.next;
                self.next += 1;
                (number, None)
            }
        };
        let frequency = self.list.settings.archive_volume_frequency;
        let name = name.unwrap_or_else(|| Name::of(date, frequency));
        if let Some(volume) = self.volumes.get(&name.name) {
            return Ok((number, volume.clone()));
        }
        let volume = self.index.volume_named(&name.name, &name.label, name.first_day)?;
        self.volumes.insert(name.name, volume.clone());
        Ok((number, volume))
    }

    fn address_before(
        &self,
        digest: &[u8],
        article: &Article,
    ) -> Result<Option<(i64, String)>, ArchiveError> {
        if let Some(known) = self.index.take_known(digest, &article.message_id)? {
            return Ok(Some((known.number, known.volume)));
        }
        if !article.message_id.is_empty() {
            return Ok(None);
        }
        // Pipermail generated a Message-ID that the mbox does not have. Its number is the next.
        let next = self.last.0 + 1;
        Ok(self.index.take_known_number(next)?.map(|volume| (next, volume)))
    }
}

fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Adds a message to an order.
pub(crate) fn list(
    index: &ArchiveIndex,
    order: Order,
    message: &Indexed,
    touched: &mut Touched,
) -> Result<(), ArchiveError> {
    let (volume_id, key) = (message.volume_id, key(order, message));
    index.list(volume_id, order, &key, message.number)?;
    put_on_page(index, volume_id, order, &key, touched)?;
    if pages::WALKS.contains(&order) {
        let (before, after) = index.neighbour_numbers(volume_id, order, &key)?;
        touched.numbers.extend(before.into_iter().chain(after));
    }
    Ok(())
}

/// Removes a message from an order.
pub(crate) fn unlist(
    index: &ArchiveIndex,
    order: Order,
    message: &Indexed,
    touched: &mut Touched,
) -> Result<(), ArchiveError> {
    let (volume_id, key) = (message.volume_id, key(order, message));
    let (before, after) = index.neighbour_numbers(volume_id, order, &key)?;
    touched.numbers.extend(before.into_iter().chain(after));
    index.unlist(volume_id, order, &key)?;
    if let Some(page) = index.page_of(volume_id, order, &key)? {
        let page = IndexPage { entries: page.entries - 1, ..page };
        index.put_page(volume_id, order, &page)?;
    }
    Ok(())
}

/// Adds an entry to the count of its page, and splits the page if it is too long.
fn put_on_page(
    index: &ArchiveIndex,
    volume_id: i64,
    order: Order,
    key: &str,
    touched: &mut Touched,
) -> Result<(), ArchiveError> {
    // The first page begins before every key.
    let first = || IndexPage { low: String::new(), number: 1, entries: 0 };
    let found = index.page_of(volume_id, order, key)?.unwrap_or_else(first);
    let page = IndexPage { entries: found.entries + 1, ..found };
    index.put_page(volume_id, order, &page)?;
    if page.entries <= LONGEST_PAGE {
        return Ok(());
    }
    let PagePlace { before, after, .. } = index.page_at(volume_id, order, key)?;
    let high = after.as_ref().map(|after| after.low.as_str());
    let keys = index.keys(volume_id, order, &page.low, high)?;
    let Some(split) = split_place(order, &keys, after.is_none()) else { return Ok(()) };
    let number = index.next_page(volume_id, order)?;
    let new = IndexPage { low: keys[split].clone(), number, entries: (keys.len() - split) as i64 };
    index.put_page(volume_id, order, &IndexPage { entries: split as i64, ..page })?;
    index.put_page(volume_id, order, &new)?;
    if order == Order::Thread {
        // Their pages contain their positions.
        let moved = index.lines(volume_id, order, &new.low, high)?;
        touched.numbers.extend(moved.into_iter().map(|line| line.number));
    }
    // Its neighbours link to it, and the first page lists all.
    let neighbours = before.into_iter().chain(after).map(|page| page.low);
    neighbours
        .chain([String::new()])
        .try_for_each(|low| Ok(index.mark_stale(volume_id, order, &low)?))
}

/// Returns where to split a page: near the end if it is the last page, because entries usually
/// arrive in order; otherwise in the middle. Threads stay together if possible.
fn split_place(order: Order, keys: &[String], is_last: bool) -> Option<usize> {
    let ideal = if is_last { keys.len() * 9 / 10 } else { keys.len() / 2 };
    let fits = |&place: &usize| order != Order::Thread || is_root(&keys[place]);
    let by_distance = (1..keys.len()).filter(fits).min_by_key(|place| place.abs_diff(ideal));
    by_distance.or((keys.len() > 1).then_some(ideal.max(1)))
}

/// Marks the index pages that contain a message.
pub fn mark_listings(index: &ArchiveIndex, number: i64) -> Result<(), ArchiveError> {
    let Some(message) = index.message(number)? else { return Ok(()) };
    for order in Order::ALL {
        if let Some(page) = index.page_of(message.volume_id, order, &key(order, &message))? {
            index.mark_stale(message.volume_id, order, &page.low)?;
        }
    }
    Ok(())
}

/// Replaces the indexed text of a message that was changed. Its place in the lists stays.
pub fn put_text(
    index: &ArchiveIndex,
    message: &Indexed,
    digest: &[u8],
    article: &Article,
    touched: &mut Touched,
) -> Result<(), ArchiveError> {
    index.put_text(message.number, digest, &article.excerpt())?;
    let author = format!("{} {}", message.author, message.email);
    index.insert_words(
        message.number,
        &message.subject,
        &author,
        cut(&article.text, MOST_WORDS),
    )?;
    // The volume's text is written again.
    index.set_text_length(message.volume_id, 0)?;
    touched.texts = index.numbers_in_volume(message.volume_id)?;
    Ok(())
}

/// Removes a message from the indexes. Replies to it stay where they are.
pub fn remove(
    index: &ArchiveIndex,
    message: &Indexed,
    digest: &[u8],
    touched: &mut Touched,
) -> Result<(), ArchiveError> {
    for order in Order::ALL {
        unlist(index, order, message, touched)?;
    }
    index.want_nothing(message.number)?;
    touched.numbers.insert(message.number);
    touched.numbers.extend(message.parent);
    touched.numbers.extend(index.answers(message.number)?.into_iter().map(|line| line.number));
    index.count_in_volume(message.volume_id, -1, message.date)?;
    index.mark_removed(message.number, digest)?;
    // The volume's text is rewritten without it.
    index.set_text_length(message.volume_id, 0)?;
    touched.texts = index.numbers_in_volume(message.volume_id)?;
    Ok(())
}
