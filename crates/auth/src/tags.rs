//! Lists of tags, `name=value; …` (RFC 6376 §3.2), the syntax of signatures and key records.

/// The tags of a list, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags(Vec<(String, String)>);

impl Tags {
    /// Parses a list. Folds and blanks around names and values are ignored.
    ///
    /// # Errors
    /// If the list is invalid, for example because a tag occurs twice; the text says why.
    pub(crate) fn read(text: &str) -> Result<Tags, String> {
        let mut tags: Vec<(String, String)> = Vec::new();
        let mut pieces = text.split(';').peekable();
        while let Some(piece) = pieces.next() {
            let piece = piece.trim_matches(is_blank);
            // The last tag may be followed by a semicolon.
            if piece.is_empty() && pieces.peek().is_none() {
                break;
            }
            let (name, value) =
                piece.split_once('=').ok_or_else(|| format!("{piece:?} is not a tag"))?;
            let (name, value) = (name.trim_matches(is_blank), value.trim_matches(is_blank));
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name {
                return Err(format!("{name:?} is not the name of a tag"));
            }
            if tags.iter().any(|(known, _)| known == name) {
                return Err(format!("it has the tag {name}= twice"));
            }
            tags.push((name.to_owned(), value.to_owned()));
        }
        Ok(Tags(tags))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(|(name, _)| name.as_str())
    }

    /// Returns the value of a required tag.
    pub(crate) fn need(&self, name: &str) -> Result<&str, String> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("it has no tag {name}="))
    }

    /// Returns the decoded value of a required tag in base64, which may be folded anywhere.
    pub(crate) fn base64(&self, name: &str) -> Result<Vec<u8>, String> {
        decode(self.need(name)?).map_err(|_| format!("its tag {name}= is not base64"))
    }

    /// Returns the items of a tag whose value is separated by colons.
    pub(crate) fn items<'t>(
        &'t self,
        name: &str,
    ) -> Option<impl Iterator<Item = &'t str> + use<'t>> {
        Some(self.get(name)?.split(':').map(|item| item.trim_matches(is_blank)))
    }

    /// Returns the value of a tag with a number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if is_number => Ok(Some(number)),
            _ => Err(format!("its tag {name}= is not a number")),
        }
    }
}

pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Decodes base64 with blanks in it.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    use base64::Engine as _;
    let packed: String = text.chars().filter(|c| !is_blank(*c)).collect();
    base64::engine::general_purpose::STANDARD.decode(packed)
}

/// Returns the value of a field without the value of its tag `b=`, as it is signed (RFC 6376 §3.7).
pub(crate) fn without_b(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for (at, piece) in value.split(|&byte| byte == b';').enumerate() {
        if at > 0 {
            out.push(b';');
        }
        match piece.iter().position(|&byte| byte == b'=') {
            Some(equals) if piece[..equals].trim_ascii() == b"b" => {
                out.extend_from_slice(&piece[..=equals]);
            }
            _ => out.extend_from_slice(piece),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_read_with_its_folds_and_refused_when_a_tag_is_there_twice() {
        let tags = Tags::read(" a=rsa-sha256;\r\n\tb=AA\r\n AA ; h=From : To;t=5;").unwrap();
        assert_eq!(tags.first(), Some("a"));
        assert_eq!(tags.base64("b").unwrap(), [0, 0, 0]);
        assert_eq!(tags.items("h").unwrap().collect::<Vec<_>>(), ["From", "To"]);
        assert_eq!((tags.number("t"), tags.number("x")), (Ok(Some(5)), Ok(None)));
        for bad in ["a=1;a=2", "a", "a=1;;b=2", "a=1; b", "1=a", "a-b=1"] {
            assert!(Tags::read(bad).is_err(), "{bad}");
        }
        assert!(Tags::read("t=-5").unwrap().number("t").is_err());
    }

    #[test]
    fn only_the_value_of_b_goes() {
        for (value, left) in [
            (" v=1; b=abc\r\n def; bh=x", " v=1; b=; bh=x"),
            (" bh=b=; b = abc==", " bh=b=; b ="),
            ("b=x;", "b=;"),
        ] {
            assert_eq!(without_b(value.as_bytes()), left.as_bytes(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(text: String) {
            let _ = Tags::read(&text);
            let once = without_b(text.as_bytes());
            prop_assert_eq!(without_b(&once), once);
        }
    }
}
