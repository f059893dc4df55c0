//! A message on its way through a list's pipeline, and what a handler may say of it.

use crate::handlers::origin::Known;
use crate::handlers::signatures::Signatures;
use dormouse_mail::{AddressKey, Message};
use dormouse_membership::moderation::vouch::Answerable;
use dormouse_membership::notices::Notices;
use dormouse_membership::patterns::Owner;
use dormouse_membership::{Output, PatternProblem, RunError};
use dormouse_spool::{Entry, EntryName, Envelope, Metadata};
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
    /// What name servers say of it, asked before the batch began.
    pub known: Known,
    /// The signatures it came with, and what becomes of them.
    pub signatures: Signatures,
    /// Patterns of the list that could not be used.
    pub pattern_problems: RefCell<Vec<PatternProblem>>,
    /// Nothing of this counts: the store takes everything back, and no file is to be written.
    pub is_rehearsal: bool,
    /// Passwords have been taken out of the message.
    pub is_concealed: bool,
    /// As it was before its headers were changed, where some receivers get it with another From.
    pub uncooked: Option<Box<(Message, Metadata)>>,
}

/// Whether a message goes on to the next handler.
#[derive(Debug, Clone, PartialEq)]
pub enum Flow {
    /// To the next handler.
    Next,
    /// It waits for a moderator.
    Hold(Reason),
    /// It goes back to its sender, with this text.
    Reject(Reason),
    /// It is dropped.
    Discard(Reason),
    /// It waits until a time, in seconds since the epoch, and goes on then.
    Wait {
        /// Until when.
        until: f64,
        /// Why.
        reason: Reason,
    },
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

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
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

impl HandlerError {
    /// Whether a person must look at the entry: trying again cannot help.
    pub fn is_of_the_entry(&self) -> bool {
        matches!(self, HandlerError::NoSuchHandler(_) | HandlerError::WrongValue(_))
    }
}

impl From<HandlerError> for RunError {
    fn from(error: HandlerError) -> RunError {
        match error {
            HandlerError::Store(error) => RunError::Store(error),
            HandlerError::Run(error) => *error,
            HandlerError::NoSuchHandler(name) => RunError::NoSuchHandler(name),
            HandlerError::WrongValue(wrong) => RunError::WrongValue(wrong),
        }
    }
}

impl<'o> From<&'o Post<'_>> for Owner<'o> {
    fn from(post: &'o Post<'_>) -> Owner<'o> {
        Owner { list: post.list, store: post.store.read(), problems: &post.pattern_problems }
    }
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
            known: Known::default(),
            signatures: Signatures::default(),
            pattern_problems: RefCell::default(),
            is_rehearsal: false,
            is_concealed: false,
            uncooked: None,
        }
    }

    /// Everybody the post may come from. Where no mbox line names the envelope sender, the MTA may
    /// have told it beside the message (docs/spec/pipeline.md "Sender notions").
    pub fn senders(&self) -> Vec<AddressKey> {
        let mut senders = self.message.senders();
        let told = self.metadata.envelope().envelope_sender().map(|sender| AddressKey::of(&sender));
        if let Some(told) = told
            && self.message.unix_from().is_none()
            && told.contains('@')
            && !senders.contains(&told)
        {
            senders.push(told);
        }
        senders
    }

    /// What is known about it, as typed values.
    pub fn envelope(&self) -> Envelope<'_> {
        self.metadata.envelope()
    }

    /// The notices this list writes.
    pub fn notices(&self) -> Notices<'_> {
        Notices { list: self.list, site: self.site }
    }

    /// Made by the list server itself, on its way through [`VIRGIN`](crate::VIRGIN).
    pub fn is_virgin(&self) -> bool {
        self.metadata.envelope().fast_track()
    }

    /// What decides whether its sender may be answered.
    pub fn answerable(&self) -> Answerable<'_> {
        Answerable {
            store: self.store,
            config: self.config,
            list: self.list,
            message: &self.message,
            now: self.now,
        }
    }
}
