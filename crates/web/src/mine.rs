//! All lists of whoever is signed in, with all addresses, on one page: what one gets of each, and
//! changes on one, on some or on all of them at once.

use crate::desk::{Desk, Problem, Sent};
use crate::page::{self, Frame};
use crate::seat::{Anybody, Room, room_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_runners::membership::Asked;
use dormouse_runners::membership::options::{Change, shown};
use dormouse_store::{Delivery, Member, Proof};
use std::sync::Arc;

/// The page.
pub fn routes() -> Router<Arc<App>> {
    room_page("/mine", show, Some(change))
}

/// An option that may be set on many lists at once.
#[derive(Clone, Copy)]
struct Choice {
    name: &'static str,
    title: &'static str,
    /// Its values, each with what it is called.
    values: &'static [(&'static str, &'static str)],
}

const OPTIONS: [Choice; 6] = [
    Choice { name: "delivery", title: "Mail", values: &[("on", "on"), ("off", "paused")] },
    Choice {
        name: "digest",
        title: "Posts",
        values: &[
            ("off", "one by one"),
            ("mime", "in digests (MIME)"),
            ("plain", "in digests (text)"),
        ],
    },
    Choice {
        name: "myposts",
        title: "My own posts",
        values: &[("on", "sent to me, too"), ("off", "not sent to me")],
    },
    Choice {
        name: "ack",
        title: "When a post of mine went out",
        values: &[("on", "tell me"), ("off", "do not tell me")],
    },
    Choice {
        name: "duplicates",
        title: "Posts that came to me directly",
        values: &[("on", "sent again"), ("off", "not sent twice")],
    },
    Choice {
        name: "hide",
        title: "Among the members",
        values: &[("on", "hide me"), ("off", "show me")],
    },
];

#[derive(Template)]
#[template(path = "mine.html")]
struct MinePage {
    frame: Frame,
    action: String,
    addresses: Vec<(String, Vec<Line>)>,
    options: [Choice; 6],
    said: String,
}

/// A membership.
struct Line {
    key: String,
    name: String,
    description: String,
    options: String,
    archive: Option<String>,
    state: String,
}

/// An address with its memberships.
type Memberships = (String, Vec<(Desk, Member)>);

/// This person's memberships.
fn memberships(room: &Room<Anybody>) -> Result<Vec<Memberships>, Problem> {
    let mut found: Vec<Memberships> = Vec::new();
    for proved in &room.account.session.proofs {
        let (address, ids) = match &proved.proof {
            Proof::Address(address) => (address, room.store.lists_of(address)?),
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
            let Some(list) = room.store.list_by_id(id)? else { continue };
            let Some(member) = room.store.member(id, address)? else { continue };
            let one = (room.desk(list), member);
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

fn show(room: &Room<Anybody>) -> Result<Response, Problem> {
    let number = |name: &str| room.asked.query.get(name).parse::<u32>().unwrap_or(0);
    let mut said = match (number("saved"), number("left")) {
        (0, 0) => String::new(),
        (0, 1) => "You have left the list.".to_owned(),
        (0, left) => format!("You have left {left} lists."),
        (1, _) => "Saved on one list.".to_owned(),
        (saved, _) => format!("Saved on {saved} lists."),
    };
    match number("waits") {
        0 => {}
        _ => said.push_str(
            " Where those who run a list decide on it, your wish to leave waits for them.",
        ),
    }
    match number("refused") {
        0 => {}
        refused => said
            .push_str(&format!(" {refused} could not have all of it: not every list has digests.")),
    }
    let addresses = memberships(room)?
        .into_iter()
        .map(|(address, desks)| {
            let lines = desks.iter().map(|(desk, member)| line(desk, &address, member)).collect();
            (address, lines)
        })
        .collect();
    let page = MinePage {
        frame: room.frame(),
        action: room.place("mine"),
        addresses,
        options: OPTIONS,
        said: said.trim().to_owned(),
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn line(desk: &Desk, address: &str, member: &Member) -> Line {
    let digest = shown(member).into_iter().find(|(option, _)| *option == "digest");
    let how = match digest.map_or("off", |(_, how)| how) {
        "off" => "posts one by one",
        _ => "digests",
    };
    let state = match member.delivery {
        Delivery::Enabled => how.to_owned(),
        Delivery::ByUser => format!("{how}; paused by you"),
        Delivery::ByBounce => format!("{how}; paused, as mail to you came back"),
        _ => format!("{how}; paused"),
    };
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

fn change(room: &Room<Anybody>, sent: &Sent) -> Result<Response, Problem> {
    let is_leaving = sent.get("do") == "leave";
    // Nobody leaves all lists by one tick.
    let all = sent.has("all") && !is_leaving;
    let changes: Vec<Change> = OPTIONS
        .iter()
        .filter_map(|choice| Change::parse(choice.name, sent.get(choice.name)).ok())
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
            // What one list does not have keeps nothing from the others, nor the rest from it.
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
