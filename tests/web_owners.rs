//! What owners do on the web: settings, who changed them, and members.

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

#[test]
fn people_are_added_by_paste_after_a_look_at_what_would_happen() {
    let site = site();
    site.ok(&["list", "set", "dev", "ban_list=^.*@banned.example", "send_welcome_msg=no"]);
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/members/dev/add";
    let mut people = String::from("anna@example.org\nx@banned.example\nnot an address\n");
    for number in 0..50 {
        people.push_str(&format!("Name {number} <new{number}@example.net>\r\n"));
    }
    let form = format!("people={}&do=", encoded(&people));
    let shown = browser.send(page, page, &format!("{form}check"));
    for words in ["50 new addresses", "1 is a member already", "1 is banned", "1 line names nobody"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(site.ok(&["member", "ls", "dev"]).lines().count(), 1);
    let done = browser.send(page, page, &format!("{form}add"));
    assert!(location(&done).unwrap().ends_with("added=50"), "{done}");
    assert!(browser.follow(&done).contains("50 people were added."));
    assert_eq!(site.ok(&["member", "ls", "dev"]).lines().count(), 51);
    let found = browser.get("/mailman/members/dev?q=NAME+7");
    assert!(found.contains("new7@example.net") && !found.contains("new8@example.net"), "{found}");
    let invited = browser.send(page, page, "people=guest@example.com&do=invite");
    assert!(location(&invited).unwrap().ends_with("invited=1"), "{invited}");
    assert!(!site.ok(&["member", "ls", "dev"]).contains("guest@example.com"));
}

#[test]
fn pages_of_members_follow_each_other_to_the_end() {
    let site = site();
    let people: String = (0..120).map(|number| format!("m{number:03}@example.net\n")).collect();
    site.feed(&["member", "add", "dev", "--file", "-", "--welcome", "no"], people.as_bytes());
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let mut place = "/mailman/members/dev?q=m1".to_owned();
    let mut seen = 0;
    loop {
        let page = browser.get(&place);
        seen += page.matches("name=\"who\"").count();
        match page.split("class=\"button\" href=\"").find_map(|rest| {
            let target = rest.split('"').next().unwrap();
            target.contains("after=").then(|| target.replace("&#38;", "&"))
        }) {
            Some(next) => place = next,
            None => break,
        }
    }
    assert_eq!(seen, 20, "m100 to m119");
    let table = browser.get("/mailman/members/dev/export");
    assert!(table.contains("text/csv") && table.contains("\"m042@example.net\""), "{table}");
}

#[test]
fn a_members_options_bounces_and_removal_are_on_one_page() {
    let site = site();
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/members/dev/member?who=anna%40example.org";
    let action = "/mailman/members/dev/member";
    let form = "who=anna@example.org&realname=Anna+%3CB%3E&digest=mime&mod=on&off=on&do=save";
    let saved = browser.send(page, action, form);
    assert!(browser.follow(&saved).contains("It is saved."), "{saved}");
    let shown = site.ok(&["member", "show", "dev", "anna@example.org", "--json"]);
    assert!(shown.contains("Anna <B>") && shown.contains("byadmin"), "{shown}");
    let again = browser.send(page, action, "who=anna@example.org&do=again");
    assert!(browser.follow(&again).contains("Delivery is on again"), "{again}");
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    assert_eq!(status(&other.get(page)), "403");
    browser.send(page, action, "who=anna@example.org&do=remove");
    assert_eq!(status(&browser.get(page)), "404");
    assert_eq!(site.ok(&["member", "ls", "dev"]), "");
}

#[test]
fn a_membership_is_brought_in_line_with_a_list_but_never_emptied_by_a_slip() {
    let site = site();
    site.ok(&["member", "add", "dev", "bert@example.net", "--welcome", "no"]);
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/members/dev/sync";
    let form = "people=bert@example.net%0Acarl@example.net&do=";
    let shown = browser.send(page, page, &format!("{form}check"));
    assert!(shown.contains("1 address would be added"), "{shown}");
    assert!(shown.contains("1 member would be removed"), "{shown}");
    for slip in ["people=&do=sync", "people=bert@example.net%0Aoops&do=sync"] {
        let refused = browser.send(page, page, slip);
        assert_eq!(status(&refused), "200", "{slip}");
        assert_eq!(site.ok(&["member", "ls", "dev"]).lines().count(), 2, "{slip}");
    }
    let done = browser.send(page, page, &format!("{form}sync"));
    assert!(location(&done).unwrap().ends_with("added=1&removed=1"), "{done}");
    let members = site.ok(&["member", "ls", "dev"]);
    assert!(members.contains("carl@") && !members.contains("anna@"), "{members}");
}
