//! `held`: posts that wait for a moderator.

use super::{find_list, open};
use crate::cli::HeldCommand;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_runners::held;
use dormouse_spool::Spool;
use dormouse_store::{Held, Store};
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row {
    list: String,
    id: i64,
    sender: String,
    subject: String,
    reason: String,
    held_at: f64,
}

pub fn run(dir: &Path, command: HeldCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        HeldCommand::Ls { list, json } => ls(&store, list.as_deref(), json)?,
        HeldCommand::Show { list, id } => {
            let found = find(&store, &list, id)?;
            output::line(format_args!("# held: {}", found.post.reason))?;
            output::bytes(&held::entry(&found.post)?.message)?;
        }
        HeldCommand::Approve { list, ids } => {
            let spool = Spool::new(site.qfiles());
            for id in ids {
                let found = find(&store, &list, id)?;
                held::approve(&spool, &store, found.id, &found.post)?;
                output::line(format_args!("approved {list} {id}: {}", found.post.subject))?;
            }
        }
        HeldCommand::Discard { list, ids } => {
            for id in ids {
                let found = find(&store, &list, id)?;
                store.write(|tx| tx.release_held(found.id))?;
                output::line(format_args!("discarded {list} {id}: {}", found.post.subject))?;
            }
        }
    }
    Ok(ExitCode::Ok)
}

fn find(store: &Store, list: &str, id: i64) -> Result<Held, Failure> {
    let list = find_list(store, list)?;
    store.held(id)?.filter(|held| held.post.list_id == list.id).ok_or_else(|| {
        Failure::new(ExitCode::DataErr, format!("no post {id} is held for {}", list.name))
    })
}

fn ls(store: &Store, list: Option<&str>, json: bool) -> Result<(), Failure> {
    let lists = match list {
        Some(name) => vec![find_list(store, name)?],
        None => store.lists()?,
    };
    let mut rows = Vec::new();
    for list in lists {
        rows.extend(store.held_posts(list.id)?.into_iter().map(|held| Row {
            list: list.name.clone(),
            id: held.id,
            sender: held.post.sender,
            subject: held.post.subject,
            reason: held.post.reason,
            held_at: held.post.held_at,
        }));
    }
    if json {
        return output::json(&rows);
    }
    let now = dormouse_spool::name::now();
    let mut table = Table::new(&["List", "No", "Age", "From", "Subject", "Reason"]);
    for row in rows {
        let age = output::span((now - row.held_at).max(0.0));
        table.row([row.list, row.id.to_string(), age, row.sender, row.subject, row.reason]);
    }
    table.print()
}
