//! What a message meets on its way through a list: one handler a file, ordered by one table.
//!
//! A handler looks at the message and its metadata, may change both, and says whether the message
//! goes on. To add one: write `handler_name.rs` with a `pub fn run(&mut Post<'_>) -> Result<Flow,
//! HandlerError>`, its tests beside it, and name it in the tables below.

mod administrivia;
mod after_delivery;
mod avoid_duplicates;
mod calc_recips;
mod cleanse;
mod cook_headers;
mod decorate;
mod destination;
mod hold;
mod loop_check;
mod moderate;
mod owner_recips;
mod patterns;
mod reply_to;
mod subject_prefix;
mod to_outgoing;

use crate::notices::Notices;
use dormouse_mail::Message;
use dormouse_spool::{Entry, EntryName, Metadata, Queue};
use dormouse_store::{Config, List, StoreError, Tx};

/// A post in the pipeline, with everything a handler may look at.
pub struct Post<'p> {
    /// The list it was sent to.
    pub list: &'p List,
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
}

impl Reason {
    /// A reason that a list setting gave.
    pub fn new(setting: &'static str, text: impl Into<String>) -> Reason {
        Reason { text: text.into(), setting: Some(setting) }
    }

    /// A reason of the program's own.
    pub fn plain(text: impl Into<String>) -> Reason {
        Reason { text: text.into(), setting: None }
    }
}

/// A handler could not do its work; the message is set aside in `shunt`.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One step of a pipeline.
pub struct Handler {
    /// Mailman's name for it, as `pipeline` metadata spells it.
    pub name: &'static str,
    run: fn(&mut Post<'_>) -> Result<Flow, HandlerError>,
}

/// The way of a post (spec/pipeline.md §1).
pub const POSTING: &[Handler] = &[
    Handler { name: "Approve", run: loop_check::run },
    Handler { name: "Moderate", run: moderate::run },
    Handler { name: "Hold", run: hold::run },
    Handler { name: "CalcRecips", run: calc_recips::run },
    Handler { name: "AvoidDuplicates", run: avoid_duplicates::run },
    Handler { name: "Cleanse", run: cleanse::run },
    Handler { name: "CookHeaders", run: cook_headers::run },
    Handler { name: "AfterDelivery", run: after_delivery::run },
    Handler { name: "Decorate", run: decorate::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

/// The way of mail for a list's owners.
pub const OWNER: &[Handler] = &[
    Handler { name: "OwnerRecips", run: owner_recips::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

/// The way of what the list server itself writes.
pub const VIRGIN: &[Handler] = &[
    Handler { name: "CookHeaders", run: cook_headers::run },
    Handler { name: "ToOutgoing", run: to_outgoing::run },
];

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

impl Post<'_> {
    /// Runs the handlers, starting with the one named by a `pipeline` in the metadata if that is
    /// shorter than the table (an entry that was set aside goes on where it stopped).
    pub fn run(&mut self, handlers: &'static [Handler]) -> Result<Verdict, HandlerError> {
        let named = self.metadata.texts("pipeline");
        let mut left: Vec<&'static Handler> = handlers.iter().collect();
        if let Some(named) = named {
            left.retain(|handler| named.iter().any(|name| name == handler.name));
        }
        while !left.is_empty() {
            let handler = left[0];
            // On an error the message resumes here.
            self.metadata.set_texts("pipeline", left.iter().map(|handler| handler.name));
            match (handler.run)(self)? {
                Flow::Next => {}
                flow => {
                    self.metadata.remove("pipeline");
                    return Ok(Verdict::Stopped { handler: handler.name, flow });
                }
            }
            left.remove(0);
        }
        self.metadata.remove("pipeline");
        Ok(Verdict::Passed)
    }

    /// The notices this list writes.
    pub fn notices(&self) -> Notices<'_> {
        Notices { list: self.list, config: self.config }
    }

    /// Made by the list server itself, on its way through [`VIRGIN`].
    pub fn is_virgin(&self) -> bool {
        self.metadata.flag("_fasttrack")
    }
}
