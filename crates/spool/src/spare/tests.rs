use super::*;
use crate::spool::State;
use crate::{EntryName, Queue, Spool, Unsettled, claim};
use std::fs;
use tempfile::TempDir;

const MAIL: &[u8] = b"Subject: hello\n\nThe first mail.\n";

fn spool() -> (TempDir, Spool) {
    let dir = TempDir::new().unwrap();
    let spool = Spool::new(dir.path());
    spool.create().unwrap();
    (dir, spool)
}

fn enqueue(spool: &Spool, mail: &[u8]) -> EntryName {
    spool.enqueue(Queue::In, mail, &crate::Metadata::new()).unwrap()
}

fn inode(spool: &Spool, name: &EntryName) -> u64 {
    fs::metadata(spool.paths().entry(Queue::In, name, State::Ready)).unwrap().ino()
}

fn finish(spool: &Spool, name: &EntryName) -> Unsettled {
    let mut unsettled = Unsettled::default();
    let claim = spool.claim(Queue::In, name).unwrap().unwrap();
    unsettled.finish(spool, claim).unwrap();
    unsettled
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect()
}

fn spares(spool: &Spool) -> Vec<PathBuf> {
    files(&spool.paths().spare())
}

fn staged(spool: &Spool) -> Vec<PathBuf> {
    files(&spool.paths().staged())
}

#[test]
fn the_file_of_a_finished_entry_is_used_again_once_that_is_durable_and_not_before() {
    let (_dir, spool) = spool();
    let first = enqueue(&spool, MAIL);
    let file = inode(&spool, &first);
    let unsettled = finish(&spool, &first);
    let second = enqueue(&spool, MAIL);
    assert_ne!(inode(&spool, &second), file, "a power failure may restore the first entry");
    unsettled.settle(&spool).unwrap();
    let third = enqueue(&spool, b"another");
    assert_eq!(inode(&spool, &third), file);
    assert!(spool.peek(Queue::In, &first).unwrap().is_none());
    assert_eq!(spool.peek(Queue::In, &second).unwrap().unwrap().message, MAIL);
    assert_eq!(spool.peek(Queue::In, &third).unwrap().unwrap().message, b"another");
}

#[test]
fn a_file_that_becomes_an_entry_after_it_was_opened_is_not_written_to() {
    let (_dir, plain) = spool();
    let names: Vec<EntryName> = (0..40).map(|_| enqueue(&plain, MAIL)).collect();
    names.iter().for_each(|name| finish(&plain, name).settle(&plain).unwrap());
    let all = spares(&plain);
    let opened: Vec<File> = all.iter().map(|path| open(path).unwrap()).collect();
    let busy = Spool::busy(plain.root());
    // The second and third have labels; their files grow and stay.
    let mails = [b"x".to_vec(), vec![b'm'; 9_000], b"short".to_vec()];
    let kept: Vec<EntryName> = mails.iter().map(|mail| enqueue(&busy, mail)).collect();
    let labelled = all.iter().filter(|path| path.metadata().is_ok_and(|it| it.nlink() > 1));
    assert_eq!(labelled.count(), 2);
    // Others lose their places in the queue.
    for is_shown in [true, false] {
        let ready = |name| plain.paths().entry(Queue::In, name, State::Ready);
        if !is_shown {
            kept[1..].iter().for_each(|name| fs::remove_file(ready(name)).unwrap());
        }
        let usable = all.iter().zip(&opened).filter(|(path, file)| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let bytes = fs::read(path).unwrap_or_default();
            lock(file.try_clone().unwrap(), path, name).is_some()
                && bytes.first().is_some_and(|byte| *byte != 0)
        });
        assert_eq!(usable.count(), 0, "{is_shown}");
    }
}

#[test]
fn files_that_are_locked_are_passed_over() {
    let (_dir, spool) = spool();
    let names: Vec<EntryName> = (0..3).map(|_| enqueue(&spool, MAIL)).collect();
    names.iter().for_each(|name| finish(&spool, name).settle(&spool).unwrap());
    let locked: Vec<File> =
        spares(&spool).iter().map(|path| claim::lock_file(path).unwrap().unwrap()).collect();
    Known::of(&spool.paths().spare(), |known| known.listed = None);
    let new = enqueue(&spool, b"another");
    assert_eq!(spool.peek(Queue::In, &new).unwrap().unwrap().message, b"another");
    assert_eq!((spares(&spool).len(), locked.len()), (3, 3));
}

