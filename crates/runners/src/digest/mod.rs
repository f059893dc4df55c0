//! Digests: the posts of a list in one mail (docs/spec/pipeline.md §4).
//!
//! # Layout
//! - [`Press`] creates issues and enqueues them. `volume`: when a new volume begins.
//! - `edition`: forms and languages. `article`: one post in both forms. `issue`: all posts, with
//!   the texts around them. `layout`: its lines.
//!
//! # After a crash
//! An issue is first enqueued in `virgin` and then closed in the store: its posts are deleted, and
//! the number grows. A process that dies in between leaves an issue that is enqueued but not
//! closed. So its entries contain the data to close it, and the virgin runner closes it, too; and
//! as long as one of these entries exists, the issue is not created again.

mod article;
mod edition;
mod issue;
mod layout;
pub mod volume;

use crate::shunt;
use article::Maker;
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_membership::Output;
use dormouse_membership::RunError;
use dormouse_membership::notices::templates::Phrases;
use dormouse_membership::template;
use dormouse_pipeline::recipients::Recipients;
use dormouse_spool::{Entry, EntryName, Envelope, KEY, Metadata, Queue, Spool, WrongValue, fault};
use dormouse_store::{ClosedIssue, DigestState, List, Period, Read, Site, Store, StoreError, Tx};
use edition::{Edition, Form};
use issue::Issue;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Removes posts with that Message-ID from a list's next digest. Returns their number.
pub fn take_out(store: &Store, list: &List, message_id: &str) -> Result<usize, StoreError> {
    let bare = |id: &str| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
    let wanted = bare(message_id);
    store.write(|tx| {
        tx.drop_from_digest(list.id, |content| {
            Message::parse_header_of(content)
                .text("Message-ID")
                .is_some_and(|id| bare(&id) == wanted)
        })
    })
}

/// How long outcomes of entries are stored, in seconds; no entry is processed again after that.
const REMEMBERED_FOR: f64 = 30.0 * 86_400.0;
/// The name under which it is recorded for each list that the job has sent its digest.
const JOB: &str = "senddigests";

/// Creates and sends digests.
pub struct Press<'d> {
    /// The site.
    pub site: &'d Site,
    /// Its queues.
    pub spool: &'d Spool,
    /// Its store.
    pub store: &'d Store,
    /// The current time.
    pub now: Timestamp,
    /// The time zone whose calendar separates volumes.
    pub zone: &'d TimeZone,
}

/// An issue that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentIssue {
    /// The list.
    pub list: String,
    /// Its volume.
    pub volume: i64,
    /// Its number in the volume.
    pub issue: i64,
    /// The number of its posts.
    pub posts: usize,
    /// The number of posts that were replaced by a note, and wait in `shunt`.
    pub left_out: usize,
}

