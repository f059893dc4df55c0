//! The owners' pages: settings, who changed them, and members.

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
    assert!(shown.contains("1 setting would change"), "{shown}");
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
    assert!(shown.contains("1 setting would change"), "{shown}");
    browser.send(page, page, "set-drop_cc=yes&do=save");
    assert_eq!(setting(&site, "drop_cc").trim(), "yes");
}

#[test]
fn a_preset_shows_what_it_would_change() {
    let site = site();
    let server = Server::start(&site);
    let browser = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let place = "/mailman/settings/dev";
    for preset in ["discussion", "announcement", "newsletter", "private", "classic"] {
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
    for words in
        ["50 new addresses", "1 is already a member", "1 is banned", "1 line contains no address"]
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
    assert!(browser.follow(&saved).contains("Saved."), "{saved}");
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
fn members_are_synchronized_with_a_file_but_never_all_removed_by_mistake() {
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

/// Signs in as the site's administrator.
fn chief<'s>(site: &TestSite, server: &'s Server) -> Browser<'s> {
    Browser::signed_in(server, site, "chief@example.org")
}

fn with_chief() -> TestSite {
    let site = site();
    site.ok(&["config", "set", "web.administrators", "chief@example.org"]);
    site.ok(&["member", "add", "ops", "--welcome", "no", "chief@example.org"]);
    site
}

#[test]
fn a_lists_passwords_are_set_and_removed_and_never_shown() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/settings/dev/passwords";
    let led = location(&owner.get("/mailman/admin/dev/passwords"));
    assert_eq!(led.as_deref(), Some(page), "Mailman's category leads here");
    for (role, setting, opens) in [
        ("owner", "password", "/mailman/settings/dev"),
        ("moderator", "mod_password", "/mailman/admindb/dev"),
    ] {
        let secret = format!("{role}-secret");
        let form = format!("password={secret}&again={secret}&do=set:{role}");
        let done = owner.send(page, page, &form);
        let said = owner.follow(&done);
        assert!(said.contains("The password was changed"), "{role}: {done}");
        assert!(!said.contains(&secret) && !said.contains("argon2"), "{said}");
        let by_password = Browser::with_password(&server, "dev", &secret);
        assert_eq!(status(&by_password.get(opens)), "200", "{role}");
        owner.send(page, page, &format!("do=remove:{role}"));
        assert_eq!(status(&by_password.get(opens)), "303", "{role}: signed out");
        let trail = owner.get("/mailman/changes/dev");
        assert!(trail.contains(setting) && trail.contains("dev-boss@example.org"), "{trail}");
    }
    // The posters' password lets a post through.
    site.ok(&["list", "set", "dev", "emergency=yes"]);
    owner.send(page, page, "password=may-post&again=may-post&do=set:poster");
    let post = b"From: anna@example.org\nTo: dev@lists.example.org\nSubject: now\n\
        Message-ID: <now@x>\nApproved: may-post\n\nhello\n";
    site.post("dev", post);
    site.ok(&["run"]);
    assert_eq!(site.ok(&["held", "ls", "dev", "--json"]).trim(), "[]");
}

#[test]
fn a_password_is_refused_that_is_empty_or_not_the_same_twice() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/settings/dev/passwords";
    for wrong in ["password=a&again=b", "password=&again=", "password=%20&again=%20", "password=a"]
    {
        let answer = owner.send(page, page, &format!("{wrong}&do=set:owner"));
        assert_eq!(status(&answer), "422", "{wrong}: {answer}");
        assert!(answer.contains("Nothing was changed"), "{wrong}: {answer}");
        assert!(!owner.get(page).contains("A password is set."), "{wrong}");
    }
    for unknown in ["set:site", "set:", "look:owner", ""] {
        let form = format!("password=a&again=a&do={unknown}");
        assert_eq!(status(&owner.send(page, page, &form)), "404", "{unknown}");
    }
    assert_eq!(status(&owner.post(page, "password=a&again=a&do=set:owner")), "403", "no key");
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    assert_eq!(status(&other.get(page)), "403");
    assert_eq!(status(&server.get(page)), "303");
}

