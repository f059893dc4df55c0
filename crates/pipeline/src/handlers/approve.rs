//! A password in the message approves it; a post that has been on the list before is discarded
//! (docs/spec/pipeline.md §2.2). Passwords are removed before anything else reads the message.

use super::{Flow, HandlerError, Post, Reason};
use dormouse_mail::Message;
use dormouse_mail::conceal::{self, Attempts, Secret};
use dormouse_membership::role::{self, Role};
use dormouse_store::{List, StoreError, Tx};

/// The values in the metadata for a password: it was right, or wrong.
const RIGHT: i64 = 1;
const WRONG: i64 = 2;

/// At most this many candidates are tried for one message, because each takes a while (argon2id).
const MOST_TRIED: usize = 20;

/// Notes whether a password approved the post, and discards it if `X-BeenThere` has the list's own
/// address.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    take_out(post)?;
    if post.envelope().approval() == Some(RIGHT) {
        post.metadata.edit().approved(true).admin_approved(true);
    }
    let address = post.list.address();
    let seen = post
        .message
        .fields_named("X-BeenThere")
        .any(|field| field.text().trim().eq_ignore_ascii_case(&address));
    Ok(if seen {
        Flow::Discard(Reason::plain("the post has been through this list already"))
    } else if post.envelope().password_stuck() {
        Flow::Hold(Reason::plain(
            "A password of the list stood in the post in a form from which it could not be taken out \
             alone, or among too many lines that look like one; what it was found in is gone from \
             the post",
        ))
    } else {
        Flow::Next
    })
}

/// Returns `None` if the post is not urgent, otherwise whether its password is right.
pub fn urgency(post: &mut Post<'_>) -> Result<Option<bool>, StoreError> {
    take_out(post)?;
    Ok(post.envelope().urgent_approval().map(|found| found == RIGHT))
}

/// Removes passwords from a post, and stores in its metadata whether they were right. It does so
/// once in a run of the pipeline.
pub fn take_out(post: &mut Post<'_>) -> Result<(), StoreError> {
    if std::mem::replace(&mut post.is_concealed, true) {
        return Ok(());
    }
    let urgent = post.message.text("Urgent");
    let found = match post.attempts.take() {
        Some(found) => found,
        None => conceal::attempts(&post.message),
    };
    if urgent.is_none() && !found.is_meant() && found.elsewhere.is_empty() {
        return Ok(());
    }
    let mut known = Known::new(post.store, post.list);
    let word = |right| if right { RIGHT } else { WRONG };
    if let Some(urgent) = urgent {
        let is_right = known.is_right(urgent.trim())?;
        post.metadata.edit().urgent_approval(word(is_right));
        post.message.remove("Urgent");
    }
    if let Some(password) = found.in_header.as_ref().or(found.in_text.as_ref()) {
        let is_right = known.is_right(password)?;
        post.metadata.edit().approval(word(is_right));
    }
    let secrets = known.secrets(&found)?;
    let done = conceal::conceal(&mut post.message, &secrets);
    if done.is_damaged || known.had_too_many {
        post.metadata.edit().password_stuck(true);
    }
    Ok(())
}

/// Returns a message without passwords, for a reply or as an attachment, with everything that was
/// taken for a password. `given` are passwords that were found elsewhere, not on a line for them.
pub fn without_passwords(
    store: &Tx<'_>,
    list: &List,
    message: &Message,
    given: &[String],
) -> Result<(Message, Vec<Secret>), StoreError> {
    let found = conceal::attempts(message);
    let mut known = Known::new(store, list);
    let mut secrets = known.secrets(&found)?;
    secrets.extend(given.iter().map(|password| Secret::password(password)));
    let mut message = message.clone();
    message.remove("Urgent");
    conceal::conceal(&mut message, &secrets);
    Ok((message, secrets))
}

/// Candidates for passwords, and which of them are passwords of the list: the posters', the
/// moderators' or the owners'. The site's does not count.
struct Known<'k> {
    store: &'k Tx<'k>,
    list: &'k List,
    tried: Vec<(String, bool)>,
    had_too_many: bool,
}

impl<'k> Known<'k> {
    fn new(store: &'k Tx<'_>, list: &'k List) -> Known<'k> {
        Known { store, list, tried: Vec::new(), had_too_many: false }
    }

    fn is_right(&mut self, password: &str) -> Result<bool, StoreError> {
        if let Some((_, is_right)) = self.tried.iter().find(|(known, _)| known == password) {
            return Ok(*is_right);
        }
        if self.tried.len() >= MOST_TRIED {
            self.had_too_many = true;
            return Ok(false);
        }
        let roles = [Role::Poster, Role::Moderator, Role::Owner];
        let is_right = role::of_password(self.store, self.list, &roles, password)?.is_some();
        self.tried.push((password.to_owned(), is_right));
        Ok(is_right)
    }

    /// Returns what must be removed from the message: every right password, and everything on a
    /// line for passwords.
    fn secrets(&mut self, found: &Attempts) -> Result<Vec<Secret>, StoreError> {
        let meant = found.in_header.iter().chain(&found.in_text).chain(&found.below);
        let mut secrets: Vec<Secret> = meant.clone().map(|text| Secret::mistyped(text)).collect();
        for text in meant.chain(&found.elsewhere) {
            self.is_right(text)?;
        }
        let right = self.tried.iter().filter(|(_, is_right)| *is_right);
        secrets.extend(right.map(|(text, _)| Secret::password(text)));
        Ok(secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    /// The owners' password is Mailman's SHA-1 of "secret", the others are ours.
    fn fixture() -> Fixture {
        Fixture::new(&[
            ("password", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
            ("mod_password", &dormouse_membership::password::hash("mods").unwrap()),
            ("post_password", &dormouse_membership::password::hash("posters").unwrap()),
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
        // Further down it approves nothing, and must not stay either; other words do.
        let later = "From: a@x.example\n\nhello\nApproved: secret\nApproved: by all\n";
        let outcome = fixture.run(run, later, |_| {});
        assert_eq!(outcome.text(), "From: a@x.example\n\nhello\nApproved: by all\n");
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
    fn a_message_written_in_pieces_is_sent_piece_by_piece() {
        let raw = "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nApproved: secret\nhello\n--b\nContent-Type: text/html\n\n<b>Approved:</b> sec<i>ret</i> hello\n--b--\n";
        let outcome = fixture().run(run, raw, |_| {});
        assert_eq!(outcome.flow, Flow::Next);
        assert!(outcome.text().ends_with("\n<b></b><i></i> hello\n--b--\n"), "{}", outcome.text());
    }

    #[test]
    fn what_cannot_be_taken_out_alone_goes_whole_and_the_post_waits() {
        let raw = "Approved: secret\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: image/png; name=a.png\n\n\0PNG secret\n--b--\n";
        let outcome = fixture().run(run, raw, |_| {});
        assert!(matches!(outcome.flow, Flow::Hold(_)));
        let text = outcome.text();
        assert!(
            !text.contains("secret")
                && text.contains("and was removed.]")
                && text.contains("hello"),
            "{text}"
        );
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
