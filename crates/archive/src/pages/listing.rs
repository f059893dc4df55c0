//! A page of a volume's index.

use super::{Frame, Tab, file_name, iso, listing_file, order_name, order_title};
use crate::text::{escape, push};
use askama::Template;
use dormouse_store::archive_index::{IndexLine, Order, Volume};
use dormouse_words::count;

/// The maximum indentation of replies.
const DEEPEST: usize = 8;

#[derive(Template)]
#[template(path = "listing.html")]
struct ListingPage<'p> {
    frame: &'p Frame,
    name: &'p str,
    label: String,
    title: &'static str,
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
    /// The entries.
    pub lines: &'l [IndexLine],
    /// The number of the previous page.
    pub before: Option<i64>,
    /// The number of the next page.
    pub after: Option<i64>,
    /// On the first page: all pages in order, with their first entries.
    pub parts: Vec<(i64, String)>,
}

/// A page of a volume's index.
pub fn listing(frame: &Frame, listing: &Listing<'_>) -> Result<String, askama::Error> {
    let Listing { volume, order, number, lines, .. } = listing;
    let page = ListingPage {
        frame,
        name: &volume.name,
        label: frame.label(volume),
        title: order_title(*order),
        order: order_name(*order),
        tabs: Order::ALL
            .into_iter()
            .map(|other| Tab {
                href: listing_file(other, 1),
                name: frame.say(order_title(other)).to_string(),
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

/// Returns the label of an index page in the list of pages.
pub fn part_name(frame: &Frame, order: Order, line: &IndexLine) -> String {
    let text = match order {
        Order::Thread | Order::Date => frame.day(line.date),
        Order::Subject => line.subject.clone(),
        Order::Author => line.author.clone(),
    };
    text.chars().take(24).collect()
}

/// Returns the messages, each below its parent.
fn threads(frame: &Frame, lines: &[IndexLine]) -> String {
    let mut out = String::from("<ul class=\"threads\">\n");
    // A page may begin within a thread; then its first entry is at the top level.
    let mut open = 0;
    let mut base = 0;
    let mut subject = "";
    let mut days = Days { frame, last: None };
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
        let date = days.of(line.date);
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
                answers => {
                    let said = count("{count} reply", "{count} replies", answers as u64);
                    format!(" · {}", escape(&said.to(frame.language).to_string()))
                }
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

/// Closes the open entries, down to a depth.
fn close(out: &mut String, open: usize, depth: usize) {
    for left in (depth..open).rev() {
        out.push_str(if left > depth { "</li>\n</ul>" } else { "</li>\n" });
    }
}

/// Returns the depth of a message in its thread.
fn depth(thread_key: &str) -> usize {
    thread_key.matches('-').count().saturating_sub(1)
}

/// Returns the messages under common headings.
fn grouped(frame: &Frame, order: Order, lines: &[IndexLine]) -> String {
    let mut out = String::new();
    let mut last: Option<String> = None;
    let mut days = Days { frame, last: None };
    for line in lines {
        let (subject, author) = (markup(frame, &line.subject), markup(frame, &line.author));
        let day = days.of(line.date);
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

/// Writes days. Messages of the same day often follow each other.
struct Days<'f> {
    frame: &'f Frame,
    last: Option<(jiff::civil::Date, String)>,
}

impl Days<'_> {
    fn of(&mut self, time: i64) -> String {
        let date = self.frame.zoned(time).date();
        if let Some((_, day)) = self.last.as_ref().filter(|(last, _)| *last == date) {
            return day.clone();
        }
        let day = self.frame.day(time);
        self.last = Some((date, day.clone()));
        day
    }
}

fn markup(frame: &Frame, text: &str) -> String {
    let mut out = String::new();
    // Links cannot be nested.
    match text.contains("://") {
        true => out.push_str(&escape(&frame.plain(text)).replace('@', "&#64;")),
        false => push(&mut out, text, frame.addresses()),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::frame;

    fn line(number: i64, subject: &str, thread_key: &str) -> IndexLine {
        IndexLine {
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
        let shape = |lines: &[IndexLine]| {
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
}
