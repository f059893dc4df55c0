//! The pages, rendered from the index and the messages.
//!
//! # Layout
//! - `article`: a message. `listing`: a page of a volume's index. `contents`: the first page, and the
//!   feed. This file contains their common parts.

mod article;
mod contents;
mod listing;

pub use article::{Around, article, text};
pub use contents::{contents, feed, thread_feed};
pub use listing::{Listing, listing, part_name};

use crate::article::id_hash;
use crate::text::{Addresses, plain};
use crate::volume;
use dormouse_store::archive_index::{IndexLine, Indexed, Order, Volume};
use dormouse_store::{Config, List};
use dormouse_words::{Language, Said, date, msgid, say};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha1::{Digest, Sha1};

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("../../templates/style.css");

/// The common data of all pages of an archive.
#[derive(Debug, Clone)]
pub struct Frame {
    list: String,
    description: String,
    address: String,
    about: String,
    /// The list server's pages, if there are any: search, and original messages.
    search: Option<String>,
    source: Option<String>,
    /// The pages with feeds of threads, and for removing messages.
    feed: Option<String>,
    removal: Option<String>,
    url: String,
    robots: &'static str,
    style: String,
    is_obscured: bool,
    /// The path from the page to the archive: empty, or `../`.
    up: &'static str,
    zone: TimeZone,
    /// The list's language, in which the pages are written.
    language: Language,
}

impl Frame {
    /// Returns the frame of a list's archive.
    pub fn of(list: &List, config: &Config) -> Frame {
        let digest = Sha1::digest(STYLE);
        Frame {
            list: list.settings.real_name.clone(),
            description: list.settings.description.trim().to_owned(),
            address: list.address(),
            about: list.info_url(config),
            search: config.has_pages().then(|| list.web_url(config, "search")),
            source: config.has_pages().then(|| list.web_url(config, "message")),
            feed: config.has_pages().then(|| list.web_url(config, "feed")),
            removal: config.has_pages().then(|| list.web_url(config, "removal")),
            url: list.archive_url(config),
            robots: if list.settings.archive_private { "noindex,nofollow" } else { "index,follow" },
            style: format!("{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2]),
            is_obscured: list.obscures(config),
            up: "../",
            zone: TimeZone::system(),
            language: Language::of(&list.settings.preferred_language).unwrap_or(Language::ENGLISH),
        }
    }

    fn say(&self, id: &'static str) -> Said {
        dormouse_words::say(id).to(self.language)
    }

    /// Returns the label of a volume.
    fn label(&self, volume: &Volume) -> String {
        volume::label(&volume.name, self.language).unwrap_or_else(|| volume.label.clone())
    }

    fn addresses(&self) -> Addresses {
        if self.is_obscured { Addresses::Obscured } else { Addresses::Shown }
    }

    /// Returns untrusted text without markup, with addresses obscured if necessary.
    fn plain(&self, text: &str) -> String {
        plain(text, self.is_obscured)
    }

    fn day(&self, time: i64) -> String {
        date::day(self.zoned(time).date()).to(self.language).to_string()
    }

    fn moment(&self, time: i64) -> String {
        let time = self.zoned(time);
        say("{weekday}, {day}, {time}")
            .with_text("weekday", volume::weekday(time.weekday()))
            .with_text("day", date::day(time.date()))
            .with("time", time.strftime("%H:%M"))
            .to(self.language)
            .to_string()
    }

    fn zoned(&self, time: i64) -> jiff::Zoned {
        Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }
}

fn iso(time: i64) -> String {
    Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Returns the file name of a message's page.
pub fn file_name(number: i64) -> String {
    format!("{number:06}.html")
}

/// Returns the path of a message by its Message-ID, relative to the archive.
pub fn permanent(message_id: &str) -> String {
    format!("id/{}.html", id_hash(message_id))
}

/// Returns the file name of an index page.
pub fn listing_file(order: Order, number: i64) -> String {
    let name = order_name(order);
    if number == 1 { format!("{name}.html") } else { format!("{name}-{number}.html") }
}

fn order_name(order: Order) -> &'static str {
    match order {
        Order::Thread => "thread",
        Order::Subject => "subject",
        Order::Author => "author",
        Order::Date => "date",
    }
}

fn order_title(order: Order) -> &'static str {
    match order {
        Order::Thread => msgid("Threads"),
        Order::Subject => msgid("Subjects"),
        Order::Author => msgid("Authors"),
        Order::Date => msgid("Dates"),
    }
}

