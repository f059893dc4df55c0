//! Signed posts reach the far end with their signatures good, if the list leaves them as they are;
//! mail of domains with keys is signed by us.

use dormouse_mail::Message;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::TestSite;
use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use viadkim::header::HeaderFields;
use viadkim::verifier::{self, Config, LookupTxt, VerificationStatus};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Signed by dkimpy with the key below, in both canonical forms (RFC 6376 §3.4).
const SIGNED: [(&str, &[u8]); 2] = [
    ("relaxed", include_bytes!("data/dkim-relaxed.eml")),
    ("simple", include_bytes!("data/dkim-simple.eml")),
];

/// What sel._domainkey.sender.example says.
const KEY: &str = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvmWcsiOemxFBNKtLwzu7ymb20x2as2/6LheUXeni+NlnPolPcCKS4UEhhtj0d+YsNgLrBm5h2mQdM5Eb5OaZY474Xon029pEECJuuhv/xIjn5R3HpEkuEt4mXPrP+rdwra7VE1uSSVqeM2EMQH9voCN9W2aMj3UAPdUA4P/+dDgyZ9XNRQEWv7q+ZzTVYRSU+pL5BRn8FPVcAy6ojazhzjmOshkfV1hHeRUa+hCtSnmrvnuoqNXVSKbFKQ9o34yOSJyIdIWUcaAYPktfLSYKUWQNRtMerW8xbE8lfdl1FQ3W8FgbPdKG3EAuypyVhO8xH04wu/pBvOiX/4Vtmh6iiQIDAQAB";

/// Names with their texts.
#[derive(Clone)]
struct Records(HashMap<String, String>);

impl LookupTxt for Records {
    type Answer = Vec<io::Result<Vec<u8>>>;
    type Query<'a> = Ready<io::Result<Self::Answer>>;

    fn lookup_txt(&self, domain: &str) -> Self::Query<'_> {
        let text = self.0.get(domain).unwrap_or_else(|| panic!("{domain} is asked for"));
        ready(Ok(vec![Ok(text.as_bytes().to_vec())]))
    }
}

/// Whether the message has one signature, and it is good.
fn verify(message: &[u8]) -> bool {
    let sender = HashMap::from([("sel._domainkey.sender.example.".to_owned(), KEY.to_owned())]);
    let results = verdicts(&Records(sender), message);
    assert_eq!(results.len(), 1, "{}", String::from_utf8_lossy(message));
    results[0].is_ok()
}

/// What a verifier says of each signature: its domain and selector, or what is wrong.
fn verdicts(records: &Records, message: &[u8]) -> Vec<Result<(String, String), String>> {
    let message = String::from_utf8(message.to_vec()).unwrap();
    let message = message.replace("\r\n", "\n").replace('\n', "\r\n");
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let header: HeaderFields = header.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config::default();
    let checked = runtime.block_on(verifier::verify(records, &header, body.as_bytes(), &config));
    let verdict = |result: &verifier::VerificationResult| match (&result.status, &result.signature)
    {
        (VerificationStatus::Success, Some(signature)) => {
            Ok((signature.domain.as_ref().to_owned(), signature.selector.as_ref().to_owned()))
        }
        (status, _) => Err(format!("{status:?}")),
    };
    checked.iter().map(verdict).collect()
}

/// A list that leaves posts as they are, but for these settings, and what arrives of a post.
fn arrives(settings: &[&str], raw: &[u8]) -> Vec<u8> {
    arrives_at("anonymous", settings, raw)
}

/// The same at a site that removes signatures so.
fn arrives_at(remove: &str, settings: &[&str], raw: &[u8]) -> Vec<u8> {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "remove_dkim_headers", remove]);
    site.plain_list("dev", &["reader@example.org"]);
    if !settings.is_empty() {
        site.ok(&[&["list", "set", "dev"], settings].concat());
    }
    site.post("dev", raw);
    site.ok(&["run"]);
    let mut messages = sink.messages();
    assert_eq!(messages.len(), 1);
    messages.remove(0).data
}

#[test]
fn a_list_without_prefix_and_footer_keeps_signatures_good() {
    for (form, raw) in SIGNED {
        let arrived = arrives(&[], raw);
        assert!(arrived.starts_with(b"Errors-To: "), "it went through the list");
        assert!(verify(&arrived), "{form}: {}", String::from_utf8_lossy(&arrived));
        // The same as LMTP brings it.
        let crlf = String::from_utf8_lossy(raw).replace('\n', "\r\n");
        assert!(verify(&arrives(&[], crlf.as_bytes())), "{form}, CRLF");
    }
}

#[test]
fn what_the_list_changes_shows() {
    for settings in ["msg_footer=foot", "subject_prefix=[dev] "] {
        assert!(!verify(&arrives(&[settings], SIGNED[0].1)), "{settings}");
    }
}

#[test]
fn with_from_munged_the_lists_domain_answers_for_it_and_the_poster_gets_the_answers() {
    let arrived = Message::parse(arrives_at("munged", &["from_is_list=munge"], SIGNED[0].1));
    assert_eq!(arrived.text("From").unwrap(), "Änne via Dev <dev@lists.example.org>");
    assert_eq!(arrived.text("Reply-To").unwrap(), "Änne <anna@sender.example>");
    assert!(!arrived.has("DKIM-Signature"));
    let mut body = arrived.body().to_vec();
    body.retain(|&byte| byte != b'\r');
    assert_eq!(body, Message::parse(SIGNED[0].1).body(), "the body stays");
}

