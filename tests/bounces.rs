//! Bounce messages and refusals by the MTA: their effects day by day, and what does not count.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, message};
use serde_json::Value;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const OWNER: &str = "owner@example.org";
const ANNA: &str = "anna@example.org";
const PLAIN: &str = "dev-bounces@lists.example.org";
const ANNAS: &str = "dev-bounces+anna=example.org@lists.example.org";

/// A list whose return paths have no tags.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[ANNA, "bert@example.org"]);
    site
}

/// Runs a command some days later.
fn on_day(site: &TestSite, day: u32, args: &[&str]) -> String {
    let clock = format!("+{}", u64::from(day) * 86_400);
    let output = site.command(args).env("DORMOUSE_CLOCK", clock).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", describe(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Delivers a message with the null sender to an address, and processes it, some days later.
fn bounce_on_day(site: &TestSite, day: u32, to: &str, message: &str) {
    let output = site.feed(&["deliver", "--sender", "", to], message.as_bytes());
    assert!(output.status.success(), "{}", describe(&output));
    on_day(site, day, &["run"]);
}

/// A delivery status notification.
fn dsn(recipient: &str, status: &str, diagnostic: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\nTo: {PLAIN}\nSubject: Undelivered Mail\n\
         Message-ID: <{recipient}.{status}@mx.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\n\nYour mail did not get there.\n\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {recipient}\n\
         Action: failed\nStatus: {status}\nDiagnostic-Code: smtp; {diagnostic}\n\n--b--\n"
    )
}

fn gone(recipient: &str) -> String {
    dsn(recipient, "5.1.1", "550 5.1.1 no such user")
}

fn bounces(site: &TestSite) -> Value {
    serde_json::from_str(&site.ok(&["member", "bounces", "dev", "--json"])).unwrap()
}

/// Returns the state of a member with bounces.
fn state(site: &TestSite, address: &str) -> Value {
    let rows = bounces(site);
    let members = rows["members"].as_array().unwrap();
    members.iter().find(|row| row["address"] == address).cloned().unwrap_or_default()
}

/// Returns the outcomes of the bounces, the oldest first.
fn outcomes(site: &TestSite) -> Vec<String> {
    let rows = bounces(site);
    let events = rows["bounces"].as_array().unwrap().iter().rev();
    events.map(|row| row["outcome"].as_str().unwrap().to_owned()).collect()
}

fn members(site: &TestSite) -> String {
    site.ok(&["member", "ls", "dev"])
}

fn mails(site: &TestSite, address: &str) -> Vec<String> {
    let mails = site.maildir(address);
    mails.iter().map(|mail| String::from_utf8_lossy(mail).replace("\r\n", "\n")).collect()
}

fn subjects(site: &TestSite, address: &str) -> Vec<String> {
    let subject = |mail: &String| {
        let line = mail.lines().find_map(|line| line.strip_prefix("Subject: "));
        line.unwrap_or_default().to_owned()
    };
    let mut subjects: Vec<String> = mails(site, address).iter().map(subject).collect();
    subjects.sort();
    subjects
}

