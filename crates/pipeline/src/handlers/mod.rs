//! The handlers of the pipeline: one file for each, ordered by one table.
//!
//! A handler reads the message and its metadata, may change both, and decides whether the message
//! continues. To add one, write `handler_name.rs` with a `pub fn run(&mut Post<'_>) -> Result<Flow,
//! HandlerError>` and its tests, and name it in the tables below.

mod acknowledge;
mod administrivia;
mod after_delivery;
pub mod approve;
pub mod at_the_door;
mod avoid_duplicates;
mod calc_recips;
mod cleanse;
mod cleanse_dkim;
pub(crate) mod closed;
mod cook_headers;
mod deferred;
mod destination;
pub(crate) mod dmarc;
mod emergency;
mod from_munge;
mod hold;
mod mime_del;
pub(crate) mod moderate;
pub mod origin;
mod owner_recips;
mod reply_to;
pub mod replybot;
pub(crate) mod scheduled;
mod scrubber;
pub mod signatures;
mod spam_detect;
mod subject_prefix;
mod tagger;
mod to_archive;
mod to_digest;
mod to_outgoing;
mod to_usenet;
pub(crate) mod two_versions;
mod wrap_message;

pub(crate) use from_munge::mode as from_mode;

use crate::post::{Flow, HandlerError, Post, Reason, Verdict};
use dormouse_spool::{KEY, Metadata};
use dormouse_store::List;
use std::collections::VecDeque;

