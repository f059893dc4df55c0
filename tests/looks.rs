//! Every kind of page in a real browser: accessible to everybody (WCAG 2.2 AA, by axe-core), on a phone
//! and at a desk, by day and by night.

use dormouse_testkit::browser::{encoded, path_in};
use dormouse_testkit::chromium::Chromium;
use dormouse_testkit::server::Server;
use dormouse_testkit::site::TestSite;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// Somebody who is everything: a member, an owner, a moderator, and the site's administrator.
const ANNA: &str = "anna@example.org";

fn post(site: &TestSite, list: &str, from: &str, subject: &str, more: &str, text: &str) {
    let id = subject.replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
    let mail = format!(
        "From: {from}\nTo: {list}@lists.example.org\nSubject: {subject}\nMessage-ID: <{id}.{}@example.org>\nDate: Thu, 26 Nov 2026 18:{:02}:00 +0000\n{more}\n{text}\n",
        from.len(),
        id.len()
    );
    site.post(list, mail.as_bytes());
    site.ok(&["run"]);
}

/// A site with something on every page.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.ok(&["config", "set", "web.administrators", ANNA]);
    for (list, description) in [
        ("tea", "Everything about leaves, water and time"),
        ("garden", "The community garden behind the station"),
    ] {
        site.plain_list(list, &[ANNA]);
        site.ok(&[
            "list",
            "set",
            list,
            &format!("description={description}"),
            "generic_nonmember_action=hold",
            "subscribe_policy=approve",
            "admin_immed_notify=no",
            "archive=yes",
            "archive_private=no",
            "digestable=yes",
            "available_languages=en\nde\nfr",
            "info=We meet **every Thursday** at seven.\n\n- Bring a cup\n- [What to bring](https://example.org/)",
            &format!("owner={ANNA}"),
            "moderator=bert@example.org",
            "topics=[[\"Green\", \"green\", \"Green tea\", false]]",
            "topics_enabled=yes",
        ]);
    }
    // Its pages are ours to serve.
    site.ok(&["list", "set", "garden", "archive_private=yes"]);
    let people: String = [
        "Bert Baker <bert@example.org>",
        "Carla Mendes <carla@example.com>",
        "Dmitri Volkov <dmitri@example.net>",
        "Emma Johansson <emma.johansson@students.some-university.example.edu>",
        "Farid Haddad <farid@example.com>",
        "Hanako Miyamoto <hanako@example.jp>",
    ]
    .join("\n");
    site.feed(&["member", "add", "tea", "--file", "-", "--welcome", "no"], people.as_bytes());
    site.ok(&["member", "set", "tea", "farid@example.com", "mod=on", "digest=plain"]);
    let flow = "Content-Type: text/plain; charset=utf-8\n";
    post(
        &site,
        "tea",
        "Bert Baker <bert@example.org>",
        "How hot for sencha?",
        flow,
        "I have burnt it twice now.\n\nWhat do you do, and for how long?",
    );
    post(
        &site,
        "tea",
        "Carla Mendes <carla@example.com>",
        "Re: How hot for sencha?",
        "In-Reply-To: <Howhotforsencha.29@example.org>\n",
        "> I have burnt it twice now.\n\nSeventy degrees, and a minute. Not more.",
    );
    post(
        &site,
        "garden",
        "Anna Berg <anna@example.org>",
        "Watering in August",
        flow,
        "Who can take the first two weeks?",
    );
    for (from, subject, more, text) in [
        (
            "Olga Petrova <olga@example.com>",
            "Question about the tasting on Friday",
            "Authentication-Results: mx.example.org; dmarc=pass header.from=example.com\nX-Spam-Status: No, score=0.3\n",
            "Hello,\n\nmay I bring a friend? She has not been before, and would like to know what it costs.\n\nOlga",
        ),
        (
            "Olga Petrova <olga@example.com>",
            "Re: Question about the tasting on Friday",
            "",
            "It is a second friend, too.",
        ),
        (
            "Great Offers <offers@shop.example>",
            "You have WON 500 tea bags!!!",
            "X-Spam-Status: Yes, score=14.2\n",
            "Click here: http://shop.example/win",
        ),
    ] {
        post(&site, "tea", from, subject, more, text);
    }
    for address in ["new.member@example.com", "someone@example.net"] {
        let mail = format!(
            "From: {address}\nTo: tea-join@lists.example.org\nSubject: x\nMessage-ID: <j{address}>\n\nx\n"
        );
        site.feed(&["deliver", "tea-join@lists.example.org"], mail.as_bytes());
    }
    site.ok(&["run"]);
    site
}

