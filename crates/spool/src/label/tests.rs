use super::*;
use crate::spool::State;
use crate::{Entry, Estate, Metadata};
use tempfile::TempDir;

fn spool() -> (TempDir, Spool) {
    let dir = TempDir::new().unwrap();
    let spool = Spool::busy(dir.path());
    spool.create().unwrap();
    // Their files become spare ones.
    let names: Vec<EntryName> = (0..40).map(|_| enqueue(&plain(&spool), "earlier")).collect();
    finish(&spool, &names);
    enqueue(&spool, "the first has no label");
    (dir, spool)
}

/// The same spool for a process that writes no labels.
fn plain(spool: &Spool) -> Spool {
    Spool::new(spool.root())
}

fn enqueue(spool: &Spool, text: &str) -> EntryName {
    spool.enqueue(Queue::In, text.as_bytes(), &Metadata::new()).unwrap()
}

fn finish(spool: &Spool, names: &[EntryName]) {
    for name in names {
        let mut batch = spool.batch();
        batch.finish(spool.claim(Queue::In, name).unwrap().unwrap());
        batch.commit().unwrap();
    }
}

fn ready(spool: &Spool) -> Vec<String> {
    let names = spool.ready(Queue::In).unwrap();
    let text = |name| String::from_utf8(spool.peek(Queue::In, name).unwrap().unwrap().message);
    names.iter().map(|name| text(name).unwrap()).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect()
}

fn label_in(path: &Path) -> Option<String> {
    let bytes = fs::read(path).unwrap();
    let line = bytes.rsplit(|byte| *byte == b'\n').find(|line| is_label(line))?;
    Some(String::from_utf8(line.split(|byte| *byte == b' ').nth(1)?.to_vec()).unwrap())
}

/// Undoes every renaming that is not on the disk yet, as a power failure may. Returns how many entries have
/// left their queues.
fn lose_power(spool: &Spool) -> usize {
    let mut undone = 0;
    for path in Queue::ALL.into_iter().flat_map(|queue| files(&spool.dir(queue))) {
        if let Some(spare) = label_in(&path) {
            let first_name = spool.paths().spare().join(spare);
            if !first_name.exists() {
                fs::hard_link(&path, first_name).unwrap();
            }
            fs::remove_file(&path).unwrap();
            undone += 1;
        }
    }
    undone
}

/// Leaves the file of labels to recovery, as a process that dies does.
fn die(spool: Spool) -> Spool {
    let (root, paths) = (spool.root().to_owned(), spool.paths().clone());
    let mark = paths.labels();
    let was_on = mark.exists();
    let away = root.join("kept");
    if was_on {
        fs::rename(&mark, &away).unwrap();
    }
    drop(spool);
    if was_on {
        fs::rename(&away, &mark).unwrap();
    }
    Spool::new(root)
}

#[test]
fn an_entry_with_a_label_is_durable_before_its_place_in_the_queue_is() {
    let (_dir, spool) = spool();
    let names: Vec<EntryName> = (0..30).map(|n| enqueue(&spool, &format!("mail {n}"))).collect();
    assert!(spool.is_busy() && spool.paths().labels().exists());
    let spool = die(spool);
    assert_eq!(lose_power(&spool), 30);
    assert_eq!(ready(&spool).len(), 1);
    assert_eq!(spool.abandoned_handovers().unwrap(), 1);
    let recovered = spool.recover(&Queue::ALL).unwrap();
    assert_eq!((recovered.handovers, recovered.given_back), (30, 0));
    let mut found = ready(&spool);
    found.sort();
    let mut sent: Vec<String> = (0..30).map(|n| format!("mail {n}")).collect();
    sent.push("the first has no label".to_owned());
    sent.sort();
    assert_eq!(found, sent);
    for name in &names {
        let entry = spool.peek(Queue::In, name).unwrap().unwrap();
        assert_eq!(entry.journal, [""; 0], "it is no suspect");
    }
    assert!(!spool.paths().labels().exists());
    assert_eq!(spool.recover(&Queue::ALL).unwrap().handovers, 0);
}

