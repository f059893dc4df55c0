//! The bounce runner: processes mail to a list's bounce address (docs/spec/bounces.md).
//!
//! # Layout
//! - [`process`]: determines the kind of message, and the member it is about.
//! - [`return_path`]: the addresses that posts are sent from, which identify the member and prove
//!   it.
//! - `ledger`: the effects of a bounce: scores, probes, delivery turned off.
//! - `consequences`: the notices about it.
//! - [`jobs`]: repeated warnings and the final removal (`cron disabled`).
//!
//! `dormouse_bounce` reads the messages themselves.

pub(crate) mod consequences;
pub mod jobs;
pub(crate) mod ledger;
pub mod return_path;

use dormouse_clock::Timestamp;
use dormouse_membership as membership;

use crate::queue::Processed;
use crate::queue::transaction::EntryJob;
use consequences::Consequences;
use dormouse_bounce::{BounceVerdict, Complaint, FailedAddress, FailureKind};
use dormouse_mail::{Message, date};
use dormouse_membership::Output;
use dormouse_membership::link;
use dormouse_membership::notices::Notices;
use dormouse_pipeline::HandlerError;
use dormouse_spool::{Entry, Metadata, Queue};
use dormouse_store::{
    BounceEvent, BounceKind, BounceOutcome, BounceSource, BounceState, ComplaintAction, List,
    Request, ReturnPathTag, Site, StoreError, Tx,
};
use dormouse_trace::{Event, Step};
use ledger::{Bounce, Ledger};
use return_path::ReturnPath;

/// The result of a message, and the mail that it causes.
struct Outcome {
    step: Step,
    text: String,
    addresses: Vec<String>,
    outputs: Vec<Output>,
}

impl Outcome {
    fn dropped(why: impl Into<String>) -> Outcome {
        Outcome {
            step: Step::Discarded,
            text: why.into(),
            addresses: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn passed(what: impl Into<String>, outputs: Vec<Output>) -> Outcome {
        Outcome { step: Step::Passed, text: what.into(), addresses: Vec::new(), outputs }
    }

    fn recorded(events: &[BounceEvent], outputs: Vec<Output>) -> Outcome {
        let addresses = events.iter().map(|event| event.address.clone()).collect();
        Outcome { addresses, ..Outcome::passed(describe(events), outputs) }
    }
}

/// Processes one message to a list's bounce address.
pub(crate) fn process(job: EntryJob<'_>, entry: Entry) -> Result<Processed, HandlerError> {
    let message = Message::parse(entry.message.as_slice());
    let mut event = Event::new(Step::Passed, job.name).of_message(&job.list.name, &message);
    let Outcome { step, text, addresses, outputs } =
        Mail { job: &job, message: &message, metadata: &entry.metadata, raw: &entry.message }
            .settle()?;
    tracing::info!(target: "bounce", "{}: bounce {}: {step}: {text}", job.list.name, event.id);
    event.step = step;
    event.handler = "bounces".to_owned();
    event.count = addresses.len() as u64;
    event.recipients = addresses;
    event.text = text;
    Ok((event, outputs))
}

/// A bounce that another program recorded.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'n> {
    /// The name of a queue entry, which identifies it.
    pub entry: &'n str,
    /// The recipient with the permanent failure.
    pub address: &'n str,
    /// The reason.
    pub text: &'n str,
    /// Its time.
    pub at: Timestamp,
}

/// Records a bounce from another program, with its original time. Returns the notices; `None` if it
/// is too old to count (`bounce_info_stale_after`).
pub fn register(
    site: &Site,
    tx: &Tx<'_>,
    list: &List,
    noted: Noted<'_>,
) -> Result<Option<Vec<Output>>, StoreError> {
    if !list.settings.bounce_processing {
        return Ok(Some(Vec::new()));
    }
    let state = BounceState { date: ledger::day_of(noted.at), ..BounceState::default() };
    let today = date::local_day(Timestamp::now());
    if ledger::is_stale(&state, &today, list.settings.bounce_info_stale_after.seconds()) {
        return Ok(None);
    }
    let ledger = Ledger { store: tx, config: site.config(), entry: noted.entry, evidence: b"" };
    let bounce = Bounce {
        address: noted.address,
        kind: BounceKind::Permanent,
        status: String::new(),
        code: 0,
        text: noted.text,
        source: BounceSource::Message,
        at: noted.at.min(Timestamp::now()),
    };
    let events: Vec<BounceEvent> = ledger.enter(list, &bounce)?.into_iter().collect();
    Consequences { ledger, site, evidence: None }.of(&events).map(Some)
}

/// A message to the bounce address.
struct Mail<'m> {
    job: &'m EntryJob<'m>,
    message: &'m Message,
    metadata: &'m Metadata,
    raw: &'m [u8],
}