#[test]
fn a_member_who_bounces_for_days_is_turned_off_warned_and_removed() {
    let site = site();
    for day in 0..4 {
        bounce_on_day(&site, day, ANNAS, &gone(ANNA));
        // Only one bounce a day counts.
        bounce_on_day(&site, day, PLAIN, &gone("Anna@Example.org"));
        assert_eq!(state(&site, ANNA)["score"], f64::from(day) + 1.0);
    }
    assert_eq!(mails(&site, ANNA).len() + mails(&site, OWNER).len(), 0);
    bounce_on_day(&site, 4, ANNAS, &gone(ANNA));
    assert_eq!(outcomes(&site).last().map(String::as_str), Some("disabled"));
    assert_eq!(state(&site, ANNA)["delivery"], "bybounce");

    let warning = mails(&site, ANNA).remove(0);
    let cookie = warning.split("Subject: confirm ").nth(1).unwrap().get(..40).unwrap();
    assert!(cookie.bytes().all(|byte| byte.is_ascii_hexdigit()), "{warning}");
    // The site has no pages.
    assert!(warning.contains("reply to this mail without changing its\nsubject.\n"), "{warning}");
    assert!(!warning.contains("https://"), "{warning}");
    assert!(warning.contains("\nFrom: dev-request@lists.example.org\n"), "{warning}");
    assert!(warning.contains("2 more times"), "{warning}");
    let notice = mails(&site, OWNER).remove(0);
    assert!(notice.contains("Subject: Dev: mail to anna@example.org came back"), "{notice}");
    assert!(notice.contains("550 5.1.1 no such user"), "{notice}");
    assert!(notice.contains("\nFinal-Recipient: rfc822; anna@example.org\n"), "{notice}");

    // Posts are sent to the others; later bounces of earlier mail do not count.
    site.post("dev", &message("bert@example.org", "hello", "x\n"));
    bounce_on_day(&site, 5, ANNAS, &gone(ANNA));
    assert_eq!(subjects(&site, "bert@example.org"), ["hello"]);
    assert_eq!(outcomes(&site).last().map(String::as_str), Some("already-off"));

    for (day, warnings) in [(10, 1), (11, 2), (12, 2), (18, 3), (24, 3)] {
        on_day(&site, day, &["cron", "disabled"]);
        on_day(&site, day, &["run"]);
        assert_eq!(mails(&site, ANNA).len(), warnings, "day {day}");
    }
    assert!(mails(&site, ANNA).iter().any(|mail| mail.contains("This is the last reminder")));
    assert!(members(&site).contains(ANNA));
    let done = on_day(&site, 25, &["cron", "disabled", "--json"]);
    assert!(done.contains("\"removed\": 1"), "{done}");
    on_day(&site, 25, &["run"]);
    assert_eq!(members(&site), "bert@example.org\n");
    assert!(subjects(&site, ANNA).contains(&"You are no longer a member of Dev".to_owned()));
    assert!(mails(&site, OWNER).iter().any(|mail| mail.contains("The member was removed.")));
}

#[test]
fn old_bounces_expire_and_temporary_ones_count_half() {
    let site = site();
    bounce_on_day(&site, 0, PLAIN, &gone(ANNA));
    bounce_on_day(&site, 1, PLAIN, &dsn(ANNA, "4.2.2", "452 4.2.2 mailbox full"));
    assert_eq!(state(&site, ANNA)["score"], 1.5);
    // A score is not stale after seven days, but after eight.
    bounce_on_day(&site, 8, PLAIN, &gone(ANNA));
    assert_eq!(state(&site, ANNA)["score"], 2.5);
    bounce_on_day(&site, 16, PLAIN, &gone(ANNA));
    assert_eq!(state(&site, ANNA)["score"], 1.0);
    on_day(&site, 23, &["cron", "disabled"]);
    assert_eq!(state(&site, ANNA)["score"], 1.0);
    on_day(&site, 24, &["cron", "disabled"]);
    assert_eq!(state(&site, ANNA), Value::Null);
}

#[test]
fn delays_vacations_and_policy_count_nothing() {
    let site = site();
    let delay = gone(ANNA).replace("Action: failed", "Action: delayed");
    let vacation = format!(
        "From: Anna <{ANNA}>\nTo: {PLAIN}\nSubject: Out of office: hello\nAuto-Submitted: auto-replied\n\nBack on Monday.\n"
    );
    for message in [&delay, &vacation] {
        for to in [PLAIN, ANNAS] {
            bounce_on_day(&site, 0, to, message);
        }
    }
    bounce_on_day(&site, 0, ANNAS, &dsn(ANNA, "5.7.26", "550 5.7.26 DMARC policy of x.example"));
    assert_eq!(outcomes(&site), ["not-counted"]);
    assert_eq!(state(&site, ANNA), Value::Null);
    assert!(mails(&site, OWNER).is_empty());
}

