//! Guarantees of the store: atomic changes, no repeated effects, members in constant memory.

use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_store::{
    Added, Audience, BounceEvent, BounceKind, BounceOutcome, BounceSource, BounceState, Cursor,
    Delivery, HeldPost, List, ListName, MemberOption, NewMember, Site, Store, StoreError,
};
use proptest::prelude::*;
use std::fs;
use tempfile::TempDir;

fn time(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn site_in_a_file() -> (TempDir, Site) {
    let home = tempfile::tempdir().unwrap();
    let site = Site::init(&home.path().join("site"), "lists.example.org").unwrap();
    (home, site)
}

fn site() -> (TempDir, Site) {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("site");
    let site = match throwaway_postgres::wanted() {
        Some(server) => Site::init_on(&dir, "lists.example.org", &server).unwrap().0,
        None => Site::init(&dir, "lists.example.org").unwrap(),
    };
    (home, site)
}

fn list(store: &Store, name: &str, host: &str) -> List {
    let owner = ["owner@example.org".to_owned()];
    store.write(|tx| tx.create_list(&name.parse().unwrap(), host, &owner)).unwrap()
}

fn add(store: &Store, list: &List, address: &str) -> Added {
    let new = NewMember { address: address.to_owned(), real_name: String::new(), digest: false };
    store.write(|tx| tx.add_member(list, &new, time(1.0), "test")).unwrap()
}

#[test]
fn a_new_list_has_mailmans_names_and_defaults() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let made = list(&store, "Dev", "Lists.Example.org");
    assert_eq!(made.name, "dev");
    assert_eq!(made.settings.real_name, "Dev");
    assert_eq!(made.settings.subject_prefix, "[Dev] ");
    assert_eq!(made.address(), "dev@lists.example.org");
    assert_eq!(made.sub_address("bounces"), "dev-bounces@lists.example.org");
    assert_eq!(made.settings.owner, ["owner@example.org"]);
    assert_eq!(
        made.web_url(site.config(), "listinfo"),
        "https://lists.example.org/mailman/listinfo/dev"
    );
    let again = store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "x.example", &[]));
    assert!(matches!(again, Err(StoreError::ListExists(name)) if name == "dev"));
}

#[test]
fn the_pages_of_a_list_are_on_its_host() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let (one, other) = (list(&store, "one", "one.example"), list(&store, "other", "other.example"));
    let mut config = site.config().clone();
    for (web, archive, page, pages_of_archive) in [
        ("", "", "https://HOST/mailman/listinfo/", "https://HOST/pipermail/"),
        ("https://%(hostname)s/l/", "", "https://HOST/l/listinfo/", "https://HOST/pipermail/"),
        (
            "http://w.%(hostname)s",
            "http://a.%(hostname)s/x",
            "http://w.HOST/listinfo/",
            "http://a.HOST/x/",
        ),
        (
            "https://all.example/m/",
            "https://all.example/p/",
            "https://all.example/m/listinfo/",
            "https://all.example/p/",
        ),
    ] {
        config.web_url = web.to_owned();
        config.archive_url = archive.to_owned();
        for (list, host) in [(&one, "one.example"), (&other, "other.example")] {
            let name = list.local_part();
            let wanted = |url: &str| format!("{}{name}", url.replace("HOST", host));
            assert_eq!(list.web_url(&config, "listinfo"), wanted(page), "{web}");
            assert_eq!(list.archive_url(&config), wanted(pages_of_archive) + "/", "{archive}");
        }
    }
    // A list's own URL has precedence, and is used unchanged.
    let mut own = other;
    own.settings.web_page_url = "https://own.example/".to_owned();
    assert_eq!(own.web_url(&config, "listinfo"), "https://own.example/listinfo/other");
}

#[test]
fn names_that_could_lead_elsewhere_are_refused() {
    for name in ["../etc", "a/b", "", ".hidden", "-x", "sp ace", "ü"] {
        assert!(name.parse::<ListName>().is_err(), "{name:?}");
    }
}

