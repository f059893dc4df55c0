//! One person with a real browser does the work of owners, moderators, members and administrators,
//! guided by the pages' texts: on a phone in dark mode without scripts, and on a desktop in light
//! mode.

use dormouse_testkit::browser::path_in;
use dormouse_testkit::chromium::Chromium;
use dormouse_testkit::server::Server;
use dormouse_testkit::site::TestSite;
use std::cell::RefCell;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const ANNA: &str = "anna@example.org";

/// A person who checks every page that they open.
struct Person<'p> {
    browser: &'p Chromium,
    server: &'p Server,
    site: &'p TestSite,
    seen: RefCell<Vec<String>>,
}

impl Person<'_> {
    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Checks what every page must fulfil.
    fn look(&self) {
        let here = self.browser.eval("location.pathname").to_string();
        let text = self.browser.text();
        assert!(self.browser.overflow() <= 0, "{here} is wider than the window");
        assert!(self.browser.unnamed().is_empty(), "{here}: {:?}", self.browser.unnamed());
        for wrong in ["cannot be shown", "Not Found", "No permission", "Please try again"] {
            assert!(!text.contains(wrong), "{here}: {text}");
        }
        self.seen.borrow_mut().push(here);
    }

    fn go(&self, path: &str) {
        self.browser.go(&self.at(path));
        self.look();
    }

    fn choose(&self, words: &str) {
        self.browser.choose(words);
        self.look();
    }

    fn reads(&self, words: &str) {
        let text = self.browser.text();
        assert!(text.contains(words), "{words:?} is not to be read here:\n{text}");
    }

    fn mails(&self, address: &str) -> Vec<String> {
        self.site.ok(&["run"]);
        let mails = self.site.maildir(address);
        mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
    }

    fn has_mail(&self, address: &str, words: &str) -> usize {
        self.mails(address).iter().filter(|mail| mail.contains(words)).count()
    }

    fn posts(&self, list: &str, from: &str, subject: &str) {
        let mail = format!(
            "From: {from}\nTo: {list}@lists.example.org\nSubject: {subject}\n\
             Message-ID: <{}@example.org>\nDate: Thu, 26 Nov 2026 18:00:00 +0000\n\n\
             What do you think of {subject}?\n",
            subject.replace(' ', ".")
        );
        self.site.post(list, mail.as_bytes());
    }
}

fn signs_in_by_mail(person: &Person<'_>) {
    let before = person.mails(ANNA).len();
    person.go("/mailman/listinfo");
    person.choose("Sign in");
    person.browser.fill("Your address", ANNA);
    person.choose("Send me the link");
    person.reads("Check your email");
    person.site.ok(&["run"]);
    let mails = person.site.maildir(ANNA);
    assert_eq!(mails.len(), before + 1);
    person.go(&path_in(mails.last().unwrap(), "/mailman/signin/"));
    person.choose("Sign in");
    person.reads("My lists");
}

/// Decides on twenty posts of four senders: by sender, by selection, and one by one, with an undo.
fn moderates_twenty_posts(person: &Person<'_>) {
    for sender in ["good", "bad", "many", "mixed"] {
        for number in 0..5 {
            person.posts("tea", &format!("{sender}@example.net"), &format!("{sender} {number}"));
        }
    }
    let before = person.has_mail("bert@example.org", "What do you think of");
    person.go("/mailman/admin");
    person.choose("Moderation");
    person.reads("mixed 4");
    person.browser.press("button[value^='accept:'][value*=',']");
    person.look();
    person.reads("5 decisions were carried out.");
    person.browser.press("button[value^='discard:'][value*=',']");
    for number in 0..5 {
        person.browser.tick(&format!("many {number}"));
    }
    person.choose("Discard");
    person.reads("5 decisions were carried out.");
    person.choose("Accept: mixed 0");
    person.choose("Accept and trust the sender");
    person.choose("Discard: mixed 2");
    person.reads("Decided just now");
    person.choose("Undo: mixed 2");
    person.reads("It can be made again.");
    person.browser.tick("Reject, or ban the sender");
    person.browser.fill("Message to the sender", "Please write about tea.");
    person.choose("Reject");
    person.reads("Done.");
    person.choose("Discard: mixed 3");
    person.browser.tick("Reject, or ban the sender");
    person.choose("Discard and ban mixed@example.net");
    person.reads("Nothing is waiting.");
    assert_eq!(person.has_mail("bert@example.org", "What do you think of"), before + 7);
}

fn adds_fifty_members_and_removes_one(person: &Person<'_>) {
    person.choose("Administration");
    person.choose("Tea");
    person.choose("Members");
    person.choose("Add or invite");
    let people: Vec<String> =
        (0..50).map(|number| format!("Person {number} <p{number}@example.com>")).collect();
    person.browser.fill("People to add", &people.join("\n"));
    person.choose("See what would happen");
    person.reads("50 new addresses");
    person.browser.tick("New members get the welcome message");
    person.choose("Add them");
    person.reads("50 people were added.");
    person.choose("All members");
    person.browser.fill("Address or name", "Person 41");
    person.choose("Search");
    person.choose("p41@example.com");
    person.choose("Remove");
    person.reads("1 member was removed.");
    let members = person.site.ok(&["member", "ls", "tea"]);
    assert_eq!(members.matches("@example.com").count(), 49, "{members}");
}