impl Mail<'_> {
    /// Decides what to do, in the order of docs/spec/bounces.md §1.
    fn settle(&self) -> Result<Outcome, HandlerError> {
        let (list, store) = (&*self.job.list, self.job.store);
        let known = store.read().bounce_events_of_entry(self.job.name.as_str())?;
        if !known.is_empty() {
            // A run was killed after the store's commit: only the notices are created again.
            return Ok(Outcome::recorded(&known, self.consequences(&known)?));
        }
        let config = self.job.shared.site.config();
        if list.name == config.site_list {
            let owners = &list.settings.owner;
            return Ok(Outcome::passed("sent to the site's owners", vec![self.forward(owners)]));
        }
        if self.is_looped_notice() {
            let owner = format!("{}-owner@{}", config.site_list, config.host);
            return Ok(Outcome::passed(
                "a notice to the owners came back; sent to the site's owners",
                vec![self.forward(&[owner])],
            ));
        }
        if !list.settings.bounce_processing {
            return Ok(Outcome::dropped("the list does not process bounces (bounce_processing)"));
        }
        let verdict = dormouse_bounce::detect(self.message, self.envelope_sender().as_deref());
        match ReturnPath::find(store.read(), list, self.message, self.metadata)? {
            ReturnPath::Probe(cookie) => self.of_probe(&cookie, verdict),
            ReturnPath::Post { recipient, is_proved } => {
                let must = list.settings.return_path_tag == ReturnPathTag::Required;
                self.of_post(recipient, is_proved || !must, verdict)
            }
        }
    }

    fn envelope_sender(&self) -> Option<String> {
        self.metadata.envelope().envelope_sender().map(std::borrow::Cow::into_owned)
    }

    /// Whether it is a bounce of a notice that the site sent to a list's owners.
    fn is_looped_notice(&self) -> bool {
        let config = self.job.shared.site.config();
        let hosts = [&config.host, &self.job.list.settings.host_name];
        self.message.mailboxes("From").iter().any(|from| {
            hosts.iter().any(|host| {
                let site = format!("{}-bounces@{host}", config.site_list);
                from.address.eq_ignore_ascii_case(&site)
            })
        })
    }

    fn of_post(
        &self,
        recipient: Option<String>,
        is_believed: bool,
        verdict: BounceVerdict,
    ) -> Result<Outcome, HandlerError> {
        let failures = match verdict {
            BounceVerdict::Warning => return Ok(Outcome::dropped("a report without a failure")),
            BounceVerdict::AutoReply => return Ok(Outcome::dropped("an answering machine's")),
            BounceVerdict::Complaint(complaint) => return self.complaint(recipient, complaint),
            BounceVerdict::Unknown if !self.is_from_mail_system() => return self.unrecognized(),
            BounceVerdict::Unknown if is_believed && recipient.is_some() => {
                vec![self.unknown_failure()]
            }
            BounceVerdict::Unknown => return self.unrecognized(),
            BounceVerdict::Failed(failures) => failures,
        };
        if !is_believed {
            return Ok(Outcome::dropped(
                "forged, or too old: its return path has no good tag (return_path_tag)",
            ));
        }
        let ledger = self.ledger();
        let mut events = Vec::new();
        match recipient {
            // The return path is the best source for the recipient, the report for what happened.
            Some(recipient) => {
                let failure = failures
                    .iter()
                    .find(|failure| failure.address.eq_ignore_ascii_case(&recipient))
                    .or(failures.first());
                if let Some(failure) = failure {
                    let bounce = Bounce::new(&recipient, failure, BounceSource::Message);
                    events.extend(ledger.enter(self.job.list, &bounce)?);
                }
            }
            None => {
                for failure in &failures {
                    let bounce = Bounce::new(&failure.address, failure, BounceSource::Message);
                    events.extend(ledger.enter(self.job.list, &bounce)?);
                }
            }
        }
        if events.is_empty() {
            let named: Vec<&str> = failures.iter().map(|failure| &*failure.address).collect();
            return Ok(Outcome::dropped(format!("no member: {}", named.join(", "))));
        }
        Ok(Outcome::recorded(&events, self.consequences(&events)?))
    }

    /// Handles a bounce of a probe. The cookie is used up only if the report has a clear result.
    fn of_probe(&self, cookie: &str, verdict: BounceVerdict) -> Result<Outcome, HandlerError> {
        let failure = match verdict {
            BounceVerdict::Failed(failures) => failures.into_iter().next(),
            BounceVerdict::Unknown if self.is_from_mail_system() => Some(self.unknown_failure()),
            BounceVerdict::Unknown => return self.unrecognized(),
            BounceVerdict::Warning | BounceVerdict::AutoReply | BounceVerdict::Complaint(_) => None,
        };
        let Some(failure) = failure.filter(|failure| failure.kind != FailureKind::Policy) else {
            return Ok(Outcome::dropped("a reply to a probe without a clear result"));
        };
        let (list, store) = (&*self.job.list, self.job.store);
        let pending = store.read().pending(cookie, Timestamp::now())?;
        let Some(pending) = pending.filter(|pending| pending.list_id == list.id) else {
            return Ok(Outcome::dropped("a bounce of a probe that is unknown or has expired"));
        };
        let Request::Probe { address } = &pending.request else {
            return Ok(Outcome::dropped("a cookie that does not belong to a probe"));
        };
        store.take_pending(cookie, Timestamp::now())?;
        let bounce = Bounce::new(address, &failure, BounceSource::Probe);
        let events: Vec<BounceEvent> =
            self.ledger().probe_bounced(list, &bounce)?.into_iter().collect();
        if events.is_empty() {
            return Ok(Outcome::dropped(format!("a probe's; {address} is no longer a member")));
        }
        Ok(Outcome::recorded(&events, self.consequences(&events)?))
    }

    /// Returns the recipient of the mail that a complaint is about, if the mail's return path or
    /// link proves it: those were created here, for that recipient.
    fn complainer(&self, complaint: &Complaint) -> Result<Option<String>, StoreError> {
        let (list, store) = (&*self.job.list, self.job.store);
        for path in &complaint.return_paths {
            if let Some(recipient) = ReturnPath::proved_recipient(store.read(), list, path)? {
                return Ok(Some(recipient));
            }
        }
        let Some(secret) = store.read().existing_secret(membership::SECRET)? else {
            return Ok(None);
        };
        let links = &complaint.unsubscribe;
        Ok(links.iter().find_map(|field| link::in_list_unsubscribe(list, &secret, field)))
    }

    /// Forwards a complaint to the owners like an unrecognized message: it is not a bounce. Anybody
    /// can write such a report, so one without proof removes nobody.
    fn complaint(
        &self,
        recipient: Option<String>,
        complaint: Complaint,
    ) -> Result<Outcome, HandlerError> {
        let proved = self.complainer(&complaint)?;
        let leaves =
            proved.is_some() && self.job.list.settings.complaints == ComplaintAction::Unsubscribe;
        let address = proved.or(recipient).or(complaint.named).unwrap_or_default();
        let mut event = None;
        if !address.is_empty() {
            let bounce = Bounce {
                address: &address,
                kind: BounceKind::Complaint,
                status: String::new(),
                code: 0,
                text: "marked as unwanted by its reader",
                source: BounceSource::Message,
                at: Timestamp::now(),
            };
            event = if leaves {
                self.ledger().unsubscribe(self.job.list, &bounce)?
            } else {
                self.ledger().enter(self.job.list, &bounce)?
            };
        }
        let notices = match event {
            Some(event) => self.consequences(&[event])?,
            None if self.job.list.settings.bounce_unrecognized_goes_to_list_owner => {
                vec![self.notices().complaint(&address, Some(self.message))]
            }
            None => Vec::new(),
        };
        Ok(Outcome::passed("a complaint of a reader", notices))
    }

    fn unrecognized(&self) -> Result<Outcome, HandlerError> {
        if !self.job.list.settings.bounce_unrecognized_goes_to_list_owner {
            return Ok(Outcome::dropped(
                "not understood (bounce_unrecognized_goes_to_list_owner is no)",
            ));
        }
        let notice = self.notices().unrecognized_bounce(self.message);
        Ok(Outcome::passed("not understood; sent to the owners", vec![notice]))
    }

    fn is_from_mail_system(&self) -> bool {
        dormouse_bounce::is_from_mail_system(self.message, self.envelope_sender().as_deref())
    }

    /// Returns a failure for a message of a mail system in an unknown form.
    fn unknown_failure(&self) -> FailedAddress {
        FailedAddress::new("", None, &self.message.text("Subject").unwrap_or_default())
    }

    fn notices(&self) -> Notices<'_> {
        Notices { list: self.job.list, site: self.job.shared.site }
    }

    fn ledger(&self) -> Ledger<'_> {
        Ledger {
            store: self.job.store,
            config: self.job.shared.site.config(),
            entry: self.job.name.as_str(),
            evidence: self.raw,
        }
    }

    fn consequences(&self, events: &[BounceEvent]) -> Result<Vec<Output>, StoreError> {
        let consequences = Consequences {
            ledger: self.ledger(),
            site: self.job.shared.site,
            evidence: Some(self.message),
        };
        consequences.of(events)
    }

    /// Forwards the message unchanged.
    fn forward(&self, to: &[String]) -> Output {
        let config = self.job.shared.site.config();
        let mut metadata = self.metadata.clone();
        metadata.edit().listname(&self.job.list.name);
        metadata.edit().recips(to);
        metadata.edit().envsender(&format!("{}-loop@{}", config.site_list, config.host));
        metadata.edit().no_decoration(true);
        metadata.edit().personalize(false);
        metadata.edit().verp(false);
        Output {
            queue: Queue::Out,
            label: "forward".to_owned(),
            entry: Entry::new(self.raw.to_vec(), metadata),
        }
    }
}

