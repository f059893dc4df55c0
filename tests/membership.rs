//! Whole conversations about joining, leaving and options, by mail and on the web, as people see
//! them.

use dormouse_clock::Timestamp;
use dormouse_store::{Delivery, NewMember, Pending, Request, Site, Store, StoreError};
use dormouse_testkit::browser::Browser;
use dormouse_testkit::server::Server;
use dormouse_testkit::site::{TestSite, describe, message};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const OWNER: &str = "owner@example.org";
const HOST: &str = "lists.example.org";

/// A list for members only, with one member.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "generic_nonmember_action=discard",
        "forward_auto_discards=no",
    ]);
    site
}

/// A person who writes and receives mail.
struct Person<'s> {
    site: &'s TestSite,
    address: &'static str,
    read: usize,
}

impl<'s> Person<'s> {
    fn new(site: &'s TestSite, address: &'static str) -> Person<'s> {
        Person { site, address, read: site.maildir(address).len() }
    }

    /// Sends a mail to one of the list's addresses, and runs the queues.
    fn writes(&self, to: &str, subject: &str, body: &str) {
        self.sends(to, &format!("Subject: {subject}\n\n{body}"));
    }

    /// Does the same with more header fields.
    fn sends(&self, to: &str, rest: &str) {
        let id = self.site.maildir(self.address).len();
        let mail = format!(
            "From: {}\nTo: {to}@{HOST}\nMessage-ID: <{id}.{}@test.example>\n{rest}",
            self.address,
            to.replace('+', "-")
        );
        let output = self.site.feed(&["deliver", &format!("{to}@{HOST}")], mail.as_bytes());
        assert!(output.status.success(), "{}", describe(&output));
        self.site.ok(&["run"]);
    }

    /// Returns the mails since the last call.
    fn gets(&mut self) -> Vec<String> {
        let mails = self.site.maildir(self.address);
        let new = mails[self.read..].iter().map(|mail| String::from_utf8_lossy(mail).into_owned());
        let new: Vec<String> = new.collect();
        self.read = mails.len();
        new
    }

    /// Returns the only new mail.
    fn gets_one(&mut self) -> String {
        let mut new = self.gets();
        assert_eq!(new.len(), 1, "{}: {new:#?}", self.address);
        new.remove(0)
    }

    fn gets_nothing(&mut self) {
        let new = self.gets();
        assert!(new.is_empty(), "{}: {new:#?}", self.address);
    }
}

fn is_member(site: &TestSite, address: &str) -> bool {
    site.ok(&["member", "ls", "dev"]).lines().any(|line| line.contains(address))
}

/// Returns the cookie in a mail's subject.
fn cookie(mail: &str) -> String {
    let start = mail.find("\nSubject: confirm ").unwrap_or_else(|| panic!("{mail}"));
    mail[start..].split_whitespace().nth(2).unwrap().to_owned()
}

/// Returns the path of the first link to a page.
fn link(mail: &str, page: &str) -> String {
    let start = mail.find(&format!("/mailman/{page}/")).unwrap_or_else(|| panic!("{page}: {mail}"));
    mail[start..]
        .split(|letter: char| letter.is_whitespace() || letter == '>')
        .next()
        .unwrap()
        .to_owned()
}

fn set(site: &TestSite, changes: &[&str]) {
    site.ok(&[&["list", "set", "dev"], changes].concat());
}

#[test]
fn a_stranger_joins_by_mail_posts_and_leaves() {
    let site = site();
    set(&site, &["admin_notify_mchanges=yes", "welcome_msg=Be kind."]);
    let mut owner = Person::new(&site, OWNER);
    let mut anna = Person::new(&site, "anna@example.org");
    let mut bert = Person::new(&site, "Bert@example.net");
    bert.writes("dev-join", "hello", "I would like to join.\n");
    let mail = bert.gets_one();
    assert!(mail.contains("\nFrom: dev-request@lists.example.org\n"), "{mail}");
    assert!(mail.contains("\nReply-To: dev-request@lists.example.org\n"), "{mail}");
    assert!(mail.contains("\nAuto-Submitted: auto-replied\n"), "{mail}");
    assert!(mail.contains("Bert@example.net"), "{mail}");
    let cookie = cookie(&mail);
    assert!(mail.contains(&format!("https://{HOST}/mailman/confirm/dev/{cookie}")), "{mail}");
    assert!(!is_member(&site, "Bert@example.net"));
    bert.writes("dev-request", &format!("AW: confirm {cookie}"), "Yes, please.\n\n> confirm it\n");
    let welcome = bert.gets_one();
    assert!(welcome.contains("Subject: Welcome to the \"Dev\" mailing list\n"), "{welcome}");
    assert!(welcome.contains("Be kind.") && welcome.contains("X-No-Archive: yes"), "{welcome}");
    assert!(is_member(&site, "Bert@example.net"));
    let told = owner.gets_one();
    assert!(told.contains("Bert@example.net joined") && told.contains("by mail"), "{told}");
    // A cookie works once.
    bert.writes("dev-request", &format!("confirm {cookie}"), "");
    assert!(bert.gets_one().contains("Bert@example.net became a member of Dev."));
    site.post("dev", &message("bert@example.net", "first", "Hello all.\n"));
    site.ok(&["run"]);
    assert!(anna.gets_one().contains("Hello all."));
    assert!(bert.gets_one().contains("Hello all."));
    bert.writes("dev-leave", "bye", "");
    let cookie = self::cookie(&bert.gets_one());
    assert!(is_member(&site, "Bert@example.net"), "not without a confirmation");
    bert.writes("dev-request", &format!("Re: confirm {cookie}"), "");
    let goodbye = bert.gets_one();
    assert!(goodbye.contains("You have been unsubscribed from the Dev mailing list"), "{goodbye}");
    assert!(!is_member(&site, "Bert@example.net"));
    assert!(owner.gets_one().contains("Bert@example.net left"));
    let known = site.ok(&["person", "show", "bert@example.net"]);
    for act in ["asked", "confirmed", "joined", "left"] {
        assert!(known.contains(&format!("dev: {act} ")), "{act}: {known}");
    }
    assert!(known.contains("Message-ID <") && known.contains("by mail from bert@example.net"));
}

#[test]
fn a_confirmation_may_come_to_an_address_with_the_cookie_or_as_html() {
    let site = site();
    site.ok(&["config", "set", "members.verp_confirmations", "yes"]);
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-subscribe", "", "");
    let mail = bert.gets_one();
    let from = mail.lines().find_map(|line| line.strip_prefix("From: dev-confirm+")).unwrap();
    let cookie = from.split('@').next().unwrap();
    assert!(mail.contains("Subject: Please confirm that you would like to join Dev\n"), "{mail}");
    bert.writes(&format!("dev-confirm+{cookie}"), "Re: Please confirm", "ok\n");
    assert!(bert.gets_one().contains("Welcome to the"));
    // A command without a subject, in an HTML-only mail.
    let mut carl = Person::new(&site, "carl@example.net");
    carl.writes("dev-join", "", "");
    let mail = carl.gets_one();
    let from = mail.lines().find_map(|line| line.strip_prefix("From: dev-confirm+")).unwrap();
    let cookie = from.split('@').next().unwrap();
    carl.sends(
        "dev-request",
        &format!("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nContent-Type: text/html\n\n<p>confirm {cookie}</p>"),
    );
    assert!(carl.gets_one().contains("Welcome to the"));
}

