//! The pages behind the links of held posts, as a browser asks for them.

use dormouse_clock::Timestamp;
use dormouse_testkit::browser::{Browser, location};
use dormouse_testkit::chromium::Chromium;
use dormouse_testkit::documented::block;
use dormouse_testkit::server::{Server, ask};
use dormouse_testkit::servers::{Ends, free_address};
use dormouse_testkit::site::{TestSite, message};
use dormouse_testkit::waiting::{PATIENCE, eventually};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site
}

/// The path of a link.
fn path(url: &str) -> String {
    let start = url.find("/mailman/held/").unwrap();
    url[start..].split_whitespace().next().unwrap().to_owned()
}

fn is_held(site: &TestSite) -> bool {
    site.ok(&["held", "ls", "--json"]).trim() != "[]"
}

#[test]
fn a_moderator_sees_the_post_before_deciding_and_looking_decides_nothing() {
    let site = site();
    site.post(
        "dev",
        &message("\"<b>Mallory</b>\" <s@example.com>", "<script>x</script>", "<img src=x> & co\n"),
    );
    site.ok(&["run"]);
    let link = path(&site.ok(&["held", "link", "dev", "1"]));
    let server = Server::start(&site);
    for _ in 0..2 {
        let page = server.get(&link);
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.contains("&#60;img src=x&#62; &#38; co"), "{page}");
        assert!(!page.contains("<script>") && !page.contains("<b>Mallory"), "{page}");
        assert!(page.contains("generic_nonmember_action"), "{page}");
        let lower = page.to_lowercase();
        for header in
            ["content-security-policy: default-src 'none'", "referrer-policy: no-referrer"]
        {
            assert!(lower.contains(header), "{page}");
        }
    }
    assert!(is_held(&site));
    let page = server.post(&link, "decision=approve");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("goes to the list"), "{page}");
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
    for again in [server.get(&link), server.post(&link, "decision=discard")] {
        assert!(again.starts_with("HTTP/1.1 410"), "{again}");
    }
}

#[test]
fn each_decision_does_what_it_says() {
    let site = site();
    site.ok(&["list", "set", "dev", "nonmember_rejection_notice=Members only."]);
    let server = Server::start(&site);
    let cases = [
        ("decision=reject&reason=Off+topic%0D%0ASorry", "Rejected"),
        ("decision=remember", "are not held"),
        ("decision=discard", "Discarded"),
        ("decision=ban", "banned"),
    ];
    for (number, (form, said)) in cases.into_iter().enumerate() {
        let number = number + 1;
        site.post("dev", &message(&format!("s{number}@example.com"), "x", "Text.\n"));
        site.ok(&["run"]);
        let link = path(&site.ok(&["held", "link", "dev", &number.to_string()]));
        assert!(server.get(&link).contains(" required>Members only.</textarea>"));
        let page = server.post(&link, form);
        assert!(page.contains(said), "{form}: {page}");
        assert!(!is_held(&site), "{form}");
        site.ok(&["run"]);
    }
    let back = String::from_utf8(site.maildir("s1@example.com").remove(0)).unwrap();
    assert!(back.contains("Off topic\nSorry"), "{back}");
    assert_eq!(site.maildir("anna@example.org").len(), 1);
    let settings = site.ok(&["list", "show", "dev"]);
    assert_eq!(settings.matches("s2@example.com").count(), 1, "{settings}");
    assert_eq!(settings.matches("s4@example.com").count(), 2, "{settings}");
}

#[test]
fn a_page_says_that_a_sender_who_would_be_a_pattern_is_not_remembered() {
    let site = site();
    let server = Server::start(&site);
    for (number, decision) in ["remember", "ban"].into_iter().enumerate() {
        site.post("dev", &message(&format!("<^.*@.{number}*>"), "x", "Text.\n"));
        site.ok(&["run"]);
        let link = path(&site.ok(&["held", "link", "dev", &(number + 1).to_string()]));
        let page = server.post(&link, &format!("decision={decision}"));
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("is not an address"), "{page}");
        assert!(!is_held(&site));
    }
    assert!(!site.ok(&["list", "show", "dev"]).contains("^.*@"));
}

#[test]
fn the_posters_link_takes_back_and_can_do_nothing_else() {
    let site = site();
    site.ok(&["list", "set", "dev", "max_message_size=1"]);
    site.post("dev", &message("anna@example.org", "big", &"x\n".repeat(2000)));
    site.ok(&["run"]);
    let notice = String::from_utf8(site.maildir("anna@example.org").remove(0)).unwrap();
    let link = path(notice.split("https://").find(|part| part.contains("/held/")).unwrap());
    let server = Server::start(&site);
    let page = server.get(&link);
    assert!(page.contains("Withdraw it") && !page.contains("Accept"), "{page}");
    assert!(server.post(&link, "decision=approve").starts_with("HTTP/1.1 400"));
    let forged = link.replace("cancel", "review");
    assert!(server.post(&forged, "decision=approve").starts_with("HTTP/1.1 404"));
    assert!(is_held(&site));
    assert!(server.post(&link, "decision=cancel").contains("Withdrawn"));
    assert!(!is_held(&site));
}

#[test]
fn an_expired_link_and_other_addresses_show_nothing() {
    let site = site();
    site.post("dev", &message("s@example.com", "x", "Secret text.\n"));
    site.ok(&["run"]);
    site.ok(&["config", "set", "moderation.link_lifetime", "0s"]);
    let link = path(&site.ok(&["held", "link", "dev", "1"]));
    std::thread::sleep(Duration::from_millis(1100));
    let server = Server::start(&site);
    for (address, status) in [
        (link.as_str(), "410"),
        ("/mailman/held/1.review.9999999999.AAAAAAAAAAAAAAAAAAAAAA", "404"),
        ("/mailman/held/x", "404"),
        ("/nothing", "404"),
        ("/mailman/held/../../dormouse.db", "404"),
    ] {
        let page = server.get(address);
        assert!(page.starts_with(&format!("HTTP/1.1 {status}")), "{address}: {page}");
        assert!(!page.contains("Secret"), "{page}");
    }
}

