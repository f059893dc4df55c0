//! A message's text as HTML: quotes are folded, patches and tables stay unchanged, prose fits
//! every screen.

use crate::article::{Article, FileLink};
use crate::text::{Addresses, escape, push};
use dormouse_mail::scrub::Piece;

/// The maximum number of lines of a quote that is not folded.
const FOLDED: usize = 7;
/// The maximum length of a text on a page; the volume's text file has the whole text.
const MOST_TEXT: usize = 400_000;
/// The maximum depth of quotes.
const DEEPEST: usize = 8;
/// The maximum size of images shown with the text, in bytes.
const LARGEST_IMAGE: usize = 4_000_000;

/// Returns the text of a message as HTML. `up` is the relative path from the page to the archive.
pub fn html(article: &Article, is_obscured: bool, up: &str) -> String {
    let mut out = String::new();
    for piece in &article.pieces {
        match piece.attachment.and_then(|place| article.files.get(place)) {
            Some(file) => push_file(&mut out, file, is_obscured, up),
            None => push_piece(&mut out, piece, is_obscured),
        }
    }
    out
}

fn push_piece(out: &mut String, piece: &Piece, is_obscured: bool) {
    let mut text = piece.text.as_str();
    let mut is_cut = false;
    if text.len() > MOST_TEXT {
        let end = (0..=MOST_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text = &text[..end];
        is_cut = true;
    }
    let joined;
    let lines: Vec<&str> = if piece.is_flowed {
        joined = unflow(text, piece.deletes_space);
        joined.iter().map(String::as_str).collect()
    } else {
        text.lines().collect()
    };
    let addresses = if is_obscured { Addresses::Obscured } else { Addresses::Shown };
    Writer { out, addresses, is_flowed: piece.is_flowed }.blocks(&lines, 0);
    if is_cut {
        out.push_str("<p class=\"note\">This text is too long for a page. The rest is in the text file of the volume.</p>\n");
    }
}

/// Joins flowed lines (RFC 3676).
fn unflow(text: &str, deletes_space: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|&byte| byte == b'>').count();
        let content = &line[depth..];
        let content = content.strip_prefix(' ').unwrap_or(content);
        let flows = content.ends_with(' ') && content != "-- ";
        let content = match content.strip_suffix(' ') {
            Some(content) if flows && deletes_space => content,
            _ => content,
        };
        match lines.last_mut() {
            Some(last) if open == Some(depth) && content != "-- " => last.push_str(content),
            _ if depth > 0 => lines.push(format!("{} {content}", ">".repeat(depth))),
            _ => lines.push(content.to_owned()),
        }
        open = flows.then_some(depth);
    }
    lines
}

struct Writer<'o> {
    out: &'o mut String,
    addresses: Addresses,
    is_flowed: bool,
}

impl Writer<'_> {
    fn blocks(&mut self, lines: &[&str], depth: usize) {
        let mut at = 0;
        while at < lines.len() {
            let rest = &lines[at..];
            let line = rest[0];
            at += if line.trim().is_empty() {
                1
            } else if line == "-- " {
                self.signature(rest);
                rest.len()
            } else if line.starts_with('>') && depth < DEEPEST {
                let length = run(rest, |line| line.starts_with('>'));
                self.quote(&rest[..length], depth);
                length
            } else if is_patch_start(rest) {
                let length = patch_length(rest);
                self.patch(&rest[..length]);
                length
            } else {
                let is_end =
                    |line: &str| line.trim().is_empty() || line.starts_with('>') || line == "-- ";
                let length = 1 + run(&rest[1..], |line| !is_end(line));
                let patch = (1..length).find(|&from| is_patch_start(&rest[from..]));
                let length = patch.unwrap_or(length);
                self.paragraph(&rest[..length]);
                length
            };
        }
    }

    fn quote(&mut self, lines: &[&str], depth: usize) {
        let inner: Vec<&str> = lines
            .iter()
            .map(|line| &line[1..])
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let is_folded = depth == 0 && lines.len() > FOLDED;
        if is_folded {
            self.out.push_str(&format!(
                "<details class=\"quote\"><summary>{} quoted lines</summary>\n",
                lines.len()
            ));
        }
        self.out.push_str("<blockquote>\n");
        self.blocks(&inner, depth + 1);
        self.out.push_str("</blockquote>\n");
        if is_folded {
            self.out.push_str("</details>\n");
        }
    }

    fn signature(&mut self, lines: &[&str]) {
        self.out.push_str("<div class=\"signature\">");
        self.lines(&lines[1..]);
        self.out.push_str("</div>\n");
    }

    fn paragraph(&mut self, lines: &[&str]) {
        let kind = Paragraph::of(lines, self.is_flowed);
        self.out.push_str(match kind {
            Paragraph::Prose => "<p>",
            Paragraph::Lines => "<p class=\"lines\">",
            Paragraph::Preformatted => "<pre>",
        });
        self.lines(lines);
        self.out.push_str(if kind == Paragraph::Preformatted { "</pre>\n" } else { "</p>\n" });
    }

    fn lines(&mut self, lines: &[&str]) {
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                self.out.push('\n');
            }
            push(self.out, line.trim_end(), self.addresses);
        }
    }

    fn patch(&mut self, lines: &[&str]) {
        push_patch(self.out, lines);
    }
}

