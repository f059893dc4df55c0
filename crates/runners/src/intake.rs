//! Mail comes in: a message on a stream becomes a durable entry in the right queue, or the MTA
//! hears why not.

use crate::address::{Destination, Purpose};
use crate::trace::{Event, Step, Trace};
use dormouse_mail::Message;
use dormouse_spool::{EntryName, Metadata, Spool, SpoolError};
use dormouse_store::{Site, Store, StoreError};
use std::io::{self, Read};
use sysexits::ExitCode;

/// An accepted message: it is on the disk.
#[derive(Debug)]
pub struct Accepted {
    /// Which queue it waits in.
    pub queue: dormouse_spool::Queue,
    /// Its entry there.
    pub name: EntryName,
}

/// Why a message was not taken. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No list has that name or address.
    #[error("no mailing list here is called {0}")]
    NoSuchList(String),
    /// Standard input held nothing.
    #[error("there is no message on standard input")]
    NoMessage,
    /// The message could not be read whole.
    #[error("the message could not be read: {0}")]
    Unreadable(#[source] io::Error),
    /// Larger than the site takes.
    #[error(
        "the message is larger than {limit} bytes, which is all this site takes (intake.max_size)"
    )]
    TooLarge {
        /// The site's limit in bytes.
        limit: u64,
    },
    /// Too little room to be safe.
    #[error("only {free} bytes are free in {} (intake.min_free asks for {needed}); try again later", spool.display())]
    NoSpace {
        /// Bytes free for us.
        free: u64,
        /// Bytes the site wants to keep free.
        needed: u64,
        /// Where.
        spool: std::path::PathBuf,
    },
    /// The spool failed us.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database failed us.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// What the MTA's pipe understands (sysexits.h): 75 makes it keep the mail and try again, which
    /// is right for all trouble that is ours. With any other code the sender gets it back.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            Refusal::NoSuchList(_) => ExitCode::NoUser,
            Refusal::NoMessage => ExitCode::NoInput,
            Refusal::TooLarge { .. } => ExitCode::DataErr,
            Refusal::Unreadable(_)
            | Refusal::NoSpace { .. }
            | Refusal::Spool(_)
            | Refusal::Store(_) => ExitCode::TempFail,
        }
    }

    /// The reply over LMTP: code, enhanced code (RFC 3463).
    pub fn smtp_reply(&self) -> (u16, &'static str) {
        match self {
            Refusal::NoSuchList(_) => (550, "5.1.1"),
            Refusal::NoMessage => (554, "5.6.0"),
            Refusal::TooLarge { .. } => (552, "5.3.4"),
            Refusal::NoSpace { .. } => (452, "4.3.1"),
            Refusal::Unreadable(_) | Refusal::Spool(_) | Refusal::Store(_) => (451, "4.3.0"),
        }
    }
}

/// What came with the message on its way here.
#[derive(Debug, Default, Clone)]
pub struct Envelope {
    /// The envelope sender, if the MTA told: `Some("")` is the null sender.
    pub sender: Option<String>,
}

/// Whom a message is for: a list, what is wanted of it, and the address that said so.
#[derive(Debug)]
pub struct Recipient {
    /// The list and the purpose.
    pub destination: Destination,
    /// As the MTA wrote it.
    pub address: String,
}

/// Takes a post for a list, by the list's name.
pub fn post(
    site: &Site,
    list: &str,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    to_list(site, list, Purpose::Post, list, envelope, input)
}

/// Takes mail for any address of a list: the posting address, `-request`, `-bounces`, `-owner`, …
pub fn deliver(
    site: &Site,
    address: &str,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    let store = Store::open_read_only(site)?;
    let recipient = recipient(&store, address)?;
    accept_one(site, recipient, envelope, input)
}

