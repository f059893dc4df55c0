//! The mbox format, as in Mailman's digests in progress (docs/spec/archives.md §6).

/// Returns the messages of an mbox, without their `From ` lines and with `>From ` in their bodies
/// unquoted.
pub fn split(mailbox: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut after_blank = true;
    for line in mailbox.split_inclusive(|&byte| byte == b'\n') {
        if after_blank && line.starts_with(b"From ") {
            if let Some(last) = messages.last_mut() {
                drop_separator(last);
            }
            messages.push(Vec::new());
            after_blank = false;
            continue;
        }
        after_blank = line == b"\n" || line == b"\r\n";
        let quoted = line.iter().position(|&byte| byte != b'>').unwrap_or(0);
        let line =
            if quoted > 0 && line[quoted..].starts_with(b"From ") { &line[1..] } else { line };
        match messages.last_mut() {
            Some(message) => message.extend_from_slice(line),
            // No `From ` line at all: one message, unless it is empty.
            None if !line.trim_ascii().is_empty() => messages.push(line.to_vec()),
            None => {}
        }
    }
    if let Some(last) = messages.last_mut() {
        drop_separator(last);
    }
    messages.retain(|message| !message.trim_ascii().is_empty());
    messages
}

/// Removes the blank line that separates messages, which does not belong to them.
fn drop_separator(message: &mut Vec<u8>) {
    if message.ends_with(b"\n\n") {
        message.pop();
    } else if message.ends_with(b"\n\r\n") {
        message.truncate(message.len() - 2);
    }
}

/// Appends a message to an mbox, with its `From ` line.
pub fn append(mailbox: &mut Vec<u8>, message: &[u8], from_line: &str) {
    mailbox.extend_from_slice(from_line.as_bytes());
    mailbox.push(b'\n');
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        let quoted = line.iter().position(|&byte| byte != b'>').unwrap_or(0);
        if line[quoted..].starts_with(b"From ") {
            mailbox.push(b'>');
        }
        mailbox.extend_from_slice(line);
    }
    if !message.ends_with(b"\n") {
        mailbox.push(b'\n');
    }
    mailbox.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_told_apart_and_quotes_undone() {
        let mailbox = b"From a@b Mon\nA: 1\n\n>From here\n>>From there\n\nFrom c@d Tue\nB: 2\n\nx\nFrom inside\n\n";
        assert_eq!(
            split(mailbox),
            [b"A: 1\n\nFrom here\n>From there\n".to_vec(), b"B: 2\n\nx\nFrom inside\n".to_vec()]
        );
        assert!(split(b"").is_empty() && split(b"\n\n").is_empty());
    }

    proptest! {
        #[test]
        fn what_is_appended_is_split_again(
            bodies in prop::collection::vec("[>FromX \n]{0,40}", 0..5)
        ) {
            let messages: Vec<Vec<u8>> =
                bodies.iter().map(|body| format!("A: b\n\n{body}x\n").into_bytes()).collect();
            let mut mailbox = Vec::new();
            for message in &messages {
                append(&mut mailbox, message, "From nobody Mon Nov 23 15:08:03 2026");
            }
            prop_assert_eq!(split(&mailbox), messages);
        }

        #[test]
        fn any_bytes_are_some_messages(bytes: Vec<u8>) {
            split(&bytes);
        }
    }
}
