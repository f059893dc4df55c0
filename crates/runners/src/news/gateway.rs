//! Posts articles of newsgroups to lists (Mailman's `cron/gate_news`, docs/spec/cli.md §3.1).

use super::connect;
use dormouse_delivery::NewsError;
use dormouse_mail::Message;
use dormouse_membership::RunError;
use dormouse_spool::{Metadata, Queue, Spool};
use dormouse_store::{List, Site, Store};
use serde::Serialize;

/// The counts of the gateway.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct GateTally {
    /// Newsgroups that were checked.
    pub groups: u64,
    /// Articles that became posts.
    pub gated: u64,
    /// Articles that had come from the list itself.
    pub own: u64,
    /// The errors. The articles concerned are tried again.
    pub errors: Vec<String>,
}

/// Checks the newsgroups of all lists that want their articles.
///
/// An article is enqueued before it is recorded: a process that dies in between posts it again.
///
/// # Errors
/// If the database or the spool fails. Errors of news servers are in the tally.
pub fn gate(site: &Site, store: &Store, spool: &Spool) -> Result<GateTally, RunError> {
    let mut tally = GateTally::default();
    for list in store.read().iter_lists() {
        let list = list?;
        if !list.gates_news() {
            continue;
        }
        tally.groups += 1;
        if let Err(problem) = one_group(site, store, spool, &list, &mut tally)? {
            tally.errors.push(format!("{}: {problem}", list.name));
        }
    }
    Ok(tally)
}

fn one_group(
    site: &Site,
    store: &Store,
    spool: &Spool,
    list: &List,
    tally: &mut GateTally,
) -> Result<Result<(), super::NewsProblem>, RunError> {
    let settings = &list.settings;
    let mut server = match connect(site, &settings.nntp_host) {
        Ok(server) => server,
        Err(problem) => return Ok(Err(problem)),
    };
    let group = match server.group(&settings.linked_newsgroup) {
        Ok(group) => group,
        Err(problem) => return Ok(Err(problem.into())),
    };
    let note = |article| store.write(|tx| tx.set_news_watermark(list.id, article));
    let Some(watermark) = store.read().news_watermark(list.id)? else {
        // Articles from before the gateway was turned on are not posted.
        note(group.last)?;
        server.quit();
        return Ok(Ok(()));
    };
    for number in group.first.max(watermark.saturating_add(1))..=group.last {
        let mut article = || -> Result<Option<Message>, NewsError> {
            let Some(mut bytes) = server.head(number)? else { return Ok(None) };
            let is_own = Message::parse_header_of(&bytes)
                .fields_named("X-BeenThere")
                .any(|field| field.text().trim().eq_ignore_ascii_case(&list.address()));
            if is_own {
                tally.own += 1;
                return Ok(None);
            }
            let Some(body) = server.body(number)? else { return Ok(None) };
            bytes.push(b'\n');
            bytes.extend_from_slice(&body);
            Ok(Some(Message::parse(bytes)))
        };
        match article() {
            Ok(Some(message)) => {
                enqueue(spool, list, message)?;
                tally.gated += 1;
            }
            Ok(None) => {}
            Err(problem) => return Ok(Err(problem.into())),
        }
        note(number)?;
    }
    server.quit();
    Ok(Ok(()))
}

fn enqueue(spool: &Spool, list: &List, mut message: Message) -> Result<(), RunError> {
    let addressed: Vec<Vec<u8>> =
        message.fields_named("To").map(|field| field.value().to_vec()).collect();
    message.remove("To");
    addressed.iter().for_each(|value| message.append_raw("X-Originally-To", value));
    message.set("To", &list.address());
    let mut metadata = Metadata::new();
    metadata.edit().listname(&list.name);
    metadata.edit().from_usenet(true);
    metadata.edit().envelope_sender(&list.sub_address("bounces"));
    spool.enqueue(Queue::In, &message.to_bytes(), &metadata)?;
    Ok(())
}
