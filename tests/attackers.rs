//! The pages under attack: what is forbidden, and what must not be revealed.

use dormouse_testkit::browser::{Browser, encoded, location, path_in, value};
use dormouse_testkit::server::Server;
use dormouse_testkit::site::{TestSite, message};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// SHA-1 of "secret", as from a takeover.
const SECRET: &str = "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";

/// Two lists with an owner and a moderator each; posts of non-members are held.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.ok(&["config", "set", "members.mails_per_address", "0"]);
    site.ok(&["config", "set", "members.mails_per_origin", "0"]);
    for (list, member) in [("dev", "anna@example.org"), ("ops", "otto@example.org")] {
        site.plain_list(list, &[member]);
        site.ok(&[
            "list",
            "set",
            list,
            "generic_nonmember_action=hold",
            "admin_immed_notify=no",
            &format!("owner={list}-boss@example.org"),
            &format!("moderator={list}-mod@example.org"),
        ]);
    }
    site
}

fn hold(site: &TestSite, list: &str, subject: &str) {
    site.post(list, &message("stranger@example.com", subject, "Text.\n"));
    site.ok(&["run"]);
}

fn held(site: &TestSite) -> usize {
    let held = site.ok(&["held", "ls", "--json"]);
    serde_json::from_str::<Vec<serde_json::Value>>(&held).unwrap().len()
}

fn status(answer: &str) -> &str {
    &answer[9..12]
}

const PAGES: [&str; 7] = [
    "/mailman/admin",
    "/mailman/admin/dev",
    "/mailman/admindb/dev",
    "/mailman/moderation",
    "/mailman/moderation/post/1",
    "/mailman/mine",
    "/mailman/account",
];

#[test]
fn a_page_for_somebody_leads_to_sign_in_and_back_again() {
    let site = site();
    hold(&site, "dev", "x");
    let server = Server::start(&site);
    for page in PAGES {
        let away = server.get(page);
        assert_eq!(status(&away), "303", "{page}: {away}");
        let sign_in = location(&away).unwrap();
        assert_eq!(sign_in, format!("/mailman/signin?next={}", page.replace('/', "%2F")));
        let form = server.get(&sign_in);
        assert_eq!(value(&form, "next").as_deref(), Some(page), "{form}");
        let browser = Browser::new(&server);
        let back = browser.sign_in(&site, "dev-mod@example.org", page);
        assert_eq!(location(&back).as_deref(), Some(page));
        assert_eq!(status(&browser.follow(&back)), "200", "{page}");
        let has_forms = !page.starts_with("/mailman/admin/") && page != "/mailman/admin";
        let has_forms = has_forms && !page.starts_with("/mailman/moderation/post/");
        let expected = if has_forms { "303" } else { "405" };
        assert_eq!(status(&server.post(page, "do=accept:p1")), expected, "{page}");
    }
    assert_eq!(held(&site), 1);
}

#[test]
fn nobody_is_led_anywhere_else() {
    let site = site();
    let server = Server::start(&site);
    for bad in [
        "https://evil.example/",
        "//evil.example/mailman/",
        "/\\evil.example",
        "/mailman/../../evil",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/mailman/\r\nSet-Cookie: a=b",
        "/elsewhere",
        "http:/mailman/",
        "/mailman\u{2028}/x",
    ] {
        let form = server.get(&format!("/mailman/signin?next={}", encoded(bad)));
        let next = value(&form, "next").unwrap();
        assert!(next.starts_with("/mailman/") && !next.contains("evil.example"), "{bad}: {next}");
        let browser = Browser::new(&server);
        let led = location(&browser.sign_in(&site, "anna@example.org", bad)).unwrap();
        assert!(led.starts_with("/mailman/") && !led.contains('\r'), "{bad}: {led}");
    }
    for path in
        ["//evil.example/", "/mailman//evil.example/", "//evil.example/mailman/listinfo/dev/"]
    {
        let answer = server.get(path);
        assert!(location(&answer).is_none_or(|to| to.starts_with("/mailman/")), "{path}: {answer}");
    }
}

