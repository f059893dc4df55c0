//! The incoming and virgin runners: a batch of entries goes through a pipeline in one transaction
//! of the store, and is handed over in one commit of the spool.
//!
//! The store commits first. A process that dies between the two commits repeats the batch: held
//! posts are recorded once by their entry's name, and at worst a post number is skipped.

use crate::notices::is_automatic;
use crate::pipeline::{self, Flow, Handler, Post, Verdict};
use crate::{RunError, Shared, shunt};
use dormouse_mail::Message;
use dormouse_spool::{Claim, Entry, EntryName, Queue};
use dormouse_store::{HeldPost, List, Store, Tx};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a pass over `in` or `virgin` came to.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Entries taken.
    pub entries: u64,
    /// Sent on to `out`.
    pub passed: u64,
    /// Waiting for a moderator.
    pub held: u64,
    /// Sent back.
    pub rejected: u64,
    /// Dropped.
    pub discarded: u64,
    /// Set aside for a person.
    pub shunted: u64,
}

impl Tally {
    /// Adds another pass.
    pub fn add(&mut self, other: &Tally) {
        self.entries += other.entries;
        self.passed += other.passed;
        self.held += other.held;
        self.rejected += other.rejected;
        self.discarded += other.discarded;
        self.shunted += other.shunted;
    }
}

/// Works off what is ready in `queue` (`in` or `virgin`), and returns what became of it with the
/// errors met on the way.
///
/// Entries that a dead process left behind come last and each alone: if one of them is what killed
/// the process, it takes no other with it.
pub fn run(
    shared: &Shared<'_>,
    store: &Store,
    queue: Queue,
    names: Vec<EntryName>,
) -> (Tally, Vec<RunError>) {
    let mut work = Work { shared, store, queue, tally: Tally::default(), errors: Vec::new() };
    let most = usize::try_from(shared.site.config().run_batch).unwrap_or(usize::MAX).max(1);
    let suspects = work.in_batches(names, most);
    work.in_batches(suspects, 1);
    (work.tally, work.errors)
}

/// One run over a queue.
struct Work<'w> {
    shared: &'w Shared<'w>,
    store: &'w Store,
    queue: Queue,
    tally: Tally,
    errors: Vec<RunError>,
}

impl Work<'_> {
    /// Processes entries, `most` at once, and returns those that are suspect and were not alone.
    fn in_batches(&mut self, names: Vec<EntryName>, most: usize) -> Vec<EntryName> {
        let mut suspects = Vec::new();
        let mut waiting = names.into_iter();
        while !self.shared.stopping() {
            let claims = self.claim_some(&mut waiting, most, &mut suspects);
            if claims.is_empty() {
                break;
            }
            match one_batch(self.shared, self.store, claims) {
                Ok(done) => self.tally.add(&done),
                Err(error) => {
                    tracing::error!("{}: {error}; the entries stay in the queue", self.queue);
                    self.errors.push(error);
                    // The next batch would meet the same trouble (a full disk, a locked database).
                    return Vec::new();
                }
            }
        }
        suspects
    }

    fn claim_some(
        &mut self,
        waiting: &mut impl Iterator<Item = EntryName>,
        most: usize,
        suspects: &mut Vec<EntryName>,
    ) -> Vec<(Claim, Entry)> {
        let mut claims: Vec<(Claim, Entry)> = Vec::new();
        let mut bytes = 0;
        while claims.len() < most && bytes < MOST_BYTES {
            let Some(name) = waiting.next() else { break };
            let claimed = claim_one(self.shared, self.queue, &name).and_then(|claimed| {
                let Some((claim, entry)) = claimed else { return Ok(()) };
                if entry.is_suspect() && most > 1 {
                    suspects.push(name);
                    return Ok(claim.release()?);
                }
                bytes += entry.message.len();
                claims.push((claim, entry));
                Ok(())
            });
            if let Err(error) = claimed {
                tracing::error!("{error}");
                self.errors.push(error);
            }
        }
        claims
    }
}

/// A batch of large messages ends early, so that memory stays bounded.
const MOST_BYTES: usize = 16 * 1024 * 1024;

