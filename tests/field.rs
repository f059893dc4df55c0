//! Mail from real use that once was shown wrong: checked in members' copies, in digests, in the
//! archive and on the wire.

use dormouse_mail::{Message, mime};
use dormouse_testkit::sink::{Builder, Sink};
use dormouse_testkit::site::{TestSite, describe};
use std::fs;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const ANNA: &str = "anna@example.net";
const PLAIN: &str = "plain@example.net";
const HEAD: &str = "From: Anna <anna@example.net>\nTo: talk@lists.example.org\nMessage-ID: <m@example.net>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMIME-Version: 1.0\n";

/// A list `talk` with a member and a reader of plain digests.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("talk", &[ANNA]);
    site.ok(&["member", "add", "talk", "--welcome", "no", "--digest", PLAIN]);
    site.ok(&["member", "set", "talk", PLAIN, "digest=plain"]);
    site.ok(&["list", "set", "talk", "digest_size_threshhold=0", "real_name=Talk"]);
    site
}

fn with(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    [HEAD.as_bytes(), fields.as_bytes(), b"\n", body.as_ref()].concat()
}

/// How a post appears in different places.
struct Seen {
    copy: Message,
    digest: String,
    page: String,
}

impl Seen {
    fn text(&self) -> String {
        mime::first_text(&self.copy).unwrap_or_default()
    }

    fn field(&self, name: &str) -> String {
        self.copy.text(name).unwrap_or_default()
    }
}

/// Posts a mail, and returns the member's copy, the digest and the page.
fn seen(site: &TestSite, mail: &[u8]) -> Seen {
    site.post("talk", mail);
    site.ok(&["run"]);
    site.ok(&["digest", "send", "talk"]);
    site.ok(&["run"]);
    let one = |address: &str| {
        let mut mails = site.maildir(address);
        assert_eq!(mails.len(), 1, "{address}: {}", String::from_utf8_lossy(mail));
        Message::parse(mails.remove(0))
    };
    let digest = mime::first_text(&one(PLAIN)).unwrap();
    Seen { copy: one(ANNA), digest, page: newest_page(site) }
}

fn newest_page(site: &TestSite) -> String {
    let tree = site.dir().join("archives/private/talk");
    let mut pages = Vec::new();
    for volume in fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().path()) {
        if !volume.is_dir() {
            continue;
        }
        for page in fs::read_dir(volume).unwrap().map(|entry| entry.unwrap().path()) {
            let name = page.file_name().unwrap().to_str().unwrap().to_owned();
            if name.len() == "000000.html".len() && name.starts_with('0') {
                pages.push((name, page));
            }
        }
    }
    pages.sort();
    let (_, page) = pages.pop().expect("a page");
    fs::read_to_string(page).unwrap()
}

/// Checks that the text of a post is the same everywhere.
fn reads_everywhere(mail: &[u8], wanted: &[&str], unwanted: &[&str]) {
    let seen = seen(&site(), mail);
    for (place, text) in
        [("copy", seen.text()), ("digest", seen.digest.clone()), ("page", seen.page)]
    {
        for wanted in wanted {
            assert!(text.contains(wanted), "{wanted:?} in the {place}:\n{text}");
        }
        for unwanted in unwanted {
            assert!(!text.contains(unwanted), "{unwanted:?} in the {place}:\n{text}");
        }
    }
}

const BASE64: &str =
    "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n";

#[test]
fn base64_followed_by_a_plain_footer_is_decoded() {
    for body in [
        "SGVqIGTDpQo=\n-- \nan old footer\n",
        "SGVqIGTDpQo\n-- \nan old footer\n",
        "SGVqIGTDpQo=\nold\nwords\n",
    ] {
        reads_everywhere(&with(BASE64, body), &["Hej d\u{e5}"], &["\u{fffd}"]);
    }
    reads_everywhere(&with(BASE64, "SGVqIA==\nZMOl\nCg==\n"), &["Hej d\u{e5}"], &["\u{fffd}"]);
    let header = seen(&site(), &with("Subject: =?utf-8?B?SGVsbG8=SGVsbG8=?=\n", "x\n"));
    assert_eq!(header.field("Subject"), "HelloHello");
    assert!(header.page.contains("HelloHello") && header.digest.contains("HelloHello"));
}

