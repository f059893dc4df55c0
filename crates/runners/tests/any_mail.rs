//! Any bytes as a message, with any settings: no panic, nothing lost, and the trace has the result
//! of each.

use dormouse_clock::Timestamp;
use dormouse_runners::arrangement::Scope;
use dormouse_runners::{Shared, drain, mta};
use dormouse_spool::{Entry, EntryName, Metadata, Queue, Spool};
use dormouse_store::{Config, NewMember, Site, Store, StoreError};
use dormouse_testkit::{random, surroundings};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tempfile::TempDir;

fn site() -> (TempDir, Site) {
    let home = tempfile::tempdir_in(surroundings::in_memory()).unwrap();
    Site::init(home.path(), "lists.example.org").unwrap();
    let file = home.path().join("dormouse.toml");
    Config::set(&file, "dmarc.lookups", "no").unwrap();
    Config::set(&file, "notices.to_strangers", "always").unwrap();
    // There is no news server.
    Config::set(&file, "runners.news", "off").unwrap();
    let site = Site::open(home.path()).unwrap();
    (home, site)
}

fn list(store: &Store, name: &str, settings: &[(&str, &str)]) {
    let made = store.write(|tx| -> Result<(), StoreError> {
        tx.create_list(
            &name.parse().unwrap(),
            "lists.example.org",
            &["owner@x.example".to_owned()],
        )?;
        for (key, value) in settings {
            tx.set_setting(name, key, value)?;
        }
        let list = tx.read().list(name)?.expect("the list");
        let address = "member@x.example".to_owned();
        let new = NewMember { address, real_name: String::new(), digest: false };
        tx.add_member(&list, &new, Timestamp::from_seconds(1.0), "test").map(drop)
    });
    made.unwrap();
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, |entries| entries.count())
}

/// Counts the verdicts in the trace for these entries.
fn verdicts(site: &Site, entries: &[String]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for file in std::fs::read_dir(site.dir().join("logs")).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            if entries.iter().any(|entry| event["entry"] == **entry) {
                *found.entry(event["step"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_message_ends_somewhere_and_says_so(
        settings in random::settings(),
        mails in vec(random::mail(), 1..12),
        to_owner in proptest::bool::weighted(0.1),
    ) {
        let (_home, site) = site();
        let store = Store::open(&site).unwrap();
        list(&store, "other", &[]);
        list(&store, "dev", &settings);
        let spool = Spool::new(site.qfiles());
        let mut batch = spool.batch();
        let mut entries = Vec::new();
        for (number, raw) in mails.iter().enumerate() {
            let mut metadata = Metadata::new();
            metadata.set_text("listname", "dev");
            metadata.set_int(if to_owner { "toowner" } else { "tolist" }, 1);
            let name = EntryName::new(Timestamp::from_seconds(1e9 + number as f64), raw, "dev");
            batch.enqueue(Queue::In, &name, &Entry::new(raw.clone(), metadata)).unwrap();
            entries.push(name.as_str().to_owned());
        }
        batch.commit().unwrap();

        let (transport, options) = mta::from_settings(&site).unwrap();
        let (stop, pulse) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared =
            Shared { site: &site, spool: &spool, transport: &transport, options: &options, stop: &stop, pulse: &pulse };
        let summary = drain::run(&shared, &Scope::everything(site.config()), &|_| false);
        prop_assert!(summary.errors.is_empty(), "{:?}", summary.errors);
        prop_assert!(summary.is_clean());

        let found = verdicts(&site, &entries);
        let tally = &summary.queues.of(Queue::In);
        let counted = [
            ("passed", tally.passed),
            ("held", tally.held),
            ("rejected", tally.rejected),
            ("discarded", tally.discarded),
            ("shunted", tally.shunted),
        ];
        prop_assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), mails.len() as u64);
        for (step, count) in counted {
            prop_assert_eq!(found.get(step).copied().unwrap_or(0) as u64, count, "{}", step);
        }
        let dev = store.read().list("dev").unwrap().unwrap();
        prop_assert_eq!(store.read().held_posts(dev.id).unwrap().len() as u64, tally.held);
        // A message that a pipeline sends without recipients does not vanish: it waits for a
        // person.
        let for_nobody = settings.contains(&("pipeline", "SpamDetect\nToOutgoing")) && !to_owner;
        let undeliverable = if for_nobody { tally.passed } else { 0 };
        prop_assert_eq!(files(&spool.dir(Queue::Shunt)) as u64, tally.shunted + undeliverable);
        // Only a pipeline with an unknown handler sets posts aside.
        let is_broken = settings.contains(&("pipeline", "NoSuchHandler")) && !to_owner;
        prop_assert_eq!(tally.shunted, if is_broken { mails.len() as u64 } else { 0 });
        for queue in [Queue::In, Queue::Virgin, Queue::Out] {
            prop_assert_eq!(files(&spool.dir(queue)), 0, "{}", queue);
        }
    }
}