#[test]
fn a_form_counts_only_when_it_was_made_for_who_sends_it() {
    let site = site();
    hold(&site, "dev", "x");
    let server = Server::start(&site);
    let moderator = Browser::signed_in(&server, &site, "dev-mod@example.org");
    let other = Browser::signed_in(&server, &site, "ops-mod@example.org");
    let key = |browser: &Browser<'_>| value(&browser.get("/mailman/account"), "key").unwrap();
    let (own, foreign) = (key(&moderator), key(&other));
    assert_ne!(own, foreign);
    let path = "/mailman/moderation";
    for (headers, form) in [
        ("", "do=discard:p1".to_owned()),
        ("", "key=&do=discard:p1".to_owned()),
        ("", format!("key={foreign}&do=discard:p1")),
        ("", format!("key={}&do=discard:p1", &own[..30])),
        ("Sec-Fetch-Site: cross-site\r\n", format!("key={own}&do=discard:p1")),
        ("Sec-Fetch-Site: same-site\r\n", format!("key={own}&do=discard:p1")),
        ("Origin: https://evil.example\r\n", format!("key={own}&do=discard:p1")),
    ] {
        let answer = moderator.post_with(headers, path, &form);
        assert_eq!(status(&answer), "403", "{headers}{form}: {answer}");
        assert_eq!(held(&site), 1, "{headers}{form}");
    }
    // Another site's form signs nobody in, neither with a link nor with a password.
    site.ok(&["list", "set", "dev", &format!("password={SECRET}")]);
    let victim = Browser::new(&server);
    for headers in ["Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"] {
        let answer = victim.post_with(headers, "/mailman/signin", "list=dev&password=secret");
        assert_eq!(status(&answer), "403", "{answer}");
    }
    assert!(victim.cookies().is_empty());
    for (page, form) in [
        ("/mailman/account", "end=all"),
        ("/mailman/mine", "all=on&delivery=off&do=save"),
        ("/mailman/options/dev", "do=leave"),
    ] {
        let anna = Browser::signed_in(&server, &site, "anna@example.org");
        let answer = anna.post(page, form);
        assert_eq!(status(&answer), "403", "{page}: {answer}");
        assert_eq!(status(&anna.get("/mailman/mine")), "200");
    }
    let answer = moderator.post_with(
        "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n",
        path,
        &format!("key={own}&do=discard:p1"),
    );
    assert_eq!(status(&answer), "303", "{answer}");
    assert_eq!(held(&site), 0);
}

#[test]
fn a_session_that_was_known_before_is_worth_nothing_after() {
    let site = site();
    site.ok(&["list", "set", "dev", &format!("password={SECRET}")]);
    let server = Server::start(&site);
    let planted = "a".repeat(64);
    let browser = Browser::new(&server);
    browser.put_cookie("__Host-dormouse", &planted);
    browser.sign_in(&site, "anna@example.org", "");
    let first = browser.cookies()["__Host-dormouse"].clone();
    assert_ne!(first, planted);
    // The new session keeps the earlier proofs, and the old token ends.
    let answer = browser.post("/mailman/signin", "list=dev&password=secret");
    assert_eq!(status(&answer), "303", "{answer}");
    assert_ne!(browser.cookies()["__Host-dormouse"], first);
    let account = browser.get("/mailman/account");
    assert!(
        account.contains("anna@example.org, by") && account.contains("owner of Dev"),
        "{account}"
    );
    for old in [planted.as_str(), first.as_str(), "", "x"] {
        let thief = Browser::new(&server);
        thief.put_cookie("__Host-dormouse", old);
        assert_eq!(status(&thief.get("/mailman/mine")), "303");
    }
    // The database does not contain the token.
    let token = browser.cookies()["__Host-dormouse"].clone();
    for file in ["dormouse.db", "dormouse.db-wal"] {
        let bytes = std::fs::read(site.dir().join(file)).unwrap_or_default();
        let is_in = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!is_in, "{file}");
    }
    // A second person on the same computer does not get the first one's rights.
    let link = {
        browser.post("/mailman/signin", "email=otto%40example.org");
        site.ok(&["run"]);
        path_in(&site.maildir("otto@example.org")[0], "/mailman/signin/")
    };
    assert!(browser.get(&link).contains("Both addresses are mine"));
    browser.post(&link, "sign-in=1");
    let account = browser.get("/mailman/account");
    assert!(account.contains("otto@example.org") && !account.contains("anna@"), "{account}");
    assert_eq!(status(&Browser::new(&server).post(&link, "sign-in=1")), "410");
}

