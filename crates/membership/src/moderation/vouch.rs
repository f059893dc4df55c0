//! Decides whether a sender may get a reply. An address that is not authenticated may be forged, and
//! the reply would go to a person who never wrote (backscatter). Programs never get one.

use crate::budget::Budget;
use dormouse_auth::AuthResults;
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_mail::automatic::{self, Automatic};
use dormouse_spool::Metadata;
use dormouse_store::{Config, List, StoreError, ToStrangers, Tx};

/// Returns what shows that a program wrote a message. Commands in such a message are ignored, and
/// it confirms nothing and gets no reply.
pub fn sign_of_program(message: &Message, metadata: &Metadata) -> Option<Automatic> {
    automatic::sign_of(message, metadata.envelope().envelope_sender().as_deref())
}

/// Whether a message may get an automatic reply: a person wrote it, and did not ask for none.
pub fn is_answerable(message: &Message, metadata: &Metadata) -> bool {
    sign_of_program(message, metadata).is_none() && !automatic::wants_no_answer(message)
}

/// A mail whose sender may get a reply.
pub struct Answerable<'a> {
    /// The store, inside a transaction.
    pub store: &'a Tx<'a>,
    /// The site's settings.
    pub config: &'a Config,
    /// The list that it was sent to.
    pub list: &'a List,
    /// The mail.
    pub message: &'a Message,
    /// Seconds since the epoch.
    pub now: Timestamp,
}

impl Answerable<'_> {
    /// Whether `sender` may be told what happened to the mail. Counts the reply if so. Members always
    /// may; others as the site's `notices.to_strangers` says; and nobody more often than the [`Budget`]
    /// allows.
    pub fn may_answer(&self, sender: &str) -> Result<bool, StoreError> {
        if sender.is_empty() || !self.is_known(sender)? {
            return Ok(false);
        }
        Ok(self.spend(sender)?.is_some())
    }

    /// Counts a reply to `sender`. Returns how many more are left today, or `None` if this is one too
    /// many.
    pub fn spend(&self, sender: &str) -> Result<Option<u64>, StoreError> {
        self.budget(sender).spend(self.store, self.config, sender, self.now)
    }

    /// Returns the budget for a reply to `sender`.
    pub fn budget(&self, sender: &str) -> Budget {
        if self.is_authenticated(sender) { Budget::Vouched } else { Budget::Anybody }
    }

    /// Whether `sender` is a member or is authenticated, as far as the site's `notices.to_strangers`
    /// asks for it.
    pub fn is_known(&self, sender: &str) -> Result<bool, StoreError> {
        Ok(self.store.read().is_member(self.list.id, sender)?
            || match self.config.notices_to_strangers {
                ToStrangers::Never => false,
                ToStrangers::Always => true,
                ToStrangers::Authenticated => self.is_authenticated(sender),
            })
    }

    fn is_authenticated(&self, sender: &str) -> bool {
        is_authenticated(self.message, &self.config.notices_authserv_id, sender)
    }
}

/// Explains why non-members are not told what happens to their posts, and which setting changes that;
/// `None` if they may be told.
pub fn silence(config: &Config) -> Option<&'static str> {
    match config.notices_to_strangers {
        ToStrangers::Always => None,
        ToStrangers::Never => Some("non-members are not told: notices.to_strangers is never"),
        ToStrangers::Authenticated if config.notices_authserv_id.is_empty() => Some(
            "non-members are not told, as nothing shows whether their addresses are \
             forged: `dormouse config set notices.authserv_id NAME` names the MTA whose Authentication-Results are believed; `dormouse config set \
             notices.to_strangers always` has mail sent to all of them, forged or not",
        ),
        ToStrangers::Authenticated => None,
    }
}

/// Whether an MTA with one of these names authenticated the message's `sender`: by DMARC, or by SPF or
/// DKIM for exactly that domain (RFC 8601).
pub fn is_authenticated(message: &Message, authserv_ids: &[String], sender: &str) -> bool {
    let Some((_, domain)) = sender.rsplit_once('@') else { return false };
    // Only the MTA's own fields count. A sender may have written others, but not with its name: the MTA
    // removes those (RFC 8601 §5).
    message.fields_named("Authentication-Results").any(|field| {
        let told = AuthResults::read(&automatic::without_comments(&field.text()));
        authserv_ids.iter().any(|name| name.trim().eq_ignore_ascii_case(&told.authserv_id))
            && told.results.iter().any(|result| {
                let found = result.domain().unwrap_or_default();
                result.result == "pass" && found.eq_ignore_ascii_case(domain)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mtas_own_word_for_that_very_domain_counts() {
        let cases = [
            ("mx.example; dmarc=pass (p=none) header.from=b.example", true),
            ("mx.example; spf=fail smtp.mailfrom=b.example; dkim=pass header.d=b.example", true),
            ("mx.example 1; spf=pass smtp.mailfrom=anna@b.example", true),
            ("MX.example; DKIM=pass header.d=B.example", true),
            ("mx.example; dkim=pass header.d=other.example", false),
            ("mx.example; dkim=pass header.d=sub.b.example", false),
            ("mx.example; dmarc=fail header.from=b.example", false),
            ("mx.example; dmarc=fail (dmarc=pass header.from=b.example)", false),
            ("other.example; dmarc=pass header.from=b.example", false),
            ("mx.example; arc=pass header.d=b.example", false),
            ("mx.example; none", false),
            ("", false),
        ];
        for (value, expected) in cases {
            let raw = format!("Authentication-Results: {value}\nFrom: anna@b.example\n\nx\n");
            let message = Message::parse(raw);
            assert_eq!(
                is_authenticated(&message, &["mx.example".to_owned()], "anna@b.example"),
                expected,
                "{value}"
            );
            assert!(!is_authenticated(&message, &[], "anna@b.example"));
        }
    }
}
