//! Sends an entry to those of its recipients who are not done yet.

use super::MOST_NAMES;
use super::feed::{Feed, Slice};
use super::pace::Pace;
use crate::outbound::Outbound;
use crate::queue::{Patience, QueueDesk, QueueTally};
use dormouse_clock::Timestamp;
use dormouse_delivery::{
    Addresses, Ask, Capabilities, RecipientOutcome, SendError, Session, Stage, Transaction,
    TransactionReport,
};
use dormouse_membership::RunError;
use dormouse_pipeline::progress::{DeliveryProgress, FailedRecipient, ProgressLine};
use dormouse_spool::{Claim, EntryName, SpoolError, fault};
use dormouse_trace::{Event, LineNames, Step, Trace};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The interval at which the journal of a long delivery is synced.
const SYNC_EVERY: Duration = Duration::from_millis(100);

/// An entry on its way to its recipients, over one connection after the other if they break.
pub(super) struct Sending<'s, 'f, 'p> {
    claim: &'s mut Claim,
    mail: &'s Outbound<'s>,
    pub feed: Feed<'f>,
    pace: &'s RefCell<Pace<'p>>,
    progress: &'s mut DeliveryProgress,
    pub accepted: AcceptedRecipients,
    patience: Patience,
    /// The process must stop, or light entries wait.
    pub is_stopped: bool,
    /// The progress when the connection last broke.
    broke_at: Option<u64>,
}

/// How sending over one connection ended.
pub(super) struct Attempt {
    pub sent: Result<(), SendError<SpoolError>>,
    /// Recipients who were skipped at the end of the stream, after the last transaction.
    pub last: Option<Slice>,
    /// The slices without a result.
    pub in_flight: VecDeque<Slice>,
}

impl<'s, 'f, 'p> Sending<'s, 'f, 'p> {
    /// Begins, or goes on after the journal's last line.
    pub fn new(
        mail: &'s Outbound<'s>,
        feed: Feed<'f>,
        claim: &'s mut Claim,
        (progress, pace): (&'s mut DeliveryProgress, &'s RefCell<Pace<'p>>),
        trace: &mut Trace,
    ) -> Sending<'s, 'f, 'p> {
        if progress.done > 0 {
            let mut event = Event::new(Step::Resumed, claim.name());
            event.count = progress.done;
            trace.add(&event);
        }
        Sending {
            accepted: AcceptedRecipients::new(claim.name(), mail, trace),
            claim,
            mail,
            feed,
            pace,
            progress,
            patience: Patience::new(),
            is_stopped: false,
            broke_at: None,
        }
    }

    /// Sends over a connection until no recipient is left, it is time to stop, or it breaks.
    pub fn attempt(
        &mut self,
        desk: &mut QueueDesk<'_>,
        session: &mut Session,
    ) -> Result<Attempt, RunError> {
        let Sending { claim, mail, feed, pace, progress, accepted, patience, is_stopped, .. } =
            self;
        let (shared, lane, gives_way) = (desk.shared, desk.lane, desk.gives_way);
        let (tally, trace) = (&mut desk.tally, &mut desk.trace);
        let offered = session.offers().clone();
        let several = mail.group_size(shared.options.xverp && offered.xverp);
        let flight = RefCell::new(Flight::of(feed));
        let mut synced = Instant::now();
        let sent = session.send(
            || flight.borrow_mut().next(mail, &mut pace.borrow_mut(), several, &offered),
            |ask| match ask {
                Ask::Early => pace.borrow().is_quiet(),
                Ask::Still => flight.borrow_mut().is_still_right(&mut pace.borrow_mut()),
                Ask::GoOn => {
                    *is_stopped |= shared.stopping() || patience.is_over(lane, shared, gives_way);
                    !*is_stopped
                }
            },
            |_, report| {
                let slice = flight.borrow_mut().slices.pop_front().unwrap_or_default();
                pace.borrow_mut().note(&slice.group, &report);
                let line = describe(&slice, &report, tally);
                accepted.add(&slice.group, &report, trace);
                fault::point("outgoing.sent");
                claim.append(&line.to_text())?;
                progress.add(line);
                if synced.elapsed() >= SYNC_EVERY {
                    claim.sync()?;
                    accepted.write(trace);
                    synced = Instant::now();
                }
                Ok::<(), SpoolError>(())
            },
        );
        accepted.write(trace);
        let Flight { slices: in_flight, last, failed, .. } = flight.into_inner();
        match failed {
            Some(error) => Err(error),
            None => Ok(Attempt { sent, last, in_flight }),
        }
    }

    /// Records the recipients of a slice that has no transaction.
    pub fn note_skipped(
        &mut self,
        desk: &mut QueueDesk<'_>,
        slice: &Slice,
    ) -> Result<(), SpoolError> {
        let line = describe(slice, &TransactionReport { outcomes: Vec::new() }, &mut desk.tally);
        self.claim.append(&line.to_text())?;
        self.progress.add(line);
        Ok(())
    }

