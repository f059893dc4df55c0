//! One message on its way out: what the MTA is told (spec/pipeline.md §6).

use crate::Shared;
use crate::bounces::return_path::{Senders, Tags};
use crate::recipients::Next;
use dormouse_delivery::{Content, Transaction};
use dormouse_mail::{Message, address};
use dormouse_spool::{Entry, EntryName};
use dormouse_store::List;
use std::borrow::Cow;

/// An entry's message made ready for the wire once, and how its transactions are addressed.
pub struct Outbound {
    content: Content,
    senders: Senders,
    /// The display name of a `Sender:` header, on lists that want one.
    sender_name: Option<String>,
    entry: String,
    verp: bool,
    personal: bool,
    most: usize,
}

impl Outbound {
    /// Reads from the entry and its list how the message is to be sent.
    ///
    /// `tags` are those of the list's return paths.
    pub fn new(
        name: &EntryName,
        entry: &Entry,
        list: &List,
        tags: Option<Tags>,
        shared: &Shared<'_>,
    ) -> Outbound {
        let metadata = &entry.metadata;
        let config = shared.site.config();
        let own = list.sub_address("bounces");
        let sender = metadata.text("envsender").map_or_else(|| own.clone(), Cow::into_owned);
        let tags = tags.filter(|_| sender.eq_ignore_ascii_case(&own));
        let mut message = Message::parse(entry.message.as_slice());
        message.remove("Errors-To");
        let sender_name =
            list.settings.include_sender_header.then(|| list.settings.real_name.clone());
        if sender_name.is_some() {
            message.remove("Sender");
        }
        let personalised = list.settings.personalize.is_on();
        // spec/pipeline.md §6: `personalize` false in the metadata forbids it for this message.
        let allowed = !metadata.has("personalize") || metadata.flag("personalize");
        Outbound {
            content: Content::new(&message.to_bytes()),
            senders: Senders::new(sender, &config.host, tags),
            sender_name,
            entry: name.to_string(),
            verp: allowed && metadata.flag("verp"),
            personal: allowed && personalised,
            most: usize::try_from(config.delivery_max_recipients).unwrap_or(usize::MAX).max(1),
        }
    }

    /// How many recipients one transaction takes, from a server that does or does not offer XVERP.
    pub fn group_size(&self, xverp: bool) -> usize {
        if self.personal || self.verp && !xverp { 1 } else { self.most }
    }

    /// The transaction for some recipients.
    pub fn transaction(&self, group: &[Next]) -> Transaction<'_> {
        let sender = match group {
            [only] if self.verp || self.personal => self.senders.for_one(&only.address),
            _ => None,
        };
        let sender = sender.map_or(Cow::Borrowed(self.senders.for_many()), Cow::Owned);
        let mut head = format!("Errors-To: {sender}\r\n");
        if let Some(name) = &self.sender_name {
            head.push_str(&format!("Sender: {}\r\n", address::format_mailbox(name, &sender)));
        }
        let first = group.first().map_or("", |first| first.address.as_str());
        Transaction {
            // A repetition after a crash starts with the same recipient.
            unique: format!("{}.{first}", self.entry),
            sender,
            recipients: group.iter().map(|next| Cow::Owned(next.address.clone())).collect(),
            head: Cow::Owned(head.into_bytes()),
            message: &self.content,
            verp: self.verp && group.len() > 1,
        }
    }
}