fn claim_one(
    shared: &Shared<'_>,
    queue: Queue,
    name: &EntryName,
) -> Result<Option<(Claim, Entry)>, RunError> {
    let Some(mut claim) = shared.spool.claim(queue, name)? else { return Ok(None) };
    match claim.read() {
        Ok(entry) => Ok(Some((claim, entry))),
        Err(error) if error.is_bad_entry() => {
            let kept = claim.preserve()?;
            tracing::error!("{error}; kept as {}", kept.display());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn one_batch(
    shared: &Shared<'_>,
    store: &Store,
    claims: Vec<(Claim, Entry)>,
) -> Result<Tally, RunError> {
    let mut tally = Tally::default();
    let mut batch = shared.spool.batch();
    store.write(|tx| -> Result<(), RunError> {
        let mut lists = HashMap::new();
        for (claim, entry) in claims {
            tally.entries += 1;
            let outputs = one_entry(shared, tx, &mut lists, &claim, entry, &mut tally)?;
            for output in &outputs {
                batch.enqueue(output.queue, &claim.name().derive(&output.label), &output.entry)?;
            }
            batch.finish(claim);
        }
        Ok(())
    })?;
    dormouse_spool::fault::point("incoming.stored");
    batch.commit()?;
    Ok(tally)
}

/// Takes one entry through its pipeline and says what comes of it.
fn one_entry(
    shared: &Shared<'_>,
    tx: &Tx<'_>,
    lists: &mut HashMap<String, Option<List>>,
    claim: &Claim,
    entry: Entry,
    tally: &mut Tally,
) -> Result<Vec<pipeline::Output>, RunError> {
    let queue = claim.queue();
    let site_list = &shared.site.config().site_list;
    let listname = entry.metadata.text("listname").filter(|name| !name.is_empty());
    let listname = listname.map_or_else(|| site_list.clone(), |name| name.to_lowercase());
    if !lists.contains_key(&listname) {
        lists.insert(listname.clone(), tx.list(&listname)?);
    }
    let Some(list) = lists.get_mut(&listname).and_then(Option::as_mut) else {
        tally.shunted += 1;
        return Ok(vec![shunted(shared, claim, entry, &format!("there is no list {listname:?}"))]);
    };
    let handlers = pipeline_for(queue, &entry);
    let original = entry.clone();
    let mut post = Post {
        list,
        config: shared.site.config(),
        store: tx,
        entry: claim.name(),
        now: dormouse_spool::name::now(),
        message: Message::parse(entry.message),
        metadata: entry.metadata,
        outputs: Vec::new(),
        delivered: false,
    };
    if queue == Queue::Virgin {
        post.metadata.remove("pipeline");
        post.metadata.set_int("_fasttrack", 1);
    }
    let verdict = catch_unwind(AssertUnwindSafe(|| post.run(handlers)));
    let outputs = match verdict {
        Ok(Ok(verdict)) => settle(&mut post, verdict, tally)?,
        Ok(Err(error)) => return Err(error.into()),
        Err(panic) => {
            let what = panic_text(&*panic);
            tally.shunted += 1;
            vec![shunted(shared, claim, original, &format!("a fault of this program: {what}"))]
        }
    };
    if post.delivered {
        list.post_id += 1;
    }
    Ok(outputs)
}

fn pipeline_for(queue: Queue, entry: &Entry) -> &'static [Handler] {
    if queue == Queue::Virgin {
        pipeline::VIRGIN
    } else if entry.metadata.flag("toowner") {
        pipeline::OWNER
    } else {
        pipeline::POSTING
    }
}

/// Carries a verdict out: the notices, and what is remembered.
fn settle(
    post: &mut Post<'_>,
    verdict: Verdict,
    tally: &mut Tally,
) -> Result<Vec<pipeline::Output>, RunError> {
    let mut outputs = std::mem::take(&mut post.outputs);
    let (handler, flow) = match verdict {
        Verdict::Passed => {
            tally.passed += 1;
            return Ok(outputs);
        }
        Verdict::Stopped { handler, flow } => (handler, flow),
    };
    let sender = post.message.sender().unwrap_or_default();
    let log = |verb: &str, reason: &str| {
        let id = post.message.text("Message-ID").unwrap_or_default();
        tracing::info!(
            "{}: {verb} post from {sender}, {id}, by {handler}: {reason}",
            post.list.name
        );
    };
    let automatic = is_automatic(&post.message, &post.metadata);
    match flow {
        Flow::Next => {}
        Flow::Discard(reason) => {
            tally.discarded += 1;
            log("discarded", &reason.text);
        }
        Flow::Reject(reason) => {
            tally.rejected += 1;
            log("rejected", &reason.text);
            if !automatic && !sender.is_empty() {
                outputs.push(post.notices().rejected(&post.message, &sender, &reason.text));
            }
        }
        Flow::Hold(reason) => {
            tally.held += 1;
            log("held", &reason.text);
            outputs.extend(hold(post, &sender, &reason.text, automatic)?);
        }
    }
    Ok(outputs)
}

/// Stores a post for the moderators and tells them.
fn hold(
    post: &mut Post<'_>,
    sender: &str,
    reason: &str,
    automatic: bool,
) -> Result<Vec<pipeline::Output>, RunError> {
    let kept = Entry::new(post.message.to_bytes(), post.metadata.clone());
    let id = post.store.hold(&HeldPost {
        list_id: post.list.id,
        entry: post.entry.as_str().to_owned(),
        sender: sender.to_owned(),
        subject: post.message.text("Subject").unwrap_or_default(),
        reason: reason.to_owned(),
        content: kept.to_bytes(),
        held_at: post.now,
    })?;
    let settings = &post.list.settings;
    let mut outputs = Vec::new();
    if settings.admin_immed_notify {
        outputs.push(post.notices().held(&post.message, sender, id, reason));
    }
    // A stranger's address may be forged: only members hear that their post waits.
    if settings.respond_to_post_requests
        && !automatic
        && post.store.is_member(post.list.id, sender)?
    {
        outputs.push(post.notices().post_held(&post.message, sender, reason));
    }
    Ok(outputs)
}

fn shunted(shared: &Shared<'_>, claim: &Claim, mut entry: Entry, reason: &str) -> pipeline::Output {
    let queue = claim.queue();
    tracing::error!("{queue}/{}: set aside in shunt: {reason}", claim.name());
    shunt::describe(&mut entry.metadata, &shared.spool.dir(queue), reason);
    pipeline::Output { queue: Queue::Shunt, label: "shunt".to_owned(), entry }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
