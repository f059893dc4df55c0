//! A list's settings on the web, and who changed them.

use dormouse_testkit::browser::{Browser, encoded, location};
use dormouse_testkit::server::Server;
use dormouse_testkit::site::TestSite;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Two lists with an owner each.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    for list in ["dev", "ops"] {
        site.plain_list(list, &["anna@example.org"]);
        site.ok(&["list", "set", list, &format!("owner={list}-boss@example.org")]);
    }
    site
}

fn status(answer: &str) -> &str {
    &answer[9..12]
}

fn setting(site: &TestSite, name: &str) -> String {
    site.ok(&["list", "show", "dev", name])
}

#[test]
fn a_change_is_shown_before_it_is_saved_and_remembered_with_its_author() {
    let site = site();
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/settings/dev/nondigest";
    let footer = "Bye, äöü <b>\n";
    let form = format!("set-msg_footer={}&do=", encoded(&footer.replace('\n', "\r\n")));
    let shown = browser.send(page, page, &format!("{form}check"));
    assert!(shown.contains("One setting would change"), "{shown}");
    assert!(shown.contains("Bye, äöü &#60;b&#62;"), "{shown}");
    assert_ne!(setting(&site, "msg_footer"), footer);
    let saved = browser.send(page, page, &format!("{form}save"));
    assert!(location(&saved).unwrap().contains("saved=1"), "{saved}");
    assert_eq!(setting(&site, "msg_footer"), footer);
    site.ok(&["list", "set", "dev", "subject_prefix=[cli] "]);
    let trail = browser.get("/mailman/changes/dev");
    assert!(trail.contains("dev-boss@example.org · web"), "{trail}");
    assert!(trail.contains("command line"), "{trail}");
}

#[test]
fn a_change_can_be_taken_back() {
    let site = site();
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    site.ok(&["list", "set", "dev", "description=first"]);
    site.ok(&["list", "set", "dev", "description=second"]);
    let trail = browser.get("/mailman/changes/dev");
    let latest = trail.split("name=\"revert\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let done =
        browser.send("/mailman/changes/dev", "/mailman/changes/dev", &format!("revert={latest}"));
    assert_eq!(status(&done), "303", "{done}");
    assert_eq!(setting(&site, "description").trim(), "first");
    let others = browser.send("/mailman/changes/dev", "/mailman/changes/dev", "revert=999999");
    assert_eq!(status(&others), "404");
}

#[test]
fn what_cannot_be_is_said_and_nothing_is_lost_that_was_typed() {
    let site = site();
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/settings/dev/general";
    let before = setting(&site, "description");
    for wrong in ["set-max_message_size=-5", "set-owner=nobody", "set-subject_prefix=%25(x)s"] {
        let form = format!("{wrong}&set-description=typed&do=save");
        let answer = browser.send(page, page, &form);
        assert_eq!(status(&answer), "422", "{wrong}: {answer}");
        assert!(answer.contains("Nothing was changed: ") && answer.contains("typed"), "{answer}");
    }
    assert_eq!(setting(&site, "description"), before);
}

#[test]
fn settings_are_found_by_their_words_and_go_back_to_the_default() {
    let site = site();
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let found = browser.get("/mailman/settings/dev/search?q=DMARC+reject");
    assert!(found.contains("name=\"set-dmarc_"), "{found}");
    assert!(!found.contains("set-subject_prefix"));
    site.ok(&["list", "set", "dev", "drop_cc=no"]);
    let page = "/mailman/settings/dev/general";
    let shown = browser.send(page, page, "do=default:drop_cc");
    assert!(shown.contains("One setting would change"), "{shown}");
    browser.send(page, page, "set-drop_cc=yes&do=save");
    assert_eq!(setting(&site, "drop_cc").trim(), "yes");
}

#[test]
fn a_preset_shows_what_it_would_change() {
    let site = site();
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let place = "/mailman/settings/dev";
    for preset in ["discussion", "announcement", "newsletter", "private"] {
        let shown = browser.send(place, place, &format!("preset={preset}"));
        assert!(shown.contains("would change"), "{preset}: {shown}");
    }
}

#[test]
fn only_owners_of_the_list_come_here_and_passwords_never_show() {
    let site = site();
    let server = Server::start(&site);
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    for page in ["/mailman/settings/dev", "/mailman/settings/dev/general", "/mailman/changes/dev"] {
        assert_eq!(status(&server.get(page)), "303", "{page}");
        assert_eq!(status(&other.get(page)), "403", "{page}");
        let answer = owner.get(page);
        assert_eq!(status(&answer), "200", "{page}");
        assert!(!answer.contains("argon2"), "{page}");
    }
    let key = owner.get("/mailman/settings/dev/general");
    let key = key.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let forged = format!("key={key}&set-description=x&do=save");
    assert_eq!(status(&other.post("/mailman/settings/dev/general", &forged)), "403");
    let without = owner.post("/mailman/settings/dev/general", "set-description=x&do=save");
    assert_eq!(status(&without), "403");
    let secret = "set-password=x&set-pipeline=x&do=save";
    let answer =
        owner.send("/mailman/settings/dev/general", "/mailman/settings/dev/general", secret);
    assert!(answer.contains("Nothing was changed."), "{answer}");
}

#[test]
fn mailmans_categories_lead_to_the_settings() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    for (old, new) in [
        ("general", "general"),
        ("nondigest", "nondigest"),
        ("digest", "digest"),
        ("privacy", "joining"),
        ("privacy/subscribing", "joining"),
        ("privacy/sender", "posting"),
        ("privacy/spam", "posting"),
        ("bounce", "bounce"),
        ("archive", "archive"),
        ("gateway", "gateway"),
        ("autoreply", "autoreply"),
        ("contentfilter", "contentfilter"),
        ("topics", "topics"),
    ] {
        let led = location(&owner.get(&format!("/mailman/admin/dev/{old}"))).unwrap();
        assert_eq!(led, format!("/mailman/settings/dev/{new}"), "{old}");
        assert_eq!(status(&owner.get(&led)), "200", "{old}");
    }
}