/// On a new site, and for a list that does not exist, there is a page for every visitor, and never
/// "method not allowed".
#[test]
fn every_address_of_mailman_has_a_page_even_where_there_is_no_list() {
    let site = TestSite::new(DORMOUSE);
    let server = Server::start(&site);
    let with_list = [
        "admin/LIST",
        "admin/LIST/general",
        "admin/LIST/privacy/sender",
        "admin/LIST/members/add",
        "admindb/LIST",
        "admindb/LIST?msgid=1",
        "rmlist/LIST",
        "edithtml/LIST",
        "edithtml/LIST/listinfo.html",
        "listinfo/LIST",
        "options/LIST",
        "options/LIST/anna--at--example.org",
        "roster/LIST",
        "private/LIST",
        "private/LIST/",
        "private/LIST/2026-November/000001.html",
        "private/LIST.mbox/LIST.mbox",
        "confirm/LIST",
        "confirm/LIST/0123456789abcdef0123456789abcdef01234567",
        "subscribe/LIST",
    ];
    let without = [
        "admin",
        "admindb",
        "create",
        "rmlist",
        "edithtml",
        "listinfo",
        "options",
        "roster",
        "private",
        "confirm",
        "subscribe",
    ];
    let asks = |who: &str, browser: &Browser<'_>, lists: &[&str]| {
        let mut paths: Vec<String> = without.map(str::to_owned).to_vec();
        for list in lists {
            paths.extend(with_list.iter().map(|path| path.replace("LIST", list)));
        }
        for path in
            paths.iter().flat_map(|path| [format!("/mailman/{path}"), format!("/mailman/{path}/")])
        {
            let answer = browser.get(&path);
            let status = &answer[9..12];
            let is_page = answer.contains("<main id=\"main\">") || location(&answer).is_some();
            assert!(
                ["200", "301", "302", "303", "403", "404", "410"].contains(&status),
                "{who}: {path}: {answer}"
            );
            assert!(is_page, "{who}: {path}: {answer}");
            assert!(
                answer.contains("default-src 'none'") || status.starts_with('3'),
                "{who}: {path}: {answer}"
            );
            let names_list = lists.iter().any(|list| path.contains(list));
            assert!(names_list || !status.starts_with('4'), "{who}: {path}: {answer}");
        }
    };
    // Without any list, with any name in the path.
    let nobody = Browser::new(&server);
    asks(
        "a stranger",
        &nobody,
        &["nolist", "NO-list", "n%C3%B6", "%3Cscript%3E", "..%2Fetc", "nolist%00"],
    );
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "owner=owner@example.org"]);
    let strange = ["nolist", "%3Cscript%3E"];
    asks("a stranger", &nobody, &strange);
    for who in ["anna@example.org", "owner@example.org"] {
        let browser = Browser::signed_in(&server, &site, who);
        asks(who, &browser, &strange);
        // With a list, an owner gets a page at each address, and a member at those for members.
        for path in with_list.iter().map(|path| path.replace("LIST", "dev")) {
            let answer = browser.get(&format!("/mailman/{path}"));
            let status = &answer[9..12];
            let is_gone = path.contains("msgid")
                || path.contains("confirm/dev/")
                || path.contains("private/");
            let is_owners =
                ["admin", "rmlist", "edithtml"].iter().any(|page| path.starts_with(page));
            let fits = match status {
                "200" | "303" => true,
                "403" => is_owners && who.starts_with("anna"),
                "404" | "410" => is_gone,
                _ => false,
            };
            assert!(fits, "{who}: {path}: {answer}");
        }
    }
}

/// Every address of Mailman 2.1's pages leads to a page here, for strangers and for owners.
#[test]
fn every_address_that_mailman_had_leads_somewhere() {
    let site = site();
    site.post("dev", &message("s@example.com", "x", "Text.\n"));
    site.ok(&["run"]);
    let server = Server::start(&site);
    let owner = Browser::signed_in(&server, &site, "owner@example.org");
    let categories = [
        "general",
        "passwords",
        "language",
        "members",
        "members/list",
        "members/add",
        "members/remove",
        "members/change",
        "members/sync",
        "nondigest",
        "digest",
        "privacy",
        "privacy/subscribing",
        "privacy/sender",
        "privacy/recipient",
        "privacy/spam",
        "bounce",
        "archive",
        "gateway",
        "autoreply",
        "contentfilter",
        "topics",
        "logout",
        "unheard-of",
        "?VARHELP=general/owner",
        "",
    ];
    let mut paths: Vec<String> =
        categories.iter().map(|category| format!("admin/dev/{category}")).collect();
    paths.extend(
        [
            "admin",
            "admin/",
            "admin/dev",
            "admin/DEV",
            "admindb",
            "admindb/dev",
            "admindb/dev/",
            "admindb/dev?msgid=1",
            "admindb/dev?details=all",
            "admindb/dev?sender=s%40example.com",
            "admindb/dev/logout",
            "create",
            "create/",
            "rmlist/dev",
            "edithtml/dev",
            "edithtml/dev/listinfo.html",
            "edithtml",
            "rmlist",
            "listinfo",
            "listinfo/",
            "listinfo/dev",
            "listinfo/dev/",
            "listinfo/dev?language=de",
            "listinfo/dev/more/of/it",
            "options",
            "options/dev",
            "options/dev/",
            "options/dev/anna--at--example.org",
            "options/dev?email=anna%40example.org",
            "roster",
            "roster/dev",
            "roster/dev/",
            "private",
            "private/dev",
            "private/dev/",
            "confirm",
            "confirm/dev",
            "confirm/dev/",
            "subscribe",
            "subscribe/dev",
            "",
        ]
        .map(str::to_owned),
    );
    for path in &paths {
        for base in ["/mailman/", "/"] {
            let stranger = server.get(&format!("{base}{path}"));
            assert!(
                stranger.starts_with("HTTP/1.1 200") || stranger.starts_with("HTTP/1.1 303"),
                "{base}{path}: {stranger}"
            );
            if let Some(place) = location(&stranger).filter(|place| place.starts_with('/')) {
                let there = server.get(&place);
                assert!(!there.starts_with("HTTP/1.1 4"), "{path} to {place}: {there}");
            }
        }
        let mut page = owner.get(&format!("/mailman/{path}"));
        for _ in 0..4 {
            match location(&page).filter(|place| place.starts_with('/')) {
                Some(place) => page = owner.get(&place),
                None => break,
            }
        }
        let leads_away = location(&page).is_some();
        assert!(page.starts_with("HTTP/1.1 200") || leads_away, "{path}: {page}");
    }
}

