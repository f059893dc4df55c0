//! Envelope senders that name their recipient, so that a bounce tells whose it is
//! (spec/pipeline.md §6).

/// The envelope sender for one recipient: `L-bounces+user=dom.ain@H`, in lower case. A recipient
/// without a domain has none.
pub fn encode(bounces_local: &str, host: &str, recipient: &str) -> Option<String> {
    let (user, domain) = recipient.rsplit_once('@')?;
    if user.is_empty() || domain.is_empty() {
        return None;
    }
    Some(format!("{bounces_local}+{user}={domain}@{host}").to_lowercase())
}

/// What such an envelope sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verp {
    /// What stands before the `+`: the list's bounce address without its host.
    pub bounces: String,
    /// Whose mail it was.
    pub recipient: String,
}

/// Reads an envelope sender.
pub fn decode(address: &str) -> Option<Verp> {
    let (local, _host) = address.rsplit_once('@')?;
    let (bounces, rest) = local.split_once('+')?;
    // The last `=`: a domain has none, a user name may.
    let (user, domain) = rest.rsplit_once('=')?;
    let whole = !bounces.is_empty() && !user.is_empty() && !domain.is_empty();
    whole.then(|| Verp { bounces: bounces.to_owned(), recipient: format!("{user}@{domain}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_recipient_becomes_part_of_the_sender() {
        assert_eq!(
            encode("dev-bounces", "l.example", "Anna@Example.org").as_deref(),
            Some("dev-bounces+anna=example.org@l.example")
        );
        assert_eq!(encode("dev-bounces", "l.example", "root"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(user in "[a-z0-9=+.]{1,9}", domain in "[a-z]{1,9}\\.org") {
            let address = encode("dev-bounces", "l.example", &format!("{user}@{domain}")).unwrap();
            let read = decode(&address).unwrap();
            prop_assert_eq!(read.bounces, "dev-bounces");
            prop_assert_eq!(read.recipient, format!("{user}@{domain}"));
        }

        #[test]
        fn any_text_can_be_asked(text: String) {
            decode(&text);
        }
    }
}
