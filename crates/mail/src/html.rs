//! HTML as plain text, plain text in HTML, and harmless HTML.

mod layout;

pub use layout::Links;

use html5gum::Tokenizer;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use std::collections::HashMap;

/// The visible text, followed by the addresses of links.
pub fn to_text(html: &str) -> String {
    to_text_with(html, Links::Listed)
}

/// The visible text.
pub fn to_text_with(html: &str, links: Links) -> String {
    let text = layout::lay_out(html, links);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_matches('\n'))
}

/// Whether nothing is visible.
pub fn is_empty(html: &str) -> bool {
    const SHOWN: [&str; 6] = ["img", "svg", "object", "video", "embed", "input"];
    let shows = |name: &[u8]| SHOWN.iter().any(|shown| shown.as_bytes() == name);
    layout::lay_out(html, Links::Omitted).chars().all(is_invisible)
        && !Tokenizer::new(html)
            .flatten()
            .any(|token| matches!(&token, html5gum::Token::StartTag(tag) if shows(&tag.name)))
}

/// Blanks of any kind, and characters that only format others.
pub(crate) fn is_invisible(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        )
}

/// HTML with more of these is not parsed by a browser's rules, which need quadratic
/// time for it (and no person wrote it).
const LARGEST: usize = 1024 * 1024;
const DEEPEST: usize = 200;
const MOST_TAGS: usize = 20_000;
const MOST_ATTRIBUTES: usize = 100;
/// Content in tables outside of cells is moved before them, one by one.
const MOST_MOVED: usize = 500;

/// The same HTML without anything that a browser would execute or load, or that would deceive a reader.
/// `None` for HTML that is too large or nested too deeply.
pub fn clean(html: &str) -> Option<String> {
    if html.len() > LARGEST || !is_tame(html) {
        return None;
    }
    let mut rules = ammonia::Builder::default();
    rules
        .rm_tags(["img", "map", "area"])
        .link_rel(Some("noopener noreferrer nofollow"))
        .url_schemes(["http", "https", "mailto"].into())
        .url_relative(ammonia::UrlRelative::Deny);
    Some(rules.clean(html).to_string())
}

/// Whether it has few elements, little nesting, and few attributes on each element.
fn is_tame(html: &str) -> bool {
    let mut open: HashMap<Vec<u8>, usize> = HashMap::new();
    let (mut depth, mut tags, mut attributes, mut moved) = (0usize, 0usize, 0usize, 0usize);
    let mut is_between_cells = false;
    let emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: html5gum::Span<()>| {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                (tags, attributes) = (tags + 1, 0);
                match name {
                    b"table" | b"tbody" | b"thead" | b"tfoot" | b"tr" => is_between_cells = true,
                    b"td" | b"th" | b"caption" => is_between_cells = false,
                    _ => moved += usize::from(is_between_cells),
                }
                if !ends_itself(name) {
                    *open.entry(name.to_vec()).or_default() += 1;
                    depth += 1;
                }
            }
            CallbackEvent::AttributeName { .. } => attributes += 1,
            CallbackEvent::String { value } => {
                moved += usize::from(is_between_cells && !value.trim_ascii().is_empty());
            }
            CallbackEvent::EndTag { name } => {
                match name {
                    b"td" | b"th" | b"caption" => {
                        is_between_cells = open.contains_key(&b"table"[..]);
                    }
                    b"table" => is_between_cells = false,
                    _ => {}
                }
                // An end tag without a start tag does not reduce the depth.
                if let Some(count) = open.get_mut(name).filter(|count| **count > 0) {
                    *count -= 1;
                    depth -= 1;
                }
            }
            _ => {}
        }
        let is_wild = depth > DEEPEST
            || tags > MOST_TAGS
            || attributes > MOST_ATTRIBUTES
            || moved > MOST_MOVED;
        is_wild.then_some(())
    });
    Tokenizer::new_with_emitter(html, emitter).next().is_none()
}

/// Elements without content, or that end where the next one begins.
fn ends_itself(name: &[u8]) -> bool {
    const NAMES: [&str; 19] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr", "p",
        "li", "td", "th", "tr", "dt", "dd", "option",
    ];
    NAMES.iter().any(|known| known.as_bytes() == name)
}

/// Adds plain texts to the top and bottom of a page, whose charset must contain ASCII.
pub fn surround(page: &[u8], top: &str, bottom: &str) -> Vec<u8> {
    let lower = page.to_ascii_lowercase();
    // A browser adds missing elements.
    let start = ["<body", "<html", "<!doctype"]
        .iter()
        .find_map(|tag| {
            let at = memchr::memmem::find(&lower, tag.as_bytes())?;
            Some(at + memchr::memchr(b'>', &lower[at..])? + 1)
        })
        .unwrap_or(0);
    let end = ["</body", "</html"]
        .iter()
        .find_map(|tag| memchr::memmem::rfind(&lower, tag.as_bytes()))
        .filter(|end| *end >= start)
        .unwrap_or(page.len());
    [
        &page[..start],
        from_text(top).as_bytes(),
        &page[start..end],
        from_text(bottom).as_bytes(),
        &page[end..],
    ]
    .concat()
}