#[test]
fn a_wrapped_post_keeps_its_good_signature_inside() {
    for (form, raw) in SIGNED {
        let settings = ["from_is_list=wrap", "subject_prefix=[dev] "];
        let outer = Message::parse(arrives(&settings, raw));
        assert_eq!(outer.text("From").unwrap(), "Änne via Dev <dev@lists.example.org>");
        assert!(outer.text("Subject").unwrap().starts_with("[dev] "));
        assert!(verify(outer.body()), "{form}: {}", String::from_utf8_lossy(outer.body()));
    }
}

/// The records of the site's keys, read as a name server reads lines of a zone file.
fn published(site: &TestSite) -> Records {
    let zone = site.ok(&["dkim", "dns"]);
    let record = |line: &str| {
        let (name, rest) = line.split_once(" IN TXT ").unwrap();
        (name.to_owned(), rest.split('"').skip(1).step_by(2).collect::<String>())
    };
    Records(zone.lines().map(record).collect())
}

/// Posts to a list at lists.example.org with these settings, whose mail is signed, and returns what
/// arrives.
fn signed(site: &TestSite, sink: &Sink, settings: &[&str], raw: &[u8]) -> Vec<Vec<u8>> {
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.plain_list("dev", &["reader@example.org", "other@example.net"]);
    if !settings.is_empty() {
        site.ok(&[&["list", "set", "dev"], settings].concat());
    }
    site.post("dev", raw);
    site.ok(&["run"]);
    sink.messages().into_iter().map(|message| message.data).collect()
}

#[test]
fn mail_of_a_domain_with_keys_is_signed_with_each_of_them() {
    let awkward: [&[u8]; 3] = [
        b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nText \t here\n\n\n",
        b"From: anna@example.net\nSubject: a\n very\n\tlong one\n\n.\n..\n no end",
        b"From: anna@example.net\nSubject: =?utf-8?q?=C3=A4?=\nX: y\n\n",
    ];
    for raw in awkward {
        let site = TestSite::new(DORMOUSE);
        let sink = Sink::builder().start();
        site.ok(&[
            "dkim",
            "create",
            "lists.example.org",
            "--selector",
            "s1",
            "--algorithm",
            "both",
        ]);
        let settings = ["subject_prefix=[dev] ", "msg_footer=foot", "from_is_list=munge"];
        let arrived = signed(&site, &sink, &settings, raw);
        assert_eq!(arrived.len(), 1);
        let ours = |selector: &str| Ok(("lists.example.org".to_owned(), selector.to_owned()));
        let found = verdicts(&published(&site), &arrived[0]);
        assert_eq!(
            found,
            [ours("s1"), ours("s1-ed25519")],
            "{}",
            String::from_utf8_lossy(&arrived[0])
        );
    }
}

#[test]
fn one_click_fields_are_signed_for_each_reader() {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["dkim", "create", "example.org", "--selector", "up", "--algorithm", "ed25519"]);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8080"]);
    let raw = b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nx\n";
    let arrived = signed(&site, &sink, &["include_rfc2369_headers=yes"], raw);
    assert_eq!(arrived.len(), 2, "one copy a reader");
    let records = published(&site);
    for raw in &arrived {
        let message = Message::parse(raw.clone());
        assert_eq!(message.text("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
        assert_eq!(verdicts(&records, raw), [Ok(("example.org".to_owned(), "up".to_owned()))]);
        let changed = String::from_utf8_lossy(raw).replace("/unsubscribe/", "/unsubscribe/x");
        assert!(verdicts(&records, changed.as_bytes())[0].is_err(), "the link is covered");
    }
    let links: Vec<_> =
        arrived.iter().map(|raw| Message::parse(raw.clone()).text("List-Unsubscribe")).collect();
    assert_ne!(links[0], links[1]);
}

#[test]
fn readers_share_a_copy_where_only_personal_mail_has_the_link() {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8080"]);
    let raw = b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nx\n";
    let settings = ["include_rfc2369_headers=yes", "one_click_unsubscribe=personal"];
    let arrived = signed(&site, &sink, &settings, raw);
    assert_eq!(arrived.len(), 1);
    assert!(!Message::parse(arrived[0].clone()).has("List-Unsubscribe-Post"));
}

#[test]
fn a_key_that_cannot_be_used_keeps_mail_from_leaving_unsigned() {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["dkim", "create", "lists.example.org", "--selector", "s1", "--algorithm", "ed25519"]);
    let key = site.dir().join("dkim/lists.example.org/s1.pem");
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "garbage").unwrap();
    let raw = b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nx\n";
    assert!(signed(&site, &sink, &[], raw).is_empty());
    assert!(site.ok(&["queue", "ls", "shunt"]).contains("s1.pem"));
    std::fs::write(&key, good).unwrap();
    site.ok(&["queue", "retry", "--all", "shunt"]);
    site.ok(&["run"]);
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn keys_are_created_listed_and_removed_by_name() {
    let site = TestSite::new(DORMOUSE);
    let record = site.ok(&["dkim", "create", "Example.org", "--selector", "A"]);
    assert!(
        record.starts_with("a._domainkey.example.org. IN TXT ( \"v=DKIM1; k=rsa; p="),
        "{record}"
    );
    assert_eq!(record, site.ok(&["dkim", "dns", "example.org"]));
    assert!(site.ok(&["dkim", "ls"]).contains("a._domainkey.example.org"));
    let again = site.run(&["dkim", "create", "example.org", "--selector", "a"]);
    assert_eq!(again.status.code(), Some(73));
    assert_eq!(site.run(&["dkim", "create", "nodot"]).status.code(), Some(64));
    assert_eq!(
        site.run(&["dkim", "create", "example.org", "--selector", "../x"]).status.code(),
        Some(64)
    );
    site.ok(&["dkim", "rm", "example.org", "a"]);
    assert_eq!(site.run(&["dkim", "rm", "example.org", "a"]).status.code(), Some(69));
    assert_eq!(site.ok(&["dkim", "dns"]), "");
}
