//! Shared by the suites of this crate.

// Each suite is a separate program and uses only a part of this.
#![allow(dead_code, unreachable_pub)]

use dormouse_delivery::{
    Content, RecipientOutcome, SendError, Session, SessionOptions, Transaction, TransactionReport,
    Transport,
};
use dormouse_testkit::sink::Sink;
use std::borrow::Cow;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

/// Long enough for a busy machine; no test waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn options() -> SessionOptions {
    SessionOptions { connect_timeout: PATIENCE, timeout: PATIENCE, ..SessionOptions::default() }
}

pub fn transport(url: &str) -> Transport {
    url.parse().unwrap()
}

pub fn connect(sink: &Sink) -> Session {
    Session::connect(&transport(&sink.url()), &options()).unwrap()
}

pub fn message() -> Content {
    Content::new(b"Subject: x\n\nhello\n.dot\n")
}

/// As [`message`] arrives.
pub const ARRIVED: &[u8] = b"Subject: x\r\n\r\nhello\r\n.dot\r\n";

pub fn transaction<'a>(
    unique: &str,
    content: &'a Content,
    recipients: &[&'a str],
) -> Transaction<'a> {
    Transaction {
        unique: unique.to_owned(),
        sender: "dev-bounces@lists.example.org".into(),
        recipients: Rc::new(recipients.iter().collect()),
        head: Cow::Borrowed(b""),
        message: Cow::Borrowed(content),
        verp: false,
    }
}

/// The result of a list of transactions.
pub struct Sent {
    pub reports: Vec<(String, TransactionReport)>,
    pub end: Result<(), SendError<Infallible>>,
}

impl Sent {
    /// The outcomes of the transactions, all of which were reported.
    pub fn outcomes(self) -> Vec<Vec<RecipientOutcome>> {
        self.end.unwrap();
        self.reports.into_iter().map(|(_, report)| report.outcomes).collect()
    }

    pub fn reported(&self) -> Vec<&str> {
        self.reports.iter().map(|(unique, _)| unique.as_str()).collect()
    }

    /// The transaction in doubt after a loss.
    pub fn in_doubt(&self) -> Option<&str> {
        match &self.end {
            Err(SendError::Lost { in_doubt, .. }) => in_doubt.as_deref(),
            other => panic!("not lost: {other:?}"),
        }
    }
}

pub fn send(session: &mut Session, transactions: Vec<Transaction<'_>>) -> Sent {
    let mut waiting = transactions.into_iter();
    let mut reports = Vec::new();
    let end = session.send(
        || waiting.next(),
        |_| true,
        |transaction, report| {
            assert_eq!(report.outcomes.len(), transaction.recipients.len());
            reports.push((transaction.unique.clone(), report));
            Ok(())
        },
    );
    Sent { reports, end }
}

/// Outcomes in short: `ok`, or `later`/`never` with the code.
pub fn short(outcomes: &[RecipientOutcome]) -> Vec<String> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            RecipientOutcome::Accepted => "ok".to_owned(),
            RecipientOutcome::Deferred(reply) => {
                format!("later {} at {:?}", reply.code, reply.stage)
            }
            RecipientOutcome::Refused(reply) => {
                format!("never {} at {:?}", reply.code, reply.stage)
            }
        })
        .collect()
}