#[test]
fn a_host_is_a_host_in_the_name_too() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let made = |name: &str, host: &str| {
        let name = name.parse().map_err(StoreError::Setting)?;
        store.write(|tx| tx.create_list(&name, host, &[]))
    };
    for host in [
        "h.example\nBcc: x@y.example",
        "h.example\r",
        "h.example/..",
        "..",
        "h..example",
        ".h.example",
        "h.example.",
        "h example",
        "-h.example",
        "h_x.example",
        "h@x.example",
        "ü.example",
        "",
    ] {
        assert!(made("dev", host).is_err(), "{host:?}");
        assert!(made(&format!("dev@{host}"), "h.example").is_err(), "dev@{host:?}");
    }
    assert_eq!(made("dev@H.example", "H.Example").unwrap().address(), "dev@h.example");
    assert_eq!(made("ops", "localhost").unwrap().address(), "ops@localhost");
}

#[test]
fn two_hosts_may_have_a_list_of_one_name() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    list(&store, "info", "a.example");
    let at = |local: &str, domain: &str| {
        store.read().list_by_address(local, domain).unwrap().map(|list| list.name)
    };
    assert_eq!(
        at("info", "elsewhere.example").as_deref(),
        Some("info"),
        "the only one of the name"
    );
    list(&store, "info@b.example", "b.example");
    assert_eq!(at("info", "a.example").as_deref(), Some("info"));
    assert_eq!(at("info", "b.example").as_deref(), Some("info@b.example"));
    assert_eq!(at("info", "elsewhere.example"), None);
    assert_eq!(store.read().list("info@b.example").unwrap().unwrap().address(), "info@b.example");
}

#[test]
fn settings_are_kept_and_a_default_is_not_stored() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    list(&store, "dev", "h.example");
    store.write(|tx| tx.set_setting("dev", "max_message_size", "7")).unwrap();
    assert_eq!(store.read().list("dev").unwrap().unwrap().settings.max_message_size, 7);
    store.write(|tx| tx.set_setting("dev", "max_message_size", "40")).unwrap();
    assert_eq!(store.read().list("dev").unwrap().unwrap().settings.max_message_size, 40);
    let error = store.write(|tx| tx.set_setting("dev", "nonsense", "1")).unwrap_err();
    assert!(matches!(error, StoreError::Setting(_)));
}

#[test]
fn a_member_is_known_in_any_case_and_added_once() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    assert_eq!(add(&store, &dev, "Anna@example.org"), Added::Added);
    assert_eq!(add(&store, &dev, "anna@example.org"), Added::AlreadyMember);
    let mut anna = store.read().member(dev.id, "ANNA@example.org").unwrap().unwrap();
    assert_eq!(anna.address, "Anna@example.org");
    assert!(anna.options.has(MemberOption::DontReceiveDuplicates));
    anna.delivery = Delivery::ByUser;
    store.write(|tx| tx.update_member(dev.id, &anna, time(5.0))).unwrap();
    assert!(
        store
            .read()
            .recipients(dev.id, Audience::Regular { issue: None }, None, 10)
            .unwrap()
            .is_empty()
    );
    assert!(
        store.write(|tx| tx.remove_member(dev.id, "anna@EXAMPLE.org", "by me", time(2.0))).unwrap()
    );
    assert!(!store.read().is_member(dev.id, "anna@example.org").unwrap());
}

#[test]
fn members_are_found_by_any_part_of_address_or_name_in_any_script() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    let addresses = ["anna@x.example", "zoë@x.example", "ｚ@x.example", "𐐨@x.example"];
    addresses.iter().for_each(|address| assert_eq!(add(&store, &dev, address), Added::Added));
    let found = |text: &str, after: &str, most: u32| -> Vec<String> {
        let after = AddressKey::of(after);
        let (members, end) = store.read().find_members(dev.id, text, &after, most).unwrap();
        assert_eq!(end, None, "all were looked through");
        members.into_iter().map(|member| member.address).collect()
    };
    assert_eq!(found("", "", 10), addresses);
    assert_eq!(found("X.Exam", "", 10), addresses);
    assert_eq!(found("", "zoë@x.example", 1), ["ｚ@x.example"]);
    for address in addresses {
        let local = address.split('@').next().unwrap();
        assert_eq!(found(local, "", 10), [address]);
    }
    assert!(found("nobody", "", 10).is_empty());
}

