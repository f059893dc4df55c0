//! The addresses of existing pages: Pipermail's, or our own if the index was lost.

use crate::ArchiveError;
use crate::article::bare_id;
use crate::place::{ArchivePlace, names_in};
use crate::volume::Name;
use dormouse_store::archive_index::{ArchiveIndex, KnownNumber};
use std::fs;
use std::io::Read;

/// The number of bytes of a page that are read: its head, where both Pipermail's pages and ours
/// have the Message-ID.
const HEAD: u64 = 16 * 1024;

/// Records every page in the volumes of a list, unless the index already has numbers.
pub fn survey(index: &ArchiveIndex, place: &ArchivePlace) -> Result<(), ArchiveError> {
    if index.next_number()? > 0 {
        return Ok(());
    }
    for volume in names_in(&place.tree())?.iter().filter(|name| Name::parse(name).is_some()) {
        let directory = place.tree().join(volume);
        for file in names_in(&directory)? {
            let Some(number) = number_of(&file) else { continue };
            let path = directory.join(&file);
            let mut head = Vec::new();
            fs::File::open(&path)
                .and_then(|file| file.take(HEAD).read_to_end(&mut head))
                .map_err(ArchiveError::io("read", &path))?;
            let message_id = message_id(&String::from_utf8_lossy(&head)).unwrap_or_default();
            index.know(&KnownNumber {
                number,
                volume: volume.clone(),
                message_id,
                digest: None,
            })?;
        }
    }
    Ok(())
}

/// Returns the number in a file name such as `000123.html`.
fn number_of(file: &str) -> Option<i64> {
    let digits = file.strip_suffix(".html")?;
    let is_number = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Returns the Message-ID in a page: our pages have a `meta` element, Pipermail's have a link for
/// replies.
fn message_id(page: &str) -> Option<String> {
    if let Some(rest) = page.split("<meta name=\"message-id\" content=\"").nth(1) {
        return Some(unescape(rest.split('"').next()?));
    }
    let rest = page.split("In-Reply-To=").nth(1)?;
    let value = rest.split(['"', '&', '>']).next()?;
    let id = bare_id(&unescape(&percent_decode(value)));
    (!id.is_empty()).then_some(id)
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&#60;", "<")
        .replace("&gt;", ">")
        .replace("&#62;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
        .replace("&#38;", "&")
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_tell_their_message_id() {
        for (page, id) in [
            (
                "<A HREF=\"mailto:l%40x?Subject=Re%3A%20a&In-Reply-To=%3C1%2B2%40x.example%3E\"",
                Some("1+2@x.example"),
            ),
            ("<meta name=\"message-id\" content=\"a&#34;b@x\">", Some("a\"b@x")),
            ("<meta name=\"message-id\" content=\"\">", Some("")),
            ("nothing", None),
        ] {
            assert_eq!(message_id(page).as_deref(), id, "{page}");
        }
        assert_eq!(number_of("000123.html"), Some(123));
        assert_eq!(number_of("1234567.html"), Some(1_234_567));
        for other in ["thread.html", "00012.html", "000123.txt", "-00123.html"] {
            assert_eq!(number_of(other), None);
        }
    }
}
