//! The news runner: entries of `news` are posted to newsgroups (spec/queue.md §7).
//!
//! An article's Message-ID is derived from its entry, and a server that has it already has taken it:
//! so an entry whose process died is posted once. `gateway` is the way back.

mod article;
mod gateway;

pub use gateway::{Tally as GateTally, gate};

use crate::retry::BACK_TO;
use crate::trace::{Event, Place, Step, Trace};
use crate::{RunError, Shared, mta, shunt, work};
use dormouse_delivery::{Content, News, NewsError};
use dormouse_mail::Message;
use dormouse_spool::{Claim, Entry, EntryName, Queue, clock};
use dormouse_store::{List, Site, Store, StoreError};
use std::collections::HashMap;
use std::time::Duration;

/// How often an article has been tried.
const ATTEMPTS: &str = "news_attempts";
/// First wait after a failure; doubled each time.
const FIRST_WAIT: f64 = 60.0;
/// Longest such wait.
const LONGEST_WAIT: f64 = 3600.0;

/// Posts everything that is ready, and returns what became of it with the errors met on the way.
pub fn run(
    shared: &Shared<'_>,
    store: &Store,
    names: Vec<EntryName>,
) -> (work::Tally, Vec<RunError>) {
    let mut runner = Runner {
        shared,
        store,
        servers: HashMap::new(),
        trace: Trace::of(shared.site),
        tally: work::Tally::default(),
    };
    let mut errors = Vec::new();
    for name in names {
        if shared.stopping() {
            break;
        }
        if let Err(error) = runner.entry(&name) {
            tracing::error!("news/{name}: {error}");
            errors.push(error);
        }
    }
    for server in runner.servers.into_values().flatten() {
        server.quit();
    }
    (runner.tally, errors)
}

struct Runner<'r> {
    shared: &'r Shared<'r>,
    store: &'r Store,
    /// Kept connections; one that cannot be had is not tried again in this pass.
    servers: HashMap<String, Result<News, String>>,
    trace: Trace,
    tally: work::Tally,
}

/// Why an article was not posted.
enum Trouble {
    /// It is tried again.
    Later(String),
    /// It would be no better another time.
    Never(String),
}

impl Runner<'_> {
    fn entry(&mut self, name: &EntryName) -> Result<(), RunError> {
        let Some(mut claim) = self.shared.spool.claim(Queue::News, name)? else { return Ok(()) };
        let entry = match claim.read() {
            Ok(entry) => entry,
            Err(error) if error.is_bad_entry() => {
                let kept = claim.preserve()?;
                tracing::error!("{error}; kept as {}", kept.display());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.tally.entries += 1;
        let listname = entry.metadata.text("listname").unwrap_or_default().to_lowercase();
        let Some(list) = self.store.list(&listname)? else {
            return self.set_aside(claim, entry, &format!("there is no list {listname:?}"));
        };
        let settings = &list.settings;
        if settings.nntp_host.is_empty() || settings.linked_newsgroup.is_empty() {
            let reason = format!("{listname} has no linked_newsgroup and nntp_host");
            return self.set_aside(claim, entry, &reason);
        }
        let message = article::prepare(self.shared.site, &list, name, &entry);
        match self.post(&list, &message) {
            Ok(()) => {
                self.tally.passed += 1;
                let mut event = Event::new(Step::Accepted, name).of_message(&list.name, &message);
                event.text = format!("by {} for {}", settings.nntp_host, settings.linked_newsgroup);
                event.count = 1;
                self.trace.add(&event);
                claim.finish()?;
                Ok(self.shared.spool.sync(Queue::News)?)
            }
            Err(Trouble::Never(reason)) => self.set_aside(claim, entry, &reason),
            Err(Trouble::Later(reason)) => self.try_later(claim, entry, &reason),
        }
    }

    fn post(&mut self, list: &List, message: &Message) -> Result<(), Trouble> {
        let host = &list.settings.nntp_host;
        if !self.servers.contains_key(host) {
            let server = connect(self.shared.site, host).map_err(|error| error.to_string());
            self.servers.insert(host.clone(), server);
        }
        let server = match self.servers.get_mut(host) {
            Some(Ok(server)) => server,
            Some(Err(reason)) => return Err(Trouble::Later(reason.clone())),
            None => return Err(Trouble::Later("there is no connection".to_owned())),
        };
        let id = message.text("Message-ID").unwrap_or_default();
        server.post(&Content::new(&message.to_bytes()), &id).map_err(|error| {
            let reason = error.to_string();
            if matches!(error, NewsError::Connection { .. }) {
                self.servers.insert(host.clone(), Err(reason.clone()));
            }
            if error.is_temporary() { Trouble::Later(reason) } else { Trouble::Never(reason) }
        })
    }

    /// To `retry`, for longer each time, until `delivery.retry_period` is over.
    fn try_later(&mut self, claim: Claim, entry: Entry, reason: &str) -> Result<(), RunError> {
        let now = clock::seconds();
        let mut entry = Entry::new(entry.message, entry.metadata);
        let period = self.shared.site.config().delivery_retry_period.seconds_f64();
        let until = entry.metadata.float("deliver_until").unwrap_or(now + period);
        if now > until {
            let reason = format!("given up after too long a time: {reason}");
            return self.set_aside(claim, entry, &reason);
        }
        tracing::warn!("news/{}: {reason}; it is tried again", claim.name());
        let attempts = entry.metadata.int(ATTEMPTS).unwrap_or(0).clamp(0, 20);
        let wait = (FIRST_WAIT * f64::from(1u32 << attempts)).min(LONGEST_WAIT);
        entry.metadata.set_int(ATTEMPTS, attempts + 1);
        entry.metadata.set_float("deliver_until", until);
        entry.metadata.set_float("deliver_after", now + wait);
        entry.metadata.set_text(BACK_TO, Queue::News.name());
        // The same name in every queue: from it comes the Message-ID.
        let name = claim.name().clone();
        let mut event = Event::new(Step::Postponed, &name);
        event.text = reason.to_owned();
        event.outputs.push(Place::new(Queue::Retry, &name));
        self.trace.add(&event);
        let mut batch = self.shared.spool.batch();
        batch.enqueue(Queue::Retry, &name, &entry)?;
        batch.finish(claim);
        Ok(batch.commit()?)
    }

    fn set_aside(&mut self, claim: Claim, entry: Entry, reason: &str) -> Result<(), RunError> {
        self.tally.shunted += 1;
        let mut event = Event::new(Step::Shunted, claim.name());
        event.text = reason.to_owned();
        event.outputs.push(Place::new(Queue::Shunt, &claim.name().derive("shunt")));
        self.trace.add(&event);
        Ok(shunt::set_aside(self.shared.spool, claim, entry, reason)?)
    }
}

/// Connects with the site's account.
fn connect(site: &Site, host: &str) -> Result<News, NewsProblem> {
    let config = site.config();
    let credentials = mta::credentials(site, &config.news_user, &config.news_password_file)?;
    // An answer takes longer than a connection, but not for ever.
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