#[test]
fn a_strange_byte_in_utf8_changes_no_other() {
    let fields =
        "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n";
    let gruesse = "Gr\u{fc}\u{df}e aus K\u{f6}ln\n".as_bytes();
    for strange in [&b"bad \xff byte\n"[..], b"cut \xe2\x82", b"> K\xf6ln\n", b"\xed\xa0\xbd\n"] {
        let body = [gruesse, strange].concat();
        reads_everywhere(&with(fields, body), &["Gr\u{fc}\u{df}e", "\u{fffd}"], &["\u{c3}"]);
    }
}

#[test]
fn japanese_words_have_no_mark_where_they_meet() {
    let word = "=?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=";
    let test = "\u{30c6}\u{30b9}\u{30c8}";
    let seen =
        seen(&site(), format!("From: {word}\n {word} <anna@example.net>\nTo: talk@lists.example.org\nSubject: {word}\n {word}\nContent-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B\x1b$B%F%9%H\x1b(B\x1b(B\n").as_bytes());
    let twice = format!("{test}{test}");
    assert_eq!(seen.field("Subject"), twice);
    assert_eq!(seen.copy.mailboxes("From")[0].name, twice);
    for text in [&seen.digest, &seen.page] {
        assert!(text.matches(&twice).count() >= 2 && !text.contains('\u{fffd}'), "{text}");
    }
    assert_eq!(seen.text(), format!("{test}\n"));
}

#[test]
fn links_in_html_keep_their_addresses() {
    let html = "<html><body><p>Register <a href=\"https://x.example/r?id=7&amp;x=1\">here</a>, mail <a href=\"mailto:a@x.example\">us</a>.</p><table><tr><td>one</td><td>1</td></tr></table></body></html>";
    let site = site();
    site.ok(&["list", "set", "talk", "filter_content=yes", "pass_mime_types="]);
    let seen = seen(&site, &with("Subject: x\nContent-Type: text/html; charset=utf-8\n", html));
    for text in [seen.text(), seen.digest] {
        assert!(text.contains("https://x.example/r?id=7&x=1"), "{text}");
        assert!(text.contains("mailto:a@x.example") && text.contains("one  1"), "{text}");
        assert!(!text.contains('\u{2500}') && !text.contains('\u{2502}'), "{text}");
    }
    assert!(seen.page.contains("x.example/r?id=7&amp;x=1"), "{}", seen.page);
}

#[test]
fn of_alternatives_the_first_that_says_something_stays() {
    for empty in [
        "Content-Type: text/plain\n\n\n",
        "Content-Type: text/plain; charset=utf-8\n\n\u{a0}\u{200b}\n",
        "Content-Type: text/html\n\n<p>&nbsp;</p>\n",
        "Content-Type: multipart/related; boundary=R\n\n--R\nContent-Type: text/html\n\n<br>\n--R--\n",
    ] {
        let site = site();
        site.ok(&[
            "list",
            "set",
            "talk",
            "filter_content=yes",
            "pass_mime_types=",
            "collapse_alternatives=yes",
        ]);
        let body =
            format!("--Z\n{empty}--Z\nContent-Type: text/html\n\n<p>the real text</p>\n--Z--\n");
        let mail = with("Subject: x\nContent-Type: multipart/alternative; boundary=Z\n", body);
        assert_eq!(seen(&site, &mail).text(), "the real text\n", "{empty}");
    }
}

