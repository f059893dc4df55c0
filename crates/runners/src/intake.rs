//! Intake: a message on a stream becomes a durable entry in the right queue, or the MTA is told why
//! not.

use crate::destination::Destination;
use crate::door::Door;
use crate::elsewhere::{self, PassedOn};
use dormouse_archive::mbox;
use dormouse_mail::{Message, date};
use dormouse_membership::address::Purpose;
use dormouse_pipeline::HandlerError;
use dormouse_pipeline::handlers::at_the_door;
use dormouse_spool::{Batch, EntryName, Metadata, Queue, Spool, SpoolError, clock};
use dormouse_store::{KnownList, Site, Store, StoreError, site};
use dormouse_trace::{Event, Step, Trace};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// An accepted message, which is on the disk.
#[derive(Debug)]
pub enum Accepted {
    /// It is in a queue.
    Queued {
        /// Which one.
        queue: Queue,
        /// Its name there.
        name: EntryName,
    },
    /// It is in the site's file for mail that has no other recipient.
    Kept(PathBuf),
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accepted::Queued { queue, name } => write!(f, "{queue}/{name}"),
            Accepted::Kept(path) => write!(f, "a message in {}", path.display()),
        }
    }
}

/// Why a message was not accepted. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No list has that name or address.
    #[error("no mailing list here is called {0}")]
    NoSuchList(String),
    /// The list's settings reject it because of its envelope and header.
    #[error("{0}")]
    Rejected(String),
    /// The site accepts no mail for that host.
    #[error("{0} is the host of no mailing list here")]
    NoSuchHost(String),
    /// The list was unknown when the database was last available; it may exist by now.
    #[error("no mailing list called {0} is known while the database is away; try again later")]
    NotKnownNow(String),
    /// Standard input was empty.
    #[error("there is no message on standard input")]
    NoMessage,
    /// Reading the message failed.
    #[error("the message could not be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is larger than the site accepts.
    #[error("the message is larger than {limit} bytes, the limit of this site (intake.max_size)")]
    TooLarge {
        /// The site's limit in bytes.
        limit: u64,
    },
    /// The disk is nearly full.
    #[error("only {free} bytes are free in {} (intake.min_free asks for {needed}); try again later", spool.display())]
    NoSpace {
        /// Free bytes.
        free: u64,
        /// The bytes that the site keeps free, plus those of the message.
        needed: u64,
        /// The spool's directory.
        spool: std::path::PathBuf,
    },
    /// The file for mail to the site itself failed.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// Returns the exit code for the MTA's pipe (sysexits.h). With 75, for all failures of our own,
    /// the MTA keeps the mail and tries again; with any other code it bounces.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            Refusal::NoSuchList(_) => ExitCode::NoUser,
            Refusal::NoSuchHost(_) => ExitCode::NoHost,
            Refusal::NoMessage => ExitCode::NoInput,
            Refusal::TooLarge { .. } => ExitCode::DataErr,
            Refusal::Rejected(_) => ExitCode::NoPerm,
            Refusal::Unreadable(_)
            | Refusal::NoSpace { .. }
            | Refusal::Kept { .. }
            | Refusal::NotKnownNow(_)
            | Refusal::Spool(_)
            | Refusal::Store(_) => ExitCode::TempFail,
        }
    }

    /// Returns the reply over LMTP: the code and the enhanced code (RFC 3463).
    pub fn smtp_reply(&self) -> (u16, &'static str) {
        match self {
            Refusal::NoSuchList(_) => (550, "5.1.1"),
            Refusal::NoSuchHost(_) => (550, "5.1.2"),
            Refusal::NoMessage => (554, "5.6.0"),
            Refusal::TooLarge { .. } => (552, "5.3.4"),
            Refusal::Rejected(_) => (550, "5.7.1"),
            Refusal::NoSpace { .. } => (452, "4.3.1"),
            Refusal::Unreadable(_)
            | Refusal::Kept { .. }
            | Refusal::NotKnownNow(_)
            | Refusal::Spool(_)
            | Refusal::Store(_) => (451, "4.3.0"),
        }
    }
}

/// The envelope of a message.
#[derive(Debug, Default, Clone)]
pub struct Envelope {
    /// The envelope sender, if the MTA passed it: `Some("")` is the null sender.
    pub sender: Option<String>,
}

/// A recipient of a message.
#[derive(Debug)]
pub struct Recipient {
    /// The destination of the address.
    pub destination: Destination,
    /// The address, as the MTA wrote it.
    pub address: String,
}

impl Recipient {
    /// Whether a message for both is one message, because they are variants of the same address.
    /// The part after a `+` must be the same, because it distinguishes bounces and confirmations.
    pub fn is_as_good_as(&self, other: &Recipient) -> bool {
        match (&self.destination, &other.destination) {
            (Destination::Kept, Destination::Kept)
            | (Destination::Archive, Destination::Archive) => true,
            (
                Destination::List { list, purpose },
                Destination::List { list: others, purpose: others_purpose },
            ) => {
                let is_told_apart = matches!(purpose, Purpose::Bounce | Purpose::Confirm);
                list.name == others.name
                    && purpose == others_purpose
                    && (!is_told_apart || detail(&self.address) == detail(&other.address))
            }
            _ => false,
        }
    }
}

