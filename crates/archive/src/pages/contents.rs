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

/// How many of the newest messages the first page lists.
const NEWEST: usize = 5;

/// The archive's first page. `volumes` and `newest` are sorted from the newest on.
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
    list: &'p str,
    description: &'p str,
    url: &'p str,
    updated: String,
    entries: Vec<FeedEntry>,
}

/// The newest messages as a feed (RFC 4287).
pub fn feed(frame: &Frame, newest: &[Hit]) -> Result<String, askama::Error> {
    let entries = newest.iter().map(|Hit { message, volume }| FeedEntry {
        subject: xml(&frame.plain(&message.subject)),
        author: xml(&frame.plain(&message.author)),
        iso: iso(message.date),
        href: format!("{volume}/{}", file_name(message.number)),
        permanent: permanent(&message.message_id),
        excerpt: xml(&frame.plain(&message.excerpt)),
    });
    let feed = Feed {
        list: &xml(&frame.list),
        description: &xml(&frame.description),
        url: &frame.url,
        updated: iso(newest.first().map_or(0, |hit| hit.message.date)),
        entries: entries.collect(),
    };
    feed.render()
}

/// XML allows fewer characters than Unicode.
fn xml(text: &str) -> String {
    let allowed = |letter: &char| {
        let is_none = letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
        !is_none || matches!(letter, '\t' | '\n')
    };
    text.chars().filter(allowed).collect()
}
