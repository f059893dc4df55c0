//! What a message meets on its way through a list: one handler a file, ordered by one table.
//!
//! A handler looks at the message and its metadata, may change both, and says whether the message
//! goes on. To add one: write `handler_name.rs` with a `pub fn run(&mut Post<'_>) -> Result<Flow,
//! HandlerError>`, its tests beside it, and name it in the tables below.

mod acknowledge;
mod administrivia;
mod after_delivery;
pub(crate) mod approve;
pub(crate) mod at_the_door;
mod avoid_duplicates;
mod calc_recips;
mod cleanse;
mod cleanse_dkim;
mod cook_headers;
mod deferred;
mod destination;
pub(crate) mod dmarc;
mod emergency;
mod from_munge;
mod hold;
mod mime_del;
pub(crate) mod moderate;
mod owner_recips;
pub(crate) mod patterns;
mod reply_to;
pub(crate) mod replybot;
mod scrubber;
mod spam_detect;
mod subject_prefix;
mod tagger;
#[cfg(test)]
pub(crate) mod testing;
mod to_archive;
mod to_digest;
mod to_outgoing;
mod to_usenet;
mod wrap_message;

pub(crate) use from_munge::mode as from_mode;

use crate::RunError;
use crate::notices::Notices;
use dormouse_dmarc::Policy;
use dormouse_mail::Message;
use dormouse_spool::{Entry, EntryName, Metadata, Queue};
use dormouse_store::{Config, List, Site, StoreError, Tx};
use std::cell::RefCell;

/// A post in the pipeline, with everything a handler may look at.
pub struct Post<'p> {
    /// The list it was sent to.
    pub list: &'p List,
    /// The site.
    pub site: &'p Site,
    /// The site's settings.
    pub config: &'p Config,
    /// The store, inside the batch's transaction.
    pub store: &'p Tx<'p>,
    /// The entry it came in as.
    pub entry: &'p EntryName,
    /// Seconds since the epoch.
    pub now: f64,
    /// The message, to be edited in place.
    pub message: Message,
    /// What is known about it.
    pub metadata: Metadata,
    /// What the pipeline makes besides: entries for other queues, each with a label that is unique
    /// for this post.
    pub outputs: Vec<Output>,
    /// A subject prefix number was used up: the list's counter goes on.
    pub delivered: bool,
    /// What the author's domain asks, looked up before the batch began.
    pub policy: Policy,
    /// Patterns of the list that could not be used.
    pub pattern_problems: RefCell<Vec<PatternProblem>>,
    /// Nothing of this counts: the store takes everything back, and no file is to be written.
    pub is_rehearsal: bool,
    /// Passwords have been taken out of the message.
    pub is_concealed: bool,
}

/// A pattern of a list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternProblem {
    /// The setting it stands in.
    pub setting: String,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// An entry that a post leads to.
pub struct Output {
    /// Where it goes.
    pub queue: Queue,
    /// Tells it from the post's other outputs; its name is derived from this.
    pub label: String,
    /// The entry.
    pub entry: Entry,
}

/// Whether a message goes on to the next handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// To the next handler.
    Next,
    /// It waits for a moderator.
    Hold(Reason),
    /// It goes back to its sender, with this text.
    Reject(Reason),
    /// It is dropped.
    Discard(Reason),
}

/// Why, in words for people, and which setting decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One sentence.
    pub text: String,
    /// The list setting that decided, if one did.
    pub setting: Option<&'static str>,
    /// Nobody is told: the owners know, because they did it.
    pub is_quiet: bool,
}

impl Reason {
    /// A reason that a list setting gave.
    pub fn new(setting: &'static str, text: impl Into<String>) -> Reason {
        Reason { text: text.into(), setting: Some(setting), is_quiet: false }
    }

    /// A reason of the program's own.
    pub fn plain(text: impl Into<String>) -> Reason {
        Reason { text: text.into(), setting: None, is_quiet: false }
    }
}

/// A handler could not do its work; the message is set aside in `shunt`.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queues, or what a recipients' rule needs, failed.
    #[error(transparent)]
    Run(Box<RunError>),
    /// A list's or entry's pipeline names something else.
    #[error("its pipeline names {0:?}, and there is no such handler, and none that sends it")]
    NoSuchHandler(String),
    /// A metadata key has a value that it cannot have.
    #[error(transparent)]
    WrongValue(#[from] dormouse_spool::WrongValue),
}