    /// Whether another connection may do better than the one that broke: if there was progress, or if
    /// the MTA ended it because of a recipient, and may still accept mail for others.
    pub fn may_go_on(&mut self, error: &SendError<SpoolError>) -> bool {
        let done = self.progress.done;
        if self.broke_at.replace(done) != Some(done) {
            return true;
        }
        let SendError::Lost { blamed: Some((place, reply)), .. } = error else { return false };
        let blamed = self.pace.borrow_mut().say_goodbye(*place, reply, &mut self.feed);
        if blamed {
            self.broke_at = None;
        }
        blamed
    }
}

/// The slices of an attempt, from the feed to their results.
struct Flight<'a, 'f> {
    feed: &'a mut Feed<'f>,
    /// Those that are prepared or sent, without a result.
    slices: VecDeque<Slice>,
    /// Recipients who were skipped at the end of the stream, after the last transaction.
    last: Option<Slice>,
    failed: Option<RunError>,
}

impl<'a, 'f> Flight<'a, 'f> {
    fn of(feed: &'a mut Feed<'f>) -> Flight<'a, 'f> {
        Flight { feed, slices: VecDeque::new(), last: None, failed: None }
    }

    /// Takes the next slice and prepares its transaction. A slice without recipients has none.
    fn next<'m>(
        &mut self,
        mail: &'m Outbound<'_>,
        pace: &mut Pace<'_>,
        several: usize,
        offered: &Capabilities,
    ) -> Option<Transaction<'m>> {
        let mut prepare = || -> Result<Option<Transaction<'m>>, RunError> {
            let slice = self.feed.slice(several, pace)?;
            if slice.group.is_empty() {
                self.last = Some(slice).filter(|slice| slice.len() > 0);
                return Ok(None);
            }
            let transaction = mail.transaction(&slice.group, offered)?;
            self.slices.push_back(slice);
            Ok(Some(transaction))
        };
        match prepare() {
            Ok(transaction) => transaction,
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    /// Whether the slice that was prepared last may be sent as it is. If not, the feed gets it back.
    fn is_still_right(&mut self, pace: &mut Pace<'_>) -> bool {
        if pace.is_quiet() {
            return true;
        }
        if let Some(slice) = self.slices.pop_back()
            && let Err(error) = self.feed.reconsider(slice, pace)
        {
            self.failed = Some(error.into());
        }
        false
    }
}

/// The recipients accepted by the MTA since the last line of the trace.
pub(super) struct AcceptedRecipients {
    pub event: Event,
    names: LineNames,
    names_recipients: bool,
}

impl AcceptedRecipients {
    pub fn new(name: &EntryName, mail: &Outbound<'_>, trace: &Trace) -> AcceptedRecipients {
        let mut event = Event::new(Step::Accepted, name);
        mail.describe(&mut event);
        let names_recipients = trace.names_recipients();
        AcceptedRecipients { event, names: LineNames::default(), names_recipients }
    }

    fn add(&mut self, group: &Addresses, report: &TransactionReport, trace: &mut Trace) {
        for (recipient, outcome) in group.iter().zip(&report.outcomes) {
            if *outcome == RecipientOutcome::Accepted {
                self.event.count += 1;
                if self.names_recipients {
                    self.names.push(recipient);
                }
            }
        }
        if self.names.len() >= MOST_NAMES {
            self.write(trace);
        }
    }

    fn write(&mut self, trace: &mut Trace) {
        if self.event.count > 0 {
            self.event.at = Timestamp::now();
            trace.add_for(&self.event, &self.names);
            self.event.count = 0;
            self.names.clear();
        }
    }
}

/// Returns what a slice adds to the progress.
fn describe(slice: &Slice, report: &TransactionReport, tally: &mut QueueTally) -> ProgressLine {
    let Slice { group, held, after } = slice;
    let mut line = ProgressLine { done: slice.len(), after: after.clone(), ..Default::default() };
    tally.deferred += held.len() as u64;
    line.deferred.clone_from(held);
    for (recipient, outcome) in group.iter().zip(&report.outcomes) {
        match outcome {
            RecipientOutcome::Accepted => tally.accepted += 1,
            RecipientOutcome::Deferred(reply) => {
                tally.deferred += 1;
                line.deferred.push(FailedRecipient::new(recipient, reply));
            }
            RecipientOutcome::Refused(reply) => {
                tally.refused += 1;
                let failure = FailedRecipient::new(recipient, reply);
                // A refusal of the message for many recipients says nothing about any of them.
                // Neither does one by dormouse itself (code 0), which did not ask the MTA.
                let of_message = matches!(reply.stage, Stage::Mail | Stage::Data | Stage::Dot);
                if of_message && (group.len() > 1 || reply.code == 0) {
                    line.rejected.push(failure);
                } else {
                    line.refused.push(FailedRecipient { of_message, ..failure });
                }
            }
        }
    }
    line
}
