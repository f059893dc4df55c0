//! Every kind of page in a real browser is accessible (WCAG 2.2 AA, by axe-core), on a phone and a
//! desktop, in light and dark mode.

use dormouse_testkit::browser::{encoded, path_in};
use dormouse_testkit::chromium::Chromium;
use dormouse_testkit::server::Server;
use dormouse_testkit::site::TestSite;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// A person with every role: member, owner, moderator, and the site's administrator.
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
            "available_languages=en\nde\nfr\nar",
            "info=We meet **every Thursday** at seven.\n\n- Bring a cup\n- [What to bring](https://example.org/)",
            &format!("owner={ANNA}"),
            "moderator=bert@example.org",
            "topics=[[\"Green\", \"green\", \"Green tea\", false]]",
            "topics_enabled=yes",
        ]);
    }
    // A private archive is served by the program.
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
    // An entry whose list is gone.
    site.plain_list("gone", &["anna@example.org"]);
    site.post(
        "gone",
        b"From: x@example.net\nTo: gone@lists.example.org\nSubject: x\nMessage-ID: <x@x>\n\nx\n",
    );
    site.ok(&["list", "rm", "gone", "--yes"]);
    site.ok(&["run"]);
    site
}

/// Returns the kind of a page: addresses that differ only in a list or a number are of the same
/// kind.
fn kind(pages: &BTreeSet<String>, path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let has_query = if query.is_empty() { "" } else { "?" };
    let page = path.strip_prefix("/mailman").unwrap_or(path);
    let found = pages.iter().filter(|known| is_of(known, page));
    if let Some(found) = found.min_by_key(|known| known.matches('{').count()) {
        return format!("{found}{has_query}");
    }
    let parts = path.trim_matches('/').split('/').enumerate().map(|(place, part)| {
        let is_name = place >= 2 && !part.is_empty();
        let is_page =
            ["add", "sync", "member", "erase", "passwords", "search", "entry"].contains(&part);
        if is_name && !is_page { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/") + has_query
}

/// Whether an address is not a page.
fn is_file(path: &str) -> bool {
    ["/export", ".eml", ".txt", ".gz", "/atom.xml", ".csv", ".svg", ".png"]
        .iter()
        .any(|end| path.split('?').next().is_some_and(|path| path.ends_with(end)))
        || path.starts_with("/mailman/feed/")
}

/// Returns a reader's link that ends the membership.
fn unsubscribe(site: &TestSite) -> String {
    let mails = site.maildir("bert@example.org");
    let links = mails.iter().map(|mail| String::from_utf8_lossy(mail).replace("\n ", ""));
    let found = links.into_iter().find(|mail| mail.contains("/mailman/unsubscribe/"));
    let link = path_of(&found.expect("a link to leave"), "/mailman/unsubscribe/");
    link.trim_end_matches(['>', ',']).to_owned()
}

/// Returns the link to confirm a request to join.
fn confirmation(site: &TestSite) -> String {
    site.ok(&["list", "set", "garden", "subscribe_policy=confirm"]);
    let mail = "From: curious@example.com\nTo: garden-join@lists.example.org\nSubject: x\n\
                Message-ID: <j@curious>\n\nx\n";
    site.feed(&["deliver", "garden-join@lists.example.org"], mail.as_bytes());
    site.ok(&["run"]);
    let mail = site.maildir("curious@example.com").pop().expect("a mail");
    path_in(&mail, "/mailman/confirm/")
}

struct Looks<'l> {
    browser: &'l Chromium,
    axe: Option<String>,
    server: &'l Server,
    wrong: BTreeMap<String, Vec<String>>,
    /// The paths of pages that were examined.
    seen: BTreeSet<String>,
}

/// Returns the paths of all pages of the program in its own form: `/members/{list}/add`.
fn pages_of_the_program() -> BTreeSet<String> {
    /// Files, redirects, and pages of another test: signing in with a provider.
    const NO_PAGES: [&str; 18] = [
        "/logo",
        "/health",
        "/feed/{list}/{number}",
        "/message/{list}/{name}",
        "/members/{list}/export",
        "/mine/export",
        "/oidc",
        "/oidc/callback",
        "/subscribe/{list}",
        "/listinfo/",
        "/admin/{list}/{category}",
        "/admin/{list}/{category}/{sub}",
        "/admindb/{list}/logout",
        "/edithtml/{list}",
        "/edithtml/{list}/{template}",
        "/settings/{list}/{category}",
        "/private/{list}",
        "/private/{list}/{*path}",
    ];
    let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../web/src");
    let mut pages = BTreeSet::new();
    for file in std::fs::read_dir(sources).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for call in ["list_page", "room_page", "at"] {
            for (start, _) in text.match_indices(call) {
                let rest = &text[start + call.len()..];
                let rest = rest
                    .split_once('>')
                    .filter(|_| rest.starts_with("::<"))
                    .map_or(rest, |cut| cut.1);
                let Some(rest) = rest.strip_prefix('(') else { continue };
                if let Some(path) = rest.trim_start().strip_prefix("\"/") {
                    pages.insert(format!("/{}", path.split('"').next().unwrap()));
                }
            }
        }
    }
    pages.retain(|page| !NO_PAGES.contains(&page.as_str()));
    pages
}

/// Whether a path belongs to this page of the program.
fn is_of(page: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (page.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(part), Some(same)) if part.starts_with('{') || part == same => {}
            _ => return false,
        }
    }
}

/// Returns the path of a link in a mail or in the output of a command.
fn path_of(text: &str, start: &str) -> String {
    path_in(text.as_bytes(), start)
}

