//! The pages, from what the index knows and the messages say.

use crate::article::{Article, id_hash};
use crate::body;
use crate::text::{Addresses, escape, percent, plain, push};
use crate::volume::Name;
use askama::Template;
use dormouse_store::archive_index::{Hit, Indexed, Line, Order, Volume};
use dormouse_store::{Config, List};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha1::{Digest, Sha1};

/// The style of every page.
pub const STYLE: &str = include_str!("../templates/style.css");
/// How deep answers are set in.
const DEEPEST: usize = 8;
/// Answers that stand below a message.
const MOST_ANSWERS: usize = 12;

/// What every page of an archive has in common.
#[derive(Debug, Clone)]
pub struct Frame {
    list: String,
    description: String,
    address: String,
    about: String,
    search: String,
    source: String,
    url: String,
    robots: &'static str,
    style: String,
    is_obscured: bool,
    /// From the page to the archive: nothing, or `../`.
    up: &'static str,
    zone: TimeZone,
}

impl Frame {
    /// For a list's archive.
    pub fn of(list: &List, config: &Config) -> Frame {
        let digest = Sha1::digest(STYLE);
        Frame {
            list: list.settings.real_name.clone(),
            description: list.settings.description.trim().to_owned(),
            address: list.address(),
            about: list.web_url(config, "listinfo"),
            search: list.web_url(config, "search"),
            source: list.web_url(config, "message"),
            url: list.archive_url(config),
            robots: if list.settings.archive_private { "noindex,nofollow" } else { "index,follow" },
            style: format!("{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2]),
            is_obscured: list.settings.obscure_addresses,
            up: "../",
            zone: TimeZone::system(),
        }
    }

    fn addresses(&self) -> Addresses {
        if self.is_obscured { Addresses::Obscured } else { Addresses::Shown }
    }

    /// Text of somebody's, on one line, without markup.
    fn plain(&self, text: &str) -> String {
        plain(text, self.is_obscured)
    }

    fn day(&self, time: i64) -> String {
        self.zoned(time).strftime("%-d %B %Y").to_string()
    }

    fn moment(&self, time: i64) -> String {
        self.zoned(time).strftime("%A, %-d %B %Y, %H:%M").to_string()
    }

    fn zoned(&self, time: i64) -> jiff::Zoned {
        Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }
}

fn iso(time: i64) -> String {
    Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// The file of a message.
pub fn file_name(number: i64) -> String {
    format!("{number:06}.html")
}

/// The address of a message that its Message-ID alone leads to, below the archive.
pub fn permanent(message_id: &str) -> String {
    format!("id/{}.html", id_hash(message_id))
}

/// The file of a page of a volume's index.
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
        Order::Thread => "Threads",
        Order::Subject => "Subjects",
        Order::Author => "Authors",
        Order::Date => "Dates",
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
    /// To a message in a volume, from a page of the archive that is one level down.
    pub fn to(frame: &Frame, volume: &str, line: &Line) -> Link {
        Link {
            href: format!("{}{volume}/{}", frame.up, file_name(line.number)),
            subject: frame.plain(&line.subject),
            author: frame.plain(&line.author),
            date: frame.day(line.date),
            iso: iso(line.date),
        }
    }
}

/// The orders in which a message's page leads on to others.
pub const WALKS: [Order; 2] = [Order::Thread, Order::Date];

impl Walk {
    /// What people read.
    fn name(&self) -> &'static str {
        if self.order == Order::Thread { "By thread" } else { "By date" }
    }
}

/// Before and behind a message in an order.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The order.
    pub order: Order,
    /// The message before.
    pub before: Option<Link>,
    /// The message behind.
    pub after: Option<Link>,
}

/// What stands around a message.
#[derive(Debug, Clone)]
pub struct Around {
    /// Its volume.
    pub volume: Volume,
    /// The message itself.
    pub message: Indexed,
    /// What it answers.
    pub parent: Option<Link>,
    /// What answers it.
    pub answers: Vec<Link>,
    /// Its neighbours.
    pub walks: Vec<Walk>,
    /// The pages of the indexes that name it.
    pub listings: Vec<(Order, i64)>,
}