impl Press<'_> {
    /// Sends a list's digest, if there are posts for one.
    pub fn send(&self, list: &List) -> Result<Option<SentIssue>, RunError> {
        self.store.write(|tx| self.issue(tx, list))
    }

    /// Does the same, once for a period.
    pub fn send_for(&self, list: &List, period: &Period) -> Result<Option<SentIssue>, RunError> {
        self.store.write(|tx| {
            if tx.mark_done(JOB, list.id, period)? { self.issue(tx, list) } else { Ok(None) }
        })
    }

    /// Sends the digests that have grown large enough.
    pub fn send_large(&self) -> Result<Vec<SentIssue>, RunError> {
        let mut reports = Vec::new();
        for id in self.store.read().lists_with_due_digest()? {
            fault::point("digest.begun");
            if let Some(list) = self.store.read().list_by_id(id)? {
                reports.extend(self.send(&list)?);
            }
        }
        Ok(reports)
    }

    /// Creates the next issue, enqueues it, and closes it.
    fn issue(&self, tx: &Tx<'_>, list: &List) -> Result<Option<SentIssue>, RunError> {
        let mut state = tx.read().digest_state(list.id)?;
        if self.is_on_its_way(list, state.sent + 1)? {
            return Ok(None);
        }
        let frequency = list.settings.digest_volume_frequency;
        if volume::is_new(frequency, state.last_sent_at, self.now, self.zone) {
            state.volume += 1;
            state.next_number = 1;
        }
        let Some(made) = self.make(tx.read(), list, &state)? else {
            tx.digest_is_not_due(list.id)?;
            return Ok(None);
        };
        let mut batch = self.spool.batch();
        for output in &made.outputs {
            let name = entry_name(list, state.sent + 1, &output.label);
            batch.enqueue(output.queue, &name, &output.entry)?;
        }
        batch.commit()?;
        fault::point("digest.handed-over");
        if !tx.close_digest(list.id, &made.closing)? {
            return Ok(None);
        }
        tx.forget_outcomes(self.now - REMEMBERED_FOR)?;
        Ok(Some(made.report))
    }

    /// Whether entries of an issue exist although it is not closed; their runner will close it.
    fn is_on_its_way(&self, list: &List, count: i64) -> Result<bool, RunError> {
        // This completes hand-overs of dead processes, so that their entries become visible.
        self.spool.recover(&[])?;
        let digits = |name: &EntryName| name.as_str().rsplit('+').next().map(str::to_owned);
        let ours: Vec<_> = Edition::all(self.site, list)
            .iter()
            .map(|edition| digits(&entry_name(list, count, &edition.label())))
            .collect();
        // Entries of a hand-over that another process is completing are promised; once they are
        // not, they are in the queue. So the promises are read before the queue.
        let promised = self.spool.promised(Queue::Virgin)?;
        let entries = self.spool.list(Queue::Virgin)?;
        let mut names = promised.iter().chain(entries.iter().map(|found| &found.name));
        Ok(names.any(|name| ours.contains(&digits(name))))
    }

    /// Returns the editions that have readers.
    fn wanted(
        &self,
        tx: &Read,
        list: &List,
        count: i64,
    ) -> Result<Vec<(Edition, Recipients)>, RunError> {
        let mut wanted = Vec::new();
        for edition in Edition::all(self.site, list) {
            let recipients = Recipients::by(edition.readers(list, count), tx)?;
            if recipients != Recipients::These(Vec::new()) {
                wanted.push((edition, recipients));
            }
        }
        Ok(wanted)
    }

    fn make(&self, tx: &Read, list: &List, state: &DigestState) -> Result<Option<Made>, RunError> {
        let count = state.sent + 1;
        let wanted = self.wanted(tx, list, count)?;
        let words = Words::of(self.site, list, "");
        let is_plain_wanted = wanted.iter().any(|(edition, _)| edition.form == Form::Plain);
        let maker = Maker { site: self.site, list, words: &words, is_plain_wanted };
        let mut articles = Vec::new();
        let mut outputs = Vec::new();
        let mut posts = 0;
        let mut last_post = 0;
        tx.digest_posts(list.id, |post| -> Result<(), RunError> {
            posts += 1;
            last_post = post.id;
            if wanted.is_empty() {
                return Ok(());
            }
            let article = maker.make(&post, posts);
            if let Some(problem) = &article.problem {
                outputs.push(self.set_aside(list, posts, post.content, problem));
            }
            articles.push(article);
            Ok(())
        })?;
        if posts == 0 {
            return Ok(None);
        }
        let closing = ClosedIssue {
            last_post,
            volume: state.volume,
            number: state.next_number,
            count,
            at: self.now,
        };
        let report = SentIssue {
            list: list.name.to_string(),
            volume: closing.volume,
            issue: closing.number,
            posts,
            left_out: outputs.len(),
        };
        let now = self.now;
        for (edition, recipients) in wanted {
            let words = Words::of(self.site, list, &edition.language);
            let issue = Issue {
                list,
                site: self.site,
                language: &edition.language,
                words: &words,
                title: words.title(list, &closing),
                now,
                articles: &articles,
            };
            outputs.push(issue_output(&issue, &edition, &recipients, &closing));
        }
        Ok(Some(Made { outputs, closing, report }))
    }

    /// Returns the entry for `shunt` of a post that could not be included.
    fn set_aside(&self, list: &List, number: usize, content: Vec<u8>, problem: &str) -> Output {
        let mut metadata = Metadata::new();
        metadata.edit().listname(&list.name);
        metadata.edit().to_list(true);
        let reason = format!("it could not be put into the digest: {problem}");
        shunt::describe(&mut metadata, &self.spool.dir(Queue::In), &reason);
        Output {
            queue: Queue::Shunt,
            label: format!("post {number}"),
            entry: Entry::new(content, metadata),
        }
    }
}

