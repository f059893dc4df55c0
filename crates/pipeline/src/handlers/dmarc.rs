//! Applies the DMARC policy of the author's domain (docs/spec/pipeline.md §2.1, DMARC).

use super::{Flow, Post, Reason};
use dormouse_dmarc::Policy;
use dormouse_mail::Message;
use dormouse_membership::patterns;
use dormouse_store::{DmarcAction, FromIsList, OnFailure};

/// Returns the domain of the first author, in lower case.
pub fn from_domain(message: &Message) -> Option<String> {
    let author = message.mailboxes("From").into_iter().next()?;
    Some(author.address.rsplit_once('@')?.1.to_lowercase())
}

/// Decides by the domain of the first From address. Approved posts are no exception: receivers do
/// not know about the approval.
pub fn mitigate(post: &mut Post<'_>) -> Flow {
    post.metadata.edit().from_is_list(0);
    let action = post.list.settings.dmarc_moderation_action;
    if action == DmarcAction::Accept {
        return Flow::Next;
    }
    let Some(setting) = reason(post) else { return Flow::Next };
    let mode = match action {
        DmarcAction::Accept => return Flow::Next,
        DmarcAction::Munge => FromIsList::Munge,
        DmarcAction::Wrap => FromIsList::Wrap,
        DmarcAction::Reject => {
            let own = post.list.settings.dmarc_moderation_notice.trim();
            let text = if own.is_empty() {
                format!(
                    "Your domain's DMARC policy does not allow this list to pass your message on. \
                     Write to {} about it.",
                    post.list.sub_address("owner")
                )
            } else {
                own.to_owned()
            };
            return Flow::Reject(Reason::new(setting, text));
        }
        DmarcAction::Discard => {
            return Flow::Discard(Reason::new(setting, "its domain's DMARC policy forbids it"));
        }
    };
    post.metadata.edit().from_is_list(mode.number());
    Flow::Next
}

const ACTION: &str = "dmarc_moderation_action";
const ADDRESSES: &str = "dmarc_moderation_addresses";

/// Whether the author is in `dmarc_moderation_addresses`, to which the action always applies.
pub(super) fn is_listed(post: &Post<'_>) -> bool {
    let addresses = &post.list.settings.dmarc_moderation_addresses;
    let author = post.message.mailboxes("From").into_iter().next();
    author.is_some_and(|author| {
        let address = author.key();
        patterns::matching(post, ADDRESSES, addresses, &address).is_ok_and(|found| found.is_some())
    })
}

/// Returns the setting because of which this message needs mitigation, if it does.
fn reason(post: &Post<'_>) -> Option<&'static str> {
    let settings = &post.list.settings;
    let action = settings.dmarc_moderation_action;
    let address = post.message.mailboxes("From").into_iter().next()?.address.to_lowercase();
    if is_listed(post) {
        return Some(ADDRESSES);
    }
    let changes_from = matches!(action, DmarcAction::Munge | DmarcAction::Wrap);
    let prohibited = match &post.known.record.policy {
        Policy::Reject => true,
        Policy::Quarantine => settings.dmarc_quarantine_moderation_action,
        Policy::Monitor => {
            settings.dmarc_none_moderation_action
                && settings.dmarc_quarantine_moderation_action
                && changes_from
        }
        Policy::None => false,
        Policy::Unknown(problem) => {
            tracing::warn!(
                "{}: the DMARC policy for {address} is not known ({problem}); dmarc.on_failure = {:?}",
                post.list.name,
                post.config.dmarc_on_failure
            );
            post.config.dmarc_on_failure == OnFailure::Mitigate
        }
    };
    prohibited.then_some(ACTION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HandlerError;
    use crate::handlers::spam_detect;
    use crate::testing::Fixture;

    fn run_with(post: &mut Post<'_>, policy: Policy) -> Result<Flow, HandlerError> {
        post.known.record = policy.into();
        spam_detect::run(post)
    }

    fn reject(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        run_with(post, Policy::Reject)
    }

    fn quarantine(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        run_with(post, Policy::Quarantine)
    }

    fn monitor(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        run_with(post, Policy::Monitor)
    }

    fn none(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        run_with(post, Policy::None)
    }

    fn unknown(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        run_with(post, Policy::Unknown("SERVFAIL".to_owned()))
    }

    type Run = fn(&mut Post<'_>) -> Result<Flow, HandlerError>;

    /// "pass", "munge", "wrap", "reject" or "discard".
    fn verdict(fixture: &Fixture, run: Run, approved: i64) -> &'static str {
        let raw = "From: A <a@X.example>\n\nx\n";
        let outcome = fixture.run(run, raw, |data| data.set_int("approved", approved));
        match (outcome.stopped(), outcome.metadata.int("from_is_list")) {
            (Some((verdict, _)), _) => verdict,
            (None, Some(1)) => "munge",
            (None, Some(2)) => "wrap",
            _ => "pass",
        }
    }

    #[test]
    fn the_action_follows_from_policy_and_settings() {
        let cases: [(&str, &str, &str, [&str; 5]); 8] = [
            // action, quarantine, none: reject, quarantine, none, no record, unknown
            ("accept", "yes", "yes", ["pass", "pass", "pass", "pass", "pass"]),
            ("munge", "yes", "no", ["munge", "munge", "pass", "pass", "munge"]),
            ("munge", "no", "no", ["munge", "pass", "pass", "pass", "munge"]),
            ("munge", "yes", "yes", ["munge", "munge", "munge", "pass", "munge"]),
            ("munge", "no", "yes", ["munge", "pass", "pass", "pass", "munge"]),
            ("wrap", "yes", "yes", ["wrap", "wrap", "wrap", "pass", "wrap"]),
            ("reject", "yes", "yes", ["reject", "reject", "pass", "pass", "reject"]),
            ("discard", "yes", "yes", ["discard", "discard", "pass", "pass", "discard"]),
        ];
        for (action, on_quarantine, on_none, expected) in cases {
            let fixture = Fixture::new(&[
                ("dmarc_moderation_action", action),
                ("dmarc_quarantine_moderation_action", on_quarantine),
                ("dmarc_none_moderation_action", on_none),
            ]);
            for approved in [0, 1] {
                let runs: [Run; 5] = [reject, quarantine, monitor, none, unknown];
                let found = runs.map(|run| verdict(&fixture, run, approved));
                assert_eq!(found, expected, "{action} {on_quarantine} {on_none} {approved}");
            }
        }
    }

    #[test]
    fn listed_addresses_and_failed_lookups_have_their_settings() {
        let mut fixture = Fixture::new(&[
            ("dmarc_moderation_action", "munge"),
            ("dmarc_moderation_addresses", "^a@.*\\.example$"),
        ]);
        assert_eq!(verdict(&fixture, none, 0), "munge");
        fixture.set("dev", &[("dmarc_moderation_addresses", "")]);
        fixture.config("dmarc.on_failure", "accept");
        assert_eq!(verdict(&fixture, unknown, 0), "pass");
    }

    #[test]
    fn a_rejected_sender_reads_the_lists_own_words() {
        let fixture = Fixture::new(&[("dmarc_moderation_action", "reject")]);
        let text = |fixture: &Fixture| match fixture
            .run(reject, "From: a@x.example\n\nx\n", |_| {})
            .flow
        {
            Flow::Reject(reason) => reason.text,
            other => panic!("{other:?}"),
        };
        assert!(text(&fixture).contains("dev-owner@lists.example"));
        fixture.set("dev", &[("dmarc_moderation_notice", "No, sorry.")]);
        assert_eq!(text(&fixture), "No, sorry.");
    }
}
