//! `archive`: the lists' archives.

use super::{find_list, one_or_all, open};
use crate::cli::archive::{ArchiveCommand, SearchArgs};
use crate::failure::Failure;
use crate::output::{self, DIM, HEAD, Table, styled};
use dormouse_archive::{
    Archive, ArchiveError, ArchivePlace, Progress, Redaction, RemovedMessages, mbox, search, source,
};
use dormouse_runners::digest::take_out;
use dormouse_store::archive_index::ArchiveIndex;
use dormouse_store::{List, Read, Site, Store};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: ArchiveCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        ArchiveCommand::Ls { json } => ls(&site, store.read(), json)?,
        ArchiveCommand::Search(args) => find(&site, &store, args)?,
        ArchiveCommand::Rebuild { list } => {
            for list in one_or_all(store.read(), list.as_deref())? {
                let list = list?;
                rebuild(&site, &list)?;
            }
        }
        ArchiveCommand::Import { list, file } => {
            let list = find_list(store.read(), &list)?;
            let bar = Bar::new(&list.name);
            let reader = mbox::Reader::new(file.reader()?, file.path(), 0)?;
            let every = 0..=u64::MAX;
            let imported =
                Archive::open(&site, &list)?
                    .import(reader, file.size(), every, &mut |now| bar.show(now))?;
            bar.end();
            output::line(format_args!(
                "{}: {} added, {} already there",
                list.name,
                output::count(imported.added, "message", "messages"),
                imported.known
            ))?;
        }
        ArchiveCommand::Export { list } => {
            let list = find_list(store.read(), &list)?;
            mbox::copy(&ArchivePlace::of(&site, &list.name).mbox(), &mut std::io::stdout().lock())?;
        }
        ArchiveCommand::Show { list, message_id } => {
            let kept = source::kept(&site, &find_list(store.read(), &list)?, &message_id)?;
            output::bytes(&kept)?;
        }
        ArchiveCommand::Redact { list, message_id, words } => {
            redact(&site, &find_list(store.read(), &list)?, &message_id, &words)?;
        }
        ArchiveCommand::Rm { list, message_id } => {
            let list = find_list(store.read(), &list)?;
            let waiting = take_out(&store, &list, &message_id)?;
            let removed = match Archive::open(&site, &list)?.remove(&message_id) {
                Err(ArchiveError::NoSuchMessage { .. }) if waiting > 0 => {
                    RemovedMessages::default()
                }
                removed => removed?,
            };
            let messages = output::count(removed.messages as u64, "message", "messages");
            output::line(format_args!("{}: {messages} removed", list.name))?;
            if removed.files > 0 {
                output::line(format_args!("{}: its attachments were removed, too", list.name))?;
            }
            if waiting > 0 {
                output::line(format_args!("{}: it was removed from the next digest", list.name))?;
            }
        }
    }
    Ok(ExitCode::Ok)
}

fn redact(site: &Site, list: &List, message_id: &str, words: &[String]) -> Result<(), Failure> {
    let id = message_id.trim().trim_start_matches('<').trim_end_matches('>');
    let index = ArchiveIndex::open_read_only(&ArchivePlace::of(site, &list.name).index())?;
    let found = index.map(|index| index.messages_with_id(id)).transpose()?.unwrap_or_default();
    let mut archive = Archive::open(site, list)?;
    let mut masked = 0;
    for message in found.iter().filter(|message| !message.removed) {
        match archive.redact(message.number, words)? {
            Redaction::Done => masked += 1,
            Redaction::NoMessage | Redaction::Nowhere => {}
            Redaction::Impossible => {
                return Err(Failure::new(
                    ExitCode::DataErr,
                    format!(
                        "nothing was masked: the words also stand where they cannot be, such as the subject \
                         or between marks of HTML; `dormouse archive rm {} {id}` removes the message",
                        list.name
                    ),
                ));
            }
        }
    }
    if masked == 0 {
        let text = format!("no message {id} in the archive of {} has these words", list.name);
        return Err(Failure::new(ExitCode::DataErr, text));
    }
    let messages = output::count(masked, "message", "messages");
    output::line(format_args!("{}: masked in {messages}", list.name))
}