#[test]
fn the_end_of_an_entry_is_the_end_of_its_first_name() {
    let (_dir, spool) = spool();
    let names: Vec<EntryName> = (0..5).map(|n| enqueue(&spool, &format!("mail {n}"))).collect();
    let path = |name| spool.paths().entry(Queue::In, name, State::Ready);
    let first_names: Vec<PathBuf> = names
        .iter()
        .map(|name| spool.paths().spare().join(label_in(&path(name)).unwrap()))
        .collect();
    let inodes: Vec<u64> =
        first_names.iter().map(|path| fs::metadata(path).unwrap().ino()).collect();
    let mut ways = names.iter();
    let mut next = || ways.next().unwrap();
    let claim = |name| spool.claim(Queue::In, name).unwrap().unwrap();
    finish(&spool, std::slice::from_ref(next()));
    claim(next()).finish().unwrap();
    assert!(spool.remove(Queue::In, next()).unwrap());
    let removed = spool.paths().handover().join("1");
    fs::write(&removed, format!("source in/{}.bak\nend\n", claim_and_die(&spool, next()))).unwrap();
    spool.recover(&Queue::ALL).unwrap();
    let in_retry = next();
    claim(in_retry).move_to(Queue::Retry).unwrap();
    assert!(first_names[4].exists());
    spool.claim(Queue::Retry, in_retry).unwrap().unwrap().finish().unwrap();
    for (number, path) in first_names.iter().enumerate() {
        assert!(!path.exists(), "{number}");
    }
    // Its file is used again.
    let again = files(&spool.paths().spare());
    assert!(again.iter().any(|path| fs::metadata(path).unwrap().ino() == inodes[0]));
    let spool = die(spool);
    spool.recover(&Queue::ALL).unwrap();
    assert_eq!(ready(&spool), ["the first has no label"]);
}

fn claim_and_die<'n>(spool: &Spool, name: &'n EntryName) -> &'n EntryName {
    spool.claim(Queue::In, name).unwrap().unwrap().leave();
    name
}

#[test]
fn entries_that_wait_for_long_lose_their_first_names_when_their_queue_is_durable() {
    let (_dir, spool) = spool();
    let earlier = (0..2 * MOST).map(|_| enqueue(&plain(&spool), "earlier"));
    finish(&spool, &earlier.collect::<Vec<EntryName>>());
    for number in 0..2 * MOST {
        enqueue(&spool, &format!("mail {number}"));
    }
    let entries = files(&spool.dir(Queue::In));
    let labelled = entries.iter().filter(|path| label_in(path).is_some()).count();
    let waiting = |path: &&PathBuf| fs::metadata(path).unwrap().nlink() > 1;
    assert!(labelled > MOST + 50, "{labelled}");
    assert!(entries.iter().filter(waiting).count() < MOST);
    spool.rest();
    assert_eq!(entries.iter().filter(waiting).count(), 0);
    assert_eq!(ready(&spool).len(), 2 * MOST + 1);
}

#[test]
fn several_entries_together_have_no_labels() {
    let (_dir, spool) = spool();
    enqueue(&spool, "labelled");
    let mut batch = spool.batch();
    for text in ["one", "two"] {
        batch.add(Queue::In, text.as_bytes(), &Metadata::new()).unwrap();
    }
    batch.commit().unwrap();
    drop({
        let mut batch = spool.batch();
        batch.add(Queue::In, b"undecided", &Metadata::new()).unwrap();
        batch
    });
    let spool = die(spool);
    assert_eq!(lose_power(&spool), 1);
    assert_eq!(ready(&spool), ["the first has no label", "one", "two"]);
    assert!(files(&spool.paths().staged()).is_empty());
    spool.recover(&Queue::ALL).unwrap();
    assert_eq!(ready(&spool).len(), 4);
}

#[test]
fn mail_that_was_not_accepted_does_not_stay_in_a_spare_file() {
    let (_dir, spool) = spool();
    enqueue(&spool, "labelled");
    let spares = files(&spool.paths().spare());
    let spare = spares.iter().find(|path| fs::metadata(path).unwrap().nlink() == 1).unwrap();
    let spool = die(spool);
    fs::write(spare, "a part of a mail").unwrap();
    spool.recover(&Queue::ALL).unwrap();
    assert!(!spare.exists());
    assert_eq!(ready(&spool), ["the first has no label", "labelled"]);
    assert!(spares.len() > 30 && files(&spool.paths().spare()).len() == spares.len() - 2);
}

