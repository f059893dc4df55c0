//! Divides the recipients of an entry into transactions.
//!
//! The journal contains only a position in the stream of recipients. So a slice is a contiguous
//! piece of that stream, including recipients who are skipped.

use super::pace::{Capped, Leave, Pace, why_held};
use dormouse_delivery::{Addresses, Reply};
use dormouse_mail::address::domain_key;
use dormouse_pipeline::progress::{FailedRecipient, Hold};
use dormouse_pipeline::recipients::{Next, Stream};
use dormouse_store::StoreError;
use std::collections::VecDeque;
use std::rc::Rc;

/// Consecutive recipients of the stream.
#[derive(Default)]
pub(super) struct Slice {
    /// The recipients of the transaction.
    pub group: Rc<Addresses>,
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

    /// Adds a recipient who is skipped.
    fn pass_over(&mut self, one: Waiting, why: FailedRecipient) {
        self.after = one.after;
        self.held.push(why);
    }

    /// Skips those recipients of the transaction for whom there is a reason.
    fn sort_out<E>(
        &mut self,
        mut why: impl FnMut(&str) -> Result<Option<FailedRecipient>, E>,
    ) -> Result<(), E> {
        let mut group = Addresses::default();
        for address in self.group.iter() {
            match why(address)? {
                Some(why) => self.held.push(why),
                None => group.push(address),
            }
        }
        self.group = Rc::new(group);
        Ok(())
    }

    /// Joins it with the slice that follows.
    fn with(mut self, following: Slice) -> Slice {
        if self.group.is_empty() {
            self.group = following.group;
        } else {
            Rc::make_mut(&mut self.group).append(&following.group);
        }
        self.held.extend(following.held);
        Slice { after: following.after, ..self }
    }
}

/// A recipient who is not in a slice yet.
struct Waiting {
    address: String,
    /// The position in the stream after it.
    after: Option<String>,
}

impl Waiting {
    fn new(next: &Next<'_>) -> Waiting {
        let after = next.place.map(|place| place.to_string());
        Waiting { address: next.address.to_owned(), after }
    }
}

/// The recipients of an entry that are left.
pub(super) struct Feed<'s> {
    stream: Stream<'s>,
    /// Slices in flight on a connection that broke before their results were known.
    again: VecDeque<Slice>,
    /// The first recipient of the next slice.
    next: Option<(Waiting, Option<Capped>)>,
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

    /// Takes back a slice that was not sent, to skip those whom its domain's latest replies concern.
    pub fn reconsider(&mut self, mut slice: Slice, pace: &mut Pace<'_>) -> Result<(), StoreError> {
        slice.sort_out(|address| {
            Ok::<_, StoreError>(match pace.ask(address, 1)? {
                Leave::Go(_) => None,
                Leave::Wait(hold, why) => Some(FailedRecipient::held(address, hold, why)),
            })
        })?;
        self.again.push_front(slice);
        Ok(())
    }

    /// Returns the recipient at this position in the first transaction that must be sent again.
    pub fn named(&self, place: usize) -> Option<&str> {
        self.again.front()?.group.get(place)
    }

    /// Skips a recipient for whom the MTA ended the session, and others of its domain among the
    /// slices that must be sent again.
    pub fn pass_over(&mut self, address: &str, reply: &Reply) {
        let domain = domain_key(address);
        let why = |other: &str| match other {
            _ if domain_key(other) != domain => None,
            _ if other == address => Some(FailedRecipient::new(address, reply)),
            _ => {
                let why = why_held(&domain, &reply.to_string());
                Some(FailedRecipient::held(other, Hold::Domain, why))
            }
        };
        for slice in &mut self.again {
            let sorted = slice.sort_out(|other| Ok::<_, std::convert::Infallible>(why(other)));
            let Ok(()) = sorted;
        }
        if let Some(why) = self.next.as_ref().and_then(|(next, _)| why(&next.address))
            && let Some((next, _)) = self.next.take()
        {
            let mut slice = Slice::default();
            slice.pass_over(next, why);
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
        let mut group = Addresses::with_capacity(most.min(1024));
        // Asking for each is needed only if domains differ.
        if self.next.is_none() && !self.is_apart && pace.is_quiet() {
            self.fill(&mut group, &mut slice.after, most)?;
        } else {
            self.choose(&mut group, &mut slice, most, pace)?;
        }
        slice.group = Rc::new(group);
        Ok(slice)
    }

    /// Takes recipients from the stream without distinction.
    fn fill(
        &mut self,
        group: &mut Addresses,
        after: &mut Option<String>,
        most: usize,
    ) -> Result<(), StoreError> {
        while group.len() < most
            && let Some(next) = self.stream.pull()?
        {
            group.push(next.address);
            match next.place {
                Some(place) => place.write_to(after.get_or_insert_default()),
                None => *after = None,
            }
        }
        Ok(())
    }

    /// Takes recipients from the stream as far as their domains allow.
    fn choose(
        &mut self,
        group: &mut Addresses,
        slice: &mut Slice,
        most: usize,
        pace: &mut Pace<'_>,
    ) -> Result<(), StoreError> {
        let mut counts: Vec<(Capped, u64)> = Vec::new();
        let mut domain = None;
        while group.len() < most {
            let (next, capped) = match self.next.take() {
                Some(waiting) => waiting,
                None => {
                    let left = self.stream.most_left();
                    let Some(next) = self.stream.pull()? else { break };
                    let next = Waiting::new(&next);
                    match pace.ask(&next.address, left)? {
                        Leave::Go(capped) => (next, capped),
                        Leave::Wait(hold, why) => {
                            let why = FailedRecipient::held(&next.address, hold, why);
                            slice.pass_over(next, why);
                            continue;
                        }
                    }
                }
            };
            let of_next = self.is_apart.then(|| domain_key(&next.address));
            let is_other = !group.is_empty() && of_next != domain;
            if is_other || capped.as_ref().is_some_and(|capped| !has_room(&mut counts, capped)) {
                self.next = Some((next, capped));
                break;
            }
            domain = of_next;
            group.push(&next.address);
            slice.after = next.after;
        }
        Ok(())
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
