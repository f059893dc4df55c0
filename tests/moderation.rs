//! Held posts, the decisions of moderators, and what others are told.

use dormouse_clock::Timestamp;
use dormouse_store::{Held, Site, Store, StoreError};
use dormouse_testkit::site::{TestSite, describe, message};
use std::fs;
use tempfile::TempDir;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const OWNER: &str = "owner@example.org";

/// A list with one member that holds posts of non-members.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site
}

/// Posts as non-members, runs the queues, and returns the numbers of held posts.
fn held(site: &TestSite, senders: &[&str]) -> Vec<i64> {
    for (number, sender) in senders.iter().enumerate() {
        site.post("dev", &message(sender, &format!("post{number}"), "Buy this.\n"));
    }
    site.ok(&["run"]);
    rows(site).iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

fn rows(site: &TestSite) -> Vec<serde_json::Value> {
    serde_json::from_str(&site.ok(&["held", "ls", "--json"])).unwrap()
}

fn mails(site: &TestSite, address: &str) -> Vec<String> {
    let mails = site.maildir(address);
    mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
}

#[test]
fn the_notice_names_the_post_and_carries_a_link() {
    let site = site();
    held(&site, &["s@example.com"]);
    let notice = mails(&site, OWNER).remove(0);
    assert!(notice.contains("Subject: Dev post from s@example.com requires approval\n"));
    assert!(notice.contains("Post by non-member to a members-only list"), "{notice}");
    assert!(notice.contains("https://lists.example.org/mailman/held/1.review."), "{notice}");
    assert!(notice.contains("\nBuy this.\n"), "{notice}");
    assert!(notice.contains("\nAuto-Submitted: auto-generated\n"), "{notice}");
    assert!(mails(&site, "s@example.com").is_empty(), "a stranger's address may be forged");
    let row = &rows(&site)[0];
    assert_eq!(row["setting"], "generic_nonmember_action");
}

#[test]
fn a_member_is_notified_of_a_held_post_and_gets_a_link_to_withdraw_it() {
    let site = site();
    site.ok(&["list", "set", "dev", "max_message_size=1"]);
    site.post("dev", &message("anna@example.org", "big", &"x\n".repeat(2000)));
    site.ok(&["run"]);
    let notice = mails(&site, "anna@example.org").remove(0);
    assert!(notice.contains("awaits moderator approval"), "{notice}");
    assert!(notice.contains("/held/1.cancel."), "{notice}");
    assert!(notice.contains("Message body is too big: 4000 bytes with a limit of 1 KB"));
}

#[test]
fn remembered_senders_are_not_held_again() {
    let site = site();
    let ids = held(&site, &["s@example.com"]);
    site.ok(&["held", "approve", "dev", &ids[0].to_string(), "--remember"]);
    site.ok(&["run"]);
    assert_eq!(mails(&site, "anna@example.org").len(), 1);
    assert_eq!(held(&site, &["S@example.com"]), Vec::<i64>::new());
    assert_eq!(mails(&site, "anna@example.org").len(), 2);
    // The member's moderation flag is cleared.
    site.ok(&["list", "set", "dev", "default_member_moderation=yes"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "bert@example.org"]);
    let ids = held(&site, &["bert@example.org"]);
    site.ok(&["held", "approve", "dev", &ids[0].to_string(), "--remember"]);
    assert_eq!(held(&site, &["bert@example.org"]), Vec::<i64>::new());
}

/// In `accept_these_nonmembers` and `ban_list`, an entry that begins with `^` is a pattern.
#[test]
fn a_sender_that_would_be_a_pattern_is_neither_trusted_nor_banned() {
    let site = site();
    for (sender, decide) in [
        ("<^.*@.*>", &["held", "approve", "--remember"][..]),
        ("<^.*@.+>", &["held", "ban"]),
        ("<@dev@example.com>", &["held", "approve", "--remember"]),
    ] {
        let id = held(&site, &[sender])[0].to_string();
        let output = site.run(&[decide, &["dev", &id]].concat());
        assert_eq!(output.status.code(), Some(65), "{sender}: {}", describe(&output));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("is not an address"), "{sender}: {told}");
        assert!(site.ok(&["held", "ls", "--json"]).trim() == "[]", "{sender} is decided on");
    }
    let settings = site.ok(&["list", "show", "dev", "--json"]);
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap();
    let text = settings.to_string();
    assert!(!text.contains("^.*@") && !text.contains("@dev@"), "{text}");
    let trace = site.ok(&["trace", "post0@test.example"]);
    assert!(!trace.contains("trusts the sender") && !trace.contains("shut"), "{trace}");
    site.ok(&["run"]);
    assert_eq!(mails(&site, "anna@example.org").len(), 2, "the posts went out all the same");
}