#[test]
fn an_unrecognized_bounce_goes_to_the_owners() {
    let site = site();
    let letter = "From: c@example.net\nSubject: your list\n\nWho runs this?\n";
    bounce_on_day(&site, 0, PLAIN, letter);
    let notice = mails(&site, OWNER).remove(0);
    assert!(notice.contains("a bounce that is not understood"), "{notice}");
    assert!(notice.contains("Who runs this?"), "{notice}");
    // A bounce in an unknown form counts if the return path names the recipient.
    let odd = "From: MAILER-DAEMON@odd.example\nSubject: Mail\n\nNo luck.\n";
    bounce_on_day(&site, 0, ANNAS, odd);
    assert_eq!(state(&site, ANNA)["score"], 1.0);
    site.ok(&["list", "set", "dev", "bounce_unrecognized_goes_to_list_owner=no"]);
    bounce_on_day(&site, 0, PLAIN, letter);
    assert_eq!(mails(&site, OWNER).len(), 1);
}

#[test]
fn a_readers_complaint_reaches_the_owners_and_is_not_a_bounce() {
    let site = site();
    let complaint = format!(
        "From: fbl@isp.example\nTo: {PLAIN}\nSubject: complaint\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nAbuse.\n\
         --b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\
         User-Agent: x/1\nOriginal-Rcpt-To: {ANNA}\n\n--b--\n"
    );
    bounce_on_day(&site, 0, PLAIN, &complaint);
    assert!(mails(&site, OWNER)[0].contains("Subject: Dev: a reader complains"));
    assert_eq!(bounces(&site)["bounces"][0]["kind"], "complaint");
    assert_eq!(state(&site, ANNA), Value::Null);
}

/// Returns a complaint of a reader, as receivers send it.
fn complaint(fields: &str, mail: &str) -> String {
    format!(
        "From: fbl@isp.example\nTo: {PLAIN}\nSubject: Fw: hi\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n\
         --b\n\nAn abuse report.\n--b\nContent-Type: message/feedback-report\n\n\
         Feedback-Type: abuse\nVersion: 1\n{fields}\n--b\nContent-Type: message/rfc822\n\n{mail}\n--b--\n"
    )
}

#[test]
fn a_complaint_that_proves_whose_mail_it_was_ends_the_membership_if_the_list_says_so() {
    let (_sink, site, senders) = keyed(true, false);
    let path = senders.iter().find(|sender| sender.contains("anna")).unwrap();
    let proved = complaint(
        "Original-Rcpt-To: redacted@isp.example\n",
        &format!("Return-Path: <{path}>\nSubject: hi\n"),
    );
    let named = complaint(&format!("Original-Rcpt-To: <{ANNA}>\n"), "Subject: hi\n");
    let comes = |report: &str| {
        let output =
            site.feed(&["deliver", "--sender", "fbl@isp.example", PLAIN], report.as_bytes());
        assert!(output.status.success(), "{}", describe(&output));
        site.ok(&["run"]);
    };
    comes(&proved);
    assert!(members(&site).contains(ANNA), "the list says nothing of it");
    site.ok(&["list", "set", "dev", "complaints=unsubscribe"]);
    comes(&named);
    assert!(members(&site).contains(ANNA), "anybody can name an address");
    let rates: Value =
        serde_json::from_str(&site.ok(&["member", "rates", "dev", "--json"])).unwrap();
    assert_eq!(rates[0]["domain"], "example.org");
    assert_eq!(rates[0]["complaints"], 1);
    comes(&proved);
    assert!(!members(&site).contains(ANNA));
}