#[test]
fn one_list_opens_no_other() {
    let site = site();
    hold(&site, "dev", "for-dev");
    hold(&site, "ops", "for-ops");
    site.ok(&["list", "set", "dev", &format!("mod_password={SECRET}")]);
    let server = Server::start(&site);
    for browser in [
        Browser::signed_in(&server, &site, "dev-mod@example.org"),
        Browser::signed_in(&server, &site, "dev-boss@example.org"),
        Browser::with_password(&server, "dev", "secret"),
    ] {
        let all = browser.get("/mailman/moderation");
        assert!(all.contains("for-dev") && !all.contains("for-ops"), "{all}");
        assert_eq!(status(&browser.get("/mailman/admindb/ops")), "403");
        assert_eq!(status(&browser.get("/mailman/admin/ops")), "403");
        // The post of the other list, by its number.
        let post = browser.get("/mailman/moderation/post/2");
        assert!(status(&post) == "410" && !post.contains("for-ops"), "{post}");
        for verb in ["accept", "remember", "reject", "discard", "ban"] {
            let form = format!("do={verb}:p2");
            let answer = browser.send("/mailman/moderation", "/mailman/moderation", &form);
            assert!(location(&answer).unwrap().contains("done=0&late=1"), "{answer}");
            let form = format!("item=p2&do={verb}");
            browser.send("/mailman/moderation", "/mailman/moderation", &form);
        }
        // The page of a list gives no rights on another list.
        browser.send("/mailman/admindb/dev", "/mailman/moderation", "list=ops&do=discard:p2");
        assert_eq!(held(&site), 2);
    }
    // Moderators may not do what owners may.
    let moderator = Browser::signed_in(&server, &site, "dev-mod@example.org");
    for page in ["/mailman/admin/dev/general", "/mailman/edithtml/dev", "/mailman/rmlist/dev"] {
        assert_eq!(status(&moderator.get(page)), "403", "{page}");
    }
    let owner = Browser::signed_in(&server, &site, "dev-boss@example.org");
    assert_eq!(status(&owner.get("/mailman/admin/dev/general")), "303");
    let form = "name=new&owners=dev-boss%40example.org";
    let created = owner.send("/mailman/settings/dev", "/mailman/create", form);
    assert_eq!(status(&created), "403", "that is for the site");
    // A member has no rights beyond the own membership.
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    for page in ["/mailman/admindb/dev", "/mailman/admin/dev"] {
        assert_eq!(status(&anna.get(page)), "403", "{page}");
    }
    assert!(anna.get("/mailman/options/ops").contains("not as a member"));
    let other = anna.get("/mailman/options/dev/otto--at--example.org");
    assert!(!other.contains("otto@"), "{other}");
    // A former moderator may do nothing from then on.
    site.ok(&["list", "set", "dev", "moderator="]);
    assert_eq!(status(&moderator.get("/mailman/admindb/dev")), "403");
    site.ok(&["config", "set", "web.administrators", "chief@example.org"]);
    site.ok(&["member", "add", "ops", "--welcome", "no", "chief@example.org"]);
    let server = Server::start(&site);
    let chief = Browser::signed_in(&server, &site, "chief@example.org");
    let all = chief.get("/mailman/moderation");
    assert!(all.contains("for-dev") && all.contains("for-ops"), "{all}");
}

