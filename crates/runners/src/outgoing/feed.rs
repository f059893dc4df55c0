//! Divides the recipients of an entry into transactions.
//!
//! The journal contains only a position in the stream of recipients. So a slice is a contiguous
//! piece of that stream, including recipients who are skipped.

use super::pace::{Capped, Leave, Pace, why_held};
use dormouse_delivery::Reply;
use dormouse_mail::address::domain_key;
use dormouse_pipeline::progress::{FailedRecipient, Hold};
use dormouse_pipeline::recipients::{Next, Stream};
use dormouse_store::StoreError;
use std::collections::VecDeque;

/// Consecutive recipients of the stream.
#[derive(Default)]
pub(super) struct Slice {
    /// The recipients of the transaction.
    pub group: Vec<Next>,
    /// The recipients who are skipped.
    pub held: Vec<FailedRecipient>,
    /// The position in the stream after them.
    pub after: Option<String>,
}

impl Slice {
    /// Returns the number of its recipients.
    pub fn len(&self) -> u64 {
        (self.group.len() + self.held.len()) as u64
    }

    fn push(&mut self, next: Next) {
        self.stands_after(&next);
        self.group.push(next);
    }

    fn stands_after(&mut self, next: &Next) {
        self.after = next.place.as_ref().map(ToString::to_string);
    }

    /// Adds a recipient who is skipped.
    fn pass_over(&mut self, next: &Next, why: FailedRecipient) {
        self.stands_after(next);
        self.held.push(why);
    }

    /// Joins it with the slice that follows.
    fn with(mut self, following: Slice) -> Slice {
        self.group.extend(following.group);
        self.held.extend(following.held);
        Slice { after: following.after, ..self }
    }
}

/// The recipients of an entry that are left.
pub(super) struct Feed<'s> {
    stream: Stream<'s>,
    /// Slices in flight on a connection that broke before their results were known.
    again: VecDeque<Slice>,
    /// The first recipient of the next slice.
    next: Option<(Next, Option<Capped>)>,
    /// Whether each transaction has recipients of one domain only: for entries that were deferred
    /// before, so that no domain delays another.
    is_apart: bool,
}

impl<'s> Feed<'s> {
    pub fn new(stream: Stream<'s>, is_apart: bool) -> Feed<'s> {
        Feed { stream, again: VecDeque::new(), next: None, is_apart }
    }

    /// Takes back slices that must be sent again, in their order.
    pub fn take_back(&mut self, mut slices: VecDeque<Slice>) {
        slices.append(&mut self.again);
        self.again = slices;
    }

    /// Returns the recipient at this position in the first transaction that must be sent again.
    pub fn named(&self, place: usize) -> Option<&str> {
        Some(&self.again.front()?.group.get(place)?.address)
    }

    /// Skips a recipient for whom the MTA ended the session, and others of its domain among the
    /// slices that must be sent again.
    pub fn pass_over(&mut self, address: &str, reply: &Reply) {
        let domain = domain_key(address);
        let why = |next: &Next| match next.address == address {
            true => FailedRecipient::new(address, reply),
            false => FailedRecipient::held(
                &next.address,
                Hold::Domain,
                why_held(&domain, &reply.to_string()),
            ),
        };
        let is_meant = |next: &Next| domain_key(&next.address) == domain;
        for slice in &mut self.again {
            slice
                .held
                .extend(slice.group.extract_if(.., |next| is_meant(next)).map(|next| why(&next)));
        }
        if let Some((next, _)) = self.next.take_if(|(next, _)| is_meant(next)) {
            let mut slice = Slice::default();
            slice.pass_over(&next, why(&next));
            self.again.push_back(slice);
        }
    }

    /// Returns the next slice, with at most `most` recipients for the transaction. If there are
    /// none, the stream has ended; the slice may still have skipped recipients.
    pub fn slice(&mut self, most: usize, pace: &mut Pace<'_>) -> Result<Slice, StoreError> {
        let mut slice = Slice::default();
        while slice.group.is_empty()
            && let Some(again) = self.again.pop_front()
        {
            slice = slice.with(again);
        }
        if !slice.group.is_empty() {
            return Ok(slice);
        }
        slice.group.reserve(most.min(1024));
        let mut counts: Vec<(Capped, u64)> = Vec::new();
        let mut domain = None;
        while slice.group.len() < most {
            let (next, capped) = match self.next.take() {
                Some(waiting) => waiting,
                None => {
                    let Some(next) = self.stream.pull()? else { break };
                    let left = self.stream.most_left().saturating_add(1);
                    match pace.ask(&next.address, left)? {
                        Leave::Go(capped) => (next, capped),
                        Leave::Wait(hold, why) => {
                            slice.pass_over(&next, FailedRecipient::held(&next.address, hold, why));
                            continue;
                        }
                    }
                }
            };
            let of_next = self.is_apart.then(|| domain_key(&next.address));
            let is_other = !slice.group.is_empty() && of_next != domain;
            if is_other || capped.as_ref().is_some_and(|capped| !has_room(&mut counts, capped)) {
                self.next = Some((next, capped));
                break;
            }
            domain = of_next;
            slice.push(next);
        }
        Ok(slice)
    }
}

/// Counts another recipient of a group, if its limit for the transaction allows it.
fn has_room(counts: &mut Vec<(Capped, u64)>, capped: &Capped) -> bool {
    match counts.iter_mut().find(|(known, _)| known.name == capped.name) {
        Some((_, count)) if *count >= capped.most => false,
        Some((_, count)) => {
            *count += 1;
            true
        }
        None => {
            counts.push((capped.clone(), 1));
            true
        }
    }
}
