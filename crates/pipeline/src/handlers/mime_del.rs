//! The content filter (docs/spec/pipeline.md §2.6).

use super::{Flow, HandlerError, Post, Reason};
use dormouse_mail::html;
use dormouse_mail::tree::{Content, Multipart, Node};
use dormouse_membership::Output;
use dormouse_spool::{Entry, Queue};
use dormouse_store::{FilterAction, ListSettings};

/// Removes parts that the list does not want. A post of which nothing is left is treated as the
/// list's `filter_action` says.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let settings = &post.list.settings;
    if !settings.filter_content || post.envelope().is_digest() {
        return Ok(Flow::Next);
    }
    let mut root = Node::of(&post.message);
    root.open_encoded();
    if let Some(reason) = unwanted(&root, settings) {
        return Ok(dispose(post, reason));
    }
    let mut filter = Filter { settings, changed: false };
    if !filter.take_out(&mut root) {
        let text = "After content filtering, the message was empty";
        return Ok(dispose(post, Reason::new("filter_content", text)));
    }
    if settings.collapse_alternatives {
        filter.collapse_alternatives(&mut root);
    }
    filter.collapse_single(&mut root);
    if settings.convert_html_to_plaintext {
        filter.html_to_text(&mut root);
    }
    filter.drop_empty_first(&mut root);
    if filter.changed {
        post.message = root.into_message();
        let program = concat!("dormouse ", env!("CARGO_PKG_VERSION"));
        post.message.append("X-Content-Filtered-By", program);
    }
    Ok(Flow::Next)
}

/// Returns why a part is unwanted, if it is: because of its type or its file extension.
fn unwanted(node: &Node, settings: &ListSettings) -> Option<Reason> {
    let kind = node.content_type().value;
    let main = kind.split('/').next().unwrap_or_default().to_owned();
    let names = |list: &[String]| {
        list.iter().any(|one| one.eq_ignore_ascii_case(&kind) || one.eq_ignore_ascii_case(&main))
    };
    if names(&settings.filter_mime_types) {
        let text = "The message's content type was explicitly disallowed";
        return Some(Reason::new("filter_mime_types", text));
    }
    if !settings.pass_mime_types.is_empty() && !names(&settings.pass_mime_types) {
        let text = "The message's content type was not explicitly allowed";
        return Some(Reason::new("pass_mime_types", text));
    }
    let name = node.file_name()?.to_lowercase();
    let (_, ending) = name.rsplit_once('.')?;
    let names = |list: &[String]| {
        list.iter().any(|one| one.trim_start_matches('.').eq_ignore_ascii_case(ending))
    };
    if names(&settings.filter_filename_extensions) {
        let text = "The message's file extension was explicitly disallowed";
        return Some(Reason::new("filter_filename_extensions", text));
    }
    if !settings.pass_filename_extensions.is_empty() && !names(&settings.pass_filename_extensions) {
        let text = "The message's file extension was not explicitly allowed";
        return Some(Reason::new("pass_filename_extensions", text));
    }
    None
}

fn is_signed(node: &Node) -> bool {
    matches!(node.content_type().value.as_str(), "multipart/signed" | "multipart/encrypted")
}

struct Filter<'s> {
    settings: &'s ListSettings,
    changed: bool,
}

