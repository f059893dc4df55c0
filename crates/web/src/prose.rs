//! Owners' texts about their list (Markdown, HTML, or plain lines), converted to harmless HTML.

use dormouse_mail::html;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// The text as HTML without anything that runs, loads or misleads.
pub fn shown(text: &str) -> String {
    let text = text.trim();
    let page = if has_tag(text) { text.to_owned() } else { markdown(text) };
    match html::clean(&page) {
        Some(clean) => clean.trim().to_owned(),
        // Too large or too deep to be cleaned.
        None => html::clean(&html::to_text(text).replace('<', "&lt;")).unwrap_or_default(),
    }
}

/// Whether the text contains an HTML tag.
fn has_tag(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let rest = text[at + 1..].trim_start_matches('/');
        let name = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let is_name = rest.starts_with(|first: char| first.is_ascii_alphabetic());
        // `<https://…>` and `<anna@example.org>` are not tags.
        is_name
            && matches!(rest.as_bytes().get(name), Some(b'>' | b'/' | b' ' | b'\t' | b'\n'))
            && rest[name..].contains('>')
    })
}

fn markdown(text: &str) -> String {
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES;
    let events = Parser::new_ext(text, options).map(|event| match event {
        // Authors who do not know Markdown expect their line breaks to stay.
        Event::SoftBreak => Event::HardBreak,
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Heading { level, .. }) => {
            let level = below(level);
            Event::Start(Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
        event => event,
    });
    let mut page = String::new();
    pulldown_cmark::html::push_html(&mut page, events);
    page
}

/// One level lower: the page has a first heading already.
fn below(level: HeadingLevel) -> HeadingLevel {
    if level == HeadingLevel::H1 { HeadingLevel::H2 } else { level }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_and_markdown_becomes_html() {
        assert_eq!(shown("one & two\nthree <3"), "<p>one &amp; two<br>\nthree &lt;3</p>");
        let page =
            shown("# About\n\nWe *drink* **tea**:\n\n- green\n- [black](https://tea.example/)\n");
        for part in ["<h2>About</h2>", "<em>drink</em>", "<strong>tea</strong>", "<li>green</li>"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(page.contains("href=\"https://tea.example/\""), "{page}");
        let page = shown("See <https://tea.example/> or <anna@tea.example>");
        assert!(page.contains("href=\"mailto:anna@tea.example\""), "{page}");
        assert!(page.contains("href=\"https://tea.example/\""), "{page}");
    }

    #[test]
    fn what_owners_write_keeps_what_does_no_harm() {
        let page = shown("<p>About <b>tea</b> <a href='https://tea.example/'>more</a></p>");
        assert!(page.contains("<b>tea</b>") && page.contains("href=\"https://tea.example/\""));
        for bad in [
            "<script>alert(1)</script>x",
            "<p onclick=alert(1)>x</p>",
            "<a href=javascript:alert(1)>x</a>",
            "[x](javascript:alert(1))",
            "[x](<javascript:alert(1)>)",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "[x]: vbscript:alert(1)\n\n[x]",
            "![x](https://evil.example/pixel.gif)",
            "![x](javascript:alert(1))",
            "<img src=x onerror=alert(1)>x",
            "x <img src=x onerror=alert(1)//",
            "**x** <script",
            "```<script>alert(1)</script>```x",
            "<svg><style><img src=x onerror=alert(1)></style></svg>x",
            "<form action=https://evil.example><input name=a>x</form>",
            "<style>*{display:none}</style>x",
            "<iframe srcdoc='<script>1</script>'></iframe>x",
            "<meta http-equiv=refresh content='0;url=https://evil.example'>x",
            "| x |\n|---|\n| <script>1</script> |",
            &format!("{}x<script>alert(1)</script>", "<div>".repeat(500)),
            &format!("{}x", "> ".repeat(5000)),
            &format!("{}x", "[".repeat(20_000)),
            &format!("{}x", "*a ".repeat(20_000)),
        ] {
            let page = shown(bad);
            let lower = page.to_lowercase();
            for word in [
                "<script",
                "onclick=",
                "href=\"javascript",
                "<form",
                "<style",
                "<iframe",
                "<meta",
                "<input",
                "<img",
                "href=\"data:",
                "href=\"vbscript",
            ] {
                assert!(!lower.contains(word), "{bad:.60}: {page:.200}");
            }
            assert!(lower.contains('x') || bad.contains("![x]"), "{bad:.60}: {page:.200}");
        }
    }
}