#[test]
fn a_probe_asks_before_delivery_is_turned_off() {
    let site = site();
    site.ok(&["config", "set", "bounces.probes", "yes"]);
    site.ok(&["list", "set", "dev", "bounce_score_threshold=1"]);
    bounce_on_day(&site, 0, ANNAS, &gone(ANNA));
    assert_eq!(outcomes(&site), ["probed"]);
    let (score, delivery) = (&state(&site, ANNA)["score"], &state(&site, ANNA)["delivery"]);
    assert_eq!((score.as_f64(), delivery.as_str()), (Some(0.0), Some("enabled")));
    let probe = mails(&site, ANNA).remove(0);
    assert!(
        probe.contains("This\nmail is a test.") || probe.contains("This mail is a test."),
        "{probe}"
    );
    assert!(probe.contains("550 5.1.1 no such user"), "the bounce is attached: {probe}");
    let from = probe.split("\nFrom: ").nth(1).unwrap().lines().next().unwrap();
    assert!(probe.contains(&format!("Errors-To: {from}\n")), "{probe}");

    // An automatic reply, a delay or a filter proves nothing, and neither does an unknown cookie.
    let vacation = "From: anna@example.org\nSubject: Automatic reply: test\nAuto-Submitted: auto-replied\n\nAway.\n";
    bounce_on_day(&site, 1, from, vacation);
    bounce_on_day(&site, 1, from, &dsn(ANNA, "5.7.1", "550 5.7.1 spam"));
    let other = format!("dev-bounces+{}@lists.example.org", "0".repeat(40));
    bounce_on_day(&site, 1, &other, &gone("bert@example.org"));
    assert_eq!(outcomes(&site), ["probed"]);

    bounce_on_day(&site, 2, from, &gone("another@address.example"));
    assert_eq!(outcomes(&site), ["probed", "disabled"]);
    assert_eq!(state(&site, ANNA)["delivery"], "bybounce");
    // The cookie is used up.
    bounce_on_day(&site, 2, from, &gone(ANNA));
    assert_eq!(outcomes(&site).len(), 2);
}

#[test]
fn without_warnings_a_member_is_removed_at_once() {
    let site = site();
    site.ok(&[
        "list",
        "set",
        "dev",
        "bounce_score_threshold=1",
        "bounce_you_are_disabled_warnings=0",
    ]);
    bounce_on_day(&site, 0, ANNAS, &gone(ANNA));
    assert_eq!(members(&site), "bert@example.org\n");
    assert_eq!(subjects(&site, ANNA), ["You are no longer a member of Dev"]);
}

#[test]
fn owners_hear_of_every_bounce_if_they_want_to() {
    let site = site();
    site.ok(&["list", "set", "dev", "bounce_notify_owner_on_bounce_increment=yes"]);
    bounce_on_day(&site, 0, ANNAS, &gone(ANNA));
    bounce_on_day(&site, 0, ANNAS, &gone(ANNA));
    assert_eq!(subjects(&site, OWNER), ["Dev: mail to anna@example.org came back"]);
    site.ok(&["list", "set", "dev", "bounce_processing=no"]);
    bounce_on_day(&site, 1, ANNAS, &gone(ANNA));
    assert_eq!(state(&site, ANNA)["score"], 1.0);
}

#[test]
fn bounces_of_notices_to_owners_go_to_the_site_and_round_in_no_circle() {
    let site = site();
    let notice = "From: mailman-bounces@lists.example.org\nSubject: looped\n\nx\n";
    bounce_on_day(&site, 0, PLAIN, notice);
    let mail = mails(&site, "mailman-owner@lists.example.org").remove(0);
    assert!(mail.contains("Errors-To: mailman-loop@lists.example.org\n"), "{mail}");
    // Until the site's list is created, bounces are kept in a file; they are not refused.
    let kept = site.dir().join("owner-bounces.mbox");
    for address in ["mailman-owner", "mailman-loop", "mailman-bounces+x"] {
        let address = format!("{address}@lists.example.org");
        let output = site.feed(&["deliver", &address, "--sender", ""], notice.as_bytes());
        assert!(output.status.success(), "{}", describe(&output));
    }
    let text = std::fs::read_to_string(&kept).unwrap();
    assert_eq!(text.matches("From MAILER-DAEMON ").count(), 3, "{text}");
    assert_eq!(text.matches("\nSubject: looped\n").count(), 3, "{text}");
    let output = site.feed(&["deliver", "mailman-join@lists.example.org"], b"x");
    assert_eq!(output.status.code(), Some(67), "{}", describe(&output));
    let doctor = String::from_utf8(site.run(&["doctor"]).stdout).unwrap();
    assert!(doctor.contains("dormouse list create mailman --owner YOU"), "{doctor}");
    assert!(doctor.contains("undeliverable mail for owners is kept in "), "{doctor}");
    site.ok(&["list", "create", "mailman", "--owner", "root@example.org", "--quiet"]);
    let doctor = String::from_utf8(site.run(&["doctor"]).stdout).unwrap();
    assert!(
        doctor.contains("mail that comes back to mailman goes to root@example.org"),
        "{doctor}"
    );
    bounce_on_day(&site, 0, "mailman-bounces@lists.example.org", &gone(ANNA));
    let mail = mails(&site, "root@example.org").remove(0);
    assert!(mail.contains("Errors-To: mailman-loop@lists.example.org\n"), "{mail}");
    assert!(mail.contains("\nSubject: Undelivered Mail\n"), "{mail}");
}

