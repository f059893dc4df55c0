//! A password in the message lets it through; a post that has been here before is dropped
//! (spec/pipeline.md §2.2).

use super::{Flow, HandlerError, Post, Reason};
use crate::role::{self, Role};
use dormouse_mail::mime::{self, Part};
use dormouse_mail::{Message, charset, transfer};
use dormouse_store::StoreError;
use std::ops::Range;

/// The names under which a password may stand, in a header or as the first line of the text.
pub const NAMES: [&str; 4] = ["Approved", "Approve", "X-Approved", "X-Approve"];

/// Looks for a password, takes it out, and looks for the list's own address in `X-BeenThere`.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let in_header = NAMES.iter().find_map(|name| post.message.text(name));
    let password = match in_header {
        Some(password) => Some(password),
        None => match take_from_text(&mut post.message) {
            Taken::Nothing => None,
            Taken::Password(password) => Some(password),
            Taken::Stuck => {
                return Ok(Flow::Reject(Reason::plain(
                    "Your message had the list's password in it, in a form from which it could not \
                     be taken out safely. Send it again, as plain text or with the password in an \
                     Approved: header.",
                )));
            }
        },
    };
    if let Some(password) = password
        && is_right(post, password.trim())?
    {
        post.metadata.set_int("approved", 1);
        post.metadata.set_int("adminapproved", 1);
    }
    let address = post.list.address();
    let seen = post
        .message
        .fields_named("X-BeenThere")
        .any(|field| field.text().trim().eq_ignore_ascii_case(&address));
    Ok(if seen {
        Flow::Discard(Reason::plain("the post has been through this list already"))
    } else {
        Flow::Next
    })
}

/// Whether it is the poster's, the moderators' or the owners' password. Not the site's.
pub fn is_right(post: &Post<'_>, password: &str) -> Result<bool, StoreError> {
    let roles = [Role::Poster, Role::Moderator, Role::Owner];
    Ok(role::of_password(post.store, post.list, &roles, password)?.is_some())
}

/// What was found in the text.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Nothing,
    /// It was there and is out, right or wrong.
    Password(String),
    /// It is there, and cannot be taken out.
    Stuck,
}

/// The first line of the first text that is not blank may name a password. It is taken out of
/// every text part, because a program that writes HTML writes the same words there.
fn take_from_text(message: &mut Message) -> Taken {
    // Nearly no post has one: do not take it apart for nothing. An encoded one may hide it.
    let is_encoded = message.has("Content-Transfer-Encoding");
    if !is_encoded && memchr::memchr(b':', message.body()).is_none() {
        return Taken::Nothing;
    }
    let root = mime::structure(message);
    let body = message.body().to_vec();
    let Some(plain) =
        root.walk().into_iter().find(|part| part.content_type.value == "text/plain").cloned()
    else {
        return Taken::Nothing;
    };
    let text = plain.text(&body);
    let Some(place) = first_line(&text) else { return Taken::Nothing };
    let Some((name, password)) = named(&text[place.clone()]) else { return Taken::Nothing };
    let (name, password) = (name.to_owned(), password.to_owned());
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for part in root.walk() {
        if part.main_type() != "text" || !part.parts.is_empty() {
            continue;
        }
        let text = part.text(&body);
        let mut without = text.clone();
        if part.content == plain.content {
            without.replace_range(place.clone(), "");
        }
        let without = remove(&without, &name, &password);
        if mentions(&strip_tags(&without), &name, &password) {
            return Taken::Stuck;
        }
        if without != text {
            let Some(content) = encode(part, &without, message.eol()) else { return Taken::Stuck };
            edits.push((part.content.clone(), content));
        }
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut edited = body;
    for (place, content) in edits.into_iter().rev() {
        edited.splice(place, content);
    }
    message.set_body(edited);
    Taken::Password(password)
}

/// The first line that is not blank, with its end.
fn first_line(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !line.trim().is_empty() {
            return Some(start..start + line.len());
        }
        start += line.len();
    }
    None
}

/// `Approved: password`.
pub(crate) fn named(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let known = NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
    known.then(|| (name, value.trim_matches(is_blank)))
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{a0}'
}

/// Where `name:`, blanks and the password stand in a text.
fn find(text: &str, name: &str, password: &str) -> Option<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let needle = format!("{}:", name.to_ascii_lowercase());
    let mut from = 0;
    while let Some(at) = lower[from..].find(&needle) {
        let start = from + at;
        let behind = start + needle.len();
        let mut rest = &text[behind..];
        loop {
            let shorter = rest.trim_start_matches(is_blank);
            let shorter = shorter.strip_prefix("&nbsp;").unwrap_or(shorter);
            if shorter.len() == rest.len() {
                break;
            }
            rest = shorter;
        }
        if rest.starts_with(password) {
            return Some(start..text.len() - rest.len() + password.len());
        }
        from = behind;
    }
    None
}

fn mentions(text: &str, name: &str, password: &str) -> bool {
    !password.is_empty() && find(text, name, password).is_some()
}

fn remove(text: &str, name: &str, password: &str) -> String {
    let mut text = text.to_owned();
    if password.is_empty() {
        return text;
    }
    while let Some(place) = find(&text, name, password) {
        text.replace_range(place, "");
    }
    text
}

/// The text between the tags, on one line, as a reader sees it.
fn strip_tags(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .filter(|letter| match letter {
            '<' => {
                inside = true;
                false
            }
            '>' => {
                inside = false;
                false
            }
            _ => !inside,
        })
        .collect()
}