/// Takes mail for one of a list's addresses, which `recipient` names, by the list's name: what a
/// list of a similar name (`dev-owner` beside `dev`) would get otherwise.
pub fn to_list(
    site: &Site,
    list: &str,
    purpose: Purpose,
    recipient: &str,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    let store = Store::open_read_only(site)?;
    let list =
        store.list(&list.to_lowercase())?.ok_or_else(|| Refusal::NoSuchList(list.to_owned()))?;
    let recipient =
        Recipient { destination: Destination { list, purpose }, address: recipient.to_owned() };
    accept_one(site, recipient, envelope, input)
}

/// Whom an address means.
///
/// # Errors
/// [`Refusal::NoSuchList`], or trouble with the database.
pub fn recipient(store: &Store, address: &str) -> Result<Recipient, Refusal> {
    let destination = Destination::find(store, address)?
        .ok_or_else(|| Refusal::NoSuchList(address.to_owned()))?;
    Ok(Recipient { destination, address: address.to_owned() })
}

fn accept_one(
    site: &Site,
    recipient: Recipient,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    let message = read_message(input, site.config().intake_max_size.bytes())?;
    let mut accepted = accept(site, &[recipient], envelope, &message)?;
    accepted.pop().ok_or(Refusal::NoMessage)
}

/// Takes a message for several recipients: an entry for each, in their order. When it returns, all
/// of them are on the disk; on an error none of them is.
pub fn accept(
    site: &Site,
    recipients: &[Recipient],
    envelope: &Envelope,
    message: &[u8],
) -> Result<Vec<Accepted>, Refusal> {
    if message.is_empty() {
        return Err(Refusal::NoMessage);
    }
    let config = site.config();
    let spool = Spool::new(site.qfiles());
    let size = message.len() as u64;
    let entries = size.saturating_mul(recipients.len() as u64);
    check_space(&spool, entries, config.intake_min_free.bytes())?;
    let mut batch = spool.batch();
    let mut accepted = Vec::with_capacity(recipients.len());
    for Recipient { destination, address } in recipients {
        let mut metadata = Metadata::new();
        metadata.set_text("listname", &destination.list.name);
        metadata.set_text("envelope_recipient", address);
        if let Some(sender) = &envelope.sender {
            metadata.set_text("envelope_sender", sender);
        }
        destination.purpose.describe(&mut metadata, config);
        let queue = destination.purpose.queue();
        accepted.push(Accepted { queue, name: batch.add(queue, message, &metadata)? });
    }
    batch.commit()?;
    let message = Message::parse(message.to_vec());
    let mut trace = Trace::of(site);
    for (Recipient { destination, address }, accepted) in recipients.iter().zip(&accepted) {
        let received =
            Event::new(Step::Received, &accepted.name).of_message(&destination.list.name, &message);
        trace.add(&Event { text: format!("{size} bytes for {address}"), ..received });
    }
    Ok(accepted)
}

/// Reads everything, but never more than the limit (0: none).
pub fn read_message(input: impl Read, limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut message = Vec::with_capacity(16 * 1024);
    let most = if limit == 0 { u64::MAX } else { limit.saturating_add(1) };
    input.take(most).read_to_end(&mut message).map_err(Refusal::Unreadable)?;
    if message.is_empty() {
        return Err(Refusal::NoMessage);
    }
    if limit != 0 && message.len() as u64 > limit {
        return Err(Refusal::TooLarge { limit });
    }
    Ok(message)
}

/// Refuses for now when the disk is nearly full, so that what is in the spool can still be worked
/// off.
fn check_space(spool: &Spool, size: u64, keep_free: u64) -> Result<(), Refusal> {
    let stat = match rustix::fs::statvfs(spool.root()) {
        Ok(stat) => stat,
        // The spool is made on demand; enqueueing says what is wrong with it.
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(Refusal::Unreadable(error.into())),
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = keep_free.saturating_add(size);
    if free < needed {
        return Err(Refusal::NoSpace { free, needed, spool: spool.root().to_owned() });
    }
    Ok(())
}
