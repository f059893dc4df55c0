//! Follows what happens to a post's signatures. If a list breaks a good signature of the author's
//! domain, receivers can no longer tell that the post is genuine; so unnecessary edits are left out
//! of such a post, and From names the list only if nothing else helps.
//!
//! The signatures are checked after every edit, so that reports can say which edit broke which
//! signature.

use super::{
    Flow, HandlerError, Post, cleanse_dkim, cook_headers, dmarc, origin, to_outgoing, two_versions,
    wrap_message,
};
use crate::decorate::HeaderAndFooter;
use dormouse_auth::{Mail, SignatureVerdict, SignedPart};
use dormouse_dmarc::Policy;
use dormouse_mail::Message;
use dormouse_mail::fit::{self, Takes};
use dormouse_store::FromIsList;
use serde::Serialize;
use std::cell::RefCell;

/// The signatures of a post.
#[derive(Debug, Default, Clone)]
pub struct Signatures {
    watched: Vec<Watched>,
    /// The message as it was at the last check.
    seen: Vec<u8>,
    /// Whether it is decided what happens to From and what is left out.
    is_settled: bool,
    /// Whether From stays unchanged in spite of its domain's policy.
    pub keeps_from: bool,
    /// The settings without effect, so that a signature stays good.
    pub left_out: Vec<&'static str>,
}

/// A signature, and what has broken it so far.
#[derive(Debug, Clone)]
struct Watched {
    verdict: SignatureVerdict,
    broken: Vec<(SignedPart, &'static str)>,
}

/// What happened to a signature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignatureFate {
    /// The signing domain.
    pub domain: String,
    /// Its selector.
    pub selector: String,
    /// Its result when the post arrived, in the words of RFC 8601: `pass` if it was good.
    pub came: &'static str,
    /// Why it was not good.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The parts that broke it, with the setting or handler that changed them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<Broken>,
}

/// A part of a post whose change broke a signature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Broken {
    /// A field's name, or `the body`.
    pub part: String,
    /// The setting that caused the change, or the handler that did it.
    pub by: String,
}

impl Signatures {
    /// Sets the signatures that a post arrived with.
    pub fn start(&mut self, verdicts: Vec<SignatureVerdict>) {
        let watched = |verdict| Watched { verdict, broken: Vec::new() };
        self.watched = verdicts.into_iter().map(watched).collect();
    }

    /// Returns the verdict on each.
    pub fn verdicts(&self) -> impl Iterator<Item = &SignatureVerdict> {
        self.watched.iter().map(|watched| &watched.verdict)
    }

    /// Returns what happened to each, for people.
    pub fn fates(&self) -> Vec<SignatureFate> {
        let fate = |Watched { verdict, broken }: &Watched| SignatureFate {
            domain: verdict.domain.clone(),
            selector: verdict.selector.clone(),
            came: verdict.outcome.name(),
            reason: verdict.outcome.reason().unwrap_or_default().to_owned(),
            broken: broken
                .iter()
                .map(|(part, by)| Broken { part: part.to_string(), by: (*by).to_owned() })
                .collect(),
        };
        self.watched.iter().map(fate).collect()
    }

    /// Notes which signatures a step broke. `by` returns the cause of a change of a part.
    fn look(&mut self, message: &Message, by: impl Fn(&SignedPart) -> &'static str) {
        if self.watched.iter().all(|watched| watched.verdict.outcome.name() != "pass") {
            return;
        }
        let bytes = message.to_bytes();
        if bytes == self.seen {
            return;
        }
        let mail = Mail::read(&bytes);
        for Watched { verdict, broken } in &mut self.watched {
            for part in verdict.broken_in(&mail) {
                if !broken.iter().any(|(known, _)| *known == part) {
                    let by = by(&part);
                    broken.push((part, by));
                }
            }
        }
        self.seen = bytes;
    }

    fn is_alive(&self, place: usize) -> bool {
        self.watched.get(place).is_some_and(|watched| watched.broken.is_empty())
    }
}

/// Notes which signatures of a post a handler broke. After [`settle`] nothing more is noted,
/// because the later handlers were tried there.
pub fn watch(post: &mut Post<'_>, handler: &'static str) {
    if post.signatures.is_settled {
        return;
    }
    let mut signatures = std::mem::take(&mut post.signatures);
    signatures.look(&post.message, |part| cause(post, handler, part));
    post.signatures = signatures;
}

