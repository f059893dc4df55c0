use super::*;
use crate::check::Subject;
use crate::{Store, testing};

fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let site = testing::site(home.path(), "l.example").unwrap();
    let store = Store::open(&site).unwrap();
    (home, store)
}

fn create(store: &Store, name: &str, host: &str) -> Result<List, StoreError> {
    let name = name.parse().map_err(StoreError::Setting)?;
    store.write(|tx| tx.create_list(&name, host, &[]))
}

#[test]
fn a_list_takes_no_address_from_another() {
    let (_home, store) = store();
    create(&store, "friends", "l.example").unwrap();
    for name in ["friends-owner", "friends-request", "friends-join@l.example"] {
        let refused = create(&store, name, "l.example").unwrap_err().to_string();
        assert!(refused.contains("an address of the list friends"), "{refused}");
    }
    create(&store, "net-admin", "l.example").unwrap();
    let refused = create(&store, "net", "l.example").unwrap_err().to_string();
    assert!(refused.contains("there is already a list net-admin"), "{refused}");
    create(&store, "friends-owner@b.example", "b.example").unwrap();
    create(&store, "friends-of-tea", "l.example").unwrap();
    let refused = create(&store, "odd", "bad host").unwrap_err().to_string();
    assert!(refused.contains("bad host"), "{refused}");
}

#[test]
fn an_invalid_value_is_refused_and_changes_nothing() {
    let (_home, store) = store();
    create(&store, "dev", "l.example").unwrap();
    create(&store, "misc", "l.example").unwrap();
    let change = |name: &str, value: &str| {
        store.write(|tx| tx.change_settings("dev", &[("description", "x"), (name, value)]))
    };
    for (name, wrong) in [
        ("host_name", "bad host"),
        ("host_name", "localhost"),
        ("owner", "notanaddress"),
        ("owner", ""),
        ("moderator", "foo"),
        ("real_name", "Other"),
        ("reply_to_address", "nobody"),
        ("pipeline", "NoSuch"),
        ("max_message_size", "-3"),
        ("digest_size_threshhold", "-1"),
        ("bounce_score_threshold", "-1"),
        ("admin_member_chunksize", "0"),
        ("preferred_language", "xx"),
        ("available_languages", "xx,yy"),
        ("ban_list", "^(foo"),
        ("ban_list", "@misc"),
        ("accept_these_nonmembers", "@nolist"),
        ("accept_these_nonmembers", "@dev"),
        ("header_filter_rules", r#"[["x: y", 99, false]]"#),
        ("header_filter_rules", r#"[["x: (", 3, false]]"#),
        ("bounce_matching_headers", "no rule"),
        ("topics", r#"[["Tea"]]"#),
        ("topics", r#"[["Tea", "(", "", 0]]"#),
        ("web_page_url", "here"),
        ("password", "hello"),
        ("mod_password", "hello"),
        ("post_password", "hello"),
        ("msg_footer", "%(nobody)s"),
        ("msg_footer", "%(real_name)"),
        ("digest_footer", "%(user_name)s"),
        ("autoresponse_admin_text", "%(reel_name)s"),
        ("nonmember_rejection_notice", "%(real_name)s"),
        ("subject_prefix", "[%(real_name)s] "),
        ("subject_prefix", "[%999999999d] "),
        ("subject_prefix", "a\nb"),
        ("new_member_options", "4096"),
        ("max_message_size", "99999999999999"),
        ("digest_size_threshhold", "1e300"),
        ("max_days_to_hold", "99999999999"),
        ("max_days_to_hold", "12h"),
        ("topics_bodylines_limit", "-2"),
        ("bounce_info_stale_after", "-7"),
        ("umbrella_member_suffix", "@x"),
    ] {
        let refused = change(name, wrong).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("{name}: ")), "{name}={wrong}: {refused}");
        let list = store.read().list("dev").unwrap().unwrap();
        assert_eq!(list.settings.description, "", "{name}={wrong}");
    }
    let hint = change("password", "hello").unwrap_err().to_string();
    assert!(hint.contains("dormouse list password dev"), "{hint}");
    for (name, right) in [
        ("real_name", "DEV"),
        ("owner", "a@x.example"),
        ("pipeline", "CookHeaders,ToOutgoing"),
        ("topics_bodylines_limit", "-1"),
        ("accept_these_nonmembers", "@misc\n^.*@x\\.example$\n"),
        ("header_filter_rules", r##"[["# tea\nsubject: .*tea", 7, 0]]"##),
        ("topics", r#"[["Tea", "green\nblack", "", false]]"#),
        ("bounce_matching_headers", "# ours\nX-Spam: ^yes"),
        ("available_languages", "en,de,pt_BR"),
        ("mod_password", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
        ("mod_password", ""),
        ("msg_footer", "100%% of %(real_name)s, 5% off"),
        ("autoresponse_admin_text", "%(listurl)s %(real_name)s"),
        ("nonmember_rejection_notice", "Ask %(listowner)s."),
        ("subject_prefix", "[x %05d] "),
        ("new_member_options", "258"),
        ("bounce_info_stale_after", "12h"),
    ] {
        change(name, right).unwrap_or_else(|error| panic!("{name}={right}: {error}"));
    }
}

#[test]
fn a_list_name_must_be_valid_in_addresses() {
    let (_home, store) = store();
    let long = "x".repeat(60);
    for name in [
        "a..b",
        ".a",
        "a.",
        "-a",
        "",
        "a b",
        "a\tb",
        "a\u{7}b",
        "a/b",
        "a@b@c",
        "a@",
        "@l.example",
        "a,b",
        "dev.mbox",
        "grün",
        "..",
        &long,
    ] {
        assert!(create(&store, name, "l.example").is_err(), "{name:?}");
    }
    for name in ["a.b", "a+b", "x=y", "_a", "7", "Dev"] {
        create(&store, name, "l.example").unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn a_list_may_be_like_another_and_has_its_own_name() {
    let (_home, store) = store();
    create(&store, "tea", "l.example").unwrap();
    create(&store, "milk", "l.example").unwrap();
    let changes = [
        ("subject_prefix", "[Tea %d] "),
        ("max_message_size", "7"),
        ("description", "leaves"),
        ("bounce_info_stale_after", "12h"),
        ("owner", "a@x.example"),
    ];
    store.write(|tx| tx.change_settings("tea", &changes)).unwrap();
    let tea = store.read().list("tea").unwrap().unwrap();
    store.write(|tx| tx.settings_like("milk", &tea)).unwrap();
    let milk = store.read().list("milk").unwrap().unwrap().settings;
    assert_eq!((milk.subject_prefix.as_str(), milk.max_message_size), ("[Milk %d] ", 7));
    assert_eq!((milk.description.as_str(), milk.real_name.as_str()), ("", "Milk"));
    assert_eq!(milk.bounce_info_stale_after.seconds(), 43_200);
    assert!(milk.owner.is_empty());
    assert!(OWN.iter().all(|name| ListSettings::is_known(name)));
}

#[test]
fn a_new_lists_settings_are_ones_that_could_be_set() {
    let (_home, store) = store();
    let owner = ["a@x.example".to_owned()];
    let list =
        store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &owner)).unwrap();
    let of = Subject { name: "dev", settings: &list.settings, is_list: &|_| false };
    for name in ListSettings::names() {
        assert_eq!(ListSettings::check(name, of), Ok(()), "{name}");
    }
}
