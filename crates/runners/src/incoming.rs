//! The incoming and virgin runners: an entry goes through the pipeline of its list, and what the
//! pipeline decides is carried out.

use crate::digest;
use crate::queue::Processed;
use crate::queue::transaction::Job;
use dormouse_membership::Output;
use dormouse_membership::PatternProblem;
use dormouse_membership::RunError;
use dormouse_membership::moderation::{HELD_BY, vouch};
use dormouse_pipeline as pipeline;
use dormouse_pipeline::hold;
use dormouse_pipeline::{Flow, Handler, HandlerError, Post, Verdict};
use dormouse_spool::{Entry, Queue};
use dormouse_trace::{Event, Step};
use std::borrow::Cow;

/// Takes one entry through its pipeline.
pub(crate) fn process(job: Job<'_>, entry: Entry) -> Result<Processed, HandlerError> {
    let table = table_for(job.queue, &entry);
    let mut post = Post::new(job.shared.site, job.store, job.list, job.name, entry);
    post.policy = job.found.of(&post.message);
    if job.queue == Queue::Virgin {
        if let Some(closing) = digest::closing(&post.metadata)? {
            post.store.close_digest(post.list.id, &closing)?;
        }
        post.metadata.remove("pipeline");
        post.metadata.set_int("_fasttrack", 1);
    }
    let verdict = post.run(table)?;
    let processed = settle(&mut post, verdict)?;
    if post.delivered {
        job.list.post_id += 1;
    }
    Ok(processed)
}

fn table_for(queue: Queue, entry: &Entry) -> &'static [Handler] {
    if queue == Queue::Virgin {
        pipeline::VIRGIN
    } else if entry.metadata.flag("toowner") {
        pipeline::OWNER
    } else {
        pipeline::POSTING
    }
}

/// Carries a verdict out: the notices, and what is remembered.
fn settle(post: &mut Post<'_>, verdict: Verdict) -> Result<Processed, RunError> {
    let mut outputs = std::mem::take(&mut post.outputs);
    outputs.extend(bad_patterns(post)?);
    let mut event = Event::new(Step::Passed, post.entry).of_message(&post.list.name, &post.message);
    let Verdict::Stopped { handler, flow } = verdict else { return Ok((event, outputs)) };
    let sender = event.sender.clone();
    let (step, reason) = match flow {
        Flow::Discard(reason) => (Step::Discarded, reason),
        Flow::Reject(reason) => {
            let answer = vouch::is_answerable(&post.message, &post.metadata);
            if answer && post.answerable().may_answer(&sender)? {
                let language = post.store.language_of(post.list.id, &sender)?;
                let notices = post.notices();
                outputs.push(notices.rejected(&post.message, &sender, &reason.text, &language));
            }
            (Step::Rejected, reason)
        }
        Flow::Hold(reason) => {
            post.metadata.set_text(HELD_BY, handler);
            // The member who was moderated may stand in another header than From.
            let sender = post.metadata.text("sender").map_or(sender.clone(), Cow::into_owned);
            outputs.extend(hold::hold(post, &sender, &reason)?);
            (Step::Held, reason)
        }
        Flow::Next => unreachable!("a handler that stops a message says how"),
    };
    event.step = step;
    event.handler = handler.to_owned();
    event.setting = reason.setting.unwrap_or_default().to_owned();
    event.text = reason.text;
    Ok((event, outputs))
}

/// The owners hear of the patterns that a post met and that cannot be used.
fn bad_patterns(post: &Post<'_>) -> Result<Option<Output>, RunError> {
    let problems = post.pattern_problems.take();
    tell_bad_patterns(post, problems)
}

/// The owners hear of patterns that cannot be used, once in a while.
pub(crate) fn tell_bad_patterns(
    post: &Post<'_>,
    mut problems: Vec<PatternProblem>,
) -> Result<Option<Output>, RunError> {
    problems.dedup();
    let mut new = Vec::new();
    for problem in problems {
        let PatternProblem { setting, pattern, problem: text } = &problem;
        if post.store.note_pattern_problem(post.list.id, setting, pattern, text, post.now)? {
            new.push(problem);
        }
    }
    Ok((!new.is_empty()).then(|| post.notices().bad_patterns(&new)))
}
