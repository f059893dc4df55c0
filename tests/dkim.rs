//! Signatures of posts stay good if the list leaves the posts unchanged; mail of domains with keys
//! is signed.

use dormouse_mail::Message;
use dormouse_testkit::dns::NameServer;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::TestSite;
use dormouse_testkit::verifiers::{Records, Verifiers};
use std::collections::HashMap;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Messages signed by dkimpy with the key below, in both canonical forms (RFC 6376 §3.4).
const SIGNED: [(&str, &[u8]); 2] = [
    ("relaxed", include_bytes!("data/dkim-relaxed.eml")),
    ("simple", include_bytes!("data/dkim-simple.eml")),
];

/// The record of sel._domainkey.sender.example.
const KEY: &str = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvmWcsiOemxFBNKtLwzu7ymb20x2as2/6LheUXeni+NlnPolPcCKS4UEhhtj0d+YsNgLrBm5h2mQdM5Eb5OaZY474Xon029pEECJuuhv/xIjn5R3HpEkuEt4mXPrP+rdwra7VE1uSSVqeM2EMQH9voCN9W2aMj3UAPdUA4P/+dDgyZ9XNRQEWv7q+ZzTVYRSU+pL5BRn8FPVcAy6ojazhzjmOshkfV1hHeRUa+hCtSnmrvnuoqNXVSKbFKQ9o34yOSJyIdIWUcaAYPktfLSYKUWQNRtMerW8xbE8lfdl1FQ3W8FgbPdKG3EAuypyVhO8xH04wu/pBvOiX/4Vtmh6iiQIDAQAB";

/// Whether the message has one signature, which is good.
fn is_good(verifiers: &Verifiers, message: &[u8]) -> bool {
    let records = [("sel._domainkey.sender.example".to_owned(), KEY.to_owned())];
    let results = verifiers.verdicts(&Records(HashMap::from(records)), message);
    assert_eq!(results.len(), 1, "{}", String::from_utf8_lossy(message));
    results[0].is_ok()
}

/// Posts to a list that changes nothing except by these settings, and returns what arrives.
fn arrives(settings: &[&str], raw: &[u8]) -> Vec<u8> {
    arrives_at("anonymous", settings, raw)
}

/// Does the same at a site with this `remove_dkim_headers`.
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
    let Some(verifiers) = Verifiers::find() else { return };
    for (form, raw) in SIGNED {
        let arrived = arrives(&[], raw);
        assert!(arrived.starts_with(b"Errors-To: "), "it went through the list");
        assert!(is_good(&verifiers, &arrived), "{form}: {}", String::from_utf8_lossy(&arrived));
        // The same with the line ends of LMTP.
        let crlf = String::from_utf8_lossy(raw).replace('\n', "\r\n");
        assert!(is_good(&verifiers, &arrives(&[], crlf.as_bytes())), "{form}, CRLF");
    }
}

#[test]
fn what_the_list_changes_shows() {
    let Some(verifiers) = Verifiers::find() else { return };
    for settings in ["msg_footer=foot", "subject_prefix=[dev] "] {
        assert!(!is_good(&verifiers, &arrives(&[settings], SIGNED[0].1)), "{settings}");
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
    let Some(verifiers) = Verifiers::find() else { return };
    for (form, raw) in SIGNED {
        let settings = ["from_is_list=wrap", "subject_prefix=[dev] "];
        let outer = Message::parse(arrives(&settings, raw));
        assert_eq!(outer.text("From").unwrap(), "Änne via Dev <dev@lists.example.org>");
        assert!(outer.text("Subject").unwrap().starts_with("[dev] "));
        assert!(
            is_good(&verifiers, outer.body()),
            "{form}: {}",
            String::from_utf8_lossy(outer.body())
        );
    }
}

/// Returns the records of the site's keys.
fn published(site: &TestSite) -> Records {
    Records::of_zone(&site.ok(&["dkim", "dns"]))
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
    let Some(verifiers) = Verifiers::find() else { return };
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
        let found = verifiers.verdicts(&published(&site), &arrived[0]);
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
    let Some(verifiers) = Verifiers::find() else { return };
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
        assert_eq!(
            verifiers.verdicts(&records, raw),
            [Ok(("example.org".to_owned(), "up".to_owned()))]
        );
        let changed = String::from_utf8_lossy(raw).replace("/unsubscribe/", "/unsubscribe/x");
        assert!(
            verifiers.verdicts(&records, changed.as_bytes())[0].is_err(),
            "the link is covered"
        );
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

/// Returns the output of `doctor`, whatever it finds.
fn doctor(site: &TestSite, args: &[&str]) -> String {
    String::from_utf8(site.run(args).stdout).unwrap()
}

#[test]
fn doctor_says_what_is_wrong_with_the_record_of_a_key_and_what_to_publish() {
    let site = TestSite::new(DORMOUSE);
    let server = NameServer::start();
    assert!(doctor(&site, &["doctor"]).contains("there are no keys"));
    let key = |selector: &str| -> String {
        let create = ["dkim", "create", "example.org", "--algorithm", "ed25519", "--selector"];
        site.ok(&[&create[..], &[selector]].concat())
    };
    let text = |zone: &str| Records::of_zone(zone).0.into_values().next().unwrap();
    let good = text(&key("good"));
    assert!(doctor(&site, &["doctor"]).contains("not looked up (dmarc.lookups)"));
    site.ok(&["config", "set", "dmarc.lookups", "yes"]);
    site.ok(&["config", "set", "dmarc.servers", &server.address().to_string()]);
    let name = |selector: &str| format!("{selector}._domainkey.example.org");
    server.txt(&name("good"), &good, 60);
    let zones = ["missing", "other", "alias", "dangling", "revoked", "testing", "two", "failing"]
        .map(|selector| (selector, key(selector)));
    let zone = |selector: &str| &zones.iter().find(|(known, _)| *known == selector).unwrap().1;
    server.txt(&name("missing"), "v=spf1 -all", 60);
    server.txt(&name("other"), &good, 60);
    server.txt("keys.example.net", &text(zone("alias")), 60);
    server.alias(&name("alias"), "keys.example.net");
    server.alias(&name("dangling"), "gone.example.net");
    server.txt(&name("revoked"), "v=DKIM1; k=ed25519; p=", 60);
    server.txt(&name("testing"), &format!("{}; t=y", text(zone("testing"))), 60);
    server.txt(&name("two"), &good, 60);
    server.txt(&name("two"), &text(zone("two")), 60);
    server.failing(&name("failing"));
    let said = doctor(&site, &["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_str(&said).unwrap();
    for (selector, state, words) in [
        ("good", "good", "publishes the key"),
        ("alias", "good", "an alias of keys.example.net, publishes the key"),
        ("missing", "bad", "no record"),
        ("dangling", "bad", "no record"),
        ("other", "bad", "another key"),
        ("revoked", "bad", "revoked"),
        ("testing", "odd", "t=y"),
        ("two", "bad", "2 records"),
        ("failing", "odd", "could not be looked up"),
    ] {
        let of = |finding: &&serde_json::Value| {
            finding["what"] == "dkim" && finding["text"].as_str().unwrap().contains(&name(selector))
        };
        let finding = findings.as_array().unwrap().iter().find(of).expect(selector);
        assert_eq!(finding["state"], state, "{finding}");
        assert!(finding["text"].as_str().unwrap().contains(words), "{finding}");
        if state == "bad" {
            let mend = finding["mend"].as_str().unwrap();
            assert!(mend.contains(zone(selector).trim()), "{finding}");
        }
    }
}