#[test]
fn the_creator_of_a_site_owns_its_list_and_learns_who_serves_its_pages() {
    let site = TestSite::new(DORMOUSE);
    let new = site.dir().join("new");
    let ok = |args: &[&str]| {
        let output = site.run(&[&["--site", new.to_str().unwrap()], args].concat());
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    };
    let made = ok(&["init", "--host", "lists.example.org", "--owner", "root@example.org"]).0;
    assert!(made.contains("created the list mailman: mailman@lists.example.org"), "{made}");
    let settings = ok(&["list", "show", "mailman"]).0;
    assert!(settings.contains("root@example.org"), "{settings}");
    assert!(ok(&["aliases"]).0.contains("\nmailman-bounces: "));
    let doctor = ok(&["doctor"]).0;
    assert!(
        doctor.contains("mail that comes back to mailman goes to root@example.org"),
        "{doctor}"
    );
    assert!(doctor.contains("the site has none (web.listen is empty)"), "{doctor}");
    assert!(ok(&["config", "set", "web.listen", "127.0.0.1:1"]).1);
    let doctor = ok(&["doctor"]).0;
    assert!(doctor.contains("mail has links to pages that nobody serves"), "{doctor}");
}

#[test]
fn a_bounce_counts_on_the_list_that_lends_its_members() {
    let site = site();
    site.plain_list("ops", &["olga@example.org"]);
    site.ok(&["list", "set", "dev", "regular_include_lists=ops@lists.example.org"]);
    bounce_on_day(&site, 0, PLAIN, &gone("olga@example.org"));
    assert!(bounces(&site)["bounces"].as_array().unwrap().is_empty());
    let rows = site.ok(&["member", "bounces", "ops", "--json"]);
    assert!(rows.contains("olga@example.org"), "{rows}");
}

#[test]
fn the_clock_warns_those_whom_mailmans_options_name() {
    let site = site();
    site.ok(&["list", "set", "dev", "bounce_score_threshold=5"]);
    bounce_on_day(&site, 0, ANNAS, &gone(ANNA));
    // A lowered threshold applies to earlier bounces, too.
    site.ok(&["list", "set", "dev", "bounce_score_threshold=1"]);
    let done = site.ok(&["cron", "disabled", "--json"]);
    assert!(done.contains("\"disabled\": 1"), "{done}");
    let nothing = site.ok(&["cron", "disabled", "--json"]);
    assert!(nothing.contains("\"warned\": 0"), "{nothing}");
    let forced = site.ok(&["cron", "disabled", "-f", "-l", "dev", "--json"]);
    assert!(forced.contains("\"warned\": 1"), "{forced}");
    let others = on_day(&site, 9, &["cron", "disabled", "-b", "-o", "-m", "-u", "--json"]);
    assert!(others.contains("\"warned\": 0"), "{others}");
    let all = on_day(&site, 9, &["cron", "disabled", "-a", "--json"]);
    assert!(all.contains("\"warned\": 1"), "{all}");
    let output = site.run(&["cron", "disabled", "-l", "nolist"]);
    assert_eq!(output.status.code(), Some(67), "{}", describe(&output));
}

