//! Writing pages of messages.

use crate::archive::Articles;
use crate::article::{Article, Reading};
use crate::index::Touched;
use crate::keys::key;
use crate::mbox::Mbox;
use crate::pages::{self, Around, Frame, Link, Walk};
use crate::place::{ArchivePlace, make_dirs, names_in, open_private, open_public, write_public};
use crate::{ArchiveError, parallel};
use dormouse_spool::fault;
use dormouse_store::archive_index::{ArchiveIndex, IndexLine, Indexed, Order, Volume};
use dormouse_store::{Config, List};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;

/// The number of pages that are written in one step.
const AT_ONCE: usize = if cfg!(debug_assertions) { 150 } else { 2_000 };

/// Writes the pages that a change affected.
pub struct Writer<'w> {
    pub index: &'w ArchiveIndex,
    pub list: &'w List,
    pub config: &'w Config,
    pub place: &'w ArchivePlace,
    pub mbox: &'w Mbox,
    pub reading: Reading<'w>,
    /// Messages that were just parsed.
    pub read: &'w Articles,
}

impl Writer<'_> {
    /// Writes the pages of the next messages and, if there are no more, those of the indexes.
    /// Returns whether these were all. All pages can be written again at any time, with the same
    /// result.
    pub fn write_next(&self) -> Result<bool, ArchiveError> {
        let numbers = self.index.stale_messages(AT_ONCE)?;
        if let Some(&last) = numbers.last() {
            let are_all = numbers.len() < AT_ONCE;
            self.articles(numbers)?;
            self.index.mark_written(last)?;
            if !are_all {
                return Ok(false);
            }
        }
        self.listings()?;
        Ok(true)
    }

    /// Writes the pages of messages.
    fn articles(&self, numbers: Vec<i64>) -> Result<(), ArchiveError> {
        let frame = Frame::of(self.list, self.config);
        let volumes = Volumes::of(self.index);
        let directories = RefCell::new(BTreeSet::new());
        let Writer { place, mbox, reading, read, .. } = self;
        let make_directory = |name: &str| {
            if directories.borrow().contains(name) {
                return Ok(());
            }
            directories.borrow_mut().insert(name.to_owned());
            make_dirs(&place.tree().join(name))
        };
        make_directory("id")?;
        let around = |number| {
            let Some(message) = self.index.message(number)? else { return Ok(None) };
            let around = self.around(&frame, &volumes, message)?;
            make_directory(&around.volume.name)?;
            Ok(Some(around))
        };
        let pages = ArticlePages { frame: &frame, place, mbox, reading, read };
        parallel::each(numbers, around, |around| pages.write(&around))
    }

    /// Returns the context of a message.
    fn around(
        &self,
        frame: &Frame,
        volumes: &Volumes<'_>,
        message: Indexed,
    ) -> Result<Around, ArchiveError> {
        let volume = volumes.get(message.volume_id)?;
        let link = |line: &IndexLine| Link::to(frame, &volume.name, line);
        let mut walks = Vec::new();
        for order in pages::WALKS.into_iter().filter(|_| !message.removed) {
            let key = key(order, &message);
            let (before, after) = self.index.neighbours(message.volume_id, order, &key)?;
            let (before, after) = (before.as_ref().map(link), after.as_ref().map(link));
            walks.push(Walk { order, before, after });
        }
        let parent = match message.parent {
            Some(number) => self.index.message(number)?.filter(|parent| !parent.removed),
            None => None,
        };
        let answers = self.index.answers(message.number)?;
        let mut listings = Vec::new();
        for order in Order::ALL.into_iter().filter(|_| !message.removed) {
            let page = self.index.page_of(message.volume_id, order, &key(order, &message))?;
            listings.push((order, page.map_or(1, |page| page.number)));
        }
        Ok(Around {
            parent: parent.map(|parent| link(&pages::line_of(&parent))),
            answers: answers.iter().map(link).collect(),
            walks,
            listings,
            volume: volume.clone(),
            message,
        })
    }

    /// Appends new messages to the text files of their volumes.
    pub fn texts(&self, touched: &Touched) -> Result<(), ArchiveError> {
        let frame = &Frame::of(self.list, self.config);
        let volumes = Volumes::of(self.index);
        let mut texts: BTreeMap<i64, Vec<Indexed>> = BTreeMap::new();
        for number in &touched.texts {
            if let Some(message) = self.index.message(*number)? {
                texts.entry(message.volume_id).or_default().push(message);
            }
        }
        for (volume_id, messages) in texts {
            let volume = volumes.get(volume_id)?;
            let path = self.place.tree().join(format!("{}.txt", volume.name));
            let failed = || ArchiveError::io("write", &path);
            let mut length = volume.text_length as u64;
            let mut file = open_public(&path)?;
            // Text after it was written by a process that died.
            file.set_len(length)
                .and_then(|()| file.seek(SeekFrom::Start(length)))
                .map_err(failed())?;
            let mut out = BufWriter::new(file);
            for message in messages {
                let text = match touched.articles.get(&message.number) {
                    Some(article) => pages::text(frame, &message, article),
                    None => {
                        let place = (message.mbox_start as u64, message.mbox_length as u64);
                        let article = self.reading.read(&self.mbox.read(place.0, place.1)?)?;
                        pages::text(frame, &message, &article)
                    }
                };
                out.write_all(text.as_bytes()).map_err(failed())?;
                length += text.len() as u64;
            }
            out.flush().map_err(failed())?;
            open_private(&self.place.changed())?;
            self.index.set_text_length(volume_id, length as i64)?;
        }
        Ok(())
    }
}

