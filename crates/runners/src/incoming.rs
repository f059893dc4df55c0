//! The incoming and virgin runners: pass an entry through the pipeline of its list, carry out the
//! verdict, and record it in the trace.

use crate::digest;
use crate::queue::Processed;
use crate::queue::transaction::EntryJob;
use dormouse_pipeline::handlers::signatures;
use dormouse_pipeline::settle::settle;
use dormouse_pipeline::{Flow, Handler, HandlerError, OWNER, POSTING, Post, VIRGIN, Verdict};
use dormouse_spool::{Entry, KEY, Queue};
use dormouse_trace::{Event, Step};

/// Processes one entry.
pub(crate) fn process(job: EntryJob<'_>, entry: Entry) -> Result<Processed, HandlerError> {
    let table = table_for(job.queue, &entry);
    let known = job.found.of(job.shared.site, job.list, &entry)?;
    let mut post = Post::new(job.shared.site, job.store, job.list, job.name, entry);
    post.known = known;
    post.attempts = job.attempts;
    if job.queue == Queue::Virgin {
        if let Some(closing) = digest::closing(&post.metadata)?
            && !post.store.close_digest(post.list.id, &closing)?
        {
            let mut event =
                Event::new(Step::Discarded, post.entry).of_message(&post.list.name, &post.message);
            event.text = "another host has sent this issue of the digest".to_owned();
            return Ok((event, Vec::new()));
        }
        post.metadata.remove(KEY.pipeline);
        post.metadata.edit().fast_track(true);
    }
    let verdict = post.run(table)?;
    let outputs = settle(&mut post, &verdict)?;
    let event = event(&post, verdict);
    if post.delivered {
        job.list.post_id += 1;
    }
    Ok((event, outputs))
}

fn table_for(queue: Queue, entry: &Entry) -> &'static [Handler] {
    if queue == Queue::Virgin {
        VIRGIN
    } else if entry.metadata.envelope().to_owner() {
        OWNER
    } else {
        POSTING
    }
}

/// Returns the event for the trace about a verdict.
fn event(post: &Post<'_>, verdict: Verdict) -> Event {
    let mut event = Event::new(Step::Passed, post.entry).of_message(&post.list.name, &post.message);
    let Verdict::Stopped { handler, flow } = verdict else {
        event.text = signatures::summary(post);
        return event;
    };
    let (step, reason) = match flow {
        Flow::Discard(reason) => (Step::Discarded, reason),
        Flow::Reject(reason) => (Step::Rejected, reason),
        Flow::Hold(reason) => (Step::Held, reason),
        Flow::Wait { reason, .. } => (Step::Postponed, reason),
        Flow::Next => unreachable!("a handler that stops a message says how"),
    };
    event.step = step;
    event.handler = handler.to_owned();
    event.setting = reason.setting.unwrap_or_default().to_owned();
    event.text = reason.text;
    event
}