/// Returns the setting because of which a handler changed a part, or the handler if there is none.
fn cause(post: &Post<'_>, handler: &'static str, part: &SignedPart) -> &'static str {
    let settings = &post.list.settings;
    match (handler, part) {
        ("MimeDel", _) => "filter_content",
        ("Scrubber", _) => "scrub_nondigest",
        ("Approve", _) => "a password, which was taken out",
        ("Cleanse", _) if settings.anonymous_list => "anonymous_list",
        ("CleanseDKIM", _) => "remove_dkim_headers",
        (TEXTS, _) if settings.msg_footer.trim().is_empty() => "msg_header",
        (TEXTS, _) => "msg_footer",
        (_, SignedPart::Field(name)) => match name.to_ascii_lowercase().as_str() {
            "subject" => "subject_prefix",
            "reply-to" if settings.first_strip_reply_to => "first_strip_reply_to",
            "reply-to" => "reply_goes_to_list",
            "to" | "cc" => "personalize",
            "sender" => "include_sender_header",
            "feedback-id" | "cfbl-address" | "cfbl-feedback-id" => "feedback_headers",
            name if name.starts_with("list-") => "include_rfc2369_headers",
            _ => handler,
        },
        _ => handler,
    }
}

/// The step that adds the list's header and footer.
const TEXTS: &str = "header and footer";
/// The edits while a post is sent.
const SENDING: &str = "sending";

/// The edits that can be left out of a post; true means that they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edits {
    prefix: bool,
    texts: bool,
}

const ALL: Edits = Edits { prefix: true, texts: true };

/// Decides, before headers are changed, what is left out of a post and whether From may stay
/// unchanged, by trying the remaining edits on a copy.
pub fn settle(post: &mut Post<'_>) -> Result<(), HandlerError> {
    if std::mem::replace(&mut post.signatures.is_settled, true) || post.is_virgin() {
        return Ok(());
    }
    let own: Vec<usize> = origin::of_author(post, post.signatures.verdicts());
    let good: Vec<usize> = (0..post.signatures.watched.len())
        .filter(|place| post.signatures.watched[*place].verdict.outcome.name() == "pass")
        .collect();
    if good.is_empty() {
        return Ok(());
    }
    let tried = tried(post, ALL)?;
    let is_forced = post.list.settings.anonymous_list
        || post.list.settings.from_is_list != FromIsList::No
        || dmarc::is_listed(post);
    let mut chosen = (ALL, tried);
    let survives = |signatures: &Signatures| own.iter().any(|place| signatures.is_alive(*place));
    if !is_forced && !own.is_empty() {
        if post.list.settings.keep_signatures {
            for (prefix, texts) in [(true, false), (false, true), (false, false)] {
                if survives(&chosen.1) {
                    break;
                }
                let edits = Edits { prefix, texts };
                chosen = (edits, self::tried(post, edits)?);
            }
        }
        if survives(&chosen.1) {
            leave_out(post, chosen.0);
            let asked = post.envelope().from_is_list().is_some_and(|number| number != 0);
            if asked {
                post.metadata.edit().from_is_list(0);
            }
            chosen.1.keeps_from = asked;
            chosen.1.left_out = left_out(post, chosen.0);
        } else if chosen.0 != ALL {
            // Leaving something out does not help, so everything is added.
            chosen = (ALL, self::tried(post, ALL)?);
        }
    }
    post.signatures = Signatures { is_settled: true, ..chosen.1 };
    Ok(())
}

fn leave_out(post: &mut Post<'_>, edits: Edits) {
    if !edits.prefix {
        post.metadata.edit().no_prefix(true);
    }
    if !edits.texts {
        post.metadata.edit().no_decoration(true);
    }
}

