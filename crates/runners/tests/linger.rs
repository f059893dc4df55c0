//! Before it ends, a run that did something waits for more, and knows whether mail is arriving.

use dormouse_clock::Timestamp;
use dormouse_runners::arrangement::Scope;
use dormouse_runners::{Shared, drain, mta};
use dormouse_spool::{Entry, EntryName, Metadata, Queue, Spool};
use dormouse_store::{Config, Site};
use dormouse_testkit::surroundings;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Adds a post that is set aside, because its list does not exist.
fn enqueue(spool: &Spool, number: usize, received: Timestamp) {
    let raw = format!("Subject: {number}\n\n").into_bytes();
    let mut metadata = Metadata::new();
    metadata.set_text("listname", "nowhere");
    let mut batch = spool.batch();
    let name = EntryName::new(received, &raw, "nowhere");
    batch.enqueue(Queue::In, &name, &Entry::new(raw, metadata)).unwrap();
    batch.commit().unwrap();
}

/// Drains a queue with an entry, and adds these while it lingers, one by one. Returns what the
/// linger was told each time.
fn told(arrivals: &[Timestamp]) -> Vec<bool> {
    let home = tempfile::tempdir_in(surroundings::in_memory()).unwrap();
    Site::init(home.path(), "lists.example.org").unwrap();
    Config::set(&home.path().join("dormouse.toml"), "runners.news", "off").unwrap();
    let site = Site::open(home.path()).unwrap();
    let spool = Spool::new(site.qfiles());
    enqueue(&spool, 0, Timestamp::from_seconds(1e9));
    let (transport, options) = mta::from_settings(&site).unwrap();
    let (stop, pulse) = (AtomicBool::new(false), AtomicU64::new(0));
    let shared = Shared {
        site: &site,
        spool: &spool,
        transport: &transport,
        options: &options,
        stop: &stop,
        pulse: &pulse,
    };
    let told = RefCell::new(Vec::new());
    let linger = |is_mail_arriving: bool| {
        let number = told.borrow().len();
        told.borrow_mut().push(is_mail_arriving);
        let next = arrivals.get(number);
        next.inspect(|received| enqueue(&spool, number + 1, **received)).is_some()
    };
    let summary = drain::run(&shared, &Scope::everything(site.config()), &linger);
    assert_eq!(summary.worked_off(Queue::In), arrivals.len() as u64 + 1);
    assert!(summary.is_clean());
    told.into_inner()
}

#[test]
fn mail_that_waited_already_does_not_count_as_arriving() {
    let old = Timestamp::from_seconds(1e9);
    assert_eq!(told(&[]), [false]);
    assert_eq!(told(&[old, old]), [false, false, false]);
}

#[test]
fn mail_that_arrives_during_a_run_counts_until_its_end() {
    let (old, new) = (Timestamp::from_seconds(1e9), Timestamp::now() + 60.0);
    assert_eq!(told(&[new]), [false, true]);
    assert_eq!(told(&[old, new, new]), [false, false, true, true]);
}
