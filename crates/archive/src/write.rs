//! Pages onto the disk.

use crate::ArchiveError;
use crate::archive::Articles;
use crate::article::{Article, Reading};
use crate::index::Touched;
use crate::mbox::Mbox;
use crate::pages::{self, Around, Frame, Link, Walk};
use crate::place::{
    Place, make_dirs, names_in, open_private, open_public, remove_file, write_public,
};
use dormouse_spool::fault;
use dormouse_store::archive_index::{ArchiveIndex, Indexed, Line, Order, PagePlace, Volume};
use dormouse_store::{Config, List};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::panic::resume_unwind;
use std::path::Path;

/// How many messages the feed has.
const FEED: u64 = 30;

/// Writes what a change touched.
pub struct Writer<'w> {
    pub index: &'w ArchiveIndex,
    pub list: &'w List,
    pub config: &'w Config,
    pub place: &'w Place,
    pub mbox: &'w Mbox,
    pub reading: Reading<'w>,
}

impl Writer<'_> {
    /// Writes it. Everything can be written again at any time, with the same result.
    pub fn write(&self, touched: &Touched) -> Result<(), ArchiveError> {
        let frame = Frame::of(self.list, self.config);
        let volumes = Volumes { index: self.index, known: RefCell::default() };
        self.articles(&frame, &volumes, touched)?;
        self.texts(&frame, &volumes, touched)
    }

    /// Writes the pages of the indexes that are stale, the archive's first page and its feed.
    pub fn write_listings(&self) -> Result<(), ArchiveError> {
        let frame = Frame::of(self.list, self.config);
        self.listings(&frame, &Volumes { index: self.index, known: RefCell::default() })?;
        self.index.mark_all_written()?;
        self.contents(&frame)
    }

    /// The pages of the messages and of their neighbours.
    fn articles(
        &self,
        frame: &Frame,
        volumes: &Volumes<'_>,
        touched: &Touched,
    ) -> Result<(), ArchiveError> {
        let mut waiting: Vec<i64> = touched.numbers.iter().copied().collect();
        let mut seen = touched.numbers.clone();
        let mut jobs = Vec::new();
        let mut is_first_round = true;
        while !waiting.is_empty() {
            let mut neighbours = Vec::new();
            for number in std::mem::take(&mut waiting) {
                let Some(message) = self.index.message(number)? else { continue };
                let (around, near) = self.around(frame, volumes, message)?;
                if is_first_round {
                    neighbours.extend(near.into_iter().filter(|&number| seen.insert(number)));
                }
                jobs.push(around);
            }
            waiting = neighbours;
            is_first_round = false;
        }
        let directories: BTreeSet<&str> =
            jobs.iter().map(|around| around.volume.name.as_str()).chain(["id"]).collect();
        for name in directories {
            make_dirs(&self.place.tree().join(name))?;
        }
        let Writer { place, mbox, reading, .. } = self;
        let pages = ArticlePages { frame, place, mbox, reading, known: &touched.articles };
        in_parallel(jobs, |around| pages.write(&around))?;
        Ok(())
    }

    /// What stands around a message, and the numbers of its neighbours.
    fn around(
        &self,
        frame: &Frame,
        volumes: &Volumes<'_>,
        message: Indexed,
    ) -> Result<(Around, Vec<i64>), ArchiveError> {
        let volume = volumes.get(message.volume_id)?;
        let link = |line: &Line| Link::to(frame, &volume.name, line);
        let mut near = Vec::new();
        let mut walk = |order, name| -> Result<Walk, ArchiveError> {
            if message.removed {
                return Ok(Walk { name, before: None, after: None });
            }
            let key = crate::keys::key(order, &message);
            let (before, after) = self.index.neighbours(message.volume_id, order, &key)?;
            near.extend(before.iter().chain(&after).map(|line| line.number));
            Ok(Walk { name, before: before.as_ref().map(link), after: after.as_ref().map(link) })
        };
        let thread = walk(Order::Thread, "By thread")?;
        let date = walk(Order::Date, "By date")?;
        let parent = match message.parent {
            Some(number) => self.index.message(number)?.filter(|parent| !parent.removed),
            None => None,
        };
        let answers = self.index.answers(message.number)?;
        let mut listings = Vec::new();
        for order in Order::ALL.into_iter().filter(|_| !message.removed) {
            let key = crate::keys::key(order, &message);
            listings.push((order, self.index.page_number(message.volume_id, order, &key)?));
        }
        let around = Around {
            parent: parent.map(|parent| link(&pages::line_of(&parent))),
            answers: answers.iter().map(link).collect(),
            thread,
            date,
            listings,
            volume: volume.clone(),
            message,
        };
        Ok((around, near))
    }

    /// Appends new messages to the text files of their volumes.
    fn texts(
        &self,
        frame: &Frame,
        volumes: &Volumes<'_>,
        touched: &Touched,
    ) -> Result<(), ArchiveError> {
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
            // What stands behind it was written by a process that died.
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

    /// The pages of the indexes.
    fn listings(&self, frame: &Frame, volumes: &Volumes<'_>) -> Result<(), ArchiveError> {
        for order in Order::ALL {
            for (volume_id, low) in self.index.stale_pages(order)? {
                self.listing(frame, volumes.get(volume_id)?, order, &low)?;
            }
        }
        Ok(())
    }

    fn listing(
        &self,
        frame: &Frame,
        volume: Volume,
        order: Order,
        low: &str,
    ) -> Result<(), ArchiveError> {
        let PagePlace { before, this, after } = self.index.page_at(volume.id, order, low)?;
        let Some(page) = this else { return Ok(()) };
        let high = after.as_ref().map(|after| after.low.as_str());
        let lines = self.index.lines(volume.id, order, &page.low, high)?;
        let is_only = before.is_none() && after.is_none();
        let parts = if page.number == 1 && !is_only {
            self.parts(frame, volume.id, order)?
        } else {
            Vec::new()
        };
        let listing = pages::Listing {
            volume: &volume,
            order,
            number: page.number,
            lines: &lines,
            before: before.map(|page| page.number),
            after: after.map(|page| page.number),
            parts,
        };
        let directory = self.place.tree().join(&volume.name);
        make_dirs(&directory)?;
        let path = directory.join(pages::listing_file(order, page.number));
        let html = pages::listing(frame, &listing)
            .map_err(|source| ArchiveError::Page { path: path.clone(), source })?;
        write_public(&path, html.as_bytes())?;
        if order == Order::Thread && page.number == 1 {
            link_index(&directory)?;
        }
        fault::point("archive.listing");
        Ok(())
    }

    fn parts(
        &self,
        frame: &Frame,
        volume_id: i64,
        order: Order,
    ) -> Result<Vec<(i64, String)>, ArchiveError> {
        let mut parts = Vec::new();
        for page in self.index.pages(volume_id, order)? {
            if let Some(line) = self.index.first_line(volume_id, order, &page.low)? {
                parts.push((page.number, pages::part_name(frame, order, &line)));
            }
        }
        Ok(parts)
    }

    fn contents(&self, frame: &Frame) -> Result<(), ArchiveError> {
        let tree = self.place.tree();
        let newest = self.index.newest(FEED)?;
        let style = tree.join("style.css");
        if fs::read(&style).ok().as_deref() != Some(pages::STYLE.as_bytes()) {
            write_public(&style, pages::STYLE.as_bytes())?;
        }
        for (name, page) in [
            ("atom.xml", pages::feed(frame, &newest)),
            ("index.html", pages::contents(frame, &self.index.volumes()?, &newest)),
        ] {
            let path = tree.join(name);
            let page = page.map_err(|source| ArchiveError::Page { path: path.clone(), source })?;
            write_public(&path, page.as_bytes())?;
        }
        Ok(())
    }
}