#[test]
fn the_filter_looks_into_the_messages_of_a_digest() {
    let evil = "--B\nContent-Type: application/octet-stream; name=evil.exe\nContent-Transfer-Encoding: base64\n\nTVqQAAMAAAAEAAAA\n--B--\n";
    let inner =
        format!("\nSubject: hat\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\ntext\n{evil}");
    let body = format!("--A\n{inner}--A\n\nSubject: two\n\nsecond\n--A--\n");
    for outer in [
        ("Subject: x\nContent-Type: multipart/digest; boundary=A\n".to_owned(), body.clone()),
        (
            "Subject: x\nContent-Type: multipart/mixed; boundary=O\n".to_owned(),
            format!(
                "--O\n\nhello\n--O\nContent-Type: multipart/digest; boundary=A\n\n{body}--O--\n"
            ),
        ),
    ] {
        let site = site();
        site.ok(&[
            "list",
            "set",
            "talk",
            "filter_content=yes",
            "pass_mime_types=multipart\nmessage/rfc822\ntext",
        ]);
        let seen = seen(&site, &with(&outer.0, outer.1));
        let bytes = String::from_utf8(seen.copy.to_bytes()).unwrap();
        assert!(bytes.contains("second") && bytes.contains("text"), "{bytes}");
        assert!(!bytes.contains("TVqQ"), "{bytes}");
    }
}

#[test]
fn a_line_that_is_not_a_field_ends_the_header() {
    for first in ["Hello all,", "(see below)", "1. opening"] {
        let mail = format!(
            "From: anna@example.net\nTo: talk@lists.example.org\nSubject: Minutes\n{first}\nplease: read\n\nend\n"
        );
        let seen = seen(&site(), mail.as_bytes());
        assert_eq!(seen.field("Subject"), "Minutes");
        let body = format!("{first}\nplease: read\n\nend\n");
        assert_eq!(seen.copy.body(), body.as_bytes());
        assert!(seen.digest.contains(&body), "{}", seen.digest);
        assert!(seen.page.contains(first) && seen.page.contains(">Minutes<"), "{}", seen.page);
    }
    let part = "--b\nContent-Type: text/plain; charset=utf-8\nHello all,\nend\n--b--\n";
    let mail = with("Subject: x\nContent-Type: multipart/mixed; boundary=b\n", part);
    reads_everywhere(&mail, &["Hello all,\nend"], &[]);
}

#[test]
fn answers_are_known_however_they_are_marked() {
    for mark in
        ["RE :", "Re\u{a0}:", "TR :", "Re\u{ff1a}", "\u{56de}\u{590d}\u{ff1a}", "Re[2]:", "Antw:"]
    {
        let site = site();
        site.ok(&["list", "set", "talk", "subject_prefix=[Talk] "]);
        let seen = seen(&site, &with(&format!("Subject: {mark} [Talk] hi\n"), "x\n"));
        assert_eq!(seen.field("Subject"), "Re: [Talk] hi", "{mark}");
    }
    let site = site();
    site.ok(&["list", "set", "talk", "subject_prefix=[Talk] "]);
    let seen = seen(&site, &with("Subject: Fwd: [Talk] hi\n", "x\n"));
    assert_eq!(seen.field("Subject"), "[Talk] Fwd: hi");
}

#[test]
fn a_flowed_text_ends_before_the_footer() {
    for (parameters, body) in [
        ("format=flowed", "para one \npara one more "),
        ("format=flowed; delsp=yes", "para one \npara one more \n"),
        ("format=flowed", "> para one more \n"),
    ] {
        let site = site();
        site.ok(&["list", "set", "talk", "msg_footer=the footer"]);
        let fields = format!("Subject: x\nContent-Type: text/plain; {parameters}\n");
        let seen = seen(&site, &with(&fields, body));
        assert!(seen.text().ends_with("para one more\nthe footer\n"), "{:?}", seen.text());
    }
}

#[test]
fn a_post_without_message_id_or_date_gets_the_same_ones_everywhere() {
    for fields in ["", "Message-ID:\nDate:\n", "Message-ID: <>\n"] {
        let site = site();
        let mail = format!("From: anna@example.net\nTo: talk@lists.example.org\n{fields}\nx\n");
        let seen = seen(&site, mail.as_bytes());
        let (id, date) = (seen.field("Message-ID"), seen.field("Date"));
        assert!(id.ends_with("talk@lists.example.org>") && id.len() > 40, "{id}");
        assert!(dormouse_mail::date::parse(date.as_bytes()).is_some(), "{date}");
        assert_eq!(seen.copy.fields_named("Message-ID").count(), 1);
        let mbox = site.dir().join("archives/private/talk.mbox/talk.mbox");
        let mbox = fs::read_to_string(mbox).unwrap();
        assert!(mbox.contains(&format!("Message-ID: {id}\n")), "{mbox}");
        assert!(mbox.contains(&format!("Date: {date}\n")), "{mbox}");
    }
}