/// Returns the settings that have no effect because of `edits`.
fn left_out(post: &Post<'_>, edits: Edits) -> Vec<&'static str> {
    let settings = &post.list.settings;
    [
        ("subject_prefix", !edits.prefix && !settings.subject_prefix.trim().is_empty()),
        ("msg_header", !edits.texts && !settings.msg_header.trim().is_empty()),
        ("msg_footer", !edits.texts && !settings.msg_footer.trim().is_empty()),
    ]
    .into_iter()
    .filter_map(|(name, is_left_out)| is_left_out.then_some(name))
    .collect()
}

/// Returns the state of the signatures in the message as it would be sent with From unchanged.
fn tried(post: &Post<'_>, edits: Edits) -> Result<Signatures, HandlerError> {
    let mut trial = Post {
        left: post.left.clone(),
        message: post.message.clone(),
        metadata: post.metadata.clone(),
        outputs: Vec::new(),
        attempts: None,
        known: origin::Known::default(),
        signatures: post.signatures.clone(),
        pattern_problems: RefCell::default(),
        uncooked: None,
        is_rehearsal: true,
        ..*post
    };
    trial.signatures.is_settled = true;
    trial.metadata.edit().from_is_list(0);
    leave_out(&mut trial, edits);
    type Step = fn(&mut Post<'_>) -> Result<Flow, HandlerError>;
    let steps: [(&'static str, Step); 4] = [
        ("CleanseDKIM", cleanse_dkim::run),
        ("CookHeaders", cook_headers::run),
        ("WrapMessage", wrap_message::run),
        ("ToOutgoing", texts),
    ];
    let mut signatures = std::mem::take(&mut trial.signatures);
    for (name, step) in steps.into_iter().filter(|(name, _)| post.is_left(name)) {
        trial.signatures.is_settled = true;
        step(&mut trial)?;
        let name = if name == "ToOutgoing" { TEXTS } else { name };
        signatures.look(&trial.message, |part| cause(&trial, name, part));
    }
    let settings = &post.list.settings;
    if settings.include_sender_header {
        trial.message.set("Sender", &post.list.sub_address("bounces"));
    }
    if settings.personalize.is_full() {
        trial.message.set("To", "reader@example.invalid");
    }
    signatures.look(&trial.message, |part| cause(&trial, SENDING, part));
    // Some messages must be changed for any server, whatever extensions it has.
    let sent = fit::fit(&trial.message, Takes { eight_bit: true, utf8: true }, "");
    signatures.look(&sent, |_| "what SMTP carries");
    Ok(signatures)
}

/// Adds the list's header and footer, including those that would be added to each copy later.
fn texts(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    to_outgoing::decorate(post);
    if let Some(texts) = HeaderAndFooter::of(post.list, post.config, &post.metadata) {
        texts.add_to(&mut post.message, &Vec::new());
    }
    Ok(Flow::Next)
}

/// Returns the text for the trace about the signatures of a post that passed; empty if there is
/// nothing to report.
pub fn summary(post: &Post<'_>) -> String {
    let signatures = &post.signatures;
    let mut told: Vec<String> = Vec::new();
    if signatures.keeps_from {
        told.push("From stays: a good signature of its domain stays good".to_owned());
    }
    if !signatures.left_out.is_empty() {
        told.push(format!("left out by keep_signatures: {}", signatures.left_out.join(", ")));
    }
    let by_policy = post.envelope().from_is_list().is_some_and(|number| number != 0);
    if by_policy {
        let policy = match &post.known.record.policy {
            Policy::Reject => "its domain's policy is reject",
            Policy::Quarantine => "its domain's policy is quarantine",
            Policy::Unknown(_) => "its domain's policy is not known",
            Policy::None | Policy::Monitor => "the list's settings ask for it",
        };
        let some = if post.outputs.iter().any(|output| output.label == two_versions::LABEL) {
            " (only for dmarc.enforcing_receivers)"
        } else {
            ""
        };
        told.push(format!("From contains the list's address: {policy}{some}"));
    }
    for fate in signatures.fates().iter().filter(|fate| !fate.broken.is_empty()) {
        told.push(fate.to_string());
    }
    told.join("; ")
}

impl std::fmt::Display for SignatureFate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SignatureFate { domain, selector, came, reason, broken } = self;
        let domain = if domain.is_empty() { "an unknown domain" } else { domain };
        write!(formatter, "the signature of {domain} ({selector}) ")?;
        if *came != "pass" {
            return write!(formatter, "was not good when it came: {reason}");
        }
        if broken.is_empty() {
            return formatter.write_str("stays good");
        }
        let parts: Vec<String> =
            broken.iter().map(|Broken { part, by }| format!("{part} by {by}")).collect();
        write!(formatter, "is broken: {}", parts.join(", "))
    }
}