#[test]
fn a_finished_entry_does_not_return_though_its_zeros_never_reached_the_disk() {
    let (_dir, spool) = spool();
    let name = enqueue(&spool, "finished");
    let path = spool.paths().entry(Queue::In, &name, State::Ready);
    let (bytes, inode) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino());
    assert!(label_in(&path).is_some());
    finish(&spool, &[name]);
    let spool = die(spool);
    let spares = files(&spool.paths().spare());
    let spare = spares.iter().find(|path| fs::metadata(path).unwrap().ino() == inode).unwrap();
    fs::write(spare, bytes).unwrap();
    spool.recover(&Queue::ALL).unwrap();
    assert_eq!(ready(&spool), ["the first has no label"]);
    // Its file is a spare one as any other.
    (0..40).for_each(|_| drop(enqueue(&spool, "new")));
    assert!(!spare.exists());
}

#[test]
fn an_entry_that_a_hand_over_has_finished_does_not_return() {
    for is_claimed in [true, false] {
        let (_dir, spool) = spool();
        let name = enqueue(&spool, "handed over");
        let other = enqueue(&spool, "not handed over");
        let spool = die(spool);
        let output = Entry::new(b"sent".to_vec(), Metadata::new());
        fs::write(spool.paths().staged().join("1-0"), output.to_bytes()).unwrap();
        let record = format!("output 1-0 out/{name}.pck\nsource in/{name}.bak\nend\n");
        fs::write(spool.paths().handover().join("1"), record).unwrap();
        if is_claimed {
            let claims = [&name, &other].map(|name| spool.claim(Queue::In, name).unwrap());
            claims.into_iter().flatten().for_each(|mut claim| claim.leave());
        }
        assert_eq!(lose_power(&spool), 2);
        let recovered = spool.recover(&Queue::ALL).unwrap();
        assert_eq!(recovered.handovers, 2);
        assert_eq!(ready(&spool), ["the first has no label", "not handed over"]);
        assert_eq!(spool.ready(Queue::Out).unwrap(), [name]);
    }
}

#[test]
fn an_entry_that_is_not_complete_is_a_spare_file() {
    let (_dir, spool) = spool();
    let name = enqueue(&spool, "a text that is long enough to be cut somewhere in its middle");
    let path = spool.paths().entry(Queue::In, &name, State::Ready);
    let (whole, spare) = (fs::read(&path).unwrap(), label_in(&path).unwrap());
    let end = whole.windows(6).position(|six| six == b"label ").unwrap() + 150;
    let path = spool.paths().spare().join(&spare);
    let is_found = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        is_entry(&File::open(&path).unwrap(), &spare, bytes.len() as u64).unwrap()
    };
    assert!(is_found(&whole));
    let mut changed = 0;
    for at in (0..end).filter(|at| whole[*at] != b'\n') {
        let mut torn = whole.clone();
        torn[at] = 0;
        assert!(!is_found(&torn), "{at}");
        changed += 1;
    }
    assert!(changed > 200, "{changed}");
    for sector in 0..whole.len() / 512 {
        let mut torn = whole.clone();
        torn[sector * 512..][..512].fill(0);
        assert_eq!(is_found(&torn), sector * 512 >= end, "{sector}");
    }
}

#[test]
fn a_file_that_has_an_entry_is_not_written_to_before_recovery() {
    let (_dir, spool) = spool();
    (0..20).for_each(|_| drop(enqueue(&spool, "acknowledged")));
    let spool = die(spool);
    assert_eq!(lose_power(&spool), 20);
    let busy = Spool::busy(spool.root());
    for _ in 0..60 {
        enqueue(&spool, "new");
        assert!(ready(&spool).iter().filter(|text| *text == "acknowledged").count() % 20 == 0);
        enqueue(&busy, "new");
    }
    spool.recover(&Queue::ALL).unwrap();
    let found = ready(&spool);
    assert_eq!(found.iter().filter(|text| *text == "acknowledged").count(), 20);
    assert_eq!(found.iter().filter(|text| *text == "new").count(), 120);
}