#[test]
fn a_list_goes_with_everything_that_is_its_own() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    add(&store, &dev, "anna@example.org");
    assert!(store.write(|tx| tx.delete_list(&"dev".parse().unwrap())).unwrap());
    assert!(!store.write(|tx| tx.delete_list(&"dev".parse().unwrap())).unwrap());
    let again = list(&store, "dev", "h.example");
    assert_eq!(store.read().count_members(again.id).unwrap(), 0);
}

#[test]
fn a_post_is_held_once_however_often_its_entry_is_processed() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    let post = HeldPost {
        list_id: dev.id,
        entry: "1.0+a".to_owned(),
        sender: "s@example.com".to_owned(),
        subject: "x".to_owned(),
        reason: "because".to_owned(),
        setting: "emergency".to_owned(),
        cookie: "c0ffee".to_owned(),
        held_at: time(1.0),
    };
    let first = store.write(|tx| tx.hold(&post, b"bytes")).unwrap();
    let second = store.write(|tx| tx.hold(&post, b"other")).unwrap();
    assert_eq!((&first, &first.post), (&second, &post));
    assert_eq!(store.read().held_posts(dev.id).unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.read().held_by_cookie("c0ffee").unwrap().as_ref(), Some(&first));
    assert_eq!(store.read().held_content(first.id).unwrap().as_deref(), Some(&b"bytes"[..]));
    let event = BounceEvent {
        list_id: dev.id,
        address: "a@example.org".to_owned(),
        entry: "1.0+a".to_owned(),
        kind: BounceKind::Permanent,
        status: "5.1.1".to_owned(),
        code: 550,
        text: "no".to_owned(),
        source: BounceSource::Smtp,
        outcome: BounceOutcome::Scored,
        at: time(1.0),
    };
    for _ in 0..2 {
        store.write(|tx| tx.add_bounce_event(&event)).unwrap();
    }
    assert_eq!(store.read().bounce_events(dev.id).unwrap(), std::slice::from_ref(&event));
    assert_eq!(store.read().bounce_events_of_entry("1.0+a").unwrap(), [event]);
    assert_eq!(store.read().count_bounced(dev.id, BounceKind::Permanent, time(0.5)).unwrap(), 1);
    assert_eq!(store.read().count_bounced(dev.id, BounceKind::Permanent, time(1.0)).unwrap(), 0);
    assert_eq!(store.write(|tx| tx.forget_bounces(time(2.0))).unwrap(), 1);
}

#[test]
fn a_members_bounces_are_erased_when_delivery_resumes() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    add(&store, &dev, "Anna@example.org");
    let state = BounceState {
        score: 2.5,
        date: "2026-11-23".to_owned(),
        notices_left: 3,
        ..BounceState::default()
    };
    store.write(|tx| tx.set_bounce_state(dev.id, "ANNA@example.org", &state)).unwrap();
    assert_eq!(store.read().bounce_state(dev.id, "anna@example.org").unwrap(), Some(state));
    assert_eq!(store.read().bounce_state(dev.id, "bert@example.org").unwrap(), None);
    assert_eq!(store.read().bouncing_members(dev.id).unwrap(), ["anna@example.org"]);
    for (delivery, left) in [(Delivery::ByBounce, 2.5), (Delivery::Enabled, 0.0)] {
        let mut member = store.read().member(dev.id, "anna@example.org").unwrap().unwrap();
        member.delivery = delivery;
        store.write(|tx| tx.update_member(dev.id, &member, time(2.0))).unwrap();
        assert_eq!(
            store.read().bounce_state(dev.id, "anna@example.org").unwrap().unwrap().score,
            left
        );
    }
    assert!(store.read().bouncing_members(dev.id).unwrap().is_empty());
}