/// Writes the pages of messages; may be used by several threads.
struct ArticlePages<'p> {
    frame: &'p Frame,
    place: &'p ArchivePlace,
    mbox: &'p Mbox,
    reading: &'p Reading<'p>,
    read: &'p Articles,
}

impl ArticlePages<'_> {
    fn write(&self, around: &Around) -> Result<(), ArchiveError> {
        let message = &around.message;
        let read;
        let article = match self.read.get(&message.number) {
            Some(article) => article,
            None if message.removed => {
                read = Article::default();
                &read
            }
            None => {
                let bytes =
                    self.mbox.read(message.mbox_start as u64, message.mbox_length as u64)?;
                read = self.reading.read(&bytes)?;
                &read
            }
        };
        let file = pages::file_name(message.number);
        let path = self.place.tree().join(&around.volume.name).join(&file);
        let html = pages::article(self.frame, around, article)
            .map_err(|source| ArchiveError::Page { path: path.clone(), source })?;
        write_public(&path, html.as_bytes())?;
        fault::point("archive.page");
        let link = self.place.tree().join(pages::permanent(&message.message_id));
        let target = format!("../{}/{file}", around.volume.name);
        match symlink(target, &link) {
            // The first message with an id keeps it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(ArchiveError::io("create the link", &link)),
        }
    }
}

/// Volumes, each read once.
pub struct Volumes<'v> {
    index: &'v ArchiveIndex,
    known: RefCell<HashMap<i64, Volume>>,
}

impl<'v> Volumes<'v> {
    pub fn of(index: &'v ArchiveIndex) -> Volumes<'v> {
        Volumes { index, known: RefCell::default() }
    }

    pub fn get(&self, id: i64) -> Result<Volume, ArchiveError> {
        if let Some(volume) = self.known.borrow().get(&id) {
            return Ok(volume.clone());
        }
        let found = self.index.volume(id)?.ok_or_else(|| dormouse_store::StoreError::Content {
            what: "an archive's index",
            problem: format!("it has no volume {id}"),
        })?;
        self.known.borrow_mut().insert(id, found.clone());
        Ok(found)
    }
}

/// Removes all pages; attachments stay if posts refer to them.
pub fn remove_tree(place: &ArchivePlace, keep_attachments: bool) -> Result<(), ArchiveError> {
    for name in names_in(&place.tree())? {
        if keep_attachments && name == "attachments" {
            continue;
        }
        let path = place.tree().join(name);
        let is_dir = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        let removed = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(ArchiveError::io("remove", &path))?;
    }
    Ok(())
}