/// Returns the entry of an edition of the issue.
fn issue_output(
    issue: &Issue<'_>,
    edition: &Edition,
    recipients: &Recipients,
    closing: &ClosedIssue,
) -> Output {
    let message = match edition.form {
        Form::Mime => issue.mime(),
        Form::Plain => issue.plain(),
    };
    let mut metadata = Metadata::new();
    metadata.edit().listname(&issue.list.name);
    metadata.edit().is_digest(true);
    metadata.edit().digest_closes(&write_closing(closing));
    recipients.write(&mut metadata);
    Output {
        queue: Queue::Virgin,
        label: edition.label(),
        entry: Entry::new(message.to_bytes(), metadata),
    }
}

struct Made {
    outputs: Vec<Output>,
    closing: ClosedIssue,
    report: SentIssue,
}

/// Returns a name with the current time, whose digest depends only on the issue.
fn entry_name(list: &List, count: i64, label: &str) -> EntryName {
    EntryName::from_base(&format!("digest {} {count}", list.name)).derive(label)
}

fn write_closing(closing: &ClosedIssue) -> String {
    let ClosedIssue { last_post, volume, number, count, at } = closing;
    format!("{last_post} {volume} {number} {count} {at:?}")
}

/// Returns the data to close the issue of an entry of `virgin`, if it is a digest.
///
/// # Errors
/// If the data cannot be parsed: if nobody closed the issue, its posts would be sent again.
pub(crate) fn closing(metadata: &Metadata) -> Result<Option<ClosedIssue>, WrongValue> {
    let Some(text) = Envelope::read(metadata)?.digest_closes() else { return Ok(None) };
    let read = || {
        let mut words = text.split(' ');
        let mut number = || words.next()?.parse().ok();
        let (last_post, volume, issue, count) = (number()?, number()?, number()?, number()?);
        Some(ClosedIssue {
            last_post,
            volume,
            number: issue,
            count,
            at: words.next()?.parse().ok()?,
        })
    };
    read().map(Some).ok_or_else(|| WrongValue {
        key: KEY.digest_closes,
        found: format!("a text ({text:?})"),
        wanted: "four whole numbers and a time",
    })
}

/// The phrases of a digest, from the text `digest`: one on each line, after its key.
pub(crate) struct Words {
    title: String,
    topics: String,
    messages: String,
    header: String,
    footer: String,
    end: String,
    broken: String,
}

impl Words {
    /// Returns them in a language; the list's if it is empty.
    pub(crate) fn of(site: &Site, list: &List, language: &str) -> Words {
        let phrases = Phrases::of(site, list, "digest", language);
        let get = |key: &str| phrases.get(key);
        Words {
            title: get("title"),
            topics: get("topics"),
            messages: get("messages"),
            header: get("header"),
            footer: get("footer"),
            end: get("end"),
            broken: get("broken"),
        }
    }

    fn title(&self, list: &List, closing: &ClosedIssue) -> String {
        let fields = vec![
            ("real_name", list.settings.real_name.clone()),
            ("volume", closing.volume.to_string()),
            ("issue", closing.number.to_string()),
        ];
        template::fill(&self.title, &fields, false)
    }
}

#[cfg(test)]
mod tests;
