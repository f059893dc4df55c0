//! What the spool promises: durable entries, claims, hand-over, recovery.

use dormouse_clock::Timestamp;
use dormouse_spool::{Entry, EntryName, Look, Metadata, Queue, QueueFileState, Spool, Suspicion};
use std::fs;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn spool() -> (TempDir, Spool) {
    let home = TempDir::new().unwrap();
    let spool = Spool::new(home.path().join("qfiles"));
    spool.create().unwrap();
    (home, spool)
}

fn metadata(list: &str) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set_text("listname", list);
    metadata
}

fn entry(message: &[u8]) -> Entry {
    Entry::new(message.to_vec(), metadata("dev"))
}

fn only(spool: &Spool, queue: Queue) -> EntryName {
    let names = spool.ready(queue).unwrap();
    assert_eq!(names.len(), 1, "{queue}: {names:?}");
    names.into_iter().next().unwrap()
}

fn files_in(spool: &Spool, dir: &str) -> usize {
    fs::read_dir(spool.root().join(dir)).unwrap().count()
}

#[test]
fn an_entry_comes_back_as_it_was_enqueued() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"Subject: x\n\nbody\n", &metadata("dev")).unwrap();
    assert_eq!(only(&spool, Queue::In), name);
    let mut claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    let entry = claim.read().unwrap();
    assert_eq!(entry.message, b"Subject: x\n\nbody\n");
    assert_eq!(entry.metadata.text("listname").unwrap(), "dev");
    assert_eq!(entry.metadata.time("received_time"), name.received());
}

#[test]
fn queues_are_first_received_first() {
    let (_home, spool) = spool();
    for time in [300.5, 100.25, 200.0] {
        let mut metadata = metadata("dev");
        metadata.set_time("received_time", Timestamp::from_seconds(time));
        spool.enqueue(Queue::In, b"x", &metadata).unwrap();
    }
    let ready = spool.ready(Queue::In).unwrap();
    let times: Vec<_> = ready.iter().map(|name| name.received().unwrap().seconds()).collect();
    assert_eq!(times, [100.25, 200.0, 300.5]);
}

#[test]
fn an_entry_is_claimed_once() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    let claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    assert!(spool.claim(Queue::In, &name).unwrap().is_none());
    assert!(spool.ready(Queue::In).unwrap().is_empty());
    claim.release().unwrap();
    assert!(spool.claim(Queue::In, &name).unwrap().is_some());
}

/// Lets the process that holds a claim die, as if the entry had killed it.
fn die_of(claim: dormouse_spool::Claim) {
    let died = std::thread::spawn(move || {
        let _held = claim;
        std::panic::resume_unwind(Box::new("dead"));
    });
    assert!(died.join().is_err());
}

#[test]
fn a_claim_that_an_error_drops_is_given_back_at_once() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    for _ in 0..5 {
        drop(spool.claim(Queue::In, &name).unwrap().unwrap());
        assert_eq!(only(&spool, Queue::In), name);
    }
    assert_eq!(spool.recover(&[Queue::In]).unwrap().given_back, 0, "nobody died of it");
}

#[test]
fn recovery_lists_what_is_ready_unless_it_adds_to_it() {
    let (_home, spool) = spool();
    let first = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    let second = spool.enqueue(Queue::In, b"y", &metadata("dev")).unwrap();
    let out = spool.enqueue(Queue::Out, b"z", &metadata("dev")).unwrap();
    let claim = spool.claim(Queue::In, &first).unwrap().unwrap();
    let queues = [Queue::In, Queue::Out, Queue::Retry];
    let listed = spool.recover(&queues).unwrap().ready;
    assert_eq!(listed, [(Queue::In, vec![second]), (Queue::Out, vec![out])]);
    die_of(claim);
    assert!(spool.recover(&queues).unwrap().ready.is_empty(), "the first one is ready again");
}

#[test]
fn the_claim_of_a_live_process_is_not_recovered() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    let claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    assert_eq!(spool.recover(&[Queue::In]).unwrap().given_back, 0);
    die_of(claim);
    assert_eq!(spool.recover(&[Queue::In]).unwrap().given_back, 1);
    assert_eq!(only(&spool, Queue::In), name);
}

#[test]
fn the_third_recovery_without_progress_preserves_the_entry() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"poison", &metadata("dev")).unwrap();
    for round in 1..=3 {
        die_of(spool.claim(Queue::In, &name).unwrap().unwrap());
        let recovered = spool.recover(&[Queue::In]).unwrap();
        assert_eq!(recovered.preserved.len(), usize::from(round == 3), "round {round}");
    }
    let kept = spool.list(Queue::Bad).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].state, QueueFileState::Preserved);
    assert_eq!(spool.peek(Queue::Bad, &name).unwrap().unwrap().message, b"poison");
}

