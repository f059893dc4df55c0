//! Each command and each setting that changes what it does.

use super::answer;
use dormouse_clock::Timestamp;
use dormouse_mail::{Message, mime};
use dormouse_membership::Output;
use dormouse_pipeline::Post;
use dormouse_spool::{Entry, EntryName, Metadata};
use dormouse_store::MemberOption;
use dormouse_testkit::fixture::Fixture;
use proptest::prelude::*;

/// A mail that was written because of another.
struct Mail {
    to: String,
    subject: String,
    text: String,
}

/// Returns the replies to a mail to one of the list's addresses.
fn answers(fixture: &Fixture, raw: &str, edit: impl FnOnce(&mut Metadata)) -> Vec<Output> {
    let list = fixture.get("dev");
    let mut metadata = Metadata::new();
    metadata.set_text("listname", "dev");
    edit(&mut metadata);
    let name = EntryName::new(Timestamp::from_seconds(1e9), raw.as_bytes(), "dev");
    fixture.write(|tx| {
        let entry = Entry::new(raw.as_bytes().to_vec(), metadata);
        let mut post = Post::new(&fixture.site, tx, &list, &name, entry);
        Ok(answer(&mut post).unwrap().1)
    })
}

fn mails(fixture: &Fixture, raw: &str, key: &str) -> Vec<Mail> {
    answers(fixture, raw, |metadata| metadata.set_int(key, 1))
        .iter()
        .map(|output| {
            let message = Message::parse(output.entry.message.clone());
            Mail {
                to: output.entry.metadata.texts("recips").unwrap_or_default().join(","),
                subject: message.text("Subject").unwrap_or_default(),
                text: mime::first_text(&message).unwrap_or_default(),
            }
        })
        .collect()
}

/// Returns the reply to commands in a text.
fn told(fixture: &Fixture, from: &str, commands: &str) -> String {
    let raw = format!("From: {from}\nSubject: \n\n{commands}\n");
    let mails = mails(fixture, &raw, "torequest");
    let results = mails.into_iter().filter(|mail| mail.subject.starts_with("The results of"));
    results.map(|mail| mail.text).collect()
}

fn joined(fixture: &Fixture, address: &str) -> bool {
    fixture.store.read().is_member(fixture.get("dev").id, address).unwrap()
}

/// A text without its line breaks: where they are depends on the length of addresses.
fn unfolded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const BERT: &str = "Bert <bert@x.example>";

#[test]
fn the_policy_says_what_becomes_of_a_wish_to_join() {
    for (policy, said, is_member, waits) in [
        ("open", "bert@x.example is now a member of Dev.", true, 0),
        ("confirm", "", false, 0),
        ("approve", "The moderators of Dev decide on the request", false, 1),
        ("confirm-and-approve", "", false, 0),
    ] {
        let fixture = Fixture::new(&[("subscribe_policy", policy), ("send_welcome_msg", "no")]);
        let text = told(&fixture, BERT, "subscribe");
        assert!(text.contains(said) && text.is_empty() == said.is_empty(), "{policy}: {text}");
        assert_eq!(joined(&fixture, "bert@x.example"), is_member, "{policy}");
        let dev = fixture.get("dev").id;
        assert_eq!(fixture.store.read().held_requests(dev).unwrap().len(), waits, "{policy}");
        let asked = fixture
            .store
            .read()
            .pending_about(dev, "subscribe", "bert@x.example", Timestamp::EPOCH)
            .unwrap();
        assert_eq!(asked.is_some(), policy.starts_with("confirm"), "{policy}");
    }
}

