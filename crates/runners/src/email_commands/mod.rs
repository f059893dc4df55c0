//! Commands by mail: `L-request`, `L-join`, `L-leave`, `L-confirm` (docs/spec/commands.md §1 to §3).
//!
//! Programs never get a reply, replies to an address are limited, and no reply reveals whether
//! somebody else is a member.
//!
//! - [`script`]: the lines of a mail that are commands. [`session`]: the state while they are
//!   executed, and the reply. Each command has its own file.

mod confirm;
mod echo;
mod end;
mod help;
mod info;
mod join;
mod leave;
mod lists;
mod password;
mod script;
mod session;
mod set;
#[cfg(test)]
mod tests;
mod who;

use crate::queue::Processed;
use crate::queue::transaction::EntryJob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dormouse_mail::Message;
use dormouse_mail::automatic::Automatic;
use dormouse_membership::Output;
use dormouse_membership::address::is_own;
use dormouse_membership::budget::Budget;
use dormouse_membership::moderation::desk::DecisionEffect;
use dormouse_membership::moderation::vouch;
use dormouse_membership::{Means, Origin, checked};
use dormouse_pipeline::handlers::replybot;
use dormouse_pipeline::settle::bad_patterns;
use dormouse_pipeline::{HandlerError, Post};
use dormouse_spool::{Entry, Queue};
use dormouse_store::{AutorespondRequests, StoreError, Tx};
use dormouse_trace::{EntryPlace, Event, Step, Trace};
use script::Script;
use serde::{Deserialize, Serialize};
use session::CommandSession;
use std::path::Path;

/// Whether the next line is a command, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    Stop,
}

/// One command.
struct Command {
    /// Its words.
    words: &'static [&'static str],
    /// Its text in `help`.
    help: &'static str,
    run: fn(&mut CommandSession<'_, '_>, &[&str]) -> Result<Next, HandlerError>,
}

/// Every command, in the order of `help`.
const COMMANDS: &[Command] = &[
    confirm::COMMAND,
    echo::COMMAND,
    end::COMMAND,
    help::COMMAND,
    info::COMMAND,
    join::COMMAND,
    leave::COMMAND,
    lists::COMMAND,
    password::COMMAND,
    set::COMMAND,
    who::COMMAND,
];

fn command(word: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.words.contains(&word))
}

/// How long the outcome of an entry is stored, in seconds. The entry has left its queue long
/// before.
const REMEMBERED_FOR: f64 = 7.0 * 86_400.0;

/// Executes the commands of one mail.
pub(crate) fn process(job: EntryJob<'_>, entry: Entry) -> Result<Processed, HandlerError> {
    if let Some(done) = job.store.read().outcome(job.name.as_str())? {
        match Outcome::read(&done, job.name.as_str()) {
            Some(processed) => return Ok(processed),
            None => tracing::error!(
                "{}: the stored outcome cannot be read; its commands are executed again",
                job.name
            ),
        }
    }
    let mut post = Post::new(job.shared.site, job.store, job.list, job.name, entry);
    let processed = answer(&mut post)?;
    let (store, now) = (post.store, post.now);
    if processed.1.is_empty() {
        // Without mail to send there is nothing to repeat, so nothing is stored.
        return Ok(processed);
    }
    let kept = Outcome::write(&processed)
        .map_err(|error| StoreError::Content { what: "an answer", problem: error.to_string() })?;
    store.keep_outcome(job.name.as_str(), &kept, now)?;
    store.forget_outcomes(now - REMEMBERED_FOR)?;
    Ok(processed)
}

/// The outcome of an entry, as it is stored: if the entry is processed again after a crash, the
/// same mail is sent, and no command is executed twice.
#[derive(Serialize, Deserialize)]
struct Outcome {
    event: Event,
    /// Queue, label, and entry in base64.
    outputs: Vec<(String, String, String)>,
}

impl Outcome {
    fn write((event, outputs): &Processed) -> serde_json::Result<Vec<u8>> {
        let outputs = outputs.iter().map(|output| {
            let entry = BASE64.encode(output.entry.to_bytes());
            (output.queue.to_string(), output.label.clone(), entry)
        });
        serde_json::to_vec(&Outcome { event: event.clone(), outputs: outputs.collect() })
    }

    fn read(kept: &[u8], name: &str) -> Option<Processed> {
        let outcome: Outcome = serde_json::from_slice(kept).ok()?;
        let outputs: Option<Vec<Output>> = outcome
            .outputs
            .into_iter()
            .map(|(queue, label, entry)| {
                let queue: Queue = queue.parse().ok()?;
                let entry = BASE64.decode(entry).ok()?;
                let entry = Entry::from_bytes(&entry, Path::new(name)).ok()?;
                Some(Output { queue, label, entry })
            })
            .collect();
        Some((outcome.event, outputs?))
    }
}

/// Deletes the outcomes of mail that an address sent or got a reply to. Returns their number.
pub fn forget_outcomes(store: &Tx<'_>, address: &str) -> Result<usize, StoreError> {
    let is_in = |bytes: &[u8]| {
        memchr::memmem::find(&bytes.to_ascii_lowercase(), address.to_lowercase().as_bytes())
            .is_some()
    };
    let mut forgotten = 0;
    for (entry, content) in store.read().outcomes()? {
        let outputs = serde_json::from_slice::<Outcome>(&content).map(|outcome| outcome.outputs);
        let names_it = is_in(&content)
            || outputs.is_ok_and(|outputs| {
                outputs
                    .iter()
                    .any(|(_, _, entry)| BASE64.decode(entry).is_ok_and(|entry| is_in(&entry)))
            });
        if names_it {
            store.forget_outcome(&entry)?;
            forgotten += 1;
        }
    }
    Ok(forgotten)
}

