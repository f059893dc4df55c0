//! `member bounces`, `member rates` and `cron disabled`: bounces and their consequences.

use super::find_list;
use crate::cli::bounces::DisabledArgs;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_runners::bounces::jobs::{self, DisabledMembers};
use dormouse_spool::Spool;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{List, Read, Site, SlowDomain, Store};
use serde::Serialize;

#[derive(Serialize)]
struct MemberRow {
    address: String,
    score: f64,
    last_bounce: String,
    delivery: String,
    reminders_left: i64,
    last_reminder: String,
}

#[derive(Serialize)]
struct EventRow {
    address: String,
    kind: String,
    status: String,
    code: i64,
    text: String,
    source: String,
    outcome: String,
    at: Timestamp,
}

#[derive(Serialize)]
struct Rows {
    members: Vec<MemberRow>,
    bounces: Vec<EventRow>,
}

/// Prints bounces by receiving domain, as numbers of addresses and as shares of the members there,
/// and the domains that defer mail.
pub fn rates(store: &Read, list: Option<&List>, days: u32, json: bool) -> Result<(), Failure> {
    let since = Timestamp::now() - f64::from(days) * 86_400.0;
    let rows = store.returns_by_domain(list.map(|list| list.id), since)?;
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(&[
        "Domain",
        "Members",
        "Permanent",
        "Temporary",
        "Refused",
        "Complaints",
        "Puts off",
    ]);
    let now = Timestamp::now();
    for row in &rows {
        table.row([
            row.domain.clone(),
            row.members.to_string(),
            row.share(row.permanent),
            row.share(row.temporary),
            row.share(row.refused),
            row.share(row.complaints),
            row.slow.as_ref().map_or_else(
                || "-".to_owned(),
                |slow| format!("since {}", output::span((now - slow.since).max(0.0))),
            ),
        ]);
    }
    table.print()
}

/// Describes a domain that defers mail, and until when it is left alone.
pub fn slow_domain(slow: &SlowDomain) -> String {
    let now = Timestamp::now();
    let since = output::span((now - slow.since).max(0.0));
    let next = match slow.next_at - now {
        left if left <= 0.0 => "now".to_owned(),
        left => format!("in {}", output::span(left)),
    };
    let meanwhile = if slow.is_held { ", and nothing is sent there until then" } else { "" };
    let times = output::count(slow.failures.into(), "time", "times");
    format!(
        "{} has deferred mail for {since} ({times} in a row): {}; it is tried again {next}{meanwhile}",
        slow.domain, slow.reply
    )
}

/// Prints the members with bounces or without delivery, and every stored bounce.
pub fn show(store: &Store, list: &List, json: bool) -> Result<(), Failure> {
    let rows = Rows { members: members(store.read(), list)?, bounces: events(store.read(), list)? };
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["Member", "Score", "Last", "Delivery", "Reminders left"]);
    for row in &rows.members {
        table.row([
            row.address.clone(),
            row.score.to_string(),
            row.last_bounce.clone(),
            row.delivery.clone(),
            row.reminders_left.to_string(),
        ]);
    }
    table.print()?;
    let now = Timestamp::now();
    let mut table = Table::new(&["Address", "Ago", "Kind", "Result", "Reason"]);
    for row in &rows.bounces {
        let ago = output::span((now - row.at).max(0.0));
        let reason = if row.text.contains(&row.status) {
            row.text.clone()
        } else {
            format!("{} {}", row.status, row.text)
        };
        table.row([row.address.clone(), ago, row.kind.clone(), row.outcome.clone(), reason]);
    }
    output::line("")?;
    table.print()
}

fn members(store: &Read, list: &List) -> Result<Vec<MemberRow>, Failure> {
    let mut rows = Vec::new();
    for key in store.bouncing_members(list.id)? {
        let Some(member) = store.member(list.id, &key)? else { continue };
        let state = store.bounce_state(list.id, &key)?.unwrap_or_default();
        rows.push(MemberRow {
            address: member.address,
            score: state.score,
            last_bounce: state.date,
            delivery: member.delivery.write(),
            reminders_left: state.notices_left,
            last_reminder: state.last_notice,
        });
    }
    Ok(rows)
}

fn events(store: &Read, list: &List) -> Result<Vec<EventRow>, Failure> {
    let row = |event: dormouse_store::BounceEvent| EventRow {
        address: event.address,
        kind: event.kind.write(),
        status: event.status,
        code: event.code,
        text: event.text,
        source: event.source.write(),
        outcome: event.outcome.write(),
        at: event.at,
    };
    Ok(store.bounce_events(list.id)?.into_iter().map(row).collect())
}

/// Reminds or removes members whose delivery is off.
pub fn disabled(site: &Site, store: &Store, args: &DisabledArgs) -> Result<(), Failure> {
    let lists: Box<dyn Iterator<Item = Result<List, RunError>>> = if args.lists.is_empty() {
        Box::new(store.read().iter_lists().map(|list| Ok(list?)))
    } else {
        let named = args.lists.iter().map(|name| find_list(store.read(), name));
        Box::new(named.collect::<Result<Vec<_>, _>>()?.into_iter().map(Ok))
    };
    let which = DisabledMembers { reasons: args.reasons(), force: args.force };
    let spool = Spool::new(site.qfiles());
    let tally = jobs::disabled(site, &spool, store, lists, &which)?;
    if args.json {
        return output::json(&tally);
    }
    output::line(format_args!(
        "{} reminded, {} removed, {} turned off, {} with old bounces forgotten",
        output::count(tally.warned, "member", "members"),
        tally.removed,
        tally.disabled,
        tally.forgotten
    ))
}
