//! Intake: a message on a stream becomes a durable entry in the right queue, or the MTA is told why
//! not.

use crate::destination::Destination;
use crate::door::Door;
use crate::elsewhere::PassedOn;
pub use crate::refusal::IntakeRefusal;
use dormouse_archive::mbox;
use dormouse_clock::Timestamp;
use dormouse_mail::{Message, date};
use dormouse_membership::address::Purpose;
use dormouse_spool::{Batch, EntryName, Metadata, Queue, Spool};
use dormouse_store::site;
use dormouse_trace::{Event, Step, Trace};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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

/// The envelope of a message.
#[derive(Debug, Default, Clone)]
pub struct IntakeEnvelope {
    /// The envelope sender, if the MTA passed it: `Some("")` is the null sender.
    pub sender: Option<String>,
}

/// A recipient of a message.
#[derive(Debug)]
pub struct IntakeRecipient {
    /// The destination of the address.
    pub destination: Destination,
    /// The address, as the MTA wrote it.
    pub address: String,
}

impl IntakeRecipient {
    /// Whether taking a message asks more than the index: a list's settings, or the site's key.
    fn is_asked_behind(&self) -> bool {
        match &self.destination {
            Destination::List { list, purpose } => *purpose == Purpose::Post && list.may_refuse,
            Destination::Archive => true,
            Destination::Kept => false,
        }
    }