/// A site whose mail goes to a sink that refuses some recipients.
fn refusing(reply: &'static str) -> (Sink, TestSite) {
    let sink = Sink::builder()
        .reply(move |event| {
            event.recipient().filter(|to| to.starts_with("gone")).map(|_| reply.to_owned())
        })
        .start();
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    (sink, site)
}

#[test]
fn refusals_by_the_mta_count_at_once_and_once_whatever_dies() {
    let (sink, site) = refusing("550 5.1.1 no such user");
    site.plain_list("dev", &["gone@example.org", "here@example.org"]);
    site.ok(&["list", "set", "dev", "bounce_score_threshold=2"]);
    // The warning is refused, too, like all mail to that address.
    for (day, expected) in [(0, &["scored"][..]), (1, &["scored", "disabled", "already-off"])] {
        site.post("dev", &message("c@example.com", &format!("post{day}"), "x\n"));
        // The store has committed, the queue has not.
        for _ in 0..2 {
            let mut command = site.command(&["run"]);
            command.env("DORMOUSE_CLOCK", format!("+{}", day * 86_400));
            command.env("DORMOUSE_FAULT", "outgoing.bounced");
            assert!(!command.output().unwrap().status.success());
        }
        on_day(&site, day, &["run"]);
        assert_eq!(outcomes(&site), expected);
    }
    let notices = sink.messages().into_iter().filter(|mail| mail.recipients == [OWNER]).count();
    assert_eq!(notices, 1);
}