/// Addresses that differ only in what they are about are of one kind.
fn kind(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts = path.trim_matches('/').split('/').enumerate().map(|(place, part)| {
        let is_name = place >= 2 && !part.is_empty();
        let is_page =
            ["add", "sync", "member", "erase", "passwords", "search", "entry"].contains(&part);
        if is_name && !is_page { "*" } else { part }
    });
    let has_query = if query.is_empty() { "" } else { "?" };
    parts.collect::<Vec<_>>().join("/") + has_query
}

/// What is no page.
fn is_file(path: &str) -> bool {
    ["/export", ".eml", ".txt", ".gz", "/atom.xml", ".csv", ".svg", ".png"]
        .iter()
        .any(|end| path.split('?').next().is_some_and(|path| path.ends_with(end)))
        || path.starts_with("/mailman/feed/")
}

struct Looks<'l> {
    browser: &'l Chromium,
    axe: Option<String>,
    server: &'l Server,
    wrong: BTreeMap<String, Vec<String>>,
}

impl Looks<'_> {
    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Looks at the page that is open, on two screens, by day and by night.
    fn examine(&mut self, kind: &str) {
        for (width, is_dark) in [(390, true), (390, false), (1280, true), (1280, false)] {
            self.browser.look(width, is_dark, true);
            let mut found = match &self.axe {
                Some(axe) => self.browser.axe(axe),
                None => self.browser.unnamed(),
            };
            if self.browser.sticks_out() > 0 {
                found.push("it is wider than the window".to_owned());
            }
            for problem in found {
                let looks = format!("{width} px, {}", if is_dark { "dark" } else { "light" });
                self.wrong.entry(format!("{kind}: {problem}")).or_default().push(looks);
            }
        }
    }

    /// Goes from page to page, as far as links lead, and looks at each kind once.
    fn walk(&mut self, starts: &[&str]) -> Vec<String> {
        let mut waiting: VecDeque<String> =
            starts.iter().map(|start| (*start).to_owned()).collect();
        let mut seen = BTreeMap::new();
        while let Some(path) = waiting.pop_front() {
            if is_file(&path) || seen.contains_key(&kind(&path)) {
                continue;
            }
            seen.insert(kind(&path), path.clone());
            self.browser.go(&self.at(&path));
            self.examine(&path);
            let here = self.at("");
            let web = "https://lists.example.org";
            waiting.extend(self.browser.links().iter().filter_map(|link| {
                let path = link.strip_prefix(&here).or_else(|| link.strip_prefix(web))?;
                path.starts_with("/mailman/").then(|| path.to_owned())
            }));
        }
        seen.into_values().collect()
    }

    fn sign_in(&self, site: &TestSite) {
        self.server.post("/mailman/signin", &format!("email={}", encoded(ANNA)));
        site.ok(&["run"]);
        let mail = site.maildir(ANNA).pop().expect("a mail");
        self.browser.go(&self.at(&path_in(&mail, "/mailman/signin/")));
        self.browser.press("button.go");
    }
}