#[test]
fn what_may_not_join_is_told_why() {
    let mut fixture = Fixture::new(&[("subscribe_policy", "open"), ("digestable", "no")]);
    fixture.config("members.mails_per_address", "0");
    fixture.member("anna@x.example", &[]);
    for (from, command, said) in [
        ("anna@x.example", "subscribe", "This address is already a member of the list."),
        (BERT, "subscribe digest", "This list has no digests."),
        (BERT, "subscribe address=dev@lists.example", "cannot be a member of itself"),
        (BERT, "subscribe address=dev-owner@lists.example", "cannot be a member of itself"),
        (BERT, "subscribe address=bert", "not a complete address such as"),
        (BERT, "subscribe address=b;x@y.example", "cannot contain these characters"),
        (BERT, "subscribe nodigest please", "then address=ADDRESS"),
    ] {
        let text = told(&fixture, from, command);
        assert!(text.contains(said), "{command}: {text}");
    }
    fixture.set("dev", &[("digestable", "yes"), ("nondigestable", "no")]);
    assert!(told(&fixture, BERT, "subscribe nodigest").contains("digests only"));
    told(&fixture, BERT, "subscribe");
    let dev = fixture.get("dev").id;
    let bert = fixture.store.read().member(dev, "bert@x.example").unwrap().unwrap();
    assert_eq!((bert.digest, bert.real_name.as_str()), (true, "Bert"));
}

#[test]
fn an_old_password_ends_a_membership_at_once_and_a_wrong_one_asks() {
    let fixture = Fixture::new(&[("send_goodbye_msg", "no")]);
    let dev = fixture.get("dev").id;
    for (given, stays) in [("wrong", true), ("secret", false)] {
        fixture.member("bert@x.example", &[]);
        let hash = dormouse_membership::password::hash("secret").unwrap();
        fixture.write(|tx| tx.set_member_password(dev, "bert@x.example", &hash));
        told(&fixture, BERT, &format!("unsubscribe {given}"));
        assert_eq!(joined(&fixture, "bert@x.example"), stays, "{given}");
    }
    assert!(told(&fixture, BERT, "leave").contains("not a member of the list"));
}

#[test]
fn members_are_named_to_those_who_may_know() {
    let hash = dormouse_membership::password::hash("mods").unwrap();
    let fixture = Fixture::new(&[("mod_password", &hash)]);
    fixture.member("anna@x.example", &[]);
    fixture.member("hidden@x.example", &[MemberOption::ConcealSubscription]);
    let stranger = "s@y.example";
    for (roster, from, command, sees, sees_hidden) in [
        ("anyone", stranger, "who", true, false),
        ("members", stranger, "who", false, false),
        ("members", "Anna@x.example", "who", true, false),
        ("owners", "anna@x.example", "who", false, false),
        ("owners", stranger, "who wrong", false, false),
        ("owners", stranger, "who mods", true, true),
    ] {
        fixture.set("dev", &[("private_roster", roster)]);
        let text = told(&fixture, from, command);
        assert_eq!(text.contains("    anna@x.example\n"), sees, "{roster} {command}: {text}");
        assert_eq!(text.contains("hidden@x.example"), sees_hidden, "{roster} {command}: {text}");
    }
    assert!(told(&fixture, stranger, "who mods address=a@x.example").contains("nothing else"));
}