#[test]
fn a_lists_page_speaks_its_language() {
    let site = site();
    for (language, tag, word) in [
        ("en", "en", "Join the list"),
        ("de", "de", "Mitglied werden"),
        ("fr", "fr", "S&#39;abonner"),
        ("es", "es", "Suscribirse"),
        ("it", "it", "Iscriversi alla lista"),
        ("pt_BR", "pt-BR", "Participar da lista"),
        ("nl", "nl", "Lid worden"),
        ("pl", "pl", "Zapisz się na listę"),
        ("ru", "ru", "Подписаться"),
        ("ja", "ja", "入会する"),
        ("zh_CN", "zh-CN", "加入列表"),
        ("ar", "ar\" dir=\"rtl", "الانضمام إلى القائمة"),
        // There are no texts in this language.
        ("fi", "en", "Join the list"),
    ] {
        let available = format!("available_languages={language}");
        let preferred = format!("preferred_language={language}");
        site.ok(&["list", "set", "dev", &available, &preferred]);
        let server = Server::start(&site);
        let page = server.get("/mailman/listinfo/dev");
        assert!(page.contains(&format!("<html lang=\"{tag}\">")), "{page}");
        assert!(page.contains(word), "{language}: {page}");
        let answer = server.get("/mailman/confirm/dev/c0ffee");
        assert!(answer.contains(&format!("<html lang=\"{tag}\">")), "{answer}");
    }
}

#[test]
fn pages_beyond_lists_speak_what_the_browser_reads_and_else_the_sites_language() {
    let site = site();
    let server = Server::start(&site);
    let speaks = |accepted: &str, tag: &str| {
        let page = server.get_with(accepted, "/mailman/signin");
        assert!(page.contains(&format!("<html lang=\"{tag}\">")), "{accepted}: {page}");
    };
    speaks("Accept-Language: xx, nl;q=0.8, de;q=0.5\r\n", "nl");
    speaks("Accept-Language: xx\r\n", "en");
    speaks("", "en");
    site.ok(&["config", "set", "list-defaults.preferred_language", "pl"]);
    let server = Server::start(&site);
    let page = server.get("/mailman/signin");
    assert!(page.contains("<html lang=\"pl\">") && page.contains("Zaloguj się"), "{page}");
}

/// A writer that locks the database does not delay pages that only read.
#[test]
fn pages_do_not_wait_for_a_writer_nor_for_each_other() {
    let site = site();
    site.ok(&["list", "set", "dev", "private_roster=anyone"]);
    let server = Server::start(&site);
    // This creates the site's keys.
    server.get("/mailman/listinfo/dev");
    let opened = dormouse_store::Site::open(&site.dir()).unwrap();
    let store = dormouse_store::Store::open(&opened).unwrap();
    let (holds, held) = std::sync::mpsc::channel();
    let (lets_go, over) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        store
            .write(|_| -> Result<(), dormouse_store::StoreError> {
                holds.send(()).unwrap();
                over.recv_timeout(PATIENCE).unwrap();
                Ok(())
            })
            .unwrap();
    });
    held.recv().unwrap();
    std::thread::scope(|scope| {
        // These must wait.
        for _ in 0..8 {
            scope.spawn(|| server.post("/mailman/signin", "list=dev&password=guess"));
        }
        std::thread::sleep(Duration::from_millis(300));
        for page in [
            "/nothing",
            "/mailman/listinfo",
            "/mailman/listinfo/dev",
            "/mailman/roster/dev",
            "/mailman/signin",
        ] {
            let answer = server.get(page);
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        }
        // The pages arrived while the writer still held the lock, which it releases now.
        lets_go.send(()).unwrap();
    });
    writer.join().unwrap();
}

fn two_lists() -> TestSite {
    let site = site();
    site.plain_list("ops", &["anna@example.org", "bert@example.org"]);
    for list in ["dev", "ops"] {
        let owner = "owner=boss@example.org";
        let hold = "generic_nonmember_action=hold";
        site.ok(&["list", "set", list, owner, hold, "admin_immed_notify=no"]);
    }
    site
}

