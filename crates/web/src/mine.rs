//! All memberships of the visitor, with all addresses, on one page: what each delivers, and changes to
//! one, some or all of them in one go.

use crate::desk::{Desk, PageProblem, Sent};
use crate::page::{self, Frame};
use crate::seat::{Anybody, Room, room_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_mail::AddressKey;
use dormouse_membership::Asked;
use dormouse_membership::options::{OptionChange, shown};
use dormouse_store::{Delivery, Member, Proof};
use dormouse_words::{msgid, say};
use std::sync::Arc;

/// The page.
pub fn routes() -> Router<Arc<App>> {
    room_page("/mine", show, Some(change))
}

/// An option that can be set on many lists in one go.
#[derive(Clone, Copy)]
struct Choice {
    name: &'static str,
    title: &'static str,
    /// Its values, each with its label.
    values: &'static [(&'static str, &'static str)],
}

const OPTIONS: [Choice; 6] = [
    Choice {
        name: "delivery",
        title: msgid("Mail"),
        values: &[("on", msgid("on")), ("off", msgid("paused"))],
    },
    Choice {
        name: "digest",
        title: msgid("Posts"),
        values: &[
            ("off", msgid("individually")),
            ("mime", msgid("in MIME digests")),
            ("plain", msgid("in plain text digests")),
        ],
    },
    Choice {
        name: "myposts",
        title: msgid("My own posts"),
        values: &[("on", msgid("send them to me")), ("off", msgid("do not send them to me"))],
    },
    Choice {
        name: "ack",
        title: msgid("Confirmation of my posts"),
        values: &[("on", msgid("send me one")), ("off", msgid("send none"))],
    },
    Choice {
        name: "duplicates",
        title: msgid("Posts addressed to me directly"),
        values: &[("on", msgid("send them again")), ("off", msgid("do not send them twice"))],
    },
    Choice {
        name: "hide",
        title: msgid("List of members"),
        values: &[("on", msgid("hide me")), ("off", msgid("show me"))],
    },
];

#[derive(Template)]
#[template(path = "mine.html")]
struct MinePage {
    frame: Frame,
    action: String,
    addresses: Vec<(AddressKey, Vec<Line>)>,
    options: [Choice; 6],
    /// The visitor's proved addresses, each plain and encoded for a link.
    own: Vec<(String, String)>,
    export: String,
    erase: String,
    said: String,
}

/// A membership in the table.
struct Line {
    key: String,
    name: String,
    description: String,
    options: String,
    archive: Option<String>,
    state: String,
}

/// An address with its memberships.
type Memberships = (AddressKey, Vec<(Desk, Member)>);

/// The visitor's memberships.
fn memberships(room: &Room<Anybody>) -> Result<Vec<Memberships>, PageProblem> {
    let mut found: Vec<Memberships> = Vec::new();
    for proved in &room.account.session.proofs {
        let (address, ids) = match &proved.proof {
            Proof::Address(address) => (address, room.store.read().lists_of(address)?),
            Proof::Member(list, address) => (address, vec![*list]),
            _ => continue,
        };
        for id in ids {
            let is_known = found.iter().any(|(known, desks)| {
                known == address && desks.iter().any(|(desk, _)| desk.list.id == id)
            });
            if is_known {
                continue;
            }
            let Some(list) = room.store.read().list_by_id(id)? else { continue };
            let Some(member) = room.store.read().member(id, address)? else { continue };
            let one = (room.desk(list)?, member);
            match found.iter_mut().find(|(known, _)| known == address) {
                Some((_, desks)) => desks.push(one),
                None => found.push((address.clone(), vec![one])),
            }
        }
    }
    for (_, desks) in &mut found {
        desks.sort_by(|(one, _), (other, _)| one.list.name.cmp(&other.list.name));
    }
    Ok(found)
}

fn key(desk: &Desk, address: &str) -> String {
    format!("{} {address}", desk.list.id)
}

fn show(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    let number = |name: &str| room.asked.query.get(name).parse::<u32>().unwrap_or(0);
    let frame = room.frame();
    let mut said = Vec::new();
    match (number("saved"), number("left")) {
        (0, 0) => {}
        (0, left) => {
            let left = u64::from(left);
            said.push(frame.count(
                "You have left {count} list.",
                "You have left {count} lists.",
                left,
            ));
        }
        (saved, _) => {
            let saved = u64::from(saved);
            said.push(frame.count("Saved on {count} list.", "Saved on {count} lists.", saved));
        }
    }
    if number("waits") > 0 {
        said.push(frame.say("On moderated lists, your request to leave waits for a moderator."));
    }
    match u64::from(number("refused")) {
        0 => {}
        refused => said.push(frame.count(
            "On {count} list not everything could be saved, because not every list has digests.",
            "On {count} lists not everything could be saved, because not every list has digests.",
            refused,
        )),
    }
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    let addresses = memberships(room)?
        .into_iter()
        .map(|(address, desks)| {
            let line = |(desk, member): &(Desk, Member)| line(&frame, desk, &address, member);
            let lines = desks.iter().map(line).collect();
            (address, lines)
        })
        .collect();
    let page = MinePage {
        action: room.place("mine"),
        addresses,
        options: OPTIONS,
        own: room
            .account
            .addresses()
            .map(|address| (address.to_string(), dormouse_archive::percent(address)))
            .collect(),
        export: room.place("mine/export"),
        erase: room.place("mine/erase"),
        said: said.join(" "),
        frame,
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn line(frame: &Frame, desk: &Desk, address: &str, member: &Member) -> Line {
    let digest = shown(member).into_iter().find(|(option, _)| *option == "digest");
    let how = match digest.map_or("off", |(_, how)| how) {
        "off" => say("Individual posts"),
        _ => say("Digests"),
    };
    let state = match member.delivery {
        Delivery::Enabled => say("{how}"),
        Delivery::ByUser => say("{how}; paused by you"),
        Delivery::ByBounce => say("{how}; turned off because mail to you bounced"),
        _ => say("{how}; turned off"),
    };
    let state = frame.tell(&state.with_text("how", how)).to_string();
    Line {
        key: key(desk, address),
        name: desk.name(),
        description: desk.list.settings.description.clone(),
        options: format!(
            "{}/{}",
            desk.place("options"),
            dormouse_archive::percent(&address.replace('@', "--at--"))
        ),
        archive: desk.archive(),
        state,
    }
}

fn change(room: &Room<Anybody>, sent: &Sent) -> Result<Response, PageProblem> {
    let is_leaving = sent.get("do") == "leave";
    // "All lists" does not apply to leaving: one tick must not end all memberships.
    let all = sent.has("all") && !is_leaving;
    let changes: Vec<OptionChange> = OPTIONS
        .iter()
        .filter_map(|choice| OptionChange::parse(choice.name, sent.get(choice.name)).ok())
        .collect();
    let (mut saved, mut left, mut waits, mut refused) = (0, 0, 0, 0);
    for (address, desks) in memberships(room)? {
        for (desk, _) in &desks {
            let key = key(desk, &address);
            if !all && sent.all("on").all(|chosen| chosen != key) {
                continue;
            }
            if is_leaving {
                match desk.act(|registry| registry.leave(&address, true))? {
                    Ok(Asked::Done) => left += 1,
                    Ok(_) => waits += 1,
                    Err(_) => refused += 1,
                }
                continue;
            }
            // A list that refuses the change must not stop it on the others.
            let mut is_whole = true;
            for change in &changes {
                is_whole &=
                    desk.act(|registry| registry.set_options(&address, &[*change]))?.is_ok();
            }
            if is_whole { saved += 1 } else { refused += 1 }
        }
    }
    let place = room.place("mine");
    Ok(page::see_other(&format!(
        "{place}?saved={saved}&left={left}&waits={waits}&refused={refused}"
    )))
}