/// Records the MTA's refusals of an entry of `out` as bounces, in the caller's transaction of the
/// store, and returns the notices. `probe` is the cookie of an entry that is a probe.
pub(crate) fn of_refusals(
    consequences: &Consequences<'_>,
    list: &List,
    probe: Option<&str>,
    refusals: &[(String, FailedAddress)],
) -> Result<Vec<Output>, StoreError> {
    let ledger = &consequences.ledger;
    let mut events = ledger.store.read().bounce_events_of_entry(ledger.entry)?;
    if events.is_empty() {
        for (address, failure) in refusals {
            let event = if let Some(cookie) = probe {
                ledger.store.take_pending(cookie, Timestamp::now())?;
                ledger.probe_bounced(list, &Bounce::new(address, failure, BounceSource::Probe))?
            } else {
                ledger.enter(list, &Bounce::new(address, failure, BounceSource::Smtp))?
            };
            events.extend(event);
        }
    }
    consequences.of(&events)
}

/// Describes events for the trace.
fn describe(events: &[BounceEvent]) -> String {
    use dormouse_store::value::SettingValue as _;
    let one = |event: &BounceEvent| {
        let BounceEvent { address, kind, status, outcome, .. } = event;
        let counted = match outcome {
            BounceOutcome::Storm => BounceOutcome::NotCounted,
            other => *other,
        };
        format!("{address} {} {status}: {}", kind.write(), counted.write())
    };
    events.iter().map(one).collect::<Vec<_>>().join("; ")
}
