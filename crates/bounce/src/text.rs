//! Addresses in lines of text.

/// The longest address (RFC 5321 §4.5.3.1 allows 254).
const LONGEST: usize = 320;

/// Returns an address without surrounding marks, or `None` if the text is not an address.
pub(crate) fn address(text: &str) -> Option<&str> {
    let mut text = text.trim();
    loop {
        let before = text;
        text = text.trim_matches(AROUND).trim_end_matches('.');
        for prefix in ["mailto:", "rfc822;", "smtp:", "smtp;"] {
            if text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
                text = &text[prefix.len()..];
            }
        }
        if text == before {
            break;
        }
    }
    let (local, domain) = text.rsplit_once('@')?;
    let good_local = !local.is_empty()
        && !local.contains(|letter: char| {
            letter.is_whitespace() || letter.is_control() || "<>@()[],;:\\\"".contains(letter)
        });
    // A domain may have letters of any script (RFC 6531), and hyphens.
    let good_domain = domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter))
        });
    (good_local && good_domain && text.len() <= LONGEST).then_some(text)
}

/// Marks that may surround an address.
const AROUND: &[char] =
    &['<', '>', '(', ')', '[', ']', '{', '}', '"', '\'', '`', ',', ';', ':', '*', '|', '=', ' '];

/// Returns the address in the first angle brackets of a line that contain one.
pub(crate) fn in_angles(line: &str) -> Option<&str> {
    line.split('<').skip(1).find_map(|rest| address(rest.split('>').next()?))
}

/// Returns the address at the start of a line, in angle brackets.
pub(crate) fn leading_angle(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('<')?;
    address(rest.split_once('>')?.0)
}

/// Returns the address in angle brackets at the head of a paragraph: `<a@b>: reason`, or with the
/// reason below.
pub(crate) fn heading(line: &str) -> Option<&str> {
    if line.contains(':') { leading_angle(line) } else { None }
}

/// Returns the address that a line consists of, apart from surrounding marks.
pub(crate) fn alone(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.contains(char::is_whitespace) { None } else { address(line) }
}

/// Returns the first address of a line.
pub(crate) fn anywhere(line: &str) -> Option<&str> {
    in_angles(line).or_else(|| line.split([' ', '\t', '<', '>', '(', ')']).find_map(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_as_reports_write_them() {
        for text in
            ["<a@b-c.example>:", "\"a@b-c.example\"", "SMTP:a@b-c.example", "[SMTP:a@b-c.example]"]
        {
            assert_eq!(address(text), Some("a@b-c.example"), "{text}");
        }
        assert_eq!(anywhere("to a@b.example (a@c.example) failed."), Some("a@b.example"));
        assert_eq!(leading_angle(" <a@b.example>: gone"), Some("a@b.example"));
        assert_eq!(alone("  a@b.example"), Some("a@b.example"));
        assert_eq!(alone("see a@b.example"), None);
        for text in ["a@b", "@b.example", "a b@c.example", "a@b..example", "a@", "<>", "a@b@c.d"] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