fn answer(post: &mut Post<'_>) -> Result<Processed, HandlerError> {
    let mut event = Event::new(Step::Passed, post.entry).of_message(&post.list.name, &post.message);
    if let Some(why) = unanswerable(post) {
        tracing::info!("{}: mail from {} is ignored: {why}", post.list.name, event.sender);
        event.step = Step::Discarded;
        event.text = why;
        return Ok((event, Vec::new()));
    }
    replybot::run(post)?;
    let mut outputs = std::mem::take(&mut post.outputs);
    if post.list.settings.autorespond_requests == AutorespondRequests::Discard {
        event.step = Step::Discarded;
        event.setting = "autorespond_requests".to_owned();
        event.text = "answered automatically".to_owned();
        return Ok((event, outputs));
    }
    let done = carry_out(post)?;
    let SessionOutcome { commands, mails, decided, problems } = done;
    if commands.is_empty() && mails.is_empty() {
        event.step = Step::Discarded;
        event.text = "no command".to_owned();
    } else {
        event.text = commands.join(", ");
    }
    outputs.extend(mails);
    outputs.extend(bad_patterns(post, problems)?);
    for DecisionEffect { event: mut of_post, output, .. } in decided {
        if let Some(output) = output {
            let place = EntryPlace::new(output.queue, &post.entry.derive(&output.label));
            of_post.outputs.push(place);
            outputs.push(output);
        }
        let mut trace = Trace::of(post.site);
        trace.add(&of_post);
        trace.flush();
    }
    Ok((event, outputs))
}

/// Returns why a mail is ignored: because a program wrote it, or the list itself.
fn unanswerable(post: &Post<'_>) -> Option<String> {
    let message = &post.message;
    let acknowledged =
        message.text("X-Ack").is_some_and(|ack| ack.trim().eq_ignore_ascii_case("yes"));
    match vouch::sign_of_program(message, &post.metadata) {
        // With `X-Ack: yes` such mail gets a reply, whatever its Precedence says
        // (docs/spec/commands.md §1).
        Some(Automatic::Bulk) if acknowledged => {}
        Some(sign) => return Some(sign.to_string()),
        None => {}
    }
    let Some(sender) = message.sender() else { return Some("it has no sender".to_owned()) };
    if checked(&sender).is_err() {
        return Some("its sender is not a valid address".to_owned());
    }
    let address = post.list.address();
    let was_here = message
        .fields_named("X-BeenThere")
        .any(|field| field.text().trim().eq_ignore_ascii_case(&address));
    if is_own(post.list, &sender) || was_here {
        return Some("it is from the list itself".to_owned());
    }
    None
}

/// The outcome of a mail's commands.
struct SessionOutcome {
    /// The commands that were understood.
    commands: Vec<&'static str>,
    mails: Vec<Output>,
    decided: Vec<DecisionEffect>,
    problems: Vec<dormouse_membership::PatternProblem>,
}

fn carry_out(post: &Post<'_>) -> Result<SessionOutcome, HandlerError> {
    let mut session = CommandSession::new(post)?;
    let envelope = post.envelope();
    if envelope.to_join() {
        session.run_one("join", &[])?;
    } else if envelope.to_leave() {
        session.run_one("leave", &[])?;
    } else if let Some(cookie) = envelope.to_confirm().then(|| cookie_of(post)).flatten() {
        session.run_one("confirm", &[&cookie])?;
    } else {
        session.run_script(&Script::read(&post.message))?;
    }
    session.finish()
}

/// Returns the cookie in the address that the mail was sent to, `L-confirm+COOKIE@H`.
fn cookie_of(post: &Post<'_>) -> Option<String> {
    let envelope = post.metadata.envelope().envelope_recipient().map(std::borrow::Cow::into_owned);
    let headers = ["To", "Delivered-To", "X-Original-To"]
        .into_iter()
        .flat_map(|name| post.message.mailboxes(name))
        .map(|mailbox| mailbox.address);
    envelope.into_iter().chain(headers).find_map(|address| cookie_in(&address))
}

fn cookie_in(address: &str) -> Option<String> {
    let (local, _) = address.rsplit_once('@').unwrap_or((address, ""));
    let (_, cookie) = local.rsplit_once('+')?;
    let is_cookie = cookie.len() == 40 && cookie.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_cookie.then(|| cookie.to_lowercase())
}

/// Returns the origin of a mail's requests.
fn origin_of(post: &Post<'_>, sender: &str) -> Origin {
    let id = post.message.text("Message-ID").unwrap_or_default();
    Origin {
        means: Means::Mail,
        who: sender.to_owned(),
        how: format!("by mail from {sender}, Message-ID {}", message_id(&id)),
        seed: post.entry.as_str().to_owned(),
        is_vouched: post.answerable().budget(sender) == Budget::Vouched,
    }
}

/// Returns a Message-ID without characters that cannot be shown.
fn message_id(id: &str) -> String {
    let shown: String = id.chars().filter(|letter| !letter.is_control()).take(200).collect();
    if shown.is_empty() { "none".to_owned() } else { shown }
}

/// Returns the sender with the name and the spelling in the mail.
fn mailbox_of(message: &Message) -> dormouse_mail::Mailbox {
    ["From", "Sender"]
        .into_iter()
        .flat_map(|name| message.mailboxes(name))
        .find(|mailbox| !mailbox.address.is_empty())
        .unwrap_or_else(|| dormouse_mail::Mailbox {
            name: String::new(),
            address: message.sender().unwrap_or_default().into(),
        })
}
