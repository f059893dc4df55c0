//! HTML laid out as plain text, like `lynx -dump`: links are numbered, and their addresses
//! follow the text.
//!
//! It makes one pass over the tokens and never looks back, so the time is proportional to the size,
//! whatever the HTML.

mod tables;
mod tag;

use self::tag::Tag;
use super::is_invisible;
use html5gum::Tokenizer;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use std::collections::HashMap;
use std::convert::Infallible;

/// The width of a line, in characters.
const WIDTH: usize = 72;
/// The depth to which nested quotes and lists are indented.
const MOST_MARGINS: usize = 16;
/// A table with more columns is not aligned.
const MOST_COLUMNS: usize = 16;

/// What happens to the addresses of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They are numbered, and follow the text.
    Listed,
    /// They are omitted.
    Omitted,
}

/// The text of HTML, without a line end after the last line.
pub fn lay_out(html: &str, links: Links) -> String {
    let mut page = Page::new(links);
    let mut tag = Tag::default();
    let emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: html5gum::Span<()>| {
        match event {
            CallbackEvent::OpenStartTag { name } => tag.open(name),
            CallbackEvent::AttributeName { name } => tag.attribute(name),
            CallbackEvent::AttributeValue { value } => tag.value(value),
            CallbackEvent::CloseStartTag { .. } => page.start(&tag),
            CallbackEvent::EndTag { name } => page.end(name),
            CallbackEvent::String { value } => page.text(&String::from_utf8_lossy(value)),
            _ => {}
        }
        None::<Infallible>
    });
    // The emitter handles all tokens itself: asking for the first one reads to the end.
    if let Some(Ok(never) | Err(never)) = Tokenizer::new_with_emitter(html, emitter).next() {
        match never {}
    }
    page.finish()
}

/// An element that indents its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Margin {
    Quote,
    /// The number of the next item, if it is numbered, and the width of its mark.
    List {
        next: Option<i64>,
        hang: usize,
    },
}

impl Margin {
    fn is_quote(self) -> bool {
        self == Margin::Quote
    }
}

/// A table whose cells are held back until it is known whether they fit side by side.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    /// The text of the open cell has ended.
    is_cell_full: bool,
    /// It is used for layout: each cell is a separate block.
    is_frame: bool,
}

/// The page being written.
struct Page {
    out: String,
    /// The text of the open block.
    text: String,
    /// A blank precedes the next word.
    gap: bool,
    /// An empty line precedes the next block.
    apart: bool,
    /// How many `pre` are open.
    pre: usize,
    margins: Vec<Margin>,
    quotes: usize,
    /// The mark of a list item that has no text yet.
    mark: Option<String>,
    tables: Vec<Table>,
    /// The element whose content is hidden.
    hidden: Option<Vec<u8>>,
    link: Option<Link>,
    links: Links,
    addresses: Vec<String>,
    numbers: HashMap<String, usize>,
}

/// An open link.
struct Link {
    address: String,
    /// Where its number is in the text, and where its words begin.
    mark: usize,
    words: usize,
    is_new: bool,
}

