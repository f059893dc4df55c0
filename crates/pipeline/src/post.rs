//! A message on its way through a list's pipeline, and the decisions of handlers about it.

use crate::handlers::Handler;
use crate::handlers::origin::Known;
use crate::handlers::signatures::Signatures;
use dormouse_clock::Timestamp;
use dormouse_mail::conceal::Attempts;
use dormouse_mail::{AddressKey, Message};
use dormouse_membership::moderation::vouch::Answerable;
use dormouse_membership::notices::Notices;
use dormouse_membership::patterns::Owner;
use dormouse_membership::{Output, PatternProblem, RunError};
use dormouse_spool::{Entry, EntryName, Envelope, Metadata};
use dormouse_store::{Config, List, Site, StoreError, Tx};
use std::cell::RefCell;
use std::collections::VecDeque;

/// A post in the pipeline, with everything that a handler may use.
pub struct Post<'p> {
    /// The list it was sent to.
    pub list: &'p List,
    /// The site.
    pub site: &'p Site,
    /// The site's settings.
    pub config: &'p Config,
    /// The store, in the batch's transaction.
    pub store: &'p Tx<'p>,
    /// The queue entry that contains it.
    pub entry: &'p EntryName,
    /// The current time.
    pub now: Timestamp,
    /// The handlers that have not run; the running one is the first.
    pub left: VecDeque<&'static Handler>,
    /// The message, to be edited in place.
    pub message: Message,
    /// The entry's metadata.
    pub metadata: Metadata,
    /// New entries for other queues, each with a label that is unique for this post.
    pub outputs: Vec<Output>,
    /// Whether the list counts it as a post: then its post number grows.
    pub delivered: bool,
    /// The results of DNS lookups, done before the batch.
    pub known: Known,
    /// The signatures that it arrived with, and what has broken them.
    pub signatures: Signatures,
    /// Patterns of the list that are invalid or took too many steps.
    pub pattern_problems: RefCell<Vec<PatternProblem>>,
    /// Whether this is a rehearsal: the transaction is rolled back, and no file may be written.
    pub is_rehearsal: bool,
    /// What looks like a password in the message, if that has been searched already.
    pub attempts: Option<Attempts>,
    /// Whether passwords have been removed from the message already.
    pub is_concealed: bool,
    /// The post before its headers were changed, if some recipients get it with the author's From.
    pub uncooked: Option<Box<(Message, Metadata)>>,
}

/// A handler's decision: whether the message continues to the next handler.
#[derive(Debug, Clone, PartialEq)]
pub enum Flow {
    /// It continues to the next handler.
    Next,
    /// It waits for a moderator.
    Hold(Reason),
    /// It is rejected; the sender is told the reason.
    Reject(Reason),
    /// It is discarded.
    Discard(Reason),
    /// It waits in `retry`, and continues then.
    Wait {
        /// Until this time.
        until: Timestamp,
        /// Why.
        reason: Reason,
    },
}

/// The reason of a decision, for people, and the setting that caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One sentence.
    pub text: String,
    /// The list setting that decided, if one did.
    pub setting: Option<&'static str>,
    /// Whether nobody is notified, because the owners themselves caused it.
    pub is_quiet: bool,
}

impl Reason {
    /// Creates a reason because of a list setting.
    pub fn new(setting: &'static str, text: impl Into<String>) -> Reason {
        Reason { text: text.into(), setting: Some(setting), is_quiet: false }
    }

    /// Creates a reason without a setting.
    pub fn plain(text: impl Into<String>) -> Reason {
        Reason { text: text.into(), setting: None, is_quiet: false }
    }
}

/// An error of a handler. If trying again cannot help ([`HandlerError::is_of_the_entry`]), the
/// message goes to `shunt`.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queues or a list of the recipients' rule failed.
    #[error(transparent)]
    Run(Box<RunError>),
    /// The pipeline of the list or entry names an unknown handler, and none that sends the post.
    #[error("its pipeline names {0:?}, which is not a handler, and no handler that sends it")]
    NoSuchHandler(String),
    /// A metadata key has an impossible value.
    #[error(transparent)]
    WrongValue(#[from] dormouse_spool::WrongValue),
}

impl From<RunError> for HandlerError {
    fn from(error: RunError) -> HandlerError {
        HandlerError::Run(Box::new(error))
    }
}

/// The result of the pipeline for a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It passed the whole pipeline.
    Passed,
    /// A handler stopped it.
    Stopped {
        /// Its name.
        handler: &'static str,
        /// The handler's decision; never [`Flow::Next`].
        flow: Flow,
    },
}

impl HandlerError {
    /// Whether the entry itself is the problem, so that trying again cannot help and a person must
    /// look at it.
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
    /// Creates a post as it enters the pipeline.
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
            now: Timestamp::now(),
            left: VecDeque::new(),
            message: Message::parse(content.message),
            metadata: content.metadata,
            outputs: Vec::new(),
            delivered: false,
            known: Known::default(),
            signatures: Signatures::default(),
            pattern_problems: RefCell::default(),
            is_rehearsal: false,
            attempts: None,
            is_concealed: false,
            uncooked: None,
        }
    }

    /// Returns all addresses that may be the sender. If the message has no mbox line with the
    /// envelope sender, the one that the MTA passed is included (docs/spec/pipeline.md "Sender
    /// notions").
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

    /// Returns the metadata as typed values.
    pub fn envelope(&self) -> Envelope<'_> {
        self.metadata.envelope()
    }

    /// Returns the notices of the list.
    pub fn notices(&self) -> Notices<'_> {
        Notices { list: self.list, site: self.site }
    }

    /// Whether the list server itself wrote the message, which then passes
    /// [`VIRGIN`](crate::VIRGIN).
    pub fn is_virgin(&self) -> bool {
        self.metadata.envelope().fast_track()
    }

    /// Returns what decides whether its sender may get an automatic reply.
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
