//! Removes headers that must not reach the members (docs/spec/pipeline.md §2.12).

use super::{Flow, HandlerError, Post};
use dormouse_mail::address::format_mailbox;
use dormouse_mail::message_id;
use dormouse_membership::patterns;
use dormouse_spool::KEY;

/// Passwords, and requests for receipts, which would tell the poster who reads the list.
const NEVER: [&str; 9] = [
    "Approved",
    "Approve",
    "X-Approved",
    "X-Approve",
    "Urgent",
    "Return-Receipt-To",
    "Disposition-Notification-To",
    "X-Confirm-Reading-To",
    "X-PMRQC",
];

/// Headers that reveal the author.
const TRACES: [&str; 9] = [
    "From",
    "Reply-To",
    "Sender",
    "Organization",
    "Return-Path",
    "X-Originating-Email",
    "Received",
    "Message-ID",
    "X-Envelope-From",
];

/// Stores the original sender in the metadata, then removes the headers.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if post.metadata.envelope().original_sender().is_none()
        && let Some(sender) = post.message.sender()
    {
        post.metadata.edit().original_sender(&sender);
    }
    for name in NEVER {
        post.message.remove(name);
    }
    if post.list.settings.anonymous_list {
        hide_poster(post);
    }
    Ok(Flow::Next)
}

/// Replaces the author by the list everywhere in the header.
fn hide_poster(post: &mut Post<'_>) {
    for name in TRACES {
        post.message.remove(name);
    }
    let keep = &post.config.anonymous_keep;
    let gone: Vec<String> = post
        .message
        .fields()
        .map(|field| String::from_utf8_lossy(field.name()).into_owned())
        .filter(|name| {
            let text = format!("{name}:");
            !keep.iter().any(|pattern| {
                patterns::matches_start(&*post, "anonymous.keep_headers", pattern, &text)
            })
        })
        .collect();
    for name in gone {
        post.message.remove(&name);
    }
    // A seal would reveal the author's domain.
    post.metadata.remove(KEY.auth_results);
    let list = post.list;
    let address = list.address();
    let from = format_mailbox(&list.settings.description, &address);
    post.message.append_raw("From", from.as_bytes());
    post.message.append_raw("Reply-To", address.as_bytes());
    let id = message_id::generate(list.local_part(), &list.settings.host_name);
    post.message.append_raw("Message-ID", id.as_bytes());
    post.message.forget_unix_from();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn passwords_and_receipts_never_reach_the_members() {
        let raw: String = NEVER.iter().map(|name| format!("{name}: secret\n")).collect();
        let outcome = Fixture::new(&[]).run(run, &format!("From: A@x.example\n{raw}\nx\n"), |_| {});
        assert_eq!(outcome.text(), "From: A@x.example\n\nx\n");
        assert_eq!(outcome.metadata.text("original_sender").unwrap(), "a@x.example");
    }

    #[test]
    fn an_anonymous_list_tells_nothing_of_the_poster() {
        let fixture = Fixture::new(&[("anonymous_list", "yes"), ("description", "Our list")]);
        let traces: String =
            TRACES.iter().map(|name| format!("{name}: anna@x.example\n")).collect();
        let raw = format!(
            "From anna@x.example Mon\n{traces}X-My-Client: anna\nX-Mailman-Foo: 1\nSubject: s\nTo: dev@lists.example\nContent-Type: text/plain\n\nx\n"
        );
        let outcome = fixture.run(run, &raw, |_| {});
        let text = outcome.text();
        assert!(!text.contains("anna"), "{text}");
        assert_eq!(outcome.message.text("From").unwrap(), "Our list <dev@lists.example>");
        assert_eq!(outcome.message.text("Reply-To").unwrap(), "dev@lists.example");
        assert!(outcome.message.text("Message-ID").unwrap().starts_with("<mailman."));
        for kept in ["X-Mailman-Foo: 1", "Subject: s", "To: dev", "Content-Type: text/plain"] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        assert_eq!(outcome.message.senders(), [dormouse_mail::AddressKey::of("dev@lists.example")]);
    }
}