#[test]
fn another_confirms_by_link_and_looking_confirms_nothing() {
    let site = site();
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-join", "", "");
    let path = link(&bert.gets_one(), "confirm");
    let server = Server::start(&site);
    for _ in 0..2 {
        let page = server.get(&path);
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("Join Dev?"), "{page}");
        assert!(page.contains("bert@example.net"), "{page}");
    }
    assert!(!is_member(&site, "bert@example.net"));
    let page = server.post_from("198.51.100.7", &path, "submit=1&realname=Bert+B.&digests=1");
    assert!(page.contains("bert@example.net is now a member of Dev."), "{page}");
    site.ok(&["run"]);
    assert!(bert.gets_one().contains("Welcome to the \"Dev\" mailing list (Digest mode)"));
    let members = site.ok(&["member", "ls", "dev", "--json"]);
    assert!(members.contains("\"name\":\"Bert B.\"") && members.contains("\"digest\":true"));
    assert!(server.get(&path).starts_with("HTTP/1.1 410"));
    assert!(server.post(&path, "submit=1").starts_with("HTTP/1.1 410"));
    let known = site.ok(&["person", "show", "bert@example.net"]);
    assert!(known.contains("on the web from 198.51.100.7"), "{known}");
    // A person who did not ask declines.
    let mut carl = Person::new(&site, "carl@example.net");
    carl.writes("dev-join", "", "");
    let path = link(&carl.gets_one(), "confirm");
    assert!(server.post(&path, "cancel=1").contains("Withdrawn"));
    assert!(server.get(&path).starts_with("HTTP/1.1 410"));
}

#[test]
fn a_form_on_the_web_asks_the_address_and_tells_nobody_who_is_a_member() {
    let site = site();
    site.ok(&["config", "set", "members.form_min_time", "0s"]);
    let server = Server::start(&site);
    let form = |address: &str| {
        let page = server.get_from(address, "/mailman/listinfo/dev");
        assert!(page.contains("<form method=\"post\" action=\"/mailman/subscribe/dev\""), "{page}");
        let start = page.find("name=\"form\" value=\"").unwrap() + 19;
        page[start..].split('"').next().unwrap().to_owned()
    };
    let token = form("192.0.2.1");
    let ask = |from: &str, token: &str, email: &str| {
        let body = format!("email={}&fullname=X&form={token}", email.replace('@', "%40"));
        server.post_from(from, "/mailman/subscribe/dev", &body)
    };
    let stranger = ask("192.0.2.1", &token, "bert@example.net");
    let member = ask("192.0.2.1", &token, "anna@example.org");
    assert!(stranger.contains("Check your email"), "{stranger}");
    let body =
        |page: &str, address: &str| page.split("\r\n\r\n").nth(1).unwrap().replace(address, "");
    assert_eq!(body(&stranger, "bert@example.net"), body(&member, "anna@example.org"));
    site.ok(&["run"]);
    let mut bert = Person { site: &site, address: "bert@example.net", read: 0 };
    assert!(bert.gets_one().contains("on the web from 192.0.2.1"));
    let mut anna = Person { site: &site, address: "anna@example.org", read: 0 };
    assert!(anna.gets_one().contains("which you already are"));
    // Forms of another network or another list, or without a seal, send no confirmation.
    let again = "Nothing has been done yet";
    assert!(ask("203.0.113.1", &token, "carl@example.net").contains(again));
    assert!(ask("192.0.2.1", "x", "carl@example.net").contains(again));
    // The hidden field that only programs fill in.
    let filled = format!("email=carl%40example.net&website=x&form={token}");
    let filled = server.post_from("192.0.2.1", "/mailman/subscribe/dev", &filled);
    assert!(filled.contains(again), "{filled}");
    site.ok(&["run"]);
    assert!(site.maildir("carl@example.net").is_empty());
    let page = server.get("/mailman/listinfo");
    assert!(page.contains("/mailman/listinfo/dev"), "{page}");
}

/// Browsers can fill in a form immediately.
#[test]
fn a_form_that_was_filled_in_fast_works_and_programs_wait() {
    let site = site();
    site.ok(&["config", "set", "members.form_min_time", "3s"]);
    let server = Server::start(&site);
    let send = |headers: &str, email: &str| {
        let page = server.get("/mailman/listinfo/dev");
        let form = dormouse_testkit::browser::value(&page, "form").unwrap();
        let started = std::time::Instant::now();
        let body = format!("email={email}&form={form}");
        let said = server.post_with(headers, "/mailman/subscribe/dev", &body);
        assert!(said.contains("Check your email"), "{said}");
        started.elapsed()
    };
    let program = send("", "bert%40example.net");
    assert!(program.as_secs() >= 3, "{program:?}");
    send("Sec-Fetch-Site: same-origin\r\n", "carl%40example.net");
    site.ok(&["run"]);
    for address in ["bert@example.net", "carl@example.net"] {
        assert_eq!(site.maildir(address).len(), 1, "{address}");
    }
}

/// A form with Mailman's fields, without our seal: the page comes back filled in, to be sent once
/// more.
#[test]
fn a_form_on_somebodys_own_site_becomes_ours_and_the_language_is_heard() {
    let site = site();
    set(&site, &["available_languages=en,de,fr", "subscribe_policy=confirm"]);
    site.ok(&["config", "set", "members.form_min_time", "0s"]);
    let server = Server::start(&site);
    let own = "email=bert%40example.net&fullname=Bert+%22B%22&pw=x&pw-conf=x&digest=1&language=de&email-button=Join";
    let page = server.post("/mailman/subscribe/dev", own);
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("Nothing has been done yet"),
        "{page}"
    );
    for filled_in in [
        "name=\"email\" value=\"bert@example.net\"",
        "name=\"fullname\" value=\"Bert &#34;B&#34;\"",
        "name=\"digest\" value=\"1\" checked",
        "<option value=\"de\" selected>",
    ] {
        assert!(page.contains(filled_in), "{filled_in}: {page}");
    }
    site.ok(&["run"]);
    assert!(site.maildir("bert@example.net").is_empty());
    let start = page.find("name=\"form\" value=\"").unwrap() + 19;
    let seal = page[start..].split('"').next().unwrap();
    let sent = server.post("/mailman/subscribe/dev", &format!("{own}&form={seal}"));
    assert!(sent.contains("Check your email"), "{sent}");
    site.ok(&["run"]);
    let mut bert = Person { site: &site, address: "bert@example.net", read: 0 };
    let asked = bert.gets_one();
    assert!(asked.contains("Mailingliste"), "{asked}");
    let path = format!("/mailman/confirm/dev/{}", cookie(&asked));
    let page = server.get(&path);
    assert!(page.contains("<option value=\"de\" selected>"), "{path}: {page}");
    // Impossible values are ignored, possible ones are used.
    server.post(&path, "realname=Bert&digests=0&language=fr");
    let member = site.ok(&["member", "show", "dev", "bert@example.net", "--json"]);
    assert!(member.contains("\"fr\""), "{member}");
    let page = server.post("/mailman/subscribe/dev", "email=c%40x.example&language=tlh");
    assert!(page.contains("<option value=\"en\" selected>"), "{page}");
}

