//! The site with its database, for questions that the index cannot answer.

use super::Behind;
use crate::elsewhere;
use crate::refusal::IntakeRefusal;
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_pipeline::HandlerError;
use dormouse_pipeline::handlers::at_the_door;
use dormouse_spool::{EntryName, Metadata, Queue};
use dormouse_store::{KnownList, Site, Store, StoreError};
use dormouse_trace::{Event, Step, Trace};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// A site and its database: already open, or opened by the first question.
pub(super) enum Inside<'d> {
    Open(&'d Site, &'d Store),
    Live(&'d Site, &'d OnceCell<Store>),
    Closed(PathBuf, OnceCell<Box<(Site, Store)>>),
}

impl Inside<'_> {
    pub(super) fn closed(dir: &Path) -> Inside<'static> {
        Inside::Closed(dir.to_owned(), OnceCell::new())
    }

    /// Returns the site and its database, which are opened if necessary.
    pub(super) fn open(&self) -> Result<(&Site, &Store), StoreError> {
        let (dir, opened) = match self {
            Inside::Open(site, store) => return Ok((site, store)),
            Inside::Live(site, opened) => {
                if let Some(store) = opened.get() {
                    return Ok((site, store));
                }
                let store = Store::open_read_only(site)?;
                return Ok((site, opened.get_or_init(|| store)));
            }
            Inside::Closed(dir, opened) => (dir, opened),
        };
        if let Some(open) = opened.get() {
            return Ok((&open.0, &open.1));
        }
        let site = Site::open(dir)?;
        let store = Store::open_read_only(&site)?;
        let (site, store) = &**opened.get_or_init(|| Box::new((site, store)));
        Ok((site, store))
    }
}

impl Behind for Inside<'_> {
    fn list(&self, name: &str) -> Result<Option<KnownList>, StoreError> {
        let (_, store) = self.open()?;
        Ok(store.read().list(name)?.map(|list| KnownList {
            may_refuse: at_the_door::may_refuse(&list),
            host: list.settings.host_name,
            name: list.name,
        }))
    }

    fn has_namesake(&self, local: &str) -> Result<bool, StoreError> {
        Ok(self.open()?.1.read().has_namesake(local))
    }

    fn has_host(&self, host: &str) -> Result<bool, StoreError> {
        self.open()?.1.read().has_host(host)
    }

    fn archive_key(&self) -> Result<Vec<u8>, StoreError> {
        let (_, store) = self.open()?;
        Ok(store.read().existing_secret(elsewhere::SECRET)?.unwrap_or_default())
    }

    fn refusal(
        &self,
        list: &KnownList,
        message: &[u8],
        metadata: &Metadata,
    ) -> Result<Option<IntakeRefusal>, StoreError> {
        let (site, store) = self.open()?;
        let name = EntryName::new(Timestamp::now(), message, &list.name);
        let ask = || -> Result<_, HandlerError> {
            // If the list was removed since then, the runner reports it.
            let Some(list) = store.read().list(&list.name)? else { return Ok(None) };
            at_the_door::refusal(site, store, &list, &name, message, metadata)
        };
        let answer = ask().unwrap_or_else(|error| {
            tracing::warn!("{}: a post is accepted unchecked: {error}", list.name);
            None
        });
        let Some((handler, reason)) = answer else { return Ok(None) };
        let post = Message::parse_header_of(message);
        let event = Event::new(Step::Rejected, &name).of_message(&list.name, &post);
        Trace::of(site).at(Queue::In).add(&Event {
            handler: handler.to_owned(),
            setting: reason.setting.unwrap_or_default().to_owned(),
            text: format!("not taken: {}", reason.text),
            ..event
        });
        Ok(Some(IntakeRefusal::Rejected(reason.text)))
    }
}