#[test]
fn the_permanent_address_of_a_post_is_there() {
    for id in [
        "<plain@example.net>",
        "<>",
        "",
        "no brackets",
        "<a<b>c>",
        "<<twice@x>>",
        "<a> <b>",
        "=?utf-8?q?=3Cq=40x=3E?=",
        "<quoted\"'@x>",
        "< blank @x >",
        "<\u{e4}@x>",
        "<../../x>",
    ] {
        let site = site();
        let mail = format!("From: anna@example.net\nSubject: x\nMessage-ID: {id}\n\nx\n");
        let seen = seen(&site, mail.as_bytes());
        let address = seen.field("Archived-At");
        let (_, path) = address.trim_matches(['<', '>']).split_once("/pipermail/talk/").unwrap();
        let file = site.dir().join("archives/private/talk").join(path);
        assert!(file.exists(), "{id:?}: {address}");
    }
}

fn over(builder: Builder, member: &str, mails: &[&[u8]], settings: &[&str]) -> (TestSite, Sink) {
    let sink = builder.start();
    let site = TestSite::new(DORMOUSE);
    site.plain_list("talk", &[member]);
    if !settings.is_empty() {
        site.ok(&[&["list", "set", "talk"], settings].concat());
    }
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    for mail in mails {
        site.post("talk", mail);
        site.ok(&["run"]);
    }
    (site, sink)
}

#[test]
fn no_cr_and_no_lf_leaves_alone() {
    let body = "first\r.\rMAIL FROM:<ceo@bank.example>\rDATA\rend\r\r\n.\nlast\r";
    let mail = with("Subject: a\rBcc: b@example.net\r\rC: d\n", body);
    for builder in [Sink::builder(), Sink::builder().lmtp(), Sink::builder().without_extensions()] {
        let (_, sink) = over(builder, ANNA, &[&mail], &[]);
        assert_eq!(sink.violations(), Vec::<String>::new());
        let data = sink.messages().remove(0).data;
        for (at, &byte) in data.iter().enumerate() {
            assert!(byte != b'\r' || data.get(at + 1) == Some(&b'\n'));
            assert!(byte != b'\n' || at > 0 && data[at - 1] == b'\r');
        }
        let message = Message::parse(data);
        assert!(!message.has("Bcc") && !message.has("C"), "{message:?}");
        assert!(message.body().ends_with(b"\r\nend\r\n\r\n.\r\nlast\r\n"), "{message:?}");
    }
}

#[test]
fn a_server_gets_nothing_that_it_did_not_offer_to_take() {
    let fields = "Subject: Gr\u{fc}\u{df}e\nX-Note: \u{2603}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n";
    let long = format!("{}\n", "x".repeat(5_000));
    let mails = [
        with(fields, "Gr\u{fc}\u{df}e\n"),
        with("Subject: nul\n", "a\0b\n"),
        with("Subject: long\n", long),
        with("Subject: Gr\u{fc}\u{df}e\n", b"Gr\xfc\xdfe\n"),
    ];
    let mails: Vec<&[u8]> = mails.iter().map(Vec::as_slice).collect();
    for (builder, is_seven) in [
        (Sink::builder(), false),
        (Sink::builder().smtputf8(false), false),
        (Sink::builder().eight_bit_mime(false), true),
        (Sink::builder().lmtp().eight_bit_mime(false).smtputf8(false), true),
        (Sink::builder().without_extensions(), true),
    ] {
        let (site, sink) = over(builder, ANNA, &mails, &[]);
        assert_eq!(sink.violations(), Vec::<String>::new());
        let messages = sink.messages();
        assert_eq!(messages.len(), mails.len(), "{}", site.ok(&["queue", "ls", "shunt"]));
        for received in &messages {
            let message = Message::parse(received.data.clone());
            let head = &received.data[..received.data.len() - message.body().len()];
            assert!(head.is_ascii(), "{message:?}");
            assert!(!received.data.contains(&0));
            assert!(received.data.split(|&byte| byte == b'\n').all(|line| line.len() <= 999));
            assert!(!is_seven || received.data.is_ascii(), "{message:?}");
            assert!(!received.parameters.contains("SMTPUTF8"), "{}", received.parameters);
        }
        let first = Message::parse(messages[0].data.clone());
        assert_eq!(first.text("Subject").as_deref(), Some("Gr\u{fc}\u{df}e"));
        assert_eq!(mime::first_text(&first).unwrap().trim_end(), "Gr\u{fc}\u{df}e");
        let nul = Message::parse(messages[1].data.clone());
        assert_eq!(mime::structure(&nul).decoded(nul.body()).trim_ascii_end(), b"a\0b");
    }
}

