//! Adding and inviting people, and synchronizing the members with a list of addresses. Each page first
//! shows what would happen.

use crate::desk::{PageProblem, Sent};
use crate::members;
use crate::page::{self, Frame};
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_mail::AddressKey;
use dormouse_membership::join::Wish;
use dormouse_membership::person::NamedAddress;
use dormouse_membership::{Origin, Registry};
use dormouse_store::sync::SyncChange;
use dormouse_store::{Request, StoreError};
use dormouse_words::Said;
use std::collections::HashSet;
use std::sync::Arc;

/// The number of addresses named in each group; the others are counted.
const NAMED: usize = 200;
/// The maximum length of the text of an invitation, in bytes.
const INVITATION: usize = 10_000;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new().merge(list_page("/members/{list}/add", ask_add, Some(add))).merge(list_page(
        "/members/{list}/sync",
        ask_sync,
        Some(sync),
    ))
}

#[derive(Template)]
#[template(path = "arrivals.html")]
struct ArrivalsPage {
    frame: Frame,
    list: String,
    action: String,
    back: String,
    is_sync: bool,
    people: String,
    invitation: String,
    welcome: bool,
    plan: Option<Plan>,
    said: String,
}

/// What would happen to the lines that were typed.
#[derive(Default)]
struct Plan {
    kinds: Vec<Kind>,
    /// Whether anything would change.
    has_work: bool,
}

/// Lines with the same outcome.
struct Kind {
    title: String,
    shown: Vec<String>,
    more: usize,
}

impl Plan {
    /// Adds lines with the same outcome, under a title that is given their number.
    fn add(&mut self, title: impl FnOnce(usize) -> Said, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let title = title(lines.len()).to_string();
        let more = lines.len().saturating_sub(NAMED);
        self.kinds.push(Kind { title, shown: lines.into_iter().take(NAMED).collect(), more });
    }
}

/// Separates the lines that name people from the others.
fn people(text: &str) -> (Vec<NamedAddress>, Vec<String>) {
    let (mut good, mut bad, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match NamedAddress::parse(line) {
            Ok(person) => {
                if seen.insert(AddressKey::of(&person.address)) {
                    good.push(person);
                }
            }
            Err(error) => bad.push(format!("{line}: {error}")),
        }
    }
    (good, bad)
}

fn origin(seat: &Seat<Owns>) -> Origin {
    Origin::web(&seat.visitor.address, &seat.visitor.network)
}

/// People by what would happen to them.
struct Sorted {
    new: Vec<NamedAddress>,
    already: Vec<String>,
    /// Each with the ban that excludes it.
    banned: Vec<String>,
}

fn sorted(seat: &Seat<Owns>, people: Vec<NamedAddress>) -> Result<Sorted, StoreError> {
    let frame = seat.frame();
    seat.store.look(|tx| {
        let registry = Registry::new(&seat.app.site, tx, &seat.list, origin(seat));
        let (mut new, mut already, mut banned) = (Vec::new(), Vec::new(), Vec::new());
        let keys: Vec<AddressKey> =
            people.iter().map(|person| AddressKey::of(&person.address)).collect();
        let members = tx.read().members_among(seat.list.id, &keys)?;
        for (person, key) in people.into_iter().zip(keys) {
            if members.contains_key(&key) {
                already.push(person.address);
            } else if let Some(ban) = registry.ban(&person.address) {
                banned.push(
                    frame
                        .say("{address}: banned by {ban}")
                        .with("address", &person.address)
                        .with("ban", ban)
                        .to_string(),
                );
            } else {
                new.push(person);
            }
        }
        Ok(Sorted { new, already, banned })
    })
}

fn page_of(seat: &Seat<Owns>, is_sync: bool) -> ArrivalsPage {
    let page = if is_sync { "sync" } else { "add" };
    ArrivalsPage {
        frame: seat.frame(),
        list: seat.name(),
        action: format!("{}/{page}", seat.place("members")),
        back: seat.place("members"),
        is_sync,
        people: String::new(),
        invitation: String::new(),
        welcome: seat.list.settings.send_welcome_msg,
        plan: None,
        said: seat.asked.query.get("said").to_owned(),
    }
}

