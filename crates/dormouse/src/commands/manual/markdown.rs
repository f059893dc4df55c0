//! Converts a page of the documentation to `man`'s format.

use super::page::{escape, head};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A manual page from Markdown. Links without a scheme lose their targets.
pub fn page(name: &str, section: u8, summary: &str, markdown: &str) -> String {
    let mut writer = Writer { out: head(name, section, summary), ..Writer::default() };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        writer.event(event);
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The first heading is the page's own title.
    seen_title: bool,
    skip: bool,
    preformatted: bool,
    /// The targets of the links that are open.
    links: Vec<String>,
    /// The cells of the current row, and the headings of its table.
    cells: Vec<String>,
    headings: Vec<String>,
    in_cell: bool,
    list_depth: usize,
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
            Tag::Paragraph if self.list_depth == 0 => self.request(".PP"),
            Tag::CodeBlock(_) => {
                self.request(".PP\n.RS 4\n.nf");
                self.preformatted = true;
            }
            Tag::List(_) => self.list_depth += 1,
            Tag::Item => self.request(".IP \\(bu 2"),
            Tag::Strong => self.raw("\\fB"),
            Tag::Emphasis => self.raw("\\fI"),
            Tag::Link { dest_url, .. } => self.links.push(dest_url.into_string()),
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
            TagEnd::List(_) => self.list_depth = self.list_depth.saturating_sub(1),
            TagEnd::Strong | TagEnd::Emphasis => self.raw("\\fR"),
            TagEnd::Link => {
                if let Some(link) = self.links.pop()
                    && link.contains("://")
                {
                    self.text(&format!(" <{link}>"));
                }
            }
            TagEnd::TableCell => self.in_cell = false,
            TagEnd::TableHead => self.headings = std::mem::take(&mut self.cells),
            TagEnd::TableRow => self.row(),
            _ => {}
        }
    }

    /// A row of a table: the first cell is a term that the others explain.
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

    /// A request on a line of its own.
    fn request(&mut self, request: &str) {
        self.new_line();
        self.out.push_str(request);
        self.out.push('\n');
    }

    fn text(&mut self, text: &str) {
        let text = if self.in_cell || self.preformatted {
            text.to_owned()
        } else {
            text.replace('\n', " ")
        };
        self.raw(&escape(&text));
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
        let page = page("x", 5, "about x", text);
        assert!(page.contains(".SH NAME\nx \\- about x\n.SH DESCRIPTION\n"), "{page}");
        assert!(page.contains(".PP\nFirst \\fBcode\\fR here.\n"), "{page}");
        assert!(page.contains(".SH Part\n"), "{page}");
        assert!(page.contains(".IP \\(bu 2\none"), "{page}");
        assert!(page.contains(".nf\n\\&.pre \\-x\n.fi"), "{page}");
        assert!(page.contains(".TP\n\\fBa\\fR\nit is\n"), "{page}");
        assert!(!page.contains("Title"), "{page}");
    }
}