/// A link to a message.
#[derive(Debug, Clone)]
pub struct Link {
    href: String,
    subject: String,
    author: String,
    date: String,
    iso: String,
}

impl Link {
    /// Returns a link to a message in a volume, relative to the frame's page.
    pub fn to(frame: &Frame, volume: &str, line: &IndexLine) -> Link {
        Link {
            href: format!("{}{volume}/{}", frame.up, file_name(line.number)),
            subject: frame.plain(&line.subject),
            author: frame.plain(&line.author),
            date: frame.day(line.date),
            iso: iso(line.date),
        }
    }
}

/// The orders by which a message's page links to others.
pub const WALKS: [Order; 2] = [Order::Thread, Order::Date];

impl Walk {
    /// Returns the label.
    fn name(&self) -> &'static str {
        if self.order == Order::Thread { msgid("By thread") } else { msgid("By date") }
    }
}

/// The neighbours of a message in an order.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The order.
    pub order: Order,
    /// The previous message.
    pub before: Option<Link>,
    /// The next message.
    pub after: Option<Link>,
}

/// A choice among pages.
struct Tab {
    href: String,
    name: String,
    is_here: bool,
}

/// Returns a message as a line of a listing.
pub fn line_of(message: &Indexed) -> IndexLine {
    IndexLine {
        number: message.number,
        subject: message.subject.clone(),
        author: message.author.clone(),
        date: message.date,
        thread_key: message.thread_key.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::article::Article;
    use dormouse_store::archive_index::{Hit, Volume};

    pub fn frame() -> Frame {
        Frame {
            list: "Dev".to_owned(),
            description: "Talk & more".to_owned(),
            address: "dev@lists.example".to_owned(),
            about: "https://lists.example/mailman/listinfo/dev".to_owned(),
            search: Some("https://lists.example/mailman/search/dev".to_owned()),
            source: None,
            feed: None,
            removal: None,
            url: "https://lists.example/pipermail/dev/".to_owned(),
            robots: "index,follow",
            style: "abc".to_owned(),
            is_obscured: true,
            up: "../",
            zone: TimeZone::UTC,
            language: Language::ENGLISH,
        }
    }

    #[test]
    fn the_addresses_of_pages_are_pipermails() {
        assert_eq!(file_name(123), "000123.html");
        assert_eq!(file_name(1_234_567), "1234567.html");
        assert_eq!(listing_file(Order::Author, 1), "author.html");
        assert_eq!(listing_file(Order::Author, 3), "author-3.html");
    }

    #[test]
    fn a_page_shows_hostile_text_as_text() {
        let evil = "<script>alert(1)</script> evil@x.example";
        let message = Indexed {
            number: 1,
            subject: evil.to_owned(),
            author: evil.to_owned(),
            email: "\"><b>@x.example".to_owned(),
            message_id: "\"><i>@x".to_owned(),
            ..Indexed::default()
        };
        let volume = Volume {
            id: 1,
            name: "2024-March".to_owned(),
            label: "March 2024".to_owned(),
            first_day: 0,
            messages: 1,
            first_date: None,
            last_date: None,
            text_length: 0,
            is_gzipped: false,
        };
        let around = Around {
            volume: volume.clone(),
            message: message.clone(),
            parent: None,
            answers: Vec::new(),
            walks: Vec::new(),
            listings: vec![(Order::Thread, 1)],
        };
        let lines = [line_of(&message)];
        let listed = Listing {
            volume: &volume,
            order: Order::Subject,
            number: 1,
            lines: &lines,
            before: None,
            after: None,
            parts: Vec::new(),
        };
        let hits = [Hit { message, volume: volume.name.clone() }];
        for page in [
            article(&frame(), &around, &Article::default()).unwrap(),
            listing(&frame(), &listed).unwrap(),
            contents(&frame(), std::slice::from_ref(&volume), &hits).unwrap(),
            feed(&frame(), &hits).unwrap(),
        ] {
            assert!(
                !page.contains("<script") && !page.contains("<b>@") && !page.contains("<i>@"),
                "{page}"
            );
            assert!(!page.contains("evil@x.example"), "{page}");
        }
    }
}