#[test]
fn a_change_that_fails_half_way_changes_nothing() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let failed: Result<(), StoreError> = store.write(|tx| {
        tx.create_list(&"dev".parse().unwrap(), "h.example", &[])?;
        Err(StoreError::Setting("no".to_owned()))
    });
    assert!(failed.is_err());
    assert!(store.read().list("dev").unwrap().is_none());
}

#[test]
fn writers_at_the_same_time_wait_for_each_other() {
    let (_home, site) = site();
    let dev = list(&Store::open(&site).unwrap(), "dev", "h.example");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (site, dev) = (&site, &dev);
            scope.spawn(move || {
                let store = Store::open(site).unwrap();
                for number in 0..25 {
                    add(&store, dev, &format!("m{number}@w{writer}.example"));
                }
            });
        }
    });
    assert_eq!(Store::open_read_only(&site).unwrap().read().count_members(dev.id).unwrap(), 200);
}

#[test]
fn a_newer_database_is_refused_and_no_database_is_named() {
    let (_home, site) = site_in_a_file();
    drop(Store::open(&site).unwrap());
    let whole = fs::read(site.database()).unwrap();
    // Nothing creates a new one, with which mail for all lists would be rejected.
    fs::remove_file(site.database()).unwrap();
    for opened in [Store::open(&site), Store::open_read_only(&site)] {
        assert!(opened.unwrap_err().to_string().contains("dormouse.db"));
        assert!(!site.database().exists());
    }
    fs::write(site.database(), "").unwrap();
    for opened in [Store::open(&site), Store::open_read_only(&site)] {
        assert!(matches!(opened, Err(StoreError::Empty(_))));
    }
    fs::write(site.database(), whole).unwrap();
    rusqlite::Connection::open(site.database())
        .unwrap()
        .pragma_update(None, "user_version", 999)
        .unwrap();
    assert!(matches!(Store::open(&site), Err(StoreError::Newer { found: 999, .. })));
}

#[test]
fn a_file_that_is_not_a_database_is_named() {
    let (_home, site) = site_in_a_file();
    fs::write(site.database(), "this is no database, and long enough to look at".repeat(100))
        .unwrap();
    let error = Store::open(&site).unwrap_err().to_string();
    assert!(error.contains("dormouse.db") && error.contains("backup"), "{error}");
}