#[test]
fn requests_of_other_lists_are_nobodys_to_decide() {
    let site = site();
    site.ok(&["list", "set", "ops", "subscribe_policy=approve"]);
    let join = |address: &str| {
        let mail =
            format!("From: {address}\nTo: ops-join@lists.example.org\nMessage-ID: <{address}>\n\n");
        site.feed(&["deliver", "ops-join@lists.example.org"], mail.as_bytes());
        site.ok(&["run"]);
    };
    join("new@example.net");
    let server = Server::start(&site);
    let foreign = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let path = "/mailman/moderation";
    assert!(!foreign.get(path).contains("new@example.net"));
    for verb in ["accept", "discard", "ban", "reject"] {
        let answer = foreign.post(path, &format!("key={}&do={verb}:r1", key(&foreign)));
        assert_eq!(status(&answer), "403", "{answer}");
    }
    let own = Browser::signed_in(&server, &site, "ops-mod@example.org");
    assert!(own.get(path).contains("new@example.net would like to join"));
    own.send(path, path, "do=accept:r1");
    assert!(site.ok(&["member", "ls", "ops"]).contains("new@example.net"));
}

fn key(browser: &Browser<'_>) -> String {
    value(&browser.get("/mailman/account"), "key").unwrap()
}

#[test]
fn what_posters_and_members_write_is_text_on_every_page() {
    let site = site();
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>";
    let mail = format!(
        "From: \"{}\" <\"<svg/onload=x>\"@example.com>\nTo: dev@lists.example.org\nSubject: {evil}\nMessage-ID: <1@x>\nX-Spam-Status: {evil}\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n{evil}\n--b\nContent-Type: text/html\n\n<p onclick=alert(1)>Hello {evil}<iframe src=https://evil.example></iframe><form action=https://evil.example><button>Let it through</button></form><style>*{{display:none}}</style></p>\n--b\nContent-Type: text/x-evil; name=\"{evil}\"\n\nx\n--b--\n",
        evil.replace('"', "'")
    );
    site.post("dev", mail.as_bytes());
    site.ok(&["run"]);
    site.ok(&[
        "list",
        "set",
        "dev",
        &format!("description={evil}"),
        &format!("info={evil}<b>bold</b>"),
        "private_roster=anyone",
    ]);
    site.ok(&["member", "set", "dev", "anna@example.org", &format!("name={evil}")]);
    let server = Server::start(&site);
    let boss = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    for page in [
        boss.get("/mailman/moderation"),
        boss.get("/mailman/moderation/post/1"),
        boss.get("/mailman/admindb/dev"),
        boss.get("/mailman/admin"),
        boss.get("/mailman/admin/dev"),
        boss.get("/mailman/members/dev"),
        boss.get("/mailman/members/dev/member?who=anna%40example.org"),
        boss.get(&format!("/mailman/members/dev/erase?who={}", encoded(evil))),
        boss.get("/mailman/moderation/post/1?forwarded=yes"),
        server.get(&format!("/mailman/search?q={0}&author={0}", encoded(evil))),
        anna.get("/mailman/mine/erase"),
        anna.get("/mailman/mine"),
        anna.get("/mailman/options/dev"),
        anna.get("/mailman/roster/dev"),
        server.get("/mailman/listinfo"),
        server.get("/mailman/listinfo/dev"),
        server.get(&format!("/mailman/search/dev?q={0}&author={0}&after={0}", encoded(evil))),
        server.get(&format!("/mailman/signin?next={0}&email={0}&list={0}", encoded(evil))),
        server.get(&format!("/mailman/{}", encoded(evil))),
        boss.get(&format!("/mailman/moderation?done={0}&late={0}", encoded(evil))),
    ] {
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("default-src 'none'; style-src 'sha256-"), "{head}");
        for wrong in [
            "<script",
            "<img",
            "<iframe",
            "<svg",
            "onclick=alert",
            "action=https",
            "action=\"https://evil",
        ] {
            assert!(!body.contains(wrong), "{wrong}: {page}");
        }
        assert_eq!(body.matches("<style>").count(), 1, "{page}");
        assert!(!head.contains("unsafe"), "{head}");
    }
    let shown = server.get("/mailman/listinfo/dev");
    assert!(shown.contains("<b>bold</b>"), "{shown}");
    let mail = boss.get("/mailman/moderation/post/1");
    assert!(mail.contains("X-Spam-Status") && mail.contains("text/x-evil"), "{mail}");
}

