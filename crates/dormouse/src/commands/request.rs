//! `request`: deciding on requests to join or leave.

use super::{find_list, one_or_all, open};
use crate::cli::{RequestArgs, RequestCommand};
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_clock::Timestamp;
use dormouse_membership as membership;
use dormouse_membership::Origin;
use dormouse_membership::notices::Notices;
use dormouse_membership::requests::{RequestDecision, describe};
use dormouse_spool::Spool;
use dormouse_store::{HeldRequest, List, Read, RequestId, Site, Store};
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row {
    list: String,
    id: RequestId,
    kind: &'static str,
    address: String,
    request: String,
    how: String,
    held_at: Timestamp,
}

pub fn run(dir: &Path, command: RequestCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        RequestCommand::Ls { list, json } => ls(&store, list.as_deref(), json)?,
        RequestCommand::Approve { which } => {
            return decide(&site, &store, &which, &RequestDecision::Approve, "approved");
        }
        RequestCommand::Reject { which, reason } => {
            return decide(&site, &store, &which, &RequestDecision::Reject { reason }, "rejected");
        }
        RequestCommand::Discard { which } => {
            let decision = RequestDecision::Discard { ban: false };
            return decide(&site, &store, &which, &decision, "discarded");
        }
        RequestCommand::Ban { which } => {
            let decision = RequestDecision::Discard { ban: true };
            return decide(&site, &store, &which, &decision, "discarded and banned");
        }
        RequestCommand::Undo { list, id } => undo(&site, &store, &list, id)?,
        RequestCommand::Link { list, id } => {
            let list = find_list(store.read(), &list)?;
            let held = find(store.read(), &list, id)?;
            let secret = store.write(|tx| tx.secret(membership::SECRET))?;
            let url = Notices { list: &list, site: &site }.request_url(&held, &secret);
            output::line(super::held::page(url)?)?;
        }
    }
    Ok(ExitCode::Ok)
}

fn decide(
    site: &Site,
    store: &Store,
    which: &RequestArgs,
    decision: &RequestDecision,
    done: &str,
) -> Result<ExitCode, Failure> {
    let list = find_list(store.read(), &which.list)?;
    let requests = if which.all {
        store.read().held_requests(list.id)?
    } else {
        which.ids.iter().map(|id| find(store.read(), &list, *id)).collect::<Result<_, _>>()?
    };
    let spool = Spool::new(site.qfiles());
    let mut code = ExitCode::Ok;
    for held in requests {
        let origin = Origin::owner("decided on the server");
        let decided =
            membership::act(site, &spool, store, &list, origin, |r| r.decide(&held, decision))?;
        let said = match decided {
            Ok(true) => done,
            Ok(false) => "somebody else has decided on",
            Err(refusal) => {
                crate::output::note!("dormouse: {} {}: {refusal}", list.name, held.id);
                code = ExitCode::DataErr;
                continue;
            }
        };
        output::line(format_args!(
            "{said} {} {}: {}",
            list.name,
            held.id,
            describe(&held.request)
        ))?;
    }
    Ok(code)
}

fn undo(site: &Site, store: &Store, list: &str, id: RequestId) -> Result<(), Failure> {
    let list = find_list(store.read(), list)?;
    let spool = Spool::new(site.qfiles());
    let kept = membership::undo::undoable(&spool, store.read(), &list)?;
    let kept = kept.into_iter().find(|kept| kept.held.id == id);
    let origin = Origin::owner("undone on the server");
    let is_undone = match &kept {
        Some(kept) => membership::undo::undo(&spool, store, &list, kept, &origin)?,
        None => false,
    };
    match kept.filter(|_| is_undone) {
        Some(kept) => output::line(format_args!(
            "waiting again: {} {id}: {}",
            list.name,
            describe(&kept.held.request)
        )),
        None => Err(Failure::new(
            ExitCode::DataErr,
            format!(
                "{} {id}: nothing can be taken back: the decision is older than a minute, what it sent has \
                 left its queue, or the membership has changed since",
                list.name
            ),
        )),
    }
}

fn find(store: &Read, list: &List, id: RequestId) -> Result<HeldRequest, Failure> {
    let held = store.held_request(id)?.filter(|held| held.list_id == list.id);
    held.ok_or_else(|| {
        Failure::new(ExitCode::DataErr, format!("no request {id} waits for {}", list.name))
    })
}

fn ls(store: &Store, list: Option<&str>, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for list in one_or_all(store.read(), list)? {
        let list = list?;
        rows.extend(store.read().held_requests(list.id)?.into_iter().map(|held| Row {
            list: list.name.to_string(),
            id: held.id,
            kind: held.request.kind(),
            address: held.request.address().to_owned(),
            request: describe(&held.request).to_string(),
            how: held.how,
            held_at: held.held_at,
        }));
    }
    if json {
        return output::json(&rows);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["List", "No", "Age", "Request", "Asked for"]);
    for row in rows {
        let age = output::span((now - row.held_at).max(0.0));
        table.row([row.list, row.id.to_string(), age, row.request, row.how]);
    }
    table.print()
}