impl From<RunError> for HandlerError {
    fn from(error: RunError) -> HandlerError {
        HandlerError::Run(Box::new(error))
    }
}

/// One step of a pipeline.
pub struct Handler {
    /// Mailman's name for it, as `pipeline` metadata spells it.
    pub name: &'static str,
    run: fn(&mut Post<'_>) -> Result<Flow, HandlerError>,
}

/// The way of a post (docs/spec/pipeline.md §1).
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

/// The way of mail for a list's owners.
pub static OWNER: &[Handler] = &[
    Handler { name: "SpamDetect", run: spam_detect::run },
    Handler { name: "Replybot", run: replybot::run },
    Handler { name: "OwnerRecips", run: owner_recips::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

/// The way of what the list server itself writes.
pub static VIRGIN: &[Handler] = &[
    Handler { name: "CookHeaders", run: cook_headers::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

/// What is left of a pipeline for a post that a moderator let through: the handlers behind the one
/// that held it, and behind everything that asks whether a post may pass.
pub fn after_moderation(list: &List, metadata: &Metadata) -> Vec<String> {
    let order = order(list, &Metadata::new(), POSTING);
    let held_by = metadata.text(HELD_BY).unwrap_or_default();
    let last = order.iter().rposition(|name| *name == LAST_OF_MODERATION || *name == held_by);
    order[last.map_or(0, |last| last + 1)..].to_vec()
}

/// Metadata key of a held post: which handler held it.
pub const HELD_BY: &str = "held_by";

/// Metadata key of a held post, Mailman's: what its sender is told when it is refused and the
/// moderator writes nothing.
pub const REJECTION_NOTICE: &str = "rejection_notice";

/// Behind this handler nothing asks any more whether a post may pass.
const LAST_OF_MODERATION: &str = "Hold";

/// The names of the handlers an entry has yet to meet, in order: those that its metadata names (it
/// was set aside), or that its list names, or that the table names.
pub(crate) fn order(list: &List, metadata: &Metadata, table: &'static [Handler]) -> Vec<String> {
    if let Some(left) = metadata.texts("pipeline") {
        return left;
    }
    let own = &list.settings.pipeline;
    if !own.is_empty() && std::ptr::eq(table, POSTING) {
        return own.clone();
    }
    table.iter().map(|handler| handler.name.to_owned()).collect()
}

fn handler(name: &str) -> Option<&'static Handler> {
    POSTING.iter().chain(OWNER).chain(VIRGIN).find(|handler| handler.name == name)
}

/// Without it a message goes nowhere.
const LAST: &str = "ToOutgoing";

/// Takes out handlers of other programs, which a list that came from Mailman may name: they are not
/// run. Unless one of them may be what sends the message.
fn without_foreign(list: &List, order: &mut Vec<String>) -> Result<(), HandlerError> {
    let Some(foreign) = order.iter().find(|name| handler(name).is_none()).cloned() else {
        return Ok(());
    };
    if !order.iter().any(|name| name == LAST) {
        return Err(HandlerError::NoSuchHandler(foreign));
    }
    order.retain(|name| {
        let is_ours = handler(name).is_some();
        if !is_ours {
            tracing::warn!(
                "{}: its pipeline names {name}, which is no handler here: skipped",
                list.name
            );
        }
        is_ours
    });
    Ok(())
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It went through the whole pipeline.
    Passed,
    /// A handler stopped it.
    Stopped {
        /// Which.
        handler: &'static str,
        /// How; never [`Flow::Next`].
        flow: Flow,
    },
}

impl<'p> Post<'p> {
    /// A post as it enters the pipeline.
    pub fn new(
        site: &'p Site,
        store: &'p Tx<'p>,
        list: &'p List,
        entry: &'p EntryName,
        content: Entry,
    ) -> Post<'p> {
        Post {
            list,
            site,
            config: site.config(),
            store,
            entry,
            now: dormouse_spool::clock::seconds(),
            message: Message::parse(content.message),
            metadata: content.metadata,
            outputs: Vec::new(),
            delivered: false,
            policy: Policy::None,
            pattern_problems: RefCell::default(),
            is_rehearsal: false,
            is_concealed: false,
        }
    }

    /// Runs the handlers of a table, or those that the entry or the list names instead.
    pub fn run(&mut self, table: &'static [Handler]) -> Result<Verdict, HandlerError> {
        let mut order = order(self.list, &self.metadata, table);
        without_foreign(self.list, &mut order)?;
        if !std::ptr::eq(table, VIRGIN) {
            // Whatever the first handler does with the post, and whatever a list's own pipeline says.
            approve::take_out(self)?;
        }
        if std::ptr::eq(table, POSTING) && !order.iter().any(|name| name == "CookHeaders") {
            cook_headers::identify(self);
        }
        for (place, name) in order.iter().enumerate() {
            // On an error the message resumes here.
            self.metadata.set_texts("pipeline", order[place..].iter().map(String::as_str));
            let handler = handler(name).ok_or_else(|| HandlerError::NoSuchHandler(name.clone()))?;
            match (handler.run)(self)? {
                Flow::Next => {}
                flow => {
                    self.metadata.remove("pipeline");
                    return Ok(Verdict::Stopped { handler: handler.name, flow });
                }
            }
        }
        self.metadata.remove("pipeline");
        Ok(Verdict::Passed)
    }

    /// Everybody the post may come from. Where no mbox line names the envelope sender, the MTA may
    /// have told it beside the message (docs/spec/pipeline.md "Sender notions").
    pub fn senders(&self) -> Vec<String> {
        let mut senders = self.message.senders();
        let told = self.metadata.text("envelope_sender").map(|sender| sender.to_lowercase());
        if let Some(told) = told
            && self.message.unix_from().is_none()
            && told.contains('@')
            && !senders.contains(&told)
        {
            senders.push(told);
        }
        senders
    }

    /// The notices this list writes.
    pub fn notices(&self) -> Notices<'_> {
        Notices { list: self.list, site: self.site }
    }

    /// Made by the list server itself, on its way through [`VIRGIN`].
    pub fn is_virgin(&self) -> bool {
        self.metadata.flag("_fasttrack")
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Fixture;
    use super::*;

    const RAW: &str = "From: a@x.example\nTo: dev@lists.example\n\nx\n";

    fn names(table: &[Handler]) -> Vec<&'static str> {
        table.iter().map(|handler| handler.name).collect()
    }

    /// docs/spec/pipeline.md §1.
    #[test]
    fn handlers_stand_in_mailmans_order() {
        let posting = "SpamDetect Approve Replybot Moderate Hold MimeDel Scrubber Emergency Tagger \
                       CalcRecips AvoidDuplicates Cleanse CleanseDKIM CookHeaders ToDigest ToArchive \
                       ToUsenet AfterDelivery Acknowledge WrapMessage ToOutgoing";
        assert_eq!(names(POSTING).join(" "), posting);
        // What a list's own pipeline may name.
        let mut known = names(POSTING);
        known.extend(names(OWNER).into_iter().filter(|name| !names(POSTING).contains(name)));
        assert_eq!(known, dormouse_store::check::HANDLERS);
        assert_eq!(names(OWNER), ["SpamDetect", "Replybot", "OwnerRecips", "ToOutgoing"]);
        assert_eq!(names(VIRGIN), ["CookHeaders", "ToOutgoing"]);
    }

    #[test]
    fn a_list_may_have_an_order_of_its_own_and_an_entry_what_is_left_of_one() {
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
        let list = fixture.get("dev");
        let mut order = vec!["CookHeaders".to_owned(), "ToOurs".to_owned()];
        let refused = without_foreign(&list, &mut order).unwrap_err();
        assert!(refused.to_string().contains("ToOurs"), "{refused}");
    }

    #[test]
    fn an_approved_post_goes_on_behind_what_held_it_and_behind_all_moderation() {
        let list = Fixture::new(&[]).get("dev");
        for (held_by, next) in [
            ("SpamDetect", "MimeDel"),
            ("Moderate", "MimeDel"),
            ("Hold", "MimeDel"),
            ("Emergency", "Tagger"),
            ("", "MimeDel"),
        ] {
            let mut metadata = Metadata::new();
            metadata.set_text(HELD_BY, held_by);
            assert_eq!(after_moderation(&list, &metadata)[0], next, "{held_by}");
        }
    }
}
