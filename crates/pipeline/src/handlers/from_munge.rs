//! Puts the list's address into From, so that the policy of the poster's domain does not apply
//! (docs/spec/pipeline.md §2.14, point 4).

use super::{HandlerError, Post, deferred};
use dormouse_mail::Mailbox;
use dormouse_mail::address::format_mailbox;
use dormouse_store::FromIsList;

/// Returns what happens to From: what the DMARC policy requires, otherwise the list's
/// `from_is_list`. Nothing for notices and anonymous lists, whose mail is from the list anyway.
pub fn mode(post: &Post<'_>) -> FromIsList {
    if post.is_virgin() || post.list.settings.anonymous_list {
        return FromIsList::No;
    }
    match post.envelope().from_is_list() {
        Some(1) => FromIsList::Munge,
        Some(2) => FromIsList::Wrap,
        _ => post.list.settings.from_is_list,
    }
}

/// Puts the list into From, and returns the poster that it named before.
pub fn munge(post: &mut Post<'_>) -> Result<Option<Mailbox>, HandlerError> {
    if mode(post) == FromIsList::No {
        return Ok(None);
    }
    let mut from = post.message.mailboxes("From");
    let poster = if from.len() == 1 && from[0].address.contains('@') {
        from.remove(0)
    } else {
        let address = post.metadata.envelope().original_sender().unwrap_or_default().into_owned();
        Mailbox { name: String::new(), address }
    };
    let mut name = poster.name.trim().to_owned();
    if name.is_empty()
        && let Some(member) = post.store.read().member(post.list.id, &poster.address)?
    {
        name = member.real_name;
    }
    if name.trim().is_empty() {
        name.clone_from(&poster.address);
    }
    let name = format!("{} via {}", without_domain(&name), post.list.settings.real_name);
    let value = format_mailbox(&name, &post.list.address());
    deferred::change(post, "From", &value);
    Ok(Some(poster))
}

/// Removes the domain from a name that is an address, because From must not contain another
/// address.
fn without_domain(name: &str) -> String {
    match name.rsplit_once('@') {
        Some((local, domain)) if domain.contains('.') && !domain.contains(' ') => {
            format!("{local}---")
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flow;
    use crate::testing::Fixture;
    use dormouse_clock::Timestamp;

    fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        munge(post)?;
        Ok(Flow::Next)
    }

    fn from(fixture: &Fixture, from: &str) -> String {
        let outcome = fixture.run(run, &format!("From: {from}\n\nx\n"), |data| {
            data.set_text("original_sender", "orig@x.example");
        });
        let headers = outcome.metadata.table("add_header");
        let value = headers.into_iter().find(|(name, _)| name == "From").map(|(_, value)| value);
        dormouse_mail::encoded_word::decode(value.unwrap_or_default().as_bytes()).replace('"', "")
    }

    /// docs/spec/pipeline.md §2.14, point 4.
    #[test]
    fn the_name_is_the_posters_the_members_or_the_address() {
        let fixture = Fixture::new(&[("from_is_list", "munge")]);
        fixture.member("named@x.example", &[]);
        let list = fixture.get("dev");
        let mut member = fixture.store.read().member(list.id, "named@x.example").unwrap().unwrap();
        member.real_name = "Nora".to_owned();
        fixture.write(|tx| tx.update_member(list.id, &member, Timestamp::from_seconds(1.0)));
        for (written, name) in [
            ("Anna <anna@x.example>", "Anna"),
            ("anna@x.example (Anna)", "Anna"),
            ("=?utf-8?q?=C3=84nne?= <anna@x.example>", "Änne"),
            ("Named@x.example", "Nora"),
            ("anna@x.example", "anna---"),
            ("\"anna@x.example\" <anna@x.example>", "anna---"),
            ("\"a@b c.d\" <anna@x.example>", "a@b c.d"),
            ("a@x.example, b@x.example", "orig---"),
            ("", "orig---"),
            ("nobody", "orig---"),
        ] {
            let expected = format!("{name} via Dev <dev@lists.example>");
            assert_eq!(from(&fixture, written), expected, "{written}");
        }
    }

    #[test]
    fn the_messages_own_way_wins_over_the_lists() {
        let raw = "From: a@x.example\n\nx\n";
        // of the list, of the message, anonymous, a notice: the mode
        let cases = [
            ("no", 0, "no", 0, FromIsList::No),
            ("munge", 0, "no", 0, FromIsList::Munge),
            ("wrap", 0, "no", 0, FromIsList::Wrap),
            ("no", 1, "no", 0, FromIsList::Munge),
            ("munge", 2, "no", 0, FromIsList::Wrap),
            ("wrap", 1, "no", 0, FromIsList::Munge),
            ("munge", 2, "yes", 0, FromIsList::No),
            ("munge", 2, "no", 1, FromIsList::No),
        ];
        for (list, message, anonymous, virgin, expected) in cases {
            fn note(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
                let number = mode(post).number();
                post.metadata.set_int("found", number);
                Ok(Flow::Next)
            }
            let fixture = Fixture::new(&[("from_is_list", list), ("anonymous_list", anonymous)]);
            let outcome = fixture.run(note, raw, |data| {
                data.set_int("from_is_list", message);
                data.set_int("_fasttrack", virgin);
            });
            let what = format!("{list} {message} {anonymous} {virgin}");
            assert_eq!(outcome.metadata.int("found"), Some(expected.number()), "{what}");
        }
    }
}
