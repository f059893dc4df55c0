//! The members, for owners: search, and each member's options, bounces and history.
//!
//! `arrivals` has the pages that add people and synchronize the members.

use crate::desk::{Fields, PageProblem, Sent};
use crate::held::since;
use crate::page::{self, Frame};
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_mail::date;
use dormouse_store::{Delivery, List, Member, MemberOption, Site, Store, StoreError};
use dormouse_words::{msgid, say};
use futures_util::stream;
use std::sync::Arc;

/// The number of members on a page.
const SHOWN: u32 = 50;
/// The numbers of bounces and acts shown.
const HISTORY: usize = 50;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(list_page("/members/{list}", show, Some(act)))
        .merge(list_page("/members/{list}/member", one, Some(change)))
        .merge(list_page("/members/{list}/export", export, None))
}

#[derive(Template)]
#[template(path = "members.html")]
struct MembersPage {
    frame: Frame,
    list: String,
    place: String,
    number: u64,
    query: String,
    members: Vec<Row>,
    next: Option<String>,
    said: String,
}

/// A member in the table.
struct Row {
    key: String,
    address: String,
    name: String,
    url: String,
    digest: bool,
    moderated: bool,
    delivery: &'static str,
}

#[derive(Template)]
#[template(path = "member.html")]
struct MemberPage {
    frame: Frame,
    list: String,
    place: String,
    key: String,
    address: String,
    name: String,
    joined: String,
    digest: &'static str,
    switches: Vec<Switch>,
    is_off: bool,
    delivery: &'static str,
    score: String,
    bounces: Vec<Bounce>,
    acts: Vec<Deed>,
    is_moderator: bool,
    is_owner: bool,
    /// The page that erases the member's data.
    erase: String,
    said: String,
    went_wrong: bool,
}

/// An option that is on or off.
struct Switch {
    name: &'static str,
    text: &'static str,
    on: bool,
}

/// A bounce of a member.
struct Bounce {
    at: String,
    kind: String,
    text: String,
}

/// An act in the member's history.
struct Deed {
    at: String,
    act: String,
    how: String,
}

/// The options that owners may set for a member, in Mailman's words.
const SWITCHES: [(MemberOption, &str, &str); 5] = [
    (MemberOption::Moderate, "mod", msgid("Posts wait for a moderator")),
    (MemberOption::ConcealSubscription, "hide", msgid("Not shown to other members")),
    (MemberOption::AcknowledgePosts, "ack", msgid("Gets a confirmation of their own posts")),
    (MemberOption::DontReceiveOwnPosts, "notmetoo", msgid("Gets no copy of their own posts")),
    (
        MemberOption::DontReceiveDuplicates,
        "nodupes",
        msgid("Gets no duplicate of posts addressed to the member directly"),
    ),
];

fn words(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Enabled => "",
        Delivery::ByUser => msgid("paused by the member"),
        Delivery::ByAdmin => msgid("turned off by an owner"),
        Delivery::ByBounce => msgid("turned off after bounces"),
        Delivery::Unknown => msgid("turned off"),
    }
}

/// The address of a member's page.
fn url_of(seat: &Seat<Owns>, key: &str) -> String {
    format!("{}/member?who={}", seat.place("members"), dormouse_archive::percent(key))
}