#[test]
fn a_footer_for_each_member_is_fit_for_the_server_too() {
    let settings = ["personalize=yes", "msg_footer=f\u{fc}r %(user_address)s"];
    let mail = with(
        "Subject: \u{fc}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
        "\u{fc}\n",
    );
    let (_, sink) = over(Sink::builder().without_extensions(), ANNA, &[&mail], &settings);
    let message = sink.messages().remove(0);
    assert!(message.data.is_ascii());
    let text = mime::first_text(&Message::parse(message.data)).unwrap().replace('\r', "");
    assert_eq!(text, format!("\u{fc}\nf\u{fc}r {ANNA}\n"));
}

#[test]
fn an_author_whom_the_server_cannot_name_is_named_beside_the_list() {
    let mail = "From: j\u{fc}rgen@m.example\nTo: talk@lists.example.org, \u{e4}@b\u{fc}cher.example, c@b\u{fc}cher.example\nMessage-ID: <2@t>\nSubject: x\n\nhello\n";
    let (_, sink) = over(Sink::builder().smtputf8(false), ANNA, &[mail.as_bytes()], &[]);
    assert_eq!(sink.violations(), Vec::<String>::new());
    let message = Message::parse(sink.messages().remove(0).data);
    assert!(message.to_bytes().is_ascii());
    let from = message.mailboxes("From").remove(0);
    assert_eq!(from.address, "talk@lists.example.org");
    assert_eq!(from.name, "j\u{fc}rgen@m.example");
    let to: Vec<String> = message.mailboxes("To").into_iter().map(|to| to.address).collect();
    assert_eq!(to, ["talk@lists.example.org", "c@xn--bcher-kva.example"]);
    let (_, sink) = over(Sink::builder(), ANNA, &[mail.as_bytes()], &[]);
    let received = sink.messages().remove(0);
    assert!(received.parameters.contains("SMTPUTF8"), "{}", received.parameters);
    let message = Message::parse(received.data);
    assert_eq!(message.mailboxes("From")[0].address, "j\u{fc}rgen@m.example");
}

#[test]
fn what_cannot_be_sent_as_it_is_waits_and_the_owner_is_told() {
    let body = "--s\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGr\u{fc}\u{df}e\n--s\nContent-Type: application/pgp-signature\n\nsig\n--s--\n";
    let signed = with("Subject: x\nContent-Type: multipart/signed; boundary=s\n", body);
    let inline = with(
        "Subject: x\n",
        "-----BEGIN PGP SIGNED MESSAGE-----\n\nGr\u{fc}\u{df}e\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
    );
    let boundary = with(
        "Subject: x\nContent-Type: multipart/mixed; boundary=\"\u{fc}\"\n",
        "--\u{fc}\n\nhello\n--\u{fc}--\n",
    );
    let large = with("Subject: x\n", "hello\n".repeat(2_000));
    let both = [ANNA, "bert@example.net"];
    for (mail, why, members) in [
        (&signed, "8BITMIME", &both[..]),
        (&signed, "8BITMIME", &both[..1]),
        (&inline, "8BITMIME", &both[..1]),
        (&boundary, "8BITMIME", &both[..]),
        (&large, "octets", &both[..1]),
    ] {
        let sink = Sink::builder().eight_bit_mime(false).size(10_000).start();
        let site = TestSite::new(DORMOUSE);
        site.plain_list("talk", members);
        site.ok(&["list", "set", "talk", "max_message_size=0", "owner=owner@example.org"]);
        site.ok(&["config", "set", "delivery.url", &sink.url()]);
        site.post("talk", mail);
        site.run(&["run"]);
        site.ok(&["run"]);
        let waiting = site.ok(&["queue", "ls", "shunt"]);
        assert!(waiting.contains(why), "{waiting}");
        let bounces = site.ok(&["member", "bounces", "talk"]);
        assert!(!bounces.contains(why), "{bounces}");
        let received = sink.messages();
        let told = received.iter().find(|mail| mail.recipients == ["owner@example.org"]);
        let told = String::from_utf8(told.expect("a notice").data.clone()).unwrap();
        assert!(told.contains(why) && told.contains("queue retry shunt/"), "{told}");
        assert_eq!(received.len(), 1, "nobody else gets anything");
    }
}