/// Writes the pages of messages; may be used by several threads.
struct ArticlePages<'p> {
    frame: &'p Frame,
    place: &'p Place,
    mbox: &'p Mbox,
    reading: &'p Reading<'p>,
    known: &'p Articles,
}

impl ArticlePages<'_> {
    fn write(&self, around: &Around) -> Result<(), ArchiveError> {
        let message = &around.message;
        let known = self.known.get(&message.number);
        let read;
        let article = match known {
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
            made => made.map_err(ArchiveError::io("make the link", &link)),
        }
    }
}

/// Volumes, each read once.
struct Volumes<'v> {
    index: &'v ArchiveIndex,
    known: RefCell<HashMap<i64, Volume>>,
}

impl Volumes<'_> {
    fn get(&self, id: i64) -> Result<Volume, ArchiveError> {
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

/// `index.html` of a volume is its threads, as Pipermail links it.
fn link_index(directory: &Path) -> Result<(), ArchiveError> {
    let link = directory.join("index.html");
    if fs::read_link(&link).is_ok_and(|target| target == Path::new("thread.html")) {
        return Ok(());
    }
    remove_file(&link)?;
    symlink("thread.html", &link).map_err(ArchiveError::io("make the link", &link))
}

/// Removes pages of indexes that the index does not have, as they are left behind by a rebuild.
pub fn remove_stale_listings(index: &ArchiveIndex, place: &Place) -> Result<(), ArchiveError> {
    for volume in index.volumes()? {
        let directory = place.tree().join(&volume.name);
        let mut current = BTreeSet::new();
        for order in Order::ALL {
            let pages = index.pages(volume.id, order)?;
            current.extend(pages.iter().map(|page| pages::listing_file(order, page.number)));
        }
        for name in names_in(&directory)? {
            let is_listing = ["thread-", "subject-", "author-", "date-"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            if is_listing && !current.contains(&name) {
                remove_file(&directory.join(&name))?;
            }
        }
    }
    Ok(())
}

/// Removes all pages; attachments stay if posts name them.
pub fn remove_tree(place: &Place, keep_attachments: bool) -> Result<(), ArchiveError> {
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

/// Does something to each, on all processors. The first error ends it.
pub fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, ArchiveError> + Sync,
) -> Result<Vec<R>, ArchiveError> {
    /// Fewer are not worth a thread.
    const LEAST: usize = 16;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(threads).max(LEAST);
    if items.len() <= share {
        return items.into_iter().map(work).collect();
    }
    let mut shares = Vec::new();
    let mut items = items.into_iter();
    loop {
        let some: Vec<T> = items.by_ref().take(share).collect();
        if some.is_empty() {
            break;
        }
        shares.push(some);
    }
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = shares
            .into_iter()
            .map(|some| {
                scope.spawn(move || some.into_iter().map(work).collect::<Result<Vec<R>, _>>())
            })
            .collect();
        let mut done = Vec::new();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(done)
    })
}