#[test]
fn nobody_is_flooded_by_what_others_ask_for_in_their_name() {
    let site = site();
    site.ok(&["config", "set", "members.mails_per_address", "2"]);
    site.ok(&["config", "set", "members.mails_per_origin", "4"]);
    let mut victim = Person::new(&site, "victim@example.net");
    let mut mallory = Person::new(&site, "mallory@example.com");
    for list in ["a", "b", "c"] {
        site.ok(&["list", "create", list, "--owner", OWNER, "--quiet"]);
        mallory.writes(&format!("{list}-request"), "subscribe address=victim@example.net", "");
    }
    let mails = victim.gets();
    assert_eq!(mails.len(), 2, "{mails:#?}");
    // The pending request is not duplicated, and the same cookie is sent again.
    let answers = mallory.gets();
    assert_eq!(answers.len(), 2, "a refusal is a mail, too");
    assert!(answers[0].contains("An email about this was sent to that address."));
    // One sender asks about more and more addresses.
    for number in 0..3 {
        mallory.writes("dev-request", &format!("subscribe address=v{number}@example.net"), "");
    }
    let asked = (0..3).filter(|n| !site.maildir(&format!("v{n}@example.net")).is_empty()).count();
    assert_eq!(asked, 1, "three were counted before");
}

#[test]
fn counts_restart_the_next_day_and_unconfirmed_requests_expire() {
    let site = site();
    site.ok(&["config", "set", "members.mails_per_address", "1"]);
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-join", "", "");
    let first = cookie(&bert.gets_one());
    bert.writes("dev-join", "", "");
    assert_eq!(cookie(&bert.gets_one()), first, "a code that waits is sent again");
    bert.writes("dev-join", "", "");
    bert.gets_nothing();
    let later = |args: &[&str], days: u32| {
        let clock = format!("+{}", days * 86_400);
        let output = site.command(args).env("DORMOUSE_CLOCK", clock).output().unwrap();
        assert!(output.status.success(), "{}", describe(&output));
    };
    let mail = format!("From: bert@example.net\nTo: dev-join@{HOST}\n\n");
    site.feed(&["deliver", &format!("dev-join@{HOST}")], mail.as_bytes());
    later(&["run"], 1);
    assert_eq!(cookie(&bert.gets_one()), first, "one request an address");
    later(&["cron", "checkdbs"], 4);
    bert.writes("dev-request", &format!("confirm {first}"), "");
    assert!(bert.gets_one().contains("Nothing is waiting for this confirmation"));
    assert!(!is_member(&site, "bert@example.net"));
}

#[test]
fn a_moderator_decides_on_requests_by_command_and_by_link() {
    let site = site();
    set(&site, &["subscribe_policy=confirm-and-approve", "unsubscribe_policy=yes"]);
    set(&site, &["subscribe_auto_approval=^.*@friends\\.example$"]);
    let mut owner = Person::new(&site, OWNER);
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-join", "", "");
    let cookie = self::cookie(&bert.gets_one());
    bert.writes("dev-request", &format!("confirm {cookie}"), "");
    assert!(bert.gets_one().contains("Your address is confirmed."));
    let notice = owner.gets_one();
    assert!(notice.contains("bert@example.net would like to join"), "{notice}");
    assert!(site.ok(&["request", "ls"]).contains("bert@example.net would like to join"));
    let server = Server::start(&site);
    let path = link(&notice, "request");
    assert!(server.get(&path).contains("bert@example.net would like to join"));
    assert!(!is_member(&site, "bert@example.net"));
    assert!(server.post(&path, "decision=approve").contains("Done."));
    assert!(server.post(&path, "decision=approve").starts_with("HTTP/1.1 410"));
    site.ok(&["run"]);
    assert!(bert.gets_one().contains("Welcome to the"));
    // A request to leave waits, too, and is in the daily reminder.
    bert.writes("dev-leave", "", "");
    assert!(bert.gets_one().contains("The moderators of Dev decide on your request"));
    assert!(owner.gets_one().contains("bert@example.net would like to leave"));
    site.ok(&["cron", "checkdbs"]);
    site.ok(&["run"]);
    let reminder = owner.gets_one();
    assert!(reminder.contains("1 Dev moderator request(s) waiting"), "{reminder}");
    assert!(reminder.contains("bert@example.net would like to leave"), "{reminder}");
    let rows: serde_json::Value =
        serde_json::from_str(&site.ok(&["request", "ls", "--json"])).unwrap();
    let id = rows[0]["id"].to_string();
    site.ok(&["request", "reject", "dev", &id, "--reason", "Please stay."]);
    site.ok(&["run"]);
    assert!(bert.gets_one().contains("Please stay."));
    assert!(is_member(&site, "bert@example.net"));
    // Addresses in subscribe_auto_approval need no moderator.
    let mut fred = Person::new(&site, "fred@friends.example");
    fred.writes("dev-join", "", "");
    let cookie = self::cookie(&fred.gets_one());
    fred.writes("dev-request", &format!("confirm {cookie}"), "");
    assert!(fred.gets_one().contains("Welcome to the"));
    // One address is banned.
    set(&site, &["subscribe_policy=approve"]);
    let mut eve = Person::new(&site, "eve@example.com");
    eve.writes("dev-join", "", "");
    eve.gets_one();
    site.ok(&["request", "ban", "dev", "--all"]);
    site.ok(&["run"]);
    eve.gets_nothing();
    eve.writes("dev-join", "", "");
    assert!(eve.gets_one().contains("cannot subscribe"));
    assert!(site.run(&["request", "approve", "dev", "77"]).status.code() == Some(65));
}

#[test]
fn a_moderator_approves_a_post_by_answering_the_notice() {
    let site = site();
    // SHA-1 of "secret".
    let password = "password=e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";
    set(&site, &["generic_nonmember_action=hold", password]);
    let mut owner = Person::new(&site, OWNER);
    let mut anna = Person::new(&site, "anna@example.org");
    site.post("dev", &message("s@example.com", "news", "News for you.\n"));
    site.ok(&["run"]);
    let notice = owner.gets_one();
    let cookie = cookie(&notice);
    owner.writes("dev-request", &format!("Re: confirm {cookie}"), "What is this?\n");
    assert!(owner.gets_one().contains("the post is still waiting"));
    owner.writes("dev-request", &format!("Re: confirm {cookie}"), "Approved: wrong\n");
    assert!(owner.gets_one().contains("The password is not correct"));
    anna.gets_nothing();
    owner.writes("dev-request", &format!("Re: confirm {cookie}"), "\nApproved: secret\n\nok\n");
    assert!(owner.gets_one().contains("goes to the list"));
    let post = anna.gets_one();
    assert!(post.contains("News for you.") && post.contains("X-Mailman-Approved-At:"), "{post}");
    assert_eq!(site.ok(&["held", "ls", "--json"]).trim(), "[]");
    let steps = site.ok(&["trace", "news@test.example"]);
    assert!(steps.contains("approved") && steps.contains("anna@example.org"), "{steps}");
    owner.writes("dev-request", &format!("confirm {cookie}"), "Approved: secret\n");
    let answer = owner.gets_one().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(answer.contains("it was approved by a moderator"), "{answer}");
}

