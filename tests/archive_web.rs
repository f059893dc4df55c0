//! Archives on the web: only members who have signed in read private ones; search, and original
//! messages.

use dormouse_testkit::browser::{Browser, location};
use dormouse_testkit::server::Server;
use dormouse_testkit::site::TestSite;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const PAGE: &str = "/mailman/private/dev/2026-November/000000.html";

/// A list with a private archive that contains a message with an attachment.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "archive_private=yes"]);
    let text = "From: bert@example.com\nSubject: for us\nMessage-ID: <1@x>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nA secret.\n--b\nContent-Type: text/csv; name=plan.csv\nContent-Disposition: attachment; filename=plan.csv\n\na,b\n--b--\n";
    site.post("dev", text.as_bytes());
    site.ok(&["run"]);
    site
}

/// Returns the cookies that a response sets, as a browser sends them back.
fn cookies(answer: &str) -> String {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let set = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let pairs: Vec<&str> = set.map(|cookie| cookie.split(';').next().unwrap()).collect();
    format!("Cookie: {}\r\n", pairs.join("; "))
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_default()
}

/// Requests a page, signs in, and returns the page to which the browser is redirected, and the
/// cookies.
fn log_in(site: &TestSite, server: &Server, page: &str) -> (String, String) {
    let asked = server.get(page);
    let browser = Browser::new(server);
    let next = location(&asked).unwrap();
    let next = next.split("next=").nth(1).unwrap();
    let opened = browser.sign_in(site, "anna@example.org", &decoded(next));
    let cookie = cookies(&opened);
    (opened, cookie)
}

/// Decodes percent signs in a part of an address.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push(char::from(u8::from_str_radix(&piece[..2], 16).unwrap()));
        out.push_str(&piece[2..]);
    }
    out
}

