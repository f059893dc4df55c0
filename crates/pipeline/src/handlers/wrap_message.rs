//! Sets the deferred headers; if the post is to be wrapped, attaches it to a message of the list
//! (docs/spec/pipeline.md §5).

use super::{Flow, HandlerError, Post, deferred, from_munge};
use dormouse_mail::notice::Notice;
use dormouse_mail::{Message, message_id};
use dormouse_spool::KEY;
use dormouse_store::FromIsList;

/// The headers that the outer message copies.
const KEPT: [&str; 5] = ["To", "In-Reply-To", "References", "X-Mailman-Approved-At", "Date"];

/// Sets the deferred headers on the post, or wraps it.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let headers = deferred::all(post);
    if from_munge::mode(post) == FromIsList::Wrap {
        post.message = wrapped(post, &headers);
        // The wrapped post keeps its seals; the outer message is the list's own, and the results
        // are not about it.
        post.metadata.remove(KEY.auth_results);
    } else {
        for (name, value) in &headers {
            post.message.set_raw(name, value.as_bytes());
        }
    }
    deferred::clear(post);
    Ok(Flow::Next)
}

fn wrapped(post: &Post<'_>, headers: &[(String, String)]) -> Message {
    let inner = post.message.to_bytes();
    let mut outer = Message::parse(Vec::new());
    let mut keep = |name: &str| {
        if let Some(field) = post.message.field(name) {
            outer.append_raw(name, field.value());
        }
    };
    KEPT.iter().for_each(|name| keep(name));
    if !headers.iter().any(|(name, _)| name == "Subject") {
        keep("Subject");
    }
    for (name, value) in headers {
        outer.append_raw(name, value.as_bytes());
    }
    let list = post.list;
    let id = message_id::generate(list.local_part(), &list.settings.host_name);
    outer.append_raw("Message-ID", id.as_bytes());
    outer.append_raw("MIME-Version", b"1.0");
    let eight_bit = !inner.is_ascii();
    let text = &list.settings.dmarc_wrapped_message_text;
    if post.envelope().from_is_list() == Some(2) && !text.trim().is_empty() {
        let notice = Notice { text: format!("{}\n", text.trim_end()), ..Notice::default() };
        notice.write_body(&mut outer, &[inner]);
        return outer;
    }
    outer.append_raw("Content-Type", b"message/rfc822");
    outer.append_raw("Content-Disposition", b"inline");
    if eight_bit {
        outer.append_raw("Content-Transfer-Encoding", b"8bit");
    }
    outer.set_body(inner);
    outer
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;
    use dormouse_mail::{Message, mime};

    const RAW: &str = "From: Anna <anna@x.example>\nTo: dev@lists.example\nSubject: x\nX-Mine: y\nMessage-ID: <1@x.example>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\nhello\n";

    fn wrapping() -> Fixture {
        Fixture::new(&[
            ("generic_nonmember_action", "accept"),
            ("from_is_list", "wrap"),
            ("msg_footer", ""),
            ("subject_prefix", "[dev] "),
        ])
    }

    #[test]
    fn the_outer_message_is_the_lists_and_the_inner_one_the_posters() {
        let sent = Message::parse(wrapping().sent(RAW));
        assert_eq!(sent.text("From").unwrap(), "Anna via Dev <dev@lists.example>");
        assert_eq!(sent.text("Subject").unwrap(), "[dev] x");
        assert_eq!(sent.text("Date").unwrap(), "Mon, 23 Nov 2026 10:00:00 +0000");
        assert_eq!(sent.text("Content-Type").unwrap(), "message/rfc822");
        assert!(sent.has("List-Id") && !sent.has("X-Mine"));
        assert_ne!(sent.text("Message-ID").unwrap(), "<1@x.example>");
        let inner = Message::parse(sent.body());
        assert_eq!(inner.to_bytes(), RAW.as_bytes());
    }

    #[test]
    fn a_text_before_a_wrapped_post_is_for_dmarc_only() {
        let fixture = wrapping();
        fixture.set("dev", &[("dmarc_wrapped_message_text", "Wrapped for DMARC.")]);
        assert_eq!(
            Message::parse(fixture.sent(RAW)).text("Content-Type").unwrap(),
            "message/rfc822"
        );
        let outcome = fixture.run(super::run, RAW, |data| data.set_int("from_is_list", 2));
        let root = mime::structure(&outcome.message);
        assert_eq!(root.content_type.value, "multipart/mixed");
        assert_eq!(root.parts[0].text(outcome.message.body()), "Wrapped for DMARC.\n");
        assert_eq!(root.parts[1].content_type.value, "message/rfc822");
    }
}
