use super::*;
use dormouse_store::Store;
use std::fs;

fn with_list(test: impl FnOnce(&Site, &List)) {
    let home = tempfile::tempdir().unwrap();
    let site = Site::init(home.path(), "lists.example").unwrap();
    let store = Store::open(&site).unwrap();
    let owners = ["o@x.example".to_owned()];
    let list = store
        .write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example", &owners))
        .unwrap();
    test(&site, &list);
}

fn post(number: i64) -> ArchivePost {
    let text = format!(
        "From: a@x.example\nSubject: {number}\nMessage-ID: <{number}@x>\nDate: Tue, 5 Mar 2024 12:00:00 +0000\n\ntext {number}\n"
    );
    ArchivePost { message: Message::parse(text), received: 1_709_640_000 }
}

#[test]
fn what_a_power_failure_took_from_the_pages_is_written_again() {
    with_list(|site, list| {
        let mut archive = Archive::open(site, list).unwrap();
        archive.append(vec![post(0)]).unwrap();
        let names = ["2024-March/000000.html", "2024-March/date.html"];
        let paths = names.map(|name| archive.place().tree().join(name));
        paths.iter().for_each(|path| fs::write(path, "").unwrap());
        archive.index.set_fact(BOOT, "another one").unwrap();
        archive.append(vec![post(1)]).unwrap();
        for path in &paths {
            assert!(fs::read_to_string(path).unwrap().contains("</html>"), "{path:?}");
        }
        fs::write(&paths[0], "").unwrap();
        archive.append(vec![post(2)]).unwrap();
        assert_eq!(fs::read_to_string(&paths[0]).unwrap(), "", "only after a power failure");
    });
}

#[test]
fn posts_come_in_while_another_process_indexes() {
    with_list(|site, list| {
        let mut archive = Archive::open(site, list).unwrap();
        archive.append(vec![post(0)]).unwrap();
        let other = archive.try_follow().unwrap().unwrap();
        archive.append(vec![post(1)]).unwrap();
        archive.append(vec![post(1)]).unwrap();
        assert_eq!(archive.index.counts().unwrap(), (1, 1));
        assert!(matches!(archive.rebuild(&mut |_| {}), Err(ArchiveError::Busy(_))));
        drop(other);
        archive.append(vec![post(2), post(1)]).unwrap();
        assert_eq!(archive.index.counts().unwrap(), (3, 3), "each of them once");
    });
}

#[test]
fn an_mbox_that_became_shorter_needs_a_person() {
    with_list(|site, list| {
        let mut archive = Archive::open(site, list).unwrap();
        archive.append(vec![post(0), post(1)]).unwrap();
        fs::write(archive.place().mbox(), "").unwrap();
        let error = archive.append(vec![post(2)]).unwrap_err();
        assert!(error.wants_a_person() && error.to_string().contains("rebuild dev"), "{error}");
        archive.rebuild(&mut |_| {}).unwrap();
        archive.append(vec![post(2)]).unwrap();
        assert_eq!(archive.index.counts().unwrap(), (1, 3));
    });
}

#[test]
fn an_mbox_that_became_shorter_while_a_rebuild_was_under_way_is_read_from_its_start() {
    with_list(|site, list| {
        let mut archive = Archive::open(site, list).unwrap();
        archive.append(vec![post(0), post(1)]).unwrap();
        archive.index.set_fact(REBUILDING, "yes").unwrap();
        let first = archive.index.message(0).unwrap().unwrap();
        archive.mbox.cut(first.mbox_length as u64).unwrap();
        archive.rebuild(&mut |_| {}).unwrap();
        assert_eq!(archive.index.counts().unwrap(), (1, 2));
    });
}

#[test]
fn pages_without_an_mbox_keep_their_addresses() {
    with_list(|site, list| {
        let page = ArchivePlace::of(site, &list.name).tree().join("2024-March/000004.html");
        fs::create_dir_all(page.parent().unwrap()).unwrap();
        fs::write(&page, "Pipermail's").unwrap();
        let mut archive = Archive::open(site, list).unwrap();
        archive.append(vec![post(0)]).unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), "Pipermail's");
        assert_eq!(archive.index.next_number().unwrap(), 6);
    });
}

#[test]
fn wiped_numbers_begin_again_and_others_never() {
    with_list(|site, list| {
        let mut archive = Archive::open(site, list).unwrap();
        archive.append(vec![post(0), post(1)]).unwrap();
        archive.remove("<0@x>").unwrap();
        archive.append(vec![post(2)]).unwrap();
        assert_eq!(archive.index.next_number().unwrap(), 3);
        let options = crate::arch::ArchOptions { wipe: true, ..Default::default() };
        assert_eq!(crate::arch::run(&mut archive, &options, &mut |_| {}).unwrap(), 3);
        assert_eq!(archive.index.counts().unwrap(), (2, 3));
        assert!(archive.place().tree().join("2024-March/000001.html").exists());
    });
}
