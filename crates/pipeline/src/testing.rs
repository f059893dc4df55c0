//! Shared by tests of handlers: a site with a list, and runs of one handler or all of them.

use crate::{Flow, HandlerError, POSTING, Post, Verdict};
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_membership::Output;
use dormouse_spool::{Entry, EntryName, Metadata, Queue};
use dormouse_testkit::fixture;

/// A site with a list.
pub struct Fixture {
    base: fixture::Fixture,
}

impl std::ops::Deref for Fixture {
    type Target = fixture::Fixture;

    fn deref(&self) -> &fixture::Fixture {
        &self.base
    }
}

impl std::ops::DerefMut for Fixture {
    fn deref_mut(&mut self) -> &mut fixture::Fixture {
        &mut self.base
    }
}

/// The state after a handler.
pub struct Outcome {
    pub flow: Flow,
    pub message: Message,
    pub metadata: Metadata,
    pub outputs: Vec<Output>,
}

impl Outcome {
    /// Returns the message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.message.to_bytes()).into_owned()
    }

    /// Returns the decision that stopped the message, with its setting.
    pub fn stopped(&self) -> Option<(&'static str, Option<&'static str>)> {
        match &self.flow {
            Flow::Next => None,
            Flow::Hold(reason) => Some(("hold", reason.setting)),
            Flow::Reject(reason) => Some(("reject", reason.setting)),
            Flow::Discard(reason) => Some(("discard", reason.setting)),
            Flow::Wait { reason, .. } => Some(("wait", reason.setting)),
        }
    }

    /// Returns the recipients in the metadata.
    pub fn recipients(&self) -> Vec<String> {
        let mut recipients = self.metadata.texts("recips").unwrap_or_default();
        recipients.sort();
        recipients
    }
}

type Run = fn(&mut Post<'_>) -> Result<Flow, HandlerError>;

impl Fixture {
    pub fn new(settings: &[(&str, &str)]) -> Fixture {
        Fixture { base: fixture::Fixture::new(settings) }
    }

    /// Runs one handler on a message to `dev`.
    pub fn run(&self, run: Run, raw: &str, edit: impl FnOnce(&mut Metadata)) -> Outcome {
        self.with_post(raw, edit, |post| run(post).unwrap())
    }

    /// Runs all handlers.
    pub fn post(&self, raw: &str) -> (Verdict, Outcome) {
        let mut verdict = None;
        let outcome = self.with_post(
            raw,
            |_| {},
            |post| {
                verdict = Some(post.run(POSTING).unwrap());
                Flow::Next
            },
        );
        (verdict.unwrap(), outcome)
    }

    /// Returns the message as it is sent to the MTA.
    pub fn sent(&self, raw: &str) -> String {
        let (verdict, outcome) = self.post(raw);
        assert_eq!(verdict, Verdict::Passed);
        let out = outcome.outputs.iter().find(|output| output.queue == Queue::Out).unwrap();
        String::from_utf8_lossy(&out.entry.message).into_owned()
    }

    fn with_post(
        &self,
        raw: &str,
        edit: impl FnOnce(&mut Metadata),
        work: impl FnOnce(&mut Post<'_>) -> Flow,
    ) -> Outcome {
        let list = self.get("dev");
        let mut metadata = Metadata::new();
        metadata.set_text("listname", "dev");
        metadata.set_int("tolist", 1);
        edit(&mut metadata);
        let name = EntryName::new(Timestamp::from_seconds(1e9), raw.as_bytes(), "dev");
        self.write(|tx| {
            let entry = Entry::new(raw.as_bytes().to_vec(), metadata);
            let mut post = Post::new(&self.site, tx, &list, &name, entry);
            post.left = POSTING.iter().collect();
            let flow = work(&mut post);
            let Post { message, metadata, outputs, .. } = post;
            Ok(Outcome { flow, message, metadata, outputs })
        })
    }
}