#[test]
fn who_is_given_up_bounces_the_owners_hear_of_it_and_the_trace_ends_with_it() {
    let (sink, site) = refusing("450 4.2.0 come back later");
    site.plain_list("dev", &["gone@example.org", "gone2@example.org", "here@example.org"]);
    for subject in ["one", "two"] {
        site.post("dev", &message("c@example.com", subject, "x\n"));
        site.ok(&["run"]);
    }
    assert!(outcomes(&site).is_empty());
    // The store has committed, the queue has not.
    let mut command = site.command(&["run"]);
    command.env("DORMOUSE_CLOCK", format!("+{}", 6 * 86_400));
    command.env("DORMOUSE_FAULT", "outgoing.bounced");
    assert!(!command.output().unwrap().status.success());
    on_day(&site, 6, &["run"]);
    assert_eq!(outcomes(&site).len(), 4);
    assert_eq!(state(&site, "gone@example.org")["score"], 0.5);

    let told: Vec<_> =
        sink.messages().into_iter().filter(|mail| mail.recipients == [OWNER]).collect();
    assert_eq!(told.len(), 1, "once a day");
    let told = String::from_utf8_lossy(&told[0].data).into_owned();
    for words in ["dev", "gone@example.org", "gone2@example.org", "come back later", "5d"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let traced =
        site.ok(&["trace", "one@test.example", "--recipient", "gone@example.org", "--json"]);
    let events: Vec<Value> = serde_json::from_str(&traced).unwrap();
    let of_gone: Vec<&Value> =
        events.iter().filter(|event| event["recipients"].is_array()).collect();
    let steps: Vec<_> = of_gone.iter().map(|event| event["step"].as_str().unwrap()).collect();
    assert!(steps.contains(&"deferred") && steps.ends_with(&["abandoned"]), "{steps:?}");
    let last = of_gone.last().unwrap();
    assert!(last["text"].as_str().unwrap().contains("450 4.2.0 come back later"), "{last}");
    assert!(last["outputs"].is_null(), "{last}");
}

/// A notice to the owners that is given up causes no other notice.
#[test]
fn a_notice_that_is_given_up_is_reported_to_nobody() {
    let (sink, site) = refusing("450 4.2.0 come back later");
    site.plain_list("dev", &["here@example.org", "gone-owner@example.org"]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "owner=gone-owner@example.org",
        "default_member_moderation=yes",
    ]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site.post("dev", &message("c@example.com", "held", "x\n"));
    site.ok(&["run"]);
    on_day(&site, 6, &["run"]);
    on_day(&site, 12, &["run"]);
    let traced = site.ok(&["trace", "held@test.example", "--json"]);
    assert_eq!(traced.matches("\"abandoned\"").count(), 1, "{traced}");
    assert!(sink.messages().is_empty());
}

#[test]
fn a_probe_that_the_mta_refuses_turns_delivery_off() {
    let (_sink, site) = refusing("550 5.1.1 no such user");
    site.plain_list("dev", &["gone@example.org"]);
    site.ok(&["config", "set", "bounces.probes", "yes"]);
    site.ok(&["list", "set", "dev", "bounce_score_threshold=1"]);
    site.post("dev", &message("c@example.com", "hello", "x\n"));
    site.ok(&["run"]);
    assert_eq!(outcomes(&site), ["probed", "disabled", "already-off"]);
    assert_eq!(bounces(&site)["bounces"][1]["source"], "probe");
}

#[test]
fn a_bounce_that_is_processed_again_after_a_crash_counts_once_and_all_are_told() {
    let site = site();
    site.ok(&["list", "set", "dev", "bounce_score_threshold=1"]);
    let output = site.feed(&["deliver", "--sender", "", ANNAS], gone(ANNA).as_bytes());
    assert!(output.status.success(), "{}", describe(&output));
    for _ in 0..2 {
        let mut command = site.command(&["run"]);
        command.env("DORMOUSE_FAULT", "incoming.stored");
        assert!(!command.output().unwrap().status.success());
    }
    assert_eq!(outcomes(&site), ["disabled"]);
    assert!(mails(&site, ANNA).is_empty());
    site.ok(&["run"]);
    assert_eq!(outcomes(&site), ["disabled"]);
    assert_eq!(mails(&site, ANNA).len(), 1);
    assert_eq!(mails(&site, OWNER).len(), 1);
}

#[test]
fn a_storm_of_policy_refusals_is_reported_once_and_counts_for_nobody() {
    let (sink, site) = refusing("550 5.7.1 Listed at a block list");
    let members: Vec<String> = (0..12).map(|number| format!("gone{number}@example.org")).collect();
    site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
    for post in ["one", "two"] {
        site.post("dev", &message("c@example.com", post, "x\n"));
        site.ok(&["run"]);
    }
    let rows = bounces(&site);
    assert_eq!(rows["members"], Value::Array(Vec::new()));
    assert_eq!(rows["bounces"].as_array().unwrap().len(), 24);
    let reports = sink.messages();
    let reports: Vec<_> = reports.iter().filter(|mail| mail.recipients == [OWNER]).collect();
    assert_eq!(reports.len(), 1);
    let report = String::from_utf8_lossy(&reports[0].data);
    assert!(report.contains("Listed at a block list"), "{report}");
}

/// Creates a list with `list create`, and returns the envelope senders of one post to it.
fn keyed(verp: bool, xverp: bool) -> (Sink, TestSite, Vec<String>) {
    let sink = Sink::builder().xverp(xverp).start();
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    if verp {
        site.ok(&["config", "set", "delivery.verp_interval", "1"]);
    }
    site.plain_list("dev", &[ANNA, "bert@example.org"]);
    site.ok(&["list", "set", "dev", "return_path_tag=required"]);
    site.post("dev", &message("c@example.com", "hello", "x\n"));
    site.ok(&["run"]);
    let mut mails = sink.messages();
    mails.sort_by(|one, other| one.recipients.cmp(&other.recipients));
    assert_eq!(mails.iter().all(|mail| mail.parameters.contains("XVERP")), verp && xverp);
    let senders = mails.into_iter().map(|mail| mail.sender).collect();
    (sink, site, senders)
}

#[test]
fn a_forged_bounce_is_refused_and_a_real_one_counts() {
    let (_sink, site, senders) = keyed(true, false);
    assert_eq!(senders.len(), 2);
    assert!(senders[0].starts_with("dev-bounces+anna=example.org+"), "{senders:?}");
    let berts = senders[0].replace("anna=", "bert=");
    for (to, whose) in
        [(PLAIN, ANNA), (ANNAS, ANNA), (&*berts, "bert@example.org"), (&*berts, ANNA)]
    {
        bounce_on_day(&site, 0, to, &gone(whose));
        assert_eq!(outcomes(&site), Vec::<String>::new(), "{to}");
    }
    // Too late.
    bounce_on_day(&site, 40, &senders[0], &gone(ANNA));
    assert!(outcomes(&site).is_empty());
    bounce_on_day(&site, 7, &senders[0].to_uppercase(), &gone("forwarded@elsewhere.example"));
    assert_eq!(state(&site, ANNA)["score"], 1.0);
    // While bounces of earlier mail are expected, return paths without tags are believed.
    site.ok(&["list", "set", "dev", "return_path_tag=yes"]);
    bounce_on_day(&site, 8, "Dev-Bounces+Bert=example.org@lists.example.org", &gone("x@y.example"));
    assert_eq!(state(&site, "bert@example.org")["score"], 1.0);
}

#[test]
fn mail_to_many_has_the_tag_of_the_list_also_with_xverp() {
    for xverp in [false, true] {
        let (_sink, site, senders) = keyed(xverp, xverp);
        let [sender] = &senders[..] else { panic!("{senders:?}") };
        let (local, host) = sender.split_once('@').unwrap();
        assert_eq!(local.len(), "dev-bounces+".len() + 13, "{sender}");
        // The envelope sender of the MTA for a recipient.
        let to = if xverp { format!("{local}+anna=example.org@{host}") } else { sender.clone() };
        bounce_on_day(&site, 0, &to, &gone(ANNA));
        assert_eq!(state(&site, ANNA)["score"], 1.0, "{to}");
        bounce_on_day(&site, 0, &to, &gone("stranger@example.com"));
        assert_eq!(bounces(&site)["members"].as_array().unwrap().len(), 1);
    }
}

/// One person from joining to bouncing and back.
#[test]
fn a_stranger_joins_bounces_for_days_is_turned_off_and_comes_back_with_an_answer() {
    let site = site();
    let (carl, to) = ("carl@example.net", "dev-request@lists.example.org");
    let sends = |day: u32, to: &str, subject: &str| {
        let mail = format!("From: {carl}\nSubject: {subject}\n\n");
        site.feed(&["deliver", "--sender", carl, to], mail.as_bytes());
        on_day(&site, day, &["run"]);
    };
    let cookie = |mail: &str| {
        let after = mail.split("Subject: confirm ").nth(1).unwrap_or_else(|| panic!("{mail}"));
        after.get(..40).unwrap().to_owned()
    };
    sends(0, "dev-join@lists.example.org", "");
    sends(0, to, &format!("Re: confirm {}", cookie(&mails(&site, carl)[0])));
    assert!(members(&site).contains(carl));
    for day in 0..5 {
        bounce_on_day(&site, day, "dev-bounces+carl=example.net@lists.example.org", &gone(carl));
    }
    assert_eq!(state(&site, carl)["delivery"], "bybounce");
    let warning =
        mails(&site, carl).into_iter().find(|mail| mail.contains("you get no mail")).unwrap();
    sends(6, to, &format!("Re: confirm {}", cookie(&warning)));
    assert!(mails(&site, carl).iter().any(|mail| mail.contains("receives the mail of Dev again")));
    assert_eq!(state(&site, carl), Value::Null, "what bounced is forgotten");
    site.post("dev", &message("bert@example.org", "again", "x\n"));
    on_day(&site, 6, &["run"]);
    assert!(subjects(&site, carl).contains(&"again".to_owned()));
}
