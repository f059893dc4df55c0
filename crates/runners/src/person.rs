//! Exports and erases the data stored about a person, for the command and the pages.

use crate::email_commands;
use dormouse_archive::{Archive, ArchivePlace};
use dormouse_membership::RunError;
use dormouse_store::archive_index::ArchiveIndex;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{
    Erased, List, ListId, ListName, PersonData, Read, Site, Store, StoreError, Tx,
};
use dormouse_trace as trace;
use serde::Serialize;
use serde_json::{Value, json};

/// The result of an erasure, and what is left to decide on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// What was erased in the database.
    #[serde(flatten)]
    pub erased: Erased,
    /// The number of posts removed from archives.
    pub posts: usize,
    /// Lists in whose archives posts stay, with their numbers.
    pub posts_stay: Vec<(ListName, usize)>,
    /// Settings that contain the address: list and setting.
    pub settings: Vec<(ListName, String)>,
}

impl Erasure {
    /// Whether nothing was stored.
    pub fn is_nothing(&self) -> bool {
        *self == Erasure::default()
    }
}

/// Erases an address on one list, or everywhere if none is named: memberships, everything stored
/// about it, the trace and, with `with_posts`, its posts in the archives. With `dry_run` it only
/// reports what would be erased.
pub fn erase(
    site: &Site,
    store: &Store,
    address: &str,
    list: Option<&List>,
    with_posts: bool,
    dry_run: bool,
) -> Result<Erasure, RunError> {
    let key = address.trim().to_lowercase();
    let mut settings = store.read().person(&key)?.named_in;
    settings.retain(|(name, _)| list.is_none_or(|list| list.name == *name));
    let lists: Box<dyn Iterator<Item = Result<List, StoreError>>> = match list {
        Some(list) => Box::new(std::iter::once(Ok(list.clone()))),
        None => Box::new(store.read().iter_lists()),
    };
    let mut written = Vec::new();
    for list in lists {
        let list = list?;
        let count = posts_of(site, &list, &key)?;
        if count > 0 {
            written.push((list, count));
        }
    }
    let work = |tx: &Tx<'_>| -> Result<Erased, StoreError> {
        let mut erased = tx.erase_person(&key, list.map(|list| list.id))?;
        if list.is_none() {
            erased.traces += email_commands::forget_outcomes(tx, &key)?;
        }
        Ok(erased)
    };
    let mut erased = if dry_run { store.rehearse(work)? } else { store.write(work)? };
    let mut posts = 0;
    if with_posts {
        for (list, count) in &written {
            posts +=
                if dry_run { *count } else { Archive::open(site, list)?.remove_of(&key)?.messages };
        }
    }
    if !dry_run {
        // The trace covers all lists, so it stays if the address is erased on one list only.
        if list.is_none() {
            let lines = trace::forget(site, &key).map_err(|source| RunError::Io {
                action: "forget an address in",
                path: site.dir().to_owned(),
                source,
            })?;
            erased.traces += usize::try_from(lines).unwrap_or(usize::MAX);
        }
        // Rows that were deleted long ago may still be in the database's free pages.
        store.purge()?;
    }
    let posts_stay = if with_posts {
        Vec::new()
    } else {
        written.into_iter().map(|(list, count)| (list.name, count)).collect()
    };
    Ok(Erasure { erased, posts, posts_stay, settings })
}

/// Returns the number of an address's posts in a list's archive.
pub fn posts_of(site: &Site, list: &List, address: &str) -> Result<usize, RunError> {
    let index = ArchiveIndex::open_read_only(&ArchivePlace::of(site, &list.name).index())?;
    Ok(index.map(|index| index.messages_of(address)).transpose()?.unwrap_or_default().len())
}

/// Returns everything stored about a person as JSON, to hand out.
pub fn exported(store: &Store, address: &str, person: &PersonData) -> Result<Value, StoreError> {
    let mut pending = Vec::new();
    for waiting in &person.pending {
        pending.push(json!({
            "list": list_name(store.read(), waiting.list_id)?, "request": waiting.request,
            "created_at": waiting.created_at, "expires_at": waiting.expires_at,
        }));
    }
    let mut requests = Vec::new();
    for held in &person.requests {
        requests.push(json!({
            "list": list_name(store.read(), held.list_id)?, "id": held.id, "request": held.request,
            "how": held.how, "held_at": held.held_at,
        }));
    }
    let mut posts = Vec::new();
    for held in &person.held {
        posts.push(json!({
            "list": list_name(store.read(), held.post.list_id)?, "id": held.id,
            "subject": held.post.subject, "reason": held.post.reason, "held_at": held.post.held_at,
        }));
    }
    let mut bounces = Vec::new();
    for event in &person.bounces {
        bounces.push(json!({
            "list": list_name(store.read(), event.list_id)?, "code": event.code, "text": event.text,
            "at": event.at,
        }));
    }
    let memberships: Vec<Value> = person
        .memberships
        .iter()
        .map(|(list, member, topics)| {
            json!({
                "list": list, "address": member.address, "name": member.real_name,
                "digest": member.digest, "delivery": member.delivery.write(),
                "options": member.options.words(), "language": member.language, "topics": topics,
                "joined_at": member.joined_at,
            })
        })
        .collect();
    let named_in: Vec<Value> = person
        .named_in
        .iter()
        .map(|(list, setting)| json!({"list": list, "setting": setting}))
        .collect();
    Ok(json!({
        "address": address, "memberships": memberships, "consent": person.consents,
        "pending": pending, "requests": requests, "held_posts": posts, "refusals": bounces,
        "named_in": named_in,
    }))
}

fn list_name(store: &Read, id: ListId) -> Result<String, StoreError> {
    Ok(store.list_by_id(id)?.map_or_else(|| format!("list {id}"), |list| list.name.into()))
}
