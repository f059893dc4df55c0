//! The message of a transaction: from DATA to the answer after its final dot.

use super::{Conversation, Flow, over};
use crate::sink::{Cut, Event, Received};
use memchr::memmem;
use std::io;
use std::sync::atomic::Ordering;

impl Conversation<'_> {
    pub(super) fn data(&mut self) -> Flow {
        if self.start < self.end {
            self.violation("something after DATA before its answer");
        }
        if self.sender.is_none() || self.accepted == 0 && !self.shared.settings.data_for_nobody {
            return self.say("503 5.5.1 no valid recipients");
        }
        let reply = self.scripted(&Event::Data).unwrap_or_else(|| "354 end with a dot".to_owned());
        self.say(&reply)?;
        if !reply.starts_with('3') {
            return Ok(());
        }
        let transaction = self.shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let cut = self.shared.settings.cut;
        if cut == Some(Cut::InBody(transaction)) {
            self.fill()?;
            return Err(over());
        }
        let (length, data) = self.body()?;
        self.end_of_message(length, data, cut == Some(Cut::InsteadOfAnswer(transaction)))?;
        if cut == Some(Cut::After(transaction)) {
            self.flush()?;
            return Err(over());
        }
        Ok(())
    }

    /// Reads up to the final dot. Returns the length on the wire, and the message unless it is only
    /// counted.
    fn body(&mut self) -> io::Result<(u64, Vec<u8>)> {
        while self.end - self.start < 3 {
            self.fill()?;
        }
        if self.input[self.start..self.end].starts_with(b".\r\n") {
            self.start += 3;
            return Ok((0, Vec::new()));
        }
        let counting = self.shared.settings.counting;
        let end = memmem::Finder::new(b"\r\n.\r\n");
        let mut dropped = 0;
        let mut searched = 0;
        loop {
            let bytes = &self.input[self.start..self.end];
            if let Some(found) = end.find(&bytes[searched..]) {
                let length = searched + found + 2;
                let data = if counting { Vec::new() } else { unstuffed(&bytes[..length]) };
                if data
                    .iter()
                    .zip([0].iter().chain(&data))
                    .any(|(&byte, &before)| byte == b'\n' && before != b'\r')
                {
                    self.violation("a bare line feed in a message");
                }
                self.start += length + 3;
                return Ok(((dropped + length) as u64, data));
            }
            // The end may be split anywhere in its five bytes.
            searched = bytes.len().saturating_sub(4);
            if counting {
                dropped += searched;
                self.start += searched;
                searched = 0;
            }
            self.fill()?;
        }
    }

    fn end_of_message(&mut self, length: u64, data: Vec<u8>, unanswered: bool) -> Flow {
        let settings = &self.shared.settings;
        let too_large = settings.size.is_some_and(|limit| limit > 0 && length > limit);
        let usual = match (too_large, self.accepted) {
            (true, _) => "552 5.3.4 too large",
            (false, 0) => "554 5.5.1 no valid recipients",
            (false, _) => "250 2.0.0 accepted",
        };
        let mut replies = Vec::new();
        let mut recipients = std::mem::take(&mut self.recipients);
        let mut taken = self.accepted;
        if settings.lmtp {
            // A counting sink has no names to ask its script about.
            let scripted =
                |recipient: &str| self.scripted(&Event::Dot { recipient: Some(recipient) });
            let named = recipients.iter().map(|recipient| scripted(recipient));
            let unnamed = (0..self.accepted - recipients.len() as u64).map(|_| None);
            replies.extend(
                named.chain(unnamed).map(|reply| reply.unwrap_or_else(|| usual.to_owned())),
            );
            let mut answers = replies.iter();
            recipients.retain(|_| answers.next().is_some_and(|reply| reply.starts_with('2')));
            taken = replies.iter().filter(|reply| reply.starts_with('2')).count() as u64;
        } else {
            let reply =
                self.scripted(&Event::Dot { recipient: None }).unwrap_or_else(|| usual.to_owned());
            if !reply.starts_with('2') {
                taken = 0;
            }
            replies.push(reply);
        }
        if taken > 0 {
            self.take(length, data, recipients, taken);
        }
        self.reset();
        if unanswered {
            return Err(over());
        }
        replies.iter().try_for_each(|reply| self.say(reply))
    }

    fn take(&mut self, length: u64, data: Vec<u8>, recipients: Vec<String>, taken: u64) {
        let tls = self.stream().is_tls();
        let shared = self.shared;
        // Under the lock, so that a caller that waits for a number of messages finds as many.
        let mut record = shared.record();
        if !shared.settings.counting {
            let received = Received {
                sender: self.sender.take().unwrap_or_default(),
                parameters: std::mem::take(&mut self.parameters),
                recipients,
                data,
                tls,
                connection: self.number,
            };
            match &shared.settings.hand {
                Some(hand) => hand(&received),
                None => record.messages.push(received),
            }
        }
        shared.bytes.fetch_add(length, Ordering::SeqCst);
        shared.recipients.fetch_add(taken, Ordering::SeqCst);
        shared.transactions.fetch_add(1, Ordering::SeqCst);
        shared.changed.notify_all();
    }
}

/// Removes one dot from lines that start with one (RFC 5321 §4.5.2).
fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(wire.len());
    let mut rest = wire.strip_prefix(b".").unwrap_or(wire);
    while let Some(at) = memmem::find(rest, b"\r\n.") {
        data.extend_from_slice(&rest[..at + 2]);
        rest = &rest[at + 3..];
    }
    data.extend_from_slice(rest);
    data
}