impl Page {
    fn new(links: Links) -> Page {
        Page {
            out: String::new(),
            text: String::new(),
            gap: false,
            apart: false,
            pre: 0,
            margins: Vec::new(),
            quotes: 0,
            mark: None,
            tables: Vec::new(),
            hidden: None,
            link: None,
            links,
            addresses: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    // Why this is one function: it is a table of elements.
    fn start(&mut self, tag: &Tag) {
        if self.hidden.is_some() {
            return;
        }
        match tag.name.as_slice() {
            b"script" | b"style" | b"title" | b"iframe" | b"noembed" | b"noframes" => {
                self.hidden = Some(tag.name.clone());
            }
            b"a" => {
                self.end_link();
                self.start_link(tag);
            }
            b"area" => {
                self.start_link(tag);
                self.words(tag.alt.as_deref().unwrap_or_default());
                self.end_link();
                self.gap = true;
            }
            b"img" => self.words(tag.alt.as_deref().unwrap_or_default()),
            b"br" => self.line_break(),
            b"hr" => {
                self.block(true);
                self.words("----------------------------------------");
                self.block(true);
            }
            b"pre" => {
                self.open_frame();
                self.block(true);
                self.pre += 1;
            }
            b"blockquote" => {
                self.open_frame();
                self.block(true);
                self.margins.push(Margin::Quote);
                self.quotes += 1;
            }
            b"ul" | b"ol" | b"menu" | b"dir" => {
                self.open_frame();
                self.block(!self.is_in_list());
                let start = tag.start.as_deref().and_then(|start| start.trim().parse().ok());
                let next = (tag.name == b"ol").then(|| start.unwrap_or(1));
                self.margins.push(Margin::List { next, hang: 2 });
            }
            b"li" => self.item(),
            b"table" => {
                self.open_frame();
                self.block(true);
                self.tables.push(Table::default());
            }
            b"tr" => {
                self.end_cell();
                if let Some(table) = self.held_table() {
                    table.rows.push(Vec::new());
                }
            }
            b"td" | b"th" => {
                self.end_cell();
                if let Some(table) = self.held_table() {
                    if table.rows.is_empty() {
                        table.rows.push(Vec::new());
                    }
                    table.rows.last_mut().expect("there is a row").push(String::new());
                }
            }
            name => {
                if let Some(is_apart) = block_kind(name) {
                    self.block(is_apart);
                }
            }
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some(hidden) = &self.hidden {
            if hidden == name {
                self.hidden = None;
            }
            return;
        }
        match name {
            b"a" => self.end_link(),
            b"br" => self.line_break(),
            b"p" => self.block(true),
            b"pre" => {
                self.block(true);
                self.pre = self.pre.saturating_sub(1);
            }
            b"blockquote" => self.end_margin(true),
            b"ul" | b"ol" | b"menu" | b"dir" => self.end_margin(false),
            b"li" => self.block(false),
            b"td" | b"th" | b"tr" => self.end_cell(),
            b"table" => {
                self.end_cell();
                if let Some(table) = self.tables.pop() {
                    self.rows(table.rows);
                }
                self.apart = true;
            }
            name => {
                if let Some(is_apart) = block_kind(name) {
                    self.block(is_apart);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden.is_some() {
            return;
        }
        if self.pre == 0 {
            self.words(text);
            return;
        }
        for letter in text.chars().filter(|letter| *letter != '\r') {
            self.text.push(if letter == '\u{a0}' { ' ' } else { letter });
        }
    }

    /// Adds text that is wrapped again.
    fn words(&mut self, text: &str) {
        let is_blank = |letter: char| letter.is_ascii_whitespace();
        if text.starts_with(is_blank) {
            self.gap = true;
        }
        for word in text.split(is_blank).filter(|word| !word.is_empty()) {
            if self.held_table().is_some_and(|table| table.is_cell_full)
                && !word.chars().all(is_invisible)
            {
                self.open_frame();
            }
            let begins = self.text.is_empty() || self.text.ends_with('\n');
            if self.gap && !begins {
                self.text.push(' ');
            }
            let seen =
                |letter: &char| !matches!(letter, '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{34f}');
            self.text.extend(word.chars().filter(seen));
            self.gap = true;
        }
        self.gap = text.ends_with(is_blank) || self.gap && text.chars().all(is_blank);
    }

    fn line_break(&mut self) {
        if self.held_table().is_some() {
            self.block(false);
        } else {
            self.text.push('\n');
            self.gap = false;
        }
    }

    /// Ends the open block. `is_apart`: empty lines surround it.
    fn block(&mut self, is_apart: bool) {
        let is_blank = self.text.chars().all(is_invisible);
        if let Some(table) = self.held_table() {
            table.is_cell_full |= !is_blank;
            self.gap = false;
            return;
        }
        self.apart |= is_apart;
        self.gap = false;
        // A link's number belongs to its words, which may be in a separate block.
        if self.link.as_ref().is_some_and(|link| link.mark == 0 && link.words == self.text.len()) {
            return;
        }
        self.link = None;
        let text = std::mem::take(&mut self.text);
        if is_blank {
            self.apart |= !text.is_empty();
            return;
        }
        let text = if self.pre > 0 {
            text.trim_matches('\n').to_owned()
        } else {
            let room = WIDTH.saturating_sub(self.margin_width()).max(WIDTH / 3);
            wrap(&text, room)
        };
        for line in text.lines() {
            self.line(line);
        }
        self.apart |= is_apart;
    }

    fn line(&mut self, line: &str) {
        let line = line.replace('\u{a0}', " ");
        let line = line.trim_end();
        if std::mem::take(&mut self.apart) && !self.out.is_empty() {
            self.out.push('\n');
        }
        let mark = self.mark.take();
        let shown = self.margins.len().min(MOST_MARGINS);
        let mut prefix = String::new();
        for (index, margin) in self.margins[..shown].iter().enumerate() {
            match (margin, &mark) {
                (Margin::Quote, _) => prefix.push_str("> "),
                (Margin::List { .. }, Some(mark)) if index + 1 == shown => prefix.push_str(mark),
                (Margin::List { hang, .. }, _) => prefix.extend(std::iter::repeat_n(' ', *hang)),
            }
        }
        self.out.push_str(format!("{prefix}{line}").trim_end());
        self.out.push('\n');
    }

    fn margin_width(&self) -> usize {
        let widths = self.margins.iter().take(MOST_MARGINS).map(|margin| match margin {
            Margin::Quote => 2,
            Margin::List { hang, .. } => *hang,
        });
        widths.sum()
    }

    fn is_in_list(&self) -> bool {
        matches!(self.margins.last(), Some(Margin::List { .. }))
    }

    fn item(&mut self) {
        self.open_frame();
        self.block(false);
        let mark = match self.margins.last_mut() {
            Some(Margin::List { next: Some(number), hang }) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                *hang = mark.len();
                mark
            }
            Some(Margin::List { .. }) => "* ".to_owned(),
            _ => return,
        };
        self.mark = Some(mark);
    }

    /// Ends a quote or a list, and everything open in it.
    fn end_margin(&mut self, is_quote: bool) {
        self.block(false);
        let open = if is_quote { self.quotes } else { self.margins.len() - self.quotes };
        if open == 0 {
            return;
        }
        while let Some(margin) = self.margins.pop() {
            self.quotes -= usize::from(margin.is_quote());
            if margin.is_quote() == is_quote {
                break;
            }
        }
        self.mark = None;
        self.apart |= !self.is_in_list();
    }

    fn start_link(&mut self, tag: &Tag) {
        let Some(address) = tag.href.as_deref().map(clean_address) else { return };
        let leads_nowhere = address.is_empty()
            || address.starts_with('#')
            || ["javascript:", "data:"].iter().any(|scheme| {
                address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            });
        if leads_nowhere || self.links == Links::Omitted {
            return;
        }
        let known = self.addresses.len();
        let number = *self.numbers.entry(address.clone()).or_insert(known + 1);
        let is_new = number > known;
        if is_new {
            self.addresses.push(address.clone());
        }
        self.words(&format!("[{number}]"));
        let words = self.text.len();
        let mark = words - number.to_string().len() - 2;
        self.link = Some(Link { address, mark, words, is_new });
    }

    /// Ends a link. If its text is the address, it needs no number.
    fn end_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        let Some(words) = self.text.get(link.words..) else { return };
        let address = &link.address;
        if words.trim() != address && Some(words.trim()) != address.strip_prefix("mailto:") {
            return;
        }
        self.text.replace_range(link.mark..link.words, "");
        if link.is_new {
            self.addresses.pop();
            self.numbers.remove(address);
        }
    }

    fn finish(mut self) -> String {
        // If the HTML ends inside something hidden, its tables would never end.
        self.hidden = None;
        while let Some(table) = self.tables.last() {
            if table.is_frame {
                self.block(true);
                self.tables.pop();
            } else {
                self.end(b"table");
            }
        }
        self.block(true);
        if !self.addresses.is_empty() {
            self.out.push_str("\nReferences\n\n");
            for (index, address) in self.addresses.iter().enumerate() {
                self.out.push_str(&format!("{:4}. {address}\n", index + 1));
            }
        }
        self.out
    }
}

/// Block elements, and whether empty lines surround them.
fn block_kind(name: &[u8]) -> Option<bool> {
    match name {
        b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"dl" | b"fieldset" | b"figure"
        | b"body" => Some(true),
        b"div" | b"section" | b"article" | b"header" | b"footer" | b"main" | b"nav" | b"aside"
        | b"address" | b"center" | b"form" | b"dt" | b"dd" | b"caption" | b"figcaption"
        | b"details" | b"summary" | b"option" | b"tbody" | b"thead" | b"tfoot" => Some(false),
        _ => None,
    }
}

/// An address on one line.
fn clean_address(address: &str) -> String {
    let letters = address.trim().chars().filter(|letter| !letter.is_control());
    letters.map(|letter| if letter.is_whitespace() { '+' } else { letter }).collect()
}

/// Wraps lines at blanks. Longer words stay whole.
fn wrap(text: &str, room: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    for line in text.lines() {
        let mut used = 0;
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let width = word.chars().count();
            if used > 0 && used + 1 + width > room {
                out.push('\n');
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += width;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