#[test]
fn every_kind_of_page_can_be_used_by_everybody_on_every_screen() {
    let Some(browser) = Chromium::start() else {
        skipped::skip("there is no Chromium");
        return;
    };
    let axe = std::env::var_os("DORMOUSE_AXE").map(PathBuf::from);
    let axe = axe.and_then(|axe| std::fs::read_to_string(axe.join("axe.min.js")).ok());
    if axe.is_none() {
        skipped::skip("axe-core is not there: DORMOUSE_AXE names its directory");
    }
    let site = site();
    let server = Server::start(&site);
    let mut looks = Looks { browser: &browser, axe, server: &server, wrong: BTreeMap::new() };
    // As a stranger.
    let mut pages = looks.walk(&[
        "/mailman/listinfo",
        "/mailman/listinfo/tea?language=de",
        "/mailman/search?q=sencha",
        "/mailman/search/tea?q=sencha",
        "/mailman/nothing-here",
    ]);
    looks.sign_in(&site);
    pages.extend(looks.walk(&[
        "/mailman/mine",
        "/mailman/options/tea",
        "/mailman/account",
        "/mailman/moderation",
        "/mailman/admin",
        "/mailman/admin/tea",
        "/mailman/members/tea/erase?who=farid%40example.com",
        "/mailman/mine/erase?who=anna%40example.org",
        "/mailman/person?who=farid%40example.com",
        "/mailman/settings/tea/general",
        "/mailman/removal/tea/0",
        "/mailman/private/garden/",
        "/mailman/roster/tea",
        "/mailman/search?q=sencha",
        "/mailman/create",
    ]));
    // What a form answers with.
    for (page, field, text, button) in [
        (
            "/mailman/settings/tea/general",
            "[name=set-subject_prefix]",
            "[New] ",
            "button[value=check]",
        ),
        (
            "/mailman/members/tea/add",
            "[name=people]",
            "new@example.org\nbert@example.org\nx",
            "button[value=check]",
        ),
        ("/mailman/settings/tea/passwords", "[name=password]", "x", "button[value='set:owner']"),
        ("/mailman/members/tea/sync", "[name=people]", "bert@example.org", "button[value=check]"),
        (
            "/mailman/texts/tea/subscribeack?language=en",
            "[name=text]",
            "x",
            "button[value=preview]",
        ),
    ] {
        browser.go(&looks.at(page));
        browser.type_into(field, text);
        browser.press(button);
        looks.examine(&format!("the answer of {page}"));
    }
    let wrong: Vec<String> = looks
        .wrong
        .iter()
        .map(|(what, where_)| format!("{what}\n    {}", where_.join("; ")))
        .collect();
    assert!(wrong.is_empty(), "{} problems:\n{}", wrong.len(), wrong.join("\n"));
    for expected in
        ["moderation/post", "settings/tea", "members/tea/member", "texts/tea", "rmlist/tea"]
    {
        assert!(pages.iter().any(|page| page.contains(expected)), "{expected}: {pages:?}");
    }
}

/// The pictures of the documentation: `DORMOUSE_PICTURES=docs/pictures cargo test --test looks pictures`.
#[test]
fn pictures_of_the_documentation_are_taken_where_they_are_asked_for() {
    let Some(into) = std::env::var_os("DORMOUSE_PICTURES").map(PathBuf::from) else { return };
    let browser = Chromium::start().expect("Chromium");
    let site = site();
    let server = Server::start(&site);
    let looks = Looks { browser: &browser, axe: None, server: &server, wrong: BTreeMap::new() };
    looks.sign_in(&site);
    browser.call("Emulation.setScrollbarsHidden", serde_json::json!({ "hidden": true }));
    for (name, width, is_dark, path) in [
        ("lists", 1280, false, "/mailman/listinfo"),
        ("list", 390, false, "/mailman/listinfo/tea"),
        ("my-lists", 1280, false, "/mailman/mine"),
        ("options", 390, true, "/mailman/options/tea"),
        ("moderation", 1280, false, "/mailman/moderation"),
        ("moderation-phone", 390, true, "/mailman/moderation"),
        ("post", 1280, true, "/mailman/moderation/post/1"),
        ("members", 1280, false, "/mailman/members/tea"),
        ("member", 390, false, "/mailman/members/tea/member?who=farid%40example.com"),
        ("settings", 1280, true, "/mailman/settings/tea"),
        ("setting", 390, false, "/mailman/settings/tea/posting"),
        ("search", 1280, false, "/mailman/search?q=sencha"),
    ] {
        browser.look(width, is_dark, true);
        browser.go(&looks.at(path));
        std::fs::write(into.join(format!("{name}.png")), browser.picture()).expect("a picture");
    }
}