/// One step of a pipeline.
pub struct Handler {
    /// Mailman's name of it, as in the `pipeline` metadata.
    pub name: &'static str,
    run: fn(&mut Post<'_>) -> Result<Flow, HandlerError>,
}

/// The handlers of a post (docs/spec/pipeline.md §1).
pub static POSTING: &[Handler] = &[
    Handler { name: "SpamDetect", run: spam_detect::run },
    Handler { name: "Approve", run: approve::run },
    Handler { name: "Replybot", run: replybot::run },
    Handler { name: "Moderate", run: moderate::run },
    Handler { name: "Hold", run: hold::run },
    Handler { name: "MimeDel", run: mime_del::run },
    Handler { name: "Scrubber", run: scrubber::run },
    Handler { name: "Emergency", run: emergency::run },
    Handler { name: "Tagger", run: tagger::run },
    Handler { name: "CalcRecips", run: calc_recips::run },
    Handler { name: "AvoidDuplicates", run: avoid_duplicates::run },
    Handler { name: "Cleanse", run: cleanse::run },
    Handler { name: "CleanseDKIM", run: cleanse_dkim::run },
    Handler { name: "CookHeaders", run: cook_headers::run },
    Handler { name: "ToDigest", run: to_digest::run },
    Handler { name: "ToArchive", run: to_archive::run },
    Handler { name: "ToUsenet", run: to_usenet::run },
    Handler { name: "AfterDelivery", run: after_delivery::run },
    Handler { name: "Acknowledge", run: acknowledge::run },
    Handler { name: "WrapMessage", run: wrap_message::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

/// The handlers of mail for a list's owners.
pub static OWNER: &[Handler] = &[
    Handler { name: "SpamDetect", run: spam_detect::run },
    Handler { name: "Replybot", run: replybot::run },
    Handler { name: "OwnerRecips", run: owner_recips::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

/// The handlers of messages that the list server itself writes.
pub static VIRGIN: &[Handler] = &[
    Handler { name: "CookHeaders", run: cook_headers::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

/// Returns the names of an entry's remaining handlers, in order: those in its metadata, if it was
/// interrupted, otherwise the list's own or those of the table.
pub fn order(list: &List, metadata: &Metadata, table: &'static [Handler]) -> Vec<String> {
    named(list, metadata, table)
        .unwrap_or_else(|| table.iter().map(|handler| handler.name.to_owned()).collect())
}

/// The same, if an entry or a list names them.
fn named(list: &List, metadata: &Metadata, table: &'static [Handler]) -> Option<Vec<String>> {
    let own = &list.settings.pipeline;
    let is_own = !own.is_empty() && std::ptr::eq(table, POSTING);
    metadata.envelope().pipeline().or_else(|| is_own.then(|| own.clone()))
}

fn handler(name: &str) -> Option<&'static Handler> {
    POSTING.iter().chain(OWNER).chain(VIRGIN).find(|handler| handler.name == name)
}

/// The handler that sends the message.
const LAST: &str = "ToOutgoing";

/// Returns an entry's remaining handlers. Those that do not exist here, which an imported list may name,
/// are left out. If [`LAST`] is missing, one of them may be what sends the message, and that is an
/// error.
fn steps(
    list: &List,
    metadata: &Metadata,
    table: &'static [Handler],
) -> Result<VecDeque<&'static Handler>, HandlerError> {
    let Some(names) = named(list, metadata, table) else { return Ok(table.iter().collect()) };
    let has_last = names.iter().any(|name| name == LAST);
    let mut steps = VecDeque::new();
    for name in names {
        match handler(&name) {
            Some(handler) => steps.push_back(handler),
            None if !has_last => return Err(HandlerError::NoSuchHandler(name)),
            None => tracing::warn!(
                "{}: its pipeline names {name}, which does not exist here and is skipped",
                list.name
            ),
        }
    }
    Ok(steps)
}

impl Post<'_> {
    /// Runs the handlers of a table, or those that the entry or the list names instead.
    pub fn run(&mut self, table: &'static [Handler]) -> Result<Verdict, HandlerError> {
        self.left = steps(self.list, &self.metadata, table)?;
        self.metadata.remove(KEY.pipeline);
        if !std::ptr::eq(table, VIRGIN) {
            origin::examine(self);
            // A list's own pipeline may lack Approve, and no handler may see a password.
            approve::take_out(self)?;
            signatures::watch(self, "Approve");
        }
        if std::ptr::eq(table, POSTING)
            && let Some(reason) = closed::refusal(self)
        {
            return Ok(Verdict::Stopped { handler: closed::NAME, flow: Flow::Reject(reason) });
        }
        if std::ptr::eq(table, POSTING) && !self.is_left("CookHeaders") {
            cook_headers::identify(self);
        }
        let mut may_wait = std::ptr::eq(table, POSTING);
        while let Some(&handler) = self.left.front() {
            if may_wait && !scheduled::BEFORE.contains(&handler.name) {
                may_wait = false;
                match scheduled::run(self)? {
                    Flow::Next => {}
                    flow => return Ok(Verdict::Stopped { handler: scheduled::NAME, flow }),
                }
            }
            match (handler.run)(self)? {
                Flow::Next => signatures::watch(self, handler.name),
                flow => return Ok(Verdict::Stopped { handler: handler.name, flow }),
            }
            self.left.pop_front();
        }
        Ok(Verdict::Passed)
    }

    /// Whether a handler is running or has not run yet.
    pub(crate) fn is_left(&self, name: &str) -> bool {
        self.left.iter().any(|handler| handler.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use dormouse_store::check;

    const RAW: &str = "From: a@x.example\nTo: dev@lists.example\n\nx\n";

    fn names(table: &[Handler]) -> Vec<&'static str> {
        table.iter().map(|handler| handler.name).collect()
    }

    /// docs/spec/pipeline.md §1.
    #[test]
    fn handlers_stand_in_mailmans_order() {
        assert_eq!(names(POSTING), check::POSTING);
        assert_eq!(names(OWNER), check::OWNER);
        assert_eq!(names(VIRGIN), ["CookHeaders", "ToOutgoing"]);
    }

    #[test]
    fn a_list_may_have_its_own_pipeline_and_an_entry_the_rest_of_one() {
        let fixture = Fixture::new(&[("pipeline", "Cleanse\nToOutgoing")]);
        let list = fixture.get("dev");
        assert_eq!(order(&list, &Metadata::new(), POSTING), ["Cleanse", "ToOutgoing"]);
        assert_eq!(order(&list, &Metadata::new(), OWNER).len(), OWNER.len());
        let mut metadata = Metadata::new();
        metadata.set_texts("pipeline", ["ToOutgoing"]);
        assert_eq!(order(&list, &metadata, POSTING), ["ToOutgoing"]);
        let (verdict, outcome) = fixture.post(RAW);
        assert_eq!(verdict, Verdict::Passed);
        assert!(!outcome.message.has("List-Id") && !outcome.metadata.has("pipeline"));
        // Whatever the order, all copies of a post are known by the same.
        assert!(outcome.message.has("Message-ID") && outcome.message.has("Date"));
    }

    #[test]
    fn handlers_of_other_programs_are_skipped_unless_one_may_be_what_sends() {
        let fixture = Fixture::new(&[("pipeline", "SpamAssassin\nCookHeaders\nToOutgoing\n")]);
        let (verdict, outcome) = fixture.post(RAW);
        assert_eq!(verdict, Verdict::Passed);
        assert!(outcome.message.has("List-Id"), "the others are run");
        let mut metadata = Metadata::new();
        metadata.set_texts("pipeline", ["CookHeaders", "ToOurs"]);
        let refused = steps(&fixture.get("dev"), &metadata, POSTING).err().unwrap();
        assert!(refused.to_string().contains("ToOurs"), "{refused}");
    }
}