#[derive(Template)]
#[template(path = "article.html")]
struct ArticlePage<'p> {
    frame: &'p Frame,
    here: String,
    up_to_thread: String,
    label: &'p str,
    message_id: &'p str,
    subject: String,
    author: String,
    initial: String,
    hue: u8,
    email: String,
    iso: String,
    date: String,
    parent: Option<&'p Link>,
    body: String,
    reply: String,
    permanent: String,
    source: String,
    answers: &'p [Link],
    more_answers: bool,
    walks: &'p [Walk],
    listings: Vec<Tab>,
    thread_before: Option<&'p Link>,
    thread_after: Option<&'p Link>,
}

#[derive(Template)]
#[template(path = "removed.html")]
struct RemovedPage<'p> {
    frame: &'p Frame,
    volume: String,
    label: &'p str,
    message_id: &'p str,
}

/// The page of a message.
pub fn article(frame: &Frame, around: &Around, article: &Article) -> Result<String, askama::Error> {
    let Around { volume, message, .. } = around;
    let directory = format!("{}{}/", frame.up, volume.name);
    if message.removed {
        let page = RemovedPage {
            frame,
            volume: directory,
            label: &volume.label,
            message_id: &message.message_id,
        };
        return page.render();
    }
    let name = if message.author.is_empty() { "?" } else { message.author.as_str() };
    let shown = frame.plain(&message.email);
    let author = frame.plain(name);
    let subject = format!("Re: {}", message.subject);
    let page = ArticlePage {
        frame,
        here: format!("{directory}{}", file_name(message.number)),
        up_to_thread: around
            .listings
            .iter()
            .find(|(order, _)| *order == Order::Thread)
            .map_or_else(
                || format!("{directory}thread.html"),
                |&(order, page)| {
                    format!("{directory}{}#{}", listing_file(order, page), message.number)
                },
            ),
        label: &volume.label,
        message_id: &message.message_id,
        subject: frame.plain(&message.subject),
        initial: name.chars().find(|c| c.is_alphanumeric()).unwrap_or('?').to_uppercase().collect(),
        hue: Sha1::digest(message.email.to_lowercase())[0] % 8,
        email: if author == shown { String::new() } else { shown },
        author,
        iso: iso(message.date),
        date: frame.moment(message.date),
        parent: around.parent.as_ref(),
        body: body::html(article, frame.is_obscured, frame.up),
        reply: format!(
            "mailto:{}?Subject={}&In-Reply-To={}",
            percent(&frame.address),
            percent(&subject),
            percent(&format!("<{}>", message.message_id))
        ),
        permanent: format!("{}{}", frame.up, permanent(&message.message_id)),
        source: format!("{}/{:06}", frame.source, message.number),
        answers: &around.answers[..around.answers.len().min(MOST_ANSWERS)],
        more_answers: around.answers.len() > MOST_ANSWERS,
        walks: &around.walks,
        listings: around
            .listings
            .iter()
            .map(|&(order, page)| Tab {
                href: format!("{directory}{}#{}", listing_file(order, page), message.number),
                name: order_title(order).to_owned(),
                is_here: false,
            })
            .collect(),
        thread_before: around.walks.first().and_then(|walk| walk.before.as_ref()),
        thread_after: around.walks.first().and_then(|walk| walk.after.as_ref()),
    };
    page.render()
}

/// A choice among pages.
struct Tab {
    href: String,
    name: String,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "listing.html")]
struct ListingPage<'p> {
    frame: &'p Frame,
    name: &'p str,
    label: &'p str,
    order: &'static str,
    tabs: Vec<Tab>,
    entries: String,
    before: Option<String>,
    after: Option<String>,
    parts: Vec<Tab>,
}

/// A page of a volume's index.
#[derive(Debug)]
pub struct Listing<'l> {
    /// The volume.
    pub volume: &'l Volume,
    /// The order.
    pub order: Order,
    /// The page's number.
    pub number: i64,
    /// Its entries.
    pub lines: &'l [Line],
    /// The number of the page before.
    pub before: Option<i64>,
    /// The number of the page behind.
    pub after: Option<i64>,
    /// On the first page: all pages, in order, with what they begin with.
    pub parts: Vec<(i64, String)>,
}