#[test]
fn the_last_process_that_rests_makes_the_queues_durable() {
    let (_dir, spool) = spool();
    let marker = spool.paths().labels();
    let other = Spool::busy(spool.root());
    assert!(!marker.exists(), "single entries are not worth it");
    for spool in [&spool, &other, &other] {
        enqueue(spool, "mail");
    }
    assert!(spool.is_busy() && other.is_busy());
    spool.rest();
    assert!(marker.exists() && !spool.is_busy());
    assert_eq!(plain(&spool).recover(&Queue::ALL).unwrap().handovers, 0);
    assert!(marker.exists(), "a process is writing labels");
    drop(other);
    assert!(!marker.exists());
    enqueue(&spool, "mail");
    enqueue(&spool, "mail");
    assert!(marker.exists());
    // Somebody removes it: then it is created again before the next label.
    fs::remove_file(&marker).unwrap();
    enqueue(&spool, "mail");
    assert!(marker.exists());
}

#[test]
fn another_host_adopts_entries_that_a_power_failure_took_from_their_queues() {
    let (_dir, spool) = spool();
    let done = enqueue(&spool, "handed over");
    enqueue(&spool, "acknowledged");
    let spool = die(spool);
    let record = format!("source in/{done}.bak\nend\n");
    fs::write(spool.paths().handover().join("1"), record).unwrap();
    assert_eq!(lose_power(&spool), 2);
    let heir = TempDir::new().unwrap();
    let heir = Spool::new(heir.path().join("qfiles"));
    let estate = Estate::of(spool.root()).unwrap();
    assert_eq!(estate.names().len(), 2);
    estate.copy_to(&heir).unwrap();
    heir.take_adopted(&estate.id).unwrap();
    assert_eq!(ready(&heir), ["the first has no label", "acknowledged"]);
    let names = estate.names();
    assert!(spool.has_anything().unwrap());
    assert_eq!(spool.give_up(names.iter().map(String::as_str)).unwrap(), 2);
    assert_eq!(ready(&spool), [""; 0]);
}

/// Brings the first name of an entry back, as if its process had not removed it.
fn first_name_again(spool: &Spool, name: &EntryName) -> PathBuf {
    let path = spool.paths().entry(Queue::In, name, State::Ready);
    let first_name = spool.paths().spare().join(label_in(&path).unwrap());
    if !first_name.exists() {
        fs::hard_link(path, &first_name).unwrap();
    }
    first_name
}

#[test]
fn an_entry_whose_journal_made_it_large_does_not_return_when_it_is_finished() {
    for length in [100, 28_600, 32_000] {
        let (_dir, spool) = spool();
        let name = enqueue(&spool, &"m".repeat(length));
        let first_name = first_name_again(&spool, &name);
        let mut claim = spool.claim(Queue::In, &name).unwrap().unwrap();
        claim.append(&"x".repeat(33_000 - length)).unwrap();
        claim.release().unwrap();
        finish(&spool, &[name]);
        assert!(!first_name.exists(), "{length}");
        let spool = die(spool);
        spool.recover(&Queue::ALL).unwrap();
        assert_eq!(ready(&spool), ["the first has no label"], "{length}");
    }
}

#[test]
fn recovery_does_not_depend_on_what_another_drain_has_claimed() {
    let (_dir, spool) = spool();
    let name = enqueue(&spool, "claimed");
    let spool = die(spool);
    let first_name = first_name_again(&spool, &name);
    let claim = spool.claim(Queue::In, &name).unwrap().unwrap();
    spool.recover(&Queue::ALL).unwrap();
    assert_eq!(spool.abandoned_handovers().unwrap(), 0, "the drain would fail");
    assert!(!spool.paths().labels().exists() && !first_name.exists());
    claim.release().unwrap();
    assert_eq!(ready(&spool).len(), 2);
}

#[test]
fn an_entry_that_recovery_could_not_look_at_is_not_forgotten_by_the_next_server() {
    let (_dir, spool) = spool();
    let name = enqueue(&spool, "acknowledged");
    let first_name = first_name_again(&spool, &name);
    let spool = die(spool);
    lose_power(&spool);
    let next = Spool::busy(spool.root());
    // Another process looks whether it can use the file.
    let examined = File::open(&first_name).unwrap();
    examined.try_lock().unwrap();
    (0..6).for_each(|_| drop(enqueue(&next, "new")));
    assert!(!next.is_busy(), "labels of a dead process are left");
    drop(examined);
    (0..6).for_each(|_| drop(enqueue(&next, "new")));
    assert!(next.is_busy());
    next.rest();
    assert!(ready(&spool).contains(&"acknowledged".to_owned()));
    assert!(!spool.paths().labels().exists());
}

