//! Quoting for unit files. Each directive has its own rules (systemd.syntax(7), systemd.exec(5));
//! the functions are named after their use.

/// Quotes a path that is a whole value, such as a condition's, in which only specifiers are
/// expanded.
pub fn plain(path: &str) -> String {
    path.replace('%', "%%")
}

/// Quotes a directory in a pattern: glob(3) with braces.
pub fn literal_in_glob(path: &str) -> String {
    let mut quoted = String::with_capacity(path.len());
    for character in path.chars() {
        if is_glob_special(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    plain(&quoted)
}

/// Whether a character is special to glob(3).
pub fn is_glob_special(character: char) -> bool {
    matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\')
}

/// Quotes a word of `ExecStart=`, or a field of `tmpfiles.d` and `sysusers.d`, with C's escapes.
/// The value of `ExecStart=` must begin with `:`, or `$` would refer to a variable.
pub fn word(text: &str) -> String {
    format!("\"{}\"", plain(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// Parses such a word after its first quote; `None` if it has no end.
pub fn unquoted(rest: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text.replace("%%", "%")),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}

/// Quotes an element of a list of paths (`ReadWritePaths=`), in which a backslash is not special.
pub fn path_in_list(path: &str) -> String {
    let parts: Vec<_> = plain(path).split('"').map(|part| format!("\"{part}\"")).collect();
    parts.join("'\"'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths_are_only_put_in_quotes() {
        assert_eq!(plain("/var/lib/dormouse"), "/var/lib/dormouse");
        assert_eq!(literal_in_glob("/var/lib/dormouse"), "/var/lib/dormouse");
        assert_eq!(word("/var/lib/dormouse"), "\"/var/lib/dormouse\"");
        assert_eq!(path_in_list("/var/lib/dormouse"), "\"/var/lib/dormouse\"");
    }

    #[test]
    fn specials_are_taken_literally() {
        assert_eq!(plain("/a b/100%"), "/a b/100%%");
        assert_eq!(literal_in_glob("/a[1]{2}*?%\\"), r"/a\[1\]\{2\}\*\?%%\\");
        assert_eq!(word(r#"/a "b" c\d$E%i"#), r#""/a \"b\" c\\d$E%%i""#);
        assert_eq!(path_in_list(r#"/a"b\c%"#), r#""/a"'"'"b\c%%""#);
    }

    /// Reads a word like systemd: quotes may begin and end anywhere in it.
    fn read_word(text: &str, escapes: bool) -> Option<String> {
        let (mut word, mut quote, mut characters) = (String::new(), None, text.chars());
        while let Some(character) = characters.next() {
            match (quote, character) {
                (_, '\\') if escapes => word.push(characters.next()?),
                (None, '"' | '\'') => quote = Some(character),
                (None, ' ' | '\t') => return None,
                (Some(open), character) if open == character => quote = None,
                (_, character) => word.push(character),
            }
        }
        quote.is_none().then_some(word)
    }

    /// Expands specifiers, of which only `%%` is defined.
    fn expand(text: &str) -> Option<String> {
        let (mut expanded, mut characters) = (String::new(), text.chars());
        while let Some(character) = characters.next() {
            if character == '%' && characters.next()? != '%' {
                return None;
            }
            expanded.push(character);
        }
        Some(expanded)
    }

    proptest! {
        #[test]
        fn what_systemd_reads_is_what_was_meant(path in "/[ -~à-ÿ]{0,40}") {
            prop_assert_eq!(expand(&plain(&path)), Some(path.clone()));
            prop_assert_eq!(read_word(&word(&path), true).and_then(|word| expand(&word)), Some(path.clone()));
            prop_assert_eq!(read_word(&path_in_list(&path), false).and_then(|word| expand(&word)), Some(path));
        }
    }
}