#[test]
fn twenty_posts_of_two_lists_are_decided_on_on_one_page() {
    let site = two_lists();
    site.ok(&["list", "set", "ops", "subscribe_policy=approve"]);
    for number in 0..20 {
        let (list, sender) = if number % 2 == 0 { ("dev", "a") } else { ("ops", "b") };
        let sender = if number < 6 { "spam" } else { sender };
        let subject = format!("post-{number:02}");
        site.post(list, &message(&format!("{sender}@example.com"), &subject, "Some text.\n"));
    }
    for address in ["new@example.net", "bad@example.net"] {
        let mail =
            format!("From: {address}\nTo: ops-join@lists.example.org\nMessage-ID: <{address}>\n\n");
        site.feed(&["deliver", "ops-join@lists.example.org"], mail.as_bytes());
    }
    site.ok(&["run"]);
    let server = Server::start(&site);
    let boss = Browser::signed_in(&server, &site, "boss@example.org");
    let path = "/mailman/moderation";
    let page = boss.get(path);
    for number in 0..20 {
        assert_eq!(page.matches(&format!("<b>post-{number:02}</b>")).count(), 1, "{number}");
    }
    assert!(page.contains("Some text.") && page.contains("new@example.net would like to join"));
    // A post that arrives between loading the page and deciding is not affected.
    site.post("dev", &message("spam@example.com", "late", "Text.\n"));
    site.ok(&["run"]);
    // Deciding on all posts of a sender with one button.
    let all = page
        .split("value=\"discard:")
        .skip(1)
        .find(|rest| rest.split('"').next().unwrap().contains(','));
    let all = all.unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(all.split(',').count(), 3, "{all}");
    let done = boss.send(path, path, &format!("do=discard:{all}"));
    let after = boss.follow(&done);
    assert!(
        after.contains("3 decisions were carried out.") && after.contains("<b>late</b>"),
        "{after}"
    );
    // Deciding on a selection, and one by one.
    let id = |subject: &str| {
        let page = boss.get(path);
        let at = page.find(&format!("<b>{subject}</b>")).unwrap();
        let start = page[..at].rfind("value=\"").unwrap() + 7;
        page[start..].split('"').next().unwrap().to_owned()
    };
    let (first, second, third) = (id("post-06"), id("post-07"), id("post-08"));
    boss.send(path, path, &format!("item={first}&item={second}&do=accept"));
    boss.send(path, path, &format!("do=remember:{third}"));
    let back = id("post-10");
    boss.send(path, path, &format!("reason-{back}=Off+topic%0D%0ASorry&do=reject:{back}"));
    let many = [id("post-09"), id("post-11")];
    let form = format!("item={}&item={}&reason=Not+here&do=reject", many[0], many[1]);
    boss.send(path, path, &form);
    let out = id("late");
    boss.send(path, path, &format!("do=ban:{out}"));
    boss.send(path, path, "do=accept:r1");
    boss.send(path, path, "reason-r2=Members+only&do=reject:r2");
    // A second click changes nothing, and says so.
    let again = boss.follow(&boss.send(path, path, &format!("do=accept:{first}")));
    assert!(again.contains("somebody else has decided"), "{again}");
    for wrong in ["do=accept:x1", "do=accept:p", "do=accept:é", "do=explode:p9", "do=accept:p9,x"]
    {
        let answer = boss.send(path, path, wrong);
        assert!(answer.starts_with("HTTP/1.1 4"), "{wrong}: {answer}");
    }
    site.ok(&["run"]);
    let subjects = |address: &str| {
        let mails = site.maildir(address);
        let all = mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned());
        all.collect::<Vec<_>>().join("\n")
    };
    let anna = subjects("anna@example.org");
    for (subject, came) in [
        ("post-06", true),
        ("post-07", true),
        ("post-08", true),
        ("post-09", false),
        ("post-00", false),
    ] {
        assert_eq!(anna.contains(&format!("Subject: {subject}")), came, "{subject}");
    }
    assert!(subjects("a@example.com").contains("Off topic\nSorry"));
    assert!(subjects("b@example.com").matches("Not here").count() >= 2);
    assert!(subjects("bad@example.net").contains("Members only"));
    assert!(site.ok(&["member", "ls", "ops"]).contains("new@example.net"));
    let settings = site.ok(&["list", "show", "dev"]);
    assert!(
        settings.contains("spam@example.com") && settings.contains("a@example.com"),
        "{settings}"
    );
    // Mailman's page of one list, and the addresses in its notices.
    let dev = boss.get("/mailman/admindb/dev");
    assert!(dev.contains("post-12") && !dev.contains("post-13"), "{dev}");
    let post = boss.get("/mailman/admindb/dev?msgid=13");
    assert_eq!(location(&post).as_deref(), Some("/mailman/moderation/post/13"));
    assert!(boss.follow(&post).contains("Accept"));
}

#[test]
fn all_own_lists_are_on_one_page_and_changed_at_once() {
    let site = two_lists();
    site.ok(&["list", "set", "ops", "digestable=no"]);
    let server = Server::start(&site);
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    let path = "/mailman/mine";
    let page = anna.get(path);
    assert!(page.contains("<b>Dev</b>") && page.contains("<b>Ops</b>"), "{page}");
    assert!(!page.contains("bert@"), "{page}");
    let shown = |list: &str| site.ok(&["member", "show", list, "anna@example.org"]);
    let done = anna.send(path, path, "all=on&delivery=off&hide=on&digest=mime&do=save");
    let done = anna.follow(&done);
    assert!(
        done.contains("Saved on 1 list.") && done.contains("not everything could be saved"),
        "{done}"
    );
    for list in ["dev", "ops"] {
        assert!(shown(list).contains("nomail = byuser") && shown(list).contains("hide = on"));
    }
    assert!(shown("dev").contains("digest = mime") && shown("ops").contains("digest = off"));
    anna.send(path, path, "on=1+anna%40example.org&delivery=on&do=save");
    assert!(shown("dev").contains("nomail = off") && shown("ops").contains("nomail = byuser"));
    // Another person's membership, and a list of which the person is not a member.
    for form in
        ["on=2+bert%40example.org&do=leave", "on=7+anna%40example.org&do=leave", "all=on&do=leave"]
    {
        anna.send(path, path, form);
    }
    assert!(site.ok(&["member", "ls", "ops"]).contains("bert@"));
    assert!(site.ok(&["member", "ls", "ops"]).contains("anna@"), "nobody leaves all by one tick");
    let left = anna.follow(&anna.send(path, path, "on=2+anna%40example.org&do=leave"));
    assert!(left.contains("You have left 1 list.") && !left.contains("<b>Ops</b>"), "{left}");
    assert!(!site.ok(&["member", "ls", "ops"]).contains("anna@"));
    // A second address, in the same browser.
    anna.post("/mailman/signin", "email=bert%40example.org");
    site.ok(&["run"]);
    let mail = site.maildir("bert@example.org").pop().unwrap();
    let link = dormouse_testkit::browser::path_in(&mail, "/mailman/signin/");
    assert!(anna.get(&link).contains("Both addresses are mine"));
    anna.post(&link, "both=1");
    let page = anna.get(path);
    assert!(
        page.contains("<h2>anna@example.org</h2>") && page.contains("<h2>bert@example.org</h2>")
    );
}