/// A page of a volume's index.
pub fn listing(frame: &Frame, listing: &Listing<'_>) -> Result<String, askama::Error> {
    let Listing { volume, order, number, lines, .. } = listing;
    let page = ListingPage {
        frame,
        name: &volume.name,
        label: &volume.label,
        order: order_name(*order),
        tabs: Order::ALL
            .into_iter()
            .map(|other| Tab {
                href: listing_file(other, 1),
                name: order_title(other).to_owned(),
                is_here: other == *order,
            })
            .collect(),
        entries: match order {
            Order::Thread => threads(frame, lines),
            order => grouped(frame, *order, lines),
        },
        before: listing.before.map(|number| listing_file(*order, number)),
        after: listing.after.map(|number| listing_file(*order, number)),
        parts: listing
            .parts
            .iter()
            .map(|(other, name)| Tab {
                href: listing_file(*order, *other),
                name: frame.plain(name),
                is_here: other == number,
            })
            .collect(),
    };
    page.render()
}

/// What a page of an index is called among the others.
pub fn part_name(frame: &Frame, order: Order, line: &Line) -> String {
    let text = match order {
        Order::Thread | Order::Date => frame.day(line.date),
        Order::Subject => line.subject.clone(),
        Order::Author => line.author.clone(),
    };
    text.chars().take(24).collect()
}

/// Messages below what they answer.
fn threads(frame: &Frame, lines: &[Line]) -> String {
    let mut out = String::from("<ul class=\"threads\">\n");
    // A page may begin within a thread; its first entry is at the top all the same.
    let mut open = 0;
    let mut base = 0;
    let mut subject = "";
    for (index, line) in lines.iter().enumerate() {
        let depth = depth(&line.thread_key);
        if depth == 0 || index == 0 {
            base = depth;
        }
        let depth = depth.saturating_sub(base).min(DEEPEST).min(open);
        let is_root = depth == 0;
        if depth == open && !is_root {
            out.push_str("<ul>\n");
        }
        close(&mut out, open, depth);
        let href = file_name(line.number);
        let who = markup(frame, &line.author);
        let date = frame.day(line.date);
        let iso = iso(line.date);
        let title = markup(frame, &line.subject);
        let number = line.number;
        out.push_str(&if is_root {
            let answers = lines[index + 1..]
                .iter()
                .take_while(|line| self::depth(&line.thread_key) > base)
                .count();
            let answers = match answers {
                0 => String::new(),
                1 => " · 1 answer".to_owned(),
                answers => format!(" · {answers} answers"),
            };
            format!("<li id=\"{number}\"><a href=\"{href}\">{title}</a>\n<p><span class=\"who\">{who}</span> · <time datetime=\"{iso}\">{date}</time>{answers}</p>\n")
        } else if line.subject == subject {
            format!("<li id=\"{number}\"><a href=\"{href}\">{who}</a> <time datetime=\"{iso}\">{date}</time>\n")
        } else {
            format!("<li id=\"{number}\"><a href=\"{href}\">{title}</a> <span class=\"who\">{who}</span> <time datetime=\"{iso}\">{date}</time>\n")
        });
        subject = &line.subject;
        open = depth + 1;
    }
    close(&mut out, open, 0);
    out.push_str("</ul>\n");
    out
}

/// Ends the entries that are open, down to a depth.
fn close(out: &mut String, open: usize, depth: usize) {
    for left in (depth..open).rev() {
        out.push_str(if left > depth { "</li>\n</ul>" } else { "</li>\n" });
    }
}

/// How deep a message is in its thread.
pub fn depth(thread_key: &str) -> usize {
    thread_key.matches('-').count().saturating_sub(1)
}

/// Messages under headings, which need not be said again with each of them.
fn grouped(frame: &Frame, order: Order, lines: &[Line]) -> String {
    let mut out = String::new();
    let mut last: Option<String> = None;
    for line in lines {
        let (subject, author) = (markup(frame, &line.subject), markup(frame, &line.author));
        let day = frame.day(line.date);
        let (heading, text, who, when) = match order {
            Order::Subject => (subject, author, String::new(), day),
            Order::Author => (author, subject, String::new(), day),
            Order::Date | Order::Thread => {
                let who = format!(" <span class=\"who\">{author}</span>");
                (escape(&day), subject, who, frame.zoned(line.date).strftime("%H:%M").to_string())
            }
        };
        if last.as_deref() != Some(heading.as_str()) {
            if last.is_some() {
                out.push_str("</ul>\n");
            }
            out.push_str(&format!("<h2>{heading}</h2>\n<ul class=\"rows\">\n"));
            last = Some(heading);
        }
        out.push_str(&format!(
            "<li id=\"{}\"><a href=\"{}\">{text}</a>{who} <time datetime=\"{}\">{when}</time></li>\n",
            line.number,
            file_name(line.number),
            iso(line.date),
        ));
    }
    if last.is_some() {
        out.push_str("</ul>\n");
    }
    out
}

