//! Parses a line into a command (RFC 5321 §4.1, RFC 2033).

use crate::reply::Reply;

/// A client's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The client's name.
    Lhlo(String),
    /// A message from this envelope sender; the null sender is empty.
    Mail {
        /// The sender.
        sender: String,
        /// The size of the message, if given (RFC 1870).
        size: Option<u64>,
        /// Whether addresses may be UTF-8 (RFC 6531).
        utf8: bool,
    },
    /// A recipient.
    Rcpt(String),
    /// The message follows.
    Data,
    /// Abort the transaction.
    Rset,
    /// No operation.
    Noop,
    /// Asks whether an address is valid, which is not revealed.
    Vrfy,
    /// Ends the session.
    Quit,
}

/// Parses a command; if it is invalid, returns the reply that says why.
pub fn parse(line: &[u8]) -> Result<Command, Reply> {
    let line = std::str::from_utf8(line)
        .map_err(|_| Reply::new(500, "5.5.2", "commands are ASCII or UTF-8"))?;
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let alone = |command| {
        let problem = || Reply::new(501, "5.5.4", "this command takes no argument");
        if rest.trim().is_empty() { Ok(command) } else { Err(problem()) }
    };
    match verb.to_ascii_uppercase().as_str() {
        "LHLO" if rest.trim().is_empty() => Err(Reply::new(501, "5.5.4", "LHLO needs your name")),
        "LHLO" => Ok(Command::Lhlo(rest.trim().to_owned())),
        "HELO" | "EHLO" => Err(Reply::new(500, "5.5.1", "this is LMTP: use LHLO")),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => alone(Command::Data),
        "RSET" => alone(Command::Rset),
        "QUIT" => alone(Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        _ => Err(Reply::new(500, "5.5.2", "unknown command")),
    }
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let (sender, parameters) = path(rest, "FROM:")
        .ok_or_else(|| Reply::new(501, "5.5.4", "the syntax is MAIL FROM:<address>"))?;
    let (mut size, mut utf8) = (None, false);
    for parameter in parameters.split_ascii_whitespace() {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (key.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
            ("SIZE", number) => {
                let number = number
                    .parse()
                    .map_err(|_| Reply::new(501, "5.5.4", "SIZE must be a number of bytes"))?;
                size = Some(number);
            }
            ("BODY", "7BIT" | "8BITMIME") | ("SMTPUTF8", "") => utf8 |= key.len() == 8,
            _ => return Err(unknown_parameter()),
        }
    }
    check_utf8(sender, utf8)?;
    Ok(Command::Mail { sender: sender.to_owned(), size, utf8 })
}

fn rcpt(rest: &str) -> Result<Command, Reply> {
    match path(rest, "TO:") {
        Some((recipient, parameters)) if !recipient.is_empty() => {
            if parameters.trim().is_empty() {
                Ok(Command::Rcpt(recipient.to_owned()))
            } else {
                Err(unknown_parameter())
            }
        }
        _ => Err(Reply::new(501, "5.5.4", "the syntax is RCPT TO:<address>")),
    }
}

/// Checks that the client has announced SMTPUTF8 if an address is not ASCII (RFC 6531 §3.5).
pub fn check_utf8(address: &str, allowed: bool) -> Result<(), Reply> {
    if allowed || address.is_ascii() {
        Ok(())
    } else {
        Err(Reply::new(553, "5.6.7", "a non-ASCII address needs SMTPUTF8"))
    }
}

fn unknown_parameter() -> Reply {
    Reply::new(555, "5.5.4", "this parameter was not offered")
}

/// Splits `FROM:<address> parameters` into address and parameters. A route before the address is
/// ignored (RFC 5321 appendix C); a `>` in quotes belongs to the address.
fn path<'l>(rest: &'l str, keyword: &str) -> Option<(&'l str, &'l str)> {
    let rest = rest.trim_start();
    let given = rest.get(..keyword.len())?;
    if !given.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let inside = rest[keyword.len()..].trim_start().strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    let end = inside.find(|c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted => escaped = !was_escaped,
            '"' if !was_escaped => quoted = !quoted,
            '>' => return !quoted,
            _ => {}
        }
        false
    })?;
    let (address, parameters) = (&inside[..end], &inside[end + 1..]);
    if !parameters.is_empty() && !parameters.starts_with(' ')
        || address.chars().any(char::is_control)
    {
        return None;
    }
    let address = match address.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address,
        None => address,
    };
    Some((address, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(line: &str) -> u16 {
        parse(line.as_bytes()).unwrap_err().code
    }

    fn from(line: &str) -> (String, Option<u64>, bool) {
        match parse(line.as_bytes()) {
            Ok(Command::Mail { sender, size, utf8 }) => (sender, size, utf8),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_are_read_as_clients_write_them() {
        assert_eq!(parse(b"lhlo mx.example.org"), Ok(Command::Lhlo("mx.example.org".to_owned())));
        assert_eq!(parse(b"DATA"), Ok(Command::Data));
        assert_eq!(parse(b"NOOP anything"), Ok(Command::Noop));
        assert_eq!(from("MAIL FROM:<>"), (String::new(), None, false));
        assert_eq!(
            from("MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME SMTPUTF8"),
            ("a@b.example".to_owned(), Some(100), true)
        );
        assert_eq!(from("mail from: <a@b>").0, "a@b");
        assert_eq!(from(r#"MAIL FROM:<"a>\"b"@c>"#).0, r#""a>\"b"@c"#);
        assert_eq!(from("MAIL FROM:<@x,@y:a@b>").0, "a@b");
        assert_eq!(parse(b"RCPT TO:<dev@x>"), Ok(Command::Rcpt("dev@x".to_owned())));
        assert_eq!(from("MAIL FROM:<jürgen@x> SMTPUTF8").0, "jürgen@x");
    }

    #[test]
    fn an_invalid_command_gets_a_reason() {
        for (line, expected) in [
            ("", 500),
            ("EHLO x", 500),
            ("LHLO", 501),
            ("DATA now", 501),
            ("MAIL FROM:a@b", 501),
            ("MAIL <a@b>", 501),
            ("MAIL FROM:<a@b", 501),
            ("MAIL FROM:<a@b>x", 501),
            ("MAIL FROM:<a@b> SIZE=many", 501),
            ("MAIL FROM:<a@b> BODY=BINARYMIME", 555),
            ("MAIL FROM:<a@b> RET=FULL", 555),
            ("MAIL FROM:<jürgen@x>", 553),
            ("RCPT TO:<>", 501),
            ("RCPT TO:<a@b> NOTIFY=NEVER", 555),
            ("ÄÖ FROM:<a@b>", 500),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
        assert_eq!(parse(b"RCPT TO:<\xff@x>").unwrap_err().code, 500);
    }

    proptest! {
        #[test]
        fn any_line_is_a_command_or_a_refusal(line: Vec<u8>, verb in prop::sample::select(vec!["", "MAIL FROM:", "RCPT TO:<", "mail from:<\""])) {
            let line = [verb.as_bytes(), &line].concat();
            if let Err(reply) = parse(&line) {
                prop_assert!((500..=555).contains(&reply.code));
            }
        }

        #[test]
        fn addresses_come_through_as_they_are(address in "[a-z0-9.+=_-]{1,20}@[a-z.]{1,20}", size: u32) {
            prop_assert_eq!(from(&format!("MAIL FROM:<{address}> SIZE={size}")), (address.clone(), Some(size.into()), false));
            prop_assert_eq!(parse(format!("RCPT TO:<{address}>").as_bytes()), Ok(Command::Rcpt(address)));
        }
    }
}
