//! Prepares one message for sending (docs/spec/pipeline.md §6).

use crate::Shared;
use crate::bounces::return_path::{Senders, Tags};
use crate::unsubscribe::Unsubscribe;
use dormouse_auth::{Algorithm, ArcContent, AuthError, AuthResults, Key, Keyring, Signer};
use dormouse_clock::Timestamp;
use dormouse_delivery::{Addresses, Capabilities, Content, Transaction};
use dormouse_mail::fit::{self, Takes};
use dormouse_mail::{Message, address, transfer};
use dormouse_membership::RunError;
use dormouse_pipeline::decorate::{HeaderAndFooter, recipient_fields};
use dormouse_pipeline::personal::{has_own_sender, is_personal};
use dormouse_spool::{Entry, EntryName, Envelope};
use dormouse_store::{Config, List, Member, OneClick, Store, StoreError};
use dormouse_trace::Event;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

/// An entry's message, prepared once, and how its transactions are addressed.
pub struct Outbound<'o> {
    list: &'o List,
    config: &'o Config,
    store: &'o Store,
    message: Message,
    /// The message for each kind of server, prepared on demand.
    contents: [OnceCell<Fitted>; KINDS],
    senders: Senders,
    /// The display name in `Sender:`, on lists that have this header.
    sender_name: Option<String>,
    entry: String,
    verp: bool,
    /// Whether each recipient gets a separate transaction.
    personal: bool,
    /// Whether To contains the recipient.
    to_recipient: bool,
    /// Header and footer that differ for each recipient, and the message without them.
    own_texts: Option<(HeaderAndFooter, Message)>,
    have_copy: Vec<String>,
    most: usize,
    unsubscribe: Option<Unsubscribe<'o>>,
    /// Whether each recipient has a separate link in the header.
    one_click: bool,
    /// The keys of the list's domain, which sign the message.
    keys: Vec<Key>,
    /// The results from before the list changed the post, for the seal.
    found: Option<ArcContent>,
}

/// Adds header and footer to a message. If they differ for each recipient, returns them instead, with
/// the message without them.
fn add_texts(
    message: &mut Message,
    texts: Option<HeaderAndFooter>,
    personal: bool,
) -> Option<(HeaderAndFooter, Message)> {
    match texts {
        Some(texts) if personal && texts.name_recipient() => Some((texts, message.clone())),
        // The entry is Mailman's, or passed a list's own pipeline, so the texts may still be
        // missing.
        Some(texts) => {
            texts.add_to(message, &Vec::new());
            None
        }
        None => None,
    }
}

/// Returns the envelope senders of an entry. Only the list's own address identifies recipients.
fn senders(
    envelope: &Envelope<'_>,
    list: &List,
    store: &Store,
    config: &Config,
) -> Result<Senders, RunError> {
    let own = list.sub_address("bounces");
    let sender = envelope.envsender().map_or_else(|| own.clone(), Cow::into_owned);
    if sender.contains(['\r', '\n']) {
        return Err(RunError::BadSender(sender));
    }
    let is_own = sender.eq_ignore_ascii_case(&own);
    let tags = if is_own { Tags::for_mail(store, list)? } else { None };
    Ok(Senders::new(sender, &config.host, tags))
}