#[test]
fn a_directory_without_a_site_and_a_second_init_are_refused() {
    let (home, site) = site();
    assert!(matches!(Site::open(home.path()), Err(StoreError::NoSite(_))));
    assert!(matches!(Site::init(site.dir(), "h.example"), Err(StoreError::SiteExists(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_of_recipients_are_all_recipients_in_the_order_of_their_domains(
        addresses in prop::collection::btree_set("[a-c]{1,3}@[x-z]{1,2}\\.org", 0..60)
            .prop_map(Vec::from_iter)
            .prop_shuffle(),
        page in 1usize..9,
    ) {
        let (_home, site) = site();
        let store = Store::open(&site).unwrap();
        let dev = list(&store, "dev", "h.example");
        // Half of them are not written like their keys.
        for (number, address) in addresses.iter().enumerate() {
            add(&store, &dev, &if number % 2 == 0 { address.clone() } else { address.to_uppercase() });
        }
        let mut streamed = Vec::new();
        let mut after = None;
        loop {
            let fetched = store.read().recipients(dev.id, Audience::Regular { issue: None }, after.as_ref(), page).unwrap();
            let Some(last) = fetched.last() else { break };
            // A cursor can be converted to text and back.
            after = Some(Cursor::from(Cursor::from(last.key).to_string().as_str()));
            for recipient in fetched.iter() {
                prop_assert_eq!(recipient.address.to_lowercase(), recipient.key);
                streamed.push(recipient.key.to_owned());
            }
        }
        let mut sorted = addresses;
        sorted.sort_by_key(|address| address.split_once('@').map(|(name, domain)| (domain.to_owned(), name.to_owned())));
        prop_assert_eq!(streamed, sorted);
    }
}

#[test]
fn a_held_posts_number_is_never_given_out_again() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    let hold = |entry: &str| {
        let post = HeldPost {
            list_id: dev.id,
            entry: entry.to_owned(),
            sender: String::new(),
            subject: String::new(),
            reason: String::new(),
            setting: String::new(),
            cookie: entry.to_owned(),
            held_at: time(1.0),
        };
        store.write(|tx| tx.hold(&post, b"")).unwrap().id
    };
    let first = hold("1.0+a");
    assert!(store.write(|tx| tx.release_held(first)).unwrap());
    assert!(!store.write(|tx| tx.release_held(first)).unwrap());
    assert!(hold("1.0+b") > first);
}

#[test]
fn a_secret_is_created_once_and_not_by_a_rehearsal() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let rehearsed = store.rehearse(|tx| tx.secret("links")).unwrap();
    assert_eq!(store.read().existing_secret("links").unwrap(), None);
    let secret = store.write(|tx| tx.secret("links")).unwrap();
    assert_eq!(secret.len(), 32);
    assert_ne!(secret, rehearsed);
    assert_eq!(store.write(|tx| tx.secret("links")).unwrap(), secret);
}

#[test]
fn a_job_is_done_once_for_a_period() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    let done = |period: &str| store.write(|tx| tx.mark_done("pending", dev.id, period)).unwrap();
    assert_eq!([done("d1"), done("d1"), done("d2"), done("d2")], [true, false, true, false]);
}

#[test]
fn answers_are_limited_by_grace_period() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    store.write(|tx| tx.keep_quiet(dev.id, "admin", "A@x.example", time(9.0))).unwrap();
    assert_eq!(store.read().quiet_until(dev.id, "admin", "a@X.example").unwrap(), time(9.0));
    assert_eq!(store.read().quiet_until(dev.id, "postings", "a@x.example").unwrap(), time(0.0));
}

#[test]
fn recent_posts_count_once_each_and_for_a_while() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    let count = |entry: &str, now: Timestamp| {
        let until = now + 10.0;
        store.write(|tx| tx.count_recent(dev.id, "A@x.example", entry, until, now)).unwrap()
    };
    assert_eq!(
        [
            count("1", time(0.0)),
            count("2", time(1.0)),
            count("2", time(1.0)),
            count("3", time(10.5))
        ],
        [1, 2, 2, 2]
    );
}

#[test]
fn a_pattern_problem_is_told_once_a_month_and_dns_answers_expire() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    let tell = |now: Timestamp| {
        store.write(|tx| tx.note_pattern_problem(dev.id, "ban_list", "^(", "open", now)).unwrap()
    };
    let day = 86_400.0;
    assert_eq!(
        [tell(time(day)), tell(time(2.0 * day)), tell(time(40.0 * day))],
        [true, false, true]
    );
    let answer = dormouse_store::dns::DnsAnswer {
        name: "_dmarc.x",
        answer: "none".to_owned(),
        expires_at: time(50.0),
    };
    store.write(|tx| tx.keep_dns_answers(&[answer], time(40.0))).unwrap();
    assert_eq!(store.read().dns_answer("_dmarc.x", time(49.0)).unwrap().as_deref(), Some("none"));
    assert_eq!(store.read().dns_answer("_dmarc.x", time(50.0)).unwrap(), None);
}

#[test]
fn a_post_waits_once_for_the_digest() {
    let (_home, site) = site();
    let store = Store::open(&site).unwrap();
    let dev = list(&store, "dev", "h.example");
    for entry in ["1", "1", "2"] {
        store.write(|tx| tx.add_to_digest(&dev, entry, time(1.0), b"12345")).unwrap();
    }
    assert_eq!(store.read().digest_size(dev.id).unwrap(), (2, 10));
}
