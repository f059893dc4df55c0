//! One message on its way out: what the MTA is told (spec/pipeline.md §6).

use crate::Shared;
use crate::membership::link;
use crate::recipients::Next;
use dormouse_delivery::{Content, Transaction};
use dormouse_mail::{Message, address, verp};
use dormouse_spool::{Entry, EntryName};
use dormouse_store::{List, Site};
use std::borrow::Cow;

/// An entry's message made ready for the wire once, and how its transactions are addressed.
pub struct Outbound {
    content: Content,
    sender: String,
    bounces_local: String,
    host: String,
    /// The display name of a `Sender:` header, on lists that want one.
    sender_name: Option<String>,
    entry: String,
    verp: bool,
    personal: bool,
    most: usize,
    unsubscribe: Option<Unsubscribe>,
}

/// How a recipient leaves the list: a mail to one gets a link for that one.
struct Unsubscribe {
    /// The header as the pipeline wrote it, for a mail to many.
    plain: String,
    /// Where the list takes mail that asks to leave.
    mailto: String,
    list: List,
    secret: Vec<u8>,
}

impl Outbound {
    /// Reads from the entry and its list how the message is to be sent.
    /// `secret` is the key for links about membership, if the mail [gives](Outbound::gives_links)
    /// any.
    pub fn new(
        name: &EntryName,
        entry: &Entry,
        list: &List,
        shared: &Shared<'_>,
        secret: Option<Vec<u8>>,
    ) -> Outbound {
        let metadata = &entry.metadata;
        let config = shared.site.config();
        let sender = metadata
            .text("envsender")
            .map_or_else(|| list.sub_address("bounces"), std::borrow::Cow::into_owned);
        let (bounces_local, host) = match sender.rsplit_once('@') {
            Some((local, host)) => (local.to_owned(), host.to_owned()),
            None => (sender.clone(), config.host.clone()),
        };
        let mut message = Message::parse(entry.message.as_slice());
        message.remove("Errors-To");
        let sender_name =
            list.settings.include_sender_header.then(|| list.settings.real_name.clone());
        if sender_name.is_some() {
            message.remove("Sender");
        }
        let (verp, personal) = one_by_one(entry, list);
        let unsubscribe = secret.and_then(|secret| unsubscribe(&mut message, list, secret));
        Outbound {
            content: Content::new(&message.to_bytes()),
            sender,
            bounces_local,
            host,
            sender_name,
            entry: name.to_string(),
            verp,
            personal,
            unsubscribe,
            most: usize::try_from(config.delivery_max_recipients).unwrap_or(usize::MAX).max(1),
        }
    }

    /// Whether recipients get links of their own by which they leave the list: where a mail goes to
    /// one at a time, and the site has pages over a connection as RFC 8058 §3.1 asks for.
    pub fn gives_links(entry: &Entry, list: &List, shared: &Shared<'_>) -> bool {
        let config = shared.site.config();
        let has_pages = !config.web_listen.is_empty() || !config.web_url.is_empty();
        let (verp, personal) = one_by_one(entry, list);
        (verp || personal) && has_pages && list.web_page_url(config).starts_with("https://")
    }

    /// How many recipients one transaction takes, from a server that does or does not offer XVERP.
    pub fn group_size(&self, xverp: bool) -> usize {
        if self.personal || self.verp && !xverp { 1 } else { self.most }
    }

    /// The transaction for some recipients.
    pub fn transaction(&self, group: &[Next], site: &Site) -> Transaction<'_> {
        let sender = match group {
            [only] if self.verp || self.personal => {
                verp::encode(&self.bounces_local, &self.host, &only.address)
            }
            _ => None,
        };
        let sender = sender.map_or(Cow::Borrowed(self.sender.as_str()), Cow::Owned);
        let mut head = format!("Errors-To: {sender}\r\n");
        if let Some(name) = &self.sender_name {
            head.push_str(&format!("Sender: {}\r\n", address::format_mailbox(name, &sender)));
        }
        if let Some(unsubscribe) = &self.unsubscribe {
            head.push_str(&unsubscribe.head(group, site));
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

/// Whether each recipient gets an envelope sender of its own, and whether a copy.
fn one_by_one(entry: &Entry, list: &List) -> (bool, bool) {
    let metadata = &entry.metadata;
    // spec/pipeline.md §6: `personalize` false in the metadata forbids it for this message.
    let allowed = !metadata.has("personalize") || metadata.flag("personalize");
    (allowed && metadata.flag("verp"), allowed && list.settings.personalize.is_on())
}

/// Takes the header out of the message, if the pipeline put it there.
fn unsubscribe(message: &mut Message, list: &List, secret: Vec<u8>) -> Option<Unsubscribe> {
    let plain = message.text("List-Unsubscribe")?;
    message.remove("List-Unsubscribe");
    let mailto = format!("<mailto:{}?subject=unsubscribe>", list.sub_address("request"));
    Some(Unsubscribe { plain, mailto, list: list.clone(), secret })
}

impl Unsubscribe {
    /// The header fields for some recipients.
    fn head(&self, group: &[Next], site: &Site) -> String {
        let [only] = group else { return format!("List-Unsubscribe: {}\r\n", self.plain) };
        let url = link::unsubscribe_url(&self.list, site, &self.secret, &only.address);
        format!(
            "List-Unsubscribe: <{url}>,\r\n {}\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            self.mailto
        )
    }
}
