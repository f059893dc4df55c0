//! Ten thousand random posts to fifty random lists, drained in one run: each of them has a result,
//! is counted, and can be found.

use dormouse_clock::Timestamp;
use dormouse_spool::{Entry, EntryName, Metadata, Queue, Spool};
use dormouse_store::{NewMember, Site, Store, StoreError};
use dormouse_testkit::random;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, files_in};
use dormouse_testkit::surroundings;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const LISTS: usize = 50;
const POSTS: usize = 10_000;

fn any<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).expect("a value").current()
}

/// Creates lists with random settings and two members each, one of whom posts.
fn lists(site: &TestSite, runner: &mut TestRunner) {
    let store = Store::open(&Site::open(&site.dir()).unwrap()).unwrap();
    let settings = random::settings();
    let made = store.write(|tx| -> Result<(), StoreError> {
        for number in 0..LISTS {
            let name = if number == 0 { "other".to_owned() } else { format!("list{number}") };
            tx.create_list(
                &name.parse().unwrap(),
                "lists.example.org",
                &["owner@x.example".to_owned()],
            )?;
            // These settings let about half of the posts pass; otherwise nearly all would be held.
            let open = [
                ("generic_nonmember_action", "accept"),
                ("require_explicit_destination", "no"),
                ("max_num_recipients", "0"),
            ];
            for (key, value) in open.into_iter().chain(any(runner, &settings)) {
                tx.set_setting(&name, key, value)?;
            }
            let list = tx.read().list(&name)?.expect("the list");
            for address in ["member@x.example", "reader@y.example"] {
                let address = address.to_owned();
                let new = NewMember { address, real_name: String::new(), digest: false };
                tx.add_member(&list, &new, Timestamp::from_seconds(1.0), "test")?;
            }
        }
        Ok(())
    });
    made.unwrap();
}

/// Enqueues random posts in `in`, as intake does.
fn posts(site: &TestSite, runner: &mut TestRunner) {
    let spool = Spool::new(site.queue(""));
    let mail = random::mail();
    let mut batch = spool.batch();
    for number in 0..POSTS {
        let raw = any(runner, &mail);
        let list = match number % LISTS {
            0 => "other".to_owned(),
            number => format!("list{number}"),
        };
        let mut metadata = Metadata::new();
        metadata.set_text("listname", &list);
        metadata.set_int("tolist", 1);
        let name = EntryName::new(Timestamp::from_seconds(1e9 + number as f64), &raw, &list);
        batch.enqueue(Queue::In, &name, &Entry::new(raw, metadata)).unwrap();
    }
    batch.commit().unwrap();
}

/// Returns the lines of the trace.
fn trace(site: &TestSite) -> Vec<Value> {
    let dir = site.dir().join("logs");
    let texts = files_in(&dir).into_iter().map(|name| std::fs::read_to_string(dir.join(name)));
    let text: String = texts.map(Result::unwrap).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_counts_of_every_verdict_add_up() {
    let mut runner = TestRunner::deterministic();
    let site = TestSite::new_in(DORMOUSE, &surroundings::in_memory());
    let sink = Sink::builder().counting().start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "run.batch", "500"]);
    // There is no news server.
    site.ok(&["config", "set", "runners.news", "off"]);
    lists(&site, &mut runner);
    posts(&site, &mut runner);

    let run = site.run(&["run", "--json"]);
    assert!(run.status.success(), "{}", describe(&run));
    let summary: Value = serde_json::from_slice(&run.stdout).unwrap();
    let incoming = &summary["incoming"];
    let verdicts = ["passed", "held", "rejected", "discarded", "shunted"];
    let counted: BTreeMap<&str, u64> =
        verdicts.iter().map(|name| (*name, incoming[name].as_u64().unwrap())).collect();
    assert_eq!(counted.values().sum::<u64>(), POSTS as u64, "{summary}");
    assert!(counted.values().all(|count| *count > 50), "too one-sided: {counted:?}");
    assert_eq!(summary["errors"], serde_json::json!([]));

    // The trace has one verdict for each entry, and the same number of each.
    let trace = trace(&site);
    let mut traced: BTreeMap<&str, u64> = BTreeMap::new();
    let mut places: HashMap<&str, u64> = HashMap::new();
    let mut seen: HashMap<&str, u64> = HashMap::new();
    for event in &trace {
        let step = event["step"].as_str().unwrap();
        if let Some(verdict) = verdicts.iter().find(|verdict| **verdict == step) {
            *traced.entry(verdict).or_default() += 1;
            *seen.entry(event["entry"].as_str().unwrap()).or_default() += 1;
            for place in event["outputs"].as_array().into_iter().flatten() {
                *places.entry(place["queue"].as_str().unwrap()).or_default() += 1;
            }
        }
    }
    let notices = summary["virgin"]["entries"].as_u64().unwrap();
    *traced.get_mut("passed").unwrap() -= notices;
    assert_eq!(traced, counted);
    assert_eq!(seen.len() as u64, POSTS as u64 + notices);
    assert!(seen.values().all(|times| *times == 1));

    // Each entry is where its verdict says.
    let held: Vec<Value> = serde_json::from_str(&site.ok(&["held", "ls", "--json"])).unwrap();
    assert_eq!(held.len() as u64, counted["held"]);
    assert_eq!(site.files("shunt", "pck").len() as u64, counted["shunted"]);
    assert_eq!(summary["archived"]["passed"].as_u64().unwrap(), places["archive"]);
    for queue in ["news", "bad"] {
        let expected = places.get(queue).copied().unwrap_or_default();
        assert_eq!(files_in(&site.queue(queue)).len() as u64, expected, "{queue}");
    }
    for queue in ["in", "virgin", "out", "retry", "archive"] {
        assert!(files_in(&site.queue(queue)).is_empty(), "{queue}");
    }
    let outgoing = &summary["outgoing"];
    assert_eq!(outgoing["entries"].as_u64().unwrap(), places["out"]);
    assert_eq!(outgoing["accepted"].as_u64().unwrap(), sink.counts().recipients);
    assert_eq!(places["virgin"], notices);
    assert!(sink.violations().is_empty(), "{:?}", sink.violations());
}