#[test]
fn an_entry_that_makes_progress_is_recovered_without_limit() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::Out, b"x", &metadata("dev")).unwrap();
    for _ in 0..10 {
        let mut claim = spool.claim(Queue::Out, &name).unwrap().unwrap();
        claim.append("{\"done\":1}").unwrap();
        die_of(claim);
        assert_eq!(spool.recover(&[Queue::Out]).unwrap().given_back, 1);
    }
    let journal = spool.peek(Queue::Out, &name).unwrap().unwrap().journal;
    let lines = |wanted: &str| journal.iter().filter(|line| *line == wanted).count();
    assert_eq!((lines("{\"done\":1}"), lines("\"recovered\"")), (10, 10), "{journal:?}");
}

#[test]
fn a_batch_shows_its_outputs_and_drops_its_sources_together() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    let claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    let mut batch = spool.batch();
    batch.enqueue(Queue::Out, &name.derive("out"), &entry(b"y")).unwrap();
    batch.enqueue(Queue::Virgin, &name.derive("ack"), &entry(b"z")).unwrap();
    batch.finish(claim);
    assert!(spool.ready(Queue::Out).unwrap().is_empty(), "nothing shows before the commit");
    batch.commit().unwrap();
    assert_eq!(only(&spool, Queue::Out), name.derive("out"));
    assert_eq!(only(&spool, Queue::Virgin), name.derive("ack"));
    assert!(spool.list(Queue::In).unwrap().is_empty());
    assert_eq!((files_in(&spool, ".staged"), files_in(&spool, ".handover")), (0, 0));
}

#[test]
fn a_batch_that_is_dropped_leaves_everything_as_it_was() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    let claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    let mut batch = spool.batch();
    batch.enqueue(Queue::Out, &name.derive("out"), &entry(b"y")).unwrap();
    batch.finish(claim);
    drop(batch);
    assert_eq!(only(&spool, Queue::In), name);
    assert!(spool.ready(Queue::Out).unwrap().is_empty());
    assert_eq!(files_in(&spool, ".staged"), 0);
}

#[test]
fn a_hand_over_whose_owner_died_after_deciding_is_carried_out() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    die_of(spool.claim(Queue::In, &name).unwrap().unwrap());
    fs::write(spool.root().join(".staged/1-0"), entry(b"y").to_bytes()).unwrap();
    let target = name.derive("out");
    let record = format!(
        "output 1-0 out/{target}.pck\noutput gone out/already-there.pck\nsource in/{name}.bak\nend\n"
    );
    fs::write(spool.root().join(".handover/1"), record).unwrap();
    let recovered = spool.recover(&[Queue::In]).unwrap();
    assert_eq!((recovered.handovers, recovered.given_back), (1, 0));
    assert_eq!(only(&spool, Queue::Out), target);
    assert!(spool.list(Queue::In).unwrap().is_empty());
    assert_eq!(files_in(&spool, ".handover"), 0);
}

#[test]
fn an_entry_whose_hand_over_another_process_carries_out_is_left_to_it() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    die_of(spool.claim(Queue::In, &name).unwrap().unwrap());
    let path = spool.root().join(".handover/1");
    fs::write(&path, format!("source in/{name}.bak\nend\n")).unwrap();
    let other = fs::File::open(&path).unwrap();
    other.lock().unwrap();
    assert_eq!(spool.recover(&[Queue::In]).unwrap().given_back, 0);
    assert!(spool.ready(Queue::In).unwrap().is_empty());
    drop(other);
    assert_eq!(spool.recover(&[Queue::In]).unwrap().handovers, 1);
    assert!(spool.list(Queue::In).unwrap().is_empty());
}

#[test]
fn a_damaged_record_is_named_and_nothing_is_touched() {
    let (_home, spool) = spool();
    fs::write(spool.root().join(".handover/1"), "output x\n").unwrap();
    let error = spool.recover(&[Queue::In]).unwrap_err().to_string();
    assert!(error.contains(".handover/1") && error.contains("output x"), "{error}");
    assert_eq!(files_in(&spool, ".handover"), 1);
}

#[test]
fn an_unreadable_entry_is_preserved_as_it_is() {
    let (_home, spool) = spool();
    fs::write(spool.dir(Queue::In).join("1.0+abc.bak"), b"no pickle").unwrap();
    let recovered = spool.recover(&[Queue::In]).unwrap();
    assert_eq!(recovered.preserved.len(), 1);
    assert_eq!(fs::read(&recovered.preserved[0]).unwrap(), b"no pickle");
}