impl Filter<'_> {
    /// Removes unwanted parts, and multiparts that have lost all of theirs. Returns false if this
    /// node must be removed.
    fn take_out(&mut self, node: &mut Node) -> bool {
        if node.is_closed() {
            // It is nested too deep to be inspected.
            self.changed = true;
            return false;
        }
        match &mut node.content {
            Content::Leaf(_) => true,
            Content::Message(inner) => {
                let keep = unwanted(inner, self.settings).is_none() && self.take_out(inner);
                self.changed |= !keep;
                keep
            }
            Content::Multipart(multipart) => {
                let before = multipart.parts().len();
                multipart
                    .retain(|part| unwanted(part, self.settings).is_none() && self.take_out(part));
                self.changed |= multipart.parts().len() < before;
                !multipart.parts().is_empty()
            }
        }
    }

    /// Replaces every multipart/alternative by its first part that is not empty.
    fn collapse_alternatives(&mut self, node: &mut Node) {
        if is_signed(node) {
            return;
        }
        while node.content_type().value == "multipart/alternative"
            && self.becomes(node, Multipart::into_first_filled)
        {}
        self.below(node, Filter::collapse_alternatives);
    }

    /// Replaces every multipart with a single part by that part.
    fn collapse_single(&mut self, node: &mut Node) {
        while !is_signed(node)
            && matches!(&node.content, Content::Multipart(multipart) if multipart.parts().len() == 1)
            && self.becomes(node, Multipart::into_first)
        {}
        if !is_signed(node) {
            self.below(node, Filter::collapse_single);
        }
    }

    /// Replaces a node by one of its parts. Other header fields of the node stay: the message's
    /// own, or none for a part.
    fn becomes(&mut self, node: &mut Node, one: fn(Multipart) -> Option<Node>) -> bool {
        let content = std::mem::replace(&mut node.content, Content::Leaf(Vec::new()));
        let Content::Multipart(multipart) = content else {
            node.content = content;
            return false;
        };
        let Some(part) = one(multipart) else { return false };
        node.become_part(part);
        self.changed = true;
        true
    }

    fn html_to_text(&mut self, node: &mut Node) {
        if is_signed(node) {
            return;
        }
        if matches!(node.content, Content::Leaf(_)) && node.content_type().value == "text/html" {
            let text = html::to_text(&node.text());
            node.set_text(&text);
            self.changed = true;
        }
        self.below(node, Filter::html_to_text);
    }

    /// Removes a blank first part of two: the filter has removed all that the poster wrote there.
    fn drop_empty_first(&mut self, root: &mut Node) {
        if is_signed(root) {
            return;
        }
        let blank_first = match &mut root.content {
            Content::Multipart(multipart) => {
                let found = multipart.parts().len() == 2 && multipart.parts()[0].is_empty();
                if found {
                    let mut number = 0;
                    multipart.retain(|_| {
                        number += 1;
                        number > 1
                    });
                }
                found
            }
            _ => false,
        };
        if blank_first {
            self.becomes(root, Multipart::into_first);
        }
    }

    fn below(&mut self, node: &mut Node, work: fn(&mut Self, &mut Node)) {
        match &mut node.content {
            Content::Leaf(_) => {}
            Content::Message(inner) => work(self, inner),
            Content::Multipart(multipart) => {
                multipart.parts_mut().iter_mut().for_each(|part| work(self, part));
            }
        }
    }
}

