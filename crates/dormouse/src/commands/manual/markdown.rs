//! Converts a page of the documentation to `man`'s format.

use super::documents::{self, Document};
use super::page::{escape, folded, head, reference, within_line};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Creates a manual page from Markdown. Links to other documents name their pages; those into this
/// one, and to what has no page, lose their targets.
pub fn page(document: &Document) -> String {
    let head = head(document.name, document.section, document.summary);
    let mut writer = Writer { out: head, ..Writer::default() };
    for event in Parser::new_ext(document.text, Options::ENABLE_TABLES) {
        writer.event(event);
    }
    folded(&writer.out)
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The first heading is the page's own title.
    seen_title: bool,
    skip: bool,
    preformatted: bool,
    /// The links that are open.
    links: Vec<Link>,
    /// The cells of the current row, and the headings of its table.
    cells: Vec<String>,
    headings: Vec<String>,
    in_cell: bool,
    /// The lists that are open, with the number of the next item.
    lists: Vec<Option<u64>>,
}

/// A link that is open.
struct Link {
    target: String,
    /// The page of the manual that it leads to, until that is named.
    page: Option<&'static Document>,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => {
                self.raw("\\fB");
                self.text(&code);
                self.raw("\\fR");
            }
            Event::SoftBreak => self.raw(if self.in_cell { " " } else { "\n" }),
            Event::HardBreak => self.raw("\n.br\n"),
            Event::Rule => self.request(".PP"),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                let is_title = !self.seen_title && level == HeadingLevel::H1;
                self.seen_title = true;
                self.new_line();
                if is_title {
                    self.out.push_str(".SH DESCRIPTION\n");
                    self.skip = true;
                } else {
                    self.out.push_str(if level <= HeadingLevel::H2 { ".SH " } else { ".SS " });
                }
            }
            Tag::Paragraph if self.lists.is_empty() => self.request(".PP"),
            Tag::CodeBlock(_) => {
                self.request(".PP\n.RS 4\n.nf");
                self.preformatted = true;
            }
            Tag::List(first) => self.lists.push(first),
            Tag::Item => match self.lists.last_mut() {
                Some(Some(number)) => {
                    let request = format!(".IP {number}. 4");
                    *number += 1;
                    self.request(&request);
                }
                _ => self.request(".IP \\(bu 2"),
            },
            Tag::Strong => self.raw("\\fB"),
            Tag::Emphasis => self.raw("\\fI"),
            Tag::Link { dest_url, .. } => self
                .links
                .push(Link { page: documents::linked(&dest_url), target: dest_url.into_string() }),
            Tag::TableCell => {
                self.cells.push(String::new());
                self.in_cell = true;
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.new_line();
                self.skip = false;
            }
            TagEnd::Paragraph => self.raw("\n"),
            TagEnd::CodeBlock => {
                self.request(".fi\n.RE");
                self.preformatted = false;
            }
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::Strong | TagEnd::Emphasis => self.raw("\\fR"),
            TagEnd::Link => {
                if let Some(Link { target, page }) = self.links.pop() {
                    if let Some(page) = page {
                        self.raw(&format!(" ({})", reference(page.name, page.section)));
                    } else if target.contains("://") {
                        self.text(&format!(" <{target}>"));
                    }
                }
            }
            TagEnd::TableCell => self.in_cell = false,
            TagEnd::TableHead => self.headings = std::mem::take(&mut self.cells),
            TagEnd::TableRow => self.row(),
            _ => {}
        }
    }

    /// Writes a row of a table: the first cell is a term that the others explain.
    fn row(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        let mut cells = cells.into_iter().enumerate();
        let Some((_, term)) = cells.next() else { return };
        self.request(".TP");
        self.out.push_str(if term.trim().is_empty() { "\\~" } else { &term });
        self.out.push('\n');
        for (number, cell) in cells.filter(|(_, cell)| !cell.trim().is_empty()) {
            match self.headings.get(number).filter(|heading| !heading.trim().is_empty()) {
                Some(heading) if number > 1 => {
                    self.out.push_str(&format!(".br\n{heading}: {cell}\n"));
                }
                _ => self.out.push_str(&format!("{cell}\n")),
            }
        }
    }

    fn new_line(&mut self) {
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Writes a request on a separate line. A heading begins a paragraph by itself.
    fn request(&mut self, request: &str) {
        self.new_line();
        let last = self.out.trim_end().rsplit('\n').next().unwrap_or_default();
        let follows_heading = last.starts_with(".SH ") || last.starts_with(".SS ");
        let request = match request.strip_prefix(".PP") {
            Some("") if follows_heading => return,
            Some(more) if follows_heading => more.trim_start(),
            _ => request,
        };
        self.out.push_str(request);
        self.out.push('\n');
    }

    fn text(&mut self, text: &str) {
        // A link whose text is the file's name.
        if let Some(page) = self
            .links
            .last_mut()
            .and_then(|link| link.page.take_if(|page| text.strip_suffix(".md") == Some(page.file)))
        {
            return self.raw(&reference(page.name, page.section));
        }
        let text = if self.in_cell || self.preformatted {
            text.to_owned()
        } else {
            text.replace('\n', " ")
        };
        let begins_line = if self.in_cell {
            self.cells.last().is_none_or(String::is_empty)
        } else {
            self.out.ends_with('\n')
        };
        self.raw(&if begins_line { escape(&text) } else { within_line(&text) });
    }

    fn raw(&mut self, text: &str) {
        if self.skip {
            return;
        }
        match self.cells.last_mut().filter(|_| self.in_cell) {
            Some(cell) => cell.push_str(text),
            None => self.out.push_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_requests() {
        let text = "# Title\n\nFirst `code` here.\n\n## Part\n\n- one\n- two\n\n```\n.pre -x\n```\n\n\
                    | key | meaning |\n|---|---|\n| `a` | it is |\n";
        let page = page(&Document { file: "x", name: "x", section: 5, summary: "about x", text });
        assert!(page.contains(".SH NAME\nx \\- about x\n.SH DESCRIPTION\n"), "{page}");
        assert!(page.contains(".SH DESCRIPTION\nFirst \\fBcode\\fR here.\n"), "{page}");
        assert!(page.contains(".SH Part\n"), "{page}");
        assert!(page.contains(".IP \\(bu 2\none"), "{page}");
        assert!(page.contains(".nf\n\\&.pre \\-x\n.fi"), "{page}");
        assert!(page.contains(".TP\n\\fBa\\fR\nit is\n"), "{page}");
        assert!(!page.contains("Title"), "{page}");
    }

    #[test]
    fn links_name_their_targets() {
        let text = "# T\n\nSee [spool.md](spool.md#x), [the web](web.md), [this](#below), \
                    [it](https://example.org/) and [code](../crates/x.rs).\n\n2. two\n3. three\n";
        let page = page(&Document { file: "x", name: "x", section: 5, summary: "about x", text });
        let text = page.replace('\n', " ");
        assert!(text.contains("See \\fB\\%dormouse\\-qfiles\\fR(5), the web"), "{page}");
        assert!(text.contains("the web (\\fB\\%dormouse\\-web\\fR(7)), this, it"), "{page}");
        assert!(text.contains("it <https://example.org/> and code."), "{page}");
        assert!(page.contains(".IP 2. 4\ntwo") && page.contains(".IP 3. 4\nthree"), "{page}");
    }
}