/// Rights on other lists give none on this one: each action is tried by a stranger, a member,
/// another list's owner and moderator, and without the form's key.
#[test]
fn new_doors_open_for_those_they_are_made_for_alone() {
    let site = site();
    site.ok(&["list", "set", "dev", "archive=yes", "archive_private=yes"]);
    site.post("dev", &message("anna@example.org", "secret words", "The word is xyzzy.\n"));
    hold(&site, "dev", "held");
    site.ok(&["held", "discard", "dev", "1"]);
    hold(&site, "dev", "held again");
    let server = Server::start(&site);
    let ops_boss = Browser::signed_in(&server, &site, "ops-boss@example.org");
    let ops_mod = Browser::signed_in(&server, &site, "ops-mod@example.org");
    let dev_mod = Browser::signed_in(&server, &site, "dev-mod@example.org");
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    let boss = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let state = || {
        let shown = ["member", "ls", "dev"];
        let show = |name: &str| site.ok(&["list", "show", "dev", name]);
        let owners = ["owner", "msg_footer", "generic_nonmember_action"].map(show).concat();
        let anna = site.ok(&["member", "show", "dev", "anna@example.org"]);
        let archive = site.ok(&["archive", "search", "dev", "xyzzy"]);
        format!("{}{owners}{anna}{archive}{}", site.ok(&shown), site.ok(&["held", "ls", "--json"]))
    };
    let before = state();
    for (path, form) in [
        ("/mailman/removal/dev/0", "do=remove"),
        ("/mailman/removal/dev/0", "do=redact&words=xyzzy"),
        ("/mailman/members/dev/erase", "who=anna@example.org&typed=anna@example.org&posts=on"),
        ("/mailman/members/dev/member", "who=anna@example.org&owner=on&do=roles"),
        ("/mailman/person", "who=anna@example.org&typed=anna@example.org&posts=on"),
        ("/mailman/guide/dev/posting", "who=everybody&do=save"),
        ("/mailman/guide/dev/posts", "set-msg_footer=x&do=save"),
        ("/mailman/members/dev", "do=moderate:all"),
    ] {
        assert_eq!(status(&server.post(path, form)), "303", "{path}: a stranger");
        for (who, browser) in [("owner", &ops_boss), ("moderator", &dev_mod), ("member", &anna)] {
            let sent = browser.post(path, &format!("key={}&{form}", key(browser)));
            assert_eq!(status(&sent), "403", "{path}: {who}: {sent}");
        }
        assert_eq!(status(&boss.post(path, form)), "403", "{path}: without a key");
        let forged = format!("key={}&{form}", key(&ops_boss));
        assert_eq!(status(&boss.post(path, &forged)), "403", "{path}: another's key");
        let elsewhere = format!("key={}&{form}", key(&boss));
        let headers = "Sec-Fetch-Site: cross-site\r\n";
        assert_eq!(status(&boss.post_with(headers, path, &elsewhere)), "403", "{path}");
    }
    // Another list's moderator cannot undo or forward anything here.
    for form in ["do=undo:p1", "do=undo:r1", "do=forward:p2&forward-to=eve@example.com"] {
        let sent = ops_mod.post("/mailman/moderation", &format!("key={}&{form}", key(&ops_mod)));
        assert_ne!(status(&sent), "200", "{form}: {sent}");
        assert!(!ops_mod.get("/mailman/moderation").contains("undo:p1"));
    }
    site.ok(&["run"]);
    assert!(site.maildir("eve@example.com").is_empty());
    assert_eq!(state(), before);
    // Nobody may read pages of others.
    for path in ["/mailman/feed/dev/0", "/mailman/search/dev?q=xyzzy", "/mailman/removal/dev/0"] {
        assert_eq!(status(&server.get(path)), "303", "{path}");
        assert_eq!(status(&ops_boss.get(path)), "403", "{path}");
    }
    assert!(!ops_boss.get("/mailman/search?q=xyzzy").contains("secret words"));
    assert!(anna.get("/mailman/search?q=xyzzy").contains("secret words"));
    for who in ["dev-boss@example.org", "otto%40example.org", "anna@example.org%00"] {
        for page in ["/mailman/mine/export", "/mailman/mine/erase"] {
            assert_eq!(status(&anna.get(&format!("{page}?who={who}"))), "403", "{page}: {who}");
        }
    }
}

