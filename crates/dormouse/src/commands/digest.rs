//! `digest`: sending digests, and what waits for the next.

use super::{find_list, open};
use crate::cli::DigestCommand;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_clock::Timestamp;
use dormouse_runners::digest::{Press, take_out};
use dormouse_spool::Spool;
use dormouse_store::{List, Read, Site, Store, StoreError};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: DigestCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        DigestCommand::Send { lists, all, json } => {
            let lists: Box<dyn Iterator<Item = Result<List, StoreError>>> = match all {
                true => Box::new(store.read().iter_lists()),
                false => Box::new(named(&store, &lists)?.into_iter().map(Ok)),
            };
            send(&site, &store, lists, json)?;
        }
        DigestCommand::Bump { lists } => {
            let lists = named(&store, &lists)?;
            store.write(|tx| -> Result<(), StoreError> {
                lists.iter().try_for_each(|list| tx.bump_digest(list.id))
            })?;
            for list in &lists {
                let volume = store.read().digest_state(list.id)?.volume;
                output::line(format_args!("{}: volume {volume} begins", list.name))?;
            }
        }
        DigestCommand::Rm { list, message_id } => {
            let list = find_list(store.read(), &list)?;
            if take_out(&store, &list, &message_id)? == 0 {
                let text =
                    format!("no post with that Message-ID waits for a digest of {}", list.name);
                return Err(Failure::new(ExitCode::DataErr, text));
            }
            output::line(format_args!("{}: it was removed from the next digest", list.name))?;
        }
        DigestCommand::Ls { json } => ls(store.read(), json)?,
    }
    Ok(ExitCode::Ok)
}

fn named(store: &Store, names: &[String]) -> Result<Vec<List>, Failure> {
    names.iter().map(|name| find_list(store.read(), name)).collect()
}

fn send(
    site: &Site,
    store: &Store,
    lists: impl Iterator<Item = Result<List, StoreError>>,
    json: bool,
) -> Result<(), Failure> {
    let spool = Spool::new(site.qfiles());
    let (now, zone) = (Timestamp::now(), &TimeZone::system());
    let press = Press { site, spool: &spool, store, now, zone };
    let mut reports = Vec::new();
    for list in lists {
        reports.extend(press.send(&list?)?);
    }
    if json {
        return output::json(&reports);
    }
    if reports.is_empty() {
        return output::line("no posts wait for a digest");
    }
    for report in reports {
        let posts = output::count(report.posts as u64, "post", "posts");
        let mut text =
            format!("{}: volume {}, issue {}: {posts}", report.list, report.volume, report.issue);
        if report.left_out > 0 {
            text.push_str(&format!(
                ", {} of them left out, see `dormouse queue ls shunt`",
                report.left_out
            ));
        }
        output::line(text)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Row {
    list: String,
    /// The volume and number of the next issue, unless the calendar begins a new volume.
    volume: i64,
    issue: i64,
    posts: u64,
    bytes: u64,
    /// Seconds since the epoch; absent if none was ever sent.
    last_sent_at: Option<Timestamp>,
    periodic: bool,
}

fn ls(store: &Read, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for list in store.iter_lists() {
        let list = list?;
        if !list.settings.digestable {
            continue;
        }
        let state = store.digest_state(list.id)?;
        let (posts, bytes) = store.digest_size(list.id)?;
        rows.push(Row {
            list: list.name.into(),
            volume: state.volume,
            issue: state.next_number,
            posts,
            bytes,
            last_sent_at: (state.last_sent_at > Timestamp::EPOCH).then_some(state.last_sent_at),
            periodic: list.settings.digest_send_periodic,
        });
    }
    if json {
        return output::json(&rows);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["List", "Next", "Posts", "Size", "Last sent"]);
    for row in rows {
        let ago = row.last_sent_at.map(|at| format!("{} ago", output::span((now - at).max(0.0))));
        table.row([
            row.list,
            format!("vol {}, issue {}", row.volume, row.issue),
            row.posts.to_string(),
            output::size(row.bytes),
            ago.unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table.print()
}
