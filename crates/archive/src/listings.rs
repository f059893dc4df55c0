//! Writing pages of indexes.

use crate::pages::{self, Frame};
use crate::place::{ArchivePlace, make_dirs, names_in, remove_file, write_public};
use crate::write::{Volumes, Writer};
use crate::{ArchiveError, parallel};
use dormouse_spool::fault;
use dormouse_store::archive_index::{ArchiveIndex, IndexLine, Order, PagePlace, Volume};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The number of messages in the feed.
const FEED: u64 = 30;

impl Writer<'_> {
    /// Writes the outdated pages of the indexes, the archive's first page and its feed.
    pub fn listings(&self) -> Result<(), ArchiveError> {
        let frame = Frame::of(self.list, self.config);
        let volumes = Volumes::of(self.index);
        let mut stale = Vec::new();
        for order in Order::ALL {
            let pages = self.index.stale_pages(order)?;
            stale.extend(pages.into_iter().map(|(volume_id, low)| (order, volume_id, low)));
        }
        let gather = |(order, volume_id, low): (Order, i64, String)| {
            self.gather(&frame, volumes.get(volume_id)?, order, &low)
        };
        let place = self.place;
        parallel::each_long(stale, gather, |gathered| gathered.write(&frame, place))?;
        self.index.mark_all_written()?;
        self.contents(&frame)
    }

    /// Reads everything that a page of an index shows. `None` if there is no such page any more.
    fn gather(
        &self,
        frame: &Frame,
        volume: Volume,
        order: Order,
        low: &str,
    ) -> Result<Option<Gathered>, ArchiveError> {
        let PagePlace { before, this, after } = self.index.page_at(volume.id, order, low)?;
        let Some(page) = this else { return Ok(None) };
        let high = after.as_ref().map(|after| after.low.as_str());
        let lines = self.index.lines(volume.id, order, &page.low, high)?;
        let is_only = before.is_none() && after.is_none();
        let parts = if page.number == 1 && !is_only {
            self.parts(frame, volume.id, order)?
        } else {
            Vec::new()
        };
        let (before, after) = (before.map(|page| page.number), after.map(|page| page.number));
        Ok(Some(Gathered { volume, order, number: page.number, lines, before, after, parts }))
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

/// What a page of an index shows.
struct Gathered {
    volume: Volume,
    order: Order,
    number: i64,
    lines: Vec<IndexLine>,
    before: Option<i64>,
    after: Option<i64>,
    parts: Vec<(i64, String)>,
}

impl Gathered {
    fn write(self, frame: &Frame, place: &ArchivePlace) -> Result<(), ArchiveError> {
        let Gathered { volume, order, number, lines, before, after, parts } = self;
        let directory = place.tree().join(&volume.name);
        make_dirs(&directory)?;
        let path = directory.join(pages::listing_file(order, number));
        let (volume, lines) = (&volume, &lines);
        let listing = pages::Listing { volume, order, number, lines, before, after, parts };
        let html = pages::listing(frame, &listing)
            .map_err(|source| ArchiveError::Page { path: path.clone(), source })?;
        write_public(&path, html.as_bytes())?;
        if order == Order::Thread && number == 1 {
            link_index(&directory)?;
        }
        fault::point("archive.listing");
        Ok(())
    }
}

/// `index.html` of a volume is its thread index, as Pipermail links to it.
fn link_index(directory: &Path) -> Result<(), ArchiveError> {
    let link = directory.join("index.html");
    if fs::read_link(&link).is_ok_and(|target| target == Path::new("thread.html")) {
        return Ok(());
    }
    remove_file(&link)?;
    symlink("thread.html", &link).map_err(ArchiveError::io("create the link", &link))
}

/// Removes index pages without entries, which a rebuild may leave.
pub fn remove_stale(index: &ArchiveIndex, place: &ArchivePlace) -> Result<(), ArchiveError> {
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