    /// Whether a message for both is one message, because they are variants of the same address.
    /// The part after a `+` must be the same, because it distinguishes bounces and confirmations.
    pub fn is_as_good_as(&self, other: &IntakeRecipient) -> bool {
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
    envelope: &IntakeEnvelope,
    input: impl Read,
) -> Result<Accepted, IntakeRefusal> {
    to_list(door, list, Purpose::Post, list, envelope, input)
}

/// Accepts mail for any address of a list: the posting address, `-request`, `-bounces`, `-owner`, …
pub fn deliver(
    door: &Door<'_>,
    address: &str,
    envelope: &IntakeEnvelope,
    input: impl Read,
) -> Result<Accepted, IntakeRefusal> {
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
    envelope: &IntakeEnvelope,
    input: impl Read,
) -> Result<Accepted, IntakeRefusal> {
    let list = door.list(&list.to_lowercase())?.ok_or_else(|| no_such_list(door, list))?;
    let destination = Destination::List { list, purpose };
    let recipient = IntakeRecipient { destination, address: recipient.to_owned() };
    accept_one(door, recipient, envelope, input)
}

fn no_such_list(door: &Door<'_>, name: &str) -> IntakeRefusal {
    match door.is_spare() {
        true => IntakeRefusal::NotKnownNow(name.to_owned()),
        false => IntakeRefusal::NoSuchList(name.to_owned()),
    }
}

/// Finds the recipient of an address.
///
/// # Errors
/// [`IntakeRefusal::NoSuchList`], or a failure of the database.
pub fn recipient(door: &Door<'_>, address: &str) -> Result<IntakeRecipient, IntakeRefusal> {
    let destination =
        Destination::find(door, address)?.ok_or_else(|| no_such_list(door, address))?;
    Ok(IntakeRecipient { destination, address: address.to_owned() })
}

/// Does the same for mail from a network, whose host must be one of the site's. An MTA that pipes
/// mail has already checked it, and may have rewritten the address.
///
/// # Errors
/// [`IntakeRefusal::NoSuchHost`], and those of [`recipient`].
pub fn recipient_here(door: &Door<'_>, address: &str) -> Result<IntakeRecipient, IntakeRefusal> {
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
    Err(IntakeRefusal::NoSuchHost(host.to_owned()))
}

fn accept_one(
    door: &Door<'_>,
    recipient: IntakeRecipient,
    envelope: &IntakeEnvelope,
    input: impl Read,
) -> Result<Accepted, IntakeRefusal> {
    // Before the message is read, so that another program can still read it.
    if recipient.is_asked_behind() {
        door.behind()?;
    }
    let message = read_message(input, door.settings().max_size)?;
    let mut accepted = accept(door, &[recipient], envelope, &message)?;
    accepted.pop().ok_or(IntakeRefusal::NoMessage)?
}

/// Accepts a message for several recipients, each of which may refuse it, and creates an entry for
/// each of the others, in their order. When it returns, all of these are on the disk; after an
/// error none of them is.
pub fn accept(
    door: &Door<'_>,
    recipients: &[IntakeRecipient],
    envelope: &IntakeEnvelope,
    message: &[u8],
) -> Result<Vec<Result<Accepted, IntakeRefusal>>, IntakeRefusal> {
    if message.is_empty() {
        return Err(IntakeRefusal::NoMessage);
    }
    let settings = door.settings();
    let spool = door.spool();
    let size = message.len() as u64;
    let entries = size.saturating_mul(recipients.len() as u64);
    check_space(spool, entries, settings.min_free)?;
    let mut batch = spool.batch();
    let mut accepted = Vec::with_capacity(recipients.len());
    for IntakeRecipient { destination, address } in recipients {
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
        if *purpose == Purpose::Post
            && list.may_refuse
            && let Some(refusal) = door.behind()?.refusal(list, message, &metadata)?
        {
            accepted.push(Err(refusal));
            continue;
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
            .map_err(|source| IntakeRefusal::Kept { path: path.clone(), source })?;
    }
    batch.commit()?;
    note_received(door, recipients, &accepted, message);
    Ok(accepted)
}

/// Records accepted mail in the trace.
fn note_received(
    door: &Door<'_>,
    recipients: &[IntakeRecipient],
    accepted: &[Result<Accepted, IntakeRefusal>],
    message: &[u8],
) {
    let size = message.len();
    let message = Message::parse_header_of(message);
    let mut trace = Trace::below(door.dir()).at(Queue::In);
    for (IntakeRecipient { destination, address }, accepted) in recipients.iter().zip(accepted) {
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
) -> Result<Result<Accepted, IntakeRefusal>, IntakeRefusal> {
    let key = door.behind()?.archive_key()?;
    let passed_on = PassedOn::read(&key, message).filter(|_| !key.is_empty());
    let Some(PassedOn { list, name, entry }) = passed_on else {
        let problem = "only a host of this site passes entries for archives on";
        return Ok(Err(IntakeRefusal::Rejected(problem.to_owned())));
    };
    batch.enqueue(Queue::Archive, &name, &entry)?;
    let mut event = Event::new(Step::Received, &name)
        .of_message(&list, &Message::parse_header_of(&entry.message));
    event.text = "from another host, for the archive".to_owned();
    Trace::below(door.dir()).at(Queue::Archive).add(&event);
    Ok(Ok(Accepted::Queued { queue: Queue::Archive, name }))
}

/// Appends a message to the site's file for mail that has no other recipient. When it returns, the
/// message is on the disk; after an error nothing of it stays.
fn keep(path: &Path, envelope: &IntakeEnvelope, message: &[u8]) -> io::Result<()> {
    let sender = envelope.sender.as_deref().filter(|sender| !sender.is_empty());
    let sender = sender.unwrap_or("MAILER-DAEMON");
    let entry = mbox::entry(sender, &date::ctime(Timestamp::now()), message);
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
pub fn read_message(input: impl Read, limit: u64) -> Result<Vec<u8>, IntakeRefusal> {
    let mut message = Vec::with_capacity(16 * 1024);
    let most = if limit == 0 { u64::MAX } else { limit.saturating_add(1) };
    input.take(most).read_to_end(&mut message).map_err(IntakeRefusal::Unreadable)?;
    if message.is_empty() {
        return Err(IntakeRefusal::NoMessage);
    }
    if limit != 0 && message.len() as u64 > limit {
        return Err(IntakeRefusal::TooLarge { limit });
    }
    Ok(message)
}

/// Refuses mail temporarily if the disk is nearly full, so that the entries in the spool can still
/// be processed.
fn check_space(spool: &Spool, size: u64, keep_free: u64) -> Result<(), IntakeRefusal> {
    let stat = match rustix::fs::statvfs(spool.root()) {
        Ok(stat) => stat,
        // The spool is created on demand; if that fails, enqueueing reports it.
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(IntakeRefusal::Unreadable(error.into())),
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = keep_free.saturating_add(size);
    if free < needed {
        return Err(IntakeRefusal::NoSpace { free, needed, spool: spool.root().to_owned() });
    }
    Ok(())
}