#[test]
fn the_banned_may_not_join_and_python_patterns_count() {
    let site = site();
    set(&site, &["subscribe_policy=open", "ban_list=^(?!.*@example\\.net$).*$\neve@example.net\n"]);
    for (address, joins) in
        [("bert@example.net", true), ("bert@example.com", false), ("Eve@Example.net", false)]
    {
        let mut person = Person::new(&site, address);
        person.writes("dev-join", "", "");
        let mail = person.gets();
        assert_eq!(is_member(&site, &address.to_lowercase()), joins, "{address}: {mail:?}");
        assert!(joins || mail[0].contains("cannot subscribe"), "{mail:?}");
    }
    site.ok(&["config", "set", "members.ban_list", "gert@example.net"]);
    let gert = Person::new(&site, "gert@example.net");
    gert.writes("dev-join", "", "");
    assert!(!is_member(&site, "gert@example.net"));
}

#[test]
fn one_click_in_a_post_ends_the_membership() {
    let site = site();
    set(&site, &["personalize=yes", "msg_footer=Leave: %(user_unsubscribeurl)s"]);
    let mut anna = Person::new(&site, "anna@example.org");
    site.post("dev", &message("anna@example.org", "one", "Hello.\n"));
    site.ok(&["run"]);
    let post = anna.gets_one();
    assert_eq!(post.matches("List-Unsubscribe:").count(), 1, "{post}");
    assert!(post.contains("\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n"), "{post}");
    assert!(post.contains("<mailto:dev-request@lists.example.org?subject=unsubscribe>"), "{post}");
    let path = link(&post, "unsubscribe");
    assert!(post.contains(&format!("\nLeave: https://{HOST}{path}\n")), "{post}");
    let server = Server::start(&site);
    assert!(server.get(&path).contains("Leave Dev?"));
    assert!(is_member(&site, "anna@example.org"), "looking ends nothing");
    let forged = format!("{}x", &path[..path.len() - 1]);
    assert!(server.post(&forged, "List-Unsubscribe=One-Click").starts_with("HTTP/1.1 404"));
    for _ in 0..2 {
        let page = server.post(&path, "List-Unsubscribe=One-Click");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    }
    assert!(!is_member(&site, "anna@example.org"));
    site.ok(&["run"]);
    assert!(anna.gets_one().contains("You have been unsubscribed"));
    // If all recipients share a copy, the header is as in Mailman.
    set(&site, &["personalize=no", "one_click_unsubscribe=personal"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "carl@example.net"]);
    site.post("dev", &message("carl@example.net", "two", "Hello.\n"));
    site.ok(&["run"]);
    let post = Person { site: &site, address: "carl@example.net", read: 0 }.gets_one();
    assert!(post.contains("List-Unsubscribe: <https://lists.example.org/mailman/options/dev>"));
    assert!(!post.contains("One-Click"), "{post}");
}

#[test]
fn there_are_no_passwords_and_a_link_opens_the_options_once() {
    let site = site();
    let mut anna = Person::new(&site, "anna@example.org");
    anna.writes("dev-request", "password", "");
    let mails = anna.gets();
    assert_eq!(mails.len(), 2, "{mails:#?}");
    let answer = mails.iter().find(|mail| mail.contains("no passwords any more. If")).unwrap();
    let login = mails.iter().find(|mail| mail.contains("Subject: Your link to")).unwrap();
    let mut stranger = Person::new(&site, "s@example.com");
    stranger.writes("dev-request", "password", "");
    let text = |mail: &str, address: &str| {
        let start = mail.find("- Results:").unwrap();
        mail[start..].split("- Done.").next().unwrap().replace(address, "")
    };
    let told = stranger.gets_one();
    assert_eq!(text(&told, "s@example.com"), text(answer, "anna@example.org"));
    let server = Server::start(&site);
    let path = link(login, "confirm");
    assert!(server.get(&path).contains("Open my options"));
    // The cookie does not work by mail, and stays valid.
    anna.writes("dev-request", &format!("confirm {}", path.rsplit('/').next().unwrap()), "");
    assert!(anna.gets_one().contains("only be done in a web browser"));
    let browser = Browser::new(&server);
    let page = browser.follow(&browser.post(&path, "submit=1"));
    assert!(page.contains("Save") && page.contains("anna@example.org"), "{page}");
    assert!(browser.post(&path, "submit=1").starts_with("HTTP/1.1 410"));
    let options = "/mailman/options/dev";
    let post = |form: &str| browser.send(options, options, form);
    let topics = r#"topics=[["bugs","bug","What is broken",false],["news","new","",false]]"#;
    set(&site, &["topics_enabled=yes", topics, "available_languages=en,de"]);
    let page = post("do=save&delivery=on&topic0=on&nmtopics=on&language=de");
    assert!(page.contains("name=\"topic0\" checked") && page.contains("What is broken"), "{page}");
    assert!(!page.contains("name=\"topic1\" checked"), "{page}");
    assert!(page.contains("<option value=\"de\" selected>"), "{page}");
    assert!(site.ok(&["person", "show", "anna@example.org"]).contains("topics bugs"));
    set(&site, &["topics_enabled=no"]);
    let page = post("do=save&realname=Anna+A.&digest=mime&delivery=on&hide=on&duplicates=on");
    // The page is in the chosen language.
    assert!(page.contains("Ihre Einstellungen sind gespeichert."), "{page}");
    let members = site.ok(&["member", "ls", "dev", "--json"]);
    let members: serde_json::Value = serde_json::from_str(&members).unwrap();
    assert_eq!(members[0]["name"], "Anna A.");
    assert_eq!(members[0]["options"], serde_json::json!(["notmetoo", "hide", "nmtopics"]));
    assert_eq!(members[0]["digest"], true);
    // Changing the address.
    let page = post("do=move&new=anna%40new.example");
    assert!(page.contains("Eine E-Mail an anna@new.example"), "{page}");
    site.ok(&["run"]);
    let mut new = Person { site: &site, address: "anna@new.example", read: 0 };
    let cookie = cookie(&new.gets_one());
    new.writes("dev-request", &format!("confirm {cookie}"), "");
    assert!(new.gets_one().contains("\n    auf anna@new.example\n"));
    assert!(
        anna.gets_one().contains("\n    auf anna@new.example\n"),
        "the old one hears of it, too"
    );
    assert!(is_member(&site, "anna@new.example") && !is_member(&site, "anna@example.org"));
    // The key works on no other member's page, and the old address has no page any more.
    let other = server.post(options, "key=x&do=leave");
    assert!(other.starts_with("HTTP/1.1 303") && other.contains("signin?next="), "{other}");
    assert!(browser.get(options).contains("not as a member"));
    assert!(is_member(&site, "anna@new.example"));
    // The form's reply is the same for all addresses.
    let ask = |address: &str| {
        let page = server.post("/mailman/options/dev", &format!("email={address}"));
        page.split("\r\n\r\n").nth(1).unwrap().to_owned()
    };
    assert_eq!(ask("anna%40new.example"), ask("nobody%40example.com"));
}

