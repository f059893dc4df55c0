//! The news runner: posts entries of `news` to newsgroups (docs/spec/queue.md §7).
//!
//! An article's Message-ID is derived from its entry, and a server that already has it counts as
//! having accepted it, so an entry whose process died is posted once. `gateway`: the other
//! direction.

mod article;
mod gateway;

pub use gateway::{GateTally, gate};

use crate::queue::{QueueDesk, Runner, TakenEntry, guarded, no_such_list};
use crate::{mta, retry};
use dormouse_delivery::{Content, News, NewsError};
use dormouse_mail::Message;
use dormouse_membership::RunError;
use dormouse_spool::{Entry, Queue};
use dormouse_store::{List, Site, StoreError};
use dormouse_trace::{EntryPlace, Event, Step};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a server is not tried again after it could not be reached.
const DOWN_FOR: Duration = Duration::from_secs(10);

/// Posts entries to newsgroups.
#[derive(Default)]
pub(crate) struct NewsRunner {
    /// Open connections, or when and why connecting failed.
    servers: HashMap<String, Result<News, (Instant, String)>>,
}

/// Why an article was not posted.
enum Trouble {
    /// It is tried again.
    Later(String),
    /// It is not tried again: another time it would fail, too.
    Never(String),
}

impl Runner for NewsRunner {
    fn work(&mut self, desk: &mut QueueDesk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        taken.into_iter().try_for_each(|one| self.entry(desk, one))
    }

    fn end(&mut self) {
        for (_, server) in self.servers.drain() {
            if let Ok(server) = server {
                server.quit();
            }
        }
    }
}

impl NewsRunner {
    fn entry(&mut self, desk: &mut QueueDesk<'_>, taken: TakenEntry) -> Result<(), RunError> {
        let TakenEntry { claim, entry, list: listname } = taken;
        let Some(list) = desk.store()?.read().list(&listname)? else {
            return desk.set_aside(claim, entry, &no_such_list(&listname));
        };
        let settings = &list.settings;
        if settings.nntp_host.is_empty() || settings.linked_newsgroup.is_empty() {
            let reason = format!("{listname} has no linked_newsgroup and nntp_host");
            return desk.set_aside(claim, entry, &reason);
        }
        let (site, name) = (desk.shared.site, claim.name().clone());
        let message = match guarded(|| article::prepare(site, &list, &name, &entry)) {
            Ok(message) => message,
            Err(fault) => return desk.set_aside(claim, entry, &fault),
        };
        match self.post(site, &list, &message) {
            Ok(()) => {
                let mut event = Event::new(Step::Accepted, &name).of_message(&list.name, &message);
                event.text = format!("by {} for {}", settings.nntp_host, settings.linked_newsgroup);
                event.count = 1;
                desk.trace.add(&event);
                claim.finish()?;
                desk.tally.count(Step::Accepted);
                Ok(desk.shared.spool.sync(Queue::News)?)
            }
            Err(Trouble::Never(reason)) => desk.set_aside(claim, entry, &reason),
            Err(Trouble::Later(reason)) => {
                try_later(desk, TakenEntry { claim, entry, list: listname }, &reason)
            }
        }
    }

    fn post(&mut self, site: &Site, list: &List, message: &Message) -> Result<(), Trouble> {
        let host = &list.settings.nntp_host;
        let known = self.servers.get(host);
        let is_down = matches!(known, Some(Err((since, _))) if since.elapsed() < DOWN_FOR);
        if !is_down && !matches!(known, Some(Ok(_))) {
            let server = connect(site, host).map_err(|error| (Instant::now(), error.to_string()));
            self.servers.insert(host.clone(), server);
        }
        let server = match self.servers.get_mut(host) {
            Some(Ok(server)) => server,
            Some(Err((_, reason))) => return Err(Trouble::Later(reason.clone())),
            None => return Err(Trouble::Later("there is no connection".to_owned())),
        };
        let id = message.text("Message-ID").unwrap_or_default();
        server.post(&Content::new(&message.to_bytes()), &id).map_err(|error| {
            let reason = error.to_string();
            if matches!(error, NewsError::Connection { .. }) {
                self.servers.insert(host.clone(), Err((Instant::now(), reason.clone())));
            }
            if error.is_temporary() { Trouble::Later(reason) } else { Trouble::Never(reason) }
        })
    }
}

/// Moves an entry to `retry`, for longer each time, until `delivery.retry_period` is over.
fn try_later(desk: &mut QueueDesk<'_>, taken: TakenEntry, reason: &str) -> Result<(), RunError> {
    let TakenEntry { claim, entry, .. } = taken;
    let config = desk.shared.site.config();
    let spare = Entry::new(entry.message.clone(), entry.metadata.clone());
    let entry = match retry::postponed(config, Queue::News, spare, reason) {
        Ok(entry) => entry,
        Err(reason) => return desk.set_aside(claim, entry, &reason),
    };
    tracing::warn!("news/{}: {reason}; it is tried again", claim.name());
    // The name stays the same, because the Message-ID is derived from it.
    let name = claim.name().clone();
    let mut event = Event::new(Step::Postponed, &name);
    event.text = reason.to_owned();
    event.outputs.push(EntryPlace::new(Queue::Retry, &name));
    desk.trace.add(&event);
    let mut batch = desk.shared.spool.batch();
    batch.enqueue(Queue::Retry, &name, &entry)?;
    batch.finish(claim);
    batch.commit()?;
    desk.tally.count(Step::Postponed);
    Ok(())
}

/// Connects with the site's account.
fn connect(site: &Site, host: &str) -> Result<News, NewsProblem> {
    let config = site.config();
    let credentials = mta::credentials(site, &config.news_user, &config.news_password_file)?;
    // A reply may take longer than a connection, but not indefinitely.
    let patience = config.delivery_timeout.duration().max(Duration::from_secs(1));
    Ok(News::connect(host, credentials, patience)?)
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewsProblem {
    #[error(transparent)]
    Server(#[from] NewsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
