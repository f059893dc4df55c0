//! What may stand between the angle brackets of MAIL and RCPT.

/// Why an address must not go on the wire; `None` when it may.
///
/// This is a guard, not a grammar: it keeps an address from ending its command or its path
/// (RFC 5321 §4.1.2) and leaves everything else to the server, which knows its own rules.
pub fn problem(address: &str) -> Option<&'static str> {
    if address.is_empty() {
        return Some("the address is empty");
    }
    // C1 controls are no line ends on the wire but have no place in an address either.
    if address.chars().any(char::is_control) {
        return Some("the address contains a control character");
    }
    if address.contains([' ', '<', '>']) {
        return Some("the address contains a space or an angle bracket");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::problem;
    use proptest::prelude::*;

    #[test]
    fn ordinary_and_odd_addresses_pass() {
        for address in [
            "anna@example.org",
            "a+b=c@[127.0.0.1]",
            "postmaster",
            "grün@münchen.example",
            "\"a@b\"@c",
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
                prop_assert!(!address.bytes().any(|byte| byte <= b' ' || byte == b'<' || byte == b'>' || byte == 0x7f));
            }
        }
    }
}