/// A colour and a logo become part of the style and the policy of every page.
#[test]
fn a_sites_looks_bring_nothing_else_in() {
    let site = site();
    for wrong in ["red", "#12", "#123456;}body{display:none", "</style><script>", "url(x)"] {
        assert!(!site.run(&["config", "set", "web.colour", wrong]).status.success(), "{wrong}");
    }
    for wrong in ["logo.html", "/etc/passwd", "../dormouse.toml", "x.svg.js"] {
        assert!(!site.run(&["config", "set", "web.logo", wrong]).status.success(), "{wrong}");
    }
    site.ok(&["config", "set", "web.colour", "#ff00aa"]);
    site.ok(&["config", "set", "web.logo", "logo.svg"]);
    let drawing = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    std::fs::write(site.dir().join("logo.svg"), drawing).unwrap();
    let server = Server::start(&site);
    let page = server.get("/mailman/listinfo");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.matches("'sha256-").count(), 2, "{head}");
    assert!(head.contains("default-src 'none';") && head.contains("img-src 'self';"), "{head}");
    assert!(!head.contains("unsafe") && body.contains("src=\"/mailman/logo\""), "{page}");
    let logo = server.get("/mailman/logo");
    assert!(
        logo.contains("image/svg+xml") && logo.contains("default-src 'none'; sandbox"),
        "{logo}"
    );
    std::fs::remove_file(site.dir().join("logo.svg")).unwrap();
    assert_eq!(status(&server.get("/mailman/logo")), "404");
}

#[test]
fn guessing_ends_and_tells_nothing() {
    let site = site();
    site.ok(&["list", "set", "dev", &format!("password={SECRET}")]);
    site.ok(&["config", "set", "members.passwords_per_origin", "5"]);
    let server = Server::start(&site);
    let guess = |network: &str, form: &str| server.post_from(network, "/mailman/signin", form);
    let body = |answer: String| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    let wrong = guess("192.0.2.1", "list=dev&password=guess");
    assert!(status(&wrong) == "401" && !wrong.contains("set-cookie"), "{wrong}");
    // The reply does not reveal whether the list or the member exists.
    let none = guess("192.0.2.1", "list=dev&email=nobody%40example.org&password=guess");
    let some = guess("192.0.2.2", "list=dev&email=anna%40example.org&password=guess");
    assert_eq!(body(none).replace("nobody", ""), body(some).replace("anna", ""));
    let empty = guess("192.0.2.1", "list=&password=guess");
    assert_eq!(status(&empty), "401");
    for _ in 0..3 {
        guess("192.0.2.3", "list=dev&password=guess");
    }
    let over = guess("192.0.2.4", "list=dev&password=guess");
    assert!(over.contains("Too many wrong passwords"), "{over}");
    // From another network the right password is accepted.
    assert_eq!(status(&guess("198.51.100.1", "list=dev&password=secret")), "303");
    // The reply is the same for all addresses.
    let ask = |address: &str| body(server.post("/mailman/signin", &format!("email={address}")));
    let asked: Vec<String> =
        ["anna%40example.org", "dev-boss%40example.org", "nobody%40example.com", "no-address"]
            .map(ask)
            .into();
    assert!(asked.iter().all(|answer| *answer == asked[0]), "{asked:#?}");
    site.ok(&["run"]);
    assert!(site.maildir("nobody@example.com").is_empty());
    assert_eq!(site.maildir("anna@example.org").len(), 1);
}