fn run(lines: &[&str], belongs: impl Fn(&str) -> bool) -> usize {
    lines.iter().take_while(|line| belongs(line)).count()
}

/// How a paragraph is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paragraph {
    /// Its lines were wrapped: they are wrapped again on every screen.
    Prose,
    /// Its author chose the line ends.
    Lines,
    /// Its blanks have a meaning.
    Preformatted,
}

impl Paragraph {
    fn of(lines: &[&str], is_flowed: bool) -> Paragraph {
        // After such a line, `git format-patch` lists the changes of a patch.
        if lines.iter().any(|line| is_aligned(line)) || lines[0] == "---" {
            return Paragraph::Preformatted;
        }
        let is_full = |line: &&str| (50..=90).contains(&line.trim_end().chars().count());
        let is_item = |line: &&str| {
            line.starts_with([' ', '-', '*', '+', '#', '|', '•'])
                || line.starts_with(|letter: char| letter.is_ascii_digit())
                    && line
                        .trim_start_matches(|letter: char| letter.is_ascii_digit())
                        .starts_with(['.', ')'])
        };
        let (last, full) = lines.split_last().unwrap_or((&"", &[]));
        let wraps = !full.is_empty() && full.iter().all(is_full) && !lines[1..].iter().any(is_item);
        if is_flowed || wraps && last.chars().count() <= 90 || full.is_empty() {
            Paragraph::Prose
        } else {
            Paragraph::Lines
        }
    }
}

/// Whether a line belongs to code, a table, or a drawing.
fn is_aligned(line: &str) -> bool {
    let inner = line.trim();
    line.starts_with('\t')
        || line.starts_with("    ")
        || inner.contains("   ")
        || inner.contains('\t')
        || inner.starts_with("+--")
        || inner.len() > 2 && inner.starts_with('|') && inner.ends_with('|')
        || inner.starts_with("-----BEGIN ")
}

/// Whether a text contains a patch.
pub fn has_patch(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    (0..lines.len()).any(|at| is_patch_start(&lines[at..]))
}

fn is_patch_start(lines: &[&str]) -> bool {
    let next = lines.get(1).copied().unwrap_or_default();
    lines[0].starts_with("diff --git ")
        || lines[0].starts_with("diff -")
        || lines[0].starts_with("--- ") && next.starts_with("+++ ")
        || lines[0].starts_with("Index: ") && next.starts_with("=====")
}

/// Returns the number of lines of a patch, including the first.
fn patch_length(lines: &[&str]) -> usize {
    const HEADS: [&str; 14] = [
        "diff ",
        "index ",
        "Index: ",
        "=====",
        "--- ",
        "+++ ",
        "new file",
        "deleted file",
        "rename ",
        "similarity ",
        "old mode",
        "new mode",
        "Binary files",
        "copy ",
    ];
    let mut length = 0;
    for (index, line) in lines.iter().enumerate() {
        if *line == "-- " {
            break;
        }
        let belongs = line.is_empty()
            || line.starts_with([' ', '+', '-', '@', '\\', '\t'])
            || HEADS.iter().any(|head| line.starts_with(head));
        if !belongs {
            break;
        }
        if !line.trim().is_empty() {
            length = index + 1;
        }
    }
    length.max(1)
}

fn push_patch(out: &mut String, lines: &[&str]) {
    out.push_str("<pre class=\"patch\">");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let kind =
            if line.starts_with("+++") || line.starts_with("---") || line.starts_with("diff ") {
                Some("b")
            } else if line.starts_with('+') {
                Some("ins")
            } else if line.starts_with('-') {
                Some("del")
            } else if line.starts_with("@@") {
                Some("i")
            } else {
                None
            };
        match kind {
            Some(tag) => {
                out.push_str(&format!("<{tag}>"));
                push(out, line, Addresses::Exact);
                out.push_str(&format!("</{tag}>"));
            }
            None => push(out, line, Addresses::Exact),
        }
    }
    out.push_str("</pre>\n");
}

