//! HTML as plain text, plain text in HTML, and HTML that does no harm.

/// Larger texts and texts with more elements inside each other are only stripped of their tags:
/// HTML parsers take quadratic time on such (and nobody wrote them by hand).
const LARGEST: usize = 1024 * 1024;
const DEEPEST: usize = 200;
/// Letters in a line.
const WIDTH: usize = 72;

/// What a reader would see. Never fails: what cannot be laid out is stripped of its tags.
pub fn to_text(html: &str) -> String {
    let laid_out = (html.len() <= LARGEST && depth(html) <= DEEPEST)
        .then(|| {
            html2text::config::plain_no_decorate()
                .string_from_read(html.as_bytes(), WIDTH)
                .inspect_err(|error| tracing::debug!("HTML is only stripped of its tags: {error}"))
                .ok()
        })
        .flatten();
    let text = laid_out.unwrap_or_else(|| strip(html));
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_matches('\n'))
}

/// The same HTML without what a browser would run, load or be led astray by. None for what is too
/// large or too deep to be looked through.
pub fn clean(html: &str) -> Option<String> {
    if html.len() > LARGEST || depth(html) > DEEPEST {
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

/// The most elements inside each other, at most; elements that have no end count, too.
fn depth(html: &str) -> usize {
    let bytes = html.as_bytes();
    let (mut depth, mut most) = (0usize, 0);
    for at in memchr::memchr_iter(b'<', bytes) {
        match bytes.get(at + 1) {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(next) if next.is_ascii_alphabetic() && !is_void(&bytes[at + 1..]) => {
                depth += 1;
                most = most.max(depth);
            }
            _ => {}
        }
    }
    most
}

/// Elements that have no content and no end.
fn is_void(tag: &[u8]) -> bool {
    const VOID: [&str; 14] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "p", "li",
        "wbr", "td",
    ];
    let end = tag.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(tag.len());
    VOID.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(&tag[..end]))
}

fn strip(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        rest = match rest[open..].find('>') {
            Some(close) => &rest[open + close + 1..],
            None => "",
        };
        text.push(' ');
    }
    text.push_str(rest);
    for (entity, letter) in
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
    {
        text = text.replace(entity, letter);
    }
    text
}

/// Puts plain texts at the top and at the bottom of a page, whose charset must contain ASCII.
pub fn surround(page: &[u8], top: &str, bottom: &str) -> Vec<u8> {
    let lower = page.to_ascii_lowercase();
    // A browser makes the elements that are missing.
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

/// A text as HTML in ASCII: its lines stay lines, addresses of pages become links.
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
    use std::time::{Duration, Instant};

    #[test]
    fn a_reader_sees_the_text() {
        let text = to_text(
            "<html><head><style>p{}</style></head><body><p>Gr&uuml;&szlig;e &amp; <b>mehr</b></p><ul><li>eins<li>zwei</ul></body></html>",
        );
        assert!(text.starts_with("Grüße & mehr\n"), "{text}");
        assert!(text.contains("eins") && text.contains("zwei") && !text.contains("p{}"), "{text}");
    }

    #[test]
    fn hostile_html_takes_no_long_time() {
        for html in [
            "<div>".repeat(200_000),
            "<b><i>".repeat(50_000),
            format!("<table>{}", "<tr><td>".repeat(20_000)),
            "<p>".repeat(200_000),
            "a".repeat(3_000_000),
            "<".repeat(1_000_000),
            "<svg><a>".repeat(100_000),
        ] {
            let began = Instant::now();
            to_text(&html);
            assert!(
                began.elapsed() < Duration::from_secs(8),
                "{}: {:?}",
                &html[..12],
                began.elapsed()
            );
        }
    }

    #[test]
    fn clean_html_runs_and_loads_nothing() {
        let html = "<p onclick=x()>a<script>b</script><img src=http://t.example/p.gif><a href=\"javascript:c\">c</a><a href=\"https://x.example/\">d</a><style>@import 'e'</style><iframe src=f></iframe><form action=g><input></form></p>";
        let cleaned = clean(html).unwrap();
        assert!(cleaned.contains("<p>a") && cleaned.contains("https://x.example/"), "{cleaned}");
        for bad in ["onclick", "script", "img", "style", "iframe", "form", "input", "import"] {
            assert!(!cleaned.contains(bad), "{bad} in {cleaned}");
        }
        assert_eq!(clean(&"<div>".repeat(300)), None);
        assert_eq!(clean(&"a".repeat(LARGEST + 1)), None);
    }

    proptest! {
        #[test]
        fn any_html_has_a_text(html in "(<[a-z]{0,5}|</[a-z]{0,5}>|[a-z \n&;]{0,5}|>|<!--|table|<td>|<pre>){0,30}") {
            prop_assert!(to_text(&html).ends_with('\n'));
        }
    }
}
