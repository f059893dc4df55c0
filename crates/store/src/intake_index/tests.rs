use super::*;
use crate::{Config, ListSettings, ListState, NonmemberAction};
use dormouse_clock::Timestamp;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

fn site() -> (tempfile::TempDir, Site, Store) {
    let home = tempfile::tempdir().unwrap();
    let site = Site::init(home.path(), "l.example").unwrap().read_later();
    let store = Store::open(&site).unwrap();
    (home, site, store)
}

fn may_refuse(list: &List) -> bool {
    list.settings.generic_nonmember_action == NonmemberAction::Reject
}

fn create(store: &Store, name: &str, host: &str) {
    store.write(|tx| tx.create_list(&name.parse().unwrap(), host, &[]).map(drop)).unwrap();
}

/// Returns the index after it was brought up to date.
fn settled(site: &Site, store: &Store) -> IntakeIndex {
    store.settle_intake_index(site, &may_refuse).unwrap();
    IntakeIndex::open(site.dir()).expect("an index")
}

#[test]
fn the_index_says_of_every_list_what_the_database_says() {
    let (_home, site, store) = site();
    let names = ["dev", "dev-x", "dev.x", "dev2", "a", "zz", "m+n", "tea@b.example", "tea"];
    names.iter().for_each(|name| create(&store, name, "l.example"));
    // More lists than fit into the first read.
    store
        .write(|tx| {
            (0..300).try_for_each(|number| {
                tx.create_list(&format!("list{number}").parse().unwrap(), "l.example", &[])
                    .map(drop)
            })
        })
        .unwrap();
    store.write(|tx| tx.change_settings("zz", &[("generic_nonmember_action", "reject")])).unwrap();
    let index = settled(&site, &store);
    for list in store.read().lists().unwrap() {
        let may_refuse = list.name == "zz";
        let known = KnownList { host: list.settings.host_name, name: list.name, may_refuse };
        assert_eq!(index.list(&known.name).unwrap(), Some(known));
    }
    for missing in ["", "d", "dev-", "dev-y", "list", "list300", "tea@", "zzz", "Dev", "~"] {
        assert_eq!(index.list(missing).unwrap(), None, "{missing}");
    }
    for local in ["tea", "te", "dev", "list7", "zz", ""] {
        assert_eq!(index.has_namesake(local).unwrap(), store.read().has_namesake(local), "{local}");
    }
}

#[test]
fn a_site_without_lists_has_an_index_that_knows_none() {
    let (_home, site, store) = site();
    let index = settled(&site, &store);
    assert_eq!(index.list("dev").unwrap(), None);
    assert!(!index.has_namesake("dev").unwrap());
    assert_eq!(*index.settings(), IntakeSettings::of(&site));
}

