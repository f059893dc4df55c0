//! The recipients of an entry, cut into transactions.
//!
//! The journal knows only how far the stream of recipients has come. So a slice is a piece of that
//! stream, and has those who are passed over, too.

use super::pace::{Capped, Leave, Pace, why_held};
use dormouse_delivery::Reply;
use dormouse_mail::address::domain_key;
use dormouse_pipeline::progress::{FailedRecipient, Hold};
use dormouse_pipeline::recipients::{Next, Stream};
use dormouse_store::StoreError;
use std::collections::VecDeque;

/// Recipients who follow one another in the stream.
#[derive(Default)]
pub(super) struct Slice {
    /// Those of the transaction.
    pub group: Vec<Next>,
    /// Those who are passed over.
    pub held: Vec<FailedRecipient>,
    /// Where the stream stands after them.
    pub after: Option<String>,
}

impl Slice {
    /// How many recipients it has.
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

    /// Passes a recipient over, behind all others.
    fn pass_over(&mut self, next: &Next, why: FailedRecipient) {
        self.stands_after(next);
        self.held.push(why);
    }

    /// The same with the slice that follows it.
    fn with(mut self, following: Slice) -> Slice {
        self.group.extend(following.group);
        self.held.extend(following.held);
        Slice { after: following.after, ..self }
    }
}

/// What is left to send of an entry.
pub(super) struct Feed<'s> {
    stream: Stream<'s>,
    /// Slices handed to a connection that broke before it said what became of them.
    again: VecDeque<Slice>,
    /// The first of the next slice.
    next: Option<(Next, Option<Capped>)>,
    /// What was put off before goes domain by domain, so that none has to wait for another.
    is_apart: bool,
}

impl<'s> Feed<'s> {
    pub fn new(stream: Stream<'s>, is_apart: bool) -> Feed<'s> {
        Feed { stream, again: VecDeque::new(), next: None, is_apart }
    }

    /// Takes slices back that are to be sent again, in their order.
    pub fn take_back(&mut self, mut slices: VecDeque<Slice>) {
        slices.append(&mut self.again);
        self.again = slices;
    }

    /// Whom the transaction names at this place that is the first to be sent again.
    pub fn named(&self, place: usize) -> Option<&str> {
        Some(&self.again.front()?.group.get(place)?.address)
    }

    /// Passes over a recipient to whom the MTA said goodbye, and those of its domain that have leave to go
    /// already.
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

    /// The next piece, with up to `most` recipients for the transaction. Without any the stream has
    /// ended; those at its end may have been passed over.
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

/// Counts one more of a group, if the transaction may have it.
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
