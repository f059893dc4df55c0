//! The page of a message, and its part of its volume's text.

use super::{Frame, Link, Tab, Walk, file_name, iso, listing_file, order_title, permanent};
use crate::article::Article;
use crate::body;
use crate::text::percent;
use askama::Template;
use dormouse_store::archive_index::{Indexed, Order, Volume};
use sha1::{Digest, Sha1};

/// The maximum number of replies listed below a message.
const MOST_ANSWERS: usize = 12;

/// The context of a message.
#[derive(Debug, Clone)]
pub struct Around {
    /// Its volume.
    pub volume: Volume,
    /// The message itself.
    pub message: Indexed,
    /// The parent.
    pub parent: Option<Link>,
    /// The replies.
    pub answers: Vec<Link>,
    /// Its neighbours.
    pub walks: Vec<Walk>,
    /// The pages of the indexes that contain it.
    pub listings: Vec<(Order, i64)>,
}

#[derive(Template)]
#[template(path = "article.html")]
struct ArticlePage<'p> {
    frame: &'p Frame,
    here: String,
    up_to_thread: String,
    label: String,
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
    source: Option<String>,
    feed: Option<String>,
    removal: Option<String>,
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
    label: String,
    message_id: &'p str,
}

/// Returns the page of a message.
pub fn article(frame: &Frame, around: &Around, article: &Article) -> Result<String, askama::Error> {
    let Around { volume, message, .. } = around;
    let directory = format!("{}{}/", frame.up, volume.name);
    if message.removed {
        let page = RemovedPage {
            frame,
            volume: directory,
            label: frame.label(volume),
            message_id: &message.message_id,
        };
        return page.render();
    }
    let name = if message.author.is_empty() { "?" } else { message.author.as_str() };
    let shown = frame.plain(&message.email);
    let author = frame.plain(name);
    let in_listing = |&(order, page): &(Order, i64)| {
        format!("{directory}{}#{}", listing_file(order, page), message.number)
    };
    let page = ArticlePage {
        frame,
        here: format!("{directory}{}", file_name(message.number)),
        up_to_thread: around
            .listings
            .iter()
            .find(|(order, _)| *order == Order::Thread)
            .map_or_else(|| format!("{directory}thread.html"), in_listing),
        label: frame.label(volume),
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
        reply: reply_link(frame, message),
        permanent: format!("{}{}", frame.up, permanent(&message.message_id)),
        source: frame.source.as_ref().map(|source| format!("{source}/{:06}", message.number)),
        feed: frame.feed.as_ref().map(|feed| format!("{feed}/{}", message.number)),
        removal: frame.removal.as_ref().map(|removal| format!("{removal}/{}", message.number)),
        answers: &around.answers[..around.answers.len().min(MOST_ANSWERS)],
        more_answers: around.answers.len() > MOST_ANSWERS,
        walks: &around.walks,
        listings: around
            .listings
            .iter()
            .map(|listing| Tab {
                href: in_listing(listing),
                name: frame.say(order_title(listing.0)).to_string(),
                is_here: false,
            })
            .collect(),
        thread_before: around.walks.first().and_then(|walk| walk.before.as_ref()),
        thread_after: around.walks.first().and_then(|walk| walk.after.as_ref()),
    };
    page.render()
}

/// The link that opens a reply to the list in the reader's mail program.
fn reply_link(frame: &Frame, message: &Indexed) -> String {
    format!(
        "mailto:{}?Subject={}&In-Reply-To={}",
        percent(&frame.address),
        percent(&format!("Re: {}", message.subject)),
        percent(&format!("<{}>", message.message_id))
    )
}

/// Formats a message for its volume's text file, in Pipermail's format (docs/spec/archives.md §4).
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
        // Programs that read mboxes must see the same messages.
        if line.starts_with("From ") {
            out.push('>');
        }
        out.push_str(line);
    }
    out.push('\n');
    out
}
