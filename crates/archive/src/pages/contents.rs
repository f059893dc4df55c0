//! The archive's first page, and its feed.

use super::{Frame, Link, file_name, iso, line_of, permanent};
use crate::volume::Name;
use askama::Template;
use dormouse_store::archive_index::{Hit, Volume};

struct Year<'y> {
    name: String,
    volumes: Vec<&'y Volume>,
}

#[derive(Template)]
#[template(path = "contents.html")]
struct ContentsPage<'p> {
    frame: &'p Frame,
    description: &'p str,
    newest: Vec<Link>,
    years: Vec<Year<'p>>,
}

/// The number of newest messages on the first page.
const NEWEST: usize = 5;

/// Returns the archive's first page. `volumes` and `newest` must be sorted, with the newest first.
pub fn contents(
    frame: &Frame,
    volumes: &[Volume],
    newest: &[Hit],
) -> Result<String, askama::Error> {
    let frame = &Frame { up: "", ..frame.clone() };
    let mut years: Vec<Year<'_>> = Vec::new();
    for volume in volumes.iter().filter(|volume| volume.messages > 0) {
        let name = Name::year_of(volume.first_day).to_string();
        match years.last_mut() {
            Some(year) if year.name == name => year.volumes.push(volume),
            _ => years.push(Year { name, volumes: vec![volume] }),
        }
    }
    let newest = newest.iter().take(NEWEST);
    let page = ContentsPage {
        frame,
        description: &frame.description,
        newest: newest.map(|hit| Link::to(frame, &hit.volume, &line_of(&hit.message))).collect(),
        years,
    };
    page.render()
}

struct FeedEntry {
    subject: String,
    author: String,
    iso: String,
    href: String,
    permanent: String,
    excerpt: String,
}

#[derive(Template)]
#[template(path = "atom.xml")]
struct Feed<'p> {
    title: &'p str,
    description: &'p str,
    /// The identifier of the feed.
    id: &'p str,
    /// The URL of the feed.
    place: &'p str,
    /// The page with the same content.
    page: &'p str,
    url: &'p str,
    updated: String,
    entries: Vec<FeedEntry>,
}

/// Returns the newest messages as a feed (RFC 4287).
pub fn feed(frame: &Frame, newest: &[Hit]) -> Result<String, askama::Error> {
    let feed = Feed {
        title: &xml(&frame.list),
        description: &xml(&frame.description),
        id: &frame.url,
        place: &format!("{}atom.xml", frame.url),
        page: &frame.url,
        url: &frame.url,
        updated: updated(newest),
        entries: entries(frame, newest),
    };
    feed.render()
}

/// Returns a thread as a feed, with its newest messages. `place` is the URL of the feed, and
/// `first` the first message of the thread.
pub fn thread_feed(
    frame: &Frame,
    place: &str,
    first: &Hit,
    newest: &[Hit],
) -> Result<String, askama::Error> {
    let page = format!("{}{}/{}", frame.url, first.volume, file_name(first.message.number));
    let feed = Feed {
        title: &xml(&frame.plain(&first.message.subject)),
        description: &xml(&frame.list),
        id: &format!("{}{}#thread", frame.url, permanent(&first.message.message_id)),
        place,
        page: &page,
        url: &frame.url,
        updated: updated(newest),
        entries: entries(frame, newest),
    };
    feed.render()
}

fn updated(newest: &[Hit]) -> String {
    iso(newest.first().map_or(0, |hit| hit.message.date))
}

fn entries(frame: &Frame, newest: &[Hit]) -> Vec<FeedEntry> {
    let entries = newest.iter().map(|Hit { message, volume }| FeedEntry {
        subject: xml(&frame.plain(&message.subject)),
        author: xml(&frame.plain(&message.author)),
        iso: iso(message.date),
        href: format!("{volume}/{}", file_name(message.number)),
        permanent: permanent(&message.message_id),
        excerpt: xml(&frame.plain(&message.excerpt)),
    });
    entries.collect()
}

/// Removes characters that XML does not allow.
fn xml(text: &str) -> String {
    let allowed = |letter: &char| {
        let is_none = letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
        !is_none || matches!(letter, '\t' | '\n')
    };
    text.chars().filter(allowed).collect()
}
