//! Whether a sender may be answered: an address that nobody vouches for may be forged, and then
//! the answer goes to somebody who never wrote (backscatter). And nothing answers a program.

use crate::budget::Budget;
use dormouse_mail::Message;
use dormouse_mail::automatic::{self, Automatic};
use dormouse_spool::Metadata;
use dormouse_store::{Config, List, StoreError, ToStrangers, Tx};

/// What shows that a program wrote a message: it carries no commands, confirms nothing, and is not
/// answered.
pub fn sign_of_program(message: &Message, metadata: &Metadata) -> Option<Automatic> {
    automatic::sign_of(message, metadata.envelope().envelope_sender().as_deref())
}

/// Whether a message may be answered automatically: a person wrote it, who did not ask for silence.
pub fn is_answerable(message: &Message, metadata: &Metadata) -> bool {
    sign_of_program(message, metadata).is_none() && !automatic::wants_no_answer(message)
}

/// What is known of a mail whose sender may be answered.
pub struct Answerable<'a> {
    /// The store, inside a transaction.
    pub store: &'a Tx<'a>,
    /// The site's settings.
    pub config: &'a Config,
    /// The list it was sent to.
    pub list: &'a List,
    /// The mail.
    pub message: &'a Message,
    /// Seconds since the epoch.
    pub now: f64,
}

impl Answerable<'_> {
    /// Whether `sender` may be told what became of the mail, which then counts for the day: members
    /// always, others as the site's `notices.to_strangers` says; nobody more often than the budget
    /// has it ([`Budget`]).
    pub fn may_answer(&self, sender: &str) -> Result<bool, StoreError> {
        if sender.is_empty() || !self.is_known(sender)? {
            return Ok(false);
        }
        Ok(self.spend(sender)?.is_some())
    }

    /// Counts an answer to `sender`: how many more are left today, or nothing if this is one too many.
    pub fn spend(&self, sender: &str) -> Result<Option<u64>, StoreError> {
        self.budget(sender).spend(self.store, self.config, sender, self.now)
    }

    /// From which budget an answer to `sender` is paid.
    pub fn budget(&self, sender: &str) -> Budget {
        if self.is_authenticated(sender) { Budget::Vouched } else { Budget::Anybody }
    }

    /// Whether `sender` is a member, or the address counts as its own by what the site's
    /// `notices.to_strangers` says.
    pub fn is_known(&self, sender: &str) -> Result<bool, StoreError> {
        Ok(self.store.is_member(self.list.id, sender)?
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

/// Why strangers hear nothing of what becomes of their posts, and which setting changes it; nothing
/// where they may be told.
pub fn silence(config: &Config) -> Option<&'static str> {
    match config.notices_to_strangers {
        ToStrangers::Always => None,
        ToStrangers::Never => Some("Strangers do not hear of it: notices.to_strangers is never"),
        ToStrangers::Authenticated if config.notices_authserv_id.trim().is_empty() => Some(
            "Strangers do not hear of it, as nobody vouches for their addresses: `dormouse config \
             set notices.authserv_id NAME` names the MTA whose Authentication-Results count, \
             `dormouse config set notices.to_strangers always` has all addresses written to, forged \
             ones too",
        ),
        ToStrangers::Authenticated => None,
    }
}

/// Whether the MTA of that name found that the message really is from `sender`'s domain: by
/// DMARC, or by SPF or DKIM for that very domain (RFC 8601).
pub fn is_authenticated(message: &Message, authserv_id: &str, sender: &str) -> bool {
    let Some((_, domain)) = sender.rsplit_once('@') else { return false };
    if authserv_id.trim().is_empty() {
        return false;
    }
    // Only the MTA's own: a sender may have written such fields, too, but with another name, as the
    // MTA removes those with its own (RFC 8601 §5).
    message.fields_named("Authentication-Results").any(|field| {
        let text = automatic::without_comments(&field.text());
        let mut results = text.split(';');
        let name = results.next().and_then(|first| first.split_whitespace().next());
        name.is_some_and(|name| name.eq_ignore_ascii_case(authserv_id.trim()))
            && results.any(|result| passes(result, domain))
    })
}

/// One result, such as `dkim=pass header.d=example.org`.
fn passes(result: &str, domain: &str) -> bool {
    let mut words = result.split_whitespace();
    let Some((method, "pass")) = words.next().and_then(|first| first.split_once('=')) else {
        return false;
    };
    let property = match method {
        "dmarc" => "header.from",
        "dkim" => "header.d",
        "spf" => "smtp.mailfrom",
        _ => return false,
    };
    words.filter_map(|word| word.split_once('=')).any(|(name, value)| {
        let of = value.rsplit_once('@').map_or(value, |(_, domain)| domain);
        name == property && of.eq_ignore_ascii_case(domain)
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
                is_authenticated(&message, "mx.example", "anna@b.example"),
                expected,
                "{value}"
            );
            assert!(!is_authenticated(&message, "", "anna@b.example"));
        }
    }
}