fn markup(frame: &Frame, text: &str) -> String {
    let mut out = String::new();
    // A link in a link cannot be.
    match text.contains("://") {
        true => out.push_str(&escape(&frame.plain(text)).replace('@', "&#64;")),
        false => push(&mut out, text, frame.addresses()),
    }
    out
}

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

/// How many of the newest messages the first page names.
const NEWEST: usize = 5;

/// The archive's first page. `volumes` and `newest`: the newest first.
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

/// A message as a line of a listing.
pub fn line_of(message: &Indexed) -> Line {
    Line {
        number: message.number,
        subject: message.subject.clone(),
        author: message.author.clone(),
        date: message.date,
        thread_key: message.thread_key.clone(),
    }
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

/// XML has fewer letters than Unicode.
fn xml(text: &str) -> String {
    let allowed = |letter: &char| {
        let is_none = letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
        !is_none || matches!(letter, '\t' | '\n')
    };
    text.chars().filter(allowed).collect()
}

/// A message in its volume's text file, as Pipermail writes it (spec/archives.md §4).
pub fn text(frame: &Frame, message: &Indexed, article: &Article) -> String {
    let email = frame.plain(&message.email);
    let mut out = format!(
        "From {email}  {}\nFrom: {email} ({})\nDate: {}\nSubject: {}\n",
        crate::article::from_line_date(message.date),
        frame.plain(&message.author),
        article.written_date,
        frame.plain(&message.subject),
    );
    for (name, value) in &article.reference_fields {
        out.push_str(&format!("{name}: {value}\n"));
    }
    out.push_str(&format!("Message-ID: <{}>\n\n", message.message_id));
    for line in frame.plain(&article.text).split_inclusive('\n') {
        // So that readers of mail folders see the same messages.
        if line.starts_with("From ") {
            out.push('>');
        }
        out.push_str(line);
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            list: "Dev".to_owned(),
            description: "Talk & more".to_owned(),
            address: "dev@lists.example".to_owned(),
            about: "https://lists.example/mailman/listinfo/dev".to_owned(),
            search: "https://lists.example/mailman/search/dev".to_owned(),
            source: "https://lists.example/mailman/message/dev".to_owned(),
            url: "https://lists.example/pipermail/dev/".to_owned(),
            robots: "index,follow",
            style: "abc".to_owned(),
            is_obscured: true,
            up: "../",
            zone: TimeZone::UTC,
        }
    }

    fn line(number: i64, subject: &str, thread_key: &str) -> Line {
        Line {
            number,
            subject: subject.to_owned(),
            author: format!("A{number}"),
            date: 1_709_640_000,
            thread_key: thread_key.to_owned(),
        }
    }

    #[test]
    fn a_thread_is_a_tree_whatever_it_begins_with() {
        let lines = [
            line(1, "a", "1.1-"),
            line(2, "a", "1.1-2.2-"),
            line(3, "a", "1.1-2.2-3.3-"),
            line(4, "b", "1.1-4.4-"),
            line(5, "c", "5.5-"),
        ];
        let shape = |lines: &[Line]| {
            let html = threads(&frame(), lines);
            let mut shape = String::new();
            for (at, _) in html.match_indices('<') {
                let rest = &html[at..];
                for (tag, letter) in [("<ul", '('), ("</ul", ')'), ("<li", '['), ("</li", ']')] {
                    if rest.starts_with(tag) {
                        shape.push(letter);
                    }
                }
            }
            shape
        };
        assert_eq!(shape(&lines), "([([([])][])][])");
        assert_eq!(shape(&lines[2..]), "([][][])");
        assert_eq!(shape(&[]), "()");
        let html = threads(&frame(), &lines);
        assert!(html.contains("<li id=\"4\"><a href=\"000004.html\">b</a>"), "{html}");
        assert!(html.contains("<li id=\"2\"><a href=\"000002.html\">A2</a>"), "{html}");
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