fn answers_questions_about_the_list(person: &Person<'_>) {
    let show = |name: &str| person.site.ok(&["list", "show", "tea", name]).trim().to_owned();
    person.go("/mailman/admin/tea");
    person.choose("Settings");
    person.choose("Senders with DMARC");
    person.browser.tick("They are returned");
    person.choose("Save");
    person.reads("1 setting was changed.");
    assert_eq!(show("dmarc_moderation_action"), "reject");
    person.choose("All settings");
    person.choose("Who may post");
    person.browser.tick("Only those of members");
    person.choose("Save");
    assert_eq!(show("generic_nonmember_action"), "reject");
    person.choose("All settings");
    person.choose("Who may join and read");
    person.browser.tick("Anyone who confirms it by email and is approved");
    person.choose("Save");
    assert_eq!(show("subscribe_policy"), "confirm-and-approve");
    // The last one was a mistake.
    person.choose("All settings");
    person.choose("Change history");
    person.reads(ANNA);
    person.choose("Revert");
    assert_eq!(show("subscribe_policy"), "confirm");
}

fn edits_the_footer_and_sees_it_in_a_mail(person: &Person<'_>) {
    person.go("/mailman/settings/tea");
    person.choose("What posts look like");
    person.browser.tick("All posts");
    person.browser.fill("msg_footer", "Brewed for you by %(real_name)s");
    person.choose("Preview");
    person.reads("Brewed for you by Tea");
    person.choose("Save");
    person.posts("tea", "bert@example.org", "Footers");
    assert_eq!(person.has_mail(ANNA, "Brewed for you by Tea"), 1);
}

fn writes_what_a_page_says(person: &Person<'_>) {
    person.go("/mailman/admin/tea");
    person.choose("Texts");
    person.choose("page-join");
    person.browser.fill("Text of this list", "Please tell us your *favourite tea*.");
    person.choose("Preview");
    person.reads("favourite tea");
    person.choose("Save");
    person.go("/mailman/listinfo/tea");
    person.reads("Please tell us your favourite tea.");
}

fn creates_a_list_posts_to_it_and_removes_it(person: &Person<'_>) {
    person.choose("Administration");
    person.choose("Create a list");
    person.browser.fill("Name", "cake");
    person.browser.fill("Owners, one address per line", ANNA);
    person.browser.tick("Discussion");
    person.choose("Create the list");
    person.reads("cake@lists.example.org");
    person.choose("Members");
    person.choose("Add or invite");
    person.browser.fill("People to add", "bert@example.org\nanna@example.org");
    person.choose("See what would happen");
    person.choose("Add them");
    person.posts("cake", "bert@example.org", "Who bakes");
    assert_eq!(person.has_mail(ANNA, "What do you think of Who bakes?"), 1);
    person.choose("Administration");
    person.choose("Cake");
    person.choose("Remove the list");
    person.browser.fill("Enter the name of the list", "cake");
    person.choose("Remove the list");
    assert!(!person.site.ok(&["list", "ls"]).contains("cake"));
}

fn changes_own_options_on_all_lists(person: &Person<'_>, digest: (&str, &str)) {
    person.choose("My lists");
    person.browser.tick("Change several lists at once");
    person.browser.tick("On all my lists");
    person.browser.fill("Posts", digest.0);
    person.choose("Save");
    for list in ["tea", "garden"] {
        let shown = person.site.ok(&["member", "show", list, ANNA]);
        assert!(shown.contains(digest.1), "{list}: {shown}");
    }
    person.choose("Options: Garden");
    person.browser.fill("Your name (optional)", "Anna Berg");
    person.choose("Save");
    assert!(person.site.ok(&["member", "show", "garden", ANNA]).contains("Anna Berg"));
}

fn searches_and_reads_the_archive(person: &Person<'_>) {
    person.go("/mailman/search");
    person.browser.fill("What are you looking for?", "footers");
    person.choose("Search");
    person.choose("Footers");
    person.reads("What do you think of Footers?");
    let reply = person.browser.eval(
        "[...document.querySelectorAll('a[href^=\"mailto:\"]')].map(a => a.href).find(h => /in-reply-to/i.test(h))",
    );
    assert!(reply.as_str().is_some_and(|link| link.contains("Footers%40example.org")), "{reply}");
}

#[test]
fn a_person_with_a_browser_does_everything_by_what_pages_say() {
    let Some(browser) = Chromium::start() else {
        skipped::skip("there is no Chromium");
        return;
    };
    for (width, is_dark, runs_scripts) in [(390, true, false), (1280, false, true)] {
        let site = TestSite::new(DORMOUSE);
        site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
        site.ok(&["config", "set", "web.administrators", ANNA]);
        let server = Server::start(&site);
        let here = format!("http://{}/mailman/", server.address());
        site.ok(&["config", "set", "web_url", &here]);
        for list in ["tea", "garden"] {
            site.plain_list(list, &[ANNA, "bert@example.org"]);
            let settings = [
                "archive=yes",
                "archive_private=yes",
                "digestable=yes",
                "admin_immed_notify=no",
                "generic_nonmember_action=hold",
                "owner=anna@example.org",
            ];
            site.ok(&[&["list", "set", list][..], &settings].concat());
        }
        browser.call("Network.clearBrowserCookies", serde_json::json!({}));
        browser.look(width, is_dark, runs_scripts);
        let person =
            Person { browser: &browser, server: &server, site: &site, seen: RefCell::default() };
        signs_in_by_mail(&person);
        moderates_twenty_posts(&person);
        adds_fifty_members_and_removes_one(&person);
        answers_questions_about_the_list(&person);
        edits_the_footer_and_sees_it_in_a_mail(&person);
        writes_what_a_page_says(&person);
        creates_a_list_posts_to_it_and_removes_it(&person);
        changes_own_options_on_all_lists(&person, ("in MIME digests", "digest"));
        searches_and_reads_the_archive(&person);
        let seen = person.seen.borrow().len();
        assert!(seen > 50, "{seen} pages");
    }
}