/// A text as ASCII HTML: lines stay lines, web addresses become links.
fn from_text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let lines: Vec<String> =
        text.lines().map(|line| line.split_inclusive(' ').map(word).collect::<String>()).collect();
    format!("\n<div>\n{}\n</div>\n", lines.join("<br>\n"))
}

fn word(word: &str) -> String {
    let shown = escape(word);
    if word.starts_with("https://") || word.starts_with("http://") {
        let address = escape(word.trim_end());
        format!("<a href=\"{address}\">{address}</a>{}", &shown[address.len()..])
    } else {
        shown
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ if letter.is_ascii() => out.push(letter),
            _ => out.push_str(&format!("&#{};", u32::from(letter))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_inside_the_page_and_cannot_change_it() {
        let text = "ü <b> & \"\nhttps://x.example/?a=\"b&c d";
        let html = "\n<div>\n&#252; &lt;b&gt; &amp; &quot;<br>\n<a href=\"https://x.example/?a=&quot;b&amp;c\">https://x.example/?a=&quot;b&amp;c</a> d\n</div>\n";
        for (page, before, after) in [
            ("<html><BODY class=a>x</Body></html>", "<html><BODY class=a>x", "</Body></html>"),
            ("<p>x", "<p>x", ""),
            ("", "", ""),
            ("</body><body", "", "</body><body"),
        ] {
            let made = String::from_utf8(surround(page.as_bytes(), "", text)).unwrap();
            assert_eq!(made, format!("{before}{html}{after}"));
        }
        let made = surround(b"<!DOCTYPE html><html lang=en><p>x", "top", "");
        assert_eq!(made, b"<!DOCTYPE html><html lang=en>\n<div>\ntop\n</div>\n<p>x");
    }
    use proptest::prelude::*;

    #[test]
    fn a_reader_sees_the_text() {
        let text = to_text(
            "<html><head><style>p{}</style></head><body><p>Gr&uuml;&szlig;e &amp; <b>mehr</b></p><ul><li>eins<li>zwei</ul></body></html>",
        );
        assert!(text.starts_with("Grüße & mehr\n"), "{text}");
        assert!(text.contains("eins") && text.contains("zwei") && !text.contains("p{}"), "{text}");
    }

    #[test]
    fn what_shows_nothing_is_empty() {
        for html in [
            "",
            " \n",
            "<p>&nbsp;</p>",
            "<html><head><title>x</title><style>p{}</style></head><body><br>&#8203;\u{feff}</body></html>",
            "<!-- x --><div><p></p></div>",
        ] {
            assert!(is_empty(html), "{html}");
        }
        for html in [
            "x",
            "<p>&nbsp;x</p>",
            "<img src=x>",
            "<a href=https://x.example>y</a>",
            "<table><tr><td>1</table>",
        ] {
            assert!(!is_empty(html), "{html}");
        }
    }

    #[test]
    fn html_that_would_take_long_is_not_looked_through() {
        let many =
            |number: usize, made: fn(usize) -> String| (0..number).map(made).collect::<String>();
        for html in [
            "<div>".repeat(300),
            "<p><b id=x></p>".repeat(300),
            "<b></i></u></s>".repeat(300),
            format!("<a {}>", many(5_000, |number| format!("a{number} "))),
            format!("<table>{}", "x<br>".repeat(600)),
            "a".repeat(LARGEST + 1),
        ] {
            assert_eq!(clean(&html), None, "{}", &html[..20]);
        }
        assert!(clean(&"<p><b>a</b><br>".repeat(1_000)).is_some());
    }

    #[test]
    fn clean_html_runs_and_loads_nothing() {
        let html = "<p onclick=x()>a<script>b</script><img src=http://t.example/p.gif><a href=\"javascript:c\">c</a><a href=\"https://x.example/\">d</a><style>@import 'e'</style><iframe src=f></iframe><form action=g><input></form></p>";
        let cleaned = clean(html).unwrap();
        assert!(cleaned.contains("<p>a") && cleaned.contains("https://x.example/"), "{cleaned}");
        for bad in ["onclick", "script", "img", "style", "iframe", "form", "input", "import"] {
            assert!(!cleaned.contains(bad), "{bad} in {cleaned}");
        }
    }

    proptest! {
        #[test]
        fn any_html_has_a_text(html in "(<[a-z]{0,5}|</[a-z]{0,5}>|[a-z \n&;]{0,5}|>|<!--|table|<td>|<pre>){0,30}") {
            prop_assert!(to_text(&html).ends_with('\n'));
        }
    }
}