fn push_file(out: &mut String, file: &FileLink, is_obscured: bool, up: &str) {
    let href = format!("{up}{}", escape(&file.path));
    let kept = escape(file.path.rsplit('/').next().unwrap_or_default());
    let mut name = String::new();
    let addresses = if is_obscured { Addresses::Obscured } else { Addresses::Shown };
    push(&mut name, &file.name.replace("://", ": //"), addresses);
    let is_image = ["image/png", "image/jpeg", "image/gif", "image/webp"]
        .contains(&file.content_type.as_str())
        && file.size <= LARGEST_IMAGE;
    out.push_str("<figure class=\"file\">\n");
    if is_image {
        out.push_str(&format!("<img src=\"{href}\" alt=\"{name}\" loading=\"lazy\">\n"));
    }
    if let Some(patch) = &file.patch {
        push_patch(out, &patch.trim_end().lines().collect::<Vec<_>>());
    }
    out.push_str(&format!(
        "<figcaption><a href=\"{href}\" download=\"{kept}\">{name}</a> <span>{}, {}</span></figcaption>\n</figure>\n",
        escape(&file.content_type),
        size(file.size)
    ));
}

/// Formats a size for people.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str, is_flowed: bool) -> String {
        let piece =
            Piece { text: text.to_owned(), is_flowed, deletes_space: false, attachment: None };
        html(&Article { pieces: vec![piece], ..Article::default() }, true, "../")
    }

    #[test]
    fn short_quotes_are_open_and_long_ones_folded() {
        let quote = "> one\n> two\n";
        assert_eq!(
            shown(quote, false),
            "<blockquote>\n<p class=\"lines\">one\ntwo</p>\n</blockquote>\n"
        );
        let long = shown(&format!("A wrote:\n{}\nyes\n", quote.repeat(5)), false);
        assert!(long.contains("<summary>10 quoted lines</summary>"), "{long}");
        assert!(long.starts_with("<p>A wrote:</p>") && long.ends_with("<p>yes</p>\n"), "{long}");
        let nested = shown(">> deep\n> less\n", false);
        assert_eq!(nested.matches("<blockquote>").count(), 2);
    }

    #[test]
    fn a_patch_stays_letter_for_letter() {
        let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n context <x@y.example>\n-\told  line\n+\tnew  line";
        let html = shown(&format!("Please apply.\n\n{patch}\n-- \n2.40\n"), false);
        assert!(html.contains("<del>-\told  line</del>\n<ins>+\tnew  line</ins></pre>"), "{html}");
        assert!(html.contains("x&#64;y.example"), "{html}");
        assert!(html.contains("<div class=\"signature\">2.40</div>"), "{html}");
    }

    #[test]
    fn prose_is_broken_anew_and_tables_are_not() {
        let prose = "This is a paragraph that was broken by a program at about\nseventy letters, as they do, and it goes on in the next line\nuntil it ends.\n";
        assert!(shown(prose, false).starts_with("<p>This"), "{}", shown(prose, false));
        assert!(shown("- one\n- two\n", false).starts_with("<p class=\"lines\">"));
        for text in ["name      value\na         1\n", "    code()\n", "\tcode()\n"] {
            assert!(shown(text, false).starts_with("<pre>"), "{text}");
        }
    }

    #[test]
    fn flowed_lines_are_joined() {
        let html = shown("one \ntwo\n> three \n> four\n-- \nme\n", true);
        assert_eq!(
            html,
            "<p>one two</p>\n<blockquote>\n<p>three four</p>\n</blockquote>\n<div class=\"signature\">me</div>\n"
        );
    }

    #[test]
    fn lines_that_delete_their_space_join_without_one() {
        assert_eq!(unflow("ko \nnichi \nwa\n-- \nme", true), ["konichiwa", "-- ", "me"]);
        assert_eq!(unflow("> a  \n> b\n", true), ["> a b"]);
        assert_eq!(unflow("a \nb", false), ["a b"]);
    }

    #[test]
    fn a_file_is_a_download_with_a_safe_name() {
        let file = FileLink {
            path: "attachments/20240304/ab/x.png".to_owned(),
            name: "<b>\".png".to_owned(),
            content_type: "image/png".to_owned(),
            size: 2_000,
            patch: None,
        };
        let piece = Piece {
            text: String::new(),
            is_flowed: false,
            deletes_space: false,
            attachment: Some(0),
        };
        let article = Article { pieces: vec![piece], files: vec![file], ..Article::default() };
        let html = html(&article, true, "../");
        assert!(
            html.contains(
                "<img src=\"../attachments/20240304/ab/x.png\" alt=\"&lt;b&gt;&quot;.png\""
            ),
            "{html}"
        );
        assert!(
            html.contains("download=\"x.png\">&lt;b&gt;&quot;.png</a> <span>image/png, 2 kB<"),
            "{html}"
        );
    }

    proptest! {
        #[test]
        fn any_text_has_balanced_markup(text in "(>{1,3} ?[a-z]{0,3}\n|--- a\n|\\+\\+\\+ b\n|[-+ ][a-z]{0,3}\n|-- \n|\n|<b>&\n|[a-z ]{40,70}\n){0,20}", is_flowed: bool) {
            let html = shown(&text, is_flowed);
            for tag in ["p", "pre", "blockquote", "details", "div", "ins", "del", "b", "i"] {
                let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
                prop_assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{} in {}", tag, html);
            }
        }
    }
}