#[test]
fn options_are_saved_on_one_list_or_on_all_at_once() {
    let site = two_lists();
    site.ok(&["list", "set", "ops", "digestable=no"]);
    let server = Server::start(&site);
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    let path = "/mailman/options/dev";
    let shown = |list: &str| site.ok(&["member", "show", list, "anna@example.org"]);
    anna.send(path, path, "realname=Anna&digest=off&myposts=on&hide=on&do=save");
    assert!(shown("dev").contains("nomail = byuser") && shown("dev").contains("hide = on"));
    assert!(shown("ops").contains("nomail = off") && !shown("ops").contains("hide = on"));
    let form = "realname=Anna&digest=mime&delivery=on&ack=on&globally=on&do=save";
    let saved = anna.send(path, path, form);
    assert!(saved.contains("saved on all your lists"), "{saved}");
    assert!(shown("dev").contains("digest = mime"));
    for list in ["dev", "ops"] {
        let shown = shown(list);
        assert!(shown.contains("nomail = off") && shown.contains("ack = on"), "{list}: {shown}");
    }
    assert!(shown("ops").contains("digest = off"), "it has none");
    // Owners of a list cannot change its members' options on other lists.
    let boss = Browser::signed_in(&server, &site, "boss@example.org");
    let page = "/mailman/options/dev/anna--at--example.org";
    let done = boss.send(page, page, "digest=off&hide=on&globally=on&do=save");
    assert!(done.contains("Your options are saved."), "{done}");
    assert!(shown("dev").contains("hide = on") && !shown("ops").contains("hide = on"));
    let mailmans = server.post("/mailman/options/dev/anna--at--example.org", "othersubs=x");
    assert_eq!(location(&mailmans).as_deref(), Some("/mailman/mine"));
}

#[test]
fn people_can_download_and_erase_their_data() {
    let site = two_lists();
    let server = Server::start(&site);
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    let file = anna.get("/mailman/mine/export?who=anna%40example.org");
    assert!(file.contains("application/json") && file.contains("attachment;"), "{file}");
    let known = file.split_once("\r\n\r\n").unwrap().1;
    let known: serde_json::Value = serde_json::from_str(known).unwrap();
    assert_eq!(known["memberships"].as_array().unwrap().len(), 2, "{known}");
    for page in ["/mailman/mine/export", "/mailman/mine/erase"] {
        let others = anna.get(&format!("{page}?who=bert%40example.org"));
        assert!(others.starts_with("HTTP/1.1 403"), "{page}: {others}");
        assert!(server.get(page).starts_with("HTTP/1.1 303"), "{page}");
    }
    let page = "/mailman/mine/erase?who=anna%40example.org";
    let action = "/mailman/mine/erase";
    for slip in [
        "who=anna@example.org&typed=",
        "who=anna@example.org&typed=bert@example.org",
        "who=bert@example.org&typed=bert@example.org",
    ] {
        let refused = anna.send(page, action, slip);
        assert!(!refused.starts_with("HTTP/1.1 200"), "{slip}: {refused}");
    }
    assert!(site.ok(&["member", "ls", "ops"]).contains("bert@"));
    let done = anna.send(page, action, "who=anna@example.org&typed=anna@example.org");
    assert!(done.contains("is erased"), "{done}");
    for list in ["dev", "ops"] {
        assert!(!site.ok(&["member", "ls", list]).contains("anna@"), "{list}");
    }
    assert!(anna.get("/mailman/mine").starts_with("HTTP/1.1 303"), "signed out");
}