#[test]
fn options_are_set_by_mail_when_the_member_confirms() {
    let site = site();
    set(&site, &["password=e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"]);
    let mut anna = Person::new(&site, "anna@example.org");
    anna.writes(
        "dev-request",
        "",
        "set show\nset ack on\nset digest plain\nset colour blue\nend\n",
    );
    let mails = anna.gets();
    assert_eq!(mails.len(), 2, "{mails:#?}");
    let asks = mails.iter().find(|mail| mail.contains("Subject: confirm ")).unwrap();
    assert!(asks.contains("    ack on\n    digest plain\n"), "{asks}");
    let answer = mails.iter().find(|mail| mail.contains("- Results:")).unwrap();
    assert!(answer.contains("delivery    on"), "{answer}");
    assert!(answer.contains("There is no such option."), "{answer}");
    let options = || {
        let members = site.ok(&["member", "ls", "dev", "--json"]);
        let members: serde_json::Value = serde_json::from_str(&members).unwrap();
        (
            members[0]["options"].clone(),
            members[0]["digest"].clone(),
            members[0]["delivery"].clone(),
        )
    };
    assert_eq!(options().0, serde_json::json!(["plain", "nodupes"]));
    anna.writes("dev-request", &format!("confirm {}", cookie(asks)), "");
    assert!(anna.gets_one().contains("The options of anna@example.org are saved."));
    let expected = serde_json::json!(["ack", "plain", "nodupes"]);
    assert_eq!(options(), (expected, true.into(), "enabled".into()));
    // With an owner's password any member's options change immediately; without one the member must
    // confirm.
    let mut owner = Person::new(&site, OWNER);
    owner.writes(
        "dev-request",
        "",
        "set authenticate secret address=anna@example.org\nset delivery off\nset digest off\n",
    );
    assert!(owner.gets_one().contains("delivery is now off for anna@example.org."));
    assert_eq!(options().2, "byuser");
    let mut mallory = Person::new(&site, "m@example.com");
    mallory.writes(
        "dev-request",
        "",
        "set authenticate x address=anna@example.org\nset delivery on\n",
    );
    mallory.gets_one();
    assert_eq!(options().2, "byuser");
    assert!(anna.gets_one().contains("    delivery on\n"));
    // Options are sent only to the member.
    mallory.writes("dev-request", "set show address=anna@example.org", "");
    assert!(mallory.gets_one().contains("If that address is a member"));
    let shown = anna.gets_one();
    assert!(shown.contains("The options of anna@example.org:") && shown.contains("    ack "));
}

#[test]
fn nobody_learns_from_an_answer_whether_somebody_else_is_a_member() {
    let site = site();
    site.ok(&["config", "set", "members.mails_per_address", "0"]);
    let mut mallory = Person::new(&site, "m@example.com");
    for command in ["subscribe", "unsubscribe", "password"] {
        let mut told = Vec::new();
        for address in ["anna@example.org", "nobody@example.org"] {
            mallory.writes("dev-request", &format!("{command} address={address}"), "");
            told.push(mallory.gets_one());
        }
        let text = |mail: &str| mail[mail.find("- Results").unwrap()..].to_owned();
        assert_eq!(text(&told[0]), text(&told[1]), "{command}");
    }
    mallory.writes("dev-request", "who", "");
    assert!(mallory.gets_one().contains("You may not see"));
    let mut anna = Person::new(&site, "anna@example.org");
    anna.writes("dev-request", "who", "");
    assert!(anna.gets_one().contains("anna@example.org"));
}