/// A text in its part's own charset and encoding; `None` when they cannot hold it.
fn encode(part: &Part, text: &str, eol: &[u8]) -> Option<Vec<u8>> {
    let bytes = charset::encode(&part.charset(), text)?;
    Some(match part.encoding {
        mime::Encoding::QuotedPrintable => transfer::quoted_printable_encode(&bytes, eol),
        mime::Encoding::Base64 => transfer::base64_encode(&bytes, eol),
        mime::Encoding::Identity => bytes,
        mime::Encoding::Unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::testing::Fixture;

    /// The owners' password is Mailman's SHA-1 of "secret", the others are ours.
    fn fixture() -> Fixture {
        Fixture::new(&[
            ("password", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
            ("mod_password", &crate::password::hash("mods").unwrap()),
            ("post_password", &crate::password::hash("posters").unwrap()),
        ])
    }

    #[test]
    fn every_header_form_with_a_right_password_approves() {
        let fixture = fixture();
        for (header, approved) in [
            ("Approved: secret", true),
            ("approve: mods", true),
            ("X-Approved:  secret  ", true),
            ("X-Approve: posters", true),
            // The first name of the four counts.
            ("X-Approve: secret\nApproved: wrong", false),
            ("Approved: wrong", false),
            ("Approved:", false),
            ("X-Other: secret", false),
        ] {
            let raw = format!("From: a@x.example\n{header}\n\nhello\n");
            let outcome = fixture.run(run, &raw, |_| {});
            assert_eq!(outcome.flow, Flow::Next);
            assert_eq!(outcome.metadata.flag("approved"), approved, "{header}");
            assert_eq!(outcome.metadata.flag("adminapproved"), approved, "{header}");
        }
        let kept = fixture.get("dev").settings;
        assert!(kept.password.starts_with("$argon2"), "Mailman's form is replaced by ours");
    }

    #[test]
    fn a_first_line_is_taken_out_right_or_wrong() {
        let fixture = fixture();
        for (password, approved) in [("secret", true), ("wrong", false)] {
            let raw = format!("From: a@x.example\n\n\n  Approved: {password}\nhello\n");
            let outcome = fixture.run(run, &raw, |_| {});
            assert_eq!(outcome.text(), "From: a@x.example\n\n\nhello\n");
            assert_eq!(outcome.metadata.flag("approved"), approved);
        }
        let later = "From: a@x.example\n\nhello\nApproved: secret\n";
        let outcome = fixture.run(run, later, |_| {});
        assert_eq!(outcome.text(), later);
        assert!(!outcome.metadata.flag("approved"));
    }

    #[test]
    fn every_form_of_a_first_line_with_a_right_password_approves_and_goes() {
        let fixture = fixture();
        let base64 = "Content-Transfer-Encoding: base64\n\nQXBwcm92ZWQ6IHNlY3JldApoZWxsbwo=\n";
        for (raw, left) in [
            ("\nApproved: secret\nhello\n", "\nhello\n"),
            ("\nAPPROVE:secret\nhello\n", "\nhello\n"),
            ("\nx-approved:\u{a0} mods \nhello\n", "\nhello\n"),
            ("\nX-Approve: posters\nhello\n", "\nhello\n"),
            ("X: y\r\n\r\nApproved: secret\r\nhello\r\n", "X: y\r\n\r\nhello\r\n"),
            ("\nApproved: secret", "\n"),
            ("\nApproved: secret\n> Approved: secret\n", "\n> \n"),
            (base64, "Content-Transfer-Encoding: base64\n\naGVsbG8K\n"),
        ] {
            let outcome = fixture.run(run, raw, |_| {});
            assert!(outcome.metadata.flag("approved"), "{raw}");
            assert_eq!(outcome.text(), left, "{raw}");
        }
        for raw in
            ["\nApproved:\nhello\n", "\nApproved secret\nhello\n", "\nnot Approved: secret\n"]
        {
            assert!(!fixture.run(run, raw, |_| {}).metadata.flag("approved"), "{raw}");
        }
    }

    #[test]
    fn the_html_part_loses_it_too() {
        let raw = "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nApproved: secret\nhello\n--b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>Approved:=A0 secret<br>hello</p>\n--b--\n";
        let raw = raw.replace("=A0", "=C2=A0");
        let outcome = fixture().run(run, &raw, |_| {});
        assert!(outcome.metadata.flag("approved"));
        assert!(!outcome.text().contains("secret"), "{}", outcome.text());
        assert!(outcome.text().contains("<p><br>hello</p>"), "{}", outcome.text());
    }

    #[test]
    fn what_cannot_be_taken_out_safely_goes_back() {
        let raw = "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nApproved: secret\nhello\n--b\nContent-Type: text/html\n\n<b>Approved:</b> sec<i>ret</i> hello\n--b--\n";
        let outcome = fixture().run(run, raw, |_| {});
        assert!(matches!(outcome.flow, Flow::Reject(_)));
    }

    #[test]
    fn a_post_that_was_here_is_dropped_even_when_approved() {
        let outcome = fixture().run(
            run,
            "From: a@x.example\nX-BeenThere:  Dev@Lists.Example \nApproved: secret\n\nx\n",
            |_| {},
        );
        assert!(matches!(outcome.flow, Flow::Discard(_)));
        let other = "From: a@x.example\nX-BeenThere: other@lists.example\n\nx\n";
        assert_eq!(fixture().run(run, other, |_| {}).flow, Flow::Next);
    }
}
