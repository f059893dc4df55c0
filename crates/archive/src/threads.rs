//! A message's parent and replies within its volume (docs/spec/archives.md §4). Mail arrives
//! in any order: a parent may arrive after its reply, and then the thread is corrected.
//!
//! An ordinary post costs two lookups: of its parent, and of replies that wait for it.

use crate::ArchiveError;
use crate::article::Article;
use crate::index::{Touched, list, unlist};
use crate::keys::thread_key;
use dormouse_store::archive_index::{ArchiveIndex, Indexed, Order};

/// The maximum number of missing messages for which a message waits; the nearest in the thread come
/// first.
const MOST_WANTED: usize = 8;
/// The maximum size of a thread that is moved, which limits the cost of a post.
const MOST_MOVED: usize = 2_000;
/// The maximum number of ancestors in which cycles are searched.
const HIGHEST: usize = 2_000;

/// The place of a new message among those of its volume.
pub struct Kin {
    /// The parent: the referenced message, or else the oldest one with its subject.
    pub parent: Option<Indexed>,
    /// The referenced messages that are nearer, but are not in the archive yet.
    wanted: Vec<String>,
    /// The messages that waited for it.
    answers: Vec<Indexed>,
    /// The oldest message with its subject so far, if it is newer than this one.
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
        // A message without an id is identified by its number, to which nobody can refer.
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

    /// Prevents cycles of messages that claim to be replies to each other: the one that arrived
    /// first stays above.
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

    /// Moves the messages that waited for a message below it, and records what it waits for itself.
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

/// Returns the numbers of a message and all its ancestors; `None` if there are too many or they
/// form a cycle.
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

/// Moves a message with all its replies below another one.
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
    // Compute all keys together, because those of children begin with their parents'.
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

#[cfg(test)]
mod tests {
    use crate::{Archive, ArchivePost};
    use dormouse_mail::Message;
    use dormouse_store::archive_index::Order;
    use dormouse_store::{Site, Store};
    use std::collections::BTreeMap;

    /// A mail with an id, a minute, a subject and the ids of its parents.
    type Mail = (&'static str, u32, &'static str, &'static str);

    fn post((id, minute, subject, answers): Mail) -> ArchivePost {
        let references = match answers {
            "" => String::new(),
            ids => {
                let all: Vec<String> = ids.split(' ').map(|id| format!("<{id}@x>")).collect();
                let last = all.last().unwrap();
                format!("In-Reply-To: {last}\nReferences: {}\n", all.join(" "))
            }
        };
        let text = format!(
            "From: a@x.example\nSubject: {subject}\nMessage-ID: <{id}@x>\n{references}Date: Tue, 5 Mar 2024 12:{minute:02}:00 +0000\n\ntext {id}\n"
        );
        ArchivePost { message: Message::parse(text), received: 1_709_640_000 }
    }

    /// Parents by ids.
    type Tree = BTreeMap<String, Option<String>>;

    fn tree(archive: &Archive<'_>) -> Tree {
        let index = archive.index();
        let volume = index.volumes().unwrap().remove(0);
        let numbers = index.numbers_in_volume(volume.id).unwrap();
        let name = |number: i64| index.message(number).unwrap().unwrap().message_id;
        let lines = index.lines(volume.id, Order::Thread, "", None).unwrap();
        assert_eq!(lines.len(), numbers.len(), "each message stands once in the threads");
        let pages = index.pages(volume.id, Order::Thread).unwrap();
        let entries: i64 = pages.iter().map(|page| page.entries).sum();
        assert_eq!(entries, lines.len() as i64);
        let messages = numbers.iter().map(|number| index.message(*number).unwrap().unwrap());
        messages
            .map(|message| {
                if let Some(parent) = message.parent {
                    let parent = index.message(parent).unwrap().unwrap();
                    assert!(message.thread_key.starts_with(&parent.thread_key));
                }
                (message.message_id, message.parent.map(name))
            })
            .collect()
    }

    /// The tree of mails that arrive one by one, and of a rebuild.
    fn archived(mails: &[Mail]) -> Tree {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "lists.example").unwrap();
        let store = Store::open(&site).unwrap();
        let owners = ["o@x.example".to_owned()];
        let list = store
            .write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example", &owners))
            .unwrap();
        let mut archive = Archive::open(&site, &list).unwrap();
        for mail in mails {
            archive.append(vec![post(*mail)]).unwrap();
        }
        let found = tree(&archive);
        archive.rebuild(&mut |_| {}).unwrap();
        assert_eq!(tree(&archive), found, "{mails:?}");
        found
    }

    fn orders(mails: &[Mail]) -> Vec<Vec<Mail>> {
        if mails.len() < 2 {
            return vec![mails.to_vec()];
        }
        let mut all = Vec::new();
        for at in 0..mails.len() {
            let mut rest = mails.to_vec();
            let first = rest.remove(at);
            for mut order in orders(&rest) {
                order.insert(0, first);
                all.push(order);
            }
        }
        all
    }

    #[test]
    fn a_thread_is_the_same_in_whatever_order_its_mails_come() {
        for mails in [
            // A series of patches, a reply to one, and one that refers to somebody who is not here.
            [("r", 0, "0/2", ""), ("a", 1, "1/2", "r"), ("b", 2, "2", "r a"), ("c", 3, "3", "r m")],
            // A chain without the mails between.
            [("r", 0, "a", ""), ("a", 1, "b", "r x"), ("b", 2, "c", "r x a"), ("c", 3, "d", "b")],
            // Two threads.
            [("r", 0, "a", ""), ("s", 1, "b", ""), ("a", 2, "c", "r"), ("b", 3, "d", "s")],
        ] {
            let expected = archived(&mails);
            for order in orders(&mails) {
                assert_eq!(archived(&order), expected, "{order:?}");
            }
        }
    }

    #[test]
    fn the_older_one_of_a_subject_stands_above_whenever_it_comes() {
        let mails = [("r", 0, "tea", ""), ("a", 1, "Re: tea", "")];
        for order in orders(&mails) {
            assert_eq!(archived(&order)["a@x"].as_deref(), Some("r@x"), "{order:?}");
        }
        // A reply that names its parent, and has its subject.
        let mails = [("r", 0, "tea", ""), ("a", 1, "Re: tea", "r")];
        for order in orders(&mails) {
            let tree = archived(&order);
            assert_eq!(tree["a@x"].as_deref(), Some("r@x"), "{order:?}");
            assert_eq!(tree["r@x"], None, "{order:?}");
        }
    }

    #[test]
    fn mails_that_answer_each_other_or_themselves_make_no_circle() {
        for mails in [
            &[("a", 0, "a", "b"), ("b", 1, "b", "a")][..],
            &[("a", 0, "a", "a"), ("b", 1, "b", "b a")],
            &[("a", 0, "a", "c"), ("b", 1, "b", "a"), ("c", 2, "c", "b")],
        ] {
            for order in orders(mails) {
                let tree = archived(&order);
                assert!(tree.values().any(Option::is_none), "{order:?}: {tree:?}");
                for id in tree.keys() {
                    let mut at = Some(id.clone());
                    for _ in 0..mails.len() {
                        at = at.and_then(|id| tree[&id].clone());
                    }
                    assert_eq!(at, None, "{order:?}: {tree:?}");
                }
            }
        }
    }
}