#[test]
fn mailmans_rules_for_lines_that_are_no_commands() {
    let mut fixture = Fixture::new(&[]);
    fixture.config("members.mails_per_address", "0");
    fixture.member("bert@x.example", &[]);
    let answers = |fixture: &Fixture, subject: &str, body: &str| {
        let raw = format!("From: {BERT}\nSubject: {subject}\n\n{body}");
        mails(fixture, &raw, "torequest").into_iter().map(|mail| mail.text).collect::<Vec<_>>()
    };
    // An unknown subject is skipped; an unknown line ends the commands.
    let text = answers(&fixture, "hello there", "\necho one\nblah\necho two\n").remove(0);
    assert!(text.contains("    echo one\n\n- Unprocessed:\n    blah\n    echo two\n"), "{text}");
    let text = answers(&fixture, "hello there", "info\nblah\necho two\n").remove(0);
    assert!(text.contains("- Unprocessed:\n    blah\n    echo two\n"), "{text}");
    let text = answers(&fixture, "Re:info", "end\nrest\n").remove(0);
    assert!(text.contains("Posts go to: dev@lists.example"), "{text}");
    let text = answers(&fixture, "", &format!("info\n{}echo late\n", "\n".repeat(24))).remove(0);
    assert!(text.contains("- Ignored:\n    echo late\n"), "{text}");
    assert!(answers(&fixture, "hello", "blah\n").is_empty());
    fixture.config("commands.drop_without_command", "no");
    let text = answers(&fixture, "hello", "blah\n").remove(0);
    assert!(text.contains("no command in your email") && text.contains("    blah"), "{text}");
    for wrong in ["info x", "lists x"] {
        assert!(answers(&fixture, wrong, "echo no\n")[0].contains("Commands of the mailing list"));
    }
    assert!(answers(&fixture, "confirm", "")[0].contains("confirm takes the code"));
    assert!(
        answers(&fixture, "set", "set help\nset ack\nset ack maybe\n")[0]
            .contains("takes on or off")
    );
}

#[test]
fn one_wrong_password_is_enough_for_a_mail() {
    let hash = dormouse_membership::password::hash("mods").unwrap();
    let fixture = Fixture::new(&[("mod_password", &hash)]);
    fixture.member("anna@x.example", &[]);
    let lines = "set authenticate wrong address=anna@x.example\n\
                 set authenticate mods address=anna@x.example\nset ack on\n";
    assert!(!told(&fixture, "s@y.example", lines).contains("ack is now on"));
    let right = "set authenticate mods address=anna@x.example\nset ack on\n";
    assert!(told(&fixture, "s@y.example", right).contains("ack is now on for anna@x.example."));
}

#[test]
fn a_wrong_password_to_leave_with_is_the_only_one_that_is_tried() {
    let fixture = Fixture::new(&[("send_goodbye_msg", "no")]);
    let dev = fixture.get("dev").id;
    let hash = dormouse_membership::password::hash("secret").unwrap();
    for address in ["anna@x.example", "bert@x.example"] {
        fixture.member(address, &[]);
        fixture.write(|tx| tx.set_member_password(dev, address, &hash));
    }
    let line = |password: &str| format!("unsubscribe {password} address=anna@x.example\n");
    told(&fixture, "s@y.example", &(line("wrong") + &line("secret")));
    assert!(joined(&fixture, "anna@x.example"));
    // The same with passwords in `set` and `who`.
    for wrong in ["set authenticate wrong\n", "set authenticate wrong address=bert@x.example\n"] {
        told(&fixture, "s@y.example", &(wrong.to_owned() + &line("secret")));
        assert!(joined(&fixture, "anna@x.example"), "{wrong}");
    }
    told(&fixture, "s@y.example", &line("secret"));
    assert!(!joined(&fixture, "anna@x.example"));
}

#[test]
fn what_the_sender_may_know_never_leaves_for_another_address() {
    let fixture = Fixture::new(&[("private_roster", "members")]);
    for address in ["anna@x.example", "carla@x.example"] {
        fixture.member(address, &[]);
    }
    for to in ["evil@y.example", "carla@x.example"] {
        let raw = format!("From: anna@x.example\nSubject: who\n\nset show address={to}\nwords\n");
        for mail in mails(&fixture, &raw, "torequest") {
            let names_members = mail.text.contains("    anna@x.example");
            assert_eq!(names_members, mail.to == "anna@x.example", "{}: {}", mail.to, mail.text);
            assert_ne!(mail.to, "evil@y.example");
            assert_eq!(mail.text.contains("words"), mail.to == "anna@x.example");
        }
    }
}