#[test]
fn those_who_run_a_list_show_it_again_after_a_while_and_end_with_their_password() {
    let site = site();
    hold(&site, "dev", "waits");
    site.ok(&[
        "list",
        "set",
        "dev",
        &format!("password={SECRET}"),
        "private_roster=owners",
        "archive_private=yes",
    ]);
    let server = Server::start(&site);
    let by_mail = Browser::signed_in(&server, &site, "dev-boss@example.org");
    let by_password = Browser::with_password(&server, "dev", "secret");
    let member = Browser::signed_in(&server, &site, "anna@example.org");
    let pages = [
        "/mailman/admindb/dev",
        "/mailman/moderation",
        "/mailman/admin/dev",
        "/mailman/roster/dev",
        "/mailman/private/dev/",
    ];
    for browser in [&by_mail, &by_password] {
        for page in pages {
            assert_eq!(status(&browser.get(page)), "200", "{page}");
        }
    }
    let later = Server::start_with(&site, &[("DORMOUSE_CLOCK", "+3700")]);
    let at = |browser: &Browser<'_>, page: &str| {
        let cookie = browser.cookies()["__Host-dormouse"].clone();
        later.get_with(&format!("Cookie: __Host-dormouse={cookie}\r\n"), page)
    };
    for browser in [&by_mail, &by_password] {
        for page in pages {
            let away = at(browser, page);
            let place = location(&away).unwrap_or_else(|| panic!("{page}: {away}"));
            assert!(place.ends_with("&again=1"), "{page}: {place}");
            assert!(at(browser, &place).contains("confirm that it is you"));
        }
        assert!(!at(browser, "/mailman/admin").contains("waits"));
    }
    // A member's session stays valid.
    assert_eq!(status(&at(&member, "/mailman/private/dev/")), "200");
    assert_eq!(status(&at(&member, "/mailman/mine")), "200");
    // A new password ends the sessions that the old one opened, and no others.
    site.ok(&["compat", "change_pw", "-l", "dev", "-p", "other"]);
    assert_eq!(status(&by_password.get("/mailman/admindb/dev")), "303");
    assert_eq!(status(&by_mail.get("/mailman/admindb/dev")), "200");
}

#[test]
fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let site = site();
    let server = Server::start(&site);
    let phone = Browser::signed_in(&server, &site, "anna@example.org");
    let desk = Browser::signed_in(&server, &site, "anna@example.org");
    let other = Browser::signed_in(&server, &site, "otto@example.org");
    let page = "/mailman/account";
    assert_eq!(desk.get(page).matches("name=\"end\"").count(), 3, "two, and all");
    // Another person's session, by its number.
    for id in 1..=3 {
        other.send(page, page, &format!("end={id}"));
    }
    assert_eq!(status(&phone.get(page)), "200");
    let other = Browser::signed_in(&server, &site, "otto@example.org");
    other.send(page, page, "end=all");
    assert_eq!(status(&other.get(page)), "303");
    assert_eq!(status(&phone.get(page)), "200");
    let ended = desk.send(page, page, "end=all");
    assert!(ended.contains("signed out everywhere"), "{ended}");
    for browser in [&phone, &desk] {
        assert_eq!(status(&browser.get("/mailman/mine")), "303");
    }
    assert!(desk.cookies().is_empty());
    // Erasing an address ends its sessions.
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    site.ok(&["person", "erase", "anna@example.org"]);
    assert_eq!(status(&anna.get("/mailman/mine")), "303");
}

#[test]
fn every_page_has_its_headers_and_errors_are_pages() {
    let site = site();
    let server = Server::start(&site);
    let raw = |request: &str| server.raw(request);
    let big = "x".repeat(3_000_000);
    for (request, expected) in [
        ("GET /mailman/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "404"),
        ("DELETE /mailman/listinfo/dev HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "405"),
        ("POST /mailman/mine HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: 2\r\n\r\n<>".to_owned(), "415"),
        ("POST /mailman/subscribe/dev HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\nemail=a&email=b".to_owned(), "422"),
        (format!("POST /mailman/signin HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{big}", big.len()), "413"),
        ("GET /mailman/listinfo/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "404"),
    ] {
        let answer = raw(&request);
        let first = &request[..40];
        assert_eq!(status(&answer), expected, "{first}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        for header in ["default-src 'none'", "nosniff", "no-referrer", "x-frame-options: deny"] {
            assert!(head.contains(header), "{first}: {head}");
        }
        assert!(body.contains("<main") && body.contains("/mailman/listinfo"), "{first}: {body}");
    }
}
