//! Text inside HTML: escaped, with links, with obscured addresses.

/// How addresses in a text are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Unchanged.
    Shown,
    /// `anna at example.org`, like Pipermail.
    Obscured,
    /// Unchanged except for an escaped `@`, so that a patch can still be applied.
    Exact,
}

/// Escapes a text for HTML, content or attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    push_escaped(&mut out, text);
    out
}

/// Appends a text, escaped. Most of it is copied as it is.
pub fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(may_be_special) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let mut letters = after.chars();
        let Some(letter) = letters.next() else { return };
        push_letter(out, letter);
        rest = letters.as_str();
    }
    out.push_str(rest);
}

/// Whether a character that begins with this byte may have to be escaped. Control characters outside of ASCII
/// begin with C2, those that change the direction of text with E2.
fn may_be_special(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'&' | b'"' | 0..=0x1f | 0x7f | 0xc2 | 0xe2)
}

fn push_letter(out: &mut String, letter: char) {
    match letter {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        '"' => out.push_str("&quot;"),
        '\t' | '\n' => out.push(letter),
        // HTML has no control characters, and characters that change the direction of text are
        // removed, too.
        letter if letter.is_control() || is_bidi(letter) => out.push('\u{fffd}'),
        letter => out.push(letter),
    }
}

/// Whether a character changes the direction of text, which can make it look different from what it
/// is.
fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends a text, with its links and addresses.
pub fn push(out: &mut String, text: &str, addresses: Addresses) {
    let mut rest = text;
    while let Some(at) = rest.find(['@', ':']) {
        let (before, after) = rest.split_at(at);
        if after.starts_with("://")
            && let Some(scheme) =
                ["https", "http", "ftp"].into_iter().find(|scheme| ends_with_word(before, scheme))
        {
            push_escaped(out, &before[..before.len() - scheme.len()]);
            let length = url_length(&rest[at - scheme.len()..]);
            let url = &rest[at - scheme.len()..at - scheme.len() + length];
            let escaped = escape(url).replace('@', "&#64;");
            out.push_str(&format!("<a href=\"{escaped}\" rel=\"nofollow noopener\">{escaped}</a>"));
            rest = &rest[at - scheme.len() + length..];
            continue;
        }
        let local = local_part(before);
        let domain = domain(&after[1..]);
        if after.starts_with('@') && !local.is_empty() && !domain.is_empty() {
            push_escaped(out, &before[..before.len() - local.len()]);
            let sign = match addresses {
                Addresses::Shown | Addresses::Exact => "&#64;",
                Addresses::Obscured => " at ",
            };
            out.push_str(&format!("{}{sign}{domain}", escape(local)));
            rest = &after[1 + domain.len()..];
            continue;
        }
        push_escaped(out, before);
        out.push_str(if after.starts_with('@') { "&#64;" } else { ":" });
        rest = &after[1..];
    }
    push_escaped(out, rest);
}

/// As [`push`], but returns plain text.
pub fn plain(text: &str, is_obscured: bool) -> String {
    if !is_obscured {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let is_address = !local_part(before).is_empty() && !domain(&after[1..]).is_empty();
        out.push_str(if is_address { " at " } else { "@" });
        rest = &after[1..];
    }
    out.push_str(rest);
    out
}

fn ends_with_word(text: &str, word: &str) -> bool {
    text.strip_suffix(word)
        .is_some_and(|before| !before.ends_with(|letter: char| letter.is_ascii_alphanumeric()))
}

fn url_length(text: &str) -> usize {
    let end = text
        .find(|letter: char| {
            letter.is_whitespace() || letter.is_control() || "<>\"'`{}|\\^".contains(letter)
        })
        .unwrap_or(text.len());
    let mut url = &text[..end];
    let surplus = |open: char, close: char| {
        url.matches(close).count().saturating_sub(url.matches(open).count())
    };
    let (mut round, mut square) = (surplus('(', ')'), surplus('[', ']'));
    // Punctuation at the end of a sentence is not part of the address.
    while let Some(last) = url.chars().last() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '*' | '_' => {}
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            _ => break,
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url.len()
}

/// Returns the local part at the end of a text.
fn local_part(text: &str) -> &str {
    let is_part =
        |letter: char| letter.is_alphanumeric() || "._%+-=/!#$&'*?^`{|}~".contains(letter);
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, letter)| is_part(*letter))
        .last()
        .map_or(text.len(), |(start, _)| start);
    text[start..].trim_start_matches(['\'', '`', '*', '|', '/', '='])
}

/// Returns the domain at the start of a text.
fn domain(text: &str) -> &str {
    let end = text
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '.' || letter == '-'))
        .unwrap_or(text.len());
    let domain = text[..end].trim_end_matches(['.', '-']);
    if domain.contains('.') && !domain.starts_with(['.', '-']) { domain } else { "" }
}

/// Encodes a text for a part of a URL (RFC 3986).
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn html(text: &str, addresses: Addresses) -> String {
        let mut out = String::new();
        push(&mut out, text, addresses);
        out
    }

    #[test]
    fn a_link_ends_before_what_closes_a_sentence_however_long_that_is() {
        assert_eq!(url_length("http://x.example/a_(b))."), "http://x.example/a_(b)".len());
        assert_eq!(url_length("http://x.example/[a]],"), "http://x.example/[a]".len());
        // Quadratic work would not finish in time.
        let long = format!("http://x.example/{}", ")]".repeat(1_000_000));
        assert_eq!(url_length(&long), "http://x.example/".len());
    }

    #[test]
    fn links_end_where_sentences_do() {
        let link = |url: &str| format!("<a href=\"{url}\" rel=\"nofollow noopener\">{url}</a>");
        for (text, url, rest) in [
            ("http://a.example/b?c=d&e.", "http://a.example/b?c=d&amp;e", "."),
            ("https://a.example/w_(x))", "https://a.example/w_(x)", ")"),
            ("https://a.example/\">", "https://a.example/", "&quot;&gt;"),
            ("https://x:y@a.example/", "https://x:y&#64;a.example/", ""),
        ] {
            assert_eq!(
                html(&format!("see {text}"), Addresses::Obscured),
                format!("see {}{rest}", link(url))
            );
        }
        assert_eq!(html("javascript://x xhttp://y", Addresses::Shown), "javascript://x xhttp://y");
    }

    #[test]
    fn addresses_are_obscured_and_nothing_else() {
        let text = "Anna <anna@x.example>, @you a@b";
        assert_eq!(
            html(text, Addresses::Obscured),
            "Anna &lt;anna at x.example&gt;, &#64;you a&#64;b"
        );
        assert!(html(text, Addresses::Exact).contains("anna&#64;x.example"));
        assert_eq!(plain(text, true), "Anna <anna at x.example>, @you a@b");
        assert_eq!(plain(text, false), text);
    }

    #[test]
    fn text_cannot_turn_itself_around() {
        assert_eq!(html("a\u{202e}b\u{7}", Addresses::Shown), "a\u{fffd}b\u{fffd}");
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup(text in "([a-z:/@.<>&\"' ]|http://|a@b.c|é){0,30}") {
            for addresses in [Addresses::Shown, Addresses::Obscured, Addresses::Exact] {
                let html = html(&text, addresses);
                let bare = html.replace("<a href=\"", "").replace("\" rel=\"nofollow noopener\">", "").replace("</a>", "");
                prop_assert!(!bare.contains(['<', '>', '"']), "{}", html);
                prop_assert!(!html.contains('@'), "{}", html);
            }
        }
    }
}