#[test]
fn with_a_members_password_only_that_members_options_are_shown() {
    let fixture = Fixture::new(&[]);
    let dev = fixture.get("dev").id;
    for address in ["anna@x.example", "carla@x.example"] {
        fixture.member(address, &[]);
    }
    let hash = dormouse_membership::password::hash("secret").unwrap();
    fixture.write(|tx| tx.set_member_password(dev, "anna@x.example", &hash));
    let proof = "set authenticate secret address=anna@x.example\n";
    let text = told(&fixture, "s@y.example", &format!("{proof}set show\n"));
    assert!(text.contains("The options of anna@x.example on Dev"), "{text}");
    let text = told(&fixture, "s@y.example", &format!("{proof}set show address=carla@x.example\n"));
    assert!(!text.contains("The options of") && text.contains("If that address"), "{text}");
}

/// The address in a forged From or after `address=` gets no words that the forger chose.
#[test]
fn no_words_of_a_sender_whom_nobody_vouches_for_go_anywhere() {
    let mut fixture = Fixture::new(&[("subscribe_policy", "open")]);
    fixture.config("commands.drop_without_command", "no");
    fixture.config("web_url", "https://lists.example/mailman/");
    fixture.member("anna@x.example", &[]);
    let lines = [
        "echo buy.example",
        "subscribe digest buy.example",
        "subscribe address=buy@buy.example",
        "subscribe address=buy.example",
        "unsubscribe buy.example buy.example",
        "unsubscribe address=buy.example",
        "unsubscribe address=buy@buy.example",
        "password address=buy@buy.example",
        "set buy.example on",
        "set ack buy.example",
        "set show address=buy.example",
        "set show address=anna@x.example",
        "set authenticate buy.example address=buy.example",
        "confirm buy.example",
        "who buy.example",
        "help buy.example",
        "info buy.example",
        "lists buy.example",
        "end",
        "buy.example",
    ];
    for line in lines {
        let subject = if line == "end" { "x" } else { "Re: buy.example" };
        let many = "\n".repeat(30);
        let raw = format!(
            "From: buy.example <victim@z.example>\nMessage-ID: <buy.example@z>\nSubject: {subject}\n\n\
             {line}\nbuy.example\n{many}buy.example\n"
        );
        for mail in mails(&fixture, &raw, "torequest") {
            // Mail to that address itself may contain it.
            let is_clean = mail.to == "buy@buy.example" || !mail.text.contains("buy.example");
            assert!(is_clean, "{line}: {}: {}", mail.to, mail.text);
        }
    }
}

#[test]
fn options_are_sent_to_a_member_only_so_often_and_to_nobody_else() {
    let mut fixture = Fixture::new(&[]);
    fixture.config("members.mails_per_origin", "3");
    for number in 0..5 {
        fixture.member(&format!("m{number}@x.example"), &[]);
    }
    let lines: String = (0..5)
        .flat_map(|number| {
            ["x", "y"].map(|host| format!("set show address=m{number}@{host}.example\n"))
        })
        .collect();
    let raw = format!("From: s@z.example\nSubject: \n\n{lines}");
    let sent = mails(&fixture, &raw, "torequest");
    let to: Vec<&str> = sent.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["m0@x.example", "m1@x.example", "m2@x.example", "s@z.example"]);
    assert_eq!(sent[0].subject, "Your options on Dev");
    assert!(
        sent[0].text.contains("The options of m0@x.example:") && !sent[0].text.contains("set show")
    );
}

/// A sender whose own replies are not limited.
const VOUCHED: &str =
    "s@y.example\nAuthentication-Results: mx.example; dmarc=pass header.from=y.example";

fn limited(settings: &[(&str, &str)], most: &str) -> Fixture {
    let mut fixture = Fixture::new(settings);
    fixture.config("members.mails_per_address", most);
    fixture.config("notices.per_day", "0");
    fixture.config("notices.authserv_id", "mx.example");
    fixture.member("anna@x.example", &[]);
    fixture
}