#[test]
fn an_approved_post_is_not_judged_again() {
    let site = site();
    held(&site, &["s@example.com"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=discard", "max_message_size=1"]);
    site.ok(&["held", "approve", "dev", "1"]);
    site.ok(&["run"]);
    let mail = mails(&site, "anna@example.org").remove(0);
    assert!(mail.contains("\nX-Mailman-Approved-At: "), "{mail}");
    assert!(mail.ends_with("\n\nBuy this.\n"), "{mail}");
}

#[test]
fn a_rejected_post_goes_back_with_the_moderators_words() {
    let site = site();
    held(&site, &["s@example.com", "t@example.com"]);
    site.ok(&["held", "reject", "dev", "1", "2", "--reason", "Off topic, please."]);
    site.ok(&["run"]);
    for sender in ["s@example.com", "t@example.com"] {
        let notice = mails(&site, sender).remove(0);
        assert!(notice.contains("Off topic, please."), "{notice}");
        assert!(notice.contains("Buy this."), "{notice}");
    }
    assert!(rows(&site).is_empty());
    assert!(mails(&site, "anna@example.org").is_empty());
}

#[test]
fn a_moderator_who_gives_no_reason_gives_the_lists() {
    let site = site();
    site.ok(&["list", "set", "dev", "nonmember_rejection_notice=Ask %(listowner)s."]);
    held(&site, &["s@example.com"]);
    // The list's current text applies to later posts.
    site.ok(&["list", "set", "dev", "nonmember_rejection_notice="]);
    held(&site, &["t@example.com"]);
    site.ok(&["held", "reject", "dev", "1", "2"]);
    site.ok(&["run"]);
    let notice = mails(&site, "s@example.com").remove(0);
    assert!(notice.contains("Ask dev-owner@lists.example.org."), "{notice}");
    let notice = mails(&site, "t@example.com").remove(0);
    assert!(notice.contains("No reason was given."), "{notice}");
}

#[test]
fn posts_are_chosen_by_sender_by_age_or_all() {
    let site = site();
    held(&site, &["s@example.com", "t@example.com", "S@example.com"]);
    let output = site.run(&["held", "discard", "dev"]);
    assert_eq!(output.status.code(), Some(64), "{}", describe(&output));
    site.ok(&["held", "discard", "dev", "--older-than", "1h"]);
    assert_eq!(rows(&site).len(), 3);
    site.ok(&["held", "discard", "dev", "--sender", "s@example.com"]);
    assert_eq!(rows(&site).len(), 1);
    site.ok(&["held", "discard", "dev", "--all"]);
    assert!(rows(&site).is_empty());
}

#[test]
fn a_banned_sender_is_dropped_from_then_on() {
    let site = site();
    held(&site, &["s@example.com"]);
    site.ok(&["held", "ban", "dev", "1"]);
    let show = site.ok(&["list", "show", "dev"]);
    assert_eq!(show.matches("s@example.com").count(), 2, "{show}");
    assert_eq!(held(&site, &["s@example.com"]), Vec::<i64>::new());
    assert!(mails(&site, "anna@example.org").is_empty());
}

#[test]
fn a_forwarded_post_goes_on_waiting() {
    let site = site();
    held(&site, &["s@example.com"]);
    site.ok(&["held", "forward", "dev", "1", "--to", "expert@example.net"]);
    site.ok(&["run"]);
    let copy = mails(&site, "expert@example.net").remove(0);
    assert!(copy.contains("Buy this."), "{copy}");
    assert_eq!(rows(&site).len(), 1);
}

#[test]
fn moderators_are_reminded_once_a_day_and_old_posts_are_dropped() {
    let site = site();
    held(&site, &["s@example.com"]);
    let before = mails(&site, OWNER).len();
    for _ in 0..2 {
        site.ok(&["cron", "checkdbs"]);
        site.ok(&["run"]);
    }
    let all = mails(&site, OWNER);
    assert_eq!(all.len(), before + 1);
    let reminder = all.iter().find(|mail| mail.contains("request(s) waiting")).unwrap();
    assert!(reminder.contains("/held/1.review."), "{reminder}");
    site.ok(&["list", "set", "dev", "max_days_to_hold=1"]);
    age_held_posts(&site);
    site.ok(&["cron", "checkdbs"]);
    site.ok(&["run"]);
    assert!(rows(&site).is_empty());
    assert!(mails(&site, OWNER).iter().any(|mail| mail.contains("max_days_to_hold")));
}

/// A machine that was off at 8:00 yesterday sends yesterday's reminder when it is on, and none at
/// 8:00 today.
#[test]
fn after_a_night_without_power_there_is_one_reminder_that_day() {
    let site = site();
    held(&site, &["s@example.com"]);
    let reminders = || {
        let all = mails(&site, OWNER);
        all.iter().filter(|mail| mail.contains("request(s) waiting")).count()
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let midnight = (now / 86_400 + 3) * 86_400;
    for (day, hour, told) in [(0, 6, 1), (0, 9, 1), (0, 20, 1), (1, 6, 2), (1, 9, 2), (2, 9, 3)] {
        let ahead = midnight + day * 86_400 + hour * 3600 - now;
        let clock = format!("+{ahead}");
        for args in [&["cron", "checkdbs"][..], &["run"]] {
            let mut command = site.command(args);
            let output = command.env("DORMOUSE_CLOCK", &clock).env("TZ", "UTC").output().unwrap();
            assert!(output.status.success(), "{}", describe(&output));
        }
        assert_eq!(reminders(), told, "day {day}, {hour}:00");
    }
}

/// Makes what is held two days older.
fn age_held_posts(site: &TestSite) {
    let store = Store::open(&Site::open(&site.dir()).unwrap()).unwrap();
    let list = store.read().list("dev").unwrap().unwrap();
    store
        .write(|tx| -> Result<(), StoreError> {
            for Held { id, mut post } in tx.read().held_posts(list.id)? {
                let content = tx.read().held_content(id)?.unwrap();
                tx.release_held(id)?;
                post.held_at = post.held_at - 2.0 * 86_400.0;
                tx.hold(&post, &content)?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_text_of_the_lists_own_takes_the_place_of_ours() {
    let site = site();
    let dir = site.dir().join("lists/dev/en");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("postauth.txt"), "Subject: Prüfen: %(subject)s\n\nÜber %(sender)s\n")
        .unwrap();
    assert!(site.ok(&["template", "ls", "dev"]).contains("lists/dev/en/postauth.txt"));
    assert!(site.ok(&["template", "show", "dev", "postauth"]).contains("Über %(sender)s"));
    held(&site, &["s@example.com"]);
    let notice = mails(&site, OWNER).remove(0);
    assert!(notice.contains("Subject: =?utf-8?"), "{notice}");
    assert!(notice.contains("=C3=9Cber s@example.com"), "{notice}");
}

#[test]
fn the_trace_tells_every_step_of_a_held_and_approved_post() {
    let site = site();
    held(&site, &["s@example.com"]);
    site.ok(&["held", "approve", "dev", "1"]);
    site.ok(&["run"]);
    let steps =
        |args: &[&str]| -> Vec<serde_json::Value> { serde_json::from_str(&site.ok(args)).unwrap() };
    let events = steps(&["trace", "post0@test.example", "--json"]);
    let names: Vec<&str> = events.iter().map(|event| event["step"].as_str().unwrap()).collect();
    // The moderators' notice is a separate mail caused by the post.
    let post: Vec<&str> = names
        .iter()
        .zip(&events)
        .filter(|(_, event)| !event["recipients"].to_string().contains(OWNER))
        .map(|(name, _)| *name)
        .filter(|name| *name != "passed")
        .collect();
    assert_eq!(post, ["received", "held", "approved", "accepted", "archived"], "{names:?}");
    let hold = events.iter().find(|event| event["step"] == "held").unwrap();
    assert_eq!(hold["handler"], "Moderate");
    assert_eq!(hold["setting"], "generic_nonmember_action");
    let accepted: Vec<&serde_json::Value> =
        events.iter().filter(|event| event["step"] == "accepted").collect();
    assert!(accepted.iter().any(|e| e["recipients"] == serde_json::json!(["anna@example.org"])));
    let text = site.ok(&["trace", "<post0@test.example>", "--recipient", "anna@example.org"]);
    assert!(text.contains("accepted") && text.contains("for anna@example.org"), "{text}");
    assert!(!text.contains(OWNER), "{text}");
    let output = site.run(&["trace", "<nobody@nowhere>"]);
    assert_eq!(output.status.code(), Some(65), "{}", describe(&output));
}

#[test]
fn a_rehearsal_shows_the_outcome_and_the_setting_that_decides() {
    let site = site();
    let mail = message("s@example.com", "hello", "Hello.\n");
    let dry = |args: &[&str]| {
        let output = site.feed(&[&["post", "dev", "--dry-run"], args].concat(), &mail);
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let told: serde_json::Value = serde_json::from_str(&dry(&["--json"])).unwrap();
    assert_eq!(told["verdict"], "held");
    assert_eq!(told["stopped_by"], "Moderate");
    assert_eq!(told["setting"], serde_json::json!(["generic_nonmember_action", "hold"]));
    assert!(dry(&[]).contains("decided by generic_nonmember_action = hold"), "{}", dry(&[]));
    site.ok(&["list", "set", "dev", "generic_nonmember_action=accept", "msg_footer=Foot."]);
    let told: serde_json::Value = serde_json::from_str(&dry(&["--json"])).unwrap();
    assert_eq!(told["verdict"], "passed");
    assert_eq!(told["recipients"], 1);
    let shown = dry(&["--show"]);
    assert!(shown.contains("it would go to 1 recipient"), "{shown}");
    assert!(shown.contains("List-Id:") && shown.ends_with("Foot.\n"), "{shown}");
    // The rehearsal has no effect.
    assert!(rows(&site).is_empty());
    assert!(site.files("in", "pck").is_empty() && site.files("out", "pck").is_empty());
    assert!(!site.dir().join("logs").exists());
}

#[test]
fn a_member_is_notified_in_their_own_language() {
    let site = site();
    let store = Store::open(&Site::open(&site.dir()).unwrap()).unwrap();
    let list = store.read().list("dev").unwrap().unwrap();
    let mut anna = store.read().member(list.id, "anna@example.org").unwrap().unwrap();
    anna.language = "de".to_owned();
    store.write(|tx| tx.update_member(list.id, &anna, Timestamp::from_seconds(1.0))).unwrap();
    let texts = site.dir().join("templates/site/de");
    fs::create_dir_all(&texts).unwrap();
    for name in ["postheld", "refuse"] {
        let text = format!("Subject: {name} für %(real_name)s\n\nGrüße: %(reason)s\n");
        fs::write(texts.join(format!("{name}.txt")), text).unwrap();
    }
    site.ok(&["list", "set", "dev", "max_message_size=1"]);
    site.post("dev", &message("anna@example.org", "big", &"x\n".repeat(2000)));
    site.ok(&["run"]);
    site.ok(&["held", "reject", "dev", "1", "--reason", "Zu lang."]);
    site.ok(&["run"]);
    let mails: Vec<_> =
        site.maildir("anna@example.org").into_iter().map(dormouse_mail::Message::parse).collect();
    let subjects: Vec<_> = mails.iter().map(|mail| mail.text("Subject").unwrap()).collect();
    assert!(subjects.contains(&"postheld für Dev".to_owned()), "{subjects:?}");
    assert!(subjects.contains(&"refuse für Dev".to_owned()), "{subjects:?}");
}

#[test]
fn the_trace_tells_who_decided_and_which_message_is_a_notice() {
    let site = site();
    let ids = held(&site, &["s@example.com", "t@example.com"]);
    site.ok(&["held", "approve", "dev", &ids[0].to_string(), "--remember"]);
    site.ok(&["held", "ban", "dev", &ids[1].to_string()]);
    site.ok(&["run"]);
    let story = site.ok(&["trace", "post0@test.example"]);
    for told in [
        "a message of the list's own, \"Dev post from s@example.com requires approval\"",
        "approved   by a moderator, who trusts the sender from now on",
        "accepted   for anna@example.org",
    ] {
        assert!(story.contains(told), "{told} in\n{story}");
    }
    let story = site.ok(&["trace", "post1@test.example"]);
    assert!(story.contains("discarded  by a moderator, who shut the sender out"), "{story}");
    // No post is left to decide on.
    let output = site.run(&["held", "approve", "dev", "--all"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("no matching post is held for dev"), "{said}");
}

#[test]
fn the_moderated_member_is_told_and_trusted_whichever_header_names_the_member() {
    let site = site();
    site.ok(&["list", "set", "dev", "default_member_moderation=yes"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "bert@example.org"]);
    let raw = [b"Reply-To: bert@example.org\n".as_slice(), &message("b@work.example", "n", "x\n")];
    site.post("dev", &raw.concat());
    site.ok(&["run"]);
    assert_eq!(rows(&site)[0]["sender"], "bert@example.org");
    assert!(mails(&site, "bert@example.org")[0].contains("awaits moderator approval"));
    site.ok(&["held", "approve", "dev", "1", "--remember"]);
    site.post("dev", &raw.concat());
    site.ok(&["run"]);
    assert!(rows(&site).is_empty());
}

#[test]
fn decisions_are_taken_back_while_nothing_of_them_has_left() {
    let site = site();
    let ids = held(&site, &["a@example.com", "b@example.com", "c@example.com"]);
    let before = rows(&site);
    let show = |setting: &str| site.ok(&["list", "show", "dev", setting]).trim().to_owned();
    for (number, decide) in [
        vec!["discard", "dev"],
        vec!["ban", "dev"],
        vec!["approve", "dev", "--remember"],
        vec!["reject", "dev", "--reason", "no"],
    ]
    .into_iter()
    .enumerate()
    {
        let id = ids[number % ids.len()].to_string();
        let mut args = vec!["held"];
        args.extend(&decide);
        args.insert(3, &id);
        site.ok(&args);
        assert_eq!(rows(&site).len(), 2, "{decide:?}");
        site.ok(&["held", "undo", "dev", &id]);
        assert_eq!(rows(&site), before, "{decide:?}");
        for setting in ["ban_list", "discard_these_nonmembers", "accept_these_nonmembers"] {
            assert_eq!(show(setting), "", "{decide:?}: {setting}");
        }
        let twice = site.run(&["held", "undo", "dev", &id]);
        assert_eq!(twice.status.code(), Some(65), "{decide:?}: {}", describe(&twice));
    }
    site.ok(&["run"]);
    assert!(mails(&site, "anna@example.org").is_empty(), "nothing of it went out");
    assert!(!mails(&site, "a@example.com").iter().any(|mail| mail.contains("no")));
    // A decision cannot be undone after its mail was sent.
    let id = ids[0].to_string();
    site.ok(&["held", "approve", "dev", &id]);
    site.ok(&["run"]);
    let late = site.run(&["held", "undo", "dev", &id]);
    assert_eq!(late.status.code(), Some(65), "{}", describe(&late));
    assert_eq!(mails(&site, "anna@example.org").len(), 1);
    assert_eq!(rows(&site).len(), 2);
}

#[test]
fn a_decision_that_was_there_before_is_not_taken_back_with_another() {
    let site = site();
    let ids = held(&site, &["a@example.com"]);
    site.ok(&["list", "set", "dev", "ban_list=a@example.com\n"]);
    let id = ids[0].to_string();
    site.ok(&["held", "ban", "dev", &id]);
    site.ok(&["held", "undo", "dev", &id]);
    assert_eq!(site.ok(&["list", "show", "dev", "ban_list"]).trim(), "a@example.com");
    assert_eq!(site.ok(&["list", "show", "dev", "discard_these_nonmembers"]).trim(), "");
}

#[test]
fn killed_while_a_decision_is_taken_back_no_post_is_lost() {
    let site = site();
    let ids = held(&site, &["a@example.com"]);
    let id = ids[0].to_string();
    site.ok(&["held", "approve", "dev", &id]);
    let undo = ["held", "undo", "dev", id.as_str()];
    let killed = site.command(&undo).env("DORMOUSE_FAULT", "desk.undone:1").output().unwrap();
    assert!(!killed.status.success());
    assert_eq!(rows(&site).len(), 1, "it waits again");
    for point in ["claim.locked:1", "claim.renamed:1"] {
        let (site, id) = (self::site(), "1");
        held(&site, &["a@example.com"]);
        site.ok(&["held", "approve", "dev", id]);
        let undo = ["held", "undo", "dev", id];
        let killed = site.command(&undo).env("DORMOUSE_FAULT", point).output().unwrap();
        assert!(!killed.status.success(), "{point}");
        site.ok(&["run"]);
        assert_eq!(mails(&site, "anna@example.org").len(), 1, "{point}: approved as before");
    }
}

/// Creates a waiting request of each kind: new@example.net wants to join, anna@example.org to
/// leave.
fn asked(site: &TestSite) -> (String, String) {
    let settings = [
        "subscribe_policy=approve",
        "unsubscribe_policy=yes",
        "send_welcome_msg=no",
        "send_goodbye_msg=no",
    ];
    site.ok(&[&["list", "set", "dev"][..], &settings].concat());
    for (who, what) in [("new@example.net", "join"), ("anna@example.org", "leave")] {
        let to = format!("dev-{what}@lists.example.org");
        let mail = format!("From: {who}\nTo: {to}\nSubject: x\nMessage-ID: <{what}@x>\n\nx\n");
        site.feed(&["deliver", &to], mail.as_bytes());
        site.ok(&["run"]);
    }
    let rows: Vec<serde_json::Value> =
        serde_json::from_str(&site.ok(&["request", "ls", "--json"])).unwrap();
    let id = |kind: &str| {
        let row = rows.iter().find(|row| row["kind"] == kind).unwrap_or_else(|| panic!("{rows:?}"));
        row["id"].to_string()
    };
    (id("subscribe"), id("unsubscribe"))
}

/// The rows that are kept to undo a decision refer to each other.
#[test]
fn a_decision_keeps_no_list_from_coming_back_and_no_store_from_being_copied() {
    let site = site();
    let (_join, leave) = asked(&site);
    site.ok(&["request", "approve", "dev", &leave]);
    let [from, to] =
        ["dormouse.db", "copy.db"].map(|name| site.dir().join(name).display().to_string());
    if fs::exists(&from).unwrap() {
        site.ok(&["store", "copy", &from, &to]);
    }
    let outside = TempDir::new().unwrap();
    site.ok(&["backup", &outside.path().join("site.backup").display().to_string()]);
    let removed = site.feed(&["list", "rm", "dev"], b"yes\n");
    let said = describe(&removed);
    let file = said.split("list restore ").nth(1).expect(&said).split('`').next().unwrap();
    site.ok(&["list", "restore", file]);
    assert!(!site.ok(&["member", "ls", "dev"]).contains("anna@example.org"));
}

#[test]
fn decisions_on_requests_are_taken_back_while_nothing_of_them_has_left() {
    let site = site();
    site.ok(&["member", "set", "dev", "anna@example.org", "digest=plain", "mod=on", "hide=on"]);
    let (join, leave) = asked(&site);
    let state = || {
        let shown: Vec<serde_json::Value> =
            serde_json::from_str(&site.ok(&["request", "ls", "--json"])).unwrap();
        let asked: Vec<String> = shown
            .iter()
            .map(|row| format!("{} {} {}", row["id"], row["request"], row["how"]))
            .collect();
        let anna = site.run(&["member", "show", "dev", "anna@example.org"]);
        let anna = String::from_utf8_lossy(&anna.stdout).into_owned();
        let bans = site.ok(&["list", "show", "dev", "ban_list"]);
        let members = site.ok(&["member", "ls", "dev"]);
        // The history keeps how the membership began.
        let anna: String = anna.lines().filter(|line| !line.contains("by ")).collect();
        format!("{asked:?}{anna}{bans}{members}")
    };
    let before = state();
    for id in [&join, &leave] {
        for decide in [&["approve"][..], &["discard"], &["ban"], &["reject", "--reason", "no"]] {
            let args = [&["request", decide[0], "dev", id.as_str()], &decide[1..]].concat();
            site.ok(&args);
            assert_ne!(state(), before, "{args:?}");
            site.ok(&["request", "undo", "dev", id]);
            assert_eq!(state(), before, "{args:?}");
            let twice = site.run(&["request", "undo", "dev", id]);
            assert_eq!(twice.status.code(), Some(65), "{args:?}: {}", describe(&twice));
        }
    }
    site.ok(&["run"]);
    let told = |who: &str| mails(&site, who).iter().any(|mail| mail.contains("rejected"));
    assert!(!told("new@example.net") && !told("anna@example.org"), "nothing of it went out");
    // A decision that was mailed cannot be undone, and neither can one that was superseded.
    site.ok(&["request", "reject", "dev", &join]);
    site.ok(&["run"]);
    let late = site.run(&["request", "undo", "dev", &join]);
    assert_eq!(late.status.code(), Some(65), "{}", describe(&late));
    site.ok(&["request", "approve", "dev", &leave]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "anna@example.org"]);
    let overtaken = site.run(&["request", "undo", "dev", &leave]);
    assert_eq!(overtaken.status.code(), Some(65), "{}", describe(&overtaken));
    assert!(site.ok(&["request", "ls", "--json"]).trim() == "[]");
}

#[test]
fn a_ban_that_was_there_before_stays_when_another_decision_is_taken_back() {
    let site = site();
    let (join, _) = asked(&site);
    site.ok(&["list", "set", "dev", "ban_list=new@example.net\n"]);
    site.ok(&["request", "ban", "dev", &join]);
    site.ok(&["request", "undo", "dev", &join]);
    assert_eq!(site.ok(&["list", "show", "dev", "ban_list"]).trim(), "new@example.net");
}

#[test]
fn a_decision_restores_nothing_of_an_erased_address() {
    let site = site();
    let (join, leave) = asked(&site);
    site.ok(&["request", "discard", "dev", &join]);
    site.ok(&["request", "approve", "dev", &leave]);
    for (id, address) in [(&join, "new@example.net"), (&leave, "anna@example.org")] {
        site.ok(&["person", "erase", address]);
        let undone = site.run(&["request", "undo", "dev", id]);
        assert_eq!(undone.status.code(), Some(65), "{address}: {}", describe(&undone));
        // With a server there is no file to search.
        let database = fs::read(site.dir().join("dormouse.db")).unwrap_or_default();
        let holds = database.windows(address.len()).any(|window| window == address.as_bytes());
        assert!(!holds, "{address}");
    }
}

#[test]
fn killed_while_a_decision_on_a_request_is_taken_back_it_waits_or_is_decided() {
    let site = site();
    let (join, _) = asked(&site);
    site.ok(&["request", "reject", "dev", &join]);
    let undo = ["request", "undo", "dev", join.as_str()];
    let killed = site.command(&undo).env("DORMOUSE_FAULT", "undo.reverted:1").output().unwrap();
    assert!(!killed.status.success());
    assert!(site.ok(&["request", "ls"]).contains("new@example.net"), "it waits again");
    for point in ["claim.locked:1", "claim.renamed:1"] {
        let site = self::site();
        let (join, _) = asked(&site);
        let told = mails(&site, "new@example.net").len();
        site.ok(&["request", "reject", "dev", &join]);
        let undo = ["request", "undo", "dev", join.as_str()];
        let killed = site.command(&undo).env("DORMOUSE_FAULT", point).output().unwrap();
        assert!(!killed.status.success(), "{point}");
        site.ok(&["run"]);
        assert!(!site.ok(&["request", "ls"]).contains("new@example.net"), "{point}: as before");
        assert_eq!(mails(&site, "new@example.net").len(), told + 1, "{point}");
    }
}