fn rebuild(site: &Site, list: &List) -> Result<(), Failure> {
    if !ArchivePlace::of(site, &list.name).mbox().exists() {
        return Ok(());
    }
    let bar = Bar::new(&list.name);
    let rebuilt = Archive::open(site, list)?.rebuild(&mut |now| bar.show(now))?;
    bar.end();
    let messages =
        output::count(u64::try_from(rebuilt.messages).unwrap_or(0), "message", "messages");
    output::line(format_args!("{}: {messages}", list.name))?;
    if rebuilt.without_message > 0 {
        output::line(format_args!(
            "{}: {} pages have no message in the mbox; they stay unchanged",
            list.name, rebuilt.without_message
        ))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Row {
    list: String,
    messages: i64,
    volumes: usize,
    mbox_bytes: u64,
    private: bool,
    url: String,
}

fn ls(site: &Site, store: &Read, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for list in store.iter_lists() {
        let list = list?;
        let place = ArchivePlace::of(site, &list.name);
        let Some(index) = ArchiveIndex::open_read_only(&place.index())? else { continue };
        rows.push(Row {
            messages: index.counts()?.0,
            volumes: index.volumes()?.len(),
            mbox_bytes: std::fs::metadata(place.mbox()).map_or(0, |found| found.len()),
            private: list.settings.archive_private,
            url: list.archive_url(site.config()),
            list: list.name.into(),
        });
    }
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["List", "Messages", "Volumes", "Size", "For", "Address"]);
    for row in rows {
        let readers = if row.private { "members" } else { "everybody" };
        table.row([
            row.list,
            row.messages.to_string(),
            row.volumes.to_string(),
            output::size(row.mbox_bytes),
            readers.to_owned(),
            row.url,
        ]);
    }
    table.print()
}

fn find(site: &Site, store: &Store, args: SearchArgs) -> Result<(), Failure> {
    let (lists, words): (_, Vec<String>) = if args.all {
        // Without a list, the first word is in the list's place.
        (store.read().lists()?, args.list.into_iter().chain(args.query).collect())
    } else {
        let name = args.list.unwrap_or_default();
        (vec![find_list(store.read(), &name)?], args.query)
    };
    let query = match words.as_slice() {
        [query] => query.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    // One more than the limit shows whether there are more.
    let mut found = search::search(site, &lists, &query, args.limit.saturating_add(1))?;
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let are_more = found.len() > most;
    found.truncate(most);
    if args.json {
        return output::json(&found);
    }
    for hit in &found {
        let (date, _) = hit.date.split_once('T').unwrap_or((&hit.date, ""));
        output::line(format_args!("{}  {}", styled(HEAD, &hit.subject), hit.author))?;
        let place = format!("{date}  {}  {}", hit.list, hit.url);
        output::line(format_args!("  {}", styled(DIM, place)))?;
        if !hit.excerpt.is_empty() {
            output::line(format_args!("  {}", hit.excerpt))?;
        }
    }
    if found.is_empty() {
        output::line("nothing found")?;
    }
    if are_more {
        let text = format!("there are more than these {most}: use --limit NUMBER, or more words");
        output::line(styled(DIM, text))?;
    }
    Ok(())
}

/// Quotes one of several arguments if it contains blanks: the shell has removed the quotes of a
/// phrase.
fn quoted(word: &str) -> String {
    if !word.contains(char::is_whitespace) || word.contains('"') {
        return word.to_owned();
    }
    match word.split_once(':') {
        Some((field @ ("from" | "subject"), text)) => format!("{field}:\"{text}\""),
        _ => format!("\"{word}\""),
    }
}

/// A progress bar; only on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(name: &str) -> Bar {
        let bar = ProgressBar::new(0);
        let style = "{prefix} {bar:30} {percent}% {msg} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Bar(bar)
    }

    fn show(&self, now: Progress) {
        self.0.set_length(now.total);
        self.0.set_position(now.done);
        self.0.set_message(output::count(now.messages, "message", "messages"));
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