#[test]
fn whatever_the_policy_a_members_address_is_answered_like_any_other() {
    for policy in ["open", "confirm", "approve", "confirm-and-approve"] {
        let fixture = limited(&[("subscribe_policy", policy)], "2");
        let answers = |address: &str| -> Vec<String> {
            let line = format!("subscribe address={address}");
            // A non-member who became a member is one the second time.
            let told = || unfolded(&told(&fixture, VOUCHED, &line).replace(address, "ADDRESS"));
            (0..5).map(|_| told()).collect()
        };
        let (member, stranger) = (answers("anna@x.example"), answers("nobody@x.example"));
        assert_eq!(member, stranger, "{policy}");
        assert!(member[4].contains("No email was sent"), "{policy}: {}", member[4]);
    }
}

#[test]
fn asking_often_about_somebody_else_tells_nothing_either() {
    let fixture = limited(&[], "1");
    for command in ["unsubscribe", "password", "set show"] {
        let answers = |address: &str| -> Vec<String> {
            let line = format!("{command} address={address}");
            let text = || unfolded(&told(&fixture, VOUCHED, &line).replace(address, "ADDRESS"));
            vec![text(), text(), text()]
        };
        let member = answers("anna@x.example");
        assert_eq!(member, answers("nobody@x.example"), "{command}");
        assert!(member.iter().all(|answer| !answer.is_empty()), "{command}");
    }
}

#[test]
fn equivalent_domains_are_the_same_member() {
    let fixture = Fixture::new(&[("equivalent_domains", "x.example,y.example")]);
    fixture.member("bert@x.example", &[]);
    let raw = "From: bert@y.example\n\n";
    let asked = mails(&fixture, raw, "toleave").remove(0);
    assert_eq!(asked.to, "bert@x.example", "who may leave is asked");
    assert!(asked.subject.starts_with("confirm "));
}

#[test]
fn an_automatic_answer_may_be_all_there_is() {
    let mut fixture = Fixture::new(&[
        ("autorespond_requests", "answer-only"),
        ("autoresponse_request_text", "Nobody reads this."),
        ("subscribe_policy", "open"),
    ]);
    fixture.config("notices.to_strangers", "always");
    let raw = format!("From: {BERT}\nMessage-ID: <q@x>\nSubject: subscribe\n\n");
    let texts: Vec<String> =
        mails(&fixture, &raw, "torequest").into_iter().map(|mail| mail.text).collect();
    assert_eq!(texts, ["Nobody reads this."]);
    assert!(!joined(&fixture, "bert@x.example"));
    fixture.set("dev", &[("autorespond_requests", "answer-and-process")]);
    mails(&fixture, &raw, "torequest");
    assert!(joined(&fixture, "bert@x.example"));
}