impl<'o> Outbound<'o> {
    /// Determines from the entry and its list how the message is sent.
    pub fn new(
        name: &EntryName,
        entry: &Entry,
        list: &'o List,
        store: &'o Store,
        shared: &'o Shared<'_>,
    ) -> Result<Outbound<'o>, RunError> {
        let metadata = &entry.metadata;
        let envelope = metadata.envelope();
        let config = shared.site.config();
        let settings = &list.settings;
        let senders = senders(&envelope, list, store, config)?;
        let personal = is_personal(list, metadata);
        // To stays unchanged in digests and notices.
        let is_post =
            !(envelope.is_digest() || envelope.reduced_list_headers() || envelope.to_owner());
        let to_recipient = personal && is_post && settings.personalize.is_full();
        let verp = has_own_sender(metadata);
        let sender_name = settings.include_sender_header.then(|| settings.real_name.clone());
        let mut message = Message::parse(entry.message.as_slice());
        for (is_replaced, field) in [
            (true, "Errors-To"),
            (sender_name.is_some(), "Sender"),
            (to_recipient, "To"),
            (personal || verp, "X-Mailman-Copy"),
        ] {
            if is_replaced {
                message.remove(field);
            }
        }
        let mut unsubscribe = None;
        let every = settings.one_click_unsubscribe == OneClick::Every;
        if personal || verp || every {
            unsubscribe = Unsubscribe::take(&mut message, list, store, shared.site)?;
        }
        let own_texts =
            add_texts(&mut message, HeaderAndFooter::of(list, config, metadata), personal);
        Ok(Outbound {
            list,
            config,
            store,
            contents: Default::default(),
            message,
            senders,
            sender_name,
            entry: name.to_string(),
            verp,
            personal,
            to_recipient,
            own_texts,
            have_copy: envelope.have_copy(),
            one_click: every && unsubscribe.is_some(),
            keys: Keyring::of_site(shared.site.dir()).for_host(&list.settings.host_name)?,
            most: usize::try_from(config.delivery_max_recipients).unwrap_or(usize::MAX).max(1),
            unsubscribe,
            found: found(list, config, &envelope),
        })
    }

    /// Adds the message's data to an event of the trace.
    pub fn describe(&self, event: &mut Event) {
        event.list = self.list.name.to_string();
        event.id = self.message.text("Message-ID").unwrap_or_default();
        event.sender = self.message.sender().unwrap_or_default().into();
    }

    /// Returns the maximum number of recipients in a transaction, depending on whether the server
    /// offers XVERP.
    pub fn group_size(&self, xverp: bool) -> usize {
        if self.personal || self.one_click || self.verp && !xverp { 1 } else { self.most }
    }

    /// Returns the transaction for some recipients, for a server with these extensions.
    pub fn transaction(
        &self,
        group: &Rc<Addresses>,
        offered: &Capabilities,
    ) -> Result<Transaction<'_>, RunError> {
        let only = group.only().filter(|_| self.verp || self.personal);
        let sender = only
            .filter(|_| self.verp)
            .and_then(|only| self.senders.for_one(only))
            .map_or(Cow::Borrowed(self.senders.for_many()), Cow::Owned);
        let mut head = format!("Errors-To: {sender}\r\n");
        if let Some(name) = &self.sender_name {
            head.push_str(&format!("Sender: {}\r\n", address::format_mailbox(name, &sender)));
        }
        if let Some(unsubscribe) = &self.unsubscribe {
            head.push_str(&unsubscribe.head(group)?);
        }
        let own = match only {
            Some(only) => self.own_copy(only, &mut head)?.map(|own| self.fit(&own, offered)),
            None => None,
        };
        let shared = &self.contents[kind(offered)];
        let fitted =
            own.as_ref().unwrap_or_else(|| shared.get_or_init(|| self.fit(&self.message, offered)));
        if !self.keys.is_empty() {
            head.insert_str(0, &self.signatures(fitted, head.as_bytes())?);
        }
        let message = match own {
            Some(own) => Cow::Owned(own.content),
            None => Cow::Borrowed(&shared.get_or_init(|| self.fit(&self.message, offered)).content),
        };
        let first = group.get(0).unwrap_or_default();
        Ok(Transaction {
            // The same in a repetition after a crash, which starts with the same recipient.
            unique: format!("{}.{first}", self.entry),
            sender,
            recipients: match group.is_ascii() {
                true => Rc::clone(group),
                false => Rc::new(group.iter().map(address::ascii_domain).collect()),
            },
            head: Cow::Owned(head.into_bytes()),
            message,
            verp: self.verp && group.len() > 1,
        })
    }

    /// Prepares a message for a server with these extensions.
    fn fit(&self, message: &Message, offered: &Capabilities) -> Fitted {
        let bytes = if offered.verbatim {
            message.to_bytes()
        } else {
            let takes = Takes { eight_bit: offered.eight_bit_mime, utf8: offered.smtputf8 };
            fit::fit(message, takes, &self.list.address()).to_bytes()
        };
        Fitted { content: Content::new(&bytes), signer: OnceCell::new() }
    }

    /// Returns the seal and the `DKIM-Signature` fields of a message with an additional head.
    fn signatures(&self, fitted: &Fitted, head: &[u8]) -> Result<String, AuthError> {
        let now = Timestamp::now().seconds() as u64;
        let signer = fitted.signer.get_or_init(|| Signer::new(fitted.content.original()));
        // A host adds one seal only, and verifiers treat a seal by anything but RSA as a broken
        // chain.
        let rsa = self.keys.iter().find(|key| key.algorithm() == Algorithm::Rsa);
        let seal = match (&self.found, rsa) {
            (Some(found), Some(key)) => signer.seal(key, head, found, now)?,
            _ => None,
        };
        Ok(seal.unwrap_or_default() + &signer.sign(&self.keys, head, now)?)
    }

    /// Adds the fields for this recipient to the head, and returns the message if it differs for
    /// the recipient, too.
    fn own_copy(&self, recipient: &str, head: &mut String) -> Result<Option<Message>, StoreError> {
        let member = if self.to_recipient || self.own_texts.is_some() {
            self.store.read().member(self.list.id, recipient)?
        } else {
            None
        };
        if self.to_recipient {
            let name = member.as_ref().map_or("", |member| member.real_name.as_str());
            let to = address::format_mailbox(name, recipient).replace('\n', "\r\n");
            head.push_str(&format!("To: {to}\r\n"));
        }
        if self.have_copy.iter().any(|known| known.eq_ignore_ascii_case(recipient)) {
            head.push_str("X-Mailman-Copy: yes\r\n");
        }
        let field = self.config.delivery_recipient_header.trim();
        if !field.is_empty() {
            let encoded = transfer::base64_encode(recipient.as_bytes(), b"");
            head.push_str(&format!("{field}: {}\r\n", String::from_utf8_lossy(&encoded)));
        }
        Ok(self.own_texts.as_ref().map(|texts| self.with_texts(texts, recipient, member.as_ref())))
    }

    fn with_texts(
        &self,
        (texts, message): &(HeaderAndFooter, Message),
        recipient: &str,
        member: Option<&Member>,
    ) -> Message {
        let mut message = message.clone();
        let mut fields = recipient_fields(self.list, self.config, recipient, member);
        let leave = match &self.unsubscribe {
            Some(unsubscribe) => unsubscribe.url(recipient),
            None if self.config.has_pages() => self.list.options_url(self.config, recipient),
            None => self.list.leave_url(self.config),
        };
        fields.push(("user_unsubscribeurl", leave));
        texts.add_to(&mut message, &fields);
        message
    }
}

/// Returns the content of the seal for an entry's message, if it gets one.
fn found(list: &List, config: &Config, envelope: &Envelope<'_>) -> Option<ArcContent> {
    let results = envelope.auth_results().filter(|_| list.settings.arc_seal)?;
    let chain = AuthResults::read(&format!("; {results}")).chain();
    let results = results.split("; ").map(str::to_owned).collect();
    Some(ArcContent { authserv_id: config.host.clone(), results, chain })
}

/// A message for one kind of server, and its signer.
struct Fitted {
    content: Content,
    signer: OnceCell<Signer>,
}

/// The number of kinds of servers, by their extensions.
const KINDS: usize = 8;

fn kind(offered: &Capabilities) -> usize {
    let Capabilities { eight_bit_mime, smtputf8, verbatim, .. } = offered;
    usize::from(*eight_bit_mime) | usize::from(*smtputf8) << 1 | usize::from(*verbatim) << 2
}