#[test]
fn a_post_is_forwarded_and_a_decision_taken_back() {
    let site = two_lists();
    for subject in ["first", "second"] {
        site.post("dev", &message("carla@example.com", subject, "A question.\n"));
    }
    site.ok(&["run"]);
    let server = Server::start(&site);
    let boss = Browser::signed_in(&server, &site, "boss@example.org");
    let (page, post) = ("/mailman/moderation", "/mailman/moderation/post/1");
    for wrong in ["", "nobody", "a@example.org,nobody", "a@example.org%0D%0ABcc:x@example.org"] {
        let form = format!("do=forward:p1&forward-to={wrong}");
        let answer = boss.send(post, page, &form);
        assert!(boss.follow(&answer).contains("This is not an address"), "{wrong}: {answer}");
    }
    let answer = boss.send(post, page, "do=forward:p1&forward-to=eva@example.org");
    assert!(boss.follow(&answer).contains("A copy is on its way"), "{answer}");
    site.ok(&["run"]);
    let mails = site.maildir("eva@example.org");
    assert!(mails.len() == 1 && String::from_utf8_lossy(&mails[0]).contains("A question."));
    // The first button of the form is the one that the return key presses.
    let shown = boss.get(page);
    let first = shown.split("<button ").nth(1).unwrap();
    assert!(first.starts_with("name=\"do\" value=\"nothing\" hidden"), "{first}");
    let nothing = boss.send(page, page, "do=nothing&item=p1&item=p2");
    assert!(boss.follow(&nothing).contains("second"), "{nothing}");
    for (decision, word) in [("discard", "discarded"), ("accept", "accepted"), ("ban", "discarded")]
    {
        let done = boss.follow(&boss.send(page, page, &format!("do={decision}:p1")));
        assert!(done.contains("value=\"undo:p1\"") && done.contains(word), "{decision}: {done}");
        assert!(!done.contains("value=\"accept:p1\""), "{decision}");
        let back = boss.follow(&boss.send(page, page, "do=undo:p1"));
        assert!(
            back.contains("can be made again") && back.contains("value=\"accept:p1\""),
            "{back}"
        );
        assert!(!back.contains("undo:p1"), "{back}");
    }
    // The same with requests to join.
    site.ok(&[
        "list",
        "set",
        "dev",
        "subscribe_policy=approve",
        "send_welcome_msg=no",
        "send_goodbye_msg=no",
    ]);
    let asks = b"From: new@example.net\nTo: dev-join@lists.example.org\nSubject: x\nMessage-ID: <j@x>\n\nx\n";
    site.feed(&["deliver", "dev-join@lists.example.org"], asks);
    site.ok(&["run"]);
    for (decision, word) in [("accept", "accepted"), ("discard", "discarded"), ("ban", "discarded")]
    {
        let done = boss.follow(&boss.send(page, page, &format!("do={decision}:r1")));
        assert!(done.contains("value=\"undo:r1\"") && done.contains(word), "{decision}: {done}");
        let is_member = site.ok(&["member", "ls", "dev"]).contains("new@");
        assert_eq!(is_member, decision == "accept");
        let back = boss.follow(&boss.send(page, page, "do=undo:r1"));
        assert!(
            back.contains("can be made again") && back.contains("value=\"accept:r1\""),
            "{back}"
        );
        assert!(!site.ok(&["member", "ls", "dev"]).contains("new@"), "{decision}");
        assert_eq!(site.ok(&["list", "show", "dev", "ban_list"]).trim(), "", "{decision}");
    }
    boss.send(page, page, "do=accept:p1");
    site.ok(&["run"]);
    let late = boss.follow(&boss.send(page, page, "do=undo:p1"));
    assert!(late.contains("too late") && !late.contains("value=\"undo:p1\""), "{late}");
}

#[test]
fn watchers_are_told_whether_pages_can_be_served() {
    let site = site();
    let server = Server::start(&site);
    let healthy = server.get("/mailman/health");
    assert!(healthy.starts_with("HTTP/1.1 200") && healthy.ends_with("ok\n"), "{healthy}");
    if site.is_shared() {
        let away = "postgres://dormouse@/postgres?host=/nowhere";
        site.ok(&["config", "set", "store.url", away]);
    } else {
        std::fs::write(site.dir().join("dormouse.db"), "no database").unwrap();
    }
    let broken = server.get("/health");
    assert!(broken.starts_with("HTTP/1.1 503"), "{broken}");
}