#[test]
fn a_site_administrator_creates_a_list_that_takes_posts() {
    let site = with_chief();
    site.ok(&["aliases", "--install"]);
    let server = Server::start(&site);
    let chief = chief(&site, &server);
    let page = "/mailman/create";
    let form = "name=News&owners=ed%40example.org%0D%0Aeva%40example.org&language=de\
        &preset=private&tell=on";
    let created = chief.send(page, page, form);
    assert_eq!(location(&created).as_deref(), Some("/mailman/admin/news"), "{created}");
    assert_eq!(status(&chief.follow(&created)), "200");
    let show = |setting: &str| site.ok(&["list", "show", "news", setting]).trim().to_owned();
    assert_eq!(show("owner"), "ed@example.org\neva@example.org");
    assert_eq!(show("preferred_language"), "de");
    assert_eq!(show("subscribe_policy"), "confirm-and-approve");
    let aliases = std::fs::read_to_string(site.dir().join("aliases")).unwrap();
    assert!(aliases.contains("news-request"), "{aliases}");
    site.ok(&["run"]);
    assert_eq!(site.maildir("ed@example.org").len(), 1);
    let trail = chief.get("/mailman/changes/news");
    assert!(trail.contains("chief@example.org · web"), "{trail}");
    site.ok(&["member", "add", "news", "--welcome", "no", "ed@example.org"]);
    let post = b"From: ed@example.org\nTo: news@lists.example.org\nSubject: first\n\
        Message-ID: <first@x>\n\nhello\n";
    site.post("news", post);
    site.ok(&["run"]);
    assert_eq!(site.maildir("ed@example.org").len(), 2);
}

#[test]
fn a_list_that_cannot_be_is_refused_with_what_was_typed() {
    let site = with_chief();
    let server = Server::start(&site);
    let chief = chief(&site, &server);
    let page = "/mailman/create";
    for wrong in [
        "name=dev&owners=ed%40example.org",
        "name=dev-request&owners=ed%40example.org",
        "name=a%2Fb&owners=ed%40example.org",
        "name=&owners=ed%40example.org",
        "name=new%40a..b&owners=ed%40example.org",
        "name=new&owners=nobody",
        "name=new&owners=",
        "name=new&owners=ed%40example.org&language=xx",
        "name=new&owners=ed%40example.org&preset=xx",
    ] {
        let answer = chief.send(page, page, wrong);
        assert_eq!(status(&answer), "422", "{wrong}: {answer}");
        assert!(answer.contains("Nothing was created: "), "{wrong}: {answer}");
    }
    let typed = chief.send(page, page, "name=%22%3E%3Cscript%3E&owners=%3Cb%3E");
    assert!(!typed.contains("<script>") && !typed.contains("<b>&"), "{typed}");
    assert_eq!(site.ok(&["list", "ls", "--json"]).matches("\"name\"").count(), 2);
}

#[test]
fn only_site_administrators_create_lists_and_others_are_told() {
    let site = with_chief();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    assert!(owner.get("/mailman/create").contains("created by the site"));
    assert_eq!(status(&server.get("/mailman/create")), "303");
    let form = "name=new&owners=dev-boss%40example.org";
    assert_eq!(status(&owner.send("/mailman/settings/dev", "/mailman/create", form)), "403");
    let chief = chief(&site, &server);
    assert_eq!(status(&chief.post("/mailman/create", form)), "403", "without a key");
    assert!(!site.ok(&["list", "ls"]).contains("new@"));
    assert!(chief.get("/mailman/admin").contains("href=\"/mailman/create\""));
    assert!(!owner.get("/mailman/admin").contains("/mailman/create"));
}

