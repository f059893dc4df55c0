//! What waits on a list: for a moderator, for a confirmation, for the next digest. Each is brought
//! over once; what Mailman has no more is taken out here.

use super::list::{Bringing, Written, named, random_cookie, with_hash};
use crate::requests::{Confirms, Waiting};
use crate::{TakeoverError, source};
use dormouse_spool::Entry;
use dormouse_store::{HeldPost, List, Pending, StoreError, Tx};
use std::collections::{BTreeSet, HashMap};

pub(super) fn requests(
    tx: &Tx<'_>,
    bringing: &Bringing<'_>,
    list: &List,
    now: f64,
    written: &mut Written,
) -> Result<(), TakeoverError> {
    let mut cookies = HashMap::new();
    for pending in &bringing.pendings {
        if let Confirms::Held(id) = pending.what {
            cookies.insert(id, pending.cookie.as_str());
        }
    }
    let mut sources = BTreeSet::new();
    for (request, message) in &bringing.requests {
        let source = format!("{}#{}", bringing.requests_source, request.id);
        sources.insert(source.clone());
        if tx.imported(&source)?.is_some() {
            continue;
        }
        let cookie = match cookies.get(&request.id) {
            // A list that was copied by hand has another one's cookies.
            Some(cookie) if tx.held_by_cookie(cookie)?.is_none() => (*cookie).to_owned(),
            _ => random_cookie()?,
        };
        let target = match (&request.what, message) {
            (Waiting::Post { at, sender, subject, reason, metadata, .. }, Some(message)) => {
                let mut metadata = metadata.clone();
                metadata.set_text("listname", &list.name);
                let received = metadata.float("received_time").unwrap_or(*at);
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
                post.entry
            }
            (Waiting::Post { .. }, None) => continue,
            (Waiting::Membership { at, request }, _) => {
                let request = with_hash(request)?;
                let since = if *at > 0.0 { *at } else { now };
                // One that waits here already for the same address is it.
                let (held, is_new) =
                    tx.hold_request(list.id, &request, &cookie, "asked in Mailman", since)?;
                written.requests += u64::from(is_new);
                held.cookie
            }
        };
        tx.note_imported(&source, "", &target, now)?;
    }
    // Somebody decided in Mailman.
    let remove = |target: &str| Ok(tx.release_held_entry(target)? || tx.remove_request(target)?);
    written.removed += take_back(tx, &bringing.requests_source, &sources, remove)?;
    Ok(())
}

pub(super) fn pendings(
    tx: &Tx<'_>,
    bringing: &Bringing<'_>,
    list: &List,
    now: f64,
    written: &mut Written,
) -> Result<(), TakeoverError> {
    let mut sources = BTreeSet::new();
    for pending in &bringing.pendings {
        let Confirms::Asked(request, content) = &pending.what else { continue };
        let source = format!("{}#{}", bringing.pendings_source, pending.cookie);
        sources.insert(source.clone());
        if tx.imported(&source)?.is_some() {
            continue;
        }
        tx.pend(&Pending {
            cookie: pending.cookie.clone(),
            list_id: list.id,
            request: with_hash(request)?,
            content: content.clone(),
            created_at: pending.expires_at - bringing.pending_life,
            expires_at: pending.expires_at,
        })?;
        written.pendings += 1;
        tx.note_imported(&source, "", &pending.cookie, now)?;
    }
    let remove = |cookie: &str| tx.remove_request(cookie);
    written.removed += take_back(tx, &bringing.pendings_source, &sources, remove)?;
    Ok(())
}

pub(super) fn digest(
    tx: &Tx<'_>,
    bringing: &Bringing<'_>,
    list: &List,
    now: f64,
    written: &mut Written,
) -> Result<(), TakeoverError> {
    let mut sources = BTreeSet::new();
    for (index, message) in bringing.digest.iter().enumerate() {
        let digest = source::fingerprint(message);
        // The same post twice is two.
        let twice = bringing.digest[..index].iter().filter(|earlier| *earlier == message).count();
        let source = format!("{}#{digest}-{twice}", bringing.digest_source);
        sources.insert(source.clone());
        if tx.imported(&source)?.is_some() {
            continue;
        }
        let entry = named(now, &[&list.name, "digest", &digest, &twice.to_string()]);
        tx.add_to_digest(list, entry.as_str(), now, message)?;
        written.digest_posts += 1;
        tx.note_imported(&source, "", entry.as_str(), now)?;
    }
    let remove = |entry: &str| tx.remove_from_digest(entry);
    written.removed += take_back(tx, &bringing.digest_source, &sources, remove)?;
    Ok(())
}

/// Takes out what has been brought over from parts of a source that are there no more; how many.
fn take_back(
    tx: &Tx<'_>,
    source: &str,
    still: &BTreeSet<String>,
    remove: impl Fn(&str) -> Result<bool, StoreError>,
) -> Result<u64, TakeoverError> {
    let mut removed = 0;
    for (part, target) in tx.imported_parts(source)? {
        if !still.contains(&part) {
            removed += u64::from(remove(&target)?);
            tx.forget_imported(&part)?;
        }
    }
    Ok(removed)
}