#[test]
fn an_entry_is_read_as_it_was_written_whatever_the_size_of_its_file_was() {
    let (_dir, spool) = spool();
    for size in [0, 1, 3_000, 4_095, 4_096, 9_000, 25_000, 100, 40_000, 20_000, 5, 0] {
        let mail = vec![b'm'; size];
        let name = enqueue(&spool, &mail);
        let entry = spool.peek(Queue::In, &name).unwrap().unwrap();
        assert!(entry.message == mail && entry.journal.is_empty(), "{size}");
        let mut claim = spool.claim(Queue::In, &name).unwrap().unwrap();
        claim.append("{\"done\":1}").unwrap();
        assert_eq!(claim.read().unwrap().journal, ["{\"done\":1}"], "{size}");
        drop(claim);
        finish(&spool, &name).settle(&spool).unwrap();
        assert!(spares(&spool).len() <= 1, "{size}");
    }
}

#[test]
fn nothing_of_a_mail_stays_in_a_spare_file() {
    let (_dir, spool) = spool();
    for end in ["settled", "not settled", "its process died"] {
        let unsettled = finish(&spool, &enqueue(&spool, MAIL));
        match end {
            "settled" => unsettled.settle(&spool).unwrap(),
            "not settled" => drop(unsettled),
            _ => {
                fs::write(spool.paths().staged().join("spare-1234567"), MAIL).unwrap();
                spool.recover(&Queue::ALL).unwrap();
                assert_eq!(staged(&spool).len(), 1, "the other one is locked");
                drop(unsettled);
            }
        }
        assert!(staged(&spool).is_empty(), "{end}");
        for path in spares(&spool) {
            assert!(fs::read(path).unwrap().iter().all(|byte| *byte == 0), "{end}");
        }
    }
}

#[test]
fn a_file_that_has_another_name_is_neither_blanked_nor_used_again() {
    let (dir, spool) = spool();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    let mail = enqueue(&spool, MAIL);
    fs::hard_link(spool.paths().entry(Queue::In, &mail, State::Ready), &before).unwrap();
    finish(&spool, &mail).settle(&spool).unwrap();
    let mail = enqueue(&spool, MAIL);
    let unsettled = finish(&spool, &mail);
    fs::hard_link(&staged(&spool)[0], &after).unwrap();
    unsettled.settle(&spool).unwrap();
    assert!(spares(&spool).is_empty());
    enqueue(&spool, b"another");
    for link in [before, after] {
        let bytes = fs::read(&link).unwrap();
        assert_eq!(crate::Entry::from_bytes(&bytes, &link).unwrap().message, MAIL);
    }
}

#[test]
fn what_lies_among_spare_files_by_mistake_is_not_written_to() {
    let (dir, spool) = spool();
    let foreign = dir.path().join("foreign");
    fs::write(&foreign, "mine").unwrap();
    let number = fs::metadata(&foreign).unwrap().ino();
    for name in [number.to_string(), "7".to_owned(), "no number".to_owned()] {
        fs::hard_link(&foreign, spool.paths().spare().join(name)).unwrap();
    }
    enqueue(&spool, MAIL);
    assert_eq!(fs::read(&foreign).unwrap(), b"mine");
}

#[test]
fn surplus_spare_files_are_removed_but_not_those_in_use() {
    let (_dir, spool) = spool();
    let dir = spool.paths().spare();
    let mut held = Vec::new();
    for number in 0..MOST + 30 {
        let path = dir.join(format!("new{number}"));
        let file = durable::create_locked(&path).unwrap();
        let spare = dir.join(new_name(file.metadata().unwrap().ino()));
        fs::rename(&path, &spare).unwrap();
        held.extend((number % 2 == 0).then_some(file));
    }
    let left = count_and_trim(&dir).unwrap();
    assert_eq!(left, spares(&spool).len());
    assert!((MOST + 1..MOST + 30).contains(&left), "{left}: some are in use");
    drop(held);
    assert_eq!(count_and_trim(&dir).unwrap(), MOST);
    assert_eq!(spares(&spool).len(), MOST);
}