impl Looks<'_> {
    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Examines the open page on two screens, in light and dark mode.
    fn examine(&mut self, kind: &str) {
        for (width, is_dark) in [(390, true), (390, false), (1280, true), (1280, false)] {
            self.browser.look(width, is_dark, true);
            let mut found = match &self.axe {
                // In light and dark mode, only the colours of the page differ.
                Some(axe) => self.browser.axe(axe, !is_dark),
                None => self.browser.unnamed(),
            };
            if self.browser.overflow() > 0 {
                found.push("it is wider than the window".to_owned());
            }
            for problem in found {
                let looks = format!("{width} px, {}", if is_dark { "dark" } else { "light" });
                self.wrong.entry(format!("{kind}: {problem}")).or_default().push(looks);
            }
        }
    }

    /// Follows all links from page to page, and examines each kind once.
    fn walk(&mut self, starts: &[&str]) -> Vec<String> {
        let mut waiting: VecDeque<String> =
            starts.iter().map(|start| (*start).to_owned()).collect();
        let pages = pages_of_the_program();
        let (mut seen, mut visited) = (BTreeMap::new(), BTreeSet::new());
        while let Some(path) = waiting.pop_front() {
            // The first pages are always examined.
            let is_start = starts.contains(&path.as_str());
            let kind = kind(&pages, &path);
            let is_known = seen.contains_key(&kind) && !is_start;
            if is_file(&path) || is_known || !visited.insert(path.clone()) {
                continue;
            }
            seen.insert(kind, path.clone());
            self.browser.go(&self.at(&path));
            // The page after redirects.
            let there = self.browser.eval("location.pathname");
            self.seen.insert(there.as_str().unwrap_or_default().to_owned());
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

    fn sign_in(&mut self, site: &TestSite) {
        self.server.post("/mailman/signin", &format!("email={}", encoded(ANNA)));
        site.ok(&["run"]);
        let mail = site.maildir(ANNA).pop().expect("a mail");
        let path = path_in(&mail, "/mailman/signin/");
        self.browser.go(&self.at(&path));
        if self.axe.is_some() {
            self.examine(&path);
        }
        self.seen.insert(path);
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
    let (wrong, seen) = (BTreeMap::new(), BTreeSet::new());
    let mut looks = Looks { browser: &browser, axe, server: &server, wrong, seen };
    let printed = |args: &[&str], start: &str| path_of(&site.ok(args), start);
    let held = printed(&["held", "link", "tea", "2"], "/mailman/held/");
    let request = printed(&["request", "link", "tea", "1"], "/mailman/request/");
    // Without signing in.
    let mut pages = looks.walk(&[
        &held,
        &request,
        &unsubscribe(&site),
        &confirmation(&site),
        "/mailman/confirm/tea",
        "/mailman/signin",
        "/mailman/listinfo",
        "/mailman/listinfo/tea?language=ar",
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
        "/mailman/options/tea/farid--at--example.com",
        "/mailman/admindb/tea",
        "/mailman/site",
        "/mailman/site/people",
        "/mailman/site/settings",
        "/mailman/site/changes",
        "/mailman/site/charts",
        "/mailman/site/trace",
        "/mailman/queues",
        "/mailman/queues/findings",
        "/mailman/members/tea?q=nobody",
        "/mailman/changes/tea",
        "/mailman/charts/tea",
        "/mailman/trace/tea?q=%3CHowhotforsencha.29%40example.org%3E",
        "/mailman/guide/tea/posting",
        "/mailman/guide/tea/joining",
        "/mailman/guide/tea/posts",
        "/mailman/guide/tea/dmarc",
        "/mailman/texts/tea/page-join?language=de",
    ]));
    let missing: Vec<String> = pages_of_the_program()
        .into_iter()
        .filter(|page| {
            let page = format!("/mailman{page}");
            !looks.seen.iter().any(|path| is_of(&page, path))
        })
        .collect();
    assert!(missing.is_empty(), "nobody has looked at {missing:?}, but at {:?}", looks.seen);
    // The responses of forms.
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
        (
            "/mailman/texts/tea/page-join?language=en",
            "[name=text]",
            "**x**",
            "button[value=preview]",
        ),
        ("/mailman/guide/tea/posts", "[name=set-msg_footer]", "x", "button[value=check]"),
        ("/mailman/guide/tea/posts", "[name=set-msg_footer]", "%(x)s", "button[value=save]"),
        ("/mailman/guide/tea/dmarc", "[name=key]", "", "button[value=save]"),
        ("/mailman/create", "[name=name]", "tea", "form button.go"),
        ("/mailman/rmlist/tea", "[name=name]", "x", "button.stop"),
        ("/mailman/moderation", "[name=key]", "", "button[value^='discard:p']"),
        ("/mailman/moderation", "[name=key]", "", "button[value^='accept:r']"),
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

/// Takes the pictures of the documentation: `DORMOUSE_PICTURES=docs/pictures cargo test --test
/// looks pictures`.
#[test]
fn pictures_of_the_documentation_are_taken_where_they_are_asked_for() {
    let Some(into) = std::env::var_os("DORMOUSE_PICTURES").map(PathBuf::from) else { return };
    let browser = Chromium::start().expect("Chromium");
    let site = site();
    let server = Server::start(&site);
    let mut looks = Looks {
        browser: &browser,
        axe: None,
        server: &server,
        wrong: BTreeMap::new(),
        seen: BTreeSet::new(),
    };
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
        ("questions", 390, false, "/mailman/guide/tea/posting"),
        ("footer", 1280, false, "/mailman/guide/tea/posts"),
        ("arabic", 390, false, "/mailman/listinfo/tea?language=ar"),
    ] {
        browser.look(width, is_dark, true);
        browser.go(&looks.at(path));
        std::fs::write(into.join(format!("{name}.png")), browser.picture()).expect("a picture");
    }
}