#[test]
fn mail_does_not_wait_for_the_recovery_of_another_process() {
    let (_dir, spool) = spool();
    enqueue(&spool, "labelled");
    let spool = die(spool);
    let recovering = File::open(spool.paths().labels()).unwrap();
    recovering.try_lock().unwrap();
    let next = Spool::busy(spool.root());
    (0..4).for_each(|_| drop(enqueue(&next, "new")));
    assert!(!next.is_busy());
    drop(recovering);
    (0..4).for_each(|_| drop(enqueue(&next, "new")));
    assert!(next.is_busy());
}

#[test]
fn a_server_settles_what_another_that_died_beside_it_has_left() {
    for has_own in [true, false] {
        for has_lost_power in [true, false] {
            let (_dir, spool) = spool();
            enqueue(&spool, "own");
            let other = Spool::busy(spool.root());
            let names = ["no label", "of the dead one"].map(|text| enqueue(&other, text));
            let first_name = first_name_again(&spool, &names[1]);
            die(other);
            if !has_own {
                // Its first names are gone: nothing of its own waits.
                spool.labels().unwrap().state(|writing| writing.first_names.clear());
            }
            let first_name_now = first_name_again(&spool, &names[1]);
            assert_eq!(first_name, first_name_now);
            if has_lost_power {
                let path = spool.paths().entry(Queue::In, &names[1], State::Ready);
                fs::remove_file(path).unwrap();
            }
            spool.rest();
            assert!(!spool.paths().labels().exists() && !first_name.exists());
            assert_eq!(ready(&spool).len(), 4, "{has_own} {has_lost_power}");
        }
    }
}

#[test]
fn an_entry_that_was_moved_and_then_handed_over_does_not_return() {
    for is_adopted in [true, false] {
        let (_dir, spool) = spool();
        let name = enqueue(&spool, "moved");
        first_name_again(&spool, &name);
        let spool = die(spool);
        let record = format!("source retry/{name}.bak\nend\n");
        fs::write(spool.paths().handover().join("1"), record).unwrap();
        assert_eq!(lose_power(&spool), 1);
        if is_adopted {
            assert_eq!(Estate::of(spool.root()).unwrap().names().len(), 1);
        }
        spool.recover(&Queue::ALL).unwrap();
        assert_eq!(ready(&spool), ["the first has no label"]);
        assert!(spool.names(Queue::In, State::Claimed).unwrap().is_empty());
    }
}

#[test]
fn labels_pause_when_the_file_system_refuses_a_link() {
    let (_dir, spool) = spool();
    let with_label = enqueue(&spool, "labelled");
    let path = |name| spool.paths().entry(Queue::In, name, State::Ready);
    assert!(label_in(&path(&with_label)).is_some());
    spool.labels().unwrap().pause();
    let without = enqueue(&spool, "in the usual way");
    assert!(label_in(&path(&without)).is_none());
    assert_eq!(ready(&spool).len(), 3);
}

#[test]
fn a_name_with_spaces_gets_no_label() {
    for (name, has) in [("1.0+ab", true), ("1.0 ab", false), ("a\nb", false), ("a\u{a0}b", false)] {
        let name = EntryName::from_base(name);
        assert_eq!(Label::new("1-0123456789abcdef", Queue::In, &name, b"x").is_some(), has);
    }
}

#[test]
fn mail_gets_no_label_when_all_spare_files_have_the_entries_of_another_server() {
    let (dir, spool) = spool();
    fs::create_dir(dir.path().join("others")).unwrap();
    for path in files(&spool.paths().spare()) {
        fs::hard_link(&path, dir.path().join("others").join(path.file_name().unwrap())).unwrap();
    }
    (0..3).for_each(|_| drop(enqueue(&spool, "new")));
    assert_eq!(ready(&spool).len(), 4);
}

#[test]
fn names_of_spare_files_are_told_from_others() {
    for ticket in ["1-0123456789abcdef", "10109297-ffffffffffffffff"] {
        assert!(is_ticket(ticket), "{ticket}");
    }
    for other in [
        "1",
        "",
        "-0123456789abcdef",
        "1-0123456789abcde",
        "1-0123456789ABCDEF",
        "x-0123456789abcdef",
        "spare-12",
    ] {
        assert!(!is_ticket(other), "{other}");
    }
}
