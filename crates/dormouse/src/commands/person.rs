//! `person`: what is stored about an address. `invite`: inviting addresses to a list.

use super::naming::{self, Files};
use super::{find_list, open};
use crate::cli::{InviteArgs, PersonCommand};
use crate::failure::Failure;
use crate::output;
use dormouse_clock::Timestamp;
use dormouse_mail::address::parse_list;
use dormouse_mail::date;
use dormouse_membership as membership;
use dormouse_membership::Origin;
use dormouse_membership::join::Wish;
use dormouse_membership::requests::describe;
use dormouse_runners::person::{self, Erasure};
use dormouse_spool::Spool;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{ListId, PersonData, Read, Site, Store};
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: PersonCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        PersonCommand::Show { address, json } => {
            let person = known(store.read(), &address)?;
            if json {
                output::json(&person::exported(&store, &address, &person)?)?;
            } else {
                show(&store, &person)?;
            }
        }
        PersonCommand::Export { address } => {
            let person = known(store.read(), &address)?;
            output::json(&person::exported(&store, &address, &person)?)?;
        }
        PersonCommand::Erase { address, posts, dry_run, json } => {
            erase(&site, &store, &address, posts, dry_run, json)?;
        }
    }
    Ok(ExitCode::Ok)
}

/// What was erased, and what is left for the administrator to decide.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    erasure: Erasure,
    /// Files that contain it.
    files: Vec<String>,
    /// Files that may contain it, because they cannot be looked into.
    unread: Vec<String>,
}

fn erase(
    site: &Site,
    store: &Store,
    address: &str,
    with_posts: bool,
    dry_run: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let key = address.trim().to_lowercase();
    let erasure = person::erase(site, store, &key, None, with_posts, dry_run)?;
    let Files { naming: files, unread } =
        if dry_run { Files::default() } else { naming::files(site, &key) };
    if erasure.is_nothing() && files.is_empty() {
        note_unread(&unread);
        return Err(Failure::new(ExitCode::DataErr, format!("nothing is known about {address}")));
    }
    let report = Report { erasure, files, unread };
    if as_json { output::json(&report) } else { report.print(&key, dry_run) }
}

impl Report {
    fn print(&self, address: &str, dry_run: bool) -> Result<(), Failure> {
        let Erasure { erased, posts, posts_stay, settings } = &self.erasure;
        output::line(format_args!(
            "{} {}, {}, {}, {}, {}, {} and {}",
            if dry_run { "would erase" } else { "erased" },
            output::count(erased.memberships as u64, "membership", "memberships"),
            output::count(erased.requests as u64, "request", "requests"),
            output::count(erased.held as u64, "held post", "held posts"),
            output::count(erased.digests as u64, "post for a digest", "posts for a digest"),
            output::count(erased.consents as u64, "act of consent", "acts of consent"),
            output::count(erased.traces as u64, "trace", "traces"),
            output::count(*posts as u64, "archived post", "archived posts"),
        ))?;
        for (list, setting) in settings {
            output::line(format_args!("still named in {list}: {setting}"))?;
        }
        for (list, count) in posts_stay {
            let posts = output::count(*count as u64, "post", "posts");
            output::line(format_args!(
                "still in the archive of {list}: {posts}; `dormouse person erase {address} --posts` removes \
                 them, `dormouse archive rm {list} MESSAGE-ID` one of them"
            ))?;
        }
        for file in &self.files {
            output::line(format_args!("still named in the file {file}"))?;
        }
        note_unread(&self.unread);
        Ok(())
    }
}

/// The maximum number of files to print; JSON has all.
const MOST_UNREAD: usize = 20;

fn note_unread(files: &[String]) {
    for file in files.iter().take(MOST_UNREAD) {
        output::note!("not searched, because of its compression or encryption: {file}");
    }
    if files.len() > MOST_UNREAD {
        let more = files.len() - MOST_UNREAD;
        output::note!("not searched: {more} more such files; --json names them");
    }
}

fn known(store: &Read, address: &str) -> Result<PersonData, Failure> {
    let person = store.person(address)?;
    if person.is_unknown() {
        return Err(Failure::new(ExitCode::DataErr, format!("nothing is known about {address}")));
    }
    Ok(person)
}

fn show(store: &Store, person: &PersonData) -> Result<(), Failure> {
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
        let list = list_name(store.read(), pending.list_id)?;
        output::line(format_args!(
            "{list}: {} waits for its confirmation until {}",
            pending.request.kind(),
            on(pending.expires_at)
        ))?;
    }
    for held in &person.requests {
        let list = list_name(store.read(), held.list_id)?;
        output::line(format_args!("{list}: request {}: {}", held.id, describe(&held.request)))?;
    }
    for held in &person.held {
        let list = list_name(store.read(), held.post.list_id)?;
        output::line(format_args!("{list}: held post {}: {}", held.id, held.post.subject))?;
    }
    for event in &person.bounces {
        let list = list_name(store.read(), event.list_id)?;
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

fn list_name(store: &Read, id: ListId) -> Result<String, Failure> {
    Ok(store.list_by_id(id)?.map_or_else(|| format!("list {id}"), |list| list.name.into()))
}

fn on(seconds: Timestamp) -> String {
    date::rfc5322(seconds)
}

/// Invites each address separately: a problem with one does not stop the others.
pub fn invite(dir: &Path, args: &InviteArgs) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    let list = find_list(store.read(), &args.list)?;
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
