//! Waiting things of a list: for a moderator, for a confirmation, for the next digest. Each is imported
//! once; those that Mailman no longer has are removed here.

use super::list::{Bringing, Written, named, random_cookie, with_hash};
use crate::requests::{Confirms, OldPending, OldRequest, WaitingRequest};
use crate::{TakeoverError, source};
use dormouse_clock::Timestamp;
use dormouse_spool::Entry;
use dormouse_store::{HeldPost, List, Pending, StoreError, Tx};
use std::collections::{BTreeSet, HashMap};

pub(super) fn requests(
    tx: &Tx<'_>,
    bringing: &Bringing<'_>,
    list: &List,
    now: Timestamp,
    written: &mut Written,
) -> Result<(), TakeoverError> {
    let mut cookies = HashMap::new();
    for pending in &bringing.pendings {
        if let Confirms::Held(id) = pending.what {
            cookies.insert(id, pending.cookie.as_str());
        }
    }
    let parts = bringing.requests.iter().map(|found| (found.0.id.to_string(), found));
    let write = |(request, message): &(OldRequest, Option<Vec<u8>>)| {
        let cookie = match cookies.get(&request.id) {
            // A list that was copied by hand has another list's cookies.
            Some(cookie) if tx.read().held_by_cookie(cookie)?.is_none() => (*cookie).to_owned(),
            _ => random_cookie()?,
        };
        match (&request.what, message) {
            (WaitingRequest::Post { at, sender, subject, reason, metadata, .. }, Some(message)) => {
                let mut metadata = metadata.clone();
                metadata.set_text("listname", &list.name);
                let received = metadata.time("received_time").unwrap_or(*at);
                let entry = named(received, &[&list.name, "held", &request.id.to_string()]);
                let post = HeldPost {
                    list_id: list.id,
                    entry: entry.as_str().to_owned(),
                    sender: sender.clone(),
                    subject: subject.clone(),
                    reason: reason.clone(),
                    setting: String::new(),
                    cookie,
                    held_at: *at,
                };
                tx.hold(&post, &Entry::new(message.clone(), metadata).to_bytes())?;
                written.held += 1;
                Ok(Some(post.entry))
            }
            (WaitingRequest::Post { .. }, None) => Ok(None),
            (WaitingRequest::Membership { at, request }, _) => {
                let request = with_hash(request)?;
                let since = if *at > Timestamp::EPOCH { *at } else { now };
                // A request that already waits here for the same address is the same.
                let (held, is_new) =
                    tx.hold_request(list.id, &request, &cookie, "asked in Mailman", since)?;
                written.requests += u64::from(is_new);
                Ok(Some(held.cookie))
            }
        }
    };
    // Somebody has decided in Mailman.
    let remove = |target: &str| Ok(tx.release_held_entry(target)? || tx.remove_request(target)?);
    let removed = bring(tx, &bringing.requests_source, now, parts, write, remove)?;
    written.removed += removed;
    Ok(())
}

pub(super) fn pendings(
    tx: &Tx<'_>,
    bringing: &Bringing<'_>,
    list: &List,
    now: Timestamp,
    written: &mut Written,
) -> Result<(), TakeoverError> {
    let parts = bringing.pendings.iter().filter_map(|pending| match &pending.what {
        Confirms::Asked(request, content) => {
            Some((pending.cookie.clone(), (pending, request, content)))
        }
        Confirms::Held(_) => None,
    });
    let write = |(pending, request, content): (&OldPending, &_, &Vec<u8>)| {
        tx.pend(&Pending {
            cookie: pending.cookie.clone(),
            list_id: list.id,
            request: with_hash(request)?,
            content: content.clone(),
            created_at: pending.expires_at - bringing.pending_life,
            expires_at: pending.expires_at,
        })?;
        written.pendings += 1;
        Ok(Some(pending.cookie.clone()))
    };
    let remove = |cookie: &str| tx.remove_request(cookie);
    let removed = bring(tx, &bringing.pendings_source, now, parts, write, remove)?;
    written.removed += removed;
    Ok(())
}

pub(super) fn digest(
    tx: &Tx<'_>,
    bringing: &Bringing<'_>,
    list: &List,
    now: Timestamp,
    written: &mut Written,
) -> Result<(), TakeoverError> {
    let parts = bringing.digest.iter().enumerate().map(|(index, message)| {
        // The same post twice is two posts.
        let twice = bringing.digest[..index].iter().filter(|earlier| *earlier == message).count();
        (format!("{}-{twice}", source::fingerprint(message)), message)
    });
    let parts = parts.map(|(part, message)| (part.clone(), (part, message)));
    let write = |(part, message): (String, &Vec<u8>)| {
        let (digest, twice) = part.rsplit_once('-').unwrap_or((&part, "0"));
        let entry = named(now, &[&list.name, "digest", digest, twice]);
        tx.add_to_digest(list, entry.as_str(), now, message)?;
        written.digest_posts += 1;
        Ok(Some(entry.as_str().to_owned()))
    };
    let remove = |entry: &str| tx.remove_from_digest(entry);
    let removed = bring(tx, &bringing.digest_source, now, parts, write, remove)?;
    written.removed += removed;
    Ok(())
}

/// Imports the parts of a source, each once: `write` returns the result for one, or that there is
/// nothing to import. What was imported before and is no longer there is removed;
/// returns how many that were.
fn bring<P>(
    tx: &Tx<'_>,
    source: &str,
    now: Timestamp,
    parts: impl Iterator<Item = (String, P)>,
    mut write: impl FnMut(P) -> Result<Option<String>, TakeoverError>,
    remove: impl Fn(&str) -> Result<bool, StoreError>,
) -> Result<u64, TakeoverError> {
    let mut still = BTreeSet::new();
    for (part, content) in parts {
        let part = format!("{source}#{part}");
        let is_known = tx.read().imported(&part)?.is_some();
        still.insert(part.clone());
        if !is_known && let Some(target) = write(content)? {
            tx.note_imported(&part, "", &target, now)?;
        }
    }
    let mut removed = 0;
    for (part, target) in tx.read().imported_parts(source)? {
        if !still.contains(&part) {
            removed += u64::from(remove(&target)?);
            tx.forget_imported(&part)?;
        }
    }
    Ok(removed)
}