#[test]
fn every_change_of_lists_removes_the_index() {
    let (_home, site, store) = site();
    create(&store, "dev", "l.example");
    type Change<'c> = &'c dyn Fn(&Tx<'_>) -> Result<(), StoreError>;
    let changes: [(&str, Change<'_>); 5] = [
        ("created", &|tx| tx.create_list(&"tea".parse().unwrap(), "l.example", &[]).map(drop)),
        ("host", &|tx| tx.change_settings("tea", &[("host_name", "b.example")])),
        ("door", &|tx| tx.set_setting("tea", "generic_nonmember_action", "reject")),
        ("removed", &|tx| tx.delete_list(&"tea".parse().unwrap()).map(drop)),
        ("taken over", &|tx| {
            let (settings, state) = (ListSettings::default(), ListState::default());
            tx.put_list(&"old".parse().unwrap(), &settings, &state).map(drop)
        }),
    ];
    for (what, change) in changes {
        settled(&site, &store);
        // A rolled back transaction changes nothing.
        store.rehearse(change).unwrap();
        let refused = store.write(|tx| -> Result<(), StoreError> {
            change(tx)?;
            Err(StoreError::Setting("no".to_owned()))
        });
        assert!(refused.is_err());
        assert!(IntakeIndex::open(site.dir()).is_some(), "{what}");
        store
            .write(|tx| -> Result<(), StoreError> {
                change(tx)?;
                assert!(site.dir().join(FILE).exists(), "{what}: until the commit");
                Ok(())
            })
            .unwrap();
        assert!(!site.dir().join(FILE).exists(), "{what}");
    }
    let index = settled(&site, &store);
    let known = ["dev", "tea", "old"].map(|name| index.list(name).unwrap().is_some());
    assert_eq!(known, [true, false, true]);
}

#[test]
fn members_and_posts_leave_the_index_alone() {
    let (_home, site, store) = site();
    create(&store, "dev", "l.example");
    settled(&site, &store);
    let id = store.read().list("dev").unwrap().unwrap().id;
    store.write(|tx| tx.count_post(id, Timestamp::from_seconds(1.0))).unwrap();
    assert!(IntakeIndex::open(site.dir()).is_some());
}

#[test]
fn another_database_in_its_place_is_noticed() {
    let (_home, site, store) = site();
    create(&store, "dev", "l.example");
    settled(&site, &store);
    let backup = site.dir().join("backup.db");
    fs::copy(site.database(), &backup).unwrap();
    store.write(|tx| tx.delete_list(&"dev".parse().unwrap()).map(drop)).unwrap();
    settled(&site, &store);
    drop(store);
    assert!(IntakeIndex::open(site.dir()).is_some());
    fs::copy(&backup, site.database()).unwrap();
    assert!(IntakeIndex::open(site.dir()).is_none());
    let store = Store::open(&site).unwrap();
    assert!(settled(&site, &store).list("dev").unwrap().is_some());
    fs::write(site.database(), "no database").unwrap();
    assert!(IntakeIndex::open(site.dir()).is_none());
    fs::remove_file(site.database()).unwrap();
    assert!(IntakeIndex::open(site.dir()).is_none());
}

#[test]
fn other_settings_are_noticed_and_new_ones_wait() {
    let (_home, site, store) = site();
    settled(&site, &store);
    Config::set(&site.config_file(), "intake.max_size", "1 KiB").unwrap();
    assert!(IntakeIndex::open(site.dir()).is_none());
    let site = Site::open(site.dir()).unwrap();
    store.settle_intake_index(&site, &may_refuse).unwrap();
    assert!(IntakeIndex::open(site.dir()).is_none(), "they may change within the same tick");
    let index = settled(&site.read_later(), &store);
    assert_eq!(index.settings().max_size, 1024);
}

#[test]
fn a_truncated_file_is_not_an_index() {
    let (_home, site, store) = site();
    create(&store, "dev", "l.example");
    settled(&site, &store);
    let path = site.dir().join(FILE);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(IntakeIndex::open(site.dir()).is_none(), "{length}");
    }
    store.settle_intake_index(&site, &may_refuse).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_process_that_stays_notices_every_change_between_two_questions() {
    let (_home, site, store) = site();
    create(&store, "dev", "l.example");
    let live = LiveIndex::of(site.dir());
    let knows = |name: &str| live.now().map(|index| index.list(name).unwrap().is_some());
    assert_eq!(knows("dev"), None, "there is no index yet");
    settled(&site, &store);
    assert_eq!(knows("dev"), Some(true));
    assert!(Arc::ptr_eq(&live.now().unwrap(), &live.now().unwrap()), "it is not read twice");
    create(&store, "tea", "l.example");
    assert_eq!(knows("tea"), None, "the file was removed before the commit");
    settled(&site, &store);
    assert_eq!(knows("tea"), Some(true));
    store.write(|tx| tx.delete_list(&"tea".parse().unwrap()).map(drop)).unwrap();
    assert_eq!(knows("tea"), None);
    settled(&site, &store);
    assert_eq!((knows("tea"), knows("dev")), (Some(false), Some(true)));
    fs::remove_file(site.dir().join(FILE)).unwrap();
    assert_eq!(knows("dev"), None);
    settled(&site, &store);
    Config::set(&site.config_file(), "intake.max_size", "1 KiB").unwrap();
    assert_eq!(knows("dev"), None, "of other settings");
    let site = Site::open(site.dir()).unwrap().read_later();
    settled(&site, &store);
    assert_eq!(live.now().unwrap().settings().max_size, 1024);
}

#[test]
fn a_process_that_stays_notices_another_database() {
    let (_home, site, store) = site();
    create(&store, "dev", "l.example");
    settled(&site, &store);
    let live = LiveIndex::of(site.dir());
    let backup = site.dir().join("backup.db");
    fs::copy(site.database(), &backup).unwrap();
    store.write(|tx| tx.delete_list(&"dev".parse().unwrap()).map(drop)).unwrap();
    settled(&site, &store);
    assert!(live.now().is_some());
    drop(store);
    fs::rename(&backup, site.database()).unwrap();
    assert!(live.now().is_none());
    let store = Store::open(&site).unwrap();
    settled(&site, &store);
    assert!(live.now().unwrap().list("dev").unwrap().is_some());
    drop(store);
    fs::remove_file(site.database()).unwrap();
    assert!(live.now().is_none());
}

#[test]
fn the_index_leaves_sqlites_locks_alone() {
    let (_home, site, store) = site();
    create(&store, "dev", "l.example");
    store.settle_intake_index(&site, &may_refuse).unwrap();
    let inode = fs::metadata(site.database()).unwrap().ino();
    let locks = || {
        let text = fs::read_to_string("/proc/locks").unwrap();
        let (pid, file) = (format!(" {} ", std::process::id()), format!(":{inode} "));
        text.lines().filter(|line| line.contains(&pid) && line.contains(&file)).count()
    };
    store.read().list("dev").unwrap();
    let before = locks();
    assert!(before > 0, "the database is in use");
    let live = LiveIndex::of(site.dir());
    assert!(live.now().is_some());
    drop(live);
    assert_eq!(locks(), before);
}