#[test]
fn a_foreign_name_is_an_entry_too() {
    let (_home, spool) = spool();
    let dir = spool.dir(Queue::In);
    fs::write(dir.join("no-plus-sign.pck"), entry(b"x").to_bytes()).unwrap();
    fs::write(dir.join(".hidden.pck"), b"").unwrap();
    fs::write(dir.join("half-written.pck.tmp"), b"").unwrap();
    assert_eq!(only(&spool, Queue::In).as_str(), "no-plus-sign");
}

#[test]
fn only_old_orphans_are_removed() {
    let (_home, spool) = spool();
    let staged = spool.root().join(".staged");
    for (file, age) in [("old", 7200), ("young", 60)] {
        fs::write(staged.join(file), b"x").unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        fs::File::options()
            .write(true)
            .open(staged.join(file))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    spool.recover(&[]).unwrap();
    assert!(!staged.join("old").exists());
    assert!(staged.join("young").exists());
}

#[test]
fn a_deferred_entry_says_by_its_file_time_when_it_is_due() {
    let (_home, spool) = spool();
    let mut deferred = entry(b"x");
    deferred.metadata.set_time("deliver_after", Timestamp::from_seconds(4_000_000_000.0));
    let mut batch = spool.batch();
    batch.enqueue(Queue::Retry, &EntryName::from_base("1.0+a"), &deferred).unwrap();
    batch.commit().unwrap();
    let due = spool.list(Queue::Retry).unwrap()[0].modified;
    assert_eq!(due.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 4_000_000_000);
}

#[test]
fn an_entry_moves_whole_with_its_journal() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::Out, b"x", &metadata("dev")).unwrap();
    let mut claim = spool.claim(Queue::Out, &name).unwrap().unwrap();
    claim.append("{\"done\":7}").unwrap();
    claim.defer(SystemTime::now() + Duration::from_secs(60)).unwrap();
    let entry = spool.peek(Queue::Retry, &name).unwrap().unwrap();
    assert_eq!(entry.journal, ["{\"done\":7}"]);
    assert!(spool.list(Queue::Out).unwrap().is_empty());
}

#[test]
fn an_entry_is_not_locked_any_more_once_it_shows() {
    let (_home, spool) = spool();
    let name = EntryName::from_base("1.0+a");
    let mut batch = spool.batch();
    batch.enqueue(Queue::In, &name, &entry(b"x")).unwrap();
    batch.commit().unwrap();
    assert!(spool.claim(Queue::In, &name).unwrap().is_some());
}

/// What recovery wrote into the journals of all entries of a queue.
fn journals(spool: &Spool, queue: Queue) -> Vec<Vec<String>> {
    let names = spool.ready(queue).unwrap();
    names.iter().map(|name| spool.peek(queue, name).unwrap().unwrap().journal).collect()
}

#[test]
fn claims_that_several_recover_at_once_never_count_a_bystander_as_the_killer() {
    let (_home, spool) = spool();
    for round in 0..60 {
        let names: Vec<EntryName> = (0..2 + round % 3)
            .map(|_| spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap())
            .collect();
        let claims: Vec<_> =
            names.iter().map(|name| spool.claim(Queue::In, name).unwrap().unwrap()).collect();
        let died = std::thread::spawn(move || {
            let _held = claims;
            std::panic::resume_unwind(Box::new("dead"));
        });
        assert!(died.join().is_err());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| spool.recover(&[Queue::In]).unwrap());
            }
        });
        spool.recover(&[Queue::In]).unwrap();
        assert_eq!(spool.ready(Queue::In).unwrap().len(), names.len(), "round {round}");
        for journal in journals(&spool, Queue::In) {
            assert_eq!(journal, ["\"recovered with others\""], "round {round}");
        }
        for name in &names {
            assert!(spool.remove(Queue::In, name).unwrap());
        }
    }
    assert!(spool.list(Queue::Bad).unwrap().is_empty());
}

#[test]
fn claims_in_another_queue_are_bystanders_too() {
    let (_home, spool) = spool();
    let mut claims = Vec::new();
    for queue in [Queue::In, Queue::Out] {
        let name = spool.enqueue(queue, b"x", &metadata("dev")).unwrap();
        claims.push(spool.claim(queue, &name).unwrap().unwrap());
    }
    claims.into_iter().for_each(die_of);
    spool.recover(&[Queue::Out]).unwrap();
    assert_eq!(journals(&spool, Queue::Out), [["\"recovered with others\""]]);
}