#[test]
fn a_list_is_removed_once_its_name_is_typed_and_can_come_back() {
    let site = site();
    let mail = b"From: x@example.net\nTo: dev@lists.example.org\nSubject: held\n\
        Message-ID: <held@x>\n\nhello\n";
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site.post("dev", mail);
    site.ok(&["run"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/rmlist/dev";
    let asked = owner.get(page);
    for words in ["1 membership;", "1 held post<", "dev@lists.example.org"] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    for slip in ["", "name=", "name=ops", "name=de"] {
        let answer = owner.send(page, page, slip);
        assert_eq!(status(&answer), "422", "{slip}: {answer}");
    }
    assert_eq!(status(&owner.post(page, "name=dev")), "403", "without a key");
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    assert_eq!(status(&other.get(page)), "403");
    assert_eq!(status(&server.get(page)), "303");
    assert!(site.ok(&["list", "ls"]).contains("dev@"));
    let removed = owner.send(page, page, "name=Dev");
    assert!(removed.contains("Dev was removed"), "{removed}");
    assert!(!site.ok(&["list", "ls"]).contains("dev@"));
    let file = removed.split("in the file ").nth(1).unwrap().split(',').next().unwrap();
    let file = site.dir().join("removed").join(file);
    site.ok(&["list", "restore", file.to_str().unwrap()]);
    assert!(site.ok(&["member", "ls", "dev"]).contains("anna@example.org"));
    assert!(site.ok(&["held", "ls", "dev"]).contains("held"));
}

/// Puts a message for a list that does not exist into `shunt`.
fn shunted(site: &TestSite, subject: &str) {
    let mail = format!(
        "From: x@example.net\nTo: gone@lists.example.org\nSubject: {subject}\n\
         Message-ID: <{}@x>\n\nhello\n",
        subject.len()
    );
    site.plain_list("gone", &["anna@example.org"]);
    site.post("gone", mail.as_bytes());
    site.ok(&["list", "rm", "gone", "--yes"]);
    site.ok(&["run"]);
}

#[test]
fn site_administrators_see_what_was_set_aside_put_it_back_and_remove_it() {
    let site = with_chief();
    shunted(&site, "one");
    shunted(&site, "<script>two</script>");
    assert_eq!(site.files("shunt", "pck").len(), 2);
    let server = Server::start(&site);
    let chief = chief(&site, &server);
    let page = "/mailman/queues";
    let shown = chief.get(page);
    assert!(shown.contains("there is no list &#34;gone&#34;"), "{shown}");
    assert!(!shown.contains("<script>") && shown.contains("&#60;script&#62;two"), "{shown}");
    let keys: Vec<String> = shown
        .split("value=\"retry:")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace("&#43;", "+"))
        .collect();
    assert_eq!(keys.len(), 2, "{shown}");
    let (queue, name) = keys[0].split_once('/').unwrap();
    let look = chief.get(&format!("{page}/entry/{queue}/{}", encoded(name)));
    assert!(look.contains("shunt_reason") && look.contains("hello"), "{look}");
    // The list exists again, so that message reaches it.
    site.plain_list("gone", &["anna@example.org"]);
    let done = chief.send(page, page, &format!("do=retry:{}", encoded(&keys[0])));
    assert!(chief.follow(&done).contains("put back into its queue"), "{done}");
    let done = chief.send(page, page, &format!("do=remove:{}", encoded(&keys[1])));
    assert!(chief.follow(&done).contains("The entry was deleted."), "{done}");
    assert_eq!(site.files("shunt", "pck").len(), 0);
    site.ok(&["run"]);
    assert_eq!(site.files("shunt", "pck").len(), 0);
    let late = chief.post(page, &format!("do=retry:{}", encoded(&keys[1])));
    assert_eq!(status(&late), "403", "without a key");
    assert_eq!(status(&chief.get(&format!("{page}/entry/shunt/..%2F..%2Fdormouse.toml"))), "410");
    assert!(chief.get("/mailman/queues/findings").contains("Problems"));
}

#[test]
fn nobody_else_sees_the_queues() {
    let site = with_chief();
    shunted(&site, "one");
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let name = site.files("shunt", "pck").remove(0);
    let name = name.trim_end_matches(".pck");
    let entry = format!("/mailman/queues/entry/shunt/{}", encoded(name));
    for page in ["/mailman/queues", "/mailman/queues/findings", &entry] {
        assert_eq!(status(&owner.get(page)), "403", "{page}");
        assert_eq!(status(&server.get(page)), "303", "{page}");
    }
    let form = format!("do=remove:shunt/{}", encoded(name));
    assert_eq!(status(&owner.send("/mailman/settings/dev", "/mailman/queues", &form)), "403");
    assert_eq!(site.files("shunt", "pck").len(), 1);
}

#[test]
fn mailmans_moderation_page_takes_decisions() {
    let site = site();
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site.post(
        "dev",
        b"From: x@example.net\nTo: dev@lists.example.org\nSubject: held\nMessage-ID: <h@x>\n\nhi\n",
    );
    site.ok(&["run"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/admindb/dev";
    assert_eq!(status(&server.post(page, "adminpw=x")), "303");
    assert_eq!(status(&owner.post(page, "do=discard:p1")), "403", "without a key");
    let done = owner.send(page, page, "list=dev&do=discard:p1");
    assert!(location(&done).unwrap().contains("done=1"), "{done}");
}

#[test]
fn a_text_is_written_looked_at_and_taken_back_and_mails_have_it() {
    let site = site();
    site.ok(&["list", "set", "dev", "available_languages=en\nde"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let led = location(&owner.get("/mailman/edithtml/dev/subscribeack.txt"));
    assert_eq!(led.as_deref(), Some("/mailman/texts/dev/subscribeack"), "Mailman's address");
    let led = location(&owner.get("/mailman/edithtml/dev/listinfo.html"));
    assert_eq!(led.as_deref(), Some("/mailman/texts/dev/page-listinfo"));
    let led = location(&owner.get("/mailman/edithtml/dev/emptyarchive.html"));
    assert_eq!(led.as_deref(), Some("/mailman/texts/dev"));
    let page = "/mailman/texts/dev/subscribeack?language=en";
    let action = "/mailman/texts/dev/subscribeack";
    let shown = owner.get(page);
    assert!(shown.contains("You are a member as %(email)s."), "{shown}");
    let text = "Subject: Hi, %(listname)s\r\n\r\nÄhoj %(email)s <b> 100%\r\n";
    let form = format!("language=en&text={}&do=", encoded(text));
    let seen = owner.send(page, action, &format!("{form}preview"));
    assert!(
        seen.contains("Hi, Dev") && seen.contains("Ähoj anna@example.org &#60;b&#62;"),
        "{seen}"
    );
    assert!(!site.dir().join("lists/dev/en/subscribeack.txt").exists());
    let saved = owner.send(page, action, &format!("{form}save"));
    assert!(owner.follow(&saved).contains("Saved."), "{saved}");
    let all = owner.get("/mailman/texts/dev?language=en");
    assert_eq!(all.matches("class=\"note\">changed").count(), 1, "{all}");
    assert!(!owner.get("/mailman/texts/dev?language=de").contains("class=\"note\">changed"));
    site.ok(&["member", "add", "dev", "new@example.org", "--welcome", "yes"]);
    site.ok(&["run"]);
    let mails = site.maildir("new@example.org");
    assert!(String::from_utf8_lossy(&mails[0]).contains("Subject: Hi, Dev"), "{mails:?}");
    let reverted = owner.send(page, action, "language=en&do=revert");
    assert!(owner.follow(&reverted).contains("the default text again"), "{reverted}");
    assert!(!site.dir().join("lists/dev/en/subscribeack.txt").exists());
}

#[test]
fn a_text_with_fields_that_nothing_is_known_for_is_refused_and_not_lost() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/texts/dev/postheld?language=en";
    let action = "/mailman/texts/dev/postheld";
    for wrong in ["mine %(nobody)s", "mine %(subject)", "mine %(subject", "Subject: %(x)s\n\nmine"]
    {
        for verb in ["save", "preview"] {
            let form = format!("language=en&text={}&do={verb}", encoded(wrong));
            let answer = owner.send(page, action, &form);
            assert_eq!(status(&answer), "422", "{wrong}: {answer}");
            assert!(
                answer.contains("Nothing was changed: ") && answer.contains("mine"),
                "{answer}"
            );
        }
    }
    for nowhere in ["nobody?language=en", "postheld?language=..", "postheld?language=xx"] {
        assert_eq!(status(&owner.get(&format!("/mailman/texts/dev/{nowhere}"))), "404");
    }
    let elsewhere = "language=..%2F..%2Fops%2Fen&text=x&do=save";
    assert_eq!(status(&owner.send(page, action, elsewhere)), "404");
    assert_eq!(status(&owner.post(action, "language=en&text=x&do=save")), "403", "no key");
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    for page in ["/mailman/texts/dev", page] {
        assert_eq!(status(&other.get(page)), "403", "{page}");
        assert_eq!(status(&server.get(page)), "303", "{page}");
    }
    assert!(!site.dir().join("lists/dev").exists());
}

#[test]
fn a_changed_footer_or_prefix_shows_a_post_as_it_would_arrive() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/settings/dev/general";
    let form = "set-subject_prefix=%5BNew%20%25d%5D&do=check";
    let shown = owner.send(page, page, form);
    assert!(shown.contains("[New 1] Our next meeting"), "{shown}");
    let page = "/mailman/settings/dev/nondigest";
    let form = "set-msg_footer=%25(real_name)s%3Cscript%3E&do=check";
    let shown = owner.send(page, page, form);
    assert!(shown.contains("Dev&#60;script&#62;"), "{shown}");
    assert!(shown.contains("shall we meet") && !shown.contains("<script>"), "{shown}");
    let shown = owner.send(page, page, "set-include_rfc2369_headers=no&do=check");
    assert!(!shown.contains("would arrive"), "{shown}");
}

#[test]
fn a_member_becomes_an_owner_or_moderator_but_no_list_is_left_without_an_owner() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/members/dev/member?who=anna%40example.org";
    let action = "/mailman/members/dev/member";
    let done = owner.send(page, action, "who=anna@example.org&owner=on&moderator=on&do=roles");
    assert!(owner.follow(&done).contains("Saved."), "{done}");
    assert!(setting(&site, "owner").contains("anna@example.org"));
    assert!(setting(&site, "moderator").contains("anna@example.org"));
    let trail = owner.get("/mailman/changes/dev");
    assert!(trail.contains("dev-boss@example.org · web"), "{trail}");
    site.ok(&["list", "set", "dev", "owner=anna@example.org"]);
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    let last = anna.send(page, action, "who=anna@example.org&do=roles");
    assert!(anna.follow(&last).contains("a list needs an owner"), "{last}");
    assert!(setting(&site, "owner").contains("anna@example.org"));
}

#[test]
fn a_person_is_erased_on_one_list_by_its_owner_and_everywhere_by_the_site() {
    let site = with_chief();
    site.ok(&["member", "add", "ops", "--welcome", "no", "anna@example.org"]);
    site.ok(&["list", "set", "ops", "archive=yes"]);
    for list in ["dev", "ops"] {
        let mail = format!(
            "From: anna@example.org\nTo: {list}@lists.example.org\nSubject: mine\n\
             Message-ID: <{list}@x>\n\nhello\n"
        );
        site.post(list, mail.as_bytes());
    }
    site.ok(&["run"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/members/dev/erase?who=Anna%40example.org";
    let action = "/mailman/members/dev/erase";
    assert!(owner.get(page).contains("1 membership<"), "{}", owner.get(page));
    let slip = owner.send(page, action, "who=anna@example.org&typed=anna");
    assert_eq!(status(&slip), "422", "{slip}");
    assert!(site.ok(&["member", "ls", "dev"]).contains("anna@"));
    let done = owner.send(page, action, "who=anna@example.org&typed=anna@example.org&posts=on");
    assert!(done.contains("is erased"), "{done}");
    assert_eq!(site.ok(&["member", "ls", "dev"]), "");
    assert!(site.ok(&["member", "ls", "ops"]).contains("anna@"), "another list's is not theirs");
    let left = site.ok(&["archive", "search", "dev", "hello"]);
    assert!(left.contains("nothing found"), "{left}");
    assert_eq!(status(&owner.get("/mailman/person")), "403");
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    assert_eq!(status(&other.get(page)), "403");
    let chief = chief(&site, &server);
    let page = "/mailman/person?who=anna%40example.org";
    let form = "who=anna@example.org&typed=anna@example.org";
    let done = chief.send(page, "/mailman/person", form);
    assert!(done.contains("1 post stays in the archive of ops."), "{done}");
    assert!(!site.ok(&["member", "ls", "ops"]).contains("anna@"));
    let again = chief.send(page, "/mailman/person", &format!("{form}&posts=on"));
    assert!(again.contains("1 post was removed from archives."), "{again}");
}

#[test]
fn an_owner_masks_words_in_the_archive_or_removes_a_message() {
    let site = site();
    site.ok(&["list", "set", "dev", "archive=yes", "archive_private=no"]);
    for number in 0..3 {
        let mail = format!(
            "From: anna@example.org\nTo: dev@lists.example.org\nSubject: post {number}\n\
             Message-ID: <{number}@x>\n\nMy number is 555-{number}.\n"
        );
        site.post("dev", mail.as_bytes());
    }
    site.ok(&["run"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/removal/dev/1";
    assert!(owner.get(page).contains("555-1"), "{}", owner.get(page));
    for (words, why) in
        [("", "no words"), ("nothing+such", "does not contain"), ("post+1", "subject")]
    {
        let refused = owner.send(page, page, &format!("do=redact&words={words}"));
        assert_eq!(status(&refused), "422", "{words}: {refused}");
        assert!(refused.contains(why), "{words}: {refused}");
    }
    let done = owner.send(page, page, "do=redact&words=555-1");
    assert!(done.contains("are masked"), "{done}");
    let found = owner.get("/mailman/search/dev?q=number");
    assert!(found.contains("555-0") && !found.contains("555-1"), "{found}");
    assert!(!owner.get("/mailman/message/dev/000001.txt").contains("555-1"));
    let done = owner.send("/mailman/removal/dev/2", "/mailman/removal/dev/2", "do=remove");
    assert!(done.contains("out of the archive"), "{done}");
    assert_eq!(status(&owner.get("/mailman/message/dev/000002.txt")), "404");
    assert_eq!(status(&owner.get("/mailman/removal/dev/2")), "410");
    assert_eq!(status(&owner.get("/mailman/message/dev/000000.txt")), "200");
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    assert_eq!(status(&other.get("/mailman/removal/dev/0")), "403");
    assert_eq!(
        status(&other.send("/mailman/account", "/mailman/removal/dev/0", "do=remove")),
        "403"
    );
    assert_eq!(status(&owner.post("/mailman/removal/dev/0", "do=remove")), "403", "no key");
    assert_eq!(status(&server.get("/mailman/removal/dev/0")), "303");
    assert_eq!(status(&owner.get("/mailman/message/dev/000000.txt")), "200");
}

const GUIDES: [&str; 4] = ["posting", "joining", "posts", "dmarc"];

/// Returns the answers on a page of questions: the question, the answer, and whether it is chosen.
fn answers(page: &str) -> Vec<(String, String, bool)> {
    let radios = page.split("<input type=\"radio\" name=\"").skip(1);
    radios
        .map(|radio| {
            let parts: Vec<&str> = radio.splitn(4, '"').collect();
            let is_chosen = radio.split('>').next().unwrap().ends_with(" checked");
            (parts[0].to_owned(), parts[2].to_owned(), is_chosen)
        })
        .collect()
}

#[test]
fn a_plain_question_shows_what_an_answer_changes_and_one_button_does_it() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/guide/dev/dmarc";
    let shown = owner.get(page);
    let differs = "<code>dmarc_moderation_action</code>: <del>accept</del> → <ins>reject</ins>";
    assert!(shown.contains(differs), "{shown}");
    let saved = owner.send(page, page, "action=reject&policies=none&do=save");
    assert!(location(&saved).unwrap().ends_with("saved=2"), "{saved}");
    assert!(owner.follow(&saved).contains("2 settings were changed."));
    assert_eq!(setting(&site, "dmarc_moderation_action").trim(), "reject");
    assert_eq!(setting(&site, "dmarc_none_moderation_action").trim(), "yes");
    let trail = owner.get("/mailman/changes/dev");
    assert!(trail.contains("dmarc_moderation_action") && trail.contains("dev-boss@example.org"));
    // Without a choice, or with an impossible one, nothing changes.
    for nothing in ["do=save", "action=&do=save", "action=explode&policies=x&do=save"] {
        let saved = owner.send(page, page, nothing);
        assert!(location(&saved).unwrap().ends_with("saved=0"), "{nothing}: {saved}");
    }
    // A current setting that is not among the answers is shown, and stays.
    site.ok(&["list", "set", "dev", "dmarc_moderation_action=discard"]);
    let shown = owner.get(page);
    assert!(shown.contains("none of these answers describes"), "{shown}");
    assert!(answers(&shown).iter().all(|(question, _, chosen)| question != "action" || !chosen));
    let overview = owner.get("/mailman/settings/dev");
    for guide in GUIDES {
        assert!(overview.contains(&format!("href=\"/mailman/guide/dev/{guide}\"")), "{guide}");
    }
}

#[test]
fn every_answer_to_every_question_can_be_chosen_and_is_in_effect_then() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let mut tried = 0;
    for guide in GUIDES {
        let page = format!("/mailman/guide/dev/{guide}");
        for (question, answer, _) in answers(&owner.get(&page)) {
            let saved = owner.send(&page, &page, &format!("{question}={answer}&do=save"));
            assert_eq!(status(&saved), "303", "{guide} {question}={answer}: {saved}");
            let chosen = answers(&owner.get(&page));
            let of_question =
                chosen.iter().filter(|(asked, _, chosen)| *asked == question && *chosen);
            let of_question: Vec<&str> =
                of_question.map(|(_, answer, _)| answer.as_str()).collect();
            assert_eq!(of_question, [answer.as_str()], "{guide} {question}");
            tried += 1;
        }
    }
    assert!(tried >= 25, "{tried}");
}

#[test]
fn a_footer_is_seen_in_an_example_before_it_is_kept() {
    let site = site();
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/guide/dev/posts";
    let before = setting(&site, "msg_footer");
    let form =
        "signed=all&set-subject_prefix=%5BTea%5D+&set-msg_footer=Bye+%3Cscript%3E%25(real_name)s";
    let shown = owner.send(page, page, &format!("{form}&do=check"));
    assert!(shown.contains("[Tea] Our next meeting"), "{shown}");
    assert!(shown.contains("Bye &#60;script&#62;Dev"), "{shown}");
    assert!(!shown.contains("<script>"), "{shown}");
    assert_eq!(setting(&site, "msg_footer"), before, "only looked at");
    // Refused values are shown again as they were typed.
    let wrong = owner.send(page, page, "set-subject_prefix=%25(x)s&set-msg_header=kept&do=save");
    assert_eq!(status(&wrong), "422", "{wrong}");
    assert!(wrong.contains("Nothing was changed: ") && wrong.contains("kept"), "{wrong}");
    // A page cannot change a setting that is not on it.
    let saved =
        owner.send(page, page, &format!("{form}&set-description=x&set-owner=x@y.z&do=save"));
    assert_eq!(status(&saved), "303", "{saved}");
    assert!(setting(&site, "msg_footer").starts_with("Bye <script>"));
    assert!(setting(&site, "owner").contains("dev-boss"));
    assert_ne!(setting(&site, "description").trim(), "x");
}

#[test]
fn the_questions_of_a_list_are_its_owners_alone() {
    let site = site();
    site.ok(&["list", "set", "dev", "moderator=mod@example.org"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/guide/dev/dmarc";
    let form = "action=munge&do=save";
    for stranger in ["ops-boss@example.org", "mod@example.org"] {
        let other = Browser::signed_in(&server, &site, stranger);
        assert_eq!(status(&other.get(page)), "403", "{stranger}");
        let own = if stranger.starts_with("ops") {
            "/mailman/settings/ops"
        } else {
            "/mailman/moderation"
        };
        assert_eq!(status(&other.send(own, page, form)), "403", "{stranger}");
        // Even with the owner's key.
        let shown = owner.get(page);
        let key = shown.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(status(&other.post(page, &format!("key={key}&{form}"))), "403", "{stranger}");
    }
    assert_eq!(status(&server.get(page)), "303");
    assert_eq!(status(&owner.post(page, form)), "403", "without a key");
    let shown = owner.get(page);
    let key = shown.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let elsewhere = owner.post_with(
        "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
        page,
        &format!("key={key}&{form}"),
    );
    assert_eq!(status(&elsewhere), "403", "from another site");
    assert_eq!(setting(&site, "dmarc_moderation_action").trim(), "accept");
    for none in ["/mailman/guide/dev/x", "/mailman/guide/dev/..", "/mailman/guide/nolist/dmarc"] {
        assert_eq!(status(&owner.get(none)), "404", "{none}");
    }
}

#[test]
fn the_posts_of_all_members_wait_or_of_none() {
    let site = site();
    for number in 0..3 {
        site.ok(&["member", "add", "dev", "--welcome", "no", &format!("m{number}@example.org")]);
    }
    site.ok(&["member", "set", "dev", "m1@example.org", "mod=on"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let page = "/mailman/members/dev";
    let moderated = || {
        let table = owner.get("/mailman/members/dev/export");
        table.lines().filter(|line| line.split(',').nth(3) == Some("yes")).count()
    };
    let before = moderated();
    for (how, changed, now) in [("all", 3, 4), ("all", 0, 4), ("none", 4, 0)] {
        let done = owner.send(page, page, &format!("do=moderate:{how}"));
        assert!(location(&done).unwrap().ends_with(&format!("moderated={changed}")), "{done}");
        assert_eq!(moderated(), now, "{how}, {before} before");
    }
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    let refused = other.send("/mailman/members/ops", page, "do=moderate:all");
    assert_eq!(status(&refused), "403");
    assert_eq!(moderated(), 0);
}

#[test]
fn pages_say_what_owners_wrote_in_each_language_and_execute_nothing_of_it() {
    let site = site();
    let settings = ["available_languages=en\nde", "archive_private=yes", "info=The old text"];
    site.ok(&[&["list", "set", "dev"][..], &settings].concat());
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    let hostile = "**Grüße** von %(real_name)s\r\n<script>alert(1)</script>\r\n\
        <a href=\"javascript:alert(1)\">los</a> <img src=x onerror=alert(1)>\r\n\
        </div></main><form action=\"https://evil.example/\"><input name=password></form>\r\n\
        <style>body { display: none }</style><b onclick=alert(1)>fett</b>";
    for (text, page, by) in [
        ("page-listinfo", "/mailman/listinfo/dev?language=de", None),
        ("page-join", "/mailman/listinfo/dev?language=de", None),
        ("page-options", "/mailman/options/dev", Some("de")),
        ("page-roster", "/mailman/roster/dev", Some("de")),
        ("page-archive", "/mailman/search/dev", Some("de")),
    ] {
        site.ok(&["list", "set", "dev", "preferred_language=en"]);
        let action = format!("/mailman/texts/dev/{text}");
        let form = format!("language=de&text={}&do=", encoded(hostile));
        let seen = owner.send(&action, &action, &format!("{form}preview"));
        assert!(seen.contains("<b>fett</b>") && seen.contains("Grüße** von Dev"), "{seen}");
        assert!(!anna.get(page).contains("Grüße"), "{text}: only looked at");
        let saved = owner.send(&action, &action, &format!("{form}save"));
        assert!(owner.follow(&saved).contains("The page shows this text now."), "{saved}");
        if let Some(language) = by {
            assert!(!anna.get(page).contains("Grüße"), "{text}: in another language");
            site.ok(&["list", "set", "dev", &format!("preferred_language={language}")]);
        } else {
            let english = anna.get("/mailman/listinfo/dev?language=en");
            assert!(!english.contains("Grüße"), "{text}: {english}");
        }
        for shown in [&seen, &anna.get(page)] {
            assert!(shown.contains("Grüße"), "{text}: {shown}");
            for bad in [
                "<script",
                "javascript:",
                "onerror=",
                "onclick=",
                "display: none }<",
                "evil.example/\"><input",
            ] {
                let escaped = shown.split("<textarea id=\"text\"").next().unwrap();
                let rest = shown.split("</textarea>").last().unwrap();
                assert!(!escaped.contains(bad) && !rest.contains(bad), "{text}: {bad}: {shown}");
            }
        }
        for wrong in ["%(nobody)s", "", "%(real_name"] {
            let refused = owner.send(
                &action,
                &action,
                &format!("language=de&text={}&do=save", encoded(wrong)),
            );
            assert_eq!(status(&refused), "422", "{text}: {wrong}");
        }
        let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
        assert_eq!(status(&other.get(&action)), "403", "{text}");
        let refused = other.send("/mailman/settings/ops", &action, &format!("{form}save"));
        assert_eq!(status(&refused), "403", "{text}: {refused}");
        let reverted = owner.send(&action, &action, "language=de&do=revert");
        assert!(location(&reverted).unwrap().contains("reverted"), "{reverted}");
        assert!(!anna.get(page).contains("Grüße"), "{text}");
    }
    assert!(server.get("/mailman/listinfo/dev").contains("The old text"));
}