/// The results, as numbers in the page's address.
fn said(seat: &Seat<Owns>) -> String {
    let number = |name: &str| seat.asked.query.get(name).parse::<u64>().unwrap_or(0);
    let mut said = Vec::new();
    let frame = seat.frame();
    let (added, invited, removed) = (number("added"), number("invited"), number("removed"));
    if added > 0 {
        said.push(frame.count("{count} person was added.", "{count} people were added.", added));
    }
    if invited > 0 {
        said.push(frame.count(
            "{count} person was invited.",
            "{count} people were invited.",
            invited,
        ));
    }
    if removed > 0 {
        said.push(frame.count(
            "{count} person was removed.",
            "{count} people were removed.",
            removed,
        ));
    }
    said.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn ask_add(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    Ok(page::page(StatusCode::OK, &ArrivalsPage { said: said(seat), ..page_of(seat, false) }))
}

fn ask_sync(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    Ok(page::page(StatusCode::OK, &ArrivalsPage { said: said(seat), ..page_of(seat, true) }))
}

fn add(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let text = sent.get("people");
    let (good, bad) = people(text);
    let Sorted { new, already, banned } = sorted(seat, good)?;
    let invitation: String = sent.get("invitation").chars().take(INVITATION).collect();
    let welcome = sent.has("welcome");
    let done = match sent.get("do") {
        "add" => format!("added={}", subscribe(seat, &new, Some(welcome))?),
        "invite" => format!("invited={}", invite(seat, &new, &invitation)?),
        _ => {
            let mut plan = Plan { has_work: !new.is_empty(), ..Plan::default() };
            let new = new.into_iter().map(|person| person.address).collect();
            let frame = seat.frame();
            plan.add(|n| frame.count("{count} new address", "{count} new addresses", n), new);
            let is_member =
                |n| frame.count("{count} is already a member", "{count} are already members", n);
            plan.add(is_member, already);
            plan.add(|n| frame.count("{count} is banned", "{count} are banned", n), banned);
            let is_bad = |n| {
                frame.count(
                    "{count} line contains no address",
                    "{count} lines contain no address",
                    n,
                )
            };
            plan.add(is_bad, bad);
            let page = ArrivalsPage {
                people: text.to_owned(),
                invitation,
                welcome,
                plan: Some(plan),
                ..page_of(seat, false)
            };
            return Ok(page::page(StatusCode::OK, &page));
        }
    };
    Ok(page::see_other(&format!("{}/add?{done}", seat.place("members"))))
}

/// Subscribes people, and returns how many.
fn subscribe(
    seat: &Seat<Owns>,
    people: &[NamedAddress],
    welcome: Option<bool>,
) -> Result<u64, PageProblem> {
    seat.act_on_all(people, |registry, people| {
        let digest = registry.list.settings.digest_is_default;
        let request = |person: &NamedAddress| Request::Subscribe {
            address: person.address.clone(),
            real_name: person.name.clone(),
            digest,
            language: String::new(),
            password: String::new(),
            invitation: false,
        };
        let requests: Vec<Request> = people.iter().map(request).collect();
        Ok(registry.add_all(&requests, welcome)?)
    })
}

/// Invites people, and returns how many.
fn invite(seat: &Seat<Owns>, people: &[NamedAddress], text: &str) -> Result<u64, PageProblem> {
    seat.act_on_each(people, |registry, person| {
        let wish = Wish {
            address: person.address.clone(),
            real_name: person.name.clone(),
            ..Wish::default()
        };
        registry.invite(&wish, text)
    })
}

fn sync(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let text = sent.get("people");
    let (good, bad) = people(text);
    let names: Vec<NamedAddress> = good.clone();
    let leaving = leaving(seat, &good)?;
    let Sorted { new, banned, .. } = sorted(seat, names)?;
    // A slip must not empty a list.
    let is_safe = bad.is_empty() && !good.is_empty();
    if sent.get("do") == "sync" && is_safe {
        let added = subscribe(seat, &new, None)?;
        let gone: Vec<&str> = leaving.iter().map(String::as_str).collect();
        let removed = members::remove(seat, &gone)?;
        let place = seat.place("members");
        return Ok(page::see_other(&format!("{place}/sync?added={added}&removed={removed}")));
    }
    let has_work = is_safe && (!new.is_empty() || !leaving.is_empty());
    let mut plan = Plan { has_work, ..Plan::default() };
    let new = new.into_iter().map(|person| person.address).collect();
    let frame = seat.frame();
    let joins =
        |n| frame.count("{count} address would be added", "{count} addresses would be added", n);
    plan.add(joins, new);
    let leaves =
        |n| frame.count("{count} member would be removed", "{count} members would be removed", n);
    plan.add(leaves, leaving);
    plan.add(|n| frame.count("{count} is banned", "{count} are banned", n), banned);
    let is_bad = |n| {
        frame.count(
            "{count} line contains no address. Please correct it first.",
            "{count} lines contain no address. Please correct them first.",
            n,
        )
    };
    plan.add(is_bad, bad);
    let page = ArrivalsPage { people: text.to_owned(), plan: Some(plan), ..page_of(seat, true) };
    Ok(page::page(StatusCode::OK, &page))
}

/// The members who are not among these people.
fn leaving(seat: &Seat<Owns>, people: &[NamedAddress]) -> Result<Vec<String>, StoreError> {
    seat.store.rehearse(|tx| {
        let sync = tx.sync(&seat.list)?;
        for person in people {
            sync.want(&person.address, &person.name)?;
        }
        let mut leaving = Vec::new();
        sync.changes(|change| {
            if let SyncChange::Remove(address) = change {
                leaving.push(address.to_owned());
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(leaving)
    })
}
