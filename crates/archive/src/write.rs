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
use dormouse_store::files::remove_if_there;
use dormouse_store::{Config, List};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

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
            is_first: self.index.first_with_id(&message.message_id)? == Some(message.number),
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
        if !around.is_first {
            return Ok(());
        }
        let link = self.place.tree().join(pages::permanent(&message.message_id));
        also_name(&path, &link).map_err(ArchiveError::io("create the link", &link))
    }
}

/// Makes `name`, in a directory next to the file's, another name of the file. A symbolic link to it is left as it is.
///
/// A symbolic link would be a file of its own, and creating those is what limits a busy archive. A page that is
/// replaced needs its other name again, so this is repeated whenever the page is written, and after a crash.
fn also_name(file: &Path, name: &Path) -> io::Result<()> {
    let link_as = |name: &Path| {
        fs::hard_link(file, name).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            // A file system without hard links.
            _ => symlink(beside(file), name),
        })
    };
    match link_as(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        linked => return linked,
    }
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    if identity(name).is_ok_and(|named| identity(file).is_ok_and(|found| found == named)) {
        return Ok(());
    }
    let new = name.with_extension("new");
    remove_if_there(&new)?;
    link_as(&new)?;
    fs::rename(&new, name)
}

/// Returns the relative path of a file from a directory next to its own.
fn beside(file: &Path) -> PathBuf {
    let mut path = PathBuf::from("..");
    path.extend(file.parent().and_then(Path::file_name));
    path.extend(file.file_name());
    path
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_its_other_name_when_it_is_replaced_and_after_a_crash() {
        let home = tempfile::tempdir().unwrap();
        let (page, link) =
            (home.path().join("2024-May/000001.html"), home.path().join("id/A.html"));
        fs::create_dir(home.path().join("id")).unwrap();
        write_public(&page, b"one").unwrap();
        let said = || fs::read_to_string(&link).unwrap();
        for text in ["one", "two", "two", "three"] {
            write_public(&page, text.as_bytes()).unwrap();
            also_name(&page, &link).unwrap();
            assert_eq!(said(), text);
        }
        // A process died between the two, and had died there before.
        write_public(&page, b"four").unwrap();
        fs::write(link.with_extension("new"), "half").unwrap();
        write_public(&page, b"four").unwrap();
        also_name(&page, &link).unwrap();
        assert_eq!(said(), "four");
        assert_eq!(fs::metadata(&page).unwrap().nlink(), 2);
        assert_eq!(fs::read_dir(home.path().join("id")).unwrap().count(), 1);
    }

    #[test]
    fn a_symbolic_link_to_the_page_stays() {
        let home = tempfile::tempdir().unwrap();
        let (page, link) =
            (home.path().join("2024-May/000001.html"), home.path().join("id/A.html"));
        fs::create_dir(home.path().join("id")).unwrap();
        write_public(&page, b"one").unwrap();
        assert_eq!(beside(&page), Path::new("../2024-May/000001.html"));
        symlink(beside(&page), &link).unwrap();
        write_public(&page, b"two").unwrap();
        also_name(&page, &link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&link).unwrap(), "two");
    }
}