/// Returns the part after the first `+` of an address.
fn detail(address: &str) -> Option<String> {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    local.split_once('+').map(|(_, detail)| detail.to_lowercase())
}

/// Accepts a post for a list, by the list's name.
pub fn post(
    door: &Door<'_>,
    list: &str,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    to_list(door, list, Purpose::Post, list, envelope, input)
}

/// Accepts mail for any address of a list: the posting address, `-request`, `-bounces`, `-owner`, …
pub fn deliver(
    door: &Door<'_>,
    address: &str,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    let recipient = recipient(door, address)?;
    accept_one(door, recipient, envelope, input)
}

/// Accepts mail for one of a list's addresses by the list's name and the purpose. With the address
/// only, a list of a similar name (`dev-owner` next to `dev`) might get it.
pub fn to_list(
    door: &Door<'_>,
    list: &str,
    purpose: Purpose,
    recipient: &str,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    let list = door.list(&list.to_lowercase())?.ok_or_else(|| no_such_list(door, list))?;
    let destination = Destination::List { list, purpose };
    let recipient = Recipient { destination, address: recipient.to_owned() };
    accept_one(door, recipient, envelope, input)
}

fn no_such_list(door: &Door<'_>, name: &str) -> Refusal {
    match door.is_spare() {
        true => Refusal::NotKnownNow(name.to_owned()),
        false => Refusal::NoSuchList(name.to_owned()),
    }
}

/// Finds the recipient of an address.
///
/// # Errors [`Refusal::NoSuchList`], or a failure of the database.
pub fn recipient(door: &Door<'_>, address: &str) -> Result<Recipient, Refusal> {
    let destination =
        Destination::find(door, address)?.ok_or_else(|| no_such_list(door, address))?;
    Ok(Recipient { destination, address: address.to_owned() })
}

/// Does the same for mail from a network, whose host must be one of the site's. An MTA that pipes
/// mail has already checked it, and may have rewritten the address.
///
/// # Errors
/// [`Refusal::NoSuchHost`], and those of [`recipient`].
pub fn recipient_here(door: &Door<'_>, address: &str) -> Result<Recipient, Refusal> {
    let found = recipient(door, address)?;
    let Some((_, host)) = address.trim().rsplit_once('@') else { return Ok(found) };
    let is = |known: &str| known.eq_ignore_ascii_case(host);
    let is_lists = match &found.destination {
        Destination::List { list, .. } => is(&list.host),
        Destination::Kept | Destination::Archive => false,
    };
    if is_lists || is(&door.settings().host) {
        return Ok(found);
    }
    // Hosts of other lists than the one named are rare, so this slow search is rare, too.
    if door.has_host(host)? {
        return Ok(found);
    }
    Err(Refusal::NoSuchHost(host.to_owned()))
}

fn accept_one(
    door: &Door<'_>,
    recipient: Recipient,
    envelope: &Envelope,
    input: impl Read,
) -> Result<Accepted, Refusal> {
    let message = read_message(input, door.settings().max_size)?;
    let mut accepted = accept(door, &[recipient], envelope, &message)?;
    accepted.pop().ok_or(Refusal::NoMessage)?
}

/// Accepts a message for several recipients, each of which may refuse it, and creates an entry for
/// each of the others, in their order. When it returns, all of these are on the disk; after an
/// error none of them is.
pub fn accept(
    door: &Door<'_>,
    recipients: &[Recipient],
    envelope: &Envelope,
    message: &[u8],
) -> Result<Vec<Result<Accepted, Refusal>>, Refusal> {
    if message.is_empty() {
        return Err(Refusal::NoMessage);
    }
    let settings = door.settings();
    let spool = door.spool();
    let size = message.len() as u64;
    let entries = size.saturating_mul(recipients.len() as u64);
    check_space(&spool, entries, settings.min_free)?;
    let mut batch = spool.batch();
    let mut accepted = Vec::with_capacity(recipients.len());
    for Recipient { destination, address } in recipients {
        let (list, purpose) = match destination {
            Destination::List { list, purpose } => (list, purpose),
            Destination::Kept => {
                accepted.push(Ok(Accepted::Kept(site::owner_bounces_in(door.dir()))));
                continue;
            }
            Destination::Archive => {
                accepted.push(for_archive(door, &mut batch, message)?);
                continue;
            }
        };
        let mut metadata = Metadata::new();
        metadata.edit().listname(&list.name);
        metadata.edit().envelope_recipient(address);
        if let Some(sender) = &envelope.sender {
            metadata.edit().envelope_sender(sender);
        }
        purpose.describe(&mut metadata, settings);
        if *purpose == Purpose::Post && list.may_refuse {
            let (site, store) = door.inside()?;
            if let Some(refusal) = refused(site, store, list, message, &metadata) {
                accepted.push(Err(refusal));
                continue;
            }
        }
        let queue = purpose.queue();
        let name = batch.add(queue, message, &metadata)?;
        accepted.push(Ok(Accepted::Queued { queue, name }));
    }
    // The file comes before the queues: if they fail, nothing is acknowledged, and a duplicate in
    // that file does no harm.
    if let Some(Ok(Accepted::Kept(path))) =
        accepted.iter().find(|accepted| matches!(accepted, Ok(Accepted::Kept(_))))
    {
        keep(path, envelope, message)
            .map_err(|source| Refusal::Kept { path: path.clone(), source })?;
    }
    batch.commit()?;
    note_received(door, recipients, &accepted, message);
    Ok(accepted)
}