#[test]
fn programs_and_our_own_mail_are_never_answered() {
    let site = site();
    let mut bert = Person::new(&site, "bert@example.net");
    for header in [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "Precedence: list",
        "List-Id: <other.example>",
        "X-BeenThere: dev@lists.example.org",
        "Return-Path: <>\nPrecedence: junk",
    ] {
        bert.sends("dev-request", &format!("{header}\nSubject: help\n\n"));
        bert.gets_nothing();
    }
    bert.sends("dev-request", "X-Ack: yes\nPrecedence: bulk\nSubject: help\n\n");
    assert!(bert.gets_one().contains("Commands of the mailing list Dev"));
    let output = site
        .command(&["deliver", &format!("dev-join@{HOST}")])
        .env("SENDER", "")
        .stdin(std::fs::File::open(mail_file(&site, "bert@example.net")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    site.ok(&["run"]);
    bert.gets_nothing();
    // Our own mail is sent back to each of our addresses.
    bert.writes("dev-join", "", "");
    bert.gets();
    let all = [site.maildir("bert@example.net"), site.maildir(OWNER)].concat();
    assert!(!all.is_empty());
    for to in ["dev-request", "dev-join", "dev-leave", "dev-confirm"] {
        for mail in &all {
            site.feed(&["deliver", &format!("{to}@{HOST}")], mail);
        }
    }
    let before = [site.maildir("bert@example.net"), site.maildir(OWNER)].concat().len();
    site.ok(&["run"]);
    let after = [site.maildir("bert@example.net"), site.maildir(OWNER)].concat().len();
    assert_eq!(after, before);
    assert!(!site.dir().join("mail/dev-request@lists.example.org").exists());
    // Mail without a command gets no reply either.
    bert.writes("dev-request", "hello", "How are you?\n");
    bert.gets_nothing();
}

fn mail_file(site: &TestSite, address: &str) -> std::path::PathBuf {
    let path = site.dir().join("a-mail");
    std::fs::write(&path, format!("From: {address}\nSubject: x\n\nx\n")).unwrap();
    path
}

#[test]
fn a_day_has_so_many_answers_and_the_last_one_says_so() {
    let site = site();
    site.ok(&["config", "set", "members.mails_per_address", "3"]);
    let mut anna = Person::new(&site, "anna@example.org");
    for _ in 0..5 {
        anna.writes("dev-request", "echo hello", "and the rest\n");
    }
    let mails = anna.gets();
    assert_eq!(mails.len(), 3);
    let last =
        mails.iter().filter(|mail| mail.contains("the last automatic reply you get today")).count();
    assert_eq!(last, 1);
    assert!(
        mails[0].contains("    echo hello")
            && mails[0].contains("- Unprocessed:\n    and the rest")
    );
    assert!(mails[0].contains("Content-Type: message/rfc822"), "the original is attached");
}

#[test]
fn owners_invite_and_an_invitation_needs_no_approval() {
    let site = site();
    set(&site, &["subscribe_policy=approve"]);
    site.ok(&["invite", "dev", "Bert B. <bert@example.net>", "--text", "We miss you."]);
    let output = site.run(&["invite", "dev", "anna@example.org"]);
    assert_eq!(output.status.code(), Some(65), "{}", describe(&output));
    site.ok(&["run"]);
    let mut bert = Person { site: &site, address: "bert@example.net", read: 0 };
    let mail = bert.gets_one();
    assert!(mail.contains("We miss you."), "{mail}");
    let cookie = cookie(&mail);
    // On another list the invitation does not work, and both lists' owners are told.
    site.ok(&["list", "create", "ops", "--owner", "ops@example.org", "--quiet"]);
    bert.writes("ops-request", &format!("confirm {cookie}"), "");
    assert!(bert.gets_one().contains("Nothing is waiting"));
    for owner in [OWNER, "ops@example.org"] {
        let told = Person { site: &site, address: owner, read: 0 }.gets_one();
        assert!(told.contains("invitation") && told.contains("bert@example.net"), "{told}");
    }
    bert.writes("dev-request", &format!("confirm {cookie}"), "");
    assert!(bert.gets_one().contains("Welcome to the"));
    assert!(is_member(&site, "bert@example.net"));
}

#[test]
fn notices_of_an_umbrella_list_go_to_those_who_run_its_members() {
    let site = site();
    set(&site, &["umbrella_list=yes"]);
    let sub = Person::new(&site, "sublist@example.net");
    sub.writes("dev-join", "", "");
    let mut runs_it = Person { site: &site, address: "sublist-owner@example.net", read: 0 };
    let cookie = cookie(&runs_it.gets_one());
    runs_it.writes("dev-request", &format!("confirm {cookie}"), "");
    assert!(is_member(&site, "sublist@example.net"));
    assert!(runs_it.gets_one().contains("Welcome"));
}

#[test]
fn help_info_and_lists_tell_what_there_is() {
    let site = site();
    set(&site, &["description=All about development"]);
    site.ok(&["list", "create", "secret", "--owner", OWNER, "--quiet"]);
    site.ok(&["list", "set", "secret", "advertised=no"]);
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-request", "", "info\nlists\nhelp\nblah\n");
    let mail = bert.gets_one();
    for text in [
        "All about development",
        "dev-request@lists.example.org",
        "set ...",
        "- Unprocessed:\n    1 line that is not repeated here\n",
    ] {
        assert!(mail.contains(text), "{text}: {mail}");
    }
    assert!(!mail.contains("Secret"), "{mail}");
    assert!(
        !mail.contains("message/rfc822"),
        "nobody vouches for the sender: nothing is passed on"
    );
}

/// The points at which a process may die while it processes a batch.
const POINTS: [&str; 11] = [
    "claim.locked",
    "claim.renamed",
    "claim.finished",
    "batch.staged",
    "batch.synced",
    "batch.recorded",
    "batch.decided",
    "batch.shown",
    "batch.unlinked",
    "batch.carried-out",
    "incoming.stored",
];

#[test]
fn a_crash_at_any_point_makes_a_member_once_and_welcomes_once() {
    let site = site();
    let address = |point: &str| format!("{}@example.net", point.replace('.', "-"));
    let send = |to: &str, point: &str, subject: &str| {
        let mail = format!("From: {}\nSubject: {subject}\n\n", address(point));
        let output = site.feed(&["deliver", &format!("{to}@{HOST}")], mail.as_bytes());
        assert!(output.status.success(), "{}", describe(&output));
    };
    POINTS.iter().for_each(|point| send("dev-join", point, ""));
    site.ok(&["run"]);
    let mails = |point: &str| -> Vec<String> {
        let mails = site.maildir(&address(point));
        mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
    };
    for point in POINTS {
        send("dev-request", point, &format!("confirm {}", cookie(&mails(point)[0])));
        let output = site.command(&["run"]).env("DORMOUSE_FAULT", point).output().unwrap();
        assert!(!output.status.success(), "{point}: {}", describe(&output));
        site.ok(&["run"]);
        let mails = mails(point);
        assert_eq!(mails.len(), 2, "{point}: {mails:#?}");
        assert!(mails[1].contains("Welcome to the"), "{point}: {}", mails[1]);
        assert!(is_member(&site, &address(point)), "{point}");
    }
}

#[test]
fn a_persons_data_is_shown_exported_and_erased() {
    let site = site();
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-join", "", "");
    let cookie = cookie(&bert.gets_one());
    bert.writes("dev-request", &format!("confirm {cookie}"), "");
    set(&site, &["accept_these_nonmembers=bert@example.net"]);
    let export: serde_json::Value =
        serde_json::from_str(&site.ok(&["person", "export", "BERT@example.net"])).unwrap();
    assert_eq!(export["memberships"][0]["list"], "dev");
    assert_eq!(export["consent"].as_array().unwrap().len(), 3);
    assert_eq!(export["named_in"][0]["setting"], "accept_these_nonmembers");
    let dry = site.ok(&["person", "erase", "bert@example.net", "--dry-run"]);
    assert!(dry.contains("would erase 1 membership"), "{dry}");
    assert!(is_member(&site, "bert@example.net"));
    let done = site.ok(&["person", "erase", "bert@example.net"]);
    assert!(done.contains("still named in dev: accept_these_nonmembers"), "{done}");
    assert!(!is_member(&site, "bert@example.net"));
    set(&site, &["accept_these_nonmembers="]);
    assert_eq!(site.run(&["person", "show", "bert@example.net"]).status.code(), Some(65));
}

/// Cookies in mail that Mailman sent stay valid after a takeover: 40 hexadecimal digits in links
/// and subjects.
#[test]
fn cookies_that_mailman_gave_out_keep_working() {
    let site = site();
    let store = Store::open(&Site::open(&site.dir()).unwrap()).unwrap();
    let dev = store.read().list("dev").unwrap().unwrap();
    let cookie = |digit: char| digit.to_string().repeat(40);
    let anna = || "anna@example.org".to_owned();
    let pend = |digit: char, request: Request| {
        let cookie = cookie(digit);
        let (content, list_id) = (Vec::new(), dev.id);
        let waits = Pending {
            cookie,
            list_id,
            request,
            content,
            created_at: Timestamp::from_seconds(1.0),
            expires_at: Timestamp::from_seconds(9e9),
        };
        store.write(|tx| tx.pend(&waits)).unwrap();
    };
    pend('a', Request::ReEnable { address: anna() });
    let new = "a@new.example".to_owned();
    pend('b', Request::ChangeAddress { address: anna(), new, globally: true });
    pend('c', Request::Probe { address: anna() });
    store
        .write(|tx| -> Result<(), StoreError> {
            let mut member = tx.read().member(dev.id, "anna@example.org")?.unwrap();
            member.delivery = Delivery::ByBounce;
            tx.update_member(dev.id, &member, Timestamp::from_seconds(1.0))?;
            let ops = tx.create_list(&"ops".parse().unwrap(), HOST, &[OWNER.to_owned()])?;
            let new = NewMember { address: anna(), real_name: String::new(), digest: false };
            tx.add_member(&ops, &new, Timestamp::from_seconds(1.0), "test").map(drop)
        })
        .unwrap();
    let mut person = Person::new(&site, "anna@example.org");
    person.writes("dev-request", &format!("confirm {}", cookie('a').to_uppercase()), "");
    assert!(person.gets_one().contains("receives the mail of Dev again"));
    assert!(site.ok(&["person", "show", "anna@example.org"]).contains("delivery enabled"));
    person.writes("dev-request", &format!("confirm {}", cookie('c')), "");
    assert!(person.gets_one().contains("Nothing is waiting"), "a probe is for nobody to confirm");
    person.writes(&format!("dev-confirm+{}", cookie('b')), "x", "");
    let told = person.gets_one();
    assert!(
        told.contains("to   a@new.example") && told.contains("from now on: Dev, Ops."),
        "{told}"
    );
    assert!(site.ok(&["member", "ls", "ops"]).contains("a@new.example"));
    // The link in the notice of a held post cancels it, and can do nothing else.
    set(&site, &["generic_nonmember_action=hold"]);
    site.post("dev", &message("s@example.com", "x", "News.\n"));
    site.ok(&["run"]);
    let held = store.read().held_posts(dev.id).unwrap().remove(0);
    let server = Server::start(&site);
    let path = format!("/mailman/confirm/dev/{}", held.post.cookie);
    assert!(server.get(&path).contains("Your post is waiting for a moderator"));
    assert!(server.post(&path, "submit=1").contains("Your post is still waiting"));
    assert!(server.post(&path, "cancel=1").contains("Withdrawn"));
    assert_eq!(site.ok(&["held", "ls", "--json"]).trim(), "[]");
    let found = server.post("/mailman/confirm/dev", &format!("cookie={}", held.post.cookie));
    assert!(found.starts_with("HTTP/1.1 303"), "{found}");
}

#[test]
fn a_site_without_pages_names_none() {
    let site = site();
    site.ok(&["config", "set", "web.listen", ""]);
    // As after a takeover; nothing serves pages at this URL.
    site.ok(&["config", "set", "web_url", &format!("https://{HOST}/mailman/")]);
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-join", "", "");
    let mail = bert.gets_one();
    assert!(mail.contains("reply to this mail without changing its\nsubject.\n"), "{mail}");
    bert.writes("dev-request", &format!("confirm {}", cookie(&mail)), "");
    let welcome = bert.gets_one();
    assert!(welcome.contains("Any mail to dev-leave@lists.example.org"), "{welcome}");
    bert.writes("dev-request", "password", "");
    let answer = bert.gets_one();
    assert!(answer.contains("this site has no web pages"), "{answer}");
    for text in [mail, welcome, answer] {
        assert!(!text.contains("https://"), "{text}");
    }
}

fn store(site: &TestSite) -> Store {
    Store::open(&Site::open(&site.dir()).unwrap()).unwrap()
}

#[test]
fn the_members_are_shown_to_those_whom_private_roster_names() {
    let site = site();
    site.ok(&["member", "add", "dev", "--welcome", "no", "bert@example.net", "hidden@example.net"]);
    site.ok(&["member", "set", "dev", "hidden@example.net", "hide=on"]);
    site.ok(&["member", "set", "dev", "bert@example.net", "nomail=byuser"]);
    // SHA-1 of "secret", as Mailman stores the site's password, and the member's from a takeover.
    const SHA1: &str = "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";
    let store = store(&site);
    let dev = store.read().list("dev").unwrap().unwrap();
    let anna = || store.read().member_password(dev.id, "anna@example.org").unwrap();
    let quick = dormouse_membership::password::hash_quickly("annas").unwrap();
    store
        .write(|tx| -> Result<(), StoreError> {
            tx.set_site_password("admin", SHA1)?;
            tx.set_member_password(dev.id, "anna@example.org", &quick)
        })
        .unwrap();
    let server = Server::start(&site);
    let path = "/mailman/roster/dev";
    let log_in = |email: &str, password: &str| {
        server.post(path, &format!("roster-email={email}&roster-pw={password}"))
    };
    let shows = |page: &str| {
        ["anna at example.org", "(bert at example.net)", "hidden at example.net"]
            .map(|address| page.contains(address))
    };
    // For members only, the default of new lists.
    let asks = server.get(path);
    assert!(asks.contains("location: /mailman/signin?next="), "{asks}");
    let anna_sees = log_in("anna%40example.org", "annas");
    assert_eq!(shows(&anna_sees), [true, true, false], "{anna_sees}");
    assert!(anna().starts_with("$argon2id$"), "a hash of ours takes its place: {}", anna());
    assert_eq!(shows(&log_in("anna%40example.org", "annas")), [true, true, false]);
    let wrong = [log_in("anna%40example.org", "secrets"), log_in("nobody%40x.example", "annas")];
    for page in &wrong {
        assert!(page.starts_with("HTTP/1.1 401") && page.contains("do not match"), "{page}");
    }
    // The site's password, used for the first time.
    let all = log_in("", "secret");
    assert!(all.contains("hidden@example.net") && all.contains("(bert@example.net)"), "{all}");
    let kept = store.read().site_password("admin").unwrap().unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    assert!(log_in("", "secret").contains("hidden@example.net"));
    // It opens a member's options, too; by mail it is not accepted (docs/spec/commands.md §10).
    let options = server.post("/mailman/options/dev", "email=bert%40example.net&password=secret");
    assert!(options.contains("Save") && options.contains("bert@example.net"), "{options}");
    // Only the member may change options on other lists.
    let everywhere = "name=\"globally\"";
    assert!(!options.contains(everywhere), "{options}");
    let anna_in = Browser::new(&server);
    let own = anna_in.post("/mailman/options/dev", "email=anna%40example.org&password=annas");
    assert!(own.contains("Save") && own.contains("anna@example.org"), "{own}");
    assert_eq!(shows(&anna_in.get(path)), [true, true, false]);
    let mut owner = Person::new(&site, OWNER);
    owner.writes("dev-request", "", "who secret\n");
    assert!(owner.gets_one().contains("You may not see"));
    set(&site, &["private_roster=owners"]);
    assert_eq!(shows(&log_in("anna%40example.org", "annas")), [false; 3]);
    assert_eq!(shows(&anna_in.get(path)), [false; 3]);
    set(&site, &["mod_password=e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"]);
    assert!(log_in("", "secret").contains("hidden@example.net"));
    let kept = store.read().kept_setting(dev.id, "mod_password").unwrap().unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    set(&site, &["private_roster=anyone", "obscure_addresses=no"]);
    let public = server.get(path);
    assert!(public.contains("anna@example.org") && !public.contains("hidden@"), "{public}");
    // Wrong passwords are limited for that network only; a right one is always accepted.
    site.ok(&["config", "set", "members.passwords_per_origin", "4"]);
    site.ok(&["config", "set", "web.proxies", "127.0.0.1"]);
    drop(server);
    let server = Server::start(&site);
    let guess = |network: &str, password: &str| {
        server.post_from(network, path, &format!("roster-email=&roster-pw={password}"))
    };
    for _ in 0..4 {
        assert!(guess("192.0.2.1", "wrong").contains("do not match"));
    }
    assert!(guess("192.0.2.9", "wrong").contains("Too many wrong passwords"));
    assert!(guess("192.0.2.9", "secret").contains("hidden@example.net"));
    assert!(guess("198.51.100.1", "secret").contains("hidden@example.net"));
}

#[test]
fn a_long_membership_is_shown_page_by_page() {
    let site = site();
    let members: Vec<String> = (0..1000).map(|number| format!("m{number:04}@x.example")).collect();
    let input = members.join("\n");
    let added =
        site.feed(&["member", "add", "dev", "--welcome", "no", "--file", "-"], input.as_bytes());
    assert!(added.status.success(), "{}", describe(&added));
    set(&site, &["private_roster=anyone", "obscure_addresses=no"]);
    let server = Server::start(&site);
    let first = server.get("/mailman/roster/dev");
    assert!(first.contains("m0998@x.example") && !first.contains("m0999@x.example"));
    let value = |name: &str| {
        let start = first.find(&format!("name=\"{name}\" value=\"")).unwrap();
        first[start..].split('"').nth(3).unwrap().to_owned()
    };
    let after = value("after").replace('@', "%40");
    let second = server.get(&format!("/mailman/roster/dev?after={after}"));
    assert!(second.contains("m0999@x.example") && !second.contains("m0998@x.example"), "{second}");
    assert!(!second.contains("More members"));
}

#[test]
fn an_expired_request_is_discarded_without_notice() {
    let site = site();
    set(&site, &["subscribe_policy=approve", "max_days_to_hold_requests=3"]);
    let mut owner = Person::new(&site, OWNER);
    let mut bert = Person::new(&site, "bert@example.net");
    bert.writes("dev-join", "", "");
    assert!(bert.gets_one().contains("The moderators of Dev decide on the request"));
    assert!(owner.gets_one().contains("bert@example.net would like to join"));
    let days_later = |days: u32| {
        let clock = format!("+{}", days * 86_400);
        let done =
            site.command(&["cron", "checkdbs", "--json"]).env("DORMOUSE_CLOCK", clock).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", describe(&done));
        site.ok(&["run"]);
        String::from_utf8(done.stdout).unwrap()
    };
    days_later(2);
    assert!(owner.gets_one().contains("Requests that wait longer than 3 days are discarded."));
    let done = days_later(4);
    assert!(done.contains("\"requests_expired\": 1"), "{done}");
    assert_eq!(site.ok(&["request", "ls", "--json"]).trim(), "[]");
    owner.gets_nothing();
    bert.gets_nothing();
}

#[test]
fn a_member_reads_notices_in_the_own_language() {
    let site = site();
    set(&site, &["available_languages=en,de,fr,es"]);
    for (address, language) in
        [("heidi@example.net", "de"), ("luc@example.net", "fr"), ("ana@example.net", "es")]
    {
        site.ok(&["member", "add", "dev", "--welcome", "no", address]);
        site.ok(&["member", "set", "dev", address, &format!("language={language}")]);
    }
    let asked = |address: &'static str| {
        let mut person = Person::new(&site, address);
        person.writes("dev-leave", "", "");
        let mail = person.gets_one();
        let mail = dormouse_mail::Message::parse(mail.into_bytes());
        dormouse_mail::mime::first_text(&mail).unwrap()
    };
    let german = asked("heidi@example.net");
    assert!(german.contains("(mit einer E-Mail von heidi@example.net), dass"), "{german}");
    assert!(german.contains("antworten Sie auf diese E-Mail, ohne den\nBetreff"), "{german}");
    assert!(asked("luc@example.net").contains("(par un courriel de luc@example.net) que"));
    assert!(asked("ana@example.net").contains("(con un correo de ana@example.net) que"));
}

/// Returns the decoded subject of a mail.
fn subject_of(mail: &str) -> String {
    dormouse_mail::Message::parse(mail.as_bytes().to_vec()).text("Subject").unwrap()
}

#[test]
fn the_subject_of_a_confirmation_speaks_the_reader_s_language_and_a_reply_to_it_confirms() {
    let site = site();
    for (language, address, words) in [
        ("de", "de@example.net", "Bitte best"),
        ("fr", "fr@example.net", "confirmer"),
        ("ja", "ja@example.net", "Dev"),
        ("ru", "ru@example.net", "Dev"),
        ("en", "en@example.net", "Please confirm that you would like to join Dev"),
    ] {
        set(&site, &[&format!("preferred_language={language}")]);
        let mut person = Person::new(&site, address);
        person.writes("dev-join", "", "");
        let mail = person.gets_one();
        let (cookie, subject) = (cookie(&mail), subject_of(&mail));
        assert!(subject.starts_with(&format!("confirm {cookie} (")), "{subject}");
        assert!(subject.contains(words), "{language}: {subject}");
        assert_eq!(subject.contains("Please confirm"), language == "en", "{subject}");
        // As mail programs write it: with their own reply mark, folded or not.
        let mark = if language == "de" { "AW" } else { "Re" };
        let answer = dormouse_mail::message::encoded("Subject", &format!("{mark}: {subject}"));
        person.sends("dev-request", &format!("Subject: {answer}\n\nok\n"));
        person.gets();
        assert!(is_member(&site, address), "{language}: {answer}");
    }
    // Truncated by a mail program, and without the words for people.
    for (address, cut) in [("cut@example.net", true), ("bare@example.net", false)] {
        let mut person = Person::new(&site, address);
        person.writes("dev-join", "", "");
        let cookie = cookie(&person.gets_one());
        let rest = if cut { " (Please con" } else { "" };
        person.writes("dev-request", &format!("Re: confirm {cookie}{rest}"), "");
        person.gets();
        assert!(is_member(&site, address), "{address}");
    }
    // A sentence that begins with the same word is not a confirmation.
    let mut person = Person::new(&site, "odd@example.net");
    person.writes("dev-join", "", "");
    let cookie = cookie(&person.gets_one());
    person.writes("dev-request", &format!("Re: confirm my code {cookie}"), "");
    assert!(!is_member(&site, "odd@example.net"));
}

#[test]
fn both_addresses_are_notified_when_an_administrator_changes_one() {
    let site = site();
    for list in ["dev", "ops"] {
        if list != "dev" {
            site.plain_list(list, &[]);
        }
        site.ok(&["member", "add", list, "--welcome", "no", "--notify", "no", "bert@example.net"]);
    }
    let mut old = Person::new(&site, "bert@example.net");
    let mut new = Person::new(&site, "bert@example.com");
    let told = |person: &mut Person<'_>| person.gets();
    site.ok(&["member", "move", "bert@example.net", "bert@example.com", "--dry-run"]);
    site.ok(&["run"]);
    old.gets_nothing();
    site.ok(&["member", "move", "bert@example.net", "bert@example.com"]);
    site.ok(&["run"]);
    for person in [&mut old, &mut new] {
        let mails = told(person);
        assert_eq!(mails.len(), 1, "{mails:?}");
        for word in ["bert@example.net", "bert@example.com", "Dev", "ops"] {
            assert!(mails[0].to_lowercase().contains(&word.to_lowercase()), "{word}: {}", mails[0]);
        }
    }
    // Without a mail, and without a change.
    site.ok(&["member", "move", "--notify", "no", "bert@example.com", "bert@example.net"]);
    site.run(&["member", "move", "nobody@example.net", "new@example.net"]);
    site.run(&["compat", "clone_member", "-r", "bert@example.net", "bert@example.com"]);
    site.ok(&["run"]);
    old.gets_nothing();
    new.gets_nothing();
}
