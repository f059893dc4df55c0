//! Text in any charset.

use mail_parser::decoders::charsets::map::charset_decoder;
use std::borrow::Cow;

/// Decodes bytes of a named charset. One that nobody knows is tried as UTF-8, then Latin-1: there
/// is always a text.
pub fn decode(charset: &str, bytes: &[u8]) -> String {
    let name = charset.trim().to_ascii_lowercase();
    match name.as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" | "" => decode_raw(bytes).into_owned(),
        _ => match charset_decoder(name.as_bytes()) {
            Some(decoder) => decoder(bytes),
            None => decode_raw(bytes).into_owned(),
        },
    }
}

/// Decodes bytes that say nothing of their charset: UTF-8, or else Latin-1.
pub fn decode_raw(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// The bytes of a text in that charset; `None` when the charset is not known or cannot hold it.
pub fn encode(charset: &str, text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() && is_ascii_superset(charset) {
        return Some(text.as_bytes().to_vec());
    }
    let name = charset.trim();
    // Bytes without a charset were read as UTF-8.
    let name = if name.is_empty() { "utf-8" } else { name };
    if name.eq_ignore_ascii_case("us-ascii") || name.eq_ignore_ascii_case("ascii") {
        return None;
    }
    let (bytes, _, unmappable) = encoding_rs::Encoding::for_label(name.as_bytes())?.encode(text);
    (!unmappable).then(|| bytes.into_owned())
}

/// Whether ASCII text means the same in that charset, so that it can be added to it as it is.
pub fn is_ascii_superset(charset: &str) -> bool {
    let name = charset.trim().to_ascii_lowercase();
    [
        "", "us-ascii", "ascii", "utf-8", "utf8", "koi8-r", "koi8-u", "big5", "euc-jp", "euc-kr",
        "gb2312", "gbk", "gb18030",
    ]
    .contains(&name.as_str())
        || ["iso-8859-", "windows-125", "cp125"].iter().any(|prefix| name.starts_with(prefix))
}