fn show(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let query = seat.asked.query.get("q");
    let (found, next) = find(seat, query)?;
    let place = seat.place("members");
    let row = |member: Member| Row {
        url: url_of(seat, &member.key),
        digest: member.digest,
        moderated: member.options.has(MemberOption::Moderate),
        delivery: words(member.delivery),
        key: member.key.into(),
        address: member.address,
        name: member.real_name,
    };
    let page = MembersPage {
        frame: seat.frame(),
        list: seat.name(),
        number: seat.store.read().count_members(seat.list.id)?,
        query: query.to_owned(),
        members: found.into_iter().map(row).collect(),
        next,
        said: said(&seat.frame(), &seat.asked.query),
        place,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// The result, as the page's own address says.
fn said(frame: &Frame, query: &Fields) -> String {
    let number = |name: &str| query.get(name).parse::<u64>().ok();
    let said = if let Some(removed) = number("removed") {
        frame.count("{count} member was removed.", "{count} members were removed.", removed)
    } else if let Some(changed) = number("moderated") {
        frame.count("{count} member was changed.", "{count} members were changed.", changed)
    } else {
        return String::new();
    };
    said.to_string()
}

/// The members on a page, and where the next page starts. Addresses that begin with the searched text
/// come first, if there are any: the index finds them among any number.
fn find(seat: &Seat<Owns>, query: &str) -> Result<(Vec<Member>, Option<String>), PageProblem> {
    let (asked, id) = (&seat.asked.query, seat.list.id);
    let after = AddressKey::of(asked.get("after"));
    let (place, percent) = (seat.place("members"), dormouse_archive::percent);
    let everywhere = format!("{place}?q={}&all=1", percent(query));
    if !query.is_empty() && !asked.has("all") {
        let mut found = seat.store.read().members_beginning(id, query, &after, SHOWN + 1)?;
        let has_more = found.len() > SHOWN as usize;
        found.truncate(SHOWN as usize);
        if let Some(last) = found.last() {
            let next = format!("{place}?q={}&after={}", percent(query), percent(&last.key));
            return Ok((found, Some(if has_more { next } else { everywhere })));
        }
    }
    let (mut found, end) = seat.store.read().find_members(id, query, &after, SHOWN + 1)?;
    let has_more = found.len() > SHOWN as usize;
    found.truncate(SHOWN as usize);
    let last = if has_more { found.last().map(|last| last.key.clone()) } else { end };
    let next = last.map(|last| match query {
        "" => format!("{place}?after={}", percent(&last)),
        _ => format!("{everywhere}&after={}", percent(&last)),
    });
    Ok((found, next))
}

/// Removes the selected members, or sets the moderation flag of all.
fn act(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let done = match sent.get("do") {
        "remove" => {
            let chosen: Vec<&str> = sent.all("who").collect();
            format!("removed={}", remove(seat, &chosen)?)
        }
        how @ ("moderate:all" | "moderate:none") => {
            let are_moderated = how == "moderate:all";
            let changed = seat.store.write(|tx| tx.moderate_all(seat.list.id, are_moderated))?;
            tracing::info!("{}: {changed} members changed: {how}", seat.list.name);
            format!("moderated={changed}")
        }
        _ => return Err(PageProblem::StaleForm),
    };
    Ok(page::see_other(&format!("{}?{done}", seat.place("members"))))
}

/// Removes members, and returns how many. Those who have left by now are skipped.
pub fn remove(seat: &Seat<Owns>, chosen: &[&str]) -> Result<u64, PageProblem> {
    seat.act_on_all(chosen, |registry, addresses| Ok(registry.remove_all(addresses, None)?))
}

/// The member of a page or form.
fn member(seat: &Seat<Owns>, who: &str) -> Result<Option<Member>, StoreError> {
    seat.store.read().member(seat.list.id, who)
}

fn gone() -> Response {
    page::message(
        StatusCode::NOT_FOUND,
        say("No such member"),
        say("Nobody with this address is a member."),
    )
}

fn one(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let Some(member) = member(seat, seat.asked.query.get("who"))? else { return Ok(gone()) };
    let frame = seat.frame();
    let said = match seat.asked.query.get("done") {
        "saved" => frame.say("Saved.").to_string(),
        "again" => {
            frame.say("Delivery is on again, and earlier bounces are forgotten.").to_string()
        }
        "last" => frame.say("Nothing was changed: a list needs an owner.").to_string(),
        _ => String::new(),
    };
    let state = seat.store.read().bounce_state(seat.list.id, &member.key)?.unwrap_or_default();
    let bounces = seat.store.read().bounce_events_of(seat.list.id, &member.key, HISTORY as u32)?;
    let acts = seat.store.read().consents(&member.key)?;
    let page = MemberPage {
        list: seat.name(),
        place: seat.place("members"),
        joined: since(&frame, member.joined_at),
        digest: match (member.digest, member.options.has(MemberOption::DisableMime)) {
            (false, _) => "off",
            (true, false) => "mime",
            (true, true) => "plain",
        },
        switches: SWITCHES
            .map(|(option, name, text)| Switch { name, text, on: member.options.has(option) })
            .into(),
        is_off: member.delivery != Delivery::Enabled,
        delivery: words(member.delivery),
        score: if state.date.is_empty() { String::new() } else { state.score.to_string() },
        bounces: bounces
            .into_iter()
            .map(|event| Bounce {
                at: since(&frame, event.at),
                kind: dormouse_store::value::SettingValue::write(&event.kind),
                text: format!("{} {}", event.status, event.text).trim().to_owned(),
            })
            .collect(),
        acts: acts
            .into_iter()
            .rev()
            .filter(|act| act.list == seat.list.name)
            .take(HISTORY)
            .map(|act| Deed { at: since(&frame, act.at), act: act.act, how: act.how })
            .collect(),
        is_moderator: is_named(&seat.list.settings.moderator, &member.key),
        is_owner: is_named(&seat.list.settings.owner, &member.key),
        erase: format!(
            "{}/erase?who={}",
            seat.place("members"),
            dormouse_archive::percent(&member.key)
        ),
        went_wrong: seat.asked.query.get("done") == "last",
        said,
        key: member.key.into(),
        address: member.address,
        name: member.real_name,
        frame,
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn change(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let who = sent.get("who");
    let Some(found) = member(seat, who)? else { return Ok(gone()) };
    let done = match sent.get("do") {
        "save" => {
            save(seat, found, sent)?;
            "saved"
        }
        "again" => {
            let enabled = Member { delivery: Delivery::Enabled, ..found };
            put(seat, &enabled, true)?;
            "again"
        }
        "roles" => {
            if save_roles(seat, &found.address, sent)? {
                "saved"
            } else {
                "last"
            }
        }
        "remove" => {
            let removed = remove(seat, &[who])?;
            return Ok(page::see_other(&format!("{}?removed={removed}", seat.place("members"))));
        }
        _ => return Err(PageProblem::StaleForm),
    };
    Ok(page::see_other(&format!("{}&done={done}", url_of(seat, who))))
}

fn is_named(addresses: &[String], address: &str) -> bool {
    addresses.iter().any(|named| named.trim().eq_ignore_ascii_case(address))
}

/// Makes a member an owner or moderator of the list, or removes the role. Returns false if no owner
/// would be left.
fn save_roles(seat: &Seat<Owns>, address: &str, sent: &Sent) -> Result<bool, PageProblem> {
    Ok(seat.store.write(|tx| {
        // Read again: another owner may have changed them.
        let Some(list) = tx.read().list(&seat.list.name)? else { return Ok(false) };
        let settings = &list.settings;
        let mut changes = Vec::new();
        for (role, named) in [("owner", &settings.owner), ("moderator", &settings.moderator)] {
            if sent.has(role) == is_named(named, address) {
                continue;
            }
            let mut new = named.clone();
            match sent.has(role) {
                true => new.push(address.to_owned()),
                false => new.retain(|named| !named.trim().eq_ignore_ascii_case(address)),
            }
            if role == "owner" && new.is_empty() {
                return Ok(false);
            }
            changes.push((role, new.join("\n")));
        }
        let changes: Vec<(&str, &str)> =
            changes.iter().map(|(role, new)| (*role, new.as_str())).collect();
        tx.change_settings(&list.name, &changes)?;
        Ok::<bool, StoreError>(true)
    })?)
}

fn save(seat: &Seat<Owns>, mut member: Member, sent: &Sent) -> Result<(), PageProblem> {
    for (option, name, _) in SWITCHES {
        member.options = member.options.with(option, sent.has(name));
    }
    member.real_name = dormouse_membership::join::clean_name(sent.get("realname"));
    match sent.get("digest") {
        "off" => member.digest = false,
        how @ ("mime" | "plain") => {
            member.digest = true;
            member.options = member.options.with(MemberOption::DisableMime, how == "plain");
        }
        _ => return Err(PageProblem::StaleForm),
    }
    let was_off = member.delivery != Delivery::Enabled;
    let is_off = sent.has("off");
    if is_off && !was_off {
        member.delivery = Delivery::ByAdmin;
    }
    let turned_on = was_off && !is_off;
    if turned_on {
        member.delivery = Delivery::Enabled;
    }
    Ok(put(seat, &member, turned_on)?)
}

fn put(seat: &Seat<Owns>, member: &Member, turned_on: bool) -> Result<(), StoreError> {
    let (list, now) = (seat.list.id, Timestamp::now());
    seat.store.write(|tx| {
        if turned_on {
            tx.re_enable(list, &member.key, now)?;
        }
        tx.update_member(list, member, now)
    })?;
    tracing::info!("{}: options of {} changed on the web", seat.list.name, member.key);
    Ok(())
}

/// All members as a CSV file, which is streamed.
fn export(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let head = "address,name,digest,moderated,delivery,joined\n".to_owned();
    let state = (seat.app.site.clone(), seat.list.clone(), Some(AddressKey::default()), Some(head));
    let pieces = stream::unfold(state, |(site, list, after, head)| async move {
        if let Some(head) = head {
            return Some((Ok(head), (site, list, after, None)));
        }
        let after = after?;
        let read = tokio::task::spawn_blocking(move || {
            let piece = piece(&site, &list, &after);
            (site, list, piece)
        });
        let (site, list, piece) = read.await.ok()?;
        match piece {
            Ok((text, _)) if text.is_empty() => None,
            Ok((text, after)) => Some((Ok(text), (site, list, Some(after), None))),
            Err(error) => {
                tracing::error!("a list of members is cut short: {error}");
                Some((Err(error), (site, list, None, None)))
            }
        }
    });
    let name = format!("attachment; filename=\"{}-members.csv\"", seat.list.local_part());
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// The date of joining, for programs.
fn joined(at: Timestamp) -> String {
    date::rfc5322(at)
}

/// Some members after an address as CSV lines, and the last one's address.
fn piece(site: &Site, list: &List, after: &AddressKey) -> Result<(String, AddressKey), StoreError> {
    let members = Store::open_read_only(site)?.read().members_after(list.id, after)?;
    let last = members.last().map(|member| member.key.clone()).unwrap_or_default();
    let lines = members.iter().map(|member| {
        let yes = |on: bool| if on { "yes" } else { "no" };
        format!(
            "{},{},{},{},{},{}\n",
            cell(&member.address),
            cell(&member.real_name),
            yes(member.digest),
            yes(member.options.has(MemberOption::Moderate)),
            dormouse_store::value::SettingValue::write(&member.delivery),
            cell(&joined(member.joined_at)),
        )
    });
    Ok((lines.collect(), last))
}

/// A CSV cell that spreadsheets do not read as a formula.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_formula() {
        assert_eq!(cell("=1+2"), "\"'=1+2\"");
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