/// Records accepted mail in the trace.
fn note_received(
    door: &Door<'_>,
    recipients: &[Recipient],
    accepted: &[Result<Accepted, Refusal>],
    message: &[u8],
) {
    let size = message.len();
    let message = Message::parse_header_of(message);
    let mut trace = Trace::below(door.dir()).at(Queue::In);
    for (Recipient { destination, address }, accepted) in recipients.iter().zip(accepted) {
        let Destination::List { list, .. } = destination else { continue };
        let Ok(Accepted::Queued { name, .. }) = accepted else { continue };
        let received = Event::new(Step::Received, name).of_message(&list.name, &message);
        trace.add(&Event { text: format!("{size} bytes for {address}"), ..received });
    }
}

/// Enqueues an entry that another host passes on in `archive`, under its name there.
fn for_archive(
    door: &Door<'_>,
    batch: &mut Batch<'_>,
    message: &[u8],
) -> Result<Result<Accepted, Refusal>, Refusal> {
    let (_, store) = door.inside()?;
    let key = store.read().existing_secret(elsewhere::SECRET)?.unwrap_or_default();
    let passed_on = PassedOn::read(&key, message).filter(|_| !key.is_empty());
    let Some(PassedOn { list, name, entry }) = passed_on else {
        let problem = "only a host of this site passes entries for archives on";
        return Ok(Err(Refusal::Rejected(problem.to_owned())));
    };
    batch.enqueue(Queue::Archive, &name, &entry)?;
    let mut event = Event::new(Step::Received, &name)
        .of_message(&list, &Message::parse_header_of(&entry.message));
    event.text = "from another host, for the archive".to_owned();
    Trace::below(door.dir()).at(Queue::Archive).add(&event);
    Ok(Ok(Accepted::Queued { queue: Queue::Archive, name }))
}

/// Returns why a list refuses a post, after recording that in the trace. If that cannot be
/// determined, the post is accepted, and its runner decides.
fn refused(
    site: &Site,
    store: &Store,
    list: &KnownList,
    message: &[u8],
    metadata: &Metadata,
) -> Option<Refusal> {
    let name = EntryName::new(clock::seconds(), message, &list.name);
    let ask = || -> Result<_, HandlerError> {
        // If the list was removed since then, the runner reports it.
        let Some(list) = store.read().list(&list.name)? else { return Ok(None) };
        at_the_door::refusal(site, store, &list, &name, message, metadata)
    };
    let (handler, reason) = ask().unwrap_or_else(|error| {
        tracing::warn!("{}: a post is accepted unchecked: {error}", list.name);
        None
    })?;
    let post = Message::parse_header_of(message);
    let event = Event::new(Step::Rejected, &name).of_message(&list.name, &post);
    Trace::of(site).at(Queue::In).add(&Event {
        handler: handler.to_owned(),
        setting: reason.setting.unwrap_or_default().to_owned(),
        text: format!("not taken: {}", reason.text),
        ..event
    });
    Some(Refusal::Rejected(reason.text))
}

/// Appends a message to the site's file for mail that has no other recipient. When it returns, the
/// message is on the disk; after an error nothing of it stays.
fn keep(path: &Path, envelope: &Envelope, message: &[u8]) -> io::Result<()> {
    let sender = envelope.sender.as_deref().filter(|sender| !sender.is_empty());
    let sender = sender.unwrap_or("MAILER-DAEMON");
    let entry = mbox::entry(sender, &date::ctime(clock::now()), message);
    let is_new = !path.exists();
    let mut file = File::options().append(true).create(true).mode(0o600).open(path)?;
    file.lock()?;
    let end = file.metadata()?.len();
    if let Err(error) = file.write_all(&entry).and_then(|()| file.sync_all()) {
        file.set_len(end)?;
        return Err(error);
    }
    match path.parent().filter(|_| is_new) {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// Reads the message, up to the limit in bytes (0: none).
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

/// Refuses mail temporarily if the disk is nearly full, so that the entries in the spool can still
/// be processed.
fn check_space(spool: &Spool, size: u64, keep_free: u64) -> Result<(), Refusal> {
    let stat = match rustix::fs::statvfs(spool.root()) {
        Ok(stat) => stat,
        // The spool is created on demand; if that fails, enqueueing reports it.
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
