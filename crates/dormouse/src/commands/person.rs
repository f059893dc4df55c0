//! `person`: what is known about an address. `invite`: addresses are asked to join.

use super::{find_list, open};
use crate::cli::{InviteArgs, PersonCommand};
use crate::failure::Failure;
use crate::output;
use dormouse_mail::address::parse_list;
use dormouse_mail::date;
use dormouse_runners::membership::join::Wish;
use dormouse_runners::membership::requests::describe;
use dormouse_runners::membership::{self, Origin};
use dormouse_spool::Spool;
use dormouse_store::value::Value as _;
use dormouse_store::{Person, Store};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use sysexits::ExitCode;

pub fn run(dir: &Path, command: PersonCommand) -> Result<ExitCode, Failure> {
    let (_, store) = open(dir)?;
    match command {
        PersonCommand::Show { address, json } => {
            let person = known(&store, &address)?;
            if json {
                output::json(&exported(&store, &address, &person)?)?;
            } else {
                show(&store, &person)?;
            }
        }
        PersonCommand::Export { address } => {
            let person = known(&store, &address)?;
            output::json(&exported(&store, &address, &person)?)?;
        }
        PersonCommand::Erase { address, dry_run, json } => {
            let person = known(&store, &address)?;
            let erased = if dry_run {
                store.rehearse(|tx| tx.erase_person(&address))?
            } else {
                store.write(|tx| tx.erase_person(&address))?
            };
            if json {
                output::json(&erased)?;
            } else {
                output::line(format_args!(
                    "{} {}, {}, {}, {} and {}",
                    if dry_run { "would forget" } else { "forgot" },
                    output::count(erased.memberships as u64, "membership", "memberships"),
                    output::count(erased.requests as u64, "request", "requests"),
                    output::count(erased.held as u64, "held post", "held posts"),
                    output::count(erased.consents as u64, "act of consent", "acts of consent"),
                    output::count(erased.traces as u64, "trace", "traces"),
                ))?;
                for (list, setting) in &person.named_in {
                    output::line(format_args!("still named in {list}: {setting}"))?;
                }
                output::line(
                    "archives, digests, the trace and mail in the queues are not touched",
                )?;
            }
        }
    }
    Ok(ExitCode::Ok)
}

fn known(store: &Store, address: &str) -> Result<Person, Failure> {
    let person = store.person(address)?;
    if person.is_unknown() {
        return Err(Failure::new(ExitCode::DataErr, format!("nothing is known about {address}")));
    }
    Ok(person)
}

fn show(store: &Store, person: &Person) -> Result<(), Failure> {
    for (list, member, topics) in &person.memberships {
        let digest = if member.digest { "digests" } else { "single posts" };
        let mut text = format!("{list}: {} since {}", member.address, on(member.joined_at));
        if !member.real_name.is_empty() {
            text.push_str(&format!(", called {}", member.real_name));
        }
        text.push_str(&format!("; {digest}, delivery {}", member.delivery.write()));
        let words = member.options.words();
        if !words.is_empty() {
            text.push_str(&format!("; {}", words.join(" ")));
        }
        if !topics.is_empty() {
            text.push_str(&format!("; topics {}", topics.join(", ")));
        }
        output::line(text)?;
    }
    for consent in &person.consents {
        output::line(format_args!(
            "{}: {} {}, {}",
            consent.list,
            consent.act,
            on(consent.at),
            consent.how
        ))?;
    }
    for pending in &person.pending {
        let list = list_name(store, pending.list_id)?;
        output::line(format_args!(
            "{list}: {} waits for its confirmation until {}",
            pending.request.kind(),
            on(pending.expires_at)
        ))?;
    }
    for held in &person.requests {
        let list = list_name(store, held.list_id)?;
        output::line(format_args!("{list}: request {}: {}", held.id, describe(&held.request)))?;
    }
    for held in &person.held {
        let list = list_name(store, held.post.list_id)?;
        output::line(format_args!("{list}: held post {}: {}", held.id, held.post.subject))?;
    }
    for event in &person.bounces {
        let list = list_name(store, event.list_id)?;
        output::line(format_args!(
            "{list}: refused {}: {} {}",
            on(event.at),
            event.code,
            event.text
        ))?;
    }
    for (list, setting) in &person.named_in {
        output::line(format_args!("{list}: named in {setting}"))?;
    }
    Ok(())
}

fn exported(store: &Store, address: &str, person: &Person) -> Result<serde_json::Value, Failure> {
    let mut pending = Vec::new();
    for waiting in &person.pending {
        pending.push(json!({
            "list": list_name(store, waiting.list_id)?, "request": waiting.request,
            "created_at": waiting.created_at, "expires_at": waiting.expires_at,
        }));
    }
    let mut requests = Vec::new();
    for held in &person.requests {
        requests.push(json!({
            "list": list_name(store, held.list_id)?, "id": held.id, "request": held.request,
            "how": held.how, "held_at": held.held_at,
        }));
    }
    let mut posts = Vec::new();
    for held in &person.held {
        posts.push(json!({
            "list": list_name(store, held.post.list_id)?, "id": held.id,
            "subject": held.post.subject, "reason": held.post.reason, "held_at": held.post.held_at,
        }));
    }
    let mut bounces = Vec::new();
    for event in &person.bounces {
        bounces.push(json!({
            "list": list_name(store, event.list_id)?, "code": event.code, "text": event.text,
            "at": event.at,
        }));
    }
    let memberships: Vec<serde_json::Value> = person
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
    let named_in: Vec<serde_json::Value> = person
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

fn list_name(store: &Store, id: i64) -> Result<String, Failure> {
    Ok(store.list_by_id(id)?.map_or_else(|| format!("list {id}"), |list| list.name))
}

fn on(seconds: f64) -> String {
    date::rfc5322(UNIX_EPOCH + Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Each address on its own: what is wrong with one stops no other.
pub fn invite(dir: &Path, args: &InviteArgs) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    let list = find_list(&store, &args.list)?;
    let spool = Spool::new(site.qfiles());
    let mut code = ExitCode::Ok;
    for text in &args.addresses {
        let mailbox = parse_list(text.as_bytes()).into_iter().next().unwrap_or_default();
        let wish = Wish {
            address: mailbox.address,
            real_name: mailbox.name,
            digest: args.digest.then_some(true),
            ..Wish::default()
        };
        let origin = Origin::owner("invited by an owner");
        let invited =
            membership::act(&site, &spool, &store, &list, origin, |r| r.invite(&wish, &args.text))?;
        match invited {
            Ok(()) => output::line(format_args!("invited {}", wish.address))?,
            Err(refusal) => {
                crate::output::note!("dormouse: not invited: {text}: {refusal}");
                code = ExitCode::DataErr;
            }
        }
    }
    Ok(code)
}