#[test]
fn mail_of_a_stranger_that_is_all_attributes_is_answered() {
    let names: String = (0..90_000).map(|number| format!(" a{number}")).collect();
    let mail = format!(
        "From: s@example.com\nTo: talk-request@lists.example.org\nSubject: hi\nMessage-ID: <q@example.com>\nContent-Type: text/html\n\n<a{names}>help</a>"
    );
    let site = site();
    let output = site.feed(&["deliver", "talk-request@lists.example.org"], mail.as_bytes());
    assert!(output.status.success(), "{}", describe(&output));
    site.ok(&["run"]);
    assert_eq!(site.maildir("s@example.com").len(), 1);
    assert!(site.files("shunt", "pck").is_empty());
}

/// Writes an entry of `out` as a Python program does: the message, then the metadata in protocol 0.
fn outgoing_entry(site: &TestSite, number: u32, recips: &str) -> String {
    let message = "Subject: x\n\nx\n";
    let quoted = message.replace('\n', "\\n");
    let entry = format!(
        "S'{quoted}'\n.(dS'listname'\nS'talk'\ns{recips}S'version'\nI3\nsS'_parsemsg'\nI00\ns."
    );
    let name = format!("179573156{number}.5+{number:040x}");
    fs::write(site.queue("out").join(format!("{name}.pck")), entry).unwrap();
    name
}

#[test]
fn no_value_of_recips_ends_in_silence() {
    let site = site();
    let key = |value: &str| format!("S'recips'\n{value}s");
    let empty = ["(l", "(t", "(d", "c__builtin__\nset\n((ltR", "c__builtin__\nfrozenset\n((ltR"];
    for (number, value) in (1..).zip(empty) {
        let name = outgoing_entry(&site, number, &key(value));
        site.ok(&["run"]);
        let trace = site.ok(&["trace", &name]);
        assert!(trace.contains("unaddressed"), "{value}: {trace}");
        assert!(trace.contains("its list of recipients is empty"), "{value}: {trace}");
        assert!(site.files("out", ".pck").is_empty() && site.files("shunt", ".pck").is_empty());
    }
    let wrong = ["N", "I0\n", "S''\n", "S'anna@example.net'\n", "(lNa", ""];
    for (number, value) in (1_usize..).zip(wrong) {
        let recips = if value.is_empty() { String::new() } else { key(value) };
        outgoing_entry(&site, 20 + number as u32, &recips);
        site.run(&["run"]);
        let shunted = site.ok(&["queue", "ls", "shunt"]);
        assert_eq!(shunted.matches("shunt/").count(), number, "{value}: {shunted}");
        assert!(shunted.contains("recips"), "{value}: {shunted}");
    }
    // A rule that matches nobody any more is reported, too.
    site.ok(&["member", "rm", "talk", "--goodbye", "no", "--notify", "no", ANNA]);
    site.post("talk", &with("Subject: to digests only\n", "x\n"));
    site.ok(&["run"]);
    let trace = site.ok(&["trace", "m@example.net"]);
    assert!(trace.contains("unaddressed") && trace.contains("nothing was sent"), "{trace}");
}