/// nginx in front, and before that another one, which removes a part of the path.
#[test]
fn clients_are_identified_and_redirected_correctly_behind_two_web_servers() {
    if Command::new("nginx").arg("-v").output().is_err() {
        skipped::skip("there is no nginx (Debian's package nginx-light)");
        return;
    }
    let site = site();
    let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (outer, inner) = (port(), port());
    site.ok(&["config", "set", "web_url", &format!("http://127.0.0.1:{outer}/lists/")]);
    let server = Server::start(&site);
    let home = tempfile::tempdir().unwrap();
    let conf = home.path().join("nginx.conf");
    let pages = server.address();
    let text = format!(
        "daemon off; master_process off; pid {home}/pid; error_log {home}/error;
         events {{}} http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p;
         fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
         proxy_set_header Host $http_host;
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
         server {{ listen 127.0.0.1:{outer}; location /lists/ {{ proxy_pass http://127.0.0.1:{inner}/mailman/; }} }}
         server {{ listen 127.0.0.1:{inner}; location / {{ proxy_pass http://{pages}; }} }} }}",
        home = home.path().display()
    );
    std::fs::write(&conf, text).unwrap();
    let mut nginx = Command::new("nginx")
        .arg("-p")
        .arg(home.path())
        .arg("-c")
        .arg(&conf)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("nginx", || TcpStream::connect(("127.0.0.1", outer)).is_ok());
    let outside = Server::at(([127, 0, 0, 1], outer).into());
    let asked = outside.get("/lists/admindb/dev");
    let link = {
        outside.post("/lists/signin", "email=owner%40example.org&next=%2Flists%2Fadmindb%2Fdev");
        site.ok(&["run"]);
        let mail = site.maildir("owner@example.org").pop().unwrap();
        dormouse_testkit::browser::path_in(&mail, "/lists/signin/")
    };
    let browser = Browser::new(&outside);
    let back = browser.post(&link, "sign-in=1");
    let page = browser.follow(&back);
    nginx.kill().unwrap();
    nginx.wait().unwrap();
    assert_eq!(
        location(&asked).unwrap().split("/lists/").nth(1),
        Some("signin?next=%2Flists%2Fadmindb%2Fdev"),
        "{asked}"
    );
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("href=\"/lists/mine\""), "{page}");
    let opened = dormouse_store::Site::open(&site.dir()).unwrap();
    let store = dormouse_store::Store::open(&opened).unwrap();
    let sessions = store
        .read()
        .sessions_with(
            &dormouse_store::Proof::Address(dormouse_mail::AddressKey::of("owner@example.org")),
            Timestamp::EPOCH,
        )
        .unwrap();
    assert_eq!(sessions[0].network, "127.0.0.0/24");
}

/// In a real browser, on a phone in dark mode and on a desktop in light mode, with scripts off.
#[test]
fn a_moderator_with_a_real_browser_signs_in_by_mail_and_decides() {
    let Some(browser) = Chromium::start() else {
        skipped::skip("there is no Chromium");
        return;
    };
    let site = two_lists();
    let server = Server::start(&site);
    let at = |path: &str| format!("http://{}{path}", server.address());
    for (number, (width, is_dark)) in [(390, true), (1280, false)].into_iter().enumerate() {
        browser.look(width, is_dark, false);
        let subject = format!("look-{number}");
        site.post("dev", &message("carla@example.com", &subject, "A question.\n"));
        site.post("ops", &message("eve@example.com", &format!("spam-{number}"), "Buy.\n"));
        site.ok(&["run"]);
        browser.call("Network.clearBrowserCookies", serde_json::json!({}));
        browser.go(&at("/mailman/admindb/dev"));
        assert!(browser.text().contains("Send me the link"), "{}", browser.text());
        browser.type_into("#email", "boss@example.org");
        browser.press("form button.go");
        assert!(browser.text().contains("Check your email"), "{}", browser.text());
        site.ok(&["run"]);
        let mail = site.maildir("boss@example.org").pop().unwrap();
        browser.go(&at(&dormouse_testkit::browser::path_in(&mail, "/mailman/signin/")));
        browser.press("button.go");
        // The browser is redirected to the requested page.
        let text = browser.text();
        assert!(text.contains(&subject) && !text.contains("spam-"), "{text}");
        assert!(browser.overflow() <= 0 && browser.unnamed().is_empty(), "{:?}", browser.unnamed());
        browser.go(&at("/mailman/moderation"));
        assert!(browser.text().contains(&format!("spam-{number}")), "{}", browser.text());
        assert!(browser.overflow() <= 0);
        browser.press("button[value^='accept:p']");
        assert!(browser.text().contains("Done."), "{}", browser.text());
        // The other one is selected, and discarded with the bar's button.
        browser.touch("input[name=item]");
        browser.press(".bar button[value=discard]");
        assert!(browser.text().contains("Nothing is waiting."), "{}", browser.text());
        site.ok(&["run"]);
        let came = site.maildir("anna@example.org");
        let text = String::from_utf8_lossy(came.last().unwrap()).into_owned();
        assert!(came.len() == number + 1 && text.contains(&subject), "{text}");
        for path in [
            "/mailman/listinfo",
            "/mailman/listinfo/dev",
            "/mailman/mine",
            "/mailman/account",
            "/mailman/admin/dev",
            "/mailman/search/dev",
        ] {
            browser.go(&at(path));
            assert!(browser.overflow() <= 0, "{path}");
            assert!(browser.unnamed().is_empty(), "{path}: {:?}", browser.unnamed());
            let colours = browser.eval("getComputedStyle(document.body).backgroundColor");
            assert_eq!(colours == "rgb(22, 25, 30)", is_dark, "the stylesheet counts: {colours}");
        }
        browser.go(&at("/mailman/account"));
        browser.press("button.stop");
        assert!(browser.text().contains("signed out everywhere"), "{}", browser.text());
    }
}

/// A client with half a request must not block others when the process is about to exit.
#[test]
fn half_a_request_does_not_keep_the_process() {
    let site = site();
    site.ok(&["config", "set", "web.idle", "200ms"]);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // As inetd passes the socket.
    let serve = || {
        let socket = std::os::fd::OwnedFd::from(socket.try_clone().unwrap());
        site.command(&["serve"]).stdin(Stdio::from(socket)).spawn().unwrap()
    };
    let mut first = serve();
    let mut held = TcpStream::connect(address).unwrap();
    held.write_all(b"GET /lis").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = first.try_wait().unwrap() {
            break status;
        }
        if Instant::now() >= deadline {
            first.kill().unwrap();
            first.wait().unwrap();
            panic!("the process waits for the rest of a request");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    let mut second = serve();
    let page = ask(address, "GET /listinfo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    drop(held);
    assert!(second.wait().unwrap().success());
}

#[test]
fn a_connection_starts_the_process_and_it_ends_when_nobody_comes() {
    let activate = "systemd-socket-activate";
    if Command::new(activate).arg("--version").output().is_err() {
        skipped::skip(format!("there is no {activate} (package systemd)"));
        return;
    }
    let site = site();
    site.ok(&["config", "set", "web.idle", "300ms"]);
    site.post("dev", &message("s@example.com", "x", "Text.\n"));
    site.ok(&["run"]);
    let link = path(&site.ok(&["held", "link", "dev", "1"]));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut waker = Command::new(activate)
        .args(["--listen", &free.to_string(), "--setenv", "DORMOUSE_SITE", DORMOUSE, "serve"])
        .env("DORMOUSE_SITE", site.dir())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually(activate, || TcpStream::connect(free).is_ok());
    let deadline = Instant::now() + PATIENCE;
    let page = ask(free, &format!("GET {link} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    // The activator becomes the server.
    let status = loop {
        if let Some(status) = waker.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it ends when nobody comes");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
}

#[test]
fn the_front_page_leads_to_the_lists_and_a_path_may_be_listened_at() {
    let site = site();
    let server = Server::start(&site);
    for (asked, place) in
        [("/", "listinfo"), ("/mailman/", "listinfo"), ("/mailman", "mailman/listinfo")]
    {
        let page = server.get(asked).to_lowercase();
        assert!(page.starts_with("http/1.1 303"), "{asked}: {page}");
        assert!(page.contains(&format!("\nlocation: {place}\r")), "{asked}: {page}");
    }
    drop(server);
    let path = site.dir().join("web.sock");
    let mut serving = site.command(&["serve", "--listen"]).arg(&path).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut stream = loop {
        match std::os::unix::net::UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let page = ask_on(&mut stream);
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("dev"), "{page}");
}

fn ask_on(stream: &mut std::os::unix::net::UnixStream) -> String {
    use std::io::{Read as _, Write as _};
    stream
        .write_all(
            b"GET /listinfo HTTP/1.1\r\nHost: lists.example.org\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// Checks a public archive with an attachment and pages on a socket behind a web server.
fn behind(program: &str, lines: &str, start: impl Fn(&std::path::Path, &str) -> Command) {
    use std::os::unix::fs::PermissionsExt as _;
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "archive=yes", "archive_private=no"]);
    let mail = "From: anna@example.org\nSubject: hello\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n\
                Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n\
                Content-Type: application/octet-stream; name=a.bin\n\nxyz\n--b--\n";
    site.post("dev", mail.as_bytes());
    site.ok(&["run"]);
    let home = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    for dir in [home.path(), site.dir().parent().unwrap()] {
        std::fs::set_permissions(dir, open.clone()).unwrap();
    }
    let socket = home.path().join("web.sock");
    site.ok(&["config", "set", "web.listen", socket.to_str().unwrap()]);
    let mut pages = site.command(&["serve", "--listen", socket.to_str().unwrap()]);
    let _pages = Ends(pages.stdout(Stdio::null()).spawn().unwrap());
    let address = free_address();
    let lines = lines
        .replace("listen 80", &format!("listen {address}"))
        .replace("lists.example.org {", &format!("http://lists.example.org:{} {{", address.port()))
        .replace("/var/lib/dormouse", &site.dir().display().to_string())
        .replace("http://127.0.0.1:8124", &format!("http://unix:{}", socket.display()))
        .replace(
            "reverse_proxy 127.0.0.1:8124",
            &format!("reverse_proxy unix/{}", socket.display()),
        );
    let mut command = start(home.path(), &lines);
    let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(front) = spawned else { return skipped::skip(format!("there is no {program}")) };
    let _front = Ends(front);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() || !socket.exists() {
        assert!(Instant::now() < deadline, "{program} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let get = |path: &str| {
        use std::io::Read as _;
        let mut stream = TcpStream::connect(address).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: lists.example.org\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let overview = get("/mailman/listinfo/dev");
    assert!(overview.starts_with("HTTP/1.1 200") && overview.contains("dev"), "{overview}");
    let archive = get("/pipermail/dev/");
    assert!(archive.starts_with("HTTP/1.1 200") && archive.contains("html"), "{archive}");
    let lower = archive.to_lowercase();
    assert!(lower.contains("x-content-type-options: nosniff"), "{archive}");
    let tree = site.dir().join("archives/public/dev");
    let mut dirs = vec![tree.join("attachments")];
    let mut found = None;
    while let Some(dir) = dirs.pop() {
        for file in std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()) {
            if file.is_dir() { dirs.push(file) } else { found = Some(file) }
        }
    }
    let found = found.unwrap();
    let name = found.strip_prefix(&tree).unwrap().display().to_string();
    let attachment = get(&format!("/pipermail/dev/{name}")).to_lowercase();
    assert!(attachment.starts_with("http/1.1 200"), "{attachment}");
    for header in ["content-disposition: attachment", "content-security-policy: sandbox"] {
        assert!(attachment.contains(header), "{attachment}");
    }
    assert!(!get("/pipermail/../dormouse.toml").contains("host ="));
    assert!(!get("/pipermail/../private/dev.mbox/dev.mbox").contains("Message-ID"));
}

#[test]
fn nginx_passes_pages_on_and_serves_archives_as_the_page_says() {
    let lines = block("installing.md", "## The web server in front", "proxy_pass");
    behind("nginx (Debian's package nginx-light)", &lines, |home, lines| {
        let at = home.display();
        // Its workers run as www-data, as on Debian.
        let user = match rustix::process::geteuid().is_root() {
            true => "user www-data;",
            false => "",
        };
        let dirs = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let dirs: String = dirs.map(|name| format!("{name}_temp_path {at}/{name};\n")).concat();
        let whole = format!(
            "daemon off;\n{user}\npid {at}/pid;\nerror_log {at}/errors;\nevents {{}}\nhttp {{\n\
             access_log off;\n{dirs}types {{ text/html html; }}\n{lines}}}\n"
        );
        std::fs::write(home.join("nginx.conf"), whole).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(home).arg("-c").arg(home.join("nginx.conf"));
        command
    });
}

#[test]
fn caddy_passes_pages_on_and_serves_archives_as_the_page_says() {
    let lines = block("installing.md", "## The web server in front", "reverse_proxy");
    behind("caddy", &lines, |home, lines| {
        let whole = format!(
            "{{\n    admin off\n    auto_https off\n    default_bind 127.0.0.1\n}}\n{lines}"
        );
        std::fs::write(home.join("Caddyfile"), whole).unwrap();
        let mut command = Command::new("caddy");
        command.arg("run").arg("--adapter").arg("caddyfile").arg("--config");
        command.arg(home.join("Caddyfile")).env("HOME", home);
        command
    });
}

#[test]
fn pages_take_new_settings_with_the_next_request() {
    let site = site();
    let server = Server::start(&site);
    assert!(server.get("/mailman/listinfo").starts_with("HTTP/1.1 200"));
    let before = site.ok(&["status"]);
    assert!(before.contains("serve, process") && !before.contains("older settings"), "{before}");
    site.ok(&["config", "set", "host", "lists.example.net"]);
    assert!(site.ok(&["status"]).contains("still with older settings"));
    server.get("/mailman/listinfo");
    assert!(!site.ok(&["status"]).contains("older settings"));
    // Incomplete settings are ignored.
    let file = site.dir().join("dormouse.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "host = ").unwrap();
    assert!(server.get("/mailman/listinfo").starts_with("HTTP/1.1 200"));
    std::fs::write(&file, text).unwrap();
}
