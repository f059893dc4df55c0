//! Messages as they were received, for applying patches or replying in a mail program.

use crate::text::plain;
use crate::{ArchiveError, ArchivePlace, article, body, mbox};
use dormouse_mail::{Message, mime};
use dormouse_store::archive_index::{ArchiveIndex, Indexed};
use dormouse_store::{List, Site};
use std::fs::File;

/// The public part of the header. The rest describes the message's transport.
const FIELDS: [&str; 13] = [
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Date",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "List-Id",
    "Archived-At",
    "MIME-Version",
    "X-Original-Date",
];

/// Fields by which programs identify messages, whose values look like addresses.
const IDENTIFIERS: [&str; 5] =
    ["Message-ID", "In-Reply-To", "References", "List-Id", "Archived-At"];

/// The purpose of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcePurpose {
    /// For reading.
    Reading,
    /// For a program that reads mail: with a changed address, a patch would have no author, and
    /// might not apply.
    Program,
}

/// Returns the public version of the message with this number: the header fields that matter to
/// people, and its body. If the list obscures addresses, unencoded ones are obscured, except in
/// patches for a program.
pub fn public(
    site: &Site,
    list: &List,
    number: i64,
    purpose: SourcePurpose,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let Some(index) = ArchiveIndex::open_read_only(&ArchivePlace::of(site, &list.name).index())?
    else {
        return Ok(None);
    };
    let found = index.message(number)?.filter(|message| !message.removed);
    let Some(message) = found else { return Ok(None) };
    let mut message = Message::parse(mbox::message(&read(site, list, &message)?));
    message.retain(|field| {
        FIELDS.iter().any(|name| field.is(name))
            || field.name().len() > 8 && field.name()[..8].eq_ignore_ascii_case(b"content-")
    });
    let bytes = message.to_bytes();
    if !list.obscures(site.config()) || purpose == SourcePurpose::Program && has_patch(&message) {
        return Ok(Some(bytes));
    }
    // Treat bytes as characters, so that in any charset all other bytes stay the same.
    let letters: String = bytes.into_iter().map(char::from).collect();
    let shown: Vec<u8> = plain(&letters, true).chars().map(|letter| letter as u8).collect();
    let mut shown = Message::parse(shown);
    for name in IDENTIFIERS {
        if let Some(field) = message.field(name) {
            shown.set_raw(name, field.value());
        }
    }
    Ok(Some(shown.to_bytes()))
}

fn has_patch(message: &Message) -> bool {
    let root = mime::structure(message);
    let mut texts = root.walk().into_iter().filter(|part| part.main_type() == "text");
    texts.any(|part| body::has_patch(&part.text(message.body())))
}

/// Returns the messages with this Message-ID as stored: a single one unchanged, several as an mbox.
pub fn kept(site: &Site, list: &List, message_id: &str) -> Result<Vec<u8>, ArchiveError> {
    let id = article::bare_id(message_id);
    let index = ArchiveIndex::open_read_only(&ArchivePlace::of(site, &list.name).index())?;
    let found = index.map(|index| index.messages_with_id(&id)).transpose()?.unwrap_or_default();
    let found: Vec<Indexed> = found.into_iter().filter(|message| !message.removed).collect();
    match found.as_slice() {
        [] => Err(ArchiveError::NoSuchMessage { list: list.name.clone(), id }),
        [message] => Ok(mbox::message(&read(site, list, message)?)),
        several => Ok(several
            .iter()
            .map(|message| read(site, list, message))
            .collect::<Result<Vec<_>, _>>()?
            .concat()),
    }
}

fn read(site: &Site, list: &List, message: &Indexed) -> Result<Vec<u8>, ArchiveError> {
    let path = ArchivePlace::of(site, &list.name).mbox();
    let file = File::open(&path).map_err(ArchiveError::io("open", &path))?;
    let (start, length) = (message.mbox_start as u64, message.mbox_length as u64);
    mbox::read_entry(&file, &path, start, length)
}
