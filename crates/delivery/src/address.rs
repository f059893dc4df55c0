//! Which addresses may be sent between the angle brackets of MAIL and RCPT.

/// Why an address must not go on the wire; `None` when it may.
///
/// This is a guard, not a grammar: it keeps an address from ending its command or its path
/// (RFC 5321 §4.1.2) and leaves everything else to the server, which knows its own rules. In a quoted
/// local part (`"a b"@c`) a space or an angle bracket ends nothing.
pub fn problem(address: &str) -> Option<&'static str> {
    if address.is_empty() {
        return Some("the address is empty");
    }
    // C1 controls do not end lines on the wire, but do not belong in an address either.
    let is_control = match address.is_ascii() {
        true => address.bytes().any(|byte| byte.is_ascii_control()),
        false => address.chars().any(char::is_control),
    };
    if is_control {
        return Some("the address contains a control character");
    }
    if unquoted(address).contains([' ', '<', '>']) {
        return Some("the address contains a space or an angle bracket");
    }
    None
}

/// Whether a text consists of bytes that end nothing wherever they are: then no piece of it has a
/// [`problem`], except an empty one. It is the same for many addresses as for one.
pub fn is_harmless(text: &str) -> bool {
    // Without an early end the compiler looks at many bytes in one step.
    text.bytes().fold(true, |is_harmless, byte| {
        is_harmless & byte.is_ascii_graphic() & (byte != b'<') & (byte != b'>') & (byte != b'"')
    })
}

/// The address without its quoted local part, if that is complete.
fn unquoted(address: &str) -> &str {
    let Some(inside) = address.strip_prefix('"') else { return address };
    let mut characters = inside.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            // The next character is literal.
            '\\' => drop(characters.next()),
            '"' => {
                let rest = &inside[place + 1..];
                return if rest.starts_with('@') { rest } else { address };
            }
            _ => {}
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::{problem, unquoted};
    use proptest::prelude::*;

    #[test]
    fn ordinary_and_odd_addresses_pass() {
        for address in [
            "anna@example.org",
            "a+b=c@[127.0.0.1]",
            "postmaster",
            "grün@münchen.example",
            "\"a@b\"@c",
            "\"q q\"@c",
            "\"a <b> \\\" c\"@d",
        ] {
            assert_eq!(problem(address), None, "{address}");
        }
    }

    #[test]
    fn what_could_end_the_command_does_not() {
        for address in [
            "",
            "a b@c",
            "a@c\r\nRCPT TO:<x",
            "a@c>",
            "\"a b@c",
            "\"a\" b@c",
            "\"a\\\" b@c",
            "\"a b\"@c d",
            "\"a b\"@c>",
            "\"a b\"",
            "a\" b\"@c",
            "<a@c",
            "a@c\n",
            "a\0@c",
            "a\t@c",
            "a\u{85}@c",
        ] {
            assert!(problem(address).is_some(), "{address:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_stays_one_line_and_one_path(address in any::<String>()) {
            if problem(&address).is_none() {
                prop_assert!(!address.bytes().any(|byte| byte < b' ' || byte == 0x7f));
                let bare = unquoted(&address);
                prop_assert!(!bare.bytes().any(|byte| byte == b' ' || byte == b'<' || byte == b'>'));
            }
        }
    }
}