#[test]
fn a_recovery_that_was_killed_in_the_middle_is_not_another_death() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    let mut claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    // As a recovery that wrote its line and was killed before it gave the entry back.
    claim.append("\"recovered with others\"").unwrap();
    die_of(claim);
    for _ in 0..5 {
        spool.recover(&[Queue::In]).unwrap();
        assert_eq!(journals(&spool, Queue::In), [["\"recovered with others\""]]);
        let ready = spool.dir(Queue::In).join(format!("{name}.pck"));
        fs::rename(&ready, ready.with_extension("bak")).unwrap();
    }
}

#[test]
fn a_suspect_is_claimed_alone_and_one_that_is_given_back_killed_nobody() {
    let (_home, spool) = spool();
    let name = spool.enqueue(Queue::In, b"x", &metadata("dev")).unwrap();
    die_of(spool.claim(Queue::In, &name).unwrap().unwrap());
    spool.recover(&[Queue::In]).unwrap();
    for _ in 0..9 {
        let look = spool.claim_unless_suspect(Queue::In, &name).unwrap();
        assert!(matches!(look, Look::Suspect(Suspicion { alone: 1, together: 0 })), "{look:?}");
        drop(spool.claim(Queue::In, &name).unwrap().unwrap());
    }
    let mut claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    claim.append("{\"done\":1}").unwrap();
    claim.release().unwrap();
    let look = spool.claim_unless_suspect(Queue::In, &name).unwrap();
    assert!(matches!(look, Look::Claimed(_)), "{look:?}");
}

#[test]
fn suspects_that_are_claimed_together_share_a_death_and_none_of_them_goes_to_bad_for_it() {
    let (_home, spool) = spool();
    let names: Vec<_> = (0..3)
        .map(|number| spool.enqueue(Queue::In, &[number], &metadata("dev")).unwrap())
        .collect();
    for name in &names {
        let claim = spool.claim(Queue::In, name).unwrap().unwrap();
        die_of(claim);
    }
    for together in 1..6 {
        let recovered = spool.recover(&[Queue::In]).unwrap();
        assert_eq!((recovered.given_back, recovered.preserved.len()), (3, 0));
        for name in &names {
            let look = spool.claim_unless_suspect(Queue::In, name).unwrap();
            let expected = Suspicion { alone: 0, together };
            assert!(matches!(look, Look::Suspect(found) if found == expected), "{look:?}");
        }
        // Given back, it has killed nobody.
        drop(spool.claim_together(Queue::In, &names[0]).unwrap().unwrap());
        let claims: Vec<_> = names
            .iter()
            .map(|name| spool.claim_together(Queue::In, name).unwrap().unwrap())
            .collect();
        claims.into_iter().for_each(die_of);
    }
    // The last one of them dies with the others' entries finished: it may still have been any.
    spool.recover(&[Queue::In]).unwrap();
    for name in &names[1..] {
        spool.claim(Queue::In, name).unwrap().unwrap().finish().unwrap();
    }
    die_of(spool.claim_together(Queue::In, &names[0]).unwrap().unwrap());
    spool.recover(&[Queue::In]).unwrap();
    let look = spool.claim_unless_suspect(Queue::In, &names[0]).unwrap();
    assert!(matches!(look, Look::Suspect(Suspicion { alone: 0, together: 7 })), "{look:?}");
}

#[test]
fn a_message_cannot_make_itself_a_suspect() {
    let (_home, spool) = spool();
    let body = b"x\n\"recovered\"\n\"recovered\"\n";
    let name = spool.enqueue(Queue::In, body, &Metadata::new()).unwrap();
    let look = spool.claim_unless_suspect(Queue::In, &name).unwrap();
    assert!(matches!(look, Look::Claimed(_)), "{look:?}");
}

#[test]
fn an_entry_that_is_not_a_plain_file_is_set_aside_in_place() {
    let (_home, spool) = spool();
    let dir = spool.dir(Queue::In);
    fs::create_dir(dir.join("1.5+a.pck")).unwrap();
    std::os::unix::fs::symlink("/nowhere", dir.join("2.5+b.pck")).unwrap();
    std::os::unix::net::UnixListener::bind(dir.join("3.5+c.pck")).unwrap();
    for name in spool.ready(Queue::In).unwrap() {
        let error = spool.claim(Queue::In, &name).unwrap_err();
        assert!(error.is_bad_entry() && error.to_string().contains(name.as_str()), "{error}");
        let aside = spool.put_aside(Queue::In, &name).unwrap();
        assert!(fs::symlink_metadata(aside).is_ok());
    }
    assert!(spool.ready(Queue::In).unwrap().is_empty());
    let found = spool.list(Queue::In).unwrap();
    assert!(found.iter().all(|found| found.state == QueueFileState::Preserved), "{found:?}");
    fs::rename(dir.join("1.5+a.psv"), dir.join("1.5+a.bak")).unwrap();
    spool.recover(&[Queue::In]).unwrap();
}
