//! Envelope senders that contain their recipient, so that a bounce identifies the member
//! (docs/spec/pipeline.md §6), and may contain a tag by which a bounce proves that it is genuine.
//!
//! | form | when |
//! |---|---|
//! | `L-bounces+user=dom.ain@H` | Mailman's, also from an MTA with XVERP |
//! | `L-bounces+user=dom.ain+TAG@H` | with the tag of one recipient |
//! | `L-bounces+TAG@H` | with the tag of a list, for mail to many |
//! | `L-bounces+TAG+user=dom.ain@H` | the former, from an MTA with XVERP |
//!
//! Everything is in lower case, because mail systems may change case.

/// The length of a tag.
pub const TAG_LENGTH: usize = 13;

/// The envelope sender for one recipient: `L-bounces+user=dom.ain@H`, in lower case, with its tag if
/// there is one. A recipient without a domain has none.
pub fn encode(
    bounces_local: &str,
    host: &str,
    recipient: &str,
    tag: Option<&str>,
) -> Option<String> {
    let (user, domain) = recipient.rsplit_once('@')?;
    if user.is_empty() || domain.is_empty() {
        return None;
    }
    let tag = tag.map_or_else(String::new, |tag| format!("+{tag}"));
    Some(format!("{bounces_local}+{user}={domain}{tag}@{host}").to_lowercase())
}

/// The content of an envelope sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verp {
    /// The part before the `+`: the list's bounce address without its host.
    pub bounces: String,
    /// The recipient, if it is included.
    pub recipient: Option<String>,
    /// A tag, if there is one.
    pub tag: Option<Tag>,
}

/// A tag, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// For the recipient.
    OfRecipient(String),
    /// For the whole list.
    OfList(String),
}

/// All meanings that an envelope sender may have, in lower case, those with a tag first: a user
/// name may look like a tag.
pub fn readings(address: &str) -> Vec<Verp> {
    let address = address.to_lowercase();
    let mut found = Vec::new();
    let Some((local, _host)) = address.rsplit_once('@') else { return found };
    let Some((bounces, rest)) = local.split_once('+') else { return found };
    if bounces.is_empty() {
        return found;
    }
    let mut add = |recipient: Option<String>, tag: Option<Tag>| {
        found.push(Verp { bounces: bounces.to_owned(), recipient, tag });
    };
    if is_tag(rest) {
        add(None, Some(Tag::OfList(rest.to_owned())));
    }
    if let Some((named, tag)) = rest.rsplit_once('+')
        && is_tag(tag)
        && let Some(recipient) = recipient(named)
    {
        add(Some(recipient), Some(Tag::OfRecipient(tag.to_owned())));
    }
    if let Some((tag, named)) = rest.split_once('+')
        && is_tag(tag)
        && let Some(recipient) = recipient(named)
    {
        add(Some(recipient), Some(Tag::OfList(tag.to_owned())));
    }
    if let Some(recipient) = recipient(rest) {
        add(Some(recipient), None);
    }
    found
}

/// `user=dom.ain`. The last `=` counts, because a user name may contain one and a domain may not.
fn recipient(text: &str) -> Option<String> {
    let (user, domain) = text.rsplit_once('=')?;
    let whole = !user.is_empty() && !domain.is_empty() && !domain.contains('+');
    whole.then(|| format!("{user}@{domain}"))
}

fn is_tag(text: &str) -> bool {
    text.len() == TAG_LENGTH
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAG: &str = "abcdefghijk27";

    #[test]
    fn a_recipient_becomes_part_of_the_sender() {
        assert_eq!(
            encode("dev-bounces", "l.example", "Anna@Example.org", None).as_deref(),
            Some("dev-bounces+anna=example.org@l.example")
        );
        assert_eq!(
            encode("dev-bounces", "l.example", "Anna@Example.org", Some(TAG)).as_deref(),
            Some("dev-bounces+anna=example.org+abcdefghijk27@l.example")
        );
        assert_eq!(encode("dev-bounces", "l.example", "root", None), None);
    }

    #[test]
    fn every_form_is_read_in_any_case() {
        let first = |address: &str| readings(address).into_iter().next();
        let verp = |recipient: Option<&str>, tag| Verp {
            bounces: "dev-bounces".to_owned(),
            recipient: recipient.map(str::to_owned),
            tag,
        };
        assert_eq!(
            first("Dev-Bounces+Anna=Example.org@l.example"),
            Some(verp(Some("anna@example.org"), None))
        );
        assert_eq!(
            first("dev-bounces+ABCDEFGHIJK27@l.example"),
            Some(verp(None, Some(Tag::OfList(TAG.to_owned()))))
        );
        assert_eq!(
            first("dev-bounces+abcdefghijk27+a+b=x.org@l.example"),
            Some(verp(Some("a+b@x.org"), Some(Tag::OfList(TAG.to_owned()))))
        );
        // What looks like a tag may be a part of the name.
        assert_eq!(
            readings("dev-bounces+abcdefghijk27+b=x.org@l.example").last(),
            Some(&verp(Some("abcdefghijk27+b@x.org"), None))
        );
        assert_eq!(readings("dev-bounces@l.example"), []);
        assert_eq!(readings("dev-bounces+0123@l.example"), []);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            user in "[a-z0-9=+.]{1,9}",
            domain in "[a-z]{1,9}\\.org",
            tag in proptest::option::of("[a-z2-7]{13}"),
        ) {
            let recipient = format!("{user}@{domain}");
            let address = encode("dev-bounces", "l.example", &recipient, tag.as_deref()).unwrap();
            let expected = Verp {
                bounces: "dev-bounces".to_owned(),
                recipient: Some(recipient),
                tag: tag.map(Tag::OfRecipient),
            };
            prop_assert!(readings(&address).contains(&expected));
        }

        #[test]
        fn any_text_can_be_asked(text: String) {
            readings(&text);
        }
    }
}