#[test]
fn who_opens_a_link_that_came_by_mail_reads_the_page_they_wanted_to_see() {
    let site = site();
    let server = Server::start(&site);
    let shut = server.get(PAGE);
    assert!(shut.starts_with("HTTP/1.1 303") && !shut.contains("secret"), "{shut}");
    let sign_in = server.get(header(&shut, "location"));
    assert!(sign_in.starts_with("HTTP/1.1 200") && sign_in.contains("Send me the link"));
    let (opened, cookie) = log_in(&site, &server, PAGE);
    assert!(opened.starts_with("HTTP/1.1 303"), "{opened}");
    assert_eq!(header(&opened, "location"), PAGE);
    for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(opened.contains(attribute), "{attribute}: {opened}");
    }
    let page = server.get_with(&cookie, PAGE);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("A secret."), "{page}");
    assert_eq!(header(&page, "cache-control"), "private, no-store");
    assert_eq!(header(&page, "content-type"), "text/html");
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    let front = server.get_with(&cookie, "/mailman/private/dev/");
    assert!(front.contains("2026-November/thread.html") && front.contains("style.css"), "{front}");
    for (path, kind) in [
        ("style.css", "text/css; charset=utf-8"),
        ("atom.xml", "application/atom+xml"),
        ("2026-November.txt", "text/plain; charset=utf-8"),
        ("2026-November/", "text/html"),
    ] {
        let answer = server.get_with(&cookie, &format!("/mailman/private/dev/{path}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert_eq!(header(&answer, "content-type"), kind, "{path}");
    }
    let start = page.find("attachments/").unwrap();
    let file = page[start..].split('"').next().unwrap();
    let file = server.get_with(&cookie, &format!("/mailman/private/dev/{file}"));
    assert!(file.ends_with("a,b") || file.ends_with("a,b\n"), "{file}");
    assert_eq!(header(&file, "content-disposition"), "attachment");
    assert_eq!(header(&file, "content-type"), "application/octet-stream");
    assert!(header(&file, "content-security-policy").starts_with("sandbox"), "{file}");
    let mbox = server.get_with(&cookie, "/mailman/private/dev.mbox/dev.mbox");
    assert!(mbox.contains("\r\n\r\nFrom nobody "), "{mbox}");
    for (path, place) in [
        ("/mailman/private/dev", "/mailman/private/dev/"),
        ("/mailman/private/dev/2026-November", "/mailman/private/dev/2026-November/"),
    ] {
        let answer = server.get_with(&cookie, path);
        assert_eq!(header(&answer, "location"), place, "{answer}");
    }
}

#[test]
fn nobody_else_sees_anything_and_nothing_outside_is_ever_sent() {
    let site = site();
    site.plain_list("other", &["anna@example.org"]);
    site.ok(&["list", "set", "other", "archive_private=yes"]);
    let server = Server::start(&site);
    for path in [
        PAGE,
        "/private/dev/",
        "/mailman/private/dev/index.html",
        "/mailman/private/dev/nothing-here",
        "/mailman/private/dev.mbox/dev.mbox",
        "/mailman/private/dev/../dev.mbox/dev.mbox",
    ] {
        for cookie in ["", "Cookie: archive-1=x.y; goal-1=../x\r\n"] {
            let answer = server.get_with(cookie, path);
            assert!(header(&answer, "location").contains("/signin?next="), "{path}: {answer}");
            assert!(!answer.contains("secret") && !answer.contains("From bert"), "{answer}");
        }
    }
    assert!(server.get("/mailman/private/none/").starts_with("HTTP/1.1 404"));
    // The reply is the same for members and others.
    let body = |answer: String| answer.split("\r\n\r\n").nth(1).unwrap().to_owned();
    let stranger = body(server.post(PAGE, "email=eve%40example.com"));
    assert_eq!(stranger, body(server.post(PAGE, "email=anna%40example.org")));
    site.ok(&["run"]);
    assert!(site.maildir("eve@example.com").is_empty());
    let (_, cookie) = log_in(&site, &server, PAGE);
    assert!(server.get_with(&cookie, PAGE).starts_with("HTTP/1.1 200"));
    for path in [
        "../../../dormouse.db",
        "%2e%2e/%2e%2e/%2e%2e/dormouse.db",
        "..%2f..%2f..%2fdormouse.db",
        "%2fetc%2fpasswd",
        "2026-November/%00",
        "..%5c..%5cdormouse.db",
        "nothing-here",
    ] {
        let answer = server.get_with(&cookie, &format!("/mailman/private/dev/{path}"));
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    // The session opens the archives of the member's own lists, and ends with the membership.
    let other = server.get_with(&cookie, "/mailman/private/other/");
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    site.ok(&["member", "rm", "other", "anna@example.org", "--goodbye", "no"]);
    let other = server.get_with(&cookie, "/mailman/private/other/");
    assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    site.ok(&["member", "rm", "dev", "anna@example.org", "--goodbye", "no"]);
    let gone = server.get_with(&cookie, PAGE);
    assert!(gone.starts_with("HTTP/1.1 403") && !gone.contains("secret"), "{gone}");
}

#[test]
fn a_cookie_is_good_for_its_time_and_an_archive_that_became_public_is_where_that_is() {
    let site = site();
    site.ok(&["config", "set", "archives.login_lifetime", "1s"]);
    let server = Server::start(&site);
    let (_, cookie) = log_in(&site, &server, "/mailman/private/dev/");
    let later = Server::start_with(&site, &[("DORMOUSE_CLOCK", "+60")]);
    assert!(later.get_with(&cookie, PAGE).starts_with("HTTP/1.1 303"));
    site.ok(&["list", "set", "dev", "archive_private=no"]);
    let public = server.get(PAGE);
    assert_eq!(
        header(&public, "location"),
        "https://lists.example.org/pipermail/dev/2026-November/000000.html"
    );
    assert!(server.get("/mailman/private/dev/none.html").starts_with("HTTP/1.1 404"));
    assert!(server.get("/mailman/private/dev.mbox/dev.mbox").starts_with("HTTP/1.1 303"));
}

#[test]
fn archives_are_searched_and_private_ones_by_members_alone() {
    let site = site();
    let server = Server::start(&site);
    let away = server.get("/mailman/search/dev?q=secret");
    assert!(header(&away, "location").contains("/signin?next=%2Fmailman%2Fsearch"), "{away}");
    let (_, cookie) = log_in(&site, &server, PAGE);
    let found = server.get_with(&cookie, "/mailman/search/dev?q=secret");
    assert!(found.contains(&format!("<a href=\"https://lists.example.org{PAGE}\">for us</a>")));
    site.ok(&["list", "set", "dev", "archive_private=no"]);
    let found = server.get("/mailman/search/dev?q=from%3Abert+secret");
    assert!(found.contains("pipermail/dev/2026-November/000000.html\">for us</a>"), "{found}");
    assert!(found.contains("bert at example.com") && !found.contains("bert@"), "{found}");
    assert!(server.get("/search/dev").contains("What are you looking for?"));
    let long = "x+".repeat(600);
    for (query, status, said) in [
        ("nothing-of-the-kind", 200, "Nothing was found"),
        ("before%3Asoon", 400, "is not a date such as"),
        ("%3Cscript%3E+x", 200, "&#60;script&#62;"),
        ("%22+NEAR(%00", 200, "NEAR("),
        (long.as_str(), 400, "50 words"),
        ("x&after=never", 400, "is not a date such as"),
        ("-x", 400, "a word that must occur"),
        ("&author=%22%22", 200, "What are you looking for?"),
    ] {
        let page = server.get(&format!("/mailman/search/dev?q={query}"));
        assert!(page.starts_with(&format!("HTTP/1.1 {status}")), "{query}: {page}");
        assert!(page.contains(said) && !page.contains("<script"), "{query}: {page}");
    }
    for (query, is_found) in [
        ("author=bert", true),
        ("author=anna", false),
        ("q=secret&after=2026-11-23&before=2026-11-24", true),
        ("q=secret&after=2026-11-24", false),
        ("q=secret&author=bert%22+secret&before=2027", false),
    ] {
        let page = server.get(&format!("/mailman/search/dev?{query}"));
        assert_eq!(page.contains("for us"), is_found, "{query}: {page}");
    }
    let page = server.get("/mailman/search/dev?q=SECRET");
    assert!(page.contains("A <mark>secret</mark>."), "{page}");
}

#[test]
fn a_message_is_had_as_it_came_without_what_tells_of_its_way() {
    let site = site();
    let text = "Received: from home.example (192.0.2.7)\nFrom: Caf\u{e9} <carla@example.com>\nSubject: patch\nMessage-ID: <2@x>\nDate: Mon, 23 Nov 2026 11:00:00 +0000\nX-Secret: 1\nContent-Type: text/plain; charset=utf-8\n\n--- a\t \n+++ b\nAsk anna@example.org, Gr\u{fc}\u{df}e\n";
    site.post("dev", text.as_bytes());
    site.ok(&["run"]);
    let server = Server::start(&site);
    assert_eq!(server.get("/mailman/message/dev/000001.txt").matches("HTTP/1.1 303").count(), 1);
    let (_, cookie) = log_in(&site, &server, PAGE);
    let source = server.get_with(&cookie, "/mailman/message/dev/000001.txt");
    assert_eq!(header(&source, "content-type"), "text/plain; charset=utf-8");
    assert!(source.contains("default-src 'none'") && source.contains("nosniff"), "{source}");
    assert!(source.contains("\n--- a\t \n+++ b\nAsk anna at example.org, Grüße\n"), "{source}");
    assert!(source.contains("From: Café <carla at example.com>\n"), "{source}");
    assert!(!source.contains("192.0.2.7") && !source.contains("X-Secret"), "{source}");
    assert!(source.contains("Message-ID: <2@x>\n"), "{source}");
    // For `git am`, the author of a patch and the patch are unchanged; addresses elsewhere are
    // obscured.
    let patch = server.get_with(&cookie, "/mailman/message/dev/000001.eml");
    assert!(patch.contains("Café <carla@example.com>") && patch.contains("Ask anna@example.org"));
    let plain = server.get_with(&cookie, "/mailman/message/dev/000000.eml");
    assert!(plain.contains("From: bert at example.com\n"), "{plain}");
    assert!(plain.contains("Message-ID: <1@x>\n"), "{plain}");
    site.ok(&["list", "set", "dev", "obscure_addresses=no", "archive_private=no"]);
    site.ok(&["config", "set", "archives.obscure", "no"]);
    let server = Server::start(&site);
    let source = server.get("/message/dev/1.eml");
    assert_eq!(header(&source, "content-disposition"), "attachment");
    assert!(source.contains("Ask anna@example.org, Grüße"), "{source}");
    site.ok(&["archive", "rm", "dev", "<2@x>"]);
    for name in
        ["000001.txt", "000009.txt", "1.html", "x.txt", "-1.txt", "99999999999999999999.txt"]
    {
        let answer = server.get(&format!("/mailman/message/dev/{name}"));
        assert!(answer.starts_with("HTTP/1.1 404"), "{name}: {answer}");
    }
    let kept = site.ok(&["archive", "show", "dev", "<1@x>"]);
    assert!(kept.starts_with("From: bert@example.com\n") && kept.contains("X-BeenThere"), "{kept}");
    assert_eq!(site.run(&["archive", "show", "dev", "<2@x>"]).status.code(), Some(66));
}

#[test]
fn passwords_let_members_and_those_who_run_the_list_in() {
    let site = site();
    // SHA-1 of "secret", as from a takeover.
    let password = "password=e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";
    site.ok(&["list", "set", "dev", password, "private_roster=owners"]);
    let server = Server::start(&site);
    let wrong = server.post(PAGE, "email=anna%40example.org&password=guess");
    assert!(wrong.starts_with("HTTP/1.1 401") && !wrong.contains("set-cookie"), "{wrong}");
    let opened = server.post(PAGE, "email=&password=secret");
    assert_eq!(header(&opened, "location"), PAGE, "{opened}");
    let cookie = cookies(&opened);
    assert!(server.get_with(&cookie, PAGE).contains("A secret."));
    // It shows the members, too, and changes nothing.
    let roster = server.get_with(&cookie, "/mailman/roster/dev");
    assert!(roster.contains("anna@example.org"), "{roster}");
    assert!(!server.get("/mailman/roster/dev").contains("anna@example.org"));
    let (_, cookie) = log_in(&site, &server, PAGE);
    let seen = || server.get_with(&cookie, "/mailman/roster/dev").contains("anna at example.org");
    assert!(!seen());
    site.ok(&["list", "set", "dev", "private_roster=members"]);
    assert!(seen());
}

#[test]
fn a_list_without_posts_has_an_archive_page() {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.plain_list("new", &["anna@example.org"]);
    let server = Server::start(&site);
    let info = server.get("/mailman/listinfo/new");
    assert!(info.contains("href=\"/mailman/private/new/\""), "{info}");
    let archive = server.get("/mailman/private/new/");
    assert!(archive.starts_with("HTTP/1.1 200") && archive.contains("No posts yet"), "{archive}");
    let search = server.get("/mailman/search/new?q=tea");
    assert!(search.contains("Nothing was found"), "{search}");
    site.ok(&["list", "set", "new", "archive_private=yes"]);
    let archive = server.get("/mailman/private/new/");
    assert!(header(&archive, "location").contains("/signin?next="), "{archive}");
}

/// Creates a list with a public archive: a message with two replies, and another one.
fn with_a_thread(site: &TestSite) {
    site.plain_list("ops", &["otto@example.org"]);
    site.ok(&["list", "set", "ops", "archive=yes", "archive_private=no"]);
    for (number, subject, answers) in [
        (0, "tea", ""),
        (1, "Re: tea", "In-Reply-To: <0@o>\n"),
        (2, "coffee", ""),
        (3, "Re: tea", "In-Reply-To: <1@o>\nReferences: <0@o> <1@o>\n"),
    ] {
        let mail = format!(
            "From: otto@example.org\nTo: ops@lists.example.org\nSubject: {subject}\n\
             Message-ID: <{number}@o>\n{answers}Date: Mon, 23 Nov 2026 1{number}:00:00 +0000\n\n\
             Words & <b>cups</b> {number}.\n"
        );
        site.post("ops", mail.as_bytes());
        site.ok(&["run"]);
    }
}

#[test]
fn a_thread_is_followed_by_a_feed_that_all_its_messages_share() {
    let site = site();
    with_a_thread(&site);
    let server = Server::start(&site);
    let feed = server.get("/mailman/feed/ops/0");
    assert!(header(&feed, "content-type").starts_with("application/atom+xml"), "{feed}");
    assert_eq!(feed.matches("<entry>").count(), 3, "{feed}");
    assert!(feed.contains("&#38; &#60;b&#62;cups") && !feed.contains("coffee"), "{feed}");
    let body = |page: &str| page.split_once("\r\n\r\n").unwrap().1.to_owned();
    for number in [1, 3] {
        assert_eq!(body(&server.get(&format!("/mailman/feed/ops/{number}"))), body(&feed));
    }
    assert_eq!(server.get("/mailman/feed/ops/2").matches("<entry>").count(), 1);
    for nothing in ["99", "x", "-1", "0.xml"] {
        let answer = server.get(&format!("/mailman/feed/ops/{nothing}"));
        assert!(answer.starts_with("HTTP/1.1 404"), "{nothing}: {answer}");
    }
    assert_eq!(&server.get("/mailman/feed/dev/0")[9..12], "303", "a private one");
    let page = site.dir().join("archives/private/ops/2026-November/000001.html");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("/mailman/feed/ops/1\""), "{page}");
    // A reply by mail contains the message that it replies to.
    assert!(page.contains("Subject=Re%3A%20tea&#38;In-Reply-To=%3C1%40o%3E"), "{page}");
    site.ok(&["archive", "rm", "ops", "<0@o>"]);
    let feed = server.get("/mailman/feed/ops/3");
    assert_eq!(feed.matches("<entry>").count(), 2, "{feed}");
}

#[test]
fn all_archives_are_searched_at_once_and_private_ones_for_their_members_alone() {
    let site = site();
    with_a_thread(&site);
    site.post("dev", b"From: bert@example.com\nSubject: cups\nMessage-ID: <c@x>\n\nOur cups.\n");
    site.ok(&["run"]);
    let server = Server::start(&site);
    let strangers = server.get("/mailman/search?q=cups");
    assert!(strangers.contains("Ops ·") && !strangers.contains("Dev ·"), "{strangers}");
    assert!(strangers.contains("Sign in"), "{strangers}");
    let anna = Browser::signed_in(&server, &site, "anna@example.org");
    let found = anna.get("/mailman/search?q=cups");
    assert!(found.contains("Ops ·") && found.contains("Dev ·"), "{found}");
    let otto = Browser::signed_in(&server, &site, "otto@example.org");
    assert!(!otto.get("/mailman/search?q=cups").contains("Dev ·"));
    site.ok(&["list", "set", "ops", "advertised=no"]);
    assert!(!server.get("/mailman/search?q=cups").contains("Ops ·"), "a list that is not shown");
    assert!(otto.get("/mailman/search?q=cups").contains("Ops ·"));
    let evil = anna.get("/mailman/search?q=%3Cscript%3E%22&author=%22%3E");
    assert!(!evil.contains("<script"), "{evil}");
}