#[test]
fn only_a_cookie_in_the_address_is_one() {
    let cookie = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(super::cookie_in(&format!("dev-confirm+{cookie}@h")).as_deref(), Some(cookie));
    let upper = cookie.to_uppercase();
    assert_eq!(super::cookie_in(&format!("dev-confirm+{upper}@h")).as_deref(), Some(cookie));
    for wrong in ["dev-confirm@h", "dev-confirm+@h", "dev-confirm+012@h", &cookie[..39]] {
        assert_eq!(super::cookie_in(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any mail causes at most one reply to its sender, and mail only to addresses that its
    /// commands name.
    #[test]
    fn any_mail_has_at_most_one_answer(
        subject in "(Re: )?(subscribe|confirm|set|who|help|password|leave|\\PC{0,12})( \\PC{0,12})?",
        lines in prop::collection::vec(
            "(subscribe|unsubscribe|set|who|help|lists|info|echo|confirm|password|\\PC{0,9})( (show|on|digest|\\PC{0,9})){0,3}", 0..6),
    ) {
        let fixture = Fixture::new(&[]);
        let raw = format!("From: {BERT}\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{}\n", lines.join("\n"));
        let mails = mails(&fixture, &raw, "torequest");
        let answers = mails.iter().filter(|mail| mail.subject.starts_with("The results of")).count();
        prop_assert!(answers <= 1);
        for mail in &mails {
            let asked = raw.to_lowercase().contains(&format!("address={}", mail.to));
            prop_assert!(asked || mail.to == "bert@x.example", "{}", mail.to);
        }
    }
}

/// Receipts, reports, automatic replies, mail systems: none of them joins, leaves or confirms.
#[test]
fn what_a_program_writes_joins_leaves_and_confirms_nothing() {
    let fixture = Fixture::new(&[("subscribe_policy", "confirm"), ("unsubscribe_policy", "no")]);
    fixture.member("bert@x.example", &[]);
    let dev = fixture.get("dev").id;
    let carl = "carl@x.example";
    told(&fixture, carl, "subscribe");
    let waits =
        || fixture.store.read().pending_about(dev, "subscribe", carl, Timestamp::EPOCH).unwrap();
    let cookie = waits().unwrap().cookie;
    let programs = [
        (
            "",
            "Subject: {}\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\n{}\n--b--\n",
        ),
        (
            "",
            "Subject: {}\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n{}\n--b--\n",
        ),
        ("", "Subject: {}\nAuto-Submitted: auto-replied\n\n{}\n"),
        ("", "Subject: {}\nX-Autoreply: yes\n\n{}\n"),
        ("", "Subject: {}\nX-Autorespond: yes\n\n{}\n"),
        ("", "Subject: {}\nX-Mail-Autoreply: 1\n\n{}\n"),
        ("", "Subject: {}\nX-Vacation: 1\n\n{}\n"),
        ("", "Subject: {}\nX-FC-MachineGenerated: true\n\n{}\n"),
        ("", "Subject: {}\nPrecedence: auto_reply\n\n{}\n"),
        ("", "Subject: {}\nReturn-Path: <>\n\n{}\n"),
        ("", "Subject: {}\nX-Loop: x\n\n{}\n"),
        ("", "Subject: Autoreply: {}\n\n{}\n"),
        ("", "Subject: Abwesenheitsnotiz: {}\n\n{}\n"),
        ("", "Subject: Read: {}\n\n> mail\n"),
        ("MAILER-DAEMON", "Subject: {}\n\n{}\n"),
        ("<>", "Subject: {}\n\n{}\n"),
    ];
    for (sender, mail) in programs {
        let does = |from: &str, command: &str, key: &str| {
            let raw = format!("From: {from}\n{}", mail.replace("{}", command));
            let outputs = answers(&fixture, &raw, |metadata| {
                metadata.set_int(key, 1);
                if !sender.is_empty() {
                    metadata.set_text("envelope_sender", sender);
                }
                if key == "toconfirm" {
                    let address = format!("dev-confirm+{cookie}@lists.example");
                    metadata.set_text("envelope_recipient", &address);
                }
            });
            assert!(outputs.is_empty(), "{mail} {sender}: {command}");
        };
        let confirm = format!("confirm {cookie}");
        does(carl, &confirm, "torequest");
        if !mail.contains("Read:") {
            does(carl, "ok", "toconfirm");
            does("dora@x.example", "hello", "tojoin");
            does("bert@x.example", "hello", "toleave");
            does("bert@x.example", "unsubscribe", "torequest");
        }
        assert!(waits().is_some() && !joined(&fixture, carl), "{mail} {sender}");
        assert!(joined(&fixture, "bert@x.example"), "{mail} {sender}");
        let asked = fixture
            .store
            .read()
            .pending_about(dev, "subscribe", "dora@x.example", Timestamp::EPOCH)
            .unwrap();
        assert!(asked.is_none(), "{mail} {sender}");
    }
    // Exchange adds this field to people's mail, too.
    let person = "X-Auto-Response-Suppress: DR, OOF, AutoReply\n";
    let raw = format!("From: {carl}\nSubject: Re: confirm {cookie}\n{person}\nyes\n");
    mails(&fixture, &raw, "torequest");
    assert!(joined(&fixture, carl));
}