fn dispose(post: &mut Post<'_>, reason: Reason) -> Flow {
    match post.list.settings.filter_action {
        FilterAction::Reject => return Flow::Reject(reason),
        FilterAction::Forward => {
            let notice = post.notices().content_filtered(&post.message, &reason.text);
            post.outputs.push(notice);
        }
        FilterAction::Preserve if post.config.preserve_filtered => {
            let entry = Entry::new(post.message.to_bytes(), post.metadata.clone());
            post.outputs.push(Output { queue: Queue::Bad, label: "filtered".to_owned(), entry });
        }
        FilterAction::Preserve | FilterAction::Discard => {}
    }
    Flow::Discard(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, Outcome};

    const MIXED: &str = "From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: image/png\nContent-Disposition: attachment; filename=\"x.png\"\n\nPNG\n--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename*=utf-8''evil.EXE\n\nMZ\n--b--\n";
    const ALTERNATIVE: &str = "From: a@x.example\nSubject: s\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\nplain\n--b\nContent-Type: text/html\n\n<p>html</p>\n--b--\n";

    fn filtered(settings: &[(&str, &str)], raw: &str) -> Outcome {
        let on = [("filter_content", "yes")];
        Fixture::new(&[&on[..], settings].concat()).run(run, raw, |_| {})
    }

    #[test]
    fn without_the_setting_and_in_digests_nothing_is_filtered() {
        assert_eq!(Fixture::new(&[]).run(run, MIXED, |_| {}).text(), MIXED);
        let fixture = Fixture::new(&[("filter_content", "yes")]);
        assert_eq!(fixture.run(run, MIXED, |data| data.set_int("isdigest", 1)).text(), MIXED);
    }

    #[test]
    fn a_post_that_is_an_unwanted_message_goes_with_it() {
        let raw = "From: a@x.example\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: text/plain; name=evil.exe\n\nMZ\n";
        let discard = [("pass_mime_types", ""), ("filter_action", "discard")];
        assert!(matches!(filtered(&discard, raw).flow, Flow::Discard(_)));
        let outcome = filtered(&discard, &raw.replace("evil.exe", "good.txt"));
        assert_eq!(outcome.flow, Flow::Next);
    }

    #[test]
    fn parts_go_by_type_and_by_ending() {
        // settings, what is left of hello, PNG, MZ
        type Settings = &'static [(&'static str, &'static str)];
        let cases: [(Settings, &[&str]); 6] = [
            (&[], &["hello"]),
            (&[("pass_mime_types", "")], &["hello", "PNG"]),
            (&[("pass_mime_types", ""), ("filter_mime_types", "image")], &["hello"]),
            (
                &[
                    ("pass_mime_types", ""),
                    ("filter_mime_types", "image/png"),
                    ("filter_filename_extensions", ""),
                ],
                &["hello", "MZ"],
            ),
            (
                &[("pass_mime_types", "multipart,image,text"), ("filter_filename_extensions", "")],
                &["hello", "PNG", "MZ"],
            ),
            (
                &[
                    ("pass_mime_types", ""),
                    ("filter_filename_extensions", ""),
                    ("pass_filename_extensions", "png"),
                ],
                &["hello", "PNG"],
            ),
        ];
        for (settings, left) in cases {
            let outcome = filtered(settings, MIXED);
            assert_eq!(outcome.flow, Flow::Next, "{settings:?}");
            for part in ["hello", "PNG", "MZ"] {
                assert_eq!(
                    outcome.text().contains(part),
                    left.contains(&part),
                    "{settings:?} {part}"
                );
            }
            assert_eq!(outcome.message.has("X-Content-Filtered-By"), left.len() < 3);
        }
    }

    #[test]
    fn one_part_that_is_left_becomes_the_message() {
        let text = filtered(&[], MIXED).text();
        assert!(text.starts_with("From: a@x.example\nX-Content-Filtered-By: "), "{text}");
        assert!(text.ends_with("\n\nhello"), "{text}");
    }

    #[test]
    fn alternatives_collapse_and_html_becomes_text() {
        let collapsed = filtered(&[("pass_mime_types", "")], ALTERNATIVE);
        assert!(collapsed.text().ends_with("\n\nplain"), "{}", collapsed.text());
        assert_eq!(collapsed.message.text("Subject").as_deref(), Some("s"));
        let both =
            filtered(&[("pass_mime_types", ""), ("collapse_alternatives", "no")], ALTERNATIVE)
                .text();
        assert!(both.contains("plain") && both.contains("\n\nhtml\n"), "{both}");
        assert!(!both.contains("<p>"), "{both}");
        let kept = [
            ("pass_mime_types", ""),
            ("convert_html_to_plaintext", "no"),
            ("collapse_alternatives", "no"),
        ];
        assert_eq!(filtered(&kept, ALTERNATIVE).text(), ALTERNATIVE);
        let html = "Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<p>Gr=FC=DFe</p>\n";
        let outcome = filtered(&[("pass_mime_types", "text")], html);
        assert_eq!(dormouse_mail::mime::first_text(&outcome.message).as_deref(), Some("Grüße\n"));
    }

    #[test]
    fn a_blank_first_part_of_two_goes() {
        let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n \n--b\nContent-Type: image/png\n\nPNG\n--b--\n";
        let outcome = filtered(&[("pass_mime_types", "")], raw);
        assert_eq!(outcome.message.text("Content-Type").as_deref(), Some("image/png"));
        assert_eq!(outcome.message.body(), b"PNG");
    }

    #[test]
    fn nothing_signed_is_altered_but_by_taking_out() {
        let raw = "Content-Type: multipart/signed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--c\nContent-Type: text/html\n\n<p>two</p>\n--c--\n--b\nContent-Type: application/pgp-signature\n\nsig\n--b--\n";
        assert_eq!(filtered(&[("pass_mime_types", "")], raw).text(), raw);
    }

    #[test]
    fn a_site_may_forbid_to_preserve() {
        let image = "From: a@x.example\nContent-Type: image/png\n\nPNG\n";
        let mut fixture = Fixture::new(&[("filter_content", "yes"), ("filter_action", "preserve")]);
        fixture.config("preserve_filtered", "no");
        let outcome = fixture.run(run, image, |_| {});
        assert!(matches!(outcome.flow, Flow::Discard(_)) && outcome.outputs.is_empty());
    }

    #[test]
    fn forwarded_messages_are_looked_into() {
        let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: image/png\n\nPNG\n--b--\n";
        let text = filtered(&[], raw).text();
        assert!(text.contains("hello") && !text.contains("inner"), "{text}");
    }

    #[test]
    fn messages_are_looked_into_however_they_are_wrapped() {
        let inner = "Subject: inner\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nkept\n--c\nContent-Type: application/x-evil; name=evil.exe\n\nMZ\n--c--\n";
        let base64 =
            String::from_utf8(dormouse_mail::transfer::base64_encode(inner.as_bytes(), b"\n"))
                .unwrap();
        let quoted = inner.replace('=', "=3D");
        let nested = format!("{}{inner}", "Content-Type: message/rfc822\n\n".repeat(20));
        let level = |number: usize| {
            format!("--n{number}\nContent-Type: multipart/mixed; boundary=n{}\n\n", number + 1)
        };
        let deep: String = (0..70).map(level).collect();
        let deep = format!("{deep}--n70\n{}", inner.strip_prefix("Subject: inner\n").unwrap());
        for (kind, encoding, content, is_kept) in [
            ("Content-Type: message/rfc822\n", "base64", base64.as_str(), true),
            ("Content-Type: message/rfc822\n", "quoted-printable", &quoted, true),
            ("Content-Type: message/global\n", "8bit", inner, true),
            ("Content-Type: message/news\n", "7bit", inner, true),
            ("Content-Type: message/rfc822\n", "x-odd", inner, true),
            ("", "base64", &base64, true),
            ("Content-Type: message/rfc822\n", "7bit", &nested, false),
            ("Content-Type: multipart/mixed; boundary=n0\n", "7bit", &deep, false),
        ] {
            let raw = format!(
                "From: a@x.example\nContent-Type: multipart/digest; boundary=b\n\n--b\nContent-Type: text/plain\n\nhello\n--b\n{kind}Content-Transfer-Encoding: {encoding}\n\n{content}\n--b--\n"
            );
            let text = filtered(&[("pass_mime_types", "")], &raw).text();
            assert!(
                text.contains("hello") && !text.contains("MZ") && !text.contains("evil"),
                "{kind}{encoding}: {text}"
            );
            assert_eq!(text.contains("kept"), is_kept, "{kind}{encoding}: {text}");
        }
    }

    #[test]
    fn what_nothing_is_left_of_is_disposed_of_as_the_list_says() {
        let image = "From: a@x.example\nContent-Type: image/png\n\nPNG\n";
        let emptied = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\nPNG\n--b--\n";
        let cases = [
            ("discard", "discard", None),
            ("reject", "reject", None),
            ("forward", "discard", Some(Queue::Virgin)),
            ("preserve", "discard", Some(Queue::Bad)),
        ];
        for (action, verdict, queue) in cases {
            let outcome = filtered(&[("filter_action", action)], image);
            assert_eq!(outcome.stopped(), Some((verdict, Some("pass_mime_types"))), "{action}");
            let queues: Vec<Queue> = outcome.outputs.iter().map(|output| output.queue).collect();
            assert_eq!(queues, queue.into_iter().collect::<Vec<_>>(), "{action}");
            let outcome = filtered(&[("filter_action", action)], emptied);
            assert_eq!(outcome.stopped(), Some((verdict, Some("filter_content"))), "{action}");
        }
    }
}
