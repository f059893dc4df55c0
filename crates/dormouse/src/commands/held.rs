//! `held`: posts that wait for a moderator.

use super::{find_list, one_or_all, open};
use crate::cli::{HeldArgs, HeldCommand, HeldFilter};
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_clock::Timestamp;
use dormouse_membership::moderation::desk::{ModerationDesk, PostDecision, Taken};
use dormouse_membership::notices::Notices;
use dormouse_spool::Spool;
use dormouse_store::{Held, HeldId, List};
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row {
    list: String,
    id: HeldId,
    sender: String,
    subject: String,
    reason: String,
    setting: String,
    held_at: Timestamp,
}

pub fn run(dir: &Path, command: HeldCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    let spool = Spool::new(site.qfiles());
    let desk = ModerationDesk { site: &site, spool: &spool, store: &store };
    match command {
        HeldCommand::Ls { list, filter, json } => ls(&desk, list.as_deref(), &filter, json)?,
        HeldCommand::Show { list, id } => {
            let (_, held) = find(&desk, &list, id)?;
            output::bytes(&desk.entry(&held)?.message)?;
        }
        HeldCommand::Approve { which, remember } => {
            return decide(&desk, &which, &PostDecision::Approve { remember }, "approved");
        }
        HeldCommand::Reject { which, reason } => {
            return decide(&desk, &which, &PostDecision::Reject { reason }, "rejected");
        }
        HeldCommand::Discard { which } => {
            return decide(&desk, &which, &PostDecision::Discard { ban: false }, "discarded");
        }
        HeldCommand::Ban { which } => {
            let decision = PostDecision::Discard { ban: true };
            return decide(&desk, &which, &decision, "discarded and banned");
        }
        HeldCommand::Forward { which, to } => {
            let (list, posts) = chosen(&desk, &which)?;
            for held in &posts {
                desk.forward(&list, held, &to)?;
                say("forwarded", &list, held)?;
            }
        }
        HeldCommand::Undo { list, id } => undo(&desk, &list, id)?,
        HeldCommand::Link { list, id } => {
            let (list, held) = find(&desk, &list, id)?;
            let notices = Notices { list: &list, site: &site };
            output::line(page(notices.review_url(&held, &desk.secret()?))?)?;
        }
    }
    Ok(ExitCode::Ok)
}

/// Returns a link to a page, if the site has pages.
pub(super) fn page(url: Option<String>) -> Result<String, Failure> {
    const MEND: &str = "this site has no pages: `dormouse config set web.listen HOST:PORT` and \
                        `dormouse units install` enable them";
    url.ok_or_else(|| Failure::new(ExitCode::Config, MEND))
}

fn decide(
    desk: &ModerationDesk<'_>,
    which: &HeldArgs,
    decision: &PostDecision,
    done: &str,
) -> Result<ExitCode, Failure> {
    let (list, posts) = chosen(desk, which)?;
    let mut code = ExitCode::Ok;
    for held in &posts {
        match desk.decide(&list, held, decision)? {
            Taken::Done => say(done, &list, held)?,
            Taken::NotRemembered => {
                say("decided this once on", &list, held)?;
                crate::output::note!(
                    "dormouse: {} {}: the sender is neither trusted nor banned: {:?} is not an address",
                    list.name,
                    held.id,
                    held.post.sender
                );
                code = ExitCode::DataErr;
            }
            Taken::TooLate => {
                anstream::eprintln!(
                    "dormouse: {} {}: not {done}: somebody else has already decided on it; `dormouse trace {}` \
                     shows the outcome",
                    list.name,
                    held.id,
                    held.post.entry
                );
                code = ExitCode::DataErr;
            }
        }
    }
    Ok(code)
}

fn undo(desk: &ModerationDesk<'_>, list: &str, id: HeldId) -> Result<(), Failure> {
    let list = find_list(desk.store.read(), list)?;
    let kept = desk.undoable(&list)?.into_iter().find(|kept| kept.held.id == id);
    let is_undone = match &kept {
        Some(kept) => desk.undo(&list, kept)?,
        None => false,
    };
    match kept.filter(|_| is_undone) {
        Some(kept) => say("waiting again:", &list, &kept.held),
        None => Err(Failure::new(
            ExitCode::DataErr,
            format!(
                "{} {id}: nothing can be taken back: the decision is older than a minute, or what it sent \
                 has left its queue",
                list.name
            ),
        )),
    }
}

fn say(done: &str, list: &List, held: &Held) -> Result<(), Failure> {
    let Held { id, post } = held;
    output::line(format_args!("{done} {} {id}: {} from {}", list.name, post.subject, post.sender))
}

/// Returns the posts selected by the arguments.
fn chosen(desk: &ModerationDesk<'_>, which: &HeldArgs) -> Result<(List, Vec<Held>), Failure> {
    let list = find_list(desk.store.read(), &which.list)?;
    let filtered = which.filter.older_than.is_some() || which.filter.sender.is_some();
    if which.ids.is_empty() && !which.all && !filtered {
        return Err(Failure::usage(
            "which posts? Give their numbers, --all, --older-than or --sender",
        ));
    }
    let mut posts = Vec::new();
    if which.ids.is_empty() {
        posts = desk.store.read().held_posts(list.id)?;
    }
    for &id in &which.ids {
        posts.push(find(desk, &which.list, id)?.1);
    }
    posts.retain(|held| matches(&which.filter, held));
    if posts.is_empty() {
        crate::output::note!("dormouse: no matching post is held for {}", list.name);
    }
    Ok((list, posts))
}

fn matches(filter: &HeldFilter, held: &Held) -> bool {
    let age = Timestamp::now() - held.post.held_at;
    filter.older_than.is_none_or(|span| age > span.seconds_f64())
        && filter
            .sender
            .as_ref()
            .is_none_or(|sender| sender.eq_ignore_ascii_case(&held.post.sender))
}

fn find(desk: &ModerationDesk<'_>, list: &str, id: HeldId) -> Result<(List, Held), Failure> {
    let list = find_list(desk.store.read(), list)?;
    let held = desk.store.read().held(id)?.filter(|held| held.post.list_id == list.id);
    match held {
        Some(held) => Ok((list, held)),
        None => {
            Err(Failure::new(ExitCode::DataErr, format!("no post {id} is held for {}", list.name)))
        }
    }
}

fn ls(
    desk: &ModerationDesk<'_>,
    list: Option<&str>,
    filter: &HeldFilter,
    json: bool,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for list in one_or_all(desk.store.read(), list)? {
        let list = list?;
        let posts = desk.store.read().held_posts(list.id)?;
        rows.extend(posts.into_iter().filter(|held| matches(filter, held)).map(|held| Row {
            list: list.name.to_string(),
            id: held.id,
            sender: held.post.sender,
            subject: held.post.subject,
            reason: held.post.reason,
            setting: held.post.setting,
            held_at: held.post.held_at,
        }));
    }
    if json {
        return output::json(&rows);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["List", "No", "Age", "From", "Subject", "Reason"]);
    for row in rows {
        let age = output::span((now - row.held_at).max(0.0));
        table.row([row.list, row.id.to_string(), age, row.sender, row.subject, row.reason]);
    }
    table.print()
}
