//! Finds out what would happen to a post, without any effect.

use crate::handlers::signatures::SignatureFate;
use crate::handlers::{from_mode, scheduled, two_versions};
use crate::policies::Policies;
use crate::progress::DeliveryProgress;
use crate::recipients::Recipients;
use crate::settle::is_sender_told;
use crate::{Flow, POSTING, Post, Verdict, order};
use dormouse_clock::Timestamp;
use dormouse_dmarc::Policy;
use dormouse_membership::RunError;
use dormouse_spool::{Entry, EntryName, Metadata, Queue};
use dormouse_store::{FromIsList, List, Site, Store};
use serde::Serialize;

/// The result that a post would have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rehearsal {
    /// The list.
    pub list: String,
    /// The sender, as the list sees it.
    pub sender: String,
    /// The result: `passed`, `held`, `rejected`, `discarded` or `scheduled`.
    pub verdict: &'static str,
    /// The handlers it would pass, in order.
    pub passes: Vec<String>,
    /// The handler that would stop it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<&'static str>,
    /// The setting that would decide, and its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<(&'static str, String)>,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether the sender would be told.
    pub sender_is_told: bool,
    /// The DMARC policy of the author's domain, if there is one: `reject`, `quarantine`, `none`, or
    /// `unknown` after a failed lookup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmarc_policy: Option<&'static str>,
    /// The setting because of which From would name the list, and its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_changed_by: Option<(&'static str, String)>,
    /// Whether From would stay unchanged for recipients at receivers that do not enforce such
    /// policies (`dmarc.enforcing_receivers`).
    pub from_kept_for_some: bool,
    /// Whether From would stay unchanged in spite of its domain's policy, because a good signature
    /// of that domain stays good.
    pub from_kept: bool,
    /// The settings that would have no effect, so that a good signature stays good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<&'static str>,
    /// What would happen to the post's signatures, if their keys were looked up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureFate>,
    /// The number of recipients.
    pub recipients: u64,
    /// The queues of the entries that would be created.
    pub queues: Vec<String>,
    /// The message as it would be sent to the MTA, or as it was when it was stopped.
    #[serde(skip)]
    pub message: Vec<u8>,
}

impl Rehearsal {
    /// Records where and why the message was stopped.
    fn stop(&mut self, list: &List, handler: &'static str, flow: Flow) {
        let (verdict, reason) = match flow {
            Flow::Hold(reason) => ("held", reason),
            Flow::Reject(reason) => ("rejected", reason),
            Flow::Discard(reason) => ("discarded", reason),
            Flow::Wait { reason, .. } => ("scheduled", reason),
            Flow::Next => unreachable!("a handler that stops a message says how"),
        };
        self.verdict = verdict;
        let is_before = |name: &str| match verdict {
            "scheduled" => scheduled::BEFORE.contains(&name),
            _ => name != handler,
        };
        self.passes = std::mem::take(&mut self.passes)
            .into_iter()
            .take_while(|name| is_before(name))
            .collect();
        self.stopped_by = Some(handler);
        self.setting =
            reason.setting.map(|name| (name, list.settings.get(name).unwrap_or_default()));
        self.reason = reason.text;
    }
}

/// Runs a message through a list's pipeline, and rolls back all its effects.
pub fn rehearse(
    site: &Site,
    store: &Store,
    list: &List,
    message: Vec<u8>,
    envelope_sender: Option<&str>,
) -> Result<Rehearsal, RunError> {
    let mut metadata = Metadata::new();
    metadata.edit().listname(&list.name);
    metadata.edit().to_list(true);
    if let Some(sender) = envelope_sender {
        metadata.edit().envelope_sender(sender);
    }
    let left = order(list, &metadata, POSTING);
    let name = EntryName::new(Timestamp::now(), &message, &list.name);
    let entry = Entry::new(message, metadata);
    let found = Policies::default().of(site, store, std::iter::once(&entry))?;
    let known = found.of(site, list, &entry)?;
    store.rehearse(|tx| {
        let mut post = Post::new(site, tx, list, &name, entry);
        post.known = known;
        post.is_rehearsal = true;
        let sender = post.message.sender().unwrap_or_default();
        let verdict = post.run(POSTING)?;
        let mut made = Rehearsal {
            list: list.name.to_string(),
            sender: sender.to_string(),
            verdict: "passed",
            passes: left,
            stopped_by: None,
            setting: None,
            reason: String::new(),
            sender_is_told: false,
            dmarc_policy: policy_name(&post.known.record.policy),
            from_changed_by: from_changed_by(&post),
            from_kept_for_some: false,
            from_kept: post.signatures.keeps_from,
            left_out: post.signatures.left_out.clone(),
            signatures: post.signatures.fates(),
            recipients: 0,
            queues: queues(&post),
            message: post.message.to_bytes(),
        };
        if let Verdict::Stopped { handler, flow } = verdict {
            made.sender_is_told = is_sender_told(&post, &sender, &flow)?;
            made.stop(list, handler, flow);
            return Ok(made);
        }
        let sent = || post.outputs.iter().filter(|output| output.queue == Queue::Out);
        if let Some(out) = sent().next() {
            made.message.clone_from(&out.entry.message);
        }
        made.from_kept_for_some = sent().any(|out| out.label == two_versions::LABEL);
        for out in sent() {
            made.recipients += count(&post, &out.entry)?;
        }
        Ok(made)
    })
}

/// Returns the queues of the outputs, without repetitions: mail to many has several entries.
fn queues(post: &Post<'_>) -> Vec<String> {
    let mut queues: Vec<_> = post.outputs.iter().map(|output| output.queue.to_string()).collect();
    queues.dedup();
    queues
}

fn policy_name(policy: &Policy) -> Option<&'static str> {
    match policy {
        Policy::None => None,
        Policy::Monitor => Some("none"),
        Policy::Quarantine => Some("quarantine"),
        Policy::Reject => Some("reject"),
        Policy::Unknown(_) => Some("unknown"),
    }
}

fn from_changed_by(post: &Post<'_>) -> Option<(&'static str, String)> {
    if from_mode(post) == FromIsList::No {
        return None;
    }
    let by_policy = post.envelope().from_is_list().is_some_and(|number| number != 0);
    let name = if by_policy { "dmarc_moderation_action" } else { "from_is_list" };
    Some((name, post.list.settings.get(name).unwrap_or_default()))
}

fn count(post: &Post<'_>, out: &Entry) -> Result<u64, RunError> {
    let Some(recipients) = Recipients::read(&out.metadata)? else { return Ok(0) };
    let mut stream = recipients.stream(post.store.read(), &DeliveryProgress::default())?;
    let mut number = 0;
    while stream.pull()?.is_some() {
        number += 1;
    }
    Ok(number)
}
